/* Saves networks as ONNX models from a batch of 7, with what reel makes of batches of 1, 7 and 64, for models.py to run
 * in onnxruntime:
 *
 *     interop_models FOLDER
 *
 * Each line printed is the name of a network: FOLDER/NAME.onnx and FOLDER/NAME-BATCH.safetensors, which has the inputs
 * (in0, in1, ...) and outputs (out0, ...). */
#include <reel/reel.h>

#include <stdio.h>
#include <string.h>

enum { MOST = 3 };

/* A network's vars; the networks draw their own inputs. */
struct ports {
    reel_var in[MOST], out[MOST];
    int n_in, n_out;
};

static reel_params *params;
static reel_module *label, *one, *two, *three, *norm, *norm3, *layer, *bag, *places, *encoder, *heads, *gru, *lstm,
    *gru_cell, *lstm_cell;

static reel_var input(reel_tape *t, struct ports *p, reel_var v)
{
    (void)t;
    return p->in[p->n_in++] = v;
}

static void output(struct ports *p, reel_var v)
{
    p->out[p->n_out++] = v;
}

/* A generator: label and noise joined, batch norm of running statistics, dropout that does nothing. */
static void generator(reel_tape *t, int64_t batch, struct ports *p)
{
    reel_var y = input(t, p, reel_randint(t, 0, 10, REEL_SHAPE(batch)));
    reel_var z = input(t, p, reel_randn(t, REEL_SHAPE(batch, 9)));
    reel_var h = reel_cat(t, REEL_VARS(z, reel_forward(t, label, y)), 1);
    h = reel_forward(t, norm, reel_leaky_relu(t, reel_forward(t, one, h), 0.2));
    h = reel_dropout(t, h, 0.4, false);
    output(p, reel_tanh(t, reel_forward(t, two, h)));
}

/* Shapes with the batch in front, behind, and as a factor of a size. */
static void shapes(reel_tape *t, int64_t batch, struct ports *p)
{
    reel_var x = input(t, p, reel_randn(t, REEL_SHAPE(batch, 4, 3)));
    reel_var flat = reel_flatten(t, x, 1, -1);                                           /* [batch, 12] */
    reel_var rows = reel_forward(t, one, reel_reshape(t, x, REEL_SHAPE(batch * 1, 12))); /* [batch, 8] */
    reel_var tall = reel_reshape(t, x, REEL_SHAPE(-1, 3));                               /* [4 batch, 3] */
    reel_var back = reel_reshape(t, tall, REEL_SHAPE(batch, 2, 2, 3));
    reel_var behind = reel_permute(t, back, REEL_AXES(1, 3, 0, 2)); /* [2, 3, batch, 2] */
    reel_var scaled = reel_mul(t, reel_expand(t, reel_sum(t, tall, REEL_AXES(0), true), REEL_SHAPE(4, 3)), x);
    reel_var ones = reel_ones(t, REEL_SHAPE(batch, 1));
    output(p, reel_add(t, reel_cat(t, REEL_VARS(flat, ones, rows), 1), ones));
    output(p, reel_reshape(t, behind, REEL_SHAPE(6, batch * 2)));
    output(p, reel_cat(t, REEL_VARS(scaled, reel_squeeze(t, reel_unsqueeze(t, x, 0), 0), reel_neg(t, x)), 0));
}

/* What depends on all of the batch: statistics, a matrix of everybody with everybody, losses. */
static void statistics(reel_tape *t, int64_t batch, struct ports *p)
{
    reel_var x = input(t, p, reel_randn(t, REEL_SHAPE(batch, 5)));
    reel_var y = input(t, p, reel_randint(t, 0, 5, REEL_SHAPE(batch)));
    reel_var variance = reel_variance(t, x, REEL_AXES(0), 0.5, true);
    reel_var similar = reel_matmul(t, x, reel_transpose(t, x, 0, 1));
    output(p, reel_div(t, reel_sub(t, x, reel_mean(t, x, REEL_AXES(0), true)), reel_add_scalar(t, variance, 1)));
    output(p, reel_softmax(t, reel_reshape(t, similar, REEL_SHAPE(batch, 1, batch)), -1));
    output(p, reel_add(t, reel_cross_entropy_loss(t, x, y), reel_mse_loss(t, x, reel_zeros_like(t, x))));
}

