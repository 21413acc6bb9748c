/* Layers of transformers: attention with several heads, encoders, learned positions. */
#include "nn/module.h"

#include "base/shape.h"

#include <reel/attention.h>
#include <reel/compare.h>
#include <reel/create.h>
#include <reel/dropout.h>
#include <reel/elementwise.h>
#include <reel/init.h>
#include <reel/join.h>
#include <reel/mask.h>
#include <reel/reduce.h>
#include <reel/tape.h>
#include <reel/unary.h>
#include <reel/view.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- Several heads ---- */

enum { QUERY, KEY, VALUE, PADDING, MASK, N_INPUTS };

struct multihead {
    reel_module module;
    reel_param *in_weight, *weights[3], *in_bias, *out_weight, *out_bias; /* in_weight, or one for each input */
    int64_t features[3];                                                  /* of query, key, value */
    int64_t heads;
    double dropout;
    bool is_causal, average;
};

static bool fail_input(reel_tape *t, const char *what, const reel_shape *shape, const char *want)
{
    char text[REEL_SHAPE_TEXT];
    reel_fail(reel_tape_context(t), REEL_ERROR_SHAPE, "multihead_attention: %s is %s, it must be %s", what,
              reel_shape_text(shape, text), want);
    return false;
}

/* Whether query, key and value have the sizes [batch, steps, features], with steps of the key for the value. */
static bool expect_sequences(reel_tape *t, const struct multihead *m, const reel_var *inputs, reel_shape *shapes)
{
    static const char *const names[] = {"query", "key", "value"};
    for (int i = QUERY; i <= VALUE; i++) {
        reel_shape s = shapes[i] = reel_shape_of(t, inputs[i]);
        if (s.ndim < 0)
            return false;
        if (s.ndim == 3 && s.dim[2] == m->features[i] && s.dim[0] == shapes[QUERY].dim[0] &&
            (i < VALUE || s.dim[1] == shapes[KEY].dim[1]))
            continue;
        char want[128], steps[32] = "steps", batch[32] = "batch";
        if (i > QUERY)
            snprintf(batch, sizeof batch, "%lld", (long long)shapes[QUERY].dim[0]);
        if (i == VALUE)
            snprintf(steps, sizeof steps, "%lld", (long long)shapes[KEY].dim[1]);
        snprintf(want, sizeof want, "[%s, %s, %lld]", batch, steps, (long long)m->features[i]);
        return fail_input(t, names[i], &s, want);
    }
    return true;
}

/* [batch, steps, heads * d] -> [batch, heads, steps, d]. */
static reel_var split_heads(reel_tape *t, const struct multihead *m, reel_var x)
{
    reel_shape s = reel_shape_of(t, x);
    if (s.ndim < 0)
        return x;
    x = reel_reshape(t, x, REEL_SHAPE(s.dim[0], s.dim[1], m->heads, s.dim[2] / m->heads));
    return reel_permute(t, x, REEL_AXES(0, 2, 1, 3));
}

/* Part i of what belongs to the three inputs in one array. */
static reel_var part_of(reel_tape *t, const struct multihead *m, reel_param *param, int i)
{
    return param ? reel_narrow(t, reel_param_var(t, param), 0, i * m->features[QUERY], m->features[QUERY])
                 : reel_null();
}

/* Query, key and value as [batch, heads, steps, d]; of one input in one product. */
static void project(reel_tape *t, const struct multihead *m, const reel_var *inputs, bool self, const reel_shape *s,
                    reel_var *heads)
{
    if (self && m->in_weight) {
        reel_var all = reel_linear(t, inputs[QUERY], reel_param_var(t, m->in_weight), reel_module_var(t, m->in_bias));
        all = reel_reshape(t, all, REEL_SHAPE(s->dim[0], s->dim[1], 3, m->heads, s->dim[2] / m->heads));
        reel_unbind(t, reel_permute(t, all, REEL_AXES(2, 0, 3, 1, 4)), 0, 3, heads);
        return;
    }
    for (int i = QUERY; i <= VALUE; i++) {
        reel_var weight = m->in_weight ? part_of(t, m, m->in_weight, i) : reel_param_var(t, m->weights[i]);
        heads[i] = split_heads(t, m, reel_linear(t, inputs[i], weight, part_of(t, m, m->in_bias, i)));
    }
}

