/* The same elements in another order of axes, or repeated along some. */
#include "core/sink.h"
#include "files/onnx.h"
#include "kern/copy.h"
#include "kern/strided.h"
#include "ops/family.h"

#include <reel/join.h>

/* ---- permute ---- */

struct permute_attributes {
    int n;
    int axes[REEL_MAX_NDIM];
};

#ifndef REEL_SAMPLES
/* Where axis i of the result comes from, 0 <= i < n. */
static void permute_axes(const reel_call *call, int *axes)
{
    const struct permute_attributes *a = call->attributes;
    for (int i = 0; i < a->n; i++)
        axes[i] = a->axes[i] < 0 ? a->axes[i] + call->in[0]->shape.ndim : a->axes[i];
}

static void strides_of(const reel_shape *shape, int64_t *stride)
{
    int64_t step = 1;
    for (int i = shape->ndim - 1; i >= 0; i--) {
        stride[i] = step;
        step *= shape->dim[i];
    }
}

/* Whether only axes of size 1 change places. */
static bool permute_is_view(const reel_shape *shape, const int *axes)
{
    int last = -1;
    for (int i = 0; i < shape->ndim; i++) {
        if (shape->dim[axes[i]] == 1)
            continue;
        if (axes[i] < last)
            return false;
        last = axes[i];
    }
    return true;
}

static reel_status permute_shape(reel_call *call)
{
    const struct permute_attributes *a = call->attributes;
    const reel_array *x = call->in[0];
    reel_array *out = call->out[0];
    if (a->n != x->shape.ndim)
        return reel_fail(call->context, REEL_ERROR_ARGUMENT, "permute: %d axes for a var that has %d", a->n,
                         x->shape.ndim);
    bool seen[REEL_MAX_NDIM] = {false};
    int axes[REEL_MAX_NDIM];
    out->shape.ndim = a->n;
    out->dtype = x->dtype;
    for (int i = 0; i < a->n; i++) {
        axes[i] = a->axes[i];
        if (reel_normalize_axis(call->context, "permute", a->n, &axes[i]) != REEL_OK)
            return call->context->status;
        if (seen[axes[i]])
            return reel_fail(call->context, REEL_ERROR_ARGUMENT, "permute: axis %d is named twice", axes[i]);
        seen[axes[i]] = true;
        out->shape.dim[i] = x->shape.dim[axes[i]];
    }
    if (permute_is_view(&x->shape, axes))
        out->data = x->data;
    return REEL_OK;
}

static reel_status permute_forward(reel_call *call)
{
    const reel_array *x = call->in[0];
    reel_array *out = call->out[0];
    int axes[REEL_MAX_NDIM];
    int64_t x_stride[REEL_MAX_NDIM], stride[REEL_MAX_NDIM];
    if (x->numel == 0)
        return REEL_OK;
    permute_axes(call, axes);
    strides_of(&x->shape, x_stride);
    for (int i = 0; i < out->shape.ndim; i++)
        stride[i] = x_stride[axes[i]];
    reel_kern_copy_strided(out->shape.ndim, out->shape.dim, stride, reel_dtype_size(x->dtype), x->data, out->data,
                           reel_get_num_threads(call->context));
    return REEL_OK;
}

static void permute_vjp(const reel_call *call, const reel_var *grad_outputs, reel_var *grad_inputs)
{
    int axes[REEL_MAX_NDIM], back[REEL_MAX_NDIM];
    int n = call->in[0]->shape.ndim;
    permute_axes(call, axes);
    for (int i = 0; i < n; i++)
        back[axes[i]] = i;
    grad_inputs[0] = reel_permute(call->tape, grad_outputs[0], back, n);
}

