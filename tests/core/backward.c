/* Gradients: who gets one, how they are summed, any order, hooks, operations of the user's own. */
#include "core/params.h"
#include "core/tape.h"
#include "support/allocator.h"

#include <reel/reel.h>

#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <string.h>

static const double epsilon = sizeof(reel_real) == sizeof(float) ? FLT_EPSILON : DBL_EPSILON;

static struct counting counted;
static reel_context *c;
static reel_tape *t;
static reel_params *params;

static void set_up(void)
{
    c = counting_context(&counted, 1);
    t = reel_tape_new(c);
    params = reel_params_new(c);
    cr_assert(c && t && params);
}

static void tear_down(void)
{
    cr_expect_eq(reel_context_status(c), REEL_OK, "%s", reel_error(c));
    cr_expect_eq(c->scratch.live, 0, "%lld blocks of scratch are still held", (long long)c->scratch.live);
    reel_params_free(params);
    reel_tape_free(t);
    reel_context_free(c);
    cr_expect_eq(counted.live, 0, "%lld blocks leak", (long long)counted.live);
    cr_expect_eq(counted.wrong_sizes, 0);
}

TestSuite(backward, .init = set_up, .fini = tear_down);
TestSuite(grad, .init = set_up, .fini = tear_down);
TestSuite(hooks, .init = set_up, .fini = tear_down);
TestSuite(own_operations, .init = set_up, .fini = tear_down);

static void expect_error(reel_status status, const char *says)
{
    cr_expect_eq(reel_context_status(c), status, "\"%s\" is %s", reel_error(c),
                 reel_status_text(reel_context_status(c)));
    cr_expect(strstr(reel_error(c), says), "\"%s\" does not say \"%s\"", reel_error(c), says);
    reel_clear_error(c);
}

/* A param of n numbers 0.5, 0.8, 1.1, ... */
static reel_param *param_of(reel_params *set, const char *name, int64_t n)
{
    reel_param *p = reel_param_new(set, name, REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(n));
    cr_assert_not_null(p, "%s", reel_error(c));
    reel_real *data = reel_param_write(p);
    for (int64_t i = 0; i < n; i++)
        data[i] = (reel_real)(0.5 + 0.3 * (double)i);
    return p;
}

static reel_var pv(reel_param *p)
{
    return reel_param_var(t, p);
}

static double grad_at(reel_param *p, int64_t i)
{
    const reel_real *grad = reel_param_grad(p);
    cr_assert_not_null(grad, "\"%s\" has no gradient", reel_param_name(p));
    return (double)grad[i];
}

static void expect_near(double got, double want)
{
    cr_expect(fabs(got - want) <= 32 * epsilon * fmax(1, fabs(want)), "%.17g, not %.17g", got, want);
}

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
    cr_expect_eq(reel_backward(t, loss, params), REEL_OK);
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
    /* One element in any shape, a constant, and a param itself. */
    cr_expect_eq(reel_backward(t, reel_reshape(t, reel_sum_all(t, pv(p)), REEL_SHAPE(1, 1)), params), REEL_OK);
    expect_near(grad_at(p, 0), 1);
    cr_expect_eq(reel_backward(t, reel_ones(t, REEL_SCALAR), params), REEL_OK);
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
        cr_expect(!p->claim && !q->claim);
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

/* ---- Hooks ---- */

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
    reel_param *p = user;
    reel_backward(tape, reel_sum_all(tape, grad), NULL);
    (void)p;
    return reel_null();
}

Test(hooks, may_run_other_passes)
{
    /* The inner pass has nothing to differentiate; the outer one goes on as if it had not been. */
    reel_param *p = param_of(params, "p", 2);
    reel_var y = reel_square(t, pv(p));
    reel_register_hook(t, y, backward_inside, p);
    cr_expect_eq(reel_backward(t, reel_sum_all(t, reel_cat(t, REEL_VARS(y, pv(p)), 0)), params), REEL_OK);
    expect_near(grad_at(p, 0), 2);
}

/* ---- Operations of the user's own ---- */

/* Two outputs, x^2 and x^3; with `count`, the first is instead the int64 number of elements. */
struct powers {
    bool count;
    int wrong; /* 1: a gradient of another shape, 2: of another type, 3: none at all, 4: a var of nowhere */
};

static reel_status powers_shape(reel_call *call)
{
    const struct powers *a = call->attributes;
    for (int i = 0; i < 2; i++) {
        call->out[i]->shape = call->in[0]->shape;
        call->out[i]->dtype = REEL_REAL;
    }
    if (a->count) {
        call->out[0]->shape = reel_shape_make(0, NULL);
        call->out[0]->dtype = REEL_INT64;
    }
    return REEL_OK;
}

static reel_status powers_forward(reel_call *call)
{
    const struct powers *a = call->attributes;
    const reel_real *x = call->in[0]->data;
    for (int64_t i = 0; i < call->in[0]->numel; i++) {
        if (!a->count)
            ((reel_real *)call->out[0]->data)[i] = x[i] * x[i];
        ((reel_real *)call->out[1]->data)[i] = x[i] * x[i] * x[i];
    }
    if (a->count)
        *(int64_t *)call->out[0]->data = call->in[0]->numel;
    return REEL_OK;
}

