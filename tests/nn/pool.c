/* Layers of pools, and those that make axes longer: they call the functions, whose values are for
 * tests/ops/functions.c. */
#include "helpers.h"
#include "support/fixture.h"

TestSuite(pool, .init = set_up, .fini = tear_down);

static void expect_same(reel_var got, reel_var want)
{
    cr_assert_eq(reel_context_status(c), REEL_OK, "%s", reel_error(c));
    const reel_shape a = reel_shape_of(t, got), b = reel_shape_of(t, want);
    cr_assert(reel_shape_equal(&a, &b));
    cr_assert_eq(reel_dtype_of(t, got), reel_dtype_of(t, want));
    size_t size = reel_dtype_of(t, got) == REEL_INT64 ? sizeof(int64_t) : sizeof(reel_real);
    cr_assert(memcmp(reel_data(t, got), reel_data(t, want), (size_t)reel_numel(t, got) * size) == 0);
}

Test(pool, layers_are_the_functions)
{
    reel_var line = reel_randn(t, REEL_SHAPE(2, 3, 9)), plane = reel_randn(t, REEL_SHAPE(2, 3, 6, 8)), indices, out[2];
    REEL_OPTIONS(pool, o, o.stride[0] = 2, o.padding[0] = 1, o.ceil_mode = true);
    expect_same(reel_forward(t, reel_max_pool1d_new(p, 3, &o), line), reel_max_pool1d(t, line, 3, &o, NULL));
    expect_same(reel_forward(t, reel_avg_pool1d_new(p, 3, &o), line), reel_avg_pool1d(t, line, 3, &o));
    expect_same(reel_forward(t, reel_avg_pool2d_new(p, 3, 2, &o), plane), reel_avg_pool2d(t, plane, 3, 2, &o));
    reel_forward_all(t, reel_max_pool2d_new(p, 2, 3, &o), &plane, 1, out, 2);
    expect_same(out[0], reel_max_pool2d(t, plane, 2, 3, &o, &indices));
    expect_same(out[1], indices);
    reel_forward_all(t, reel_adaptive_max_pool1d_new(p, 4), &line, 1, out, 2);
    expect_same(out[0], reel_adaptive_max_pool1d(t, line, 4, &indices));
    expect_same(out[1], indices);
    expect_same(reel_forward(t, reel_adaptive_max_pool2d_new(p, 2, 0), plane),
                reel_adaptive_max_pool2d(t, plane, 2, 0, NULL));
    expect_same(reel_forward(t, reel_adaptive_avg_pool1d_new(p, 4), line), reel_adaptive_avg_pool1d(t, line, 4));
    expect_same(reel_forward(t, reel_adaptive_avg_pool2d_new(p, 0, 3), plane),
                reel_adaptive_avg_pool2d(t, plane, 0, 3));
    cr_assert_eq(reel_params_count(p), 0);
}

Test(pool, indices_lead_to_the_elements)
{
    reel_var x = reel_randn(t, REEL_SHAPE(2, 3, 6, 8)), indices;
    reel_var y = reel_max_pool2d(t, x, 2, 3, NULL, &indices);
    reel_var again =
        reel_gather(t, reel_reshape(t, x, REEL_SHAPE(2, 3, 48)), 2, reel_reshape(t, indices, REEL_SHAPE(2, 3, 6)));
    expect_same(reel_reshape(t, again, reel_shape_of(t, y)), y);
}

Test(pool, threads_do_not_change_the_bits)
{
    reel_real *first = NULL;
    size_t bytes = 0;
    for (int threads = 1; threads <= 4; threads++) {
        reel_set_num_threads(c, threads);
        reel_manual_seed(c, 1);
        REEL_OPTIONS(pool, o, o.stride[0] = 1, o.padding[0] = 1);
        reel_var x = reel_randn(t, REEL_SHAPE(3, 3, 70, 70)), grad;
        reel_var y = reel_avg_pool2d(t, reel_max_pool2d(t, x, 3, 3, &o, NULL), 3, 3, &o);
        cr_assert_eq(reel_grad(t, reel_sum_all(t, reel_square(t, y)), &x, 1, REEL_GRAD_DEFAULT, &grad), REEL_OK);
        bytes = (size_t)reel_numel(t, x) * sizeof *first;
        if (!first) {
            first = malloc(2 * bytes);
            memcpy(first, reel_data(t, y), bytes);
            memcpy((char *)first + bytes, reel_data(t, grad), bytes);
        }
        cr_assert(memcmp(first, reel_data(t, y), bytes) == 0, "%d threads", threads);
        cr_assert(memcmp((char *)first + bytes, reel_data(t, grad), bytes) == 0, "gradient, %d threads", threads);
        reel_tape_reset(t);
    }
    free(first);
}

