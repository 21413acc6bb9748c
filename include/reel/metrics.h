/* How good a model is: numbers for people to read. Nothing here is differentiated or drawn, and the tape stays as it
 * is.
 *
 *     reel_var predicted = reel_argmax(t, scores, 1, false);
 *     reel_running_mean_add(&accuracy, reel_accuracy(t, predicted, labels), 64);
 *
 * Labels are int64, int32 or bool. REEL_ERROR_DTYPE for others, REEL_ERROR_SHAPE for shapes that do not fit together,
 * REEL_ERROR_INDEX for a class outside 0..classes-1; functions that return a number then return NaN. */
#ifndef REEL_METRICS_H
#define REEL_METRICS_H

#include <reel/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A mean of values with weights, such as losses of batches with their sizes. All zero, it is empty. */
typedef struct reel_running_mean {
    double sum;    /* of weight * value */
    double weight; /* of all */
} reel_running_mean;
REEL_API void reel_running_mean_add(reel_running_mean *mean, double value, double weight);
REEL_API double reel_running_mean_value(const reel_running_mean *mean); /* NaN when it is empty */

/* The fraction of labels that were predicted (sklearn.metrics.accuracy_score). Same shapes; NaN without elements. */
REEL_API double reel_accuracy(reel_tape *tape, reel_var predicted, reel_var target);

/* The fraction of samples whose class is among the k with the largest scores (sklearn.metrics.top_k_accuracy_score):
 * scores real [n, classes], target [n]. Of equal scores that of the higher class comes first, NaN before all others.
 * NaN for n = 0. REEL_ERROR_ARGUMENT unless k >= 1. */
REEL_API double reel_top_k_accuracy(reel_tape *tape, reel_var scores, reel_var target, int64_t k);

/* Adds to counts, [classes, classes] and the caller's, how often class i was predicted as j, at [i, j]
 * (sklearn.metrics.confusion_matrix). Same shapes. On failure nothing is added. */
REEL_API reel_status reel_confusion_matrix(reel_tape *tape, reel_var predicted, reel_var target, int64_t classes,
                                           int64_t *counts);

/* The area under the ROC curve, over any number of batches: how likely a sample of class 1 has a higher score than one
 * of class 0, where equal scores count half. It keeps 8 bytes of each sample. NULL when the context is NULL or has an
 * error, or memory ran out. Owned by the caller; free it before the context. NULL is accepted everywhere. */
typedef struct reel_auc reel_auc;
REEL_API reel_auc *reel_auc_new(reel_context *context);
REEL_API void reel_auc_free(reel_auc *auc);

/* Adds samples: real scores, and labels of the same shape, 0 or 1, of any type (REEL_ERROR_ARGUMENT for another number,
 * or a score that is NaN). On failure nothing is added. */
REEL_API reel_status reel_auc_add(reel_auc *auc, reel_tape *tape, reel_var scores, reel_var target);

/* The area (sklearn.metrics.roc_auc_score) of what was added since the beginning or the last reset. NaN when a class
 * has no samples, or memory ran out. More samples may follow. */
REEL_API double reel_auc_value(reel_auc *auc);
REEL_API void reel_auc_reset(reel_auc *auc);

#ifdef __cplusplus
}
#endif

#endif
