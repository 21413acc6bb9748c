/* Hooks: functions of the user's that see, and may replace, the gradient of a var. */
#ifndef REEL_CORE_HOOKS_H
#define REEL_CORE_HOOKS_H

#include "core/sink.h"

/* Calls those of the sink's var, when its sum is complete. */
reel_status reel_hooks_run(struct reel_sink *sink);

#endif
