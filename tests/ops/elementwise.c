/* What the registry walk keeps away from: kinks, ties, special values, stability. Expected values are PyTorch's. */
#include <reel/compare.h>
#include <reel/context.h>
#include <reel/create.h>
#include <reel/elementwise.h>
#include <reel/params.h>
#include <reel/reduce.h>
#include <reel/tape.h>
#include <reel/unary.h>

#include <criterion/criterion.h>
#include <math.h>

#include "core/tape.h"

static reel_context *context;
static reel_tape *tape;

static void set_up(void)
{
    context = reel_context_new(NULL);
    tape = reel_tape_new(context);
    cr_assert(tape);
}

static void tear_down(void)
{
    reel_tape_free(tape);
    reel_context_free(context);
}

TestSuite(elementwise, .init = set_up, .fini = tear_down);

#define NUMBERS(...)                                                                                                   \
    (const double[])                                                                                                   \
    {                                                                                                                  \
        __VA_ARGS__                                                                                                    \
    }

static reel_var vector(int n, const double *values)
{
    reel_shape shape = {1, {n}};
    reel_var v;
    struct reel_node *node = reel_tape_add_array(tape, REEL_REAL, &shape, "a test", &v);
    cr_assert(node);
    for (int i = 0; i < n; i++)
        ((reel_real *)node->array.data)[i] = (reel_real)values[i];
    return v;
}

static void expect_within(const char *what, double relative, reel_var v, int n, const double *values)
{
    const reel_real *data = reel_data_real(tape, v);
    cr_assert(data, "%s: %s", what, reel_error(context));
    for (int i = 0; i < n; i++) {
        double got = (double)data[i], want = values[i];
        bool good = isnan(want)   ? isnan(got)
                    : isinf(want) ? got == want
                                  : fabs(got - want) <= relative * fabs(want) + 1e-30;
        cr_expect(good, "%s: element %d is %.9g, not %.9g", what, i, got, want);
    }
}

static void expect(const char *what, reel_var v, int n, const double *values)
{
    expect_within(what, 1e-6, v, n, values);
}

static void fill_ones(const reel_var *y, reel_var *ones)
{
    reel_shape shape = reel_shape_of(tape, *y);
    struct reel_node *node = reel_tape_add_array(tape, REEL_REAL, &shape, "a test", ones);
    cr_assert(node);
    for (int64_t i = 0; i < node->array.numel; i++)
        ((reel_real *)node->array.data)[i] = 1;
}

/* The gradient of sum(y) by x, by the first-order kernels and by the rules; both must be `values`. */
static void expect_gradient(const char *what, reel_var y, reel_var x, int n, const double *values)
{
    reel_var ones, gradient;
    fill_ones(&y, &ones);
    cr_assert(reel_vjp(tape, y, ones, &x, 1, REEL_GRAD_DEFAULT, &gradient) == REEL_OK, "%s: %s", what,
              reel_error(context));
    expect(what, gradient, n, values);
    cr_assert(reel_vjp(tape, y, ones, &x, 1, REEL_GRAD_CREATE_GRAPH, &gradient) == REEL_OK, "%s: %s", what,
              reel_error(context));
    expect(what, gradient, n, values);
}

Test(elementwise, ties_share_the_gradient)
{
    reel_var a = vector(4, NUMBERS(1, 2, 3, NAN)), b = vector(4, NUMBERS(2, 2, 2, 1));
    reel_var largest = reel_maximum(tape, a, b), least = reel_minimum(tape, a, b);
    expect("maximum", largest, 4, NUMBERS(2, 2, 3, NAN));
    expect("minimum", least, 4, NUMBERS(1, 2, 2, NAN));
    expect_gradient("maximum by a", largest, a, 3, NUMBERS(0, 0.5, 1));
    expect_gradient("maximum by b", largest, b, 3, NUMBERS(1, 0.5, 0));
    expect_gradient("minimum by a", least, a, 3, NUMBERS(1, 0.5, 0));
    expect_gradient("minimum by b", least, b, 3, NUMBERS(0, 0.5, 1));
    expect("maximum of NaN on the other side", reel_maximum(tape, b, a), 4, NUMBERS(2, 2, 3, NAN));
    expect_gradient("maximum_scalar", reel_maximum_scalar(tape, a, 2), a, 3, NUMBERS(0, 0.5, 1));
    expect_gradient("minimum_scalar", reel_minimum_scalar(tape, a, 2), a, 3, NUMBERS(1, 0.5, 0));
}

