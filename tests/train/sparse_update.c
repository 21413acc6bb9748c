/* Row-sparse gradients under every optimizer: exact updates are those of dense gradients, bit for bit, and lazy ones
 * leave alone what they do not touch. */
#include "helpers.h"

#include "train/deferred.h"

#include <reel/reel.h>

#include <time.h>

enum { ROWS = 37, COLUMNS = 5, BATCH = 6 };

enum { ADAM = 6 };
static const char *const subjects[] = {
    "sgd lr=0.05",
    "sgd lr=0.05 weight_decay=0.1",
    "sgd lr=0.05 momentum=0.9",
    "sgd lr=0.05 momentum=0.9 dampening=0.3",
    "sgd lr=0.02 momentum=0.8 weight_decay=0.1 nesterov=1",
    "sgd lr=0.01 momentum=0.5 dampening=0.1 weight_decay=0.1 maximize=1",
    "adam lr=0.02 beta1=0.9 beta2=0.99",
    "adam lr=0.02 beta1=0 beta2=0.9",
    "adam lr=0.02 beta1=0.1 beta2=0.2",
    "adam lr=0.02 beta1=0.5 beta2=0.9 eps=1e-6 weight_decay=0.1 amsgrad=1",
    "adam lr=0.01 beta1=0.5 amsgrad=1 maximize=1",
    "adamw lr=0.02 weight_decay=0.05",
    "adamw lr=0.01 beta1=0.2 beta2=0.3 weight_decay=0.3 amsgrad=1 maximize=1",
    "rmsprop alpha=0.9",
    "rmsprop alpha=0.9 eps=1e-3 centered=1",
    "rmsprop alpha=0.5 weight_decay=0.1 momentum=0.9",
    "rmsprop lr=0.002 alpha=0.9 eps=1e-2 weight_decay=0.1 momentum=0.5 centered=1 maximize=1",
    "adagrad lr=0.05",
    "adagrad lr=0.05 lr_decay=0.01 weight_decay=0.1 initial_accumulator_value=0.5 maximize=1",
    "rowwise_adagrad lr=0.05",
    "rowwise_adagrad lr=0.05 lr_decay=0.01 weight_decay=0.1 initial_accumulator_value=0.5 maximize=1",
    "nadam lr=0.02",
    "nadam lr=0.01 beta1=0.5 beta2=0.9 weight_decay=0.1 momentum_decay=0.1 decoupled_weight_decay=1",
    "radam lr=0.02",
    "radam lr=0.01 beta1=0.5 beta2=0.9 weight_decay=0.1 maximize=1",
    "adamax lr=0.02",
    "adamax lr=0.01 beta1=0.1 beta2=0.2 eps=1e-3 weight_decay=0.1 maximize=1",
    "adadelta",
    "adadelta lr=0.5 rho=0.5 weight_decay=0.1 maximize=1",
};

/* A table under training. */
struct side {
    reel_context *c;
    reel_tape *t;
    reel_params *params;
    reel_param *table;
    reel_optim *optim;
};

static struct side side_new(const char *what, bool sparse, reel_sparse_update mode, int threads)
{
    struct side side;
    reel_context_options o = reel_context_defaults();
    o.num_threads = threads;
    side.c = reel_context_new(&o);
    side.t = reel_tape_new(side.c);
    side.params = reel_params_new(side.c);
    reel_real values[ROWS * COLUMNS];
    fill(values, ROWS * COLUMNS, 1);
    side.table = param_with(side.params, "table", REEL_SHAPE(ROWS, COLUMNS), values);
    reel_param_set_sparse(side.table, sparse);
    side.optim = optim_of(side.params, what, mode);
    OK(side.c);
    return side;
}

static void side_free(struct side *s)
{
    reel_optim_free(s->optim);
    reel_tape_free(s->t);
    reel_params_free(s->params);
    reel_context_free(s->c);
}

/* What happens in a step, from a seed. */
enum gradients { ROWS_ONLY, TIED, DENSE };

