/* Softmax and its logarithm. */
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

#ifdef __cplusplus
}
#endif

#endif
