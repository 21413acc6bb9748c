/* The arena: memory that is handed out by moving a mark, and given up all at once or back to a mark. */
#include "base/arena.h"

#include "base/poison.h"

#include <assert.h>

enum { CHUNK = 64 * 1024 };

struct reel_arena_chunk {
    struct reel_arena_chunk *older;
    size_t size;
    size_t used; /* of a chunk behind the newest, or a large one */
    char padding[REEL_ALIGNMENT - sizeof(void *) - 2 * sizeof(size_t)];
};

static char *chunk_bytes(struct reel_arena_chunk *chunk)
{
    return (char *)(chunk + 1);
}

/* What it takes in a chunk that holds others too. */
static size_t rounded(size_t used)
{
    return (used + REEL_ALIGNMENT - 1) / REEL_ALIGNMENT * REEL_ALIGNMENT;
}

/* What holds between any two calls. */
static void expect_sound(const struct reel_arena *arena)
{
    (void)arena;
#ifndef NDEBUG
    size_t behind = 0;
    for (const struct reel_arena_chunk *large = arena->large; large; large = large->older) {
        assert(large->used == large->size && "a large chunk is one block");
        behind += rounded(large->used);
    }
    assert((arena->chunk ? arena->used <= arena->chunk->size : arena->used == 0) && "more is in use than there is");
    for (const struct reel_arena_chunk *c = arena->chunk ? arena->chunk->older : NULL; c; c = c->older) {
        assert(c->used <= c->size && "more of a chunk is in use than it has");
        behind += rounded(c->used);
    }
    assert(arena->behind == behind && "what is in use is counted");
#endif
}

void reel_arena_init(struct reel_arena *arena, struct reel_memory *memory)
{
    *arena = (struct reel_arena){.memory = memory, .wanted = CHUNK};
}

/* Adds a chunk to a list. */
static bool add_chunk(struct reel_arena *arena, struct reel_arena_chunk **list, size_t size)
{
    struct reel_arena_chunk *chunk = reel_allocate(arena->memory, sizeof *chunk + size);
    if (!chunk)
        return false;
    chunk->older = *list;
    chunk->size = size;
    chunk->used = 0;
    reel_poison(chunk_bytes(chunk), size);
    *list = chunk;
    return true;
}

static void free_chunks(struct reel_arena *arena, struct reel_arena_chunk **list, const struct reel_arena_chunk *until)
{
    while (*list != until) {
        struct reel_arena_chunk *older = (*list)->older;
        reel_unpoison(chunk_bytes(*list), (*list)->size);
        reel_free(arena->memory, *list);
        *list = older;
    }
}

void reel_arena_free(struct reel_arena *arena)
{
    free_chunks(arena, &arena->chunk, NULL);
    free_chunks(arena, &arena->large, NULL);
}

static void *take(struct reel_arena *arena, size_t start, size_t size)
{
    arena->used = start + size;
    reel_unpoison(chunk_bytes(arena->chunk) + start, size);
    return chunk_bytes(arena->chunk) + start;
}

/* The newest chunk has no room. */
static void *allocate_more(struct reel_arena *arena, size_t size)
{
    expect_sound(arena);
    if (size > SIZE_MAX / 2)
        return NULL;
    size_t used = arena->behind + rounded(arena->used);
    size_t expected = arena->wanted > used ? arena->wanted - used : 0;
    if (arena->piece > expected)
        expected = arena->piece;
    /* A part of what is there, so that many blocks need few chunks, and none has much room to spare. */
    size_t next = used / 16 > CHUNK ? used / 16 : CHUNK;
    if (arena->chunk && size / 2 > expected && size > next / 4) {
        if (!add_chunk(arena, &arena->large, size))
            return NULL;
        arena->large->used = size;
        arena->behind += rounded(size);
        reel_unpoison(chunk_bytes(arena->large), size);
        return chunk_bytes(arena->large);
    }
    /* What stays when a piece is given up makes the next one end a little later: room for that many times. */
    if (expected > CHUNK)
        next = !arena->chunk ? expected : expected / 8 > CHUNK ? expected + expected / 8 : expected + CHUNK;
    struct reel_arena_chunk *before = arena->chunk;
    if (!add_chunk(arena, &arena->chunk, size > next ? size : next))
        return NULL;
    if (before)
        before->used = arena->used;
    arena->behind += rounded(arena->used);
    return take(arena, 0, size);
}

