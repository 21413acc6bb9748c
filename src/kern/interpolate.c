/* Loops over pairs of slices that are mixed. */
#include "kern/interpolate.h"

#include "base/clones.h"
#include "kern/parallel.h"

REEL_CLONES
static void mix(int64_t n, const reel_real *restrict a, const reel_real *restrict b, reel_real share,
                reel_real *restrict out)
{
    for (int64_t j = 0; j < n; j++)
        out[j] = a[j] * (1 - share) + b[j] * share;
}

static void mix_all(const struct reel_kern_pairs *p, int64_t first, int64_t last, int64_t inner, const reel_real *x,
                    reel_real *out)
{
    for (int64_t o = first; o < last; o++) {
        const reel_real *from = x + o * p->from * inner;
        reel_real *to = out + o * p->to * inner;
        if (inner == 1)
            for (int64_t i = 0; i < p->to; i++)
                to[i] = from[p->lower[i]] * (1 - p->share[i]) + from[p->upper[i]] * p->share[i];
        else
            for (int64_t i = 0; i < p->to; i++)
                mix(inner, from + p->lower[i] * inner, from + p->upper[i] * inner, p->share[i], to + i * inner);
    }
}

REEL_CLONES
static void add_scaled(int64_t n, const reel_real *restrict g, reel_real factor, reel_real *restrict to)
{
    for (int64_t j = 0; j < n; j++)
        to[j] += g[j] * factor;
}

static void add_all(const struct reel_kern_pairs *p, int64_t first, int64_t last, int64_t inner, const reel_real *g,
                    reel_real *x)
{
    for (int64_t o = first; o < last; o++) {
        const reel_real *from = g + o * p->to * inner;
        reel_real *to = x + o * p->from * inner;
        for (int64_t i = 0; i < p->to; i++) {
            if (inner == 1) {
                to[p->lower[i]] += from[i] * (1 - p->share[i]);
                to[p->upper[i]] += from[i] * p->share[i];
            } else {
                add_scaled(inner, from + i * inner, 1 - p->share[i], to + p->lower[i] * inner);
                add_scaled(inner, from + i * inner, p->share[i], to + p->upper[i] * inner);
            }
        }
    }
}

/* Outer slices that one thread takes at a time. */
static int64_t slices_a_block(const struct reel_kern_pairs *p, int64_t inner)
{
    return REEL_BLOCK / (p->to * inner + 1) + 1;
}

void reel_kern_interpolate(const struct reel_kern_pairs *pairs, int64_t outer, int64_t inner, const reel_real *x,
                           reel_real *out, int threads)
{
    REEL_PARALLEL_FOR(first, last, outer, slices_a_block(pairs, inner), threads,
                      mix_all(pairs, first, last, inner, x, out));
}

void reel_kern_interpolate_back(const struct reel_kern_pairs *pairs, int64_t outer, int64_t inner, const reel_real *g,
                                reel_real *x, int threads)
{
    REEL_PARALLEL_FOR(first, last, outer, slices_a_block(pairs, inner), threads,
                      add_all(pairs, first, last, inner, g, x));
}
