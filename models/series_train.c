/* series train: what is trained on which series, and how it is shown. */
#include "series_training.h"

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

/* ---- What a round leaves ---- */

static void show(struct training *t)
{
    struct series_training *series = t->user;
    char path[RUN_MAX_PATH];
    if (!series_make(t->tape, &series->gan, &series->grid, 0, series->grid.count, t->grid_noise))
        return;
    run_path(&t->run, path, RUN_MODEL);
    training_note_file(t, series_model_save(&series->gan, path));
    series_picture_add(t->context, t->watched, "samples", &series->train, &series->grid, t->round);
}

/* ---- Setting up ---- */

/* The networks see series of one length on a scale of their own, on which every channel has mean 0 and standard
 * deviation 1. */
static void set_scale(struct series_training *series)
{
    const struct series_set *s = &series->train;
    int64_t row = series->gan.sizes.steps * s->channels;
    reel_real *mean = reel_param_write(series->gan.mean), *spread = reel_param_write(series->gan.spread);
    if (mean && spread)
        series_scale_of(s, mean, spread);
    for (int64_t i = 0; mean && spread && i < s->count; i++) {
        float *x = series->scaled + i * row;
        series_stretch(series_at(s, i), s->lengths[i], s->channels, x, series->gan.sizes.steps);
        for (int64_t k = 0; k < row; k++)
            x[k] = (x[k] - mean[k % s->channels]) / spread[k % s->channels];
    }
    int64_t *counts = reel_param_write(series->gan.length_counts);
    for (int64_t i = 0; counts && i < s->count; i++)
        counts[s->labels[i] * s->longest + s->lengths[i] - 1]++;
}

static bool allocate(struct series_training *series)
{
    const struct series_set *s = &series->train;
    size_t size = (size_t)(series->gan.sizes.steps * s->channels), batch = (size_t)series->settings->shared.batch;
    series->scaled = calloc((size_t)s->count * size, sizeof *series->scaled);
    series->x = malloc(batch * size * sizeof *series->x);
    series->labels = malloc(batch * sizeof *series->labels);
    series->lengths = malloc(batch * sizeof *series->lengths);
    bool ok = series_set_like(&series->grid, s, s->classes * SERIES_PICTURE_COLUMNS);
    if (!ok || !series->scaled || !series->x || !series->labels || !series->lengths) {
        snprintf(series->training.error, TRAINING_ERROR_SIZE, "out of memory");
        return false;
    }
    for (int64_t i = 0; i < series->grid.count; i++) {
        int64_t label = i / SERIES_PICTURE_COLUMNS;
        int64_t real = series_of_class(s, label, i % SERIES_PICTURE_COLUMNS, SERIES_PICTURE_COLUMNS);
        series->grid.labels[i] = label;
        series->grid.lengths[i] = real < 0 ? s->longest : s->lengths[real];
    }
    return true;
}

static bool build(struct series_training *series)
{
    struct training *t = &series->training;
    const struct series_settings *s = series->settings;
    const struct series_recipe *recipe = &series->recipe;
    const struct series_set *set = &series->train;
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
        snprintf(t->error, sizeof t->error, "%s: %s", s->source.data, wrong);
        return false;
    }
    training_open_context(t);
    if (series_picture_fits(t->context, set) != REEL_OK)
        return training_fail(t);
    series->gan = series_gan_new(t->context, &sizes);
    t->generator = series->gan.generator;
    t->discriminator = series->gan.discriminator;
    t->cool_down = recipe->cool_down;
    t->final_lr = recipe->final_lr;
    t->every = s->every;
    t->steps = s->steps;
    if (!allocate(series))
        return false;
    set_scale(series);
    training_open_optims(t, recipe->beta1, recipe->beta2, recipe->average);
    return training_draw_noise(t, series->grid.count * series_noise_size(&sizes));
}

static bool make_checkpoint(struct series_training *series)
{
    const struct series_set *set = &series->train;
    size_t count = (size_t)set->count;
    uint64_t hash = training_hash(set->labels, count * sizeof *set->labels, TRAINING_NO_HASH);
    hash = training_hash(set->lengths, count * sizeof *set->lengths, hash);
    hash = training_hash(set->x, count * (size_t)(set->longest * set->channels) * sizeof *set->x, hash);
    return training_make_checkpoint(&series->training,
                                    REEL_SHAPE(series->grid.count, series_noise_size(&series->gan.sizes)), hash);
}

static bool adopt(struct training *t)
{
    const struct series_training *series = t->user;
    struct series_settings *s = series->settings;
    if (s->recipe_number < 0 || s->recipe_number >= SERIES_NETWORKS || s->every < 1)
        return false;
    s->recipe = (int)s->recipe_number;
    return true;
}