/* Layers that take rows of something else than the batch. */
static void layers(reel_tape *t, int64_t batch, struct ports *p)
{
    reel_var x = input(t, p, reel_randn(t, REEL_SHAPE(batch, 3, 12)));
    reel_var words = input(t, p, reel_randint(t, 0, 10, REEL_SHAPE(batch, 4)));
    reel_var h = reel_gelu(t, reel_forward(t, one, x), false); /* [batch, 3, 8] */
    h = reel_forward(t, layer, h);
    h = reel_forward(t, norm3, h);
    output(p, reel_forward(t, three, reel_mean(t, h, REEL_AXES(1), false)));
    output(p, reel_forward(t, bag, words));
    output(p, reel_argmax(t, h, 2, false));
}

/* An encoder whose sequences have lengths of their own, which a mask says. */
static void attention(reel_tape *t, int64_t batch, struct ports *p)
{
    reel_var x = input(t, p, reel_randn(t, REEL_SHAPE(batch, 3, 12)));
    reel_var lengths = input(t, p, reel_randint(t, 1, 4, REEL_SHAPE(batch, 1)));
    reel_var padding = reel_ge(t, reel_arange_int64(t, 0, 3, 1), lengths), y, mixed[2];
    y = reel_add(t, reel_forward(t, places, reel_forward(t, one, x)), reel_sinusoidal_positions(t, 3, 8));
    reel_forward_all(t, encoder, REEL_VARS(y, reel_null(), padding), &y, 1);
    reel_forward_all(t, heads, REEL_VARS(y, x), mixed, 2);
    output(p, y);
    output(p, mixed[0]);
    output(p, mixed[1]);
}

/* Layers whose sequences have lengths of their own, from a state that is given, in two directions. */
static void recurrence(reel_tape *t, int64_t batch, struct ports *p)
{
    reel_var x = input(t, p, reel_randn(t, REEL_SHAPE(batch, 5, 3)));
    reel_var lengths = input(t, p, reel_randint(t, 1, 6, REEL_SHAPE(batch)));
    reel_var h = reel_permute(t, input(t, p, reel_randn(t, REEL_SHAPE(batch, 4, 2))), REEL_AXES(1, 0, 2)), ends[3];
    reel_forward_all(t, gru, REEL_VARS(x, h, lengths), ends, 2);
    reel_var y = ends[0];
    reel_forward_all(t, lstm, REEL_VARS(x, h, reel_neg(t, h), lengths), ends, 3);
    output(p, reel_cat(t, REEL_VARS(y, ends[0]), 2));
    output(p, reel_permute(t, ends[1], REEL_AXES(1, 0, 2)));
    output(p, reel_permute(t, ends[2], REEL_AXES(1, 0, 2)));
}

/* Outputs alone, and a step of cells. */
static void steps(reel_tape *t, int64_t batch, struct ports *p)
{
    reel_var x = input(t, p, reel_randn(t, REEL_SHAPE(batch, 5, 3))), both[2];
    output(p, reel_forward(t, lstm, x));
    output(p, reel_forward(t, gru, x));
    reel_var step = reel_mean(t, x, REEL_AXES(1), false);
    reel_forward_all(t, lstm_cell, REEL_VARS(step), both, 2);
    output(p, reel_cat(t, REEL_VARS(both[0], both[1], reel_forward(t, gru_cell, step)), 1));
}

static const struct network {
    const char *name;
    void (*run)(reel_tape *t, int64_t batch, struct ports *p);
} networks[] = {
    {"generator", generator}, {"shapes", shapes},         {"statistics", statistics}, {"layers", layers},
    {"attention", attention}, {"recurrence", recurrence}, {"steps", steps},
};

