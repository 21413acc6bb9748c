/* Schedules against PyTorch. */
#include "helpers.h"

#include <reel/schedule.h>

#include "golden/optimizers.h"
#include "golden/schedules.h"

struct run {
    reel_context *c;
    reel_params *params;
    reel_optim *optim;
};

static struct run two_groups(void)
{
    struct run r = {.c = reel_context_new(NULL)};
    r.params = reel_params_new(r.c);
    REEL_OPTIONS(sgd, o, o.lr = 0.5);
    r.optim = reel_sgd_new(r.params, &o);
    o.lr = 0.02;
    reel_sgd_add_group(r.optim, NULL, &o);
    OK(r.c);
    return r;
}

static void end(struct run *r)
{
    reel_optim_free(r->optim);
    reel_params_free(r->params);
    reel_context_free(r->c);
}

/* PyTorch multiplies from step to step and loses digits that the closed forms keep. */
static void expect_rates(const char *what, const struct run *r, int step, const double *golden)
{
    for (int group = 0; group < 2; group++) {
        double got = reel_optim_lr(r->optim, group), want = golden[2 * step + group];
        cr_assert(fabs(got - want) <= 1e-14 * (group == 0 ? 0.5 : 0.02), "%s: step %d, group %d: %.17g, not %.17g",
                  what, step, group, got, want);
    }
}

static void follow(const char *what, struct run *r, reel_schedule *s, const double *golden)
{
    cr_assert_not_null(s, "%s: %s", what, reel_error(r->c));
    for (int step = 0; step < GOLDEN_LR_STEPS; step++) {
        cr_assert_eq(reel_schedule_last_step(s), step);
        expect_rates(what, r, step, golden);
        cr_assert_eq(reel_schedule_step(s), REEL_OK);
    }
    cr_assert_eq(reel_schedule_set_last_step(s, 7), REEL_OK);
    cr_assert(fabs(reel_optim_lr(r->optim, 1) - golden[15]) <= 1e-14);
    reel_schedule_free(s);
    end(r);
}

static double inverse(int64_t step, void *user)
{
    return 1 / (*(const double *)user + (double)step);
}

Test(schedule, rates_are_those_of_pytorch)
{
    static const int64_t milestones[] = {2, 5, 5, 11};
    double one = 1;
    struct run r = two_groups();
    follow("step", &r, reel_step_lr_new(r.optim, 4, 0.5), golden_step_lr);
    r = two_groups();
    follow("multi step", &r, reel_multi_step_lr_new(r.optim, milestones, 4, 0.3), golden_multi_step_lr);
    r = two_groups();
    follow("exponential", &r, reel_exponential_lr_new(r.optim, 0.9), golden_exponential_lr);
    r = two_groups();
    follow("cosine", &r, reel_cosine_annealing_lr_new(r.optim, 10, 0.01), golden_cosine_lr);
    r = two_groups();
    follow("linear", &r, reel_linear_lr_new(r.optim, 0.25, 0.75, 8), golden_linear_lr);
    r = two_groups();
    follow("lambda", &r, reel_lambda_lr_new(r.optim, inverse, &one), golden_lambda_lr);
}

Test(schedule, rates_of_longer_formulas_are_those_of_pytorch)
{
    struct run r = two_groups();
    follow("polynomial", &r, reel_polynomial_lr_new(r.optim, 12, 2.5), golden_polynomial_lr);
    r = two_groups();
    follow("restarts", &r, reel_cosine_annealing_warm_restarts_lr_new(r.optim, 7, 1, 0.01), golden_restarts_lr);
    r = two_groups();
    follow("longer restarts", &r, reel_cosine_annealing_warm_restarts_lr_new(r.optim, 3, 2, 0),
           golden_longer_restarts_lr);
    r = two_groups();
    follow("one cycle", &r, reel_one_cycle_lr_new(r.optim, 25, NULL), golden_one_cycle_lr);
    r = two_groups();
    REEL_OPTIONS(one_cycle_lr, linear, linear.linear = true, linear.pct_start = 0.45, linear.div_factor = 10,
                 linear.final_div_factor = 50);
    follow("one cycle, linear", &r, reel_one_cycle_lr_new(r.optim, 25, &linear), golden_one_cycle_linear_lr);
    r = two_groups();
    REEL_OPTIONS(one_cycle_lr, three, three.three_phase = true, three.pct_start = 0.4);
    follow("one cycle, three phases", &r, reel_one_cycle_lr_new(r.optim, 25, &three), golden_one_cycle_three_phases_lr);
}

