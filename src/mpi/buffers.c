/* Buffers that move in a shard, such as running statistics: every shard begins with the same, and their mean is what
 * the step leaves. */
#include "buffers.h"

#include <math.h>
#include <string.h>

/* f walks them in the order of the set: *next is the place in the set; NULL at the end. */
static reel_param *next_buffer(const reel_params *params, int *next)
{
    while (*next < reel_params_count(params)) {
        reel_param *param = reel_params_at(params, (*next)++);
        if (reel_param_kind_of(param) == REEL_PARAM_BUFFER && reel_param_dtype(param) != REEL_BOOL)
            return param;
    }
    return NULL;
}

static int64_t numel_of(const reel_param *param)
{
    return reel_shape_numel(reel_param_shape(param));
}

static size_t size_of(const reel_param *param)
{
    return (size_t)numel_of(param) * reel_dtype_size(reel_param_dtype(param));
}

static int64_t integer_at(const reel_param *param, const void *data, int64_t i)
{
    return reel_param_dtype(param) == REEL_INT64 ? ((const int64_t *)data)[i] : ((const int32_t *)data)[i];
}

/* ---- A loop over shards ---- */

void reel_mpi_buffers_take(reel_mpi *mpi)
{
    for (struct reel_mpi_buffers *b = mpi->buffers; b; b = b->next) {
        char *common = b->common.data;
        reel_param *param;
        for (int i = 0; (param = next_buffer(b->params, &i)) != NULL; common += size_of(param))
            if (size_of(param) > 0)
                memcpy(common, reel_param_data(param), size_of(param));
    }
}

void reel_mpi_buffers_restore(reel_mpi *mpi)
{
    for (struct reel_mpi_buffers *b = mpi->buffers; b; b = b->next) {
        const char *common = b->common.data;
        reel_param *param;
        for (int i = 0; (param = next_buffer(b->params, &i)) != NULL; common += size_of(param))
            reel_param_set(param, common);
    }
}

/* What the shard has made of them: numbers, and of integers by how much they grew. */
static void stage(struct reel_mpi_buffers *b)
{
    reel_real *staged = b->staged.data;
    const char *common = b->common.data;
    reel_param *param;
    for (int i = 0; (param = next_buffer(b->params, &i)) != NULL; common += size_of(param)) {
        const void *data = reel_param_data(param);
        for (int64_t k = 0; k < numel_of(param); k++)
            *staged++ = reel_param_dtype(param) == REEL_REAL
                            ? ((const reel_real *)data)[k]
                            : (reel_real)(integer_at(param, data, k) - integer_at(param, common, k));
    }
    *staged = 1;
}

reel_status reel_mpi_buffers_collect(reel_mpi *mpi, int place, double weight)
{
    for (struct reel_mpi_buffers *b = mpi->buffers; b && reel_context_status(mpi->context) == REEL_OK; b = b->next) {
        if (b->sums.passed > place || weight == 0)
            continue;
        while (b->sums.passed < place && reel_mpi_push(mpi, &b->sums, true, 0) == REEL_OK)
            ;
        stage(b);
        reel_mpi_push(mpi, &b->sums, false, weight);
    }
    return reel_context_status(mpi->context);
}

/* ---- The end of a step ---- */

reel_status reel_mpi_buffers_settle(reel_mpi *mpi)
{
    for (struct reel_mpi_buffers *b = mpi->buffers; b && reel_context_status(mpi->context) == REEL_OK; b = b->next) {
        int top = reel_mpi_finish_levels(mpi, &b->sums);
        struct reel_mpi_level *sum = &b->sums.levels[top];
        if (sum->state == REEL_MPI_HELD ||
            reel_mpi_reserve(mpi->context, &sum->values, (size_t)b->sums.numel * sizeof(reel_real)) != REEL_OK)
            continue;
        reel_real *x = sum->values.data;
        for (int64_t i = 0; i < b->sums.numel; i++)
            x[i] = (reel_real)-0.0;
    }
    return reel_context_status(mpi->context);
}

/* The mean into the params. */
static void hand_out(struct reel_mpi_buffers *b, const reel_real *sums)
{
    reel_real weight = sums[b->numel];
    const char *common = b->common.data;
    reel_param *param;
    for (int i = 0; (param = next_buffer(b->params, &i)) != NULL; common += size_of(param)) {
        void *data = reel_param_write(param);
        for (int64_t k = 0; k < numel_of(param); k++, sums++) {
            int64_t grown = (int64_t)llround((double)*sums / (double)weight);
            if (reel_param_dtype(param) == REEL_REAL)
                ((reel_real *)data)[k] = *sums / weight;
            else if (reel_param_dtype(param) == REEL_INT64)
                ((int64_t *)data)[k] = integer_at(param, common, k) + grown;
            else
                ((int32_t *)data)[k] = (int32_t)(integer_at(param, common, k) + grown);
        }
    }
}

