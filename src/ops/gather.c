/* Picking rows by index, and the way back: each is the other's rule. */
#include "core/rows.h"
#include "core/tape.h"
#include "files/onnx.h"
#include "kern/bfloat16.h"
#include "kern/copy.h"
#include "kern/gather.h"
#include "ops/gather.h"
#include "ops/pointwise.h"

#include <reel/compare.h>
#include <reel/create.h>
#include <reel/elementwise.h>
#include <reel/gather.h>
#include <reel/view.h>

#include <stdio.h>

#ifndef REEL_SAMPLES
reel_status reel_expect_index(reel_call *call, int k, const char *argument)
{
    reel_dtype dtype = call->in[k]->dtype;
    if (dtype == REEL_INT64 || dtype == REEL_INT32)
        return REEL_OK;
    return reel_fail(call->context, REEL_ERROR_DTYPE, "%s: %s is %s, it must be int64 or int32", call->op->name,
                     argument, reel_dtype_name(dtype));
}

reel_status reel_check_index(const reel_call *call, const reel_array *index, int64_t rows, const char *what)
{
    int64_t i = reel_kern_find_outside(index->numel, index->data, is_wide(index), rows);
    if (i < 0)
        return REEL_OK;
    char position[REEL_POSITION_TEXT], range[64];
    if (rows > 0)
        snprintf(range, sizeof range, "is outside 0..%lld", (long long)rows - 1);
    else
        snprintf(range, sizeof range, "is outside a table without rows");
    return reel_fail(call->context, REEL_ERROR_INDEX, "%s: index %lld%s %s", what,
                     (long long)reel_kern_index(index->data, is_wide(index), i),
                     reel_position_text(&index->shape, i, position), range);
}

static struct reel_kern_indices indices_of(const reel_array *index)
{
    return (struct reel_kern_indices){index->data, is_wide(index), index->numel};
}

/* Sums values [outer, count, columns] into out [outer, rows, columns] of zeros, row index[i] of each. */
static reel_status scatter(const reel_call *call, int64_t outer, const reel_array *index, int64_t columns, int64_t rows,
                           const reel_real *values, reel_real *out)
{
    reel_context *c = call->context;
    int64_t count = index->numel;
    const int64_t *indices = index->data;
    if (outer != 1 || !is_wide(index)) {
        size_t bytes = (size_t)(outer * count) * sizeof *indices;
        int64_t *made = reel_call_temporary(call, bytes);
        if (!made)
            return c->status;
        for (int64_t o = 0; o < outer; o++)
            for (int64_t i = 0; i < count; i++)
                made[o * count + i] = o * rows + reel_kern_index(index->data, is_wide(index), i);
        indices = made;
    }
    struct reel_rows list = {.indices = indices, .count = outer * count, .stride = columns, .data = values};
    struct reel_row_groups groups;
    if (reel_row_groups_make(c, &list, &groups) == REEL_OK)
        reel_row_groups_scatter(c, &groups, outer * rows, columns, false, out);
    reel_row_groups_release(c, &groups);
    return c->status;
}

static reel_cost cost_of_copy(const reel_call *call)
{
    return (reel_cost){0, 2.0 * (double)call->out[0]->numel * (double)reel_dtype_size(call->out[0]->dtype)};
}

static reel_cost cost_of_scatter(const reel_call *call)
{
    double in = (double)call->in[0]->numel, out = (double)call->out[0]->numel;
    return (reel_cost){in, (in + out) * sizeof(reel_real)};
}
#endif

/* ---- index_select and index_add ---- */

struct index_select_attributes {
    int axis;
};

/* The rule of index_select: zeros with `size` slices along the axis, to which the slices of values are added. */
struct index_add_attributes {
    int64_t size;
    int axis;
};

#ifndef REEL_SAMPLES
static reel_var index_add(reel_tape *tape, reel_var values, int axis, reel_var index, int64_t size);

/* x seen from an axis: [outer, size, inner]; outer and inner are 0 without elements. */
static void view_along(const reel_shape *shape, int axis, int64_t *outer, int64_t *inner)
{
    bool empty = reel_shape_numel(shape) == 0;
    *outer = *inner = empty ? 0 : 1;
    for (int i = 0; i < axis; i++)
        *outer *= shape->dim[i];
    for (int i = axis + 1; i < shape->ndim; i++)
        *inner *= shape->dim[i];
}

static int index_select_axis(const reel_call *call)
{
    int axis = ((const struct index_select_attributes *)call->attributes)->axis;
    return axis < 0 ? axis + call->in[0]->shape.ndim : axis;
}