/* The optimizer's option takes the values, and is left alone when that is asked. */
static void momentum_follows(reel_optim *optim, const char *option, const reel_one_cycle_lr_options *o,
                             const double *golden, int steps)
{
    reel_schedule *s = reel_one_cycle_lr_new(optim, GOLDEN_LR_STEPS, o);
    cr_assert_not_null(s);
    for (int step = 0; step < steps; step++) {
        double got = reel_optim_get_option(optim, 0, option);
        cr_assert(fabs(got - golden[step]) <= 1e-15, "%s: step %d: %.17g, not %.17g", option, step, got, golden[step]);
        cr_assert_eq(reel_schedule_step(s), REEL_OK);
    }
    reel_schedule_free(s);
    reel_optim_free(optim);
}

Test(schedule, one_cycle_moves_momentum_as_pytorch_does)
{
    reel_context *c = reel_context_new(NULL);
    reel_params *p = reel_params_new(c);
    REEL_OPTIONS(one_cycle_lr, three, three.three_phase = three.linear = true, three.pct_start = 0.4,
                 three.base_momentum = 0.5, three.max_momentum = 0.75);
    momentum_follows(reel_sgd_new(p, NULL), "momentum", NULL, golden_one_cycle_momentum, GOLDEN_LR_STEPS);
    momentum_follows(reel_adam_new(p, NULL), "beta1", &three, golden_one_cycle_three_phases_momentum, GOLDEN_LR_STEPS);
    momentum_follows(reel_rmsprop_new(p, NULL), "momentum", NULL, golden_one_cycle_momentum, GOLDEN_LR_STEPS);
    three.cycle_momentum = false;
    const double same[] = {0.9, 0.9};
    momentum_follows(reel_adam_new(p, NULL), "beta1", &three, same, 2);
    reel_optim *adagrad = reel_adagrad_new(p, NULL);
    cr_assert_null(reel_one_cycle_lr_new(adagrad, 10, NULL));
    cr_assert_eq(reel_context_status(c), REEL_ERROR_ARGUMENT);
    reel_clear_error(c);
    reel_schedule_free(reel_one_cycle_lr_new(adagrad, 10, &three));
    OK(c);
    reel_optim_free(adagrad);
    reel_params_free(p);
    reel_context_free(c);
}

Test(schedule, chains_are_those_of_pytorch)
{
    struct run r = two_groups();
    reel_schedule *s = reel_linear_lr_new(r.optim, 0.25, 1, 6);
    cr_assert_eq(reel_schedule_chain(s, reel_exponential_lr_new(r.optim, 0.9)), REEL_OK);
    follow("linear and exponential", &r, s, golden_chained_linear_lr);
    r = two_groups();
    s = reel_step_lr_new(r.optim, 4, 0.5);
    cr_assert_eq(reel_schedule_chain(s, reel_polynomial_lr_new(r.optim, 30, 1.5)), REEL_OK);
    cr_assert_eq(reel_schedule_chain(s, reel_cosine_annealing_lr_new(r.optim, 25, 0)), REEL_OK);
    follow("three", &r, s, golden_chained_three_lr);
}

