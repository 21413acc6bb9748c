/* Normalisation: of batches, of rows, by the root mean square, of groups of channels. */
#include "base/checked.h"
#include "core/sink.h"
#include "core/tape.h"
#include "kern/copy.h"
#include "kern/normalize.h"
#include "kern/real.h"
#include "ops/family.h"

#include <reel/elementwise.h>
#include <reel/join.h>
#include <reel/normalize.h>
#include <reel/reduce.h>
#include <reel/unary.h>
#include <reel/view.h>

#include <math.h>

struct eps_attributes {
    double eps;
};

#ifndef REEL_SAMPLES
static reel_status rms_norm_shape(reel_call *call);

/* Whether the row has weight and bias. */
static bool is_affine(const reel_call *call)
{
    return call->n_inputs == 3;
}

/* Whether the row subtracts no mean. */
static bool is_rms(const reel_call *call)
{
    return call->op->shape == rms_norm_shape;
}

static reel_status expect_inputs(reel_call *call)
{
    static const char *const names[] = {"x", "weight", "bias"};
    const struct eps_attributes *a = call->attributes;
    for (int k = 0; k < call->n_inputs; k++)
        if (reel_expect_real(call, k, names[k]) != REEL_OK)
            return call->context->status;
    if (!(a->eps >= 0))
        return reel_fail(call->context, REEL_ERROR_ARGUMENT, "%s: eps %g is negative", call->op->name, a->eps);
    return REEL_OK;
}

/* Adds `n` values that a kernel left in a temporary. */
static reel_status add_to_sink(reel_sink *sink, const reel_real *values)
{
    return sink ? reel_sink_add(sink, values) : REEL_OK;
}

/* ---- batch_norm ---- */

/* What a normalisation is in public operations, from x on, so that it can be differentiated again. */
struct normalized {
    reel_var distance, rstd, xhat; /* x - mean, 1 / sqrt(variance + eps), and their product */
    bool centred;                  /* false: the mean is 0, whatever x is */
};

static struct reel_norm_sizes batch_norm_sizes(const reel_shape *x)
{
    struct reel_norm_sizes s = {x->dim[0], x->dim[1], 1};
    for (int i = 2; i < x->ndim; i++)
        s.length *= x->dim[i];
    return s;
}

/* The shape of a value for each channel against x. */
static reel_shape channel_row(const reel_shape *x)
{
    reel_shape row = {.ndim = x->ndim};
    for (int i = 0; i < x->ndim; i++)
        row.dim[i] = i == 1 ? x->dim[1] : 1;
    return row;
}

static reel_status batch_norm_shape(reel_call *call)
{
    const reel_shape *x = &call->in[0]->shape;
    char text[REEL_SHAPE_TEXT], other[REEL_SHAPE_TEXT];
    if (expect_inputs(call) != REEL_OK)
        return call->context->status;
    if (x->ndim < 2)
        return reel_fail(call->context, REEL_ERROR_SHAPE,
                         "batch_norm: x is %s, it must be [batch, channels] or [batch, channels, ...]",
                         reel_shape_text(x, text));
    struct reel_norm_sizes s = batch_norm_sizes(x);
    if (s.channels > 0 && s.batch <= 1 && s.length <= 1)
        return reel_fail(call->context, REEL_ERROR_SHAPE,
                         "batch_norm: x is %s, training needs more than 1 value per channel", reel_shape_text(x, text));
    if (s.channels > 0 && (s.batch == 0 || s.length == 0))
        return reel_fail(call->context, REEL_ERROR_SHAPE, "batch_norm: x is %s, it has no values",
                         reel_shape_text(x, text));
    for (int k = 1; k < call->n_inputs; k++)
        if (call->in[k]->shape.ndim != 1 || call->in[k]->shape.dim[0] != s.channels)
            return reel_fail(call->context, REEL_ERROR_SHAPE, "batch_norm: %s is %s, x %s has %lld channels",
                             k == 1 ? "weight" : "bias", reel_shape_text(&call->in[k]->shape, other),
                             reel_shape_text(x, text), (long long)s.channels);
    call->out[0]->shape = *x;
    call->out[1]->shape = call->out[2]->shape = reel_shape_make(1, &s.channels);
    for (int i = 0; i < 3; i++)
        call->out[i]->dtype = REEL_REAL;
    call->saved_size = (size_t)s.channels * sizeof(reel_real);
    return REEL_OK;
}

static const reel_real *values_of(const reel_call *call, int k)
{
    return k < call->n_inputs ? call->in[k]->data : NULL;
}

/* saved: 1 / sqrt(variance + eps). */
static struct reel_batch_norm batch_norm_of(const reel_call *call)
{
    const struct eps_attributes *a = call->attributes;
    return (struct reel_batch_norm){.sizes = batch_norm_sizes(&call->in[0]->shape),
                                    .x = call->in[0]->data,
                                    .weight = values_of(call, 1),
                                    .bias = values_of(call, 2),
                                    .eps = a->eps,
                                    .mean = call->out[1]->data,
                                    .variance = call->out[2]->data,
                                    .rstd = call->saved};
}

