/* Bags of embedding rows, reduced as they are looked up. */
#include "kern/embedding_bag.h"

#include "base/checked.h"
#include "core/tape.h"
#include "files/onnx.h"
#include "kern/gather.h"
#include "ops/gather.h"

#include <reel/elementwise.h>
#include <reel/gather.h>
#include <reel/reduce.h>
#include <reel/view.h>

#include <math.h>

enum { IN_WEIGHT, IN_INDEX, IN_OFFSETS, IN_SAMPLE_WEIGHTS };

struct bag_attributes {
    int64_t padding; /* the row that does not count, or -1 */
    reel_bag_mode mode;
    bool scale, include_last;
};

/* ---- Shape and checks ---- */

#ifndef REEL_SAMPLES
static int64_t bag_count(const reel_call *call)
{
    const struct bag_attributes *a = call->attributes;
    return call->in[IN_OFFSETS]->numel - a->include_last;
}

static reel_status bag_shape(reel_call *call)
{
    const struct bag_attributes *a = call->attributes;
    const reel_array *weight = call->in[IN_WEIGHT], *index = call->in[IN_INDEX], *offsets = call->in[IN_OFFSETS];
    const char *op = call->op->name;
    char text[2][REEL_SHAPE_TEXT];
    if (reel_expect_real(call, IN_WEIGHT, "the weight") != REEL_OK ||
        reel_expect_index(call, IN_INDEX, "the index") != REEL_OK ||
        reel_expect_index(call, IN_OFFSETS, "offsets") != REEL_OK ||
        (call->n_inputs > IN_SAMPLE_WEIGHTS &&
         reel_expect_real(call, IN_SAMPLE_WEIGHTS, "per_sample_weights") != REEL_OK))
        return call->context->status;
    if (weight->shape.ndim != 2)
        return reel_fail(call->context, REEL_ERROR_SHAPE, "%s: the weight has %d axes, it must have two", op,
                         weight->shape.ndim);
    if (index->shape.ndim < 1 || index->shape.ndim > 2)
        return reel_fail(call->context, REEL_ERROR_SHAPE, "%s: the index has %d axes, it must have one or two", op,
                         index->shape.ndim);
    if (offsets->shape.ndim != 1)
        return reel_fail(call->context, REEL_ERROR_SHAPE, "%s: offsets has %d axes, it must have one", op,
                         offsets->shape.ndim);
    if (call->n_inputs > IN_SAMPLE_WEIGHTS && !reel_shape_equal(&call->in[IN_SAMPLE_WEIGHTS]->shape, &index->shape))
        return reel_fail(call->context, REEL_ERROR_SHAPE, "%s: per_sample_weights %s is not of the index's shape %s",
                         op, reel_shape_text(&call->in[IN_SAMPLE_WEIGHTS]->shape, text[0]),
                         reel_shape_text(&index->shape, text[1]));
    if (a->mode != REEL_BAG_SUM && a->mode != REEL_BAG_MEAN && a->mode != REEL_BAG_MAX)
        return reel_fail(call->context, REEL_ERROR_ARGUMENT, "%s: mode %d is none of REEL_BAG_MEAN, _SUM and _MAX", op,
                         (int)a->mode);
    if (a->padding < -1 || a->padding >= weight->shape.dim[0])
        return reel_fail(call->context, REEL_ERROR_ARGUMENT, "%s: padding_idx %lld is outside the %lld rows", op,
                         (long long)a->padding, (long long)weight->shape.dim[0]);
    int64_t bags = bag_count(call), columns = weight->shape.dim[1], winners = 0;
    if (bags < 0)
        return reel_fail(call->context, REEL_ERROR_ARGUMENT,
                         "%s: no offsets, with include_last_offset there must be one at least", op);
    if (offsets->numel == 0 && index->numel > 0)
        return reel_fail(call->context, REEL_ERROR_ARGUMENT, "%s: no offsets, yet the index has %lld elements", op,
                         (long long)index->numel);
    call->out[0]->shape = reel_shape_make(2, (int64_t[]){bags, columns});
    call->out[0]->dtype = REEL_REAL;
    if ((a->mode == REEL_BAG_MAX && !reel_multiply_int64(bags, columns, &winners)) || winners > INT64_MAX / 16 - bags)
        return reel_fail(call->context, REEL_ERROR_SHAPE, "%s: %lld bags of %lld columns are too many elements", op,
                         (long long)bags, (long long)columns);
    call->saved_size = (size_t)(bags + 1 + winners) * sizeof(int64_t);
    return REEL_OK;
}

/* What forward leaves for the rules: where the bags start, and where the last ends; for max then the winning entry of
 * every element. */
static int64_t *saved_starts(const reel_call *call)
{
    return call->saved;
}

