/* What all modules share: construction, calls, state; and modules of the user's. */
#include "nn/module.h"

#include "base/checked.h"

#include <reel/tape.h>

#include <stdio.h>
#include <string.h>

/* The name with the prefix of the set in front. */
static const char *copy_name(reel_params *params, const char *name)
{
    size_t prefix = params->prefix_length, size = strlen(name);
    char *copy = reel_params_allocate(params, prefix + size + 1);
    if (!copy)
        return NULL;
    if (prefix > 0)
        memcpy(copy, params->prefix, prefix);
    memcpy(copy + prefix, name, size);
    return copy;
}

void *reel_module_begin(reel_params *params, const char *name, const struct reel_module_kind *kind)
{
    if (!params || params->context->status != REEL_OK)
        return NULL;
    if (kind->named && !name) {
        reel_fail(params->context, REEL_ERROR_ARGUMENT, "module: the name is NULL (\"\" is possible)");
        return NULL;
    }
    struct reel_params_mark before = reel_params_mark(params);
    struct reel_module *module = reel_params_allocate(params, kind->size);
    if (!module)
        return NULL;
    module->kind = kind;
    module->params = params;
    module->training = true;
    module->before = before;
    module->min_inputs = kind->forward ? 1 : kind->min_inputs;
    module->max_inputs = kind->forward ? 1 : kind->max_inputs;
    module->n_outputs = kind->forward ? 1 : kind->n_outputs;
    if (name && !(module->name = copy_name(params, name))) {
        reel_params_rewind(params, before);
        return NULL;
    }
    module->outer_layer = reel_enter_layer(params->context, module->name);
    return module;
}

reel_param *reel_module_param(reel_module *module, const char *suffix, reel_param_kind kind, reel_dtype dtype,
                              reel_shape shape)
{
    reel_context *c = module->params->context;
    if (c->status != REEL_OK)
        return NULL;
    const char *own = module->name + module->params->prefix_length; /* reel_param_new adds the prefix, too */
    size_t size = strlen(own) + strlen(suffix) + 2;
    char *name = reel_allocate(&c->memory, size);
    if (!name) {
        reel_fail_memory(c, "the name of a param", size);
        return NULL;
    }
    snprintf(name, size, "%s%s%s", own, *own ? "." : "", suffix);
    reel_param *param = reel_param_new(module->params, name, kind, dtype, shape);
    reel_free(&c->memory, name);
    return param;
}

/* A set of another context is shared, and is there as long as any module of it is called. */
static bool is_foreign(const reel_module *module, int64_t i)
{
    const reel_params *set = module->inner[i]->params;
    for (int64_t k = 0; k < i; k++)
        if (module->inner[k]->params == set)
            return false;
    return set != module->params && set->context == module->params->context;
}

static reel_status note_foreign_sets(reel_module *module)
{
    int64_t count = 0;
    for (int64_t i = 0; i < module->n_inner; i++)
        count += is_foreign(module, i);
    if (count > 0)
        module->foreign = reel_params_allocate(module->params, (size_t)count * sizeof *module->foreign);
    for (int64_t i = 0; module->foreign && i < module->n_inner; i++)
        if (is_foreign(module, i)) {
            const reel_params *set = module->inner[i]->params;
            module->foreign[module->n_foreign++] = (struct reel_foreign_set){set, set->serial};
        }
    return module->params->context->status;
}

/* REEL_ERROR_STATE in the name of `who` when a set that the module calls into was freed. */
static reel_status expect_sets(const reel_module *module, const char *who)
{
    reel_context *c = module->params->context;
    for (int64_t i = 0; i < module->n_foreign; i++)
        if (!reel_params_is_alive(c, module->foreign[i].set, module->foreign[i].serial))
            return reel_fail(c, REEL_ERROR_STATE, "%s: the param set of a module in it was freed", who);
    return REEL_OK;
}

