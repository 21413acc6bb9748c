/* Data parallel training: prints a hash of what it leads to, which must not depend on the number of ranks, and compares
 * it with one process that sees all samples at once. train STEPS */
#include "helpers.h"

#include "ranks.h"

#include <math.h>

enum { SHARDS = 8, ROWS = 40, MANY_ROWS = 4000, COLUMNS = 3, HIDDEN = 16, MOST = 4 };

/* How a run differs from others. */
struct way {
    const char *name;
    bool sparse;        /* gradients of the table */
    bool exact;         /* the optimizer */
    bool is_random;     /* noise and dropout, of each shard's own numbers */
    bool ends_unevenly; /* the upper half of the shards has no data in the second half of the run */
    int table_rows;
    bool has_norm; /* a batch norm, whose statistics are averaged */
};
static const struct way ways[] = {
    {"small, dense", false, false, true, false, ROWS, false},
    {"small, exact", true, true, true, false, ROWS, false}, /* travels as a table */
    {"small, lazy", true, false, true, false, ROWS, false},
    {"large, dense", false, false, true, false, MANY_ROWS, false},
    {"large, exact", true, true, true, false, MANY_ROWS, false}, /* travels as rows */
    {"large, lazy", true, false, true, false, MANY_ROWS, false},
    {"batch norm", false, false, true, false, ROWS, true},
    {"uneven end", true, false, false, true, ROWS, false},
    {"as one, dense", false, false, false, false, ROWS, false},
    {"as one, rows", true, true, false, false, MANY_ROWS, false},
};

struct model {
    reel_params *params;
    reel_module *table, *hidden, *norm, *out;
    reel_optim *adam;
};

static struct model model_new(reel_context *c, const struct way *way)
{
    struct model m = {.params = reel_params_new(c)};
    REEL_OPTIONS(embedding, e, e.sparse = way->sparse);
    m.table = reel_embedding_new(m.params, "table", way->table_rows, COLUMNS, &e);
    m.hidden = reel_linear_new(m.params, "hidden", 2 * COLUMNS, HIDDEN, NULL);
    m.norm = way->has_norm ? reel_batch_norm1d_new(m.params, "norm", HIDDEN, NULL) : NULL;
    m.out = reel_linear_new(m.params, "out", HIDDEN, 1, NULL);
    REEL_OPTIONS(adam, a, a.lr = 1e-2, a.sparse_update = way->exact ? REEL_EXACT : REEL_LAZY);
    m.adam = reel_adam_new(m.params, &a);
    return m;
}

static void model_free(struct model *m)
{
    reel_optim_free(m->adam);
    reel_params_free(m->params);
}

/* The samples of a shard, as many as it happens to have in this step. */
static int samples_of(const struct way *way, int step, int steps, int shard)
{
    if (way->ends_unevenly && 2 * step >= steps && shard >= SHARDS / 2)
        return 0;
    int n = (step * 7 + shard * 5) % (MOST + 1);
    return way->has_norm ? n / 2 * 2 : n;
}

static int64_t index_of(const struct way *way, int step, int shard, int sample)
{
    return (step * 1009 + shard * 331 + sample * 97) % way->table_rows;
}

static double target_of(int step, int shard, int sample)
{
    return sin(step + 3.0 * shard + 5.0 * sample);
}

/* The mean loss over n samples. */
static reel_var loss_of(reel_tape *t, const struct model *m, const struct way *way, int n, const int64_t *index,
                        const reel_real *noise, const reel_real *target)
{
    reel_var rows = reel_forward(t, m->table, reel_tensor_of(t, REEL_INT64, index, REEL_SHAPE(n)));
    reel_var z = way->is_random ? reel_randn(t, REEL_SHAPE(n, COLUMNS))
                                : reel_tensor_of(t, REEL_REAL, noise, REEL_SHAPE(n, COLUMNS));
    reel_var h = reel_forward(t, m->hidden, reel_cat(t, REEL_VARS(rows, z), 1));
    h = reel_tanh(t, m->norm ? reel_forward(t, m->norm, h) : h);
    h = reel_dropout(t, h, 0.25, way->is_random);
    reel_var wanted = reel_tensor_of(t, REEL_REAL, target, REEL_SHAPE(n, 1));
    return reel_mse_loss(t, reel_forward(t, m->out, h), wanted);
}

