/* The hook of calls, and what a tape says of its calls. */
#include <criterion/criterion.h>
#include <math.h>
#include <reel/reel.h>
#include <string.h>

/* What the hook was told, as text: "F" and "B" open a call, ")" ends it. */
static char told[4096];

static void begin(const reel_call *call, reel_call_phase phase, int n_gradients, void *user)
{
    cr_assert_eq(user, told);
    size_t used = strlen(told);
    snprintf(told + used, sizeof told - used, "%s(%s%s%s%.0d", phase == REEL_CALL_FORWARD ? "F" : "B",
             call->layer ? call->layer : "", call->layer ? ":" : "", call->op->name, n_gradients);
}

static void end(const reel_call *call, reel_call_phase phase, int n_gradients, void *user)
{
    (void)call;
    cr_expect_eq(phase == REEL_CALL_FORWARD, n_gradients == 0);
    strcat(user, ") ");
}

static const reel_call_hook hook = {begin, end, told};

static void expect_told(const char *wanted)
{
    cr_expect_str_eq(told, wanted, "told: %s", told);
    told[0] = '\0';
}

Test(inspect, hook_is_told_of_every_call)
{
    reel_context *c = reel_context_new(NULL);
    reel_tape *t = reel_tape_new(c);
    reel_params *p = reel_params_new(c);
    reel_module *fc = reel_linear_new(p, "fc", 3, 2, NULL);
    reel_var x = reel_randn(t, REEL_SHAPE(4, 3));
    cr_assert_eq(reel_set_call_hook(c, &hook), REEL_OK);
    reel_var y = reel_forward(t, fc, x), loss = reel_mean_all(t, reel_tanh(t, reel_reshape(t, y, REEL_SHAPE(8))));
    expect_told("F(fc:linear_bias) F(tanh) F(mean) ");
    cr_assert_eq(reel_backward(t, loss, p), REEL_OK, "%s", reel_error(c));
    expect_told("B(mean1) B(tanh1) B(reshape1) B(fc:linear_bias2) ");
    /* A rule in operations, which are calls themselves. */
    reel_var gradient;
    reel_grad(t, loss, &x, 1, REEL_GRAD_CREATE_GRAPH, &gradient);
    cr_expect_not_null(strstr(told, "B(tanh1F("), "%s", told);
    size_t opened = 0, closed = 0;
    for (const char *at = told; *at; at++) {
        opened += *at == '(';
        closed += *at == ')';
        cr_assert_geq(opened, closed);
    }
    cr_expect(opened == closed && opened > 6);
    told[0] = '\0';
    /* One that fails ends, too; one whose arguments are refused does not begin. */
    const int64_t outside[] = {7};
    reel_gather(t, x, 0, reel_tensor_of(t, REEL_INT64, outside, REEL_SHAPE(1, 1)));
    cr_expect_eq(reel_tape_reset(t), REEL_ERROR_INDEX);
    cr_expect(!*told || strcmp(told, "F(gather) ") == 0, "%s", told);
    told[0] = '\0';
    /* It goes together with looking for numbers that are not finite. */
    reel_set_detect_anomaly(c, true);
    reel_log(t, reel_zeros(t, REEL_SHAPE(1)));
    cr_expect_eq(reel_tape_reset(t), REEL_ERROR_NOT_FINITE);
    expect_told("F(log) ");
    cr_expect(reel_is_anomaly_enabled(c));
    reel_set_detect_anomaly(c, false);
    reel_exp(t, reel_zeros(t, REEL_SHAPE(1)));
    expect_told("F(exp) ");
    cr_assert_eq(reel_set_call_hook(c, NULL), REEL_OK);
    reel_exp(t, reel_zeros(t, REEL_SHAPE(1)));
    expect_told("");
    reel_params_free(p);
    reel_tape_free(t);
    reel_context_free(c);
}

static void segment(reel_tape *t, const reel_var *inputs, reel_var *outputs, void *user)
{
    (void)user;
    outputs[0] = reel_sigmoid(t, inputs[0]);
}

