/* What a checkpoint holds of a training, and whether one may go on from it. */
#include "gan_training.h"

#include <string.h>

static int64_t value_of(const struct training_setting *setting)
{
    int64_t bits;
    if (setting->integer)
        return *setting->integer;
    memcpy(&bits, setting->number, sizeof bits);
    return bits;
}

static void set_value(const struct training_setting *setting, int64_t value)
{
    if (setting->integer)
        *setting->integer = value;
    else
        memcpy(setting->number, &value, sizeof value);
}

static int count(const struct training *t)
{
    int n = 0;
    while (t->list[n].option)
        n++;
    return n;
}

uint64_t training_hash(const void *data, size_t n, uint64_t hash)
{
    const unsigned char *bytes = data;
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ bytes[i]) * UINT64_C(1099511628211);
    return hash;
}

/* ---- The command line ---- */

static bool read_saved(struct training *t)
{
    char path[RUN_MAX_PATH];
    const struct run run = {.folder = t->settings->resume};
    const int n = count(t);
    run_path(&run, path, RUN_CHECKPOINT);
    reel_context *c = reel_context_new(NULL);
    reel_safetensors *file = reel_safetensors_open(c, path);
    reel_safetensors_read(file, "user/settings", REEL_INT64, t->saved, n + 1);
    bool ok = reel_context_status(c) == REEL_OK;
    snprintf(t->error, sizeof t->error, "%s", reel_error(c));
    reel_safetensors_close(file);
    reel_context_free(c);
    for (int i = 0; i < n && ok; i++)
        set_value(&t->list[i], t->saved[i]);
    if (!ok || t->kind->adopt(t))
        return ok;
    snprintf(t->error, sizeof t->error, "%s: it has a recipe that this program does not know", path);
    return false;
}

bool training_arguments(struct training *t, const struct arguments *arguments, int argc, char **argv, int *exit_code)
{
    struct training_settings *s = t->settings;
    const char *program = t->kind->program;
    if (!arguments_parse(arguments, argc, argv, exit_code))
        return false;
    *exit_code = ARGUMENTS_WRONG;
    if (s->extend && !s->resume)
        return fprintf(stderr, "%s: --extend is for --resume\n", program), false;
    if (s->resume) {
        if (!read_saved(t)) {
            *exit_code = 1;
            return fprintf(stderr, "%s: %s\n", program, t->error), false;
        }
        /* Once more, over what the run has: only what the command line names differs. */
        arguments_parse(arguments, argc, argv, exit_code);
        s->out = s->resume;
    }
    for (const struct training_setting *i = t->list; i->option; i++)
        if (i->is_length && i->integer && *i->integer == 0 && s->minutes == 0)
            return fprintf(stderr, "%s: %s 0 with --minutes 0 would never end\n", program, i->option), false;
    return true;
}

/* Appends the settings that say how long a training is, as they are or as they were. */
static void put_length(const struct training *t, bool saved, char *text, size_t size)
{
    for (int i = 0; t->list[i].option; i++) {
        int64_t integer;
        double number;
        const struct training_setting then = {.integer = t->list[i].integer ? &integer : NULL, .number = &number};
        if (!t->list[i].is_length)
            continue;
        set_value(&then, saved ? t->saved[i] : value_of(&t->list[i]));
        size_t at = strlen(text);
        if (then.integer)
            snprintf(text + at, size - at, "%s %lld ", t->list[i].option, (long long)integer);
        else
            snprintf(text + at, size - at, "%s %g ", t->list[i].option, number);
    }
}

static bool is_same_run(struct training *t)
{
    bool same = true;
    char change[256] = "";
    const char *resume = t->settings->resume;
    for (int i = 0; t->list[i].option; i++) {
        bool equal = value_of(&t->list[i]) == t->saved[i];
        if (!equal && !t->list[i].is_length) {
            snprintf(t->error, sizeof t->error, "--resume %s: it has another %s; leave the option out", resume,
                     t->list[i].option);
            return false;
        }
        same = same && equal;
    }
    if (same)
        return true;
    put_length(t, false, change, sizeof change);
    strcat(change, "instead of ");
    put_length(t, true, change, sizeof change);
    change[strlen(change) - 1] = '\0';
    if (t->settings->extend) {
        fprintf(stderr, "%s: --extend: %s; from here on the learning rate follows the new length\n", t->kind->program,
                change);
        return true;
    }
    snprintf(t->error, sizeof t->error,
             "--resume %s: %s is another length, and so another schedule; add --extend if you want it", resume, change);
    return false;
}

