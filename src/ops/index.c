/* Single elements picked by an index along one axis, and put back. */
#include "kern/index.h"

#include "ops/gather.h"
#include "ops/pointwise.h"

#include <reel/compare.h>
#include <reel/create.h>
#include <reel/elementwise.h>
#include <reel/gather.h>
#include <reel/join.h>
#include <reel/view.h>

#include <string.h>

/* ---- What they share ---- */

struct index_attributes {
    int axis;
};

#ifndef REEL_SAMPLES
/* The axis from the front; a scalar has one of size 1, as in PyTorch. */
static int axis_of(const reel_call *call)
{
    int axis = ((const struct index_attributes *)call->attributes)->axis;
    int ndim = call->in[0]->shape.ndim > 0 ? call->in[0]->shape.ndim : 1;
    return axis < 0 ? axis + ndim : axis;
}

/* Checks the axis, and that the index has as many axes as x and outside the axis no more elements. */
static reel_status check_index_shape(reel_call *call)
{
    const reel_shape *x = &call->in[0]->shape, *index = &call->in[1]->shape;
    int axis = ((const struct index_attributes *)call->attributes)->axis;
    if (reel_expect_index(call, 1, "the index") != REEL_OK ||
        reel_normalize_axis(call->context, call->op->name, x->ndim > 0 ? x->ndim : 1, &axis) != REEL_OK)
        return call->context->status;
    bool fits = x->ndim == index->ndim;
    for (int i = 0; fits && i < x->ndim; i++)
        fits = i == axis || index->dim[i] <= x->dim[i];
    char text_x[REEL_SHAPE_TEXT], text_index[REEL_SHAPE_TEXT];
    if (!fits)
        return reel_fail(call->context, REEL_ERROR_SHAPE,
                         "%s: the index %s does not fit into x %s: as many axes, and none larger but axis %d",
                         call->op->name, reel_shape_text(index, text_index), reel_shape_text(x, text_x), axis);
    return REEL_OK;
}

static struct reel_kern_lines lines_of(const reel_call *call)
{
    const reel_array *x = call->in[0], *index = call->in[1];
    struct reel_kern_lines lines = {.ndim = 1, .dim = {1}, .stride = {1}, .index = index->data, .wide = is_wide(index)};
    if (x->shape.ndim > 0) {
        lines.ndim = x->shape.ndim;
        lines.axis = axis_of(call);
        int64_t stride = x->numel > 0; /* the products beside a 0 need not fit */
        for (int i = lines.ndim - 1; i >= 0; i--) {
            lines.dim[i] = index->shape.dim[i];
            lines.stride[i] = stride;
            stride *= x->shape.dim[i];
        }
    }
    return lines;
}

static reel_status check_indices(const reel_call *call)
{
    const reel_shape *x = &call->in[0]->shape;
    return reel_check_index(call, call->in[1], x->ndim > 0 ? x->dim[axis_of(call)] : 1, call->op->name);
}

static const reel_op scatter_add_op;

/* A node of the inputs along the axis; a scalar has one in between. */
static reel_status index_onnx(const reel_call *call, reel_onnx *to, const char *node)
{
    bool scalar = call->in[0]->shape.ndim == 0;
    const int64_t one = 1;
    reel_onnx_value in[3];
    for (int k = 0; k < call->n_inputs; k++) {
        in[k] = reel_onnx_input(to, k);
        if (scalar)
            in[k] = REEL_ONNX_NODE(to, "Reshape", in[k], reel_onnx_int64s(to, &one, 1));
    }
    reel_onnx_set_int(to, "axis", axis_of(call));
    if (call->op == &scatter_add_op)
        reel_onnx_set_string(to, "reduction", "add");
    reel_onnx_value result = reel_onnx_node(to, node, in, call->n_inputs);
    return reel_onnx_set_output(to, 0, scalar ? REEL_ONNX_NODE(to, "Squeeze", result) : result);
}

static reel_status gather_onnx(const reel_call *call, reel_onnx *to)
{
    return index_onnx(call, to, "GatherElements");
}

static reel_status scatter_onnx(const reel_call *call, reel_onnx *to)
{
    return index_onnx(call, to, "ScatterElements");
}

static reel_cost index_cost(const reel_call *call)
{
    return (reel_cost){0, 3.0 * (double)call->in[1]->numel * (double)reel_dtype_size(call->out[0]->dtype)};
}
#else
static const struct index_attributes along_0 = {0}, along_1 = {1}, along_last = {-1}, along_2 = {2}, along_6 = {6};
#define OUTSIDE_4(...)                                                                                                 \
    {                                                                                                                  \
        .dtype = REEL_INT64, REEL_DIMS(__VA_ARGS__), .low = 4, .high = 6                                               \
    }
