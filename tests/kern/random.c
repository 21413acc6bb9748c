/* The generator gives the numbers of PyTorch. */
#include "kern/random.h"
#include "golden/generator.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct reel_generator seeded(uint64_t seed)
{
    struct reel_generator g;
    reel_generator_seed(&g, seed);
    return g;
}

static void expect_reals(const char *what, const reel_real *got, const reel_real *want, size_t n)
{
    for (size_t i = 0; i < n; i++)
        cr_assert(memcmp(&got[i], &want[i], sizeof want[i]) == 0, "%s: element %zu is %a, PyTorch gives %a", what, i,
                  (double)got[i], (double)want[i]);
}

static void expect_integers(const char *what, const int64_t *got, const int64_t *want, size_t n)
{
    for (size_t i = 0; i < n; i++)
        cr_assert(got[i] == want[i], "%s: element %zu is %lld, PyTorch gives %lld", what, i, (long long)got[i],
                  (long long)want[i]);
}

static uint64_t sum_of_reals(const reel_real *x, size_t n)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) {
#ifdef REEL_F64
        uint64_t bits;
#else
        uint32_t bits;
#endif
        memcpy(&bits, &x[i], sizeof bits);
        sum += bits * (2 * (uint64_t)i + 1);
    }
    return sum;
}

static const reel_real *const golden_uniform[] = {golden_uniform_0, golden_uniform_1, golden_uniform_2,
                                                  golden_uniform_3};
static const reel_real *const golden_normal[] = {golden_normal_0, golden_normal_1, golden_normal_2, golden_normal_3};
static const int64_t *const golden_integers[] = {golden_integers_0, golden_integers_1, golden_integers_2,
                                                 golden_integers_3};

Test(random, uniform)
{
    for (size_t s = 0; s < COUNT(golden_seeds); s++) {
        reel_real got[COUNT(golden_uniform_0)];
        size_t at = 0;
        struct reel_generator g = seeded(golden_seeds[s]);
        for (size_t i = 0; i < COUNT(golden_sizes); i++) {
            reel_generator_uniform(&g, got + at, golden_sizes[i], 0, 1);
            at += (size_t)golden_sizes[i];
        }
        expect_reals("rand", got, golden_uniform[s], COUNT(got));
    }
}

Test(random, normal)
{
    for (size_t s = 0; s < COUNT(golden_seeds); s++) {
        reel_real got[COUNT(golden_normal_0)];
        size_t at = 0;
        struct reel_generator g = seeded(golden_seeds[s]);
        for (size_t i = 0; i < COUNT(golden_sizes); i++) {
            reel_generator_normal(&g, got + at, golden_sizes[i], 0, 1);
            at += (size_t)golden_sizes[i];
        }
        expect_reals("randn", got, golden_normal[s], COUNT(got));
    }
}

static reel_real large[golden_large];

static void expect_large(const char *what, const reel_real *want, size_t n, uint64_t sum)
{
    const size_t last = 20;
    for (size_t i = 0; i < n - last; i++)
        expect_reals(what, &large[i * golden_stride], &want[i], 1);
    expect_reals(what, &large[golden_large - last], &want[n - last], last);
    cr_assert(sum_of_reals(large, golden_large) == sum, "%s: an element between those compared differs", what);
}

Test(random, large_uniform)
{
    struct reel_generator g = seeded(0);
    reel_generator_uniform(&g, large, golden_large, 0, 1);
    expect_large("large rand", golden_large_uniform, COUNT(golden_large_uniform), golden_large_uniform_sum);
}

Test(random, large_normal)
{
    struct reel_generator g = seeded(0);
    reel_generator_normal(&g, large, golden_large, 0, 1);
    expect_large("large randn", golden_large_normal, COUNT(golden_large_normal), golden_large_normal_sum);
}

