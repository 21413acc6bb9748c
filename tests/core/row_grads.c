/* Row-sparse gradients: the bits of the dense path, whatever happens between a backward pass and the optimizer. */
#include "core/params.h"
#include "core/tape.h"
#include "support/allocator.h"

#include <reel/reel.h>

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 37, COLUMNS = 5, LOOKUPS = 1500 };

static struct counting counted;
static reel_context *c;
static reel_tape *t;
static reel_params *params;
static reel_param *sparse, *dense;
static int64_t indices[LOOKUPS];
static reel_real values[ROWS * COLUMNS];

static void set_up(void)
{
    c = counting_context(&counted, 2);
    t = reel_tape_new(c);
    params = reel_params_new(c);
    sparse = reel_param_new(params, "sparse", REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(ROWS, COLUMNS));
    dense = reel_param_new(params, "dense", REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(ROWS, COLUMNS));
    cr_assert(c && t && sparse && dense);
    for (int i = 0; i < ROWS * COLUMNS; i++)
        values[i] = (reel_real)(0.1 * (i % 17) - 0.7);
    reel_param_set(sparse, values);
    reel_param_set(dense, values);
    reel_param_set_sparse(sparse, true);
    /* Row 3 more often than a block of the sum holds; rows from 30 on never. */
    for (int i = 0; i < LOOKUPS; i++)
        indices[i] = i % 2 ? 3 : i * 7 % 30;
}

static void tear_down(void)
{
    cr_expect_eq(reel_context_status(c), REEL_OK, "%s", reel_error(c));
    reel_params_free(params);
    reel_tape_free(t);
    cr_expect_eq(c->scratch.live, 0, "%lld blocks of scratch are still held", (long long)c->scratch.live);
    reel_context_free(c);
    cr_expect_eq(counted.live, 0, "%lld blocks leak", (long long)counted.live);
}

TestSuite(row_grads, .init = set_up, .fini = tear_down);

static reel_var look_up(reel_param *p, int first, int count)
{
    return reel_embedding(t, reel_param_var(t, p), reel_tensor_of(t, REEL_INT64, indices + first, REEL_SHAPE(count)),
                          NULL);
}

static reel_var loss_of(reel_var rows)
{
    return reel_sum_all(t, reel_sin(t, reel_mul(t, rows, rows)));
}

static void back(reel_var loss)
{
    cr_assert_eq(reel_backward(t, loss, params), REEL_OK, "%s", reel_error(c));
}

/* Both params have the same gradient, bit for bit, and that of `sparse` is a list of different rows in order. */
static void expect_same_bits(bool as_rows)
{
    const reel_real *want = reel_param_grad(dense);
    cr_assert_not_null(want);
    if (as_rows) {
        reel_row_grad g;
        cr_assert_eq(reel_param_row_grad(sparse, &g), REEL_OK, "%s", reel_error(c));
        cr_expect_eq(g.columns, COLUMNS);
        for (int64_t i = 0; i < g.count; i++) {
            cr_expect(i == 0 || g.rows[i - 1] < g.rows[i]);
            cr_expect_arr_eq(g.values + i * COLUMNS, want + g.rows[i] * COLUMNS, COLUMNS * sizeof *want);
        }
        int64_t filled = 0;
        for (int64_t r = 0; r < ROWS; r++) {
            bool any = false;
            for (int64_t k = 0; k < COLUMNS; k++)
                any = any || want[r * COLUMNS + k] != 0;
            filled += any;
        }
        cr_expect_eq(g.count, filled);
    }
    cr_expect_arr_eq(reel_param_grad(sparse), want, sizeof values);
}

Test(row_grads, are_the_dense_gradient_bit_for_bit)
{
    back(loss_of(look_up(sparse, 0, LOOKUPS)));
    back(loss_of(look_up(dense, 0, LOOKUPS)));
    expect_same_bits(true);
    cr_expect_eq(reel_tape_stats(t).densified, 0);
}

