/* Hooks see a gradient, and may replace it. */
#include "helpers.h"

TestSuite(hooks, .init = set_up, .fini = tear_down);

struct seen {
    int calls;
    double first;
    reel_var kept;
    int *order;
    int name;
};

static reel_var look(reel_tape *tape, reel_var grad, void *user)
{
    struct seen *seen = user;
    seen->calls++;
    seen->first = (double)reel_data_real(tape, grad)[0];
    seen->kept = grad;
    if (seen->order)
        *seen->order = *seen->order * 10 + seen->name;
    return reel_null();
}

static reel_var twice(reel_tape *tape, reel_var grad, void *user)
{
    (void)user;
    return reel_mul_scalar(tape, grad, 2);
}

static reel_var same(reel_tape *tape, reel_var grad, void *user)
{
    (void)tape;
    (void)user;
    return grad;
}

static reel_var misshapen(reel_tape *tape, reel_var grad, void *user)
{
    (void)grad;
    (void)user;
    return reel_ones(tape, REEL_SHAPE(7));
}

static reel_var integers(reel_tape *tape, reel_var grad, void *user)
{
    (void)grad;
    (void)user;
    return reel_full_int64(tape, REEL_SHAPE(2), 1);
}

Test(hooks, see_the_whole_gradient_once)
{
    struct seen seen = {0};
    reel_var x = reel_full(t, REEL_SHAPE(2), 3), y = reel_square(t, x), out;
    cr_expect_eq(reel_register_hook(t, y, look, &seen), REEL_OK);
    reel_var z = reel_sum_all(t, reel_add(t, y, reel_mul_scalar(t, y, 4))); /* two uses */
    for (unsigned graph = 0; graph < 2; graph++) {
        cr_expect_eq(reel_grad(t, z, &x, 1, graph ? REEL_GRAD_CREATE_GRAPH : REEL_GRAD_DEFAULT, &out), REEL_OK);
        cr_expect_eq(seen.calls, 1 + (int)graph);
        expect_near(seen.first, 5);
        expect_near((double)reel_data_real(t, seen.kept)[1], 5); /* the var outlives the pass */
        expect_near((double)reel_data_real(t, out)[0], 30);
    }
    reel_var unused = reel_square(t, x);
    reel_register_hook(t, unused, look, &seen);
    reel_grad(t, z, &x, 1, 0, &out);
    cr_expect_eq(seen.calls, 3, "a var without gradient has no call");
}

Test(hooks, replace_the_gradient_in_order)
{
    for (unsigned graph = 0; graph < 2; graph++) {
        int order = 0;
        struct seen first = {.order = &order, .name = 1}, second = {.order = &order, .name = 2};
        reel_var x = reel_full(t, REEL_SHAPE(2), 3), y = reel_square(t, x), out[2];
        reel_register_hook(t, y, look, &first);
        reel_register_hook(t, y, twice, NULL);
        reel_register_hook(t, y, same, NULL);
        reel_register_hook(t, y, twice, NULL);
        reel_register_hook(t, y, look, &second);
        reel_var xs[] = {x, y}, z = reel_sum_all(t, y);
        cr_expect_eq(reel_grad(t, z, xs, 2, graph ? REEL_GRAD_CREATE_GRAPH : REEL_GRAD_DEFAULT, out), REEL_OK);
        cr_expect_eq(order, 12);
        expect_near(first.first, 1);
        expect_near(second.first, 4);
        expect_near((double)reel_data_real(t, out[0])[0], 24);
        expect_near((double)reel_data_real(t, out[1])[0], 4);
    }
}

Test(hooks, work_on_shared_and_strided_gradients)
{
    /* cat hands out pieces of its gradient; replacing one must not change what the others see. */
    reel_var x = reel_full(t, REEL_SHAPE(2, 2), 3), y = reel_full(t, REEL_SHAPE(2, 3), 1);
    reel_var z = reel_cat(t, REEL_VARS(x, y), 1), xs[] = {x, y, z}, out[3];
    reel_register_hook(t, x, twice, NULL);
    cr_expect_eq(reel_vjp(t, z, reel_ones(t, REEL_SHAPE(2, 5)), xs, 3, 0, out), REEL_OK);
    expect_near((double)reel_data_real(t, out[0])[3], 2);
    expect_near((double)reel_data_real(t, out[1])[5], 1);
    for (int i = 0; i < 10; i++)
        expect_near((double)reel_data_real(t, out[2])[i], 1);
}

