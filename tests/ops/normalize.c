/* Normalisation against PyTorch's numbers, far from zero, with any number of threads, and what they
 * refuse. That the gradients are derivatives is for the registry's tests. */
#include "support/fixture.h"

#include "golden/normalize_values.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const bool is_float = sizeof(reel_real) == sizeof(float);

TestSuite(normalize, .init = set_up, .fini = tear_down);

static reel_var numbers(const double *values, reel_shape shape)
{
    reel_real converted[64];
    int64_t n = reel_shape_numel(&shape);
    if (!values)
        return reel_null();
    cr_assert(n <= (int64_t)COUNT(converted));
    for (int64_t i = 0; i < n; i++)
        converted[i] = (reel_real)values[i];
    return reel_tensor(t, converted, shape);
}

static void expect(const struct golden_normalize *g, const char *what, reel_var got, const double *want)
{
    const reel_real *values = reel_data_real(t, got);
    cr_assert_not_null(values, "%s: %s", g->what, reel_error(c));
    for (int64_t i = 0; i < reel_numel(t, got); i++) {
        double value = (double)values[i];
        cr_assert(fabs(value - want[i]) <= (is_float ? 2e-6 : 1e-14) * (fabs(want[i]) + 2),
                  "form %d, %d axes, eps %g, %s: %s %d is %.17g, torch has %.17g", (int)g->form, g->ndim, g->eps,
                  g->what, what, (int)i, value, want[i]);
    }
}

static void compare_gradients(const struct golden_normalize *g, reel_var y, const reel_var *inputs, unsigned flags)
{
    static const char *const names[] = {"gradient of x", "gradient of weight", "gradient of bias"};
    const double *const wanted[] = {g->x_gradient, g->weight_gradient, g->bias_gradient};
    reel_var out = numbers(g->output_gradient, reel_shape_of(t, y));
    for (int k = 0; k < 3; k++) {
        if (!wanted[k])
            continue;
        reel_var grad;
        cr_assert_eq(reel_vjp(t, y, out, &inputs[k], 1, flags, &grad), REEL_OK, "%s: %s", g->what, reel_error(c));
        expect(g, names[k], grad, wanted[k]);
    }
}

Test(normalize, values_and_gradients_are_those_of_pytorch)
{
    for (size_t i = 0; i < COUNT(golden_normalizations); i++) {
        const struct golden_normalize *g = &golden_normalizations[i];
        bool layer = g->form == LAYER_NORM;
        reel_shape shape = reel_shape_make(g->ndim, g->dim);
        reel_shape one = layer ? reel_shape_make(g->axes, g->dim + g->ndim - g->axes) : reel_shape_make(1, g->dim + 1);
        const reel_var inputs[] = {numbers(g->x, shape), numbers(g->weight, one), numbers(g->bias, one)};
        reel_var mean = numbers(g->mean, one), variance = numbers(g->variance, one), y;
        if (layer) {
            y = reel_layer_norm(t, inputs[0], g->axes, inputs[1], inputs[2], g->eps);
        } else if (g->form == BATCH_NORM_EVAL) {
            y = reel_batch_norm_eval(t, inputs[0], mean, variance, inputs[1], inputs[2], g->eps);
        } else {
            y = reel_batch_norm(t, inputs[0], inputs[1], inputs[2], g->eps, &mean, &variance);
            expect(g, "mean", mean, g->mean);
            expect(g, "variance", variance, g->variance);
            reel_var again = reel_batch_norm(t, inputs[0], inputs[1], inputs[2], g->eps, NULL, NULL);
            cr_assert(memcmp(reel_data(t, y), reel_data(t, again), (size_t)reel_numel(t, y) * sizeof(reel_real)) == 0);
        }
        expect(g, "y", y, g->y);
        reel_shape shape_y = reel_shape_of(t, y);
        cr_assert(reel_shape_equal(&shape_y, &shape));
        compare_gradients(g, y, inputs, REEL_GRAD_DEFAULT);
        compare_gradients(g, y, inputs, REEL_GRAD_CREATE_GRAPH);
        cr_assert_eq(reel_tape_reset(t), REEL_OK);
    }
}

/* ---- Far from zero ---- */

