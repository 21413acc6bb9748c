/* What a step of a recurrent network and a sequence of steps share. */
#ifndef REEL_OPS_RECURRENT_H
#define REEL_OPS_RECURRENT_H

#include "kern/recurrent.h"
#include "ops/family.h"

#include <reel/create.h>

/* Parts of the gates' arrays, and how many a step keeps. */
enum { GRU_GATES = 3, LSTM_GATES = 4, SAVED_GATES = 4 };

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

#endif
