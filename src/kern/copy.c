/* Copies: of rows, of strided arrays, between types. */
#include "kern/copy.h"

#include "base/clones.h"
#include "kern/parallel.h"

#include <string.h>

REEL_CLONES
static void add_block(int64_t n, const reel_real *restrict from, reel_real *restrict to)
{
    for (int64_t i = 0; i < n; i++)
        to[i] += from[i];
}

void reel_kern_add_to(int64_t n, const reel_real *from, reel_real *to, int threads)
{
    REEL_PARALLEL_FOR(first, last, n, REEL_BLOCK, threads, add_block(last - first, from + first, to + first));
}

void reel_kern_copy_rows(int64_t rows, int64_t columns, const reel_real *from, int64_t from_stride, reel_real *to,
                         int64_t to_stride)
{
    if (columns == 0)
        return;
    for (int64_t i = 0; i < rows; i++)
        memcpy(to + i * to_stride, from + i * from_stride, (size_t)columns * sizeof *to);
}

void reel_kern_add_rows_to(int64_t rows, int64_t columns, const reel_real *from, int64_t from_stride, reel_real *to,
                           int64_t to_stride)
{
    for (int64_t i = 0; i < rows; i++)
        add_block(columns, from + i * from_stride, to + i * to_stride);
}
