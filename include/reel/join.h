/* Joining, cutting, reordering and repeating axes. Any element type; negative axes count from the end
 * (REEL_ERROR_ARGUMENT when outside); sizes may be 0. Every operation has derivatives of any order.
 *
 *     reel_var joined = reel_cat(t, REEL_VARS(z, x), 1);        // [64, 10], [64, 3] -> [64, 13]
 *     reel_var turned = reel_permute(t, h, REEL_AXES(0, 2, 1)); // [64, 20, 8] -> [64, 8, 20]
 *     reel_var parts[2];
 *     reel_split(t, joined, REEL_SIZES(10, 3), 1, parts); // and back */
#ifndef REEL_JOIN_H
#define REEL_JOIN_H

#include <reel/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* n >= 1 vars of one element type, one after the other along an axis (torch.cat). All other sizes must be equal
 * (REEL_ERROR_SHAPE). In C, REEL_VARS(a, b) stands for `vars, n`. */
REEL_API reel_var reel_cat(reel_tape *tape, const reel_var *vars, int n, int axis);

/* n >= 1 vars of one shape and element type, along a new axis before `axis`, which is in -ndim-1..ndim (torch.stack).
 */
REEL_API reel_var reel_stack(reel_tape *tape, const reel_var *vars, int n, int axis);

/* Elements start..start+length-1 of an axis (torch.narrow); start may be negative and then counts from the end.
 * REEL_ERROR_INDEX when they are not all inside. No copy where the result is contiguous in x: along the outermost axis,
 * or when all axes before it have size 1. */
REEL_API reel_var reel_narrow(reel_tape *tape, reel_var x, int axis, int64_t start, int64_t length);

/* Cuts an axis into n pieces of the given sizes, which must add up to its size (REEL_ERROR_SHAPE; torch.split with a
 * list). out receives n vars; null vars on error. */
REEL_API reel_status reel_split(reel_tape *tape, reel_var x, const int64_t *sizes, int n, int axis, reel_var *out);

/* Cuts an axis into `chunks` pieces of equal size, of which the last may be smaller and some may be missing when the
 * size does not divide (torch.chunk). Returns how many pieces it made, 0 on error. out has room for `chunks` vars;
 * those not used become null. */
REEL_API int reel_chunk(reel_tape *tape, reel_var x, int chunks, int axis, reel_var *out);

/* Reorders axes: axis i of the result is axis axes[i] of x (torch.permute). axes names each of the n == ndim axes once
 * (REEL_ERROR_ARGUMENT). Copies, unless only axes of size 1 change places. In C, REEL_AXES(1, 0) stands for
 * `axes, n`. */
REEL_API reel_var reel_permute(reel_tape *tape, reel_var x, const int *axes, int n);

/* Exchanges two axes (torch.transpose). */
REEL_API reel_var reel_transpose(reel_tape *tape, reel_var x, int axis0, int axis1);

/* Repeats axes of size 1, and adds axes in front, to get `shape`; a size of -1 keeps that of x (torch.expand, but the
 * result is a copy). REEL_ERROR_SHAPE when x does not fit. Operations that broadcast do not need it. */
REEL_API reel_var reel_expand(reel_tape *tape, reel_var x, reel_shape shape);

/* Elements start, start + step, ... of an axis, up to end, which is not reached: x[..., start:end:step] of Python.
 * start and end may be negative and then count from the end; what is outside the axis is cut off, so that 0 and
 * INT64_MAX mean all. step is at least 1 (REEL_ERROR_ARGUMENT). No copy when step is 1 and reel_narrow makes none. */
REEL_API reel_var reel_slice(reel_tape *tape, reel_var x, int axis, int64_t start, int64_t end, int64_t step);

/* The elements along n different axes in the reverse order (torch.flip). REEL_ERROR_ARGUMENT for an axis given twice.
 */
REEL_API reel_var reel_flip(reel_tape *tape, reel_var x, const int *axes, int n);

/* The elements moved by `shift` along an axis, those that leave it at one end coming in at the other (torch.roll). */
REEL_API reel_var reel_roll(reel_tape *tape, reel_var x, int64_t shift, int axis);

/* x repeated repeats.dim[i] times along axis i, one copy behind the other (torch.Tensor.repeat). repeats may have more
 * axes than x, which then gets axes of size 1 in front, but not fewer; REEL_ERROR_SHAPE. */
REEL_API reel_var reel_repeat(reel_tape *tape, reel_var x, reel_shape repeats);

/* The slices of an axis, each without it (torch.unbind). out receives n vars, and n must be the size of the axis
 * (REEL_ERROR_ARGUMENT, and then out is left as it was); null vars on any other error. */
REEL_API reel_status reel_unbind(reel_tape *tape, reel_var x, int axis, int n, reel_var *out);

#ifdef __cplusplus
}
#endif

#endif