Test(row_grads, of_several_lookups_in_one_graph)
{
    reel_param *both[] = {sparse, dense};
    for (int i = 0; i < 2; i++) {
        reel_var a = look_up(both[i], 0, 700), b = look_up(both[i], 500, 900), empty = look_up(both[i], 0, 0);
        /* cat, so that the gradients that the lookups get are strided pieces of one */
        reel_var wide = reel_cat(t, REEL_VARS(reel_narrow(t, a, 0, 0, 600), reel_narrow(t, b, 0, 0, 600)), 1);
        back(reel_add(t, loss_of(wide), reel_add(t, loss_of(b), loss_of(empty))));
    }
    expect_same_bits(true);
}

Test(row_grads, of_strided_gradients_are_not_copied)
{
    reel_param *both[] = {sparse, dense};
    for (int i = 0; i < 2; i++) {
        reel_var rows = look_up(both[i], 0, 64), more = reel_full(t, REEL_SHAPE(64, 3), 0.25);
        back(loss_of(reel_cat(t, REEL_VARS(more, rows), 1)));
    }
    cr_expect_eq(sparse->gradient.pending->rows->stride, COLUMNS + 3);
    expect_same_bits(true);
}

Test(row_grads, of_several_passes_and_steps_add_up)
{
    for (int round = 0; round < 5; round++) {
        back(loss_of(look_up(sparse, round * 100, 400)));
        back(loss_of(look_up(dense, round * 100, 400)));
        if (round == 1 || round == 3)
            reel_tape_reset(t);
        if (round == 2)
            expect_same_bits(true);
    }
    expect_same_bits(true);
    reel_tape_reset(t);
    expect_same_bits(true);
    reel_zero_grad(params);
    reel_row_grad g;
    cr_expect_eq(reel_param_row_grad(sparse, &g), REEL_OK);
    cr_expect_eq(g.count, 0);
    cr_expect_null(reel_param_grad(sparse));
}

/* A step uses a gradient, but does not end it: it outlives the tape, and more can be added. */
Test(row_grads, that_were_used_outlive_the_tape)
{
    reel_optim *sgd = reel_sgd_new(params, NULL);
    for (int more = 0; more < 3; more++) {
        reel_zero_grad(params);
        back(loss_of(look_up(sparse, 0, 400)));
        back(loss_of(look_up(dense, 0, 400)));
        cr_assert_eq(reel_optim_step(sgd), REEL_OK);
        cr_assert_eq(reel_tape_reset(t), REEL_OK);
        if (more == 1) {
            cr_assert_eq(reel_optim_step(sgd), REEL_OK);
            cr_assert_eq(reel_tape_reset(t), REEL_OK);
        }
        if (more == 2) {
            back(loss_of(look_up(sparse, 100, 400)));
            back(loss_of(look_up(dense, 100, 400)));
        }
        expect_same_bits(true);
    }
    reel_optim_free(sgd);
}

Test(row_grads, looking_at_them_changes_nothing)
{
    back(loss_of(look_up(sparse, 0, 300)));
    cr_expect_not_null(reel_param_grad(sparse));
    cr_expect(reel_param_gradient_kind(sparse) == REEL_GRADIENT_ROWS);
    back(loss_of(look_up(sparse, 100, 300)));
    back(loss_of(look_up(dense, 0, 300)));
    back(loss_of(look_up(dense, 100, 300)));
    expect_same_bits(true);
}

Test(row_grads, of_tied_weights_become_dense)
{
    for (int order = 0; order < 3; order++) {
        reel_param *both[] = {sparse, dense};
        reel_zero_grad(params);
        uint64_t before = reel_tape_stats(t).densified;
        for (int i = 0; i < 2; i++) {
            reel_var table = reel_param_var(t, both[i]), rows = look_up(both[i], 0, 400);
            reel_var scores = reel_matmul(t, rows, reel_transpose(t, table, 0, 1));
            if (order == 0) { /* in one graph */
                back(reel_add(t, loss_of(scores), loss_of(rows)));
            } else if (order == 1) { /* rows first */
                back(loss_of(look_up(both[i], 30, 500)));
                back(loss_of(table));
            } else { /* dense first */
                back(loss_of(table));
                back(loss_of(look_up(both[i], 30, 500)));
            }
        }
        expect_same_bits(false);
        cr_expect_eq(reel_tape_stats(t).densified, before + 1, "order %d", order);
        reel_row_grad g;
        cr_expect_eq(reel_param_row_grad(sparse, &g), REEL_ERROR_STATE);
        reel_clear_error(c);
        reel_tape_reset(t);
    }
}

