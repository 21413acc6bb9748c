/* Which masks dropout draws, and when it draws none. The masks themselves are tests/kern/dropout.c's; that the gradient
 * has the mask of its call is the registry's, in one call; here it is among several. */
#include "support/fixture.h"

#include <math.h>
#include <string.h>

enum { N = 1000 };

TestSuite(dropout, .init = set_up, .fini = tear_down);

static const reel_real *mask(double probability)
{
    const reel_real *values = reel_data_real(t, reel_dropout(t, reel_ones(t, REEL_SHAPE(N)), probability, true));
    cr_assert_not_null(values, "%s", reel_error(c));
    return values;
}

static bool same(const reel_real *a, const reel_real *b)
{
    return memcmp(a, b, N * sizeof *a) == 0;
}

Test(dropout, every_call_draws_and_the_seed_restarts)
{
    reel_manual_seed(c, 5);
    const reel_real *first = mask(0.5), *second = mask(0.5);
    cr_assert_not(same(first, second));
    reel_manual_seed(c, 5);
    cr_assert(same(first, mask(0.5)));
    cr_assert(same(second, mask(0.5)));
    reel_manual_seed(c, 6);
    cr_assert_not(same(first, mask(0.5)));
}

Test(dropout, a_stream_of_draws_is_put_aside_and_goes_on)
{
    reel_manual_seed(c, 5);
    mask(0.5);
    const reel_real *second = mask(0.5);
    cr_assert_eq(reel_philox_draws(c), 2);
    reel_set_philox_draws(c, 1);
    cr_assert(same(second, mask(0.5)));
    cr_assert_eq(reel_philox_draws(c), 2);
    cr_assert_eq(reel_philox_draws(NULL), 0);
}

Test(dropout, kept_elements_are_scaled)
{
    static const double ps[] = {0.1, 0.5, 0.75};
    for (int k = 0; k < 3; k++) {
        const reel_real *m = mask(ps[k]);
        int kept = 0;
        for (int i = 0; i < N; i++) {
            cr_assert(m[i] == 0 || m[i] == (reel_real)(1 / (1 - ps[k])));
            kept += m[i] != 0;
        }
        cr_assert(fabs(kept - N * (1 - ps[k])) < 5 * sqrt(N * ps[k] * (1 - ps[k])));
    }
    const reel_real *nothing = mask(1);
    for (int i = 0; i < N; i++)
        cr_assert(nothing[i] == 0);
}

/* x itself comes back, and no mask is drawn. */
Test(dropout, evaluation_and_p_0)
{
    reel_var x = reel_randn(t, REEL_SHAPE(N));
    reel_manual_seed(c, 7);
    const reel_real *wanted = mask(0.5);
    reel_manual_seed(c, 7);
    static const double ps[] = {0, 0.5, 1};
    for (int k = 0; k < 3; k++) {
        reel_var y = reel_dropout(t, x, ps[k], false);
        cr_assert(y.number == x.number && reel_data(t, y) == reel_data(t, x));
    }
    cr_assert_eq(reel_data(t, reel_dropout(t, x, 0, true)), reel_data(t, x));
    cr_assert(same(wanted, mask(0.5)));
}

Test(dropout, a_failing_call_draws_nothing)
{
    reel_var x = reel_ones(t, REEL_SHAPE(N));
    reel_manual_seed(c, 8);
    const reel_real *wanted = mask(0.5);
    reel_manual_seed(c, 8);
    for (int training = 0; training < 2; training++) {
        expect_refused(reel_dropout(t, x, 1.5, training), REEL_ERROR_ARGUMENT, "dropout: p 1.5 is outside 0..1");
        expect_refused(reel_dropout(t, x, -0.25, training), REEL_ERROR_ARGUMENT, "dropout: p -0.25 is outside 0..1");
        cr_assert(reel_is_null(reel_dropout(t, x, NAN, training)));
        cr_assert_eq(reel_context_status(c), REEL_ERROR_ARGUMENT);
        reel_clear_error(c);
    }
    cr_assert(reel_is_null(reel_dropout(t, reel_full_int64(t, REEL_SHAPE(3), 1), 0.5, true)));
    cr_assert_eq(reel_context_status(c), REEL_ERROR_DTYPE);
    reel_clear_error(c);
    cr_assert(reel_is_null(reel_dropout(t, reel_null(), 0.5, true)));
    reel_clear_error(c);
    cr_assert(same(wanted, mask(0.5)));
}

Test(dropout, random_numbers_are_not_touched)
{
    unsigned char before[REEL_RNG_STATE_SIZE], after[REEL_RNG_STATE_SIZE];
    reel_manual_seed(c, 9);
    const reel_real *wanted = reel_data_real(t, reel_randn(t, REEL_SHAPE(N)));
    const reel_real *wanted_mask = mask(0.5);
    reel_manual_seed(c, 9);
    cr_assert_eq(reel_get_rng_state(c, before), REEL_OK);
    cr_assert(same(wanted_mask, mask(0.5)), "the mask depends on how many numbers were drawn before");
    cr_assert_eq(reel_get_rng_state(c, after), REEL_OK);
    cr_assert(memcmp(before, after, sizeof before) == 0);
    cr_assert(same(wanted, reel_data_real(t, reel_randn(t, REEL_SHAPE(N)))));
}

/* Also where the gradient is added to another, and where it is recorded. */
Test(dropout, the_gradient_has_the_mask_of_its_call)
{
    reel_var x = reel_ones(t, REEL_SHAPE(N)), first = reel_dropout(t, x, 0.3, true),
             second = reel_dropout(t, x, 0.6, true), grads[3];
    for (unsigned flags = 0; flags <= REEL_GRAD_CREATE_GRAPH; flags += REEL_GRAD_CREATE_GRAPH) {
        reel_var ys[] = {first, second};
        for (int k = 0; k < 2; k++)
            cr_assert_eq(reel_grad(t, reel_sum_all(t, ys[k]), &x, 1, flags, &grads[k]), REEL_OK, "%s", reel_error(c));
        cr_assert(same(reel_data_real(t, grads[0]), reel_data_real(t, first)));
        cr_assert(same(reel_data_real(t, grads[1]), reel_data_real(t, second)));
    }
    reel_var deep = reel_dropout(t, first, 0.5, true);
    cr_assert_eq(reel_grad(t, reel_sum_all(t, deep), &x, 1, REEL_GRAD_DEFAULT, &grads[2]), REEL_OK);
    cr_assert(same(reel_data_real(t, grads[2]), reel_data_real(t, deep)));
}
