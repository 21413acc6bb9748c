/* Where the gradient of a var is summed during a pass: every rule about that sum. */
#include "core/sink.h"

#include "core/formed.h"
#include "core/rows.h"
#include "kern/copy.h"
#include "kern/lookup.h"
#include "kern/sum_to.h"

#include <reel/elementwise.h>
#include <reel/reduce.h>

#include <string.h>

static struct reel_scratch *scratch_of(const struct reel_sink *sink)
{
    return &sink->pass->tape->context->scratch;
}

static size_t sink_bytes(const struct reel_sink *sink)
{
    return (size_t)sink->node->array.numel * sizeof(reel_real);
}

static void set_contiguous(struct reel_sink *sink, reel_real *data, void *block, bool owned)
{
    sink->data = data;
    sink->block = block;
    sink->rows = 1;
    sink->columns = sink->stride = sink->node->array.numel;
    sink->owned = owned;
}

static reel_real *allocate_block(struct reel_sink *sink)
{
    reel_real *block = reel_scratch_allocate(scratch_of(sink), sink_bytes(sink));
    if (!block)
        reel_fail_memory(sink->pass->tape->context, "a gradient", sink_bytes(sink));
    return block;
}

/* Replaces shared data by a copy. */
static reel_status copy_shared(struct reel_sink *sink)
{
    reel_real *copy = allocate_block(sink);
    if (!copy)
        return sink->pass->tape->context->status;
    reel_kern_copy_rows(sink->rows, sink->columns, sink->data, sink->stride, copy, sink->columns);
    reel_scratch_release(scratch_of(sink), sink->block);
    set_contiguous(sink, copy, copy, true);
    return REEL_OK;
}

reel_real *reel_sink_target(struct reel_sink *sink, bool *add)
{
    if (!sink || !add)
        return NULL;
    if (sink->data) {
        if (!sink->owned && copy_shared(sink) != REEL_OK)
            return NULL;
        *add = true;
        return sink->data;
    }
    reel_param *param = sink->node->param;
    reel_real *data, *block = NULL;
    if (sink->pass->into_params && sink->node->is_param && reel_param_gradient_is_free(param))
        data = reel_param_gradient_claim(param, sink);
    else
        data = block = allocate_block(sink);
    if (!data)
        return NULL;
    set_contiguous(sink, data, block, true);
    *add = false;
    return data;
}

void reel_sink_columns(const struct reel_sink *sink, int64_t *first, int64_t *end)
{
    if (!sink || !first || !end)
        return;
    const struct reel_node *node = sink->node;
    const reel_call *call = node->call;
    const reel_shape *shape = &node->array.shape;
    *first = 0;
    *end = shape->dim[shape->ndim - 1];
    if (!call || !call->op->grad_columns || node->hooks || sink->target)
        return;
    int64_t least = *end, most = 0;
    for (int k = 0; k < call->n_inputs; k++)
        if (reel_pass_sink(sink->pass, call->inputs[k])->needed) {
            call->op->grad_columns(call, k, first, end);
            least = *first < least ? *first : least;
            most = *end > most ? *end : most;
        }
    *first = least;
    *end = most;
}

reel_status reel_sink_add(struct reel_sink *sink, const reel_real *values)
{
    bool add;
    reel_real *target = reel_sink_target(sink, &add);
    if (!target)
        return sink->pass->tape->context->status;
    int64_t n = sink->node->array.numel;
    int threads = sink->pass->tape->context->num_threads;
    if (add)
        reel_kern_add_to(n, values, target, threads);
    else
        reel_kern_copy_rows(1, n, values, n, target, n);
    return REEL_OK;
}

void reel_sink_set_var(struct reel_sink *sink, reel_var value)
{
    sink->var = value;
    set_contiguous(sink, reel_is_null(value) ? NULL : sink->pass->tape->nodes[value.number]->array.data, NULL, false);
}

reel_status reel_sink_add_var(struct reel_sink *sink, reel_var value)
{
    reel_tape *tape = sink->pass->tape;
    const reel_array *from = &tape->nodes[value.number]->array;
    if (!sink->pass->graph)
        return reel_sink_add_broadcast(sink, from->data, &from->shape);
    if (!reel_shape_equal(&from->shape, &sink->node->array.shape))
        value = reel_sum_to_size(tape, value, sink->node->array.shape);
    reel_sink_set_var(sink, reel_is_null(sink->var) ? value : reel_add(tape, sink->var, value));
    return tape->context->status;
}