static reel_status batch_norm_forward(reel_call *call)
{
    const struct reel_batch_norm norm = batch_norm_of(call);
    if (call->in[0]->numel > 0)
        reel_kern_batch_norm(&norm, call->out[0]->data, reel_get_num_threads(call->context));
    return REEL_OK;
}

static bool is_extreme(reel_real rstd)
{
    const double limit = sizeof(reel_real) == sizeof(float) ? 1e9 : 1e75;
    return (double)rstd > limit || (rstd > 0 && (double)rstd < 1 / limit);
}

/* Where squares of distances would not be numbers: factors for the distances of each mean, so that they are, and eps
 * times their squares. *scales is the null var where no rstd is extreme. */
static void scale_extremes(reel_tape *t, const reel_real *rstd, const reel_shape *row, double eps, reel_var *scales,
                           reel_var *scaled_eps)
{
    int64_t n = reel_shape_numel(row), first = 0;
    *scales = *scaled_eps = reel_null();
    while (first < n && !is_extreme(rstd[first]))
        first++;
    if (first == n)
        return;
    struct reel_node *factors = reel_tape_add_array(t, REEL_REAL, row, "a normalisation", scales);
    struct reel_node *epsilons = reel_tape_add_array(t, REEL_REAL, row, "a normalisation", scaled_eps);
    for (int64_t i = 0; factors && epsilons && i < n; i++) {
        double factor = is_extreme(rstd[i]) ? (double)rstd[i] : 1;
        ((reel_real *)factors->array.data)[i] = (reel_real)factor;
        ((reel_real *)epsilons->array.data)[i] = (reel_real)(eps * factor * factor);
    }
}

/* x less the means that forward found, as the kernels take it; the derivative of the mean goes through one of its own,
 * of which only that is left. `row` is the shape of mean and rstd against x. mean NULL: none is subtracted. */
static struct normalized normalize(reel_tape *t, reel_var x, const int *axes, int n, double eps, const reel_real *mean,
                                   const reel_real *rstd, reel_shape row)
{
    struct normalized v = {.distance = x, .centred = mean != NULL};
    reel_var scales, scaled_eps;
    scale_extremes(t, rstd, &row, eps, &scales, &scaled_eps);
    if (mean) {
        reel_var moved = reel_sub(t, x, reel_tape_wrap(t, mean, REEL_REAL, &row));
        reel_var own_mean = reel_mean(t, moved, axes, n, true);
        v.distance = reel_sub(t, moved, reel_sub(t, own_mean, reel_detach(t, own_mean)));
    }
    reel_var scaled = reel_is_null(scales) ? v.distance : reel_mul(t, v.distance, scales);
    reel_var variance = reel_mean(t, reel_square(t, scaled), axes, n, true);
    if (reel_is_null(scales))
        v.rstd = reel_rsqrt(t, reel_add_scalar(t, variance, eps));
    else
        v.rstd = reel_mul(t, reel_rsqrt(t, reel_add(t, variance, scaled_eps)), scales);
    v.xhat = reel_mul(t, v.distance, v.rstd);
    return v;
}

/* The gradient of x for the gradient g of xhat: rstd (g - mean(g) - xhat mean(g xhat)), where a mean is subtracted. */
static reel_var normalize_vjp(reel_tape *t, struct normalized v, reel_var g, const int *axes, int n)
{
    reel_var product = reel_mean(t, reel_mul(t, g, v.xhat), axes, n, true);
    if (v.centred)
        g = reel_sub(t, g, reel_mean(t, g, axes, n, true));
    reel_var rest = reel_sub(t, g, reel_mul(t, v.xhat, product));
    return reel_mul(t, rest, v.rstd);
}

/* a + b where either may be the null var for zero. */
static reel_var add_or(reel_tape *t, reel_var a, reel_var b)
{
    return reel_is_null(a) ? b : reel_is_null(b) ? a : reel_add(t, a, b);
}

static void batch_norm_vjp(const reel_call *call, const reel_var *grad_outputs, reel_var *grad_inputs)
{
    const struct eps_attributes *a = call->attributes;
    reel_tape *t = call->tape;
    const int axes[] = {0, 2, 3, 4, 5, 6, 7};
    int n = call->in[0]->shape.ndim - 1;
    struct reel_norm_sizes s = batch_norm_sizes(&call->in[0]->shape);
    reel_shape row = channel_row(&call->in[0]->shape);
    reel_var g = grad_outputs[0], total = reel_null();
    struct normalized v = normalize(t, call->inputs[0], axes, n, a->eps, call->out[1]->data, call->saved, row);
    if (!reel_is_null(g)) {
        if (is_affine(call) && call->needed[1])
            grad_inputs[1] = reel_sum(t, reel_mul(t, g, v.xhat), axes, n, false);
        if (is_affine(call) && call->needed[2])
            grad_inputs[2] = reel_sum(t, g, axes, n, false);
        if (!call->needed[0])
            return;
        if (is_affine(call))
            g = reel_mul(t, g, reel_reshape(t, call->inputs[1], row));
        total = normalize_vjp(t, v, g, axes, n);
    }
    if (!call->needed[0])
        return;
    double count = (double)s.batch * (double)s.length;
    if (!reel_is_null(grad_outputs[1])) {
        reel_var mean = reel_mul_scalar(t, reel_reshape(t, grad_outputs[1], row), 1 / count);
        total = add_or(t, total, reel_expand(t, mean, call->in[0]->shape));
    }
    if (!reel_is_null(grad_outputs[2])) {
        reel_var variance = reel_mul_scalar(t, reel_reshape(t, grad_outputs[2], row), 2 / count);
        total = add_or(t, total, reel_mul(t, v.distance, variance));
    }
    grad_inputs[0] = total;
}

