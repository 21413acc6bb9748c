/* Tables of rows: their options, initial values, and max_norm. */
#include "nn/table.h"

#include "base/sort.h"
#include "core/tape.h"
#include "kern/bfloat16.h"

#include <reel/gather.h>
#include <reel/init.h>
#include <reel/tape.h>

#include <math.h>
#include <string.h>

reel_status reel_table_check(reel_context *context, const char *kind, int64_t rows, int64_t padding_idx,
                             double max_norm, double norm_type)
{
    if (padding_idx != REEL_NO_PADDING && (padding_idx < -rows || padding_idx >= rows))
        return reel_fail(context, REEL_ERROR_ARGUMENT, "%s: padding_idx %lld is outside %lld..%lld", kind,
                         (long long)padding_idx, (long long)-rows, (long long)rows - 1);
    if (!(max_norm >= 0))
        return reel_fail(context, REEL_ERROR_ARGUMENT, "%s: max_norm %g is negative or not a number", kind, max_norm);
    if (!(norm_type >= 0))
        return reel_fail(context, REEL_ERROR_ARGUMENT, "%s: norm_type %g is negative or not a number", kind, norm_type);
    return context->status;
}

int64_t reel_table_padding(int64_t rows, int64_t padding_idx)
{
    return padding_idx < 0 && padding_idx != REEL_NO_PADDING ? padding_idx + rows : padding_idx;
}

void reel_table_init(reel_param *table, int64_t padding, const reel_real *values, bool fast)
{
    if (values && table->dtype == REEL_BFLOAT16) {
        reel_kern_narrow(table->numel, values, reel_param_write(table), reel_get_num_threads(table->set->context));
        return;
    }
    if (values) {
        reel_param_set(table, values);
        return;
    }
    (fast ? reel_init_normal_fast : reel_init_normal)(table, 0, 1);
    const size_t row = (size_t)reel_param_columns(table) * reel_dtype_size(table->dtype);
    if (padding != REEL_NO_PADDING)
        memset((char *)table->data + (size_t)padding * row, 0, row);
}

/* ---- max_norm ---- */

static double row_norm(const reel_real *row, int64_t columns, double p)
{
    double sum = 0;
    if (p == 2) {
        for (int64_t j = 0; j < columns; j++)
            sum += (double)row[j] * (double)row[j];
        return sqrt(sum);
    }
    for (int64_t j = 0; j < columns; j++) {
        double magnitude = fabs((double)row[j]);
        if (p == INFINITY)
            sum = magnitude > sum || isnan(magnitude) ? magnitude : sum;
        else if (p == 0)
            sum += magnitude != 0;
        else
            sum += p == 1 ? magnitude : pow(magnitude, p);
    }
    return p == 0 || p == 1 || p == INFINITY ? sum : pow(sum, 1 / p);
}

/* A request to keep rows short. */
struct limit {
    const reel_param *table;
    double max_norm, norm_type;
};

/* What a row is to be multiplied with; 1 when its norm is small enough. PyTorch rounds the norm to the table's type
 * before it decides. */
static double row_scale(const struct limit *l, int64_t row)
{
    int64_t columns = reel_param_columns(l->table);
    reel_real norm = (reel_real)row_norm((const reel_real *)l->table->data + row * columns, columns, l->norm_type);
    return (double)norm > l->max_norm ? l->max_norm / ((double)norm + 1e-7) : 1;
}

static int64_t index_at(const void *indices, reel_dtype dtype, int64_t i)
{
    return dtype == REEL_INT64 ? ((const int64_t *)indices)[i] : ((const int32_t *)indices)[i];
}

static bool less(const void *user, int64_t a, int64_t b)
{
    (void)user;
    return a < b;
}

/* Gathers into `rows`, if there is room for it, the rows that are too long, each once and ascending; returns how many,
 * or whether there are any when rows is NULL. */
