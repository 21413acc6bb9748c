/* cgan eval: how good are the samples? */
#include "cgan.h"

#include "arguments.h"
#include "classifier.h"
#include "process.h"
#include "statistics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct settings {
    const char *model, *data;
    int64_t samples, seed, threads;
};

/* Batches that a classifier is trained for: as judge, and on as many images as there are samples. */
enum { JUDGE_STEPS = 5000, PROBE_STEPS = 1500, PROBES = 4, ALL_STEPS = JUDGE_STEPS + PROBES * PROBE_STEPS };

struct evaluation {
    const struct settings *settings;
    reel_context *context;
    struct gan gan;
    struct cgan_image image;
    int64_t pixels, classes;
    struct labelled train, test;
    struct classifier judge;
    float *test_features, *features;
    double *real_spread, *spread;
    reel_progress *progress; /* over ALL_STEPS; drawing the samples is little beside them */
    char error[CGAN_ERROR_SIZE];
};

static struct labelled to_labelled(const struct dataset *set)
{
    int64_t pixels = set->rows * set->columns;
    float *x = malloc((size_t)(set->count * pixels) * sizeof *x);
    int64_t *y = malloc((size_t)set->count * sizeof *y);
    struct labelled labelled = {set->count, x, y};
    if (x)
        cgan_pixels(set->images, set->count * pixels, x);
    for (int64_t i = 0; y && i < set->count; i++)
        y[i] = set->labels[i];
    return labelled;
}

static bool load_half(struct evaluation *e, bool train, struct labelled *out)
{
    struct dataset set;
    if (!dataset_load(&set, e->settings->data, train, e->classes, e->error, sizeof e->error))
        return false;
    bool fits = set.rows == e->image.rows && set.columns == e->image.columns;
    if (!fits)
        snprintf(e->error, sizeof e->error, "%s: its images are %lld x %lld, the model makes %lld x %lld",
                 e->settings->data, (long long)set.columns, (long long)set.rows, (long long)e->image.columns,
                 (long long)e->image.rows);
    else
        *out = to_labelled(&set);
    dataset_free(&set);
    if (fits && (!out->x || !out->y))
        snprintf(e->error, sizeof e->error, "out of memory");
    return fits && out->x && out->y;
}

static bool take_error(struct evaluation *e)
{
    if (reel_context_status(e->context) == REEL_OK)
        return true;
    snprintf(e->error, sizeof e->error, "%s", reel_error(e->context));
    return false;
}

static struct classifier train_classifier(struct evaluation *e, const char *doing, const struct labelled *set,
                                          int64_t steps)
{
    reel_progress_set_label(e->progress, doing);
    struct classifier classifier = classifier_train(e->context, set, e->pixels, e->classes, steps, e->progress);
    reel_progress_clear(e->progress);
    return classifier;
}

/* One row of the table: a set of images that claim to be of the classes in `y`. */
static bool measure(struct evaluation *e, const char *name, const struct labelled *set)
{
    double label_accuracy = classifier_apply(&e->judge, set, NULL, e->features);
    struct classifier probe = train_classifier(e, "a classifier learns from a set of images", set, PROBE_STEPS);
    double cas = classifier_apply(&probe, &e->test, NULL, NULL);
    classifier_free(&probe);
    if (!take_error(e))
        return false;
    double distance = frechet_distance(e->test_features, e->test.count, e->features, set->count, CLASSIFIER_FEATURES);
    class_spread(e->features, set->y, set->count, CLASSIFIER_FEATURES, e->classes, e->spread);
    double diversity = 0;
    for (int64_t c = 0; c < e->classes; c++)
        diversity += e->real_spread[c] > 0 ? e->spread[c] / e->real_spread[c] / (double)e->classes : 0;
    printf("%-24s %8.3f %8.3f %10.2f %10.3f\n", name, label_accuracy, cas, distance, diversity);
    fflush(stdout);
    return true;
}

/* Every image replaced by the mean of its class. */
static void class_means(const struct labelled *set, int64_t pixels, int64_t classes, float *out)
{
    for (int64_t c = 0; c < classes; c++)
        for (int64_t p = 0; p < pixels; p++) {
            double sum = 0;
            int64_t count = 0;
            for (int64_t i = 0; i < set->count; i++)
                if (set->y[i] == c) {
                    sum += set->x[i * pixels + p];
                    count++;
                }
            for (int64_t i = 0; i < set->count; i++)
                if (set->y[i] == c)
                    out[i * pixels + p] = (float)(sum / (double)count);
        }
}