/* The kept normal sample waits through draws of other kinds. */
Test(random, mixed)
{
    reel_real got[COUNT(golden_mixed)], *at = got;
    int64_t integers[10];
    struct reel_generator g = seeded(1);
    reel_generator_normal(&g, at, 1, 0, 1);
    reel_generator_uniform(&g, at += 1, 3, 0, 1);
    reel_generator_normal(&g, at += 3, 2, 0, 1);
    reel_generator_normal(&g, at += 2, 16, 0, 1);
    reel_generator_normal(&g, at += 16, 5, 0, 1);
    at += 5;
    reel_generator_integers(&g, integers, 3, 0, 10);
    reel_generator_permutation(&g, integers + 3, 7);
    for (size_t i = 0; i < COUNT(integers); i++)
        *at++ = (reel_real)integers[i];
    reel_generator_normal(&g, at, 17, 0, 1);
    reel_generator_uniform(&g, at += 17, 4, 2, 5);
    reel_generator_normal(&g, at += 4, 4, 0, 1);
    reel_generator_normal(&g, at += 4, 1, 0, 1);
    cr_assert(at + 1 == got + COUNT(got));
    expect_reals("mixed draws", got, golden_mixed, COUNT(got));
}

Test(random, scaled)
{
    reel_real got[COUNT(golden_scaled)];
    struct reel_generator g = seeded(42);
    reel_generator_uniform(&g, got, 40, -0.1, 0.1);
    reel_generator_normal(&g, got + 40, 15, 0.3, 0.7);
    reel_generator_normal(&g, got + 55, 40, 0.3, 0.7);
    expect_reals("scaled draws", got, golden_scaled, COUNT(got));
}

static reel_real *linear(struct reel_generator *g, reel_real *at, int64_t in, int64_t out)
{
    double fan = sqrt((double)in), slope = sqrt(5.0);
    double weight = sqrt(3.0) * (sqrt(2 / (1 + slope * slope)) / fan);
    reel_generator_uniform(g, at, in * out, -weight, weight);
    reel_generator_uniform(g, at + in * out, out, -1 / fan, 1 / fan);
    return at + in * out + out;
}

Test(random, modules)
{
    reel_real got[COUNT(golden_modules)], *at = got;
    struct reel_generator g = seeded(42);
    at = linear(&g, at, 4, 3);
    at = linear(&g, at, 7, 5);
    reel_generator_normal(&g, at, 20, 0, 1);
    reel_generator_normal(&g, at + 20, 6, 0, 1);
    at = linear(&g, at + 26, 3, 2);
    cr_assert(at == got + COUNT(got));
    expect_reals("initial values", got, golden_modules, COUNT(got));
}

/* The largest and the smallest uniform number: rounding up to the excluded bound, and the ends of the logarithm. */
Test(random, edges)
{
    const uint32_t words[] = {golden_ones, 0};
    reel_real got[COUNT(golden_edges)], *at = got;
    struct reel_generator g = seeded(0);
    for (size_t w = 0; w < COUNT(words); w++) {
        for (size_t i = 0; i < COUNT(g.mt); i++)
            g.mt[i] = words[w];
        g.index = 1;
        reel_generator_uniform(&g, at, 2, 1, 2);
        g.index = 1;
        reel_generator_normal(&g, at + 2, 16, 0, 1);
        at += 18;
    }
    cr_assert(at == got + COUNT(got));
    expect_reals("edges", got, golden_edges, COUNT(got));
}

Test(random, equal_bounds)
{
    reel_real got[3];
    struct reel_generator g = seeded(0);
    reel_generator_uniform(&g, got, 3, 0.5, 0.5);
    for (size_t i = 0; i < COUNT(got); i++)
        cr_assert(got[i] == (reel_real)0.5);
}

