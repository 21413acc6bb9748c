/* Initial values, drawn as PyTorch draws them. */
#include "core/params.h"
#include "kern/bfloat16.h"
#include "kern/normal.h"

#include <reel/init.h>

#include <float.h>
#include <math.h>

#ifdef REEL_F64
#define REAL_MAX DBL_MAX
#else
#define REAL_MAX FLT_MAX
#endif

/* Where the reals go that fill a param: to its elements, or to an array of which these are rounded. NULL with the error
 * recorded. */
static reel_real *begin_fill(reel_param *param)
{
    reel_context *c = param->set->context;
    if (param->dtype == REEL_REAL)
        return reel_param_write(param);
    size_t bytes = (size_t)param->numel * sizeof(reel_real);
    reel_real *reals = reel_allocate(&c->memory, bytes);
    if (!reals)
        reel_fail_memory(c, "initial values of a table", bytes);
    return reals;
}

static void end_fill(reel_param *param, reel_real *reals)
{
    reel_context *c = param->set->context;
    if (param->dtype == REEL_REAL)
        return;
    reel_kern_narrow(param->numel, reals, reel_param_write(param), reel_get_num_threads(c));
    reel_free(&c->memory, reals);
}

/* REEL_OK when the param can be filled with reals. */
static reel_status check(const reel_param *param, const char *who)
{
    if (!param)
        return REEL_ERROR_ARGUMENT;
    reel_context *c = param->set->context;
    if (c->status == REEL_OK && param->dtype != REEL_REAL && param->dtype != REEL_BFLOAT16)
        reel_fail(c, REEL_ERROR_DTYPE, "%s: param \"%s\" is %s, it must be real", who, param->name,
                  reel_dtype_name(param->dtype));
    if (c->status == REEL_OK)
        reel_params_expect_own(param->set, who);
    return c->status;
}

reel_status reel_init_uniform(reel_param *param, double low, double high)
{
    if (check(param, "init_uniform") != REEL_OK)
        return param ? param->set->context->status : REEL_ERROR_ARGUMENT;
    if (!(low >= -REAL_MAX && high <= REAL_MAX && low <= high && high - low <= REAL_MAX))
        return reel_fail(param->set->context, REEL_ERROR_ARGUMENT,
                         "init_uniform: param \"%s\": the range %g..%g is not finite, or empty", param->name, low,
                         high);
    reel_real *data = begin_fill(param);
    if (!data)
        return param->set->context->status;
    reel_generator_uniform(&param->set->context->generator, data, param->numel, low, high);
    end_fill(param, data);
    return REEL_OK;
}

static reel_status check_normal(const reel_param *param, const char *who, double mean, double std)
{
    if (check(param, who) != REEL_OK)
        return param ? param->set->context->status : REEL_ERROR_ARGUMENT;
    if (!(fabs(mean) <= REAL_MAX && std >= 0 && std <= REAL_MAX))
        return reel_fail(param->set->context, REEL_ERROR_ARGUMENT,
                         "%s: param \"%s\": mean %g and std %g must be finite, and std not negative", who, param->name,
                         mean, std);
    return REEL_OK;
}

reel_status reel_init_normal(reel_param *param, double mean, double std)
{
    reel_status status = check_normal(param, "init_normal", mean, std);
    if (status != REEL_OK)
        return status;
    reel_real *data = begin_fill(param);
    if (!data)
        return param->set->context->status;
    reel_generator_normal(&param->set->context->generator, data, param->numel, mean, std);
    end_fill(param, data);
    return REEL_OK;
}

reel_status reel_init_normal_fast(reel_param *param, double mean, double std)
{
    reel_status status = check_normal(param, "init_normal_fast", mean, std);
    if (status != REEL_OK)
        return status;
    reel_context *c = param->set->context;
    reel_real *data = begin_fill(param);
    if (!data)
        return c->status;
    const struct reel_philox_key key = {c->generator.seed, c->philox_draws++};
    reel_kern_normal(param->numel, mean, std, key, data, reel_get_num_threads(c));
    end_fill(param, data);
    return REEL_OK;
}

