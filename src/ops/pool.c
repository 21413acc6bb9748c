/* Pools: the largest element or the mean of windows over one or two axes. */
#include "kern/pool.h"

#include "core/sink.h"
#include "core/tape.h"
#include "ops/family.h"
#include "ops/pool.h"

#include <reel/create.h>
#include <reel/gather.h>
#include <reel/view.h>

/* As in kern/pool.h; in one dimension only the first of pairs counts. */
struct pool_attributes {
    int axes; /* 1 or 2 */
    bool adaptive;
    int64_t kernel[2], stride[2], padding[2], dilation[2];
    int64_t size[2]; /* of the result */
    bool count_padding;
    int64_t divisor;
};

#ifndef REEL_SAMPLES
enum { LARGEST = INT32_MAX };

/* In one dimension the attributes' only axis is the row of two. */
static void pair_of(const int64_t *given, int axes, int64_t none, int64_t *pair)
{
    pair[0] = axes == 2 ? given[0] : none;
    pair[1] = given[axes - 1];
}

/* From x [batch, channels, ...] to y of the same kind. */
static struct reel_pool pool_of(const struct pool_attributes *a, const reel_shape *x, const reel_shape *y)
{
    struct reel_pool p = {.planes = x->dim[0] * x->dim[1],
                          .adaptive = a->adaptive,
                          .count_padding = a->count_padding,
                          .divisor = a->divisor};
    pair_of(x->dim + 2, a->axes, 1, p.x_size);
    pair_of(y->dim + 2, a->axes, 1, p.y_size);
    pair_of(a->kernel, a->axes, 1, p.kernel);
    pair_of(a->stride, a->axes, 1, p.stride);
    pair_of(a->padding, a->axes, 0, p.padding);
    pair_of(a->dilation, a->axes, 1, p.dilation);
    return p;
}

/* The attributes but for `size`. */
static reel_status check_attributes(reel_context *c, const char *name, const struct pool_attributes *a)
{
    if (a->axes != 1 && a->axes != 2)
        return reel_fail(c, REEL_ERROR_ARGUMENT, "%s: %d dimensions, not 1 or 2", name, a->axes);
    for (int i = 0; i < a->axes && !a->adaptive; i++) {
        const struct {
            const char *what;
            int64_t value, least;
        } all[] = {{"kernel_size", a->kernel[i], 1},
                   {"stride", a->stride[i], 1},
                   {"padding", a->padding[i], 0},
                   {"dilation", a->dilation[i], 1}};
        for (size_t k = 0; k < sizeof all / sizeof *all; k++)
            if (all[k].value < all[k].least || all[k].value > LARGEST)
                return reel_fail(c, REEL_ERROR_ARGUMENT, "%s: %s is %lld, not %lld or more and below 2^31", name,
                                 all[k].what, (long long)all[k].value, (long long)all[k].least);
        if (a->padding[i] > a->kernel[i] / 2)
            return reel_fail(c, REEL_ERROR_ARGUMENT, "%s: padding is %lld, more than half of the window's %lld", name,
                             (long long)a->padding[i], (long long)a->kernel[i]);
    }
    return REEL_OK;
}

/* Whether the places of y have windows that begin in x, none of them empty. */
static bool windows_fit(const struct reel_pool *p)
{
    for (int axis = 0; axis < 2; axis++) {
        const int64_t from = p->x_size[axis], to = p->y_size[axis];
        if (from < 1 || to < 1 || from > LARGEST || to > LARGEST ||
            (!p->adaptive && (to - 1) * p->stride[axis] - p->padding[axis] >= from))
            return false;
        for (int64_t i = 0; i < to; i++) {
            const struct reel_pool_window w = reel_kern_pool_window(p, axis, i);
            if (w.first >= w.end)
                return false;
        }
    }
    return true;
}

