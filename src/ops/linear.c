/* The linear layer, with an activation. */
#include "kern/linear.h"

#include "core/sink.h"
#include "ops/matmul.h"
#include "ops/pointwise.h"

#include <reel/elementwise.h>
#include <reel/matmul.h>
#include <reel/reduce.h>
#include <reel/unary.h>
#include <reel/view.h>

struct linear_attributes {
    reel_activation activation;
    reel_real slope;
};

/* x seen as [rows, in], the output as [rows, out]. */
struct linear_sizes {
    int64_t rows, in, out;
};

#ifndef REEL_SAMPLES
static reel_status linear_shape(reel_call *call)
{
    static const char *const names[] = {"x", "weight", "bias"};
    for (int k = 0; k < call->n_inputs; k++)
        if (reel_expect_real(call, k, names[k]) != REEL_OK)
            return call->context->status;
    const reel_shape *x = &call->in[0]->shape, *weight = &call->in[1]->shape;
    char text[REEL_SHAPE_TEXT];
    if (weight->ndim != 2)
        return reel_fail(call->context, REEL_ERROR_SHAPE, "linear: weight %s is not a matrix",
                         reel_shape_text(weight, text));
    if (x->ndim < 1)
        return reel_fail(call->context, REEL_ERROR_SHAPE, "linear: x is a scalar");
    const struct linear_attributes *t = call->attributes;
    if (t->activation < REEL_ACTIVATION_NONE || t->activation > REEL_ACTIVATION_TANH)
        return reel_fail(call->context, REEL_ERROR_ARGUMENT, "linear: there is no activation %d", (int)t->activation);
    if (!(t->slope >= 0))
        return reel_fail(call->context, REEL_ERROR_ARGUMENT, "linear: negative_slope is %g, not 0 or more",
                         (double)t->slope);
    int64_t in = x->dim[x->ndim - 1], out = weight->dim[0];
    if (in != weight->dim[1])
        return reel_fail(call->context, REEL_ERROR_SHAPE, "linear: x has %lld columns, weight %s takes %lld",
                         (long long)in, reel_shape_text(weight, text), (long long)weight->dim[1]);
    if (call->n_inputs == 3 && (call->in[2]->shape.ndim != 1 || call->in[2]->shape.dim[0] != out))
        return reel_fail(call->context, REEL_ERROR_SHAPE, "linear: bias %s does not fit the %lld outputs",
                         reel_shape_text(&call->in[2]->shape, text), (long long)out);
    call->out[0]->shape = *x;
    call->out[0]->shape.dim[x->ndim - 1] = out;
    call->out[0]->dtype = REEL_REAL;
    return REEL_OK;
}

static struct linear_sizes linear_sizes_of(const reel_call *call)
{
    const reel_shape *weight = &call->in[1]->shape;
    struct linear_sizes s = {0, weight->dim[1], weight->dim[0]};
    const reel_shape *x = &call->in[0]->shape;
    reel_shape leading = reel_shape_make(x->ndim - 1, x->dim);
    s.rows = reel_shape_numel(&leading);
    return s;
}

static reel_status linear_forward(reel_call *call)
{
    struct linear_sizes s = linear_sizes_of(call);
    const struct linear_attributes *t = call->attributes;
    reel_real *out = call->out[0]->data;
    int threads = reel_get_num_threads(call->context);
    struct reel_matrix weight = {call->in[1]->data, s.in, true};
    if (reel_kern_gemm_prefers_written_out(s.rows, s.out, s.in)) {
        size_t bytes = (size_t)call->in[1]->numel * sizeof(reel_real);
        reel_real *written_out = reel_call_temporary(call, bytes);
        if (!written_out)
            return call->context->status;
        reel_kern_transpose(s.out, s.in, weight.data, written_out);
        weight = (struct reel_matrix){written_out, s.out, false};
    }
    const struct reel_gemm product = {.m = s.rows,
                                      .n = s.out,
                                      .k = s.in,
                                      .a = {call->in[0]->data, s.in, false},
                                      .b = weight,
                                      .c = out,
                                      .c_stride = s.out};
    reel_kern_gemm(&product, threads);
    reel_kern_bias_activation(s.rows, s.out, call->n_inputs == 3 ? call->in[2]->data : NULL, t->activation, t->slope,
                              out, threads);
    return REEL_OK;
}

