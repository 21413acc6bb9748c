/* Interpolation along axes: slices mixed in pairs. */
#include "kern/interpolate.h"

#include "core/tape.h"
#include "ops/gather.h"

#include <reel/gather.h>
#include <reel/join.h>
#include <reel/pad.h>
#include <reel/view.h>

#include <math.h>
#include <string.h>

/* ---- interpolate ---- */

/* Inputs: x, and of each slice of the result the lower and the upper slice of x, int64, and the share of the upper one,
 * which gets no gradient. In interpolate_backward x has the pairs, and the result `size` slices to which they are
 * added: each is the other's rule. */
struct interpolate_attributes {
    int axis;
    int64_t size;
};

#ifndef REEL_SAMPLES
static int interpolate_axis_of(const reel_call *call)
{
    int axis = ((const struct interpolate_attributes *)call->attributes)->axis;
    return axis < 0 ? axis + call->in[0]->shape.ndim : axis;
}

static reel_status pairs_shape(reel_call *call, bool backward)
{
    const struct interpolate_attributes *a = call->attributes;
    const reel_array *x = call->in[0], *lower = call->in[1], *upper = call->in[2], *share = call->in[3];
    int axis = a->axis;
    if (reel_expect_real(call, 0, "x") != REEL_OK || reel_expect_real(call, 3, "the share") != REEL_OK ||
        reel_normalize_axis(call->context, call->op->name, x->shape.ndim, &axis) != REEL_OK)
        return call->context->status;
    if (lower->dtype != REEL_INT64 || upper->dtype != REEL_INT64)
        return reel_fail(call->context, REEL_ERROR_DTYPE, "%s: the indices are %s and %s, they must be int64",
                         call->op->name, reel_dtype_name(lower->dtype), reel_dtype_name(upper->dtype));
    if (lower->shape.ndim != 1 || !reel_shape_equal(&lower->shape, &upper->shape) ||
        !reel_shape_equal(&lower->shape, &share->shape) || (backward && lower->numel != x->shape.dim[axis]) ||
        a->size < 0)
        return reel_fail(call->context, REEL_ERROR_SHAPE, "%s: the pairs of slices do not fit", call->op->name);
    call->out[0]->shape = x->shape;
    call->out[0]->shape.dim[axis] = backward ? a->size : lower->numel;
    call->out[0]->dtype = REEL_REAL;
    return REEL_OK;
}

static reel_status interpolate_shape(reel_call *call)
{
    return pairs_shape(call, false);
}

static reel_status interpolate_backward_shape(reel_call *call)
{
    return pairs_shape(call, true);
}

/* The pairs among `from` slices, and [outer, to, inner]; outer is 0 when there is nothing to do. */
static struct reel_kern_pairs pairs_of(const reel_call *call, int64_t from, int64_t *outer, int64_t *inner)
{
    const reel_array *x = call->in[0];
    int axis = interpolate_axis_of(call);
    *outer = *inner = x->numel > 0 && call->out[0]->numel > 0;
    for (int i = 0; i < x->shape.ndim; i++)
        if (i != axis)
            *(i < axis ? outer : inner) *= x->shape.dim[i];
    return (struct reel_kern_pairs){from, call->in[1]->numel, call->in[1]->data, call->in[2]->data, call->in[3]->data};
}

static reel_status check_pairs(const reel_call *call, int64_t from)
{
    for (int k = 1; k <= 2; k++)
        if (reel_check_index(call, call->in[k], from, call->op->name) != REEL_OK)
            return call->context->status;
    return REEL_OK;
}

static reel_status interpolate_forward(reel_call *call)
{
    int64_t outer, inner, from = call->in[0]->shape.dim[interpolate_axis_of(call)];
    struct reel_kern_pairs pairs = pairs_of(call, from, &outer, &inner);
    if (check_pairs(call, from) == REEL_OK)
        reel_kern_interpolate(&pairs, outer, inner, call->in[0]->data, call->out[0]->data, call->context->num_threads);
    return call->context->status;
}

static reel_status interpolate_backward_forward(reel_call *call)
{
    int64_t outer, inner, from = call->out[0]->shape.dim[interpolate_axis_of(call)];
    struct reel_kern_pairs pairs = pairs_of(call, from, &outer, &inner);
    if (check_pairs(call, from) != REEL_OK)
        return call->context->status;
    if (call->out[0]->numel > 0)
        memset(call->out[0]->data, 0, (size_t)call->out[0]->numel * sizeof(reel_real));
    reel_kern_interpolate_back(&pairs, outer, inner, call->in[0]->data, call->out[0]->data, call->context->num_threads);
    return REEL_OK;
}