static reel_status batch_norm_accumulate(const reel_call *call, const reel_gradient *grad_outputs,
                                         reel_sink *const *sinks)
{
    struct reel_norm_sizes s = batch_norm_sizes(&call->in[0]->shape);
    const reel_real *grads[3];
    for (int i = 0; i < 3; i++) {
        grads[i] = reel_gradient_contiguous(call, &grad_outputs[i]);
        if (!grads[i] && grad_outputs[i].data)
            return call->context->status;
    }
    size_t bytes = (size_t)s.channels * sizeof(reel_real);
    reel_real *grad_weight = reel_call_temporary(call, bytes), *grad_bias = reel_call_temporary(call, bytes);
    bool add = false;
    reel_real *target = sinks[0] ? reel_sink_target(sinks[0], &add) : NULL;
    if (!grad_weight || !grad_bias || (sinks[0] && !target))
        return call->context->status;
    if (call->in[0]->numel == 0 || (!grads[0] && !target)) /* weight and bias do not count for the statistics */
        return REEL_OK;
    const struct reel_batch_norm norm = batch_norm_of(call);
    const struct reel_batch_norm_gradients gradients = {.grad = grads[0],
                                                        .grad_mean = grads[1],
                                                        .grad_variance = grads[2],
                                                        .grad_weight = grad_weight,
                                                        .grad_bias = grad_bias,
                                                        .grad_x = target,
                                                        .add = add};
    reel_kern_batch_norm_backward(&norm, &gradients, reel_get_num_threads(call->context));
    if (is_affine(call) && grad_outputs[0].data && add_to_sink(sinks[1], grad_weight) == REEL_OK)
        add_to_sink(sinks[2], grad_bias);
    return call->context->status;
}

/* Two passes for the statistics, one that scales and shifts. */
static reel_cost norm_cost(const reel_call *call)
{
    double n = (double)call->in[0]->numel;
    return (reel_cost){8 * n, 3 * (double)sizeof(reel_real) * n};
}

static const reel_op batch_norm_op = {
    .name = "batch_norm",
    .n_inputs = 1,
    .n_outputs = 3,
    .differentiable = 1,
    .reads_inputs = 1,
    .attributes_size = sizeof(struct eps_attributes),
    .shape = batch_norm_shape,
    .forward = batch_norm_forward,
    .vjp = batch_norm_vjp,
    .accumulate = batch_norm_accumulate,
    .cost = norm_cost,
};

static const reel_op batch_norm_affine_op = {
    .name = "batch_norm_affine",
    .n_inputs = 3,
    .n_outputs = 3,
    .differentiable = 7,
    .reads_inputs = 3,
    .attributes_size = sizeof(struct eps_attributes),
    .shape = batch_norm_shape,
    .forward = batch_norm_forward,
    .vjp = batch_norm_vjp,
    .accumulate = batch_norm_accumulate,
    .cost = norm_cost,
};

/* y weight + bias where either may be missing; `row` is their shape against y. */
static reel_var scale_and_shift(reel_tape *tape, reel_var y, reel_var weight, reel_var bias, reel_shape row)
{
    if (!reel_is_null(weight))
        y = reel_mul(tape, y, reel_reshape(tape, weight, row));
    if (!reel_is_null(bias))
        y = reel_add(tape, y, reel_reshape(tape, bias, row));
    return y;
}

/* Whether v, if it is given, is [channels]; a reshape alone would also take [1, channels]. */
static bool has_channels(reel_tape *tape, const char *name, reel_var v, const reel_shape *x, const char *what)
{
    if (reel_is_null(v))
        return true;
    reel_shape shape = reel_shape_of(tape, v);
    if (shape.ndim == 1 && shape.dim[0] == x->dim[1])
        return true;
    char text[REEL_SHAPE_TEXT], other[REEL_SHAPE_TEXT];
    reel_fail(reel_tape_context(tape), REEL_ERROR_SHAPE, "%s: %s is %s, x %s has %lld channels", name, what,
              reel_shape_text(&shape, text), reel_shape_text(x, other), (long long)x->dim[1]);
    return false;
}

