/* One step of a recurrent network, its rule, and the rule of that. */
#include "ops/pointwise.h"
#include "ops/recurrent.h"

#include "core/sink.h"
#include "files/onnx.h"
#include "kern/copy.h"

#include <reel/elementwise.h>
#include <reel/join.h>
#include <reel/recurrent.h>
#include <reel/tape.h>
#include <reel/unary.h>

#include <string.h>

#ifndef REEL_SAMPLES
/* ---- What the operations share ---- */

reel_status reel_expect_sizes(reel_call *call, int k, const char *name, int ndim, const int64_t *sizes)
{
    char text[REEL_SHAPE_TEXT], other[REEL_SHAPE_TEXT];
    if (reel_expect_real(call, k, name) != REEL_OK)
        return call->context->status;
    const reel_shape *shape = &call->in[k]->shape;
    bool fits = shape->ndim == ndim;
    for (int i = 0; fits && i < ndim; i++)
        fits = sizes[i] == -1 || shape->dim[i] == sizes[i];
    if (fits)
        return REEL_OK;
    reel_shape want = reel_shape_make(ndim, sizes);
    return reel_fail(call->context, REEL_ERROR_SHAPE, "%s: %s is %s, not %s", call->op->name, name,
                     reel_shape_text(shape, text), reel_shape_text(&want, other));
}

const reel_real *reel_elements_of(const reel_call *call, const reel_gradient *gradient, int64_t numel)
{
    if (gradient->data)
        return reel_gradient_contiguous(call, gradient);
    reel_real *zeros = reel_call_temporary(call, (size_t)numel * sizeof *zeros);
    return zeros ? memset(zeros, 0, (size_t)numel * sizeof *zeros) : NULL;
}

bool reel_open_destination(const reel_call *call, int k, reel_sink *sink, struct reel_destination *d)
{
    bool add = true;
    d->numel = call->in[k]->numel;
    d->target = sink ? reel_sink_target(sink, &add) : NULL;
    d->data = add ? reel_call_temporary(call, (size_t)d->numel * sizeof *d->data) : d->target;
    if (!add)
        d->target = NULL;
    return d->data != NULL;
}

void reel_close_destination(const reel_call *call, const struct reel_destination *d)
{
    if (d->target)
        reel_kern_add_to(d->numel, d->data, d->target, reel_get_num_threads(call->context));
}

/* Part i of the gates, each of `hidden` columns. */
static reel_var part(reel_tape *t, reel_var gates, int i, int64_t hidden)
{
    return reel_narrow(t, gates, 1, i * hidden, hidden);
}

/* x (1 - x) */
static reel_var slope_of_sigmoid(reel_tape *t, reel_var y)
{
    return reel_mul(t, y, reel_rsub_scalar(t, y, 1));
}

/* 1 - y y */
static reel_var slope_of_tanh(reel_tape *t, reel_var y)
{
    return reel_rsub_scalar(t, reel_square(t, y), 1);
}

static reel_var product(reel_tape *t, reel_var a, reel_var b, reel_var c)
{
    return reel_mul(t, reel_mul(t, a, b), c);
}

static reel_var sum(reel_tape *t, reel_var a, reel_var b, reel_var c)
{
    return reel_add(t, reel_add(t, a, b), c);
}

/* ---- gru_cell ---- */

static size_t saved_gates_size(int64_t rows, int64_t hidden)
{
    return (size_t)rows * (size_t)hidden * SAVED_GATES * sizeof(reel_real);
}

/* Inputs from `first` on: x, state and before. */
static reel_status expect_cell(reel_call *call, int first, int gates, const char *before)
{
    if (reel_expect_sizes(call, first + 2, before, 2, (const int64_t[]){-1, -1}) != REEL_OK)
        return call->context->status;
    const int64_t *size = call->in[first + 2]->shape.dim, both[] = {size[0], gates * size[1]};
    if (reel_expect_sizes(call, first, "x_gates", 2, both) != REEL_OK)
        return call->context->status;
    return reel_expect_sizes(call, first + 1, "h_gates", 2, both);
}

