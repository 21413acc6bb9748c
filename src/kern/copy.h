/* Copies and sums of contiguous elements and of matrices whose rows are apart. */
#ifndef REEL_KERN_COPY_H
#define REEL_KERN_COPY_H

#include <reel/types.h>

/* to[i] += from[i], i < n. */
void reel_kern_add_to(int64_t n, const reel_real *from, reel_real *to, int threads);

/* to = from and to += from for [rows, columns] with rows `from_stride` and `to_stride` elements apart. */
void reel_kern_copy_rows(int64_t rows, int64_t columns, const reel_real *from, int64_t from_stride, reel_real *to,
                         int64_t to_stride);
void reel_kern_add_rows_to(int64_t rows, int64_t columns, const reel_real *from, int64_t from_stride, reel_real *to,
                           int64_t to_stride);

#endif
