/* Normalisation of groups of channels. */
#include "nn/module.h"

#include "base/shape.h"

#include <reel/init.h>
#include <reel/normalize.h>
#include <reel/tape.h>

struct group_norm {
    reel_module module;
    reel_param *weight, *bias; /* may be missing */
    int64_t groups, channels;
    double eps;
};

static reel_var group_norm_forward(reel_tape *tape, reel_module *module, reel_var x)
{
    struct group_norm *m = (struct group_norm *)module;
    reel_shape shape = reel_shape_of(tape, x);
    if (shape.ndim < 0)
        return reel_null();
    if (shape.ndim < 2 || shape.dim[1] != m->channels) { /* without a weight the operation cannot know */
        char text[REEL_SHAPE_TEXT];
        reel_fail(reel_tape_context(tape), REEL_ERROR_SHAPE, "group_norm: x is %s, it takes [batch, %lld, ...]",
                  reel_shape_text(&shape, text), (long long)m->channels);
        return reel_null();
    }
    reel_var weight = reel_module_var(tape, m->weight), bias = reel_module_var(tape, m->bias);
    return reel_group_norm(tape, x, m->groups, weight, bias, m->eps);
}

static const struct reel_module_kind group_norm_kind = {
    .size = sizeof(struct group_norm), .forward = group_norm_forward, .named = true};

reel_group_norm_options reel_group_norm_defaults(void)
{
    return (reel_group_norm_options){
        .mark = REEL_OPTIONS_MARK(reel_group_norm_options), .eps = 1e-5, .affine = true, .bias = true};
}

reel_module *reel_group_norm_new(reel_params *params, const char *name, int64_t num_groups, int64_t num_channels,
                                 const reel_group_norm_options *options)
{
    reel_group_norm_options o = reel_group_norm_defaults();
    if (reel_options_take(reel_params_context(params), "group_norm", options, &o) != REEL_OK)
        return NULL;
    struct group_norm *m = reel_module_begin(params, name, &group_norm_kind);
    if (!m)
        return NULL;
    m->groups = num_groups;
    m->channels = num_channels;
    m->eps = o.eps;
    if (num_groups < 1 || num_channels % num_groups != 0)
        reel_fail(params->context, REEL_ERROR_ARGUMENT, "group_norm: %lld channels are no multiple of %lld groups",
                  (long long)num_channels, (long long)num_groups);
    if (!(o.eps >= 0))
        reel_fail(params->context, REEL_ERROR_ARGUMENT, "group_norm: eps %g is negative or not a number", o.eps);
    reel_shape shape = {1, {num_channels}};
    if (o.affine)
        m->weight = reel_module_param(&m->module, "weight", REEL_PARAM_TRAINED, REEL_REAL, shape);
    if (o.affine && o.bias)
        m->bias = reel_module_param(&m->module, "bias", REEL_PARAM_TRAINED, REEL_REAL, shape);
    if (!reel_module_end(&m->module))
        return NULL;
    if (m->weight)
        reel_init_ones(m->weight);
    return &m->module;
}
