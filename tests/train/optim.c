/* Optimizers against PyTorch, groups, and what must be refused. */
#include "helpers.h"

#include <reel/reel.h>

#include "golden/optimizers.h"

/* In units of the real type's epsilon at the size of the wanted number, but at least 1: params are that large. */
static void expect_near(const char *what, const reel_real *got, const reel_real *want, int64_t n, double units)
{
    double epsilon = sizeof(reel_real) == sizeof(float) ? 0x1p-23 : 0x1p-52;
    for (int64_t i = 0; i < n; i++) {
        double scale = fabs((double)want[i]) > 1 ? fabs((double)want[i]) : 1;
        double error = fabs((double)got[i] - (double)want[i]) / (scale * epsilon);
        cr_assert(error <= units, "%s: element %lld is %.17g, PyTorch gives %.17g (%g units)", what, (long long)i,
                  (double)got[i], (double)want[i], error);
    }
}

Test(optim, steps_are_those_of_pytorch)
{
    for (size_t k = 0; k < COUNT(golden_dense); k++) {
        const struct golden_dense *golden = &golden_dense[k];
        reel_context *c = reel_context_new(NULL);
        reel_params *params = reel_params_new(c);
        reel_param *a = param_with(params, "a", REEL_SHAPE(3, 4), golden_a0);
        reel_param *b = param_with(params, "b", REEL_SHAPE(GOLDEN_B), golden_b0);
        reel_optim *optim = optim_of(params, golden->what, REEL_LAZY);
        OK(c);
        for (int step = 0; step < GOLDEN_STEPS; step++) {
            reel_zero_grad(params);
            reel_param_set_grad(a, golden_a_grads + step * GOLDEN_A);
            if (step != GOLDEN_SKIPPED)
                reel_param_set_grad(b, golden_b_grads + step * GOLDEN_B);
            cr_assert_eq(reel_optim_step(optim), REEL_OK, "%s", reel_error(c));
            if (step != 0 && step != GOLDEN_STEPS - 1)
                continue;
            const reel_real *after = golden->after + (step == 0 ? 0 : GOLDEN_A + GOLDEN_B);
            expect_near(golden->what, reel_param_data(a), after, GOLDEN_A, 4);
            expect_near(golden->what, reel_param_data(b), after + GOLDEN_A, GOLDEN_B, 4);
        }
        reel_optim_free(optim);
        reel_params_free(params);
        reel_context_free(c);
    }
}

Test(optim, every_algorithm_has_golden_steps)
{
    const reel_optim_algorithm *algorithm;
    for (int i = 0; (algorithm = reel_optim_algorithm_at(i)) != NULL; i++) {
        bool found =
            algorithm == &reel_rowwise_adagrad_algorithm; /* which PyTorch does not have; see sparse_update.c */
        for (size_t k = 0; k < COUNT(golden_dense); k++)
            found |= subject_of(golden_dense[k].what).algorithm == algorithm;
        cr_expect(found, "%s", algorithm->name);
    }
}

Test(optim, row_steps_are_those_of_pytorch)
{
    for (size_t k = 0; k < COUNT(golden_sparse); k++) {
        const struct golden_sparse *golden = &golden_sparse[k];
        reel_context *c = reel_context_new(NULL);
        reel_tape *t = reel_tape_new(c);
        reel_params *params = reel_params_new(c);
        reel_param *table = param_with(params, "table", REEL_SHAPE(GOLDEN_ROWS, GOLDEN_COLUMNS), golden_table0);
        reel_param_set_sparse(table, true);
        reel_optim *optim = optim_of(params, golden->what, REEL_LAZY);
        for (int step = 0; step < GOLDEN_STEPS; step++) {
            reel_zero_grad(params);
            add_pass(t, table, golden_indices + step * GOLDEN_OCCURRENCES,
                     golden_row_grads + step * GOLDEN_OCCURRENCES * GOLDEN_COLUMNS, GOLDEN_OCCURRENCES);
            reel_optim_step(optim);
            OK(c);
            reel_tape_reset(t);
        }
        expect_near(golden->what, reel_param_data(table), golden->after, GOLDEN_ROWS * GOLDEN_COLUMNS, 8);
        reel_optim_free(optim);
        reel_tape_free(t);
        reel_params_free(params);
        reel_context_free(c);
    }
}