static reel_status permute_accumulate(const reel_call *call, const reel_gradient *grad_outputs, reel_sink *const *sinks)
{
    const reel_shape *shape = &call->in[0]->shape;
    int axes[REEL_MAX_NDIM];
    permute_axes(call, axes);
    if (permute_is_view(shape, axes) || call->in[0]->numel == 0)
        return reel_sink_share(sinks[0], &grad_outputs[0]);
    const reel_real *data = reel_gradient_contiguous(call, &grad_outputs[0]);
    bool add;
    reel_real *target = data ? reel_sink_target(sinks[0], &add) : NULL;
    if (!target)
        return call->context->status;
    reel_real *to = target;
    size_t bytes = (size_t)call->in[0]->numel * sizeof *to;
    if (add && !(to = reel_call_temporary(call, bytes)))
        return call->context->status;
    int64_t out_stride[REEL_MAX_NDIM], stride[REEL_MAX_NDIM];
    strides_of(&call->out[0]->shape, out_stride);
    for (int i = 0; i < shape->ndim; i++)
        stride[axes[i]] = out_stride[i];
    int threads = reel_get_num_threads(call->context);
    reel_kern_copy_strided(shape->ndim, shape->dim, stride, sizeof *to, data, to, threads);
    if (add)
        reel_kern_add_to(call->in[0]->numel, to, target, threads);
    return REEL_OK;
}

static reel_status permute_onnx(const reel_call *call, reel_onnx *to)
{
    int axes[REEL_MAX_NDIM], ndim = call->in[0]->shape.ndim;
    int64_t wide[REEL_MAX_NDIM];
    permute_axes(call, axes);
    for (int i = 0; i < ndim; i++)
        wide[i] = axes[i];
    if (ndim == 0)
        return reel_onnx_set_output(to, 0, reel_onnx_input(to, 0));
    reel_onnx_set_ints(to, "perm", wide, ndim);
    return reel_onnx_set_output(to, 0, REEL_ONNX_NODE(to, "Transpose", reel_onnx_input(to, 0)));
}

static const reel_op permute_op = {
    .name = "permute",
    .n_inputs = 1,
    .n_outputs = 1,
    .differentiable = 1,
    .attributes_size = sizeof(struct permute_attributes),
    .shape = permute_shape,
    .forward = permute_forward,
    .vjp = permute_vjp,
    .accumulate = permute_accumulate,
    .cost = reel_cost_of_copy,
    .onnx = permute_onnx,
};

reel_var reel_permute(reel_tape *tape, reel_var x, const int *axes, int n)
{
    struct permute_attributes a = {.n = n};
    if (n > 0 && !axes) {
        reel_fail(reel_tape_context(tape), REEL_ERROR_ARGUMENT, "permute: %d axes, at a NULL pointer", n);
        return reel_null();
    }
    for (int i = 0; i < n && i < REEL_MAX_NDIM; i++)
        a.axes[i] = axes[i];
    return reel_apply1(tape, &permute_op, &x, 1, &a);
}

reel_var reel_transpose(reel_tape *tape, reel_var x, int axis0, int axis1)
{
    struct reel_node *node = reel_tape_node(tape, x, "transpose");
    if (!node)
        return reel_null();
    int ndim = node->array.shape.ndim;
    if (reel_normalize_axis(tape->context, "transpose", ndim, &axis0) != REEL_OK ||
        reel_normalize_axis(tape->context, "transpose", ndim, &axis1) != REEL_OK)
        return reel_null();
    int axes[REEL_MAX_NDIM];
    for (int i = 0; i < ndim; i++)
        axes[i] = i;
    axes[axis0] = axis1;
    axes[axis1] = axis0;
    return reel_permute(tape, x, axes, ndim);
}
#else
static const struct permute_attributes swap = {2, {1, 0}}, cycle = {3, {1, 2, 0}}, cycle_back = {3, {2, 0, 1}},
                                       outer_swap = {3, {1, 0, 2}}, negative = {3, {-1, 0, -2}}, same = {2, {0, 1}},
                                       no_axes = {0, {0}}, reverse_8 = {8, {7, 6, 5, 4, 3, 2, 1, 0}},
                                       mixed_5 = {5, {3, 0, 4, 2, 1}}, twice = {2, {0, -2}}, too_few = {1, {0}},
                                       permute_outside = {2, {0, 2}};
