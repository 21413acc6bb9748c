/* Every n-th slice of an axis, forwards or backwards, and what is made of such pieces. */
#include "base/checked.h"
#include "files/onnx.h"
#include "kern/strided.h"
#include "ops/family.h"

#include <reel/join.h>
#include <reel/view.h>

#include <string.h>

/* Slices start, start + step, ... of an axis; the result has `size` of them. In slice_backward it is the other way
 * round: the slices of the input go to these places of a result that has `size` slices, and is 0 elsewhere. */
struct slice_attributes {
    int axis;
    int64_t start, step, size;
};

#ifndef REEL_SAMPLES
/* An array seen from an axis: [outer, size, inner], outer and inner 0 without elements. */
static void view_along(const reel_shape *shape, int axis, int64_t *outer, int64_t *inner)
{
    *outer = *inner = reel_shape_numel(shape) == 0 ? 0 : 1;
    for (int i = 0; i < axis; i++)
        *outer *= shape->dim[i];
    for (int i = axis + 1; i < shape->ndim; i++)
        *inner *= shape->dim[i];
}

static int from_front(int axis, const reel_shape *shape)
{
    return axis < 0 ? axis + shape->ndim : axis;
}

/* Whether `count` slices from `start` on, `step` apart, are all of an axis of `size`. */
static bool are_inside(int64_t count, int64_t start, int64_t step, int64_t size)
{
    if (count == 0)
        return true;
    if (start < 0 || start >= size || step == 0)
        return false;
    return count - 1 <= (step > 0 ? (size - 1 - start) / step : -(start / step));
}

static reel_status shape_of_slices(reel_call *call, bool backward)
{
    struct slice_attributes a = *(const struct slice_attributes *)call->attributes;
    const reel_array *x = call->in[0];
    if (reel_normalize_axis(call->context, call->op->name, x->shape.ndim, &a.axis) != REEL_OK)
        return call->context->status;
    int64_t mine = x->shape.dim[a.axis];
    if (a.size < 0 || !are_inside(backward ? mine : a.size, a.start, a.step, backward ? a.size : mine))
        return reel_fail(call->context, REEL_ERROR_INDEX,
                         "%s: %lld slices from %lld on, %lld apart, are not inside axis %d, which has %lld",
                         call->op->name, (long long)(backward ? mine : a.size), (long long)a.start, (long long)a.step,
                         a.axis, (long long)(backward ? a.size : mine));
    call->out[0]->shape = x->shape;
    call->out[0]->shape.dim[a.axis] = a.size;
    call->out[0]->dtype = x->dtype;
    return REEL_OK;
}

static reel_status slice_shape(reel_call *call)
{
    return shape_of_slices(call, false);
}

static reel_status slice_forward(reel_call *call)
{
    const struct slice_attributes *a = call->attributes;
    const reel_array *x = call->in[0];
    int axis = from_front(a->axis, &x->shape);
    int64_t size = x->shape.dim[axis], outer, inner;
    view_along(&call->out[0]->shape, axis, &outer, &inner);
    size_t element = reel_dtype_size(x->dtype);
    if (outer > 0)
        reel_kern_copy_strided(3, (const int64_t[]){outer, a->size, inner},
                               (const int64_t[]){size * inner, a->size > 1 ? a->step * inner : 0, 1}, element,
                               (const char *)x->data + (size_t)(a->start * inner) * element, call->out[0]->data,
                               call->context->num_threads);
    return REEL_OK;
}

/* Writes the slices into `to`, of the other shape and zeros before unless `add`. */
static void place(const reel_call *call, const reel_shape *from, const reel_shape *to, const reel_real *values,
                  bool add, reel_real *out)
{
    const struct slice_attributes *a = call->attributes;
    int axis = from_front(a->axis, from);
    int64_t numel = reel_shape_numel(to), outer, inner;
    view_along(from, axis, &outer, &inner);
    if (!add && numel > 0)
        memset(out, 0, (size_t)numel * sizeof *out);
    if (outer > 0)
        reel_kern_place_strided(outer, from->dim[axis], inner, values, to->dim[axis], a->step, add,
                                out + a->start * inner, call->context->num_threads);
}

static reel_status slice_accumulate(const reel_call *call, const reel_gradient *g, reel_sink *const *sinks)
{
    bool add;
    const reel_real *values = reel_gradient_contiguous(call, &g[0]);
    reel_real *target = values ? reel_sink_target(sinks[0], &add) : NULL;
    if (!target)
        return call->context->status;
    place(call, &call->out[0]->shape, &call->in[0]->shape, values, add, target);
    return REEL_OK;
}