/* ---- Dense against sparse ---- */

enum { ROWS = 97, COLUMNS = 40, OCCURRENCES = 1500 };

struct run {
    reel_context *c;
    reel_tape *t;
    reel_params *params;
    reel_param *table;
    reel_optim *optim;
};

static struct run start(const char *what, bool sparse, int threads)
{
    static reel_real values[ROWS * COLUMNS];
    struct run r = {.c = reel_context_new(NULL)};
    reel_set_num_threads(r.c, threads);
    r.t = reel_tape_new(r.c);
    r.params = reel_params_new(r.c);
    fill(values, ROWS * COLUMNS, 1);
    r.table = param_with(r.params, "table", REEL_SHAPE(ROWS, COLUMNS), values);
    reel_param_set_sparse(r.table, sparse);
    r.optim = optim_of(r.params, what, REEL_LAZY);
    OK(r.c);
    return r;
}

static void end(struct run *r)
{
    reel_optim_free(r->optim);
    reel_tape_free(r->t);
    reel_params_free(r->params);
    reel_context_free(r->c);
}

/* Indices of one step: every row at least once, or about half of the rows; most occurrences fall on few rows. */
static void draw_indices(int64_t *indices, bool all_rows, uint64_t seed)
{
    reel_real random[OCCURRENCES];
    fill(random, OCCURRENCES, seed);
    for (int i = 0; i < OCCURRENCES; i++) {
        double r = ((double)random[i] + 2) / 4;
        indices[i] = (int64_t)(r * r * r * ROWS / (all_rows ? 1 : 2));
        if (all_rows && i < ROWS)
            indices[i] = i;
    }
    indices[OCCURRENCES - 1] = all_rows ? 3 : -1;
}

static void expect_same_bits(const char *what, const reel_param *a, const reel_param *b)
{
    cr_assert(memcmp(reel_param_data(a), reel_param_data(b), (size_t)a->numel * sizeof(reel_real)) == 0,
              "%s: different bits", what);
}

/* How the row gradient of a step arrives. */
enum arrival { ONE_PASS, KEPT, MIXED };

static void compare(const char *what, bool all_rows, enum arrival arrival)
{
    static reel_real values[OCCURRENCES * COLUMNS];
    static int64_t indices[OCCURRENCES];
    struct run dense = start(what, false, 1), sparse = start(what, true, 2);
    for (int step = 0; step < 4; step++) {
        draw_indices(indices, all_rows, (uint64_t)step + 5);
        fill(values, OCCURRENCES * COLUMNS, (uint64_t)step + 50);
        reel_zero_grad(dense.params);
        reel_zero_grad(sparse.params);
        add_dense(dense.table, indices, values, OCCURRENCES);
        add_pass(sparse.t, sparse.table, indices, values, OCCURRENCES);
        if (arrival == KEPT || (arrival == MIXED && step % 2 == 0))
            reel_tape_reset(sparse.t); /* moves the rows into the param */
        cr_assert_eq(reel_optim_step(dense.optim), REEL_OK);
        cr_assert_eq(reel_optim_step(sparse.optim), REEL_OK, "%s", reel_error(sparse.c));
        cr_assert_eq(reel_param_gradient_kind(sparse.table), REEL_GRADIENT_ROWS, "%s: the gradient became dense", what);
        expect_same_bits(what, sparse.table, dense.table);
        reel_tape_reset(sparse.t);
    }
    end(&dense);
    end(&sparse);
}

