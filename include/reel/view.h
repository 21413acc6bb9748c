/* Other shapes of the same elements. None copies: the result shares the elements of x. Any element type.
 *
 *     reel_var flat = reel_reshape(t, x, REEL_SHAPE(64, -1)); // [64, 1, 28, 28] -> [64, 784], the same elements */
#ifndef REEL_VIEW_H
#define REEL_VIEW_H

#include <reel/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* x in another shape of the same number of elements; one size may be -1, which stands for what is left (torch.reshape).
 * REEL_ERROR_SHAPE when the counts differ. */
REEL_API reel_var reel_reshape(reel_tape *tape, reel_var x, reel_shape shape);

/* Axes start_axis..end_axis joined into one; negative axes count from the end (torch.flatten). A scalar becomes [1]. */
REEL_API reel_var reel_flatten(reel_tape *tape, reel_var x, int start_axis, int end_axis);

/* A new axis of size 1 before `axis` (torch.unsqueeze): axis is in -ndim-1..ndim. */
REEL_API reel_var reel_unsqueeze(reel_tape *tape, reel_var x, int axis);

/* Drops `axis` if its size is 1, else gives x (torch.squeeze with one dim). */
REEL_API reel_var reel_squeeze(reel_tape *tape, reel_var x, int axis);

#ifdef __cplusplus
}
#endif

#endif