static reel_status slice_backward_shape(reel_call *call)
{
    if (reel_expect_real(call, 0, "x") != REEL_OK)
        return call->context->status;
    return shape_of_slices(call, true);
}

static reel_status slice_backward_forward(reel_call *call)
{
    place(call, &call->in[0]->shape, &call->out[0]->shape, call->in[0]->data, false, call->out[0]->data);
    return REEL_OK;
}

static void slice_vjp(const reel_call *call, const reel_var *g, reel_var *grad_inputs);
static void slice_backward_vjp(const reel_call *call, const reel_var *g, reel_var *grad_inputs);

/* Downwards no number but the least stands for the end before the first slice. */
static reel_status slice_onnx(const reel_call *call, reel_onnx *to)
{
    const struct slice_attributes *a = call->attributes;
    int64_t axis = from_front(a->axis, &call->in[0]->shape), size = call->in[0]->shape.dim[axis];
    int64_t last = a->size > 0 ? a->start + (a->size - 1) * a->step : a->start;
    int64_t end = a->size == 0 ? a->start : a->step > 0 ? last + 1 : last > 0 ? last - 1 : INT64_MIN;
    if (reel_onnx_growth(to, 0)[axis] != 0) {
        /* All of an axis, the other way round. */
        if (a->step != -1 || a->size != size)
            return reel_onnx_refuse_fixed(to, "a length");
        reel_onnx_set_growth(to, reel_onnx_growth(to, 0));
        end = INT64_MIN;
    }
    int64_t start = a->step == -1 && a->size == size ? INT64_MAX : a->start;
    return reel_onnx_set_output(to, 0,
                                REEL_ONNX_NODE(to, "Slice", reel_onnx_input(to, 0), reel_onnx_int64s(to, &start, 1),
                                               reel_onnx_int64s(to, &end, 1), reel_onnx_int64s(to, &axis, 1),
                                               reel_onnx_int64s(to, &a->step, 1)));
}

static const reel_op slice_op = {
    .name = "slice",
    .n_inputs = 1,
    .n_outputs = 1,
    .differentiable = 1,
    .attributes_size = sizeof(struct slice_attributes),
    .shape = slice_shape,
    .forward = slice_forward,
    .vjp = slice_vjp,
    .accumulate = slice_accumulate,
    .cost = reel_cost_of_copy,
    .onnx = slice_onnx,
};
static const reel_op slice_backward_op = {
    .name = "slice_backward",
    .n_inputs = 1,
    .n_outputs = 1,
    .differentiable = 1,
    .attributes_size = sizeof(struct slice_attributes),
    .shape = slice_backward_shape,
    .forward = slice_backward_forward,
    .vjp = slice_backward_vjp,
    .cost = reel_cost_of_copy,
};

/* The same slices with the roles of input and result exchanged. */
static reel_var other_way_round(const reel_call *call, const reel_op *op, reel_var g)
{
    struct slice_attributes a = *(const struct slice_attributes *)call->attributes;
    a.size = call->in[0]->shape.dim[from_front(a.axis, &call->in[0]->shape)];
    return reel_apply1(call->tape, op, &g, 1, &a);
}

static void slice_vjp(const reel_call *call, const reel_var *g, reel_var *grad_inputs)
{
    grad_inputs[0] = other_way_round(call, &slice_backward_op, g[0]);
}

static void slice_backward_vjp(const reel_call *call, const reel_var *g, reel_var *grad_inputs)
{
    grad_inputs[0] = other_way_round(call, &slice_op, g[0]);
}

/* The shape of x, and the axis counted from the front; false with the error recorded. */
static bool look_along(reel_tape *tape, const char *who, reel_var x, reel_shape *shape, int *axis)
{
    *shape = reel_shape_of(tape, x);
    return shape->ndim >= 0 && reel_normalize_axis(reel_tape_context(tape), who, shape->ndim, axis) == REEL_OK;
}

reel_var reel_slice(reel_tape *tape, reel_var x, int axis, int64_t start, int64_t end, int64_t step)
{
    reel_shape shape;
    if (!look_along(tape, "slice", x, &shape, &axis))
        return reel_null();
    if (step < 1) {
        reel_fail(reel_tape_context(tape), REEL_ERROR_ARGUMENT, "slice: step %lld is not at least 1", (long long)step);
        return reel_null();
    }
    const int64_t size = shape.dim[axis];
    int64_t bound[2] = {start, end};
    for (int i = 0; i < 2; i++) {
        bound[i] = bound[i] < 0 ? bound[i] + size : bound[i];
        bound[i] = bound[i] < 0 ? 0 : bound[i] > size ? size : bound[i];
    }
    int64_t length = bound[1] > bound[0] ? (bound[1] - bound[0] - 1) / step + 1 : 0;
    if (step == 1 || length <= 1)
        return reel_narrow(tape, x, axis, bound[0], length);
    struct slice_attributes a = {axis, bound[0], step, length};
    return reel_apply1(tape, &slice_op, &x, 1, &a);
}

