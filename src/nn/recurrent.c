/* Recurrent layers: GRU and LSTM, their cells, and what lengths and directions need. */
#include "nn/module.h"

#include "base/checked.h"
#include "base/shape.h"

#include <reel/compare.h>
#include <reel/create.h>
#include <reel/dropout.h>
#include <reel/elementwise.h>
#include <reel/init.h>
#include <reel/join.h>
#include <reel/mask.h>
#include <reel/matmul.h>
#include <reel/recurrent.h>
#include <reel/reduce.h>
#include <reel/tape.h>
#include <reel/view.h>

#include <math.h>
#include <stdio.h>

/* What GRU and LSTM differ in. */
struct recurrence {
    const char *name;
    int gates, states; /* states: h, and of LSTM c */
};

static const struct recurrence gru = {"gru", 3, 1}, lstm = {"lstm", 4, 2};

/* The params of a layer in one direction, or of a cell; biases may be missing. */
struct weights {
    reel_param *ih, *hh, *bias_ih, *bias_hh;
};

struct recurrent {
    reel_module module;
    const struct recurrence *kind;
    int64_t hidden;
    int layers, directions;
    double dropout;
    struct weights *weights; /* [layers][directions] */
};

static void fail_shape(reel_context *c, const char *who, const char *what, const reel_shape *shape, const char *want)
{
    char text[REEL_SHAPE_TEXT];
    reel_fail(c, REEL_ERROR_SHAPE, "%s: %s is %s, it must be %s", who, what, reel_shape_text(shape, text), want);
}

/* ---- Sequences of different length ---- */

/* What lengths mean for an array [batch, steps]. Null vars without lengths. */
struct ends {
    reel_var padding;  /* bool [batch, steps, 1]: past the end */
    reel_var last;     /* int64 [batch]: the last step's place in [batch * steps] */
    reel_var backward; /* int64 [batch * steps]: places with each sequence turned round, and the padding left */
};

static bool lengths_fit(reel_tape *t, const char *who, reel_var lengths, int64_t batch, int64_t steps)
{
    reel_context *c = reel_tape_context(t);
    reel_shape shape = reel_shape_of(t, lengths);
    if (shape.ndim != 1 || shape.dim[0] != batch) {
        fail_shape(c, who, "lengths", &shape, "[batch]");
        return false;
    }
    const int64_t *values = reel_data_int64(t, lengths);
    for (int64_t i = 0; values && i < batch; i++)
        if (values[i] < 1 || values[i] > steps) {
            reel_fail(c, REEL_ERROR_INDEX, "%s: length %lld of sequence %lld is outside 1..%lld", who,
                      (long long)values[i], (long long)i, (long long)steps);
            return false;
        }
    return values != NULL;
}

static bool find_ends(reel_tape *t, const char *who, reel_var lengths, int64_t batch, int64_t steps, struct ends *e)
{
    *e = (struct ends){reel_null(), reel_null(), reel_null()};
    if (reel_is_null(lengths))
        return true;
    if (reel_dtype_of(t, lengths) == REEL_INT32)
        lengths = reel_to_int64(t, lengths);
    if (!lengths_fit(t, who, lengths, batch, steps))
        return false;
    reel_var step = reel_reshape(t, reel_arange_int64(t, 0, steps, 1), REEL_SHAPE(1, steps));
    /* Places of the first steps: sums, and no range, so that an ONNX model has them for any batch. */
    reel_var size = reel_add(t, reel_sub(t, lengths, lengths), reel_full_int64(t, REEL_SHAPE(1), steps));
    reel_var first = reel_sub(t, reel_cumsum(t, size, 0), size);
    reel_var length = reel_reshape(t, lengths, REEL_SHAPE(batch, 1)), one = reel_full_int64(t, REEL_SHAPE(1), 1);
    reel_var inside = reel_lt(t, step, length);
    reel_var turned = reel_where(t, inside, reel_sub(t, reel_sub(t, length, one), step), step);
    e->padding = reel_reshape(t, reel_logical_not(t, inside), REEL_SHAPE(batch, steps, 1));
    e->last = reel_sub(t, reel_add(t, first, lengths), one);
    e->backward =
        reel_reshape(t, reel_add(t, turned, reel_reshape(t, first, REEL_SHAPE(batch, 1))), REEL_SHAPE(batch * steps));
    return true;
}

/* x [batch, steps, n] with 0 past the ends, whatever was there. */
static reel_var without_padding(reel_tape *t, reel_var x, const struct ends *e)
{
    return reel_is_null(e->padding) ? x : reel_masked_fill(t, x, e->padding, 0);
}