/* The gradient before the activation, by its output. */
static reel_var activation_vjp(const reel_call *call, reel_var g)
{
    const struct linear_attributes *t = call->attributes;
    reel_var y = call->outputs[0];
    switch (t->activation) {
    case REEL_ACTIVATION_RELU:
        return reel_relu_slope(call->tape, g, y);
    case REEL_ACTIVATION_LEAKY_RELU:
        return reel_leaky_relu_slope(call->tape, g, y, t->slope);
    case REEL_ACTIVATION_TANH:
        return reel_mul(call->tape, g, reel_rsub_scalar(call->tape, reel_square(call->tape, y), 1));
    default:
        return g;
    }
}

static void linear_vjp(const reel_call *call, const reel_var *grad_outputs, reel_var *grad_inputs)
{
    struct linear_sizes s = linear_sizes_of(call);
    reel_tape *t = call->tape;
    reel_shape flat = {2, {s.rows, s.out}}, flat_x = {2, {s.rows, s.in}};
    reel_var g = reel_reshape(t, activation_vjp(call, grad_outputs[0]), flat);
    if (call->needed[0])
        grad_inputs[0] = reel_reshape(t, reel_matmul_with(t, g, call->inputs[1], false, false), call->in[0]->shape);
    if (call->needed[1])
        grad_inputs[1] = reel_matmul_with(t, g, reel_reshape(t, call->inputs[0], flat_x), true, false);
    if (call->n_inputs == 3 && call->needed[2])
        grad_inputs[2] = reel_sum_to_size(t, g, call->in[2]->shape);
}

static reel_status add_bias_gradient(const reel_call *call, const reel_gradient *gradient, struct linear_sizes s,
                                     reel_sink *sink)
{
    const reel_real *contiguous = reel_gradient_contiguous(call, gradient);
    if (!contiguous)
        return call->context->status;
    return reel_sink_add_broadcast(sink, contiguous, &(reel_shape){2, {s.rows, s.out}});
}

/* Replaces the gradient by that before the activation. */
static reel_status through_activation(const reel_call *call, struct linear_sizes s, reel_gradient *gradient)
{
    const struct linear_attributes *t = call->attributes;
    if (t->activation == REEL_ACTIVATION_NONE)
        return REEL_OK;
    struct reel_matrix g = reel_gradient_matrix(call, gradient, s.out);
    reel_real *before = g.data ? reel_call_temporary(call, (size_t)call->out[0]->numel * sizeof(reel_real)) : NULL;
    if (!before)
        return call->context->status;
    const struct reel_activation_grad of = {.rows = s.rows,
                                            .columns = s.out,
                                            .activation = t->activation,
                                            .negative_slope = t->slope,
                                            .y = call->out[0]->data,
                                            .g = g.data,
                                            .g_stride = g.stride};
    reel_kern_activation_grad(&of, before, reel_get_num_threads(call->context));
    *gradient = (reel_gradient){before, s.rows, s.out, s.out, NULL};
    return REEL_OK;
}

static reel_status linear_accumulate(const reel_call *call, const reel_gradient *grad_outputs, reel_sink *const *sinks)
{
    struct linear_sizes s = linear_sizes_of(call);
    int threads = reel_get_num_threads(call->context);
    reel_gradient gradient = grad_outputs[0];
    if (through_activation(call, s, &gradient) != REEL_OK)
        return call->context->status;
    struct reel_matrix g = reel_gradient_matrix(call, &gradient, s.out);
    if (!g.data)
        return call->context->status;
    bool add;
    reel_real *target;
    if (sinks[0]) {
        if (!(target = reel_sink_target(sinks[0], &add)))
            return call->context->status;
        int64_t first, end;
        reel_sink_columns(sinks[0], &first, &end);
        const reel_real *weight = call->in[1]->data;
        const struct reel_gemm product = {.m = s.rows,
                                          .n = end - first,
                                          .k = s.out,
                                          .a = g,
                                          .b = {weight + first, s.in, false},
                                          .c = target + first,
                                          .c_stride = s.in,
                                          .add = add};
        reel_kern_gemm(&product, threads);
    }
    if (sinks[1]) {
        if (!(target = reel_sink_target(sinks[1], &add)))
            return call->context->status;
        const struct reel_gemm product = {.m = s.out,
                                          .n = s.in,
                                          .k = s.rows,
                                          .a = {g.data, g.stride, true},
                                          .b = {call->in[0]->data, s.in, false},
                                          .c = target,
                                          .c_stride = s.in,
                                          .add = add};
        reel_kern_gemm(&product, threads);
    }
    if (call->n_inputs == 3 && sinks[2])
        return add_bias_gradient(call, &gradient, s, sinks[2]);
    return REEL_OK;
}

