/* What the walk over the registry cannot see: values against plain loops, what is shared and what is copied, and
 * gradients that lie row-strided. */
#include <reel/context.h>
#include <reel/create.h>
#include <reel/elementwise.h>
#include <reel/join.h>
#include <reel/reduce.h>
#include <reel/tape.h>

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

static reel_context *c;
static reel_tape *t;

static void set_up(void)
{
    reel_context_options options = reel_context_defaults();
    options.num_threads = 2;
    c = reel_context_new(&options);
    t = reel_tape_new(c);
}

static void tear_down(void)
{
    cr_assert_eq(reel_context_status(c), REEL_OK, "%s", reel_error(c));
    reel_tape_free(t);
    reel_context_free(c);
}

TestSuite(join, .init = set_up, .fini = tear_down);

static void expect_shape(reel_var v, reel_shape want)
{
    reel_shape got = reel_shape_of(t, v);
    cr_assert(reel_shape_equal(&got, &want), "%s", reel_error(c));
}

static void expect_refused(reel_status status, const char *text)
{
    cr_assert_eq(reel_context_status(c), status, "%s", reel_error(c));
    if (text)
        cr_assert_str_eq(reel_error(c), text);
    reel_clear_error(c);
}

static const reel_dtype dtypes[] = {REEL_REAL, REEL_INT64, REEL_INT32, REEL_BOOL};
enum { DTYPES = 4 };

/* Values that differ, as far as the type can. */
static reel_var numbered(reel_dtype dtype, reel_shape shape)
{
    int64_t n = reel_shape_numel(&shape);
    reel_var wide = reel_randint(t, 0, 100000, shape);
    if (dtype == REEL_INT64)
        return wide;
    if (dtype == REEL_REAL)
        return reel_randn(t, shape);
    const int64_t *from = reel_data_int64(t, wide);
    int32_t *ints = (int32_t *)(uintptr_t)reel_data(t, reel_zeros(t, REEL_SHAPE(n + 1)));
    for (int64_t i = 0; i < n; i++)
        if (dtype == REEL_INT32)
            ints[i] = (int32_t)from[i];
        else
            ((unsigned char *)ints)[i] = (unsigned char)(from[i] & 1);
    return reel_tensor_of(t, dtype, ints, shape);
}

/* The element at an index, as bytes. */
static const char *element(reel_var v, const int64_t *index)
{
    reel_shape shape = reel_shape_of(t, v);
    int64_t flat = 0;
    for (int i = 0; i < shape.ndim; i++) {
        cr_assert(index[i] >= 0 && index[i] < shape.dim[i]);
        flat = flat * shape.dim[i] + index[i];
    }
    return (const char *)reel_data(t, v) + (size_t)flat * reel_dtype_size(reel_dtype_of(t, v));
}

static bool next(const reel_shape *shape, int64_t *index)
{
    for (int i = shape->ndim - 1; i >= 0; i--) {
        if (++index[i] < shape->dim[i])
            return true;
        index[i] = 0;
    }
    return false;
}

static void expect_same(reel_var a, const int64_t *at, reel_var b, const int64_t *from)
{
    cr_assert_eq(memcmp(element(a, at), element(b, from), reel_dtype_size(reel_dtype_of(t, a))), 0);
}

Test(join, cat_values)
{
    const int64_t sizes[] = {3, 0, 1, 5};
    for (int d = 0; d < DTYPES; d++)
        for (int axis = 0; axis < 3; axis++) {
            reel_var pieces[4];
            for (int k = 0; k < 4; k++) {
                reel_shape shape = REEL_SHAPE(4, 2, 3);
                shape.dim[axis] = sizes[k];
                pieces[k] = numbered(dtypes[d], shape);
            }
            reel_var all = reel_cat(t, pieces, 4, axis - 3);
            reel_shape shape = REEL_SHAPE(4, 2, 3);
            shape.dim[axis] = 9;
            expect_shape(all, shape);
            cr_assert_eq(reel_dtype_of(t, all), dtypes[d]);
            int64_t index[3] = {0};
            do {
                int64_t from[3] = {index[0], index[1], index[2]};
                int k = 0;
                while (from[axis] >= sizes[k])
                    from[axis] -= sizes[k++];
                expect_same(all, index, pieces[k], from);
            } while (next(&shape, index));
        }
}

