/* Loops over arrays whose axes have strides of their own. */
#include "kern/strided.h"

#include "base/clones.h"
#include "kern/parallel.h"

#include <string.h>

/* Elements are moved as unsigned words of their size. */
typedef uint8_t word1 __attribute__((may_alias));
typedef uint32_t word4 __attribute__((may_alias));
typedef uint64_t word8 __attribute__((may_alias));

/* A transpose is done in tiles that the cache holds on both sides, and these in blocks that pass through registers:
 * with sizes that are powers of two, the lines of more rows than a block has would push each other out of the cache.
 * SPAN columns are done before the next, because each column of the result is another page of `from`. */
enum { TILE = 32, BLOCK = 8, SPAN = 256 };

struct layout {
    int ndim; /* at least 1 */
    int64_t dim[REEL_MAX_NDIM], stride[REEL_MAX_NDIM];
};

/* Leaves out axes of size 1 and joins neighbours that are walked as one. */
static struct layout simplify(int ndim, const int64_t *dim, const int64_t *stride)
{
    struct layout l = {.ndim = 0};
    for (int i = 0; i < ndim; i++) {
        if (dim[i] == 1)
            continue;
        int last = l.ndim - 1;
        if (last >= 0 && l.stride[last] == dim[i] * stride[i]) {
            l.dim[last] *= dim[i];
            l.stride[last] = stride[i];
        } else {
            l.dim[l.ndim] = dim[i];
            l.stride[l.ndim++] = stride[i];
        }
    }
    if (l.ndim == 0) {
        l.ndim = 1;
        l.dim[0] = l.stride[0] = 1;
    }
    return l;
}

static int64_t count(const struct layout *l)
{
    int64_t n = 1;
    for (int i = 0; i < l->ndim; i++)
        n *= l->dim[i];
    return n;
}

/* Walks some axes in row-major order, with the offset in `from` and (for axes that are not all) in `to`. */
struct walk {
    int ndim;
    int64_t dim[REEL_MAX_NDIM], from_stride[REEL_MAX_NDIM], to_stride[REEL_MAX_NDIM], index[REEL_MAX_NDIM];
    int64_t from, to;
};

static void walk_to(struct walk *w, int64_t position)
{
    w->from = w->to = 0;
    for (int i = w->ndim - 1; i >= 0; i--) {
        w->index[i] = position % w->dim[i];
        position /= w->dim[i];
        w->from += w->index[i] * w->from_stride[i];
        w->to += w->index[i] * w->to_stride[i];
    }
}

static void walk_next(struct walk *w)
{
    for (int i = w->ndim - 1; i >= 0; i--) {
        w->from += w->from_stride[i];
        w->to += w->to_stride[i];
        if (++w->index[i] < w->dim[i])
            return;
        w->from -= w->dim[i] * w->from_stride[i];
        w->to -= w->dim[i] * w->to_stride[i];
        w->index[i] = 0;
    }
}

/* All axes but the last and, if it is not negative, `without`. */
static struct walk outer_axes(const struct layout *l, int without)
{
    struct walk w = {.ndim = 0};
    int64_t to_stride[REEL_MAX_NDIM];
    to_stride[l->ndim - 1] = 1;
    for (int i = l->ndim - 2; i >= 0; i--)
        to_stride[i] = to_stride[i + 1] * l->dim[i + 1];
    for (int i = 0; i < l->ndim - 1; i++) {
        if (i == without)
            continue;
        w.dim[w.ndim] = l->dim[i];
        w.from_stride[w.ndim] = l->stride[i];
        w.to_stride[w.ndim++] = to_stride[i];
    }
    return w;
}

/* For a word type: one row of elements `stride` apart, and one tile of a transpose, in which elements of a column of
 * the result are neighbours in `from` and elements of a row are `stride` apart. */
