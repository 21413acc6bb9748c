/* The linear layer against plain loops and with its activations, and what it refuses. That its gradients are
 * derivatives is for the registry's tests. */
#include "support/fixture.h"

#include <math.h>
#include <string.h>

static const double epsilon = sizeof(reel_real) == sizeof(float) ? 0x1p-24 : 0x1p-53;

TestSuite(linear, .init = set_up, .fini = tear_down);

static void check_linear(reel_shape shape, int64_t out, bool has_bias)
{
    int64_t in = shape.dim[shape.ndim - 1];
    reel_var x = reel_randn(t, shape), weight = reel_randn(t, REEL_SHAPE(out, in));
    reel_var bias = has_bias ? reel_randn(t, REEL_SHAPE(out)) : reel_null(), y = reel_linear(t, x, weight, bias);
    cr_assert_eq(reel_context_status(c), REEL_OK, "%s", reel_error(c));
    reel_shape wanted = shape, got = reel_shape_of(t, y);
    wanted.dim[shape.ndim - 1] = out;
    cr_assert(reel_shape_equal(&wanted, &got));
    const reel_real *xs = reel_data_real(t, x), *weights = reel_data_real(t, weight), *ys = reel_data_real(t, y);
    for (int64_t i = 0; i < reel_numel(t, y); i++) {
        long double want = has_bias ? reel_data_real(t, bias)[i % out] : 0, terms = fabsl(want);
        for (int64_t j = 0; j < in; j++) {
            long double term = (long double)xs[i / out * in + j] * weights[i % out * in + j];
            want += term;
            terms += fabsl(term);
        }
        cr_assert(fabsl(ys[i] - want) <= (double)(in + 1) * epsilon * terms);
    }
    cr_assert_eq(reel_tape_reset(t), REEL_OK);
}

Test(linear, values)
{
    for (int has_bias = 0; has_bias < 2; has_bias++) {
        check_linear(REEL_SHAPE(7), 5, has_bias);
        check_linear(REEL_SHAPE(3, 7), 5, has_bias);
        check_linear(REEL_SHAPE(2, 3, 7), 5, has_bias);
        check_linear(REEL_SHAPE(2, 1, 3, 7), 1, has_bias);
        check_linear(REEL_SHAPE(0, 7), 5, has_bias);
        check_linear(REEL_SHAPE(3, 0), 5, has_bias);
        check_linear(REEL_SHAPE(3, 7), 0, has_bias);
        check_linear(REEL_SHAPE(64, 794), 256, has_bias);
        check_linear(REEL_SHAPE(64, 33), 65, has_bias);
        check_linear(REEL_SHAPE(2, 20, 64), 64, has_bias);
    }
}

Test(linear, threads_do_not_change_bits)
{
    enum { BATCH = 64, IN = 794, OUT = 512 };
    const reel_real *one[4] = {NULL};
    if (!reel_threads_deterministic())
        cr_skip("this BLAS starts threads of its own");
    reel_var x = reel_randn(t, REEL_SHAPE(BATCH, IN)), weight = reel_randn(t, REEL_SHAPE(OUT, IN)),
             bias = reel_randn(t, REEL_SHAPE(OUT)), inputs[] = {x, weight, bias},
             g = reel_randn(t, REEL_SHAPE(BATCH, OUT));
    for (int threads = 1; threads <= 4; threads++) {
        cr_assert_eq(reel_set_num_threads(c, threads), REEL_OK);
        reel_var results[4] = {reel_linear(t, x, weight, bias)};
        cr_assert_eq(reel_vjp(t, results[0], g, inputs, 3, REEL_GRAD_DEFAULT, results + 1), REEL_OK, "%s",
                     reel_error(c));
        for (int k = 0; k < 4; k++) {
            const reel_real *data = reel_data_real(t, results[k]);
            one[k] = one[k] ? one[k] : data;
            cr_assert(memcmp(one[k], data, (size_t)reel_numel(t, results[k]) * sizeof *data) == 0,
                      "%d threads, result %d", threads, k);
        }
    }
}

