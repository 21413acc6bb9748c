/* Embedding: padding, max_norm, row-sparse gradients. */
#include "helpers.h"
#include "support/fixture.h"

#include "golden/modules.h"

TestSuite(embedding, .init = set_up, .fini = tear_down);

static const reel_real *const table = golden_max_norm; /* [6, 4] */

static reel_embedding_options pretrained(void)
{
    reel_embedding_options o = reel_embedding_defaults();
    o.from_pretrained = table;
    return o;
}

Test(embedding, looks_up_rows_of_any_shape)
{
    reel_embedding_options o = pretrained();
    reel_module *m = reel_embedding_new(p, "e", 6, 4, &o);
    const int64_t wide[] = {5, 0, 5, 2};
    const int32_t narrow[] = {3};
    reel_var y = reel_forward(t, m, reel_tensor_of(t, REEL_INT64, wide, REEL_SHAPE(2, 2)));
    cr_assert_eq(reel_shape_of(t, y).ndim, 3);
    for (int i = 0; i < 4; i++)
        cr_assert_eq(memcmp(reel_data_real(t, y) + 4 * i, table + 4 * wide[i], 4 * sizeof *table), 0);
    y = reel_forward(t, m, reel_tensor_of(t, REEL_INT32, narrow, REEL_SCALAR));
    cr_assert_eq(reel_shape_of(t, y).ndim, 1);
    cr_assert_eq(memcmp(reel_data_real(t, y), table + 12, 4 * sizeof *table), 0);
}

Test(embedding, from_pretrained_and_freeze)
{
    struct reel_generator before = c->generator;
    reel_embedding_options o = pretrained();
    o.padding_idx = 1;
    reel_embedding_new(p, "frozen", 6, 4, &o);
    o.freeze = false;
    reel_embedding_new(p, "free", 6, 4, &o);
    o.from_pretrained = NULL;
    o.freeze = true;
    cr_assert_eq(memcmp(&before, &c->generator, sizeof before), 0, "nothing is drawn for a given table");
    reel_embedding_new(p, "drawn", 6, 4, &o);
    cr_assert_eq(reel_param_kind_of(reel_params_find(p, "frozen.weight")), REEL_PARAM_FROZEN);
    cr_assert_eq(reel_param_kind_of(reel_params_find(p, "free.weight")), REEL_PARAM_TRAINED);
    cr_assert_eq(reel_param_kind_of(reel_params_find(p, "drawn.weight")), REEL_PARAM_TRAINED);
    cr_assert_eq(memcmp(param_data(p, "frozen.weight"), table, 24 * sizeof *table), 0);
    const reel_real *drawn = param_data(p, "drawn.weight");
    cr_assert(drawn[4] == 0 && drawn[7] == 0 && drawn[8] != 0, "the padding row starts as zeros");
}

Test(embedding, a_bad_index_is_named_and_changes_nothing)
{
    reel_embedding_options o = pretrained();
    o.max_norm = 0.1;
    reel_module *m = reel_embedding_new(p, "label", 6, 4, &o);
    const int64_t bad[] = {0, 1, 2, 6}, negative[] = {0, -1};
    cr_assert(reel_is_null(reel_forward(t, m, reel_tensor_of(t, REEL_INT64, bad, REEL_SHAPE(4)))));
    cr_assert_str_eq(reel_error(c), "embedding \"label\": index 6 at position [3] is outside 0..5");
    expect_error(c, REEL_ERROR_INDEX, "label");
    cr_assert(reel_is_null(reel_forward(t, m, reel_tensor_of(t, REEL_INT64, negative, REEL_SHAPE(1, 2)))));
    expect_error(c, REEL_ERROR_INDEX, "embedding \"label\": index -1 at position");
    cr_assert(reel_is_null(reel_forward(t, m, reel_ones(t, REEL_SHAPE(2)))));
    expect_error(c, REEL_ERROR_DTYPE, "\"label\"");
    cr_assert_eq(memcmp(param_data(p, "label.weight"), table, 24 * sizeof *table), 0);
}