reel_var reel_batch_norm(reel_tape *tape, reel_var x, reel_var weight, reel_var bias, double eps, reel_var *mean,
                         reel_var *variance)
{
    const struct eps_attributes a = {eps};
    const reel_var inputs[] = {x, weight, bias};
    reel_var outputs[3] = {reel_null(), reel_null(), reel_null()};
    reel_shape shape = reel_shape_of(tape, x);
    bool affine = !reel_is_null(weight) && !reel_is_null(bias);
    if (affine || shape.ndim < 2 ||
        (has_channels(tape, "batch_norm", weight, &shape, "weight") &&
         has_channels(tape, "batch_norm", bias, &shape, "bias")))
        reel_apply(tape, affine ? &batch_norm_affine_op : &batch_norm_op, inputs, affine ? 3 : 1, &a, outputs);
    if (mean)
        *mean = outputs[1];
    if (variance)
        *variance = outputs[2];
    if (affine || reel_is_null(outputs[0]))
        return outputs[0];
    return scale_and_shift(tape, outputs[0], weight, bias, channel_row(&shape));
}

reel_var reel_batch_norm_eval(reel_tape *tape, reel_var x, reel_var mean, reel_var variance, reel_var weight,
                              reel_var bias, double eps)
{
    reel_shape shape = reel_shape_of(tape, x);
    if (shape.ndim < 0)
        return reel_null();
    char text[REEL_SHAPE_TEXT];
    if (shape.ndim < 2) {
        reel_fail(reel_tape_context(tape), REEL_ERROR_SHAPE,
                  "batch_norm: x is %s, it must be [batch, channels] or [batch, channels, ...]",
                  reel_shape_text(&shape, text));
        return reel_null();
    }
    if (!has_channels(tape, "batch_norm", mean, &shape, "mean") ||
        !has_channels(tape, "batch_norm", variance, &shape, "variance") ||
        !has_channels(tape, "batch_norm", weight, &shape, "weight") ||
        !has_channels(tape, "batch_norm", bias, &shape, "bias"))
        return reel_null();
    reel_shape row = channel_row(&shape);
    reel_var rstd = reel_rsqrt(tape, reel_add_scalar(tape, variance, eps));
    reel_var y = reel_mul(tape, reel_sub(tape, x, reel_reshape(tape, mean, row)), reel_reshape(tape, rstd, row));
    return scale_and_shift(tape, y, weight, bias, row);
}
#else
static const struct eps_attributes usual = {1e-5}, large = {0.8}, negative = {-1};
static const reel_sample batch_norm_samples[] = {
    GOOD("a batch of rows", &usual, REAL(5, 3)),
    GOOD("a large eps", &large, REAL(4, 2)),
    GOOD("with a length", &usual, REAL(3, 2, 4)),
    GOOD("one element, with a length", &usual, REAL(1, 2, 4)),
    GOOD("a long length", &usual, REAL(2, 2, 70)),
    GOOD("a length of two", &usual, REAL(3, 2, 2)),
    GOOD("rows and columns", &usual, REAL(2, 3, 2, 3)),
    GOOD("five axes", &usual, REAL(2, 2, 1, 3, 2)),
    GOOD("many channels", &usual, REAL(3, 65)),
    GOOD("many rows", &usual, REAL(35, 2)),
    GOOD("far from zero", &usual, WITHIN(99, 101, 4, 2)),
    GOOD("no channels", &usual, REAL(4, 0)),
    REFUSED("one value per channel", REEL_ERROR_SHAPE, &usual, REAL(1, 3)),
    REFUSED("no batch", REEL_ERROR_SHAPE, &usual, REAL(0, 3)),
    REFUSED("one axis", REEL_ERROR_SHAPE, &usual, REAL(3)),
    REFUSED("negative eps", REEL_ERROR_ARGUMENT, &negative, REAL(4, 3)),
    REFUSED("integers", REEL_ERROR_DTYPE, &usual, INDEX(5, 4, 3)),
};

static const reel_sample batch_norm_affine_samples[] = {
    GOOD("a batch of rows", &usual, REAL(5, 3), REAL(3), REAL(3)),
    GOOD("a long length", &usual, REAL(2, 2, 70), REAL(2), REAL(2)),
    GOOD("with a length", &usual, REAL(3, 2, 4), REAL(2), REAL(2)),
    GOOD("one channel", &large, REAL(4, 1), REAL(1), REAL(1)),
    GOOD("rows and columns", &usual, REAL(3, 2, 2, 3), REAL(2), REAL(2)),
    REFUSED("one value per channel", REEL_ERROR_SHAPE, &usual, REAL(1, 3), REAL(3), REAL(3)),
    REFUSED("weight of another size", REEL_ERROR_SHAPE, &usual, REAL(4, 3), REAL(2), REAL(3)),
    REFUSED("bias of another size", REEL_ERROR_SHAPE, &usual, REAL(4, 3), REAL(3), REAL(1)),
    REFUSED("integers", REEL_ERROR_DTYPE, &usual, REAL(4, 3), REAL(3), INDEX(2, 3)),
};
SAMPLES(batch_norm, batch_norm_samples, .ulps = 64, .why = "far from 0 the mean has few digits left");
SAMPLES(batch_norm_affine, batch_norm_affine_samples, .ulps = 8, .why = "a product and the bias cancel");
#endif

