/* Activations: operations, and those that are made of operations. */
#include "ops/unary.h"

#include <reel/compare.h>
#include <reel/elementwise.h>
#include <reel/join.h>
#include <reel/unary.h>
#include <reel/view.h>

#include <math.h>

#ifndef REEL_SAMPLES
/* A node whose attribute alpha is the first number. */
static reel_status alpha_onnx(const reel_call *call, reel_onnx *to, const char *node)
{
    reel_onnx_set_float(to, "alpha", (double)((const reel_real *)call->attributes)[0]);
    return reel_onnx_set_output(to, 0, REEL_ONNX_NODE(to, node, reel_onnx_input(to, 0)));
}
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
static reel_onnx_value ndtr_onnx_node(reel_onnx *to, reel_onnx_value x)
{
    const double root_of_half = 0.70710678118654752;
    reel_onnx_value half = reel_onnx_number(to, REEL_REAL, 0.5);
    x = REEL_ONNX_NODE(to, "Mul", x, reel_onnx_number(to, REEL_REAL, root_of_half));
    return REEL_ONNX_NODE(to, "Add", REEL_ONNX_NODE(to, "Mul", REEL_ONNX_NODE(to, "Erf", x), half), half);
}

static reel_status ndtr_onnx(const reel_call *call, reel_onnx *to)
{
    (void)call;
    return reel_onnx_set_output(to, 0, ndtr_onnx_node(to, reel_onnx_input(to, 0)));
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
    return reel_onnx_set_output(to, 0, REEL_ONNX_NODE(to, "Mul", x, ndtr_onnx_node(to, x)));
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

/* ---- made of operations: mish, selu, glu, prelu ---- */

#ifndef REEL_SAMPLES
reel_var reel_mish(reel_tape *tape, reel_var x)
{
    return reel_mul(tape, x, reel_tanh(tape, reel_softplus(tape, x, 1, 20)));
}

reel_var reel_selu(reel_tape *tape, reel_var x)
{
    const double alpha = 1.6732632423543772, scale = 1.0507009873554805;
    return reel_mul_scalar(tape, reel_elu(tape, x, alpha), scale);
}

reel_var reel_glu(reel_tape *tape, reel_var x, int axis)
{
    reel_shape shape = reel_shape_of(tape, x);
    if (shape.ndim < 0 || reel_normalize_axis(reel_tape_context(tape), "glu", shape.ndim, &axis) != REEL_OK)
        return reel_null();
    int64_t half = shape.dim[axis] / 2;
    if (shape.dim[axis] % 2 != 0) {
        reel_fail(reel_tape_context(tape), REEL_ERROR_SHAPE, "glu: axis %d has %lld elements, an odd number", axis,
                  (long long)shape.dim[axis]);
        return reel_null();
    }
    reel_var gate = reel_sigmoid(tape, reel_narrow(tape, x, axis, half, half));
    return reel_mul(tape, reel_narrow(tape, x, axis, 0, half), gate);
}

reel_var reel_prelu(reel_tape *tape, reel_var x, reel_var weight)
{
    reel_shape shape = reel_shape_of(tape, x), slopes = reel_shape_of(tape, weight);
    if (shape.ndim < 0 || slopes.ndim < 0)
        return reel_null();
    int64_t channels = shape.ndim > 1 ? shape.dim[1] : 1, count = reel_numel(tape, weight);
    if (slopes.ndim > 1 || (count != 1 && count != channels)) {
        char text[REEL_SHAPE_TEXT];
        reel_fail(reel_tape_context(tape), REEL_ERROR_SHAPE,
                  "prelu: the weight is %s, it must be one slope or one for each of %lld channels",
                  reel_shape_text(&slopes, text), (long long)channels);
        return reel_null();
    }
    reel_shape beside = {.ndim = shape.ndim};
    for (int i = 0; i < shape.ndim; i++)
        beside.dim[i] = i == 1 ? count : 1;
    weight = reel_reshape(tape, weight, beside);
    return reel_where(tape, reel_gt_scalar(tape, x, 0), x, reel_mul(tape, weight, x));
}
#endif

REEL_OP_FAMILY(activation, ROW(ndtr), ROW(sigmoid), ROW(logsigmoid), ROW(silu), ROW(relu_slope), ROW(relu),
               ROW(leaky_relu_slope), ROW(leaky_relu), ROW(elu), ROW(softplus), ROW(gelu), ROW(gelu_tanh));
