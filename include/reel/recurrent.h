/* Recurrent networks as functions: cells, and sequences of their steps. The modules of nn.h hold their weights.
 *
 *     reel_var x_gates = reel_linear(t, x, weight, bias);         // [64, 8] -> [64, 3 * 16]
 *     h = reel_gru_cell(t, x_gates, reel_linear(t, h, a, b), h); // [64, 16] */
#ifndef REEL_RECURRENT_H
#define REEL_RECURRENT_H

#include <reel/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One step of a GRU (torch.nn.GRUCell) after its products: x_gates [batch, 3 * hidden] is the step's input times
 * weight_ih plus bias_ih, h_gates the state times weight_hh plus bias_hh, h [batch, hidden] the state -> the new state:
 *
 *     r = sigmoid(x_r + h_r), z = sigmoid(x_z + h_z), n = tanh(x_n + r h_n), h' = n + z (h - n)
 *
 * with the parts r, z, n in this order. REEL_ERROR_SHAPE when shapes do not fit. */
REEL_API reel_var reel_gru_cell(reel_tape *tape, reel_var x_gates, reel_var h_gates, reel_var h);

/* One step of an LSTM (torch.nn.LSTMCell): x_gates and h_gates [batch, 4 * hidden], c [batch, hidden] the cell's state
 * -> the output h' and, in *new_c, the cell's new state:
 *
 *     i, f, o = sigmoid(x + h), g = tanh(x_g + h_g), c' = f c + i g, h' = o tanh(c')
 *
 * with the parts i, f, g, o in this order. Else as above. */
REEL_API reel_var reel_lstm_cell(reel_tape *tape, reel_var x_gates, reel_var h_gates, reel_var c, reel_var *new_c);

/* All steps of a layer of a GRU (torch.nn.GRU with batch_first and one layer) after the product with weight_ih: x_gates
 * [batch, steps, 3 * hidden], h [batch, hidden] the first state, weight_hh [3 * hidden, hidden], bias_hh [3 * hidden]
 * -> the states after each step [batch, steps, hidden]. One operation; the weights' gradients are one product over all
 * steps. A graph of its gradients has one operation, too, but for those of the weights. */
REEL_API reel_var reel_gru(reel_tape *tape, reel_var x_gates, reel_var h, reel_var weight_hh, reel_var bias_hh);

/* The same for an LSTM: x_gates [batch, steps, 4 * hidden], h and c [batch, hidden], weight_hh [4 * hidden, hidden],
 * bias_hh [4 * hidden] -> the outputs [batch, steps, hidden], and in *cells the cell's states, of the same shape. */
REEL_API reel_var reel_lstm(reel_tape *tape, reel_var x_gates, reel_var h, reel_var c, reel_var weight_hh,
                            reel_var bias_hh, reel_var *cells);

#ifdef __cplusplus
}
#endif

#endif
