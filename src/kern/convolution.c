/* Convolutions, as products of matrices over tiles of positions. */
#include "kern/convolution.h"

#include "base/clones.h"
#include "kern/copy.h"
#include "kern/gemm.h"
#include "kern/parallel.h"

#include <string.h>

/* What a kernel sees of x is written out ("unfolded") for a tile of positions of y at a time, as the columns of a
 * matrix [in * kernel, positions], which a product with w makes y of. A tile is part of an image, or several images; it
 * stays in the second-level cache, so that memory does not grow with the size of the kernel. Tiles are cut by sizes
 * alone, each is computed by one thread, and sums over tiles are made in their order: the bits do not depend on
 * threads.
 *
 * Writing out goes in two steps. The rows of x that a tile reads are copied to a *window*, with zeros where x has no
 * positions; then every row of the unfolded matrix consists of runs of the window.
 *
 * With few channels the unfolded matrix has a row for each channel and position of the kernel. In the window the
 * positions between which a stride jumps are sorted apart, and runs are copied LANES elements at a time: what that
 * writes too much is overwritten by the next run.
 *
 * With many, the window has the channels of a position side by side, and the unfolded matrix a row, the *patch*, for
 * each position of y: its runs are long, since a row of the kernel sees all channels of its positions in one. The order
 * of a patch is [kernel, in]; weights are brought into it once a call. */
enum { LANES = 16, UNFOLDED = 1 << 16, LEAST_POSITIONS = 64, LEAST_ROWS = 64, SHARES = 8, SMALL_WEIGHT = 1 << 16 };
enum { LEAST_CHANNELS = 8 }; /* with which there are patches */

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t pieces(int64_t size, int64_t piece)
{
    return (size + piece - 1) / piece;
}

static int64_t area(const int64_t *size)
{
    return size[0] * size[1];
}

/* ---- Tiles ---- */

/* How y is cut, for a number of channels of x. */
struct tiling {
    int64_t channels;      /* of x */
    int64_t images;        /* in a tile; with more than one, whole images */
    int64_t rows, columns; /* of y, in a tile */
    int64_t down, across;  /* tiles in an image */
    int64_t count;         /* tiles in all */
    bool plain;            /* the unfolded matrix is a part of x itself */
    bool patches;          /* channels last */
    /* A window has for each image and channel `window_rows` rows of `phases` runs of `run` positions of x; one of
     * patches for each image `window_rows` rows of `run` positions with all channels. */
    int64_t window_rows, phases, run;
    bool own_rows, own_columns; /* no two kernel rows (columns) share theirs */
};

struct tile {
    int64_t image, images, row, rows, column, columns;
    int64_t positions; /* images * rows * columns */
};

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

static struct tiling cut(const struct reel_convolution *c, int64_t channels)
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

static struct tile tile_at(const struct reel_convolution *c, const struct tiling *t, int64_t i)
{
    struct tile s;
    s.column = i % t->across * t->columns;
    s.row = i / t->across % t->down * t->rows;
    s.image = i / t->across / t->down * t->images;
    s.columns = smaller(t->columns, c->y_size[1] - s.column);
    s.rows = smaller(t->rows, c->y_size[0] - s.row);
    s.images = smaller(t->images, c->images - s.image);
    s.positions = s.images * s.rows * s.columns;
    return s;
}

/* Tiles of an image are next to each other. */
static int64_t tiles_of_image(const struct tiling *t)
{
    return t->down * t->across;
}

static int64_t depth_of(const struct reel_convolution *c, const struct tiling *t)
{
    return t->channels * area(c->kernel);
}

/* ---- Room of a thread ---- */

/* A window, an unfolded matrix, and rows of y. */
struct room {
    reel_real *window, *unfolded, *rows_of_y;
};

static int64_t window_size(const struct tiling *t)
{
    return t->images * t->channels * t->window_rows * t->phases * t->run + LANES;
}

static int64_t unfolded_size(const struct reel_convolution *c, const struct tiling *t)
{
    return depth_of(c, t) * t->images * t->rows * t->columns + LANES;
}

static int64_t room_size(const struct reel_convolution *c, const struct tiling *t)
{
    return window_size(t) + unfolded_size(c, t) + c->out * t->images * t->rows * t->columns;
}

