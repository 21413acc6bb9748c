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

/* The logarithm of the draws is each library's own. */
static void expect_near(const char *what, reel_var v, const double *want)
{
    const double epsilon = sizeof(reel_real) == sizeof(float) ? 0x1p-23 : 0x1p-52;
    for (int64_t i = 0; i < reel_numel(t, v); i++) {
        double got = (double)reel_data_real(t, v)[i];
        cr_assert(fabs(got - want[i]) <= 16 * epsilon, "%s %lld: %.17g, not %.17g", what, (long long)i, got, want[i]);
    }
}

/* simple numbers [4, 5] */
static reel_var numbers(bool flipped)
{
    reel_real u[20];
    for (int i = 0; i < 20; i++)
        u[i] = (reel_real)(37 * i % 64 * 2 - 63) / 64;
    reel_var v = reel_tensor(t, u, REEL_SHAPE(4, 5));
    return flipped ? reel_flip(t, v, REEL_AXES(1)) : v;
}

Test(draw, gumbel_softmax_is_that_of_pytorch)
{
    reel_manual_seed(c, 12);
    expect_reals(reel_exponential(t, REEL_SHAPE(10, 10)), golden_exponential, LENGTH(golden_exponential));
    REEL_OPTIONS(gumbel_softmax, soft, soft.tau = 0.7);
    REEL_OPTIONS(gumbel_softmax, hard, hard.hard = true, hard.axis = 0);
    reel_var logits = numbers(true), y = reel_gumbel_softmax(t, logits, &soft), grad;
    reel_grad(t, reel_sum_all(t, reel_mul(t, y, numbers(false))), &logits, 1, 0, &grad);
    expect_near("soft", y, golden_gumbel);
    expect_near("gradient of soft", grad, golden_gumbel_grad);
    y = reel_gumbel_softmax(t, logits, &hard);
    reel_grad(t, reel_sum_all(t, reel_mul(t, y, numbers(false))), &logits, 1, 0, &grad);
    expect_near("hard", y, golden_gumbel_hard);
    expect_near("gradient of hard", grad, golden_gumbel_hard_grad);
}

/* A category comes as often as the label's row says: each count is within 5 standard deviations. */
Test(draw, gumbel_softmax_goes_by_the_label)
{
    enum { N = 20000, LABELS = 3, CATEGORIES = 4 };
    static const reel_real shares[LABELS][CATEGORIES] = {
        {0.1f, 0.2f, 0.3f, 0.4f}, {0.7f, 0.1f, 0.1f, 0.1f}, {0.25f, 0.25f, 0.25f, 0.25f}};
    static int32_t labels[N];
    for (int i = 0; i < N; i++)
        labels[i] = i % LABELS;
    reel_var offsets = reel_log(t, reel_tensor(t, shares[0], REEL_SHAPE(LABELS, CATEGORIES))), grad;
    REEL_OPTIONS(gumbel_softmax, o, o.hard = true, o.offsets = offsets,
                 o.label = reel_tensor_of(t, REEL_INT32, labels, REEL_SHAPE(N)));
    reel_var y = reel_gumbel_softmax(t, reel_zeros(t, REEL_SHAPE(N, CATEGORIES)), &o);
    double counts[LABELS][CATEGORIES] = {{0}};
    for (int i = 0; i < N; i++)
        for (int k = 0; k < CATEGORIES; k++)
            counts[i % LABELS][k] += (double)reel_data_real(t, y)[i * CATEGORIES + k];
    for (int l = 0; l < LABELS; l++)
        for (int k = 0; k < CATEGORIES; k++) {
            double share = (double)shares[l][k], n = (double)N / LABELS, expected = n * share;
            cr_assert(fabs(counts[l][k] - expected) < 5 * sqrt(expected * (1 - share)),
                      "label %d, category %d: %g, not %g", l, k, counts[l][k], expected);
        }
    cr_assert_eq(reel_grad(t, reel_sum_all(t, reel_square(t, y)), &offsets, 1, 0, &grad), REEL_OK);
    cr_assert_neq(reel_data_real(t, grad)[0], 0);
}

Test(draw, gumbel_softmax_refuses)
{
    reel_var logits = numbers(false), table = numbers(true), three = reel_full_int64(t, REEL_SHAPE(3), 1),
             four = reel_full_int64(t, REEL_SHAPE(4), 1);
    reel_manual_seed(c, 3);
    REEL_OPTIONS(gumbel_softmax, o, o.tau = 0);
    expect_refused(reel_gumbel_softmax(t, logits, &o), REEL_ERROR_ARGUMENT,
                   "gumbel_softmax: tau is 0, it must be above 0");
    o.tau = 1;
    o.label = four;
    expect_refused(reel_gumbel_softmax(t, logits, &o), REEL_ERROR_ARGUMENT,
                   "gumbel_softmax: label and offsets go together, one is missing");
    o.offsets = table;
    o.label = three;
    expect_refused(reel_gumbel_softmax(t, logits, &o), REEL_ERROR_SHAPE,
                   "gumbel_softmax: offsets of the labels are [3, 5], the logits [4, 5]");
    o.label = reel_full_int64(t, REEL_SHAPE(4), 9);
    expect_refused(reel_gumbel_softmax(t, logits, &o), REEL_ERROR_INDEX, NULL);
    o.label = four;
    o.axis = 2;
    expect_refused(reel_gumbel_softmax(t, logits, &o), REEL_ERROR_ARGUMENT, NULL);
    /* The generator is where it was. */
    reel_var first = reel_rand(t, REEL_SHAPE(2));
    reel_manual_seed(c, 3);
    reel_var again = reel_rand(t, REEL_SHAPE(2));
    cr_assert_eq(memcmp(reel_data(t, first), reel_data(t, again), 2 * sizeof(reel_real)), 0);
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