static void make_params(reel_context *c)
{
    params = reel_params_new(c);
    label = reel_embedding_new(params, "label", 10, 3, NULL);
    one = reel_linear_new(params, "one", 12, 8, NULL);
    two = reel_linear_new(params, "two", 8, 6, NULL);
    three = reel_linear_new(params, "three", 8, 2, NULL);
    norm = reel_batch_norm1d_new(params, "norm", 8, NULL);
    norm3 = reel_batch_norm1d_new(params, "norm3", 3, NULL);
    layer = reel_layer_norm_new(params, "layer", REEL_SHAPE(8), NULL);
    bag = reel_embedding_bag_new(params, "bag", 10, 5, NULL);
    REEL_OPTIONS(transformer, causal, causal.dim_feedforward = 5, causal.is_causal = true, causal.gelu = true);
    REEL_OPTIONS(multihead_attention, other, other.kdim = 12, other.vdim = 12, other.need_weights = true);
    places = reel_learned_positions_new(params, "places", 4, 8);
    encoder = reel_transformer_encoder_new(params, "encoder", 8, 2, 2, &causal);
    heads = reel_multihead_attention_new(params, "heads", 8, 4, &other);
    REEL_OPTIONS(recurrent, deep, deep.num_layers = 2, deep.bidirectional = true);
    gru = reel_gru_new(params, "gru", 3, 2, &deep);
    lstm = reel_lstm_new(params, "lstm", 3, 2, &deep);
    gru_cell = reel_gru_cell_new(params, "gru_cell", 3, 2, true);
    lstm_cell = reel_lstm_cell_new(params, "lstm_cell", 3, 2, true);
    reel_init_uniform(reel_params_find(params, "norm.running_var"), 0.5, 2);
    reel_init_uniform(reel_params_find(params, "norm3.running_mean"), -1, 1);
    reel_eval(params);
}

static void save(reel_tape *tape, const struct network *network, int64_t batch, const char *folder)
{
    reel_context *c = reel_tape_context(tape);
    struct ports p = {.n_in = 0};
    network->run(tape, batch, &p);
    char names[2 * MOST][8], path[2048];
    reel_named_var named[2 * MOST];
    reel_named_array arrays[2 * MOST];
    for (int i = 0; i < p.n_in + p.n_out; i++) {
        bool in = i < p.n_in;
        reel_var v = in ? p.in[i] : p.out[i - p.n_in];
        snprintf(names[i], sizeof names[i], in ? "in%d" : "out%d", in ? i : i - p.n_in);
        named[i] = (reel_named_var){names[i], v};
        arrays[i] = (reel_named_array){names[i], reel_dtype_of(tape, v), reel_shape_of(tape, v), reel_data(tape, v)};
    }
    snprintf(path, sizeof path, "%s/%s-%d.safetensors", folder, network->name, (int)batch);
    reel_safetensors_write(c, path, arrays, p.n_in + p.n_out);
    snprintf(path, sizeof path, "%s/%s.onnx", folder, network->name);
    if (batch == 7)
        reel_save_onnx(tape, path, named, p.n_in, named + p.n_in, p.n_out, NULL);
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    reel_context *c = reel_context_new(NULL);
    reel_tape *tape = reel_tape_new(c);
    make_params(c);
    bool failed = reel_context_status(c) != REEL_OK;
    for (size_t i = 0; i < sizeof networks / sizeof *networks; i++) {
        const int64_t batches[] = {1, 7, 64};
        for (int k = 0; k < 3; k++) {
            save(tape, &networks[i], batches[k], argv[1]);
            if (reel_tape_reset(tape) != REEL_OK) {
                fprintf(stderr, "%s with a batch of %d: %s\n", networks[i].name, (int)batches[k], reel_error(c));
                failed = true;
            }
        }
        printf("%s\n", networks[i].name);
    }
    reel_tape_free(tape);
    reel_params_free(params);
    reel_context_free(c);
    return failed;
}
