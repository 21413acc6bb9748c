/* Comparisons, and conversions between element types: nothing of this has a derivative. */
#include "kern/compare.h"
#include "ops/pointwise.h"

#include <reel/compare.h>

#include <math.h>

/* ---- of two operands ---- */

#ifndef REEL_SAMPLES
static reel_status compare_shape(reel_call *call)
{
    const reel_array *a = call->in[0], *b = call->in[1];
    if (a->dtype != b->dtype)
        return reel_fail(call->context, REEL_ERROR_DTYPE, "%s: operands of one type are compared, not %s and %s",
                         call->op->name, reel_dtype_name(a->dtype), reel_dtype_name(b->dtype));
    call->out[0]->dtype = REEL_BOOL;
    return reel_broadcast_shapes(call->context, call->op->name, &a->shape, &b->shape, &call->out[0]->shape);
}

static reel_status compare_forward(reel_call *call, enum reel_comparison comparison, bool swapped)
{
    const reel_array *a = call->in[swapped], *b = call->in[!swapped];
    const reel_shape *operands[] = {&a->shape, &b->shape};
    struct reel_broadcast plan;
    reel_broadcast_plan(&plan, &call->out[0]->shape, 2, operands);
    reel_kern_compare(comparison, a->dtype, &plan, a->data, b->data, call->out[0]->data, call->context->num_threads);
    return REEL_OK;
}

/* A node of two operands; with '!' before its type, the contrary. */
static reel_status compared_onnx(reel_onnx *to, const char *node, const reel_onnx_value *operands)
{
    bool contrary = node[0] == '!';
    reel_onnx_value result = reel_onnx_node(to, node + contrary, operands, 2);
    return reel_onnx_set_output(to, 0, contrary ? REEL_ONNX_NODE(to, "Not", result) : result);
}

/* ONNX compares numbers: false as 0, true as 1. */
static reel_status compare_onnx(const reel_call *call, reel_onnx *to, const char *node)
{
    reel_onnx_value operands[2];
    for (int k = 0; k < 2; k++) {
        operands[k] = reel_onnx_input(to, k);
        if (call->in[k]->dtype == REEL_BOOL)
            operands[k] = reel_onnx_cast(to, operands[k], REEL_INT32);
    }
    return compared_onnx(to, node, operands);
}

