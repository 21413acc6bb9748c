#include "base/arena.h"

#include "base/poison.h"

enum { FIRST_CHUNK = 64 * 1024, LARGEST_GROWTH = 64 * 1024 * 1024 };

struct reel_arena_chunk {
    struct reel_arena_chunk *older;
    size_t size, used;
    char padding[REEL_ALIGNMENT - sizeof(void *) - 2 * sizeof(size_t)];
};

static char *chunk_bytes(struct reel_arena_chunk *chunk)
{
    return (char *)(chunk + 1);
}

void reel_arena_init(struct reel_arena *arena, struct reel_memory *memory)
{
    arena->memory = memory;
    arena->chunk = NULL;
    arena->wanted = FIRST_CHUNK;
}

static void free_chunks(struct reel_arena *arena, const struct reel_arena_chunk *until)
{
    while (arena->chunk != until) {
        struct reel_arena_chunk *older = arena->chunk->older;
        reel_unpoison(chunk_bytes(arena->chunk), arena->chunk->size);
        reel_free(arena->memory, arena->chunk);
        arena->chunk = older;
    }
}

void reel_arena_free(struct reel_arena *arena)
{
    free_chunks(arena, NULL);
}

static bool add_chunk(struct reel_arena *arena, size_t at_least)
{
    size_t size = arena->wanted;
    if (arena->chunk) {
        size_t doubled = arena->chunk->size * 2;
        size = doubled < LARGEST_GROWTH ? doubled : LARGEST_GROWTH;
    }
    if (size < at_least)
        size = at_least;
    if (size > SIZE_MAX - sizeof(struct reel_arena_chunk))
        return false;
    struct reel_arena_chunk *chunk = reel_allocate(arena->memory, sizeof *chunk + size);
    if (!chunk)
        return false;
    chunk->older = arena->chunk;
    chunk->size = size;
    chunk->used = 0;
    reel_poison(chunk_bytes(chunk), size);
    arena->chunk = chunk;
    return true;
}

void *reel_arena_allocate(struct reel_arena *arena, size_t size)
{
    size_t alignment = size >= REEL_ALIGNMENT ? REEL_ALIGNMENT : 16;
    for (int attempt = 0; attempt < 2; attempt++) {
        struct reel_arena_chunk *chunk = arena->chunk;
        if (chunk) {
            size_t start = (chunk->used + alignment - 1) / alignment * alignment;
            if (start <= chunk->size && size <= chunk->size - start) {
                chunk->used = start + size;
                reel_unpoison(chunk_bytes(chunk) + start, size);
                return chunk_bytes(chunk) + start;
            }
        }
        if (attempt == 0 && !add_chunk(arena, size))
            return NULL;
    }
    return NULL;
}

struct reel_arena_mark reel_arena_mark(const struct reel_arena *arena)
{
    return (struct reel_arena_mark){arena->chunk, arena->chunk ? arena->chunk->used : 0};
}

void reel_arena_rewind(struct reel_arena *arena, struct reel_arena_mark mark)
{
    /* Chunks added since the mark stay: freeing one here would have every step allocate it again. Their room counts
     * when the reset merges, since what was needed once is needed again. */
    struct reel_arena_chunk *chunk = arena->chunk;
    for (; chunk != mark.chunk; chunk = chunk->older)
        reel_poison(chunk_bytes(chunk), chunk->size);
    if (arena->chunk == mark.chunk && chunk) {
        reel_poison(chunk_bytes(chunk) + mark.used, chunk->used - mark.used);
        chunk->used = mark.used;
    } else if (arena->chunk) {
        arena->chunk->used = 0;
    }
}

void reel_arena_reset(struct reel_arena *arena)
{
    if (!arena->chunk)
        return;
    if (arena->chunk->older) {
        size_t total = 0;
        for (struct reel_arena_chunk *c = arena->chunk; c; c = c->older)
            total += c->size;
        arena->wanted = total;
        free_chunks(arena, NULL);
        return;
    }
    reel_poison(chunk_bytes(arena->chunk), arena->chunk->size);
    arena->chunk->used = 0;
}