static struct reel_cell cell_of(const reel_call *call, int first, int gates)
{
    const int64_t *size = call->in[first + 2]->shape.dim;
    return (struct reel_cell){.rows = size[0],
                              .hidden = size[1],
                              .x = rows_of(call->in[first]->data, gates * size[1]),
                              .state = rows_of(call->in[first + 1]->data, gates * size[1]),
                              .before = rows_of(call->in[first + 2]->data, size[1]),
                              .gates = call->saved};
}

static reel_status gru_cell_shape(reel_call *call)
{
    if (expect_cell(call, 0, GRU_GATES, "h") != REEL_OK)
        return call->context->status;
    const reel_shape *h = &call->in[2]->shape;
    reel_set_real_output(call, 0, *h);
    call->saved_size = saved_gates_size(h->dim[0], h->dim[1]);
    return REEL_OK;
}

static reel_status gru_cell_forward(reel_call *call)
{
    struct reel_cell cell = cell_of(call, 0, GRU_GATES);
    cell.after = rows_of(call->out[0]->data, cell.hidden);
    reel_kern_gru_cell(&cell);
    return REEL_OK;
}

static void gru_cell_vjp(const reel_call *call, const reel_var *grad_outputs, reel_var *grad_inputs)
{
    const reel_var inputs[] = {grad_outputs[0], call->inputs[0], call->inputs[1], call->inputs[2]};
    reel_gru_cell_backward(call->tape, inputs, grad_inputs);
}

static reel_status gru_cell_accumulate(const reel_call *call, const reel_gradient *grad_outputs,
                                       reel_sink *const *sinks)
{
    const struct reel_cell cell = cell_of(call, 0, GRU_GATES);
    const reel_real *g = reel_gradient_contiguous(call, &grad_outputs[0]);
    struct reel_destination x, s, h;
    if (!g || !reel_open_destination(call, 0, sinks[0], &x) || !reel_open_destination(call, 1, sinks[1], &s) ||
        !reel_open_destination(call, 2, sinks[2], &h))
        return call->context->status;
    const struct reel_cell_gradient gradient = {.of_after = rows_of(g, cell.hidden),
                                                .x = rows_of(x.data, cell.x.stride),
                                                .state = rows_of(s.data, cell.state.stride),
                                                .before = rows_of(h.data, cell.hidden)};
    reel_kern_gru_cell_backward(&cell, &gradient);
    reel_close_destination(call, &x);
    reel_close_destination(call, &s);
    reel_close_destination(call, &h);
    return REEL_OK;
}

/* Part i of gates [batch, n * hidden]. */
static reel_onnx_value part_onnx(reel_onnx *to, reel_onnx_value gates, int i, int64_t hidden)
{
    const int64_t first = i * hidden, end = first + hidden, axis = 1;
    reel_onnx_value from = reel_onnx_int64s(to, &first, 1), till = reel_onnx_int64s(to, &end, 1);
    return REEL_ONNX_NODE(to, "Slice", gates, from, till, reel_onnx_int64s(to, &axis, 1));
}

/* Parts have a size that is written down. */
static reel_status refuse_growing_onnx(const reel_call *call, reel_onnx *to)
{
    return reel_onnx_growth(to, 2)[1] != 0 ? reel_onnx_refuse_fixed(to, "a state") : call->context->status;
}

static reel_status gru_cell_onnx(const reel_call *call, reel_onnx *to)
{
    int64_t hidden = call->in[2]->shape.dim[1];
    reel_onnx_value x[GRU_GATES], state[GRU_GATES], h = reel_onnx_input(to, 2);
    if (refuse_growing_onnx(call, to) != REEL_OK)
        return call->context->status;
    for (int i = 0; i < GRU_GATES; i++) {
        x[i] = part_onnx(to, reel_onnx_input(to, 0), i, hidden);
        state[i] = part_onnx(to, reel_onnx_input(to, 1), i, hidden);
    }
    reel_onnx_value r = REEL_ONNX_NODE(to, "Sigmoid", REEL_ONNX_NODE(to, "Add", x[0], state[0]));
    reel_onnx_value z = REEL_ONNX_NODE(to, "Sigmoid", REEL_ONNX_NODE(to, "Add", x[1], state[1]));
    reel_onnx_value reset = REEL_ONNX_NODE(to, "Mul", r, state[2]);
    reel_onnx_value new = REEL_ONNX_NODE(to, "Tanh", REEL_ONNX_NODE(to, "Add", x[2], reset));
    reel_onnx_value step = REEL_ONNX_NODE(to, "Mul", z, REEL_ONNX_NODE(to, "Sub", h, new));
    return reel_onnx_set_output(to, 0, REEL_ONNX_NODE(to, "Add", new, step));
}

