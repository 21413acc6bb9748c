/* A bump allocator for what dies together: everything made in a step. */
#ifndef REEL_BASE_ARENA_H
#define REEL_BASE_ARENA_H

#include "base/memory.h"

struct reel_arena_chunk;

struct reel_arena {
    struct reel_memory *memory;
    struct reel_arena_chunk *chunk; /* the newest; older ones behind it */
    struct reel_arena_chunk *large; /* each for one block that would have left much of a chunk unused */
    size_t used;                    /* of the newest chunk */
    size_t behind;                  /* in use in the others */
    size_t wanted;                  /* the most that was in use at once */
    size_t piece;                   /* the most that was given up by a rewind since the last reset */
};

/* A point to go back to. */
struct reel_arena_mark {
    struct reel_arena_chunk *chunk, *large;
    size_t used;
};

void reel_arena_init(struct reel_arena *arena, struct reel_memory *memory);
void reel_arena_free(struct reel_arena *arena);

/* Memory until the next reset or rewind past it: aligned to REEL_ALIGNMENT when size >= REEL_ALIGNMENT, to 16 below
 * that; not zeroed. NULL when memory ran out. */
void *reel_arena_allocate(struct reel_arena *arena, size_t size);

static inline struct reel_arena_mark reel_arena_mark(const struct reel_arena *arena)
{
    return (struct reel_arena_mark){arena->chunk, arena->large, arena->used};
}

/* Whether memory of the arena was allocated after the mark; false for memory that is not the arena's. */
bool reel_arena_is_newer(const struct reel_arena *arena, struct reel_arena_mark mark, const void *memory);

void reel_arena_rewind(struct reel_arena *arena, struct reel_arena_mark mark);

/* Frees everything. Several chunks are given up for a single one at the next allocation, with room for the most that
 * was ever in use at once, so that a loop of equal steps stops allocating after its second step. */
void reel_arena_reset(struct reel_arena *arena);

#endif
