/* Softmax along the middle axis of [outer, n, inner], none of which is 0. */
#ifndef REEL_KERN_SOFTMAX_H
#define REEL_KERN_SOFTMAX_H

#include <reel/types.h>

struct reel_kern_softmax {
    int64_t outer, n, inner;
    bool log;    /* log_softmax */
    bool masked; /* x is -INFINITY where nothing takes part; all zeros where nothing does at all */
};

/* maxima[outer, inner] and sums[outer, inner] of exp(x - maximum). */
void reel_kern_softmax_sums(const struct reel_kern_softmax *s, const reel_real *x, reel_real *maxima, reel_real *sums,
                            int threads);

/* y = softmax of x. room is for 2 * outer * inner elements. */
void reel_kern_softmax(const struct reel_kern_softmax *s, const reel_real *x, reel_real *y, reel_real *room,
                       int threads);

/* out = (add ? out : 0) + y (g - sum(g y)), or with log g - exp(y) sum(g). room is for outer * inner elements. */
void reel_kern_softmax_gradient(const struct reel_kern_softmax *s, const reel_real *y, const reel_real *g,
                                reel_real *out, bool add, reel_real *room, int threads);

#endif
