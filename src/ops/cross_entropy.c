/* Losses of class indices: nll_loss and cross_entropy_loss, each with and without weights for the classes. */
#include "base/checked.h"
#include "core/tape.h"
#include "kern/functions.h"
#include "kern/loss.h"
#include "kern/softmax.h"
#include "ops/loss.h"
#include "ops/pointwise.h"

#include <reel/elementwise.h>
#include <reel/loss.h>
#include <reel/reduce.h>
#include <reel/softmax.h>
#include <reel/unary.h>
#include <reel/view.h>

#include <stdio.h>

/* Inputs: x, target, and with weights a third, [classes]. */
struct class_attributes {
    reel_reduction reduction;
    int64_t ignore_index;
    double label_smoothing; /* 0 in nll_loss */
};

/* ---- Checks ---- */

#ifndef REEL_SAMPLES
/* The axis of the classes: 1, or 0 when x is a vector. */
static int class_axis(const reel_call *call)
{
    return call->in[0]->shape.ndim > 1;
}

static reel_status check_target_shape(reel_call *call)
{
    const reel_shape *x = &call->in[0]->shape, *target = &call->in[1]->shape;
    int axis = class_axis(call);
    reel_shape expected = {.ndim = 0};
    for (int i = 0; i < x->ndim; i++)
        if (i != axis)
            expected.dim[expected.ndim++] = x->dim[i];
    char text_x[REEL_SHAPE_TEXT], text_target[REEL_SHAPE_TEXT], text_expected[REEL_SHAPE_TEXT];
    if (x->ndim == 0)
        return reel_fail(call->context, REEL_ERROR_SHAPE,
                         "%s: x is a scalar, it must be [N, C], [C] or [N, C, d1, ...]", call->op->name);
    if (!reel_shape_equal(target, &expected))
        return reel_fail(call->context, REEL_ERROR_SHAPE, "%s: x %s with classes on axis %d takes a target %s, not %s",
                         call->op->name, reel_shape_text(x, text_x), axis, reel_shape_text(&expected, text_expected),
                         reel_shape_text(target, text_target));
    const reel_shape *weight = call->n_inputs > 2 ? &call->in[2]->shape : NULL;
    if (weight && (weight->ndim != 1 || weight->dim[0] != x->dim[axis]))
        return reel_fail(call->context, REEL_ERROR_SHAPE, "%s: x %s has %lld classes, the weight is %s", call->op->name,
                         reel_shape_text(x, text_x), (long long)x->dim[axis], reel_shape_text(weight, text_target));
    return REEL_OK;
}

static reel_status class_shape(reel_call *call)
{
    const struct class_attributes *a = call->attributes;
    const reel_array *target = call->in[1];
    if (reel_expect_real(call, 0, "x") != REEL_OK || (call->n_inputs > 2 && reel_expect_real(call, 2, "the weight")))
        return call->context->status;
    if (target->dtype != REEL_INT64)
        return reel_fail(call->context, REEL_ERROR_DTYPE, "%s: the target is %s, it must be int64", call->op->name,
                         reel_dtype_name(target->dtype));
    if (check_target_shape(call) != REEL_OK)
        return call->context->status;
    if (a->reduction != REEL_MEAN && a->reduction != REEL_SUM && a->reduction != REEL_NONE)
        return reel_fail(call->context, REEL_ERROR_ARGUMENT,
                         "%s: reduction %d is none of REEL_MEAN, REEL_SUM, REEL_NONE", call->op->name,
                         (int)a->reduction);
    if (!(a->label_smoothing >= 0 && a->label_smoothing <= 1))
        return reel_fail(call->context, REEL_ERROR_ARGUMENT, "%s: label smoothing %g is outside 0..1", call->op->name,
                         a->label_smoothing);
    call->out[0]->shape = a->reduction == REEL_NONE ? target->shape : reel_shape_make(0, NULL);
    call->out[0]->dtype = REEL_REAL;
    return REEL_OK;
}

