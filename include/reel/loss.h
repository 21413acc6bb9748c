/* Losses.
 *
 * The short forms average (REEL_MEAN); the ..._with forms take options, NULL for the defaults. Options that are vars
 * stand for none when they are the null var. Inputs and targets are real unless said otherwise, and of equal shapes:
 * where torch broadcasts them with a warning, reel refuses (REEL_ERROR_SHAPE), for [64] against [64, 1] is nearly
 * always a mistake. Means over nothing are NaN. All have derivatives of any order, with respect to real targets too.
 *
 *     reel_var loss = reel_cross_entropy_loss(t, scores, labels); // [64, 10], int64 [64] -> a scalar
 *     REEL_OPTIONS(cross_entropy_loss, o, o.label_smoothing = 0.1, o.reduction = REEL_SUM);
 *     loss = reel_cross_entropy_loss_with(t, scores, labels, &o); */
#ifndef REEL_LOSS_H
#define REEL_LOSS_H

#include <reel/options.h>
#include <reel/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What becomes of the losses of the elements or samples. */
typedef enum reel_reduction {
    REEL_MEAN,      /* the mean of the losses, a scalar */
    REEL_SUM,       /* their sum, a scalar */
    REEL_NONE,      /* each loss by itself, in the shape of the target */
    REEL_BATCH_MEAN /* of reel_kl_div_loss_with alone: the sum divided by the size of the first axis */
} reel_reduction;

/* ---- Mean squared and mean absolute error ---- */

typedef struct reel_loss_options {
    reel_options_mark mark;
    reel_reduction reduction; /* REEL_MEAN */
} reel_loss_options;
REEL_API reel_loss_options reel_loss_defaults(void);

/* (x - target)^2: torch.nn.functional.mse_loss. */
REEL_API reel_var reel_mse_loss(reel_tape *tape, reel_var x, reel_var target);
REEL_API reel_var reel_mse_loss_with(reel_tape *tape, reel_var x, reel_var target, const reel_loss_options *options);

/* |x - target|: torch.nn.functional.l1_loss. The gradient is 0 where both are equal. */
REEL_API reel_var reel_l1_loss(reel_tape *tape, reel_var x, reel_var target);
REEL_API reel_var reel_l1_loss_with(reel_tape *tape, reel_var x, reel_var target, const reel_loss_options *options);

typedef struct reel_smooth_l1_loss_options {
    reel_options_mark mark;
    reel_reduction reduction; /* REEL_MEAN */
    double beta;              /* 1; >= 0, else REEL_ERROR_ARGUMENT. 0 is the l1 loss */
} reel_smooth_l1_loss_options;
REEL_API reel_smooth_l1_loss_options reel_smooth_l1_loss_defaults(void);

/* With d = |x - target|: d^2 / (2 beta) below beta, d - beta / 2 from there: torch.nn.functional.smooth_l1_loss. */
REEL_API reel_var reel_smooth_l1_loss(reel_tape *tape, reel_var x, reel_var target);
REEL_API reel_var reel_smooth_l1_loss_with(reel_tape *tape, reel_var x, reel_var target,
                                           const reel_smooth_l1_loss_options *options);

typedef struct reel_huber_loss_options {
    reel_options_mark mark;
    reel_reduction reduction; /* REEL_MEAN */
    double delta;             /* 1; above 0, else REEL_ERROR_ARGUMENT */
} reel_huber_loss_options;
REEL_API reel_huber_loss_options reel_huber_loss_defaults(void);

/* With d = |x - target|: d^2 / 2 below delta, delta (d - delta / 2) from there: torch.nn.functional.huber_loss. */
REEL_API reel_var reel_huber_loss(reel_tape *tape, reel_var x, reel_var target);
REEL_API reel_var reel_huber_loss_with(reel_tape *tape, reel_var x, reel_var target,
                                       const reel_huber_loss_options *options);

/* ---- Binary cross entropy ---- */