static int64_t *saved_winners(const reel_call *call)
{
    const struct bag_attributes *a = call->attributes;
    return a->mode == REEL_BAG_MAX ? saved_starts(call) + bag_count(call) + 1 : NULL;
}

static reel_status fail_offset(const reel_call *call, int64_t at, const char *problem, int64_t number)
{
    const reel_array *offsets = call->in[IN_OFFSETS];
    char position[REEL_POSITION_TEXT];
    return reel_fail(call->context, REEL_ERROR_INDEX, "embedding_bag: offset %lld%s %s %lld",
                     (long long)reel_kern_index(offsets->data, is_wide(offsets), at),
                     reel_position_text(&offsets->shape, at, position), problem, (long long)number);
}

/* Checks the offsets and copies them. PyTorch asks that the first is 0 and none is behind the end; it takes descending
 * ones for memory that is not there, and its kernels disagree on entries behind include_last_offset's last. */
static reel_status read_offsets(const reel_call *call, int64_t *starts)
{
    const struct bag_attributes *a = call->attributes;
    const reel_array *offsets = call->in[IN_OFFSETS];
    int64_t n = call->in[IN_INDEX]->numel, bags = bag_count(call);
    for (int64_t b = 0; b < offsets->numel; b++) {
        starts[b] = reel_kern_index(offsets->data, is_wide(offsets), b);
        if (b == 0 && starts[b] != 0)
            return fail_offset(call, b, "is where the first bag starts, it must be", 0);
        if (b > 0 && starts[b] < starts[b - 1])
            return fail_offset(call, b, "is less than the one before it,", starts[b - 1]);
        if (starts[b] > n)
            return fail_offset(call, b, "is behind the end of the index, whose length is", n);
    }
    if (a->include_last && starts[bags] != n)
        return fail_offset(call, bags, "is where the last bag ends, with include_last_offset it must be", n);
    starts[bags] = n;
    return REEL_OK;
}

static struct reel_kern_bags bags_of(const reel_call *call)
{
    const struct bag_attributes *a = call->attributes;
    const reel_array *weight = call->in[IN_WEIGHT], *index = call->in[IN_INDEX];
    return (struct reel_kern_bags){.count = bag_count(call),
                                   .starts = saved_starts(call),
                                   .index = index->data,
                                   .wide = is_wide(index),
                                   .padding = a->padding,
                                   .columns = weight->shape.dim[1],
                                   .table = weight->data,
                                   .weights =
                                       call->n_inputs > IN_SAMPLE_WEIGHTS ? call->in[IN_SAMPLE_WEIGHTS]->data : NULL};
}

static reel_status bag_forward(reel_call *call)
{
    const struct bag_attributes *a = call->attributes;
    if (reel_check_index(call, call->in[IN_INDEX], call->in[IN_WEIGHT]->shape.dim[0], "embedding_bag") != REEL_OK ||
        read_offsets(call, saved_starts(call)) != REEL_OK ||
        reel_call_read_rows(call, IN_WEIGHT, call->in[IN_INDEX]) != REEL_OK)
        return call->context->status;
    struct reel_kern_bags bags = bags_of(call);
    int threads = reel_get_num_threads(call->context);
    if (a->mode == REEL_BAG_MAX)
        reel_kern_bag_max(&bags, call->out[0]->data, saved_winners(call), threads);
    else
        reel_kern_bag_sum(&bags, a->mode == REEL_BAG_MEAN, call->out[0]->data, threads);
    return REEL_OK;
}

/* ---- The rule ---- */

/* An operation on bags is a list of picks: element `from` of the output takes element `to` of the table, times the
 * weight of an entry, times its share. For sum and mean the elements are rows; for max they are single numbers, and the
 * entries the winners. So all modes have one rule, which is linear in each of gradient, table and weights. */
struct picks {
    int64_t count;
    int64_t *from, *to, *entry;
    reel_real *share;
};

static void add_pick(struct picks *p, int64_t from, int64_t to, int64_t entry, reel_real share)
{
    p->from[p->count] = from;
    p->to[p->count] = to;
    p->entry[p->count] = entry;
    p->share[p->count++] = share;
}

static reel_status make_picks(const reel_call *call, struct picks *p)
{
    const struct reel_kern_bags bags = bags_of(call);
    const int64_t *winners = saved_winners(call);
    int64_t capacity = winners ? call->out[0]->numel : call->in[IN_INDEX]->numel;
    *p = (struct picks){.from = reel_call_allocate(call, (size_t)capacity * sizeof *p->from),
                        .to = reel_call_allocate(call, (size_t)capacity * sizeof *p->to),
                        .entry = reel_call_allocate(call, (size_t)capacity * sizeof *p->entry),
                        .share = reel_call_allocate(call, (size_t)capacity * sizeof *p->share)};
    reel_real *shares = reel_call_temporary(call, (size_t)bags.count * sizeof *shares);
    if (call->context->status != REEL_OK)
        return call->context->status;
    if (winners) {
        for (int64_t e = 0; e < capacity; e++)
            if (winners[e] >= 0)
                add_pick(p, e, reel_kern_index(bags.index, bags.wide, winners[e]) * bags.columns + e % bags.columns,
                         winners[e], 1);
        return REEL_OK;
    }
    bool mean = ((const struct bag_attributes *)call->attributes)->mode == REEL_BAG_MEAN;
    reel_kern_bag_shares(&bags, shares);
    for (int64_t b = 0; b < bags.count; b++)
        for (int64_t i = bags.starts[b]; i < bags.starts[b + 1]; i++) {
            int64_t row = reel_kern_index(bags.index, bags.wide, i);
            if (row != bags.padding)
                add_pick(p, b, row, i, mean ? shares[b] : 1);
        }
    return REEL_OK;
}

