/* What operations with axes share: their checks, and how a shape falls apart around them. */
#include "ops/axes.h"

#include "files/onnx.h"

#include <reel/compare.h>
#include <reel/elementwise.h>
#include <reel/reduce.h>
#include <reel/view.h>

/* n above 8 is kept: it cannot be right, and shape says so. */
struct reel_axes reel_axes_of(const int *axes, int n, bool keepdim)
{
    struct reel_axes a = {.n = axes || n == 0 ? n : -1, .keepdim = keepdim};
    for (int i = 0; axes && i < n && i < REEL_MAX_NDIM; i++)
        a.axes[i] = axes[i];
    return a;
}

unsigned reel_axes_mask(const struct reel_axes *a, int ndim)
{
    unsigned reduced = a->n == 0 ? (1u << ndim) - 1 : 0;
    for (int i = 0; i < a->n && ndim > 0; i++)
        reduced |= 1u << (a->axes[i] < 0 ? a->axes[i] + ndim : a->axes[i]);
    return reduced;
}

double reel_axes_count(const reel_shape *shape, unsigned reduced)
{
    double count = 1; /* a product beside an axis of size 0 may not fit int64 */
    for (int i = 0; i < shape->ndim; i++)
        if (reduced >> i & 1)
            count *= (double)shape->dim[i];
    return count;
}

static reel_shape reduced_shape(const reel_shape *shape, unsigned reduced, bool keepdim)
{
    reel_shape out = {.ndim = 0};
    for (int i = 0; i < shape->ndim; i++) {
        if (!(reduced >> i & 1))
            out.dim[out.ndim++] = shape->dim[i];
        else if (keepdim)
            out.dim[out.ndim++] = 1;
    }
    return out;
}

reel_status reel_axes_check(reel_call *call, const struct reel_axes *a)
{
    int ndim = call->in[0]->shape.ndim;
    const char *name = call->op->name;
    if (reel_expect_real(call, 0, "x") != REEL_OK)
        return call->context->status;
    if (a->n < 0)
        return reel_fail(call->context, REEL_ERROR_ARGUMENT,
                         "%s: the axes are a NULL pointer or their number is negative", name);
    if (a->n > (ndim > 0 ? ndim : 1))
        return reel_fail(call->context, REEL_ERROR_ARGUMENT, "%s: %d axes of a var that has %d", name, a->n, ndim);
    unsigned seen = 0;
    for (int i = 0; i < a->n; i++) {
        int axis = a->axes[i];
        if (reel_normalize_axis(call->context, name, ndim > 0 ? ndim : 1, &axis) != REEL_OK)
            return call->context->status;
        if (seen >> axis & 1)
            return reel_fail(call->context, REEL_ERROR_ARGUMENT, "%s: axis %d is given twice", name, axis);
        seen |= 1u << axis;
    }
    const reel_array *x = call->in[0];
    call->out[0]->shape = reduced_shape(&x->shape, reel_axes_mask(a, ndim), a->keepdim);
    call->out[0]->dtype = REEL_REAL;
    return REEL_OK;
}

reel_var reel_axes_keep(const reel_call *call, const struct reel_axes *a, reel_var v)
{
    const reel_shape *shape = &call->in[0]->shape;
    return a->keepdim ? v : reel_reshape(call->tape, v, reduced_shape(shape, reel_axes_mask(a, shape->ndim), true));
}

reel_status reel_axes_refuse_empty(reel_call *call, unsigned reduced)
{
    const reel_shape *shape = &call->in[0]->shape;
    if (reel_axes_count(shape, reduced) > 0)
        return REEL_OK;
    char text[REEL_SHAPE_TEXT];
    return reel_fail(call->context, REEL_ERROR_SHAPE, "%s: %s has nothing to choose from along an axis of size 0",
                     call->op->name, reel_shape_text(shape, text));
}

reel_var reel_share_among_equals(const reel_call *call, const struct reel_axes *a, reel_var value, reel_var result,
                                 reel_var grad)
{
    reel_tape *t = call->tape;
    reel_var chosen = reel_to_real(t, reel_eq(t, value, reel_axes_keep(call, a, result)));
    reel_var count = reel_sum(t, chosen, a->axes, a->n, true);
    return reel_mul(t, chosen, reel_div(t, reel_axes_keep(call, a, grad), count));
}

reel_cost reel_axes_cost(const reel_call *call)
{
    return (reel_cost){(double)call->in[0]->numel, (double)sizeof(reel_real) * (double)call->in[0]->numel};
}

reel_onnx_value reel_axes_onnx(const reel_call *call, reel_onnx *to, const struct reel_axes *a, const char *node,
                               reel_onnx_value value, bool keepdim)
{
    int ndim = call->in[0]->shape.ndim, n = 0;
    unsigned reduced = reel_axes_mask(a, ndim);
    int64_t axes[REEL_MAX_NDIM];
    for (int i = 0; i < ndim; i++)
        if (reduced >> i & 1)
            axes[n++] = i;
    /* No axes are all of them. */
    reel_onnx_value list = n > 0 ? reel_onnx_int64s(to, axes, n) : 0;
    reel_onnx_set_int(to, "keepdims", keepdim);
    return REEL_ONNX_NODE(to, node, value, list);
}

reel_onnx_value reel_axes_count_onnx(const reel_call *call, reel_onnx *to, const struct reel_axes *a)
{
    const reel_shape *shape = &call->in[0]->shape;
    unsigned reduced = reel_axes_mask(a, shape->ndim);
    bool grows = false;
    for (int i = 0; i < shape->ndim; i++)
        grows = grows || (reduced >> i & 1 && reel_onnx_growth(to, 0)[i] != 0);
    if (!grows)
        return reel_onnx_number(to, REEL_REAL, reel_axes_count(shape, reduced));
    reel_onnx_value x = REEL_ONNX_NODE(to, "Size", reel_onnx_input(to, 0));
    reel_onnx_value result = REEL_ONNX_NODE(to, "ReduceProd", reel_onnx_output_shape(to, 0));
    return reel_onnx_cast(to, REEL_ONNX_NODE(to, "Div", x, result), REEL_REAL);
}
