/* Variance, norms and logsumexp over any set of axes. */
#include "base/checked.h"
#include "kern/functions.h"
#include "kern/reduce.h"
#include "ops/axes.h"
#include "ops/pointwise.h"

#include <reel/compare.h>
#include <reel/elementwise.h>
#include <reel/reduce.h>
#include <reel/unary.h>

/* ---- variance ---- */

struct variance_attributes {
    struct reel_axes axes;
    double correction;
};

#ifndef REEL_SAMPLES
static reel_status variance_shape(reel_call *call)
{
    const struct variance_attributes *a = call->attributes;
    if (reel_axes_check(call, &a->axes) != REEL_OK)
        return call->context->status;
    if (a->correction != a->correction)
        return reel_fail(call->context, REEL_ERROR_ARGUMENT, "variance: the correction is NaN");
    size_t size;
    if (!reel_multiply_size(reel_shape_numel(&call->out[0]->shape), sizeof(reel_real), &size))
        return reel_fail(call->context, REEL_ERROR_SHAPE, "variance: the result has too many elements");
    call->saved_size = size; /* the means */
    return REEL_OK;
}

static double degrees_of_freedom(const reel_call *call)
{
    const struct variance_attributes *a = call->attributes;
    const reel_shape *shape = &call->in[0]->shape;
    double degrees = reel_axes_count(shape, reel_axes_mask(&a->axes, shape->ndim)) - a->correction;
    return degrees > 0 ? degrees : 0;
}

/* Whether a sum of powers has lost what it was the sum of: terms overflow, or are subnormal. */
static bool in_doubt(reel_real sum)
{
    return !(sum >= REEL_REAL_MIN / REEL_EPSILON && sum <= REEL_REAL_MAX);
}

static bool any_in_doubt(int64_t n, const reel_real *sums)
{
    for (int64_t i = 0; i < n; i++)
        if (in_doubt(sums[i]))
            return true;
    return false;
}

/* The largest |x| of each result (or the smallest) to divide by: 1 where that would not do. */
static void find_scales(const reel_shape *shape, unsigned reduced, enum reel_kern_combine combine, const reel_real *x,
                        int64_t results, reel_real *scales, int threads)
{
    const struct reel_kern_reduction r = {.combine = combine, .map = reel_kern_map_abs, .divisor = 1};
    reel_kern_reduce(shape, reduced, x, &r, scales, threads);
    for (int64_t i = 0; i < results; i++)
        if (!(scales[i] > 0 && scales[i] <= REEL_REAL_MAX))
            scales[i] = 1;
}

/* Means and variances that sums in reel_real lost, once more: distances from the mean are divided by the largest. */
static reel_status rescaled_variance(const reel_call *call, unsigned reduced, reel_real *means)
{
    const reel_array *x = call->in[0], *out = call->out[0];
    const reel_shape *shape = &x->shape;
    int threads = reel_get_num_threads(call->context);
    reel_real *scales = reel_call_temporary(call, (size_t)out->numel * sizeof *scales);
    reel_real *sums = reel_call_temporary(call, (size_t)out->numel * sizeof *sums);
    reel_real *distances = reel_call_temporary(call, (size_t)x->numel * sizeof *distances);
    if (!scales || !sums || !distances)
        return call->context->status;
    reel_real *variances = out->data;
    const reel_real *values = x->data;
    find_scales(shape, reduced, REEL_KERN_MAX, values, out->numel, scales, threads);
    const struct reel_kern_reduction mean = {.combine = REEL_KERN_SUM,
                                             .map = reel_kern_map_ratio,
                                             .center = scales,
                                             .divisor = reel_axes_count(shape, reduced)};
    reel_kern_reduce(shape, reduced, values, &mean, sums, threads);
    for (int64_t i = 0; i < out->numel; i++)
        if (in_doubt(variances[i]))
            means[i] = sums[i] * scales[i];
    reel_kern_spread(shape, reduced, means, -1, distances, false, threads);
    for (int64_t i = 0; i < x->numel; i++)
        distances[i] += values[i];
    find_scales(shape, reduced, REEL_KERN_MAX, distances, out->numel, scales, threads);
    const struct reel_kern_reduction squares = {.combine = REEL_KERN_SUM,
                                                .map = reel_kern_map_squared_ratio,
                                                .center = scales,
                                                .divisor = degrees_of_freedom(call)};
    reel_kern_reduce(shape, reduced, distances, &squares, sums, threads);
    for (int64_t i = 0; i < out->numel; i++)
        if (in_doubt(variances[i]))
            variances[i] = sums[i] * scales[i] * scales[i];
    return REEL_OK;
}