Test(random, integers)
{
    for (size_t s = 0; s < COUNT(golden_seeds); s++) {
        int64_t got[COUNT(golden_integers_0)];
        struct reel_generator g = seeded(golden_seeds[s]);
        for (size_t r = 0; r < COUNT(golden_ranges); r++)
            reel_generator_integers(&g, got + r * golden_per_range, golden_per_range, golden_ranges[r][0],
                                    golden_ranges[r][1]);
        expect_integers("randint", got, golden_integers[s], COUNT(got));
    }
}

Test(random, permutation)
{
    int64_t got[COUNT(golden_permutations)], *at = got;
    struct reel_generator g = seeded(0);
    for (size_t i = 0; i < COUNT(golden_permutation_sizes); i++) {
        reel_generator_permutation(&g, at, golden_permutation_sizes[i]);
        at += golden_permutation_sizes[i];
    }
    reel_generator_integers(&g, at, 1, 0, 1000000);
    cr_assert(at + 1 == got + COUNT(got));
    expect_integers("randperm", got, golden_permutations, COUNT(got));
}

/* MT19937's published first outputs for the seed 5489, which is also how a 64-bit draw is put together. */
Test(random, words)
{
    struct reel_generator g = seeded(5489);
    cr_assert(reel_generator_random32(&g) == 3499211612u);
    cr_assert(reel_generator_random32(&g) == 581869302u);
    g = seeded(5489);
    cr_assert(reel_generator_random64(&g) == ((uint64_t)3499211612u << 32 | 581869302u));
    g = seeded(5489);
    uint32_t word = 0;
    for (int i = 0; i < 10000; i++)
        word = reel_generator_random32(&g);
    cr_assert(word == 4123659995u, "the C++ standard names this value for the 10000th draw");
}

/* One long draw of either kind of number equals the same draw in pieces, wherever regeneration falls. */
Test(random, pieces)
{
    static reel_real whole[5000], pieces[5000];
    struct reel_generator a = seeded(7), b = seeded(7);
    reel_generator_random32(&a); /* halves of doubles then straddle regenerations */
    reel_generator_random32(&b);
    reel_generator_uniform(&a, whole, 5000, 0, 1);
    for (int64_t at = 0, n = 1; at < 5000; at += n, n = n % 97 + 1) {
        n = n < 5000 - at ? n : 5000 - at;
        reel_generator_uniform(&b, pieces + at, n, 0, 1);
    }
    expect_reals("a draw in pieces", pieces, whole, COUNT(whole));

    reel_generator_normal(&a, whole, 4992, 0, 1);
    for (int64_t at = 0, n; at < 4992; at += n) {
        n = 16 * (at % 7 + 1);
        n = n < 4992 - at ? n : 4992 - at;
        reel_generator_normal(&b, pieces + at, n, 0, 1);
    }
    expect_reals("normal blocks in pieces", pieces, whole, 4992);
    cr_assert(reel_generator_random64(&a) == reel_generator_random64(&b));
}

Test(random, nothing_drawn)
{
    struct reel_generator g = seeded(3), before = g;
    reel_generator_uniform(&g, NULL, 0, 0, 1);
    reel_generator_normal(&g, NULL, 0, 0, 1);
    reel_generator_integers(&g, NULL, 0, 0, 10);
    reel_generator_permutation(&g, NULL, 0);
    cr_assert(reel_generator_random32(&g) == reel_generator_random32(&before));
}

Test(random, snapshot)
{
    reel_real first[20], second[20];
    struct reel_generator g = seeded(9);
    reel_generator_normal(&g, first, 3, 0, 1);
    struct reel_generator before = g;
    reel_generator_normal(&g, first, 5, 0, 1);
    reel_generator_normal(&g, first + 5, 15, 0, 1);
    g = before;
    reel_generator_normal(&g, second, 5, 0, 1);
    reel_generator_normal(&g, second + 5, 15, 0, 1);
    expect_reals("a restored snapshot", second, first, COUNT(first));
}

_Static_assert(sizeof golden_state == REEL_GENERATOR_STATE_SIZE, "the size of torch.get_rng_state()");

