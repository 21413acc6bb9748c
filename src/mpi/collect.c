/* Collecting: a shard's gradients go into the partial sums of its rank, which merge as the digits of a binary counter.
 */
#include "buffers.h"
#include "table.h"

#include <math.h>
#include <string.h>

enum {
    CHUNK = 1024,   /* elements that are summed over all levels at once */
    LARGE = 1 << 16 /* elements of a gradient for which messages of its own are not too many */
};

/* ---- Sets ---- */

/* Tables whose rows are spread over ranks sum for themselves (table_step.c). */
static bool is_summed(const reel_mpi *mpi, const reel_param *param)
{
    return reel_param_kind_of(param) == REEL_PARAM_TRAINED && !reel_mpi_table_of(mpi, param);
}

uint64_t reel_mpi_layout_of(const reel_mpi *mpi, const reel_params *params)
{
    uint64_t hash = 1;
    for (int i = 0; i < reel_params_count(params); i++) {
        const reel_param *param = reel_params_at(params, i);
        const reel_shape *shape = reel_param_shape(param);
        const char *name = reel_param_name(param);
        int64_t facts[4] = {(int64_t)reel_param_kind_of(param), (int64_t)reel_param_dtype(param),
                            reel_param_sparse(param), is_summed(mpi, param)};
        hash = reel_mpi_hash(hash, name, strlen(name) + 1);
        hash = reel_mpi_hash(hash, facts, sizeof facts);
        if (!reel_mpi_table_of(mpi, param))
            hash = reel_mpi_hash(hash, shape->dim, (size_t)shape->ndim * sizeof shape->dim[0]);
    }
    return hash;
}

static void release_sparse(struct reel_mpi_set *set)
{
    for (int i = 0; i < set->n_sparse; i++) {
        struct reel_mpi_sparse *sparse = &reel_mpi_sparse_of(set)[i];
        for (int k = 0; k < REEL_MPI_LEVELS; k++)
            reel_mpi_sorted_release(&sparse->levels[k]);
        reel_mpi_sorted_release(&sparse->incoming);
        reel_mpi_sorted_release(&sparse->spare);
    }
    set->n_sparse = 0;
}

static void release(struct reel_mpi_set *set)
{
    release_sparse(set);
    for (int k = 0; k < REEL_MPI_LEVELS; k++)
        reel_mpi_release(&set->levels[k].values);
    reel_mpi_release(&set->tables);
    reel_mpi_release(&set->counts);
    reel_mpi_release(&set->sparse_memory);
    reel_mpi_release(&set->dense_memory);
    struct reel_mpi_memory self = set->self;
    reel_mpi_release(&self);
}

void reel_mpi_free_sets(reel_mpi *mpi)
{
    while (mpi->sets) {
        struct reel_mpi_set *set = mpi->sets;
        mpi->sets = set->next;
        release(set);
    }
}

/* Lists the params anew: the set may have got more, or be another one at the same address. */
static reel_status lay_out(reel_mpi *mpi, struct reel_mpi_set *set, uint64_t layout)
{
    int n = reel_params_count(set->params), n_dense = 0, n_sparse = 0;
    release_sparse(set);
    set->layout = 0;
    for (int i = 0; i < n; i++) {
        const reel_param *param = reel_params_at(set->params, i);
        n_dense += is_summed(mpi, param) && !reel_param_sparse(param);
        n_sparse += is_summed(mpi, param) && reel_param_sparse(param);
    }
    size_t counts = (size_t)(mpi->ranks + 1) * (size_t)n_sparse * sizeof(int64_t);
    reel_mpi_reserve(mpi->context, &set->dense_memory, (size_t)n_dense * sizeof(struct reel_mpi_dense));
    reel_mpi_reserve(mpi->context, &set->sparse_memory, (size_t)n_sparse * sizeof(struct reel_mpi_sparse));
    if (reel_mpi_reserve(mpi->context, &set->counts, counts) != REEL_OK)
        return reel_context_status(mpi->context);
    struct reel_mpi_dense *dense = reel_mpi_dense_of(set);
    struct reel_mpi_sparse *sparse = reel_mpi_sparse_of(set);
    set->n_dense = n_dense;
    set->n_sparse = n_sparse;
    set->numel = 0;
    for (int i = 0; i < n; i++) {
        reel_param *param = reel_params_at(set->params, i);
        int64_t numel = reel_shape_numel(reel_param_shape(param));
        if (!is_summed(mpi, param))
            continue;
        if (reel_param_sparse(param)) {
            int64_t rows = reel_param_shape(param)->dim[0];
            *sparse++ = (struct reel_mpi_sparse){.param = param, .rows = rows, .columns = rows > 0 ? numel / rows : 0};
        } else {
            bool is_in_place = mpi->shards == mpi->ranks && numel >= LARGE;
            *dense++ = (struct reel_mpi_dense){
                .param = param, .is_in_place = is_in_place, .offset = set->numel, .numel = numel};
            set->numel += is_in_place ? 0 : numel;
        }
    }
    set->numel += n_dense;
    set->layout = layout;
    return REEL_OK;
}

