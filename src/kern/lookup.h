/* Rows of tables that are looked up into a tile of the cache and no further. */
#ifndef REEL_KERN_LOOKUP_H
#define REEL_KERN_LOOKUP_H

#include "kern/rows.h"

/* ---- Gradient rows that are formed ---- */

/* What reel_kern_sum_occurrences is for rows in memory. There are `known` occurrences, of which the first `count` are
 * summed. */
void reel_kern_sum_formed(const struct reel_row_formula *formula, const struct reel_occurrence *occurrences,
                          int64_t count, int64_t known, int64_t columns, bool add, reel_real *out);

/* out[count, columns] = (add ? out : nothing) + the rows of places 0..count - 1. */
void reel_kern_form_rows(const struct reel_row_formula *formula, int64_t count, int64_t columns, bool add,
                         reel_real *out, int threads);

/* One element of one of them. */
reel_real reel_kern_formed_element(const struct reel_row_formula *formula, int64_t place, int64_t column);

/* ---- Rows that are read ---- */

/* Elements first..first + count - 1 of `total` that the rows of a source, of `columns` elements each, have one after
 * the other. */
void reel_kern_fetch_elements(const struct reel_row_source *source, int64_t columns, int64_t first, int64_t count,
                              int64_t total, reel_real *out);

/* out[q] = the sum of products of rows a(q) and b(q), summed as reel_kern_reduce sums a run of their elements. */
void reel_kern_row_products(int64_t count, int64_t columns, const struct reel_row_source *a,
                            const struct reel_row_source *b, reel_real *out, int threads);

#endif