static reel_status interpolate_accumulate(const reel_call *call, const reel_gradient *g, reel_sink *const *sinks)
{
    bool add;
    const reel_real *values = reel_gradient_contiguous(call, &g[0]);
    reel_real *target = values ? reel_sink_target(sinks[0], &add) : NULL;
    if (!target)
        return call->context->status;
    int64_t outer, inner, from = call->in[0]->shape.dim[interpolate_axis_of(call)];
    struct reel_kern_pairs pairs = pairs_of(call, from, &outer, &inner);
    if (!add && call->in[0]->numel > 0)
        memset(target, 0, (size_t)call->in[0]->numel * sizeof *target);
    reel_kern_interpolate_back(&pairs, outer, inner, values, target, call->context->num_threads);
    return REEL_OK;
}

static void interpolate_vjp(const reel_call *call, const reel_var *g, reel_var *grad_inputs);
static void interpolate_backward_vjp(const reel_call *call, const reel_var *g, reel_var *grad_inputs);

static reel_cost interpolate_cost(const reel_call *call)
{
    double in = (double)call->in[0]->numel, out = (double)call->out[0]->numel;
    return (reel_cost){3 * fmax(in, out), (in + out) * sizeof(reel_real)};
}

static reel_status interpolate_onnx(const reel_call *call, reel_onnx *to)
{
    const int axis = interpolate_axis_of(call), ndim = call->in[0]->shape.ndim;
    const int64_t beside[REEL_MAX_NDIM] = {call->in[1]->numel, 1, 1, 1, 1, 1, 1, 1};
    reel_onnx_value picked[2], share = reel_onnx_input(to, 3);
    for (int k = 0; k < 2; k++) {
        reel_onnx_set_int(to, "axis", axis);
        picked[k] = REEL_ONNX_NODE(to, "Gather", reel_onnx_input(to, 0), reel_onnx_input(to, k + 1));
    }
    reel_onnx_set_int(to, "allowzero", 1);
    share = REEL_ONNX_NODE(to, "Reshape", share, reel_onnx_int64s(to, beside, ndim - axis));
    reel_onnx_value rest = REEL_ONNX_NODE(to, "Sub", reel_onnx_number(to, REEL_REAL, 1), share);
    reel_onnx_value lower = REEL_ONNX_NODE(to, "Mul", picked[0], rest);
    reel_onnx_value upper = REEL_ONNX_NODE(to, "Mul", picked[1], share);
    return reel_onnx_set_output(to, 0, REEL_ONNX_NODE(to, "Add", lower, upper));
}

static const reel_op interpolate_op = {
    .name = "interpolate",
    .n_inputs = 4,
    .n_outputs = 1,
    .differentiable = 1,
    .reads_inputs = 14,
    .attributes_size = sizeof(struct interpolate_attributes),
    .shape = interpolate_shape,
    .forward = interpolate_forward,
    .vjp = interpolate_vjp,
    .accumulate = interpolate_accumulate,
    .cost = interpolate_cost,
    .onnx = interpolate_onnx,
};
static const reel_op interpolate_backward_op = {
    .name = "interpolate_backward",
    .n_inputs = 4,
    .n_outputs = 1,
    .differentiable = 1,
    .reads_inputs = 14,
    .attributes_size = sizeof(struct interpolate_attributes),
    .shape = interpolate_backward_shape,
    .forward = interpolate_backward_forward,
    .vjp = interpolate_backward_vjp,
    .cost = interpolate_cost,
};

static void interpolate_vjp(const reel_call *call, const reel_var *g, reel_var *grad_inputs)
{
    const struct interpolate_attributes a = {interpolate_axis_of(call),
                                             call->in[0]->shape.dim[interpolate_axis_of(call)]};
    const reel_var inputs[] = {g[0], call->inputs[1], call->inputs[2], call->inputs[3]};
    grad_inputs[0] = reel_apply1(call->tape, &interpolate_backward_op, inputs, 4, &a);
}

static void interpolate_backward_vjp(const reel_call *call, const reel_var *g, reel_var *grad_inputs)
{
    const struct interpolate_attributes a = {.axis = interpolate_axis_of(call)};
    const reel_var inputs[] = {g[0], call->inputs[1], call->inputs[2], call->inputs[3]};
    grad_inputs[0] = reel_apply1(call->tape, &interpolate_op, inputs, 4, &a);
}