Test(row_grads, leave_out_the_padding)
{
    reel_embedding_lookup_options options = reel_embedding_lookup_defaults();
    options.padding_idx = 3;
    options.scale_grad_by_freq = true;
    reel_param *both[] = {sparse, dense};
    for (int i = 0; i < 2; i++) {
        reel_var index = reel_tensor_of(t, REEL_INT64, indices, REEL_SHAPE(2, 50));
        back(loss_of(reel_embedding(t, reel_param_var(t, both[i]), index, &options)));
    }
    expect_same_bits(true);
    for (int k = 0; k < COLUMNS; k++)
        cr_expect_eq(reel_param_grad(sparse)[3 * COLUMNS + k], 0);
}

Test(row_grads, through_reel_grad_are_dense_vars)
{
    for (unsigned graph = 0; graph < 2; graph++) {
        unsigned flags = graph ? REEL_GRAD_CREATE_GRAPH : REEL_GRAD_DEFAULT;
        reel_var x = reel_param_var(t, sparse), y = reel_param_var(t, dense), a, b;
        cr_assert_eq(reel_grad(t, loss_of(look_up(sparse, 0, LOOKUPS)), &x, 1, flags, &a), REEL_OK);
        cr_assert_eq(reel_grad(t, loss_of(look_up(dense, 0, LOOKUPS)), &y, 1, flags, &b), REEL_OK);
        cr_expect_arr_eq(reel_data(t, a), reel_data(t, b), sizeof values);
    }
    cr_expect(!reel_param_grad(sparse));
}

static reel_var halve(reel_tape *tape, reel_var grad, void *user)
{
    (void)user;
    return reel_mul_scalar(tape, grad, 0.5);
}

Test(row_grads, pass_through_hooks)
{
    reel_param *both[] = {sparse, dense};
    for (int i = 0; i < 2; i++) {
        reel_var rows = look_up(both[i], 0, 400);
        reel_register_hook(t, reel_param_var(t, both[i]), halve, NULL);
        back(loss_of(rows));
    }
    expect_same_bits(false);
}

static reel_var halve_rows(reel_tape *tape, reel_var rows, reel_var each, void *user)
{
    int64_t *seen = user;
    *seen += reel_numel(tape, rows);
    cr_assert_eq(reel_size(tape, each, 0), reel_numel(tape, rows));
    cr_assert_eq(reel_size(tape, each, 1), COLUMNS);
    const int64_t *row = reel_data_int64(tape, rows);
    for (int64_t i = 1; i < reel_numel(tape, rows); i++)
        cr_assert_lt(row[i - 1], row[i]);
    return reel_mul_scalar(tape, each, 0.5);
}

Test(row_grads, stay_rows_through_row_hooks)
{
    int64_t seen = 0, seen_of_dense = 0;
    reel_register_row_hook(t, reel_param_var(t, sparse), halve_rows, &seen);
    reel_register_row_hook(t, reel_param_var(t, sparse), halve_rows, &seen);
    reel_register_row_hook(t, reel_param_var(t, dense), halve_rows, &seen_of_dense);
    reel_register_hook(t, reel_param_var(t, dense), halve, NULL);
    back(loss_of(look_up(sparse, 0, 300)));
    back(loss_of(look_up(dense, 0, 300)));
    expect_same_bits(true);
    cr_expect_eq(seen, 2 * 16, "%lld", (long long)seen);
    cr_expect_eq(seen_of_dense, 16, "%lld", (long long)seen_of_dense);
    cr_expect_eq(reel_tape_stats(t).densified, 0);
    back(reel_sum_all(t, reel_param_var(t, dense)));
    cr_expect_eq(seen_of_dense, 16 + ROWS);
    reel_var scalar = reel_sum_all(t, reel_param_var(t, dense));
    cr_expect_eq(reel_register_row_hook(t, scalar, halve_rows, &seen), REEL_ERROR_ARGUMENT);
    reel_clear_error(c);
}