/* The arrays of a call as the kernels take them. Without elements outer is 0. */
static struct reel_kern_classes classes_of(const reel_call *call)
{
    const struct class_attributes *a = call->attributes;
    const reel_array *x = call->in[0], *target = call->in[1];
    int axis = class_axis(call);
    struct reel_kern_classes k = {.outer = 1,
                                  .classes = x->shape.dim[axis],
                                  .inner = 1,
                                  .target = target->data,
                                  .weight = call->n_inputs > 2 ? call->in[2]->data : NULL,
                                  .ignore_index = a->ignore_index,
                                  .smoothing = a->label_smoothing};
    if (target->numel == 0) {
        k.outer = 0;
        return k;
    }
    if (axis == 1)
        k.outer = x->shape.dim[0];
    k.inner = target->numel / k.outer;
    return k;
}

static reel_status check_targets(const reel_call *call, const struct reel_kern_classes *k)
{
    int64_t wrong = reel_kern_find_wrong_class(k);
    if (wrong < 0)
        return REEL_OK;
    char position[REEL_POSITION_TEXT], range[64] = "has no class to name";
    if (k->classes > 0)
        snprintf(range, sizeof range, "is outside 0..%lld", (long long)k->classes - 1);
    return reel_fail(call->context, REEL_ERROR_INDEX, "%s: target %lld%s %s", call->op->name,
                     (long long)k->target[wrong], reel_position_text(&call->in[1]->shape, wrong, position), range);
}

/* ---- Forward ---- */

/* What forward leaves for the rule: what the mean was divided by, and in cross_entropy_loss the maximum and the
 * logarithm of the sum of exp(x - maximum) at each place. */
struct saved_values {
    reel_real *divisor, *maxima, *log_sums;
};

static struct saved_values saved_of(const reel_call *call, bool softmax)
{
    reel_real *values = call->saved;
    return (struct saved_values){values, softmax ? values + 1 : NULL, softmax ? values + 1 + call->in[1]->numel : NULL};
}

static reel_status save(reel_call *call, bool softmax)
{
    int64_t count = softmax ? call->in[1]->numel : 0;
    if (!reel_multiply_size(count, 2 * sizeof(reel_real), &call->saved_size))
        return reel_fail(call->context, REEL_ERROR_SHAPE, "%s: the target has too many elements", call->op->name);
    call->saved_size += sizeof(reel_real);
    return REEL_OK;
}

/* The losses at each place, in `losses`, reduced into the result. Overwrites `losses`. */
static void reduce_losses(const reel_call *call, const struct reel_kern_classes *k, reel_real *losses,
                          reel_real *divisor)
{
    const struct class_attributes *a = call->attributes;
    int64_t places = k->outer * k->inner;
    reel_real *result = call->out[0]->data, sum = reel_kern_sum_run(places, losses);
    *divisor = 1;
    if (a->reduction == REEL_MEAN) {
        reel_kern_class_weights(k, losses);
        *divisor = reel_kern_sum_run(places, losses);
    }
    *result = sum / *divisor;
}

static reel_status class_forward(const reel_call *call, bool softmax)
{
    const struct class_attributes *a = call->attributes;
    struct reel_kern_classes k = classes_of(call);
    struct saved_values saved = saved_of(call, softmax);
    const reel_real *x = call->in[0]->data;
    int threads = call->context->num_threads;
    int64_t places = k.outer * k.inner;
    if (check_targets(call, &k) != REEL_OK)
        return call->context->status;
    reel_real *losses = call->out[0]->data;
    size_t bytes = (size_t)places * sizeof *losses;
    if (a->reduction != REEL_NONE && !(losses = reel_call_temporary(call, bytes)))
        return call->context->status;
    if (softmax && places > 0 && k.classes > 0) {
        const struct reel_kern_softmax s = {k.outer, k.classes, k.inner, true, false};
        reel_kern_softmax_sums(&s, x, saved.maxima, saved.log_sums, threads);
        for (int64_t i = 0; i < places; i++)
            saved.log_sums[i] = reel_math_log(saved.log_sums[i]);
    }
    reel_kern_class_losses(&k, x, saved.maxima, saved.log_sums, losses, threads);
    *saved.divisor = 1;
    if (a->reduction != REEL_NONE)
        reduce_losses(call, &k, losses, saved.divisor);
    return REEL_OK;
}

