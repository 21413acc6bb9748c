/* The reducing and spreading kernels against plain loops in long double, on random shapes and sets of axes. */
#include "kern/reduce.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static uint64_t state = 1;

static int64_t below(int64_t n)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (int64_t)(state >> 33) % n;
}

static reel_real *filled(int64_t n)
{
    reel_real *x = malloc((size_t)(n + 1) * sizeof *x);
    for (int64_t i = 0; i < n; i++)
        x[i] = (reel_real)(below(2000) - 1000) / 512;
    return x;
}

/* Mostly small axes, some long, some of size 1. */
static reel_shape random_shape(void)
{
    reel_shape shape = {.ndim = (int)below(REEL_MAX_NDIM + 1)};
    int64_t numel = 1;
    for (int i = 0; i < shape.ndim; i++) {
        int64_t size = below(4) == 0 ? 1 : 1 + below(below(6) == 0 ? 300 : 4);
        shape.dim[i] = numel * size > 100000 ? 1 : size;
        numel *= shape.dim[i];
    }
    return shape;
}

/* Which result the i-th element belongs to. */
static int64_t result_of(const reel_shape *shape, unsigned reduced, int64_t i)
{
    int64_t result = 0, stride = 1;
    for (int d = shape->ndim - 1; d >= 0; d--) {
        if (!(reduced >> d & 1)) {
            result += i % shape->dim[d] * stride;
            stride *= shape->dim[d];
        }
        i /= shape->dim[d];
    }
    return result;
}

static int64_t results_of(const reel_shape *shape, unsigned reduced)
{
    int64_t results = 1;
    for (int d = 0; d < shape->ndim; d++)
        if (!(reduced >> d & 1))
            results *= shape->dim[d];
    return results;
}

static void check_shape(const reel_shape *shape, unsigned reduced)
{
    int64_t numel = reel_shape_numel(shape), results = results_of(shape, reduced), count = numel / results;
    reel_real *x = filled(numel), *center = filled(results), *before = filled(results);
    reel_real *sum = malloc((size_t)results * sizeof *sum), *added = malloc((size_t)results * sizeof *added),
              *largest = malloc((size_t)results * sizeof *largest), *deviations = malloc((size_t)results * sizeof *sum),
              *spread = filled(numel), *spread_before = malloc((size_t)numel * sizeof *spread);
    long double *want = calloc((size_t)results, sizeof *want), *magnitude = calloc((size_t)results, sizeof *want),
                *squares = calloc((size_t)results, sizeof *want);
    reel_real *want_largest = malloc((size_t)results * sizeof *want_largest);
    for (int64_t r = 0; r < results; r++)
        want_largest[r] = -INFINITY;
    for (int64_t i = 0; i < numel; i++) {
        int64_t r = result_of(shape, reduced, i);
        long double d = (long double)x[i] - (long double)center[r];
        want[r] += x[i];
        magnitude[r] += fabsl(x[i]);
        squares[r] += d * d;
        if (x[i] > want_largest[r])
            want_largest[r] = x[i];
    }
    memcpy(added, before, (size_t)results * sizeof *added);
    memcpy(spread_before, spread, (size_t)numel * sizeof *spread);

    const struct reel_kern_reduction plain = {.combine = REEL_KERN_SUM, .divisor = 1},
                                     adding = {.combine = REEL_KERN_SUM, .divisor = 4, .add = true},
                                     max = {.combine = REEL_KERN_MAX, .divisor = 1},
                                     centered = {.combine = REEL_KERN_SUM,
                                                 .map = reel_kern_map_squared_deviation,
                                                 .center = center,
                                                 .divisor = 1};
    reel_kern_reduce(shape, reduced, x, &plain, sum, 1);
    reel_kern_reduce(shape, reduced, x, &adding, added, 2);
    reel_kern_reduce(shape, reduced, x, &max, largest, 2);
    reel_kern_reduce(shape, reduced, x, &centered, deviations, 2);
    reel_kern_spread(shape, reduced, center, 2, spread, true, 2);

    double epsilon = sizeof(reel_real) == sizeof(float) ? 0x1p-23 : 0x1p-52;
    for (int64_t r = 0; r < results; r++) {
        cr_assert(fabsl(sum[r] - want[r]) <= 20 * epsilon * magnitude[r], "sum %d of %d terms: %.17g, not %.17Lg",
                  (int)r, (int)count, (double)sum[r], want[r]);
        cr_assert(added[r] == before[r] + sum[r] / 4);
        cr_assert(largest[r] == want_largest[r]);
        cr_assert(fabsl(deviations[r] - squares[r]) <= 40 * epsilon * squares[r]);
    }
    for (int64_t i = 0; i < numel; i++)
        cr_assert(spread[i] == spread_before[i] + center[result_of(shape, reduced, i)] / 2);
    free(x), free(center), free(before), free(sum), free(added), free(largest), free(deviations), free(spread);
    free(spread_before), free(want), free(magnitude), free(squares), free(want_largest);
}

Test(reduce, any_axes_of_any_shape)
{
    for (int i = 0; i < 4000; i++) {
        reel_shape shape = random_shape();
        check_shape(&shape, (unsigned)below(1 << shape.ndim));
    }
}

Test(reduce, every_set_of_axes_of_eight)
{
    const reel_shape shape = {8, {2, 3, 1, 2, 3, 2, 1, 5}};
    for (unsigned reduced = 0; reduced < 256; reduced++)
        check_shape(&shape, reduced);
}

