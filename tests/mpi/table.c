/* Tables whose rows are spread over ranks, against one that is not: groups of 1, 2, 4, ... of the ranks train the same,
 * with the same bits. */
#include "helpers.h"

#include "table.h"

#include <math.h>

enum { SHARDS = 8, ROWS = 203, COLUMNS = 5, STEPS = 30, MOST = 24, ALL = ROWS * COLUMNS };

static uint64_t state;

static double uniform(void)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (double)(state >> 11) / 9007199254740992.0;
}

/* What a shard looks up in a step: few rows often, some steps nothing. */
static int64_t indices_of(int step, int shard, int64_t *index, reel_real *target)
{
    state = (uint64_t)(step * SHARDS + shard) + 1;
    uniform();
    int64_t n = shard == step % 3 ? 0 : 1 + (int64_t)(uniform() * (MOST - 1));
    for (int64_t i = 0; i < n; i++) {
        index[i] = (int64_t)(ROWS * pow(uniform(), 3));
        for (int j = 0; j < COLUMNS; j++)
            target[i * COLUMNS + j] = (reel_real)(uniform() - 0.5);
    }
    return n;
}

struct way {
    const char *name;
    reel_optim *(*optim)(reel_params *);
    double max_norm;
    bool bags;
    bool steady; /* every step is the first one: none after the second allocates */
};

static reel_optim *lazy_adam(reel_params *params)
{
    REEL_OPTIONS(adam, o, o.lr = 0.01, o.weight_decay = 0.1);
    return reel_adam_new(params, &o);
}

static reel_optim *exact_adam(reel_params *params)
{
    REEL_OPTIONS(adam, o, o.lr = 0.01, o.weight_decay = 0.1, o.sparse_update = REEL_EXACT);
    return reel_adam_new(params, &o);
}

static reel_optim *exact_sgd(reel_params *params)
{
    REEL_OPTIONS(sgd, o, o.lr = 0.1, o.momentum = 0.9, o.dampening = 0.5, o.sparse_update = REEL_EXACT);
    return reel_sgd_new(params, &o);
}

static reel_optim *rowwise_adagrad(reel_params *params)
{
    return reel_rowwise_adagrad_new(params, NULL);
}

static reel_context *new_context(void)
{
    REEL_OPTIONS(context, o, o.seed = 7, o.num_threads = 1);
    return reel_context_new(&o);
}

/* The loss of some lookups: of the rows, or of bags of three. */
static reel_var loss_of(reel_tape *t, const struct way *way, reel_var rows, reel_var index, int64_t n,
                        const reel_real *target)
{
    reel_var wanted = reel_borrow(t, target, REEL_SHAPE(n, COLUMNS));
    if (!way->bags)
        return reel_mse_loss(t, reel_embedding(t, rows, index, NULL), wanted);
    REEL_OPTIONS(embedding_bag_lookup, o, o.mode = REEL_BAG_SUM);
    return reel_mse_loss(t, reel_embedding_bag(t, rows, index, reel_arange_int64(t, 0, n, 1), reel_null(), &o), wanted);
}

