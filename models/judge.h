/* What generated images are judged by: a classifier that knows real images which no generator was trained on. */
#ifndef MODELS_JUDGE_H
#define MODELS_JUDGE_H

#include "cgan.h"
#include "classifier.h"

/* Batches that the classifier is trained for. */
enum { JUDGE_STEPS = 5000 };

struct judge {
    struct labelled test;      /* the test half, from which the classifier learned */
    struct labelled train;     /* the training half, which generators know and the classifier does not */
    struct labelled reference; /* the last images of `train`, which generated ones are compared with */
    struct classifier classifier;
    int64_t rows, columns, pixels, classes;
    float *features;         /* of the reference [count, CLASSIFIER_FEATURES] */
    double *spread;          /* of its classes */
    double grain;            /* its mean power above half the Nyquist frequency */
    double least_confidence; /* one in a hundred of its images is put in its class with less probability */
};

struct verdict {
    double label_accuracy; /* share of images that are put in the class of their label */
    double frechet;        /* distance to the reference in the classifier's features */
    double diversity;      /* spread within the classes in these features, the reference being 1 */
    double grain;          /* power above half the Nyquist frequency, the reference being 1 */
    double unlikely;       /* share of images whose class has less probability than one in a hundred of the reference */
};

/* Reads both halves of the data in a folder, whose images and labels must be such as the sizes and classes say; all but
 * `most` images of the training half, at least half of it, are the reference. Draws from the context. Progress
 * advances by JUDGE_STEPS. Returns false with one line in `error`; judge_free is for both cases. */
bool judge_learn(struct judge *judge, reel_context *context, const char *folder, const struct cgan_image *image,
                 int64_t classes, int64_t most, reel_progress *progress, char error[CGAN_ERROR_SIZE]);
void judge_free(struct judge *judge);

/* Judges labelled images of that size. Returns false with one line in `error`. */
bool judge_images(const struct judge *judge, const struct labelled *set, struct verdict *verdict,
                  char error[CGAN_ERROR_SIZE]);

/* Judges so many samples of the model in a file, drawn from a seed; the judge's context draws. */
bool judge_model(const struct judge *judge, const char *path, int64_t samples, uint64_t seed, struct verdict *verdict,
                 char error[CGAN_ERROR_SIZE]);

#endif