/* The shape of the result; `backward`: the input is y, and the result x. */
static reel_status pool_shape(reel_call *call, bool backward)
{
    const struct pool_attributes *a = call->attributes;
    const char *name = call->op->name;
    const reel_shape *in = &call->in[0]->shape;
    char text[REEL_SHAPE_TEXT], other[REEL_SHAPE_TEXT];
    if (reel_expect_real(call, 0, "x") != REEL_OK || check_attributes(call->context, name, a) != REEL_OK)
        return call->context->status;
    if (in->ndim != a->axes + 2)
        return reel_fail(call->context, REEL_ERROR_SHAPE, "%s: x is %s, it must have %d axes", name,
                         reel_shape_text(in, text), a->axes + 2);
    reel_shape out = {a->axes + 2, {in->dim[0], in->dim[1], a->size[0], a->size[1]}};
    const struct reel_pool p = backward ? pool_of(a, &out, in) : pool_of(a, in, &out);
    if (!windows_fit(&p))
        return reel_fail(call->context, REEL_ERROR_SHAPE, "%s: there are no windows of %s that make %s", name,
                         reel_shape_text(backward ? &out : in, text), reel_shape_text(backward ? in : &out, other));
    call->out[0]->shape = out;
    call->out[0]->dtype = REEL_REAL;
    return REEL_OK;
}

/* Attributes for an operation whose result has the sizes of `like`. */
static struct pool_attributes for_sizes(const reel_call *call, const reel_array *like)
{
    struct pool_attributes a = *(const struct pool_attributes *)call->attributes;
    for (int i = 0; i < a.axes; i++)
        a.size[i] = like->shape.dim[2 + i];
    return a;
}

/* Of a pool from x to y: an operation for each element of each window. */
static reel_cost cost_of(const reel_call *call, const reel_array *x, const reel_array *y, double bytes)
{
    const struct reel_pool p = pool_of(call->attributes, &x->shape, &y->shape);
    double terms = (double)p.planes;
    for (int axis = 0; axis < 2; axis++) {
        double along = 0;
        for (int64_t i = 0; i < p.y_size[axis]; i++) {
            const struct reel_pool_window w = reel_kern_pool_window(&p, axis, i);
            along += (double)((w.end - w.first + w.step - 1) / w.step);
        }
        terms *= along;
    }
    return (reel_cost){terms, (double)x->numel * (double)sizeof(reel_real) + (double)y->numel * bytes};
}

/* ---- ONNX ---- */

/* Attributes of a node whose padding is `padding` before and what makes the last window whole behind. False where the
 * windows are of several sizes, with the refusal recorded. */
static bool pool_onnx_window(const reel_call *call, reel_onnx *to, const struct reel_pool *p, bool padded, bool dilated)
{
    const struct pool_attributes *a = call->attributes;
    int64_t kernel[2], stride[2], dilation[2], pads[4];
    for (int i = 0; i < a->axes; i++) {
        const int k = 2 - a->axes + i;
        const int64_t from = p->x_size[k], size = p->y_size[k], padding = a->adaptive ? 0 : p->padding[k];
        if (a->adaptive && from % size != 0)
            return reel_fail(call->context, REEL_ERROR_ARGUMENT,
                             "save_onnx: %s has an ONNX form where windows have one size, not from %lld to %lld",
                             call->op->name, (long long)from, (long long)size) == REEL_OK;
        kernel[i] = a->adaptive ? from / size : p->kernel[k];
        stride[i] = a->adaptive ? from / size : p->stride[k];
        dilation[i] = a->adaptive ? 1 : p->dilation[k];
        int64_t beyond = (size - 1) * stride[i] + (kernel[i] - 1) * dilation[i] + 1 - (from + 2 * padding);
        pads[i] = padded ? padding : 0;
        pads[a->axes + i] = pads[i] + (beyond > 0 ? beyond : 0);
    }
    reel_onnx_set_ints(to, "kernel_shape", kernel, a->axes);
    reel_onnx_set_ints(to, "strides", stride, a->axes);
    reel_onnx_set_ints(to, "pads", pads, 2 * a->axes);
    if (dilated)
        reel_onnx_set_ints(to, "dilations", dilation, a->axes);
    return true;
}

/* ---- max_pool ---- */

static reel_status max_pool_shape(reel_call *call)
{
    if (pool_shape(call, false) != REEL_OK)
        return call->context->status;
    call->out[1]->shape = call->out[0]->shape;
    call->out[1]->dtype = REEL_INT64;
    return REEL_OK;
}

static struct reel_pool forward_pool(const reel_call *call)
{
    return pool_of(call->attributes, &call->in[0]->shape, &call->out[0]->shape);
}

static reel_status max_pool_forward(reel_call *call)
{
    const struct reel_pool p = forward_pool(call);
    reel_kern_max_pool(&p, call->in[0]->data, call->out[0]->data, call->out[1]->data,
                       reel_get_num_threads(call->context));
    return REEL_OK;
}

