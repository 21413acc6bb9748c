/* Softmax and its logarithm, with or without a mask.
 *
 *     reel_var probabilities = reel_softmax(t, scores, -1); // [64, 10], rows that sum to 1 */
#ifndef REEL_SOFTMAX_H
#define REEL_SOFTMAX_H

#include <reel/options.h>
#include <reel/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* exp(x) / sum(exp(x)) along `axis` (negative: from the end), without overflow: torch.softmax. x must be real. Where
 * all elements are -INFINITY, or one is INFINITY, the result is NaN, as in PyTorch. */
REEL_API reel_var reel_softmax(reel_tape *tape, reel_var x, int axis);

/* x - log(sum(exp(x))) along `axis`: torch.log_softmax. Better than the logarithm of reel_softmax, which loses small
 * probabilities. */
REEL_API reel_var reel_log_softmax(reel_tape *tape, reel_var x, int axis);

/* reel_softmax of the elements whose mask is true, and 0 elsewhere; all zeros where the mask leaves nothing, as in the
 * attention of PyTorch (softmax of masked_fill would be NaN there). mask is bool (REEL_ERROR_DTYPE) and broadcasts to
 * the shape of x (REEL_ERROR_SHAPE). What x is where the mask is false does not matter, even NaN; its gradient is 0. */
REEL_API reel_var reel_masked_softmax(reel_tape *tape, reel_var x, reel_var mask, int axis);

typedef struct reel_gumbel_softmax_options {
    reel_options_mark mark;
    double tau; /* 1; above 0: the lower, the closer to one category */
    bool hard;  /* false. The value is one-hot, the gradient that of the soft one (straight through) */
    int axis;   /* -1: that of the categories */
    /* Conditions: int64 or int32 labels of the shape of logits without its last axis, and a real table [labels, size of
     * the last axis] whose row is added to the logits; or both the null var. */
    reel_var label, offsets;
} reel_gumbel_softmax_options;
REEL_API reel_gumbel_softmax_options reel_gumbel_softmax_defaults(void);

/* A category drawn with the probabilities softmax(logits), in such a way that gradients flow: softmax((logits + noise)
 * / tau), where noise is -log of reel_exponential (torch.nn.functional.gumbel_softmax, with the same draws; Jang et al.
 * 2017, Maddison et al. 2017). With a label's offsets it is a draw conditioned on the label, as the categorical columns
 * of a conditional generator need; the table may be a param (reel_param_var), and begin as zeros. options NULL: the
 * defaults. REEL_ERROR_ARGUMENT when tau is not above 0 or finite, or one of label and offsets is missing;
 * REEL_ERROR_SHAPE when they do not fit the logits; REEL_ERROR_INDEX for a label that is outside the table. */
REEL_API reel_var reel_gumbel_softmax(reel_tape *tape, reel_var logits, const reel_gumbel_softmax_options *options);

#ifdef __cplusplus
}
#endif

#endif
