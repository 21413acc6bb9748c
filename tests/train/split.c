/* Splits of a data set into parts. */
#include "support/fixture.h"

#include "golden/loader.h"

#include <math.h>

TestSuite(split, .init = set_up, .fini = tear_down);

Test(split, random_split_is_that_of_pytorch)
{
    const int64_t lengths[] = {10, 0, 13};
    int64_t indices[GOLDEN_N];
    reel_manual_seed(c, 11);
    cr_assert_eq(reel_random_split(c, GOLDEN_N, lengths, 3, indices), REEL_OK);
    cr_assert_arr_eq(indices, golden_split, sizeof golden_split);
}

static void fractions_give(int64_t n, const double *fractions, int parts, const int64_t *golden)
{
    int64_t lengths[3];
    cr_assert_eq(reel_split_lengths(c, n, fractions, parts, lengths), REEL_OK);
    cr_assert_arr_eq(lengths, golden, (size_t)parts * sizeof *lengths);
}

Test(split, lengths_of_fractions_are_those_of_pytorch)
{
    fractions_give(23, golden_thirds, 3, golden_thirds_lengths);
    fractions_give(19, golden_tenths, 3, golden_tenths_lengths);
    fractions_give(7, golden_uneven, 2, golden_uneven_lengths);
}

Test(split, what_is_no_split_is_refused_and_draws_nothing)
{
    const int64_t too_few[] = {3, 6}, too_many[] = {3, 8}, negative[] = {11, -1};
    const double below[] = {0.5, 0.4}, above[] = {0.5, 0.6}, not_a_number[] = {NAN, 1};
    int64_t out[10];
    unsigned char before[REEL_RNG_STATE_SIZE], after[REEL_RNG_STATE_SIZE];
    reel_get_rng_state(c, before);
#define REFUSED(call)                                                                                                  \
    do {                                                                                                               \
        cr_assert_eq(call, REEL_ERROR_ARGUMENT);                                                                       \
        reel_clear_error(c);                                                                                           \
    } while (0)
    REFUSED(reel_random_split(c, 10, too_few, 2, out));
    REFUSED(reel_random_split(c, 10, too_many, 2, out));
    REFUSED(reel_random_split(c, 10, negative, 2, out));
    REFUSED(reel_random_split(c, 10, NULL, 2, out));
    REFUSED(reel_split_lengths(c, 10, below, 2, out));
    REFUSED(reel_split_lengths(c, 10, above, 2, out));
    REFUSED(reel_split_lengths(c, 10, not_a_number, 2, out));
    cr_assert_eq(reel_random_split(NULL, 10, too_few, 2, out), REEL_ERROR_ARGUMENT);
    reel_get_rng_state(c, after);
    cr_assert_arr_eq(before, after, sizeof before);
}

/* sklearn.model_selection.KFold(3).split of 8 and of 7 samples. */
Test(split, folds_are_runs)
{
    const int64_t first[] = {0, 1, 2}, last[] = {6, 7}, others[] = {0, 1, 2, 3, 4, 5};
    int64_t training[8], validation[8];
    cr_assert_eq(reel_fold(c, 8, 3, 0, NULL, training, validation), 3);
    cr_assert_arr_eq(validation, first, sizeof first);
    cr_assert_eq(training[0], 3);
    cr_assert_eq(reel_fold(c, 8, 3, 2, NULL, training, validation), 2);
    cr_assert_arr_eq(validation, last, sizeof last);
    cr_assert_arr_eq(training, others, sizeof others);

    const int64_t order[] = {6, 2, 0, 5, 1, 3, 4}, middle[] = {5, 1}, rest[] = {6, 2, 0, 3, 4};
    cr_assert_eq(reel_fold(c, 7, 3, 1, order, training, validation), 2);
    cr_assert_arr_eq(validation, middle, sizeof middle);
    cr_assert_arr_eq(training, rest, sizeof rest);

    cr_assert_eq(reel_fold(c, 7, 1, 0, NULL, training, validation), 0);
    REFUSED(reel_context_status(c));
    cr_assert_eq(reel_fold(c, 7, 8, 0, NULL, training, validation), 0);
    REFUSED(reel_context_status(c));
    cr_assert_eq(reel_fold(c, 7, 3, 3, NULL, training, validation), 0);
    REFUSED(reel_context_status(c));
}
