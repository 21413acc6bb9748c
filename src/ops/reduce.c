/* Sums, means and extremes over any set of axes. */
#include "files/onnx.h"
#include "kern/reduce.h"
#include "kern/sum_to.h"
#include "ops/axes.h"

#include <reel/create.h>
#include <reel/elementwise.h>
#include <reel/join.h>
#include <reel/reduce.h>
#include <reel/view.h>

/* ---- sum, mean ---- */

#ifndef REEL_SAMPLES
#define REDUCE_ONNX(name, node)                                                                                        \
    static reel_status name##_onnx(const reel_call *call, reel_onnx *to)                                               \
    {                                                                                                                  \
        const struct reel_axes *a = call->attributes;                                                                  \
        reel_onnx_value x = reel_onnx_input(to, 0);                                                                    \
        return reel_onnx_set_output(to, 0, reel_axes_onnx(call, to, a, node, x, a->keepdim));                          \
    }

static reel_status sum_shape(reel_call *call)
{
    return reel_axes_check(call, call->attributes);
}

static reel_status sum_over(const reel_call *call, bool mean)
{
    const reel_shape *shape = &call->in[0]->shape;
    unsigned reduced = reel_axes_mask(call->attributes, shape->ndim);
    const struct reel_kern_reduction sum = {.combine = REEL_KERN_SUM,
                                            .divisor = mean ? reel_axes_count(shape, reduced) : 1};
    reel_kern_reduce(shape, reduced, call->in[0]->data, &sum, call->out[0]->data, reel_get_num_threads(call->context));
    return REEL_OK;
}

static reel_status sum_forward(reel_call *call)
{
    return sum_over(call, false);
}

static reel_status mean_forward(reel_call *call)
{
    return sum_over(call, true);
}

static void sum_vjp(const reel_call *call, const reel_var *grad_outputs, reel_var *grad_inputs)
{
    grad_inputs[0] =
        reel_expand(call->tape, reel_axes_keep(call, call->attributes, grad_outputs[0]), call->in[0]->shape);
}

static void mean_vjp(const reel_call *call, const reel_var *grad_outputs, reel_var *grad_inputs)
{
    const reel_shape *shape = &call->in[0]->shape;
    double count = reel_axes_count(shape, reel_axes_mask(call->attributes, shape->ndim));
    reel_var share = reel_axes_keep(call, call->attributes, grad_outputs[0]);
    if (count > 0) /* the share of nothing must not be infinite: no shares at all make NaN of it */
        share = reel_div_scalar(call->tape, share, count);
    grad_inputs[0] = reel_expand(call->tape, share, *shape);
}

static reel_status spread_gradient(const reel_call *call, const reel_gradient *grad_output, reel_sink *sink, bool mean)
{
    const reel_shape *shape = &call->in[0]->shape;
    unsigned reduced = reel_axes_mask(call->attributes, shape->ndim);
    bool add;
    const reel_real *grad = reel_gradient_contiguous(call, grad_output);
    reel_real *target = grad ? reel_sink_target(sink, &add) : NULL;
    if (!target)
        return reel_context_status(call->context);
    reel_kern_spread(shape, reduced, grad, mean ? reel_axes_count(shape, reduced) : 1, target, add,
                     reel_get_num_threads(call->context));
    return REEL_OK;
}

static reel_status sum_accumulate(const reel_call *call, const reel_gradient *grad_outputs, reel_sink *const *sinks)
{
    return spread_gradient(call, &grad_outputs[0], sinks[0], false);
}

static reel_status mean_accumulate(const reel_call *call, const reel_gradient *grad_outputs, reel_sink *const *sinks)
{
    return spread_gradient(call, &grad_outputs[0], sinks[0], true);
}

REDUCE_ONNX(sum, "ReduceSum")

static const reel_op sum_op = {
    .name = "sum",
    .n_inputs = 1,
    .n_outputs = 1,
    .differentiable = 1,
    .attributes_size = sizeof(struct reel_axes),
    .shape = sum_shape,
    .forward = sum_forward,
    .vjp = sum_vjp,
    .accumulate = sum_accumulate,
    .cost = reel_axes_cost,
    .onnx = sum_onnx,
};

