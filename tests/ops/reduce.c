/* Values of the reductions and of softmax, where they are delicate: ties, empty axes, infinities, large numbers. That
 * the gradients are derivatives is for the registry's tests. */
#include <reel/compare.h>
#include <reel/context.h>
#include <reel/create.h>
#include <reel/elementwise.h>
#include <reel/gradcheck.h>
#include <reel/reduce.h>
#include <reel/softmax.h>
#include <reel/tape.h>
#include <reel/unary.h>
#include <reel/view.h>

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

static reel_context *c;
static reel_tape *t;

static void begin(void)
{
    c = reel_context_new(NULL);
    t = reel_tape_new(c);
}

static void end(void)
{
    reel_tape_free(t);
    reel_context_free(c);
}

TestSuite(reduce_ops, .init = begin, .fini = end);

#define VECTOR(...)                                                                                                    \
    reel_tensor(t, (reel_real[]){__VA_ARGS__}, REEL_SHAPE(sizeof((reel_real[]){__VA_ARGS__}) / sizeof(reel_real)))

static void expect(reel_var v, reel_shape shape, const double *want)
{
    const reel_real *values = reel_data_real(t, v);
    cr_assert_not_null(values, "%s", reel_error(c));
    reel_shape got = reel_shape_of(t, v);
    cr_assert(reel_shape_equal(&got, &shape));
    for (int64_t i = 0; i < reel_shape_numel(&shape); i++) {
        double value = (double)values[i];
        bool same = isnan(want[i]) ? isnan(value) : value == want[i] || fabs(value - want[i]) <= 3e-7 * fabs(want[i]);
        cr_assert(same, "element %d is %.9g, not %.9g", (int)i, value, want[i]);
    }
}
#define EXPECT(v, shape, ...) expect(v, shape, (double[]){__VA_ARGS__})

/* The gradient of sum(y) with respect to x; both ways of the engine must give it. */
#define EXPECT_GRADIENT(y, x, shape, ...)                                                                              \
    do {                                                                                                               \
        reel_var y_ = (y), x_ = (x), grad_;                                                                            \
        cr_assert_eq(reel_vjp(t, y_, reel_ones_like(t, y_), &x_, 1, REEL_GRAD_DEFAULT, &grad_), REEL_OK, "%s",         \
                     reel_error(c));                                                                                   \
        EXPECT(grad_, shape, __VA_ARGS__);                                                                             \
        reel_vjp(t, y_, reel_ones_like(t, y_), &x_, 1, REEL_GRAD_CREATE_GRAPH, &grad_);                                \
        EXPECT(grad_, shape, __VA_ARGS__);                                                                             \
    } while (0)

Test(reduce_ops, shapes_and_values)
{
    reel_var x = reel_reshape(t, reel_arange(t, 0, 24, 1), REEL_SHAPE(2, 3, 4));
    EXPECT(reel_sum(t, x, REEL_AXES(1), false), REEL_SHAPE(2, 4), 12, 15, 18, 21, 48, 51, 54, 57);
    EXPECT(reel_sum(t, x, REEL_AXES(-1, 0), false), REEL_SHAPE(3), 60, 92, 124);
    EXPECT(reel_mean(t, x, REEL_AXES(0, 2), true), REEL_SHAPE(1, 3, 1), 7.5, 11.5, 15.5);
    EXPECT(reel_sum_all(t, x), REEL_SCALAR, 276);
    EXPECT(reel_mean_all(t, x), REEL_SCALAR, 11.5);
    EXPECT(reel_sum(t, x, NULL, 0, true), REEL_SHAPE(1, 1, 1), 276);
    EXPECT(reel_amax(t, x, REEL_AXES(0, 1), false), REEL_SHAPE(4), 20, 21, 22, 23);
    EXPECT(reel_amin(t, x, REEL_AXES(2), false), REEL_SHAPE(2, 3), 0, 4, 8, 12, 16, 20);
    EXPECT(reel_sum_to_size(t, x, REEL_SHAPE(3, 1)), REEL_SHAPE(3, 1), 60, 92, 124);
    EXPECT(reel_sum_to_size(t, x, REEL_SHAPE(2, 3, 4)), REEL_SHAPE(2, 3, 4), 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12,
           13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23);
    reel_var at = reel_argmax(t, x, 1, false);
    cr_assert_eq(reel_data_int64(t, at)[7], 2);
    cr_assert_eq(reel_dtype_of(t, at), REEL_INT64);
}

