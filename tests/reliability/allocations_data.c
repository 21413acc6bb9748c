/* Configurations about what goes in and comes out: lookups, modules, loaders, words, metrics, files, operations. */
#include "reliability/allocations.h"

#include "ops/samples.h"

#include <string.h>
#include <unistd.h>

static void note_var(struct scene *s, reel_var v)
{
    const void *data;
    CALL(data = reel_data(s->t, v));
    note(s, data, (size_t)reel_numel(s->t, v) * reel_dtype_size(reel_dtype_of(s->t, v)));
}

/* ---- Bags ---- */

static void use_bag(struct scene *s, const reel_embedding_bag_options *options, bool weighted, bool again)
{
    reel_tape *t = s->t;
    reel_module *bag;
    reel_var index, offsets, weights = reel_null(), h, g;
    CALL(s->params[0] = reel_params_new(s->c));
    CALL(bag = reel_embedding_bag_new(s->params[0], "bag", 30, 4, options));
    CALL(s->optims[0] = reel_adagrad_new(s->params[0], NULL));
    CALL(index = reel_randint(t, 0, 30, REEL_SHAPE(50)));
    CALL(offsets = reel_arange_int64(t, 0, 50, 10));
    if (weighted)
        STEP(weights, reel_rand(t, REEL_SHAPE(50)));
    CALL(reel_forward_all(t, bag, REEL_VARS(index, offsets, weights), &h, 1));
    STEP(h, reel_sum_all(t, reel_square(t, h)));
    if (again) {
        reel_var w;
        CALL(w = reel_param_var(t, reel_params_at(s->params[0], 0)));
        CALL(reel_grad(t, h, &w, 1, REEL_GRAD_CREATE_GRAPH, &g));
        STEP(h, reel_sum_all(t, reel_square(t, g)));
    }
    CALL(reel_zero_grad(s->params[0]); reel_backward(t, h, s->params[0]));
    CALL(reel_clip_grad_norm(s->params[0], 1, 2, NULL));
    CALL(reel_optim_step(s->optims[0]));
    CALL(reel_tape_reset(t));
    note(s, reel_param_data(reel_params_at(s->params[0], 0)), 30 * 4 * sizeof(reel_real));
    free_objects(s);
}

void bags(struct scene *s)
{
    for (int mode = REEL_BAG_MEAN; mode <= REEL_BAG_MAX; mode++)
        for (int k = 0; k < 8; k++) {
            REEL_OPTIONS(embedding_bag, o, o.mode = (reel_bag_mode)mode, o.sparse = k & 1);
            o.scale_grad_by_freq = k & 2;
            o.padding_idx = k & 1 ? 3 : o.padding_idx;
            o.max_norm = k & 4 ? 1 : o.max_norm;
            /* A table that max_norm changes and a rule of the second order reads is no matter of this. */
            PART(use_bag(s, &o, k & 2, !(k & 4) && mode != REEL_BAG_MAX));
        }
}

/* ---- Modules ---- */

static void residual(reel_tape *tape, reel_module *m, const reel_var *inputs, reel_var *outputs, void *user)
{
    (void)user;
    outputs[0] = reel_add(tape, inputs[0], reel_forward(tape, reel_module_at(m, 0), inputs[0]));
}

/* None that changes something when it is called: of a module made of others, those before the one that fails have run.
 */
enum { LAYERS = 12 };
static reel_module *layer_of(reel_params *p, int which)
{
    REEL_OPTIONS(linear, activated, activated.activation = REEL_ACTIVATION_TANH);
    REEL_OPTIONS(layer_norm, plain, plain.elementwise_affine = false);
    switch (which) {
    case 0:
        return reel_linear_new(p, "linear", 6, 6, &activated);
    case 1:
        return reel_layer_norm_new(p, "layer_norm", REEL_SHAPE(6), NULL);
    case 2:
        return reel_layer_norm_new(p, "plain", REEL_SHAPE(6), &plain);
    case 3:
        return reel_relu_new(p);
    case 4:
        return reel_elu_new(p, 1);
    case 5:
        return reel_gelu_new(p, true);
    case 6:
        return reel_silu_new(p);
    case 7:
        return reel_softplus_new(p, 1, 20);
    case 8:
        return reel_rms_norm_new(p, "rms_norm", REEL_SHAPE(6), NULL);
    case 9:
        return reel_group_norm_new(p, "group_norm", 3, 6, NULL);
    case 10:
        return reel_pad_new(p, (const int64_t[]){1, -1}, 2, REEL_PAD_CONSTANT, 0);
    default:
        return reel_flatten_new(p, 1, -1);
    }
}