static void check_many_ones(reel_shape shape, unsigned reduced)
{
    int64_t numel = reel_shape_numel(&shape), results = results_of(&shape, reduced);
    reel_real *x = malloc((size_t)numel * sizeof *x), *sums = malloc((size_t)results * sizeof *sums);
    long double exact = 0;
    for (int64_t i = 0; i < numel; i++)
        x[i] = 1 + (reel_real)(i % 7) / 16;
    for (int64_t i = 0; i < numel; i++)
        exact += result_of(&shape, reduced, i) == 0 ? x[i] : 0;
    const struct reel_kern_reduction sum = {.combine = REEL_KERN_SUM, .divisor = 1};
    reel_kern_reduce(&shape, reduced, x, &sum, sums, 2);
    double epsilon = sizeof(reel_real) == sizeof(float) ? 0x1p-23 : 0x1p-52;
    cr_assert(fabsl(sums[0] - exact) <= 2 * epsilon * exact, "%.9g, not %.9Lg", (double)sums[0], exact);
    free(x);
    free(sums);
}

Test(reduce, ten_million_terms_lose_no_digits)
{
    check_many_ones((reel_shape){1, {10000000}}, 1);
    check_many_ones((reel_shape){2, {10000000, 1}}, 1);
    check_many_ones((reel_shape){2, {3333333, 3}}, 1);
    check_many_ones((reel_shape){3, {3163, 2, 1581}}, 5);
}

Test(reduce, threads_do_not_change_bits)
{
    const reel_shape shapes[] = {{1, {300001}}, {2, {3001, 70}}, {2, {70, 3001}}, {3, {40, 33, 90}}, {2, {99999, 3}}};
    for (int s = 0; s < 5; s++)
        for (unsigned reduced = 0; reduced < 1u << shapes[s].ndim; reduced++) {
            int64_t results = results_of(&shapes[s], reduced);
            reel_real *x = filled(reel_shape_numel(&shapes[s]));
            reel_real *one = malloc((size_t)results * sizeof *one), *more = malloc((size_t)results * sizeof *more);
            const struct reel_kern_reduction sum = {.combine = REEL_KERN_SUM, .divisor = 3};
            reel_kern_reduce(&shapes[s], reduced, x, &sum, one, 1);
            for (int threads = 2; threads <= 4; threads++) {
                reel_kern_reduce(&shapes[s], reduced, x, &sum, more, threads);
                cr_assert(memcmp(one, more, (size_t)results * sizeof *one) == 0, "shape %d, axes %u, %d threads", s,
                          reduced, threads);
            }
            free(x), free(one), free(more);
        }
}

/* NaN anywhere wins; infinities are numbers. */
Test(reduce, extremes)
{
    enum { N = 5000 };
    reel_real *x = filled(N), result;
    const struct reel_kern_reduction max = {.combine = REEL_KERN_MAX, .divisor = 1},
                                     min = {.combine = REEL_KERN_MIN, .divisor = 1};
    const int64_t places[] = {0, 1, 15, 16, 63, 64, 2047, 2048, 4999};
    for (int i = 0; i < 9; i++)
        for (int64_t n = places[i] + 1; n <= N; n += 1 + n / 3) {
            const reel_shape row = {1, {n}}, column = {2, {n, 1}}, columns = {2, {1, n}};
            reel_real old = x[places[i]];
            x[places[i]] = NAN;
            reel_kern_reduce(&row, 1, x, &max, &result, 1);
            cr_assert(isnan(result));
            reel_kern_reduce(&column, 1, x, &min, &result, 1);
            cr_assert(isnan(result));
            x[places[i]] = INFINITY;
            reel_kern_reduce(&columns, 3, x, &max, &result, 1);
            cr_assert(result == INFINITY);
            x[places[i]] = -INFINITY;
            reel_kern_reduce(&row, 1, x, &min, &result, 1);
            cr_assert(result == -INFINITY);
            x[places[i]] = old;
        }
    free(x);
}

Test(reduce, the_first_largest_or_smallest_and_nan)
{
    const reel_real x[] = {1, 5, 5, 2, NAN, 3, NAN, 7, -INFINITY, -INFINITY, -INFINITY, -INFINITY};
    int64_t at[4];
    reel_kern_argmax(3, 4, 1, false, x, at, 1);
    cr_assert(at[0] == 1 && at[1] == 0 && at[2] == 0);
    reel_kern_argmax(3, 4, 1, true, x, at, 1);
    cr_assert(at[0] == 0 && at[1] == 0 && at[2] == 0);
    reel_kern_argmax(1, 3, 4, false, x, at, 1);
    cr_assert(at[0] == 1 && at[1] == 0 && at[2] == 1 && at[3] == 1);
    reel_kern_argmax(1, 3, 4, true, x, at, 1);
    cr_assert(at[0] == 1 && at[1] == 2 && at[2] == 1 && at[3] == 2);
}

Test(reduce, nothing)
{
    const reel_shape empty_columns = {2, {0, 3}}, no_results = {2, {3, 0}};
    reel_real out[3] = {7, 7, 7};
    const struct reel_kern_reduction sum = {.combine = REEL_KERN_SUM, .divisor = 1},
                                     adding = {.combine = REEL_KERN_SUM, .divisor = 1, .add = true},
                                     mean = {.combine = REEL_KERN_SUM, .divisor = 0};
    reel_kern_reduce(&empty_columns, 1, NULL, &adding, out, 1);
    cr_assert(out[0] == 7 && out[2] == 7);
    reel_kern_reduce(&empty_columns, 1, NULL, &sum, out, 1);
    cr_assert(out[0] == 0 && out[1] == 0 && out[2] == 0);
    reel_kern_reduce(&empty_columns, 1, NULL, &mean, out, 1);
    cr_assert(isnan(out[0]));
    out[0] = 7;
    reel_kern_reduce(&no_results, 1, NULL, &sum, out, 1);
    cr_assert(out[0] == 7);
}
