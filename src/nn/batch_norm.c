/* Layers with running statistics of channels: batch norm, also by class, and instance norm. */
#include "nn/module.h"

#include "base/shape.h"

#include <reel/elementwise.h>
#include <reel/gather.h>
#include <reel/init.h>
#include <reel/normalize.h>
#include <reel/recompute.h>
#include <reel/reduce.h>
#include <reel/tape.h>
#include <reel/view.h>

#include <math.h>

struct batch_norm {
    reel_module module;
    reel_param *weight, *bias;                             /* may be missing; by class they are tables */
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

/* After a forward pass over x: by the batch's mean and variance. */
static void move_statistics(reel_tape *tape, struct batch_norm *m, const reel_shape *x, reel_var mean,
                            reel_var variance)
{
    int64_t count = x->dim[0];
    for (int i = 2; i < x->ndim; i++)
        count *= x->dim[i];
    int64_t *batches = reel_param_write(m->batches);
    *batches += *batches < INT64_MAX; /* a file may hold any number */
    double factor = isnan(m->momentum) ? 1 / (double)*batches : m->momentum;
    move(m->running_mean, reel_data_real(tape, mean), factor, 1);
    move(m->running_variance, reel_data_real(tape, variance), factor, (double)count / (double)(count - 1));
}

/* x normalised by the running statistics, where these are used. */
static reel_var normalize_by_running(reel_tape *tape, const struct batch_norm *m, reel_var x, reel_var weight,
                                     reel_var bias)
{
    reel_var mean = reel_param_var(tape, m->running_mean), variance = reel_param_var(tape, m->running_variance);
    return reel_batch_norm_eval(tape, x, mean, variance, weight, bias, m->eps);
}

static bool is_by_running(const struct batch_norm *m)
{
    return !m->module.training && m->batches;
}

/* Whether this forward pass moves the running statistics. */
static bool is_moving(const reel_tape *tape, const struct batch_norm *m)
{
    return m->module.training && m->batches && !reel_is_recomputing(tape);
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
    if (is_by_running(m))
        return normalize_by_running(tape, m, x, weight, bias);
    reel_var mean, variance;
    reel_var y = reel_batch_norm(tape, x, weight, bias, m->eps, &mean, &variance);
    if (!reel_is_null(y) && is_moving(tape, m))
        move_statistics(tape, m, &shape, mean, variance);
    return y;
}

/* Gain and bias of each sample are looked up first: that checks the labels. */
static void conditional_forward(reel_tape *tape, reel_module *module, const reel_var *inputs, reel_var *outputs)
{
    struct batch_norm *m = (struct batch_norm *)module;
    reel_shape shape = reel_shape_of(tape, inputs[0]), labels = reel_shape_of(tape, inputs[1]);
    if (shape.ndim < 0 || labels.ndim < 0)
        return;
    char text[REEL_SHAPE_TEXT], other[REEL_SHAPE_TEXT];
    if (shape.ndim < 2 || shape.dim[1] != m->features || labels.ndim != 1 || labels.dim[0] != shape.dim[0]) {
        reel_fail(reel_tape_context(tape), REEL_ERROR_SHAPE,
                  "conditional_batch_norm: x is %s and the labels are %s, it takes [batch, %lld, ...] and [batch]",
                  reel_shape_text(&shape, text), reel_shape_text(&labels, other), (long long)m->features);
        return;
    }
    reel_shape row = {.ndim = shape.ndim, .dim = {shape.dim[0], shape.dim[1], 1, 1, 1, 1, 1, 1}};
    reel_var gain = reel_embedding(tape, reel_module_var(tape, m->weight), inputs[1], NULL);
    reel_var bias = reel_embedding(tape, reel_module_var(tape, m->bias), inputs[1], NULL), mean, variance;
    reel_var y = is_by_running(m)
                     ? normalize_by_running(tape, m, inputs[0], reel_null(), reel_null())
                     : reel_batch_norm(tape, inputs[0], reel_null(), reel_null(), m->eps, &mean, &variance);
    outputs[0] = reel_add(tape, reel_mul(tape, y, reel_reshape(tape, gain, row)), reel_reshape(tape, bias, row));
    if (!reel_is_null(outputs[0]) && is_moving(tape, m))
        move_statistics(tape, m, &shape, mean, variance);
}

/* As in PyTorch: the means over the batch of each sample's statistics. False when there is no memory for them. */
static bool move_by_instances(reel_tape *tape, struct batch_norm *m, reel_var x)
{
    const int samples = 0, axes[] = {0, 2, 3};
    int n = m->most_axes - 2;
    reel_no_grad_begin(tape);
    reel_var mean = reel_mean(tape, x, axes, n + 1, false);
    reel_var variance = reel_mean(tape, reel_variance(tape, x, axes + 1, n, 1, false), &samples, 1, false);
    reel_no_grad_end(tape);
    if (reel_is_null(mean) || reel_is_null(variance))
        return false;
    move(m->running_mean, reel_data_real(tape, mean), m->momentum, 1);
    move(m->running_variance, reel_data_real(tape, variance), m->momentum, 1);
    return true;
}

static reel_var instance_norm_forward(reel_tape *tape, reel_module *module, reel_var x)
{
    struct batch_norm *m = (struct batch_norm *)module;
    reel_shape shape = reel_shape_of(tape, x), batch = shape;
    if (shape.ndim < 0)
        return reel_null();
    if (shape.ndim == m->least_axes) { /* one sample */
        batch = (reel_shape){shape.ndim + 1, {1, shape.dim[0], shape.dim[1], shape.dim[2]}};
        x = reel_reshape(tape, x, batch);
    }
    if (batch.ndim != m->most_axes || batch.dim[1] != m->features) {
        char text[REEL_SHAPE_TEXT];
        reel_fail(reel_tape_context(tape), REEL_ERROR_SHAPE,
                  "instance_norm: x is %s, it takes [batch, %lld, %s], or that without the batch",
                  reel_shape_text(&shape, text), (long long)m->features,
                  m->most_axes == 3 ? "length" : "height, width");
        return reel_null();
    }
    reel_var weight = reel_module_var(tape, m->weight), bias = reel_module_var(tape, m->bias);
    reel_var y = is_by_running(m) ? normalize_by_running(tape, m, x, weight, bias)
                                  : reel_instance_norm(tape, x, weight, bias, m->eps);
    y = reel_reshape(tape, y, shape);
    if (!reel_is_null(y) && is_moving(tape, m) && batch.dim[0] > 0 && !move_by_instances(tape, m, x))
        return reel_null();
    return y;
}

static const struct reel_module_kind batch_norm_kind = {
    .size = sizeof(struct batch_norm), .forward = batch_norm_forward, .named = true};
static const struct reel_module_kind conditional_kind = {.size = sizeof(struct batch_norm),
                                                         .forward_all = conditional_forward,
                                                         .min_inputs = 2,
                                                         .max_inputs = 2,
                                                         .n_outputs = 1,
                                                         .named = true};
static const struct reel_module_kind instance_norm_kind = {
    .size = sizeof(struct batch_norm), .forward = instance_norm_forward, .named = true};

reel_batch_norm_options reel_batch_norm_defaults(void)
{
    return (reel_batch_norm_options){.mark = REEL_OPTIONS_MARK(reel_batch_norm_options),
                                     .eps = 1e-5,
                                     .momentum = 0.1,
                                     .affine = true,
                                     .bias = true,
                                     .track_running_stats = true};
}

reel_instance_norm_options reel_instance_norm_defaults(void)
{
    return (reel_instance_norm_options){
        .mark = REEL_OPTIONS_MARK(reel_instance_norm_options), .eps = 1e-5, .momentum = 0.1, .bias = true};
}

/* The first half of the constructors; classes 0: weight and bias are for all. */
static struct batch_norm *begin(reel_params *params, const char *name, const struct reel_module_kind *kind,
                                const char *what, int64_t num_features, int64_t classes,
                                const reel_batch_norm_options *o)
{
    struct batch_norm *m = reel_module_begin(params, name, kind);
    if (!m)
        return NULL;
    m->features = num_features;
    m->eps = o->eps;
    m->momentum = o->momentum;
    if (!(o->eps >= 0) || o->momentum < 0 || o->momentum > 1)
        reel_fail(params->context, REEL_ERROR_ARGUMENT,
                  "%s: eps %g must not be negative, and momentum %g must be from 0 to 1, or NaN", what, o->eps,
                  o->momentum);
    reel_shape features = {1, {num_features}}, scalar = {0, {0}}, shape = features;
    if (classes > 0)
        shape = (reel_shape){2, {classes, num_features}};
    if (o->affine)
        m->weight =
            reel_module_param(&m->module, classes > 0 ? "gain.weight" : "weight", REEL_PARAM_TRAINED, REEL_REAL, shape);
    if (o->affine && o->bias)
        m->bias =
            reel_module_param(&m->module, classes > 0 ? "bias.weight" : "bias", REEL_PARAM_TRAINED, REEL_REAL, shape);
    if (o->track_running_stats) {
        m->running_mean = reel_module_param(&m->module, "running_mean", REEL_PARAM_BUFFER, REEL_REAL, features);
        m->running_variance = reel_module_param(&m->module, "running_var", REEL_PARAM_BUFFER, REEL_REAL, features);
        m->batches = reel_module_param(&m->module, "num_batches_tracked", REEL_PARAM_BUFFER, REEL_INT64, scalar);
    }
    return m;
}

static reel_module *end(struct batch_norm *m, int least_axes, int most_axes)
{
    m->least_axes = least_axes;
    m->most_axes = most_axes;
    if (!reel_module_end(&m->module))
        return NULL;
    if (m->weight)
        reel_init_ones(m->weight);
    if (m->running_variance)
        reel_init_ones(m->running_variance);
    return &m->module;
}

static reel_module *new_batch_norm(reel_params *params, const char *name, int64_t num_features, int least_axes,
                                   int most_axes, const reel_batch_norm_options *options)
{
    reel_batch_norm_options o = reel_batch_norm_defaults();
    if (reel_options_take(reel_params_context(params), "batch_norm", options, &o) != REEL_OK)
        return NULL;
    struct batch_norm *m = begin(params, name, &batch_norm_kind, "batch_norm", num_features, 0, &o);
    return m ? end(m, least_axes, most_axes) : NULL;
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

reel_module *reel_conditional_batch_norm_new(reel_params *params, const char *name, int64_t num_features,
                                             int64_t num_classes, const reel_batch_norm_options *options)
{
    reel_batch_norm_options o = reel_batch_norm_defaults();
    if (reel_options_take(reel_params_context(params), "batch_norm", options, &o) != REEL_OK)
        return NULL;
    o.affine = o.bias = true;
    struct batch_norm *m = begin(params, name, &conditional_kind, "conditional_batch_norm", num_features,
                                 num_classes > 0 ? num_classes : 1, &o);
    if (m && num_classes < 1)
        reel_fail(params->context, REEL_ERROR_ARGUMENT, "conditional_batch_norm: %lld classes, not 1 or more",
                  (long long)num_classes);
    return m ? end(m, 2, REEL_MAX_NDIM) : NULL;
}

static reel_module *new_instance_norm(reel_params *params, const char *name, int64_t num_features, int axes,
                                      const reel_instance_norm_options *options)
{
    reel_instance_norm_options given = reel_instance_norm_defaults();
    if (reel_options_take(reel_params_context(params), "instance_norm", options, &given) != REEL_OK)
        return NULL;
    reel_batch_norm_options o = reel_batch_norm_defaults();
    o.eps = given.eps;
    o.momentum = isnan(given.momentum) ? -1 : given.momentum; /* there is no average over all batches */
    o.affine = given.affine;
    o.bias = given.bias;
    o.track_running_stats = given.track_running_stats;
    struct batch_norm *m = begin(params, name, &instance_norm_kind, "instance_norm", num_features, 0, &o);
    return m ? end(m, axes + 1, axes + 2) : NULL;
}

reel_module *reel_instance_norm1d_new(reel_params *params, const char *name, int64_t num_features,
                                      const reel_instance_norm_options *options)
{
    return new_instance_norm(params, name, num_features, 1, options);
}

reel_module *reel_instance_norm2d_new(reel_params *params, const char *name, int64_t num_features,
                                      const reel_instance_norm_options *options)
{
    return new_instance_norm(params, name, num_features, 2, options);
}
