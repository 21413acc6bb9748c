/* Constants, borrowed arrays and random vars. */
#include "kern/random.h"

#include <reel/context.h>
#include <reel/create.h>
#include <reel/tape.h>
#include <reel/view.h>

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static reel_context *c;
static reel_tape *t;

/* Refuses what is too large by itself: a sanitizer's malloc would stop the program. */
static void *allocate(void *user, size_t size)
{
    (void)user;
    return size < (size_t)1 << 28 ? malloc(size) : NULL;
}

static void *allocate_zeroed(void *user, size_t size)
{
    (void)user;
    return size < (size_t)1 << 28 ? calloc(1, size) : NULL;
}

static void give_back(void *user, void *memory, size_t size)
{
    (void)user;
    (void)size;
    free(memory);
}

static void set_up(void)
{
    const reel_allocator allocator = {NULL, allocate, allocate_zeroed, give_back};
    reel_context_options options = reel_context_defaults();
    options.allocator = &allocator;
    c = reel_context_new(&options);
    t = reel_tape_new(c);
}

static void tear_down(void)
{
    cr_assert_eq(reel_context_status(c), REEL_OK, "%s", reel_error(c));
    reel_tape_free(t);
    reel_context_free(c);
}

TestSuite(create, .init = set_up, .fini = tear_down);

static void expect_reals(reel_var v, const reel_real *want, int64_t n)
{
    const reel_real *got = reel_data_real(t, v);
    cr_assert(got, "%s", reel_error(c));
    cr_assert_eq(reel_numel(t, v), n);
    for (int64_t i = 0; i < n; i++)
        cr_assert(got[i] == want[i], "element %lld is %a, not %a", (long long)i, (double)got[i], (double)want[i]);
}

static void expect_integers(reel_var v, const int64_t *want, int64_t n)
{
    const int64_t *got = reel_data_int64(t, v);
    cr_assert(got, "%s", reel_error(c));
    cr_assert_eq(reel_numel(t, v), n);
    for (int64_t i = 0; i < n; i++)
        cr_assert_eq(got[i], want[i], "element %lld is %lld, not %lld", (long long)i, (long long)got[i],
                     (long long)want[i]);
}

/* The null var, the status, and a clean slate. */
static void expect_refused(reel_var v, reel_status status)
{
    cr_assert(reel_is_null(v));
    cr_assert_eq(reel_context_status(c), status, "%s", reel_error(c));
    reel_clear_error(c);
}

Test(create, filled)
{
    const reel_real zeros[6] = {0}, ones[] = {1, 1, 1, 1, 1, 1}, halves[] = {0.5, 0.5};
    const int64_t sevens[] = {-7, -7, -7};
    expect_reals(reel_zeros(t, REEL_SHAPE(2, 3)), zeros, 6);
    expect_reals(reel_ones(t, REEL_SHAPE(3, 2)), ones, 6);
    expect_reals(reel_ones(t, REEL_SCALAR), ones, 1);
    expect_reals(reel_full(t, REEL_SHAPE(2), 0.5), halves, 2);
    expect_reals(reel_ones(t, REEL_SHAPE(3, 0)), NULL, 0);
    cr_assert(isnan(reel_item(t, reel_full(t, REEL_SCALAR, NAN))));
    expect_integers(reel_full_int64(t, REEL_SHAPE(3), -7), sevens, 3);
    cr_assert_eq(reel_item(t, reel_full_int64(t, REEL_SCALAR, INT64_MIN)), (double)INT64_MIN);
}

