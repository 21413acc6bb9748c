/* Grouping and summing of gradient rows, those in memory and those that are formed as they are summed: the one place
 * behind dense and row-sparse embedding gradients. */
#ifndef REEL_KERN_ROWS_H
#define REEL_KERN_ROWS_H

#include <reel/types.h>

/* Rows of an array: row q is the one of number index[q / repeat], or q / repeat without an index. */
struct reel_row_source {
    const reel_real *rows;
    const int64_t *index;
    int64_t stride, repeat;
};

static inline const reel_real *reel_source_row(const struct reel_row_source *source, int64_t q)
{
    /* As == 1 it would be compiled to a division all the same. */
    int64_t at = source->repeat > 1 ? q / source->repeat : q;
    return source->rows + (source->index ? source->index[at] : at) * source->stride;
}

/* Gradient rows that are in no memory. That of place p is the sum of
 *     (plus(q) - minus(q)) * factor[q * factor_step] * scale    for q = p * fan .. (p + 1) * fan - 1,
 * each rounded where it stands; in order, in blocks of 32 whose sums are then added in order. */
struct reel_row_formula {
    struct reel_row_source plus, minus; /* minus.rows NULL: nothing is subtracted */
    const reel_real *factor;
    int64_t factor_step, fan;
    reel_real scale;
};

/* One gradient row and the table row that it belongs to. */
struct reel_occurrence {
    int64_t row;
    union {
        const reel_real *values;
        int64_t place; /* of a formula */
    };
};

/* Occurrences sorted by row: group g is occurrences[starts[g]..starts[g + 1]). */
struct reel_row_groups {
    int64_t count;
    int64_t *starts;
    struct reel_occurrence *occurrences;
    const struct reel_row_formula *formula; /* of all occurrences, or NULL: they have values */
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

/* Occurrences that are summed by themselves, in order. */
enum { REEL_KERN_OCCURRENCES = 256 };

/* out[columns] = (add ? out : nothing) + the sum of `count` occurrences: blocks of 256 are summed in order, then the
 * block sums in order, so that the bits depend on nothing else. count >= 1. */
void reel_kern_sum_occurrences(const struct reel_occurrence *occurrences, int64_t count, int64_t columns, bool add,
                               reel_real *out);

/* The sum of a group, of occurrences with values or formed ones, from its partial sums if there are any. */
void reel_kern_sum_group(const struct reel_row_groups *groups, int64_t group, int64_t columns, bool add,
                         reel_real *out);

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
