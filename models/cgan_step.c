/* cgan train: one step of the two networks, by either recipe. */
#include "cgan_training.h"

#include <string.h>

/* loss plus weight times the cross entropy of what the class head says of features. */
static reel_var add_class_loss(struct cgan_training *cgan, reel_var loss, reel_var features, reel_var labels,
                               double weight)
{
    reel_tape *t = cgan->training.tape;
    reel_var cross_entropy = reel_cross_entropy_loss(t, gan_class_scores(t, &cgan->gan, features), labels);
    return reel_add(t, loss, reel_mul_scalar(t, cross_entropy, weight));
}

/* The non-saturating loss with R1. What the discriminator makes of the generator's images serves the updates of both:
 * the generator's does not change the discriminator. */
static struct training_losses r1_step(struct cgan_training *cgan, reel_var x, reel_var y, reel_var z, reel_var wanted)
{
    const struct cgan_recipe *recipe = cgan->recipe;
    const struct gan *gan = &cgan->gan;
    reel_tape *t = cgan->training.tape;
    struct training_losses v = {0};

    reel_var fake = gan_features(t, gan, gan_generate(t, gan, z, wanted), wanted);
    reel_var fake_scores = gan_scores(t, gan, fake, wanted);
    v.g_loss = reel_gan_generator_loss(t, REEL_GAN_NON_SATURATING, reel_null(), fake_scores);
    reel_var g_loss = v.g_loss;

    reel_var real = gan_features(t, gan, x, y);
    reel_var real_scores = gan_scores(t, gan, real, y);
    v.d_loss = reel_gan_discriminator_loss(t, REEL_GAN_NON_SATURATING, real_scores, fake_scores);
    reel_var d_loss = v.d_loss;
    if (cgan->training.step % recipe->penalty_every == 0) {
        v.penalty = reel_gan_zero_centered_penalty(t, real_scores, x, 1);
        double gamma = recipe->penalty * (double)recipe->penalty_every;
        d_loss = reel_add(t, d_loss, reel_mul_scalar(t, v.penalty, gamma));
    }
    if (gan->sizes.projection) {
        g_loss = add_class_loss(cgan, g_loss, fake, wanted, recipe->generator_class_loss);
        d_loss = add_class_loss(cgan, d_loss, real, y, recipe->class_loss);
    }
    v.d_real = training_mean_sigmoid(t, real_scores);
    v.d_fake = training_mean_sigmoid(t, fake_scores);

    reel_zero_grad(gan->generator);
    reel_zero_grad(gan->discriminator);
    if (reel_backward(t, g_loss, gan->generator) == REEL_OK &&
        reel_backward(t, d_loss, gan->discriminator) == REEL_OK && reel_optim_step(cgan->training.g_optim) == REEL_OK)
        reel_optim_step(cgan->training.d_optim);
    return v;
}

/* PyTorch-GAN's cgan.py: least squares. */
static struct training_losses reference_step(struct cgan_training *cgan, reel_var x, reel_var y, reel_var z,
                                             reel_var wanted)
{
    reel_tape *t = cgan->training.tape;
    struct training_losses v = {0};
    int64_t batch = reel_size(t, x, 0);
    reel_var valid = reel_ones(t, REEL_SHAPE(batch, 1)), invalid = reel_zeros(t, REEL_SHAPE(batch, 1));

    reel_scope_begin(t);
    reel_var fake = gan_generate(t, &cgan->gan, z, wanted);
    v.g_loss = reel_mse_loss(t, gan_discriminate(t, &cgan->gan, fake, wanted), valid);
    training_update(&cgan->training, cgan->gan.generator, v.g_loss);
    /* What was made, now a constant, and the loss are all that the discriminator's step needs the memory of. */
    reel_var kept[] = {fake, v.g_loss};
    reel_scope_end(t, kept, 2);
    fake = kept[0];
    v.g_loss = kept[1];

    reel_var real_scores = gan_discriminate(t, &cgan->gan, x, y);
    reel_var fake_scores = gan_discriminate(t, &cgan->gan, fake, wanted);
    reel_var sum = reel_add(t, reel_mse_loss(t, real_scores, valid), reel_mse_loss(t, fake_scores, invalid));
    v.d_loss = reel_mul_scalar(t, sum, 0.5);
    v.d_real = reel_mean_all(t, reel_detach(t, real_scores));
    v.d_fake = reel_mean_all(t, reel_detach(t, fake_scores));
    training_update(&cgan->training, cgan->gan.discriminator, v.d_loss);
    return v;
}

struct training_losses cgan_step(struct training *training)
{
    struct cgan_training *cgan = training->user;
    int64_t batch = training->settings->batch, pixels = cgan->pixels;
    const int64_t *rows = cgan->order + cgan->next_batch++ * batch;
    for (int64_t i = 0; i < batch; i++) {
        memcpy(cgan->x + i * pixels, cgan->pixel_table + rows[i] * pixels, (size_t)pixels * sizeof *cgan->x);
        cgan->y[i] = cgan->data.labels[rows[i]];
    }
    reel_tape *t = training->tape;
    reel_var x = reel_borrow(t, cgan->x, REEL_SHAPE(batch, pixels));
    reel_var y = reel_borrow_of(t, REEL_INT64, cgan->y, REEL_SHAPE(batch));
    reel_var z = reel_randn(t, REEL_SHAPE(batch, cgan->gan.sizes.noise));
    reel_var wanted = reel_randint(t, 0, cgan->classes, REEL_SHAPE(batch));
    return (cgan->recipe->penalty > 0 ? r1_step : reference_step)(cgan, x, y, z, wanted);
}
