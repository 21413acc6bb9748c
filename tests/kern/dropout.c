/* The masks against Random123's own Philox, where they may depend on nothing but the key and the position, and how
 * often they keep an element. */
#include "kern/dropout.h"

#include <Random123/philox.h>
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Element i takes a word of the counter that its group of 64 elements and its place in it name: 16 counters make a
 * group, the first words of all come first. */
static uint32_t draw(int64_t i, struct reel_philox_key key)
{
    uint64_t counter = (uint64_t)(i / 64 * 16 + i % 16);
    philox4x32_ctr_t from = {
        {(uint32_t)counter, (uint32_t)(counter >> 32), (uint32_t)key.draw, (uint32_t)(key.draw >> 32)}};
    philox4x32_key_t seed = {{(uint32_t)key.seed, (uint32_t)(key.seed >> 32)}};
    return philox4x32(from, seed).v[i % 64 / 16];
}

static reel_real *ones(int64_t n)
{
    reel_real *x = malloc((size_t)n * sizeof *x);
    for (int64_t i = 0; i < n; i++)
        x[i] = 1;
    return x;
}

static const struct reel_philox_key keys[] = {
    {0, 0}, {1, 0}, {0, 1}, {0x123456789abcdef0, 3}, {UINT64_MAX, UINT64_MAX}, {7, UINT64_C(1) << 32}};
enum { KEYS = sizeof keys / sizeof *keys };

Test(dropout, the_generator_is_philox)
{
    /* A known answer of the reference, so that what the kernel is compared with is what it is taken for. */
    philox4x32_ctr_t zeros = {{0}};
    philox4x32_key_t no_seed = {{0}};
    cr_assert_eq(philox4x32(zeros, no_seed).v[0], 0x6627e8d5u);
    enum { N = 3 * 16384 + 77 };
    reel_real *x = ones(N), *y = malloc(N * sizeof *y);
    static const double ps[] = {0.5, 0.1, 0.9, 0.001, 1 - 0x1p-20};
    for (int k = 0; k < KEYS; k++)
        for (size_t j = 0; j < sizeof ps / sizeof *ps; j++) {
            reel_kern_dropout(N, x, ps[j], keys[k], false, y, 2);
            double keep = (1 - ps[j]) * 4294967296.0;
            for (int64_t i = 0; i < N; i++)
                cr_assert(y[i] == ((double)draw(i, keys[k]) < floor(keep) ? (reel_real)(1 / (1 - ps[j])) : 0),
                          "key %d, p %g, element %d", k, ps[j], (int)i);
        }
    free(x), free(y);
}

/* The first n elements have the same mask whatever n is, in either direction of writing. */
Test(dropout, a_mask_depends_on_the_position_only)
{
    enum { N = 20000 };
    reel_real *x = ones(N), *whole = malloc(N * sizeof *whole), *part = malloc(N * sizeof *part);
    reel_kern_dropout(N, x, 0.5, keys[3], false, whole, 1);
    for (int64_t n = 0; n < N; n += n < 300 ? 1 : 1237) {
        for (int64_t i = 0; i < N; i++)
            part[i] = 7;
        reel_kern_dropout(n, x, 0.5, keys[3], false, part, 1);
        cr_assert(memcmp(whole, part, (size_t)n * sizeof *part) == 0, "%d elements", (int)n);
        cr_assert(part[n] == 7);
        reel_kern_dropout(n, x, 0.5, keys[3], true, part, 1);
        for (int64_t i = 0; i < n; i++)
            cr_assert(part[i] == 2 * whole[i]);
        cr_assert(part[n] == 7);
    }
    free(x), free(whole), free(part);
}

Test(dropout, threads_do_not_change_the_mask)
{
    enum { N = 300001 };
    reel_real *x = ones(N), *one = malloc(N * sizeof *one), *more = malloc(N * sizeof *more);
    for (int64_t i = 0; i < N; i++)
        x[i] = (reel_real)i / 3;
    for (int add = 0; add < 2; add++) {
        memset(one, 0, N * sizeof *one);
        reel_kern_dropout(N, x, 0.3, keys[1], add, one, 1);
        for (int threads = 2; threads <= 4; threads++) {
            memset(more, 0, N * sizeof *more);
            reel_kern_dropout(N, x, 0.3, keys[1], add, more, threads);
            cr_assert(memcmp(one, more, N * sizeof *one) == 0, "%d threads", threads);
        }
    }
    free(x), free(one), free(more);
}

/* Kept elements, and pairs of neighbours (in the element, in the key) that are both kept, within 5 standard
 * deviations. */
Test(dropout, rates)
{
    enum { N = 1 << 20 };
    static const double ps[] = {0.5, 0.1, 0.25, 0.75, 0.99};
    reel_real *x = ones(N), *y = malloc(N * sizeof *y), *next = malloc(N * sizeof *next);
    for (int k = 0; k < KEYS; k++)
        for (size_t j = 0; j < sizeof ps / sizeof *ps; j++) {
            double p = 1 - ps[j], both = p * p, counts[3] = {0};
            reel_kern_dropout(N, x, ps[j], keys[k], false, y, 2);
            reel_kern_dropout(N, x, ps[j], (struct reel_philox_key){keys[k].seed, keys[k].draw + 1}, false, next, 2);
            for (int64_t i = 0; i < N; i++) {
                counts[0] += y[i] != 0;
                counts[1] += y[i] != 0 && y[(i + 1) % N] != 0;
                counts[2] += y[i] != 0 && next[i] != 0;
            }
            cr_assert(fabs(counts[0] - N * p) < 5 * sqrt(N * p * (1 - p)), "key %d, p %g: %g", k, ps[j], counts[0]);
            /* Pairs along the array overlap. */
            cr_assert(fabs(counts[1] - N * both) < 5 * sqrt(N * (both * (1 - both) + 2 * (p * both - both * both))));
            cr_assert(fabs(counts[2] - N * both) < 5 * sqrt(N * both * (1 - both)));
        }
    free(x), free(y), free(next);
}

Test(dropout, nothing_and_everything)
{
    enum { N = 1000 };
    reel_real *x = ones(N), *y = malloc(N * sizeof *y);
    reel_kern_dropout(N, x, 0, keys[0], false, y, 1);
    cr_assert(memcmp(x, y, N * sizeof *x) == 0);
    reel_kern_dropout(N, x, 1, keys[0], false, y, 1);
    for (int i = 0; i < N; i++)
        cr_assert(y[i] == 0);
    reel_kern_dropout(0, NULL, 0.5, keys[0], false, NULL, 1);
    free(x), free(y);
}

/* Zeroed elements are multiplied by 0, as PyTorch does it. */
Test(dropout, nan_and_infinity_are_not_lost)
{
    enum { N = 200 };
    reel_real x[N], y[N];
    for (int i = 0; i < N; i++)
        x[i] = i % 2 ? NAN : INFINITY;
    reel_kern_dropout(N, x, 0.5, keys[2], false, y, 1);
    for (int i = 0; i < N; i++)
        cr_assert(i % 2 || draw(i, keys[2]) >= UINT32_C(1) << 31 ? isnan(y[i]) : y[i] == INFINITY);
    reel_kern_dropout(N, x, 1, keys[2], false, y, 1);
    for (int i = 0; i < N; i++)
        cr_assert(isnan(y[i]));
}
