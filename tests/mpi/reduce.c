/* What collecting and reducing give, refuse, send and allocate, at any number of ranks. */
#include "helpers.h"

#include "ranks.h"

#include <math.h>

static reel_context *c;
static reel_mpi *mpi;
static reel_tape *t;
static int rank, ranks;

enum { SHARDS = 8 };

static void restart(const reel_mpi_options *options)
{
    reel_mpi_free(mpi);
    mpi = reel_mpi_new(c, MPI_COMM_WORLD, options);
    CHECK(mpi, "%s", reel_error(c));
}

static reel_param *param_of(reel_params *params, const char *name, int64_t rows, int64_t columns, bool sparse)
{
    reel_param *param = reel_param_new(params, name, REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(rows, columns));
    CHECK(param && reel_param_set_sparse(param, sparse) == REEL_OK, "%s", reel_error(c));
    return param;
}

/* ---- Values ---- */

/* Shard s has the gradient s + 1 in some params, and weight s + 1. */
static void values(void)
{
    reel_params *params = reel_params_new(c);
    reel_param *all = param_of(params, "all", 3, 2, false), *odd = param_of(params, "odd", 1, 1, false),
               *none = param_of(params, "none", 2, 2, false), *table = param_of(params, "table", 50, 2, true),
               *unused = param_of(params, "unused", 50, 2, true);
    CHECK(reel_mpi_begin(mpi, true), "%s", reel_error(c));
    int n = 0;
    for (int shard; (shard = reel_mpi_next_shard(mpi)) >= 0; n++) {
        reel_real g[6];
        int64_t rows[2] = {7, 20 + shard};
        for (int i = 0; i < 6; i++)
            g[i] = (reel_real)(shard + 1);
        reel_zero_grad(params);
        reel_param_set_grad(all, g);
        reel_param_set_row_grad(table, 2, rows, g);
        if (shard % 2 == 1)
            reel_param_set_grad(odd, g);
        if (shard != 3)
            CHECK(reel_mpi_collect(mpi, params, shard + 1) == REEL_OK, "%s", reel_error(c));
    }
    CHECK(reel_mpi_shards(mpi) == SHARDS && n >= SHARDS / ranks && n <= (SHARDS + ranks - 1) / ranks, "%d shards", n);
    CHECK(reel_mpi_next_shard(mpi) == -1, "a second loop");
    CHECK(reel_mpi_reduce(mpi, params) == REEL_OK, "%s", reel_error(c));
    double weight = 0, square = 0, odds = 0;
    for (int s = 0; s < SHARDS; s++) {
        weight += s == 3 ? 0 : s + 1;
        square += s == 3 ? 0 : (s + 1) * (s + 1);
        odds += s == 3 || s % 2 == 0 ? 0 : (s + 1) * (s + 1);
    }
    for (int i = 0; i < 6; i++)
        CHECK(reel_param_grad(all)[i] == (reel_real)square / (reel_real)weight, "%g", (double)reel_param_grad(all)[i]);
    CHECK(reel_param_grad(odd)[0] == (reel_real)odds / (reel_real)weight, "%g", (double)reel_param_grad(odd)[0]);
    CHECK(!reel_param_grad(none), "a gradient of nothing");
    reel_row_grad rows;
    CHECK(reel_param_row_grad(table, &rows) == REEL_OK && rows.count == SHARDS, "%d rows", (int)rows.count);
    CHECK(rows.rows[0] == 7 && rows.values[1] == (reel_real)square / (reel_real)weight, "row 7");
    for (int i = 1, s = 0; s < SHARDS; s++)
        if (s != 3) {
            CHECK(rows.rows[i] == 20 + s && rows.values[2 * i] == (reel_real)((s + 1) * (s + 1)) / (reel_real)weight,
                  "row %d is %d", i, (int)rows.rows[i]);
            i++;
        }
    CHECK(reel_param_row_grad(unused, &rows) == REEL_OK && rows.count == 0, "rows of nothing");
    /* Nobody collects anything in the second loop. */
    CHECK(reel_mpi_next_shard(mpi) >= 0, "no second loop");
    while (reel_mpi_next_shard(mpi) >= 0)
        ;
    CHECK(reel_mpi_reduce(mpi, params) == REEL_OK, "%s", reel_error(c));
    CHECK(!reel_param_grad(all) && reel_param_row_grad(table, &rows) == REEL_OK && rows.count == 0, "a rest");
    reel_params_free(params);
}

