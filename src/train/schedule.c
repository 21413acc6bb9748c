/* Learning-rate schedules: the formulas, and the object that applies them. */
#include <reel/schedule.h>

#include "train/optim.h"

#include <math.h>
#include <string.h>

static const double PI = 3.14159265358979323846;

double reel_step_lr(double lr, int64_t step, int64_t step_size, double gamma)
{
    return step_size == 0 ? NAN : lr * pow(gamma, (double)(step / step_size));
}

double reel_multi_step_lr(double lr, int64_t step, const int64_t *milestones, int n, double gamma)
{
    int passed = 0;
    while (passed < n && milestones[passed] <= step)
        passed++;
    return lr * pow(gamma, passed);
}

double reel_exponential_lr(double lr, int64_t step, double gamma)
{
    return lr * pow(gamma, (double)step);
}

double reel_cosine_annealing_lr(double lr, int64_t step, int64_t t_max, double eta_min)
{
    return t_max == 0 ? NAN : eta_min + (lr - eta_min) * (1 + cos(PI * (double)step / (double)t_max)) / 2;
}

double reel_linear_lr(double lr, int64_t step, double start_factor, double end_factor, int64_t total_iters)
{
    if (total_iters == 0)
        return NAN;
    if (step >= total_iters)
        return lr * end_factor;
    return lr * (start_factor + (end_factor - start_factor) * (double)step / (double)total_iters);
}

/* ---- Schedules under way ---- */

struct reel_schedule {
    reel_context *context;
    reel_optim *optim;
    int64_t step;
    int64_t warm_up_steps; /* 0: no warm-up */
    double warm_up_factor;
    double (*formula)(const reel_schedule *schedule, double lr, int64_t step);
    int64_t size;         /* step_size, t_max or total_iters */
    double first, second; /* gamma, eta_min, or the two factors */
    double (*factor)(int64_t step, void *user);
    void *user;
    int n;
    int64_t milestones[];
};

static double step_formula(const reel_schedule *s, double lr, int64_t step)
{
    return reel_step_lr(lr, step, s->size, s->first);
}

static double multi_step_formula(const reel_schedule *s, double lr, int64_t step)
{
    return reel_multi_step_lr(lr, step, s->milestones, s->n, s->first);
}

static double exponential_formula(const reel_schedule *s, double lr, int64_t step)
{
    return reel_exponential_lr(lr, step, s->first);
}

static double cosine_formula(const reel_schedule *s, double lr, int64_t step)
{
    return reel_cosine_annealing_lr(lr, step, s->size, s->first);
}

static double linear_formula(const reel_schedule *s, double lr, int64_t step)
{
    return reel_linear_lr(lr, step, s->first, s->second, s->size);
}

static double lambda_formula(const reel_schedule *s, double lr, int64_t step)
{
    return lr * s->factor(step, s->user);
}

/* The learning rate of a group at a step. */
static double learning_rate(const reel_schedule *s, const struct reel_optim_group *group, int64_t step)
{
    return step < s->warm_up_steps ? reel_linear_lr(group->initial_lr, step, s->warm_up_factor, 1, s->warm_up_steps)
                                   : s->formula(s, group->initial_lr, step - s->warm_up_steps);
}

/* Goes to a step, unless a learning rate there is none. */
static reel_status go_to(reel_schedule *s, int64_t step)
{
    for (int64_t i = 0; i < s->optim->n_groups; i++) {
        double lr = learning_rate(s, &s->optim->groups[i], step);
        if (!(lr >= 0))
            return reel_fail(s->context, REEL_ERROR_ARGUMENT, "schedule: the learning rate of step %lld is %g",
                             (long long)step, lr);
    }
    s->step = step;
    for (int64_t i = 0; i < s->optim->n_groups; i++)
        s->optim->groups[i].lr = learning_rate(s, &s->optim->groups[i], step);
    return REEL_OK;
}

/* Copies the prototype with its milestones and starts. */
static reel_schedule *start(reel_optim *optim, const reel_schedule *prototype, const int64_t *milestones)
{
    reel_context *c = optim->context;
    size_t bytes = (size_t)prototype->n * sizeof *milestones;
    reel_schedule *s = reel_allocate(&c->memory, sizeof *s + bytes);
    if (!s) {
        reel_fail_memory(c, "a schedule", sizeof *s + bytes);
        return NULL;
    }
    memcpy(s, prototype, sizeof *s);
    if (s->n > 0)
        memcpy(s->milestones, milestones, bytes);
    s->context = c;
    s->optim = optim;
    for (int64_t i = 0; i < optim->n_groups; i++)
        optim->groups[i].initial_lr = optim->groups[i].lr;
    if (go_to(s, 0) != REEL_OK) {
        reel_free(&c->memory, s);
        return NULL;
    }
    return s;
}

static bool usable(const reel_optim *optim)
{
    return optim && optim->context->status == REEL_OK;
}

static bool expect_at_least_1(reel_optim *optim, const char *who, const char *argument, int64_t value)
{
    if (value >= 1)
        return true;
    reel_fail(optim->context, REEL_ERROR_ARGUMENT, "%s: %s is %lld, it must be at least 1", who, argument,
              (long long)value);
    return false;
}

/* A factor or a learning rate: finite and not below 0. */
static bool expect_finite(reel_optim *optim, const char *who, const char *argument, double value)
{
    if (value >= 0 && value < INFINITY)
        return true;
    reel_fail(optim->context, REEL_ERROR_ARGUMENT, "%s: %s is %g, it must be a number of at least 0", who, argument,
              value);
    return false;
}

