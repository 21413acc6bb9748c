/* Scopes, and tapes that live long. */
#include "helpers.h"

TestSuite(scope, .init = set_up, .fini = tear_down);
TestSuite(long_tape, .init = set_up, .fini = tear_down);

static reel_var numbers(int64_t n, double first)
{
    reel_var v = reel_full(t, REEL_SHAPE(n), first);
    for (int64_t i = 0; i < n; i++)
        ((reel_real *)t->nodes[v.number]->array.data)[i] += (reel_real)i;
    return v;
}

static void expect_numbers(reel_var v, int64_t n, double first)
{
    const reel_real *data = reel_data_real(t, v);
    cr_assert(data && reel_numel(t, v) == n, "%s", reel_error(c));
    for (int64_t i = 0; i < n; i++)
        cr_assert_eq(data[i], (reel_real)(first + (double)i));
}

Test(scope, keeps_what_it_is_told_and_nothing_else)
{
    reel_var before = numbers(3, 10);
    int64_t count = t->count;
    cr_assert_eq(reel_scope_begin(t), REEL_OK);
    reel_var large = numbers(300000, 0), a = numbers(5, 1), b = numbers(40000, 2), gone = numbers(7, 3);
    reel_var view = reel_reshape(t, b, REEL_SHAPE(200, 200));
    reel_var kept[] = {b, before, a, view, a};
    cr_assert_eq(reel_scope_end(t, kept, 5), REEL_OK);
    cr_expect_eq(t->count, count + 4, "%lld vars", (long long)(t->count - count));
    expect_numbers(kept[0], 40000, 2);
    expect_numbers(kept[2], 5, 1);
    expect_numbers(kept[3], 40000, 2);
    cr_expect_eq(reel_shape_of(t, kept[3]).ndim, 2);
    expect_numbers(kept[4], 5, 1);
    cr_expect(kept[1].number == before.number && kept[1].generation == before.generation);
    expect_numbers(before, 3, 10);
    /* Numbers are used again, and the old vars are still known as such. */
    while (t->count <= gone.number)
        numbers(9, 9);
    reel_var stale[] = {large, a, b, gone, view};
    for (int i = 0; i < 5; i++) {
        cr_expect_null(reel_data(t, stale[i]));
        expect_error(REEL_ERROR_STALE, "end of its scope");
    }
    expect_numbers(kept[0], 40000, 2);
}

Test(scope, kept_vars_are_constants)
{
    reel_param *p = param_of(params, "p", 2);
    reel_real outside[] = {4, 5};
    reel_var x = numbers(2, 1);
    cr_assert_eq(reel_scope_begin(t), REEL_OK);
    reel_var kept[] = {reel_mul(t, x, pv(p)), pv(p), reel_borrow(t, outside, REEL_SHAPE(2)),
                       reel_reshape(t, x, REEL_SHAPE(2, 1))};
    cr_assert_eq(reel_scope_end(t, kept, 4), REEL_OK);
    cr_expect_eq(reel_data(t, kept[1]), reel_param_data(p), "a param's elements are not copied");
    cr_expect_eq(reel_data(t, kept[2]), outside);
    cr_expect_eq(reel_data(t, kept[3]), reel_data(t, x), "nor those of a var from outside");
    reel_var grads[3], y = reel_sum_all(t, reel_add(t, reel_mul(t, kept[0], x), reel_mul(t, kept[1], pv(p))));
    cr_assert_eq(reel_grad(t, y, (reel_var[]){x, kept[0], pv(p)}, 3, 0, grads), REEL_OK, "%s", reel_error(c));
    expect_near(reel_data_real(t, grads[0])[1], reel_data_real(t, kept[0])[1]);
    expect_near(reel_data_real(t, grads[1])[1], 2);
    expect_near(reel_data_real(t, grads[2])[1], ((const reel_real *)reel_param_data(p))[1]);
}

Test(scope, gradients_are_those_without_it)
{
    reel_param *p = param_of(params, "p", 3), *table = param_of(params, "table", 8);
    reel_param_set_sparse(table, true);
    double expected[2][3] = {{0}};
    for (int round = 0; round < 2; round++) {
        reel_zero_grad(params);
        for (int i = 0; i < 3; i++) {
            if (round)
                cr_assert_eq(reel_scope_begin(t), REEL_OK);
            reel_var rows = reel_embedding(t, pv(table), reel_arange_int64(t, i, i + 2, 1), NULL);
            reel_var y = reel_mul(t, reel_sum_all(t, reel_square(t, rows)), reel_sum_all(t, reel_square(t, pv(p))));
            cr_assert_eq(reel_backward(t, y, params), REEL_OK, "%s", reel_error(c));
            if (round)
                cr_assert_eq(reel_scope_end(t, NULL, 0), REEL_OK);
        }
        reel_row_grad g;
        cr_assert_eq(reel_param_row_grad(table, &g), REEL_OK);
        cr_assert_eq(g.count, 4);
        for (int i = 0; i < 3; i++) {
            double got[] = {grad_at(p, i), (double)g.values[i + 1]};
            for (int k = 0; k < 2; k++) {
                cr_expect(round == 0 || got[k] == expected[k][i]);
                expected[k][i] = got[k];
            }
        }
    }
}