Test(create, like)
{
    const int32_t narrow[] = {4, 5};
    const unsigned char bools[] = {0, 1};
    reel_var reals = reel_rand(t, REEL_SHAPE(2, 2)), integers = reel_randint(t, 3, 9, REEL_SHAPE(3));
    reel_var int32s = reel_tensor_of(t, REEL_INT32, narrow, REEL_SHAPE(2));
    reel_var flags = reel_tensor_of(t, REEL_BOOL, bools, REEL_SHAPE(1, 2));
    const reel_real zeros[4] = {0}, ones[] = {1, 1, 1, 1};
    const int64_t wide_ones[] = {1, 1, 1};
    expect_reals(reel_zeros_like(t, reals), zeros, 4);
    expect_reals(reel_ones_like(t, reals), ones, 4);
    expect_integers(reel_ones_like(t, integers), wide_ones, 3);
    const int32_t *narrow_zeros = reel_data(t, reel_zeros_like(t, int32s));
    cr_assert(narrow_zeros[0] == 0 && narrow_zeros[1] == 0);
    reel_var trues = reel_ones_like(t, flags);
    const bool *values = reel_data(t, trues);
    cr_assert(values[0] && values[1]);
    cr_assert_eq(reel_dtype_of(t, trues), REEL_BOOL);
    cr_assert_eq(reel_shape_of(t, trues).ndim, 2);
}

Test(create, copies)
{
    reel_real data[] = {1, 2, 3, 4, 5, 6};
    reel_var v = reel_tensor(t, data, REEL_SHAPE(2, 3));
    const reel_real want[] = {1, 2, 3, 4, 5, 6};
    memset(data, 0, sizeof data);
    expect_reals(v, want, 6);

    const unsigned char bools[] = {0, 1, 2, 255};
    const bool *flags = reel_data(t, reel_tensor_of(t, REEL_BOOL, bools, REEL_SHAPE(4)));
    unsigned char bytes[4];
    memcpy(bytes, flags, 4);
    cr_assert(bytes[0] == 0 && bytes[1] == 1 && bytes[2] == 1 && bytes[3] == 1);

    const int64_t wide[] = {INT64_MIN, INT64_MAX};
    expect_integers(reel_tensor_of(t, REEL_INT64, wide, REEL_SHAPE(2)), wide, 2);
}

Test(create, borrows)
{
    static const reel_real data[] = {1, 2, 3, 4};
    cr_assert_eq(reel_data_real(t, reel_borrow(t, data, REEL_SHAPE(2, 2))), data);
    static const int32_t narrow[] = {1, 2};
    cr_assert_eq(reel_data(t, reel_borrow_of(t, REEL_INT32, narrow, REEL_SHAPE(2))), (const void *)narrow);
    const void *askew = (const char *)data + 1;
    expect_refused(reel_borrow_of(t, REEL_REAL, askew, REEL_SHAPE(1)), REEL_ERROR_ARGUMENT);
}

Test(create, null_stands_for_no_elements)
{
    expect_reals(reel_tensor(t, NULL, REEL_SHAPE(0, 3)), NULL, 0);
    reel_var empty = reel_borrow(t, NULL, REEL_SHAPE(0, 3));
    expect_reals(empty, NULL, 0);
    expect_reals(reel_reshape(t, empty, REEL_SHAPE(5, 0)), NULL, 0);
    cr_assert_eq(reel_numel(t, reel_borrow_of(t, REEL_BOOL, NULL, REEL_SHAPE(0))), 0);

    expect_refused(reel_tensor(t, NULL, REEL_SHAPE(1)), REEL_ERROR_ARGUMENT);
    expect_refused(reel_borrow(t, NULL, REEL_SCALAR), REEL_ERROR_ARGUMENT);
}