/* x [batch, steps, n] with each sequence turned round. */
static reel_var turn_round(reel_tape *t, reel_var x, const struct ends *e)
{
    if (reel_is_null(e->backward))
        return reel_flip(t, x, REEL_AXES(1));
    reel_shape shape = reel_shape_of(t, x);
    reel_var rows = reel_reshape(t, x, REEL_SHAPE(-1, shape.dim[2]));
    return reel_reshape(t, reel_index_select(t, rows, 0, e->backward), shape);
}

/* [batch, n]: of each sequence the last step. */
static reel_var last_of(reel_tape *t, reel_var x, const struct ends *e)
{
    reel_shape shape = reel_shape_of(t, x), last = {2, {shape.dim[0], shape.dim[2]}};
    if (reel_is_null(e->last))
        return reel_reshape(t, reel_narrow(t, x, 1, shape.dim[1] - 1, 1), last);
    return reel_index_select(t, reel_reshape(t, x, REEL_SHAPE(-1, shape.dim[2])), 0, e->last);
}

/* ---- Layers ---- */

/* [batch, hidden] of zeros, with a batch of any size in an ONNX model. */
static reel_var no_state(reel_tape *t, int64_t batch, int64_t hidden)
{
    return reel_expand(t, reel_zeros(t, REEL_SHAPE(1, hidden)), REEL_SHAPE(batch, hidden));
}

/* The first state of a layer in a direction: zeros, or its part of [layers * directions, batch, hidden]. */
static reel_var first_state(reel_tape *t, const struct recurrent *m, reel_var states, int at, int64_t batch)
{
    reel_shape shape = {2, {batch, m->hidden}};
    if (reel_is_null(states))
        return no_state(t, batch, m->hidden);
    return reel_reshape(t, reel_narrow(t, states, 0, at, 1), shape);
}

static reel_var bias_of(reel_tape *t, const struct recurrent *m, reel_param *bias)
{
    return bias ? reel_module_var(t, bias) : reel_zeros(t, REEL_SHAPE(m->kind->gates * m->hidden));
}

/* One layer in one direction: outputs [batch, steps, hidden], and the last states. */
static reel_var run(reel_tape *t, const struct recurrent *m, int at, reel_var x, const reel_var *first,
                    const struct ends *ends, reel_var *last)
{
    const struct weights *w = &m->weights[at];
    bool backward = m->directions == 2 && at % 2 == 1;
    reel_var gates = reel_linear(t, x, reel_module_var(t, w->ih), reel_module_var(t, w->bias_ih));
    if (backward)
        gates = turn_round(t, gates, ends);
    reel_var hh = reel_module_var(t, w->hh), bias = bias_of(t, m, w->bias_hh), cells, y;
    if (m->kind == &gru) {
        y = reel_gru(t, gates, first[0], hh, bias);
    } else {
        y = reel_lstm(t, gates, first[0], first[1], hh, bias, &cells);
        last[1] = last_of(t, cells, ends);
    }
    last[0] = last_of(t, y, ends);
    if (backward)
        y = turn_round(t, y, ends);
    return without_padding(t, y, ends);
}

static bool check_inputs(reel_tape *t, const struct recurrent *m, const reel_var *inputs, const reel_shape *x)
{
    static const char *const names[] = {"h", "c"};
    reel_context *c = reel_tape_context(t);
    const int64_t *ih = reel_param_shape(m->weights[0].ih)->dim;
    if (x->ndim < 0)
        return false;
    if (x->ndim != 3 || x->dim[2] != ih[1] || x->dim[1] < 1) {
        char want[96];
        snprintf(want, sizeof want, "[batch, steps, %lld] with 1 step or more", (long long)ih[1]);
        fail_shape(c, m->kind->name, "x", x, want);
        return false;
    }
    const reel_shape state = {3, {m->layers * m->directions, x->dim[0], m->hidden}};
    for (int i = 0; i < m->kind->states; i++) {
        if (reel_is_null(inputs[1 + i]))
            continue;
        reel_shape given = reel_shape_of(t, inputs[1 + i]);
        if (given.ndim >= 0 && !reel_shape_equal(&given, &state)) {
            char want[REEL_SHAPE_TEXT];
            fail_shape(c, m->kind->name, names[i], &given, reel_shape_text(&state, want));
        }
    }
    return reel_context_status(c) == REEL_OK;
}

