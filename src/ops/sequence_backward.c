/* The way back through a sequence of a recurrent network as an operation, so that its own rule is a loop as well. */
#include "core/sink.h"
#include "kern/copy.h"
#include "kern/reduce.h"
#include "ops/matmul.h"
#include "ops/recurrent.h"

#include <reel/elementwise.h>
#include <reel/join.h>
#include <reel/matmul.h>
#include <reel/reduce.h>
#include <reel/view.h>

#include <string.h>

struct sequence_backward_attributes {
    const void *saved; /* by the forward pass, for the step; NULL: gates are computed again */
};

#ifndef REEL_SAMPLES
/* Which inputs they are: the gradients of the outputs, x_gates, the first states, weight_hh, bias_hh, and the outputs.
 */
struct inputs {
    int states, x, first, weight, outputs;
};

static const struct inputs of_gru = {1, 1, 2, 3, 5}, of_lstm = {2, 2, 3, 5, 7};

static reel_status expect_sequence(reel_call *call, const struct inputs *in, int gates)
{
    static const char *const gradients[] = {"grad of h", "grad of c"}, *const first[] = {"h", "c"},
                             *const outputs[] = {"the outputs", "the cells"};
    if (reel_expect_sizes(call, 0, gradients[0], 3, (const int64_t[]){-1, -1, -1}) != REEL_OK)
        return call->context->status;
    const int64_t *size = call->in[0]->shape.dim, both[] = {size[0], size[1], gates * size[2]},
                  state[] = {size[0], size[2]}, weight[] = {gates * size[2], size[2]};
    for (int i = 0; i < in->states; i++)
        if (reel_expect_sizes(call, i, gradients[i], 3, size) != REEL_OK ||
            reel_expect_sizes(call, in->first + i, first[i], 2, state) != REEL_OK ||
            reel_expect_sizes(call, in->outputs + i, outputs[i], 3, size) != REEL_OK)
            return call->context->status;
    if (reel_expect_sizes(call, in->x, "x_gates", 3, both) != REEL_OK ||
        reel_expect_sizes(call, in->weight, "weight_hh", 2, weight) != REEL_OK)
        return call->context->status;
    return reel_expect_sizes(call, in->weight + 1, "bias_hh", 1, weight);
}

static struct reel_sequence sequence_of(const reel_call *call, int gates)
{
    const int64_t *size = call->in[0]->shape.dim;
    return (struct reel_sequence){size[0], size[1], size[2], gates};
}

/* What the forward pass of the sequence kept, or what is kept here in its stead; and, step by step, the gradients of
 * the states after it. */
struct saved {
    const void *steps;
    bool is_own;
    reel_real *of_h, *of_c;
};

static struct saved saved_of(const reel_call *call, const struct reel_sequence *s, int states)
{
    const void *recorded = ((const struct sequence_backward_attributes *)call->attributes)->saved;
    reel_real *of_h = call->saved, *of_c = of_h + s->steps * state_size(s);
    return (struct saved){recorded ? recorded : of_h + states * s->steps * state_size(s), !recorded, of_h, of_c};
}

static void set_outputs(reel_call *call, const struct inputs *in, int gates)
{
    const struct reel_sequence s = sequence_of(call, gates);
    const reel_shape *x = &call->in[in->x]->shape;
    reel_set_real_output(call, 0, *x);
    reel_set_real_output(call, 1, REEL_SHAPE(x->dim[1], x->dim[0], x->dim[2]));
    for (int i = 0; i < in->states; i++)
        reel_set_real_output(call, 2 + i, call->in[in->first]->shape);
    call->saved_size = (size_t)(in->states * s.steps * state_size(&s)) * sizeof(reel_real);
    if (!((const struct sequence_backward_attributes *)call->attributes)->saved)
        call->saved_size += reel_saved_steps_size(&s, in->states);
}

static struct reel_cell cell_at(const struct reel_sequence *s, const struct saved *saved, int64_t step)
{
    return (struct reel_cell){.rows = s->batch,
                              .hidden = s->hidden,
                              .before =
                                  rows_of(reel_saved_states(saved->steps, s, 0) + step * state_size(s), s->hidden),
                              .gates = reel_saved_gates(saved->steps, s, step)};
}

static void place_rows(const struct reel_sequence *s, int64_t columns, struct reel_rows_of from, struct reel_rows_of to)
{
    reel_kern_copy_rows(s->batch, columns, from.data, from.stride, to.data, to.stride);
}