/* As many shards as ranks: large gradients are summed where they are. */
static void in_place(void)
{
    enum { NUMEL = 70001 };
    static reel_real g[NUMEL];
    reel_params *params = reel_params_new(c);
    reel_param *x = param_of(params, "x", NUMEL, 1, false), *y = param_of(params, "y", NUMEL, 1, false),
               *none = param_of(params, "none", NUMEL, 1, false);
    int shards = reel_mpi_shards(mpi);
    double weight = (double)shards * (shards + 1) / 2, square = 0, rest = 0;
    for (int s = 0; s < shards; s++) {
        square += (s + 1) * (s + 1);
        rest += s == 0 ? 0 : (s + 1) * (s + 1);
    }
    for (int step = 0; step < 3; step++) {
        CHECK(reel_mpi_begin(mpi, true), "%s", reel_error(c));
        for (int shard; (shard = reel_mpi_next_shard(mpi)) >= 0;) {
            for (int i = 0; i < NUMEL; i++)
                g[i] = (reel_real)((i % 5) * (shard + 1));
            reel_zero_grad(params);
            reel_param_set_grad(x, g);
            if (shard > 0)
                reel_param_set_grad(y, g);
            reel_mpi_collect(mpi, params, shard + 1);
        }
        CHECK(reel_mpi_reduce(mpi, params) == REEL_OK, "%s", reel_error(c));
        for (int i = 0; i < NUMEL; i++) {
            reel_real wanted = (reel_real)(i % 5 * square) / (reel_real)weight;
            CHECK(reel_param_grad(x)[i] == wanted, "x %d is %g", i, (double)reel_param_grad(x)[i]);
            wanted = (reel_real)(i % 5 * rest) / (reel_real)weight;
            CHECK(shards == 1 || reel_param_grad(y)[i] == wanted, "y %d is %g", i, (double)reel_param_grad(y)[i]);
        }
        CHECK(!reel_param_grad(none) && (shards > 1 || !reel_param_grad(y)), "a gradient of nothing");
    }
    CHECK(reel_mpi_begin(mpi, true), "%s", reel_error(c));
    while (reel_mpi_next_shard(mpi) >= 0) {
        reel_param_set_grad(x, g);
        reel_mpi_collect(mpi, params, 1);
        reel_zero_grad(params);
    }
    reel_status status = reel_mpi_reduce(mpi, params);
    CHECK(status == (shards == ranks && ranks > 1 ? REEL_ERROR_STATE : REEL_OK), "%s", reel_error(c));
    if (status != REEL_OK)
        expect_error(c, REEL_ERROR_STATE, "the gradient of \"x\" was forgotten after it was collected");
    reel_params_free(params);
}

/* ---- Buffers ---- */

