/* cgan train: one step of the two networks, by either recipe. */
#include "cgan_training.h"

#include <math.h>
#include <string.h>

static reel_var mean_sigmoid(reel_tape *t, reel_var scores)
{
    return reel_mean_all(t, reel_sigmoid(t, reel_detach(t, scores)));
}

/* The non-saturating loss: -log sigmoid(score) for what should pass as real, mean over the batch. */
static reel_var loss_real(reel_tape *t, reel_var scores)
{
    return reel_mean_all(t, reel_softplus(t, reel_neg(t, scores), 1, 20));
}

static reel_var loss_fake(reel_tape *t, reel_var scores)
{
    return reel_mean_all(t, reel_softplus(t, scores, 1, 20));
}

/* R1 (Mescheder, Geiger and Nowozin 2018): half the squared norm of the scores' gradient at real images. */
static reel_var r1_penalty(reel_tape *t, reel_var x, reel_var scores)
{
    reel_var grad;
    reel_grad(t, reel_sum_all(t, scores), &x, 1, REEL_GRAD_CREATE_GRAPH, &grad);
    double batch = (double)reel_size(t, x, 0);
    return reel_mul_scalar(t, reel_sum_all(t, reel_square(t, grad)), 0.5 / batch);
}

struct step_vars {
    reel_var g_loss, d_loss, d_real, d_fake, penalty;
};

static void update(struct cgan_training *tr, reel_params *params, reel_var loss, reel_optim *optim)
{
    reel_zero_grad(params);
    if (reel_backward(tr->tape, loss, params) == REEL_OK)
        reel_optim_step(optim);
}

/* The generator's update, and the end of its scope: what was made, now a constant, and the loss are all that the
 * discriminator's step needs the memory of. */
static reel_var end_generator_step(struct cgan_training *tr, reel_var fake, struct step_vars *v)
{
    update(tr, tr->gan.generator, v->g_loss, tr->g_optim);
    reel_var kept[] = {fake, v->g_loss};
    reel_scope_end(tr->tape, kept, 2);
    v->g_loss = kept[1];
    return kept[0];
}

static struct step_vars default_step(struct cgan_training *tr, reel_var x, reel_var y, reel_var z, reel_var wanted)
{
    reel_tape *t = tr->tape;
    struct step_vars v = {0};
    int64_t batch = reel_size(t, x, 0);

    reel_scope_begin(t);
    reel_var fake = gan_generate(t, &tr->gan, z, wanted);
    v.g_loss = loss_real(t, gan_discriminate(t, &tr->gan, fake, wanted));
    fake = end_generator_step(tr, fake, &v);

    reel_var real_scores, fake_scores;
    bool penalize = tr->recipe.penalty > 0 && tr->step % tr->recipe.penalty_every == 0;
    if (penalize) {
        real_scores = gan_discriminate(t, &tr->gan, x, y);
        fake_scores = gan_discriminate(t, &tr->gan, fake, wanted);
        v.penalty = r1_penalty(t, x, real_scores);
    } else {
        /* One pass over both halves: larger products are faster ones. */
        reel_var both = reel_cat(t, REEL_VARS(x, fake), 0), labels = reel_cat(t, REEL_VARS(y, wanted), 0);
        reel_var scores = gan_discriminate(t, &tr->gan, both, labels);
        real_scores = reel_narrow(t, scores, 0, 0, batch);
        fake_scores = reel_narrow(t, scores, 0, batch, batch);
    }
    v.d_loss = reel_add(t, loss_real(t, real_scores), loss_fake(t, fake_scores));
    reel_var loss = v.d_loss;
    if (penalize)
        loss = reel_add(t, loss, reel_mul_scalar(t, v.penalty, tr->recipe.penalty * (double)tr->recipe.penalty_every));
    v.d_real = mean_sigmoid(t, real_scores);
    v.d_fake = mean_sigmoid(t, fake_scores);
    update(tr, tr->gan.discriminator, loss, tr->d_optim);
    return v;
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
    fake = end_generator_step(tr, fake, &v);

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
    struct step_vars v = tr->settings->recipe == RECIPE_REFERENCE ? reference_step(tr, x, y, z, wanted)
                                                                  : default_step(tr, x, y, z, wanted);
    if (tr->average) {
        /* Over the last eighth of the steps so far: a generator of long ago only blurs the pictures. */
        double recent = (double)tr->step / 8 + 1, decay = 1 - 1 / recent;
        reel_ema_set_decay(tr->average, decay < tr->recipe.average ? decay : tr->recipe.average);
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
