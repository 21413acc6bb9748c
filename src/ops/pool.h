/* What layers of pools share with the functions. */
#ifndef REEL_OPS_POOL_H
#define REEL_OPS_POOL_H

#include <reel/pool.h>

/* The options, checked for a window of this size, with -1 and 0 replaced by what they stand for. `name` is what errors
 * say. */
reel_status reel_pool_take_options(reel_context *context, const char *name, int axes, const int64_t *kernel,
                                   const reel_pool_options *given, reel_pool_options *options);

#endif