/* Gates are the longest of what a cell reads. */
static reel_cost gates_cost(const reel_call *call)
{
    reel_cost cost = reel_pointwise_cost(call);
    int64_t gates = 0;
    for (int k = 0; k < call->n_inputs; k++)
        gates = call->in[k]->numel > gates ? call->in[k]->numel : gates;
    cost.flops = REEL_GATE_FLOPS * (double)gates;
    return cost;
}

static const reel_op gru_cell_op = {
    .name = "gru_cell",
    .n_inputs = 3,
    .n_outputs = 1,
    .differentiable = 7,
    .reads_inputs = 7,
    .shape = gru_cell_shape,
    .forward = gru_cell_forward,
    .vjp = gru_cell_vjp,
    .accumulate = gru_cell_accumulate,
    .cost = gates_cost,
    .onnx = gru_cell_onnx,
};

reel_var reel_gru_cell(reel_tape *tape, reel_var x_gates, reel_var h_gates, reel_var h)
{
    return reel_apply1(tape, &gru_cell_op, REEL_VARS(x_gates, h_gates, h), NULL);
}

/* ---- gru_cell_backward: g, x, state and before to the gradients of the last three ---- */

static reel_status gru_cell_backward_shape(reel_call *call)
{
    if (expect_cell(call, 1, GRU_GATES, "h") != REEL_OK)
        return call->context->status;
    const reel_shape *h = &call->in[3]->shape;
    if (reel_expect_sizes(call, 0, "grad", 2, h->dim) != REEL_OK)
        return call->context->status;
    for (int i = 0; i < 3; i++)
        reel_set_real_output(call, i, call->in[1 + i]->shape);
    call->saved_size = saved_gates_size(h->dim[0], h->dim[1]);
    return REEL_OK;
}

static reel_status gru_cell_backward_forward(reel_call *call)
{
    struct reel_cell cell = cell_of(call, 1, GRU_GATES);
    cell.after = rows_of(call->out[2]->data, cell.hidden); /* overwritten below */
    reel_kern_gru_cell(&cell);
    const struct reel_cell_gradient gradient = {.of_after = rows_of(call->in[0]->data, cell.hidden),
                                                .x = rows_of(call->out[0]->data, cell.x.stride),
                                                .state = rows_of(call->out[1]->data, cell.state.stride),
                                                .before = rows_of(call->out[2]->data, cell.hidden)};
    reel_kern_gru_cell_backward(&cell, &gradient);
    return REEL_OK;
}