/* As in PyTorch from 2.15 on. */
Test(elementwise, clamp_has_no_gradient_at_a_bound)
{
    reel_var x = vector(6, NUMBERS(-2, -1, 0, 1, 2, NAN));
    reel_var y = reel_clamp(tape, x, -1, 1);
    expect("clamp", y, 6, NUMBERS(-1, -1, 0, 1, 1, NAN));
    expect_gradient("clamp", y, x, 6, NUMBERS(0, 0, 1, 0, 0, 0));
    expect("crossed bounds", reel_clamp(tape, x, 1, -1), 5, NUMBERS(-1, -1, -1, -1, -1));
}

Test(elementwise, an_infinite_bound_of_clamp_is_none)
{
    reel_var x = vector(4, NUMBERS(-INFINITY, 0, 1e30, INFINITY));
    expect_gradient("clamp from below", reel_clamp(tape, x, 0, INFINITY), x, 4, NUMBERS(0, 0, 1, 1));
    expect_gradient("clamp from above", reel_clamp(tape, x, -INFINITY, 0), x, 4, NUMBERS(1, 0, 0, 0));
}

Test(elementwise, a_number_that_is_none_spreads)
{
    reel_var x = vector(3, NUMBERS(-INFINITY, 0, NAN));
    expect("maximum_scalar", reel_maximum_scalar(tape, x, NAN), 3, NUMBERS(NAN, NAN, NAN));
    expect("minimum_scalar", reel_minimum_scalar(tape, x, NAN), 3, NUMBERS(NAN, NAN, NAN));
}

/* The gradient of the sum of the gradient of the sum. */
static void expect_second(const char *what, reel_var y, reel_var x, int n, const double *values)
{
    reel_var first, second;
    reel_grad(tape, reel_sum_all(tape, y), &x, 1, REEL_GRAD_CREATE_GRAPH, &first);
    reel_grad(tape, reel_sum_all(tape, first), &x, 1, REEL_GRAD_DEFAULT, &second);
    expect_within(what, sizeof(reel_real) == sizeof(float) ? 1e-5 : 1e-12, second, n, values);
}

/* mpmath, 20 digits. */
Test(elementwise, second_derivatives_far_out_and_at_kinks)
{
    reel_var x = vector(3, NUMBERS(-20, 20, 3));
    expect_second("logsigmoid", reel_logsigmoid(tape, x), x, 3,
                  NUMBERS(-2.0611536139418493e-9, -2.0611536139418493e-9, -0.045176659730912133));
    x = vector(3, NUMBERS(-20, 20, 3));
    expect_second("softplus, no threshold", reel_softplus(tape, x, 1, INFINITY), x, 3,
                  NUMBERS(2.0611536139418493e-9, 2.0611536139418493e-9, 0.045176659730912133));
    x = vector(3, NUMBERS(-20, 20, 3));
    expect_second("silu", reel_silu(tape, x), x, 3,
                  NUMBERS(-3.7100764881019119e-8, -3.7100764881019119e-8, -0.032321404521006171));
    x = vector(3, NUMBERS(-6, 6, 2));
    expect_second("gelu", reel_gelu(tape, x, false), x, 3,
                  NUMBERS(-2.0658001689399171e-7, -2.0658001689399171e-7, -0.1079819330263761));
    x = vector(3, NUMBERS(-6, 6, 2));
    expect_second("gelu, tanh form", reel_gelu(tape, x, true), x, 3,
                  NUMBERS(-6.8242472741571894e-9, -6.8242472741571894e-9, -0.10787507995107845));
    x = vector(4, NUMBERS(-1, 0, 1, NAN));
    expect_second("elu", reel_elu(tape, x, 2), x, 4, NUMBERS(2 * exp(-1), 2, 0, NAN));
    x = vector(3, NUMBERS(-1, 0, 1));
    expect_second("softplus, threshold 0", reel_softplus(tape, x, 1, 0), x, 3, NUMBERS(0.19661193324148185, 0.25, 0));
    x = vector(4, NUMBERS(-1e4, -1e10, 1e4, 1e10));
    expect_second("gelu, tanh form, far out", reel_gelu(tape, x, true), x, 4, NUMBERS(0, 0, 0, 0));
}

