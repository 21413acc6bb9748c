/* The public gradcheck finds what is wrong, and accepts what is right. */
#include "core/context.h"
#include "support/allocator.h"

#include <reel/reel.h>

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

static struct counting counted;
static reel_context *c;

static void set_up(void)
{
    c = counting_context(&counted, 1);
    cr_assert_not_null(c);
}

static void tear_down(void)
{
    cr_expect_eq(reel_context_status(c), REEL_OK, "%s", reel_error(c));
    cr_expect_eq(c->scratch.live, 0);
    reel_context_free(c);
    cr_expect_eq(counted.live, 0, "%lld blocks leak", (long long)counted.live);
}

TestSuite(gradcheck, .init = set_up, .fini = tear_down);

static void expect_error(reel_status status, const char *says)
{
    cr_expect_eq(reel_context_status(c), status, "\"%s\" is %s", reel_error(c),
                 reel_status_text(reel_context_status(c)));
    cr_expect(strstr(reel_error(c), says), "\"%s\" does not say \"%s\"", reel_error(c), says);
    reel_clear_error(c);
}

static const reel_real x_data[] = {0.5, -0.25, 1.5, 0.75, -1, 0.125}, w_data[] = {1, -0.5, 0.25};
static const int64_t index_data[] = {1, 0, 1};

static reel_gradcheck_input real(const reel_real *data, reel_shape shape)
{
    return (reel_gradcheck_input){data, REEL_REAL, shape, false};
}

/* ---- Functions ---- */

static reel_var product(reel_tape *t, const reel_var *in, int n, void *user)
{
    (void)n;
    (void)user;
    return reel_tanh(t, reel_mul(t, in[0], reel_exp(t, in[1])));
}

static reel_var lookup(reel_tape *t, const reel_var *in, int n, void *user)
{
    (void)n;
    (void)user;
    return reel_square(t, reel_embedding(t, in[0], in[1], NULL));
}

static reel_var disconnected(reel_tape *t, const reel_var *in, int n, void *user)
{
    (void)n;
    (void)user;
    return reel_mul(t, in[0], reel_detach(t, in[0]));
}

static reel_var dropped(reel_tape *t, const reel_var *in, int n, void *user)
{
    (void)n;
    (void)user;
    return reel_dropout(t, reel_square(t, in[0]), 0.5, true);
}

static reel_var large(reel_tape *t, const reel_var *in, int n, void *user)
{
    (void)n;
    reel_var x = reel_sin(t, reel_expand(t, in[0], REEL_SHAPE(150, 6)));
    return user ? reel_mul(t, x, reel_add_scalar(t, reel_detach(t, x), 0.001)) : x;
}

static reel_var failing(reel_tape *t, const reel_var *in, int n, void *user)
{
    (void)n;
    (void)user;
    return reel_reshape(t, in[0], REEL_SHAPE(7));
}

static reel_var forgetful(reel_tape *t, const reel_var *in, int n, void *user)
{
    (void)t;
    (void)in;
    (void)n;
    (void)user;
    return reel_null();
}

static reel_var of_nothing(reel_tape *t, const reel_var *in, int n, void *user)
{
    (void)n;
    (void)user;
    return reel_narrow(t, in[0], 0, 0, 0);
}

Test(gradcheck, accepts_what_is_right)
{
    reel_gradcheck_input two[] = {real(x_data, REEL_SHAPE(2, 3)), real(w_data, REEL_SHAPE(3))};
    cr_expect_eq(reel_gradcheck(c, product, NULL, two, 2, NULL), REEL_OK, "%s", reel_error(c));
    cr_expect_eq(reel_gradgradcheck(c, product, NULL, two, 2, NULL), REEL_OK, "%s", reel_error(c));
    reel_gradcheck_input table[] = {real(x_data, REEL_SHAPE(2, 3)), {index_data, REEL_INT64, REEL_SHAPE(3), false}};
    cr_expect_eq(reel_gradcheck(c, lookup, NULL, table, 2, NULL), REEL_OK, "%s", reel_error(c));
    cr_expect_eq(reel_gradgradcheck(c, lookup, NULL, table, 2, NULL), REEL_OK, "%s", reel_error(c));
    cr_expect_eq(reel_gradcheck(c, of_nothing, NULL, two, 1, NULL), REEL_OK, "%s", reel_error(c));
    cr_expect_eq(reel_gradgradcheck(c, of_nothing, NULL, two, 1, NULL), REEL_OK, "%s", reel_error(c));
}

