/* Cells of recurrent networks: what is done with the products of a step, its derivatives, and sequences of steps. */
#ifndef REEL_KERN_RECURRENT_H
#define REEL_KERN_RECURRENT_H

#include <reel/types.h>

/* A matrix of rows that are `stride` elements apart. */
struct reel_rows_of {
    reel_real *data;
    int64_t stride;
};

/* What a cell makes of `rows` samples with `hidden` elements of state. Its input has `gates` parts of `hidden`
 * elements, and is the sum of x, from the step's input, and state, from the state before (but of GRU the last part, see
 * below). `before` is that state, of LSTM the cell's.
 *
 * GRU, with x, state and before as x_r, x_z, x_n and so on:
 *     r = sigmoid(x_r + s_r), z = sigmoid(x_z + s_z), n = tanh(x_n + r s_n), after = n + z (before - n)
 * LSTM:
 *     i, f, o = sigmoid of their sums, g = tanh of its, after = f before + i g, out = o tanh(after)
 *
 * gates [rows, 4 * hidden] are r, z, n, s_n; or i, f, g, o. */
struct reel_cell {
    int64_t rows, hidden;
    struct reel_rows_of x, state, before;
    struct reel_rows_of after, out; /* of LSTM both; of GRU after only */
    reel_real *gates;
};

/* Gates, after and out from x, state and before. */
void reel_kern_gru_cell(const struct reel_cell *c);
void reel_kern_lstm_cell(const struct reel_cell *c);

/* The gradients of x, state and before, from that of after and (LSTM) of out, from the gates and before. of_out.data
 * and of_after.data may be NULL for zeros (of LSTM; not both). LSTM's gradient of x is that of state, too. */
struct reel_cell_gradient {
    struct reel_rows_of of_after, of_out;
    struct reel_rows_of x, state, before;
};
void reel_kern_gru_cell_backward(const struct reel_cell *c, const struct reel_cell_gradient *g);
void reel_kern_lstm_cell_backward(const struct reel_cell *c, const struct reel_cell_gradient *g);

/* The second order: the gradients of what the functions above compute, weighed with `with` and summed. Results are
 * those of what they were given: of_after, of_out (LSTM), and by way of the gates x, state (of LSTM the same as x: not
 * given) and before. */
void reel_kern_gru_cell_second(const struct reel_cell *c, const struct reel_cell_gradient *g,
                               const struct reel_cell_gradient *with, const struct reel_cell_gradient *to);
void reel_kern_lstm_cell_second(const struct reel_cell *c, const struct reel_cell_gradient *g,
                                const struct reel_cell_gradient *with, const struct reel_cell_gradient *to);

#endif
