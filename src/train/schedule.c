/* Schedules that are formulas of the step number, and what all schedules have in common. */
#include "train/schedule.h"

#include "base/text.h"

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
    if (!milestones && n > 0)
        return NAN;
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

double reel_polynomial_lr(double lr, int64_t step, int64_t total_iters, double power)
{
    if (total_iters == 0)
        return NAN;
    return lr * pow(step < total_iters ? 1 - (double)step / (double)total_iters : 0, power);
}

double reel_cosine_annealing_warm_restarts_lr(double lr, int64_t step, int64_t t_0, int64_t t_mult, double eta_min)
{
    if (t_0 < 1 || t_mult < 1)
        return NAN;
    int64_t length = t_0;
    if (t_mult == 1)
        step %= t_0;
    while (step >= length) {
        step -= length;
        if (__builtin_mul_overflow(length, t_mult, &length))
            length = INT64_MAX;
    }
    return reel_cosine_annealing_lr(lr, step, length, eta_min);
}

/* ---- Schedules under way ---- */

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

static double polynomial_formula(const reel_schedule *s, double lr, int64_t step)
{
    return reel_polynomial_lr(lr, step, s->size, s->first);
}

static double warm_restarts_formula(const reel_schedule *s, double lr, int64_t step)
{
    return reel_cosine_annealing_warm_restarts_lr(lr, step, s->size, s->growth, s->first);
}

static double lambda_formula(const reel_schedule *s, double lr, int64_t step)
{
    return lr * s->factor(step, s->user);
}

/* The learning rate of a group at a step. */
static double learning_rate(const reel_schedule *s, const struct reel_optim_group *group, int64_t step)
{
    if (step < s->warm_up_steps)
        return reel_linear_lr(group->initial_lr, step, s->warm_up_factor, 1, s->warm_up_steps);
    double lr = s->formula(s, group->initial_lr, step - s->warm_up_steps);
    for (const reel_schedule *factors = s->next; factors; factors = factors->next)
        lr *= factors->formula(factors, 1, step - s->warm_up_steps);
    return lr;
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
    for (int i = 0; s->momentum && i < s->optim->n_groups; i++) {
        double momentum = s->momentum_formula(s, step - s->warm_up_steps);
        if (step >= s->warm_up_steps && reel_optim_set_option(s->optim, i, s->momentum, momentum) != REEL_OK)
            return s->context->status;
    }
    s->step = step;
    for (int64_t i = 0; i < s->optim->n_groups; i++)
        s->optim->groups[i].lr = learning_rate(s, &s->optim->groups[i], step);
    return REEL_OK;
}

static const char *const step_words[REEL_SCHEDULE_WORDS] = {"step_lr", "step_size", NULL, "gamma", NULL};
static const char *const multi_step_words[REEL_SCHEDULE_WORDS] = {"multi_step_lr", NULL, NULL, "gamma", NULL};
static const char *const exponential_words[REEL_SCHEDULE_WORDS] = {"exponential_lr", NULL, NULL, "gamma", NULL};
static const char *const cosine_words[REEL_SCHEDULE_WORDS] = {"cosine_annealing_lr", "t_max", NULL, "eta_min", NULL};
static const char *const linear_words[REEL_SCHEDULE_WORDS] = {"linear_lr", "total_iters", NULL, "start_factor",
                                                              "end_factor"};
static const char *const polynomial_words[REEL_SCHEDULE_WORDS] = {"polynomial_lr", "total_iters", NULL, "power", NULL};
static const char *const warm_restarts_words[REEL_SCHEDULE_WORDS] = {"cosine_annealing_warm_restarts_lr", "t_0",
                                                                     "t_mult", "eta_min", NULL};
static const char *const lambda_words[REEL_SCHEDULE_WORDS] = {"lambda_lr", NULL, NULL, NULL, NULL};

reel_schedule *reel_schedule_start(reel_optim *optim, const reel_schedule *prototype)
{
    reel_context *c = optim->context;
    /* The milestones come behind the schedule, and the learning rates behind them. */
    size_t milestones = (size_t)prototype->n * sizeof(int64_t), rates = (size_t)optim->n_groups * sizeof(double);
    reel_schedule *s = reel_allocate(&c->memory, sizeof *s + milestones + rates);
    if (!s) {
        reel_fail_memory(c, "a schedule", sizeof *s + milestones + rates);
        return NULL;
    }
    memcpy(s, prototype, sizeof *s);
    if (milestones > 0)
        s->milestones = memcpy(s + 1, prototype->milestones, milestones);
    s->context = c;
    s->optim = optim;
    optim->lifetime.holders++;
    s->n_groups = optim->n_groups;
    double *initial = (double *)((char *)(s + 1) + milestones);
    s->initial = initial;
    for (int64_t i = 0; i < optim->n_groups; i++)
        optim->groups[i].initial_lr = initial[i] = optim->groups[i].lr;
    if (s->formula && go_to(s, 0) != REEL_OK) {
        reel_schedule_free(s);
        return NULL;
    }
    return s;
}

