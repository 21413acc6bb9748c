/* What others want to know of a loader. */
#ifndef REEL_TRAIN_LOADER_H
#define REEL_TRAIN_LOADER_H

#include "core/context.h"

#include <reel/loader.h>

const reel_context *reel_loader_context(const reel_loader *loader);

/* Whether it can go on from a position: REEL_ERROR_FORMAT. */
reel_status reel_loader_expect_fits(const reel_loader *loader, const reel_loader_position *position);

#endif
