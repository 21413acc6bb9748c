/* Row contributions of backward passes, grouped by row and summed. */
#include "core/rows.h"

#include "base/checked.h"
#include "base/sort.h"
#include "core/formed.h"

#include <string.h>

/* Contribution p of the lists, counted through all of them. */
static struct reel_occurrence occurrence_at(const struct reel_rows *rows, int64_t p)
{
    while (p >= rows->count) {
        p -= rows->count;
        rows = rows->next;
    }
    if (rows->formed)
        return (struct reel_occurrence){.row = rows->indices[p], .place = p};
    return (struct reel_occurrence){.row = rows->indices[p],
                                    .values = rows->data + (rows->source ? rows->source[p] : p) * rows->stride};
}

static int bits_of(uint64_t x)
{
    return x == 0 ? 0 : 64 - __builtin_clzll((unsigned long long)x);
}

/* Sorting keys of row and place in one word is fastest, and nearly always there is room for both. */
static void sort_words(const struct reel_rows *rows, int64_t n, uint64_t *keys, uint64_t *other, int low, int bits,
                       void *places, int threads, struct reel_occurrence *out)
{
    const uint64_t mask = ((uint64_t)1 << low) - 1;
    const uint64_t *sorted = reel_kern_sort_keys(keys, other, n, low, bits, places, threads);
    if (!rows->next && rows->formed)
        for (int64_t i = 0; i < n; i++)
            out[i] = (struct reel_occurrence){.row = (int64_t)(sorted[i] >> low), .place = (int64_t)(sorted[i] & mask)};
    else if (!rows->next && !rows->source)
        for (int64_t i = 0; i < n; i++)
            out[i] = (struct reel_occurrence){.row = (int64_t)(sorted[i] >> low),
                                              .values = rows->data + (int64_t)(sorted[i] & mask) * rows->stride};
    else
        for (int64_t i = 0; i < n; i++)
            out[i] = occurrence_at(rows, (int64_t)(sorted[i] & mask));
}

static bool comes_before(const void *user, int64_t a, int64_t b)
{
    int64_t row_a = occurrence_at(user, a).row, row_b = occurrence_at(user, b).row;
    return row_a < row_b || (row_a == row_b && a < b);
}

static void sort_places(const struct reel_rows *rows, int64_t n, int64_t *order, struct reel_occurrence *out)
{
    int64_t p = 0, kept = 0;
    for (const struct reel_rows *r = rows; r; r = r->next)
        for (int64_t i = 0; i < r->count; i++, p++)
            if (r->indices[i] >= 0)
                order[kept++] = p;
    reel_heap_sort(order, n, comes_before, rows);
    for (int64_t i = 0; i < n; i++)
        out[i] = occurrence_at(rows, order[i]);
}

reel_status reel_row_groups_make(reel_context *context, struct reel_rows *rows, struct reel_row_groups *groups)
{
    *groups = (struct reel_row_groups){0};
    for (struct reel_rows *r = rows; r && rows->next; r = r->next)
        if (r->formed && reel_formed_rows_write_out(context, r) != REEL_OK)
            return context->status;
    groups->formula = rows && rows->formed ? &rows->formed->formula : NULL;
    int64_t count = 0;
    for (const struct reel_rows *r = rows; r; r = r->next)
        count += r->count;
    size_t bytes, word_bytes, start_bytes, room = reel_kern_sort_room(count, context->num_threads);
    if (!reel_multiply_size(count, sizeof(struct reel_occurrence), &bytes) ||
        !reel_multiply_size(count, sizeof(uint64_t), &word_bytes) ||
        !reel_multiply_size(count + 1, sizeof(int64_t), &start_bytes))
        return reel_fail_memory(context, "grouping gradient rows", SIZE_MAX);
    const size_t sizes[] = {bytes, start_bytes, word_bytes, word_bytes, room};
    for (int i = 0; i < 5; i++)
        if (!(groups->blocks[i] = reel_scratch_allocate(&context->scratch, sizes[i])))
            return reel_fail_memory(context, "grouping gradient rows", sizes[i]);
    groups->occurrences = groups->blocks[0];
    groups->starts = groups->blocks[1];
    uint64_t *keys = groups->blocks[2];

    int low = bits_of((uint64_t)count);
    int64_t n = 0, p = 0;
    uint64_t all = 0;
    for (const struct reel_rows *r = rows; r; r = r->next)
        for (int64_t i = 0; i < r->count; i++, p++) {
            uint64_t row = (uint64_t)r->indices[i];
            if (r->indices[i] < 0)
                continue;
            all |= row;
            keys[n++] = row << low | (uint64_t)p;
        }
    if (low + bits_of(all) <= 64)
        sort_words(rows, n, keys, groups->blocks[3], low, bits_of(all), groups->blocks[4], context->num_threads,
                   groups->occurrences);
    else
        sort_places(rows, n, groups->blocks[2], groups->occurrences);
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
    groups->partial_starts = groups->blocks[5] = reel_scratch_allocate(&context->scratch, bytes);
    if (!groups->partial_starts)
        return reel_fail_memory(context, "summing gradient rows", bytes);
    int64_t partials = reel_kern_count_partials(groups);
    if (partials > 0) {
        bytes = SIZE_MAX;
        if (reel_multiply_int64(partials, columns, &elements) &&
            reel_multiply_size(elements, sizeof *groups->partials, &bytes))
            groups->partials = groups->blocks[6] = reel_scratch_allocate(&context->scratch, bytes);
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
