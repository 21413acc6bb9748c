/* Joining along an axis, and cutting along one. */
#include "core/sink.h"
#include "core/tape.h"
#include "files/onnx.h"
#include "kern/copy.h"
#include "kern/strided.h"
#include "ops/family.h"

#include <reel/create.h>
#include <reel/join.h>
#include <reel/view.h>

#include <string.h>

/* An array seen from one axis: [outer, size, inner]. Without elements outer and inner are 0, because the products of
 * the other sizes need not fit. */
struct axis_view {
    int64_t outer, size, inner;
};

#ifndef REEL_SAMPLES
static struct axis_view view_along(const reel_shape *shape, int axis)
{
    struct axis_view v = {1, shape->dim[axis], 1};
    if (reel_shape_numel(shape) == 0)
        v.outer = v.inner = 0;
    for (int i = 0; i < axis; i++)
        v.outer *= shape->dim[i];
    for (int i = axis + 1; i < shape->ndim; i++)
        v.inner *= shape->dim[i];
    return v;
}

static int from_front(int axis, const reel_shape *shape)
{
    return axis < 0 ? axis + shape->ndim : axis;
}

/* Whether a gradient's rows may be walked as rows of `columns` elements, and then how far apart they are. */
static bool seen_with_columns(const reel_gradient *g, int64_t columns, int64_t *stride)
{
    *stride = g->columns == columns ? g->stride : columns;
    return g->columns == columns || g->rows <= 1 || g->stride == g->columns;
}
#endif

/* ---- cat ---- */

struct axis_attributes {
    int axis;
};

#ifndef REEL_SAMPLES
static reel_status cat_shape(reel_call *call)
{
    int axis = ((const struct axis_attributes *)call->attributes)->axis;
    const reel_array *first = call->in[0];
    if (reel_normalize_axis(call->context, "cat", first->shape.ndim, &axis) != REEL_OK)
        return call->context->status;
    reel_shape shape = first->shape;
    for (int k = 1; k < call->n_inputs; k++) {
        const reel_array *x = call->in[k];
        if (x->dtype != first->dtype)
            return reel_fail(call->context, REEL_ERROR_DTYPE, "cat: input %d is %s, input 0 is %s", k,
                             reel_dtype_name(x->dtype), reel_dtype_name(first->dtype));
        bool fits = x->shape.ndim == shape.ndim;
        for (int i = 0; fits && i < shape.ndim; i++)
            fits = i == axis || x->shape.dim[i] == shape.dim[i];
        if (!fits) {
            char mine[REEL_SHAPE_TEXT], others[REEL_SHAPE_TEXT];
            return reel_fail(call->context, REEL_ERROR_SHAPE,
                             "cat: input %d has shape %s, input 0 has %s; they may differ along axis %d only", k,
                             reel_shape_text(&x->shape, mine), reel_shape_text(&first->shape, others), axis);
        }
        if (x->shape.dim[axis] > INT64_MAX - shape.dim[axis])
            return reel_fail(call->context, REEL_ERROR_SHAPE, "cat: the joint size of axis %d is too large", axis);
        shape.dim[axis] += x->shape.dim[axis];
    }
    call->out[0]->shape = shape;
    call->out[0]->dtype = first->dtype;
    if (call->n_inputs == 1)
        call->out[0]->data = first->data;
    return REEL_OK;
}

static reel_status cat_forward(reel_call *call)
{
    reel_array *out = call->out[0];
    int axis = from_front(((const struct axis_attributes *)call->attributes)->axis, &out->shape);
    if (out->numel == 0)
        return REEL_OK;
    size_t element = reel_dtype_size(out->dtype);
    struct axis_view to = view_along(&out->shape, axis);
    size_t to_bytes = (size_t)(to.size * to.inner) * element, offset = 0;
    for (int k = 0; k < call->n_inputs; k++) {
        struct axis_view from = view_along(&call->in[k]->shape, axis);
        size_t bytes = (size_t)(from.size * from.inner) * element;
        reel_kern_copy_bytes(to.outer, bytes, call->in[k]->data, bytes, (char *)out->data + offset, to_bytes);
        offset += bytes;
    }
    return REEL_OK;
}

