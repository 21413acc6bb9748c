/* series eval: how good are the samples? */
#include "series.h"

#include "process.h"
#include "series_classifier.h"
#include "series_scores.h"
#include "statistics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct settings {
    const char *model;
    struct series_source source;
    int64_t samples, steps, timegan, seed, threads;
    bool controls;
};

struct evaluation {
    const struct settings *settings;
    reel_context *context;
    struct series_gan gan;
    struct series_set train, test, real; /* real: both together, for lengths */
    struct series_classifier trainer;    /* learned from the real training series */
    struct series_classifier judge;      /* learned from the real test series */
    float *test_features, *features;
    double *real_spread, *spread;
    double real_nearest;
    reel_progress *progress;
    char error[SERIES_ERROR_SIZE];
};

static bool take_error(struct evaluation *e)
{
    if (reel_context_status(e->context) == REEL_OK)
        return true;
    snprintf(e->error, sizeof e->error, "%s", reel_error(e->context));
    return false;
}

static bool out_of_memory(struct evaluation *e)
{
    snprintf(e->error, sizeof e->error, "out of memory");
    return false;
}

static struct series_classifier learn(struct evaluation *e, const char *doing, const struct series_set *set)
{
    reel_progress_set_label(e->progress, doing);
    return series_classifier_train(e->context, set, e->settings->steps, e->progress);
}

static double diversity_of(struct evaluation *e, const struct series_set *set)
{
    double sum = 0;
    int64_t classes = 0;
    class_spread(e->features, set->labels, set->count, SERIES_FEATURES, set->classes, e->spread);
    for (int64_t c = 0; c < set->classes; c++)
        if (e->real_spread[c] > 0) {
            sum += e->spread[c] / e->real_spread[c];
            classes++;
        }
    return sum / (double)classes;
}

/* TimeGAN's scores: means over as many networks as were asked for. */
static void print_timegan(struct evaluation *e, const struct series_set *set)
{
    double discriminative = 0, predictive = 0, n = (double)e->settings->timegan;
    reel_progress_set_label(e->progress, "TimeGAN's scores");
    for (int64_t i = 0; i < e->settings->timegan; i++) {
        discriminative +=
            series_discriminative_score(e->context, &e->test, set, SERIES_DISCRIMINATIVE_STEPS, e->progress) / n;
        predictive += series_predictive_score(e->context, &e->test, set, SERIES_PREDICTIVE_STEPS, e->progress) / n;
    }
    reel_progress_clear(e->progress);
    printf(" %8.3f %8.4f", discriminative, predictive);
}

/* A number of the table, or a dash where it says nothing: accuracies of one class, say. */
static void print_number(int width, bool says_something, double number)
{
    if (says_something)
        printf(" %*.3f", width, number);
    else
        printf(" %*s", width, "-");
}

/* One row of the table: a set of series that claim to be of the classes of their labels. */
static bool measure(struct evaluation *e, const char *name, const struct series_set *set)
{
    double label_accuracy = series_classifier_apply(&e->judge, set, NULL, NULL);
    double trts = series_classifier_apply(&e->trainer, set, NULL, e->features);
    struct series_classifier probe = learn(e, "a classifier learns from a set", set);
    double tstr = series_classifier_apply(&probe, &e->test, NULL, NULL);
    series_classifier_free(&probe);
    reel_progress_set_label(e->progress, "a critic learns");
    double critic = series_critic_score(e->context, &e->test, set, e->settings->steps, e->progress);
    reel_progress_clear(e->progress);
    double distance = frechet_distance(e->test_features, e->test.count, e->features, set->count, SERIES_FEATURES);
    double diversity = diversity_of(e, set), nearest = series_nearest(set, &e->train) / e->real_nearest;
    if (!take_error(e))
        return false;
    bool several = set->classes > 1, varying = e->gan.sizes.varying != 0;
    printf("%-22s", name);
    print_number(6, several, tstr);
    print_number(6, several, trts);
    print_number(6, several, label_accuracy);
    print_number(8, true, distance);
    print_number(9, true, diversity);
    print_number(8, e->real_nearest > 0, nearest);
    print_number(7, true, critic);
    print_number(7, varying, varying ? series_length_distance(set, &e->real) : 0);
    if (e->settings->timegan > 0)
        print_timegan(e, set);
    putchar('\n');
    fflush(stdout);
    return take_error(e);
}

