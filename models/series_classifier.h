/* A small classifier of series that judges samples: how it labels them, and the features that it sees in them. */
#ifndef MODELS_SERIES_CLASSIFIER_H
#define MODELS_SERIES_CLASSIFIER_H

#include "series_set.h"

#include <reel/reel.h>
#include <reel/watch/progress.h>

enum { SERIES_FEATURES = 128 };

struct series_classifier {
    reel_context *context;
    reel_tape *tape;
    reel_params *params;
    reel_module *conv1, *conv2, *conv3, *dropout, *fc;
    reel_param *mean, *spread; /* of the channels of what it learned from; it sees (x - mean) / spread */
    int64_t channels, classes;
};

/* Conv1d 7, 5 and 3 wide with 64 channels and ReLU, over the channels and where in the series a step is; the mean and
 * the largest value over the steps are the features; dropout 0.5 and a linear layer give the classes. Adam with weight
 * decay, 1e-3 going down by a cosine, cross entropy, for `steps` batches of 64 series with noise of a tenth of the
 * spread. The same context state gives the same classifier. progress advances by steps. Check the context's status;
 * free it in any case. */
struct series_classifier series_classifier_train(reel_context *context, const struct series_set *set, int64_t steps,
                                                 reel_progress *progress);
void series_classifier_free(struct series_classifier *classifier);

/* For every series of the set: the class it is put in, and its features [count, SERIES_FEATURES]; either may be NULL.
 * Returns the share of series put in the class of their label, or NaN on error. */
double series_classifier_apply(const struct series_classifier *classifier, const struct series_set *set,
                               int64_t *predicted, float *features);

#endif