struct plan {
    int64_t index[BATCH];
    int count;
    bool skip, dense, keep;
    double lr;
};

static uint32_t draw(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*state >> 33);
}

static struct plan plan_step(uint64_t *state, enum gradients gradients, double lr)
{
    struct plan p = {.lr = lr};
    p.count = (int)(draw(state) % (BATCH + 1));
    /* Most lookups stay in a few rows, so that others are idle for long; the last rows are never looked up. */
    int64_t among = draw(state) % 8 == 0 ? ROWS - 3 : 9;
    for (int i = 0; i < p.count; i++)
        p.index[i] = draw(state) % among;
    p.skip = draw(state) % 16 == 0;
    p.dense = gradients == DENSE || (gradients == TIED && draw(state) % 4 == 0);
    p.keep = draw(state) % 8 == 0;
    if (draw(state) % 4 == 0)
        p.lr = lr * (0.5 + (draw(state) % 1000) / 1000.0);
    return p;
}

/* loss = sum of squares of the rows, and of the table's columns' sums when the step has a dense part. */
static void step(struct side *s, const struct plan *p, reel_real *looked_up)
{
    reel_tape *t = s->t;
    if (!p->keep)
        reel_zero_grad(s->params);
    reel_var table = reel_param_var(t, s->table);
    reel_var index = reel_borrow_of(t, REEL_INT64, p->index, REEL_SHAPE(p->count));
    reel_var rows = reel_embedding(t, table, index, NULL);
    if (p->count > 0)
        memcpy(looked_up, reel_data_real(t, rows), (size_t)(p->count * COLUMNS) * sizeof(reel_real));
    reel_var loss = reel_sum_all(t, reel_square(t, rows));
    if (p->dense) {
        int axis = 0;
        loss = reel_add(t, loss, reel_sum_all(t, reel_square(t, reel_mean(t, table, &axis, 1, false))));
    }
    if (!p->skip) {
        cr_assert_eq(reel_backward(t, loss, s->params), REEL_OK, "%s", reel_error(s->c));
        reel_optim_set_lr(s->optim, 0, p->lr);
        cr_assert_eq(reel_optim_step(s->optim), REEL_OK, "%s", reel_error(s->c));
    }
    cr_assert_eq(reel_tape_reset(t), REEL_OK, "%s", reel_error(s->c));
}

static void expect_same(const char *what, int at, const reel_real *a, const reel_real *b, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        cr_assert(memcmp(&a[i], &b[i], sizeof *a) == 0, "%s, step %d: element %lld is %.17g, dense %.17g", what, at,
                  (long long)i, (double)a[i], (double)b[i]);
}

Test(sparse_update, every_algorithm_that_takes_rows_is_tested)
{
    const reel_optim_algorithm *algorithm;
    for (int i = 0; (algorithm = reel_optim_algorithm_at(i)) != NULL; i++) {
        bool found = algorithm->scope == REEL_PER_PARAM;
        for (size_t k = 0; k < COUNT(subjects); k++)
            found |= subject_of(subjects[k]).algorithm == algorithm;
        cr_expect(found, "%s", algorithm->name);
    }
}

