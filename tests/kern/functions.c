/* The functions of one real: accuracy, special values, and that a value depends on nothing but its argument. */
#include "kern/functions.h"
#include "kern/parallel.h"
#include "kern/unary.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

struct function {
    const char *name;
    const struct reel_unary *kernel;
    reel_real p[2];
    double (*exact)(double); /* NULL: not compared */
    double ulp;              /* how far float may be from it */
};

static double exact_rsqrt(double x)
{
    return 1 / sqrt(x);
}

static double exact_sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static double exact_softplus(double x)
{
    return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
}

static double exact_logsigmoid(double x)
{
    return -exact_softplus(-x);
}

static double exact_ndtr(double x)
{
    return erfc(x * -0.70710678118654752) / 2;
}

static double exact_gelu(double x)
{
    return x == -INFINITY ? NAN : x * exact_ndtr(x);
}

static const struct function functions[] = {
    {"neg", &reel_unary_neg, {0}, NULL, 0},
    {"abs", &reel_unary_abs, {0}, fabs, 3},
    {"exp", &reel_unary_exp, {0}, exp, 3},
    {"expm1", &reel_unary_expm1, {0}, expm1, 3},
    {"log", &reel_unary_log, {0}, log, 3},
    {"log1p", &reel_unary_log1p, {0}, log1p, 3},
    {"sqrt", &reel_unary_sqrt, {0}, sqrt, 3},
    {"rsqrt", &reel_unary_rsqrt, {0}, exact_rsqrt, 3},
    {"square", &reel_unary_square, {0}, NULL, 0},
    {"cube", &reel_unary_cube, {0}, NULL, 0},
    {"reciprocal", &reel_unary_reciprocal, {0}, NULL, 0},
    {"sin", &reel_unary_sin, {0}, sin, 1.5},
    {"cos", &reel_unary_cos, {0}, cos, 1.5},
    {"tanh", &reel_unary_tanh, {0}, tanh, 1.5},
    {"erf", &reel_unary_erf, {0}, erf, 1.5},
    {"ndtr", &reel_unary_ndtr, {0}, exact_ndtr, 8},
    {"sigmoid", &reel_unary_sigmoid, {0}, exact_sigmoid, 3},
    {"logsigmoid", &reel_unary_logsigmoid, {0}, exact_logsigmoid, 3},
    {"softplus", &reel_unary_softplus, {1, INFINITY}, exact_softplus, 3},
    {"silu", &reel_unary_silu, {0}, NULL, 0},
    {"gelu", &reel_unary_gelu, {0}, exact_gelu, 12},
    {"gelu_tanh", &reel_unary_gelu_tanh, {0}, NULL, 0},
    {"relu", &reel_unary_relu, {0}, NULL, 0},
    {"leaky_relu", &reel_unary_leaky_relu, {(reel_real)0.2}, NULL, 0},
    {"elu", &reel_unary_elu, {1}, NULL, 0},
    {"clamp", &reel_unary_clamp, {-1, 1}, NULL, 0},
    {"rsub_scalar", &reel_unary_rsub_scalar, {3}, NULL, 0},
    {"mul_scalar", &reel_unary_mul_scalar, {3}, NULL, 0},
    {"div_scalar", &reel_unary_div_scalar, {3}, NULL, 0},
    {"rdiv_scalar", &reel_unary_rdiv_scalar, {3}, NULL, 0},
    {"pow_scalar", &reel_unary_pow_scalar, {(reel_real)1.7}, NULL, 0},
    {"maximum_scalar", &reel_unary_maximum_scalar, {(reel_real)0.5}, NULL, 0},
    {"minimum_scalar", &reel_unary_minimum_scalar, {(reel_real)0.5}, NULL, 0},
};
enum { FUNCTIONS = sizeof functions / sizeof *functions };

static bool same_bits(reel_real a, reel_real b)
{
    return memcmp(&a, &b, sizeof a) == 0 || (isnan(a) && isnan(b));
}

/* Numbers of all sizes, special ones among them. */
static void fill(reel_real *x, int64_t n)
{
    static const reel_real special[] = {0,
                                        (reel_real)-0.0,
                                        1,
                                        -1,
                                        INFINITY,
                                        -INFINITY,
                                        NAN,
                                        REEL_EPSILON,
                                        -100,
                                        100,
                                        REEL_REAL_MAX,
                                        -REEL_REAL_MAX,
                                        (reel_real)1e-30,
                                        (reel_real)1e9,
                                        (reel_real)0.5,
                                        20};
    unsigned state = 1;
    for (int64_t i = 0; i < n; i++) {
        state = state * 1664525U + 1013904223U;
        x[i] = (reel_real)((double)(state >> 8) / (1 << 24) * 8 - 4);
        if (i % 5 == 3)
            x[i] = special[i / 5 % (int64_t)(sizeof special / sizeof *special)];
    }
}