const char *reel_schedule_text(const reel_schedule *s, char text[REEL_SCHEDULE_TEXT])
{
    const double values[REEL_SCHEDULE_WORDS] = {0, (double)s->size, (double)s->growth, s->first, s->second};
    double numbers[REEL_SCHEDULE_NUMBERS];
    int n = s->numbers ? s->numbers(s, numbers) : 0;
    text[0] = '\0';
    reel_append_text(text, REEL_SCHEDULE_TEXT, "%s", s->words[0]);
    for (int i = 1; i < REEL_SCHEDULE_WORDS; i++)
        if (s->words[i])
            reel_append_text(text, REEL_SCHEDULE_TEXT, ", %s %.17g", s->words[i], values[i]);
    for (int i = 0; i < n; i++)
        reel_append_text(text, REEL_SCHEDULE_TEXT, "%s %.17g", i ? "," : ", options", numbers[i]);
    if (s->warm_up_steps > 0)
        reel_append_text(text, REEL_SCHEDULE_TEXT, ", warm-up of %lld steps from %.17g", (long long)s->warm_up_steps,
                         s->warm_up_factor);
    return text;
}

bool reel_schedule_usable(const reel_optim *optim)
{
    return optim && optim->context->status == REEL_OK;
}

reel_status reel_schedule_expect_usable(const reel_schedule *schedule, const char *who)
{
    if (!schedule)
        return REEL_ERROR_ARGUMENT;
    if (schedule->context->status == REEL_OK && schedule->optim->lifetime.is_freed)
        return reel_fail(schedule->context, REEL_ERROR_STATE, "%s: the optimizer was freed", who);
    return schedule->context->status;
}

bool reel_schedule_expect_count(reel_optim *optim, const char *who, const char *argument, int64_t value, int64_t least)
{
    if (value >= least)
        return true;
    reel_fail(optim->context, REEL_ERROR_ARGUMENT, "%s: %s is %lld, it must be at least %lld", who, argument,
              (long long)value, (long long)least);
    return false;
}

bool reel_schedule_expect_finite(reel_optim *optim, const char *who, const char *argument, double value)
{
    if (value >= 0 && value < INFINITY)
        return true;
    reel_fail(optim->context, REEL_ERROR_ARGUMENT, "%s: %s is %g, it must be a number of at least 0", who, argument,
              value);
    return false;
}

reel_schedule *reel_step_lr_new(reel_optim *optim, int64_t step_size, double gamma)
{
    if (!reel_schedule_usable(optim) || !reel_schedule_expect_count(optim, "step_lr", "step_size", step_size, 1) ||
        !reel_schedule_expect_finite(optim, "step_lr", "gamma", gamma))
        return NULL;
    return reel_schedule_start(
        optim,
        &(reel_schedule){
            .formula = step_formula, .words = step_words, .multiplies = true, .size = step_size, .first = gamma});
}

reel_schedule *reel_multi_step_lr_new(reel_optim *optim, const int64_t *milestones, int n, double gamma)
{
    if (!reel_schedule_usable(optim) || !reel_schedule_expect_finite(optim, "multi_step_lr", "gamma", gamma))
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
    return reel_schedule_start(optim, &(reel_schedule){.formula = multi_step_formula,
                                                       .words = multi_step_words,
                                                       .multiplies = true,
                                                       .first = gamma,
                                                       .n = n,
                                                       .milestones = milestones});
}

reel_schedule *reel_exponential_lr_new(reel_optim *optim, double gamma)
{
    if (!reel_schedule_usable(optim) || !reel_schedule_expect_finite(optim, "exponential_lr", "gamma", gamma))
        return NULL;
    return reel_schedule_start(
        optim, &(reel_schedule){
                   .formula = exponential_formula, .words = exponential_words, .multiplies = true, .first = gamma});
}

