/* cgan train: the training, what it writes on the way, and how it ends. */
#include "cgan.h"

#include "arguments.h"
#include "picture.h"
#include "process.h"
#include "run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum recipe { RECIPE_DEFAULT, RECIPE_REFERENCE };
static const char *const recipe_names[] = {"default", "reference", NULL};

enum { GRID_COLUMNS = 10 };

struct settings {
    int recipe;
    const char *data, *out, *resume;
    int64_t epochs, batch, seed, threads;
    double minutes, lr;
    bool overwrite, extend, detect_anomaly;
};

/* What differs between the recipes besides the loss. */
struct recipe_defaults {
    int64_t batch;
    double lr, beta1, beta2, batch_norm_eps, dropout;
    double average;        /* largest decay of the moving average of the generator; 0: none */
    double penalty;        /* gamma of R1; 0: none */
    int64_t penalty_every; /* steps; the penalty counts as many times */
    double cool_down;      /* for this last part of the training a cosine lowers the learning rate ... */
    double final_lr;       /* ... to this part of it */
};

static const struct recipe_defaults recipes[] = {
    [RECIPE_DEFAULT] = {.batch = 128,
                        .lr = 1e-3,
                        .beta1 = 0.0,
                        .beta2 = 0.99,
                        .batch_norm_eps = 1e-5,
                        .dropout = 0.0,
                        .average = 0.9995,
                        .penalty = 1.0,
                        .penalty_every = 4,
                        .cool_down = 0.7,
                        .final_lr = 0.1},
    [RECIPE_REFERENCE] = {.batch = 64, .lr = 2e-4, .beta1 = 0.5, .beta2 = 0.999, .batch_norm_eps = 0.8, .dropout = 0.4},
};

/* Means since the last line of metrics. */
struct metrics {
    double d_loss, g_loss, d_real, d_fake, penalty;
    int64_t steps, penalties;
};

/* What a checkpoint says about the run besides its state, so that it is not resumed as another one. Doubles are there
 * as their bits. */
enum { SAVED_RECIPE, SAVED_EPOCHS, SAVED_BATCH, SAVED_SEED, SAVED_MINUTES, SAVED_LR, SAVED_IMAGES, SAVED };

struct training {
    const struct settings *settings;
    struct run run;
    struct recipe_defaults recipe;
    struct dataset data;
    struct cgan_image image;
    int64_t pixels, classes;
    float *pixel_table; /* [count, pixels], in -1..1 */
    float *x;           /* [batch, pixels] */
    int64_t *y;         /* [batch] */
    int64_t *order;     /* [count] */
    int64_t *grid_labels;
    float *grid_noise;
    reel_context *context;
    reel_tape *tape;
    struct gan gan;
    reel_optim *g_optim, *d_optim;
    reel_ema *average;
    struct metrics metrics;
    int64_t step, epoch, next_batch; /* the epoch under way, and its first batch that is not done */
    double seconds;                  /* until the last checkpoint */
    int64_t saved[SAVED];
    reel_checkpoint *checkpoint;
    bool resumed; /* in the middle of an epoch, or before what its end writes */
    char error[CGAN_ERROR_SIZE];
};

/* ---- One step ---- */

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

static void update(struct training *tr, reel_params *params, reel_var loss, reel_optim *optim)
{
    reel_zero_grad(params);
    if (reel_backward(tr->tape, loss, params) == REEL_OK)
        reel_optim_step(optim);
}

/* The generator's update, and the end of its scope: what was made, now a constant, and the loss are all that the
 * discriminator's step needs the memory of. */
static reel_var end_generator_step(struct training *tr, reel_var fake, struct step_vars *v)
{
    update(tr, tr->gan.generator, v->g_loss, tr->g_optim);
    reel_var kept[] = {fake, v->g_loss};
    reel_scope_end(tr->tape, kept, 2);
    v->g_loss = kept[1];
    return kept[0];
}

static struct step_vars default_step(struct training *tr, reel_var x, reel_var y, reel_var z, reel_var wanted)
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
static struct step_vars reference_step(struct training *tr, reel_var x, reel_var y, reel_var z, reel_var wanted)
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

static bool run_step(struct training *tr, const int64_t *rows)
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
    struct metrics *m = &tr->metrics;
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

