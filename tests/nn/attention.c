/* Layers of transformers against PyTorch's, to the second order; what masks mean, dropout, and what is refused. */
#include "helpers.h"
#include "support/fixture.h"

#include "golden/attention.h"

#include <unistd.h>

TestSuite(attention, .init = set_up, .fini = tear_down);

enum { BATCH = 2, QUERIES = 3, KEYS = 4 };

/* ---- The cases of tests/golden/attention.py ---- */

static reel_var simple_numbers(int salt, reel_shape shape)
{
    static reel_real values[BATCH * 2 * QUERIES * KEYS];
    int64_t n = reel_shape_numel(&shape);
    cr_assert(n <= (int64_t)COUNT(values));
    for (int64_t j = 0; j < n; j++)
        values[j] = (reel_real)((37 * j + 11 * salt) % 64 * 2 - 63) / 64;
    return reel_tensor(t, values, shape);
}

/* bool [BATCH, keys]: the last of the first sequence, the last two of the second. */
static reel_var padding(int64_t keys)
{
    const int64_t lengths[] = {keys - 1, keys - 2};
    reel_var length = reel_tensor_of(t, REEL_INT64, lengths, REEL_SHAPE(2, 1));
    return reel_ge(t, reel_arange_int64(t, 0, keys, 1), length);
}

static reel_module *new_attention(int i)
{
    REEL_OPTIONS(multihead_attention, o, o.is_causal = i == 1);
    REEL_OPTIONS(multihead_attention, other, other.kdim = 3, other.vdim = 5, other.bias = false);
    REEL_OPTIONS(multihead_attention, weights, weights.need_weights = true, weights.average_attn_weights = i == 3);
    if (i == 2)
        return reel_multihead_attention_new(p, "m", 4, 2, &other);
    return reel_multihead_attention_new(p, "m", i == 1 ? 6 : 4, i == 1 ? 3 : 2, i == 3 || i == 4 ? &weights : &o);
}

static reel_module *new_encoder(int i)
{
    REEL_OPTIONS(transformer, o, o.dim_feedforward = 3, o.dropout = 0, o.gelu = i == 7, o.norm_first = i >= 7,
                 o.bias = i != 7, o.is_causal = i == 7, o.final_norm = true);
    if (i == 7)
        o.layer_norm_eps = 1e-3;
    return i == 8 ? reel_transformer_encoder_new(p, "m", 4, 2, 2, &o)
                  : reel_transformer_encoder_layer_new(p, "m", 4, 2, &o);
}

/* The inputs that are drawn, and how the layer is called. */
struct golden_case {
    const reel_real *numbers;
    int n_inputs, n_outputs;
    int64_t features[3];
};

static const struct golden_case cases[] = {
    {golden_attention_0, 1, 1, {4}},    {golden_attention_1, 1, 1, {6}},    {golden_attention_2, 3, 1, {4, 3, 5}},
    {golden_attention_3, 2, 2, {4, 4}}, {golden_attention_4, 2, 2, {4, 4}}, {golden_attention_5, 2, 1, {4, 4}},
    {golden_attention_6, 1, 1, {4}},    {golden_attention_7, 1, 1, {4}},    {golden_attention_8, 1, 1, {4}},
};

static void call(int i, reel_module *m, const reel_var *x, reel_var *outputs)
{
    reel_var none = reel_null(), pad = none, mask = none;
    if (i >= 6) {
        if (i == 6)
            pad = padding(QUERIES);
        if (i == 8)
            mask = simple_numbers(3, REEL_SHAPE(QUERIES, QUERIES));
        reel_forward_all(t, m, REEL_VARS(x[0], mask, pad), outputs, 1);
        return;
    }
    if (i == 1)
        pad = padding(QUERIES);
    if (i == 2 || i == 5)
        mask = simple_numbers(3, REEL_SHAPE(QUERIES, KEYS));
    if (i == 3)
        mask = reel_gt_scalar(t, simple_numbers(3, REEL_SHAPE(BATCH * 2, QUERIES, KEYS)), 0.6);
    if (i == 4)
        pad = padding(KEYS);
    if (i == 5) /* as reals */
        pad = reel_where(t, padding(KEYS), reel_full(t, REEL_SCALAR, -INFINITY), reel_zeros(t, REEL_SCALAR));
    reel_forward_all(t, m, REEL_VARS(x[0], x[1], x[2], pad, mask), outputs, cases[i].n_outputs);
}