reel_status reel_sink_add_broadcast(struct reel_sink *sink, const reel_real *values, const reel_shape *from)
{
    if (reel_shape_equal(from, &sink->node->array.shape))
        return reel_sink_add(sink, values);
    bool add;
    reel_real *target = reel_sink_target(sink, &add);
    if (!target)
        return sink->pass->tape->context->status;
    reel_kern_sum_to(from, values, &sink->node->array.shape, target, add, sink->pass->tape->context->num_threads);
    return REEL_OK;
}

reel_status reel_sink_share(struct reel_sink *sink, const reel_gradient *gradient)
{
    if (!sink || !gradient)
        return REEL_ERROR_ARGUMENT;
    bool param = sink->pass->into_params && sink->node->is_param;
    /* What no block keeps lives until the reset, unless it was computed again. */
    bool lives = gradient->block || sink->pass->tape->recomputations == 0;
    if (!sink->data && !param && lives) {
        sink->data = (reel_real *)(uintptr_t)gradient->data; /* read only while owned is false */
        sink->rows = gradient->rows;
        sink->columns = gradient->columns;
        sink->stride = gradient->stride;
        sink->block = gradient->block;
        sink->owned = false;
        reel_scratch_hold(gradient->block);
        return REEL_OK;
    }
    bool add;
    reel_real *target = reel_sink_target(sink, &add);
    if (!target)
        return sink->pass->tape->context->status;
    if (add)
        reel_kern_add_rows_to(gradient->rows, gradient->columns, gradient->data, gradient->stride, target,
                              gradient->columns);
    else
        reel_kern_copy_rows(gradient->rows, gradient->columns, gradient->data, gradient->stride, target,
                            gradient->columns);
    return REEL_OK;
}

/* The contribution with all that would not outlive a recomputation in a block of its own. */
static struct reel_rows *copy_rows(reel_tape *tape, const struct reel_rows *from, const reel_gradient *gradient)
{
    size_t index_bytes = (size_t)from->count * sizeof(int64_t), source_bytes = from->source ? index_bytes : 0;
    int64_t values = from->block ? 0 : gradient->rows * gradient->columns;
    size_t bytes = sizeof *from + index_bytes + source_bytes + (size_t)values * sizeof(reel_real);
    struct reel_rows *rows = reel_scratch_allocate(&tape->context->scratch, bytes);
    if (!rows) {
        reel_fail_memory(tape->context, "a row gradient", bytes);
        return NULL;
    }
    *rows = *from;
    rows->own = rows;
    int64_t *index = (int64_t *)(rows + 1), *source = index + from->count;
    memcpy(index, from->indices, index_bytes);
    rows->indices = index;
    if (from->source)
        rows->source = memcpy(source, from->source, source_bytes);
    if (!from->block && gradient->data) {
        reel_real *data = (reel_real *)(void *)((char *)index + index_bytes + source_bytes);
        reel_kern_copy_rows(gradient->rows, gradient->columns, gradient->data, gradient->stride, data,
                            gradient->columns);
        rows->data = data;
        rows->stride = gradient->columns;
    }
    return rows;
}

static void append_rows(struct reel_sink *sink, struct reel_rows *rows)
{
    reel_scratch_hold(rows->block);
    if (!sink->lists)
        sink->lists_end = &sink->lists;
    *sink->lists_end = rows;
    sink->lists_end = &rows->next;
}

reel_status reel_sink_rows(struct reel_sink *sink, int64_t count, const int64_t *indices, const int64_t *source,
                           const reel_gradient *gradient)
{
    if (!sink || !gradient || (!indices && count > 0))
        return REEL_ERROR_ARGUMENT;
    reel_tape *tape = sink->pass->tape;
    const struct reel_rows given = {.indices = indices,
                                    .source = source,
                                    .count = count,
                                    .stride = gradient->stride,
                                    .data = gradient->data,
                                    .block = gradient->block};
    struct reel_rows *rows;
    if (tape->recomputations > 0) {
        rows = copy_rows(tape, &given, gradient);
    } else if ((rows = reel_arena_allocate(&tape->arena, sizeof *rows))) {
        *rows = given;
    } else {
        reel_fail_memory(tape->context, "a row gradient", sizeof *rows);
    }
    if (!rows)
        return tape->context->status;
    append_rows(sink, rows);
    return REEL_OK;
}

/* Rows of what was computed again, or may be written to at any time, cannot be read later. */
static bool lasts(const reel_tape *tape, const struct reel_node *node)
{
    return tape->recomputations == 0 && !(node && node->param && node->param->is_lent);
}