static void max_pool_vjp(const reel_call *call, const reel_var *grad_outputs, reel_var *grad_inputs)
{
    const struct reel_pool p = forward_pool(call);
    reel_tape *t = call->tape;
    if (reel_is_null(grad_outputs[0]))
        return;
    const reel_shape to = {2, {p.planes, p.y_size[0] * p.y_size[1]}}, from = {2, {p.planes, p.x_size[0] * p.x_size[1]}};
    reel_var x = reel_scatter_add(t, reel_zeros(t, from), 1, reel_reshape(t, call->outputs[1], to),
                                  reel_reshape(t, grad_outputs[0], to));
    grad_inputs[0] = reel_reshape(t, x, call->in[0]->shape);
}

static reel_status max_pool_accumulate(const reel_call *call, const reel_gradient *grad_outputs,
                                       reel_sink *const *sinks)
{
    bool add;
    if (!grad_outputs[0].data)
        return REEL_OK;
    const reel_real *g = reel_gradient_contiguous(call, &grad_outputs[0]);
    reel_real *target = g ? reel_sink_target(sinks[0], &add) : NULL;
    if (!target)
        return call->context->status;
    const struct reel_pool p = forward_pool(call);
    reel_kern_max_pool_back(&p, g, call->out[1]->data, add, target, reel_get_num_threads(call->context));
    return REEL_OK;
}

static reel_cost max_pool_cost(const reel_call *call)
{
    return cost_of(call, call->in[0], call->out[0], sizeof(reel_real) + sizeof(int64_t));
}

/* The node counts places in all of x. */
static reel_status max_pool_onnx(const reel_call *call, reel_onnx *to)
{
    const struct reel_pool p = forward_pool(call);
    reel_onnx_value outputs[2];
    for (int k = 0; k < 2; k++) {
        if (!pool_onnx_window(call, to, &p, true, true))
            return call->context->status;
        reel_onnx_take_output(to, k);
        outputs[k] = REEL_ONNX_NODE(to, "MaxPool", reel_onnx_input(to, 0));
    }
    reel_onnx_value area = reel_onnx_number(to, REEL_INT64, (double)(p.x_size[0] * p.x_size[1]));
    reel_onnx_set_output(to, 0, outputs[0]);
    return reel_onnx_set_output(to, 1, REEL_ONNX_NODE(to, "Mod", outputs[1], area));
}

static const reel_op max_pool_op = {
    .name = "max_pool",
    .n_inputs = 1,
    .n_outputs = 2,
    .differentiable = 1,
    .attributes_size = sizeof(struct pool_attributes),
    .shape = max_pool_shape,
    .forward = max_pool_forward,
    .vjp = max_pool_vjp,
    .accumulate = max_pool_accumulate,
    .cost = max_pool_cost,
    .onnx = max_pool_onnx,
};

/* ---- avg_pool, and its transpose ---- */

static const reel_op avg_pool_op, avg_pool_backward_op;

static reel_status check_divisor(reel_call *call)
{
    const struct pool_attributes *a = call->attributes;
    for (int i = 0; i < a->axes && !a->adaptive; i++)
        if (a->dilation[i] != 1)
            return reel_fail(call->context, REEL_ERROR_ARGUMENT, "%s: dilation is for max pools", call->op->name);
    if (a->divisor < 0)
        return reel_fail(call->context, REEL_ERROR_ARGUMENT, "%s: divisor_override is %lld, not 0 or more",
                         call->op->name, (long long)a->divisor);
    return REEL_OK;
}

static reel_status avg_pool_shape(reel_call *call)
{
    return pool_shape(call, false) == REEL_OK ? check_divisor(call) : call->context->status;
}

static reel_status avg_pool_backward_shape(reel_call *call)
{
    return pool_shape(call, true) == REEL_OK ? check_divisor(call) : call->context->status;
}

static reel_status avg_pool_forward(reel_call *call)
{
    const struct reel_pool p = forward_pool(call);
    reel_kern_average_pool(&p, call->in[0]->data, call->out[0]->data, reel_get_num_threads(call->context));
    return REEL_OK;
}

static reel_status avg_pool_backward_forward(reel_call *call)
{
    const struct reel_pool p = pool_of(call->attributes, &call->out[0]->shape, &call->in[0]->shape);
    reel_kern_average_pool_back(&p, call->in[0]->data, false, call->out[0]->data, reel_get_num_threads(call->context));
    return REEL_OK;
}

static void avg_pool_vjp(const reel_call *call, const reel_var *grad_outputs, reel_var *grad_inputs)
{
    const struct pool_attributes a = for_sizes(call, call->in[0]);
    grad_inputs[0] = reel_apply1(call->tape, &avg_pool_backward_op, grad_outputs, 1, &a);
}

