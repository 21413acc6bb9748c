/* Param sets: the named parameters and buffers of a model, and their gradients.
 *
 *     reel_params *params = reel_params_new(c);
 *     reel_param *scale = reel_param_new(params, "scale", REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(10));
 *     reel_init_ones(scale);
 *     reel_var y = reel_mul(t, x, reel_param_var(t, scale)); */
#ifndef REEL_PARAMS_H
#define REEL_PARAMS_H

#include <reel/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* An empty set. NULL context or no memory: NULL. Owned by the caller, freed before the context. The modules made in it
 * are freed with it. Its vars on tapes, and those computed from them, become stale. Optimizers, averages and
 * checkpoints of the set are freed before it or after: as long as there is one, the memory is kept, but a step is
 * refused. Inside a hook or a function of an operation freeing is refused, as a reset is. */
REEL_API reel_params *reel_params_new(reel_context *context);
REEL_API void reel_params_free(reel_params *params);
REEL_API reel_context *reel_params_context(const reel_params *params);

/* What a param is for. */
typedef enum reel_param_kind {
    REEL_PARAM_TRAINED, /* gets gradients, moved by optimizers; real */
    REEL_PARAM_FROZEN,  /* never gets a gradient (requires_grad=False); real */
    REEL_PARAM_BUFFER   /* state that is saved but not trained, such as running statistics; any element type */
} reel_param_kind;

/* Shares the set for reading, for good: from now on tapes of other contexts, in other threads, may call its modules,
 * which must be in evaluation (reel_eval comes first), and read its params, with no copy made. On them params are
 * constants, as they now are on tapes of their own context; reel_grad can name their vars. What would change the set is
 * refused with REEL_ERROR_STATE: new params, other values or kinds, optimizer steps, swapped averages, backward passes
 * for its gradients, training mode, and calling a module that has a max_norm. Everything that takes the set itself
 * stays with the thread of its context. Threads that use the set are started, or told of it through a lock, after this
 * call; they end with it before it is freed. */
REEL_API reel_status reel_params_share(reel_params *params);

/* Adds a param filled with zeros. The name is copied; it must be new in the set, not empty, UTF-8 and not
 * "__metadata__" (no safetensors file could hold it then), and is what state_dict would call it ("fc1.weight").
 * REEL_PARAM_TRAINED and REEL_PARAM_FROZEN take REEL_REAL, or REEL_BFLOAT16 for a table: half the memory, row-sparse
 * gradients always, state of optimizers in bfloat16 too, and updates computed in reals and rounded stochastically.
 * Owned by the set. NULL on error, and when the context has one already. */
REEL_API reel_param *reel_param_new(reel_params *params, const char *name, reel_param_kind kind, reel_dtype dtype,
                                    reel_shape shape);

/* Between the two, names of params and modules made in the set get "<name>." in front, so that a part of a model can be
 * made several times: in "encoder" a linear layer "fc" has the param "encoder.fc.weight". They nest. "" adds nothing.
 * leave wants the name that was entered last (else REEL_ERROR_STATE), and works after a failure, too. */
REEL_API reel_status reel_params_enter(reel_params *params, const char *name);
REEL_API reel_status reel_params_leave(reel_params *params, const char *name);

/* How many params and buffers the set holds, the i-th in order of creation, and one by name (NULL: no such name; that
 * is no error). */
REEL_API int reel_params_count(const reel_params *params);
REEL_API reel_param *reel_params_at(const reel_params *params, int i);
REEL_API reel_param *reel_params_find(const reel_params *params, const char *name);

/* What a param was made with: its name, kind, type and shape, which live as long as the set. NULL has the name "",
 * is a REEL_PARAM_BUFFER of REEL_REAL, and its shape is NULL. */
REEL_API const char *reel_param_name(const reel_param *param);
REEL_API reel_param_kind reel_param_kind_of(const reel_param *param);
REEL_API reel_dtype reel_param_dtype(const reel_param *param);
REEL_API const reel_shape *reel_param_shape(const reel_param *param);

/* The elements, row-major; the pointer is valid as long as the set. Read them freely until the next step of an
 * optimizer; then call again, since one that defers updates (REEL_EXACT) makes up for them in this call. To change them
 * call reel_param_set. */
REEL_API const void *reel_param_data(const reel_param *param);

