/* Operations as data: what an operation is, how to apply one, and how to define your own.
 *
 * The smallest (examples/own_operation has one that is checked, too):
 *
 *     static reel_status cube_shape(reel_call *call)
 *     {
 *         call->out[0]->shape = call->in[0]->shape;
 *         call->out[0]->dtype = REEL_REAL;
 *         return REEL_OK;
 *     }
 *
 *     static reel_status cube_forward(reel_call *call)
 *     {
 *         const reel_real *x = call->in[0]->data;
 *         reel_real *y = call->out[0]->data;
 *         for (int64_t i = 0; i < call->in[0]->numel; i++)
 *             y[i] = x[i] * x[i] * x[i];
 *         return REEL_OK;
 *     }
 *
 *     static void cube_vjp(const reel_call *call, const reel_var *grad_outputs, reel_var *grad_inputs)
 *     {
 *         reel_var slope = reel_mul_scalar(call->tape, reel_square(call->tape, call->inputs[0]), 3);
 *         grad_inputs[0] = reel_mul(call->tape, grad_outputs[0], slope);
 *     }
 *
 *     static const reel_op cube = {.name = "cube", .n_inputs = 1, .n_outputs = 1, .differentiable = 1,
 *                                  .reads_inputs = 1, .shape = cube_shape, .forward = cube_forward, .vjp = cube_vjp};
 *
 *     reel_var y = reel_apply1(t, &cube, &x, 1, NULL); */
#ifndef REEL_OP_H
#define REEL_OP_H

#include <reel/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The most outputs that an operation has. */
#define REEL_MAX_OUTPUTS 4

/* The value of a var: contiguous, row-major. */
typedef struct reel_array {
    void *data; /* numel elements of type dtype */
    reel_dtype dtype;
    int64_t numel;
    reel_shape shape; /* whose sizes multiply to numel */
} reel_array;

typedef struct reel_op reel_op;     /* a row, below */
typedef struct reel_sink reel_sink; /* where the gradient of a var or param is summed */
typedef struct reel_onnx reel_onnx; /* a model that is being written: onnx.h */

/* One application of an operation, as its functions see it. */
typedef struct reel_call {
    reel_tape *tape;             /* that it is recorded on */
    reel_context *context;       /* of the tape */
    const reel_op *op;           /* what is applied */
    int n_inputs, n_outputs;     /* how many values, and vars, there are */
    const reel_array *const *in; /* n_inputs values */
    reel_array *const *out;      /* n_outputs values */
    const void *attributes;      /* a copy of what reel_apply was given; NULL when attributes_size is 0 */
    void *saved;                 /* bytes that forward leaves for the rule, as many as shape asked for */
    size_t saved_size;           /* set by shape; 0 unless it does */
    const reel_var *inputs;      /* the vars behind in */
    const reel_var *outputs;     /* the vars behind out; only in vjp */
    const bool *needed;          /* in vjp: which input gradients are asked for */
    const char *layer;           /* the name of the layer that applied it; NULL outside of layers that have one */
} reel_call;

/* The gradient of an output in a first-order pass: a matrix [rows, columns] whose rows are `stride` elements apart,
 * with rows * columns == numel of the output. data NULL: no gradient reached this output, it counts as zeros. */
typedef struct reel_gradient {
    const reel_real *data;
    int64_t rows, columns, stride;
    void *block; /* internal: what keeps data alive */
} reel_gradient;

/* What a rule's derivative is; decides how the tests check it. */
typedef enum reel_derivative {
    REEL_DERIVATIVE_EXACT,    /* the derivative of forward */
    REEL_DERIVATIVE_NONE,     /* no input has one */
    REEL_DERIVATIVE_REFERENCE /* deliberately something else (padding_idx), compared with a formula in the tests */
} reel_derivative;

/* Work of one application, for profiles and benchmarks. */
typedef struct reel_cost {
    double flops, bytes; /* operations on reals, and bytes read and written */
} reel_cost;

/* An operation. All functions return REEL_OK, or record an error with reel_fail and return its status; a status that
 * nobody recorded counts as well. None may keep pointers. shape and forward work on arrays: what puts something on the
 * tape, and reel_tape_reset and reel_tape_free, are refused there (REEL_ERROR_STATE). vjp may call what it likes but
 * the latter two; in a first-order pass its vars are given up when it returns. */
struct reel_op {
    const char *name; /* begins the text of errors */
    int n_inputs;     /* exact number; with variadic the least number */
    bool variadic;    /* any number of inputs from n_inputs up, all alike: bit 0 of the masks speaks for every one */
    int n_outputs;    /* 1..REEL_MAX_OUTPUTS */
    bool broadcasts; /* vjp and accumulate may give gradients in the output's shape; the engine sums them to the input's
                      */
    uint32_t differentiable;    /* bit k: input k (real) has a derivative */
    uint32_t reads_inputs;      /* bit k: the rule reads the value of input k */
    uint32_t reads_rows;        /* bit k: forward reads only rows of input k, which it names to reel_call_read_rows */
    reel_derivative derivative; /* what the rule gives */
    size_t attributes_size;     /* bytes of what reel_apply is given; 0: nothing */

