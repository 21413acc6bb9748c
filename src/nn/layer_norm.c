/* Layers that normalise the last axes: layer and root mean square normalisation. */
#include "nn/module.h"

#include "base/shape.h"

#include <reel/init.h>
#include <reel/normalize.h>
#include <reel/tape.h>

#include <math.h>

struct layer_norm {
    reel_module module;
    const char *what;
    reel_param *weight, *bias; /* may be missing */
    reel_shape shape;
    double eps;
};

/* Whether x has the axes that are normalised; without a weight the operation cannot know the sizes. */
static bool fits(reel_tape *tape, const struct layer_norm *m, reel_var x)
{
    reel_shape shape = reel_shape_of(tape, x);
    if (shape.ndim < 0)
        return false;
    int axes = m->shape.ndim;
    bool same = shape.ndim >= axes;
    for (int i = 0; same && i < axes; i++)
        same = shape.dim[shape.ndim - axes + i] == m->shape.dim[i];
    char text[REEL_SHAPE_TEXT], wanted[REEL_SHAPE_TEXT];
    return same || reel_fail(reel_tape_context(tape), REEL_ERROR_SHAPE, "%s: x is %s, its last axes must be %s",
                             m->what, reel_shape_text(&shape, text), reel_shape_text(&m->shape, wanted)) == REEL_OK;
}

static reel_var layer_norm_forward(reel_tape *tape, reel_module *module, reel_var x)
{
    struct layer_norm *m = (struct layer_norm *)module;
    if (!fits(tape, m, x))
        return reel_null();
    reel_var weight = reel_module_var(tape, m->weight), bias = reel_module_var(tape, m->bias);
    return reel_layer_norm(tape, x, m->shape.ndim, weight, bias, m->eps);
}

static reel_var rms_norm_forward(reel_tape *tape, reel_module *module, reel_var x)
{
    struct layer_norm *m = (struct layer_norm *)module;
    if (!fits(tape, m, x))
        return reel_null();
    return reel_rms_norm(tape, x, m->shape.ndim, reel_module_var(tape, m->weight), m->eps);
}

static const struct reel_module_kind layer_norm_kind = {
    .size = sizeof(struct layer_norm), .forward = layer_norm_forward, .named = true};
static const struct reel_module_kind rms_norm_kind = {
    .size = sizeof(struct layer_norm), .forward = rms_norm_forward, .named = true};

reel_layer_norm_options reel_layer_norm_defaults(void)
{
    return (reel_layer_norm_options){
        .mark = REEL_OPTIONS_MARK(reel_layer_norm_options), .eps = 1e-5, .elementwise_affine = true, .bias = true};
}

reel_rms_norm_options reel_rms_norm_defaults(void)
{
    return (reel_rms_norm_options){
        .mark = REEL_OPTIONS_MARK(reel_rms_norm_options), .eps = NAN, .elementwise_affine = true};
}

static reel_module *new_layer_norm(reel_params *params, const char *name, const struct reel_module_kind *kind,
                                   reel_shape shape, double eps, bool weight, bool bias)
{
    struct layer_norm *m = reel_module_begin(params, name, kind);
    if (!m)
        return NULL;
    m->what = kind == &rms_norm_kind ? "rms_norm" : "layer_norm";
    m->shape = shape;
    m->eps = eps;
    if (reel_shape_numel(&shape) < 0 || shape.ndim == 0)
        reel_fail(params->context, REEL_ERROR_SHAPE,
                  "%s: the normalized shape has %d axes, or a size that is negative or too large", m->what, shape.ndim);
    if (!(eps >= 0) && !(isnan(eps) && kind == &rms_norm_kind))
        reel_fail(params->context, REEL_ERROR_ARGUMENT, "%s: eps %g is negative or not a number", m->what, eps);
    if (weight)
        m->weight = reel_module_param(&m->module, "weight", REEL_PARAM_TRAINED, REEL_REAL, shape);
    if (weight && bias)
        m->bias = reel_module_param(&m->module, "bias", REEL_PARAM_TRAINED, REEL_REAL, shape);
    if (!reel_module_end(&m->module))
        return NULL;
    if (m->weight)
        reel_init_ones(m->weight);
    return &m->module;
}

reel_module *reel_layer_norm_new(reel_params *params, const char *name, reel_shape normalized_shape,
                                 const reel_layer_norm_options *options)
{
    reel_layer_norm_options o = reel_layer_norm_defaults();
    if (reel_options_take(reel_params_context(params), "layer_norm", options, &o) != REEL_OK)
        return NULL;
    return new_layer_norm(params, name, &layer_norm_kind, normalized_shape, o.eps, o.elementwise_affine, o.bias);
}

reel_module *reel_rms_norm_new(reel_params *params, const char *name, reel_shape normalized_shape,
                               const reel_rms_norm_options *options)
{
    reel_rms_norm_options o = reel_rms_norm_defaults();
    if (reel_options_take(reel_params_context(params), "rms_norm", options, &o) != REEL_OK)
        return NULL;
    return new_layer_norm(params, name, &rms_norm_kind, normalized_shape, o.eps, o.elementwise_affine, false);
}