static void avg_pool_backward_vjp(const reel_call *call, const reel_var *grad_outputs, reel_var *grad_inputs)
{
    const struct pool_attributes a = for_sizes(call, call->in[0]);
    grad_inputs[0] = reel_apply1(call->tape, &avg_pool_op, grad_outputs, 1, &a);
}

static reel_status avg_pool_accumulate(const reel_call *call, const reel_gradient *grad_outputs,
                                       reel_sink *const *sinks)
{
    bool add;
    const reel_real *g = reel_gradient_contiguous(call, &grad_outputs[0]);
    reel_real *target = g ? reel_sink_target(sinks[0], &add) : NULL;
    if (!target)
        return call->context->status;
    const struct reel_pool p = forward_pool(call);
    reel_kern_average_pool_back(&p, g, add, target, reel_get_num_threads(call->context));
    return REEL_OK;
}

static reel_cost avg_pool_cost(const reel_call *call)
{
    return cost_of(call, call->in[0], call->out[0], sizeof(reel_real));
}

static reel_cost avg_pool_backward_cost(const reel_call *call)
{
    return cost_of(call, call->out[0], call->in[0], sizeof(reel_real));
}

/* Zeros at both ends; `whole`: so many behind, too, that the last window is whole. */
static reel_onnx_value pool_onnx_zeros(const reel_call *call, reel_onnx *to, const struct reel_pool *p, bool whole)
{
    const struct pool_attributes *a = call->attributes;
    int64_t pads[8] = {0};
    bool any = false;
    for (int i = 0; i < a->axes; i++) {
        const int k = 2 - a->axes + i;
        int64_t beyond = (p->y_size[k] - 1) * p->stride[k] + p->kernel[k] - (p->x_size[k] + 2 * p->padding[k]);
        pads[2 + i] = p->padding[k];
        pads[a->axes + 4 + i] = p->padding[k] + (whole && beyond > 0 ? beyond : 0);
        any = any || pads[a->axes + 4 + i] > 0;
    }
    if (!any)
        return reel_onnx_input(to, 0);
    return REEL_ONNX_NODE(to, "Pad", reel_onnx_input(to, 0), reel_onnx_int64s(to, pads, 2 * (a->axes + 2)));
}

/* What counts becomes zeros of the input, so that the node counts the rest only. */
static reel_status avg_pool_onnx(const reel_call *call, reel_onnx *to)
{
    const struct pool_attributes *a = call->attributes;
    struct reel_pool p = forward_pool(call);
    reel_onnx_value x = reel_onnx_input(to, 0);
    if (!a->adaptive && (a->count_padding || a->divisor > 0)) {
        x = pool_onnx_zeros(call, to, &p, a->divisor > 0);
        for (int k = 0; k < 2; k++) {
            int64_t beyond = (p.y_size[k] - 1) * p.stride[k] + p.kernel[k] - (p.x_size[k] + 2 * p.padding[k]);
            p.x_size[k] += 2 * p.padding[k] + (a->divisor > 0 && beyond > 0 ? beyond : 0);
            p.padding[k] = 0;
        }
    }
    if (!pool_onnx_window(call, to, &p, true, false))
        return call->context->status;
    reel_onnx_value y = REEL_ONNX_NODE(to, "AveragePool", x);
    if (a->divisor > 0) {
        double window = a->adaptive ? (double)(p.x_size[0] / p.y_size[0]) * (double)(p.x_size[1] / p.y_size[1])
                                    : (double)p.kernel[0] * (double)p.kernel[1];
        y = REEL_ONNX_NODE(to, "Mul", y, reel_onnx_number(to, REEL_REAL, window / (double)a->divisor));
    }
    return reel_onnx_set_output(to, 0, y);
}

static const reel_op avg_pool_op = {
    .name = "avg_pool",
    .n_inputs = 1,
    .n_outputs = 1,
    .differentiable = 1,
    .attributes_size = sizeof(struct pool_attributes),
    .shape = avg_pool_shape,
    .forward = avg_pool_forward,
    .vjp = avg_pool_vjp,
    .accumulate = avg_pool_accumulate,
    .cost = avg_pool_cost,
    .onnx = avg_pool_onnx,
};
static const reel_op avg_pool_backward_op = {
    .name = "avg_pool_backward",
    .n_inputs = 1,
    .n_outputs = 1,
    .differentiable = 1,
    .attributes_size = sizeof(struct pool_attributes),
    .shape = avg_pool_backward_shape,
    .forward = avg_pool_backward_forward,
    .vjp = avg_pool_backward_vjp,
    .cost = avg_pool_backward_cost,
};