/* As gru_row_second of kern/recurrent.c. */
void reel_gru_cell_second(reel_tape *t, const reel_var *inputs, const reel_var *with, reel_var *gradients)
{
    int64_t n = reel_shape_of(t, inputs[3]).dim[1];
    reel_var g = inputs[0], x = inputs[1], s = inputs[2], before = inputs[3], u = with[0], v = with[1], w = with[2];
    reel_var both = reel_add(t, x, s), inner = part(t, s, 2, n);
    reel_var r = reel_sigmoid(t, part(t, both, 0, n)), z = reel_sigmoid(t, part(t, both, 1, n));
    reel_var new = reel_tanh(t, reel_add(t, part(t, x, 2, n), reel_mul(t, r, inner)));
    reel_var slope_r = slope_of_sigmoid(t, r), slope_z = slope_of_sigmoid(t, z), slope = slope_of_tanh(t, new);
    reel_var step = reel_sub(t, before, new), rest = reel_rsub_scalar(t, z, 1);
    reel_var weights = reel_add(t, u, v), weight_r = part(t, weights, 0, n), weight_z = part(t, weights, 1, n),
             weight_s = part(t, v, 2, n);
    reel_var of_new = product(t, g, rest, slope);
    reel_var weight_n = sum(t, product(t, weight_r, inner, slope_r), part(t, u, 2, n), reel_mul(t, weight_s, r));
    reel_var twice_r = reel_rsub_scalar(t, reel_mul_scalar(t, r, 2), 1),
             twice_z = reel_rsub_scalar(t, reel_mul_scalar(t, z, 2), 1);
    reel_var by_r = reel_add(t, product(t, weight_r, inner, twice_r), weight_s);
    by_r = product(t, by_r, of_new, slope_r);
    reel_var by_z = reel_sub(t, product(t, weight_z, step, twice_z), reel_mul(t, weight_n, slope));
    by_z = product(t, reel_add(t, by_z, w), g, slope_z);
    reel_var by_n = reel_mul_scalar(t, product(t, new, weight_n, rest), -2);
    by_n = product(t, reel_sub(t, by_n, reel_mul(t, weight_z, slope_z)), g, slope);
    by_r = reel_add(t, by_r, product(t, by_n, inner, slope_r));
    gradients[0] = sum(t, product(t, weight_n, rest, slope), product(t, weight_z, step, slope_z), reel_mul(t, w, z));
    gradients[1] = reel_cat(t, REEL_VARS(by_r, by_z, by_n), 1);
    reel_var by_s = reel_add(t, reel_mul(t, by_n, r), product(t, weight_r, of_new, slope_r));
    gradients[2] = reel_cat(t, REEL_VARS(by_r, by_z, by_s), 1);
    gradients[3] = product(t, weight_z, g, slope_z);
}

static void gru_cell_backward_vjp(const reel_call *call, const reel_var *grad_outputs, reel_var *grad_inputs)
{
    reel_var with[3];
    for (int i = 0; i < 3; i++)
        with[i] = or_zeros(call->tape, grad_outputs[i], call->out[i]);
    reel_gru_cell_second(call->tape, call->inputs, with, grad_inputs);
}

static reel_status gru_cell_backward_accumulate(const reel_call *call, const reel_gradient *grad_outputs,
                                                reel_sink *const *sinks)
{
    const struct reel_cell cell = cell_of(call, 1, GRU_GATES);
    const reel_real *with[3];
    struct reel_destination to[4];
    for (int i = 0; i < 3; i++)
        if (!(with[i] = reel_elements_of(call, &grad_outputs[i], call->out[i]->numel)))
            return call->context->status;
    for (int k = 0; k < 4; k++)
        if (!reel_open_destination(call, k, sinks[k], &to[k]))
            return call->context->status;
    int64_t n = cell.hidden, gates = GRU_GATES * n;
    const struct reel_cell_gradient g = {.of_after = rows_of(call->in[0]->data, n)},
                                    weights = {.x = rows_of(with[0], gates),
                                               .state = rows_of(with[1], gates),
                                               .before = rows_of(with[2], n)},
                                    results = {.of_after = rows_of(to[0].data, n),
                                               .x = rows_of(to[1].data, gates),
                                               .state = rows_of(to[2].data, gates),
                                               .before = rows_of(to[3].data, n)};
    reel_kern_gru_cell_second(&cell, &g, &weights, &results);
    for (int k = 0; k < 4; k++)
        reel_close_destination(call, &to[k]);
    return REEL_OK;
}

static const reel_op gru_cell_backward_op = {
    .name = "gru_cell_backward",
    .n_inputs = 4,
    .n_outputs = 3,
    .differentiable = 15,
    .reads_inputs = 15,
    .shape = gru_cell_backward_shape,
    .forward = gru_cell_backward_forward,
    .vjp = gru_cell_backward_vjp,
    .accumulate = gru_cell_backward_accumulate,
    .cost = gates_cost,
};

void reel_gru_cell_backward(reel_tape *tape, const reel_var *inputs, reel_var *outputs)
{
    reel_apply(tape, &gru_cell_backward_op, inputs, 4, NULL, outputs);
}

/* ---- lstm_cell ---- */