Test(gradcheck, draws_the_same_numbers_each_time)
{
    reel_gradcheck_input x = real(x_data, REEL_SHAPE(2, 3));
    unsigned char before[REEL_RNG_STATE_SIZE], after[REEL_RNG_STATE_SIZE];
    reel_get_rng_state(c, before);
    cr_expect_eq(reel_gradcheck(c, dropped, NULL, &x, 1, NULL), REEL_OK, "%s", reel_error(c));
    cr_expect_eq(reel_gradgradcheck(c, dropped, NULL, &x, 1, NULL), REEL_OK, "%s", reel_error(c));
    reel_get_rng_state(c, after);
    cr_expect_arr_eq(before, after, sizeof before);
    cr_expect_eq(c->philox_draws, 0);
}

Test(gradcheck, finds_gradients_that_stop)
{
    reel_gradcheck_input x = real(x_data, REEL_SHAPE(6));
    cr_expect_eq(reel_gradcheck(c, disconnected, NULL, &x, 1, NULL), REEL_ERROR_GRADIENT);
    expect_error(REEL_ERROR_GRADIENT,
                 "gradcheck: input 0, element 0, output element 0: the gradient is 0.5, the difference");
    x.constant = true;
    cr_expect_eq(reel_gradcheck(c, disconnected, NULL, &x, 1, NULL), REEL_OK);
}

Test(gradcheck, combines_many_elements)
{
    reel_gradcheck_input x = real(x_data, REEL_SHAPE(6));
    int wrong = 1;
    cr_expect_eq(reel_gradcheck(c, large, NULL, &x, 1, NULL), REEL_OK, "%s", reel_error(c));
    cr_expect_eq(reel_gradcheck(c, large, &wrong, &x, 1, NULL), REEL_ERROR_GRADIENT);
    expect_error(REEL_ERROR_GRADIENT, "output combination 0");
    static reel_real many[400];
    for (int i = 0; i < 400; i++)
        many[i] = (reel_real)(0.01 * i - 1.9);
    x = real(many, REEL_SHAPE(20, 20));
    cr_expect_eq(reel_gradcheck(c, dropped, NULL, &x, 1, NULL), REEL_OK, "%s", reel_error(c));
    cr_expect_eq(reel_gradcheck(c, disconnected, NULL, &x, 1, NULL), REEL_ERROR_GRADIENT);
    expect_error(REEL_ERROR_GRADIENT, "random direction 0");
}

Test(gradcheck, reports_other_errors)
{
    reel_gradcheck_input x = real(x_data, REEL_SHAPE(6));
    cr_expect_eq(reel_gradcheck(c, failing, NULL, &x, 1, NULL), REEL_ERROR_SHAPE);
    expect_error(REEL_ERROR_SHAPE, "reshape");
    cr_expect_eq(reel_gradgradcheck(c, failing, NULL, &x, 1, NULL), REEL_ERROR_SHAPE);
    expect_error(REEL_ERROR_SHAPE, "reshape");
    cr_expect_eq(reel_gradcheck(c, forgetful, NULL, &x, 1, NULL), REEL_ERROR_ARGUMENT);
    expect_error(REEL_ERROR_ARGUMENT, "null");
    cr_expect_eq(reel_gradcheck(c, product, NULL, NULL, 2, NULL), REEL_ERROR_ARGUMENT);
    expect_error(REEL_ERROR_ARGUMENT, "at NULL");
    reel_gradcheck_options options = reel_gradcheck_defaults();
    options.eps = 0;
    cr_expect_eq(reel_gradcheck(c, product, NULL, &x, 1, &options), REEL_ERROR_ARGUMENT);
    expect_error(REEL_ERROR_ARGUMENT, "eps 0");
    cr_expect_eq(reel_gradcheck(NULL, product, NULL, &x, 1, NULL), REEL_ERROR_ARGUMENT);
}

/* ---- Operations: x^3, with one mistake ---- */

enum mistake { NONE, FACTOR, SECOND_ORDER, FUSED, NAN_GRADIENT };

struct cube {
    enum mistake mistake;
    bool refuse;
};

static reel_status cube_shape(reel_call *call)
{
    const struct cube *a = call->attributes;
    if (a->refuse)
        return reel_fail(call->context, REEL_ERROR_ARGUMENT, "cube: refused");
    call->out[0]->shape = call->in[0]->shape;
    call->out[0]->dtype = REEL_REAL;
    return REEL_OK;
}

static reel_status cube_forward(reel_call *call)
{
    const reel_real *x = call->in[0]->data;
    for (int64_t i = 0; i < call->in[0]->numel; i++)
        ((reel_real *)call->out[0]->data)[i] = x[i] * x[i] * x[i];
    return REEL_OK;
}