/* What the forward pass would have kept, where it kept nothing. */
static reel_status keep_steps(const reel_call *call, const struct inputs *in, const struct reel_sequence *s,
                              const struct saved *saved)
{
    struct reel_recurrent_product product;
    reel_real *after = reel_call_temporary(call, 2 * (size_t)state_size(s) * sizeof *after);
    if (!after || !reel_begin_product(call, s, in->weight, &product))
        return call->context->status;
    for (int64_t step = 0; step < s->steps; step++) {
        const reel_real *h = reel_saved_states(saved->steps, s, in->states - 1) + step * state_size(s);
        for (int i = 0; i < in->states; i++) {
            reel_real *kept = reel_saved_states(saved->steps, s, in->states - 1 - i) + step * state_size(s);
            place_rows(s, s->hidden,
                       step == 0 ? rows_of(call->in[in->first + i]->data, s->hidden)
                                 : step_of(call->in[in->outputs + i]->data, s, step - 1, s->hidden),
                       rows_of(kept, s->hidden));
        }
        struct reel_cell cell = cell_at(s, saved, step);
        cell.x = step_of(call->in[in->x]->data, s, step, s->gates * s->hidden);
        cell.state = reel_multiply_state(&product, h);
        cell.after = rows_of(after, s->hidden);
        cell.out = rows_of(after + state_size(s), s->hidden);
        if (s->gates == GRU_GATES)
            reel_kern_gru_cell(&cell);
        else
            reel_kern_lstm_cell(&cell);
    }
    return REEL_OK;
}

/* to = what came from the next step, plus the gradient that comes from outside. */
static void arrive(const struct reel_sequence *s, const reel_array *grad, int64_t step, const reel_real *from_next,
                   reel_real *to)
{
    place_rows(s, s->hidden, step_of(grad->data, s, step, s->hidden), rows_of(to, s->hidden));
    reel_kern_add_rows_to(s->batch, s->hidden, from_next, s->hidden, to, s->hidden);
}

/* to = (or with add: to +) of_state [batch, gates * hidden] times weight_hh. */
static void to_state(const reel_call *call, const struct inputs *in, const struct reel_sequence *s,
                     const reel_real *of_state, struct reel_rows_of to, bool add)
{
    int64_t columns = s->gates * s->hidden;
    const struct reel_gemm product = {.m = s->batch,
                                      .n = s->hidden,
                                      .k = columns,
                                      .a = {of_state, columns, false},
                                      .b = {call->in[in->weight]->data, s->hidden, false},
                                      .c = to.data,
                                      .c_stride = to.stride,
                                      .add = add};
    reel_kern_gemm(&product, reel_get_num_threads(call->context));
}

static void clear_rows(const struct reel_sequence *s, struct reel_rows_of rows)
{
    for (int64_t i = 0; i < s->batch; i++)
        memset(rows.data + i * rows.stride, 0, (size_t)s->hidden * sizeof *rows.data);
}

/* ---- The second order: from the first step to the last ---- */

/* Weights of what flows back to a state: at step i those of the gradient of the state before it, which are the
 * gradients of what came from outside at step i - 1. */
struct weights {
    reel_real *of_h, *of_c;
    reel_real *of_gates;                   /* of one step */
    reel_real *results;                    /* the gradients of the state's part of the gates, of all steps */
    struct reel_recurrent_product product; /* with the transpose of weight_hh */
    struct reel_destination to[9];         /* by input; those of the weights are not used */
};

static reel_real *begin_weights(const reel_call *call, const struct reel_sequence *s, const reel_gradient *first)
{
    const reel_real *elements = reel_elements_of(call, first, state_size(s));
    size_t size = (size_t)state_size(s) * sizeof *elements;
    reel_real *all = elements ? reel_call_temporary(call, (size_t)(s->steps + 1) * size) : NULL;
    if (all && size > 0)
        memcpy(all, elements, size);
    return all;
}

static bool begin_second(const reel_call *call, const struct inputs *in, const struct reel_sequence *s,
                         const reel_gradient *grad_outputs, reel_sink *const *sinks, struct weights *w)
{
    size_t gates = (size_t)(state_size(s) * s->gates) * sizeof(reel_real);
    w->of_h = begin_weights(call, s, &grad_outputs[2]);
    w->of_c = in->states > 1 ? begin_weights(call, s, &grad_outputs[3]) : w->of_h;
    w->of_gates = reel_call_temporary(call, gates);
    w->results = reel_call_temporary(call, gates * (size_t)s->steps);
    for (int k = 0; k < call->n_inputs; k++)
        if (k != in->weight && k != in->weight + 1 && !reel_open_destination(call, k, sinks[k], &w->to[k]))
            return false;
    return w->of_h && w->of_c && w->of_gates && w->results && reel_begin_product(call, s, in->weight, &w->product);
}

