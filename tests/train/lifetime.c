/* Sets, optimizers, averages and tapes are freed in any order, and what must wait for another is refused. */
#include "support/allocator.h"

#include <reel/reel.h>

#include <criterion/criterion.h>
#include <string.h>
#include <unistd.h>

static struct counting counted;
static reel_context *c;
static reel_tape *t;
static reel_params *params;
static reel_param *table;

static void set_up(void)
{
    c = counting_context(&counted, 1);
    t = reel_tape_new(c);
    params = reel_params_new(c);
    table = reel_param_new(params, "table", REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(6, 3));
    cr_assert_not_null(table, "%s", reel_error(c));
    reel_real *elements = reel_param_write(table);
    for (int i = 0; i < 18; i++)
        elements[i] = (reel_real)(1 + i);
    reel_param_set_sparse(table, true);
}

/* Whoever frees the set himself makes it NULL. */
static void tear_down(void)
{
    cr_expect_eq(reel_context_status(c), REEL_OK, "%s", reel_error(c));
    reel_params_free(params);
    reel_tape_free(t);
    reel_context_free(c);
    cr_expect_eq(counted.live, 0, "%lld blocks leak", (long long)counted.live);
}

TestSuite(lifetime, .init = set_up, .fini = tear_down);

static void expect_error(reel_status status, const char *says)
{
    cr_expect_eq(reel_context_status(c), status, "\"%s\"", reel_error(c));
    cr_expect(strstr(reel_error(c), says), "\"%s\" does not say \"%s\"", reel_error(c), says);
    reel_clear_error(c);
}

static reel_var loss_of(int64_t row)
{
    return reel_sum_all(
        t, reel_square(t, reel_embedding(t, reel_param_var(t, table), reel_full_int64(t, REEL_SHAPE(1), row), NULL)));
}

static void train(reel_optim *optim, int64_t row)
{
    reel_zero_grad(params);
    reel_backward(t, loss_of(row), params);
    reel_optim_step(optim);
    cr_assert_eq(reel_tape_reset(t), REEL_OK, "%s", reel_error(c));
}

static reel_optim *exact_adam(void)
{
    REEL_OPTIONS(adam, o, o.sparse_update = REEL_EXACT);
    reel_optim *adam = reel_adam_new(params, &o);
    cr_assert_not_null(adam, "%s", reel_error(c));
    return adam;
}

/* An exact optimizer has put off steps of rows, and an average updates, when their set goes. */
Test(lifetime, a_set_goes_before_its_optimizer_and_average)
{
    reel_optim *adam = exact_adam();
    reel_ema *ema = reel_ema_new(params, 0.9);
    for (int64_t i = 0; i < 4; i++) {
        train(adam, i);
        reel_ema_update(ema);
    }
    reel_params_free(params);
    params = NULL;
    reel_optim_step(adam);
    expect_error(REEL_ERROR_STATE, "adam: the param set was freed");
    reel_ema_update(ema);
    expect_error(REEL_ERROR_STATE, "ema_update: the param set was freed");
    reel_optim_free(adam);
    reel_ema_free(ema);
}

Test(lifetime, vars_of_a_set_that_went_are_stale)
{
    const reel_real two = 2;
    reel_var before = reel_tensor(t, &two, REEL_SCALAR), x = reel_param_var(t, table);
    reel_var view = reel_reshape(t, x, REEL_SHAPE(18)), loss = loss_of(2);
    reel_no_grad_begin(t);
    reel_var copy = reel_square(t, x);
    reel_no_grad_end(t);
    reel_var other = reel_square(t, before);
    cr_assert_eq(reel_backward(t, loss, params), REEL_OK, "%s", reel_error(c)); /* its rows are pending */
    reel_params_free(params);
    params = NULL;
    reel_var stale[] = {x, view, loss};
    for (int i = 0; i < 3; i++) {
        cr_expect_null(reel_data(t, stale[i]), "var %d", i);
        expect_error(REEL_ERROR_STALE, "its param set was freed");
    }
    reel_backward(t, loss, NULL);
    expect_error(REEL_ERROR_STALE, "backward: ");
    cr_expect_eq(reel_data_real(t, copy)[0], 1, "a constant that was computed from it stays");
    cr_expect_eq(reel_item(t, other), 4);
    reel_var grad;
    cr_expect_eq(reel_grad(t, other, &before, 1, REEL_GRAD_DEFAULT, &grad), REEL_OK, "%s", reel_error(c));
    cr_expect_eq(reel_item(t, grad), 4);
}

