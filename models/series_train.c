/* series train: the training, what it writes on the way, and how it ends. */
#include "series_training.h"

#include "process.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Series that differ in length are stretched to the length that this part of them does not exceed: of longer ones
 * little is lost, and a few of them do not cost all others their time. */
static const double STRETCHED = 0.9;

static const char *const recipe_names[] = {"conv", "gru", "notebook", NULL};

static const struct series_recipe recipes[] = {
    [SERIES_CONV] = {.loss = REEL_GAN_RELATIVISTIC,
                     .batch = 64,
                     .hidden = 64,
                     .lr = 1e-3,
                     .beta1 = 0.0,
                     .beta2 = 0.99,
                     .average = 0.9995,
                     .gamma = 0.5,
                     .penalty_every = 2,
                     .classes = 0.1,
                     .make_classes = 0.1,
                     .noise = 0.1,
                     .cool_down = 0.7,
                     .final_lr = 0.1},
    [SERIES_GRU] = {.loss = REEL_GAN_RELATIVISTIC,
                    .batch = 64,
                    .hidden = 64,
                    .lr = 1e-3,
                    .beta1 = 0.0,
                    .beta2 = 0.99,
                    .average = 0.9995,
                    .gamma = 0.5,
                    .penalty_every = 2,
                    .classes = 0.1,
                    .make_classes = 0.1,
                    .noise = 0.1,
                    .cool_down = 0.7,
                    .final_lr = 0.1},
    [SERIES_NOTEBOOK] = {.loss = REEL_GAN_NON_SATURATING,
                         .batch = 32,
                         .hidden = 32,
                         .lr = 1e-4,
                         .beta1 = 0.9,
                         .beta2 = 0.999,
                         .penalty_every = 1},
};

/* ---- Files ---- */

/* A file could not be written. The first reason of a round is kept. */
static void missing(struct series_training *tr, bool *written, const char *error)
{
    if (*written)
        snprintf(tr->error, sizeof tr->error, "%s", error);
    *written = false;
}

static bool write_checkpoint(struct series_training *tr, bool *written)
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
static bool write_model(struct series_training *tr, bool *written)
{
    char path[RUN_MAX_PATH];
    if (tr->average)
        reel_ema_swap(tr->average);
    reel_eval(tr->gan.generator);
    if (series_make(tr->tape, &tr->gan, &tr->grid, 0, tr->grid.count, tr->grid_noise)) {
        run_path(&tr->run, path, RUN_MODEL);
        if (series_model_save(&tr->gan, path) == REEL_ERROR_IO) {
            missing(tr, written, reel_error(tr->context));
            reel_clear_error(tr->context);
        }
        run_picture_path(&tr->run, path, tr->round);
        if (series_picture(tr->context, path, &tr->train, &tr->grid) == REEL_ERROR_IO) {
            missing(tr, written, reel_error(tr->context));
            reel_clear_error(tr->context);
        }
    }
    bool ok = reel_context_status(tr->context) == REEL_OK;
    if (!ok)
        snprintf(tr->error, sizeof tr->error, "%s", reel_error(tr->context));
    reel_train(tr->gan.generator);
    if (tr->average)
        reel_ema_swap(tr->average);
    return ok;
}

static void note_metrics(struct series_training *tr, double seconds)
{
    const struct series_metrics *m = &tr->metrics;
    double steps = (double)(m->steps ? m->steps : 1), penalties = (double)(m->penalties ? m->penalties : 1);
    char line[256];
    snprintf(line, sizeof line, "%lld,%lld,%.3f,%.6g,%.6g,%.6g,%.6g,%.6g\n", (long long)tr->round, (long long)tr->step,
             seconds, m->d_loss / steps, m->g_loss / steps, m->d_real / steps, m->d_fake / steps,
             m->penalty / penalties);
    run_note(&tr->run, line);
}

/* All that a round leaves. What cannot be written is tried again after the next one; a line says so once. */
static bool write_outputs(struct series_training *tr, double seconds, bool *written)
{
    bool complained = !*written;
    *written = true;
    note_metrics(tr, seconds);
    tr->seconds = seconds;
    if (!write_checkpoint(tr, written) || !write_model(tr, written))
        return false;
    if (run_write_metrics(&tr->run, tr->context, tr->round) != REEL_OK) {
        missing(tr, written, reel_error(tr->context));
        reel_clear_error(tr->context);
    }
    if (!*written && !complained)
        fprintf(stderr, "series train: warning: %s; training goes on and tries again after every round\n", tr->error);
    return true;
}

