/* Products of matrices. */
#include "ops/matmul.h"

#include "core/sink.h"
#include "kern/copy.h"
#include "kern/gemm.h"
#include "ops/family.h"

#include <reel/matmul.h>
#include <reel/reduce.h>
#include <reel/view.h>

/* ---- matmul ---- */

/* Operands have the same number of axes, at least 2; the last two are the matrix, those before are batches. */
struct matmul_attributes {
    bool transpose_a, transpose_b;
};

/* A stack of matrices: those of an operand, of the output, or of a gradient. */
struct stack {
    const reel_shape *shape;
    struct reel_matrix first;
};

#ifndef REEL_SAMPLES
static int64_t rows_of(const reel_shape *s)
{
    return s->dim[s->ndim - 2];
}

static int64_t columns_of(const reel_shape *s)
{
    return s->dim[s->ndim - 1];
}

static reel_shape batches_of(const reel_shape *s)
{
    reel_shape batches = *s;
    batches.ndim -= 2;
    return batches;
}

static reel_status fail_inner(reel_context *context, const reel_shape *a, const reel_shape *b, int64_t k_a, int64_t k_b)
{
    char text_a[REEL_SHAPE_TEXT], text_b[REEL_SHAPE_TEXT];
    return reel_fail(context, REEL_ERROR_SHAPE, "matmul: shapes %s and %s do not fit: inner sizes %lld and %lld",
                     reel_shape_text(a, text_a), reel_shape_text(b, text_b), (long long)k_a, (long long)k_b);
}

static reel_status matmul_shape(reel_call *call)
{
    const struct matmul_attributes *t = call->attributes;
    const reel_shape *a = &call->in[0]->shape, *b = &call->in[1]->shape;
    if (reel_expect_real(call, 0, "a") != REEL_OK || reel_expect_real(call, 1, "b") != REEL_OK)
        return call->context->status;
    char text_a[REEL_SHAPE_TEXT], text_b[REEL_SHAPE_TEXT];
    if (a->ndim < 2 || a->ndim != b->ndim)
        return reel_fail(call->context, REEL_ERROR_SHAPE, "matmul: shapes %s and %s are no matrices of equal batches",
                         reel_shape_text(a, text_a), reel_shape_text(b, text_b));
    int64_t k_a = t->transpose_a ? rows_of(a) : columns_of(a), k_b = t->transpose_b ? columns_of(b) : rows_of(b);
    if (k_a != k_b)
        return fail_inner(call->context, a, b, k_a, k_b);
    reel_shape batches_a = batches_of(a), batches_b = batches_of(b), *out = &call->out[0]->shape;
    if (reel_broadcast_shapes(call->context, "matmul", &batches_a, &batches_b, out) != REEL_OK)
        return call->context->status;
    out->dim[out->ndim++] = t->transpose_a ? columns_of(a) : rows_of(a);
    out->dim[out->ndim++] = t->transpose_b ? rows_of(b) : columns_of(b);
    call->out[0]->dtype = REEL_REAL;
    return REEL_OK;
}

static struct stack stack_of(const reel_array *array, bool transpose)
{
    return (struct stack){&array->shape, {array->data, columns_of(&array->shape), transpose}};
}

/* How far the next matrix of a stack is along each of its batch axes: 0 where it has one for all. */
static void set_steps(const reel_shape *shape, int64_t stride, int64_t *step)
{
    if (reel_shape_numel(shape) == 0)
        return; /* the other sizes may be anything, and there is nothing to step over */
    int64_t size = rows_of(shape) * stride;
    for (int axis = shape->ndim - 3; axis >= 0; axis--) {
        step[axis] = shape->dim[axis] == 1 ? 0 : size;
        size *= shape->dim[axis];
    }
}