static reel_status lstm_cell_shape(reel_call *call)
{
    if (expect_cell(call, 0, LSTM_GATES, "c") != REEL_OK)
        return call->context->status;
    const reel_shape *c = &call->in[2]->shape;
    reel_set_real_output(call, 0, *c);
    reel_set_real_output(call, 1, *c);
    call->saved_size = saved_gates_size(c->dim[0], c->dim[1]);
    return REEL_OK;
}

static reel_status lstm_cell_forward(reel_call *call)
{
    struct reel_cell cell = cell_of(call, 0, LSTM_GATES);
    cell.out = rows_of(call->out[0]->data, cell.hidden);
    cell.after = rows_of(call->out[1]->data, cell.hidden);
    reel_kern_lstm_cell(&cell);
    return REEL_OK;
}

static void lstm_cell_vjp(const reel_call *call, const reel_var *grad_outputs, reel_var *grad_inputs)
{
    reel_var of_out = or_zeros(call->tape, grad_outputs[0], call->out[0]),
             of_after = or_zeros(call->tape, grad_outputs[1], call->out[1]), gradients[2];
    const reel_var inputs[] = {of_out, of_after, call->inputs[0], call->inputs[1], call->inputs[2]};
    reel_lstm_cell_backward(call->tape, inputs, gradients);
    grad_inputs[0] = grad_inputs[1] = gradients[0];
    grad_inputs[2] = gradients[1];
}

static reel_status lstm_cell_accumulate(const reel_call *call, const reel_gradient *grad_outputs,
                                        reel_sink *const *sinks)
{
    const struct reel_cell cell = cell_of(call, 0, LSTM_GATES);
    const reel_real *of_out = reel_elements_of(call, &grad_outputs[0], call->out[0]->numel),
                    *of_after = reel_elements_of(call, &grad_outputs[1], call->out[1]->numel);
    struct reel_destination x, c;
    if (!of_out || !of_after || !reel_open_destination(call, 0, sinks[0], &x) ||
        !reel_open_destination(call, 2, sinks[2], &c))
        return call->context->status;
    const struct reel_cell_gradient gradient = {.of_out = rows_of(of_out, cell.hidden),
                                                .of_after = rows_of(of_after, cell.hidden),
                                                .x = rows_of(x.data, cell.x.stride),
                                                .before = rows_of(c.data, cell.hidden)};
    reel_kern_lstm_cell_backward(&cell, &gradient);
    if (sinks[1] && reel_sink_add(sinks[1], x.data) != REEL_OK)
        return call->context->status;
    reel_close_destination(call, &x);
    reel_close_destination(call, &c);
    return REEL_OK;
}

static reel_status lstm_cell_onnx(const reel_call *call, reel_onnx *to)
{
    int64_t hidden = call->in[2]->shape.dim[1];
    reel_onnx_value both = REEL_ONNX_NODE(to, "Add", reel_onnx_input(to, 0), reel_onnx_input(to, 1)), gates[LSTM_GATES];
    if (refuse_growing_onnx(call, to) != REEL_OK)
        return call->context->status;
    for (int i = 0; i < LSTM_GATES; i++)
        gates[i] = REEL_ONNX_NODE(to, i == 2 ? "Tanh" : "Sigmoid", part_onnx(to, both, i, hidden));
    reel_onnx_value kept = REEL_ONNX_NODE(to, "Mul", gates[1], reel_onnx_input(to, 2));
    reel_onnx_value after = REEL_ONNX_NODE(to, "Add", kept, REEL_ONNX_NODE(to, "Mul", gates[0], gates[2]));
    reel_onnx_set_output(to, 0, REEL_ONNX_NODE(to, "Mul", gates[3], REEL_ONNX_NODE(to, "Tanh", after)));
    return reel_onnx_set_output(to, 1, after);
}

static const reel_op lstm_cell_op = {
    .name = "lstm_cell",
    .n_inputs = 3,
    .n_outputs = 2,
    .differentiable = 7,
    .reads_inputs = 7,
    .shape = lstm_cell_shape,
    .forward = lstm_cell_forward,
    .vjp = lstm_cell_vjp,
    .accumulate = lstm_cell_accumulate,
    .cost = gates_cost,
    .onnx = lstm_cell_onnx,
};