/* ---- What users call ---- */

reel_pool_options reel_pool_defaults(void)
{
    return (reel_pool_options){.mark = REEL_OPTIONS_MARK(reel_pool_options),
                               .stride = {0, -1},
                               .padding = {0, -1},
                               .dilation = {1, -1},
                               .count_include_pad = true};
}

static struct pool_attributes attributes_of(int axes, const int64_t *kernel, const reel_pool_options *o)
{
    struct pool_attributes a = {.axes = axes, .count_padding = o->count_include_pad, .divisor = o->divisor_override};
    for (int i = 0; i < 2; i++) {
        a.kernel[i] = kernel[i];
        a.stride[i] = o->stride[i];
        a.padding[i] = o->padding[i];
        a.dilation[i] = o->dilation[i];
    }
    return a;
}

reel_status reel_pool_take_options(reel_context *context, const char *name, int axes, const int64_t *kernel,
                                   const reel_pool_options *given, reel_pool_options *o)
{
    *o = reel_pool_defaults();
    if (reel_options_take(context, "pool", given, o) != REEL_OK)
        return reel_context_status(context);
    int64_t *const pairs[] = {o->stride, o->padding, o->dilation};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (pairs[i][1] == -1)
            pairs[i][1] = pairs[i][0];
    for (int i = 0; i < 2; i++)
        o->stride[i] = o->stride[i] == 0 ? kernel[i] : o->stride[i];
    const struct pool_attributes a = attributes_of(axes, kernel, o);
    return check_attributes(context, name, &a);
}

/* The number of windows along an axis; less than 1 where there is none. */
static int64_t count_windows(const struct pool_attributes *a, int i, int64_t from, bool ceil_mode)
{
    int64_t room = from + 2 * a->padding[i] - a->dilation[i] * (a->kernel[i] - 1) - 1;
    if (room < 0 && (!ceil_mode || room <= -a->stride[i]))
        return 0;
    int64_t count = (room + (ceil_mode ? a->stride[i] - 1 : 0)) / a->stride[i] + 1;
    return ceil_mode && (count - 1) * a->stride[i] >= from + a->padding[i] ? count - 1 : count;
}

/* a, but for the size unless it is adaptive, where 0 stands for that of x. x may lack the batch. */
static reel_var apply_pool(reel_tape *tape, const char *name, const reel_op *op, reel_var x, struct pool_attributes a,
                           bool ceil_mode, reel_var *indices)
{
    reel_context *c = reel_tape_context(tape);
    reel_shape shape = reel_shape_of(tape, x);
    reel_var out[2] = {reel_null(), reel_null()};
    char text[REEL_SHAPE_TEXT];
    if (indices)
        *indices = reel_null();
    if (shape.ndim < 0 || check_attributes(c, name, &a) != REEL_OK)
        return reel_null();
    const bool batched = shape.ndim != a.axes + 1;
    if (!batched) {
        for (int i = shape.ndim++; i > 0; i--)
            shape.dim[i] = shape.dim[i - 1];
        shape.dim[0] = 1;
        x = reel_reshape(tape, x, shape);
    }
    bool fits = shape.ndim == a.axes + 2;
    for (int i = 0; i < a.axes && fits; i++) {
        const int64_t from = shape.dim[2 + i];
        if (a.adaptive)
            a.size[i] = a.size[i] == 0 ? from : a.size[i];
        else
            a.size[i] = from <= LARGEST ? count_windows(&a, i, from, ceil_mode) : 0;
        fits = from > 0 && a.size[i] > 0;
    }
    if (!fits) {
        reel_fail(c, REEL_ERROR_SHAPE, "%s: x is %s; it must have %d axes, or one less, and room for a window", name,
                  reel_shape_text(&shape, text), a.axes + 2);
        return reel_null();
    }
    reel_apply(tape, op, &x, 1, &a, out);
    for (int i = 0; i < op->n_outputs && !batched && !reel_is_null(out[0]); i++)
        out[i] = reel_squeeze(tape, out[i], 0);
    if (indices)
        *indices = out[1];
    return out[0];
}