Test(row_grads, do_not_depend_on_threads)
{
    static reel_real first[ROWS * COLUMNS];
    for (int threads = 1; threads <= 4; threads++) {
        reel_set_num_threads(c, threads);
        reel_zero_grad(params);
        back(loss_of(look_up(sparse, 0, LOOKUPS)));
        if (threads == 1)
            memcpy(first, reel_param_grad(sparse), sizeof first);
        cr_expect_arr_eq(reel_param_grad(sparse), first, sizeof first);
        reel_tape_reset(t);
    }
}

static void expect_printed(reel_param *param, const char *text)
{
    char got[512] = "";
    FILE *file = tmpfile();
    cr_assert_not_null(file);
    cr_assert_eq(reel_print_grad(file, param), REEL_OK, "%s", reel_error(c));
    rewind(file);
    size_t n = fread(got, 1, sizeof got - 1, file);
    got[n] = '\0';
    fclose(file);
    cr_expect_str_eq(got, text);
}

/* PyTorch's words for the same gradients; reel_f64 adds the type as PyTorch does for float64. */
Test(row_grads, are_printed_as_sparse_tensors)
{
    const int64_t index[] = {1, 4, 1};
    reel_param *p = reel_param_new(params, "p", REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(6, 2));
    expect_printed(p, "None\n");
    for (int rows = 1; rows >= 0; rows--) {
        reel_param_set_sparse(p, rows);
        reel_zero_grad(params);
        back(reel_sum_all(
            t, reel_embedding(t, reel_param_var(t, p), reel_tensor_of(t, REEL_INT64, index, REEL_SHAPE(3)), NULL)));
#ifdef REEL_F64
#define TYPE ", dtype=torch.float64"
#else
#define TYPE
#endif
        expect_printed(p, rows ? "tensor(indices=tensor([[1, 4]]),\n"
                                 "       values=tensor([[2., 2.],\n"
                                 "                      [1., 1.]]),\n"
                                 "       size=(6, 2), nnz=2" TYPE ", layout=torch.sparse_coo)\n"
                               : "tensor([[0., 0.],\n"
                                 "        [2., 2.],\n"
                                 "        [0., 0.],\n"
                                 "        [0., 0.],\n"
                                 "        [1., 1.],\n"
                                 "        [0., 0.]]" TYPE ")\n");
    }
    reel_param_set_sparse(p, true);
    reel_zero_grad(params);
    back(reel_sum_all(
        t, reel_embedding(t, reel_param_var(t, p), reel_tensor_of(t, REEL_INT64, index, REEL_SHAPE(0)), NULL)));
    expect_printed(p, "tensor(indices=tensor([], size=(1, 0)),\n"
                      "       values=tensor([], size=(0, 2)),\n"
                      "       size=(6, 2), nnz=0" TYPE ", layout=torch.sparse_coo)\n");
}

/* Padding, scaling by frequency, no lookups, nothing but padding, one row hit by all: for any number of threads the
 * bits of the dense gradient on one thread. */
