/* What ranks have in common: broadcast, clipping, and sums that are differentiated. */
#include "helpers.h"

#include <math.h>

static reel_context *c;
static reel_mpi *mpi;
static reel_tape *t;
static int rank, ranks;

static void restart(void)
{
    reel_mpi_free(mpi);
    REEL_OPTIONS(mpi, o, o.timeout = 60, o.segment = 512);
    mpi = reel_mpi_new(c, MPI_COMM_WORLD, &o);
    CHECK(mpi, "%s", reel_error(c));
}

/* ---- Broadcast ---- */

static void broadcast(void)
{
    reel_params *params = reel_params_new(c);
    reel_param *x = reel_param_new(params, "x", REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(1000)),
               *frozen = reel_param_new(params, "frozen", REEL_PARAM_FROZEN, REEL_REAL, REEL_SHAPE(3)),
               *count = reel_param_new(params, "count", REEL_PARAM_BUFFER, REEL_INT64, REEL_SCALAR);
    reel_param_new(params, "empty", REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(0, 4));
    REEL_OPTIONS(mpi_table, o, o.init = false);
    reel_mpi_table *spread = reel_mpi_table_new(mpi, params, "spread", 8, 1, &o);
    reel_real *rows = reel_param_write(reel_mpi_table_param(spread));
    rows[0] = (reel_real)rank;
    for (int i = 0; i < 1000; i++)
        ((reel_real *)reel_param_write(x))[i] = (reel_real)(rank * 1000 + i);
    ((reel_real *)reel_param_write(frozen))[1] = (reel_real)rank;
    *(int64_t *)reel_param_write(count) = 5 + rank;
    CHECK(reel_mpi_broadcast(mpi, params) == REEL_OK, "%s", reel_error(c));
    for (int i = 0; i < 1000; i++)
        CHECK(((const reel_real *)reel_param_data(x))[i] == (reel_real)i, "element %d", i);
    CHECK(((const reel_real *)reel_param_data(frozen))[1] == 0, "what is frozen");
    CHECK(*(const int64_t *)reel_param_data(count) == 5, "a buffer");
    CHECK(rows[0] == (reel_real)rank, "spread rows are rank 0's");
    if (rank == ranks - 1)
        reel_param_new(params, "more", REEL_PARAM_BUFFER, REEL_REAL, REEL_SCALAR);
    CHECK(reel_mpi_broadcast(mpi, params) == (ranks == 1 ? REEL_OK : REEL_ERROR_ARGUMENT), "%s", reel_error(c));
    reel_clear_error(c);
    CHECK(reel_mpi_broadcast(mpi, NULL) == REEL_ERROR_ARGUMENT, "NULL is broadcast");
    expect_error(c, REEL_ERROR_ARGUMENT, "rank 0: mpi_broadcast: params is NULL");
    CHECK(reel_mpi_broadcast(NULL, params) == REEL_ERROR_ARGUMENT, "NULL");
    reel_params_free(params);
}

/* ---- Clipping ---- */

enum { ROWS = 24, COLUMNS = 3 };

static reel_real row_of(int row, int column)
{
    return (reel_real)((row * 7 + column * 3) % 11 - 5) * (reel_real)ldexp(1, row % 30 - 15);
}

