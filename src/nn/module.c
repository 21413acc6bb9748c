#include "nn/module.h"

#include <reel/tape.h>

#include <stdio.h>
#include <string.h>

void *reel_module_begin(reel_params *params, const char *name, const struct reel_module_kind *kind)
{
    if (!params || params->context->status != REEL_OK)
        return NULL;
    if (kind->named && !name) {
        reel_fail(params->context, REEL_ERROR_ARGUMENT, "module: the name is NULL (\"\" is possible)");
        return NULL;
    }
    struct reel_params_mark before = reel_params_get_mark(params);
    struct reel_module *module = reel_params_allocate(params, kind->size);
    if (!module)
        return NULL;
    module->kind = kind;
    module->params = params;
    module->training = true;
    module->before = before;
    if (kind->named) {
        char *copy = reel_params_allocate(params, strlen(name) + 1);
        if (!copy) {
            reel_params_rewind(params, before);
            return NULL;
        }
        strcpy(copy, name);
        module->name = copy;
    }
    return module;
}

reel_param *reel_module_param(reel_module *module, const char *suffix, reel_param_kind kind, reel_dtype dtype,
                              reel_shape shape)
{
    reel_context *c = module->params->context;
    if (c->status != REEL_OK)
        return NULL;
    size_t size = strlen(module->name) + strlen(suffix) + 2;
    char *name = reel_allocate(&c->memory, size);
    if (!name) {
        reel_fail_memory(c, "the name of a param", size);
        return NULL;
    }
    snprintf(name, size, "%s%s%s", module->name, *module->name ? "." : "", suffix);
    reel_param *param = reel_param_new(module->params, name, kind, dtype, shape);
    reel_free(&c->memory, name);
    return param;
}

reel_module *reel_module_end(reel_module *module)
{
    reel_params *params = module->params;
    if (params->context->status != REEL_OK) {
        reel_params_rewind(params, module->before);
        return NULL;
    }
    module->next = params->modules;
    params->modules = module;
    return module;
}

reel_var reel_module_var(reel_tape *tape, reel_param *param)
{
    return param ? reel_param_var(tape, param) : reel_null();
}

/* Most operations know shapes and not layers, so their errors get the layer put in front. */
static void name_the_layer(reel_context *context, const char *name)
{
    char quoted[128], prefix[160];
    snprintf(quoted, sizeof quoted, "\"%.100s\"", name);
    if (strstr(context->error, quoted))
        return;
    snprintf(prefix, sizeof prefix, "layer %s: ", quoted);
    size_t used = strlen(prefix), rest = strlen(context->error), room = sizeof context->error - 1 - used;
    if (rest > room)
        rest = room;
    memmove(context->error + used, context->error, rest);
    memcpy(context->error, prefix, used);
    context->error[used + rest] = '\0';
}

reel_var reel_forward(reel_tape *tape, reel_module *module, reel_var x)
{
    reel_context *c = reel_tape_context(tape);
    if (!c || c->status != REEL_OK)
        return reel_null();
    if (!module || module->params->context != c) {
        reel_fail(c, REEL_ERROR_ARGUMENT, "forward: %s",
                  module ? "the module belongs to another context" : "the module is NULL");
        return reel_null();
    }
    reel_var y = module->kind->forward(tape, module, x);
    if (c->status != REEL_OK && module->name && *module->name)
        name_the_layer(c, module->name);
    return y;
}

static void set_training(reel_params *params, bool training)
{
    for (reel_module *m = params ? params->modules : NULL; m; m = m->next)
        m->training = training;
}

void reel_train(reel_params *params)
{
    set_training(params, true);
}

void reel_eval(reel_params *params)
{
    set_training(params, false);
}

void reel_module_train(reel_module *module, bool training)
{
    if (!module)
        return;
    int n;
    reel_module *const *modules = reel_sequential_modules(module, &n);
    for (int i = 0; i < n; i++)
        modules[i]->training = training;
    module->training = training;
}

bool reel_module_is_training(const reel_module *module)
{
    return module && module->training;
}

/* ---- A module of the user's ---- */

struct custom {
    reel_module module;
    reel_forward_function forward;
    void *user;
};

static reel_var custom_forward(reel_tape *tape, reel_module *module, reel_var x)
{
    struct custom *m = (struct custom *)module;
    return m->forward(tape, x, module->training, m->user);
}

static const struct reel_module_kind custom_kind = {.size = sizeof(struct custom), .forward = custom_forward};

reel_module *reel_module_new(reel_params *params, reel_forward_function forward, void *user)
{
    struct custom *m = reel_module_begin(params, NULL, &custom_kind);
    if (!m)
        return NULL;
    if (!forward)
        reel_fail(params->context, REEL_ERROR_ARGUMENT, "module: the forward function is NULL");
    m->forward = forward;
    m->user = user;
    return reel_module_end(&m->module);
}
