/* What the walk over the registry cannot see: values against plain loops, the text of index errors, gradients that are
 * not the derivative, and which gradients stay rows. */
#include "support/fixture.h"

#include <reel/context.h>
#include <reel/create.h>
#include <reel/elementwise.h>
#include <reel/gather.h>
#include <reel/join.h>
#include <reel/op.h>
#include <reel/params.h>
#include <reel/reduce.h>
#include <reel/tape.h>

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

TestSuite(gather, .init = set_up, .fini = tear_down);

static reel_var int32s_of(reel_var index)
{
    int32_t narrow[4096];
    int64_t n = reel_numel(t, index);
    cr_assert(n <= 4096);
    for (int64_t i = 0; i < n; i++)
        narrow[i] = (int32_t)reel_data_int64(t, index)[i];
    return reel_tensor_of(t, REEL_INT32, narrow, reel_shape_of(t, index));
}

Test(gather, embedding_values)
{
    const int64_t widths[] = {1, 3, 64, 1000};
    for (int s = 0; s < 4; s++) {
        int64_t columns = widths[s];
        reel_var weight = reel_randn(t, REEL_SHAPE(50, columns)), wide = reel_randint(t, 0, 50, REEL_SHAPE(7, 300));
        reel_var a = reel_embedding(t, weight, wide, NULL), b = reel_embedding(t, weight, int32s_of(wide), NULL);
        reel_shape want = REEL_SHAPE(7, 300, columns), got = reel_shape_of(t, a);
        cr_assert(reel_shape_equal(&want, &got));
        for (int64_t i = 0; i < 2100; i++) {
            const reel_real *row = reel_data_real(t, weight) + reel_data_int64(t, wide)[i] * columns;
            cr_assert_eq(memcmp(reel_data_real(t, a) + i * columns, row, (size_t)columns * sizeof *row), 0);
            cr_assert_eq(memcmp(reel_data_real(t, b) + i * columns, row, (size_t)columns * sizeof *row), 0);
        }
        cr_assert_eq(reel_tape_reset(t), REEL_OK);
    }
}

Test(gather, index_select_values)
{
    const unsigned char bools[12] = {0, 1, 1, 0, 0, 1, 0, 0, 1, 1, 1, 0};
    reel_var xs[] = {reel_randn(t, REEL_SHAPE(2, 3, 2)), reel_randint(t, 0, 99, REEL_SHAPE(2, 3, 2)),
                     int32s_of(reel_randint(t, 0, 99, REEL_SHAPE(2, 3, 2))),
                     reel_tensor_of(t, REEL_BOOL, bools, REEL_SHAPE(2, 3, 2))};
    const int64_t picks[] = {2, 0, 0, 1, 2};
    reel_var index = reel_tensor_of(t, REEL_INT64, picks, REEL_SHAPE(5));
    for (int d = 0; d < 4; d++) {
        size_t size = reel_dtype_size(reel_dtype_of(t, xs[d]));
        reel_var y = reel_index_select(t, xs[d], 1, index);
        cr_assert_eq(reel_dtype_of(t, y), reel_dtype_of(t, xs[d]));
        const char *from = reel_data(t, xs[d]), *got = reel_data(t, y);
        for (size_t i = 0; i < 2; i++)
            for (size_t k = 0; k < 5; k++)
                cr_assert_eq(
                    memcmp(got + (i * 5 + k) * 2 * size, from + (i * 3 + (size_t)picks[k]) * 2 * size, 2 * size), 0);
    }
}

Test(gather, scatter_values)
{
    reel_var values = reel_randn(t, REEL_SHAPE(20, 150, 3)), index = reel_randint(t, 0, 11, REEL_SHAPE(20, 150));
    reel_var sum = reel_scatter_add_rows(t, values, index, 11),
             narrow = reel_scatter_add_rows(t, values, int32s_of(index), 11);
    double want[33] = {0};
    for (int64_t i = 0; i < 3000; i++)
        for (int64_t j = 0; j < 3; j++)
            want[reel_data_int64(t, index)[i] * 3 + j] += (double)reel_data_real(t, values)[i * 3 + j];
    for (int i = 0; i < 33; i++)
        cr_assert_float_eq(reel_data_real(t, sum)[i], want[i], 1e-4);
    cr_assert_eq(memcmp(reel_data(t, sum), reel_data(t, narrow), 33 * sizeof(reel_real)), 0);
}