/* Every second row of a table, a dense param and rows that all have, against the formula. */
static void clip(bool is_spread, double max_norm)
{
    restart();
    reel_params *params = reel_params_new(c);
    reel_param *x = reel_param_new(params, "x", REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(5)),
               *own = reel_param_new(params, "own", REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(ROWS, COLUMNS));
    reel_mpi_table *table = is_spread ? reel_mpi_table_new(mpi, params, "spread", ROWS, COLUMNS, NULL) : NULL;
    CHECK(reel_context_status(c) == REEL_OK, "%s", reel_error(c));
    reel_real g[5] = {1, -2, 3, -4, 5}, values[ROWS * COLUMNS];
    int64_t rows[ROWS], n = 0;
    double square = 55, norm;
    reel_param_set_sparse(own, true);
    reel_param_set_grad(x, g);
    for (int row = 0; row < ROWS; row += 4, n++) {
        rows[n] = row;
        for (int k = 0; k < COLUMNS; k++) {
            values[n * COLUMNS + k] = row_of(row, k);
            square += pow((double)row_of(row, k), 2);
        }
    }
    reel_param_set_row_grad(own, n, rows, values);
    n = 0;
    for (int row = 0; row < ROWS && is_spread; row++) {
        for (int k = 0; k < COLUMNS; k++)
            square += row % 2 == 0 ? pow((double)row_of(row, k), 2) : 0;
        if (row % 2 == 1 || row % ranks != rank)
            continue;
        rows[n] = row / ranks;
        for (int k = 0; k < COLUMNS; k++)
            values[n * COLUMNS + k] = row_of(row, k);
        n++;
    }
    if (is_spread)
        reel_param_set_row_grad(reel_mpi_table_param(table), n, rows, values);
    CHECK(reel_mpi_clip_grad_norm(mpi, params, max_norm, &norm) == REEL_OK, "%s", reel_error(c));
    CHECK(fabs(norm - sqrt(square)) < 1e-13 * sqrt(square), "the norm is %.17g and not %.17g", norm, sqrt(square));
    double least, most, factor = fmin(1, max_norm / (norm + 1e-6)), epsilon = sizeof(reel_real) == 4 ? 1e-7 : 1e-15;
    MPI_Allreduce(&norm, &least, 1, MPI_DOUBLE, MPI_MIN, MPI_COMM_WORLD);
    MPI_Allreduce(&norm, &most, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
    CHECK(least == most, "norms differ: %.17g, %.17g", least, most);
    for (int i = 0; i < 5; i++)
        CHECK(fabs((double)reel_param_grad(x)[i] - factor * (double)g[i]) <= 5 * epsilon * factor * 5, "element %d", i);
    reel_row_grad grad;
    reel_param_row_grad(own, &grad);
    CHECK(grad.count == ROWS / 4, "%d rows", (int)grad.count);
    for (int i = 0; i < ROWS / 4 * COLUMNS; i++)
        CHECK(fabs((double)grad.values[i] - factor * (double)row_of(i / COLUMNS * 4, i % COLUMNS)) <=
                  5 * epsilon * fabs((double)grad.values[i]),
              "element %d of rows", i);
    if (is_spread) {
        reel_param_row_grad(reel_mpi_table_param(table), &grad);
        for (int64_t i = 0; i < n * COLUMNS; i++)
            CHECK(fabs((double)grad.values[i] - factor * (double)values[i]) <= 5 * epsilon * fabs((double)values[i]),
                  "element %d of spread rows", (int)i);
    }
    reel_params_free(params);
}

/* ---- Sums ---- */

/* Each rank's loss is the sum of y^3, y the sum over ranks of x: the losses together have the derivative 3 R y^2 by x
 * of any rank, and the sum of these, over ranks too, 6 R^2 y. */
static void sums(void)
{
    reel_var x = reel_full(t, REEL_SHAPE(7), rank + 1), first, second;
    double n = ranks, sum = n * (n + 1) / 2;
    reel_var y = reel_mpi_sum(mpi, t, x);
    reel_var loss = reel_sum_all(t, reel_mul(t, reel_square(t, y), y));
    CHECK(reel_grad(t, loss, &x, 1, REEL_GRAD_CREATE_GRAPH, &first) == REEL_OK, "%s", reel_error(c));
    CHECK(reel_grad(t, reel_sum_all(t, first), &x, 1, 0, &second) == REEL_OK, "%s", reel_error(c));
    for (int i = 0; i < 7; i++) {
        CHECK((double)reel_data_real(t, y)[i] == sum, "sum %g", (double)reel_data_real(t, y)[i]);
        CHECK((double)reel_data_real(t, first)[i] == 3 * n * sum * sum, "%g", (double)reel_data_real(t, first)[i]);
        CHECK((double)reel_data_real(t, second)[i] == 6 * n * n * sum, "%g", (double)reel_data_real(t, second)[i]);
    }
    CHECK(reel_backward(t, reel_sum_all(t, reel_mpi_sum(mpi, t, reel_full(t, REEL_SHAPE(0), 0))), NULL) != REEL_OK,
          "nothing is differentiated");
    reel_tape_reset(t);
    /* Other shapes, and a var that is not real on one rank. */
    reel_mpi_sum(mpi, t, reel_full(t, REEL_SHAPE(7 + (rank == ranks - 1)), 1));
    if (ranks > 1)
        expect_error(c, REEL_ERROR_ARGUMENT, "reel_mpi_sum is called with other");
    reel_tape_reset(t);
    reel_mpi_sum(mpi, t, rank == ranks - 1 ? reel_full_int64(t, REEL_SHAPE(7), 1) : reel_full(t, REEL_SHAPE(7), 1));
    expect_error(c, REEL_ERROR_DTYPE, "mpi_sum: x is int64");
    CHECK(reel_is_null(reel_mpi_sum(NULL, t, x)), "NULL");
    reel_tape_reset(t);
}

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    REEL_OPTIONS(context, options, options.num_threads = 1);
    c = reel_context_new(&options);
    t = reel_tape_new(c);
    restart();
    broadcast();
    for (int i = 0; i < 2; i++) {
        clip(i, INFINITY);
        clip(i, 1);
        clip(i, 1e6);
    }
    CHECK(reel_mpi_clip_grad_norm(mpi, NULL, 1, NULL) == REEL_ERROR_ARGUMENT, "NULL is clipped");
    reel_clear_error(c);
    sums();
    reel_mpi_free(mpi);
    reel_tape_free(t);
    reel_context_free(c);
    MPI_Finalize();
    return 0;
}