/* A mask of the layer with the axes [batch, heads, L, S], as scaled_dot_product_attention has it: true is allowed. */
static reel_var turned(reel_tape *t, reel_var mask, reel_shape shape)
{
    mask = reel_reshape(t, mask, shape);
    return reel_dtype_of(t, mask) == REEL_BOOL ? reel_logical_not(t, mask) : mask;
}

static bool expect_padding(reel_tape *t, reel_var padding, const reel_shape *key)
{
    reel_shape want = {2, {key->dim[0], key->dim[1]}}, shape = reel_is_null(padding) ? want : reel_shape_of(t, padding);
    char text[REEL_SHAPE_TEXT];
    if (shape.ndim < 0 || reel_shape_equal(&shape, &want))
        return shape.ndim >= 0;
    return fail_input(t, "key_padding_mask", &shape, reel_shape_text(&want, text));
}

static bool expect_mask(reel_tape *t, const struct multihead *m, reel_var mask, const reel_shape *query,
                        const reel_shape *key)
{
    reel_shape all = {2, {query->dim[1], key->dim[1]}},
               each = {3, {query->dim[0] * m->heads, query->dim[1], key->dim[1]}},
               shape = reel_is_null(mask) ? all : reel_shape_of(t, mask);
    char text[REEL_SHAPE_TEXT], other[REEL_SHAPE_TEXT], both[2 * REEL_SHAPE_TEXT + 8];
    if (shape.ndim < 0 || reel_shape_equal(&shape, &all) || reel_shape_equal(&shape, &each))
        return shape.ndim >= 0;
    snprintf(both, sizeof both, "%s or %s", reel_shape_text(&all, text), reel_shape_text(&each, other));
    return fail_input(t, "attn_mask", &shape, both);
}

/* Both masks in one; the null var when there is none. */
static reel_var mask_of(reel_tape *t, const struct multihead *m, const reel_var *inputs, const reel_shape *query,
                        const reel_shape *key)
{
    reel_var padding = inputs[PADDING], mask = inputs[MASK];
    int64_t batch = query->dim[0], queries = query->dim[1], keys = key->dim[1];
    if (!reel_is_null(padding))
        padding = turned(t, padding, REEL_SHAPE(batch, 1, 1, keys));
    if (!reel_is_null(mask))
        mask = turned(t, mask,
                      reel_shape_of(t, mask).ndim == 2 ? REEL_SHAPE(1, 1, queries, keys)
                                                       : REEL_SHAPE(batch, m->heads, queries, keys));
    if (reel_is_null(padding) || reel_is_null(mask))
        return reel_is_null(mask) ? padding : mask;
    bool choice = reel_dtype_of(t, padding) == REEL_BOOL, other = reel_dtype_of(t, mask) == REEL_BOOL;
    if (choice != other)
        return reel_where(t, choice ? padding : mask, choice ? mask : padding,
                          reel_full(t, REEL_SCALAR, -(double)INFINITY));
    return choice ? reel_logical_and(t, padding, mask) : reel_add(t, padding, mask);
}

/* The heads' results side by side, and the weights when they are wanted. */
static reel_var attend_in_heads(reel_tape *t, const struct multihead *m, const reel_var *heads, reel_var mask,
                                reel_var *weights)
{
    REEL_OPTIONS(attention, o, o.is_causal = m->is_causal, o.attn_mask = mask);
    o.dropout_p = m->module.training ? m->dropout : 0;
    reel_var y;
    if (m->module.n_outputs == 1) {
        y = reel_scaled_dot_product_attention(t, heads[QUERY], heads[KEY], heads[VALUE], &o);
    } else {
        reel_var each = reel_attention_weights(t, heads[QUERY], heads[KEY], &o);
        y = reel_matmul(t, each, heads[VALUE]);
        *weights = m->average ? reel_mean(t, each, REEL_AXES(1), false) : each;
    }
    return reel_permute(t, y, REEL_AXES(0, 2, 1, 3));
}

