/* Initial values for params (torch.nn.init). All but reel_init_normal_fast draw from the context's generator and give
 * PyTorch's numbers, bit for bit. They count as a change of the param, and take real params and buffers only
 * (REEL_ERROR_DTYPE). On error nothing is drawn or changed. NULL is REEL_ERROR_ARGUMENT.
 *
 *     for (int i = 0; i < reel_params_count(params); i++) {
 *         reel_param *p = reel_params_at(params, i);
 *         if (reel_param_shape(p)->ndim >= 2)
 *             reel_init_kaiming_normal(p, 0.2, REEL_FAN_IN, REEL_GAIN_LEAKY_RELU);
 *     } */
#ifndef REEL_INIT_H
#define REEL_INIT_H

#include <reel/params.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Uniform on [low, high): finite, low <= high, and high - low within the range of reel_real. */
REEL_API reel_status reel_init_uniform(reel_param *param, double low, double high);

/* Normal with this mean and standard deviation, finite and std >= 0. */
REEL_API reel_status reel_init_normal(reel_param *param, double mean, double std);

/* The same distribution for large tables, on all threads (a single one needs longer than reel_init_normal does, so it
 * is for machines with many), and not PyTorch's numbers: Box-Muller on Philox 4x32-10
 * (Salmon et al. 2011), keyed by the seed and the number of the draw since reel_manual_seed (dropout masks count too),
 * counted by element. No value lies farther than 6.7 std from the mean. Takes nothing from the generator behind
 * reel_init_normal, and does not depend on the number of threads. */
REEL_API reel_status reel_init_normal_fast(reel_param *param, double mean, double std);

/* Every element the same: value, 0, 1. */
REEL_API reel_status reel_init_constant(reel_param *param, double value);
REEL_API reel_status reel_init_zeros(reel_param *param);
REEL_API reel_status reel_init_ones(reel_param *param);

/* What follows the layer decides about its gain (torch.nn.init.calculate_gain). */
typedef enum reel_nonlinearity {
    REEL_GAIN_LINEAR,     /* 1 */
    REEL_GAIN_SIGMOID,    /* 1 */
    REEL_GAIN_TANH,       /* 5 / 3 */
    REEL_GAIN_RELU,       /* sqrt(2) */
    REEL_GAIN_LEAKY_RELU, /* sqrt(2 / (1 + negative_slope^2)) */
    REEL_GAIN_SELU        /* 3 / 4 */
} reel_nonlinearity;

/* The gain; NaN when nonlinearity is none of them. negative_slope matters to leaky_relu only. */
REEL_API double reel_init_gain(reel_nonlinearity nonlinearity, double negative_slope);

/* Which side's variance the Kaiming forms keep: forward or backward. */
typedef enum reel_fan {
    REEL_FAN_IN, /* forward: the second axis of the weight, times those behind it */
    REEL_FAN_OUT /* backward: the first axis, times those behind the second */
} reel_fan;

/* The forms below take a weight [out, in, ...] of two axes or more (else REEL_ERROR_SHAPE); the axes after the second
 * multiply both fans. A weight without elements is left alone, and nothing is drawn.
 *
 * Xavier: std = gain * sqrt(2 / (fan_in + fan_out)); normal, or uniform on +-sqrt(3) * std. gain >= 0 and finite. */
REEL_API reel_status reel_init_xavier_uniform(reel_param *param, double gain);
REEL_API reel_status reel_init_xavier_normal(reel_param *param, double gain);

/* Kaiming: std = reel_init_gain(nonlinearity, negative_slope) / sqrt(fan); normal, or uniform on +-sqrt(3) * std.
 * PyTorch's defaults are 0, REEL_FAN_IN, REEL_GAIN_LEAKY_RELU. */
REEL_API reel_status reel_init_kaiming_uniform(reel_param *param, double negative_slope, reel_fan fan,
                                               reel_nonlinearity nonlinearity);
REEL_API reel_status reel_init_kaiming_normal(reel_param *param, double negative_slope, reel_fan fan,
                                              reel_nonlinearity nonlinearity);

#ifdef __cplusplus
}
#endif

#endif
