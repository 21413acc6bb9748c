/* Checkpoints of groups of ranks: saved at one number of ranks, loaded at another, with the same bits. */
#include "helpers.h"

#include "table.h"

#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ROWS = 37, COLUMNS = 3, SHARDS = 8, LOOKUPS = 12 };

static reel_status saves(reel_mpi *mpi, reel_params *params, reel_optim *optim, double *number, const char *folder,
                         bool load)
{
    reel_checkpoint *rest = reel_checkpoint_new(reel_params_context(params));
    reel_checkpoint_add_number(rest, "number", number);
    reel_status status =
        load ? reel_mpi_load(mpi, params, optim, rest, folder) : reel_mpi_save(mpi, params, optim, rest, folder);
    reel_checkpoint_free(rest);
    return status;
}

/* A run of a group: two tables, one of them with fewer rows than ranks, and a param on every rank. */
struct run {
    MPI_Comm comm;
    reel_context *c;
    reel_mpi *mpi;
    reel_params *params;
    reel_tape *t;
    reel_mpi_table *table, *small;
    reel_param *scale;
    reel_optim *optim;
};

static reel_optim *exact_adam(reel_params *params)
{
    REEL_OPTIONS(adam, o, o.lr = 0.01, o.weight_decay = 0.1, o.amsgrad = true, o.sparse_update = REEL_EXACT);
    return reel_adam_new(params, &o);
}

static reel_optim *lazy_sgd(reel_params *params)
{
    REEL_OPTIONS(sgd, o, o.lr = 0.1, o.momentum = 0.9, o.dampening = 0.5);
    return reel_sgd_new(params, &o);
}

static struct run begin(MPI_Comm comm, uint64_t seed, reel_optim *(*optim)(reel_params *))
{
    struct run r = {.comm = comm};
    REEL_OPTIONS(context, oc, oc.seed = seed, oc.num_threads = 1);
    REEL_OPTIONS(mpi, om, om.timeout = 60, om.shards = SHARDS);
    r.c = reel_context_new(&oc);
    r.mpi = reel_mpi_new(r.c, comm, &om);
    r.params = reel_params_new(r.c);
    r.t = reel_tape_new(r.c);
    r.table = reel_mpi_table_new(r.mpi, r.params, "a \"table\"", ROWS, COLUMNS, NULL);
    r.scale = reel_param_new(r.params, "scale", REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(COLUMNS));
    reel_init_normal(r.scale, 1, 0.1);
    r.small = reel_mpi_table_new(r.mpi, r.params, "small", 2, COLUMNS, NULL);
    REEL_OPTIONS(embedding, oe, oe.dtype = REEL_BFLOAT16);
    reel_embedding_new(r.params, "half", 2, COLUMNS, &oe);
    reel_param_new(r.params, "count", REEL_PARAM_BUFFER, REEL_INT64, REEL_SCALAR);
    r.optim = optim(r.params);
    CHECK(reel_context_status(r.c) == REEL_OK, "%s", reel_error(r.c));
    return r;
}

static void end(struct run *r)
{
    reel_optim_free(r->optim);
    reel_tape_free(r->t);
    reel_params_free(r->params);
    reel_mpi_free(r->mpi);
    reel_context_free(r->c);
}

/* Steps of the whole group, whose numbers come from the generator. */
static void train(struct run *r, int steps)
{
    for (int step = 0; step < steps; step++) {
        CHECK(reel_mpi_begin(r->mpi, true), "%s", reel_error(r->c));
        const int64_t total = SHARDS * LOOKUPS;
        static int64_t index[SHARDS * LOOKUPS];
        static reel_real target[SHARDS * LOOKUPS * COLUMNS];
        memcpy(index, reel_data_int64(r->t, reel_randint(r->t, 0, ROWS, REEL_SHAPE(total))), sizeof index);
        memcpy(target, reel_data(r->t, reel_randn(r->t, REEL_SHAPE(total, COLUMNS))), sizeof target);
        for (int shard; (shard = reel_mpi_next_shard(r->mpi)) >= 0;) {
            static const int64_t both[] = {0, 1};
            reel_var which = reel_borrow_of(r->t, REEL_INT64, index + shard * LOOKUPS, REEL_SHAPE(LOOKUPS));
            reel_var one = reel_borrow_of(r->t, REEL_INT64, both + shard % 2, REEL_SHAPE(1));
            reel_var rows = reel_mpi_embedding(r->t, r->table, which);
            reel_var few = reel_mpi_embedding(r->t, r->small, one);
            reel_var y = reel_mul(r->t, reel_add(r->t, rows, few), reel_param_var(r->t, r->scale));
            reel_var wanted = reel_borrow(r->t, target + shard * LOOKUPS * COLUMNS, REEL_SHAPE(LOOKUPS, COLUMNS));
            /* Of the shard's own random numbers. */
            wanted = reel_add(r->t, wanted, reel_randn(r->t, REEL_SHAPE(COLUMNS)));
            reel_zero_grad(r->params);
            reel_backward(r->t, reel_mse_loss(r->t, y, wanted), r->params);
            reel_mpi_collect(r->mpi, r->params, LOOKUPS);
        }
        CHECK(reel_mpi_reduce(r->mpi, r->params) == REEL_OK && reel_optim_step(r->optim) == REEL_OK, "%s",
              reel_error(r->c));
        int64_t *count = reel_param_write(reel_params_find(r->params, "count"));
        ++*count;
        CHECK(reel_tape_reset(r->t) == REEL_OK, "%s", reel_error(r->c));
    }
}

