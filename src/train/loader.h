/* What others want to know of a loader. */
#ifndef REEL_TRAIN_LOADER_H
#define REEL_TRAIN_LOADER_H

#include "core/context.h"

#include <reel/loader.h>

const reel_context *reel_loader_context(const reel_loader *loader);

/* Checkpoints hold loaders: one that is freed before them lives on until they let go. */
void reel_loader_hold(reel_loader *loader);
void reel_loader_let_go(reel_loader *loader);
bool reel_loader_is_freed(const reel_loader *loader);

/* What decides, beside the generator, which samples make which batch. Truths are 0 or 1. */
enum { REEL_LOADER_OPTIONS = 5 };
extern const char *const reel_loader_option_names[REEL_LOADER_OPTIONS];
void reel_loader_get_options(const reel_loader *loader, int64_t values[REEL_LOADER_OPTIONS]);

/* Whether it can go on from a position: REEL_ERROR_FORMAT. */
reel_status reel_loader_expect_fits(const reel_loader *loader, const reel_loader_position *position);

#endif