static reel_status index_select_shape(reel_call *call)
{
    int axis = ((const struct index_select_attributes *)call->attributes)->axis;
    const reel_array *x = call->in[0], *index = call->in[1];
    reel_array *out = call->out[0];
    if (reel_normalize_axis(call->context, "index_select", x->shape.ndim, &axis) != REEL_OK ||
        reel_expect_index(call, 1, "the index") != REEL_OK)
        return call->context->status;
    if (index->shape.ndim != 1)
        return reel_fail(call->context, REEL_ERROR_SHAPE, "index_select: the index has %d axes, it must have one",
                         index->shape.ndim);
    out->shape = x->shape;
    out->shape.dim[axis] = index->numel;
    out->dtype = x->dtype;
    return REEL_OK;
}

static reel_status index_select_forward(reel_call *call)
{
    const reel_array *x = call->in[0], *index = call->in[1];
    int axis = index_select_axis(call);
    int64_t rows = x->shape.dim[axis], outer, inner;
    if (reel_check_index(call, index, rows, "index_select") != REEL_OK)
        return call->context->status;
    view_along(&call->out[0]->shape, axis, &outer, &inner);
    reel_kern_gather_rows(outer, rows, (size_t)inner * reel_dtype_size(x->dtype), indices_of(index), x->data,
                          call->out[0]->data, reel_get_num_threads(call->context));
    return REEL_OK;
}

static void index_select_vjp(const reel_call *call, const reel_var *grad_outputs, reel_var *grad_inputs)
{
    int axis = index_select_axis(call);
    grad_inputs[0] = index_add(call->tape, grad_outputs[0], axis, call->inputs[1], call->in[0]->shape.dim[axis]);
}

static reel_status index_select_onnx(const reel_call *call, reel_onnx *to)
{
    reel_onnx_set_int(to, "axis", index_select_axis(call));
    return reel_onnx_set_output(to, 0, REEL_ONNX_NODE(to, "Gather", reel_onnx_input(to, 0), reel_onnx_input(to, 1)));
}

static const reel_op index_select_op = {
    .name = "index_select",
    .n_inputs = 2,
    .n_outputs = 1,
    .differentiable = 1,
    .reads_inputs = 2,
    .attributes_size = sizeof(struct index_select_attributes),
    .shape = index_select_shape,
    .forward = index_select_forward,
    .vjp = index_select_vjp,
    .cost = cost_of_copy,
    .onnx = index_select_onnx,
};

reel_var reel_index_select(reel_tape *tape, reel_var x, int axis, reel_var index)
{
    struct index_select_attributes a = {axis};
    return reel_apply1(tape, &index_select_op, REEL_VARS(x, index), &a);
}

static reel_status index_add_shape(reel_call *call)
{
    const struct index_add_attributes *a = call->attributes;
    const reel_array *values = call->in[0], *index = call->in[1];
    int axis = a->axis;
    if (reel_expect_real(call, 0, "values") != REEL_OK || reel_expect_index(call, 1, "the index") != REEL_OK ||
        reel_normalize_axis(call->context, "index_add", values->shape.ndim, &axis) != REEL_OK)
        return call->context->status;
    if (index->shape.ndim != 1 || index->numel != values->shape.dim[axis] || a->size < 0) {
        char text[REEL_SHAPE_TEXT];
        return reel_fail(call->context, REEL_ERROR_SHAPE, "index_add: axis %d has %lld slices, the index %s", axis,
                         (long long)values->shape.dim[axis], reel_shape_text(&index->shape, text));
    }
    call->out[0]->shape = values->shape;
    call->out[0]->shape.dim[axis] = a->size;
    call->out[0]->dtype = REEL_REAL;
    return REEL_OK;
}

static reel_status index_add_forward(reel_call *call)
{
    const struct index_add_attributes *a = call->attributes;
    const reel_array *index = call->in[1];
    int64_t outer, inner;
    int axis = a->axis < 0 ? a->axis + call->in[0]->shape.ndim : a->axis;
    if (reel_check_index(call, index, a->size, "index_add") != REEL_OK)
        return call->context->status;
    if (call->out[0]->numel == 0)
        return REEL_OK;
    view_along(&call->out[0]->shape, axis, &outer, &inner);
    return scatter(call, outer, index, inner, a->size, call->in[0]->data, call->out[0]->data);
}

static void index_add_vjp(const reel_call *call, const reel_var *grad_outputs, reel_var *grad_inputs)
{
    const struct index_add_attributes *a = call->attributes;
    grad_inputs[0] = reel_index_select(call->tape, grad_outputs[0], a->axis, call->inputs[1]);
}

/* Zeros of the result's shape. */
static reel_onnx_value zeros_onnx(reel_onnx *to)
{
    return REEL_ONNX_NODE(to, "Expand", reel_onnx_number(to, REEL_REAL, 0), reel_onnx_output_shape(to, 0));
}

