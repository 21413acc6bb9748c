/* Two operands, broadcast against each other; and a choice between two. */
#include "kern/elementwise.h"
#include "core/sink.h"
#include "kern/integers.h"
#include "ops/pointwise.h"

#include <reel/compare.h>
#include <reel/create.h>
#include <reel/elementwise.h>
#include <reel/mask.h>
#include <reel/unary.h>

#ifndef REEL_SAMPLES
static reel_status binary_shape(reel_call *call)
{
    if (reel_expect_real(call, 0, "the first operand") != REEL_OK ||
        reel_expect_real(call, 1, "the second operand") != REEL_OK)
        return call->context->status;
    call->out[0]->dtype = REEL_REAL;
    return reel_broadcast_shapes(call->context, call->op->name, &call->in[0]->shape, &call->in[1]->shape,
                                 &call->out[0]->shape);
}

/* Integers of one type give integers, and no gradients. */
static reel_status integers_shape(reel_call *call)
{
    reel_dtype a = call->in[0]->dtype, b = call->in[1]->dtype;
    if ((a != REEL_INT64 && a != REEL_INT32) || a != b)
        return reel_fail(call->context, REEL_ERROR_DTYPE,
                         "%s: the operands are %s and %s, they must be both int64 or both int32", call->op->name,
                         reel_dtype_name(a), reel_dtype_name(b));
    call->out[0]->dtype = a;
    return reel_broadcast_shapes(call->context, call->op->name, &call->in[0]->shape, &call->in[1]->shape,
                                 &call->out[0]->shape);
}

static reel_status arithmetic_shape(reel_call *call)
{
    reel_dtype a = call->in[0]->dtype, b = call->in[1]->dtype;
    if (a == REEL_REAL || b == REEL_REAL || a == REEL_BOOL)
        return binary_shape(call);
    return integers_shape(call);
}

static struct reel_broadcast plan_operands(const reel_call *call, int n)
{
    const reel_shape *operands[REEL_MAX_OPERANDS];
    for (int k = 0; k < n; k++)
        operands[k] = &call->in[k]->shape;
    struct reel_broadcast plan;
    reel_broadcast_plan(&plan, &call->out[0]->shape, n, operands);
    return plan;
}

static reel_status binary_forward(const reel_call *call, reel_kern_binary *kernel)
{
    struct reel_broadcast plan = plan_operands(call, 2);
    kernel(&plan, call->in[0]->data, call->in[1]->data, call->out[0]->data, call->context->num_threads);
    return REEL_OK;
}

static reel_status integers_forward(const reel_call *call, enum reel_integer_operation operation)
{
    struct reel_broadcast plan = plan_operands(call, 2);
    reel_kern_integers(operation, call->out[0]->dtype, &plan, call->in[0]->data, call->in[1]->data, call->out[0]->data,
                       call->context->num_threads);
    return REEL_OK;
}

/* Where a rule writes a gradient of the output's shape: into the sink itself when that is the sink's shape, else into a
 * temporary, which summed_back then adds to the sink. */
static reel_real *destination(const reel_call *call, reel_sink *sink, bool *add)
{
    if (reel_shape_equal(&sink->node->array.shape, &call->out[0]->shape))
        return reel_sink_target(sink, add);
    *add = false;
    return reel_call_temporary(call, (size_t)call->out[0]->numel * sizeof(reel_real));
}

static reel_status summed_back(const reel_call *call, reel_sink *sink, const reel_real *values)
{
    if (reel_shape_equal(&sink->node->array.shape, &call->out[0]->shape))
        return REEL_OK;
    return reel_sink_add_broadcast(sink, values, &call->out[0]->shape);
}

/* Adds the gradient as it is: shared when the shapes are equal. */
static reel_status pass_on(const reel_call *call, const reel_gradient *g, reel_sink *sink)
{
    if (reel_shape_equal(&sink->node->array.shape, &call->out[0]->shape))
        return reel_sink_share(sink, g);
    const reel_real *values = reel_gradient_contiguous(call, g);
    return values ? reel_sink_add_broadcast(sink, values, &call->out[0]->shape) : call->context->status;
}

