/* Linear layers. */
#include "nn/module.h"

#include <reel/init.h>
#include <reel/matmul.h>
#include <reel/tape.h>

#include <math.h>

struct linear {
    reel_module module;
    reel_param *weight, *bias;
    reel_activation activation;
    double negative_slope;
};

static reel_var linear_forward(reel_tape *tape, reel_module *module, reel_var x)
{
    struct linear *m = (struct linear *)module;
    reel_var weight = reel_module_var(tape, m->weight), bias = reel_module_var(tape, m->bias);
    return reel_linear_activation(tape, x, weight, bias, m->activation, m->negative_slope);
}

static const struct reel_module_kind linear_kind = {
    .size = sizeof(struct linear), .forward = linear_forward, .named = true};

reel_linear_options reel_linear_defaults(void)
{
    return (reel_linear_options){.mark = REEL_OPTIONS_MARK(reel_linear_options), .bias = true, .negative_slope = 0.01};
}

reel_module *reel_linear_new(reel_params *params, const char *name, int64_t in_features, int64_t out_features,
                             const reel_linear_options *options)
{
    reel_linear_options o = reel_linear_defaults();
    if (reel_options_take(reel_params_context(params), "linear", options, &o) != REEL_OK)
        return NULL;
    struct linear *m = reel_module_begin(params, name, &linear_kind);
    if (!m)
        return NULL;
    m->activation = o.activation;
    m->negative_slope = o.negative_slope;
    reel_shape shape = {2, {out_features, in_features}}, bias_shape = {1, {out_features}};
    m->weight = reel_module_param(&m->module, "weight", REEL_PARAM_TRAINED, REEL_REAL, shape);
    if (o.bias)
        m->bias = reel_module_param(&m->module, "bias", REEL_PARAM_TRAINED, REEL_REAL, bias_shape);
    if (m->weight && (o.activation < REEL_ACTIVATION_NONE || o.activation > REEL_ACTIVATION_TANH))
        reel_fail(params->context, REEL_ERROR_ARGUMENT, "linear: there is no activation %d", (int)o.activation);
    else if (m->weight && !(o.negative_slope >= 0))
        reel_fail(params->context, REEL_ERROR_ARGUMENT, "linear: negative_slope is %g, not 0 or more",
                  o.negative_slope);
    if (!reel_module_end(&m->module))
        return NULL;

    /* As nn.Linear does it: the two bounds are equal by formula, but not always to the last bit of a double. */
    reel_init_kaiming_uniform(m->weight, sqrt(5), REEL_FAN_IN, REEL_GAIN_LEAKY_RELU);
    if (m->bias) {
        double bound = in_features > 0 ? 1 / sqrt((double)in_features) : 0;
        reel_init_uniform(m->bias, 0 - bound, bound); /* not -0, which would show */
    }
    return &m->module;
}