static void show_metrics(const struct series_metrics *m, reel_progress *progress)
{
    double steps = (double)(m->steps ? m->steps : 1);
    reel_progress_set_metric(progress, "D", m->d_loss / steps);
    reel_progress_set_metric(progress, "G", m->g_loss / steps);
    reel_progress_set_metric(progress, "D(x)", m->d_real / steps);
    reel_progress_set_metric(progress, "D(G(z))", m->d_fake / steps);
}

/* ---- The loop ---- */

/* How far training is: by steps or by time, whichever ends it first. */
static double fraction_done(const struct series_training *tr, double seconds)
{
    const struct series_settings *s = tr->settings;
    double by_steps = s->steps > 0 ? (double)tr->step / (double)s->steps : 0;
    double by_time = s->minutes > 0 ? seconds / (s->minutes * 60) : 0;
    double done = by_steps > by_time ? by_steps : by_time;
    return done < 1 ? done : 1;
}

static void set_learning_rate(struct series_training *tr, double fraction)
{
    double cool_down = tr->recipe.cool_down, lr = tr->settings->lr;
    if (cool_down > 0 && fraction > 1 - cool_down) {
        double part = (fraction - (1 - cool_down)) / cool_down, last = lr * tr->recipe.final_lr;
        lr = last + (lr - last) * 0.5 * (1 + cos(acos(-1.0) * part));
    }
    reel_optim_set_lr(tr->g_optim, 0, lr);
    reel_optim_set_lr(tr->d_optim, 0, lr);
}

/* The bar is about the whole training, so its label is too: which round, and of how many when steps end it. */
static void round_text(const struct series_training *tr, char text[96])
{
    const struct series_settings *s = tr->settings;
    if (s->steps > 0 && s->minutes <= 0)
        snprintf(text, 96, "round %lld/%lld", (long long)tr->round, (long long)((s->steps + s->every - 1) / s->every));
    else
        snprintf(text, 96, "round %lld", (long long)tr->round);
}

static bool train_on(struct series_training *tr, reel_progress *progress)
{
    const struct series_settings *s = tr->settings;
    char label[96];
    double before = tr->seconds, fraction = fraction_done(tr, before);
    bool written = true, under_way = tr->resumed;
    reel_progress_set_initial(progress, tr->step);
    reel_progress_set_fraction(progress, fraction);
    for (; (fraction < 1 || under_way) && !process_stopping(); tr->round++) {
        round_text(tr, label);
        reel_progress_set_label(progress, label);
        if (!under_way)
            tr->metrics = (struct series_metrics){0};
        under_way = false;
        while (tr->step < tr->round * s->every && fraction < 1 && !process_stopping()) {
            set_learning_rate(tr, fraction);
            if (!series_run_step(tr))
                return false;
            fraction = fraction_done(tr, before + reel_progress_seconds(progress));
            show_metrics(&tr->metrics, progress);
            reel_progress_set_fraction(progress, fraction);
            reel_progress_advance(progress, 1);
        }
        reel_progress_line(progress);
        if (!write_outputs(tr, before + reel_progress_seconds(progress), &written))
            return false;
    }
    return written;
}

static bool train(struct series_training *tr)
{
    reel_progress *progress = reel_progress_new(stderr, "steps", 0);
    bool ok = train_on(tr, progress);
    reel_progress_free(progress);
    return ok;
}

/* ---- Setting up ---- */

/* The networks see series of one length on a scale of their own, on which every channel has mean 0 and standard
 * deviation 1. */
static void set_scale(struct series_training *tr)
{
    const struct series_set *s = &tr->train;
    int64_t row = tr->gan.sizes.steps * s->channels;
    reel_real *mean = reel_param_write(tr->gan.mean), *spread = reel_param_write(tr->gan.spread);
    if (mean && spread)
        series_scale_of(s, mean, spread);
    for (int64_t i = 0; mean && spread && i < s->count; i++) {
        float *x = tr->scaled + i * row;
        series_stretch(series_at(s, i), s->lengths[i], s->channels, x, tr->gan.sizes.steps);
        for (int64_t k = 0; k < row; k++)
            x[k] = (x[k] - mean[k % s->channels]) / spread[k % s->channels];
    }
    int64_t *counts = reel_param_write(tr->gan.length_counts);
    for (int64_t i = 0; counts && i < s->count; i++)
        counts[s->labels[i] * s->longest + s->lengths[i] - 1]++;
}