/* A constant of `count` numbers, seen as a column for real ones. */
static reel_var constant(const reel_call *call, reel_dtype dtype, const void *data, int64_t count)
{
    reel_shape shape = reel_shape_make(dtype == REEL_REAL ? 2 : 1, (int64_t[]){count, 1});
    return reel_tape_wrap(call->tape, data, dtype, &shape);
}

/* Elements entry[..] of a var that has one for each index, as a column. */
static reel_var of_entries(const reel_call *call, reel_var v, reel_var entry, int64_t count)
{
    reel_tape *t = call->tape;
    reel_var flat = reel_reshape(t, v, reel_shape_make(1, &call->in[IN_INDEX]->numel));
    return reel_reshape(t, reel_embedding(t, flat, entry, NULL), reel_shape_make(2, (int64_t[]){count, 1}));
}

static void bag_vjp(const reel_call *call, const reel_var *grad_outputs, reel_var *grad_inputs)
{
    const struct bag_attributes *a = call->attributes;
    const reel_array *weight = call->in[IN_WEIGHT], *index = call->in[IN_INDEX];
    reel_tape *t = call->tape;
    struct picks p;
    if (make_picks(call, &p) != REEL_OK)
        return;
    bool single = a->mode == REEL_BAG_MAX, weighted = call->n_inputs > IN_SAMPLE_WEIGHTS;
    int64_t columns = weight->shape.dim[1], width = single ? 1 : columns, each = single ? columns : 1;
    reel_shape table = reel_shape_make(2, (int64_t[]){weight->shape.dim[0] * each, width});
    reel_shape out = reel_shape_make(2, (int64_t[]){bag_count(call) * each, width});
    reel_var from = constant(call, REEL_INT64, p.from, p.count), to = constant(call, REEL_INT64, p.to, p.count);
    reel_var entry = constant(call, REEL_INT64, p.entry, p.count);

    reel_var grad = reel_embedding(t, reel_reshape(t, grad_outputs[0], out), from, NULL);
    if (a->mode == REEL_BAG_MEAN)
        grad = reel_mul(t, grad, constant(call, REEL_REAL, p.share, p.count));
    if (call->needed[IN_WEIGHT]) {
        reel_var g = grad;
        if (weighted)
            g = reel_mul(t, g, of_entries(call, call->inputs[IN_SAMPLE_WEIGHTS], entry, p.count));
        if (a->scale)
            g = reel_mul(t, g, of_entries(call, reel_frequency_weights(t, call->inputs[IN_INDEX]), entry, p.count));
        grad_inputs[IN_WEIGHT] = reel_reshape(t, reel_scatter_add_rows(t, g, to, table.dim[0]), weight->shape);
    }
    if (weighted && call->needed[IN_SAMPLE_WEIGHTS]) {
        reel_var rows = reel_embedding(t, reel_reshape(t, call->inputs[IN_WEIGHT], table), to, NULL);
        reel_var g = reel_sum(t, reel_mul(t, grad, rows), (int[]){1}, 1, false);
        grad_inputs[IN_SAMPLE_WEIGHTS] =
            reel_reshape(t, reel_scatter_add_rows(t, g, entry, index->numel), index->shape);
    }
}

/* ---- The rule as kernels ---- */

/* What each entry's gradient row is multiplied with; *out = NULL when with nothing. */
static reel_status entry_factors(const reel_call *call, const struct reel_kern_bags *bags, const int64_t *indices,
                                 const reel_real *shares, reel_real **out)
{
    const struct bag_attributes *a = call->attributes;
    int64_t n = call->in[IN_INDEX]->numel;
    *out = NULL;
    if (!bags->weights && !a->scale)
        return REEL_OK;
    reel_real *factors = *out = reel_call_temporary(call, (size_t)n * sizeof *factors);
    if (!factors || (a->scale && reel_weigh_by_frequency(call, indices, n, factors) != REEL_OK))
        return call->context->status;
    for (int64_t b = 0; b < bags->count; b++)
        for (int64_t i = bags->starts[b]; i < bags->starts[b + 1]; i++) {
            if (indices[i] < 0)
                continue;
            reel_real factor = (shares ? shares[b] : 1) * (bags->weights ? bags->weights[i] : 1);
            factors[i] = a->scale ? factor * factors[i] : factor;
        }
    return REEL_OK;
}

