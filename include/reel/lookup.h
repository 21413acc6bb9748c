/* What is computed of rows of a table without writing the rows down. A lookup (reel_embedding) hands all of its rows to
 * the next operation, and gets as many gradient rows back: memory that is written and read for each step. These read
 * the table where it lies, and an optimizer forms the gradient of a row where it sums it.
 *
 * Values and gradients are those of the operations that are named, bit for bit, with dense gradients and sparse ones.
 * Unlike those of reel_embedding the rules read the tables, as linear's reads its weight: a backward pass after one of
 * them changed is REEL_ERROR_STATE. Indices are as for reel_embedding, of which padding and scaling are left out.
 *
 *     loss = reel_embedding_mse_loss(t, weight, index, y, NULL);
 *     // [64], [64, 6] -> [64, 6]: each row of weight with six of x
 *     reel_var score = reel_embedding_dot(t, weight, index, x, labels); */
#ifndef REEL_LOOKUP_H
#define REEL_LOOKUP_H

#include <reel/loss.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The squared distance of rows of weight [rows, ...] to a target, of index's axes and then those of a row, per element:
 * reel_mse_loss_with of reel_embedding(weight, index) and target (torch.nn.functional.mse_loss of embedding). options
 * NULL: the mean. REEL_NONE is REEL_ERROR_ARGUMENT, since its result is as large as the rows. */
REEL_API reel_var reel_embedding_mse_loss(reel_tape *tape, reel_var weight, reel_var index, reel_var target,
                                          const reel_loss_options *options);

/* Products of rows with rows: out[i, k] = the sum over j of weight[index[i], j] * other[other_index[i, k], j]. The
 * shape of other_index, which is the result's, begins with that of index; behind it are any axes, or none, and so a row
 * of weight is multiplied with several of other. weight and other are tables [rows, ...] with rows of the same shape
 * (REEL_ERROR_SHAPE); they may be one, and either may be any var, such as the output of a network with
 * reel_arange_int64 for an index. (torch.einsum of two embeddings.)
 *
 * It is reel_sum of reel_mul of both lookups over the axes of a row, index's having been given axes of size 1; where an
 * index has more than 96 partners, the gradients of weight are summed in another order than there. */
REEL_API reel_var reel_embedding_dot(reel_tape *tape, reel_var weight, reel_var index, reel_var other,
                                     reel_var other_index);

#ifdef __cplusplus
}
#endif

#endif
