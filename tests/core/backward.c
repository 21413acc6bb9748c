/* Gradients: who gets one, how they are summed, any order. */
#include "helpers.h"

TestSuite(backward, .init = set_up, .fini = tear_down);
TestSuite(grad, .init = set_up, .fini = tear_down);

/* ---- reel_backward ---- */

Test(backward, sums_every_use)
{
    reel_param *p = param_of(params, "p", 3);
    reel_var x = pv(p), y = reel_mul(t, x, x);                                          /* x^2 */
    reel_var loss = reel_sum_all(t, reel_add(t, reel_mul(t, y, x), reel_add(t, y, x))); /* x^3 + x^2 + x */
    cr_assert_eq(reel_backward(t, loss, params), REEL_OK);
    for (int i = 0; i < 3; i++) {
        double v = (double)((const reel_real *)reel_param_data(p))[i];
        expect_near(grad_at(p, i), 3 * v * v + 2 * v + 1);
    }
}

/* ---- Losses that train nothing ---- */

static void expect_unreached(reel_var loss, reel_params *set, const char *reason)
{
    reel_zero_grad(params);
    cr_assert_eq(reel_backward(t, loss, set), REEL_ERROR_ARGUMENT, "%s", reel_error(c));
    cr_assert(strstr(reel_error(c), reason), "\"%s\" should say: %s", reel_error(c), reason);
    reel_clear_error(c);
}

Test(backward, a_loss_that_reaches_no_param_is_refused_with_the_reason)
{
    reel_params *others = reel_params_new(c);
    reel_param *p = param_of(params, "p", 3), *other = param_of(others, "other", 3);
    reel_var x = reel_ones(t, REEL_SHAPE(3)), constant = reel_sum_all(t, x);
    expect_unreached(constant, params, "no trained param of the set: it is a constant");
    expect_unreached(constant, NULL, "no trained param: it is a constant");
    expect_unreached(reel_sum_all(t, reel_param_var(t, other)), params, "it depends on \"other\" of another set");
    reel_var detached = reel_detach(t, reel_square(t, pv(p)));
    expect_unreached(reel_sum_all(t, reel_mul(t, detached, x)), params, "computed inside no_grad, or detached");
    reel_no_grad_begin(t);
    reel_var inside = reel_sum_all(t, reel_square(t, pv(p)));
    reel_no_grad_end(t);
    expect_unreached(inside, params, "computed inside no_grad, or detached");
    expect_unreached(reel_mul_scalar(t, inside, 2), params, "computed inside no_grad, or detached");
    expect_unreached(reel_sum_all(t, reel_where(t, reel_gt_scalar(t, pv(p), 0), x, x)), params,
                     "no gradient flows through where");
    reel_param_set_kind(p, REEL_PARAM_FROZEN);
    expect_unreached(reel_sum_all(t, pv(p)), params, "\"p\" is frozen");
    expect_unreached(reel_sum_all(t, pv(p)), NULL, "\"p\" is frozen");

    /* What reaches one is no mistake, be it of no elements. */
    reel_param *none = param_of(params, "none", 0);
    reel_var loss = reel_add(t, reel_sum_all(t, pv(none)), reel_sum_all(t, reel_param_var(t, other)));
    cr_assert_eq(reel_backward(t, loss, params), REEL_OK, "%s", reel_error(c));
    cr_assert_eq(reel_backward(t, loss, others), REEL_OK, "%s", reel_error(c));
    reel_params_free(others);
}

Test(backward, one_var_for_a_param_until_it_changes)
{
    reel_param *p = param_of(params, "p", 2);
    reel_var first = pv(p), again = pv(p);
    cr_expect_eq(first.number, again.number);
    reel_param_write(p) /* counts as a change */;
    reel_var later = pv(p);
    cr_expect_neq(first.number, later.number);
    /* Addition reads no value, so both vars may take part. */
    cr_expect_eq(reel_backward(t, reel_sum_all(t, reel_add(t, first, later)), params), REEL_OK);
    expect_near(grad_at(p, 0), 2);
}

