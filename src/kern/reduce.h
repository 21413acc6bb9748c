/* Reductions over any set of axes, and their reverse: spreading values over axes. */
#ifndef REEL_KERN_REDUCE_H
#define REEL_KERN_REDUCE_H

#include "kern/rows.h"

/* Computes what is reduced from n <= REEL_KERN_MAP elements: out[i] from x[i], other[i] and center[i * center_step]. */
typedef void (*reel_kern_map)(int64_t n, const reel_real *x, const reel_real *other, const reel_real *center,
                              int64_t center_step, reel_real parameter, reel_real *out);
enum { REEL_KERN_MAP = 2048 };

/* The sum of a map over n elements, a multiple of REEL_KERN_LANES, as blocks are summed; and a second map of each times
 * a factor in `second`, unless that is NULL. Both in one loop: what map, sum and map do one after the other. */
typedef reel_real (*reel_kern_run)(int64_t n, const reel_real *x, const reel_real *other, reel_real parameter,
                                   reel_real factor, reel_real *second);
enum { REEL_KERN_LANES = 64 };

enum reel_kern_combine { REEL_KERN_SUM, REEL_KERN_MAX, REEL_KERN_MIN };

struct reel_kern_reduction {
    enum reel_kern_combine combine; /* MAX and MIN: NaN wins */
    reel_kern_map map;              /* NULL: the elements of x themselves */
    const reel_real *other;         /* for map: a second array in the layout of x, or NULL */
    const reel_real *center;        /* for map: one value per result, or NULL */
    reel_real parameter;            /* for map */
    double divisor;                 /* results are divided by it */
    bool add;                       /* to what is in out, instead of overwriting it */
    /* Reductions to one result may write a second map of every element, times a factor, while the elements are at hand.
     */
    reel_kern_map second; /* or NULL */
    reel_kern_run run;    /* map and second together; or NULL */
    reel_real second_factor;
    reel_real *second_out;
    /* For reductions to one result: in place of x, which is not looked at, rows of `columns` elements that are fetched
     * a block at a time. NULL: x. */
    const struct reel_row_source *source;
    int64_t columns;
};

/* out = x of `shape`, contiguous, reduced over the axes whose bit is set in `reduced`; the results are in the order of
 * the other axes. No elements give 0 / divisor. Sums are made in blocks and pairwise, in an order that depends on the
 * shape alone. */
void reel_kern_reduce(const reel_shape *shape, unsigned reduced, const reel_real *x,
                      const struct reel_kern_reduction *reduction, reel_real *out, int threads);

/* What is reduced, as maps: |x|, x^2, |x|^parameter, x != 0, (x - center)^2, exp(x - center), x * other; and, for sums
 * whose terms would overflow or underflow, x / center, (x / center)^2 and |x / center|^parameter. */
void reel_kern_map_abs(int64_t n, const reel_real *x, const reel_real *other, const reel_real *center,
                       int64_t center_step, reel_real parameter, reel_real *out);
void reel_kern_map_square(int64_t n, const reel_real *x, const reel_real *other, const reel_real *center,
                          int64_t center_step, reel_real parameter, reel_real *out);
void reel_kern_map_power(int64_t n, const reel_real *x, const reel_real *other, const reel_real *center,
                         int64_t center_step, reel_real parameter, reel_real *out);
void reel_kern_map_nonzero(int64_t n, const reel_real *x, const reel_real *other, const reel_real *center,
                           int64_t center_step, reel_real parameter, reel_real *out);
void reel_kern_map_squared_deviation(int64_t n, const reel_real *x, const reel_real *other, const reel_real *center,
                                     int64_t center_step, reel_real parameter, reel_real *out);
void reel_kern_map_exp(int64_t n, const reel_real *x, const reel_real *other, const reel_real *center,
                       int64_t center_step, reel_real parameter, reel_real *out);
void reel_kern_map_ratio(int64_t n, const reel_real *x, const reel_real *other, const reel_real *center,
                         int64_t center_step, reel_real parameter, reel_real *out);
void reel_kern_map_squared_ratio(int64_t n, const reel_real *x, const reel_real *other, const reel_real *center,
                                 int64_t center_step, reel_real parameter, reel_real *out);
void reel_kern_map_power_ratio(int64_t n, const reel_real *x, const reel_real *other, const reel_real *center,
                               int64_t center_step, reel_real parameter, reel_real *out);
void reel_kern_map_product(int64_t n, const reel_real *x, const reel_real *other, const reel_real *center,
                           int64_t center_step, reel_real parameter, reel_real *out);

/* out of `shape` = (add ? out : 0) + values / divisor, each value over all positions of the axes in `reduced`. */
void reel_kern_spread(const reel_shape *shape, unsigned reduced, const reel_real *values, double divisor,
                      reel_real *out, bool add, int threads);

/* The blocked sum of n contiguous elements, that of the products of two times n, and the largest, on the calling
 * thread. */
reel_real reel_kern_sum_run(int64_t n, const reel_real *x);
reel_real reel_kern_product_sum_run(int64_t n, const reel_real *x, const reel_real *y);
reel_real reel_kern_max_run(int64_t n, const reel_real *x);

/* For x of [outer, n, inner], n > 0: the first position of the largest of the n, or of the smallest; a NaN comes before
 * all numbers. */
void reel_kern_argmax(int64_t outer, int64_t n, int64_t inner, bool smallest, const reel_real *x, int64_t *out,
                      int threads);

#endif