static void train_in_group(MPI_Comm comm, const struct way *way, int steps, reel_real *all)
{
    reel_context *c = new_context();
    REEL_OPTIONS(mpi, o, o.shards = SHARDS, o.timeout = 60);
    reel_mpi *mpi = reel_mpi_new(c, comm, &o);
    reel_params *params = reel_params_new(c);
    reel_tape *t = reel_tape_new(c);
    REEL_OPTIONS(mpi_table, of_table, of_table.max_norm = way->max_norm);
    reel_mpi_table *table = reel_mpi_table_new(mpi, params, "table", ROWS, COLUMNS, &of_table);
    reel_optim *optim = way->optim(params);
    uint64_t allocations = 0;
    for (int step = 0; step < steps && reel_mpi_begin(mpi, true); step++) {
        int64_t index[MOST];
        static reel_real target[MOST * COLUMNS];
        reel_zero_grad(params);
        for (int shard; (shard = reel_mpi_next_shard(mpi)) >= 0;) {
            int64_t n = indices_of(way->steady ? 0 : step, shard, index, target);
            reel_var inverse,
                rows = reel_mpi_rows(t, table, reel_borrow_of(t, REEL_INT64, index, REEL_SHAPE(n)), &inverse);
            if (n > 0)
                reel_backward(t, loss_of(t, way, rows, inverse, n, target), params);
            reel_mpi_collect(mpi, params, (double)n);
            CHECK(reel_tape_reset(t) == REEL_OK, "%s", reel_error(c));
        }
        CHECK(reel_mpi_reduce(mpi, params) == REEL_OK && reel_optim_step(optim) == REEL_OK, "%s", reel_error(c));
        if (step == 1)
            allocations = reel_memory(c).allocations;
    }
    CHECK(!way->steady || reel_memory(c).allocations == allocations, "%s: %d allocations in steady steps", way->name,
          (int)(reel_memory(c).allocations - allocations));
    memset(all, 0, ALL * sizeof *all);
    const reel_real *mine = reel_param_data(reel_mpi_table_param(table));
    for (int64_t row = reel_mpi_rank(mpi), i = 0; row < ROWS; row += reel_mpi_ranks(mpi), i++)
        memcpy(all + row * COLUMNS, mine + i * COLUMNS, COLUMNS * sizeof *all);
    MPI_Allreduce(MPI_IN_PLACE, all, ALL, sizeof *all == sizeof(float) ? MPI_FLOAT : MPI_DOUBLE, MPI_SUM, comm);
    CHECK(reel_context_status(c) == REEL_OK, "%s", reel_error(c));
    reel_optim_free(optim);
    reel_tape_free(t);
    reel_params_free(params);
    reel_mpi_free(mpi);
    reel_context_free(c);
}

static void train_alone(const struct way *way, int steps, reel_real *all)
{
    reel_context *c = new_context();
    reel_params *params = reel_params_new(c);
    reel_tape *t = reel_tape_new(c);
    REEL_OPTIONS(embedding, o, o.sparse = true, o.max_norm = way->max_norm);
    reel_module *module = reel_embedding_new(params, "table", ROWS, COLUMNS, &o);
    reel_param *param = reel_params_at(params, 0);
    reel_optim *optim = way->optim(params);
    for (int step = 0; step < steps; step++) {
        static int64_t index[SHARDS * MOST];
        static reel_real target[SHARDS * MOST * COLUMNS];
        int64_t n = 0;
        for (int shard = 0; shard < SHARDS; shard++)
            n += indices_of(step, shard, index + n, target + n * COLUMNS);
        reel_zero_grad(params);
        reel_var which = reel_borrow_of(t, REEL_INT64, index, REEL_SHAPE(n));
        reel_forward(t, module, which); /* max_norm */
        reel_backward(t, loss_of(t, way, reel_param_var(t, param), which, n, target), params);
        reel_optim_step(optim);
        CHECK(reel_tape_reset(t) == REEL_OK, "%s", reel_error(c));
    }
    memcpy(all, reel_param_data(param), ALL * sizeof *all);
    reel_optim_free(optim);
    reel_tape_free(t);
    reel_params_free(params);
    reel_context_free(c);
}

static void bits(const struct way *way, int steps)
{
    static reel_real alone[ALL], first[ALL], all[ALL];
    int rank, ranks;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    train_alone(way, steps, alone);
    for (int size = 1; size <= ranks; size *= 2) {
        MPI_Comm comm;
        MPI_Comm_split(MPI_COMM_WORLD, rank / size, rank, &comm);
        train_in_group(comm, way, steps, size == 1 ? first : all);
        MPI_Comm_free(&comm);
        for (int i = 0; i < ALL && size > 1; i++)
            CHECK(all[i] == first[i], "%s: element %d is %.17g at %d ranks and %.17g at one", way->name, i,
                  (double)all[i], size, (double)first[i]);
    }
    const double most = sizeof(reel_real) == sizeof(double) ? 1e-12 : 1e-4;
    for (int i = 0; i < ALL; i++)
        CHECK(steps > 0 ? fabs((double)(first[i] - alone[i])) <= most : first[i] == alone[i],
              "%s: element %d is %.17g, of a table that is not spread %.17g", way->name, i, (double)first[i],
              (double)alone[i]);
}

