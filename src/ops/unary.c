/* Functions of one var, element by element. */
#include "ops/pointwise.h"

#include <reel/compare.h>
#include <reel/elementwise.h>
#include <reel/unary.h>

#include <math.h>

#ifndef REEL_SAMPLES
/* What all rows have in common. */
#define UNARY_ROW(name_)                                                                                               \
    .name = #name_, .n_inputs = 1, .n_outputs = 1, .differentiable = 1, .shape = reel_unary_shape,                     \
    .forward = name_##_forward, .vjp = name_##_vjp, .accumulate = name_##_accumulate, .cost = reel_pointwise_cost
#define WITH_NUMBERS .attributes_size = sizeof(reel_real[2])

/* A node whose attribute alpha is the first number. */
static reel_status alpha_onnx(const reel_call *call, reel_onnx *to, const char *node)
{
    reel_onnx_set_float(to, "alpha", (double)((const reel_real *)call->attributes)[0]);
    return reel_onnx_set_output(to, 0, REEL_ONNX_NODE(to, node, reel_onnx_input(to, 0)));
}
#else
#define SHAPE_SAMPLES(numbers, INPUT)                                                                                  \
    GOOD("two axes", numbers, INPUT(3, 4)), GOOD("one element", numbers, INPUT(1)),                                    \
        GOOD("more than a vector", numbers, INPUT(37)), GOOD("no elements", numbers, INPUT(2, 0)),                     \
        GOOD("8 axes", numbers, INPUT(1, 2, 1, 2, 1, 2, 1, 2)),                                                        \
        REFUSED("integers", REEL_ERROR_DTYPE, numbers, INDEX(4, 3)),                                                   \
        REFUSED("bools", REEL_ERROR_DTYPE, numbers, BOOL(3))

#define POSITIVE(...) WITHIN(0.3, 4, __VA_ARGS__)
#define OFF_ZERO(...) APART(0.01, __VA_ARGS__)
#define LARGE(...) WITHIN(-30, 30, __VA_ARGS__)
#endif

/* ---- neg ---- */

#ifndef REEL_SAMPLES
UNARY_FUNCTIONS(neg, reel_unary_neg)

static void neg_vjp(const reel_call *call, const reel_var *g, reel_var *grad_inputs)
{
    grad_inputs[0] = reel_neg(call->tape, g[0]);
}

static const reel_op neg_op = {UNARY_ROW(neg), .onnx_node = "Neg"};

reel_var reel_neg(reel_tape *tape, reel_var x)
{
    return reel_apply1(tape, &neg_op, &x, 1, NULL);
}
#else
static const reel_sample neg_samples[] = {
    GOOD("no axes", NULL, SCALAR),
    SHAPE_SAMPLES(NULL, REAL),
};
SAMPLES(neg, neg_samples);
#endif

/* ---- abs ---- */

#ifndef REEL_SAMPLES
UNARY_FUNCTIONS(abs, reel_unary_abs)

static void abs_vjp(const reel_call *call, const reel_var *g, reel_var *grad_inputs)
{
    grad_inputs[0] = reel_mul(call->tape, g[0], reel_sign(call->tape, call->inputs[0]));
}

static const reel_op abs_op = {UNARY_ROW(abs), .onnx_node = "Abs", .reads_inputs = 1};

reel_var reel_abs(reel_tape *tape, reel_var x)
{
    return reel_apply1(tape, &abs_op, &x, 1, NULL);
}
#else
static const reel_sample abs_samples[] = {
    GOOD("no axes", NULL, APART(0.01, 1)),
    SHAPE_SAMPLES(NULL, OFF_ZERO),
};
SAMPLES(abs, abs_samples);
#endif

/* ---- steps: sign, floor, ceil, trunc, round ---- */

#ifndef REEL_SAMPLES
/* By way of the size, whose fraction floor leaves out. */
static reel_status trunc_onnx(const reel_call *call, reel_onnx *to)
{
    (void)call;
    reel_onnx_value x = reel_onnx_input(to, 0);
    reel_onnx_value size = REEL_ONNX_NODE(to, "Floor", REEL_ONNX_NODE(to, "Abs", x));
    return reel_onnx_set_output(to, 0, REEL_ONNX_NODE(to, "Mul", REEL_ONNX_NODE(to, "Sign", x), size));
}