/* `logs` are the logarithms of the probabilities. */
static reel_status class_onnx(const reel_call *call, reel_onnx *to, reel_onnx_value logs)
{
    const struct class_attributes *a = call->attributes;
    int axis = class_axis(call);
    double classes = (double)call->in[0]->shape.dim[axis];
    reel_onnx_value target = reel_onnx_input(to, 1), zero = reel_onnx_number(to, REEL_REAL, 0);
    reel_onnx_value class_axes = reel_onnx_int64s(to, (const int64_t[]){axis}, 1);
    reel_onnx_value ignored =
        REEL_ONNX_NODE(to, "Equal", target, reel_onnx_number(to, REEL_INT64, (double)a->ignore_index));
    target = REEL_ONNX_NODE(to, "Where", ignored, reel_onnx_number(to, REEL_INT64, 0), target);
    reel_onnx_value weight = REEL_ONNX_NODE(to, "Where", ignored, zero, reel_onnx_number(to, REEL_REAL, 1));
    if (call->n_inputs > 2)
        weight =
            REEL_ONNX_NODE(to, "Where", ignored, zero, REEL_ONNX_NODE(to, "Gather", reel_onnx_input(to, 2), target));
    target = REEL_ONNX_NODE(to, "Unsqueeze", target, class_axes);
    reel_onnx_set_int(to, "axis", axis);
    reel_onnx_value picked = REEL_ONNX_NODE(to, "GatherElements", logs, target);
    picked = REEL_ONNX_NODE(to, "Squeeze", picked, class_axes);
    picked = REEL_ONNX_NODE(to, "Mul", REEL_ONNX_NODE(to, "Where", ignored, zero, picked), weight);
    if (a->label_smoothing > 0) {
        reel_onnx_value all = logs;
        if (call->n_inputs > 2) {
            int64_t shape[REEL_MAX_NDIM];
            for (int i = 0; i < call->in[0]->shape.ndim; i++)
                shape[i] = i == axis ? -1 : 1;
            reel_onnx_value weights = reel_onnx_int64s(to, shape, call->in[0]->shape.ndim);
            all = REEL_ONNX_NODE(to, "Mul", all, REEL_ONNX_NODE(to, "Reshape", reel_onnx_input(to, 2), weights));
        }
        reel_onnx_set_int(to, "keepdims", 0);
        all = REEL_ONNX_NODE(to, "ReduceSum", all, class_axes);
        all = REEL_ONNX_NODE(to, "Where", ignored, zero, all);
        all = REEL_ONNX_NODE(to, "Mul", all, reel_onnx_number(to, REEL_REAL, a->label_smoothing / classes));
        picked = REEL_ONNX_NODE(to, "Mul", picked, reel_onnx_number(to, REEL_REAL, 1 - a->label_smoothing));
        picked = REEL_ONNX_NODE(to, "Add", picked, all);
    }
    reel_onnx_value losses = REEL_ONNX_NODE(to, "Neg", picked);
    if (a->reduction != REEL_NONE) {
        reel_onnx_set_int(to, "keepdims", 0);
        losses = REEL_ONNX_NODE(to, "ReduceSum", losses);
    }
    if (a->reduction == REEL_MEAN) {
        reel_onnx_set_int(to, "keepdims", 0);
        losses = REEL_ONNX_NODE(to, "Div", losses, REEL_ONNX_NODE(to, "ReduceSum", weight));
    }
    return reel_onnx_set_output(to, 0, losses);
}

/* ---- Rules ---- */