/* x, and what its normalisation along the rows or the columns is in long double. The mean of squares minus the square
 * of the mean would have no digit left. What can be asked: a mean that is wrong by its last digits shifts all results
 * by that, and x itself has its last digits there. */
static void check_far(reel_shape shape, bool layer)
{
    int64_t numel = reel_shape_numel(&shape), length = shape.ndim == 3 ? shape.dim[2] : 1, channels = shape.dim[1];
    int64_t groups = layer ? shape.dim[0] : channels, count = numel / groups;
    reel_var x = reel_add_scalar(t, reel_randn(t, shape), 1e4);
    reel_var g = reel_randn(t, shape), grad;
    reel_var y = layer ? reel_layer_norm(t, x, shape.ndim - 1, reel_null(), reel_null(), 1e-5)
                       : reel_batch_norm(t, x, reel_null(), reel_null(), 1e-5, NULL, NULL);
    cr_assert_eq(reel_vjp(t, y, g, &x, 1, REEL_GRAD_DEFAULT, &grad), REEL_OK, "%s", reel_error(c));
    const reel_real *xs = reel_data_real(t, x), *ys = reel_data_real(t, y), *gs = reel_data_real(t, g);
    const reel_real *grads = reel_data_real(t, grad);
    long double *sums = calloc((size_t)groups * 4, sizeof *sums);
    long double *mean = sums, *variance = sums + groups, *mean_g = sums + 2 * groups, *mean_product = sums + 3 * groups;
    for (int pass = 0; pass < 3; pass++)
        for (int64_t i = 0; i < numel; i++) {
            int64_t group = layer ? i / count : i / length % channels;
            long double distance = xs[i] - mean[group] / (pass > 0 ? count : 1);
            if (pass == 0) {
                mean[group] += xs[i];
                mean_g[group] += (long double)gs[i] / count;
            } else if (pass == 1) {
                variance[group] += distance * distance / count;
            } else {
                mean_product[group] += gs[i] * distance / count;
            }
        }
    double tolerance = is_float ? 4e-3 : 8e-12;
    for (int64_t i = 0; i < numel; i++) {
        int64_t group = layer ? i / count : i / length % channels;
        long double distance = xs[i] - mean[group] / count, rstd = 1 / sqrtl(variance[group] + 1e-5L);
        cr_assert(fabsl(ys[i] - distance * rstd) < tolerance, "%d is %g, not %Lg", (int)i, (double)ys[i],
                  distance * rstd);
        long double wanted = rstd * (gs[i] - mean_g[group] - distance * rstd * rstd * mean_product[group]);
        cr_assert(fabsl(grads[i] - wanted) < tolerance * 2, "gradient %d is %g, not %Lg", (int)i, (double)grads[i],
                  wanted);
    }
    free(sums);
}

Test(normalize, means_far_from_zero_keep_their_digits)
{
    check_far(REEL_SHAPE(1000, 70), false);
    check_far(REEL_SHAPE(64, 3), false);
    check_far(REEL_SHAPE(40, 5, 130), false);
    check_far(REEL_SHAPE(70, 1000), true);
    check_far(REEL_SHAPE(5, 40, 130), true);
}

/* Without a spread there is nothing but eps: no NaN, and zeros. */
Test(normalize, values_that_do_not_vary)
{
    reel_var x = reel_full(t, REEL_SHAPE(50, 30), 1e4),
             ys[] = {reel_batch_norm(t, x, reel_null(), reel_null(), 1e-5, NULL, NULL),
                     reel_layer_norm(t, x, 1, reel_null(), reel_null(), 1e-5)};
    for (int k = 0; k < 2; k++)
        for (int i = 0; i < 50 * 30; i++)
            cr_assert(reel_data_real(t, ys[k])[i] == 0);
}

/* The mean of 1000 times 0.1 is a rounding off, and 1 / sqrt(eps) makes a visible number of that. */
Test(normalize, a_constant_that_sums_do_not_hold)
{
    reel_var x = reel_full(t, REEL_SHAPE(2, 1000), 0.1), y = reel_layer_norm(t, x, 1, reel_null(), reel_null(), 1e-5);
    reel_var z =
        reel_batch_norm(t, reel_reshape(t, x, REEL_SHAPE(1000, 2)), reel_null(), reel_null(), 1e-5, NULL, NULL);
    for (int i = 0; i < 2000; i++)
        cr_assert(reel_data_real(t, y)[i] == 0 && reel_data_real(t, z)[i] == 0);
}

