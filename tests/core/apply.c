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

/* x, but at one stage it does something that it may not, or returns a status of which it told nobody. */
enum stage { IN_SHAPE, IN_FORWARD, IN_ACCUMULATE, IN_VJP };

struct meddling {
    enum stage stage;
    reel_status answer;
    void (*deed)(reel_tape *tape, reel_var x);
};

static reel_status meddle(const reel_call *call, enum stage stage)
{
    const struct meddling *a = call->attributes;
    if (a->stage != stage)
        return REEL_OK;
    if (a->deed)
        a->deed(call->tape, call->inputs[0]);
    return a->answer;
}

static reel_status meddler_shape(reel_call *call)
{
    call->out[0]->shape = call->in[0]->shape;
    call->out[0]->dtype = REEL_REAL;
    return meddle(call, IN_SHAPE);
}

static reel_status meddler_forward(reel_call *call)
{
    memcpy(call->out[0]->data, call->in[0]->data, (size_t)call->in[0]->numel * sizeof(reel_real));
    return meddle(call, IN_FORWARD);
}

static reel_status meddler_accumulate(const reel_call *call, const reel_gradient *grad_outputs, reel_sink *const *sinks)
{
    return reel_sink_share(sinks[0], &grad_outputs[0]) == REEL_OK ? meddle(call, IN_ACCUMULATE) : REEL_ERROR_STATE;
}

static void meddler_vjp(const reel_call *call, const reel_var *grad_outputs, reel_var *grad_inputs)
{
    grad_inputs[0] = reel_mul_scalar(call->tape, grad_outputs[0], 1);
    meddle(call, IN_VJP);
}

static const reel_op meddler_op = {.name = "meddler",
                                   .n_inputs = 1,
                                   .n_outputs = 1,
                                   .differentiable = 1,
                                   .attributes_size = sizeof(struct meddling),
                                   .shape = meddler_shape,
                                   .forward = meddler_forward,
                                   .vjp = meddler_vjp,
                                   .accumulate = meddler_accumulate};

/* The status of y = meddler(x * 3) and the gradient of its sum. */
static reel_status run_meddler(struct meddling attributes, reel_var *x)
{
    static reel_op op;
    op = meddler_op;
    if (attributes.stage == IN_VJP)
        op.accumulate = NULL;
    *x = reel_mul_scalar(t, reel_full(t, REEL_SHAPE(2), 5), 3);
    reel_var y = reel_apply1(t, &op, x, 1, &attributes), grad;
    return reel_grad(t, reel_sum_all(t, y), x, 1, 0, &grad);
}

Test(own_operations, fail_with_what_they_return)
{
    const char *stages[] = {"shape", "forward", "accumulate"};
    for (enum stage stage = IN_SHAPE; stage <= IN_ACCUMULATE; stage++) {
        reel_var x;
        char says[64];
        snprintf(says, sizeof says, "meddler: its %s returned \"index out of range\"", stages[stage]);
        int64_t count = t->count;
        cr_expect_eq(run_meddler((struct meddling){.stage = stage, .answer = REEL_ERROR_INDEX}, &x), REEL_ERROR_INDEX);
        expect_error(REEL_ERROR_INDEX, says);
        cr_expect_eq(t->count, count + (stage == IN_ACCUMULATE ? 4 : 2), "what failed left something on the tape");
    }
}

static void apply_another(reel_tape *tape, reel_var x)
{
    cr_expect(reel_is_null(reel_square(tape, x)));
}

static void make_a_var(reel_tape *tape, reel_var x)
{
    (void)x;
    cr_expect(reel_is_null(reel_ones(tape, REEL_SHAPE(3))));
}

static void begin_a_scope(reel_tape *tape, reel_var x)
{
    (void)x;
    cr_expect_eq(reel_scope_begin(tape), REEL_ERROR_STATE);
}

static void reset(reel_tape *tape, reel_var x)
{
    cr_expect_eq(reel_tape_reset(tape), REEL_ERROR_STATE);
    cr_expect_eq(tape->nodes[x.number]->array.numel, 2, "it is still there");
}

static void free_it(reel_tape *tape, reel_var x)
{
    reel_tape_free(tape);
    cr_expect_eq(tape->nodes[x.number]->array.numel, 2, "it is still there");
}

static reel_var see(reel_tape *tape, reel_var grad, void *user)
{
    (void)grad;
    ++*(int *)user;
    cr_expect_neq(reel_tape_reset(tape), REEL_OK);
    return reel_null();
}

Test(own_operations, work_on_arrays_and_leave_the_tape_alone)
{
    void (*const deeds[])(reel_tape *, reel_var) = {apply_another, make_a_var, begin_a_scope, reset, free_it};
    for (int i = 0; i < 5; i++)
        for (enum stage stage = IN_SHAPE; stage <= IN_FORWARD; stage++) {
            reel_var x;
            cr_expect_eq(run_meddler((struct meddling){.stage = stage, .deed = deeds[i]}, &x), REEL_ERROR_STATE);
            expect_error(REEL_ERROR_STATE, "inside an operation");
            expect_near(reel_data_real(t, x)[1], 15);
        }
}