#define COMPARISON(name_, comparison, swapped, node)                                                                   \
    static reel_status name_##_forward(reel_call *call)                                                                \
    {                                                                                                                  \
        return compare_forward(call, comparison, swapped);                                                             \
    }                                                                                                                  \
    static reel_status name_##_onnx(const reel_call *call, reel_onnx *to)                                              \
    {                                                                                                                  \
        return compare_onnx(call, to, node);                                                                           \
    }                                                                                                                  \
    static const reel_op name_##_op = {                                                                                \
        .name = #name_,                                                                                                \
        .n_inputs = 2,                                                                                                 \
        .n_outputs = 1,                                                                                                \
        .derivative = REEL_DERIVATIVE_NONE,                                                                            \
        .shape = compare_shape,                                                                                        \
        .forward = name_##_forward,                                                                                    \
        .cost = reel_pointwise_cost,                                                                                   \
        .onnx = name_##_onnx,                                                                                          \
    };                                                                                                                 \
    reel_var reel_##name_(reel_tape *tape, reel_var a, reel_var b)                                                     \
    {                                                                                                                  \
        const reel_var inputs[] = {a, b};                                                                              \
        return reel_apply1(tape, &name_##_op, inputs, 2, NULL);                                                        \
    }

COMPARISON(eq, REEL_COMPARE_EQ, false, "Equal")
COMPARISON(ne, REEL_COMPARE_NE, false, "!Equal")
COMPARISON(lt, REEL_COMPARE_LT, false, "Less")
COMPARISON(le, REEL_COMPARE_LE, false, "LessOrEqual")
COMPARISON(gt, REEL_COMPARE_LT, true, "Greater")
COMPARISON(ge, REEL_COMPARE_LE, true, "GreaterOrEqual")
#else
static const reel_sample compare_samples[] = {
    GOOD("no axes", NULL, SCALAR, SCALAR),
    GOOD("equal shapes", NULL, REAL(3, 4), REAL(3, 4)),
    GOOD("a row", NULL, REAL(3, 4), REAL(4)),
    GOOD("a column and a row", NULL, REAL(3, 1), REAL(1, 4)),
    GOOD("int64", NULL, INDEX(3, 4, 5), INDEX(3, 4, 5)),
    GOOD("int32", NULL, INDEX32(3, 4, 5), INDEX32(3, 1, 5)),
    GOOD("bool", NULL, BOOL(7), BOOL(1)),
    GOOD("8 axes", NULL, REAL(2, 1, 1, 2, 1, 1, 2, 1), REAL(1, 2, 1, 2, 1, 1, 1, 2)),
    GOOD("no elements", NULL, REAL(3, 0), REAL(1, 1)),
    REFUSED("two types", REEL_ERROR_DTYPE, NULL, REAL(3), INDEX(4, 3)),
    REFUSED("shapes that do not broadcast", REEL_ERROR_SHAPE, NULL, REAL(3), REAL(2)),
};
SAMPLES(eq, compare_samples);
SAMPLES(ne, compare_samples);
SAMPLES(lt, compare_samples);
SAMPLES(le, compare_samples);
SAMPLES(gt, compare_samples);
SAMPLES(ge, compare_samples);
#endif

/* ---- with a number ---- */

struct compare_scalar_attributes {
    double s;
};

#ifndef REEL_SAMPLES
static reel_status compare_scalar_shape(reel_call *call)
{
    call->out[0]->dtype = REEL_BOOL;
    call->out[0]->shape = call->in[0]->shape;
    return REEL_OK;
}

static reel_status compare_scalar_forward(reel_call *call, enum reel_comparison comparison, bool swapped)
{
    const struct compare_scalar_attributes *attributes = call->attributes;
    const reel_array *x = call->in[0];
    if (x->dtype != REEL_REAL) {
        reel_kern_compare_integers(comparison, x->dtype, x->numel, x->data, attributes->s, swapped, call->out[0]->data);
        return REEL_OK;
    }
    const reel_real s = (reel_real)attributes->s;
    const reel_shape scalar = {0, {0}}, *operands[] = {swapped ? &scalar : &x->shape, swapped ? &x->shape : &scalar};
    struct reel_broadcast plan;
    reel_broadcast_plan(&plan, &x->shape, 2, operands);
    reel_kern_compare(comparison, REEL_REAL, &plan, swapped ? &s : x->data, swapped ? x->data : &s, call->out[0]->data,
                      call->context->num_threads);
    return REEL_OK;
}

/* Integers are compared with a whole number as what they are. */
static reel_status compare_scalar_onnx(const reel_call *call, reel_onnx *to, const char *node)
{
    const struct compare_scalar_attributes *attributes = call->attributes;
    double s = attributes->s;
    bool whole = call->in[0]->dtype != REEL_REAL && s == floor(s) && fabs(s) < 0x1p62;
    reel_dtype dtype = whole ? REEL_INT64 : REEL_REAL;
    reel_onnx_value x = reel_onnx_input(to, 0);
    if (call->in[0]->dtype != dtype)
        x = reel_onnx_cast(to, x, dtype);
    const reel_onnx_value operands[] = {x, reel_onnx_number(to, dtype, s)};
    return compared_onnx(to, node, operands);
}

#define COMPARISON_SCALAR(name_, comparison, swapped, node)                                                            \
    static reel_status name_##_forward(reel_call *call)                                                                \
    {                                                                                                                  \
        return compare_scalar_forward(call, comparison, swapped);                                                      \
    }                                                                                                                  \
    static reel_status name_##_onnx(const reel_call *call, reel_onnx *to)                                              \
    {                                                                                                                  \
        return compare_scalar_onnx(call, to, node);                                                                    \
    }                                                                                                                  \
    static const reel_op name_##_op = {                                                                                \
        .name = #name_,                                                                                                \
        .n_inputs = 1,                                                                                                 \
        .n_outputs = 1,                                                                                                \
        .derivative = REEL_DERIVATIVE_NONE,                                                                            \
        .attributes_size = sizeof(struct compare_scalar_attributes),                                                   \
        .shape = compare_scalar_shape,                                                                                 \
        .forward = name_##_forward,                                                                                    \
        .cost = reel_pointwise_cost,                                                                                   \
        .onnx = name_##_onnx,                                                                                          \
    };                                                                                                                 \
    reel_var reel_##name_(reel_tape *tape, reel_var x, double s)                                                       \
    {                                                                                                                  \
        const struct compare_scalar_attributes attributes = {s};                                                       \
        return reel_apply1(tape, &name_##_op, &x, 1, &attributes);                                                     \
    }

COMPARISON_SCALAR(eq_scalar, REEL_COMPARE_EQ, false, "Equal")
COMPARISON_SCALAR(ne_scalar, REEL_COMPARE_NE, false, "!Equal")
COMPARISON_SCALAR(lt_scalar, REEL_COMPARE_LT, false, "Less")
COMPARISON_SCALAR(le_scalar, REEL_COMPARE_LE, false, "LessOrEqual")
COMPARISON_SCALAR(gt_scalar, REEL_COMPARE_LT, true, "Greater")
COMPARISON_SCALAR(ge_scalar, REEL_COMPARE_LE, true, "GreaterOrEqual")
#else
static const struct compare_scalar_attributes with_half = {0.5}, with_1 = {1};
static const reel_sample compare_scalar_samples[] = {
    GOOD("no axes", &with_half, SCALAR),
    GOOD("reals", &with_half, REAL(3, 4)),
    GOOD("int64", &with_1, INDEX(3, 10)),
    GOOD("int32", &with_1, INDEX32(3, 10)),
    GOOD("integers and a fraction", &with_half, INDEX(3, 10)),
    GOOD("bool", &with_1, BOOL(10)),
    GOOD("no elements", &with_1, REAL(0, 2)),
    REFUSED("two operands", REEL_ERROR_ARGUMENT, &with_1, REAL(2), REAL(2)),
};
SAMPLES(eq_scalar, compare_scalar_samples);
SAMPLES(ne_scalar, compare_scalar_samples);
SAMPLES(lt_scalar, compare_scalar_samples);
SAMPLES(le_scalar, compare_scalar_samples);
SAMPLES(gt_scalar, compare_scalar_samples);
SAMPLES(ge_scalar, compare_scalar_samples);
#endif

/* ---- logical_and and logical_or ---- */

#ifndef REEL_SAMPLES
static reel_status logical_shape(reel_call *call)
{
    for (int k = 0; k < 2; k++)
        if (call->in[k]->dtype != REEL_BOOL)
            return reel_fail(call->context, REEL_ERROR_DTYPE, "%s: the %s operand is %s, it must be bool",
                             call->op->name, k == 0 ? "first" : "second", reel_dtype_name(call->in[k]->dtype));
    return compare_shape(call);
}

#define LOGICAL(name_, comparison, node)                                                                               \
    static reel_status name_##_forward(reel_call *call)                                                                \
    {                                                                                                                  \
        return compare_forward(call, comparison, false);                                                               \
    }                                                                                                                  \
    static const reel_op name_##_op = {                                                                                \
        .name = #name_,                                                                                                \
        .n_inputs = 2,                                                                                                 \
        .n_outputs = 1,                                                                                                \
        .derivative = REEL_DERIVATIVE_NONE,                                                                            \
        .shape = logical_shape,                                                                                        \
        .forward = name_##_forward,                                                                                    \
        .cost = reel_pointwise_cost,                                                                                   \
        .onnx_node = (node),                                                                                           \
    };                                                                                                                 \
    reel_var reel_##name_(reel_tape *tape, reel_var a, reel_var b)                                                     \
    {                                                                                                                  \
        const reel_var inputs[] = {a, b};                                                                              \
        return reel_apply1(tape, &name_##_op, inputs, 2, NULL);                                                        \
    }

LOGICAL(logical_and, REEL_COMPARE_AND, "And")
LOGICAL(logical_or, REEL_COMPARE_OR, "Or")

reel_var reel_logical_not(reel_tape *tape, reel_var x)
{
    return reel_eq_scalar(tape, x, 0);
}
#else
static const reel_sample logical_samples[] = {
    GOOD("equal shapes", NULL, BOOL(3, 4), BOOL(3, 4)),
    GOOD("a column and a row", NULL, BOOL(3, 1), BOOL(4)),
    GOOD("no elements", NULL, BOOL(0), BOOL(1)),
    REFUSED("a number", REEL_ERROR_DTYPE, NULL, BOOL(3), REAL(3)),
    REFUSED("an integer", REEL_ERROR_DTYPE, NULL, INDEX(2, 3), BOOL(3)),
    REFUSED("shapes that do not broadcast", REEL_ERROR_SHAPE, NULL, BOOL(3), BOOL(2)),
};
SAMPLES(logical_and, logical_samples);
SAMPLES(logical_or, logical_samples);
#endif

/* ---- to_real ---- */

#ifndef REEL_SAMPLES
/* For a conversion that has nothing to do. */
static bool is_of_type(reel_tape *tape, reel_var x, reel_dtype dtype)
{
    return tape && reel_dtype_of(tape, x) == dtype && reel_context_status(reel_tape_context(tape)) == REEL_OK;
}

static reel_status to_real_shape(reel_call *call)
{
    if (call->in[0]->dtype == REEL_REAL)
        return reel_fail(call->context, REEL_ERROR_DTYPE, "to_real: x is real already");
    call->out[0]->dtype = REEL_REAL;
    call->out[0]->shape = call->in[0]->shape;
    return REEL_OK;
}

static reel_status to_real_forward(reel_call *call)
{
    reel_kern_to_real(call->in[0]->dtype, call->in[0]->numel, call->in[0]->data, call->out[0]->data);
    return REEL_OK;
}

static reel_status to_real_onnx(const reel_call *call, reel_onnx *to)
{
    (void)call;
    return reel_onnx_set_output(to, 0, reel_onnx_cast(to, reel_onnx_input(to, 0), REEL_REAL));
}

static const reel_op to_real_op = {
    .name = "to_real",
    .n_inputs = 1,
    .n_outputs = 1,
    .derivative = REEL_DERIVATIVE_NONE,
    .shape = to_real_shape,
    .forward = to_real_forward,
    .cost = reel_pointwise_cost,
    .onnx = to_real_onnx,
};

reel_var reel_to_real(reel_tape *tape, reel_var x)
{
    return is_of_type(tape, x, REEL_REAL) ? x : reel_apply1(tape, &to_real_op, &x, 1, NULL);
}
#else
static const reel_sample to_real_samples[] = {
    GOOD("bool", NULL, BOOL(2, 3)),
    GOOD("int64", NULL, INDEX(9, 2, 3)),
    GOOD("int32", NULL, INDEX32(9, 2, 3)),
    GOOD("no elements", NULL, INDEX(9, 0)),
    REFUSED("real already (the function returns x then)", REEL_ERROR_DTYPE, NULL, REAL(3)),
};
SAMPLES(to_real, to_real_samples);
#endif

/* ---- to_int64 ---- */

#ifndef REEL_SAMPLES
static reel_status to_int64_shape(reel_call *call)
{
    if (call->in[0]->dtype == REEL_INT64)
        return reel_fail(call->context, REEL_ERROR_DTYPE, "to_int64: x is int64 already");
    call->out[0]->dtype = REEL_INT64;
    call->out[0]->shape = call->in[0]->shape;
    return REEL_OK;
}

static reel_status to_int64_forward(reel_call *call)
{
    const reel_array *x = call->in[0];
    int64_t bad = reel_kern_to_int64(x->dtype, x->numel, x->data, call->out[0]->data);
    if (bad >= 0)
        return reel_fail(call->context, REEL_ERROR_INDEX, "to_int64: %g at flat position %lld is no int64",
                         (double)((const reel_real *)x->data)[bad], (long long)bad);
    return REEL_OK;
}

static reel_status to_int64_onnx(const reel_call *call, reel_onnx *to)
{
    (void)call;
    return reel_onnx_set_output(to, 0, reel_onnx_cast(to, reel_onnx_input(to, 0), REEL_INT64));
}

static const reel_op to_int64_op = {
    .name = "to_int64",
    .n_inputs = 1,
    .n_outputs = 1,
    .derivative = REEL_DERIVATIVE_NONE,
    .shape = to_int64_shape,
    .forward = to_int64_forward,
    .cost = reel_pointwise_cost,
    .onnx = to_int64_onnx,
};

reel_var reel_to_int64(reel_tape *tape, reel_var x)
{
    return is_of_type(tape, x, REEL_INT64) ? x : reel_apply1(tape, &to_int64_op, &x, 1, NULL);
}
#else
static const reel_sample to_int64_samples[] = {
    GOOD("bool", NULL, BOOL(2, 3)),
    GOOD("int32", NULL, INDEX32(9, 2, 3)),
    GOOD("real", NULL, WITHIN(-9, 9, 2, 3)),
    GOOD("no elements", NULL, REAL(0)),
    REFUSED("int64 already (the function returns x then)", REEL_ERROR_DTYPE, NULL, INDEX(9, 3)),
    REFUSED("too large", REEL_ERROR_INDEX, NULL, WITHIN(1e19, 2e19, 3)),
};
SAMPLES(to_int64, to_int64_samples);
#endif

REEL_OP_FAMILY(compare, ROW(eq), ROW(ne), ROW(lt), ROW(le), ROW(gt), ROW(ge), ROW(eq_scalar), ROW(ne_scalar),
               ROW(lt_scalar), ROW(le_scalar), ROW(gt_scalar), ROW(ge_scalar), ROW(logical_and), ROW(logical_or),
               ROW(to_real), ROW(to_int64));
