/* Recurrent networks over whole sequences. */
#include "core/context.h"
#include "core/sink.h"
#include "files/onnx.h"
#include "kern/copy.h"
#include "kern/gemm.h"
#include "kern/reduce.h"
#include "ops/matmul.h"
#include "ops/pointwise.h"
#include "ops/recurrent.h"

#include <reel/create.h>
#include <reel/elementwise.h>
#include <reel/join.h>
#include <reel/matmul.h>
#include <reel/recurrent.h>
#include <reel/reduce.h>
#include <reel/view.h>

#include <string.h>

#ifndef REEL_SAMPLES
/* Inputs: x_gates, h, (c,) weight_hh, bias_hh. */
static reel_status expect_sequence(reel_call *call, int states, int gates)
{
    static const char *const names[] = {"h", "c"};
    if (reel_expect_sizes(call, 0, "x_gates", 3, (const int64_t[]){-1, -1, -1}) != REEL_OK ||
        reel_expect_sizes(call, 1, "h", 2, (const int64_t[]){-1, -1}) != REEL_OK)
        return call->context->status;
    int64_t batch = call->in[1]->shape.dim[0], hidden = call->in[1]->shape.dim[1];
    const int64_t x[] = {batch, -1, gates * hidden}, state[] = {batch, hidden}, weight[] = {gates * hidden, hidden};
    if (reel_expect_sizes(call, 0, "x_gates", 3, x) != REEL_OK)
        return call->context->status;
    for (int i = 1; i < states; i++)
        if (reel_expect_sizes(call, 1 + i, names[i], 2, state) != REEL_OK)
            return call->context->status;
    if (reel_expect_sizes(call, 1 + states, "weight_hh", 2, weight) != REEL_OK)
        return call->context->status;
    return reel_expect_sizes(call, 2 + states, "bias_hh", 1, weight);
}

static struct reel_sequence sequence_of(const reel_call *call, int gates)
{
    const int64_t *x = call->in[0]->shape.dim;
    return (struct reel_sequence){x[0], x[1], call->in[1]->shape.dim[1], gates};
}

static struct reel_cell saved_step(const reel_call *call, const struct reel_sequence *s, int64_t step)
{
    return (struct reel_cell){.rows = s->batch,
                              .hidden = s->hidden,
                              .x = step_of(call->in[0]->data, s, step, s->gates * s->hidden),
                              .before = rows_of(reel_saved_states(call->saved, s, 0) + step * state_size(s), s->hidden),
                              .gates = reel_saved_gates(call->saved, s, step)};
}

static void set_sequence_outputs(reel_call *call, int states, int gates)
{
    const struct reel_sequence s = sequence_of(call, gates);
    reel_shape shape = call->in[0]->shape;
    shape.dim[2] = s.hidden;
    for (int i = 0; i < states; i++)
        reel_set_real_output(call, i, shape);
    call->saved_size = reel_saved_steps_size(&s, states);
}

static void copy_state(const struct reel_sequence *s, const reel_real *from, struct reel_rows_of to)
{
    reel_kern_copy_rows(s->batch, s->hidden, from, s->hidden, to.data, to.stride);
}

bool reel_begin_product(const reel_call *call, const struct reel_sequence *s, int k, struct reel_recurrent_product *p)
{
    int64_t columns = s->gates * s->hidden, numel = call->in[k]->numel;
    const reel_real *w = call->in[k]->data;
    reel_real *written_out = reel_call_temporary(call, (size_t)numel * sizeof *w),
              *state = reel_call_temporary(call, (size_t)(s->batch * columns) * sizeof *w);
    *p = (struct reel_recurrent_product){
        .product = {.m = s->batch, .n = columns, .k = s->hidden, .c = state, .c_stride = columns, .add = true},
        .bias = call->in[k + 1]->data,
        .threads = reel_get_num_threads(call->context)};
    if (!written_out || !state)
        return false;
    if (numel > 0 && numel <= 1 << 30) {
        reel_kern_transpose(columns, s->hidden, w, written_out);
        p->product.b = (struct reel_matrix){written_out, columns, false};
    } else {
        p->product.b = (struct reel_matrix){w, s->hidden, true};
    }
    return true;
}