static const reel_sample permute_samples[] = {
    GOOD("a transpose", &swap, REAL(3, 4)),
    GOOD("the last axis to the front", &cycle_back, REAL(2, 3, 4)),
    GOOD("the first axis to the end", &cycle, REAL(2, 3, 4)),
    GOOD("the last axis stays", &outer_swap, REAL(3, 2, 4)),
    GOOD("counted from the end", &negative, REAL(2, 3, 2)),
    GOOD("an axis of size 1 moves, shared", &swap, REAL(1, 4)),
    GOOD("nothing moves, shared", &same, REAL(2, 3)),
    GOOD("a scalar", &no_axes, SCALAR),
    GOOD("no elements", &cycle, REAL(2, 0, 3)),
    GOOD("five axes", &mixed_5, REAL(2, 3, 1, 2, 2)),
    GOOD("eight axes", &reverse_8, REAL(2, 1, 2, 1, 3, 1, 2, 1)),
    GOOD("more than a tile", &swap, REAL(35, 3)),
    GOOD("integers", &swap, INDEX32(9, 3, 5)),
    GOOD("bools", &cycle, BOOL(3, 2, 2)),
    REFUSED("an axis twice", REEL_ERROR_ARGUMENT, &twice, REAL(3, 4)),
    REFUSED("too few axes", REEL_ERROR_ARGUMENT, &too_few, REAL(3, 4)),
    REFUSED("axis outside", REEL_ERROR_ARGUMENT, &permute_outside, REAL(3, 4)),
};
SAMPLES(permute, permute_samples);
#endif

/* ---- expand ---- */

struct expand_attributes {
    reel_shape shape;
};

#ifndef REEL_SAMPLES
static reel_status expand_shape(reel_call *call)
{
    const struct expand_attributes *a = call->attributes;
    const reel_array *x = call->in[0];
    reel_array *out = call->out[0];
    reel_shape shape = a->shape;
    int added = shape.ndim - x->shape.ndim;
    bool fits = shape.ndim <= REEL_MAX_NDIM && added >= 0;
    for (int i = 0; fits && i < shape.ndim; i++) {
        int64_t size = i < added ? 1 : x->shape.dim[i - added];
        if (shape.dim[i] == -1 && i >= added)
            shape.dim[i] = size;
        fits = shape.dim[i] >= 0 && (size == 1 || shape.dim[i] == size);
    }
    if (!fits) {
        char from[REEL_SHAPE_TEXT], to[REEL_SHAPE_TEXT];
        return reel_fail(call->context, REEL_ERROR_SHAPE, "expand: %s does not expand to %s",
                         reel_shape_text(&x->shape, from), reel_shape_text(&a->shape, to));
    }
    out->shape = shape;
    out->dtype = x->dtype;
    if (reel_shape_numel(&shape) == x->numel)
        out->data = x->data;
    return REEL_OK;
}

static reel_status expand_forward(reel_call *call)
{
    const reel_array *x = call->in[0];
    reel_array *out = call->out[0];
    int64_t x_stride[REEL_MAX_NDIM], stride[REEL_MAX_NDIM];
    if (out->numel == 0)
        return REEL_OK;
    strides_of(&x->shape, x_stride);
    int added = out->shape.ndim - x->shape.ndim;
    for (int i = 0; i < out->shape.ndim; i++)
        stride[i] = i < added || x->shape.dim[i - added] == 1 ? 0 : x_stride[i - added];
    reel_kern_copy_strided(out->shape.ndim, out->shape.dim, stride, reel_dtype_size(x->dtype), x->data, out->data,
                           reel_get_num_threads(call->context));
    return REEL_OK;
}

static void expand_vjp(const reel_call *call, const reel_var *grad_outputs, reel_var *grad_inputs)
{
    (void)call;
    grad_inputs[0] = grad_outputs[0];
}

static reel_status expand_accumulate(const reel_call *call, const reel_gradient *grad_outputs, reel_sink *const *sinks)
{
    if (call->out[0]->numel == call->in[0]->numel)
        return reel_sink_share(sinks[0], &grad_outputs[0]);
    const reel_real *data = reel_gradient_contiguous(call, &grad_outputs[0]);
    if (!data)
        return call->context->status;
    return reel_sink_add_broadcast(sinks[0], data, &call->out[0]->shape);
}

