/* Arrays that go to and come from other libraries of the same process without being copied: DLPack 1, what from_dlpack
 * and __dlpack__ of NumPy, PyTorch and others speak (https://dmlc.github.io/dlpack). The struct is the one of DLPack's
 * own header, which this one neither needs nor replaces.
 *
 *     struct DLManagedTensorVersioned *out = reel_param_to_dlpack(reel_params_find(params, "fc1.weight"));
 *     reel_var x = reel_from_dlpack(t, out); // or numpy.from_dlpack, torch.from_dlpack: who takes it ends it */
#ifndef REEL_DLPACK_H
#define REEL_DLPACK_H

#include <reel/params.h>
#include <reel/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct DLManagedTensorVersioned;

/* All results are for the consumer, who ends them by their `deleter`, in the thread of the context and before it is
 * freed (in Python: when the array that was made of one goes). They are contiguous, on the CPU, with strides, of
 * version 1.0. NULL when memory ran out, on a NULL, and when the context has an error. */

/* The elements of a param, read-only and without a copy: what one sees follows the param, as with reel_param_data,
 * which says when an optimizer that defers updates is to be asked again. As long as the result lives the elements do: a
 * set that is freed before it is kept until then, as for an optimizer. */
REEL_API struct DLManagedTensorVersioned *reel_param_to_dlpack(reel_param *param);

/* The same for writing, from this call to reel_param_end_dlpack, each of which counts as a change: a backward pass
 * whose rules read the old value is refused afterwards. In between steps of optimizers and averages of the set, loading
 * and copying into it are refused. What is put off for rows is done first. Afterwards the elements are only to be read,
 * by whoever still has the result. REEL_ERROR_STATE, and NULL, for a set that is shared or swapped with an average, and
 * when it has begun already; for the end, when it has not. */
REEL_API struct DLManagedTensorVersioned *reel_param_begin_dlpack(reel_param *param);
REEL_API reel_status reel_param_end_dlpack(reel_param *param);

/* A copy of a var, since the reset takes the var. */
REEL_API struct DLManagedTensorVersioned *reel_to_dlpack(reel_tape *tape, reel_var v);

/* A var that borrows the elements, which must not change until the reset (reel_borrow). The tensor is taken over in any
 * case: its deleter runs at the reset or when the tape is freed; at once when it is refused. It must be of DLPack 1
 * (any minor version), on the CPU, of reel_real's own type, int64, int32 or bool (8 bits), contiguous and row-major
 * (NULL as strides counts as that), aligned to its elements, with at most REEL_MAX_NDIM axes. */
REEL_API reel_var reel_from_dlpack(reel_tape *tape, struct DLManagedTensorVersioned *tensor);

#ifdef __cplusplus
}
#endif

#endif