#define BELOW_0(...)                                                                                                   \
    {                                                                                                                  \
        .dtype = REEL_INT32, REEL_DIMS(__VA_ARGS__), .low = -3, .high = 0                                              \
    }
#define NO_AXES                                                                                                        \
    {                                                                                                                  \
        .dtype = REEL_INT64, .ndim = 0, .high = 1                                                                      \
    }
#endif

/* ---- gather ---- */

#ifndef REEL_SAMPLES
static reel_status gather_shape(reel_call *call)
{
    if (check_index_shape(call) != REEL_OK)
        return call->context->status;
    call->out[0]->shape = call->in[1]->shape;
    call->out[0]->dtype = call->in[0]->dtype;
    return REEL_OK;
}

static reel_status gather_forward(reel_call *call)
{
    if (check_indices(call) != REEL_OK)
        return call->context->status;
    struct reel_kern_lines lines = lines_of(call);
    reel_kern_gather(&lines, reel_dtype_size(call->in[0]->dtype), call->in[0]->data, call->out[0]->data,
                     call->context->num_threads);
    return REEL_OK;
}

static void gather_vjp(const reel_call *call, const reel_var *g, reel_var *grad_inputs)
{
    reel_tape *t = call->tape;
    int axis = ((const struct index_attributes *)call->attributes)->axis;
    grad_inputs[0] = reel_scatter_add(t, reel_zeros(t, call->in[0]->shape), axis, call->inputs[1], g[0]);
}

static reel_status gather_accumulate(const reel_call *call, const reel_gradient *g, reel_sink *const *sinks)
{
    bool add;
    const reel_real *values = reel_gradient_contiguous(call, &g[0]);
    reel_real *target = values ? reel_sink_target(sinks[0], &add) : NULL;
    if (!target)
        return call->context->status;
    if (!add && call->in[0]->numel > 0)
        memset(target, 0, (size_t)call->in[0]->numel * sizeof *target);
    struct reel_kern_lines lines = lines_of(call);
    reel_kern_scatter_add(&lines, REEL_REAL, values, target, call->context->num_threads);
    return REEL_OK;
}

static const reel_op gather_op = {
    .name = "gather",
    .n_inputs = 2,
    .n_outputs = 1,
    .differentiable = 1,
    .reads_inputs = 2,
    .attributes_size = sizeof(struct index_attributes),
    .shape = gather_shape,
    .forward = gather_forward,
    .vjp = gather_vjp,
    .accumulate = gather_accumulate,
    .cost = index_cost,
    .onnx = gather_onnx,
};

reel_var reel_gather(reel_tape *tape, reel_var x, int axis, reel_var index)
{
    struct index_attributes a = {axis};
    return reel_apply1(tape, &gather_op, REEL_VARS(x, index), &a);
}