/* The weights of a step's gates: what weighs them from outside, by time and by batch (NULL: nothing), and by way of the
 * state. */
static void weigh_gates(const struct reel_sequence *s, const reel_real *by_time, const reel_real *by_batch,
                        int64_t step, const struct weights *w)
{
    int64_t columns = s->gates * s->hidden;
    struct reel_gemm product = w->product.product;
    struct reel_rows_of rows = step_of(by_batch, s, step, columns), to = rows_of(w->of_gates, columns);
    if (by_time)
        place_rows(s, columns, rows_of(by_time + step * s->batch * columns, columns), to);
    if (by_time && by_batch)
        reel_kern_add_rows_to(s->batch, columns, rows.data, rows.stride, to.data, to.stride);
    else if (by_batch)
        place_rows(s, columns, rows, to);
    product.a = (struct reel_matrix){w->of_h + step * state_size(s), s->hidden, false};
    product.c = w->of_gates;
    product.add = by_time || by_batch;
    reel_kern_gemm(&product, w->product.threads);
}

/* Where the gradient of a state before a step goes: to the first state, or to the output of the step before. */
static struct reel_rows_of before_step(const struct inputs *in, const struct reel_sequence *s, const struct weights *w,
                                       int which, int64_t step)
{
    return step == 0 ? rows_of(w->to[in->first + which].data, s->hidden)
                     : step_of(w->to[in->outputs + which].data, s, step - 1, s->hidden);
}

/* The gradients of weight_hh and bias_hh: products over all steps. No step comes after the last output. */
static reel_status end_second(const reel_call *call, const struct inputs *in, const struct reel_sequence *s,
                              const struct saved *saved, const struct weights *w, reel_sink *const *sinks)
{
    int64_t rows = s->steps * s->batch, columns = s->gates * s->hidden;
    int threads = reel_get_num_threads(call->context);
    for (int i = 0; s->steps > 0 && i < in->states; i++)
        clear_rows(s, step_of(w->to[in->outputs + i].data, s, s->steps - 1, s->hidden));
    for (int i = 0; s->steps == 0 && i < in->states; i++)
        clear_rows(s, rows_of(w->to[in->first + i].data, s->hidden));
    for (int k = 0; k < call->n_inputs; k++)
        if (k != in->weight && k != in->weight + 1)
            reel_close_destination(call, &w->to[k]);
    if (sinks[in->weight]) {
        struct reel_gemm product = {.m = columns,
                                    .n = s->hidden,
                                    .k = rows,
                                    .a = {call->out[1]->data, columns, true},
                                    .b = {w->of_h, s->hidden, false},
                                    .c_stride = s->hidden};
        if (!(product.c = reel_sink_target(sinks[in->weight], &product.add)))
            return call->context->status;
        reel_kern_gemm(&product, threads);
        product.a.data = w->results;
        product.b.data = reel_saved_states(saved->steps, s, in->states - 1);
        product.add = true;
        reel_kern_gemm(&product, threads);
    }
    struct reel_kern_reduction sum = {.combine = REEL_KERN_SUM, .divisor = 1};
    reel_real *bias = sinks[in->weight + 1] ? reel_sink_target(sinks[in->weight + 1], &sum.add) : NULL;
    if (bias)
        reel_kern_reduce(&(reel_shape){2, {rows, columns}}, 1, w->results, &sum, bias, threads);
    return call->context->status;
}

/* ---- The second order in other operations ---- */

/* An array [batch, steps, n] or [steps, batch, n], and its steps [batch, n], which share its memory. */
struct steps {
    reel_tape *tape;
    reel_var by_time; /* [steps, batch, n] */
};

static struct steps steps_of(reel_tape *t, reel_var v)
{
    return (struct steps){t, reel_permute(t, v, REEL_AXES(1, 0, 2))};
}

static reel_var step_var(const struct steps *v, int64_t step)
{
    const reel_shape shape = reel_shape_of(v->tape, v->by_time);
    return reel_reshape(v->tape, reel_narrow(v->tape, v->by_time, 0, step, 1), REEL_SHAPE(shape.dim[1], shape.dim[2]));
}

/* [batch, steps, n] of vars [batch, n]. */
static reel_var join_steps(reel_tape *t, const reel_var *vars, int64_t steps)
{
    return reel_permute(t, reel_stack(t, vars, (int)steps, 0), REEL_AXES(1, 0, 2));
}

