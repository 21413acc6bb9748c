/* ReduceLROnPlateau: the schedule that follows a measure. */
#include "train/schedule.h"

#include <math.h>
#include <string.h>

reel_reduce_lr_on_plateau_options reel_reduce_lr_on_plateau_defaults(void)
{
    return (reel_reduce_lr_on_plateau_options){
        .mark = REEL_OPTIONS_MARK(reel_reduce_lr_on_plateau_options),
        .factor = 0.1,
        .patience = 10,
        .threshold = 1e-4,
        .eps = 1e-8,
    };
}

static const char *const words[REEL_SCHEDULE_WORDS] = {"reduce_lr_on_plateau", NULL, NULL, NULL, NULL};

static int numbers_of(const reel_schedule *s, double *numbers)
{
    const reel_reduce_lr_on_plateau_options *o = &s->plateau.options;
    const double all[] = {o->maximize,           o->factor,           (double)o->patience, o->threshold,
                          o->absolute_threshold, (double)o->cooldown, o->min_lr,           o->eps};
    memcpy(numbers, all, sizeof all);
    return sizeof all / sizeof *all;
}

reel_schedule *reel_reduce_lr_on_plateau_new(reel_optim *optim, const reel_reduce_lr_on_plateau_options *options)
{
    reel_reduce_lr_on_plateau_options o = reel_reduce_lr_on_plateau_defaults();
    static const char *who = "reduce_lr_on_plateau";
    if (!reel_schedule_usable(optim) || reel_options_take(optim->context, who, options, &o) != REEL_OK ||
        !reel_schedule_expect_count(optim, who, "patience", o.patience, 0) ||
        !reel_schedule_expect_count(optim, who, "cooldown", o.cooldown, 0) ||
        !reel_schedule_expect_finite(optim, who, "threshold", o.threshold) ||
        !reel_schedule_expect_finite(optim, who, "min_lr", o.min_lr) ||
        !reel_schedule_expect_finite(optim, who, "eps", o.eps))
        return NULL;
    if (!(o.factor >= 0 && o.factor < 1)) {
        reel_fail(optim->context, REEL_ERROR_ARGUMENT, "%s: factor is %g, it must be in [0, 1)", who, o.factor);
        return NULL;
    }
    return reel_schedule_start(optim,
                               &(reel_schedule){.words = words,
                                                .numbers = numbers_of,
                                                .plateau = {.options = o, .best = o.maximize ? -INFINITY : INFINITY}});
}

static bool is_better(const reel_reduce_lr_on_plateau_options *o, double measure, double best)
{
    double sign = o->maximize ? 1 : -1;
    double bar = o->absolute_threshold ? best + sign * o->threshold : best * (1 + sign * o->threshold);
    return o->maximize ? measure > bar : measure < bar;
}

static void reduce(const reel_schedule *s)
{
    const reel_reduce_lr_on_plateau_options *o = &s->plateau.options;
    for (int64_t i = 0; i < s->optim->n_groups; i++) {
        double *lr = &s->optim->groups[i].lr, reduced = fmax(*lr * o->factor, o->min_lr);
        if (*lr - reduced > o->eps)
            *lr = reduced;
    }
}

reel_status reel_schedule_step_with(reel_schedule *schedule, double measure)
{
    if (!schedule || schedule->formula)
        return reel_schedule_step(schedule);
    if (reel_schedule_expect_usable(schedule, "schedule_step_with") != REEL_OK)
        return schedule->context->status;
    reel_schedule *s = schedule;
    s->step++;
    if (is_better(&s->plateau.options, measure, s->plateau.best)) {
        s->plateau.best = measure;
        s->plateau.bad_steps = 0;
    } else {
        s->plateau.bad_steps++;
    }
    if (s->plateau.cooldown > 0) {
        s->plateau.cooldown--;
        s->plateau.bad_steps = 0;
    }
    if (s->plateau.bad_steps > s->plateau.options.patience) {
        reduce(s);
        s->plateau.cooldown = s->plateau.options.cooldown;
        s->plateau.bad_steps = 0;
    }
    return REEL_OK;
}