Test(row_grads, of_any_lookup_are_the_dense_gradient)
{
    enum { MOST = 700 };
    int64_t some[MOST], same[MOST], padding[MOST];
    for (int i = 0; i < MOST; i++) {
        some[i] = i * i % ROWS;
        same[i] = 11;
        padding[i] = 3;
    }
    const struct {
        const int64_t *index;
        int count;
    } lookups[] = {{some, MOST}, {some, 1}, {some, 0}, {same, MOST}, {padding, MOST}, {padding, 0}};
    for (size_t k = 0; k < sizeof lookups / sizeof *lookups; k++)
        for (int options = 0; options < 4; options++) {
            reel_embedding_lookup_options lookup = reel_embedding_lookup_defaults();
            lookup.padding_idx = options & 1 ? 3 : REEL_NO_PADDING;
            lookup.scale_grad_by_freq = options & 2;
            for (int threads = 0; threads <= 4; threads++) {
                reel_param *p = threads == 0 ? dense : sparse;
                reel_set_num_threads(c, threads == 0 ? 1 : threads);
                reel_var index = reel_borrow_of(t, REEL_INT64, lookups[k].index, REEL_SHAPE(lookups[k].count));
                back(loss_of(reel_embedding(t, reel_param_var(t, p), index, &lookup)));
                if (threads == 0)
                    continue;
                reel_row_grad g;
                cr_assert_eq(reel_param_row_grad(sparse, &g), REEL_OK);
                bool nothing = lookups[k].count == 0 || (lookups[k].index == padding && options & 1);
                cr_expect_eq(g.count == 0, nothing);
                cr_expect_arr_eq(reel_param_grad(sparse), reel_param_grad(dense), sizeof values);
                if (threads < 4) {
                    reel_real *kept = malloc(sizeof values);
                    cr_assert_not_null(kept);
                    memcpy(kept, reel_param_grad(dense), sizeof values);
                    reel_zero_grad(params);
                    reel_param_set_grad(dense, kept);
                    free(kept);
                }
            }
            reel_zero_grad(params);
            reel_tape_reset(t);
        }
}

/* Row numbers that leave no room for a place beside them in one word. */
Test(row_grads, of_rows_with_large_numbers_are_grouped)
{
    const reel_op *op = reel_op_find("frequency_weights");
    static const int64_t index[] = {INT64_MAX - 1, 5, INT64_MAX - 1, INT64_MAX - 2, 5, INT64_MAX - 1};
    const reel_real want[] = {(reel_real)1 / 3, (reel_real)0.5, (reel_real)1 / 3, 1, (reel_real)0.5, (reel_real)1 / 3};
    reel_var of = reel_borrow_of(t, REEL_INT64, index, REEL_SHAPE(6));
    reel_var weights = reel_apply1(t, op, &of, 1, NULL);
    cr_assert_eq(reel_context_status(c), REEL_OK, "%s", reel_error(c));
    cr_expect_arr_eq(reel_data_real(t, weights), want, sizeof want);
}

/* The conditional GAN's tables: few rows, many lookups, most of them of one row. */
Test(row_grads, of_few_rows_and_many_lookups)
{
    enum { FEW = 10, MANY = 65536, WIDTH = 7 };
    static int64_t index[MANY];
    static reel_real factors[MANY * WIDTH], first[FEW * WIDTH];
    for (int i = 0; i < MANY; i++)
        index[i] = i % 3 ? 4 : i * 7 % FEW;
    for (int i = 0; i < MANY * WIDTH; i++)
        factors[i] = (reel_real)((int64_t)i * 7919 % 1009) / 1009 - (reel_real)0.4;
    reel_param *small[2];
    for (int k = 0; k < 2; k++)
        small[k] = reel_param_new(params, k ? "small and dense" : "small and sparse", REEL_PARAM_TRAINED, REEL_REAL,
                                  REEL_SHAPE(FEW, WIDTH));
    reel_param_set_sparse(small[0], true);
    for (int threads = 1; threads <= 4; threads++)
        for (int count = 64; count <= MANY; count *= 32) {
            reel_set_num_threads(c, threads);
            reel_zero_grad(params);
            for (int k = 0; k < 2; k++) {
                reel_var rows = reel_embedding(t, reel_param_var(t, small[k]),
                                               reel_borrow_of(t, REEL_INT64, index, REEL_SHAPE(count)), NULL);
                back(reel_sum_all(t, reel_mul(t, rows, reel_borrow(t, factors, REEL_SHAPE(count, WIDTH)))));
            }
            const reel_real *grad = reel_param_grad(small[1]);
            cr_assert_arr_eq(reel_param_grad(small[0]), grad, sizeof first);
            if (threads == 1 && count == MANY)
                memcpy(first, grad, sizeof first);
            if (count == MANY)
                cr_assert_arr_eq(grad, first, sizeof first);
            reel_tape_reset(t);
        }
    for (int j = 0; j < WIDTH; j++) {
        double sum = 0;
        for (int i = 0; i < MANY; i++)
            sum += index[i] == 4 ? (double)factors[i * WIDTH + j] : 0;
        cr_expect_float_eq((double)first[4 * WIDTH + j], sum, 1e-5 * fabs(sum) + 1e-2);
    }
}