#define DEFINE_COPIES(word)                                                                                            \
    REEL_CLONES static void copy_row_##word(int64_t n, const word *from, int64_t stride, word *to)                     \
    {                                                                                                                  \
        if (stride == 0) {                                                                                             \
            word value = from[0];                                                                                      \
            for (int64_t i = 0; i < n; i++)                                                                            \
                to[i] = value;                                                                                         \
            return;                                                                                                    \
        }                                                                                                              \
        for (int64_t i = 0; i < n; i++)                                                                                \
            to[i] = from[i * stride];                                                                                  \
    }                                                                                                                  \
    static inline __attribute__((always_inline)) void transpose_block_##word(const word *from, int64_t stride,         \
                                                                             word *to, int64_t to_stride)              \
    {                                                                                                                  \
        word block[BLOCK][BLOCK];                                                                                      \
        for (int j = 0; j < BLOCK; j++)                                                                                \
            for (int i = 0; i < BLOCK; i++)                                                                            \
                block[j][i] = from[j * stride + i];                                                                    \
        for (int i = 0; i < BLOCK; i++)                                                                                \
            for (int j = 0; j < BLOCK; j++)                                                                            \
                to[i * to_stride + j] = block[j][i];                                                                   \
    }                                                                                                                  \
    REEL_CLONES static void transpose_tile_##word(int rows, int columns, const word *from, int64_t stride, word *to,   \
                                                  int64_t to_stride)                                                   \
    {                                                                                                                  \
        for (int col = 0; col < columns; col += BLOCK)                                                                 \
            for (int row = 0; row < rows; row += BLOCK) {                                                              \
                const word *from_block = from + col * stride + row;                                                    \
                word *to_block = to + row * to_stride + col;                                                           \
                if (rows - row >= BLOCK && columns - col >= BLOCK) {                                                   \
                    transpose_block_##word(from_block, stride, to_block, to_stride);                                   \
                    continue;                                                                                          \
                }                                                                                                      \
                for (int i = 0; i < rows - row && i < BLOCK; i++)                                                      \
                    for (int j = 0; j < columns - col && j < BLOCK; j++)                                               \
                        to_block[i * to_stride + j] = from_block[j * stride + i];                                      \
            }                                                                                                          \
    }
DEFINE_COPIES(word1)
DEFINE_COPIES(word4)
DEFINE_COPIES(word8)

static void copy_row(int64_t n, size_t element, const char *from, int64_t stride, char *to)
{
    if (stride == 1)
        memcpy(to, from, (size_t)n * element);
    else if (element == 1)
        copy_row_word1(n, (const word1 *)(const void *)from, stride, (word1 *)(void *)to);
    else if (element == 4)
        copy_row_word4(n, (const word4 *)(const void *)from, stride, (word4 *)(void *)to);
    else
        copy_row_word8(n, (const word8 *)(const void *)from, stride, (word8 *)(void *)to);
}

static void transpose_tile(int rows, int columns, size_t element, const char *from, int64_t stride, char *to,
                           int64_t to_stride)
{
    if (element == 1)
        transpose_tile_word1(rows, columns, (const word1 *)(const void *)from, stride, (word1 *)(void *)to, to_stride);
    else if (element == 4)
        transpose_tile_word4(rows, columns, (const word4 *)(const void *)from, stride, (word4 *)(void *)to, to_stride);
    else
        transpose_tile_word8(rows, columns, (const word8 *)(const void *)from, stride, (word8 *)(void *)to, to_stride);
}

/* The tiles from (row, col) on, along a span of columns, of the matrix at a position of the outer axes. */
static void transpose_span(const struct layout *l, int rows_axis, struct walk outer, int64_t position, int64_t row,
                           int64_t col, size_t element, const char *from, char *to)
{
    int64_t rows = l->dim[rows_axis], columns = l->dim[l->ndim - 1], stride = l->stride[l->ndim - 1], to_stride = 1;
    for (int i = rows_axis + 1; i < l->ndim; i++)
        to_stride *= l->dim[i];
    walk_to(&outer, position);
    for (int64_t end = col + SPAN < columns ? col + SPAN : columns; col < end; col += TILE)
        transpose_tile(rows - row < TILE ? (int)(rows - row) : TILE, end - col < TILE ? (int)(end - col) : TILE,
                       element, from + (size_t)(outer.from + row + col * stride) * element, stride,
                       to + (size_t)(outer.to + row * to_stride + col) * element, to_stride);
}

