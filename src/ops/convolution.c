/* Convolutions: three operations, each of which is a partial derivative of the two others. */
#include "kern/convolution.h"

#include "base/checked.h"
#include "core/sink.h"
#include "core/tape.h"
#include "kern/reduce.h"
#include "ops/convolution.h"
#include "ops/family.h"

#include <reel/pad.h>
#include <reel/reduce.h>
#include <reel/view.h>

/* The form of kern/convolution.h is linear in x, w and y. Its derivative by y is a convolution, that by x a transposed
 * one, and that by w what a convolution's weight gets; the rule of each consists of the two others, to any order. Sizes
 * of the result are attributes: a stride leaves several possible ones. */
struct conv_attributes {
    int axes; /* 1 or 2 */
    int64_t stride[2], padding[2], dilation[2];
    int64_t size[2]; /* of the result: of y, of x, or of the kernel */
    int64_t groups;
};

#ifndef REEL_SAMPLES
enum { LARGEST = INT32_MAX };

/* Rules name each other's operations, and so do errors. */
static const reel_op conv_op, conv_transpose_op, conv_transpose_bias_op, conv_weight_op;

/* The last two axes of a shape as two sizes. */
static void sizes_of(const reel_shape *shape, int axes, int64_t *size)
{
    size[0] = axes == 2 ? shape->dim[2] : 1;
    size[1] = shape->dim[1 + axes];
}

/* In one dimension the attributes' only axis is the row of two. */
static void pair_of(const int64_t *given, int axes, int64_t none, int64_t *pair)
{
    pair[0] = axes == 2 ? given[0] : none;
    pair[1] = given[axes - 1];
}

static struct reel_convolution convolution_of(const struct conv_attributes *a, const reel_shape *x, const reel_shape *y,
                                              const reel_shape *w)
{
    struct reel_convolution c = {.images = x->dim[0], .groups = a->groups};
    c.in = w->dim[1];
    c.out = w->dim[0] / a->groups;
    sizes_of(x, a->axes, c.x_size);
    sizes_of(y, a->axes, c.y_size);
    sizes_of(w, a->axes, c.kernel);
    pair_of(a->stride, a->axes, 1, c.stride);
    pair_of(a->dilation, a->axes, 1, c.dilation);
    pair_of(a->padding, a->axes, 0, c.padding);
    return c;
}

/* What users call, where there is one. */
static const char *name_of(const reel_call *call)
{
    static const char *const names[2][2] = {{"conv1d", "conv2d"}, {"conv_transpose1d", "conv_transpose2d"}};
    const struct conv_attributes *a = call->attributes;
    if ((a->axes != 1 && a->axes != 2) || call->op == &conv_weight_op)
        return call->op->name;
    return names[call->op == &conv_transpose_op || call->op == &conv_transpose_bias_op][a->axes - 1];
}

static reel_status expect_axes(reel_call *call, int k, const char *name, int ndim)
{
    char text[REEL_SHAPE_TEXT];
    if (reel_expect_real(call, k, name) != REEL_OK)
        return call->context->status;
    const reel_shape *shape = &call->in[k]->shape;
    if (shape->ndim != ndim)
        return reel_fail(call->context, REEL_ERROR_SHAPE, "%s: %s is %s, it must have %d axes", name_of(call), name,
                         reel_shape_text(shape, text), ndim);
    for (int i = 2; i < ndim; i++)
        if (shape->dim[i] > LARGEST)
            return reel_fail(call->context, REEL_ERROR_SHAPE, "%s: %s is %s, a size must be below 2^31", name_of(call),
                             name, reel_shape_text(shape, text));
    return REEL_OK;
}

/* Attributes, and the first two inputs. */
static reel_status expect_inputs(reel_call *call, const char *first, const char *second)
{
    const struct conv_attributes *a = call->attributes;
    const char *name = name_of(call);
    if (a->axes != 1 && a->axes != 2)
        return reel_fail(call->context, REEL_ERROR_ARGUMENT, "%s: %d dimensions, not 1 or 2", name, a->axes);
    if (a->groups < 1)
        return reel_fail(call->context, REEL_ERROR_ARGUMENT, "%s: groups is %lld, not 1 or more", name,
                         (long long)a->groups);
    for (int i = 0; i < a->axes; i++) {
        const struct {
            const char *what;
            int64_t value, least;
        } all[] = {{"stride", a->stride[i], 1},
                   {"dilation", a->dilation[i], 1},
                   {"padding", a->padding[i], 0},
                   {"size", a->size[i], 0}};
        for (size_t k = 0; k < sizeof all / sizeof *all; k++)
            if (all[k].value < all[k].least || all[k].value > LARGEST)
                return reel_fail(call->context, REEL_ERROR_ARGUMENT, "%s: %s is %lld, not %lld or more and below 2^31",
                                 name, all[k].what, (long long)all[k].value, (long long)all[k].least);
    }
    if (expect_axes(call, 0, first, 2 + a->axes) != REEL_OK)
        return call->context->status;
    return expect_axes(call, 1, second, 2 + a->axes);
}

/* The channels of input k. */
static reel_status expect_channels(const reel_call *call, int k, const char *name, int64_t channels)
{
    char text[REEL_SHAPE_TEXT], weight[REEL_SHAPE_TEXT];
    if (call->in[k]->shape.dim[1] == channels)
        return REEL_OK;
    return reel_fail(call->context, REEL_ERROR_SHAPE, "%s: %s is %s, weight %s takes %lld channels", name_of(call),
                     name, reel_shape_text(&call->in[k]->shape, text), reel_shape_text(&call->in[1]->shape, weight),
                     (long long)channels);
}

static reel_status expect_bias(reel_call *call, int64_t channels)
{
    char text[REEL_SHAPE_TEXT];
    if (call->n_inputs < 3)
        return REEL_OK;
    if (reel_expect_real(call, 2, "bias") != REEL_OK)
        return call->context->status;
    const reel_shape *bias = &call->in[2]->shape;
    if (bias->ndim != 1 || bias->dim[0] != channels)
        return reel_fail(call->context, REEL_ERROR_SHAPE, "%s: bias is %s, there are %lld output channels",
                         name_of(call), reel_shape_text(bias, text), (long long)channels);
    return REEL_OK;
}