Test(inspect, segments_tell_what_runs_in_them)
{
    reel_context *c = reel_context_new(NULL);
    reel_tape *t = reel_tape_new(c);
    reel_params *p = reel_params_new(c);
    reel_param *w = reel_param_new(p, "w", REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(2));
    reel_var v = reel_param_var(t, w), out;
    reel_set_call_hook(c, &hook);
    reel_recompute(t, segment, NULL, &v, 1, &out, 1);
    reel_var loss = reel_sum_all(t, out);
    expect_told("F(sigmoid) F(sum) ");
    reel_backward(t, loss, p);
    expect_told("B(sum1) F(sigmoid) B(sigmoid1) ");
    reel_params_free(p);
    reel_tape_free(t);
    reel_context_free(c);
}

Test(inspect, a_context_has_one_hook)
{
    reel_context *c = reel_context_new(NULL);
    const reel_call_hook half = {begin, NULL, NULL};
    cr_expect_eq(reel_set_call_hook(c, &half), REEL_ERROR_ARGUMENT);
    reel_clear_error(c);
    cr_expect_eq(reel_set_call_hook(c, &hook), REEL_OK);
    cr_expect_eq(reel_set_call_hook(c, &hook), REEL_ERROR_STATE);
    reel_clear_error(c);
    cr_expect_eq(reel_set_call_hook(c, NULL), REEL_OK);
    cr_expect_eq(reel_set_call_hook(c, &hook), REEL_OK);
    cr_expect_eq(reel_set_call_hook(NULL, NULL), REEL_ERROR_ARGUMENT);
    reel_context_free(c);
}

Test(inspect, tape_says_what_is_on_it)
{
    reel_context *c = reel_context_new(NULL);
    reel_tape *t = reel_tape_new(c);
    reel_params *p = reel_params_new(c);
    reel_module *fc = reel_linear_new(p, "fc", 3, 2, NULL);
    reel_var x = reel_randn(t, REEL_SHAPE(4, 3));
    cr_expect_eq(reel_tape_count(t), 1);
    reel_var y = reel_relu(t, reel_forward(t, fc, x));
    int64_t n = reel_tape_count(t), calls = 0;
    cr_expect_eq(n, 5);
    static const char *const names[] = {"linear_bias", "relu"};
    for (int64_t i = -2; i < n + 2; i++) {
        const reel_call *call = reel_tape_call(t, i);
        if (!call)
            continue;
        cr_assert_lt(calls, 2);
        cr_expect_str_eq(call->op->name, names[calls]);
        cr_expect(calls == 0 ? strcmp(call->layer, "fc") == 0 : call->layer == NULL);
        cr_expect(call->out[0]->shape.dim[0] == 4 && call->out[0]->shape.dim[1] == 2);
        calls++;
    }
    cr_expect_eq(calls, 2);
    const reel_call *linear = reel_tape_call(t, 3);
    cr_assert_not_null(linear);
    cr_expect_null(reel_call_param(linear, 0));
    cr_expect_eq(reel_call_param(linear, 1), reel_params_find(p, "fc.weight"));
    cr_expect_eq(reel_call_param(linear, 2), reel_params_find(p, "fc.bias"));
    cr_expect_null(reel_call_param(linear, 3));
    cr_expect_null(reel_call_param(linear, -1));
    cr_expect_null(reel_call_param(NULL, 0));
    reel_no_grad_begin(t);
    reel_relu(t, y);
    reel_no_grad_end(t);
    cr_expect(reel_tape_count(t) == n + 1 && reel_tape_call(t, n) == NULL);
    cr_expect(reel_tape_count(NULL) == 0 && reel_tape_call(NULL, 0) == NULL);
    reel_tape_reset(t);
    cr_expect_eq(reel_tape_count(t), 0);
    reel_params_free(p);
    reel_tape_free(t);
    reel_context_free(c);
}