/* A row of its own for each entry. */
static reel_status give_rows(const reel_call *call, const struct reel_kern_bags *bags, const int64_t *indices,
                             const reel_real *shares, const reel_gradient *grad, reel_sink *sink)
{
    int64_t n = call->in[IN_INDEX]->numel, elements;
    size_t bytes;
    reel_real *factors;
    if (entry_factors(call, bags, indices, shares, &factors) != REEL_OK)
        return call->context->status;
    if (!reel_multiply_int64(n, bags->columns, &elements) || !reel_multiply_size(elements, sizeof(reel_real), &bytes))
        return reel_fail_memory(call->context, call->op->name, SIZE_MAX);
    reel_real *data = reel_call_temporary(call, bytes);
    if (!data)
        return call->context->status;
    reel_kern_bag_rows(bags, saved_winners(call), factors, grad->data, grad->stride, data,
                       reel_get_num_threads(call->context));
    const reel_gradient rows = {data, n, bags->columns, bags->columns, reel_temporary_block(data)};
    return reel_sink_rows(sink, n, indices, NULL, &rows);
}

/* Every entry of a bag gets the bag's row, which is not copied. */
static reel_status share_rows(const reel_call *call, const struct reel_kern_bags *bags, const int64_t *indices,
                              const reel_real *shares, const reel_gradient *grad, reel_sink *sink)
{
    int64_t n = call->in[IN_INDEX]->numel;
    reel_gradient given = *grad;
    int64_t *source = reel_call_allocate(call, (size_t)n * sizeof *source);
    if (!source)
        return call->context->status;
    for (int64_t b = 0; b < bags->count; b++)
        for (int64_t i = bags->starts[b]; i < bags->starts[b + 1]; i++)
            source[i] = b;
    if (shares) {
        reel_real *scaled = reel_call_temporary(call, (size_t)call->out[0]->numel * sizeof *scaled);
        if (!scaled)
            return call->context->status;
        reel_kern_scale_rows(bags->count, bags->columns, shares, grad->data, grad->stride, scaled,
                             reel_get_num_threads(call->context));
        given = (reel_gradient){scaled, bags->count, bags->columns, bags->columns, reel_temporary_block(scaled)};
    }
    return reel_sink_rows(sink, n, indices, source, &given);
}

static reel_status bag_accumulate(const reel_call *call, const reel_gradient *grad_outputs, reel_sink *const *sinks)
{
    const struct bag_attributes *a = call->attributes;
    const reel_array *index = call->in[IN_INDEX];
    const struct reel_kern_bags bags = bags_of(call);
    reel_gradient grad;
    reel_real *shares = NULL;
    if (reel_gradient_as_rows(call, &grad_outputs[0], bags.count, bags.columns, &grad) != REEL_OK)
        return call->context->status;
    if (a->mode == REEL_BAG_MEAN) {
        shares = reel_call_temporary(call, (size_t)bags.count * sizeof *shares);
        if (!shares)
            return call->context->status;
        reel_kern_bag_shares(&bags, shares);
    }
    if (sinks[IN_WEIGHT]) {
        const int64_t *indices = index->data;
        if ((!is_wide(index) || a->padding >= 0) && !(indices = reel_copy_indices(call, index, a->padding)))
            return call->context->status;
        bool shared = a->mode != REEL_BAG_MAX && !bags.weights && !a->scale;
        if ((shared ? share_rows : give_rows)(call, &bags, indices, shares, &grad, sinks[IN_WEIGHT]) != REEL_OK)
            return call->context->status;
    }
    if (call->n_inputs > IN_SAMPLE_WEIGHTS && sinks[IN_SAMPLE_WEIGHTS]) {
        bool add;
        reel_real *target = reel_sink_target(sinks[IN_SAMPLE_WEIGHTS], &add);
        if (target)
            reel_kern_bag_products(&bags, saved_winners(call), shares, grad.data, grad.stride, add, target,
                                   reel_get_num_threads(call->context));
    }
    return call->context->status;
}

static reel_cost bag_cost(const reel_call *call)
{
    double entries = (double)call->in[IN_INDEX]->numel * (double)call->in[IN_WEIGHT]->shape.dim[1];
    return (reel_cost){entries, (entries + (double)call->out[0]->numel) * sizeof(reel_real)};
}

/* ---- Rows ---- */

/* The rule for the table reads the index (1) and the weights (3), the one for the weights the table (0) and the index.
 * With scale_grad_by_freq the gradient is not the derivative, as in PyTorch; padding really has none. */