/* ---- Files ---- */

/* The running statistics of batch norm belong to the weights of the last step. For the averaged weights they are taken
 * anew, by passes in training mode (torch.optim.swa_utils.update_bn). */
static void update_statistics(struct training *tr)
{
    enum { PASSES = 60, BATCH = 256 };
    reel_tape *t = tr->tape;
    for (int i = 0; i < PASSES && reel_context_status(tr->context) == REEL_OK; i++) {
        reel_no_grad_begin(t);
        reel_var z = reel_randn(t, REEL_SHAPE(BATCH, tr->gan.sizes.noise));
        reel_var y = reel_randint(t, 0, tr->classes, REEL_SHAPE(BATCH));
        gan_generate(t, &tr->gan, z, y);
        reel_no_grad_end(t);
        if (reel_context_status(tr->context) == REEL_OK)
            reel_tape_reset(t);
    }
}

static struct picture_grid picture_of(const struct training *tr)
{
    return (struct picture_grid){tr->classes, GRID_COLUMNS, tr->image.rows, tr->image.columns, 2, 2};
}

/* A file could not be written. The first reason of an epoch is kept. */
static void missing(struct training *tr, bool *written, const char *error)
{
    if (*written)
        snprintf(tr->error, sizeof tr->error, "%s", error);
    *written = false;
}

/* What the model is made of, before that draws anything: so a run that is resumed writes the model anew, and has then
 * drawn what one has that was never stopped. */
static bool write_checkpoint(struct training *tr, bool *written)
{
    char path[RUN_MAX_PATH];
    run_path(&tr->run, path, RUN_CHECKPOINT);
    reel_status status = reel_checkpoint_save(tr->checkpoint, path);
    if (status != REEL_OK)
        snprintf(tr->error, sizeof tr->error, "%s", reel_error(tr->context));
    if (status != REEL_ERROR_IO)
        return status == REEL_OK;
    missing(tr, written, reel_error(tr->context));
    reel_clear_error(tr->context);
    return true;
}

/* Writes the model, then a picture. A disk that is full does not end a training: false is for other errors, *written
 * becomes false when a file could not be written, and tr->error says why. */
static bool write_model(struct training *tr, int64_t epoch, bool *written)
{
    if (tr->average) {
        reel_ema_swap(tr->average);
        update_statistics(tr);
    }
    reel_eval(tr->gan.generator);
    reel_tape *t = tr->tape;
    int64_t n = tr->classes * GRID_COLUMNS;
    reel_no_grad_begin(t);
    reel_var z = reel_borrow(t, tr->grid_noise, REEL_SHAPE(n, tr->gan.sizes.noise));
    reel_var y = reel_borrow_of(t, REEL_INT64, tr->grid_labels, REEL_SHAPE(n));
    const reel_real *made = reel_data_real(t, gan_generate(t, &tr->gan, z, y));
    reel_no_grad_end(t);
    const struct picture_grid grid = picture_of(tr);
    char path[RUN_MAX_PATH];
    if (made) {
        run_path(&tr->run, path, RUN_MODEL);
        if (cgan_save(&tr->gan, &tr->image, path) == REEL_ERROR_IO) {
            missing(tr, written, reel_error(tr->context));
            reel_clear_error(tr->context);
        }
        run_picture_path(&tr->run, path, epoch);
        char error[CGAN_ERROR_SIZE];
        if (!picture_write(path, made, &grid, error, sizeof error))
            missing(tr, written, error);
    }
    bool ok = reel_context_status(tr->context) == REEL_OK;
    if (!ok)
        snprintf(tr->error, sizeof tr->error, "%s", reel_error(tr->context));
    reel_tape_reset(t);
    reel_train(tr->gan.generator);
    if (tr->average)
        reel_ema_swap(tr->average);
    return ok;
}

static void note_metrics(struct training *tr, int64_t epoch, double seconds)
{
    const struct metrics *m = &tr->metrics;
    double steps = (double)(m->steps ? m->steps : 1), penalties = (double)(m->penalties ? m->penalties : 1);
    char line[256];
    snprintf(line, sizeof line, "%lld,%lld,%.3f,%.6g,%.6g,%.6g,%.6g,%.6g\n", (long long)epoch, (long long)tr->step,
             seconds, m->d_loss / steps, m->g_loss / steps, m->d_real / steps, m->d_fake / steps,
             m->penalty / penalties);
    run_note(&tr->run, line);
}