Test(embedding, max_norm_scales_rows_as_in_pytorch)
{
    const reel_real *golden = golden_max_norm + 24;
    for (size_t k = 0; k < COUNT(golden_norm_types); k++) {
        reel_params *q = reel_params_new(c);
        reel_embedding_options o = pretrained();
        o.max_norm = 1.5;
        o.norm_type = golden_norm_types[k];
        reel_module *m = reel_embedding_new(q, "e", 6, 4, &o);
        const int64_t indices[] = {5, 1, 1, 3};
        const reel_param *weight = reel_params_find(q, "e.weight");
        uint64_t version = weight->version;
        reel_var y = reel_forward(t, m, reel_tensor_of(t, REEL_INT64, indices, REEL_SHAPE(4)));
        OK(c);
        const reel_real *got = weight->data;
        for (int i = 0; i < 4; i++)
            cr_assert_eq(memcmp(reel_data_real(t, y) + 4 * i, got + 4 * indices[i], 4 * sizeof *got), 0,
                         "the lookup has the scaled rows");
        cr_assert(weight->version == version + 1, "one change");
        expect_near("the table", got, &golden, 24, 2);
        reel_params_free(q);
    }
    cr_assert_eq(golden - golden_max_norm, (ptrdiff_t)COUNT(golden_max_norm));
}

Test(embedding, max_norm_changes_nothing_that_is_short)
{
    reel_embedding_options o = pretrained();
    o.max_norm = 100;
    reel_module *m = reel_embedding_new(p, "e", 6, 4, &o);
    reel_param *weight = reel_params_find(p, "e.weight");
    uint64_t version = weight->version;
    uint64_t operations = reel_tape_stats(t).operations;
    reel_forward(t, m, reel_arange_int64(t, 0, 6, 1));
    OK(c);
    cr_assert_eq(weight->version, version);
    cr_assert(reel_tape_stats(t).operations <= operations + 2, "looked up once");
    cr_assert_eq(memcmp(weight->data, table, 24 * sizeof *table), 0);

    reel_real with_nan[24];
    memcpy(with_nan, table, sizeof with_nan);
    with_nan[0] = NAN;
    reel_param_set(weight, with_nan);
    reel_forward(t, m, reel_arange_int64(t, 0, 6, 1));
    OK(c);
    cr_assert_eq(memcmp(weight->data, with_nan, sizeof with_nan), 0);
}

static reel_module *limited(reel_params *params, double max_norm, bool differentiable)
{
    reel_embedding_options o = pretrained();
    o.freeze = false;
    o.max_norm = max_norm;
    o.differentiable_max_norm = differentiable;
    return reel_embedding_new(params, "e", 6, 4, &o);
}

static reel_var indices(int64_t a, int64_t b, int64_t d)
{
    return reel_tensor_of(t, REEL_INT64, (int64_t[]){a, b, d}, REEL_SHAPE(3));
}

/* Accumulates the gradients of the sum of y, and of a function of its gradient with respect to xs, so that their rules
 * are differentiated too. */
static void both_orders(reel_var y, const reel_var *xs, int n, reel_params *params)
{
    reel_var grads[4], loss = reel_sum_all(t, y);
    cr_assert_eq(reel_grad(t, loss, xs, n, REEL_GRAD_CREATE_GRAPH, grads), REEL_OK, "%s", reel_error(c));
    for (int i = 0; i < n; i++)
        loss = reel_add(t, loss, reel_sum_all(t, reel_mul(t, grads[i], reel_square(t, grads[i]))));
    cr_assert_eq(reel_backward(t, loss, params), REEL_OK, "%s", reel_error(c));
}

/* The gradients of params that stand for the table at different times, summed. */
static void expect_gradient_sum(reel_param *weight, reel_params *parts)
{
    const reel_real *got = reel_param_grad(weight);
    cr_assert_not_null(got);
    for (int64_t i = 0; i < weight->numel; i++) {
        double sum = 0, size = 1;
        for (int k = 0; k < reel_params_count(parts); k++) {
            const reel_real *part = reel_param_grad(reel_params_at(parts, k));
            sum += part ? (double)part[i] : 0;
            size += part ? fabs((double)part[i]) : 0;
        }
        cr_assert(fabs((double)got[i] - sum) <= (sizeof *got == 4 ? 1e-6 : 1e-15) * size,
                  "element %d: %.17g, the sum is %.17g", (int)i, (double)got[i], sum);
    }
}

