#include "kern/parallel.h"

#include <cblas.h>
#include <omp.h>

int reel_kern_default_threads(void)
{
    return omp_get_max_threads();
}

void reel_kern_warm_up(int threads)
{
#pragma omp parallel num_threads(threads)
    {
        enum { N = 64 };
        float a[N * N] = {0}, b[N * N] = {0}, c[N * N];
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, N, N, N, 1, a, N, b, N, 0, c, N);
    }
}

bool reel_kern_blas_is_serial(void)
{
    return openblas_get_parallel() == OPENBLAS_SEQUENTIAL;
}