Test(schedule, only_factors_make_a_chain)
{
    struct run r = two_groups(), other = two_groups();
    reel_schedule *first = reel_exponential_lr_new(r.optim, 0.5), *second = reel_step_lr_new(r.optim, 3, 0.5);
    reel_schedule *bad[] = {NULL,
                            first,
                            reel_cosine_annealing_lr_new(r.optim, 10, 0.1),
                            reel_one_cycle_lr_new(r.optim, 10, NULL),
                            reel_cosine_annealing_warm_restarts_lr_new(r.optim, 10, 1, 0),
                            reel_reduce_lr_on_plateau_new(r.optim, NULL),
                            reel_step_lr_new(other.optim, 3, 0.5)};
    for (int i = 0; i < 7; i++) {
        cr_assert_eq(reel_schedule_chain(first, bad[i]), REEL_ERROR_ARGUMENT, "%d", i);
        reel_clear_error(r.c);
        if (bad[i] != first)
            reel_schedule_free(bad[i]);
    }
    reel_schedule_warm_up(second, 3, 0.5);
    cr_assert_eq(reel_schedule_chain(first, second), REEL_ERROR_STATE);
    reel_clear_error(r.c);
    cr_assert_eq(reel_schedule_chain(NULL, second), REEL_ERROR_ARGUMENT);
    reel_schedule_free(first);
    reel_schedule_free(second);
    end(&r);
    end(&other);
}

/* Half of the way the state goes to another schedule of another optimizer, as when a run is resumed. */
static void follow_measures(const char *what, const reel_reduce_lr_on_plateau_options *o, const double *golden)
{
    struct run r = two_groups();
    reel_schedule *s = reel_reduce_lr_on_plateau_new(r.optim, o);
    cr_assert_not_null(s, "%s", reel_error(r.c));
    for (int step = 0; step < GOLDEN_LR_STEPS; step++) {
        expect_rates(what, &r, step, golden);
        if (step % 3 == 2) {
            struct run resumed = two_groups();
            reel_schedule *again = reel_reduce_lr_on_plateau_new(resumed.optim, o);
            reel_schedule_state state;
            cr_assert_eq(reel_schedule_states(s), 4);
            for (int i = 0; i < 4; i++) {
                cr_assert_eq(reel_schedule_state_at(s, i, &state), REEL_OK);
                cr_assert_eq(reel_schedule_set_state(again, state.name, state.value), REEL_OK);
            }
            for (int group = 0; group < 2; group++)
                reel_optim_set_lr(resumed.optim, group, reel_optim_lr(r.optim, group));
            reel_schedule_free(s);
            end(&r);
            r = resumed;
            s = again;
        }
        cr_assert_eq(reel_schedule_step_with(s, golden_metrics[step]), REEL_OK);
        cr_assert_eq(reel_schedule_last_step(s), step + 1);
    }
    reel_schedule_free(s);
    end(&r);
}

Test(schedule, plateaus_are_those_of_pytorch)
{
    REEL_OPTIONS(reduce_lr_on_plateau, o, o.patience = 1);
    follow_measures("smaller is better", &o, golden_plateau_lr);
    o = reel_reduce_lr_on_plateau_defaults();
    o.maximize = true;
    o.factor = 0.5;
    o.patience = 2;
    o.threshold = 0.1;
    o.cooldown = 1;
    follow_measures("larger is better", &o, golden_plateau_maximize_lr);
    o = reel_reduce_lr_on_plateau_defaults();
    o.absolute_threshold = true;
    o.threshold = 0.05;
    o.factor = 0.3;
    o.patience = 0;
    o.min_lr = 0.01;
    follow_measures("smaller by so much", &o, golden_plateau_absolute_lr);
    o = reel_reduce_lr_on_plateau_defaults();
    o.maximize = o.absolute_threshold = true;
    o.patience = 0;
    o.cooldown = 2;
    o.eps = 1e-3;
    follow_measures("larger by so much", &o, golden_plateau_eps_lr);
}

