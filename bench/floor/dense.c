#include "dense.h"

#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

float *floor_zeros(size_t n)
{
    const size_t page = (size_t)2 << 20, line = 64;
    size_t bytes = n * sizeof(float), unit = bytes >= page ? page : line;
    bytes = (bytes + unit - 1) / unit * unit;
    float *memory = aligned_alloc(unit, bytes);
    if (!memory)
        return NULL;
    if (unit == page)
        madvise(memory, bytes, MADV_HUGEPAGE);
    return memset(memory, 0, bytes);
}

static int smaller(int a, int b)
{
    return a < b ? a : b;
}

static void call_blas(int m, int n, int k, struct floor_matrix a, struct floor_matrix b, float *c, int c_stride)
{
    cblas_sgemm(CblasRowMajor, a.transposed ? CblasTrans : CblasNoTrans, b.transposed ? CblasTrans : CblasNoTrans, m, n,
                k, 1, a.data, a.stride, b.data, b.stride, 0, c, c_stride);
}

void floor_product(enum floor_calls calls, int m, int n, int k, struct floor_matrix a, struct floor_matrix b, float *c,
                   int c_stride)
{
    int rows = m, columns = n;
    (void)calls;
#ifdef __AVX512F__
    /* The small kernels take 10^6 multiplications, and of rows with rows 1200 results. */
    enum { SMALL = 1000000, SMALL_ROWS_BY_ROWS = 1200, LEAST_K = 128 };
    int rows_by_rows = !a.transposed && b.transposed;
    if (calls == FLOOR_BLOCKS &&
        (rows_by_rows ? k >= LEAST_K && m * n > SMALL_ROWS_BY_ROWS : (double)m * n * k > SMALL)) {
        columns = rows_by_rows ? 16 : 64;
        int most = smaller(SMALL / (columns * k), a.transposed || rows_by_rows ? 64 : 16);
        int blocks = (m + most - 1) / most;
        rows = ((m + blocks - 1) / blocks + 3) / 4 * 4;
    }
#endif
    for (int j = 0; j < n; j += columns)
        for (int i = 0; i < m; i += rows) {
            struct floor_matrix down = a, across = b;
            down.data += a.transposed ? i : i * a.stride;
            across.data += b.transposed ? j * b.stride : j;
            call_blas(smaller(rows, m - i), smaller(columns, n - j), k, down, across, c + i * c_stride + j, c_stride);
        }
}

void floor_input_grad(enum floor_calls calls, int rows, int in, int out, const float *dy, const float *weight,
                      float *dx)
{
    enum { MOST = 64 * 64 };
    float columns[MOST];
    struct floor_matrix gradient = {dy, out, 0}, across = {weight, out, 1};
    if (in * out <= MOST) {
        cblas_somatcopy(CblasRowMajor, CblasTrans, in, out, 1, weight, out, columns, in);
        across = (struct floor_matrix){columns, in, 0};
    }
    floor_product(calls, rows, in, out, gradient, across, dx, in);
}

void floor_scores(int rows, int n, const float *x, const float *w, float bias, float *scores)
{
    for (int i = 0; i < rows; i++)
        scores[i] = bias;
    cblas_sgemv(CblasRowMajor, CblasNoTrans, rows, n, 1, x, n, w, 1, 1, scores, 1);
}

float floor_scores_grad(int rows, int n, const float *x, const float *dscores, float *dw)
{
    float sum = 0;
    for (int i = 0; i < rows; i++)
        sum += dscores[i];
    cblas_sgemv(CblasRowMajor, CblasTrans, rows, n, 1, x, n, dscores, 1, 0, dw, 1);
    return sum;
}

void floor_adam(int n, int64_t step, float *p, const float *grads, float *first, float *second)
{
    const float beta1 = 0.5f, beta2 = 0.999f, eps = 1e-8f;
    float size = (float)(2e-4 / (1 - pow(0.5, (double)step)));
    float correction = (float)(1 / sqrt(1 - pow(0.999, (double)step)));
    for (int i = 0; i < n; i++) {
        float g = grads[i], m = beta1 * first[i] + (1 - beta1) * g, v = beta2 * second[i] + (1 - beta2) * g * g;
        first[i] = m;
        second[i] = v;
        p[i] -= size * m / (sqrtf(v) * correction + eps);
    }
}