Test(elementwise, kinks)
{
    reel_var x = vector(4, NUMBERS(-1, 0, -0.0, 2));
    expect_gradient("abs", reel_abs(tape, x), x, 4, NUMBERS(-1, 0, 0, 1));
    expect_gradient("relu", reel_relu(tape, x), x, 4, NUMBERS(0, 0, 0, 1));
    expect_gradient("leaky_relu", reel_leaky_relu(tape, x, 0.25), x, 4, NUMBERS(0.25, 0.25, 0.25, 1));
    expect_gradient("elu", reel_elu(tape, x, 2), x, 4, NUMBERS(2 * exp(-1), 2, 2, 1));
}

Test(elementwise, powers_of_zero)
{
    reel_var base = vector(6, NUMBERS(0, 0, 0, 2, -2, -2)), exponent = vector(6, NUMBERS(0, 1, 3, 0, 3, 0.5));
    reel_var y = reel_pow(tape, base, exponent);
    expect("pow", y, 6, NUMBERS(1, 0, 0, 1, -8, NAN));
    expect_gradient("pow by base", y, base, 5, NUMBERS(0, 1, 0, 0, 12));
    expect_gradient("pow by exponent", y, exponent, 4, NUMBERS(0, 0, 0, log(2)));
    reel_var x = vector(3, NUMBERS(0, 2, -3));
    expect_gradient("pow 0", reel_pow_scalar(tape, x, 0), x, 3, NUMBERS(0, 0, 0));
    expect_gradient("pow 1", reel_pow_scalar(tape, x, 1), x, 3, NUMBERS(1, 1, 1));
    expect_gradient("pow 2", reel_pow_scalar(tape, x, 2), x, 3, NUMBERS(0, 4, -6));
    expect_gradient("pow 3", reel_pow_scalar(tape, x, 3), x, 3, NUMBERS(0, 12, 27));
}

/* Twice differentiated at 0, where the logarithm of the base is infinite. */
Test(elementwise, second_derivative_of_pow_is_finite_at_zero)
{
    reel_var base = vector(2, NUMBERS(0, 2)), exponent = vector(2, NUMBERS(3, 3)), ones, by_exponent, second;
    reel_var y = reel_pow(tape, base, exponent);
    fill_ones(&y, &ones);
    cr_assert(reel_vjp(tape, y, ones, &exponent, 1, REEL_GRAD_CREATE_GRAPH, &by_exponent) == REEL_OK);
    cr_assert(reel_vjp(tape, by_exponent, ones, &exponent, 1, REEL_GRAD_DEFAULT, &second) == REEL_OK);
    expect("by the exponent twice", second, 2, NUMBERS(0, 8 * log(2) * log(2)));
    cr_assert(reel_vjp(tape, by_exponent, ones, &base, 1, REEL_GRAD_DEFAULT, &second) == REEL_OK);
    expect("by both", second, 2, NUMBERS(0, 12 * log(2) + 4));
}

Test(elementwise, large_arguments_are_stable)
{
    reel_var x = vector(6, NUMBERS(-1e4, -200, -50, 50, 200, 1e4));
    expect("sigmoid", reel_sigmoid(tape, x), 6, NUMBERS(0, 0, exp(-50), 1, 1, 1));
    expect("logsigmoid", reel_logsigmoid(tape, x), 6, NUMBERS(-1e4, -200, -50, -exp(-50), 0, 0));
    expect("softplus", reel_softplus(tape, x, 1, INFINITY), 6, NUMBERS(0, 0, exp(-50), 50, 200, 1e4));
    expect("silu", reel_silu(tape, x), 6, NUMBERS(0, 0, -50 * exp(-50), 50, 200, 1e4));
    expect("elu", reel_elu(tape, x, 1), 6, NUMBERS(-1, -1, -1, 50, 200, 1e4));
    expect_gradient("sigmoid", reel_sigmoid(tape, x), x, 6, NUMBERS(0, 0, exp(-50), 0, 0, 0));
    expect_gradient("logsigmoid", reel_logsigmoid(tape, x), x, 6, NUMBERS(1, 1, 1, exp(-50), 0, 0));
    expect_gradient("softplus", reel_softplus(tape, x, 1, INFINITY), x, 6, NUMBERS(0, 0, exp(-50), 1, 1, 1));
    expect_gradient("elu", reel_elu(tape, x, 1), x, 6, NUMBERS(0, 0, exp(-50), 1, 1, 1));
    expect_gradient("gelu", reel_gelu(tape, x, false), x, 6, NUMBERS(0, 0, 0, 1, 1, 1));
    expect_gradient("gelu, tanh", reel_gelu(tape, x, true), x, 6, NUMBERS(0, 0, 0, 1, 1, 1));
}