Test(pool, refuses)
{
    reel_var line = reel_ones(t, REEL_SHAPE(2, 3, 4)), indices = line;
    REEL_OPTIONS(pool, o, o.padding[0] = 2);
    expect_refused(reel_max_pool1d(t, line, 3, &o, &indices), REEL_ERROR_ARGUMENT,
                   "max_pool1d: padding is 2, more than half of the window's 3");
    cr_assert(reel_is_null(indices));
    expect_refused(reel_max_pool1d(t, line, 0, NULL, NULL), REEL_ERROR_ARGUMENT,
                   "max_pool1d: kernel_size is 0, not 1 or more and below 2^31");
    expect_refused(reel_avg_pool1d(t, line, 5, NULL), REEL_ERROR_SHAPE,
                   "avg_pool1d: x is [2, 3, 4]; it must have 3 axes, or one less, and room for a window");
    expect_refused(reel_avg_pool2d(t, reel_ones(t, REEL_SHAPE(4, 4)), 2, 2, NULL), REEL_ERROR_SHAPE, NULL);
    expect_refused(reel_adaptive_avg_pool1d(t, line, -1), REEL_ERROR_SHAPE, NULL);
    expect_refused(reel_adaptive_max_pool1d(t, reel_ones(t, REEL_SHAPE(2, 3, 0)), 2, NULL), REEL_ERROR_SHAPE, NULL);
    o = reel_pool_defaults();
    o.dilation[0] = 2;
    expect_refused(reel_avg_pool1d(t, line, 2, &o), REEL_ERROR_ARGUMENT, "avg_pool: dilation is for max pools");
    cr_assert_null(reel_avg_pool1d_new(p, 2, &o));
    expect_error(c, REEL_ERROR_ARGUMENT, "avg_pool1d: dilation is for max pools");
    o = reel_pool_defaults();
    o.divisor_override = -1;
    cr_assert_null(reel_avg_pool2d_new(p, 2, 2, &o));
    expect_error(c, REEL_ERROR_ARGUMENT, "divisor_override -1");
    cr_assert_null(reel_max_pool2d_new(p, 2, -1, NULL));
    expect_error(c, REEL_ERROR_ARGUMENT, "max_pool2d: kernel_size is -1");
    cr_assert_null(reel_adaptive_max_pool2d_new(p, 2, -1));
    expect_error(c, REEL_ERROR_ARGUMENT, "adaptive_max_pool2d: a size is negative");
}

Test(pool, upsample_is_interpolation)
{
    reel_var line = reel_randn(t, REEL_SHAPE(2, 3, 4)), plane = reel_randn(t, REEL_SHAPE(2, 3, 4, 5));
    reel_module *twice = reel_upsample_new(p, NULL);
    expect_same(reel_forward(t, twice, line),
                reel_interpolate(t, line, REEL_SIZES(8), REEL_INTERPOLATE_NEAREST, false));
    expect_same(reel_forward(t, twice, plane),
                reel_interpolate(t, plane, REEL_SIZES(8, 10), REEL_INTERPOLATE_NEAREST, false));
    REEL_OPTIONS(upsample, o, o.scale_factor[0] = 1, o.scale_factor[1] = 3, o.mode = REEL_INTERPOLATE_LINEAR);
    expect_same(reel_forward(t, reel_upsample_new(p, &o), plane),
                reel_interpolate(t, plane, REEL_SIZES(4, 15), REEL_INTERPOLATE_LINEAR, false));
    o.size[0] = 7;
    o.align_corners = true;
    expect_same(reel_forward(t, reel_upsample_new(p, &o), plane),
                reel_interpolate(t, plane, REEL_SIZES(7, 7), REEL_INTERPOLATE_LINEAR, true));
    o.mode = REEL_INTERPOLATE_NEAREST;
    cr_assert_null(reel_upsample_new(p, &o));
    expect_error(c, REEL_ERROR_ARGUMENT, "upsample:");
    o = reel_upsample_defaults();
    o.scale_factor[2] = 0;
    cr_assert_null(reel_upsample_new(p, &o));
    expect_error(c, REEL_ERROR_ARGUMENT, "upsample: a size or scale_factor is less than 1");
    cr_assert(reel_is_null(reel_forward(t, twice, reel_ones(t, REEL_SHAPE(2, 3)))));
    expect_error(c, REEL_ERROR_SHAPE, "upsample: x is [2, 3]");
}

