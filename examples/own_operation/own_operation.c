/* An operation of your own: logcosh(x) = log(cosh(x)), a loss that grows like a square near 0 and like |x| far away.
 * One sees its gradients checked to second order, and then two lines fitted to points of which a few are far off: the
 * mean square is drawn to those, the new loss is not.
 *
 * Linked with reel_f64: float has too few digits to check a gradient by differences. */
#include <reel/reel.h>
#include <math.h>
#include <stdio.h>

/* ---- The operation ---- */

static reel_status logcosh_shape(reel_call *call)
{
    const reel_array *x = call->in[0];
    if (x->dtype != REEL_REAL)
        return reel_fail(call->context, REEL_ERROR_DTYPE, "logcosh: x is %s, and has to be real",
                         reel_dtype_name(x->dtype));
    call->out[0]->dtype = REEL_REAL;
    call->out[0]->shape = x->shape;
    return REEL_OK;
}

/* cosh itself would overflow: log(cosh(x)) = |x| + log(1 + exp(-2 |x|)) - log(2). */
static reel_status logcosh_forward(reel_call *call)
{
    const reel_real *x = call->in[0]->data;
    reel_real *y = call->out[0]->data;
    for (int64_t i = 0; i < call->in[0]->numel; i++)
        y[i] = fabs(x[i]) + log1p(exp(-2 * fabs(x[i]))) - log(2);
    return REEL_OK;
}

/* The rule is made of operations, so that it has a derivative as well: d logcosh(x) = tanh(x). */
static void logcosh_vjp(const reel_call *call, const reel_var *grad_outputs, reel_var *grad_inputs)
{
    grad_inputs[0] = reel_mul(call->tape, grad_outputs[0], reel_tanh(call->tape, call->inputs[0]));
}

static const reel_op logcosh_op = {
    .name = "logcosh",
    .n_inputs = 1,
    .n_outputs = 1,
    .differentiable = 1, /* bit 0: with respect to x */
    .reads_inputs = 1,   /* bit 0: the rule reads x */
    .shape = logcosh_shape,
    .forward = logcosh_forward,
    .vjp = logcosh_vjp,
};

static reel_var logcosh(reel_tape *t, reel_var x)
{
    return reel_apply1(t, &logcosh_op, &x, 1, NULL);
}

/* ---- Its check ---- */

static reel_status check(reel_context *c)
{
    const int64_t dim[] = {3, 4};
    const reel_sample_input x = {.dtype = REEL_REAL, .ndim = 2, .dim = dim, .low = -3, .high = 3};
    const reel_sample good = {.what = "two axes", .n_inputs = 1, .inputs = &x};
    const reel_sample_input integers = {.dtype = REEL_INT64, .ndim = 2, .dim = dim, .low = 0, .high = 9};
    const reel_sample bad = {.what = "integers", .refused = REEL_ERROR_DTYPE, .n_inputs = 1, .inputs = &integers};
    reel_status status = reel_gradcheck_op(c, &logcosh_op, &good, 0, NULL);
    return status ? status : reel_gradcheck_op(c, &logcosh_op, &bad, 0, NULL);
}

/* ---- What it is good for ---- */

enum { POINTS = 50, OFF = 6 };

/* The slope of the line that fits the points best. */
static double fit(reel_context *c, const reel_real *x, const reel_real *y, bool robust)
{
    reel_tape *t = reel_tape_new(c);
    reel_params *p = reel_params_new(c);
    reel_module *line = reel_linear_new(p, "line", 1, 1, NULL);
    REEL_OPTIONS(adam, o, o.lr = 0.02);
    reel_optim *adam = reel_adam_new(p, &o);
    for (int step = 0; step < 2000; step++) {
        reel_var at = reel_borrow(t, x, REEL_SHAPE(POINTS, 1)), truth = reel_borrow(t, y, REEL_SHAPE(POINTS, 1));
        reel_var error = reel_sub(t, reel_forward(t, line, at), truth);
        reel_var loss = reel_mean_all(t, robust ? logcosh(t, error) : reel_square(t, error));
        reel_zero_grad(p);
        if (reel_backward(t, loss, p) || reel_optim_step(adam))
            break;
        reel_tape_reset(t);
    }
    const reel_real *weight = reel_param_data(reel_params_find(p, "line.weight"));
    double slope = weight ? weight[0] : NAN;
    reel_optim_free(adam);
    reel_params_free(p);
    reel_tape_free(t);
    return slope;
}

int main(void)
{
    reel_context *c = reel_context_new(NULL);
    if (!c || check(c)) {
        fprintf(stderr, "own_operation: %s\n", reel_error(c));
        return 1;
    }
    printf("logcosh: gradients are right to second order, integers are refused\n");

    static reel_real x[POINTS], y[POINTS];
    for (int i = 0; i < POINTS; i++) {
        x[i] = i / (double)(POINTS - 1) * 4 - 2;
        y[i] = 1.5 * x[i] + 0.2 * sin(17.0 * i) - (i >= POINTS - OFF ? 12 : 0);
    }
    double square = fit(c, x, y, false), robust = fit(c, x, y, true);
    if (reel_context_status(c)) {
        fprintf(stderr, "own_operation: %s\n", reel_error(c));
        return 1;
    }
    printf("the slope is 1.50; %d of %d points are far off\nwith the mean square %.2f\nwith logcosh         %.2f\n",
           OFF, POINTS, square, robust);
    reel_context_free(c);
    return fabs(robust - 1.5) < 0.3 && fabs(square - 1.5) > 0.5 ? 0 : 1;
}