static void cube_vjp(const reel_call *call, const reel_var *grad_outputs, reel_var *grad_inputs)
{
    const struct cube *a = call->attributes;
    reel_tape *t = call->tape;
    reel_var x = a->mistake == SECOND_ORDER ? reel_detach(t, call->inputs[0]) : call->inputs[0];
    reel_var slope = reel_mul_scalar(t, reel_square(t, x), a->mistake == FACTOR ? 3.1 : 3);
    if (a->mistake == NAN_GRADIENT)
        slope = reel_mul_scalar(t, slope, NAN);
    grad_inputs[0] = reel_mul(t, grad_outputs[0], slope);
}

static reel_status cube_accumulate(const reel_call *call, const reel_gradient *grad_outputs, reel_sink *const *sinks)
{
    const struct cube *a = call->attributes;
    const reel_real *x = call->in[0]->data, *grad = reel_gradient_contiguous(call, &grad_outputs[0]);
    bool add;
    reel_real *to = grad ? reel_sink_target(sinks[0], &add) : NULL;
    if (!to)
        return call->context->status;
    for (int64_t i = 0; i < call->in[0]->numel; i++) {
        reel_real part = 3 * x[i] * x[i] * grad[i] * (a->mistake == FUSED ? (reel_real)1.1 : 1);
        to[i] = add ? to[i] + part : part;
    }
    return REEL_OK;
}

static const struct cube attributes_of[] = {{NONE, false},  {FACTOR, false},       {SECOND_ORDER, false},
                                            {FUSED, false}, {NAN_GRADIENT, false}, {NONE, true}};

#define CUBE(about, status, attributes_)                                                                               \
    {                                                                                                                  \
        .what = (about), .refused = (status), .n_inputs = 1, .attributes = (attributes_),                              \
        .inputs = (const reel_sample_input[])                                                                          \
        {                                                                                                              \
            {                                                                                                          \
                .dtype = REEL_REAL, .ndim = 1, .dim = (const int64_t[]){4}, .gap = 0.3F                                \
            }                                                                                                          \
        }                                                                                                              \
    }

static const reel_op cube_op = {
    .name = "cube",
    .n_inputs = 1,
    .n_outputs = 1,
    .differentiable = 1,
    .reads_inputs = 1,
    .attributes_size = sizeof(struct cube),
    .shape = cube_shape,
    .forward = cube_forward,
    .vjp = cube_vjp,
    .accumulate = cube_accumulate,
};

static reel_status check_cube(enum mistake mistake, bool fused, reel_derivative derivative)
{
    reel_op op = cube_op;
    op.derivative = derivative;
    if (!fused)
        op.accumulate = NULL;
    const reel_sample sample = CUBE("four", REEL_OK, &attributes_of[mistake]);
    return reel_gradcheck_op(c, &op, &sample, 5, NULL);
}

Test(gradcheck, accepts_good_operations)
{
    cr_expect_eq(check_cube(NONE, true, REEL_DERIVATIVE_EXACT), REEL_OK, "%s", reel_error(c));
    cr_expect_eq(check_cube(NONE, false, REEL_DERIVATIVE_EXACT), REEL_OK, "%s", reel_error(c));
    /* As a reference operation the factor is its own business. */
    cr_expect_eq(check_cube(FACTOR, false, REEL_DERIVATIVE_REFERENCE), REEL_OK, "%s", reel_error(c));
}

Test(gradcheck, finds_mistakes_in_operations)
{
    if (sizeof(reel_real) == sizeof(double)) {
        check_cube(FACTOR, false, REEL_DERIVATIVE_EXACT);
        expect_error(REEL_ERROR_GRADIENT, "cube, sample \"four\", output 0: input 0, element 0, output element 0");
        check_cube(FACTOR, true, REEL_DERIVATIVE_EXACT);
        expect_error(REEL_ERROR_GRADIENT, "with REEL_GRAD_CREATE_GRAPH");
        check_cube(FUSED, true, REEL_DERIVATIVE_EXACT);
        expect_error(REEL_ERROR_GRADIENT, "the gradient is");
    }
    check_cube(SECOND_ORDER, true, REEL_DERIVATIVE_EXACT);
    expect_error(REEL_ERROR_GRADIENT, "gradient of input 0");
    check_cube(SECOND_ORDER, true, REEL_DERIVATIVE_REFERENCE);
    expect_error(REEL_ERROR_GRADIENT, "gradient of input 0");
    check_cube(NAN_GRADIENT, false, REEL_DERIVATIVE_EXACT);
    expect_error(REEL_ERROR_GRADIENT, "nan");
    check_cube(NONE, true, REEL_DERIVATIVE_NONE);
    expect_error(REEL_ERROR_GRADIENT, "has no derivative, yet input 0 gets one");
}