static struct room room_of(const struct reel_convolution *c, const struct tiling *t, reel_real *room, int thread)
{
    struct room r;
    r.window = room + thread * room_size(c, t);
    r.unfolded = r.window + window_size(t);
    r.rows_of_y = r.unfolded + unfolded_size(c, t);
    return r;
}

/* ---- Windows ---- */

/* Where a kernel column finds its run in a row of the window. */
static int64_t run_of(const struct reel_convolution *c, const struct tiling *t, int64_t kernel_column)
{
    int64_t at = kernel_column * c->dilation[1];
    return t->own_columns ? kernel_column * t->run : at % c->stride[1] * t->run + at / c->stride[1];
}

/* The row of the window for a row of the tile and one of the kernel: row * row_step + kernel_row * kernel_step. */
static int64_t row_step(const struct reel_convolution *c, const struct tiling *t)
{
    return t->own_rows ? 1 : c->stride[0];
}

static int64_t kernel_step(const struct reel_convolution *c, const struct tiling *t, const struct tile *s)
{
    return t->own_rows ? s->rows : c->dilation[0];
}

/* How many rows of the window a tile uses. */
static int64_t rows_used(const struct reel_convolution *c, const struct tiling *t, const struct tile *s)
{
    return (s->rows - 1) * row_step(c, t) + (c->kernel[0] - 1) * kernel_step(c, t, s) + 1;
}

/* Which row of x is row r of the window; it may have no such row. */
static int64_t row_of_x(const struct reel_convolution *c, const struct tiling *t, const struct tile *s, int64_t r)
{
    int64_t first = s->row * c->stride[0] - c->padding[0];
    return t->own_rows ? first + r % s->rows * c->stride[0] + r / s->rows * c->dilation[0] : first + r;
}

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

/* x is that of the first channel, in image 0; `limit` is where it ends. */
REEL_CLONES
static void fill_window(const struct walk *w, const reel_real *x, const reel_real *limit, reel_real *window)
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
static void add_window(const struct walk *w, const reel_real *window, reel_real *x)
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

/* ---- Between window and unfolded matrix ---- */

/* The runs of a kernel position in a window: for each image and row of the tile one, at first + image * image_step +
 * row * row_step. */
struct runs {
    int64_t images, rows, columns, image_step, row_step;
};

static struct runs runs_of(const struct reel_convolution *c, const struct tiling *t, const struct tile *s)
{
    int64_t row = t->phases * t->run;
    return (struct runs){s->images, s->rows, s->columns, t->channels * rows_used(c, t, s) * row, row_step(c, t) * row};
}

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

/* Calls for each row of the unfolded matrix, [channels, kernel]: `row` counts them, `at` is where its runs begin. */
#define EACH_ROW(c, t, s, statement)                                                                                   \
    do {                                                                                                               \
        const int64_t used = rows_used(c, t, s), per_row = (t)->phases * (t)->run;                                     \
        int64_t row = 0;                                                                                               \
        for (int64_t channel = 0; channel < (t)->channels; channel++)                                                  \
            for (int64_t k = 0; k < (c)->kernel[0]; k++)                                                               \
                for (int64_t l = 0; l < (c)->kernel[1]; l++, row++) {                                                  \
                    const int64_t at = (channel * used + k * kernel_step(c, t, s)) * per_row + run_of(c, t, l);        \
                    statement;                                                                                         \
                }                                                                                                      \
    } while (0)

static void unfold(const struct reel_convolution *c, const struct tiling *t, const struct tile *s,
                   const reel_real *window, reel_real *unfolded)
{
    const struct runs n = runs_of(c, t, s);
    EACH_ROW(c, t, s, copy_runs(&n, window + at, unfolded + row * s->positions));
}

static void fold(const struct reel_convolution *c, const struct tiling *t, const struct tile *s,
                 const reel_real *unfolded, reel_real *window)
{
    const struct runs n = runs_of(c, t, s);
    EACH_ROW(c, t, s, add_runs(&n, unfolded + row * s->positions, window + at));
}

/* ---- Patches ---- */

/* The positions of a row of the window that x has come in one piece, or (own columns) in one for each kernel column. */
struct piece {
    int64_t count;        /* of positions */
    int64_t column, step; /* of x: the first, and from one to the next */
    int64_t at, at_step;  /* in the window */
};

