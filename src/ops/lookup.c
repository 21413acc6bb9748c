/* What is computed of looked-up rows without writing them: losses and products that read the table, and gradients that
 * are described. */
#include "kern/lookup.h"

#include "core/sink.h"
#include "kern/loss.h"
#include "kern/reduce.h"
#include "ops/gather.h"
#include "ops/loss.h"

#include <reel/elementwise.h>
#include <reel/gather.h>
#include <reel/lookup.h>
#include <reel/reduce.h>
#include <reel/unary.h>
#include <reel/view.h>

#ifndef REEL_SAMPLES
static int64_t row_columns(const reel_array *table)
{
    int64_t columns = 1;
    for (int i = 1; i < table->shape.ndim; i++)
        columns *= table->shape.dim[i];
    return columns;
}

/* Input k as rows, which input `index` names; its indices live as long as the step. False with the error recorded. */
static bool look_up(const reel_call *call, int k, int index, int64_t repeat, struct reel_row_source *rows)
{
    const reel_array *of = call->in[index];
    const int64_t *indices = is_wide(of) ? of->data : reel_copy_indices(call, of, -1);
    *rows = (struct reel_row_source){call->in[k]->data, indices, row_columns(call->in[k]), repeat};
    return indices != NULL;
}

static reel_status check_rows(const reel_call *call, int k, int index)
{
    if (reel_check_index(call, call->in[index], call->in[k]->shape.dim[0], call->op->name) != REEL_OK)
        return call->context->status;
    return reel_call_read_rows(call, k, call->in[index]);
}

/* Input k must be a table, and input `index` an index. */
static reel_status expect_table(reel_call *call, int k, int index, const char *table, const char *argument)
{
    if (reel_expect_real(call, k, table) != REEL_OK || reel_expect_index(call, index, argument) != REEL_OK)
        return call->context->status;
    if (call->in[k]->shape.ndim > 0)
        return REEL_OK;
    return reel_fail(call->context, REEL_ERROR_SHAPE, "%s: %s has no axes, it needs at least one", call->op->name,
                     table);
}

/* A var as a matrix, or with more axes. */
static reel_var reshaped(const reel_call *call, reel_var v, int ndim, const int64_t *sizes)
{
    return reel_reshape(call->tape, v, reel_shape_make(ndim, sizes));
}
#endif

/* ---- embedding_mse_loss ---- */

struct embedding_loss_attributes {
    reel_reduction reduction;
};

#ifndef REEL_SAMPLES
static reel_status embedding_mse_shape(reel_call *call)
{
    const struct embedding_loss_attributes *a = call->attributes;
    const reel_shape *table = &call->in[0]->shape, *index = &call->in[1]->shape, *target = &call->in[2]->shape;
    if (expect_table(call, 0, 1, "the weight", "the index") != REEL_OK ||
        reel_expect_real(call, 2, "the target") != REEL_OK)
        return call->context->status;
    bool fits = target->ndim == index->ndim + table->ndim - 1;
    for (int i = 0; fits && i < target->ndim; i++)
        fits = target->dim[i] == (i < index->ndim ? index->dim[i] : table->dim[i - index->ndim + 1]);
    if (!fits) {
        char text[3][REEL_SHAPE_TEXT];
        return reel_fail(call->context, REEL_ERROR_SHAPE,
                         "%s: the target is %s, it must have the axes of the index %s and then those of a row of %s",
                         call->op->name, reel_shape_text(target, text[0]), reel_shape_text(index, text[1]),
                         reel_shape_text(table, text[2]));
    }
    if (a->reduction != REEL_MEAN && a->reduction != REEL_SUM)
        return reel_fail(call->context, REEL_ERROR_ARGUMENT, "%s: reduction %d is neither REEL_MEAN nor REEL_SUM",
                         call->op->name, (int)a->reduction);
    call->out[0]->shape = reel_shape_make(0, NULL);
    call->out[0]->dtype = REEL_REAL;
    return REEL_OK;
}

static bool is_mean(const reel_call *call)
{
    return ((const struct embedding_loss_attributes *)call->attributes)->reduction == REEL_MEAN;
}

