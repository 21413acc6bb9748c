/* Losses of two numbers: mean squared and absolute errors, binary cross entropies, divergence, hinge. */
#include "kern/loss.h"

#include "core/tape.h"
#include "ops/loss.h"
#include "ops/pointwise.h"

#include <reel/compare.h>
#include <reel/elementwise.h>
#include <reel/join.h>
#include <reel/loss.h>
#include <reel/reduce.h>
#include <reel/unary.h>

#include <math.h>

/* ---- What they share ---- */

struct loss_attributes {
    reel_reduction reduction;
    double beta; /* of smooth_l1_loss */
};

#ifndef REEL_SAMPLES
reel_status reel_loss_refuse_reduction(reel_context *context, const char *who, reel_reduction reduction)
{
    return reel_fail(context, REEL_ERROR_ARGUMENT, "%s: reduction %d is none of REEL_MEAN, REEL_SUM, REEL_NONE", who,
                     (int)reduction);
}

bool reel_loss_shapes_match(reel_tape *tape, const char *who, reel_var a, reel_var b)
{
    reel_shape of_a = reel_shape_of(tape, a), of_b = reel_shape_of(tape, b);
    if (of_a.ndim < 0 || of_b.ndim < 0)
        return false;
    char text_a[REEL_SHAPE_TEXT], text_b[REEL_SHAPE_TEXT];
    return reel_shape_equal(&of_a, &of_b) ||
           reel_fail(reel_tape_context(tape), REEL_ERROR_SHAPE,
                     "%s: %s and %s must have the same shape (reshape or expand one)", who,
                     reel_shape_text(&of_a, text_a), reel_shape_text(&of_b, text_b)) == REEL_OK;
}

reel_var reel_loss_reduce(reel_tape *tape, const char *who, reel_var losses, reel_reduction reduction)
{
    switch (reduction) {
    case REEL_MEAN:
        return reel_mean_all(tape, losses);
    case REEL_SUM:
        return reel_sum_all(tape, losses);
    case REEL_NONE:
        return losses;
    case REEL_BATCH_MEAN:
        break;
    }
    reel_loss_refuse_reduction(reel_tape_context(tape), who, reduction);
    return reel_null();
}

static reel_status loss_shape(reel_call *call)
{
    const struct loss_attributes *a = call->attributes;
    const reel_shape *x = &call->in[0]->shape, *target = &call->in[1]->shape;
    if (reel_expect_real(call, 0, "x") != REEL_OK || reel_expect_real(call, 1, "the target") != REEL_OK)
        return call->context->status;
    if (!reel_shape_equal(x, target)) {
        char text_x[REEL_SHAPE_TEXT], text_target[REEL_SHAPE_TEXT];
        return reel_fail(call->context, REEL_ERROR_SHAPE,
                         "%s: x is %s and the target %s; they must have the same shape (reshape or expand one)",
                         call->op->name, reel_shape_text(x, text_x), reel_shape_text(target, text_target));
    }
    if (a->reduction != REEL_MEAN && a->reduction != REEL_SUM && a->reduction != REEL_NONE)
        return reel_loss_refuse_reduction(call->context, call->op->name, a->reduction);
    call->out[0]->shape = a->reduction == REEL_NONE ? *x : reel_shape_make(0, NULL);
    call->out[0]->dtype = REEL_REAL;
    /* The gradient of x for a gradient of 1, which is what a loss mostly gets: it is made while the elements are at
     * hand, and backward has nothing left to do. */
    if (a->reduction != REEL_NONE && call->tape->no_grad == 0)
        call->saved_size = (size_t)call->in[0]->numel * sizeof(reel_real);
    return REEL_OK;
}

static reel_status loss_forward(const reel_call *call, const struct reel_kern_loss *loss)
{
    const struct loss_attributes *a = call->attributes;
    const reel_array *x = call->in[0], *target = call->in[1];
    int threads = call->context->num_threads;
    if (a->reduction == REEL_NONE) {
        const struct reel_kern_loss_map of = {
            .map = loss->value, .n = x->numel, .x = x->data, .target = target->data, .parameter = (reel_real)a->beta};
        reel_kern_loss_map(&of, false, call->out[0]->data, threads);
        return REEL_OK;
    }
    bool mean = a->reduction == REEL_MEAN;
    const struct reel_kern_reduction sum = {.combine = REEL_KERN_SUM,
                                            .map = loss->value,
                                            .other = target->data,
                                            .parameter = (reel_real)a->beta,
                                            .divisor = mean ? (double)x->numel : 1,
                                            .run = loss->run,
                                            .second = call->saved ? loss->by_x : NULL,
                                            .second_factor = mean ? 1 / (reel_real)x->numel : 1,
                                            .second_out = call->saved};
    const reel_shape flat = {1, {x->numel}};
    reel_kern_reduce(&flat, 1, x->data, &sum, call->out[0]->data, threads);
    return REEL_OK;
}

