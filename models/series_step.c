/* series train: one step of the two networks. */
#include "series_training.h"

#include <string.h>

/* What the discriminator sees of series: with noise, so that it cannot learn a small set by heart. */
static reel_var shown(const struct series_training *series, reel_var x)
{
    reel_tape *t = series->training.tape;
    if (series->settings->noise <= 0)
        return x;
    return reel_add(t, x, reel_mul_scalar(t, reel_randn(t, reel_shape_of(t, x)), series->settings->noise));
}

/* The generator's update. Returns what it made, now a constant. */
static reel_var step_of_generator(struct series_training *series, reel_var x, const struct series_batch *b,
                                  struct training_losses *v)
{
    reel_tape *t = series->training.tape;
    const struct series_recipe *r = &series->recipe;
    reel_scope_begin(t);
    reel_var z = reel_randn(t, REEL_SHAPE(series->training.settings->batch, series_noise_size(&series->gan.sizes)));
    reel_var fake = series_generate(t, &series->gan, z, b), real_scores = reel_null(), classes;
    if (r->loss == REEL_GAN_RELATIVISTIC)
        real_scores = series_discriminate(t, &series->gan, shown(series, x), b, NULL);
    reel_var scores = series_discriminate(t, &series->gan, shown(series, fake), b, &classes);
    v->g_loss = reel_gan_generator_loss(t, r->loss, real_scores, scores);
    reel_var loss = v->g_loss;
    if (r->make_classes > 0)
        loss = reel_add(t, loss, reel_mul_scalar(t, reel_cross_entropy_loss(t, classes, b->labels), r->make_classes));
    training_update(&series->training, series->gan.generator, loss);
    reel_var kept[] = {fake, v->g_loss};
    reel_scope_end(t, kept, 2);
    v->g_loss = kept[1];
    return kept[0];
}

static void step_of_discriminator(struct series_training *series, reel_var x, reel_var fake,
                                  const struct series_batch *b, struct training_losses *v)
{
    reel_tape *t = series->training.tape;
    const struct series_recipe *r = &series->recipe;
    reel_var classes;
    x = shown(series, x);
    fake = shown(series, fake);
    reel_var real_scores = series_discriminate(t, &series->gan, x, b, &classes);
    reel_var fake_scores = series_discriminate(t, &series->gan, fake, b, NULL);
    v->d_loss = reel_gan_discriminator_loss(t, r->loss, real_scores, fake_scores);
    reel_var loss = v->d_loss;
    if (r->classes > 0)
        loss = reel_add(t, loss, reel_mul_scalar(t, reel_cross_entropy_loss(t, classes, b->labels), r->classes));
    if (series->settings->gamma > 0 && series->training.step % r->penalty_every == 0) {
        double gamma = series->settings->gamma * (double)r->penalty_every;
        v->penalty = reel_add(t, reel_gan_zero_centered_penalty(t, real_scores, x, gamma),
                              reel_gan_zero_centered_penalty(t, fake_scores, fake, gamma));
        loss = reel_add(t, loss, v->penalty);
    }
    v->d_real = training_mean_sigmoid(t, real_scores);
    v->d_fake = training_mean_sigmoid(t, fake_scores);
    training_update(&series->training, series->gan.discriminator, loss);
}

/* Series of the training set, each as likely; false on error. */
static bool draw_batch(struct series_training *series)
{
    int64_t batch = series->training.settings->batch, size = series->gan.sizes.steps * series->train.channels;
    const int64_t *rows = reel_data_int64(
        series->training.tape, reel_randint(series->training.tape, 0, series->train.count, REEL_SHAPE(batch)));
    for (int64_t i = 0; rows && i < batch; i++) {
        memcpy(series->x + i * size, series->scaled + rows[i] * size, (size_t)size * sizeof *series->x);
        series->labels[i] = series->train.labels[rows[i]];
        series->lengths[i] = series->train.lengths[rows[i]];
    }
    return rows != NULL;
}

struct training_losses series_step(struct training *training)
{
    struct series_training *series = training->user;
    reel_tape *t = training->tape;
    int64_t batch = training->settings->batch;
    struct training_losses v = {0};
    if (!draw_batch(series))
        return v;
    reel_var x = reel_borrow(t, series->x, REEL_SHAPE(batch, series->gan.sizes.steps, series->train.channels));
    struct series_batch b = series_batch_of(t, &series->gan, series->labels, series->lengths, batch);
    reel_var fake = step_of_generator(series, x, &b, &v);
    step_of_discriminator(series, x, fake, &b, &v);
    return v;
}