/* The index stands at every element of its slice. */
static reel_status index_add_onnx(const reel_call *call, reel_onnx *to)
{
    const struct index_add_attributes *a = call->attributes;
    int ndim = call->in[0]->shape.ndim, axis = a->axis < 0 ? a->axis + ndim : a->axis;
    if (call->in[0]->numel == 0)
        return reel_onnx_set_output(to, 0, zeros_onnx(to));
    reel_onnx_value values = reel_onnx_input(to, 0);
    int64_t along[REEL_MAX_NDIM];
    for (int i = 0; i < ndim; i++)
        along[i] = i == axis ? -1 : 1;
    reel_onnx_value index = REEL_ONNX_NODE(to, "Reshape", reel_onnx_input(to, 1), reel_onnx_int64s(to, along, ndim));
    index = REEL_ONNX_NODE(to, "Expand", index, REEL_ONNX_NODE(to, "Shape", values));
    reel_onnx_value zeros = zeros_onnx(to);
    reel_onnx_set_int(to, "axis", axis);
    reel_onnx_set_string(to, "reduction", "add");
    return reel_onnx_set_output(to, 0, REEL_ONNX_NODE(to, "ScatterElements", zeros, index, values));
}

static const reel_op index_add_op = {
    .name = "index_add",
    .n_inputs = 2,
    .n_outputs = 1,
    .differentiable = 1,
    .reads_inputs = 2,
    .attributes_size = sizeof(struct index_add_attributes),
    .shape = index_add_shape,
    .forward = index_add_forward,
    .vjp = index_add_vjp,
    .cost = cost_of_scatter,
    .onnx = index_add_onnx,
};

static reel_var index_add(reel_tape *tape, reel_var values, int axis, reel_var index, int64_t size)
{
    struct index_add_attributes a = {.size = size, .axis = axis};
    return reel_apply1(tape, &index_add_op, REEL_VARS(values, index), &a);
}
#else
static const struct index_select_attributes along_0 = {0}, along_1 = {1}, along_last = {-1}, along_2 = {2};
static const reel_sample index_select_samples[] = {
    GOOD("rows", &along_0, REAL(4, 3), INDEX(4, 6)),
    GOOD("columns", &along_1, REAL(2, 3), INDEX(3, 5)),
    GOOD("in the middle, int32", &along_1, REAL(2, 3, 2), INDEX32(3, 4)),
    GOOD("counted from the end", &along_last, REAL(2, 2, 3), INDEX(3, 2)),
    GOOD("of a vector", &along_0, REAL(5), INDEX(5, 3)),
    GOOD("an axis of size 1", &along_0, REAL(1, 3), INDEX(1, 4)),
    GOOD("nothing", &along_0, REAL(4, 3), INDEX(4, 0)),
    GOOD("nothing of nothing", &along_0, REAL(0, 3), INDEX(1, 0)),
    GOOD("empty rows", &along_0, REAL(3, 0), INDEX(3, 2)),
    GOOD("another axis is empty", &along_1, REAL(0, 3), INDEX(3, 2)),
    GOOD("eight axes", &along_1, REAL(2, 3, 1, 2, 1, 1, 1, 2), INDEX(3, 2)),
    GOOD("of integers", &along_1, INDEX(9, 2, 3), INDEX(3, 2)),
    GOOD("of bools", &along_0, BOOL(3, 2), INDEX32(3, 4)),
    REFUSED("an index outside", REEL_ERROR_INDEX, &along_0, REAL(4, 3),
            {.dtype = REEL_INT64, REEL_DIMS(3), .low = 4, .high = 6}),
    REFUSED("a negative index", REEL_ERROR_INDEX, &along_0, REAL(4, 3),
            {.dtype = REEL_INT32, REEL_DIMS(3), .low = -3, .high = 0}),
    REFUSED("an index into nothing", REEL_ERROR_INDEX, &along_0, REAL(0, 3), INDEX(1, 2)),
    REFUSED("axis outside", REEL_ERROR_ARGUMENT, &along_2, REAL(4, 3), INDEX(3, 2)),
    REFUSED("a scalar", REEL_ERROR_ARGUMENT, &along_0, SCALAR, INDEX(1, 1)),
    REFUSED("an index with two axes", REEL_ERROR_SHAPE, &along_0, REAL(4, 3), INDEX(4, 2, 2)),
    REFUSED("a real index", REEL_ERROR_DTYPE, &along_0, REAL(4, 3), REAL(2)),
};

static const struct index_add_attributes add_4_0 = {4, 0}, add_3_1 = {3, 1}, add_3_last = {3, -1}, add_0_0 = {0, 0},
                                         add_3_2 = {3, 2};