static bool allocate(struct series_training *tr)
{
    const struct series_set *s = &tr->train;
    size_t size = (size_t)(tr->gan.sizes.steps * s->channels), batch = (size_t)tr->settings->batch;
    tr->scaled = calloc((size_t)s->count * size, sizeof *tr->scaled);
    tr->x = malloc(batch * size * sizeof *tr->x);
    tr->labels = malloc(batch * sizeof *tr->labels);
    tr->lengths = malloc(batch * sizeof *tr->lengths);
    bool ok = series_set_like(&tr->grid, s, s->classes * SERIES_PICTURE_COLUMNS);
    tr->grid_noise = malloc((size_t)(tr->grid.count * series_noise_size(&tr->gan.sizes)) * sizeof *tr->grid_noise);
    if (!ok || !tr->scaled || !tr->x || !tr->labels || !tr->lengths || !tr->grid_noise) {
        snprintf(tr->error, sizeof tr->error, "out of memory");
        return false;
    }
    for (int64_t i = 0; i < tr->grid.count; i++) {
        int64_t label = i / SERIES_PICTURE_COLUMNS;
        int64_t real = series_of_class(s, label, i % SERIES_PICTURE_COLUMNS, SERIES_PICTURE_COLUMNS);
        tr->grid.labels[i] = label;
        tr->grid.lengths[i] = real < 0 ? s->longest : s->lengths[real];
    }
    return true;
}

static bool build(struct series_training *tr)
{
    const struct series_settings *s = tr->settings;
    const struct series_set *set = &tr->train;
    bool varying = !series_are_equally_long(set);
    const struct series_sizes sizes = {.network = s->recipe,
                                       .channels = set->channels,
                                       .steps = varying ? series_quantile_length(set, STRETCHED) : set->longest,
                                       .longest = set->longest,
                                       .classes = set->classes,
                                       .hidden = s->hidden,
                                       .varying = varying};
    const char *wrong = series_sizes_wrong(&sizes);
    if (wrong) {
        snprintf(tr->error, sizeof tr->error, "%s: %s", s->source.data, wrong);
        return false;
    }
    reel_context_options o = reel_context_defaults();
    o.seed = (uint64_t)s->seed;
    o.num_threads = (int)s->threads;
    tr->context = reel_context_new(&o);
    if (s->detect_anomaly)
        reel_set_detect_anomaly(tr->context, true);
    tr->tape = reel_tape_new(tr->context);
    if (series_picture_fits(tr->context, set) != REEL_OK) {
        snprintf(tr->error, sizeof tr->error, "%s", reel_error(tr->context));
        return false;
    }
    tr->gan = series_gan_new(tr->context, &sizes);
    reel_adam_options adam = reel_adam_defaults();
    adam.lr = s->lr;
    adam.beta1 = tr->recipe.beta1;
    adam.beta2 = tr->recipe.beta2;
    tr->g_optim = reel_adam_new(tr->gan.generator, &adam);
    tr->d_optim = reel_adam_new(tr->gan.discriminator, &adam);
    if (!allocate(tr))
        return false;
    set_scale(tr);
    if (tr->recipe.average > 0)
        tr->average = reel_ema_new(tr->gan.generator, tr->recipe.average);
    int64_t n = tr->grid.count * series_noise_size(&sizes);
    const reel_real *noise = reel_data_real(tr->tape, reel_randn(tr->tape, REEL_SHAPE(n)));
    if (!noise) {
        snprintf(tr->error, sizeof tr->error, "%s", reel_error(tr->context));
        return false;
    }
    memcpy(tr->grid_noise, noise, (size_t)n * sizeof *noise);
    reel_tape_reset(tr->tape);
    return true;
}

static void release(struct series_training *tr)
{
    run_close(&tr->run);
    reel_checkpoint_free(tr->checkpoint);
    reel_ema_free(tr->average);
    reel_optim_free(tr->g_optim);
    reel_optim_free(tr->d_optim);
    reel_tape_free(tr->tape);
    series_gan_free(&tr->gan);
    reel_context_free(tr->context);
    free(tr->scaled);
    free(tr->x);
    free(tr->labels);
    free(tr->lengths);
    free(tr->grid_noise);
    series_set_free(&tr->grid);
    series_set_free(&tr->train);
    series_set_free(&tr->test);
}

