/* A heap for memory that lives within a step, in any order. */
#include "base/scratch.h"

#include "base/poison.h"

#include <assert.h>

enum { CHUNK = 64 * 1024 };

/* Stands before the bytes of each block; `before` is the neighbour at the lower address, the other neighbour is found
 * by size. A chunk ends in a header of size 0 that is never free. */
struct reel_scratch_block {
    size_t size; /* bytes behind this header */
    struct reel_scratch_block *before;
    struct reel_scratch_block *next, *previous; /* in the free list */
    int64_t holds;                              /* 0: free */
    char padding[REEL_ALIGNMENT - 4 * sizeof(void *) - sizeof(int64_t)];
};

struct reel_scratch_chunk {
    struct reel_scratch_chunk *older;
    size_t size;
    char padding[REEL_ALIGNMENT - sizeof(void *) - sizeof(size_t)];
};

static char *block_bytes(struct reel_scratch_block *block)
{
    return (char *)(block + 1);
}

static struct reel_scratch_block *block_after(struct reel_scratch_block *block)
{
    return (struct reel_scratch_block *)(void *)(block_bytes(block) + block->size);
}

static int size_class(size_t size)
{
    return 63 - __builtin_clzll((unsigned long long)size);
}

/* What holds of a block and its neighbours between any two calls. */
static void expect_block_sound(struct reel_scratch_block *block)
{
    (void)block;
    assert(block->size > 0 && block->size % REEL_ALIGNMENT == 0 && "a block has a size");
    assert(block->holds >= 0 && "a block was released too often");
    assert(block_after(block)->before == block && "something was written behind a block");
    assert((!block->before || block_after(block->before) == block) && "something was written before a block");
}

/* What holds of all. */
static void expect_sound(const struct reel_scratch *scratch)
{
    (void)scratch;
#ifndef NDEBUG
    int64_t live = 0;
    size_t total = 0;
    for (struct reel_scratch_chunk *chunk = scratch->chunk; chunk; chunk = chunk->older) {
        total += chunk->size;
        struct reel_scratch_block *block = (struct reel_scratch_block *)(void *)(chunk + 1);
        for (; block->size > 0; block = block_after(block)) {
            expect_block_sound(block);
            live += block->holds > 0;
        }
    }
    assert(scratch->live + (scratch->spare != NULL) == live && "blocks in use are counted");
    assert(scratch->total == total && "chunks are counted");
#endif
}

void reel_scratch_init(struct reel_scratch *scratch, struct reel_memory *memory)
{
    *scratch = (struct reel_scratch){.memory = memory, .wanted = CHUNK};
}

static void insert_free(struct reel_scratch *scratch, struct reel_scratch_block *block)
{
    struct reel_scratch_block **list = &scratch->free_blocks[size_class(block->size)];
    block->holds = 0;
    block->previous = NULL;
    block->next = *list;
    if (*list)
        (*list)->previous = block;
    *list = block;
    reel_poison(block_bytes(block), block->size);
}

static void remove_free(struct reel_scratch *scratch, struct reel_scratch_block *block)
{
    if (block->previous)
        block->previous->next = block->next;
    else
        scratch->free_blocks[size_class(block->size)] = block->next;
    if (block->next)
        block->next->previous = block->previous;
}

static void free_chunk(struct reel_scratch *scratch, struct reel_scratch_chunk **link)
{
    struct reel_scratch_chunk *chunk = *link;
    *link = chunk->older;
    scratch->total -= chunk->size;
    reel_unpoison(chunk + 1, chunk->size);
    reel_free(scratch->memory, chunk);
}

void reel_scratch_free(struct reel_scratch *scratch)
{
    while (scratch->chunk)
        free_chunk(scratch, &scratch->chunk);
    for (int i = 0; i < REEL_SCRATCH_CLASSES; i++)
        scratch->free_blocks[i] = NULL;
    scratch->spare = NULL;
}

static bool is_idle(struct reel_scratch_chunk *chunk)
{
    struct reel_scratch_block *block = (struct reel_scratch_block *)(void *)(chunk + 1);
    return block->holds == 0 && block_after(block)->size == 0;
}

/* When most of what is there lies idle, too small for what is needed now, frees those chunks. Whether it did. */
static bool free_idle_chunks(struct reel_scratch *scratch)
{
    size_t idle = 0;
    for (struct reel_scratch_chunk *chunk = scratch->chunk; chunk; chunk = chunk->older)
        idle += is_idle(chunk) ? chunk->size : 0;
    if (idle <= scratch->total / 2)
        return false;
    for (struct reel_scratch_chunk **link = &scratch->chunk; *link;) {
        if (is_idle(*link)) {
            remove_free(scratch, (struct reel_scratch_block *)(void *)(*link + 1));
            free_chunk(scratch, link);
        } else {
            link = &(*link)->older;
        }
    }
    return true;
}

