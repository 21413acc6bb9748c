/* A small classifier that judges samples: how it labels them, and the features that it sees in them. */
#ifndef MODELS_CLASSIFIER_H
#define MODELS_CLASSIFIER_H

#include <reel/watch/progress.h>

#include <reel/reel.h>

enum { CLASSIFIER_FEATURES = 128 };

struct classifier {
    reel_context *context;
    reel_tape *tape;
    reel_params *params;
    reel_module *fc1, *fc2, *fc3, *dropout;
    int64_t pixels, classes;
};

/* Labelled images: x [count, pixels] in -1..1, y [count]. Borrowed. */
struct labelled {
    int64_t count;
    const float *x;
    const int64_t *y;
};

/* pixels -> 512 -> CLASSIFIER_FEATURES -> classes with ReLU, trained by Adam with cross entropy for `steps` batches of
 * 128, by which progress advances. The same context state gives the same classifier. Check the context's status; free
 * it in any case. */
struct classifier classifier_train(reel_context *context, const struct labelled *set, int64_t pixels, int64_t classes,
                                   int64_t steps, reel_progress *progress);
void classifier_free(struct classifier *classifier);

/* For every image of the set: the probability that it is of the class of its label [count], and its features [count,
 * CLASSIFIER_FEATURES]; either may be NULL. Returns the share of images put in the class of their label, or NaN on
 * error. */
double classifier_apply(const struct classifier *classifier, const struct labelled *set, float *confidence,
                        float *features);

#endif
