/* Loops for clipping gradients. */
#ifndef REEL_KERN_CLIP_H
#define REEL_KERN_CLIP_H

#include <reel/types.h>

/* A power to sum, of elements that are multiplied by `scale` first, which must be 1 where the power is infinite. */
struct reel_power {
    double power, scale;
};

/* The sum of |scale x| ^ power, or the largest |x| when power is infinite; NaN if there is one. `sums` is room for
 * reel_blocks(n) doubles. */
double reel_kern_power_sum(struct reel_power power, int64_t n, const reel_real *x, double *sums, int threads);

/* The same for a table that is 0 except in `count` rows, ascending: the bits are those of the whole table. */
double reel_kern_power_sum_rows(struct reel_power power, int64_t count, int64_t columns, const int64_t *rows,
                                const reel_real *values);

/* What two such sums make together. */
double reel_kern_power_join(struct reel_power power, double a, double b);

/* x *= factor. */
void reel_kern_scale(int64_t n, reel_real factor, reel_real *x, int threads);

/* x is limited to -limit..limit; NaN stays. */
void reel_kern_limit(int64_t n, reel_real limit, reel_real *x, int threads);

#endif