/* Two lookups in a graph, of which the second shortens a row that the first had too. */
Test(embedding, max_norm_between_two_lookups)
{
    reel_module *m = limited(p, 0.5, false);
    reel_param *weight = reel_params_find(p, "e.weight");
    reel_params *parts = reel_params_new(c);
    reel_var first = reel_param_var(t, weight);
    reel_var once = reel_forward(t, m, indices(1, 1, 4));
    reel_var middle = reel_param_var(t, weight);
    reel_param *a = param_with(parts, "a", REEL_SHAPE(6, 4), weight->data);
    reel_real *longer = reel_param_write(weight); /* as an optimizer might */
    for (int j = 0; j < 8; j++)
        longer[j] *= 3;
    reel_var twice = reel_forward(t, m, indices(0, 1, 5));
    reel_var last = reel_param_var(t, weight);
    reel_param *b = param_with(parts, "b", REEL_SHAPE(6, 4), weight->data);
    cr_assert(first.number != middle.number && middle.number != last.number);
    both_orders(reel_mul(t, reel_square(t, once), twice), (reel_var[]){middle, last}, 2, p);

    reel_var va = reel_param_var(t, a), vb = reel_param_var(t, b);
    reel_var y = reel_mul(t, reel_square(t, reel_embedding(t, va, indices(1, 1, 4), NULL)),
                          reel_embedding(t, vb, indices(0, 1, 5), NULL));
    both_orders(y, (reel_var[]){va, vb}, 2, parts);
    expect_gradient_sum(weight, parts);
    reel_params_free(parts);
}

/* What nn.Embedding's notes warn of: rules that read the table as it was before a lookup shortened rows of it; as
 * itself, through a reshaped alias, and as a constant. */
Test(embedding, max_norm_after_the_table_was_read)
{
    enum { WAYS = 4 };
    static const reel_real factor[] = {1, -2, (reel_real)0.5, 3, (reel_real)0.25, -1, 2, (reel_real)-0.75};
    for (int way = 0; way < WAYS; way++) {
        reel_params *q = reel_params_new(c), *parts = reel_params_new(c);
        reel_module *m = limited(q, 1.5, false);
        reel_param *weight = reel_params_find(q, "e.weight");
        reel_param *w = param_with(q, "w", REEL_SHAPE(4, 2), factor);
        reel_param *a = param_with(parts, "a", REEL_SHAPE(6, 4), table), *b, *v;
        v = param_with(q, "v", REEL_SHAPE(4, 2), factor);
        reel_var sums[2], var = reel_null(), factors = reel_null(), scaled = reel_null();
        for (int reference = 0; reference < 2; reference++) {
            var = reel_param_var(t, reference ? a : weight);
            factors = reel_param_var(t, reference ? v : w);
            reel_var old = way == 1   ? reel_reshape(t, reel_reshape(t, var, REEL_SHAPE(24)), REEL_SHAPE(6, 4))
                           : way == 2 ? reel_detach(t, var)
                                      : var;
            reel_var y = reel_square(t, reel_matmul(t, old, factors));
            if (!reference) {
                const void *before = reel_data(t, var);
                cr_assert(before == weight->data);
                scaled = reel_forward(t, m, indices(1, 5, 1));
                cr_assert(reel_data(t, var) != weight->data, "the old value is a copy now");
                cr_assert_eq(memcmp(reel_data(t, var), table, 24 * sizeof *table), 0);
                cr_assert_neq(memcmp(weight->data, table, 24 * sizeof *table), 0);
                reel_var now = reel_param_var(t, weight);
                cr_assert(now.number != var.number && reel_data(t, now) == weight->data);
                cr_assert_eq(reel_forward(t, m, indices(1, 5, 1)).generation, now.generation);
            } else {
                b = param_with(parts, "b", REEL_SHAPE(6, 4), weight->data);
                scaled = reel_embedding(t, reel_param_var(t, b), indices(1, 5, 1), NULL);
            }
            if (way == 3) /* recorded after the change, of the var made before */
                y = reel_add(t, y, reel_matmul(t, reel_square(t, var), factors));
            sums[reference] = reel_add(t, reel_sum_all(t, y), reel_sum_all(t, reel_square(t, scaled)));
            /* With the table constant there is no second derivative with respect to it. */
            both_orders(sums[reference], (reel_var[]){factors, var}, way == 2 ? 1 : 2, reference ? NULL : q);
            if (!reference)
                cr_assert_eq(memcmp(reel_data(t, var), table, 24 * sizeof *table), 0);
        }
        cr_assert_eq(reel_item(t, sums[0]), reel_item(t, sums[1]));
        expect_gradient_sum(weight, parts);
        cr_assert_eq(memcmp(reel_param_grad(w), reel_param_grad(v), 8 * sizeof *table), 0, "way %d", way);
        reel_tape_reset(t);
        reel_params_free(parts);
        reel_params_free(q);
    }
}