reel_status reel_init_constant(reel_param *param, double value)
{
    if (check(param, "init_constant") != REEL_OK)
        return param ? param->set->context->status : REEL_ERROR_ARGUMENT;
    reel_real *data = begin_fill(param);
    for (int64_t i = 0; data && i < param->numel; i++)
        data[i] = (reel_real)value;
    if (data)
        end_fill(param, data);
    return param->set->context->status;
}

reel_status reel_init_zeros(reel_param *param)
{
    return reel_init_constant(param, 0);
}

reel_status reel_init_ones(reel_param *param)
{
    return reel_init_constant(param, 1);
}

double reel_init_gain(reel_nonlinearity nonlinearity, double negative_slope)
{
    switch (nonlinearity) {
    case REEL_GAIN_LINEAR:
    case REEL_GAIN_SIGMOID:
        return 1;
    case REEL_GAIN_TANH:
        return 5.0 / 3;
    case REEL_GAIN_RELU:
        return sqrt(2);
    case REEL_GAIN_LEAKY_RELU:
        return sqrt(2 / (1 + negative_slope * negative_slope));
    case REEL_GAIN_SELU:
        return 3.0 / 4;
    }
    return NAN;
}

/* The two fans of a weight; REEL_ERROR_SHAPE when it has too few axes. */
static reel_status fans_of(const reel_param *param, const char *who, double *in, double *out)
{
    if (check(param, who) != REEL_OK)
        return param ? param->set->context->status : REEL_ERROR_ARGUMENT;
    if (param->shape.ndim < 2)
        return reel_fail(param->set->context, REEL_ERROR_SHAPE, "%s: param \"%s\" has %d axes; fans need two or more",
                         who, param->name, param->shape.ndim);
    *in = (double)param->shape.dim[1];
    *out = (double)param->shape.dim[0];
    for (int i = 2; i < param->shape.ndim; i++) {
        *in *= (double)param->shape.dim[i];
        *out *= (double)param->shape.dim[i];
    }
    return REEL_OK;
}

/* Draws with the standard deviation, which a bad gain makes unusable. */
static reel_status fill(reel_param *param, const char *who, double std, bool uniform)
{
    if (param->numel == 0)
        return REEL_OK;
    double bound = sqrt(3) * std;
    if (!(std >= 0 && bound <= REAL_MAX / 2))
        return reel_fail(param->set->context, REEL_ERROR_ARGUMENT,
                         "%s: param \"%s\": the gain gives the standard deviation %g", who, param->name, std);
    return uniform ? reel_init_uniform(param, -bound, bound) : reel_init_normal(param, 0, std);
}

static reel_status xavier(reel_param *param, const char *who, double gain, bool uniform)
{
    double in = 0, out = 0;
    reel_status status = fans_of(param, who, &in, &out);
    return status != REEL_OK ? status : fill(param, who, gain * sqrt(2 / (in + out)), uniform);
}

reel_status reel_init_xavier_uniform(reel_param *param, double gain)
{
    return xavier(param, "init_xavier_uniform", gain, true);
}

reel_status reel_init_xavier_normal(reel_param *param, double gain)
{
    return xavier(param, "init_xavier_normal", gain, false);
}

static reel_status kaiming(reel_param *param, const char *who, double negative_slope, reel_fan fan,
                           reel_nonlinearity nonlinearity, bool uniform)
{
    double in = 0, out = 0;
    reel_status status = fans_of(param, who, &in, &out);
    if (status != REEL_OK)
        return status;
    if (fan != REEL_FAN_IN && fan != REEL_FAN_OUT)
        return reel_fail(param->set->context, REEL_ERROR_ARGUMENT, "%s: there is no fan %d", who, (int)fan);
    double std = reel_init_gain(nonlinearity, negative_slope) / sqrt(fan == REEL_FAN_IN ? in : out);
    return fill(param, who, std, uniform);
}

reel_status reel_init_kaiming_uniform(reel_param *param, double negative_slope, reel_fan fan,
                                      reel_nonlinearity nonlinearity)
{
    return kaiming(param, "init_kaiming_uniform", negative_slope, fan, nonlinearity, true);
}

reel_status reel_init_kaiming_normal(reel_param *param, double negative_slope, reel_fan fan,
                                     reel_nonlinearity nonlinearity)
{
    return kaiming(param, "init_kaiming_normal", negative_slope, fan, nonlinearity, false);
}
