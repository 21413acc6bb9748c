#include "helpers.h"

#include "golden/modules.h"

static reel_context *c;
static reel_tape *t;
static reel_params *p;

static void set_up(void)
{
    c = reel_context_new(NULL);
    t = reel_tape_new(c);
    p = reel_params_new(c);
}

static void tear_down(void)
{
    reel_tape_free(t);
    reel_params_free(p);
    reel_context_free(c);
}

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
    cr_assert_eq(reel_param_get_kind(reel_params_find(p, "frozen.weight")), REEL_PARAM_FROZEN);
    cr_assert_eq(reel_param_get_kind(reel_params_find(p, "free.weight")), REEL_PARAM_TRAINED);
    cr_assert_eq(reel_param_get_kind(reel_params_find(p, "drawn.weight")), REEL_PARAM_TRAINED);
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