void modules(struct scene *s)
{
    reel_tape *t = s->t;
    reel_module *layers[LAYERS], *inner, *outer, *whole;
    CALL(s->params[0] = reel_params_new(s->c));
    reel_params *p = s->params[0];
    CALL(reel_params_enter(p, "block"));
    for (int i = 0; i < LAYERS; i++) {
        CALL(layers[i] = layer_of(p, i));
    }
    CALL(inner = reel_sequential_new(p, layers, LAYERS));
    CALL(reel_params_leave(p, "block"));
    REEL_OPTIONS(module, o, o.modules = &inner, o.n_modules = 1);
    CALL(outer = reel_module_new(p, "residual", residual, NULL, &o));
    CALL(whole = reel_sequential_new(p, REEL_MODULES(outer, outer)));
    CALL(s->optims[0] = reel_rmsprop_new(p, NULL));
    for (int step = 0; step < 3; step++) {
        reel_var x, y;
        CALL(x = reel_randn(t, REEL_SHAPE(5, 6)));
        CALL(y = reel_forward(t, whole, x));
        STEP(y, reel_mean_all(t, reel_square(t, y)));
        CALL(reel_zero_grad(p); reel_backward(t, y, p));
        CALL(reel_optim_step(s->optims[0]));
        CALL(reel_tape_reset(t));
    }
    reel_eval(p);
    CALL(reel_params_share(p));
    reel_var x, y;
    CALL(x = reel_ones(t, REEL_SHAPE(2, 6)));
    CALL(y = reel_forward(t, whole, x));
    note_var(s, y);
}

void attention(struct scene *s)
{
    reel_tape *t = s->t;
    reel_module *heads, *encoder, *places;
    reel_var x, y[2];
    REEL_OPTIONS(multihead_attention, dropped, dropped.dropout = 0.5, dropped.need_weights = true);
    REEL_OPTIONS(transformer, o, o.dropout = 0, o.dim_feedforward = 5, o.is_causal = true, o.final_norm = true);
    CALL(s->params[0] = reel_params_new(s->c));
    reel_params *p = s->params[0];
    CALL(heads = reel_multihead_attention_new(p, "heads", 6, 2, &dropped));
    CALL(encoder = reel_transformer_encoder_new(p, "encoder", 6, 2, 2, &o));
    CALL(places = reel_learned_positions_new(p, "places", 4, 6));
    CALL(x = reel_randn(t, REEL_SHAPE(3, 4, 6)));
    STEP(x, reel_forward(t, places, x));
    CALL(reel_forward_all(t, heads, &x, 1, y, 2));
    note_var(s, y[1]);
    CALL(x = reel_forward(t, encoder, y[0]));
    STEP(x, reel_scaled_dot_product_attention(t, x, x, y[0], NULL));
    STEP(x, reel_sum_all(t, reel_square(t, x)));
    CALL(reel_backward(t, x, p));
    note(s, reel_param_grad(reel_params_find(p, "places.weight")), 4 * 6 * sizeof(reel_real));
    CALL(reel_tape_reset(t));
}

/* ---- Loaders ---- */

enum { SAMPLES = 9 };

static void walk(struct scene *s)
{
    reel_var batch[4];
    int64_t n;
    for (int k = 0; k < 7; k++) {
        CALL(n = reel_loader_next(s->loader, s->t, batch));
        for (int i = 0; i < reel_loader_vars(s->loader) && n > 0; i++) {
            PART(note_var(s, batch[i]));
        }
        CALL(reel_tape_reset(s->t));
    }
    reel_loader_position position;
    CALL(reel_loader_position_of(s->loader, &position));
    CALL(reel_loader_set_position(s->loader, &position));
    reel_loader_free(s->loader);
    s->loader = NULL;
}

