/* A heap inside a few large chunks, for what a backward pass or an optimizer step needs for a moment: blocks are freed
 * and reused while it runs, and the chunks stay, so that a steady loop does not allocate. Chunks
 * that lie idle because they are too small go when they are most of what is there. */
#ifndef REEL_BASE_SCRATCH_H
#define REEL_BASE_SCRATCH_H

#include "base/memory.h"

struct reel_scratch_block;
struct reel_scratch_chunk;

enum { REEL_SCRATCH_CLASSES = 64 };

struct reel_scratch {
    struct reel_memory *memory;
    struct reel_scratch_chunk *chunk;
    struct reel_scratch_block *free_blocks[REEL_SCRATCH_CLASSES]; /* by the power of two of their size */
    struct reel_scratch_block *spare;                             /* released last, still as it was in use */
    int64_t live;                                                 /* blocks in use */
    size_t total;                                                 /* of the chunks */
    size_t most;                                                  /* that total was since the last merge */
    size_t made;                                                  /* chunks since then, freed ones included */
    size_t wanted;                                                /* size of the next chunk, at least */
};

void reel_scratch_init(struct reel_scratch *scratch, struct reel_memory *memory);
void reel_scratch_free(struct reel_scratch *scratch);

/* A block aligned to REEL_ALIGNMENT, not zeroed, held once; NULL when memory ran out. */
void *reel_scratch_allocate(struct reel_scratch *scratch, size_t size);

/* Blocks are counted: each hold needs its release. NULL is accepted. */
void reel_scratch_hold(void *block);
void reel_scratch_release(struct reel_scratch *scratch, void *block);

/* When no block is in use, gives up several chunks for a single one, made at the next need: as large as all chunks
 * since the last merge, since what one chunk has behind a block that stays cannot be freed, but not more than twice as
 * large as those that were there at once. */
void reel_scratch_merge(struct reel_scratch *scratch);

#endif