/* All that a run holds that training depends on, on every rank alike. */
enum { MOST = 4096 };
struct contents {
    int n;
    double values[MOST];
};

static void add(struct contents *all, struct run *r, const reel_mpi_table *table, const reel_real *part, int64_t rows)
{
    static double whole[ROWS * COLUMNS];
    int rank = reel_mpi_rank(r->mpi), ranks = reel_mpi_ranks(r->mpi);
    memset(whole, 0, sizeof whole);
    for (int64_t i = 0; i < rows * COLUMNS && part; i++)
        if (!table || i / COLUMNS % ranks == rank)
            whole[i] = (double)part[table ? i / COLUMNS / ranks * COLUMNS + i % COLUMNS : i];
    if (table)
        MPI_Allreduce(MPI_IN_PLACE, whole, (int)(rows * COLUMNS), MPI_DOUBLE, MPI_SUM, r->comm);
    CHECK(all->n + rows * COLUMNS <= MOST, "too much");
    memcpy(all->values + all->n, whole, (size_t)(rows * COLUMNS) * sizeof *whole);
    all->n += (int)(rows * COLUMNS);
}

static void take(struct run *r, struct contents *all)
{
    static const char *const names[] = {"exp_avg", "exp_avg_sq", "max_exp_avg_sq"}, *const of_sgd[] = {
                                                                                        "momentum_buffer"};
    bool is_adam = strcmp(reel_optim_algorithm_of(r->optim)->name, "sgd") != 0;
    const reel_mpi_table *const tables[] = {r->table, r->small, NULL};
    all->n = 0;
    for (int k = 0; k < 3; k++) {
        int64_t rows = tables[k] == r->table ? ROWS : tables[k] ? 2 : 1;
        reel_param *param = tables[k] ? reel_mpi_table_param(tables[k]) : r->scale;
        add(all, r, tables[k], reel_param_data(param), rows);
        for (int i = 0; i < (is_adam ? 3 : 1); i++) {
            reel_optim_state state;
            reel_optim_get_state(r->optim, param, is_adam ? names[i] : of_sgd[i], &state);
            add(all, r, tables[k], state.data, rows);
        }
        reel_optim_state step;
        reel_optim_get_state(r->optim, param, "step", &step);
        all->values[all->n++] = (double)*(const int64_t *)step.data;
    }
    all->values[all->n++] = (double)*(const int64_t *)reel_param_data(reel_params_find(r->params, "count"));
    for (int i = 0; i < 2 * COLUMNS; i++)
        all->values[all->n++] = ((const uint16_t *)reel_param_data(reel_params_find(r->params, "half.weight")))[i];
    all->values[all->n++] = reel_optim_lr(r->optim, 0);
    all->values[all->n++] = (double)reel_data_int64(r->t, reel_randint(r->t, 0, 1 << 30, REEL_SHAPE(1)))[0];
    reel_tape_reset(r->t);
    CHECK(reel_context_status(r->c) == REEL_OK, "%s", reel_error(r->c));
}

static void expect_equal(const struct contents *a, const struct contents *b, const char *what, int saved, int loaded)
{
    CHECK(a->n == b->n, "%s", what);
    for (int i = 0; i < a->n; i++)
        CHECK(a->values[i] == b->values[i], "%s, saved at %d, loaded at %d: number %d is %.17g instead of %.17g", what,
              saved, loaded, i, b->values[i], a->values[i]);
}

