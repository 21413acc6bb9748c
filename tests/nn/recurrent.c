/* Recurrent layers against PyTorch's, to the second order; lengths, directions, cells, and what is refused. */
#include "helpers.h"
#include "support/fixture.h"

#include "golden/recurrent.h"

TestSuite(recurrent, .init = set_up, .fini = tear_down);

enum { BATCH = 3, STEPS = 5, IN = 2, HIDDEN = 3 };

/* The cases of tests/golden/recurrent.py. */
struct golden_case {
    bool lstm, lengths, two_layers, bias;
    const reel_real *numbers;
};

static const struct golden_case cases[] = {
    {false, false, false, true, golden_recurrent_0}, {false, true, true, true, golden_recurrent_1},
    {false, true, false, false, golden_recurrent_2}, {true, false, false, true, golden_recurrent_3},
    {true, true, true, true, golden_recurrent_4},    {true, true, false, false, golden_recurrent_5},
};

static reel_var simple_numbers(int salt, reel_shape shape)
{
    reel_real values[BATCH * STEPS * 2 * HIDDEN];
    for (int64_t j = 0; j < reel_shape_numel(&shape); j++)
        values[j] = (reel_real)((37 * j + 11 * salt) % 64 * 2 - 63) / 64;
    return reel_tensor(t, values, shape);
}

static reel_var sum_of_squares(reel_var v)
{
    return reel_sum_all(t, reel_square(t, v));
}

static void check(const struct golden_case *g, int index)
{
    const reel_real *want = g->numbers;
    REEL_OPTIONS(recurrent, o, o.bias = g->bias, o.num_layers = g->two_layers ? 2 : 1, o.bidirectional = g->two_layers);
    int sides = g->two_layers ? 2 : 1, layers = o.num_layers * sides, states = g->lstm ? 2 : 1;
    reel_manual_seed(c, (uint64_t)(20 + index));
    char name[16];
    snprintf(name, sizeof name, "m%d", index);
    int first_param = reel_params_count(p);
    reel_module *m = g->lstm ? reel_lstm_new(p, name, IN, HIDDEN, &o) : reel_gru_new(p, name, IN, HIDDEN, &o);
    cr_assert_not_null(m, "%s", reel_error(c));
    int n_params = reel_params_count(p) - first_param;
    for (int i = 0; i < n_params; i++) {
        reel_param *param = reel_params_at(p, first_param + i);
        expect_bits(reel_param_name(param), reel_param_data(param), &want, reel_shape_numel(reel_param_shape(param)));
    }
    reel_var x = reel_randn(t, REEL_SHAPE(BATCH, STEPS, IN)), inputs[4] = {x}, out[3], all[17] = {x}, first[17],
             second[17];
    expect_bits("x", reel_data(t, x), &want, BATCH * STEPS * IN);
    for (int i = 0; i < states; i++) {
        inputs[1 + i] = reel_randn(t, REEL_SHAPE(layers, BATCH, HIDDEN));
        expect_bits("first state", reel_data(t, inputs[1 + i]), &want, layers * BATCH * HIDDEN);
    }
    const int64_t lengths[] = {3, 5, 1};
    inputs[1 + states] = g->lengths ? reel_tensor_of(t, REEL_INT64, lengths, REEL_SHAPE(BATCH)) : reel_null();
    cr_assert_eq(reel_forward_all(t, m, inputs, 2 + states, out, 1 + states), REEL_OK, "%s", reel_error(c));
    expect_near("y", reel_data(t, out[0]), &want, BATCH * STEPS * sides * HIDDEN, 16);
    reel_var loss = reel_sum_all(t, reel_mul(t, simple_numbers(4, reel_shape_of(t, out[0])), out[0]));
    for (int i = 0; i < states; i++) {
        expect_near("last state", reel_data(t, out[1 + i]), &want, layers * BATCH * HIDDEN, 16);
        loss = reel_add(t, loss, sum_of_squares(out[1 + i]));
    }
    for (int i = 0; i < n_params; i++)
        all[1 + i] = reel_param_var(t, reel_params_at(p, first_param + i));
    for (int graph = 0; graph < 2; graph++) {
        const reel_real *of_grads = want;
        reel_grad(t, loss, all, 1 + n_params, graph ? REEL_GRAD_CREATE_GRAPH : 0, first);
        cr_assert_eq(reel_context_status(c), REEL_OK, "%s", reel_error(c));
        for (int i = 0; i <= n_params; i++)
            expect_near(graph ? "gradient with a graph" : "gradient", reel_data(t, first[i]), &of_grads,
                        reel_numel(t, first[i]), 256);
        if (graph)
            want = of_grads;
    }
    reel_grad(t, sum_of_squares(first[0]), all, 1 + n_params, 0, second);
    for (int i = 0; i <= n_params; i++)
        expect_near("second order", reel_data(t, second[i]), &want, reel_numel(t, second[i]), 1024);
    cr_assert_eq(reel_tape_reset(t), REEL_OK);
}