static void cat_vjp(const reel_call *call, const reel_var *grad_outputs, reel_var *grad_inputs)
{
    int axis = from_front(((const struct axis_attributes *)call->attributes)->axis, &call->out[0]->shape);
    int64_t start = 0;
    for (int k = 0; k < call->n_inputs; k++) {
        int64_t size = call->in[k]->shape.dim[axis];
        if (call->needed[k])
            grad_inputs[k] = reel_narrow(call->tape, grad_outputs[0], axis, start, size);
        start += size;
    }
}

/* Each input's gradient is a slice of columns of the upstream gradient, shared as it lies there. */
static reel_status cat_accumulate(const reel_call *call, const reel_gradient *grad_outputs, reel_sink *const *sinks)
{
    const reel_gradient *g = &grad_outputs[0];
    int axis = from_front(((const struct axis_attributes *)call->attributes)->axis, &call->out[0]->shape);
    struct axis_view all = view_along(&call->out[0]->shape, axis);
    int64_t columns = all.size * all.inner, offset = 0, stride;
    bool share = seen_with_columns(g, columns, &stride);
    const reel_real *data = g->data;
    if (!share) {
        data = reel_gradient_contiguous(call, g);
        stride = columns;
        if (!data)
            return call->context->status;
    }
    for (int k = 0; k < call->n_inputs; k++) {
        int64_t width = call->in[k]->shape.dim[axis] * all.inner;
        const reel_real *slice = data + offset;
        offset += width;
        if (!sinks[k])
            continue;
        if (share) {
            reel_gradient piece = {slice, all.outer, width, stride, g->block};
            if (reel_sink_share(sinks[k], &piece) != REEL_OK)
                return call->context->status;
            continue;
        }
        bool add;
        reel_real *target = reel_sink_target(sinks[k], &add);
        if (!target)
            return call->context->status;
        if (add)
            reel_kern_add_rows_to(all.outer, width, slice, stride, target, width);
        else
            reel_kern_copy_rows(all.outer, width, slice, stride, target, width);
    }
    return REEL_OK;
}

static void cat_grad_columns(const reel_call *call, int k, int64_t *first, int64_t *end)
{
    const reel_shape *shape = &call->out[0]->shape;
    int axis = from_front(((const struct axis_attributes *)call->attributes)->axis, shape);
    *first = 0;
    *end = shape->dim[shape->ndim - 1];
    if (axis < shape->ndim - 1)
        return;
    for (int i = 0; i < k; i++)
        *first += call->in[i]->shape.dim[axis];
    *end = *first + call->in[k]->shape.dim[axis];
}

static reel_status cat_onnx(const reel_call *call, reel_onnx *to)
{
    size_t size = (size_t)call->n_inputs * sizeof(reel_onnx_value);
    reel_onnx_value *pieces = reel_allocate(&call->context->memory, size);
    if (!pieces)
        return reel_fail_memory(call->context, "cat", size);
    for (int k = 0; k < call->n_inputs; k++)
        pieces[k] = reel_onnx_input(to, k);
    reel_onnx_set_int(to, "axis", ((const struct axis_attributes *)call->attributes)->axis);
    reel_onnx_set_output(to, 0, reel_onnx_node(to, "Concat", pieces, call->n_inputs));
    reel_free(&call->context->memory, pieces);
    return call->context->status;
}

static const reel_op cat_op = {
    .name = "cat",
    .n_inputs = 1,
    .variadic = true,
    .n_outputs = 1,
    .differentiable = 1,
    .attributes_size = sizeof(struct axis_attributes),
    .shape = cat_shape,
    .forward = cat_forward,
    .vjp = cat_vjp,
    .accumulate = cat_accumulate,
    .grad_columns = cat_grad_columns,
    .cost = reel_cost_of_copy,
    .onnx = cat_onnx,
};

