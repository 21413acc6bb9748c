/* EmbeddingBag against PyTorch and against its parts. */
#include "helpers.h"
#include "support/fixture.h"

#include "golden/embedding_bag.h"

TestSuite(embedding_bag, .init = set_up, .fini = tear_down);

static const reel_bag_mode modes[] = {REEL_BAG_MEAN, REEL_BAG_SUM, REEL_BAG_MAX};

/* ---- Numbers from PyTorch ---- */

static void expect_as_pytorch(size_t k, bool sparse, bool narrow, const reel_real **golden)
{
    enum { ROWS = GOLDEN_BAG_ROWS, COLUMNS = GOLDEN_BAG_COLUMNS, INDICES = GOLDEN_BAG_INDICES };
    reel_params *q = reel_params_new(c);
    reel_embedding_bag_options o = reel_embedding_bag_defaults();
    o.mode = golden_bags[k].mode;
    o.include_last_offset = golden_bags[k].form == LAST_OFFSET;
    o.padding_idx = golden_bags[k].padding;
    o.scale_grad_by_freq = golden_bags[k].scale;
    o.max_norm = golden_bags[k].max_norm ? golden_bag_max_norm : INFINITY;
    o.sparse = sparse;
    o.from_pretrained = golden_bag_table;
    o.freeze = false;
    reel_module *m = reel_embedding_bag_new(q, "e", ROWS, COLUMNS, &o);

    int32_t index32[INDICES], offsets32[COUNT(golden_bag_offsets)];
    for (int i = 0; i < INDICES; i++)
        index32[i] = (int32_t)golden_bag_index[i];
    for (size_t b = 0; b < COUNT(golden_bag_offsets); b++)
        offsets32[b] = (int32_t)golden_bag_offsets[b];
    reel_dtype dtype = narrow ? REEL_INT32 : REEL_INT64;
    bool two = golden_bags[k].form == TWO_AXES;
    reel_shape shape = two ? REEL_SHAPE(3, 3) : REEL_SHAPE(INDICES);
    reel_var index = reel_tensor_of(t, dtype, narrow ? (const void *)index32 : golden_bag_index, shape);
    reel_var offsets = two ? reel_null()
                           : reel_tensor_of(t, dtype, narrow ? (const void *)offsets32 : golden_bag_offsets,
                                            REEL_SHAPE(COUNT(golden_bag_offsets)));
    reel_param *weights = reel_param_new(q, "weights", REEL_PARAM_TRAINED, REEL_REAL, shape);
    reel_param_set(weights, golden_bag_weights);
    reel_var y = reel_embedding_bag_forward(t, m, index, offsets,
                                            golden_bags[k].weighted ? reel_param_var(t, weights) : reel_null());
    reel_var flow = reel_tensor(t, golden_bag_flow, reel_shape_of(t, y));
    cr_assert_eq(reel_backward(t, reel_sum_all(t, reel_mul(t, y, flow)), q), REEL_OK, "%s", reel_error(c));

    char what[96];
    snprintf(what, sizeof what, "case %zu, sparse %d, int32 %d", k, sparse, narrow);
    reel_param *table = reel_params_find(q, "e.weight");
    expect_near(what, reel_data(t, y), golden, reel_numel(t, y), 4);
    expect_near(what, table->data, golden, ROWS * COLUMNS, 2);
    expect_near(what, reel_param_grad(table), golden, ROWS * COLUMNS, 4);
    if (golden_bags[k].weighted)
        expect_near(what, reel_param_grad(weights), golden, INDICES, 4);
    reel_tape_reset(t);
    reel_params_free(q);
}

Test(embedding_bag, values_and_gradients_are_those_of_pytorch)
{
    reel_real numbers[COUNT(golden_bag_numbers)];
    for (size_t i = 0; i < COUNT(numbers); i++)
        numbers[i] = (reel_real)golden_bag_numbers[i];
    for (int variant = 0; variant < 4; variant++) {
        const reel_real *golden = numbers;
        for (size_t k = 0; k < COUNT(golden_bags); k++)
            expect_as_pytorch(k, variant & 1, variant & 2, &golden);
        cr_assert_eq(golden - numbers, (ptrdiff_t)COUNT(numbers));
    }
}

/* ---- Equal bits ---- */

enum { ROWS = 50, COLUMNS = 70, INDICES = 3000, BAGS = 40 };

struct lookup {
    reel_bag_mode mode;
    bool weighted, scale, padding;
};

struct result {
    reel_real y[BAGS * COLUMNS], table[ROWS * COLUMNS], weights[INDICES];
};

