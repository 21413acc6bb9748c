/* Convolutions over a grid of options against PyTorch, to the second order; the third order; and what is refused. */
#include "support/fixture.h"

#include "golden/convolution.h"

#include <math.h>
#include <stdlib.h>

TestSuite(convolution, .init = set_up, .fini = tear_down);

/* A row of tests/golden/convolution.py. */
struct grid_point {
    int axes, transposed;
    int64_t batch, in, out, groups;
    int64_t size[2], kernel[2], stride[2], padding[2], dilation[2], output_padding[2], result[2];
    double fingerprints[14]; /* of y, gx, gw, gb, sx, sw, su */
};

static const struct grid_point grid[] = {GOLDEN_CONV_GRID};

static reel_var simple_numbers(int salt, reel_shape shape)
{
    int64_t n = reel_shape_numel(&shape);
    reel_real *values = malloc((size_t)(n + 1) * sizeof *values);
    for (int64_t j = 0; j < n; j++)
        values[j] = (reel_real)((37 * j + 11 * salt) % 64 * 2 - 63) / 64;
    reel_var v = reel_tensor(t, values, shape);
    free(values);
    return v;
}

/* Shapes whose last axes are one or two sizes. */
static reel_shape shape_of(const struct grid_point *g, int64_t first, int64_t second, const int64_t *sizes)
{
    return (reel_shape){2 + g->axes, {first, second, sizes[0], sizes[1]}};
}

static reel_var apply(const struct grid_point *g, reel_var x, reel_var w, reel_var b)
{
    typedef reel_var function(reel_tape *, reel_var, reel_var, reel_var, const reel_conv_options *);
    static function *const functions[2][2] = {{reel_conv1d, reel_conv2d},
                                              {reel_conv_transpose1d, reel_conv_transpose2d}};
    reel_conv_options o = reel_conv_defaults();
    o.groups = g->groups;
    for (int i = 0; i < g->axes; i++) {
        o.stride[i] = g->stride[i];
        o.padding[i] = g->padding[i];
        o.dilation[i] = g->dilation[i];
        o.output_padding[i] = g->output_padding[i];
    }
    return functions[g->transposed][g->axes - 1](t, x, w, b, &o);
}

static void expect_fingerprint(const struct grid_point *g, reel_var v, int which)
{
    static const char *const names[] = {"y", "gx", "gw", "gb", "sx", "sw", "su"};
    const int salts[] = {7, 20};
    cr_assert_eq(reel_context_status(c), REEL_OK, "%s", reel_error(c));
    for (int i = 0; i < 2; i++) {
        const reel_real *values = reel_data_real(t, v);
        double sum = 0, terms = 0;
        for (int64_t j = 0; j < reel_numel(t, v); j++) {
            double term = (double)values[j] * (double)((37 * j + 11 * salts[i]) % 64 * 2 - 63) / 64;
            sum += term;
            terms += fabs(term);
        }
        double want = g->fingerprints[2 * which + i], limit = sizeof(reel_real) == sizeof(double) ? 1e-12 : 1e-6;
        cr_assert(fabs(sum - want) <= limit * fmax(terms, 1), "grid[%d]: %s is %.17g, not %.17g", (int)(g - grid),
                  names[which], sum, want);
    }
}