static void expect_bits(reel_var a, reel_var b)
{
    cr_assert_eq(reel_context_status(c), REEL_OK, "%s", reel_error(c));
    cr_assert_eq(reel_numel(t, a), reel_numel(t, b));
    cr_assert_eq(memcmp(reel_data(t, a), reel_data(t, b), (size_t)reel_numel(t, a) * sizeof(reel_real)), 0);
}

/* Values and gradients have the bits of the two operations one after the other. */
Test(linear, activations_are_the_operations)
{
    reel_var x = reel_randn(t, REEL_SHAPE(40, 33)), weight = reel_randn(t, REEL_SHAPE(50, 33)),
             bias = reel_randn(t, REEL_SHAPE(50)), inputs[] = {x, weight, bias};
    for (int has_bias = 0; has_bias < 2; has_bias++) {
        reel_var b = has_bias ? bias : reel_null(), y = reel_linear(t, x, weight, b);
        const struct {
            reel_activation kind;
            double slope;
            reel_var y;
        } all[] = {{REEL_ACTIVATION_NONE, 0, y},
                   {REEL_ACTIVATION_RELU, 0, reel_relu(t, y)},
                   {REEL_ACTIVATION_LEAKY_RELU, 0.2, reel_leaky_relu(t, y, 0.2)},
                   {REEL_ACTIVATION_LEAKY_RELU, 0, reel_leaky_relu(t, y, 0)},
                   {REEL_ACTIVATION_LEAKY_RELU, 1.5, reel_leaky_relu(t, y, 1.5)},
                   {REEL_ACTIVATION_TANH, 0, reel_tanh(t, y)}};
        for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
            reel_var fused = reel_linear_activation(t, x, weight, b, all[i].kind, all[i].slope), grads[2][3];
            expect_bits(fused, all[i].y);
            reel_var g = reel_randn(t, REEL_SHAPE(40, 50));
            reel_vjp(t, fused, g, inputs, 2 + has_bias, REEL_GRAD_DEFAULT, grads[0]);
            reel_vjp(t, all[i].y, g, inputs, 2 + has_bias, REEL_GRAD_DEFAULT, grads[1]);
            for (int k = 0; k < 2 + has_bias; k++)
                expect_bits(grads[0][k], grads[1][k]);
        }
    }
}

Test(linear, nan_and_infinity_pass_through_activations)
{
    static const reel_real values[] = {(reel_real)NAN, (reel_real)INFINITY, (reel_real)-INFINITY, -1};
    reel_var x = reel_borrow(t, values, REEL_SHAPE(4, 1)), one = reel_ones(t, REEL_SHAPE(1, 1)), none = reel_null();
    const reel_real *relu = reel_data_real(t, reel_linear_activation(t, x, one, none, REEL_ACTIVATION_RELU, 0)),
                    *tanh_ = reel_data_real(t, reel_linear_activation(t, x, one, none, REEL_ACTIVATION_TANH, 0));
    cr_assert(isnan(relu[0]) && isinf(relu[1]) && relu[2] == 0 && relu[3] == 0);
    cr_assert(isnan(tanh_[0]) && tanh_[1] == 1 && tanh_[2] == -1);
}

static reel_var keep(reel_tape *tape, reel_var grad, void *user)
{
    (void)tape;
    memcpy(user, reel_data(t, grad), (size_t)reel_numel(t, grad) * sizeof(reel_real));
    return reel_null();
}