reel_status reel_module_contain(reel_module *module, reel_module *const *modules, int n)
{
    reel_context *c = module->params->context;
    int64_t count = 0;
    for (int i = 0; i < n; i++) {
        if (!modules || !modules[i])
            return reel_fail(c, REEL_ERROR_ARGUMENT, "module: module %d of the %d in it is NULL", i, n);
        count += 1 + modules[i]->n_inner;
    }
    size_t bytes;
    if (!reel_multiply_size(count, sizeof *module->inner, &bytes))
        bytes = SIZE_MAX;
    if (count > 0)
        module->inner = reel_params_allocate(module->params, bytes);
    if (!module->inner)
        return c->status;
    for (int i = 0; i < n; i++) {
        module->inner[module->n_inner++] = modules[i];
        for (int64_t k = 0; k < modules[i]->n_inner; k++)
            module->inner[module->n_inner++] = modules[i]->inner[k];
    }
    return note_foreign_sets(module);
}

reel_module *reel_module_end(reel_module *module)
{
    reel_params *params = module->params;
    reel_leave_layer(params->context, module->outer_layer);
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
    if (!param || !param->parametrization)
        return param ? reel_param_var(tape, param) : reel_null();
    return param->parametrization->compute(tape, param->parametrization, param);
}

/* ---- Calls ---- */

static reel_status check_call(reel_context *c, const reel_module *module, const reel_var *inputs, int n_inputs,
                              const reel_var *outputs, int n_outputs)
{
    if (!module || (module->params->context != c && !module->params->shared))
        return reel_fail(c, REEL_ERROR_ARGUMENT, "forward: %s",
                         module ? "the module belongs to another context" : "the module is NULL");
    if (module->params->shared && module->training)
        return reel_fail(c, REEL_ERROR_STATE,
                         "forward: the module is in training mode, its param set is shared for reading");
    const char *outer = reel_enter_layer(c, module->name);
    if (module->n_foreign > 0)
        expect_sets(module, "forward");
    if (n_inputs < module->min_inputs || n_inputs > module->max_inputs || !inputs)
        reel_fail(c, REEL_ERROR_ARGUMENT, "forward: %d inputs%s, the module takes %d to %d", n_inputs,
                  inputs ? "" : " at NULL", module->min_inputs, module->max_inputs);
    else if (n_outputs < 1 || n_outputs > module->n_outputs || !outputs)
        reel_fail(c, REEL_ERROR_ARGUMENT, "forward: %d outputs%s, the module gives %d", n_outputs,
                  outputs ? "" : " at NULL", module->n_outputs);
    reel_leave_layer(c, outer);
    return c->status;
}

static void run(reel_tape *tape, reel_module *module, const reel_var *inputs, int n_inputs, reel_var *outputs,
                int n_outputs)
{
    reel_var in[REEL_MAX_MODULE_VARS] = {{0, 0}}, out[REEL_MAX_MODULE_VARS] = {{0, 0}};
    memcpy(in, inputs, (size_t)n_inputs * sizeof *in);
    module->kind->forward_all(tape, module, in, out);
    memcpy(outputs, out, (size_t)n_outputs * sizeof *out);
}

reel_status reel_forward_all(reel_tape *tape, reel_module *module, const reel_var *inputs, int n_inputs,
                             reel_var *outputs, int n_outputs)
{
    reel_context *c = reel_tape_context(tape);
    for (int i = 0; outputs && i < n_outputs; i++)
        outputs[i] = reel_null();
    if (!c || c->status != REEL_OK || check_call(c, module, inputs, n_inputs, outputs, n_outputs) != REEL_OK)
        return reel_context_status(c);
    const char *outer = reel_enter_layer(c, module->name);
    if (module->kind->forward)
        outputs[0] = module->kind->forward(tape, module, inputs[0]);
    else
        run(tape, module, inputs, n_inputs, outputs, n_outputs);
    reel_leave_layer(c, outer);
    for (struct reel_parametrization *p = module->parametrizations; p; p = p->next)
        if (p->settle)
            p->settle(p, c->status != REEL_OK);
    for (int i = 0; c->status != REEL_OK && i < n_outputs; i++)
        outputs[i] = reel_null();
    return c->status;
}

