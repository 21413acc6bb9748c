/* Normal numbers by counter: the formula, that they depend on key and position alone, and their distribution. */
#include "kern/normal.h"
#include "kern/real.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static const struct reel_philox_key keys[] = {{0, 0}, {1, 0}, {0, 1}, {0x123456789abcdef0, 3}};
enum { KEYS = sizeof keys / sizeof *keys, LANES = REEL_PHILOX_LANES, GROUP = REEL_PHILOX_GROUP };

/* Lane k of a group has its radius from word 0 and its angle from word 1, and again from words 2 and 3. */
Test(normal, is_box_muller)
{
    enum { N = 400 * GROUP };
    static reel_real x[N];
    for (int k = 0; k < KEYS; k++) {
        reel_kern_normal(N, 0, 1, keys[k], x, 1);
        for (int i = 0; i < N; i += GROUP) {
            uint32_t draws[GROUP];
            reel_kern_philox((uint64_t)i / 4, keys[k], draws);
            for (int j = 0; j < GROUP; j++) {
                int word = j / LANES / 2 * 2, lane = j % LANES;
                uint32_t radius_draw = draws[word * LANES + lane], angle_draw = draws[(word + 1) * LANES + lane];
                reel_real uniform = ((reel_real)(int32_t)(radius_draw / 2) + (reel_real)0.5) / (reel_real)2147483648.0;
                double radius = sqrt(-2 * log((double)uniform)), angle = (double)angle_draw * ldexp(acos(-1), -31);
                double exact = radius * (j / LANES % 2 ? sin(angle) : cos(angle));
                cr_assert(fabs((double)x[i + j] - exact) <= 4 * (double)REEL_EPSILON * radius,
                          "key %d, element %d is %a, exactly %a", k, i + j, (double)x[i + j], exact);
            }
        }
    }
}

Test(normal, depends_on_the_position_only)
{
    enum { N = 20000 };
    static reel_real whole[N], part[N];
    reel_kern_normal(N, 3, 0.5, keys[3], whole, 1);
    for (int64_t n = 0; n < N; n += n < 300 ? 1 : 1237) {
        part[n] = 7;
        reel_kern_normal(n, 3, 0.5, keys[3], part, 1);
        cr_assert(memcmp(whole, part, (size_t)n * sizeof *part) == 0 && part[n] == 7, "%d elements", (int)n);
    }
}

Test(normal, threads_change_nothing)
{
    enum { N = 300001 };
    reel_real *one = malloc(N * sizeof *one), *more = malloc(N * sizeof *more);
    reel_kern_normal(N, -1, 2, keys[1], one, 1);
    for (int threads = 2; threads <= 4; threads++) {
        memset(more, 0, N * sizeof *more);
        reel_kern_normal(N, -1, 2, keys[1], more, threads);
        cr_assert(memcmp(one, more, N * sizeof *one) == 0, "%d threads", threads);
    }
    free(one), free(more);
}

Test(normal, mean_and_std)
{
    enum { N = 1000 };
    reel_real x[N], y[N];
    reel_kern_normal(N, 0, 1, keys[2], x, 1);
    reel_kern_normal(N, -7, 0.25, keys[2], y, 1);
    for (int i = 0; i < N; i++)
        cr_assert(y[i] == -7 + x[i] / 4);
    reel_kern_normal(N, 5, 0, keys[2], y, 1);
    for (int i = 0; i < N; i++)
        cr_assert(y[i] == 5);
}

/* ---- The distribution ---- */

