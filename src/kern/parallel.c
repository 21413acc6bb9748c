/* Threads: how work is divided, and what the BLAS does with them. */
#include "kern/parallel.h"

#include "kern/gemm.h"

#include <cblas.h>
#include <omp.h>

#if defined(__unix__)
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

void reel_kern_for_each(int64_t count, int threads, void (*body)(void *user, int64_t i, int thread), void *user)
{
    if (count <= 1 || threads <= 1) {
        for (int64_t i = 0; i < count; i++)
            body(user, i, 0);
        return;
    }
#pragma omp parallel for num_threads(threads) schedule(dynamic)
    for (int64_t i = 0; i < count; i++)
        body(user, i, omp_get_thread_num());
}

int reel_kern_default_threads(void)
{
    return omp_get_max_threads();
}

/* OpenBLAS comes in three flavours behind one file name, so ask. The one on pthreads does what is wanted once it is
 * told to use one thread: reel's own threads call it side by side. The serial one looks for a free buffer without
 * holding its lock (0.3.21): two threads that call at the same moment get the same one, and wrong products. The one on
 * OpenMP could be told too, but that would change the number of threads of the caller's own OpenMP loops. */
enum reel_blas_calls reel_kern_blas_calls(void)
{
    switch (openblas_get_parallel()) {
    case OPENBLAS_SEQUENTIAL:
        return REEL_BLAS_ONE_AT_A_TIME;
    case OPENBLAS_THREAD:
        return openblas_get_num_threads() == 1 ? REEL_BLAS_ON_CALLER : REEL_BLAS_ON_OWN_THREADS;
    default:
        return REEL_BLAS_ON_OWN_THREADS;
    }
}

const char *reel_kern_blas_core(void)
{
    return openblas_get_corename();
}

/* A product large enough for OpenBLAS to pack its operands, for which it needs its buffer. */
enum { WARM_UP_SIZE = 128 };

int64_t reel_kern_warm_up_room(int threads)
{
    return (int64_t)(1 + threads) * WARM_UP_SIZE * WARM_UP_SIZE;
}

#if defined(__unix__)
/* Whether the system gives as much as OpenBLAS and OpenMP are about to ask it for: a buffer for each thread, and a
 * stack for each new one. Where it does not, OpenBLAS (0.3.21) asks again and again without an end, and libgomp ends
 * the process. */
static bool there_is_memory(int threads)
{
    enum { BUFFER = 129 << 20, MOST_STACK = 64 << 20 };
    struct rlimit stack;
    size_t stack_size = 8 << 20;
    if (getrlimit(RLIMIT_STACK, &stack) == 0 && stack.rlim_cur != RLIM_INFINITY)
        stack_size = stack.rlim_cur < MOST_STACK ? (size_t)stack.rlim_cur : MOST_STACK;
    size_t size = (size_t)threads * BUFFER + (size_t)(threads - 1) * stack_size;
    void *probe = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (probe == MAP_FAILED)
        return false;
    munmap(probe, size);
    return true;
}

/* A child process has none of its parent's threads, but libgomp's records of them, and would wait for them without an
 * end. OpenMP is told to start no threads in such a child: loops walk the same blocks, so that results have the same
 * bits. A parent that has one thread leaves its children free to start some. */
static void stay_serial_after_fork(void)
{
    char threads[64];
    struct stat folder;
    snprintf(threads, sizeof threads, "/proc/%ld/task", (long)getppid());
    bool alone = stat(threads, &folder) == 0 && folder.st_nlink == 3; /* ".", "..", and one for each thread */
    if (!alone)
        omp_set_max_active_levels(0);
}

__attribute__((constructor)) static void watch_forks(void)
{
    pthread_atfork(NULL, NULL, stay_serial_after_fork);
}
#else
static bool there_is_memory(int threads)
{
    (void)threads;
    return true;
}
#endif

bool reel_kern_warm_up(int threads, reel_real *room)
{
    if (!there_is_memory(threads))
        return false;
    if (openblas_get_parallel() == OPENBLAS_THREAD && openblas_get_num_threads() != 1)
        openblas_set_num_threads(1);
    const int64_t size = (int64_t)WARM_UP_SIZE * WARM_UP_SIZE;
    const reel_real *zeros = room;
#pragma omp parallel num_threads(threads)
    {
        reel_real *product = room + (1 + omp_get_thread_num()) * size;
        const struct reel_gemm rows_by_rows = {.m = WARM_UP_SIZE,
                                               .n = WARM_UP_SIZE,
                                               .k = WARM_UP_SIZE,
                                               .a = {zeros, WARM_UP_SIZE, false},
                                               .b = {zeros, WARM_UP_SIZE, true},
                                               .c = product,
                                               .c_stride = WARM_UP_SIZE};
#pragma omp barrier /* side by side, so that none takes the buffer that another has given back */
        reel_kern_gemm(&rows_by_rows, 1);
    }
    return true;
}