/* Bags of any length: one holds a third of all, some hold nothing. */
static void make_bags(int64_t *index, int64_t *offsets)
{
    reel_real numbers[INDICES];
    fill(numbers, INDICES, 7);
    for (int i = 0; i < INDICES; i++) {
        double x = ((double)numbers[i] + 2) / 4;
        index[i] = (int64_t)(x * x * ROWS);
    }
    for (int b = 0; b < BAGS; b++)
        offsets[b] = b < 3 ? 0 : b < 20 ? 1000 + 20 * b : 1000 + 40 * b + b % 3 * 10;
}

static void look_up(struct lookup l, bool sparse, struct result *out)
{
    static int64_t index[INDICES], offsets[BAGS];
    static reel_real table[ROWS * COLUMNS], weights[INDICES], flow[BAGS * COLUMNS];
    make_bags(index, offsets);
    fill(table, ROWS * COLUMNS, 1);
    fill(weights, INDICES, 2);
    fill(flow, BAGS * COLUMNS, 3);
    reel_params *q = reel_params_new(c);
    reel_embedding_bag_options o = reel_embedding_bag_defaults();
    o.mode = l.mode;
    o.scale_grad_by_freq = l.scale;
    o.padding_idx = l.padding ? 0 : REEL_NO_PADDING;
    o.sparse = sparse;
    o.from_pretrained = table;
    o.freeze = false;
    reel_module *m = reel_embedding_bag_new(q, "e", ROWS, COLUMNS, &o);
    reel_param *w = param_with(q, "weights", REEL_SHAPE(INDICES), weights);
    reel_var y = reel_embedding_bag_forward(t, m, reel_borrow_of(t, REEL_INT64, index, REEL_SHAPE(INDICES)),
                                            reel_borrow_of(t, REEL_INT64, offsets, REEL_SHAPE(BAGS)),
                                            l.weighted ? reel_param_var(t, w) : reel_null());
    reel_var loss = reel_sum_all(t, reel_mul(t, y, reel_borrow(t, flow, REEL_SHAPE(BAGS, COLUMNS))));
    cr_assert_eq(reel_backward(t, loss, q), REEL_OK, "%s", reel_error(c));

    reel_param *e = reel_params_find(q, "e.weight");
    cr_assert_eq(reel_tape_stats(t).densified, 0);
    if (sparse) {
        const struct reel_rows *rows = e->gradient.pending->rows;
        cr_assert(!rows->next && rows->count == INDICES);
        cr_assert_eq(rows->source != NULL, l.mode != REEL_BAG_MAX && !l.weighted && !l.scale,
                     "sums and means do not copy the gradient for each index");
        reel_row_grad grad;
        bool used[ROWS] = {false};
        int64_t unique = 0;
        for (int i = 0; i < INDICES; i++) {
            unique += !used[index[i]] && !(l.padding && index[i] == 0);
            used[index[i]] = true;
        }
        cr_assert_eq(reel_param_row_grad(e, &grad), REEL_OK);
        cr_assert_eq(grad.count, unique, "all rows that are looked up and no others");
    }
    memset(out, 0, sizeof *out);
    memcpy(out->y, reel_data(t, y), sizeof out->y);
    memcpy(out->table, reel_param_grad(e), sizeof out->table);
    if (l.weighted)
        memcpy(out->weights, reel_param_grad(w), sizeof out->weights);
    reel_tape_reset(t);
    reel_params_free(q);
}

Test(embedding_bag, sparse_gradients_are_dense_ones_for_any_number_of_threads)
{
    struct result *want = malloc(sizeof *want), *got = malloc(sizeof *got);
    for (int k = 0; k < 24; k++) {
        struct lookup l = {modes[k % 3], k / 3 & 1, k / 6 & 1, k / 12 & 1};
        reel_set_num_threads(c, 1);
        look_up(l, false, want);
        for (int threads = 1; threads <= 4; threads++)
            for (int sparse = 0; sparse < 2; sparse++) {
                reel_set_num_threads(c, threads);
                look_up(l, sparse, got);
                cr_assert_eq(memcmp(want, got, sizeof *want), 0,
                             "mode %d, weighted %d, scaled %d, padding %d, sparse %d, %d threads", (int)l.mode,
                             l.weighted, l.scale, l.padding, sparse, threads);
            }
    }
    free(want);
    free(got);
}

/* ---- The same in other operations ---- */

static reel_var reduce(reel_var rows, reel_bag_mode mode)
{
    int axis = 1;
    if (mode == REEL_BAG_MAX)
        return reel_amax(t, rows, &axis, 1, false);
    return mode == REEL_BAG_SUM ? reel_sum(t, rows, &axis, 1, false) : reel_mean(t, rows, &axis, 1, false);
}