/* The gradient of an output, from those of the states before each step: that of step i is the output of step i - 1. */
static reel_var of_output(const reel_call *call, reel_var *before, int64_t steps)
{
    const reel_var first = before[0];
    for (int64_t i = 1; i < steps; i++)
        before[i - 1] = before[i];
    before[steps - 1] = reel_zeros(call->tape, reel_shape_of(call->tape, first));
    return join_steps(call->tape, before, steps);
}

/* a + b, where a may be the null var. */
static reel_var add_to(reel_tape *t, reel_var a, reel_var b)
{
    return reel_is_null(a) ? b : reel_add(t, a, b);
}

/* Arrays of vars, one for each step. */
enum { OF_H, OF_C, OF_X, OF_STATE, OF_H_BEFORE, OF_C_BEFORE, WEIGHTS, LISTS };

static bool make_lists(const reel_call *call, int64_t steps, reel_var *list[LISTS])
{
    for (int i = 0; i < LISTS; i++)
        if (!(list[i] = reel_call_temporary(call, (size_t)steps * sizeof **list)))
            return false;
    return true;
}

/* Without steps nothing depends on anything; they are zeros. */
static bool is_without_steps(const reel_call *call, int64_t steps, reel_var *grad_inputs)
{
    for (int k = 0; steps == 0 && k < call->n_inputs; k++)
        grad_inputs[k] = reel_zeros(call->tape, call->in[k]->shape);
    return steps == 0;
}

/* The gradients of weight_hh and bias_hh. */
static void give_weights(const reel_call *call, const struct inputs *in, const struct reel_sequence *s, reel_var before,
                         reel_var *const *list, reel_var *grad_inputs)
{
    reel_tape *t = call->tape;
    const reel_shape gates = {2, {s->steps * s->batch, s->gates * s->hidden}}, states = {2, {gates.dim[0], s->hidden}};
    reel_var of_state = reel_reshape(t, reel_stack(t, list[OF_STATE], (int)s->steps, 0), gates);
    reel_var weights = reel_reshape(t, reel_stack(t, list[WEIGHTS], (int)s->steps, 0), states);
    reel_var by_weights = reel_matmul_with(t, reel_reshape(t, call->outputs[1], gates), weights, true, false);
    reel_var by_states = reel_matmul_with(t, of_state, reel_reshape(t, before, states), true, false);
    grad_inputs[in->weight] = reel_add(t, by_weights, by_states);
    grad_inputs[in->weight + 1] = reel_sum(t, of_state, REEL_AXES(0), false);
}

/* ---- gru_backward ---- */

static reel_status gru_backward_shape(reel_call *call)
{
    if (expect_sequence(call, &of_gru, GRU_GATES) != REEL_OK)
        return call->context->status;
    set_outputs(call, &of_gru, GRU_GATES);
    return REEL_OK;
}

static reel_status gru_backward_forward(reel_call *call)
{
    const struct reel_sequence s = sequence_of(call, GRU_GATES);
    const struct saved saved = saved_of(call, &s, 1);
    int64_t n = s.hidden, columns = GRU_GATES * n;
    const struct reel_rows_of h = rows_of(call->out[2]->data, n);
    if (saved.is_own && keep_steps(call, &of_gru, &s, &saved) != REEL_OK)
        return call->context->status;
    clear_rows(&s, h);
    for (int64_t step = s.steps - 1; step >= 0; step--) {
        const struct reel_cell cell = cell_at(&s, &saved, step);
        reel_real *of_h = saved.of_h + step * state_size(&s),
                  *of_state = (reel_real *)call->out[1]->data + step * s.batch * columns;
        arrive(&s, call->in[0], step, h.data, of_h);
        const struct reel_cell_gradient gradient = {.of_after = rows_of(of_h, n),
                                                    .x = step_of(call->out[0]->data, &s, step, columns),
                                                    .state = rows_of(of_state, columns),
                                                    .before = h};
        reel_kern_gru_cell_backward(&cell, &gradient);
        to_state(call, &of_gru, &s, of_state, h, true);
    }
    return REEL_OK;
}

