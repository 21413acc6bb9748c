/* What may live here: loops over rows of tables that are read where they lie. */
#include "kern/lookup.h"

#include "base/clones.h"
#include "kern/gather.h"
#include "kern/parallel.h"
#include "kern/reduce.h"

#include <string.h>

static void prefetch(const struct reel_row_source *source, int64_t columns, int64_t q)
{
    reel_kern_prefetch_row((const char *)reel_source_row(source, q), (size_t)columns * sizeof(reel_real));
}

REEL_CLONES
static void copy_elements(int64_t n, const reel_real *restrict from, reel_real *restrict to)
{
    for (int64_t i = 0; i < n; i++)
        to[i] = from[i];
}

void reel_kern_fetch_elements(const struct reel_row_source *source, int64_t columns, int64_t first, int64_t count,
                              int64_t total, reel_real *out)
{
    int64_t row = first / columns, column = first % columns, rows = total / columns;
    while (count > 0) {
        int64_t n = columns - column < count ? columns - column : count;
        if (row + REEL_KERN_AHEAD < rows)
            prefetch(source, columns, row + REEL_KERN_AHEAD);
        copy_elements(n, reel_source_row(source, row) + column, out);
        out += n;
        count -= n;
        column = 0;
        row++;
    }
}

static reel_real product(int64_t columns, const reel_real *a, const reel_real *b)
{
    reel_real terms[REEL_KERN_MAP], sum = 0;
    if (columns <= REEL_KERN_MAP) {
        reel_kern_map_product(columns, a, b, NULL, 0, 0, terms);
        return reel_kern_sum_run(columns, terms);
    }
    const struct reel_kern_reduction of = {
        .combine = REEL_KERN_SUM, .map = reel_kern_map_product, .other = b, .divisor = 1};
    const reel_shape shape = {1, {columns}};
    reel_kern_reduce(&shape, 1, a, &of, &sum, 1);
    return sum;
}

static void products(int64_t first, int64_t last, int64_t count, int64_t columns, const struct reel_row_source *a,
                     const struct reel_row_source *b, reel_real *out)
{
    for (int64_t q = first; q < last; q++) {
        if (q + REEL_KERN_AHEAD < count) {
            prefetch(a, columns, q + REEL_KERN_AHEAD);
            prefetch(b, columns, q + REEL_KERN_AHEAD);
        }
        out[q] = product(columns, reel_source_row(a, q), reel_source_row(b, q));
    }
}

void reel_kern_row_products(int64_t count, int64_t columns, const struct reel_row_source *a,
                            const struct reel_row_source *b, reel_real *out, int threads)
{
    REEL_PARALLEL_FOR(first, last, count, columns < REEL_BLOCK ? REEL_BLOCK / (columns + 1) + 1 : 1, threads,
                      products(first, last, count, columns, a, b, out));
}
