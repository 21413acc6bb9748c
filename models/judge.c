/* Judging generated images. */
#include "judge.h"

#include "statistics.h"

#include <stdlib.h>
#include <string.h>

static bool load_half(const struct judge *j, const char *folder, bool train, struct labelled *out,
                      char error[CGAN_ERROR_SIZE])
{
    struct dataset set;
    if (!dataset_load(&set, folder, train, j->classes, error, CGAN_ERROR_SIZE))
        return false;
    bool fits = set.rows == j->rows && set.columns == j->columns;
    if (!fits) {
        snprintf(error, CGAN_ERROR_SIZE, "%s: its images are %lld x %lld, the model makes %lld x %lld", folder,
                 (long long)set.columns, (long long)set.rows, (long long)j->columns, (long long)j->rows);
    } else {
        float *x = malloc((size_t)(set.count * j->pixels) * sizeof *x);
        int64_t *y = malloc((size_t)set.count * sizeof *y);
        *out = (struct labelled){set.count, x, y};
        fits = x && y;
        if (fits)
            cgan_pixels(set.images, set.count * j->pixels, x);
        else
            snprintf(error, CGAN_ERROR_SIZE, "out of memory");
        for (int64_t i = 0; fits && i < set.count; i++)
            y[i] = set.labels[i];
    }
    dataset_free(&set);
    return fits;
}

/* What is known of a set in the end: the share put in its class is returned. */
static bool look_at(const struct judge *j, const struct labelled *set, double *accuracy, float *features,
                    float *confidence, double *spread, double *grain, char error[CGAN_ERROR_SIZE])
{
    *accuracy = classifier_apply(&j->classifier, set, confidence, features);
    if (reel_context_status(j->classifier.context) != REEL_OK) {
        snprintf(error, CGAN_ERROR_SIZE, "%s", reel_error(j->classifier.context));
        return false;
    }
    class_spread(features, set->y, set->count, CLASSIFIER_FEATURES, j->classes, spread);
    *grain = high_frequency_power(set->x, set->count, j->rows, j->columns);
    return true;
}

bool judge_learn(struct judge *j, reel_context *context, const char *folder, const struct cgan_image *image,
                 int64_t classes, int64_t most, reel_progress *progress, char error[CGAN_ERROR_SIZE])
{
    *j = (struct judge){
        .rows = image->rows, .columns = image->columns, .pixels = image->rows * image->columns, .classes = classes};
    if (!load_half(j, folder, false, &j->test, error) || !load_half(j, folder, true, &j->train, error))
        return false;
    int64_t others = most < j->train.count / 2 ? most : j->train.count / 2, n = j->train.count - others;
    j->reference = (struct labelled){n, j->train.x + others * j->pixels, j->train.y + others};
    j->features = malloc((size_t)(n * CLASSIFIER_FEATURES) * sizeof *j->features);
    j->spread = malloc((size_t)classes * sizeof *j->spread);
    float *confidence = malloc((size_t)n * sizeof *confidence);
    double accuracy;
    bool ok = j->features && j->spread && confidence;
    if (!ok)
        snprintf(error, CGAN_ERROR_SIZE, "out of memory");
    else {
        j->classifier = classifier_train(context, &j->test, j->pixels, classes, JUDGE_STEPS, progress);
        ok = look_at(j, &j->reference, &accuracy, j->features, confidence, j->spread, &j->grain, error);
    }
    if (ok)
        j->least_confidence = percentile(confidence, n, 0.01);
    free(confidence);
    return ok;
}

void judge_free(struct judge *j)
{
    classifier_free(&j->classifier);
    const struct labelled *const halves[] = {&j->test, &j->train};
    for (int i = 0; i < 2; i++) {
        free((void *)(uintptr_t)halves[i]->x);
        free((void *)(uintptr_t)halves[i]->y);
    }
    free(j->features);
    free(j->spread);
    *j = (struct judge){0};
}

bool judge_images(const struct judge *j, const struct labelled *set, struct verdict *v, char error[CGAN_ERROR_SIZE])
{
    float *features = malloc((size_t)(set->count * CLASSIFIER_FEATURES) * sizeof *features);
    float *confidence = malloc((size_t)set->count * sizeof *confidence);
    double *spread = malloc((size_t)j->classes * sizeof *spread), grain;
    *v = (struct verdict){0};
    bool ok = features && confidence && spread;
    if (!ok)
        snprintf(error, CGAN_ERROR_SIZE, "out of memory");
    ok = ok && look_at(j, set, &v->label_accuracy, features, confidence, spread, &grain, error);
    if (ok) {
        v->frechet = frechet_distance(j->features, j->reference.count, features, set->count, CLASSIFIER_FEATURES);
        for (int64_t c = 0; c < j->classes; c++)
            v->diversity += j->spread[c] > 0 ? spread[c] / j->spread[c] / (double)j->classes : 0;
        v->grain = j->grain > 0 ? grain / j->grain : 0;
        for (int64_t i = 0; i < set->count; i++)
            v->unlikely += confidence[i] < j->least_confidence ? 1.0 / (double)set->count : 0;
    }
    free(features);
    free(confidence);
    free(spread);
    return ok;
}

bool judge_model(const struct judge *j, const char *path, int64_t samples, uint64_t seed, struct verdict *v,
                 char error[CGAN_ERROR_SIZE])
{
    reel_context *c = j->classifier.context;
    struct gan gan;
    struct cgan_image image;
    if (!cgan_load(c, path, &gan, &image, error))
        return false;
    float *x = malloc((size_t)(samples * j->pixels) * sizeof *x);
    int64_t *y = malloc((size_t)samples * sizeof *y);
    reel_tape *tape = reel_tape_new(c);
    reel_manual_seed(c, seed);
    for (int64_t i = 0; y && i < samples; i++)
        y[i] = i % j->classes;
    const struct labelled set = {samples, x, y};
    bool ok = x && y && cgan_generate(tape, &gan, y, samples, x, NULL);
    if (!ok)
        snprintf(error, CGAN_ERROR_SIZE, "%s", x && y ? reel_error(c) : "out of memory");
    ok = ok && judge_images(j, &set, v, error);
    reel_tape_free(tape);
    gan_free(&gan);
    free(x);
    free(y);
    return ok;
}