static reel_cost linear_cost(const reel_call *call)
{
    struct linear_sizes s = linear_sizes_of(call);
    return (reel_cost){.flops = 2.0 * (double)s.rows * (double)s.in * (double)s.out,
                       .bytes = (double)sizeof(reel_real) * (double)(s.rows * s.in + s.in * s.out + s.rows * s.out)};
}

static reel_status linear_onnx(const reel_call *call, reel_onnx *to)
{
    const struct linear_attributes *t = call->attributes;
    reel_onnx_value x = reel_onnx_input(to, 0), weight = reel_onnx_input(to, 1), y;
    reel_onnx_value bias = call->n_inputs == 3 ? reel_onnx_input(to, 2) : 0;
    if (call->in[0]->shape.ndim == 2) {
        reel_onnx_set_int(to, "transB", 1);
        y = reel_onnx_node(to, "Gemm", (reel_onnx_value[]){x, weight, bias}, bias ? 3 : 2);
    } else {
        y = REEL_ONNX_NODE(to, "MatMul", x, REEL_ONNX_NODE(to, "Transpose", weight));
        if (bias)
            y = REEL_ONNX_NODE(to, "Add", y, bias);
    }
    if (t->activation == REEL_ACTIVATION_LEAKY_RELU) {
        reel_onnx_set_float(to, "alpha", (double)t->slope);
        y = REEL_ONNX_NODE(to, "LeakyRelu", y);
    } else if (t->activation != REEL_ACTIVATION_NONE) {
        y = REEL_ONNX_NODE(to, t->activation == REEL_ACTIVATION_RELU ? "Relu" : "Tanh", y);
    }
    return reel_onnx_set_output(to, 0, y);
}

#define LINEAR_ROW                                                                                                     \
    .n_outputs = 1, .reads_inputs = 3, .attributes_size = sizeof(struct linear_attributes), .shape = linear_shape,     \
    .forward = linear_forward, .vjp = linear_vjp, .accumulate = linear_accumulate, .cost = linear_cost,                \
    .onnx = linear_onnx

static const reel_op linear_op = {.name = "linear", .n_inputs = 2, .differentiable = 3, LINEAR_ROW};

static const reel_op linear_bias_op = {.name = "linear_bias", .n_inputs = 3, .differentiable = 7, LINEAR_ROW};

reel_var reel_linear_activation(reel_tape *tape, reel_var x, reel_var weight, reel_var bias, reel_activation activation,
                                double negative_slope)
{
    const reel_var inputs[] = {x, weight, bias};
    const struct linear_attributes t = {activation, (reel_real)negative_slope};
    bool has_bias = !reel_is_null(bias);
    return reel_apply1(tape, has_bias ? &linear_bias_op : &linear_op, inputs, has_bias ? 3 : 2, &t);
}

reel_var reel_linear(reel_tape *tape, reel_var x, reel_var weight, reel_var bias)
{
    return reel_linear_activation(tape, x, weight, bias, REEL_ACTIVATION_NONE, 0);
}
#else
static const struct linear_attributes no_activation = {REEL_ACTIVATION_NONE, 0}, relu = {REEL_ACTIVATION_RELU, 0},
                                      leaky_relu = {REEL_ACTIVATION_LEAKY_RELU, (reel_real)0.2},
                                      leaky_relu_0 = {REEL_ACTIVATION_LEAKY_RELU, 0}, tanh_ = {REEL_ACTIVATION_TANH, 0},
                                      below_0 = {REEL_ACTIVATION_LEAKY_RELU, -1}, no_such = {(reel_activation)4, 0};