Test(hooks, on_params_act_before_the_sum)
{
    reel_param *p = param_of(params, "p", 2);
    struct seen seen = {0};
    reel_register_hook(t, pv(p), twice, NULL);
    reel_register_hook(t, pv(p), look, &seen);
    reel_var loss = reel_sum_all(t, reel_mul(t, pv(p), pv(p)));
    cr_expect_eq(reel_backward(t, loss, params), REEL_OK);
    expect_near(grad_at(p, 0), 2 * 2 * 0.5);
    cr_expect_eq(reel_backward(t, loss, params), REEL_OK);
    expect_near(seen.first, 2 * 2 * 0.5); /* of this pass alone */
    expect_near(grad_at(p, 0), 2 * 2 * 2 * 0.5);
}

Test(hooks, are_differentiated_in_graphs)
{
    /* The hook doubles the gradient of x^3 inside: y' = 2 * 3x^2, and y'' = 12 x. */
    reel_var x = reel_full(t, REEL_SHAPE(1), 3), inner = reel_mul_scalar(t, x, 1);
    reel_register_hook(t, inner, twice, NULL);
    reel_var y = reel_sum_all(t, reel_mul(t, inner, reel_mul(t, inner, inner)));
    reel_var first, second;
    cr_assert_eq(reel_grad(t, y, &x, 1, REEL_GRAD_CREATE_GRAPH, &first), REEL_OK);
    expect_near(reel_item(t, first), 54);
    cr_assert_eq(reel_grad(t, first, &inner, 1, 0, &second), REEL_OK);
    expect_near(reel_item(t, second), 72); /* the hook doubles here again */
}

Test(hooks, giving_nonsense_are_refused)
{
    reel_hook bad[] = {misshapen, integers};
    for (int i = 0; i < 4; i++) {
        reel_var x = reel_full(t, REEL_SHAPE(2), 3), out;
        reel_register_hook(t, x, bad[i % 2], NULL);
        reel_status status =
            reel_grad(t, reel_sum_all(t, reel_square(t, x)), &x, 1, i < 2 ? 0 : REEL_GRAD_CREATE_GRAPH, &out);
        cr_expect_eq(status, REEL_ERROR_SHAPE);
        expect_error(REEL_ERROR_SHAPE, "a gradient hook");
    }
    reel_var x = reel_ones(t, REEL_SHAPE(2));
    cr_expect_eq(reel_register_hook(t, x, NULL, NULL), REEL_ERROR_ARGUMENT);
    expect_error(REEL_ERROR_ARGUMENT, "hook is NULL");
    cr_expect_eq(reel_register_hook(t, reel_full_int64(t, REEL_SHAPE(2), 1), look, NULL), REEL_ERROR_ARGUMENT);
    expect_error(REEL_ERROR_ARGUMENT, "not real");
}

static reel_var backward_inside(reel_tape *tape, reel_var grad, void *user)
{
    const reel_var *loss = user;
    (void)grad;
    reel_backward(tape, *loss, NULL);
    return reel_null();
}

Test(hooks, may_run_other_passes)
{
    /* What the inner pass sums does not disturb what the outer one does. */
    reel_param *p = param_of(params, "p", 2), *q = param_of(params, "q", 2);
    reel_var y = reel_square(t, pv(p)), inner = reel_sum_all(t, reel_mul_scalar(t, pv(q), 3));
    reel_register_hook(t, y, backward_inside, &inner);
    cr_expect_eq(reel_backward(t, reel_sum_all(t, reel_cat(t, REEL_VARS(y, pv(p)), 0)), params), REEL_OK);
    expect_near(grad_at(p, 0), 2 * (double)((const reel_real *)reel_param_data(p))[0] + 1);
    expect_near(grad_at(q, 0), 3);
}

/* ---- Of param sets ---- */

struct told {
    char names[64];
    reel_real first[8];
    int calls;
    reel_status answer;
};

static reel_status note(reel_param *param, void *user)
{
    struct told *told = user;
    strcat(strcat(told->names, reel_param_name(param)), " ");
    told->first[told->calls++] = reel_param_grad(param)[0];
    return told->answer;
}