static void check(int i)
{
    const struct golden_case *g = &cases[i];
    const reel_real *want = g->numbers;
    reel_manual_seed(c, (uint64_t)(30 + i));
    reel_module *m = i < 6 ? new_attention(i) : new_encoder(i);
    cr_assert_not_null(m, "%s", reel_error(c));
    int n_params = reel_params_count(p);
    reel_var x[3] = {reel_null(), reel_null(), reel_null()}, all[40], first[40], second[40], out[2];
    for (int k = 0; k < n_params; k++) {
        reel_param *param = reel_params_at(p, k);
        expect_bits(reel_param_name(param), reel_param_data(param), &want, reel_shape_numel(reel_param_shape(param)));
        all[g->n_inputs + k] = reel_param_var(t, param);
    }
    for (int k = 0; k < g->n_inputs; k++) {
        all[k] = x[k] = reel_randn(t, REEL_SHAPE(BATCH, k == 0 ? QUERIES : KEYS, g->features[k]));
        expect_bits("an input", reel_data(t, x[k]), &want, reel_numel(t, x[k]));
    }
    call(i, m, x, out);
    cr_assert_eq(reel_context_status(c), REEL_OK, "%s", reel_error(c));
    reel_var loss = reel_null();
    for (int k = 0; k < g->n_outputs; k++) {
        reel_var part = reel_mul(t, simple_numbers(4 + k, reel_shape_of(t, out[k])), out[k]);
        expect_near("an output", reel_data(t, out[k]), &want, reel_numel(t, out[k]), 32);
        loss = k == 0 ? reel_sum_all(t, part) : reel_add(t, loss, reel_sum_all(t, part));
    }
    int n = g->n_inputs + n_params;
    for (int graph = 0; graph < 2; graph++) {
        const reel_real *of_grads = want;
        reel_grad(t, loss, all, n, graph ? REEL_GRAD_CREATE_GRAPH : 0, first);
        cr_assert_eq(reel_context_status(c), REEL_OK, "%s", reel_error(c));
        for (int k = 0; k < n; k++)
            expect_near(graph ? "a gradient with a graph" : "a gradient", reel_data(t, first[k]), &of_grads,
                        reel_numel(t, first[k]), 256);
        if (graph)
            want = of_grads;
    }
    reel_grad(t, reel_sum_all(t, reel_square(t, first[0])), all, n, REEL_GRAD_ALLOW_UNUSED, second);
    cr_assert_eq(reel_context_status(c), REEL_OK, "%s", reel_error(c));
    for (int k = 0; k < n; k++) {
        reel_var s = reel_is_null(second[k]) ? reel_zeros(t, reel_shape_of(t, all[k])) : second[k];
        expect_near("the second order", reel_data(t, s), &want, reel_numel(t, s), 2048);
    }
}

Test(attention, layers_are_those_of_pytorch)
{
    for (int i = 0; i < (int)COUNT(cases); i++) {
        check(i);
        tear_down();
        set_up();
    }
}

/* ---- Masks ---- */

static reel_var sum_of_squares(reel_var v)
{
    return reel_sum_all(t, reel_square(t, v));
}

/* Nothing is infinite on the way, which looking for anomalies would find. */
Test(attention, that_sees_nothing_gives_the_bias)
{
    REEL_OPTIONS(multihead_attention, o, o.need_weights = true);
    reel_module *m = reel_multihead_attention_new(p, "m", 4, 2, &o);
    const reel_real bias[] = {1, -2, 3, 0.5};
    reel_param_set(reel_params_find(p, "m.out_proj.bias"), bias);
    reel_set_detect_anomaly(c, true);
    reel_var x = reel_randn(t, REEL_SHAPE(BATCH, QUERIES, 4)), out[2], grad[2];
    const bool hidden[BATCH * QUERIES] = {true, true, true, false, true, false};
    reel_var pad = reel_tensor_of(t, REEL_BOOL, hidden, REEL_SHAPE(BATCH, QUERIES));
    reel_forward_all(t, m, REEL_VARS(x, reel_null(), reel_null(), pad), out, 2);
    const reel_real *y = reel_data_real(t, out[0]), *weights = reel_data_real(t, out[1]);
    for (int i = 0; i < QUERIES * 4; i++)
        cr_assert_eq(y[i], bias[i % 4]);
    for (int i = 0; i < BATCH * QUERIES * QUERIES; i++)
        cr_assert((weights[i] == 0) == hidden[i / (QUERIES * QUERIES) * QUERIES + i % QUERIES]);
    reel_grad(t, reel_add(t, sum_of_squares(out[0]), sum_of_squares(out[1])), &x, 1, REEL_GRAD_CREATE_GRAPH, &grad[0]);
    reel_grad(t, sum_of_squares(grad[0]), &x, 1, 0, &grad[1]);
    for (int k = 0; k < 2; k++)
        for (int i = 0; i < BATCH * QUERIES * 4; i++)
            cr_assert((reel_data_real(t, grad[k])[i] == 0) == (i < QUERIES * 4), "order %d, element %d", k + 1, i);
}