static reel_status embedding_mse_forward(reel_call *call)
{
    const reel_array *target = call->in[2];
    struct reel_row_source rows;
    if (check_rows(call, 0, 1) != REEL_OK || !look_up(call, 0, 1, 1, &rows))
        return call->context->status;
    const struct reel_kern_reduction sum = {.combine = REEL_KERN_SUM,
                                            .map = reel_kern_mse.value,
                                            .run = reel_kern_mse.run,
                                            .source = &rows,
                                            .columns = rows.stride,
                                            .other = target->data,
                                            .divisor = is_mean(call) ? (double)target->numel : 1};
    const reel_shape flat = {1, {target->numel}};
    reel_kern_reduce(&flat, 1, NULL, &sum, call->out[0]->data, call->context->num_threads);
    return REEL_OK;
}

static void embedding_mse_vjp(const reel_call *call, const reel_var *grad_outputs, reel_var *grad_inputs)
{
    reel_tape *t = call->tape;
    int64_t n = call->in[2]->numel; /* the share of nothing must not be infinite */
    reel_var each = grad_outputs[0];
    if (is_mean(call) && n > 0)
        each = reel_div_scalar(t, each, (double)n);
    reel_var distance = reel_sub(t, reel_embedding(t, call->inputs[0], call->inputs[1], NULL), call->inputs[2]);
    reel_var grad = reel_mul(t, distance, reel_mul_scalar(t, each, 2));
    if (call->needed[0])
        grad_inputs[0] = reel_scatter_add_rows(t, grad, call->inputs[1], call->in[0]->shape.dim[0]);
    if (call->needed[2])
        grad_inputs[2] = reel_neg(t, grad);
}

/* Rounded as mse_loss rounds: its gradient of x is made for one of 1, and scaled by what comes. */
static reel_status embedding_mse_accumulate(const reel_call *call, const reel_gradient *grad_outputs,
                                            reel_sink *const *sinks)
{
    const reel_array *index = call->in[1], *target = call->in[2];
    const reel_real grad = grad_outputs[0].data[0], n = is_mean(call) ? (reel_real)target->numel : 1;
    struct reel_row_source rows;
    reel_real *factor = reel_call_allocate(call, sizeof *factor);
    if (!factor || !look_up(call, 0, 1, 1, &rows))
        return call->context->status;
    const struct reel_row_source wanted = {.rows = target->data, .stride = rows.stride, .repeat = 1};
    if (sinks[0]) {
        *factor = 2 / n;
        const struct reel_row_formula f = {.plus = rows, .minus = wanted, .factor = factor, .fan = 1, .scale = grad};
        if (reel_sink_form_rows(sinks[0], call, index->numel, rows.index, &f, 0, 2, NULL) != REEL_OK)
            return call->context->status;
    }
    if (sinks[2]) {
        const reel_real share = 2 * (grad / n);
        const struct reel_row_formula f = {.plus = wanted, .minus = rows, .factor = &share, .fan = 1, .scale = 1};
        bool add;
        reel_real *to = reel_sink_target(sinks[2], &add);
        if (to)
            reel_kern_form_rows(&f, index->numel, rows.stride, add, to, call->context->num_threads);
    }
    return call->context->status;
}

static reel_cost embedding_mse_cost(const reel_call *call)
{
    double n = (double)call->in[2]->numel;
    return (reel_cost){3 * n, 2 * n * sizeof(reel_real)};
}

static reel_status embedding_mse_onnx(const reel_call *call, reel_onnx *to)
{
    reel_onnx_value rows = REEL_ONNX_NODE(to, "Gather", reel_onnx_input(to, 0), reel_onnx_input(to, 1));
    reel_onnx_value distance = REEL_ONNX_NODE(to, "Sub", rows, reel_onnx_input(to, 2));
    reel_onnx_value square = REEL_ONNX_NODE(to, "Mul", distance, distance);
    reel_onnx_set_int(to, "keepdims", 0);
    return reel_onnx_set_output(to, 0, REEL_ONNX_NODE(to, is_mean(call) ? "ReduceMean" : "ReduceSum", square));
}

