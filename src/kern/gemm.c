#include "kern/gemm.h"

#include "kern/parallel.h"

#include <cblas.h>
#include <string.h>

#ifdef REEL_F64
#define BLAS_GEMM cblas_dgemm
#else
#define BLAS_GEMM cblas_sgemm
#endif

/* Products are cut into blocks of this many columns (or rows, where there are too few columns), each one call of a
 * single-threaded BLAS. Where to cut depends on sizes alone. Measured in bench/README.md. */
enum { BLOCK = 128 };

/* Below this many multiplications a product is not cut: waking a thread costs as much. */
static const int64_t smallest_cut = 2 * 1000 * 1000;

/* BLAS counts in int. */
enum { LARGEST = 1 << 30 };

static void clear(int64_t m, int64_t n, reel_real *c, int64_t stride)
{
    for (int64_t i = 0; i < m; i++)
        memset(c + i * stride, 0, (size_t)n * sizeof *c);
}

/* m and n fit an int; a long k is summed piece by piece. */
static void call_blas(int64_t m, int64_t n, int64_t k, struct reel_matrix a, struct reel_matrix b, bool add,
                      reel_real *c, int64_t c_stride)
{
    for (int64_t first = 0; first < k; first += LARGEST) {
        int64_t piece = k - first < LARGEST ? k - first : LARGEST;
        const reel_real *from_a = a.data + (a.transpose ? first * a.stride : first);
        const reel_real *from_b = b.data + (b.transpose ? first : first * b.stride);
        BLAS_GEMM(CblasRowMajor, a.transpose ? CblasTrans : CblasNoTrans, b.transpose ? CblasTrans : CblasNoTrans,
                  (int)m, (int)n, (int)piece, 1, from_a, (int)a.stride, from_b, (int)b.stride, add || first > 0 ? 1 : 0,
                  c, (int)c_stride);
    }
}

static void multiply(int64_t m, int64_t n, int64_t k, struct reel_matrix a, struct reel_matrix b, bool add,
                     reel_real *c, int64_t c_stride)
{
    if (reel_kern_blas_calls() != REEL_BLAS_ONE_AT_A_TIME) {
        call_blas(m, n, k, a, b, add, c, c_stride);
        return;
    }
#pragma omp critical(reel_blas)
    call_blas(m, n, k, a, b, add, c, c_stride);
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

void reel_kern_gemm(int64_t m, int64_t n, int64_t k, struct reel_matrix a, struct reel_matrix b, bool add, reel_real *c,
                    int64_t c_stride, int threads)
{
    if (m == 0 || n == 0)
        return;
    if (k == 0) {
        if (!add)
            clear(m, n, c, c_stride);
        return;
    }
    bool cut = (double)m * (double)n * (double)k >= (double)smallest_cut || m > LARGEST || n > LARGEST;
    int64_t block_n = cut && n >= 2 * BLOCK ? BLOCK : smaller(n, LARGEST);
    int64_t block_m = cut && n < 2 * BLOCK && m >= 2 * BLOCK ? BLOCK : smaller(m, LARGEST);
    int64_t across = (n + block_n - 1) / block_n, blocks = across * ((m + block_m - 1) / block_m);
#pragma omp parallel for num_threads(threads) schedule(dynamic) if (blocks > 1 && threads > 1)
    for (int64_t i = 0; i < blocks; i++) {
        int64_t row = i / across * block_m, column = i % across * block_n;
        struct reel_matrix from_a = a, from_b = b;
        from_a.data += a.transpose ? row : row * a.stride;
        from_b.data += b.transpose ? column * b.stride : column;
        multiply(smaller(block_m, m - row), smaller(block_n, n - column), k, from_a, from_b, add,
                 c + row * c_stride + column, c_stride);
    }
}