static reel_status class_accumulate(const reel_call *call, const reel_gradient *grad_output, reel_sink *sink,
                                    bool softmax)
{
    const struct class_attributes *a = call->attributes;
    struct reel_kern_classes k = classes_of(call);
    struct saved_values saved = saved_of(call, softmax);
    bool add;
    const reel_real *grad = reel_gradient_contiguous(call, grad_output);
    reel_real *target = grad ? reel_sink_target(sink, &add) : NULL;
    const struct reel_kern_class_gradient of = {.x = call->in[0]->data,
                                                .maxima = saved.maxima,
                                                .log_sums = saved.log_sums,
                                                .factor = grad,
                                                .factor_step = a->reduction == REEL_NONE,
                                                .divisor = *saved.divisor};
    if (target)
        reel_kern_class_gradient(&k, &of, add, target, call->context->num_threads);
    return call->context->status;
}

/* The distribution that the target stands for, in the shape of x: a constant. */
static reel_var target_distribution(const reel_call *call)
{
    struct reel_kern_classes k = classes_of(call);
    reel_var q = reel_null();
    struct reel_node *node = reel_tape_add_array(call->tape, REEL_REAL, &call->in[0]->shape, call->op->name, &q);
    if (node)
        reel_kern_class_targets(&k, node->array.data);
    return q;
}

/* v, and 0 for what does not count: the classes of ignored places, or with target_only all but the targets. What is
 * chosen away may be infinite or no number. */
static reel_var where_it_counts(const reel_call *call, bool target_only, reel_var v)
{
    static const reel_real zero = 0;
    struct reel_kern_classes k = classes_of(call);
    if (!target_only && !reel_kern_class_any_ignored(&k))
        return v;
    reel_tape *t = call->tape;
    reel_var counts = reel_null();
    struct reel_node *node = reel_tape_add_array(t, REEL_BOOL, &call->in[0]->shape, call->op->name, &counts);
    if (node)
        reel_kern_class_counts(&k, target_only, node->array.data);
    return reel_where(t, counts, v, reel_constant(t, &zero));
}

/* The gradient of each loss, against x broadcast. The mean of nothing is divided by 1, since its sum of no gradients
 * would be 0 / 0. */
static reel_var gradient_of_each(const reel_call *call, reel_var grad_output)
{
    const struct class_attributes *a = call->attributes;
    const struct saved_values saved = saved_of(call, false);
    if (a->reduction == REEL_NONE)
        return reel_unsqueeze(call->tape, grad_output, class_axis(call));
    bool divide = a->reduction == REEL_MEAN && call->in[1]->numel > 0;
    return divide ? reel_div_scalar(call->tape, grad_output, (double)*saved.divisor) : grad_output;
}

static reel_cost class_cost(const reel_call *call)
{
    double n = (double)call->in[0]->numel;
    return (reel_cost){5 * n, (double)sizeof(reel_real) * n};
}
#endif

/* ---- Samples ---- */

#ifdef REEL_SAMPLES
static const struct class_attributes class_mean = {REEL_MEAN, -100, 0}, class_sum = {REEL_SUM, -100, 0},
                                     class_none = {REEL_NONE, -100, 0}, ignore_0 = {REEL_MEAN, 0, 0},
                                     ignore_1_none = {REEL_NONE, 1, 0}, ignore_5 = {REEL_SUM, 5, 0},
                                     smooth = {REEL_MEAN, -100, 0.1}, smooth_sum = {REEL_SUM, 1, 0.3},
                                     smooth_none = {REEL_NONE, 0, 1}, smooth_too_much = {REEL_MEAN, -100, 1.1},
                                     smooth_negative = {REEL_MEAN, -100, -0.1},
                                     bad_reduction = {(reel_reduction)-1, -100, 0};
#define BETWEEN(from, to, ...)                                                                                         \
    {                                                                                                                  \
        .dtype = REEL_INT64, REEL_DIMS(__VA_ARGS__), .low = (float)(from), .high = (float)(to)                         \
    }
#define SCALAR_INDEX(n)                                                                                                \
    {                                                                                                                  \
        .dtype = REEL_INT64, .high = (n)                                                                               \
    }