Test(backward, two_vars_for_a_param_sum_in_any_order)
{
    for (int order = 0; order < 3; order++) {
        reel_param *p = param_of(params, order == 0 ? "a" : order == 1 ? "b" : "c", 2);
        reel_var first = pv(p);
        reel_param_write(p);
        reel_var later = pv(p), loss;
        if (order == 0)
            loss = reel_add(t, reel_mul_scalar(t, first, 2), reel_mul_scalar(t, later, 3));
        else if (order == 1)
            loss = reel_add(t, reel_mul_scalar(t, later, 3), reel_mul_scalar(t, first, 2));
        else /* the first gets its last part after the later one is done */
            loss = reel_add(t, reel_mul_scalar(t, reel_add(t, first, later), 2), later);
        cr_expect_eq(reel_backward(t, reel_sum_all(t, loss), params), REEL_OK);
        expect_near(grad_at(p, 1), 5);
    }
}

Test(backward, params_move_between_tapes)
{
    reel_param *p = param_of(params, "p", 2);
    reel_tape *other = reel_tape_new(c);
    reel_var here = pv(p), there = reel_param_var(other, p), again = pv(p);
    cr_expect_eq(reel_backward(other, reel_sum_all(other, reel_square(other, there)), params), REEL_OK);
    cr_expect_eq(reel_backward(t, reel_sum_all(t, reel_mul(t, here, again)), params), REEL_OK);
    expect_near(grad_at(p, 0), 2);
    reel_tape_free(other);
}

Test(backward, graphs_are_retained)
{
    reel_param *p = param_of(params, "p", 4);
    reel_var loss = reel_sum_all(t, reel_sin(t, pv(p)));
    reel_real once[4];
    cr_assert_eq(reel_backward(t, loss, params), REEL_OK);
    memcpy(once, reel_param_grad(p), sizeof once);
    for (int times = 2; times <= 4; times++) {
        cr_assert_eq(reel_backward(t, loss, params), REEL_OK);
        reel_real sum = 0;
        for (int k = 0; k < times; k++)
            sum += once[1];
        cr_expect_eq(reel_param_grad(p)[1], sum, "after %d passes", times);
    }
}

Test(backward, passes_add_bit_for_bit)
{
    enum { N = 500 };
    reel_param *p = param_of(params, "p", N);
    static reel_real parts[3][N], sum[N];
    for (int whole = 0; whole < 2; whole++) {
        for (int k = 0; k < 3; k++) {
            reel_var x = pv(p), y = k == 0 ? reel_exp(t, x) : k == 1 ? reel_mul(t, reel_sin(t, x), x) : reel_tanh(t, x);
            if (!whole)
                reel_zero_grad(params);
            cr_assert_eq(reel_backward(t, reel_sum_all(t, y), params), REEL_OK);
            if (!whole)
                memcpy(parts[k], reel_param_grad(p), sizeof parts[k]);
            if (k == 1)
                reel_tape_reset(t); /* makes no difference */
        }
        if (!whole)
            reel_zero_grad(params);
    }
    for (int i = 0; i < N; i++)
        sum[i] = parts[0][i] + parts[1][i] + parts[2][i];
    cr_expect_arr_eq(reel_param_grad(p), sum, sizeof sum);
}

Test(backward, zero_grad_forgets)
{
    reel_param *p = param_of(params, "p", 2);
    reel_var loss = reel_sum_all(t, pv(p));
    cr_expect_null(reel_param_grad(p));
    reel_backward(t, loss, params);
    cr_expect_not_null(reel_param_grad(p));
    reel_zero_grad(params);
    cr_expect_null(reel_param_grad(p));
    reel_backward(t, loss, params);
    expect_near(grad_at(p, 0), 1);
    reel_zero_grad(NULL);
}