reel_var reel_take_along_dim(reel_tape *tape, reel_var x, reel_var index, int axis)
{
    reel_shape from = reel_shape_of(tape, x), by = reel_shape_of(tape, index);
    if (from.ndim < 0 || by.ndim < 0)
        return reel_null();
    reel_context *c = reel_tape_context(tape);
    if (from.ndim != by.ndim || from.ndim == 0) {
        reel_fail(c, REEL_ERROR_SHAPE, "take_along_dim: x has %d axes and the index %d, they need as many", from.ndim,
                  by.ndim);
        return reel_null();
    }
    reel_shape both;
    if (reel_normalize_axis(c, "take_along_dim", from.ndim, &axis) != REEL_OK)
        return reel_null();
    reel_shape outside_x = from, outside_index = by;
    outside_x.dim[axis] = outside_index.dim[axis] = 1;
    if (reel_broadcast_shapes(c, "take_along_dim", &outside_x, &outside_index, &both) != REEL_OK)
        return reel_null();
    both.dim[axis] = from.dim[axis];
    if (!reel_shape_equal(&both, &from))
        x = reel_expand(tape, x, both);
    both.dim[axis] = by.dim[axis];
    if (!reel_shape_equal(&both, &by))
        index = reel_expand(tape, index, both);
    return reel_gather(tape, x, axis, index);
}
#else
static const reel_sample gather_samples[] = {
    GOOD("rows", &along_0, REAL(4, 3), INDEX(4, 6, 3)),
    GOOD("columns", &along_1, REAL(3, 4), INDEX(4, 3, 5)),
    GOOD("one of each row, int32", &along_last, REAL(5, 4), INDEX32(4, 5, 1)),
    GOOD("in the middle", &along_1, REAL(2, 3, 4), INDEX(3, 2, 2, 4)),
    GOOD("smaller than x", &along_1, REAL(4, 3, 5), INDEX(3, 2, 4, 3)),
    GOOD("a vector", &along_0, REAL(5), INDEX(5, 7)),
    GOOD("no axes", &along_0, SCALAR, NO_AXES),
    GOOD("no index", &along_1, REAL(3, 4), INDEX(4, 3, 0)),
    GOOD("no rows", &along_1, REAL(0, 4), INDEX(4, 0, 2)),
    GOOD("nothing of nothing", &along_0, REAL(0, 3), INDEX(1, 0, 3)),
    GOOD("eight axes", &along_6, REAL(2, 1, 2, 1, 2, 1, 3, 2), INDEX(3, 2, 1, 1, 1, 2, 1, 2, 2)),
    GOOD("int64", &along_1, INDEX(9, 2, 4), INDEX(4, 2, 3)),
    GOOD("int32", &along_0, INDEX32(9, 4, 2), INDEX(4, 3, 2)),
    GOOD("bools", &along_1, BOOL(2, 4), INDEX(4, 2, 5)),
    REFUSED("an index outside", REEL_ERROR_INDEX, &along_0, REAL(4, 3), OUTSIDE_4(2, 3)),
    REFUSED("a negative index", REEL_ERROR_INDEX, &along_0, REAL(4, 3), BELOW_0(2, 3)),
    REFUSED("an index into nothing", REEL_ERROR_INDEX, &along_0, REAL(0, 3), INDEX(1, 1, 3)),
    REFUSED("fewer axes", REEL_ERROR_SHAPE, &along_0, REAL(4, 3), INDEX(4, 2)),
    REFUSED("larger than x", REEL_ERROR_SHAPE, &along_0, REAL(4, 3), INDEX(4, 2, 4)),
    REFUSED("axis outside", REEL_ERROR_ARGUMENT, &along_2, REAL(4, 3), INDEX(4, 2, 3)),
    REFUSED("a real index", REEL_ERROR_DTYPE, &along_0, REAL(4, 3), REAL(2, 3)),
};
SAMPLES(gather, gather_samples);
#endif

/* ---- scatter_add ---- */

#ifndef REEL_SAMPLES
/* The inputs are x, the index, and values of the index's shape and x's type. */
static reel_status scatter_shape(reel_call *call)
{
    const reel_array *x = call->in[0], *index = call->in[1], *values = call->in[2];
    if (check_index_shape(call) != REEL_OK)
        return call->context->status;
    if (values->dtype != x->dtype)
        return reel_fail(call->context, REEL_ERROR_DTYPE, "%s: x is %s and the values are %s, they must be alike",
                         call->op->name, reel_dtype_name(x->dtype), reel_dtype_name(values->dtype));
    char text_values[REEL_SHAPE_TEXT], text_index[REEL_SHAPE_TEXT];
    if (!reel_shape_equal(&values->shape, &index->shape))
        return reel_fail(call->context, REEL_ERROR_SHAPE, "%s: the values are %s and the index %s", call->op->name,
                         reel_shape_text(&values->shape, text_values), reel_shape_text(&index->shape, text_index));
    call->out[0]->shape = x->shape;
    call->out[0]->dtype = x->dtype;
    return REEL_OK;
}

static reel_status scatter_add_shape(reel_call *call)
{
    if (call->in[0]->dtype == REEL_BOOL)
        return reel_fail(call->context, REEL_ERROR_DTYPE, "scatter_add: x is bool, it must be a number");
    return scatter_shape(call);
}

/* The result as a copy of x. */
static void copy_x(const reel_call *call)
{
    const reel_array *x = call->in[0];
    if (x->numel > 0)
        memcpy(call->out[0]->data, x->data, (size_t)x->numel * reel_dtype_size(x->dtype));
}

static reel_status scatter_add_forward(reel_call *call)
{
    if (check_indices(call) != REEL_OK)
        return call->context->status;
    struct reel_kern_lines lines = lines_of(call);
    copy_x(call);
    reel_kern_scatter_add(&lines, call->in[0]->dtype, call->in[2]->data, call->out[0]->data,
                          call->context->num_threads);
    return REEL_OK;
}

static void scatter_add_vjp(const reel_call *call, const reel_var *g, reel_var *grad_inputs)
{
    grad_inputs[0] = g[0];
    if (call->needed[2])
        grad_inputs[2] =
            reel_gather(call->tape, g[0], ((const struct index_attributes *)call->attributes)->axis, call->inputs[1]);
}

