/* Drawing by the alias method. */
#ifndef REEL_KERN_ALIAS_H
#define REEL_KERN_ALIAS_H

#include "kern/philox.h"

/* A column of the table: its own number below the threshold, `other` from there on. */
struct reel_alias_column {
    uint32_t threshold, other;
};

/* out[0..count - 1] from the n columns, 1 <= n <= 2^32. An element depends on the key and its place alone. */
void reel_kern_draw_alias(int64_t count, const struct reel_alias_column *columns, int64_t n, struct reel_philox_key key,
                          int64_t *out, int threads);

#endif