/* All that an epoch leaves. What cannot be written is tried again after the next epoch; a line says so once. */
static bool write_outputs(struct training *tr, int64_t epoch, double seconds, bool *written)
{
    bool complained = !*written;
    *written = true;
    note_metrics(tr, epoch, seconds);
    tr->seconds = seconds;
    if (!write_checkpoint(tr, written) || !write_model(tr, epoch, written))
        return false;
    char error[CGAN_ERROR_SIZE];
    if (!run_write_metrics(&tr->run, epoch, error, sizeof error))
        missing(tr, written, error);
    if (!*written && !complained)
        fprintf(stderr, "cgan train: warning: %s; training goes on and tries again after every epoch\n", tr->error);
    return true;
}

static void metrics_text(const struct metrics *m, char text[128])
{
    double steps = (double)(m->steps ? m->steps : 1);
    snprintf(text, 128, "D %.2f G %.2f D(x) %.2f D(G(z)) %.2f", m->d_loss / steps, m->g_loss / steps, m->d_real / steps,
             m->d_fake / steps);
}

/* ---- The loop ---- */

/* How far training is: by epochs or by time, whichever ends it first. */
static double fraction_done(const struct training *tr, int64_t batches, double seconds)
{
    const struct settings *s = tr->settings;
    double by_steps = s->epochs > 0 ? (double)tr->step / (double)(s->epochs * batches) : 0;
    double by_time = s->minutes > 0 ? seconds / (s->minutes * 60) : 0;
    double done = by_steps > by_time ? by_steps : by_time;
    return done < 1 ? done : 1;
}

/* The bar is about the whole training, so its label is too: which epoch, and of how many when they end it. */
static void epoch_text(const struct settings *s, int64_t epoch, char text[96])
{
    if (s->epochs > 0 && s->minutes <= 0)
        snprintf(text, 96, "epoch %lld/%lld", (long long)epoch, (long long)s->epochs);
    else
        snprintf(text, 96, "epoch %lld", (long long)epoch);
}

static void set_learning_rate(struct training *tr, double fraction)
{
    double cool_down = tr->recipe.cool_down, lr = tr->settings->lr;
    if (cool_down > 0 && fraction > 1 - cool_down) {
        double part = (fraction - (1 - cool_down)) / cool_down, last = lr * tr->recipe.final_lr;
        lr = last + (lr - last) * 0.5 * (1 + cos(acos(-1.0) * part));
    }
    reel_optim_set_lr(tr->g_optim, 0, lr);
    reel_optim_set_lr(tr->d_optim, 0, lr);
}

static bool shuffle(struct training *tr)
{
    const int64_t *order = reel_data_int64(tr->tape, reel_randperm(tr->tape, tr->data.count));
    if (!order) {
        snprintf(tr->error, sizeof tr->error, "%s", reel_error(tr->context));
        return false;
    }
    memcpy(tr->order, order, (size_t)tr->data.count * sizeof *tr->order);
    reel_tape_reset(tr->tape);
    return true;
}

static bool train(struct training *tr)
{
    const struct settings *s = tr->settings;
    int64_t batches = tr->data.count / s->batch;
    struct progress progress;
    char label[96], text[128];
    double before = tr->seconds, fraction = fraction_done(tr, batches, before);
    bool written = true, under_way = tr->resumed;
    progress_begin(&progress, stderr);
    for (; (fraction < 1 || under_way) && !process_stopping(); tr->epoch++) {
        epoch_text(s, tr->epoch, label);
        if (!under_way) {
            tr->metrics = (struct metrics){0};
            tr->next_batch = 0;
            if (!shuffle(tr))
                return false;
        }
        under_way = false;
        for (; tr->next_batch < batches && fraction < 1 && !process_stopping(); tr->next_batch++) {
            set_learning_rate(tr, fraction);
            if (!run_step(tr, tr->order + tr->next_batch * s->batch)) {
                progress_end(&progress);
                return false;
            }
            fraction = fraction_done(tr, batches, before + progress_seconds(&progress));
            if (progress_due(&progress)) {
                metrics_text(&tr->metrics, text);
                progress_report(&progress, fraction, tr->step * s->batch, "img", label, text);
            }
        }
        metrics_text(&tr->metrics, text);
        progress_line(&progress, fraction, tr->step * s->batch, "img", label, text);
        if (!write_outputs(tr, tr->epoch, before + progress_seconds(&progress), &written)) {
            progress_end(&progress);
            return false;
        }
    }
    progress_end(&progress);
    return written;
}

