/* Trading time for memory: what a part of a step computes is given up and computed again when gradients need it. */
#ifndef REEL_RECOMPUTE_H
#define REEL_RECOMPUTE_H

#include <reel/op.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Computes `outputs` (which begin as null vars) from `inputs` and whatever else it uses: params, modules, vars from
 * outside. A null var or an error that it leaves is the caller's. */
typedef void (*reel_segment_function)(reel_tape *tape, const reel_var *inputs, reel_var *outputs, void *user);

/* Activation checkpointing (torch.utils.checkpoint.checkpoint; Chen et al. 2016, "Training deep nets with sublinear
 * memory cost"): runs the segment, keeps its outputs, and gives up everything else that it made. A backward pass that
 * comes to the outputs runs it again and goes through it, which costs its forward pass once more; of a network cut into
 * segments no more than one is then in memory at a time. Memory until the reset: the outputs, and 2.5 KB when the
 * segment draws from the generator.
 *
 *     static void block(reel_tape *tape, const reel_var *inputs, reel_var *outputs, void *module)
 *     {
 *         outputs[0] = reel_forward(tape, module, inputs[0]);
 *     }
 *
 *     for (int i = 0; i < 24; i++)
 *         reel_recompute(t, block, blocks[i], &x, 1, &x, 1);
 *
 * Outputs and gradients have the bits of the segment run without this, by reel_backward and reel_grad, row-sparse
 * gradients too; second and higher orders agree to rounding. The second time generator and dropout are put back to
 * where they were the first time, and what comes after is not disturbed; running statistics move once. Segments may
 * contain segments. With REEL_GRAD_CREATE_GRAPH what was computed again stays on the tape.
 *
 * The segment must do the same both times: `user`, and all that it reads, must be until the reset what it is now.
 * Refused by name: in the segment, an embedding with max_norm (it would scale rows twice), reel_backward, a reset, a
 * hook on a var from outside; in the backward pass, a param that changed since, and a segment that gives outputs of
 * other shapes or uses other params or vars from outside than before. Vars that it made and left elsewhere are stale.
 *
 * n_outputs: 1..REEL_MAX_OUTPUTS; n_inputs may be 0. `inputs` and `outputs` may be the same array. On failure all
 * outputs are the null var. Inside no_grad it is the plain call of the segment. */
REEL_API reel_status reel_recompute(reel_tape *tape, reel_segment_function segment, void *user, const reel_var *inputs,
                                    int n_inputs, reel_var *outputs, int n_outputs);

/* Whether a segment runs on the tape that ran before: for modules whose forward function changes what they keep, and
 * must do so once. */
REEL_API bool reel_is_recomputing(const reel_tape *tape);

#ifdef __cplusplus
}
#endif

#endif