Test(sparse_update, exact_gives_the_bits_of_dense_gradients)
{
    enum { STEPS = 1000 };
    for (size_t k = 0; k < COUNT(subjects); k++)
        for (int gradients = ROWS_ONLY; gradients <= DENSE; gradients++) {
            struct side dense = side_new(subjects[k], false, REEL_LAZY, 1);
            struct side exact = side_new(subjects[k], true, REEL_EXACT, 1 + (int)k % 3);
            uint64_t state = 17 * k + (uint64_t)gradients;
            for (int i = 0; i < STEPS; i++) {
                double lr = reel_optim_lr(dense.optim, 0);
                struct plan p = plan_step(&state, (enum gradients)gradients, lr > 0.1 || lr < 1e-3 ? 0.02 : lr);
                reel_real of_dense[BATCH * COLUMNS], of_exact[BATCH * COLUMNS];
                step(&dense, &p, of_dense);
                step(&exact, &p, of_exact);
                expect_same(subjects[k], i, of_exact, of_dense, p.count * COLUMNS);
                if (i % 250 == 100)
                    expect_same(subjects[k], i, reel_param_data(exact.table), reel_param_data(dense.table),
                                ROWS * COLUMNS);
            }
            expect_same(subjects[k], STEPS, reel_param_data(exact.table), reel_param_data(dense.table), ROWS * COLUMNS);
            for (int i = 0; i < ROWS * COLUMNS; i++)
                cr_assert(isfinite((double)((const reel_real *)reel_param_data(dense.table))[i]), "%s", subjects[k]);
            side_free(&dense);
            side_free(&exact);
        }
}

Test(sparse_update, lazy_refuses_nothing_and_leaves_other_rows_alone)
{
    for (size_t k = 0; k < COUNT(subjects); k++)
        for (int gradients = ROWS_ONLY; gradients <= DENSE; gradients++) {
            struct side lazy = side_new(subjects[k], true, REEL_LAZY, 2);
            uint64_t state = 29 * k;
            for (int i = 0; i < 100; i++) {
                struct plan p = plan_step(&state, (enum gradients)gradients, 0.02);
                reel_real before[ROWS * COLUMNS], looked_up[BATCH * COLUMNS];
                p.keep = false;
                memcpy(before, reel_param_data(lazy.table), sizeof before);
                step(&lazy, &p, looked_up);
                const reel_real *after = reel_param_data(lazy.table);
                for (int64_t row = 0; row < ROWS; row++) {
                    bool touched = p.dense && !p.skip, moved = false;
                    for (int j = 0; j < p.count && !p.skip; j++)
                        touched |= p.index[j] == row;
                    for (int j = 0; j < COLUMNS; j++)
                        moved |= after[row * COLUMNS + j] != before[row * COLUMNS + j];
                    cr_assert_eq(moved, touched, "%s, step %d, row %lld", subjects[k], i, (long long)row);
                }
            }
            side_free(&lazy);
        }
}

/* Every step its own rate: 65,536 of them fill the history, and the table catches up by itself. */
Test(sparse_update, more_rates_than_the_history_holds)
{
    struct side dense = side_new(subjects[ADAM], false, REEL_LAZY, 1);
    struct side exact = side_new(subjects[ADAM], true, REEL_EXACT, 1);
    for (int i = 0; i < REEL_HISTORY_RUNS + 1000; i++) {
        struct plan p = {.count = 1, .index = {i % 5 == 0 ? i / 5 % 7 : 0}, .lr = 0.01 + 1e-8 * i};
        reel_real of_dense[BATCH * COLUMNS], of_exact[BATCH * COLUMNS];
        step(&dense, &p, of_dense);
        step(&exact, &p, of_exact);
        expect_same("adam", i, of_exact, of_dense, COLUMNS);
        const struct reel_deferred *deferred = (const struct reel_deferred *)exact.table->watchers;
        cr_assert_leq(deferred->rates.count, REEL_HISTORY_RUNS);
    }
    expect_same("adam", -1, reel_param_data(exact.table), reel_param_data(dense.table), ROWS * COLUMNS);
    side_free(&dense);
    side_free(&exact);
}