/* W(n) is nothing, or ", an input of n weights". */
#define CLASS_GOOD(W)                                                                                                  \
    GOOD("mean", &class_mean, REAL(5, 3), INDEX(3, 5) W(3)), GOOD("sum", &class_sum, REAL(5, 3), INDEX(3, 5) W(3)),    \
        GOOD("none", &class_none, REAL(5, 3), INDEX(3, 5) W(3)),                                                       \
        GOOD("a vector", &class_mean, REAL(4), SCALAR_INDEX(4) W(4)),                                                  \
        GOOD("a vector, none", &class_none, REAL(4), SCALAR_INDEX(4) W(4)),                                            \
        GOOD("axes behind the classes", &class_mean, REAL(2, 3, 2, 2), INDEX(3, 2, 2, 2) W(3)),                        \
        GOOD("axes behind the classes, none", &class_none, REAL(2, 3, 2), INDEX(3, 2, 2) W(3)),                        \
        GOOD("eight axes", &class_sum, REAL(1, 3, 1, 2, 1, 1, 2, 1), INDEX(3, 1, 1, 2, 1, 1, 2, 1) W(3)),              \
        GOOD("some ignored", &ignore_1_none, REAL(6, 3), INDEX(3, 6) W(3)),                                            \
        GOOD("all ignored", &ignore_5, REAL(3, 2), BETWEEN(5, 6, 3) W(2)),                                             \
        GOOD("the mean of what is not ignored", &ignore_0, REAL(6, 3), INDEX(3, 6) W(3)),                              \
        GOOD("one class", &class_mean, REAL(4, 1), INDEX(1, 4) W(1)),                                                  \
        GOOD("nothing", &class_none, REAL(0, 3), INDEX(3, 0) W(3)),                                                    \
        GOOD("the sum of nothing", &class_sum, REAL(0, 3), INDEX(3, 0) W(3))
#define CLASS_REFUSED(W)                                                                                               \
    REFUSED("a target too large", REEL_ERROR_INDEX, &class_mean, REAL(5, 3), BETWEEN(3, 4, 5) W(3)),                   \
        REFUSED("a negative target", REEL_ERROR_INDEX, &class_none, REAL(5, 3), BETWEEN(-1, 0, 5) W(3)),               \
        REFUSED("no classes", REEL_ERROR_INDEX, &class_mean, REAL(5, 0), INDEX(1, 5) W(0)),                            \
        REFUSED("another number of targets", REEL_ERROR_SHAPE, &class_mean, REAL(5, 3), INDEX(3, 4) W(3)),             \
        REFUSED("a target with the shape of x", REEL_ERROR_SHAPE, &class_mean, REAL(5, 3), INDEX(3, 5, 3) W(3)),       \
        REFUSED("a scalar", REEL_ERROR_SHAPE, &class_mean, SCALAR, SCALAR_INDEX(1) W(1)),                              \
        REFUSED("x not real", REEL_ERROR_DTYPE, &class_mean, INDEX(3, 5, 3), INDEX(3, 5) W(3)),                        \
        REFUSED("a real target", REEL_ERROR_DTYPE, &class_mean, REAL(5, 3), REAL(5) W(3)),                             \
        REFUSED("an int32 target", REEL_ERROR_DTYPE, &class_mean, REAL(5, 3), INDEX32(3, 5) W(3)),                     \
        REFUSED("an unknown reduction", REEL_ERROR_ARGUMENT, &bad_reduction, REAL(5, 3), INDEX(3, 5) W(3))
#define CROSS_ENTROPY_GOOD(W)                                                                                          \
    GOOD("label smoothing", &smooth, REAL(5, 3), INDEX(3, 5) W(3)),                                                    \
        GOOD("label smoothing, some ignored", &smooth_sum, REAL(6, 3), INDEX(3, 6) W(3)),                              \
        GOOD("label smoothing of 1", &smooth_none, REAL(2, 3, 2), INDEX(3, 2, 2) W(3)),                                \
        GOOD("large logits", &class_mean, WITHIN(9998, 10002, 4, 3), INDEX(3, 4) W(3)),                                \
        GOOD("logits far below 0", &smooth, WITHIN(-10002, -9998, 4, 3), INDEX(3, 4) W(3))