/* Copies, or adds to where x has them, the positions of a row: [positions, channels] in the window, [channels, plane]
 * in x. */
REEL_CLONES
static void spread_row(const struct piece *p, int64_t channels, int64_t plane, const reel_real *restrict x,
                       reel_real *restrict window)
{
    const int64_t step = p->at_step * channels;
    int64_t first = 0;
    for (; first + LANES <= channels; first += LANES)
        for (int64_t j = 0; j < p->count; j++)
            REEL_UNROLL for (int64_t lane = 0; lane < LANES; lane++) window[j * step + first + lane] =
                x[(first + lane) * plane + j * p->step];
    for (; first < channels; first++)
        for (int64_t j = 0; j < p->count; j++)
            window[j * step + first] = x[first * plane + j * p->step];
}

REEL_CLONES
static void collect_row(const struct piece *p, int64_t channels, int64_t plane, const reel_real *restrict window,
                        reel_real *restrict x)
{
    const int64_t step = p->at_step * channels;
    for (int64_t channel = 0; channel < channels; channel++)
        for (int64_t j = 0; j < p->count; j++)
            x[channel * plane + j * p->step] += window[j * step + channel];
}

static struct piece piece_of(const struct reel_convolution *c, const struct tiling *t, const struct tile *s,
                             int64_t kernel_column)
{
    int64_t first = s->column * c->stride[1] - c->padding[1], width = c->x_size[1];
    struct piece p = {.step = 1, .at_step = 1};
    int64_t all = (s->columns - 1) * c->stride[1] + (c->kernel[1] - 1) * c->dilation[1] + 1;
    if (t->own_columns) {
        first += kernel_column * c->dilation[1];
        p.step = c->stride[1];
        p.at_step = c->kernel[1];
        all = s->columns;
    }
    int64_t begin = first < 0 ? pieces(-first, p.step) : 0, end = first < width ? pieces(width - first, p.step) : 0;
    p.count = larger(smaller(end, all) - begin, 0);
    p.column = first + begin * p.step;
    p.at = begin * p.at_step + (t->own_columns ? kernel_column : 0);
    return p;
}

/* Calls for each piece of the window that x has: `from_x` and `in_window` are where it begins. */
#define EACH_PIECE(c, t, s, x, window, statement)                                                                      \
    do {                                                                                                               \
        const int64_t used = rows_used(c, t, s), plane = area((c)->x_size), all = (c)->groups * (c)->in;               \
        for (int64_t l = 0; l < ((t)->own_columns ? (c)->kernel[1] : 1); l++) {                                        \
            const struct piece piece = piece_of(c, t, s, l);                                                           \
            for (int64_t r = 0; piece.count > 0 && r < (s)->images * used; r++) {                                      \
                const int64_t row = row_of_x(c, t, s, r % used);                                                       \
                if (row < 0 || row >= (c)->x_size[0])                                                                  \
                    continue;                                                                                          \
                const int64_t in_x = ((s)->image + r / used) * all * plane + row * (c)->x_size[1] + piece.column;      \
                const int64_t in_window = (r * (t)->run + piece.at) * (t)->channels;                                   \
                statement;                                                                                             \
            }                                                                                                          \
        }                                                                                                              \
    } while (0)

/* Calls for each run of a patch: a row of the kernel, or (dilated) each of its positions. */
#define EACH_PATCH_RUN(c, t, s, statement)                                                                             \
    do {                                                                                                               \
        const int64_t used = rows_used(c, t, s), channels = (t)->channels;                                             \
        const bool whole = (t)->own_columns || (c)->dilation[1] == 1 || (c)->kernel[1] == 1;                           \
        const int64_t runs = whole ? 1 : (c)->kernel[1], length = (whole ? (c)->kernel[1] : 1) * channels;             \
        const int64_t step = (t)->own_columns ? (c)->kernel[1] : (c)->stride[1];                                       \
        int64_t in_patches = 0;                                                                                        \
        for (int64_t i = 0; i < (s)->images; i++)                                                                      \
            for (int64_t r = 0; r < (s)->rows; r++)                                                                    \
                for (int64_t p = 0; p < (s)->columns; p++)                                                             \
                    for (int64_t k = 0; k < (c)->kernel[0]; k++) {                                                     \
                        const int64_t row = i * used + r * row_step(c, t) + k * kernel_step(c, t, s);                  \
                        int64_t in_window = (row * (t)->run + p * step) * channels;                                    \
                        for (int64_t l = 0; l < runs; l++, in_patches += length) {                                     \
                            statement;                                                                                 \
                            in_window += (c)->dilation[1] * channels;                                                  \
                        }                                                                                              \
                    }                                                                                                  \
    } while (0)

