/* Sorting that neither allocates nor recurses (qsort may do both). */
#ifndef REEL_BASE_SORT_H
#define REEL_BASE_SORT_H

#include <stdbool.h>
#include <stdint.h>

/* Whether a comes before b. */
typedef bool (*reel_before)(const void *user, int64_t a, int64_t b);

/* Heap sort of n numbers, which usually are places in an array that `user` points to. Not stable: let `before` decide
 * ties. */
void reel_heap_sort(int64_t *items, int64_t n, reel_before before, const void *user);

#endif