Test(lifetime, between_swaps_the_set_stays_as_it_is)
{
    char path[] = "/tmp/reel-lifetime-XXXXXX";
    int fd = mkstemp(path);
    cr_assert(fd >= 0);
    close(fd);
    cr_assert_eq(reel_save_safetensors(params, path), REEL_OK, "%s", reel_error(c));
    reel_optim *adam = exact_adam();
    reel_ema *ema = reel_ema_new(params, 0.5), *other = reel_ema_new(params, 0.9);
    reel_params *second = reel_params_new(c);
    reel_param_new(second, "table", REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(6, 3));
    train(adam, 1);
    reel_ema_update(ema);
    train(adam, 1);
    reel_ema_update(ema);
    const reel_real trained = ((const reel_real *)reel_param_data(table))[3];
    cr_assert_eq(reel_ema_swap(ema), REEL_OK);
    const reel_real averaged = ((const reel_real *)reel_param_data(table))[3];
    cr_assert_neq(trained, averaged);

    reel_zero_grad(params);
    cr_assert_eq(reel_backward(t, loss_of(1), params), REEL_OK, "%s", reel_error(c));
    reel_optim_step(adam);
    expect_error(REEL_ERROR_STATE, "adam: params and averages are swapped; swap them back first");
    reel_ema_swap(other);
    expect_error(REEL_ERROR_STATE, "ema_swap: params and averages are swapped");
    reel_ema_update(other);
    expect_error(REEL_ERROR_STATE, "ema_update: params and averages are swapped");
    reel_load_safetensors(params, path, NULL);
    expect_error(REEL_ERROR_STATE, "load: params and averages are swapped");
    reel_params_copy(params, second);
    expect_error(REEL_ERROR_STATE, "params_copy: params and averages are swapped");
    cr_expect_eq(((const reel_real *)reel_param_data(table))[3], averaged);

    cr_assert_eq(reel_ema_swap(ema), REEL_OK);
    cr_expect_eq(((const reel_real *)reel_param_data(table))[3], trained);
    cr_expect_eq(reel_optim_step(adam), REEL_OK, "%s", reel_error(c));
    reel_tape_reset(t);

    /* An average that goes while it is swapped in leaves its values, and the set is as any other. */
    cr_assert_eq(reel_ema_swap(ema), REEL_OK);
    reel_ema_free(ema);
    train(adam, 2);
    cr_expect_eq(reel_ema_swap(other), REEL_OK, "%s", reel_error(c));
    cr_expect_eq(reel_ema_swap(other), REEL_OK, "%s", reel_error(c));
    reel_ema_free(other);
    reel_optim_free(adam);
    reel_params_free(second);
    unlink(path);
}

Test(lifetime, an_optimizer_goes_before_its_schedules)
{
    reel_optim *adam = exact_adam();
    reel_schedule *s = reel_exponential_lr_new(adam, 0.9), *factors = reel_step_lr_new(adam, 2, 0.5);
    reel_schedule *plateau = reel_reduce_lr_on_plateau_new(adam, NULL), *other = reel_exponential_lr_new(adam, 0.8);
    cr_assert_eq(reel_schedule_chain(s, factors), REEL_OK, "%s", reel_error(c));
    cr_assert_eq(reel_schedule_step(s), REEL_OK, "%s", reel_error(c));
    reel_optim_free(adam);
    reel_schedule_state state;
    cr_expect_eq(reel_schedule_step(s), REEL_ERROR_STATE);
    expect_error(REEL_ERROR_STATE, "schedule_step: the optimizer was freed");
    cr_expect_eq(reel_schedule_step_with(plateau, 1), REEL_ERROR_STATE);
    expect_error(REEL_ERROR_STATE, "schedule_step_with: the optimizer was freed");
    cr_expect_eq(reel_schedule_set_last_step(s, 0), REEL_ERROR_STATE);
    expect_error(REEL_ERROR_STATE, "schedule_set_last_step: the optimizer was freed");
    cr_expect_eq(reel_schedule_warm_up(other, 2, 0.5), REEL_ERROR_STATE);
    expect_error(REEL_ERROR_STATE, "schedule_warm_up: the optimizer was freed");
    cr_expect_eq(reel_schedule_chain(s, other), REEL_ERROR_STATE);
    expect_error(REEL_ERROR_STATE, "schedule_chain: the optimizer was freed");
    cr_expect_eq(reel_schedule_set_state(s, "last_step", 3), REEL_ERROR_STATE);
    expect_error(REEL_ERROR_STATE, "schedule_set_state: the optimizer was freed");
    cr_expect_eq(reel_schedule_state_at(s, 0, &state), REEL_ERROR_STATE);
    expect_error(REEL_ERROR_STATE, "schedule_state_at: the optimizer was freed");
    cr_expect_eq(reel_schedule_last_step(s), 1);
    reel_schedule_free(s);
    reel_schedule_free(plateau);
    reel_schedule_free(other);
}

