/* The allocator hook, with its counters, and arrays that grow. */
#include "base/memory.h"

#include "base/checked.h"

#include <stdlib.h>
#include <string.h>
#if defined(__unix__)
#include <sys/mman.h>
#endif

/* Sits right before what the caller gets, so that freeing needs no size. */
struct header {
    void *raw;
    size_t raw_size;
};

/* Rows of a large table that are read at random miss the translation buffer nearly each time when a page has 4 KiB, and
 * its first touch enters the kernel 512 times as often. Most systems give larger pages only to those who ask. It is a
 * hint: where the kernel does not take it, nothing is lost. */
static void *with_huge_pages(void *memory, size_t size)
{
#ifdef MADV_HUGEPAGE
    enum { PAGE = 2 << 20, LEAST = 2 * PAGE };
    if (memory && size >= LEAST) {
        size_t skip = (PAGE - (uintptr_t)memory % PAGE) % PAGE;
        madvise((char *)memory + skip, (size - skip) / PAGE * PAGE, MADV_HUGEPAGE);
    }
#endif
    (void)size;
    return memory;
}

static void *default_allocate(void *user, size_t size)
{
    (void)user;
    return with_huge_pages(malloc(size), size);
}

static void *default_allocate_zeroed(void *user, size_t size)
{
    (void)user;
    return with_huge_pages(calloc(1, size), size); /* glibc maps 32 MiB and more anew, so that they need no clearing */
}

static void default_free(void *user, void *memory, size_t size)
{
    (void)user;
    (void)size;
    free(memory);
}

void reel_memory_init(struct reel_memory *memory, const reel_allocator *allocator)
{
    static const reel_allocator defaults = {NULL, default_allocate, default_allocate_zeroed, default_free};
    memory->allocator = allocator ? *allocator : defaults;
    memory->statistics = (reel_memory_statistics){0, 0, 0};
}

static void *allocate(struct reel_memory *memory, size_t size, void *(*function)(void *, size_t))
{
    size_t raw_size;
    if (__builtin_add_overflow(size, sizeof(struct header) + REEL_ALIGNMENT, &raw_size))
        return NULL;
    memory->statistics.allocations++;
    char *raw = function(memory->allocator.user, raw_size);
    if (!raw)
        return NULL;
    uintptr_t first = (uintptr_t)raw + sizeof(struct header);
    size_t skip = (size_t)((first + REEL_ALIGNMENT - 1) / REEL_ALIGNMENT * REEL_ALIGNMENT - (uintptr_t)raw);
    char *allocation = raw + skip;
    struct header header = {raw, raw_size};
    memcpy(allocation - sizeof header, &header, sizeof header);
    reel_memory_statistics *s = &memory->statistics;
    s->bytes += raw_size;
    if (s->bytes > s->peak_bytes)
        s->peak_bytes = s->bytes;
    return allocation;
}

void *reel_allocate(struct reel_memory *memory, size_t size)
{
    return allocate(memory, size, memory->allocator.allocate);
}

void *reel_allocate_zeroed(struct reel_memory *memory, size_t size)
{
    return allocate(memory, size, memory->allocator.allocate_zeroed);
}

void reel_free(struct reel_memory *memory, void *allocation)
{
    if (!allocation)
        return;
    struct header header;
    memcpy(&header, (char *)allocation - sizeof header, sizeof header);
    memory->statistics.bytes -= header.raw_size;
    memory->allocator.free(memory->allocator.user, header.raw, header.raw_size);
}

bool reel_grow_array(struct reel_memory *memory, void **array, int64_t count, int64_t *capacity, int64_t needed,
                     size_t element_size)
{
    int64_t larger = *capacity < 8 ? 16 : *capacity;
    if (*capacity >= 8 && !reel_multiply_int64(*capacity, 2, &larger))
        return false;
    if (larger < needed)
        larger = needed;
    size_t bytes;
    if (!reel_multiply_size(larger, element_size, &bytes))
        return false;
    void *grown = reel_allocate(memory, bytes);
    if (!grown)
        return false;
    if (count > 0)
        memcpy(grown, *array, (size_t)count * element_size);
    reel_free(memory, *array);
    *array = grown;
    *capacity = larger;
    return true;
}