Test(backward, only_the_params_asked_for_get_gradients)
{
    reel_params *others = reel_params_new(c);
    reel_param *p = param_of(params, "p", 2), *q = param_of(others, "q", 2), *frozen = param_of(params, "frozen", 2);
    reel_param *buffer = reel_param_new(params, "buffer", REEL_PARAM_BUFFER, REEL_REAL, REEL_SHAPE(2));
    reel_param *unused = param_of(params, "unused", 2);
    cr_assert_eq(reel_param_set_kind(frozen, REEL_PARAM_FROZEN), REEL_OK);
    reel_var hidden = reel_mul(t, reel_mul(t, pv(p), pv(frozen)), reel_add(t, pv(buffer), pv(frozen)));
    reel_var loss = reel_sum_all(t, reel_mul(t, hidden, pv(q)));

    reel_tape_statistics before = reel_tape_stats(t);
    cr_assert_eq(reel_backward(t, loss, params), REEL_OK);
    cr_expect_eq(reel_tape_stats(t).param_gradients - before.param_gradients, 1);
    cr_expect(reel_param_grad(p) && !reel_param_grad(q));

    reel_zero_grad(params);
    before = reel_tape_stats(t);
    cr_assert_eq(reel_backward(t, loss, others), REEL_OK);
    cr_expect_eq(reel_tape_stats(t).param_gradients - before.param_gradients, 1);
    cr_expect_eq(reel_tape_stats(t).rules - before.rules, 2, "only sum and the last product are on the way");
    cr_expect(!reel_param_grad(p) && reel_param_grad(q));

    reel_zero_grad(others);
    cr_assert_eq(reel_backward(t, loss, NULL), REEL_OK);
    cr_expect(reel_param_grad(p) && reel_param_grad(q));
    cr_expect(!reel_param_grad(frozen) && !reel_param_grad(buffer) && !reel_param_grad(unused));
    reel_params_free(others);
}

Test(backward, kinds_count_when_backward_runs)
{
    reel_param *p = param_of(params, "p", 2);
    reel_var loss = reel_sum_all(t, pv(p));
    reel_param_set_kind(p, REEL_PARAM_FROZEN);
    cr_expect_eq(reel_backward(t, loss, params), REEL_ERROR_ARGUMENT);
    expect_error(REEL_ERROR_ARGUMENT, "\"p\" is frozen");
    cr_expect_null(reel_param_grad(p));
    reel_param_set_kind(p, REEL_PARAM_TRAINED);
    cr_expect_eq(reel_backward(t, loss, params), REEL_OK);
    cr_expect_not_null(reel_param_grad(p));
}

Test(backward, losses_must_be_one_real_number)
{
    reel_param *p = param_of(params, "p", 2);
    cr_expect_eq(reel_backward(t, pv(p), params), REEL_ERROR_SHAPE);
    expect_error(REEL_ERROR_SHAPE, "one element, it is float");
    cr_expect_eq(reel_backward(t, reel_full_int64(t, REEL_SCALAR, 1), params), REEL_ERROR_SHAPE);
    expect_error(REEL_ERROR_SHAPE, "int64 with 1");
    cr_expect_eq(reel_backward(t, reel_null(), params), REEL_ERROR_ARGUMENT);
    expect_error(REEL_ERROR_ARGUMENT, "backward");
    cr_expect_null(reel_param_grad(p));
    /* One element in any shape, and a param itself. */
    cr_expect_eq(reel_backward(t, reel_reshape(t, reel_sum_all(t, pv(p)), REEL_SHAPE(1, 1)), params), REEL_OK);
    expect_near(grad_at(p, 0), 1);
    reel_param *scalar = param_of(params, "scalar", 1);
    cr_expect_eq(reel_backward(t, pv(scalar), params), REEL_OK);
    cr_expect_eq(reel_backward(t, pv(scalar), params), REEL_OK);
    expect_near(grad_at(scalar, 0), 2);
}