/* A shard adds its number to one and 3 to another, from what the step begins with. */
static reel_params *buffers(void)
{
    reel_params *params = reel_params_new(c), *other = reel_params_new(c);
    reel_param *mean = reel_param_new(params, "mean", REEL_PARAM_BUFFER, REEL_REAL, REEL_SHAPE(2)),
               *count = reel_param_new(params, "count", REEL_PARAM_BUFFER, REEL_INT64, REEL_SCALAR),
               *x = param_of(other, "x", 1, 1, false);
    const reel_real one = 1;
    CHECK(reel_mpi_average_buffers(mpi, params) == REEL_OK && reel_mpi_average_buffers(mpi, params) == REEL_OK, "%s",
          reel_error(c));
    double weight = 0, square = 0;
    for (int s = 0; s < SHARDS; s++) {
        weight += s == 2 ? 0 : s + 1;
        square += s == 2 ? 0 : (s + 1) * (s + 1);
    }
    for (int step = 1; step <= 3; step++) {
        CHECK(reel_mpi_begin(mpi, true), "%s", reel_error(c));
        for (int shard; (shard = reel_mpi_next_shard(mpi)) >= 0;) {
            reel_real *m = reel_param_write(mean);
            CHECK(*(const int64_t *)reel_param_data(count) == 3 * (step - 1), "shard %d begins with another's", shard);
            m[1] += (reel_real)(shard + 1);
            *(int64_t *)reel_param_write(count) += 3;
            reel_param_set_grad(x, &one);
            if (shard != 2)
                reel_mpi_collect(mpi, other, shard + 1);
        }
        CHECK(reel_mpi_reduce(mpi, other) == REEL_OK, "%s", reel_error(c));
        const reel_real *m = reel_param_data(mean);
        CHECK(m[0] == 0 && fabs((double)m[1] - step * square / weight) < 1e-5, "step %d: %g", step, (double)m[1]);
        CHECK(*(const int64_t *)reel_param_data(count) == 3 * step, "%d",
              (int)*(const int64_t *)reel_param_data(count));
    }
    /* A step without samples leaves them as they are; one that fails, too. */
    for (int fails = 0; fails < 2; fails++) {
        CHECK(reel_mpi_begin(mpi, true), "%s", reel_error(c));
        while (reel_mpi_next_shard(mpi) >= 0)
            *(int64_t *)reel_param_write(count) += 1;
        if (fails && rank == ranks - 1)
            reel_fail(c, REEL_ERROR_IO, "a file is missing");
        CHECK(reel_mpi_reduce(mpi, other) == (fails ? REEL_ERROR_IO : REEL_OK), "%s", reel_error(c));
        reel_clear_error(c);
        CHECK(*(const int64_t *)reel_param_data(count) == 9, "%d", (int)*(const int64_t *)reel_param_data(count));
    }
    CHECK(reel_mpi_average_buffers(NULL, params) == REEL_ERROR_ARGUMENT, "NULL");
    *(int64_t *)reel_param_write(count) = rank;
    CHECK(reel_mpi_average_buffers(mpi, params) == (ranks == 1 ? REEL_OK : REEL_ERROR_STATE), "%s", reel_error(c));
    reel_clear_error(c);
    reel_params_free(other);
    return params;
}

/* ---- Random numbers ---- */

static double drawn(void)
{
    double x = reel_item(t, reel_rand(t, REEL_SHAPE(1)));
    reel_var mask = reel_dropout(t, reel_ones(t, REEL_SHAPE(50)), 0.5, true);
    for (int i = 0; i < 50; i++)
        x = x * 1.25 + (double)reel_data_real(t, mask)[i];
    reel_tape_reset(t);
    return x;
}