bool training_may_begin(struct training *t)
{
    const struct training_settings *s = t->settings;
    return (!s->resume || is_same_run(t)) && run_check(s->out, s->overwrite || s->resume, t->error, sizeof t->error);
}

/* ---- The checkpoint ---- */

static void note_settings(struct training *t, uint64_t hash)
{
    int n = count(t);
    for (int i = 0; i < n; i++)
        t->saved[i] = value_of(&t->list[i]);
    t->saved[n] = (int64_t)hash;
}

bool training_make_checkpoint(struct training *t, reel_shape noise, uint64_t hash)
{
    struct training_metrics *m = &t->metrics;
    const struct {
        const char *name;
        double *number;
    } numbers[] = {{"d_loss", &m->d_loss}, {"g_loss", &m->g_loss},   {"d_real", &m->d_real},
                   {"d_fake", &m->d_fake}, {"penalty", &m->penalty}, {"seconds", &t->seconds}};
    const struct {
        const char *name;
        int64_t *data;
    } counts[] = {{"step", &t->step}, {t->kind->round, &t->round}, {"steps", &m->steps}, {"penalties", &m->penalties}};
    note_settings(t, hash);
    reel_checkpoint *k = t->checkpoint = reel_checkpoint_new(t->context);
    reel_checkpoint_add_params(k, "generator", t->generator);
    reel_checkpoint_add_params(k, "discriminator", t->discriminator);
    reel_checkpoint_add_optim(k, "generator", t->g_optim);
    reel_checkpoint_add_optim(k, "discriminator", t->d_optim);
    if (t->average)
        reel_checkpoint_add_ema(k, "generator", t->average);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        reel_checkpoint_add_number(k, numbers[i].name, numbers[i].number);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        reel_checkpoint_add_array(k, counts[i].name, REEL_INT64, counts[i].data, REEL_SCALAR);
    reel_checkpoint_add_array(k, "settings", REEL_INT64, t->saved, REEL_SHAPE(count(t) + 1));
    reel_checkpoint_add_array(k, "grid_noise", REEL_REAL, t->grid_noise, noise);
    return reel_context_status(t->context) == REEL_OK || training_fail(t);
}

/* Goes to where the run was. Its settings were compared before; whether the data are the same shows only now. */
static bool load_checkpoint(struct training *t, const char *data)
{
    char path[RUN_MAX_PATH];
    const int n = count(t);
    int64_t hash = t->saved[n];
    run_path(&t->run, path, RUN_CHECKPOINT);
    if (reel_checkpoint_load(t->checkpoint, path) != REEL_OK)
        return training_fail(t);
    if (t->saved[n] != hash) {
        snprintf(t->error, sizeof t->error, "--resume %s: it was trained on other %s than those %s",
                 t->settings->resume, t->kind->samples, data);
        return false;
    }
    int64_t end;
    if (t->round < 1 || __builtin_mul_overflow(t->round, t->every, &end) || t->step > end || t->step < end - t->every) {
        snprintf(t->error, sizeof t->error, "%s: not a checkpoint of this program", path);
        return false;
    }
    note_settings(t, (uint64_t)hash);
    t->resumed = true;
    return true;
}

bool training_open_folder(struct training *t, const char *data)
{
    const struct training_settings *s = t->settings;
    if (!run_open(&t->run, s->out, s->overwrite || s->resume, t->error, sizeof t->error))
        return false;
    if (!s->resume)
        run_note(&t->run, t->kind->header);
    else if (!load_checkpoint(t, data))
        return false;
    return !s->resume || run_continue(&t->run, t->kind->header, t->round, t->error, sizeof t->error);
}
