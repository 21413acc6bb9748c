/* Elements picked by an index of their own along one axis, and the way back. Indices are int64_t or int32_t, and inside
 * the axis. */
#ifndef REEL_KERN_INDEX_H
#define REEL_KERN_INDEX_H

#include <reel/types.h>

/* An index, and the array x that it points into: element `at` of the index means that element of x which has its place
 * in all axes but one, and there the index. */
struct reel_kern_lines {
    int ndim, axis;                /* at least one axis */
    int64_t dim[REEL_MAX_NDIM];    /* of the index; outside the axis at most those of x */
    int64_t stride[REEL_MAX_NDIM]; /* of x */
    const void *index;
    bool wide;
};

/* out[at] = x[what the index means at `at`], for elements of 1, 4 or 8 bytes. */
void reel_kern_gather(const struct reel_kern_lines *lines, size_t element, const void *x, void *out, int threads);

/* x[what the index means at `at`] = values[at], the last one where several mean the same, in row-major order. */
void reel_kern_scatter(const struct reel_kern_lines *lines, size_t element, const void *values, void *x, int threads);

/* The same with += in that order, for elements of type REEL_REAL, REEL_INT64 or REEL_INT32; integers wrap. */
void reel_kern_scatter_add(const struct reel_kern_lines *lines, reel_dtype dtype, const void *values, void *x,
                           int threads);

#endif
