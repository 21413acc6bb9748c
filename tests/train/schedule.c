/* Schedules against PyTorch. */
#include "helpers.h"

#include <reel/schedule.h>

#include "golden/optimizers.h"

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
static void follow(const char *what, struct run *r, reel_schedule *s, const double *golden)
{
    cr_assert_not_null(s, "%s: %s", what, reel_error(r->c));
    for (int step = 0; step < GOLDEN_LR_STEPS; step++) {
        cr_assert_eq(reel_schedule_last_step(s), step);
        for (int group = 0; group < 2; group++) {
            double got = reel_optim_lr(r->optim, group), want = golden[2 * step + group];
            cr_assert(fabs(got - want) <= 1e-14 * (group == 0 ? 0.5 : 0.02), "%s: step %d, group %d: %.17g, not %.17g",
                      what, step, group, got, want);
        }
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
        cr_assert_eq(reel_schedule_get_last_step(s), 1);
        cr_assert_eq(reel_optim_get_lr(r.optim, 0), 0.25);
    }
    cr_assert_eq(reel_schedule_step(s), REEL_ERROR_ARGUMENT);
    reel_clear_error(r.c);
    reel_schedule_free(s);
    s = reel_exponential_lr_new(r.optim, 0.5);
    cr_assert_eq(reel_schedule_set_last_step(s, INT64_MAX), REEL_OK);
    cr_assert_eq(reel_schedule_step(s), REEL_ERROR_ARGUMENT);
    reel_clear_error(r.c);
    cr_assert_eq(reel_schedule_get_last_step(s), INT64_MAX);
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
    cr_assert_null(reel_step_lr_new(NULL, 1, 0.5));
    cr_assert_eq(reel_schedule_step(NULL), REEL_ERROR_ARGUMENT);
    reel_schedule *s = reel_step_lr_new(r.optim, 1, 0.5);
    cr_assert_eq(reel_schedule_warm_up(s, 0, 0.5), REEL_ERROR_ARGUMENT);
    reel_clear_error(r.c);
    cr_assert_eq(reel_schedule_set_last_step(s, -1), REEL_ERROR_ARGUMENT);
    reel_schedule_free(s);
    end(&r);
}
