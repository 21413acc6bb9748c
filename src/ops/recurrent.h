/* What a step of a recurrent network and a sequence of steps share. */
#ifndef REEL_OPS_RECURRENT_H
#define REEL_OPS_RECURRENT_H

#include "kern/gemm.h"
#include "kern/recurrent.h"
#include "ops/family.h"

#include <reel/create.h>

/* Parts of the gates' arrays, and how many a step keeps. */
enum { GRU_GATES = 3, LSTM_GATES = 4, SAVED_GATES = 4 };

/* A sequence, and rows of a step in an array [batch, steps, columns]. */
struct reel_sequence {
    int64_t batch, steps, hidden, gates; /* gates: GRU_GATES or LSTM_GATES */
};

static inline int64_t state_size(const struct reel_sequence *s)
{
    return s->batch * s->hidden;
}

static inline struct reel_rows_of step_of(const void *data, const struct reel_sequence *s, int64_t step,
                                          int64_t columns)
{
    return (struct reel_rows_of){(reel_real *)(uintptr_t)data + step * columns, s->steps * columns};
}

/* The gates' part of the state: h times the transpose of weight_hh (input k), which is written out once for all steps,
 * plus bias_hh (input k + 1). false when memory ran out. */
struct reel_recurrent_product {
    struct reel_gemm product;
    const reel_real *bias;
    int threads;
};
bool reel_begin_product(const reel_call *call, const struct reel_sequence *s, int k, struct reel_recurrent_product *p);
struct reel_rows_of reel_multiply_state(const struct reel_recurrent_product *p, const reel_real *h);

/* FLOP of a gate of a cell: a sigmoid or a tanh, and about as much beside it. Of a sequence: for each element of input
 * x, the gates, also a row of the product with the state. */
enum { REEL_GATE_FLOPS = 6 };
reel_cost reel_sequence_cost(const reel_call *call, int x, int64_t hidden);

/* The states before each step, as a var: the first, and those after all but the last. */
reel_var reel_states_before(reel_tape *tape, reel_var first, reel_var after);

/* What the forward pass of a sequence keeps: the cells' gates [steps, batch, 4 * hidden], then the states before each
 * step [steps, batch, hidden], of an LSTM c first, then h. */
static inline size_t reel_saved_steps_size(const struct reel_sequence *s, int states)
{
    return (size_t)(s->steps * state_size(s) * (SAVED_GATES + states)) * sizeof(reel_real);
}

static inline reel_real *reel_saved_gates(const void *saved, const struct reel_sequence *s, int64_t step)
{
    return (reel_real *)(uintptr_t)saved + step * SAVED_GATES * state_size(s);
}

static inline reel_real *reel_saved_states(const void *saved, const struct reel_sequence *s, int which)
{
    return (reel_real *)(uintptr_t)saved + s->steps * (SAVED_GATES + which) * state_size(s);
}

/* The elements of a gradient, zeros where none reached the output. NULL when memory ran out. */
const reel_real *reel_elements_of(const reel_call *call, const reel_gradient *gradient, int64_t numel);

/* Where a kernel writes the gradient of an input: into the sink, or beside it when that holds something or nobody asks.
 */
struct reel_destination {
    reel_real *data, *target;
    int64_t numel;
};
bool reel_open_destination(const reel_call *call, int k, reel_sink *sink, struct reel_destination *d);
void reel_close_destination(const reel_call *call, const struct reel_destination *d);

/* Input k must be real with these sizes; -1 stands for any. */
reel_status reel_expect_sizes(reel_call *call, int k, const char *name, int ndim, const int64_t *sizes);

static inline void reel_set_real_output(reel_call *call, int i, reel_shape shape)
{
    call->out[i]->dtype = REEL_REAL;
    call->out[i]->shape = shape;
}

static inline struct reel_rows_of rows_of(const void *data, int64_t columns)
{
    return (struct reel_rows_of){(reel_real *)(uintptr_t)data, columns};
}

static inline reel_var or_zeros(reel_tape *t, reel_var v, const reel_array *like)
{
    return reel_is_null(v) ? reel_zeros(t, like->shape) : v;
}

/* The rules of the cells as operations: the gradient of h after the step, x_gates, h_gates and h to those of the last
 * three; the gradients of h and c after the step, x_gates, h_gates and c to that of either gates and that of c. */
void reel_gru_cell_backward(reel_tape *tape, const reel_var *inputs, reel_var *outputs);
void reel_lstm_cell_backward(reel_tape *tape, const reel_var *inputs, reel_var *outputs);

/* The rules of these, in other operations: the gradients of their inputs (of LSTM the two gates' as one), from those
 * inputs and the weights of their outputs. */
void reel_gru_cell_second(reel_tape *tape, const reel_var *inputs, const reel_var *with, reel_var *gradients);
void reel_lstm_cell_second(reel_tape *tape, const reel_var *inputs, const reel_var *with, reel_var *gradients);

/* The way back through the steps of a sequence (sequence_backward.c). Inputs: the gradients of its outputs, its inputs
 * and its outputs. Outputs: the gradients of x_gates, of the state's part of the gates [steps, batch, gates * hidden],
 * and of the first states. `saved` is what its forward pass kept, or NULL. */
void reel_gru_backward(reel_tape *tape, const reel_var *inputs, const void *saved, reel_var *outputs);
void reel_lstm_backward(reel_tape *tape, const reel_var *inputs, const void *saved, reel_var *outputs);

#endif