Test(embedding_bag, equals_a_lookup_and_a_reduction)
{
    enum { EACH = 9, MANY = 12 };
    reel_real table[ROWS * COLUMNS], weights[MANY * EACH], flow[MANY * COLUMNS];
    int64_t index[MANY * EACH];
    fill(table, ROWS * COLUMNS, 4);
    fill(weights, MANY * EACH, 5);
    fill(flow, MANY * COLUMNS, 6);
    for (int i = 0; i < MANY * EACH; i++)
        index[i] = (i / EACH * 5 + i % EACH * 7) % ROWS; /* a bag has no row twice, so that no maxima are shared */
    for (size_t mode = 0; mode < COUNT(modes); mode++)
        for (int weighted = 0; weighted < 2; weighted++) {
            reel_var w[2] = {reel_borrow(t, table, REEL_SHAPE(ROWS, COLUMNS)),
                             reel_borrow(t, weights, REEL_SHAPE(MANY, EACH))};
            reel_var x = reel_borrow_of(t, REEL_INT64, index, REEL_SHAPE(MANY, EACH));
            reel_var flows = reel_borrow(t, flow, REEL_SHAPE(MANY, COLUMNS)), grads[2][2];
            reel_embedding_bag_lookup_options o = reel_embedding_bag_lookup_defaults();
            o.mode = modes[mode];
            reel_var rows = reel_embedding(t, w[0], x, NULL);
            if (weighted)
                rows = reel_mul(t, rows, reel_unsqueeze(t, w[1], 2));
            reel_var y[2] = {reel_embedding_bag(t, w[0], x, reel_null(), weighted ? w[1] : reel_null(), &o),
                             reduce(rows, modes[mode])};
            OK(c);
            for (int k = 0; k < 2; k++)
                cr_assert_eq(reel_vjp(t, y[k], flows, w, 1 + weighted, 0, grads[k]), REEL_OK, "%s", reel_error(c));
            const reel_real *want = reel_data_real(t, y[1]);
            expect_near("the bags", reel_data(t, y[0]), &want, MANY * COLUMNS, 16);
            want = reel_data_real(t, grads[1][0]);
            expect_near("the table's gradient", reel_data(t, grads[0][0]), &want, ROWS * COLUMNS, 16);
            want = weighted ? reel_data_real(t, grads[1][1]) : NULL;
            if (weighted)
                expect_near("the weights' gradient", reel_data(t, grads[0][1]), &want, MANY * EACH, 128);
            reel_tape_reset(t);
        }
}

Test(embedding_bag, nan_and_infinity_come_through_wherever_they_are)
{
    const reel_real table[] = {1, NAN, 2, INFINITY, -INFINITY};
    const int64_t index[] = {0, 1, 2, 1, 0, 2, 4, 0, 1, 4, 4, 4, 0, 3, 2};
    for (size_t mode = 0; mode < COUNT(modes); mode++) {
        reel_embedding_bag_lookup_options o = reel_embedding_bag_lookup_defaults();
        o.mode = modes[mode];
        reel_var y =
            reel_embedding_bag(t, reel_tensor(t, table, REEL_SHAPE(5, 1)),
                               reel_tensor_of(t, REEL_INT64, index, REEL_SHAPE(5, 3)), reel_null(), reel_null(), &o);
        const reel_real *got = reel_data_real(t, y);
        cr_assert(isnan(got[0]) && isnan(got[1]) && isnan(got[2]), "mode %zu", mode);
        cr_assert(got[3] == -INFINITY && got[4] == INFINITY, "mode %zu", mode);
    }
}

/* ---- What is refused ---- */

