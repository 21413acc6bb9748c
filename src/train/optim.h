/* What an optimizer holds. */
#ifndef REEL_TRAIN_OPTIM_H
#define REEL_TRAIN_OPTIM_H

#include "core/params.h"
#include "kern/optim.h"
#include "train/lifetime.h"

/* The algorithms, each in the file of its name. */
#define REEL_OPTIM_ALGORITHMS(F)                                                                                       \
    F(sgd) F(adam) F(adamw) F(rmsprop) F(adagrad) F(rowwise_adagrad) F(nadam) F(radam) F(adamax) F(adadelta) F(lamb)
#define REEL_OPTIM_DECLARE(name) extern const reel_optim_algorithm reel_##name##_algorithm;
REEL_OPTIM_ALGORITHMS(REEL_OPTIM_DECLARE)

/* The tables of an algorithm's row. */
#define REEL_OPTIM_TABLES(type, option_table, state_table)                                                             \
    .options_size = sizeof(type), .options = option_table,                                                             \
    .n_options = (int)(sizeof(option_table) / sizeof *(option_table)), .states = state_table,                          \
    .n_states = (int)(sizeof(state_table) / sizeof *(state_table))

/* The public functions of an algorithm. */
#define REEL_OPTIM_FUNCTIONS(name)                                                                                     \
    reel_##name##_options reel_##name##_defaults(void)                                                                 \
    {                                                                                                                  \
        reel_##name##_options o;                                                                                       \
        reel_optim_fill_options(&reel_##name##_algorithm, &o);                                                         \
        return o;                                                                                                      \
    }                                                                                                                  \
    reel_optim *reel_##name##_new(reel_params *params, const reel_##name##_options *options)                           \
    {                                                                                                                  \
        return reel_optim_new(params, &reel_##name##_algorithm, options);                                              \
    }                                                                                                                  \
    int reel_##name##_add_group(reel_optim *optim, const char *names, const reel_##name##_options *options)            \
    {                                                                                                                  \
        return reel_optim_add_group(optim, &reel_##name##_algorithm, names, options);                                  \
    }

/* The option of a name, or NULL; and its value in an option struct of the algorithm. */
const reel_optim_option *reel_optim_find_option(const reel_optim_algorithm *algorithm, const char *name);
double reel_optim_read_option(const reel_optim_option *option, const void *options);
void reel_optim_write_option(const reel_optim_option *option, void *options, double value);

/* REEL_ERROR_ARGUMENT in the name of `who`: a value is outside its range, or options do not go together; and when the
 * row is not one that can be used. */
reel_status reel_optim_expect_value(reel_context *context, const char *who, const reel_optim_option *option,
                                    double value);
reel_status reel_optim_check_options(reel_context *context, const char *who, const reel_optim_algorithm *algorithm,
                                     const void *options);
reel_status reel_optim_check_row(reel_context *context, const reel_optim_algorithm *algorithm);

/* The constants of a param's `step`-th update. */
struct reel_update reel_optim_prepare(const reel_optim_algorithm *algorithm, const void *options, double lr,
                                      int64_t step);

/* Of a monotone algorithm, the updates between which those of the steps from `first` (at least 2) to `last` lie, with
 * any learning rates from smallest_lr to largest_lr: an element that none of them changes is changed by no such step.
 * Returns how many. */
int reel_optim_extremes(const reel_optim_algorithm *algorithm, const void *options, double smallest_lr,
                        double largest_lr, int64_t first, int64_t last,
                        struct reel_update updates[REEL_OPTIM_EXTREMES]);

struct reel_optim_group {
    void *options;     /* the algorithm's struct */
    double lr;         /* in use */
    double initial_lr; /* what schedules start from */
    /* What follows from the options: bit k: states[k] is kept; rows that got no gradient are owed an update; a first
     * update differs. */
    unsigned states;
    bool defers, first_differs;
};

/* After the group's options changed. */
void reel_optim_derive(const reel_optim_algorithm *algorithm, struct reel_optim_group *group);

/* A param under an optimizer. */
struct reel_optim_entry {
    reel_param *param;
    int64_t group;
    int64_t step;                        /* updates so far */
    reel_real *state[REEL_OPTIM_STATES]; /* of reel_optim_state_dtype: cast */
    uint8_t *seen;                       /* which rows were updated; only where first updates differ */
    bool all_seen;                       /* every row was updated, by a dense gradient or exactly */
    struct reel_deferred *deferred;      /* with exact updates of rows, once there was a row-sparse gradient */

    /* What the step at hand works on. */
    enum reel_gradient_kind gradient;
    struct reel_gradient_rows rows;
    void *room; /* for rows in bfloat16 */
};

struct reel_optim {
    reel_context *context;
    struct reel_lifetime lifetime; /* schedules and checkpoints hold it */
    reel_params *params;
    const reel_optim_algorithm *algorithm;
    struct reel_optim_group *groups;
    int64_t n_groups, groups_capacity;
    struct reel_optim_entry *entries; /* in order of creation of the params */
    int64_t n_entries, entries_capacity;
    int64_t params_seen; /* params of the set that were looked at, buffers included */
};

/* The entry of a param of the set, and REEL_ERROR_ARGUMENT in the name of `who` when there is none. */
struct reel_optim_entry *reel_optim_entry_of(reel_optim *optim, const char *who, const reel_param *param);

/* REEL_ERROR_ARGUMENT in the name of `who` when there is no such group. */
reel_status reel_optim_expect_group(const reel_optim *optim, const char *who, int group);

/* Gives up a hold on the optimizer. */
void reel_optim_let_go(reel_optim *optim);

/* Brings the rows of an entry up to date and stops deferring, until there are rows again. */
void reel_optim_end_deferring(struct reel_optim_entry *entry);

/* The type of a state's elements: those of a table in bfloat16 are so, too, where there is one for each of the param.
 */
reel_dtype reel_optim_state_dtype(const reel_optim *optim, const struct reel_optim_entry *entry, int k);

/* How many numbers a state has for the param, and memory for them as zeros; NULL with the error recorded. */
int64_t reel_optim_state_numel(const reel_optim *optim, const struct reel_optim_entry *entry, int k);
void *reel_optim_allocate_state(const reel_optim *optim, const struct reel_optim_entry *entry, int64_t count,
                                size_t size);

/* ---- State (train/optim_state.c) ----
 *
 * The slots of an entry are the states that it may have, whether they hold something or not. reel_optim_slot says what
 * one is, and where its elements are: *data is NULL while there are none. They are current only after
 * reel_param_before_read_all. reel_optim_slot_memory makes them, as zeros, if need be; NULL with the error recorded. */
int reel_optim_slots(const reel_optim *optim);
reel_optim_state reel_optim_slot(const reel_optim *optim, struct reel_optim_entry *entry, int slot, void **data);
void *reel_optim_slot_memory(reel_optim *optim, struct reel_optim_entry *entry, int slot);

/* Whether a slot can hold these elements, which have its type and shape. */
bool reel_optim_slot_takes(int slot, const void *data);

/* A group with other values of all options, in the order of the algorithm's, and another initial learning rate: whether
 * it may have them, and then all at once, since some do not go together with those before. */
reel_status reel_optim_check_group(reel_optim *optim, int group, const double *values, double initial_lr);
void reel_optim_restore_group(reel_optim *optim, int group, const double *values, double initial_lr);

#endif
