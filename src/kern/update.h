/* What the update loops of optimizers have in common. Each loop is written once; its options are constants in the
 * functions that it is inlined into, so that none is tested per element. */
#ifndef REEL_KERN_UPDATE_H
#define REEL_KERN_UPDATE_H

#include "kern/real.h"

#define REEL_INLINED static inline __attribute__((always_inline))

/* How a gradient enters an update. */
struct reel_gradient_constants {
    reel_real sign, weight_decay; /* sign: -1 to maximize */
    bool decay;                   /* weight_decay is added to the gradient */
};

static inline struct reel_gradient_constants reel_gradient_constants(bool maximize, double weight_decay)
{
    return (struct reel_gradient_constants){maximize ? -1 : 1, (reel_real)weight_decay, weight_decay != 0};
}

REEL_INLINED reel_real reel_update_gradient(const struct reel_gradient_constants *c, bool decay, reel_real grad,
                                            reel_real param)
{
    reel_real g = c->sign * grad;
    return decay ? g + c->weight_decay * param : g;
}

/* The half of [0, 1] that the weight is in decides from which end torch.lerp starts: the result is exactly `to` at
 * weight 1. */
REEL_INLINED reel_real reel_lerp(reel_real from, reel_real to, reel_real weight)
{
    reel_real distance = to - from;
    return weight < (reel_real)0.5 ? from + weight * distance : to + (weight - 1) * distance;
}

/* Moments decay by a factor a step, and those of an element without a gradient would end as subnormal numbers, which
 * cost ten times as much to compute with and never become 0. So a moment is 0 below a bound, here in the formula, where
 * whole params, rows and steps that are made up for share it. NaN stays.
 *
 * REEL_SMALLEST_MEAN leaves room for the product with a learning rate. A mean is also squared where the second moment
 * is centred: REEL_SMALLEST_CENTER. The bound of second moments depends on eps: reel_smallest_square. */
#ifdef REEL_F64
#define REEL_SMALLEST_MEAN 0x1p-996
#define REEL_SMALLEST_CENTER 0x1p-511
#else
#define REEL_SMALLEST_MEAN 0x1p-100F
#define REEL_SMALLEST_CENTER 0x1p-63F
#endif

REEL_INLINED reel_real reel_flushed(reel_real moment, reel_real smallest)
{
    return REEL_ABS(moment) < smallest ? 0 : moment;
}

/* A second moment below this is 0: the smallest normal number, or less where its root would count beside eps. */
static inline reel_real reel_smallest_square(double eps)
{
    double root = eps * 0x1p-13, square = root * root;
    return square < (double)REEL_REAL_MIN ? (reel_real)square : REEL_REAL_MIN;
}

#endif