static reel_status expect_groups(const reel_call *call, const char *what, int64_t channels)
{
    const struct conv_attributes *a = call->attributes;
    if (channels % a->groups != 0)
        return reel_fail(call->context, REEL_ERROR_SHAPE, "%s: %lld %s channels are no multiple of %lld groups",
                         name_of(call), (long long)channels, what, (long long)a->groups);
    return REEL_OK;
}

static void set_result(reel_call *call, int64_t first, int64_t second)
{
    const struct conv_attributes *a = call->attributes;
    call->out[0]->dtype = REEL_REAL;
    call->out[0]->shape = (reel_shape){2 + a->axes, {first, second, a->size[0], a->size[1]}};
}

static reel_real *room_for(const reel_call *call, const struct reel_convolution *c)
{
    int64_t count = reel_kern_convolution_room(c, reel_get_num_threads(call->context));
    size_t bytes;
    if (!reel_multiply_size(count, sizeof(reel_real), &bytes))
        bytes = SIZE_MAX;
    return reel_call_temporary(call, bytes);
}

/* Which of the three an operation is: what it computes from two inputs. */
enum form { FORM_Y, FORM_X, FORM_W };

/* c and the form: from `a` and `b` in the order of the inputs, into `to`. */
static reel_status compute(const reel_call *call, const struct reel_convolution *c, enum form form, const reel_real *a,
                           const reel_real *b, const reel_real *bias, bool add, reel_real *to)
{
    int threads = reel_get_num_threads(call->context);
    reel_real *room = room_for(call, c);
    if (!room)
        return call->context->status;
    if (form == FORM_Y)
        reel_kern_convolution(c, a, b, bias, add, to, room, threads);
    else if (form == FORM_X)
        reel_kern_convolution_input(c, a, b, bias, add, to, room, threads);
    else
        reel_kern_convolution_weight(c, a, b, add, to, room, threads);
    return REEL_OK;
}

static reel_status accumulate(const reel_call *call, const struct reel_convolution *c, enum form form,
                              const reel_real *a, const reel_real *b, reel_sink *sink)
{
    bool add;
    reel_real *target = sink ? reel_sink_target(sink, &add) : NULL;
    return target ? compute(call, c, form, a, b, NULL, add, target) : call->context->status;
}

/* Sums of a gradient [images, channels, ...] over all but the channels. */
static reel_status accumulate_bias(const reel_call *call, const reel_real *grad, reel_sink *sink)
{
    bool add;
    const reel_shape *shape = &call->out[0]->shape;
    reel_real *target = sink ? reel_sink_target(sink, &add) : NULL;
    if (!target)
        return call->context->status;
    const struct reel_kern_reduction sum = {.combine = REEL_KERN_SUM, .divisor = 1, .add = add};
    reel_kern_reduce(shape, shape->ndim == 4 ? 13 : 5, grad, &sum, target, reel_get_num_threads(call->context));
    return REEL_OK;
}

static reel_var bias_vjp(const reel_call *call, reel_var grad)
{
    static const int axes[] = {0, 2, 3};
    return reel_sum(call->tape, grad, axes, call->out[0]->shape.ndim - 1, false);
}

/* The attributes for an operation whose result has the sizes of `like`. */
static struct conv_attributes for_sizes(const reel_call *call, const reel_array *like)
{
    struct conv_attributes a = *(const struct conv_attributes *)call->attributes;
    for (int i = 0; i < a.axes; i++)
        a.size[i] = like->shape.dim[2 + i];
    return a;
}

static reel_cost cost_of(const reel_call *call, const struct reel_convolution *c)
{
    double terms = 1, elements = (double)call->out[0]->numel;
    const int64_t factors[] = {c->images,    c->groups,    c->in,        c->out,
                               c->y_size[0], c->y_size[1], c->kernel[0], c->kernel[1]};
    for (size_t i = 0; i < sizeof factors / sizeof *factors; i++)
        terms *= (double)factors[i];
    for (int k = 0; k < call->n_inputs; k++)
        elements += (double)call->in[k]->numel;
    return (reel_cost){.flops = 2 * terms, .bytes = elements * (double)sizeof(reel_real)};
}

static const reel_real *bias_of(const reel_call *call)
{
    return call->n_inputs == 3 ? call->in[2]->data : NULL;
}

static reel_var apply(const reel_call *call, const reel_op *op, reel_var a, reel_var b, const reel_array *like)
{
    const reel_var inputs[] = {a, b};
    const struct conv_attributes attributes = for_sizes(call, like);
    return reel_apply1(call->tape, op, inputs, 2, &attributes);
}

/* ---- conv: x and w to y ---- */

static struct reel_convolution conv_of(const reel_call *call)
{
    return convolution_of(call->attributes, &call->in[0]->shape, &call->out[0]->shape, &call->in[1]->shape);
}

static reel_status conv_shape(reel_call *call)
{
    const struct conv_attributes *a = call->attributes;
    if (expect_inputs(call, "x", "weight") != REEL_OK)
        return call->context->status;
    const reel_shape *x = &call->in[0]->shape, *w = &call->in[1]->shape;
    int64_t channels;
    if (!reel_multiply_int64(w->dim[1], a->groups, &channels))
        channels = -1;
    if (expect_groups(call, "output", w->dim[0]) != REEL_OK || expect_channels(call, 0, "x", channels) != REEL_OK ||
        expect_bias(call, w->dim[0]) != REEL_OK)
        return call->context->status;
    set_result(call, x->dim[0], w->dim[0]);
    return REEL_OK;
}

static reel_status conv_forward(reel_call *call)
{
    const struct reel_convolution c = conv_of(call);
    return compute(call, &c, FORM_Y, call->in[0]->data, call->in[1]->data, bias_of(call), false, call->out[0]->data);
}

static void conv_vjp(const reel_call *call, const reel_var *grad_outputs, reel_var *grad_inputs)
{
    reel_var g = grad_outputs[0];
    if (call->needed[0])
        grad_inputs[0] = apply(call, &conv_transpose_op, g, call->inputs[1], call->in[0]);
    if (call->needed[1])
        grad_inputs[1] = apply(call, &conv_weight_op, call->inputs[0], g, call->in[1]);
    if (call->n_inputs == 3 && call->needed[2])
        grad_inputs[2] = bias_vjp(call, g);
}