reel_var reel_flip(reel_tape *tape, reel_var x, const int *axes, int n)
{
    reel_shape shape = reel_shape_of(tape, x);
    if (shape.ndim < 0)
        return reel_null();
    reel_context *c = reel_tape_context(tape);
    if (n < 0 || (n > 0 && !axes)) {
        reel_fail(c, REEL_ERROR_ARGUMENT, "flip: %d axes, at a NULL pointer or fewer than none", n);
        return reel_null();
    }
    unsigned flipped = 0;
    for (int i = 0; i < n; i++) {
        int axis = axes[i];
        if (reel_normalize_axis(c, "flip", shape.ndim, &axis) != REEL_OK)
            return reel_null();
        if (flipped >> axis & 1) {
            reel_fail(c, REEL_ERROR_ARGUMENT, "flip: axis %d is given twice", axis);
            return reel_null();
        }
        flipped |= 1u << axis;
    }
    for (int axis = 0; axis < shape.ndim; axis++) {
        struct slice_attributes a = {axis, shape.dim[axis] - 1, -1, shape.dim[axis]};
        if (flipped >> axis & 1 && shape.dim[axis] > 1)
            x = reel_apply1(tape, &slice_op, &x, 1, &a);
    }
    return x;
}

reel_var reel_roll(reel_tape *tape, reel_var x, int64_t shift, int axis)
{
    reel_shape shape;
    if (!look_along(tape, "roll", x, &shape, &axis))
        return reel_null();
    int64_t size = shape.dim[axis], back = size > 0 ? shift % size : 0;
    if (back == 0)
        return x;
    back = back < 0 ? back + size : back;
    reel_var behind = reel_narrow(tape, x, axis, size - back, back);
    return reel_cat(tape, REEL_VARS(behind, reel_narrow(tape, x, axis, 0, size - back)), axis);
}

reel_var reel_repeat(reel_tape *tape, reel_var x, reel_shape repeats)
{
    reel_shape shape = reel_shape_of(tape, x);
    if (shape.ndim < 0)
        return reel_null();
    bool fits = repeats.ndim >= shape.ndim && repeats.ndim <= REEL_MAX_NDIM;
    for (int i = 0; fits && i < repeats.ndim; i++)
        fits = repeats.dim[i] >= 0;
    if (!fits) {
        char text[REEL_SHAPE_TEXT];
        reel_fail(reel_tape_context(tape), REEL_ERROR_SHAPE,
                  "repeat: %d repeats for %s; each axis takes one, and none is negative", repeats.ndim,
                  reel_shape_text(&shape, text));
        return reel_null();
    }
    reel_shape all = {.ndim = repeats.ndim};
    int added = repeats.ndim - shape.ndim;
    for (int i = 0; i < all.ndim; i++)
        all.dim[i] = i < added ? 1 : shape.dim[i - added];
    /* One axis after the other, seen as [outer, times, inner]; -1 is whichever of the two has no 0. */
    for (int i = all.ndim - 1; i >= 0; i--) {
        int64_t times = repeats.dim[i], outer, inner;
        if (times == 1)
            continue;
        view_along(&all, i, &outer, &inner);
        reel_shape apart = {3, {outer, 1, outer > 0 ? all.dim[i] * inner : 0}};
        x = reel_reshape(tape, x, apart);
        apart.dim[1] = times;
        x = reel_expand(tape, x, apart);
        if (!reel_multiply_int64(all.dim[i], times, &all.dim[i])) {
            reel_fail(reel_tape_context(tape), REEL_ERROR_SHAPE, "repeat: %lld repeats of axis %d do not fit 64 bits",
                      (long long)times, i - added);
            return reel_null();
        }
        if (!reel_is_null(x))
            x = reel_reshape(tape, x, all);
    }
    return reel_reshape(tape, x, all);
}

