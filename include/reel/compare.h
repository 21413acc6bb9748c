/* Comparisons, and conversions between element types. Their results are constants: no gradient flows through them,
 * except that reel_to_real of a real var is that var.
 *
 *     reel_var right = reel_eq(t, reel_argmax(t, scores, 1, false), labels); // bool
 *     double accuracy = reel_item(t, reel_mean_all(t, reel_to_real(t, right))); */
#ifndef REEL_COMPARE_H
#define REEL_COMPARE_H

#include <reel/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* a == b, a != b, a < b, a <= b, a > b, a >= b, as bool: torch.eq and so on. Operands of any type, but of the same
 * (REEL_ERROR_DTYPE), broadcast against each other (REEL_ERROR_SHAPE). With a NaN only != is true. */
REEL_API reel_var reel_eq(reel_tape *tape, reel_var a, reel_var b);
REEL_API reel_var reel_ne(reel_tape *tape, reel_var a, reel_var b);
REEL_API reel_var reel_lt(reel_tape *tape, reel_var a, reel_var b);
REEL_API reel_var reel_le(reel_tape *tape, reel_var a, reel_var b);
REEL_API reel_var reel_gt(reel_tape *tape, reel_var a, reel_var b);
REEL_API reel_var reel_ge(reel_tape *tape, reel_var a, reel_var b);

/* The same with a number, for x of any type. Against real x, s is rounded to reel_real first; integers and bools are
 * compared as doubles, which is exact up to 2^53. */
REEL_API reel_var reel_eq_scalar(reel_tape *tape, reel_var x, double s);
REEL_API reel_var reel_ne_scalar(reel_tape *tape, reel_var x, double s);
REEL_API reel_var reel_lt_scalar(reel_tape *tape, reel_var x, double s);
REEL_API reel_var reel_le_scalar(reel_tape *tape, reel_var x, double s);
REEL_API reel_var reel_gt_scalar(reel_tape *tape, reel_var x, double s);
REEL_API reel_var reel_ge_scalar(reel_tape *tape, reel_var x, double s);

/* Whether x is 0 (or false), as bool: torch.logical_not. Any type. */
REEL_API reel_var reel_logical_not(reel_tape *tape, reel_var x);

/* Whether both are true, whether one is: torch.logical_and, torch.logical_or. Operands are bool and broadcast. */
REEL_API reel_var reel_logical_and(reel_tape *tape, reel_var a, reel_var b);
REEL_API reel_var reel_logical_or(reel_tape *tape, reel_var a, reel_var b);

/* x as real; false and true become 0 and 1. An x that is real already is returned as it is. */
REEL_API reel_var reel_to_real(reel_tape *tape, reel_var x);

/* x as int64, reals cut off towards 0: torch.Tensor.long. An x that is int64 already is returned as it is.
 * REEL_ERROR_INDEX when a real is NaN or outside int64 (the error names its position). */
REEL_API reel_var reel_to_int64(reel_tape *tape, reel_var x);

#ifdef __cplusplus
}
#endif

#endif
