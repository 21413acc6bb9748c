/* What every module is made of. */
#ifndef REEL_NN_MODULE_H
#define REEL_NN_MODULE_H

#include "core/params.h"

#include <reel/nn.h>

/* What a kind of module does. */
struct reel_module_kind {
    size_t size; /* of the struct, which begins with a struct reel_module */
    reel_var (*forward)(reel_tape *tape, reel_module *module, reel_var x);
    bool named; /* has params, and so a name */
};

struct reel_module {
    const struct reel_module_kind *kind;
    reel_params *params;
    const char *name; /* NULL when the kind is not named */
    bool training;
    struct reel_module *next; /* of the same set */
    struct reel_params_mark before;
};

/* The first half of a constructor: a zeroed module that belongs to the set, or NULL with the error recorded. name is
 * copied when the kind is named. */
void *reel_module_begin(reel_params *params, const char *name, const struct reel_module_kind *kind);

/* A param called "<name>.<suffix>"; NULL with the error recorded. */
reel_param *reel_module_param(reel_module *module, const char *suffix, reel_param_kind kind, reel_dtype dtype,
                              reel_shape shape);

/* The second half: gives the module, or, when the context has an error, gives up all that was made since the first
 * half and gives NULL. Draw initial values only after it succeeded, so that a failure leaves the generator alone. */
reel_module *reel_module_end(reel_module *module);

/* The var of a param that may be missing: then the null var, which operations take as "none". */
reel_var reel_module_var(reel_tape *tape, reel_param *param);

/* The modules of a sequential, which are no sequentials themselves; *n = -1 when it is none. */
reel_module *const *reel_sequential_modules(const reel_module *module, int *n);

#endif