reel_var reel_cat(reel_tape *tape, const reel_var *vars, int n, int axis)
{
    struct axis_attributes a = {axis};
    return reel_apply1(tape, &cat_op, vars, n, &a);
}

reel_var reel_stack(reel_tape *tape, const reel_var *vars, int n, int axis)
{
    if (!tape || tape->context->status != REEL_OK)
        return reel_null();
    reel_context *c = tape->context;
    if (n < 1 || !vars) {
        reel_fail(c, REEL_ERROR_ARGUMENT,
                  n < 1 ? "stack: %d vars, it takes at least 1" : "stack: %d vars, at a NULL pointer", n);
        return reel_null();
    }
    const struct reel_node *first = reel_tape_node(tape, vars[0], "stack");
    if (!first || reel_normalize_axis(c, "stack", first->array.shape.ndim + 1, &axis) != REEL_OK)
        return reel_null();
    for (int i = 1; i < n; i++) {
        const struct reel_node *other = reel_tape_node(tape, vars[i], "stack");
        if (!other)
            return reel_null();
        if (!reel_shape_equal(&first->array.shape, &other->array.shape)) {
            char mine[REEL_SHAPE_TEXT], others[REEL_SHAPE_TEXT];
            reel_fail(c, REEL_ERROR_SHAPE, "stack: var %d has shape %s, var 0 has %s", i,
                      reel_shape_text(&other->array.shape, mine), reel_shape_text(&first->array.shape, others));
            return reel_null();
        }
    }
    reel_var *rows = reel_arena_allocate(&tape->arena, (size_t)n * sizeof *rows);
    if (!rows) {
        reel_fail_memory(c, "stack", (size_t)n * sizeof *rows);
        return reel_null();
    }
    for (int i = 0; i < n; i++)
        rows[i] = reel_unsqueeze(tape, vars[i], axis);
    return reel_cat(tape, rows, n, axis);
}
#else
static const struct axis_attributes axis_0 = {0}, axis_1 = {1}, axis_2 = {2}, axis_last = {-1}, axis_7 = {7},
                                    axis_minus_3 = {-3};
static const reel_sample cat_samples[] = {
    GOOD("along the last axis", &axis_1, REAL(3, 2), REAL(3, 4)),
    GOOD("along the first axis", &axis_0, REAL(2, 3), REAL(1, 3), REAL(4, 3)),
    GOOD("along a middle axis", &axis_1, REAL(2, 3, 2), REAL(2, 1, 2), REAL(2, 2, 2)),
    GOOD("counted from the end", &axis_last, REAL(2, 2), REAL(2, 1)),
    GOOD("vectors", &axis_0, REAL(2), REAL(3)),
    GOOD("one input", &axis_0, REAL(2, 3)),
    GOOD("an empty input", &axis_1, REAL(3, 2), REAL(3, 0), REAL(3, 1)),
    GOOD("empty first", &axis_0, REAL(0, 3), REAL(2, 3)),
    GOOD("no elements at all", &axis_0, REAL(0, 3), REAL(0, 3)),
    GOOD("another axis is empty", &axis_0, REAL(2, 0), REAL(3, 0)),
    GOOD("eight axes", &axis_7, REAL(1, 2, 1, 2, 1, 1, 2, 2), REAL(1, 2, 1, 2, 1, 1, 2, 1)),
    GOOD("integers", &axis_0, INDEX(9, 3), INDEX(9, 2)),
    GOOD("bools", &axis_last, BOOL(2, 3), BOOL(2, 1)),
    REFUSED("another size elsewhere", REEL_ERROR_SHAPE, &axis_1, REAL(3, 2), REAL(4, 2)),
    REFUSED("other axes", REEL_ERROR_SHAPE, &axis_0, REAL(3, 2), REAL(3)),
    REFUSED("axis outside", REEL_ERROR_ARGUMENT, &axis_2, REAL(3, 2), REAL(3, 2)),
    REFUSED("negative axis outside", REEL_ERROR_ARGUMENT, &axis_minus_3, REAL(3, 2), REAL(3, 2)),
    REFUSED("scalars", REEL_ERROR_ARGUMENT, &axis_0, SCALAR, SCALAR),
    REFUSED("two element types", REEL_ERROR_DTYPE, &axis_0, REAL(3), INDEX(2, 3)),
};
SAMPLES(cat, cat_samples);
#endif