struct reel_rows_of reel_multiply_state(const struct reel_recurrent_product *p, const reel_real *h)
{
    struct reel_gemm product = p->product;
    product.a = (struct reel_matrix){h, product.k, false};
    for (int64_t i = 0; i < product.m; i++)
        memcpy(product.c + i * product.n, p->bias, (size_t)product.n * sizeof *h);
    reel_kern_gemm(&product, p->threads);
    return (struct reel_rows_of){product.c, product.n};
}

reel_cost reel_sequence_cost(const reel_call *call, int x, int64_t hidden)
{
    reel_cost cost = reel_pointwise_cost(call);
    cost.flops = (double)call->in[x]->numel * (2 * (double)hidden + REEL_GATE_FLOPS);
    return cost;
}

/* ---- Back through a sequence ---- */

/* What steps have in common on the way back: gradients of the gates' part of the state of all steps [steps, batch,
 * gates
 * * hidden], from which those of the weights are made at once. */
struct way_back {
    struct reel_sequence s;
    reel_real *of_state, *of_x; /* of all steps; of one */
    reel_real *h, *c;           /* the gradients of the state before the step, [batch, hidden] */
    reel_real *step;            /* that of the state after the step, with what comes from the output */
    reel_real *x_target;
    bool x_add;
};

static bool begin_way_back(const reel_call *call, const struct reel_sequence *s, bool with_cells, reel_sink *x,
                           struct way_back *b)
{
    size_t state = (size_t)state_size(s) * sizeof(reel_real), gates = state * (size_t)s->gates;
    *b = (struct way_back){.s = *s};
    b->of_state = reel_call_temporary(call, gates * (size_t)s->steps);
    b->of_x = reel_call_temporary(call, gates);
    b->h = reel_call_temporary(call, state);
    b->step = reel_call_temporary(call, state);
    b->c = with_cells ? reel_call_temporary(call, state) : b->h;
    b->x_target = x ? reel_sink_target(x, &b->x_add) : NULL;
    if (!b->of_state || !b->of_x || !b->h || !b->step || !b->c || (x && !b->x_target))
        return false;
    if (state > 0) {
        memset(b->h, 0, state);
        memset(b->c, 0, state);
    }
    return true;
}

/* b->step = what is in `h` plus the output's gradient; `grad` may be NULL. */
static void add_output(struct way_back *b, const reel_real *h, const reel_real *grad, int64_t step, reel_real *to)
{
    const struct reel_sequence *s = &b->s;
    if (to != h)
        reel_kern_copy_rows(1, state_size(s), h, state_size(s), to, state_size(s));
    struct reel_rows_of rows = step_of(grad, s, step, s->hidden);
    if (grad)
        reel_kern_add_rows_to(s->batch, s->hidden, rows.data, rows.stride, to, s->hidden);
}

/* x's part of the gates to its place, and through weight_hh to the state: added to b->h. */
static void end_step(const reel_call *call, struct way_back *b, int weight, int64_t step, const reel_real *of_x,
                     const reel_real *of_state)
{
    const struct reel_sequence *s = &b->s;
    int64_t columns = s->gates * s->hidden;
    struct reel_rows_of to = step_of(b->x_target, s, step, columns);
    if (b->x_target && b->x_add)
        reel_kern_add_rows_to(s->batch, columns, of_x, columns, to.data, to.stride);
    else if (b->x_target)
        reel_kern_copy_rows(s->batch, columns, of_x, columns, to.data, to.stride);
    const struct reel_gemm product = {.m = s->batch,
                                      .n = s->hidden,
                                      .k = columns,
                                      .a = {of_state, columns, false},
                                      .b = {call->in[weight]->data, s->hidden, false},
                                      .c = b->h,
                                      .c_stride = s->hidden,
                                      .add = true};
    reel_kern_gemm(&product, reel_get_num_threads(call->context));
}

