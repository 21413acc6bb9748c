/* The losses against PyTorch's numbers, and what their shapes and errors are. That the gradients are derivatives is for
 * the registry's tests. */
#include "support/fixture.h"

#include "golden/loss_values.h"

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

TestSuite(loss, .init = set_up, .fini = tear_down);

static reel_var numbers(int64_t n, const double *values, reel_shape shape)
{
    reel_real converted[64];
    cr_assert(n <= (int64_t)COUNT(converted));
    for (int64_t i = 0; i < n; i++)
        converted[i] = (reel_real)values[i];
    return reel_tensor(t, converted, shape);
}

static reel_var weights(int n, const double *values)
{
    return n > 0 ? numbers(n, values, REEL_SHAPE(n)) : reel_null();
}

static reel_var apply(const struct golden_loss *g, reel_var x, reel_var target)
{
    reel_var weight = weights(g->weights, g->weight), pos_weight = weights(g->pos_weights, g->pos_weight);
    REEL_OPTIONS(loss, plain, plain.reduction = g->reduction);
    REEL_OPTIONS(smooth_l1_loss, smooth, smooth.reduction = g->reduction, smooth.beta = g->beta);
    REEL_OPTIONS(bce_loss, bce, bce.reduction = g->reduction, bce.weight = weight);
    REEL_OPTIONS(bce_with_logits_loss, logits, logits.reduction = g->reduction, logits.weight = weight,
                 logits.pos_weight = pos_weight);
    REEL_OPTIONS(nll_loss, nll, nll.reduction = g->reduction, nll.weight = weight, nll.ignore_index = g->ignore_index);
    REEL_OPTIONS(cross_entropy_loss, cross, cross.reduction = g->reduction, cross.weight = weight,
                 cross.ignore_index = g->ignore_index, cross.label_smoothing = g->label_smoothing);
    switch (g->loss) {
    case LOSS_MSE:
        return reel_mse_loss_with(t, x, target, &plain);
    case LOSS_L1:
        return reel_l1_loss_with(t, x, target, &plain);
    case LOSS_SMOOTH_L1:
        return reel_smooth_l1_loss_with(t, x, target, &smooth);
    case LOSS_BCE:
        return reel_bce_loss_with(t, x, target, &bce);
    case LOSS_BCE_WITH_LOGITS:
        return reel_bce_with_logits_loss_with(t, x, target, &logits);
    case LOSS_NLL:
        return reel_nll_loss_with(t, x, target, &nll);
    case LOSS_CROSS_ENTROPY:
        return reel_cross_entropy_loss_with(t, x, target, &cross);
    }
    return reel_null();
}

/* How large the terms of a sum may be, which may cancel each other. */
static double largest_term(const struct golden_loss *g)
{
    double largest = 0.1;
    reel_shape shape = reel_shape_make(g->ndim, g->dim);
    for (int64_t i = 0; g->reduction != REEL_NONE && i < reel_shape_numel(&shape); i++)
        largest = fmax(largest, fabs(g->x[i]));
    return largest;
}

/* torch divides by float 1e-12 in bce's gradient, also in double. */
static void expect(const struct golden_loss *g, const char *what, reel_var got, int64_t n, const double *want,
                   double terms)
{
    const reel_real *values = reel_data_real(t, got);
    cr_assert_not_null(values, "%s: %s", g->what, reel_error(c));
    cr_assert_eq(reel_numel(t, got), n);
    double relative = sizeof(reel_real) == sizeof(float) ? 2e-6 : g->loss == LOSS_BCE ? 1e-8 : 1e-13;
    for (int64_t i = 0; i < n; i++) {
        double value = (double)values[i];
        bool same = isnan(want[i])   ? isnan(value)
                    : isinf(want[i]) ? value == want[i]
                                     : fabs(value - want[i]) <= relative * (fabs(want[i]) + terms);
        cr_assert(same, "loss %d, %s, reduction %d: %s %d is %.17g, torch has %.17g", (int)g->loss, g->what,
                  (int)g->reduction, what, (int)i, value, want[i]);
    }
}