Test(reduce_ops, nothing_to_reduce)
{
    reel_var x = reel_zeros(t, REEL_SHAPE(0, 2)), y = reel_zeros(t, REEL_SHAPE(2, 0));
    EXPECT(reel_sum(t, x, REEL_AXES(0), false), REEL_SHAPE(2), 0, 0);
    EXPECT(reel_mean(t, x, REEL_AXES(0), false), REEL_SHAPE(2), NAN, NAN);
    EXPECT(reel_variance(t, x, REEL_AXES(0), 1, false), REEL_SHAPE(2), NAN, NAN);
    EXPECT(reel_norm(t, y, 2, REEL_AXES(1), false), REEL_SHAPE(2), 0, 0);
    EXPECT(reel_logsumexp(t, y, REEL_AXES(1), true), REEL_SHAPE(2, 1), -INFINITY, -INFINITY);
    cr_assert_eq(reel_numel(t, reel_amax(t, x, REEL_AXES(1), false)), 0);
    cr_assert_eq(reel_numel(t, reel_argmax(t, x, 1, false)), 0);
    cr_assert(reel_is_null(reel_amin(t, x, NULL, 0, false)));
    cr_assert_eq(reel_context_status(c), REEL_ERROR_SHAPE);
    cr_assert_str_eq(reel_error(c), "amin: [0, 2] has nothing to choose from along an axis of size 0");
}

Test(reduce_ops, huge_axes_without_elements)
{
    const int64_t huge = (int64_t)1 << 40;
    reel_var x = reel_zeros(t, REEL_SHAPE(huge, 0, 2));
    cr_assert_eq(reel_numel(t, reel_softmax(t, x, 1)), 0);
    EXPECT(reel_sum_all(t, x), REEL_SCALAR, 0);
    EXPECT(reel_mean(t, x, NULL, 0, true), REEL_SHAPE(1, 1, 1), NAN);
    cr_assert_eq(reel_numel(t, reel_sum(t, x, REEL_AXES(0, 2), false)), 0);
    cr_assert(reel_is_null(reel_sum(t, x, REEL_AXES(1), false)));
    cr_assert_neq(reel_context_status(c), REEL_OK);
}

Test(reduce_ops, ten_million_terms_lose_no_digits)
{
    reel_var x = reel_full(t, REEL_SHAPE(10000000), 1.0625);
    cr_assert_eq(reel_item(t, reel_sum_all(t, x)), 10625000);
    cr_assert_eq(reel_item(t, reel_mean_all(t, x)), 1.0625);
    cr_assert_eq(reel_item(t, reel_sum_to_size(t, x, REEL_SHAPE(1))), 10625000);
}

Test(reduce_ops, extremes_share_the_gradient)
{
    reel_var x = VECTOR(1, 3, 3, 2), y = VECTOR(-3, 0, 3, 1);
    EXPECT_GRADIENT(reel_amax(t, x, NULL, 0, false), x, REEL_SHAPE(4), 0, 0.5, 0.5, 0);
    EXPECT_GRADIENT(reel_amin(t, x, NULL, 0, true), x, REEL_SHAPE(4), 1, 0, 0, 0);
    EXPECT_GRADIENT(reel_norm(t, y, INFINITY, NULL, 0, false), y, REEL_SHAPE(4), -0.5, 0, 0.5, 0);
}