static reel_status variance_forward(reel_call *call)
{
    const struct variance_attributes *a = call->attributes;
    const reel_array *x = call->in[0], *out = call->out[0];
    unsigned reduced = reel_axes_mask(&a->axes, x->shape.ndim);
    int threads = reel_get_num_threads(call->context);
    const struct reel_kern_reduction mean = {.combine = REEL_KERN_SUM, .divisor = reel_axes_count(&x->shape, reduced)};
    const struct reel_kern_reduction deviations = {.combine = REEL_KERN_SUM,
                                                   .map = reel_kern_map_squared_deviation,
                                                   .center = call->saved,
                                                   .divisor = degrees_of_freedom(call)};
    reel_kern_reduce(&x->shape, reduced, x->data, &mean, call->saved, threads);
    reel_kern_reduce(&x->shape, reduced, x->data, &deviations, out->data, threads);
    if (x->numel > 0 && any_in_doubt(out->numel, out->data))
        return rescaled_variance(call, reduced, call->saved);
    return REEL_OK;
}

static void variance_vjp(const reel_call *call, const reel_var *grad_outputs, reel_var *grad_inputs)
{
    const struct variance_attributes *a = call->attributes;
    reel_tape *t = call->tape;
    reel_var mean = reel_mean(t, call->inputs[0], a->axes.axes, a->axes.n, true);
    reel_var grad = reel_mul_scalar(t, reel_axes_keep(call, &a->axes, grad_outputs[0]), 2 / degrees_of_freedom(call));
    grad_inputs[0] = reel_mul(t, reel_sub(t, call->inputs[0], mean), grad);
}

static reel_status variance_onnx(const reel_call *call, reel_onnx *to)
{
    const struct variance_attributes *a = call->attributes;
    reel_onnx_value x = reel_onnx_input(to, 0), zero = reel_onnx_number(to, REEL_REAL, 0);
    reel_onnx_value distance = REEL_ONNX_NODE(to, "Sub", x, reel_axes_onnx(call, to, &a->axes, "ReduceMean", x, true));
    reel_onnx_value square = REEL_ONNX_NODE(to, "Mul", distance, distance);
    reel_onnx_value sum = reel_axes_onnx(call, to, &a->axes, "ReduceSum", square, a->axes.keepdim);
    reel_onnx_value correction = reel_onnx_number(to, REEL_REAL, a->correction);
    reel_onnx_value degrees = REEL_ONNX_NODE(to, "Sub", reel_axes_count_onnx(call, to, &a->axes), correction);
    return reel_onnx_set_output(to, 0, REEL_ONNX_NODE(to, "Div", sum, REEL_ONNX_NODE(to, "Max", degrees, zero)));
}

static const reel_op variance_op = {
    .name = "variance",
    .n_inputs = 1,
    .n_outputs = 1,
    .differentiable = 1,
    .reads_inputs = 1,
    .attributes_size = sizeof(struct variance_attributes),
    .shape = variance_shape,
    .forward = variance_forward,
    .vjp = variance_vjp,
    .cost = reel_axes_cost,
    .onnx = variance_onnx,
};

reel_var reel_variance(reel_tape *tape, reel_var x, const int *axes, int n, double correction, bool keepdim)
{
    struct variance_attributes a = {reel_axes_of(axes, n, keepdim), correction};
    return reel_apply1(tape, &variance_op, &x, 1, &a);
}
#else
WITH_AXES(variance_attributes, sample_variance, 1);
WITH_AXES(variance_attributes, mean_deviation, 0);
static const struct variance_attributes variance_twice = {{2, {1, -1}, false}, 1}, variance_nan = {ALL, NAN},
                                        variance_half = {LAST, 1.5};