Test(create, ranges)
{
    const reel_real up[] = {0, 1, 2, 3, 4}, down[] = {1, (reel_real)0.75, 0.5}, odd[] = {-1, 1, 3};
    expect_reals(reel_arange(t, 0, 5, 1), up, 5);
    expect_reals(reel_arange(t, 1, 0.25, -0.25), down, 3);
    expect_reals(reel_arange(t, -1, 4.5, 2), odd, 3);
    expect_reals(reel_arange(t, 3, 3, 1), NULL, 0);
    expect_reals(reel_arange(t, 3, 3, -1), NULL, 0);
    const reel_real *tenths = reel_data_real(t, reel_arange(t, 0, 100, 0.1));
    for (int i = 0; i < 1000; i++)
        cr_assert(tenths[i] == (reel_real)(i * 0.1));

    const int64_t wide_up[] = {0, 3, 6, 9}, wide_down[] = {5, 3, 1}, far[] = {INT64_MIN, -1, INT64_MAX - 1};
    expect_integers(reel_arange_int64(t, 0, 10, 3), wide_up, 4);
    expect_integers(reel_arange_int64(t, 0, 12, 3), wide_up, 4);
    expect_integers(reel_arange_int64(t, 5, 0, -2), wide_down, 3);
    expect_integers(reel_arange_int64(t, INT64_MIN, INT64_MAX, INT64_MAX), far, 3);
    expect_integers(reel_arange_int64(t, INT64_MAX, INT64_MIN, INT64_MIN), (int64_t[]){INT64_MAX, -1}, 2);
    expect_integers(reel_arange_int64(t, 4, 4, 1), NULL, 0);

    expect_refused(reel_arange(t, 0, 1, 0), REEL_ERROR_ARGUMENT);
    expect_refused(reel_arange(t, 0, 0, 0), REEL_ERROR_ARGUMENT);
    expect_refused(reel_arange(t, 0, 1, -1), REEL_ERROR_ARGUMENT);
    expect_refused(reel_arange(t, 1, 0, 1), REEL_ERROR_ARGUMENT);
    expect_refused(reel_arange(t, 0, INFINITY, 1), REEL_ERROR_ARGUMENT);
    expect_refused(reel_arange(t, 0, 1, INFINITY), REEL_ERROR_ARGUMENT);
    expect_refused(reel_arange(t, NAN, 1, 1), REEL_ERROR_ARGUMENT);
    expect_refused(reel_arange(t, 0, 1e300, 1e-300), REEL_ERROR_OUT_OF_MEMORY);
    expect_refused(reel_arange_int64(t, 0, 1, 0), REEL_ERROR_ARGUMENT);
    expect_refused(reel_arange_int64(t, 0, 1, -1), REEL_ERROR_ARGUMENT);
    expect_refused(reel_arange_int64(t, 1, 0, 1), REEL_ERROR_ARGUMENT);
}

Test(create, draws_what_the_generator_gives)
{
    reel_manual_seed(c, 42);
    struct reel_generator g;
    reel_generator_seed(&g, 42);
    reel_real reals[60];
    int64_t integers[60];

    reel_var v = reel_rand(t, REEL_SHAPE(6, 10));
    reel_generator_uniform(&g, reals, 60, 0, 1);
    expect_reals(v, reals, 60);
    v = reel_randn(t, REEL_SHAPE(5, 3));
    reel_generator_normal(&g, reals, 15, 0, 1);
    expect_reals(v, reals, 15);
    v = reel_randint(t, -3, 8, REEL_SHAPE(60));
    reel_generator_integers(&g, integers, 60, -3, 8);
    expect_integers(v, integers, 60);
    v = reel_randperm(t, 60);
    reel_generator_permutation(&g, integers, 60);
    expect_integers(v, integers, 60);
    expect_reals(reel_rand(t, REEL_SHAPE(0)), NULL, 0);
    expect_integers(reel_randperm(t, 0), NULL, 0);
    v = reel_randn(t, REEL_SHAPE(60));
    reel_generator_normal(&g, reals, 60, 0, 1);
    expect_reals(v, reals, 60);
}

Test(create, numbers_of_pytorch)
{
#ifdef REEL_F64
    expect_reals(reel_rand(t, REEL_SHAPE(2)), (reel_real[]){0x1.f0aac97c4aa2fp-1, 0x1.6a675d821ccc0p-1}, 2);
#else
    expect_reals(reel_randn(t, REEL_SHAPE(3)), (reel_real[]){0x1.8a7eb8p+0f, -0x1.2c78a0p-2f, -0x1.16e292p+1f}, 3);
#endif
    reel_manual_seed(c, 0);
    expect_integers(reel_randint(t, 0, 10, REEL_SHAPE(2, 4)), (int64_t[]){4, 9, 3, 0, 3, 9, 7, 3}, 8);
    reel_manual_seed(c, 0);
    expect_integers(reel_randperm(t, 10), (int64_t[]){4, 1, 7, 5, 3, 9, 0, 8, 6, 2}, 10);
}

