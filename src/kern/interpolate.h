/* Mixing pairs of slices along an axis, and the way back. */
#ifndef REEL_KERN_INTERPOLATE_H
#define REEL_KERN_INTERPOLATE_H

#include <reel/types.h>

/* `to` pairs of the `from` slices of an axis, and the share of the second one in each. */
struct reel_kern_pairs {
    int64_t from, to;
    const int64_t *lower, *upper;
    const reel_real *share;
};

/* out [outer, to, inner] = x[o, lower[i], j] * (1 - share[i]) + x[o, upper[i], j] * share[i]. */
void reel_kern_interpolate(const struct reel_kern_pairs *pairs, int64_t outer, int64_t inner, const reel_real *x,
                           reel_real *out, int threads);

/* Adds each of g [outer, to, inner], in order, to the two slices of x [outer, from, inner] that it came from. */
void reel_kern_interpolate_back(const struct reel_kern_pairs *pairs, int64_t outer, int64_t inner, const reel_real *g,
                                reel_real *x, int threads);

#endif
