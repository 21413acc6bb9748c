/* Learning-rate schedules: those of torch.optim.lr_scheduler, as formulas of the step number, and as an object that
 * sets the learning rates of an optimizer.
 *
 *     reel_schedule *s = reel_cosine_annealing_lr_new(adam, 1000, 0);
 *     reel_schedule_warm_up(s, 100, 0.01);
 *     for (int step = 0; step < 1000; step++) {
 *         ...
 *         reel_optim_step(adam);
 *         reel_schedule_step(s);
 *     } */
#ifndef REEL_SCHEDULE_H
#define REEL_SCHEDULE_H

#include <reel/optim.h>
#include <reel/options.h>
#include <reel/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The formulas: the learning rate after `step` steps (the scheduler's last_epoch, from 0), for an initial one of `lr`.
 * In pure numbers, any values are accepted; a step_size, t_max or total_iters of 0 gives NaN. */

/* StepLR: lr * gamma ^ floor(step / step_size). */
REEL_API double reel_step_lr(double lr, int64_t step, int64_t step_size, double gamma);

/* MultiStepLR: lr * gamma ^ (how many of the n milestones, ascending, are <= step). NaN when they are at NULL. */
REEL_API double reel_multi_step_lr(double lr, int64_t step, const int64_t *milestones, int n, double gamma);

/* ExponentialLR: lr * gamma ^ step. */
REEL_API double reel_exponential_lr(double lr, int64_t step, double gamma);

/* CosineAnnealingLR: eta_min + (lr - eta_min) * (1 + cos(pi * step / t_max)) / 2. */
REEL_API double reel_cosine_annealing_lr(double lr, int64_t step, int64_t t_max, double eta_min);

/* LinearLR: lr times a factor that goes from start_factor to end_factor in total_iters steps and stays there. */
REEL_API double reel_linear_lr(double lr, int64_t step, double start_factor, double end_factor, int64_t total_iters);

/* PolynomialLR: lr * (1 - step / total_iters) ^ power, and from total_iters on as at total_iters: 0 unless power is. */
REEL_API double reel_polynomial_lr(double lr, int64_t step, int64_t total_iters, double power);

/* CosineAnnealingWarmRestarts: CosineAnnealingLR in cycles, of t_0 steps the first, and each t_mult times as long as
 * the one before; t_0 and t_mult below 1 give NaN. */
REEL_API double reel_cosine_annealing_warm_restarts_lr(double lr, int64_t step, int64_t t_0, int64_t t_mult,
                                                       double eta_min);

/* OneCycleLR: from max_lr / div_factor up to max_lr in the first pct_start of total_steps, and down to max_lr /
 * div_factor / final_div_factor at step total_steps - 1, where it stays; momentum goes the other way. */
typedef struct reel_one_cycle_lr_options {
    reel_options_mark mark;
    double pct_start;        /* 0.3; in [0, 1] */
    double div_factor;       /* 25; above 0 */
    double final_div_factor; /* 1e4; above 0 */
    bool linear;             /* false: along a cosine (anneal_strategy) */
    bool three_phase;        /* false. true: as long down to the first rate as up from it, and then to the last */
    bool cycle_momentum;     /* true: sets beta1, or momentum where there is no beta1 */
    double base_momentum;    /* 0.85: at the largest learning rate; in [0, 1) */
    double max_momentum;     /* 0.95: at the smallest ones; in [0, 1) */
} reel_one_cycle_lr_options;
REEL_API reel_one_cycle_lr_options reel_one_cycle_lr_defaults(void);
/* The learning rate, and the momentum. NULL options: the defaults. In pure numbers: NaN for total_steps
 * below 1 and for options that did not come from their defaults; other ranges are not checked. */
REEL_API double reel_one_cycle_lr(double max_lr, int64_t step, int64_t total_steps,
                                  const reel_one_cycle_lr_options *options);
REEL_API double reel_one_cycle_momentum(int64_t step, int64_t total_steps, const reel_one_cycle_lr_options *options);

/* A schedule under way. Each constructor takes the optimizer's current learning rates as the initial ones, group by
 * group, and sets those of step 0. NULL when optim is NULL, the context has an error, memory ran out or an argument is
 * outside its range (REEL_ERROR_ARGUMENT). Owned by the caller; free it before the context, before the optimizer or
 * after, when any other use is REEL_ERROR_STATE. Groups added later are scheduled too, from their own learning rate.
 * gamma and eta_min are finite and not negative. A step whose learning rate would be negative or no number, as a factor
 * of reel_lambda_lr_new can make it, is REEL_ERROR_ARGUMENT, and nothing changes. */
typedef struct reel_schedule reel_schedule;

REEL_API reel_schedule *reel_step_lr_new(reel_optim *optim, int64_t step_size, double gamma); /* step_size >= 1 */
/* The milestones, ascending, are copied. */
REEL_API reel_schedule *reel_multi_step_lr_new(reel_optim *optim, const int64_t *milestones, int n, double gamma);
REEL_API reel_schedule *reel_exponential_lr_new(reel_optim *optim, double gamma);
REEL_API reel_schedule *reel_cosine_annealing_lr_new(reel_optim *optim, int64_t t_max, double eta_min); /* t_max >= 1 */
/* 0 < start_factor <= 1, 0 <= end_factor <= 1, total_iters >= 1. */
REEL_API reel_schedule *reel_linear_lr_new(reel_optim *optim, double start_factor, double end_factor,
                                           int64_t total_iters);