/* Copies numel elements of the param's own type from `data`, and counts as a change: a backward pass whose rules read
 * the old value is refused afterwards. */
REEL_API reel_status reel_param_set(reel_param *param, const void *data);

/* For code that writes elements in place (initialisers, optimizers of your own): the writable elements. The call
 * counts as a change. NULL when the param is NULL. */
REEL_API void *reel_param_write(reel_param *param);

/* Freezes (REEL_PARAM_FROZEN) or trains a real param. Buffers are refused. */
REEL_API reel_status reel_param_set_kind(reel_param *param, reel_param_kind kind);

/* Whether gradients through embedding lookups stay row-sparse for this param. A dense gradient
 * that it has stays dense until reel_zero_grad. One of REEL_BFLOAT16 has no dense ones (REEL_ERROR_DTYPE). */
REEL_API reel_status reel_param_set_sparse(reel_param *param, bool sparse);
REEL_API bool reel_param_sparse(const reel_param *param);

/* Forgets the gradients of every param (torch's zero_grad(set_to_none=True)): the next backward writes, and an
 * optimizer leaves a param without a gradient alone. Also forgets that a backward failed. Inside a hook, while a pass
 * has not come to all params of the set, it records REEL_ERROR_STATE, forgets nothing, and the pass fails; so does
 * setting a gradient that the pass has not come to, or a step that would move it. */
REEL_API void reel_zero_grad(reel_params *params);

/* The gradient summed since reel_zero_grad, dense, in the param's shape; NULL when there is none. For a row-sparse
 * gradient this allocates and fills a dense copy that the param keeps until the next reel_zero_grad. */
REEL_API const reel_real *reel_param_grad(reel_param *param);

/* The gradient to use instead: numel elements are copied. NULL forgets it. */
REEL_API reel_status reel_param_set_grad(reel_param *param, const reel_real *grad);

/* The elements of a dense gradient, for code that changes them in place (what sums gradients of several processes,
 * say); valid until the next reel_zero_grad. NULL when there is none, and for a row-sparse gradient. */
REEL_API reel_real *reel_param_write_grad(reel_param *param);

/* A row-sparse gradient, summed: `count` different rows, ascending in `rows`, with `values` [count, columns]. Owned by
 * the param, valid until the next backward, reset, or reel_zero_grad. */
typedef struct reel_row_grad {
    int64_t count, columns;
    const int64_t *rows;
    const reel_real *values;
} reel_row_grad;

/* Gives the row gradient of a param with sparse gradients; count 0 when there is none. REEL_ERROR_STATE when the
 * gradient is dense (tied weights make it so). */
REEL_API reel_status reel_param_row_grad(reel_param *param, reel_row_grad *out);

/* The row gradient to use instead, for a param with sparse gradients: row rows[i] (inside the table) gets
 * values[i * columns ..]. In any order; the values of a row that comes several times are summed in the order given, as
 * in torch's sparse tensors. Copied; they must not be those that reel_param_row_grad gave. count 0 is a gradient of no
 * rows: an optimizer counts a step. REEL_ERROR_STATE when gradients of the param are dense, REEL_ERROR_INDEX,
 * REEL_ERROR_ARGUMENT; the gradient is as it was then. */
REEL_API reel_status reel_param_set_row_grad(reel_param *param, int64_t count, const int64_t *rows,
                                             const reel_real *values);

/* Called in reel_backward, once for each param of the set that the pass gives a gradient, when nothing more will be
 * added to it in this pass (Tensor.register_post_accumulate_grad_hook). The pass goes on afterwards: with params that
 * were used earlier, so that one can begin to send this one. The hook may read and set the gradient of the param,
 * change the param, and step an optimizer of the param alone; it must not reset the tape or forget other gradients.
 * What it returns or records as an error ends the pass. A set has one hook; NULL: none. */
typedef reel_status (*reel_grad_hook)(reel_param *param, void *user);
REEL_API void reel_params_set_post_accumulate_grad_hook(reel_params *params, reel_grad_hook hook, void *user);

/* Copies every param and buffer of `from` into the param of `to` with the same name, type and shape. Refused as a whole
 * (REEL_ERROR_ARGUMENT, nothing copied) unless the two sets hold the same names, types and shapes. */
REEL_API reel_status reel_params_copy(reel_params *to, const reel_params *from);

#ifdef __cplusplus
}
#endif

#endif