/* Whether the bags are the rows of the index, as they are of one with two axes. */
static bool onnx_bags_are_rows(const reel_call *call)
{
    const struct bag_attributes *a = call->attributes;
    const reel_array *index = call->in[IN_INDEX], *offsets = call->in[IN_OFFSETS];
    bool rows = index->shape.ndim == 2 && a->include_last && bag_count(call) == index->shape.dim[0];
    for (int64_t b = 0; rows && b < offsets->numel; b++)
        rows = reel_kern_index(offsets->data, is_wide(offsets), b) == b * index->shape.dim[1];
    return rows;
}

/* Only of rows, whose entries are summed along an axis. */
static reel_status bag_onnx(const reel_call *call, reel_onnx *to)
{
    const struct bag_attributes *a = call->attributes;
    if (!onnx_bags_are_rows(call))
        return reel_fail(call->context, REEL_ERROR_ARGUMENT,
                         "save_onnx: %s has an ONNX form where the bags are the rows of an index, not with offsets",
                         call->op->name);
    const int64_t growth[REEL_MAX_NDIM] = {reel_onnx_growth(to, IN_INDEX)[0]}, one = 1, two = 2;
    reel_onnx_set_growth(to, growth);
    reel_onnx_value indices = reel_onnx_input(to, IN_INDEX), zero = reel_onnx_number(to, REEL_REAL, 0);
    reel_onnx_value rows = REEL_ONNX_NODE(to, "Gather", reel_onnx_input(to, IN_WEIGHT), indices);
    if (call->n_inputs > IN_SAMPLE_WEIGHTS)
        rows = REEL_ONNX_NODE(
            to, "Mul", rows,
            REEL_ONNX_NODE(to, "Unsqueeze", reel_onnx_input(to, IN_SAMPLE_WEIGHTS), reel_onnx_int64s(to, &two, 1)));
    /* [bags, entries, 1]: 1 for what counts. */
    indices = reel_onnx_cast(to, indices, REEL_INT64);
    reel_onnx_value counts = REEL_ONNX_NODE(
        to, "Not", REEL_ONNX_NODE(to, "Equal", indices, reel_onnx_number(to, REEL_INT64, (double)a->padding)));
    counts = REEL_ONNX_NODE(to, "Unsqueeze", counts, reel_onnx_int64s(to, &two, 1));
    reel_onnx_value axis = reel_onnx_int64s(to, &one, 1), n = 0;
    if (a->mode != REEL_BAG_SUM) {
        n = reel_onnx_cast(to, counts, REEL_REAL);
        reel_onnx_set_int(to, "keepdims", 0);
        n = REEL_ONNX_NODE(to, "ReduceSum", n, axis);
    }
    bool max = a->mode == REEL_BAG_MAX;
    rows = REEL_ONNX_NODE(to, "Where", counts, rows, max ? reel_onnx_number(to, REEL_REAL, -INFINITY) : zero);
    reel_onnx_set_int(to, "keepdims", 0);
    reel_onnx_value result = REEL_ONNX_NODE(to, max ? "ReduceMax" : "ReduceSum", rows, axis);
    if (a->mode == REEL_BAG_MEAN)
        result = REEL_ONNX_NODE(to, "Div", result, REEL_ONNX_NODE(to, "Max", n, reel_onnx_number(to, REEL_REAL, 1)));
    else if (max)
        result = REEL_ONNX_NODE(to, "Where", REEL_ONNX_NODE(to, "Equal", n, zero), zero, result);
    return reel_onnx_set_output(to, 0, result);
}

#define BAG_OP(variable, name_, inputs, differentiable_, reads, derivative_)                                           \
    static const reel_op variable##_op = {                                                                             \
        .name = name_,                                                                                                 \
        .n_inputs = (inputs),                                                                                          \
        .n_outputs = 1,                                                                                                \
        .differentiable = (differentiable_),                                                                           \
        .reads_inputs = (reads),                                                                                       \
        .reads_rows = 1,                                                                                               \
        .derivative = (derivative_),                                                                                   \
        .attributes_size = sizeof(struct bag_attributes),                                                              \
        .shape = bag_shape,                                                                                            \
        .forward = bag_forward,                                                                                        \
        .vjp = bag_vjp,                                                                                                \
        .accumulate = bag_accumulate,                                                                                  \
        .cost = bag_cost,                                                                                              \
        .onnx = bag_onnx,                                                                                              \
    }