static void powers_vjp(const reel_call *call, const reel_var *grad_outputs, reel_var *grad_inputs)
{
    const struct powers *a = call->attributes;
    reel_var x = call->inputs[0], sum = reel_null();
    if (a->wrong == 1)
        sum = reel_ones(call->tape, REEL_SHAPE(1000));
    else if (a->wrong == 2)
        sum = reel_full_int64(call->tape, call->in[0]->shape, 1);
    else if (a->wrong == 4)
        sum = (reel_var){4000, 4000};
    if (a->wrong) {
        grad_inputs[0] = sum;
        return;
    }
    if (!reel_is_null(grad_outputs[0]))
        sum = reel_mul(call->tape, grad_outputs[0], reel_mul_scalar(call->tape, x, 2));
    if (!reel_is_null(grad_outputs[1])) {
        reel_var more =
            reel_mul(call->tape, grad_outputs[1], reel_mul_scalar(call->tape, reel_square(call->tape, x), 3));
        sum = reel_is_null(sum) ? more : reel_add(call->tape, sum, more);
    }
    grad_inputs[0] = sum;
}

static const reel_op powers_op = {
    .name = "powers",
    .n_inputs = 1,
    .n_outputs = 2,
    .differentiable = 1,
    .reads_inputs = 1,
    .attributes_size = sizeof(struct powers),
    .shape = powers_shape,
    .forward = powers_forward,
    .vjp = powers_vjp,
};

static double powers_grad(struct powers attributes, int use, unsigned flags)
{
    reel_var x = reel_full(t, REEL_SHAPE(2), 3), out[2], grad;
    cr_assert_eq(reel_apply(t, &powers_op, &x, 1, &attributes, out), REEL_OK);
    reel_var y = use == 2 ? reel_add(t, out[0], out[1]) : out[use];
    if (reel_vjp(t, y, reel_ones(t, REEL_SHAPE(2)), &x, 1, flags | REEL_GRAD_ALLOW_UNUSED, &grad) != REEL_OK)
        return -1;
    return reel_is_null(grad) ? 0 : (double)reel_data_real(t, grad)[1];
}

Test(own_operations, with_several_outputs)
{
    const unsigned flags[] = {REEL_GRAD_DEFAULT, REEL_GRAD_CREATE_GRAPH};
    for (int i = 0; i < 2; i++) {
        expect_near(powers_grad((struct powers){0}, 0, flags[i]), 6);
        expect_near(powers_grad((struct powers){0}, 1, flags[i]), 27);
        expect_near(powers_grad((struct powers){0}, 2, flags[i]), 33);
        expect_near(powers_grad((struct powers){.count = true}, 1, flags[i]), 27);
    }
    struct powers attributes = {0};
    reel_param *p = param_of(params, "p", 2);
    reel_var x = pv(p), out[2];
    cr_assert_eq(reel_apply(t, &powers_op, &x, 1, &attributes, out), REEL_OK);
    reel_var loss = reel_add(t, reel_sum_all(t, out[1]), reel_sum_all(t, out[0]));
    cr_expect_eq(reel_backward(t, loss, params), REEL_OK);
    expect_near(grad_at(p, 0), 2 * 0.5 + 3 * 0.25);
    reel_param_write(p);
    cr_expect_eq(reel_backward(t, loss, params), REEL_ERROR_STATE);
    expect_error(REEL_ERROR_STATE, "powers reads param \"p\"");
}

Test(own_operations, with_wrong_rules_are_refused)
{
    const unsigned flags[] = {REEL_GRAD_DEFAULT, REEL_GRAD_CREATE_GRAPH};
    for (int i = 0; i < 2; i++) {
        powers_grad((struct powers){.wrong = 1}, 0, flags[i]);
        expect_error(REEL_ERROR_SHAPE, "the rule of powers gives input 0 a gradient of another shape");
        powers_grad((struct powers){.wrong = 2}, 0, flags[i]);
        expect_error(REEL_ERROR_SHAPE, "powers");
        cr_expect_eq(powers_grad((struct powers){.wrong = 3}, 0, flags[i]), 0);
        powers_grad((struct powers){.wrong = 4}, 0, flags[i]);
        expect_error(REEL_ERROR_STALE, "powers");
    }
}

static const reel_op no_rule_op = {
    .name = "no_rule",
    .n_inputs = 1,
    .n_outputs = 2,
    .differentiable = 1,
    .attributes_size = sizeof(struct powers),
    .shape = powers_shape,
    .forward = powers_forward,
};

Test(own_operations, without_a_rule_are_refused_only_when_needed)
{
    struct powers attributes = {0};
    reel_var x = reel_ones(t, REEL_SHAPE(2)), other = reel_ones(t, REEL_SHAPE(2)), out[2], grad;
    reel_apply(t, &no_rule_op, &x, 1, &attributes, out);
    reel_var y = reel_sum_all(t, reel_mul(t, out[0], other));
    cr_expect_eq(reel_grad(t, y, &other, 1, 0, &grad), REEL_OK);
    for (unsigned graph = 0; graph < 2; graph++) {
        cr_expect_eq(reel_grad(t, y, &x, 1, graph ? REEL_GRAD_CREATE_GRAPH : REEL_GRAD_DEFAULT, &grad),
                     REEL_ERROR_NO_RULE);
        expect_error(REEL_ERROR_NO_RULE, "no_rule has no rule");
    }
}

Test(own_operations, failing_forward_leave_nothing)
{
    reel_var x = reel_ones(t, REEL_SHAPE(2));
    int64_t count = t->count;
    reel_var out[2];
    counted.fail_at = counted.calls;
    reel_var large = reel_ones(t, REEL_SHAPE(1000000));
    cr_expect(reel_is_null(large));
    expect_error(REEL_ERROR_OUT_OF_MEMORY, "ones");
    counted.fail_at = counted.calls;
    cr_expect(reel_is_null(reel_expand(t, x, REEL_SHAPE(1000000, 2))));
    expect_error(REEL_ERROR_OUT_OF_MEMORY, "expand");
    cr_expect_eq(t->count, count);
    struct powers attributes = {0};
    cr_expect_eq(reel_apply(t, &powers_op, &x, 1, &attributes, out), REEL_OK);
}
