/* What a model is made of, as a table (as Keras' model.summary() and torchinfo).
 *
 *     const reel_shape shape = REEL_SHAPE(64, 784);
 *     reel_summary(context, stdout, module, &shape, NULL, 1);
 *
 * writes
 *
 *     layer                    operation            output                    params           FLOP
 *     fc1                      linear_bias          [64, 256]                200,960     25,690,112
 *     norm                     6 operations         [64, 256]                    512         66,048
 *                              relu                 [64, 256]                                16,384
 *     fc2                      linear_bias          [64, 10]                   2,570        327,680
 *     204,042 params, 204,042 trained, 816,168 bytes; 26,100,224 FLOP, 397,824 bytes of results */
#ifndef REEL_WATCH_SUMMARY_H
#define REEL_WATCH_SUMMARY_H

#include <reel/nn.h>
#include <reel/types.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Writes the table of what a tape has recorded, in the order in which it ran: a line for each layer that has a name,
 * and for each operation outside of layers, with the shapes of what it gives, the elements of the params that it reads,
 * each where it is read first, and the FLOP of its forward (a multiplication and an addition are two; nothing where the
 * operation does not say). Views are left out. REEL_ERROR_IO when the file does not take it. */
REEL_API reel_status reel_summary_of_tape_checked(reel_tape *tape, FILE *file, size_t real_size);
static inline reel_status reel_summary_of_tape(reel_tape *tape, FILE *file)
{
    return reel_summary_of_tape_checked(tape, file, sizeof(reel_real));
}

/* The same of one forward pass of a module in evaluation, for n_inputs inputs of zeros, 1..REEL_MAX_MODULE_VARS, with
 * these shapes (ndim -1: one that is left out) and types (dtypes NULL: all REEL_REAL; REEL_INT64 for an embedding).
 * Nothing changes: the pass runs on a tape of its own, and the module, whose parts are to be in the same state as
 * itself, is put back into it. The errors of reel_forward_all and of reel_summary_of_tape. */
REEL_API reel_status reel_summary_checked(reel_context *context, FILE *file, reel_module *module,
                                          const reel_shape *shapes, const reel_dtype *dtypes, int n_inputs,
                                          size_t real_size);
static inline reel_status reel_summary(reel_context *context, FILE *file, reel_module *module, const reel_shape *shapes,
                                       const reel_dtype *dtypes, int n_inputs)
{
    return reel_summary_checked(context, file, module, shapes, dtypes, n_inputs, sizeof(reel_real));
}

#ifdef __cplusplus
}
#endif

#endif
