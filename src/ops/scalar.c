/* A var and a number that is no var. */
#include "ops/pointwise.h"

#include <reel/compare.h>
#include <reel/elementwise.h>
#include <reel/join.h>
#include <reel/unary.h>

#include <math.h>

#ifndef REEL_SAMPLES
/* The attributes of all rows are the two numbers that kernels take; most use one. */
static reel_var apply_number(reel_tape *tape, const reel_op *op, reel_var x, double s)
{
    const reel_real numbers[2] = {(reel_real)s, 0};
    return reel_apply1(tape, op, &x, 1, numbers);
}

static double number(const reel_call *call)
{
    return ((const reel_real *)call->attributes)[0];
}

/* A node of x and the number, or of the number and x. */
static reel_status number_onnx(const reel_call *call, reel_onnx *to, const char *node, bool reversed)
{
    reel_onnx_value x = reel_onnx_input(to, 0), s = reel_onnx_number(to, REEL_REAL, number(call));
    return reel_onnx_set_output(to, 0, REEL_ONNX_NODE(to, node, reversed ? s : x, reversed ? x : s));
}
#define NUMBER_ONNX(name, node, reversed)                                                                              \
    static reel_status name##_onnx(const reel_call *call, reel_onnx *to)                                               \
    {                                                                                                                  \
        return number_onnx(call, to, node, reversed);                                                                  \
    }
#define SCALAR_ROW(name_)                                                                                              \
    .name = #name_, .n_inputs = 1, .n_outputs = 1, .differentiable = 1, .attributes_size = sizeof(reel_real[2]),       \
    .shape = reel_unary_shape, .forward = name_##_forward, .vjp = name_##_vjp, .accumulate = name_##_accumulate,       \
    .cost = reel_pointwise_cost, .onnx = name_##_onnx

static reel_status pass_on(const reel_call *call, const reel_gradient *g, reel_sink *const *sinks)
{
    (void)call;
    return reel_sink_share(sinks[0], g);
}

static void pass_on_vjp(const reel_call *call, const reel_var *g, reel_var *grad_inputs)
{
    (void)call;
    grad_inputs[0] = g[0];
}
#else
static const reel_real by_0[2] = {0}, by_1[2] = {1}, by_2[2] = {2}, by_3[2] = {3}, by_half[2] = {(reel_real)0.5},
                       by_minus_1[2] = {-1}, by_minus_2_5[2] = {(reel_real)-2.5}, by_1_5[2] = {(reel_real)1.5};

#define SHAPE_SAMPLES(numbers, INPUT)                                                                                  \
    GOOD("two axes", numbers, INPUT(3, 4)), GOOD("one element", numbers, INPUT(1)),                                    \
        GOOD("no elements", numbers, INPUT(2, 0)), GOOD("8 axes", numbers, INPUT(1, 2, 1, 2, 1, 2, 1, 2)),             \
        REFUSED("integers", REEL_ERROR_DTYPE, numbers, INDEX(4, 3)),                                                   \
        REFUSED("bools", REEL_ERROR_DTYPE, numbers, BOOL(3))
#endif

/* ---- add_scalar ---- */

#ifndef REEL_SAMPLES
UNARY_FORWARD(add_scalar, reel_unary_add_scalar)
#define add_scalar_accumulate pass_on
#define add_scalar_vjp pass_on_vjp

NUMBER_ONNX(add_scalar, "Add", false)

static const reel_op add_scalar_op = {SCALAR_ROW(add_scalar)};

reel_var reel_add_scalar(reel_tape *tape, reel_var x, double s)
{
    return apply_number(tape, &add_scalar_op, x, s);
}
#else
static const reel_sample add_scalar_samples[] = {
    GOOD("no axes", by_1_5, SCALAR),
    SHAPE_SAMPLES(by_minus_2_5, REAL),
};
SAMPLES(add_scalar, add_scalar_samples);
#endif

/* ---- sub_scalar ---- */

#ifndef REEL_SAMPLES
UNARY_FORWARD(sub_scalar, reel_unary_sub_scalar)
#define sub_scalar_accumulate pass_on
#define sub_scalar_vjp pass_on_vjp

NUMBER_ONNX(sub_scalar, "Sub", false)

static const reel_op sub_scalar_op = {SCALAR_ROW(sub_scalar)};

