/* Functions of one var, element by element. */
#include "ops/unary.h"

#include <reel/elementwise.h>
#include <reel/unary.h>

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

REEL_OP_FAMILY(unary, ROW(neg), ROW(abs), ROW(sign), ROW(floor), ROW(ceil), ROW(trunc), ROW(round), ROW(exp),
               ROW(expm1), ROW(log), ROW(log1p), ROW(sqrt), ROW(rsqrt), ROW(square), ROW(sin), ROW(cos), ROW(tanh),
               ROW(erf));
