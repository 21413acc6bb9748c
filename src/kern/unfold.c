/* Windows of x, and the unfolded matrix of them that has a row for each channel and position of the kernel. */
#include "kern/unfold.h"

#include "base/clones.h"

enum { UNFOLDED = 1 << 16, LEAST_POSITIONS = 64 };
enum { LEAST_CHANNELS = 8 }; /* with which there are patches */

/* ---- Tiles ---- */

static bool is_plain(const struct reel_convolution *c)
{
    for (int i = 0; i < 2; i++)
        if (c->kernel[i] != 1 || c->stride[i] != 1 || c->padding[i] != 0 || c->x_size[i] != c->y_size[i])
            return false;
    return true;
}

/* What positions in a row of n of y see of x: so many runs, as long as this. Neighbours share what they see, unless
 * there are gaps between. */
static void choose_runs(const struct reel_convolution *c, struct tiling *t)
{
    int64_t reach = (c->kernel[1] - 1) * c->dilation[1];
    t->phases = smaller(c->stride[1], reach + 1);
    t->run = t->columns + reach / c->stride[1];
    if (t->patches) {
        t->phases = 1;
        t->run = (t->columns - 1) * c->stride[1] + reach + 1;
    }
    t->own_columns = t->phases * t->run > c->kernel[1] * t->columns;
    if (t->own_columns) {
        t->phases = t->patches ? 1 : c->kernel[1];
        t->run = t->patches ? c->kernel[1] * t->columns : t->columns;
    }
    t->window_rows = (t->rows - 1) * c->stride[0] + (c->kernel[0] - 1) * c->dilation[0] + 1;
    t->own_rows = t->window_rows > t->rows * c->kernel[0];
    if (t->own_rows)
        t->window_rows = t->rows * c->kernel[0];
}

struct tiling reel_kern_cut(const struct reel_convolution *c, int64_t channels)
{
    struct tiling t = {.channels = channels, .images = 1, .columns = c->y_size[1], .plain = is_plain(c)};
    int64_t positions = area(c->y_size);
    t.patches = !t.plain && c->out > 1 && channels >= LEAST_CHANNELS && c->images * positions >= LEAST_POSITIONS;
    int64_t most = larger(UNFOLDED / larger(channels * area(c->kernel), c->out), LEAST_POSITIONS);
    if (positions <= most) {
        t.rows = c->y_size[0];
        if (!t.plain)
            t.images = smaller(most / positions, c->images);
    } else if (t.columns <= most) {
        t.rows = pieces(c->y_size[0], pieces(c->y_size[0], most / t.columns));
    } else {
        t.rows = 1;
        t.columns = pieces(t.columns, pieces(t.columns, most));
    }
    t.down = pieces(c->y_size[0], t.rows);
    t.across = pieces(c->y_size[1], t.columns);
    t.count = pieces(c->images, t.images) * t.down * t.across;
    choose_runs(c, &t);
    return t;
}

/* ---- Windows ---- */

/* The elements of a run that x has: begin to end - 1, from position `column` on, a stride apart. */
struct span {
    int64_t begin, end, column;
};

static struct span clip_run(const struct reel_convolution *c, const struct tiling *t, const struct tile *s,
                            int64_t phase)
{
    int64_t stride = c->stride[1], start = t->own_columns ? phase * c->dilation[1] : phase;
    int64_t first = s->column * stride - c->padding[1] + start, width = c->x_size[1];
    struct span span;
    span.begin = smaller(first < 0 ? pieces(-first, stride) : 0, t->run);
    span.end = first < width ? smaller(pieces(width - first, stride), t->run) : span.begin;
    span.end = larger(span.end, span.begin);
    span.column = first + span.begin * stride;
    return span;
}

/* The runs of a window, one after the other: those of a row are the phases, which every row has alike. Divisions for
 * each run would take as long as what is done with it. */
enum { SPANS = 16 };
struct walk {
    const struct reel_convolution *c;
    const struct tiling *t;
    const struct tile *s;
    int64_t rows; /* of a channel's window */
    struct span spans[SPANS];
};

static struct walk walk_of(const struct reel_convolution *c, const struct tiling *t, const struct tile *s)
{
    struct walk w = {c, t, s, rows_used(c, t, s), {{0}}};
    for (int64_t phase = 0; phase < t->phases && phase < SPANS; phase++)
        w.spans[phase] = clip_run(c, t, s, phase);
    return w;
}

static inline struct span span_of(const struct walk *w, int64_t phase)
{
    return phase < SPANS ? w->spans[phase] : clip_run(w->c, w->t, w->s, phase);
}

/* Where row r of channel `channel` of the tile's image i begins in an x whose first channel of image 0 is at 0; -1 when
 * x has no such row. */
static inline int64_t row_in_x(const struct walk *w, int64_t i, int64_t channel, int64_t r)
{
    const int64_t row = row_of_x(w->c, w->t, w->s, r), all = w->c->groups * w->c->in;
    if (row < 0 || row >= w->c->x_size[0])
        return -1;
    return (((w->s->image + i) * all + channel) * w->c->x_size[0] + row) * w->c->x_size[1];
}