Test(recurrent, layers_are_those_of_pytorch)
{
    for (int i = 0; i < (int)(sizeof cases / sizeof *cases); i++)
        check(&cases[i], i);
}

/* Padding is not looked at, not even NaN, and gets no gradient. */
Test(recurrent, what_is_past_the_end_has_no_influence)
{
    REEL_OPTIONS(recurrent, o, o.bidirectional = true, o.num_layers = 2);
    reel_module *m = reel_lstm_new(p, "m", IN, HIDDEN, &o);
    const int32_t lengths[] = {2, 4};
    reel_real values[2 * 4 * IN];
    const reel_real *ys[2];
    for (int i = 0; i < 2 * 4 * IN; i++)
        values[i] = (reel_real)i / 16;
    for (int bad = 0; bad < 2; bad++) {
        for (int i = 2 * IN; i < 4 * IN; i++)
            values[i] = bad ? NAN : 7;
        reel_var x = reel_tensor(t, values, REEL_SHAPE(2, 4, IN)), grad, out[3];
        reel_forward_all(t, m,
                         REEL_VARS(x, reel_null(), reel_null(), reel_tensor_of(t, REEL_INT32, lengths, REEL_SHAPE(2))),
                         out, 3);
        reel_grad(t, reel_add(t, sum_of_squares(out[0]), sum_of_squares(out[2])), &x, 1, 0, &grad);
        ys[bad] = reel_data_real(t, out[0]);
        for (int i = 0; i < 2 * 4 * IN; i++)
            cr_assert(i < 2 * IN || i >= 4 * IN ? reel_data_real(t, grad)[i] != 0 : reel_data_real(t, grad)[i] == 0);
    }
    cr_assert_eq(memcmp(ys[0], ys[1], sizeof(reel_real) * 2 * 4 * 2 * HIDDEN), 0);
    for (int i = 2 * 2 * HIDDEN; i < 4 * 2 * HIDDEN; i++)
        cr_assert_eq(ys[0][i], 0);
}

Test(recurrent, cells_are_steps_of_the_layers)
{
    reel_manual_seed(c, 1);
    reel_module *gru = reel_gru_new(p, "gru", IN, HIDDEN, NULL), *lstm = reel_lstm_new(p, "lstm", IN, HIDDEN, NULL);
    reel_manual_seed(c, 1);
    reel_module *gru_cell = reel_gru_cell_new(p, "gru_cell", IN, HIDDEN, true),
                *lstm_cell = reel_lstm_cell_new(p, "lstm_cell", IN, HIDDEN, true);
    reel_var x = reel_randn(t, REEL_SHAPE(BATCH, STEPS, IN)), of_gru[2], of_lstm[3],
             state[2] = {reel_null(), reel_null()};
    reel_forward_all(t, gru, &x, 1, of_gru, 2);
    reel_forward_all(t, lstm, &x, 1, of_lstm, 3);
    reel_var h = reel_null();
    for (int step = 0; step < STEPS; step++) {
        reel_var now = reel_reshape(t, reel_narrow(t, x, 1, step, 1), REEL_SHAPE(BATCH, IN));
        reel_forward_all(t, gru_cell, REEL_VARS(now, h), &h, 1);
        reel_forward_all(t, lstm_cell, REEL_VARS(now, state[0], state[1]), state, 2);
    }
    const reel_var cells[] = {h, state[0], state[1]}, layers[] = {of_gru[1], of_lstm[1], of_lstm[2]};
    for (int i = 0; i < 3; i++) {
        const reel_real *want = reel_data_real(t, layers[i]);
        expect_near("the last state", reel_data(t, cells[i]), &want, BATCH * HIDDEN, 8);
    }
}