/* 1, 2, 3, 4 times a number whose square overflows, or whose cube is 0: y does not know it, the gradient is divided by
 * it. Both ways of the engine. */
Test(normalize, large_and_small_numbers)
{
    const double sizes[] = {is_float ? 1e30 : 1e200, is_float ? 1e-30 : 1e-200};
    const double want[] = {-1.3416407864998738, -0.44721359549995794, 0.44721359549995794, 1.3416407864998738};
    const double flow[] = {1, 0, 0, 0};
    /* rstd (g - mean(g) - xhat mean(g xhat)) of 1, 2, 3, 4 */
    const double gradient[] = {0.26832815729997478, -0.35777087639996635, -0.089442719099991588, 0.17888543819998318};
    for (int s = 0; s < 2; s++)
        for (int batch = 0; batch < 2; batch++) {
            double values[4];
            for (int i = 0; i < 4; i++)
                values[i] = (i + 1) * sizes[s];
            reel_shape shape = batch ? REEL_SHAPE(4, 1) : REEL_SHAPE(1, 4);
            reel_var x = numbers(values, shape), y, grad;
            y = batch ? reel_batch_norm(t, x, reel_null(), reel_null(), 0, NULL, NULL)
                      : reel_layer_norm(t, x, 1, reel_null(), reel_null(), 0);
            for (unsigned flags = 0; flags < 2; flags++) {
                cr_assert_eq(reel_vjp(t, y, numbers(flow, shape), &x, 1, flags, &grad), REEL_OK);
                for (int i = 0; i < 4; i++) {
                    double got = (double)reel_data_real(t, y)[i], slope = (double)reel_data_real(t, grad)[i] * sizes[s];
                    cr_expect(fabs(got - want[i]) <= 1e-6, "size %g: y is %g, not %g", sizes[s], got, want[i]);
                    cr_expect(fabs(slope - gradient[i]) <= 1e-6, "size %g, flags %u: the gradient is %g, not %g",
                              sizes[s], flags, slope, gradient[i]);
                }
            }
        }
}

/* The same by the root mean square: 1, 2, 3, 4 divided by sqrt(7.5), and the gradient of the first, for both orders. */
Test(normalize, squares_that_are_no_numbers)
{
    const double sizes[] = {is_float ? 1e30 : 1e200, is_float ? 1e-30 : 1e-200};
    const double flow[] = {1, 0, 0, 0}, ones[] = {1, 1, 1, 1};
    const double rstd = 1 / sqrt(7.5);
    for (int s = 0; s < 2; s++) {
        double values[4];
        for (int i = 0; i < 4; i++)
            values[i] = (i + 1) * sizes[s];
        const reel_shape shape = REEL_SHAPE(1, 4);
        reel_var x = numbers(values, shape), grad, weight_grad, weight = numbers(ones, REEL_SHAPE(4));
        reel_var y = reel_rms_norm(t, x, 1, weight, 0);
        for (unsigned flags = 0; flags < 2; flags++) {
            cr_assert_eq(reel_vjp(t, y, numbers(flow, shape), &x, 1, flags, &grad), REEL_OK);
            cr_assert_eq(reel_vjp(t, y, numbers(flow, shape), &weight, 1, flags, &weight_grad), REEL_OK);
            cr_expect(fabs((double)reel_data_real(t, weight_grad)[0] - rstd) <= 1e-6);
            for (int i = 0; i < 4; i++) {
                double got = (double)reel_data_real(t, y)[i], slope = (double)reel_data_real(t, grad)[i] * sizes[s];
                /* rstd (g - xhat mean(g xhat)) */
                double gradient = rstd * ((i == 0) - (i + 1) * rstd * rstd / 4);
                cr_expect(fabs(got - (i + 1) * rstd) <= 1e-6, "size %g: y is %g", sizes[s], got);
                cr_expect(fabs(slope - gradient) <= 1e-6, "size %g, flags %u: the gradient is %g, not %g", sizes[s],
                          flags, slope, gradient);
            }
        }
    }
}

/* ---- Numbers times a power of two ---- */

