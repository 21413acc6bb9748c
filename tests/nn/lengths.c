/* Layers that know of lengths give each sequence of a batch what they give it alone: values, gradients, and the second
 * order, for random lengths. */
#include "helpers.h"
#include "support/fixture.h"

TestSuite(lengths, .init = set_up, .fini = tear_down);

enum { BATCH = 4, STEPS = 6, FEATURES = 4, QUERIES = 3, TRIALS = 5, MOST_PARAMS = 20 };

enum layer { GRU, LSTM, ENCODER, CROSS_ATTENTION, LAYERS };

static const char *const names[LAYERS] = {"gru", "lstm", "encoder", "cross attention"};

static reel_module *new_layer(enum layer layer)
{
    REEL_OPTIONS(recurrent, deep, deep.num_layers = 2, deep.bidirectional = true);
    REEL_OPTIONS(transformer, encoder, encoder.dim_feedforward = 5, encoder.dropout = 0, encoder.gelu = true);
    switch (layer) {
    case GRU:
        return reel_gru_new(p, "m", FEATURES, 3, &deep);
    case LSTM:
        return reel_lstm_new(p, "m", FEATURES, 3, &deep);
    case ENCODER:
        return reel_transformer_encoder_layer_new(p, "m", FEATURES, 2, &encoder);
    default:
        return reel_multihead_attention_new(p, "m", FEATURES, 2, NULL);
    }
}

/* The same numbers for every sequence. */
static reel_var numbers(int64_t rows, int64_t columns)
{
    reel_real values[STEPS * 8];
    cr_assert_leq(rows * columns, STEPS * 8);
    for (int64_t i = 0; i < rows * columns; i++)
        values[i] = (reel_real)((37 * i + 11) % 64 * 2 - 63) / 64;
    return reel_tensor(t, values, REEL_SHAPE(1, rows, columns));
}

/* The sum of what a layer makes of x [sequences, steps, FEATURES], weighed; `lengths` may be the null var. The outputs
 * at places that are some sequence's go to *y. */
static reel_var weighed_sum(enum layer layer, reel_module *m, reel_var x, reel_var lengths, reel_var *y)
{
    reel_shape shape = reel_shape_of(t, x);
    int64_t n = shape.dim[0], steps = shape.dim[1];
    reel_var out[3] = {reel_null(), reel_null(), reel_null()}, padding = reel_null(), sum = reel_zeros(t, REEL_SCALAR);
    if (!reel_is_null(lengths))
        padding = reel_ge(t, reel_arange_int64(t, 0, steps, 1), reel_unsqueeze(t, lengths, 1));
    switch (layer) {
    case GRU:
        reel_forward_all(t, m, REEL_VARS(x, reel_null(), lengths), out, 2);
        break;
    case LSTM:
        reel_forward_all(t, m, REEL_VARS(x, reel_null(), reel_null(), lengths), out, 3);
        break;
    case ENCODER:
        reel_forward_all(t, m, REEL_VARS(x, reel_null(), padding), out, 1);
        if (!reel_is_null(padding))
            out[0] = reel_masked_fill(t, out[0], reel_unsqueeze(t, padding, 2), 0);
        break;
    default:
        out[0] = reel_expand(t, numbers(QUERIES, FEATURES), REEL_SHAPE(n, QUERIES, FEATURES));
        reel_forward_all(t, m, REEL_VARS(out[0], x, reel_null(), padding), out, 1);
    }
    for (int i = 1; i < 3; i++)
        if (!reel_is_null(out[i]))
            sum = reel_add(t, sum, reel_sum_all(t, reel_square(t, out[i])));
    *y = out[0];
    shape = reel_shape_of(t, *y);
    return reel_add(t, sum, reel_sum_all(t, reel_mul(t, *y, numbers(shape.dim[1], shape.dim[2]))));
}

/* What a way to compute gives for the sequences x[0], x[1], ... and the params. */
struct outcome {
    int n_x, n; /* vars that gradients are for: the sequences, and with the params */
    reel_var all[BATCH + MOST_PARAMS], first[BATCH + MOST_PARAMS], second[BATCH + MOST_PARAMS];
};

/* The second order is that of the squares of all gradients. */
static void differentiate(struct outcome *o, reel_var loss)
{
    o->n = o->n_x;
    for (int i = 0; i < reel_params_count(p); i++)
        o->all[o->n++] = reel_param_var(t, reel_params_at(p, i));
    reel_grad(t, loss, o->all, o->n, REEL_GRAD_CREATE_GRAPH | REEL_GRAD_ALLOW_UNUSED, o->first);
    reel_var squares = reel_zeros(t, REEL_SCALAR);
    for (int i = 0; i < o->n; i++)
        if (!reel_is_null(o->first[i]))
            squares = reel_add(t, squares, reel_sum_all(t, reel_square(t, o->first[i])));
    reel_grad(t, squares, o->all, o->n, REEL_GRAD_ALLOW_UNUSED, o->second);
    cr_assert_eq(reel_context_status(c), REEL_OK, "%s", reel_error(c));
}