static const reel_op embedding_mse_op = {
    .name = "embedding_mse_loss",
    .n_inputs = 3,
    .n_outputs = 1,
    .differentiable = 5,
    .reads_inputs = 7,
    .reads_rows = 1,
    .attributes_size = sizeof(struct embedding_loss_attributes),
    .shape = embedding_mse_shape,
    .forward = embedding_mse_forward,
    .vjp = embedding_mse_vjp,
    .accumulate = embedding_mse_accumulate,
    .cost = embedding_mse_cost,
    .onnx = embedding_mse_onnx,
};

reel_var reel_embedding_mse_loss(reel_tape *tape, reel_var weight, reel_var index, reel_var target,
                                 const reel_loss_options *options)
{
    reel_loss_options o = reel_loss_defaults();
    if (options && reel_options_take(reel_tape_context(tape), "loss", options, &o) != REEL_OK)
        return reel_null();
    const struct embedding_loss_attributes a = {o.reduction};
    return reel_apply1(tape, &embedding_mse_op, REEL_VARS(weight, index, target), &a);
}
#else
static const struct embedding_loss_attributes mean = {REEL_MEAN}, sum = {REEL_SUM}, none = {REEL_NONE};
static const reel_sample embedding_mse_samples[] = {
    GOOD("mean", &mean, REAL(5, 3), INDEX(5, 7), REAL(7, 3)),
    GOOD("sum, int32", &sum, REAL(5, 3), INDEX32(5, 7), REAL(7, 3)),
    GOOD("indices with two axes", &mean, REAL(4, 2), INDEX(4, 2, 3), REAL(2, 3, 2)),
    GOOD("one index without axes", &mean, REAL(4, 2), {.dtype = REEL_INT64, .ndim = 0, .high = 4}, REAL(2)),
    GOOD("rows with two axes", &sum, REAL(3, 2, 2), INDEX(3, 4), REAL(4, 2, 2)),
    GOOD("rows without axes", &mean, REAL(5), INDEX(5, 2, 3), REAL(2, 3)),
    GOOD("rows of more than a tile", &mean, REAL(3, 70), INDEX(3, 5), REAL(5, 70)),
    GOOD("a whole run", &mean, REAL(3, 64), INDEX(3, 2), REAL(2, 64)),
    GOOD("no index", &sum, REAL(4, 2), INDEX(4, 0), REAL(0, 2)),
    GOOD("empty rows", &sum, REAL(4, 0), INDEX(4, 3), REAL(3, 0)),
    GOOD("eight axes", &mean, REAL(3, 2, 1, 2), INDEX(3, 1, 2, 1, 2, 1), REAL(1, 2, 1, 2, 1, 2, 1, 2)),
    REFUSED("an index outside", REEL_ERROR_INDEX, &mean, REAL(4, 2),
            {.dtype = REEL_INT64, REEL_DIMS(3), .low = 4, .high = 6}, REAL(3, 2)),
    REFUSED("a table without axes", REEL_ERROR_SHAPE, &mean, SCALAR, INDEX(1, 3), REAL(3)),
    REFUSED("a target of other rows", REEL_ERROR_SHAPE, &mean, REAL(4, 2), INDEX(4, 3), REAL(3, 3)),
    REFUSED("a target that would broadcast", REEL_ERROR_SHAPE, &mean, REAL(4, 2), INDEX(4, 3), REAL(2)),
    REFUSED("a real index", REEL_ERROR_DTYPE, &mean, REAL(4, 2), REAL(3), REAL(3, 2)),
    REFUSED("an integer table", REEL_ERROR_DTYPE, &mean, INDEX(2, 4, 2), INDEX(4, 3), REAL(3, 2)),
    REFUSED("an integer target", REEL_ERROR_DTYPE, &mean, REAL(4, 2), INDEX(4, 3), INDEX(2, 3, 2)),
    REFUSED("no reduction", REEL_ERROR_ARGUMENT, &none, REAL(4, 2), INDEX(4, 3), REAL(3, 2)),
};
SAMPLES(embedding_mse, embedding_mse_samples);
#endif

/* ---- embedding_dot ---- */

#ifndef REEL_SAMPLES
enum { IN_WEIGHT, IN_INDEX, IN_OTHER, IN_OTHER_INDEX };