reel_status reel_mpi_buffers_reduce(reel_mpi *mpi)
{
    for (struct reel_mpi_buffers *b = mpi->buffers; b; b = b->next) {
        reel_real *sums = b->sums.levels[reel_mpi_finish_levels(mpi, &b->sums)].values.data;
        if (reel_mpi_reduce_elements(mpi, sums, b->sums.numel, 1) != REEL_OK)
            return reel_context_status(mpi->context);
        if (sums[b->numel] > 0)
            hand_out(b, sums);
        reel_mpi_empty_levels(&b->sums);
    }
    return REEL_OK;
}

void reel_mpi_buffers_empty(reel_mpi *mpi)
{
    for (struct reel_mpi_buffers *b = mpi->buffers; b; b = b->next)
        reel_mpi_empty_levels(&b->sums);
}

/* ---- Which ---- */

static void release(struct reel_mpi_buffers *b)
{
    for (int k = 0; k < REEL_MPI_LEVELS; k++)
        reel_mpi_release(&b->sums.levels[k].values);
    reel_mpi_release(&b->sums.dense_memory);
    reel_mpi_release(&b->staged);
    reel_mpi_release(&b->common);
    struct reel_mpi_memory self = b->self;
    reel_mpi_release(&self);
}

void reel_mpi_free_buffers(reel_mpi *mpi)
{
    while (mpi->buffers) {
        struct reel_mpi_buffers *b = mpi->buffers;
        mpi->buffers = b->next;
        release(b);
    }
}

/* Room for them, not yet of the group. */
static struct reel_mpi_buffers *make(reel_mpi *mpi, reel_params *params)
{
    struct reel_mpi_memory self = {0};
    if (reel_mpi_reserve(mpi->context, &self, sizeof(struct reel_mpi_buffers)) != REEL_OK)
        return NULL;
    struct reel_mpi_buffers *b = self.data;
    *b = (struct reel_mpi_buffers){.self = self, .params = params};
    size_t size = 0;
    reel_param *param;
    for (int i = 0; (param = next_buffer(params, &i)) != NULL; size += size_of(param))
        b->numel += numel_of(param);
    reel_mpi_reserve(mpi->context, &b->common, size);
    reel_mpi_reserve(mpi->context, &b->staged, (size_t)(b->numel + 1) * sizeof(reel_real));
    if (reel_mpi_reserve(mpi->context, &b->sums.dense_memory, sizeof(struct reel_mpi_dense)) != REEL_OK) {
        release(b);
        return NULL;
    }
    /* One array, as if it were the gradient of one param; behind it, its presence. */
    *(struct reel_mpi_dense *)b->sums.dense_memory.data =
        (struct reel_mpi_dense){.numel = b->numel + 1, .grad = b->staged.data};
    b->sums.n_dense = 1;
    b->sums.numel = b->numel + 2;
    return b;
}

static uint64_t hash_of(const reel_params *params)
{
    uint64_t hash = 1;
    reel_param *param;
    for (int i = 0; (param = next_buffer(params, &i)) != NULL;)
        hash = reel_mpi_hash(hash, reel_param_data(param), size_of(param));
    return hash;
}

reel_status reel_mpi_average_buffers(reel_mpi *mpi, reel_params *params)
{
    if (!mpi)
        return REEL_ERROR_ARGUMENT;
    bool is_ours = params && reel_params_context(params) == mpi->context, is_known = false;
    if (!is_ours)
        reel_fail(mpi->context, REEL_ERROR_ARGUMENT, "mpi_average_buffers: params is NULL or of another context");
    for (struct reel_mpi_buffers *b = mpi->buffers; b; b = b->next)
        is_known = is_known || b->params == params;
    struct reel_mpi_buffers *b = is_ours && !is_known ? make(mpi, params) : NULL;
    struct reel_mpi_record record = reel_mpi_record_of(mpi, REEL_MPI_AT_AVERAGE);
    if (is_ours) {
        record.layout = reel_mpi_layout_of(mpi, params);
        record.replicas = hash_of(params);
    }
    if (reel_mpi_agree(mpi, &record) != REEL_OK) {
        if (b)
            release(b);
    } else if (b && !reel_mpi_is_alone(mpi)) {
        b->next = mpi->buffers;
        mpi->buffers = b;
    } else if (b) {
        release(b); /* one shard's buffers are the step's */
    }
    return reel_context_status(mpi->context);
}
