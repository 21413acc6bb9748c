/* series train: one step of the two networks. */
#include "series_training.h"

#include <math.h>
#include <string.h>

struct step_vars {
    reel_var g_loss, d_loss, d_real, d_fake, penalty;
};

static reel_var mean_sigmoid(reel_tape *t, reel_var scores)
{
    return reel_mean_all(t, reel_sigmoid(t, reel_detach(t, scores)));
}

static void update(struct series_training *tr, reel_params *params, reel_var loss, reel_optim *optim)
{
    reel_zero_grad(params);
    if (reel_backward(tr->tape, loss, params) == REEL_OK)
        reel_optim_step(optim);
}

/* What the discriminator sees of series: with noise, so that it cannot learn a small set by heart. */
static reel_var shown(const struct series_training *tr, reel_var x)
{
    reel_tape *t = tr->tape;
    if (tr->settings->noise <= 0)
        return x;
    return reel_add(t, x, reel_mul_scalar(t, reel_randn(t, reel_shape_of(t, x)), tr->settings->noise));
}

/* The generator's update. Returns what it made, now a constant. */
static reel_var step_of_generator(struct series_training *tr, reel_var x, const struct series_batch *b,
                                  struct step_vars *v)
{
    reel_tape *t = tr->tape;
    const struct series_recipe *r = &tr->recipe;
    reel_scope_begin(t);
    reel_var z = reel_randn(t, REEL_SHAPE(tr->settings->batch, series_noise_size(&tr->gan.sizes)));
    reel_var fake = series_generate(t, &tr->gan, z, b), real_scores = reel_null(), classes;
    if (r->loss == REEL_GAN_RELATIVISTIC)
        real_scores = series_discriminate(t, &tr->gan, shown(tr, x), b, NULL);
    reel_var scores = series_discriminate(t, &tr->gan, shown(tr, fake), b, &classes);
    v->g_loss = reel_gan_generator_loss(t, r->loss, real_scores, scores);
    reel_var loss = v->g_loss;
    if (r->make_classes > 0)
        loss = reel_add(t, loss, reel_mul_scalar(t, reel_cross_entropy_loss(t, classes, b->labels), r->make_classes));
    update(tr, tr->gan.generator, loss, tr->g_optim);
    reel_var kept[] = {fake, v->g_loss};
    reel_scope_end(t, kept, 2);
    v->g_loss = kept[1];
    return kept[0];
}

static void step_of_discriminator(struct series_training *tr, reel_var x, reel_var fake, const struct series_batch *b,
                                  struct step_vars *v)
{
    reel_tape *t = tr->tape;
    const struct series_recipe *r = &tr->recipe;
    reel_var classes;
    x = shown(tr, x);
    fake = shown(tr, fake);
    reel_var real_scores = series_discriminate(t, &tr->gan, x, b, &classes);
    reel_var fake_scores = series_discriminate(t, &tr->gan, fake, b, NULL);
    v->d_loss = reel_gan_discriminator_loss(t, r->loss, real_scores, fake_scores);
    reel_var loss = v->d_loss;
    if (r->classes > 0)
        loss = reel_add(t, loss, reel_mul_scalar(t, reel_cross_entropy_loss(t, classes, b->labels), r->classes));
    if (tr->settings->gamma > 0 && tr->step % r->penalty_every == 0) {
        double gamma = tr->settings->gamma * (double)r->penalty_every;
        v->penalty = reel_add(t, reel_gan_zero_centered_penalty(t, real_scores, x, gamma),
                              reel_gan_zero_centered_penalty(t, fake_scores, fake, gamma));
        loss = reel_add(t, loss, v->penalty);
    }
    v->d_real = mean_sigmoid(t, real_scores);
    v->d_fake = mean_sigmoid(t, fake_scores);
    update(tr, tr->gan.discriminator, loss, tr->d_optim);
}

/* Series of the training set, each as likely; false on error. */
static bool draw_batch(struct series_training *tr)
{
    int64_t batch = tr->settings->batch, size = tr->gan.sizes.steps * tr->train.channels;
    const int64_t *rows = reel_data_int64(tr->tape, reel_randint(tr->tape, 0, tr->train.count, REEL_SHAPE(batch)));
    for (int64_t i = 0; rows && i < batch; i++) {
        memcpy(tr->x + i * size, tr->scaled + rows[i] * size, (size_t)size * sizeof *tr->x);
        tr->labels[i] = tr->train.labels[rows[i]];
        tr->lengths[i] = tr->train.lengths[rows[i]];
    }
    return rows != NULL;
}

static void note(struct series_training *tr, const struct step_vars *v)
{
    struct series_metrics *m = &tr->metrics;
    m->g_loss += reel_item(tr->tape, v->g_loss);
    m->d_loss += reel_item(tr->tape, v->d_loss);
    m->d_real += reel_item(tr->tape, v->d_real);
    m->d_fake += reel_item(tr->tape, v->d_fake);
    m->steps++;
    if (!reel_is_null(v->penalty)) {
        m->penalty += reel_item(tr->tape, v->penalty);
        m->penalties++;
    }
}

static void update_average(const struct series_training *tr)
{
    /* Over the last eighth of the steps so far: a generator of long ago only blurs what is made. */
    double recent = (double)tr->step / 8 + 1, decay = 1 - 1 / recent;
    reel_ema_set_decay(tr->average, decay < tr->recipe.average ? decay : tr->recipe.average);
    reel_ema_update(tr->average);
}

bool series_run_step(struct series_training *tr)
{
    reel_tape *t = tr->tape;
    int64_t batch = tr->settings->batch;
    struct step_vars v = {0};
    if (draw_batch(tr)) {
        reel_var x = reel_borrow(t, tr->x, REEL_SHAPE(batch, tr->gan.sizes.steps, tr->train.channels));
        struct series_batch b = series_batch_of(t, &tr->gan, tr->labels, tr->lengths, batch);
        reel_var fake = step_of_generator(tr, x, &b, &v);
        step_of_discriminator(tr, x, fake, &b, &v);
        if (tr->average)
            update_average(tr);
        note(tr, &v);
    }
    tr->step++;
    if (reel_context_status(tr->context) != REEL_OK) {
        snprintf(tr->error, sizeof tr->error, "%s", reel_error(tr->context));
        return false;
    }
    reel_tape_reset(t);
    if (!isfinite(tr->metrics.g_loss) || !isfinite(tr->metrics.d_loss)) {
        snprintf(tr->error, sizeof tr->error,
                 "the loss is not a number after %lld steps: try a lower --lr, or see with --detect-anomaly where "
                 "it comes from",
                 (long long)tr->step);
        return false;
    }
    return true;
}
