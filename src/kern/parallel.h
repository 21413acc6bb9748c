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

/* Makes the BLAS compute each call on the thread that calls it, where it can be told, and makes it and OpenMP allocate
 * what they keep. */
void reel_kern_warm_up(int threads);

/* How the BLAS takes calls. */
enum reel_blas_calls {
    REEL_BLAS_ON_CALLER,     /* on the calling thread, several at a time */
    REEL_BLAS_ONE_AT_A_TIME, /* on the calling thread, but not safe for several at a time */
    REEL_BLAS_ON_OWN_THREADS /* it may start threads of its own */
};
enum reel_blas_calls reel_kern_blas_calls(void);

#endif
