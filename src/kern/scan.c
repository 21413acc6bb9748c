/* Loops that carry a sum along an axis. */
#include "kern/scan.h"

#include "kern/parallel.h"

/* Columns that are summed side by side. */
enum { COLUMNS = 64 };

static void sum_reals(int64_t n, int64_t width, int64_t inner, const reel_real *x, bool reverse, bool add,
                      reel_real *out)
{
    double sums[COLUMNS] = {0};
    for (int64_t step = 0; step < n; step++) {
        int64_t row = (reverse ? n - 1 - step : step) * inner;
        for (int64_t j = 0; j < width; j++) {
            sums[j] += (double)x[row + j];
            out[row + j] = (add ? out[row + j] : 0) + (reel_real)sums[j];
        }
    }
}

static void sum_integers(int64_t n, int64_t width, int64_t inner, const int64_t *x, bool reverse, int64_t *out)
{
    uint64_t sums[COLUMNS] = {0};
    for (int64_t step = 0; step < n; step++) {
        int64_t row = (reverse ? n - 1 - step : step) * inner;
        for (int64_t j = 0; j < width; j++)
            out[row + j] = (int64_t)(sums[j] += (uint64_t)x[row + j]);
    }
}

/* A number of groups of columns. */
static void sum_groups(reel_dtype dtype, int64_t first, int64_t last, int64_t n, int64_t inner, const void *x,
                       bool reverse, bool add, void *out)
{
    int64_t groups = (inner + COLUMNS - 1) / COLUMNS;
    for (int64_t g = first; g < last; g++) {
        int64_t column = g % groups * COLUMNS, at = g / groups * n * inner + column;
        int64_t width = inner - column < COLUMNS ? inner - column : COLUMNS;
        if (dtype == REEL_REAL)
            sum_reals(n, width, inner, (const reel_real *)x + at, reverse, add, (reel_real *)out + at);
        else
            sum_integers(n, width, inner, (const int64_t *)x + at, reverse, (int64_t *)out + at);
    }
}

void reel_kern_cumsum(reel_dtype dtype, int64_t outer, int64_t n, int64_t inner, const void *x, bool reverse, bool add,
                      void *out, int threads)
{
    if (outer == 0 || n == 0 || inner == 0)
        return;
    int64_t groups = (inner + COLUMNS - 1) / COLUMNS, width = inner < COLUMNS ? inner : COLUMNS;
    REEL_PARALLEL_FOR(first, last, outer * groups, REEL_BLOCK / (n * width) + 1, threads,
                      sum_groups(dtype, first, last, n, inner, x, reverse, add, out));
}