static void backward(const struct reel_unary *kernel, int64_t n, const reel_real *g, const reel_real *x,
                     const reel_real *y, const reel_real *p, reel_real *to, bool add, int threads)
{
    const struct reel_unary_gradient of = {kernel, n, g, x, y, p};
    reel_kern_unary_backward(&of, add, to, threads);
}

Test(functions, value_does_not_depend_on_position)
{
    enum { N = 200 };
    reel_real x[N], g[N], y[N], to[N], alone, alone_to;
    fill(x, N);
    fill(g, N);
    for (int k = 0; k < FUNCTIONS; k++) {
        const struct function *f = &functions[k];
        for (int64_t first = 0; first < 20; first++) {
            int64_t n = N - 3 * first;
            reel_kern_unary_forward(f->kernel, n - first, x + first, f->p, y, 1);
            backward(f->kernel, n - first, g + first, x + first, y, f->p, to, false, 1);
            for (int64_t i = 0; i < n - first; i++) {
                reel_kern_unary_forward(f->kernel, 1, x + first + i, f->p, &alone, 1);
                backward(f->kernel, 1, g + first + i, x + first + i, &alone, f->p, &alone_to, false, 1);
                cr_assert(same_bits(alone, y[i]), "%s(%a) is %a alone and %a in its place", f->name,
                          (double)x[first + i], (double)alone, (double)y[i]);
                cr_assert(same_bits(alone_to, to[i]), "the rule of %s at %a gives %a alone and %a in its place",
                          f->name, (double)x[first + i], (double)alone_to, (double)to[i]);
            }
        }
    }
}

Test(functions, bits_do_not_depend_on_threads)
{
    enum { N = 3 * REEL_BLOCK + 77 };
    reel_real *x = malloc(N * sizeof *x), *one = malloc(N * sizeof *x), *three = malloc(N * sizeof *x);
    cr_assert(x && one && three);
    fill(x, N);
    for (int k = 0; k < FUNCTIONS; k++) {
        const struct function *f = &functions[k];
        reel_kern_unary_forward(f->kernel, N, x, f->p, one, 1);
        reel_kern_unary_forward(f->kernel, N, x, f->p, three, 3);
        for (int64_t i = 0; i < N; i++)
            cr_assert(same_bits(one[i], three[i]), "%s", f->name);
        backward(f->kernel, N, x, x, x, f->p, one, false, 1);
        backward(f->kernel, N, x, x, x, f->p, three, false, 3);
        for (int64_t i = 0; i < N; i++)
            cr_assert(same_bits(one[i], three[i]), "the rule of %s", f->name);
    }
    free(x);
    free(one);
    free(three);
}

Test(functions, rule_adds_or_overwrites)
{
    enum { N = 45 };
    reel_real x[N], g[N], y[N], written[N], added[N];
    fill(g, N);
    for (int i = 0; i < N; i++) {
        x[i] = (reel_real)(0.1 + i / 20.0);
        g[i] = isfinite(g[i]) && REEL_ABS(g[i]) < 1000 ? g[i] : 1;
    }
    for (int k = 0; k < FUNCTIONS; k++) {
        const struct function *f = &functions[k];
        reel_kern_unary_forward(f->kernel, N, x, f->p, y, 1);
        for (int i = 0; i < N; i++) {
            written[i] = NAN;
            added[i] = (reel_real)i;
        }
        backward(f->kernel, N, g, x, y, f->p, written, false, 1);
        backward(f->kernel, N, g, x, y, f->p, added, true, 1);
        for (int i = 0; i < N; i++)
            cr_assert(added[i] == (reel_real)i + written[i], "%s adds %a where it writes %a", f->name,
                      (double)(added[i] - (reel_real)i), (double)written[i]);
    }
}

Test(functions, nan_propagates)
{
    const reel_real nan = NAN;
    for (int k = 0; k < FUNCTIONS; k++) {
        reel_real y = 0;
        reel_kern_unary_forward(functions[k].kernel, 1, &nan, functions[k].p, &y, 1);
        cr_assert(isnan(y), "%s(NaN) is %a", functions[k].name, (double)y);
    }
}

Test(functions, infinities)
{
    const reel_real up = INFINITY, down = -INFINITY;
    static const struct {
        const struct reel_unary *kernel;
        double at_plus, at_minus;
    } limits[] = {
        {&reel_unary_exp, INFINITY, 0},
        {&reel_unary_expm1, INFINITY, -1},
        {&reel_unary_log, INFINITY, NAN},
        {&reel_unary_log1p, INFINITY, NAN},
        {&reel_unary_sqrt, INFINITY, NAN},
        {&reel_unary_rsqrt, 0, NAN},
        {&reel_unary_sin, NAN, NAN},
        {&reel_unary_cos, NAN, NAN},
        {&reel_unary_tanh, 1, -1},
        {&reel_unary_erf, 1, -1},
        {&reel_unary_ndtr, 1, 0},
        {&reel_unary_sigmoid, 1, 0},
        {&reel_unary_logsigmoid, 0, -INFINITY},
        {&reel_unary_relu, INFINITY, 0},
        {&reel_unary_square, INFINITY, INFINITY},
        {&reel_unary_reciprocal, 0, 0},
    };
    for (size_t k = 0; k < sizeof limits / sizeof *limits; k++) {
        reel_real plus, minus;
        const reel_real none[2] = {0, 0};
        reel_kern_unary_forward(limits[k].kernel, 1, &up, none, &plus, 1);
        reel_kern_unary_forward(limits[k].kernel, 1, &down, none, &minus, 1);
        cr_expect(isnan(limits[k].at_plus) ? isnan(plus) : (double)plus == limits[k].at_plus, "row %zu: %a", k,
                  (double)plus);
        cr_expect(isnan(limits[k].at_minus) ? isnan(minus) : (double)minus == limits[k].at_minus, "row %zu: %a", k,
                  (double)minus);
    }
}