static bool measure_all(struct evaluation *e)
{
    int64_t n = e->settings->samples;
    float *x = malloc((size_t)(n * e->pixels) * sizeof *x);
    int64_t *y = malloc((size_t)n * sizeof *y), *shuffled = malloc((size_t)n * sizeof *shuffled);
    reel_tape *tape = reel_tape_new(e->context);
    bool ok = x && y && shuffled && tape;
    if (!ok)
        snprintf(e->error, sizeof e->error, "out of memory");
    for (int64_t i = 0; ok && i < n; i++)
        y[i] = i % e->classes;
    ok = ok && (cgan_generate(tape, &e->gan, y, n, x, NULL) || take_error(e));
    if (ok) {
        const int64_t *order = reel_data_int64(tape, reel_randperm(tape, n));
        for (int64_t i = 0; order && i < n; i++)
            shuffled[i] = y[order[i]];
        ok = take_error(e);
    }
    const struct labelled samples = {n, x, y}, mislabelled = {n, x, shuffled};
    ok = ok && measure(e, "samples", &samples) && measure(e, "  labels shuffled", &mislabelled);
    if (ok) {
        /* The first images of the training set, which the judge knows: the best that samples could do. */
        struct labelled real = e->train;
        real.count = n < real.count ? n : real.count;
        ok = measure(e, "real training images", &real);
        class_means(&real, e->pixels, e->classes, x);
        const struct labelled means = {real.count, x, real.y};
        ok = ok && measure(e, "  their class means", &means);
    }
    reel_tape_free(tape);
    free(x);
    free(y);
    free(shuffled);
    return ok;
}

static bool evaluate(struct evaluation *e)
{
    const struct settings *s = e->settings;
    reel_context_options o = reel_context_defaults();
    o.seed = (uint64_t)s->seed;
    o.num_threads = (int)s->threads;
    e->context = reel_context_new(&o);
    if (!cgan_load(e->context, s->model, &e->gan, &e->image, e->error))
        return false;
    e->classes = e->gan.sizes.classes;
    e->pixels = e->gan.sizes.data;
    if (!load_half(e, true, &e->train) || !load_half(e, false, &e->test))
        return false;

    int64_t most = s->samples > e->test.count ? s->samples : e->test.count;
    e->test_features = malloc((size_t)(e->test.count * CLASSIFIER_FEATURES) * sizeof *e->test_features);
    e->features = malloc((size_t)(most * CLASSIFIER_FEATURES) * sizeof *e->features);
    e->real_spread = malloc((size_t)e->classes * sizeof *e->real_spread);
    e->spread = malloc((size_t)e->classes * sizeof *e->spread);
    if (!e->test_features || !e->features || !e->real_spread || !e->spread) {
        snprintf(e->error, sizeof e->error, "out of memory");
        return false;
    }
    e->progress = reel_progress_new(stderr, "steps", ALL_STEPS);
    e->judge = train_classifier(e, "the judge learns", &e->train, JUDGE_STEPS);
    double accuracy = classifier_apply(&e->judge, &e->test, NULL, e->test_features);
    if (!take_error(e))
        return false;
    class_spread(e->test_features, e->test.y, e->test.count, CLASSIFIER_FEATURES, e->classes, e->real_spread);
    printf("classifier: accuracy %.3f on %lld real test images\n", accuracy, (long long)e->test.count);
    printf("%lld images each       label accuracy      CAS    Frechet  diversity\n", (long long)s->samples);
    return measure_all(e);
}

int cgan_eval(int argc, char **argv)
{
    struct settings s = {.data = DATASET_FASHION_MNIST, .samples = 10000};
    const struct option options[] = {
        OPTION_TEXT("model", &s.model, "FILE", "model.safetensors of cgan train"),
        OPTION_TEXT("data", &s.data, "DIR", "folder with the real images, as for cgan train"),
        OPTION_INTEGER("samples", &s.samples, 100, 1000000, "N", "samples to judge"),
        OPTION_INTEGER("seed", &s.seed, 0, INT64_MAX, "N", "seed of everything drawn"),
        OPTION_INTEGER("threads", &s.threads, 0, 256, "N", "threads; 0: one a core"),
    };
    const struct arguments arguments = {
        .usage = "cgan eval",
        .summary = "Trains a classifier on the real training images and lets it judge samples:\n"
                   "  label accuracy  share of samples that it puts in the class asked for\n"
                   "  CAS             accuracy on real test images of a classifier trained on samples only\n"
                   "  Frechet         distance between samples and real test images in its features\n"
                   "  diversity       spread within the classes in its features, real test images being 1\n"
                   "Controls that must look bad: samples with shuffled labels, and class means.",
        .options = options,
        .count = sizeof options / sizeof *options};
    int exit_code;
    if (!arguments_parse(&arguments, argc, argv, &exit_code))
        return exit_code;
    if (!s.model)
        return fputs("cgan eval: --model FILE is missing\n", stderr), ARGUMENTS_WRONG;

    struct evaluation e = {.settings = &s};
    bool ok = evaluate(&e);
    if (!ok)
        cgan_fail("eval", e.error);
    reel_progress_free(e.progress);
    classifier_free(&e.judge);
    gan_free(&e.gan);
    reel_context_free(e.context);
    free((void *)(uintptr_t)e.train.x);
    free((void *)(uintptr_t)e.train.y);
    free((void *)(uintptr_t)e.test.x);
    free((void *)(uintptr_t)e.test.y);
    free(e.test_features);
    free(e.features);
    free(e.real_spread);
    free(e.spread);
    return ok && process_flush("cgan eval") ? 0 : 1;
}
