/* Normalisation: as functions, and the layers of those that nn.h does not have (it has batch and layer norm).
 *
 *     reel_var mean, variance;
 *     reel_var h = reel_batch_norm(t, x, weight, bias, 1e-5, &mean, &variance); // [64, 32, 14, 14], by channel
 *     reel_var y = reel_layer_norm(t, z, 1, reel_null(), reel_null(), 1e-5);    // over the last axis */
#ifndef REEL_NORMALIZE_H
#define REEL_NORMALIZE_H

#include <reel/nn.h>

#ifdef __cplusplus
extern "C" {
#endif

/* x [batch, channels] or [batch, channels, ...], each channel normalised over the batch and the axes behind it by its
 * own mean and biased variance: y = (x - mean) / sqrt(variance + eps) * weight + bias (torch.nn.functional.batch_norm
 * with training=True). weight and bias [channels] or the null var for none. *mean and *variance (each may be NULL)
 * receive the statistics [channels]. REEL_ERROR_SHAPE for other shapes, and when a channel has a single value. */
REEL_API reel_var reel_batch_norm(reel_tape *tape, reel_var x, reel_var weight, reel_var bias, double eps,
                                  reel_var *mean, reel_var *variance);

/* The same with given statistics [channels] (training=False). */
REEL_API reel_var reel_batch_norm_eval(reel_tape *tape, reel_var x, reel_var mean, reel_var variance, reel_var weight,
                                       reel_var bias, double eps);

/* x normalised over its last normalized_axes axes (at least 1) by their mean and biased variance, times weight, plus
 * bias (torch.nn.functional.layer_norm). weight and bias have the shape of those axes, or are the null var. */
REEL_API reel_var reel_layer_norm(reel_tape *tape, reel_var x, int normalized_axes, reel_var weight, reel_var bias,
                                  double eps);

/* x divided by the root of the mean of squares, plus eps, over its last normalized_axes axes (at least 1), times
 * weight: x / sqrt(mean(x^2) + eps) * weight (Zhang and Sennrich 2019; torch.nn.functional.rms_norm). weight has the
 * shape of those axes, or is the null var. eps NaN: the distance of 1 to the next larger reel_real (PyTorch's None). */
REEL_API reel_var reel_rms_norm(reel_tape *tape, reel_var x, int normalized_axes, reel_var weight, double eps);

/* x [batch, channels, ...], whose channels are cut into num_groups groups; each group of each sample is normalised by
 * its own mean and biased variance, then each channel times weight, plus bias (Wu and He 2018;
 * torch.nn.functional.group_norm). weight and bias [channels] or the null var for none. REEL_ERROR_SHAPE for other
 * shapes, channels that are no multiple of the groups, and where there is 1 value in all of a channel group;
 * REEL_ERROR_ARGUMENT for less than 1 group. */
REEL_API reel_var reel_group_norm(reel_tape *tape, reel_var x, int64_t num_groups, reel_var weight, reel_var bias,
                                  double eps);

/* The same for each channel of each sample by itself: x [batch, channels, ...] with more than 1 value per channel
 * (Ulyanov et al. 2016; torch.nn.functional.instance_norm without running statistics; with them it is
 * reel_batch_norm_eval). REEL_ERROR_SHAPE. */
REEL_API reel_var reel_instance_norm(reel_tape *tape, reel_var x, reel_var weight, reel_var bias, double eps);

/* ---- Layers; names, options and errors as in nn.h ---- */

/* reel_rms_norm over the last axes, which are normalized_shape (nn.RMSNorm). Param: weight (ones) of normalized_shape,
 * which has at least one axis. */
typedef struct reel_rms_norm_options {
    reel_options_mark mark;
    double eps;              /* NaN: as for the function */
    bool elementwise_affine; /* true: has the weight */
} reel_rms_norm_options;
REEL_API reel_rms_norm_options reel_rms_norm_defaults(void);
REEL_API reel_module *reel_rms_norm_new(reel_params *params, const char *name, reel_shape normalized_shape,
                                        const reel_rms_norm_options *options);

/* reel_group_norm of x [batch, num_channels, ...] (nn.GroupNorm). Params: weight (ones) and bias (zeros)
 * [num_channels], which is a multiple of num_groups (REEL_ERROR_ARGUMENT). */
typedef struct reel_group_norm_options {
    reel_options_mark mark;
    double eps;  /* 1e-5 */
    bool affine; /* true: has weight and bias */
    bool bias;   /* true; without affine it has no meaning */
} reel_group_norm_options;
REEL_API reel_group_norm_options reel_group_norm_defaults(void);
REEL_API reel_module *reel_group_norm_new(reel_params *params, const char *name, int64_t num_groups,
                                          int64_t num_channels, const reel_group_norm_options *options);

/* reel_instance_norm of x [batch, num_features, length], for reel_instance_norm2d_new [batch, num_features, height,
 * width], or both without the first axis (nn.InstanceNorm1d, nn.InstanceNorm2d). Params with affine: weight (ones) and
 * bias (zeros) [num_features]. With track_running_stats the buffers are those of batch norm; as in PyTorch a forward
 * pass in training moves running_mean and running_var by the means over the batch, and leaves num_batches_tracked, and
 * evaluation uses them. */
typedef struct reel_instance_norm_options {
    reel_options_mark mark;
    double eps;               /* 1e-5 */
    double momentum;          /* 0.1; from 0 to 1 */
    bool affine;              /* false; true: has weight and bias */
    bool bias;                /* true; without affine it has no meaning */
    bool track_running_stats; /* false: evaluation uses the sample's statistics too */
} reel_instance_norm_options;
REEL_API reel_instance_norm_options reel_instance_norm_defaults(void);
REEL_API reel_module *reel_instance_norm1d_new(reel_params *params, const char *name, int64_t num_features,
                                               const reel_instance_norm_options *options);
REEL_API reel_module *reel_instance_norm2d_new(reel_params *params, const char *name, int64_t num_features,
                                               const reel_instance_norm_options *options);

/* Batch norm whose weight and bias belong to the sample's class: inputs x [batch, num_features, ...] and labels, int64
 * or int32 [batch], 0..num_classes-1 (REEL_ERROR_INDEX, before anything changes):
 *
 *     y[n] = batch_norm(x)[n] * gain.weight[label[n]] + bias.weight[label[n]]
 *
 * for each feature (de Vries et al. 2017, "Modulating early visual processing by language"; in generators Miyato and
 * Koyama 2018 and Brock et al. 2019, whose form this is, with a gain that begins as 1 in the place of 1 + 0). Params:
 * gain.weight (ones) and bias.weight (zeros) [num_classes, num_features]. Buffers and options are those of batch norm;
 * affine and bias have no meaning. */
REEL_API reel_module *reel_conditional_batch_norm_new(reel_params *params, const char *name, int64_t num_features,
                                                      int64_t num_classes, const reel_batch_norm_options *options);

#ifdef __cplusplus
}
#endif

#endif