Test(own_operations, may_not_take_the_tape_from_under_a_pass)
{
    void (*const deeds[])(reel_tape *, reel_var) = {reset, free_it};
    for (int i = 0; i < 2; i++)
        for (enum stage stage = IN_ACCUMULATE; stage <= IN_VJP; stage++) {
            reel_var x;
            cr_expect_eq(run_meddler((struct meddling){.stage = stage, .deed = deeds[i]}, &x), REEL_ERROR_STATE);
            expect_error(REEL_ERROR_STATE, "inside a backward pass");
            expect_near(reel_data_real(t, x)[1], 15);
        }
}

static int seen;
static reel_var kept;

static void hook_and_keep(reel_tape *tape, reel_var x)
{
    cr_expect_eq(reel_register_hook(tape, x, see, &seen), REEL_OK);
    reel_no_grad_begin(tape);
    reel_scope_begin(tape);
}

static void keep(reel_tape *tape, reel_var x)
{
    kept = reel_square(tape, x);
    cr_expect_not(reel_is_null(kept));
}

Test(own_operations, may_hook_in_a_rule_but_keep_nothing)
{
    reel_var x, grad;
    for (enum stage stage = IN_ACCUMULATE; stage <= IN_VJP; stage++) {
        seen = 0;
        cr_assert_eq(run_meddler((struct meddling){.stage = stage, .deed = hook_and_keep}, &x), REEL_ERROR_STATE,
                     "the hook is called in this pass, and resets");
        expect_error(REEL_ERROR_STATE, "tape_reset");
        cr_expect_eq(seen, 1);
        cr_expect_eq(t->no_grad, 0);
        cr_expect_null(t->scope);
        /* Where the hook would be if it had gone with the rule's vars. */
        memset(reel_arena_allocate(&t->arena, 4096), 0xee, 4096);
        reel_var y = reel_sum_all(t, reel_square(t, x));
        cr_expect_eq(reel_grad(t, y, &x, 1, 0, &grad), REEL_ERROR_STATE);
        expect_error(REEL_ERROR_STATE, "tape_reset");
        cr_expect_eq(seen, 2);
    }
    /* Without a hook the vars of a rule go, and what comes after is not taken for one of them. */
    cr_assert_eq(run_meddler((struct meddling){.stage = IN_VJP, .deed = keep}, &x), REEL_OK);
    for (int i = 0; i < 8; i++)
        reel_ones(t, REEL_SHAPE(2));
    cr_expect_eq(reel_numel(t, kept), -1);
    expect_error(REEL_ERROR_STALE, "var");
}

static reel_status of_a_strange_type(reel_call *call)
{
    call->out[0]->dtype = (reel_dtype)17;
    return REEL_OK;
}

Test(own_operations, that_are_malformed_are_refused)
{
    reel_var x = reel_ones(t, REEL_SHAPE(2)), out;
    const struct meddling attributes = {.stage = IN_VJP};
    static reel_op ops[5];
    for (int i = 0; i < 5; i++)
        ops[i] = meddler_op;
    ops[0].n_outputs = 0;
    ops[1].n_outputs = REEL_MAX_OUTPUTS + 1;
    ops[2].shape = NULL;
    ops[3].forward = NULL;
    ops[4].shape = of_a_strange_type;
    int64_t count = t->count;
    for (int i = 0; i < 5; i++) {
        cr_expect(reel_is_null(reel_apply1(t, &ops[i], &x, 1, &attributes)), "%d", i);
        expect_error(i < 4 ? REEL_ERROR_ARGUMENT : REEL_ERROR_SHAPE, "meddler");
    }
    cr_expect_eq(reel_apply(t, NULL, &x, 1, &attributes, &out), REEL_ERROR_ARGUMENT);
    expect_error(REEL_ERROR_ARGUMENT, "apply");
    cr_expect_eq(reel_apply(t, &meddler_op, NULL, 1, &attributes, &out), REEL_ERROR_ARGUMENT);
    expect_error(REEL_ERROR_ARGUMENT, "meddler");
    cr_expect_eq(reel_apply(t, &meddler_op, &x, 1, NULL, &out), REEL_ERROR_ARGUMENT);
    expect_error(REEL_ERROR_ARGUMENT, "meddler");
    cr_expect_eq(reel_apply(t, &meddler_op, &x, 1, &attributes, NULL), REEL_ERROR_ARGUMENT);
    expect_error(REEL_ERROR_ARGUMENT, "meddler");
    cr_expect_eq(t->count, count);
}