Test(reduce_ops, nan_is_the_largest_and_the_smallest)
{
    reel_var x = VECTOR(1, NAN, 3, NAN);
    EXPECT(reel_amax(t, x, NULL, 0, false), REEL_SCALAR, NAN);
    EXPECT(reel_amin(t, x, NULL, 0, false), REEL_SCALAR, NAN);
    cr_assert_eq(reel_item(t, reel_argmax(t, x, 0, false)), 1);
}

Test(reduce_ops, norms)
{
    reel_var x = VECTOR(3, -4, 0), zero = VECTOR(0, 0);
    const struct {
        double p, value, zero;
    } norms[] = {{2, 5, 0},  {1, 7, 0},          {0, 2, 0},   {INFINITY, 4, 0},        {-INFINITY, 0, 0},
                 {-1, 0, 0}, {3, cbrt(91.0), 0}, {1.5, 0, 0}, {0.5, 7 + sqrt(48.0), 0}};
    for (size_t i = 0; i < sizeof norms / sizeof *norms; i++) {
        double p = norms[i].p, value = p == 1.5 ? pow(pow(3, 1.5) + 8, 1 / 1.5) : norms[i].value;
        EXPECT(reel_norm(t, x, p, NULL, 0, false), REEL_SCALAR, value);
        EXPECT(reel_norm(t, zero, p, NULL, 0, false), REEL_SCALAR, norms[i].zero);
    }
}

/* Squares of these overflow or are 0, the norms and variances are not. */
#ifdef REEL_F64
static const double large = 1e200, small = 1e-200, middling = 1e150;
#else
static const double large = 1e30, small = 1e-30, middling = 1e18;
#endif

Test(reduce_ops, norms_of_large_and_small_numbers)
{
    const double sizes[] = {large, small};
    for (int i = 0; i < 2; i++) {
        double s = sizes[i];
        reel_var x = VECTOR((reel_real)(3 * s), (reel_real)(-4 * s)), one = VECTOR((reel_real)s);
        EXPECT(reel_norm(t, x, 2, NULL, 0, false), REEL_SCALAR, 5 * s);
        EXPECT(reel_norm(t, x, 3, NULL, 0, false), REEL_SCALAR, cbrt(91.0) * s);
        EXPECT(reel_norm(t, x, -1, NULL, 0, false), REEL_SCALAR, 12.0 / 7 * s);
        EXPECT(reel_norm(t, one, 2, NULL, 0, false), REEL_SCALAR, s);
        EXPECT_GRADIENT(reel_norm(t, x, 2, NULL, 0, false), x, REEL_SHAPE(2), 0.6, -0.8);
    }
    int rows = 1;
    reel_var mixed = reel_tensor(t, (reel_real[]){3, 4, 0, 0, (reel_real)large, 0, NAN, 1}, REEL_SHAPE(4, 2));
    EXPECT(reel_norm(t, mixed, 2, &rows, 1, false), REEL_SHAPE(4), 5, 0, large, NAN);
    EXPECT(reel_norm(t, VECTOR(1, -INFINITY), 2, NULL, 0, false), REEL_SCALAR, INFINITY);
}

Test(reduce_ops, variances_of_large_and_small_numbers)
{
    const double sizes[] = {middling, 1 / middling};
    for (int i = 0; i < 2; i++) {
        double s = sizes[i];
        reel_var x = VECTOR((reel_real)(-15 * s), (reel_real)(15 * s), (reel_real)(-15 * s), (reel_real)(15 * s));
        EXPECT(reel_variance(t, x, NULL, 0, 0, false), REEL_SCALAR, 225 * s * s);
        EXPECT_GRADIENT(reel_variance(t, x, NULL, 0, 0, false), x, REEL_SHAPE(4), -7.5 * s, 7.5 * s, -7.5 * s, 7.5 * s);
    }
    EXPECT(reel_variance(t, VECTOR((reel_real)large, (reel_real)large), NULL, 0, 0, false), REEL_SCALAR, 0);
    EXPECT(reel_variance(t, VECTOR(1, INFINITY), NULL, 0, 0, false), REEL_SCALAR, NAN);
}

