/* Running sums along an axis. */
#include "kern/scan.h"

#include "ops/family.h"

#include <reel/reduce.h>

/* ---- cumsum ---- */

struct cumsum_attributes {
    int axis;
    bool reverse; /* from the end: the rule of the other direction */
};

#ifndef REEL_SAMPLES
static reel_status cumsum_shape(reel_call *call)
{
    const reel_array *x = call->in[0];
    int axis = ((const struct cumsum_attributes *)call->attributes)->axis;
    if (x->dtype != REEL_REAL && x->dtype != REEL_INT64)
        return reel_fail(call->context, REEL_ERROR_DTYPE, "cumsum: x is %s, it must be real or int64",
                         reel_dtype_name(x->dtype));
    if (reel_normalize_axis(call->context, "cumsum", x->shape.ndim > 0 ? x->shape.ndim : 1, &axis) != REEL_OK)
        return call->context->status;
    call->out[0]->shape = x->shape;
    call->out[0]->dtype = x->dtype;
    return REEL_OK;
}

static void cumsum(const reel_call *call, const void *x, bool reverse, bool add, void *out)
{
    const reel_shape *shape = &call->in[0]->shape;
    int axis = ((const struct cumsum_attributes *)call->attributes)->axis;
    int64_t outer = call->in[0]->numel > 0, inner = outer, n = shape->ndim > 0 ? 0 : 1;
    axis = axis < 0 ? axis + shape->ndim : axis;
    for (int i = 0; i < shape->ndim; i++) {
        if (i == axis)
            n = shape->dim[i];
        else if (i < axis)
            outer *= shape->dim[i];
        else
            inner *= shape->dim[i];
    }
    reel_kern_cumsum(call->in[0]->dtype, outer, n, inner, x, reverse, add, out, call->context->num_threads);
}

static reel_status cumsum_forward(reel_call *call)
{
    const struct cumsum_attributes *a = call->attributes;
    cumsum(call, call->in[0]->data, a->reverse, false, call->out[0]->data);
    return REEL_OK;
}

static void cumsum_vjp(const reel_call *call, const reel_var *g, reel_var *grad_inputs)
{
    struct cumsum_attributes a = *(const struct cumsum_attributes *)call->attributes;
    a.reverse = !a.reverse;
    grad_inputs[0] = reel_apply1(call->tape, call->op, &g[0], 1, &a);
}

static reel_status cumsum_accumulate(const reel_call *call, const reel_gradient *g, reel_sink *const *sinks)
{
    const struct cumsum_attributes *a = call->attributes;
    bool add;
    const reel_real *values = reel_gradient_contiguous(call, &g[0]);
    reel_real *target = values ? reel_sink_target(sinks[0], &add) : NULL;
    if (!target)
        return call->context->status;
    cumsum(call, values, !a->reverse, add, target);
    return REEL_OK;
}

static reel_cost cumsum_cost(const reel_call *call)
{
    double n = (double)call->in[0]->numel;
    return (reel_cost){n, 2 * n * (double)reel_dtype_size(call->in[0]->dtype)};
}

static reel_status cumsum_onnx(const reel_call *call, reel_onnx *to)
{
    const struct cumsum_attributes *a = call->attributes;
    reel_onnx_value x = reel_onnx_input(to, 0), axis = reel_onnx_number(to, REEL_INT64, a->axis);
    if (call->in[0]->shape.ndim == 0)
        return reel_onnx_set_output(to, 0, x);
    reel_onnx_set_int(to, "reverse", a->reverse);
    return reel_onnx_set_output(to, 0, REEL_ONNX_NODE(to, "CumSum", x, axis));
}

static const reel_op cumsum_op = {
    .name = "cumsum",
    .n_inputs = 1,
    .n_outputs = 1,
    .differentiable = 1,
    .attributes_size = sizeof(struct cumsum_attributes),
    .shape = cumsum_shape,
    .forward = cumsum_forward,
    .vjp = cumsum_vjp,
    .accumulate = cumsum_accumulate,
    .cost = cumsum_cost,
    .onnx = cumsum_onnx,
};

reel_var reel_cumsum(reel_tape *tape, reel_var x, int axis)
{
    struct cumsum_attributes a = {axis, false};
    return reel_apply1(tape, &cumsum_op, &x, 1, &a);
}
#else
static const struct cumsum_attributes along_0 = {0, false}, along_1 = {1, false}, along_last = {-1, false},
                                      back_0 = {0, true}, back_last = {-1, true}, along_2 = {2, false};
static const reel_sample cumsum_samples[] = {
    GOOD("rows", &along_last, REAL(3, 7)),
    GOOD("columns", &along_0, REAL(7, 3)),
    GOOD("in the middle", &along_1, REAL(2, 5, 3)),
    GOOD("many columns", &along_0, REAL(3, 70)),
    GOOD("backwards", &back_0, REAL(5, 3)),
    GOOD("backwards along the last axis", &back_last, REAL(2, 5)),
    GOOD("eight axes", &along_1, REAL(2, 3, 1, 2, 1, 1, 1, 2)),
    GOOD("no axes", &along_0, SCALAR),
    GOOD("no axes, counted from the end", &along_last, SCALAR),
    GOOD("no sums", &along_last, REAL(3, 0)),
    GOOD("no rows", &along_1, REAL(0, 3)),
    GOOD("int64", &along_1, SIGNED(9, 3, 5)),
    GOOD("int64, backwards", &back_0, SIGNED(9, 4)),
    REFUSED("axis outside", REEL_ERROR_ARGUMENT, &along_2, REAL(2, 3)),
    REFUSED("axis 2 of a scalar", REEL_ERROR_ARGUMENT, &along_2, SCALAR),
    REFUSED("int32", REEL_ERROR_DTYPE, &along_0, INDEX32(4, 3)),
    REFUSED("bools", REEL_ERROR_DTYPE, &along_0, BOOL(3)),
};
SAMPLES(cumsum, cumsum_samples);
#endif

REEL_OP_FAMILY(scan, ROW(cumsum));
