/* reel: training in C. A context holds the generator and the error; operations on a tape are recorded as they run;
 * reel_backward walks the tape and leaves gradients in params; an optimizer moves them; a reset ends the step.
 *
 *     reel_context *c = reel_context_new(NULL);
 *     reel_tape *t = reel_tape_new(c);
 *     reel_params *g = reel_params_new(c);
 *     reel_module *label = reel_embedding_new(g, "label", 10, 3, NULL);
 *     reel_module *fc = reel_linear_new(g, "fc", 13, 32, NULL);
 *     reel_optim *adam = reel_adam_new(g, NULL);
 *
 *     for (int step = 0; step < 1000; step++) {
 *         reel_var y = reel_randint(t, 0, 10, REEL_SHAPE(64));
 *         reel_var z = reel_randn(t, REEL_SHAPE(64, 10));
 *         reel_var e = reel_forward(t, label, y);
 *         reel_var h = reel_cat(t, REEL_VARS(z, e), 1);
 *         reel_var x = reel_tanh(t, reel_forward(t, fc, h));
 *         reel_var target = reel_borrow(t, batch, REEL_SHAPE(64, 32));
 *         reel_var loss = reel_mse_loss(t, x, target);
 *
 *         reel_zero_grad(g);
 *         if (reel_backward(t, loss, g) || reel_optim_step(adam)) {
 *             fprintf(stderr, "%s\n", reel_error(c));
 *             break;
 *         }
 *         reel_tape_reset(t);
 *     }
 *
 * Nothing is freed inside the loop and one check serves the step: the first error sticks to the context, and every
 * operation after it returns the null var. C does not say in which order arguments are evaluated, so draw at most one
 * random var per expression. */
#ifndef REEL_REEL_H
#define REEL_REEL_H

#include <reel/alias.h>
#include <reel/atomic_file.h>
#include <reel/attention.h>
#include <reel/checkpoint.h>
#include <reel/clip.h>
#include <reel/compare.h>
#include <reel/context.h>
#include <reel/convolution.h>
#include <reel/create.h>
#include <reel/dlpack.h>
#include <reel/csv.h>
#include <reel/dropout.h>
#include <reel/elementwise.h>
#include <reel/ema.h>
#include <reel/gan.h>
#include <reel/gather.h>
#include <reel/gradcheck.h>
#include <reel/idx.h>
#include <reel/init.h>
#include <reel/inspect.h>
#include <reel/join.h>
#include <reel/loader.h>
#include <reel/lookup.h>
#include <reel/loss.h>
#include <reel/mask.h>
#include <reel/matmul.h>
#include <reel/metrics.h>
#include <reel/nn.h>
#include <reel/normalize.h>
#include <reel/npy.h>
#include <reel/onnx.h>
#include <reel/op.h>
#include <reel/optim.h>
#include <reel/optimizer.h>
#include <reel/options.h>
#include <reel/pad.h>
#include <reel/parametrize.h>
#include <reel/params.h>
#include <reel/pool.h>
#include <reel/print.h>
#include <reel/recompute.h>
#include <reel/recurrent.h>
#include <reel/reduce.h>
#include <reel/safetensors.h>
#include <reel/schedule.h>
#include <reel/softmax.h>
#include <reel/sort.h>
#include <reel/split.h>
#include <reel/tape.h>
#include <reel/ts.h>
#include <reel/types.h>
#include <reel/unary.h>
#include <reel/view.h>
#include <reel/vocabulary.h>

#endif