static reel_status embedding_dot_shape(reel_call *call)
{
    if (expect_table(call, IN_WEIGHT, IN_INDEX, "the weight", "the index") != REEL_OK ||
        expect_table(call, IN_OTHER, IN_OTHER_INDEX, "the other table", "its index") != REEL_OK)
        return call->context->status;
    const reel_shape *weight = &call->in[IN_WEIGHT]->shape, *other = &call->in[IN_OTHER]->shape;
    const reel_shape *index = &call->in[IN_INDEX]->shape, *partners = &call->in[IN_OTHER_INDEX]->shape;
    char text[2][REEL_SHAPE_TEXT];
    bool alike = weight->ndim == other->ndim, begins = partners->ndim >= index->ndim;
    for (int i = 1; alike && i < weight->ndim; i++)
        alike = weight->dim[i] == other->dim[i];
    for (int i = 0; begins && i < index->ndim; i++)
        begins = partners->dim[i] == index->dim[i];
    if (!alike)
        return reel_fail(call->context, REEL_ERROR_SHAPE, "%s: the rows of %s and %s have different shapes",
                         call->op->name, reel_shape_text(weight, text[0]), reel_shape_text(other, text[1]));
    if (!begins)
        return reel_fail(call->context, REEL_ERROR_SHAPE, "%s: the other index %s does not begin with the axes of %s",
                         call->op->name, reel_shape_text(partners, text[0]), reel_shape_text(index, text[1]));
    call->out[0]->shape = *partners;
    call->out[0]->dtype = REEL_REAL;
    return REEL_OK;
}

/* How many rows of the other table each row of the first is multiplied with. */
static int64_t partners_of_each(const reel_call *call)
{
    const reel_shape *all = &call->in[IN_OTHER_INDEX]->shape;
    int64_t each = 1;
    for (int i = call->in[IN_INDEX]->shape.ndim; i < all->ndim; i++)
        each *= all->dim[i];
    return each;
}

/* Both tables as rows for each element of the result. */
static bool look_up_both(const reel_call *call, struct reel_row_source *rows, struct reel_row_source *partners)
{
    return look_up(call, IN_WEIGHT, IN_INDEX, partners_of_each(call), rows) &&
           look_up(call, IN_OTHER, IN_OTHER_INDEX, 1, partners);
}

static reel_status embedding_dot_forward(reel_call *call)
{
    struct reel_row_source rows, partners;
    if (check_rows(call, IN_WEIGHT, IN_INDEX) != REEL_OK || check_rows(call, IN_OTHER, IN_OTHER_INDEX) != REEL_OK ||
        !look_up_both(call, &rows, &partners))
        return call->context->status;
    reel_kern_row_products(call->out[0]->numel, rows.stride, &rows, &partners, call->out[0]->data,
                           call->context->num_threads);
    return REEL_OK;
}

static void embedding_dot_vjp(const reel_call *call, const reel_var *grad_outputs, reel_var *grad_inputs)
{
    reel_tape *t = call->tape;
    const reel_array *weight = call->in[IN_WEIGHT], *other = call->in[IN_OTHER];
    const int64_t n = call->in[IN_INDEX]->numel, each = partners_of_each(call), columns = row_columns(weight);
    const int64_t all[] = {n, each, columns},
                  tables[2][2] = {{weight->shape.dim[0], columns}, {other->shape.dim[0], columns}};
    reel_var index = reshaped(call, call->inputs[IN_INDEX], 2, (int64_t[]){n, 1});
    reel_var partners = reshaped(call, call->inputs[IN_OTHER_INDEX], 2, all);
    reel_var grad = reshaped(call, grad_outputs[0], 3, (int64_t[]){n, each, 1});
    if (call->needed[IN_WEIGHT]) {
        reel_var rows = reel_embedding(t, reshaped(call, call->inputs[IN_OTHER], 2, tables[1]), partners, NULL);
        reel_var sums = reel_sum(t, reel_mul(t, grad, rows), REEL_AXES(1), true);
        grad_inputs[IN_WEIGHT] = reel_reshape(t, reel_scatter_add_rows(t, sums, index, tables[0][0]), weight->shape);
    }
    if (call->needed[IN_OTHER]) {
        reel_var rows = reel_embedding(t, reshaped(call, call->inputs[IN_WEIGHT], 2, tables[0]), index, NULL);
        grad_inputs[IN_OTHER] =
            reel_reshape(t, reel_scatter_add_rows(t, reel_mul(t, grad, rows), partners, tables[1][0]), other->shape);
    }
}