int series_train(int argc, char **argv)
{
    struct series_settings s = {
        .source = {SERIES_SOURCE_DEFAULTS}, .out = "series-out", .minutes = 5, .every = 500, .gamma = -1, .noise = -1};
    const struct option options[] = {
        SERIES_SOURCE_OPTIONS(s.source),
        OPTION_TEXT("out", &s.out, "DIR", "folder for pictures, metrics.csv, the model and the checkpoint"),
        OPTION_INTEGER("steps", &s.steps, 0, INT64_MAX / 65536, "N", "end after N steps; 0: no limit"),
        OPTION_NUMBER("minutes", &s.minutes, 0, 1e6, "M", "end after M minutes; 0: no limit"),
        OPTION_INTEGER("every", &s.every, 1, 1000000, "N", "steps between two pictures"),
        OPTION_INTEGER("batch", &s.batch, 0, 65536, "N", "series a step; 0: the recipe's"),
        OPTION_INTEGER("hidden", &s.hidden, 0, 4096, "N", "channels of hidden layers; 0: the recipe's"),
        OPTION_NUMBER("lr", &s.lr, 0, 10, "X", "learning rate; 0: the recipe's"),
        OPTION_NUMBER("gamma", &s.gamma, -1, 1e6, "X", "weight of the gradient penalties; -1: the recipe's"),
        OPTION_NUMBER("noise", &s.noise, -1, 1e6, "X", "on all that the discriminator sees; -1: the recipe's"),
        OPTION_INTEGER("seed", &s.seed, 0, INT64_MAX, "N", "seed of everything drawn"),
        OPTION_INTEGER("threads", &s.threads, 0, 256, "N", "threads; 0: one a core"),
        OPTION_FLAG("overwrite", &s.overwrite, "replace the run that --out holds"),
        OPTION_TEXT("resume", &s.resume, "DIR", "go on with the run that DIR holds, with its settings"),
        OPTION_FLAG("extend", &s.extend, "with --resume: another --steps or --minutes is meant"),
        OPTION_FLAG("detect-anomaly", &s.detect_anomaly, "end at the first number that is not finite and say where"),
        OPTION_CHOICE("recipe", &s.recipe, recipe_names, "NAME", "networks, with their way of training"),
    };
    const struct arguments arguments = {
        .usage = "series train",
        .summary = "Trains a conditional GAN on time series; every so many steps writes a picture (real series\n"
                   "on the left, made ones on the right, a row a class), a line of metrics, and the model.\n"
                   "Ctrl-C, TERM and HUP end it and keep what was learned; --resume DIR, with the same data,\n"
                   "goes on from there, to the same bits. With --minutes 0 and --steps N the same seed gives\n"
                   "the same model.",
        .options = options,
        .count = sizeof options / sizeof *options};
    int exit_code;
    if (!arguments_parse(&arguments, argc, argv, &exit_code))
        return exit_code;
    if (s.extend && !s.resume)
        return fputs("series train: --extend is for --resume\n", stderr), ARGUMENTS_WRONG;
    struct series_training tr = {.settings = &s, .round = 1};
    struct series_settings saved = s;
    if (s.resume) {
        if (!series_read_settings(s.resume, &saved, tr.error, sizeof tr.error))
            return series_fail("train", tr.error);
        /* Once more, over what the run has: only what the command line names differs. */
        s = saved;
        arguments_parse(&arguments, argc, argv, &exit_code);
        s.out = s.resume;
    }
    if (s.steps == 0 && s.minutes == 0)
        return fputs("series train: --steps 0 with --minutes 0 would never end\n", stderr), ARGUMENTS_WRONG;

    tr.recipe = recipes[s.recipe];
    if (s.batch == 0)
        s.batch = tr.recipe.batch;
    if (s.lr <= 0)
        s.lr = tr.recipe.lr;
    if (s.hidden == 0)
        s.hidden = tr.recipe.hidden;
    if (s.gamma < 0)
        s.gamma = tr.recipe.gamma;
    if (s.noise < 0)
        s.noise = tr.recipe.noise;
    if (s.resume && !series_expect_same_run(&s, &saved, tr.error, sizeof tr.error))
        return series_fail("train", tr.error);
    bool replaces = s.overwrite || s.resume;
    bool ok = run_check(s.out, replaces, tr.error, sizeof tr.error) &&
              series_load(&s.source, &tr.train, &tr.test, tr.error, sizeof tr.error) && build(&tr) &&
              series_make_checkpoint(&tr) && run_open(&tr.run, s.out, replaces, tr.error, sizeof tr.error);
    if (ok && s.resume)
        ok = series_load_checkpoint(&tr);
    else if (ok)
        run_note(&tr.run, "round,step,seconds,d_loss,g_loss,d_real,d_fake,penalty\n");
    if (ok) {
        process_catch_stop();
        fprintf(stderr,
                "%lld series of up to %lld steps, %lld channel%s and %lld class%s from %s; recipe %s, batch %lld\n",
                (long long)tr.train.count, (long long)tr.train.longest, (long long)tr.train.channels,
                tr.train.channels == 1 ? "" : "s", (long long)tr.train.classes, tr.train.classes == 1 ? "" : "es",
                s.source.data, recipe_names[s.recipe], (long long)s.batch);
        ok = train(&tr);
    }
    if (!ok)
        series_fail("train", tr.error);
    else
        fprintf(stderr, "pictures, metrics.csv and model.safetensors are in %s\n", s.out);
    release(&tr);
    return ok ? 0 : 1;
}
