#include "kern/dropout.h"

#include "base/clones.h"
#include "kern/parallel.h"

#include <Random123/philox.h>

/* Counters that are worked on together, so that the rounds vectorize; each gives 4 draws of 32 bits. */
enum { LANES = 16, GROUP = 4 * LANES };

/* Ten rounds on LANES counters {first + lane, draw}, key from the seed: the arithmetic of r123::Philox4x32, one lane a
 * 64-bit number, because the library's own handles one counter at a time. tests/kern/dropout.c compares the two. */
REEL_CLONES
static void draw_group(uint64_t first, struct reel_dropout_key key, uint32_t *draws)
{
    const uint64_t low = UINT32_MAX;
    for (int i = 0; i < LANES; i++) {
        uint64_t key0 = key.seed & low, key1 = key.seed >> 32;
        uint64_t a = (first + (uint64_t)i) & low, b = (first + (uint64_t)i) >> 32, c = key.draw & low,
                 d = key.draw >> 32;
#pragma GCC unroll 10
        for (int round = 0; round < 10; round++) {
            uint64_t product0 = PHILOX_M4x32_0 * a, product1 = PHILOX_M4x32_1 * c;
            a = product1 >> 32 ^ b ^ key0;
            b = product1 & low;
            c = product0 >> 32 ^ d ^ key1;
            d = product0 & low;
            key0 = (key0 + PHILOX_W32_0) & low;
            key1 = (key1 + PHILOX_W32_1) & low;
        }
        draws[i] = (uint32_t)a;
        draws[LANES + i] = (uint32_t)b;
        draws[2 * LANES + i] = (uint32_t)c;
        draws[3 * LANES + i] = (uint32_t)d;
    }
}

REEL_CLONES
static void drop(int64_t n, const reel_real *x, const uint32_t *draws, uint32_t last_kept, reel_real scale,
                 reel_real *y)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = x[i] * (draws[i] <= last_kept ? scale : 0);
}

REEL_CLONES
static void drop_add(int64_t n, const reel_real *x, const uint32_t *draws, uint32_t last_kept, reel_real scale,
                     reel_real *y)
{
    for (int64_t i = 0; i < n; i++)
        y[i] += x[i] * (draws[i] <= last_kept ? scale : 0);
}

struct dropout {
    const reel_real *x;
    uint32_t last_kept; /* the largest draw that keeps its element */
    reel_real scale;
    struct reel_dropout_key key;
    bool add;
    reel_real *y;
};

static void drop_block(const struct dropout *d, int64_t first, int64_t end)
{
    for (int64_t i = first; i < end; i += GROUP) {
        uint32_t draws[GROUP];
        draw_group((uint64_t)(i / 4), d->key, draws);
        (d->add ? drop_add : drop)(end - i < GROUP ? end - i : GROUP, d->x + i, draws, d->last_kept, d->scale,
                                   d->y + i);
    }
}

void reel_kern_dropout(int64_t n, const reel_real *x, double p, struct reel_dropout_key key, bool add, reel_real *y,
                       int threads)
{
    double kept_draws = (1 - p) * 4294967296.0;
    /* Without a draw that keeps, p is 1 within 2^-32, and the scale of 0 drops everything. */
    struct dropout d = {.x = x,
                        .last_kept = kept_draws >= 1 ? (uint32_t)(kept_draws - 1) : 0,
                        .scale = kept_draws >= 1 ? (reel_real)(1 / (1 - p)) : 0,
                        .key = key,
                        .add = add,
                        .y = y};
    REEL_PARALLEL_FOR(first, end, n, REEL_BLOCK, threads, drop_block(&d, first, end));
}
