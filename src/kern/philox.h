/* Philox 4x32-10 (Salmon et al. 2011): random numbers by counter, so that element i has its own whoever computes it. */
#ifndef REEL_KERN_PHILOX_H
#define REEL_KERN_PHILOX_H

#include <reel/types.h>

/* What names a sequence: the seed, and how many sequences were begun since. */
struct reel_philox_key {
    uint64_t seed, draw;
};

/* Counters that are worked on together, so that the rounds vectorize; each gives 4 draws of 32 bits. */
enum { REEL_PHILOX_LANES = 16, REEL_PHILOX_GROUP = 4 * REEL_PHILOX_LANES };

/* The draws of the counters first .. first + LANES - 1: the first words of all, then the second words, and so on. */
void reel_kern_philox(uint64_t first, struct reel_philox_key key, uint32_t draws[REEL_PHILOX_GROUP]);

#endif
