/* Metrics against scikit-learn. */
#include "support/allocator.h"
#include "support/fixture.h"

#include "golden/metrics.h"

#include <math.h>

TestSuite(metrics, .init = set_up, .fini = tear_down);

static void expect_error(reel_status status)
{
    cr_assert_eq(reel_context_status(c), status, "%s", reel_error(c));
    reel_clear_error(c);
}

Test(metrics, mean_of_values_with_weights)
{
    reel_running_mean mean = {0};
    cr_assert(isnan(reel_running_mean_value(&mean)));
    reel_running_mean_add(&mean, 2, 64);
    reel_running_mean_add(&mean, 5, 32);
    cr_assert_eq(reel_running_mean_value(&mean), 3);
    reel_running_mean_add(&mean, NAN, 1);
    cr_assert(isnan(reel_running_mean_value(&mean)));
}

Test(metrics, accuracies_are_those_of_sklearn)
{
    reel_var scores = reel_borrow(t, golden_scores, REEL_SHAPE(GOLDEN_N, GOLDEN_CLASSES));
    reel_var target = reel_borrow_of(t, REEL_INT64, golden_target, REEL_SHAPE(GOLDEN_N));
    reel_var predicted = reel_argmax(t, scores, 1, false);
    cr_assert_arr_eq(reel_data(t, predicted), golden_predicted, sizeof golden_predicted);
    cr_assert_eq(reel_accuracy(t, predicted, target), golden_accuracy);
    for (int k = 1; k < GOLDEN_CLASSES; k++)
        cr_assert_eq(reel_top_k_accuracy(t, scores, target, k), golden_top_k[k - 1], "k = %d", k);
    cr_assert_eq(reel_top_k_accuracy(t, scores, target, GOLDEN_CLASSES), 1);
}

Test(metrics, what_is_not_a_number_is_not_right)
{
    static const reel_real scores[] = {NAN, 0, 1, 1, NAN, 2};
    static const int64_t classes[] = {0, 2};
    reel_var x = reel_borrow(t, scores, REEL_SHAPE(2, 3)),
             target = reel_borrow_of(t, REEL_INT64, classes, REEL_SHAPE(2));
    cr_assert_eq(reel_top_k_accuracy(t, x, target, 1), 0);
    cr_assert_eq(reel_top_k_accuracy(t, x, target, 2), 0.5);
    reel_var none = reel_zeros(t, REEL_SHAPE(0, 3)), no_target = reel_borrow_of(t, REEL_INT64, NULL, REEL_SHAPE(0));
    cr_assert(isnan(reel_top_k_accuracy(t, none, no_target, 1)));
    cr_assert(isnan(reel_accuracy(t, no_target, no_target)));
    cr_assert_eq(reel_context_status(c), REEL_OK);
}

Test(metrics, confusion_matrix_is_that_of_sklearn)
{
    int64_t counts[GOLDEN_CLASSES * GOLDEN_CLASSES] = {0};
    static int32_t narrow[GOLDEN_N];
    for (int i = 0; i < GOLDEN_N; i++)
        narrow[i] = (int32_t)golden_target[i];
    for (int first = 0; first < GOLDEN_N; first += GOLDEN_N / 2) { /* in two batches */
        reel_var predicted = reel_borrow_of(t, REEL_INT64, golden_predicted + first, REEL_SHAPE(GOLDEN_N / 2));
        reel_var target = reel_borrow_of(t, REEL_INT32, narrow + first, REEL_SHAPE(GOLDEN_N / 2));
        cr_assert_eq(reel_confusion_matrix(t, predicted, target, GOLDEN_CLASSES, counts), REEL_OK);
    }
    cr_assert_arr_eq(counts, golden_confusion, sizeof counts);
}

Test(metrics, area_is_that_of_sklearn)
{
    static reel_real real_clicks[GOLDEN_SAMPLES];
    static bool bools[GOLDEN_SAMPLES];
    for (int i = 0; i < GOLDEN_SAMPLES; i++)
        real_clicks[i] = (reel_real)(bools[i] = golden_clicks[i] != 0);
    const struct {
        reel_dtype dtype;
        const void *data;
    } kinds[] = {{REEL_INT64, golden_clicks}, {REEL_REAL, real_clicks}, {REEL_BOOL, bools}};
    reel_auc *auc = reel_auc_new(c);
    cr_assert(isnan(reel_auc_value(auc)));
    for (int k = 0; k < 3; k++) {
        enum { HALF = GOLDEN_SAMPLES / 2 };
        for (int half = 0; half < 2; half++) {
            const char *data = (const char *)kinds[k].data + (size_t)half * HALF * reel_dtype_size(kinds[k].dtype);
            reel_var scores = reel_borrow(t, golden_click_scores + half * HALF, REEL_SHAPE(HALF / 4, 4));
            reel_var target = reel_borrow_of(t, kinds[k].dtype, data, REEL_SHAPE(HALF / 4, 4));
            cr_assert_eq(reel_auc_add(auc, t, scores, target), REEL_OK, "%s", reel_error(c));
            double got = reel_auc_value(auc), want = half ? golden_auc : golden_auc_of_half;
            cr_assert(fabs(got - want) <= 1e-15, "%.17g, not %.17g", got, want);
        }
        reel_auc_reset(auc);
        cr_assert(isnan(reel_auc_value(auc)));
    }
    reel_auc_free(auc);
}