/* The loss of each element, reduced. */
static reel_status loss_onnx(const reel_call *call, reel_onnx *to, reel_onnx_value each)
{
    const struct loss_attributes *a = call->attributes;
    if (a->reduction == REEL_NONE)
        return reel_onnx_set_output(to, 0, each);
    reel_onnx_set_int(to, "keepdims", 0);
    return reel_onnx_set_output(to, 0,
                                REEL_ONNX_NODE(to, a->reduction == REEL_MEAN ? "ReduceMean" : "ReduceSum", each));
}

static reel_onnx_value difference_onnx(reel_onnx *to)
{
    return REEL_ONNX_NODE(to, "Sub", reel_onnx_input(to, 0), reel_onnx_input(to, 1));
}

/* The gradient of x from the one that forward left. */
static reel_status give_saved(const reel_call *call, reel_real grad, reel_sink *sink)
{
    int64_t n = call->in[0]->numel;
    if (grad == 1) {
        const reel_gradient gradient = {call->saved, 1, n, n, NULL};
        return reel_sink_share(sink, &gradient);
    }
    bool add;
    reel_real *to = reel_sink_target(sink, &add);
    if (to)
        reel_kern_scale_to(n, grad, call->saved, add, to, call->context->num_threads);
    return call->context->status;
}

static reel_status loss_accumulate(const reel_call *call, const struct reel_kern_loss *loss,
                                   const reel_gradient *grad_output, reel_sink *const *sinks)
{
    const struct loss_attributes *a = call->attributes;
    const reel_array *x = call->in[0], *target = call->in[1];
    const reel_real *grad = reel_gradient_contiguous(call, grad_output);
    if (!grad)
        return call->context->status;
    reel_real share = 0;
    if (a->reduction == REEL_MEAN) {
        share = grad[0] / (reel_real)x->numel;
        grad = &share;
    }
    if (sinks[0] && call->saved && give_saved(call, grad_output->data[0], sinks[0]) != REEL_OK)
        return call->context->status;
    const reel_kern_map maps[] = {loss->by_x, loss->by_target};
    for (int k = call->saved ? 1 : 0; k < 2; k++) {
        bool add;
        reel_real *to = sinks[k] ? reel_sink_target(sinks[k], &add) : NULL;
        const struct reel_kern_loss_map of = {.map = maps[k],
                                              .n = x->numel,
                                              .x = x->data,
                                              .target = target->data,
                                              .parameter = (reel_real)a->beta,
                                              .factor = grad,
                                              .factor_step = a->reduction == REEL_NONE};
        if (to)
            reel_kern_loss_map(&of, add, to, call->context->num_threads);
    }
    return call->context->status;
}

/* The gradient of each single loss; it broadcasts against x. */
static reel_var gradient_of_each(const reel_call *call, reel_var grad_output)
{
    const struct loss_attributes *a = call->attributes;
    int64_t n = call->in[0]->numel; /* the share of nothing must not be infinite: 0 shares make NaN of it */
    return a->reduction == REEL_MEAN && n > 0 ? reel_div_scalar(call->tape, grad_output, (double)n) : grad_output;
}

/* For losses of x - target: the two gradients differ in their sign. */
static void give_difference_gradients(const reel_call *call, reel_var grad, reel_var *grad_inputs)
{
    if (call->needed[0])
        grad_inputs[0] = grad;
    if (call->needed[1])
        grad_inputs[1] = reel_neg(call->tape, grad);
}

static reel_cost loss_cost(const reel_call *call)
{
    double n = (double)call->in[0]->numel;
    return (reel_cost){4 * n, 2 * (double)sizeof(reel_real) * n};
}