Test(join, stack_values)
{
    for (int axis = 0; axis < 3; axis++) {
        reel_var rows[3];
        for (int k = 0; k < 3; k++)
            rows[k] = numbered(REEL_REAL, REEL_SHAPE(2, 4));
        reel_var all = reel_stack(t, rows, 3, axis - 3);
        reel_shape shape = {3, {2, 4, 0}};
        for (int i = 2; i > axis; i--)
            shape.dim[i] = shape.dim[i - 1];
        shape.dim[axis] = 3;
        expect_shape(all, shape);
        int64_t index[3] = {0};
        do {
            int64_t from[2];
            for (int i = 0, j = 0; i < 3; i++)
                if (i != axis)
                    from[j++] = index[i];
            expect_same(all, index, rows[index[axis]], from);
        } while (next(&shape, index));
    }
    reel_var scalars[20];
    for (int k = 0; k < 20; k++)
        scalars[k] = reel_full(t, REEL_SCALAR, k);
    reel_var vector = reel_stack(t, scalars, 20, 0);
    for (int k = 0; k < 20; k++)
        cr_assert(reel_data_real(t, vector)[k] == (reel_real)k);

    cr_assert(reel_is_null(reel_stack(t, scalars, 0, 0)));
    expect_refused(REEL_ERROR_ARGUMENT, "stack: 0 vars, it takes at least 1");
    cr_assert(reel_is_null(reel_stack(t, REEL_VARS(vector, scalars[0]), 0)));
    expect_refused(REEL_ERROR_SHAPE, "stack: var 1 has shape [], var 0 has [20]");
    cr_assert(reel_is_null(reel_stack(t, REEL_VARS(vector, vector), 2)));
    expect_refused(REEL_ERROR_ARGUMENT, "stack: axis 2 is outside -2..1");
    cr_assert(reel_is_null(reel_cat(t, NULL, 0, 0)));
    cr_assert_eq(reel_context_status(c), REEL_ERROR_ARGUMENT);
    reel_clear_error(c);
}

Test(join, narrow_values_and_sharing)
{
    for (int d = 0; d < DTYPES; d++)
        for (int axis = 0; axis < 3; axis++) {
            reel_var x = numbered(dtypes[d], REEL_SHAPE(5, 4, 6));
            reel_var part = reel_narrow(t, x, axis, -3, 2);
            reel_shape shape = REEL_SHAPE(5, 4, 6);
            int64_t start = shape.dim[axis] - 3;
            shape.dim[axis] = 2;
            expect_shape(part, shape);
            int64_t index[3] = {0};
            do {
                int64_t from[3] = {index[0], index[1], index[2]};
                from[axis] += start;
                expect_same(part, index, x, from);
            } while (next(&shape, index));
            bool shared = element(part, index) == element(x, (int64_t[]){axis == 0 ? start : 0, 0, 0});
            cr_assert_eq(shared, axis == 0);
        }

    reel_var x = reel_randn(t, REEL_SHAPE(1, 1, 4, 3));
    const reel_real *data = reel_data_real(t, x);
    cr_assert_eq(reel_data_real(t, reel_narrow(t, x, 2, 1, 2)), data + 3);
    cr_assert_neq(reel_data_real(t, reel_narrow(t, x, 3, 1, 2)), data + 1);
    cr_assert_eq(reel_data_real(t, reel_narrow(t, x, 3, 0, 3)), data, "the whole axis");
    cr_assert_eq(reel_data_real(t, reel_cat(t, &x, 1, 0)), data, "one input");
    expect_shape(reel_narrow(t, x, 3, 3, 0), REEL_SHAPE(1, 1, 4, 0));

    reel_narrow(t, x, 2, 3, 2);
    expect_refused(REEL_ERROR_INDEX, "narrow: 2 elements from 3 on are not inside axis 2, which has 4");
    reel_narrow(t, x, 2, 1, INT64_MAX);
    cr_assert_eq(reel_context_status(c), REEL_ERROR_INDEX);
    reel_clear_error(c);
    reel_narrow(t, x, 2, INT64_MIN, 1);
    cr_assert_eq(reel_context_status(c), REEL_ERROR_INDEX);
    reel_clear_error(c);
}

