/* Gradient clipping, between reel_backward and reel_optim_step.
 *
 *     double norm;
 *     if (reel_backward(t, loss, params) || reel_clip_grad_norm(params, 1.0, 2, &norm) || reel_optim_step(adam))
 *         fprintf(stderr, "%s\n", reel_error(c)); */
#ifndef REEL_CLIP_H
#define REEL_CLIP_H

#include <reel/params.h>
#include <reel/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Multiplies every gradient of the set by min(1, max_norm / (norm + 1e-6)), where norm is that of all gradients as one
 * vector, before clipping; it also goes to *total_norm unless that is NULL (torch.nn.utils.clip_grad_norm_ with
 * error_if_nonfinite=False: a NaN norm makes every gradient NaN, an infinite one makes them 0 or NaN). norm_type > 0,
 * INFINITY for the largest magnitude; max_norm >= 0, INFINITY to
 * measure only, whatever the norm is. Computed in double; row-sparse gradients
 * stay so and give the bits of dense ones, for any number of threads. Nothing changes on failure: REEL_ERROR_ARGUMENT,
 * REEL_ERROR_STATE after a failed backward pass, or out of memory. */
REEL_API reel_status reel_clip_grad_norm(reel_params *params, double max_norm, double norm_type, double *total_norm);

/* Limits every element of every gradient to -clip_value..clip_value, which is >= 0 (torch.nn.utils.clip_grad_value_;
 * NaN stays). Elements of a row-sparse gradient are limited after the occurrences of a row are summed. */
REEL_API reel_status reel_clip_grad_value(reel_params *params, double clip_value);

#ifdef __cplusplus
}
#endif

#endif
