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
    groups->occurrences = reel_kern_sort_occurrences(occurrences, other, n);
    groups->count = reel_kern_group_occurrences(groups->occurrences, n, groups->starts);
    return REEL_OK;
}

void reel_row_groups_release(reel_context *context, struct reel_row_groups *groups)
{
    for (int i = 0; i < 3; i++)
        reel_scratch_release(&context->scratch, groups->blocks[i]);
    *groups = (struct reel_row_groups){0};
}

void reel_row_groups_scatter(const struct reel_row_groups *groups, int64_t rows, int64_t columns, bool add,
                             reel_real *table)
{
    if (!add && rows > 0)
        memset(table, 0, (size_t)rows * (size_t)columns * sizeof *table);
    for (int64_t g = 0; g < groups->count; g++) {
        const struct reel_occurrence *first = groups->occurrences + groups->starts[g];
        reel_kern_sum_occurrences(first, groups->starts[g + 1] - groups->starts[g], columns, add,
                                  table + first->row * columns);
    }
}