static void compare_gradients(const struct golden_loss *g, reel_var x, reel_var target, reel_var y, unsigned flags)
{
    reel_var grads[2], xs[] = {x, target};
    reel_var ones = reel_ones_like(t, y);
    int n = g->target_gradient ? 2 : 1;
    cr_assert_eq(reel_vjp(t, y, ones, xs, n, flags | REEL_GRAD_ALLOW_UNUSED, grads), REEL_OK, "%s", reel_error(c));
    int64_t numel = reel_numel(t, x);
    if (reel_is_null(grads[0]))
        grads[0] = reel_zeros_like(t, x);
    expect(g, "gradient of x", grads[0], numel, g->x_gradient, 0.1);
    if (n == 2)
        expect(g, "gradient of the target", grads[1], numel, g->target_gradient, 0.1);
}

Test(loss, values_and_gradients_are_those_of_pytorch)
{
    for (size_t i = 0; i < COUNT(golden_losses); i++) {
        const struct golden_loss *g = &golden_losses[i];
        reel_shape shape = reel_shape_make(g->ndim, g->dim), target_shape = shape;
        if (g->classes) {
            int axis = g->ndim > 1;
            for (int k = axis; k + 1 < g->ndim; k++)
                target_shape.dim[k] = shape.dim[k + 1];
            target_shape.ndim--;
        }
        reel_var x = numbers(reel_shape_numel(&shape), g->x, shape);
        reel_var target = g->classes ? reel_tensor_of(t, REEL_INT64, g->classes, target_shape)
                                     : numbers(reel_shape_numel(&shape), g->target, shape);
        reel_var y = apply(g, x, target);
        expect(g, "loss", y, g->values, g->value, largest_term(g));
        compare_gradients(g, x, target, y, REEL_GRAD_DEFAULT);
        compare_gradients(g, x, target, y, REEL_GRAD_CREATE_GRAPH);
        cr_assert_eq(reel_tape_reset(t), REEL_OK);
    }
}

Test(loss, short_forms_average)
{
    reel_var x = reel_tensor(t, (reel_real[]){0.5f, 0.25f}, REEL_SHAPE(2));
    reel_var y = reel_tensor(t, (reel_real[]){1, 0}, REEL_SHAPE(2));
    reel_var logits = reel_tensor(t, (reel_real[]){1, 2, 2, 1}, REEL_SHAPE(2, 2));
    reel_var classes = reel_tensor_of(t, REEL_INT64, (int64_t[]){1, 1}, REEL_SHAPE(2));
    cr_assert_float_eq(reel_item(t, reel_mse_loss(t, x, y)), (0.25 + 0.0625) / 2, 1e-7);
    cr_assert_float_eq(reel_item(t, reel_l1_loss(t, x, y)), 0.375, 1e-7);
    cr_assert_float_eq(reel_item(t, reel_smooth_l1_loss(t, x, y)), (0.125 + 0.03125) / 2, 1e-7);
    cr_assert_float_eq(reel_item(t, reel_bce_loss(t, x, y)), -(log(0.5) + log(0.75)) / 2, 1e-7);
    cr_assert_float_eq(reel_item(t, reel_bce_with_logits_loss(t, x, y)), (log1p(exp(-0.5)) + log1p(exp(0.25))) / 2,
                       1e-7);
    cr_assert_float_eq(reel_item(t, reel_nll_loss(t, logits, classes)), -1.5, 1e-7);
    cr_assert_float_eq(reel_item(t, reel_cross_entropy_loss(t, logits, classes)), log1p(exp(-1)) + 0.5, 1e-7);
    cr_assert_float_eq(reel_item(t, reel_hinge_loss_real(t, logits)), 0, 1e-7);
    cr_assert_float_eq(reel_item(t, reel_hinge_loss_real(t, x)), 0.625, 1e-7);
    cr_assert_float_eq(reel_item(t, reel_hinge_loss_fake(t, x)), 1.375, 1e-7);
    cr_assert_eq(reel_context_status(c), REEL_OK, "%s", reel_error(c));
}