static const reel_sample variance_samples[] = {
    AXES_GOOD(sample_variance, REAL),
    AXES_GOOD(mean_deviation, REAL),
    AXES_SINGLE(mean_deviation, REAL),
    GOOD("another correction", &variance_half, REAL(3, 5)),
    GOOD("far from 0", &sample_variance_last, WITHIN(9999, 10000, 2, 5)),
    REFUSED("an axis twice", REEL_ERROR_ARGUMENT, &variance_twice, REAL(2, 3)),
    REFUSED("a correction of NaN", REEL_ERROR_ARGUMENT, &variance_nan, REAL(2, 3)),
    REFUSED("not real", REEL_ERROR_DTYPE, &sample_variance_all, INDEX(3, 2, 3)),
};
SAMPLES(variance, variance_samples, .ulps = 2048, .why = "far from 0 the mean has few digits left");
#endif

/* ---- norm ---- */

struct norm_attributes {
    struct reel_axes axes;
    double p;
};

#ifndef REEL_SAMPLES
static reel_status norm_shape(reel_call *call)
{
    const struct norm_attributes *a = call->attributes;
    if (reel_axes_check(call, &a->axes) != REEL_OK)
        return call->context->status;
    if (a->p != a->p)
        return reel_fail(call->context, REEL_ERROR_ARGUMENT, "norm: p is NaN");
    if (a->p < 0 || a->p == INFINITY)
        return reel_axes_refuse_empty(call, reel_axes_mask(&a->axes, call->in[0]->shape.ndim));
    return REEL_OK;
}

static reel_status norm_forward(reel_call *call)
{
    const struct norm_attributes *a = call->attributes;
    const reel_array *x = call->in[0], *out = call->out[0];
    double p = a->p;
    struct reel_kern_reduction r = {
        .combine = REEL_KERN_SUM, .map = reel_kern_map_power, .parameter = (reel_real)p, .divisor = 1};
    if (p == INFINITY || p == -INFINITY) {
        r.combine = p > 0 ? REEL_KERN_MAX : REEL_KERN_MIN;
        r.map = reel_kern_map_abs;
    } else if (p == 0) {
        r.map = reel_kern_map_nonzero;
    } else if (p == 1) {
        r.map = reel_kern_map_abs;
    } else if (p == 2) {
        r.map = reel_kern_map_square;
    }
    unsigned reduced = reel_axes_mask(&a->axes, x->shape.ndim);
    int threads = reel_get_num_threads(call->context);
    reel_kern_reduce(&x->shape, reduced, x->data, &r, out->data, threads);
    reel_real *values = out->data, *scales = NULL;
    if (r.map != reel_kern_map_square && r.map != reel_kern_map_power)
        return REEL_OK;
    if (x->numel > 0 && any_in_doubt(out->numel, values)) {
        if (!(scales = reel_call_temporary(call, (size_t)out->numel * sizeof *scales)))
            return call->context->status;
        find_scales(&x->shape, reduced, p > 0 ? REEL_KERN_MAX : REEL_KERN_MIN, x->data, out->numel, scales, threads);
        for (int64_t i = 0; i < out->numel; i++)
            scales[i] = in_doubt(values[i]) ? scales[i] : 1;
        r.map = r.map == reel_kern_map_square ? reel_kern_map_squared_ratio : reel_kern_map_power_ratio;
        r.center = scales;
        reel_kern_reduce(&x->shape, reduced, x->data, &r, values, threads);
    }
    for (int64_t i = 0; i < out->numel; i++) {
        values[i] = p == 2 ? REEL_SQRT(values[i]) : REEL_POW(values[i], (reel_real)(1 / p));
        if (scales)
            values[i] *= scales[i];
    }
    return REEL_OK;
}

/* v, with 1 in the place of 0: something to divide by. */
static reel_var without_zeros(reel_tape *t, reel_var v)
{
    return reel_add(t, v, reel_to_real(t, reel_eq_scalar(t, v, 0)));
}