/* For each of the `to` new elements of an axis of `from`, the lower of its two neighbours, how far the upper one is, 0
 * or 1, and the share of the upper one. Null vars on error. */
struct neighbours {
    reel_var lower, upper, share;
};

static struct neighbours neighbours_of(reel_tape *tape, int64_t from, int64_t to, bool linear, bool align_corners)
{
    struct neighbours n = {reel_null(), reel_null(), reel_null()};
    reel_shape shape = {.ndim = 1, .dim = {to}};
    struct reel_node *lower = reel_tape_add_array(tape, REEL_INT64, &shape, "interpolate", &n.lower);
    struct reel_node *upper = lower ? reel_tape_add_array(tape, REEL_INT64, &shape, "interpolate", &n.upper) : NULL;
    struct reel_node *share = upper ? reel_tape_add_array(tape, REEL_REAL, &shape, "interpolate", &n.share) : NULL;
    if (!share)
        return (struct neighbours){reel_null(), reel_null(), reel_null()};
    const double scale =
        align_corners ? (to > 1 ? (double)(from - 1) / (double)(to - 1) : 0) : (double)from / (double)to;
    const float nearest = (float)from / (float)to; /* PyTorch's rounding decides about the element */
    for (int64_t i = 0; i < to; i++) {
        double place = align_corners ? (double)i * scale : ((double)i + 0.5) * scale - 0.5;
        place = place < 0 ? 0 : place;
        int64_t at = linear ? (int64_t)place : (int64_t)floorf((float)i * nearest);
        at = at < from - 1 ? at : from - 1;
        double rest = place - (double)at;
        ((int64_t *)lower->array.data)[i] = at;
        ((int64_t *)upper->array.data)[i] = at + 1 < from ? at + 1 : at;
        ((reel_real *)share->array.data)[i] = (reel_real)(rest < 0 ? 0 : rest > 1 ? 1 : rest);
    }
    return n;
}

static reel_var interpolate_axis(reel_tape *tape, reel_var x, const reel_shape *shape, int axis, int64_t to,
                                 bool linear, bool align_corners)
{
    const int64_t from = shape->dim[axis];
    if (to == from)
        return x;
    if (!linear && to % from == 0) { /* each element so many times */
        reel_shape apart = {.ndim = 3, .dim = {1, 1, 1}}, result = *shape;
        for (int i = 0; i < shape->ndim; i++)
            apart.dim[i <= axis ? 0 : 2] *= shape->dim[i];
        x = reel_reshape(tape, x, apart);
        apart.dim[1] = to / from;
        result.dim[axis] = to;
        return reel_reshape(tape, reel_expand(tape, x, apart), result);
    }
    struct neighbours n = neighbours_of(tape, from, to, linear, align_corners);
    if (!linear)
        return reel_index_select(tape, x, axis, n.lower);
    const struct interpolate_attributes a = {.axis = axis};
    return reel_apply1(tape, &interpolate_op, REEL_VARS(x, n.lower, n.upper, n.share), &a);
}

reel_var reel_interpolate(reel_tape *tape, reel_var x, const int64_t *size, int n, reel_interpolation mode,
                          bool align_corners)
{
    reel_shape shape = reel_shape_of(tape, x);
    if (shape.ndim < 0)
        return reel_null();
    reel_context *c = reel_tape_context(tape);
    const bool linear = mode == REEL_INTERPOLATE_LINEAR;
    if ((!linear && mode != REEL_INTERPOLATE_NEAREST) || (align_corners && !linear)) {
        reel_fail(c, REEL_ERROR_ARGUMENT, "interpolate: there is no mode %d%s", (int)mode,
                  align_corners ? " with align_corners" : "");
        return reel_null();
    }
    if (n < 1 || !size || n != shape.ndim - 2) {
        char text[REEL_SHAPE_TEXT];
        reel_fail(c, n < 1 || !size ? REEL_ERROR_ARGUMENT : REEL_ERROR_SHAPE,
                  "interpolate: %d sizes%s, and x is %s; it needs two axes more than sizes", n,
                  size ? "" : " at a NULL pointer", reel_shape_text(&shape, text));
        return reel_null();
    }
    for (int i = 0; i < n; i++)
        if (size[i] < 1 || shape.dim[i + 2] < 1) {
            reel_fail(c, size[i] < 1 ? REEL_ERROR_ARGUMENT : REEL_ERROR_SHAPE,
                      "interpolate: %lld elements of axis %d, which has %lld", (long long)size[i], i + 2,
                      (long long)shape.dim[i + 2]);
            return reel_null();
        }
    for (int i = 0; i < n; i++) {
        x = interpolate_axis(tape, x, &shape, i + 2, size[i], linear, align_corners);
        shape.dim[i + 2] = size[i];
    }
    return reel_is_null(x) || reel_context_status(c) != REEL_OK ? reel_null() : x;
}
#else
static const struct interpolate_attributes along_last = {-1, 0}, along_0 = {0, 0}, along_1 = {1, 0}, along_2 = {2, 0},
                                           to_4_last = {-1, 4}, to_3_first = {0, 3}, to_5_middle = {1, 5},
                                           to_none = {0, 0}, to_negative = {0, -1};