Test(backward, views_of_params_carry_the_gradient)
{
    reel_param *p = param_of(params, "p", 6);
    reel_var x = reel_reshape(t, reel_reshape(t, pv(p), REEL_SHAPE(2, 3)), REEL_SHAPE(3, 2));
    reel_var parts = reel_cat(t, REEL_VARS(x, x, reel_ones(t, REEL_SHAPE(3, 1))), 1);
    cr_expect_eq(reel_backward(t, reel_sum_all(t, reel_mul(t, parts, reel_arange(t, 0, 5, 1))), params), REEL_OK);
    expect_near(grad_at(p, 0), 0 + 2);
    expect_near(grad_at(p, 1), 1 + 3);
}

/* ---- Params that change ---- */

Test(backward, changed_params_are_refused_when_their_value_is_read)
{
    reel_param *p = param_of(params, "fc.weight", 2), *q = param_of(params, "q", 2);
    static const reel_real values[] = {1, 2};
    reel_var view = reel_reshape(t, pv(p), REEL_SHAPE(2, 1)), cut = reel_detach(t, pv(p));
    reel_var losses[] = {reel_sum_all(t, reel_mul(t, pv(p), pv(q))), reel_sum_all(t, reel_mul(t, view, pv(q))),
                         reel_sum_all(t, reel_mul(t, cut, pv(q)))};
    cr_expect_eq(reel_backward(t, losses[0], params), REEL_OK);
    reel_zero_grad(params);
    cr_assert_eq(reel_param_set(p, values), REEL_OK);
    for (int i = 0; i < 3; i++) {
        cr_expect_eq(reel_backward(t, losses[i], params), REEL_ERROR_STATE);
        expect_error(REEL_ERROR_STATE, "mul reads param \"fc.weight\", which changed since the forward pass");
        cr_expect(params->gradients_incomplete);
        reel_zero_grad(params);
        cr_expect_not(params->gradients_incomplete);
        reel_var x = pv(q), out;
        cr_expect_eq(reel_grad(t, losses[i], &x, 1, 0, &out), REEL_ERROR_STATE);
        expect_error(REEL_ERROR_STATE, "fc.weight");
        cr_expect_eq(reel_grad(t, losses[i], &x, 1, REEL_GRAD_CREATE_GRAPH, &out), REEL_ERROR_STATE);
        expect_error(REEL_ERROR_STATE, "fc.weight");
        cr_expect(reel_is_null(out));
    }
    cr_expect_eq(reel_backward(t, reel_sum_all(t, reel_mul(t, pv(p), pv(q))), params), REEL_OK, "a new var is good");
    expect_near(grad_at(q, 1), 2);
}

Test(backward, changed_params_may_be_gathered_from)
{
    static const int64_t rows[] = {1, 1, 0};
    reel_param *p = reel_param_new(params, "table", REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(3, 2));
    reel_var y = reel_embedding(t, pv(p), reel_tensor_of(t, REEL_INT64, rows, REEL_SHAPE(3)), NULL);
    reel_var loss = reel_sum_all(t, y);
    reel_param_write(p);
    cr_expect_eq(reel_backward(t, loss, params), REEL_OK);
    expect_near(grad_at(p, 2), 2);
    expect_near(grad_at(p, 4), 0);
}

/* ---- Failing ---- */

Test(backward, failed_passes_hold_nothing)
{
    reel_param *p = param_of(params, "p", 3000), *q = param_of(params, "q", 3000);
    reel_var x = reel_mul(t, pv(p), pv(q)), loss = reel_sum_all(t, reel_mul(t, reel_tanh(t, x), reel_exp(t, x)));
    bool done = false;
    for (int64_t k = 0; !done; k++) {
        cr_assert_lt(k, 100);
        reel_scratch_free(&c->scratch);
        reel_scratch_init(&c->scratch, &c->memory);
        counted.fail_at = counted.calls + k;
        reel_status status = reel_backward(t, loss, params);
        counted.fail_at = -1;
        cr_expect_eq(c->scratch.live, 0, "allocation %lld", (long long)k);
        done = status == REEL_OK;
        if (!done) {
            expect_error(REEL_ERROR_OUT_OF_MEMORY, "out of memory");
            cr_expect(params->gradients_incomplete);
        }
        cr_expect(!p->gradient.claim && !q->gradient.claim);
        if (done) {
            double a = 0.5 + 0.3 * 1, b = a, y = a * b, tanh_y = tanh(y);
            double slope = (1 - tanh_y * tanh_y) * exp(y) + tanh_y * exp(y);
            cr_expect(fabs(grad_at(p, 1) - slope * b) <= 64 * epsilon * slope);
        }
        reel_zero_grad(params);
    }
}