Test(embedding_bag, bad_offsets_and_indices_are_named_and_change_nothing)
{
    static const struct {
        int64_t index[3], offsets[3];
        bool last;
        const char *says;
    } bad[] = {
        {{0, 1, 2}, {1, 2, 3}, false, "offset 1 at position [0] is where the first bag starts, it must be 0"},
        {{0, 1, 2}, {0, 2, 1}, false, "offset 1 at position [2] is less than the one before it, 2"},
        {{0, 1, 2}, {0, -3, 1}, false, "offset -3 at position [1] is less than the one before it, 0"},
        {{0, 1, 2}, {0, INT64_MAX, 1}, false, "at position [1] is behind the end of the index, whose length is 3"},
        {{0, 1, 2}, {0, 1, 4}, false, "offset 4 at position [2] is behind the end of the index, whose length is 3"},
        {{0, 1, 2},
         {0, 1, 2},
         true,
         "offset 2 at position [2] is where the last bag ends, with include_last_offset it must be 3"},
        {{0, 6, 2}, {0, 1, 2}, false, "index 6 at position [1] is outside 0..5"},
        {{0, 1, INT64_MIN}, {0, 1, 2}, false, "index -9223372036854775808 at position [2] is outside 0..5"},
    };
    reel_real table[24];
    fill(table, 24, 9);
    for (size_t k = 0; k < COUNT(bad); k++) {
        reel_params *q = reel_params_new(c);
        reel_embedding_bag_options o = reel_embedding_bag_defaults();
        o.max_norm = 0.1;
        o.from_pretrained = table;
        o.include_last_offset = bad[k].last;
        reel_module *m = reel_embedding_bag_new(q, "label", 6, 4, &o);
        reel_var y =
            reel_embedding_bag_forward(t, m, reel_tensor_of(t, REEL_INT64, bad[k].index, REEL_SHAPE(3)),
                                       reel_tensor_of(t, REEL_INT64, bad[k].offsets, REEL_SHAPE(3)), reel_null());
        cr_assert(reel_is_null(y));
        cr_assert(strncmp(reel_error(c), "embedding_bag \"label\": ", 23) == 0, "%s", reel_error(c));
        expect_error(c, REEL_ERROR_INDEX, bad[k].says);
        cr_assert_eq(memcmp(param_data(q, "label.weight"), table, sizeof table), 0);
        reel_params_free(q);
    }
    reel_module *m = reel_embedding_bag_new(p, "label", 6, 4, NULL);
    const int64_t two[] = {0, 1, 2, 7};
    cr_assert(reel_is_null(reel_forward(t, m, reel_tensor_of(t, REEL_INT64, two, REEL_SHAPE(2, 2)))));
    cr_assert_str_eq(reel_error(c), "embedding_bag \"label\": index 7 at position [1, 1] (flat 3) is outside 0..5");
    reel_clear_error(c);
}

Test(embedding_bag, forms_that_do_not_fit_are_refused)
{
    reel_module *m = reel_embedding_bag_new(p, "e", 6, 4, NULL), *plain = reel_embedding_new(p, "plain", 6, 4, NULL);
    reel_var one = reel_arange_int64(t, 0, 6, 1), two = reel_reshape(t, one, REEL_SHAPE(2, 3));
    reel_var start = reel_full_int64(t, REEL_SHAPE(1), 0);
    cr_assert(reel_is_null(reel_forward(t, m, one)));
    expect_error(c, REEL_ERROR_ARGUMENT, "embedding_bag \"e\": no offsets, and an index with 1 axes");
    cr_assert(reel_is_null(reel_embedding_bag_forward(t, m, two, start, reel_null())));
    expect_error(c, REEL_ERROR_ARGUMENT, "offsets, and an index with two axes");
    cr_assert(reel_is_null(reel_embedding_bag_forward(t, m, one, start, reel_ones(t, REEL_SHAPE(2, 3)))));
    expect_error(c, REEL_ERROR_SHAPE, "per_sample_weights [2, 3] is not of the index's shape [6]");
    cr_assert(reel_is_null(reel_embedding_bag_forward(t, plain, two, reel_null(), reel_null())));
    expect_error(c, REEL_ERROR_ARGUMENT, "forward \"plain\": 3 inputs, the module takes 1 to 1");
    cr_assert(reel_is_null(reel_embedding_bag_forward(t, NULL, two, reel_null(), reel_null())));
    expect_error(c, REEL_ERROR_ARGUMENT, "NULL");
    cr_assert(reel_is_null(reel_embedding_bag_forward(NULL, m, two, reel_null(), reel_null())));
    cr_assert(reel_is_null(reel_embedding_bag(NULL, two, two, reel_null(), reel_null(), NULL)));
    reel_embedding_bag_lookup_options lookup = reel_embedding_bag_lookup_defaults();
    lookup.padding_idx = 3;
    cr_assert(reel_is_null(reel_embedding_bag(t, reel_ones(t, REEL_SHAPE(3, 2)), two, start, reel_null(), &lookup)));
    expect_error(c, REEL_ERROR_ARGUMENT, "embedding_bag: padding_idx 3 is outside -3..2");
    /* What failed before is the null var; it must not pass for "no weights". */
    reel_var failed = reel_reshape(t, one, REEL_SHAPE(5));
    cr_assert(reel_is_null(reel_embedding_bag_forward(t, m, one, start, failed)));
    expect_error(c, REEL_ERROR_SHAPE, "reshape");

    reel_embedding_bag_options o = reel_embedding_bag_defaults();
    o.mode = (reel_bag_mode)3;
    cr_assert_null(reel_embedding_bag_new(p, "f", 6, 4, &o));
    expect_error(c, REEL_ERROR_ARGUMENT, "embedding_bag \"f\": mode 3");
    o = reel_embedding_bag_defaults();
    o.padding_idx = 6;
    cr_assert_null(reel_embedding_bag_new(p, "f", 6, 4, &o));
    expect_error(c, REEL_ERROR_ARGUMENT, "\"f\": padding_idx 6 is outside -6..5");
    cr_assert_null(reel_params_find(p, "f.weight"));
    cr_assert_null(reel_embedding_bag_new(NULL, "f", 6, 4, &o));
}

