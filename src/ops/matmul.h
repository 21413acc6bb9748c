/* What rules of products share. */
#ifndef REEL_OPS_MATMUL_H
#define REEL_OPS_MATMUL_H

#include "kern/gemm.h"
#include "ops/family.h"

/* op(a) op(b), where op transposes the last two axes if asked to; a and b have the same number of axes. */
reel_var reel_matmul_with(reel_tape *tape, reel_var a, reel_var b, bool transpose_a, bool transpose_b);

/* The gradient as a matrix of `columns` columns, the BLAS takes its stride; data NULL when memory ran out. */
struct reel_matrix reel_gradient_matrix(const reel_call *call, const reel_gradient *gradient, int64_t columns);

#endif