/* Whoever looks at the table sees it as if nothing had been put off. */
Test(sparse_update, every_way_to_look_waits_for_the_rows)
{
    const char *adam = subjects[ADAM];
    for (int way = 0; way < 8; way++) {
        struct side dense = side_new(adam, false, REEL_LAZY, 1), exact = side_new(adam, true, REEL_EXACT, 2);
        reel_real looked_up[BATCH * COLUMNS], copy[ROWS * COLUMNS];
        for (int i = 0; i < 20; i++) {
            struct plan p = {.count = 2, .index = {i < 10 ? i : 0, 3}, .lr = 0.02};
            step(&dense, &p, looked_up);
            step(&exact, &p, looked_up);
        }
        reel_tape *t = exact.t;
        reel_var table = reel_param_var(t, exact.table);
        switch (way) {
        case 0:
            memcpy(copy, reel_data(t, table), sizeof copy);
            break;
        case 1:
            memcpy(copy, reel_data_real(t, reel_detach(t, table)), sizeof copy);
            break;
        case 2:
            memcpy(copy, reel_data(t, reel_mul_scalar(t, table, 1)), sizeof copy);
            break;
        case 3: /* a view with rows of its own */
            table = reel_reshape(t, table, REEL_SHAPE(ROWS * COLUMNS, 1));
            table = reel_embedding(t, table, reel_arange_int64(t, 0, ROWS * COLUMNS, 1), NULL);
            memcpy(copy, reel_data(t, table), sizeof copy);
            break;
        case 4: {
            reel_params *other = reel_params_new(exact.c);
            reel_param *to = reel_param_new(other, "table", REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(ROWS, COLUMNS));
            reel_params_copy(other, exact.params);
            memcpy(copy, reel_param_data(to), sizeof copy);
            reel_tape_reset(t);
            reel_params_free(other);
            break;
        }
        case 5:
            memcpy(copy, reel_param_write(exact.table), sizeof copy);
            break;
        case 6: /* the optimizer goes, the table stays */
            reel_optim_free(exact.optim);
            exact.optim = NULL;
            memcpy(copy, exact.table->data, sizeof copy);
            break;
        case 7: /* other options */
            cr_assert_eq(reel_adam_add_group(exact.optim, "table", NULL), 1);
            memcpy(copy, exact.table->data, sizeof copy);
            break;
        }
        OK(exact.c);
        expect_same("a look", way, copy, reel_param_data(dense.table), ROWS * COLUMNS);
        side_free(&dense);
        side_free(&exact);
    }
}

Test(sparse_update, printing_waits_too)
{
    struct side dense = side_new(subjects[ADAM], false, REEL_LAZY, 1),
                exact = side_new(subjects[ADAM], true, REEL_EXACT, 1);
    reel_real looked_up[BATCH * COLUMNS];
    for (int i = 0; i < 20; i++) {
        struct plan p = {.count = 2, .index = {i < 10 ? i : 0, 3}, .lr = 0.02};
        step(&dense, &p, looked_up);
        step(&exact, &p, looked_up);
    }
    static char of_dense[8192], of_exact[8192];
    size_t a = reel_format(dense.t, reel_param_var(dense.t, dense.table), of_dense, sizeof of_dense);
    size_t b = reel_format(exact.t, reel_param_var(exact.t, exact.table), of_exact, sizeof of_exact);
    cr_assert(a == b && a < sizeof of_dense);
    cr_assert_str_eq(of_exact, of_dense);
    side_free(&dense);
    side_free(&exact);
}

/* Idle rows that have come to rest, or never had a gradient, are not replayed step by step. */
Test(sparse_update, rows_at_rest_stay_right)
{
    static const char fast[] = "adam beta1=0.1 beta2=0.1";
    struct side dense = side_new(fast, false, REEL_LAZY, 1), exact = side_new(fast, true, REEL_EXACT, 1);
    reel_real looked_up[BATCH * COLUMNS];
    for (int i = 0; i < 20000; i++) {
        struct plan p = {.count = 1, .index = {i == 0 ? 5 : 0}, .lr = i < 10000 ? 1e-3 : 2e-3};
        step(&dense, &p, looked_up);
        step(&exact, &p, looked_up);
    }
    expect_same("adam", -1, reel_param_data(exact.table), reel_param_data(dense.table), ROWS * COLUMNS);
    side_free(&dense);
    side_free(&exact);
}

static double seconds(void)
{
    return (double)clock() / CLOCKS_PER_SEC;
}

