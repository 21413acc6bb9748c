/* What a group keeps of a param set whose gradients are summed: partial sums over shards, dense ones in one array, and
 * rows of each table. */
#ifndef REEL_MPI_SETS_H
#define REEL_MPI_SETS_H

#include "ranks.h"

enum { REEL_MPI_LEVELS = 22 }; /* of a tree over shards */

/* A dense param: its part of the array of sums. With one shard a rank a large one is summed where its gradient is, and
 * has no part. */
struct reel_mpi_dense {
    reel_param *param;
    bool is_in_place;
    int64_t offset, numel;
    const reel_real *grad; /* while the shard is collected; NULL: none */
};

/* Rows of a table's gradient, ascending. is_present: there is a gradient, be it of no rows. */
struct reel_mpi_sorted {
    struct reel_mpi_memory rows, values; /* int64_t, reel_real[columns] each */
    int64_t count;
    bool is_present;
};

/* A param with row-sparse gradients. */
struct reel_mpi_sparse {
    reel_param *param;
    int64_t rows, columns;
    struct reel_mpi_sorted levels[REEL_MPI_LEVELS], incoming, spare;
    int64_t most;      /* rows that any of them had to hold */
    bool is_dense;     /* travels as a whole, at `offset` of the array of tables */
    int64_t offset;    /* of rows * columns values, behind which are `rows` numbers that say whether a row is there */
    bool is_somewhere; /* some rank has a gradient */
};

/* A sum over an aligned block of 2^level shards. */
struct reel_mpi_level {
    enum { REEL_MPI_FREE, REEL_MPI_EMPTY, REEL_MPI_HELD } state;
    double weight;
    struct reel_mpi_memory values;
};

/* The array of sums: the dense params' elements one behind the other, then a number for each that is above 0 when a
 * shard has a gradient of it. What is missing is -0, which changes no number that it is added to. */
struct reel_mpi_set {
    struct reel_mpi_set *next;
    struct reel_mpi_memory self;
    reel_params *params;
    uint64_t layout; /* of reel_mpi_layout_of */
    struct reel_mpi_memory dense_memory, sparse_memory;
    int n_dense, n_sparse;
    int64_t numel; /* of the array of sums */
    int passed;    /* shards of this rank that are in the levels, empty ones included */
    struct reel_mpi_level levels[REEL_MPI_LEVELS];
    struct reel_mpi_memory tables; /* [tables_numel]: those that travel as a whole */
    int64_t tables_numel;
    struct reel_mpi_memory counts; /* of rows: this rank's, then every rank's */
};

static inline struct reel_mpi_dense *reel_mpi_dense_of(const struct reel_mpi_set *set)
{
    return set->dense_memory.data;
}

static inline struct reel_mpi_sparse *reel_mpi_sparse_of(const struct reel_mpi_set *set)
{
    return set->sparse_memory.data;
}

/* The group's record of the set, brought up to date with it when nothing is collected yet; NULL on failure. */
struct reel_mpi_set *reel_mpi_set_of(reel_mpi *mpi, reel_params *params);
void reel_mpi_free_sets(reel_mpi *mpi);

/* A hash of names, kinds, types and shapes, those of rows that are spread over ranks excepted. */
uint64_t reel_mpi_layout_of(const reel_mpi *mpi, const reel_params *params);

/* x[0..n-1] of all ranks, summed in the order of the tree and divided, on every rank. */
reel_status reel_mpi_reduce_elements(reel_mpi *mpi, reel_real *x, int64_t n, reel_real divisor);

/* Whether gradients stay where they are, since there is one shard. */
static inline bool reel_mpi_is_alone(const reel_mpi *mpi)
{
    return mpi->shards == 1;
}

/* The next shard's sum, or an empty one. */
reel_status reel_mpi_push(reel_mpi *mpi, struct reel_mpi_set *set, bool is_empty, double weight);

/* Adds the rank's remaining shards as empty ones. The level that holds the sum of all. */
int reel_mpi_finish_levels(reel_mpi *mpi, struct reel_mpi_set *set);

void reel_mpi_swap_levels(struct reel_mpi_set *set, int from, int to);

/* Forgets what was collected. */
void reel_mpi_empty_levels(struct reel_mpi_set *set);
void reel_mpi_empty_sets(reel_mpi *mpi);

/* ---- Rows ---- */

/* Room for count rows; what is there is lost when it grows. `most` is the largest count so far of lists that change
 * places with each other, which all become as large. */
reel_status reel_mpi_sorted_reserve(reel_context *context, struct reel_mpi_sorted *rows, int64_t count, int64_t columns,
                                    int64_t *most);
void reel_mpi_sorted_release(struct reel_mpi_sorted *rows);

/* out = a + b: rows of either, those of both added, a's first. */
reel_status reel_mpi_sorted_merge(reel_context *context, const struct reel_mpi_sorted *a,
                                  const struct reel_mpi_sorted *b, int64_t columns, struct reel_mpi_sorted *out,
                                  int64_t *most);
void reel_mpi_sorted_swap(struct reel_mpi_sorted *a, struct reel_mpi_sorted *b);

#endif
