/* The loop of the alias method: a random column, and one of its two numbers. */
#include "kern/alias.h"

#include "kern/parallel.h"

/* Elements that a group of Philox draws makes, of 64 bits each. */
enum { GROUP = REEL_PHILOX_GROUP / 2 };

static void draw_block(int64_t first, int64_t end, const struct reel_alias_column *columns, uint64_t n,
                       struct reel_philox_key key, int64_t *out)
{
    for (int64_t i = first; i < end; i += GROUP) {
        uint32_t draws[REEL_PHILOX_GROUP];
        reel_kern_philox((uint64_t)(i / 2), key, draws);
        /* The upper 64 bits of 2^-32 * n * the 64 bits drawn: the column, and where in it. All columns of the group are
         * asked for before the first is read, since a large table is in no cache. */
        uint64_t places[GROUP];
        for (int64_t k = 0; k < GROUP; k++) {
            const uint32_t *words = draws + k / REEL_PHILOX_LANES * 2 * REEL_PHILOX_LANES + k % REEL_PHILOX_LANES;
            places[k] = words[0] * n + (words[REEL_PHILOX_LANES] * n >> 32);
            __builtin_prefetch(&columns[places[k] >> 32]);
        }
        for (int64_t k = 0; k < GROUP && i + k < end; k++) {
            const struct reel_alias_column *column = &columns[places[k] >> 32];
            out[i + k] = (uint32_t)places[k] < column->threshold ? (int64_t)(places[k] >> 32) : column->other;
        }
    }
}

void reel_kern_draw_alias(int64_t count, const struct reel_alias_column *columns, int64_t n, struct reel_philox_key key,
                          int64_t *out, int threads)
{
    REEL_PARALLEL_FOR(first, end, count, REEL_BLOCK, threads, draw_block(first, end, columns, (uint64_t)n, key, out));
}
