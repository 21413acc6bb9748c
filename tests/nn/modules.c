/* Modules: calls, names, state, and modules of the user's. */
#include "helpers.h"
#include "support/fixture.h"

#include "residual.h" /* the example of <reel/nn.h> */

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
    expect_error(c, REEL_ERROR_SHAPE, "linear \"generator.fc1\": x has 4 columns");

    /* Also from inside, and once. */
    reel_module *all = reel_sequential_new(p, REEL_MODULES(fc, fc));
    cr_assert(reel_is_null(reel_forward(t, all, x)));
    cr_assert_null(strstr(strstr(reel_error(c), "generator") + 1, "generator"));
    expect_error(c, REEL_ERROR_SHAPE, "linear \"generator.fc1\": ");

    reel_module *norm = reel_batch_norm1d_new(p, "norm", 3, NULL);
    cr_assert(reel_is_null(reel_forward(t, norm, x)));
    expect_error(c, REEL_ERROR_SHAPE, "batch_norm \"norm\": x is [2, 4], it takes [batch, 3]");
    reel_module *layer = reel_layer_norm_new(p, "layer", REEL_SHAPE(2, 3), NULL);
    cr_assert(reel_is_null(reel_forward(t, layer, x)));
    expect_error(c, REEL_ERROR_SHAPE, "layer_norm \"layer\": x is [2, 4], its last axes must be [2, 3]");

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
    expect_same(reel_forward(t, reel_mish_new(p), x), reel_mish(t, x));
    expect_same(reel_forward(t, reel_selu_new(p), x), reel_selu(t, x));
    reel_var even = reel_randn(t, REEL_SHAPE(3, 4));
    expect_same(reel_forward(t, reel_glu_new(p, -1), even), reel_glu(t, even, 1));
    expect_same(reel_forward(t, reel_sigmoid_new(p), x), reel_sigmoid(t, x));
    expect_same(reel_forward(t, reel_tanh_new(p), x), reel_tanh(t, x));
    expect_same(reel_forward(t, reel_softplus_new(p, 2, 10), x), reel_softplus(t, x, 2, 10));
    reel_var flat = reel_forward(t, reel_flatten_new(p, 0, -1), x);
    cr_assert_eq(reel_shape_of(t, flat).ndim, 1);
    expect_same(flat, x);
}

