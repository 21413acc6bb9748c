/* Tables whose rows are spread over ranks, as the files of reel::mpi see them. */
#ifndef REEL_MPI_TABLE_H
#define REEL_MPI_TABLE_H

#include "ranks.h"

#include <reel/nn.h>

/* Rows of a gradient, in the order in which they came: key, leaf of the tree that sums them (a shard, or a rank), and
 * values. */
struct reel_mpi_row_list {
    int64_t count;
    struct reel_mpi_memory keys, leaves, values;
    struct reel_mpi_memory outgrown;
};

struct reel_mpi_table {
    reel_mpi *mpi;
    reel_mpi_table *next; /* of the group */
    int64_t number;       /* how many were made before */
    reel_module *module;  /* looks up rows of this rank */
    reel_param *param;    /* this rank's rows */
    int64_t rows, columns, height;

    /* What backward passes gave since the step began: rows before `collected` belong to shards that are complete. */
    struct reel_mpi_row_list gradient;
    int64_t collected;
    bool has_gradient; /* maybe one without rows */

    struct reel_mpi_memory self;
    struct reel_mpi_memory counts;  /* [2][ranks]: rows to each rank, and from each */
    struct reel_mpi_memory layout;  /* [4][ranks]: sizes and offsets of an exchange */
    struct reel_mpi_memory work;    /* places, for ordering and summing */
    struct reel_mpi_memory ordered; /* summed rows, by key */
    struct reel_mpi_row_list received;
};

/* Adds n rows, of no leaf yet. */
reel_status reel_mpi_row_list_append(reel_context *context, struct reel_mpi_row_list *list, int64_t n,
                                     const int64_t *keys, int64_t columns, const reel_real *values);

void reel_mpi_row_list_release(struct reel_mpi_row_list *list);

void reel_mpi_table_release(reel_mpi_table *table);

/* The table that a param is a part of; NULL when it is an ordinary one. */
reel_mpi_table *reel_mpi_table_of(const reel_mpi *mpi, const reel_param *param);

/* For a step, of all tables whose params are in the set. A step begins: what is left of another one is dropped. A shard
 * is complete: its rows are weighted, and *is_finite becomes false when one is not. */
void reel_mpi_tables_begin(reel_mpi *mpi);
void reel_mpi_tables_collect(reel_mpi *mpi, const reel_params *params, int shard, double weight, bool *is_finite);

/* Before a rank ends its step: it answers the lookups of those that are still in theirs, until all come here.
 * Collective. */
reel_status reel_mpi_tables_serve(reel_mpi *mpi);

/* The step is complete: rows go to their owners, are summed there over the tree of shards, divided by `weight`, and
 * become the row gradient of the param. Collective. */
reel_status reel_mpi_tables_reduce(reel_mpi *mpi, const reel_params *params, double weight);

/* Rows of the lists to their owners and back, `counts` being what goes to each rank and what comes. */
struct reel_mpi_exchange {
    const int64_t *to, *from;
    const void *send;
    void *receive;
    size_t size; /* of a row */
};
reel_status reel_mpi_exchange_rows(reel_mpi_table *table, const struct reel_mpi_exchange *exchange);

/* What goes to each rank is known; what comes from each is asked. Gives how much comes in all. */
reel_status reel_mpi_exchange_counts(reel_mpi_table *table, int64_t *to, int64_t *from, int64_t *received);

#endif