/* Axis `rows_axis` of the result walks neighbours in `from`, its last axis does not. */
static void copy_transposed(const struct layout *l, int rows_axis, size_t element, const char *from, char *to,
                            int threads)
{
    const struct walk outer = outer_axes(l, rows_axis);
    int64_t rows = l->dim[rows_axis], columns = l->dim[l->ndim - 1], n = count(l);
    int64_t row_tiles = (rows + TILE - 1) / TILE, spans = (columns + SPAN - 1) / SPAN;
    REEL_PARALLEL_FOR(task, next, n / (rows * columns) * row_tiles * spans, 1, n > REEL_BLOCK ? threads : 1,
                      transpose_span(l, rows_axis, outer, task / row_tiles / spans, task % row_tiles * TILE,
                                     task / row_tiles % spans * SPAN, element, from, to));
}

static void copy_rows(struct walk outer, int64_t row, int64_t end, int64_t columns, size_t element, const char *from,
                      int64_t stride, char *to)
{
    for (walk_to(&outer, row); row < end; row++, walk_next(&outer))
        copy_row(columns, element, from + (size_t)outer.from * element, stride, to + (size_t)(row * columns) * element);
}

void reel_kern_copy_strided(int ndim, const int64_t *dim, const int64_t *stride, size_t element, const void *from,
                            void *to, int threads)
{
    struct layout l = simplify(ndim, dim, stride);
    int64_t n = count(&l);
    if (n == 0)
        return;
    int64_t columns = l.dim[l.ndim - 1], col_stride = l.stride[l.ndim - 1];
    for (int i = 0; i < l.ndim - 1 && col_stride > 1; i++)
        if (l.stride[i] == 1) {
            copy_transposed(&l, i, element, from, to, threads);
            return;
        }

    const struct walk outer = outer_axes(&l, -1);
    REEL_PARALLEL_FOR(row, end, n / columns, columns < REEL_BLOCK ? REEL_BLOCK / columns : 1, threads,
                      copy_rows(outer, row, end, columns, element, from, col_stride, to));
}

void reel_kern_copy_bytes(int64_t rows, size_t bytes, const void *from, size_t from_stride, void *to, size_t to_stride)
{
    if (bytes == 0)
        return;
    for (int64_t i = 0; i < rows; i++)
        memcpy((char *)to + (size_t)i * to_stride, (const char *)from + (size_t)i * from_stride, bytes);
}

/* Elements that lie `step` apart. */
static void place_row(int64_t n, const reel_real *from, int64_t step, bool add, reel_real *to)
{
    if (add)
        for (int64_t i = 0; i < n; i++)
            to[i * step] += from[i];
    else
        for (int64_t i = 0; i < n; i++)
            to[i * step] = from[i];
}

static void place_rows(int64_t first, int64_t last, int64_t length, int64_t inner, const reel_real *from, int64_t size,
                       int64_t step, bool add, reel_real *to)
{
    for (int64_t o = first; o < last; o++) {
        const reel_real *values = from + o * length * inner;
        reel_real *slice = to + o * size * inner;
        if (inner == 1)
            place_row(length, values, step, add, slice);
        else
            for (int64_t i = 0; i < length; i++)
                place_row(inner, values + i * inner, 1, add, slice + i * step * inner);
    }
}

void reel_kern_place_strided(int64_t outer, int64_t length, int64_t inner, const reel_real *from, int64_t size,
                             int64_t step, bool add, reel_real *to, int threads)
{
    if (outer == 0 || length == 0 || inner == 0)
        return;
    REEL_PARALLEL_FOR(first, last, outer, REEL_BLOCK / (length * inner) + 1, threads,
                      place_rows(first, last, length, inner, from, size, step, add, to));
}