typedef struct reel_bce_loss_options {
    reel_options_mark mark;
    reel_reduction reduction; /* REEL_MEAN: the divisor is the number of losses, whatever the weights */
    reel_var weight;          /* none; multiplies the losses; broadcasts to the shape of x */
} reel_bce_loss_options;
REEL_API reel_bce_loss_options reel_bce_loss_defaults(void);

/* -(target log(x) + (1 - target) log(1 - x)) with logarithms not below -100: torch.nn.functional.binary_cross_entropy.
 * REEL_ERROR_ARGUMENT for an x outside 0..1, naming it and its position; NaN passes. As in torch, the gradient with
 * respect to x divides by max(x (1 - x), 1e-12). Prefer reel_bce_with_logits_loss. */
REEL_API reel_var reel_bce_loss(reel_tape *tape, reel_var x, reel_var target);
REEL_API reel_var reel_bce_loss_with(reel_tape *tape, reel_var x, reel_var target,
                                     const reel_bce_loss_options *options);

typedef struct reel_bce_with_logits_loss_options {
    reel_options_mark mark;
    reel_reduction reduction; /* REEL_MEAN: the divisor is the number of losses, whatever the weights */
    reel_var weight;          /* none; multiplies the losses; broadcasts to the shape of x */
    reel_var pos_weight;      /* none; multiplies the part of the target; broadcasts to the shape of x */
} reel_bce_with_logits_loss_options;
REEL_API reel_bce_with_logits_loss_options reel_bce_with_logits_loss_defaults(void);

/* The same of sigmoid(x), computed without its overflow: max(x, 0) - x target + log(1 + exp(-|x|)).
 * torch.nn.functional.binary_cross_entropy_with_logits. */
REEL_API reel_var reel_bce_with_logits_loss(reel_tape *tape, reel_var x, reel_var target);
REEL_API reel_var reel_bce_with_logits_loss_with(reel_tape *tape, reel_var x, reel_var target,
                                                 const reel_bce_with_logits_loss_options *options);

/* ---- Classes ---- */

/* x is [N, C], and target int64 or int32 [N] with classes 0..C-1; or [C] with a scalar target, or [N, C, d1, ...] with
 * [N, d1, ...]. A target that is neither a class nor ignore_index is REEL_ERROR_INDEX: the text names value, position
 * and range. */

typedef struct reel_nll_loss_options {
    reel_options_mark mark;
    reel_reduction reduction; /* REEL_MEAN: the divisor is the sum of the weights of the targets that are not ignored */
    reel_var weight;          /* none; [C], multiplies the losses by class; it gets no gradient */
    int64_t ignore_index;     /* -100; targets of this value give a loss of 0 and no gradient */
} reel_nll_loss_options;
REEL_API reel_nll_loss_options reel_nll_loss_defaults(void);

/* -x[target] of log-probabilities x: torch.nn.functional.nll_loss. */
REEL_API reel_var reel_nll_loss(reel_tape *tape, reel_var x, reel_var target);
REEL_API reel_var reel_nll_loss_with(reel_tape *tape, reel_var x, reel_var target,
                                     const reel_nll_loss_options *options);

typedef struct reel_cross_entropy_loss_options {
    reel_options_mark mark;
    reel_reduction reduction; /* REEL_MEAN: the divisor is the sum of the weights of the targets that are not ignored */
    reel_var weight;          /* none; [C], multiplies the losses by class; it gets no gradient */
    int64_t ignore_index;     /* -100; targets of this value give a loss of 0 and no gradient */
    double label_smoothing;   /* 0; in 0..1, else REEL_ERROR_ARGUMENT: how much of the target is spread evenly */
} reel_cross_entropy_loss_options;
REEL_API reel_cross_entropy_loss_options reel_cross_entropy_loss_defaults(void);

/* -log_softmax(x)[target] of logits x: torch.nn.functional.cross_entropy. A real target of the shape of x holds a
 * probability for each class, and the loss is -sum(target log_softmax(x)) over the classes; then the divisor of the
 * mean is the number of samples, and an ignore_index that is not negative is REEL_ERROR_ARGUMENT. */