/* For every batch of `broadcast`: the matrix of `to` (of shape to_shape) that goes with it = or += a b. */
static void multiply_batches(const reel_shape *broadcast, struct stack a, struct stack b, const reel_shape *to_shape,
                             bool add, reel_real *to, int threads)
{
    if (reel_shape_numel(to_shape) == 0)
        return;
    struct reel_gemm_batch batch = {.ndim = broadcast->ndim - 2};
    for (int axis = 0; axis < batch.ndim; axis++)
        batch.dim[axis] = broadcast->dim[axis];
    set_steps(a.shape, a.first.stride, batch.a_step);
    set_steps(b.shape, b.first.stride, batch.b_step);
    set_steps(to_shape, columns_of(to_shape), batch.c_step);
    const struct reel_gemm first = {.m = rows_of(to_shape),
                                    .n = columns_of(to_shape),
                                    .k = a.first.transpose ? rows_of(a.shape) : columns_of(a.shape),
                                    .a = a.first,
                                    .b = b.first,
                                    .c = to,
                                    .c_stride = columns_of(to_shape),
                                    .add = add};
    reel_kern_gemm_batch(&batch, &first, threads);
}

static reel_status matmul_forward(reel_call *call)
{
    const struct matmul_attributes *t = call->attributes;
    const reel_shape *out = &call->out[0]->shape;
    multiply_batches(out, stack_of(call->in[0], t->transpose_a), stack_of(call->in[1], t->transpose_b), out, false,
                     call->out[0]->data, reel_get_num_threads(call->context));
    return REEL_OK;
}

/* With C = op(A) op(B): the gradient of op(A) is G op(B)^T, that of op(B) is op(A)^T G. */
static void matmul_vjp(const reel_call *call, const reel_var *grad_outputs, reel_var *grad_inputs)
{
    const struct matmul_attributes *t = call->attributes;
    reel_var g = grad_outputs[0], a = call->inputs[0], b = call->inputs[1];
    if (call->needed[0])
        grad_inputs[0] = t->transpose_a ? reel_matmul_with(call->tape, b, g, t->transpose_b, true)
                                        : reel_matmul_with(call->tape, g, b, false, !t->transpose_b);
    if (call->needed[1])
        grad_inputs[1] = t->transpose_b ? reel_matmul_with(call->tape, g, a, true, t->transpose_a)
                                        : reel_matmul_with(call->tape, a, g, !t->transpose_a, false);
}

struct reel_matrix reel_gradient_matrix(const reel_call *call, const reel_gradient *gradient, int64_t columns)
{
    if (gradient->columns == columns)
        return (struct reel_matrix){gradient->data, gradient->stride, false};
    return (struct reel_matrix){reel_gradient_contiguous(call, gradient), columns, false};
}

static struct stack transposed(struct stack s)
{
    s.first.transpose = !s.first.transpose;
    return s;
}

static reel_status matmul_accumulate(const reel_call *call, const reel_gradient *grad_outputs, reel_sink *const *sinks)
{
    const struct matmul_attributes *t = call->attributes;
    const reel_shape *out = &call->out[0]->shape;
    struct stack g = {out, reel_gradient_matrix(call, &grad_outputs[0], columns_of(out))};
    if (!g.first.data)
        return call->context->status;
    struct stack a = stack_of(call->in[0], t->transpose_a), b = stack_of(call->in[1], t->transpose_b);
    int threads = reel_get_num_threads(call->context);
    for (int k = 0; k < 2; k++) {
        bool add;
        reel_real *target = sinks[k] ? reel_sink_target(sinks[k], &add) : NULL;
        if (!target && sinks[k])
            return call->context->status;
        if (!target)
            continue;
        struct stack left = k == 0 ? g : transposed(a), right = k == 0 ? transposed(b) : g;
        if (k == 0 ? t->transpose_a : t->transpose_b)
            multiply_batches(out, transposed(right), transposed(left), &call->in[k]->shape, add, target, threads);
        else
            multiply_batches(out, left, right, &call->in[k]->shape, add, target, threads);
    }
    return REEL_OK;
}

static reel_cost matmul_cost(const reel_call *call)
{
    const struct matmul_attributes *t = call->attributes;
    const reel_array *a = call->in[0], *b = call->in[1], *out = call->out[0];
    int64_t k = t->transpose_a ? rows_of(&a->shape) : columns_of(&a->shape);
    return (reel_cost){.flops = 2.0 * (double)out->numel * (double)k,
                       .bytes = (double)sizeof(reel_real) * (double)(a->numel + b->numel + out->numel)};
}

