/* Tiles of a convolution, and what its kernel sees of x written out for them. */
#ifndef REEL_KERN_UNFOLD_H
#define REEL_KERN_UNFOLD_H

#include "kern/convolution.h"

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
enum { LANES = 16 };

static inline int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static inline int64_t pieces(int64_t size, int64_t piece)
{
    return (size + piece - 1) / piece;
}

static inline int64_t area(const int64_t *size)
{
    return size[0] * size[1];
}

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

/* Cuts y for a number of channels of x. */
struct tiling reel_kern_cut(const struct reel_convolution *c, int64_t channels);

static inline struct tile tile_at(const struct reel_convolution *c, const struct tiling *t, int64_t i)
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
static inline int64_t tiles_of_image(const struct tiling *t)
{
    return t->down * t->across;
}

static inline int64_t depth_of(const struct reel_convolution *c, const struct tiling *t)
{
    return t->channels * area(c->kernel);
}

/* Where a kernel column finds its run in a row of the window. */
static inline int64_t run_of(const struct reel_convolution *c, const struct tiling *t, int64_t kernel_column)
{
    int64_t at = kernel_column * c->dilation[1];
    return t->own_columns ? kernel_column * t->run : at % c->stride[1] * t->run + at / c->stride[1];
}

/* The row of the window for a row of the tile and one of the kernel: row * row_step + kernel_row * kernel_step. */
static inline int64_t row_step(const struct reel_convolution *c, const struct tiling *t)
{
    return t->own_rows ? 1 : c->stride[0];
}

static inline int64_t kernel_step(const struct reel_convolution *c, const struct tiling *t, const struct tile *s)
{
    return t->own_rows ? s->rows : c->dilation[0];
}

/* How many rows of the window a tile uses. */
static inline int64_t rows_used(const struct reel_convolution *c, const struct tiling *t, const struct tile *s)
{
    return (s->rows - 1) * row_step(c, t) + (c->kernel[0] - 1) * kernel_step(c, t, s) + 1;
}

/* Which row of x is row r of the window; it may have no such row. */
static inline int64_t row_of_x(const struct reel_convolution *c, const struct tiling *t, const struct tile *s,
                               int64_t r)
{
    int64_t first = s->row * c->stride[0] - c->padding[0];
    return t->own_rows ? first + r % s->rows * c->stride[0] + r / s->rows * c->dilation[0] : first + r;
}

/* The runs of a kernel position in a window: for each image and row of the tile one, at first + image * image_step +
 * row * row_step. */
struct runs {
    int64_t images, rows, columns, image_step, row_step;
};

static inline struct runs runs_of(const struct reel_convolution *c, const struct tiling *t, const struct tile *s)
{
    int64_t row = t->phases * t->run;
    return (struct runs){s->images, s->rows, s->columns, t->channels * rows_used(c, t, s) * row, row_step(c, t) * row};
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

/* x is that of the first channel, in image 0, and ends at `limit`. Folding adds, where unfolding copied, to zeros that
 * the caller made. A window and an unfolded matrix have LANES elements more than they need. */
void reel_kern_fill_window(const struct reel_convolution *c, const struct tiling *t, const struct tile *s,
                           const reel_real *x, const reel_real *limit, reel_real *window);
void reel_kern_add_window(const struct reel_convolution *c, const struct tiling *t, const struct tile *s,
                          const reel_real *window, reel_real *x);
void reel_kern_unfold(const struct reel_convolution *c, const struct tiling *t, const struct tile *s,
                      const reel_real *window, reel_real *unfolded);
void reel_kern_fold(const struct reel_convolution *c, const struct tiling *t, const struct tile *s,
                    const reel_real *unfolded, reel_real *window);

/* The same with patches, both steps in one. */
void reel_kern_unfold_patches(const struct reel_convolution *c, const struct tiling *t, const struct tile *s,
                              const reel_real *x, reel_real *window, reel_real *patches);
void reel_kern_fold_patches(const struct reel_convolution *c, const struct tiling *t, const struct tile *s,
                            const reel_real *patches, reel_real *window, reel_real *x);

/* Weights [rows, channels, kernel] in the order of patches: [rows, kernel, channels]. */
void reel_kern_order_weight(int64_t rows, int64_t channels, int64_t kernel, const reel_real *from, reel_real *to);

#endif