static reel_status embedding_dot_accumulate(const reel_call *call, const reel_gradient *grad_outputs,
                                            reel_sink *const *sinks)
{
    const reel_gradient *given = &grad_outputs[0];
    struct reel_row_source rows, partners;
    const reel_real *grad = reel_gradient_contiguous(call, given);
    if (!grad || !look_up_both(call, &rows, &partners))
        return call->context->status;
    void *block = grad == given->data ? given->block : reel_temporary_block((void *)(uintptr_t)grad);
    const struct reel_row_formula for_rows = {
        .plus = partners, .factor = grad, .factor_step = 1, .fan = rows.repeat, .scale = 1};
    const struct reel_row_formula for_partners = {.plus = rows, .factor = grad, .factor_step = 1, .fan = 1, .scale = 1};
    /* In this order a table that is both gets its rows from two lookups, the last one first. */
    if (sinks[IN_OTHER])
        reel_sink_form_rows(sinks[IN_OTHER], call, call->in[IN_OTHER_INDEX]->numel, partners.index, &for_partners,
                            IN_WEIGHT, -1, block);
    if (sinks[IN_WEIGHT] && call->context->status == REEL_OK)
        reel_sink_form_rows(sinks[IN_WEIGHT], call, call->in[IN_INDEX]->numel, rows.index, &for_rows, IN_OTHER, -1,
                            block);
    return call->context->status;
}

static reel_cost embedding_dot_cost(const reel_call *call)
{
    double terms = (double)call->out[0]->numel * (double)row_columns(call->in[IN_WEIGHT]);
    double rows = (double)call->in[IN_INDEX]->numel * (double)row_columns(call->in[IN_WEIGHT]);
    return (reel_cost){2 * terms, (terms + rows + (double)call->out[0]->numel) * sizeof(reel_real)};
}

static reel_status embedding_dot_onnx(const reel_call *call, reel_onnx *to)
{
    const int ndim = call->out[0]->shape.ndim, axes = call->in[IN_WEIGHT]->shape.ndim - 1;
    reel_onnx_value index = reel_onnx_input(to, IN_INDEX);
    int64_t behind[2 * REEL_MAX_NDIM];
    for (int i = 0; i < 2 * REEL_MAX_NDIM; i++)
        behind[i] = i < ndim - call->in[IN_INDEX]->shape.ndim ? call->in[IN_INDEX]->shape.ndim + i : 0;
    if (ndim > call->in[IN_INDEX]->shape.ndim)
        index =
            REEL_ONNX_NODE(to, "Unsqueeze", index, reel_onnx_int64s(to, behind, ndim - call->in[IN_INDEX]->shape.ndim));
    reel_onnx_value rows = REEL_ONNX_NODE(to, "Gather", reel_onnx_input(to, IN_WEIGHT), index);
    reel_onnx_value partners =
        REEL_ONNX_NODE(to, "Gather", reel_onnx_input(to, IN_OTHER), reel_onnx_input(to, IN_OTHER_INDEX));
    reel_onnx_value products = REEL_ONNX_NODE(to, "Mul", rows, partners);
    if (axes == 0)
        return reel_onnx_set_output(to, 0, products);
    for (int i = 0; i < axes; i++)
        behind[i] = ndim + i;
    reel_onnx_set_int(to, "keepdims", 0);
    return reel_onnx_set_output(to, 0, REEL_ONNX_NODE(to, "ReduceSum", products, reel_onnx_int64s(to, behind, axes)));
}

static const reel_op embedding_dot_op = {
    .name = "embedding_dot",
    .n_inputs = 4,
    .n_outputs = 1,
    .differentiable = 5,
    .reads_inputs = 15,
    .reads_rows = 5,
    .shape = embedding_dot_shape,
    .forward = embedding_dot_forward,
    .vjp = embedding_dot_vjp,
    .accumulate = embedding_dot_accumulate,
    .cost = embedding_dot_cost,
    .onnx = embedding_dot_onnx,
};

