/* The walk over contiguous arrays that are broadcast against each other. */
#ifndef REEL_KERN_BROADCAST_H
#define REEL_KERN_BROADCAST_H

#include <reel/types.h>

enum { REEL_MAX_OPERANDS = 3 };

/* How operands are broadcast to a result, with axes merged wherever all of them allow it: `rows` rows of `columns`
 * elements. Along a row an operand either moves by one element or stands still. */
struct reel_broadcast {
    int64_t rows, columns;
    int n;                         /* operands */
    bool moves[REEL_MAX_OPERANDS]; /* along a row */
    int ndim;                      /* axes that the rows are counted by, outermost first */
    int64_t size[REEL_MAX_NDIM];
    int64_t stride[REEL_MAX_OPERANDS][REEL_MAX_NDIM];
};

/* Plans the walk; every operand's shape must broadcast to `result`. */
void reel_broadcast_plan(struct reel_broadcast *plan, const reel_shape *result, int n,
                         const reel_shape *const *operands);

/* A part of the result that one call of a kernel computes: `rows` rows of `columns` elements, one behind the other,
 * from element `first` on. Operand k starts at offset[k], and its rows are step[k] apart. */
struct reel_tile {
    int64_t rows, columns, first;
    int64_t offset[REEL_MAX_OPERANDS], step[REEL_MAX_OPERANDS];
};

/* Calls `kernel` for tiles that cover the result, from several threads when it is large. The tiles do not depend on the
 * number of threads. */
typedef void reel_tile_kernel(const struct reel_broadcast *plan, const struct reel_tile *tile, const void *arguments);
void reel_broadcast_walk(const struct reel_broadcast *plan, reel_tile_kernel *kernel, const void *arguments,
                         int threads);

#endif
