/* Layer normalisation. */
#include "nn/module.h"

#include "base/shape.h"

#include <reel/init.h>
#include <reel/normalize.h>
#include <reel/tape.h>

struct layer_norm {
    reel_module module;
    reel_param *weight, *bias; /* may be missing */
    reel_shape shape;
    double eps;
};

static reel_var layer_norm_forward(reel_tape *tape, reel_module *module, reel_var x)
{
    struct layer_norm *m = (struct layer_norm *)module;
    reel_shape shape = reel_shape_of(tape, x);
    if (shape.ndim < 0)
        return reel_null();
    /* Without a weight the operation cannot know the sizes. */
    int axes = m->shape.ndim;
    bool fits = shape.ndim >= axes;
    for (int i = 0; fits && i < axes; i++)
        fits = shape.dim[shape.ndim - axes + i] == m->shape.dim[i];
    if (!fits) {
        char text[REEL_SHAPE_TEXT], wanted[REEL_SHAPE_TEXT];
        reel_fail(reel_tape_context(tape), REEL_ERROR_SHAPE, "layer_norm: x is %s, its last axes must be %s",
                  reel_shape_text(&shape, text), reel_shape_text(&m->shape, wanted));
        return reel_null();
    }
    reel_var weight = reel_module_var(tape, m->weight), bias = reel_module_var(tape, m->bias);
    return reel_layer_norm(tape, x, axes, weight, bias, m->eps);
}

static const struct reel_module_kind layer_norm_kind = {
    .size = sizeof(struct layer_norm), .forward = layer_norm_forward, .named = true};

reel_layer_norm_options reel_layer_norm_defaults(void)
{
    return (reel_layer_norm_options){
        .mark = REEL_OPTIONS_MARK(reel_layer_norm_options), .eps = 1e-5, .elementwise_affine = true, .bias = true};
}

reel_module *reel_layer_norm_new(reel_params *params, const char *name, reel_shape normalized_shape,
                                 const reel_layer_norm_options *options)
{
    reel_layer_norm_options o = reel_layer_norm_defaults();
    if (reel_options_take(reel_params_context(params), "layer_norm", options, &o) != REEL_OK)
        return NULL;
    struct layer_norm *m = reel_module_begin(params, name, &layer_norm_kind);
    if (!m)
        return NULL;
    m->shape = normalized_shape;
    m->eps = o.eps;
    if (reel_shape_numel(&normalized_shape) < 0 || normalized_shape.ndim == 0)
        reel_fail(params->context, REEL_ERROR_SHAPE,
                  "layer_norm: the normalized shape has %d axes, or a size that is negative or too large",
                  normalized_shape.ndim);
    if (!(o.eps >= 0))
        reel_fail(params->context, REEL_ERROR_ARGUMENT, "layer_norm: eps %g is negative or not a number", o.eps);
    if (o.elementwise_affine)
        m->weight = reel_module_param(&m->module, "weight", REEL_PARAM_TRAINED, REEL_REAL, normalized_shape);
    if (o.elementwise_affine && o.bias)
        m->bias = reel_module_param(&m->module, "bias", REEL_PARAM_TRAINED, REEL_REAL, normalized_shape);
    if (!reel_module_end(&m->module))
        return NULL;
    if (m->weight)
        reel_init_ones(m->weight);
    return &m->module;
}
