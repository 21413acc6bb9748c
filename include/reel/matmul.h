/* Products of matrices.
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

#ifdef __cplusplus
}
#endif

#endif