/* Groups of COUNTED elements that are normalised together: rows of a layer norm, columns of a batch norm. */
enum { GROUPS = 3, COUNTED = 6, ELEMENTS = GROUPS * COUNTED };

/* By group and element; the gradients of weight and bias by channel. */
struct orders {
    double y[ELEMENTS], first[ELEMENTS], second[ELEMENTS], by_flow[ELEMENTS];
    double weight[COUNTED], second_weight[COUNTED];
};

static double element(int k, double salt)
{
    return sin(salt + 1.7 * k) + 0.3 * sin(5 * salt + 0.9 * k * k);
}

/* n groups from `group` on, whose elements are multiplied by 2^exponents[group], with their gradients: of
 * sum(y flow) (and of mean and variance), and of sum(first direction) + sum(weight's direction), which takes the second
 * order. What is linear in 1 / 2^exponent is multiplied by it. */
static void add_orders(bool layer, bool statistics, int group, int n, const int *exponents, double eps,
                       struct orders *to)
{
    reel_real x[ELEMENTS], flow[ELEMENTS], direction[ELEMENTS], weight[COUNTED], along[COUNTED];
    reel_real of_mean[GROUPS], of_variance[GROUPS];
    int channels = layer ? COUNTED : n;
    for (int g = 0; g < n; g++) {
        double scale = ldexp(1, exponents[group + g]);
        for (int i = 0; i < COUNTED; i++) {
            int at = layer ? g * COUNTED + i : i * n + g, k = (group + g) * COUNTED + i;
            x[at] = (reel_real)(2 * (double)(reel_real)element(k, 1) * scale);
            flow[at] = (reel_real)element(k, 2);
            direction[at] = (reel_real)((double)(reel_real)element(k, 3) * scale);
        }
        of_mean[g] = (reel_real)(element(group + g, 4) / scale);
        of_variance[g] = (reel_real)(element(group + g, 5) / scale / scale);
    }
    for (int i = 0; i < channels; i++) {
        weight[i] = (reel_real)element(layer ? i : group + i, 6);
        along[i] = (reel_real)element(layer ? i : group + i, 7);
    }
    reel_shape shape = layer ? REEL_SHAPE(n, COUNTED) : REEL_SHAPE(COUNTED, n), one = REEL_SHAPE(channels);
    reel_var inputs[] = {reel_tensor(t, x, shape), reel_tensor(t, flow, shape), reel_tensor(t, weight, one)};
    reel_var bias = reel_zeros(t, one), mean = reel_null(), variance = reel_null();
    reel_var y = layer ? reel_layer_norm(t, inputs[0], 1, inputs[2], bias, eps)
                       : reel_batch_norm(t, inputs[0], inputs[2], bias, eps, &mean, &variance);
    reel_var sum = reel_sum_all(t, reel_mul(t, y, inputs[1]));
    if (statistics && !layer) {
        sum = reel_add(t, sum, reel_sum_all(t, reel_mul(t, mean, reel_tensor(t, of_mean, REEL_SHAPE(n)))));
        sum = reel_add(t, sum, reel_sum_all(t, reel_mul(t, variance, reel_tensor(t, of_variance, REEL_SHAPE(n)))));
    }
    reel_var first[3], graph[3], second[3];
    cr_assert_eq(reel_grad(t, sum, inputs, 3, REEL_GRAD_DEFAULT, first), REEL_OK, "%s", reel_error(c));
    cr_assert_eq(reel_grad(t, sum, inputs, 3, REEL_GRAD_CREATE_GRAPH, graph), REEL_OK, "%s", reel_error(c));
    sum = reel_sum_all(t, reel_mul(t, graph[0], reel_tensor(t, direction, shape)));
    sum = reel_add(t, sum, reel_sum_all(t, reel_mul(t, graph[2], reel_tensor(t, along, one))));
    cr_assert_eq(reel_grad(t, sum, inputs, 3, REEL_GRAD_DEFAULT, second), REEL_OK, "%s", reel_error(c));
    for (int g = 0; g < n; g++)
        for (int i = 0; i < COUNTED; i++) {
            int at = layer ? g * COUNTED + i : i * n + g, k = (group + g) * COUNTED + i;
            double scale = ldexp(1, exponents[group + g]);
            to->y[k] = (double)reel_data_real(t, y)[at];
            to->first[k] = (double)reel_data_real(t, first[0])[at] * scale;
            double recorded = (double)reel_data_real(t, graph[0])[at] * scale;
            cr_expect(fabs(recorded - to->first[k]) <= (is_float ? 1e-5 : 1e-13),
                      "layer %d, 2^%d: the gradient is %.17g, as a graph %.17g", layer, exponents[group + g],
                      to->first[k], recorded);
            to->second[k] = (double)reel_data_real(t, second[0])[at] * scale;
            to->by_flow[k] = (double)reel_data_real(t, second[1])[at];
        }
    for (int i = 0; i < channels; i++) {
        to->weight[layer ? i : group + i] += (double)reel_data_real(t, first[2])[i];
        to->second_weight[layer ? i : group + i] += (double)reel_data_real(t, second[2])[i];
    }
    cr_assert_eq(reel_tape_reset(t), REEL_OK, "%s", reel_error(c));
}