static reel_var apply_loss(reel_tape *tape, const reel_op *op, reel_var x, reel_var target, reel_reduction reduction,
                           double beta)
{
    const reel_var inputs[] = {x, target};
    const struct loss_attributes a = {reduction, beta};
    return reel_apply1(tape, op, inputs, 2, &a);
}

/* The options' weight, and the reduction of losses that were not reduced. */
static reel_var weigh_and_reduce(reel_tape *tape, reel_var losses, reel_var weight, reel_reduction reduction)
{
    if (!reel_is_null(weight))
        losses = reel_mul(tape, losses, reel_expand(tape, weight, reel_shape_of(tape, losses)));
    return reel_loss_reduce(tape, "loss", losses, reduction);
}

reel_loss_options reel_loss_defaults(void)
{
    return (reel_loss_options){.mark = REEL_OPTIONS_MARK(reel_loss_options), .reduction = REEL_MEAN};
}

/* A loss with no option but the reduction. */
static reel_var apply_plain_loss(reel_tape *tape, const reel_op *op, reel_var x, reel_var target,
                                 const reel_loss_options *options)
{
    reel_loss_options o = reel_loss_defaults();
    if (options && reel_options_take(reel_tape_context(tape), "loss", options, &o) != REEL_OK)
        return reel_null();
    return apply_loss(tape, op, x, target, o.reduction, 1);
}
#else
static const struct loss_attributes mean = {REEL_MEAN, 1}, sum = {REEL_SUM, 1}, none = {REEL_NONE, 1},
                                    no_reduction = {(reel_reduction)7, 1};
#define LOSS_GOOD(X, TARGET)                                                                                           \
    GOOD("mean", &mean, X(3, 4), TARGET(3, 4)), GOOD("sum", &sum, X(3, 4), TARGET(3, 4)),                              \
        GOOD("none", &none, X(3, 4), TARGET(3, 4)), GOOD("a vector", &mean, X(7), TARGET(7)),                          \
        GOOD("one element", &mean, X(1, 1), TARGET(1, 1)),                                                             \
        GOOD("eight axes", &sum, X(1, 2, 1, 2, 1, 2, 1, 1), TARGET(1, 2, 1, 2, 1, 2, 1, 1)),                           \
        GOOD("the sum of nothing", &sum, X(0, 3), TARGET(0, 3)), GOOD("nothing", &none, X(0, 3), TARGET(0, 3))
#define LOSS_REFUSED                                                                                                   \
    REFUSED("another size", REEL_ERROR_SHAPE, &mean, REAL(3, 4), REAL(3, 5)),                                          \
        REFUSED("shapes that broadcast", REEL_ERROR_SHAPE, &mean, REAL(3, 1), REAL(3)),                                \
        REFUSED("a scalar target", REEL_ERROR_SHAPE, &mean, REAL(3), SCALAR),                                          \
        REFUSED("x not real", REEL_ERROR_DTYPE, &mean, INDEX(2, 3), REAL(3)),                                          \
        REFUSED("target not real", REEL_ERROR_DTYPE, &mean, REAL(3), INDEX(2, 3)),                                     \
        REFUSED("an unknown reduction", REEL_ERROR_ARGUMENT, &no_reduction, REAL(3), REAL(3))
#endif

/* ---- mse_loss ---- */

#ifndef REEL_SAMPLES
static reel_status mse_forward(reel_call *call)
{
    return loss_forward(call, &reel_kern_mse);
}

static void mse_vjp(const reel_call *call, const reel_var *grad_outputs, reel_var *grad_inputs)
{
    reel_tape *t = call->tape;
    reel_var grad = reel_mul_scalar(t, gradient_of_each(call, grad_outputs[0]), 2);
    give_difference_gradients(call, reel_mul(t, reel_sub(t, call->inputs[0], call->inputs[1]), grad), grad_inputs);
}

static reel_status mse_accumulate(const reel_call *call, const reel_gradient *grad_outputs, reel_sink *const *sinks)
{
    return loss_accumulate(call, &reel_kern_mse, &grad_outputs[0], sinks);
}

static reel_status mse_onnx(const reel_call *call, reel_onnx *to)
{
    reel_onnx_value difference = difference_onnx(to);
    return loss_onnx(call, to, REEL_ONNX_NODE(to, "Mul", difference, difference));
}