static bool draw(struct evaluation *e, const struct series_gan *gan, struct series_set *set)
{
    reel_tape *tape = reel_tape_new(e->context);
    bool ok = series_draw(tape, gan, set, NULL);
    reel_tape_free(tape);
    return ok || take_error(e);
}

/* Every value replaced by the mean of its class at that step. */
static void to_class_means(struct series_set *set)
{
    int64_t row = set->longest * set->channels;
    for (int64_t c = 0; c < set->classes; c++)
        for (int64_t v = 0; v < row; v++) {
            double sum = 0;
            int64_t count = 0;
            for (int64_t i = 0; i < set->count; i++)
                if (set->labels[i] == c && v < set->lengths[i] * set->channels) {
                    sum += series_at(set, i)[v];
                    count++;
                }
            for (int64_t i = 0; i < set->count; i++)
                if (set->labels[i] == c && v < set->lengths[i] * set->channels)
                    series_at(set, i)[v] = (float)(sum / (double)count);
        }
}

static bool measure_shuffled(struct evaluation *e, struct series_set *set, const int64_t *labels)
{
    reel_tape *tape = reel_tape_new(e->context);
    const int64_t *order = reel_data_int64(tape, reel_randperm(tape, set->count));
    for (int64_t i = 0; order && i < set->count; i++)
        set->labels[i] = labels[order[i]];
    reel_tape_free(tape);
    bool ok = take_error(e) && measure(e, "  labels shuffled", set);
    memcpy(set->labels, labels, (size_t)set->count * sizeof *labels);
    return ok;
}

static bool measure_untrained(struct evaluation *e, struct series_set *set)
{
    struct series_gan fresh = series_gan_new(e->context, &e->gan.sizes);
    reel_param *const buffers[][2] = {
        {fresh.mean, e->gan.mean}, {fresh.spread, e->gan.spread}, {fresh.length_counts, e->gan.length_counts}};
    bool ok = take_error(e);
    for (size_t i = 0; ok && i < sizeof buffers / sizeof *buffers; i++)
        reel_param_set(buffers[i][0], reel_param_data(buffers[i][1]));
    ok = ok && draw(e, &fresh, set) && measure(e, "untrained generator", set);
    series_gan_free(&fresh);
    return ok;
}

/* Copies of series of the training set, over and over. */
static void copy_training(const struct evaluation *e, struct series_set *set)
{
    size_t size = (size_t)(set->longest * set->channels) * sizeof *set->x;
    for (int64_t i = 0; i < set->count; i++) {
        int64_t row = i % e->train.count;
        set->labels[i] = e->train.labels[row];
        set->lengths[i] = e->train.lengths[row];
        memcpy(series_at(set, i), series_at(&e->train, row), size);
    }
}

static bool measure_controls(struct evaluation *e, struct series_set *set, int64_t *labels)
{
    bool several = e->train.classes > 1;
    if (several && !measure_shuffled(e, set, labels))
        return false;
    memset(set->labels, 0, (size_t)set->count * sizeof *labels);
    if (several) {
        if (!draw(e, &e->gan, set))
            return false;
        memcpy(set->labels, labels, (size_t)set->count * sizeof *labels);
        if (!measure(e, "  one class for all", set))
            return false;
    }
    if (!measure_untrained(e, set))
        return false;
    copy_training(e, set);
    if (!measure(e, "copies of training", set))
        return false;
    to_class_means(set);
    return measure(e, "  their class means", set);
}