static const reel_op scatter_add_op = {
    .name = "scatter_add",
    .n_inputs = 3,
    .n_outputs = 1,
    .differentiable = 5,
    .reads_inputs = 2,
    .attributes_size = sizeof(struct index_attributes),
    .shape = scatter_add_shape,
    .forward = scatter_add_forward,
    .vjp = scatter_add_vjp,
    .cost = index_cost,
    .onnx = scatter_onnx,
};

/* Values that are larger than the index are cut, as in PyTorch. */
static reel_var apply_scatter(reel_tape *tape, const reel_op *op, reel_var x, int axis, reel_var index, reel_var values)
{
    struct index_attributes a = {axis};
    reel_shape have = reel_shape_of(tape, values), want = reel_shape_of(tape, index);
    for (int i = 0; have.ndim == want.ndim && i < want.ndim; i++)
        if (want.dim[i] < have.dim[i])
            values = reel_narrow(tape, values, i, 0, want.dim[i]);
    return reel_apply1(tape, op, REEL_VARS(x, index, values), &a);
}

reel_var reel_scatter_add(reel_tape *tape, reel_var x, int axis, reel_var index, reel_var values)
{
    return apply_scatter(tape, &scatter_add_op, x, axis, index, values);
}
#else
#define SCATTER_SHAPES                                                                                                 \
    GOOD("no axes", &along_0, SCALAR, NO_AXES, SCALAR),                                                                \
        GOOD("no values", &along_1, REAL(3, 4), INDEX(4, 3, 0), REAL(3, 0)),                                           \
        GOOD("no rows", &along_1, REAL(0, 4), INDEX(4, 0, 2), REAL(0, 2)),                                             \
        REFUSED("an index outside", REEL_ERROR_INDEX, &along_0, REAL(4, 3), OUTSIDE_4(2, 3), REAL(2, 3)),              \
        REFUSED("a negative index", REEL_ERROR_INDEX, &along_0, REAL(4, 3), BELOW_0(2, 3), REAL(2, 3)),                \
        REFUSED("an index into nothing", REEL_ERROR_INDEX, &along_0, REAL(0, 3), INDEX(1, 1, 3), REAL(1, 3)),          \
        REFUSED("fewer axes", REEL_ERROR_SHAPE, &along_0, REAL(4, 3), INDEX(4, 2), REAL(2)),                           \
        REFUSED("larger than x", REEL_ERROR_SHAPE, &along_0, REAL(4, 3), INDEX(4, 2, 4), REAL(2, 4)),                  \
        REFUSED("values of another shape", REEL_ERROR_SHAPE, &along_0, REAL(4, 3), INDEX(4, 2, 3), REAL(2, 2)),        \
        REFUSED("axis outside", REEL_ERROR_ARGUMENT, &along_2, REAL(4, 3), INDEX(4, 2, 3), REAL(2, 3)),                \
        REFUSED("a real index", REEL_ERROR_DTYPE, &along_0, REAL(4, 3), REAL(2, 3), REAL(2, 3)),                       \
        REFUSED("values of another type", REEL_ERROR_DTYPE, &along_0, REAL(4, 3), INDEX(4, 2, 3), INDEX(9, 2, 3))
static const reel_sample scatter_add_samples[] = {
    GOOD("rows", &along_0, REAL(4, 3), INDEX(4, 6, 3), REAL(6, 3)),
    GOOD("columns", &along_1, REAL(3, 4), INDEX(4, 3, 7), REAL(3, 7)),
    GOOD("one of each row, int32", &along_last, REAL(5, 4), INDEX32(4, 5, 1), REAL(5, 1)),
    GOOD("in the middle", &along_1, REAL(2, 3, 4), INDEX(3, 2, 5, 4), REAL(2, 5, 4)),
    GOOD("smaller than x", &along_1, REAL(4, 3, 5), INDEX(3, 2, 4, 3), REAL(2, 4, 3)),
    GOOD("a vector", &along_0, REAL(5), INDEX(5, 9), REAL(9)),
    GOOD("eight axes", &along_6, REAL(2, 1, 2, 1, 2, 1, 3, 2), INDEX(3, 2, 1, 1, 1, 2, 1, 4, 2),
         REAL(2, 1, 1, 1, 2, 1, 4, 2)),
    GOOD("int64", &along_1, SIGNED(9, 2, 4), INDEX(4, 2, 6), SIGNED(9, 2, 6)),
    GOOD("int32", &along_0, SIGNED32(9, 4, 2), INDEX(4, 6, 2), SIGNED32(9, 6, 2)),
    SCATTER_SHAPES,
    REFUSED("bools", REEL_ERROR_DTYPE, &along_0, BOOL(4), INDEX(4, 2), BOOL(2)),
};
SAMPLES(scatter_add, scatter_add_samples);
#endif