reel_var reel_lstm_cell(reel_tape *tape, reel_var x_gates, reel_var h_gates, reel_var c, reel_var *new_c)
{
    reel_var outputs[2] = {reel_null(), reel_null()};
    reel_apply(tape, &lstm_cell_op, REEL_VARS(x_gates, h_gates, c), NULL, outputs);
    if (new_c)
        *new_c = outputs[1];
    return outputs[0];
}

/* ---- lstm_cell_backward: the gradients of h and c, x, state and before to those of x and before ---- */

static reel_status lstm_cell_backward_shape(reel_call *call)
{
    if (expect_cell(call, 2, LSTM_GATES, "c") != REEL_OK)
        return call->context->status;
    const reel_shape *c = &call->in[4]->shape;
    if (reel_expect_sizes(call, 0, "grad of h", 2, c->dim) != REEL_OK ||
        reel_expect_sizes(call, 1, "grad of c", 2, c->dim) != REEL_OK)
        return call->context->status;
    reel_set_real_output(call, 0, call->in[2]->shape);
    reel_set_real_output(call, 1, *c);
    call->saved_size = saved_gates_size(c->dim[0], c->dim[1]);
    return REEL_OK;
}

static reel_status lstm_cell_backward_forward(reel_call *call)
{
    struct reel_cell cell = cell_of(call, 2, LSTM_GATES);
    int64_t n = cell.hidden;
    cell.after = cell.out = rows_of(call->out[1]->data, n); /* overwritten below */
    reel_kern_lstm_cell(&cell);
    const struct reel_cell_gradient gradient = {.of_out = rows_of(call->in[0]->data, n),
                                                .of_after = rows_of(call->in[1]->data, n),
                                                .x = rows_of(call->out[0]->data, LSTM_GATES * n),
                                                .before = rows_of(call->out[1]->data, n)};
    reel_kern_lstm_cell_backward(&cell, &gradient);
    return REEL_OK;
}

/* As lstm_row_second of kern/recurrent.c. */
void reel_lstm_cell_second(reel_tape *t, const reel_var *inputs, const reel_var *with, reel_var *gradients)
{
    int64_t n = reel_shape_of(t, inputs[4]).dim[1];
    reel_var h = inputs[0], of_after = inputs[1], c = inputs[4], u = with[0], w = with[1];
    reel_var both = reel_add(t, inputs[2], inputs[3]);
    reel_var i = reel_sigmoid(t, part(t, both, 0, n)), f = reel_sigmoid(t, part(t, both, 1, n)),
             g = reel_tanh(t, part(t, both, 2, n)), o = reel_sigmoid(t, part(t, both, 3, n));
    reel_var slope_i = slope_of_sigmoid(t, i), slope_f = slope_of_sigmoid(t, f), slope_g = slope_of_tanh(t, g),
             slope_o = slope_of_sigmoid(t, o);
    reel_var y = reel_tanh(t, reel_add(t, reel_mul(t, f, c), reel_mul(t, i, g))), slope = slope_of_tanh(t, y);
    reel_var cell = reel_add(t, of_after, product(t, h, o, slope));
    reel_var u_i = part(t, u, 0, n), u_f = part(t, u, 1, n), u_g = part(t, u, 2, n), u_o = part(t, u, 3, n);
    reel_var by_cell = sum(t, product(t, u_i, g, slope_i), product(t, u_f, c, slope_f), product(t, u_g, i, slope_g));
    by_cell = reel_add(t, by_cell, reel_mul(t, w, f));
    reel_var by_sum = reel_mul_scalar(t, product(t, y, by_cell, o), -2);
    by_sum = product(t, reel_add(t, reel_mul(t, u_o, slope_o), by_sum), h, slope);
    reel_var twice_i = reel_rsub_scalar(t, reel_mul_scalar(t, i, 2), 1),
             twice_f = reel_rsub_scalar(t, reel_mul_scalar(t, f, 2), 1),
             twice_o = reel_rsub_scalar(t, reel_mul_scalar(t, o, 2), 1);
    reel_var by_i = reel_add(t, product(t, u_i, g, twice_i), reel_mul(t, u_g, slope_g));
    by_i = reel_mul(t, reel_add(t, reel_mul(t, by_i, cell), reel_mul(t, by_sum, g)), slope_i);
    reel_var by_f = reel_add(t, product(t, u_f, c, twice_f), w);
    by_f = reel_mul(t, reel_add(t, reel_mul(t, by_f, cell), reel_mul(t, by_sum, c)), slope_f);
    reel_var by_g = reel_sub(t, reel_mul(t, u_i, slope_i), reel_mul_scalar(t, product(t, g, u_g, i), 2));
    by_g = reel_mul(t, reel_add(t, reel_mul(t, by_g, cell), reel_mul(t, by_sum, i)), slope_g);
    reel_var by_o = reel_add(t, reel_mul(t, by_cell, slope), product(t, u_o, y, twice_o));
    by_o = product(t, by_o, h, slope_o);
    gradients[0] = reel_add(t, product(t, by_cell, o, slope), product(t, u_o, y, slope_o));
    gradients[1] = by_cell;
    gradients[2] = gradients[3] = reel_cat(t, REEL_VARS(by_i, by_f, by_g, by_o), 1);
    gradients[4] = reel_add(t, product(t, u_f, cell, slope_f), reel_mul(t, by_sum, f));
}