/* Writes up to LANES - 1 elements more, and reads as many (a stride apart) when they are before `limit`. */
static inline void copy_apart(int64_t n, const reel_real *restrict from, const reel_real *limit, int64_t stride,
                              reel_real *restrict to)
{
    int64_t j = 0;
    if (stride == 1)
        for (; j < n && from + j + LANES <= limit; j += LANES)
            REEL_UNROLL for (int64_t lane = 0; lane < LANES; lane++) to[j + lane] = from[j + lane];
    else if (stride == 2)
        for (; j < n && from + 2 * (j + LANES) <= limit; j += LANES)
            REEL_UNROLL for (int64_t lane = 0; lane < LANES; lane++) to[j + lane] = from[2 * (j + lane)];
    for (; j < n; j++)
        to[j] = from[j * stride];
}

static inline void add_apart(int64_t n, const reel_real *restrict from, int64_t stride, reel_real *restrict to)
{
    if (stride == 1)
        for (int64_t j = 0; j < n; j++)
            to[j] += from[j];
    else if (stride == 2)
        for (int64_t j = 0; j < n; j++)
            to[2 * j] += from[j];
    else
        for (int64_t j = 0; j < n; j++)
            to[j * stride] += from[j];
}

static inline void zero(int64_t begin, int64_t end, reel_real *to)
{
    for (int64_t j = begin; j < end; j++)
        to[j] = 0;
}

REEL_CLONES
static void fill_all(const struct walk *w, const reel_real *x, const reel_real *limit, reel_real *window)
{
    const int64_t length = w->t->run, stride = w->c->stride[1];
    reel_real *run = window;
    for (int64_t i = 0; i < w->s->images; i++)
        for (int64_t channel = 0; channel < w->t->channels; channel++)
            for (int64_t r = 0; r < w->rows; r++) {
                const int64_t at = row_in_x(w, i, channel, r);
                for (int64_t phase = 0; phase < w->t->phases; phase++, run += length) {
                    const struct span span = at >= 0 ? span_of(w, phase) : (struct span){0, 0, 0};
                    zero(0, span.begin, run);
                    if (span.begin < span.end)
                        copy_apart(span.end - span.begin, x + at + span.column, limit, stride, run + span.begin);
                    zero(span.end, length, run);
                }
            }
}

REEL_CLONES
static void add_all(const struct walk *w, const reel_real *window, reel_real *x)
{
    const int64_t length = w->t->run, stride = w->c->stride[1];
    const reel_real *run = window;
    for (int64_t i = 0; i < w->s->images; i++)
        for (int64_t channel = 0; channel < w->t->channels; channel++)
            for (int64_t r = 0; r < w->rows; r++, run += w->t->phases * length) {
                const int64_t at = row_in_x(w, i, channel, r);
                for (int64_t phase = 0; at >= 0 && phase < w->t->phases; phase++) {
                    const struct span span = span_of(w, phase);
                    if (span.begin < span.end)
                        add_apart(span.end - span.begin, run + phase * length + span.begin, stride,
                                  x + at + span.column);
                }
            }
}

void reel_kern_fill_window(const struct reel_convolution *c, const struct tiling *t, const struct tile *s,
                           const reel_real *x, const reel_real *limit, reel_real *window)
{
    const struct walk walk = walk_of(c, t, s);
    fill_all(&walk, x, limit, window);
}

void reel_kern_add_window(const struct reel_convolution *c, const struct tiling *t, const struct tile *s,
                          const reel_real *window, reel_real *x)
{
    const struct walk walk = walk_of(c, t, s);
    add_all(&walk, window, x);
}

/* ---- Between window and unfolded matrix ---- */

/* Up to LANES - 1 elements behind each run are read and written, too. */
REEL_CLONES
static void copy_runs(const struct runs *n, const reel_real *restrict from, reel_real *restrict to)
{
    for (int64_t i = 0; i < n->images; i++)
        for (int64_t r = 0; r < n->rows; r++, to += n->columns) {
            const reel_real *run = from + i * n->image_step + r * n->row_step;
            for (int64_t j = 0; j < n->columns; j += LANES)
                REEL_UNROLL for (int64_t lane = 0; lane < LANES; lane++) to[j + lane] = run[j + lane];
        }
}

REEL_CLONES
static void add_runs(const struct runs *n, const reel_real *restrict from, reel_real *restrict to)
{
    for (int64_t i = 0; i < n->images; i++)
        for (int64_t r = 0; r < n->rows; r++, from += n->columns) {
            reel_real *run = to + i * n->image_step + r * n->row_step;
            for (int64_t j = 0; j < n->columns; j += LANES) {
                const int64_t left = n->columns - j;
                for (int64_t lane = 0; lane < LANES; lane++)
                    run[j + lane] += lane < left ? from[j + lane] : 0;
            }
        }
}

void reel_kern_unfold(const struct reel_convolution *c, const struct tiling *t, const struct tile *s,
                      const reel_real *window, reel_real *unfolded)
{
    const struct runs n = runs_of(c, t, s);
    EACH_ROW(c, t, s, copy_runs(&n, window + at, unfolded + row * s->positions));
}

void reel_kern_fold(const struct reel_convolution *c, const struct tiling *t, const struct tile *s,
                    const reel_real *unfolded, reel_real *window)
{
    const struct runs n = runs_of(c, t, s);
    EACH_ROW(c, t, s, add_runs(&n, unfolded + row * s->positions, window + at));
}
