/* Cutting a data set into parts: numbers of samples only. */
#include <reel/split.h>

#include "core/context.h"

#include <math.h>
#include <string.h>

static reel_status check(reel_context *context, const char *who, int64_t n, const void *from, int parts, const void *to)
{
    if (!context || context->status != REEL_OK)
        return reel_context_status(context);
    if (n < 0 || parts < 1 || !from || !to)
        return reel_fail(context, REEL_ERROR_ARGUMENT, "%s: %lld samples into %d parts, or a NULL pointer", who,
                         (long long)n, parts);
    return REEL_OK;
}

reel_status reel_random_split(reel_context *context, int64_t n, const int64_t *lengths, int parts, int64_t *indices)
{
    reel_status status = check(context, "random_split", n, lengths, parts, indices);
    if (status != REEL_OK)
        return status;
    int64_t left = n;
    for (int i = 0; i < parts; i++) {
        if (lengths[i] < 0 || lengths[i] > left)
            return reel_fail(context, REEL_ERROR_ARGUMENT, "random_split: length %lld of part %d does not fit %lld",
                             (long long)lengths[i], i, (long long)left);
        left -= lengths[i];
    }
    if (left > 0)
        return reel_fail(context, REEL_ERROR_ARGUMENT, "random_split: the lengths leave out %lld of %lld samples",
                         (long long)left, (long long)n);
    reel_generator_permutation(&context->generator, indices, n);
    return REEL_OK;
}

reel_status reel_split_lengths(reel_context *context, int64_t n, const double *fractions, int parts, int64_t *lengths)
{
    reel_status status = check(context, "split_lengths", n, fractions, parts, lengths);
    if (status != REEL_OK)
        return status;
    /* The exact sum decides, not the order of roundings, which would lift some above 1. */
    long double exact = 0;
    for (int i = 0; i < parts; i++) {
        if (!(fractions[i] >= 0 && fractions[i] <= 1))
            return reel_fail(context, REEL_ERROR_ARGUMENT, "split_lengths: fraction %d is %g, it must be in [0, 1]", i,
                             fractions[i]);
        exact += fractions[i];
    }
    double sum = (double)exact;
    if (!(sum <= 1 && 1 - sum <= 1e-9))
        return reel_fail(context, REEL_ERROR_ARGUMENT, "split_lengths: the sum of the fractions is %.17g, not 1", sum);
    int64_t left = n;
    for (int i = 0; i < parts; i++) {
        lengths[i] = (int64_t)floor((double)n * fractions[i]);
        left -= lengths[i];
    }
    for (int i = 0; left > 0; i = (i + 1) % parts, left--)
        lengths[i]++;
    return REEL_OK;
}

int64_t reel_fold(reel_context *context, int64_t n, int64_t folds, int64_t fold, const int64_t *order,
                  int64_t *training, int64_t *validation)
{
    if (check(context, "fold", n, training, 2, validation) != REEL_OK)
        return 0;
    if (folds < 2 || folds > n || fold < 0 || fold >= folds) {
        reel_fail(context, REEL_ERROR_ARGUMENT, "fold: number %lld of %lld folds of %lld samples", (long long)fold,
                  (long long)folds, (long long)n);
        return 0;
    }
    int64_t longer = n % folds;
    int64_t first = fold * (n / folds) + (fold < longer ? fold : longer);
    int64_t count = n / folds + (fold < longer);
    for (int64_t i = 0; i < n; i++) {
        int64_t sample = order ? order[i] : i;
        if (i >= first && i < first + count)
            validation[i - first] = sample;
        else
            training[i < first ? i : i - count] = sample;
    }
    return count;
}
