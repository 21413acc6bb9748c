/* Walks the registry with inputs that nobody means: NaN, infinities, zeros of both signs, ties, subnormal and huge
 * numbers, and such gradients from above. The two ways to a first-order gradient, accumulate and vjp, must agree. */
#include "core/tape.h"
#include "ops/samples.h"

#include <reel/reel.h>

#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#ifdef REEL_F64
static const double huge = 1e300, tiny = 1e-310;
#else
static const double huge = 1e30, tiny = 1e-42;
#endif

/* What the real inputs are filled with; element i of input k. `plain` is the sample's own value. */
struct pattern {
    const char *what;
    double (*value)(int k, int64_t i, double plain);
};

static double one_nan(int k, int64_t i, double plain)
{
    return k == 0 && i == 1 ? NAN : plain;
}

static double nan_in_the_others(int k, int64_t i, double plain)
{
    return k > 0 && i == 0 ? NAN : plain;
}

static double one_infinity(int k, int64_t i, double plain)
{
    return k == 0 && i == 1 ? INFINITY : plain;
}

static double one_minus_infinity(int k, int64_t i, double plain)
{
    return k == 0 && i == 1 ? -INFINITY : plain;
}

static double infinity_in_the_others(int k, int64_t i, double plain)
{
    return k > 0 && i == 0 ? INFINITY : plain;
}

static double zeros(int k, int64_t i, double plain)
{
    (void)k, (void)plain;
    return i % 2 ? -0.0 : 0.0;
}

static double ones(int k, int64_t i, double plain)
{
    (void)k, (void)i, (void)plain;
    return 1;
}

static double minus_ones(int k, int64_t i, double plain)
{
    (void)k, (void)i, (void)plain;
    return -1;
}

static double ties(int k, int64_t i, double plain)
{
    (void)k, (void)plain;
    return (double)(i % 3 - 1) / 2;
}

static double subnormal(int k, int64_t i, double plain)
{
    (void)k;
    return tiny * plain * (double)(i % 2 ? 1 : 3);
}

static double very_large(int k, int64_t i, double plain)
{
    (void)k, (void)i;
    return huge * plain;
}

static double one_very_large(int k, int64_t i, double plain)
{
    return k == 0 && i == 0 ? huge : plain;
}

static double everything(int k, int64_t i, double plain)
{
    const double special[] = {0, INFINITY, plain, -0.0, -INFINITY, tiny, huge, NAN, 1, -huge, -1};
    return special[(size_t)(i + 3 * k) % (sizeof special / sizeof *special)];
}

static const struct pattern patterns[] = {
    {"one NaN", one_nan},
    {"NaN in the other inputs", nan_in_the_others},
    {"one infinity", one_infinity},
    {"one minus infinity", one_minus_infinity},
    {"infinity in the other inputs", infinity_in_the_others},
    {"zeros of both signs", zeros},
    {"only 1", ones},
    {"only -1", minus_ones},
    {"ties", ties},
    {"subnormal numbers", subnormal},
    {"very large numbers", very_large},
    {"one very large number", one_very_large},
    {"everything", everything},
};
enum { PATTERNS = sizeof patterns / sizeof *patterns };

/* The gradient from above, of element i. */
static double usual_flow(int64_t i)
{
    return (double)(i % 7 + 1) / 4 * (i % 2 ? -1 : 1);
}

static double zero_flow(int64_t i)
{
    (void)i;
    return 0;
}

static double infinite_flow(int64_t i)
{
    return i == 0 ? INFINITY : 1;
}

static double nan_flow(int64_t i)
{
    return i == 0 ? NAN : 1;
}

static double (*const flows[])(int64_t) = {usual_flow, zero_flow, infinite_flow, nan_flow};
static const char *const flow_names[] = {"a usual gradient", "a gradient of 0", "an infinite gradient",
                                         "a gradient of NaN"};
enum { FLOWS = sizeof flows / sizeof *flows };

static reel_context *c;

static void set_up(void)
{
    c = reel_context_new(NULL);
    cr_assert_not_null(c);
}

static void tear_down(void)
{
    reel_context_free(c);
}

TestSuite(hostile, .init = set_up, .fini = tear_down, .timeout = 240);

static bool is_differentiable(const reel_op *op, const reel_sample *sample, int k)
{
    return op->differentiable >> (op->variadic ? 0 : k) & 1 && sample->inputs[k].dtype == REEL_REAL;
}

static void fill_with(reel_tape *t, const reel_sample *sample, const struct pattern *pattern, const reel_var *inputs)
{
    for (int k = 0; pattern && k < sample->n_inputs; k++) {
        reel_array *array = &t->nodes[inputs[k].number]->array;
        reel_real *values = array->data;
        for (int64_t i = 0; array->dtype == REEL_REAL && i < array->numel; i++)
            values[i] = (reel_real)pattern->value(k, i, (double)values[i]);
    }
}

