/* The tape: operations are recorded on it as they run, and gradients are computed by walking it backwards.
 *
 *     reel_zero_grad(params);
 *     if (reel_backward(t, loss, params) || reel_optim_step(adam))
 *         fprintf(stderr, "%s\n", reel_error(c));
 *     printf("%g\n", reel_item(t, loss));
 *     reel_tape_reset(t); */
#ifndef REEL_TAPE_H
#define REEL_TAPE_H

#include <reel/params.h>
#include <reel/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* An empty tape. NULL context or no memory: NULL. Owned by the caller; freed before the context. Several tapes may
 * share a context, in one thread. Freeing is refused as a reset is. */
REEL_API reel_tape *reel_tape_new(reel_context *context);
REEL_API void reel_tape_free(reel_tape *tape);
REEL_API reel_context *reel_tape_context(const reel_tape *tape);

/* Ends a step: every var of the tape becomes stale and its memory is reused. From the third step of a loop whose shapes
 * do not change, nothing is allocated any more. Row-sparse gradients that are still pending are first moved into their
 * params. Returns the first error of the step and clears it; reel_error still has its text. Inside a hook or a function
 * of an operation it is refused, REEL_ERROR_STATE, and nothing happens. */
REEL_API reel_status reel_tape_reset(reel_tape *tape);

/* Until the matching end, operations compute without being recorded for backward: their results are constants, as in
 * torch.no_grad(). Scopes nest; a reset ends them all. */
REEL_API void reel_no_grad_begin(reel_tape *tape);
REEL_API void reel_no_grad_end(reel_tape *tape);

/* A piece of the tape that is given up before the reset: from begin to end, memory is used as in a step of its own, for
 * the batches of an evaluation, say, or the generator's step of a GAN. Of the vars made inside, the end keeps the
 * values of vars[0..n-1], which become constants with new numbers (written to vars; what was before the scope stays as
 * it is); all others become stale, as at a reset. Memory that older vars have come to need (a hook registered inside on
 * one of them, a table preserved from max_norm) keeps the scope's until the reset. Scopes nest; a reset ends them all,
 * and the end of a scope those of no_grad that began inside. REEL_ERROR_STATE when no scope has begun, or in a hook for
 * a scope from outside. When memory for what is kept runs out, the vars that are left are stale. */
REEL_API reel_status reel_scope_begin(reel_tape *tape);
REEL_API reel_status reel_scope_end(reel_tape *tape, reel_var *vars, int n);

/* Reading a var. All return a neutral value (NULL, a shape with ndim -1, NaN, -1) and set the error when the var is
 * null or stale. The data is contiguous, row-major, and lives until the reset. */
REEL_API const void *reel_data(reel_tape *tape, reel_var v);
REEL_API const reel_real *reel_data_real(reel_tape *tape, reel_var v); /* v must be real */
REEL_API const int64_t *reel_data_int64(reel_tape *tape, reel_var v);  /* v must be int64 */
REEL_API reel_dtype reel_dtype_of(reel_tape *tape, reel_var v);        /* REEL_REAL on error */
REEL_API reel_shape reel_shape_of(reel_tape *tape, reel_var v);
REEL_API int64_t reel_size(reel_tape *tape, reel_var v, int axis); /* axis may be negative */
REEL_API int64_t reel_numel(reel_tape *tape, reel_var v);
REEL_API double reel_item(reel_tape *tape, reel_var v); /* v must have one element; any type */

/* The var that stands for a param on this tape: no copy, the data is the param's. The same var for repeated calls as
 * long as the param does not change. */
REEL_API reel_var reel_param_var(reel_tape *tape, reel_param *param);

/* The same value, cut off from what computed it: no gradient flows through. No copy. */
REEL_API reel_var reel_detach(reel_tape *tape, reel_var v);

/* Gradients of `loss` (real, one element) with respect to the params of `params` (NULL: of every trained param that
 * was used), and nothing else, added to what the params hold. Call it as often as you like before the reset: graphs
 * are retained. REEL_ERROR_ARGUMENT when the loss reaches none of these params, with the reason: it depends on params
 * of another set or on frozen ones, it was computed inside no_grad or detached, or it is a constant. REEL_ERROR_STATE
 * when a param whose value a rule reads changed since the forward pass. After a failure the gradients are incomplete,
 * and optimizers refuse to step until reel_zero_grad. */
REEL_API reel_status reel_backward(reel_tape *tape, reel_var loss, reel_params *params);

enum {
    REEL_GRAD_DEFAULT = 0,
    REEL_GRAD_CREATE_GRAPH = 1, /* record the rules, so that the gradients can be differentiated again */
    REEL_GRAD_ALLOW_UNUSED = 2  /* an x that y does not depend on gives the null var instead of REEL_ERROR_ARGUMENT */
};

/* out[i] = d y / d xs[i], as torch.autograd.grad: y must be real with one element; xs are any real vars of the tape,
 * params' vars included. Params' own gradients are left alone. The results are vars of the tape. */
REEL_API reel_status reel_grad(reel_tape *tape, reel_var y, const reel_var *xs, int n, unsigned flags, reel_var *out);

/* The same for y of any shape, with grad_output of y's shape in the place of 1: out[i] = sum(grad_output * y) / d xs[i]
 * (torch.autograd.grad with grad_outputs). */
REEL_API reel_status reel_vjp(reel_tape *tape, reel_var y, reel_var grad_output, const reel_var *xs, int n,
                              unsigned flags, reel_var *out);

/* Called when the gradient of a var is complete during a backward pass, before it flows on (Tensor.register_hook).
 * `grad` has the var's shape. The result replaces the gradient; the null var keeps it. Operations called inside are
 * recorded only when the pass creates a graph; what begins inside (a scope, no_grad) ends with the pass. The hook is
 * forgotten at the reset; `user` must live until then. */
typedef reel_var (*reel_hook)(reel_tape *tape, reel_var grad, void *user);
REEL_API reel_status reel_register_hook(reel_tape *tape, reel_var v, reel_hook hook, void *user);

/* The same for a table by row, so that a row-sparse gradient stays one, which reel_register_hook would make dense:
 * `rows` are the different rows that the gradient touches, ascending (int64, [n]), and `values` are their gradients,
 * summed, [n, ...]; of a dense gradient all rows. The result replaces the values. REEL_ERROR_ARGUMENT when v is not
 * real or has no axes. */
typedef reel_var (*reel_row_hook)(reel_tape *tape, reel_var rows, reel_var values, void *user);
REEL_API reel_status reel_register_row_hook(reel_tape *tape, reel_var v, reel_row_hook hook, void *user);

/* Counters since the tape was made (never reset): for tests, benchmarks and curiosity. */
typedef struct reel_tape_statistics {
    uint64_t operations;      /* operations applied, rules included when they ran as operations */
    uint64_t rules;           /* backward rules run */
    uint64_t input_gradients; /* input gradients that those rules were asked for */
    uint64_t param_gradients; /* of these, how many were of a param */
    uint64_t densified;       /* row-sparse gradients made dense because the param was also used densely */
} reel_tape_statistics;
REEL_API reel_tape_statistics reel_tape_stats(const reel_tape *tape);

#ifdef __cplusplus
}
#endif

#endif