static void lstm_cell_backward_vjp(const reel_call *call, const reel_var *grad_outputs, reel_var *grad_inputs)
{
    reel_var with[2];
    for (int i = 0; i < 2; i++)
        with[i] = or_zeros(call->tape, grad_outputs[i], call->out[i]);
    reel_lstm_cell_second(call->tape, call->inputs, with, grad_inputs);
}

static reel_status lstm_cell_backward_accumulate(const reel_call *call, const reel_gradient *grad_outputs,
                                                 reel_sink *const *sinks)
{
    const struct reel_cell cell = cell_of(call, 2, LSTM_GATES);
    static const int inputs[] = {0, 1, 2, 4};
    struct reel_destination to[4];
    const reel_real *u = reel_elements_of(call, &grad_outputs[0], call->out[0]->numel),
                    *w = reel_elements_of(call, &grad_outputs[1], call->out[1]->numel);
    if (!u || !w)
        return call->context->status;
    for (int k = 0; k < 4; k++)
        if (!reel_open_destination(call, inputs[k], sinks[inputs[k]], &to[k]))
            return call->context->status;
    int64_t n = cell.hidden, gates = LSTM_GATES * n;
    const struct reel_cell_gradient g = {.of_out = rows_of(call->in[0]->data, n),
                                         .of_after = rows_of(call->in[1]->data, n)},
                                    weights = {.x = rows_of(u, gates), .before = rows_of(w, n)},
                                    results = {.of_out = rows_of(to[0].data, n),
                                               .of_after = rows_of(to[1].data, n),
                                               .x = rows_of(to[2].data, gates),
                                               .before = rows_of(to[3].data, n)};
    reel_kern_lstm_cell_second(&cell, &g, &weights, &results);
    if (sinks[3] && reel_sink_add(sinks[3], to[2].data) != REEL_OK)
        return call->context->status;
    for (int k = 0; k < 4; k++)
        reel_close_destination(call, &to[k]);
    return REEL_OK;
}

static const reel_op lstm_cell_backward_op = {
    .name = "lstm_cell_backward",
    .n_inputs = 5,
    .n_outputs = 2,
    .differentiable = 31,
    .reads_inputs = 31,
    .shape = lstm_cell_backward_shape,
    .forward = lstm_cell_backward_forward,
    .vjp = lstm_cell_backward_vjp,
    .accumulate = lstm_cell_backward_accumulate,
    .cost = gates_cost,
};

