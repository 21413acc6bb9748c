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
};

/* Starts to keep `average`, an array of the param's shape that the caller owns and fills; NULL when memory ran out.
 * Free it before the array and the param. NULL is accepted there, and by reel_row_average_catch_up. */
struct reel_row_average *reel_row_average_new(reel_param *param, reel_real *average);
void reel_row_average_free(struct reel_row_average *r);

/* Room for one update more; false when memory ran out. */
bool reel_row_average_reserve(struct reel_row_average *r);

/* average = decay * average + (1 - decay) * param for every row, later. There must be room. */
void reel_row_average_update(struct reel_row_average *r, double decay);

/* Makes every row of the average current, for someone who looks at it. */
void reel_row_average_catch_up(struct reel_row_average *r);

#endif