REEL_API reel_var reel_cross_entropy_loss(reel_tape *tape, reel_var x, reel_var target);
REEL_API reel_var reel_cross_entropy_loss_with(reel_tape *tape, reel_var x, reel_var target,
                                               const reel_cross_entropy_loss_options *options);

/* ---- Divergence of distributions ---- */

typedef struct reel_kl_div_loss_options {
    reel_options_mark mark;
    reel_reduction reduction; /* REEL_MEAN, as in PyTorch; REEL_BATCH_MEAN is the divergence itself */
    bool log_target;          /* false; whether the target holds logarithms of probabilities, as x does */
} reel_kl_div_loss_options;
REEL_API reel_kl_div_loss_options reel_kl_div_loss_defaults(void);

/* target (log(target) - x) for log-probabilities x, and 0 where the target is: torch.nn.functional.kl_div. */
REEL_API reel_var reel_kl_div_loss(reel_tape *tape, reel_var x, reel_var target);
REEL_API reel_var reel_kl_div_loss_with(reel_tape *tape, reel_var x, reel_var target,
                                        const reel_kl_div_loss_options *options);

/* ---- Distances and ranks ---- */

typedef struct reel_triplet_margin_loss_options {
    reel_options_mark mark;
    reel_reduction reduction; /* REEL_MEAN */
    double margin;            /* 1; above 0, else REEL_ERROR_ARGUMENT */
    double p;                 /* 2: the norm that distances are */
    double eps;               /* 1e-6: added to differences */
    bool swap;                /* false; the distance of positive and negative counts too, when it is the smaller one */
} reel_triplet_margin_loss_options;
REEL_API reel_triplet_margin_loss_options reel_triplet_margin_loss_defaults(void);

/* max(0, |anchor - positive| - |anchor - negative| + margin) with norms along the last axis:
 * torch.nn.functional.triplet_margin_loss. All three have one shape. */
REEL_API reel_var reel_triplet_margin_loss(reel_tape *tape, reel_var anchor, reel_var positive, reel_var negative);
REEL_API reel_var reel_triplet_margin_loss_with(reel_tape *tape, reel_var anchor, reel_var positive, reel_var negative,
                                                const reel_triplet_margin_loss_options *options);

typedef struct reel_margin_loss_options {
    reel_options_mark mark;
    reel_reduction reduction; /* REEL_MEAN */
    double margin;            /* 0 */
} reel_margin_loss_options;
REEL_API reel_margin_loss_options reel_margin_loss_defaults(void);

/* max(0, -target (x1 - x2) + margin), where a target of 1 says that x1 should be the larger one, and -1 that x2 should:
 * torch.nn.functional.margin_ranking_loss. All three have one shape; target is a number of any type. */
REEL_API reel_var reel_margin_ranking_loss(reel_tape *tape, reel_var x1, reel_var x2, reel_var target);
REEL_API reel_var reel_margin_ranking_loss_with(reel_tape *tape, reel_var x1, reel_var x2, reel_var target,
                                                const reel_margin_loss_options *options);

/* With the cosine of x1 and x2 along the last axis: 1 - cosine where the target is 1, max(0, cosine - margin) where it
 * is -1, and 0 elsewhere: torch.nn.functional.cosine_embedding_loss. target has the shape without the last axis, and
 * any type. */
REEL_API reel_var reel_cosine_embedding_loss(reel_tape *tape, reel_var x1, reel_var x2, reel_var target);
REEL_API reel_var reel_cosine_embedding_loss_with(reel_tape *tape, reel_var x1, reel_var x2, reel_var target,
                                                  const reel_margin_loss_options *options);

/* ---- For discriminators ---- */

/* The hinge loss of the scores that a discriminator gives to real pictures, mean(max(0, 1 - scores)), and to made ones,
 * mean(max(0, 1 + scores)). A generator then maximises its mean score. (Lim and Ye, Geometric GAN.) */
REEL_API reel_var reel_hinge_loss_real(reel_tape *tape, reel_var scores);
REEL_API reel_var reel_hinge_loss_fake(reel_tape *tape, reel_var scores);

#ifdef __cplusplus
}
#endif

#endif