/* Samples of shards first..end-1, one behind the other. */
static reel_var loss_of_shards(reel_tape *t, const struct model *m, const struct way *way, int step, int steps,
                               int first, int end, int *count)
{
    int64_t index[SHARDS * MOST];
    reel_real noise[SHARDS * MOST * COLUMNS], target[SHARDS * MOST];
    int n = 0;
    for (int shard = first; shard < end; shard++)
        for (int i = 0; i < samples_of(way, step, steps, shard); i++, n++) {
            index[n] = index_of(way, step, shard, i);
            target[n] = (reel_real)target_of(step, shard, i);
            for (int k = 0; k < COLUMNS; k++)
                noise[n * COLUMNS + k] = (reel_real)cos(step + 2.0 * shard + 7.0 * i + k);
        }
    *count = n;
    return n ? loss_of(t, m, way, n, index, noise, target) : reel_null();
}

static void step_of_group(reel_mpi *mpi, reel_tape *t, struct model *m, const struct way *way, int step, int steps)
{
    for (int shard; (shard = reel_mpi_next_shard(mpi)) >= 0;) {
        int n;
        reel_var loss = loss_of_shards(t, m, way, step, steps, shard, shard + 1, &n);
        if (n > 0) {
            reel_zero_grad(m->params);
            reel_backward(t, loss, m->params);
            reel_mpi_collect(mpi, m->params, n);
        }
        reel_tape_reset(t);
    }
    if (reel_mpi_reduce(mpi, m->params) == REEL_OK)
        reel_optim_step(m->adam);
}

static void step_of_one(reel_tape *t, struct model *m, const struct way *way, int step, int steps)
{
    int n;
    reel_var loss = loss_of_shards(t, m, way, step, steps, 0, SHARDS, &n);
    reel_zero_grad(m->params);
    reel_backward(t, loss, m->params);
    reel_optim_step(m->adam);
    reel_tape_reset(t);
}

static uint64_t hash_of(const struct model *m)
{
    uint64_t hash = 1;
    for (int i = 0; i < reel_params_count(m->params); i++) {
        const reel_param *p = reel_params_at(m->params, i);
        hash =
            reel_mpi_hash(hash, reel_param_data(p), (size_t)reel_shape_numel(reel_param_shape(p)) * sizeof(reel_real));
    }
    return hash;
}

static double distance_of(const struct model *a, const struct model *b)
{
    double most = 0;
    for (int i = 0; i < reel_params_count(a->params); i++) {
        const reel_param *p = reel_params_at(a->params, i), *q = reel_params_at(b->params, i);
        const reel_real *x = reel_param_data(p), *y = reel_param_data(q);
        for (int64_t k = 0; k < reel_shape_numel(reel_param_shape(p)); k++)
            most = fmax(most, fabs((double)x[k] - (double)y[k]));
    }
    return most;
}

static void train(reel_context *c, const struct way *way, int steps)
{
    REEL_OPTIONS(mpi, o, o.shards = SHARDS, o.timeout = 60, o.segment = 256, o.check_every = 1);
    reel_manual_seed(c, 3);
    reel_mpi *mpi = reel_mpi_new(c, MPI_COMM_WORLD, &o);
    CHECK(mpi, "%s", reel_error(c));
    int first = SHARDS / reel_mpi_ranks(mpi) * reel_mpi_rank(mpi);
    reel_tape *t = reel_tape_new(c);
    struct model m = model_new(c, way);
    reel_manual_seed(c, 3);
    struct model alone = model_new(c, way);
    CHECK(reel_mpi_average_buffers(mpi, m.params) == REEL_OK, "%s", reel_error(c));
    int step = 0;
    while (reel_mpi_begin(mpi, step < steps && !(way->ends_unevenly && 2 * step >= steps && first >= SHARDS / 2))) {
        step_of_group(mpi, t, &m, way, step, steps);
        step++;
    }
    CHECK(reel_context_status(c) == REEL_OK && step == steps, "%s: step %d: %s", way->name, step, reel_error(c));
    reel_var x = reel_rand(t, REEL_SHAPE(1));
    if (reel_mpi_rank(mpi) == 0)
        printf("%s: %016llx %.9g\n", way->name, (unsigned long long)hash_of(&m), reel_item(t, x));
    reel_tape_reset(t);
    for (step = 0; step < steps && !way->is_random; step++)
        step_of_one(t, &alone, way, step, steps);
    double distance = distance_of(&m, &alone), most = sizeof(reel_real) == 8 ? 1e-12 : 1e-3;
    CHECK(way->is_random || distance < most, "%s: %g away from one process", way->name, distance);
    reel_mpi_free(mpi);
    model_free(&alone);
    model_free(&m);
    reel_tape_free(t);
}

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    REEL_OPTIONS(context, o, o.num_threads = 1);
    reel_context *c = reel_context_new(&o);
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++)
        train(c, &ways[i], argc > 1 ? atoi(argv[1]) : 200);
    reel_context_free(c);
    MPI_Finalize();
    return 0;
}
