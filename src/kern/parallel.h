/* Threads and the BLAS, as the kernels see them. */
#ifndef REEL_KERN_PARALLEL_H
#define REEL_KERN_PARALLEL_H

#include <reel/types.h>

/* Elements of an elementwise loop that one thread takes at a time. Loops of one block run on the calling thread: waking
 * another costs more than the work. Tests may define a smaller multiple of 64, so that small arrays have several. */
#ifndef REEL_BLOCK
#define REEL_BLOCK 16384
#endif

/* Blocks of REEL_BLOCK that n elements make. */
static inline int64_t reel_blocks(int64_t n)
{
    return (n + REEL_BLOCK - 1) / REEL_BLOCK;
}

/* Runs `statement` for each block of n elements, on up to `threads` threads: those from `first` to before `last`,
 * `step` of them, or fewer in the last block. Without an `if` clause, since a region that it switches off still makes a
 * team of one, which takes half a microsecond. */
#define REEL_PARALLEL_FOR(first, last, n, step, threads, statement)                                                    \
    do {                                                                                                               \
        const int64_t reel_n = (n), reel_step = (step);                                                                \
        const int reel_threads = (threads);                                                                            \
        if (reel_n > reel_step && reel_threads > 1) {                                                                  \
            _Pragma("omp parallel for num_threads(reel_threads)") REEL_EACH_BLOCK(first, last, statement)              \
        } else {                                                                                                       \
            REEL_EACH_BLOCK(first, last, statement)                                                                    \
        }                                                                                                              \
    } while (0)
#define REEL_EACH_BLOCK(first, last, statement)                                                                        \
    for (int64_t first = 0; first < reel_n; first += reel_step) {                                                      \
        const int64_t last = reel_n - first < reel_step ? reel_n : first + reel_step;                                  \
        (void)last;                                                                                                    \
        statement;                                                                                                     \
    }

/* Calls body(user, i, thread) for i = 0..count - 1 in any order, on up to `threads` threads, whose numbers are 0 to
 * threads - 1. For work that is uneven; the bits of the results must not depend on who does what. */
void reel_kern_for_each(int64_t count, int threads, void (*body)(void *user, int64_t i, int thread), void *user);

/* How many threads OpenMP would use. */
int reel_kern_default_threads(void);

/* Makes the BLAS compute each call on the thread that calls it, where it can be told, and makes it and OpenMP allocate
 * what they keep. False when there is not so much memory. `room` are reel_kern_warm_up_room(threads) zeros, which are
 * overwritten. */
int64_t reel_kern_warm_up_room(int threads);
bool reel_kern_warm_up(int threads, reel_real *room);

/* How the BLAS takes calls. */
enum reel_blas_calls {
    REEL_BLAS_ON_CALLER,     /* on the calling thread, several at a time */
    REEL_BLAS_ONE_AT_A_TIME, /* on the calling thread, but not safe for several at a time */
    REEL_BLAS_ON_OWN_THREADS /* it may start threads of its own */
};
enum reel_blas_calls reel_kern_blas_calls(void);

/* The processor whose kernels the BLAS uses, as OpenBLAS calls it. */
const char *reel_kern_blas_core(void);

#endif