Test(modules, prelu_learns_its_slopes)
{
    reel_module *m = reel_prelu_new(p, "act", 3, 0.25);
    reel_param *weight = reel_params_find(p, "act.weight");
    reel_shape shape = REEL_SHAPE(3);
    cr_assert(reel_shape_equal(reel_param_shape(weight), &shape));
    reel_var x = reel_randn(t, REEL_SHAPE(4, 3, 2)), slopes = reel_full(t, shape, 0.25);
    reel_var y = reel_forward(t, m, x);
    expect_same(y, reel_prelu(t, x, slopes));
    cr_assert_eq(reel_backward(t, reel_sum_all(t, y), p), REEL_OK, "%s", reel_error(c));
    const reel_real *grad = reel_param_grad(weight), *values = reel_data_real(t, x);
    for (int k = 0; k < 3; k++) {
        double sum = 0;
        for (int i = 0; i < 24; i++)
            sum += i / 2 % 3 == k && values[i] < 0 ? (double)values[i] : 0;
        cr_expect_float_eq(grad[k], sum, 1e-5);
    }
    cr_expect_null(reel_prelu_new(p, "none", 0, 0.25));
    cr_expect_str_eq(reel_error(c), "prelu \"none\": 0 slopes, it needs at least one");
    cr_expect_null(reel_params_find(p, "none.weight"));
    reel_clear_error(c);
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

static void own_forward(reel_tape *tape, reel_module *module, const reel_var *inputs, reel_var *outputs, void *user)
{
    struct own *own = user;
    own->calls++;
    bool training = reel_module_is_training(module);
    outputs[0] = training ? reel_mul(tape, inputs[0], reel_param_var(tape, own->scale)) : inputs[0];
}

Test(modules, a_module_of_ones_own)
{
    struct own own = {reel_param_new(p, "scale", REEL_PARAM_TRAINED, REEL_REAL, REEL_SCALAR), 0};
    reel_init_constant(own.scale, 3);
    reel_module *m = reel_module_new(p, NULL, own_forward, &own, NULL),
                *net = reel_sequential_new(p, REEL_MODULES(m, m));
    reel_var x = reel_ones(t, REEL_SHAPE(2)), y = reel_forward(t, net, x);
    cr_assert_eq(reel_data_real(t, y)[1], 9);
    cr_assert_eq(reel_backward(t, reel_sum_all(t, y), p), REEL_OK, "%s", reel_error(c));
    cr_assert_eq(reel_param_grad(own.scale)[0], 12);
    reel_eval(p);
    expect_same(reel_forward(t, net, x), x);
    cr_assert_eq(own.calls, 4);
}

Test(modules, the_example_of_the_header)
{
    reel_module *a = residual_new(p, "a", 3, 4), *b = residual_new(p, "b", 3, 4);
    cr_assert_not_null(reel_params_find(p, "a.fc1.weight"));
    cr_assert_not_null(reel_params_find(p, "b.fc2.bias"));
    cr_assert_eq(reel_params_count(p), 8);
    reel_var x = reel_randn(t, REEL_SHAPE(5, 3));
    reel_var h = reel_relu(t, reel_forward(t, reel_module_at(a, 0), x));
    expect_same(reel_forward(t, a, x), reel_add(t, x, reel_forward(t, reel_module_at(a, 1), h)));
    cr_assert_null(reel_module_at(a, 2));
    cr_assert_null(reel_module_at(a, -1));
    cr_assert_null(reel_module_at(NULL, 0));
    cr_assert_null(reel_module_at(reel_relu_new(p), 0));
    cr_assert(reel_is_null(reel_forward(t, b, reel_ones(t, REEL_SHAPE(5, 4)))));
    expect_error(c, REEL_ERROR_SHAPE, "linear \"b.fc1\": ");
}

Test(modules, state_reaches_the_modules_inside)
{
    reel_params *q = reel_params_new(c);
    reel_module *drop = reel_dropout_new(q, 0.5), *relu = reel_relu_new(q), *other = reel_dropout_new(q, 0.5);
    reel_module *line = reel_sequential_new(q, REEL_MODULES(relu, drop));
    REEL_OPTIONS(module, o, o.modules = &line, o.n_modules = 1);
    struct own own = {NULL, 0};
    reel_module *inner = reel_module_new(p, "inner", own_forward, &own, &o);
    o.modules = &inner;
    reel_module *outer = reel_module_new(p, "outer", own_forward, &own, &o), *net = reel_sequential_new(p, &outer, 1);
    reel_module_train(net, false);
    cr_assert(!reel_module_is_training(drop) && !reel_module_is_training(relu) && !reel_module_is_training(line));
    cr_assert(!reel_module_is_training(inner) && !reel_module_is_training(outer));
    cr_assert(reel_module_is_training(other));
    reel_module_train(inner, true);
    cr_assert(reel_module_is_training(drop) && !reel_module_is_training(outer));
    reel_params_free(q);
}

Test(modules, names_are_made_inside_of_others)
{
    reel_params_enter(p, "encoder");
    reel_params_enter(p, "0.attention");
    reel_module *fc = reel_linear_new(p, "fc", 3, 2, NULL), *nameless = reel_linear_new(p, "", 3, 2, NULL);
    cr_assert(fc && nameless);
    cr_assert_eq(reel_params_leave(p, "attention"), REEL_OK, "the end of a name that was entered is not told from it");
    cr_assert_eq(reel_params_leave(p, "encoder"), REEL_ERROR_STATE);
    expect_error(c, REEL_ERROR_STATE, "\"encoder\" is not what was entered last");
    cr_assert_eq(reel_params_leave(p, "0"), REEL_OK);
    cr_assert_not_null(reel_param_new(p, "scale", REEL_PARAM_TRAINED, REEL_REAL, REEL_SCALAR));
    cr_assert_eq(reel_params_enter(p, ""), REEL_OK);
    cr_assert_eq(reel_params_leave(p, ""), REEL_OK);
    reel_fail(c, REEL_ERROR_STATE, "first");
    cr_assert_eq(reel_params_leave(p, "encoder"), REEL_ERROR_STATE);
    expect_error(c, REEL_ERROR_STATE, "first");
    const char *names[] = {"encoder.0.attention.fc.weight", "encoder.0.attention.fc.bias", "encoder.0.attention.weight",
                           "encoder.0.attention.bias", "encoder.scale"};
    cr_assert_eq(reel_params_count(p), 5);
    for (int i = 0; i < 5; i++)
        cr_assert_str_eq(reel_param_name(reel_params_at(p, i)), names[i]);
    cr_assert_eq(reel_params_leave(p, "encoder"), REEL_ERROR_STATE);
    expect_error(c, REEL_ERROR_STATE, "is not what");
    cr_assert_eq(reel_params_enter(p, NULL), REEL_ERROR_ARGUMENT);
    expect_error(c, REEL_ERROR_ARGUMENT, "NULL");
    cr_assert(reel_is_null(reel_forward(t, fc, reel_ones(t, REEL_SHAPE(1, 4)))));
    expect_error(c, REEL_ERROR_SHAPE, "linear \"encoder.0.attention.fc\": ");
}

/* ---- Several inputs and outputs ---- */

/* A recurrent cell: of x and the state, which begins as zeros, an output and the next state. */
static void cell_forward(reel_tape *tape, reel_module *module, const reel_var *inputs, reel_var *outputs, void *user)
{
    reel_var h = reel_forward(tape, reel_module_at(module, 0), inputs[0]);
    (void)user;
    if (!reel_is_null(inputs[1]))
        h = reel_add(tape, h, reel_forward(tape, reel_module_at(module, 1), inputs[1]));
    outputs[1] = reel_tanh(tape, h);
    outputs[0] = reel_mul_scalar(tape, outputs[1], 2);
}

static reel_module *cell_new(const char *name)
{
    reel_params_enter(p, name);
    reel_module *of_input = reel_linear_new(p, "ih", 3, 4, NULL), *of_state = reel_linear_new(p, "hh", 4, 4, NULL);
    reel_params_leave(p, name);
    reel_module *parts[] = {of_input, of_state};
    REEL_OPTIONS(module, o, o.max_inputs = 2, o.n_outputs = 2, o.modules = parts, o.n_modules = 2);
    return reel_module_new(p, name, cell_forward, NULL, &o);
}

Test(modules, two_inputs_and_two_outputs)
{
    reel_module *cell = cell_new("cell");
    reel_var x[3], h = reel_null(), want = reel_null(), out[2];
    for (int i = 0; i < 3; i++) {
        x[i] = reel_randn(t, REEL_SHAPE(2, 3));
        cr_assert_eq(reel_forward_all(t, cell, REEL_VARS(x[i], h), out, 2), REEL_OK, "%s", reel_error(c));
        h = out[1];
        reel_var sum = reel_forward(t, reel_module_at(cell, 0), x[i]);
        want = reel_tanh(t, i == 0 ? sum : reel_add(t, sum, reel_forward(t, reel_module_at(cell, 1), want)));
        expect_same(h, want);
        expect_same(out[0], reel_mul_scalar(t, want, 2));
    }
    /* Through time: every param of the cell gets its gradient. */
    cr_assert_eq(reel_backward(t, reel_sum_all(t, out[0]), p), REEL_OK, "%s", reel_error(c));
    for (int i = 0; i < 4; i++)
        cr_assert_not_null(reel_param_grad(reel_params_at(p, i)), "%s", reel_param_name(reel_params_at(p, i)));

    /* What is left out is the null var; reel_forward gives the first output. */
    reel_var first;
    cr_assert_eq(reel_forward_all(t, cell, x, 1, &first, 1), REEL_OK);
    expect_same(first, reel_forward(t, cell, x[0]));
}

Test(modules, calls_that_do_not_fit_are_refused)
{
    reel_module *cell = cell_new("cell"), *relu = reel_relu_new(p);
    reel_var x = reel_randn(t, REEL_SHAPE(2, 3)), out[3];
#define REFUSED(says, ...)                                                                                             \
    do {                                                                                                               \
        out[0] = x;                                                                                                    \
        cr_assert_eq(reel_forward_all(t, __VA_ARGS__), REEL_ERROR_ARGUMENT);                                           \
        expect_error(c, REEL_ERROR_ARGUMENT, says);                                                                    \
    } while (0)
    REFUSED("forward \"cell\": 3 inputs, the module takes 1 to 2", cell, REEL_VARS(x, x, x), out, 2);
    cr_assert(reel_is_null(out[0]));
    REFUSED("forward \"cell\": 0 inputs", cell, &x, 0, out, 2);
    REFUSED("forward \"cell\": 1 inputs at NULL", cell, NULL, 1, out, 2);
    REFUSED("forward \"cell\": 3 outputs, the module gives 2", cell, &x, 1, out, 3);
    REFUSED("forward \"cell\": 0 outputs", cell, &x, 1, out, 0);
    REFUSED("forward \"cell\": 1 outputs at NULL", cell, &x, 1, NULL, 1);
    REFUSED("forward: 2 inputs, the module takes 1 to 1", relu, REEL_VARS(x, x), out, 1);
    REFUSED("the module is NULL", NULL, &x, 1, out, 1);
    cr_assert_eq(reel_forward_all(NULL, cell, &x, 1, out, 1), REEL_ERROR_ARGUMENT);

    /* An output that failed takes the others with it. */
    reel_var h = reel_ones(t, REEL_SHAPE(2, 5));
    cr_assert_eq(reel_forward_all(t, cell, REEL_VARS(x, h), out, 2), REEL_ERROR_SHAPE);
    cr_assert(reel_is_null(out[0]) && reel_is_null(out[1]));
    expect_error(c, REEL_ERROR_SHAPE, "linear \"cell.hh\": ");

#define NOT_MADE(change)                                                                                               \
    do {                                                                                                               \
        REEL_OPTIONS(module, o, change);                                                                               \
        cr_assert_null(reel_module_new(p, "m", cell_forward, NULL, &o));                                               \
        expect_error(c, REEL_ERROR_ARGUMENT, "module \"m\": ");                                                        \
    } while (0)
    NOT_MADE(o.min_inputs = 0);
    NOT_MADE(o.min_inputs = 2);
    NOT_MADE(o.max_inputs = REEL_MAX_MODULE_VARS + 1);
    NOT_MADE(o.n_outputs = 0);
    NOT_MADE(o.n_outputs = REEL_MAX_MODULE_VARS + 1);
    NOT_MADE(o.n_modules = -1);
    NOT_MADE(o.n_modules = 1);
}

static void sum_of_parts(reel_tape *tape, reel_module *m, const reel_var *inputs, reel_var *outputs, void *user)
{
    (void)user;
    outputs[0] = reel_add(tape, reel_forward(tape, reel_module_at(m, 0), inputs[0]),
                          reel_forward(tape, reel_module_at(m, 1), inputs[0]));
}

/* Modules of other sets are called as long as their set is there, at any depth, and refused afterwards. */
Test(modules, of_a_set_that_was_freed_are_refused)
{
    reel_params *other = reel_params_new(c);
    reel_module *mine = reel_linear_new(p, "mine", 3, 3, NULL), *theirs = reel_linear_new(other, "theirs", 3, 3, NULL);
    reel_module *chain = reel_sequential_new(p, REEL_MODULES(mine, theirs));
    reel_module *parts[] = {mine, chain};
    REEL_OPTIONS(module, o, o.modules = parts, o.n_modules = 2);
    reel_module *sum = reel_module_new(p, "sum", sum_of_parts, NULL, &o), *own = reel_sequential_new(p, &mine, 1);
    reel_var x = reel_ones(t, REEL_SHAPE(2, 3));
    cr_assert(!reel_is_null(reel_forward(t, chain, x)) && !reel_is_null(reel_forward(t, sum, x)), "%s", reel_error(c));
    /* A set in the place of the one that went is another one. */
    reel_params_free(other);
    other = reel_params_new(c);
    cr_assert_not_null(reel_linear_new(other, "theirs", 3, 3, NULL));
    reel_module *refused[] = {chain, sum};
    for (int i = 0; i < 2; i++) {
        cr_expect(reel_is_null(reel_forward(t, refused[i], x)));
        cr_expect_eq(reel_context_status(c), REEL_ERROR_STATE);
        cr_expect_not_null(strstr(reel_error(c), "the param set of a module in it was freed"), "%s", reel_error(c));
        reel_clear_error(c);
        reel_module_train(refused[i], false);
        cr_expect_eq(reel_context_status(c), REEL_ERROR_STATE);
        cr_expect_not_null(strstr(reel_error(c), "module_train: the param set of a module in it was freed"));
        reel_clear_error(c);
    }
    cr_expect(!reel_is_null(reel_forward(t, own, x)), "%s", reel_error(c));
    reel_params_free(other);
}
