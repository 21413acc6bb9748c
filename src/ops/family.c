/* Checks that many operations share. */
#include "ops/family.h"

reel_status reel_expect_real(reel_call *call, int k, const char *argument)
{
    if (call->in[k]->dtype == REEL_REAL)
        return REEL_OK;
    return reel_fail(call->context, REEL_ERROR_DTYPE, "%s: %s is %s, it must be real", call->op->name, argument,
                     reel_dtype_name(call->in[k]->dtype));
}

reel_status reel_normalize_axis(reel_context *context, const char *op, int ndim, int *axis)
{
    if (*axis < -ndim || *axis >= ndim) {
        if (ndim == 0)
            return reel_fail(context, REEL_ERROR_ARGUMENT, "%s: axis %d of a scalar, which has none", op, *axis);
        return reel_fail(context, REEL_ERROR_ARGUMENT, "%s: axis %d is outside %d..%d", op, *axis, -ndim, ndim - 1);
    }
    if (*axis < 0)
        *axis += ndim;
    return REEL_OK;
}

reel_status reel_broadcast_shapes(reel_context *context, const char *op, const reel_shape *a, const reel_shape *b,
                                  reel_shape *out)
{
    out->ndim = a->ndim > b->ndim ? a->ndim : b->ndim;
    for (int i = 0; i < out->ndim; i++) {
        int from_a = i - (out->ndim - a->ndim), from_b = i - (out->ndim - b->ndim);
        int64_t size_a = from_a < 0 ? 1 : a->dim[from_a], size_b = from_b < 0 ? 1 : b->dim[from_b];
        if (size_a != size_b && size_a != 1 && size_b != 1) {
            char text_a[REEL_SHAPE_TEXT], text_b[REEL_SHAPE_TEXT];
            return reel_fail(
                context, REEL_ERROR_SHAPE, "%s: shapes %s and %s do not broadcast: axis %d has %lld and %lld", op,
                reel_shape_text(a, text_a), reel_shape_text(b, text_b), i, (long long)size_a, (long long)size_b);
        }
        out->dim[i] = size_a == 1 ? size_b : size_a;
    }
    return REEL_OK;
}

reel_cost reel_cost_of_copy(const reel_call *call)
{
    return (reel_cost){0, 2.0 * (double)call->out[0]->numel * (double)reel_dtype_size(call->out[0]->dtype)};
}
