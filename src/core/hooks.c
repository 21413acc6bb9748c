/* Functions of the user that see a gradient on its way. */
#include "core/hooks.h"

#include "core/rows.h"

#include <reel/create.h>

#include <string.h>

static reel_status add_hook(reel_tape *tape, reel_var v, const char *who, bool given, struct reel_node_hook hook)
{
    struct reel_node *node = reel_tape_node(tape, v, who);
    if (!node)
        return reel_context_status(reel_tape_context(tape));
    if (!reel_tape_is_open(tape, who))
        return tape->context->status;
    if (tape->segment && v.number < tape->segment->count)
        return reel_fail(tape->context, REEL_ERROR_STATE,
                         "%s: not possible inside a segment of recompute for a var from outside, which would have the "
                         "hook twice",
                         who);
    if (!given || node->array.dtype != REEL_REAL)
        return reel_fail(tape->context, REEL_ERROR_ARGUMENT, "%s: %s", who,
                         given ? "the var is not real, it gets no gradient" : "hook is NULL");
    if (hook.row_function && node->array.shape.ndim == 0)
        return reel_fail(tape->context, REEL_ERROR_ARGUMENT, "%s: the var has no axes, and so no rows", who);
    struct reel_node_hook *entry = reel_arena_allocate(&tape->arena, sizeof *entry);
    if (!entry)
        return reel_fail_memory(tape->context, who, sizeof *entry);
    *entry = hook;
    reel_tape_pin(tape, v.number);
    struct reel_node_hook **last = &node->hooks;
    while (*last)
        last = &(*last)->next;
    *last = entry;
    return REEL_OK;
}

reel_status reel_register_hook(reel_tape *tape, reel_var v, reel_hook hook, void *user)
{
    return add_hook(tape, v, "register_hook", hook != NULL, (struct reel_node_hook){.function = hook, .user = user});
}

reel_status reel_register_row_hook(reel_tape *tape, reel_var v, reel_row_hook hook, void *user)
{
    return add_hook(tape, v, "register_row_hook", hook != NULL,
                    (struct reel_node_hook){.row_function = hook, .user = user});
}

static int64_t rows_of(const struct reel_node *node)
{
    return node->array.shape.dim[0];
}

/* Calls a hook with a gradient, or with that of some rows. *elements becomes NULL when the gradient stays what it is,
 * else what replaces it. */
static reel_status call(reel_tape *tape, const struct reel_node_hook *h, reel_var rows, reel_var given,
                        const reel_real **elements, reel_var *result)
{
    *elements = NULL;
    reel_var replaced = h->function ? h->function(tape, given, h->user) : h->row_function(tape, rows, given, h->user);
    const struct reel_node *node = reel_is_null(replaced) ? NULL : reel_tape_node(tape, replaced, "a gradient hook");
    if (tape->context->status != REEL_OK || !node || replaced.number == given.number)
        return tape->context->status;
    if (node->array.dtype != REEL_REAL ||
        !reel_shape_equal(&node->array.shape, &tape->nodes[given.number]->array.shape))
        return reel_fail(tape->context, REEL_ERROR_SHAPE, "a gradient hook gave another shape or type");
    *elements = reel_node_elements(node);
    *result = replaced;
    return REEL_OK;
}

/* The gradient as a var that a hook may keep: in a graph it is one, else a copy, since the sink's memory does not live
 * as long. */
static reel_status gradient_var(struct reel_sink *sink, reel_var *given)
{
    reel_tape *tape = sink->pass->tape;
    *given = sink->var;
    if (sink->pass->graph)
        return REEL_OK;
    if (reel_sink_densify(sink) != REEL_OK || reel_sink_make_contiguous(sink) != REEL_OK)
        return tape->context->status;
    struct reel_node *copy = reel_tape_add_array(tape, REEL_REAL, &sink->node->array.shape, "a gradient hook", given);
    if (copy)
        memcpy(copy->array.data, sink->data, (size_t)copy->array.numel * sizeof(reel_real));
    return tape->context->status;
}

static reel_status run_on_all(struct reel_sink *sink, const struct reel_node_hook *h)
{
    reel_tape *tape = sink->pass->tape;
    reel_var given, result, rows = reel_null();
    if (gradient_var(sink, &given) != REEL_OK)
        return tape->context->status;
    if (h->row_function)
        rows = reel_arange_int64(tape, 0, rows_of(sink->node), 1);
    const reel_real *elements;
    if (call(tape, h, rows, given, &elements, &result) != REEL_OK || !elements)
        return tape->context->status;
    if (sink->pass->graph) {
        reel_sink_set_var(sink, result);
        return REEL_OK;
    }
    bool add;
    if (!sink->owned && !reel_sink_target(sink, &add))
        return tape->context->status;
    memcpy(sink->data, elements, (size_t)sink->node->array.numel * sizeof(reel_real));
    return REEL_OK;
}

/* Sums the lists into vars of the rows that they touch. */
static reel_status sum_lists(struct reel_sink *sink, reel_var *rows, reel_var *values)
{
    reel_tape *tape = sink->pass->tape;
    reel_shape shape = sink->node->array.shape;
    struct reel_row_groups groups;
    if (reel_row_groups_make(tape->context, sink->lists, &groups) == REEL_OK) {
        int64_t columns = rows_of(sink->node) > 0 ? sink->node->array.numel / rows_of(sink->node) : 0;
        const reel_shape of_rows = {1, {groups.count}};
        shape.dim[0] = groups.count;
        struct reel_node *r = reel_tape_add_array(tape, REEL_INT64, &of_rows, "a gradient hook", rows);
        struct reel_node *v = reel_tape_add_array(tape, REEL_REAL, &shape, "a gradient hook", values);
        for (int64_t g = 0; r && v && g < groups.count; g++) {
            ((int64_t *)r->array.data)[g] = groups.occurrences[groups.starts[g]].row;
            reel_kern_sum_group(&groups, g, columns, false, (reel_real *)v->array.data + g * columns);
        }
    }
    reel_row_groups_release(tape->context, &groups);
    return tape->context->status;
}

static reel_status run_on_rows(struct reel_sink *sink, const struct reel_node_hook *h)
{
    reel_tape *tape = sink->pass->tape;
    reel_var rows, values, result;
    const reel_real *elements;
    if (sum_lists(sink, &rows, &values) != REEL_OK || call(tape, h, rows, values, &elements, &result) != REEL_OK)
        return tape->context->status;
    const reel_array *index = &tape->nodes[rows.number]->array, *given = &tape->nodes[values.number]->array;
    reel_rows_release(tape->context, sink->lists);
    sink->lists = NULL;
    int64_t columns = index->numel > 0 ? given->numel / index->numel : 0;
    const reel_gradient gradient = {elements ? elements : given->data, index->numel, columns, columns, NULL};
    return reel_sink_rows(sink, index->numel, index->data, NULL, &gradient);
}

reel_status reel_hooks_run(struct reel_sink *sink)
{
    reel_status status = REEL_OK;
    for (const struct reel_node_hook *h = sink->node->hooks; h && status == REEL_OK; h = h->next)
        status = h->row_function && sink->lists && !sink->data ? run_on_rows(sink, h) : run_on_all(sink, h);
    return status;
}