Test(elementwise, where_stops_what_is_not_chosen)
{
    reel_var x = vector(3, NUMBERS(-1, 0, 4)), zeros = vector(3, NUMBERS(0, 0, 0));
    reel_var y = reel_where(tape, reel_gt_scalar(tape, x, 0), reel_mul_scalar(tape, x, 3), zeros);
    expect("where", y, 3, NUMBERS(0, 0, 12));
    expect_gradient("where", y, x, 3, NUMBERS(0, 0, 3));
}

Test(elementwise, an_operand_used_twice)
{
    reel_var x = vector(3, NUMBERS(1, 2, 3));
    expect_gradient("x + x", reel_add(tape, x, x), x, 3, NUMBERS(2, 2, 2));
    expect_gradient("x * x", reel_mul(tape, x, x), x, 3, NUMBERS(2, 4, 6));
    expect_gradient("x - x", reel_sub(tape, x, x), x, 3, NUMBERS(0, 0, 0));
    expect_gradient("x / x", reel_div(tape, x, x), x, 3, NUMBERS(0, 0, 0));
}

Test(elementwise, conversions)
{
    reel_var x = vector(3, NUMBERS(-1.5, 0, 2.5));
    reel_var same = reel_to_real(tape, x);
    cr_expect(same.number == x.number && same.generation == x.generation, "a real var is returned as it is");
    reel_var whole = reel_to_int64(tape, x);
    const int64_t *integers = reel_data_int64(tape, whole);
    cr_assert(integers);
    cr_expect(integers[0] == -1 && integers[1] == 0 && integers[2] == 2);
    expect("to_real", reel_to_real(tape, whole), 3, NUMBERS(-1, 0, 2));
    expect("logical_not", reel_to_real(tape, reel_logical_not(tape, x)), 3, NUMBERS(0, 1, 0));
    reel_to_int64(tape, vector(3, NUMBERS(0, NAN, 1)));
    cr_expect(reel_context_status(context) == REEL_ERROR_INDEX);
    cr_expect_str_eq(reel_error(context), "to_int64: nan at flat position 1 is no int64");
}

static reel_var int64s(int n, const int64_t *values)
{
    return reel_tensor_of(tape, REEL_INT64, values, REEL_SHAPE(n));
}

static reel_var int32s(int n, const int32_t *values)
{
    return reel_tensor_of(tape, REEL_INT32, values, REEL_SHAPE(n));
}

static void expect_int64(const char *what, reel_var v, int n, const int64_t *values)
{
    const int64_t *data = reel_data_int64(tape, v);
    cr_assert(data, "%s: %s", what, reel_error(context));
    for (int i = 0; i < n; i++)
        cr_expect_eq(data[i], values[i], "%s: element %d is %lld, not %lld", what, i, (long long)data[i],
                     (long long)values[i]);
}

static void expect_int32(const char *what, reel_var v, int n, const int32_t *values)
{
    cr_assert(reel_dtype_of(tape, v) == REEL_INT32, "%s: %s", what, reel_error(context));
    const int32_t *data = reel_data(tape, v);
    for (int i = 0; i < n; i++)
        cr_expect_eq(data[i], values[i], "%s: element %d is %d, not %d", what, i, (int)data[i], (int)values[i]);
}