/* Each shard draws its own; what comes behind is what comes without shards. */
static void random_numbers(void)
{
    reel_manual_seed(c, 11);
    drawn();
    double wanted = drawn(), mine[4 * SHARDS] = {0}, all[4 * SHARDS];
    reel_manual_seed(c, 11);
    drawn();
    for (int step = 0; step < 2; step++) {
        CHECK(reel_mpi_begin(mpi, true), "%s", reel_error(c));
        for (int loop = 0; loop < 2; loop++) {
            for (int shard; (shard = reel_mpi_next_shard(mpi)) >= 0;)
                mine[(2 * step + loop) * SHARDS + shard] = drawn();
            reel_params *none = reel_params_new(c);
            CHECK(reel_mpi_reduce(mpi, none) == REEL_OK, "%s", reel_error(c));
            reel_params_free(none);
        }
    }
    CHECK(drawn() == wanted, "random numbers behind the shards are others");
    MPI_Allreduce(mine, all, 4 * SHARDS, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
    for (int i = 0; i < 4 * SHARDS; i++)
        for (int k = 0; k < i; k++)
            CHECK(all[i] != all[k], "shards %d and %d draw the same", k, i);
}

/* ---- What is refused ---- */

static void refusals(void)
{
    char text[80];
    reel_params *params = reel_params_new(c);
    reel_param *x = param_of(params, "x", 2, 2, false);
    const reel_real good[4] = {1, 2, 3, 4}, bad[4] = {1, (reel_real)NAN, 3, 4};
    CHECK(reel_mpi_collect(NULL, params, 1) == REEL_ERROR_ARGUMENT && reel_mpi_next_shard(NULL) == -1 &&
              reel_mpi_reduce(NULL, params) == REEL_ERROR_ARGUMENT && reel_mpi_shards(NULL) == 0,
          "NULL");
    /* One shard is wrong: the same error everywhere, params and random numbers as they were. */
    for (int wrong = 0; wrong < 6; wrong++) {
        int shard, bad_shard = 5, bad_rank = 0;
        bool mine = false;
        CHECK(reel_mpi_begin(mpi, true), "%s", reel_error(c));
        while ((shard = reel_mpi_next_shard(mpi)) >= 0) {
            bool is_bad = shard == bad_shard;
            mine |= is_bad;
            reel_zero_grad(params);
            reel_param_set_grad(x, wrong == 0 && is_bad ? bad : good);
            if (wrong == 1 && is_bad)
                reel_embedding(t, reel_zeros(t, REEL_SHAPE(3, 2)), reel_full_int64(t, REEL_SHAPE(1), 3), NULL);
            reel_mpi_collect(mpi, wrong == 2 && is_bad ? NULL : params, wrong == 3 && is_bad ? -1 : 2);
            if (wrong == 4 && is_bad)
                reel_mpi_collect(mpi, params, 2);
            reel_tape_reset(t);
            if (wrong == 5 && is_bad)
                break;
        }
        static const struct {
            reel_status status;
            const char *text;
        } expected[] = {{REEL_ERROR_NOT_FINITE, "shard 5: a gradient of \"x\" is NaN or infinite"},
                        {REEL_ERROR_INDEX, "index 3"},
                        {REEL_ERROR_ARGUMENT, "params is NULL"},
                        {REEL_ERROR_ARGUMENT, "the weight is -1"},
                        {REEL_ERROR_STATE, "shard 5 of the set was collected before"},
                        {REEL_ERROR_STATE, "the loop over shards is not over"}};
        MPI_Allreduce(&(int){mine ? rank : 0}, &bad_rank, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
        CHECK(reel_mpi_reduce(mpi, params) == expected[wrong].status, "%d: %s", wrong, reel_error(c));
        snprintf(text, sizeof text, "rank %d: ", bad_rank);
        CHECK(strncmp(reel_error(c), text, strlen(text)) == 0, "\"%s\" does not name rank %d", reel_error(c), bad_rank);
        expect_error(c, expected[wrong].status, expected[wrong].text);
    }
    CHECK(reel_mpi_collect(mpi, params, 1) == REEL_ERROR_STATE, "a shard outside of the loop");
    expect_error(c, REEL_ERROR_STATE, "no shard has begun");
    CHECK(!reel_mpi_begin(mpi, true), "it is forgotten");
    expect_error(c, REEL_ERROR_STATE, "rank 0: mpi_collect: no shard has begun");
    reel_params_free(params);
}

/* Params, kinds and numbers that have drifted apart. */
static void drifting(void)
{
    reel_params *params = reel_params_new(c);
    reel_param *x = param_of(params, "x", 2 + (rank == ranks - 1), 2, false);
    CHECK(reel_mpi_begin(mpi, true), "%s", reel_error(c));
    reel_status status = reel_mpi_reduce(mpi, params);
    CHECK(ranks == 1 ? status == REEL_OK : status == REEL_ERROR_ARGUMENT, "%s", reel_error(c));
    reel_clear_error(c);
    reel_params_free(params);
    params = reel_params_new(c);
    x = param_of(params, "x", 2, 2, false);
    const reel_real good[4] = {1, 2, 3, 4}, other[4] = {1, 2, 3, 5};
    for (int wrong = 0; wrong < 3; wrong++) {
        reel_manual_seed(c, wrong == 1 ? (uint64_t)rank : 5);
        reel_param_set(x, wrong == 0 && rank == ranks - 1 ? other : good);
        CHECK(reel_mpi_begin(mpi, true), "%s", reel_error(c));
        status = reel_mpi_reduce(mpi, params);
        CHECK(status == (ranks == 1 || wrong == 2 ? REEL_OK : REEL_ERROR_STATE), "%d: %s", wrong, reel_error(c));
        if (status != REEL_OK)
            expect_error(c, REEL_ERROR_STATE, "are not those of rank 0");
    }
    reel_params_free(params);
}

/* ---- What it costs ---- */

/* Bytes as the header says, and nothing allocated from the third step on. */
static void costs(bool as_table)
{
    enum { NUMEL = 50000, ROWS = 2000, COLUMNS = 16 };
    int power = 1, step = 0, used = as_table ? ROWS : 100;
    while (2 * power <= ranks)
        power *= 2;
    reel_params *params = reel_params_new(c);
    reel_param *x = param_of(params, "x", NUMEL, 1, false), *table = param_of(params, "table", ROWS, COLUMNS, true);
    static reel_real g[NUMEL], values[ROWS * COLUMNS];
    int64_t rows[ROWS];
    uint64_t allocations = 0, sent = 0, agreements = 0;
    for (; step < 6 && reel_mpi_begin(mpi, true); step++) {
        for (int shard; (shard = reel_mpi_next_shard(mpi)) >= 0;) {
            for (int i = 0; i < used; i++)
                rows[i] = as_table ? i : 20 * i + 2 * shard; /* all the same, or none */
            reel_zero_grad(params);
            reel_param_set_grad(x, g);
            reel_param_set_row_grad(table, used, rows, values);
            reel_mpi_collect(mpi, params, 1);
        }
        reel_mpi_reduce(mpi, params);
        if (step == 2) {
            allocations = reel_memory(c).allocations;
            sent = reel_mpi_stats(mpi).bytes_sent;
            agreements = reel_mpi_stats(mpi).agreements;
        }
    }
    CHECK(step == 6 && reel_context_status(c) == REEL_OK, "%s", reel_error(c));
    CHECK(reel_memory(c).allocations == allocations, "%d allocations", (int)(reel_memory(c).allocations - allocations));
    double real = sizeof(reel_real), each = used * SHARDS / ranks, all = used * SHARDS,
           share = (double)(power - 1) / power;
    double wanted = 2 * share * NUMEL * real;
    if (as_table)
        wanted += 2 * share * ROWS * (COLUMNS + 1) * real;
    else
        wanted += share * (each + all) * (COLUMNS * real + 8); /* the same rows meet nowhere */
    double got = (double)(reel_mpi_stats(mpi).bytes_sent - sent) / 3;
    got -= (double)(reel_mpi_stats(mpi).agreements - agreements) / 3 * (ranks - 1) * sizeof(struct reel_mpi_record);
    if (ranks == power)
        CHECK(fabs(got - wanted) <= 0.02 * wanted, "rank %d sent %g bytes instead of %g", rank, got, wanted);
    reel_params_free(params);
}

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    REEL_OPTIONS(context, options, options.num_threads = 1);
    c = reel_context_new(&options);
    t = reel_tape_new(c);
    CHECK(t, "%s", reel_error(c));
    REEL_OPTIONS(mpi, o, o.shards = SHARDS, o.timeout = 60, o.check_every = 1);
    restart(&o);
    values();
    random_numbers();
    refusals();
    drifting();
    reel_params *averaged = buffers();
    o.check_every = 0;
    restart(&o);
    reel_params_free(averaged);
    costs(false);
    costs(true);
    o.shards = 0;
    restart(&o);
    in_place();
    reel_mpi_free(mpi);
    reel_tape_free(t);
    reel_context_free(c);
    MPI_Finalize();
    return 0;
}
