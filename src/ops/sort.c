/* Sorting along an axis, and the largest or smallest elements with their places. */
#include "kern/sort.h"

#include "kern/index.h"
#include "ops/family.h"

#include <reel/create.h>
#include <reel/gather.h>
#include <reel/reduce.h>
#include <reel/sort.h>
#include <reel/view.h>

/* ---- sort ---- */

struct sort_attributes {
    int axis;
    bool descending;
    int64_t k; /* the first so many of each line; -1: all */
};

#ifndef REEL_SAMPLES
/* x seen from the axis: [outer, n, inner], where a scalar is [1, 1, 1]; outer and inner are 0 without elements. */
struct sort_view {
    int axis;
    int64_t outer, n, inner;
};

static struct sort_view view_of(const reel_call *call)
{
    const reel_array *x = call->in[0];
    const int ndim = x->shape.ndim, axis = ((const struct sort_attributes *)call->attributes)->axis;
    struct sort_view v = {.axis = axis < 0 ? axis + (ndim > 0 ? ndim : 1) : axis, .n = 1};
    v.outer = v.inner = x->numel > 0;
    for (int i = 0; i < ndim; i++)
        *(i < v.axis ? &v.outer : i == v.axis ? &v.n : &v.inner) *= x->shape.dim[i];
    return v;
}

static reel_status sort_shape(reel_call *call)
{
    const struct sort_attributes *a = call->attributes;
    const reel_array *x = call->in[0];
    const int ndim = x->shape.ndim;
    int axis = a->axis;
    if (reel_normalize_axis(call->context, "sort", ndim > 0 ? ndim : 1, &axis) != REEL_OK)
        return call->context->status;
    int64_t size = ndim > 0 ? x->shape.dim[axis] : 1;
    if (a->k < -1 || a->k > size)
        return reel_fail(call->context, REEL_ERROR_ARGUMENT, "sort: the first %lld of an axis that has %lld",
                         (long long)a->k, (long long)size);
    if (ndim == 0 && a->k == 0)
        return reel_fail(call->context, REEL_ERROR_ARGUMENT, "sort: nothing of a scalar");
    for (int i = 0; i < 2; i++) {
        call->out[i]->shape = x->shape;
        if (ndim > 0 && a->k >= 0)
            call->out[i]->shape.dim[axis] = a->k;
    }
    call->out[0]->dtype = x->dtype;
    call->out[1]->dtype = REEL_INT64;
    return REEL_OK;
}

static reel_status sort_forward(reel_call *call)
{
    const struct sort_attributes *a = call->attributes;
    const reel_array *x = call->in[0];
    const struct sort_view v = view_of(call);
    const int64_t k = a->k < 0 ? v.n : a->k;
    int threads = call->context->num_threads;
    if (call->out[0]->numel == 0)
        return REEL_OK;
    size_t keys = (size_t)reel_kern_sort_lines_room(v.n, k) * (size_t)threads;
    struct reel_kern_key *room = reel_call_temporary(call, keys * sizeof *room);
    if (!room)
        return call->context->status;
    reel_kern_sort_lines(x->dtype, v.outer, v.n, v.inner, k, a->descending, x->data, call->out[1]->data, room, threads);
    const struct reel_kern_lines lines = {.ndim = 3,
                                          .axis = 1,
                                          .dim = {v.outer, k, v.inner},
                                          .stride = {v.n * v.inner, v.inner, 1},
                                          .index = call->out[1]->data,
                                          .wide = true};
    reel_kern_gather(&lines, reel_dtype_size(x->dtype), x->data, call->out[0]->data, threads);
    return REEL_OK;
}

static void sort_vjp(const reel_call *call, const reel_var *g, reel_var *grad_inputs)
{
    reel_tape *t = call->tape;
    if (!reel_is_null(g[0]))
        grad_inputs[0] =
            reel_scatter_add(t, reel_zeros(t, call->in[0]->shape), view_of(call).axis, call->outputs[1], g[0]);
}

