/* What losses share that are made of operations. */
#ifndef REEL_OPS_LOSS_H
#define REEL_OPS_LOSS_H

#include "ops/family.h"

#include <reel/loss.h>

/* REEL_ERROR_ARGUMENT, naming the loss. */
reel_status reel_loss_refuse_reduction(reel_context *context, const char *who, reel_reduction reduction);

/* Whether both have the same shape; else REEL_ERROR_SHAPE is recorded (or the error that a var of nowhere gives). */
bool reel_loss_shapes_match(reel_tape *tape, const char *who, reel_var a, reel_var b);

/* The losses themselves, their sum, or their mean; the null var for any other reduction. */
reel_var reel_loss_reduce(reel_tape *tape, const char *who, reel_var losses, reel_reduction reduction);

#endif