/* 2,000 rows replayed in full would take some ten times as long as the steps, which are about one row. */
Test(sparse_update, rows_at_rest_cost_nothing)
{
    enum { MANY = 100000, LARGE = 2000 };
    static const char fast[] = "adam beta1=0.1 beta2=0.1";
    struct side s = side_new(fast, true, REEL_EXACT, 1);
    static const reel_real zeros[LARGE * COLUMNS];
    reel_param *large = param_with(s.params, "large", REEL_SHAPE(LARGE, COLUMNS), zeros);
    reel_param_set_sparse(large, true);
    double start = seconds();
    for (int i = 0; i < MANY; i++) {
        const int64_t index[] = {i < LARGE / 2 ? i : 0};
        reel_var rows = reel_embedding(s.t, reel_param_var(s.t, large),
                                       reel_borrow_of(s.t, REEL_INT64, index, REEL_SHAPE(1)), NULL);
        reel_zero_grad(s.params);
        reel_backward(s.t, reel_sum_all(s.t, rows), s.params);
        cr_assert_eq(reel_optim_step(s.optim), REEL_OK, "%s", reel_error(s.c));
        reel_tape_reset(s.t);
    }
    double middle = seconds();
    reel_param_data(large);
    cr_assert_lt(seconds() - middle, middle - start);
    side_free(&s);
}

Test(sparse_update, only_one_optimizer_of_a_param_is_exact)
{
    struct side s = side_new(subjects[ADAM], true, REEL_EXACT, 1);
    reel_optim *other = optim_of(s.params, subjects[2], REEL_EXACT);
    reel_real looked_up[BATCH * COLUMNS], before[ROWS * COLUMNS];
    struct plan p = {.count = 2, .index = {1, 2}, .lr = 0.02};
    step(&s, &p, looked_up);
    reel_var rows = reel_embedding(s.t, reel_param_var(s.t, s.table), reel_arange_int64(s.t, 0, 3, 1), NULL);
    reel_zero_grad(s.params);
    reel_backward(s.t, reel_sum_all(s.t, rows), s.params);
    memcpy(before, reel_param_data(s.table), sizeof before);
    cr_assert_eq(reel_optim_step(other), REEL_ERROR_STATE);
    cr_assert_not_null(strstr(reel_error(s.c), "\"table\""));
    reel_clear_error(s.c);
    cr_assert_eq(memcmp(before, reel_param_data(s.table), sizeof before), 0);
    reel_optim_free(other);
    side_free(&s);
}

/* A second optimizer that is not exact moves rows as they would be. */
Test(sparse_update, another_optimizer_finds_the_rows_current)
{
    struct side dense = side_new(subjects[ADAM], false, REEL_LAZY, 1),
                exact = side_new(subjects[ADAM], true, REEL_EXACT, 1);
    reel_optim *with_dense = optim_of(dense.params, subjects[0], REEL_LAZY);
    reel_optim *with_exact = optim_of(exact.params, subjects[0], REEL_LAZY);
    uint64_t state = 5;
    for (int i = 0; i < 100; i++) {
        struct plan p = plan_step(&state, ROWS_ONLY, 0.02);
        reel_real looked_up[BATCH * COLUMNS];
        step(&dense, &p, looked_up);
        step(&exact, &p, looked_up);
        if (i % 3 == 0 && !p.skip) {
            cr_assert_eq(reel_optim_step(with_dense), REEL_OK);
            cr_assert_eq(reel_optim_step(with_exact), REEL_OK);
        }
    }
    expect_same("two optimizers", -1, reel_param_data(exact.table), reel_param_data(dense.table), ROWS * COLUMNS);
    reel_optim_free(with_dense);
    reel_optim_free(with_exact);
    side_free(&dense);
    side_free(&exact);
}

/* ---- history ---- */

