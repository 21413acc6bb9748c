/* Running sums along an axis. */
#ifndef REEL_KERN_SCAN_H
#define REEL_KERN_SCAN_H

#include <reel/types.h>

/* For x of [outer, n, inner], real or int64: out[o, i, j] = (add ? out[o, i, j] : 0) + the sum of x[o, 0..i, j], or of
 * x[o, i..n-1, j] when `reverse`. Reals are summed in double, one after the other; integers wrap and are not added to
 * out. */
void reel_kern_cumsum(reel_dtype dtype, int64_t outer, int64_t n, int64_t inner, const void *x, bool reverse, bool add,
                      void *out, int threads);

#endif