/* PyTorch gives zeros, which hide it. */
Test(reduce_ops, the_gradient_of_a_largest_magnitude_that_is_no_number)
{
    reel_var x = VECTOR(1, NAN, 2);
    EXPECT(reel_norm(t, x, INFINITY, NULL, 0, false), REEL_SCALAR, NAN);
    EXPECT_GRADIENT(reel_norm(t, x, INFINITY, NULL, 0, false), x, REEL_SHAPE(3), NAN, NAN, NAN);
}

Test(reduce_ops, the_mean_of_nothing_in_second_order)
{
    reel_var x = reel_zeros(t, REEL_SHAPE(0)), flow = reel_ones(t, REEL_SCALAR), first, second;
    cr_assert_eq(reel_vjp(t, reel_mean_all(t, x), flow, &x, 1, REEL_GRAD_CREATE_GRAPH, &first), REEL_OK);
    cr_assert_eq(reel_grad(t, reel_sum_all(t, first), &flow, 1, REEL_GRAD_DEFAULT, &second), REEL_OK);
    EXPECT(second, REEL_SCALAR, 0);
}

/* What torch.linalg.vector_norm gives where there is no derivative. */
Test(reduce_ops, norms_have_gradients_at_0)
{
    reel_var zero = VECTOR(0, 0), one = VECTOR(0, 2);
    const double ps[] = {0.5, 1, 1.5, 2, 3, INFINITY, -INFINITY, -1};
    for (int i = 0; i < 8; i++) {
        double p = ps[i];
        EXPECT_GRADIENT(reel_norm(t, zero, p, NULL, 0, false), zero, REEL_SHAPE(2), 0, 0);
        EXPECT_GRADIENT(reel_norm(t, one, p, NULL, 0, false), one, REEL_SHAPE(2), 0, p > 0);
    }
}

Test(reduce_ops, variance_far_from_0)
{
    enum { N = 1000 };
    reel_real values[N];
    long double mean = 0, squares = 0;
    for (int i = 0; i < N; i++) {
        values[i] = (reel_real)(10000 + (i * 37 % 64) / 64.0);
        mean += (long double)values[i] / N;
    }
    for (int i = 0; i < N; i++)
        squares += ((long double)values[i] - mean) * ((long double)values[i] - mean);
    reel_var x = reel_tensor(t, values, REEL_SHAPE(N));
    cr_assert_float_eq(reel_item(t, reel_variance(t, x, NULL, 0, 1, false)), (double)(squares / (N - 1)), 1e-5);
    cr_assert_float_eq(reel_item(t, reel_variance(t, x, NULL, 0, 0, false)), (double)(squares / N), 1e-5);
    cr_assert(isnan(reel_item(t, reel_variance(t, VECTOR(1), NULL, 0, 1, false))));
}

Test(reduce_ops, logsumexp_of_infinities_and_large_numbers)
{
    EXPECT(reel_logsumexp(t, VECTOR(-INFINITY, -INFINITY), NULL, 0, false), REEL_SCALAR, -INFINITY);
    EXPECT(reel_logsumexp(t, VECTOR(INFINITY, 1), NULL, 0, false), REEL_SCALAR, INFINITY);
    EXPECT(reel_logsumexp(t, VECTOR(INFINITY, -INFINITY), NULL, 0, false), REEL_SCALAR, INFINITY);
    EXPECT(reel_logsumexp(t, VECTOR(NAN, INFINITY), NULL, 0, false), REEL_SCALAR, NAN);
    EXPECT(reel_logsumexp(t, VECTOR(1e4, 1e4), NULL, 0, false), REEL_SCALAR, 1e4 + log(2));
    EXPECT(reel_logsumexp(t, VECTOR(-1e4, -1e4), NULL, 0, false), REEL_SCALAR, -1e4 + log(2));
    reel_var x = VECTOR(-INFINITY, 1, 1);
    EXPECT(reel_logsumexp(t, x, NULL, 0, false), REEL_SCALAR, 1 + log(2));
    EXPECT_GRADIENT(reel_logsumexp(t, x, NULL, 0, false), x, REEL_SHAPE(3), 0, 0.5, 0.5);
}

