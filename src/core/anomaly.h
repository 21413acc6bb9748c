/* The search for what made a number that is not finite: reel_set_detect_anomaly. */
#ifndef REEL_CORE_ANOMALY_H
#define REEL_CORE_ANOMALY_H

#include "core/sink.h"

/* After forward: REEL_ERROR_NOT_FINITE unless every real output is finite. */
reel_status reel_anomaly_expect_result(const reel_call *call);

/* After a rule: the same for the gradients of its inputs as they are now. */
reel_status reel_anomaly_expect_gradients(const struct reel_pass *pass, const reel_call *call);

#endif
