/* Broadcasting kernels against loops that compute every index. */
#include "kern/broadcast.h"
#include "kern/compare.h"
#include "kern/elementwise.h"
#include "kern/parallel.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static unsigned state = 7;

static unsigned draw(unsigned n)
{
    state = state * 1664525U + 1013904223U;
    return (state >> 8) % n;
}

static int64_t numel(const reel_shape *shape)
{
    int64_t n = 1;
    for (int i = 0; i < shape->ndim; i++)
        n *= shape->dim[i];
    return n;
}

/* Where the operand's element lies that belongs to element `flat` of the result. */
static int64_t operand_index(const reel_shape *result, const reel_shape *operand, int64_t flat)
{
    int64_t index = 0, stride = 1;
    for (int i = 1; i <= result->ndim; i++) {
        int64_t at = flat % result->dim[result->ndim - i];
        flat /= result->dim[result->ndim - i];
        if (i > operand->ndim)
            continue;
        int64_t size = operand->dim[operand->ndim - i];
        index += size == 1 ? 0 : at * stride;
        stride *= size;
    }
    return index;
}

static reel_shape operand_of(const reel_shape *result)
{
    reel_shape operand = {0, {0}};
    int dropped = draw(3) == 0 ? (int)draw((unsigned)result->ndim + 1) : 0;
    for (int i = dropped; i < result->ndim; i++)
        operand.dim[operand.ndim++] = draw(3) == 0 ? 1 : result->dim[i];
    return operand;
}

static reel_real *reals(int64_t n)
{
    reel_real *x = malloc(((size_t)n + 1) * sizeof *x);
    cr_assert(x);
    for (int64_t i = 0; i < n; i++)
        x[i] = (reel_real)draw(1000) / 64;
    return x;
}

static void check(const reel_shape *result, const reel_shape *a, const reel_shape *b, const reel_shape *c)
{
    int64_t n = numel(result);
    reel_real *x = reals(numel(a)), *y = reals(numel(b)), *g = reals(n), *out = reals(n), *to = reals(n);
    unsigned char *condition = malloc((size_t)numel(c) + 1), *less = malloc((size_t)n + 1);
    cr_assert(condition && less);
    for (int64_t i = 0; i < numel(c); i++)
        condition[i] = (unsigned char)draw(2);
    struct reel_broadcast two, three, one;
    reel_broadcast_plan(&two, result, 2, (const reel_shape *const[]){a, b});
    reel_broadcast_plan(&three, result, 3, (const reel_shape *const[]){c, a, b});
    reel_broadcast_plan(&one, result, 1, (const reel_shape *const[]){c});
    for (int threads = 1; threads <= 3; threads += 2) {
        reel_kern_sub(&two, x, y, out, threads);
        for (int64_t i = 0; i < n; i++)
            cr_assert(out[i] == x[operand_index(result, a, i)] - y[operand_index(result, b, i)], "sub");
        reel_kern_compare(REEL_COMPARE_LT, REEL_REAL, &two, x, y, less, threads);
        for (int64_t i = 0; i < n; i++)
            cr_assert(less[i] == (x[operand_index(result, a, i)] < y[operand_index(result, b, i)]), "less");
        reel_kern_mul_second(&two, g, x, y, to, false, threads);
        reel_kern_mul_first(&two, g, x, y, to, true, threads);
        for (int64_t i = 0; i < n; i++)
            cr_assert(to[i] == g[i] * x[operand_index(result, a, i)] + g[i] * y[operand_index(result, b, i)], "rule");
        reel_kern_where(REEL_REAL, &three, condition, x, y, out, threads);
        for (int64_t i = 0; i < n; i++)
            cr_assert(out[i] == (condition[operand_index(result, c, i)] ? x[operand_index(result, a, i)]
                                                                        : y[operand_index(result, b, i)]),
                      "where");
        reel_kern_where_rule(&one, condition, false, g, to, false, threads);
        reel_kern_where_rule(&one, condition, true, g, to, true, threads);
        for (int64_t i = 0; i < n; i++)
            cr_assert(to[i] == g[i], "the two parts of where's gradient");
    }
    free(x);
    free(y);
    free(g);
    free(out);
    free(to);
    free(condition);
    free(less);
}

/* The shape that three operands broadcast to; axes that all of them lack or have as 1 become 1. */
static void check_operands_of(const reel_shape *shape)
{
    reel_shape operands[3], result = *shape;
    for (int k = 0; k < 3; k++)
        operands[k] = operand_of(shape);
    operands[draw(2)] = *shape;
    check(&result, &operands[0], &operands[1], &operands[2]);
}