/* What the report says of the run. */
static void say_settings(struct series_training *series)
{
    struct training *t = &series->training;
    const struct series_settings *s = series->settings;
    reel_run_set_config(t->watched, "data", s->source.data);
    reel_run_set_config(t->watched, "recipe", recipe_names[s->recipe]);
    training_say(t, "batch", (double)s->shared.batch);
    training_say(t, "hidden channels", (double)s->hidden);
    training_say(t, "learning rate", s->shared.lr);
    training_say(t, "gamma", s->gamma);
    training_say(t, "noise", s->noise);
    training_say(t, "seed", (double)s->shared.seed);
    training_say(t, "steps", (double)s->steps);
    training_say(t, "steps of a round", (double)s->every);
    training_say(t, "minutes", s->shared.minutes);
    training_say(t, "series", (double)series->train.count);
    training_say(t, "threads", (double)reel_get_num_threads(t->context));
}

static const struct training_kind kind = {.program = "series train",
                                          .round = "round",
                                          .header = "round,step,seconds,d_loss,g_loss,d_real,d_fake,penalty\n",
                                          .unit = "steps",
                                          .samples = "series",
                                          .max_pictures = 16,
                                          .adopt = adopt,
                                          .step = series_step,
                                          .show = show};

static bool train(struct series_training *series)
{
    struct training *t = &series->training;
    const struct series_settings *s = series->settings;
    const struct series_set *set = &series->train;
    char data[TRAINING_ERROR_SIZE];
    snprintf(data, sizeof data, "of %s", s->source.data);
    if (!training_may_begin(t) || !series_load(&s->source, &series->train, &series->test, t->error, sizeof t->error) ||
        !build(series) || !make_checkpoint(series) || !training_open_folder(t, data) || !training_open_report(t))
        return false;
    say_settings(series);
    fprintf(stderr, "%lld series of up to %lld steps, %lld channel%s and %lld class%s from %s; recipe %s, batch %lld\n",
            (long long)set->count, (long long)set->longest, (long long)set->channels, set->channels == 1 ? "" : "s",
            (long long)set->classes, set->classes == 1 ? "" : "es", s->source.data, recipe_names[s->recipe],
            (long long)s->shared.batch);
    return training_run(t);
}

static void release(struct series_training *series)
{
    series_gan_free(&series->gan);
    free(series->scaled);
    free(series->x);
    free(series->labels);
    free(series->lengths);
    series_set_free(&series->grid);
    series_set_free(&series->train);
    series_set_free(&series->test);
}

int series_train(int argc, char **argv)
{
    struct series_settings s = {.source = {SERIES_SOURCE_DEFAULTS},
                                .every = 500,
                                .gamma = -1,
                                .noise = -1,
                                .shared = {.out = "series-out", .minutes = 5}};
    struct training_settings *shared = &s.shared;
    const struct option options[] = {
        SERIES_SOURCE_OPTIONS(s.source),
        OPTION_TEXT("out", &shared->out, "DIR",
                    "folder for the report, pictures, metrics.csv, the model and the checkpoint"),
        OPTION_INTEGER("steps", &s.steps, 0, INT64_MAX / 65536, "N", "end after N steps; 0: no limit"),
        OPTION_NUMBER("minutes", &shared->minutes, 0, 1e6, "M", "end after M minutes; 0: no limit"),
        OPTION_INTEGER("every", &s.every, 1, 1000000, "N", "steps between two pictures"),
        OPTION_INTEGER("batch", &shared->batch, 0, 65536, "N", "series a step; 0: the recipe's"),
        OPTION_INTEGER("hidden", &s.hidden, 0, 4096, "N", "channels of hidden layers; 0: the recipe's"),
        OPTION_NUMBER("lr", &shared->lr, 0, 10, "X", "learning rate; 0: the recipe's"),
        OPTION_NUMBER("gamma", &s.gamma, -1, 1e6, "X", "weight of the gradient penalties; -1: the recipe's"),
        OPTION_NUMBER("noise", &s.noise, -1, 1e6, "X", "on all that the discriminator sees; -1: the recipe's"),
        TRAINING_OPTIONS(*shared, "--steps"),
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
    struct series_training series = {.settings = &s,
                                     .training = {.kind = &kind,
                                                  .user = &series,
                                                  .settings = shared,
                                                  .round = 1,
                                                  .list = {{"--recipe", .integer = &s.recipe_number},
                                                           {"--steps", .integer = &s.steps, .is_length = true},
                                                           {"--every", .integer = &s.every},
                                                           {"--batch", .integer = &shared->batch},
                                                           {"--hidden", .integer = &s.hidden},
                                                           {"--seed", .integer = &shared->seed},
                                                           {"--minutes", .number = &shared->minutes, .is_length = true},
                                                           {"--lr", .number = &shared->lr},
                                                           {"--gamma", .number = &s.gamma},
                                                           {"--noise", .number = &s.noise}}}};
    int exit_code;
    if (!training_arguments(&series.training, &arguments, argc, argv, &exit_code))
        return exit_code;
    const struct series_recipe *recipe = &recipes[s.recipe];
    series.recipe = *recipe;
    s.recipe_number = s.recipe;
    if (shared->batch == 0)
        shared->batch = recipe->batch;
    if (shared->lr <= 0)
        shared->lr = recipe->lr;
    if (s.hidden == 0)
        s.hidden = recipe->hidden;
    if (s.gamma < 0)
        s.gamma = recipe->gamma;
    if (s.noise < 0)
        s.noise = recipe->noise;
    bool ok = train(&series);
    release(&series);
    return training_end(&series.training, ok);
}