/* The gradients of the first states, of weight_hh and of bias_hh. */
static reel_status end_way_back(const reel_call *call, struct way_back *b, const reel_real *states,
                                reel_sink *const *sinks, int weight)
{
    const struct reel_sequence *s = &b->s;
    int64_t rows = s->steps * s->batch, columns = s->gates * s->hidden;
    int threads = reel_get_num_threads(call->context);
    bool add;
    if (sinks[1] && reel_sink_add(sinks[1], b->h) != REEL_OK)
        return call->context->status;
    if (weight == 3 && sinks[2] && reel_sink_add(sinks[2], b->c) != REEL_OK)
        return call->context->status;
    if (sinks[weight]) {
        struct reel_gemm product = {.m = columns,
                                    .n = s->hidden,
                                    .k = rows,
                                    .a = {b->of_state, columns, true},
                                    .b = {states, s->hidden, false},
                                    .c_stride = s->hidden};
        if (!(product.c = reel_sink_target(sinks[weight], &product.add)))
            return call->context->status;
        reel_kern_gemm(&product, threads);
    }
    reel_real *bias = sinks[weight + 1] ? reel_sink_target(sinks[weight + 1], &add) : NULL;
    if (!bias)
        return call->context->status;
    const struct reel_kern_reduction sum = {.combine = REEL_KERN_SUM, .divisor = 1, .add = add};
    reel_kern_reduce(&(reel_shape){2, {rows, columns}}, 1, b->of_state, &sum, bias, threads);
    return REEL_OK;
}

/* ---- A graph of the way back ---- */

reel_var reel_states_before(reel_tape *t, reel_var first, reel_var after)
{
    int64_t steps = reel_shape_of(t, after).dim[1];
    return reel_cat(t, REEL_VARS(reel_unsqueeze(t, first, 1), reel_narrow(t, after, 1, 0, steps - 1)), 1);
}

/* The gradients of weight_hh and bias_hh, from those of the state's part of the gates [steps, batch, ...]. */
static void give_weights(const reel_call *call, int weight, const struct reel_sequence *s, reel_var of_state,
                         reel_var *grad_inputs)
{
    reel_tape *t = call->tape;
    int64_t rows = s->batch * s->steps;
    if (!call->needed[weight] && !call->needed[weight + 1])
        return;
    of_state = reel_reshape(t, of_state, REEL_SHAPE(rows, s->gates * s->hidden));
    if (call->needed[weight]) {
        reel_var before = reel_states_before(t, call->inputs[1], call->outputs[0]);
        before = reel_reshape(t, reel_permute(t, before, REEL_AXES(1, 0, 2)), REEL_SHAPE(rows, s->hidden));
        grad_inputs[weight] = reel_matmul_with(t, of_state, before, true, false);
    }
    if (call->needed[weight + 1])
        grad_inputs[weight + 1] = reel_sum(t, of_state, REEL_AXES(0), false);
}

/* Without steps nothing depends on anything. */
static void give_zeros(const reel_call *call, reel_var *grad_inputs)
{
    for (int k = 0; k < call->n_inputs; k++)
        if (call->needed[k])
            grad_inputs[k] = reel_zeros(call->tape, call->in[k]->shape);
}

/* ---- As ONNX ---- */

/* A node GRU or LSTM in the making. It multiplies its input by a weight, which here is the identity, since the gates
 * come from a product already; its gates have another order, and time is its first axis. */
struct recurrent_node {
    const char *type;
    struct reel_sequence s;
    reel_onnx_value x, weight_ih, weight_hh, bias; /* x: [steps, batch, gates * hidden] */
};