BAG_OP(plain, "embedding_bag", 3, 1, 2, REEL_DERIVATIVE_EXACT);
BAG_OP(weighted, "embedding_bag_weighted", 4, 9, 11, REEL_DERIVATIVE_EXACT);
BAG_OP(scaled, "embedding_bag_scaled", 3, 1, 2, REEL_DERIVATIVE_REFERENCE);
BAG_OP(weighted_scaled, "embedding_bag_weighted_scaled", 4, 9, 11, REEL_DERIVATIVE_REFERENCE);
#else
#define ATTRIBUTES(name, ...) static const struct bag_attributes name = {__VA_ARGS__}
ATTRIBUTES(sum, -1, REEL_BAG_SUM, false, false);
ATTRIBUTES(mean, -1, REEL_BAG_MEAN, false, false);
ATTRIBUTES(max, -1, REEL_BAG_MAX, false, false);
ATTRIBUTES(sum_last, -1, REEL_BAG_SUM, false, true);
ATTRIBUTES(mean_last, -1, REEL_BAG_MEAN, false, true);
ATTRIBUTES(max_last, -1, REEL_BAG_MAX, false, true);
ATTRIBUTES(sum_padded, 1, REEL_BAG_SUM, false, false);
ATTRIBUTES(mean_padded, 1, REEL_BAG_MEAN, false, false);
ATTRIBUTES(max_padded, 1, REEL_BAG_MAX, false, false);
ATTRIBUTES(sum_scaled, -1, REEL_BAG_SUM, true, false);
ATTRIBUTES(mean_scaled, 1, REEL_BAG_MEAN, true, true);
ATTRIBUTES(max_scaled, 0, REEL_BAG_MAX, true, false);
ATTRIBUTES(padding_4, 4, REEL_BAG_SUM, false, false);
ATTRIBUTES(no_mode, -1, (reel_bag_mode)7, false, false);

#define INTEGERS(type, from, to, ...)                                                                                  \
    {                                                                                                                  \
        .dtype = (type), REEL_DIMS(__VA_ARGS__), .low = (float)(from), .high = (float)(to)                             \
    }
/* `count` offsets from 0, of which the last of several is n. */
#define OFFSETS_TO(n, count)                                                                                           \
    {                                                                                                                  \
        .dtype = REEL_INT64, REEL_DIMS(count), .high = (n) + 1, .ascending = true                                      \
    }
#define OFFSETS32_TO(n, count)                                                                                         \
    {                                                                                                                  \
        .dtype = REEL_INT32, REEL_DIMS(count), .high = (n) + 1, .ascending = true                                      \
    }

