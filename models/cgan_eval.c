/* cgan eval: how good are the samples? */
#include "cgan.h"

#include "arguments.h"
#include "judge.h"
#include "process.h"

#include <stdlib.h>

struct settings {
    const char *model, *beside, *data;
    int64_t samples, seed, threads;
};

/* Batches that a classifier is trained for on as many images as there are samples. */
enum { PROBE_STEPS = 1500 };

struct evaluation {
    const struct settings *settings;
    reel_context *context;
    struct judge judge;
    reel_progress *progress; /* drawing the samples is little beside the training of classifiers */
    char error[CGAN_ERROR_SIZE];
};

static bool take_error(struct evaluation *e)
{
    if (reel_context_status(e->context) == REEL_OK)
        return true;
    snprintf(e->error, sizeof e->error, "%s", reel_error(e->context));
    return false;
}

/* One row of the table: a set of images that claim to be of the classes in `y`. */
static bool measure(struct evaluation *e, const char *name, const struct labelled *set)
{
    const struct judge *j = &e->judge;
    struct verdict v;
    if (!judge_images(j, set, &v, e->error))
        return false;
    reel_progress_set_label(e->progress, "a classifier learns from a set of images");
    reel_manual_seed(e->context, (uint64_t)e->settings->seed);
    struct classifier probe = classifier_train(e->context, set, j->pixels, j->classes, PROBE_STEPS, e->progress);
    reel_progress_clear(e->progress);
    double cas = classifier_apply(&probe, &j->test, NULL, NULL);
    classifier_free(&probe);
    if (!take_error(e))
        return false;
    printf("%-24s %9.3f %7.3f %9.2f %10.3f %7.2f %9.3f\n", name, v.label_accuracy, cas, v.frechet, v.diversity, v.grain,
           v.unlikely);
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

/* Memory for as many images as are judged at a time. */
struct sheet {
    float *x;
    int64_t *y, *shuffled;
};

/* Draws samples of a model, with the noise that every other gets. */
static bool draw(struct evaluation *e, const struct gan *gan, const struct sheet *sheet)
{
    int64_t n = e->settings->samples;
    reel_manual_seed(e->context, (uint64_t)e->settings->seed);
    reel_tape *tape = reel_tape_new(e->context);
    for (int64_t i = 0; i < n; i++)
        sheet->y[i] = i % gan->sizes.classes;
    cgan_generate(tape, gan, sheet->y, n, sheet->x, NULL);
    const int64_t *order = reel_data_int64(tape, reel_randperm(tape, n));
    for (int64_t i = 0; order && i < n; i++)
        sheet->shuffled[i] = sheet->y[order[i]];
    reel_tape_free(tape);
    return take_error(e);
}

/* The rows of a model's samples, and of a control that must look bad. */
static bool measure_model(struct evaluation *e, const struct gan *gan, const char *name, const struct sheet *sheet,
                          bool control)
{
    const struct labelled samples = {e->settings->samples, sheet->x, sheet->y};
    const struct labelled mislabelled = {e->settings->samples, sheet->x, sheet->shuffled};
    return draw(e, gan, sheet) && measure(e, name, &samples) &&
           (!control || measure(e, "  labels shuffled", &mislabelled));
}

/* Of real images, the first of the training set, which are not among the judge's reference. */
static bool measure_real(struct evaluation *e, const struct sheet *sheet)
{
    struct labelled real = e->judge.train;
    real.count -= e->judge.reference.count;
    if (!measure(e, "real training images", &real))
        return false;
    class_means(&real, e->judge.pixels, e->judge.classes, sheet->x);
    const struct labelled means = {real.count, sheet->x, real.y};
    return measure(e, "  their class means", &means);
}

static bool load_beside(struct evaluation *e, const struct gan *gan, const struct cgan_image *image, struct gan *beside)
{
    struct cgan_image other;
    if (!cgan_load(e->context, e->settings->beside, beside, &other, e->error))
        return false;
    bool same =
        other.rows == image->rows && other.columns == image->columns && beside->sizes.classes == gan->sizes.classes;
    if (!same)
        snprintf(e->error, sizeof e->error, "%s: it makes other images than %s, or has other classes",
                 e->settings->beside, e->settings->model);
    return same;
}

static bool measure_all(struct evaluation *e, const struct gan *gan, const struct gan *beside)
{
    int64_t n = e->settings->samples;
    struct sheet sheet = {malloc((size_t)(n * e->judge.pixels) * sizeof *sheet.x), malloc((size_t)n * sizeof *sheet.y),
                          malloc((size_t)n * sizeof *sheet.shuffled)};
    bool ok = sheet.x && sheet.y && sheet.shuffled;
    if (!ok)
        snprintf(e->error, sizeof e->error, "out of memory");
    ok = ok && measure_model(e, gan, "samples", &sheet, true) &&
         (!e->settings->beside || measure_model(e, beside, "samples of --beside", &sheet, false)) &&
         measure_real(e, &sheet);
    free(sheet.x);
    free(sheet.y);
    free(sheet.shuffled);
    return ok;
}

static bool evaluate(struct evaluation *e)
{
    const struct settings *s = e->settings;
    reel_context_options o = reel_context_defaults();
    o.seed = (uint64_t)s->seed;
    o.num_threads = (int)s->threads;
    e->context = reel_context_new(&o);
    struct gan gan = {0}, beside = {0};
    struct cgan_image image;
    bool ok = cgan_load(e->context, s->model, &gan, &image, e->error) &&
              (!s->beside || load_beside(e, &gan, &image, &beside));
    if (ok) {
        e->progress = reel_progress_new(stderr, "steps", JUDGE_STEPS + (s->beside ? 5 : 4) * PROBE_STEPS);
        reel_progress_set_label(e->progress, "the judge learns");
        /* Loading a model has drawn its layers' first values, and the judge is to be the same for all. */
        reel_manual_seed(e->context, (uint64_t)s->seed);
        ok = judge_learn(&e->judge, e->context, s->data, &image, gan.sizes.classes, s->samples, e->progress, e->error);
        reel_progress_clear(e->progress);
    }
    if (ok) {
        printf("judge: learned from %lld test images; reference: %lld training images\n",
               (long long)e->judge.test.count, (long long)e->judge.reference.count);
        printf("%-24s %9s %7s %9s %10s %7s %9s\n", "", "label acc", "CAS", "Frechet", "diversity", "grain", "unlikely");
        ok = measure_all(e, &gan, &beside);
    }
    gan_free(&gan);
    gan_free(&beside);
    judge_free(&e->judge);
    reel_progress_free(e->progress);
    reel_context_free(e->context);
    return ok;
}

int cgan_eval(int argc, char **argv)
{
    struct settings s = {.data = DATASET_FASHION_MNIST, .samples = 10000, .seed = 1000};
    const struct option options[] = {
        OPTION_TEXT("model", &s.model, "FILE", "model.safetensors of cgan train"),
        OPTION_TEXT("beside", &s.beside, "FILE", "a second model, judged in the same run"),
        OPTION_TEXT("data", &s.data, "DIR", "folder with the real images, as for cgan train"),
        OPTION_INTEGER("samples", &s.samples, 100, 1000000, "N", "samples to judge"),
        OPTION_INTEGER("seed", &s.seed, 0, INT64_MAX, "N", "seed of everything drawn; not the training's"),
        OPTION_INTEGER("threads", &s.threads, 0, 256, "N", "threads; 0: one a core"),
    };
    const struct arguments arguments = {
        .usage = "cgan eval",
        .summary = "Trains a classifier on the real test images, which no generator knows, and lets it judge\n"
                   "samples beside real training images, which it does not know itself:\n"
                   "  label acc  share of samples that it puts in the class asked for\n"
                   "  CAS        accuracy on real test images of another classifier, trained on samples only\n"
                   "  Frechet    distance between samples and other training images in its features\n"
                   "  diversity  spread within the classes in its features, training images being 1\n"
                   "  grain      power above half the Nyquist frequency, training images being 1\n"
                   "  unlikely   share of samples whose class it thinks less likely than it thinks the class of\n"
                   "             one in a hundred training images\n"
                   "Controls that must look bad: samples with shuffled labels, and class means.",
        .options = options,
        .count = sizeof options / sizeof *options};
    int exit_code;
    if (!arguments_parse(&arguments, argc, argv, &exit_code))
        return exit_code;
    if (!s.model)
        return fputs("cgan eval: --model FILE is missing\n", stderr), ARGUMENTS_WRONG;

    struct evaluation e = {.settings = &s};
    if (!evaluate(&e))
        return cgan_fail("eval", e.error);
    return process_flush("cgan eval") ? 0 : 1;
}
