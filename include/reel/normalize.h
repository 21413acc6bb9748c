/* Batch and layer normalisation as functions; the modules of nn.h hold their params and running statistics. */
#ifndef REEL_NORMALIZE_H
#define REEL_NORMALIZE_H

#include <reel/types.h>

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

#ifdef __cplusplus
}
#endif

#endif
