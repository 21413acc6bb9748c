/* Dropout masks and what they do. */
#include "kern/dropout.h"

#include "base/clones.h"
#include "kern/parallel.h"

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
    struct reel_philox_key key;
    bool add;
    reel_real *y;
};

static void drop_block(const struct dropout *d, int64_t first, int64_t end)
{
    for (int64_t i = first; i < end; i += REEL_PHILOX_GROUP) {
        uint32_t draws[REEL_PHILOX_GROUP];
        reel_kern_philox((uint64_t)(i / 4), d->key, draws);
        (d->add ? drop_add : drop)(end - i < REEL_PHILOX_GROUP ? end - i : REEL_PHILOX_GROUP, d->x + i, draws,
                                   d->last_kept, d->scale, d->y + i);
    }
}

void reel_kern_dropout(int64_t n, const reel_real *x, double p, struct reel_philox_key key, bool add, reel_real *y,
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
