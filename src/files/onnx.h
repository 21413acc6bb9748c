/* What rows of operations whose attributes hold sizes ask a model that is being written. */
#ifndef REEL_FILES_ONNX_H
#define REEL_FILES_ONNX_H

#include <reel/onnx.h>

/* How much each axis of input k grows when the batch does by one. */
const int64_t *reel_onnx_growth(const reel_onnx *to, int k);

/* The same of output 0, for one whose attributes do not let its `shape` say it; before its shape is asked for. */
void reel_onnx_set_growth(reel_onnx *to, const int64_t *growth);

/* How many axes of output 0 grow; in `shape`, that of the output, they become -1. */
int reel_onnx_growing_axes(const reel_onnx *to, reel_shape *shape);

/* Whether `shape` could say it. */
bool reel_onnx_growth_is_known(const reel_onnx *to);

/* Whether the outputs of the model depend on output k. */
bool reel_onnx_is_needed(const reel_onnx *to, int k);

/* The batch of the tape; -1 when it is fixed. */
int64_t reel_onnx_batch(const reel_onnx *to);

/* REEL_ERROR_SHAPE: the operation has `what` that is fixed where the batch varies. */
reel_status reel_onnx_refuse_fixed(reel_onnx *to, const char *what);

#endif
