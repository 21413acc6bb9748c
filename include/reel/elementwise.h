/* Elementwise arithmetic of two operands, broadcast against each other as in NumPy and PyTorch, or of a var and a
 * number.
 *
 * Operands are real unless said otherwise. Two shapes broadcast when, counted from the last axis, their sizes are equal
 * or one of them is 1 (or missing); the result has the larger sizes. Errors: REEL_ERROR_DTYPE for operands of another
 * type, REEL_ERROR_SHAPE for shapes that do not broadcast. NaN and infinities propagate. Every operation has
 * derivatives of any order, but those of integers have none.
 *
 *     reel_var distance = reel_sqrt(t, reel_add(t, reel_square(t, a), reel_square(t, b))); // [64, 1], [10] -> [64, 10]
 *     reel_var half = reel_mul_scalar(t, distance, 0.5); */
#ifndef REEL_ELEMENTWISE_H
#define REEL_ELEMENTWISE_H

#include <reel/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* a + b, a - b, a * b, a / b: torch.add, torch.sub, torch.mul, torch.div. All but div also take two int64 or two int32
 * operands, and give that type; what does not fit wraps. (A number to go with integers: reel_full_int64 with
 * REEL_SCALAR.) */
REEL_API reel_var reel_add(reel_tape *tape, reel_var a, reel_var b);
REEL_API reel_var reel_sub(reel_tape *tape, reel_var a, reel_var b);
REEL_API reel_var reel_mul(reel_tape *tape, reel_var a, reel_var b);
REEL_API reel_var reel_div(reel_tape *tape, reel_var a, reel_var b);

/* The quotient of two int64 or two int32 operands, rounded down, and what is left of a by it, with the sign of b:
 * torch.floor_divide, torch.remainder. An integer divisor of 0 is REEL_ERROR_ARGUMENT, with its position. remainder
 * also takes reals, by 0 it gives NaN, and the rounded quotient counts as a constant: the gradient by b is minus it. */
REEL_API reel_var reel_floor_divide(reel_tape *tape, reel_var a, reel_var b);
REEL_API reel_var reel_remainder(reel_tape *tape, reel_var a, reel_var b);

/* base to the power of exponent, torch.pow. As there, 0^0 is 1, the derivative by the base is 0 where the exponent is
 * 0, and the derivative by the exponent is 0 where the base is 0 and the exponent is not negative. */
REEL_API reel_var reel_pow(reel_tape *tape, reel_var base, reel_var exponent);

/* The larger and the smaller of the two, NaN when one of them is: torch.maximum, torch.minimum. Where both are equal
 * each gets half of the gradient. */
REEL_API reel_var reel_maximum(reel_tape *tape, reel_var a, reel_var b);
REEL_API reel_var reel_minimum(reel_tape *tape, reel_var a, reel_var b);

/* a where condition (bool) is true, else b, of one type, which may be any: torch.where. All three are broadcast. The
 * operand that is not chosen gets a gradient of 0. */
REEL_API reel_var reel_where(reel_tape *tape, reel_var condition, reel_var a, reel_var b);

/* x and a number s, which is rounded to reel_real first: x + s, x - s, s - x (torch.rsub), x * s, x / s, s / x. */
REEL_API reel_var reel_add_scalar(reel_tape *tape, reel_var x, double s);
REEL_API reel_var reel_sub_scalar(reel_tape *tape, reel_var x, double s);
REEL_API reel_var reel_rsub_scalar(reel_tape *tape, reel_var x, double s);
REEL_API reel_var reel_mul_scalar(reel_tape *tape, reel_var x, double s);
REEL_API reel_var reel_div_scalar(reel_tape *tape, reel_var x, double s);
REEL_API reel_var reel_rdiv_scalar(reel_tape *tape, reel_var x, double s);

/* x to the power of s, torch.pow with a number. As there, the powers 2, 3, 0.5, -0.5 and -1 are computed as x * x,
 * x * x * x, the square root, 1 / the square root and 1 / x. */
REEL_API reel_var reel_pow_scalar(reel_tape *tape, reel_var x, double s);

/* The larger and the smaller of x and s; NaN when one of them is. Where x equals s it gets half of the gradient, as
 * torch.maximum gives it. */
REEL_API reel_var reel_maximum_scalar(reel_tape *tape, reel_var x, double s);
REEL_API reel_var reel_minimum_scalar(reel_tape *tape, reel_var x, double s);

/* x limited to low..high, torch.clamp; pass -INFINITY or INFINITY for no bound. When low is above high the result is
 * high. NaN stays NaN. The gradient is that of x between low and high, and 0 outside, at a bound and at NaN, as in
 * PyTorch from 2.15 on. REEL_ERROR_ARGUMENT
 * when a bound is NaN. */
REEL_API reel_var reel_clamp(reel_tape *tape, reel_var x, double low, double high);

#ifdef __cplusplus
}
#endif

#endif