Test(join, split_and_chunk)
{
    reel_var x = reel_randn(t, REEL_SHAPE(3, 7)), out[8];
    const int64_t sizes[] = {2, 0, 5};
    cr_assert_eq(reel_split(t, x, sizes, 3, 1, out), REEL_OK);
    reel_var again = reel_cat(t, out, 3, 1);
    cr_assert_eq(memcmp(reel_data(t, again), reel_data(t, x), 21 * sizeof(reel_real)), 0);

    cr_assert_eq(reel_chunk(t, x, 3, -1, out), 3);
    expect_shape(out[0], REEL_SHAPE(3, 3));
    expect_shape(out[2], REEL_SHAPE(3, 1));
    cr_assert_eq(reel_chunk(t, x, 5, 1, out), 4, "pieces of 2, 2, 2 and 1: the fifth is missing, as in torch");
    cr_assert(reel_is_null(out[4]));
    cr_assert_eq(reel_chunk(t, x, 8, 0, out), 3);
    cr_assert_eq(reel_chunk(t, reel_zeros(t, REEL_SHAPE(0, 2)), 4, 0, out), 4);
    expect_shape(out[3], REEL_SHAPE(0, 2));

    const int64_t few[] = {2, 4}, many[] = {2, 6}, negative[] = {8, -1};
    cr_assert_eq(reel_split(t, x, few, 2, 1, out), REEL_ERROR_SHAPE);
    cr_assert(reel_is_null(out[0]) && reel_is_null(out[1]));
    expect_refused(REEL_ERROR_SHAPE, "split: the pieces have 6 elements together, axis 1 has 7");
    cr_assert_eq(reel_split(t, x, many, 2, 1, out), REEL_ERROR_SHAPE);
    expect_refused(REEL_ERROR_SHAPE, "split: the first 2 pieces have more than the 7 elements of axis 1");
    cr_assert_eq(reel_split(t, x, negative + 1, 1, 1, out), REEL_ERROR_SHAPE);
    expect_refused(REEL_ERROR_SHAPE, "split: piece 0 has the negative size -1");
    cr_assert_eq(reel_chunk(t, x, 0, 1, out), 0);
    expect_refused(REEL_ERROR_ARGUMENT, "chunk: 0 chunks, at least 1 is needed");
}

Test(join, permute_values)
{
    const int64_t dims[][4] = {{2, 3, 4, 5}, {1, 37, 1, 70}, {33, 1, 65, 2}, {3, 300, 2, 40}};
    for (int s = 0; s < 4; s++)
        for (int d = 0; d < DTYPES; d++) {
            reel_shape shape = reel_shape_make(4, dims[s]);
            reel_var x = numbered(dtypes[d], shape);
            for (int code = 0; code < 256; code++) {
                int axes[4] = {code & 3, code >> 2 & 3, code >> 4 & 3, code >> 6};
                if ((1 << axes[0] | 1 << axes[1] | 1 << axes[2] | 1 << axes[3]) != 15)
                    continue;
                reel_var y = reel_permute(t, x, axes, 4);
                reel_shape to = {.ndim = 4};
                for (int i = 0; i < 4; i++)
                    to.dim[i] = shape.dim[axes[i]];
                expect_shape(y, to);
                size_t size = reel_dtype_size(dtypes[d]);
                const char *got = reel_data(t, y), *from = reel_data(t, x);
                int64_t index[4] = {0}, stride[4] = {shape.dim[1] * shape.dim[2] * shape.dim[3],
                                                     shape.dim[2] * shape.dim[3], shape.dim[3], 1};
                bool same = true;
                do {
                    int64_t at = 0;
                    for (int i = 0; i < 4; i++)
                        at += index[i] * stride[axes[i]];
                    same = same && memcmp(got, from + (size_t)at * size, size) == 0;
                    got += size;
                } while (next(&to, index));
                cr_assert(same, "sizes %d, axes %d %d %d %d", s, axes[0], axes[1], axes[2], axes[3]);
            }
            reel_tape_reset(t);
        }
}

Test(join, permute_sharing_and_errors)
{
    reel_var x = reel_randn(t, REEL_SHAPE(3, 1, 4));
    cr_assert_eq(reel_data(t, reel_transpose(t, x, 0, 1)), reel_data(t, x));
    cr_assert_eq(reel_data(t, reel_permute(t, x, REEL_AXES(0, 2, 1))), reel_data(t, x));
    cr_assert_neq(reel_data(t, reel_transpose(t, x, 0, -1)), reel_data(t, x));
    expect_shape(reel_transpose(t, x, 0, -1), REEL_SHAPE(4, 1, 3));
    reel_permute(t, x, REEL_AXES(0, 1, 1));
    expect_refused(REEL_ERROR_ARGUMENT, "permute: axis 1 is named twice");
    reel_transpose(t, x, 0, 3);
    expect_refused(REEL_ERROR_ARGUMENT, "transpose: axis 3 is outside -3..2");
}

Test(join, sizes_whose_product_does_not_fit)
{
    const int64_t large = (int64_t)1 << 40;
    expect_shape(reel_permute(t, reel_zeros(t, REEL_SHAPE(large, 2, 0)), REEL_AXES(2, 0, 1)), REEL_SHAPE(0, large, 2));
    reel_expand(t, reel_zeros(t, REEL_SHAPE(0, 1, 1)), REEL_SHAPE(0, large, large));
    expect_refused(REEL_ERROR_SHAPE, NULL);
    reel_var wide = reel_zeros(t, REEL_SHAPE(0, 1, large)), high = reel_zeros(t, REEL_SHAPE(0, large, 1));
    reel_add(t, wide, high);
    expect_refused(REEL_ERROR_SHAPE, NULL);
    reel_cat(t, REEL_VARS(reel_zeros(t, REEL_SHAPE(INT64_MAX, 0)), reel_zeros(t, REEL_SHAPE(1, 0))), 0);
    expect_refused(REEL_ERROR_SHAPE, "cat: the joint size of axis 0 is too large");
}