Test(sparse_update, history_codes_runs)
{
    enum { STEPS = 3000 };
    reel_context *c = reel_context_new(NULL);
    struct reel_history h = {0};
    reel_history_clear(&h, 11);
    double values[STEPS];
    uint64_t versions[STEPS], state = 3, version = 40;
    uint64_t stride = 1;
    double value = 0.5, smallest = INFINITY, largest = -INFINITY;
    for (int i = 0; i < STEPS; i++) {
        if (draw(&state) % 32 == 0)
            value = draw(&state) % 7;
        if (draw(&state) % 32 == 0)
            stride = draw(&state) % 3;
        version += stride;
        values[i] = value;
        versions[i] = version;
        smallest = value < smallest ? value : smallest;
        largest = value > largest ? value : largest;
        cr_assert(reel_history_reserve(&h, &c->memory));
        reel_history_append(&h, value, version);
    }
    cr_assert_lt(h.count, STEPS / 8);
    cr_assert(h.smallest == smallest && h.largest == largest);
    for (int i = 0; i < STEPS; i++) {
        const struct reel_history_run *run = &h.runs[reel_history_find(&h, 11 + i)];
        cr_assert_eq(run->value, values[i]);
        cr_assert_eq(reel_history_version(run, 11 + i), versions[i]);
    }
    for (uint64_t v = 0; v < version + 10; v++) {
        int64_t until = 0;
        while (until < STEPS && versions[until] <= v)
            until++;
        cr_assert_eq(reel_history_count_until(&h, v), until, "version %llu", (unsigned long long)v);
    }
    reel_history_free(&h, &c->memory);
    reel_context_free(c);
}

/* ---- Averages ---- */

static const reel_real *averages(reel_ema *ema, reel_params *into)
{
    cr_assert_eq(reel_ema_copy_to(ema, into), REEL_OK);
    return reel_param_data(reel_params_at(into, 0));
}

/* Updates made as one are nearer to the formula than those made one by one, each of which is rounded. */
static void expect_near(const char *what, int at, const reel_real *by_row, const reel_real *whole, double decay)
{
    double epsilon = sizeof(reel_real) == sizeof(float) ? 0x1p-24 : 0x1p-53;
    for (int64_t i = 0; i < ROWS * COLUMNS; i++)
        cr_assert_leq(fabs((double)by_row[i] - (double)whole[i]),
                      4 * epsilon / (1 - decay) * (fabs((double)whole[i]) + 1),
                      "%s, step %d: average %lld is %.17g, of all %.17g", what, at, (long long)i, (double)by_row[i],
                      (double)whole[i]);
}

/* An average that joined while the table was dense, and one that follows rows. */
static void average_both(const char *subject, reel_sparse_update mode, int updates, bool many_decays)
{
    struct side s = side_new(subject, false, mode, 2);
    reel_ema *whole = reel_ema_new(s.params, 0.9);
    reel_param_set_sparse(s.table, true);
    reel_ema *by_row = reel_ema_new(s.params, 0.9);
    reel_params *a = reel_params_new(s.c), *b = reel_params_new(s.c);
    reel_param_new(a, "table", REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(ROWS, COLUMNS));
    reel_param_new(b, "table", REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(ROWS, COLUMNS));
    OK(s.c);
    uint64_t state = 11;
    for (int i = 0; i < 600; i++) {
        struct plan p = plan_step(&state, i % 100 == 99 ? DENSE : ROWS_ONLY, 0.02);
        reel_real looked_up[BATCH * COLUMNS];
        step(&s, &p, looked_up);
        int now = updates < 0 ? (int)(draw(&state) % 3) : updates;
        double decay = many_decays && draw(&state) % 8 == 0 ? (draw(&state) % 101) / 100.0 : 0.97;
        reel_ema_set_decay(whole, decay);
        reel_ema_set_decay(by_row, decay);
        for (int k = 0; k < now; k++) {
            cr_assert_eq(reel_ema_update(by_row), REEL_OK);
            cr_assert_eq(reel_ema_update(whole), REEL_OK);
        }
        if (i % 150 == 149)
            expect_near(subject, i, averages(by_row, b), averages(whole, a), 0.97);
    }
    expect_near(subject, -1, averages(by_row, b), averages(whole, a), 0.97);
    reel_ema_free(whole);
    reel_ema_free(by_row);
    reel_params_free(a);
    reel_params_free(b);
    side_free(&s);
}