Test(embedding, max_norm_copies_nothing_that_no_rule_reads)
{
    reel_module *m = limited(p, 1.5, false);
    reel_param *weight = reel_params_find(p, "e.weight");
    reel_var var = reel_param_var(t, weight);
    reel_var sum = reel_add(t, reel_sum_all(t, var), reel_sum_all(t, reel_forward(t, m, indices(0, 2, 2))));
    sum = reel_add(t, sum, reel_sum_all(t, reel_forward(t, m, indices(1, 5, 1))));
    cr_assert(reel_data(t, var) == weight->data);
    cr_assert_eq(reel_backward(t, sum, p), REEL_OK, "%s", reel_error(c));
    for (int i = 0; i < 24; i++) {
        static const reel_real want[] = {2, 3, 3, 1, 1, 2};
        cr_assert_eq(reel_param_grad(weight)[i], want[i / 4]);
    }
}

/* A change that nobody prepares for is still refused. */
Test(embedding, other_changes_of_a_table_that_was_read_are_refused)
{
    limited(p, 1.5, false);
    reel_param *weight = reel_params_find(p, "e.weight");
    reel_var y = reel_sum_all(t, reel_square(t, reel_param_var(t, weight)));
    reel_param_set(weight, table);
    cr_assert_eq(reel_backward(t, y, p), REEL_ERROR_STATE);
    expect_error(c, REEL_ERROR_STATE, "e.weight");
}

Test(embedding, differentiable_max_norm)
{
    const reel_real *golden = golden_max_norm + 24;
    for (size_t k = 0; k < COUNT(golden_norm_types); k++, golden += 24) {
        reel_params *q = reel_params_new(c);
        reel_embedding_options o = pretrained();
        o.freeze = false;
        o.max_norm = 1.5;
        o.norm_type = golden_norm_types[k];
        o.differentiable_max_norm = true;
        reel_module *m = reel_embedding_new(q, "e", 6, 4, &o);
        reel_param *weight = reel_params_find(q, "e.weight");
        const int64_t rows[] = {5, 1, 1, 3};
        reel_var x = reel_tensor_of(t, REEL_INT64, rows, REEL_SHAPE(2, 2)), y = reel_forward(t, m, x);
        cr_assert_eq(reel_shape_of(t, y).ndim, 3, "%s", reel_error(c));
        cr_assert_eq(memcmp(weight->data, table, 24 * sizeof *table), 0, "the table stays");
        for (int i = 0; i < 4; i++) {
            const reel_real *want = golden + 4 * rows[i];
            expect_near("a row", reel_data_real(t, y) + 4 * i, &want, 4, 4);
        }
        cr_assert_eq(reel_backward(t, reel_sum_all(t, reel_square(t, y)), q), REEL_OK, "%s", reel_error(c));
        const reel_real *grad = reel_param_grad(weight);
        for (int i = 0; sizeof *grad == 8 && i < 24; i++) {
            reel_real sums[2], *values = reel_param_write(weight);
            for (int side = 0; side < 2; side++) {
                values[i] = table[i] + (reel_real)(side ? 1e-6 : -1e-6);
                reel_var moved = reel_sum_all(t, reel_square(t, reel_forward(t, m, x)));
                sums[side] = (reel_real)reel_item(t, moved);
            }
            values[i] = table[i];
            double difference = (double)(sums[1] - sums[0]) / 2e-6;
            cr_assert(fabs(difference - (double)grad[i]) < 1e-7 * fmax(1, fabs(difference)),
                      "norm %g, element %d: %g, the difference is %g", o.norm_type, i, (double)grad[i], difference);
        }
        reel_tape_reset(t);
        reel_params_free(q);
    }
    reel_module *m = limited(p, 1.5, true);
    reel_var none = reel_forward(t, m, reel_tensor_of(t, REEL_INT64, NULL, REEL_SHAPE(2, 0)));
    cr_assert_eq(reel_numel(t, none), 0);
    cr_assert(reel_is_null(reel_forward(t, m, indices(1, 6, 0))));
    expect_error(c, REEL_ERROR_INDEX, "embedding \"e\": index 6");
}

