/* What every module is made of. */
#ifndef REEL_NN_MODULE_H
#define REEL_NN_MODULE_H

#include "core/params.h"

#include <reel/nn.h>

/* What a kind of module does. */
struct reel_module_kind {
    size_t size; /* of the struct, which begins with a struct reel_module */
    /* `inputs` has max_inputs vars, null vars for those that were left out, and `outputs` room for n_outputs. A kind
     * with one of each has `forward` instead. */
    void (*forward_all)(reel_tape *tape, reel_module *module, const reel_var *inputs, reel_var *outputs);
    reel_var (*forward)(reel_tape *tape, reel_module *module, reel_var x);
    int min_inputs, max_inputs, n_outputs; /* of forward_all */
    bool named;                            /* has params, and so a name */
    int output_axis;                       /* of the weight: along which its outputs are counted */
};

/* What stands for a param of a module in the place of its elements (parametrize.c). */
struct reel_parametrization {
    reel_var (*compute)(reel_tape *tape, struct reel_parametrization *parametrization, reel_param *original);
    /* After each call of the module: whether it failed, so that what the call changed is to be as it was. */
    void (*settle)(struct reel_parametrization *parametrization, bool failed);
    reel_param *original;              /* whose place it takes */
    const char *name;                  /* that this one had before */
    reel_param *parts[2];              /* what it computes with beside it; NULL: nothing more */
    struct reel_parametrization *next; /* of the module */
};

/* A set that a module of another one calls into; it may go first. */
struct reel_foreign_set {
    const reel_params *set;
    uint64_t serial;
};

struct reel_module {
    const struct reel_module_kind *kind;
    reel_params *params;
    const char *name; /* NULL when there is none */
    bool training;
    int min_inputs, max_inputs, n_outputs;
    reel_module **inner; /* the modules that it calls, and those in them; they follow its state */
    int64_t n_inner;
    struct reel_foreign_set *foreign; /* other sets that inner modules belong to */
    int64_t n_foreign;
    struct reel_parametrization *parametrizations;
    struct reel_module *next; /* of the same set */
    struct reel_params_mark before;
    const char *outer_layer; /* of the context, while the module is constructed */
};

/* The first half of a constructor: a zeroed module that belongs to the set, or NULL with the error recorded. The name
 * is copied; only kinds that are not named may have none, NULL. Until reel_module_end failures name the layer. */
void *reel_module_begin(reel_params *params, const char *name, const struct reel_module_kind *kind);

/* A param called "<name>.<suffix>"; NULL with the error recorded. */
reel_param *reel_module_param(reel_module *module, const char *suffix, reel_param_kind kind, reel_dtype dtype,
                              reel_shape shape);

/* Makes `modules`, and what is in them, follow the state of `module`. REEL_ERROR_ARGUMENT when one is NULL. */
reel_status reel_module_contain(reel_module *module, reel_module *const *modules, int n);

/* The second half: gives the module, or, when the context has an error, gives up all that was made since the first
 * half and gives NULL. Draw initial values only after it succeeded, so that a failure leaves the generator alone. */
reel_module *reel_module_end(reel_module *module);

/* The var of a param: its elements, or what its parametrization makes of them. Of a param that is missing the null
 * var, which operations take as "none". Forward functions ask for each param once. */
reel_var reel_module_var(reel_tape *tape, reel_param *param);

#endif