static const reel_op mse_op = {
    .name = "mse_loss",
    .n_inputs = 2,
    .n_outputs = 1,
    .differentiable = 3,
    .reads_inputs = 3,
    .attributes_size = sizeof(struct loss_attributes),
    .shape = loss_shape,
    .forward = mse_forward,
    .vjp = mse_vjp,
    .accumulate = mse_accumulate,
    .cost = loss_cost,
    .onnx = mse_onnx,
};

reel_var reel_mse_loss_with(reel_tape *tape, reel_var x, reel_var target, const reel_loss_options *options)
{
    return apply_plain_loss(tape, &mse_op, x, target, options);
}

reel_var reel_mse_loss(reel_tape *tape, reel_var x, reel_var target)
{
    return reel_mse_loss_with(tape, x, target, NULL);
}
#else
static const reel_sample mse_samples[] = {LOSS_GOOD(REAL, REAL), GOOD("scalars", &mean, SCALAR, SCALAR), LOSS_REFUSED};
SAMPLES(mse, mse_samples);
#endif

/* ---- l1_loss ---- */

#ifndef REEL_SAMPLES
static reel_status l1_forward(reel_call *call)
{
    return loss_forward(call, &reel_kern_l1);
}

static void l1_vjp(const reel_call *call, const reel_var *grad_outputs, reel_var *grad_inputs)
{
    reel_tape *t = call->tape;
    reel_var sign = reel_sign(t, reel_sub(t, call->inputs[0], call->inputs[1]));
    give_difference_gradients(call, reel_mul(t, sign, gradient_of_each(call, grad_outputs[0])), grad_inputs);
}

static reel_status l1_accumulate(const reel_call *call, const reel_gradient *grad_outputs, reel_sink *const *sinks)
{
    return loss_accumulate(call, &reel_kern_l1, &grad_outputs[0], sinks);
}

static reel_status l1_onnx(const reel_call *call, reel_onnx *to)
{
    return loss_onnx(call, to, REEL_ONNX_NODE(to, "Abs", difference_onnx(to)));
}

static const reel_op l1_op = {
    .name = "l1_loss",
    .n_inputs = 2,
    .n_outputs = 1,
    .differentiable = 3,
    .reads_inputs = 3,
    .attributes_size = sizeof(struct loss_attributes),
    .shape = loss_shape,
    .forward = l1_forward,
    .vjp = l1_vjp,
    .accumulate = l1_accumulate,
    .cost = loss_cost,
    .onnx = l1_onnx,
};

reel_var reel_l1_loss_with(reel_tape *tape, reel_var x, reel_var target, const reel_loss_options *options)
{
    return apply_plain_loss(tape, &l1_op, x, target, options);
}

reel_var reel_l1_loss(reel_tape *tape, reel_var x, reel_var target)
{
    return reel_l1_loss_with(tape, x, target, NULL);
}
#else
#define ABOVE(...) WITHIN(0.1, 2, __VA_ARGS__)
#define BELOW(...) WITHIN(-2, -0.1, __VA_ARGS__)
static const reel_sample l1_samples[] = {
    LOSS_GOOD(ABOVE, BELOW),
    GOOD("x below the target", &mean, BELOW(3, 4), ABOVE(3, 4)),
    LOSS_REFUSED,
};
SAMPLES(l1, l1_samples);
#endif

/* ---- smooth_l1_loss ---- */

#ifndef REEL_SAMPLES
static reel_status smooth_l1_shape(reel_call *call)
{
    const struct loss_attributes *a = call->attributes;
    if (!(a->beta >= 0))
        return reel_fail(call->context, REEL_ERROR_ARGUMENT, "smooth_l1_loss: beta is %g, it must be at least 0",
                         a->beta);
    return loss_shape(call);
}

static reel_status smooth_l1_forward(reel_call *call)
{
    return loss_forward(call, &reel_kern_smooth_l1);
}

static void smooth_l1_vjp(const reel_call *call, const reel_var *grad_outputs, reel_var *grad_inputs)
{
    const struct loss_attributes *a = call->attributes;
    const double beta = (reel_real)a->beta;
    reel_tape *t = call->tape;
    reel_var difference = reel_sub(t, call->inputs[0], call->inputs[1]), sign = reel_sign(t, difference);
    reel_var beyond = reel_ge_scalar(t, reel_abs(t, difference), beta);
    reel_var slope = reel_where(t, beyond, sign, reel_div_scalar(t, difference, beta > 0 ? beta : 1));
    give_difference_gradients(call, reel_mul(t, slope, gradient_of_each(call, grad_outputs[0])), grad_inputs);
}