static void norm_vjp(const reel_call *call, const reel_var *grad_outputs, reel_var *grad_inputs)
{
    const struct norm_attributes *a = call->attributes;
    reel_tape *t = call->tape;
    reel_var x = call->inputs[0];
    if (a->p == 0)
        return;
    if (a->p == INFINITY || a->p == -INFINITY) {
        reel_var share = reel_share_among_equals(call, &a->axes, reel_abs(t, x), call->outputs[0], grad_outputs[0]);
        grad_inputs[0] = reel_mul(t, reel_sign(t, x), share);
        return;
    }
    reel_var grad = reel_axes_keep(call, &a->axes, grad_outputs[0]);
    if (a->p == 1) {
        grad_inputs[0] = reel_mul(t, reel_sign(t, x), grad);
        return;
    }
    /* sign(x) (|x| / norm)^(p - 1), whose powers do not overflow; 0 where the norm is. */
    reel_var norm = reel_axes_keep(call, &a->axes, call->outputs[0]);
    grad = reel_mul(t, grad, reel_to_real(t, reel_ne_scalar(t, norm, 0)));
    norm = without_zeros(t, norm);
    if (a->p == 2) {
        grad_inputs[0] = reel_mul(t, reel_div(t, x, norm), grad);
        return;
    }
    reel_var ratio = reel_div(t, without_zeros(t, reel_abs(t, x)), norm);
    grad_inputs[0] = reel_mul(t, reel_mul(t, reel_sign(t, x), reel_pow_scalar(t, ratio, a->p - 1)), grad);
}

static reel_status norm_onnx(const reel_call *call, reel_onnx *to)
{
    const struct norm_attributes *a = call->attributes;
    double p = a->p;
    const char *node = p == 2 ? "ReduceL2" : p == INFINITY ? "ReduceMax" : p == -INFINITY ? "ReduceMin" : "ReduceSum";
    reel_onnx_value x = reel_onnx_input(to, 0);
    if (p != 2)
        x = REEL_ONNX_NODE(to, "Abs", x);
    if (p == 0)
        x = REEL_ONNX_NODE(to, "Sign", x);
    bool is_power = p != 0 && p != 1 && p != 2 && fabs(p) != INFINITY;
    if (is_power)
        x = REEL_ONNX_NODE(to, "Pow", x, reel_onnx_number(to, REEL_REAL, p));
    x = reel_axes_onnx(call, to, &a->axes, node, x, a->axes.keepdim);
    if (is_power)
        x = REEL_ONNX_NODE(to, "Pow", x, reel_onnx_number(to, REEL_REAL, 1 / p));
    return reel_onnx_set_output(to, 0, x);
}

static const reel_op norm_op = {
    .name = "norm",
    .n_inputs = 1,
    .n_outputs = 1,
    .differentiable = 1,
    .reads_inputs = 1,
    .attributes_size = sizeof(struct norm_attributes),
    .shape = norm_shape,
    .forward = norm_forward,
    .vjp = norm_vjp,
    .cost = reel_axes_cost,
    .onnx = norm_onnx,
};

reel_var reel_norm(reel_tape *tape, reel_var x, double p, const int *axes, int n, bool keepdim)
{
    struct norm_attributes a = {reel_axes_of(axes, n, keepdim), p};
    return reel_apply1(tape, &norm_op, &x, 1, &a);
}

/* In public operations, since nothing is gained by a row of its own: x is read by the norm and by the product, and the
 * rest has an element a slice. */
