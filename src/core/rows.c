#include "core/rows.h"

#include "base/checked.h"

#include <string.h>

reel_status reel_row_groups_make(reel_context *context, const struct reel_rows *rows, struct reel_row_groups *groups)
{
    *groups = (struct reel_row_groups){0};
    int64_t count = 0;
    for (const struct reel_rows *r = rows; r; r = r->next)
        count += r->count;
    size_t bytes, start_bytes;
    if (!reel_multiply_size(count, sizeof(struct reel_occurrence), &bytes) ||
        !reel_multiply_size(count + 1, sizeof(int64_t), &start_bytes))
        return reel_fail_memory(context, "grouping gradient rows", SIZE_MAX);
    struct reel_occurrence *occurrences = groups->blocks[0] = reel_scratch_allocate(&context->scratch, bytes);
    struct reel_occurrence *other = groups->blocks[1] = reel_scratch_allocate(&context->scratch, bytes);
    groups->starts = groups->blocks[2] = reel_scratch_allocate(&context->scratch, start_bytes);
    if (!occurrences || !other || !groups->starts)
        return reel_fail_memory(context, "grouping gradient rows", bytes);
    int64_t n = 0;
    for (const struct reel_rows *r = rows; r; r = r->next)
        for (int64_t i = 0; i < r->count; i++)
            if (r->indices[i] >= 0)
                occurrences[n++] =
                    (struct reel_occurrence){r->indices[i], r->data + (r->source ? r->source[i] : i) * r->stride};
    void *places = groups->blocks[3] =
        reel_scratch_allocate(&context->scratch, reel_kern_sort_room(n, context->num_threads));
    if (!places)
        return reel_fail_memory(context, "grouping gradient rows", reel_kern_sort_room(n, context->num_threads));
    groups->occurrences = reel_kern_sort_occurrences(occurrences, other, n, places, context->num_threads);
    groups->count = reel_kern_group_occurrences(groups->occurrences, n, groups->starts);
    return REEL_OK;
}

void reel_row_groups_release(reel_context *context, struct reel_row_groups *groups)
{
    for (size_t i = 0; i < sizeof groups->blocks / sizeof *groups->blocks; i++)
        reel_scratch_release(&context->scratch, groups->blocks[i]);
    *groups = (struct reel_row_groups){0};
}

reel_status reel_row_groups_sum_long(reel_context *context, struct reel_row_groups *groups, int64_t columns)
{
    if (context->num_threads <= 1 || groups->count == 0)
        return REEL_OK;
    size_t bytes = ((size_t)groups->count + 1) * sizeof *groups->partial_starts;
    int64_t elements;
    groups->partial_starts = groups->blocks[4] = reel_scratch_allocate(&context->scratch, bytes);
    if (!groups->partial_starts)
        return reel_fail_memory(context, "summing gradient rows", bytes);
    int64_t partials = reel_kern_count_partials(groups);
    if (partials > 0) {
        bytes = SIZE_MAX;
        if (reel_multiply_int64(partials, columns, &elements) &&
            reel_multiply_size(elements, sizeof *groups->partials, &bytes))
            groups->partials = groups->blocks[5] = reel_scratch_allocate(&context->scratch, bytes);
        if (!groups->partials)
            return reel_fail_memory(context, "summing gradient rows", bytes);
        reel_kern_sum_partials(groups, columns, context->num_threads);
    }
    return REEL_OK;
}

reel_status reel_row_groups_scatter(reel_context *context, struct reel_row_groups *groups, int64_t rows,
                                    int64_t columns, bool add, reel_real *table)
{
    if (reel_row_groups_sum_long(context, groups, columns) != REEL_OK)
        return context->status;
    if (!add && rows > 0)
        memset(table, 0, (size_t)rows * (size_t)columns * sizeof *table);
    reel_kern_scatter_groups(groups, columns, add, table, context->num_threads);
    return REEL_OK;
}
