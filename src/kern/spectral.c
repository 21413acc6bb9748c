/* Lengths of vectors, and the power iteration that finds the largest singular value of a matrix. */
#include "kern/spectral.h"

#include "base/clones.h"
#include "kern/parallel.h"

#include <math.h>

/* Columns that are worked on together, and terms that are summed in reel_real before they go to a double. */
enum { TILE = 64, BLOCK = 32 };

/* Matrices below this many elements stay on the calling thread. */
static const int64_t smallest_parallel = 65536;

/* The sum of a[i] b[i]. */
REEL_CLONES
static double dot(int64_t n, const reel_real *a, const reel_real *b)
{
    double total = 0;
    for (int64_t first = 0; first < n; first += BLOCK * BLOCK) {
        int64_t end = first + BLOCK * BLOCK < n ? first + BLOCK * BLOCK : n, i = first;
        reel_real lanes[BLOCK] = {0};
        for (; i + BLOCK <= end; i += BLOCK)
#pragma GCC unroll 16
            for (int j = 0; j < BLOCK; j++)
                lanes[j] += a[i + j] * b[i + j];
        for (int j = 0; i + j < end; j++)
            lanes[j] += a[i + j] * b[i + j];
        for (int j = 0; j < BLOCK; j++)
            total += (double)lanes[j];
    }
    return total;
}

/* y[j] = the sum of u[i] a[i, j] over the rows, which are `stride` apart, for `width` neighbouring columns. */
REEL_CLONES
static void sum_rows(int64_t rows, int64_t stride, int width, const reel_real *a, const reel_real *u, reel_real *y)
{
    double total[TILE] = {0};
    for (int64_t first = 0; first < rows; first += BLOCK) {
        int64_t end = first + BLOCK < rows ? first + BLOCK : rows;
        reel_real part[TILE] = {0};
        for (int64_t i = first; i < end; i++)
            for (int j = 0; j < width; j++)
                part[j] += u[i] * a[i * stride + j];
        for (int j = 0; j < width; j++)
            total[j] += (double)part[j];
    }
    for (int j = 0; j < width; j++)
        y[j] = (reel_real)total[j];
}

static void times_v(const struct reel_kern_matrix *m, int64_t first, int64_t last, const reel_real *v, reel_real *u)
{
    for (int64_t row = first; row < last; row++) {
        double total = 0;
        for (int64_t i = 0; i < m->outer; i++)
            total += dot(m->inner, m->data + (i * m->rows + row) * m->inner, v + i * m->inner);
        u[row] = (reel_real)total;
    }
}

/* Of the columns one tile; `tiles` of them have the same place in `outer`. */
static void times_u(const struct reel_kern_matrix *m, int64_t tile, int64_t tiles, const reel_real *u, reel_real *v)
{
    const int64_t outer = tile / tiles, j = tile % tiles * TILE;
    sum_rows(m->rows, m->inner, m->inner - j < TILE ? (int)(m->inner - j) : TILE,
             m->data + outer * m->rows * m->inner + j, u, v + outer * m->inner + j);
}

void reel_kern_unit(int64_t n, double eps, reel_real *x)
{
    const double length = sqrt(dot(n, x, x));
    const reel_real divisor = (reel_real)(length > eps || isnan(length) ? length : eps);
    for (int64_t i = 0; i < n; i++)
        x[i] /= divisor;
}

void reel_kern_power_iteration(const struct reel_kern_matrix *m, int64_t times, double eps, reel_real *u, reel_real *v,
                               int threads)
{
    const int64_t columns = m->outer * m->inner, tiles = (m->inner + TILE - 1) / TILE;
    if (m->rows * columns < smallest_parallel)
        threads = 1;
    for (int64_t k = 0; k < times; k++) {
        REEL_PARALLEL_FOR(first, last, m->rows, REEL_BLOCK / (columns + 1) + 1, threads, times_v(m, first, last, v, u));
        reel_kern_unit(m->rows, eps, u);
        REEL_PARALLEL_FOR(tile, next, m->outer * tiles, 1, threads, times_u(m, tile, tiles, u, v));
        reel_kern_unit(columns, eps, v);
    }
}

void reel_kern_row_norms(const struct reel_kern_matrix *m, reel_real *norms)
{
    for (int64_t row = 0; row < m->rows; row++) {
        double total = 0;
        for (int64_t i = 0; i < m->outer; i++) {
            const reel_real *at = m->data + (i * m->rows + row) * m->inner;
            total += dot(m->inner, at, at);
        }
        norms[row] = (reel_real)sqrt(total);
    }
}
