/* What the files of checkpoints share. */
#ifndef REEL_TRAIN_CHECKPOINT_H
#define REEL_TRAIN_CHECKPOINT_H

#include "core/context.h"

#include <reel/checkpoint.h>

/* NULL for NULL. */
reel_context *reel_checkpoint_context(const reel_checkpoint *checkpoint);

#endif