static reel_status conv_accumulate(const reel_call *call, const reel_gradient *grad_outputs, reel_sink *const *sinks)
{
    const struct reel_convolution c = conv_of(call);
    const reel_real *g = reel_gradient_contiguous(call, &grad_outputs[0]);
    if (!g || accumulate(call, &c, FORM_X, g, call->in[1]->data, sinks[0]) != REEL_OK ||
        accumulate(call, &c, FORM_W, call->in[0]->data, g, sinks[1]) != REEL_OK)
        return call->context->status;
    return call->n_inputs == 3 ? accumulate_bias(call, g, sinks[2]) : REEL_OK;
}

static reel_cost conv_cost(const reel_call *call)
{
    const struct reel_convolution c = conv_of(call);
    return cost_of(call, &c);
}

/* Attributes of a node, whose result is `least` along each axis but for padding behind, which only a transposed one
 * has. */
static reel_status conv_onnx_form(const reel_call *call, reel_onnx *to, const char *node, const int64_t *least)
{
    const struct conv_attributes *a = call->attributes;
    int64_t pads[4], padding_behind[2] = {0, 0};
    bool any = false, empty = false;
    for (int i = 0; i < a->axes; i++) {
        pads[i] = pads[a->axes + i] = a->padding[i];
        padding_behind[i] = a->size[i] - least[i];
        any = any || padding_behind[i] != 0;
        empty = empty || a->size[i] == 0;
    }
    if (empty || (any && call->op != &conv_transpose_op && call->op != &conv_transpose_bias_op))
        return reel_fail(call->context, REEL_ERROR_ARGUMENT,
                         "save_onnx: %s has an ONNX form where there is a result and all of x is read for it",
                         name_of(call));
    reel_onnx_value in[3];
    for (int k = 0; k < call->n_inputs; k++)
        in[k] = reel_onnx_input(to, k);
    reel_onnx_set_ints(to, "pads", pads, 2 * a->axes);
    reel_onnx_set_ints(to, "strides", a->stride, a->axes);
    reel_onnx_set_ints(to, "dilations", a->dilation, a->axes);
    reel_onnx_set_int(to, "group", a->groups);
    if (any)
        reel_onnx_set_ints(to, "output_padding", padding_behind, a->axes);
    return reel_onnx_set_output(to, 0, reel_onnx_node(to, node, in, call->n_inputs));
}

static reel_status conv_onnx(const reel_call *call, reel_onnx *to)
{
    const struct conv_attributes *a = call->attributes;
    int64_t least[2];
    for (int i = 0; i < a->axes; i++) {
        int64_t kernel = a->dilation[i] * (call->in[1]->shape.dim[2 + i] - 1) + 1;
        least[i] = (call->in[0]->shape.dim[2 + i] + 2 * a->padding[i] - kernel) / a->stride[i] + 1;
    }
    return conv_onnx_form(call, to, "Conv", least);
}

#define CONV_ROW                                                                                                       \
    .n_outputs = 1, .reads_inputs = 3, .attributes_size = sizeof(struct conv_attributes), .shape = conv_shape,         \
    .forward = conv_forward, .vjp = conv_vjp, .accumulate = conv_accumulate, .cost = conv_cost, .onnx = conv_onnx

static const reel_op conv_op = {.name = "conv", .n_inputs = 2, .differentiable = 3, CONV_ROW};
static const reel_op conv_bias_op = {.name = "conv_bias", .n_inputs = 3, .differentiable = 7, CONV_ROW};

/* ---- conv_transpose: y and w to x ---- */

static struct reel_convolution conv_transpose_of(const reel_call *call)
{
    return convolution_of(call->attributes, &call->out[0]->shape, &call->in[0]->shape, &call->in[1]->shape);
}

static reel_status conv_transpose_shape(reel_call *call)
{
    const struct conv_attributes *a = call->attributes;
    if (expect_inputs(call, "x", "weight") != REEL_OK)
        return call->context->status;
    const reel_shape *y = &call->in[0]->shape, *w = &call->in[1]->shape;
    int64_t channels;
    if (!reel_multiply_int64(w->dim[1], a->groups, &channels))
        return reel_fail(call->context, REEL_ERROR_SHAPE, "%s: %lld groups of %lld channels are too many",
                         name_of(call), (long long)a->groups, (long long)w->dim[1]);
    if (expect_groups(call, "input", w->dim[0]) != REEL_OK || expect_channels(call, 0, "x", w->dim[0]) != REEL_OK ||
        expect_bias(call, channels) != REEL_OK)
        return call->context->status;
    set_result(call, y->dim[0], channels);
    return REEL_OK;
}

static reel_status conv_transpose_forward(reel_call *call)
{
    const struct reel_convolution c = conv_transpose_of(call);
    return compute(call, &c, FORM_X, call->in[0]->data, call->in[1]->data, bias_of(call), false, call->out[0]->data);
}

static void conv_transpose_vjp(const reel_call *call, const reel_var *grad_outputs, reel_var *grad_inputs)
{
    reel_var g = grad_outputs[0];
    if (call->needed[0])
        grad_inputs[0] = apply(call, &conv_op, g, call->inputs[1], call->in[0]);
    if (call->needed[1])
        grad_inputs[1] = apply(call, &conv_weight_op, g, call->inputs[0], call->in[1]);
    if (call->n_inputs == 3 && call->needed[2])
        grad_inputs[2] = bias_vjp(call, g);
}

static reel_status conv_transpose_accumulate(const reel_call *call, const reel_gradient *grad_outputs,
                                             reel_sink *const *sinks)
{
    const struct reel_convolution c = conv_transpose_of(call);
    const reel_real *g = reel_gradient_contiguous(call, &grad_outputs[0]);
    if (!g || accumulate(call, &c, FORM_Y, g, call->in[1]->data, sinks[0]) != REEL_OK ||
        accumulate(call, &c, FORM_W, g, call->in[0]->data, sinks[1]) != REEL_OK)
        return call->context->status;
    return call->n_inputs == 3 ? accumulate_bias(call, g, sinks[2]) : REEL_OK;
}

static reel_cost conv_transpose_cost(const reel_call *call)
{
    const struct reel_convolution c = conv_transpose_of(call);
    return cost_of(call, &c);
}

static reel_status conv_transpose_onnx(const reel_call *call, reel_onnx *to)
{
    const struct conv_attributes *a = call->attributes;
    int64_t least[2];
    for (int i = 0; i < a->axes; i++) {
        int64_t kernel = a->dilation[i] * (call->in[1]->shape.dim[2 + i] - 1) + 1;
        least[i] = (call->in[0]->shape.dim[2 + i] - 1) * a->stride[i] - 2 * a->padding[i] + kernel;
    }
    return conv_onnx_form(call, to, "ConvTranspose", least);
}