static void multihead_forward(reel_tape *t, reel_module *module, const reel_var *given, reel_var *outputs)
{
    const struct multihead *m = (const struct multihead *)module;
    reel_context *c = reel_tape_context(t);
    const uint64_t draws = c->philox_draws;
    reel_var inputs[N_INPUTS], heads[3];
    reel_shape shapes[3];
    memcpy(inputs, given, sizeof inputs);
    bool self = reel_is_null(inputs[KEY]) && reel_is_null(inputs[VALUE]);
    for (int i = KEY; i <= VALUE; i++)
        if (reel_is_null(inputs[i]))
            inputs[i] = inputs[i - 1];
    const reel_shape *query = &shapes[QUERY], *key = &shapes[KEY];
    if (!expect_sequences(t, m, inputs, shapes) || !expect_padding(t, inputs[PADDING], key) ||
        !expect_mask(t, m, inputs[MASK], query, key))
        return;
    project(t, m, inputs, self, query, heads);
    reel_var y = attend_in_heads(t, m, heads, mask_of(t, m, inputs, query, key), &outputs[1]);
    y = reel_reshape(t, y, *query);
    outputs[0] = reel_linear(t, y, reel_param_var(t, m->out_weight), reel_module_var(t, m->out_bias));
    if (c->status != REEL_OK)
        c->philox_draws = draws;
}

reel_multihead_attention_options reel_multihead_attention_defaults(void)
{
    return (reel_multihead_attention_options){
        .mark = REEL_OPTIONS_MARK(reel_multihead_attention_options), .bias = true, .average_attn_weights = true};
}

static bool expect_sizes(reel_context *c, int64_t embed_dim, int64_t num_heads,
                         const reel_multihead_attention_options *o)
{
    if (embed_dim < 1 || embed_dim > INT64_MAX / 3 || num_heads < 1 || embed_dim % num_heads != 0)
        reel_fail(c, REEL_ERROR_ARGUMENT, "multihead_attention: %lld heads do not divide embed_dim %lld",
                  (long long)num_heads, (long long)embed_dim);
    else if (o->kdim < 0 || o->vdim < 0 || !(o->dropout >= 0 && o->dropout <= 1))
        reel_fail(c, REEL_ERROR_ARGUMENT,
                  "multihead_attention: kdim %lld and vdim %lld must be 0 or more, and dropout %g from 0 to 1",
                  (long long)o->kdim, (long long)o->vdim, o->dropout);
    return c->status == REEL_OK;
}

/* In the order of state_dict. */
static void make_params(struct multihead *m, int64_t embed_dim, bool bias)
{
    static const char *const names[] = {"q_proj_weight", "k_proj_weight", "v_proj_weight"};
    reel_module *module = &m->module;
    reel_shape all = {2, {3 * embed_dim, embed_dim}}, square = {2, {embed_dim, embed_dim}}, row = {1, {embed_dim}},
               rows = {1, {3 * embed_dim}};
    if (m->features[KEY] == embed_dim && m->features[VALUE] == embed_dim)
        m->in_weight = reel_module_param(module, "in_proj_weight", REEL_PARAM_TRAINED, REEL_REAL, all);
    for (int i = QUERY; !m->in_weight && i <= VALUE; i++) {
        reel_shape shape = {2, {embed_dim, m->features[i]}};
        m->weights[i] = reel_module_param(module, names[i], REEL_PARAM_TRAINED, REEL_REAL, shape);
    }
    if (bias)
        m->in_bias = reel_module_param(module, "in_proj_bias", REEL_PARAM_TRAINED, REEL_REAL, rows);
    m->out_weight = reel_module_param(module, "out_proj.weight", REEL_PARAM_TRAINED, REEL_REAL, square);
    if (bias)
        m->out_bias = reel_module_param(module, "out_proj.bias", REEL_PARAM_TRAINED, REEL_REAL, row);
}