/* ---- In one group of all ranks ---- */

static reel_context *c;
static reel_mpi *mpi;
static reel_params *params;
static reel_tape *t;
static reel_mpi_table *table;
static int rank, ranks;

static bool last(void)
{
    return rank == ranks - 1;
}

static void making(void)
{
    char text[64];
    snprintf(text, sizeof text, "rank %d", ranks - 1);
    CHECK(!reel_mpi_table_new(mpi, params, "short", last() ? -1 : 3, 2, NULL), "a negative number of rows is one");
    expect_error(c, REEL_ERROR_SHAPE, text);
    CHECK(!reel_mpi_table_new(mpi, last() ? NULL : params, "set", 3, 2, NULL), "no set is one");
    expect_error(c, REEL_ERROR_ARGUMENT, text);
    if (ranks > 1) {
        CHECK(!reel_mpi_table_new(mpi, params, "wide", 3, last() ? 3 : 2, NULL), "sizes differ");
        expect_error(c, REEL_ERROR_ARGUMENT, text);
    }
    reel_mpi_table_options zeros;
    memset(&zeros, 0, sizeof zeros);
    CHECK(!reel_mpi_table_new(mpi, params, "options", 3, 2, &zeros), "options without a mark");
    expect_error(c, REEL_ERROR_ARGUMENT, "reel_mpi_table_defaults");
    CHECK(!reel_mpi_table_new(NULL, params, "group", 3, 2, NULL), "no group is one");
    CHECK(!reel_mpi_table_param(NULL) && reel_is_null(reel_mpi_embedding(t, NULL, reel_null())), "no table is one");
    REEL_OPTIONS(mpi_table, o, o.init = false);
    reel_mpi_table *empty = reel_mpi_table_new(mpi, params, "empty", 5, 2, &o);
    CHECK(empty, "%s", reel_error(c));
    const reel_real *data = reel_param_data(reel_mpi_table_param(empty));
    for (int64_t i = 0; i < reel_shape_numel(reel_param_shape(reel_mpi_table_param(empty))); i++)
        CHECK(data[i] == 0, "what is not drawn is not 0");
}

/* Every element of row i is i. */
static reel_mpi_table *numbered(reel_params *set, const char *name, int64_t rows, int64_t columns)
{
    REEL_OPTIONS(mpi_table, o, o.init = false);
    reel_mpi_table *made = reel_mpi_table_new(mpi, set, name, rows, columns, &o);
    CHECK(made, "%s", reel_error(c));
    reel_real *data = reel_param_write(reel_mpi_table_param(made));
    for (int64_t i = 0, row = rank; row < rows; row += ranks, i++)
        for (int64_t j = 0; j < columns; j++)
            data[i * columns + j] = (reel_real)row;
    return made;
}