Test(loss, a_mean_over_nothing_is_nan)
{
    reel_var x = reel_zeros(t, REEL_SHAPE(0, 3)), logits = reel_zeros(t, REEL_SHAPE(2, 3));
    reel_var none = reel_full_int64(t, REEL_SHAPE(0), 0), ignored = reel_full_int64(t, REEL_SHAPE(2), -100), grad;
    cr_assert(isnan(reel_item(t, reel_mse_loss(t, x, x))));
    cr_assert(isnan(reel_item(t, reel_cross_entropy_loss(t, x, none))));
    reel_var loss = reel_cross_entropy_loss(t, logits, ignored);
    cr_assert(isnan(reel_item(t, loss)));
    cr_assert_eq(reel_grad(t, loss, &logits, 1, REEL_GRAD_DEFAULT, &grad), REEL_OK, "%s", reel_error(c));
    for (int i = 0; i < 6; i++)
        cr_assert_eq(reel_data_real(t, grad)[i], 0);
}

Test(loss, errors_name_the_numbers)
{
    reel_var x = reel_zeros(t, REEL_SHAPE(2, 3, 4)), wide = reel_zeros(t, REEL_SHAPE(64, 1)),
             flat = reel_zeros(t, REEL_SHAPE(64)), two = reel_full(t, REEL_SHAPE(2, 2), 2);
    int64_t targets[] = {0, 1, 2, 0, 1, 2, 3, 0};
    reel_var wrong = reel_tensor_of(t, REEL_INT64, targets, REEL_SHAPE(2, 4));
    expect_refused(reel_cross_entropy_loss(t, x, wrong), REEL_ERROR_INDEX,
                   "cross_entropy_loss: target 3 at position [1, 2] (flat 6) is outside 0..2");
    expect_refused(reel_nll_loss(t, flat, reel_full_int64(t, REEL_SCALAR, -1)), REEL_ERROR_INDEX,
                   "nll_loss: target -1 is outside 0..63");
    expect_refused(reel_mse_loss(t, wide, flat), REEL_ERROR_SHAPE,
                   "mse_loss: x is [64, 1] and the target [64]; they must have the same shape (reshape or expand one)");
    expect_refused(reel_bce_loss(t, two, two), REEL_ERROR_ARGUMENT,
                   "bce_loss: x is 2 at position [0, 0] (flat 0), it must be a probability in 0..1 (logits go to "
                   "bce_with_logits_loss)");
}

/* A wrong option is refused by the weighted forms too, which are made of several operations. */
Test(loss, weighted_forms_check_their_options)
{
    reel_var x = reel_zeros(t, REEL_SHAPE(2, 3)), two = reel_zeros(t, REEL_SHAPE(2));
    reel_var weight = reel_ones(t, REEL_SHAPE(3));
    reel_bce_with_logits_loss_options o = reel_bce_with_logits_loss_defaults();
    o.weight = two;
    expect_refused(reel_bce_with_logits_loss_with(t, x, x, &o), REEL_ERROR_SHAPE, NULL);
    o.weight = reel_null();
    o.pos_weight = two;
    expect_refused(reel_bce_with_logits_loss_with(t, x, x, &o), REEL_ERROR_SHAPE, NULL);
    o.pos_weight = weight;
    o.reduction = (reel_reduction)9;
    expect_refused(reel_bce_with_logits_loss_with(t, x, x, &o), REEL_ERROR_ARGUMENT, NULL);
    o.reduction = REEL_MEAN;
    expect_refused(reel_bce_with_logits_loss_with(t, x, two, &o), REEL_ERROR_SHAPE, NULL);
}

Test(loss, nan_passes_through)
{
    reel_var x = reel_full(t, REEL_SHAPE(3), NAN), y = reel_zeros(t, REEL_SHAPE(3));
    reel_var class = reel_full_int64(t, REEL_SCALAR, 1);
    cr_assert(isnan(reel_item(t, reel_mse_loss(t, x, y))));
    cr_assert(isnan(reel_item(t, reel_l1_loss(t, x, y))));
    cr_assert(isnan(reel_item(t, reel_smooth_l1_loss(t, x, y))));
    cr_assert(isnan(reel_item(t, reel_bce_loss(t, x, y))));
    cr_assert(isnan(reel_item(t, reel_bce_with_logits_loss(t, x, y))));
    cr_assert(isnan(reel_item(t, reel_cross_entropy_loss(t, x, class))));
    cr_assert(isnan(reel_item(t, reel_nll_loss(t, x, class))));
    cr_assert(isnan(reel_item(t, reel_hinge_loss_real(t, x))));
}

