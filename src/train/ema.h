/* What a moving average holds. */
#ifndef REEL_TRAIN_EMA_H
#define REEL_TRAIN_EMA_H

#include "train/lifetime.h"
#include "train/row_average.h"

#include <reel/ema.h>

struct reel_average {
    void *data;
    struct reel_row_average *by_row; /* or NULL: every update reads all of it */
    void *param;                     /* of one by row, while swapped: the param's elements */
};

struct reel_ema {
    reel_context *context;
    struct reel_lifetime lifetime; /* checkpoints hold it */
    reel_params *params;
    double decay;
    struct reel_average *averages; /* of the set's params and buffers, in order */
    int64_t count, capacity;
    bool updated; /* at least once */
};

/* Gives up a hold on the average. */
void reel_ema_let_go(reel_ema *ema);

#endif
