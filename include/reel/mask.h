/* Where something holds, and what is done there. Masks are bool and constants: no gradient flows through them.
 *
 *     reel_var ones = reel_ones(t, REEL_SHAPE(20, 20));
 *     reel_var future = reel_ne_scalar(t, reel_triu(t, ones, 1), 0); // what a position must not look at
 *     scores = reel_masked_fill(t, scores, future, -1e9);            // [batch, 20, 20] */
#ifndef REEL_MASK_H
#define REEL_MASK_H

#include <reel/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Whether each element is NaN, infinite, or neither: torch.isnan, isinf, isfinite. Of any type; integers and bools are
 * finite. */
REEL_API reel_var reel_isnan(reel_tape *tape, reel_var x);
REEL_API reel_var reel_isinf(reel_tape *tape, reel_var x);
REEL_API reel_var reel_isfinite(reel_tape *tape, reel_var x);

/* Whether any element, and whether each, is not 0 (NaN is not), over axes as in reel_sum: torch.any, torch.all. Of any
 * type. Of no elements: false and true. */
REEL_API reel_var reel_any(reel_tape *tape, reel_var x, const int *axes, int n, bool keepdim);
REEL_API reel_var reel_all(reel_tape *tape, reel_var x, const int *axes, int n, bool keepdim);

/* x with value where mask is true (torch.Tensor.masked_fill). The mask broadcasts to the shape of x (REEL_ERROR_SHAPE).
 * Of any type; value is converted to it (to bool: whether it is not 0), and REEL_ERROR_ARGUMENT where integers have no
 * such value. What is filled gets a gradient of 0. */
REEL_API reel_var reel_masked_fill(reel_tape *tape, reel_var x, reel_var mask, double value);

/* The last two axes with zeros above, and below, a diagonal: 0 is the main one, larger numbers are further up to the
 * right (torch.tril, torch.triu). Of any type. REEL_ERROR_SHAPE with fewer axes. */
REEL_API reel_var reel_tril(reel_tape *tape, reel_var x, int64_t diagonal);
REEL_API reel_var reel_triu(reel_tape *tape, reel_var x, int64_t diagonal);

/* int64 [..., num_classes] of zeros, with a 1 at each index (torch.nn.functional.one_hot; reel_to_real makes reals of
 * it). index is int64 or int32 from 0..num_classes-1 (REEL_ERROR_INDEX), num_classes at least 1 (REEL_ERROR_ARGUMENT).
 */
REEL_API reel_var reel_one_hot(reel_tape *tape, reel_var index, int64_t num_classes);

#ifdef __cplusplus
}
#endif

#endif