static void gru_backward_vjp(const reel_call *call, const reel_var *grad_outputs, reel_var *grad_inputs)
{
    const struct reel_sequence s = sequence_of(call, GRU_GATES);
    reel_tape *t = call->tape;
    const reel_var *in = call->inputs, weight = in[3];
    reel_var *list[LISTS], h = reel_null();
    if (is_without_steps(call, s.steps, grad_inputs) || !make_lists(call, s.steps, list))
        return;
    reel_var states = reel_states_before(t, in[2], in[5]), h_gates = reel_linear(t, states, weight, in[4]);
    const struct steps grad = steps_of(t, in[0]), x = steps_of(t, in[1]), state = steps_of(t, h_gates),
                       before = steps_of(t, states), with_x = steps_of(t, or_zeros(t, grad_outputs[0], call->out[0])),
                       with_state = {t, or_zeros(t, grad_outputs[1], call->out[1])};
    for (int64_t step = s.steps - 1; step >= 0; step--) {
        reel_var back[3];
        const reel_var inputs[] = {add_to(t, h, step_var(&grad, step)), step_var(&x, step), step_var(&state, step),
                                   step_var(&before, step)};
        reel_gru_cell_backward(t, inputs, back);
        list[OF_H][step] = inputs[0];
        h = reel_add(t, back[2], reel_matmul(t, back[1], weight));
    }
    h = or_zeros(t, grad_outputs[2], call->out[2]);
    for (int64_t step = 0; step < s.steps; step++) {
        const reel_var through = reel_matmul_with(t, h, weight, false, true),
                       inputs[] = {list[OF_H][step], step_var(&x, step), step_var(&state, step),
                                   step_var(&before, step)},
                       with[] = {step_var(&with_x, step), reel_add(t, step_var(&with_state, step), through), h};
        reel_var gradients[4];
        reel_gru_cell_second(t, inputs, with, gradients);
        list[WEIGHTS][step] = h;
        h = list[OF_H][step] = gradients[0];
        list[OF_X][step] = gradients[1];
        list[OF_STATE][step] = gradients[2];
        list[OF_H_BEFORE][step] = reel_add(t, gradients[3], reel_matmul(t, gradients[2], weight));
    }
    grad_inputs[0] = join_steps(t, list[OF_H], s.steps);
    grad_inputs[1] = join_steps(t, list[OF_X], s.steps);
    grad_inputs[2] = list[OF_H_BEFORE][0];
    grad_inputs[5] = of_output(call, list[OF_H_BEFORE], s.steps);
    give_weights(call, &of_gru, &s, before.by_time, list, grad_inputs);
}

static reel_status gru_backward_accumulate(const reel_call *call, const reel_gradient *grad_outputs,
                                           reel_sink *const *sinks)
{
    const struct reel_sequence s = sequence_of(call, GRU_GATES);
    const struct saved saved = saved_of(call, &s, 1);
    int64_t n = s.hidden, columns = GRU_GATES * n;
    struct weights w;
    const reel_real *with_x = reel_elements_of(call, &grad_outputs[0], call->out[0]->numel),
                    *with_state = grad_outputs[1].data ? reel_gradient_contiguous(call, &grad_outputs[1]) : NULL;
    if (call->context->status != REEL_OK || !begin_second(call, &of_gru, &s, grad_outputs, sinks, &w))
        return call->context->status;
    for (int64_t step = 0; step < s.steps; step++) {
        const struct reel_cell cell = cell_at(&s, &saved, step);
        reel_real *of_h = w.of_h + step * state_size(&s), *results = w.results + step * s.batch * columns;
        weigh_gates(&s, with_state, NULL, step, &w);
        const struct reel_cell_gradient g = {.of_after = rows_of(saved.of_h + step * state_size(&s), n)},
                                        with = {.x = step_of(with_x, &s, step, columns),
                                                .state = rows_of(w.of_gates, columns),
                                                .before = rows_of(of_h, n)},
                                        to = {.of_after = rows_of(of_h + state_size(&s), n),
                                              .x = step_of(w.to[1].data, &s, step, columns),
                                              .state = rows_of(results, columns),
                                              .before = before_step(&of_gru, &s, &w, 0, step)};
        reel_kern_gru_cell_second(&cell, &g, &with, &to);
        place_rows(&s, n, to.of_after, step_of(w.to[0].data, &s, step, n));
        to_state(call, &of_gru, &s, results, to.before, true);
    }
    return end_second(call, &of_gru, &s, &saved, &w, sinks);
}

static reel_cost gru_backward_cost(const reel_call *call)
{
    return reel_sequence_cost(call, of_gru.x, call->in[0]->shape.dim[2]);
}

static const reel_op gru_backward_op = {
    .name = "gru_backward",
    .n_inputs = 6,
    .n_outputs = 3,
    .differentiable = 63,
    .reads_inputs = 63,
    .attributes_size = sizeof(struct sequence_backward_attributes),
    .shape = gru_backward_shape,
    .forward = gru_backward_forward,
    .vjp = gru_backward_vjp,
    .accumulate = gru_backward_accumulate,
    .cost = gru_backward_cost,
};

