/* Modules that call others one after the other. */
#include "nn/module.h"

#include "base/checked.h"

struct sequential {
    reel_module module;
    int n;
    reel_module **modules;
};

static reel_var sequential_forward(reel_tape *tape, reel_module *module, reel_var x)
{
    struct sequential *m = (struct sequential *)module;
    for (int i = 0; i < m->n; i++)
        x = reel_forward(tape, m->modules[i], x);
    return x;
}

static const struct reel_module_kind sequential_kind = {.size = sizeof(struct sequential),
                                                        .forward = sequential_forward};

/* The modules of a sequential, which are no sequentials themselves; *n = -1 when it is none. */
static reel_module *const *modules_of(const reel_module *module, int *n)
{
    const struct sequential *m = (const struct sequential *)module;
    bool is_one = module->kind == &sequential_kind;
    *n = is_one ? m->n : -1;
    return is_one ? m->modules : NULL;
}

/* Sequentials inside are replaced by their modules, so that a call does not recurse however deep they nest. With
 * `flat` NULL only counts; -1 when a module is NULL, or the count does not fit. */
static int flatten(reel_module *const *modules, int n, reel_module **flat)
{
    int count = 0;
    for (int i = 0; i < n; i++) {
        if (!modules[i])
            return -1;
        int inner;
        reel_module *const *in = modules_of(modules[i], &inner);
        if (inner < 0) {
            in = &modules[i];
            inner = 1;
        }
        for (int k = 0; flat && k < inner; k++)
            flat[count + k] = in[k];
        if (__builtin_add_overflow(count, inner, &count))
            return -1;
    }
    return count;
}

reel_module *reel_sequential_new(reel_params *params, reel_module *const *modules, int n)
{
    struct sequential *m = reel_module_begin(params, NULL, &sequential_kind);
    if (!m)
        return NULL;
    int count = n < 0 || (n > 0 && !modules) ? -1 : flatten(modules, n, NULL);
    if (count < 0)
        reel_fail(params->context, REEL_ERROR_ARGUMENT, "sequential: a module is NULL, or the count %d is wrong", n);
    else {
        size_t bytes;
        if (!reel_multiply_size(count, sizeof *m->modules, &bytes))
            bytes = SIZE_MAX;
        m->modules = reel_params_allocate(params, bytes);
        if (m->modules) {
            m->n = flatten(modules, n, m->modules);
            reel_module_contain(&m->module, m->modules, m->n);
        }
    }
    return reel_module_end(&m->module);
}
