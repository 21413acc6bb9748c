/* What a step costs whose table is spread over ranks (the workload `embedding`): 16,384 lookups a rank that follow
 * Zipf's law with exponent 1.2, scattered over rows of 64, the squared distance to a fixed target, row-wise Adagrad.
 * Prints the median and the least of the steps, the different rows of the last one, and the bytes that rank 0 sent for
 * them.
 *
 *     tables plain ROWS STEPS                       a table of reel's own, one process
 *     mpirun -n RANKS tables spread ROWS STEPS */
#include <reel/mpi.h>
#include <reel/reel.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOOKUPS = 16384, COLUMNS = 64, BATCHES = 8, MOST_STEPS = 10000 };

static uint64_t state;

static double uniform(void)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (double)(state >> 11) / 9007199254740992.0;
}

/* Devroye 1986, "Non-uniform random variate generation", X.6.1: rejection from a Pareto distribution. */
static int64_t zipf(int64_t rows)
{
    const double less = 0.2, bound = pow(2, less);
    for (;;) {
        double x = floor(pow(1 - uniform(), -1 / less)), v = uniform();
        double t = pow(1 + 1 / x, less);
        if (x <= (double)rows && v * x * (t - 1) / (bound - 1) <= t / bound)
            return (int64_t)((uint64_t)x * 0x9e3779b97f4a7c15u % (uint64_t)rows);
    }
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void die(const char *text)
{
    fprintf(stderr, "tables: %s\n", text);
    MPI_Abort(MPI_COMM_WORLD, 1);
}

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    int64_t rows = argc == 4 ? atoll(argv[2]) : 0, steps = argc == 4 ? atoll(argv[3]) : 0;
    bool is_spread = argc == 4 && strcmp(argv[1], "spread") == 0;
    if (rows < 1 || steps < 1 || steps > MOST_STEPS || (!is_spread && strcmp(argv[1], "plain") != 0))
        die("usage: tables plain|spread ROWS STEPS");
    REEL_OPTIONS(context, oc, oc.num_threads = 1);
    reel_context *c = reel_context_new(&oc);
    reel_mpi *mpi = reel_mpi_new(c, MPI_COMM_WORLD, NULL);
    reel_params *params = reel_params_new(c);
    reel_tape *t = reel_tape_new(c);
    /* Values of zero: drawing them all on every rank would take longer than the steps. */
    REEL_OPTIONS(mpi_table, om, om.init = false);
    REEL_OPTIONS(embedding, oe, oe.sparse = true, oe.fast_init = true);
    reel_mpi_table *table = is_spread ? reel_mpi_table_new(mpi, params, "table", rows, COLUMNS, &om) : NULL;
    reel_module *module = is_spread ? NULL : reel_embedding_new(params, "table", rows, COLUMNS, &oe);
    reel_optim *optim = reel_rowwise_adagrad_new(params, NULL);

    int64_t *index = malloc(sizeof *index * LOOKUPS * BATCHES), different = 0;
    reel_real *target = malloc(sizeof *target * LOOKUPS * COLUMNS);
    double *times = malloc(sizeof *times * (size_t)steps);
    if (!index || !target || !times || reel_context_status(c) != REEL_OK)
        die(reel_context_status(c) != REEL_OK ? reel_error(c) : "out of memory");
    state = (uint64_t)reel_mpi_rank(mpi) + 1;
    for (int i = 0; i < LOOKUPS * BATCHES; i++)
        index[i] = zipf(rows);
    for (int i = 0; i < LOOKUPS * COLUMNS; i++)
        target[i] = (reel_real)uniform();

    uint64_t sent = 0;
    for (int64_t step = 0; step < steps; step++) {
        double start = MPI_Wtime();
        sent = reel_mpi_stats(mpi).bytes_sent;
        if (is_spread && !reel_mpi_begin(mpi, true))
            die(reel_error(c));
        while (!is_spread || reel_mpi_next_shard(mpi) >= 0) {
            reel_var i = reel_borrow_of(t, REEL_INT64, index + step % BATCHES * LOOKUPS, REEL_SHAPE(LOOKUPS));
            reel_var inverse, y;
            if (is_spread) {
                reel_var found = reel_mpi_rows(t, table, i, &inverse);
                different = reel_size(t, found, 0);
                y = reel_embedding(t, found, inverse, NULL);
            } else {
                y = reel_forward(t, module, i);
            }
            reel_zero_grad(params);
            reel_backward(t, reel_mse_loss(t, y, reel_borrow(t, target, REEL_SHAPE(LOOKUPS, COLUMNS))), params);
            if (!is_spread)
                break;
            reel_mpi_collect(mpi, params, LOOKUPS);
        }
        if ((is_spread && reel_mpi_reduce(mpi, params) != REEL_OK) || reel_optim_step(optim) != REEL_OK ||
            reel_tape_reset(t) != REEL_OK)
            die(reel_error(c));
        times[step] = MPI_Wtime() - start;
        sent = reel_mpi_stats(mpi).bytes_sent - sent;
    }
    qsort(times, (size_t)steps, sizeof *times, by_size);
    if (reel_mpi_rank(mpi) == 0)
        printf("%d ranks: %.0f us (least %.0f), %lld different rows, %llu bytes sent\n", reel_mpi_ranks(mpi),
               1e6 * times[steps / 2], 1e6 * times[0], (long long)different, (unsigned long long)sent);

    free(index);
    free(target);
    free(times);
    reel_optim_free(optim);
    reel_params_free(params);
    reel_tape_free(t);
    reel_mpi_free(mpi);
    reel_context_free(c);
    return MPI_Finalize();
}