reel_schedule *reel_step_lr_new(reel_optim *optim, int64_t step_size, double gamma)
{
    if (!usable(optim) || !expect_at_least_1(optim, "step_lr", "step_size", step_size) ||
        !expect_finite(optim, "step_lr", "gamma", gamma))
        return NULL;
    return start(optim, &(reel_schedule){.formula = step_formula, .size = step_size, .first = gamma}, NULL);
}

reel_schedule *reel_multi_step_lr_new(reel_optim *optim, const int64_t *milestones, int n, double gamma)
{
    if (!usable(optim) || !expect_finite(optim, "multi_step_lr", "gamma", gamma))
        return NULL;
    if (n < 0 || (n > 0 && !milestones)) {
        reel_fail(optim->context, REEL_ERROR_ARGUMENT, "multi_step_lr: %d milestones, at a NULL pointer", n);
        return NULL;
    }
    for (int i = 1; i < n; i++)
        if (milestones[i] < milestones[i - 1]) {
            reel_fail(optim->context, REEL_ERROR_ARGUMENT, "multi_step_lr: milestone %lld follows %lld",
                      (long long)milestones[i], (long long)milestones[i - 1]);
            return NULL;
        }
    return start(optim, &(reel_schedule){.formula = multi_step_formula, .first = gamma, .n = n}, milestones);
}

reel_schedule *reel_exponential_lr_new(reel_optim *optim, double gamma)
{
    if (!usable(optim) || !expect_finite(optim, "exponential_lr", "gamma", gamma))
        return NULL;
    return start(optim, &(reel_schedule){.formula = exponential_formula, .first = gamma}, NULL);
}

reel_schedule *reel_cosine_annealing_lr_new(reel_optim *optim, int64_t t_max, double eta_min)
{
    if (!usable(optim) || !expect_at_least_1(optim, "cosine_annealing_lr", "t_max", t_max) ||
        !expect_finite(optim, "cosine_annealing_lr", "eta_min", eta_min))
        return NULL;
    return start(optim, &(reel_schedule){.formula = cosine_formula, .size = t_max, .first = eta_min}, NULL);
}

static bool expect_start_factor(reel_optim *optim, const char *who, double factor)
{
    if (factor > 0 && factor <= 1)
        return true;
    reel_fail(optim->context, REEL_ERROR_ARGUMENT, "%s: start_factor is %g, it must be in (0, 1]", who, factor);
    return false;
}

reel_schedule *reel_linear_lr_new(reel_optim *optim, double start_factor, double end_factor, int64_t total_iters)
{
    if (!usable(optim) || !expect_start_factor(optim, "linear_lr", start_factor) ||
        !expect_at_least_1(optim, "linear_lr", "total_iters", total_iters))
        return NULL;
    if (!(end_factor >= 0 && end_factor <= 1)) {
        reel_fail(optim->context, REEL_ERROR_ARGUMENT, "linear_lr: end_factor is %g, it must be in [0, 1]", end_factor);
        return NULL;
    }
    return start(
        optim,
        &(reel_schedule){.formula = linear_formula, .size = total_iters, .first = start_factor, .second = end_factor},
        NULL);
}

reel_schedule *reel_lambda_lr_new(reel_optim *optim, double (*factor)(int64_t step, void *user), void *user)
{
    if (!usable(optim))
        return NULL;
    if (!factor) {
        reel_fail(optim->context, REEL_ERROR_ARGUMENT, "lambda_lr: factor is NULL");
        return NULL;
    }
    return start(optim, &(reel_schedule){.formula = lambda_formula, .factor = factor, .user = user}, NULL);
}

void reel_schedule_free(reel_schedule *schedule)
{
    if (schedule)
        reel_free(&schedule->context->memory, schedule);
}

reel_status reel_schedule_warm_up(reel_schedule *schedule, int64_t steps, double start_factor)
{
    if (!schedule || !usable(schedule->optim))
        return schedule ? schedule->context->status : REEL_ERROR_ARGUMENT;
    if (!expect_at_least_1(schedule->optim, "schedule_warm_up", "steps", steps) ||
        !expect_start_factor(schedule->optim, "schedule_warm_up", start_factor))
        return schedule->context->status;
    schedule->warm_up_steps = steps;
    schedule->warm_up_factor = start_factor;
    return go_to(schedule, schedule->step);
}

reel_status reel_schedule_step(reel_schedule *schedule)
{
    if (!schedule || !usable(schedule->optim))
        return schedule ? schedule->context->status : REEL_ERROR_ARGUMENT;
    if (schedule->step == INT64_MAX)
        return reel_fail(schedule->context, REEL_ERROR_ARGUMENT, "schedule_step: there is no step behind %lld",
                         (long long)schedule->step);
    return go_to(schedule, schedule->step + 1);
}

int64_t reel_schedule_last_step(const reel_schedule *schedule)
{
    return schedule ? schedule->step : 0;
}

reel_status reel_schedule_set_last_step(reel_schedule *schedule, int64_t step)
{
    if (!schedule || !usable(schedule->optim))
        return schedule ? schedule->context->status : REEL_ERROR_ARGUMENT;
    if (step < 0)
        return reel_fail(schedule->context, REEL_ERROR_ARGUMENT, "schedule_set_last_step: %lld is less than 0",
                         (long long)step);
    return go_to(schedule, step);
}