#define CONV_TRANSPOSE_ROW                                                                                             \
    .n_outputs = 1, .reads_inputs = 3, .attributes_size = sizeof(struct conv_attributes),                              \
    .shape = conv_transpose_shape, .forward = conv_transpose_forward, .vjp = conv_transpose_vjp,                       \
    .accumulate = conv_transpose_accumulate, .cost = conv_transpose_cost, .onnx = conv_transpose_onnx

static const reel_op conv_transpose_op = {
    .name = "conv_transpose", .n_inputs = 2, .differentiable = 3, CONV_TRANSPOSE_ROW};
static const reel_op conv_transpose_bias_op = {
    .name = "conv_transpose_bias", .n_inputs = 3, .differentiable = 7, CONV_TRANSPOSE_ROW};

/* ---- conv_weight: x and y to w ---- */

static struct reel_convolution conv_weight_of(const reel_call *call)
{
    return convolution_of(call->attributes, &call->in[0]->shape, &call->in[1]->shape, &call->out[0]->shape);
}

static reel_status conv_weight_shape(reel_call *call)
{
    const struct conv_attributes *a = call->attributes;
    char text[REEL_SHAPE_TEXT], other[REEL_SHAPE_TEXT];
    if (expect_inputs(call, "x", "y") != REEL_OK)
        return call->context->status;
    const reel_shape *x = &call->in[0]->shape, *y = &call->in[1]->shape;
    if (x->dim[0] != y->dim[0])
        return reel_fail(call->context, REEL_ERROR_SHAPE, "conv_weight: x %s and y %s are not of one batch",
                         reel_shape_text(x, text), reel_shape_text(y, other));
    if (expect_groups(call, "x's", x->dim[1]) != REEL_OK || expect_groups(call, "y's", y->dim[1]) != REEL_OK)
        return call->context->status;
    set_result(call, y->dim[1], x->dim[1] / a->groups);
    return REEL_OK;
}

static reel_status conv_weight_forward(reel_call *call)
{
    const struct reel_convolution c = conv_weight_of(call);
    return compute(call, &c, FORM_W, call->in[0]->data, call->in[1]->data, NULL, false, call->out[0]->data);
}

static void conv_weight_vjp(const reel_call *call, const reel_var *grad_outputs, reel_var *grad_inputs)
{
    reel_var g = grad_outputs[0];
    if (call->needed[0])
        grad_inputs[0] = apply(call, &conv_transpose_op, call->inputs[1], g, call->in[0]);
    if (call->needed[1])
        grad_inputs[1] = apply(call, &conv_op, call->inputs[0], g, call->in[1]);
}

static reel_status conv_weight_accumulate(const reel_call *call, const reel_gradient *grad_outputs,
                                          reel_sink *const *sinks)
{
    const struct reel_convolution c = conv_weight_of(call);
    const reel_real *g = reel_gradient_contiguous(call, &grad_outputs[0]);
    if (!g || accumulate(call, &c, FORM_X, call->in[1]->data, g, sinks[0]) != REEL_OK)
        return call->context->status;
    return accumulate(call, &c, FORM_Y, call->in[0]->data, g, sinks[1]);
}

static reel_cost conv_weight_cost(const reel_call *call)
{
    const struct reel_convolution c = conv_weight_of(call);
    return cost_of(call, &c);
}

static const reel_op conv_weight_op = {
    .name = "conv_weight",
    .n_inputs = 2,
    .n_outputs = 1,
    .differentiable = 3,
    .reads_inputs = 3,
    .attributes_size = sizeof(struct conv_attributes),
    .shape = conv_weight_shape,
    .forward = conv_weight_forward,
    .vjp = conv_weight_vjp,
    .accumulate = conv_weight_accumulate,
    .cost = conv_weight_cost,
};

/* ---- What users call ---- */

reel_conv_options reel_conv_defaults(void)
{
    return (reel_conv_options){.mark = REEL_OPTIONS_MARK(reel_conv_options),
                               .stride = {1, -1},
                               .padding = {0, -1},
                               .dilation = {1, -1},
                               .output_padding = {0, -1},
                               .groups = 1,
                               .bias = true};
}

struct convolution_call {
    reel_context *context;
    const char *name;
    int axes;
    reel_conv_options options;
    reel_shape x, weight;
    bool batched;
};

reel_status reel_conv_take_options(reel_context *context, const char *name, int axes, bool transposed,
                                   const reel_conv_options *given, reel_conv_options *o)
{
    *o = reel_conv_defaults();
    if (reel_options_take(context, "conv", given, o) != REEL_OK)
        return reel_context_status(context);
    const struct {
        const char *what;
        int64_t *pair, least;
    } all[] = {{"stride", o->stride, 1},
               {"padding", o->padding, 0},
               {"dilation", o->dilation, 1},
               {"output_padding", o->output_padding, 0}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (axes == 1 || all[i].pair[1] == -1)
            all[i].pair[1] = all[i].pair[0];
        for (int k = 0; k < 2; k++)
            if (all[i].pair[k] < all[i].least || all[i].pair[k] > LARGEST)
                return reel_fail(context, REEL_ERROR_ARGUMENT, "%s: %s is %lld, not %lld or more and below 2^31", name,
                                 all[i].what, (long long)all[i].pair[k], (long long)all[i].least);
    }
    if (o->groups < 1)
        return reel_fail(context, REEL_ERROR_ARGUMENT, "%s: groups is %lld, not 1 or more", name, (long long)o->groups);
    for (int k = 0; k < 2; k++) {
        if (o->output_padding[k] > 0 && !transposed)
            return reel_fail(context, REEL_ERROR_ARGUMENT, "%s: output_padding is for transposed convolutions", name);
        if (o->output_padding[k] >= o->stride[k] && o->output_padding[k] >= o->dilation[k])
            return reel_fail(context, REEL_ERROR_ARGUMENT,
                             "%s: output_padding is %lld, not less than the stride %lld or the dilation %lld", name,
                             (long long)o->output_padding[k], (long long)o->stride[k], (long long)o->dilation[k]);
        if (o->padding_same && (transposed || o->stride[k] != 1))
            return reel_fail(context, REEL_ERROR_ARGUMENT, "%s: padding_same is for convolutions with a stride of 1",
                             name);
    }
    const bool known = o->padding_mode == REEL_PAD_CONSTANT || o->padding_mode == REEL_PAD_REFLECT ||
                       o->padding_mode == REEL_PAD_REPLICATE || o->padding_mode == REEL_PAD_CIRCULAR;
    if (!known || (transposed && o->padding_mode != REEL_PAD_CONSTANT))
        return reel_fail(context, REEL_ERROR_ARGUMENT, "%s: there is no padding_mode %d", name, (int)o->padding_mode);
    return REEL_OK;
}