Test(row_grads, survive_the_tape_or_go_with_the_set)
{
    reel_tape *other = reel_tape_new(c);
    reel_tape *first = t;
    back(loss_of(look_up(sparse, 0, 300)));
    t = other;
    back(loss_of(look_up(sparse, 100, 300))); /* pending on another tape now */
    reel_tape_free(other);
    t = first;
    back(loss_of(look_up(dense, 0, 300)));
    back(loss_of(look_up(dense, 100, 300)));
    expect_same_bits(true);
    back(loss_of(look_up(sparse, 0, 300))); /* pending while the set goes */
    reel_params_free(params);
    params = NULL;
    cr_expect_null(t->pending);
    reel_tape_reset(t);
}

Test(row_grads, are_not_lost_when_memory_runs_out)
{
    back(loss_of(look_up(dense, 0, LOOKUPS)));
    back(loss_of(look_up(sparse, 0, LOOKUPS)));
    int failures = 0;
    for (int64_t k = 0;; k++) {
        counted.fail_at = counted.calls + k;
        reel_status status = reel_tape_reset(t);
        counted.fail_at = -1;
        if (status == REEL_OK)
            break;
        failures++;
        cr_expect_eq(status, REEL_ERROR_OUT_OF_MEMORY);
        reel_clear_error(c);
        cr_assert_lt(k, 20);
    }
    cr_expect_gt(failures, 0);
    expect_same_bits(true);
}

Test(row_grads, cost_nothing_for_rows_that_are_not_looked_up)
{
    reel_param *large = reel_param_new(params, "large", REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(400000, COLUMNS));
    reel_param_set_sparse(large, true);
    size_t before = counted.bytes;
    for (int step = 0; step < 4; step++) {
        back(loss_of(look_up(large, 0, 100)));
        reel_tape_reset(t);
    }
    cr_expect_lt(counted.bytes - before, (size_t)1 << 20);
    reel_row_grad g;
    cr_expect_eq(reel_param_row_grad(large, &g), REEL_OK);
    cr_expect_lt(g.count, 40);
}

/* ---- From outside ---- */

/* In any order, rows that come twice, more of one row than a block of the sum holds: what a lookup would leave. */
Test(row_grads, from_outside_are_summed_like_lookups)
{
    reel_real *each = malloc(LOOKUPS * COLUMNS * sizeof *each);
    cr_assert_not_null(each);
    for (int i = 0; i < LOOKUPS * COLUMNS; i++)
        each[i] = (reel_real)(0.3 * (i % 23) - 2);
    reel_var weights = reel_tensor(t, each, REEL_SHAPE(LOOKUPS, COLUMNS));
    back(reel_sum_all(t, reel_mul(t, look_up(dense, 0, LOOKUPS), weights)));
    for (int threads = 1; threads <= 3; threads++) {
        reel_set_num_threads(c, threads);
        back(loss_of(look_up(sparse, 0, 200))); /* replaced */
        cr_assert_eq(reel_param_set_row_grad(sparse, LOOKUPS, indices, each), REEL_OK, "%s", reel_error(c));
        expect_same_bits(true);
    }
    int64_t calls = counted.calls;
    cr_assert_eq(reel_param_set_row_grad(sparse, LOOKUPS, indices, each), REEL_OK);
    cr_expect_eq(counted.calls, calls, "the second time nothing is allocated");
    free(each);
    /* More can be added, and it outlives the tape. */
    back(loss_of(look_up(sparse, 0, 200)));
    back(loss_of(look_up(dense, 0, 200)));
    expect_same_bits(true);
    reel_tape_reset(t);
    expect_same_bits(true);
}