Test(gather, index_errors)
{
    reel_var weight = reel_randn(t, REEL_SHAPE(10, 3));
    const int64_t line[] = {0, 9, 3, 10, 11}, grid[] = {0, 1, 2, 3, -1, 5}, far[] = {INT64_MIN};
    reel_var index = reel_tensor_of(t, REEL_INT64, line, REEL_SHAPE(5));
    expect_refused(reel_embedding(t, weight, index, NULL), REEL_ERROR_INDEX,
                   "embedding: index 10 at position [3] is outside 0..9");
    expect_refused(reel_embedding(t, weight, int32s_of(index), NULL), REEL_ERROR_INDEX,
                   "embedding: index 10 at position [3] is outside 0..9");
    index = reel_tensor_of(t, REEL_INT64, grid, REEL_SHAPE(2, 1, 3));
    expect_refused(reel_embedding(t, weight, index, NULL), REEL_ERROR_INDEX,
                   "embedding: index -1 at position [1, 0, 1] (flat 4) is outside 0..9");
    expect_refused(reel_scatter_add_rows(t, reel_ones(t, REEL_SHAPE(2, 1, 3)), index, 6), REEL_ERROR_INDEX,
                   "scatter_add_rows: index -1 at position [1, 0, 1] (flat 4) is outside 0..5");
    index = reel_tensor_of(t, REEL_INT64, far, REEL_SCALAR);
    expect_refused(reel_embedding(t, weight, index, NULL), REEL_ERROR_INDEX,
                   "embedding: index -9223372036854775808 is outside 0..9");
    index = reel_tensor_of(t, REEL_INT64, line, REEL_SHAPE(1));
    expect_refused(reel_embedding(t, reel_zeros(t, REEL_SHAPE(0, 3)), index, NULL), REEL_ERROR_INDEX,
                   "embedding: index 0 at position [0] is outside a table without rows");
    index = reel_tensor_of(t, REEL_INT64, line, REEL_SHAPE(4));
    expect_refused(reel_index_select(t, weight, 0, index), REEL_ERROR_INDEX,
                   "index_select: index 10 at position [3] is outside 0..9");
    expect_refused(reel_index_select(t, weight, 1, index), REEL_ERROR_INDEX,
                   "index_select: index 9 at position [1] is outside 0..2");
}

Test(gather, a_refused_lookup_writes_nothing)
{
    reel_var weight = reel_randn(t, REEL_SHAPE(4, 2)), bad = reel_full_int64(t, REEL_SHAPE(3), 4);
    uint64_t operations = reel_tape_stats(t).operations;
    reel_embedding(t, weight, bad, NULL);
    cr_assert_eq(reel_context_status(c), REEL_ERROR_INDEX);
    reel_clear_error(c);
    cr_assert_eq(reel_tape_stats(t).operations, operations);
    reel_var next = reel_zeros(t, REEL_SCALAR);
    cr_assert_eq(next.number, bad.number + 1, "nothing was left on the tape");
}

Test(gather, padding_outside)
{
    reel_var weight = reel_randn(t, REEL_SHAPE(4, 2)), index = reel_randint(t, 0, 4, REEL_SHAPE(3));
    reel_embedding_lookup_options options = reel_embedding_lookup_defaults();
    const int64_t outside[] = {4, -5, INT64_MAX};
    for (int i = 0; i < 3; i++) {
        options.padding_idx = outside[i];
        cr_assert(reel_is_null(reel_embedding(t, weight, index, &options)));
        cr_assert_eq(reel_context_status(c), REEL_ERROR_ARGUMENT, "%s", reel_error(c));
        reel_clear_error(c);
    }
}

