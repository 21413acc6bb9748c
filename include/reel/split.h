/* Parts of a data set: the numbers of samples, for reel_loader_options.indices.
 *
 *     int64_t numbers[1000], lengths[2];
 *     const double fractions[] = {0.9, 0.1};
 *     reel_split_lengths(c, 1000, fractions, 2, lengths);
 *     reel_random_split(c, 1000, lengths, 2, numbers);
 *     REEL_OPTIONS(loader, o, o.indices = numbers, o.n_indices = lengths[0], o.shuffle = true); */
#ifndef REEL_SPLIT_H
#define REEL_SPLIT_H

#include <reel/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* torch.utils.data.random_split: a permutation of 0..n-1 from the context's generator, of which the first lengths[0]
 * are the first part, the next lengths[1] the second, and so on. indices has room for n. REEL_ERROR_ARGUMENT, and
 * nothing is drawn, unless the `parts` lengths are 0 or more and their sum is n. */
REEL_API reel_status reel_random_split(reel_context *context, int64_t n, const int64_t *lengths, int parts,
                                       int64_t *indices);

/* The lengths that random_split gives fractions: floor(n * fraction), and of what is left one for each part in turn.
 * REEL_ERROR_ARGUMENT unless the fractions are in [0, 1] and their sum is 1, or below it by no more than 1e-9. */
REEL_API reel_status reel_split_lengths(reel_context *context, int64_t n, const double *fractions, int parts,
                                        int64_t *lengths);

/* Fold number `fold` of `folds` for cross-validation: the places 0..n-1 are cut into runs of n / folds, the first n %
 * folds of which have one more (sklearn.model_selection.KFold); `validation` gets run number `fold` and `training` the
 * others, in order. The places stand for the samples order[0..n-1], or for themselves when order is NULL. Returns the
 * samples for validation, so that training gets n minus that; room for n does for each. 0 with REEL_ERROR_ARGUMENT
 * unless 2 <= folds <= n and 0 <= fold < folds. */
REEL_API int64_t reel_fold(reel_context *context, int64_t n, int64_t folds, int64_t fold, const int64_t *order,
                           int64_t *training, int64_t *validation);

#ifdef __cplusplus
}
#endif

#endif