static inline void copy_run(int64_t n, const reel_real *restrict from, reel_real *restrict to)
{
    for (int64_t j = 0; j < n; j++)
        to[j] = from[j];
}

static inline void add_run(int64_t n, const reel_real *restrict from, reel_real *restrict to)
{
    for (int64_t j = 0; j < n; j++)
        to[j] += from[j];
}

REEL_CLONES
static void copy_patches(const struct reel_convolution *c, const struct tiling *t, const struct tile *s,
                         const reel_real *restrict window, reel_real *restrict patches)
{
    EACH_PATCH_RUN(c, t, s, copy_run(length, window + in_window, patches + in_patches));
}

REEL_CLONES
static void add_patches(const struct reel_convolution *c, const struct tiling *t, const struct tile *s,
                        const reel_real *restrict patches, reel_real *restrict window)
{
    EACH_PATCH_RUN(c, t, s, add_run(length, patches + in_patches, window + in_window));
}

/* Between weights [rows, channels, kernel] and their order in patches. */
static void order_weight(int64_t rows, int64_t channels, int64_t kernel, const reel_real *from, reel_real *to)
{
    for (int64_t row = 0; row < rows; row++, from += channels * kernel, to += channels * kernel)
        for (int64_t k = 0; k < kernel; k++)
            for (int64_t channel = 0; channel < channels; channel++)
                to[k * channels + channel] = from[channel * kernel + k];
}

static int64_t used_of_window(const struct reel_convolution *c, const struct tiling *t, const struct tile *s)
{
    return s->images * rows_used(c, t, s) * t->run * t->channels;
}

static void unfold_patches(const struct reel_convolution *c, const struct tiling *t, const struct tile *s,
                           const reel_real *x, reel_real *window, reel_real *patches)
{
    memset(window, 0, (size_t)used_of_window(c, t, s) * sizeof *window);
    EACH_PIECE(c, t, s, x, window, spread_row(&piece, t->channels, plane, x + in_x, window + in_window));
    copy_patches(c, t, s, window, patches);
}

static void fold_patches(const struct reel_convolution *c, const struct tiling *t, const struct tile *s,
                         const reel_real *patches, reel_real *window, reel_real *x)
{
    memset(window, 0, (size_t)used_of_window(c, t, s) * sizeof *window);
    add_patches(c, t, s, patches, window);
    EACH_PIECE(c, t, s, x, window, collect_row(&piece, t->channels, plane, window + in_window, x + in_x));
}

/* ---- Rows of y ---- */

/* A tile that is part of an image lies in y as it is: so many elements from the first channel of image 0. */
static int64_t place_in_y(const struct reel_convolution *c, const struct tile *s)
{
    return s->image * c->groups * c->out * area(c->y_size) + s->row * c->y_size[1] + s->column;
}

/* y of a tile as [out, positions]; of several images in `rows`. y is that of the first channel, in image 0. */
static struct reel_matrix gather_y(const struct reel_convolution *c, const struct tiling *t, const struct tile *s,
                                   const reel_real *y, reel_real *rows)
{
    int64_t plane = area(c->y_size);
    if (t->images == 1)
        return (struct reel_matrix){y + place_in_y(c, s), plane, false};
    for (int64_t o = 0; o < c->out; o++)
        for (int64_t i = 0; i < s->images; i++)
            memcpy(rows + o * s->positions + i * plane, y + ((s->image + i) * c->groups * c->out + o) * plane,
                   (size_t)plane * sizeof *y);
    return (struct reel_matrix){rows, s->positions, false};
}

REEL_CLONES
static void add_value(int64_t n, const reel_real *restrict from, reel_real value, reel_real *restrict to)
{
    for (int64_t j = 0; j < n; j++)
        to[j] = from[j] + value;
}