reel_var reel_sum(reel_tape *tape, reel_var x, const int *axes, int n, bool keepdim)
{
    struct reel_axes a = reel_axes_of(axes, n, keepdim);
    return reel_apply1(tape, &sum_op, &x, 1, &a);
}

reel_var reel_sum_all(reel_tape *tape, reel_var x)
{
    return reel_sum(tape, x, NULL, 0, false);
}

REDUCE_ONNX(mean, "ReduceMean")

static const reel_op mean_op = {
    .name = "mean",
    .n_inputs = 1,
    .n_outputs = 1,
    .differentiable = 1,
    .attributes_size = sizeof(struct reel_axes),
    .shape = sum_shape,
    .forward = mean_forward,
    .vjp = mean_vjp,
    .accumulate = mean_accumulate,
    .cost = reel_axes_cost,
    .onnx = mean_onnx,
};

reel_var reel_mean(reel_tape *tape, reel_var x, const int *axes, int n, bool keepdim)
{
    struct reel_axes a = reel_axes_of(axes, n, keepdim);
    return reel_apply1(tape, &mean_op, &x, 1, &a);
}

reel_var reel_mean_all(reel_tape *tape, reel_var x)
{
    return reel_mean(tape, x, NULL, 0, false);
}
#else
PLAIN_AXES;
static const reel_sample sum_samples[] = {AXES_GOOD(over, REAL), AXES_SINGLE(over, REAL),
                                          GOOD("sums of nothing", &over_first, REAL(0, 3)), AXES_REFUSED};

static const reel_sample mean_samples[] = {AXES_GOOD(over, REAL), AXES_SINGLE(over, REAL), AXES_REFUSED};
SAMPLES(sum, sum_samples);
SAMPLES(mean, mean_samples);
#endif

/* ---- sum_to_size ---- */

struct size_attributes {
    reel_shape shape;
};

#ifndef REEL_SAMPLES
static reel_status sum_to_size_shape(reel_call *call)
{
    const struct size_attributes *a = call->attributes;
    const reel_array *x = call->in[0];
    if (reel_expect_real(call, 0, "x") != REEL_OK)
        return call->context->status;
    int new_axes = x->shape.ndim - a->shape.ndim;
    bool fits = reel_shape_numel(&a->shape) >= 0 && new_axes >= 0;
    for (int i = 0; fits && i < a->shape.ndim; i++)
        fits = a->shape.dim[i] == 1 || a->shape.dim[i] == x->shape.dim[i + new_axes];
    if (!fits) {
        char from[REEL_SHAPE_TEXT], to[REEL_SHAPE_TEXT];
        return reel_fail(call->context, REEL_ERROR_SHAPE, "sum_to_size: %s does not broadcast to %s, the shape of x",
                         reel_shape_text(&a->shape, to), reel_shape_text(&x->shape, from));
    }
    call->out[0]->shape = a->shape;
    call->out[0]->dtype = REEL_REAL;
    if (x->numel == reel_shape_numel(&a->shape) && x->numel > 0)
        call->out[0]->data = x->data;
    return REEL_OK;
}

static reel_status sum_to_size_forward(reel_call *call)
{
    const reel_array *x = call->in[0], *out = call->out[0];
    reel_kern_sum_to(&x->shape, x->data, &out->shape, out->data, false, reel_get_num_threads(call->context));
    return REEL_OK;
}

static void sum_to_size_vjp(const reel_call *call, const reel_var *grad_outputs, reel_var *grad_inputs)
{
    grad_inputs[0] = reel_expand(call->tape, grad_outputs[0], call->in[0]->shape);
}

/* Axes that are 1 here and not in x are summed; then those in front go. */
static reel_status sum_to_size_onnx(const reel_call *call, reel_onnx *to)
{
    const reel_shape *from = &call->in[0]->shape, *shape = &call->out[0]->shape;
    int added = from->ndim - shape->ndim, n = 0;
    int64_t axes[REEL_MAX_NDIM], growth[REEL_MAX_NDIM] = {0};
    for (int i = 0; i < from->ndim; i++) {
        if (i < added || shape->dim[i - added] != from->dim[i])
            axes[n++] = i;
        else
            growth[i - added] = reel_onnx_growth(to, 0)[i];
    }
    reel_onnx_set_growth(to, growth);
    reel_onnx_value x = reel_onnx_input(to, 0);
    if (n > 0) {
        reel_onnx_set_int(to, "keepdims", 1);
        x = REEL_ONNX_NODE(to, "ReduceSum", x, reel_onnx_int64s(to, axes, n));
    }
    if (added > 0)
        x = REEL_ONNX_NODE(to, "Squeeze", x, reel_onnx_int64s(to, axes, added));
    return reel_onnx_set_output(to, 0, x);
}

