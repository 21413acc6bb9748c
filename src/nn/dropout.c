/* Dropout as a module. */
#include "nn/module.h"

#include <reel/dropout.h>

struct dropout {
    reel_module module;
    double p;
};

static reel_var dropout_forward(reel_tape *tape, reel_module *module, reel_var x)
{
    return reel_dropout(tape, x, ((struct dropout *)module)->p, module->training);
}

static const struct reel_module_kind dropout_kind = {.size = sizeof(struct dropout), .forward = dropout_forward};

reel_module *reel_dropout_new(reel_params *params, double p)
{
    struct dropout *m = reel_module_begin(params, NULL, &dropout_kind);
    if (!m)
        return NULL;
    if (!(p >= 0 && p <= 1))
        reel_fail(params->context, REEL_ERROR_ARGUMENT, "dropout: the probability %g is outside 0..1", p);
    m->p = p;
    return reel_module_end(&m->module);
}