    /* Checks inputs and attributes, words the errors, and sets shape and dtype of every output. To alias instead of
     * computing, it also sets out[0]->data to memory of an input; then forward is not called. */
    reel_status (*shape)(reel_call *call);

    /* Computes the outputs. Everything is allocated. */
    reel_status (*forward)(reel_call *call);

    /* The rule, in public operations, so that it can be differentiated again. grad_outputs[i] may be the null var (no
     * gradient reached it). For each k with needed[k], sets grad_inputs[k], or leaves the null var for zero. */
    void (*vjp)(const reel_call *call, const reel_var *grad_outputs, reel_var *grad_inputs);

    /* Optional: the same as a first-order kernel that writes or adds straight into the sinks. sinks[k] is NULL when
     * that gradient is not asked for. */
    reel_status (*accumulate)(const reel_call *call, const reel_gradient *grad_outputs, reel_sink *const *sinks);

    /* Optional, for one output: which columns of its last axis the rule reads of the gradient to give that of input k,
     * *first to *end - 1. Without it, all. What makes the gradient may then leave the others out (reel_sink_columns).
     */
    void (*grad_columns)(const reel_call *call, int k, int64_t *first, int64_t *end);

    /* Optional: the cost of forward. */
    reel_cost (*cost)(const reel_call *call);

    /* Optional: what the operation is in ONNX (opset 18). onnx_node is the type of a node that takes the inputs as they
     * are, needs no attributes and gives the output; any other form is written by onnx, with the functions of onnx.h.
     * What has neither is refused by reel_save_onnx. For other sizes of the batch, that calls `shape` again, with
     * arrays of other shapes whose elements must not be read. */
    const char *onnx_node;
    reel_status (*onnx)(const reel_call *call, reel_onnx *to);
};

/* Applies an operation and records it. outputs receives op->n_outputs vars (null vars on error). attributes points to
 * op->attributes_size bytes, copied. The op must outlive the tape; make it static. */
REEL_API reel_status reel_apply(reel_tape *tape, const reel_op *op, const reel_var *inputs, int n_inputs,
                                const void *attributes, reel_var *outputs);

/* reel_apply for operations with one output: gives it, or the null var. */
REEL_API reel_var reel_apply1(reel_tape *tape, const reel_op *op, const reel_var *inputs, int n_inputs,
                              const void *attributes);

/* The registry: every operation that reel has. For tests and benchmarks that walk it. */
REEL_API int reel_op_count(void);
REEL_API const reel_op *reel_op_at(int i);
REEL_API const reel_op *reel_op_find(const char *name);

/* What a function of an operation may call with its call and its sinks. A NULL that must not be gives NULL or
 * REEL_ERROR_ARGUMENT, which is to be returned.
 *
 * Sinks, for accumulate. reel_sink_target gives the contiguous destination of numel elements, and tells in *add whether
 * to add to it (true) or to overwrite every element (false). NULL when memory ran out (recorded). One call per sink per
 * rule. */
REEL_API reel_real *reel_sink_target(reel_sink *sink, bool *add);

/* The columns of the var's last axis whose gradient will be read, *first to *end - 1: all but where the var was joined
 * of parts (reel_cat) of which only some want a gradient. A rule may leave the others of its target as they are. The
 * var has an axis. */
REEL_API void reel_sink_columns(const reel_sink *sink, int64_t *first, int64_t *end);

/* Adds a gradient to the sink as it is; when nothing was there, shares the memory instead of copying. The element count
 * must match. `block` must be that of the gradient that data belongs to. */
REEL_API reel_status reel_sink_share(reel_sink *sink, const reel_gradient *gradient);

/* Adds rows: for i in 0..count-1, row indices[i] of the sink (seen as [rows, columns]) gets row source[i] of the
 * gradient, or row i when source is NULL. Indices of -1 are skipped. Both arrays must live as long as the tape's step
 * (an input of the call, or reel_call_allocate). */
REEL_API reel_status reel_sink_rows(reel_sink *sink, int64_t count, const int64_t *indices, const int64_t *source,
                                    const reel_gradient *gradient);

/* The gradient as contiguous elements: its own data, or a copy in reel_call_temporary. NULL when memory ran out
 * (recorded). */
REEL_API const reel_real *reel_gradient_contiguous(const reel_call *call, const reel_gradient *gradient);

/* For forward, before it reads rows of input k that `index` (int64 or int32, all of them inside) names: an optimizer
 * may have put off their updates. */
REEL_API reel_status reel_call_read_rows(const reel_call *call, int k, const reel_array *index);

/* Memory until the function of the operation that asks (forward, vjp or accumulate) returns: 64-byte aligned, not
 * zeroed, freed by the engine. A var, and what is given to reel_sink_rows, need reel_call_allocate. NULL when memory
 * ran out (recorded). */
REEL_API void *reel_call_temporary(const reel_call *call, size_t size);

/* The same for the rest of the step. */
REEL_API void *reel_call_allocate(const reel_call *call, size_t size);

#ifdef __cplusplus
}
#endif

#endif
