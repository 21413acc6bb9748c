/* Layers of convolutions: what they start with, what they compute, and what they refuse. */
#include "helpers.h"
#include "support/fixture.h"

#include "golden/convolution.h"

TestSuite(convolution, .init = set_up, .fini = tear_down);

static void expect_same(reel_var got, reel_var want)
{
    const reel_real *golden = reel_data_real(t, want);
    cr_assert_eq(reel_numel(t, got), reel_numel(t, want));
    expect_bits("the layer", reel_data(t, got), &golden, reel_numel(t, want));
}

Test(convolution, initial_values_are_those_of_pytorch)
{
    reel_manual_seed(c, 11);
    REEL_OPTIONS(conv, three, three.groups = 3);
    REEL_OPTIONS(conv, two, two.groups = 2);
    REEL_OPTIONS(conv, no_bias, no_bias.bias = false);
    cr_assert(reel_conv1d_new(p, "a", 2, 4, 3, NULL) && reel_conv2d_new(p, "b", 3, 6, 2, 3, &three) &&
              reel_conv_transpose1d_new(p, "c", 4, 2, 3, &two) &&
              reel_conv_transpose2d_new(p, "d", 2, 3, 2, 2, &no_bias));
    static const char *const names[] = {"a.weight", "a.bias", "b.weight", "b.bias", "c.weight", "c.bias", "d.weight"};
    const reel_real *want = golden_conv_initial;
    cr_assert_eq(reel_params_count(p), 7);
    for (int i = 0; i < 7; i++) {
        reel_param *param = reel_params_find(p, names[i]);
        expect_bits(names[i], reel_param_data(param), &want, reel_shape_numel(reel_param_shape(param)));
    }
    expect_bits("what is drawn next", reel_data(t, reel_randn(t, REEL_SHAPE(3))), &want, 3);
}

Test(convolution, layers_are_the_functions)
{
    REEL_OPTIONS(conv, o, o.stride[0] = 2, o.padding[0] = 1);
    reel_module *down = reel_conv2d_new(p, "down", 2, 3, 4, 4, &o);
    reel_module *up = reel_conv_transpose2d_new(p, "up", 3, 2, 4, 4, &o);
    reel_var x = reel_randn(t, REEL_SHAPE(2, 2, 6, 6)), y = reel_forward(t, down, x), z = reel_forward(t, up, y);
    reel_var w = reel_param_var(t, reel_params_find(p, "down.weight")),
             b = reel_param_var(t, reel_params_find(p, "down.bias"));
    expect_same(y, reel_conv2d(t, x, w, b, &o));
    w = reel_param_var(t, reel_params_find(p, "up.weight"));
    b = reel_param_var(t, reel_params_find(p, "up.bias"));
    cr_assert_eq(reel_numel(t, z), 2 * 2 * 6 * 6);
    expect_same(z, reel_conv_transpose2d(t, y, w, b, &o));
}

Test(convolution, errors_name_the_layer)
{
    REEL_OPTIONS(conv, o, o.groups = 3);
    cr_assert_null(reel_conv1d_new(p, "bad", 4, 6, 3, &o));
    expect_error(c, REEL_ERROR_ARGUMENT, "conv1d \"bad\": 4 and 6 channels are no multiples of 3 groups");
    cr_assert_null(reel_conv2d_new(p, "bad", 4, 6, 3, 0, NULL));
    expect_error(c, REEL_ERROR_ARGUMENT, "conv2d \"bad\": the kernel's size is 0, not 1 or more");
    o = reel_conv_defaults();
    o.dilation[1] = 0;
    cr_assert_null(reel_conv_transpose2d_new(p, "bad", 4, 6, 3, 3, &o));
    expect_error(c, REEL_ERROR_ARGUMENT, "conv_transpose2d \"bad\": dilation is 0");
    cr_assert_eq(reel_params_count(p), 0);
    reel_module *good = reel_conv1d_new(p, "good", 4, 6, 3, NULL);
    cr_assert(reel_is_null(reel_forward(t, good, reel_randn(t, REEL_SHAPE(2, 3, 7)))));
    expect_error(c, REEL_ERROR_SHAPE, "conv1d \"good\": x is [2, 3, 7], weight [6, 4, 3] takes 4 channels");
}