void reel_gru_backward(reel_tape *tape, const reel_var *inputs, const void *saved, reel_var *outputs)
{
    const struct sequence_backward_attributes a = {saved};
    reel_apply(tape, &gru_backward_op, inputs, 6, &a, outputs);
}

/* ---- lstm_backward ---- */

static reel_status lstm_backward_shape(reel_call *call)
{
    if (expect_sequence(call, &of_lstm, LSTM_GATES) != REEL_OK)
        return call->context->status;
    set_outputs(call, &of_lstm, LSTM_GATES);
    return REEL_OK;
}

static reel_status lstm_backward_forward(reel_call *call)
{
    const struct reel_sequence s = sequence_of(call, LSTM_GATES);
    const struct saved saved = saved_of(call, &s, 2);
    int64_t n = s.hidden, columns = LSTM_GATES * n;
    const struct reel_rows_of h = rows_of(call->out[2]->data, n), c = rows_of(call->out[3]->data, n);
    if (saved.is_own && keep_steps(call, &of_lstm, &s, &saved) != REEL_OK)
        return call->context->status;
    clear_rows(&s, h);
    clear_rows(&s, c);
    for (int64_t step = s.steps - 1; step >= 0; step--) {
        const struct reel_cell cell = cell_at(&s, &saved, step);
        reel_real *of_h = saved.of_h + step * state_size(&s), *of_c = saved.of_c + step * state_size(&s),
                  *of_gates = (reel_real *)call->out[1]->data + step * s.batch * columns;
        arrive(&s, call->in[0], step, h.data, of_h);
        arrive(&s, call->in[1], step, c.data, of_c);
        const struct reel_cell_gradient gradient = {
            .of_out = rows_of(of_h, n), .of_after = rows_of(of_c, n), .x = rows_of(of_gates, columns), .before = c};
        reel_kern_lstm_cell_backward(&cell, &gradient);
        place_rows(&s, columns, gradient.x, step_of(call->out[0]->data, &s, step, columns));
        to_state(call, &of_lstm, &s, of_gates, h, false);
    }
    return REEL_OK;
}

static void lstm_backward_vjp(const reel_call *call, const reel_var *grad_outputs, reel_var *grad_inputs)
{
    const struct reel_sequence s = sequence_of(call, LSTM_GATES);
    reel_tape *t = call->tape;
    const reel_var *in = call->inputs, weight = in[5];
    reel_var *list[LISTS], h = reel_null(), c = reel_null();
    if (is_without_steps(call, s.steps, grad_inputs) || !make_lists(call, s.steps, list))
        return;
    reel_var states = reel_states_before(t, in[3], in[7]), h_gates = reel_linear(t, states, weight, in[6]);
    reel_var with = or_zeros(t, grad_outputs[0], call->out[0]);
    with = reel_add(t, reel_permute(t, with, REEL_AXES(1, 0, 2)), or_zeros(t, grad_outputs[1], call->out[1]));
    const struct steps grad = steps_of(t, in[0]), grad_cells = steps_of(t, in[1]), x = steps_of(t, in[2]),
                       state = steps_of(t, h_gates), cells = steps_of(t, reel_states_before(t, in[4], in[8])),
                       before = steps_of(t, states), with_gates = {t, with};
    for (int64_t step = s.steps - 1; step >= 0; step--) {
        reel_var back[2];
        const reel_var inputs[] = {add_to(t, h, step_var(&grad, step)), add_to(t, c, step_var(&grad_cells, step)),
                                   step_var(&x, step), step_var(&state, step), step_var(&cells, step)};
        reel_lstm_cell_backward(t, inputs, back);
        list[OF_H][step] = inputs[0];
        list[OF_C][step] = inputs[1];
        h = reel_matmul(t, back[0], weight);
        c = back[1];
    }
    h = or_zeros(t, grad_outputs[2], call->out[2]);
    c = or_zeros(t, grad_outputs[3], call->out[3]);
    for (int64_t step = 0; step < s.steps; step++) {
        const reel_var through = reel_matmul_with(t, h, weight, false, true),
                       inputs[] = {list[OF_H][step], list[OF_C][step], step_var(&x, step), step_var(&state, step),
                                   step_var(&cells, step)},
                       weights[] = {reel_add(t, step_var(&with_gates, step), through), c};
        reel_var gradients[5];
        reel_lstm_cell_second(t, inputs, weights, gradients);
        list[WEIGHTS][step] = h;
        h = list[OF_H][step] = gradients[0];
        c = list[OF_C][step] = gradients[1];
        list[OF_STATE][step] = gradients[2];
        list[OF_H_BEFORE][step] = reel_matmul(t, gradients[2], weight);
        list[OF_C_BEFORE][step] = gradients[4];
    }
    grad_inputs[0] = join_steps(t, list[OF_H], s.steps);
    grad_inputs[1] = join_steps(t, list[OF_C], s.steps);
    grad_inputs[2] = join_steps(t, list[OF_STATE], s.steps);
    grad_inputs[3] = list[OF_H_BEFORE][0];
    grad_inputs[4] = list[OF_C_BEFORE][0];
    grad_inputs[7] = of_output(call, list[OF_H_BEFORE], s.steps);
    grad_inputs[8] = of_output(call, list[OF_C_BEFORE], s.steps);
    give_weights(call, &of_lstm, &s, before.by_time, list, grad_inputs);
}

