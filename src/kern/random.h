/* Random numbers: PyTorch's CPU generator, bit for bit. */
#ifndef REEL_KERN_RANDOM_H
#define REEL_KERN_RANDOM_H

#include "reel/types.h"

/* MT19937 and the one normal sample that short normal draws keep for later. Plain data: assigning the struct takes a
 * snapshot, assigning it back restores it. Seed it before anything else. Not for two threads at once.
 *
 * The numbers are those of PyTorch 2.15 on x86-64 with AVX2 or better, whatever machine this runs on; where the C
 * library computes log, sin or cos (doubles, and normal draws of fewer than 16) they are its numbers. float builds give
 * the numbers of float32 tensors, REEL_F64 builds those of float64 tensors. Nothing here allocates or fails; an n of 0
 * draws nothing. */
struct reel_generator {
    uint32_t mt[624];
    int32_t index; /* of the next word in mt; 0 (only right after seeding) and 624 mean that mt is used up */
    bool has_normal;
    double normal; /* of the standard normal distribution; 0 unless has_normal */
    uint64_t seed;
};

/* torch.manual_seed(seed). Only the low 32 bits reach the numbers; all 64 are kept for get_state. */
void reel_generator_seed(struct reel_generator *g, uint64_t seed);

/* The next 32 bits. */
uint32_t reel_generator_random32(struct reel_generator *g);

/* The next 64 bits, from two 32-bit draws, the upper half first. PyTorch's random int64 (the seeds that a DataLoader
 * draws, say) is this without its top bit. */
uint64_t reel_generator_random64(struct reel_generator *g);

/* Tensor.uniform_(low, high) of n contiguous elements, and torch.rand with 0 and 1: uniform on [low, high). Both bounds
 * are finite, low <= high, and their difference fits reel_real. */
void reel_generator_uniform(struct reel_generator *g, reel_real *out, int64_t n, double low, double high);

/* Tensor.normal_(mean, std) of n contiguous elements, and torch.randn with 0 and 1; std >= 0. n decides about the
 * method: normal(16) is not normal(8) twice. */
void reel_generator_normal(struct reel_generator *g, reel_real *out, int64_t n, double mean, double std);

/* Tensor.exponential_() of n contiguous elements: exponential with a mean of 1, two draws of 32 bits each. */
void reel_generator_exponential(struct reel_generator *g, reel_real *out, int64_t n);

/* torch.randint(low, high, (n,)): integers in low..high-1, for any low < high. */
void reel_generator_integers(struct reel_generator *g, int64_t *out, int64_t n, int64_t low, int64_t high);

/* torch.multinomial(weights, count, replacement=True), count >= 2, by the sums of the weights of 0..i divided by the
 * last one: integers in 0..n-1. Those without weight are never drawn. */
void reel_generator_choose(struct reel_generator *g, int64_t *out, int64_t count, const double *cumulative, int64_t n);

/* torch.randperm(n): 0..n-1 in random order. */
void reel_generator_permutation(struct reel_generator *g, int64_t *out, int64_t n);

#define REEL_GENERATOR_STATE_SIZE 5056

/* torch.get_rng_state(): the same bytes, in the byte order of this machine (as PyTorch's are). */
void reel_generator_get_state(const struct reel_generator *g, unsigned char state[REEL_GENERATOR_STATE_SIZE]);

/* torch.set_rng_state(state) with a state of `size` bytes from get_state or from PyTorch. false, with g unchanged, when
 * it is not one: another size, not seeded, or a position that no generator can be in. */
bool reel_generator_set_state(struct reel_generator *g, const unsigned char *state, size_t size);

#endif