/* [gates * hidden, ...] with the gates in ONNX's order, and in another shape. */
static reel_onnx_value reorder_onnx(reel_onnx *to, const struct reel_sequence *s, reel_onnx_value value,
                                    const int64_t *shape, int ndim)
{
    static const int64_t of_gru[] = {1, 0, 2}, of_lstm[] = {0, 3, 1, 2};
    const int64_t by_gate[] = {s->gates, s->hidden, -1};
    value = REEL_ONNX_NODE(to, "Reshape", value, reel_onnx_int64s(to, by_gate, 3));
    value = REEL_ONNX_NODE(to, "Gather", value,
                           reel_onnx_int64s(to, s->gates == GRU_GATES ? of_gru : of_lstm, (int)s->gates));
    return REEL_ONNX_NODE(to, "Reshape", value, reel_onnx_int64s(to, shape, ndim));
}

static reel_onnx_value turn_time_onnx(reel_onnx *to, reel_onnx_value value)
{
    reel_onnx_set_ints(to, "perm", (const int64_t[]){1, 0, 2}, 3);
    return REEL_ONNX_NODE(to, "Transpose", value);
}

/* Fails when the size of the state varies: it is an attribute of the node. */
static struct recurrent_node begin_onnx(const reel_call *call, reel_onnx *to, int weight, int gates)
{
    struct recurrent_node node = {.type = gates == GRU_GATES ? "GRU" : "LSTM", .s = sequence_of(call, gates)};
    const int64_t n = gates * node.s.hidden, hh[] = {1, n, node.s.hidden}, bias[] = {1, n}, column[] = {1, n, 1};
    if (reel_onnx_growth(to, 1)[1] != 0)
        reel_onnx_refuse_fixed(to, "a state");
    node.x = turn_time_onnx(to, reel_onnx_input(to, 0));
    node.weight_hh = reorder_onnx(to, &node.s, reel_onnx_input(to, weight), hh, 3);
    reel_onnx_value zero = reel_onnx_number(to, REEL_REAL, 0);
    reel_onnx_value no_bias = REEL_ONNX_NODE(to, "Expand", zero, reel_onnx_int64s(to, bias, 2));
    reel_onnx_value bias_hh = reorder_onnx(to, &node.s, reel_onnx_input(to, weight + 1), bias, 2);
    reel_onnx_set_int(to, "axis", 1);
    node.bias = REEL_ONNX_NODE(to, "Concat", no_bias, bias_hh);
    reel_onnx_value first = reel_onnx_number(to, REEL_INT64, 0), end = reel_onnx_number(to, REEL_INT64, (double)n);
    reel_onnx_value columns = REEL_ONNX_NODE(to, "Range", first, end, reel_onnx_number(to, REEL_INT64, 1));
    reel_onnx_value rows = reorder_onnx(to, &node.s, columns, column, 3);
    node.weight_ih = reel_onnx_cast(to, REEL_ONNX_NODE(to, "Equal", rows, columns), REEL_REAL);
    return node;
}

/* Output `which` of the node for steps x from the states: 0 all of h, 1 the last h, 2 the last c. */
static reel_onnx_value end_onnx(reel_onnx *to, const struct recurrent_node *node, reel_onnx_value x,
                                const reel_onnx_value *states, int which)
{
    const reel_onnx_value inputs[] = {x, node->weight_ih, node->weight_hh, node->bias, 0, states[0], states[1]};
    bool is_gru = node->s.gates == GRU_GATES;
    reel_onnx_set_int(to, "hidden_size", node->s.hidden);
    if (is_gru)
        reel_onnx_set_int(to, "linear_before_reset", 1);
    reel_onnx_take_output(to, which);
    return reel_onnx_node(to, node->type, inputs, is_gru ? 6 : 7);
}

static reel_onnx_value first_state_onnx(reel_onnx *to, int k)
{
    return REEL_ONNX_NODE(to, "Unsqueeze", reel_onnx_input(to, k), reel_onnx_int64s(to, (int64_t[]){0}, 1));
}

/* All of h, as an output of the operation. */
static reel_onnx_value all_states_onnx(reel_onnx *to, const struct recurrent_node *node, const reel_onnx_value *states)
{
    reel_onnx_value y = end_onnx(to, node, node->x, states, 0); /* [steps, 1, batch, hidden] */
    return turn_time_onnx(to, REEL_ONNX_NODE(to, "Squeeze", y, reel_onnx_int64s(to, (int64_t[]){1}, 1)));
}

