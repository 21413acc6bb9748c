/* Softmax and its logarithm along an axis, and softmax of what a mask leaves. */
#include "kern/softmax.h"

#include "kern/elementwise.h"
#include "ops/family.h"

#include <reel/elementwise.h>
#include <reel/reduce.h>
#include <reel/softmax.h>
#include <reel/unary.h>

#include <math.h>

struct softmax_attributes {
    int axis;
};

#ifndef REEL_SAMPLES
static reel_status softmax_shape(reel_call *call)
{
    const struct softmax_attributes *a = call->attributes;
    int axis = a->axis, ndim = call->in[0]->shape.ndim;
    /* A scalar is as one of one element, as in PyTorch. */
    if (reel_expect_real(call, 0, "x") != REEL_OK ||
        reel_normalize_axis(call->context, call->op->name, ndim > 0 ? ndim : 1, &axis) != REEL_OK)
        return call->context->status;
    call->out[0]->shape = call->in[0]->shape;
    call->out[0]->dtype = REEL_REAL;
    return REEL_OK;
}

static struct reel_kern_softmax softmax_of(const reel_call *call, bool log)
{
    const struct softmax_attributes *a = call->attributes;
    const reel_shape *shape = &call->in[0]->shape;
    struct reel_kern_softmax s = {1, 1, 1, log, false};
    int axis = a->axis < 0 ? a->axis + shape->ndim : a->axis;
    for (int i = 0; i < shape->ndim; i++)
        *(i < axis ? &s.outer : i == axis ? &s.n : &s.inner) *= shape->dim[i];
    return s;
}

/* Room for `values` numbers beside each softmax. */
static reel_real *allocate_room(const reel_call *call, const struct reel_kern_softmax *s, int values)
{
    /* n is 1 at least: this fits */
    return reel_call_temporary(call, (size_t)(s->outer * s->inner * values) * sizeof(reel_real));
}

static reel_status softmax_over(const reel_call *call, bool log)
{
    if (call->in[0]->numel == 0)
        return REEL_OK;
    struct reel_kern_softmax s = softmax_of(call, log);
    reel_real *room = allocate_room(call, &s, 2);
    if (!room)
        return call->context->status;
    reel_kern_softmax(&s, call->in[0]->data, call->out[0]->data, room, call->context->num_threads);
    return REEL_OK;
}

static reel_status softmax_gradient(const reel_call *call, const reel_gradient *grad_output, reel_sink *sink, bool log)
{
    if (call->in[0]->numel == 0)
        return reel_sink_share(sink, grad_output);
    struct reel_kern_softmax s = softmax_of(call, log);
    bool add;
    const reel_real *grad = reel_gradient_contiguous(call, grad_output);
    reel_real *room = grad ? allocate_room(call, &s, 1) : NULL, *target = room ? reel_sink_target(sink, &add) : NULL;
    if (target)
        reel_kern_softmax_gradient(&s, call->out[0]->data, grad, target, add, room, call->context->num_threads);
    return call->context->status;
}

/* A scalar has no axis in ONNX: x - x is 0, or NaN, and so is the logarithm of its softmax. */
static reel_onnx_value softmax_in_onnx(const reel_call *call, reel_onnx *to, reel_onnx_value x, bool log)
{
    const struct softmax_attributes *a = call->attributes;
    if (call->in[0]->shape.ndim == 0) {
        reel_onnx_value y = REEL_ONNX_NODE(to, "Sub", x, x);
        return log ? y : REEL_ONNX_NODE(to, "Exp", y);
    }
    reel_onnx_set_int(to, "axis", a->axis);
    return REEL_ONNX_NODE(to, log ? "LogSoftmax" : "Softmax", x);
}

static reel_cost softmax_cost(const reel_call *call)
{
    double n = (double)call->in[0]->numel;
    return (reel_cost){5 * n, 2 * (double)sizeof(reel_real) * n};
}
#else
static const struct softmax_attributes axis_0 = {0}, axis_1 = {1}, axis_2 = {2}, axis_last = {-1}, axis_3rd_last = {-3},
                                       axis_8 = {8};
static const reel_sample softmax_samples[] = {
    GOOD("rows", &axis_1, REAL(3, 4)),
    GOOD("columns", &axis_0, REAL(3, 4)),
    GOOD("an axis in the middle", &axis_1, REAL(2, 3, 2)),
    GOOD("a long row", &axis_last, REAL(1, 70)),
    GOOD("a vector", &axis_last, REAL(5)),
    GOOD("a scalar", &axis_last, SCALAR),
    GOOD("a scalar along axis 0", &axis_0, SCALAR),
    GOOD("along an axis of size 1", &axis_1, REAL(3, 1)),
    GOOD("eight axes", &axis_3rd_last, REAL(2, 1, 2, 1, 1, 3, 2, 1)),
    GOOD("large values", &axis_1, WITHIN(9998, 10002, 2, 3)),
    GOOD("values far below 0", &axis_0, WITHIN(-10002, -9998, 2, 3)),
    GOOD("no rows", &axis_1, REAL(0, 3)),
    GOOD("along an axis of size 0", &axis_1, REAL(3, 0)),
    REFUSED("axis too large", REEL_ERROR_ARGUMENT, &axis_2, REAL(2, 3)),
    REFUSED("axis too small", REEL_ERROR_ARGUMENT, &axis_3rd_last, REAL(2, 3)),
    REFUSED("axis 1 of a scalar", REEL_ERROR_ARGUMENT, &axis_1, SCALAR),
    REFUSED("axis 8", REEL_ERROR_ARGUMENT, &axis_8, REAL(1, 1, 1, 1, 1, 1, 1, 1)),
    REFUSED("not real", REEL_ERROR_DTYPE, &axis_0, INDEX(3, 2)),
};
#endif