static reel_onnx_value transposed_onnx(reel_onnx *to, reel_onnx_value x, int ndim)
{
    int64_t axes[REEL_MAX_NDIM];
    for (int i = 0; i < ndim; i++)
        axes[i] = i < ndim - 2 ? i : 2 * ndim - 3 - i;
    reel_onnx_set_ints(to, "perm", axes, ndim);
    return REEL_ONNX_NODE(to, "Transpose", x);
}

static reel_status matmul_onnx(const reel_call *call, reel_onnx *to)
{
    const struct matmul_attributes *t = call->attributes;
    int ndim = call->out[0]->shape.ndim;
    reel_onnx_value a = reel_onnx_input(to, 0), b = reel_onnx_input(to, 1);
    if (t->transpose_a)
        a = transposed_onnx(to, a, ndim);
    if (t->transpose_b)
        b = transposed_onnx(to, b, ndim);
    return reel_onnx_set_output(to, 0, REEL_ONNX_NODE(to, "MatMul", a, b));
}

static const reel_op matmul_op = {
    .name = "matmul",
    .n_inputs = 2,
    .n_outputs = 1,
    .broadcasts = true,
    .differentiable = 3,
    .reads_inputs = 3,
    .attributes_size = sizeof(struct matmul_attributes),
    .shape = matmul_shape,
    .forward = matmul_forward,
    .vjp = matmul_vjp,
    .accumulate = matmul_accumulate,
    .cost = matmul_cost,
    .onnx = matmul_onnx,
};

reel_var reel_matmul_with(reel_tape *tape, reel_var a, reel_var b, bool transpose_a, bool transpose_b)
{
    const struct matmul_attributes t = {transpose_a, transpose_b};
    return reel_apply1(tape, &matmul_op, (const reel_var[]){a, b}, 2, &t);
}

/* x with axes of size 1 in front, so that it has ndim axes. */
static reel_var with_axes(reel_tape *tape, reel_var x, reel_shape shape, int ndim)
{
    if (shape.ndim >= ndim)
        return x;
    reel_shape longer = {.ndim = ndim};
    for (int i = 0; i < ndim; i++)
        longer.dim[i] = i < ndim - shape.ndim ? 1 : shape.dim[i - (ndim - shape.ndim)];
    return reel_reshape(tape, x, longer);
}

reel_var reel_matmul(reel_tape *tape, reel_var a, reel_var b)
{
    reel_shape shape_a = reel_shape_of(tape, a), shape_b = reel_shape_of(tape, b);
    if (shape_a.ndim < 0 || shape_b.ndim < 0)
        return reel_null();
    if (shape_a.ndim == 0 || shape_b.ndim == 0) {
        reel_fail(reel_tape_context(tape), REEL_ERROR_SHAPE, "matmul: %s is a scalar", shape_a.ndim == 0 ? "a" : "b");
        return reel_null();
    }
    bool row = shape_a.ndim == 1, column = shape_b.ndim == 1;
    /* Here, so that the message has the shapes that were given. */
    int64_t k_a = columns_of(&shape_a), k_b = column ? shape_b.dim[0] : rows_of(&shape_b);
    if (k_a != k_b) {
        fail_inner(reel_tape_context(tape), &shape_a, &shape_b, k_a, k_b);
        return reel_null();
    }
    if (row) {
        shape_a = reel_shape_make(2, (const int64_t[]){1, shape_a.dim[0]});
        a = reel_reshape(tape, a, shape_a);
    }
    if (column) {
        shape_b = reel_shape_make(2, (const int64_t[]){shape_b.dim[0], 1});
        b = reel_reshape(tape, b, shape_b);
    }
    reel_var c;
    if (shape_a.ndim > 2 && shape_b.ndim == 2) {
        /* One matrix for all batches: their rows are the rows of one matrix. */
        c = reel_matmul_with(tape, reel_flatten(tape, a, 0, -2), b, false, false);
        shape_a.dim[shape_a.ndim - 1] = shape_b.dim[1];
        c = reel_reshape(tape, c, shape_a);
    } else {
        int ndim = shape_a.ndim > shape_b.ndim ? shape_a.ndim : shape_b.ndim;
        a = with_axes(tape, a, shape_a, ndim);
        b = with_axes(tape, b, shape_b, ndim);
        c = reel_matmul_with(tape, a, b, false, false);
    }
    if (column)
        c = reel_squeeze(tape, c, -1);
    if (row)
        c = reel_squeeze(tape, c, column ? -1 : -2);
    return c;
}
#else
static const struct matmul_attributes plain = {false, false}, a_transposed = {true, false},
                                      b_transposed = {false, true}, both_transposed = {true, true};