/* ---- Setting up ---- */

static bool load_data(struct training *tr)
{
    if (!dataset_load(&tr->data, tr->settings->data, true, 256, tr->error, sizeof tr->error))
        return false;
    struct dataset *d = &tr->data;
    tr->image = (struct cgan_image){d->rows, d->columns};
    tr->pixels = d->rows * d->columns;
    for (int64_t i = 0; i < d->count; i++)
        tr->classes = d->labels[i] >= tr->classes ? d->labels[i] + 1 : tr->classes;
    if (tr->settings->batch > d->count) {
        snprintf(tr->error, sizeof tr->error, "--batch %lld is more than the %lld images in %s",
                 (long long)tr->settings->batch, (long long)d->count, tr->settings->data);
        return false;
    }
    if (d->rows > CGAN_MAX_SIDE || d->columns > CGAN_MAX_SIDE) {
        snprintf(tr->error, sizeof tr->error, "%s: its images are %lld x %lld, at most %d x %d are taken",
                 tr->settings->data, (long long)d->columns, (long long)d->rows, CGAN_MAX_SIDE, CGAN_MAX_SIDE);
        return false;
    }
    const struct picture_grid grid = picture_of(tr);
    return picture_fits(tr->settings->out, &grid, tr->error, sizeof tr->error);
}

static bool allocate(struct training *tr)
{
    size_t pixels = (size_t)tr->pixels, batch = (size_t)tr->settings->batch, count = (size_t)tr->data.count;
    size_t n = (size_t)tr->classes * GRID_COLUMNS;
    tr->pixel_table = malloc(count * pixels * sizeof(float));
    tr->x = malloc(batch * pixels * sizeof(float));
    tr->y = malloc(batch * sizeof(int64_t));
    tr->order = malloc(count * sizeof(int64_t));
    tr->grid_labels = malloc(n * sizeof(int64_t));
    tr->grid_noise = malloc(n * (size_t)tr->gan.sizes.noise * sizeof(float));
    if (!tr->pixel_table || !tr->x || !tr->y || !tr->order || !tr->grid_labels || !tr->grid_noise) {
        snprintf(tr->error, sizeof tr->error, "out of memory");
        return false;
    }
    cgan_pixels(tr->data.images, tr->data.count * tr->pixels, tr->pixel_table);
    for (size_t i = 0; i < n; i++)
        tr->grid_labels[i] = (int64_t)(i / GRID_COLUMNS);
    return true;
}

static bool build(struct training *tr)
{
    const struct settings *s = tr->settings;
    reel_context_options o = reel_context_defaults();
    o.seed = (uint64_t)s->seed;
    o.num_threads = (int)s->threads;
    tr->context = reel_context_new(&o);
    if (s->detect_anomaly)
        reel_set_detect_anomaly(tr->context, true);
    tr->tape = reel_tape_new(tr->context);
    struct gan_sizes sizes = gan_image_sizes(tr->recipe.batch_norm_eps, tr->recipe.dropout);
    sizes.data = tr->pixels;
    sizes.classes = tr->classes;
    tr->gan = gan_new(tr->context, &sizes);
    reel_adam_options adam = reel_adam_defaults();
    adam.lr = s->lr;
    adam.beta1 = tr->recipe.beta1;
    adam.beta2 = tr->recipe.beta2;
    tr->g_optim = reel_adam_new(tr->gan.generator, &adam);
    tr->d_optim = reel_adam_new(tr->gan.discriminator, &adam);
    if (tr->recipe.average > 0)
        tr->average = reel_ema_new(tr->gan.generator, tr->recipe.average);
    int64_t n = tr->classes * GRID_COLUMNS * sizes.noise;
    if (!allocate(tr))
        return false;
    const reel_real *noise = reel_data_real(tr->tape, reel_randn(tr->tape, REEL_SHAPE(n)));
    if (!noise) {
        snprintf(tr->error, sizeof tr->error, "%s", reel_error(tr->context));
        return false;
    }
    memcpy(tr->grid_noise, noise, (size_t)n * sizeof *noise);
    reel_tape_reset(tr->tape);
    return true;
}