static reel_status lstm_backward_accumulate(const reel_call *call, const reel_gradient *grad_outputs,
                                            reel_sink *const *sinks)
{
    const struct reel_sequence s = sequence_of(call, LSTM_GATES);
    const struct saved saved = saved_of(call, &s, 2);
    int64_t n = s.hidden, columns = LSTM_GATES * n;
    struct weights w;
    const reel_real *with_x = grad_outputs[0].data ? reel_gradient_contiguous(call, &grad_outputs[0]) : NULL,
                    *with_state = grad_outputs[1].data ? reel_gradient_contiguous(call, &grad_outputs[1]) : NULL;
    if (call->context->status != REEL_OK || !begin_second(call, &of_lstm, &s, grad_outputs, sinks, &w))
        return call->context->status;
    for (int64_t step = 0; step < s.steps; step++) {
        const struct reel_cell cell = cell_at(&s, &saved, step);
        reel_real *of_h = w.of_h + step * state_size(&s), *of_c = w.of_c + step * state_size(&s),
                  *results = w.results + step * s.batch * columns;
        weigh_gates(&s, with_state, with_x, step, &w);
        const struct reel_cell_gradient g = {.of_out = rows_of(saved.of_h + step * state_size(&s), n),
                                             .of_after = rows_of(saved.of_c + step * state_size(&s), n)},
                                        with = {.x = rows_of(w.of_gates, columns), .before = rows_of(of_c, n)},
                                        to = {.of_out = rows_of(of_h + state_size(&s), n),
                                              .of_after = rows_of(of_c + state_size(&s), n),
                                              .x = rows_of(results, columns),
                                              .before = before_step(&of_lstm, &s, &w, 1, step)};
        reel_kern_lstm_cell_second(&cell, &g, &with, &to);
        place_rows(&s, n, to.of_out, step_of(w.to[0].data, &s, step, n));
        place_rows(&s, n, to.of_after, step_of(w.to[1].data, &s, step, n));
        place_rows(&s, columns, to.x, step_of(w.to[2].data, &s, step, columns));
        to_state(call, &of_lstm, &s, results, before_step(&of_lstm, &s, &w, 0, step), false);
    }
    return end_second(call, &of_lstm, &s, &saved, &w, sinks);
}

static reel_cost lstm_backward_cost(const reel_call *call)
{
    return reel_sequence_cost(call, of_lstm.x, call->in[0]->shape.dim[2]);
}

static const reel_op lstm_backward_op = {
    .name = "lstm_backward",
    .n_inputs = 9,
    .n_outputs = 4,
    .differentiable = 511,
    .reads_inputs = 511,
    .attributes_size = sizeof(struct sequence_backward_attributes),
    .shape = lstm_backward_shape,
    .forward = lstm_backward_forward,
    .vjp = lstm_backward_vjp,
    .accumulate = lstm_backward_accumulate,
    .cost = lstm_backward_cost,
};

void reel_lstm_backward(reel_tape *tape, const reel_var *inputs, const void *saved, reel_var *outputs)
{
    const struct sequence_backward_attributes a = {saved};
    reel_apply(tape, &lstm_backward_op, inputs, 9, &a, outputs);
}
#else
static const struct sequence_backward_attributes nothing = {NULL};

/* batch, steps, hidden; then with the columns of x_gates. */
#define GRU_INPUTS(b, t, n, gates)                                                                                     \
    REAL(b, t, n), REAL(b, t, gates), REAL(b, n), WITHIN(-0.5, 0.5, gates, n), REAL(gates), REAL(b, t, n)
