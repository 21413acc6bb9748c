/* The workload cgan by hand: the conditional GAN for images, a step of the generator and one of the discriminator. The
 * work is that of models/gan.c with gan_image_sizes, the discriminator's three passes included; real and invented
 * samples go through it as one batch in its own step.
 *
 * Dropout draws its masks from Philox 4x32-10 (Salmon et al. 2011) with the seed, counters and order of reel, so that
 * losses can be compared with dropout on. They agree to 1e-7 in the first two steps, and to 1e-4 for 5 and a few more;
 * then roundings have grown too far, as they do in reel beside itself with initial params changed by 3e-7: a jump of
 * 2e-6 in some step, as a unit that changes sides of LeakyReLU would make, is 1e-4 five steps later. */
#ifndef BENCH_FLOOR_CGAN_H
#define BENCH_FLOOR_CGAN_H

#include "dense.h"

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { FLOOR_CGAN_BATCH = 64, FLOOR_CGAN_LAYERS = 5 };

/* Where the params of a linear layer begin in an array of all, and those of the batch norm after it. */
struct floor_cgan_layer {
    int in, out;
    int weight, bias, gamma, beta; /* weight is [in, out] */
};

/* Params in the order of the state_dict, the embedding [10, 10] first. Gradients and Adam's moments have the same
 * places in arrays of their own. */
struct floor_cgan_network {
    int layers, count;
    struct floor_cgan_layer layer[FLOOR_CGAN_LAYERS];
    float *params, *grads, *first, *second;
    int64_t steps;
    enum floor_calls calls;
};

struct floor_cgan {
    struct floor_cgan_network generator, discriminator;
    uint64_t seed, draws; /* of the masks: what names them, and how many there were */
    float *memory;        /* of all that follows */
    float *input;         /* of the generator: [64, 110] */
    float *made[FLOOR_CGAN_LAYERS - 1], *normal[FLOOR_CGAN_LAYERS - 1]; /* hidden layers; what batch norm normalized */
    float *inverse_std[FLOOR_CGAN_LAYERS - 1], *running_mean[FLOOR_CGAN_LAYERS - 1],
        *running_var[FLOOR_CGAN_LAYERS - 1];
    float *samples;                       /* of the discriminator: [128, 794], real ones and then the generator's */
    float *judged[FLOOR_CGAN_LAYERS - 2]; /* its hidden layers */
    float *dhidden[2], *dsamples; /* gradients of two neighbouring layers, and of what was generated [64, 784] */
};

/* Params are 0 until the caller fills them. False when memory ran out; free it all the same. */
bool floor_cgan_new(struct floor_cgan *c, uint64_t seed, enum floor_calls calls);
void floor_cgan_free(struct floor_cgan *c);

/* LeakyReLU 0.2, batch norm with eps 1e-5 and momentum 0.1, dropout 0.4, BCE with logits, Adam(2e-4, 0.5, 0.999).
 * x [64, 784], y [64], z [64, 100], wanted [64]. The losses go to *g_loss and *d_loss. */
void floor_cgan_step(struct floor_cgan *c, const float *x, const int64_t *y, const float *z, const int64_t *wanted,
                     float *g_loss, float *d_loss);

#ifdef __cplusplus
}
#endif

#endif