Test(reduce_ops, softmax_of_infinities_and_large_numbers)
{
    reel_var far = VECTOR(1e4, 1e4 - 1, -1e4);
    double e = exp(-1.0);
    EXPECT(reel_softmax(t, far, 0), REEL_SHAPE(3), 1 / (1 + e), e / (1 + e), 0);
    EXPECT(reel_log_softmax(t, far, 0), REEL_SHAPE(3), -log1p(e), -1 - log1p(e), -2e4 - log1p(e));
    EXPECT(reel_softmax(t, VECTOR(-INFINITY, 0), -1), REEL_SHAPE(2), 0, 1);
    EXPECT(reel_log_softmax(t, VECTOR(-INFINITY, 0), -1), REEL_SHAPE(2), -INFINITY, 0);
    EXPECT(reel_softmax(t, VECTOR(-INFINITY, -INFINITY), 0), REEL_SHAPE(2), NAN, NAN);
    EXPECT(reel_softmax(t, VECTOR(INFINITY, 0), 0), REEL_SHAPE(2), NAN, NAN);
    EXPECT(reel_softmax(t, VECTOR(NAN, 0), 0), REEL_SHAPE(2), NAN, NAN);
}

/* Rows and columns alike, against long double. */
Test(reduce_ops, softmax_along_any_axis)
{
    enum { A = 37, B = 70, C = 5 };
    reel_var x = reel_mul_scalar(t, reel_randn(t, REEL_SHAPE(A, B, C)), 5);
    const reel_real *values = reel_data_real(t, x);
    const int64_t size[] = {A, B, C}, stride[] = {B * C, C, 1};
    for (int axis = 0; axis < 3; axis++) {
        const reel_real *y = reel_data_real(t, reel_softmax(t, x, axis));
        const reel_real *logs = reel_data_real(t, reel_log_softmax(t, x, axis - 3));
        for (int64_t i = 0; i < A * B * C; i++) {
            int64_t first = i - i / stride[axis] % size[axis] * stride[axis];
            long double sum = 0;
            for (int64_t k = 0; k < size[axis]; k++)
                sum += expl((long double)values[first + k * stride[axis]] - (long double)values[i]);
            cr_assert(fabsl(y[i] - 1 / sum) <= 4e-6L / sum);
            cr_assert(fabsl(logs[i] + logl(sum)) <= 1e-6L * (1 + logl(sum)));
        }
    }
}

Test(reduce_ops, threads_do_not_change_bits)
{
    enum { N = 400, M = 700 };
    static reel_real kept[8][N * M];
    for (int threads = 1; threads <= 4; threads++) {
        cr_assert_eq(reel_set_num_threads(c, threads), REEL_OK);
        reel_manual_seed(c, 3);
        reel_var x = reel_randn(t, REEL_SHAPE(N, M)), grad;
        reel_var results[8] = {reel_sum(t, x, REEL_AXES(0), false),
                               reel_mean_all(t, x),
                               reel_variance(t, x, REEL_AXES(1), 1, false),
                               reel_norm(t, x, 2, NULL, 0, false),
                               reel_logsumexp(t, x, REEL_AXES(0), false),
                               reel_softmax(t, x, 0),
                               reel_log_softmax(t, x, 1)};
        reel_var y = reel_sum_all(t, reel_mul(t, results[5], results[6]));
        cr_assert_eq(reel_grad(t, y, &x, 1, REEL_GRAD_DEFAULT, &grad), REEL_OK, "%s", reel_error(c));
        results[7] = grad;
        for (int i = 0; i < 8; i++) {
            size_t bytes = (size_t)reel_numel(t, results[i]) * sizeof(reel_real);
            if (threads == 1)
                memcpy(kept[i], reel_data(t, results[i]), bytes);
            else
                cr_assert(memcmp(kept[i], reel_data(t, results[i]), bytes) == 0, "result %d, %d threads", i, threads);
        }
        cr_assert_eq(reel_tape_reset(t), REEL_OK);
    }
}