reel_var reel_sub_scalar(reel_tape *tape, reel_var x, double s)
{
    return apply_number(tape, &sub_scalar_op, x, s);
}
#else
static const reel_sample sub_scalar_samples[] = {
    GOOD("no axes", by_1_5, SCALAR),
    SHAPE_SAMPLES(by_minus_2_5, REAL),
};
SAMPLES(sub_scalar, sub_scalar_samples);
#endif

/* ---- rsub_scalar ---- */

#ifndef REEL_SAMPLES
UNARY_FUNCTIONS(rsub_scalar, reel_unary_rsub_scalar)

static void rsub_scalar_vjp(const reel_call *call, const reel_var *g, reel_var *grad_inputs)
{
    grad_inputs[0] = reel_neg(call->tape, g[0]);
}

NUMBER_ONNX(rsub_scalar, "Sub", true)

static const reel_op rsub_scalar_op = {SCALAR_ROW(rsub_scalar)};

reel_var reel_rsub_scalar(reel_tape *tape, reel_var x, double s)
{
    return apply_number(tape, &rsub_scalar_op, x, s);
}
#else
static const reel_sample rsub_scalar_samples[] = {
    GOOD("no axes", by_1, SCALAR),
    SHAPE_SAMPLES(by_1_5, REAL),
};
SAMPLES(rsub_scalar, rsub_scalar_samples);
#endif

/* ---- mul_scalar ---- */

#ifndef REEL_SAMPLES
UNARY_FUNCTIONS(mul_scalar, reel_unary_mul_scalar)

static void mul_scalar_vjp(const reel_call *call, const reel_var *g, reel_var *grad_inputs)
{
    grad_inputs[0] = reel_mul_scalar(call->tape, g[0], number(call));
}

NUMBER_ONNX(mul_scalar, "Mul", false)

static const reel_op mul_scalar_op = {SCALAR_ROW(mul_scalar)};

reel_var reel_mul_scalar(reel_tape *tape, reel_var x, double s)
{
    return apply_number(tape, &mul_scalar_op, x, s);
}
#else
static const reel_sample mul_scalar_samples[] = {
    GOOD("no axes", by_1_5, SCALAR),
    GOOD("by 0", by_0, REAL(3)),
    SHAPE_SAMPLES(by_minus_2_5, REAL),
};
SAMPLES(mul_scalar, mul_scalar_samples);
#endif

/* ---- div_scalar ---- */

#ifndef REEL_SAMPLES
UNARY_FUNCTIONS(div_scalar, reel_unary_div_scalar)

static void div_scalar_vjp(const reel_call *call, const reel_var *g, reel_var *grad_inputs)
{
    grad_inputs[0] = reel_div_scalar(call->tape, g[0], number(call));
}

NUMBER_ONNX(div_scalar, "Div", false)

static const reel_op div_scalar_op = {SCALAR_ROW(div_scalar)};

reel_var reel_div_scalar(reel_tape *tape, reel_var x, double s)
{
    return apply_number(tape, &div_scalar_op, x, s);
}
#else
static const reel_sample div_scalar_samples[] = {
    GOOD("no axes", by_1_5, SCALAR),
    SHAPE_SAMPLES(by_minus_2_5, REAL),
};
SAMPLES(div_scalar, div_scalar_samples);
#endif

/* ---- rdiv_scalar ---- */

#ifndef REEL_SAMPLES
UNARY_FUNCTIONS(rdiv_scalar, reel_unary_rdiv_scalar)

static void rdiv_scalar_vjp(const reel_call *call, const reel_var *g, reel_var *grad_inputs)
{
    reel_tape *t = call->tape;
    grad_inputs[0] = reel_mul(t, reel_neg(t, g[0]), reel_div(t, call->outputs[0], call->inputs[0]));
}

NUMBER_ONNX(rdiv_scalar, "Div", true)

static const reel_op rdiv_scalar_op = {SCALAR_ROW(rdiv_scalar), .reads_inputs = 1};

reel_var reel_rdiv_scalar(reel_tape *tape, reel_var x, double s)
{
    return apply_number(tape, &rdiv_scalar_op, x, s);
}
#else
#define NONZERO(...) WITHIN(0.4, 2, __VA_ARGS__)
static const reel_sample rdiv_scalar_samples[] = {
    GOOD("no axes", by_1, WITHIN(0.4, 2, 1)),
    GOOD("negative divisors", by_1_5, WITHIN(-2, -0.4, 4)),
    SHAPE_SAMPLES(by_minus_2_5, NONZERO),
};
SAMPLES(rdiv_scalar, rdiv_scalar_samples);
#endif

/* ---- pow_scalar ---- */

