/* What may live here: rows on their way between the ranks of a table. */
#include "table.h"

/* Sizes and offsets in bytes, of what is sent and of what is received. */
enum { SEND_OFFSETS, SEND_SIZES, RECEIVE_OFFSETS, RECEIVE_SIZES, LAYOUTS };

static size_t *layout(const reel_mpi_table *table, int which)
{
    return (size_t *)table->layout.data + (size_t)which * (size_t)table->mpi->ranks;
}

static void lay_out(const reel_mpi_table *table, const int64_t *counts, size_t size, int offsets, int sizes)
{
    size_t sum = 0;
    for (int r = 0; r < table->mpi->ranks; r++) {
        layout(table, offsets)[r] = sum;
        layout(table, sizes)[r] = (size_t)counts[r] * size;
        sum += (size_t)counts[r] * size;
    }
}

static reel_status exchange(const reel_mpi_table *table, const void *send, void *receive)
{
    return reel_mpi_all_to_all(table->mpi, send, layout(table, SEND_OFFSETS), layout(table, SEND_SIZES), receive,
                               layout(table, RECEIVE_OFFSETS), layout(table, RECEIVE_SIZES));
}

reel_status reel_mpi_exchange_rows(reel_mpi_table *table, const struct reel_mpi_exchange *e)
{
    lay_out(table, e->to, e->size, SEND_OFFSETS, SEND_SIZES);
    lay_out(table, e->from, e->size, RECEIVE_OFFSETS, RECEIVE_SIZES);
    return exchange(table, e->send, e->receive);
}

reel_status reel_mpi_exchange_counts(reel_mpi_table *table, int64_t *to, int64_t *from, int64_t *received)
{
    for (int r = 0; r < table->mpi->ranks; r++) {
        layout(table, SEND_OFFSETS)[r] = layout(table, RECEIVE_OFFSETS)[r] = (size_t)r * sizeof *to;
        layout(table, SEND_SIZES)[r] = layout(table, RECEIVE_SIZES)[r] = sizeof *to;
    }
    reel_status status = exchange(table, to, from);
    *received = 0;
    for (int r = 0; r < table->mpi->ranks && status == REEL_OK; r++)
        *received += from[r];
    return status;
}