/* Rows of `got` from `first` on are those of `want`, where null vars are zeros. */
static void expect_same(enum layer layer, const char *what, reel_var got, int64_t first, reel_var want, int64_t numel)
{
    const double epsilon = sizeof(reel_real) == sizeof(float) ? 0x1p-23 : 0x1p-52;
    const reel_real *a = reel_is_null(got) ? NULL : reel_data_real(t, got) + first,
                    *b = reel_is_null(want) ? NULL : reel_data_real(t, want);
    double scale = 1;
    for (int64_t i = 0; i < numel; i++)
        scale = fmax(scale, b ? fabs((double)b[i]) : 0);
    for (int64_t i = 0; i < numel; i++) {
        double x = a ? (double)a[i] : 0, y = b ? (double)b[i] : 0;
        cr_assert(fabs(x - y) <= 256 * epsilon * scale, "%s, %s: element %lld is %.17g, alone %.17g", names[layer],
                  what, (long long)i, x, y);
    }
}

/* Lengths of a trial: all full, one of each extreme, then random ones. */
static void choose_lengths(int trial, int64_t least, int64_t lengths[BATCH])
{
    const int64_t *random = reel_data_int64(t, reel_randint(t, least, STEPS + 1, REEL_SHAPE(BATCH)));
    for (int i = 0; i < BATCH; i++)
        lengths[i] = trial == 0 ? STEPS : trial == 1 && i < 2 ? (i == 0 ? least : STEPS) : random[i];
}

static void check(enum layer layer, int trial)
{
    const int64_t least = layer == GRU || layer == LSTM ? 1 : 0; /* as in PyTorch */
    int64_t lengths[BATCH];
    reel_module *m = new_layer(layer);
    cr_assert_leq(reel_params_count(p), MOST_PARAMS);
    choose_lengths(trial, least, lengths);
    reel_var values = reel_randn(t, REEL_SHAPE(BATCH, STEPS, FEATURES)), length, together, alone[BATCH];
    length = reel_tensor_of(t, REEL_INT64, lengths, REEL_SHAPE(BATCH));

    struct outcome batch = {.n_x = 1, .all = {values}}, each = {.n_x = 0};
    differentiate(&batch, weighed_sum(layer, m, values, length, &together));

    reel_var loss = reel_zeros(t, REEL_SCALAR);
    for (int i = 0; i < BATCH; i++) {
        reel_var x = reel_narrow(t, reel_narrow(t, values, 0, i, 1), 1, 0, lengths[i]);
        each.all[each.n_x++] = x;
        if (lengths[i] > 0 || layer == CROSS_ATTENTION)
            loss = reel_add(t, loss, weighed_sum(layer, m, x, reel_null(), &alone[i]));
    }
    differentiate(&each, loss);

    int64_t rows = reel_numel(t, together) / BATCH;
    for (int i = 0; i < BATCH; i++) {
        int64_t own = lengths[i] * FEATURES, first = i * STEPS * FEATURES;
        if (lengths[i] > 0 || layer == CROSS_ATTENTION)
            expect_same(layer, "outputs", together, i * rows, alone[i], reel_numel(t, alone[i]));
        expect_same(layer, "gradient of x", batch.first[0], first, each.first[i], own);
        expect_same(layer, "second order of x", batch.second[0], first, each.second[i], own);
        expect_same(layer, "gradient past the end", batch.first[0], first + own, reel_null(), STEPS * FEATURES - own);
        expect_same(layer, "second order past the end", batch.second[0], first + own, reel_null(),
                    STEPS * FEATURES - own);
    }
    for (int i = 0; i < reel_params_count(p); i++) {
        const char *name = reel_param_name(reel_params_at(p, i));
        int64_t numel = reel_numel(t, batch.all[1 + i]);
        expect_same(layer, name, batch.first[1 + i], 0, each.first[BATCH + i], numel);
        expect_same(layer, name, batch.second[1 + i], 0, each.second[BATCH + i], numel);
    }
}

Test(lengths, each_sequence_gets_what_it_gets_alone)
{
    for (int layer = 0; layer < LAYERS; layer++)
        for (int trial = 0; trial < TRIALS; trial++) {
            tear_down();
            set_up();
            reel_manual_seed(c, (uint64_t)(100 * layer + trial));
            check((enum layer)layer, trial);
        }
}