/* What is hidden has no influence on the others. */
Test(attention, does_not_see_what_is_padded)
{
    REEL_OPTIONS(transformer, o, o.dropout = 0, o.dim_feedforward = 8);
    reel_module *m = reel_transformer_encoder_layer_new(p, "m", 4, 2, &o);
    static reel_real values[BATCH * QUERIES * 4];
    reel_real seen[2][4];
    for (int bad = 0; bad < 2; bad++) {
        for (int i = 0; i < (int)COUNT(values); i++)
            values[i] = (reel_real)((i * 7 % 11) - 5) / 8;
        for (int i = 0; bad && i < 4; i++)
            values[(QUERIES - 1) * 4 + i] = 7;
        reel_var x = reel_tensor(t, values, REEL_SHAPE(BATCH, QUERIES, 4)), y;
        reel_forward_all(t, m, REEL_VARS(x, reel_null(), padding(QUERIES)), &y, 1);
        memcpy(seen[bad], reel_data_real(t, y), sizeof seen[bad]);
        reel_tape_reset(t);
    }
    cr_assert_eq(memcmp(seen[0], seen[1], sizeof seen[0]), 0);
}

/* A bool and a real mask together are what two real ones are. */
Test(attention, takes_masks_of_two_kinds)
{
    reel_module *m = reel_multihead_attention_new(p, "m", 4, 2, NULL);
    reel_var x = reel_randn(t, REEL_SHAPE(BATCH, QUERIES, 4)), y[2];
    reel_var mask = simple_numbers(3, REEL_SHAPE(QUERIES, QUERIES)), pad = padding(QUERIES);
    reel_var as_reals = reel_where(t, pad, reel_full(t, REEL_SCALAR, -INFINITY), reel_zeros(t, REEL_SCALAR));
    reel_forward_all(t, m, REEL_VARS(x, reel_null(), reel_null(), pad, mask), &y[0], 1);
    reel_forward_all(t, m, REEL_VARS(x, reel_null(), reel_null(), as_reals, mask), &y[1], 1);
    cr_assert_eq(memcmp(reel_data(t, y[0]), reel_data(t, y[1]), sizeof(reel_real) * BATCH * QUERIES * 4), 0);
}

/* ---- Steps of an encoder with dropout ---- */

struct steps {
    int threads;
    bool again; /* each layer is computed again for its gradients */
    uint64_t allocations;
    reel_real loss, after; /* of the last step, and a number drawn behind it */
    reel_real params[2000];
    size_t count;
};

static void layer_segment(reel_tape *tape, const reel_var *inputs, reel_var *outputs, void *user)
{
    outputs[0] = reel_forward(tape, user, inputs[0]);
}

