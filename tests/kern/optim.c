/* Moments at rest: an update leaves no subnormal number behind, and an element without a gradient comes to rest. */
#include "kern/optim.h"
#include "kern/real.h"

#include <criterion/criterion.h>
#include <string.h>

enum { N = 21, STEPS = 1500 };

static const struct subject {
    const char *what;
    struct reel_update update;
} subjects[] = {
    {"sgd",
     {.loop = reel_kern_update_sgd,
      .of.sgd = {.minus_lr = (reel_real)-1e-2, .momentum = 0.875, .one_minus_dampening = 1, .has_momentum = true}}},
    {"adam",
     {.loop = reel_kern_update_adam,
      .of.adam = {.minus_step_size = (reel_real)-1e-3,
                  .one_minus_beta1 = 0.125,
                  .beta2 = 0.875,
                  .one_minus_beta2 = 0.125,
                  .root_correction2 = 1,
                  .eps = (reel_real)1e-8,
                  .shrink = 1}}},
    {"rmsprop",
     {.loop = reel_kern_update_rmsprop,
      .of.rmsprop = {.minus_lr = (reel_real)-1e-2,
                     .alpha = 0.875,
                     .one_minus_alpha = 0.125,
                     .eps = (reel_real)1e-8,
                     .momentum = 0.875,
                     .centered = true,
                     .has_momentum = true}}},
};

struct element {
    reel_real param[N], states[REEL_UPDATE_STATES][N];
};

static struct element start(void)
{
    struct element e = {0};
    for (int i = 0; i < N; i++)
        e.param[i] = 1;
    return e;
}

static void step(const struct reel_update *update, const reel_real *grad, struct element *e)
{
    reel_real *state[REEL_UPDATE_STATES];
    for (int k = 0; k < REEL_UPDATE_STATES; k++)
        state[k] = e->states[k];
    reel_kern_update_row(update, N, 0, e->param, grad, state);
}

/* In double the way down is eight times as long. */
static const int steps = sizeof(reel_real) == sizeof(float) ? STEPS : 8 * STEPS;

Test(kern_optim, idle_elements_come_to_rest_without_subnormals)
{
    for (size_t k = 0; k < sizeof subjects / sizeof *subjects; k++) {
        struct reel_update update = subjects[k].update;
        update.sign = 1;
        update.smallest_square = reel_update_smallest_square(1e-8);
        struct element e = start(), before = e;
        reel_real grad[N];
        for (int i = 0; i < N; i++)
            grad[i] = (reel_real)((i % 2 ? -1e-3 : 1e-2) * (i + 1));
        for (int s = 0; s < steps; s++) {
            before = e;
            step(&update, grad, &e);
            memset(grad, 0, sizeof grad);
            for (int i = 0; i < REEL_UPDATE_STATES; i++)
                for (int j = 0; j < N; j++)
                    cr_assert(fpclassify(e.states[i][j]) != FP_SUBNORMAL, "%s, step %d, state %d: %g", subjects[k].what,
                              s, i, (double)e.states[i][j]);
            for (int j = 0; s == 0 && j < N; j++)
                cr_assert(e.states[0][j] != 0);
        }
        cr_assert(memcmp(&e, &before, sizeof e) == 0, "%s is not at rest", subjects[k].what);
        for (int i = 0; i < REEL_UPDATE_STATES; i++)
            for (int j = 0; j < N; j++)
                cr_assert(e.states[i][j] == 0, "%s, state %d", subjects[k].what, i);
    }
}

Test(kern_optim, a_moment_that_is_no_number_stays)
{
    for (size_t k = 0; k < sizeof subjects / sizeof *subjects; k++) {
        struct reel_update update = subjects[k].update;
        update.sign = 1;
        update.smallest_square = reel_update_smallest_square(1e-8);
        struct element e = start();
        reel_real grad[N] = {[3] = NAN};
        step(&update, grad, &e);
        memset(grad, 0, sizeof grad);
        step(&update, grad, &e);
        cr_assert(isnan(e.states[0][3]) && isnan(e.param[3]), "%s", subjects[k].what);
        cr_assert(e.param[4] == 1);
    }
}

/* Where eps is so small that the root of a tiny second moment counts, that moment stays: a constant gradient moves a
 * param by the learning rate, however small it is. */
Test(kern_optim, squares_that_eps_does_not_hide_are_kept)
{
    cr_expect_eq(reel_update_smallest_square(1e-8), REEL_REAL_MIN);
    cr_expect_eq(reel_update_smallest_square(0), 0);
    struct reel_update update = subjects[1].update;
    update.sign = 1;
    update.of.adam.eps = 0;
    update.smallest_square = reel_update_smallest_square(0);
    struct element e = start();
    reel_real grad[N];
    for (int i = 0; i < N; i++)
        grad[i] = REEL_SQRT(REEL_REAL_MIN) / 4;
    for (int s = 0; s < 200; s++)
        step(&update, grad, &e);
    for (int i = 0; i < N; i++)
        cr_expect_float_eq(e.param[i], 0.8, 0.01, "%g", (double)e.param[i]);
}
