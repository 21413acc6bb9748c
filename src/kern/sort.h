/* Sorting elements along an axis. */
#ifndef REEL_KERN_SORT_H
#define REEL_KERN_SORT_H

#include <reel/types.h>

/* An element as an unsigned number of the same order, and its place. */
struct reel_kern_key {
    uint64_t key;
    int64_t place;
};

/* How many keys a thread needs to find the first k of n. */
int64_t reel_kern_sort_lines_room(int64_t n, int64_t k);

/* For x of [outer, n, inner] and any type: places [outer, k, inner] of the k smallest of each line in rising order, or
 * the k largest in falling order when `descending`; equal elements in the order of their places. NaN is the largest,
 * and 0 and -0 are equal. room: reel_kern_sort_lines_room(n, k) keys for each thread. */
void reel_kern_sort_lines(reel_dtype dtype, int64_t outer, int64_t n, int64_t inner, int64_t k, bool descending,
                          const void *x, int64_t *places, struct reel_kern_key *room, int threads);

#endif