static const reel_op sum_to_size_op = {
    .name = "sum_to_size",
    .n_inputs = 1,
    .n_outputs = 1,
    .differentiable = 1,
    .attributes_size = sizeof(struct size_attributes),
    .shape = sum_to_size_shape,
    .forward = sum_to_size_forward,
    .vjp = sum_to_size_vjp,
    .cost = reel_axes_cost,
    .onnx = sum_to_size_onnx,
};

reel_var reel_sum_to_size(reel_tape *tape, reel_var x, reel_shape shape)
{
    struct size_attributes a = {shape};
    return reel_apply1(tape, &sum_to_size_op, &x, 1, &a);
}
#else
static const struct size_attributes to_3 = {{1, {3}}}, to_2_1 = {{2, {2, 1}}}, to_scalar = {{0, {0}}},
                                    to_1_1 = {{2, {1, 1}}}, to_2_3 = {{2, {2, 3}}}, to_0 = {{1, {0}}},
                                    to_4 = {{1, {4}}}, to_1_2_3 = {{3, {1, 2, 3}}}, to_nine = {{9, {0}}};
static const reel_sample sum_to_size_samples[] = {
    GOOD("a missing axis", &to_3, REAL(2, 3)),
    GOOD("an axis of size 1", &to_2_1, REAL(2, 3)),
    GOOD("both", &to_2_1, REAL(4, 2, 3)),
    GOOD("to a scalar", &to_scalar, REAL(2, 3)),
    GOOD("to one element", &to_1_1, REAL(2, 3)),
    GOOD("the same shape", &to_2_3, REAL(2, 3)),
    GOOD("only axes of size 1 go", &to_2_3, REAL(1, 1, 2, 3)),
    GOOD("a scalar", &to_scalar, SCALAR),
    GOOD("eight axes", &to_2_1, REAL(2, 1, 2, 1, 1, 2, 2, 3)),
    GOOD("sums of nothing", &to_3, REAL(0, 3)),
    GOOD("no results", &to_0, REAL(2, 0)),
    REFUSED("another size", REEL_ERROR_SHAPE, &to_4, REAL(2, 3)),
    REFUSED("more axes than x", REEL_ERROR_SHAPE, &to_1_2_3, REAL(2, 3)),
    REFUSED("nine axes", REEL_ERROR_SHAPE, &to_nine, REAL(2, 3)),
    REFUSED("not real", REEL_ERROR_DTYPE, &to_3, INDEX(3, 2, 3)),
};
SAMPLES(sum_to_size, sum_to_size_samples);
#endif

/* ---- amax, amin ---- */

#ifndef REEL_SAMPLES
static reel_status extreme_shape(reel_call *call)
{
    if (reel_axes_check(call, call->attributes) != REEL_OK)
        return call->context->status;
    return reel_axes_refuse_empty(call, reel_axes_mask(call->attributes, call->in[0]->shape.ndim));
}

static reel_status extreme_over(const reel_call *call, enum reel_kern_combine combine)
{
    const reel_shape *shape = &call->in[0]->shape;
    const struct reel_kern_reduction extreme = {.combine = combine, .divisor = 1};
    reel_kern_reduce(shape, reel_axes_mask(call->attributes, shape->ndim), call->in[0]->data, &extreme,
                     call->out[0]->data, reel_get_num_threads(call->context));
    return REEL_OK;
}

static reel_status amax_forward(reel_call *call)
{
    return extreme_over(call, REEL_KERN_MAX);
}

static reel_status amin_forward(reel_call *call)
{
    return extreme_over(call, REEL_KERN_MIN);
}

static void extreme_vjp(const reel_call *call, const reel_var *grad_outputs, reel_var *grad_inputs)
{
    grad_inputs[0] =
        reel_share_among_equals(call, call->attributes, call->inputs[0], call->outputs[0], grad_outputs[0]);
}