/* The samples of a mode. After the offsets come the weights of as many entries, or nothing. */
#define WITHOUT(...)
#define WITH(...) , APART(0.0001, __VA_ARGS__)
#define SAMPLES_OF(mode, WEIGHTS)                                                                                      \
    GOOD(#mode ", bags of several lengths", &mode, APART(0.01, 5, 3), INDEX(5, 9), OFFSETS_TO(8, 4) WEIGHTS(9)),       \
        GOOD(#mode ", int32", &mode, APART(0.01, 4, 2), INDEX32(4, 7), OFFSETS32_TO(6, 3) WEIGHTS(7)),                 \
        GOOD(#mode ", empty bags", &mode, APART(0.01, 4, 3), INDEX(4, 3), OFFSETS_TO(3, 7) WEIGHTS(3)),                \
        GOOD(#mode ", one row, one column", &mode, APART(0.01, 1, 1), INDEX(1, 5), OFFSETS_TO(4, 3) WEIGHTS(5)),       \
        GOOD(#mode ", a long bag", &mode, REAL(3, 1), INDEX(3, 700), OFFSETS_TO(0, 1) WEIGHTS(700)),                   \
        GOOD(#mode ", a bag of one block", &mode, REAL(3, 1), INDEX(3, 256), OFFSETS_TO(0, 1) WEIGHTS(256)),           \
        GOOD(#mode ", long rows", &mode, REAL(2, 67), INDEX(2, 4), OFFSETS_TO(3, 2) WEIGHTS(4)),                       \
        GOOD(#mode ", no index", &mode, APART(0.01, 4, 2), INDEX(4, 0), OFFSETS_TO(0, 3) WEIGHTS(0)),                  \
        GOOD(#mode ", no bags", &mode, APART(0.01, 4, 2), INDEX(4, 0), INDEX(1, 0) WEIGHTS(0)),                        \
        GOOD(#mode ", an empty table", &mode, REAL(0, 2), INDEX(1, 0), OFFSETS_TO(0, 2) WEIGHTS(0)),                   \
        GOOD(#mode ", empty rows", &mode, REAL(3, 0), INDEX(3, 4), OFFSETS_TO(4, 2) WEIGHTS(4)),                       \
        GOOD(#mode ", the last offset", &mode##_last, APART(0.01, 5, 2), INDEX(5, 8), OFFSETS32_TO(8, 4) WEIGHTS(8)),  \
        GOOD(#mode ", no bag but the last offset", &mode##_last, REAL(5, 2), INDEX(5, 0),                              \
             OFFSETS_TO(0, 1) WEIGHTS(0)),                                                                             \
        GOOD(#mode ", two axes", &mode##_last, APART(0.01, 4, 2), INDEX32(4, 3, 4), OFFSETS_TO(12, 4) WEIGHTS(3, 4)),  \
        GOOD(#mode ", padding", &mode##_padded, APART(0.01, 3, 3), INDEX(3, 11), OFFSETS_TO(9, 6) WEIGHTS(11)),        \
        GOOD(#mode ", only padding", &mode##_padded, REAL(2, 3), INTEGERS(REEL_INT64, 1, 2, 4),                        \
             OFFSETS_TO(3, 2) WEIGHTS(4))
#define SCALED_SAMPLES(WEIGHTS)                                                                                        \
    GOOD("sum", &sum_scaled, APART(0.01, 5, 3), INDEX(5, 9), OFFSETS_TO(8, 4) WEIGHTS(9)),                             \
        GOOD("mean, two axes, padding", &mean_scaled, APART(0.01, 4, 2), INDEX32(4, 3, 4),                             \
             OFFSETS32_TO(12, 4) WEIGHTS(3, 4)),                                                                       \
        GOOD("max, padding", &max_scaled, APART(0.01, 4, 3), INDEX(4, 9), OFFSETS_TO(9, 5) WEIGHTS(9)),                \
        GOOD("no index", &sum_scaled, REAL(3, 2), INDEX(3, 0), OFFSETS_TO(0, 2) WEIGHTS(0)),                           \
        GOOD("empty rows", &sum_scaled, REAL(3, 0), INDEX(3, 4), OFFSETS_TO(3, 2) WEIGHTS(4))
#define REFUSED_SAMPLES(WEIGHTS)                                                                                       \
    REFUSED("an index outside", REEL_ERROR_INDEX, &sum, REAL(4, 2), INTEGERS(REEL_INT64, 4, 6, 3),                     \
            OFFSETS_TO(2, 2) WEIGHTS(3)),                                                                              \
        REFUSED("a negative index", REEL_ERROR_INDEX, &max, REAL(4, 2), INTEGERS(REEL_INT32, -3, 0, 2, 2),             \
                OFFSETS_TO(2, 2) WEIGHTS(2, 2)),                                                                       \
        REFUSED("an index into an empty table", REEL_ERROR_INDEX, &mean, REAL(0, 2), INDEX(1, 3),                      \
                OFFSETS_TO(2, 2) WEIGHTS(3)),                                                                          \
        REFUSED("the first offset is not 0", REEL_ERROR_INDEX, &sum, REAL(4, 2), INDEX(4, 6),                          \
                INTEGERS(REEL_INT64, 1, 3, 2) WEIGHTS(6)),                                                             \
        REFUSED("offsets in disorder", REEL_ERROR_INDEX, &mean, REAL(4, 2), INDEX(4, 30), INDEX(30, 20) WEIGHTS(30)),  \
        REFUSED("an offset behind the end", REEL_ERROR_INDEX, &max, REAL(4, 2), INDEX(4, 5),                           \
                OFFSETS32_TO(6, 3) WEIGHTS(5)),                                                                        \
        REFUSED("the last offset is not the end", REEL_ERROR_INDEX, &sum_last, REAL(4, 2), INDEX(4, 5),                \
                OFFSETS_TO(4, 3) WEIGHTS(5)),                                                                          \
        REFUSED("indices in no bag", REEL_ERROR_ARGUMENT, &mean, REAL(4, 2), INDEX(4, 5), INDEX(1, 0) WEIGHTS(5)),     \
        REFUSED("no last offset", REEL_ERROR_ARGUMENT, &max_last, REAL(4, 2), INDEX(4, 0), INDEX(1, 0) WEIGHTS(0)),    \
        REFUSED("padding outside", REEL_ERROR_ARGUMENT, &padding_4, REAL(4, 2), INDEX(4, 3),                           \
                OFFSETS_TO(2, 2) WEIGHTS(3)),                                                                          \
        REFUSED("no mode", REEL_ERROR_ARGUMENT, &no_mode, REAL(4, 2), INDEX(4, 3), OFFSETS_TO(2, 2) WEIGHTS(3)),       \
        REFUSED("a table with three axes", REEL_ERROR_SHAPE, &sum, REAL(4, 2, 2), INDEX(4, 3),                         \
                OFFSETS_TO(2, 2) WEIGHTS(3)),                                                                          \
        REFUSED("an index with three axes", REEL_ERROR_SHAPE, &sum, REAL(4, 2), INDEX(4, 3, 1, 1),                     \
                OFFSETS_TO(2, 2) WEIGHTS(3, 1, 1)),                                                                    \
        REFUSED("offsets with two axes", REEL_ERROR_SHAPE, &sum, REAL(4, 2), INDEX(4, 3), INDEX(1, 2, 1) WEIGHTS(3)),  \
        REFUSED("an integer table", REEL_ERROR_DTYPE, &sum, INDEX(3, 4, 2), INDEX(4, 3), OFFSETS_TO(2, 2) WEIGHTS(3)), \
        REFUSED("a real index", REEL_ERROR_DTYPE, &sum, REAL(4, 2), REAL(3), OFFSETS_TO(2, 2) WEIGHTS(3)),             \
        REFUSED("real offsets", REEL_ERROR_DTYPE, &sum, REAL(4, 2), INDEX(4, 3), REAL(2) WEIGHTS(3))
#define REFUSED_WEIGHTS                                                                                                \
    REFUSED("weights of another shape", REEL_ERROR_SHAPE, &sum, REAL(4, 2), INDEX(4, 3), OFFSETS_TO(2, 2), REAL(4)),   \
        REFUSED("integer weights", REEL_ERROR_DTYPE, &sum, REAL(4, 2), INDEX(4, 3), OFFSETS_TO(2, 2), INDEX(2, 3))

static const reel_sample plain_samples[] = {SAMPLES_OF(sum, WITHOUT), SAMPLES_OF(mean, WITHOUT),
                                            SAMPLES_OF(max, WITHOUT), REFUSED_SAMPLES(WITHOUT)};
static const reel_sample weighted_samples[] = {SAMPLES_OF(sum, WITH), SAMPLES_OF(mean, WITH), SAMPLES_OF(max, WITH),
                                               REFUSED_SAMPLES(WITH), REFUSED_WEIGHTS};
static const reel_sample scaled_samples[] = {SCALED_SAMPLES(WITHOUT), REFUSED_SAMPLES(WITHOUT)};
static const reel_sample weighted_scaled_samples[] = {SCALED_SAMPLES(WITH), REFUSED_SAMPLES(WITH), REFUSED_WEIGHTS};
SAMPLES(plain, plain_samples, .ulps = 16, .why = "a bag may have 700 rows");
SAMPLES(weighted, weighted_samples, .ulps = 16, .why = "a bag may have 700 rows");
SAMPLES(scaled, scaled_samples);
SAMPLES(weighted_scaled, weighted_scaled_samples);
#endif

/* ---- Public ---- */

#ifndef REEL_SAMPLES
reel_embedding_bag_lookup_options reel_embedding_bag_lookup_defaults(void)
{
    return (reel_embedding_bag_lookup_options){.mark = REEL_OPTIONS_MARK(reel_embedding_bag_lookup_options),
                                               .mode = REEL_BAG_MEAN,
                                               .padding_idx = REEL_NO_PADDING};
}

/* The offsets, with the last, of bags that are the rows of an index. */
static reel_var offsets_of_rows(reel_tape *tape, const reel_shape *index)
{
    reel_var offsets;
    reel_shape shape = reel_shape_make(1, (int64_t[]){index->dim[0] + 1});
    struct reel_node *node = reel_tape_add_array(tape, REEL_INT64, &shape, "embedding_bag", &offsets);
    if (!node)
        return reel_null();
    for (int64_t b = 0; b <= index->dim[0]; b++)
        ((int64_t *)node->array.data)[b] = b * index->dim[1];
    return offsets;
}

reel_var reel_embedding_bag(reel_tape *tape, reel_var weight, reel_var index, reel_var offsets,
                            reel_var per_sample_weights, const reel_embedding_bag_lookup_options *options)
{
    reel_embedding_bag_lookup_options o = reel_embedding_bag_lookup_defaults();
    if (options && reel_options_take(reel_tape_context(tape), "embedding_bag_lookup", options, &o) != REEL_OK)
        return reel_null();
    struct bag_attributes a = {-1, o.mode, o.scale_grad_by_freq, o.include_last_offset};
    reel_shape shape = reel_shape_of(tape, index);
    if (shape.ndim < 0 || reel_padding_row(tape, "embedding_bag", weight, o.padding_idx, &a.padding) != REEL_OK)
        return reel_null();
    bool given = !reel_is_null(offsets);
    if (given != (shape.ndim != 2)) {
        reel_fail(tape->context, REEL_ERROR_ARGUMENT,
                  given ? "embedding_bag: offsets, and an index with two axes, whose rows are the bags"
                        : "embedding_bag: no offsets, and an index with %d axes; only the rows of two axes are bags",
                  shape.ndim);
        return reel_null();
    }
    if (!given) {
        offsets = offsets_of_rows(tape, &shape);
        a.include_last = true;
    }
    if (reel_is_null(per_sample_weights))
        return reel_apply1(tape, a.scale ? &scaled_op : &plain_op, REEL_VARS(weight, index, offsets), &a);
    return reel_apply1(tape, a.scale ? &weighted_scaled_op : &weighted_op,
                       REEL_VARS(weight, index, offsets, per_sample_weights), &a);
}
#endif

REEL_OP_FAMILY(embedding_bag, ROW(plain), ROW(weighted), ROW(scaled), ROW(weighted_scaled));