/* Options and shapes; false, with the error recorded, when nothing can be made of them. */
static bool begin(reel_tape *tape, const char *name, int axes, bool transposed, reel_var x, reel_var weight,
                  const reel_conv_options *given, struct convolution_call *call)
{
    *call = (struct convolution_call){.context = reel_tape_context(tape), .name = name, .axes = axes};
    call->x = reel_shape_of(tape, x);
    call->weight = reel_shape_of(tape, weight);
    if (call->x.ndim < 0 || call->weight.ndim < 0 ||
        reel_conv_take_options(call->context, name, axes, transposed, given, &call->options) != REEL_OK)
        return false;
    char text[REEL_SHAPE_TEXT], other[REEL_SHAPE_TEXT];
    call->batched = call->x.ndim != axes + 1;
    if ((call->batched && call->x.ndim != axes + 2) || call->weight.ndim != axes + 2) {
        reel_fail(call->context, REEL_ERROR_SHAPE,
                  "%s: x is %s and weight %s, they must have %d axes; x may lack the first", name,
                  reel_shape_text(&call->x, text), reel_shape_text(&call->weight, other), axes + 2);
        return false;
    }
    for (int i = 0; i < axes; i++) {
        int64_t size = call->x.dim[call->x.ndim - axes + i], kernel = call->weight.dim[2 + i];
        if (kernel < 1 || kernel > LARGEST || size > LARGEST) {
            reel_fail(call->context, REEL_ERROR_SHAPE,
                      "%s: x is %s and weight %s, a kernel must have 1 element or more, and sizes be below 2^31", name,
                      reel_shape_text(&call->x, text), reel_shape_text(&call->weight, other));
            return false;
        }
    }
    return true;
}

static struct conv_attributes attributes_of(const struct convolution_call *call)
{
    const reel_conv_options *o = &call->options;
    struct conv_attributes a = {.axes = call->axes, .groups = o->groups};
    for (int i = 0; i < 2; i++) {
        a.stride[i] = o->stride[i];
        a.padding[i] = o->padding[i];
        a.dilation[i] = o->dilation[i];
    }
    return a;
}

static reel_var apply_to_batch(reel_tape *tape, const struct convolution_call *call, const reel_op *op, reel_var x,
                               reel_var weight, reel_var bias, const struct conv_attributes *a)
{
    reel_shape shape = call->x;
    if (!call->batched) {
        for (int i = shape.ndim++; i > 0; i--)
            shape.dim[i] = shape.dim[i - 1];
        shape.dim[0] = 1;
        x = reel_reshape(tape, x, shape);
    }
    const reel_var inputs[] = {x, weight, bias};
    reel_var y = reel_apply1(tape, op, inputs, op->n_inputs, a);
    return call->batched || reel_is_null(y) ? y : reel_squeeze(tape, y, 0);
}

/* The size of x along an axis. */
static int64_t size_along(const struct convolution_call *call, int axis)
{
    return call->x.dim[call->x.ndim - call->axes + axis];
}

/* x with the padding that is no zeros, after which there is none left to add. The null var on error. */
static reel_var pad(reel_tape *tape, struct convolution_call *call, reel_var x)
{
    reel_conv_options *o = &call->options;
    int64_t amounts[4];
    for (int i = 0; i < call->axes; i++) {
        int64_t reach = (call->weight.dim[2 + i] - 1) * o->dilation[i], *pair = amounts + 2 * (call->axes - 1 - i);
        pair[0] = o->padding_same ? reach / 2 : o->padding[i];
        pair[1] = o->padding_same ? reach - reach / 2 : o->padding[i];
        o->padding[i] = 0;
    }
    o->padding_same = false;
    x = reel_pad(tape, x, amounts, 2 * call->axes, o->padding_mode, 0);
    call->x = reel_shape_of(tape, x);
    return x;
}

static reel_var convolve(reel_tape *tape, const char *name, int axes, reel_var x, reel_var weight, reel_var bias,
                         const reel_conv_options *options)
{
    struct convolution_call call;
    if (!begin(tape, name, axes, false, x, weight, options, &call))
        return reel_null();
    if (call.options.padding_mode != REEL_PAD_CONSTANT && reel_is_null(x = pad(tape, &call, x)))
        return reel_null();
    const reel_conv_options *o = &call.options;
    struct conv_attributes a = attributes_of(&call);
    for (int i = 0; i < axes; i++) {
        int64_t size = size_along(&call, i), reach = (call.weight.dim[2 + i] - 1) * o->dilation[i];
        if (o->padding_same) {
            a.padding[i] = reach / 2;
            a.size[i] = size;
            continue;
        }
        int64_t room = size + 2 * o->padding[i] - reach - 1;
        if (room < 0) {
            char text[REEL_SHAPE_TEXT], other[REEL_SHAPE_TEXT];
            reel_fail(call.context, REEL_ERROR_SHAPE,
                      "%s: the kernel of weight %s is larger than x %s with a padding of %lld", name,
                      reel_shape_text(&call.weight, other), reel_shape_text(&call.x, text), (long long)o->padding[i]);
            return reel_null();
        }
        a.size[i] = room / o->stride[i] + 1;
    }
    return apply_to_batch(tape, &call, reel_is_null(bias) ? &conv_op : &conv_bias_op, x, weight, bias, &a);
}

static reel_var convolve_transposed(reel_tape *tape, const char *name, int axes, reel_var x, reel_var weight,
                                    reel_var bias, const reel_conv_options *options)
{
    struct convolution_call call;
    if (!begin(tape, name, axes, true, x, weight, options, &call))
        return reel_null();
    const reel_conv_options *o = &call.options;
    struct conv_attributes a = attributes_of(&call);
    for (int i = 0; i < axes; i++) {
        int64_t reach = (call.weight.dim[2 + i] - 1) * o->dilation[i];
        a.size[i] = (size_along(&call, i) - 1) * o->stride[i] - 2 * o->padding[i] + reach + o->output_padding[i] + 1;
        if (a.size[i] < 1 || a.size[i] > LARGEST) {
            char text[REEL_SHAPE_TEXT], other[REEL_SHAPE_TEXT];
            reel_fail(call.context, REEL_ERROR_SHAPE, "%s: x %s and weight %s give an output of size %lld", name,
                      reel_shape_text(&call.x, text), reel_shape_text(&call.weight, other), (long long)a.size[i]);
            return reel_null();
        }
    }
    return apply_to_batch(tape, &call, reel_is_null(bias) ? &conv_transpose_op : &conv_transpose_bias_op, x, weight,
                          bias, &a);
}

