/* Products of matrices through the BLAS, with the same bits for any number of threads. */
#ifndef REEL_KERN_GEMM_H
#define REEL_KERN_GEMM_H

#include <reel/types.h>

/* A row-major matrix as an operand: rows are `stride` elements apart; with `transpose` it stands for its transpose. */
struct reel_matrix {
    const reel_real *data;
    int64_t stride;
    bool transpose;
};

/* c [m, n] = a [m, k] b [k, n] (add: c += ...). The sizes are those after transposition. Rows of c are c_stride apart.
 * c must not overlap the operands; without add it need not hold numbers. */
struct reel_gemm {
    int64_t m, n, k;
    struct reel_matrix a, b;
    reel_real *c;
    int64_t c_stride;
    bool add;
};

void reel_kern_gemm(const struct reel_gemm *product, int threads);

/* Whether [m, k] times the transpose of [n, k] is faster when that is written out first, by reel_kern_transpose. */
bool reel_kern_gemm_prefers_written_out(int64_t m, int64_t n, int64_t k);

/* to [n, m] = the transpose of from [m, n]; both contiguous, of at most 2^30 elements. */
void reel_kern_transpose(int64_t m, int64_t n, const reel_real *from, reel_real *to);

/* A batch of products, counted along up to REEL_MAX_NDIM axes. A step is how many elements the next matrix along an
 * axis is away; 0 where one matrix serves the whole axis. */
struct reel_gemm_batch {
    int ndim;
    int64_t dim[REEL_MAX_NDIM], a_step[REEL_MAX_NDIM], b_step[REEL_MAX_NDIM], c_step[REEL_MAX_NDIM];
};

/* reel_kern_gemm for each product of the batch, of which `first` is the first. Products that share a matrix of c are
 * summed into it in order; if there are none, it is zeroed (add: left alone). */
void reel_kern_gemm_batch(const struct reel_gemm_batch *batch, const struct reel_gemm *first, int threads);

#endif