reel_status reel_sink_form_rows(struct reel_sink *sink, const reel_call *call, int64_t count, const int64_t *indices,
                                const struct reel_row_formula *formula, int plus, int minus, void *block)
{
    reel_tape *tape = sink->pass->tape;
    const reel_shape *shape = &sink->node->array.shape;
    const int64_t columns = shape->dim[0] > 0 ? sink->node->array.numel / shape->dim[0] : 0;
    const struct reel_node *nodes[] = {tape->nodes[call->inputs[plus].number],
                                       minus >= 0 ? tape->nodes[call->inputs[minus].number] : NULL};
    if (!lasts(tape, nodes[0]) || !lasts(tape, nodes[1])) {
        reel_real *written = reel_call_temporary(call, (size_t)(count * columns) * sizeof *written);
        if (!written)
            return tape->context->status;
        reel_kern_form_rows(formula, count, columns, false, written, tape->context->num_threads);
        const reel_gradient gradient = {written, count, columns, columns, reel_temporary_block(written)};
        return reel_sink_rows(sink, count, indices, NULL, &gradient);
    }
    struct reel_rows *rows = reel_arena_allocate(&tape->arena, sizeof *rows);
    if (!rows)
        return reel_fail_memory(tape->context, "a row gradient", sizeof *rows);
    *rows = (struct reel_rows){.indices = indices, .count = count, .block = block};
    rows->formed = reel_formed_rows_new(tape, formula, count, columns, nodes[0], nodes[1], sink->node, indices);
    if (rows->formed)
        append_rows(sink, rows);
    return tape->context->status;
}

reel_status reel_sink_densify(struct reel_sink *sink)
{
    if (!sink->lists)
        return REEL_OK;
    reel_context *c = sink->pass->tape->context;
    struct reel_row_groups groups;
    bool add;
    reel_real *target = NULL;
    reel_status status = reel_row_groups_make(c, sink->lists, &groups);
    if (status == REEL_OK && (target = reel_sink_target(sink, &add))) {
        const reel_shape *shape = &sink->node->array.shape;
        int64_t rows = shape->ndim > 0 ? shape->dim[0] : 1;
        if (rows > 0)
            reel_row_groups_scatter(c, &groups, rows, sink->node->array.numel / rows, add, target);
        reel_rows_release(c, sink->lists);
        sink->lists = NULL;
    }
    reel_row_groups_release(c, &groups);
    return c->status;
}

reel_status reel_sink_make_contiguous(struct reel_sink *sink)
{
    if (sink->data && sink->stride != sink->columns && sink->rows > 1)
        return copy_shared(sink);
    return REEL_OK;
}

void reel_sink_release(struct reel_sink *sink)
{
    reel_scratch_release(scratch_of(sink), sink->block);
    if (sink->lists)
        reel_rows_release(sink->pass->tape->context, sink->lists);
    sink->data = NULL;
    sink->block = NULL;
    sink->lists = NULL;
}

/* Row contributions that may stay rows go to the param as they are. */
static reel_status commit_rows(struct reel_sink *sink)
{
    reel_tape *tape = sink->pass->tape;
    struct reel_row_pass *pass = reel_arena_allocate(&tape->arena, sizeof *pass);
    if (!pass)
        return reel_fail_memory(tape->context, "a row gradient", sizeof *pass);
    pass->rows = sink->lists;
    sink->lists = NULL;
    return reel_param_gradient_add_pass(sink->node->param, tape, pass);
}

reel_status reel_sink_commit(struct reel_sink *sink)
{
    reel_tape *tape = sink->pass->tape;
    reel_param *param = sink->node->param;
    if (sink->lists && !sink->data && reel_param_gradient_takes_rows(param))
        return commit_rows(sink);
    if (param->sparse && (sink->lists || reel_param_gradient_kind(param) == REEL_GRADIENT_ROWS))
        tape->statistics.densified++;
    if (reel_sink_densify(sink) != REEL_OK)
        return tape->context->status;
    const reel_gradient sum = reel_sink_gradient(sink);
    return reel_param_gradient_add(param, sink, &sum);
}

const reel_real *reel_gradient_contiguous(const reel_call *call, const reel_gradient *gradient)
{
    if (!call || !gradient)
        return NULL;
    if (gradient->stride == gradient->columns || gradient->rows <= 1 || !gradient->data)
        return gradient->data;
    size_t size = (size_t)(gradient->rows * gradient->columns) * sizeof(reel_real);
    reel_real *copy = reel_call_temporary(call, size);
    if (copy)
        reel_kern_copy_rows(gradient->rows, gradient->columns, gradient->data, gradient->stride, copy,
                            gradient->columns);
    return copy;
}