reel_var reel_conv1d(reel_tape *tape, reel_var x, reel_var weight, reel_var bias, const reel_conv_options *options)
{
    return convolve(tape, "conv1d", 1, x, weight, bias, options);
}

reel_var reel_conv2d(reel_tape *tape, reel_var x, reel_var weight, reel_var bias, const reel_conv_options *options)
{
    return convolve(tape, "conv2d", 2, x, weight, bias, options);
}

reel_var reel_conv_transpose1d(reel_tape *tape, reel_var x, reel_var weight, reel_var bias,
                               const reel_conv_options *options)
{
    return convolve_transposed(tape, "conv_transpose1d", 1, x, weight, bias, options);
}

reel_var reel_conv_transpose2d(reel_tape *tape, reel_var x, reel_var weight, reel_var bias,
                               const reel_conv_options *options)
{
    return convolve_transposed(tape, "conv_transpose2d", 2, x, weight, bias, options);
}
#else
/* One dimension: stride, padding, dilation, size of the result, groups; and two. */
#define LINE(name, s, p, d, n, g) static const struct conv_attributes name = {1, {s}, {p}, {d}, {n}, g}
#define PLANE(name, s, p, d, n, g)                                                                                     \
    static const struct conv_attributes name = {2, {REEL_PAIR s}, {REEL_PAIR p}, {REEL_PAIR d}, {REEL_PAIR n}, g}
#define REEL_PAIR(a, b) a, b

LINE(line, 1, 0, 1, 5, 1);
LINE(line_strided, 2, 1, 1, 4, 1);
LINE(line_dilated, 1, 2, 2, 7, 1);
LINE(line_apart, 3, 0, 1, 3, 1);
LINE(line_wide, 2, 5, 4, 4, 1);
LINE(line_groups, 1, 1, 1, 6, 3);
LINE(line_one, 1, 0, 1, 1, 1);
LINE(line_beyond, 1, 0, 1, 9, 1);
LINE(line_nothing, 1, 0, 1, 0, 1);
PLANE(plane, (1, 1), (0, 0), (1, 1), (3, 4), 1);
PLANE(plane_strided, (2, 2), (1, 1), (1, 1), (3, 2), 1);
PLANE(plane_uneven, (2, 1), (1, 0), (1, 2), (3, 3), 1);
PLANE(plane_apart, (3, 4), (1, 1), (1, 1), (2, 2), 1);
PLANE(plane_point, (1, 1), (0, 0), (1, 1), (3, 4), 1);
PLANE(plane_groups, (1, 1), (1, 1), (1, 1), (3, 4), 2);
PLANE(plane_each, (2, 1), (1, 1), (1, 1), (2, 4), 3);
PLANE(plane_far, (2, 2), (4, 4), (5, 5), (3, 3), 1);
LINE(no_groups, 1, 0, 1, 5, 0);
LINE(no_stride, 0, 0, 1, 5, 1);
LINE(no_dilation, 1, 0, 0, 5, 1);
LINE(below_padding, 1, -1, 1, 5, 1);
LINE(below_size, 1, 0, 1, -1, 1);
static const struct conv_attributes three_axes = {3, {1, 1}, {0, 0}, {1, 1}, {1, 1}, 1},
                                    huge = {1, {1}, {INT64_C(1) << 31}, {1}, {5}, 1};

/* y of x and w; x of y and w; w of x and y. BIAS is nothing, or one more input of so many elements. */
#define CONV_SAMPLES(BIAS)                                                                                             \
    GOOD("a line", &line, REAL(2, 2, 7), REAL(3, 2, 3) BIAS(3)),                                                       \
        GOOD("a stride and a border", &line_strided, REAL(2, 1, 7), REAL(2, 1, 3) BIAS(2)),                            \
        GOOD("a border that is not used", &line_strided, REAL(1, 2, 8), REAL(1, 2, 2) BIAS(1)),                        \
        GOOD("dilation", &line_dilated, REAL(2, 2, 7), REAL(2, 2, 3) BIAS(2)),                                         \
        GOOD("gaps between what is seen", &line_apart, REAL(2, 1, 8), REAL(2, 1, 2) BIAS(2)),                          \
        GOOD("a kernel with gaps beyond both ends", &line_wide, REAL(1, 2, 5), REAL(2, 2, 3) BIAS(2)),                 \
        GOOD("three groups", &line_groups, REAL(2, 6, 6), REAL(3, 2, 3) BIAS(3)),                                      \
        GOOD("three groups of one channel", &line_groups, REAL(2, 3, 6), REAL(3, 1, 3) BIAS(3)),                       \
        GOOD("two outputs for a channel", &line_groups, REAL(2, 3, 6), REAL(6, 1, 3) BIAS(6)),                         \
        GOOD("one position", &line_one, REAL(2, 2, 3), REAL(2, 2, 3) BIAS(2)),                                         \
        GOOD("positions that see nothing", &line_beyond, REAL(1, 2, 4), REAL(2, 2, 2) BIAS(2)),                        \
        GOOD("no positions", &line_nothing, REAL(2, 2, 4), REAL(3, 2, 5) BIAS(3)),                                     \
        GOOD("an empty batch", &line, REAL(0, 2, 7), REAL(3, 2, 3) BIAS(3)),                                           \
        GOOD("no input channels", &line, REAL(2, 0, 7), REAL(3, 0, 3) BIAS(3)),                                        \
        GOOD("no output channels", &line, REAL(2, 2, 7), REAL(0, 2, 3) BIAS(0)),                                       \
        GOOD("a plane", &plane, REAL(2, 2, 5, 6), REAL(3, 2, 3, 3) BIAS(3)),                                           \
        GOOD("a plane with strides", &plane_strided, REAL(2, 2, 6, 5), REAL(2, 2, 4, 4) BIAS(2)),                      \
        GOOD("axes that differ", &plane_uneven, REAL(2, 1, 5, 7), REAL(2, 1, 2, 3) BIAS(2)),                           \
        GOOD("gaps in both axes", &plane_apart, REAL(2, 1, 5, 6), REAL(2, 1, 2, 2) BIAS(2)),                           \
        GOOD("a kernel of one", &plane_point, REAL(2, 3, 3, 4), REAL(2, 3, 1, 1) BIAS(2)),                             \
        GOOD("a kernel of one, one output", &plane_point, REAL(2, 3, 3, 4), REAL(1, 3, 1, 1) BIAS(1)),                 \
        GOOD("two groups", &plane_groups, REAL(2, 4, 3, 4), REAL(4, 2, 3, 3) BIAS(4)),                                 \
        GOOD("each channel by itself", &plane_each, REAL(2, 3, 3, 4), REAL(3, 1, 3, 3) BIAS(3)),                       \
        GOOD("a kernel larger than the plane", &plane_far, REAL(1, 1, 4, 5), REAL(2, 1, 2, 2) BIAS(2))