/* Once a param and pass, with the whole of the gradient, and as soon as it is whole: those that were used last come
 * first. */
Test(hooks, of_a_set_are_told_of_complete_gradients)
{
    static const int64_t rows[] = {2, 0, 2};
    struct told told = {0};
    reel_param *a = param_of(params, "a", 2), *b = param_of(params, "b", 2), *frozen = param_of(params, "frozen", 2);
    reel_param *table = reel_param_new(params, "table", REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(3, 2));
    param_of(params, "unused", 2);
    reel_param_set_sparse(table, true);
    reel_param_set_kind(frozen, REEL_PARAM_FROZEN);
    reel_params_set_post_accumulate_grad_hook(params, note, &told);
    reel_var y = reel_embedding(t, pv(table), reel_tensor_of(t, REEL_INT64, rows, REEL_SHAPE(3)), NULL);
    y = reel_mul(t, reel_add(t, y, pv(a)), pv(frozen));
    reel_var loss = reel_sum_all(t, reel_mul(t, y, reel_add(t, pv(b), pv(a))));
    cr_assert_eq(reel_backward(t, loss, params), REEL_OK);
    cr_expect_str_eq(told.names, "b a table ");
    cr_expect_eq(told.first[1], reel_param_grad(a)[0]);
    reel_row_grad g;
    cr_assert_eq(reel_param_row_grad(table, &g), REEL_OK);
    cr_expect_eq(g.count, 2);

    /* Another pass adds to what is there; other passes are none of its business. */
    reel_real once = told.first[1];
    reel_var x = pv(a), out;
    cr_assert_eq(reel_grad(t, loss, &x, 1, 0, &out), REEL_OK);
    cr_assert_eq(reel_grad(t, loss, &x, 1, REEL_GRAD_CREATE_GRAPH, &out), REEL_OK);
    cr_expect_eq(told.calls, 3);
    cr_assert_eq(reel_backward(t, loss, params), REEL_OK);
    cr_expect_str_eq(told.names, "b a table b a table ");
    cr_expect_eq(told.first[4], 2 * once);

    reel_params_set_post_accumulate_grad_hook(params, NULL, NULL);
    cr_assert_eq(reel_backward(t, loss, params), REEL_OK);
    cr_expect_eq(told.calls, 6);
    reel_zero_grad(params);
}

/* A param that changes in the middle of a step has two vars. */
Test(hooks, of_a_set_wait_for_every_var_of_a_param)
{
    struct told told = {0};
    static const reel_real values[] = {1, 2};
    reel_param *a = param_of(params, "a", 2), *b = param_of(params, "b", 2);
    reel_params_set_post_accumulate_grad_hook(params, note, &told);
    reel_var before = pv(a), between = pv(b);
    reel_param_set(a, values);
    reel_var after = pv(a);
    cr_assert_neq(before.number, after.number);
    reel_var loss = reel_sum_all(t, reel_add(t, reel_add(t, before, between), reel_mul_scalar(t, after, 3)));
    cr_assert_eq(reel_backward(t, loss, params), REEL_OK);
    cr_expect_str_eq(told.names, "b a ");
    cr_expect_eq(told.first[1], 4);
    /* One of the two gets nothing. */
    cr_assert_eq(reel_backward(t, reel_sum_all(t, reel_mul_scalar(t, after, 3)), params), REEL_OK);
    cr_expect_str_eq(told.names, "b a a ");
    cr_expect_eq(told.first[2], 7);
}

Test(hooks, of_a_set_end_the_pass_when_they_fail)
{
    struct told told = {.answer = REEL_ERROR_IO};
    reel_param *a = param_of(params, "a", 2), *b = param_of(params, "b", 2);
    reel_params_set_post_accumulate_grad_hook(params, note, &told);
    reel_var first = pv(a), loss = reel_sum_all(t, reel_mul(t, first, pv(b)));
    cr_expect_eq(reel_backward(t, loss, params), REEL_ERROR_IO);
    cr_expect_eq(c->scratch.live, 0, "the pass, %lld", (long long)c->scratch.live);
    expect_error(REEL_ERROR_IO, "the gradient hook failed at \"b\"");
    cr_expect_eq(told.calls, 1);
    reel_optim *sgd = reel_sgd_new(params, NULL);
    cr_expect_eq(reel_optim_step(sgd), REEL_ERROR_STATE);
    reel_clear_error(c);
    reel_zero_grad(params);
    told.answer = REEL_OK;
    cr_expect_eq(reel_backward(t, loss, params), REEL_OK);
    cr_expect_eq(told.calls, 3);
    cr_expect_eq(reel_optim_step(sgd), REEL_OK);
    reel_optim_free(sgd);
}