void *reel_arena_allocate(struct reel_arena *arena, size_t size)
{
    size_t alignment = size >= REEL_ALIGNMENT ? REEL_ALIGNMENT : 16;
    size_t start = (arena->used + alignment - 1) / alignment * alignment;
    if (arena->chunk && start <= arena->chunk->size && size <= arena->chunk->size - start)
        return take(arena, start, size);
    return allocate_more(arena, size);
}

static bool is_within(const struct reel_arena_chunk *chunk, size_t from, const void *memory)
{
    uintptr_t start = (uintptr_t)(chunk + 1), address = (uintptr_t)memory;
    return address >= start + from && address <= start + chunk->size;
}

bool reel_arena_is_newer(const struct reel_arena *arena, struct reel_arena_mark mark, const void *memory)
{
    for (const struct reel_arena_chunk *large = arena->large; large != mark.large; large = large->older)
        if (is_within(large, 0, memory))
            return true;
    for (const struct reel_arena_chunk *chunk = arena->chunk; chunk; chunk = chunk->older) {
        if (is_within(chunk, chunk == mark.chunk ? mark.used : 0, memory))
            return true;
        if (chunk == mark.chunk)
            return false;
    }
    return false;
}

/* Before memory is given up: the next chunks shall have room for all that was in use at once. */
static void note_use(struct reel_arena *arena)
{
    size_t used = arena->behind + rounded(arena->used);
    if (used > arena->wanted)
        arena->wanted = used;
}

static void note_piece(struct reel_arena *arena, size_t before)
{
    size_t piece = before - (arena->behind + rounded(arena->used));
    if (piece > arena->piece)
        arena->piece = piece;
}

/* Gives up the newest chunk's bytes from `used` on. */
static void cut(struct reel_arena *arena, size_t used)
{
    reel_poison(chunk_bytes(arena->chunk) + used, arena->used - used);
    arena->used = used;
}

void reel_arena_rewind(struct reel_arena *arena, struct reel_arena_mark mark)
{
    expect_sound(arena);
    note_use(arena);
    size_t before = arena->behind + rounded(arena->used);
    for (struct reel_arena_chunk *large = arena->large; large != mark.large; large = large->older)
        arena->behind -= rounded(large->used);
    free_chunks(arena, &arena->large, mark.large);
    if (arena->chunk == mark.chunk) {
        if (arena->chunk)
            cut(arena, mark.used);
        note_piece(arena, before);
        return;
    }
    /* Chunks added since the mark stay: freeing one here would have every step allocate it again. */
    cut(arena, 0);
    for (struct reel_arena_chunk *chunk = arena->chunk->older; chunk; chunk = chunk->older) {
        size_t kept = chunk == mark.chunk ? mark.used : 0;
        reel_poison(chunk_bytes(chunk) + kept, chunk->used - kept);
        arena->behind -= rounded(chunk->used) - rounded(kept);
        chunk->used = kept;
        if (chunk == mark.chunk)
            break;
    }
    note_piece(arena, before);
}

void reel_arena_reset(struct reel_arena *arena)
{
    expect_sound(arena);
    if (!arena->chunk)
        return;
    note_use(arena);
    free_chunks(arena, &arena->large, NULL);
    cut(arena, 0);
    arena->behind = arena->piece = 0;
    if (arena->chunk->older || arena->chunk->size < arena->wanted)
        free_chunks(arena, &arena->chunk, NULL);
}