Test(convolution, grid_of_options)
{
    int count = sizeof grid / sizeof *grid;
    cr_assert_geq(count, 300);
    for (const struct grid_point *g = grid; g < grid + count; g++) {
        reel_var x = simple_numbers(1, shape_of(g, g->batch, g->in, g->size));
        reel_var w = simple_numbers(2, g->transposed ? shape_of(g, g->in, g->out / g->groups, g->kernel)
                                                     : shape_of(g, g->out, g->in / g->groups, g->kernel));
        reel_var b = simple_numbers(3, REEL_SHAPE(g->out)), inputs[] = {x, w, b}, first[3], second[3];
        reel_var y = apply(g, x, w, b);
        cr_assert_eq(reel_context_status(c), REEL_OK, "grid[%d]: %s", (int)(g - grid), reel_error(c));
        reel_shape want = shape_of(g, g->batch, g->out, g->result), got = reel_shape_of(t, y);
        cr_assert(reel_shape_equal(&want, &got));
        expect_fingerprint(g, y, 0);
        reel_var u = simple_numbers(4, want);
        reel_var f = reel_sum_all(t, reel_mul(t, u, y));
        reel_grad(t, f, inputs, 3, 0, first);
        for (int i = 0; i < 3; i++)
            expect_fingerprint(g, first[i], 1 + i);
        reel_grad(t, f, inputs, 3, REEL_GRAD_CREATE_GRAPH, first);
        for (int i = 0; i < 3; i++)
            expect_fingerprint(g, first[i], 1 + i);
        reel_var h = reel_sum_all(t, reel_mul(t, first[0], simple_numbers(5, reel_shape_of(t, x))));
        h = reel_add(t, h, reel_sum_all(t, reel_mul(t, first[1], simple_numbers(6, reel_shape_of(t, w)))));
        const reel_var all[] = {x, w, u};
        reel_grad(t, h, all, 3, 0, second);
        for (int i = 0; i < 3; i++)
            expect_fingerprint(g, second[i], 4 + i);
        cr_assert_eq(reel_tape_reset(t), REEL_OK);
    }
}

/* A function of the second order, so that its second derivatives are of the third and fourth. */
static reel_var gradient_of_tanh(reel_tape *tape, const reel_var *inputs, int n, void *user)
{
    REEL_OPTIONS(conv, o, o.stride[0] = 2, o.padding[0] = 1);
    reel_var y = user ? reel_conv_transpose2d(tape, inputs[0], inputs[1], reel_null(), &o)
                      : reel_conv2d(tape, inputs[0], inputs[1], reel_null(), &o);
    reel_var g[2];
    if (reel_grad(tape, reel_sum_all(tape, reel_tanh(tape, y)), inputs, n, REEL_GRAD_CREATE_GRAPH, g) != REEL_OK)
        return reel_null();
    return reel_cat(tape, REEL_VARS(reel_reshape(tape, g[0], REEL_SHAPE(-1)), reel_reshape(tape, g[1], REEL_SHAPE(-1))),
                    0);
}

Test(convolution, third_order)
{
    reel_real x[2 * 2 * 4 * 4], w[2 * 2 * 3 * 3];
    for (size_t i = 0; i < sizeof x / sizeof *x; i++)
        x[i] = (reel_real)((37 * i + 5) % 64) / 32 - 1;
    for (size_t i = 0; i < sizeof w / sizeof *w; i++)
        w[i] = (reel_real)((29 * i + 3) % 64) / 64 - (reel_real)0.5;
    const reel_gradcheck_input inputs[] = {{x, REEL_REAL, REEL_SHAPE(2, 2, 4, 4), false},
                                           {w, REEL_REAL, REEL_SHAPE(2, 2, 3, 3), false}};
    if (sizeof(reel_real) < sizeof(double))
        cr_skip("differences of this order need double");
    for (int transposed = 0; transposed < 2; transposed++) {
        void *user = transposed ? x : NULL;
        cr_expect_eq(reel_gradcheck(c, gradient_of_tanh, user, inputs, 2, NULL), REEL_OK, "%s", reel_error(c));
        cr_expect_eq(reel_gradgradcheck(c, gradient_of_tanh, user, inputs, 2, NULL), REEL_OK, "%s", reel_error(c));
    }
}

static void expect_shape(reel_var v, reel_shape want)
{
    reel_shape got = reel_shape_of(t, v);
    cr_assert(reel_shape_equal(&want, &got), "%s", reel_error(c));
}

