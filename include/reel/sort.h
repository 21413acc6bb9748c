/* Order along an axis: sorting, and the extreme elements with their places.
 *
 * x is of any type unless said otherwise. `axis` may be negative and then counts from the end (REEL_ERROR_ARGUMENT when
 * it is outside; a scalar accepts 0 and -1). NaN is larger than any number, and -0 equals 0. Indices are int64 places
 * along the axis; of equal elements the first comes first, in both directions. Functions with two results write them to
 * *values and *indices, null vars on error, and return the status; neither may be NULL (REEL_ERROR_ARGUMENT). Gradients
 * of values flow to the elements that were picked, to any order; indices have none.
 *
 *     reel_var values, places;
 *     if (reel_topk(t, scores, 5, 1, true, &values, &places) == REEL_OK) // [64, 1000] -> [64, 5], and their columns
 *         reel_print(stdout, t, places); */
#ifndef REEL_SORT_H
#define REEL_SORT_H

#include <reel/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* torch.sort with stable=True, and its indices alone, torch.argsort. */
REEL_API reel_status reel_sort(reel_tape *tape, reel_var x, int axis, bool descending, reel_var *values,
                               reel_var *indices);
REEL_API reel_var reel_argsort(reel_tape *tape, reel_var x, int axis, bool descending);

/* The k largest, in falling order, or with `largest` false the k smallest in rising order (torch.topk).
 * REEL_ERROR_ARGUMENT unless k is in 0..the size of the axis, and for k 0 of a scalar. */
REEL_API reel_status reel_topk(reel_tape *tape, reel_var x, int64_t k, int axis, bool largest, reel_var *values,
                               reel_var *indices);

/* The largest and the smallest element of real x along the axis, the first of equals, and NaN before all others
 * (torch.max and torch.min with a dim): the whole gradient flows to that element, where reel_amax shares it among
 * equals. REEL_ERROR_SHAPE when the axis has size 0. */
REEL_API reel_status reel_max(reel_tape *tape, reel_var x, int axis, bool keepdim, reel_var *values, reel_var *indices);
REEL_API reel_status reel_min(reel_tape *tape, reel_var x, int axis, bool keepdim, reel_var *values, reel_var *indices);

#ifdef __cplusplus
}
#endif

#endif