Test(broadcast, random_shapes)
{
    for (int round = 0; round < 1500; round++) {
        reel_shape shape = {.ndim = (int)draw(REEL_MAX_NDIM + 1)};
        for (int i = 0; i < shape.ndim; i++)
            shape.dim[i] = draw(20) == 0 ? 0 : 1 + draw(shape.ndim > 5 ? 3 : 5);
        check_operands_of(&shape);
    }
}

Test(broadcast, several_blocks)
{
    static const reel_shape shapes[] = {
        {1, {3 * REEL_BLOCK + 5}}, {2, {3, REEL_BLOCK + 1}},    {2, {2 * REEL_BLOCK + 3, 2}},
        {3, {7, 50, 130}},         {3, {3, 2, REEL_BLOCK + 9}}, {2, {129, 257}},
        {3, {300, 3, 41}},         {1, {REEL_BLOCK}},
    };
    for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++)
        for (int round = 0; round < 6; round++)
            check_operands_of(&shapes[k]);
}

Test(broadcast, axes_are_merged)
{
    const reel_shape full = {4, {2, 3, 4, 5}}, row = {2, {4, 5}}, column = {4, {2, 3, 1, 1}};
    struct reel_broadcast plan;
    reel_broadcast_plan(&plan, &full, 2, (const reel_shape *const[]){&full, &full});
    cr_expect(plan.rows == 1 && plan.columns == 120);
    reel_broadcast_plan(&plan, &full, 2, (const reel_shape *const[]){&full, &row});
    cr_expect(plan.rows == 6 && plan.columns == 20);
    reel_broadcast_plan(&plan, &full, 2, (const reel_shape *const[]){&column, &full});
    cr_expect(plan.rows == 6 && plan.columns == 20 && !plan.moves[0] && plan.moves[1]);
}

Test(compare, nan_and_infinity)
{
    const reel_real a[] = {NAN, NAN, INFINITY, -INFINITY, 0}, b[] = {NAN, 1, INFINITY, 0, (reel_real)-0.0};
    static const unsigned char expected[4][5] = {
        [REEL_COMPARE_EQ] = {0, 0, 1, 0, 1},
        [REEL_COMPARE_NE] = {1, 1, 0, 1, 0},
        [REEL_COMPARE_LT] = {0, 0, 0, 1, 0},
        [REEL_COMPARE_LE] = {0, 0, 1, 1, 1},
    };
    const reel_shape five = {1, {5}};
    struct reel_broadcast plan;
    reel_broadcast_plan(&plan, &five, 2, (const reel_shape *const[]){&five, &five});
    for (int k = 0; k < 4; k++) {
        unsigned char out[5];
        reel_kern_compare((enum reel_comparison)k, REEL_REAL, &plan, a, b, out, 1);
        cr_expect(memcmp(out, expected[k], sizeof out) == 0, "comparison %d", k);
    }
}

Test(compare, integers_of_every_type)
{
    const int64_t wide[] = {-3, 0, INT64_C(1) << 40};
    const int32_t narrow[] = {-3, 0, 7};
    const unsigned char flags[] = {0, 1, 1};
    unsigned char out[3];
    reel_kern_compare_integers(REEL_COMPARE_LT, REEL_INT64, 3, wide, 0.5, false, out);
    cr_expect(memcmp(out, "\1\1\0", 3) == 0);
    reel_kern_compare_integers(REEL_COMPARE_LT, REEL_INT32, 3, narrow, 0.5, true, out);
    cr_expect(memcmp(out, "\0\0\1", 3) == 0);
    reel_kern_compare_integers(REEL_COMPARE_NE, REEL_BOOL, 3, flags, 1, false, out);
    cr_expect(memcmp(out, "\1\0\0", 3) == 0);
}

Test(compare, to_int64)
{
    const reel_real x[] = {(reel_real)-1.9, (reel_real)2.9, 0, NAN};
    int64_t out[4];
    cr_expect(reel_kern_to_int64(REEL_REAL, 3, x, out) == -1);
    cr_expect(out[0] == -1 && out[1] == 2 && out[2] == 0);
    cr_expect(reel_kern_to_int64(REEL_REAL, 4, x, out) == 3);
    const reel_real large[] = {(reel_real)9223372036854775808.0, (reel_real)-9223372036854775808.0};
    cr_expect(reel_kern_to_int64(REEL_REAL, 1, large, out) == 0);
    cr_expect(reel_kern_to_int64(REEL_REAL, 1, large + 1, out) == -1 && out[0] == INT64_MIN);
}