static reel_status smooth_l1_accumulate(const reel_call *call, const reel_gradient *grad_outputs,
                                        reel_sink *const *sinks)
{
    return loss_accumulate(call, &reel_kern_smooth_l1, &grad_outputs[0], sinks);
}

static reel_status smooth_l1_onnx(const reel_call *call, reel_onnx *to)
{
    const struct loss_attributes *a = call->attributes;
    reel_onnx_value size = REEL_ONNX_NODE(to, "Abs", difference_onnx(to));
    reel_onnx_value half_beta = reel_onnx_number(to, REEL_REAL, a->beta / 2);
    reel_onnx_value near = REEL_ONNX_NODE(to, "Less", size, reel_onnx_number(to, REEL_REAL, a->beta));
    reel_onnx_value half_square =
        REEL_ONNX_NODE(to, "Mul", REEL_ONNX_NODE(to, "Mul", size, size), reel_onnx_number(to, REEL_REAL, 0.5));
    reel_onnx_value inside =
        REEL_ONNX_NODE(to, "Div", half_square, reel_onnx_number(to, REEL_REAL, a->beta > 0 ? a->beta : 1));
    reel_onnx_value outside = REEL_ONNX_NODE(to, "Sub", size, half_beta);
    return loss_onnx(call, to, REEL_ONNX_NODE(to, "Where", near, inside, outside));
}

static const reel_op smooth_l1_op = {
    .name = "smooth_l1_loss",
    .n_inputs = 2,
    .n_outputs = 1,
    .differentiable = 3,
    .reads_inputs = 3,
    .attributes_size = sizeof(struct loss_attributes),
    .shape = smooth_l1_shape,
    .forward = smooth_l1_forward,
    .vjp = smooth_l1_vjp,
    .accumulate = smooth_l1_accumulate,
    .cost = loss_cost,
    .onnx = smooth_l1_onnx,
};

reel_smooth_l1_loss_options reel_smooth_l1_loss_defaults(void)
{
    return (reel_smooth_l1_loss_options){
        .mark = REEL_OPTIONS_MARK(reel_smooth_l1_loss_options), .reduction = REEL_MEAN, .beta = 1};
}

reel_var reel_smooth_l1_loss_with(reel_tape *tape, reel_var x, reel_var target,
                                  const reel_smooth_l1_loss_options *options)
{
    reel_smooth_l1_loss_options o = reel_smooth_l1_loss_defaults();
    if (options && reel_options_take(reel_tape_context(tape), "smooth_l1_loss", options, &o) != REEL_OK)
        return reel_null();
    return apply_loss(tape, &smooth_l1_op, x, target, o.reduction, o.beta);
}

reel_var reel_smooth_l1_loss(reel_tape *tape, reel_var x, reel_var target)
{
    return reel_smooth_l1_loss_with(tape, x, target, NULL);
}
#else
static const struct loss_attributes small_beta = {REEL_MEAN, 0.1}, large_beta = {REEL_NONE, 5}, beta_0 = {REEL_SUM, 0},
                                    negative_beta = {REEL_MEAN, -1};
#define NEAR_0(...) WITHIN(-0.4, 0.4, __VA_ARGS__)
static const reel_sample smooth_l1_samples[] = {
    LOSS_GOOD(NEAR_0, NEAR_0),
    GOOD("beyond beta", &small_beta, ABOVE(3, 4), BELOW(3, 4)),
    GOOD("beyond beta below the target", &small_beta, BELOW(3, 4), ABOVE(3, 4)),
    GOOD("within a large beta", &large_beta, REAL(3, 4), REAL(3, 4)),
    GOOD("beta 0", &beta_0, ABOVE(3, 4), BELOW(3, 4)),
    REFUSED("a negative beta", REEL_ERROR_ARGUMENT, &negative_beta, REAL(3), REAL(3)),
    LOSS_REFUSED,
};
SAMPLES(smooth_l1, smooth_l1_samples);
#endif

/* ---- bce_loss ---- */

