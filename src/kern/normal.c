/* Normal numbers from uniform ones. */
#include "kern/normal.h"

#include "base/clones.h"
#include "kern/functions.h"
#include "kern/parallel.h"

#include <string.h>

/* Two normal numbers from each of the first LANES draws, which give the radius, and the next LANES, which give the
 * angle. Uniform on (0, 1] and never 0, whose logarithm is infinite. */
REEL_CLONES
static void draw_pairs(const uint32_t *draws, reel_real mean, reel_real std, reel_real *out)
{
    for (int i = 0; i < REEL_PHILOX_LANES; i++) {
        reel_real uniform = ((reel_real)(int32_t)(draws[i] >> 1) + (reel_real)0.5) * (reel_real)0x1p-31;
        reel_real radius = REEL_SQRT(-2 * reel_math_log(uniform)), sine, cosine;
        reel_math_sine_cosine(draws[REEL_PHILOX_LANES + i], &sine, &cosine);
        out[i] = mean + std * (radius * cosine);
        out[REEL_PHILOX_LANES + i] = mean + std * (radius * sine);
    }
}

/* Elements first..end - 1 of the key's numbers, to out[0..]. */
static void draw_block(int64_t first, int64_t end, double mean, double std, struct reel_philox_key key, reel_real *out)
{
    for (int64_t i = first; i < end; i += REEL_PHILOX_GROUP) {
        uint32_t draws[REEL_PHILOX_GROUP];
        reel_real last[REEL_PHILOX_GROUP], *to = end - i < REEL_PHILOX_GROUP ? last : out + (i - first);
        reel_kern_philox((uint64_t)(i / 4), key, draws);
        for (int half = 0; half < REEL_PHILOX_GROUP; half += REEL_PHILOX_GROUP / 2)
            draw_pairs(draws + half, (reel_real)mean, (reel_real)std, to + half);
        if (to == last)
            memcpy(out + (i - first), last, (size_t)(end - i) * sizeof *out);
    }
}

void reel_kern_normal(int64_t n, double mean, double std, struct reel_philox_key key, reel_real *out, int threads)
{
    REEL_PARALLEL_FOR(first, end, n, REEL_BLOCK, threads, draw_block(first, end, mean, std, key, out + first));
}

void reel_kern_add_normal(int64_t n, double std, struct reel_philox_key key, reel_real *out)
{
    enum { STRIP = 4 * REEL_PHILOX_GROUP };
    for (int64_t first = 0; first < n; first += STRIP) {
        reel_real normal[STRIP];
        int64_t end = n - first < STRIP ? n : first + STRIP;
        draw_block(first, end, 0, std, key, normal);
        for (int64_t i = first; i < end; i++)
            out[i] += normal[i - first];
    }
}