/* `rows` [out, positions] to y, with bias, or added to it. */
static void scatter_y(const struct reel_convolution *c, const struct tile *s, const reel_real *rows,
                      const reel_real *bias, bool add, reel_real *y)
{
    int64_t plane = area(c->y_size);
    for (int64_t o = 0; o < c->out; o++)
        for (int64_t i = 0; i < s->images; i++) {
            const reel_real *from = rows + o * s->positions + i * plane;
            reel_real *to = y + ((s->image + i) * c->groups * c->out + o) * plane;
            if (add)
                reel_kern_add_to(plane, from, to, 1);
            else if (bias)
                add_value(plane, from, bias[o], to);
            else
                memcpy(to, from, (size_t)plane * sizeof *to);
        }
}

/* n elements in `rows` rows that are `stride` apart. */
static void fill(int64_t rows, int64_t n, int64_t stride, const reel_real *values, reel_real *to)
{
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < n; j++)
            to[i * stride + j] = values ? values[i] : 0;
}

/* ---- One channel of y: loops ---- */

REEL_CLONES
static void multiply_runs(const struct runs *n, const reel_real *restrict from, reel_real factor,
                          reel_real *restrict to)
{
    for (int64_t i = 0; i < n->images; i++)
        for (int64_t r = 0; r < n->rows; r++, to += n->columns) {
            const reel_real *run = from + i * n->image_step + r * n->row_step;
            for (int64_t j = 0; j < n->columns; j++)
                to[j] += factor * run[j];
        }
}

REEL_CLONES
static void multiply_to_runs(const struct runs *n, const reel_real *restrict from, reel_real factor,
                             reel_real *restrict to)
{
    for (int64_t i = 0; i < n->images; i++)
        for (int64_t r = 0; r < n->rows; r++, from += n->columns) {
            reel_real *run = to + i * n->image_step + r * n->row_step;
            for (int64_t j = 0; j < n->columns; j++)
                run[j] += factor * from[j];
        }
}

REEL_CLONES
static reel_real sum_products(const struct runs *n, const reel_real *restrict from, const reel_real *restrict other)
{
    reel_real sums[LANES] = {0}, sum = 0;
    for (int64_t i = 0; i < n->images; i++)
        for (int64_t r = 0; r < n->rows; r++, other += n->columns) {
            const reel_real *run = from + i * n->image_step + r * n->row_step;
            int64_t j = 0;
            for (; j + LANES <= n->columns; j += LANES)
                REEL_UNROLL for (int lane = 0; lane < LANES; lane++) sums[lane] += run[j + lane] * other[j + lane];
            for (int lane = 0; j < n->columns; j++, lane++)
                sums[lane] += run[j] * other[j];
        }
    for (int lane = 0; lane < LANES; lane++)
        sum += sums[lane];
    return sum;
}

/* ---- y ---- */

struct work {
    const struct reel_convolution *c;
    struct tiling tiling;
    const reel_real *x, *y, *w, *bias;
    reel_real *result, *room;
    bool add;
    int64_t channel_blocks, parts; /* of a weight's gradient */
};

static void convolve_tile(void *user, int64_t i, int thread)
{
    const struct work *p = user;
    const struct reel_convolution *c = p->c;
    const struct tiling *t = &p->tiling;
    int64_t group = i / t->count, plane = area(c->y_size), depth = depth_of(c, t);
    struct tile s = tile_at(c, t, i % t->count);
    struct room room = room_of(c, t, p->room, thread);
    const reel_real *x = p->x + group * c->in * area(c->x_size), *w = p->w + group * c->out * depth;
    const reel_real *bias = p->bias ? p->bias + group * c->out : NULL;
    reel_real *y = p->result + group * c->out * plane;
    bool in_place = t->images == 1;
    reel_real *to = in_place ? y + place_in_y(c, &s) : room.rows_of_y;
    int64_t stride = in_place ? plane : s.positions;
    bool add = in_place && (p->add || bias);
    struct reel_matrix columns = {room.unfolded, s.positions, false};
    if (in_place && bias)
        fill(c->out, s.positions, stride, bias, to);
    if (t->plain) {
        columns = (struct reel_matrix){x + s.image * c->groups * c->in * plane + s.row * c->x_size[1] + s.column, plane,
                                       false};
    } else if (t->patches) {
        unfold_patches(c, t, &s, x, room.window, room.unfolded);
        columns = (struct reel_matrix){room.unfolded, depth, true};
    } else {
        const struct walk walk = walk_of(c, t, &s);
        fill_window(&walk, x, p->x + c->images * c->groups * c->in * area(c->x_size), room.window);
        if (c->out > 1)
            unfold(c, t, &s, room.window, room.unfolded);
    }
    if (c->out > 1 || t->plain) {
        const struct reel_gemm product = {.m = c->out,
                                          .n = s.positions,
                                          .k = depth,
                                          .a = {w, depth, false},
                                          .b = columns,
                                          .c = to,
                                          .c_stride = stride,
                                          .add = add};
        reel_kern_gemm(&product, 1);
    } else {
        const struct runs n = runs_of(c, t, &s);
        if (!add)
            memset(to, 0, (size_t)s.positions * sizeof *to);
        EACH_ROW(c, t, &s, multiply_runs(&n, room.window + at, w[row], to));
    }
    if (!in_place)
        scatter_y(c, &s, room.rows_of_y, bias, p->add, y);
}