Test(sparse_update, an_average_that_follows_rows_is_that_of_the_whole)
{
    for (size_t k = 0; k < COUNT(subjects); k += 3)
        for (int mode = REEL_LAZY; mode <= REEL_EXACT; mode++)
            for (int updates = -1; updates <= 1; updates++)
                average_both(subjects[k], (reel_sparse_update)mode, updates, k % 2 == 0);
}

/* The same for exact updates that are followed only by row, so that nothing makes the rows catch up in between. */
Test(sparse_update, an_average_follows_exact_updates_that_are_put_off)
{
    for (size_t k = 0; k < COUNT(subjects); k++) {
        struct side dense = side_new(subjects[k], false, REEL_LAZY, 1);
        struct side exact = side_new(subjects[k], true, REEL_EXACT, 3);
        reel_ema *of_dense = reel_ema_new(dense.params, 0.95), *of_exact = reel_ema_new(exact.params, 0.95);
        uint64_t state = 7 + k;
        for (int i = 0; i < 300; i++) {
            struct plan p = plan_step(&state, ROWS_ONLY, 0.02);
            reel_real looked_up[BATCH * COLUMNS];
            step(&dense, &p, looked_up);
            step(&exact, &p, looked_up);
            if (i % 50 > 10) {
                cr_assert_eq(reel_ema_update(of_dense), REEL_OK);
                cr_assert_eq(reel_ema_update(of_exact), REEL_OK);
            }
        }
        cr_assert_eq(reel_ema_swap(of_dense), REEL_OK);
        cr_assert_eq(reel_ema_swap(of_exact), REEL_OK);
        expect_near(subjects[k], -1, reel_param_data(exact.table), reel_param_data(dense.table), 0.95);
        cr_assert_eq(reel_ema_swap(of_dense), REEL_OK);
        cr_assert_eq(reel_ema_swap(of_exact), REEL_OK);
        expect_same(subjects[k], -2, reel_param_data(exact.table), reel_param_data(dense.table), ROWS * COLUMNS);
        reel_ema_free(of_dense);
        reel_ema_free(of_exact);
        side_free(&dense);
        side_free(&exact);
    }
}

/* Rows that a lookup scales down change outside the optimizer. */
Test(sparse_update, max_norm_goes_with_exact_updates_and_averages)
{
    for (size_t k = 0; k < COUNT(subjects); k++) {
        reel_context *c = reel_context_new(NULL);
        reel_tape *t = reel_tape_new(c);
        reel_params *params[2];
        reel_module *table[2];
        reel_optim *optim[2];
        reel_ema *ema[2];
        reel_real values[ROWS * COLUMNS];
        fill(values, ROWS * COLUMNS, 4);
        for (int i = 0; i < 2; i++) {
            params[i] = reel_params_new(c);
            reel_embedding_options o = reel_embedding_defaults();
            o.max_norm = 1.5;
            o.sparse = i == 1;
            o.from_pretrained = values;
            o.freeze = false;
            table[i] = reel_embedding_new(params[i], "table", ROWS, COLUMNS, &o);
            optim[i] = optim_of(params[i], subjects[k], i == 1 ? REEL_EXACT : REEL_LAZY);
            ema[i] = reel_ema_new(params[i], 0.9);
        }
        OK(c);
        uint64_t state = 3;
        for (int step = 0; step < 200; step++) {
            struct plan p = plan_step(&state, ROWS_ONLY, 0.02);
            for (int i = 0; i < 2; i++) {
                reel_zero_grad(params[i]);
                reel_var index = reel_borrow_of(t, REEL_INT64, p.index, REEL_SHAPE(p.count));
                reel_var rows = reel_forward(t, table[i], index);
                cr_assert_eq(reel_backward(t, reel_sum_all(t, reel_square(t, rows)), params[i]), REEL_OK);
                if (!p.skip)
                    cr_assert_eq(reel_optim_step(optim[i]), REEL_OK, "%s", reel_error(c));
                cr_assert_eq(reel_ema_update(ema[i]), REEL_OK);
            }
            cr_assert_eq(reel_tape_reset(t), REEL_OK);
        }
        const reel_param *of_dense = reel_params_at(params[0], 0), *of_exact = reel_params_at(params[1], 0);
        expect_same(subjects[k], -1, reel_param_data(of_exact), reel_param_data(of_dense), ROWS * COLUMNS);
        reel_ema_swap(ema[0]);
        reel_ema_swap(ema[1]);
        expect_near(subjects[k], -2, reel_param_data(of_exact), reel_param_data(of_dense), 0.9);
        for (int i = 0; i < 2; i++) {
            reel_ema_free(ema[i]);
            reel_optim_free(optim[i]);
            reel_params_free(params[i]);
        }
        reel_tape_free(t);
        reel_context_free(c);
    }
}