reel_schedule *reel_cosine_annealing_lr_new(reel_optim *optim, int64_t t_max, double eta_min)
{
    if (!reel_schedule_usable(optim) || !reel_schedule_expect_count(optim, "cosine_annealing_lr", "t_max", t_max, 1) ||
        !reel_schedule_expect_finite(optim, "cosine_annealing_lr", "eta_min", eta_min))
        return NULL;
    return reel_schedule_start(optim, &(reel_schedule){.formula = cosine_formula,
                                                       .words = cosine_words,
                                                       .multiplies = eta_min == 0,
                                                       .size = t_max,
                                                       .first = eta_min});
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
    if (!reel_schedule_usable(optim) || !expect_start_factor(optim, "linear_lr", start_factor) ||
        !reel_schedule_expect_count(optim, "linear_lr", "total_iters", total_iters, 1))
        return NULL;
    if (!(end_factor >= 0 && end_factor <= 1)) {
        reel_fail(optim->context, REEL_ERROR_ARGUMENT, "linear_lr: end_factor is %g, it must be in [0, 1]", end_factor);
        return NULL;
    }
    return reel_schedule_start(optim, &(reel_schedule){.formula = linear_formula,
                                                       .words = linear_words,
                                                       .multiplies = true,
                                                       .size = total_iters,
                                                       .first = start_factor,
                                                       .second = end_factor});
}

reel_schedule *reel_polynomial_lr_new(reel_optim *optim, int64_t total_iters, double power)
{
    if (!reel_schedule_usable(optim) ||
        !reel_schedule_expect_count(optim, "polynomial_lr", "total_iters", total_iters, 1) ||
        !reel_schedule_expect_finite(optim, "polynomial_lr", "power", power))
        return NULL;
    return reel_schedule_start(optim, &(reel_schedule){.formula = polynomial_formula,
                                                       .words = polynomial_words,
                                                       .multiplies = true,
                                                       .size = total_iters,
                                                       .first = power});
}

reel_schedule *reel_cosine_annealing_warm_restarts_lr_new(reel_optim *optim, int64_t t_0, int64_t t_mult,
                                                          double eta_min)
{
    static const char *who = "cosine_annealing_warm_restarts_lr";
    if (!reel_schedule_usable(optim) || !reel_schedule_expect_count(optim, who, "t_0", t_0, 1) ||
        !reel_schedule_expect_count(optim, who, "t_mult", t_mult, 1) ||
        !reel_schedule_expect_finite(optim, who, "eta_min", eta_min))
        return NULL;
    return reel_schedule_start(optim, &(reel_schedule){.formula = warm_restarts_formula,
                                                       .words = warm_restarts_words,
                                                       .size = t_0,
                                                       .growth = t_mult,
                                                       .first = eta_min});
}

reel_schedule *reel_lambda_lr_new(reel_optim *optim, double (*factor)(int64_t step, void *user), void *user)
{
    if (!reel_schedule_usable(optim))
        return NULL;
    if (!factor) {
        reel_fail(optim->context, REEL_ERROR_ARGUMENT, "lambda_lr: factor is NULL");
        return NULL;
    }
    return reel_schedule_start(
        optim, &(reel_schedule){.formula = lambda_formula, .words = lambda_words, .factor = factor, .user = user});
}

void reel_schedule_free(reel_schedule *schedule)
{
    while (schedule) {
        reel_schedule *next = schedule->next;
        reel_optim_let_go(schedule->optim);
        if (reel_lifetime_end(&schedule->lifetime))
            reel_free(&schedule->context->memory, schedule);
        schedule = next;
    }
}

void reel_schedule_let_go(reel_schedule *schedule)
{
    if (reel_lifetime_let_go(&schedule->lifetime))
        reel_free(&schedule->context->memory, schedule);
}

/* For what a schedule that follows a measure cannot do. */
static reel_status expect_formula(const reel_schedule *s, const char *who)
{
    if (s->formula)
        return REEL_OK;
    return reel_fail(s->context, REEL_ERROR_STATE, "%s: the schedule follows a measure (reel_schedule_step_with)", who);
}

reel_status reel_schedule_warm_up(reel_schedule *schedule, int64_t steps, double start_factor)
{
    reel_status usable = reel_schedule_expect_usable(schedule, "schedule_warm_up");
    if (usable != REEL_OK)
        return usable;
    if (expect_formula(schedule, "schedule_warm_up") != REEL_OK ||
        !reel_schedule_expect_count(schedule->optim, "schedule_warm_up", "steps", steps, 1) ||
        !expect_start_factor(schedule->optim, "schedule_warm_up", start_factor))
        return schedule->context->status;
    if (schedule->step > 0)
        return reel_fail(schedule->context, REEL_ERROR_STATE,
                         "schedule_warm_up: the schedule is under way, at step %lld", (long long)schedule->step);
    schedule->warm_up_steps = steps;
    schedule->warm_up_factor = start_factor;
    return go_to(schedule, schedule->step);
}