#define CROSS_ENTROPY_REFUSED(W)                                                                                       \
    REFUSED("too much label smoothing", REEL_ERROR_ARGUMENT, &smooth_too_much, REAL(5, 3), INDEX(3, 5) W(3)),          \
        REFUSED("negative label smoothing", REEL_ERROR_ARGUMENT, &smooth_negative, REAL(5, 3), INDEX(3, 5) W(3))
#define NO_WEIGHT(n)
#define WEIGHT(n) , WITHIN(0.5, 2, n)
#define WEIGHT_REFUSED                                                                                                 \
    REFUSED("a weight too few", REEL_ERROR_SHAPE, &class_mean, REAL(5, 3), INDEX(3, 5), REAL(2)),                      \
        REFUSED("weights with two axes", REEL_ERROR_SHAPE, &class_mean, REAL(5, 3), INDEX(3, 5), REAL(1, 3)),          \
        REFUSED("weights not real", REEL_ERROR_DTYPE, &class_mean, REAL(5, 3), INDEX(3, 5), INDEX(3, 3))
#endif

/* ---- nll_loss ---- */

#ifndef REEL_SAMPLES
static reel_status nll_shape(reel_call *call)
{
    return class_shape(call) == REEL_OK ? save(call, false) : call->context->status;
}

static reel_status nll_forward(reel_call *call)
{
    return class_forward(call, false);
}

static void nll_vjp(const reel_call *call, const reel_var *grad_outputs, reel_var *grad_inputs)
{
    reel_tape *t = call->tape;
    reel_var product = reel_mul(t, target_distribution(call), gradient_of_each(call, grad_outputs[0]));
    grad_inputs[0] = where_it_counts(call, true, reel_neg(t, product));
}

static reel_status nll_accumulate(const reel_call *call, const reel_gradient *grad_outputs, reel_sink *const *sinks)
{
    return class_accumulate(call, &grad_outputs[0], sinks[0], false);
}

static reel_status nll_onnx(const reel_call *call, reel_onnx *to)
{
    return class_onnx(call, to, reel_onnx_input(to, 0));
}

static const reel_op nll_op = {
    .name = "nll_loss",
    .n_inputs = 2,
    .n_outputs = 1,
    .differentiable = 1,
    .reads_inputs = 2,
    .attributes_size = sizeof(struct class_attributes),
    .shape = nll_shape,
    .forward = nll_forward,
    .vjp = nll_vjp,
    .accumulate = nll_accumulate,
    .cost = class_cost,
    .onnx = nll_onnx,
};
static const reel_op weighted_nll_op = {
    .name = "weighted_nll_loss",
    .n_inputs = 3,
    .n_outputs = 1,
    .differentiable = 1,
    .reads_inputs = 6,
    .attributes_size = sizeof(struct class_attributes),
    .shape = nll_shape,
    .forward = nll_forward,
    .vjp = nll_vjp,
    .accumulate = nll_accumulate,
    .cost = class_cost,
    .onnx = nll_onnx,
};

/* int32 targets as int64. */
static reel_var widen(reel_tape *tape, const reel_op *op, reel_var target)
{
    const struct reel_node *narrow = reel_tape_node(tape, target, op->name);
    if (!narrow || narrow->array.dtype != REEL_INT32)
        return target;
    reel_var wide;
    const struct reel_node *node = reel_tape_add_array(tape, REEL_INT64, &narrow->array.shape, op->name, &wide);
    for (int64_t i = 0; node && i < node->array.numel; i++)
        ((int64_t *)node->array.data)[i] = ((const int32_t *)narrow->array.data)[i];
    return wide;
}

static reel_var apply_classes(reel_tape *tape, const reel_op *plain, const reel_op *weighted, reel_var x,
                              reel_var target, reel_var weight, const struct class_attributes *a)
{
    const reel_var inputs[] = {x, widen(tape, plain, target), weight};
    return reel_is_null(weight) ? reel_apply1(tape, plain, inputs, 2, a) : reel_apply1(tape, weighted, inputs, 3, a);
}

