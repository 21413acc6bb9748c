/* Checks of gradients against differences, for operations and functions of your own (torch.autograd.gradcheck).
 *
 * Link libreel_f64 for it: float has too few digits for a sharp check. The float library can run the same checks with
 * the tolerances that reel_gradcheck_defaults gives there, and finds gross mistakes only.
 *
 *     static reel_var softplus(reel_tape *tape, const reel_var *inputs, int n, void *user)
 *     {
 *         (void)n, (void)user;
 *         return reel_log1p(tape, reel_exp(tape, inputs[0]));
 *     }
 *
 *     reel_real values[3] = {-1, 0.5, 2};
 *     const reel_gradcheck_input input = {values, REEL_REAL, REEL_SHAPE(3), false};
 *     if (reel_gradcheck(c, softplus, NULL, &input, 1, NULL) || reel_gradgradcheck(c, softplus, NULL, &input, 1, NULL))
 *         fprintf(stderr, "%s\n", reel_error(c)); */
#ifndef REEL_GRADCHECK_H
#define REEL_GRADCHECK_H

#include <reel/op.h>
#include <reel/options.h>
#include <reel/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A function to check: its value for n vars, real, of any shape. It may use params and constants, and it may draw: the
 * context's generator is set back before each call, so that every call sees the same numbers. */
typedef reel_var (*reel_gradcheck_function)(reel_tape *tape, const reel_var *inputs, int n, void *user);

/* An input: its elements, row-major, not copied. Real inputs that are not constant are differentiated. Keep them away
 * from kinks and ties by more than eps, since there the differences are not the derivative. */
typedef struct reel_gradcheck_input {
    const void *data; /* elements of type dtype, as many as shape has */
    reel_dtype dtype;
    reel_shape shape;
    bool constant; /* is not differentiated */
} reel_gradcheck_input;

/* A gradient g is accepted for the difference quotient d when |g - d| <= atol + rtol * |d|. */
typedef struct reel_gradcheck_options {
    reel_options_mark mark;
    double eps; /* the step to both sides; > 0 */
    double atol, rtol;
} reel_gradcheck_options;

/* eps 1e-6, atol 1e-6, rtol 1e-4; in the float library 1e-2, 1e-2 and 5e-2. */
REEL_API reel_gradcheck_options reel_gradcheck_defaults(void);

/* Compares the gradients of `function` at `inputs`, both those of the fast first-order pass and those of
 * REEL_GRAD_CREATE_GRAPH, with central differences: the whole Jacobian when the output has at most 64 elements and an
 * input at most 256, else products with random vectors. NULL options: the defaults.
 *
 * REEL_OK, or REEL_ERROR_GRADIENT with a text that names input, element, gradient and difference, or the error that
 * `function` met. The context's generator is left as it was. */
REEL_API reel_status reel_gradcheck(reel_context *context, reel_gradcheck_function function, void *user,
                                    const reel_gradcheck_input *inputs, int n, const reel_gradcheck_options *options);

/* The same for the second order: the gradients with respect to the inputs, weighed with random numbers, are taken as
 * functions of the inputs and the weights (torch.autograd.gradgradcheck). */
REEL_API reel_status reel_gradgradcheck(reel_context *context, reel_gradcheck_function function, void *user,
                                        const reel_gradcheck_input *inputs, int n,
                                        const reel_gradcheck_options *options);

/* An input to make for an operation: values drawn uniformly from [low, high); integers from low..high-1. */
typedef struct reel_sample_input {
    reel_dtype dtype;   /* of its elements */
    int ndim;           /* of its axes */
    const int64_t *dim; /* ndim sizes; NULL will do when there are none */
    float low, high;    /* both 0: -2 and 2 for reals, 0 and 2 for bools */
    float gap; /* reals keep away from 0, and from each other, by this much (for kinks and ties); 0: they need not */
    bool ascending; /* integers are sorted, and the first is low, the last of several high - 1 (for offsets) */
} reel_sample_input;

/* The most inputs of a sample. */
#define REEL_MAX_SAMPLE_INPUTS 9

/* A sample of inputs: one that must work (and be differentiated correctly), or one that must be refused. */
typedef struct reel_sample {
    const char *what;    /* what the sample is about, in a few words */
    reel_status refused; /* REEL_OK: a good sample; else the status that it must give */
    int n_inputs;        /* at most REEL_MAX_SAMPLE_INPUTS */
    const reel_sample_input *inputs;
    const void *attributes; /* what reel_apply takes */
} reel_sample;

/* The inputs that a sample describes, as constants on the tape; equal seeds give equal values, in float and
 * in double. `out` has room for sample->n_inputs vars. REEL_ERROR_ARGUMENT when the sample's values do not fit into
 * their range with their gaps. */
REEL_API reel_status reel_sample_inputs(reel_tape *tape, const reel_sample *sample, uint64_t seed, reel_var *out);

/* Everything about one sample of an operation. Refused samples: that they are, with the sample's status. Good samples:
 * that they run, and for each real output reel_gradcheck and reel_gradgradcheck, as far as op->derivative promises:
 * of REEL_DERIVATIVE_REFERENCE the gradient is checked as a function of what flows into it, of REEL_DERIVATIVE_NONE
 * that nothing flows. REEL_ERROR_GRADIENT when a promise is broken. */
REEL_API reel_status reel_gradcheck_op(reel_context *context, const reel_op *op, const reel_sample *sample,
                                       uint64_t seed, const reel_gradcheck_options *options);

#ifdef __cplusplus
}
#endif

#endif
