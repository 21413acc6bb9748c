/* The average of a table with row-sparse gradients. Updates of a row are put off until the row changes, since only its
 * value is needed for them, and it stays what it is meanwhile. */
#ifndef REEL_TRAIN_ROW_AVERAGE_H
#define REEL_TRAIN_ROW_AVERAGE_H

#include "core/params.h"
#include "train/history.h"

struct reel_row_average {
    struct reel_param_watcher watcher; /* first: they are converted into each other */
    reel_param *param;
    reel_real *average;
    int64_t base; /* row r has had base + stamps[r] updates */
    uint32_t *stamps;
    struct reel_history decays; /* 0: the average becomes the param */
    /* An exact optimizer replays steps of the rows, and where it stops depends on who looked when; so updates of a row
     * are made one after the other, with the same bits wherever that is interrupted. Else they are made as one, by the
     * product of their decays, when the row changes and only then: looking is no reason. */
    bool one_by_one;
};

/* Starts to keep `average`, an array of the param's shape that the caller owns and fills; NULL when memory ran out.
 * Free it before the array and the param; NULL is accepted there. */
struct reel_row_average *reel_row_average_new(reel_param *param, reel_real *average);
void reel_row_average_free(struct reel_row_average *r);

/* Room for one update more; false when memory ran out. */
bool reel_row_average_reserve(struct reel_row_average *r);

/* average = decay * average + (1 - decay) * param for every row, later. There must be room. */
void reel_row_average_update(struct reel_row_average *r, double decay);

/* Writes what the average is now to `out`, an array of the param's shape. Changes no later bit. */
void reel_row_average_read(struct reel_row_average *r, reel_real *out);

/* Does what may be done early without changing a later bit. What average, base, stamps and decays hold after it is all
 * that there is. */
void reel_row_average_settle(struct reel_row_average *r);

/* What was settled elsewhere: base and all updates, and n runs of decays, for which there is room. Average and stamps
 * are the caller's to fill. */
void reel_row_average_restore(struct reel_row_average *r, const int64_t done[2], bool one_by_one, int64_t n,
                              const int64_t *first, const double *decay);

#endif