/* By the definition, over all pairs. */
Test(metrics, area_of_extreme_scores)
{
    const reel_real scores[] = {-INFINITY, -1e30f, -1, -0x1p-120f, -0.0f, 0, 0x1p-120f, 1, 1e30f, INFINITY};
    for (int mask = 1; mask < 1023; mask++) {
        bool labels[10];
        double wins = 0, pairs = 0;
        for (int i = 0; i < 10; i++)
            labels[i] = mask >> i & 1;
        for (int i = 0; i < 10; i++)
            for (int j = 0; j < 10; j++)
                if (labels[i] && !labels[j]) {
                    pairs++;
                    wins += scores[i] > scores[j] ? 1 : scores[i] == scores[j] ? 0.5 : 0;
                }
        reel_auc *auc = reel_auc_new(c);
        reel_auc_add(auc, t, reel_borrow(t, scores, REEL_SHAPE(10)),
                     reel_borrow_of(t, REEL_BOOL, labels, REEL_SHAPE(10)));
        cr_assert_eq(reel_auc_value(auc), wins / pairs);
        reel_auc_free(auc);
        reel_tape_reset(t);
    }
}

Test(metrics, memory_runs_out_without_harm)
{
    struct counting counts;
    reel_context *context = counting_context(&counts, 1);
    reel_tape *tape = reel_tape_new(context);
    reel_var scores = reel_borrow(tape, golden_click_scores, REEL_SHAPE(GOLDEN_SAMPLES));
    reel_var target = reel_borrow_of(tape, REEL_INT64, golden_clicks, REEL_SHAPE(GOLDEN_SAMPLES));
    for (int fail_at = 0, failed = 1; failed; fail_at++) {
        failed = 0;
        counts.calls = 0;
        counts.fail_at = fail_at;
        reel_auc *auc;
        while (!(auc = reel_auc_new(context))) {
            reel_clear_error(context);
            failed = 1;
        }
        while (reel_auc_add(auc, tape, scores, target) != REEL_OK) {
            cr_assert_eq(reel_context_status(context), REEL_ERROR_OUT_OF_MEMORY);
            reel_clear_error(context);
            failed = 1;
        }
        double value = reel_auc_value(auc);
        if (isnan(value)) {
            cr_assert_eq(reel_context_status(context), REEL_ERROR_OUT_OF_MEMORY);
            reel_clear_error(context);
            failed = 1;
            value = reel_auc_value(auc);
        }
        cr_assert(fabs(value - golden_auc) <= 1e-15);
        reel_auc_free(auc);
    }
    reel_tape_free(tape);
    reel_context_free(context);
    cr_assert_eq(counts.live, 0);
}

Test(metrics, what_does_not_fit_is_refused)
{
    static const int64_t outside[] = {0, 5, 1};
    static const reel_real two[] = {0, 1, 2}, no_number[] = {0, NAN, 1}, one[] = {0, 1, 1};
    reel_var labels = reel_borrow_of(t, REEL_INT64, outside, REEL_SHAPE(3)), reals = reel_borrow(t, one, REEL_SHAPE(3)),
             scores = reel_zeros(t, REEL_SHAPE(3, 5)), few = reel_full_int64(t, REEL_SHAPE(2), 1);
    int64_t counts[25] = {0}, nothing[25] = {0};
    cr_assert(isnan(reel_accuracy(t, reals, labels)));
    expect_error(REEL_ERROR_DTYPE);
    cr_assert(isnan(reel_accuracy(t, labels, few)));
    expect_error(REEL_ERROR_SHAPE);
    cr_assert(isnan(reel_top_k_accuracy(t, scores, labels, 1)));
    cr_assert_str_eq(reel_error(c), "top_k_accuracy: target has class 5 at position [1], outside 0..4");
    expect_error(REEL_ERROR_INDEX);
    cr_assert(isnan(reel_top_k_accuracy(t, scores, few, 1)));
    expect_error(REEL_ERROR_SHAPE);
    cr_assert(isnan(reel_top_k_accuracy(t, labels, labels, 1)));
    expect_error(REEL_ERROR_DTYPE);
    cr_assert(isnan(reel_top_k_accuracy(t, scores, labels, 0)));
    expect_error(REEL_ERROR_ARGUMENT);
    cr_assert_eq(reel_confusion_matrix(t, few, few, 5, NULL), REEL_ERROR_ARGUMENT);
    expect_error(REEL_ERROR_ARGUMENT);
    cr_assert_eq(reel_confusion_matrix(t, labels, labels, 5, counts), REEL_ERROR_INDEX);
    expect_error(REEL_ERROR_INDEX);
    cr_assert_arr_eq(counts, nothing, sizeof counts);
    reel_auc *auc = reel_auc_new(c);
    cr_assert_eq(reel_auc_add(auc, t, reals, reel_borrow(t, two, REEL_SHAPE(3))), REEL_ERROR_ARGUMENT);
    expect_error(REEL_ERROR_ARGUMENT);
    cr_assert_eq(reel_auc_add(auc, t, reel_borrow(t, no_number, REEL_SHAPE(3)), reals), REEL_ERROR_ARGUMENT);
    expect_error(REEL_ERROR_ARGUMENT);
    cr_assert_eq(reel_auc_add(auc, t, labels, reals), REEL_ERROR_DTYPE);
    expect_error(REEL_ERROR_DTYPE);
    cr_assert_eq(reel_auc_add(auc, t, scores, reals), REEL_ERROR_SHAPE);
    expect_error(REEL_ERROR_SHAPE);
    cr_assert(isnan(reel_auc_value(auc)), "something was added");
    reel_auc_free(auc);
    cr_assert_eq(reel_auc_add(NULL, t, reals, reals), REEL_ERROR_ARGUMENT);
    cr_assert(isnan(reel_auc_value(NULL)));
}