static reel_cost sort_cost(const reel_call *call)
{
    double n = (double)call->in[0]->numel, k = (double)call->out[0]->numel;
    size_t element = reel_dtype_size(call->in[0]->dtype);
    return (reel_cost){0, n * (double)element + k * (double)(element + sizeof(int64_t))};
}

static reel_status sort_onnx(const reel_call *call, reel_onnx *to)
{
    const struct sort_attributes *a = call->attributes;
    const reel_array *x = call->in[0];
    const struct sort_view v = view_of(call);
    const int64_t one = 1, axis = v.axis;
    reel_onnx_value in[2] = {reel_onnx_input(to, 0), 0}, values = in[0];
    if (x->shape.ndim == 0)
        values = in[0] = REEL_ONNX_NODE(to, "Reshape", in[0], reel_onnx_int64s(to, &one, 1));
    if (x->dtype == REEL_BOOL)
        in[0] = reel_onnx_cast(to, in[0], REEL_INT32);
    if (x->shape.ndim == 0)
        in[1] = reel_onnx_int64s(to, &one, 1);
    else
        in[1] = REEL_ONNX_NODE(to, "Gather", reel_onnx_output_shape(to, 0), reel_onnx_int64s(to, &axis, 1));
    reel_onnx_set_int(to, "axis", axis);
    reel_onnx_set_int(to, "largest", a->descending);
    reel_onnx_take_output(to, 1);
    reel_onnx_value indices = reel_onnx_node(to, "TopK", in, 2);
    reel_onnx_set_int(to, "axis", axis);
    values = REEL_ONNX_NODE(to, "GatherElements", values, indices);
    if (x->shape.ndim == 0) {
        values = REEL_ONNX_NODE(to, "Squeeze", values);
        indices = REEL_ONNX_NODE(to, "Squeeze", indices);
    }
    reel_onnx_set_output(to, 0, values);
    return reel_onnx_set_output(to, 1, indices);
}

static const reel_op sort_op = {
    .name = "sort",
    .n_inputs = 1,
    .n_outputs = 2,
    .differentiable = 1,
    .attributes_size = sizeof(struct sort_attributes),
    .shape = sort_shape,
    .forward = sort_forward,
    .vjp = sort_vjp,
    .cost = sort_cost,
    .onnx = sort_onnx,
};

/* Gives the two outputs away, null vars on error. */
static reel_status give(reel_tape *tape, const char *who, reel_var *outputs, reel_var *values, reel_var *indices)
{
    if (values)
        *values = outputs[0];
    if (indices)
        *indices = outputs[1];
    if (!tape)
        return REEL_ERROR_ARGUMENT;
    if (!values || !indices)
        return reel_fail(reel_tape_context(tape), REEL_ERROR_ARGUMENT, "%s: no place for the values or the indices",
                         who);
    return reel_context_status(reel_tape_context(tape));
}

static reel_status apply_sort(reel_tape *tape, const char *who, reel_var x, int axis, bool descending, int64_t k,
                              reel_var *values, reel_var *indices)
{
    const struct sort_attributes a = {axis, descending, k};
    reel_var outputs[2] = {reel_null(), reel_null()};
    if (tape && values && indices)
        reel_apply(tape, &sort_op, &x, 1, &a, outputs);
    return give(tape, who, outputs, values, indices);
}

reel_status reel_sort(reel_tape *tape, reel_var x, int axis, bool descending, reel_var *values, reel_var *indices)
{
    return apply_sort(tape, "sort", x, axis, descending, -1, values, indices);
}

reel_var reel_argsort(reel_tape *tape, reel_var x, int axis, bool descending)
{
    reel_var values, indices;
    return reel_sort(tape, x, axis, descending, &values, &indices) == REEL_OK ? indices : reel_null();
}

reel_status reel_topk(reel_tape *tape, reel_var x, int64_t k, int axis, bool largest, reel_var *values,
                      reel_var *indices)
{
    if (tape && k < 0) {
        reel_var none[2] = {reel_null(), reel_null()};
        reel_fail(reel_tape_context(tape), REEL_ERROR_ARGUMENT, "topk: k %lld is negative", (long long)k);
        return give(tape, "topk", none, values, indices);
    }
    return apply_sort(tape, "topk", x, axis, largest, k, values, indices);
}