static bool measure_all(struct evaluation *e)
{
    struct series_set set;
    int64_t n = e->settings->samples, *labels = malloc((size_t)n * sizeof *labels);
    bool ok = series_set_like(&set, &e->train, n) && labels;
    if (!ok)
        out_of_memory(e);
    /* The classes of the test series, in a random order, so that any part of the set has them as the whole does. */
    reel_tape *tape = reel_tape_new(e->context);
    const int64_t *order = reel_data_int64(tape, reel_randperm(tape, e->test.count));
    for (int64_t i = 0; ok && order && i < n; i++)
        labels[i] = set.labels[i] = e->test.labels[order[i % e->test.count]];
    reel_tape_free(tape);
    ok = ok && take_error(e) && draw(e, &e->gan, &set) && measure(e, "samples", &set);
    ok = ok && (!e->settings->controls || measure_controls(e, &set, labels));
    ok = ok && measure(e, "real training series", &e->train);
    series_set_free(&set);
    free(labels);
    return ok;
}

/* Both real sets in one. */
static bool join_real(struct evaluation *e)
{
    int64_t n = e->train.count, m = e->test.count, row = e->train.longest * e->train.channels;
    if (!series_set_like(&e->real, &e->train, n + m))
        return out_of_memory(e);
    memcpy(e->real.x, e->train.x, (size_t)(n * row) * sizeof *e->real.x);
    memcpy(e->real.x + n * row, e->test.x, (size_t)(m * row) * sizeof *e->real.x);
    memcpy(e->real.labels, e->train.labels, (size_t)n * sizeof *e->real.labels);
    memcpy(e->real.labels + n, e->test.labels, (size_t)m * sizeof *e->real.labels);
    memcpy(e->real.lengths, e->train.lengths, (size_t)n * sizeof *e->real.lengths);
    memcpy(e->real.lengths + n, e->test.lengths, (size_t)m * sizeof *e->real.lengths);
    return true;
}

static bool load(struct evaluation *e)
{
    const struct settings *s = e->settings;
    const struct series_sizes *sizes = &e->gan.sizes;
    if (!series_model_load(e->context, s->model, &e->gan, e->error) ||
        !series_load(&s->source, &e->train, &e->test, e->error, sizeof e->error))
        return false;
    if (e->train.channels == sizes->channels && e->train.longest == sizes->longest &&
        e->train.classes == sizes->classes)
        return join_real(e);
    snprintf(e->error, sizeof e->error,
             "%s: it has series of up to %lld steps, %lld channels and %lld classes, the model makes %lld, %lld and "
             "%lld",
             s->source.data, (long long)e->train.longest, (long long)e->train.channels, (long long)e->train.classes,
             (long long)sizes->longest, (long long)sizes->channels, (long long)sizes->classes);
    return false;
}

static int64_t all_steps(const struct settings *s, int64_t classes)
{
    int64_t rows = 2 + (s->controls ? (classes > 1 ? 5 : 3) : 0);
    return 2 * s->steps + rows * (2 * s->steps + s->timegan * (SERIES_DISCRIMINATIVE_STEPS + SERIES_PREDICTIVE_STEPS));
}

static bool evaluate(struct evaluation *e)
{
    const struct settings *s = e->settings;
    reel_context_options o = reel_context_defaults();
    o.seed = (uint64_t)s->seed;
    o.num_threads = (int)s->threads;
    e->context = reel_context_new(&o);
    if (!load(e))
        return false;
    reel_manual_seed(e->context, (uint64_t)s->seed);
    int64_t most = s->samples > e->real.count ? s->samples : e->real.count;
    e->test_features = malloc((size_t)(e->test.count * SERIES_FEATURES) * sizeof *e->test_features);
    e->features = malloc((size_t)(most * SERIES_FEATURES) * sizeof *e->features);
    e->real_spread = malloc((size_t)e->train.classes * sizeof *e->real_spread);
    e->spread = malloc((size_t)e->train.classes * sizeof *e->spread);
    if (!e->test_features || !e->features || !e->real_spread || !e->spread)
        return out_of_memory(e);
    e->progress = reel_progress_new(stderr, "steps", all_steps(s, e->train.classes));
    e->trainer = learn(e, "a classifier learns from training series", &e->train);
    e->judge = learn(e, "the judge learns from test series", &e->test);
    double accuracy = series_classifier_apply(&e->trainer, &e->test, NULL, e->test_features);
    reel_progress_clear(e->progress);
    if (!take_error(e))
        return false;
    class_spread(e->test_features, e->test.labels, e->test.count, SERIES_FEATURES, e->test.classes, e->real_spread);
    e->real_nearest = series_nearest(&e->test, &e->train);
    printf("classifier: learned from %lld training series, accuracy %.3f on %lld test series\n",
           (long long)e->train.count, accuracy, (long long)e->test.count);
    printf("%-22s %6s %6s %6s %8s %9s %8s %7s %7s%s\n", "", "TSTR", "TRTS", "label", "Frechet", "diversity", "nearest",
           "critic", "lengths", s->timegan > 0 ? " discrim. predict." : "");
    return measure_all(e);
}