/* An output without elements for any batch: ONNX has no sequences without steps, and no states without elements, and
 * onnxruntime 1.32 ends its process where a batch is empty. */
static bool is_empty_onnx(const reel_call *call, reel_onnx *to, reel_onnx_value *empty)
{
    const reel_shape *shape = &call->out[0]->shape;
    bool is_empty = false;
    for (int i = 0; i < 3; i++)
        is_empty = is_empty || (shape->dim[i] == 0 && reel_onnx_growth(to, 0)[i] == 0);
    if (!is_empty)
        return false;
    reel_onnx_value first = reel_onnx_int64s(to, (int64_t[]){0}, 1), end = reel_onnx_int64s(to, &shape->dim[2], 1);
    *empty = REEL_ONNX_NODE(to, "Slice", reel_onnx_input(to, 0), first, end, reel_onnx_int64s(to, (int64_t[]){2}, 1));
    return true;
}

/* ---- gru ---- */

static reel_status gru_shape(reel_call *call)
{
    if (expect_sequence(call, 1, GRU_GATES) != REEL_OK)
        return call->context->status;
    set_sequence_outputs(call, 1, GRU_GATES);
    return REEL_OK;
}

static reel_status gru_forward(reel_call *call)
{
    const struct reel_sequence s = sequence_of(call, GRU_GATES);
    struct reel_recurrent_product product;
    if (!reel_begin_product(call, &s, 2, &product))
        return call->context->status;
    for (int64_t step = 0; step < s.steps; step++) {
        struct reel_cell cell = saved_step(call, &s, step);
        if (step == 0)
            copy_state(&s, call->in[1]->data, cell.before);
        struct reel_rows_of y = step_of(call->out[0]->data, &s, step, s.hidden);
        cell.state = reel_multiply_state(&product, cell.before.data);
        cell.after = step + 1 < s.steps ? saved_step(call, &s, step + 1).before : y;
        reel_kern_gru_cell(&cell);
        if (cell.after.data != y.data)
            copy_state(&s, cell.after.data, y);
    }
    return REEL_OK;
}

static void gru_vjp(const reel_call *call, const reel_var *grad_outputs, reel_var *grad_inputs)
{
    const struct reel_sequence s = sequence_of(call, GRU_GATES);
    if (s.steps == 0) {
        give_zeros(call, grad_inputs);
        return;
    }
    const reel_var *in = call->inputs, inputs[] = {grad_outputs[0], in[0], in[1], in[2], in[3], call->outputs[0]};
    reel_var gradients[3];
    reel_gru_backward(call->tape, inputs, call->saved, gradients);
    grad_inputs[0] = gradients[0];
    grad_inputs[1] = gradients[2];
    give_weights(call, 2, &s, gradients[1], grad_inputs);
}

static reel_status gru_accumulate(const reel_call *call, const reel_gradient *grad_outputs, reel_sink *const *sinks)
{
    const struct reel_sequence s = sequence_of(call, GRU_GATES);
    const reel_real *grad = reel_gradient_contiguous(call, &grad_outputs[0]);
    struct way_back back;
    if (!grad || !begin_way_back(call, &s, false, sinks[0], &back))
        return call->context->status;
    int64_t columns = s.gates * s.hidden;
    for (int64_t step = s.steps - 1; step >= 0; step--) {
        const struct reel_cell cell = saved_step(call, &s, step);
        reel_real *of_state = back.of_state + step * s.batch * columns;
        add_output(&back, back.h, grad, step, back.step);
        const struct reel_cell_gradient g = {.of_after = rows_of(back.step, s.hidden),
                                             .x = rows_of(back.of_x, columns),
                                             .state = rows_of(of_state, columns),
                                             .before = rows_of(back.h, s.hidden)};
        reel_kern_gru_cell_backward(&cell, &g);
        end_step(call, &back, 2, step, back.of_x, of_state);
    }
    return end_way_back(call, &back, reel_saved_states(call->saved, &s, 0), sinks, 2);
}