/* The output layer draws as a linear layer does, before the others, and its bias becomes zero then. */
static void draw_params(const struct multihead *m, int64_t embed_dim)
{
    double bound = 1 / sqrt((double)embed_dim);
    reel_init_kaiming_uniform(m->out_weight, sqrt(5), REEL_FAN_IN, REEL_GAIN_LEAKY_RELU);
    if (m->out_bias) {
        reel_init_uniform(m->out_bias, -bound, bound);
        reel_init_zeros(m->out_bias);
    }
    if (m->in_weight)
        reel_init_xavier_uniform(m->in_weight, 1);
    for (int i = QUERY; !m->in_weight && i <= VALUE; i++)
        reel_init_xavier_uniform(m->weights[i], 1);
}

reel_module *reel_multihead_attention_new(reel_params *params, const char *name, int64_t embed_dim, int64_t num_heads,
                                          const reel_multihead_attention_options *options)
{
    static const struct reel_module_kind kind = {.size = sizeof(struct multihead),
                                                 .forward_all = multihead_forward,
                                                 .min_inputs = 1,
                                                 .max_inputs = N_INPUTS,
                                                 .n_outputs = 2,
                                                 .named = true};
    reel_multihead_attention_options o = reel_multihead_attention_defaults();
    if (reel_options_take(reel_params_context(params), "multihead_attention", options, &o) != REEL_OK)
        return NULL;
    struct multihead *m = reel_module_begin(params, name, &kind);
    if (!m)
        return NULL;
    m->features[QUERY] = embed_dim;
    m->features[KEY] = o.kdim > 0 ? o.kdim : embed_dim;
    m->features[VALUE] = o.vdim > 0 ? o.vdim : embed_dim;
    m->heads = num_heads;
    m->dropout = o.dropout;
    m->is_causal = o.is_causal;
    m->average = o.average_attn_weights;
    m->module.n_outputs = o.need_weights ? 2 : 1;
    if (expect_sizes(params->context, embed_dim, num_heads, &o))
        make_params(m, embed_dim, o.bias);
    if (!reel_module_end(&m->module))
        return NULL;
    draw_params(m, embed_dim);
    return &m->module;
}

/* ---- Modules that make the modules in them ---- */

/* What a constructor that fails goes back to. */
struct construction {
    reel_params *params;
    reel_module *modules;
    struct reel_generator generator;
};

static struct construction begin_construction(reel_params *params)
{
    return (struct construction){params, params->modules, params->context->generator};
}

/* reel_module_end of a module whose inner modules are in the set, and drew, already. */
static reel_module *end_construction(const struct construction *before, reel_module *module)
{
    reel_module *made = reel_module_end(module);
    if (!made) {
        before->params->modules = before->modules;
        before->params->context->generator = before->generator;
    }
    return made;
}

/* ---- A layer of an encoder ---- */

struct encoder_layer {
    reel_module module;
    reel_module *attention, *linear1, *linear2, *norm1, *norm2;
    double dropout;
    bool gelu, norm_first;
};

static reel_var drop(reel_tape *t, const struct encoder_layer *m, reel_var x)
{
    return reel_dropout(t, x, m->dropout, m->module.training);
}

static reel_var attend(reel_tape *t, const struct encoder_layer *m, reel_var x, reel_var mask, reel_var padding)
{
    reel_var y;
    reel_forward_all(t, m->attention, REEL_VARS(x, reel_null(), reel_null(), padding, mask), &y, 1);
    return drop(t, m, y);
}

static reel_var feed_forward(reel_tape *t, const struct encoder_layer *m, reel_var x)
{
    reel_var h = reel_forward(t, m->linear1, x);
    if (m->gelu)
        h = reel_gelu(t, h, false);
    return drop(t, m, reel_forward(t, m->linear2, drop(t, m, h)));
}

/* Inputs: x, src_mask, src_key_padding_mask. */
static void encoder_layer_forward(reel_tape *t, reel_module *module, const reel_var *inputs, reel_var *outputs)
{
    const struct encoder_layer *m = (const struct encoder_layer *)module;
    reel_var x = inputs[0], mask = inputs[1], padding = inputs[2];
    if (m->norm_first) {
        x = reel_add(t, x, attend(t, m, reel_forward(t, m->norm1, x), mask, padding));
        outputs[0] = reel_add(t, x, feed_forward(t, m, reel_forward(t, m->norm2, x)));
    } else {
        x = reel_forward(t, m->norm1, reel_add(t, x, attend(t, m, x, mask, padding)));
        outputs[0] = reel_forward(t, m->norm2, reel_add(t, x, feed_forward(t, m, x)));
    }
}

