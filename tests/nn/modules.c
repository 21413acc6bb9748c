#include "helpers.h"
#include "support/fixture.h"

TestSuite(modules, .init = set_up, .fini = tear_down);

static void expect_same(reel_var a, reel_var b)
{
    cr_assert_eq(reel_context_status(c), REEL_OK, "%s", reel_error(c));
    cr_assert_eq(reel_numel(t, a), reel_numel(t, b));
    cr_assert_eq(memcmp(reel_data(t, a), reel_data(t, b), (size_t)reel_numel(t, a) * sizeof(reel_real)), 0);
}

Test(modules, linear_is_the_operation)
{
    REEL_OPTIONS(linear, no_bias, no_bias.bias = false);
    reel_module *with = reel_linear_new(p, "with", 3, 2, NULL),
                *without = reel_linear_new(p, "without", 3, 2, &no_bias);
    reel_var x = reel_randn(t, REEL_SHAPE(2, 4, 3));
    reel_var w = reel_param_var(t, reel_params_find(p, "with.weight")),
             b = reel_param_var(t, reel_params_find(p, "with.bias"));
    expect_same(reel_forward(t, with, x), reel_linear(t, x, w, b));
    w = reel_param_var(t, reel_params_find(p, "without.weight"));
    expect_same(reel_forward(t, without, x), reel_linear(t, x, w, reel_null()));
    cr_assert_null(reel_params_find(p, "without.bias"));
}

Test(modules, linear_ends_with_its_activation)
{
    reel_linear_options o = reel_linear_defaults();
    o.activation = REEL_ACTIVATION_LEAKY_RELU;
    reel_module *fc = reel_linear_new(p, "fc", 3, 20, &o);
    reel_var x = reel_randn(t, REEL_SHAPE(4, 3)), w = reel_param_var(t, reel_params_find(p, "fc.weight")),
             b = reel_param_var(t, reel_params_find(p, "fc.bias"));
    expect_same(reel_forward(t, fc, x), reel_leaky_relu(t, reel_linear(t, x, w, b), 0.01));

    o.negative_slope = -1;
    cr_assert_null(reel_linear_new(p, "bad", 3, 2, &o));
    expect_error(c, REEL_ERROR_ARGUMENT, "linear \"bad\": negative_slope is -1");
    o = reel_linear_defaults();
    o.activation = (reel_activation)9;
    cr_assert_null(reel_linear_new(p, "bad", 3, 2, &o));
    expect_error(c, REEL_ERROR_ARGUMENT, "linear \"bad\": there is no activation 9");
    cr_assert_eq(reel_params_count(p), 2);
}

Test(modules, errors_name_the_layer)
{
    reel_module *fc = reel_linear_new(p, "generator.fc1", 3, 2, NULL);
    reel_var x = reel_randn(t, REEL_SHAPE(2, 4));
    cr_assert(reel_is_null(reel_forward(t, fc, x)));
    expect_error(c, REEL_ERROR_SHAPE, "layer \"generator.fc1\": linear: ");

    /* Also from inside, and once. */
    reel_module *all = reel_sequential_new(p, REEL_MODULES(fc, fc));
    cr_assert(reel_is_null(reel_forward(t, all, x)));
    cr_assert_null(strstr(strstr(reel_error(c), "layer") + 1, "layer"));
    expect_error(c, REEL_ERROR_SHAPE, "layer \"generator.fc1\": ");

    reel_module *norm = reel_batch_norm1d_new(p, "norm", 3, NULL);
    cr_assert(reel_is_null(reel_forward(t, norm, x)));
    expect_error(c, REEL_ERROR_SHAPE, "layer \"norm\": batch_norm: x is [2, 4], it takes [batch, 3]");
    reel_module *layer = reel_layer_norm_new(p, "layer", REEL_SHAPE(2, 3), NULL);
    cr_assert(reel_is_null(reel_forward(t, layer, x)));
    expect_error(c, REEL_ERROR_SHAPE, "layer \"layer\": layer_norm: x is [2, 4], its last axes must be [2, 3]");

    /* Without a name there is none to give. */
    reel_module *nameless = reel_linear_new(p, "", 3, 2, NULL);
    reel_forward(t, nameless, x);
    cr_assert_eq(strncmp(reel_error(c), "linear: ", 8), 0, "%s", reel_error(c));
    expect_error(c, REEL_ERROR_SHAPE, "linear");
}

Test(modules, null_is_accepted)
{
    reel_var x = reel_randn(t, REEL_SHAPE(2, 4));
    reel_fail(c, REEL_ERROR_STATE, "first");
    cr_assert(reel_is_null(reel_forward(t, NULL, x)));
    expect_error(c, REEL_ERROR_STATE, "first");
    cr_assert(reel_is_null(reel_forward(t, NULL, x)));
    expect_error(c, REEL_ERROR_ARGUMENT, "the module is NULL");
    cr_assert(reel_is_null(reel_forward(NULL, NULL, x)));
    reel_module *relu = reel_relu_new(p);
    cr_assert(reel_is_null(reel_forward(t, relu, reel_null())));
    expect_error(c, REEL_ERROR_ARGUMENT, "null");
    reel_module_train(NULL, true);
    reel_train(NULL);
    reel_eval(NULL);
    cr_assert_not(reel_module_is_training(NULL));
}

Test(modules, a_module_of_another_context_is_refused)
{
    reel_context *other = reel_context_new(NULL);
    reel_params *others = reel_params_new(other);
    reel_module *relu = reel_relu_new(others);
    cr_assert(reel_is_null(reel_forward(t, relu, reel_randn(t, REEL_SHAPE(2)))));
    expect_error(c, REEL_ERROR_ARGUMENT, "another context");
    reel_params_free(others);
    reel_context_free(other);
}

