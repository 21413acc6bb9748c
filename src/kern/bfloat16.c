/* What may live here: loops that turn bfloat16 into reals and reals into bfloat16. */
#include "kern/bfloat16.h"

#include "base/bfloat16.h"
#include "base/clones.h"
#include "kern/parallel.h"

REEL_CLONES
void reel_kern_widen(int64_t n, const uint16_t *restrict from, reel_real *restrict to)
{
    for (int64_t i = 0; i < n; i++)
        to[i] = (reel_real)reel_bfloat16_value(from[i]);
}

REEL_CLONES
static void narrow(int64_t n, const reel_real *restrict from, uint16_t *restrict to)
{
    for (int64_t i = 0; i < n; i++)
        to[i] = reel_bfloat16_nearest((float)from[i]);
}

void reel_kern_narrow(int64_t n, const reel_real *from, uint16_t *to, int threads)
{
    REEL_PARALLEL_FOR(first, last, n, REEL_BLOCK, threads, narrow(last - first, from + first, to + first));
}

REEL_CLONES
void reel_kern_narrow_drawn(int64_t n, const reel_real *restrict from, const uint16_t *restrict up,
                            uint16_t *restrict to)
{
    for (int64_t i = 0; i < n; i++)
        to[i] = reel_bfloat16_raised((float)from[i], up[i]);
}

/* The halves of the draws. */
REEL_CLONES
static void split(const uint32_t draws[REEL_PHILOX_GROUP], uint16_t *restrict up)
{
    for (int i = 0; i < REEL_PHILOX_GROUP; i++) {
        up[i] = (uint16_t)draws[i];
        up[REEL_PHILOX_GROUP + i] = (uint16_t)(draws[i] >> 16);
    }
}

void reel_kern_draw_ups(int64_t n, struct reel_philox_key key, uint64_t first, uint16_t *up)
{
    for (; n > 0; n -= REEL_KERN_UPS, up += REEL_KERN_UPS, first++) {
        uint32_t draws[REEL_PHILOX_GROUP];
        reel_kern_philox(first * REEL_PHILOX_LANES, key, draws);
        split(draws, up);
    }
}

static void gather(int64_t first, int64_t last, int64_t columns, struct reel_kern_indices index, const uint16_t *table,
                   reel_real *out)
{
    for (int64_t i = first; i < last; i++) {
        if (i + REEL_KERN_AHEAD < index.count)
            reel_kern_prefetch_row(
                (const char *)(table + reel_kern_index(index.data, index.wide, i + REEL_KERN_AHEAD) * columns),
                (size_t)columns * sizeof *table);
        reel_kern_widen(columns, table + reel_kern_index(index.data, index.wide, i) * columns, out + i * columns);
    }
}

void reel_kern_gather_narrow(int64_t columns, struct reel_kern_indices index, const uint16_t *table, reel_real *out,
                             int threads)
{
    REEL_PARALLEL_FOR(first, last, index.count, columns < REEL_BLOCK ? REEL_BLOCK / (columns + 1) + 1 : 1, threads,
                      gather(first, last, columns, index, table, out));
}
