/* Convolutions: the three products of which each is a partial derivative of the others. */
#ifndef REEL_KERN_CONVOLUTION_H
#define REEL_KERN_CONVOLUTION_H

#include <reel/types.h>

/* All three are about the form
 *
 *     sum of y[n, o, p] w[o, c, k] x[n, c, p * stride + k * dilation - padding]
 *
 * over images n, channels o of y and c of x that belong to one group, positions p of y and k of the kernel, each of
 * them a row and a column. Where x has no such position there is no term. Sizes of two axes: rows and columns. */
struct reel_convolution {
    int64_t images, groups;
    int64_t in, out; /* channels of x and of y, in each group */
    int64_t x_size[2], y_size[2], kernel[2];
    int64_t stride[2], dilation[2], padding[2];
};

/* x [images, groups * in, x_size], y [images, groups * out, y_size], w [groups * out, in, kernel], all contiguous.
 *
 * y = what the form multiplies y with, and so on; with `add` it is added to what is there. bias is NULL, or has a value
 * for each channel that is added too (not with `add`). `room` are reel_kern_convolution_room(c, threads) elements. */
void reel_kern_convolution(const struct reel_convolution *c, const reel_real *x, const reel_real *w,
                           const reel_real *bias, bool add, reel_real *y, reel_real *room, int threads);
void reel_kern_convolution_input(const struct reel_convolution *c, const reel_real *y, const reel_real *w,
                                 const reel_real *bias, bool add, reel_real *x, reel_real *room, int threads);
void reel_kern_convolution_weight(const struct reel_convolution *c, const reel_real *x, const reel_real *y, bool add,
                                  reel_real *w, reel_real *room, int threads);

int64_t reel_kern_convolution_room(const struct reel_convolution *c, int threads);

#endif
