/* Products of matrices. */
#ifndef REEL_MATMUL_H
#define REEL_MATMUL_H

#include <reel/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The product of real a and b as torch.matmul: [m, k] and [k, n] give [m, n]; leading axes are batches and broadcast;
 * a vector a counts as a row, a vector b as a column, and that axis is dropped again. REEL_ERROR_SHAPE when the inner
 * sizes differ, an operand is a scalar, or the batches do not broadcast. */
REEL_API reel_var reel_matmul(reel_tape *tape, reel_var a, reel_var b);

/* x [..., in], weight [out, in], bias [out] or the null var for none -> x weight^T + bias [..., out]
 * (torch.nn.functional.linear). */
REEL_API reel_var reel_linear(reel_tape *tape, reel_var x, reel_var weight, reel_var bias);

#ifdef __cplusplus
}
#endif

#endif
