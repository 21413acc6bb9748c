/* The samples of the operations. Not in the library: the blocks of src/ops are compiled once more, with REEL_SAMPLES
 * defined, for tests and benchmarks to link beside it. */
#ifndef REEL_OPS_SAMPLES_H
#define REEL_OPS_SAMPLES_H

#include <reel/gradcheck.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What an operation computes, in plain scalar code: the real inputs as doubles, the real outputs into doubles that are
 * zeros before. Everything else is in the call. */
typedef void reel_reference(const reel_call *call, const double *const *in, double *const *out);

/* What is known of an operation beside its row. Its samples are compared with PyTorch's values (tests/golden), or with
 * the reference if PyTorch does not have the operation: one of them is needed. */
typedef struct reel_op_samples {
    const reel_sample *samples;
    int count;
    reel_reference *reference; /* NULL where there are values from PyTorch */
    /* What tests/ops/values.c accepts beside its usual tolerance: an error of this many units in the last place of the
     * largest element of an array, and the reason. */
    double ulps;
    const char *why;
} reel_op_samples;

/* The samples of reel_op_at(i); NULL outside 0..reel_op_count()-1. */
const reel_op_samples *reel_op_samples_at(int i);

#ifdef __cplusplus
}
#endif

#endif
