/* Moments at rest: an update leaves no subnormal number behind, and an element without a gradient comes to rest. */
#include "helpers.h"

#include "kern/real.h"

enum { N = 21, STEPS = 1500 };

static const char *const subjects[] = {
    "sgd lr=1e-2 momentum=0.875",
    "adam beta1=0.875 beta2=0.875",
    "adam beta1=0.875 beta2=0.875 amsgrad=1",
    "adamw beta1=0.875 beta2=0.875 weight_decay=0",
    "rmsprop alpha=0.875 momentum=0.875 centered=1",
    "nadam beta1=0.875 beta2=0.875",
    "radam beta1=0.875 beta2=0.875",
    "adamax beta1=0.875 beta2=0.875",
    "adadelta rho=0.875",
    "lamb beta1=0.875 beta2=0.875 weight_decay=0",
};

/* A param of ones under an optimizer. */
struct run {
    reel_context *c;
    reel_params *params;
    reel_param *param;
    reel_optim *optim;
};

static struct run start(const char *what)
{
    reel_real ones[N];
    for (int i = 0; i < N; i++)
        ones[i] = 1;
    struct run r = {.c = reel_context_new(NULL)};
    r.params = reel_params_new(r.c);
    r.param = param_with(r.params, "p", REEL_SHAPE(N), ones);
    r.optim = optim_of(r.params, what, REEL_LAZY);
    OK(r.c);
    return r;
}

static const reel_real *step(struct run *r, const reel_real *grad)
{
    reel_param_set_grad(r->param, grad);
    cr_assert_eq(reel_optim_step(r->optim), REEL_OK, "%s", reel_error(r->c));
    return reel_param_data(r->param);
}

static void end(struct run *r)
{
    reel_optim_free(r->optim);
    reel_params_free(r->params);
    reel_context_free(r->c);
}

/* In double the way down is eight times as long. */
static const int steps = sizeof(reel_real) == sizeof(float) ? STEPS : 8 * STEPS;

Test(moments, of_idle_elements_come_to_rest_without_subnormals)
{
    for (size_t k = 0; k < COUNT(subjects); k++) {
        struct run r = start(subjects[k]);
        reel_real grad[N], before[N];
        reel_optim_state state;
        for (int i = 0; i < N; i++)
            grad[i] = (reel_real)((i % 2 ? -1e-3 : 1e-2) * (i + 1));
        for (int s = 0; s < steps; s++) {
            memcpy(before, reel_param_data(r.param), sizeof before);
            step(&r, grad);
            memset(grad, 0, sizeof grad);
            for (int i = 0; reel_optim_state_at(r.optim, r.param, i, &state) == REEL_OK; i++)
                for (int j = 0; state.dtype == REEL_REAL && j < N; j++) {
                    reel_real x = ((const reel_real *)state.data)[j];
                    cr_assert(fpclassify(x) != FP_SUBNORMAL, "%s, step %d, %s: %g", subjects[k], s, state.name,
                              (double)x);
                    cr_assert(s > 0 || x != 0 || strcmp(state.name, "acc_delta") == 0, "%s: %s", subjects[k],
                              state.name);
                    /* What is a largest value so far, or never below eps, does not come to 0. */
                    cr_assert(s < steps - 1 || x == 0 || strstr(state.name, "max") || strstr(state.name, "inf"),
                              "%s, %s: %g", subjects[k], state.name, (double)x);
                }
            reel_clear_error(r.c);
        }
        cr_assert_arr_eq(reel_param_data(r.param), before, sizeof before, "%s is not at rest", subjects[k]);
        end(&r);
    }
}

Test(moments, that_are_no_number_stay)
{
    for (size_t k = 0; k < COUNT(subjects); k++) {
        if (!takes_rows(subjects[k]))
            continue;
        struct run r = start(subjects[k]);
        reel_real grad[N] = {[3] = NAN};
        step(&r, grad);
        memset(grad, 0, sizeof grad);
        const reel_real *p = step(&r, grad);
        reel_optim_state state;
        cr_assert_eq(reel_optim_state_at(r.optim, r.param, 1, &state), REEL_OK);
        cr_assert(isnan(((const reel_real *)state.data)[3]) && isnan(p[3]), "%s", subjects[k]);
        cr_assert(p[4] == 1, "%s", subjects[k]);
        end(&r);
    }
}

/* Where eps is so small that the root of a tiny second moment counts, that moment stays: a constant gradient moves a
 * param by the learning rate, however small it is. */
Test(moments, that_eps_does_not_hide_are_kept)
{
    struct run r = start("adam eps=0 beta1=0.875 beta2=0.875");
    reel_real grad[N];
    for (int i = 0; i < N; i++)
        grad[i] = REEL_SQRT(REEL_REAL_MIN) / 4;
    for (int s = 0; s < 200; s++)
        step(&r, grad);
    for (int i = 0; i < N; i++)
        cr_expect_float_eq(((const reel_real *)reel_param_data(r.param))[i], 0.8, 0.01);
    end(&r);
}