/* The element that each index means, and the index, both without the axis unless keepdim. */
static reel_status pick(reel_tape *tape, const char *who, reel_var x, reel_var index, int axis, bool keepdim,
                        reel_var *values, reel_var *indices)
{
    reel_var outputs[2] = {reel_gather(tape, x, axis, index), index};
    for (int i = 0; i < 2; i++)
        if (!keepdim && reel_shape_of(tape, index).ndim > 0)
            outputs[i] = reel_squeeze(tape, outputs[i], axis);
    if (reel_is_null(outputs[0]) || reel_is_null(outputs[1]))
        outputs[0] = outputs[1] = reel_null();
    return give(tape, who, outputs, values, indices);
}

reel_status reel_max(reel_tape *tape, reel_var x, int axis, bool keepdim, reel_var *values, reel_var *indices)
{
    return pick(tape, "max", x, reel_argmax(tape, x, axis, true), axis, keepdim, values, indices);
}

reel_status reel_min(reel_tape *tape, reel_var x, int axis, bool keepdim, reel_var *values, reel_var *indices)
{
    return pick(tape, "min", x, reel_argmin(tape, x, axis, true), axis, keepdim, values, indices);
}
#else
static const struct sort_attributes rising_last = {-1, false, -1}, falling_last = {-1, true, -1},
                                    rising_0 = {0, false, -1}, falling_1 = {1, true, -1}, first_3 = {-1, false, 3},
                                    last_2 = {0, true, 2}, none_of_1 = {1, true, 0}, largest_5 = {1, true, 5},
                                    along_2 = {2, false, -1}, four = {1, false, 4}, minus_two = {1, false, -2};
#define DISTINCT(...) APART(0.004, __VA_ARGS__)
static const reel_sample sort_samples[] = {
    GOOD("rows", &rising_last, DISTINCT(3, 7)),
    GOOD("rows, falling", &falling_last, DISTINCT(3, 7)),
    GOOD("columns", &rising_0, DISTINCT(5, 3)),
    GOOD("in the middle, falling", &falling_1, DISTINCT(2, 4, 3)),
    GOOD("longer than a run", &rising_last, DISTINCT(1, 50)),
    GOOD("the three smallest", &first_3, DISTINCT(4, 6)),
    GOOD("the two largest of columns", &last_2, DISTINCT(5, 3)),
    GOOD("the five largest of many", &largest_5, WITHIN(-1000, 1000, 1, 600)),
    GOOD("none of them", &none_of_1, REAL(2, 3)),
    GOOD("eight axes", &falling_1, DISTINCT(2, 3, 1, 2, 1, 1, 1, 2)),
    GOOD("a vector", &rising_0, DISTINCT(6)),
    GOOD("one element", &rising_0, DISTINCT(1)),
    GOOD("no axes", &rising_0, SCALAR),
    GOOD("no elements in a line", &rising_last, REAL(3, 0)),
    GOOD("no lines", &falling_last, REAL(0, 3)),
    GOOD("equal int64", &rising_last, SIGNED(3, 2, 40)),
    GOOD("equal int64, falling", &falling_1, SIGNED(3, 2, 40)),
    GOOD("equal int32, the two largest", &last_2, SIGNED32(2, 9, 2)),
    GOOD("bools", &falling_last, BOOL(2, 9)),
    REFUSED("axis outside", REEL_ERROR_ARGUMENT, &along_2, REAL(2, 3)),
    REFUSED("more than there are", REEL_ERROR_ARGUMENT, &four, REAL(2, 3)),
    REFUSED("a negative number of them", REEL_ERROR_ARGUMENT, &minus_two, REAL(2, 3)),
};
SAMPLES(sort, sort_samples);
#endif

REEL_OP_FAMILY(sort, ROW(sort));
