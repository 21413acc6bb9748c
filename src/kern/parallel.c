#include "kern/parallel.h"

#include "kern/gemm.h"

#include <cblas.h>
#include <omp.h>

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

void reel_kern_warm_up(int threads)
{
    if (openblas_get_parallel() == OPENBLAS_THREAD && openblas_get_num_threads() != 1)
        openblas_set_num_threads(1);
#pragma omp parallel num_threads(threads)
    {
        enum { SIZE = 64 };
        reel_real a[SIZE * SIZE] = {0}, b[SIZE * SIZE] = {0}, c[SIZE * SIZE];
        struct reel_matrix left = {a, SIZE, false}, right = {b, SIZE, true};
        reel_kern_gemm(SIZE, SIZE, SIZE, left, right, false, c, SIZE, 1);
    }
}
