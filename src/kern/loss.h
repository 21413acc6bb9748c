/* Losses and their derivatives. */
#ifndef REEL_KERN_LOSS_H
#define REEL_KERN_LOSS_H

#include "kern/reduce.h"

/* A loss of two numbers, element by element, as maps of x and other = target (center is not used; parameter is beta of
 * the smooth l1 loss). */
struct reel_kern_loss {
    reel_kern_map value, by_x, by_target;
    reel_kern_run run; /* value and by_x */
};
extern const struct reel_kern_loss reel_kern_mse, reel_kern_l1, reel_kern_smooth_l1, reel_kern_bce,
    reel_kern_bce_with_logits;

/* out[i] = (add ? out[i] : 0) + map(x[i], target[i]) * factor[i * factor_step]; no factor: 1. */
struct reel_kern_loss_map {
    reel_kern_map map;
    int64_t n;
    const reel_real *x, *target;
    reel_real parameter;
    const reel_real *factor;
    int64_t factor_step;
};

void reel_kern_loss_map(const struct reel_kern_loss_map *of, bool add, reel_real *out, int threads);

/* out[i] = (add ? out[i] : 0) + values[i] * factor. */
void reel_kern_scale_to(int64_t n, reel_real factor, const reel_real *values, bool add, reel_real *out, int threads);

/* The first i < n with x[i] outside 0..1, or -1. NaN is not outside. */
int64_t reel_kern_find_outside_unit(int64_t n, const reel_real *x);

/* Classification: x[outer, classes, inner] and target[outer, inner]. The target of one place is the distribution
 * q[c] = (1 - smoothing) weight[target] [c == target] + smoothing / classes weight[c], all 0 where it is ignored. */
struct reel_kern_classes {
    int64_t outer, classes, inner;
    const int64_t *target;
    const reel_real *weight; /* [classes]; NULL: all 1 */
    int64_t ignore_index;
    double smoothing;
};

/* The first place whose target is neither a class nor ignored, or -1. */
int64_t reel_kern_find_wrong_class(const struct reel_kern_classes *k);

/* The sum over the places of q[c] (log_sum - (x[c] - maximum)), or, when log_sums and maxima are NULL, of -q[c] x[c]:
 * losses[outer, inner]. */
void reel_kern_class_losses(const struct reel_kern_classes *k, const reel_real *x, const reel_real *maxima,
                            const reel_real *log_sums, reel_real *losses, int threads);

/* weights[outer, inner] = the weight of the target, 0 where it is ignored. */
void reel_kern_class_weights(const struct reel_kern_classes *k, reel_real *weights);

/* The gradient of reel_kern_class_losses: out = (add ? out : 0) + factor (sum(q) softmax(x)[c] - q[c]), with
 * log_sums and maxima NULL without the softmax. factor is divided by divisor; it has one value for each place when
 * factor_step is 1, and one for all when it is 0. Ignored places get 0 whatever the factor is. */
struct reel_kern_class_gradient {
    const reel_real *x, *maxima, *log_sums, *factor;
    int64_t factor_step;
    reel_real divisor;
};

void reel_kern_class_gradient(const struct reel_kern_classes *k, const struct reel_kern_class_gradient *of, bool add,
                              reel_real *out, int threads);

/* q itself. */
void reel_kern_class_targets(const struct reel_kern_classes *k, reel_real *q);

/* Whether a target is ignored; and a bool for each element of x: the target's class counts, or any class of a place
 * that is not ignored. */
bool reel_kern_class_any_ignored(const struct reel_kern_classes *k);
void reel_kern_class_counts(const struct reel_kern_classes *k, bool target_only, unsigned char *counts);

#endif
