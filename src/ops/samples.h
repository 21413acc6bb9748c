/* The samples of the operations. Not in the library: the blocks of src/ops are compiled once more, with REEL_SAMPLES
 * defined, for tests and benchmarks to link beside it. */
#ifndef REEL_OPS_SAMPLES_H
#define REEL_OPS_SAMPLES_H

#include <reel/gradcheck.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What is known of an operation beside its row. */
typedef struct reel_op_samples {
    const reel_sample *samples;
    int count;
} reel_op_samples;

/* The samples of reel_op_at(i); NULL outside 0..reel_op_count()-1. */
const reel_op_samples *reel_op_samples_at(int i);

#ifdef __cplusplus
}
#endif

#endif
