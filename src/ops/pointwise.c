/* What operations element by element share: shapes, broadcasting, dispatch. */
#include "ops/pointwise.h"

#include "core/tape.h"

#include <reel/create.h>

#include <math.h>

reel_status reel_unary_shape(reel_call *call)
{
    if (reel_expect_real(call, 0, "x") != REEL_OK)
        return call->context->status;
    call->out[0]->dtype = REEL_REAL;
    call->out[0]->shape = call->in[0]->shape;
    return REEL_OK;
}

reel_status reel_unary_apply(const reel_call *call, const struct reel_unary *kernel)
{
    reel_kern_unary_forward(kernel, call->in[0]->numel, call->in[0]->data, call->attributes, call->out[0]->data,
                            call->context->num_threads);
    return REEL_OK;
}

reel_status reel_unary_accumulate(const reel_call *call, const struct reel_unary *kernel, const reel_gradient *g,
                                  reel_sink *sink)
{
    const reel_real *values = reel_gradient_contiguous(call, g);
    bool add;
    reel_real *to = values ? reel_sink_target(sink, &add) : NULL;
    if (!to)
        return call->context->status;
    const struct reel_unary_gradient of = {.of = kernel,
                                           .n = call->in[0]->numel,
                                           .g = values,
                                           .x = call->in[0]->data,
                                           .y = call->out[0]->data,
                                           .p = call->attributes};
    reel_kern_unary_backward(&of, add, to, call->context->num_threads);
    return REEL_OK;
}

reel_var reel_constant(reel_tape *tape, const reel_real *number)
{
    const reel_shape scalar = {0, {0}};
    return reel_tape_wrap(tape, number, REEL_REAL, &scalar);
}

reel_var reel_number(reel_tape *tape, const char *who, reel_dtype dtype, double value)
{
    union {
        reel_real real;
        int64_t wide;
        int32_t narrow;
        bool truth;
    } number;
    switch (dtype) {
    case REEL_REAL:
        number.real = (reel_real)value;
        break;
    case REEL_BOOL:
        number.truth = value != 0;
        break;
    default: {
        const double limit = dtype == REEL_INT64 ? 0x1p63 : 0x1p31;
        if (!(value >= -limit && value < limit) || value != trunc(value)) {
            reel_fail(tape->context, REEL_ERROR_ARGUMENT, "%s: %g is no %s", who, value, reel_dtype_name(dtype));
            return reel_null();
        }
        if (dtype == REEL_INT64)
            number.wide = (int64_t)value;
        else
            number.narrow = (int32_t)value;
    }
    }
    return reel_tensor_of(tape, dtype, &number, REEL_SCALAR);
}

reel_cost reel_pointwise_cost(const reel_call *call)
{
    reel_cost cost = {0, 0};
    for (int i = 0; i < call->n_inputs; i++)
        cost.bytes += (double)call->in[i]->numel * (double)reel_dtype_size(call->in[i]->dtype);
    for (int i = 0; i < call->n_outputs; i++) {
        cost.flops += (double)call->out[i]->numel;
        cost.bytes += (double)call->out[i]->numel * (double)reel_dtype_size(call->out[i]->dtype);
    }
    return cost;
}
