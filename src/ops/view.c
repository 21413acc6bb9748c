/* Other shapes of the same elements: no copy. */
#include "files/onnx.h"
#include "ops/family.h"

#include <reel/view.h>

/* ---- reshape ---- */

struct reshape_attributes {
    reel_shape shape; /* one size may be -1: what is left */
};

#ifndef REEL_SAMPLES
static reel_status reshape_shape(reel_call *call)
{
    const struct reshape_attributes *a = call->attributes;
    const reel_array *x = call->in[0];
    reel_shape shape = a->shape;
    int inferred = -1;
    for (int i = 0; i < shape.ndim && i < REEL_MAX_NDIM; i++)
        if (shape.dim[i] == -1 && inferred < 0) {
            inferred = i;
            shape.dim[i] = 1;
        }
    int64_t numel = reel_shape_numel(&shape);
    if (inferred >= 0 && numel > 0) {
        shape.dim[inferred] = x->numel / numel;
        numel *= shape.dim[inferred];
    }
    if (numel != x->numel || (inferred >= 0 && numel == 0 && x->numel == 0 && shape.dim[inferred] == 1)) {
        char from[REEL_SHAPE_TEXT], to[REEL_SHAPE_TEXT];
        return reel_fail(call->context, REEL_ERROR_SHAPE, "reshape: %s with %lld elements does not fit into %s",
                         reel_shape_text(&x->shape, from), (long long)x->numel, reel_shape_text(&a->shape, to));
    }
    call->out[0]->shape = shape;
    call->out[0]->dtype = x->dtype;
    call->out[0]->data = x->data;
    return REEL_OK;
}

static void reshape_vjp(const reel_call *call, const reel_var *grad_outputs, reel_var *grad_inputs)
{
    grad_inputs[0] = reel_reshape(call->tape, grad_outputs[0], call->in[0]->shape);
}

static reel_status reshape_accumulate(const reel_call *call, const reel_gradient *grad_outputs, reel_sink *const *sinks)
{
    (void)call;
    return reel_sink_share(sinks[0], &grad_outputs[0]);
}

/* The growth of the result, of whose sizes only the numbers are known: axes of x and of the result are taken together
 * in groups of equal counts, as short as can be, and of a group that grows, one axis of the result does: the first that
 * gives whole sizes. */
static bool reshape_onnx_growth(const reel_shape *from, const int64_t *from_growth, const reel_shape *shape,
                                int64_t *growth)
{
    int i = 0, k = 0;
    while (i < from->ndim || k < shape->ndim) {
        int first = k;
        int64_t count = 1, more = 1, result = 1; /* the elements of the group, also with a larger batch */
        do {
            if (i < from->ndim && (k == shape->ndim || count <= result)) {
                more *= from->dim[i] + from_growth[i];
                count *= from->dim[i++];
            } else {
                result *= shape->dim[k++];
            }
        } while ((count != result || (more != count && k == first)) && (i < from->ndim || k < shape->ndim));
        /* Axes of one element that x does not have belong to what is before them. */
        while (k < shape->ndim && shape->dim[k] == 1 && (i == from->ndim || from->dim[i] != 1))
            k++;
        int grows = first;
        while (more != count && grows < k && (count == 0 || shape->dim[grows] * more % count != 0))
            grows++;
        if (more != count && grows == k)
            return false;
        if (more != count)
            growth[grows] = shape->dim[grows] * more / count - shape->dim[grows];
    }
    return true;
}

/* One size may be -1: then the shape need not be computed from the batch. */
static reel_status reshape_onnx(const reel_call *call, reel_onnx *to)
{
    reel_shape shape = call->out[0]->shape;
    int64_t growth[REEL_MAX_NDIM] = {0};
    if (!reel_onnx_growth_is_known(to)) {
        if (!reshape_onnx_growth(&call->in[0]->shape, reel_onnx_growth(to, 0), &shape, growth))
            return reel_onnx_refuse_fixed(to, "a shape");
        reel_onnx_set_growth(to, growth);
    }
    reel_onnx_value form;
    if (reel_onnx_growing_axes(to, &shape) == 1 && call->in[0]->numel > 0)
        form = reel_onnx_int64s(to, shape.dim, shape.ndim);
    else
        form = reel_onnx_output_shape(to, 0);
    reel_onnx_set_int(to, "allowzero", call->in[0]->numel == 0);
    return reel_onnx_set_output(to, 0, REEL_ONNX_NODE(to, "Reshape", reel_onnx_input(to, 0), form));
}