/* ---- The module ---- */

Test(embedding_bag, draws_what_an_embedding_draws)
{
    reel_embedding_options e = reel_embedding_defaults();
    reel_embedding_bag_options o = reel_embedding_bag_defaults();
    e.padding_idx = o.padding_idx = -2;
    reel_manual_seed(c, 3);
    reel_embedding_new(p, "rows", 6, 4, &e);
    reel_manual_seed(c, 3);
    reel_embedding_bag_new(p, "bags", 6, 4, &o);
    OK(c);
    cr_assert_eq(memcmp(param_data(p, "rows.weight"), param_data(p, "bags.weight"), 24 * sizeof(reel_real)), 0);
    cr_assert_eq(((const reel_real *)param_data(p, "bags.weight"))[16], 0);
    o.from_pretrained = param_data(p, "rows.weight");
    reel_embedding_bag_new(p, "frozen", 6, 4, &o);
    cr_assert_eq(reel_param_kind_of(reel_params_find(p, "frozen.weight")), REEL_PARAM_FROZEN);
}

Test(embedding_bag, one_module_takes_any_form_after_another)
{
    reel_module *m = reel_embedding_bag_new(p, "e", 6, 4, NULL);
    reel_var one = reel_arange_int64(t, 0, 6, 1), two = reel_reshape(t, one, REEL_SHAPE(2, 3));
    reel_var starts = reel_arange_int64(t, 0, 6, 3);
    reel_var a = reel_embedding_bag_forward(t, m, one, starts, reel_full(t, REEL_SHAPE(6), 1));
    reel_var b = reel_forward(t, m, two), empty = reel_forward(t, m, reel_full_int64(t, REEL_SHAPE(3, 0), 0));
    OK(c);
    cr_assert_eq(memcmp(reel_data(t, a), reel_data(t, b), 8 * sizeof(reel_real)), 0);
    for (int i = 0; i < 12; i++)
        cr_assert_eq(reel_data_real(t, empty)[i], 0);
}

Test(embedding_bag, out_of_memory_leaves_the_table)
{
    static int64_t index[20000];
    for (int i = 0; i < 20000; i++)
        index[i] = i % 5;
    reel_real table[24];
    fill(table, 24, 10);
    for (size_t mode = 0; mode < COUNT(modes); mode++) {
        struct failing f;
        reel_context *failing = failing_context(&f);
        reel_params *q = reel_params_new(failing);
        reel_embedding_bag_options o = reel_embedding_bag_defaults();
        o.mode = modes[mode];
        o.max_norm = 0.5;
        o.sparse = true;
        o.padding_idx = 1;
        o.from_pretrained = table;
        o.freeze = false;
        reel_module *m = reel_embedding_bag_new(q, "e", 6, 4, &o);
        reel_param *weight = reel_params_find(q, "e.weight");
        int failures = 0;
        for (int64_t k = 0;; k++) {
            reel_tape *tape = reel_tape_new(failing);
            reel_var x = reel_borrow_of(tape, REEL_INT64, index, REEL_SHAPE(2000, 10));
            f.count = 0;
            f.fail_at = k;
            reel_var y = reel_forward(tape, m, x);
            bool forward = !reel_is_null(y);
            reel_backward(tape, reel_sum_all(tape, y), q);
            f.fail_at = -1;
            bool backward = reel_context_status(failing) == REEL_OK;
            if (!forward)
                cr_assert_eq(memcmp(weight->data, table, sizeof table), 0);
            if (!backward)
                expect_error(failing, REEL_ERROR_OUT_OF_MEMORY, "out of memory");
            reel_zero_grad(q);
            reel_tape_free(tape);
            reel_param_set(weight, table);
            if (backward)
                break;
            failures++;
        }
        cr_assert(failures >= 3, "%d", failures);
        reel_params_free(q);
        reel_context_free(failing);
        cr_assert_eq(f.live, 0);
    }
}