/* Inputs: x, the first states, lengths. Outputs: those of the last layer, and the last states of all. */
static void recurrent_forward(reel_tape *t, reel_module *module, const reel_var *inputs, reel_var *outputs)
{
    struct recurrent *m = (struct recurrent *)module;
    int states = m->kind->states;
    reel_shape shape = reel_shape_of(t, inputs[0]);
    struct ends ends;
    if (!check_inputs(t, m, inputs, &shape) ||
        !find_ends(t, m->kind->name, inputs[1 + states], shape.dim[0], shape.dim[1], &ends))
        return;
    reel_var x = without_padding(t, inputs[0], &ends), last[2] = {reel_null(), reel_null()};
    for (int layer = 0; layer < m->layers; layer++) {
        reel_var sides[2];
        for (int d = 0; d < m->directions; d++) {
            int at = layer * m->directions + d;
            reel_var first[2], end[2];
            for (int i = 0; i < states; i++)
                first[i] = first_state(t, m, inputs[1 + i], at, shape.dim[0]);
            sides[d] = run(t, m, at, x, first, &ends, end);
            for (int i = 0; i < states; i++) {
                end[i] = reel_unsqueeze(t, end[i], 0);
                last[i] = at == 0 ? end[i] : reel_cat(t, REEL_VARS(last[i], end[i]), 0);
            }
        }
        x = m->directions == 2 ? reel_cat(t, sides, 2, 2) : sides[0];
        if (layer + 1 < m->layers && m->dropout > 0)
            x = reel_dropout(t, x, m->dropout, module->training);
    }
    outputs[0] = x;
    for (int i = 0; i < states; i++)
        outputs[1 + i] = last[i];
}

reel_recurrent_options reel_recurrent_defaults(void)
{
    return (reel_recurrent_options){.mark = REEL_OPTIONS_MARK(reel_recurrent_options), .num_layers = 1, .bias = true};
}

/* Params with PyTorch's names; false when one was refused. */
static bool make_weights(reel_module *m, const char *suffix, int64_t in, int64_t hidden, int gates, bool bias,
                         struct weights *w)
{
    const struct {
        const char *name;
        reel_param **param;
        reel_shape shape;
        bool wanted;
    } all[] = {{"weight_ih", &w->ih, {2, {gates * hidden, in}}, true},
               {"weight_hh", &w->hh, {2, {gates * hidden, hidden}}, true},
               {"bias_ih", &w->bias_ih, {1, {gates * hidden}}, bias},
               {"bias_hh", &w->bias_hh, {1, {gates * hidden}}, bias}};
    for (int i = 0; i < 4; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s%s", all[i].name, suffix);
        *all[i].param = all[i].wanted ? reel_module_param(m, name, REEL_PARAM_TRAINED, REEL_REAL, all[i].shape) : NULL;
        if (all[i].wanted && !*all[i].param)
            return false;
    }
    return true;
}

static void draw_weights(const struct weights *w, int64_t hidden)
{
    reel_param *const all[] = {w->ih, w->hh, w->bias_ih, w->bias_hh};
    double bound = hidden > 0 ? 1 / sqrt((double)hidden) : 0;
    for (int i = 0; i < 4; i++)
        if (all[i])
            reel_init_uniform(all[i], 0 - bound, bound);
}

/* Sizes whose multiples by the gates, and by two directions, are sizes. */
static bool sizes_fit(reel_context *c, const char *who, int64_t input_size, int64_t hidden_size)
{
    if (input_size >= 0 && hidden_size >= 1 && hidden_size <= INT64_MAX / 8)
        return true;
    reel_fail(c, REEL_ERROR_ARGUMENT, "%s: input_size %lld must be 0 or more, and hidden_size %lld 1 or more", who,
              (long long)input_size, (long long)hidden_size);
    return false;
}

static reel_module *new_recurrent(reel_params *params, const char *name, const struct recurrence *kind,
                                  const struct reel_module_kind *module, int64_t input_size, int64_t hidden_size,
                                  const reel_recurrent_options *options)
{
    enum { MOST_LAYERS = 1 << 16 };
    reel_recurrent_options o = reel_recurrent_defaults();
    if (reel_options_take(reel_params_context(params), "recurrent", options, &o) != REEL_OK)
        return NULL;
    struct recurrent *m = reel_module_begin(params, name, module);
    if (!m)
        return NULL;
    m->kind = kind;
    m->hidden = hidden_size;
    m->layers = o.num_layers;
    m->directions = o.bidirectional ? 2 : 1;
    m->dropout = o.dropout;
    bool fits = sizes_fit(params->context, kind->name, input_size, hidden_size);
    if (fits && (o.num_layers < 1 || o.num_layers > MOST_LAYERS || !(o.dropout >= 0 && o.dropout <= 1))) {
        reel_fail(params->context, REEL_ERROR_ARGUMENT,
                  "%s: num_layers %d must be from 1 to %d, and dropout %g from 0 to 1", kind->name, o.num_layers,
                  MOST_LAYERS, o.dropout);
        fits = false;
    }
    int count = fits ? m->layers * m->directions : 0;
    m->weights = fits ? reel_params_allocate(params, (size_t)count * sizeof *m->weights) : NULL;
    for (int i = 0; m->weights && i < count; i++) {
        char suffix[32];
        int layer = i / m->directions;
        snprintf(suffix, sizeof suffix, "_l%d%s", layer, i % m->directions ? "_reverse" : "");
        int64_t in = layer == 0 ? input_size : m->directions * hidden_size;
        if (!make_weights(&m->module, suffix, in, hidden_size, kind->gates, o.bias, &m->weights[i]))
            break;
    }
    if (!reel_module_end(&m->module))
        return NULL;
    for (int i = 0; i < count; i++)
        draw_weights(&m->weights[i], hidden_size);
    return &m->module;
}