Test(schedule, a_plateau_is_no_function_of_the_step)
{
    struct run r = two_groups();
    reel_schedule *s = reel_reduce_lr_on_plateau_new(r.optim, NULL);
    const reel_status statuses[] = {reel_schedule_step(s), reel_context_status(r.c)};
    cr_assert(statuses[0] == REEL_ERROR_STATE && statuses[1] == REEL_ERROR_STATE);
    reel_clear_error(r.c);
    cr_assert_eq(reel_schedule_set_last_step(s, 3), REEL_ERROR_STATE);
    reel_clear_error(r.c);
    cr_assert_eq(reel_schedule_warm_up(s, 3, 0.5), REEL_ERROR_STATE);
    reel_clear_error(r.c);
    cr_assert_eq(reel_optim_lr(r.optim, 0), 0.5);
    reel_schedule_free(s);
    end(&r);
}

Test(schedule, state_is_named_numbers)
{
    struct run r = two_groups();
    reel_schedule *s = reel_exponential_lr_new(r.optim, 0.5), *plateau = reel_reduce_lr_on_plateau_new(r.optim, NULL);
    reel_schedule_state state;
    reel_schedule_step(s);
    cr_assert_eq(reel_schedule_states(s), 1);
    cr_assert_eq(reel_schedule_state_at(s, 0, &state), REEL_OK);
    cr_assert_str_eq(state.name, "last_step");
    cr_assert_eq(state.value, 1);
    cr_assert_eq(reel_schedule_set_state(s, "last_step", 3), REEL_OK);
    cr_assert_eq(reel_optim_lr(r.optim, 0), 0.0625);
    const struct {
        reel_schedule *schedule;
        const char *name;
        double value;
    } bad[] = {
        {s, "best", 1},         {s, NULL, 1},         {s, "last_step", -1},        {s, "last_step", 0.5},
        {plateau, "best", NAN}, {plateau, "step", 1}, {plateau, "last_step", NAN}, {plateau, "num_bad_epochs", 1e300}};
    for (int i = 0; i < 8; i++) {
        cr_assert_eq(reel_schedule_set_state(bad[i].schedule, bad[i].name, bad[i].value), REEL_ERROR_ARGUMENT, "%d", i);
        reel_clear_error(r.c);
    }
    cr_assert_eq(reel_schedule_state_at(s, 1, &state), REEL_ERROR_ARGUMENT);
    reel_clear_error(r.c);
    cr_assert_eq(reel_schedule_states(NULL), 0);
    reel_schedule_free(s);
    reel_schedule_free(plateau);
    end(&r);
}

Test(schedule, warm_up_comes_first)
{
    struct run r = two_groups();
    reel_schedule *s = reel_cosine_annealing_lr_new(r.optim, 30, 0);
    cr_assert_eq(reel_schedule_warm_up(s, 5, 0.1), REEL_OK);
    follow("warm-up and cosine", &r, s, golden_warm_up_cosine_lr);
    r = two_groups();
    s = reel_step_lr_new(r.optim, 4, 0.5);
    cr_assert_eq(reel_schedule_warm_up(s, 3, 0.5), REEL_OK);
    follow("warm-up and step", &r, s, golden_warm_up_step_lr);
}

Test(schedule, formulas_alone)
{
    cr_assert_eq(reel_step_lr(1, 7, 4, 0.5), 0.5);
    cr_assert_eq(reel_multi_step_lr(1, 3, NULL, 0, 0.5), 1);
    cr_assert_eq(reel_linear_lr(1, 50, 0.5, 1, 10), 1);
    cr_assert(isnan(reel_step_lr(1, 1, 0, 0.5)));
    cr_assert(isnan(reel_cosine_annealing_lr(1, 1, 0, 0)));
    cr_assert(isnan(reel_linear_lr(1, 1, 0, 1, 0)));
    cr_assert(isnan(reel_polynomial_lr(1, 1, 0, 1)));
    cr_assert_eq(reel_polynomial_lr(1, 9, 5, 0), 1);
    cr_assert(isnan(reel_cosine_annealing_warm_restarts_lr(1, 1, 0, 1, 0)));
    cr_assert(isnan(reel_cosine_annealing_warm_restarts_lr(1, 1, 1, 0, 0)));
    cr_assert_eq(reel_cosine_annealing_warm_restarts_lr(1, (INT64_C(1) << 62) - 1, 1, 2, 0), 1);
    cr_assert_eq(reel_cosine_annealing_warm_restarts_lr(1, INT64_MAX, INT64_MAX, 1, 0), 1);
    cr_assert(isnan(reel_one_cycle_lr(1, 1, 0, NULL)));
    cr_assert_eq(reel_one_cycle_lr(1, 1000, 100, NULL), reel_one_cycle_lr(1, 99, 100, NULL));
    cr_assert(fabs(reel_one_cycle_lr(1, 99, 100, NULL) - 1 / 25e4) < 1e-20);
    cr_assert_eq(reel_one_cycle_lr(1, 0, 1, NULL), 1 / 25e4);
}

