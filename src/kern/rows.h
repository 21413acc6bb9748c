/* Grouping and summing of gradient rows: the one summing function behind dense and row-sparse embedding gradients. */
#ifndef REEL_KERN_ROWS_H
#define REEL_KERN_ROWS_H

#include <reel/types.h>

/* One gradient row and the table row that it belongs to. */
struct reel_occurrence {
    int64_t row;
    const reel_real *values;
};

/* Sorts by row, keeping the order of equal rows (LSD radix sort). `other` is room for count more; the result is in the
 * returned one of the two arrays. */
struct reel_occurrence *reel_kern_sort_occurrences(struct reel_occurrence *occurrences, struct reel_occurrence *other,
                                                   int64_t count);

/* Writes into starts[0..groups] where each run of equal rows begins and where the last ends; returns the number of
 * groups. starts has room for count + 1. */
int64_t reel_kern_group_occurrences(const struct reel_occurrence *sorted, int64_t count, int64_t *starts);

/* out[columns] = (add ? out : nothing) + the sum of `count` occurrences: blocks of 256 are summed in order, then the
 * block sums in order, so that the bits depend on nothing else. count >= 1. */
void reel_kern_sum_occurrences(const struct reel_occurrence *occurrences, int64_t count, int64_t columns, bool add,
                               reel_real *out);

#endif