reel_transformer_options reel_transformer_defaults(void)
{
    return (reel_transformer_options){.mark = REEL_OPTIONS_MARK(reel_transformer_options),
                                      .dim_feedforward = 2048,
                                      .dropout = 0.1,
                                      .layer_norm_eps = 1e-5,
                                      .bias = true};
}

/* The modules of a layer, in the order in which PyTorch makes them. */
static void make_layer(struct encoder_layer *m, int64_t d_model, int64_t nhead, const reel_transformer_options *o)
{
    reel_params *params = m->module.params;
    REEL_OPTIONS(multihead_attention, attention, attention.dropout = o->dropout, attention.bias = o->bias,
                 attention.is_causal = o->is_causal);
    REEL_OPTIONS(linear, first, first.bias = o->bias,
                 first.activation = o->gelu ? REEL_ACTIVATION_NONE : REEL_ACTIVATION_RELU);
    REEL_OPTIONS(linear, second, second.bias = o->bias);
    REEL_OPTIONS(layer_norm, norm, norm.eps = o->layer_norm_eps, norm.bias = o->bias);
    m->attention = reel_multihead_attention_new(params, "self_attn", d_model, nhead, &attention);
    m->linear1 = reel_linear_new(params, "linear1", d_model, o->dim_feedforward, &first);
    m->linear2 = reel_linear_new(params, "linear2", o->dim_feedforward, d_model, &second);
    m->norm1 = reel_layer_norm_new(params, "norm1", REEL_SHAPE(d_model), &norm);
    m->norm2 = reel_layer_norm_new(params, "norm2", REEL_SHAPE(d_model), &norm);
    m->dropout = o->dropout;
    m->gelu = o->gelu;
    m->norm_first = o->norm_first;
}

static const struct reel_module_kind encoder_layer_kind = {.size = sizeof(struct encoder_layer),
                                                           .forward_all = encoder_layer_forward,
                                                           .min_inputs = 1,
                                                           .max_inputs = 3,
                                                           .n_outputs = 1,
                                                           .named = true};

reel_module *reel_transformer_encoder_layer_new(reel_params *params, const char *name, int64_t d_model, int64_t nhead,
                                                const reel_transformer_options *options)
{
    reel_transformer_options o = reel_transformer_defaults();
    if (reel_options_take(reel_params_context(params), "transformer", options, &o) != REEL_OK)
        return NULL;
    struct encoder_layer *m = reel_module_begin(params, name, &encoder_layer_kind);
    if (!m)
        return NULL;
    struct construction before = begin_construction(params);
    if (o.dim_feedforward < 1)
        reel_fail(params->context, REEL_ERROR_ARGUMENT,
                  "transformer_encoder_layer: dim_feedforward %lld is not 1 or more", (long long)o.dim_feedforward);
    if (reel_params_enter(params, name) == REEL_OK) {
        make_layer(m, d_model, nhead, &o);
        reel_params_leave(params, name);
    }
    if (params->context->status == REEL_OK)
        reel_module_contain(&m->module, REEL_MODULES(m->attention, m->linear1, m->linear2, m->norm1, m->norm2));
    return end_construction(&before, &m->module);
}

/* ---- An encoder ---- */

struct encoder {
    reel_module module;
    reel_module **layers; /* and behind them the norm, if there is one */
    int n, n_norms;
};

static void encoder_forward(reel_tape *t, reel_module *module, const reel_var *inputs, reel_var *outputs)
{
    const struct encoder *m = (const struct encoder *)module;
    reel_var x = inputs[0];
    for (int i = 0; i < m->n; i++)
        reel_forward_all(t, m->layers[i], REEL_VARS(x, inputs[1], inputs[2]), &x, 1);
    outputs[0] = m->n_norms ? reel_forward(t, m->layers[m->n], x) : x;
}

