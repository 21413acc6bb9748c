/* series train: what a checkpoint holds of a training, and whether one may go on from it. */
#include "series_training.h"

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
static uint64_t hash_bytes(const void *data, size_t n, uint64_t hash)
{
    const unsigned char *bytes = data;
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ bytes[i]) * UINT64_C(1099511628211);
    return hash;
}

static void note_settings(const struct series_training *tr, int64_t saved[SAVED])
{
    const struct series_settings *s = tr->settings;
    const struct series_set *set = &tr->train;
    size_t count = (size_t)set->count;
    uint64_t hash = hash_bytes(set->labels, count * sizeof *set->labels, UINT64_C(14695981039346656037));
    hash = hash_bytes(set->lengths, count * sizeof *set->lengths, hash);
    hash = hash_bytes(set->x, count * (size_t)(set->longest * set->channels) * sizeof *set->x, hash);
    saved[SAVED_RECIPE] = s->recipe;
    saved[SAVED_STEPS] = s->steps;
    saved[SAVED_EVERY] = s->every;
    saved[SAVED_BATCH] = s->batch;
    saved[SAVED_HIDDEN] = s->hidden;
    saved[SAVED_SEED] = s->seed;
    saved[SAVED_MINUTES] = bits_of(s->minutes);
    saved[SAVED_LR] = bits_of(s->lr);
    saved[SAVED_GAMMA] = bits_of(s->gamma);
    saved[SAVED_NOISE] = bits_of(s->noise);
    saved[SAVED_SERIES] = (int64_t)hash;
}

bool series_make_checkpoint(struct series_training *tr)
{
    struct series_metrics *m = &tr->metrics;
    const struct {
        const char *name;
        double *number;
    } numbers[] = {{"d_loss", &m->d_loss}, {"g_loss", &m->g_loss},   {"d_real", &m->d_real},
                   {"d_fake", &m->d_fake}, {"penalty", &m->penalty}, {"seconds", &tr->seconds}};
    const struct {
        const char *name;
        int64_t *data;
    } counts[] = {{"step", &tr->step}, {"round", &tr->round}, {"steps", &m->steps}, {"penalties", &m->penalties}};
    note_settings(tr, tr->saved);
    reel_checkpoint *k = tr->checkpoint = reel_checkpoint_new(tr->context);
    reel_checkpoint_add_params(k, "generator", tr->gan.generator);
    reel_checkpoint_add_params(k, "discriminator", tr->gan.discriminator);
    reel_checkpoint_add_optim(k, "generator", tr->g_optim);
    reel_checkpoint_add_optim(k, "discriminator", tr->d_optim);
    if (tr->average)
        reel_checkpoint_add_ema(k, "generator", tr->average);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        reel_checkpoint_add_number(k, numbers[i].name, numbers[i].number);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        reel_checkpoint_add_array(k, counts[i].name, REEL_INT64, counts[i].data, REEL_SCALAR);
    reel_checkpoint_add_array(k, "settings", REEL_INT64, tr->saved, REEL_SHAPE(SAVED));
    reel_checkpoint_add_array(k, "grid_noise", REEL_REAL, tr->grid_noise,
                              REEL_SHAPE(tr->grid.count, series_noise_size(&tr->gan.sizes)));
    snprintf(tr->error, sizeof tr->error, "%s", reel_error(tr->context));
    return reel_context_status(tr->context) == REEL_OK;
}

/* Goes to where the run was. Its settings were compared before; whether the series are the same shows only now. */
bool series_load_checkpoint(struct series_training *tr)
{
    char path[RUN_MAX_PATH];
    int64_t series = tr->saved[SAVED_SERIES];
    run_path(&tr->run, path, RUN_CHECKPOINT);
    if (reel_checkpoint_load(tr->checkpoint, path) != REEL_OK) {
        snprintf(tr->error, sizeof tr->error, "%s", reel_error(tr->context));
        return false;
    }
    if (tr->saved[SAVED_SERIES] != series) {
        snprintf(tr->error, sizeof tr->error, "--resume %s: it was trained on other series than those of %s",
                 tr->settings->resume, tr->settings->source.data);
        return false;
    }
    if (tr->step < 0 || tr->round < 1) {
        snprintf(tr->error, sizeof tr->error, "%s: not a checkpoint of this program", path);
        return false;
    }
    note_settings(tr, tr->saved);
    tr->resumed = true;
    return run_continue(&tr->run, tr->round, tr->error, sizeof tr->error);
}

bool series_read_settings(const char *folder, struct series_settings *s, char *error, size_t error_size)
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
    if (saved[SAVED_RECIPE] < 0 || saved[SAVED_RECIPE] >= SERIES_NETWORKS || saved[SAVED_EVERY] < 1) {
        snprintf(error, error_size, "%s: it has a recipe that this program does not know", path);
        return false;
    }
    s->recipe = (int)saved[SAVED_RECIPE];
    s->steps = saved[SAVED_STEPS];
    s->every = saved[SAVED_EVERY];
    s->batch = saved[SAVED_BATCH];
    s->hidden = saved[SAVED_HIDDEN];
    s->seed = saved[SAVED_SEED];
    s->minutes = double_of(saved[SAVED_MINUTES]);
    s->lr = double_of(saved[SAVED_LR]);
    s->gamma = double_of(saved[SAVED_GAMMA]);
    s->noise = double_of(saved[SAVED_NOISE]);
    return true;
}

bool series_expect_same_run(const struct series_settings *given, const struct series_settings *saved, char *error,
                            size_t error_size)
{
    const struct {
        const char *name;
        bool same;
    } options[] = {{"--recipe", given->recipe == saved->recipe},
                   {"--every", given->every == saved->every},
                   {"--batch", given->batch == saved->batch},
                   {"--hidden", given->hidden == saved->hidden},
                   {"--seed", given->seed == saved->seed},
                   {"--lr", bits_of(given->lr) == bits_of(saved->lr)},
                   {"--gamma", bits_of(given->gamma) == bits_of(saved->gamma)},
                   {"--noise", bits_of(given->noise) == bits_of(saved->noise)}};
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        if (!options[i].same) {
            snprintf(error, error_size, "--resume %s: it has another %s; leave the option out", given->resume,
                     options[i].name);
            return false;
        }
    if (given->steps == saved->steps && bits_of(given->minutes) == bits_of(saved->minutes))
        return true;
    char change[256];
    snprintf(change, sizeof change, "--steps %lld --minutes %g instead of --steps %lld --minutes %g",
             (long long)given->steps, given->minutes, (long long)saved->steps, saved->minutes);
    if (given->extend) {
        fprintf(stderr, "series train: --extend: %s; from here on the learning rate follows the new length\n", change);
        return true;
    }
    snprintf(error, error_size,
             "--resume %s: %s is another length, and so another schedule; add --extend if you want it", given->resume,
             change);
    return false;
}