Test(lifetime, a_warm_up_comes_before_the_first_step)
{
    reel_optim *adam = exact_adam();
    reel_schedule *s = reel_exponential_lr_new(adam, 0.9);
    cr_assert_eq(reel_schedule_step(s), REEL_OK);
    double lr = reel_optim_lr(adam, 0);
    cr_expect_eq(reel_schedule_warm_up(s, 2, 0.5), REEL_ERROR_STATE);
    expect_error(REEL_ERROR_STATE, "schedule_warm_up: the schedule is under way, at step 1");
    cr_expect_eq(reel_optim_lr(adam, 0), lr);
    reel_schedule_free(s);
    reel_optim_free(adam);
}

/* Whatever part goes before its checkpoint, saving and loading say so. */
Test(lifetime, parts_go_before_their_checkpoint)
{
    static const char *const says[] = {"the schedule \"lr\" was freed",  "the schedule \"lr\" was freed",
                                       "the optim \"adam\" was freed",   "the ema \"ema\" was freed",
                                       "the loader \"train\" was freed", "the params \"model\" was freed"};
    static const int64_t numbers[3] = {1, 2, 3};
    char path[] = "/tmp/reel-lifetime-XXXXXX";
    int fd = mkstemp(path);
    cr_assert(fd >= 0);
    close(fd);
    for (int gone = 0; gone < 6; gone++) {
        reel_params *set = reel_params_new(c);
        reel_param_new(set, "p", REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(2));
        reel_optim *adam = reel_adam_new(set, NULL), *other = reel_adam_new(set, NULL);
        reel_schedule *s = reel_exponential_lr_new(gone == 1 ? other : adam, 0.9);
        reel_ema *ema = reel_ema_new(set, 0.9);
        reel_loader *loader = reel_loader_new(c, 3, NULL);
        reel_loader_add(loader, REEL_INT64, numbers, REEL_SCALAR);
        reel_checkpoint *k = reel_checkpoint_new(c);
        reel_checkpoint_add_optim(k, "adam", adam);
        reel_checkpoint_add_schedule(k, "lr", s);
        reel_checkpoint_add_ema(k, "ema", ema);
        reel_checkpoint_add_loader(k, "train", loader);
        reel_checkpoint_add_params(k, "model", set);
        cr_assert_eq(reel_checkpoint_save(k, path), REEL_OK, "%s", reel_error(c));
        /* From here each is freed once, the one in question first. */
        if (gone == 0)
            reel_schedule_free(s);
        if (gone == 1)
            reel_optim_free(other);
        if (gone == 2)
            reel_optim_free(adam);
        if (gone == 3)
            reel_ema_free(ema);
        if (gone == 4)
            reel_loader_free(loader);
        if (gone == 5)
            reel_params_free(set);
        cr_expect_eq(reel_checkpoint_load(k, path), REEL_ERROR_STATE);
        expect_error(REEL_ERROR_STATE, says[gone]);
        cr_expect_eq(reel_checkpoint_save(k, path), REEL_ERROR_STATE);
        expect_error(REEL_ERROR_STATE, says[gone]);
        if (gone % 2)
            reel_checkpoint_free(k);
        if (gone != 4)
            reel_loader_free(loader);
        if (gone != 3)
            reel_ema_free(ema);
        if (gone != 2)
            reel_optim_free(adam);
        if (gone != 1)
            reel_optim_free(other);
        if (gone != 0)
            reel_schedule_free(s);
        if (gone != 5)
            reel_params_free(set);
        if (gone % 2 == 0)
            reel_checkpoint_free(k);
    }
    unlink(path);
}