/* ---- layer_norm, rms_norm ---- */

#ifndef REEL_SAMPLES
/* x is [rows, columns]: the functions below reshape. */
static reel_status rows_shape(reel_call *call, const char *name, int64_t statistics)
{
    const reel_shape *x = &call->in[0]->shape;
    char text[REEL_SHAPE_TEXT], other[REEL_SHAPE_TEXT];
    if (expect_inputs(call) != REEL_OK)
        return call->context->status;
    if (x->ndim != 2)
        return reel_fail(call->context, REEL_ERROR_SHAPE, "%s: x is %s, it must be [rows, columns]", name,
                         reel_shape_text(x, text));
    for (int k = 1; k < call->n_inputs; k++)
        if (call->in[k]->shape.ndim != 1 || call->in[k]->shape.dim[0] != x->dim[1])
            return reel_fail(call->context, REEL_ERROR_SHAPE, "%s: %s is %s, x %s has %lld columns", name,
                             k == 1 ? "weight" : "bias", reel_shape_text(&call->in[k]->shape, other),
                             reel_shape_text(x, text), (long long)x->dim[1]);
    call->out[0]->shape = *x;
    call->out[0]->dtype = REEL_REAL;
    call->saved_size = (size_t)(statistics * x->dim[0]) * sizeof(reel_real);
    return REEL_OK;
}

static reel_status layer_norm_shape(reel_call *call)
{
    return rows_shape(call, "layer_norm", 2);
}

static reel_status rms_norm_shape(reel_call *call)
{
    return rows_shape(call, "rms_norm", 1);
}

/* saved: 1 / sqrt(variance + eps), then the means, if there are any, of the rows. */
static struct reel_layer_norm layer_norm_of(const reel_call *call)
{
    const struct eps_attributes *a = call->attributes;
    const int64_t *dim = call->in[0]->shape.dim;
    reel_real *rstd = call->saved;
    return (struct reel_layer_norm){.rows = dim[0],
                                    .columns = dim[1],
                                    .x = call->in[0]->data,
                                    .weight = values_of(call, 1),
                                    .bias = values_of(call, 2),
                                    .eps = a->eps,
                                    .mean = is_rms(call) ? NULL : rstd + dim[0],
                                    .rstd = rstd};
}

static reel_status layer_norm_forward(reel_call *call)
{
    const struct reel_layer_norm norm = layer_norm_of(call);
    if (call->in[0]->numel > 0)
        reel_kern_layer_norm(&norm, call->out[0]->data, reel_get_num_threads(call->context));
    return REEL_OK;
}

static void layer_norm_vjp(const reel_call *call, const reel_var *grad_outputs, reel_var *grad_inputs)
{
    const struct eps_attributes *a = call->attributes;
    reel_tape *t = call->tape;
    const int rows = 0, columns = 1;
    reel_var g = grad_outputs[0];
    int64_t count = call->in[0]->shape.dim[0];
    const reel_real *rstd = call->saved, *mean = is_rms(call) ? NULL : rstd + count;
    struct normalized v = normalize(t, call->inputs[0], &columns, 1, a->eps, mean, rstd, (reel_shape){2, {count, 1}});
    if (call->n_inputs > 1 && call->needed[1])
        grad_inputs[1] = reel_sum(t, reel_mul(t, g, v.xhat), &rows, 1, false);
    if (is_affine(call) && call->needed[2])
        grad_inputs[2] = reel_sum(t, g, &rows, 1, false);
    if (!call->needed[0])
        return;
    if (call->n_inputs > 1)
        g = reel_mul(t, g, call->inputs[1]);
    grad_inputs[0] = normalize_vjp(t, v, g, &columns, 1);
}

static reel_status layer_norm_accumulate(const reel_call *call, const reel_gradient *grad_outputs,
                                         reel_sink *const *sinks)
{
    const struct reel_layer_norm norm = layer_norm_of(call);
    int threads = reel_get_num_threads(call->context);
    const reel_real *grad = reel_gradient_contiguous(call, &grad_outputs[0]);
    bool add;
    reel_real *target;
    if (!grad)
        return call->context->status;
    if (sinks[0]) {
        if (!(target = reel_sink_target(sinks[0], &add)))
            return call->context->status;
        if (call->in[0]->numel > 0)
            reel_kern_layer_norm_backward(&norm, grad, add, target, threads);
    }
    if (call->n_inputs > 1 && sinks[1]) {
        if (!(target = reel_sink_target(sinks[1], &add)))
            return call->context->status;
        reel_kern_layer_norm_backward_weight(&norm, grad, add, target, threads);
    }
    if (is_affine(call) && sinks[2])
        return reel_sink_add_broadcast(sinks[2], grad, &call->in[0]->shape);
    return REEL_OK;
}