Test(convolution, shapes)
{
    reel_var x = reel_randn(t, REEL_SHAPE(2, 3, 10)), w = reel_randn(t, REEL_SHAPE(4, 3, 4)), none = reel_null();
    REEL_OPTIONS(conv, same, same.padding_same = true, same.dilation[0] = 3);
    expect_shape(reel_conv1d(t, x, w, none, NULL), REEL_SHAPE(2, 4, 7));
    expect_shape(reel_conv1d(t, x, w, none, &same), REEL_SHAPE(2, 4, 10));
    expect_shape(reel_conv1d(t, reel_randn(t, REEL_SHAPE(3, 10)), w, none, NULL), REEL_SHAPE(4, 7));
    expect_shape(reel_conv_transpose1d(t, reel_randn(t, REEL_SHAPE(4, 7)), w, none, NULL), REEL_SHAPE(3, 10));
    reel_var image = reel_randn(t, REEL_SHAPE(3, 8, 9)), kernel = reel_randn(t, REEL_SHAPE(2, 3, 2, 3));
    REEL_OPTIONS(conv, uneven, uneven.stride[0] = 2, uneven.stride[1] = 1, uneven.padding[0] = 1);
    expect_shape(reel_conv2d(t, image, kernel, none, NULL), REEL_SHAPE(2, 7, 7));
    expect_shape(reel_conv2d(t, image, kernel, none, &uneven), REEL_SHAPE(2, 5, 9));
}

/* PyTorch puts the odd one of an odd number of zeros at the end. */
Test(convolution, padding_same_begins_with_the_smaller_half)
{
    const reel_real x[] = {1, 2, 3}, w[] = {10, 1, 0, 0};
    REEL_OPTIONS(conv, o, o.padding_same = true);
    reel_var y =
        reel_conv1d(t, reel_tensor(t, x, REEL_SHAPE(1, 1, 3)), reel_tensor(t, w, REEL_SHAPE(1, 1, 4)), reel_null(), &o);
    const reel_real want[] = {1, 12, 23};
    for (int i = 0; i < 3; i++)
        cr_expect_eq(reel_data_real(t, y)[i], want[i]);
}

Test(convolution, what_does_not_fit_is_refused)
{
    reel_var x = reel_randn(t, REEL_SHAPE(2, 3, 5)), w = reel_randn(t, REEL_SHAPE(4, 3, 3)), none = reel_null();
    REEL_OPTIONS(conv, o, o.stride[0] = 0);
    expect_refused(reel_conv1d(t, x, w, none, &o), REEL_ERROR_ARGUMENT,
                   "conv1d: stride is 0, not 1 or more and below 2^31");
    o = reel_conv_defaults();
    o.output_padding[0] = 1;
    expect_refused(reel_conv1d(t, x, w, none, &o), REEL_ERROR_ARGUMENT,
                   "conv1d: output_padding is for transposed convolutions");
    expect_refused(reel_conv_transpose1d(t, x, reel_randn(t, REEL_SHAPE(3, 3, 3)), none, &o), REEL_ERROR_ARGUMENT,
                   "conv_transpose1d: output_padding is 1, not less than the stride 1 or the dilation 1");
    o = reel_conv_defaults();
    o.padding_same = true;
    o.stride[0] = 2;
    expect_refused(reel_conv1d(t, x, w, none, &o), REEL_ERROR_ARGUMENT,
                   "conv1d: padding_same is for convolutions with a stride of 1");
    o = reel_conv_defaults();
    o.groups = 0;
    expect_refused(reel_conv1d(t, x, w, none, &o), REEL_ERROR_ARGUMENT, "conv1d: groups is 0, not 1 or more");
    expect_refused(reel_conv1d(t, x, reel_randn(t, REEL_SHAPE(4, 3, 6)), none, NULL), REEL_ERROR_SHAPE,
                   "conv1d: the kernel of weight [4, 3, 6] is larger than x [2, 3, 5] with a padding of 0");
    expect_refused(reel_conv1d(t, x, reel_randn(t, REEL_SHAPE(4, 2, 3)), none, NULL), REEL_ERROR_SHAPE,
                   "conv1d: x is [2, 3, 5], weight [4, 2, 3] takes 2 channels");
    expect_refused(reel_conv2d(t, x, w, none, NULL), REEL_ERROR_SHAPE,
                   "conv2d: x is [2, 3, 5] and weight [4, 3, 3], they must have 4 axes; x may lack the first");
    o = reel_conv_defaults();
    o.padding[0] = 4;
    expect_refused(reel_conv_transpose1d(t, x, reel_randn(t, REEL_SHAPE(3, 4, 3)), none, &o), REEL_ERROR_SHAPE,
                   "conv_transpose1d: x [2, 3, 5] and weight [3, 4, 3] give an output of size -1");
}