static const reel_sample index_add_samples[] = {
    GOOD("rows", &add_4_0, REAL(6, 3), INDEX(4, 6)),
    GOOD("columns", &add_3_1, REAL(2, 5), INDEX(3, 5)),
    GOOD("in the middle, int32", &add_3_1, REAL(2, 4, 2), INDEX32(3, 4)),
    GOOD("counted from the end", &add_3_last, REAL(2, 2, 2), INDEX(3, 2)),
    GOOD("nothing", &add_4_0, REAL(0, 3), INDEX(4, 0)),
    GOOD("to nothing", &add_0_0, REAL(0, 3), INDEX(1, 0)),
    GOOD("empty rows", &add_4_0, REAL(2, 0), INDEX(4, 2)),
    REFUSED("an index outside", REEL_ERROR_INDEX, &add_4_0, REAL(3, 2),
            {.dtype = REEL_INT64, REEL_DIMS(3), .low = 4, .high = 6}),
    REFUSED("another count", REEL_ERROR_SHAPE, &add_4_0, REAL(3, 2), INDEX(4, 2)),
    REFUSED("axis outside", REEL_ERROR_ARGUMENT, &add_3_2, REAL(3, 2), INDEX(3, 2)),
    REFUSED("integers", REEL_ERROR_DTYPE, &add_4_0, INDEX(2, 3, 2), INDEX(4, 3)),
};
SAMPLES(index_select, index_select_samples);
SAMPLES(index_add, index_add_samples);
#endif

/* ---- Weights of a lookup's gradient ---- */

#ifndef REEL_SAMPLES
reel_status reel_weigh_by_frequency(const reel_call *call, const int64_t *indices, int64_t count, reel_real *weights)
{
    /* The rows that are grouped are the places where the weights go. */
    struct reel_rows list = {.indices = indices, .count = count, .stride = 1, .data = weights};
    struct reel_row_groups groups;
    if (reel_row_groups_make(call->context, &list, &groups) == REEL_OK)
        for (int64_t g = 0; g < groups.count; g++) {
            reel_real weight = 1 / (reel_real)(groups.starts[g + 1] - groups.starts[g]);
            for (int64_t i = groups.starts[g]; i < groups.starts[g + 1]; i++)
                *(reel_real *)(uintptr_t)groups.occurrences[i].values = weight;
        }
    reel_row_groups_release(call->context, &groups);
    return call->context->status;
}

int64_t *reel_copy_indices(const reel_call *call, const reel_array *index, int64_t padding)
{
    int64_t *indices = reel_call_allocate(call, (size_t)index->numel * sizeof *indices);
    for (int64_t i = 0; indices && i < index->numel; i++) {
        int64_t row = reel_kern_index(index->data, is_wide(index), i);
        indices[i] = row == padding ? -1 : row;
    }
    return indices;
}

static reel_status frequency_weights_shape(reel_call *call)
{
    if (reel_expect_index(call, 0, "the index") != REEL_OK)
        return call->context->status;
    call->out[0]->shape = call->in[0]->shape;
    call->out[0]->dtype = REEL_REAL;
    return REEL_OK;
}

static reel_status frequency_weights_forward(reel_call *call)
{
    const reel_array *index = call->in[0];
    if (reel_check_index(call, index, INT64_MAX, "frequency_weights") != REEL_OK)
        return call->context->status;
    const int64_t *indices = is_wide(index) ? index->data : reel_copy_indices(call, index, -1);
    return indices ? reel_weigh_by_frequency(call, indices, index->numel, call->out[0]->data) : call->context->status;
}

static const reel_op frequency_weights_op = {
    .name = "frequency_weights",
    .n_inputs = 1,
    .n_outputs = 1,
    .derivative = REEL_DERIVATIVE_NONE,
    .shape = frequency_weights_shape,
    .forward = frequency_weights_forward,
    .cost = reel_pointwise_cost,
};

reel_var reel_frequency_weights(reel_tape *tape, reel_var index)
{
    return reel_apply1(tape, &frequency_weights_op, &index, 1, NULL);
}
#else
static const reel_sample frequency_weights_samples[] = {
    GOOD("int64", NULL, INDEX(4, 3, 3)),
    GOOD("int32", NULL, INDEX32(3, 7)),
    GOOD("nothing", NULL, INDEX(3, 0)),
    REFUSED("a negative index", REEL_ERROR_INDEX, NULL, {.dtype = REEL_INT64, REEL_DIMS(3), .low = -3, .high = 0}),
    REFUSED("reals", REEL_ERROR_DTYPE, NULL, REAL(3)),
};
SAMPLES(frequency_weights, frequency_weights_samples);
#endif

/* ---- embedding ---- */

struct embedding_attributes {
    int64_t padding; /* the row without gradient, or -1 */
    bool scale;
};

#ifndef REEL_SAMPLES
static reel_status embedding_shape(reel_call *call)
{
    const reel_array *weight = call->in[0], *index = call->in[1];
    const struct embedding_attributes *a = call->attributes;
    if ((weight->dtype != REEL_BFLOAT16 && reel_expect_real(call, 0, "the weight") != REEL_OK) ||
        reel_expect_index(call, 1, "the index") != REEL_OK)
        return call->context->status;
    int ndim = index->shape.ndim + weight->shape.ndim - 1;
    if (weight->shape.ndim == 0 || ndim > REEL_MAX_NDIM)
        return reel_fail(call->context, REEL_ERROR_SHAPE,
                         "embedding: a weight with %d axes and an index with %d; the weight needs at least one, and "
                         "the result would have %d",
                         weight->shape.ndim, index->shape.ndim, ndim);
    if (a->padding < -1 || a->padding >= weight->shape.dim[0])
        return reel_fail(call->context, REEL_ERROR_ARGUMENT, "embedding: padding_idx %lld is outside the %lld rows",
                         (long long)a->padding, (long long)weight->shape.dim[0]);
    reel_array *out = call->out[0];
    out->shape = index->shape;
    out->shape.ndim = ndim;
    for (int i = 1; i < weight->shape.ndim; i++)
        out->shape.dim[index->shape.ndim + i - 1] = weight->shape.dim[i];
    out->dtype = REEL_REAL;
    return REEL_OK;
}