Test(recurrent, dropout_is_between_layers_and_in_training)
{
    REEL_OPTIONS(recurrent, o, o.num_layers = 2, o.dropout = 1);
    reel_module *m = reel_gru_new(p, "m", IN, HIDDEN, &o);
    reel_var x = reel_randn(t, REEL_SHAPE(BATCH, STEPS, IN)), out[2], grad;
    reel_forward_all(t, m, &x, 1, out, 2);
    reel_grad(t, sum_of_squares(out[0]), &x, 1, 0, &grad);
    for (int i = 0; i < BATCH * STEPS * IN; i++)
        cr_assert_eq(reel_data_real(t, grad)[i], 0, "nothing comes through");
    reel_module_train(m, false);
    reel_forward_all(t, m, &x, 1, out, 2);
    reel_grad(t, sum_of_squares(out[0]), &x, 1, 0, &grad);
    cr_assert_neq(reel_data_real(t, grad)[0], 0);
}

Test(recurrent, threads_do_not_change_bits)
{
    enum { MANY = 96 };
    if (!reel_threads_deterministic())
        cr_skip("this BLAS starts threads of its own");
    reel_module *m = reel_gru_new(p, "m", MANY, MANY, NULL);
    reel_var x = reel_randn(t, REEL_SHAPE(MANY, 8, MANY));
    const reel_real *one = NULL;
    for (int threads = 1; threads <= 3; threads++) {
        cr_assert_eq(reel_set_num_threads(c, threads), REEL_OK);
        reel_var out[2], grad, hh = reel_param_var(t, reel_params_find(p, "m.weight_hh_l0"));
        reel_forward_all(t, m, &x, 1, out, 2);
        reel_grad(t, sum_of_squares(out[0]), &hh, 1, 0, &grad);
        if (!one)
            one = reel_data_real(t, grad);
        cr_assert_eq(memcmp(one, reel_data(t, grad), sizeof(reel_real) * 3 * MANY * MANY), 0);
    }
}

Test(recurrent, what_does_not_fit_is_refused)
{
    REEL_OPTIONS(recurrent, o, o.num_layers = 0);
    cr_assert_null(reel_gru_new(p, "bad", IN, HIDDEN, &o));
    expect_error(c, REEL_ERROR_ARGUMENT, "gru \"bad\": num_layers 0 must be from 1");
    cr_assert_null(reel_lstm_new(p, "bad", IN, 0, NULL));
    expect_error(c, REEL_ERROR_ARGUMENT, "lstm \"bad\": input_size 2 must be 0 or more, and hidden_size 0 1 or more");
    cr_assert_eq(reel_params_count(p), 0);
    reel_module *m = reel_lstm_new(p, "m", IN, HIDDEN, NULL);
    reel_var x = reel_randn(t, REEL_SHAPE(2, 4, IN)), out[3], none = reel_null();
    reel_forward_all(t, m, REEL_VARS(reel_randn(t, REEL_SHAPE(2, 4, 5))), out, 3);
    expect_error(c, REEL_ERROR_SHAPE, "lstm \"m\": x is [2, 4, 5], it must be [batch, steps, 2] with 1 step or more");
    reel_forward_all(t, m, REEL_VARS(x, none, reel_randn(t, REEL_SHAPE(2, HIDDEN))), out, 3);
    expect_error(c, REEL_ERROR_SHAPE, "lstm \"m\": c is [2, 3], it must be [1, 2, 3]");
    const int64_t lengths[] = {4, 5}, zero[] = {0, 4};
    reel_forward_all(t, m, REEL_VARS(x, none, none, reel_tensor_of(t, REEL_INT64, lengths, REEL_SHAPE(2))), out, 3);
    expect_error(c, REEL_ERROR_INDEX, "lstm \"m\": length 5 of sequence 1 is outside 1..4");
    reel_forward_all(t, m, REEL_VARS(x, none, none, reel_tensor_of(t, REEL_INT64, zero, REEL_SHAPE(2))), out, 3);
    expect_error(c, REEL_ERROR_INDEX, "lstm \"m\": length 0 of sequence 0 is outside 1..4");
    reel_forward_all(t, m, REEL_VARS(x, none, none, reel_tensor_of(t, REEL_INT64, zero, REEL_SHAPE(1))), out, 3);
    expect_error(c, REEL_ERROR_SHAPE, "lstm \"m\": lengths is [1], it must be [batch]");
}