/* The node wants a scale: one of ones where there is none. */
static reel_status layer_norm_onnx(const reel_call *call, reel_onnx *to)
{
    const struct eps_attributes *a = call->attributes;
    reel_onnx_value in[3] = {reel_onnx_input(to, 0)};
    if (is_affine(call)) {
        in[1] = reel_onnx_input(to, 1);
        in[2] = reel_onnx_input(to, 2);
    } else {
        in[1] = REEL_ONNX_NODE(to, "Expand", reel_onnx_number(to, REEL_REAL, 1),
                               reel_onnx_int64s(to, &call->in[0]->shape.dim[1], 1));
    }
    reel_onnx_set_int(to, "axis", 1);
    reel_onnx_set_float(to, "epsilon", a->eps);
    return reel_onnx_set_output(to, 0, reel_onnx_node(to, "LayerNormalization", in, is_affine(call) ? 3 : 2));
}

static const reel_op layer_norm_op = {
    .name = "layer_norm",
    .n_inputs = 1,
    .n_outputs = 1,
    .differentiable = 1,
    .reads_inputs = 1,
    .attributes_size = sizeof(struct eps_attributes),
    .shape = layer_norm_shape,
    .forward = layer_norm_forward,
    .vjp = layer_norm_vjp,
    .accumulate = layer_norm_accumulate,
    .cost = norm_cost,
    .onnx = layer_norm_onnx,
};

static const reel_op layer_norm_affine_op = {
    .name = "layer_norm_affine",
    .n_inputs = 3,
    .n_outputs = 1,
    .differentiable = 7,
    .reads_inputs = 3,
    .attributes_size = sizeof(struct eps_attributes),
    .shape = layer_norm_shape,
    .forward = layer_norm_forward,
    .vjp = layer_norm_vjp,
    .accumulate = layer_norm_accumulate,
    .cost = norm_cost,
    .onnx = layer_norm_onnx,
};

/* x / sqrt(mean(x^2) + eps): the opset has no node for it. */
static reel_status rms_norm_onnx(const reel_call *call, reel_onnx *to)
{
    const struct eps_attributes *a = call->attributes;
    const int64_t axis = 1;
    reel_onnx_value x = reel_onnx_input(to, 0), square = REEL_ONNX_NODE(to, "Mul", x, x);
    reel_onnx_set_int(to, "keepdims", 1);
    reel_onnx_value mean = REEL_ONNX_NODE(to, "ReduceMean", square, reel_onnx_int64s(to, &axis, 1));
    reel_onnx_value sum = REEL_ONNX_NODE(to, "Add", mean, reel_onnx_number(to, REEL_REAL, a->eps));
    reel_onnx_value y = REEL_ONNX_NODE(to, "Div", x, REEL_ONNX_NODE(to, "Sqrt", sum));
    if (call->n_inputs > 1)
        y = REEL_ONNX_NODE(to, "Mul", y, reel_onnx_input(to, 1));
    return reel_onnx_set_output(to, 0, y);
}

static const reel_op rms_norm_op = {
    .name = "rms_norm",
    .n_inputs = 1,
    .n_outputs = 1,
    .differentiable = 1,
    .reads_inputs = 1,
    .attributes_size = sizeof(struct eps_attributes),
    .shape = rms_norm_shape,
    .forward = layer_norm_forward,
    .vjp = layer_norm_vjp,
    .accumulate = layer_norm_accumulate,
    .cost = norm_cost,
    .onnx = rms_norm_onnx,
};

static const reel_op rms_norm_weight_op = {
    .name = "rms_norm_weight",
    .n_inputs = 2,
    .n_outputs = 1,
    .differentiable = 3,
    .reads_inputs = 3,
    .attributes_size = sizeof(struct eps_attributes),
    .shape = rms_norm_shape,
    .forward = layer_norm_forward,
    .vjp = layer_norm_vjp,
    .accumulate = layer_norm_accumulate,
    .cost = norm_cost,
    .onnx = rms_norm_onnx,
};

/* x seen as rows, each of the elements that are normalised together. */
struct rows {
    const char *name; /* of the function, for errors */
    reel_shape x, row;
    reel_shape flat; /* [rows, columns] */
};

/* False with the error recorded. */
static bool rows_of(reel_tape *tape, const char *name, reel_var x, int normalized_axes, struct rows *rows)
{
    reel_shape shape = reel_shape_of(tape, x);
    if (shape.ndim < 0)
        return false;
    if (normalized_axes < 1 || normalized_axes > shape.ndim) {
        reel_fail(reel_tape_context(tape), REEL_ERROR_ARGUMENT, "%s: %d normalised axes, x has %d", name,
                  normalized_axes, shape.ndim);
        return false;
    }
    *rows = (struct rows){name, shape, {.ndim = normalized_axes}, {2, {1, 1}}};
    for (int i = 0; i < shape.ndim; i++)
        rows->flat.dim[i >= shape.ndim - normalized_axes] *= shape.dim[i];
    for (int i = 0; i < normalized_axes; i++)
        rows->row.dim[i] = shape.dim[shape.ndim - normalized_axes + i];
    return true;
}

