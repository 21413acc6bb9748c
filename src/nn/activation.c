/* Functions of one var as modules. */
#include "nn/module.h"

#include <reel/unary.h>
#include <reel/view.h>

struct activation {
    reel_module module;
    double a, b;
};

static reel_module *activation_new(reel_params *params, const struct reel_module_kind *kind, double a, double b)
{
    struct activation *m = reel_module_begin(params, NULL, kind);
    if (!m)
        return NULL;
    m->a = a;
    m->b = b;
    return reel_module_end(&m->module);
}

/* Defines the kind of module that computes `call`, an expression of tape, x and m. */
#define KIND(function, call)                                                                                           \
    static reel_var function##_forward(reel_tape *tape, reel_module *module, reel_var x)                               \
    {                                                                                                                  \
        const struct activation *m = (const struct activation *)module;                                                \
        (void)m;                                                                                                       \
        return call;                                                                                                   \
    }                                                                                                                  \
    static const struct reel_module_kind function##_kind = {.size = sizeof(struct activation),                         \
                                                            .forward = function##_forward}

KIND(relu, reel_relu(tape, x));
KIND(leaky_relu, reel_leaky_relu(tape, x, m->a));
KIND(elu, reel_elu(tape, x, m->a));
KIND(gelu, reel_gelu(tape, x, m->a != 0));
KIND(silu, reel_silu(tape, x));
KIND(mish, reel_mish(tape, x));
KIND(selu, reel_selu(tape, x));
KIND(glu, reel_glu(tape, x, (int)m->a));
KIND(sigmoid, reel_sigmoid(tape, x));
KIND(tanh, reel_tanh(tape, x));
KIND(softplus, reel_softplus(tape, x, m->a, m->b));
KIND(flatten, reel_flatten(tape, x, (int)m->a, (int)m->b));

reel_module *reel_relu_new(reel_params *params)
{
    return activation_new(params, &relu_kind, 0, 0);
}

reel_module *reel_leaky_relu_new(reel_params *params, double negative_slope)
{
    return activation_new(params, &leaky_relu_kind, negative_slope, 0);
}

reel_module *reel_elu_new(reel_params *params, double alpha)
{
    return activation_new(params, &elu_kind, alpha, 0);
}

reel_module *reel_gelu_new(reel_params *params, bool tanh_form)
{
    return activation_new(params, &gelu_kind, tanh_form, 0);
}

reel_module *reel_silu_new(reel_params *params)
{
    return activation_new(params, &silu_kind, 0, 0);
}

reel_module *reel_mish_new(reel_params *params)
{
    return activation_new(params, &mish_kind, 0, 0);
}

reel_module *reel_selu_new(reel_params *params)
{
    return activation_new(params, &selu_kind, 0, 0);
}

reel_module *reel_glu_new(reel_params *params, int axis)
{
    return activation_new(params, &glu_kind, axis, 0);
}

reel_module *reel_sigmoid_new(reel_params *params)
{
    return activation_new(params, &sigmoid_kind, 0, 0);
}

reel_module *reel_tanh_new(reel_params *params)
{
    return activation_new(params, &tanh_kind, 0, 0);
}

reel_module *reel_softplus_new(reel_params *params, double beta, double threshold)
{
    return activation_new(params, &softplus_kind, beta, threshold);
}

reel_module *reel_flatten_new(reel_params *params, int start_axis, int end_axis)
{
    return activation_new(params, &flatten_kind, start_axis, end_axis);
}