reel_status reel_schedule_chain(reel_schedule *schedule, reel_schedule *factors)
{
    reel_status usable = reel_schedule_expect_usable(schedule, "schedule_chain");
    if (usable != REEL_OK)
        return usable;
    reel_context *c = schedule->context;
    if (!factors || factors == schedule || factors->optim != schedule->optim || !schedule->multiplies ||
        !factors->multiplies)
        return reel_fail(c, REEL_ERROR_ARGUMENT,
                         "schedule_chain: two schedules of one optimizer that multiply its learning rates are needed");
    if (schedule->step > 0 || factors->step > 0 || schedule->warm_up_steps > 0 || factors->warm_up_steps > 0)
        return reel_fail(c, REEL_ERROR_STATE, "schedule_chain: a schedule is under way or has a warm-up");
    reel_schedule *last = schedule;
    while (last->next)
        last = last->next;
    last->next = factors;
    /* The second schedule began from what the first had made of the learning rates. */
    for (int64_t i = 0; i < schedule->n_groups; i++)
        schedule->optim->groups[i].initial_lr = schedule->initial[i];
    return go_to(schedule, 0);
}

reel_status reel_schedule_step(reel_schedule *schedule)
{
    reel_status usable = reel_schedule_expect_usable(schedule, "schedule_step");
    if (usable != REEL_OK)
        return usable;
    if (expect_formula(schedule, "schedule_step") != REEL_OK)
        return schedule->context->status;
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
    reel_status usable = reel_schedule_expect_usable(schedule, "schedule_set_last_step");
    if (usable != REEL_OK)
        return usable;
    if (expect_formula(schedule, "schedule_set_last_step") != REEL_OK)
        return schedule->context->status;
    if (step < 0)
        return reel_fail(schedule->context, REEL_ERROR_ARGUMENT, "schedule_set_last_step: %lld is less than 0",
                         (long long)step);
    return go_to(schedule, step);
}

/* ---- State ---- */

enum { BEST = 1 };
static const char *const state_names[] = {"last_step", "best", "num_bad_epochs", "cooldown_counter"};

int reel_schedule_states(const reel_schedule *schedule)
{
    return !schedule ? 0 : schedule->formula ? 1 : (int)(sizeof state_names / sizeof *state_names);
}

reel_status reel_schedule_state_at(const reel_schedule *schedule, int i, reel_schedule_state *out)
{
    reel_status usable = reel_schedule_expect_usable(schedule, "schedule_state_at");
    if (usable != REEL_OK)
        return usable;
    if (i < 0 || i >= reel_schedule_states(schedule) || !out)
        return reel_fail(schedule->context, REEL_ERROR_ARGUMENT,
                         "schedule_state_at: there is no state %d, or out is NULL", i);
    const double values[] = {(double)schedule->step, schedule->plateau.best, (double)schedule->plateau.bad_steps,
                             (double)schedule->plateau.cooldown};
    *out = (reel_schedule_state){state_names[i], values[i]};
    return REEL_OK;
}

reel_status reel_schedule_expect_state(const reel_schedule *schedule, int i, double value)
{
    /* Counts are whole, and those that a double holds exactly. */
    if (i == BEST ? !isnan(value) : value >= 0 && value <= 0x1p53 && floor(value) == value)
        return REEL_OK;
    return reel_fail(schedule->context, REEL_ERROR_ARGUMENT, "schedule_set_state: %s cannot be %g", state_names[i],
                     value);
}

static void set_plateau(reel_schedule *schedule, int i, double value)
{
    if (i == BEST)
        schedule->plateau.best = value;
    else
        *(int64_t *const[]){&schedule->step, NULL, &schedule->plateau.bad_steps, &schedule->plateau.cooldown}[i] =
            (int64_t)value;
}

void reel_schedule_restore(reel_schedule *schedule, const double *states)
{
    for (int i = 0; i < reel_schedule_states(schedule); i++)
        set_plateau(schedule, i, states[i]);
}

reel_status reel_schedule_set_state(reel_schedule *schedule, const char *name, double value)
{
    reel_status usable = reel_schedule_expect_usable(schedule, "schedule_set_state");
    if (usable != REEL_OK)
        return usable;
    int i = 0;
    while (i < reel_schedule_states(schedule) && (!name || strcmp(name, state_names[i]) != 0))
        i++;
    char printable[REEL_PRINTABLE];
    if (i == reel_schedule_states(schedule))
        return reel_fail(schedule->context, REEL_ERROR_ARGUMENT, "schedule_set_state: there is no state \"%s\"",
                         reel_printable(name ? name : "", printable));
    if (reel_schedule_expect_state(schedule, i, value) != REEL_OK)
        return schedule->context->status;
    if (schedule->formula)
        return go_to(schedule, (int64_t)value);
    set_plateau(schedule, i, value);
    return REEL_OK;
}