Test(row_grads, from_outside_are_checked)
{
    const int64_t below[] = {2, -1}, above[] = {2, ROWS}, good[] = {4};
    reel_row_grad g;
    cr_assert_eq(reel_param_set_row_grad(sparse, 1, good, values), REEL_OK);
    const struct {
        reel_param *param;
        int64_t count;
        const int64_t *rows;
        const reel_real *values;
        reel_status status;
        const char *says;
    } refused[] = {
        {sparse, 2, below, values, REEL_ERROR_INDEX, "row -1 at position [1] is outside 0..36"},
        {sparse, 2, above, values, REEL_ERROR_INDEX, "row 37 at position [1] is outside 0..36"},
        {sparse, -1, good, values, REEL_ERROR_ARGUMENT, "a gradient of -1 rows"},
        {sparse, 1, NULL, values, REEL_ERROR_ARGUMENT, "1 rows from NULL"},
        {sparse, 1, good, NULL, REEL_ERROR_ARGUMENT, "1 rows from NULL"},
        {dense, 1, good, values, REEL_ERROR_STATE, "\"dense\": its gradients are dense"},
        {reel_param_new(params, "b", REEL_PARAM_BUFFER, REEL_REAL, REEL_SHAPE(3)), 1, good, values, REEL_ERROR_ARGUMENT,
         "buffer \"b\" has no gradient"},
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        cr_expect_eq(reel_param_set_row_grad(refused[i].param, refused[i].count, refused[i].rows, refused[i].values),
                     refused[i].status);
        cr_expect(strstr(reel_error(c), refused[i].says), "\"%s\" does not say \"%s\"", reel_error(c), refused[i].says);
        reel_clear_error(c);
    }
    cr_assert_eq(reel_param_row_grad(sparse, &g), REEL_OK);
    cr_expect(g.count == 1 && g.rows[0] == 4, "what is refused changes nothing");
    cr_expect_eq(reel_param_set_row_grad(sparse, 1, good, g.values), REEL_ERROR_ARGUMENT);
    reel_clear_error(c);
    cr_expect_eq(reel_param_set_row_grad(NULL, 1, good, values), REEL_ERROR_ARGUMENT);

    cr_assert_eq(reel_param_set_row_grad(sparse, 0, NULL, NULL), REEL_OK);
    cr_assert_eq(reel_param_row_grad(sparse, &g), REEL_OK);
    cr_expect_eq(g.count, 0);
    cr_expect_not_null(reel_param_grad(sparse), "no rows, but a gradient");
    reel_param_set_grad(sparse, NULL);
    cr_expect_null(reel_param_grad(sparse));
}

Test(row_grads, from_outside_are_not_half_set_when_memory_runs_out)
{
    const int64_t one[] = {4};
    int failures = 0;
    for (int64_t k = 0;; k++) {
        cr_assert_eq(reel_param_set_row_grad(sparse, 1, one, values), REEL_OK);
        reel_scratch_free(&c->scratch);
        reel_scratch_init(&c->scratch, &c->memory);
        counted.fail_at = counted.calls + k;
        reel_status status = reel_param_set_row_grad(sparse, ROWS, indices, values);
        counted.fail_at = -1;
        reel_clear_error(c);
        reel_row_grad g;
        cr_assert_eq(reel_param_row_grad(sparse, &g), REEL_OK);
        cr_assert_eq(g.count, status == REEL_OK ? 16 : 1, "allocation %lld", (long long)k);
        if (status == REEL_OK)
            break;
        failures++;
    }
    cr_expect_geq(failures, 2);
}
