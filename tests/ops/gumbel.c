/* Gumbel softmax: PyTorch's draws and gradients, how often each category comes, and what is refused. */
#include "support/fixture.h"

#include "golden/gumbel.h"

#include <math.h>
#include <string.h>

TestSuite(gumbel, .init = set_up, .fini = tear_down);

static void expect_bits(reel_var v, const double *want)
{
    for (int64_t i = 0; i < reel_numel(t, v); i++)
        cr_assert_eq(reel_data_real(t, v)[i], (reel_real)want[i], "%lld", (long long)i);
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

Test(gumbel, is_that_of_pytorch)
{
    reel_manual_seed(c, 12);
    expect_bits(reel_exponential(t, REEL_SHAPE(10, 10)), golden_exponential);
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
Test(gumbel, goes_by_the_label)
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

Test(gumbel, refuses)
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