#ifndef REEL_SAMPLES
static reel_status bce_forward(reel_call *call)
{
    const reel_array *x = call->in[0];
    int64_t wrong = reel_kern_find_outside_unit(x->numel, x->data);
    if (wrong >= 0) {
        char position[REEL_POSITION_TEXT];
        return reel_fail(call->context, REEL_ERROR_ARGUMENT,
                         "bce_loss: x is %g%s, it must be a probability in 0..1 (logits go to "
                         "bce_with_logits_loss)",
                         (double)((const reel_real *)x->data)[wrong], reel_position_text(&x->shape, wrong, position));
    }
    return loss_forward(call, &reel_kern_bce);
}

static void bce_vjp(const reel_call *call, const reel_var *grad_outputs, reel_var *grad_inputs)
{
    reel_tape *t = call->tape;
    reel_var x = call->inputs[0], target = call->inputs[1], grad = gradient_of_each(call, grad_outputs[0]);
    if (call->needed[0]) {
        reel_var below = reel_clamp(t, reel_mul(t, reel_rsub_scalar(t, x, 1), x), 1e-12, INFINITY);
        grad_inputs[0] = reel_mul(t, reel_div(t, reel_sub(t, x, target), below), grad);
    }
    if (call->needed[1]) {
        reel_var no = reel_clamp(t, reel_log1p(t, reel_neg(t, x)), -100, INFINITY);
        reel_var yes = reel_clamp(t, reel_log(t, x), -100, INFINITY);
        grad_inputs[1] = reel_mul(t, reel_sub(t, no, yes), grad);
    }
}

static reel_status bce_accumulate(const reel_call *call, const reel_gradient *grad_outputs, reel_sink *const *sinks)
{
    return loss_accumulate(call, &reel_kern_bce, &grad_outputs[0], sinks);
}

static reel_status bce_onnx(const reel_call *call, reel_onnx *to)
{
    reel_onnx_value x = reel_onnx_input(to, 0), target = reel_onnx_input(to, 1);
    reel_onnx_value one = reel_onnx_number(to, REEL_REAL, 1), least = reel_onnx_number(to, REEL_REAL, -100);
    reel_onnx_value yes = REEL_ONNX_NODE(to, "Max", REEL_ONNX_NODE(to, "Log", x), least);
    reel_onnx_value no = REEL_ONNX_NODE(to, "Max", REEL_ONNX_NODE(to, "Log", REEL_ONNX_NODE(to, "Sub", one, x)), least);
    yes = REEL_ONNX_NODE(to, "Mul", target, yes);
    no = REEL_ONNX_NODE(to, "Mul", REEL_ONNX_NODE(to, "Sub", target, one), no);
    return loss_onnx(call, to, REEL_ONNX_NODE(to, "Sub", no, yes));
}

static const reel_op bce_op = {
    .name = "bce_loss",
    .n_inputs = 2,
    .n_outputs = 1,
    .differentiable = 3,
    .reads_inputs = 3,
    .attributes_size = sizeof(struct loss_attributes),
    .shape = loss_shape,
    .forward = bce_forward,
    .vjp = bce_vjp,
    .accumulate = bce_accumulate,
    .cost = loss_cost,
    .onnx = bce_onnx,
};

reel_bce_loss_options reel_bce_loss_defaults(void)
{
    return (reel_bce_loss_options){.mark = REEL_OPTIONS_MARK(reel_bce_loss_options), .reduction = REEL_MEAN};
}

reel_var reel_bce_loss_with(reel_tape *tape, reel_var x, reel_var target, const reel_bce_loss_options *options)
{
    reel_bce_loss_options o = reel_bce_loss_defaults();
    if (options && reel_options_take(reel_tape_context(tape), "bce_loss", options, &o) != REEL_OK)
        return reel_null();
    if (reel_is_null(o.weight))
        return apply_loss(tape, &bce_op, x, target, o.reduction, 1);
    return weigh_and_reduce(tape, apply_loss(tape, &bce_op, x, target, REEL_NONE, 1), o.weight, o.reduction);
}

reel_var reel_bce_loss(reel_tape *tape, reel_var x, reel_var target)
{
    return reel_bce_loss_with(tape, x, target, NULL);
}
#else
#define PROBABILITY(...) WITHIN(0.02, 0.98, __VA_ARGS__)
#define SHARE(...) WITHIN(0, 1, __VA_ARGS__)
static const reel_sample bce_samples[] = {
    LOSS_GOOD(PROBABILITY, SHARE),
    REFUSED("x above 1", REEL_ERROR_ARGUMENT, &mean, WITHIN(1.01, 2, 3), REAL(3)),
    REFUSED("x below 0", REEL_ERROR_ARGUMENT, &mean, WITHIN(-1, -0.01, 3), REAL(3)),
    LOSS_REFUSED,
};
SAMPLES(bce, bce_samples);
#endif