/* A part that wants no gradient costs none, and changes nothing for the others. */
Test(linear, gradients_of_parts_of_a_joined_input)
{
    enum { ROWS = 5, OUT = 6, WIDTHS = 4 + 7 + 3 };
    static const int64_t width[] = {4, 7, 3};
    reel_var parts[3], weight = reel_randn(t, REEL_SHAPE(OUT, WIDTHS)), g = reel_randn(t, REEL_SHAPE(ROWS, OUT)), all;
    for (int k = 0; k < 3; k++)
        parts[k] = reel_randn(t, REEL_SHAPE(ROWS, width[k]));
    reel_var joined = reel_cat(t, parts, 3, 1), y = reel_linear(t, joined, weight, reel_null());
    cr_assert_eq(reel_vjp(t, y, g, &joined, 1, REEL_GRAD_DEFAULT, &all), REEL_OK, "%s", reel_error(c));
    reel_var other = reel_mul_scalar(t, y, 7), ignored;
    for (int wanted = 1; wanted < 8; wanted++) {
        reel_var xs[3], grads[3];
        /* Leaves other numbers where the next pass works. */
        cr_assert_eq(reel_vjp(t, other, g, &joined, 1, REEL_GRAD_DEFAULT, &ignored), REEL_OK, "%s", reel_error(c));
        int n = 0, start = 0;
        for (int k = 0; k < 3; k++)
            if (wanted >> k & 1)
                xs[n++] = parts[k];
        cr_assert_eq(reel_vjp(t, y, g, xs, n, REEL_GRAD_DEFAULT, grads), REEL_OK, "%s", reel_error(c));
        n = 0;
        for (int k = 0; k < 3; start += (int)width[k], k++) {
            const reel_real *got = wanted >> k & 1 ? reel_data_real(t, grads[n++]) : NULL;
            for (int i = 0; got && i < ROWS * width[k]; i++)
                cr_assert_float_eq(got[i], reel_data_real(t, all)[i / width[k] * WIDTHS + start + i % width[k]],
                                   32 * epsilon);
        }
    }
    /* Who looks at the joined gradient sees all of it, and it may have several sources. */
    reel_real seen[ROWS * WIDTHS];
    reel_register_hook(t, joined, keep, seen);
    reel_var twice = reel_add(t, y, reel_linear(t, joined, weight, reel_null())), grad;
    cr_assert_eq(reel_vjp(t, twice, g, &parts[2], 1, REEL_GRAD_DEFAULT, &grad), REEL_OK, "%s", reel_error(c));
    for (int i = 0; i < ROWS * WIDTHS; i++)
        cr_assert_float_eq(seen[i], 2 * reel_data_real(t, all)[i], 64 * epsilon);
    for (int i = 0; i < ROWS * 3; i++)
        cr_assert_float_eq(reel_data_real(t, grad)[i], seen[i / 3 * WIDTHS + 11 + i % 3], 64 * epsilon);
}

Test(linear, errors_name_the_shapes)
{
    reel_var vector = reel_ones(t, REEL_SHAPE(3)), matrix = reel_ones(t, REEL_SHAPE(2, 3)),
             scalar = reel_ones(t, REEL_SCALAR), none = reel_null();
    expect_refused(reel_linear(t, matrix, reel_ones(t, REEL_SHAPE(64, 10)), none), REEL_ERROR_SHAPE,
                   "linear: x has 3 columns, weight [64, 10] takes 10");
    expect_refused(reel_linear(t, matrix, vector, none), REEL_ERROR_SHAPE, "linear: weight [3] is not a matrix");
    expect_refused(reel_linear(t, scalar, matrix, none), REEL_ERROR_SHAPE, "linear: x is a scalar");
    expect_refused(reel_linear(t, matrix, matrix, vector), REEL_ERROR_SHAPE,
                   "linear: bias [3] does not fit the 2 outputs");
    expect_refused(reel_linear_activation(t, matrix, matrix, none, REEL_ACTIVATION_LEAKY_RELU, -0.5),
                   REEL_ERROR_ARGUMENT, "linear: negative_slope is -0.5, not 0 or more");
    expect_refused(reel_linear_activation(t, matrix, matrix, none, (reel_activation)7, 0), REEL_ERROR_ARGUMENT,
                   "linear: there is no activation 7");
}