/* The quotient of the least integer by -1 wraps, as in PyTorch; the processor alone would end the process. */
Test(elementwise, integers_round_down_and_wrap)
{
    reel_var a = int64s(6, (int64_t[]){7, -7, 7, -7, INT64_MIN, INT64_MAX});
    reel_var b = int64s(6, (int64_t[]){2, 2, -2, -2, -1, 1});
    expect_int64("floor_divide", reel_floor_divide(tape, a, b), 6, (int64_t[]){3, -4, -4, 3, INT64_MIN, INT64_MAX});
    expect_int64("remainder", reel_remainder(tape, a, b), 6, (int64_t[]){1, 1, -1, -1, 0, 0});
    expect_int64("add", reel_add(tape, a, b), 6, (int64_t[]){9, -5, 5, -9, INT64_MAX, INT64_MIN});
    expect_int64("sub", reel_sub(tape, a, b), 6, (int64_t[]){5, -9, 9, -5, INT64_MIN + 1, INT64_MAX - 1});
    expect_int64("mul", reel_mul(tape, a, b), 6, (int64_t[]){14, -14, -14, 14, INT64_MIN, INT64_MAX});

    reel_var c = int32s(3, (int32_t[]){INT32_MIN, INT32_MAX, -5}), d = int32s(3, (int32_t[]){-1, 2, 3});
    expect_int32("floor_divide", reel_floor_divide(tape, c, d), 3, (int32_t[]){INT32_MIN, 1073741823, -2});
    expect_int32("remainder", reel_remainder(tape, c, d), 3, (int32_t[]){0, 1, 1});
    expect_int32("add", reel_add(tape, c, d), 3, (int32_t[]){INT32_MAX, INT32_MIN + 1, -2});
    expect_int32("mul", reel_mul(tape, c, d), 3, (int32_t[]){INT32_MIN, -2, -15});
    expect_int64("a number", reel_mul(tape, b, reel_full_int64(tape, REEL_SCALAR, 10)), 6,
                 (int64_t[]){20, 20, -20, -20, -10, 10});
}

Test(elementwise, integers_have_no_gradient)
{
    reel_var a = int64s(2, (int64_t[]){3, 4}), grad;
    reel_var y = reel_sum_all(tape, reel_to_real(tape, reel_mul(tape, a, a)));
    cr_expect_eq(reel_item(tape, y), 25);
    reel_grad(tape, y, &a, 1, REEL_GRAD_DEFAULT, &grad);
    cr_expect_eq(reel_context_status(context), REEL_ERROR_DTYPE, "%s", reel_error(context));
}

Test(elementwise, a_divisor_of_0_is_named)
{
    reel_var a = int64s(2, (int64_t[]){3, 4});
    reel_var zeros = reel_tensor_of(tape, REEL_INT64, (int64_t[]){1, 2, 3, 0}, REEL_SHAPE(2, 2));
    cr_expect(reel_is_null(reel_floor_divide(tape, a, zeros)));
    cr_expect_eq(reel_context_status(context), REEL_ERROR_ARGUMENT);
    cr_expect_str_eq(reel_error(context), "floor_divide: the divisor at position [1, 1] (flat 3) is 0");
    reel_clear_error(context);
    cr_expect(reel_is_null(reel_remainder(tape, a, reel_full_int64(tape, REEL_SCALAR, 0))));
    cr_expect_str_eq(reel_error(context), "remainder: the divisor is 0");
    reel_clear_error(context);
    cr_expect(reel_is_null(reel_add(tape, a, int32s(1, (int32_t[]){1}))));
    cr_expect_str_eq(reel_error(context),
                     "add: the operands are int64 and int32, they must be both int64 or both int32");
}

Test(elementwise, errors_are_worded)
{
    reel_shape shape = {2, {2, 3}};
    reel_var a, b = vector(2, NUMBERS(1, 2));
    cr_assert(reel_tape_add_array(tape, REEL_REAL, &shape, "a test", &a));
    cr_expect(reel_is_null(reel_mul(tape, a, b)));
    cr_expect_str_eq(reel_error(context), "mul: shapes [2, 3] and [2] do not broadcast: axis 1 has 3 and 2");
    reel_clear_error(context);
    cr_expect(reel_is_null(reel_add(tape, a, reel_gt_scalar(tape, a, 0))));
    cr_expect_str_eq(reel_error(context), "add: the second operand is bool, it must be real");
    reel_clear_error(context);
    cr_expect(reel_is_null(reel_softplus(tape, b, 0, 20)));
    cr_expect_str_eq(reel_error(context), "softplus: beta is 0, it must not be 0");
}
