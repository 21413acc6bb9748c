/* Exact updates of a table with row-sparse gradients: rows without a gradient wait, and catch up when they are needed.
 *
 * Each row keeps the step that it was last brought up to. Before it is read, or gets a gradient, the steps that it
 * missed are replayed: the optimizer's own loop with a gradient of zeros, and the constants that held at each step. So
 * the bits are those of an optimizer that moves every row in every step. */
#ifndef REEL_TRAIN_DEFERRED_H
#define REEL_TRAIN_DEFERRED_H

#include "train/history.h"
#include "train/optim.h"

struct reel_deferred {
    struct reel_param_watcher watcher; /* first: they are converted into each other */
    reel_param *param;
    const reel_optim_algorithm *algorithm;
    const void *options;                 /* the group's */
    reel_real *state[REEL_OPTIM_STATES]; /* the optimizer's */
    int64_t base, step;                  /* row r is at step base + stamps[r], of `step` so far */
    uint32_t *stamps;
    struct reel_history rates;
    reel_real *room; /* zeros as a gradient, then for each thread copies of a row and its state */
    int threads;     /* that there is room for */
};

/* Starts to defer a param's updates after `step` of them; NULL with the error recorded. */
struct reel_deferred *reel_deferred_new(reel_param *param, const reel_optim_algorithm *algorithm, const void *options,
                                        reel_real *const *state, int64_t step);

/* Brings every row up to date and ends it. NULL is accepted. */
void reel_deferred_free(struct reel_deferred *deferred);

/* What one more step needs; REEL_ERROR_OUT_OF_MEMORY. */
reel_status reel_deferred_reserve(struct reel_deferred *deferred);

/* Begins a step that gives gradients to some rows, which reel_deferred_update names one after the other. */
void reel_deferred_begin(struct reel_deferred *deferred, double lr);

/* A row gets the update of the step at hand: it is brought up to the step before. Threads may do it at once for
 * different rows. */
void reel_deferred_touch(struct reel_deferred *deferred, int64_t row, int thread);

/* Every row was moved by a dense step after it had been brought up to date. */
void reel_deferred_all_moved(struct reel_deferred *deferred);

#endif