static const reel_sample linear_samples[] = {
    GOOD("a batch", &no_activation, REAL(3, 4), REAL(2, 4)),
    GOOD("one row without axis", &no_activation, REAL(4), REAL(2, 4)),
    GOOD("two leading axes", &no_activation, REAL(2, 3, 4), REAL(5, 4)),
    GOOD("an empty batch", &no_activation, REAL(0, 4), REAL(2, 4)),
    GOOD("one input, one output", &no_activation, REAL(3, 1), REAL(1, 1)),
    GOOD("no inputs", &no_activation, REAL(3, 0), REAL(2, 0)),
    GOOD("no outputs", &no_activation, REAL(3, 2), REAL(0, 2)),
    GOOD("neither", &no_activation, REAL(3, 0), REAL(0, 0)),
    GOOD("relu", &relu, REAL(3, 4), REAL(2, 4)),
    GOOD("leaky_relu", &leaky_relu, REAL(3, 4), REAL(2, 4)),
    GOOD("leaky_relu with slope 0", &leaky_relu_0, REAL(3, 4), REAL(2, 4)),
    GOOD("tanh", &tanh_, REAL(3, 4), REAL(2, 4)),
    GOOD("tanh of an empty batch", &tanh_, REAL(0, 4), REAL(2, 4)),
    REFUSED("a negative slope", REEL_ERROR_ARGUMENT, &below_0, REAL(3, 4), REAL(2, 4)),
    REFUSED("no such activation", REEL_ERROR_ARGUMENT, &no_such, REAL(3, 4), REAL(2, 4)),
    REFUSED("columns", REEL_ERROR_SHAPE, &no_activation, REAL(3, 4), REAL(2, 5)),
    REFUSED("weight is no matrix", REEL_ERROR_SHAPE, &no_activation, REAL(3, 4), REAL(4)),
    REFUSED("x is a scalar", REEL_ERROR_SHAPE, &no_activation, SCALAR, REAL(1, 1)),
    REFUSED("integers", REEL_ERROR_DTYPE, &no_activation, INDEX(3, 3, 4), REAL(2, 4)),
};

static const reel_sample linear_bias_samples[] = {
    GOOD("a batch", &no_activation, REAL(3, 4), REAL(2, 4), REAL(2)),
    GOOD("one row without axis", &no_activation, REAL(4), REAL(2, 4), REAL(2)),
    GOOD("two leading axes", &no_activation, REAL(2, 3, 4), REAL(5, 4), REAL(5)),
    GOOD("an empty batch", &no_activation, REAL(0, 4), REAL(2, 4), REAL(2)),
    GOOD("one input, one output", &no_activation, REAL(3, 1), REAL(1, 1), REAL(1)),
    GOOD("large values", &no_activation, WITHIN(90, 100, 3, 2), WITHIN(90, 100, 2, 2), WITHIN(-100, 100, 2)),
    GOOD("no inputs", &no_activation, REAL(3, 0), REAL(2, 0), REAL(2)),
    GOOD("no outputs", &no_activation, REAL(3, 2), REAL(0, 2), REAL(0)),
    GOOD("relu", &relu, REAL(3, 2, 4), REAL(5, 4), REAL(5)),
    GOOD("leaky_relu", &leaky_relu, REAL(3, 2, 4), REAL(5, 4), REAL(5)),
    GOOD("leaky_relu with slope 0", &leaky_relu_0, REAL(3, 2, 4), REAL(5, 4), REAL(5)),
    GOOD("tanh", &tanh_, REAL(3, 2, 4), REAL(5, 4), REAL(5)),
    GOOD("tanh of an empty batch", &tanh_, REAL(0, 4), REAL(2, 4), REAL(2)),
    REFUSED("a negative slope", REEL_ERROR_ARGUMENT, &below_0, REAL(3, 2, 4), REAL(5, 4), REAL(5)),
    REFUSED("no such activation", REEL_ERROR_ARGUMENT, &no_such, REAL(3, 2, 4), REAL(5, 4), REAL(5)),
    REFUSED("columns", REEL_ERROR_SHAPE, &no_activation, REAL(3, 4), REAL(2, 5), REAL(2)),
    REFUSED("bias of another size", REEL_ERROR_SHAPE, &no_activation, REAL(3, 4), REAL(2, 4), REAL(3)),
    REFUSED("bias with two axes", REEL_ERROR_SHAPE, &no_activation, REAL(3, 4), REAL(2, 4), REAL(1, 2)),
    REFUSED("integers", REEL_ERROR_DTYPE, &no_activation, REAL(3, 4), REAL(2, 4), INDEX(2, 2)),
};
SAMPLES(linear, linear_samples, .ulps = 8, .why = "products cancel in a sum, and 1 - y * y of tanh");
SAMPLES(linear_bias, linear_bias_samples, .ulps = 8, .why = "products cancel in a sum, and 1 - y * y of tanh");
#endif

REEL_OP_FAMILY(linear, ROW(linear), ROW(linear_bias));