static reel_status gru_onnx(const reel_call *call, reel_onnx *to)
{
    reel_onnx_value y;
    if (!is_empty_onnx(call, to, &y)) {
        struct recurrent_node node = begin_onnx(call, to, 2, GRU_GATES);
        y = all_states_onnx(to, &node, (const reel_onnx_value[]){first_state_onnx(to, 1), 0});
    }
    return reel_onnx_set_output(to, 0, y);
}

static reel_cost sequence_cost(const reel_call *call)
{
    return reel_sequence_cost(call, 0, call->in[1]->shape.dim[1]);
}

static const reel_op gru_op = {
    .name = "gru",
    .n_inputs = 4,
    .n_outputs = 1,
    .differentiable = 15,
    .reads_inputs = 6,
    .shape = gru_shape,
    .forward = gru_forward,
    .vjp = gru_vjp,
    .accumulate = gru_accumulate,
    .cost = sequence_cost,
    .onnx = gru_onnx,
};

reel_var reel_gru(reel_tape *tape, reel_var x_gates, reel_var h, reel_var weight_hh, reel_var bias_hh)
{
    return reel_apply1(tape, &gru_op, REEL_VARS(x_gates, h, weight_hh, bias_hh), NULL);
}

/* ---- lstm ---- */

static reel_status lstm_shape(reel_call *call)
{
    if (expect_sequence(call, 2, LSTM_GATES) != REEL_OK)
        return call->context->status;
    set_sequence_outputs(call, 2, LSTM_GATES);
    return REEL_OK;
}

/* Of the saved states those of the cell come first, then h. */
static reel_status lstm_forward(reel_call *call)
{
    const struct reel_sequence s = sequence_of(call, LSTM_GATES);
    struct reel_recurrent_product product;
    if (!reel_begin_product(call, &s, 3, &product))
        return call->context->status;
    reel_real *h = reel_saved_states(call->saved, &s, 1);
    for (int64_t step = 0; step < s.steps; step++, h += state_size(&s)) {
        struct reel_cell cell = saved_step(call, &s, step);
        if (step == 0) {
            copy_state(&s, call->in[1]->data, rows_of(h, s.hidden));
            copy_state(&s, call->in[2]->data, cell.before);
        }
        bool last = step + 1 == s.steps;
        struct reel_rows_of y = step_of(call->out[0]->data, &s, step, s.hidden),
                            cells = step_of(call->out[1]->data, &s, step, s.hidden);
        cell.state = reel_multiply_state(&product, h);
        cell.out = last ? y : rows_of(h + state_size(&s), s.hidden);
        cell.after = last ? cells : saved_step(call, &s, step + 1).before;
        reel_kern_lstm_cell(&cell);
        if (!last) {
            copy_state(&s, cell.out.data, y);
            copy_state(&s, cell.after.data, cells);
        }
    }
    return REEL_OK;
}

static void lstm_vjp(const reel_call *call, const reel_var *grad_outputs, reel_var *grad_inputs)
{
    const struct reel_sequence s = sequence_of(call, LSTM_GATES);
    if (s.steps == 0) {
        give_zeros(call, grad_inputs);
        return;
    }
    const reel_var *in = call->inputs, of_h = or_zeros(call->tape, grad_outputs[0], call->out[0]),
                   of_c = or_zeros(call->tape, grad_outputs[1], call->out[1]),
                   inputs[] = {of_h, of_c, in[0], in[1], in[2], in[3], in[4], call->outputs[0], call->outputs[1]};
    reel_var gradients[4];
    reel_lstm_backward(call->tape, inputs, call->saved, gradients);
    grad_inputs[0] = gradients[0];
    grad_inputs[1] = gradients[2];
    grad_inputs[2] = gradients[3];
    give_weights(call, 3, &s, gradients[1], grad_inputs);
}