Test(random, state)
{
    unsigned char state[REEL_GENERATOR_STATE_SIZE];
    int64_t integers[COUNT(golden_after_state)];
    reel_real normals[3];
    struct reel_generator g = seeded(42);
    reel_generator_normal(&g, normals, 3, 0, 1);
    reel_generator_integers(&g, integers, 5, 0, 10);
    reel_generator_get_state(&g, state);
    cr_assert(memcmp(state, golden_state, sizeof state) == 0);

    struct reel_generator other = seeded(1);
    cr_assert(reel_generator_set_state(&other, (const unsigned char *)golden_state, sizeof golden_state));
    struct reel_generator again = other;
    reel_generator_integers(&other, integers, COUNT(integers), 0, 10);
    expect_integers("randint after set_state", integers, golden_after_state, COUNT(integers));

    reel_real expected, restored;
    reel_generator_normal(&g, &expected, 1, 0, 1);
    reel_generator_normal(&again, &restored, 1, 0, 1);
    expect_reals("the kept normal after set_state", &restored, &expected, 1);
}

Test(random, state_positions)
{
    const int64_t draws[] = {0, 1, 623, 624, 625};
    cr_assert(COUNT(draws) == COUNT(golden_state_sums));
    for (size_t i = 0; i < COUNT(draws); i++) {
        uint64_t state[REEL_GENERATOR_STATE_SIZE / 8], sum = 0;
        int64_t drawn[625];
        struct reel_generator g = seeded((UINT64_C(1) << 32) + 5);
        reel_generator_integers(&g, drawn, draws[i], 0, 10);
        reel_generator_get_state(&g, (unsigned char *)state);
        for (size_t w = 0; w < COUNT(state); w++)
            sum += state[w] * (2 * (uint64_t)w + 1);
        cr_assert(sum == golden_state_sums[i], "after %lld draws", (long long)draws[i]);

        struct reel_generator other = seeded(1);
        cr_assert(reel_generator_set_state(&other, (const unsigned char *)state, sizeof state));
        for (int j = 0; j < 700; j++)
            cr_assert(reel_generator_random32(&g) == reel_generator_random32(&other));
    }
}

static bool accepted(int32_t left, int32_t seeded_flag, uint64_t next)
{
    unsigned char state[REEL_GENERATOR_STATE_SIZE];
    memcpy(state, golden_state, sizeof state);
    memcpy(state + 8, &left, sizeof left);
    memcpy(state + 12, &seeded_flag, sizeof seeded_flag);
    memcpy(state + 16, &next, sizeof next);
    struct reel_generator g = seeded(3), before = g;
    bool taken = reel_generator_set_state(&g, state, sizeof state);
    if (!taken)
        cr_assert(g.seed == before.seed && g.index == before.index && memcmp(g.mt, before.mt, sizeof g.mt) == 0);
    return taken;
}

Test(random, malformed_state)
{
    struct reel_generator g = seeded(0);
    const unsigned char *state = (const unsigned char *)golden_state;
    cr_assert(!reel_generator_set_state(&g, state, 0));
    cr_assert(!reel_generator_set_state(&g, state, sizeof golden_state - 1));
    cr_assert(!reel_generator_set_state(&g, state, sizeof golden_state + 1));

    cr_assert(accepted(1, 1, 0));
    cr_assert(accepted(1, 1, 624));
    cr_assert(accepted(624, 1, 1));
    cr_assert(!accepted(0, 1, 0));
    cr_assert(!accepted(-1, 1, 0));
    cr_assert(!accepted(625, 1, 0));
    cr_assert(!accepted(624, 1, 0));
    cr_assert(!accepted(1, 1, 625));
    cr_assert(!accepted(2, 1, 624));
    cr_assert(!accepted(1, 0, 0));
    cr_assert(!accepted(1, 1, UINT64_C(1) << 32));
    cr_assert(!accepted(1, 1, UINT64_MAX));
}