#ifndef REEL_SAMPLES
static const struct reel_unary *power_kernel(const reel_call *call)
{
    double s = number(call);
    return s == 2     ? &reel_unary_square
           : s == 3   ? &reel_unary_cube
           : s == 0.5 ? &reel_unary_sqrt
           : s == -1  ? &reel_unary_reciprocal
                      : &reel_unary_pow_scalar;
}

static reel_status pow_scalar_forward(reel_call *call)
{
    return reel_unary_apply(call, power_kernel(call));
}

static reel_status pow_scalar_accumulate(const reel_call *call, const reel_gradient *g, reel_sink *const *sinks)
{
    return reel_unary_accumulate(call, power_kernel(call), g, sinks[0]);
}

static void pow_scalar_vjp(const reel_call *call, const reel_var *g, reel_var *grad_inputs)
{
    static const reel_real zero = 0;
    reel_tape *t = call->tape;
    double s = number(call);
    reel_var x = call->inputs[0];
    if (s == 0)
        grad_inputs[0] = reel_expand(t, reel_constant(t, &zero), call->in[0]->shape); /* also of an infinite gradient */
    else if (s == 1)
        grad_inputs[0] = g[0];
    else
        grad_inputs[0] = reel_mul(t, g[0], reel_mul_scalar(t, s == 2 ? x : reel_pow_scalar(t, x, s - 1), s));
}

NUMBER_ONNX(pow_scalar, "Pow", false)

static const reel_op pow_scalar_op = {SCALAR_ROW(pow_scalar), .reads_inputs = 1};

reel_var reel_pow_scalar(reel_tape *tape, reel_var x, double s)
{
    return apply_number(tape, &pow_scalar_op, x, s);
}
#else
static const reel_sample pow_scalar_samples[] = {
    GOOD("no axes", by_2, SCALAR),
    GOOD("power 0", by_0, REAL(4)),
    GOOD("power 1", by_1, REAL(4)),
    GOOD("power 2", by_2, REAL(2, 3)),
    GOOD("power 3", by_3, REAL(2, 3)),
    GOOD("power 0.5", by_half, NONZERO(2, 3)),
    GOOD("power -1", by_minus_1, WITHIN(-2, -0.4, 2, 3)),
    GOOD("power 1.5", by_1_5, NONZERO(2, 3)),
    SHAPE_SAMPLES(by_minus_2_5, NONZERO),
};
SAMPLES(pow_scalar, pow_scalar_samples);
#endif

/* ---- maximum_scalar and minimum_scalar ---- */

#ifndef REEL_SAMPLES
/* Half of the gradient where x equals the number, none where the number wins. */
static reel_var share_of_winner(const reel_call *call, reel_var g, reel_var loses)
{
    static const reel_real zero = 0;
    reel_tape *t = call->tape;
    reel_var whole = reel_where(t, loses, reel_constant(t, &zero), g);
    reel_var tie = reel_eq_scalar(t, call->inputs[0], number(call));
    return reel_where(t, tie, reel_mul_scalar(t, g, 0.5), whole);
}

UNARY_FUNCTIONS(maximum_scalar, reel_unary_maximum_scalar)

static void maximum_scalar_vjp(const reel_call *call, const reel_var *g, reel_var *grad_inputs)
{
    grad_inputs[0] = share_of_winner(call, g[0], reel_lt_scalar(call->tape, call->inputs[0], number(call)));
}

NUMBER_ONNX(maximum_scalar, "Max", false)

static const reel_op maximum_scalar_op = {SCALAR_ROW(maximum_scalar), .reads_inputs = 1};

reel_var reel_maximum_scalar(reel_tape *tape, reel_var x, double s)
{
    return apply_number(tape, &maximum_scalar_op, x, s);
}

UNARY_FUNCTIONS(minimum_scalar, reel_unary_minimum_scalar)

static void minimum_scalar_vjp(const reel_call *call, const reel_var *g, reel_var *grad_inputs)
{
    grad_inputs[0] = share_of_winner(call, g[0], reel_gt_scalar(call->tape, call->inputs[0], number(call)));
}

NUMBER_ONNX(minimum_scalar, "Min", false)

static const reel_op minimum_scalar_op = {SCALAR_ROW(minimum_scalar), .reads_inputs = 1};