struct reel_mpi_set *reel_mpi_set_of(reel_mpi *mpi, reel_params *params)
{
    struct reel_mpi_set *set = mpi->sets;
    while (set && set->params != params)
        set = set->next;
    if (set && set->passed > 0)
        return set;
    if (!set) {
        struct reel_mpi_memory self = {0};
        if (reel_mpi_reserve(mpi->context, &self, sizeof *set) != REEL_OK)
            return NULL;
        set = self.data;
        *set = (struct reel_mpi_set){.next = mpi->sets, .self = self, .params = params};
        mpi->sets = set;
    }
    uint64_t layout = reel_mpi_layout_of(mpi, params);
    bool same = layout == set->layout;
    /* The same names may be those of another set by now. */
    for (int i = 0, dense = 0, sparse = 0; same && i < reel_params_count(params); i++) {
        reel_param *param = reel_params_at(params, i);
        if (!is_summed(mpi, param))
            continue;
        if (reel_param_sparse(param))
            reel_mpi_sparse_of(set)[sparse++].param = param;
        else
            reel_mpi_dense_of(set)[dense++].param = param;
    }
    return same || lay_out(mpi, set, layout) == REEL_OK ? set : NULL;
}

/* ---- Levels ---- */

void reel_mpi_swap_levels(struct reel_mpi_set *set, int from, int to)
{
    struct reel_mpi_level level = set->levels[from];
    set->levels[from] = set->levels[to];
    set->levels[to] = level;
    for (int i = 0; i < set->n_sparse; i++)
        reel_mpi_sorted_swap(&reel_mpi_sparse_of(set)[i].levels[from], &reel_mpi_sparse_of(set)[i].levels[to]);
}

/* out = held[0] + (held[1] + ... + x), with the levels of more shards further left: what a tree makes of them. */
static void add_levels(struct reel_mpi_set *set, const int *held, int n, int64_t at, int64_t count, reel_real *x)
{
    for (int i = 0; i < n; i++) {
        const reel_real *level = (const reel_real *)set->levels[held[i]].values.data + at;
        for (int64_t k = 0; k < count; k++)
            x[k] = level[k] + x[k];
    }
}

/* Whether all of x[i] = scale * g[i] are finite. */
static bool scale_to(reel_real *x, const reel_real *g, int64_t n, reel_real scale)
{
    int wrong = 0;
    for (int64_t i = 0; i < n; i++) {
        x[i] = scale * g[i];
        wrong |= !(x[i] - x[i] == 0);
    }
    return !wrong;
}

/* The same where x is g. */
static bool scale_in_place(reel_real *x, int64_t n, reel_real scale)
{
    int wrong = 0;
    for (int64_t i = 0; i < n; i++) {
        x[i] = scale * x[i];
        wrong |= !(x[i] - x[i] == 0);
    }
    return !wrong;
}

static reel_status fail_not_finite(const reel_mpi *mpi, const reel_param *param)
{
    return reel_fail(mpi->context, REEL_ERROR_NOT_FINITE,
                     param ? "mpi_collect: shard %d: a gradient of \"%s\" is NaN or infinite"
                           : "mpi_collect: shard %d: a buffer is NaN or infinite",
                     mpi->shard, reel_param_name(param));
}

/* count elements of the array of sums, as the shard has them. */
static reel_status take_dense(reel_mpi *mpi, const struct reel_mpi_dense *dense, int64_t first, int64_t count,
                              double weight, reel_real *x)
{
    if (!dense->grad)
        for (int64_t i = 0; i < count; i++)
            x[i] = (reel_real)-0.0;
    else if (!scale_to(x, dense->grad + first, count, (reel_real)weight))
        return fail_not_finite(mpi, dense->param);
    return REEL_OK;
}