Test(embedding, fast_init_draws_from_the_counter)
{
    struct reel_generator before = c->generator;
    reel_embedding_options o = reel_embedding_defaults();
    o.fast_init = true;
    o.padding_idx = -2;
    reel_embedding_new(p, "a", 50, 3, &o);
    cr_assert_eq(memcmp(&before, &c->generator, sizeof before), 0);
    reel_manual_seed(c, 0);
    reel_param *other = reel_param_new(p, "b", REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(50, 3));
    cr_assert_eq(reel_init_normal_fast(other, 0, 1), REEL_OK);
    memset((reel_real *)reel_param_write(other) + 48 * 3, 0, 3 * sizeof(reel_real));
    cr_assert_eq(memcmp(param_data(p, "a.weight"), other->data, 150 * sizeof(reel_real)), 0);
}

Test(embedding, out_of_memory_leaves_the_table)
{
    struct failing f;
    reel_context *failing = failing_context(&f);
    reel_params *q = reel_params_new(failing);
    reel_embedding_options o = pretrained();
    o.max_norm = 0.5;
    reel_module *m = reel_embedding_new(q, "e", 6, 4, &o);
    reel_param *weight = reel_params_find(q, "e.weight");
    uint64_t version = weight->version;
    static int64_t indices[20000];
    for (int i = 0; i < 20000; i++)
        indices[i] = i % 5;
    int failures = 0;
    for (int64_t k = 0;; k++) {
        reel_tape *tape = reel_tape_new(failing);
        reel_var x = reel_borrow_of(tape, REEL_INT64, indices, REEL_SHAPE(20000));
        f.count = 0;
        f.fail_at = k;
        reel_var y = reel_forward(tape, m, x);
        f.fail_at = -1;
        reel_tape_free(tape);
        if (!reel_is_null(y))
            break;
        failures++;
        expect_error(failing, REEL_ERROR_OUT_OF_MEMORY, "out of memory");
        cr_assert_eq(memcmp(weight->data, table, 24 * sizeof *table), 0);
        cr_assert_eq(weight->version, version);
    }
    cr_assert(failures >= 3);
    cr_assert_neq(memcmp(weight->data, table, 20 * sizeof *table), 0);
    cr_assert_eq(memcmp((reel_real *)weight->data + 20, table + 20, 4 * sizeof *table), 0, "row 5 was not looked up");
    reel_params_free(q);
    reel_context_free(failing);
    cr_assert_eq(f.live, 0);
}

Test(embedding, gradients_are_those_of_pytorch)
{
    static const struct {
        int64_t padding;
        bool scale;
    } cases[] = {{REEL_NO_PADDING, false}, {2, false}, {REEL_NO_PADDING, true}, {0, true}, {-4, false}};
    const int64_t indices[] = {2, 4, 2, 0, 2};
    for (size_t k = 0; k < COUNT(cases); k++)
        for (int sparse = 0; sparse < 2; sparse++) {
            reel_params *q = reel_params_new(c);
            reel_embedding_options o = pretrained();
            o.freeze = false;
            o.padding_idx = cases[k].padding;
            o.scale_grad_by_freq = cases[k].scale;
            o.sparse = sparse;
            reel_module *m = reel_embedding_new(q, "e", 6, 4, &o);
            reel_param *weight = reel_params_find(q, "e.weight");
            reel_var y = reel_forward(t, m, reel_tensor_of(t, REEL_INT64, indices, REEL_SHAPE(5)));
            cr_assert_eq(reel_backward(t, reel_sum_all(t, reel_square(t, y)), q), REEL_OK, "%s", reel_error(c));
            if (sparse) {
                reel_row_grad rows;
                cr_assert_eq(reel_param_row_grad(weight, &rows), REEL_OK, "%s", reel_error(c));
                cr_assert(rows.count <= 3);
            }
            /* The last case is the second in other words. */
            const reel_real *golden = golden_embedding_grads + 24 * (k == 4 ? 1 : k);
            expect_near("the gradient", reel_param_grad(weight), &golden, 24, 4);
            reel_tape_reset(t);
            reel_params_free(q);
        }
}