reel_module *reel_gru_new(reel_params *params, const char *name, int64_t input_size, int64_t hidden_size,
                          const reel_recurrent_options *options)
{
    static const struct reel_module_kind module = {.size = sizeof(struct recurrent),
                                                   .forward_all = recurrent_forward,
                                                   .min_inputs = 1,
                                                   .max_inputs = 3,
                                                   .n_outputs = 2,
                                                   .named = true};
    return new_recurrent(params, name, &gru, &module, input_size, hidden_size, options);
}

reel_module *reel_lstm_new(reel_params *params, const char *name, int64_t input_size, int64_t hidden_size,
                           const reel_recurrent_options *options)
{
    static const struct reel_module_kind module = {.size = sizeof(struct recurrent),
                                                   .forward_all = recurrent_forward,
                                                   .min_inputs = 1,
                                                   .max_inputs = 4,
                                                   .n_outputs = 3,
                                                   .named = true};
    return new_recurrent(params, name, &lstm, &module, input_size, hidden_size, options);
}

/* ---- Cells ---- */

struct cell {
    reel_module module;
    const struct recurrence *kind;
    int64_t hidden;
    struct weights weights;
};

static void cell_forward(reel_tape *t, reel_module *module, const reel_var *inputs, reel_var *outputs)
{
    struct cell *m = (struct cell *)module;
    const struct weights *w = &m->weights;
    reel_shape x = reel_shape_of(t, inputs[0]);
    if (x.ndim < 0)
        return;
    if (x.ndim != 2) {
        fail_shape(reel_tape_context(t), m->kind->name, "x", &x, "[batch, input_size]");
        return;
    }
    reel_var before[2];
    for (int i = 0; i < m->kind->states; i++)
        before[i] = reel_is_null(inputs[1 + i]) ? no_state(t, x.dim[0], m->hidden) : inputs[1 + i];
    reel_var gates = reel_linear(t, inputs[0], reel_module_var(t, w->ih), reel_module_var(t, w->bias_ih)),
             state = reel_linear(t, before[0], reel_module_var(t, w->hh), reel_module_var(t, w->bias_hh));
    if (m->kind == &gru)
        outputs[0] = reel_gru_cell(t, gates, state, before[0]);
    else
        outputs[0] = reel_lstm_cell(t, gates, state, before[1], &outputs[1]);
}

static reel_module *new_cell(reel_params *params, const char *name, const struct recurrence *kind,
                             const struct reel_module_kind *module, int64_t input_size, int64_t hidden_size, bool bias)
{
    struct cell *m = reel_module_begin(params, name, module);
    if (!m)
        return NULL;
    m->kind = kind;
    m->hidden = hidden_size;
    if (sizes_fit(params->context, kind->name, input_size, hidden_size))
        make_weights(&m->module, "", input_size, hidden_size, kind->gates, bias, &m->weights);
    if (!reel_module_end(&m->module))
        return NULL;
    draw_weights(&m->weights, hidden_size);
    return &m->module;
}

reel_module *reel_gru_cell_new(reel_params *params, const char *name, int64_t input_size, int64_t hidden_size,
                               bool bias)
{
    static const struct reel_module_kind module = {.size = sizeof(struct cell),
                                                   .forward_all = cell_forward,
                                                   .min_inputs = 1,
                                                   .max_inputs = 2,
                                                   .n_outputs = 1,
                                                   .named = true};
    return new_cell(params, name, &gru, &module, input_size, hidden_size, bias);
}

reel_module *reel_lstm_cell_new(reel_params *params, const char *name, int64_t input_size, int64_t hidden_size,
                                bool bias)
{
    static const struct reel_module_kind module = {.size = sizeof(struct cell),
                                                   .forward_all = cell_forward,
                                                   .min_inputs = 1,
                                                   .max_inputs = 3,
                                                   .n_outputs = 2,
                                                   .named = true};
    return new_cell(params, name, &lstm, &module, input_size, hidden_size, bias);
}