reel_var reel_embedding_dot(reel_tape *tape, reel_var weight, reel_var index, reel_var other, reel_var other_index)
{
    return reel_apply1(tape, &embedding_dot_op, REEL_VARS(weight, index, other, other_index), NULL);
}
#else
static const reel_sample embedding_dot_samples[] = {
    GOOD("pairs", NULL, REAL(5, 3), INDEX(5, 7), REAL(4, 3), INDEX(4, 7)),
    GOOD("int32", NULL, REAL(5, 3), INDEX32(5, 7), REAL(4, 3), INDEX32(4, 7)),
    GOOD("several partners", NULL, REAL(5, 3), INDEX(5, 4), REAL(6, 3), INDEX(6, 4, 3)),
    GOOD("partners with two axes", NULL, REAL(5, 3), INDEX(5, 2, 2), REAL(6, 3), INDEX32(6, 2, 2, 2, 2)),
    GOOD("one row and its partners", NULL, REAL(5, 3), {.dtype = REEL_INT64, .ndim = 0, .high = 5}, REAL(6, 3),
         INDEX(6, 5)),
    GOOD("many partners", NULL, REAL(2, 3), INDEX(2, 2), REAL(4, 3), INDEX(4, 2, 40)),
    GOOD("rows with two axes", NULL, REAL(3, 2, 2), INDEX(3, 4), REAL(4, 2, 2), INDEX(4, 4)),
    GOOD("rows without axes", NULL, REAL(3), INDEX(3, 4), REAL(4), INDEX(4, 4, 2)),
    GOOD("rows of more than a tile", NULL, REAL(3, 70), INDEX(3, 3), REAL(2, 70), INDEX(2, 3, 2)),
    GOOD("no index", NULL, REAL(4, 2), INDEX(4, 0), REAL(3, 2), INDEX(3, 0)),
    GOOD("no partners", NULL, REAL(4, 2), INDEX(4, 3), REAL(3, 2), INDEX(3, 3, 0)),
    GOOD("empty rows", NULL, REAL(4, 0), INDEX(4, 3), REAL(3, 0), INDEX(3, 3)),
    REFUSED("an index outside", REEL_ERROR_INDEX, NULL, REAL(4, 2),
            {.dtype = REEL_INT64, REEL_DIMS(3), .low = 4, .high = 6}, REAL(4, 2), INDEX(4, 3)),
    REFUSED("an index outside the other", REEL_ERROR_INDEX, NULL, REAL(4, 2), INDEX(4, 3), REAL(4, 2),
            {.dtype = REEL_INT32, REEL_DIMS(3), .low = -3, .high = 0}),
    REFUSED("rows of another shape", REEL_ERROR_SHAPE, NULL, REAL(4, 2), INDEX(4, 3), REAL(4, 3), INDEX(4, 3)),
    REFUSED("rows of another number of axes", REEL_ERROR_SHAPE, NULL, REAL(4, 2), INDEX(4, 3), REAL(4), INDEX(4, 3)),
    REFUSED("indices that do not go together", REEL_ERROR_SHAPE, NULL, REAL(4, 2), INDEX(4, 3), REAL(4, 2),
            INDEX(4, 2)),
    REFUSED("fewer axes of partners", REEL_ERROR_SHAPE, NULL, REAL(4, 2), INDEX(4, 3, 1), REAL(4, 2), INDEX(4, 3)),
    REFUSED("a table without axes", REEL_ERROR_SHAPE, NULL, REAL(4), INDEX(4, 3), SCALAR, INDEX(1, 3)),
    REFUSED("a real index", REEL_ERROR_DTYPE, NULL, REAL(4, 2), REAL(3), REAL(4, 2), INDEX(4, 3)),
    REFUSED("an integer table", REEL_ERROR_DTYPE, NULL, REAL(4, 2), INDEX(4, 3), INDEX(2, 4, 2), INDEX(4, 3)),
};
SAMPLES(embedding_dot, embedding_dot_samples);
#endif

REEL_OP_FAMILY(lookup, ROW(embedding_mse), ROW(embedding_dot));
