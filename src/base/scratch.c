#include "base/scratch.h"

#include "base/poison.h"

#include <assert.h>

enum { FIRST_CHUNK = 64 * 1024 };

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

void reel_scratch_init(struct reel_scratch *scratch, struct reel_memory *memory)
{
    *scratch = (struct reel_scratch){.memory = memory, .wanted = FIRST_CHUNK};
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

static void free_chunks(struct reel_scratch *scratch)
{
    while (scratch->chunk) {
        struct reel_scratch_chunk *older = scratch->chunk->older;
        reel_unpoison(scratch->chunk + 1, scratch->chunk->size);
        reel_free(scratch->memory, scratch->chunk);
        scratch->chunk = older;
    }
    for (int i = 0; i < REEL_SCRATCH_CLASSES; i++)
        scratch->free_blocks[i] = NULL;
}

void reel_scratch_free(struct reel_scratch *scratch)
{
    free_chunks(scratch);
}

static bool add_chunk(struct reel_scratch *scratch, size_t block_size)
{
    size_t size = block_size + 2 * sizeof(struct reel_scratch_block);
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
    scratch->wanted = FIRST_CHUNK;
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

void *reel_scratch_allocate(struct reel_scratch *scratch, size_t size)
{
    if (size > SIZE_MAX / 2)
        return NULL;
    size = size == 0 ? REEL_ALIGNMENT : (size + REEL_ALIGNMENT - 1) / REEL_ALIGNMENT * REEL_ALIGNMENT;
    struct reel_scratch_block *block = find_free(scratch, size);
    if (!block) {
        if (!add_chunk(scratch, size))
            return NULL;
        block = find_free(scratch, size);
    }
    remove_free(scratch, block);
    reel_unpoison(block_bytes(block), block->size);
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
    assert(block->holds > 0);
    if (--block->holds > 0)
        return;
    scratch->live--;
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

void reel_scratch_merge(struct reel_scratch *scratch)
{
    if (scratch->live > 0 || !scratch->chunk || !scratch->chunk->older)
        return;
    size_t total = 0;
    for (struct reel_scratch_chunk *c = scratch->chunk; c; c = c->older)
        total += c->size;
    free_chunks(scratch);
    scratch->wanted = total;
}