static reel_status embedding_forward(reel_call *call)
{
    const reel_array *weight = call->in[0], *index = call->in[1];
    int64_t rows = weight->shape.dim[0];
    if (reel_check_index(call, index, rows, "embedding") != REEL_OK || reel_call_read_rows(call, 0, index) != REEL_OK)
        return call->context->status;
    if (call->out[0]->numel == 0)
        return REEL_OK;
    const int64_t columns = weight->numel / rows;
    if (weight->dtype == REEL_BFLOAT16)
        reel_kern_gather_narrow(columns, indices_of(index), weight->data, call->out[0]->data,
                                reel_get_num_threads(call->context));
    else
        reel_kern_gather_rows(1, rows, (size_t)columns * sizeof(reel_real), indices_of(index), weight->data,
                              call->out[0]->data, reel_get_num_threads(call->context));
    return REEL_OK;
}

/* v of index's shape with axes of size 1 behind, so that it broadcasts to the rows. */
static reel_var beside_rows(const reel_call *call, reel_var v)
{
    reel_shape shape = call->in[1]->shape;
    while (shape.ndim < call->out[0]->shape.ndim)
        shape.dim[shape.ndim++] = 1;
    return reel_reshape(call->tape, v, shape);
}

static void embedding_vjp(const reel_call *call, const reel_var *grad_outputs, reel_var *grad_inputs)
{
    const struct embedding_attributes *a = call->attributes;
    reel_tape *t = call->tape;
    reel_var grad = grad_outputs[0], index = call->inputs[1];
    if (a->scale)
        grad = reel_mul(t, grad, beside_rows(call, reel_frequency_weights(t, index)));
    if (a->padding >= 0) {
        reel_var kept = reel_ne_scalar(t, beside_rows(call, index), (double)a->padding);
        grad = reel_where(t, kept, grad, reel_zeros(t, reel_shape_make(0, NULL)));
    }
    grad_inputs[0] = reel_scatter_add_rows(t, grad, index, call->in[0]->shape.dim[0]);
}

reel_status reel_gradient_as_rows(const reel_call *call, const reel_gradient *gradient, int64_t rows, int64_t columns,
                                  reel_gradient *out)
{
    *out = (reel_gradient){gradient->data, rows, columns, columns, gradient->block};
    bool contiguous = gradient->rows <= 1 || gradient->stride == gradient->columns;
    if (!contiguous && gradient->columns == columns)
        out->stride = gradient->stride;
    else if (!contiguous) {
        reel_real *copy = reel_call_temporary(call, (size_t)(rows * columns) * sizeof *copy);
        if (!copy)
            return call->context->status;
        reel_kern_copy_rows(gradient->rows, gradient->columns, gradient->data, gradient->stride, copy,
                            gradient->columns);
        out->data = copy;
        out->block = reel_temporary_block(copy);
    }
    return REEL_OK;
}

static reel_status embedding_accumulate(const reel_call *call, const reel_gradient *grad_outputs,
                                        reel_sink *const *sinks)
{
    const struct embedding_attributes *a = call->attributes;
    const reel_array *weight = call->in[0], *index = call->in[1];
    int64_t rows = weight->shape.dim[0], columns = rows > 0 ? weight->numel / rows : 0;
    reel_gradient given;
    if (reel_gradient_as_rows(call, &grad_outputs[0], index->numel, columns, &given) != REEL_OK)
        return call->context->status;
    const int64_t *indices = index->data;
    if ((!is_wide(index) || a->padding >= 0) && !(indices = reel_copy_indices(call, index, a->padding)))
        return call->context->status;
    if (a->scale) {
        reel_real *weights = reel_call_temporary(call, (size_t)index->numel * sizeof *weights);
        reel_real *scaled = reel_call_temporary(call, (size_t)call->out[0]->numel * sizeof *scaled);
        if (!weights || !scaled || reel_weigh_by_frequency(call, indices, index->numel, weights) != REEL_OK)
            return call->context->status;
        reel_kern_scale_rows(index->numel, columns, weights, given.data, given.stride, scaled,
                             reel_get_num_threads(call->context));
        given.data = scaled;
        given.stride = columns;
        given.block = reel_temporary_block(scaled);
    }
    return reel_sink_rows(sinks[0], index->numel, indices, NULL, &given);
}