static const reel_sample matmul_samples[] = {
    GOOD("matrices", &plain, REAL(2, 3), REAL(3, 4)),
    GOOD("a transposed", &a_transposed, REAL(3, 2), REAL(3, 4)),
    GOOD("b transposed", &b_transposed, REAL(2, 3), REAL(4, 3)),
    GOOD("both transposed", &both_transposed, REAL(3, 2), REAL(4, 3)),
    GOOD("batches", &plain, REAL(3, 2, 3), REAL(3, 3, 2)),
    GOOD("batches transposed", &both_transposed, REAL(2, 3, 2), REAL(2, 2, 3)),
    GOOD("one matrix for a batch", &plain, REAL(1, 2, 3), REAL(3, 3, 2)),
    GOOD("a batch for one matrix, transposed", &b_transposed, REAL(3, 2, 3), REAL(1, 2, 3)),
    GOOD("batches that broadcast both ways", &plain, REAL(2, 1, 2, 3), REAL(1, 3, 3, 2)),
    GOOD("both ways, transposed", &both_transposed, REAL(2, 1, 3, 2), REAL(1, 3, 2, 3)),
    GOOD("six batch axes", &a_transposed, REAL(1, 2, 1, 2, 1, 2, 3, 1), REAL(2, 1, 1, 1, 1, 2, 3, 2)),
    GOOD("one row and one column", &plain, REAL(1, 3), REAL(3, 1)),
    GOOD("an outer product", &plain, REAL(3, 1), REAL(1, 2)),
    GOOD("nothing to sum over", &plain, REAL(2, 0), REAL(0, 3)),
    GOOD("nothing to sum over, in batches", &b_transposed, REAL(2, 2, 0), REAL(1, 3, 0)),
    GOOD("no rows", &plain, REAL(0, 2), REAL(2, 3)),
    GOOD("no columns", &plain, REAL(2, 2), REAL(2, 0)),
    GOOD("no batches", &plain, REAL(0, 2, 3), REAL(0, 3, 2)),
    GOOD("no batches, and one matrix for them", &plain, REAL(0, 2, 3), REAL(1, 3, 2)),
    REFUSED("more batches than an integer counts, of nothing", REEL_ERROR_SHAPE, &plain,
            REAL(INT64_C(1) << 40, 1, 1, 0), REAL(1, INT64_C(1) << 40, 0, 0)),
    REFUSED("inner sizes", REEL_ERROR_SHAPE, &plain, REAL(2, 3), REAL(2, 3)),
    REFUSED("inner sizes, transposed", REEL_ERROR_SHAPE, &a_transposed, REAL(2, 3), REAL(3, 2)),
    REFUSED("batches", REEL_ERROR_SHAPE, &plain, REAL(2, 2, 3), REAL(3, 3, 2)),
    REFUSED("another number of axes", REEL_ERROR_SHAPE, &plain, REAL(2, 3), REAL(1, 3, 2)),
    REFUSED("vectors", REEL_ERROR_SHAPE, &plain, REAL(3), REAL(3)),
    REFUSED("more results than an integer counts", REEL_ERROR_SHAPE, &plain, REAL(INT64_C(1) << 40, 0),
            REAL(0, INT64_C(1) << 40)),
    REFUSED("integers", REEL_ERROR_DTYPE, &plain, INDEX(3, 2, 3), REAL(3, 2)),
    REFUSED("booleans", REEL_ERROR_DTYPE, &plain, REAL(2, 3), BOOL(3, 2)),
};
SAMPLES(matmul, matmul_samples, .ulps = 1, .why = "products cancel in a sum");
#endif

REEL_OP_FAMILY(matmul, ROW(matmul));