reel_nll_loss_options reel_nll_loss_defaults(void)
{
    return (reel_nll_loss_options){
        .mark = REEL_OPTIONS_MARK(reel_nll_loss_options), .reduction = REEL_MEAN, .ignore_index = -100};
}

reel_var reel_nll_loss_with(reel_tape *tape, reel_var x, reel_var target, const reel_nll_loss_options *options)
{
    reel_nll_loss_options o = reel_nll_loss_defaults();
    if (options && reel_options_take(reel_tape_context(tape), "nll_loss", options, &o) != REEL_OK)
        return reel_null();
    const struct class_attributes a = {o.reduction, o.ignore_index, 0};
    return apply_classes(tape, &nll_op, &weighted_nll_op, x, target, o.weight, &a);
}

reel_var reel_nll_loss(reel_tape *tape, reel_var x, reel_var target)
{
    return reel_nll_loss_with(tape, x, target, NULL);
}
#else
static const reel_sample nll_samples[] = {CLASS_GOOD(NO_WEIGHT), CLASS_REFUSED(NO_WEIGHT)};

static const reel_sample weighted_nll_samples[] = {CLASS_GOOD(WEIGHT), CLASS_REFUSED(WEIGHT), WEIGHT_REFUSED};
SAMPLES(nll, nll_samples);
SAMPLES(weighted_nll, weighted_nll_samples);
#endif

/* ---- cross_entropy_loss ---- */

#ifndef REEL_SAMPLES
static reel_status cross_entropy_shape(reel_call *call)
{
    return class_shape(call) == REEL_OK ? save(call, true) : call->context->status;
}

static reel_status cross_entropy_forward(reel_call *call)
{
    return class_forward(call, true);
}

static void cross_entropy_vjp(const reel_call *call, const reel_var *grad_outputs, reel_var *grad_inputs)
{
    reel_tape *t = call->tape;
    int axis = class_axis(call);
    reel_var q = target_distribution(call), x = where_it_counts(call, false, call->inputs[0]);
    reel_var p = reel_mul(t, reel_softmax(t, x, axis), reel_sum(t, q, &axis, 1, true));
    reel_var product = reel_mul(t, reel_sub(t, p, q), gradient_of_each(call, grad_outputs[0]));
    grad_inputs[0] = where_it_counts(call, false, product);
}

static reel_status cross_entropy_accumulate(const reel_call *call, const reel_gradient *grad_outputs,
                                            reel_sink *const *sinks)
{
    return class_accumulate(call, &grad_outputs[0], sinks[0], true);
}

static reel_status cross_entropy_onnx(const reel_call *call, reel_onnx *to)
{
    reel_onnx_set_int(to, "axis", class_axis(call));
    return class_onnx(call, to, REEL_ONNX_NODE(to, "LogSoftmax", reel_onnx_input(to, 0)));
}

static const reel_op cross_entropy_op = {
    .name = "cross_entropy_loss",
    .n_inputs = 2,
    .n_outputs = 1,
    .differentiable = 1,
    .reads_inputs = 3,
    .attributes_size = sizeof(struct class_attributes),
    .shape = cross_entropy_shape,
    .forward = cross_entropy_forward,
    .vjp = cross_entropy_vjp,
    .accumulate = cross_entropy_accumulate,
    .cost = class_cost,
    .onnx = cross_entropy_onnx,
};
static const reel_op weighted_cross_entropy_op = {
    .name = "weighted_cross_entropy_loss",
    .n_inputs = 3,
    .n_outputs = 1,
    .differentiable = 1,
    .reads_inputs = 7,
    .attributes_size = sizeof(struct class_attributes),
    .shape = cross_entropy_shape,
    .forward = cross_entropy_forward,
    .vjp = cross_entropy_vjp,
    .accumulate = cross_entropy_accumulate,
    .cost = class_cost,
    .onnx = cross_entropy_onnx,
};

reel_cross_entropy_loss_options reel_cross_entropy_loss_defaults(void)
{
    return (reel_cross_entropy_loss_options){
        .mark = REEL_OPTIONS_MARK(reel_cross_entropy_loss_options), .reduction = REEL_MEAN, .ignore_index = -100};
}

