/* The search for numbers that are not finite: who is named, and what must not be. */
#include "core/helpers.h"

#include <stdlib.h>

static void set_up_search(void)
{
    set_up();
    reel_set_detect_anomaly(c, true);
}

TestSuite(anomaly, .init = set_up_search, .fini = tear_down);

static reel_var numbers(const reel_real *values, int64_t n)
{
    return reel_tensor(t, values, REEL_SHAPE(n));
}

Test(anomaly, is_off_until_asked_for)
{
    reel_set_detect_anomaly(c, false);
    cr_expect_not(reel_is_anomaly_enabled(c));
    const reel_real x[] = {1, -1};
    reel_data(t, reel_log(t, numbers(x, 2)));
    cr_expect_eq(reel_context_status(c), REEL_OK);
    cr_expect_not(reel_is_anomaly_enabled(NULL));
    reel_set_detect_anomaly(NULL, true);
}

Test(anomaly, is_turned_on_by_the_environment)
{
    static const struct {
        const char *value;
        bool on;
    } cases[] = {{"1", true}, {"yes", true}, {"0", false}, {"", false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        setenv("REEL_DETECT_ANOMALY", cases[i].value, 1);
        reel_context *other = reel_context_new(NULL);
        cr_expect_eq(reel_is_anomaly_enabled(other), cases[i].on, "\"%s\"", cases[i].value);
        reel_context_free(other);
    }
    unsetenv("REEL_DETECT_ANOMALY");
    reel_context *other = reel_context_new(NULL);
    cr_expect_not(reel_is_anomaly_enabled(other));
    reel_context_free(other);
}

Test(anomaly, names_the_first_operation_and_its_inputs)
{
    const reel_real x[] = {1, -1, 4, (reel_real)-0.5};
    reel_var v = numbers(x, 4);
    int64_t count = t->count;
    reel_exp(t, reel_log(t, v));
    cr_expect_eq(t->count, count, "what failed left a var");
    char says[200];
    snprintf(says, sizeof says,
             "log: its result is NaN at position [1] (2 of 4 are not finite); input 0 %s [4] from -1 to 4",
             reel_dtype_name(REEL_REAL));
    expect_error(REEL_ERROR_NOT_FINITE, says);
}

Test(anomaly, names_infinities_params_and_every_input)
{
    reel_param *p = param_of(params, "scale", 2);
    const reel_real x[] = {0, 2};
    reel_div(t, pv(p), numbers(x, 2));
    expect_error(REEL_ERROR_NOT_FINITE, "div: its result is inf at position [0] (1 of 2 are not finite)");
    reel_div(t, pv(p), numbers(x, 2));
    expect_error(REEL_ERROR_NOT_FINITE, "input 0 (\"scale\")");
    reel_div(t, pv(p), numbers(x, 2));
    expect_error(REEL_ERROR_NOT_FINITE, "[2] from 0 to 2");
}

Test(anomaly, tells_inputs_that_were_bad_before)
{
    const reel_real x[] = {1, (reel_real)NAN, (reel_real)INFINITY};
    reel_neg(t, numbers(x, 3));
    expect_error(REEL_ERROR_NOT_FINITE, "[3] from 1 to 1 and 1 NaN and 1 infinite");
    reel_neg(t, numbers(x + 1, 1));
    expect_error(REEL_ERROR_NOT_FINITE, "[1] of 1 NaN");
}

Test(anomaly, names_the_layer)
{
    reel_module *fc = reel_linear_new(params, "fc", 2, 2, NULL);
    const reel_real x[] = {1, (reel_real)NAN};
    reel_forward(t, fc, reel_tensor(t, x, REEL_SHAPE(1, 2)));
    expect_error(REEL_ERROR_NOT_FINITE, "linear_bias \"fc\": its result is NaN at position [0, 0]");
}

Test(anomaly, names_the_rule_and_refuses_the_step)
{
    reel_param *p = param_of(params, "p", 3);
    reel_optim *sgd = reel_sgd_new(params, NULL);
    ((reel_real *)reel_param_write(p))[1] = 0;
    reel_var loss = reel_sum_all(t, reel_sqrt(t, pv(p)));
    cr_expect_eq(reel_backward(t, loss, params), REEL_ERROR_NOT_FINITE);
    expect_error(REEL_ERROR_NOT_FINITE, "backward: the rule of sqrt gives input 0 a gradient of inf at position [1] "
                                        "(1 of 3 are not finite); the gradient of its result from 1 to 1; input 0 "
                                        "(\"p\")");
    reel_optim_step(sgd);
    expect_error(REEL_ERROR_STATE, "");
    reel_optim_free(sgd);
}

Test(anomaly, looks_at_rules_that_are_recorded)
{
    const reel_real x[] = {0, 1};
    reel_var v = numbers(x, 2), grad;
    reel_grad(t, reel_sum_all(t, reel_sqrt(t, v)), &v, 1, REEL_GRAD_CREATE_GRAPH, &grad);
    expect_error(REEL_ERROR_NOT_FINITE, "backward: the rule of sqrt gives input 0 a gradient of inf");
    cr_expect(reel_is_anomaly_enabled(c), "a rule turned the search off");
}

Test(anomaly, looks_at_rows)
{
    reel_param *table = reel_param_new(params, "table", REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(5, 2));
    reel_param_set_sparse(table, true);
    static const int64_t index[] = {3, 1};
    const reel_real upstream[] = {1, 1, (reel_real)INFINITY, 1};
    reel_var x = pv(table), grad;
    reel_var y = reel_embedding(t, x, reel_borrow_of(t, REEL_INT64, index, REEL_SHAPE(2)), NULL);
    reel_vjp(t, y, reel_tensor(t, upstream, REEL_SHAPE(2, 2)), &x, 1, REEL_GRAD_DEFAULT, &grad);
    expect_error(REEL_ERROR_NOT_FINITE, "backward: the rule of embedding gives input 0 a gradient of inf at position "
                                        "[1, 0]");
}

/* A rule that comes by an infinity and leaves it out of what it gives. */
static reel_status same_shape(reel_call *call)
{
    *call->out[0] = (reel_array){.dtype = REEL_REAL, .shape = call->in[0]->shape};
    return REEL_OK;
}

static reel_status same_forward(reel_call *call)
{
    memcpy(call->out[0]->data, call->in[0]->data, (size_t)call->in[0]->numel * sizeof(reel_real));
    return REEL_OK;
}

static void same_vjp(const reel_call *call, const reel_var *grad_outputs, reel_var *grads)
{
    reel_var infinite = reel_log(call->tape, reel_mul_scalar(call->tape, grad_outputs[0], 0));
    reel_var finite = reel_le_scalar(call->tape, grad_outputs[0], 1e30);
    grads[0] = reel_where(call->tape, finite, grad_outputs[0], infinite);
}

Test(anomaly, lets_rules_come_by_infinities)
{
    static const reel_op same = {.name = "same",
                                 .n_inputs = 1,
                                 .n_outputs = 1,
                                 .differentiable = 1,
                                 .shape = same_shape,
                                 .forward = same_forward,
                                 .vjp = same_vjp};
    reel_param *p = param_of(params, "p", 3);
    reel_var x = pv(p), y = reel_sum_all(t, reel_apply1(t, &same, &x, 1, NULL)), grad;
    cr_expect_eq(reel_backward(t, y, params), REEL_OK, "%s", reel_error(c));
    cr_expect_eq(reel_grad(t, y, &x, 1, REEL_GRAD_CREATE_GRAPH, &grad), REEL_OK, "%s", reel_error(c));
}

/* Where two are joined of which one is a constant, its columns of the gradient are never computed. */
Test(anomaly, does_not_look_at_columns_that_nobody_reads)
{
    enum { ROWS = 4, LEFT = 30, RIGHT = 20 };
    reel_param *p = reel_param_new(params, "p", REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(ROWS, RIGHT));
    reel_param *w = reel_param_new(params, "w", REEL_PARAM_FROZEN, REEL_REAL, REEL_SHAPE(3, LEFT + RIGHT));
    void *blocks[16];
    for (int i = 0; i < 16; i++) {
        reel_real *block = blocks[i] = reel_scratch_allocate(&c->scratch, 4096);
        for (size_t k = 0; k < 4096 / sizeof *block; k++)
            block[k] = (reel_real)NAN;
    }
    for (int i = 0; i < 16; i++)
        reel_scratch_release(&c->scratch, blocks[i]);
    reel_var x = reel_cat(t, REEL_VARS(reel_ones(t, REEL_SHAPE(ROWS, LEFT)), pv(p)), 1);
    reel_var y = reel_sum_all(t, reel_linear(t, x, pv(w), reel_null()));
    cr_expect_eq(reel_backward(t, y, params), REEL_OK, "%s", reel_error(c));
    cr_expect_eq(grad_at(p, 0), 0);
}