/* What a hook must not do to gradients that the pass has not come to. */
enum forbidden { FORGET, SET, SET_ROWS, STEP, FREE, FORBIDDEN };
struct forbidding {
    enum forbidden what;
    reel_params *set;
    reel_param *later;
    reel_optim *optim;
};

static reel_var do_what_is_forbidden(reel_tape *tape, reel_var grad, void *user)
{
    const struct forbidding *f = user;
    const reel_real two[2] = {1, 2};
    (void)tape;
    switch (f->what) {
    case FORGET:
        reel_zero_grad(f->set);
        break;
    case SET:
        reel_param_set_grad(f->later, two);
        break;
    case SET_ROWS:
        reel_param_set_row_grad(f->later, 0, NULL, NULL);
        break;
    case STEP:
        reel_optim_step(f->optim);
        break;
    default:
        reel_params_free(f->set);
    }
    return grad;
}

Test(hooks, leave_gradients_alone_that_the_pass_has_not_come_to)
{
    static const char *const says[FORBIDDEN] = {"zero_grad: a backward pass has not come to \"p\" yet",
                                                "a gradient to use instead: a backward pass has not come to \"p\"",
                                                "a gradient to use instead: a backward pass has not come to \"p\"",
                                                "sgd: a backward pass has not come to \"p\" yet",
                                                "params_free: not possible inside a backward pass"};
    reel_param *p = param_of(params, "p", 2);
    struct forbidding f = {.set = params, .later = p, .optim = reel_sgd_new(params, NULL)};
    for (int what = 0; what < FORBIDDEN; what++) {
        f.what = (enum forbidden)what;
        reel_var y = reel_square(t, pv(p)), loss = reel_sum_all(t, y);
        cr_assert_eq(reel_backward(t, loss, params), REEL_OK, "%s", reel_error(c)); /* what a step could move */
        reel_real before = (reel_real)grad_at(p, 0);
        reel_register_hook(t, y, do_what_is_forbidden, &f);
        cr_expect_eq(reel_backward(t, loss, params), REEL_ERROR_STATE);
        cr_expect(strstr(reel_error(c), says[what]), "\"%s\" does not say \"%s\"", reel_error(c), says[what]);
        reel_clear_error(c);
        cr_expect_eq((reel_real)grad_at(p, 0), before);
        reel_zero_grad(params);
        reel_tape_reset(t);
    }
    reel_optim_free(f.optim);
}

/* The optimizer in the backward pass: gradients of one param at a time are alive. */
static reel_status step_at_once(reel_param *param, void *user)
{
    reel_optim_step(user);
    return reel_param_set_grad(param, NULL);
}

Test(hooks, of_a_set_may_step)
{
    reel_real moved[2][2];
    for (int at_once = 0; at_once < 2; at_once++) {
        reel_params *set = reel_params_new(c);
        reel_param *a = param_of(set, "a", 2), *b = param_of(set, "b", 2);
        reel_optim *adam = reel_adam_new(set, NULL);
        if (at_once)
            reel_params_set_post_accumulate_grad_hook(set, step_at_once, adam);
        reel_var loss = reel_sum_all(t, reel_square(t, reel_mul(t, pv(a), pv(b))));
        cr_assert_eq(reel_backward(t, loss, set), REEL_OK, "%s", reel_error(c));
        if (!at_once)
            cr_assert_eq(reel_optim_step(adam), REEL_OK);
        moved[at_once][0] = ((const reel_real *)reel_param_data(a))[1];
        moved[at_once][1] = ((const reel_real *)reel_param_data(b))[1];
        cr_expect_eq(reel_param_grad(a) == NULL, at_once);
        reel_optim_free(adam);
        reel_tape_reset(t);
        reel_params_free(set);
    }
    cr_expect_arr_eq(moved[0], moved[1], sizeof moved[0]);
}
