/* Models for other programs: what a tape has recorded, as an ONNX file (onnx.ai), which onnxruntime and others run.
 *
 * Record one forward pass in evaluation (reel_eval), with any batch, then name what goes in and what comes out:
 *
 *     reel_var z = reel_borrow(t, noise, REEL_SHAPE(7, 100));
 *     reel_var x = reel_forward(t, generator, z);
 *     const reel_named_var in[] = {{"noise", z}}, out[] = {{"picture", x}};
 *     reel_save_onnx(t, "generator.onnx", in, 1, out, 1, NULL);
 */
#ifndef REEL_ONNX_H
#define REEL_ONNX_H

#include <reel/op.h>
#include <reel/options.h>

#ifdef __cplusplus
extern "C" {
#endif

/* An input or an output of a model: a var, and what it is to be called. */
typedef struct reel_named_var {
    const char *name; /* not empty, UTF-8, and not beginning with '/' */
    reel_var v;       /* of the tape that is saved */
} reel_named_var;

typedef struct reel_onnx_options {
    reel_options_mark mark;
    /* true: the size of axis 0 of the first input is the batch, and the model takes any. Other inputs with as many
     * elements along axis 0 vary with it, and what is computed from them. false: the sizes are those of the tape. */
    bool dynamic_batch;
} reel_onnx_options;
REEL_API reel_onnx_options reel_onnx_defaults(void);

/* Writes the operations that lead from the inputs to the outputs as a model of opset 18 (IR version 8), beside its
 * target and renamed when it is whole (safetensors.h); what torch.onnx.export makes. Any vars of the tape may be
 * inputs, computed ones too: what lies before them is left out. What the outputs depend on beside them is in the file
 * with the values that it has now: params and buffers under their names, other vars as constants. Types are float
 * (double in libreel_f64), int64, int32 and bool. NULL options: the defaults.
 *
 * With a dynamic batch, record with a batch that is no other size of the model, a prime number, say: where a size was
 * given as a number (reshape, expand), the one of axis 0 that equals the batch is taken for it. A constant whose
 * elements are all equal, such as reel_zeros of the batch's size, grows with it. A number that was computed from the
 * batch's size and given to an operation (reel_div_scalar by it) stays what it is.
 *
 * REEL_ERROR_ARGUMENT: an operation that has no ONNX form, by name, among them dropout and batch_norm in training;
 * names that are not as said above or stand for two things; an output that depends on random numbers drawn on the tape,
 * which must be an input; on something recorded in no_grad, detached, or kept by a scope, of which nobody knows how it
 * was computed; a model of 2^31 bytes or more, which the format (Protocol Buffers) does not allow. REEL_ERROR_SHAPE:
 * something has a fixed size where the batch varies. REEL_ERROR_IO. */
REEL_API reel_status reel_save_onnx(reel_tape *tape, const char *path, const reel_named_var *inputs, int n_inputs,
                                    const reel_named_var *outputs, int n_outputs, const reel_onnx_options *options);

/* ---- For rows of operations: what their `onnx` calls, to say what they compute in nodes of ONNX ---- */

/* A value of the model. 0: none, for an optional input of a node that is left out; also what failed. */
typedef int32_t reel_onnx_value;

/* Input k of the operation. */
REEL_API reel_onnx_value reel_onnx_input(reel_onnx *to, int k);

/* Output k of the operation is that value. */
REEL_API reel_status reel_onnx_set_output(reel_onnx *to, int k, reel_onnx_value value);

/* An attribute of the next node. The name must live until the model is saved. */
REEL_API void reel_onnx_set_int(reel_onnx *to, const char *name, int64_t value);
REEL_API void reel_onnx_set_float(reel_onnx *to, const char *name, double value);
REEL_API void reel_onnx_set_ints(reel_onnx *to, const char *name, const int64_t *values, int n);
REEL_API void reel_onnx_set_string(reel_onnx *to, const char *name, const char *value);

/* The value of the next node is its output k, from 0 to 15; 0 unless this is called. */
REEL_API void reel_onnx_take_output(reel_onnx *to, int k);

/* A new node of this type, which has n inputs; gives its output. The type's name must live until the model is saved. */
REEL_API reel_onnx_value reel_onnx_node(reel_onnx *to, const char *type, const reel_onnx_value *inputs, int n);

/* The same with the inputs listed: REEL_ONNX_NODE(to, "Add", a, b). */
#define REEL_ONNX_NODE(to, type, ...) reel_onnx_node(to, type, REEL_LIST(reel_onnx_value, __VA_ARGS__))

/* Constants: one number without axes, or [n]. */
REEL_API reel_onnx_value reel_onnx_number(reel_onnx *to, reel_dtype dtype, double number);
REEL_API reel_onnx_value reel_onnx_int64s(reel_onnx *to, const int64_t *values, int n);

/* The value with another element type. */
REEL_API reel_onnx_value reel_onnx_cast(reel_onnx *to, reel_onnx_value value, reel_dtype dtype);

/* The shape of output k, int64 [ndim], as it is for any batch. */
REEL_API reel_onnx_value reel_onnx_output_shape(reel_onnx *to, int k);

#ifdef __cplusplus
}
#endif

#endif