/* ---- reel_grad ---- */

Test(grad, of_any_var)
{
    reel_param *p = param_of(params, "p", 2);
    reel_var x = reel_full(t, REEL_SHAPE(2), 3), y = reel_mul(t, x, pv(p)), z = reel_sum_all(t, reel_square(t, y));
    reel_var xs[] = {x, y, pv(p), z, x}, out[5];
    cr_assert_eq(reel_grad(t, z, xs, 5, 0, out), REEL_OK);
    expect_near((double)reel_data_real(t, out[0])[1], 2 * 3 * 0.8 * 0.8);
    expect_near((double)reel_data_real(t, out[1])[1], 2 * 3 * 0.8);
    expect_near((double)reel_data_real(t, out[2])[1], 2 * 3 * 3 * 0.8);
    expect_near(reel_item(t, out[3]), 1);
    cr_expect_arr_eq(reel_data(t, out[4]), reel_data(t, out[0]), 2 * sizeof(reel_real));
    cr_expect_null(reel_param_grad(p), "the params' own gradients are left alone");

    cr_assert_eq(reel_grad(t, z, xs, 5, REEL_GRAD_CREATE_GRAPH, out), REEL_OK);
    expect_near((double)reel_data_real(t, out[0])[1], 2 * 3 * 0.8 * 0.8);
    expect_near((double)reel_data_real(t, out[2])[1], 2 * 3 * 3 * 0.8);
    expect_near(reel_item(t, out[3]), 1);
}

Test(grad, unused_vars_are_refused_or_null)
{
    reel_var x = reel_ones(t, REEL_SHAPE(2)), unused = reel_ones(t, REEL_SHAPE(2)), y = reel_sum_all(t, x);
    reel_var later = reel_square(t, x), xs[] = {x, unused, later}, out[3];
    for (unsigned graph = 0; graph < 2; graph++) {
        unsigned flags = graph ? REEL_GRAD_CREATE_GRAPH : REEL_GRAD_DEFAULT;
        cr_expect_eq(reel_grad(t, y, xs, 3, flags, out), REEL_ERROR_ARGUMENT);
        expect_error(REEL_ERROR_ARGUMENT, "y does not depend on x 1");
        cr_expect(reel_is_null(out[0]) && reel_is_null(out[1]));
        cr_expect_eq(reel_grad(t, y, xs, 3, flags | REEL_GRAD_ALLOW_UNUSED, out), REEL_OK);
        cr_expect(!reel_is_null(out[0]) && reel_is_null(out[1]) && reel_is_null(out[2]));
    }
}

Test(grad, bad_arguments_are_refused)
{
    reel_var x = reel_ones(t, REEL_SHAPE(2)), n = reel_full_int64(t, REEL_SHAPE(2), 1), out[2];
    reel_var y = reel_sum_all(t, x);
    cr_expect_eq(reel_grad(t, reel_square(t, x), &x, 1, 0, out), REEL_ERROR_SHAPE);
    expect_error(REEL_ERROR_SHAPE, "no grad_output");
    cr_expect_eq(reel_grad(t, n, &x, 1, 0, out), REEL_ERROR_DTYPE);
    expect_error(REEL_ERROR_DTYPE, "y is int64");
    cr_expect_eq(reel_grad(t, y, &n, 1, 0, out), REEL_ERROR_DTYPE);
    expect_error(REEL_ERROR_DTYPE, "x 0 is int64");
    cr_expect_eq(reel_grad(t, y, NULL, 1, 0, out), REEL_ERROR_ARGUMENT);
    expect_error(REEL_ERROR_ARGUMENT, "NULL");
    cr_expect_eq(reel_grad(t, y, &x, -1, 0, out), REEL_ERROR_ARGUMENT);
    expect_error(REEL_ERROR_ARGUMENT, "-1");
    cr_expect_eq(reel_vjp(t, reel_square(t, x), reel_ones(t, REEL_SHAPE(3)), &x, 1, 0, out), REEL_ERROR_SHAPE);
    expect_error(REEL_ERROR_SHAPE, "grad_output");
    cr_expect_eq(reel_vjp(t, reel_square(t, x), n, &x, 1, 0, out), REEL_ERROR_SHAPE);
    expect_error(REEL_ERROR_SHAPE, "grad_output");
    cr_expect_eq(reel_grad(t, y, &x, 0, 0, NULL), REEL_OK);
}