static void expect_gradient_both_ways(const char *what, reel_var loss, reel_var x, int n, const double *want)
{
    for (unsigned flags = 0; flags < 2; flags++) {
        reel_var grad;
        cr_assert_eq(reel_grad(t, loss, &x, 1, flags, &grad), REEL_OK, "%s: %s", what, reel_error(c));
        cr_assert_eq(reel_numel(t, grad), n);
        for (int i = 0; i < n; i++) {
            double got = (double)reel_data_real(t, grad)[i];
            cr_expect(isnan(want[i]) ? isnan(got) : fabs(got - want[i]) <= 1e-6,
                      "%s, flags %u: element %d is %g, not %g", what, flags, i, got, want[i]);
        }
    }
}

/* PyTorch's values, but for the last: a row that is ignored gives NaN there when it holds one. */
Test(loss, cross_entropy_of_what_does_not_count)
{
    const double x[] = {.2, .3, .5, .1}, bad[] = {NAN, 1, 0, 1}, zero[] = {0, 1}, nothing[4] = {0};
    const int64_t ignored[] = {-100, -100}, first[] = {0, 0}, second[] = {-100, 1};
    reel_var logits = numbers(4, x, REEL_SHAPE(2, 2)), hostile = numbers(4, bad, REEL_SHAPE(2, 2));
    reel_cross_entropy_loss_options o = reel_cross_entropy_loss_defaults();
    expect_gradient_both_ways("all ignored",
                              reel_cross_entropy_loss(t, logits, reel_tensor_of(t, REEL_INT64, ignored, REEL_SHAPE(2))),
                              logits, 4, nothing);
    reel_var none = reel_zeros(t, REEL_SHAPE(0, 2)), no_targets = reel_tensor_of(t, REEL_INT64, first, REEL_SHAPE(0));
    expect_gradient_both_ways("no rows", reel_cross_entropy_loss(t, none, no_targets), none, 0, nothing);
    o.weight = numbers(2, zero, REEL_SHAPE(2));
    expect_gradient_both_ways(
        "weights of 0",
        reel_cross_entropy_loss_with(t, logits, reel_tensor_of(t, REEL_INT64, first, REEL_SHAPE(2)), &o), logits, 4,
        (const double[]){NAN, NAN, NAN, NAN});
    double share = 1 / (1 + exp(1));
    expect_gradient_both_ways("NaN in an ignored row",
                              reel_cross_entropy_loss(t, hostile, reel_tensor_of(t, REEL_INT64, second, REEL_SHAPE(2))),
                              hostile, 4, (const double[]){0, 0, share, -share});
}

Test(loss, smooth_l1_at_nan_and_at_beta)
{
    const double x[] = {NAN, 0.5, 1, -1, 2}, none[5] = {0};
    reel_smooth_l1_loss_options o = reel_smooth_l1_loss_defaults();
    o.reduction = REEL_SUM;
    reel_var v = numbers(5, x, REEL_SHAPE(5)), target = numbers(5, none, REEL_SHAPE(5)), first, second;
    expect_gradient_both_ways("smooth_l1", reel_smooth_l1_loss_with(t, v, target, &o), v, 5,
                              (const double[]){NAN, 0.5, 1, -1, 1});
    cr_assert_eq(reel_grad(t, reel_smooth_l1_loss_with(t, v, target, &o), &v, 1, REEL_GRAD_CREATE_GRAPH, &first),
                 REEL_OK);
    cr_assert_eq(reel_grad(t, reel_sum_all(t, first), &v, 1, REEL_GRAD_DEFAULT, &second), REEL_OK);
    for (int i = 1; i < 5; i++)
        cr_expect_eq(reel_data_real(t, second)[i], i == 1, "element %d", i);
    o.beta = 1e-320; /* 0 in float */
    expect_gradient_both_ways("beta all but 0", reel_smooth_l1_loss_with(t, target, target, &o), target, 5, none);
}