static reel_var window_pool(reel_tape *tape, const char *name, const reel_op *op, reel_var x, int axes, int64_t height,
                            int64_t width, const reel_pool_options *options, reel_var *indices)
{
    const int64_t kernel[] = {height, width};
    reel_pool_options o;
    if (indices)
        *indices = reel_null();
    if (reel_pool_take_options(reel_tape_context(tape), name, axes, kernel, options, &o) != REEL_OK)
        return reel_null();
    return apply_pool(tape, name, op, x, attributes_of(axes, kernel, &o), o.ceil_mode, indices);
}

static reel_var adaptive_pool(reel_tape *tape, const char *name, const reel_op *op, reel_var x, int axes,
                              int64_t height, int64_t width, reel_var *indices)
{
    const struct pool_attributes a = {.axes = axes, .adaptive = true, .size = {height, width}};
    return apply_pool(tape, name, op, x, a, false, indices);
}

reel_var reel_max_pool1d(reel_tape *tape, reel_var x, int64_t kernel_size, const reel_pool_options *options,
                         reel_var *indices)
{
    return window_pool(tape, "max_pool1d", &max_pool_op, x, 1, kernel_size, 1, options, indices);
}

reel_var reel_max_pool2d(reel_tape *tape, reel_var x, int64_t kernel_height, int64_t kernel_width,
                         const reel_pool_options *options, reel_var *indices)
{
    return window_pool(tape, "max_pool2d", &max_pool_op, x, 2, kernel_height, kernel_width, options, indices);
}

reel_var reel_avg_pool1d(reel_tape *tape, reel_var x, int64_t kernel_size, const reel_pool_options *options)
{
    return window_pool(tape, "avg_pool1d", &avg_pool_op, x, 1, kernel_size, 1, options, NULL);
}

reel_var reel_avg_pool2d(reel_tape *tape, reel_var x, int64_t kernel_height, int64_t kernel_width,
                         const reel_pool_options *options)
{
    return window_pool(tape, "avg_pool2d", &avg_pool_op, x, 2, kernel_height, kernel_width, options, NULL);
}

reel_var reel_adaptive_max_pool1d(reel_tape *tape, reel_var x, int64_t size, reel_var *indices)
{
    return adaptive_pool(tape, "adaptive_max_pool1d", &max_pool_op, x, 1, size, 0, indices);
}

reel_var reel_adaptive_max_pool2d(reel_tape *tape, reel_var x, int64_t height, int64_t width, reel_var *indices)
{
    return adaptive_pool(tape, "adaptive_max_pool2d", &max_pool_op, x, 2, height, width, indices);
}

reel_var reel_adaptive_avg_pool1d(reel_tape *tape, reel_var x, int64_t size)
{
    return adaptive_pool(tape, "adaptive_avg_pool1d", &avg_pool_op, x, 1, size, 0, NULL);
}

reel_var reel_adaptive_avg_pool2d(reel_tape *tape, reel_var x, int64_t height, int64_t width)
{
    return adaptive_pool(tape, "adaptive_avg_pool2d", &avg_pool_op, x, 2, height, width, NULL);
}
#else
#define PAIR(a, b)                                                                                                     \
    {                                                                                                                  \
        a, b                                                                                                           \
    }
/* axes, kernel, stride, padding, dilation, size */
#define POOL(name, axes_, kernel_, stride_, padding_, dilation_, size_, ...)                                           \
    static const struct pool_attributes name = {.axes = axes_,                                                         \
                                                .kernel = PAIR kernel_,                                                \
                                                .stride = PAIR stride_,                                                \
                                                .padding = PAIR padding_,                                              \
                                                .dilation = PAIR dilation_,                                            \
                                                .size = PAIR size_,                                                    \
                                                __VA_ARGS__}
#define ADAPTIVE(name, axes_, size_)                                                                                   \
    static const struct pool_attributes name = {.axes = axes_, .adaptive = true, .size = PAIR size_}