/* ---- bce_with_logits_loss ---- */

#ifndef REEL_SAMPLES
static reel_status bce_with_logits_forward(reel_call *call)
{
    return loss_forward(call, &reel_kern_bce_with_logits);
}

static void bce_with_logits_vjp(const reel_call *call, const reel_var *grad_outputs, reel_var *grad_inputs)
{
    reel_tape *t = call->tape;
    reel_var x = call->inputs[0], grad = gradient_of_each(call, grad_outputs[0]);
    if (call->needed[0])
        grad_inputs[0] = reel_mul(t, reel_sub(t, reel_sigmoid_in_rules(t, x), call->inputs[1]), grad);
    if (call->needed[1])
        grad_inputs[1] = reel_neg(t, reel_mul(t, x, grad));
}

static reel_status bce_with_logits_accumulate(const reel_call *call, const reel_gradient *grad_outputs,
                                              reel_sink *const *sinks)
{
    return loss_accumulate(call, &reel_kern_bce_with_logits, &grad_outputs[0], sinks);
}

static reel_status bce_with_logits_onnx(const reel_call *call, reel_onnx *to)
{
    reel_onnx_value x = reel_onnx_input(to, 0), softplus = REEL_ONNX_NODE(to, "Softplus", x);
    return loss_onnx(call, to,
                     REEL_ONNX_NODE(to, "Sub", softplus, REEL_ONNX_NODE(to, "Mul", x, reel_onnx_input(to, 1))));
}

static const reel_op bce_with_logits_op = {
    .name = "bce_with_logits_loss",
    .n_inputs = 2,
    .n_outputs = 1,
    .differentiable = 3,
    .reads_inputs = 3,
    .attributes_size = sizeof(struct loss_attributes),
    .shape = loss_shape,
    .forward = bce_with_logits_forward,
    .vjp = bce_with_logits_vjp,
    .accumulate = bce_with_logits_accumulate,
    .cost = loss_cost,
    .onnx = bce_with_logits_onnx,
};

reel_bce_with_logits_loss_options reel_bce_with_logits_loss_defaults(void)
{
    return (reel_bce_with_logits_loss_options){.mark = REEL_OPTIONS_MARK(reel_bce_with_logits_loss_options),
                                               .reduction = REEL_MEAN};
}

/* -(pos_weight target log(sigmoid(x)) + (1 - target) log(sigmoid(-x))). */
static reel_var losses_with_pos_weight(reel_tape *t, reel_var x, reel_var target, reel_var pos_weight)
{
    reel_var weight = reel_expand(t, pos_weight, reel_shape_of(t, x));
    reel_var yes = reel_mul(t, reel_mul(t, weight, target), reel_logsigmoid(t, x));
    reel_var no = reel_mul(t, reel_rsub_scalar(t, target, 1), reel_logsigmoid(t, reel_neg(t, x)));
    return reel_neg(t, reel_add(t, yes, no));
}

reel_var reel_bce_with_logits_loss_with(reel_tape *tape, reel_var x, reel_var target,
                                        const reel_bce_with_logits_loss_options *options)
{
    reel_bce_with_logits_loss_options o = reel_bce_with_logits_loss_defaults();
    if (options && reel_options_take(reel_tape_context(tape), "bce_with_logits_loss", options, &o) != REEL_OK)
        return reel_null();
    if (reel_is_null(o.weight) && reel_is_null(o.pos_weight))
        return apply_loss(tape, &bce_with_logits_op, x, target, o.reduction, 1);
    reel_var losses = apply_loss(tape, &bce_with_logits_op, x, target, REEL_NONE, 1);
    if (!reel_is_null(o.pos_weight) && !reel_is_null(losses)) /* x, the target and their shapes are checked now */
        losses = losses_with_pos_weight(tape, x, target, o.pos_weight);
    return weigh_and_reduce(tape, losses, o.weight, o.reduction);
}