/* The gradient of sum(w * embedding) as torch.nn.functional.embedding defines it. */
static void expect_gradient(const reel_real *got, reel_var index, reel_var w, int64_t rows, int64_t columns,
                            int64_t padding, bool scale)
{
    int64_t n = reel_numel(t, index);
    const int64_t *at = reel_data_int64(t, index);
    for (int64_t r = 0; r < rows; r++)
        for (int64_t j = 0; j < columns; j++) {
            double sum = 0, count = 0;
            for (int64_t i = 0; i < n; i++)
                if (at[i] == r) {
                    sum += (double)reel_data_real(t, w)[i * columns + j];
                    count++;
                }
            if (scale && count > 0)
                sum /= count;
            if (r == padding)
                sum = 0;
            cr_assert_float_eq(got[r * columns + j], sum, 1e-4, "row %lld: %g, not %g", (long long)r,
                               (double)got[r * columns + j], sum);
        }
}

Test(gather, padding_and_scaling)
{
    enum { ROWS = 6, COLUMNS = 3 };
    for (int options = 0; options < 8; options++) {
        reel_embedding_lookup_options lookup = reel_embedding_lookup_defaults();
        int64_t padding = -1;
        if (options & 1) {
            padding = 4;
            lookup.padding_idx = options & 4 ? -2 : 4;
        }
        lookup.scale_grad_by_freq = options & 2;
        reel_var weight = reel_randn(t, REEL_SHAPE(ROWS, COLUMNS)), wide = reel_randint(t, 0, ROWS, REEL_SHAPE(4, 300));
        reel_var index = options & 4 ? int32s_of(wide) : wide;
        reel_var y = reel_embedding(t, weight, index, &lookup), w = reel_randn(t, REEL_SHAPE(4, 300, COLUMNS));
        reel_var fast, ruled;
        cr_assert_eq(reel_vjp(t, y, w, &weight, 1, REEL_GRAD_DEFAULT, &fast), REEL_OK, "%s", reel_error(c));
        cr_assert_eq(reel_vjp(t, y, w, &weight, 1, REEL_GRAD_CREATE_GRAPH, &ruled), REEL_OK, "%s", reel_error(c));
        expect_gradient(reel_data_real(t, fast), wide, w, ROWS, COLUMNS, padding, lookup.scale_grad_by_freq);
        expect_gradient(reel_data_real(t, ruled), wide, w, ROWS, COLUMNS, padding, lookup.scale_grad_by_freq);
        /* One after the other, so that the same rows meet the same sums. */
        cr_assert_eq(memcmp(reel_data(t, fast), reel_data(t, ruled), ROWS * COLUMNS * sizeof(reel_real)), 0);
        cr_assert_eq(reel_tape_reset(t), REEL_OK);
    }
}

Test(gather, padding_keeps_out_what_is_not_finite)
{
    const int64_t at[] = {0, 1, 0};
    const reel_real grads[] = {NAN, 2, INFINITY};
    reel_embedding_lookup_options lookup = reel_embedding_lookup_defaults();
    lookup.padding_idx = 0;
    reel_var weight = reel_randn(t, REEL_SHAPE(2, 1)), index = reel_tensor_of(t, REEL_INT64, at, REEL_SHAPE(3));
    reel_var y = reel_embedding(t, weight, index, &lookup), w = reel_tensor(t, grads, REEL_SHAPE(3, 1)), g;
    for (unsigned flags = 0; flags < 2; flags++) {
        cr_assert_eq(reel_vjp(t, y, w, &weight, 1, flags, &g), REEL_OK, "%s", reel_error(c));
        cr_assert(reel_data_real(t, g)[0] == 0 && reel_data_real(t, g)[1] == 2);
    }
}