Test(optim, sparse_gradients_that_touch_every_row_give_the_bits_of_dense_ones)
{
    for (size_t k = 0; k < COUNT(golden_dense); k++)
        if (takes_rows(golden_dense[k].what)) {
            compare(golden_dense[k].what, true, ONE_PASS);
            compare(golden_dense[k].what, true, KEPT);
        }
}

Test(optim, sgd_and_adagrad_give_the_bits_of_dense_gradients_for_any_rows)
{
    static const char *const subjects[] = {"sgd", "sgd maximize=1", "adagrad",
                                           "adagrad initial_accumulator_value=0.5 lr_decay=0.1"};
    for (int arrival = ONE_PASS; arrival <= MIXED; arrival++)
        for (size_t k = 0; k < COUNT(subjects); k++)
            compare(subjects[k], false, (enum arrival)arrival);
}

Test(optim, several_passes_are_added_like_dense_gradients)
{
    static reel_real values[OCCURRENCES * COLUMNS];
    static int64_t indices[OCCURRENCES];
    struct run dense = start("adam", false, 2), sparse = start("adam", true, 2);
    reel_real *sum = calloc(ROWS * COLUMNS, sizeof *sum);
    for (int pass = 0; pass < 3; pass++) {
        draw_indices(indices, true, (uint64_t)pass);
        fill(values, OCCURRENCES * COLUMNS, (uint64_t)pass);
        add_pass(sparse.t, sparse.table, indices, values, OCCURRENCES);
        add_dense(dense.table, indices, values, OCCURRENCES);
        for (int i = 0; i < ROWS * COLUMNS; i++)
            sum[i] += reel_param_grad(dense.table)[i];
    }
    reel_param_set_grad(dense.table, sum);
    free(sum);
    reel_optim_step(dense.optim);
    reel_optim_step(sparse.optim);
    OK(sparse.c);
    expect_same_bits("three passes", sparse.table, dense.table);
    end(&dense);
    end(&sparse);
}

Test(optim, lazy_rows_stay_untouched)
{
    const int64_t indices[] = {7, 90, 7};
    reel_real values[3 * COLUMNS];
    fill(values, 3 * COLUMNS, 9);
    for (size_t k = 0; k < COUNT(golden_dense); k++) {
        if (!takes_rows(golden_dense[k].what))
            continue;
        struct run r = start(golden_dense[k].what, true, 2);
        static reel_real before[ROWS * COLUMNS];
        memcpy(before, reel_param_data(r.table), sizeof before);
        for (int step = 0; step < 3; step++) {
            reel_zero_grad(r.params);
            add_pass(r.t, r.table, indices, values, step == 1 ? 2 : 3);
            reel_optim_step(r.optim);
            OK(r.c);
            reel_tape_reset(r.t);
        }
        const reel_real *after = reel_param_data(r.table);
        for (int64_t row = 0; row < ROWS; row++)
            for (int64_t j = 0; j < COLUMNS; j++) {
                bool same = after[row * COLUMNS + j] == before[row * COLUMNS + j];
                cr_assert_eq(same, row != 7 && row != 90, "%s: row %lld", golden_dense[k].what, (long long)row);
            }
        end(&r);
    }
}

/* With dampening a row's first gradient counts in full, whenever it comes. */
Test(optim, a_row_starts_its_momentum_undampened)
{
    const int64_t first = 4, both[] = {4, 5};
    reel_real values[2 * COLUMNS], zeros[ROWS * COLUMNS] = {0};
    for (int j = 0; j < 2 * COLUMNS; j++)
        values[j] = 1;
    struct run r = start("sgd lr=1 momentum=0.5 dampening=0.5", true, 1);
    reel_param_set(r.table, zeros);
    add_pass(r.t, r.table, &first, values, 1);
    reel_optim_step(r.optim);
    reel_zero_grad(r.params);
    add_pass(r.t, r.table, both, values, 2);
    reel_optim_step(r.optim);
    OK(r.c);
    const reel_real *after = reel_param_data(r.table);
    cr_assert_eq(after[4 * COLUMNS], -2); /* 1, then 0.5 * 1 + 0.5 * 1 */
    cr_assert_eq(after[5 * COLUMNS], -1);
    end(&r);
}