void loaders(struct scene *s)
{
    static const unsigned char bytes[SAMPLES * 12] = {3, 200, 7, 1, 2, 2, 1, 0, 1};
    static const int64_t offsets[SAMPLES + 1] = {0, 2, 3, 3, 7, 8, 9, 10, 11, 12}, some[] = {1, 2, 4, 7, 8};
    static const int32_t words[12] = {1, 2, 3, 4, 5};
    static const bool bits[12] = {true, false, true};
    static const double weights[SAMPLES] = {1, 2, 3, 0, 1, 2, 3, 4, 5};
    for (int k = 0; k < 6; k++) {
        REEL_OPTIONS(loader, o, o.batch_size = 4, o.shuffle = k == 1 || k == 5);
        o.drop_last = k == 2;
        o.indices = k == 5 ? some : NULL;
        o.n_indices = k == 5 ? 5 : 0;
        CALL(s->loader = reel_loader_new(s->c, SAMPLES, &o));
        reel_loader *l = s->loader;
        CALL(reel_loader_add_scaled_bytes(l, bytes, REEL_SHAPE(1, 3, 4), -1, 1));
        CALL(reel_loader_add_bytes(l, bytes, REEL_SCALAR));
        if (k == 2) {
            CALL(reel_loader_add_sequences(l, REEL_INT32, words, offsets, REEL_SCALAR, -1));
        } else if (k == 1) {
            CALL(reel_loader_add_sequences(l, REEL_BOOL, bits, offsets, REEL_SCALAR, 1));
        }
        REEL_OPTIONS(augment, a, a.flip_horizontal = 0.5, a.flip_vertical = 0.5, a.shift = 1, a.noise = 0.1);
        CALL(reel_loader_augment(l, 0, &a));
        if (k == 3) {
            CALL(reel_loader_set_weights(l, weights, 7));
        } else if (k == 4) {
            CALL(reel_loader_balance(l, 1, 0));
        }
        PART(walk(s));
    }
}

/* ---- Words and metrics ---- */

void words_and_metrics(struct scene *s)
{
    static const char *const special[] = {"<pad>", "<unk>"}, *const text = "a b a c d e a b f g h i j k l m n o p q";
    reel_tape *t = s->t;
    REEL_OPTIONS(vocabulary, o, o.special = special, o.n_special = 2, o.unknown = 1);
    CALL(s->vocabulary = reel_vocabulary_new(s->c, &o));
    for (int i = 0; i < 400; i++) {
        char word[16];
        snprintf(word, sizeof word, "word%d", i * i % 391);
        CALL(reel_vocabulary_add(s->vocabulary, word, -1));
    }
    for (const char *at = text; *at; at += at[1] ? 2 : 1) {
        CALL(reel_vocabulary_add_text(s->vocabulary, at, 1));
    }
    CALL(reel_vocabulary_number(s->vocabulary));
    int64_t ids[20], n = reel_vocabulary_size(s->vocabulary);
    reel_vocabulary_ids(s->vocabulary, text, -1, ids, 20);
    note(s, ids, sizeof ids);
    note(s, reel_vocabulary_counts(s->vocabulary), (size_t)n * sizeof(int64_t));

    CALL(s->alias = reel_alias_new_of_counts(s->c, reel_vocabulary_counts(s->vocabulary), n, 0.75));
    reel_var drawn;
    CALL(drawn = reel_alias_draw(t, s->alias, REEL_SHAPE(30)));
    PART(note_var(s, drawn));

    const int64_t lengths[] = {5, 4};
    int64_t places[9], counts[9] = {0};
    CALL(reel_random_split(s->c, 9, lengths, 2, places));
    note(s, places, sizeof places);

    CALL(s->auc = reel_auc_new(s->c));
    for (int k = 0; k < 3; k++) {
        reel_var scores, labels, classes;
        double value;
        CALL(scores = reel_rand(t, REEL_SHAPE(40, 3)));
        CALL(labels = reel_randint(t, 0, 2, REEL_SHAPE(40, 3)));
        CALL(reel_auc_add(s->auc, t, scores, labels));
        CALL(value = reel_auc_value(s->auc));
        note(s, &value, sizeof value);
        CALL(classes = reel_argmax(t, scores, 1, false));
        CALL(value = reel_top_k_accuracy(t, scores, classes, 2));
        note(s, &value, sizeof value);
        CALL(reel_confusion_matrix(t, classes, classes, 3, counts));
    }
    note(s, counts, sizeof counts);
}

/* ---- Files ---- */

static void fill_set(struct scene *s, int which, int n)
{
    CALL(s->params[which] = reel_params_new(s->c));
    for (int i = 0; i < n; i++) {
        char name[16];
        reel_param *p;
        snprintf(name, sizeof name, "p%d", i);
        CALL(p = reel_param_new(s->params[which], name, REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(3, i + 1)));
        CALL(reel_init_constant(p, which + i));
    }
}