/* ---- softmax ---- */

#ifndef REEL_SAMPLES
static reel_status softmax_forward(reel_call *call)
{
    return softmax_over(call, false);
}

static void softmax_vjp(const reel_call *call, const reel_var *grad_outputs, reel_var *grad_inputs)
{
    const struct softmax_attributes *a = call->attributes;
    reel_tape *t = call->tape;
    reel_var y = call->outputs[0];
    reel_var sum = reel_sum(t, reel_mul(t, grad_outputs[0], y), &a->axis, 1, true);
    grad_inputs[0] = reel_mul(t, y, reel_sub(t, grad_outputs[0], sum));
}

static reel_status softmax_accumulate(const reel_call *call, const reel_gradient *grad_outputs, reel_sink *const *sinks)
{
    return softmax_gradient(call, &grad_outputs[0], sinks[0], false);
}

static reel_status softmax_onnx(const reel_call *call, reel_onnx *to)
{
    return reel_onnx_set_output(to, 0, softmax_in_onnx(call, to, reel_onnx_input(to, 0), false));
}

static const reel_op softmax_op = {
    .name = "softmax",
    .n_inputs = 1,
    .n_outputs = 1,
    .differentiable = 1,
    .attributes_size = sizeof(struct softmax_attributes),
    .shape = softmax_shape,
    .forward = softmax_forward,
    .vjp = softmax_vjp,
    .accumulate = softmax_accumulate,
    .cost = softmax_cost,
    .onnx = softmax_onnx,
};

reel_var reel_softmax(reel_tape *tape, reel_var x, int axis)
{
    struct softmax_attributes a = {axis};
    return reel_apply1(tape, &softmax_op, &x, 1, &a);
}
#else
SAMPLES(softmax, softmax_samples);
#endif

/* ---- log_softmax ---- */

#ifndef REEL_SAMPLES
static reel_status log_softmax_forward(reel_call *call)
{
    return softmax_over(call, true);
}

static void log_softmax_vjp(const reel_call *call, const reel_var *grad_outputs, reel_var *grad_inputs)
{
    const struct softmax_attributes *a = call->attributes;
    reel_tape *t = call->tape;
    reel_var sum = reel_sum(t, grad_outputs[0], &a->axis, 1, true);
    grad_inputs[0] = reel_sub(t, grad_outputs[0], reel_mul(t, reel_exp(t, call->outputs[0]), sum));
}

static reel_status log_softmax_accumulate(const reel_call *call, const reel_gradient *grad_outputs,
                                          reel_sink *const *sinks)
{
    return softmax_gradient(call, &grad_outputs[0], sinks[0], true);
}

static reel_status log_softmax_onnx(const reel_call *call, reel_onnx *to)
{
    return reel_onnx_set_output(to, 0, softmax_in_onnx(call, to, reel_onnx_input(to, 0), true));
}

static const reel_op log_softmax_op = {
    .name = "log_softmax",
    .n_inputs = 1,
    .n_outputs = 1,
    .differentiable = 1,
    .attributes_size = sizeof(struct softmax_attributes),
    .shape = softmax_shape,
    .forward = log_softmax_forward,
    .vjp = log_softmax_vjp,
    .accumulate = log_softmax_accumulate,
    .cost = softmax_cost,
    .onnx = log_softmax_onnx,
};

reel_var reel_log_softmax(reel_tape *tape, reel_var x, int axis)
{
    struct softmax_attributes a = {axis};
    return reel_apply1(tape, &log_softmax_op, &x, 1, &a);
}
#else
SAMPLES(log_softmax, softmax_samples);
#endif

/* ---- masked_softmax ---- */

#ifndef REEL_SAMPLES
static reel_status masked_softmax_shape(reel_call *call)
{
    if (softmax_shape(call) != REEL_OK)
        return call->context->status;
    const reel_shape *x = &call->in[0]->shape, *mask = &call->in[1]->shape;
    if (call->in[1]->dtype != REEL_BOOL)
        return reel_fail(call->context, REEL_ERROR_DTYPE, "masked_softmax: the mask is %s, it must be bool",
                         reel_dtype_name(call->in[1]->dtype));
    reel_shape both;
    if (reel_broadcast_shapes(call->context, "masked_softmax", x, mask, &both) != REEL_OK)
        return call->context->status;
    char text_x[REEL_SHAPE_TEXT], text_mask[REEL_SHAPE_TEXT];
    return reel_shape_equal(&both, x)
               ? REEL_OK
               : reel_fail(call->context, REEL_ERROR_SHAPE,
                           "masked_softmax: the mask %s does not broadcast to %s, the shape of x",
                           reel_shape_text(mask, text_mask), reel_shape_text(x, text_x));
}