Test(scope, ends_in_order)
{
    cr_expect_eq(reel_scope_end(t, NULL, 0), REEL_ERROR_STATE);
    expect_error(REEL_ERROR_STATE, "no scope has begun");
    cr_expect_eq(reel_scope_begin(NULL), REEL_ERROR_ARGUMENT);
    cr_expect_eq(reel_scope_end(NULL, NULL, 0), REEL_ERROR_ARGUMENT);
    cr_assert_eq(reel_scope_begin(t), REEL_OK);
    reel_var outer = numbers(2, 5);
    cr_assert_eq(reel_scope_begin(t), REEL_OK);
    reel_no_grad_begin(t);
    reel_var inner = numbers(2, 6);
    cr_expect_eq(reel_scope_end(t, NULL, 1), REEL_ERROR_ARGUMENT);
    expect_error(REEL_ERROR_ARGUMENT, "scope_end: 1 vars");
    reel_var wrong[] = {inner, {4000, 1}};
    cr_expect_eq(reel_scope_end(t, wrong, 2), REEL_ERROR_STALE);
    expect_error(REEL_ERROR_STALE, "scope_end");
    cr_assert_eq(reel_scope_end(t, &inner, 1), REEL_OK);
    cr_expect_eq(t->no_grad, 0);
    expect_numbers(outer, 2, 5);
    cr_assert_eq(reel_scope_end(t, &inner, 1), REEL_OK);
    expect_numbers(inner, 2, 6);
    cr_expect_null(reel_data(t, outer));
    expect_error(REEL_ERROR_STALE, "data");
    cr_assert_eq(reel_scope_begin(t), REEL_OK);
    reel_tape_reset(t);
    cr_expect_eq(reel_scope_end(t, NULL, 0), REEL_ERROR_STATE);
    expect_error(REEL_ERROR_STATE, "no scope");
}

static int hooks_called;

static reel_var count_hook(reel_tape *tape, reel_var grad, void *user)
{
    (void)tape;
    (void)grad;
    hooks_called++;
    return user ? *(reel_var *)user : reel_null();
}

static reel_var end_scope_hook(reel_tape *tape, reel_var grad, void *user)
{
    (void)grad;
    (void)user;
    cr_expect_eq(reel_scope_end(tape, NULL, 0), REEL_ERROR_STATE);
    return reel_null();
}

static reel_var own_scope_hook(reel_tape *tape, reel_var grad, void *user)
{
    (void)user;
    cr_assert_eq(reel_scope_begin(tape), REEL_OK);
    reel_var twice = reel_mul_scalar(tape, grad, 2);
    cr_assert_eq(reel_scope_end(tape, &twice, 1), REEL_OK);
    return twice;
}

Test(scope, hooks)
{
    reel_var x = numbers(2, 1), grad;
    cr_assert_eq(reel_scope_begin(t), REEL_OK);
    reel_register_hook(t, x, count_hook, NULL);
    cr_assert_eq(reel_scope_end(t, NULL, 0), REEL_OK);
    for (int i = 0; i < 100; i++)
        numbers(100, 0); /* what would overwrite the hook */
    cr_assert_eq(reel_grad(t, reel_sum_all(t, reel_square(t, x)), &x, 1, 0, &grad), REEL_OK);
    cr_expect_eq(hooks_called, 1);

    cr_assert_eq(reel_scope_begin(t), REEL_OK);
    reel_var y = reel_square(t, x);
    reel_register_hook(t, y, own_scope_hook, NULL);
    for (unsigned graph = 0; graph < 2; graph++) {
        cr_assert_eq(reel_grad(t, reel_sum_all(t, y), &x, 1, graph ? REEL_GRAD_CREATE_GRAPH : 0, &grad), REEL_OK);
        expect_near(reel_data_real(t, grad)[1], 8);
    }
    for (unsigned graph = 0; graph < 2; graph++) {
        reel_var z = reel_square(t, x);
        reel_register_hook(t, z, end_scope_hook, NULL);
        cr_expect_eq(reel_grad(t, reel_sum_all(t, z), &x, 1, graph ? REEL_GRAD_CREATE_GRAPH : 0, &grad),
                     REEL_ERROR_STATE);
        expect_error(REEL_ERROR_STATE, "a backward pass walks");
    }
    cr_assert_eq(reel_scope_end(t, NULL, 0), REEL_OK);
}

/* max_norm moves what earlier vars see of the table into memory of the scope, which then stays. */
Test(scope, preserved_tables)
{
    reel_param *p = param_of(params, "p", 2);
    ((reel_real *)reel_param_write(p))[0] = 30;
    reel_var before = pv(p), y = reel_sum_all(t, reel_square(t, before)), grad;
    cr_assert_eq(reel_scope_begin(t), REEL_OK);
    cr_assert_eq(reel_param_preserve(p, t), REEL_OK);
    ((reel_real *)reel_param_write(p))[0] = 1;
    cr_assert_eq(reel_scope_end(t, NULL, 0), REEL_OK);
    for (int i = 0; i < 100; i++)
        numbers(100, 0);
    cr_assert_eq(reel_grad(t, y, &before, 1, 0, &grad), REEL_OK, "%s", reel_error(c));
    expect_near(reel_data_real(t, grad)[0], 60);
}