/* ---- narrow ---- */

struct narrow_attributes {
    int axis;
    int64_t start, length;
};

#ifndef REEL_SAMPLES
/* With the axis and the start counted from the front. */
static struct narrow_attributes narrow_normalized(const reel_call *call)
{
    struct narrow_attributes a = *(const struct narrow_attributes *)call->attributes;
    a.axis = from_front(a.axis, &call->in[0]->shape);
    if (a.start < 0)
        a.start += call->in[0]->shape.dim[a.axis];
    return a;
}

static reel_status narrow_shape(reel_call *call)
{
    const reel_array *x = call->in[0];
    reel_array *out = call->out[0];
    struct narrow_attributes a = *(const struct narrow_attributes *)call->attributes;
    if (reel_normalize_axis(call->context, "narrow", x->shape.ndim, &a.axis) != REEL_OK)
        return call->context->status;
    int64_t size = x->shape.dim[a.axis], start = a.start < 0 ? a.start + size : a.start;
    if (start < 0 || start > size || a.length < 0 || a.length > size - start)
        return reel_fail(call->context, REEL_ERROR_INDEX,
                         "narrow: %lld elements from %lld on are not inside axis %d, which has %lld",
                         (long long)a.length, (long long)a.start, a.axis, (long long)size);
    out->shape = x->shape;
    out->shape.dim[a.axis] = a.length;
    out->dtype = x->dtype;
    struct axis_view v = view_along(&x->shape, a.axis);
    if (v.outer == 1 || a.length == size)
        out->data = (char *)x->data + (size_t)(start * v.inner) * reel_dtype_size(x->dtype);
    return REEL_OK;
}

static reel_status narrow_forward(reel_call *call)
{
    const reel_array *x = call->in[0];
    struct narrow_attributes a = narrow_normalized(call);
    struct axis_view v = view_along(&x->shape, a.axis);
    size_t slice = (size_t)v.inner * reel_dtype_size(x->dtype), bytes = (size_t)a.length * slice;
    reel_kern_copy_bytes(v.outer, bytes, (const char *)x->data + (size_t)a.start * slice, (size_t)v.size * slice,
                         call->out[0]->data, bytes);
    return REEL_OK;
}

static void narrow_vjp(const reel_call *call, const reel_var *grad_outputs, reel_var *grad_inputs)
{
    struct narrow_attributes a = narrow_normalized(call);
    reel_shape shape = call->in[0]->shape;
    int64_t before = a.start, after = shape.dim[a.axis] - a.start - a.length;
    reel_var pieces[3];
    int n = 0;
    if (before > 0) {
        shape.dim[a.axis] = before;
        pieces[n++] = reel_zeros(call->tape, shape);
    }
    pieces[n++] = grad_outputs[0];
    if (after > 0) {
        shape.dim[a.axis] = after;
        pieces[n++] = reel_zeros(call->tape, shape);
    }
    grad_inputs[0] = n == 1 ? pieces[0] : reel_cat(call->tape, pieces, n, a.axis);
}

