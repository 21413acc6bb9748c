/* A rectifier whose slope below 0 is learned. */
#include "nn/module.h"

#include <reel/init.h>
#include <reel/unary.h>

struct prelu {
    reel_module module;
    reel_param *weight;
};

static reel_var prelu_forward(reel_tape *tape, reel_module *module, reel_var x)
{
    return reel_prelu(tape, x, reel_module_var(tape, ((struct prelu *)module)->weight));
}

static const struct reel_module_kind prelu_kind = {
    .size = sizeof(struct prelu), .forward = prelu_forward, .named = true};

reel_module *reel_prelu_new(reel_params *params, const char *name, int64_t num_parameters, double init)
{
    struct prelu *m = reel_module_begin(params, name, &prelu_kind);
    if (!m)
        return NULL;
    if (num_parameters < 1)
        reel_fail(params->context, REEL_ERROR_SHAPE, "prelu: %lld slopes, it needs at least one",
                  (long long)num_parameters);
    m->weight =
        reel_module_param(&m->module, "weight", REEL_PARAM_TRAINED, REEL_REAL, reel_shape_make(1, &num_parameters));
    if (!reel_module_end(&m->module))
        return NULL;
    reel_init_constant(m->weight, init);
    return &m->module;
}