static reel_var flow_like(reel_tape *t, reel_var y, double (*flow)(int64_t))
{
    reel_var g;
    reel_shape shape = reel_shape_of(t, y);
    struct reel_node *node = reel_tape_add_array(t, REEL_REAL, &shape, "a test", &g);
    for (int64_t i = 0; node && i < node->array.numel; i++)
        ((reel_real *)node->array.data)[i] = (reel_real)flow(i);
    return g;
}

/* How many digits are kept is for other tests, and in float much cancels: a sum is off by roundings of its terms, of
 * which there are `terms` of a size of 1 or so. */
static bool agree(double a, double b, double terms)
{
    double relative = sizeof(reel_real) == sizeof(float) ? 1e-4 : 64 * DBL_EPSILON;
    return a == b || (isnan(a) && isnan(b)) || fabs(a - b) <= relative * fmax(fmax(fabs(a), fabs(b)), terms);
}

/* How many elements of an input or output come together in one of x, as in the gradient of a bias. */
static double terms_of(reel_tape *t, reel_var x, const reel_var *others, int n)
{
    double most = 1, numel = (double)reel_numel(t, x);
    for (int i = 0; i < n; i++)
        most = fmax(most, (double)reel_numel(t, others[i]) / fmax(numel, 1));
    return most;
}

static int compared, refused;

/* The output `of`, or its gradients, taken both ways. */
static void compare_ways(const reel_op *op, const reel_sample *sample, const struct pattern *pattern, int flow, int of)
{
    reel_tape *t = reel_tape_new(c);
    reel_var inputs[REEL_MAX_SAMPLE_INPUTS], outputs[REEL_MAX_OUTPUTS], xs[REEL_MAX_SAMPLE_INPUTS];
    reel_var fast[REEL_MAX_SAMPLE_INPUTS], slow[REEL_MAX_SAMPLE_INPUTS];
    int n = 0;
    reel_manual_seed(c, 7);
    reel_sample_inputs(t, sample, 7, inputs);
    fill_with(t, sample, pattern, inputs);
    for (int k = 0; k < sample->n_inputs; k++)
        if (is_differentiable(op, sample, k))
            xs[n++] = inputs[k];
    if (n == 0 || reel_apply(t, op, inputs, sample->n_inputs, sample->attributes, outputs) != REEL_OK ||
        reel_dtype_of(t, outputs[of]) != REEL_REAL) {
        refused += n > 0;
        reel_clear_error(c);
        reel_tape_free(t);
        return;
    }
    reel_var g = flow_like(t, outputs[of], flows[flow]);
    reel_vjp(t, outputs[of], g, xs, n, REEL_GRAD_ALLOW_UNUSED, fast);
    reel_vjp(t, outputs[of], g, xs, n, REEL_GRAD_ALLOW_UNUSED | REEL_GRAD_CREATE_GRAPH, slow);
    cr_expect_eq(reel_context_status(c), REEL_OK, "%s, sample \"%s\", %s: %s", op->name, sample->what,
                 pattern ? pattern->what : "its own inputs", reel_error(c));
    for (int k = 0; k < n && reel_context_status(c) == REEL_OK; k++) {
        cr_expect_eq(reel_is_null(fast[k]), reel_is_null(slow[k]),
                     "%s, sample \"%s\", %s: input %d has a gradient by one way only", op->name, sample->what,
                     pattern ? pattern->what : "its own inputs", k);
        if (reel_is_null(fast[k]) || reel_is_null(slow[k]))
            continue;
        const reel_real *a = reel_data_real(t, fast[k]), *b = reel_data_real(t, slow[k]);
        double terms = fmax(terms_of(t, xs[k], inputs, sample->n_inputs), terms_of(t, xs[k], outputs, op->n_outputs));
        for (int64_t i = 0; i < reel_numel(t, xs[k]); i++) {
            compared++;
            if (agree((double)a[i], (double)b[i], terms))
                continue;
            cr_expect_fail("%s, sample \"%s\", %s, %s: element %lld of gradient %d is %g by accumulate and %g by vjp",
                           op->name, sample->what, pattern ? pattern->what : "its own inputs", flow_names[flow],
                           (long long)i, k, (double)a[i], (double)b[i]);
            break;
        }
    }
    reel_clear_error(c);
    reel_tape_free(t);
}

static void walk(const struct pattern *pattern, int flow)
{
    for (int i = 0; i < reel_op_count(); i++) {
        const reel_op *op = reel_op_at(i);
        const reel_op_samples *samples = reel_op_samples_at(i);
        for (int s = 0; s < samples->count; s++)
            for (int of = 0; of < op->n_outputs && samples->samples[s].refused == REEL_OK; of++)
                compare_ways(op, &samples->samples[s], pattern, flow, of);
    }
}

Test(hostile, both_ways_agree_on_hostile_inputs)
{
    for (int p = 0; p < PATTERNS; p++)
        walk(&patterns[p], 0);
    printf("hostile inputs: %d patterns, %d elements compared, %d refused\n", PATTERNS, compared, refused);
}

Test(hostile, both_ways_agree_on_hostile_gradients)
{
    for (int f = 1; f < FLOWS; f++)
        walk(NULL, f);
    printf("hostile gradients: %d kinds, %d elements compared\n", FLOWS - 1, compared);
}