/* start + (end - start) is not end where they are far apart: it was -1.39e-18 of this. */
Test(schedule, a_linear_one_ends_where_it_says)
{
    cr_assert_eq(reel_linear_lr(1, 10, 1, 1e-300, 10), 1e-300);
    cr_assert_eq(reel_linear_lr(0.1, 3, 0.7, 0, 3), 0);
    cr_assert_eq(reel_linear_lr(1, INT64_MAX, 1.0 / 3, 0.1, 7), 0.1);
}

static double given(int64_t step, void *user)
{
    return ((const double *)user)[step];
}

Test(schedule, a_factor_that_is_no_number_changes_nothing)
{
    struct run r = two_groups();
    double factors[] = {1, 0.5, NAN, -1, 2};
    reel_schedule *s = reel_lambda_lr_new(r.optim, given, factors);
    cr_assert_eq(reel_schedule_step(s), REEL_OK);
    for (int step = 2; step < 4; step++) {
        cr_assert_eq(reel_schedule_set_last_step(s, step), REEL_ERROR_ARGUMENT);
        reel_clear_error(r.c);
        cr_assert_eq(reel_schedule_last_step(s), 1);
        cr_assert_eq(reel_optim_lr(r.optim, 0), 0.25);
    }
    cr_assert_eq(reel_schedule_step(s), REEL_ERROR_ARGUMENT);
    reel_clear_error(r.c);
    reel_schedule_free(s);
    s = reel_exponential_lr_new(r.optim, 0.5);
    cr_assert_eq(reel_schedule_set_last_step(s, INT64_MAX), REEL_OK);
    cr_assert_eq(reel_schedule_step(s), REEL_ERROR_ARGUMENT);
    reel_clear_error(r.c);
    cr_assert_eq(reel_schedule_last_step(s), INT64_MAX);
    reel_schedule_free(s);
    end(&r);
}

Test(schedule, groups_added_later_follow)
{
    struct run r = two_groups();
    reel_schedule *s = reel_exponential_lr_new(r.optim, 0.5);
    reel_schedule_step(s);
    REEL_OPTIONS(sgd, o, o.lr = 8);
    cr_assert_eq(reel_sgd_add_group(r.optim, NULL, &o), 2);
    cr_assert_eq(reel_optim_lr(r.optim, 2), 8);
    reel_schedule_step(s);
    cr_assert_eq(reel_optim_lr(r.optim, 2), 2);
    reel_schedule_free(s);
    end(&r);
}

