/* Dropout.
 *
 *     reel_var h = reel_dropout(t, x, 0.4, true); // in evaluation, with false, it is x */
#ifndef REEL_DROPOUT_H
#define REEL_DROPOUT_H

#include <reel/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* With training, x where each element is zeroed with probability p (0..1) and the others are divided by 1 - p; else x
 * itself (torch.nn.functional.dropout). The mask comes from Philox 4x32-10 (Salmon et al. 2011), keyed by the seed and
 * the number of the call since reel_manual_seed, counted by element: it does not depend on threads, and takes nothing
 * from the generator behind reel_randn. REEL_ERROR_ARGUMENT when p is outside 0..1. */
REEL_API reel_var reel_dropout(reel_tape *tape, reel_var x, double p, bool training);

#ifdef __cplusplus
}
#endif

#endif
