/* An allocator that counts, fails when it is told to, and hands out memory full of garbage. */
#ifndef TESTS_SUPPORT_ALLOCATOR_H
#define TESTS_SUPPORT_ALLOCATOR_H

#include <reel/context.h>

#include <stdlib.h>
#include <string.h>

struct counting {
    int64_t calls;   /* allocations asked for */
    int64_t live;    /* of these, how many are not freed */
    int64_t fail_at; /* the number of the one call that gets nothing; -1: none */
    size_t bytes;    /* live */
    int wrong_sizes; /* frees with another size than that of the allocation */
};

/* The size is kept in front, where it does not break malloc's alignment. */
enum { COUNTING_HEADER = 16 };

static inline void *counting_make(void *user, size_t size, int filling)
{
    struct counting *a = (struct counting *)user;
    /* A sanitizer's malloc would end the program over a size that is out of the question. */
    if (a->calls++ == a->fail_at || size > (size_t)1 << 36)
        return NULL;
    char *memory = (char *)malloc(size + COUNTING_HEADER);
    if (!memory)
        return NULL;
    memcpy(memory, &size, sizeof size);
    memset(memory + COUNTING_HEADER, filling, size);
    a->live++;
    a->bytes += size;
    return memory + COUNTING_HEADER;
}

static inline void *counting_allocate(void *user, size_t size)
{
    return counting_make(user, size, 0xdb);
}

static inline void *counting_allocate_zeroed(void *user, size_t size)
{
    return counting_make(user, size, 0);
}

static inline void counting_free(void *user, void *memory, size_t size)
{
    struct counting *a = (struct counting *)user;
    char *start = (char *)memory - COUNTING_HEADER;
    size_t allocated;
    memcpy(&allocated, start, sizeof allocated);
    a->wrong_sizes += allocated != size;
    a->live--;
    a->bytes -= allocated;
    free(start);
}

/* The allocator that reports to `a`, which fails nothing at first. */
static inline reel_allocator counting_allocator(struct counting *a)
{
    reel_allocator allocator;
    memset(a, 0, sizeof *a);
    a->fail_at = -1;
    allocator.user = a;
    allocator.allocate = counting_allocate;
    allocator.allocate_zeroed = counting_allocate_zeroed;
    allocator.free = counting_free;
    return allocator;
}

/* A context with that allocator. */
static inline reel_context *counting_context(struct counting *a, int threads)
{
    reel_allocator allocator = counting_allocator(a);
    reel_context_options options = reel_context_defaults();
    options.allocator = &allocator;
    options.num_threads = threads;
    return reel_context_new(&options);
}

#endif
