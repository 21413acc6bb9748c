/* Batch normalisation with its running statistics. */
#include "nn/module.h"

#include "base/shape.h"

#include <reel/init.h>
#include <reel/normalize.h>
#include <reel/recompute.h>
#include <reel/tape.h>

#include <math.h>

struct batch_norm {
    reel_module module;
    reel_param *weight, *bias;                             /* may be missing */
    reel_param *running_mean, *running_variance, *batches; /* all three or none */
    int64_t features;
    int least_axes, most_axes; /* of its input */
    double eps, momentum;
};

static void move(reel_param *running, const reel_real *batch, double factor, double scale)
{
    reel_real *r = reel_param_write(running);
    for (int64_t i = 0; i < running->numel; i++)
        r[i] = (reel_real)((1 - factor) * (double)r[i] + factor * scale * (double)batch[i]);
}

static void move_statistics(struct batch_norm *m, const reel_real *mean, const reel_real *variance, int64_t count)
{
    int64_t *batches = reel_param_write(m->batches);
    *batches += *batches < INT64_MAX; /* a file may hold any number */
    double factor = isnan(m->momentum) ? 1 / (double)*batches : m->momentum;
    move(m->running_mean, mean, factor, 1);
    move(m->running_variance, variance, factor, (double)count / (double)(count - 1));
}

static reel_var batch_norm_forward(reel_tape *tape, reel_module *module, reel_var x)
{
    struct batch_norm *m = (struct batch_norm *)module;
    reel_context *c = reel_tape_context(tape);
    reel_shape shape = reel_shape_of(tape, x);
    if (shape.ndim < 0)
        return reel_null();
    if (shape.ndim < m->least_axes || shape.ndim > m->most_axes || shape.dim[1] != m->features) {
        char text[REEL_SHAPE_TEXT];
        if (m->least_axes == 2)
            reel_fail(c, REEL_ERROR_SHAPE, "batch_norm: x is %s, it takes [batch, %lld] or [batch, %lld, length]",
                      reel_shape_text(&shape, text), (long long)m->features, (long long)m->features);
        else
            reel_fail(c, REEL_ERROR_SHAPE, "batch_norm: x is %s, it takes [batch, %lld, height, width]",
                      reel_shape_text(&shape, text), (long long)m->features);
        return reel_null();
    }
    reel_var weight = reel_module_var(tape, m->weight), bias = reel_module_var(tape, m->bias);
    if (!module->training && m->batches) {
        reel_var mean = reel_param_var(tape, m->running_mean), variance = reel_param_var(tape, m->running_variance);
        return reel_batch_norm_eval(tape, x, mean, variance, weight, bias, m->eps);
    }
    reel_var mean, variance;
    reel_var y = reel_batch_norm(tape, x, weight, bias, m->eps, &mean, &variance);
    int64_t count = shape.dim[0];
    for (int i = 2; i < shape.ndim; i++)
        count *= shape.dim[i];
    if (!reel_is_null(y) && module->training && m->batches && !reel_is_recomputing(tape))
        move_statistics(m, reel_data_real(tape, mean), reel_data_real(tape, variance), count);
    return y;
}

static const struct reel_module_kind batch_norm_kind = {
    .size = sizeof(struct batch_norm), .forward = batch_norm_forward, .named = true};

reel_batch_norm_options reel_batch_norm_defaults(void)
{
    return (reel_batch_norm_options){.mark = REEL_OPTIONS_MARK(reel_batch_norm_options),
                                     .eps = 1e-5,
                                     .momentum = 0.1,
                                     .affine = true,
                                     .bias = true,
                                     .track_running_stats = true};
}

static reel_module *new_batch_norm(reel_params *params, const char *name, int64_t num_features, int least_axes,
                                   int most_axes, const reel_batch_norm_options *options)
{
    reel_batch_norm_options o = reel_batch_norm_defaults();
    if (reel_options_take(reel_params_context(params), "batch_norm", options, &o) != REEL_OK)
        return NULL;
    struct batch_norm *m = reel_module_begin(params, name, &batch_norm_kind);
    if (!m)
        return NULL;
    m->features = num_features;
    m->least_axes = least_axes;
    m->most_axes = most_axes;
    m->eps = o.eps;
    m->momentum = o.momentum;
    if (!(o.eps >= 0) || o.momentum < 0 || o.momentum > 1)
        reel_fail(params->context, REEL_ERROR_ARGUMENT,
                  "batch_norm: eps %g must not be negative, and momentum %g must be from 0 to 1, or NaN", o.eps,
                  o.momentum);
    reel_shape shape = {1, {num_features}}, scalar = {0, {0}};
    if (o.affine)
        m->weight = reel_module_param(&m->module, "weight", REEL_PARAM_TRAINED, REEL_REAL, shape);
    if (o.affine && o.bias)
        m->bias = reel_module_param(&m->module, "bias", REEL_PARAM_TRAINED, REEL_REAL, shape);
    if (o.track_running_stats) {
        m->running_mean = reel_module_param(&m->module, "running_mean", REEL_PARAM_BUFFER, REEL_REAL, shape);
        m->running_variance = reel_module_param(&m->module, "running_var", REEL_PARAM_BUFFER, REEL_REAL, shape);
        m->batches = reel_module_param(&m->module, "num_batches_tracked", REEL_PARAM_BUFFER, REEL_INT64, scalar);
    }
    if (!reel_module_end(&m->module))
        return NULL;
    if (m->weight)
        reel_init_ones(m->weight);
    if (m->running_variance)
        reel_init_ones(m->running_variance);
    return &m->module;
}

reel_module *reel_batch_norm1d_new(reel_params *params, const char *name, int64_t num_features,
                                   const reel_batch_norm_options *options)
{
    return new_batch_norm(params, name, num_features, 2, 3, options);
}

reel_module *reel_batch_norm2d_new(reel_params *params, const char *name, int64_t num_features,
                                   const reel_batch_norm_options *options)
{
    return new_batch_norm(params, name, num_features, 4, 4, options);
}
