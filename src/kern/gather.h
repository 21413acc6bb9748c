/* Rows picked by index, and weights for them. Indices are int64_t (wide) or int32_t, and inside the table. */
#ifndef REEL_KERN_GATHER_H
#define REEL_KERN_GATHER_H

#include <reel/types.h>

/* The first i with index[i] outside 0..rows-1, or -1. */
int64_t reel_kern_find_outside(int64_t count, const void *index, bool wide, int64_t rows);

static inline int64_t reel_kern_index(const void *index, bool wide, int64_t i)
{
    return wide ? ((const int64_t *)index)[i] : ((const int32_t *)index)[i];
}

/* Tables are much larger than the caches: the row that is read this many places later is already asked for. */
enum { REEL_KERN_AHEAD = 12 };
static inline void reel_kern_prefetch_row(const char *row, size_t bytes)
{
    enum { LINE = 64, LINES = 8 };
    for (size_t at = 0; at < bytes && at < LINE * LINES; at += LINE)
        __builtin_prefetch(row + at, 0);
}

/* `count` indices. */
struct reel_kern_indices {
    const void *data;
    bool wide;
    int64_t count;
};

/* out[o, i] = table[o, index[i]] for `outer` tables of `rows` rows of `bytes` bytes. */
void reel_kern_gather_rows(int64_t outer, int64_t rows, size_t bytes, struct reel_kern_indices index, const void *table,
                           void *out, int threads);

/* out[i, :] (+)= table[index[i], :] for rows of `columns` elements, `stride` apart in the table. */
void reel_kern_gather_reals(int64_t columns, struct reel_kern_indices index, const reel_real *table, int64_t stride,
                            bool add, reel_real *out, int threads);

/* out[i, :] = weight[i] * from[i, :] for rows of `columns` elements, `stride` apart in from. */
void reel_kern_scale_rows(int64_t count, int64_t columns, const reel_real *weight, const reel_real *from,
                          int64_t stride, reel_real *out, int threads);

#endif