static reel_status lstm_accumulate(const reel_call *call, const reel_gradient *grad_outputs, reel_sink *const *sinks)
{
    const struct reel_sequence s = sequence_of(call, LSTM_GATES);
    const reel_real *grad = reel_gradient_contiguous(call, &grad_outputs[0]),
                    *grad_cells = reel_gradient_contiguous(call, &grad_outputs[1]);
    struct way_back back;
    if (call->context->status != REEL_OK || !begin_way_back(call, &s, true, sinks[0], &back))
        return call->context->status;
    int64_t columns = s.gates * s.hidden;
    for (int64_t step = s.steps - 1; step >= 0; step--) {
        const struct reel_cell cell = saved_step(call, &s, step);
        reel_real *of_gates = back.of_state + step * s.batch * columns;
        add_output(&back, back.h, grad, step, back.step);
        add_output(&back, back.c, grad_cells, step, back.c);
        if (state_size(&s) > 0)
            memset(back.h, 0, (size_t)state_size(&s) * sizeof *back.h); /* none goes past the products */
        const struct reel_cell_gradient g = {.of_out = rows_of(back.step, s.hidden),
                                             .of_after = rows_of(back.c, s.hidden),
                                             .x = rows_of(of_gates, columns),
                                             .before = rows_of(back.c, s.hidden)};
        reel_kern_lstm_cell_backward(&cell, &g);
        end_step(call, &back, 3, step, of_gates, of_gates);
    }
    return end_way_back(call, &back, reel_saved_states(call->saved, &s, 1), sinks, 3);
}

/* h and c of each step. An LSTM of ONNX gives c of the last one alone, and so there is a node for each step, and
 * another one for its other output. */
static void each_step_onnx(const reel_call *call, reel_onnx *to, const struct recurrent_node *node,
                           reel_onnx_value states[2])
{
    int steps = (int)node->s.steps;
    struct reel_memory *memory = &call->context->memory;
    size_t size = (size_t)steps * sizeof *states;
    reel_onnx_value *list[] = {reel_allocate(memory, size), reel_allocate(memory, size)};
    if (!list[0] || !list[1])
        reel_fail_memory(call->context, "a model", size);
    for (int64_t step = 0; step < steps && call->context->status == REEL_OK; step++) {
        reel_onnx_value x = REEL_ONNX_NODE(to, "Gather", node->x, reel_onnx_int64s(to, &step, 1));
        list[0][step] = end_onnx(to, node, x, states, 1);
        list[1][step] = end_onnx(to, node, x, states, 2);
        for (int i = 0; i < 2; i++)
            states[i] = list[i][step];
    }
    for (int i = 0; i < 2; i++) {
        reel_onnx_set_int(to, "axis", 0);
        reel_onnx_set_output(to, i, turn_time_onnx(to, reel_onnx_node(to, "Concat", list[i], steps)));
        reel_free(memory, list[i]);
    }
}

static reel_status lstm_onnx(const reel_call *call, reel_onnx *to)
{
    reel_onnx_value y;
    if (is_empty_onnx(call, to, &y)) {
        reel_onnx_set_output(to, 1, y);
        return reel_onnx_set_output(to, 0, y);
    }
    struct recurrent_node node = begin_onnx(call, to, 3, LSTM_GATES);
    reel_onnx_value states[] = {first_state_onnx(to, 1), 0};
    states[1] = first_state_onnx(to, 2);
    if (!reel_onnx_is_needed(to, 1))
        return reel_onnx_set_output(to, 0, all_states_onnx(to, &node, states));
    if (reel_onnx_growth(to, 0)[1] != 0)
        return reel_onnx_refuse_fixed(to, "a number of steps");
    each_step_onnx(call, to, &node, states);
    return call->context->status;
}

static const reel_op lstm_op = {
    .name = "lstm",
    .n_inputs = 5,
    .n_outputs = 2,
    .differentiable = 31,
    .reads_inputs = 10,
    .shape = lstm_shape,
    .forward = lstm_forward,
    .vjp = lstm_vjp,
    .accumulate = lstm_accumulate,
    .cost = sequence_cost,
    .onnx = lstm_onnx,
};