/* weight or bias as [columns]; the null var stays null. */
static reel_var flat_or_null(reel_tape *tape, reel_var v, const struct rows *rows, const char *what)
{
    if (reel_is_null(v))
        return v;
    reel_shape shape = reel_shape_of(tape, v);
    char text[REEL_SHAPE_TEXT], other[REEL_SHAPE_TEXT];
    if (shape.ndim >= 0 && !reel_shape_equal(&shape, &rows->row)) {
        reel_fail(reel_tape_context(tape), REEL_ERROR_SHAPE, "%s: %s is %s, the normalised axes are %s", rows->name,
                  what, reel_shape_text(&shape, text), reel_shape_text(&rows->row, other));
        return reel_null();
    }
    return reel_reshape(tape, v, reel_shape_make(1, &rows->flat.dim[1]));
}

reel_var reel_layer_norm(reel_tape *tape, reel_var x, int normalized_axes, reel_var weight, reel_var bias, double eps)
{
    struct rows rows;
    if (!rows_of(tape, "layer_norm", x, normalized_axes, &rows))
        return reel_null();
    const struct eps_attributes a = {eps};
    weight = flat_or_null(tape, weight, &rows, "weight");
    bias = flat_or_null(tape, bias, &rows, "bias");
    const reel_var inputs[] = {reel_reshape(tape, x, rows.flat), weight, bias};
    bool affine = !reel_is_null(weight) && !reel_is_null(bias);
    reel_var y = reel_apply1(tape, affine ? &layer_norm_affine_op : &layer_norm_op, inputs, affine ? 3 : 1, &a);
    if (!affine)
        y = scale_and_shift(tape, y, weight, bias, (reel_shape){2, {1, rows.flat.dim[1]}});
    return reel_reshape(tape, y, rows.x);
}

reel_var reel_rms_norm(reel_tape *tape, reel_var x, int normalized_axes, reel_var weight, double eps)
{
    struct rows rows;
    if (!rows_of(tape, "rms_norm", x, normalized_axes, &rows))
        return reel_null();
    const struct eps_attributes a = {isnan(eps) ? (double)REEL_EPSILON : eps};
    weight = flat_or_null(tape, weight, &rows, "weight");
    const reel_var inputs[] = {reel_reshape(tape, x, rows.flat), weight};
    bool weighted = !reel_is_null(weight);
    reel_var y = reel_apply1(tape, weighted ? &rms_norm_weight_op : &rms_norm_op, inputs, 1 + weighted, &a);
    return reel_reshape(tape, y, rows.x);
}

/* A function that normalises groups of channels of x [batch, channels, ...], each for each sample by itself. */
struct groups {
    const char *name;
    int64_t count;
    reel_shape x, flat; /* [batch * groups, elements of a group] */
};

/* Whether x can be cut so. */
static bool cut_into_groups(struct groups *g)
{
    const reel_shape *x = &g->x;
    if (x->ndim < 2 || g->count < 1 || x->dim[1] % g->count != 0)
        return false;
    g->flat = (reel_shape){2, {0, x->dim[1] / g->count}};
    bool fits = reel_multiply_int64(x->dim[0], g->count, &g->flat.dim[0]);
    for (int i = 2; i < x->ndim; i++)
        fits = fits && reel_multiply_int64(g->flat.dim[1], x->dim[i], &g->flat.dim[1]);
    return fits;
}

/* Then weight and bias of the channels. */
static reel_var normalize_groups(reel_tape *tape, const struct groups *g, reel_var x, reel_var weight, reel_var bias,
                                 double eps)
{
    if (!has_channels(tape, g->name, weight, &g->x, "weight") || !has_channels(tape, g->name, bias, &g->x, "bias"))
        return reel_null();
    if (!(eps >= 0)) {
        reel_fail(reel_tape_context(tape), REEL_ERROR_ARGUMENT, "%s: eps %g is negative", g->name, eps);
        return reel_null();
    }
    const struct eps_attributes a = {eps};
    const reel_var rows = reel_reshape(tape, x, g->flat);
    reel_var y = reel_reshape(tape, reel_apply1(tape, &layer_norm_op, &rows, 1, &a), g->x);
    return scale_and_shift(tape, y, weight, bias, channel_row(&g->x));
}

reel_var reel_group_norm(reel_tape *tape, reel_var x, int64_t num_groups, reel_var weight, reel_var bias, double eps)
{
    struct groups g = {"group_norm", num_groups, reel_shape_of(tape, x), {0, {0}}};
    reel_context *c = reel_tape_context(tape);
    char text[REEL_SHAPE_TEXT];
    if (g.x.ndim < 0)
        return reel_null();
    if (num_groups < 1)
        reel_fail(c, REEL_ERROR_ARGUMENT, "group_norm: %lld groups, not 1 or more", (long long)num_groups);
    else if (!cut_into_groups(&g))
        reel_fail(c, REEL_ERROR_SHAPE,
                  "group_norm: x is %s, it must be [batch, channels, ...] with a multiple of %lld channels",
                  reel_shape_text(&g.x, text), (long long)num_groups);
    else if (g.x.dim[0] == 1 && g.flat.dim[1] == 1)
        reel_fail(c, REEL_ERROR_SHAPE, "group_norm: x is %s, it needs more than 1 value per group",
                  reel_shape_text(&g.x, text));
    else
        return normalize_groups(tape, &g, x, weight, bias, eps);
    return reel_null();
}