static reel_status embedding_onnx(const reel_call *call, reel_onnx *to)
{
    (void)call;
    return reel_onnx_set_output(to, 0, REEL_ONNX_NODE(to, "Gather", reel_onnx_input(to, 0), reel_onnx_input(to, 1)));
}

static const reel_op embedding_op = {
    .name = "embedding",
    .n_inputs = 2,
    .n_outputs = 1,
    .differentiable = 1,
    .reads_inputs = 2,
    .reads_rows = 1,
    .attributes_size = sizeof(struct embedding_attributes),
    .shape = embedding_shape,
    .forward = embedding_forward,
    .vjp = embedding_vjp,
    .accumulate = embedding_accumulate,
    .cost = cost_of_copy,
    .onnx = embedding_onnx,
};

/* With padding_idx or scale_grad_by_freq the gradient is not the derivative, as in PyTorch. */
static const reel_op embedding_padding_op = {
    .name = "embedding_padding",
    .n_inputs = 2,
    .n_outputs = 1,
    .differentiable = 1,
    .reads_inputs = 2,
    .reads_rows = 1,
    .derivative = REEL_DERIVATIVE_REFERENCE,
    .attributes_size = sizeof(struct embedding_attributes),
    .shape = embedding_shape,
    .forward = embedding_forward,
    .vjp = embedding_vjp,
    .accumulate = embedding_accumulate,
    .cost = cost_of_copy,
    .onnx = embedding_onnx,
};

reel_status reel_padding_row(reel_tape *tape, const char *what, reel_var weight, int64_t padding_idx, int64_t *row)
{
    *row = -1;
    if (padding_idx == REEL_NO_PADDING)
        return REEL_OK;
    reel_shape table = reel_shape_of(tape, weight);
    int64_t rows = table.ndim > 0 ? table.dim[0] : 0;
    if (table.ndim < 0)
        return reel_context_status(reel_tape_context(tape));
    if (padding_idx < -rows || padding_idx >= rows)
        return reel_fail(tape->context, REEL_ERROR_ARGUMENT, "%s: padding_idx %lld is outside %lld..%lld", what,
                         (long long)padding_idx, (long long)-rows, (long long)rows - 1);
    *row = padding_idx < 0 ? padding_idx + rows : padding_idx;
    return REEL_OK;
}

reel_embedding_lookup_options reel_embedding_lookup_defaults(void)
{
    return (reel_embedding_lookup_options){.mark = REEL_OPTIONS_MARK(reel_embedding_lookup_options),
                                           .padding_idx = REEL_NO_PADDING,
                                           .scale_grad_by_freq = false};
}

reel_var reel_embedding(reel_tape *tape, reel_var weight, reel_var index, const reel_embedding_lookup_options *options)
{
    struct embedding_attributes a = {.padding = -1, .scale = false};
    if (options) {
        reel_embedding_lookup_options o = reel_embedding_lookup_defaults();
        if (reel_options_take(reel_tape_context(tape), "embedding_lookup", options, &o) != REEL_OK ||
            reel_padding_row(tape, "embedding", weight, o.padding_idx, &a.padding) != REEL_OK)
            return reel_null();
        a.scale = o.scale_grad_by_freq;
    }
    const reel_op *op = a.padding >= 0 || a.scale ? &embedding_padding_op : &embedding_op;
    return reel_apply1(tape, op, REEL_VARS(weight, index), &a);
}
#else
static const struct embedding_attributes pad_1 = {1, false}, scaled = {-1, true}, pad_0_scaled = {0, true},
                                         pad_4 = {4, false};
