/* Comparisons of rows longer than the loops take at a time, with each way to broadcast, against scalar code. */
#include "support/fixture.h"

#include <reel/compare.h>
#include <reel/context.h>
#include <reel/create.h>
#include <reel/tape.h>

#include <criterion/criterion.h>

TestSuite(compare, .init = set_up, .fini = tear_down);

enum { ROWS = 3, COLUMNS = 600 };

/* Element [i, j] of something that is broadcast to [ROWS, COLUMNS]. */
static int64_t place(const reel_shape *shape, int64_t i, int64_t j)
{
    int64_t columns = shape->dim[1];
    return (shape->dim[0] == 1 ? 0 : i) * columns + (columns == 1 ? 0 : j);
}

static double element(const void *data, reel_dtype dtype, int64_t i)
{
    switch (dtype) {
    case REEL_REAL:
        return (double)((const reel_real *)data)[i];
    case REEL_INT64:
        return (double)((const int64_t *)data)[i];
    case REEL_INT32:
        return ((const int32_t *)data)[i];
    default:
        return ((const unsigned char *)data)[i];
    }
}

/* Few different numbers, so that many are equal. */
static reel_var numbers(reel_dtype dtype, reel_shape shape)
{
    reel_var wide = reel_randint(t, 0, dtype == REEL_BOOL ? 2 : 4, shape);
    if (dtype == REEL_REAL)
        return reel_to_real(t, wide);
    if (dtype == REEL_BOOL)
        return reel_gt_scalar(t, wide, 0);
    if (dtype == REEL_INT64)
        return wide;
    static int32_t narrow[ROWS * COLUMNS];
    for (int64_t i = 0; i < reel_numel(t, wide); i++)
        narrow[i] = (int32_t)reel_data_int64(t, wide)[i];
    return reel_tensor_of(t, REEL_INT32, narrow, shape);
}

#define EACH_COMPARISON(F) F(eq, ==) F(ne, !=) F(lt, <) F(le, <=) F(gt, >) F(ge, >=)

static void compare(reel_dtype dtype, reel_shape of_a, reel_shape of_b)
{
    reel_var a = numbers(dtype, of_a), b = numbers(dtype, of_b);
    const void *x = reel_data(t, a), *y = reel_data(t, b);
#define CHECK_ONE(name, operator)                                                                                      \
    {                                                                                                                  \
        const unsigned char *out = reel_data(t, reel_##name(t, a, b));                                                 \
        cr_assert(out, "%s", reel_error(c));                                                                           \
        for (int64_t i = 0; i < ROWS; i++)                                                                             \
            for (int64_t j = 0; j < COLUMNS; j++) {                                                                    \
                double left = element(x, dtype, place(&of_a, i, j)), right = element(y, dtype, place(&of_b, i, j));    \
                cr_assert_eq(out[i * COLUMNS + j], left operator right, "%s, dtype %d, [%lld, %lld]", #name,           \
                             (int)dtype, (long long)i, (long long)j);                                                  \
            }                                                                                                          \
    }
    EACH_COMPARISON(CHECK_ONE)
    reel_tape_reset(t);
}

Test(compare, rows_of_all_kinds)
{
    const reel_shape shapes[] = {REEL_SHAPE(ROWS, COLUMNS), REEL_SHAPE(1, COLUMNS), REEL_SHAPE(ROWS, 1),
                                 REEL_SHAPE(1, 1)};
    for (int dtype = REEL_REAL; dtype <= REEL_BOOL; dtype++)
        for (int i = 0; i < 4; i++) {
            compare((reel_dtype)dtype, shapes[0], shapes[i]);
            compare((reel_dtype)dtype, shapes[i], shapes[0]);
        }
    compare(REEL_REAL, shapes[1], shapes[2]);
    compare(REEL_REAL, shapes[2], shapes[1]);
}