/* Without positions, channels or images there is nothing to cut. */
static bool has_terms(const struct reel_convolution *c)
{
    return c->images > 0 && c->groups > 0 && c->in > 0 && c->out > 0 && area(c->x_size) > 0 && area(c->y_size) > 0 &&
           area(c->kernel) > 0;
}

/* A result that no term reaches: [images, channels, n]. */
static void fill_images(int64_t images, int64_t channels, int64_t n, const reel_real *bias, bool add, reel_real *to)
{
    for (int64_t i = 0; !add && i < images; i++)
        fill(channels, n, n, bias, to + i * channels * n);
}

/* The weights in the order of patches, behind the threads' room. */
static const reel_real *order_all(const struct work *p, const reel_real *w, int threads)
{
    const struct reel_convolution *c = p->c;
    reel_real *ordered = p->room + threads * room_size(c, &p->tiling);
    const int64_t kernel = area(c->kernel), row = c->in * kernel;
    REEL_PARALLEL_FOR(first, last, c->groups * c->out, REEL_BLOCK / row + 1, threads,
                      order_weight(last - first, c->in, kernel, w + first * row, ordered + first * row));
    return ordered;
}

void reel_kern_convolution(const struct reel_convolution *c, const reel_real *x, const reel_real *w,
                           const reel_real *bias, bool add, reel_real *y, reel_real *room, int threads)
{
    if (!has_terms(c)) {
        fill_images(c->images, c->groups * c->out, area(c->y_size), bias, add, y);
        return;
    }
    struct work p = {
        .c = c, .tiling = cut(c, c->in), .x = x, .w = w, .bias = bias, .result = y, .room = room, .add = add};
    if (p.tiling.patches)
        p.w = order_all(&p, w, threads);
    reel_kern_for_each(c->groups * p.tiling.count, threads, convolve_tile, &p);
}

/* ---- x ---- */

/* The images of a tile, one tile of each after the other. */
static void convolve_input_images(void *user, int64_t i, int thread)
{
    const struct work *p = user;
    const struct reel_convolution *c = p->c;
    const struct tiling *t = &p->tiling;
    int64_t tiles = tiles_of_image(t), chunks = t->count / tiles, group = i / chunks, depth = depth_of(c, t);
    int64_t plane = area(c->x_size);
    struct room room = room_of(c, t, p->room, thread);
    const reel_real *y = p->y + group * c->out * area(c->y_size), *w = p->w + group * c->out * depth;
    reel_real *x = p->result + group * c->in * plane;
    for (int64_t j = 0; j < tiles; j++) {
        struct tile s = tile_at(c, t, i % chunks * tiles + j);
        for (int64_t k = 0; j == 0 && !p->add && k < s.images; k++)
            fill(c->in, plane, plane, p->bias ? p->bias + group * c->in : NULL,
                 x + (s.image + k) * c->groups * c->in * plane);
        struct reel_matrix rows = gather_y(c, t, &s, y, room.rows_of_y);
        struct reel_gemm product = {.m = depth,
                                    .n = s.positions,
                                    .k = c->out,
                                    .a = {w, depth, true},
                                    .b = rows,
                                    .c = room.unfolded,
                                    .c_stride = s.positions};
        if (t->plain) {
            product.c = x + s.image * c->groups * c->in * plane + s.row * c->x_size[1] + s.column;
            product.c_stride = plane;
            product.add = true;
            reel_kern_gemm(&product, 1);
            continue;
        }
        if (t->patches) {
            product = (struct reel_gemm){.m = s.positions,
                                         .n = depth,
                                         .k = c->out,
                                         .a = {rows.data, rows.stride, true},
                                         .b = {w, depth, false},
                                         .c = room.unfolded,
                                         .c_stride = depth};
            reel_kern_gemm(&product, 1);
            fold_patches(c, t, &s, room.unfolded, room.window, x);
            continue;
        }
        memset(room.window, 0, (size_t)window_size(t) * sizeof *room.window);
        if (c->out > 1) {
            reel_kern_gemm(&product, 1);
            fold(c, t, &s, room.unfolded, room.window);
        } else {
            const struct runs n = runs_of(c, t, &s);
            EACH_ROW(c, t, &s, multiply_to_runs(&n, rows.data, w[row], room.window + at));
        }
        const struct walk walk = walk_of(c, t, &s);
        add_window(&walk, room.window, x);
    }
}