static const struct embedding_attributes plain = {-1, false};
static const reel_sample embedding_samples[] = {
    GOOD("a batch of indices", &plain, REAL(5, 3), INDEX(5, 7)),
    GOOD("int32", &plain, REAL(5, 3), INDEX32(5, 7)),
    GOOD("indices with two axes", &plain, REAL(4, 2), INDEX(4, 2, 3)),
    GOOD("one index without axes", &plain, REAL(4, 2), {.dtype = REEL_INT64, .ndim = 0, .high = 4}),
    GOOD("rows with two axes", &plain, REAL(3, 2, 2), INDEX(3, 4)),
    GOOD("rows without axes", &plain, REAL(5), INDEX(5, 2, 3)),
    GOOD("one row", &plain, REAL(1, 3), INDEX(1, 4)),
    GOOD("no index", &plain, REAL(4, 2), INDEX(4, 0)),
    GOOD("no index, two axes", &plain, REAL(4, 2), INDEX32(4, 3, 0)),
    GOOD("an empty table, no index", &plain, REAL(0, 2), INDEX(1, 0)),
    GOOD("empty rows", &plain, REAL(4, 0), INDEX(4, 3)),
    GOOD("eight axes", &plain, REAL(3, 2, 1, 2), INDEX(3, 1, 2, 1, 2, 1)),
    REFUSED("an index outside", REEL_ERROR_INDEX, &plain, REAL(4, 2),
            {.dtype = REEL_INT64, REEL_DIMS(3), .low = 4, .high = 6}),
    REFUSED("a negative index", REEL_ERROR_INDEX, &plain, REAL(4, 2),
            {.dtype = REEL_INT32, REEL_DIMS(2, 2), .low = -3, .high = 0}),
    REFUSED("an index into an empty table", REEL_ERROR_INDEX, &plain, REAL(0, 2), INDEX(1, 3)),
    REFUSED("a table without axes", REEL_ERROR_SHAPE, &plain, SCALAR, INDEX(1, 3)),
    REFUSED("nine axes", REEL_ERROR_SHAPE, &plain, REAL(3, 1, 1, 1, 2), INDEX(3, 1, 1, 1, 1, 2)),
    REFUSED("a real index", REEL_ERROR_DTYPE, &plain, REAL(4, 2), REAL(3)),
    REFUSED("a bool index", REEL_ERROR_DTYPE, &plain, REAL(4, 2), BOOL(3)),
    REFUSED("an integer table", REEL_ERROR_DTYPE, &plain, INDEX(2, 4, 2), INDEX(4, 3)),
};
static const reel_sample embedding_padding_samples[] = {
    GOOD("padding", &pad_1, REAL(4, 3), INDEX(4, 9)),
    GOOD("padding, int32, two axes", &pad_1, REAL(4, 3), INDEX32(4, 3, 4)),
    GOOD("scaled by frequency", &scaled, REAL(4, 3), INDEX(4, 9)),
    GOOD("scaled, rows without axes", &scaled, REAL(3), INDEX32(3, 2, 4)),
    GOOD("both", &pad_0_scaled, REAL(3, 2, 2), INDEX(3, 8)),
    GOOD("no index", &pad_0_scaled, REAL(3, 2), INDEX(3, 0)),
    GOOD("empty rows", &pad_0_scaled, REAL(3, 0), INDEX(3, 4)),
    REFUSED("padding outside", REEL_ERROR_ARGUMENT, &pad_4, REAL(4, 3), INDEX(4, 3)),
    REFUSED("an index outside", REEL_ERROR_INDEX, &pad_1, REAL(4, 2),
            {.dtype = REEL_INT64, REEL_DIMS(3), .low = 4, .high = 6}),
};
SAMPLES(embedding, embedding_samples);
SAMPLES(embedding_padding, embedding_padding_samples);
#endif

/* ---- scatter_add_rows ---- */

struct scatter_attributes {
    int64_t rows;
};

#ifndef REEL_SAMPLES
static reel_status scatter_shape(reel_call *call)
{
    const reel_array *values = call->in[0], *index = call->in[1];
    int64_t rows = ((const struct scatter_attributes *)call->attributes)->rows;
    if (reel_expect_real(call, 0, "values") != REEL_OK || reel_expect_index(call, 1, "the index") != REEL_OK)
        return call->context->status;
    if (rows < 0)
        return reel_fail(call->context, REEL_ERROR_ARGUMENT, "scatter_add_rows: rows %lld is negative",
                         (long long)rows);
    int lead = index->shape.ndim;
    bool fits = values->shape.ndim >= lead && values->shape.ndim - lead < REEL_MAX_NDIM;
    for (int i = 0; fits && i < lead; i++)
        fits = values->shape.dim[i] == index->shape.dim[i];
    if (!fits) {
        char of_values[REEL_SHAPE_TEXT], of_index[REEL_SHAPE_TEXT];
        return reel_fail(call->context, REEL_ERROR_SHAPE, "scatter_add_rows: values %s do not begin with index's %s",
                         reel_shape_text(&values->shape, of_values), reel_shape_text(&index->shape, of_index));
    }
    reel_array *out = call->out[0];
    out->shape.ndim = values->shape.ndim - lead + 1;
    out->shape.dim[0] = rows;
    for (int i = 1; i < out->shape.ndim; i++)
        out->shape.dim[i] = values->shape.dim[lead + i - 1];
    out->dtype = REEL_REAL;
    return REEL_OK;
}

static reel_status scatter_forward(reel_call *call)
{
    int64_t rows = ((const struct scatter_attributes *)call->attributes)->rows;
    if (reel_check_index(call, call->in[1], rows, "scatter_add_rows") != REEL_OK)
        return call->context->status;
    if (call->out[0]->numel == 0)
        return REEL_OK;
    return scatter(call, 1, call->in[1], call->out[0]->numel / rows, rows, call->in[0]->data, call->out[0]->data);
}

static void scatter_vjp(const reel_call *call, const reel_var *grad_outputs, reel_var *grad_inputs)
{
    grad_inputs[0] = reel_embedding(call->tape, grad_outputs[0], call->inputs[1], NULL);
}

