/* Copies between layouts, for elements of 1, 4 or 8 bytes. */
#ifndef REEL_KERN_STRIDED_H
#define REEL_KERN_STRIDED_H

#include <reel/types.h>

/* to, contiguous with sizes dim[0..ndim), becomes the elements of `from` that lie stride[i] elements apart along axis
 * i. A stride of 0 repeats. ndim <= REEL_MAX_NDIM. */
void reel_kern_copy_strided(int ndim, const int64_t *dim, const int64_t *stride, size_t element, const void *from,
                            void *to, int threads);

/* Copies `rows` rows of `bytes` bytes, which begin from_stride and to_stride bytes apart. */
void reel_kern_copy_bytes(int64_t rows, size_t bytes, const void *from, size_t from_stride, void *to, size_t to_stride);

/* The way back from a copy: for `outer` matrices of `size` rows of `inner` elements, row i * step of `to` becomes, or
 * has added to it, row i of the `length` rows in `from`. `to` points to where row 0 goes; step may be negative. */
void reel_kern_place_strided(int64_t outer, int64_t length, int64_t inner, const reel_real *from, int64_t size,
                             int64_t step, bool add, reel_real *to, int threads);

#endif