#define LSTM_INPUTS(b, t, n, gates)                                                                                    \
    REAL(b, t, n), REAL(b, t, n), REAL(b, t, gates), REAL(b, n), REAL(b, n), WITHIN(-0.5, 0.5, gates, n), REAL(gates), \
        REAL(b, t, n), REAL(b, t, n)
static const reel_sample gru_backward_samples[] = {
    GOOD("three steps", &nothing, GRU_INPUTS(2, 3, 2, 6)),
    GOOD("one step", &nothing, GRU_INPUTS(2, 1, 2, 6)),
    GOOD("more than a vector", &nothing, GRU_INPUTS(2, 2, 18, 54)),
    GOOD("no steps", &nothing, GRU_INPUTS(2, 0, 2, 6)),
    GOOD("an empty batch", &nothing, GRU_INPUTS(0, 3, 2, 6)),
    REFUSED("a gradient of another size", REEL_ERROR_SHAPE, &nothing, REAL(2, 3, 1), REAL(2, 3, 6), REAL(2, 2),
            REAL(6, 2), REAL(6), REAL(2, 3, 2)),
    REFUSED("outputs of another size", REEL_ERROR_SHAPE, &nothing, REAL(2, 3, 2), REAL(2, 3, 6), REAL(2, 2), REAL(6, 2),
            REAL(6), REAL(2, 2, 2)),
    REFUSED("another first state", REEL_ERROR_SHAPE, &nothing, REAL(2, 3, 2), REAL(2, 3, 6), REAL(3, 2), REAL(6, 2),
            REAL(6), REAL(2, 3, 2)),
    REFUSED("gates of another size", REEL_ERROR_SHAPE, &nothing, GRU_INPUTS(2, 3, 2, 8)),
    REFUSED("a weight of another size", REEL_ERROR_SHAPE, &nothing, REAL(2, 3, 2), REAL(2, 3, 6), REAL(2, 2),
            REAL(2, 6), REAL(6), REAL(2, 3, 2)),
    REFUSED("a bias of another size", REEL_ERROR_SHAPE, &nothing, REAL(2, 3, 2), REAL(2, 3, 6), REAL(2, 2), REAL(6, 2),
            REAL(2), REAL(2, 3, 2)),
    REFUSED("no axis of steps", REEL_ERROR_SHAPE, &nothing, REAL(2, 2), REAL(2, 6), REAL(2, 2), REAL(6, 2), REAL(6),
            REAL(2, 2)),
    REFUSED("integers", REEL_ERROR_DTYPE, &nothing, REAL(2, 3, 2), REAL(2, 3, 6), INDEX(3, 2, 2), REAL(6, 2), REAL(6),
            REAL(2, 3, 2)),
};
static const reel_sample lstm_backward_samples[] = {
    GOOD("three steps", &nothing, LSTM_INPUTS(2, 3, 2, 8)),
    GOOD("one step", &nothing, LSTM_INPUTS(2, 1, 2, 8)),
    GOOD("more than a vector", &nothing, LSTM_INPUTS(2, 2, 18, 72)),
    GOOD("no steps", &nothing, LSTM_INPUTS(2, 0, 2, 8)),
    GOOD("an empty batch", &nothing, LSTM_INPUTS(0, 3, 2, 8)),
    REFUSED("gates of another size", REEL_ERROR_SHAPE, &nothing, LSTM_INPUTS(2, 3, 2, 6)),
    REFUSED("cells of another size", REEL_ERROR_SHAPE, &nothing, REAL(2, 3, 2), REAL(2, 3, 2), REAL(2, 3, 8),
            REAL(2, 2), REAL(2, 2), REAL(8, 2), REAL(8), REAL(2, 3, 2), REAL(2, 3, 1)),
    REFUSED("integers", REEL_ERROR_DTYPE, &nothing, REAL(2, 3, 2), REAL(2, 3, 2), REAL(2, 3, 8), REAL(2, 2), REAL(2, 2),
            REAL(8, 2), INDEX(3, 8), REAL(2, 3, 2), REAL(2, 3, 2)),
};
SAMPLES(gru_backward, gru_backward_samples, .ulps = 256, .why = "errors of a step go through the steps before it");
SAMPLES(lstm_backward, lstm_backward_samples, .ulps = 256, .why = "errors of a step go through the steps before it");
#endif

REEL_OP_FAMILY(sequence_backward, ROW(gru_backward), ROW(lstm_backward));