/* Whether somebody reads, copies or swaps averages, and when, is nothing that a later bit depends on. */
Test(sparse_update, looking_at_an_average_changes_nothing)
{
    for (size_t k = 0; k < COUNT(subjects); k++)
        for (int mode = REEL_LAZY; mode <= REEL_EXACT; mode++) {
            struct side alone = side_new(subjects[k], true, (reel_sparse_update)mode, 1);
            struct side watched = side_new(subjects[k], true, (reel_sparse_update)mode, 2);
            reel_ema *ema[] = {reel_ema_new(alone.params, 0.95), reel_ema_new(watched.params, 0.95)};
            reel_params *copy = reel_params_new(watched.c);
            reel_param_new(copy, "table", REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(ROWS, COLUMNS));
            uint64_t state = 17 + k, looks = 5;
            for (int i = 0; i < 400; i++) {
                struct plan p = plan_step(&state, ROWS_ONLY, 0.02);
                reel_real looked_up[BATCH * COLUMNS];
                step(&alone, &p, looked_up);
                step(&watched, &p, looked_up);
                double decay = i < 100 ? 1 - 1 / (1 + 0.1 * i) : 0.95;
                for (int e = 0; e < 2; e++) {
                    reel_ema_set_decay(ema[e], decay);
                    cr_assert_eq(reel_ema_update(ema[e]), REEL_OK);
                }
                int look = (int)(draw(&looks) % 7);
                if (look == 0)
                    averages(ema[1], copy);
                if (look == 1)
                    reel_param_data(watched.table);
                if (look == 2) {
                    reel_real before[ROWS * COLUMNS];
                    memcpy(before, reel_param_data(watched.table), sizeof before);
                    cr_assert_eq(reel_ema_swap(ema[1]), REEL_OK);
                    reel_real swapped[ROWS * COLUMNS];
                    memcpy(swapped, reel_param_data(watched.table), sizeof swapped);
                    cr_assert_eq(reel_ema_swap(ema[1]), REEL_OK);
                    expect_same("swapped back", i, reel_param_data(watched.table), before, ROWS * COLUMNS);
                    expect_same("swapped in", i, averages(ema[1], copy), swapped, ROWS * COLUMNS);
                }
            }
            for (int e = 0; e < 2; e++)
                cr_assert_eq(reel_ema_swap(ema[e]), REEL_OK);
            expect_same(subjects[k], mode, reel_param_data(watched.table), reel_param_data(alone.table),
                        ROWS * COLUMNS);
            for (int e = 0; e < 2; e++)
                reel_ema_free(ema[e]);
            reel_params_free(copy);
            side_free(&alone);
            side_free(&watched);
        }
}
