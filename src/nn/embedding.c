#include "nn/module.h"

#include "base/sort.h"

#include <reel/init.h>
#include <reel/tape.h>

#include <math.h>
#include <string.h>

struct embedding {
    reel_module module;
    reel_param *weight;
    reel_embedding_lookup lookup;
    double max_norm, norm_type;
};

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

/* What a row is to be multiplied with; 1 when its norm is small enough. PyTorch rounds the norm to the table's type
 * before it decides. */
static double row_scale(const struct embedding *m, int64_t row)
{
    int64_t columns = reel_param_columns(m->weight);
    reel_real norm = (reel_real)row_norm((const reel_real *)m->weight->data + row * columns, columns, m->norm_type);
    return (double)norm > m->max_norm ? m->max_norm / ((double)norm + 1e-7) : 1;
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
 * or whether there are any when rows is NULL. The indices are known to be good. */
static int64_t find_long_rows(const struct embedding *m, const void *indices, reel_dtype dtype, int64_t n,
                              int64_t *rows)
{
    int64_t found = 0, unique = 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t row = index_at(indices, dtype, i);
        if (row_scale(m, row) == 1)
            continue;
        if (!rows)
            return 1;
        rows[found++] = row;
    }
    if (!rows)
        return 0;
    reel_sort(rows, found, less, NULL);
    for (int64_t i = 0; i < found; i++)
        if (i == 0 || rows[i] != rows[i - 1])
            rows[unique++] = rows[i];
    return unique;
}

static void scale_rows(struct embedding *m, const int64_t *rows, int64_t count)
{
    int64_t columns = reel_param_columns(m->weight);
    reel_real *table = reel_param_write(m->weight);
    for (int64_t i = 0; i < count; i++) {
        reel_real scale = (reel_real)row_scale(m, rows[i]);
        for (int64_t j = 0; j < columns; j++)
            table[rows[i] * columns + j] *= scale;
    }
}

static reel_var look_up(reel_tape *tape, struct embedding *m, reel_var x)
{
    return reel_embedding(tape, reel_param_var(tape, m->weight), x, &m->lookup);
}

/* `y` was looked up in the table as it is. Scales the rows of x that are too long and looks them up again; when that
 * fails, the table is as it was. */
static reel_var renormalize(reel_tape *tape, struct embedding *m, reel_var x, reel_var y)
{
    reel_context *c = reel_tape_context(tape);
    const void *indices = reel_data(tape, x);
    reel_dtype dtype = reel_dtype_of(tape, x);
    int64_t n = reel_numel(tape, x), columns = reel_param_columns(m->weight);
    if (!find_long_rows(m, indices, dtype, n, NULL))
        return y;

    /* y holds n rows, so these sizes fit. */
    int64_t *rows = reel_scratch_allocate(&c->scratch, (size_t)n * sizeof *rows);
    int64_t count = rows ? find_long_rows(m, indices, dtype, n, rows) : 0;
    size_t row_size = (size_t)columns * sizeof(reel_real);
    reel_real *before = rows ? reel_scratch_allocate(&c->scratch, (size_t)count * row_size) : NULL;
    y = reel_null();
    if (!before)
        reel_fail_memory(c, "the max_norm of an embedding", (size_t)n * sizeof *rows);
    else {
        reel_real *table = m->weight->data;
        for (int64_t i = 0; i < count; i++)
            memcpy(before + i * columns, table + rows[i] * columns, row_size);
        uint64_t version = m->weight->version;
        scale_rows(m, rows, count);
        y = look_up(tape, m, x);
        if (c->status != REEL_OK) {
            for (int64_t i = 0; i < count; i++)
                memcpy(table + rows[i] * columns, before + i * columns, row_size);
            m->weight->version = version;
        }
    }
    reel_scratch_release(&c->scratch, before);
    reel_scratch_release(&c->scratch, rows);
    return y;
}

/* ---- The module ---- */

static reel_var embedding_forward(reel_tape *tape, reel_module *module, reel_var x)
{
    struct embedding *m = (struct embedding *)module;
    /* Looked up before max_norm changes anything: this checks the indices. */
    reel_var y = look_up(tape, m, x);
    return m->max_norm < INFINITY && !reel_is_null(y) ? renormalize(tape, m, x, y) : y;
}

static const struct reel_module_kind embedding_kind = {
    .size = sizeof(struct embedding), .forward = embedding_forward, .named = true};

reel_embedding_options reel_embedding_defaults(void)
{
    return (reel_embedding_options){
        .padding_idx = REEL_NO_PADDING, .max_norm = INFINITY, .norm_type = 2, .freeze = true};
}

static void check_options(reel_context *c, const char *name, int64_t rows, const reel_embedding_options *o)
{
    if (o->padding_idx != REEL_NO_PADDING && (o->padding_idx < -rows || o->padding_idx >= rows))
        reel_fail(c, REEL_ERROR_ARGUMENT, "embedding \"%s\": padding_idx %lld is outside %lld..%lld", name,
                  (long long)o->padding_idx, (long long)-rows, (long long)rows - 1);
    if (!(o->max_norm >= 0))
        reel_fail(c, REEL_ERROR_ARGUMENT, "embedding \"%s\": max_norm %g is negative or not a number", name,
                  o->max_norm);
    if (!(o->norm_type >= 0))
        reel_fail(c, REEL_ERROR_ARGUMENT, "embedding \"%s\": norm_type %g is negative or not a number", name,
                  o->norm_type);
}

reel_module *reel_embedding_new(reel_params *params, const char *name, int64_t num_embeddings, int64_t embedding_dim,
                                const reel_embedding_options *options)
{
    reel_embedding_options o = options ? *options : reel_embedding_defaults();
    struct embedding *m = reel_module_begin(params, name, &embedding_kind);
    if (!m)
        return NULL;
    reel_param_kind kind = o.from_pretrained && o.freeze ? REEL_PARAM_FROZEN : REEL_PARAM_TRAINED;
    reel_shape shape = {2, {num_embeddings, embedding_dim}};
    m->weight = reel_module_param(&m->module, "weight", kind, REEL_REAL, shape);
    if (m->weight)
        check_options(params->context, name, num_embeddings, &o);
    reel_param_set_sparse(m->weight, o.sparse);
    if (!reel_module_end(&m->module))
        return NULL;

    int64_t padding = o.padding_idx;
    if (padding < 0 && padding != REEL_NO_PADDING)
        padding += num_embeddings;
    m->lookup = (reel_embedding_lookup){
        .padding_idx = padding, .scale_grad_by_freq = o.scale_grad_by_freq, .name = m->module.name};
    m->max_norm = o.max_norm;
    m->norm_type = o.norm_type;
    if (o.from_pretrained) {
        reel_param_set(m->weight, o.from_pretrained);
        return &m->module;
    }
    reel_init_normal(m->weight, 0, 1);
    if (padding != REEL_NO_PADDING)
        memset((reel_real *)m->weight->data + padding * embedding_dim, 0, (size_t)embedding_dim * sizeof(reel_real));
    return &m->module;
}
