/* Hooks: functions of the user's that see, and may replace, the gradient of a var. */
#ifndef REEL_CORE_HOOKS_H
#define REEL_CORE_HOOKS_H

#include "core/sink.h"

/* Calls those of the sink's var, when its sum is complete. */
reel_status reel_hooks_run(struct reel_sink *sink);

/* The same when the gradient is a var of a graph. */
reel_status reel_hooks_run_in_graph(reel_tape *tape, struct reel_node *node, reel_var *grad);

#endif