/* The tails are small numbers, not 1 less something: -10 of PyTorch's gelu is 0 in float. */
Test(functions, tails_keep_their_digits)
{
    static const struct {
        const struct reel_unary *kernel;
        double x, value, slope; /* mpmath, 20 digits */
    } tails[] = {
        {&reel_unary_ndtr, -3, 0.0013498980316300945, 0.0044318484119380072},
        {&reel_unary_ndtr, -6, 9.8658764503769814e-10, 6.0758828498232855e-9},
        {&reel_unary_ndtr, -12, 1.776482112077679e-33, 2.1463837356630603e-32},
        {&reel_unary_gelu, -3, -0.0040496940948902836, -0.011945647204183927},
        {&reel_unary_gelu, -6, -5.9195258702261888e-9, -3.5468709453902015e-8},
        {&reel_unary_gelu, -12, -2.1317785344932148e-32, -2.5578956616748956e-31},
        {&reel_unary_gelu_tanh, -3, -0.0036373920817730188, -0.011584166630969726},
        {&reel_unary_gelu_tanh, -6, -8.4396467007622971e-11, -7.7099739309536955e-10},
        {&reel_unary_gelu_tanh, -9, -1.3364595947348725e-28, -2.5157352850674252e-27},
    };
    const reel_real none[2] = {0, 0}, one = 1;
    double close = sizeof(reel_real) == sizeof(float) ? 1e-5 : 1e-12;
    for (size_t k = 0; k < sizeof tails / sizeof *tails; k++) {
        reel_real x = (reel_real)tails[k].x, y, slope;
        reel_kern_unary_forward(tails[k].kernel, 1, &x, none, &y, 1);
        backward(tails[k].kernel, 1, &one, &x, &y, none, &slope, false, 1);
        cr_expect(fabs((double)y / tails[k].value - 1) <= close, "row %zu: %.9g, not %.9g", k, (double)y,
                  tails[k].value);
        cr_expect(fabs((double)slope / tails[k].slope - 1) <= close, "row %zu: slope %.9g, not %.9g", k, (double)slope,
                  tails[k].slope);
    }
}

#ifndef REEL_F64
/* One float in 5003 of all there are, against the C library in double. */
Test(functions, float_errors_are_small)
{
    enum { N = 4096, STEP = 5003 };
    static float x[N], y[N];
    for (int k = 0; k < FUNCTIONS; k++) {
        const struct function *f = &functions[k];
        uint64_t bits = 0;
        while (f->exact && bits < UINT64_C(1) << 32) {
            int n = 0;
            for (; n < N && bits < UINT64_C(1) << 32; n++, bits += STEP) {
                uint32_t pattern = (uint32_t)bits;
                memcpy(&x[n], &pattern, sizeof pattern);
            }
            reel_kern_unary_forward(f->kernel, n, x, f->p, y, 1);
            for (int i = 0; i < n; i++) {
                double exact = f->exact((double)x[i]);
                int exponent;
                frexp(exact, &exponent);
                double ulp = ldexp(1, (exponent < -125 ? -125 : exponent) - 24);
                bool good = isnan(exact)                    ? isnan(y[i])
                            : isinf((float)exact)           ? y[i] == (float)exact
                            : fabs(exact) < (double)FLT_MIN ? fabs((double)y[i] - exact) <= (double)FLT_MIN
                                                            : fabs((double)y[i] - exact) <= f->ulp * ulp;
                cr_assert(good, "%s(%a) is %a, exactly %a", f->name, (double)x[i], (double)y[i], exact);
            }
        }
    }
}

Test(functions, small_arguments_keep_their_digits)
{
    for (float x = 1e-7F; x > 1e-44F; x /= 3) {
        cr_assert(reel_math_tanh(x) == x && reel_math_tanh(-x) == -x, "tanh(%a)", (double)x);
        cr_assert(reel_math_log1p(x) == x || x > 1e-8F, "log1p(%a)", (double)x);
        cr_assert(reel_math_expm1(x) == x || x > 1e-8F, "expm1(%a)", (double)x);
    }
}
#endif