enum { MANY = 1 << 20 };

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* What is furthest from N(0, 1), in units of what a right sample exceeds less than once in a million times (five
 * standard deviations of the moments and of the tails' counts; 2.7 of Kolmogorov and Smirnov). */
static double misfit(const double *x)
{
    double n = MANY, sums[5] = {0}, beyond[2] = {0}, distance = 0, worst = 0;
    double *sorted = malloc(MANY * sizeof *sorted);
    for (int i = 0; i < MANY; i++) {
        double power = 1;
        for (int k = 0; k < 5; k++, power *= x[i])
            sums[k] += power;
        beyond[0] += x[i] < -4;
        beyond[1] += x[i] > 4;
        sorted[i] = x[i];
    }
    qsort(sorted, MANY, sizeof *sorted, ascending);
    for (int i = 0; i < MANY; i++) {
        double below = erfc(-sorted[i] / sqrt(2)) / 2;
        distance = fmax(distance, fmax(below - i / n, (i + 1) / n - below));
    }
    free(sorted);
    /* The moments 1 to 4 of N(0, 1), and the variances of x, x^2, x^3 and x^4. */
    static const double moments[] = {0, 1, 0, 3}, variances[] = {1, 2, 15, 96};
    for (int k = 0; k < 4; k++)
        worst = fmax(worst, fabs(sums[k + 1] / n - moments[k]) / (5 * sqrt(variances[k] / n)));
    double expected = n * erfc(4 / sqrt(2)) / 2;
    for (int k = 0; k < 2; k++)
        worst = fmax(worst, fabs(beyond[k] - expected) / (5 * sqrt(expected)));
    return fmax(worst, distance * sqrt(n) / 2.7);
}

/* The correlation of x[i]^power and y[i + lag]^power, in units of 5 standard deviations. */
static double correlation(const double *x, const double *y, int lag, int power)
{
    double sum = 0, variance = power == 1 ? 1 : 2;
    for (int i = 0; i < MANY - lag; i++)
        sum += power == 1 ? x[i] * y[i + lag] : (x[i] * x[i] - 1) * (y[i + lag] * y[i + lag] - 1);
    return fabs(sum) / (5 * variance * sqrt(MANY));
}

static double *draw(struct reel_philox_key key)
{
    reel_real *x = malloc(MANY * sizeof *x);
    double *y = malloc(MANY * sizeof *y);
    reel_kern_normal(MANY, 0, 1, key, x, 2);
    for (int i = 0; i < MANY; i++)
        y[i] = (double)x[i];
    free(x);
    return y;
}

Test(normal, moments_and_distribution)
{
    for (int k = 0; k < KEYS; k++) {
        double *x = draw(keys[k]);
        cr_expect_lt(misfit(x), 1, "key %d: %g", k, misfit(x));
        free(x);
    }
}

Test(normal, elements_do_not_know_each_other)
{
    static const int lags[] = {1, 2, LANES, 2 * LANES, 3 * LANES, GROUP, 16384};
    double *x = draw(keys[0]);
    for (size_t i = 0; i < sizeof lags / sizeof *lags; i++)
        for (int power = 1; power <= 2; power++)
            cr_expect_lt(correlation(x, x, lags[i], power), 1, "lag %d, power %d", lags[i], power);
    for (int k = 1; k < KEYS; k++) {
        double *y = draw(keys[k]);
        for (int power = 1; power <= 2; power++)
            cr_expect_lt(correlation(x, y, 0, power), 1, "keys 0 and %d, power %d", k, power);
        free(y);
    }
    free(x);
}

/* What the two tests above are worth: numbers that are nearly normal, or nearly independent, do not pass. */
Test(normal, wrong_numbers_are_found)
{
    double *x = draw(keys[0]), *y = draw(keys[1]), *wrong = malloc(MANY * sizeof *wrong);
    for (int i = 0; i < MANY; i++)
        wrong[i] = 1.01 * x[i];
    cr_expect_gt(misfit(wrong), 1, "too wide by a hundredth");
    for (int i = 0; i < MANY; i++)
        wrong[i] = x[i] + 0.01;
    cr_expect_gt(misfit(wrong), 1, "off the middle by a hundredth");
    for (int i = 0; i < MANY; i++)
        wrong[i] = fmin(fmax(x[i], -3.9), 3.9);
    cr_expect_gt(misfit(wrong), 1, "no tails");
    for (int i = 0; i < MANY; i++) {
        double sum = -6;
        for (int j = 0; j < 12; j++)
            sum += erfc(-(j % 2 ? x : y)[(i + 4099 * j) % MANY] / sqrt(2)) / 2;
        wrong[i] = sum;
    }
    cr_expect_gt(misfit(wrong), 1, "a sum of 12 uniform numbers");
    for (int i = 0; i < MANY; i++)
        wrong[i] = i % 100 ? x[i] : fabs(x[i]);
    cr_expect_gt(misfit(wrong), 1, "a hundredth has lost its sign");
    for (int i = 0; i < MANY; i++)
        wrong[i] = i % GROUP < LANES ? x[i] : x[i] * 0.99 + x[i - LANES] * sqrt(1 - 0.99 * 0.99);
    cr_expect_gt(correlation(wrong, wrong, LANES, 1), 1, "lanes with something in common");
    free(x), free(y), free(wrong);
}