void files(struct scene *s)
{
    static const int64_t numbers[6] = {1, 2, 3, 4, 5, 6};
    int64_t rows[4];
    PART(fill_set(s, 0, 5));
    PART(fill_set(s, 1, 5));
    const reel_metadata metadata = {"who", "a test"};
    CALL(reel_save_safetensors_with(s->params[0], s->path, &metadata, 1));
    CALL(reel_load_safetensors(s->params[1], s->path, NULL));
    CALL(reel_param_new(s->params[1], "more", REEL_PARAM_BUFFER, REEL_INT64, REEL_SHAPE(2)));
    REEL_OPTIONS(load, loose, loose.strict = false, loose.report = &s->report);
    /* What the report held is the caller's to free, also that of a load that failed. */
    CALL(reel_load_report_free(&s->report); reel_load_safetensors(s->params[1], s->path, &loose));
    note(s, &s->report.n_loaded, sizeof s->report.n_loaded);

    reel_named_array array = {"numbers", REEL_INT64, REEL_SHAPE(3, 2), numbers};
    CALL(reel_safetensors_write(s->c, s->path, &array, 1));
    CALL(s->file = reel_safetensors_open(s->c, s->path));
    CALL(reel_safetensors_read_rows(s->file, "numbers", REEL_INT64, 1, 2, rows));
    note(s, rows, sizeof rows);
}

/* ---- Gradcheck ---- */

static reel_var product(reel_tape *t, const reel_var *inputs, int n, void *user)
{
    (void)n, (void)user;
    return reel_tanh(t, reel_matmul(t, inputs[0], inputs[1]));
}

void checks_of_gradients(struct scene *s)
{
    static const reel_real a[6] = {0.5f, -1, 0.25f, 1, 2, -0.5f}, b[6] = {1, 0.5f, -0.25f, 0.125f, -1, 0.75f};
    const reel_gradcheck_input inputs[] = {{a, REEL_REAL, REEL_SHAPE(2, 3), false},
                                           {b, REEL_REAL, REEL_SHAPE(3, 2), false}};
    CALL(reel_gradcheck(s->c, product, NULL, inputs, 2, NULL));
    CALL(reel_gradgradcheck(s->c, product, NULL, inputs, 2, NULL));
    const reel_op *op = reel_op_at(0);
    CALL(reel_gradcheck_op(s->c, op, &reel_op_samples_at(0)->samples[0], 1, NULL));
}

/* ---- Operations ---- */

void run_operation(struct scene *s, int number)
{
    const reel_op *op = reel_op_at(number);
    const reel_op_samples *samples = reel_op_samples_at(number);
    const reel_sample *sample = samples->samples;
    reel_var inputs[REEL_MAX_SAMPLE_INPUTS], outputs[REEL_MAX_OUTPUTS], xs[REEL_MAX_SAMPLE_INPUTS];
    reel_var grads[REEL_MAX_SAMPLE_INPUTS], flow;
    int n = 0, of = 0;
    while (sample->refused != REEL_OK)
        sample++;
    CALL(reel_sample_inputs(s->t, sample, 3, inputs));
    CALL(reel_apply(s->t, op, inputs, sample->n_inputs, sample->attributes, outputs));
    for (int i = 0; i < op->n_outputs; i++) {
        PART(note_var(s, outputs[i]));
    }
    for (int k = 0; k < sample->n_inputs; k++)
        if (op->differentiable >> (op->variadic ? 0 : k) & 1 && sample->inputs[k].dtype == REEL_REAL)
            xs[n++] = inputs[k];
    while (of < op->n_outputs && reel_dtype_of(s->t, outputs[of]) != REEL_REAL)
        of++;
    if (n == 0 || of == op->n_outputs || op->derivative == REEL_DERIVATIVE_NONE)
        return;
    CALL(flow = reel_ones_like(s->t, outputs[of]));
    for (unsigned flags = REEL_GRAD_DEFAULT; flags <= REEL_GRAD_CREATE_GRAPH; flags++) {
        CALL(reel_vjp(s->t, outputs[of], flow, xs, n, flags | REEL_GRAD_ALLOW_UNUSED, grads));
        for (int k = 0; k < n; k++)
            if (!reel_is_null(grads[k])) {
                PART(note_var(s, grads[k]));
            }
    }
}
