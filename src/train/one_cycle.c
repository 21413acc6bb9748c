/* OneCycleLR: one way up and one down, in two phases or three. */
#include "train/schedule.h"

#include <math.h>
#include <string.h>

static const double PI = 3.14159265358979323846;

reel_one_cycle_lr_options reel_one_cycle_lr_defaults(void)
{
    return (reel_one_cycle_lr_options){
        .mark = REEL_OPTIONS_MARK(reel_one_cycle_lr_options),
        .pct_start = 0.3,
        .div_factor = 25,
        .final_div_factor = 1e4,
        .cycle_momentum = true,
        .base_momentum = 0.85,
        .max_momentum = 0.95,
    };
}

/* A value that goes from `first` to `top`, and in the last phase to `last`. */
static double at_step(int64_t step, int64_t total_steps, const reel_one_cycle_lr_options *o, double first, double top,
                      double last)
{
    if (total_steps < 1)
        return NAN;
    double up = o->pct_start * (double)total_steps, end = (double)total_steps - 1;
    /* Where the phases end, and the values there. */
    const double ends[] = {up - 1, o->three_phase ? 2 * up - 2 : end, end};
    const double values[] = {first, top, o->three_phase ? first : last, last};
    double start = 0, now = (double)(step < total_steps ? step : total_steps - 1);
    int phase = 0, phases = o->three_phase ? 3 : 2;
    for (; phase < phases - 1 && now > ends[phase]; phase++)
        start = ends[phase];
    double length = ends[phase] - start, part = length != 0 ? (now - start) / length : 1;
    double from = values[phase], to = values[phase + 1];
    return o->linear ? (to - from) * part + from : to + (from - to) / 2 * (cos(PI * part) + 1);
}

double reel_one_cycle_lr(double max_lr, int64_t step, int64_t total_steps, const reel_one_cycle_lr_options *options)
{
    const reel_one_cycle_lr_options defaults = reel_one_cycle_lr_defaults(), *o = options ? options : &defaults;
    if (o->mark.magic != REEL_OPTIONS_MAGIC)
        return NAN;
    double first = max_lr / o->div_factor;
    return at_step(step, total_steps, o, first, max_lr, first / o->final_div_factor);
}

double reel_one_cycle_momentum(int64_t step, int64_t total_steps, const reel_one_cycle_lr_options *options)
{
    const reel_one_cycle_lr_options defaults = reel_one_cycle_lr_defaults(), *o = options ? options : &defaults;
    if (o->mark.magic != REEL_OPTIONS_MAGIC)
        return NAN;
    return at_step(step, total_steps, o, o->max_momentum, o->base_momentum, o->max_momentum);
}

static double formula(const reel_schedule *s, double lr, int64_t step)
{
    return reel_one_cycle_lr(lr, step, s->size, &s->one_cycle);
}

static double momentum_formula(const reel_schedule *s, int64_t step)
{
    return reel_one_cycle_momentum(step, s->size, &s->one_cycle);
}

static const char *const words[REEL_SCHEDULE_WORDS] = {"one_cycle_lr", "total_steps", NULL, NULL, NULL};

static int numbers_of(const reel_schedule *s, double *numbers)
{
    const reel_one_cycle_lr_options *o = &s->one_cycle;
    const double all[] = {o->pct_start,   o->div_factor,     o->final_div_factor, o->linear,
                          o->three_phase, o->cycle_momentum, o->base_momentum,    o->max_momentum};
    memcpy(numbers, all, sizeof all);
    return sizeof all / sizeof *all;
}

reel_schedule *reel_one_cycle_lr_new(reel_optim *optim, int64_t total_steps, const reel_one_cycle_lr_options *options)
{
    reel_one_cycle_lr_options o = reel_one_cycle_lr_defaults();
    static const char *who = "one_cycle_lr";
    if (!reel_schedule_usable(optim) || reel_options_take(optim->context, who, options, &o) != REEL_OK ||
        !reel_schedule_expect_count(optim, who, "total_steps", total_steps, 1))
        return NULL;
    if (!(o.pct_start >= 0 && o.pct_start <= 1) || !(o.div_factor > 0) || !(o.final_div_factor > 0)) {
        reel_fail(optim->context, REEL_ERROR_ARGUMENT,
                  "%s: pct_start %g must be in [0, 1], div_factor %g and final_div_factor %g above 0", who, o.pct_start,
                  o.div_factor, o.final_div_factor);
        return NULL;
    }
    if (!(o.base_momentum >= 0 && o.base_momentum < 1) || !(o.max_momentum >= 0 && o.max_momentum < 1)) {
        reel_fail(optim->context, REEL_ERROR_ARGUMENT, "%s: base_momentum %g and max_momentum %g must be in [0, 1)",
                  who, o.base_momentum, o.max_momentum);
        return NULL;
    }
    reel_schedule s = {.formula = formula, .words = words, .numbers = numbers_of, .size = total_steps, .one_cycle = o};
    if (o.cycle_momentum) {
        s.momentum_formula = momentum_formula;
        s.momentum = reel_optim_find_option(optim->algorithm, "beta1") ? "beta1" : "momentum";
        if (!reel_optim_find_option(optim->algorithm, s.momentum)) {
            reel_fail(optim->context, REEL_ERROR_ARGUMENT, "%s: %s has no momentum, cycle_momentum must be false", who,
                      optim->algorithm->name);
            return NULL;
        }
    }
    return reel_schedule_start(optim, &s);
}
