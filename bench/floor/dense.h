/* What the networks by hand share: memory, products of matrices, and Adam. */
#ifndef BENCH_FLOOR_DENSE_H
#define BENCH_FLOOR_DENSE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* n zeros for free(), in pages of 2 MiB where the system has them, as reel's allocator does. NULL when memory ran out.
 */
float *floor_zeros(size_t n);

/* A row-major matrix whose rows are `stride` apart, or its transpose. */
struct floor_matrix {
    const float *data;
    int stride;
    int transposed;
};

/* Calls of the BLAS: with AVX-512 for blocks that OpenBLAS's small-matrix kernels take, or one for the whole. Which is
 * faster, by 10 to 20 %, is another on each processor. */
enum floor_calls { FLOOR_BLOCKS, FLOOR_WHOLE };

/* c [m, n] (rows c_stride apart) = a [m, k] b [k, n]. */
void floor_product(enum floor_calls calls, int m, int n, int k, struct floor_matrix a, struct floor_matrix b, float *c,
                   int c_stride);

/* dx [rows, in] = dy [rows, out] times weight [in, out] transposed. OpenBLAS packs both operands of such a product, so
 * that small weights had better be written out first. */
void floor_input_grad(enum floor_calls calls, int rows, int in, int out, const float *dy, const float *weight,
                      float *dx);

/* scores[i] = x[i] . w + bias for x [rows, n]: a layer with one output. */
void floor_scores(int rows, int n, const float *x, const float *w, float bias, float *scores);

/* Its gradients: dw [n] = the sum over i of dscores[i] x[i]; the result is that of the bias. */
float floor_scores_grad(int rows, int n, const float *x, const float *dscores, float *dw);

/* Adam(2e-4, 0.5, 0.999) for all params at once; the first step is 1. */
void floor_adam(int n, int64_t step, float *params, const float *grads, float *first, float *second);

#ifdef __cplusplus
}
#endif

#endif
