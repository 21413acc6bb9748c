/* Rows of a table that is spread over ranks: where a row is, duplicates among rows, sums over a tree. Plain arrays;
 * nothing here communicates or allocates. */
#ifndef REEL_MPI_TABLE_ROWS_H
#define REEL_MPI_TABLE_ROWS_H

#include <reel/types.h>

/* Row `row` is row row / ranks of rank row % ranks. Rows are sorted by keys, owner * height + place there, so that what
 * belongs to one owner lies side by side, ascending. */
static inline int64_t reel_mpi_rows_of_rank(int64_t rows, int ranks, int rank)
{
    return (rows - rank + ranks - 1) / ranks;
}

static inline int64_t reel_mpi_height(int64_t rows, int ranks)
{
    return reel_mpi_rows_of_rank(rows, ranks, 0);
}

static inline int64_t reel_mpi_row_key(int64_t row, int64_t height, int ranks)
{
    return row % ranks * height + row / ranks;
}

/* A stable order of n keys in 0..bound-1: order[i] is the place of the i-th. scratch has room for n places. */
void reel_mpi_order_keys(int64_t n, const int64_t *keys, int64_t bound, int64_t *order, int64_t *scratch);

/* The different keys, ascending, and which of them each of the n is. Returns how many there are. */
int64_t reel_mpi_unique_keys(int64_t n, const int64_t *keys, const int64_t *order, int64_t *unique, int64_t *inverse);

/* Sums rows of `values` [n, columns] that have the same key, as a tree over their leaves does: those of one leaf from
 * left to right, then leaves 0 and 1, 2 and 3, ..., then their sums two by two, and so on; where a leaf has no row with
 * the key, what it would be added to stays as it is. So the sums of some aligned part of the leaves, summed again with
 * the number of the part as leaf, are the sums of all. leaves ascend within a key. Sums are made in the place of a
 * key's first row, which first[k] gets for the k-th different key, ascending. Returns how many keys there are. */
int64_t reel_mpi_sum_rows(int64_t n, const int64_t *keys, const int64_t *order, const int64_t *leaves, int64_t columns,
                          reel_real *values, int64_t *first);

#endif
