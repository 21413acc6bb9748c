/* Sums of row-sparse gradients: lists of rows, ascending, which are merged. */
#include "sets.h"

#include <string.h>

reel_status reel_mpi_sorted_reserve(reel_context *context, struct reel_mpi_sorted *rows, int64_t count, int64_t columns,
                                    int64_t *most)
{
    *most = count > *most ? count : *most;
    size_t have = rows->rows.size / sizeof(int64_t), need = (size_t)*most;
    if (need <= have)
        return reel_context_status(context);
    /* Counts that differ a little from step to step come to an end soon. */
    need = need < 2 * have ? 2 * have : need;
    reel_mpi_reserve(context, &rows->values, need * (size_t)columns * sizeof(reel_real));
    return reel_mpi_reserve(context, &rows->rows, need * sizeof(int64_t));
}

void reel_mpi_sorted_release(struct reel_mpi_sorted *rows)
{
    reel_mpi_release(&rows->rows);
    reel_mpi_release(&rows->values);
}

void reel_mpi_sorted_swap(struct reel_mpi_sorted *a, struct reel_mpi_sorted *b)
{
    struct reel_mpi_sorted c = *a;
    *a = *b;
    *b = c;
}

reel_status reel_mpi_sorted_merge(reel_context *context, const struct reel_mpi_sorted *a,
                                  const struct reel_mpi_sorted *b, int64_t columns, struct reel_mpi_sorted *out,
                                  int64_t *most)
{
    if (reel_mpi_sorted_reserve(context, out, a->count + b->count, columns, most) != REEL_OK)
        return reel_context_status(context);
    const int64_t *p = a->rows.data, *q = b->rows.data;
    const reel_real *x = a->values.data, *y = b->values.data;
    int64_t *rows = out->rows.data, i = 0, j = 0, n = 0;
    reel_real *sum = out->values.data;
    size_t size = (size_t)columns * sizeof *sum;
    for (; i < a->count || j < b->count; n++, sum += columns) {
        bool first = j == b->count || (i < a->count && p[i] <= q[j]);
        bool second = i == a->count || (j < b->count && q[j] <= p[i]);
        rows[n] = first ? p[i] : q[j];
        if (first && second)
            for (int64_t k = 0; k < columns; k++)
                sum[k] = x[i * columns + k] + y[j * columns + k];
        else
            memcpy(sum, first ? x + i * columns : y + j * columns, size);
        i += first;
        j += second;
    }
    out->count = n;
    out->is_present = a->is_present || b->is_present;
    return REEL_OK;
}