/* ---- What is skipped, refused and kept ---- */

Test(optim, params_without_gradient_and_frozen_ones_stay)
{
    const reel_real ones[] = {1, 1, 1};
    reel_context *c = reel_context_new(NULL);
    reel_params *params = reel_params_new(c);
    reel_param *a = param_with(params, "a", REEL_SHAPE(3), ones), *b = param_with(params, "b", REEL_SHAPE(3), ones);
    reel_optim *optim = reel_adamw_new(params, NULL);
    reel_param_set_grad(a, ones);
    uint64_t a_version = a->version, b_version = b->version;
    reel_optim_step(optim);
    OK(c);
    cr_assert(a->version == a_version + 1 && b->version == b_version);
    cr_assert(((const reel_real *)reel_param_data(a))[0] < 1);
    cr_assert_eq(((const reel_real *)reel_param_data(b))[0], 1);
    reel_param_set_kind(a, REEL_PARAM_FROZEN);
    a_version = a->version;
    reel_optim_step(optim);
    OK(c);
    cr_assert_eq(a->version, a_version);
    reel_optim_free(optim);
    reel_params_free(params);
    reel_context_free(c);
}

Test(optim, later_params_join)
{
    const reel_real one = 1;
    reel_context *c = reel_context_new(NULL);
    reel_params *params = reel_params_new(c);
    reel_optim *optim = reel_sgd_new(params, NULL);
    reel_param *late = param_with(params, "late", REEL_SHAPE(1), &one);
    reel_param_set_grad(late, &one);
    reel_optim_step(optim);
    OK(c);
    cr_assert(((const reel_real *)reel_param_data(late))[0] < 1);
    reel_optim_free(optim);
    reel_params_free(params);
    reel_context_free(c);
}

Test(optim, groups_have_their_own_options)
{
    const reel_real one = 1;
    const reel_real *zero_d;
    reel_context *c = reel_context_new(NULL);
    reel_params *params = reel_params_new(c);
    reel_param *weight = param_with(params, "fc1.weight", REEL_SCALAR, &one);
    reel_param *bias = param_with(params, "fc1.bias", REEL_SCALAR, &one);
    reel_param *norm = param_with(params, "norm.weight", REEL_SCALAR, &one);
    REEL_OPTIONS(sgd, o, o.lr = 0.5);
    reel_optim *optim = reel_sgd_new(params, &o);
    o.lr = 0.25;
    cr_assert_eq(reel_sgd_add_group(optim, "*.bias", &o), 1);
    o.lr = 0.125;
    cr_assert_eq(reel_sgd_add_group(optim, NULL, &o), 2);
    cr_assert_eq(reel_optim_move(optim, 2, "n*m.w*"), REEL_OK);
    cr_assert_eq(reel_optim_groups(optim), 3);
    cr_assert_eq(reel_optim_lr(optim, 1), 0.25);
    cr_assert(isnan(reel_optim_lr(optim, 3)));
    cr_assert_eq(reel_optim_set_lr(optim, 0, 1), REEL_OK);
    for (int i = 0; i < 3; i++)
        reel_param_set_grad(reel_params_at(params, i), &one);
    reel_optim_step(optim);
    OK(c);
    zero_d = reel_param_data(weight);
    cr_assert_eq(*zero_d, 0);
    zero_d = reel_param_data(bias);
    cr_assert_eq(*zero_d, (reel_real)0.75);
    zero_d = reel_param_data(norm);
    cr_assert_eq(*zero_d, (reel_real)0.875);

    cr_assert_eq(reel_sgd_add_group(optim, "fc2.*", NULL), -1);
    cr_assert_str_eq(reel_error(c), "sgd: no param is named like \"fc2.*\"");
    reel_clear_error(c);
    cr_assert_eq(reel_optim_groups(optim), 3);
    cr_assert_eq(reel_adam_add_group(optim, NULL, NULL), -1);
    cr_assert_str_eq(reel_error(c), "adam_add_group: the optimizer is sgd");
    reel_clear_error(c);
    cr_assert_eq(reel_optim_move(optim, 3, "*"), REEL_ERROR_ARGUMENT);
    reel_clear_error(c);
    cr_assert_eq(reel_optim_set_lr(optim, 0, NAN), REEL_ERROR_ARGUMENT);
    reel_optim_free(optim);
    reel_params_free(params);
    reel_context_free(c);
}

