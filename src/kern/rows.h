/* Grouping and summing of gradient rows: the one summing function behind dense and row-sparse embedding gradients. */
#ifndef REEL_KERN_ROWS_H
#define REEL_KERN_ROWS_H

#include <reel/types.h>

/* One gradient row and the table row that it belongs to. */
struct reel_occurrence {
    int64_t row;
    const reel_real *values;
};

/* Occurrences sorted by row: group g is occurrences[starts[g]..starts[g + 1]). */
struct reel_row_groups {
    int64_t count;
    int64_t *starts;
    struct reel_occurrence *occurrences;
    /* Sums of the blocks of long groups, once they are made: those of group g are partials[partial_starts[g]..
     * partial_starts[g + 1]), or none. */
    int64_t *partial_starts;
    reel_real *partials;
    void *blocks[7]; /* the memory, for who allocated it */
};

/* Sorts keys, whose upper bits from `low` on are `bits` wide, by these, keeping the order of equal ones (LSD radix
 * sort). `other` is room for count more; the result is in the returned one of the two arrays. places is room for
 * reel_kern_sort_room(count, threads) bytes. */
uint64_t *reel_kern_sort_keys(uint64_t *keys, uint64_t *other, int64_t count, int low, int bits, void *places,
                              int threads);
size_t reel_kern_sort_room(int64_t count, int threads);

/* Writes into starts[0..groups] where each run of equal rows begins and where the last ends; returns the number of
 * groups. starts has room for count + 1. */
int64_t reel_kern_group_occurrences(const struct reel_occurrence *sorted, int64_t count, int64_t *starts);

/* out[columns] = (add ? out : nothing) + the sum of `count` occurrences: blocks of 256 are summed in order, then the
 * block sums in order, so that the bits depend on nothing else. count >= 1. */
void reel_kern_sum_occurrences(const struct reel_occurrence *occurrences, int64_t count, int64_t columns, bool add,
                               reel_real *out);

/* The same for a group, from its partial sums if there are any. */
void reel_kern_sum_group(const struct reel_row_groups *groups, int64_t group, int64_t columns, bool add,
                         reel_real *out);

/* Asks for the first occurrences of a group that is summed soon: sorted by row, they are all over the gradient. */
void reel_kern_prefetch_group(const struct reel_row_groups *groups, int64_t group, int64_t columns);

/* A group may hold most of the occurrences, so its blocks are summed by several threads, before the groups are. Fills
 * partial_starts[0..count] and returns how many partial sums of `columns` there are to make. */
int64_t reel_kern_count_partials(struct reel_row_groups *groups);
void reel_kern_sum_partials(struct reel_row_groups *groups, int64_t columns, int threads);

/* Adds the groups to a table with these columns, or writes them into it; other rows are left alone. */
void reel_kern_scatter_groups(const struct reel_row_groups *groups, int64_t columns, bool add, reel_real *table,
                              int threads);

/* A gradient of rows: `count` different ones, ascending, and their values [count, columns]. Either both are there, or
 * groups, whose sums are written into the values when these are asked for. */
struct reel_gradient_rows {
    int64_t count, columns;
    const int64_t *rows; /* NULL: see groups */
    reel_real *values;
    struct reel_row_groups groups;
};

static inline int64_t reel_gradient_row(const struct reel_gradient_rows *g, int64_t k)
{
    return g->rows ? g->rows[k] : g->groups.occurrences[g->groups.starts[k]].row;
}

static inline const reel_real *reel_gradient_values(const struct reel_gradient_rows *g, int64_t k)
{
    reel_real *values = g->values + k * g->columns;
    if (!g->rows)
        reel_kern_sum_group(&g->groups, k, g->columns, false, values);
    return values;
}

#endif
