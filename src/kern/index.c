/* Loops over an index and the elements that it means along one axis. */
#include "kern/index.h"

#include "kern/gather.h"
#include "kern/parallel.h"

typedef uint8_t word1 __attribute__((may_alias));
typedef uint32_t word4 __attribute__((may_alias));
typedef uint64_t word8 __attribute__((may_alias));

/* Elements are walked in rows of the last axis of the index. Those of one unit may mean the same element of x, those of
 * two may not, so that units go to threads: they are what lies behind the axes before `axis`. */
static int64_t columns_of(const struct reel_kern_lines *lines)
{
    return lines->dim[lines->ndim - 1];
}

static int64_t rows_of(const struct reel_kern_lines *lines, int first)
{
    int64_t rows = 1;
    for (int i = first; i < lines->ndim - 1; i++)
        rows *= lines->dim[i];
    return rows;
}

/* Where the elements of a row are in x when the index is 0, and how far apart. */
static int64_t offset_of(const struct reel_kern_lines *lines, int64_t row)
{
    int64_t offset = 0;
    for (int i = lines->ndim - 2; i >= 0; i--) {
        offset += i == lines->axis ? 0 : row % lines->dim[i] * lines->stride[i];
        row /= lines->dim[i];
    }
    return offset;
}

/* LOOP(name, type, statement): `values` and `x` are the row's elements, and `to` is the one in x that the index means
 * at i. */
typedef void loop(const struct reel_kern_lines *lines, int64_t first, int64_t end, void *values, void *x);
#define LOOP(name, type, statement)                                                                                    \
    static void name(const struct reel_kern_lines *lines, int64_t first, int64_t end, void *all_values, void *all_x)   \
    {                                                                                                                  \
        const int64_t columns = columns_of(lines), along = lines->stride[lines->axis];                                 \
        const int64_t step = lines->axis == lines->ndim - 1 ? 0 : lines->stride[lines->ndim - 1];                      \
        for (int64_t row = first; row < end; row++) {                                                                  \
            type *values = (type *)all_values + row * columns, *x = (type *)all_x + offset_of(lines, row);             \
            for (int64_t i = 0; i < columns; i++) {                                                                    \
                type *to = x + i * step + along * reel_kern_index(lines->index, lines->wide, row * columns + i);       \
                statement;                                                                                             \
            }                                                                                                          \
        }                                                                                                              \
    }
LOOP(gather_word1, word1, values[i] = *to)
LOOP(gather_word4, word4, values[i] = *to)
LOOP(gather_word8, word8, values[i] = *to)
LOOP(scatter_word1, word1, *to = values[i])
LOOP(scatter_word4, word4, *to = values[i])
LOOP(scatter_word8, word8, *to = values[i])
LOOP(add_real, reel_real, *to += values[i])
LOOP(add_int64, int64_t, *to = (int64_t)((uint64_t)*to + (uint64_t)values[i]))
LOOP(add_int32, int32_t, *to = (int32_t)((int64_t)*to + values[i]))

/* `first_axis`: the axes before it make the units. */
static void walk(const struct reel_kern_lines *lines, int first_axis, loop *run, const void *values, const void *x,
                 int threads)
{
    int64_t rows = rows_of(lines, 0), columns = columns_of(lines);
    if (rows == 0 || columns == 0)
        return;
    int64_t unit = rows_of(lines, first_axis), step = REEL_BLOCK / (unit * columns) + 1;
    REEL_PARALLEL_FOR(first, last, rows / unit, step, threads,
                      run(lines, first * unit, last * unit, (void *)(uintptr_t)values, (void *)(uintptr_t)x));
}

void reel_kern_gather(const struct reel_kern_lines *lines, size_t element, const void *x, void *out, int threads)
{
    walk(lines, lines->ndim - 1,
         element == 1   ? gather_word1
         : element == 4 ? gather_word4
                        : gather_word8,
         out, x, threads);
}

void reel_kern_scatter(const struct reel_kern_lines *lines, size_t element, const void *values, void *x, int threads)
{
    walk(lines, lines->axis,
         element == 1   ? scatter_word1
         : element == 4 ? scatter_word4
                        : scatter_word8,
         values, x, threads);
}

void reel_kern_scatter_add(const struct reel_kern_lines *lines, reel_dtype dtype, const void *values, void *x,
                           int threads)
{
    walk(lines, lines->axis,
         dtype == REEL_REAL    ? add_real
         : dtype == REEL_INT64 ? add_int64
                               : add_int32,
         values, x, threads);
}