Test(optim, options_outside_their_range_are_refused)
{
    reel_context *c = reel_context_new(NULL);
    reel_params *params = reel_params_new(c);
#define REFUSED(kind, change, text)                                                                                    \
    do {                                                                                                               \
        reel_##kind##_options o = reel_##kind##_defaults();                                                            \
        change;                                                                                                        \
        cr_assert_null(reel_##kind##_new(params, &o));                                                                 \
        cr_assert_eq(reel_context_status(c), REEL_ERROR_ARGUMENT);                                                     \
        cr_assert_str_eq(reel_error(c), text);                                                                         \
        reel_clear_error(c);                                                                                           \
    } while (0)
    REFUSED(sgd, o.lr = -1, "sgd: lr is -1, it must be at least 0");
    REFUSED(sgd, o.nesterov = true, "sgd: nesterov needs momentum above 0 and dampening 0, they are 0 and 0");
    REFUSED(adam, o.beta1 = 1, "adam: beta1 is 1, it must be in [0, 1)");
    REFUSED(adam, o.eps = -1, "adam: eps is -1, it must be at least 0");
    REFUSED(rmsprop, o.alpha = -0.5, "rmsprop: alpha is -0.5, it must be at least 0");
    REFUSED(adadelta, o.rho = 1.5, "adadelta: rho is 1.5, it must be in [0, 1]");
    REFUSED(sgd, o.sparse_update = (reel_sparse_update)2, "sgd: sparse_update is 2, it must be 0 or 1");
    REFUSED(adagrad, o.lr_decay = -0.5, "adagrad: lr_decay is -0.5, it must be at least 0");
    cr_assert_null(reel_sgd_new(NULL, NULL));
    cr_assert_eq(reel_optim_step(NULL), REEL_ERROR_ARGUMENT);
    reel_optim_free(NULL);
    reel_params_free(params);
    reel_context_free(c);
}

Test(optim, a_step_without_any_gradient_is_refused)
{
    const reel_real one = 1;
    reel_context *c = reel_context_new(NULL);
    reel_tape *t = reel_tape_new(c);
    reel_params *params = reel_params_new(c);
    reel_param *a = param_with(params, "a", REEL_SHAPE(1), &one), *table = param_with(params, "t", REEL_SHAPE(1), &one);
    reel_param_set_sparse(table, true);
    reel_optim *optim = reel_sgd_new(params, NULL);
    for (int way = 0; way < 4; way++) {
        cr_assert_eq(reel_optim_step(optim), REEL_ERROR_STATE, "way %d", way);
        cr_assert_str_eq(reel_error(c),
                         "sgd: the set has no gradients: since reel_zero_grad no backward pass came to it, "
                         "and none was set");
        reel_clear_error(c);
        if (way == 0)
            reel_param_set_grad(a, &one);
        else if (way == 1)
            reel_param_set_row_grad(table, 0, NULL, NULL);
        else if (way == 2)
            reel_backward(t, reel_sum_all(t, reel_param_var(t, a)), params);
        else /* a pass that leaves no rows */
            reel_backward(t,
                          reel_sum_all(t, reel_embedding(t, reel_param_var(t, table),
                                                         reel_full_int64(t, REEL_SHAPE(0), 0), NULL)),
                          params);
        cr_assert_eq(reel_optim_step(optim), REEL_OK, "way %d: %s", way, reel_error(c));
        cr_assert_eq(reel_optim_step(optim), REEL_OK, "gradients stay");
        reel_zero_grad(params);
        reel_tape_reset(t);
    }
    reel_optim_free(optim);
    reel_params_free(params);
    reel_tape_free(t);
    reel_context_free(c);
}

Test(optim, incomplete_gradients_are_refused)
{
    const reel_real one = 1;
    reel_context *c = reel_context_new(NULL);
    reel_params *params = reel_params_new(c);
    reel_param *a = param_with(params, "a", REEL_SHAPE(1), &one);
    reel_optim *optim = reel_sgd_new(params, NULL);
    reel_param_set_grad(a, &one);
    params->gradients_incomplete = true;
    cr_assert_eq(reel_optim_step(optim), REEL_ERROR_STATE);
    cr_assert_eq(((const reel_real *)reel_param_data(a))[0], 1);
    reel_clear_error(c);
    reel_zero_grad(params);
    reel_param_set_grad(a, &one);
    cr_assert_eq(reel_optim_step(optim), REEL_OK);
    reel_optim_free(optim);
    reel_params_free(params);
    reel_context_free(c);
}

Test(optim, nan_and_infinite_gradients_show)
{
    const reel_real start_values[] = {1, 1, 1}, grads[] = {(reel_real)NAN, (reel_real)INFINITY, 1};
    for (size_t k = 0; k < COUNT(golden_dense); k++) {
        reel_context *c = reel_context_new(NULL);
        reel_params *params = reel_params_new(c);
        reel_param *a = param_with(params, "a", REEL_SHAPE(3), start_values);
        reel_optim *optim = optim_of(params, golden_dense[k].what, REEL_LAZY);
        reel_param_set_grad(a, grads);
        reel_optim_step(optim);
        OK(c);
        const reel_real *after = reel_param_data(a);
        const char *what = golden_dense[k].what;
        cr_assert(isnan(after[0]), "%s", what);
        cr_assert(!isfinite(after[1]) || strncmp(what, "sgd", 3) != 0, "%s", what);
        /* A norm of the whole param passes it on. */
        cr_assert_eq(!isfinite(after[2]), !takes_rows(what), "%s", what);
        reel_optim_free(optim);
        reel_params_free(params);
        reel_context_free(c);
    }
}

/* ---- Memory ---- */

/* A dense param, rows that are pending and rows that were kept, so that every way of the step allocates. */
static void set_all_gradients(reel_tape *t, reel_params *params)
{
    static reel_real values[3 * COLUMNS];
    const int64_t indices[] = {7, 90, 7};
    fill(values, 3 * COLUMNS, 3);
    reel_param_set_grad(reel_params_at(params, 0), values);
    add_pass(t, reel_params_at(params, 1), indices, values, 3);
    add_pass(t, reel_params_at(params, 2), indices, values, 3);
    add_pass(t, reel_params_at(params, 2), indices, values, 2);
}

static reel_params *three_params(reel_context *c)
{
    static reel_real values[ROWS * COLUMNS];
    fill(values, ROWS * COLUMNS, 4);
    reel_params *params = reel_params_new(c);
    param_with(params, "dense", REEL_SHAPE(3), values);
    reel_param_set_sparse(param_with(params, "pending", REEL_SHAPE(ROWS, COLUMNS), values), true);
    reel_param_set_sparse(param_with(params, "passes", REEL_SHAPE(ROWS, COLUMNS), values), true);
    return params;
}

static void copy_all(reel_params *params, reel_real *to)
{
    for (int i = 0; i < 3; i++) {
        const reel_param *p = reel_params_at(params, i);
        memcpy(to, reel_param_data(p), (size_t)p->numel * sizeof *to);
        to += p->numel;
    }
}

Test(optim, a_step_that_runs_out_of_memory_changes_nothing)
{
    enum { TOTAL = 3 + 2 * ROWS * COLUMNS };
    static reel_real before[TOTAL], failed[TOTAL], after[TOTAL], undisturbed[TOTAL];
    static const char *const subjects[] = {"sgd lr=0.1 momentum=0.9 dampening=0.5", "adam lr=0.1 beta2=0.9 amsgrad=1"};
    for (size_t kind = 0; kind < COUNT(subjects); kind++) {
        int failures = 0;
        for (int64_t k = -1;; k++) {
            struct failing f;
            reel_context *c = failing_context(&f);
            reel_tape *t = reel_tape_new(c);
            reel_params *params = three_params(c);
            reel_optim *optim = optim_of(params, subjects[kind], REEL_LAZY);
            set_all_gradients(t, params);
            OK(c);
            copy_all(params, before);
            f.fail_at = k < 0 ? -1 : f.count + k;
            reel_status status = reel_optim_step(optim);
            f.fail_at = -1;
            if (status != REEL_OK) {
                failures++;
                cr_assert_eq(status, REEL_ERROR_OUT_OF_MEMORY);
                copy_all(params, failed);
                cr_assert(memcmp(before, failed, sizeof before) == 0, "allocation %lld", (long long)k);
                reel_clear_error(c);
                cr_assert_eq(reel_optim_step(optim), REEL_OK, "%s", reel_error(c));
            }
            copy_all(params, after);
            if (k < 0)
                memcpy(undisturbed, after, sizeof after);
            cr_assert(memcmp(undisturbed, after, sizeof after) == 0, "allocation %lld", (long long)k);
            reel_optim_free(optim);
            reel_tape_free(t);
            reel_params_free(params);
            reel_context_free(c);
            cr_assert_eq(f.live, 0);
            if (k >= 0 && status == REEL_OK)
                break;
        }
        cr_assert(failures >= 7, "only %d allocations failed", failures);
    }
}

Test(optim, from_the_third_step_on_nothing_is_allocated)
{
    struct failing f;
    reel_context *c = failing_context(&f);
    reel_tape *t = reel_tape_new(c);
    reel_params *params = three_params(c);
    reel_optim *optim = reel_adam_new(params, NULL);
    int64_t count = 0;
    for (int step = 0; step < 5; step++) {
        if (step == 2)
            count = f.count;
        reel_zero_grad(params);
        set_all_gradients(t, params);
        reel_optim_step(optim);
        OK(c);
        reel_tape_reset(t);
    }
    cr_assert_eq(f.count, count);
    reel_optim_free(optim);
    reel_tape_free(t);
    reel_params_free(params);
    reel_context_free(c);
    cr_assert_eq(f.live, 0);
}

Test(optim, bits_do_not_depend_on_threads)
{
    enum { N = 100003 };
    reel_real *values = malloc(N * sizeof *values), *first = malloc(N * sizeof *first);
    for (int threads = 1; threads <= 3; threads++) {
        reel_context *c = reel_context_new(NULL);
        reel_set_num_threads(c, threads);
        reel_params *params = reel_params_new(c);
        fill(values, N, 1);
        reel_param *a = param_with(params, "a", REEL_SHAPE(N), values);
        reel_optim *optim = reel_adam_new(params, NULL);
        for (int step = 0; step < 2; step++) {
            fill(values, N, (uint64_t)step + 2);
            reel_param_set_grad(a, values);
            reel_optim_step(optim);
        }
        OK(c);
        if (threads == 1)
            memcpy(first, reel_param_data(a), N * sizeof *first);
        cr_assert(memcmp(first, reel_param_data(a), N * sizeof *first) == 0);
        reel_optim_free(optim);
        reel_params_free(params);
        reel_context_free(c);
    }
    free(values);
    free(first);
}