/* s(x) s(-x), also where 1 - s(x) has no digits left. */
Test(loss, bce_with_logits_bends_far_out)
{
    const double x[] = {-20, 20}, none[2] = {0};
    reel_bce_with_logits_loss_options o = reel_bce_with_logits_loss_defaults();
    o.reduction = REEL_SUM;
    reel_var v = numbers(2, x, REEL_SHAPE(2)), first, second;
    reel_var loss = reel_bce_with_logits_loss_with(t, v, numbers(2, none, REEL_SHAPE(2)), &o);
    cr_assert_eq(reel_grad(t, loss, &v, 1, REEL_GRAD_CREATE_GRAPH, &first), REEL_OK);
    cr_assert_eq(reel_grad(t, reel_sum_all(t, first), &v, 1, REEL_GRAD_DEFAULT, &second), REEL_OK);
    for (int i = 0; i < 2; i++)
        cr_expect_float_eq((double)reel_data_real(t, second)[i], 2.061153618190203e-09, 1e-13);
}

/* More than one block for each thread, and the same bits for any number of them. */
Test(loss, threads_do_not_change_bits)
{
    enum { ROWS = 5000, CLASSES = 21 };
    reel_real first[4] = {0};
    for (int threads = 1; threads <= 4; threads++) {
        cr_assert_eq(reel_set_num_threads(c, threads), REEL_OK);
        reel_manual_seed(c, 1);
        reel_var x = reel_randn(t, REEL_SHAPE(ROWS, CLASSES));
        reel_var target = reel_rand(t, REEL_SHAPE(ROWS, CLASSES));
        reel_var classes = reel_randint(t, 0, CLASSES, REEL_SHAPE(ROWS));
        reel_var losses[] = {reel_bce_with_logits_loss(t, x, target), reel_cross_entropy_loss(t, x, classes)};
        for (int i = 0; i < 2; i++) {
            reel_var grad;
            cr_assert_eq(reel_grad(t, losses[i], &x, 1, REEL_GRAD_DEFAULT, &grad), REEL_OK, "%s", reel_error(c));
            reel_real value = (reel_real)reel_item(t, losses[i]), last = reel_data_real(t, grad)[ROWS * CLASSES - 1];
            if (threads == 1) {
                first[2 * i] = value;
                first[2 * i + 1] = last;
            }
            cr_assert(value == first[2 * i] && last == first[2 * i + 1], "%d threads", threads);
        }
        cr_assert_eq(reel_tape_reset(t), REEL_OK);
    }
}

Test(loss, int32_targets_are_classes_too)
{
    const int64_t wide[] = {2, -100, 0}, outside[] = {2, 3, 0};
    const int32_t narrow[] = {2, -100, 0}, narrow_outside[] = {2, 3, 0};
    reel_var x = reel_randn(t, REEL_SHAPE(3, 3)), y = reel_tensor_of(t, REEL_INT64, wide, REEL_SHAPE(3)),
             z = reel_tensor_of(t, REEL_INT32, narrow, REEL_SHAPE(3));
    cr_assert_eq(reel_item(t, reel_cross_entropy_loss(t, x, z)), reel_item(t, reel_cross_entropy_loss(t, x, y)));
    cr_assert_eq(reel_item(t, reel_nll_loss(t, x, z)), reel_item(t, reel_nll_loss(t, x, y)));
    reel_var by_wide, by_narrow;
    reel_grad(t, reel_cross_entropy_loss(t, x, y), &x, 1, 0, &by_wide);
    reel_grad(t, reel_cross_entropy_loss(t, x, z), &x, 1, 0, &by_narrow);
    cr_assert_eq(memcmp(reel_data(t, by_wide), reel_data(t, by_narrow), 9 * sizeof(reel_real)), 0);
    expect_refused(reel_nll_loss(t, x, reel_tensor_of(t, REEL_INT32, narrow_outside, REEL_SHAPE(3))), REEL_ERROR_INDEX,
                   "nll_loss: target 3 at position [1] is outside 0..2");
    expect_refused(reel_nll_loss(t, x, reel_tensor_of(t, REEL_INT64, outside, REEL_SHAPE(3))), REEL_ERROR_INDEX,
                   "nll_loss: target 3 at position [1] is outside 0..2");
    expect_refused(reel_nll_loss(t, x, x), REEL_ERROR_DTYPE, NULL);
}