Test(join, expand_values)
{
    for (int d = 0; d < DTYPES; d++) {
        reel_var x = numbered(dtypes[d], REEL_SHAPE(3, 1, 4));
        reel_var y = reel_expand(t, x, REEL_SHAPE(2, 3, 5, -1));
        reel_shape shape = REEL_SHAPE(2, 3, 5, 4);
        expect_shape(y, shape);
        int64_t index[4] = {0};
        do {
            int64_t from[3] = {index[1], 0, index[3]};
            expect_same(y, index, x, from);
        } while (next(&shape, index));
    }
    reel_var column = reel_randn(t, REEL_SHAPE(300, 1)), wide = reel_expand(t, column, REEL_SHAPE(300, 200));
    for (int i = 0; i < 300 * 200; i++)
        cr_assert(reel_data_real(t, wide)[i] == reel_data_real(t, column)[i / 200]);
}

/* The gradients of sum(w * f(...)), by the kernels and by the rules: they must agree, whatever the kernels share. */
static void expect_equal_gradients(reel_var y, const reel_var *xs, int n)
{
    reel_var w = reel_randn(t, reel_shape_of(t, y)), fast[4], ruled[4];
    cr_assert_eq(reel_vjp(t, y, w, xs, n, REEL_GRAD_DEFAULT, fast), REEL_OK, "%s", reel_error(c));
    cr_assert_eq(reel_vjp(t, y, w, xs, n, REEL_GRAD_CREATE_GRAPH, ruled), REEL_OK, "%s", reel_error(c));
    for (int k = 0; k < n; k++) {
        const reel_real *a = reel_data_real(t, fast[k]), *b = reel_data_real(t, ruled[k]);
        for (int64_t i = 0; i < reel_numel(t, xs[k]); i++)
            cr_assert_float_eq(a[i], b[i], 1e-5, "x %d, element %lld: %g and %g", k, (long long)i, (double)a[i],
                               (double)b[i]);
    }
}

Test(join, gradients_that_lie_strided)
{
    reel_var a = reel_randn(t, REEL_SHAPE(4, 3)), b = reel_randn(t, REEL_SHAPE(4, 2)),
             d = reel_randn(t, REEL_SHAPE(2, 3));
    /* Rows of the inner cat's gradient lie 5 apart, and are cut along each axis. */
    reel_var inner = reel_cat(t, REEL_VARS(reel_narrow(t, a, 0, 0, 2), d), 0);
    expect_equal_gradients(reel_cat(t, REEL_VARS(inner, b), 1), (reel_var[]){a, b, d}, 3);
    inner = reel_cat(t, REEL_VARS(a, b), 1);
    expect_equal_gradients(reel_cat(t, REEL_VARS(inner, b, inner), 1), (reel_var[]){a, b}, 2);
    inner = reel_narrow(t, a, 1, 1, 2);
    expect_equal_gradients(reel_cat(t, REEL_VARS(b, inner, a), 1), (reel_var[]){a, b}, 2);
    inner = reel_narrow(t, a, 0, 1, 2);
    expect_equal_gradients(reel_cat(t, REEL_VARS(d, inner), 1), (reel_var[]){a, d}, 2);
    inner = reel_transpose(t, a, 0, 1);
    expect_equal_gradients(reel_cat(t, REEL_VARS(inner, reel_ones(t, REEL_SHAPE(3, 1))), 1), &a, 1);
    expect_equal_gradients(reel_cat(t, REEL_VARS(a, reel_expand(t, b, REEL_SHAPE(4, 2)), a), 1), (reel_var[]){a, b}, 2);
    inner = reel_expand(t, reel_narrow(t, b, 1, 0, 1), REEL_SHAPE(4, 3));
    expect_equal_gradients(reel_cat(t, REEL_VARS(a, inner, b), 1), (reel_var[]){a, b}, 2);
    expect_equal_gradients(reel_cat(t, REEL_VARS(a, a), 0), &a, 1);
    expect_equal_gradients(reel_cat(t, REEL_VARS(a, a), 1), &a, 1);
}

Test(join, gradient_reaches_a_var_twice)
{
    reel_var x = reel_randn(t, REEL_SHAPE(5, 4)), out[4];
    const int64_t sizes[] = {1, 2, 1};
    cr_assert_eq(reel_split(t, x, sizes, 3, 1, out), REEL_OK);
    reel_var y = reel_cat(t, REEL_VARS(out[2], out[0], out[1], x, out[2]), 1);
    expect_equal_gradients(y, &x, 1);
    reel_var both = reel_add(t, reel_transpose(t, reel_transpose(t, x, 0, 1), 0, 1), x);
    expect_equal_gradients(both, &x, 1);
}