Test(grad, weighs_outputs)
{
    reel_var x = reel_full(t, REEL_SHAPE(2), 3), y = reel_square(t, x), w = reel_arange(t, 1, 3, 1), out;
    for (unsigned graph = 0; graph < 2; graph++) {
        cr_assert_eq(reel_vjp(t, y, w, &x, 1, graph ? REEL_GRAD_CREATE_GRAPH : REEL_GRAD_DEFAULT, &out), REEL_OK);
        expect_near((double)reel_data_real(t, out)[0], 6);
        expect_near((double)reel_data_real(t, out)[1], 12);
    }
    /* The weights are differentiable too: d (w 2x) / dw. */
    reel_var second;
    cr_assert_eq(reel_grad(t, reel_sum_all(t, out), &w, 1, 0, &second), REEL_OK);
    expect_near((double)reel_data_real(t, second)[0], 6);
}

/* n derivatives of the sum of y by x, one after the other. */
static double derivative(reel_var y, reel_var x, int n)
{
    for (int i = 0; i < n; i++) {
        reel_var out;
        cr_assert_eq(reel_grad(t, reel_sum_all(t, y), &x, 1, i + 1 < n ? REEL_GRAD_CREATE_GRAPH : 0, &out), REEL_OK,
                     "%s", reel_error(c));
        y = out;
    }
    return (double)reel_data_real(t, y)[0];
}

Test(grad, goes_to_any_order)
{
    reel_var x = reel_full(t, REEL_SHAPE(3), 0.7);
    double v = (double)(reel_real)0.7;
    reel_var square = reel_mul(t, x, x), fourth = reel_mul(t, square, square);
    expect_near(derivative(fourth, x, 1), 4 * v * v * v);
    expect_near(derivative(fourth, x, 2), 12 * v * v);
    expect_near(derivative(fourth, x, 3), 24 * v);
    expect_near(derivative(fourth, x, 4), 24);
    expect_near(derivative(reel_sin(t, x), x, 3), -cos(v));
    expect_near(derivative(reel_sin(t, x), x, 4), sin(v));
    expect_near(derivative(reel_exp(t, x), x, 5), exp(v));
    double y = tanh(v), s = 1 - y * y;
    expect_near(derivative(reel_tanh(t, x), x, 3), -2 * s * s + 4 * y * y * s);
}

Test(grad, penalties_reach_params)
{
    /* loss = |d f / dx|^2 with f = sum(sin(w x)): d loss / dw = 2 w cos(wx) (cos(wx) - w x sin(wx)), summed. */
    reel_param *w = param_of(params, "w", 1);
    reel_var x = reel_arange(t, 1, 4, 1), grad;
    reel_var f = reel_sum_all(t, reel_sin(t, reel_mul(t, x, pv(w))));
    cr_assert_eq(reel_grad(t, f, &x, 1, REEL_GRAD_CREATE_GRAPH, &grad), REEL_OK);
    cr_assert_eq(reel_backward(t, reel_sum_all(t, reel_square(t, grad)), params), REEL_OK);
    double want = 0, v = 0.5;
    for (int i = 1; i < 4; i++)
        want += 2 * v * cos(v * i) * (cos(v * i) - v * i * sin(v * i));
    expect_near(grad_at(w, 0), want);
}