Test(schedule, bad_arguments_are_refused)
{
    static const int64_t descending[] = {3, 2};
    struct run r = two_groups();
#define REFUSED(call)                                                                                                  \
    do {                                                                                                               \
        cr_assert_null(call);                                                                                          \
        cr_assert_eq(reel_context_status(r.c), REEL_ERROR_ARGUMENT);                                                   \
        reel_clear_error(r.c);                                                                                         \
    } while (0)
    REFUSED(reel_step_lr_new(r.optim, 0, 0.5));
    REFUSED(reel_multi_step_lr_new(r.optim, descending, 2, 0.5));
    REFUSED(reel_multi_step_lr_new(r.optim, NULL, 2, 0.5));
    REFUSED(reel_cosine_annealing_lr_new(r.optim, 0, 0));
    const double none[] = {NAN, INFINITY, -0.5};
    for (int i = 0; i < 3; i++) {
        REFUSED(reel_step_lr_new(r.optim, 3, none[i]));
        REFUSED(reel_multi_step_lr_new(r.optim, NULL, 0, none[i]));
        REFUSED(reel_exponential_lr_new(r.optim, none[i]));
        REFUSED(reel_cosine_annealing_lr_new(r.optim, 3, none[i]));
    }
    REFUSED(reel_linear_lr_new(r.optim, 0, 1, 5));
    REFUSED(reel_linear_lr_new(r.optim, 0.5, 2, 5));
    REFUSED(reel_lambda_lr_new(r.optim, NULL, NULL));
    REFUSED(reel_polynomial_lr_new(r.optim, 0, 1));
    REFUSED(reel_polynomial_lr_new(r.optim, 5, -1));
    REFUSED(reel_cosine_annealing_warm_restarts_lr_new(r.optim, 0, 1, 0));
    REFUSED(reel_cosine_annealing_warm_restarts_lr_new(r.optim, 1, 0, 0));
    REFUSED(reel_cosine_annealing_warm_restarts_lr_new(r.optim, 1, 1, NAN));
    REFUSED(reel_one_cycle_lr_new(r.optim, 0, NULL));
    REEL_OPTIONS(one_cycle_lr, cycle, cycle.pct_start = 1.5);
    REFUSED(reel_one_cycle_lr_new(r.optim, 10, &cycle));
    cycle = reel_one_cycle_lr_defaults();
    cycle.div_factor = 0;
    REFUSED(reel_one_cycle_lr_new(r.optim, 10, &cycle));
    cycle = reel_one_cycle_lr_defaults();
    cycle.max_momentum = 1;
    REFUSED(reel_one_cycle_lr_new(r.optim, 10, &cycle));
    reel_reduce_lr_on_plateau_options plateaus[6];
    for (int i = 0; i < 6; i++)
        plateaus[i] = reel_reduce_lr_on_plateau_defaults();
    plateaus[0].factor = 1;
    plateaus[1].patience = -1;
    plateaus[2].cooldown = -1;
    plateaus[3].threshold = NAN;
    plateaus[4].min_lr = -1;
    plateaus[5].eps = INFINITY;
    for (int i = 0; i < 6; i++)
        REFUSED(reel_reduce_lr_on_plateau_new(r.optim, &plateaus[i]));
    cr_assert_null(reel_reduce_lr_on_plateau_new(NULL, NULL));
    cr_assert_eq(reel_schedule_step_with(NULL, 1), REEL_ERROR_ARGUMENT);
    cr_assert_null(reel_step_lr_new(NULL, 1, 0.5));
    cr_assert_eq(reel_schedule_step(NULL), REEL_ERROR_ARGUMENT);
    reel_schedule *s = reel_step_lr_new(r.optim, 1, 0.5);
    cr_assert_eq(reel_schedule_warm_up(s, 0, 0.5), REEL_ERROR_ARGUMENT);
    reel_clear_error(r.c);
    cr_assert_eq(reel_schedule_set_last_step(s, -1), REEL_ERROR_ARGUMENT);
    reel_schedule_free(s);
    end(&r);
}

Test(schedule, pure_numbers_of_options_that_nobody_filled_in_are_none)
{
    reel_one_cycle_lr_options o;
    memset(&o, 0, sizeof o);
    cr_assert(isnan(reel_one_cycle_lr(1, 0, 10, &o)));
    cr_assert(isnan(reel_one_cycle_momentum(0, 10, &o)));
    o = reel_one_cycle_lr_defaults();
    cr_assert_not(isnan(reel_one_cycle_lr(1, 0, 10, &o)));
    cr_assert_not(isnan(reel_one_cycle_momentum(0, 10, &o)));
}
