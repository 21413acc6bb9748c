/* Windows of x with the channels of a position side by side, and the unfolded matrix of them: a patch a row. */
#include "kern/unfold.h"

#include "base/clones.h"

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

/* Calls for each piece of the window that x has: `in_x` and `in_window` are where it begins. */
#define EACH_PIECE(c, t, s, statement)                                                                                 \
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

void reel_kern_order_weight(int64_t rows, int64_t channels, int64_t kernel, const reel_real *from, reel_real *to)
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

void reel_kern_unfold_patches(const struct reel_convolution *c, const struct tiling *t, const struct tile *s,
                              const reel_real *x, reel_real *window, reel_real *patches)
{
    memset(window, 0, (size_t)used_of_window(c, t, s) * sizeof *window);
    EACH_PIECE(c, t, s, spread_row(&piece, t->channels, plane, x + in_x, window + in_window));
    copy_patches(c, t, s, window, patches);
}

void reel_kern_fold_patches(const struct reel_convolution *c, const struct tiling *t, const struct tile *s,
                            const reel_real *patches, reel_real *window, reel_real *x)
{
    memset(window, 0, (size_t)used_of_window(c, t, s) * sizeof *window);
    add_patches(c, t, s, patches, window);
    EACH_PIECE(c, t, s, collect_row(&piece, t->channels, plane, window + in_window, x + in_x));
}