reel_var reel_instance_norm(reel_tape *tape, reel_var x, reel_var weight, reel_var bias, double eps)
{
    struct groups g = {"instance_norm", 0, reel_shape_of(tape, x), {0, {0}}};
    char text[REEL_SHAPE_TEXT];
    if (g.x.ndim < 0)
        return reel_null();
    g.count = g.x.ndim > 2 ? g.x.dim[1] : 0;
    if (cut_into_groups(&g) && g.flat.dim[1] != 1)
        return normalize_groups(tape, &g, x, weight, bias, eps);
    reel_fail(reel_tape_context(tape), REEL_ERROR_SHAPE,
              "instance_norm: x is %s, it must be [batch, channels, ...] with more than 1 value per channel",
              reel_shape_text(&g.x, text));
    return reel_null();
}
#else
static const reel_sample layer_norm_samples[] = {
    GOOD("rows", &usual, REAL(3, 5)),
    GOOD("one row", &usual, REAL(1, 4)),
    GOOD("long rows", &usual, REAL(2, 70)),
    GOOD("far from zero", &usual, WITHIN(99, 101, 2, 4)),
    GOOD("no rows", &usual, REAL(0, 4)),
    REFUSED("three axes", REEL_ERROR_SHAPE, &usual, REAL(2, 3, 4)),
    REFUSED("negative eps", REEL_ERROR_ARGUMENT, &negative, REAL(4, 3)),
    REFUSED("integers", REEL_ERROR_DTYPE, &usual, INDEX(5, 4, 3)),
};

static const reel_sample layer_norm_affine_samples[] = {
    GOOD("rows", &usual, REAL(3, 5), REAL(5), REAL(5)),
    GOOD("long rows", &usual, REAL(2, 70), REAL(70), REAL(70)),
    GOOD("many rows", &usual, REAL(35, 3), REAL(3), REAL(3)),
    GOOD("no rows", &usual, REAL(0, 4), REAL(4), REAL(4)),
    REFUSED("weight of another size", REEL_ERROR_SHAPE, &usual, REAL(4, 3), REAL(2), REAL(3)),
    REFUSED("bias with two axes", REEL_ERROR_SHAPE, &usual, REAL(4, 3), REAL(3), REAL(1, 3)),
    REFUSED("integers", REEL_ERROR_DTYPE, &usual, REAL(4, 3), INDEX(2, 3), REAL(3)),
};

static const struct eps_attributes none = {0};
static const reel_sample rms_norm_samples[] = {
    GOOD("rows", &usual, REAL(3, 5)),
    GOOD("one row", &usual, REAL(1, 4)),
    GOOD("a large eps", &large, REAL(2, 3)),
    GOOD("long rows", &usual, REAL(2, 70)),
    GOOD("far from zero", &none, WITHIN(99, 101, 2, 4)),
    GOOD("no rows", &usual, REAL(0, 4)),
    REFUSED("three axes", REEL_ERROR_SHAPE, &usual, REAL(2, 3, 4)),
    REFUSED("negative eps", REEL_ERROR_ARGUMENT, &negative, REAL(4, 3)),
    REFUSED("integers", REEL_ERROR_DTYPE, &usual, INDEX(5, 4, 3)),
};
static const reel_sample rms_norm_weight_samples[] = {
    GOOD("rows", &usual, REAL(3, 5), REAL(5)),
    GOOD("long rows", &usual, REAL(2, 70), REAL(70)),
    GOOD("many rows", &usual, REAL(35, 3), REAL(3)),
    GOOD("no rows", &usual, REAL(0, 4), REAL(4)),
    REFUSED("weight of another size", REEL_ERROR_SHAPE, &usual, REAL(4, 3), REAL(2)),
    REFUSED("weight with two axes", REEL_ERROR_SHAPE, &usual, REAL(4, 3), REAL(1, 3)),
    REFUSED("integers", REEL_ERROR_DTYPE, &usual, REAL(4, 3), INDEX(2, 3)),
};
SAMPLES(layer_norm, layer_norm_samples, .ulps = 64, .why = "far from 0 the mean has few digits left");
SAMPLES(layer_norm_affine, layer_norm_affine_samples, .ulps = 8, .why = "x - mean cancels near the mean");
SAMPLES(rms_norm, rms_norm_samples, .ulps = 8, .why = "the terms of the gradient cancel");
SAMPLES(rms_norm_weight, rms_norm_weight_samples, .ulps = 8, .why = "the terms of the gradient cancel");
#endif

REEL_OP_FAMILY(normalize, ROW(batch_norm), ROW(batch_norm_affine), ROW(layer_norm), ROW(layer_norm_affine),
               ROW(rms_norm), ROW(rms_norm_weight));
