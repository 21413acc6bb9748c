/* Drawing by weight: how often numbers occur, and that neither threads nor sizes matter. */
#include "support/allocator.h"
#include "support/fixture.h"

#include <math.h>
#include <stdlib.h>

TestSuite(alias, .init = set_up, .fini = tear_down);

/* The sum of (count - expected)^2 / expected over the numbers with weight; those without must not occur. With k of them
 * it is k - 1 on average, with a variance of 2 (k - 1). */
static void draws_follow(reel_alias *alias, const double *weights, int64_t n)
{
    enum { DRAWS = 1 << 20 };
    cr_assert_not_null(alias, "%s", reel_error(c));
    reel_var v = reel_alias_draw(t, alias, REEL_SHAPE(DRAWS / 4, 4));
    const int64_t *drawn = reel_data_int64(t, v);
    int64_t *counts = calloc((size_t)n, sizeof *counts);
    double sum = 0, deviation = 0, freedom = -1;
    for (int64_t i = 0; i < DRAWS; i++) {
        cr_assert(drawn[i] >= 0 && drawn[i] < n);
        counts[drawn[i]]++;
    }
    for (int64_t i = 0; i < n; i++)
        sum += weights[i];
    for (int64_t i = 0; i < n; i++) {
        double expected = weights[i] / sum * DRAWS, distance = (double)counts[i] - expected;
        if (weights[i] == 0)
            cr_assert_eq(counts[i], 0, "%d has no weight", (int)i);
        else
            deviation += distance * distance / expected, freedom++;
    }
    free(counts);
    cr_assert(deviation <= freedom + 5 * sqrt(2 * freedom), "%g for %g degrees of freedom", deviation, freedom);
    reel_alias_free(alias);
    reel_tape_reset(t);
}

Test(alias, numbers_occur_by_their_weights)
{
    enum { N = 1000 };
    static double weights[N];
    for (int i = 0; i < N; i++)
        weights[i] = i % 7 == 0 ? 0 : 1 + i % 50;
    draws_follow(reel_alias_new(c, weights, N), weights, N);
    for (int i = 0; i < N; i++)
        weights[i] = 1.0 / (N - i); /* few with most of it */
    draws_follow(reel_alias_new(c, weights, N), weights, N);
    const double thirds[] = {1, 1, 1}, one[] = {1e-300}, last[] = {0, 0, 5}, first[] = {1e300, 0, 1e-300};
    draws_follow(reel_alias_new(c, thirds, 3), thirds, 3);
    draws_follow(reel_alias_new(c, one, 1), one, 1);
    draws_follow(reel_alias_new(c, last, 3), last, 3);
    const double all_but[] = {1, 0, 0};
    draws_follow(reel_alias_new(c, first, 3), all_but, 3);
}

Test(alias, counts_to_a_power)
{
    const int64_t counts[] = {0, 1, 16, 81, 10000};
    const double to_075[] = {0, 1, 8, 27, 1000}, to_0[] = {0, 1, 1, 1, 1};
    draws_follow(reel_alias_new_of_counts(c, counts, 5, 0.75), to_075, 5);
    draws_follow(reel_alias_new_of_counts(c, counts, 5, 0), to_0, 5);
}

/* Of two numbers as likely as one and three, pairs of neighbours are as likely as the product. */
Test(alias, draws_are_independent)
{
    const double weights[] = {1, 3};
    enum { DRAWS = 1 << 20 };
    reel_alias *alias = reel_alias_new(c, weights, 2);
    const int64_t *drawn = reel_data_int64(t, reel_alias_draw(t, alias, REEL_SHAPE(DRAWS)));
    for (int64_t apart = 1; apart <= 64; apart++) {
        double pairs = 0, expected = (DRAWS - 64) * 9.0 / 16;
        for (int64_t i = 0; i < DRAWS - 64; i++)
            pairs += drawn[i] == 1 && drawn[i + apart] == 1;
        cr_assert(fabs(pairs - expected) < 5 * sqrt(2 * expected), "%d apart", (int)apart);
    }
    reel_alias_free(alias);
}

Test(alias, neither_threads_nor_the_size_change_an_element)
{
    enum { N = 50000 };
    double weights[10];
    for (int i = 0; i < 10; i++)
        weights[i] = i;
    reel_alias *alias = reel_alias_new(c, weights, 10);
    static int64_t first[N];
    for (int threads = 1; threads <= 4; threads++) {
        reel_set_num_threads(c, threads);
        reel_manual_seed(c, 3);
        int64_t n = threads == 1 ? N : N - 33 * threads;
        const int64_t *drawn = reel_data_int64(t, reel_alias_draw(t, alias, REEL_SHAPE(n)));
        if (threads == 1)
            memcpy(first, drawn, sizeof first);
        cr_assert_arr_eq(drawn, first, (size_t)n * sizeof *first);
    }
    const int64_t *next = reel_data_int64(t, reel_alias_draw(t, alias, REEL_SHAPE(N)));
    cr_assert_neq(memcmp(next, first, sizeof first), 0, "a second draw repeats the first");
    reel_alias_free(alias);
}

Test(alias, what_does_not_fit_is_refused)
{
    const double zeros[] = {0, 0}, negative[] = {1, -1}, no_number[] = {1, NAN}, infinite[] = {1, INFINITY};
    const int64_t counts[] = {1, -1}, good[] = {1, 2};
    const double *const bad[] = {zeros, negative, no_number, infinite, NULL};
    for (int i = 0; i < 5; i++) {
        cr_assert_null(reel_alias_new(c, bad[i], 2));
        cr_assert_eq(reel_context_status(c), REEL_ERROR_ARGUMENT);
        reel_clear_error(c);
    }
    cr_assert_null(reel_alias_new(c, negative, 0));
    reel_clear_error(c);
    cr_assert_null(reel_alias_new_of_counts(c, counts, 2, 1));
    reel_clear_error(c);
    cr_assert_null(reel_alias_new_of_counts(c, good, 2, NAN));
    reel_clear_error(c);
    expect_refused(reel_alias_draw(t, NULL, REEL_SHAPE(3)), REEL_ERROR_ARGUMENT, NULL);
    reel_alias *alias = reel_alias_new_of_counts(c, good, 2, 1);
    expect_refused(reel_alias_draw(t, alias, REEL_SHAPE(-1)), REEL_ERROR_SHAPE, NULL);
    cr_assert(!reel_is_null(reel_alias_draw(t, alias, REEL_SHAPE(0, 4))));
    reel_alias_free(alias);
    cr_assert_null(reel_alias_new(NULL, negative, 1));
}

Test(alias, memory_runs_out_without_harm)
{
    const double weights[] = {1, 2, 3};
    struct counting counts;
    reel_context *context = counting_context(&counts, 1);
    for (int fail_at = 0; fail_at < 3; fail_at++) {
        counts.calls = 0;
        counts.fail_at = fail_at;
        cr_assert_null(reel_alias_new(context, weights, 3), "allocation %d", fail_at);
        cr_assert_eq(reel_context_status(context), REEL_ERROR_OUT_OF_MEMORY);
        reel_clear_error(context);
    }
    reel_alias_free(reel_alias_new(context, weights, 3));
    reel_context_free(context);
    cr_assert_eq(counts.live, 0);
}