/* Each layer draws what the first one drew: PyTorch copies it. */
static void make_layers(struct encoder *m, int64_t d_model, int64_t nhead, const reel_transformer_options *o)
{
    reel_params *params = m->module.params;
    const struct reel_generator first = params->context->generator;
    for (int i = 0; i < m->n && params->context->status == REEL_OK; i++) {
        char name[32];
        snprintf(name, sizeof name, "layers.%d", i);
        params->context->generator = first;
        m->layers[i] = reel_transformer_encoder_layer_new(params, name, d_model, nhead, o);
    }
    if (o->final_norm) {
        REEL_OPTIONS(layer_norm, norm, norm.eps = o->layer_norm_eps, norm.bias = o->bias);
        m->layers[m->n] = reel_layer_norm_new(params, "norm", REEL_SHAPE(d_model), &norm);
        m->n_norms = 1;
    }
}

reel_module *reel_transformer_encoder_new(reel_params *params, const char *name, int64_t d_model, int64_t nhead,
                                          int num_layers, const reel_transformer_options *options)
{
    enum { MOST_LAYERS = 1 << 16 };
    static const struct reel_module_kind kind = {.size = sizeof(struct encoder),
                                                 .forward_all = encoder_forward,
                                                 .min_inputs = 1,
                                                 .max_inputs = 3,
                                                 .n_outputs = 1,
                                                 .named = true};
    reel_transformer_options o = reel_transformer_defaults();
    if (reel_options_take(reel_params_context(params), "transformer", options, &o) != REEL_OK)
        return NULL;
    struct encoder *m = reel_module_begin(params, name, &kind);
    if (!m)
        return NULL;
    struct construction before = begin_construction(params);
    reel_context *c = params->context;
    if (num_layers < 1 || num_layers > MOST_LAYERS)
        reel_fail(c, REEL_ERROR_ARGUMENT, "transformer_encoder: num_layers %d must be from 1 to %d", num_layers,
                  MOST_LAYERS);
    else
        m->layers = reel_params_allocate(params, ((size_t)num_layers + 1) * sizeof *m->layers);
    m->n = num_layers;
    if (m->layers && reel_params_enter(params, name) == REEL_OK) {
        make_layers(m, d_model, nhead, &o);
        reel_params_leave(params, name);
    }
    if (c->status == REEL_OK)
        reel_module_contain(&m->module, m->layers, m->n + m->n_norms);
    return end_construction(&before, &m->module);
}

/* ---- Learned positions ---- */

struct positions {
    reel_module module;
    reel_param *weight;
};

static reel_var positions_forward(reel_tape *t, reel_module *module, reel_var x)
{
    reel_param *weight = ((const struct positions *)module)->weight;
    const reel_shape *most = reel_param_shape(weight);
    reel_shape shape = reel_shape_of(t, x);
    if (shape.ndim < 0)
        return reel_null();
    if (shape.ndim < 2 || shape.dim[shape.ndim - 1] != most->dim[1] || shape.dim[shape.ndim - 2] > most->dim[0]) {
        char text[REEL_SHAPE_TEXT];
        reel_fail(reel_tape_context(t), REEL_ERROR_SHAPE,
                  "learned_positions: x is %s, it must be [..., length, %lld] with a length of at most %lld",
                  reel_shape_text(&shape, text), (long long)most->dim[1], (long long)most->dim[0]);
        return reel_null();
    }
    return reel_add(t, x, reel_narrow(t, reel_param_var(t, weight), 0, 0, shape.dim[shape.ndim - 2]));
}

reel_module *reel_learned_positions_new(reel_params *params, const char *name, int64_t max_length, int64_t features)
{
    static const struct reel_module_kind kind = {
        .size = sizeof(struct positions), .forward = positions_forward, .named = true};
    struct positions *m = reel_module_begin(params, name, &kind);
    if (!m)
        return NULL;
    reel_shape shape = {2, {max_length, features}};
    m->weight = reel_module_param(&m->module, "weight", REEL_PARAM_TRAINED, REEL_REAL, shape);
    if (!reel_module_end(&m->module))
        return NULL;
    reel_init_normal(m->weight, 0, 1);
    return &m->module;
}