void reel_kern_convolution_input(const struct reel_convolution *c, const reel_real *y, const reel_real *w,
                                 const reel_real *bias, bool add, reel_real *x, reel_real *room, int threads)
{
    if (!has_terms(c)) {
        fill_images(c->images, c->groups * c->in, area(c->x_size), bias, add, x);
        return;
    }
    struct work p = {
        .c = c, .tiling = cut(c, c->in), .y = y, .w = w, .bias = bias, .result = x, .room = room, .add = add};
    if (p.tiling.patches)
        p.w = order_all(&p, w, threads);
    reel_kern_for_each(c->groups * (p.tiling.count / tiles_of_image(&p.tiling)), threads, convolve_input_images, &p);
}

/* ---- w ---- */

/* Every element of w is a sum over all tiles, so that it is not tiles which are shared out, but channels of x; of a
 * small weight the tiles in a few parts, each summed by itself. */
static void share_weight(struct work *p)
{
    const struct reel_convolution *c = p->c;
    int64_t weight = c->groups * c->out * c->in * area(c->kernel);
    p->channel_blocks = p->parts = 1;
    if (weight > SMALL_WEIGHT) {
        int64_t least = pieces(LEAST_ROWS, area(c->kernel));
        p->channel_blocks = larger(1, smaller(c->in / least, pieces(SHARES, c->groups)));
        p->channel_blocks = pieces(c->in, pieces(c->in, p->channel_blocks));
    }
    p->tiling = cut(c, pieces(c->in, p->channel_blocks));
    if (weight <= SMALL_WEIGHT) {
        int64_t parts = smaller(p->tiling.count, pieces(SHARES, c->groups));
        p->parts = pieces(p->tiling.count, pieces(p->tiling.count, parts));
    }
}

static void convolve_weight_share(void *user, int64_t i, int thread)
{
    const struct work *p = user;
    const struct reel_convolution *c = p->c;
    struct tiling t = p->tiling;
    int64_t kernel = area(c->kernel), depth = c->in * kernel;
    int64_t part = i % p->parts, block = i / p->parts % p->channel_blocks, group = i / p->parts / p->channel_blocks;
    int64_t first_channel = block * t.channels, per_part = pieces(t.count, p->parts);
    struct room room = room_of(c, &p->tiling, p->room, thread);
    t.channels = smaller(t.channels, c->in - first_channel);
    const reel_real *x = p->x + (group * c->in + first_channel) * area(c->x_size);
    const reel_real *y = p->y + group * c->out * area(c->y_size);
    reel_real *w = p->result + part * c->groups * c->out * depth + group * c->out * depth + first_channel * kernel;
    int64_t stride = depth;
    if (t.patches) { /* rows of all channels of a block are next to each other: restore_weight puts them apart */
        w += first_channel * kernel * (c->out - 1);
        stride = t.channels * kernel;
    }
    for (int64_t j = part * per_part; j < smaller((part + 1) * per_part, t.count); j++) {
        bool add = j > part * per_part || (p->add && p->parts == 1 && !t.patches);
        struct tile s = tile_at(c, &t, j);
        struct reel_matrix rows = gather_y(c, &t, &s, y, room.rows_of_y);
        struct reel_matrix columns = {room.unfolded, s.positions, true};
        if (t.plain) {
            columns = (struct reel_matrix){x + s.image * c->groups * c->in * area(c->x_size) + s.row * c->x_size[1] +
                                               s.column,
                                           area(c->x_size), true};
        } else if (t.patches) {
            unfold_patches(c, &t, &s, x, room.window, room.unfolded);
            columns = (struct reel_matrix){room.unfolded, stride, false};
        } else {
            const struct walk walk = walk_of(c, &t, &s);
            fill_window(&walk, x, p->x + c->images * c->groups * c->in * area(c->x_size), room.window);
            if (c->out > 1)
                unfold(c, &t, &s, room.window, room.unfolded);
        }
        if (c->out > 1 || t.plain) {
            const struct reel_gemm product = {.m = c->out,
                                              .n = depth_of(c, &t),
                                              .k = s.positions,
                                              .a = rows,
                                              .b = columns,
                                              .c = w,
                                              .c_stride = stride,
                                              .add = add};
            reel_kern_gemm(&product, 1);
        } else {
            const struct runs n = runs_of(c, &t, &s);
            EACH_ROW(c, &t, &s, w[row] = (add ? w[row] : 0) + sum_products(&n, room.window + at, rows.data));
        }
    }
}

