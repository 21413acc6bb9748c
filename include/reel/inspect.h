/* Looking at operations: while they run, for profilers, and on a tape, for tables and pictures of a model.
 *
 *     for (int64_t i = 0; i < reel_tape_count(t); i++) {
 *         const reel_call *call = reel_tape_call(t, i);
 *         if (call)
 *             printf("%s %s\n", call->layer ? call->layer : "", call->op->name);
 *     } */
#ifndef REEL_INSPECT_H
#define REEL_INSPECT_H

#include <reel/op.h>
#include <reel/params.h>
#include <reel/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What of an operation runs. */
typedef enum reel_call_phase {
    REEL_CALL_FORWARD, /* its values are computed */
    REEL_CALL_BACKWARD /* its rule gives the gradients of inputs */
} reel_call_phase;

/* Who is told when calls begin and end. Inside a rule that is written in operations, these begin and end between the
 * two. The functions only look: they call nothing that takes the tape, its context, or a param. `n_gradients` is how
 * many gradients the rule was asked for; 0 forward. An end comes after a failure, too. Operations that only give
 * another view of their input are not told of, nor are segments of reel_recompute, but what runs in them. */
typedef struct reel_call_hook {
    void (*begin)(const reel_call *call, reel_call_phase phase, int n_gradients, void *user);
    void (*end)(const reel_call *call, reel_call_phase phase, int n_gradients, void *user);
    void *user; /* passed through */
} reel_call_hook;

/* Sets the hook of a context, which is copied; NULL: none. A context has one. REEL_ERROR_STATE when it has another one
 * already, REEL_ERROR_ARGUMENT when one of its functions is NULL. Without a hook, calls cost what they cost. */
REEL_API reel_status reel_set_call_hook(reel_context *context, const reel_call_hook *hook);

/* How many vars the tape has, those of params and constants included. 0 for NULL. */
REEL_API int64_t reel_tape_count(const reel_tape *tape);

/* The call whose first output is var `number` of the tape, 0 <= number < reel_tape_count: the numbers of all calls,
 * ascending, are the order in which they ran. It lives until the reset, and so do its values. NULL for what no recorded
 * operation computed (params, constants, results inside no_grad), for further outputs, and outside the range. */
REEL_API const reel_call *reel_tape_call(const reel_tape *tape, int64_t number);

/* The param that an input of a call is, or is a view of; NULL when it is none. */
REEL_API const reel_param *reel_call_param(const reel_call *call, int input);

#ifdef __cplusplus
}
#endif

#endif