/* The shard's dense gradients and the levels that they complete, in one pass. */
static reel_status sum_dense(reel_mpi *mpi, struct reel_mpi_set *set, const int *held, int n, double weight,
                             reel_real *out)
{
    for (int j = 0; j < set->n_dense; j++) {
        const struct reel_mpi_dense *dense = &reel_mpi_dense_of(set)[j];
        if (dense->is_in_place && dense->grad &&
            !scale_in_place(reel_param_write_grad(dense->param), dense->numel, (reel_real)weight))
            return fail_not_finite(mpi, dense->param);
        for (int64_t first = 0; first < dense->numel && !dense->is_in_place; first += CHUNK) {
            int64_t at = dense->offset + first, count = dense->numel - first < CHUNK ? dense->numel - first : CHUNK;
            if (take_dense(mpi, dense, first, count, weight, out + at) != REEL_OK)
                return reel_context_status(mpi->context);
            add_levels(set, held, n, at, count, out + at);
        }
    }
    int64_t at = set->numel - set->n_dense;
    for (int j = 0; j < set->n_dense; j++)
        out[at + j] = reel_mpi_dense_of(set)[j].grad ? 1 : (reel_real)-0.0;
    add_levels(set, held, n, at, set->n_dense, out + at);
    return REEL_OK;
}

/* The shard's rows of a table to sparse->incoming. */
static reel_status take_rows(reel_mpi *mpi, struct reel_mpi_sparse *sparse, double weight)
{
    reel_row_grad grad;
    struct reel_mpi_sorted *in = &sparse->incoming;
    if (reel_param_row_grad(sparse->param, &grad) != REEL_OK ||
        reel_mpi_sorted_reserve(mpi->context, in, grad.count, sparse->columns, &sparse->most) != REEL_OK)
        return reel_context_status(mpi->context);
    in->count = grad.count;
    in->is_present = grad.count > 0;
    if (grad.count == 0)
        return REEL_OK;
    memcpy(in->rows.data, grad.rows, (size_t)grad.count * sizeof *grad.rows);
    if (!scale_to(in->values.data, grad.values, grad.count * grad.columns, (reel_real)weight))
        return fail_not_finite(mpi, sparse->param);
    return REEL_OK;
}

/* The level `held[i]` and what was summed before, which is in *sum, then in the level. */
static reel_status merge_rows(reel_mpi *mpi, struct reel_mpi_sparse *sparse, const int *held, int n,
                              struct reel_mpi_sorted *sum, int target)
{
    for (int i = 0; i < n; i++) {
        struct reel_mpi_sorted *level = &sparse->levels[held[i]];
        if (reel_mpi_sorted_merge(mpi->context, level, sum, sparse->columns, &sparse->spare, &sparse->most) != REEL_OK)
            return reel_context_status(mpi->context);
        reel_mpi_sorted_swap(&sparse->spare, level);
        sum = level;
    }
    reel_mpi_sorted_swap(sum, &sparse->levels[target]);
    return REEL_OK;
}

/* The next shard's sum, or an empty one, and all levels that it completes: counting one up carries over the digits that
 * are 1. An empty one leaves what it meets as it is. */
reel_status reel_mpi_push(reel_mpi *mpi, struct reel_mpi_set *set, bool is_empty, double weight)
{
    int held[REEL_MPI_LEVELS], n = 0, target = 0;
    for (; set->passed >> target & 1; target++)
        if (set->levels[target].state == REEL_MPI_HELD)
            held[n++] = target;
    double sum = weight;
    for (int i = 0; i < n; i++)
        sum = set->levels[held[i]].weight + sum;
    if (reel_mpi_is_alone(mpi)) {
        /* The gradients are where they are wanted. */
    } else if (is_empty && n == 1) {
        reel_mpi_swap_levels(set, held[0], target);
    } else if (!is_empty || n > 1) {
        struct reel_mpi_level *level = &set->levels[target];
        if (reel_mpi_reserve(mpi->context, &level->values, (size_t)set->numel * sizeof(reel_real)) != REEL_OK)
            return reel_context_status(mpi->context);
        reel_real *out = level->values.data;
        if (is_empty && set->numel > 0) {
            memcpy(out, set->levels[held[0]].values.data, (size_t)set->numel * sizeof *out);
            add_levels(set, held + 1, n - 1, 0, set->numel, out);
        } else if (!is_empty && sum_dense(mpi, set, held, n, weight, out) != REEL_OK) {
            return reel_context_status(mpi->context);
        }
        for (int i = 0; i < set->n_sparse; i++) {
            struct reel_mpi_sparse *sparse = &reel_mpi_sparse_of(set)[i];
            reel_status status = is_empty ? merge_rows(mpi, sparse, held + 1, n - 1, &sparse->levels[held[0]], target)
                                          : merge_rows(mpi, sparse, held, n, &sparse->incoming, target);
            if (status != REEL_OK)
                return status;
        }
    }
    for (int k = 0; k < target; k++)
        set->levels[k].state = REEL_MPI_FREE;
    set->levels[target].state = is_empty && n == 0 ? REEL_MPI_EMPTY : REEL_MPI_HELD;
    set->levels[target].weight = sum;
    set->passed++;
    return REEL_OK;
}