static reel_status narrow_accumulate(const reel_call *call, const reel_gradient *grad_outputs, reel_sink *const *sinks)
{
    const reel_gradient *g = &grad_outputs[0];
    struct narrow_attributes a = narrow_normalized(call);
    struct axis_view v = view_along(&call->in[0]->shape, a.axis);
    if (a.length == v.size)
        return reel_sink_share(sinks[0], g);
    int64_t columns = a.length * v.inner, stride;
    const reel_real *data = g->data;
    if (!seen_with_columns(g, columns, &stride)) {
        data = reel_gradient_contiguous(call, g);
        stride = columns;
    }
    bool add;
    reel_real *target = data ? reel_sink_target(sinks[0], &add) : NULL;
    if (!target)
        return call->context->status;
    reel_real *slice = target + a.start * v.inner;
    if (add) {
        reel_kern_add_rows_to(v.outer, columns, data, stride, slice, v.size * v.inner);
    } else {
        if (call->in[0]->numel > 0)
            memset(target, 0, (size_t)call->in[0]->numel * sizeof *target);
        reel_kern_copy_rows(v.outer, columns, data, stride, slice, v.size * v.inner);
    }
    return REEL_OK;
}

static reel_status narrow_onnx(const reel_call *call, reel_onnx *to)
{
    struct narrow_attributes a = narrow_normalized(call);
    int64_t axis = a.axis, end = a.start + a.length;
    reel_onnx_value x = reel_onnx_input(to, 0);
    if (reel_onnx_growth(to, 0)[axis] != 0) {
        if (a.length != call->in[0]->shape.dim[axis])
            return reel_onnx_refuse_fixed(to, "a length");
        reel_onnx_set_growth(to, reel_onnx_growth(to, 0));
        return reel_onnx_set_output(to, 0, x);
    }
    return reel_onnx_set_output(to, 0,
                                REEL_ONNX_NODE(to, "Slice", x, reel_onnx_int64s(to, &a.start, 1),
                                               reel_onnx_int64s(to, &end, 1), reel_onnx_int64s(to, &axis, 1)));
}

static const reel_op narrow_op = {
    .name = "narrow",
    .n_inputs = 1,
    .n_outputs = 1,
    .differentiable = 1,
    .attributes_size = sizeof(struct narrow_attributes),
    .shape = narrow_shape,
    .forward = narrow_forward,
    .vjp = narrow_vjp,
    .accumulate = narrow_accumulate,
    .cost = reel_cost_of_copy,
    .onnx = narrow_onnx,
};

reel_var reel_narrow(reel_tape *tape, reel_var x, int axis, int64_t start, int64_t length)
{
    struct narrow_attributes a = {.axis = axis, .start = start, .length = length};
    return reel_apply1(tape, &narrow_op, &x, 1, &a);
}

reel_status reel_split(reel_tape *tape, reel_var x, const int64_t *sizes, int n, int axis, reel_var *out)
{
    for (int i = 0; out && i < n; i++)
        out[i] = reel_null();
    struct reel_node *node = reel_tape_node(tape, x, "split");
    if (!node)
        return tape ? tape->context->status : REEL_ERROR_ARGUMENT;
    reel_context *c = tape->context;
    if (n > 0 && (!sizes || !out))
        return reel_fail(c, REEL_ERROR_ARGUMENT, "split: %d pieces, at a NULL pointer", n);
    if (reel_normalize_axis(c, "split", node->array.shape.ndim, &axis) != REEL_OK)
        return c->status;
    int64_t size = node->array.shape.dim[axis], left = size;
    for (int i = 0; i < n; i++) {
        if (sizes[i] < 0)
            return reel_fail(c, REEL_ERROR_SHAPE, "split: piece %d has the negative size %lld", i, (long long)sizes[i]);
        if (sizes[i] > left)
            return reel_fail(c, REEL_ERROR_SHAPE,
                             "split: the first %d pieces have more than the %lld elements of axis %d", i + 1,
                             (long long)size, axis);
        left -= sizes[i];
    }
    if (left > 0)
        return reel_fail(c, REEL_ERROR_SHAPE, "split: the pieces have %lld elements together, axis %d has %lld",
                         (long long)(size - left), axis, (long long)size);
    int64_t start = 0;
    for (int i = 0; i < n; i++) {
        out[i] = reel_narrow(tape, x, axis, start, sizes[i]);
        start += sizes[i];
    }
    for (int i = 0; i < n && c->status != REEL_OK; i++)
        out[i] = reel_null();
    return c->status;
}