int series_eval(int argc, char **argv)
{
    struct settings s = {.source = {SERIES_SOURCE_DEFAULTS}, .samples = 2000, .steps = 1000};
    bool no_controls = false;
    const struct option options[] = {
        OPTION_TEXT("model", &s.model, "FILE", "model.safetensors of series train"),
        SERIES_SOURCE_OPTIONS(s.source),
        OPTION_INTEGER("samples", &s.samples, 100, 1000000, "N", "samples to judge"),
        OPTION_INTEGER("steps", &s.steps, 1, 1000000, "N", "steps that classifiers learn for"),
        OPTION_INTEGER("timegan", &s.timegan, 0, 100, "N", "TimeGAN's scores too, means over N networks each"),
        OPTION_FLAG("no-controls", &no_controls, "leave out what must look bad"),
        OPTION_INTEGER("seed", &s.seed, 0, INT64_MAX, "N", "seed of everything drawn"),
        OPTION_INTEGER("threads", &s.threads, 0, 256, "N", "threads; 0: one a core"),
    };
    const struct arguments arguments = {
        .usage = "series eval",
        .summary = "Judges samples of a model; give the data as for series train:\n"
                   "  TSTR       accuracy on real test series of a classifier that learned from samples only\n"
                   "  TRTS       accuracy on samples of a classifier that learned from real training series\n"
                   "  label      accuracy on samples of a judge that learned from the real test series\n"
                   "  Frechet    distance between samples and test series in the features of TRTS's classifier\n"
                   "  diversity  spread within the classes in these features, test series being 1\n"
                   "  nearest    median distance to the nearest training series, that of test series being 1\n"
                   "  critic     |accuracy - 1/2| of a classifier that tells samples from test series\n"
                   "  lengths    Kolmogorov-Smirnov distance to the lengths of real series, worst class\n"
                   "  discrim.   TimeGAN's discriminative score: the same by a small GRU\n"
                   "  predict.   TimeGAN's predictive score: error on test series of a small GRU that learned\n"
                   "             from samples to predict the next value, test series between 0 and 1\n"
                   "Controls that must look bad in one column at least: shuffled labels, one class for all, a\n"
                   "generator that was not trained, copies of training series, and their class means.",
        .options = options,
        .count = sizeof options / sizeof *options};
    int exit_code;
    if (!arguments_parse(&arguments, argc, argv, &exit_code))
        return exit_code;
    if (!s.model)
        return fputs("series eval: --model FILE is missing\n", stderr), ARGUMENTS_WRONG;
    s.controls = !no_controls;

    struct evaluation e = {.settings = &s};
    bool ok = evaluate(&e);
    if (!ok)
        series_fail("eval", e.error);
    reel_progress_free(e.progress);
    series_classifier_free(&e.trainer);
    series_classifier_free(&e.judge);
    series_gan_free(&e.gan);
    reel_context_free(e.context);
    series_set_free(&e.train);
    series_set_free(&e.test);
    series_set_free(&e.real);
    free(e.test_features);
    free(e.features);
    free(e.real_spread);
    free(e.spread);
    return ok && process_flush("series eval") ? 0 : 1;
}