static int64_t find_long_rows(const struct limit *l, const void *indices, reel_dtype dtype, int64_t n, int64_t *rows)
{
    int64_t found = 0, unique = 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t row = index_at(indices, dtype, i);
        if (row_scale(l, row) == 1)
            continue;
        if (!rows)
            return 1;
        rows[found++] = row;
    }
    if (!rows)
        return 0;
    reel_heap_sort(rows, found, less, NULL);
    for (int64_t i = 0; i < found; i++)
        if (i == 0 || rows[i] != rows[i - 1])
            rows[unique++] = rows[i];
    return unique;
}

/* The rows are current, since they were looked up; so that nothing has to be done to the others. */
static void scale_rows(const struct limit *l, reel_param *table, const struct reel_renormalized *done)
{
    int64_t columns = reel_param_columns(table);
    for (int64_t i = 0; i < done->count; i++)
        reel_param_before_change(table, done->rows[i], 1, done->version);
    reel_real *elements = reel_param_count_change(table);
    for (int64_t i = 0; i < done->count; i++) {
        reel_real *row = elements + done->rows[i] * columns, scale = (reel_real)row_scale(l, done->rows[i]);
        for (int64_t j = 0; j < columns; j++)
            row[j] *= scale;
    }
}

static void release(reel_context *c, struct reel_renormalized *done)
{
    reel_scratch_release(&c->scratch, done->before);
    reel_scratch_release(&c->scratch, done->rows);
    *done = (struct reel_renormalized){0};
}

int64_t reel_table_renormalize(reel_tape *tape, reel_param *table, double max_norm, double norm_type, reel_var indices,
                               struct reel_renormalized *done)
{
    reel_context *c = reel_tape_context(tape);
    const struct limit l = {table, max_norm, norm_type};
    const void *data = reel_data(tape, indices);
    reel_dtype dtype = reel_dtype_of(tape, indices);
    int64_t n = reel_numel(tape, indices), columns = reel_param_columns(table);
    *done = (struct reel_renormalized){0};
    if (c->status == REEL_OK && table->set->shared)
        reel_fail(c, REEL_ERROR_STATE, "max_norm: \"%s\" is shared for reading, so that no row may be scaled",
                  table->name);
    if (c->status == REEL_OK && table->parametrization)
        reel_fail(c, REEL_ERROR_STATE, "max_norm: \"%s\" has a parametrization, and its rows are no elements of it",
                  table->name);
    if (c->status == REEL_OK && tape->segment)
        reel_fail(c, REEL_ERROR_STATE,
                  "max_norm: not possible inside a segment of recompute, which would scale rows of "
                  "\"%s\" twice",
                  table->name);
    if (c->status != REEL_OK)
        return -1;
    if (find_long_rows(&l, data, dtype, n, NULL) == 0)
        return 0;

    /* There are n indices in memory, and the table, so these sizes fit. */
    size_t row_size = (size_t)columns * sizeof(reel_real);
    done->version = table->version;
    done->rows = reel_scratch_allocate(&c->scratch, (size_t)n * sizeof *done->rows);
    done->count = done->rows ? find_long_rows(&l, data, dtype, n, done->rows) : 0;
    done->before = done->rows ? reel_scratch_allocate(&c->scratch, (size_t)done->count * row_size) : NULL;
    if (!done->before)
        reel_fail_memory(c, "the max_norm of an embedding", (size_t)n * sizeof *done->rows);
    if (!done->before || reel_param_preserve(table, tape) != REEL_OK) {
        release(c, done);
        return -1;
    }
    for (int64_t i = 0; i < done->count; i++)
        memcpy(done->before + i * columns, (reel_real *)table->data + done->rows[i] * columns, row_size);
    scale_rows(&l, table, done);
    return done->count;
}

void reel_table_renormalized(reel_param *table, struct reel_renormalized *done)
{
    reel_context *c = table->set->context;
    int64_t columns = reel_param_columns(table);
    if (c->status != REEL_OK) {
        for (int64_t i = 0; i < done->count; i++)
            memcpy((reel_real *)table->data + done->rows[i] * columns, done->before + i * columns,
                   (size_t)columns * sizeof(reel_real));
        table->version = done->version;
        table->leaf = reel_null(); /* its version may come again, for other values */
        table->leaf_version = 0;
    }
    release(c, done);
}