int reel_chunk(reel_tape *tape, reel_var x, int chunks, int axis, reel_var *out)
{
    for (int i = 0; out && i < chunks; i++)
        out[i] = reel_null();
    struct reel_node *node = reel_tape_node(tape, x, "chunk");
    if (!node || reel_normalize_axis(tape->context, "chunk", node->array.shape.ndim, &axis) != REEL_OK)
        return 0;
    if (chunks < 1 || !out) {
        reel_fail(tape->context, REEL_ERROR_ARGUMENT,
                  chunks < 1 ? "chunk: %d chunks, at least 1 is needed" : "chunk: %d chunks, at a NULL pointer",
                  chunks);
        return 0;
    }
    int64_t size = node->array.shape.dim[axis], length = size / chunks + (size % chunks != 0);
    int count = 0;
    for (int64_t start = 0; count < chunks && (start < size || size == 0); start += length)
        out[count++] = reel_narrow(tape, x, axis, start, size - start < length ? size - start : length);
    if (tape->context->status == REEL_OK)
        return count;
    for (int i = 0; i < chunks; i++)
        out[i] = reel_null();
    return 0;
}
#else
static const struct narrow_attributes rows_1_2 = {0, 1, 2}, columns_1_2 = {1, 1, 2}, columns_0_1 = {-1, 0, 1},
                                      from_the_end = {0, -2, 2}, nothing = {1, 3, 0}, whole = {1, 0, 3},
                                      second_1_1 = {1, 1, 1}, beyond = {0, 2, 3}, start_beyond = {0, 5, 0},
                                      before_front = {0, -5, 1}, negative_length = {0, 1, -1}, axis_outside = {2, 0, 1},
                                      empty_axis = {0, 0, 0}, last_of_eight = {7, 1, 1};
static const reel_sample narrow_samples[] = {
    GOOD("rows, shared", &rows_1_2, REAL(4, 3)),
    GOOD("columns, copied", &columns_1_2, REAL(3, 4)),
    GOOD("the first column", &columns_0_1, REAL(3, 4)),
    GOOD("from the end", &from_the_end, REAL(4, 2)),
    GOOD("behind axes of size 1, shared", &columns_1_2, REAL(1, 4, 2)),
    GOOD("in the middle", &second_1_1, REAL(2, 3, 2)),
    GOOD("nothing", &nothing, REAL(2, 3)),
    GOOD("the whole axis", &whole, REAL(2, 3)),
    GOOD("of an empty axis", &empty_axis, REAL(0, 3)),
    GOOD("eight axes", &last_of_eight, REAL(2, 1, 2, 1, 1, 2, 1, 3)),
    GOOD("integers", &columns_1_2, INDEX32(7, 2, 3)),
    GOOD("bools", &columns_1_2, BOOL(2, 3)),
    REFUSED("too long", REEL_ERROR_INDEX, &beyond, REAL(4, 2)),
    REFUSED("starts behind the end", REEL_ERROR_INDEX, &start_beyond, REAL(4, 2)),
    REFUSED("starts before the front", REEL_ERROR_INDEX, &before_front, REAL(4, 2)),
    REFUSED("negative length", REEL_ERROR_INDEX, &negative_length, REAL(4, 2)),
    REFUSED("axis outside", REEL_ERROR_ARGUMENT, &axis_outside, REAL(4, 2)),
    REFUSED("a scalar", REEL_ERROR_ARGUMENT, &rows_1_2, SCALAR),
};
SAMPLES(narrow, narrow_samples);
#endif

REEL_OP_FAMILY(join, ROW(cat), ROW(narrow));