REDUCE_ONNX(amax, "ReduceMax")

static const reel_op amax_op = {
    .name = "amax",
    .n_inputs = 1,
    .n_outputs = 1,
    .differentiable = 1,
    .reads_inputs = 1,
    .attributes_size = sizeof(struct reel_axes),
    .shape = extreme_shape,
    .forward = amax_forward,
    .vjp = extreme_vjp,
    .cost = reel_axes_cost,
    .onnx = amax_onnx,
};
REDUCE_ONNX(amin, "ReduceMin")

static const reel_op amin_op = {
    .name = "amin",
    .n_inputs = 1,
    .n_outputs = 1,
    .differentiable = 1,
    .reads_inputs = 1,
    .attributes_size = sizeof(struct reel_axes),
    .shape = extreme_shape,
    .forward = amin_forward,
    .vjp = extreme_vjp,
    .cost = reel_axes_cost,
    .onnx = amin_onnx,
};

reel_var reel_amax(reel_tape *tape, reel_var x, const int *axes, int n, bool keepdim)
{
    struct reel_axes a = reel_axes_of(axes, n, keepdim);
    return reel_apply1(tape, &amax_op, &x, 1, &a);
}

reel_var reel_amin(reel_tape *tape, reel_var x, const int *axes, int n, bool keepdim)
{
    struct reel_axes a = reel_axes_of(axes, n, keepdim);
    return reel_apply1(tape, &amin_op, &x, 1, &a);
}
#else
static const reel_sample extreme_samples[] = {
    AXES_GOOD(over, DISTINCT),
    AXES_SINGLE(over, DISTINCT),
    AXES_REFUSED,
    REFUSED("an empty axis", REEL_ERROR_SHAPE, &over_first, REAL(0, 3)),
    REFUSED("an empty axis without results", REEL_ERROR_SHAPE, &over_first, REAL(0, 0)),
};
SAMPLES(amax, extreme_samples);
SAMPLES(amin, extreme_samples);
#endif

/* ---- argmax, argmin ---- */

#ifndef REEL_SAMPLES
static reel_status argmax_shape(reel_call *call)
{
    if (extreme_shape(call) != REEL_OK)
        return call->context->status;
    call->out[0]->dtype = REEL_INT64;
    return REEL_OK;
}

static reel_status argmax_over(const reel_call *call, bool smallest)
{
    const reel_shape *shape = &call->in[0]->shape;
    unsigned reduced = reel_axes_mask(call->attributes, shape->ndim);
    if (call->out[0]->numel == 0)
        return REEL_OK;
    int64_t outer = 1, n = 1, inner = 1;
    for (int i = 0; i < shape->ndim; i++) {
        if (reduced >> i & 1)
            n = shape->dim[i];
        else if (reduced >> i)
            outer *= shape->dim[i];
        else
            inner *= shape->dim[i];
    }
    reel_kern_argmax(outer, n, inner, smallest, call->in[0]->data, call->out[0]->data,
                     reel_get_num_threads(call->context));
    return REEL_OK;
}

static reel_status argmax_forward(reel_call *call)
{
    return argmax_over(call, false);
}

static reel_status argmin_forward(reel_call *call)
{
    return argmax_over(call, true);
}

static reel_status argmax_onnx_form(const reel_call *call, reel_onnx *to, const char *node)
{
    const struct reel_axes *a = call->attributes;
    if (call->in[0]->shape.ndim == 0)
        return reel_onnx_set_output(to, 0, reel_onnx_number(to, REEL_INT64, 0));
    reel_onnx_set_int(to, "axis", a->axes[0]);
    reel_onnx_set_int(to, "keepdims", a->keepdim);
    return reel_onnx_set_output(to, 0, REEL_ONNX_NODE(to, node, reel_onnx_input(to, 0)));
}

static reel_status argmax_onnx(const reel_call *call, reel_onnx *to)
{
    return argmax_onnx_form(call, to, "ArgMax");
}

static reel_status argmin_onnx(const reel_call *call, reel_onnx *to)
{
    return argmax_onnx_form(call, to, "ArgMin");
}