Test(scope, failing_allocations)
{
    for (int64_t k = 0; k < 8; k++) {
        reel_var a = reel_null();
        counted.fail_at = counted.calls + k;
        if (reel_scope_begin(t) == REEL_OK) {
            a = reel_full(t, REEL_SHAPE(100000), 3);
            reel_scope_end(t, &a, 1);
        }
        counted.fail_at = -1;
        bool whole = !reel_is_null(a) && reel_data(t, a);
        cr_expect_eq(reel_tape_reset(t), whole ? REEL_OK : REEL_ERROR_OUT_OF_MEMORY, "allocation %lld", (long long)k);
    }
}

/* ---- Tapes that live long ---- */

/* An evaluation: what a scope needs is there after the first. */
Test(long_tape, scopes_of_no_grad_stop_allocating)
{
    reel_module *fc = reel_linear_new(params, "fc", 30, 20, NULL);
    int64_t calls = 0, count = t->count;
    size_t bytes = 0;
    for (int i = 0; i < 1000; i++) {
        if (i == 2) {
            calls = counted.calls;
            bytes = counted.bytes;
        }
        cr_assert_eq(reel_scope_begin(t), REEL_OK);
        reel_no_grad_begin(t);
        reel_var h = reel_tanh(t, reel_forward(t, fc, reel_randn(t, REEL_SHAPE(500, 30))));
        reel_var mean = reel_mean_all(t, reel_square(t, h));
        reel_no_grad_end(t);
        cr_assert_eq(reel_scope_end(t, &mean, 1), REEL_OK);
        cr_assert(reel_item(t, mean) > 0);
        cr_assert_leq(t->count, count + 1 + i);
    }
    /* Only the means pile up, some hundred bytes each. */
    cr_expect_leq(counted.calls - calls, 20, "%lld allocations", (long long)(counted.calls - calls));
    cr_expect_leq(counted.bytes - bytes, 2 << 20, "%zu bytes", counted.bytes - bytes);
}

/* Steps that nobody resets: each adds the same. */
Test(long_tape, grows_as_its_steps_do)
{
    enum { STEPS = 4000, QUARTER = STEPS / 4 };
    reel_module *fc = reel_linear_new(params, "fc", 4, 2, NULL);
    reel_optim *adam = reel_adam_new(params, NULL);
    size_t bytes[5] = {counted.bytes}, scratch = 0;
    for (int i = 0; i < STEPS; i++) {
        reel_var x = reel_randn(t, REEL_SHAPE(64, 4));
        reel_var loss = reel_mean_all(t, reel_square(t, reel_forward(t, fc, x)));
        reel_zero_grad(params);
        cr_assert(reel_backward(t, loss, params) == REEL_OK && reel_optim_step(adam) == REEL_OK, "%s", reel_error(c));
        if (i == 10)
            scratch = c->scratch.total;
        if ((i + 1) % QUARTER == 0)
            bytes[(i + 1) / QUARTER] = counted.bytes;
    }
    cr_expect_eq(c->scratch.total, scratch, "a late pass needs as much scratch as an early one");
    double each = (double)(bytes[1] - bytes[0]);
    for (int q = 2; q <= 4; q++)
        cr_expect_lt((double)(bytes[q] - bytes[0]), 1.3 * q * each, "%zu bytes after quarter %d, %g in the first",
                     bytes[q] - bytes[0], q, each);
    reel_optim_free(adam);
}

/* Per-sample gradients: a graph that all share, and a thousand passes over it. */
Test(long_tape, many_gradients)
{
    enum { SAMPLES = 1000, IN = 40, OUT = 10 };
    reel_module *fc = reel_linear_new(params, "fc", IN, OUT, NULL);
    reel_var w = pv(reel_params_at(params, 0)), b = pv(reel_params_at(params, 1)), grads[2];
    reel_var y = reel_tanh(t, reel_forward(t, fc, reel_randn(t, REEL_SHAPE(SAMPLES, IN))));
    reel_var losses = reel_sum(t, reel_square(t, y), REEL_AXES(1), false);
    size_t before = counted.bytes;
    for (int64_t i = 0; i < SAMPLES; i++) {
        reel_var loss = reel_sum_all(t, reel_narrow(t, losses, 0, i, 1));
        cr_assert_eq(reel_grad(t, loss, (reel_var[]){w, b}, 2, 0, grads), REEL_OK, "%s", reel_error(c));
    }
    size_t results = (size_t)SAMPLES * (IN * OUT + OUT) * sizeof(reel_real);
    /* Nodes, calls, and what a pass needs, beside the results. */
    cr_expect_lt(counted.bytes - before, results * 5 / 4 + SAMPLES * 2500 + (1 << 20), "%zu bytes, the results are %zu",
                 counted.bytes - before, results);
}