static void run(struct steps *s)
{
    enum { LENGTH = 40, MODEL = 8, LAYERS = 2 };
    REEL_OPTIONS(transformer, o, o.dim_feedforward = 12, o.dropout = 0.2, o.is_causal = true);
    tear_down();
    set_up();
    reel_set_num_threads(c, s->threads);
    reel_module *layers[LAYERS] = {reel_transformer_encoder_layer_new(p, "first", MODEL, 2, &o),
                                   reel_transformer_encoder_layer_new(p, "second", MODEL, 2, &o)},
                *places = reel_learned_positions_new(p, "places", LENGTH, MODEL);
    reel_optim *adam = reel_adam_new(p, NULL);
    for (int step = 0; step < 5; step++) {
        uint64_t before = reel_memory(c).allocations;
        reel_var x = reel_randn(t, REEL_SHAPE(16, LENGTH, MODEL)), y = reel_forward(t, places, x);
        y = reel_add(t, y, reel_sinusoidal_positions(t, LENGTH, MODEL));
        for (int i = 0; i < LAYERS; i++) {
            if (s->again)
                reel_recompute(t, layer_segment, layers[i], &y, 1, &y, 1);
            else
                y = reel_forward(t, layers[i], y);
        }
        reel_var loss = reel_mse_loss(t, y, reel_neg(t, x));
        reel_zero_grad(p);
        reel_backward(t, loss, p);
        cr_assert_eq(reel_optim_step(adam), REEL_OK, "%s", reel_error(c));
        s->loss = (reel_real)reel_item(t, loss);
        reel_tape_reset(t);
        s->allocations = reel_memory(c).allocations - before;
    }
    s->after = (reel_real)reel_item(t, reel_sum_all(t, reel_dropout(t, reel_randn(t, REEL_SHAPE(50)), 0.5, true)));
    s->count = 0;
    for (int i = 0; i < reel_params_count(p); i++) {
        const reel_param *param = reel_params_at(p, i);
        size_t n = (size_t)reel_shape_numel(reel_param_shape(param));
        cr_assert(s->count + n <= COUNT(s->params));
        memcpy(s->params + s->count, reel_param_data(param), n * sizeof(reel_real));
        s->count += n;
    }
    reel_optim_free(adam);
}

static void expect_same_steps(const struct steps *a, const struct steps *b)
{
    cr_assert_eq(a->count, b->count);
    cr_assert_eq(memcmp(a->params, b->params, a->count * sizeof *a->params), 0);
    cr_assert_eq(a->loss, b->loss);
    cr_assert_eq(a->after, b->after);
}

Test(attention, has_the_same_bits_on_any_number_of_threads)
{
    static struct steps one = {.threads = 1}, more = {.threads = 2};
    for (run(&one); more.threads <= 4; more.threads++) {
        run(&more);
        expect_same_steps(&one, &more);
    }
    cr_assert_eq(one.allocations, 0);
}

Test(attention, can_be_computed_again)
{
    static struct steps plain = {.threads = 2}, again = {.threads = 2, .again = true};
    run(&plain);
    run(&again);
    expect_same_steps(&plain, &again);
}

Test(attention, drops_weights_in_training)
{
    REEL_OPTIONS(multihead_attention, o, o.dropout = 0.5, o.need_weights = true, o.average_attn_weights = false);
    reel_module *m = reel_multihead_attention_new(p, "m", 4, 2, &o);
    reel_var x = reel_randn(t, REEL_SHAPE(1, 30, 4)), train[2], eval[2];
    reel_forward_all(t, m, &x, 1, train, 2);
    reel_eval(p);
    reel_forward_all(t, m, &x, 1, eval, 2);
    const reel_real *dropped = reel_data_real(t, train[1]), *all = reel_data_real(t, eval[1]);
    int zeros = 0;
    for (int i = 0; i < 2 * 30 * 30; i++) {
        cr_assert(dropped[i] == 0 || dropped[i] == all[i] * 2);
        zeros += dropped[i] == 0;
    }
    cr_assert(zeros > 800 && zeros < 1000, "%d of 1800", zeros);

    /* Where all is dropped the residual connections are left. */
    REEL_OPTIONS(transformer, layer, layer.dropout = 1, layer.dim_feedforward = 8, layer.norm_first = true);
    reel_train(p);
    reel_module *identity = reel_transformer_encoder_layer_new(p, "layer", 4, 2, &layer);
    reel_var y = reel_forward(t, identity, x);
    cr_assert_eq(memcmp(reel_data(t, y), reel_data(t, x), sizeof(reel_real) * 30 * 4), 0);
}

/* ---- Construction ---- */

Test(attention, layers_of_an_encoder_begin_alike)
{
    reel_module *m = reel_transformer_encoder_new(p, "m", 4, 2, 3, NULL);
    reel_module_train(m, false);
    cr_assert_eq(reel_params_count(p), 3 * 12);
    for (int i = 0; i < 12; i++) {
        const reel_param *first = reel_params_at(p, i), *last = reel_params_at(p, 24 + i);
        cr_assert_str_eq(reel_param_name(last) + strlen("m.layers.2"), reel_param_name(first) + strlen("m.layers.0"));
        cr_assert_eq(memcmp(reel_param_data(first), reel_param_data(last),
                            (size_t)reel_shape_numel(reel_param_shape(first)) * sizeof(reel_real)),
                     0);
    }
    /* Switched with it: dropout does nothing. */
    reel_var x = reel_randn(t, REEL_SHAPE(1, 5, 4)), first = reel_forward(t, m, x), second = reel_forward(t, m, x);
    cr_assert_eq(memcmp(reel_data(t, first), reel_data(t, second), sizeof(reel_real) * 20), 0);
}