static const reel_op argmax_op = {
    .name = "argmax",
    .n_inputs = 1,
    .n_outputs = 1,
    .derivative = REEL_DERIVATIVE_NONE,
    .attributes_size = sizeof(struct reel_axes),
    .shape = argmax_shape,
    .forward = argmax_forward,
    .cost = reel_axes_cost,
    .onnx = argmax_onnx,
};

static const reel_op argmin_op = {
    .name = "argmin",
    .n_inputs = 1,
    .n_outputs = 1,
    .derivative = REEL_DERIVATIVE_NONE,
    .attributes_size = sizeof(struct reel_axes),
    .shape = argmax_shape,
    .forward = argmin_forward,
    .cost = reel_axes_cost,
    .onnx = argmin_onnx,
};

reel_var reel_argmax(reel_tape *tape, reel_var x, int axis, bool keepdim)
{
    struct reel_axes a = reel_axes_of(&axis, 1, keepdim);
    return reel_apply1(tape, &argmax_op, &x, 1, &a);
}

reel_var reel_argmin(reel_tape *tape, reel_var x, int axis, bool keepdim)
{
    struct reel_axes a = reel_axes_of(&axis, 1, keepdim);
    return reel_apply1(tape, &argmin_op, &x, 1, &a);
}
#else
static const reel_sample argmax_samples[] = {
    GOOD("columns", &over_first, REAL(7, 5)),
    GOOD("rows, kept", &over_last_kept, REAL(5, 7)),
    GOOD("an axis in the middle", &over_middle, REAL(3, 4, 2)),
    GOOD("a scalar", &over_first, SCALAR),
    GOOD("no results", &over_last, REAL(0, 3)),
    GOOD("eight axes", &over_middle, REAL(2, 3, 1, 2, 1, 2, 1, 3)),
    REFUSED("axis too large", REEL_ERROR_ARGUMENT, &out_of_range, REAL(2, 3)),
    REFUSED("an empty axis", REEL_ERROR_SHAPE, &over_first, REAL(0, 3)),
    REFUSED("not real", REEL_ERROR_DTYPE, &over_first, INDEX(3, 2, 3)),
};
SAMPLES(argmax, argmax_samples);
SAMPLES(argmin, argmax_samples);
#endif

/* ---- prod ---- */

#ifndef REEL_SAMPLES
/* Halves are multiplied with each other until one slice is left. So the derivatives of any order are those of products:
 * exact where elements are 0, which the quotient of the product and an element is not. */
reel_var reel_prod(reel_tape *tape, reel_var x, int axis, bool keepdim)
{
    reel_shape shape = reel_shape_of(tape, x);
    if (shape.ndim < 0)
        return reel_null();
    if (reel_dtype_of(tape, x) != REEL_REAL) {
        reel_fail(reel_tape_context(tape), REEL_ERROR_DTYPE, "prod: x is %s, it must be real",
                  reel_dtype_name(reel_dtype_of(tape, x)));
        return reel_null();
    }
    if (reel_normalize_axis(reel_tape_context(tape), "prod", shape.ndim > 0 ? shape.ndim : 1, &axis) != REEL_OK ||
        shape.ndim == 0)
        return reel_context_status(reel_tape_context(tape)) == REEL_OK ? x : reel_null();
    int64_t size = shape.dim[axis];
    shape.dim[axis] = 1;
    reel_var odd = reel_null();
    for (; size > 1; size /= 2) {
        reel_var last = size % 2 == 0 ? reel_null() : reel_narrow(tape, x, axis, size - 1, 1);
        if (size % 2 != 0)
            odd = reel_is_null(odd) ? last : reel_mul(tape, odd, last);
        reel_var first = reel_narrow(tape, x, axis, 0, size / 2);
        x = reel_mul(tape, first, reel_narrow(tape, x, axis, size / 2, size / 2));
    }
    if (size == 0)
        x = reel_ones(tape, shape);
    else if (!reel_is_null(odd))
        x = reel_mul(tape, x, odd);
    return keepdim ? x : reel_squeeze(tape, x, axis);
}

reel_var reel_prod_all(reel_tape *tape, reel_var x)
{
    return reel_prod(tape, reel_flatten(tape, x, 0, -1), 0, false);
}
#endif

REEL_OP_FAMILY(reduce, ROW(sum), ROW(mean), ROW(sum_to_size), ROW(amax), ROW(amin), ROW(argmax), ROW(argmin));
