/* A bump allocator for what dies together: everything made in a step. */
#ifndef REEL_BASE_ARENA_H
#define REEL_BASE_ARENA_H

#include "base/memory.h"

struct reel_arena_chunk;

struct reel_arena {
    struct reel_memory *memory;
    struct reel_arena_chunk *chunk; /* the newest; older ones behind it */
    size_t wanted;                  /* size of the next first chunk: what the steps so far needed */
};

/* A point to go back to. */
struct reel_arena_mark {
    struct reel_arena_chunk *chunk;
    size_t used;
};

void reel_arena_init(struct reel_arena *arena, struct reel_memory *memory);
void reel_arena_free(struct reel_arena *arena);

/* Memory until the next reset or rewind past it: aligned to REEL_ALIGNMENT when size >= REEL_ALIGNMENT, to 16 below
 * that; not zeroed. NULL when memory ran out. */
void *reel_arena_allocate(struct reel_arena *arena, size_t size);

struct reel_arena_mark reel_arena_mark(const struct reel_arena *arena);
void reel_arena_rewind(struct reel_arena *arena, struct reel_arena_mark mark);

/* Frees everything. Several chunks are given up for a single one of their joint size at the next allocation, so that a
 * loop of equal steps stops allocating after its second step. */
void reel_arena_reset(struct reel_arena *arena);

#endif