int reel_mpi_finish_levels(reel_mpi *mpi, struct reel_mpi_set *set)
{
    int top = 0;
    while (1 << top < mpi->end_shard - mpi->first_shard)
        top++;
    while (set->passed < 1 << top && reel_mpi_push(mpi, set, true, 0) == REEL_OK)
        ;
    return top;
}

void reel_mpi_empty_levels(struct reel_mpi_set *set)
{
    for (int k = 0; k < REEL_MPI_LEVELS; k++)
        set->levels[k].state = REEL_MPI_FREE;
    set->passed = 0;
}

void reel_mpi_empty_sets(reel_mpi *mpi)
{
    for (struct reel_mpi_set *set = mpi->sets; set; set = set->next)
        reel_mpi_empty_levels(set);
    reel_mpi_buffers_empty(mpi);
}

/* ---- Public ---- */

static reel_status collect(reel_mpi *mpi, reel_params *params, double weight)
{
    reel_context *c = mpi->context;
    if (mpi->failure != REEL_OK)
        return mpi->failure;
    if (reel_context_status(c) != REEL_OK)
        return reel_context_status(c);
    if (!params || reel_params_context(params) != c)
        return reel_fail(c, REEL_ERROR_ARGUMENT, "mpi_collect: params is NULL or of another context");
    if (!(weight >= 0) || !isfinite(weight))
        return reel_fail(c, REEL_ERROR_ARGUMENT, "mpi_collect: the weight is %g, it must be at least 0", weight);
    if (mpi->loop != REEL_MPI_LOOP_RUNS)
        return reel_fail(c, REEL_ERROR_STATE, "mpi_collect: no shard has begun (reel_mpi_next_shard)");
    struct reel_mpi_set *set = reel_mpi_set_of(mpi, params);
    if (!set)
        return reel_context_status(c);
    int place = mpi->shard - mpi->first_shard;
    if (set->passed > place)
        return reel_fail(c, REEL_ERROR_STATE, "mpi_collect: shard %d of the set was collected before", mpi->shard);
    while (set->passed < place && reel_mpi_push(mpi, set, true, 0) == REEL_OK)
        ;
    bool is_taken = weight > 0 && !reel_mpi_is_alone(mpi);
    for (int j = 0; j < set->n_dense && is_taken; j++)
        reel_mpi_dense_of(set)[j].grad = reel_param_grad(reel_mpi_dense_of(set)[j].param);
    for (int j = 0; j < set->n_sparse && is_taken && reel_context_status(c) == REEL_OK; j++)
        take_rows(mpi, &reel_mpi_sparse_of(set)[j], weight);
    reel_mpi_buffers_collect(mpi, place, weight);
    bool is_finite = true;
    if (reel_context_status(c) == REEL_OK && reel_mpi_push(mpi, set, weight == 0, weight) == REEL_OK)
        reel_mpi_tables_collect(mpi, params, mpi->shard, weight, &is_finite);
    if (!is_finite)
        return reel_fail(c, REEL_ERROR_NOT_FINITE,
                         "mpi_collect: shard %d: a gradient of looked-up rows is NaN or infinite", mpi->shard);
    return reel_context_status(c);
}

reel_status reel_mpi_collect(reel_mpi *mpi, reel_params *params, double weight)
{
    if (!mpi)
        return REEL_ERROR_ARGUMENT;
    reel_status status = collect(mpi, params, weight);
    reel_mpi_note(mpi);
    return status;
}
