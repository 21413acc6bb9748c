/* What an optimizer holds, and what an algorithm is: one row of functions. */
#ifndef REEL_TRAIN_OPTIM_H
#define REEL_TRAIN_OPTIM_H

#include "core/params.h"
#include "core/rows.h"
#include "kern/optim.h"

#include <reel/optim.h>

union reel_optim_options {
    reel_sgd_options sgd;
    reel_adam_options adam;
    reel_rmsprop_options rmsprop;
    reel_adagrad_options adagrad;
};

struct reel_optim_algorithm {
    const char *name;
    /* Records what is wrong with the options, which are those of a function named `who`. */
    reel_status (*check)(reel_context *context, const char *who, const union reel_optim_options *options);
    /* Bit k: the algorithm keeps state[k] with these options. */
    unsigned (*states)(const union reel_optim_options *options);
    /* The loop and constants of a param's `step`-th update, counted from 1. */
    void (*prepare)(const union reel_optim_options *options, double lr, int64_t step, struct reel_update *update);
    /* Whether an element's first update is not what zeros as its state would give. NULL: never. */
    bool (*first_differs)(const union reel_optim_options *options);
};

struct reel_optim_group {
    union reel_optim_options options;
    double lr;         /* in use */
    double initial_lr; /* what schedules start from */
};

/* A param under an optimizer. */
struct reel_optim_entry {
    reel_param *param;
    int64_t group;
    int64_t step; /* updates so far */
    reel_real *state[REEL_UPDATE_STATES];
    uint8_t *seen; /* which rows were updated; only where first updates differ */
    bool all_seen; /* a dense gradient updated every row */

    /* What the step at hand works on. */
    enum { REEL_GRADIENT_NONE, REEL_GRADIENT_DENSE, REEL_GRADIENT_GROUPED, REEL_GRADIENT_KEPT } gradient;
    struct reel_row_groups groups;
};

struct reel_optim {
    reel_context *context;
    reel_params *params;
    const struct reel_optim_algorithm *algorithm;
    struct reel_optim_group *groups;
    int64_t n_groups, groups_capacity;
    struct reel_optim_entry *entries; /* in order of creation of the params */
    int64_t n_entries, entries_capacity;
    int64_t params_seen; /* params of the set that were looked at, buffers included */
};

reel_optim *reel_optim_new(reel_params *params, const struct reel_optim_algorithm *algorithm,
                           const union reel_optim_options *options, double lr);
int reel_optim_add_group(reel_optim *optim, const struct reel_optim_algorithm *algorithm, const char *names,
                         const union reel_optim_options *options, double lr);

/* An option that must be >= 0 (NaN is not): REEL_ERROR_ARGUMENT naming it. */
reel_status reel_optim_expect_positive(reel_context *context, const char *who, const char *option, double value);

#endif