/* Saved by a group of the first `from` ranks, loaded by one of the first `to`, which goes on where that one did. */
static void saved_and_loaded(const char *folder, int from, int to, reel_optim *(*optim)(reel_params *))
{
    static struct contents saved, went_on, loaded, resumed;
    int rank;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm comm;
    MPI_Comm_split(MPI_COMM_WORLD, rank < from ? 0 : MPI_UNDEFINED, rank, &comm);
    if (rank < from) {
        struct run r = begin(comm, 1, optim);
        double number = 0;
        train(&r, 5);
        reel_optim_set_lr(r.optim, 0, 0.02);
        number = 12;
        CHECK(saves(r.mpi, r.params, r.optim, &number, folder, false) == REEL_OK, "%s", reel_error(r.c));
        take(&r, &saved);
        train(&r, 3);
        take(&r, &went_on);
        end(&r);
        MPI_Comm_free(&comm);
    }
    MPI_Bcast(&saved, sizeof saved, MPI_BYTE, 0, MPI_COMM_WORLD);
    MPI_Bcast(&went_on, sizeof went_on, MPI_BYTE, 0, MPI_COMM_WORLD);
    MPI_Comm_split(MPI_COMM_WORLD, rank < to ? 0 : MPI_UNDEFINED, rank, &comm);
    if (rank < to) {
        struct run r = begin(comm, 2, optim);
        double number = 0;
        /* What is there before is replaced, what was put off included. */
        train(&r, 2);
        CHECK(saves(r.mpi, r.params, r.optim, &number, folder, true) == REEL_OK, "%s", reel_error(r.c));
        CHECK(number == 12, "the rest is not loaded");
        take(&r, &loaded);
        expect_equal(&saved, &loaded, "what was loaded", from, to);
        if ((to & (to - 1)) == 0 && (from & (from - 1)) == 0) {
            train(&r, 3);
            take(&r, &resumed);
            expect_equal(&went_on, &resumed, "what went on", from, to);
        }
        end(&r);
        MPI_Comm_free(&comm);
    }
    MPI_Barrier(MPI_COMM_WORLD);
}

/* ---- Refusals ---- */

static void refusing(const char *folder)
{
    struct run r = begin(MPI_COMM_WORLD, 1, lazy_sgd);
    char path[512];
    CHECK(reel_mpi_save(NULL, r.params, NULL, NULL, folder) == REEL_ERROR_ARGUMENT, "no group is one");
    CHECK(reel_mpi_load(NULL, r.params, NULL, NULL, folder) == REEL_ERROR_ARGUMENT, "no group is one");
    bool last = reel_mpi_rank(r.mpi) == reel_mpi_ranks(r.mpi) - 1;
    reel_mpi_save(r.mpi, r.params, r.optim, NULL, last ? NULL : folder);
    expect_error(r.c, REEL_ERROR_ARGUMENT, "the folder is NULL");
    reel_mpi_save(r.mpi, last ? NULL : r.params, NULL, NULL, folder);
    expect_error(r.c, REEL_ERROR_ARGUMENT, "NULL");
    reel_mpi_load(r.mpi, r.params, r.optim, NULL, last ? NULL : folder);
    expect_error(r.c, REEL_ERROR_ARGUMENT, "the folder is NULL");
    snprintf(path, sizeof path, "%s/nowhere", folder);
    reel_mpi_load(r.mpi, r.params, r.optim, NULL, path);
    expect_error(r.c, REEL_ERROR_IO, "no safetensors files");
    /* A file in the way of the folder. */
    snprintf(path, sizeof path, "%s/latest/model.safetensors.index.json/x", folder);
    reel_mpi_save(r.mpi, r.params, r.optim, NULL, path);
    expect_error(r.c, REEL_ERROR_IO, "cannot make it");
    /* Nothing changes when one tensor is of another shape, or missing, or none of the set. */
    const reel_real before = *(const reel_real *)reel_param_data(r.scale);
    reel_params *other = reel_params_new(r.c);
    reel_param_new(other, "scale", REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(COLUMNS + 1));
    reel_mpi_load(r.mpi, other, NULL, NULL, folder);
    expect_error(r.c, REEL_ERROR_FORMAT, "is none of the set");
    reel_params_free(other);
    reel_param_new(r.params, "more", REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(2));
    reel_mpi_load(r.mpi, r.params, r.optim, NULL, folder);
    expect_error(r.c, REEL_ERROR_FORMAT, "\"more\" is missing");
    CHECK(*(const reel_real *)reel_param_data(r.scale) == before, "a load that was refused has changed a param");
    end(&r);
    r = begin(MPI_COMM_WORLD, 1, exact_adam);
    double number;
    saves(r.mpi, r.params, r.optim, &number, folder, true);
    expect_error(r.c, REEL_ERROR_FORMAT, "is none of the set or the optimizer");
    end(&r);
}