#define STEP(name_, onnx_form)                                                                                         \
    UNARY_FORWARD(name_, reel_unary_##name_)                                                                           \
    static const reel_op name_##_op = {                                                                                \
        .name = #name_,                                                                                                \
        .n_inputs = 1,                                                                                                 \
        .n_outputs = 1,                                                                                                \
        .derivative = REEL_DERIVATIVE_NONE,                                                                            \
        .shape = reel_unary_shape,                                                                                     \
        .forward = name_##_forward,                                                                                    \
        .cost = reel_pointwise_cost,                                                                                   \
        onnx_form,                                                                                                     \
    };                                                                                                                 \
    reel_var reel_##name_(reel_tape *tape, reel_var x)                                                                 \
    {                                                                                                                  \
        return reel_apply1(tape, &name_##_op, &x, 1, NULL);                                                            \
    }

STEP(sign, .onnx_node = "Sign")
STEP(floor, .onnx_node = "Floor")
STEP(ceil, .onnx_node = "Ceil")
STEP(trunc, .onnx = trunc_onnx)
STEP(round, .onnx_node = "Round")
#else
static const reel_sample step_samples[] = {
    GOOD("no axes", NULL, SCALAR),
    GOOD("large", NULL, LARGE(9)),
    GOOD("without a fraction", NULL, WITHIN(1e9, 1e10, 5)),
    SHAPE_SAMPLES(NULL, REAL),
};
SAMPLES(sign, step_samples);
SAMPLES(floor, step_samples);
SAMPLES(ceil, step_samples);
SAMPLES(trunc, step_samples);
SAMPLES(round, step_samples);
#endif

/* ---- exp ---- */

#ifndef REEL_SAMPLES
UNARY_FUNCTIONS(exp, reel_unary_exp)

static void exp_vjp(const reel_call *call, const reel_var *g, reel_var *grad_inputs)
{
    grad_inputs[0] = reel_mul(call->tape, g[0], call->outputs[0]);
}

static const reel_op exp_op = {UNARY_ROW(exp), .onnx_node = "Exp"};

reel_var reel_exp(reel_tape *tape, reel_var x)
{
    return reel_apply1(tape, &exp_op, &x, 1, NULL);
}
#else
static const reel_sample exp_samples[] = {
    GOOD("no axes", NULL, SCALAR),
    SHAPE_SAMPLES(NULL, REAL),
};
SAMPLES(exp, exp_samples);
#endif

/* ---- expm1 ---- */

#ifndef REEL_SAMPLES
UNARY_FUNCTIONS(expm1, reel_unary_expm1)

static void expm1_vjp(const reel_call *call, const reel_var *g, reel_var *grad_inputs)
{
    grad_inputs[0] = reel_mul(call->tape, g[0], reel_add_scalar(call->tape, call->outputs[0], 1));
}

static reel_status expm1_onnx(const reel_call *call, reel_onnx *to)
{
    (void)call;
    return reel_onnx_set_output(to, 0,
                                REEL_ONNX_NODE(to, "Sub", REEL_ONNX_NODE(to, "Exp", reel_onnx_input(to, 0)),
                                               reel_onnx_number(to, REEL_REAL, 1)));
}

static const reel_op expm1_op = {UNARY_ROW(expm1), .onnx = expm1_onnx};

reel_var reel_expm1(reel_tape *tape, reel_var x)
{
    return reel_apply1(tape, &expm1_op, &x, 1, NULL);
}
#else
static const reel_sample expm1_samples[] = {
    GOOD("no axes", NULL, SCALAR),
    GOOD("close to 0", NULL, WITHIN(-1e-4, 1e-4, 4)),
    SHAPE_SAMPLES(NULL, REAL),
};
SAMPLES(expm1, expm1_samples);
#endif

/* ---- log ---- */

#ifndef REEL_SAMPLES
UNARY_FUNCTIONS(log, reel_unary_log)

static void log_vjp(const reel_call *call, const reel_var *g, reel_var *grad_inputs)
{
    grad_inputs[0] = reel_div(call->tape, g[0], call->inputs[0]);
}

static const reel_op log_op = {UNARY_ROW(log), .onnx_node = "Log", .reads_inputs = 1};

reel_var reel_log(reel_tape *tape, reel_var x)
{
    return reel_apply1(tape, &log_op, &x, 1, NULL);
}
#else
static const reel_sample log_samples[] = {
    GOOD("large and small", NULL, WITHIN(0.2, 1e3, 9)),
    SHAPE_SAMPLES(NULL, POSITIVE),
};
SAMPLES(log, log_samples);
#endif

/* ---- log1p ---- */

#ifndef REEL_SAMPLES
UNARY_FUNCTIONS(log1p, reel_unary_log1p)

static void log1p_vjp(const reel_call *call, const reel_var *g, reel_var *grad_inputs)
{
    grad_inputs[0] = reel_div(call->tape, g[0], reel_add_scalar(call->tape, call->inputs[0], 1));
}

static reel_status log1p_onnx(const reel_call *call, reel_onnx *to)
{
    (void)call;
    return reel_onnx_set_output(
        to, 0,
        REEL_ONNX_NODE(to, "Log",
                       REEL_ONNX_NODE(to, "Add", reel_onnx_input(to, 0), reel_onnx_number(to, REEL_REAL, 1))));
}

static const reel_op log1p_op = {UNARY_ROW(log1p), .onnx = log1p_onnx, .reads_inputs = 1};

reel_var reel_log1p(reel_tape *tape, reel_var x)
{
    return reel_apply1(tape, &log1p_op, &x, 1, NULL);
}
#else
static const reel_sample log1p_samples[] = {
    GOOD("close to 0", NULL, WITHIN(-1e-4, 1e-4, 4)),
    GOOD("negative", NULL, WITHIN(-0.7, 0, 4)),
    SHAPE_SAMPLES(NULL, POSITIVE),
};
SAMPLES(log1p, log1p_samples);
#endif

/* ---- sqrt ---- */

#ifndef REEL_SAMPLES
UNARY_FUNCTIONS(sqrt, reel_unary_sqrt)

static void sqrt_vjp(const reel_call *call, const reel_var *g, reel_var *grad_inputs)
{
    grad_inputs[0] = reel_div(call->tape, g[0], reel_mul_scalar(call->tape, call->outputs[0], 2));
}

static const reel_op sqrt_op = {UNARY_ROW(sqrt), .onnx_node = "Sqrt"};

reel_var reel_sqrt(reel_tape *tape, reel_var x)
{
    return reel_apply1(tape, &sqrt_op, &x, 1, NULL);
}
#else
static const reel_sample sqrt_samples[] = {
    SHAPE_SAMPLES(NULL, POSITIVE),
};
SAMPLES(sqrt, sqrt_samples);
#endif

/* ---- rsqrt ---- */

#ifndef REEL_SAMPLES
UNARY_FUNCTIONS(rsqrt, reel_unary_rsqrt)

static void rsqrt_vjp(const reel_call *call, const reel_var *g, reel_var *grad_inputs)
{
    reel_tape *t = call->tape;
    grad_inputs[0] = reel_mul(t, g[0], reel_mul_scalar(t, reel_pow_scalar(t, call->outputs[0], 3), -0.5));
}

static reel_status rsqrt_onnx(const reel_call *call, reel_onnx *to)
{
    (void)call;
    return reel_onnx_set_output(to, 0,
                                REEL_ONNX_NODE(to, "Reciprocal", REEL_ONNX_NODE(to, "Sqrt", reel_onnx_input(to, 0))));
}

static const reel_op rsqrt_op = {UNARY_ROW(rsqrt), .onnx = rsqrt_onnx};

reel_var reel_rsqrt(reel_tape *tape, reel_var x)
{
    return reel_apply1(tape, &rsqrt_op, &x, 1, NULL);
}
#else
static const reel_sample rsqrt_samples[] = {
    SHAPE_SAMPLES(NULL, POSITIVE),
};
SAMPLES(rsqrt, rsqrt_samples);
#endif

/* ---- square ---- */

#ifndef REEL_SAMPLES
UNARY_FUNCTIONS(square, reel_unary_square)

static void square_vjp(const reel_call *call, const reel_var *g, reel_var *grad_inputs)
{
    grad_inputs[0] = reel_mul(call->tape, g[0], reel_mul_scalar(call->tape, call->inputs[0], 2));
}

static reel_status square_onnx(const reel_call *call, reel_onnx *to)
{
    (void)call;
    reel_onnx_value x = reel_onnx_input(to, 0);
    return reel_onnx_set_output(to, 0, REEL_ONNX_NODE(to, "Mul", x, x));
}

static const reel_op square_op = {UNARY_ROW(square), .onnx = square_onnx, .reads_inputs = 1};

reel_var reel_square(reel_tape *tape, reel_var x)
{
    return reel_apply1(tape, &square_op, &x, 1, NULL);
}
#else
static const reel_sample square_samples[] = {
    GOOD("no axes", NULL, SCALAR),
    SHAPE_SAMPLES(NULL, REAL),
};
SAMPLES(square, square_samples);
#endif

/* ---- sin ---- */

#ifndef REEL_SAMPLES
UNARY_FUNCTIONS(sin, reel_unary_sin)

static void sin_vjp(const reel_call *call, const reel_var *g, reel_var *grad_inputs)
{
    grad_inputs[0] = reel_mul(call->tape, g[0], reel_cos(call->tape, call->inputs[0]));
}

static const reel_op sin_op = {UNARY_ROW(sin), .onnx_node = "Sin", .reads_inputs = 1};

reel_var reel_sin(reel_tape *tape, reel_var x)
{
    return reel_apply1(tape, &sin_op, &x, 1, NULL);
}
#else
static const reel_sample sin_samples[] = {
    GOOD("no axes", NULL, SCALAR),
    GOOD("many turns", NULL, LARGE(9)),
    SHAPE_SAMPLES(NULL, REAL),
};
SAMPLES(sin, sin_samples);
#endif

/* ---- cos ---- */

#ifndef REEL_SAMPLES
UNARY_FUNCTIONS(cos, reel_unary_cos)

static void cos_vjp(const reel_call *call, const reel_var *g, reel_var *grad_inputs)
{
    grad_inputs[0] = reel_mul(call->tape, g[0], reel_neg(call->tape, reel_sin(call->tape, call->inputs[0])));
}

static const reel_op cos_op = {UNARY_ROW(cos), .onnx_node = "Cos", .reads_inputs = 1};

reel_var reel_cos(reel_tape *tape, reel_var x)
{
    return reel_apply1(tape, &cos_op, &x, 1, NULL);
}
#else
static const reel_sample cos_samples[] = {
    GOOD("no axes", NULL, SCALAR),
    GOOD("many turns", NULL, LARGE(9)),
    SHAPE_SAMPLES(NULL, REAL),
};
SAMPLES(cos, cos_samples);
#endif

/* ---- tanh ---- */

#ifndef REEL_SAMPLES
UNARY_FUNCTIONS(tanh, reel_unary_tanh)

static void tanh_vjp(const reel_call *call, const reel_var *g, reel_var *grad_inputs)
{
    reel_tape *t = call->tape;
    grad_inputs[0] = reel_mul(t, g[0], reel_rsub_scalar(t, reel_square(t, call->outputs[0]), 1));
}

static const reel_op tanh_op = {UNARY_ROW(tanh), .onnx_node = "Tanh"};

reel_var reel_tanh(reel_tape *tape, reel_var x)
{
    return reel_apply1(tape, &tanh_op, &x, 1, NULL);
}
#else
static const reel_sample tanh_samples[] = {
    GOOD("no axes", NULL, SCALAR),
    GOOD("saturated", NULL, LARGE(9)),
    SHAPE_SAMPLES(NULL, REAL),
};
SAMPLES(tanh, tanh_samples, .ulps = 1, .why = "1 - y * y cancels where y is near 1");
#endif

/* ---- erf ---- */

#ifndef REEL_SAMPLES
UNARY_FUNCTIONS(erf, reel_unary_erf)

static void erf_vjp(const reel_call *call, const reel_var *g, reel_var *grad_inputs)
{
    reel_tape *t = call->tape;
    const double root = 1.1283791670955126; /* 2 / sqrt(pi) */
    reel_var density = reel_exp(t, reel_neg(t, reel_square(t, call->inputs[0])));
    grad_inputs[0] = reel_mul(t, g[0], reel_mul_scalar(t, density, root));
}

static const reel_op erf_op = {UNARY_ROW(erf), .onnx_node = "Erf", .reads_inputs = 1};

reel_var reel_erf(reel_tape *tape, reel_var x)
{
    return reel_apply1(tape, &erf_op, &x, 1, NULL);
}
#else
static const reel_sample erf_samples[] = {
    GOOD("no axes", NULL, SCALAR),
    GOOD("saturated", NULL, LARGE(9)),
    SHAPE_SAMPLES(NULL, REAL),
};
SAMPLES(erf, erf_samples);
#endif

/* ---- ndtr ---- */

#ifndef REEL_SAMPLES
UNARY_FUNCTIONS(ndtr, reel_unary_ndtr)

/* The density of the normal distribution. */
static reel_var density(reel_tape *t, reel_var x)
{
    const double root_of_2_pi_inverse = 0.39894228040143268;
    return reel_mul_scalar(t, reel_exp(t, reel_mul_scalar(t, reel_square(t, x), -0.5)), root_of_2_pi_inverse);
}

static void ndtr_vjp(const reel_call *call, const reel_var *g, reel_var *grad_inputs)
{
    grad_inputs[0] = reel_mul(call->tape, g[0], density(call->tape, call->inputs[0]));
}

/* (1 + erf(x / sqrt(2))) / 2 */
static reel_onnx_value ndtr_node(reel_onnx *to, reel_onnx_value x)
{
    const double root_of_half = 0.70710678118654752;
    reel_onnx_value half = reel_onnx_number(to, REEL_REAL, 0.5);
    x = REEL_ONNX_NODE(to, "Mul", x, reel_onnx_number(to, REEL_REAL, root_of_half));
    return REEL_ONNX_NODE(to, "Add", REEL_ONNX_NODE(to, "Mul", REEL_ONNX_NODE(to, "Erf", x), half), half);
}

static reel_status ndtr_onnx(const reel_call *call, reel_onnx *to)
{
    (void)call;
    return reel_onnx_set_output(to, 0, ndtr_node(to, reel_onnx_input(to, 0)));
}

static const reel_op ndtr_op = {UNARY_ROW(ndtr), .onnx = ndtr_onnx, .reads_inputs = 1};

reel_var reel_ndtr(reel_tape *tape, reel_var x)
{
    return reel_apply1(tape, &ndtr_op, &x, 1, NULL);
}
#else
static const reel_sample ndtr_samples[] = {
    GOOD("no axes", NULL, SCALAR),
    GOOD("far out", NULL, LARGE(9)),
    SHAPE_SAMPLES(NULL, REAL),
};
SAMPLES(ndtr, ndtr_samples);
#endif

/* ---- sigmoid ---- */

#ifndef REEL_SAMPLES
UNARY_FUNCTIONS(sigmoid, reel_unary_sigmoid)

static void sigmoid_vjp(const reel_call *call, const reel_var *g, reel_var *grad_inputs)
{
    reel_tape *t = call->tape;
    reel_var y = call->outputs[0];
    grad_inputs[0] = reel_mul(t, g[0], reel_mul(t, y, reel_rsub_scalar(t, y, 1)));
}

static const reel_op sigmoid_op = {UNARY_ROW(sigmoid), .onnx_node = "Sigmoid"};

reel_var reel_sigmoid(reel_tape *tape, reel_var x)
{
    return reel_apply1(tape, &sigmoid_op, &x, 1, NULL);
}
#else
static const reel_sample sigmoid_samples[] = {
    GOOD("no axes", NULL, SCALAR),
    GOOD("saturated", NULL, LARGE(9)),
    SHAPE_SAMPLES(NULL, REAL),
};
SAMPLES(sigmoid, sigmoid_samples);
#endif

/* ---- logsigmoid ---- */

#ifndef REEL_SAMPLES
UNARY_FUNCTIONS(logsigmoid, reel_unary_logsigmoid)

reel_var reel_sigmoid_in_rules(reel_tape *tape, reel_var x)
{
    return reel_exp(tape, reel_logsigmoid(tape, x));
}

static void logsigmoid_vjp(const reel_call *call, const reel_var *g, reel_var *grad_inputs)
{
    reel_tape *t = call->tape;
    grad_inputs[0] = reel_mul(t, g[0], reel_sigmoid_in_rules(t, reel_neg(t, call->inputs[0])));
}

static reel_status logsigmoid_onnx(const reel_call *call, reel_onnx *to)
{
    (void)call;
    reel_onnx_value x = REEL_ONNX_NODE(to, "Neg", reel_onnx_input(to, 0));
    return reel_onnx_set_output(to, 0, REEL_ONNX_NODE(to, "Neg", REEL_ONNX_NODE(to, "Softplus", x)));
}

static const reel_op logsigmoid_op = {UNARY_ROW(logsigmoid), .onnx = logsigmoid_onnx, .reads_inputs = 1};

reel_var reel_logsigmoid(reel_tape *tape, reel_var x)
{
    return reel_apply1(tape, &logsigmoid_op, &x, 1, NULL);
}
#else
static const reel_sample logsigmoid_samples[] = {
    GOOD("no axes", NULL, SCALAR),
    GOOD("large", NULL, LARGE(9)),
    GOOD("exp would overflow", NULL, WITHIN(-900, 900, 9)),
    SHAPE_SAMPLES(NULL, REAL),
};
SAMPLES(logsigmoid, logsigmoid_samples, .ulps = 1,
        .why = "PyTorch makes the second order of y * (1 - y), which cancels near 1");
#endif

/* ---- silu ---- */

#ifndef REEL_SAMPLES
UNARY_FUNCTIONS(silu, reel_unary_silu)

static void silu_vjp(const reel_call *call, const reel_var *g, reel_var *grad_inputs)
{
    reel_tape *t = call->tape;
    reel_var x = call->inputs[0];
    reel_var s = reel_sigmoid_in_rules(t, x), rest = reel_sigmoid_in_rules(t, reel_neg(t, x));
    reel_var slope = reel_mul(t, s, reel_add_scalar(t, reel_mul(t, x, rest), 1));
    grad_inputs[0] = reel_mul(t, g[0], slope);
}

static reel_status silu_onnx(const reel_call *call, reel_onnx *to)
{
    (void)call;
    reel_onnx_value x = reel_onnx_input(to, 0);
    return reel_onnx_set_output(to, 0, REEL_ONNX_NODE(to, "Mul", x, REEL_ONNX_NODE(to, "Sigmoid", x)));
}

static const reel_op silu_op = {UNARY_ROW(silu), .onnx = silu_onnx, .reads_inputs = 1};

reel_var reel_silu(reel_tape *tape, reel_var x)
{
    return reel_apply1(tape, &silu_op, &x, 1, NULL);
}
#else
static const reel_sample silu_samples[] = {
    GOOD("no axes", NULL, SCALAR),
    GOOD("large", NULL, LARGE(9)),
    SHAPE_SAMPLES(NULL, REAL),
};
SAMPLES(silu, silu_samples, .ulps = 4, .why = "PyTorch's second order cancels where the sigmoid is near 1");
#endif

/* ---- the slope of relu and leaky_relu ---- */

/* The rules of relu and leaky_relu as operations of their own, linear in the gradient and with no derivative by x: a
 * gradient penalty goes through them in every step. */

#ifndef REEL_SAMPLES
static reel_status slope_shape(reel_call *call)
{
    if (reel_expect_real(call, 0, "the gradient") != REEL_OK || reel_expect_real(call, 1, "x") != REEL_OK)
        return call->context->status;
    if (!reel_shape_equal(&call->in[0]->shape, &call->in[1]->shape)) {
        char g[REEL_SHAPE_TEXT], x[REEL_SHAPE_TEXT];
        return reel_fail(call->context, REEL_ERROR_SHAPE, "%s: the gradient is %s and x %s", call->op->name,
                         reel_shape_text(&call->in[0]->shape, g), reel_shape_text(&call->in[1]->shape, x));
    }
    call->out[0]->dtype = REEL_REAL;
    call->out[0]->shape = call->in[0]->shape;
    return REEL_OK;
}

/* g times the derivative that the kernel has, which is one of x alone. */
static void multiply_slope(const reel_call *call, const struct reel_unary *kernel, const reel_real *g, bool add,
                           reel_real *to)
{
    const reel_real *x = call->in[1]->data;
    const struct reel_unary_gradient of = {
        .of = kernel, .n = call->in[0]->numel, .g = g, .x = x, .y = x, .p = call->attributes};
    reel_kern_unary_backward(&of, add, to, call->context->num_threads);
}

static reel_status slope_forward(const reel_call *call, const struct reel_unary *kernel)
{
    multiply_slope(call, kernel, call->in[0]->data, false, call->out[0]->data);
    return REEL_OK;
}

static reel_status slope_accumulate(const reel_call *call, const struct reel_unary *kernel, const reel_gradient *g,
                                    reel_sink *sink)
{
    const reel_real *values = reel_gradient_contiguous(call, g);
    bool add;
    reel_real *to = values ? reel_sink_target(sink, &add) : NULL;
    if (!to)
        return call->context->status;
    multiply_slope(call, kernel, values, add, to);
    return REEL_OK;
}

static reel_status slope_onnx(reel_onnx *to, double negative_slope)
{
    reel_onnx_value g = reel_onnx_input(to, 0), zero = reel_onnx_number(to, REEL_REAL, 0);
    reel_onnx_value above = REEL_ONNX_NODE(to, "Greater", reel_onnx_input(to, 1), zero);
    reel_onnx_value below = REEL_ONNX_NODE(to, "Mul", g, reel_onnx_number(to, REEL_REAL, negative_slope));
    return reel_onnx_set_output(to, 0, REEL_ONNX_NODE(to, "Where", above, g, below));
}
#define SLOPE_ROW(name_)                                                                                               \
    .name = #name_, .n_inputs = 2, .n_outputs = 1, .differentiable = 1, .reads_inputs = 2, .shape = slope_shape,       \
    .forward = name_##_forward, .vjp = name_##_vjp, .accumulate = name_##_accumulate, .cost = reel_pointwise_cost,     \
    .onnx = name_##_onnx
#else
#define SLOPE_SAMPLES(numbers)                                                                                         \
    GOOD("two axes", numbers, REAL(3, 4), REAL(3, 4)), GOOD("no axes", numbers, SCALAR, SCALAR),                       \
        GOOD("no elements", numbers, REAL(0), REAL(0)),                                                                \
        REFUSED("two shapes", REEL_ERROR_SHAPE, numbers, REAL(3), REAL(1)),                                            \
        REFUSED("integers", REEL_ERROR_DTYPE, numbers, REAL(3), INDEX(4, 3)),                                          \
        REFUSED("an integer gradient", REEL_ERROR_DTYPE, numbers, INDEX(4, 3), REAL(3))

static const reel_real slope_0_2[2] = {(reel_real)0.2}, slope_minus_1[2] = {-1};
#endif

/* ---- relu ---- */

#ifndef REEL_SAMPLES
static reel_status relu_slope_forward(reel_call *call)
{
    return slope_forward(call, &reel_unary_relu);
}

static reel_status relu_slope_accumulate(const reel_call *call, const reel_gradient *g, reel_sink *const *sinks)
{
    return slope_accumulate(call, &reel_unary_relu, g, sinks[0]);
}

static void relu_slope_vjp(const reel_call *call, const reel_var *g, reel_var *grad_inputs)
{
    grad_inputs[0] = reel_relu_slope(call->tape, g[0], call->inputs[1]);
}

static reel_status relu_slope_onnx(const reel_call *call, reel_onnx *to)
{
    (void)call;
    return slope_onnx(to, 0);
}

static const reel_op relu_slope_op = {SLOPE_ROW(relu_slope)};

reel_var reel_relu_slope(reel_tape *tape, reel_var g, reel_var x)
{
    const reel_var inputs[] = {g, x};
    return reel_apply1(tape, &relu_slope_op, inputs, 2, NULL);
}

UNARY_FUNCTIONS(relu, reel_unary_relu)

static void relu_vjp(const reel_call *call, const reel_var *g, reel_var *grad_inputs)
{
    grad_inputs[0] = reel_relu_slope(call->tape, g[0], call->inputs[0]);
}

static const reel_op relu_op = {UNARY_ROW(relu), .onnx_node = "Relu", .reads_inputs = 1};

reel_var reel_relu(reel_tape *tape, reel_var x)
{
    return reel_apply1(tape, &relu_op, &x, 1, NULL);
}
#else
static const reel_sample relu_slope_samples[] = {SLOPE_SAMPLES(NULL)};

static const reel_sample relu_samples[] = {
    GOOD("positive", NULL, POSITIVE(5)),
    SHAPE_SAMPLES(NULL, OFF_ZERO),
};
SAMPLES(relu_slope, relu_slope_samples);
SAMPLES(relu, relu_samples);
#endif

/* ---- leaky_relu ---- */

#ifndef REEL_SAMPLES
static reel_status leaky_relu_slope_forward(reel_call *call)
{
    return slope_forward(call, &reel_unary_leaky_relu);
}

static reel_status leaky_relu_slope_accumulate(const reel_call *call, const reel_gradient *g, reel_sink *const *sinks)
{
    return slope_accumulate(call, &reel_unary_leaky_relu, g, sinks[0]);
}

static void leaky_relu_slope_vjp(const reel_call *call, const reel_var *g, reel_var *grad_inputs)
{
    const reel_var inputs[] = {g[0], call->inputs[1]};
    grad_inputs[0] = reel_apply1(call->tape, call->op, inputs, 2, call->attributes);
}

static reel_status leaky_relu_slope_onnx(const reel_call *call, reel_onnx *to)
{
    return slope_onnx(to, (double)((const reel_real *)call->attributes)[0]);
}

static const reel_op leaky_relu_slope_op = {SLOPE_ROW(leaky_relu_slope), WITH_NUMBERS};

reel_var reel_leaky_relu_slope(reel_tape *tape, reel_var g, reel_var x, reel_real negative_slope)
{
    const reel_var inputs[] = {g, x};
    const reel_real numbers[2] = {negative_slope};
    return reel_apply1(tape, &leaky_relu_slope_op, inputs, 2, numbers);
}

UNARY_FUNCTIONS(leaky_relu, reel_unary_leaky_relu)

static void leaky_relu_vjp(const reel_call *call, const reel_var *g, reel_var *grad_inputs)
{
    const reel_var inputs[] = {g[0], call->inputs[0]};
    grad_inputs[0] = reel_apply1(call->tape, &leaky_relu_slope_op, inputs, 2, call->attributes);
}

static reel_status leaky_relu_onnx(const reel_call *call, reel_onnx *to)
{
    return alpha_onnx(call, to, "LeakyRelu");
}

static const reel_op leaky_relu_op = {UNARY_ROW(leaky_relu), .onnx = leaky_relu_onnx, WITH_NUMBERS, .reads_inputs = 1};

reel_var reel_leaky_relu(reel_tape *tape, reel_var x, double negative_slope)
{
    const reel_real numbers[2] = {(reel_real)negative_slope, 0};
    return reel_apply1(tape, &leaky_relu_op, &x, 1, numbers);
}
#else
static const reel_sample leaky_relu_slope_samples[] = {SLOPE_SAMPLES(slope_0_2)};

static const reel_sample leaky_relu_samples[] = {
    GOOD("no axes", slope_0_2, APART(0.01, 1)),
    GOOD("a negative slope", slope_minus_1, OFF_ZERO(5)),
    SHAPE_SAMPLES(slope_0_2, OFF_ZERO),
};
SAMPLES(leaky_relu_slope, leaky_relu_slope_samples);
SAMPLES(leaky_relu, leaky_relu_samples);
#endif

/* ---- elu ---- */

#ifndef REEL_SAMPLES
UNARY_FUNCTIONS(elu, reel_unary_elu)

static void elu_vjp(const reel_call *call, const reel_var *g, reel_var *grad_inputs)
{
    reel_tape *t = call->tape;
    reel_var x = call->inputs[0];
    double alpha = ((const reel_real *)call->attributes)[0];
    /* Bounded, since an infinite exponential would make NaN of the 0 that flows back from where it is not chosen. */
    static const reel_real zero = 0;
    reel_var above = reel_gt_scalar(t, x, 0);
    reel_var bounded = reel_where(t, above, reel_constant(t, &zero), x);
    reel_var slope = reel_mul_scalar(t, reel_exp(t, bounded), alpha);
    grad_inputs[0] = reel_where(t, above, g[0], reel_mul(t, g[0], slope));
}

static reel_status elu_onnx(const reel_call *call, reel_onnx *to)
{
    return alpha_onnx(call, to, "Elu");
}

static const reel_op elu_op = {UNARY_ROW(elu), .onnx = elu_onnx, WITH_NUMBERS, .reads_inputs = 1};

reel_var reel_elu(reel_tape *tape, reel_var x, double alpha)
{
    const reel_real numbers[2] = {(reel_real)alpha, 0};
    return reel_apply1(tape, &elu_op, &x, 1, numbers);
}
#else
static const reel_real alpha_1[2] = {1}, alpha_1_7[2] = {(reel_real)1.7};
static const reel_sample elu_samples[] = {
    GOOD("no axes", alpha_1, APART(0.01, 1)),
    GOOD("another alpha", alpha_1_7, OFF_ZERO(5)),
    GOOD("saturated", alpha_1, LARGE(9)),
    SHAPE_SAMPLES(alpha_1, OFF_ZERO),
};
SAMPLES(elu, elu_samples);
#endif

/* ---- softplus ---- */

#ifndef REEL_SAMPLES
static reel_status softplus_shape(reel_call *call)
{
    const reel_real *numbers = call->attributes;
    if (numbers[0] == 0 || isnan(numbers[0]))
        return reel_fail(call->context, REEL_ERROR_ARGUMENT, "softplus: beta is %g, it must not be 0",
                         (double)numbers[0]);
    return reel_unary_shape(call);
}

UNARY_FUNCTIONS(softplus, reel_unary_softplus)

static void softplus_vjp(const reel_call *call, const reel_var *g, reel_var *grad_inputs)
{
    reel_tape *t = call->tape;
    const reel_real *numbers = call->attributes;
    reel_var scaled = reel_mul_scalar(t, call->inputs[0], numbers[0]);
    reel_var linear = reel_gt_scalar(t, scaled, numbers[1]);
    grad_inputs[0] = reel_where(t, linear, g[0], reel_mul(t, g[0], reel_sigmoid_in_rules(t, scaled)));
}

static reel_status softplus_onnx(const reel_call *call, reel_onnx *to)
{
    const reel_real *numbers = call->attributes;
    reel_onnx_value x = reel_onnx_input(to, 0), beta = reel_onnx_number(to, REEL_REAL, numbers[0]);
    reel_onnx_value scaled = REEL_ONNX_NODE(to, "Mul", x, beta);
    reel_onnx_value y = REEL_ONNX_NODE(to, "Div", REEL_ONNX_NODE(to, "Softplus", scaled), beta);
    reel_onnx_value linear = REEL_ONNX_NODE(to, "Greater", scaled, reel_onnx_number(to, REEL_REAL, numbers[1]));
    return reel_onnx_set_output(to, 0, REEL_ONNX_NODE(to, "Where", linear, x, y));
}

static const reel_op softplus_op = {
    .name = "softplus",
    .n_inputs = 1,
    .n_outputs = 1,
    .differentiable = 1,
    .reads_inputs = 1,
    .attributes_size = sizeof(reel_real[2]),
    .shape = softplus_shape,
    .forward = softplus_forward,
    .vjp = softplus_vjp,
    .accumulate = softplus_accumulate,
    .cost = reel_pointwise_cost,
    .onnx = softplus_onnx,
};

reel_var reel_softplus(reel_tape *tape, reel_var x, double beta, double threshold)
{
    const reel_real numbers[2] = {(reel_real)beta, (reel_real)threshold};
    return reel_apply1(tape, &softplus_op, &x, 1, numbers);
}
#else
static const reel_real softplus_usual[2] = {1, 20}, softplus_steep[2] = {3, 20},
                       softplus_never_linear[2] = {1, INFINITY}, softplus_beta_0[2] = {0, 20};
static const reel_sample softplus_samples[] = {
    GOOD("no axes", softplus_usual, SCALAR),
    GOOD("large", softplus_usual, LARGE(9)),
    GOOD("another beta", softplus_steep, REAL(9)),
    GOOD("no threshold, where exp would overflow", softplus_never_linear, WITHIN(-900, 900, 9)),
    SHAPE_SAMPLES(softplus_usual, REAL),
    REFUSED("beta 0", REEL_ERROR_ARGUMENT, softplus_beta_0, REAL(3)),
};
SAMPLES(softplus, softplus_samples, .ulps = 1,
        .why = "PyTorch makes the second order of y * (1 - y), which cancels near 1");
#endif

/* ---- gelu ---- */

#ifndef REEL_SAMPLES
UNARY_FUNCTIONS(gelu, reel_unary_gelu)

static void gelu_vjp(const reel_call *call, const reel_var *g, reel_var *grad_inputs)
{
    reel_tape *t = call->tape;
    reel_var x = call->inputs[0];
    grad_inputs[0] = reel_mul(t, g[0], reel_add(t, reel_ndtr(t, x), reel_mul(t, x, density(t, x))));
}

static reel_status gelu_onnx(const reel_call *call, reel_onnx *to)
{
    (void)call;
    reel_onnx_value x = reel_onnx_input(to, 0);
    return reel_onnx_set_output(to, 0, REEL_ONNX_NODE(to, "Mul", x, ndtr_node(to, x)));
}

static const reel_op gelu_op = {UNARY_ROW(gelu), .onnx = gelu_onnx, .reads_inputs = 1};

UNARY_FUNCTIONS(gelu_tanh, reel_unary_gelu_tanh)

static void gelu_tanh_vjp(const reel_call *call, const reel_var *g, reel_var *grad_inputs)
{
    const double twice_root_2_over_pi = 1.5957691216057308, cubic = 0.044715;
    reel_tape *t = call->tape;
    reel_var x = reel_clamp(t, call->inputs[0], -30, 30), square = reel_square(t, x); /* as in the kernel */
    reel_var stretch = reel_add_scalar(t, reel_mul_scalar(t, square, cubic), 1);
    reel_var inner = reel_mul_scalar(t, reel_mul(t, x, stretch), twice_root_2_over_pi);
    reel_var inner_slope =
        reel_mul_scalar(t, reel_add_scalar(t, reel_mul_scalar(t, square, 3 * cubic), 1), twice_root_2_over_pi);
    reel_var share = reel_sigmoid_in_rules(t, inner), rest = reel_sigmoid_in_rules(t, reel_neg(t, inner));
    reel_var bend = reel_mul(t, reel_mul(t, x, reel_mul(t, share, rest)), inner_slope);
    grad_inputs[0] = reel_mul(t, g[0], reel_add(t, share, bend));
}

static reel_status gelu_tanh_onnx(const reel_call *call, reel_onnx *to)
{
    (void)call;
    const double twice_root_2_over_pi = 1.5957691216057308, cubic = 0.044715;
    reel_onnx_value x = reel_onnx_input(to, 0), one = reel_onnx_number(to, REEL_REAL, 1);
    reel_onnx_value square = REEL_ONNX_NODE(to, "Mul", x, x);
    reel_onnx_value bend = REEL_ONNX_NODE(to, "Mul", square, reel_onnx_number(to, REEL_REAL, cubic));
    reel_onnx_value inner = REEL_ONNX_NODE(to, "Mul", x, REEL_ONNX_NODE(to, "Add", bend, one));
    inner = REEL_ONNX_NODE(to, "Mul", inner, reel_onnx_number(to, REEL_REAL, twice_root_2_over_pi));
    return reel_onnx_set_output(to, 0, REEL_ONNX_NODE(to, "Mul", x, REEL_ONNX_NODE(to, "Sigmoid", inner)));
}

static const reel_op gelu_tanh_op = {UNARY_ROW(gelu_tanh), .onnx = gelu_tanh_onnx, .reads_inputs = 1};

reel_var reel_gelu(reel_tape *tape, reel_var x, bool tanh_form)
{
    return reel_apply1(tape, tanh_form ? &gelu_tanh_op : &gelu_op, &x, 1, NULL);
}
#else
static const reel_sample gelu_samples[] = {
    GOOD("no axes", NULL, SCALAR),
    GOOD("large", NULL, LARGE(9)),
    SHAPE_SAMPLES(NULL, REAL),
};

static const reel_sample gelu_tanh_samples[] = {
    GOOD("no axes", NULL, SCALAR),
    GOOD("large", NULL, LARGE(9)),
    SHAPE_SAMPLES(NULL, REAL),
};
SAMPLES(gelu, gelu_samples, .ulps = 1, .why = "1 + erf(x) of PyTorch cancels far below 0");
SAMPLES(gelu_tanh, gelu_tanh_samples, .ulps = 1, .why = "1 + tanh(x) of PyTorch cancels far below 0");
#endif

REEL_OP_FAMILY(unary, ROW(neg), ROW(abs), ROW(sign), ROW(floor), ROW(ceil), ROW(trunc), ROW(round), ROW(exp),
               ROW(expm1), ROW(log), ROW(log1p), ROW(sqrt), ROW(rsqrt), ROW(square), ROW(sin), ROW(cos), ROW(tanh),
               ROW(erf), ROW(ndtr), ROW(sigmoid), ROW(logsigmoid), ROW(silu), ROW(relu_slope), ROW(relu),
               ROW(leaky_relu_slope), ROW(leaky_relu), ROW(elu), ROW(softplus), ROW(gelu), ROW(gelu_tanh));
