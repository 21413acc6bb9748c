/* Drawing with given probabilities: PyTorch's numbers, how often each comes, and what is refused. */
#include "support/fixture.h"

#include "golden/draws.h"

#include <math.h>
#include <string.h>

TestSuite(draw, .init = set_up, .fini = tear_down);

#define LENGTH(array) ((int64_t)(sizeof(array) / sizeof *(array)))

static void expect_integers(reel_var v, const int64_t *want, reel_shape shape, const char *what)
{
    reel_shape got = reel_shape_of(t, v);
    cr_assert_eq(reel_context_status(c), REEL_OK, "%s: %s", what, reel_error(c));
    cr_assert(reel_shape_equal(&got, &shape), "%s", what);
    for (int64_t i = 0; i < reel_shape_numel(&shape); i++)
        cr_assert_eq(reel_data_int64(t, v)[i], want[i], "%s: draw %lld is %lld, not %lld", what, (long long)i,
                     (long long)reel_data_int64(t, v)[i], (long long)want[i]);
}

static void expect_reals(reel_var v, const double *want, int64_t n)
{
    cr_assert_eq(reel_numel(t, v), n);
    for (int64_t i = 0; i < n; i++)
        cr_assert_eq(reel_data_real(t, v)[i], (reel_real)want[i], "%lld", (long long)i);
}

Test(draw, the_numbers_are_pytorchs)
{
    reel_real chances[40], w[21];
    for (int i = 0; i < 40; i++)
        chances[i] = (reel_real)(i % 9) / 8;
    for (int i = 0; i < 21; i++)
        w[i] = (reel_real)(1 + 5 * i % 8);
    w[9] = w[20] = 0;
    reel_var weights = reel_tensor(t, w, REEL_SHAPE(3, 7));
    reel_manual_seed(c, 11);
    expect_reals(reel_bernoulli(t, reel_tensor(t, chances, REEL_SHAPE(8, 5))), golden_bernoulli,
                 LENGTH(golden_bernoulli));
    expect_integers(reel_multinomial(t, weights, 12, true), golden_with_replacement, REEL_SHAPE(3, 12), "replaced");
    expect_integers(reel_multinomial(t, weights, 5, false), golden_without_replacement, REEL_SHAPE(3, 5), "kept");
    expect_integers(reel_multinomial(t, weights, 1, true), golden_one, REEL_SHAPE(3, 1), "one");
    expect_integers(reel_multinomial(t, reel_tensor(t, w, REEL_SHAPE(7)), 7, false), golden_of_a_vector, REEL_SHAPE(7),
                    "all of a vector");
    expect_reals(reel_rand(t, REEL_SHAPE(2)), golden_behind, LENGTH(golden_behind));
}

/* Each count is within 5 standard deviations. */
Test(draw, each_comes_as_often_as_its_weight)
{
    enum { N = 40000, CLASSES = 5 };
    static const reel_real w[CLASSES] = {1, 0, 2, 4, 0.5};
    for (int replacement = 0; replacement < 2; replacement++) {
        reel_var weights = reel_expand(t, reel_tensor(t, w, REEL_SHAPE(1, CLASSES)), REEL_SHAPE(N, CLASSES));
        reel_var draws = reel_multinomial(t, weights, replacement ? 2 : 1, replacement != 0);
        int64_t counts[CLASSES] = {0}, n = reel_numel(t, draws);
        for (int64_t i = 0; i < n; i++)
            counts[reel_data_int64(t, draws)[i]]++;
        for (int k = 0; k < CLASSES; k++) {
            double share = (double)w[k] / 7.5, expected = share * (double)n;
            cr_expect(fabs((double)counts[k] - expected) <= 5 * sqrt(expected * (1 - share)), "%d comes %lld times", k,
                      (long long)counts[k]);
        }
        reel_tape_reset(t);
    }
}

Test(draw, without_replacement_nothing_comes_twice)
{
    static const reel_real w[6] = {1, 100, 0, 3, 0.0009765625, 7};
    reel_var weights = reel_expand(t, reel_tensor(t, w, REEL_SHAPE(1, 6)), REEL_SHAPE(500, 6));
    reel_var draws = reel_multinomial(t, weights, 5, false);
    for (int64_t i = 0; i < 500; i++) {
        unsigned seen = 0;
        for (int k = 0; k < 5; k++)
            seen |= 1u << reel_data_int64(t, draws)[i * 5 + k];
        cr_assert_eq(seen, 0x3b);
    }
}

Test(draw, what_is_refused_leaves_the_generator)
{
    static const reel_real bad[3] = {0.5, 1.5, -0.5}, none[4] = {0, 0, 1, 0};
    unsigned char before[REEL_RNG_STATE_SIZE], after[REEL_RNG_STATE_SIZE];
    reel_get_rng_state(c, before);
    reel_var out_of_range = reel_tensor(t, bad, REEL_SHAPE(3)), w = reel_tensor(t, none, REEL_SHAPE(2, 2));
    expect_refused(reel_bernoulli(t, out_of_range), REEL_ERROR_ARGUMENT,
                   "bernoulli: 1.5 at position [1] is no probability");
    expect_refused(reel_bernoulli(t, reel_full(t, REEL_SCALAR, NAN)), REEL_ERROR_ARGUMENT, NULL);
    expect_refused(reel_bernoulli(t, reel_full_int64(t, REEL_SHAPE(2), 1)), REEL_ERROR_DTYPE, NULL);
    expect_refused(reel_multinomial(t, out_of_range, 1, true), REEL_ERROR_ARGUMENT,
                   "multinomial: -0.5 at position [2] is no probability");
    expect_refused(reel_multinomial(t, w, 1, true), REEL_ERROR_ARGUMENT,
                   "multinomial: row 0 has 0 weights above 0, with a sum of 0, for 1 draws");
    expect_refused(reel_multinomial(t, reel_narrow(t, w, 0, 1, 1), 2, false), REEL_ERROR_ARGUMENT, NULL);
    expect_refused(reel_multinomial(t, reel_full(t, REEL_SHAPE(2), INFINITY), 1, true), REEL_ERROR_ARGUMENT, NULL);
    expect_refused(reel_multinomial(t, reel_ones(t, REEL_SHAPE(3)), 0, true), REEL_ERROR_ARGUMENT, NULL);
    expect_refused(reel_multinomial(t, reel_ones(t, REEL_SHAPE(1, 1, 3)), 1, true), REEL_ERROR_SHAPE, NULL);
    reel_get_rng_state(c, after);
    cr_expect_eq(memcmp(before, after, sizeof before), 0);
}