reel_var reel_bce_with_logits_loss(reel_tape *tape, reel_var x, reel_var target)
{
    return reel_bce_with_logits_loss_with(tape, x, target, NULL);
}
#else
static const reel_sample bce_with_logits_samples[] = {
    LOSS_GOOD(REAL, REAL),
    GOOD("scalars", &mean, SCALAR, SCALAR),
    GOOD("large logits", &none, WITHIN(50, 1000, 3, 2), WITHIN(0, 1, 3, 2)),
    GOOD("logits far below 0", &none, WITHIN(-1000, -50, 3, 2), WITHIN(0, 1, 3, 2)),
    LOSS_REFUSED,
};
SAMPLES(bce_with_logits, bce_with_logits_samples, .ulps = 1, .why = "x and x * target cancel where x is large");
#endif

/* ---- huber_loss ---- */

#ifndef REEL_SAMPLES
reel_huber_loss_options reel_huber_loss_defaults(void)
{
    return (reel_huber_loss_options){
        .mark = REEL_OPTIONS_MARK(reel_huber_loss_options), .reduction = REEL_MEAN, .delta = 1};
}

reel_var reel_huber_loss_with(reel_tape *tape, reel_var x, reel_var target, const reel_huber_loss_options *options)
{
    reel_context *c = reel_tape_context(tape);
    reel_huber_loss_options o = reel_huber_loss_defaults();
    if ((options && reel_options_take(c, "huber_loss", options, &o) != REEL_OK) ||
        !reel_loss_shapes_match(tape, "huber_loss", x, target))
        return reel_null();
    if (!(o.delta > 0)) {
        reel_fail(c, REEL_ERROR_ARGUMENT, "huber_loss: delta is %g, it must be above 0", o.delta);
        return reel_null();
    }
    return reel_mul_scalar(tape, apply_loss(tape, &smooth_l1_op, x, target, o.reduction, o.delta), o.delta);
}

reel_var reel_huber_loss(reel_tape *tape, reel_var x, reel_var target)
{
    return reel_huber_loss_with(tape, x, target, NULL);
}
#endif

/* ---- kl_div_loss ---- */

#ifndef REEL_SAMPLES
reel_kl_div_loss_options reel_kl_div_loss_defaults(void)
{
    return (reel_kl_div_loss_options){
        .mark = REEL_OPTIONS_MARK(reel_kl_div_loss_options), .reduction = REEL_MEAN, .log_target = false};
}

reel_var reel_kl_div_loss_with(reel_tape *tape, reel_var x, reel_var target, const reel_kl_div_loss_options *options)
{
    static const reel_real one = 1;
    reel_kl_div_loss_options o = reel_kl_div_loss_defaults();
    if ((options && reel_options_take(reel_tape_context(tape), "kl_div_loss", options, &o) != REEL_OK) ||
        !reel_loss_shapes_match(tape, "kl_div_loss", x, target))
        return reel_null();
    reel_var probability = target, logarithm = target, losses;
    if (o.log_target)
        probability = reel_exp(tape, target);
    else /* 0 log 0 is 0, and the logarithm that it is multiplied with must be finite */
        logarithm =
            reel_log(tape, reel_where(tape, reel_eq_scalar(tape, target, 0), reel_constant(tape, &one), target));
    losses = reel_mul(tape, probability, reel_sub(tape, logarithm, x));
    if (o.reduction != REEL_BATCH_MEAN)
        return reel_loss_reduce(tape, "kl_div_loss", losses, o.reduction);
    reel_shape shape = reel_shape_of(tape, x);
    return reel_div_scalar(tape, reel_sum_all(tape, losses), shape.ndim > 0 ? (double)shape.dim[0] : 1);
}

reel_var reel_kl_div_loss(reel_tape *tape, reel_var x, reel_var target)
{
    return reel_kl_div_loss_with(tape, x, target, NULL);
}
#endif

/* ---- hinge ---- */

#ifndef REEL_SAMPLES
reel_var reel_hinge_loss_real(reel_tape *tape, reel_var scores)
{
    return reel_mean_all(tape, reel_relu(tape, reel_rsub_scalar(tape, scores, 1)));
}

reel_var reel_hinge_loss_fake(reel_tape *tape, reel_var scores)
{
    return reel_mean_all(tape, reel_relu(tape, reel_add_scalar(tape, scores, 1)));
}
#endif

REEL_OP_FAMILY(loss, ROW(mse), ROW(l1), ROW(smooth_l1), ROW(bce), ROW(bce_with_logits));