reel_var reel_renorm(reel_tape *tape, reel_var x, double p, int axis, double maxnorm)
{
    static const reel_real one = 1;
    reel_context *c = reel_tape_context(tape);
    reel_shape shape = reel_shape_of(tape, x);
    if (shape.ndim < 0)
        return reel_null();
    if (shape.ndim < 2)
        reel_fail(c, REEL_ERROR_SHAPE, "renorm: x has %d axes, it needs two", shape.ndim);
    else if (!(p >= 0 && maxnorm >= 0))
        reel_fail(c, REEL_ERROR_ARGUMENT, "renorm: p %g or maxnorm %g is negative or not a number", p, maxnorm);
    else
        reel_normalize_axis(c, "renorm", shape.ndim, &axis);
    if (c->status != REEL_OK)
        return reel_null();
    int others[REEL_MAX_NDIM], n = 0;
    for (int i = 0; i < shape.ndim; i++)
        if (i != axis)
            others[n++] = i;
    if (p == INFINITY && reel_shape_numel(&shape) == 0 && reel_dtype_of(tape, x) == REEL_REAL)
        return x; /* nothing has no largest element */
    reel_var norm = reel_norm(tape, x, p, others, n, true);
    reel_var scale = reel_rdiv_scalar(tape, reel_add_scalar(tape, norm, 1e-7), maxnorm);
    scale = reel_where(tape, reel_gt_scalar(tape, norm, maxnorm), scale, reel_constant(tape, &one));
    return reel_mul(tape, x, scale);
}
#else
WITH_AXES(norm_attributes, norm_2, 2);
WITH_AXES(norm_attributes, norm_1, 1);
static const struct norm_attributes norm_0 = {LAST, 0}, norm_half = {LAST, 0.5}, norm_1_5 = {FIRST, 1.5},
                                    norm_3 = {OUTER, 3}, norm_4 = {LAST_KEPT, 4}, norm_minus_1 = {LAST, -1},
                                    norm_minus_2 = {ALL, -2}, norm_largest = {LAST, INFINITY},
                                    norm_largest_of_all = {ALL, INFINITY}, norm_smallest = {FIRST_KEPT, -INFINITY},
                                    norm_nan = {ALL, NAN}, norm_twice = {{2, {1, -1}, false}, 2};
static const reel_sample norm_samples[] = {
    AXES_GOOD(norm_2, DISTINCT),
    AXES_SINGLE(norm_2, DISTINCT),
    AXES_GOOD(norm_1, DISTINCT),
    GOOD("p 0", &norm_0, DISTINCT(3, 4)),
    GOOD("p 0.5", &norm_half, WITHIN(0.2, 2, 3, 4)),
    GOOD("p 0.5 of negative elements", &norm_half, WITHIN(-2, -0.2, 3, 4)),
    GOOD("p 1.5", &norm_1_5, APART(0.1, 3, 4)),
    GOOD("p 3", &norm_3, APART(0.05, 3, 2, 4)),
    GOOD("p 4", &norm_4, DISTINCT(3, 4)),
    GOOD("p -1", &norm_minus_1, APART(0.1, 3, 4)),
    GOOD("p -2", &norm_minus_2, WITHIN(0.5, 2, 3, 4)),
    GOOD("p infinity", &norm_largest, WITHIN(0.1, 2, 3, 4)),
    GOOD("p infinity of negative elements", &norm_largest_of_all, WITHIN(-2, -0.1, 3, 4)),
    GOOD("p -infinity", &norm_smallest, WITHIN(0.1, 2, 3, 4)),
    GOOD("norms of nothing", &norm_2_first, REAL(0, 3)),
    REFUSED("the largest of nothing", REEL_ERROR_SHAPE, &norm_largest, REAL(3, 0)),
    REFUSED("the smallest of nothing", REEL_ERROR_SHAPE, &norm_smallest, REAL(0, 3)),
    REFUSED("a negative p of nothing", REEL_ERROR_SHAPE, &norm_minus_1, REAL(3, 0)),
    REFUSED("p NaN", REEL_ERROR_ARGUMENT, &norm_nan, REAL(3)),
    REFUSED("an axis twice", REEL_ERROR_ARGUMENT, &norm_twice, REAL(2, 3)),
    REFUSED("not real", REEL_ERROR_DTYPE, &norm_2_all, INDEX(3, 2, 3)),
};
SAMPLES(norm, norm_samples);
#endif

/* ---- std ---- */

#ifndef REEL_SAMPLES
/* A norm of deviations, and not the root of a variance, whose slope at 0 is infinite. */
reel_var reel_std(reel_tape *tape, reel_var x, const int *axes, int n, double correction, bool keepdim)
{
    struct reel_axes a = reel_axes_of(axes, n, keepdim);
    reel_var mean = reel_mean(tape, x, axes, n, true), deviation = reel_sub(tape, x, mean);
    reel_var norm = reel_norm(tape, deviation, 2, axes, n, keepdim);
    reel_shape shape = reel_shape_of(tape, norm), of_x = reel_shape_of(tape, x);
    if (shape.ndim < 0)
        return reel_null();
    double freedom = reel_axes_count(&of_x, reel_axes_mask(&a, of_x.ndim)) - correction;
    return reel_div_scalar(tape, norm, sqrt(freedom > 0 ? freedom : 0));
}
#endif

