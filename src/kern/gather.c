/* Picking rows by index, and adding to them. */
#include "kern/gather.h"

#include "base/clones.h"
#include "kern/parallel.h"

#include <string.h>

#define DEFINE_FIND_OUTSIDE(type)                                                                                      \
    REEL_CLONES static bool all_inside_##type(int64_t n, const type *index, int64_t rows)                              \
    {                                                                                                                  \
        int outside = 0;                                                                                               \
        for (int64_t i = 0; i < n; i++)                                                                                \
            outside |= (uint64_t)(int64_t)index[i] >= (uint64_t)rows;                                                  \
        return !outside;                                                                                               \
    }                                                                                                                  \
    static int64_t find_outside_##type(int64_t n, const type *index, int64_t rows)                                     \
    {                                                                                                                  \
        if (all_inside_##type(n, index, rows))                                                                         \
            return -1;                                                                                                 \
        int64_t i = 0;                                                                                                 \
        while (index[i] >= 0 && index[i] < rows)                                                                       \
            i++;                                                                                                       \
        return i;                                                                                                      \
    }
DEFINE_FIND_OUTSIDE(int64_t)
DEFINE_FIND_OUTSIDE(int32_t)

int64_t reel_kern_find_outside(int64_t count, const void *index, bool wide, int64_t rows)
{
    return wide ? find_outside_int64_t(count, index, rows) : find_outside_int32_t(count, index, rows);
}

/* A call of memcpy for each row costs as much as a short row. */
static inline void copy_row(char *restrict to, const char *restrict from, size_t bytes)
{
    enum { LINE = 64 };
    for (; bytes >= LINE; bytes -= LINE, to += LINE, from += LINE)
        memcpy(to, from, LINE);
    if (bytes > 0)
        memcpy(to, from, bytes);
}

REEL_CLONES
static void gather_block(int64_t first, int64_t end, int64_t count, size_t bytes, const void *index, bool wide,
                         const char *table, char *out)
{
    for (int64_t i = first; i < end; i++) {
        if (i + REEL_KERN_AHEAD < count)
            reel_kern_prefetch_row(table + (size_t)reel_kern_index(index, wide, i + REEL_KERN_AHEAD) * bytes, bytes);
        copy_row(out + (size_t)i * bytes, table + (size_t)reel_kern_index(index, wide, i) * bytes, bytes);
    }
}

/* Rows that one thread takes at a time. */
static int64_t rows_a_block(int64_t columns)
{
    return columns < REEL_BLOCK ? REEL_BLOCK / columns : 1;
}

void reel_kern_gather_rows(int64_t outer, int64_t rows, size_t bytes, struct reel_kern_indices index, const void *table,
                           void *out, int threads)
{
    const int64_t count = index.count;
    if (outer == 0 || count == 0 || bytes == 0)
        return;
    int64_t step = rows_a_block((int64_t)(bytes / sizeof(reel_real)) + 1);
    int64_t blocks = (count + step - 1) / step;
    REEL_PARALLEL_FOR(b, next, outer * blocks, 1, threads,
                      gather_block(b % blocks * step, b % blocks + 1 < blocks ? (b % blocks + 1) * step : count, count,
                                   bytes, index.data, index.wide,
                                   (const char *)table + (size_t)(b / blocks * rows) * bytes,
                                   (char *)out + (size_t)(b / blocks * count) * bytes));
}

REEL_CLONES static void take_row(int64_t columns, const reel_real *from, bool add, reel_real *to)
{
    if (!add)
        memcpy(to, from, (size_t)columns * sizeof *to);
    else
        for (int64_t j = 0; j < columns; j++)
            to[j] += from[j];
}

static void take_rows(int64_t first, int64_t last, int64_t columns, const void *index, bool wide,
                      const reel_real *table, int64_t stride, bool add, reel_real *out)
{
    for (int64_t i = first; i < last; i++)
        take_row(columns, table + reel_kern_index(index, wide, i) * stride, add, out + i * columns);
}

void reel_kern_gather_reals(int64_t columns, struct reel_kern_indices index, const reel_real *table, int64_t stride,
                            bool add, reel_real *out, int threads)
{
    if (index.count == 0 || columns == 0)
        return;
    REEL_PARALLEL_FOR(first, last, index.count, rows_a_block(columns), threads,
                      take_rows(first, last, columns, index.data, index.wide, table, stride, add, out));
}

REEL_CLONES static void scale_row(int64_t columns, reel_real weight, const reel_real *from, reel_real *to)
{
    for (int64_t j = 0; j < columns; j++)
        to[j] = from[j] * weight;
}

static void scale_rows(int64_t first, int64_t last, int64_t columns, const reel_real *weight, const reel_real *from,
                       int64_t stride, reel_real *out)
{
    for (int64_t i = first; i < last; i++)
        scale_row(columns, weight[i], from + i * stride, out + i * columns);
}

void reel_kern_scale_rows(int64_t count, int64_t columns, const reel_real *weight, const reel_real *from,
                          int64_t stride, reel_real *out, int threads)
{
    if (count == 0 || columns == 0)
        return;
    REEL_PARALLEL_FOR(first, last, count, rows_a_block(columns), threads,
                      scale_rows(first, last, columns, weight, from, stride, out));
}