/* An axis that x has keeps its growth; of the others, axis 0 is the batch when it has the batch's size. */
static reel_status expand_onnx(const reel_call *call, reel_onnx *to)
{
    const reel_shape *from = &call->in[0]->shape, *shape = &call->out[0]->shape;
    int added = shape->ndim - from->ndim;
    int64_t growth[REEL_MAX_NDIM] = {0};
    for (int i = added; i < shape->ndim; i++)
        growth[i] = reel_onnx_growth(to, 0)[i - added];
    if (shape->ndim > 0 && shape->dim[0] == reel_onnx_batch(to) && (added > 0 || from->dim[0] == 1))
        growth[0] = 1;
    reel_onnx_set_growth(to, growth);
    return reel_onnx_set_output(to, 0,
                                REEL_ONNX_NODE(to, "Expand", reel_onnx_input(to, 0), reel_onnx_output_shape(to, 0)));
}

static const reel_op expand_op = {
    .name = "expand",
    .n_inputs = 1,
    .n_outputs = 1,
    .broadcasts = true,
    .differentiable = 1,
    .attributes_size = sizeof(struct expand_attributes),
    .shape = expand_shape,
    .forward = expand_forward,
    .vjp = expand_vjp,
    .accumulate = expand_accumulate,
    .cost = reel_cost_of_copy,
    .onnx = expand_onnx,
};

reel_var reel_expand(reel_tape *tape, reel_var x, reel_shape shape)
{
    struct expand_attributes a = {shape};
    return reel_apply1(tape, &expand_op, &x, 1, &a);
}
#else
static const struct expand_attributes to_3_4 = {{2, {3, 4}}}, to_2_3_4 = {{3, {2, 3, 4}}}, to_2_keep = {{2, {2, -1}}},
                                      to_nothing = {{2, {0, 4}}}, to_3_0 = {{2, {3, 0}}}, to_2_3_2 = {{3, {2, 3, 2}}},
                                      to_one_more = {{3, {1, 3, 4}}}, to_eight = {{8, {2, 1, 2, 1, 3, 1, 1, 2}}},
                                      to_new_keep = {{3, {-1, 3, 4}}}, to_4 = {{1, {4}}}, to_nine = {{9, {0}}};
static const reel_sample expand_samples[] = {
    GOOD("columns repeated", &to_3_4, REAL(3, 1)),
    GOOD("rows repeated", &to_3_4, REAL(1, 4)),
    GOOD("an axis in front", &to_3_4, REAL(4)),
    GOOD("a scalar", &to_3_4, SCALAR),
    GOOD("both, and an axis in front", &to_2_3_4, REAL(3, 1)),
    GOOD("in the middle", &to_2_3_2, REAL(2, 1, 2)),
    GOOD("a size that is kept", &to_2_keep, REAL(1, 3)),
    GOOD("to nothing", &to_nothing, REAL(1, 4)),
    GOOD("of nothing", &to_3_0, REAL(1, 0)),
    GOOD("the same shape", &to_3_4, REAL(3, 4)),
    GOOD("an axis of size 1 in front, shared", &to_one_more, REAL(3, 4)),
    GOOD("eight axes", &to_eight, REAL(2, 1, 1, 1, 1, 2)),
    GOOD("integers", &to_3_4, INDEX(9, 3, 1)),
    GOOD("bools", &to_3_4, BOOL(4)),
    REFUSED("a size that does not fit", REEL_ERROR_SHAPE, &to_3_4, REAL(2, 4)),
    REFUSED("fewer axes", REEL_ERROR_SHAPE, &to_4, REAL(1, 4)),
    REFUSED("a new axis without a size", REEL_ERROR_SHAPE, &to_new_keep, REAL(3, 4)),
    REFUSED("nine axes", REEL_ERROR_SHAPE, &to_nine, REAL(1)),
    REFUSED("nothing does not grow", REEL_ERROR_SHAPE, &to_3_4, REAL(0, 4)),
};
SAMPLES(expand, expand_samples);
#endif

REEL_OP_FAMILY(permute, ROW(permute), ROW(expand));