/* ---- Killed while saving ---- */

/* Saves without end; somebody kills it. Each checkpoint has one number everywhere, in every rank's rows. */
static void save_on(const char *folder)
{
    struct run r = begin(MPI_COMM_WORLD, 1, lazy_sgd);
    double number = 0;
    if (access(folder, F_OK) == 0)
        saves(r.mpi, r.params, r.optim, &number, folder, true);
    CHECK(reel_context_status(r.c) == REEL_OK, "%s", reel_error(r.c));
    for (;;) {
        number++;
        reel_init_constant(reel_mpi_table_param(r.table), number);
        reel_init_constant(r.scale, number);
        CHECK(saves(r.mpi, r.params, r.optim, &number, folder, false) == REEL_OK, "%s", reel_error(r.c));
    }
}

/* Prints the number of the last checkpoint. */
static void look(const char *folder)
{
    struct run r = begin(MPI_COMM_WORLD, 3, lazy_sgd);
    double number = 0;
    CHECK(saves(r.mpi, r.params, r.optim, &number, folder, true) == REEL_OK, "%s", reel_error(r.c));
    const reel_real *rows = reel_param_data(reel_mpi_table_param(r.table)), *scale = reel_param_data(r.scale);
    int64_t n = reel_shape_numel(reel_param_shape(reel_mpi_table_param(r.table)));
    for (int64_t i = 0; i < n; i++)
        CHECK(rows[i] == (reel_real)number, "row %lld is of another checkpoint", (long long)i / COLUMNS);
    CHECK(scale[0] == (reel_real)number, "a param is of another checkpoint");
    if (reel_mpi_rank(r.mpi) == 0)
        printf("%.0f\n", number);
    end(&r);
}

/* ---- For tests/interop ---- */

static void write_numbered(const char *folder)
{
    struct run r = begin(MPI_COMM_WORLD, 1, lazy_sgd);
    train(&r, 1);
    reel_real *rows = reel_param_write(reel_mpi_table_param(r.table));
    for (int64_t row = reel_mpi_rank(r.mpi), i = 0; row < ROWS; row += reel_mpi_ranks(r.mpi), i++)
        for (int j = 0; j < COLUMNS; j++)
            rows[i * COLUMNS + j] = (reel_real)row + (reel_real)j / 4;
    CHECK(reel_mpi_save(r.mpi, r.params, r.optim, NULL, folder) == REEL_OK, "%s", reel_error(r.c));
    end(&r);
}

static void read_numbered(const char *folder)
{
    struct run r = begin(MPI_COMM_WORLD, 1, lazy_sgd);
    CHECK(reel_mpi_load(r.mpi, r.params, NULL, NULL, folder) == REEL_OK, "%s", reel_error(r.c));
    const reel_real *rows = reel_param_data(reel_mpi_table_param(r.table));
    for (int64_t row = reel_mpi_rank(r.mpi), i = 0; row < ROWS; row += reel_mpi_ranks(r.mpi), i++)
        for (int j = 0; j < COLUMNS; j++)
            CHECK(rows[i * COLUMNS + j] == (reel_real)row + (reel_real)j / 4, "row %lld", (long long)row);
    end(&r);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(const char *folder);
    } commands[] = {{"save", save_on}, {"look", look}, {"write", write_numbered}, {"read", read_numbered}};
    int ranks;
    MPI_Init(&argc, &argv);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    CHECK(argc == 3, "usage: %s test|save|look|write|read FOLDER", argv[0]);
    char folder[256];
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (strcmp(argv[1], commands[i].name) == 0) {
            commands[i].run(argv[2]);
            return MPI_Finalize();
        }
    mkdir(argv[2], 0777);
    for (int from = 1; from <= ranks; from++)
        for (int to = 1; to <= ranks; to++) {
            snprintf(folder, sizeof folder, "%s/of_%d", argv[2], from);
            saved_and_loaded(folder, from, to, (from + to) % 2 ? lazy_sgd : exact_adam);
        }
    snprintf(folder, sizeof folder, "%s/of_refusing", argv[2]);
    struct run r = begin(MPI_COMM_WORLD, 1, lazy_sgd);
    CHECK(reel_mpi_save(r.mpi, r.params, r.optim, NULL, folder) == REEL_OK, "%s", reel_error(r.c));
    end(&r);
    refusing(folder);
    return MPI_Finalize();
}