static void looking_up(void)
{
    static const int64_t index[] = {6, 0, 6, 1, 5, 0};
    static const int32_t narrow[] = {2, 6, 2, 3};
    /* Ranks look up different numbers of rows, of other shapes. */
    reel_var wide = reel_mpi_embedding(t, table, reel_borrow_of(t, REEL_INT64, index, REEL_SHAPE(2, 3)));
    reel_var some = reel_mpi_embedding(t, table, reel_borrow_of(t, REEL_INT64, index, REEL_SHAPE(last() ? 0 : 3)));
    reel_var of_int32 = reel_mpi_embedding(t, table, reel_borrow_of(t, REEL_INT32, narrow, REEL_SHAPE(4)));
    reel_var none = reel_mpi_embedding(t, table, reel_borrow_of(t, REEL_INT64, index, REEL_SHAPE(0, 2)));
    CHECK(reel_context_status(c) == REEL_OK, "%s", reel_error(c));
    CHECK(reel_shape_of(t, wide).ndim == 3 && reel_size(t, wide, 2) == COLUMNS && reel_numel(t, none) == 0, "shapes");
    for (int i = 0; i < 6 * COLUMNS; i++)
        CHECK(reel_data_real(t, wide)[i] == (reel_real)index[i / COLUMNS], "row %d", i / COLUMNS);
    for (int i = 0; i < 4 * COLUMNS; i++)
        CHECK(reel_data_real(t, of_int32)[i] == (reel_real)narrow[i / COLUMNS], "row %d", i / COLUMNS);
    for (int64_t i = 0; i < reel_numel(t, some); i++)
        CHECK(reel_data_real(t, some)[i] == (reel_real)index[i / COLUMNS], "row %d", (int)i / COLUMNS);
    reel_tape_reset(t);
}

static void refusing(void)
{
    char text[96];
    snprintf(text, sizeof text, "rank %d: mpi_embedding \"table.weight\": index 7 at flat position 1", ranks - 1);
    static int64_t index[] = {1, 2};
    static reel_real x[] = {1, 2};
    index[1] = last() ? 7 : 2;
    CHECK(reel_is_null(reel_mpi_embedding(t, table, reel_tensor_of(t, REEL_INT64, index, REEL_SHAPE(2)))), "taken");
    CHECK(reel_tape_reset(t) == REEL_ERROR_INDEX && strstr(reel_error(c), text), "%s", reel_error(c));
    index[1] = last() ? -1 : 2;
    CHECK(reel_is_null(reel_mpi_embedding(t, table, reel_tensor_of(t, REEL_INT64, index, REEL_SHAPE(2)))), "taken");
    expect_error(c, REEL_ERROR_INDEX, "index -1 at");
    CHECK(reel_is_null(reel_mpi_embedding(t, table, reel_borrow(t, x, REEL_SHAPE(2)))), "a real index is one");
    expect_error(c, REEL_ERROR_DTYPE, "float");
    index[1] = 2;
    reel_var good = reel_tensor_of(t, REEL_INT64, index, REEL_SHAPE(2));
    CHECK(reel_is_null(reel_mpi_embedding(last() ? NULL : t, table, good)), "no tape is one");
    expect_error(c, REEL_ERROR_ARGUMENT, "tape is NULL");
    reel_var inverse;
    CHECK(reel_is_null(reel_mpi_rows(t, table, good, last() ? NULL : &inverse)), "no place is one");
    expect_error(c, REEL_ERROR_ARGUMENT, "place of the inverse");
    /* What one rank has met before is the error of all. */
    if (last())
        reel_fail(c, REEL_ERROR_IO, "a file is missing");
    CHECK(reel_is_null(reel_mpi_embedding(t, table, good)), "taken");
    expect_error(c, REEL_ERROR_IO, "a file is missing");
    reel_tape_reset(t);
    reel_var y = reel_sum_all(t, reel_mpi_embedding(t, table, reel_tensor_of(t, REEL_INT64, index, REEL_SHAPE(2))));
    reel_var slope, weight = reel_param_var(t, reel_mpi_table_param(table));
    reel_grad(t, y, &weight, 1, REEL_GRAD_CREATE_GRAPH, &slope);
    expect_error(c, REEL_ERROR_NO_RULE, "mpi_embedding");
    reel_tape_reset(t);
    reel_optim *lamb = reel_lamb_new(params, NULL);
    CHECK(!lamb || reel_optim_step(lamb) != REEL_OK, "LAMB takes rows");
    CHECK(strstr(reel_error(c), "lamb"), "%s", reel_error(c));
    reel_clear_error(c);
    reel_optim_free(lamb);
}

