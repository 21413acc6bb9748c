/* Products of matrices, and sums of products.
 *
 *     reel_var products = reel_matmul(t, a, reel_transpose(t, b, -2, -1)); // [64, 8], [10, 8] -> [64, 10]
 *     reel_var h = reel_linear_activation(t, x, weight, bias, REEL_ACTIVATION_TANH, 0); // [64, 8] -> [64, 32] */
#ifndef REEL_MATMUL_H
#define REEL_MATMUL_H

#include <reel/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The product of real a and b as torch.matmul: [m, k] and [k, n] give [m, n]; leading axes are batches and broadcast;
 * a vector a counts as a row, a vector b as a column, and that axis is dropped again. REEL_ERROR_SHAPE when the inner
 * sizes differ, an operand is a scalar, or the batches do not broadcast. */
REEL_API reel_var reel_matmul(reel_tape *tape, reel_var a, reel_var b);

/* x [..., in], weight [out, in], bias [out] or the null var for none -> x weight^T + bias [..., out]
 * (torch.nn.functional.linear). */
REEL_API reel_var reel_linear(reel_tape *tape, reel_var x, reel_var weight, reel_var bias);

/* What a linear layer ends with. */
typedef enum reel_activation {
    REEL_ACTIVATION_NONE,       /* nothing */
    REEL_ACTIVATION_RELU,       /* reel_relu */
    REEL_ACTIVATION_LEAKY_RELU, /* reel_leaky_relu, with negative_slope */
    REEL_ACTIVATION_TANH        /* reel_tanh */
} reel_activation;

/* The activation of reel_linear(x, weight, bias), [..., out], as one operation: what reel_relu, reel_leaky_relu or
 * reel_tanh would give, in fewer passes over memory. The rule goes by the result, so negative_slope must be at least 0
 * (as for leaky_relu in place in PyTorch), also where the activation has none; REEL_ERROR_ARGUMENT if not, or when
 * there is no such activation. */
REEL_API reel_var reel_linear_activation(reel_tape *tape, reel_var x, reel_var weight, reel_var bias,
                                         reel_activation activation, double negative_slope);

/* A sum of products of real operands, 1 to 16 of them, as torch.einsum("bij,bjk->bik", a, b) says it: a letter for each
 * axis of each operand; the result has the letters behind the arrow, in that order, and what it lacks is summed over. A
 * letter twice in an operand is its diagonal. "..." stands for the axes that letters leave, which broadcast. Without an
 * arrow the result has those of the ellipsis, then the letters that are there once, capitals first. Axes of size 1 are
 * broadcast. Operands are multiplied from left to right, as products of matrices or element by element; put the small
 * ones first. REEL_ERROR_ARGUMENT for an equation that is none or of other operands, REEL_ERROR_SHAPE for sizes that do
 * not fit, and where a product on the way has more than 8 axes. In C, REEL_VARS(a, b) stands for `operands, n`. */
REEL_API reel_var reel_einsum(reel_tape *tape, const char *equation, const reel_var *operands, int n);

#ifdef __cplusplus
}
#endif

#endif