/* total_iters >= 1; power finite and not negative. */
REEL_API reel_schedule *reel_polynomial_lr_new(reel_optim *optim, int64_t total_iters, double power);
REEL_API reel_schedule *reel_cosine_annealing_warm_restarts_lr_new(reel_optim *optim, int64_t t_0, int64_t t_mult,
                                                                   double eta_min); /* t_0, t_mult >= 1 */
/* The largest learning rates are those that the optimizer has; total_steps >= 1. An optimizer without momentum is
 * refused unless cycle_momentum is false. Where updates of rows are put off (REEL_EXACT), each change of momentum
 * brings all rows up to date. */
REEL_API reel_schedule *reel_one_cycle_lr_new(reel_optim *optim, int64_t total_steps,
                                              const reel_one_cycle_lr_options *options);
/* LambdaLR: lr times factor(step, user), which is called more than once a step. `user` must live as long as the
 * schedule. */
REEL_API reel_schedule *reel_lambda_lr_new(reel_optim *optim, double (*factor)(int64_t step, void *user), void *user);
REEL_API void reel_schedule_free(reel_schedule *schedule);

/* Puts a warm-up in front: in the first `steps` steps learning rates rise linearly from start_factor times the initial
 * ones to these, then the schedule runs from its own step 0 (SequentialLR of LinearLR and the schedule, milestone
 * `steps`). steps >= 1, 0 < start_factor <= 1. Once it has made a step: REEL_ERROR_STATE. A second call replaces the
 * warm-up. */
REEL_API reel_status reel_schedule_warm_up(reel_schedule *schedule, int64_t steps, double start_factor);

/* Multiplies the learning rates by the factors of another schedule (ChainedScheduler): first_lr(step) / lr *
 * second_lr(step). `factors` was made after `schedule`, for the same optimizer, and both are at step 0 and have no
 * warm-up (REEL_ERROR_STATE). It may be a step, multi-step, exponential, linear or polynomial schedule, or a cosine
 * with an eta_min of 0, and so may `schedule`, since others do not multiply (REEL_ERROR_ARGUMENT). It belongs to
 * `schedule` from now on; on failure it is still the caller's. Beyond the t_max of a cosine PyTorch's own steps go
 * wrong in a chain, and the formula stands. */
REEL_API reel_status reel_schedule_chain(reel_schedule *schedule, reel_schedule *factors);

/* The next step: call it once after each reel_optim_step (or once an epoch; then steps are epochs). Learning rates set
 * by reel_optim_set_lr meanwhile are overwritten. */
REEL_API reel_status reel_schedule_step(reel_schedule *schedule);

/* How many steps were made; and to go on from there, as when training is resumed. */
REEL_API int64_t reel_schedule_last_step(const reel_schedule *schedule);
REEL_API reel_status reel_schedule_set_last_step(reel_schedule *schedule, int64_t step);

/* ReduceLROnPlateau: learning rates become smaller when a measure has not become better for some time. */
typedef struct reel_reduce_lr_on_plateau_options {
    reel_options_mark mark;
    bool maximize;           /* false: smaller is better (mode) */
    double factor;           /* 0.1: what learning rates are multiplied by; in [0, 1) */
    int64_t patience;        /* 10: steps without an improvement that are let pass; >= 0 */
    double threshold;        /* 1e-4: what counts as an improvement; finite, >= 0 */
    bool absolute_threshold; /* false: that fraction of the best so far. true: that much (threshold_mode) */
    int64_t cooldown;        /* 0: steps after a reduction in which nothing is counted; >= 0 */
    double min_lr;           /* 0: the least learning rate; finite, >= 0 */
    double eps;              /* 1e-8: smaller reductions are not made; finite, >= 0 */
} reel_reduce_lr_on_plateau_options;
REEL_API reel_reduce_lr_on_plateau_options reel_reduce_lr_on_plateau_defaults(void);

/* A schedule that is given a measure with each step, by reel_schedule_step_with instead of reel_schedule_step. It
 * multiplies what learning rates there are, so that those set meanwhile count; it has no warm-up, is no part of a
 * chain, and cannot be put to a step (REEL_ERROR_STATE). */
REEL_API reel_schedule *reel_reduce_lr_on_plateau_new(reel_optim *optim,
                                                      const reel_reduce_lr_on_plateau_options *options);
/* The next step, with the measure that was reached; NaN is no improvement. Other schedules do not look at it. */
REEL_API reel_status reel_schedule_step_with(reel_schedule *schedule, double measure);

/* What a schedule holds besides its options and the learning rates, which are the optimizer's: named numbers, as in
 * PyTorch's state_dict, so that a run can be saved and resumed. "last_step"; of a plateau also "best", "num_bad_epochs"
 * and "cooldown_counter". */
typedef struct reel_schedule_state {
    const char *name; /* static storage */
    double value;     /* a whole number, but for "best" */
} reel_schedule_state;
REEL_API int reel_schedule_states(const reel_schedule *schedule);
/* REEL_ERROR_ARGUMENT when there is no i-th state. */
REEL_API reel_status reel_schedule_state_at(const reel_schedule *schedule, int i, reel_schedule_state *out);
/* REEL_ERROR_ARGUMENT when there is no state of that name, or the value cannot be its. A "last_step" sets the learning
 * rates as reel_schedule_set_last_step does, but for a plateau's. */
REEL_API reel_status reel_schedule_set_state(reel_schedule *schedule, const char *name, double value);

#ifdef __cplusplus
}
#endif

#endif
