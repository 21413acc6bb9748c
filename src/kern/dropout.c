#include "kern/dropout.h"

#include "base/clones.h"
#include "kern/parallel.h"

#include <Random123/philox.h>

/* Counters that are worked on together, so that the rounds vectorize; each gives 4 draws of 32 bits. */
enum { LANES = 16, GROUP = 4 * LANES };

/* Ten rounds on LANES counters {first + lane, draw}, key from the seed: the arithmetic of r123::Philox4x32, written
 * over arrays because the library's own handles one counter at a time. tests/kern/dropout.c compares the two. */
REEL_CLONES
static void draw_group(uint64_t first, struct reel_dropout_key key, uint32_t *draws)
{
    uint32_t a[LANES], b[LANES], c[LANES], d[LANES];
    uint32_t key0 = (uint32_t)key.seed, key1 = (uint32_t)(key.seed >> 32);
    for (int i = 0; i < LANES; i++) {
        a[i] = (uint32_t)(first + (uint64_t)i);
        b[i] = (uint32_t)((first + (uint64_t)i) >> 32);
        c[i] = (uint32_t)key.draw;
        d[i] = (uint32_t)(key.draw >> 32);
    }
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < LANES; i++) {
            uint64_t product0 = (uint64_t)PHILOX_M4x32_0 * a[i], product1 = (uint64_t)PHILOX_M4x32_1 * c[i];
            a[i] = (uint32_t)(product1 >> 32) ^ b[i] ^ key0;
            b[i] = (uint32_t)product1;
            c[i] = (uint32_t)(product0 >> 32) ^ d[i] ^ key1;
            d[i] = (uint32_t)product0;
        }
        key0 += PHILOX_W32_0;
        key1 += PHILOX_W32_1;
    }
    for (int i = 0; i < LANES; i++) {
        draws[i] = a[i];
        draws[LANES + i] = b[i];
        draws[2 * LANES + i] = c[i];
        draws[3 * LANES + i] = d[i];
    }
}

REEL_CLONES
static void drop(int64_t n, const reel_real *x, const uint32_t *draws, uint32_t keep_below, reel_real scale, bool add,
                 reel_real *y)
{
    for (int64_t i = 0; i < n; i++) {
        reel_real kept = x[i] * (draws[i] < keep_below ? scale : 0);
        y[i] = add ? y[i] + kept : kept;
    }
}

void reel_kern_dropout(int64_t n, const reel_real *x, double p, struct reel_dropout_key key, bool add, reel_real *y,
                       int threads)
{
    double keep = (1 - p) * 4294967296.0;
    uint32_t keep_below = keep >= 4294967295.0 ? UINT32_MAX : (uint32_t)keep;
    reel_real scale = p < 1 ? (reel_real)(1 / (1 - p)) : 0;
    int64_t blocks = reel_blocks(n);
#pragma omp parallel for num_threads(threads) if (blocks > 1 && threads > 1)
    for (int64_t block = 0; block < blocks; block++) {
        int64_t end = (block + 1) * REEL_BLOCK < n ? (block + 1) * REEL_BLOCK : n;
        for (int64_t i = block * REEL_BLOCK; i < end; i += GROUP) {
            uint32_t draws[GROUP];
            draw_group((uint64_t)(i / 4), key, draws);
            drop(end - i < GROUP ? end - i : GROUP, x + i, draws, keep_below, scale, add, y + i);
        }
    }
}
