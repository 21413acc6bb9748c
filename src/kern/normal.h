/* Normal random numbers by counter. */
#ifndef REEL_KERN_NORMAL_H
#define REEL_KERN_NORMAL_H

#include "kern/philox.h"

/* out[0..n-1] from N(mean, std^2), by Box-Muller from Philox. An element depends on the key and its position alone, not
 * on n or the threads; float and double builds give the same numbers but for rounding. Uniform numbers of 31 bits reach
 * a little over 6.6 standard deviations. */
void reel_kern_normal(int64_t n, double mean, double std, struct reel_philox_key key, reel_real *out, int threads);

/* out[i] += the numbers of reel_kern_normal with mean 0, on this thread. */
void reel_kern_add_normal(int64_t n, double std, struct reel_philox_key key, reel_real *out);

#endif