#define CONV_REFUSED(BIAS)                                                                                             \
    REFUSED("channels", REEL_ERROR_SHAPE, &line, REAL(2, 3, 7), REAL(3, 2, 3) BIAS(3)),                                \
        REFUSED("groups that do not divide", REEL_ERROR_SHAPE, &line_groups, REAL(2, 6, 6), REAL(4, 2, 3) BIAS(4)),    \
        REFUSED("too few axes", REEL_ERROR_SHAPE, &line, REAL(2, 7), REAL(3, 2, 3) BIAS(3)),                           \
        REFUSED("a weight of too many axes", REEL_ERROR_SHAPE, &line, REAL(2, 2, 7), REAL(3, 2, 3, 1) BIAS(3)),        \
        REFUSED("no groups", REEL_ERROR_ARGUMENT, &no_groups, REAL(2, 2, 7), REAL(3, 2, 3) BIAS(3)),                   \
        REFUSED("no stride", REEL_ERROR_ARGUMENT, &no_stride, REAL(2, 2, 7), REAL(3, 2, 3) BIAS(3)),                   \
        REFUSED("no dilation", REEL_ERROR_ARGUMENT, &no_dilation, REAL(2, 2, 7), REAL(3, 2, 3) BIAS(3)),               \
        REFUSED("a negative padding", REEL_ERROR_ARGUMENT, &below_padding, REAL(2, 2, 7), REAL(3, 2, 3) BIAS(3)),      \
        REFUSED("a negative size", REEL_ERROR_ARGUMENT, &below_size, REAL(2, 2, 7), REAL(3, 2, 3) BIAS(3)),            \
        REFUSED("a huge padding", REEL_ERROR_ARGUMENT, &huge, REAL(2, 2, 7), REAL(3, 2, 3) BIAS(3)),                   \
        REFUSED("three dimensions", REEL_ERROR_ARGUMENT, &three_axes, REAL(2, 2, 7), REAL(3, 2, 3) BIAS(3)),           \
        REFUSED("integers", REEL_ERROR_DTYPE, &line, INDEX(3, 2, 2, 7), REAL(3, 2, 3) BIAS(3))
#define NO_BIAS(n)
#define WITH_BIAS(n) , REAL(n)
static const reel_sample conv_samples[] = {CONV_SAMPLES(NO_BIAS), CONV_REFUSED(NO_BIAS)};
static const reel_sample conv_bias_samples[] = {
    CONV_SAMPLES(WITH_BIAS), CONV_REFUSED(WITH_BIAS),
    REFUSED("bias of another size", REEL_ERROR_SHAPE, &line, REAL(2, 2, 7), REAL(3, 2, 3), REAL(2)),
    REFUSED("bias of integers", REEL_ERROR_DTYPE, &line, REAL(2, 2, 7), REAL(3, 2, 3), INDEX(2, 3))};

LINE(back, 1, 0, 1, 7, 1);
LINE(back_strided, 2, 1, 1, 7, 1);
LINE(back_longer, 2, 1, 1, 8, 1);
LINE(back_dilated, 1, 2, 2, 7, 1);
LINE(back_apart, 3, 0, 1, 8, 1);
LINE(back_groups, 1, 1, 1, 6, 3);
LINE(back_beyond, 1, 0, 2, 8, 1);
PLANE(back_plane, (1, 1), (0, 0), (1, 1), (5, 6), 1);
PLANE(back_plane_strided, (2, 2), (1, 1), (1, 1), (6, 4), 1);
PLANE(back_plane_uneven, (2, 1), (1, 0), (1, 2), (5, 7), 1);
PLANE(back_plane_point, (1, 1), (0, 0), (1, 1), (3, 4), 1);
PLANE(back_plane_each, (2, 1), (1, 1), (1, 1), (3, 4), 3);
#define CONV_TRANSPOSE_SAMPLES(BIAS)                                                                                   \
    GOOD("a line", &back, REAL(2, 3, 5), REAL(3, 2, 3) BIAS(2)),                                                       \
        GOOD("a stride and a border", &back_strided, REAL(2, 2, 4), REAL(2, 1, 3) BIAS(1)),                            \
        GOOD("an output that is longer", &back_longer, REAL(2, 2, 4), REAL(2, 3, 3) BIAS(3)),                          \
        GOOD("dilation", &back_dilated, REAL(2, 2, 7), REAL(2, 2, 3) BIAS(2)),                                         \
        GOOD("gaps that nothing reaches", &back_apart, REAL(2, 2, 3), REAL(2, 1, 2) BIAS(1)),                          \
        GOOD("three groups", &back_groups, REAL(2, 3, 6), REAL(3, 2, 3) BIAS(6)),                                      \
        GOOD("longer by more than the stride", &back_beyond, REAL(2, 2, 4), REAL(2, 2, 3) BIAS(2)),                    \
        GOOD("an empty batch", &back, REAL(0, 3, 5), REAL(3, 2, 3) BIAS(2)),                                           \
        GOOD("no input channels", &back, REAL(2, 0, 5), REAL(0, 2, 3) BIAS(2)),                                        \
        GOOD("no output channels", &back, REAL(2, 3, 5), REAL(3, 0, 3) BIAS(0)),                                       \
        GOOD("a plane", &back_plane, REAL(2, 3, 3, 4), REAL(3, 2, 3, 3) BIAS(2)),                                      \
        GOOD("a plane with strides", &back_plane_strided, REAL(2, 2, 3, 2), REAL(2, 2, 4, 4) BIAS(2)),                 \
        GOOD("axes that differ", &back_plane_uneven, REAL(2, 2, 3, 3), REAL(2, 1, 2, 3) BIAS(1)),                      \
        GOOD("a kernel of one", &back_plane_point, REAL(2, 2, 3, 4), REAL(2, 3, 1, 1) BIAS(3)),                        \
        GOOD("one input, a kernel of one", &back_plane_point, REAL(2, 1, 3, 4), REAL(1, 3, 1, 1) BIAS(3)),             \
        GOOD("each channel by itself", &back_plane_each, REAL(2, 3, 2, 4), REAL(3, 1, 3, 3) BIAS(3))