void reel_lstm_cell_backward(reel_tape *tape, const reel_var *inputs, reel_var *outputs)
{
    reel_apply(tape, &lstm_cell_backward_op, inputs, 5, NULL, outputs);
}
#else
static const reel_sample gru_cell_samples[] = {
    GOOD("a batch", NULL, REAL(3, 6), REAL(3, 6), REAL(3, 2)),
    GOOD("more than a vector", NULL, REAL(2, 60), REAL(2, 60), REAL(2, 20)),
    GOOD("an empty batch", NULL, REAL(0, 6), REAL(0, 6), REAL(0, 2)),
    GOOD("no state", NULL, REAL(3, 0), REAL(3, 0), REAL(3, 0)),
    REFUSED("gates of another size", REEL_ERROR_SHAPE, NULL, REAL(3, 4), REAL(3, 6), REAL(3, 2)),
    REFUSED("gates of the state of another size", REEL_ERROR_SHAPE, NULL, REAL(3, 6), REAL(2, 6), REAL(3, 2)),
    REFUSED("a state without batch", REEL_ERROR_SHAPE, NULL, REAL(3, 6), REAL(3, 6), REAL(2)),
    REFUSED("integers", REEL_ERROR_DTYPE, NULL, REAL(3, 6), REAL(3, 6), INDEX(4, 3, 2)),
};
static const reel_sample gru_cell_backward_samples[] = {
    GOOD("a batch", NULL, REAL(3, 2), REAL(3, 6), REAL(3, 6), REAL(3, 2)),
    GOOD("more than a vector", NULL, REAL(2, 20), REAL(2, 60), REAL(2, 60), REAL(2, 20)),
    GOOD("an empty batch", NULL, REAL(0, 2), REAL(0, 6), REAL(0, 6), REAL(0, 2)),
    REFUSED("a gradient of another size", REEL_ERROR_SHAPE, NULL, REAL(2, 2), REAL(3, 6), REAL(3, 6), REAL(3, 2)),
    REFUSED("gates of another size", REEL_ERROR_SHAPE, NULL, REAL(3, 2), REAL(3, 8), REAL(3, 6), REAL(3, 2)),
    REFUSED("integers", REEL_ERROR_DTYPE, NULL, INDEX(4, 3, 2), REAL(3, 6), REAL(3, 6), REAL(3, 2)),
};
static const reel_sample lstm_cell_samples[] = {
    GOOD("a batch", NULL, REAL(3, 8), REAL(3, 8), REAL(3, 2)),
    GOOD("more than a vector", NULL, REAL(2, 80), REAL(2, 80), REAL(2, 20)),
    GOOD("an empty batch", NULL, REAL(0, 8), REAL(0, 8), REAL(0, 2)),
    REFUSED("gates of another size", REEL_ERROR_SHAPE, NULL, REAL(3, 6), REAL(3, 8), REAL(3, 2)),
    REFUSED("integers", REEL_ERROR_DTYPE, NULL, REAL(3, 8), REAL(3, 8), INDEX(4, 3, 2)),
};
static const reel_sample lstm_cell_backward_samples[] = {
    GOOD("a batch", NULL, REAL(3, 2), REAL(3, 2), REAL(3, 8), REAL(3, 8), REAL(3, 2)),
    GOOD("more than a vector", NULL, REAL(2, 20), REAL(2, 20), REAL(2, 80), REAL(2, 80), REAL(2, 20)),
    GOOD("an empty batch", NULL, REAL(0, 2), REAL(0, 2), REAL(0, 8), REAL(0, 8), REAL(0, 2)),
    REFUSED("a gradient of another size", REEL_ERROR_SHAPE, NULL, REAL(3, 2), REAL(3, 3), REAL(3, 8), REAL(3, 8),
            REAL(3, 2)),
    REFUSED("integers", REEL_ERROR_DTYPE, NULL, REAL(3, 2), REAL(3, 2), INDEX(4, 3, 8), REAL(3, 8), REAL(3, 2)),
};
SAMPLES(gru_cell, gru_cell_samples, .ulps = 16, .why = "differences of the state and of 1 less a gate cancel");
SAMPLES(gru_cell_backward, gru_cell_backward_samples, .ulps = 64, .why = "products of such differences are summed");
SAMPLES(lstm_cell, lstm_cell_samples, .ulps = 16, .why = "1 less a gate, or its square, cancels");
SAMPLES(lstm_cell_backward, lstm_cell_backward_samples, .ulps = 64, .why = "products of such differences are summed");
#endif

REEL_OP_FAMILY(recurrent, ROW(gru_cell), ROW(gru_cell_backward), ROW(lstm_cell), ROW(lstm_cell_backward));