Test(gradcheck, checks_refusals)
{
    const reel_sample right = CUBE("bad", REEL_ERROR_ARGUMENT, &attributes_of[5]);
    const reel_sample other = CUBE("bad", REEL_ERROR_SHAPE, &attributes_of[5]);
    const reel_sample accepted = CUBE("bad", REEL_ERROR_SHAPE, &attributes_of[0]);
    cr_expect_eq(reel_gradcheck_op(c, &cube_op, &right, 5, NULL), REEL_OK, "%s", reel_error(c));
    reel_gradcheck_op(c, &cube_op, &other, 5, NULL);
    expect_error(REEL_ERROR_GRADIENT,
                 "must be refused as \"shapes do not fit\", it gives \"bad argument\" cube: refused");
    reel_gradcheck_op(c, &cube_op, &accepted, 5, NULL);
    expect_error(REEL_ERROR_GRADIENT, "it gives \"ok\"");
    cr_expect_eq(reel_gradcheck_op(c, NULL, &right, 5, NULL), REEL_ERROR_ARGUMENT);
    reel_clear_error(c);
}

Test(gradcheck, makes_samples)
{
    const reel_sample sample = {
        .what = "all kinds",
        .n_inputs = 5,
        .inputs = (const reel_sample_input[]){
            {.dtype = REEL_REAL, .ndim = 1, .dim = (const int64_t[]){50}, .gap = 0.02F},
            {.dtype = REEL_REAL, .ndim = 1, .dim = (const int64_t[]){50}, .low = 0.5, .high = 3, .gap = 0.02F},
            {.dtype = REEL_INT64, .ndim = 1, .dim = (const int64_t[]){200}, .low = -3, .high = 2},
            {.dtype = REEL_INT32, .ndim = 0, .high = 4},
            {.dtype = REEL_BOOL, .ndim = 1, .dim = (const int64_t[]){200}, .high = 2}}};
    reel_tape *t = reel_tape_new(c);
    reel_var v[5], again[5], other[5];
    cr_assert_eq(reel_sample_inputs(t, &sample, 1, v), REEL_OK, "%s", reel_error(c));
    cr_assert_eq(reel_sample_inputs(t, &sample, 1, again), REEL_OK);
    cr_assert_eq(reel_sample_inputs(t, &sample, 2, other), REEL_OK);
    const reel_real *a = reel_data_real(t, v[0]), *b = reel_data_real(t, v[1]);
    for (int i = 0; i < 50; i++) {
        cr_expect(fabs((double)a[i]) >= 0.02 && fabs((double)a[i]) <= 2 && (double)b[i] >= 0.5 && b[i] <= 3);
        for (int k = 0; k < 50; k++)
            cr_expect(fabs((double)a[i] - (double)b[k]) >= 0.0199 &&
                      (k == i || fabs((double)a[i] - (double)a[k]) >= 0.0199));
    }
    int seen[5] = {0}, truths = 0;
    for (int i = 0; i < 200; i++) {
        int64_t n = reel_data_int64(t, v[2])[i];
        cr_assert(n >= -3 && n < 2);
        seen[n + 3]++;
        truths += ((const bool *)reel_data(t, v[4]))[i];
    }
    for (int i = 0; i < 5; i++)
        cr_expect_gt(seen[i], 15);
    cr_expect(truths > 60 && truths < 140);
    cr_expect_arr_eq(reel_data(t, again[0]), a, 50 * sizeof *a);
    cr_expect_neq(reel_data_real(t, other[0])[0], a[0]);
    const reel_sample crowded = {.what = "crowded",
                                 .n_inputs = 1,
                                 .inputs = (const reel_sample_input[]){
                                     {.dtype = REEL_REAL, .ndim = 1, .dim = (const int64_t[]){50}, .gap = 0.5}}};
    cr_expect_eq(reel_sample_inputs(t, &crowded, 1, v), REEL_ERROR_ARGUMENT);
    expect_error(REEL_ERROR_ARGUMENT, "too many to keep 0.5 apart");
    reel_tape_free(t);
}

Test(gradcheck, out_of_memory_is_an_error)
{
    reel_gradcheck_input two[] = {real(x_data, REEL_SHAPE(2, 3)), real(w_data, REEL_SHAPE(3))};
    for (int64_t k = 0;; k++) {
        counted.fail_at = counted.calls + k;
        reel_status status = reel_gradgradcheck(c, product, NULL, two, 2, NULL);
        counted.fail_at = -1;
        if (status == REEL_OK)
            break;
        cr_assert_eq(status, REEL_ERROR_OUT_OF_MEMORY, "%s", reel_error(c));
        cr_assert_eq(c->scratch.live, 0, "allocation %lld", (long long)k);
        reel_clear_error(c);
    }
}
