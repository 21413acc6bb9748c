/* How far the functions of one real are from the C library's in double, and what an element costs:
 *
 *     build/release/bench/accuracy [EVERY]     one float in EVERY, 101 if left out, 1 for all; the library in float
 *
 * An ulp is the distance of neighbouring floats at the exact value. Values below FLT_MIN are left out.
 * bench/accuracy.py prints the same for PyTorch. */
#include <reel/reel.h>

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { N = 1 << 16 };

static double exact_gelu(double x)
{
    return x * erfc(x * -0.70710678118654752) / 2;
}

static double exact_sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static reel_var gelu(reel_tape *t, reel_var x)
{
    return reel_gelu(t, x, false);
}

static const struct function {
    const char *name;
    reel_var (*reel)(reel_tape *t, reel_var x);
    double (*exact)(double x);
    float low, high;
} functions[] = {
    {"exp", reel_exp, exp, -87, 88},
    {"expm1", reel_expm1, expm1, -20, 88},
    {"log", reel_log, log, FLT_MIN, FLT_MAX},
    {"log1p", reel_log1p, log1p, -0.999F, 1e30F},
    {"tanh", reel_tanh, tanh, -10, 10},
    {"erf", reel_erf, erf, -5, 5},
    {"sin", reel_sin, sin, -1e4F, 1e4F},
    {"cos", reel_cos, cos, -1e4F, 1e4F},
    {"sigmoid", reel_sigmoid, exact_sigmoid, -87, 87},
    {"gelu", gelu, exact_gelu, -5, 10},
    {"gelu, tail", gelu, exact_gelu, -13, -5},
};

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static double ulps(const struct function *f, float x, float y)
{
    double exact = f->exact((double)x);
    int exponent;
    frexp(exact, &exponent);
    return fabs(exact) < (double)FLT_MIN ? 0 : fabs((double)y - exact) / ldexp(1, exponent - FLT_MANT_DIG);
}

/* The largest error over the floats of the range, by their bits. */
static double worst_of(reel_tape *t, const struct function *f, int64_t every, float *at)
{
    static float x[N];
    double worst = 0;
    for (int64_t bits = 0; bits < INT64_C(1) << 32;) {
        int n = 0;
        for (; n < N && bits < INT64_C(1) << 32; bits += every) {
            uint32_t pattern = (uint32_t)bits;
            memcpy(&x[n], &pattern, sizeof pattern);
            n += x[n] >= f->low && x[n] <= f->high;
        }
        const float *y = reel_data_real(t, f->reel(t, reel_borrow(t, x, REEL_SHAPE(n))));
        for (int i = 0; i < n; i++)
            if (ulps(f, x[i], y[i]) > worst)
                worst = ulps(f, *at = x[i], y[i]);
        reel_tape_reset(t);
    }
    return worst;
}

/* Nanoseconds an element, on one thread. */
static double cost_of(reel_tape *t, const struct function *f)
{
    static float x[N];
    double best = INFINITY, low = fmax((double)f->low, -5), high = fmin((double)f->high, 5);
    for (int i = 0; i < N; i++)
        x[i] = (float)(low + (high - low) * i / N);
    for (int i = 0; i < 200; i++) {
        double start = seconds();
        f->reel(t, reel_borrow(t, x, REEL_SHAPE(N)));
        best = fmin(best, seconds() - start);
        reel_tape_reset(t);
    }
    return best * 1e9 / N;
}

int main(int argc, char **argv)
{
    int64_t every = argc > 1 ? atoll(argv[1]) : 101;
    reel_context_options options = reel_context_defaults();
    options.num_threads = 1;
    reel_context *c = reel_context_new(&options);
    reel_tape *t = reel_tape_new(c);
    if (!t || every < 1)
        return 1;
    printf("%-12s %10s %16s %12s\n", "function", "worst ulp", "at", "ns an element");
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        float at = 0;
        double worst = worst_of(t, &functions[i], every, &at);
        printf("%-12s %10.2f %16.9g %12.2f\n", functions[i].name, worst, (double)at, cost_of(t, &functions[i]));
    }
    printf("%s\n", reel_error(c));
    reel_tape_free(t);
    reel_context_free(c);
    return 0;
}