static reel_status masked_softmax_forward(reel_call *call)
{
    static const reel_real nothing = -(reel_real)INFINITY;
    const reel_array *x = call->in[0], *mask = call->in[1];
    if (x->numel == 0)
        return REEL_OK;
    struct reel_kern_softmax s = softmax_of(call, false);
    s.masked = true;
    reel_real *room = allocate_room(call, &s, 2),
              *masked = room ? reel_call_temporary(call, (size_t)x->numel * sizeof *masked) : NULL;
    if (!masked)
        return call->context->status;
    const reel_shape one = {.ndim = 0};
    struct reel_broadcast plan;
    reel_broadcast_plan(&plan, &x->shape, 3, (const reel_shape *const[]){&mask->shape, &x->shape, &one});
    reel_kern_where(REEL_REAL, &plan, mask->data, x->data, &nothing, masked, call->context->num_threads);
    reel_kern_softmax(&s, masked, call->out[0]->data, room, call->context->num_threads);
    return REEL_OK;
}

/* The softmax of nothing is NaN in ONNX, and what the mask leaves out is 0 in any case. */
static reel_status masked_softmax_onnx(const reel_call *call, reel_onnx *to)
{
    reel_onnx_value x = reel_onnx_input(to, 0), mask = reel_onnx_input(to, 1), y;
    y = REEL_ONNX_NODE(to, "Where", mask, x, reel_onnx_number(to, REEL_REAL, -INFINITY));
    y = softmax_in_onnx(call, to, y, false);
    return reel_onnx_set_output(to, 0, REEL_ONNX_NODE(to, "Where", mask, y, reel_onnx_number(to, REEL_REAL, 0)));
}

static const reel_op masked_softmax_op = {
    .name = "masked_softmax",
    .n_inputs = 2,
    .n_outputs = 1,
    .differentiable = 1,
    .attributes_size = sizeof(struct softmax_attributes),
    .shape = masked_softmax_shape,
    .forward = masked_softmax_forward,
    .vjp = softmax_vjp,
    .accumulate = softmax_accumulate,
    .cost = softmax_cost,
    .onnx = masked_softmax_onnx,
};

reel_var reel_masked_softmax(reel_tape *tape, reel_var x, reel_var mask, int axis)
{
    struct softmax_attributes a = {axis};
    return reel_apply1(tape, &masked_softmax_op, (const reel_var[]){x, mask}, 2, &a);
}
#else
static const reel_sample masked_softmax_samples[] = {
    GOOD("rows", &axis_1, REAL(3, 4), BOOL(3, 4)),
    GOOD("columns", &axis_0, REAL(3, 4), BOOL(3, 4)),
    GOOD("an axis in the middle", &axis_1, REAL(2, 3, 2), BOOL(2, 3, 2)),
    GOOD("a mask for all rows", &axis_last, REAL(3, 5), BOOL(5)),
    GOOD("rows that are there or not", &axis_last, REAL(8, 3), BOOL(8, 1)),
    GOOD("of one, there or not", &axis_last, REAL(6, 1), BOOL(6, 1)),
    GOOD("a long row", &axis_last, REAL(1, 70), BOOL(70)),
    GOOD("a scalar", &axis_last, SCALAR, {.dtype = REEL_BOOL, .high = 2}),
    GOOD("eight axes", &axis_3rd_last, REAL(2, 1, 2, 1, 1, 3, 2, 1), BOOL(2, 1, 1, 1, 1, 3, 2, 1)),
    GOOD("large values", &axis_1, WITHIN(9998, 10002, 4, 3), BOOL(4, 3)),
    GOOD("values far below 0", &axis_1, WITHIN(-10002, -9998, 4, 3), BOOL(4, 3)),
    GOOD("no rows", &axis_1, REAL(0, 3), BOOL(3)),
    GOOD("along an axis of size 0", &axis_1, REAL(3, 0), BOOL(3, 1)),
    REFUSED("axis too large", REEL_ERROR_ARGUMENT, &axis_2, REAL(2, 3), BOOL(2, 3)),
    REFUSED("not real", REEL_ERROR_DTYPE, &axis_0, INDEX(3, 2), BOOL(2)),
    REFUSED("a mask of numbers", REEL_ERROR_DTYPE, &axis_0, REAL(2, 3), REAL(2, 3)),
    REFUSED("a mask of another shape", REEL_ERROR_SHAPE, &axis_0, REAL(2, 3), BOOL(2)),
    REFUSED("a mask with more rows than x", REEL_ERROR_SHAPE, &axis_0, REAL(1, 3), BOOL(2, 3)),
    REFUSED("a mask with more axes than x", REEL_ERROR_SHAPE, &axis_0, REAL(3), BOOL(1, 3)),
};
SAMPLES(masked_softmax, masked_softmax_samples);
#endif

REEL_OP_FAMILY(softmax, ROW(softmax), ROW(log_softmax), ROW(masked_softmax));
