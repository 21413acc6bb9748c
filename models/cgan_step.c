/* cgan train: one step of the two networks, by either recipe. */
#include "cgan_training.h"

#include <math.h>
#include <string.h>

static reel_var mean_sigmoid(reel_tape *t, reel_var scores)
{
    return reel_mean_all(t, reel_sigmoid(t, reel_detach(t, scores)));
}

struct step_vars {
    reel_var g_loss, d_loss, d_real, d_fake, penalty;
};

/* loss plus weight times the cross entropy of what the class head says of features. */
static reel_var add_class_loss(struct cgan_training *tr, reel_var loss, reel_var features, reel_var labels,
                               double weight)
{
    reel_tape *t = tr->tape;
    reel_var cross_entropy = reel_cross_entropy_loss(t, gan_class_scores(t, &tr->gan, features), labels);
    return reel_add(t, loss, reel_mul_scalar(t, cross_entropy, weight));
}

/* The non-saturating loss with R1. What the discriminator makes of the generator's images serves the updates of both:
 * the generator's does not change the discriminator. */
static struct step_vars r1_step(struct cgan_training *tr, reel_var x, reel_var y, reel_var z, reel_var wanted)
{
    const struct cgan_recipe *recipe = tr->recipe;
    const struct gan *gan = &tr->gan;
    reel_tape *t = tr->tape;
    struct step_vars v = {0};

    reel_var fake = gan_features(t, gan, gan_generate(t, gan, z, wanted), wanted);
    reel_var fake_scores = gan_scores(t, gan, fake, wanted);
    v.g_loss = reel_gan_generator_loss(t, REEL_GAN_NON_SATURATING, reel_null(), fake_scores);
    reel_var g_loss = v.g_loss;

    reel_var real = gan_features(t, gan, x, y);
    reel_var real_scores = gan_scores(t, gan, real, y);
    v.d_loss = reel_gan_discriminator_loss(t, REEL_GAN_NON_SATURATING, real_scores, fake_scores);
    reel_var d_loss = v.d_loss;
    if (tr->step % recipe->penalty_every == 0) {
        v.penalty = reel_gan_zero_centered_penalty(t, real_scores, x, 1);
        double gamma = recipe->penalty * (double)recipe->penalty_every;
        d_loss = reel_add(t, d_loss, reel_mul_scalar(t, v.penalty, gamma));
    }
    if (gan->sizes.projection) {
        g_loss = add_class_loss(tr, g_loss, fake, wanted, recipe->generator_class_loss);
        d_loss = add_class_loss(tr, d_loss, real, y, recipe->class_loss);
    }
    v.d_real = mean_sigmoid(t, real_scores);
    v.d_fake = mean_sigmoid(t, fake_scores);

    reel_zero_grad(gan->generator);
    reel_zero_grad(gan->discriminator);
    if (reel_backward(t, g_loss, gan->generator) == REEL_OK &&
        reel_backward(t, d_loss, gan->discriminator) == REEL_OK && reel_optim_step(tr->g_optim) == REEL_OK)
        reel_optim_step(tr->d_optim);
    return v;
}

static void update(struct cgan_training *tr, reel_params *params, reel_var loss, reel_optim *optim)
{
    reel_zero_grad(params);
    if (reel_backward(tr->tape, loss, params) == REEL_OK)
        reel_optim_step(optim);
}

/* PyTorch-GAN's cgan.py: least squares. */
static struct step_vars reference_step(struct cgan_training *tr, reel_var x, reel_var y, reel_var z, reel_var wanted)
{
    reel_tape *t = tr->tape;
    struct step_vars v = {0};
    int64_t batch = reel_size(t, x, 0);
    reel_var valid = reel_ones(t, REEL_SHAPE(batch, 1)), invalid = reel_zeros(t, REEL_SHAPE(batch, 1));

    reel_scope_begin(t);
    reel_var fake = gan_generate(t, &tr->gan, z, wanted);
    v.g_loss = reel_mse_loss(t, gan_discriminate(t, &tr->gan, fake, wanted), valid);
    update(tr, tr->gan.generator, v.g_loss, tr->g_optim);
    /* What was made, now a constant, and the loss are all that the discriminator's step needs the memory of. */
    reel_var kept[] = {fake, v.g_loss};
    reel_scope_end(t, kept, 2);
    fake = kept[0];
    v.g_loss = kept[1];

    reel_var real_scores = gan_discriminate(t, &tr->gan, x, y);
    reel_var fake_scores = gan_discriminate(t, &tr->gan, fake, wanted);
    reel_var sum = reel_add(t, reel_mse_loss(t, real_scores, valid), reel_mse_loss(t, fake_scores, invalid));
    v.d_loss = reel_mul_scalar(t, sum, 0.5);
    v.d_real = reel_mean_all(t, reel_detach(t, real_scores));
    v.d_fake = reel_mean_all(t, reel_detach(t, fake_scores));
    update(tr, tr->gan.discriminator, v.d_loss, tr->d_optim);
    return v;
}

bool cgan_run_step(struct cgan_training *tr, const int64_t *rows)
{
    int64_t batch = tr->settings->batch, pixels = tr->pixels;
    for (int64_t i = 0; i < batch; i++) {
        memcpy(tr->x + i * pixels, tr->pixel_table + rows[i] * pixels, (size_t)pixels * sizeof *tr->x);
        tr->y[i] = tr->data.labels[rows[i]];
    }
    reel_tape *t = tr->tape;
    reel_var x = reel_borrow(t, tr->x, REEL_SHAPE(batch, pixels));
    reel_var y = reel_borrow_of(t, REEL_INT64, tr->y, REEL_SHAPE(batch));
    reel_var z = reel_randn(t, REEL_SHAPE(batch, tr->gan.sizes.noise));
    reel_var wanted = reel_randint(t, 0, tr->classes, REEL_SHAPE(batch));
    struct step_vars v = (tr->recipe->penalty > 0 ? r1_step : reference_step)(tr, x, y, z, wanted);
    if (tr->average) {
        /* Over the last eighth of the steps so far: a generator of long ago only blurs the pictures. */
        double recent = (double)tr->step / 8 + 1, decay = 1 - 1 / recent;
        reel_ema_set_decay(tr->average, decay < tr->recipe->average ? decay : tr->recipe->average);
        reel_ema_update(tr->average);
    }
    struct cgan_metrics *m = &tr->metrics;
    m->g_loss += reel_item(t, v.g_loss);
    m->d_loss += reel_item(t, v.d_loss);
    m->d_real += reel_item(t, v.d_real);
    m->d_fake += reel_item(t, v.d_fake);
    m->steps++;
    if (!reel_is_null(v.penalty)) {
        m->penalty += reel_item(t, v.penalty);
        m->penalties++;
    }
    tr->step++;
    if (reel_context_status(tr->context) != REEL_OK) {
        snprintf(tr->error, sizeof tr->error, "%s", reel_error(tr->context));
        return false;
    }
    reel_tape_reset(t);
    if (!isfinite(m->g_loss) || !isfinite(m->d_loss)) {
        snprintf(tr->error, sizeof tr->error,
                 "the loss is not a number after %lld steps: try a lower --lr, or see with --detect-anomaly where "
                 "it comes from",
                 (long long)tr->step);
        return false;
    }
    return true;
}
