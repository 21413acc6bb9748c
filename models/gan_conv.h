/* The convolutional pair of networks, as gan.c puts it together. */
#ifndef MODELS_GAN_CONV_H
#define MODELS_GAN_CONV_H

#include "gan.h"

/* Of every LeakyReLU. */
#define GAN_SLOPE 0.2

/* Elements of a batch norm over n features: weight, bias, running mean and variance, and the count of batches. */
static inline int64_t gan_norm_numel(int64_t n)
{
    return 4 * n + 1;
}

/* The generator's layers but the embedding, and the discriminator's but the heads; their params in the gan's sets. */
void gan_conv_add_generator(struct gan *gan);
void gan_conv_add_discriminator(struct gan *gan);

/* Elements of what gan_conv_add_generator adds. */
int64_t gan_conv_generator_numel(const struct gan_sizes *sizes);

/* Images [n, data] from noise and embedding [n, noise + embedding], and features [n, 128] of images. */
reel_var gan_conv_generate(reel_tape *tape, const struct gan *gan, reel_var h);
reel_var gan_conv_features(reel_tape *tape, const struct gan *gan, reel_var x);

#endif