#define SHARE(...) WITHIN(0, 1, __VA_ARGS__)
#define PAIRS(from, to) INDEX(from, to), INDEX(from, to), SHARE(to)
static const reel_sample interpolate_samples[] = {
    GOOD("the last axis", &along_last, REAL(3, 4), PAIRS(4, 7)),
    GOOD("the first axis", &along_0, REAL(4, 3), PAIRS(4, 6)),
    GOOD("in the middle", &along_1, REAL(2, 4, 3), PAIRS(4, 3)),
    GOOD("a vector", &along_0, REAL(5), PAIRS(5, 9)),
    GOOD("more than a vector behind it", &along_0, REAL(3, 37), PAIRS(3, 5)),
    GOOD("eight axes", &along_1, REAL(2, 3, 1, 2, 1, 1, 1, 2), PAIRS(3, 4)),
    GOOD("no pairs", &along_last, REAL(3, 4), PAIRS(4, 0)),
    GOOD("another axis is empty", &along_1, REAL(0, 4), PAIRS(4, 3)),
    REFUSED("an index outside", REEL_ERROR_INDEX, &along_0, REAL(4, 3),
            {.dtype = REEL_INT64, REEL_DIMS(2), .low = 4, .high = 6}, INDEX(4, 2), SHARE(2)),
    REFUSED("an upper index outside", REEL_ERROR_INDEX, &along_0, REAL(4, 3), INDEX(4, 2),
            {.dtype = REEL_INT64, REEL_DIMS(2), .low = -2, .high = 0}, SHARE(2)),
    REFUSED("axis outside", REEL_ERROR_ARGUMENT, &along_2, REAL(4, 3), PAIRS(3, 2)),
    REFUSED("fewer shares", REEL_ERROR_SHAPE, &along_0, REAL(4, 3), INDEX(4, 2), INDEX(4, 2), SHARE(1)),
    REFUSED("int32", REEL_ERROR_DTYPE, &along_0, REAL(4, 3), INDEX32(4, 2), INDEX(4, 2), SHARE(2)),
    REFUSED("integers", REEL_ERROR_DTYPE, &along_0, INDEX(4, 4, 3), PAIRS(4, 2)),
};
static const reel_sample interpolate_backward_samples[] = {
    GOOD("the last axis", &to_4_last, REAL(3, 7), PAIRS(4, 7)),
    GOOD("the first axis", &to_3_first, REAL(6, 3), PAIRS(3, 6)),
    GOOD("in the middle", &to_5_middle, REAL(2, 3, 3), PAIRS(5, 3)),
    GOOD("no pairs", &to_3_first, REAL(0, 2), PAIRS(3, 0)),
    GOOD("nothing to nothing", &to_none, REAL(0, 2), PAIRS(1, 0)),
    REFUSED("an index outside", REEL_ERROR_INDEX, &to_3_first, REAL(2, 3),
            {.dtype = REEL_INT64, REEL_DIMS(2), .low = 3, .high = 6}, INDEX(3, 2), SHARE(2)),
    REFUSED("another number of pairs", REEL_ERROR_SHAPE, &to_3_first, REAL(4, 3), PAIRS(3, 2)),
    REFUSED("a negative size", REEL_ERROR_SHAPE, &to_negative, REAL(2, 3), PAIRS(3, 2)),
    REFUSED("integers", REEL_ERROR_DTYPE, &to_3_first, INDEX(4, 2, 3), PAIRS(3, 2)),
};
SAMPLES(interpolate, interpolate_samples, .ulps = 1, .why = "its two terms may cancel");
SAMPLES(interpolate_backward, interpolate_backward_samples, .ulps = 1, .why = "terms of a sum may cancel");
#endif

REEL_OP_FAMILY(interpolate, ROW(interpolate), ROW(interpolate_backward));
