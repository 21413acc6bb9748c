/* Softmax and its logarithm, with or without a mask.
 *
 *     reel_var probabilities = reel_softmax(t, scores, -1); // [64, 10], rows that sum to 1 */
#ifndef REEL_SOFTMAX_H
#define REEL_SOFTMAX_H

#include <reel/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* exp(x) / sum(exp(x)) along `axis` (negative: from the end), without overflow: torch.softmax. x must be real. Where
 * all elements are -INFINITY, or one is INFINITY, the result is NaN, as in PyTorch. */
REEL_API reel_var reel_softmax(reel_tape *tape, reel_var x, int axis);

/* x - log(sum(exp(x))) along `axis`: torch.log_softmax. Better than the logarithm of reel_softmax, which loses small
 * probabilities. */
REEL_API reel_var reel_log_softmax(reel_tape *tape, reel_var x, int axis);

/* reel_softmax of the elements whose mask is true, and 0 elsewhere; all zeros where the mask leaves nothing, as in the
 * attention of PyTorch (softmax of masked_fill would be NaN there). mask is bool (REEL_ERROR_DTYPE) and broadcasts to
 * the shape of x (REEL_ERROR_SHAPE). What x is where the mask is false does not matter, even NaN; its gradient is 0. */
REEL_API reel_var reel_masked_softmax(reel_tape *tape, reel_var x, reel_var mask, int axis);

#ifdef __cplusplus
}
#endif

#endif