static const reel_op reshape_op = {
    .name = "reshape",
    .n_inputs = 1,
    .n_outputs = 1,
    .differentiable = 1,
    .attributes_size = sizeof(struct reshape_attributes),
    .shape = reshape_shape,
    .vjp = reshape_vjp,
    .accumulate = reshape_accumulate,
    .onnx = reshape_onnx,
};

reel_var reel_reshape(reel_tape *tape, reel_var x, reel_shape shape)
{
    struct reshape_attributes a = {shape};
    return reel_apply1(tape, &reshape_op, &x, 1, &a);
}

reel_var reel_flatten(reel_tape *tape, reel_var x, int start_axis, int end_axis)
{
    reel_shape from = reel_shape_of(tape, x);
    if (from.ndim < 0)
        return reel_null();
    reel_shape to = {.ndim = 1, .dim = {1}};
    if (from.ndim > 0) {
        reel_context *c = reel_tape_context(tape);
        if (reel_normalize_axis(c, "flatten", from.ndim, &start_axis) != REEL_OK ||
            reel_normalize_axis(c, "flatten", from.ndim, &end_axis) != REEL_OK)
            return reel_null();
        if (start_axis > end_axis) {
            reel_fail(c, REEL_ERROR_ARGUMENT, "flatten: start axis %d is behind end axis %d", start_axis, end_axis);
            return reel_null();
        }
        to.ndim = 0;
        for (int i = 0; i < from.ndim; i++) {
            if (i <= start_axis || i > end_axis)
                to.dim[to.ndim++] = from.dim[i];
            else
                to.dim[to.ndim - 1] *= from.dim[i];
        }
    }
    return reel_reshape(tape, x, to);
}

reel_var reel_unsqueeze(reel_tape *tape, reel_var x, int axis)
{
    reel_shape shape = reel_shape_of(tape, x);
    if (shape.ndim < 0)
        return reel_null();
    reel_context *c = reel_tape_context(tape);
    if (shape.ndim == REEL_MAX_NDIM) {
        reel_fail(c, REEL_ERROR_SHAPE, "unsqueeze: the var has %d axes already, no more are possible", REEL_MAX_NDIM);
        return reel_null();
    }
    if (reel_normalize_axis(c, "unsqueeze", shape.ndim + 1, &axis) != REEL_OK)
        return reel_null();
    for (int i = shape.ndim; i > axis; i--)
        shape.dim[i] = shape.dim[i - 1];
    shape.dim[axis] = 1;
    shape.ndim++;
    return reel_reshape(tape, x, shape);
}

reel_var reel_squeeze(reel_tape *tape, reel_var x, int axis)
{
    reel_shape shape = reel_shape_of(tape, x);
    if (shape.ndim < 0 || reel_normalize_axis(reel_tape_context(tape), "squeeze", shape.ndim, &axis) != REEL_OK)
        return reel_null();
    if (shape.dim[axis] == 1) {
        for (int i = axis; i + 1 < shape.ndim; i++)
            shape.dim[i] = shape.dim[i + 1];
        shape.ndim--;
    }
    return reel_reshape(tape, x, shape);
}
#else
static const struct reshape_attributes to_3_2 = {{2, {3, 2}}}, to_inferred = {{3, {2, -1, 1}}}, to_5 = {{1, {5}}},
                                       to_scalar = {{0, {0}}}, to_two_inferred = {{2, {-1, -1}}};
static const reel_sample reshape_samples[] = {
    GOOD("same count, other axes", &to_3_2, REAL(2, 3)),
    GOOD("one size inferred", &to_inferred, REAL(2, 3)),
    GOOD("one element to no axes", &to_scalar, REAL(1, 1)),
    REFUSED("another count", REEL_ERROR_SHAPE, &to_5, REAL(2, 3)),
    REFUSED("two sizes to infer", REEL_ERROR_SHAPE, &to_two_inferred, REAL(2, 3)),
};
SAMPLES(reshape, reshape_samples);
#endif

REEL_OP_FAMILY(view, ROW(reshape));