Test(pool, padding_as_a_layer)
{
    reel_var x = reel_randn(t, REEL_SHAPE(2, 3, 4, 5));
    const int64_t amounts[] = {1, 2, 0, 3};
    expect_same(reel_forward(t, reel_pad_new(p, amounts, 4, REEL_PAD_REFLECT, 0), x),
                reel_pad(t, x, amounts, 4, REEL_PAD_REFLECT, 0));
    expect_same(reel_forward(t, reel_pad_new(p, amounts, 2, REEL_PAD_CONSTANT, 2.5), x),
                reel_pad(t, x, amounts, 2, REEL_PAD_CONSTANT, 2.5));
    cr_assert_null(reel_pad_new(p, amounts, 3, REEL_PAD_CONSTANT, 0));
    expect_error(c, REEL_ERROR_ARGUMENT, "pad: 3 numbers");
    cr_assert_null(reel_pad_new(p, NULL, 2, REEL_PAD_CONSTANT, 0));
    expect_error(c, REEL_ERROR_ARGUMENT, "at a NULL pointer");
    cr_assert_null(reel_pad_new(p, amounts, 2 * REEL_MAX_NDIM + 2, REEL_PAD_CONSTANT, 0));
    reel_clear_error(c);
    cr_assert_null(reel_pad_new(p, amounts, 2, (reel_pad_mode)9, 0));
    expect_error(c, REEL_ERROR_ARGUMENT, "mode 9");
}

Test(pool, convolutions_with_another_padding)
{
    REEL_OPTIONS(conv, o, o.padding[0] = 1, o.padding_mode = REEL_PAD_REFLECT);
    reel_module *m = reel_conv2d_new(p, "m", 2, 3, 3, 3, &o);
    reel_var x = reel_randn(t, REEL_SHAPE(2, 2, 4, 5)), w = reel_param_var(t, reel_params_find(p, "m.weight")),
             b = reel_param_var(t, reel_params_find(p, "m.bias"));
    reel_var padded = reel_pad(t, x, REEL_SIZES(1, 1, 1, 1), REEL_PAD_REFLECT, 0);
    expect_same(reel_forward(t, m, x), reel_conv2d(t, padded, w, b, NULL));
    cr_assert_null(reel_conv_transpose2d_new(p, "bad", 2, 3, 3, 3, &o));
    expect_error(c, REEL_ERROR_ARGUMENT, "conv_transpose2d \"bad\": there is no padding_mode 1");
    o.padding[0] = 4;
    cr_assert(reel_is_null(reel_conv2d(t, x, w, b, &o)));
    expect_error(c, REEL_ERROR_SHAPE, "pad: axis 2 has too few elements, 4, to make 4 and 4 of them");
    o.padding_mode = (reel_pad_mode)7;
    cr_assert(reel_is_null(reel_conv2d(t, x, w, b, &o)));
    expect_error(c, REEL_ERROR_ARGUMENT, "there is no padding_mode 7");
}

/* ---- Memory ---- */

Test(pool, no_allocation_from_the_third_step)
{
    static struct failing f; /* the fixture frees the context */
    tear_down();
    c = failing_context(&f);
    t = reel_tape_new(c);
    p = reel_params_new(c);
    REEL_OPTIONS(conv, o, o.padding_same = true, o.padding_mode = REEL_PAD_CIRCULAR);
    reel_module *parts[] = {reel_conv2d_new(p, "0", 2, 4, 3, 3, &o), reel_group_norm_new(p, "1", 2, 4, NULL),
                            reel_max_pool2d_new(p, 2, 2, NULL), reel_upsample_new(p, NULL),
                            reel_adaptive_avg_pool2d_new(p, 2, 3)};
    reel_module *m = reel_sequential_new(p, parts, 5);
    int64_t before = 0;
    for (int i = 0; i < 5; i++) {
        reel_var x = reel_randn(t, REEL_SHAPE(3, 2, 6, 8));
        reel_zero_grad(p);
        cr_assert_eq(reel_backward(t, reel_mean_all(t, reel_square(t, reel_forward(t, m, x))), p), REEL_OK);
        reel_tape_reset(t);
        if (i == 1)
            before = f.count;
    }
    cr_assert_eq(f.count, before);
}