Test(modules, train_and_eval)
{
    reel_params *q = reel_params_new(c);
    reel_module *a = reel_dropout_new(p, 0.5), *b = reel_dropout_new(p, 0.5), *other = reel_dropout_new(q, 0.5);
    reel_module *both = reel_sequential_new(p, REEL_MODULES(a, other));
    cr_assert(reel_module_is_training(a) && reel_module_is_training(both));
    reel_eval(p);
    cr_assert(!reel_module_is_training(a) && !reel_module_is_training(b) && !reel_module_is_training(both));
    cr_assert(reel_module_is_training(other), "a set has only its own");
    reel_train(p);
    cr_assert(reel_module_is_training(a) && reel_module_is_training(b));
    reel_module_train(both, false);
    cr_assert(!reel_module_is_training(a) && !reel_module_is_training(other) && !reel_module_is_training(both));
    cr_assert(reel_module_is_training(b));
    reel_params_free(q);
}

Test(modules, dropout_follows_the_state)
{
    reel_module *drop = reel_dropout_new(p, 0.5);
    reel_var x = reel_ones(t, REEL_SHAPE(1000));
    const reel_real *y = reel_data_real(t, reel_forward(t, drop, x));
    int zeros = 0;
    for (int i = 0; i < 1000; i++) {
        cr_assert(y[i] == 0 || y[i] == 2);
        zeros += y[i] == 0;
    }
    cr_assert(zeros > 400 && zeros < 600);
    reel_eval(p);
    expect_same(reel_forward(t, drop, x), x);
}

Test(modules, activations_are_the_operations)
{
    reel_var x = reel_randn(t, REEL_SHAPE(3, 5));
    expect_same(reel_forward(t, reel_relu_new(p), x), reel_relu(t, x));
    expect_same(reel_forward(t, reel_leaky_relu_new(p, 0.2), x), reel_leaky_relu(t, x, 0.2));
    expect_same(reel_forward(t, reel_elu_new(p, 0.7), x), reel_elu(t, x, 0.7));
    expect_same(reel_forward(t, reel_gelu_new(p, false), x), reel_gelu(t, x, false));
    expect_same(reel_forward(t, reel_gelu_new(p, true), x), reel_gelu(t, x, true));
    expect_same(reel_forward(t, reel_silu_new(p), x), reel_silu(t, x));
    expect_same(reel_forward(t, reel_sigmoid_new(p), x), reel_sigmoid(t, x));
    expect_same(reel_forward(t, reel_tanh_new(p), x), reel_tanh(t, x));
    expect_same(reel_forward(t, reel_softplus_new(p, 2, 10), x), reel_softplus(t, x, 2, 10));
    reel_var flat = reel_forward(t, reel_flatten_new(p, 0, -1), x);
    cr_assert_eq(reel_shape_of(t, flat).ndim, 1);
    expect_same(flat, x);
}

Test(modules, sequential_calls_in_order)
{
    reel_module *fc1 = reel_linear_new(p, "0", 3, 4, NULL), *tanh = reel_tanh_new(p),
                *fc2 = reel_linear_new(p, "2", 4, 2, NULL);
    reel_module *inner = reel_sequential_new(p, REEL_MODULES(tanh, fc2)), *none = reel_sequential_new(p, NULL, 0);
    reel_module *net = reel_sequential_new(p, REEL_MODULES(fc1, inner, none, tanh));
    reel_var x = reel_randn(t, REEL_SHAPE(5, 3));
    reel_var y = reel_tanh(t, reel_forward(t, fc2, reel_tanh(t, reel_forward(t, fc1, x))));
    expect_same(reel_forward(t, net, x), y);
    expect_same(reel_forward(t, none, x), x);
    cr_assert_eq(reel_params_count(p), 4, "a sequential has no params of its own");
}

Test(modules, nested_sequentials_do_not_recurse)
{
    reel_module *m = reel_relu_new(p);
    for (int i = 0; i < 100000; i++)
        m = reel_sequential_new(p, &m, 1);
    reel_var x = reel_randn(t, REEL_SHAPE(3));
    expect_same(reel_forward(t, m, x), reel_relu(t, x));
    reel_module_train(m, false);
    cr_assert_not(reel_module_is_training(m));
}

struct own {
    reel_param *scale;
    int calls;
};

static reel_var own_forward(reel_tape *tape, reel_var x, bool training, void *user)
{
    struct own *own = user;
    own->calls++;
    return training ? reel_mul(tape, x, reel_param_var(tape, own->scale)) : x;
}

Test(modules, a_module_of_ones_own)
{
    struct own own = {reel_param_new(p, "scale", REEL_PARAM_TRAINED, REEL_REAL, REEL_SCALAR), 0};
    reel_init_constant(own.scale, 3);
    reel_module *m = reel_module_new(p, own_forward, &own), *net = reel_sequential_new(p, REEL_MODULES(m, m));
    reel_var x = reel_ones(t, REEL_SHAPE(2)), y = reel_forward(t, net, x);
    cr_assert_eq(reel_data_real(t, y)[1], 9);
    cr_assert_eq(reel_backward(t, reel_sum_all(t, y), p), REEL_OK, "%s", reel_error(c));
    cr_assert_eq(reel_param_grad(own.scale)[0], 12);
    reel_eval(p);
    expect_same(reel_forward(t, net, x), x);
    cr_assert_eq(own.calls, 4);
}
