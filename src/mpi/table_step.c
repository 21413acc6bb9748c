/* What may live here: the gradient of tables in a step, from the shards of this rank to the rows' owners. */
#include "table.h"
#include "table_rows.h"

#include <math.h>
#include <string.h>

/* ---- Lists of rows ---- */

/* Inside a backward pass no set of params can be freed, and so no memory. What was outgrown there waits, each block
 * holding the one before. */
static void retire(struct reel_mpi_row_list *list, const struct reel_mpi_memory *memory)
{
    memcpy(memory->data, &list->outgrown, sizeof list->outgrown);
    list->outgrown = *memory;
}

static void release_outgrown(struct reel_mpi_row_list *list)
{
    while (list->outgrown.data) {
        struct reel_mpi_memory memory = list->outgrown;
        memcpy(&list->outgrown, memory.data, sizeof list->outgrown);
        reel_mpi_release(&memory);
    }
}

void reel_mpi_row_list_release(struct reel_mpi_row_list *list)
{
    release_outgrown(list);
    reel_mpi_release(&list->keys);
    reel_mpi_release(&list->leaves);
    reel_mpi_release(&list->values);
}

/* Room for `size` bytes, of which the first `used` are kept. Grows by half. */
static reel_status extend(reel_context *context, struct reel_mpi_row_list *list, struct reel_mpi_memory *memory,
                          size_t used, size_t size)
{
    if (size <= memory->size)
        return reel_context_status(context);
    struct reel_mpi_memory larger = {0};
    reel_status status = reel_mpi_reserve(context, &larger, size > memory->size / 2 * 3 ? size : memory->size / 2 * 3);
    if (status != REEL_OK)
        return status;
    if (used > 0)
        memcpy(larger.data, memory->data, used);
    if (memory->data)
        retire(list, memory);
    *memory = larger;
    return REEL_OK;
}

static reel_status make_room(reel_context *context, struct reel_mpi_row_list *list, int64_t count, int64_t columns)
{
    const size_t used = (size_t)list->count, all = (size_t)count, row = (size_t)columns * sizeof(reel_real);
    if (extend(context, list, &list->keys, used * sizeof(int64_t), all * sizeof(int64_t)) == REEL_OK &&
        extend(context, list, &list->leaves, used * sizeof(int64_t), all * sizeof(int64_t)) == REEL_OK)
        extend(context, list, &list->values, used * row, all * row);
    return reel_context_status(context);
}

reel_status reel_mpi_row_list_append(reel_context *context, struct reel_mpi_row_list *list, int64_t n,
                                     const int64_t *keys, int64_t columns, const reel_real *values)
{
    reel_status status = make_room(context, list, list->count + n, columns);
    if (status != REEL_OK)
        return status;
    memcpy((int64_t *)list->keys.data + list->count, keys, (size_t)n * sizeof *keys);
    memcpy((reel_real *)list->values.data + list->count * columns, values, (size_t)(n * columns) * sizeof *values);
    list->count += n;
    return REEL_OK;
}

/* ---- Shards ---- */

static bool belongs_to(const reel_mpi_table *table, const reel_params *params)
{
    return reel_params_find(params, reel_param_name(table->param)) == table->param;
}

void reel_mpi_tables_begin(reel_mpi *mpi)
{
    for (reel_mpi_table *table = mpi->tables; table; table = table->next) {
        table->gradient.count = table->collected = 0;
        table->has_gradient = false;
    }
}

void reel_mpi_tables_collect(reel_mpi *mpi, const reel_params *params, int shard, double weight, bool *is_finite)
{
    for (reel_mpi_table *table = mpi->tables; table; table = table->next) {
        struct reel_mpi_row_list *list = &table->gradient;
        if (!belongs_to(table, params))
            continue;
        release_outgrown(list);
        if (weight == 0)
            list->count = table->collected;
        int64_t *leaves = list->leaves.data;
        for (int64_t i = table->collected; i < list->count; i++)
            leaves[i] = shard;
        /* One shard's gradient is the step's, as it is. */
        const int64_t end = mpi->shards > 1 ? list->count * table->columns : 0;
        reel_real *values = list->values.data, factor = (reel_real)weight, sum = 0;
        for (int64_t i = table->collected * table->columns; i < end; i++) {
            values[i] *= factor;
            /* 0, or NaN as soon as one is not finite. */
            sum += values[i] * 0;
        }
        *is_finite = *is_finite && sum == 0;
        table->collected = list->count;
    }
}

/* ---- The end of a step ---- */

static bool ascends(const int64_t *keys, int64_t n)
{
    for (int64_t i = 1; i < n; i++)
        if (keys[i - 1] >= keys[i])
            return false;
    return true;
}

