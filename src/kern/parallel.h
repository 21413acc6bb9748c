/* Threads and the BLAS, as the kernels see them. */
#ifndef REEL_KERN_PARALLEL_H
#define REEL_KERN_PARALLEL_H

#include <reel/types.h>

/* Elements of an elementwise loop that one thread takes at a time. Loops of one block run on the calling thread: waking
 * another costs more than the work. */
#define REEL_BLOCK 16384

/* Blocks of REEL_BLOCK that n elements make. */
static inline int64_t reel_blocks(int64_t n)
{
    return (n + REEL_BLOCK - 1) / REEL_BLOCK;
}

/* How many threads OpenMP would use. */
int reel_kern_default_threads(void);

/* Makes OpenMP and the BLAS allocate what they keep. */
void reel_kern_warm_up(int threads);

/* Whether the BLAS starts no threads of its own. */
bool reel_kern_blas_is_serial(void);

#endif
