/* Param sets that are shared for reading: what is refused. Readers in threads are in tests/long/shared_set.c. */
#include "support/shared_net.h"

#include <criterion/criterion.h>
#include <string.h>

/* The owner's result before it shared, after work that was put off, is a reader's. */
Test(share, what_was_put_off_is_done)
{
    struct net n, twin;
    make(&n);
    make(&twin);
    train(&n);
    train(&twin);
    reel_params_share(n.params);
    const reel_param *table = reel_params_find(n.params, "label.weight");
    const reel_real *shared = reel_param_data(table);
    const reel_real *expected = reel_param_data(reel_params_find(twin.params, "label.weight"));
    cr_expect(memcmp(shared, expected, ROWS * 8 * sizeof *shared) == 0);
    drop(&n);
    drop(&twin);
}

static void expect_refused(reel_context *c, const char *says)
{
    cr_expect_eq(reel_context_status(c), REEL_ERROR_STATE, "%s: \"%s\"", says, reel_error(c));
    cr_expect(strstr(reel_error(c), "shared for reading") && strstr(reel_error(c), says), "\"%s\" does not say \"%s\"",
              reel_error(c), says);
    reel_clear_error(c);
}

Test(share, changes_are_refused)
{
    struct net n;
    make(&n);
    train(&n);
    reel_param *p = reel_params_find(n.params, "first.weight");
    reel_embedding_options options = reel_embedding_defaults();
    options.max_norm = 1;
    reel_module *limited = reel_embedding_new(n.params, "limited", 4, 2, &options);
    reel_var y = reel_arange_int64(n.t, 0, 4, 1), x = reel_randn(n.t, REEL_SHAPE(4, 8));
    reel_var loss = reel_sum_all(n.t, reel_forward(n.t, n.first, x));
    cr_assert_eq(reel_params_share(n.params), REEL_OK);
    reel_real before[16 * 8];
    memcpy(before, reel_param_data(p), sizeof before);

    cr_expect(reel_is_null(reel_forward(n.t, n.first, x)));
    expect_refused(n.c, "training mode");
    reel_train(n.params);
    expect_refused(n.c, "train");
    reel_eval(n.params);
    expect_refused(n.c, "eval");
    reel_module_train(n.first, true);
    expect_refused(n.c, "module_train");
    cr_expect_null(reel_param_write(p));
    expect_refused(n.c, "param_write");
    cr_expect_eq(reel_param_set(p, before), REEL_ERROR_STATE);
    expect_refused(n.c, "param_set");
    cr_expect_eq(reel_param_set_kind(p, REEL_PARAM_FROZEN), REEL_ERROR_STATE);
    expect_refused(n.c, "param_set_kind");
    cr_expect_eq(reel_param_set_sparse(p, false), REEL_ERROR_STATE);
    expect_refused(n.c, "param_set_sparse");
    cr_expect_null(reel_param_new(n.params, "new", REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(1)));
    expect_refused(n.c, "param");
    cr_expect_null(reel_linear_new(n.params, "more", 2, 2, NULL));
    expect_refused(n.c, "param");
    cr_expect_eq(reel_params_copy(n.params, n.params), REEL_ERROR_STATE);
    expect_refused(n.c, "params_copy");
    cr_expect_eq(reel_init_uniform(p, 0, 1), REEL_ERROR_STATE);
    expect_refused(n.c, "init_uniform");
    cr_expect_eq(reel_init_normal(p, 0, 1), REEL_ERROR_STATE);
    expect_refused(n.c, "init_normal");
    cr_expect_eq(reel_init_constant(p, 0), REEL_ERROR_STATE);
    expect_refused(n.c, "init_constant");
    cr_expect_eq(reel_backward(n.t, loss, n.params), REEL_ERROR_STATE);
    expect_refused(n.c, "backward");
    cr_expect_eq(reel_optim_step(n.optim), REEL_ERROR_STATE);
    expect_refused(n.c, "adam");
    cr_expect_eq(reel_ema_swap(n.ema), REEL_ERROR_STATE);
    expect_refused(n.c, "ema_swap");
    cr_expect_eq(reel_ema_copy_to(n.ema, n.params), REEL_ERROR_STATE);
    expect_refused(n.c, "ema_copy_to");
    cr_expect(memcmp(before, reel_param_data(p), sizeof before) == 0);
    drop(&n);

    make(&n);
    limited = reel_embedding_new(n.params, "limited", 4, 2, &options);
    reel_eval(n.params);
    reel_params_share(n.params);
    y = reel_arange_int64(n.t, 0, 4, 1);
    cr_expect(reel_is_null(reel_forward(n.t, limited, y)));
    expect_refused(n.c, "max_norm");
    cr_expect_eq(reel_params_share(NULL), REEL_ERROR_ARGUMENT);
    drop(&n);
}

/* Without sharing, another context is still refused. */
Test(share, sets_that_are_not_shared_stay_private)
{
    struct net n;
    make(&n);
    reel_context *c = reel_context_new(NULL);
    reel_tape *t = reel_tape_new(c);
    cr_expect(reel_is_null(reel_param_var(t, reel_params_at(n.params, 0))));
    cr_expect_eq(reel_context_status(c), REEL_ERROR_ARGUMENT);
    reel_clear_error(c);
    cr_expect(reel_is_null(reel_forward(t, n.first, reel_randn(t, REEL_SHAPE(2, 8)))));
    cr_expect_eq(reel_context_status(c), REEL_ERROR_ARGUMENT);
    reel_tape_free(t);
    reel_context_free(c);
    drop(&n);
}