Test(create, shapes_that_are_none)
{
    expect_refused(reel_zeros(t, REEL_SHAPE(2, -1)), REEL_ERROR_SHAPE);
    expect_refused(reel_ones(t, reel_shape_make(9, NULL)), REEL_ERROR_SHAPE);
    expect_refused(reel_full_int64(t, REEL_SHAPE(INT64_MAX, 2), 1), REEL_ERROR_SHAPE);
    const reel_real one = 1;
    expect_refused(reel_tensor(t, &one, reel_shape_make(-1, NULL)), REEL_ERROR_SHAPE);
    expect_refused(reel_borrow(t, &one, REEL_SHAPE(-1)), REEL_ERROR_SHAPE);
    expect_refused(reel_zeros(t, REEL_SHAPE(INT64_MAX / 2)), REEL_ERROR_OUT_OF_MEMORY);
    expect_refused(reel_tensor_of(t, (reel_dtype)9, &one, REEL_SCALAR), REEL_ERROR_DTYPE);
    cr_assert(reel_is_null(reel_zeros(NULL, REEL_SCALAR)));
    cr_assert(reel_is_null(reel_randperm(NULL, 3)));
}

Test(create, a_failed_draw_leaves_the_generator)
{
    unsigned char before[REEL_RNG_STATE_SIZE], after[REEL_RNG_STATE_SIZE];
    reel_randn(t, REEL_SHAPE(3));
    cr_assert_eq(reel_get_rng_state(c, before), REEL_OK);
    const int64_t huge = INT64_MAX / 64;
    expect_refused(reel_rand(t, REEL_SHAPE(huge)), REEL_ERROR_OUT_OF_MEMORY);
    expect_refused(reel_randn(t, REEL_SHAPE(huge)), REEL_ERROR_OUT_OF_MEMORY);
    expect_refused(reel_randint(t, 0, 10, REEL_SHAPE(huge)), REEL_ERROR_OUT_OF_MEMORY);
    expect_refused(reel_randperm(t, huge), REEL_ERROR_OUT_OF_MEMORY);
    expect_refused(reel_randn(t, REEL_SHAPE(-2)), REEL_ERROR_SHAPE);
    expect_refused(reel_randint(t, 4, 4, REEL_SHAPE(2)), REEL_ERROR_ARGUMENT);
    expect_refused(reel_randperm(t, -1), REEL_ERROR_ARGUMENT);
    cr_assert_eq(reel_get_rng_state(c, after), REEL_OK);
    cr_assert_eq(memcmp(before, after, sizeof before), 0);
}

Test(create, nothing_happens_after_an_error)
{
    unsigned char before[REEL_RNG_STATE_SIZE], after[REEL_RNG_STATE_SIZE];
    reel_get_rng_state(c, before);
    reel_fail(c, REEL_ERROR_STATE, "the first");
    cr_assert(reel_is_null(reel_rand(t, REEL_SHAPE(3))));
    cr_assert(reel_is_null(reel_randint(t, 5, 1, REEL_SHAPE(3))));
    cr_assert(reel_is_null(reel_arange(t, 0, 1, 0)));
    cr_assert(reel_is_null(reel_tensor(t, NULL, REEL_SHAPE(3))));
    cr_assert_str_eq(reel_error(c), "the first");
    cr_assert_eq(reel_tape_reset(t), REEL_ERROR_STATE);
    reel_get_rng_state(c, after);
    cr_assert_eq(memcmp(before, after, sizeof before), 0);
}