/* The lookup's gradient is a slice of columns of the one of cat, for a dense and a sparse param and a var. */
Test(gather, strided_gradients_of_every_kind_of_table)
{
    enum { ROWS = 5, COLUMNS = 3, N = 700 };
    reel_param *dense = reel_param_new(p, "dense", REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(ROWS, COLUMNS));
    reel_param *sparse = reel_param_new(p, "sparse", REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(ROWS, COLUMNS));
    reel_param_set_sparse(sparse, true);
    reel_var index = reel_randint(t, 0, ROWS, REEL_SHAPE(N)), noise = reel_randn(t, REEL_SHAPE(N, 2));
    reel_var table = reel_randn(t, REEL_SHAPE(ROWS, COLUMNS)), w = reel_randn(t, REEL_SHAPE(N, 2 + COLUMNS)), g;
    reel_var tables[] = {reel_param_var(t, dense), reel_param_var(t, sparse), table};
    for (int narrow = 0; narrow < 2; narrow++) {
        reel_zero_grad(p);
        reel_var ys[3];
        for (int k = 0; k < 3; k++) {
            reel_var rows = reel_embedding(t, tables[k], narrow ? int32s_of(index) : index, NULL);
            ys[k] = reel_sum_all(t, reel_mul(t, w, reel_cat(t, REEL_VARS(noise, rows), 1)));
        }
        cr_assert_eq(reel_backward(t, reel_add(t, ys[0], ys[1]), p), REEL_OK, "%s", reel_error(c));
        cr_assert_eq(reel_grad(t, ys[2], &table, 1, REEL_GRAD_DEFAULT, &g), REEL_OK, "%s", reel_error(c));
        reel_row_grad rows;
        cr_assert_eq(reel_param_row_grad(sparse, &rows), REEL_OK, "%s", reel_error(c));
        cr_assert_eq(rows.count, ROWS);
        const reel_real *want = reel_data_real(t, g);
        expect_gradient(want, index, reel_narrow(t, w, 1, 2, COLUMNS), ROWS, COLUMNS, -1, false);
        cr_assert_eq(memcmp(reel_param_grad(dense), want, ROWS * COLUMNS * sizeof *want), 0);
        cr_assert_eq(memcmp(rows.values, want, ROWS * COLUMNS * sizeof *want), 0,
                     "sparse and dense have the same bits");
    }
    cr_assert_eq(reel_tape_reset(t), REEL_OK);
}

Test(gather, a_lookup_does_not_read_its_table_in_backward)
{
    reel_param *param = reel_param_new(p, "table", REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(3, 2));
    reel_var y = reel_embedding(t, reel_param_var(t, param), reel_randint(t, 0, 3, REEL_SHAPE(5)), NULL);
    reel_var loss = reel_sum_all(t, y);
    const reel_real values[6] = {1, 2, 3, 4, 5, 6};
    cr_assert_eq(reel_param_set(param, values), REEL_OK);
    cr_assert_eq(reel_backward(t, loss, p), REEL_OK, "%s", reel_error(c));
}

Test(gather, same_bits_for_any_number_of_threads)
{
    reel_real *kept = NULL;
    for (int threads = 1; threads <= 3; threads++) {
        reel_set_num_threads(c, threads);
        reel_manual_seed(c, 3);
        reel_var x = reel_randn(t, REEL_SHAPE(40, 500)), index = reel_randint(t, 0, 40, REEL_SHAPE(900));
        reel_var picks = reel_randint(t, 0, 500, REEL_SHAPE(300));
        reel_var y = reel_index_select(t, reel_embedding(t, x, index, NULL), 1, picks), g;
        cr_assert_eq(reel_grad(t, reel_sum_all(t, reel_mul(t, y, y)), &x, 1, REEL_GRAD_DEFAULT, &g), REEL_OK);
        reel_var sums = reel_scatter_add_rows(t, y, index, 40);
        size_t n = (size_t)(40 * 500 + 40 * 300);
        reel_real *all = malloc(n * sizeof *all);
        memcpy(all, reel_data(t, g), 40 * 500 * sizeof *all);
        memcpy(all + 40 * 500, reel_data(t, sums), 40 * 300 * sizeof *all);
        if (kept)
            cr_assert_eq(memcmp(kept, all, n * sizeof *all), 0, "%d threads", threads);
        free(kept);
        kept = all;
        reel_tape_reset(t);
    }
    free(kept);
}