/* To `size_`, and back from there. */
#define BOTH(name, axes, kernel, stride, padding, size, from, ...)                                                     \
    POOL(name, axes, kernel, stride, padding, (1, 1), size, __VA_ARGS__);                                              \
    POOL(name##_back, axes, kernel, stride, padding, (1, 1), from, __VA_ARGS__)

BOTH(line, 1, (2, 0), (2, 0), (0, 0), (3, 0), (7, 0), .count_padding = true);
BOTH(line_ceil, 1, (2, 0), (2, 0), (0, 0), (4, 0), (7, 0), .count_padding = true);
BOTH(line_overlaps, 1, (3, 0), (1, 0), (1, 0), (5, 0), (5, 0), .count_padding = true);
BOTH(line_without, 1, (3, 0), (2, 0), (1, 0), (3, 0), (6, 0), .count_padding = false);
BOTH(line_apart, 1, (2, 0), (3, 0), (0, 0), (2, 0), (6, 0), .count_padding = true);
BOTH(plane, 2, (2, 2), (2, 2), (0, 0), (2, 3), (4, 6), .count_padding = true);
BOTH(plane_uneven, 2, (3, 2), (2, 1), (1, 0), (3, 4), (5, 5), .count_padding = true);
BOTH(plane_ceil, 2, (3, 3), (2, 2), (1, 1), (4, 3), (6, 4), .count_padding = true);
BOTH(plane_ceil_without, 2, (3, 3), (2, 2), (1, 1), (4, 3), (6, 4), .count_padding = false);
BOTH(plane_divided, 2, (2, 3), (1, 2), (1, 1), (5, 3), (4, 5), .count_padding = true, .divisor = 5);
BOTH(plane_ceil_divided, 2, (3, 3), (2, 2), (1, 1), (4, 3), (6, 4), .count_padding = true, .divisor = 7);
ADAPTIVE(to_two, 1, (2, 0));
ADAPTIVE(to_three, 1, (3, 0));
ADAPTIVE(to_five, 1, (5, 0));
ADAPTIVE(to_one, 2, (1, 1));
ADAPTIVE(to_plane, 2, (3, 4));
ADAPTIVE(back_to_six, 1, (6, 0));
ADAPTIVE(back_to_plane, 2, (4, 6));
POOL(dilated, 1, (2, 0), (1, 0), (1, 0), (2, 0), (5, 0), .adaptive = false);
POOL(plane_dilated, 2, (2, 3), (2, 1), (0, 1), (3, 1), (2, 4), .adaptive = false);
POOL(no_kernel, 1, (0, 0), (1, 0), (0, 0), (1, 0), (3, 0), .adaptive = false);
POOL(no_stride, 1, (2, 0), (0, 0), (0, 0), (1, 0), (3, 0), .adaptive = false);
POOL(much_padding, 1, (3, 0), (1, 0), (2, 0), (1, 0), (5, 0), .adaptive = false);
POOL(too_many, 1, (2, 0), (2, 0), (0, 0), (1, 0), (5, 0), .adaptive = false);
POOL(beside, 1, (2, 0), (1, 0), (1, 0), (3, 0), (1, 0), .adaptive = false);
POOL(three_axes, 3, (2, 2), (1, 1), (0, 0), (1, 1), (2, 2), .adaptive = false);
POOL(divisor_below, 1, (2, 0), (2, 0), (0, 0), (1, 0), (3, 0), .divisor = -1);
ADAPTIVE(to_nothing, 1, (0, 0));

#define POOL_SAMPLES(INPUT)                                                                                            \
    GOOD("a line", &line, INPUT(2, 3, 7)), GOOD("a line, and what is left", &line_ceil, INPUT(2, 2, 7)),               \
        GOOD("windows that overlap", &line_overlaps, INPUT(2, 2, 5)),                                                  \
        GOOD("padding that does not count", &line_without, INPUT(1, 2, 6)),                                            \
        GOOD("elements in no window", &line_apart, INPUT(2, 1, 6)), GOOD("a plane", &plane, INPUT(2, 2, 4, 6)),        \
        GOOD("axes that differ", &plane_uneven, INPUT(1, 2, 5, 5)),                                                    \
        GOOD("a plane, and what is left", &plane_ceil, INPUT(1, 2, 6, 4)),                                             \
        GOOD("of two padded ends one does not count", &plane_ceil_without, INPUT(1, 2, 6, 4)),                         \
        GOOD("a divisor", &plane_divided, INPUT(1, 2, 4, 5)),                                                          \
        GOOD("a divisor, and what is left", &plane_ceil_divided, INPUT(1, 1, 6, 4)),                                   \
        GOOD("adaptive, windows alike", &to_two, INPUT(2, 2, 6)),                                                      \
        GOOD("adaptive, windows that overlap", &to_five, INPUT(2, 1, 7)),                                              \
        GOOD("adaptive, to more", &to_three, INPUT(1, 2, 2)), GOOD("adaptive, of all", &to_one, INPUT(2, 3, 3, 4)),    \
        GOOD("adaptive, a plane", &to_plane, INPUT(1, 2, 5, 7)), GOOD("an empty batch", &line, INPUT(0, 3, 7))
#define POOL_REFUSED                                                                                                   \
    REFUSED("no kernel", REEL_ERROR_ARGUMENT, &no_kernel, REAL(2, 2, 6)),                                              \
        REFUSED("no stride", REEL_ERROR_ARGUMENT, &no_stride, REAL(2, 2, 6)),                                          \
        REFUSED("more padding than half", REEL_ERROR_ARGUMENT, &much_padding, REAL(2, 2, 6)),                          \
        REFUSED("three axes", REEL_ERROR_ARGUMENT, &three_axes, REAL(2, 2, 6)),                                        \
        REFUSED("too few axes", REEL_ERROR_SHAPE, &line, REAL(2, 7)),                                                  \
        REFUSED("windows behind the end", REEL_ERROR_SHAPE, &too_many, REAL(2, 2, 6)),                                 \
        REFUSED("to nothing", REEL_ERROR_SHAPE, &to_nothing, REAL(2, 2, 6)),                                           \
        REFUSED("nothing", REEL_ERROR_SHAPE, &to_two, REAL(2, 2, 0)),                                                  \
        REFUSED("integers", REEL_ERROR_DTYPE, &line, INDEX(3, 2, 2, 7))
#define DISTINCT(...) APART(0.01, __VA_ARGS__)
static const reel_sample max_pool_samples[] = {
    POOL_SAMPLES(DISTINCT), GOOD("dilation", &dilated, DISTINCT(2, 2, 5)),
    GOOD("a plane with dilation", &plane_dilated, DISTINCT(1, 2, 6, 4)), POOL_REFUSED,
    REFUSED("a window beside the input", REEL_ERROR_SHAPE, &beside, REAL(2, 2, 2))};
static const reel_sample avg_pool_samples[] = {
    POOL_SAMPLES(REAL), POOL_REFUSED, REFUSED("dilation", REEL_ERROR_ARGUMENT, &dilated, REAL(2, 2, 5)),
    REFUSED("a negative divisor", REEL_ERROR_ARGUMENT, &divisor_below, REAL(2, 2, 6))};
static const reel_sample avg_pool_backward_samples[] = {
    GOOD("a line", &line_back, REAL(2, 3, 3)),
    GOOD("a line, and what is left", &line_ceil_back, REAL(2, 2, 4)),
    GOOD("windows that overlap", &line_overlaps_back, REAL(2, 2, 5)),
    GOOD("padding that does not count", &line_without_back, REAL(1, 2, 3)),
    GOOD("elements in no window", &line_apart_back, REAL(2, 1, 2)),
    GOOD("a plane", &plane_back, REAL(2, 2, 2, 3)),
    GOOD("axes that differ", &plane_uneven_back, REAL(1, 2, 3, 4)),
    GOOD("a plane, and what is left", &plane_ceil_back, REAL(1, 2, 4, 3)),
    GOOD("of two padded ends one does not count", &plane_ceil_without_back, REAL(1, 2, 4, 3)),
    GOOD("a divisor", &plane_divided_back, REAL(1, 2, 5, 3)),
    GOOD("a divisor, and what is left", &plane_ceil_divided_back, REAL(1, 1, 4, 3)),
    GOOD("adaptive", &back_to_six, REAL(2, 2, 4)),
    GOOD("adaptive, a plane", &back_to_plane, REAL(1, 2, 3, 4)),
    GOOD("an empty batch", &line_back, REAL(0, 3, 3)),
    REFUSED("windows behind the end", REEL_ERROR_SHAPE, &line_back, REAL(2, 2, 5)),
    REFUSED("no kernel", REEL_ERROR_ARGUMENT, &no_kernel, REAL(2, 2, 6)),
    REFUSED("dilation", REEL_ERROR_ARGUMENT, &dilated, REAL(2, 2, 5)),
    REFUSED("integers", REEL_ERROR_DTYPE, &line_back, INDEX(3, 2, 2, 3)),
};
SAMPLES(max_pool, max_pool_samples);
SAMPLES(avg_pool, avg_pool_samples, .ulps = 1, .why = "terms of a sum may cancel");
SAMPLES(avg_pool_backward, avg_pool_backward_samples, .ulps = 1, .why = "terms of a sum may cancel");
#endif

REEL_OP_FAMILY(pool, ROW(max_pool), ROW(avg_pool), ROW(avg_pool_backward));