reel_var reel_lstm(reel_tape *tape, reel_var x_gates, reel_var h, reel_var c, reel_var weight_hh, reel_var bias_hh,
                   reel_var *cells)
{
    reel_var outputs[2] = {reel_null(), reel_null()};
    reel_apply(tape, &lstm_op, REEL_VARS(x_gates, h, c, weight_hh, bias_hh), NULL, outputs);
    if (cells)
        *cells = outputs[1];
    return outputs[0];
}
#else
static const reel_sample gru_samples[] = {
    GOOD("three steps", NULL, REAL(2, 3, 6), REAL(2, 2), REAL(6, 2), REAL(6)),
    GOOD("one step", NULL, REAL(2, 1, 6), REAL(2, 2), REAL(6, 2), REAL(6)),
    GOOD("more than a vector", NULL, REAL(2, 2, 54), REAL(2, 18), WITHIN(-0.5, 0.5, 54, 18), REAL(54)),
    GOOD("no steps", NULL, REAL(2, 0, 6), REAL(2, 2), REAL(6, 2), REAL(6)),
    GOOD("an empty batch", NULL, REAL(0, 3, 6), REAL(0, 2), REAL(6, 2), REAL(6)),
    REFUSED("gates of another size", REEL_ERROR_SHAPE, NULL, REAL(2, 3, 8), REAL(2, 2), REAL(6, 2), REAL(6)),
    REFUSED("batches that differ", REEL_ERROR_SHAPE, NULL, REAL(3, 3, 6), REAL(2, 2), REAL(6, 2), REAL(6)),
    REFUSED("a weight of another size", REEL_ERROR_SHAPE, NULL, REAL(2, 3, 6), REAL(2, 2), REAL(2, 6), REAL(6)),
    REFUSED("a bias of another size", REEL_ERROR_SHAPE, NULL, REAL(2, 3, 6), REAL(2, 2), REAL(6, 2), REAL(2)),
    REFUSED("no axis of steps", REEL_ERROR_SHAPE, NULL, REAL(2, 6), REAL(2, 2), REAL(6, 2), REAL(6)),
    REFUSED("integers", REEL_ERROR_DTYPE, NULL, INDEX(3, 2, 3, 6), REAL(2, 2), REAL(6, 2), REAL(6)),
};
static const reel_sample lstm_samples[] = {
    GOOD("three steps", NULL, REAL(2, 3, 8), REAL(2, 2), REAL(2, 2), REAL(8, 2), REAL(8)),
    GOOD("one step", NULL, REAL(2, 1, 8), REAL(2, 2), REAL(2, 2), REAL(8, 2), REAL(8)),
    GOOD("more than a vector", NULL, REAL(2, 2, 72), REAL(2, 18), REAL(2, 18), WITHIN(-0.5, 0.5, 72, 18), REAL(72)),
    GOOD("no steps", NULL, REAL(2, 0, 8), REAL(2, 2), REAL(2, 2), REAL(8, 2), REAL(8)),
    GOOD("an empty batch", NULL, REAL(0, 3, 8), REAL(0, 2), REAL(0, 2), REAL(8, 2), REAL(8)),
    REFUSED("a cell of another size", REEL_ERROR_SHAPE, NULL, REAL(2, 3, 8), REAL(2, 2), REAL(2, 3), REAL(8, 2),
            REAL(8)),
    REFUSED("a weight of another size", REEL_ERROR_SHAPE, NULL, REAL(2, 3, 8), REAL(2, 2), REAL(2, 2), REAL(8, 3),
            REAL(8)),
    REFUSED("integers", REEL_ERROR_DTYPE, NULL, REAL(2, 3, 8), REAL(2, 2), REAL(2, 2), REAL(8, 2), INDEX(3, 8)),
};
SAMPLES(gru, gru_samples, .ulps = 256, .why = "errors of a step go through the steps behind it");
SAMPLES(lstm, lstm_samples, .ulps = 256, .why = "errors of a step go through the steps behind it");
#endif

REEL_OP_FAMILY(sequence, ROW(gru), ROW(lstm));