Test(reduce_ops, errors)
{
    reel_var x = reel_zeros(t, REEL_SHAPE(2, 3));
    cr_assert(reel_is_null(reel_sum(t, x, REEL_AXES(0, -2), false)));
    cr_assert_str_eq(reel_error(c), "sum: axis 0 is given twice");
    reel_clear_error(c);
    cr_assert(reel_is_null(reel_mean(t, x, NULL, 2, false)));
    cr_assert_eq(reel_context_status(c), REEL_ERROR_ARGUMENT);
    reel_clear_error(c);
    cr_assert(reel_is_null(reel_sum_to_size(t, x, REEL_SHAPE(4))));
    cr_assert_str_eq(reel_error(c), "sum_to_size: [4] does not broadcast to [2, 3], the shape of x");
}

/* ---- renorm ---- */

struct limit {
    double p, maxnorm;
    int axis;
};

static reel_var limit(reel_tape *tape, const reel_var *inputs, int n, void *user)
{
    const struct limit *l = user;
    (void)n;
    return reel_renorm(tape, inputs[0], l->p, l->axis, l->maxnorm);
}

/* Some slices are shortened and some are not, and none is near the limit. */
Test(reduce_ops, renorm_scales_and_has_derivatives)
{
    static const double powers[] = {0, 0.5, 1, 1.5, 2, 3, INFINITY};
    static const reel_shape shapes[] = {{2, {3, 4}}, {3, {2, 3, 2}}, {2, {1, 3}}, {2, {3, 1}}};
    reel_real data[12];
    for (int i = 0; i < 12; i++)
        data[i] = (reel_real)((i % 2 ? -1 : 1) * (0.3 + 0.11 * (7 * i % 12)) * (i < 4 ? 0.2 : 1));
    for (size_t k = 0; k < sizeof powers / sizeof *powers; k++)
        for (size_t j = 0; j < sizeof shapes / sizeof *shapes; j++)
            for (int axis = -shapes[j].ndim; axis < shapes[j].ndim; axis++) {
                const reel_shape *shape = &shapes[j];
                struct limit l = {powers[k], 0, axis};
                int kept = axis < 0 ? axis + shape->ndim : axis, others[REEL_MAX_NDIM], n = 0;
                for (int i = 0; i < shape->ndim; i++)
                    if (i != kept)
                        others[n++] = i;
                reel_var x = reel_tensor(t, data, *shape);
                reel_var norms = reel_norm(t, x, l.p, others, n, false);
                const reel_real *norm = reel_data_real(t, norms);
                cr_assert_not_null(norm, "%s", reel_error(c));
                int64_t slices = shape->dim[kept], inner = 1, longer = 0;
                for (int i = kept + 1; i < shape->ndim; i++)
                    inner *= shape->dim[i];
                l.maxnorm = 0.9 * (double)norm[slices - 1];
                for (int64_t i = 0; i < slices; i++)
                    longer += (double)norm[i] > l.maxnorm;
                const reel_real *y = reel_data_real(t, limit(t, &x, 1, &l));
                cr_assert_not_null(y, "%s", reel_error(c));
                for (int64_t i = 0; i < reel_shape_numel(shape); i++) {
                    double of = (double)norm[i / inner % slices];
                    double want = (double)data[i] * (of > l.maxnorm ? l.maxnorm / (of + 1e-7) : 1);
                    cr_assert(fabs((double)y[i] - want) <= 8 * (sizeof *y == 4 ? 0x1p-23 : 0x1p-52) * fabs(want));
                }
                cr_assert_gt(longer, 0);
                if (sizeof *y == 8) {
                    reel_gradcheck_input input = {data, REEL_REAL, *shape, false};
                    cr_expect_eq(reel_gradcheck(c, limit, &l, &input, 1, NULL), REEL_OK, "p %g, axis %d: %s", l.p, axis,
                                 reel_error(c));
                    reel_clear_error(c);
                    cr_expect_eq(reel_gradgradcheck(c, limit, &l, &input, 1, NULL), REEL_OK, "p %g, axis %d: %s", l.p,
                                 axis, reel_error(c));
                    reel_clear_error(c);
                }
                reel_tape_reset(t);
            }
}