reel_status reel_unbind(reel_tape *tape, reel_var x, int axis, int n, reel_var *out)
{
    reel_shape shape;
    if (!look_along(tape, "unbind", x, &shape, &axis))
        return tape ? reel_context_status(reel_tape_context(tape)) : REEL_ERROR_ARGUMENT;
    reel_context *c = reel_tape_context(tape);
    if (n != shape.dim[axis] || (n > 0 && !out))
        return reel_fail(c, REEL_ERROR_ARGUMENT, "unbind: room for %d vars%s, axis %d has %lld slices", n,
                         n > 0 && !out ? " at a NULL pointer" : "", axis, (long long)shape.dim[axis]);
    for (int i = 0; i < n; i++)
        out[i] = reel_squeeze(tape, reel_narrow(tape, x, axis, i, 1), axis);
    for (int i = 0; i < n && reel_context_status(c) != REEL_OK; i++)
        out[i] = reel_null();
    return reel_context_status(c);
}
#else
static const struct slice_attributes rows_0_2 = {0, 0, 2, 3}, columns_1_3 = {1, 1, 3, 2},
                                     last_backwards = {-1, 3, -1, 4}, middle_backwards = {1, 4, -2, 3},
                                     one_far = {0, 2, 100, 1}, none = {0, 0, 2, 0}, of_eight = {7, 2, -1, 3},
                                     beyond = {0, 1, 2, 3}, before = {0, 2, -1, 4}, start_beyond = {0, 5, 1, 1},
                                     start_before = {0, -1, 1, 1}, no_step = {0, 0, 0, 2},
                                     negative_size = {0, 0, 1, -1}, axis_outside = {2, 0, 1, 1};
static const reel_sample slice_samples[] = {
    GOOD("every other row", &rows_0_2, REAL(5, 3)),
    GOOD("every third column", &columns_1_3, REAL(3, 5)),
    GOOD("the last axis backwards", &last_backwards, REAL(3, 4)),
    GOOD("in the middle, backwards, every other one", &middle_backwards, REAL(2, 5, 3)),
    GOOD("a vector", &rows_0_2, REAL(6)),
    GOOD("one slice", &one_far, REAL(4, 2)),
    GOOD("nothing", &none, REAL(4, 3)),
    GOOD("empty rows", &rows_0_2, REAL(5, 0)),
    GOOD("eight axes", &of_eight, REAL(2, 1, 2, 1, 1, 2, 1, 3)),
    GOOD("int64", &columns_1_3, INDEX(9, 2, 6)),
    GOOD("int32", &last_backwards, INDEX32(9, 2, 4)),
    GOOD("bools", &last_backwards, BOOL(2, 4)),
    REFUSED("behind the end", REEL_ERROR_INDEX, &beyond, REAL(5, 2)),
    REFUSED("before the front", REEL_ERROR_INDEX, &before, REAL(5, 2)),
    REFUSED("a start behind the end", REEL_ERROR_INDEX, &start_beyond, REAL(5, 2)),
    REFUSED("a start before the front", REEL_ERROR_INDEX, &start_before, REAL(5, 2)),
    REFUSED("no step", REEL_ERROR_INDEX, &no_step, REAL(5, 2)),
    REFUSED("a negative size", REEL_ERROR_INDEX, &negative_size, REAL(5, 2)),
    REFUSED("axis outside", REEL_ERROR_ARGUMENT, &axis_outside, REAL(5, 2)),
};

static const struct slice_attributes to_5 = {0, 0, 2, 5}, to_6 = {1, 1, 3, 6}, back_to_4 = {-1, 3, -1, 4},
                                     middle_back_to_5 = {1, 4, -2, 5}, too_small = {0, 0, 2, 4},
                                     negative_result = {0, 0, 2, -5};
static const reel_sample slice_backward_samples[] = {
    GOOD("every other row", &to_5, REAL(3, 3)),
    GOOD("every third column", &to_6, REAL(3, 2)),
    GOOD("the last axis backwards", &back_to_4, REAL(3, 4)),
    GOOD("in the middle, backwards, every other one", &middle_back_to_5, REAL(2, 3, 3)),
    GOOD("of nothing", &to_5, REAL(0, 3)),
    REFUSED("a result that is too small", REEL_ERROR_INDEX, &too_small, REAL(3, 2)),
    REFUSED("a negative size", REEL_ERROR_INDEX, &negative_result, REAL(3, 2)),
    REFUSED("axis outside", REEL_ERROR_ARGUMENT, &axis_outside, REAL(3, 2)),
    REFUSED("integers", REEL_ERROR_DTYPE, &to_5, INDEX(4, 3, 2)),
};
SAMPLES(slice, slice_samples);
SAMPLES(slice_backward, slice_backward_samples);
#endif

REEL_OP_FAMILY(slice, ROW(slice), ROW(slice_backward));