/* Rows of a list with the same key become one: their number, ascending in the list's keys, and where the sums are. */
static int64_t sum_by_key(reel_mpi_table *table, struct reel_mpi_row_list *list, reel_real **sums)
{
    const int64_t n = list->count, columns = table->columns;
    int64_t *order = table->work.data, *scratch = order + n, *first = scratch + n, *keys = list->keys.data;
    reel_real *values = list->values.data, *ordered = table->ordered.data;
    *sums = values;
    /* What one lookup left. */
    if (ascends(keys, n))
        return n;
    reel_mpi_order_keys(n, keys, table->height * table->mpi->ranks, order, scratch);
    int64_t count = reel_mpi_sum_rows(n, keys, order, list->leaves.data, columns, values, first);
    for (int64_t k = 0; k < count; k++) {
        memcpy(ordered + k * columns, values + first[k] * columns, (size_t)columns * sizeof *ordered);
        scratch[k] = keys[first[k]];
    }
    memcpy(keys, scratch, (size_t)count * sizeof *keys);
    *sums = ordered;
    return count;
}

static reel_status reserve_for_sums(reel_mpi_table *table, int64_t n)
{
    reel_context *c = table->mpi->context;
    if (reel_mpi_reserve(c, &table->work, 3 * (size_t)n * sizeof(int64_t)) == REEL_OK)
        reel_mpi_reserve(c, &table->ordered, (size_t)(n * table->columns) * sizeof(reel_real));
    return reel_context_status(c);
}

static reel_status agree(reel_mpi *mpi, bool number)
{
    struct reel_mpi_record record = reel_mpi_record_of(mpi, REEL_MPI_AT_REDUCE);
    record.number = number;
    return reel_mpi_agree(mpi, &record);
}

static bool any_number(const reel_mpi *mpi)
{
    bool any = false;
    for (int r = 0; r < mpi->ranks; r++)
        any = any || reel_mpi_records(mpi)[r].number;
    return any;
}

/* What came from rank r is leaf r. */
static void label_received(reel_mpi_table *table, const int64_t *from)
{
    int64_t *leaf = table->received.leaves.data;
    for (int r = 0; r < table->mpi->ranks; r++)
        for (int64_t i = 0; i < from[r]; i++)
            *leaf++ = r;
}

/* The rows that this rank's shards have summed, to their owners, who sum them. */
static reel_status exchange(reel_mpi_table *table, int64_t *count, reel_real **sums)
{
    reel_mpi *mpi = table->mpi;
    reel_context *c = mpi->context;
    struct reel_mpi_row_list *received = &table->received;
    const int64_t *mine = table->gradient.keys.data;
    int64_t *to = table->counts.data, *from = to + mpi->ranks, n;
    memset(to, 0, (size_t)mpi->ranks * sizeof *to);
    for (int64_t k = 0; k < *count; k++)
        to[mine[k] / table->height]++;
    if (reel_mpi_exchange_counts(table, to, from, &n) != REEL_OK)
        return reel_context_status(c);
    received->count = 0;
    make_room(c, received, n, table->columns);
    release_outgrown(received);
    const struct reel_mpi_exchange keys = {to, from, mine, received->keys.data, sizeof *mine};
    const struct reel_mpi_exchange values = {to, from, *sums, received->values.data,
                                             (size_t)table->columns * sizeof **sums};
    if (agree(mpi, false) != REEL_OK || reel_mpi_exchange_rows(table, &keys) != REEL_OK ||
        reel_mpi_exchange_rows(table, &values) != REEL_OK)
        return reel_context_status(c);
    received->count = n;
    label_received(table, from);
    if (reserve_for_sums(table, n) == REEL_OK)
        *count = sum_by_key(table, received, sums);
    return reel_context_status(c);
}

static reel_status reduce(reel_mpi_table *table, double weight)
{
    reel_mpi *mpi = table->mpi;
    int64_t count = 0, *rows = table->gradient.keys.data;
    reel_real *sums = NULL;
    /* Rows of a shard that was not collected are no part of the step. */
    table->gradient.count = table->collected;
    if (reserve_for_sums(table, table->collected) == REEL_OK)
        count = sum_by_key(table, &table->gradient, &sums);
    if (agree(mpi, table->has_gradient) != REEL_OK)
        return reel_context_status(mpi->context);
    if (!any_number(mpi))
        return REEL_OK;
    if (mpi->ranks > 1) {
        if (exchange(table, &count, &sums) != REEL_OK)
            return reel_context_status(mpi->context);
        rows = table->received.keys.data;
    }
    for (int64_t k = 0; k < count; k++)
        rows[k] -= table->height * mpi->rank;
    const reel_real divisor = mpi->shards > 1 ? (reel_real)weight : 1;
    for (int64_t i = 0; i < count * table->columns && divisor != 1; i++)
        sums[i] /= divisor;
    return reel_param_set_row_grad(table->param, count, rows, sums);
}

reel_status reel_mpi_tables_reduce(reel_mpi *mpi, const reel_params *params, double weight)
{
    reel_context *c = mpi->context;
    /* Tables are linked from the newest; any order will do that is the same everywhere. */
    for (reel_mpi_table *table = mpi->tables; table && !mpi->broken; table = table->next) {
        if (!belongs_to(table, params))
            continue;
        reduce(table, weight);
        table->gradient.count = table->collected = 0;
        table->has_gradient = false;
    }
    return reel_context_status(c);
}