reel_var reel_forward(reel_tape *tape, reel_module *module, reel_var x)
{
    reel_var y;
    reel_forward_all(tape, module, &x, 1, &y, 1);
    return y;
}

/* ---- State ---- */

static void set_training(reel_params *params, bool training)
{
    if (!params || reel_params_expect_own(params, training ? "train" : "eval") != REEL_OK)
        return;
    for (reel_module *m = params->modules; m; m = m->next)
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
    if (!module || reel_params_expect_own(module->params, "module_train") != REEL_OK ||
        expect_sets(module, "module_train") != REEL_OK)
        return;
    for (int64_t i = 0; i < module->n_inner; i++)
        module->inner[i]->training = training;
    module->training = training;
}

bool reel_module_is_training(const reel_module *module)
{
    return module && module->training;
}

/* ---- Modules of the user's ---- */

struct custom {
    reel_module module;
    reel_forward_function forward;
    void *user;
    reel_module **parts;
    int n_parts;
};

static void custom_forward(reel_tape *tape, reel_module *module, const reel_var *inputs, reel_var *outputs)
{
    struct custom *m = (struct custom *)module;
    m->forward(tape, module, inputs, outputs, m->user);
}

static const struct reel_module_kind custom_kind = {.size = sizeof(struct custom), .forward_all = custom_forward};

reel_module_options reel_module_defaults(void)
{
    return (reel_module_options){
        .mark = REEL_OPTIONS_MARK(reel_module_options), .min_inputs = 1, .max_inputs = 1, .n_outputs = 1};
}

static void set_up(struct custom *m, const reel_module_options *o)
{
    reel_context *c = m->module.params->context;
    if (!m->forward)
        reel_fail(c, REEL_ERROR_ARGUMENT, "module: the forward function is NULL");
    if (o->min_inputs < 1 || o->max_inputs < o->min_inputs || o->max_inputs > REEL_MAX_MODULE_VARS ||
        o->n_outputs < 1 || o->n_outputs > REEL_MAX_MODULE_VARS || o->n_modules < 0)
        reel_fail(c, REEL_ERROR_ARGUMENT,
                  "module: %d to %d inputs, %d outputs and %d modules; 1..%d, and no less than 0", o->min_inputs,
                  o->max_inputs, o->n_outputs, o->n_modules, REEL_MAX_MODULE_VARS);
    m->module.min_inputs = o->min_inputs;
    m->module.max_inputs = o->max_inputs;
    m->module.n_outputs = o->n_outputs;
    if (o->n_modules == 0 || reel_module_contain(&m->module, o->modules, o->n_modules) != REEL_OK)
        return;
    m->parts = reel_params_allocate(m->module.params, (size_t)o->n_modules * sizeof *m->parts);
    if (!m->parts)
        return;
    memcpy(m->parts, o->modules, (size_t)o->n_modules * sizeof *m->parts);
    m->n_parts = o->n_modules;
}

reel_module *reel_module_new(reel_params *params, const char *name, reel_forward_function forward, void *user,
                             const reel_module_options *options)
{
    reel_module_options o = reel_module_defaults();
    if (reel_options_take(reel_params_context(params), "module", options, &o) != REEL_OK)
        return NULL;
    struct custom *m = reel_module_begin(params, name, &custom_kind);
    if (!m)
        return NULL;
    m->forward = forward;
    m->user = user;
    set_up(m, &o);
    return reel_module_end(&m->module);
}

reel_module *reel_module_at(const reel_module *module, int i)
{
    const struct custom *m = (const struct custom *)module;
    return m && module->kind == &custom_kind && i >= 0 && i < m->n_parts ? m->parts[i] : NULL;
}
