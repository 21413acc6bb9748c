/* Dropout over raw arrays. */
#ifndef REEL_KERN_DROPOUT_H
#define REEL_KERN_DROPOUT_H

#include "kern/philox.h"

/* y[i] = 0 with probability p, else x[i] / (1 - p); with add, y[i] += that. The same key gives the same mask. */
void reel_kern_dropout(int64_t n, const reel_real *x, double p, struct reel_philox_key key, bool add, reel_real *y,
                       int threads);

#endif
