/* Segments that are computed again in a backward pass. */
#ifndef REEL_CORE_RECOMPUTE_H
#define REEL_CORE_RECOMPUTE_H

#include "core/sink.h"

#include <reel/recompute.h>

/* Whether the call stands for a segment, whose rule is the function below. */
bool reel_is_recomputation(const reel_call *call);

/* Runs the segment again, and the part of the pass that goes through it. */
reel_status reel_recompute_gradients(struct reel_pass *pass, const reel_call *call);

#endif