reel_var reel_minimum_scalar(reel_tape *tape, reel_var x, double s)
{
    return apply_number(tape, &minimum_scalar_op, x, s);
}
#else
#define OFF_ZERO(...) APART(0.01, __VA_ARGS__)
static const reel_sample maximum_scalar_samples[] = {
    GOOD("a number within the values", by_half, WITHIN(0.6, 2, 4)),
    SHAPE_SAMPLES(by_0, OFF_ZERO),
};

static const reel_sample minimum_scalar_samples[] = {
    GOOD("a number above the values", by_half, WITHIN(-2, 0.4, 4)),
    SHAPE_SAMPLES(by_0, OFF_ZERO),
};
SAMPLES(maximum_scalar, maximum_scalar_samples);
SAMPLES(minimum_scalar, minimum_scalar_samples);
#endif

/* ---- clamp ---- */

#ifndef REEL_SAMPLES
static reel_status clamp_shape(reel_call *call)
{
    const reel_real *bounds = call->attributes;
    if (isnan(bounds[0]) || isnan(bounds[1]))
        return reel_fail(call->context, REEL_ERROR_ARGUMENT, "clamp: the bounds are %g and %g", (double)bounds[0],
                         (double)bounds[1]);
    return reel_unary_shape(call);
}

UNARY_FUNCTIONS(clamp, reel_unary_clamp)

static void clamp_vjp(const reel_call *call, const reel_var *g, reel_var *grad_inputs)
{
    static const reel_real zero = 0;
    reel_tape *t = call->tape;
    const reel_real *bounds = call->attributes;
    reel_var x = call->inputs[0]; /* an infinite bound is none, and nothing is at it */
    reel_var above = bounds[0] == -INFINITY ? reel_ge_scalar(t, x, bounds[0]) : reel_gt_scalar(t, x, bounds[0]);
    reel_var below = bounds[1] == INFINITY ? reel_le_scalar(t, x, bounds[1]) : reel_lt_scalar(t, x, bounds[1]);
    grad_inputs[0] = reel_where(t, reel_logical_and(t, above, below), g[0], reel_constant(t, &zero));
}

static reel_status clamp_onnx(const reel_call *call, reel_onnx *to)
{
    const reel_real *bounds = call->attributes;
    reel_onnx_value low = reel_onnx_number(to, REEL_REAL, bounds[0]), high = reel_onnx_number(to, REEL_REAL, bounds[1]);
    return reel_onnx_set_output(to, 0, REEL_ONNX_NODE(to, "Clip", reel_onnx_input(to, 0), low, high));
}

static const reel_op clamp_op = {
    .name = "clamp",
    .n_inputs = 1,
    .n_outputs = 1,
    .differentiable = 1,
    .reads_inputs = 1,
    .attributes_size = sizeof(reel_real[2]),
    .shape = clamp_shape,
    .forward = clamp_forward,
    .vjp = clamp_vjp,
    .accumulate = clamp_accumulate,
    .cost = reel_pointwise_cost,
    .onnx = clamp_onnx,
};

reel_var reel_clamp(reel_tape *tape, reel_var x, double low, double high)
{
    const reel_real bounds[2] = {(reel_real)low, (reel_real)high};
    return reel_apply1(tape, &clamp_op, &x, 1, bounds);
}
#else
static const reel_real to_0[2] = {-INFINITY, 0}, from_0[2] = {0, INFINITY}, within_10[2] = {-10, 10}, at_3[2] = {3, 3},
                       crossed[2] = {1, -1}, unbounded[2] = {-INFINITY, INFINITY}, low_nan[2] = {NAN, 1},
                       high_nan[2] = {0, NAN};
static const reel_sample clamp_samples[] = {
    GOOD("no axes", to_0, APART(0.01, 1)),
    GOOD("all within", within_10, REAL(2, 3)),
    GOOD("all outside", at_3, REAL(2, 3)),
    GOOD("bounds that cross", crossed, REAL(3)),
    GOOD("no bounds", unbounded, REAL(3)),
    SHAPE_SAMPLES(from_0, OFF_ZERO),
    REFUSED("a low bound that is no number", REEL_ERROR_ARGUMENT, low_nan, REAL(3)),
    REFUSED("a high bound that is no number", REEL_ERROR_ARGUMENT, high_nan, REAL(3)),
};
SAMPLES(clamp, clamp_samples);
#endif

REEL_OP_FAMILY(scalar, ROW(add_scalar), ROW(sub_scalar), ROW(rsub_scalar), ROW(mul_scalar), ROW(div_scalar),
               ROW(rdiv_scalar), ROW(pow_scalar), ROW(maximum_scalar), ROW(minimum_scalar), ROW(clamp));