/* ---- Resuming ---- */

static int64_t bits_of(double x)
{
    int64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static double double_of(int64_t bits)
{
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* FNV-1a. */
static int64_t hash_bytes(const unsigned char *bytes, int64_t n, uint64_t hash)
{
    for (int64_t i = 0; i < n; i++)
        hash = (hash ^ bytes[i]) * UINT64_C(1099511628211);
    return (int64_t)hash;
}

static void note_settings(const struct training *tr, int64_t saved[SAVED])
{
    const struct settings *s = tr->settings;
    int64_t hash = hash_bytes(tr->data.labels, tr->data.count, UINT64_C(14695981039346656037));
    saved[SAVED_RECIPE] = s->recipe;
    saved[SAVED_EPOCHS] = s->epochs;
    saved[SAVED_BATCH] = s->batch;
    saved[SAVED_SEED] = s->seed;
    saved[SAVED_MINUTES] = bits_of(s->minutes);
    saved[SAVED_LR] = bits_of(s->lr);
    saved[SAVED_IMAGES] = hash_bytes(tr->data.images, tr->data.count * tr->pixels, (uint64_t)hash);
}

static bool make_checkpoint(struct training *tr)
{
    static const char *const names[] = {"d_loss", "g_loss", "d_real", "d_fake", "penalty"};
    struct metrics *m = &tr->metrics;
    double *numbers[] = {&m->d_loss, &m->g_loss, &m->d_real, &m->d_fake, &m->penalty};
    const struct {
        const char *name;
        int64_t *data;
    } counts[] = {{"step", &tr->step},
                  {"epoch", &tr->epoch},
                  {"next_batch", &tr->next_batch},
                  {"steps", &m->steps},
                  {"penalties", &m->penalties}};
    note_settings(tr, tr->saved);
    reel_checkpoint *k = tr->checkpoint = reel_checkpoint_new(tr->context);
    reel_checkpoint_add_params(k, "generator", tr->gan.generator);
    reel_checkpoint_add_params(k, "discriminator", tr->gan.discriminator);
    reel_checkpoint_add_optim(k, "generator", tr->g_optim);
    reel_checkpoint_add_optim(k, "discriminator", tr->d_optim);
    if (tr->average)
        reel_checkpoint_add_ema(k, "generator", tr->average);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        reel_checkpoint_add_number(k, names[i], numbers[i]);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        reel_checkpoint_add_array(k, counts[i].name, REEL_INT64, counts[i].data, REEL_SCALAR);
    reel_checkpoint_add_number(k, "seconds", &tr->seconds);
    reel_checkpoint_add_array(k, "settings", REEL_INT64, tr->saved, REEL_SHAPE(SAVED));
    reel_checkpoint_add_array(k, "order", REEL_INT64, tr->order, REEL_SHAPE(tr->data.count));
    reel_checkpoint_add_array(k, "grid_noise", REEL_REAL, tr->grid_noise,
                              REEL_SHAPE(tr->classes * GRID_COLUMNS, tr->gan.sizes.noise));
    snprintf(tr->error, sizeof tr->error, "%s", reel_error(tr->context));
    return reel_context_status(tr->context) == REEL_OK;
}

/* Goes to where the run was. Its settings were compared before; whether the images are the same shows only now. */
static bool load_checkpoint(struct training *tr)
{
    char path[RUN_MAX_PATH];
    int64_t images = tr->saved[SAVED_IMAGES];
    run_path(&tr->run, path, RUN_CHECKPOINT);
    if (reel_checkpoint_load(tr->checkpoint, path) != REEL_OK) {
        snprintf(tr->error, sizeof tr->error, "%s", reel_error(tr->context));
        return false;
    }
    if (tr->saved[SAVED_IMAGES] != images) {
        snprintf(tr->error, sizeof tr->error, "--resume %s: it was trained on other images than those in %s",
                 tr->settings->resume, tr->settings->data);
        return false;
    }
    for (int64_t i = 0; i < tr->data.count; i++)
        if (tr->order[i] < 0 || tr->order[i] >= tr->data.count || tr->next_batch < 0 || tr->epoch < 1) {
            snprintf(tr->error, sizeof tr->error, "%s: not a checkpoint of this program", path);
            return false;
        }
    note_settings(tr, tr->saved);
    tr->resumed = true;
    return run_continue(&tr->run, tr->epoch, tr->error, sizeof tr->error);
}

/* The settings of the run that a folder holds. */
static bool read_settings(const char *folder, struct settings *s, char *error, size_t error_size)
{
    char path[RUN_MAX_PATH];
    const struct run run = {.folder = folder};
    int64_t saved[SAVED];
    run_path(&run, path, RUN_CHECKPOINT);
    reel_context *c = reel_context_new(NULL);
    reel_safetensors *file = reel_safetensors_open(c, path);
    reel_safetensors_read(file, "user/settings", REEL_INT64, saved, SAVED);
    bool ok = reel_context_status(c) == REEL_OK;
    snprintf(error, error_size, "%s", reel_error(c));
    reel_safetensors_close(file);
    reel_context_free(c);
    if (!ok)
        return false;
    if (saved[SAVED_RECIPE] < RECIPE_DEFAULT || saved[SAVED_RECIPE] > RECIPE_REFERENCE) {
        snprintf(error, error_size, "%s: it has a recipe that this program does not know", path);
        return false;
    }
    s->recipe = (int)saved[SAVED_RECIPE];
    s->epochs = saved[SAVED_EPOCHS];
    s->batch = saved[SAVED_BATCH];
    s->seed = saved[SAVED_SEED];
    s->minutes = double_of(saved[SAVED_MINUTES]);
    s->lr = double_of(saved[SAVED_LR]);
    return true;
}

/* Whether what was given on the command line goes together with the run that is resumed. */
static bool expect_same_run(const struct settings *given, const struct settings *saved, char *error, size_t error_size)
{
    const char *other = given->recipe != saved->recipe             ? "--recipe"
                        : given->batch != saved->batch             ? "--batch"
                        : given->seed != saved->seed               ? "--seed"
                        : bits_of(given->lr) != bits_of(saved->lr) ? "--lr"
                                                                   : NULL;
    if (other) {
        snprintf(error, error_size, "--resume %s: it has another %s; leave the option out", given->resume, other);
        return false;
    }
    bool same = given->epochs == saved->epochs && bits_of(given->minutes) == bits_of(saved->minutes);
    if (same)
        return true;
    char change[256];
    snprintf(change, sizeof change, "--epochs %lld --minutes %g instead of --epochs %lld --minutes %g",
             (long long)given->epochs, given->minutes, (long long)saved->epochs, saved->minutes);
    if (given->extend) {
        fprintf(stderr, "cgan train: --extend: %s; from here on the learning rate follows the new length\n", change);
        return true;
    }
    snprintf(error, error_size,
             "--resume %s: %s is another length, and so another schedule; add --extend if you want it", given->resume,
             change);
    return false;
}

static void release(struct training *tr)
{
    run_close(&tr->run);
    reel_checkpoint_free(tr->checkpoint);
    reel_ema_free(tr->average);
    reel_optim_free(tr->g_optim);
    reel_optim_free(tr->d_optim);
    reel_tape_free(tr->tape);
    gan_free(&tr->gan);
    reel_context_free(tr->context);
    free(tr->pixel_table);
    free(tr->x);
    free(tr->y);
    free(tr->order);
    free(tr->grid_labels);
    free(tr->grid_noise);
    dataset_free(&tr->data);
}

int cgan_train(int argc, char **argv)
{
    struct settings s = {.recipe = RECIPE_DEFAULT, .data = DATASET_FASHION_MNIST, .out = "cgan-out", .minutes = 10};
    const struct option options[] = {
        OPTION_TEXT("data", &s.data, "DIR", "folder with MNIST-style idx or idx.gz files"),
        OPTION_TEXT("out", &s.out, "DIR", "folder for pictures, metrics.csv, the model and the checkpoint"),
        OPTION_INTEGER("epochs", &s.epochs, 0, 1000000, "N", "end after N passes over the images; 0: no limit"),
        OPTION_NUMBER("minutes", &s.minutes, 0, 1e6, "M", "end after M minutes; 0: no limit"),
        OPTION_INTEGER("batch", &s.batch, 0, 65536, "N", "images a step; 0: the recipe's"),
        OPTION_NUMBER("lr", &s.lr, 0, 10, "X", "learning rate; 0: the recipe's"),
        OPTION_INTEGER("seed", &s.seed, 0, INT64_MAX, "N", "seed of everything drawn"),
        OPTION_INTEGER("threads", &s.threads, 0, 256, "N", "threads; 0: one a core"),
        OPTION_FLAG("overwrite", &s.overwrite, "replace the run that --out holds"),
        OPTION_TEXT("resume", &s.resume, "DIR", "go on with the run that DIR holds, with its settings"),
        OPTION_FLAG("extend", &s.extend, "with --resume: another --epochs or --minutes is meant"),
        OPTION_FLAG("detect-anomaly", &s.detect_anomaly, "end at the first number that is not finite and say where"),
        OPTION_CHOICE("recipe", &s.recipe, recipe_names, "NAME",
                      "default: non-saturating loss with R1; reference: PyTorch-GAN's script"),
    };
    const struct arguments arguments = {
        .usage = "cgan train",
        .summary = "Trains the conditional GAN; after every epoch writes a grid of samples (one row a\n"
                   "class), a line of metrics, and the model. Ctrl-C, TERM and HUP end it and keep\n"
                   "what was learned; --resume DIR goes on from there, to the same bits. "
                   "With --minutes 0 and --epochs N the same seed gives the same model.",
        .options = options,
        .count = sizeof options / sizeof *options};
    int exit_code;
    if (!arguments_parse(&arguments, argc, argv, &exit_code))
        return exit_code;
    if (s.extend && !s.resume)
        return fputs("cgan train: --extend is for --resume\n", stderr), ARGUMENTS_WRONG;
    struct training tr = {.settings = &s, .epoch = 1};
    struct settings saved = s;
    if (s.resume) {
        if (!read_settings(s.resume, &saved, tr.error, sizeof tr.error))
            return cgan_fail("train", tr.error);
        /* Once more, over what the run has: only what the command line names differs. */
        s = saved;
        arguments_parse(&arguments, argc, argv, &exit_code);
        s.out = s.resume;
    }
    if (s.epochs == 0 && s.minutes == 0)
        return fputs("cgan train: --epochs 0 with --minutes 0 would never end\n", stderr), ARGUMENTS_WRONG;

    tr.recipe = recipes[s.recipe];
    if (s.batch == 0)
        s.batch = tr.recipe.batch;
    if (s.lr <= 0)
        s.lr = tr.recipe.lr;
    if (s.batch == 1)
        return fputs("cgan train: --batch 1: batch norm needs at least 2 images a step\n", stderr), ARGUMENTS_WRONG;
    if (s.resume && !expect_same_run(&s, &saved, tr.error, sizeof tr.error))
        return cgan_fail("train", tr.error);
    bool replaces = s.overwrite || s.resume;
    bool ok = run_check(s.out, replaces, tr.error, sizeof tr.error) && load_data(&tr) && build(&tr) &&
              make_checkpoint(&tr) && run_open(&tr.run, s.out, replaces, tr.error, sizeof tr.error);
    if (ok && s.resume)
        ok = load_checkpoint(&tr);
    else if (ok)
        run_note(&tr.run, "epoch,step,seconds,d_loss,g_loss,d_real,d_fake,r1\n");
    if (ok) {
        process_catch_stop();
        fprintf(stderr, "%lld images of %lld x %lld in %lld classes from %s; recipe %s, batch %lld, %d thread%s\n",
                (long long)tr.data.count, (long long)tr.image.columns, (long long)tr.image.rows, (long long)tr.classes,
                s.data, recipe_names[s.recipe], (long long)s.batch, reel_get_num_threads(tr.context),
                reel_get_num_threads(tr.context) == 1 ? "" : "s");
        ok = train(&tr);
    }
    if (!ok)
        cgan_fail("train", tr.error);
    else
        fprintf(stderr, "pictures, metrics.csv and model.safetensors are in %s\n", s.out);
    release(&tr);
    return ok ? 0 : 1;
}
