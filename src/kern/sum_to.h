/* Undoing a broadcast. */
#ifndef REEL_KERN_SUM_TO_H
#define REEL_KERN_SUM_TO_H

#include <reel/types.h>

/* to = (add ? to : 0) + from summed over the axes along which `to_shape` was broadcast to `from_shape`. Both
 * contiguous; to_shape must broadcast to from_shape. Long sums are blocked, so that they keep their digits and their
 * bits for any number of threads. */
void reel_kern_sum_to(const reel_shape *from_shape, const reel_real *from, const reel_shape *to_shape, reel_real *to,
                      bool add, int threads);

#endif
