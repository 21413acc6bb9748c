/* Learning-rate schedules: those of torch.optim.lr_scheduler, as formulas of the step number, and as an object that
 * sets the learning rates of an optimizer.
 *
 *     reel_schedule *s = reel_cosine_annealing_lr_new(adam, 1000, 0);
 *     reel_schedule_warm_up(s, 100, 0.01);
 *     for (...) {
 *         ...
 *         reel_optim_step(adam);
 *         reel_schedule_step(s);
 *     } */
#ifndef REEL_SCHEDULE_H
#define REEL_SCHEDULE_H

#include <reel/optim.h>
#include <reel/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The formulas: the learning rate after `step` steps (the scheduler's last_epoch, from 0), for an initial one of `lr`.
 * In pure numbers, any values are accepted; a step_size, t_max or total_iters of 0 gives NaN. */

/* StepLR: lr * gamma ^ floor(step / step_size). */
REEL_API double reel_step_lr(double lr, int64_t step, int64_t step_size, double gamma);

/* MultiStepLR: lr * gamma ^ (how many of the n milestones, ascending, are <= step). */
REEL_API double reel_multi_step_lr(double lr, int64_t step, const int64_t *milestones, int n, double gamma);

/* ExponentialLR: lr * gamma ^ step. */
REEL_API double reel_exponential_lr(double lr, int64_t step, double gamma);

/* CosineAnnealingLR: eta_min + (lr - eta_min) * (1 + cos(pi * step / t_max)) / 2. */
REEL_API double reel_cosine_annealing_lr(double lr, int64_t step, int64_t t_max, double eta_min);

/* LinearLR: lr times a factor that goes from start_factor to end_factor in total_iters steps and stays there. */
REEL_API double reel_linear_lr(double lr, int64_t step, double start_factor, double end_factor, int64_t total_iters);

/* A schedule under way. Each constructor takes the optimizer's current learning rates as the initial ones, group by
 * group, and sets those of step 0. NULL when optim is NULL, the context has an error, memory ran out or an argument is
 * outside its range (REEL_ERROR_ARGUMENT). Owned by the caller; free it before the context, and do not use it after the
 * optimizer is freed. Groups added later are scheduled too, from their own learning rate. gamma and
 * eta_min are finite and not negative. A step whose learning rate would be negative or no number, as a factor of
 * reel_lambda_lr_new can make it, is REEL_ERROR_ARGUMENT, and nothing changes. */
typedef struct reel_schedule reel_schedule;

REEL_API reel_schedule *reel_step_lr_new(reel_optim *optim, int64_t step_size, double gamma); /* step_size >= 1 */
/* The milestones, ascending, are copied. */
REEL_API reel_schedule *reel_multi_step_lr_new(reel_optim *optim, const int64_t *milestones, int n, double gamma);
REEL_API reel_schedule *reel_exponential_lr_new(reel_optim *optim, double gamma);
REEL_API reel_schedule *reel_cosine_annealing_lr_new(reel_optim *optim, int64_t t_max, double eta_min); /* t_max >= 1 */
/* 0 < start_factor <= 1, 0 <= end_factor <= 1, total_iters >= 1. */
REEL_API reel_schedule *reel_linear_lr_new(reel_optim *optim, double start_factor, double end_factor,
                                           int64_t total_iters);
/* LambdaLR: lr times factor(step, user), which is called more than once a step. `user` must live as long as the
 * schedule. */
REEL_API reel_schedule *reel_lambda_lr_new(reel_optim *optim, double (*factor)(int64_t step, void *user), void *user);
REEL_API void reel_schedule_free(reel_schedule *schedule);

/* Puts a warm-up in front: in the first `steps` steps learning rates rise linearly from start_factor times the initial
 * ones to these, then the schedule runs from its own step 0 (SequentialLR of LinearLR and the schedule, milestone
 * `steps`). steps >= 1, 0 < start_factor <= 1. Call it before the first step; a second call replaces the warm-up. */
REEL_API reel_status reel_schedule_warm_up(reel_schedule *schedule, int64_t steps, double start_factor);

/* The next step: call it once after each reel_optim_step (or once an epoch; then steps are epochs). Learning rates set
 * by reel_optim_set_lr meanwhile are overwritten. */
REEL_API reel_status reel_schedule_step(reel_schedule *schedule);

/* How many steps were made; and to go on from there, as when training is resumed. */
REEL_API int64_t reel_schedule_last_step(const reel_schedule *schedule);
REEL_API reel_status reel_schedule_set_last_step(reel_schedule *schedule, int64_t step);

#ifdef __cplusplus
}
#endif

#endif
