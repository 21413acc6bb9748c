/* All memory comes through here: the allocator hook, aligned and counted. */
#ifndef REEL_BASE_MEMORY_H
#define REEL_BASE_MEMORY_H

#include <reel/context.h>

#define REEL_ALIGNMENT 64 /* a cache line, and an AVX-512 register */

struct reel_memory {
    reel_allocator allocator;
    reel_memory_statistics statistics;
};

/* Starts counting; allocator NULL: malloc, calloc and free, which ask for huge pages from 4 MiB on. Large zeroed blocks
 * take no memory before they are touched then. */
void reel_memory_init(struct reel_memory *memory, const reel_allocator *allocator);

/* REEL_ALIGNMENT-aligned memory of at least `size` bytes (size 0 gives a valid pointer too), or NULL. Freed with
 * reel_free; NULL is accepted there. */
void *reel_allocate(struct reel_memory *memory, size_t size);
void *reel_allocate_zeroed(struct reel_memory *memory, size_t size);
void reel_free(struct reel_memory *memory, void *allocation);

/* Makes room for `needed` elements in an array that holds `count` of capacity *capacity, at least doubling. False when
 * memory ran out; the array is as it was then. */
bool reel_grow_array(struct reel_memory *memory, void **array, int64_t count, int64_t *capacity, int64_t needed,
                     size_t element_size);
static inline bool reel_grow(struct reel_memory *memory, void **array, int64_t count, int64_t *capacity, int64_t needed,
                             size_t element_size)
{
    return needed <= *capacity || reel_grow_array(memory, array, count, capacity, needed, element_size);
}

#endif