static reel_status add_rule(const reel_call *call, const reel_gradient *g, reel_sink *sink,
                            reel_kern_binary_rule *kernel)
{
    bool add;
    const reel_real *values = reel_gradient_contiguous(call, g);
    reel_real *to = values ? destination(call, sink, &add) : NULL;
    if (!to)
        return call->context->status;
    struct reel_broadcast plan = plan_operands(call, 2);
    kernel(&plan, values, call->in[0]->data, call->in[1]->data, to, add, call->context->num_threads);
    return summed_back(call, sink, to);
}

/* name_forward, and name_accumulate from the rules for both operands; NULL: the gradient goes on as it is. */
#define BINARY_FUNCTIONS(name, first, second)                                                                          \
    static reel_status name##_forward(reel_call *call)                                                                 \
    {                                                                                                                  \
        return binary_forward(call, reel_kern_##name);                                                                 \
    }                                                                                                                  \
    BINARY_ACCUMULATE(name, first, second)
/* The same for arithmetic that integers have, too. */
#define ARITHMETIC_FUNCTIONS(name, integer, first, second)                                                             \
    static reel_status name##_forward(reel_call *call)                                                                 \
    {                                                                                                                  \
        return call->out[0]->dtype == REEL_REAL ? binary_forward(call, reel_kern_##name)                               \
                                                : integers_forward(call, integer);                                     \
    }                                                                                                                  \
    BINARY_ACCUMULATE(name, first, second)
#define BINARY_ACCUMULATE(name, first, second)                                                                         \
    static reel_status name##_accumulate(const reel_call *call, const reel_gradient *g, reel_sink *const *sinks)       \
    {                                                                                                                  \
        reel_kern_binary_rule *const rules[] = {first, second};                                                        \
        for (int k = 0; k < 2; k++) {                                                                                  \
            if (sinks[k] && rules[k])                                                                                  \
                add_rule(call, g, sinks[k], rules[k]);                                                                 \
            else if (sinks[k])                                                                                         \
                pass_on(call, g, sinks[k]);                                                                            \
            if (call->context->status != REEL_OK)                                                                      \
                return call->context->status;                                                                          \
        }                                                                                                              \
        return REEL_OK;                                                                                                \
    }

/* What all rows of two operands have in common. */
#define BINARY_ROW_OF(name_, shape_)                                                                                   \
    .name = #name_, .n_inputs = 2, .n_outputs = 1, .broadcasts = true, .differentiable = 3, .shape = shape_,           \
    .forward = name_##_forward, .vjp = name_##_vjp, .accumulate = name_##_accumulate, .cost = reel_pointwise_cost
#define BINARY_ROW(name_) BINARY_ROW_OF(name_, binary_shape)
#define ARITHMETIC_ROW(name_) BINARY_ROW_OF(name_, arithmetic_shape)

static reel_var apply_binary(reel_tape *tape, const reel_op *op, reel_var a, reel_var b)
{
    const reel_var inputs[] = {a, b};
    return reel_apply1(tape, op, inputs, 2, NULL);
}
#else
/* Samples of broadcasting that every operation of two operands gets; FIRST and SECOND make an input from sizes. */
#define BROADCAST_SAMPLES(FIRST, SECOND)                                                                               \
    GOOD("equal shapes", NULL, FIRST(3, 4), SECOND(3, 4)), GOOD("a row and its rows", NULL, FIRST(4), SECOND(3, 4)),   \
        GOOD("rows and a row", NULL, FIRST(3, 4), SECOND(4)),                                                          \
        GOOD("a column and a row", NULL, FIRST(3, 1), SECOND(1, 4)),                                                   \
        GOOD("a column", NULL, FIRST(2, 3), SECOND(2, 1)),                                                             \
        GOOD("axes in the middle", NULL, FIRST(2, 1, 3, 1), SECOND(2, 2, 1, 2)),                                       \
        GOOD("one element", NULL, FIRST(1, 1), SECOND(5)),                                                             \
        GOOD("more axes on one side", NULL, FIRST(2, 1, 2), SECOND(3, 1, 2, 2)),                                       \
        GOOD("8 axes", NULL, FIRST(2, 1, 1, 2, 1, 1, 2, 1), SECOND(1, 2, 1, 2, 1, 1, 1, 2)),                           \
        GOOD("no elements", NULL, FIRST(3, 0), SECOND(3, 0)),                                                          \
        GOOD("no elements, by broadcasting", NULL, FIRST(3, 1), SECOND(1, 0)),                                         \
        REFUSED("shapes that do not broadcast", REEL_ERROR_SHAPE, NULL, FIRST(3, 4), SECOND(3)),                       \
        REFUSED("0 against 3", REEL_ERROR_SHAPE, NULL, FIRST(0), SECOND(3)),                                           \
        REFUSED("an integer operand", REEL_ERROR_DTYPE, NULL, FIRST(3), INDEX(4, 3)),                                  \
        REFUSED("a bool operand", REEL_ERROR_DTYPE, NULL, BOOL(3), SECOND(3))
/* And what arithmetic gets for integers. */
#define INTEGER_SAMPLES                                                                                                \
    GOOD("int64", NULL, SIGNED(9, 2, 3), SIGNED(9, 2, 3)), GOOD("int32", NULL, SIGNED32(9, 2, 3), SIGNED32(9, 3)),     \
        GOOD("int64, a column and a row", NULL, SIGNED(1000, 3, 1), SIGNED(1000, 4)),                                  \
        GOOD("int64, no elements", NULL, SIGNED(9, 0), SIGNED(9, 1)),                                                  \
        REFUSED("int64 and int32", REEL_ERROR_DTYPE, NULL, INDEX(4, 3), INDEX32(4, 3)),                                \
        REFUSED("integers that do not broadcast", REEL_ERROR_SHAPE, NULL, INDEX(4, 3), INDEX(4, 2))
#endif

/* ---- add ---- */

#ifndef REEL_SAMPLES
ARITHMETIC_FUNCTIONS(add, REEL_INTEGER_ADD, NULL, NULL)

static void add_vjp(const reel_call *call, const reel_var *g, reel_var *grad_inputs)
{
    (void)call;
    grad_inputs[0] = grad_inputs[1] = g[0];
}

static const reel_op add_op = {ARITHMETIC_ROW(add), .onnx_node = "Add"};

reel_var reel_add(reel_tape *tape, reel_var a, reel_var b)
{
    return apply_binary(tape, &add_op, a, b);
}
#else
static const reel_sample add_samples[] = {
    GOOD("no axes", NULL, SCALAR, SCALAR),
    GOOD("no axes and some", NULL, SCALAR, REAL(2, 3)),
    BROADCAST_SAMPLES(REAL, REAL),
    INTEGER_SAMPLES,
};
SAMPLES(add, add_samples);
#endif

/* ---- sub ---- */

#ifndef REEL_SAMPLES
ARITHMETIC_FUNCTIONS(sub, REEL_INTEGER_SUB, NULL, reel_kern_sub_second)

static void sub_vjp(const reel_call *call, const reel_var *g, reel_var *grad_inputs)
{
    grad_inputs[0] = g[0];
    if (call->needed[1])
        grad_inputs[1] = reel_neg(call->tape, g[0]);
}

static const reel_op sub_op = {ARITHMETIC_ROW(sub), .onnx_node = "Sub"};

reel_var reel_sub(reel_tape *tape, reel_var a, reel_var b)
{
    return apply_binary(tape, &sub_op, a, b);
}
#else
static const reel_sample sub_samples[] = {
    GOOD("no axes and some", NULL, REAL(2, 3), SCALAR),
    BROADCAST_SAMPLES(REAL, REAL),
    INTEGER_SAMPLES,
};
SAMPLES(sub, sub_samples);
#endif

/* ---- mul ---- */

#ifndef REEL_SAMPLES
ARITHMETIC_FUNCTIONS(mul, REEL_INTEGER_MUL, reel_kern_mul_first, reel_kern_mul_second)

static void mul_vjp(const reel_call *call, const reel_var *g, reel_var *grad_inputs)
{
    for (int k = 0; k < 2; k++)
        if (call->needed[k])
            grad_inputs[k] = reel_mul(call->tape, g[0], call->inputs[1 - k]);
}

static const reel_op mul_op = {ARITHMETIC_ROW(mul), .onnx_node = "Mul", .reads_inputs = 3};

reel_var reel_mul(reel_tape *tape, reel_var a, reel_var b)
{
    return apply_binary(tape, &mul_op, a, b);
}
#else
static const reel_sample mul_samples[] = {
    GOOD("no axes and some", NULL, SCALAR, REAL(2, 3)),
    BROADCAST_SAMPLES(REAL, REAL),
    INTEGER_SAMPLES,
};
SAMPLES(mul, mul_samples);
#endif

/* ---- div ---- */

#ifndef REEL_SAMPLES
BINARY_FUNCTIONS(div, reel_kern_div_first, reel_kern_div_second)

static void div_vjp(const reel_call *call, const reel_var *g, reel_var *grad_inputs)
{
    reel_tape *t = call->tape;
    reel_var a = call->inputs[0], b = call->inputs[1];
    if (call->needed[0])
        grad_inputs[0] = reel_div(t, g[0], b);
    if (call->needed[1])
        grad_inputs[1] = reel_mul(t, reel_neg(t, g[0]), reel_div(t, reel_div(t, a, b), b));
}

static const reel_op div_op = {BINARY_ROW(div), .onnx_node = "Div", .reads_inputs = 3};

reel_var reel_div(reel_tape *tape, reel_var a, reel_var b)
{
    return apply_binary(tape, &div_op, a, b);
}
#else
#define DIVISOR(...) WITHIN(0.4, 2, __VA_ARGS__)
static const reel_sample div_samples[] = {
    GOOD("no axes and some", NULL, SCALAR, DIVISOR(2, 3)),
    GOOD("negative divisors", NULL, REAL(2, 3), WITHIN(-2, -0.4, 2, 3)),
    BROADCAST_SAMPLES(REAL, DIVISOR),
};
SAMPLES(div, div_samples);
#endif

/* ---- pow ---- */

#ifndef REEL_SAMPLES
BINARY_FUNCTIONS(pow, reel_kern_pow_first, reel_kern_pow_second)

static void pow_vjp(const reel_call *call, const reel_var *g, reel_var *grad_inputs)
{
    static const reel_real zero = 0, one = 1;
    reel_tape *t = call->tape;
    reel_var base = call->inputs[0], exponent = call->inputs[1];
    reel_var nothing = reel_constant(t, &zero);
    if (call->needed[0]) {
        reel_var slope = reel_mul(t, exponent, reel_pow(t, base, reel_sub_scalar(t, exponent, 1)));
        grad_inputs[0] = reel_where(t, reel_eq_scalar(t, exponent, 0), nothing, reel_mul(t, g[0], slope));
    }
    if (call->needed[1]) {
        /* The logarithm must stay finite where it is not chosen: 0 times an infinite derivative would be NaN. */
        reel_var flat = reel_logical_and(t, reel_eq_scalar(t, base, 0), reel_ge_scalar(t, exponent, 0));
        reel_var logarithm = reel_log(t, reel_where(t, flat, reel_constant(t, &one), base));
        reel_var slope = reel_mul(t, reel_pow(t, base, exponent), logarithm);
        grad_inputs[1] = reel_where(t, flat, nothing, reel_mul(t, g[0], slope));
    }
}

static const reel_op pow_op = {BINARY_ROW(pow), .onnx_node = "Pow", .reads_inputs = 3};

reel_var reel_pow(reel_tape *tape, reel_var base, reel_var exponent)
{
    return apply_binary(tape, &pow_op, base, exponent);
}
#else
#define BASE(...) WITHIN(0.4, 2, __VA_ARGS__)
static const reel_sample pow_samples[] = {
    GOOD("no axes and some", NULL, BASE(2, 3), SCALAR),
    GOOD("large exponents", NULL, WITHIN(0.5, 1.5, 5), WITHIN(5, 9, 5)),
    BROADCAST_SAMPLES(BASE, REAL),
};
SAMPLES(pow, pow_samples);
#endif

/* ---- floor_divide and remainder ---- */

#ifndef REEL_SAMPLES
static reel_status division_forward(const reel_call *call, enum reel_integer_operation operation)
{
    const reel_array *divisor = call->in[1];
    int64_t zero = call->out[0]->numel > 0 ? reel_kern_find_zero(divisor->dtype, divisor->numel, divisor->data) : -1;
    char position[REEL_POSITION_TEXT];
    if (zero >= 0)
        return reel_fail(call->context, REEL_ERROR_ARGUMENT, "%s: the divisor%s is 0", call->op->name,
                         reel_position_text(&divisor->shape, zero, position));
    return integers_forward(call, operation);
}

/* Div rounds towards 0, so that it is given what is divided without a rest: Mod has the sign of the divisor. */
static reel_status floor_divide_onnx(const reel_call *call, reel_onnx *to)
{
    (void)call;
    reel_onnx_value a = reel_onnx_input(to, 0), b = reel_onnx_input(to, 1);
    reel_onnx_value whole = REEL_ONNX_NODE(to, "Sub", a, REEL_ONNX_NODE(to, "Mod", a, b));
    return reel_onnx_set_output(to, 0, REEL_ONNX_NODE(to, "Div", whole, b));
}

#define DIVISION(name_, operation)                                                                                     \
    static reel_status name_##_forward(reel_call *call)                                                                \
    {                                                                                                                  \
        return division_forward(call, operation);                                                                      \
    }                                                                                                                  \
    static const reel_op name_##_op = {                                                                                \
        .name = #name_,                                                                                                \
        .n_inputs = 2,                                                                                                 \
        .n_outputs = 1,                                                                                                \
        .derivative = REEL_DERIVATIVE_NONE,                                                                            \
        .shape = integers_shape,                                                                                       \
        .forward = name_##_forward,                                                                                    \
        .cost = reel_pointwise_cost,                                                                                   \
        .onnx = name_##_onnx,                                                                                          \
    };                                                                                                                 \
    reel_var reel_##name_(reel_tape *tape, reel_var a, reel_var b)                                                     \
    {                                                                                                                  \
        return apply_binary(tape, &name_##_op, a, b);                                                                  \
    }

DIVISION(floor_divide, REEL_INTEGER_FLOOR_DIVIDE)

static reel_status remainder_forward(reel_call *call)
{
    return call->out[0]->dtype == REEL_REAL ? binary_forward(call, reel_kern_remainder)
                                            : division_forward(call, REEL_INTEGER_REMAINDER);
}

BINARY_ACCUMULATE(remainder, NULL, reel_kern_remainder_second)

static void remainder_vjp(const reel_call *call, const reel_var *g, reel_var *grad_inputs)
{
    reel_tape *t = call->tape;
    reel_var a = call->inputs[0], b = call->inputs[1];
    grad_inputs[0] = g[0];
    if (call->needed[1]) {
        reel_var rest = call->outputs[0], quotient = reel_round(t, reel_div(t, reel_sub(t, a, rest), b));
        /* The rest is infinite where the divisor is, and a has the other sign. */
        quotient = reel_where(t, reel_isinf(t, rest), reel_full(t, REEL_SCALAR, -1), quotient);
        grad_inputs[1] = reel_mul(t, reel_neg(t, g[0]), quotient);
    }
}

/* Of integers Mod has the sign of the divisor, of reals that of a. */
static reel_status remainder_onnx(const reel_call *call, reel_onnx *to)
{
    reel_onnx_value a = reel_onnx_input(to, 0), b = reel_onnx_input(to, 1);
    if (call->out[0]->dtype != REEL_REAL)
        return reel_onnx_set_output(to, 0, REEL_ONNX_NODE(to, "Mod", a, b));
    reel_onnx_set_int(to, "fmod", 1);
    reel_onnx_value rest = REEL_ONNX_NODE(to, "Mod", a, b), zero = reel_onnx_number(to, REEL_REAL, 0);
    reel_onnx_value other_sign = REEL_ONNX_NODE(to, "Less", REEL_ONNX_NODE(to, "Mul", rest, b), zero);
    reel_onnx_value moved = REEL_ONNX_NODE(to, "Add", rest, b);
    return reel_onnx_set_output(to, 0, REEL_ONNX_NODE(to, "Where", other_sign, moved, rest));
}

static const reel_op remainder_op = {ARITHMETIC_ROW(remainder), .onnx = remainder_onnx, .reads_inputs = 3};

reel_var reel_remainder(reel_tape *tape, reel_var a, reel_var b)
{
    return apply_binary(tape, &remainder_op, a, b);
}
#else
#define DIVISORS(from, to, ...)                                                                                        \
    {                                                                                                                  \
        .dtype = REEL_INT64, REEL_DIMS(__VA_ARGS__), .low = (from), .high = (to)                                       \
    }
#define NEGATIVE32(from, ...)                                                                                          \
    {                                                                                                                  \
        .dtype = REEL_INT32, REEL_DIMS(__VA_ARGS__), .low = (from), .high = 0                                          \
    }
#define DIVISION_SAMPLES                                                                                               \
    GOOD("by positive numbers", NULL, SIGNED(50, 4, 6), DIVISORS(1, 7, 6)),                                            \
        GOOD("by negative numbers", NULL, SIGNED32(50, 4, 6), NEGATIVE32(-7, 4, 1)),                                   \
        GOOD("by -1", NULL, SIGNED32(50, 6), NEGATIVE32(-1, 1)),                                                       \
        GOOD("large numbers", NULL, SIGNED(1e15, 5), DIVISORS(1, 1e6, 5)),                                             \
        GOOD("no integers", NULL, SIGNED(9, 0), DIVISORS(1, 2, 1)),                                                    \
        REFUSED("a divisor of 0", REEL_ERROR_ARGUMENT, NULL, SIGNED(9, 3), DIVISORS(0, 1, 3)),                         \
        REFUSED("bools", REEL_ERROR_DTYPE, NULL, BOOL(3), BOOL(3)),                                                    \
        REFUSED("int64 and int32", REEL_ERROR_DTYPE, NULL, INDEX(4, 3), NEGATIVE32(-7, 3)),                            \
        REFUSED("integers that do not broadcast", REEL_ERROR_SHAPE, NULL, SIGNED(9, 3), DIVISORS(1, 7, 2))
static const reel_sample floor_divide_samples[] = {
    DIVISION_SAMPLES,
    REFUSED("reals", REEL_ERROR_DTYPE, NULL, REAL(3), REAL(3)),
};

static const reel_sample remainder_samples[] = {
    DIVISION_SAMPLES,
    GOOD("reals by negative numbers", NULL, REAL(4, 6), WITHIN(-1, -0.3, 6)),
    GOOD("large reals", NULL, WITHIN(-1000, 1000, 9), WITHIN(0.3, 1, 9)),
    BROADCAST_SAMPLES(REAL, DIVISOR),
};
SAMPLES(floor_divide, floor_divide_samples);
SAMPLES(remainder, remainder_samples);
#endif

/* ---- maximum and minimum ---- */

#ifndef REEL_SAMPLES
/* g where the operand wins (wins(a, b)), half of it at a tie, else 0. */
static reel_var share_of_winner(reel_tape *t, reel_var g, reel_var loses, reel_var tie)
{
    static const reel_real zero = 0;
    reel_var whole = reel_where(t, loses, reel_constant(t, &zero), g);
    return reel_where(t, tie, reel_mul_scalar(t, g, 0.5), whole);
}

BINARY_FUNCTIONS(maximum, reel_kern_maximum_first, reel_kern_maximum_second)

static void maximum_vjp(const reel_call *call, const reel_var *g, reel_var *grad_inputs)
{
    reel_tape *t = call->tape;
    reel_var a = call->inputs[0], b = call->inputs[1], tie = reel_eq(t, a, b);
    if (call->needed[0])
        grad_inputs[0] = share_of_winner(t, g[0], reel_lt(t, a, b), tie);
    if (call->needed[1])
        grad_inputs[1] = share_of_winner(t, g[0], reel_gt(t, a, b), tie);
}

static const reel_op maximum_op = {BINARY_ROW(maximum), .onnx_node = "Max", .reads_inputs = 3};

reel_var reel_maximum(reel_tape *tape, reel_var a, reel_var b)
{
    return apply_binary(tape, &maximum_op, a, b);
}

BINARY_FUNCTIONS(minimum, reel_kern_minimum_first, reel_kern_minimum_second)

static void minimum_vjp(const reel_call *call, const reel_var *g, reel_var *grad_inputs)
{
    reel_tape *t = call->tape;
    reel_var a = call->inputs[0], b = call->inputs[1], tie = reel_eq(t, a, b);
    if (call->needed[0])
        grad_inputs[0] = share_of_winner(t, g[0], reel_gt(t, a, b), tie);
    if (call->needed[1])
        grad_inputs[1] = share_of_winner(t, g[0], reel_lt(t, a, b), tie);
}

static const reel_op minimum_op = {BINARY_ROW(minimum), .onnx_node = "Min", .reads_inputs = 3};

reel_var reel_minimum(reel_tape *tape, reel_var a, reel_var b)
{
    return apply_binary(tape, &minimum_op, a, b);
}
#else
#define UNEQUAL(...) APART(0.01, __VA_ARGS__)
static const reel_sample maximum_samples[] = {
    GOOD("no axes and some", NULL, UNEQUAL(2, 3), UNEQUAL(1)),
    BROADCAST_SAMPLES(UNEQUAL, UNEQUAL),
};

static const reel_sample minimum_samples[] = {
    GOOD("no axes and some", NULL, UNEQUAL(1), UNEQUAL(2, 3)),
    BROADCAST_SAMPLES(UNEQUAL, UNEQUAL),
};
SAMPLES(maximum, maximum_samples);
SAMPLES(minimum, minimum_samples);
#endif

/* ---- where ---- */

#ifndef REEL_SAMPLES
static reel_status where_shape(reel_call *call)
{
    if (call->in[0]->dtype != REEL_BOOL)
        return reel_fail(call->context, REEL_ERROR_DTYPE, "where: condition is %s, it must be bool",
                         reel_dtype_name(call->in[0]->dtype));
    reel_dtype a = call->in[1]->dtype, b = call->in[2]->dtype;
    if (a != b)
        return reel_fail(call->context, REEL_ERROR_DTYPE, "where: a is %s and b is %s, they must be alike",
                         reel_dtype_name(a), reel_dtype_name(b));
    reel_shape chosen;
    if (reel_broadcast_shapes(call->context, "where", &call->in[1]->shape, &call->in[2]->shape, &chosen) != REEL_OK)
        return call->context->status;
    call->out[0]->dtype = a;
    return reel_broadcast_shapes(call->context, "where", &call->in[0]->shape, &chosen, &call->out[0]->shape);
}

static reel_status where_forward(reel_call *call)
{
    struct reel_broadcast plan = plan_operands(call, 3);
    reel_kern_where(call->out[0]->dtype, &plan, call->in[0]->data, call->in[1]->data, call->in[2]->data,
                    call->out[0]->data, call->context->num_threads);
    return REEL_OK;
}

static void where_vjp(const reel_call *call, const reel_var *g, reel_var *grad_inputs)
{
    static const reel_real zero = 0;
    reel_tape *t = call->tape;
    reel_var condition = call->inputs[0], nothing = reel_constant(t, &zero);
    if (call->needed[1])
        grad_inputs[1] = reel_where(t, condition, g[0], nothing);
    if (call->needed[2])
        grad_inputs[2] = reel_where(t, condition, nothing, g[0]);
}

static reel_status where_accumulate(const reel_call *call, const reel_gradient *g, reel_sink *const *sinks)
{
    const reel_real *values = reel_gradient_contiguous(call, g);
    if (!values)
        return call->context->status;
    struct reel_broadcast plan = plan_operands(call, 1);
    for (int k = 1; k <= 2; k++) {
        bool add;
        if (!sinks[k])
            continue;
        reel_real *to = destination(call, sinks[k], &add);
        if (!to)
            return call->context->status;
        reel_kern_where_rule(&plan, call->in[0]->data, k == 1, values, to, add, call->context->num_threads);
        if (summed_back(call, sinks[k], to) != REEL_OK)
            return call->context->status;
    }
    return REEL_OK;
}

/* onnxruntime has no Where of bools. */
static reel_status where_onnx(const reel_call *call, reel_onnx *to)
{
    reel_onnx_value condition = reel_onnx_input(to, 0), a = reel_onnx_input(to, 1), b = reel_onnx_input(to, 2);
    if (call->out[0]->dtype != REEL_BOOL)
        return reel_onnx_set_output(to, 0, REEL_ONNX_NODE(to, "Where", condition, a, b));
    a = REEL_ONNX_NODE(to, "And", condition, a);
    b = REEL_ONNX_NODE(to, "And", REEL_ONNX_NODE(to, "Not", condition), b);
    return reel_onnx_set_output(to, 0, REEL_ONNX_NODE(to, "Or", a, b));
}

static const reel_op where_op = {
    .name = "where",
    .n_inputs = 3,
    .n_outputs = 1,
    .broadcasts = true,
    .differentiable = 6,
    .reads_inputs = 1,
    .shape = where_shape,
    .forward = where_forward,
    .vjp = where_vjp,
    .accumulate = where_accumulate,
    .cost = reel_pointwise_cost,
    .onnx = where_onnx,
};

reel_var reel_where(reel_tape *tape, reel_var condition, reel_var a, reel_var b)
{
    const reel_var inputs[] = {condition, a, b};
    return reel_apply1(tape, &where_op, inputs, 3, NULL);
}
#else
static const reel_sample where_samples[] = {
    GOOD("equal shapes", NULL, BOOL(3, 4), REAL(3, 4), REAL(3, 4)),
    GOOD("a condition a row", NULL, BOOL(3, 1), REAL(3, 4), REAL(4)),
    GOOD("a condition a column", NULL, BOOL(4), REAL(3, 4), REAL(3, 1)),
    GOOD("two numbers", NULL, BOOL(2, 3), SCALAR, SCALAR),
    GOOD("one condition", NULL, BOOL(1), REAL(5), REAL(1)),
    GOOD("three axes, one each", NULL, BOOL(2, 1, 1), REAL(1, 3, 1), REAL(1, 1, 4)),
    GOOD("axes in the middle", NULL, BOOL(2, 1, 2, 1), REAL(1, 2, 2, 2), REAL(2, 2, 1, 2)),
    GOOD("8 axes", NULL, BOOL(2, 1, 1, 1, 1, 1, 2, 1), REAL(1, 2, 1, 1, 1, 1, 1, 2), REAL(2, 1, 1, 1, 1, 1, 2, 2)),
    GOOD("no elements", NULL, BOOL(0), REAL(3, 0), REAL(1)),
    REFUSED("a condition of numbers", REEL_ERROR_DTYPE, NULL, REAL(3), REAL(3), REAL(3)),
    GOOD("int64", NULL, BOOL(3, 4), INDEX(9, 3, 4), INDEX(9, 4)),
    GOOD("int32", NULL, BOOL(3, 1), INDEX32(9, 3, 4), INDEX32(9, 1)),
    GOOD("bools", NULL, BOOL(4), BOOL(3, 4), BOOL(3, 1)),
    REFUSED("choices of two types", REEL_ERROR_DTYPE, NULL, BOOL(3), REAL(3), INDEX(4, 3)),
    REFUSED("choices that do not broadcast", REEL_ERROR_SHAPE, NULL, BOOL(3), REAL(3), REAL(2)),
    REFUSED("a condition that does not broadcast", REEL_ERROR_SHAPE, NULL, BOOL(2), REAL(3), REAL(3)),
};
SAMPLES(where, where_samples);
#endif

REEL_OP_FAMILY(elementwise, ROW(add), ROW(sub), ROW(mul), ROW(div), ROW(pow), ROW(floor_divide), ROW(remainder),
               ROW(maximum), ROW(minimum), ROW(where));
