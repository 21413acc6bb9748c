/* What an optimizer holds, and what an algorithm is: one row of functions. */
#ifndef REEL_TRAIN_OPTIM_H
#define REEL_TRAIN_OPTIM_H

#include "core/params.h"
#include "kern/optim.h"

#include <reel/optim.h>

union reel_optim_options {
    /* What the options of every algorithm begin with. */
    struct reel_optim_common_options {
        reel_options_mark mark;
        double lr;
    } common;
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
    /* Whether the options ask for exact updates of rows (reel_sparse_update), and a zero gradient would change
     * something.
     */
    bool (*defers)(const union reel_optim_options *options);
    /* The loop and constants of a param's `step`-th update, counted from 1. */
    void (*prepare)(const union reel_optim_options *options, double lr, int64_t step, struct reel_update *update);
    /* Whether an element's first update is not what zeros as its state would give. NULL: never. */
    bool (*first_differs)(const union reel_optim_options *options);
    /* reel_optim_extremes where the constants depend on the step in other ways than on the learning rate; or NULL. */
    int (*extremes)(const union reel_optim_options *options, double smallest_lr, double largest_lr, int64_t first,
                    int64_t last, struct reel_update *updates);
    bool row_state; /* the state has one element for each row */
};

/* Updates between which those of the steps from `first` (at least 2) to `last` lie, with any learning rates from
 * smallest_lr to largest_lr: an element that none of them changes is changed by no such step. Returns how many. */
enum { REEL_EXTREMES = 4 };
int reel_optim_extremes(const struct reel_optim_algorithm *algorithm, const union reel_optim_options *options,
                        double smallest_lr, double largest_lr, int64_t first, int64_t last,
                        struct reel_update updates[REEL_EXTREMES]);

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
    uint8_t *seen;                  /* which rows were updated; only where first updates differ */
    bool all_seen;                  /* every row was updated, by a dense gradient or exactly */
    struct reel_deferred *deferred; /* with exact updates of rows, once there was a row-sparse gradient */

    /* What the step at hand works on. */
    enum reel_gradient_kind gradient;
    struct reel_gradient_rows rows;
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

/* options: of the algorithm's own type, as the caller gave them, or NULL for the defaults. */
reel_optim *reel_optim_new(reel_params *params, const struct reel_optim_algorithm *algorithm, const void *options,
                           union reel_optim_options defaults);
int reel_optim_add_group(reel_optim *optim, const struct reel_optim_algorithm *algorithm, const char *names,
                         const void *options, union reel_optim_options defaults);

/* An option that must be >= 0 (NaN is not): REEL_ERROR_ARGUMENT naming it. */
reel_status reel_optim_expect_positive(reel_context *context, const char *who, const char *option, double value);

#endif
