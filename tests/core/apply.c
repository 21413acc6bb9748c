/* Operations of the user's own. */
#include "helpers.h"

TestSuite(own_operations, .init = set_up, .fini = tear_down);

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

/* x + 1, by way of several temporaries in forward and in the rule; `fail`: forward fails after it took them. */
struct by_way {
    bool fail;
};

enum { WAYS = 3 };

static reel_status by_way_shape(reel_call *call)
{
    call->out[0]->shape = call->in[0]->shape;
    call->out[0]->dtype = REEL_REAL;
    return REEL_OK;
}

/* The numbers of `from` through one temporary after the other. */
static const reel_real *go_by_way(const reel_call *call, const reel_real *from)
{
    size_t bytes = (size_t)call->in[0]->numel * sizeof *from;
    reel_real *ways[WAYS];
    for (int i = 0; i < WAYS; i++) {
        cr_assert(ways[i] = reel_call_temporary(call, bytes));
        cr_assert_eq((uintptr_t)ways[i] % 64, 0);
        memset(ways[i], 0x5a, bytes);
    }
    for (int i = 0; i < WAYS; i++)
        memcpy(ways[i], i == 0 ? from : ways[i - 1], bytes);
    return ways[WAYS - 1];
}

static reel_status by_way_forward(reel_call *call)
{
    const reel_real *x = go_by_way(call, call->in[0]->data);
    for (int64_t i = 0; i < call->in[0]->numel; i++)
        ((reel_real *)call->out[0]->data)[i] = x[i] + 1;
    return ((const struct by_way *)call->attributes)->fail ? reel_fail(call->context, REEL_ERROR_STATE, "as told")
                                                           : REEL_OK;
}

static reel_status by_way_accumulate(const reel_call *call, const reel_gradient *grad_outputs, reel_sink *const *sinks)
{
    bool add;
    const reel_real *g = go_by_way(call, reel_gradient_contiguous(call, &grad_outputs[0]));
    reel_real *target = reel_sink_target(sinks[0], &add);
    for (int64_t i = 0; i < call->in[0]->numel; i++)
        target[i] = add ? target[i] + g[i] : g[i];
    return REEL_OK;
}

/* The rule in public operations, which are by_way themselves. */
static void by_way_vjp(const reel_call *call, const reel_var *grad_outputs, reel_var *grad_inputs);

static const reel_op by_way_op = {
    .name = "by_way",
    .n_inputs = 1,
    .n_outputs = 1,
    .differentiable = 1,
    .attributes_size = sizeof(struct by_way),
    .shape = by_way_shape,
    .forward = by_way_forward,
    .vjp = by_way_vjp,
    .accumulate = by_way_accumulate,
};

static void by_way_vjp(const reel_call *call, const reel_var *grad_outputs, reel_var *grad_inputs)
{
    const struct by_way attributes = {false};
    size_t bytes = 1000;
    char *mine = reel_call_temporary(call, bytes);
    memset(mine, 0x33, bytes);
    reel_var more = reel_apply1(call->tape, &by_way_op, grad_outputs, 1, &attributes);
    for (size_t i = 0; i < bytes; i++)
        cr_assert_eq(mine[i], 0x33, "an operation inside the rule took its temporary");
    grad_inputs[0] = reel_add_scalar(call->tape, more, -1);
}

Test(own_operations, temporaries_go_when_the_function_returns)
{
    enum { N = 50000, STEPS = 40 };
    const struct by_way attributes = {false}, failing = {true};
    reel_var x = reel_full(t, REEL_SHAPE(N), 3), y = x, grad;
    size_t before = counted.bytes;
    for (int i = 0; i < STEPS; i++) {
        y = reel_apply1(t, &by_way_op, &y, 1, &attributes);
        cr_assert_eq(c->scratch.live, 0);
    }
    expect_near(reel_data_real(t, y)[N - 1], 3 + STEPS);
    y = reel_sum_all(t, y);
    for (unsigned flags = 0; flags < 2; flags++) {
        cr_assert_eq(reel_grad(t, y, &x, 1, flags ? REEL_GRAD_CREATE_GRAPH : 0, &grad), REEL_OK, "%s", reel_error(c));
        expect_near(reel_data_real(t, grad)[N - 1], 1);
        cr_assert_eq(c->scratch.live, 0);
        /* The results, with a graph those of two operations a rule, and what one function takes at a time. */
        size_t arrays = STEPS + 2 + (flags ? 2 * STEPS : 0) + WAYS + 2;
        cr_expect_lt(counted.bytes - before, arrays * N * sizeof(reel_real) * 5 / 4, "%zu arrays hold %zu bytes",
                     arrays, counted.bytes - before);
    }
    cr_expect(reel_is_null(reel_apply1(t, &by_way_op, &x, 1, &failing)));
    cr_expect_eq(c->scratch.live, 0);
    expect_error(REEL_ERROR_STATE, "as told");
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