Test(attention, constructors_that_fail_leave_everything_as_it_was)
{
    reel_real before, after;
    before = (reel_real)reel_item(t, reel_randn(t, REEL_SCALAR));
    reel_manual_seed(c, 0);
    REEL_OPTIONS(multihead_attention, o, o.dropout = 2);
    cr_assert_null(reel_multihead_attention_new(p, "m", 4, 3, NULL));
    expect_error(c, REEL_ERROR_ARGUMENT, "multihead_attention \"m\": 3 heads do not divide embed_dim 4");
    cr_assert_null(reel_multihead_attention_new(p, "m", 4, 0, NULL));
    expect_error(c, REEL_ERROR_ARGUMENT, "0 heads");
    cr_assert_null(reel_multihead_attention_new(p, "m", 4, 2, &o));
    expect_error(c, REEL_ERROR_ARGUMENT, "dropout 2 from 0 to 1");
    REEL_OPTIONS(transformer, none, none.dim_feedforward = 0);
    cr_assert_null(reel_transformer_encoder_layer_new(p, "m", 4, 2, &none));
    expect_error(c, REEL_ERROR_ARGUMENT, "dim_feedforward 0 is not 1 or more");
    REEL_OPTIONS(transformer, eps, eps.layer_norm_eps = -1); /* found when half of it is there */
    cr_assert_null(reel_transformer_encoder_layer_new(p, "m", 4, 2, &eps));
    expect_error(c, REEL_ERROR_ARGUMENT, "layer_norm \"m.norm1\": eps -1");
    cr_assert_null(reel_transformer_encoder_new(p, "m", 4, 2, 2, &eps));
    expect_error(c, REEL_ERROR_ARGUMENT, "eps -1");
    cr_assert_null(reel_transformer_encoder_new(p, "m", 4, 2, 0, NULL));
    expect_error(c, REEL_ERROR_ARGUMENT, "num_layers 0");
    cr_assert_null(reel_learned_positions_new(p, "m", -1, 2));
    reel_clear_error(c);
    cr_assert_eq(reel_params_count(p), 0);
    reel_train(p); /* walks over all modules */
    after = (reel_real)reel_item(t, reel_randn(t, REEL_SCALAR));
    cr_assert_eq(before, after);
    cr_assert_not_null(reel_transformer_encoder_new(p, "m", 4, 2, 2, NULL));
    cr_assert_not_null(reel_params_find(p, "m.layers.1.self_attn.out_proj.bias"));
}

Test(attention, refuses_inputs_that_do_not_fit)
{
    reel_module *m = reel_multihead_attention_new(p, "m", 4, 2, NULL),
                *places = reel_learned_positions_new(p, "places", 3, 4);
    reel_var x = reel_randn(t, REEL_SHAPE(BATCH, QUERIES, 4)), none = reel_null(), y,
             other = reel_randn(t, REEL_SHAPE(BATCH, KEYS, 4)), flat = reel_randn(t, REEL_SHAPE(QUERIES, 4));
    reel_forward_all(t, m, &flat, 1, &y, 1);
    expect_error(c, REEL_ERROR_SHAPE, "multihead_attention \"m\": query is [3, 4], it must be [batch, steps, 4]");
    reel_forward_all(t, m, REEL_VARS(x, flat), &y, 1);
    expect_error(c, REEL_ERROR_SHAPE, "key is [3, 4], it must be [2, steps, 4]");
    reel_forward_all(t, m, REEL_VARS(x, other, x), &y, 1);
    expect_error(c, REEL_ERROR_SHAPE, "value is [2, 3, 4], it must be [2, 4, 4]");
    reel_forward_all(t, m, REEL_VARS(x, none, none, padding(KEYS)), &y, 1);
    expect_error(c, REEL_ERROR_SHAPE, "key_padding_mask is [2, 4], it must be [2, 3]");
    reel_forward_all(t, m, REEL_VARS(x, none, none, none, flat), &y, 1);
    expect_error(c, REEL_ERROR_SHAPE, "attn_mask is [3, 4], it must be [3, 3] or [4, 3, 3]");
    reel_forward(t, places, other);
    expect_error(c, REEL_ERROR_SHAPE, "learned_positions \"places\": x is [2, 4, 4]");
}
