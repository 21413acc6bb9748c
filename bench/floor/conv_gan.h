/* The workload conv_gan by hand: the conditional GAN of convolutions, a step of the generator and one of the
 * discriminator, which judges real and generated pictures as one batch.
 *
 * Activations are [channels, images, positions], so that the matrix of several images is a part of them, and what a
 * kernel sees is written out for a few images at a time, which stay in the second-level cache. */
#ifndef BENCH_FLOOR_CONV_GAN_H
#define BENCH_FLOOR_CONV_GAN_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { FLOOR_CONV_BATCH = 128 };

/* Params in the order of the state_dict; gradients and Adam's moments have the same places in arrays of their own.
 * The generator's linear weight is [in, out], all others are as in the state_dict. */
struct floor_conv_network {
    int count;
    float *params, *grads, *first, *second;
    int64_t steps;
};

struct floor_conv_gan {
    struct floor_conv_network generator, discriminator;
    float *memory; /* of all that follows */
    float *input, *wide, *normal1, *made1, *normal2, *made2, *running1, *running2, *scratch;
    float *pictures, *narrow, *deep, *flat, *features;      /* of the discriminator, for twice the batch */
    float *dpictures, *dnarrow, *ddeep, *dflat, *dfeatures; /* and their gradients */
};

/* Params are 0 until the caller fills them. False when memory ran out; free it all the same. */
bool floor_conv_gan_new(struct floor_conv_gan *g);
void floor_conv_gan_free(struct floor_conv_gan *g);

/* x [128, 784], y [128], z [128, 64], wanted [128]. */
void floor_conv_gan_step(struct floor_conv_gan *g, const float *x, const int64_t *y, const float *z,
                         const int64_t *wanted, float *g_loss, float *d_loss);

#ifdef __cplusplus
}
#endif

#endif