#define CONV_TRANSPOSE_REFUSED(BIAS)                                                                                   \
    REFUSED("channels", REEL_ERROR_SHAPE, &back, REAL(2, 2, 5), REAL(3, 2, 3) BIAS(2)),                                \
        REFUSED("groups that do not divide", REEL_ERROR_SHAPE, &back_groups, REAL(2, 4, 6), REAL(4, 2, 3) BIAS(6)),    \
        REFUSED("too few axes", REEL_ERROR_SHAPE, &back, REAL(2, 5), REAL(3, 2, 3) BIAS(2)),                           \
        REFUSED("no stride", REEL_ERROR_ARGUMENT, &no_stride, REAL(2, 3, 5), REAL(3, 2, 3) BIAS(2)),                   \
        REFUSED("integers", REEL_ERROR_DTYPE, &back, REAL(2, 3, 5), INDEX(3, 3, 2, 3) BIAS(2))
static const reel_sample conv_transpose_samples[] = {CONV_TRANSPOSE_SAMPLES(NO_BIAS), CONV_TRANSPOSE_REFUSED(NO_BIAS)};
static const reel_sample conv_transpose_bias_samples[] = {
    CONV_TRANSPOSE_SAMPLES(WITH_BIAS), CONV_TRANSPOSE_REFUSED(WITH_BIAS),
    REFUSED("bias of another size", REEL_ERROR_SHAPE, &back, REAL(2, 3, 5), REAL(3, 2, 3), REAL(3))};

LINE(kernel, 1, 0, 1, 3, 1);
LINE(kernel_strided, 2, 1, 1, 3, 1);
LINE(kernel_dilated, 1, 2, 2, 3, 1);
LINE(kernel_apart, 3, 0, 1, 2, 1);
LINE(kernel_groups, 1, 1, 1, 3, 3);
LINE(kernel_nothing, 1, 0, 1, 0, 1);
PLANE(kernel_plane, (1, 1), (0, 0), (1, 1), (3, 3), 1);
PLANE(kernel_plane_strided, (2, 2), (1, 1), (1, 1), (4, 4), 1);
PLANE(kernel_plane_point, (1, 1), (0, 0), (1, 1), (1, 1), 1);
PLANE(kernel_plane_each, (2, 1), (1, 1), (1, 1), (3, 3), 3);
static const reel_sample conv_weight_samples[] = {
    GOOD("a line", &kernel, REAL(2, 2, 7), REAL(2, 3, 5)),
    GOOD("a stride and a border", &kernel_strided, REAL(2, 1, 7), REAL(2, 2, 4)),
    GOOD("dilation", &kernel_dilated, REAL(2, 2, 7), REAL(2, 2, 7)),
    GOOD("gaps between what is seen", &kernel_apart, REAL(2, 1, 8), REAL(2, 2, 3)),
    GOOD("three groups", &kernel_groups, REAL(2, 6, 6), REAL(2, 3, 6)),
    GOOD("three groups of one channel", &kernel_groups, REAL(2, 3, 6), REAL(2, 3, 6)),
    GOOD("an empty batch", &kernel, REAL(0, 2, 7), REAL(0, 3, 5)),
    GOOD("no kernel", &kernel_nothing, REAL(2, 2, 7), REAL(2, 3, 5)),
    GOOD("a plane", &kernel_plane, REAL(2, 2, 5, 6), REAL(2, 3, 3, 4)),
    GOOD("a plane with strides", &kernel_plane_strided, REAL(2, 2, 6, 5), REAL(2, 2, 3, 2)),
    GOOD("a kernel of one", &kernel_plane_point, REAL(2, 3, 3, 4), REAL(2, 2, 3, 4)),
    GOOD("a kernel of one, one output", &kernel_plane_point, REAL(2, 3, 3, 4), REAL(2, 1, 3, 4)),
    GOOD("each channel by itself", &kernel_plane_each, REAL(2, 3, 3, 4), REAL(2, 3, 2, 4)),
    REFUSED("batches that differ", REEL_ERROR_SHAPE, &kernel, REAL(2, 2, 7), REAL(3, 3, 5)),
    REFUSED("groups that do not divide x", REEL_ERROR_SHAPE, &kernel_groups, REAL(2, 4, 6), REAL(2, 3, 6)),
    REFUSED("groups that do not divide y", REEL_ERROR_SHAPE, &kernel_groups, REAL(2, 6, 6), REAL(2, 4, 6)),
    REFUSED("no stride", REEL_ERROR_ARGUMENT, &no_stride, REAL(2, 2, 7), REAL(2, 3, 5)),
    REFUSED("too few axes", REEL_ERROR_SHAPE, &kernel, REAL(2, 7), REAL(2, 3, 5)),
    REFUSED("integers", REEL_ERROR_DTYPE, &kernel, REAL(2, 2, 7), INDEX(2, 2, 3, 5)),
};
SAMPLES(conv, conv_samples, .ulps = 8, .why = "products cancel in a sum");
SAMPLES(conv_bias, conv_bias_samples, .ulps = 8, .why = "products cancel in a sum");
SAMPLES(conv_transpose, conv_transpose_samples, .ulps = 8, .why = "products cancel in a sum");
SAMPLES(conv_transpose_bias, conv_transpose_bias_samples, .ulps = 8, .why = "products cancel in a sum");
SAMPLES(conv_weight, conv_weight_samples, .ulps = 8, .why = "products cancel in a sum");
#endif

REEL_OP_FAMILY(convolution, ROW(conv), ROW(conv_bias), ROW(conv_transpose), ROW(conv_transpose_bias), ROW(conv_weight));