/* The last rank's index is wrong while rank 0 has ended its step and answers. */
static void refusing_to_answer(void)
{
    static int64_t index[] = {1, 2};
    index[1] = last() ? 7 : 2;
    if (ranks == 1)
        return;
    if (rank > 0)
        reel_mpi_embedding(t, table, reel_tensor_of(t, REEL_INT64, index, REEL_SHAPE(2)));
    reel_tape_reset(t);
    CHECK(reel_mpi_reduce(mpi, params) == REEL_ERROR_INDEX, "%s", reel_error(c));
    expect_error(c, REEL_ERROR_INDEX, "index 7 at");
}

/* Bytes that a step sends, and memory: rows that nobody looks up twice, so that nothing but rows counts. */
static void costs(void)
{
    enum { MANY = 200000, WIDE = 16, WANTED = 20000 };
    reel_context *own = new_context();
    reel_mpi *group = reel_mpi_new(own, MPI_COMM_WORLD, NULL);
    reel_params *set = reel_params_new(own);
    reel_tape *tape = reel_tape_new(own);
    REEL_OPTIONS(mpi_table, o, o.init = false);
    reel_mpi_table *large = reel_mpi_table_new(group, set, "large", MANY, WIDE, &o);
    const size_t before = reel_memory(own).bytes;
    int64_t *index = malloc(WANTED * sizeof *index);
    for (int64_t i = 0; i < WANTED; i++)
        index[i] = (i * 7 + rank * 977) * 31 % MANY;
    uint64_t sent = 0;
    for (int step = 0; step < 4; step++) {
        sent = reel_mpi_stats(group).bytes_sent;
        reel_mpi_begin(group, true);
        CHECK(reel_mpi_next_shard(group) == group->first_shard, "%s", reel_error(own));
        reel_var y = reel_mpi_embedding(tape, large, reel_borrow_of(tape, REEL_INT64, index, REEL_SHAPE(WANTED)));
        reel_backward(tape, reel_mean_all(tape, y), set);
        reel_mpi_collect(group, set, 1);
        reel_tape_reset(tape);
        while (reel_mpi_next_shard(group) >= 0)
            ;
        CHECK(reel_mpi_reduce(group, set) == REEL_OK, "%s", reel_error(own));
        sent = reel_mpi_stats(group).bytes_sent - sent;
    }
    const double row = WIDE * sizeof(reel_real), others = (ranks - 1.0) / ranks;
    const double want = others * WANTED * (8 + row) * 2;
    CHECK(fabs((double)sent - want) <= 0.02 * want, "%.0f bytes were sent, not %.0f", (double)sent, want);
    /* Rows go out and come in, at the lookup and with the gradient. */
    const double exchanged = 4 * WANTED * row, held = (double)(reel_memory(own).peak_bytes - before);
    CHECK(held <= 3 * exchanged, "%.2f times the rows that were exchanged", held / exchanged);
    free(index);
    reel_tape_free(tape);
    reel_params_free(set);
    reel_mpi_free(group);
    reel_context_free(own);
}

int main(int argc, char **argv)
{
    static const struct way ways[] = {{"lazy Adam", lazy_adam, INFINITY, false, false},
                                      {"exact Adam", exact_adam, INFINITY, false, false},
                                      {"exact SGD, bags", exact_sgd, INFINITY, true, false},
                                      {"row-wise Adagrad, max_norm", rowwise_adagrad, 1, false, false}};
    static const struct way steady = {"steady", lazy_adam, INFINITY, false, true};
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    bits(&ways[0], 0);
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        bits(&ways[i], argc > 1 ? atoi(argv[1]) : STEPS);
    static reel_real all[ALL];
    train_in_group(MPI_COMM_WORLD, &steady, 8, all);
    c = new_context();
    mpi = reel_mpi_new(c, MPI_COMM_WORLD, NULL);
    params = reel_params_new(c);
    t = reel_tape_new(c);
    making();
    table = numbered(params, "table", 7, COLUMNS);
    looking_up();
    refusing();
    refusing_to_answer();
    looking_up();
    costs();
    reel_tape_free(t);
    reel_params_free(params);
    reel_mpi_free(mpi);
    reel_context_free(c);
    return MPI_Finalize();
}
