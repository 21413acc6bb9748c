/* cgan train: what a checkpoint holds of a training, and whether one may go on from it. */
#include "cgan_training.h"

#include <string.h>

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

static void note_settings(const struct cgan_training *tr, int64_t saved[SAVED])
{
    const struct cgan_settings *s = tr->settings;
    int64_t hash = hash_bytes(tr->data.labels, tr->data.count, UINT64_C(14695981039346656037));
    saved[SAVED_RECIPE] = cgan_recipe_number(tr->recipe);
    saved[SAVED_EPOCHS] = s->epochs;
    saved[SAVED_BATCH] = s->batch;
    saved[SAVED_SEED] = s->seed;
    saved[SAVED_MINUTES] = bits_of(s->minutes);
    saved[SAVED_LR] = bits_of(s->lr);
    saved[SAVED_IMAGES] = hash_bytes(tr->data.images, tr->data.count * tr->pixels, (uint64_t)hash);
}

bool cgan_make_checkpoint(struct cgan_training *tr)
{
    static const char *const names[] = {"d_loss", "g_loss", "d_real", "d_fake", "penalty"};
    struct cgan_metrics *m = &tr->metrics;
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
bool cgan_load_checkpoint(struct cgan_training *tr)
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

bool cgan_read_settings(const char *folder, struct cgan_settings *s, char *error, size_t error_size)
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
    const struct cgan_recipe *recipe = cgan_recipe_at(saved[SAVED_RECIPE]);
    if (!recipe) {
        snprintf(error, error_size, "%s: it has a recipe that this program does not know", path);
        return false;
    }
    s->network = (int)recipe->network;
    s->recipe = (int)recipe->name;
    s->epochs = saved[SAVED_EPOCHS];
    s->batch = saved[SAVED_BATCH];
    s->seed = saved[SAVED_SEED];
    s->minutes = double_of(saved[SAVED_MINUTES]);
    s->lr = double_of(saved[SAVED_LR]);
    return true;
}

bool cgan_expect_same_run(const struct cgan_settings *given, const struct cgan_settings *saved, char *error,
                          size_t error_size)
{
    const char *other = given->network != saved->network           ? "--network"
                        : given->recipe != saved->recipe           ? "--recipe"
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