/* to = the sum of the parts, in order. */
REEL_CLONES
static void sum_parts(int64_t parts, int64_t n, int64_t size, const reel_real *restrict from, bool add,
                      reel_real *restrict to)
{
    for (int64_t j = 0; j < n; j++)
        to[j] = add ? to[j] + from[j] : from[j];
    for (int64_t part = 1; part < parts; part++)
        for (int64_t j = 0; j < n; j++)
            to[j] += from[part * size + j];
}

/* Rows [kernel, channels] of all parts, summed in order, to rows [channels, kernel] of w. */
static void restore_weight(const struct work *p, int64_t group, int64_t block, bool add, reel_real *w)
{
    const struct reel_convolution *c = p->c;
    const int64_t kernel = area(c->kernel), depth = c->in * kernel, first = block * p->tiling.channels;
    const int64_t channels = smaller(p->tiling.channels, c->in - first), size = c->groups * c->out * depth;
    const reel_real *from = p->result + group * c->out * depth + first * kernel * c->out;
    w += group * c->out * depth + first * kernel;
    for (int64_t o = 0; o < c->out; o++, w += depth)
        for (int64_t k = 0; k < kernel; k++, from += channels)
            for (int64_t channel = 0; channel < channels; channel++) {
                reel_real sum = from[channel];
                for (int64_t part = 1; part < p->parts; part++)
                    sum += from[part * size + channel];
                w[channel * kernel + k] = add ? w[channel * kernel + k] + sum : sum;
            }
}

void reel_kern_convolution_weight(const struct reel_convolution *c, const reel_real *x, const reel_real *y, bool add,
                                  reel_real *w, reel_real *room, int threads)
{
    int64_t size = c->groups * c->out * c->in * area(c->kernel);
    if (!has_terms(c)) {
        fill_images(1, 1, size, NULL, add, w);
        return;
    }
    struct work p = {.c = c, .x = x, .y = y, .result = w, .room = room, .add = add};
    share_weight(&p);
    if (p.parts > 1 || p.tiling.patches)
        p.result = room + threads * room_size(c, &p.tiling);
    reel_kern_for_each(c->groups * p.channel_blocks * p.parts, threads, convolve_weight_share, &p);
    for (int64_t group = 0; p.tiling.patches && group < c->groups; group++)
        for (int64_t block = 0; block < p.channel_blocks; block++)
            restore_weight(&p, group, block, add, w);
    if (p.parts > 1 && !p.tiling.patches)
        REEL_PARALLEL_FOR(first, last, size, REEL_BLOCK, threads,
                          sum_parts(p.parts, last - first, size, p.result + first, add, w + first));
}

int64_t reel_kern_convolution_room(const struct reel_convolution *c, int threads)
{
    if (!has_terms(c))
        return 0;
    struct work p = {.c = c};
    struct tiling t = cut(c, c->in);
    share_weight(&p);
    int64_t size = c->groups * c->out * c->in * area(c->kernel);
    int64_t weight = threads * room_size(c, &p.tiling) + (p.parts > 1 || p.tiling.patches ? p.parts * size : 0);
    return larger(threads * room_size(c, &t) + (t.patches ? size : 0), weight);
}