static bool add_chunk(struct reel_scratch *scratch, size_t block_size)
{
    size_t size = block_size + 2 * sizeof(struct reel_scratch_block);
    /* Who needs a little more each time than the time before gets room for some times. */
    if (free_idle_chunks(scratch))
        size += size / 8 / REEL_ALIGNMENT * REEL_ALIGNMENT;
    if (size < scratch->wanted)
        size = scratch->wanted;
    if (size > SIZE_MAX - sizeof(struct reel_scratch_chunk))
        return false;
    struct reel_scratch_chunk *chunk = reel_allocate(scratch->memory, sizeof *chunk + size);
    if (!chunk)
        return false;
    chunk->older = scratch->chunk;
    chunk->size = size;
    scratch->chunk = chunk;
    scratch->wanted = CHUNK;
    scratch->total += size;
    scratch->made += size;
    if (scratch->total > scratch->most)
        scratch->most = scratch->total;
    struct reel_scratch_block *block = (struct reel_scratch_block *)(void *)(chunk + 1);
    block->before = NULL;
    block->size = size - 2 * sizeof *block;
    struct reel_scratch_block *end = block_after(block);
    *end = (struct reel_scratch_block){.before = block, .holds = 1};
    insert_free(scratch, block);
    return true;
}

static struct reel_scratch_block *find_free(struct reel_scratch *scratch, size_t size)
{
    int class = size_class(size);
    for (struct reel_scratch_block *b = scratch->free_blocks[class]; b; b = b->next)
        if (b->size >= size)
            return b;
    for (class ++; class < REEL_SCRATCH_CLASSES; class ++)
        if (scratch->free_blocks[class])
            return scratch->free_blocks[class];
    return NULL;
}

/* Makes the block one of those that are free, together with its neighbours. */
static void join_free(struct reel_scratch *scratch, struct reel_scratch_block *block)
{
    struct reel_scratch_block *after = block_after(block);
    if (after->holds == 0) {
        remove_free(scratch, after);
        reel_unpoison(after, sizeof *after);
        block->size += sizeof *after + after->size;
        block_after(block)->before = block;
    }
    struct reel_scratch_block *before = block->before;
    if (before && before->holds == 0) {
        remove_free(scratch, before);
        before->size += sizeof *block + block->size;
        block_after(before)->before = before;
        block = before;
    }
    insert_free(scratch, block);
}

static void give_up_spare(struct reel_scratch *scratch)
{
    if (scratch->spare)
        join_free(scratch, scratch->spare);
    scratch->spare = NULL;
}

/* The gradients of a chain of operations have one size: each lies where the one before the last did. */
static void *take_spare(struct reel_scratch *scratch)
{
    struct reel_scratch_block *block = scratch->spare;
    scratch->spare = NULL;
    scratch->live++;
    reel_unpoison(block_bytes(block), block->size);
    return block_bytes(block);
}

void *reel_scratch_allocate(struct reel_scratch *scratch, size_t size)
{
    if (size > SIZE_MAX / 2)
        return NULL;
    size = size == 0 ? REEL_ALIGNMENT : (size + REEL_ALIGNMENT - 1) / REEL_ALIGNMENT * REEL_ALIGNMENT;
    if (scratch->spare && scratch->spare->size == size)
        return take_spare(scratch);
    give_up_spare(scratch);
    struct reel_scratch_block *block = find_free(scratch, size);
    if (!block) {
        if (!add_chunk(scratch, size))
            return NULL;
        block = find_free(scratch, size);
    }
    assert(block->holds == 0 && "a block in use is in the list of free ones");
    remove_free(scratch, block);
    reel_unpoison(block_bytes(block), block->size);
    expect_block_sound(block);
    if (block->size >= size + 2 * sizeof *block) {
        struct reel_scratch_block *rest = (struct reel_scratch_block *)(void *)(block_bytes(block) + size);
        rest->size = block->size - size - sizeof *rest;
        rest->before = block;
        block_after(rest)->before = rest;
        block->size = size;
        insert_free(scratch, rest);
    }
    block->holds = 1;
    scratch->live++;
    return block_bytes(block);
}

void reel_scratch_hold(void *bytes)
{
    if (bytes)
        ((struct reel_scratch_block *)bytes - 1)->holds++;
}

void reel_scratch_release(struct reel_scratch *scratch, void *bytes)
{
    if (!bytes)
        return;
    struct reel_scratch_block *block = (struct reel_scratch_block *)bytes - 1;
    assert(block->holds > 0 && block != scratch->spare && "a block was released too often");
    expect_block_sound(block);
    if (block->holds > 1) {
        block->holds--;
        return;
    }
    scratch->live--;
    give_up_spare(scratch);
    scratch->spare = block;
    reel_poison(bytes, block->size);
}

void reel_scratch_merge(struct reel_scratch *scratch)
{
    give_up_spare(scratch);
    expect_sound(scratch);
    if (scratch->live > 0 || !scratch->chunk || scratch->made == scratch->chunk->size)
        return;
    reel_scratch_free(scratch);
    scratch->wanted = scratch->made < 2 * scratch->most ? scratch->made : 2 * scratch->most;
    scratch->most = scratch->made = 0;
}