static reel_status scatter_accumulate(const reel_call *call, const reel_gradient *grad_outputs, reel_sink *const *sinks)
{
    const reel_gradient *g = &grad_outputs[0];
    const reel_array *index = call->in[1];
    int64_t rows = ((const struct scatter_attributes *)call->attributes)->rows;
    int64_t columns = rows > 0 ? call->out[0]->numel / rows : 0;
    bool keep = g->columns == columns;
    const reel_real *table = keep ? g->data : reel_gradient_contiguous(call, g);
    bool add;
    reel_real *target = table ? reel_sink_target(sinks[0], &add) : NULL;
    if (!target)
        return call->context->status;
    reel_kern_gather_reals(columns, indices_of(index), table, keep ? g->stride : columns, add, target,
                           reel_get_num_threads(call->context));
    return REEL_OK;
}

static reel_status scatter_onnx(const reel_call *call, reel_onnx *to)
{
    reel_onnx_value values = reel_onnx_input(to, 0), index = reel_onnx_input(to, 1);
    if (call->in[1]->dtype != REEL_INT64)
        index = reel_onnx_cast(to, index, REEL_INT64);
    index = REEL_ONNX_NODE(to, "Unsqueeze", index, reel_onnx_int64s(to, (const int64_t[]){-1}, 1));
    reel_onnx_value zeros = zeros_onnx(to);
    reel_onnx_set_string(to, "reduction", "add");
    return reel_onnx_set_output(to, 0, REEL_ONNX_NODE(to, "ScatterND", zeros, index, values));
}

static const reel_op scatter_op = {
    .name = "scatter_add_rows",
    .n_inputs = 2,
    .n_outputs = 1,
    .differentiable = 1,
    .reads_inputs = 2,
    .attributes_size = sizeof(struct scatter_attributes),
    .shape = scatter_shape,
    .forward = scatter_forward,
    .vjp = scatter_vjp,
    .accumulate = scatter_accumulate,
    .cost = cost_of_scatter,
    .onnx = scatter_onnx,
};

reel_var reel_scatter_add_rows(reel_tape *tape, reel_var values, reel_var index, int64_t rows)
{
    struct scatter_attributes a = {rows};
    return reel_apply1(tape, &scatter_op, REEL_VARS(values, index), &a);
}
#else
static const struct scatter_attributes rows_5 = {5}, rows_0 = {0}, rows_negative = {-1};
static const reel_sample scatter_samples[] = {
    GOOD("rows", &rows_5, REAL(7, 3), INDEX(5, 7)),
    GOOD("int32", &rows_5, REAL(4, 2), INDEX32(5, 4)),
    GOOD("indices with two axes", &rows_5, REAL(2, 3, 2), INDEX(5, 2, 3)),
    GOOD("one index without axes", &rows_5, REAL(3), {.dtype = REEL_INT64, .ndim = 0, .high = 5}),
    GOOD("rows without axes", &rows_5, REAL(2, 3), INDEX(5, 2, 3)),
    GOOD("all into one row", &rows_5, REAL(6, 2), {.dtype = REEL_INT64, REEL_DIMS(6), .low = 2, .high = 3}),
    GOOD("nothing", &rows_5, REAL(0, 3), INDEX(5, 0)),
    GOOD("empty rows", &rows_5, REAL(3, 0), INDEX(5, 3)),
    GOOD("to no rows", &rows_0, REAL(0, 3), INDEX(1, 0)),
    GOOD("eight axes", &rows_5, REAL(1, 2, 1, 2, 1, 2, 1, 2), INDEX(5, 1, 2, 1, 2)),
    REFUSED("an index outside", REEL_ERROR_INDEX, &rows_5, REAL(3, 2),
            {.dtype = REEL_INT64, REEL_DIMS(3), .low = 5, .high = 9}),
    REFUSED("a negative index", REEL_ERROR_INDEX, &rows_5, REAL(3, 2),
            {.dtype = REEL_INT32, REEL_DIMS(3), .low = -2, .high = 0}),
    REFUSED("an index into no rows", REEL_ERROR_INDEX, &rows_0, REAL(3, 2), INDEX(1, 3)),
    REFUSED("values of another count", REEL_ERROR_SHAPE, &rows_5, REAL(3, 2), INDEX(5, 4)),
    REFUSED("fewer axes than the index", REEL_ERROR_SHAPE, &rows_5, REAL(3), INDEX(5, 3, 1)),
    REFUSED("a negative number of rows", REEL_ERROR_ARGUMENT, &rows_negative, REAL(3, 2), INDEX(5, 3)),
    REFUSED("integers", REEL_ERROR_DTYPE, &rows_5, INDEX(2, 3, 2), INDEX(5, 3)),
    REFUSED("a real index", REEL_ERROR_DTYPE, &rows_5, REAL(3, 2), REAL(3)),
};
SAMPLES(scatter, scatter_samples);
#endif

REEL_OP_FAMILY(gather, ROW(index_select), ROW(index_add), ROW(frequency_weights), ROW(embedding),
               ROW(embedding_padding), ROW(scatter));
