/* Pools: the largest element, or the mean, of windows of planes. */
#ifndef REEL_KERN_POOL_H
#define REEL_KERN_POOL_H

#include <reel/types.h>

/* Windows of x [planes, x_size], one for each place of y [planes, y_size]; pairs are about rows and columns. Along an
 * axis the window of place p begins at p * stride - padding and has `kernel` elements, `dilation` apart; or, adaptive,
 * it is the elements from floor(p from / to) to before ceil((p + 1) from / to), with the sizes of x and y. */
struct reel_pool {
    int64_t planes, x_size[2], y_size[2];
    bool adaptive;
    int64_t kernel[2], stride[2], padding[2], dilation[2];
    /* Of means: what sums are divided by, or 0 for the number of elements in the window, and whether padding counts. */
    int64_t divisor;
    bool count_padding;
};

/* The elements first, first + step, ... to before `end` of x; `size` with the padding that is in the window. */
struct reel_pool_window {
    int64_t first, end, step, size;
};
struct reel_pool_window reel_kern_pool_window(const struct reel_pool *pool, int axis, int64_t place);

/* y, and in `index` each element's place in its plane of x. The first of equals; a NaN is the largest, the last of
 * several. No window is empty. */
void reel_kern_max_pool(const struct reel_pool *pool, const reel_real *x, reel_real *y, int64_t *index, int threads);

/* x (+)= y at the places that `index` has. */
void reel_kern_max_pool_back(const struct reel_pool *pool, const reel_real *y, const int64_t *index, bool add,
                             reel_real *x, int threads);

/* y = the means of the windows; and its transpose, x (+)= y over the divisor at each element of the window. */
void reel_kern_average_pool(const struct reel_pool *pool, const reel_real *x, reel_real *y, int threads);
void reel_kern_average_pool_back(const struct reel_pool *pool, const reel_real *y, bool add, reel_real *x, int threads);

#endif
