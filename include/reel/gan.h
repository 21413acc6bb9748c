/* Generative adversarial networks: losses, penalties, and what discriminators are made of.
 *
 *     reel_var real = reel_forward(t, discriminator, x), fake = reel_forward(t, discriminator, generated);
 *     reel_var loss = reel_gan_discriminator_loss(t, REEL_GAN_RELATIVISTIC, real, fake);
 *     loss = reel_add(t, loss, reel_gan_zero_centered_penalty(t, real, x, 0.5));          // R1
 *     loss = reel_add(t, loss, reel_gan_zero_centered_penalty(t, fake, generated, 0.5));  // R2
 *
 * Scores are what a discriminator gives before any sigmoid, one or more a sample; losses are means over all of them. */
#ifndef REEL_GAN_H
#define REEL_GAN_H

#include <reel/nn.h>
#include <reel/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* With r and f the scores of real and generated samples, L the discriminator's loss and G the generator's: */
typedef enum reel_gan_loss {
    REEL_GAN_NON_SATURATING, /* L = softplus(-r) + softplus(f), G = softplus(-f) (Goodfellow et al. 2014) */
    REEL_GAN_RELATIVISTIC,   /* L = softplus(f - r), G = softplus(r - f), in pairs (Jolicoeur-Martineau 2018, and with
                                the penalties R3GAN, Huang et al. 2024): r and f have one shape */
    REEL_GAN_LEAST_SQUARES,  /* L = (r - 1)^2 / 2 + f^2 / 2, G = (f - 1)^2 / 2 (Mao et al. 2017) */
    REEL_GAN_HINGE,          /* L = relu(1 - r) + relu(1 + f), G = -f (Lim and Ye 2017) */
    REEL_GAN_WASSERSTEIN     /* L = f - r, G = -f (Arjovsky et al. 2017); wants reel_gan_gradient_penalty */
} reel_gan_loss;

/* The means of these. `real` of the generator's loss is needed, and looked at, for REEL_GAN_RELATIVISTIC alone; else
 * the null var will do. REEL_ERROR_SHAPE when pairs have different shapes, REEL_ERROR_ARGUMENT when there is no such
 * loss. */
REEL_API reel_var reel_gan_discriminator_loss(reel_tape *tape, reel_gan_loss loss, reel_var real, reel_var fake);
REEL_API reel_var reel_gan_generator_loss(reel_tape *tape, reel_gan_loss loss, reel_var real, reel_var fake);

/* gamma / 2 times the mean over samples of the squared norm, over all axes but the first, of the gradient of the scores
 * with respect to x [batch, ...]: R1 when x are real samples, R2 when they are generated ones (Mescheder et al. 2018).
 * It can be differentiated like any loss. x is the var that the scores were computed from. For a penalty in every k-th
 * step only, give k times the gamma.
 *
 * Each score must depend on its own sample alone, since the sum of all is differentiated: REEL_ERROR_ARGUMENT when
 * there is a reel_batch_norm between x and the scores, when the scores do not depend on x, or gamma is negative;
 * REEL_ERROR_SHAPE when scores and x are not of one batch. */
REEL_API reel_var reel_gan_zero_centered_penalty(reel_tape *tape, reel_var scores, reel_var x, double gamma);

/* Scores of x, which has the shape of the samples. */
typedef reel_var (*reel_gan_critic)(reel_tape *tape, reel_var x, void *user);

/* lambda times the mean over samples of (|gradient of the scores| - 1)^2 at random points between real and generated
 * samples [batch, ...] (WGAN-GP, Gulrajani et al. 2017): for each sample one number from [0, 1) is drawn with
 * reel_rand, and the norm is over all axes but the first. Where a gradient is zero its norm gets a gradient of zero,
 * not NaN. Neither real nor fake gets a gradient. Errors as above; REEL_ERROR_SHAPE when real and fake differ in shape.
 */
REEL_API reel_var reel_gan_gradient_penalty(reel_tape *tape, reel_gan_critic critic, void *user, reel_var real,
                                            reel_var fake, double lambda);

/* x [batch, channels, ...] with one channel more, in which a sample has how much its group's samples differ: the
 * standard deviation over the group, from the biased variance plus 1e-8, averaged over all elements (Karras et al.
 * 2018). Sample i is in the group of all samples whose number is i modulo batch / group_size. REEL_ERROR_ARGUMENT when
 * group_size is not from 1 to the batch, or does not divide it; REEL_ERROR_SHAPE for x with fewer than two axes. */
REEL_API reel_var reel_minibatch_stddev(reel_tape *tape, reel_var x, int64_t group_size);

/* The head of a projection discriminator (Miyato and Koyama 2018): features [batch, in_features] and labels [batch],
 * int64 or int32 -> scores [batch], the sum of a linear layer's output and of the inner product of the features with
 * the label's embedding over sqrt(in_features). Params: linear.weight [1, in_features] and linear.bias [1] as of a
 * linear layer, embedding.weight [num_classes, in_features] from N(0, 1); call it by reel_forward_all. */
REEL_API reel_module *reel_projection_new(reel_params *params, const char *name, int64_t in_features,
                                          int64_t num_classes);

#ifdef __cplusplus
}
#endif

#endif