static void expect_near(const char *what, const double *got, const double *want, int n)
{
    for (int i = 0; i < n; i++)
        cr_expect(fabs(got[i] - want[i]) <= (is_float ? 3e-5 : 1e-13) * (1 + fabs(want[i])),
                  "%s %d is %.17g, not %.17g", what, i, got[i], want[i]);
}

/* x times s and eps times s^2 give the same y, and gradients by x that are divided by s: with numbers whose squares and
 * cubes overflow or underflow, the values of the same numbers in the usual range. */
Test(normalize, a_power_of_two_changes_no_digit)
{
    const int near = is_float ? 45 : 360, far = is_float ? 64 : 520;
    const struct {
        int exponents[GROUPS], of_eps;
    } cases[] = {
        {{0, -near, 1}, -near},     {{-near, 0, near}, -near}, {{near, near, near}, near},
        {{-far, 0, far}, -far / 2}, {{far, far, 0}, 0},        {{-far, -far, -far}, -far},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        for (int layer = 0; layer < 2; layer++) {
            struct orders got, want;
            double eps = ldexp(1, 2 * cases[i].of_eps);
            bool statistics = i < 3;
            memset(&got, 0, sizeof got);
            memset(&want, 0, sizeof want);
            add_orders(layer, statistics, 0, GROUPS, cases[i].exponents, eps, &got);
            for (int group = 0; group < GROUPS; group++) {
                const int unscaled[GROUPS] = {0};
                add_orders(layer, statistics, group, 1, unscaled, ldexp(eps, -2 * cases[i].exponents[group]), &want);
            }
            expect_near("y", got.y, want.y, ELEMENTS);
            expect_near("the gradient", got.first, want.first, ELEMENTS);
            expect_near("the second order", got.second, want.second, ELEMENTS);
            expect_near("the second order by the flow", got.by_flow, want.by_flow, ELEMENTS);
            expect_near("the gradient of weight", got.weight, want.weight, layer ? COUNTED : GROUPS);
            expect_near("the second order of weight", got.second_weight, want.second_weight, layer ? COUNTED : GROUPS);
        }
}

Test(normalize, nan_and_infinity_stay_in_their_group)
{
    reel_real values[4 * 3];
    for (int i = 0; i < 12; i++)
        values[i] = (reel_real)(i * i % 7);
    values[4] = NAN;
    reel_var x = reel_tensor(t, values, REEL_SHAPE(4, 3));
    const reel_real *batch = reel_data_real(t, reel_batch_norm(t, x, reel_null(), reel_null(), 1e-5, NULL, NULL));
    const reel_real *layer = reel_data_real(t, reel_layer_norm(t, x, 1, reel_null(), reel_null(), 1e-5));
    for (int i = 0; i < 12; i++) {
        cr_assert(isnan(batch[i]) == (i % 3 == 1));
        cr_assert(isnan(layer[i]) == (i / 3 == 1));
    }
}

/* ---- Threads ---- */

enum { MOST_BITS = 4 * 300 * 400 };

/* All results of a normalisation, one after the other. */
static int64_t collect(reel_shape shape, bool layer, bool affine, reel_real *to)
{
    reel_manual_seed(c, 1);
    reel_var x = reel_randn(t, shape), g = reel_randn(t, shape);
    reel_shape one = reel_shape_make(1, layer ? &shape.dim[shape.ndim - 1] : &shape.dim[1]);
    reel_var inputs[] = {x, affine ? reel_randn(t, one) : reel_null(), affine ? reel_randn(t, one) : reel_null()};
    reel_var results[6], mean = reel_null(), variance = reel_null();
    int n = affine ? 3 : 1;
    results[0] = layer ? reel_layer_norm(t, x, 1, inputs[1], inputs[2], 1e-5)
                       : reel_batch_norm(t, x, inputs[1], inputs[2], 1e-5, &mean, &variance);
    cr_assert_eq(reel_vjp(t, results[0], g, inputs, n, REEL_GRAD_DEFAULT, results + 1), REEL_OK, "%s", reel_error(c));
    n++;
    if (!layer) {
        results[n++] = mean;
        results[n++] = variance;
    }
    int64_t total = 0;
    for (int k = 0; k < n; k++) {
        int64_t numel = reel_numel(t, results[k]);
        cr_assert(total + numel <= MOST_BITS);
        memcpy(to + total, reel_data(t, results[k]), (size_t)numel * sizeof *to);
        total += numel;
    }
    cr_assert_eq(reel_tape_reset(t), REEL_OK);
    return total;
}

Test(normalize, threads_do_not_change_bits)
{
    const reel_shape shapes[] = {{2, {300, 400}}, {2, {1500, 65}}, {2, {65, 1500}}, {3, {20, 70, 90}}};
    reel_real *one = malloc(MOST_BITS * sizeof *one), *more = malloc(MOST_BITS * sizeof *more);
    for (size_t s = 0; s < COUNT(shapes); s++)
        for (int way = 0; way < 4; way++) {
            cr_assert_eq(reel_set_num_threads(c, 1), REEL_OK);
            int64_t n = collect(shapes[s], way & 1, way & 2, one);
            for (int threads = 2; threads <= 4; threads++) {
                cr_assert_eq(reel_set_num_threads(c, threads), REEL_OK);
                collect(shapes[s], way & 1, way & 2, more);
                cr_assert(memcmp(one, more, (size_t)n * sizeof *one) == 0, "shape %d, way %d, %d threads", (int)s, way,
                          threads);
            }
        }
    free(one);
    free(more);
}

/* ---- Errors ---- */

static reel_var batch_norm(reel_var x, reel_var weight, reel_var bias)
{
    return reel_batch_norm(t, x, weight, bias, 1e-5, NULL, NULL);
}

static reel_var layer_norm(reel_var x, int axes, reel_var weight, reel_var bias)
{
    return reel_layer_norm(t, x, axes, weight, bias, 1e-5);
}

Test(normalize, batch_norm_refuses)
{
    reel_var x = reel_ones(t, REEL_SHAPE(4, 3)), two = reel_ones(t, REEL_SHAPE(2)), three = reel_ones(t, REEL_SHAPE(3));
    reel_var row = reel_ones(t, REEL_SHAPE(1, 3)), none = reel_null();
    expect_refused(batch_norm(reel_ones(t, REEL_SHAPE(3)), none, none), REEL_ERROR_SHAPE,
                   "batch_norm: x is [3], it must be [batch, channels] or [batch, channels, ...]");
    expect_refused(batch_norm(reel_ones(t, REEL_SHAPE(1, 3, 1, 1)), none, none), REEL_ERROR_SHAPE, NULL);
    expect_refused(batch_norm(row, none, none), REEL_ERROR_SHAPE,
                   "batch_norm: x is [1, 3], training needs more than 1 value per channel");
    expect_refused(batch_norm(reel_ones(t, REEL_SHAPE(1, 3, 1)), three, three), REEL_ERROR_SHAPE, NULL);
    expect_refused(batch_norm(reel_ones(t, REEL_SHAPE(3, 3, 0)), none, none), REEL_ERROR_SHAPE, NULL);
    expect_refused(batch_norm(x, two, three), REEL_ERROR_SHAPE, "batch_norm: weight is [2], x [4, 3] has 3 channels");
    expect_refused(batch_norm(x, three, two), REEL_ERROR_SHAPE, "batch_norm: bias is [2], x [4, 3] has 3 channels");
    expect_refused(batch_norm(x, two, none), REEL_ERROR_SHAPE, "batch_norm: weight is [2], x [4, 3] has 3 channels");
    expect_refused(batch_norm(x, none, two), REEL_ERROR_SHAPE, "batch_norm: bias is [2], x [4, 3] has 3 channels");
    expect_refused(batch_norm(x, row, none), REEL_ERROR_SHAPE, "batch_norm: weight is [1, 3], x [4, 3] has 3 channels");
    expect_refused(reel_batch_norm(t, x, none, none, -1, NULL, NULL), REEL_ERROR_ARGUMENT,
                   "batch_norm: eps -1 is negative");
    reel_var mean = x, variance = x;
    expect_refused(reel_batch_norm(t, x, two, none, 1e-5, &mean, &variance), REEL_ERROR_SHAPE, NULL);
    cr_assert(reel_is_null(mean) && reel_is_null(variance));
}

Test(normalize, batch_norm_eval_refuses)
{
    reel_var x = reel_ones(t, REEL_SHAPE(4, 3)), two = reel_ones(t, REEL_SHAPE(2)), three = reel_ones(t, REEL_SHAPE(3));
    reel_var none = reel_null();
    expect_refused(reel_batch_norm_eval(t, reel_ones(t, REEL_SHAPE(3)), three, three, none, none, 1e-5),
                   REEL_ERROR_SHAPE, "batch_norm: x is [3], it must be [batch, channels] or [batch, channels, ...]");
    expect_refused(reel_batch_norm_eval(t, x, two, three, none, none, 1e-5), REEL_ERROR_SHAPE,
                   "batch_norm: mean is [2], x [4, 3] has 3 channels");
    expect_refused(reel_batch_norm_eval(t, x, three, two, none, none, 1e-5), REEL_ERROR_SHAPE,
                   "batch_norm: variance is [2], x [4, 3] has 3 channels");
    expect_refused(reel_batch_norm_eval(t, x, three, three, two, three, 1e-5), REEL_ERROR_SHAPE,
                   "batch_norm: weight is [2], x [4, 3] has 3 channels");
    expect_refused(reel_batch_norm_eval(t, x, three, three, none, two, 1e-5), REEL_ERROR_SHAPE,
                   "batch_norm: bias is [2], x [4, 3] has 3 channels");
    cr_assert_not(reel_is_null(reel_batch_norm_eval(t, reel_ones(t, REEL_SHAPE(1, 3)), three, three, none, none, 0)));
    cr_assert_not(reel_is_null(reel_batch_norm_eval(t, reel_ones(t, REEL_SHAPE(0, 3)), three, three, none, none, 0)));
}

Test(normalize, layer_norm_refuses)
{
    reel_var x = reel_ones(t, REEL_SHAPE(2, 3, 4)), four = reel_ones(t, REEL_SHAPE(4)), none = reel_null();
    reel_var matrix = reel_ones(t, REEL_SHAPE(3, 4)), twelve = reel_ones(t, REEL_SHAPE(12));
    expect_refused(layer_norm(x, 0, none, none), REEL_ERROR_ARGUMENT, "layer_norm: 0 normalised axes, x has 3");
    expect_refused(layer_norm(x, 4, none, none), REEL_ERROR_ARGUMENT, "layer_norm: 4 normalised axes, x has 3");
    expect_refused(layer_norm(x, 2, twelve, none), REEL_ERROR_SHAPE,
                   "layer_norm: weight is [12], the normalised axes are [3, 4]");
    expect_refused(layer_norm(x, 2, matrix, four), REEL_ERROR_SHAPE,
                   "layer_norm: bias is [4], the normalised axes are [3, 4]");
    expect_refused(layer_norm(x, 1, none, matrix), REEL_ERROR_SHAPE,
                   "layer_norm: bias is [3, 4], the normalised axes are [4]");
    expect_refused(layer_norm(reel_full_int64(t, REEL_SHAPE(3), 1), 1, none, none), REEL_ERROR_DTYPE, NULL);
    expect_refused(reel_layer_norm(t, x, 1, none, none, -1), REEL_ERROR_ARGUMENT, "layer_norm: eps -1 is negative");
    int64_t much = INT64_C(1) << 40;
    expect_refused(layer_norm(reel_zeros(t, REEL_SHAPE(much, much, 0)), 1, none, none), REEL_ERROR_SHAPE, NULL);
    cr_assert_not(reel_is_null(layer_norm(x, 2, matrix, matrix)));
    cr_assert_not(reel_is_null(layer_norm(reel_zeros(t, REEL_SHAPE(0, 4)), 1, four, none)));
}

Test(normalize, groups_and_root_mean_squares_refuse)
{
    reel_var none = reel_null(), x = reel_ones(t, REEL_SHAPE(2, 6, 4)), three = reel_ones(t, REEL_SHAPE(3));
    const int64_t much = INT64_C(1) << 40;
    expect_refused(reel_rms_norm(t, x, 0, none, 0), REEL_ERROR_ARGUMENT, "rms_norm: 0 normalised axes, x has 3");
    expect_refused(reel_rms_norm(t, x, 1, three, 0), REEL_ERROR_SHAPE,
                   "rms_norm: weight is [3], the normalised axes are [4]");
    expect_refused(reel_rms_norm(t, x, 1, none, -1), REEL_ERROR_ARGUMENT, "rms_norm: eps -1 is negative");
    expect_refused(reel_group_norm(t, x, 0, none, none, 0), REEL_ERROR_ARGUMENT, "group_norm: 0 groups, not 1 or more");
    expect_refused(reel_group_norm(t, x, 4, none, none, 0), REEL_ERROR_SHAPE,
                   "group_norm: x is [2, 6, 4], it must be [batch, channels, ...] with a multiple of 4 channels");
    expect_refused(reel_group_norm(t, three, 1, none, none, 0), REEL_ERROR_SHAPE, NULL);
    expect_refused(reel_group_norm(t, reel_ones(t, REEL_SHAPE(1, 3)), 3, none, none, 0), REEL_ERROR_SHAPE,
                   "group_norm: x is [1, 3], it needs more than 1 value per group");
    expect_refused(reel_group_norm(t, reel_zeros(t, REEL_SHAPE(0, 2, much, much)), 1, none, none, 0), REEL_ERROR_SHAPE,
                   NULL);
    expect_refused(reel_group_norm(t, x, 3, three, none, 0), REEL_ERROR_SHAPE,
                   "group_norm: weight is [3], x [2, 6, 4] has 6 channels");
    expect_refused(reel_group_norm(t, x, 3, none, three, 0), REEL_ERROR_SHAPE,
                   "group_norm: bias is [3], x [2, 6, 4] has 6 channels");
    expect_refused(reel_group_norm(t, x, 3, none, none, -1), REEL_ERROR_ARGUMENT, "group_norm: eps -1 is negative");
    expect_refused(reel_instance_norm(t, reel_ones(t, REEL_SHAPE(2, 6)), none, none, 0), REEL_ERROR_SHAPE, NULL);
    expect_refused(
        reel_instance_norm(t, reel_ones(t, REEL_SHAPE(2, 6, 1, 1)), none, none, 0), REEL_ERROR_SHAPE,
        "instance_norm: x is [2, 6, 1, 1], it must be [batch, channels, ...] with more than 1 value per channel");
    expect_refused(reel_instance_norm(t, reel_ones(t, REEL_SHAPE(2, 0, 4)), none, none, 0), REEL_ERROR_SHAPE, NULL);
    expect_refused(reel_instance_norm(t, x, three, none, 0), REEL_ERROR_SHAPE,
                   "instance_norm: weight is [3], x [2, 6, 4] has 6 channels");
    const reel_real *given =
        reel_data_real(t, reel_rms_norm(t, x, 1, none, (double)(is_float ? FLT_EPSILON : DBL_EPSILON)));
    const reel_real *left = reel_data_real(t, reel_rms_norm(t, x, 1, none, NAN));
    cr_assert(given && left && given[0] == left[0]);
    reel_var small = reel_full(t, REEL_SHAPE(1, 2), 1e-4);
    cr_assert_neq(reel_data_real(t, reel_rms_norm(t, small, 1, none, NAN))[0],
                  reel_data_real(t, reel_rms_norm(t, small, 1, none, 0))[0], "the default of eps counts");
}
