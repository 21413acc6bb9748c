#include <reel/clip.h>

#include "base/checked.h"
#include "core/params.h"
#include "kern/clip.h"
#include "kern/parallel.h"

#include <math.h>

/* Makes every gradient of the set one that can be changed in place: an array, or kept rows. */
static reel_status settle_gradients(reel_params *params, const char *who)
{
    if (params->gradients_incomplete)
        return reel_fail(params->context, REEL_ERROR_STATE,
                         "%s: a backward pass failed, so gradients are incomplete; call reel_zero_grad first", who);
    for (int64_t i = 0; i < params->count; i++)
        if (reel_param_keep_rows(params->params[i]) != REEL_OK)
            return params->context->status;
    return REEL_OK;
}

/* The settled gradient's elements, NULL when there is none. */
static reel_real *gradient_of(reel_param *param, int64_t *n)
{
    *n = param->has_grad ? param->numel : param->kept_count * reel_param_columns(param);
    return param->has_grad ? param->grad : param->kept_count > 0 ? param->kept_values : NULL;
}

static double sum_powers(reel_params *params, double power, double *block_sums)
{
    double total = 0;
    for (int64_t i = 0; i < params->count; i++) {
        reel_param *param = params->params[i];
        if (param->has_grad)
            total = reel_kern_power_join(
                power, total,
                reel_kern_power_sum(power, param->numel, param->grad, block_sums, params->context->num_threads));
        else if (param->kept_count > 0)
            total = reel_kern_power_join(power, total,
                                         reel_kern_power_sum_rows(power, param->kept_count, reel_param_columns(param),
                                                                  param->kept_rows, param->kept_values));
    }
    return total;
}

static double *allocate_block_sums(reel_params *params)
{
    int64_t blocks = 0;
    for (int64_t i = 0; i < params->count; i++)
        if (params->params[i]->has_grad && reel_blocks(params->params[i]->numel) > blocks)
            blocks = reel_blocks(params->params[i]->numel);
    size_t bytes = (size_t)blocks * sizeof(double);
    double *sums = reel_scratch_allocate(&params->context->scratch, bytes);
    if (!sums)
        reel_fail_memory(params->context, "clip_grad_norm", bytes);
    return sums;
}

reel_status reel_clip_grad_norm(reel_params *params, double max_norm, double norm_type, double *total_norm)
{
    if (total_norm)
        *total_norm = NAN;
    if (!params || params->context->status != REEL_OK)
        return params ? params->context->status : REEL_ERROR_ARGUMENT;
    reel_context *c = params->context;
    if (!(max_norm >= 0) || !(norm_type > 0))
        return reel_fail(c, REEL_ERROR_ARGUMENT,
                         "clip_grad_norm: max_norm is %g, at least 0 is possible; norm_type is %g, it must be above 0",
                         max_norm, norm_type);
    double *block_sums;
    if (settle_gradients(params, "clip_grad_norm") != REEL_OK || !(block_sums = allocate_block_sums(params)))
        return c->status;
    double norm = sum_powers(params, norm_type, block_sums);
    reel_scratch_release(&c->scratch, block_sums);
    if (norm_type == 2)
        norm = sqrt(norm);
    else if (isfinite(norm_type))
        norm = pow(norm, 1 / norm_type);
    if (total_norm)
        *total_norm = norm;
    double factor = max_norm / (norm + 1e-6);
    if (factor >= 1)
        return REEL_OK;
    for (int64_t i = 0; i < params->count; i++) {
        int64_t n;
        reel_real *gradient = gradient_of(params->params[i], &n);
        if (gradient)
            reel_kern_scale(n, (reel_real)factor, gradient, c->num_threads);
    }
    return REEL_OK;
}

reel_status reel_clip_grad_value(reel_params *params, double clip_value)
{
    if (!params || params->context->status != REEL_OK)
        return params ? params->context->status : REEL_ERROR_ARGUMENT;
    if (!(clip_value >= 0))
        return reel_fail(params->context, REEL_ERROR_ARGUMENT,
                         "clip_grad_value: clip_value is %g, it must be at least 0", clip_value);
    if (settle_gradients(params, "clip_grad_value") != REEL_OK)
        return params->context->status;
    for (int64_t i = 0; i < params->count; i++) {
        int64_t n;
        reel_real *gradient = gradient_of(params->params[i], &n);
        if (gradient)
            reel_kern_limit(n, (reel_real)clip_value, gradient, params->context->num_threads);
    }
    return REEL_OK;
}
