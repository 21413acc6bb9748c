/* Functions of one var, element by element. x is real (REEL_ERROR_DTYPE otherwise) and of any shape, which the result
 * has too. NaN and infinities propagate. All have derivatives of any order.
 *
 *     reel_var h = reel_gelu(t, reel_linear(t, x, weight, bias), false); */
#ifndef REEL_UNARY_H
#define REEL_UNARY_H

#include <reel/types.h>

#ifdef __cplusplus
extern "C" {
#endif

REEL_API reel_var reel_neg(reel_tape *tape, reel_var x);    /* -x; torch.neg */
REEL_API reel_var reel_abs(reel_tape *tape, reel_var x);    /* |x|; torch.abs. Its gradient is 0 at 0. */
REEL_API reel_var reel_sign(reel_tape *tape, reel_var x);   /* -1, 0 or 1; torch.sign. 0 for NaN. No gradient flows. */
REEL_API reel_var reel_exp(reel_tape *tape, reel_var x);    /* torch.exp */
REEL_API reel_var reel_expm1(reel_tape *tape, reel_var x);  /* exp(x) - 1, good near 0; torch.expm1 */
REEL_API reel_var reel_log(reel_tape *tape, reel_var x);    /* NaN below 0; torch.log */
REEL_API reel_var reel_log1p(reel_tape *tape, reel_var x);  /* log(1 + x), good near 0; torch.log1p */
REEL_API reel_var reel_sqrt(reel_tape *tape, reel_var x);   /* NaN below 0; torch.sqrt */
REEL_API reel_var reel_rsqrt(reel_tape *tape, reel_var x);  /* 1 / sqrt(x); torch.rsqrt */
REEL_API reel_var reel_square(reel_tape *tape, reel_var x); /* x * x; torch.square */
REEL_API reel_var reel_sin(reel_tape *tape, reel_var x);    /* torch.sin */
REEL_API reel_var reel_cos(reel_tape *tape, reel_var x);    /* torch.cos */
REEL_API reel_var reel_tanh(reel_tape *tape, reel_var x);   /* torch.tanh */
REEL_API reel_var reel_erf(reel_tape *tape, reel_var x); /* 2 / sqrt(pi) * integral of exp(-t^2), 0 to x; torch.erf */

/* The distribution function of the standard normal distribution, (1 + erf(x / sqrt(2))) / 2, good also far below 0;
 * torch.special.ndtr. */
REEL_API reel_var reel_ndtr(reel_tape *tape, reel_var x);

/* 1 / (1 + exp(-x)), torch.sigmoid, and its logarithm, torch.nn.functional.logsigmoid, without overflow. */
REEL_API reel_var reel_sigmoid(reel_tape *tape, reel_var x);
REEL_API reel_var reel_logsigmoid(reel_tape *tape, reel_var x);

/* The next integer below, above, towards 0, and the nearest one, of two the even: torch.floor, ceil, trunc, round. No
 * gradient flows. */
REEL_API reel_var reel_floor(reel_tape *tape, reel_var x);
REEL_API reel_var reel_ceil(reel_tape *tape, reel_var x);
REEL_API reel_var reel_trunc(reel_tape *tape, reel_var x);
REEL_API reel_var reel_round(reel_tape *tape, reel_var x);

/* Activations of torch.nn.functional. */

/* max(x, 0). Its gradient is 0 at 0. */
REEL_API reel_var reel_relu(reel_tape *tape, reel_var x);

/* x where x > 0, else negative_slope * x (PyTorch's default is 0.01). At 0 the gradient is negative_slope. */
REEL_API reel_var reel_leaky_relu(reel_tape *tape, reel_var x, double negative_slope);

/* x where x > 0, else alpha * (exp(x) - 1) (PyTorch's default is 1). */
REEL_API reel_var reel_elu(reel_tape *tape, reel_var x, double alpha);

/* log(1 + exp(beta * x)) / beta, and x itself where beta * x > threshold (PyTorch's defaults are 1 and 20).
 * REEL_ERROR_ARGUMENT when beta is 0 or NaN. */
REEL_API reel_var reel_softplus(reel_tape *tape, reel_var x, double beta, double threshold);

/* x * tanh(log(1 + exp(x))). */
REEL_API reel_var reel_mish(reel_tape *tape, reel_var x);

/* scale * x where x > 0, else scale * alpha * (exp(x) - 1), with the two numbers that keep mean 0 and variance 1
 * (Klambauer et al., Self-normalizing neural networks). */
REEL_API reel_var reel_selu(reel_tape *tape, reel_var x);

/* The first half of x along an axis times the sigmoid of the second. REEL_ERROR_SHAPE when its size is odd. */
REEL_API reel_var reel_glu(reel_tape *tape, reel_var x, int axis);

/* x where x > 0, else weight * x. weight is one slope, or [channels] with one for each place of axis 1
 * (REEL_ERROR_SHAPE). */
REEL_API reel_var reel_prelu(reel_tape *tape, reel_var x, reel_var weight);

/* x * sigmoid(x). */
REEL_API reel_var reel_silu(reel_tape *tape, reel_var x);

/* x * Phi(x) with the distribution function of the normal distribution, reel_ndtr, or with tanh_form
 * its approximation (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))) / 2 (approximate="tanh"). */
REEL_API reel_var reel_gelu(reel_tape *tape, reel_var x, bool tanh_form);

#ifdef __cplusplus
}
#endif

#endif
