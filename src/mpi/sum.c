/* A differentiable sum over ranks: an operation whose rule is itself. */
#include "sets.h"

#include <reel/op.h>
#include <reel/tape.h>

#include <string.h>

struct sum_attributes {
    reel_mpi *mpi;
};

static const reel_op sum_op;

static reel_status sum_shape(reel_call *call)
{
    if (call->in[0]->dtype != REEL_REAL)
        return reel_fail(call->context, REEL_ERROR_DTYPE, "mpi_sum: x is %s, it must be real",
                         reel_dtype_name(call->in[0]->dtype));
    call->out[0]->shape = call->in[0]->shape;
    call->out[0]->dtype = REEL_REAL;
    return REEL_OK;
}

static reel_status sum_forward(reel_call *call)
{
    const struct sum_attributes *a = call->attributes;
    const reel_array *x = call->in[0], *y = call->out[0];
    if (x->numel > 0)
        memcpy(y->data, x->data, (size_t)x->numel * sizeof(reel_real));
    return reel_mpi_reduce_elements(a->mpi, y->data, y->numel, 1);
}

/* Ranks agree before each, so that none waits for one that has failed. */
static reel_var apply(reel_mpi *mpi, reel_tape *tape, reel_var x)
{
    const struct sum_attributes a = {mpi};
    struct reel_mpi_record record = reel_mpi_record_of(mpi, REEL_MPI_AT_SUM);
    if (record.status == REEL_OK) {
        reel_shape shape = reel_shape_of(tape, x);
        record.layout = reel_mpi_hash(1, shape.dim, (size_t)(shape.ndim > 0 ? shape.ndim : 0) * sizeof shape.dim[0]);
        record.status = (int32_t)reel_context_status(mpi->context);
    }
    return reel_mpi_agree(mpi, &record) == REEL_OK ? reel_apply1(tape, &sum_op, &x, 1, &a) : reel_null();
}

static void sum_vjp(const reel_call *call, const reel_var *grad_outputs, reel_var *grad_inputs)
{
    const struct sum_attributes *a = call->attributes;
    grad_inputs[0] = apply(a->mpi, call->tape, grad_outputs[0]);
}

static const reel_op sum_op = {.name = "mpi_sum",
                               .n_inputs = 1,
                               .n_outputs = 1,
                               .differentiable = 1,
                               .attributes_size = sizeof(struct sum_attributes),
                               .shape = sum_shape,
                               .forward = sum_forward,
                               .vjp = sum_vjp};

reel_var reel_mpi_sum(reel_mpi *mpi, reel_tape *tape, reel_var x)
{
    if (!mpi)
        return reel_null();
    if (reel_tape_context(tape) != mpi->context)
        reel_fail(mpi->context, REEL_ERROR_ARGUMENT, "mpi_sum: the tape is NULL or of another context");
    else if (reel_dtype_of(tape, x) != REEL_REAL)
        reel_fail(mpi->context, REEL_ERROR_DTYPE, "mpi_sum: x is %s, it must be real",
                  reel_dtype_name(reel_dtype_of(tape, x)));
    return apply(mpi, tape, x);
}
