/* Rows of tables that are looked up into a tile of the cache and no further. */
#ifndef REEL_KERN_LOOKUP_H
#define REEL_KERN_LOOKUP_H

#include "kern/rows.h"

/* Elements first..first + count - 1 of `total` that the rows of a source, of `columns` elements each, have one after
 * the other. */
void reel_kern_fetch_elements(const struct reel_row_source *source, int64_t columns, int64_t first, int64_t count,
                              int64_t total, reel_real *out);

/* out[q] = the sum of products of rows a(q) and b(q), summed as reel_kern_reduce sums a run of their elements. */
void reel_kern_row_products(int64_t count, int64_t columns, const struct reel_row_source *a,
                            const struct reel_row_source *b, reel_real *out, int threads);

#endif
