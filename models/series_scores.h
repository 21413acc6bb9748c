/* Scores that compare sets of series: those of TimeGAN, nearest series, lengths. */
#ifndef MODELS_SERIES_SCORES_H
#define MODELS_SERIES_SCORES_H

#include "series_set.h"

#include <reel/reel.h>
#include <reel/watch/progress.h>

/* The two scores of TimeGAN (Yoon, Jarrett and van der Schaar 2019), as its package computes them: values between each
 * channel's least and most in `real` become 0..1, unless all lie there already, as its sines do; a GRU half as wide as
 * there are channels, Adam at 1e-3, batches of 128. Its GRU is PyTorch's (reset after the product), where TimeGAN's is
 * TensorFlow 1's (before).
 *
 * Discriminative: `steps` steps, TimeGAN's 2,000, tell `real` from `made` by the last state; |accuracy - 1/2| on the
 * fifth of both that was kept from it; of the larger set as many series as the smaller one has. Predictive: TimeGAN's
 * 5,000 steps on `made` learn the last channel's next value from the others' (of one channel, from its own) through a
 * sigmoid; the mean absolute error on `real`. Check the context's status; NaN on error. progress advances by steps. */
enum { SERIES_DISCRIMINATIVE_STEPS = 2000, SERIES_PREDICTIVE_STEPS = 5000 };
double series_discriminative_score(reel_context *context, const struct series_set *real, const struct series_set *made,
                                   int64_t steps, reel_progress *progress);
double series_predictive_score(reel_context *context, const struct series_set *real, const struct series_set *made,
                               int64_t steps, reel_progress *progress);

/* The discriminative score by a stronger critic, series_classifier_train of two classes for so many steps. */
double series_critic_score(reel_context *context, const struct series_set *real, const struct series_set *made,
                           int64_t steps, reel_progress *progress);

/* The median over `set` of the distance to the nearest series of `from`: the root of the mean square over the longest
 * length, each channel divided by its spread in `from`. NaN when memory ran out. */
double series_nearest(const struct series_set *set, const struct series_set *from);

/* The largest distance, over classes, between the distribution functions of the lengths of two sets
 * (Kolmogorov-Smirnov). A class that one of them does not have is left out. */
double series_length_distance(const struct series_set *a, const struct series_set *b);

#endif