/* ---- logsumexp ---- */

#ifndef REEL_SAMPLES
static reel_status logsumexp_shape(reel_call *call)
{
    if (reel_axes_check(call, call->attributes) != REEL_OK)
        return call->context->status;
    size_t size;
    if (!reel_multiply_size(reel_shape_numel(&call->out[0]->shape), sizeof(reel_real), &size))
        return reel_fail(call->context, REEL_ERROR_SHAPE, "logsumexp: the result has too many elements");
    call->saved_size = size; /* the maxima */
    return REEL_OK;
}

static reel_status logsumexp_forward(reel_call *call)
{
    const reel_array *x = call->in[0], *out = call->out[0];
    unsigned reduced = reel_axes_mask(call->attributes, x->shape.ndim);
    int threads = reel_get_num_threads(call->context);
    reel_real *maxima = call->saved, *values = out->data;
    const struct reel_kern_reduction max = {.combine = REEL_KERN_MAX, .divisor = 1};
    const struct reel_kern_reduction sum = {
        .combine = REEL_KERN_SUM, .map = reel_kern_map_exp, .center = maxima, .divisor = 1};
    reel_kern_reduce(&x->shape, reduced, x->data, &max, maxima, threads);
    for (int64_t i = 0; i < out->numel; i++)
        if (REEL_ABS(maxima[i]) == INFINITY)
            maxima[i] = 0; /* infinity - infinity would be NaN */
    reel_kern_reduce(&x->shape, reduced, x->data, &sum, values, threads);
    for (int64_t i = 0; i < out->numel; i++)
        values[i] = maxima[i] + REEL_LOG(values[i]);
    return REEL_OK;
}

static void logsumexp_vjp(const reel_call *call, const reel_var *grad_outputs, reel_var *grad_inputs)
{
    reel_tape *t = call->tape;
    reel_var share =
        reel_exp(t, reel_sub(t, call->inputs[0], reel_axes_keep(call, call->attributes, call->outputs[0])));
    grad_inputs[0] = reel_mul(t, share, reel_axes_keep(call, call->attributes, grad_outputs[0]));
}

static reel_status logsumexp_onnx(const reel_call *call, reel_onnx *to)
{
    const struct reel_axes *a = call->attributes;
    reel_onnx_value x = reel_onnx_input(to, 0);
    return reel_onnx_set_output(to, 0, reel_axes_onnx(call, to, a, "ReduceLogSumExp", x, a->keepdim));
}

static const reel_op logsumexp_op = {
    .name = "logsumexp",
    .n_inputs = 1,
    .n_outputs = 1,
    .differentiable = 1,
    .reads_inputs = 1,
    .attributes_size = sizeof(struct reel_axes),
    .shape = logsumexp_shape,
    .forward = logsumexp_forward,
    .vjp = logsumexp_vjp,
    .cost = reel_axes_cost,
    .onnx = logsumexp_onnx,
};

reel_var reel_logsumexp(reel_tape *tape, reel_var x, const int *axes, int n, bool keepdim)
{
    struct reel_axes a = reel_axes_of(axes, n, keepdim);
    return reel_apply1(tape, &logsumexp_op, &x, 1, &a);
}
#else
PLAIN_AXES;
static const reel_sample logsumexp_samples[] = {
    AXES_GOOD(over, REAL),
    AXES_SINGLE(over, REAL),
    GOOD("large values", &over_last, WITHIN(998, 1002, 3, 4)),
    GOOD("values far below 0", &over_first, WITHIN(-1002, -998, 3, 4)),
    GOOD("of nothing", &over_first, REAL(0, 3)),
    AXES_REFUSED,
};
SAMPLES(logsumexp, logsumexp_samples, .ulps = 64, .why = "x - y has few digits left where both are large");
#endif

REEL_OP_FAMILY(statistics, ROW(variance), ROW(norm), ROW(logsumexp));