/* A slice of zeros has no norm to divide by, to any order, and one without elements has none at all. */
Test(reduce_ops, renorm_of_zeros_and_of_nothing)
{
    static const double powers[] = {0, 1, 2, 3, INFINITY};
    for (size_t k = 0; k < sizeof powers / sizeof *powers; k++) {
        reel_var x = reel_tensor(t, (reel_real[]){0, 0, 3, 4}, REEL_SHAPE(2, 2)), grad, second;
        reel_var y = reel_sum_all(t, reel_square(t, reel_renorm(t, x, powers[k], 0, 0.5)));
        cr_assert_eq(reel_grad(t, y, &x, 1, REEL_GRAD_CREATE_GRAPH, &grad), REEL_OK, "%s", reel_error(c));
        cr_assert_eq(reel_grad(t, reel_sum_all(t, reel_square(t, grad)), &x, 1, 0, &second), REEL_OK);
        for (int i = 0; i < 4; i++)
            cr_assert(isfinite(reel_data_real(t, second)[i]) && (i > 1 || reel_data_real(t, grad)[i] == 0));
        cr_assert_eq(reel_numel(t, reel_renorm(t, reel_zeros(t, REEL_SHAPE(0, 3)), powers[k], 1, 1)), 0);
        cr_assert_eq(reel_numel(t, reel_renorm(t, reel_zeros(t, REEL_SHAPE(3, 0)), powers[k], 0, 1)), 0);
        cr_assert_eq(reel_context_status(c), REEL_OK, "%s", reel_error(c));
    }
    EXPECT(reel_renorm(t, reel_tensor(t, (reel_real[]){3, 4, NAN, 1}, REEL_SHAPE(2, 2)), 2, 0, 5), REEL_SHAPE(2, 2), 3,
           4, NAN, 1);
}

Test(reduce_ops, renorm_refuses)
{
    reel_var x = reel_ones(t, REEL_SHAPE(2, 3)), flat = reel_ones(t, REEL_SHAPE(3));
    const struct {
        reel_var x;
        double p, maxnorm;
        int axis;
        reel_status status;
    } cases[] = {{flat, 2, 1, 0, REEL_ERROR_SHAPE},   {x, -1, 1, 0, REEL_ERROR_ARGUMENT},
                 {x, NAN, 1, 0, REEL_ERROR_ARGUMENT}, {x, 2, -1, 0, REEL_ERROR_ARGUMENT},
                 {x, 2, NAN, 0, REEL_ERROR_ARGUMENT}, {x, 2, 1, 2, REEL_ERROR_ARGUMENT},
                 {x, 2, 1, -3, REEL_ERROR_ARGUMENT},  {reel_arange_int64(t, 0, 3, 1), 2, 1, 0, REEL_ERROR_SHAPE}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_assert(reel_is_null(reel_renorm(t, cases[i].x, cases[i].p, cases[i].axis, cases[i].maxnorm)));
        cr_assert_eq(reel_context_status(c), cases[i].status, "%s", reel_error(c));
        cr_assert(strstr(reel_error(c), "renorm"));
        reel_clear_error(c);
    }
    reel_renorm(t, reel_to_int64(t, x), 2, 0, 1);
    cr_assert_eq(reel_context_status(c), REEL_ERROR_DTYPE);
}
