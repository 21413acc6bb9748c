/* Clipping of gradients, by norm and by value. */
#include <reel/clip.h>

#include "base/checked.h"
#include "core/params.h"
#include "kern/clip.h"
#include "kern/parallel.h"

#include <float.h>
#include <math.h>

/* Makes every gradient of the set one that can be changed in place: an array, or kept rows. */
static reel_status settle_gradients(reel_params *params, const char *who)
{
    reel_status status = reel_params_expect_complete_gradients(params, who);
    for (int64_t i = 0; i < params->count && status == REEL_OK; i++)
        status = reel_param_gradient_keep_rows(params->params[i]);
    return status;
}

/* The settled gradient's elements, NULL when there is none. */
static reel_real *gradient_of(const reel_param *param, struct reel_gradient_rows *rows, int64_t *n)
{
    *rows = reel_param_gradient_kept(param);
    bool dense = reel_param_gradient_kind(param) == REEL_GRADIENT_DENSE;
    *n = dense ? param->numel : rows->count * rows->columns;
    return dense ? reel_param_gradient_dense(param) : rows->count > 0 ? rows->values : NULL;
}

static double sum_powers(const reel_params *params, struct reel_power power, double *block_sums)
{
    double total = 0;
    for (int64_t i = 0; i < params->count; i++) {
        struct reel_gradient_rows rows;
        int64_t n;
        const reel_real *gradient = gradient_of(params->params[i], &rows, &n);
        if (gradient)
            total = reel_kern_power_join(
                power, total,
                rows.count > 0 ? reel_kern_power_sum_rows(power, rows.count, rows.columns, rows.rows, gradient)
                               : reel_kern_power_sum(power, n, gradient, block_sums, params->context->num_threads));
    }
    return total;
}

/* Where the sum of the powers overflows or underflows, elements are divided by the largest first. */
static double norm_of(const reel_params *params, double type, double *block_sums)
{
    double sum = sum_powers(params, (struct reel_power){type, 1}, block_sums), largest = 1;
    if (!isfinite(type))
        return sum;
    if (!(sum >= DBL_MIN / DBL_EPSILON && sum <= DBL_MAX)) {
        largest = sum_powers(params, (struct reel_power){INFINITY, 1}, block_sums);
        if (!(largest > 0 && largest <= DBL_MAX))
            return largest;
        int exponent;
        frexp(largest, &exponent);
        largest = ldexp(1, exponent - 1);
        sum = sum_powers(params, (struct reel_power){type, 1 / largest}, block_sums);
    }
    return largest * (type == 2 ? sqrt(sum) : pow(sum, 1 / type));
}

static double *allocate_block_sums(reel_params *params)
{
    int64_t blocks = 0;
    for (int64_t i = 0; i < params->count; i++) {
        const reel_param *param = params->params[i];
        if (reel_param_gradient_kind(param) == REEL_GRADIENT_DENSE && reel_blocks(param->numel) > blocks)
            blocks = reel_blocks(param->numel);
    }
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
    double norm = norm_of(params, norm_type, block_sums);
    reel_scratch_release(&c->scratch, block_sums);
    if (total_norm)
        *total_norm = norm;
    double factor = max_norm / (norm + 1e-6);
    if (max_norm == INFINITY || factor >= 1)
        return REEL_OK;
    for (int64_t i = 0; i < params->count; i++) {
        struct reel_gradient_rows rows;
        int64_t n;
        reel_real *gradient = gradient_of(params->params[i], &rows, &n);
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
        struct reel_gradient_rows rows;
        int64_t n;
        reel_real *gradient = gradient_of(params->params[i], &rows, &n);
        if (gradient)
            reel_kern_limit(n, (reel_real)clip_value, gradient, params->context->num_threads);
    }
    return REEL_OK;
}