/* ---- scatter ---- */

#ifndef REEL_SAMPLES
static reel_status scatter_forward(reel_call *call)
{
    if (check_indices(call) != REEL_OK)
        return call->context->status;
    struct reel_kern_lines lines = lines_of(call);
    copy_x(call);
    reel_kern_scatter(&lines, reel_dtype_size(call->in[0]->dtype), call->in[2]->data, call->out[0]->data,
                      call->context->num_threads);
    return REEL_OK;
}

/* Where a value is the one that its place of the result kept: each writes its number along the axis, and looks whether
 * that is what it finds. */
static reel_var kept_values(const reel_call *call)
{
    reel_tape *t = call->tape;
    const reel_shape *index = &call->in[1]->shape;
    int axis = axis_of(call);
    reel_shape along = {.ndim = index->ndim};
    for (int i = 0; i < index->ndim; i++)
        along.dim[i] = i == axis ? index->dim[i] : 1;
    reel_var numbers = reel_arange_int64(t, 0, index->ndim > 0 ? index->dim[axis] : 1, 1);
    numbers = reel_expand(t, reel_reshape(t, numbers, along), *index);
    reel_var written = reel_full_int64(t, call->in[0]->shape, 0);
    written = reel_scatter(t, written, axis, call->inputs[1], numbers);
    return reel_eq(t, reel_gather(t, written, axis, call->inputs[1]), numbers);
}

static void scatter_vjp(const reel_call *call, const reel_var *g, reel_var *grad_inputs)
{
    static const reel_real zero = 0;
    reel_tape *t = call->tape;
    int axis = axis_of(call);
    if (call->needed[0])
        grad_inputs[0] = reel_scatter(t, g[0], axis, call->inputs[1], reel_zeros(t, call->in[1]->shape));
    if (call->needed[2])
        grad_inputs[2] =
            reel_where(t, kept_values(call), reel_gather(t, g[0], axis, call->inputs[1]), reel_constant(t, &zero));
}

static const reel_op scatter_op = {
    .name = "scatter",
    .n_inputs = 3,
    .n_outputs = 1,
    .differentiable = 5,
    .reads_inputs = 2,
    .attributes_size = sizeof(struct index_attributes),
    .shape = scatter_shape,
    .forward = scatter_forward,
    .vjp = scatter_vjp,
    .cost = index_cost,
    .onnx = scatter_onnx,
};

reel_var reel_scatter(reel_tape *tape, reel_var x, int axis, reel_var index, reel_var values)
{
    return apply_scatter(tape, &scatter_op, x, axis, index, values);
}
#else
static const reel_sample scatter_samples[] = {
    GOOD("rows", &along_0, REAL(4, 3), INDEX(4, 2, 3), REAL(2, 3)),
    GOOD("rows, several to one place", &along_0, REAL(3, 3), INDEX(3, 7, 3), REAL(7, 3)),
    GOOD("columns", &along_1, REAL(3, 4), INDEX(4, 3, 7), REAL(3, 7)),
    GOOD("one of each row, int32", &along_last, REAL(5, 4), INDEX32(4, 5, 1), REAL(5, 1)),
    GOOD("in the middle", &along_1, REAL(2, 3, 4), INDEX(3, 2, 5, 4), REAL(2, 5, 4)),
    GOOD("smaller than x", &along_1, REAL(4, 3, 5), INDEX(3, 2, 4, 3), REAL(2, 4, 3)),
    GOOD("eight axes", &along_6, REAL(2, 1, 2, 1, 2, 1, 3, 2), INDEX(3, 2, 1, 1, 1, 2, 1, 4, 2),
         REAL(2, 1, 1, 1, 2, 1, 4, 2)),
    GOOD("int64", &along_1, SIGNED(9, 2, 4), INDEX(4, 2, 6), SIGNED(9, 2, 6)),
    GOOD("int32", &along_0, SIGNED32(9, 4, 2), INDEX(4, 6, 2), SIGNED32(9, 6, 2)),
    GOOD("bools", &along_1, BOOL(2, 4), INDEX(4, 2, 3), BOOL(2, 3)),
    SCATTER_SHAPES,
};
SAMPLES(scatter, scatter_samples);
#endif

REEL_OP_FAMILY(index, ROW(gather), ROW(scatter_add), ROW(scatter));
