/* Softmax and its logarithm, and their gradients. */
#include "kern/softmax.h"

#include "base/clones.h"
#include "kern/functions.h"
#include "kern/parallel.h"
#include "kern/reduce.h"

#include <math.h>

static void reduce_middle(const struct reel_kern_softmax *s, const reel_real *x,
                          const struct reel_kern_reduction *reduction, reel_real *out, int threads)
{
    const reel_shape shape = {3, {s->outer, s->n, s->inner}};
    reel_kern_reduce(&shape, 1u << 1, x, reduction, out, threads);
}

void reel_kern_softmax_sums(const struct reel_kern_softmax *s, const reel_real *x, reel_real *maxima, reel_real *sums,
                            int threads)
{
    const struct reel_kern_reduction max = {.combine = REEL_KERN_MAX, .divisor = 1};
    const struct reel_kern_reduction sum = {
        .combine = REEL_KERN_SUM, .map = reel_kern_map_exp, .center = maxima, .divisor = 1};
    reduce_middle(s, x, &max, maxima, threads);
    reduce_middle(s, x, &sum, sums, threads);
}

/* Rows with one value for each: first..last-1 of [outer * n, inner]; or, when inner is 1, of [outer, n], where the
 * values are the same along the row. FUNCTION(i, j): i is the place in the arrays, j that in the values. */
#define FOR_ROWS(s, first, last, FUNCTION)                                                                             \
    if ((s)->inner == 1)                                                                                               \
        for (int64_t row = (first); row < (last); row++)                                                               \
            for (int64_t k = 0; k < (s)->n; k++)                                                                       \
                FUNCTION(row *(s)->n + k, row);                                                                        \
    else                                                                                                               \
        for (int64_t row = (first); row < (last); row++)                                                               \
            for (int64_t k = 0; k < (s)->inner; k++)                                                                   \
        FUNCTION(row *(s)->inner + k, row / (s)->n * (s)->inner + k)

static int64_t row_count(const struct reel_kern_softmax *s)
{
    return s->inner == 1 ? s->outer : s->outer * s->n;
}

static int64_t rows_at_once(const struct reel_kern_softmax *s)
{
    int64_t width = s->inner == 1 ? s->n : s->inner;
    return width > 0 ? REEL_BLOCK / width + 1 : REEL_BLOCK;
}

REEL_CLONES
static void softmax_rows(const struct reel_kern_softmax *s, int64_t first, int64_t last, const reel_real *restrict x,
                         const reel_real *restrict maxima, const reel_real *restrict sums, reel_real *restrict y)
{
#define SOFTMAX(i, j) y[i] = reel_math_exp(x[i] - maxima[j]) / sums[j]
#define LOG_SOFTMAX(i, j) y[i] = x[i] - maxima[j] - sums[j]
    if (s->log)
        FOR_ROWS(s, first, last, LOG_SOFTMAX);
    else
        FOR_ROWS(s, first, last, SOFTMAX);
}

REEL_CLONES
static void gradient_rows(const struct reel_kern_softmax *s, int64_t first, int64_t last, const reel_real *restrict y,
                          const reel_real *restrict g, const reel_real *restrict sums, bool add,
                          reel_real *restrict out)
{
#define SOFTMAX_GRADIENT(i, j) out[i] = y[i] * (g[i] - sums[j])
#define SOFTMAX_GRADIENT_ADD(i, j) out[i] += y[i] * (g[i] - sums[j])
#define LOG_GRADIENT(i, j) out[i] = g[i] - reel_math_exp(y[i]) * sums[j]
#define LOG_GRADIENT_ADD(i, j) out[i] += g[i] - reel_math_exp(y[i]) * sums[j]
    if (s->log && add)
        FOR_ROWS(s, first, last, LOG_GRADIENT_ADD);
    else if (s->log)
        FOR_ROWS(s, first, last, LOG_GRADIENT);
    else if (add)
        FOR_ROWS(s, first, last, SOFTMAX_GRADIENT_ADD);
    else
        FOR_ROWS(s, first, last, SOFTMAX_GRADIENT);
}

void reel_kern_softmax(const struct reel_kern_softmax *s, const reel_real *x, reel_real *y, reel_real *room,
                       int threads)
{
    reel_real *sums = room, *maxima = room + s->outer * s->inner;
    reel_kern_softmax_sums(s, x, maxima, sums, threads);
    for (int64_t i = 0; s->log && i < s->outer * s->inner; i++)
        sums[i] = reel_math_log(sums[i]);
    /* Instead of NaN, exp(-INFINITY - INFINITY) / INFINITY. */
    for (int64_t i = 0; s->masked && i < s->outer * s->inner; i++)
        if (maxima[i] == -(reel_real)INFINITY)
            maxima[i] = sums[i] = (reel_real)INFINITY;
    REEL_PARALLEL_FOR(first, last, row_count(s), rows_at_once(s), threads,
                      softmax_rows(s, first, last, x, maxima, sums, y));
}

void reel_kern_softmax_gradient(const struct reel_kern_softmax *s, const reel_real *y, const reel_real *g,
                                reel_real *out, bool add, reel_real *room, int threads)
{
    const struct reel_kern_reduction sum = {
        .combine = REEL_KERN_SUM, .map = s->log ? NULL : reel_kern_map_product, .other = y, .divisor = 1};
    reduce_middle(s, g, &sum, room, threads);
    REEL_PARALLEL_FOR(first, last, row_count(s), rows_at_once(s), threads,
                      gradient_rows(s, first, last, y, g, room, add, out));
}