/* The loss with a probability for each class as the target. Its mean is one over samples, whatever the weights. */
static reel_var of_probabilities(reel_tape *tape, reel_var x, reel_var target, const reel_cross_entropy_loss_options *o)
{
    static const char *const who = "cross_entropy_loss";
    reel_context *c = reel_tape_context(tape);
    if (!reel_loss_shapes_match(tape, who, x, target))
        return reel_null();
    reel_shape shape = reel_shape_of(tape, x), along = {.ndim = shape.ndim};
    const int axis = shape.ndim > 1;
    if (shape.ndim == 0)
        reel_fail(c, REEL_ERROR_SHAPE, "%s: x is a scalar, it must be [N, C], [C] or [N, C, d1, ...]", who);
    else if (o->ignore_index >= 0)
        reel_fail(c, REEL_ERROR_ARGUMENT, "%s: an ignore_index needs a target of classes, not of probabilities", who);
    else if (!(o->label_smoothing >= 0 && o->label_smoothing <= 1))
        reel_fail(c, REEL_ERROR_ARGUMENT, "%s: label_smoothing is %g, it must be in 0..1", who, o->label_smoothing);
    if (reel_context_status(c) != REEL_OK)
        return reel_null();
    if (o->label_smoothing > 0) {
        target = reel_mul_scalar(tape, target, 1 - o->label_smoothing);
        target = reel_add_scalar(tape, target, o->label_smoothing / (double)shape.dim[axis]);
    }
    if (!reel_is_null(o->weight)) {
        for (int i = 0; i < shape.ndim; i++)
            along.dim[i] = i == axis ? shape.dim[axis] : 1;
        target = reel_mul(tape, target, reel_reshape(tape, reel_detach(tape, o->weight), along));
    }
    reel_var losses = reel_mul(tape, target, reel_log_softmax(tape, x, axis));
    losses = reel_neg(tape, reel_sum(tape, losses, REEL_AXES(axis), false));
    return reel_loss_reduce(tape, who, losses, o->reduction);
}

reel_var reel_cross_entropy_loss_with(reel_tape *tape, reel_var x, reel_var target,
                                      const reel_cross_entropy_loss_options *options)
{
    reel_cross_entropy_loss_options o = reel_cross_entropy_loss_defaults();
    if (options && reel_options_take(reel_tape_context(tape), "cross_entropy_loss", options, &o) != REEL_OK)
        return reel_null();
    if (tape && reel_dtype_of(tape, target) == REEL_REAL && reel_context_status(reel_tape_context(tape)) == REEL_OK)
        return of_probabilities(tape, x, target, &o);
    const struct class_attributes a = {o.reduction, o.ignore_index, o.label_smoothing};
    return apply_classes(tape, &cross_entropy_op, &weighted_cross_entropy_op, x, target, o.weight, &a);
}

reel_var reel_cross_entropy_loss(reel_tape *tape, reel_var x, reel_var target)
{
    return reel_cross_entropy_loss_with(tape, x, target, NULL);
}
#else
static const reel_sample cross_entropy_samples[] = {CLASS_GOOD(NO_WEIGHT), CROSS_ENTROPY_GOOD(NO_WEIGHT),
                                                    CLASS_REFUSED(NO_WEIGHT), CROSS_ENTROPY_REFUSED(NO_WEIGHT)};

static const reel_sample weighted_cross_entropy_samples[] = {CLASS_GOOD(WEIGHT), CROSS_ENTROPY_GOOD(WEIGHT),
                                                             CLASS_REFUSED(WEIGHT), CROSS_ENTROPY_REFUSED(WEIGHT),
                                                             WEIGHT_REFUSED};
SAMPLES(cross_entropy, cross_entropy_samples);
SAMPLES(weighted_cross_entropy, weighted_cross_entropy_samples);
#endif

REEL_OP_FAMILY(cross_entropy, ROW(nll), ROW(weighted_nll), ROW(cross_entropy), ROW(weighted_cross_entropy));
