/* Algorithms of one's own: a row is all that it takes. */
#include "helpers.h"

#include <reel/reel.h>

enum { ROWS = 23, COLUMNS = 4, BATCH = 5, STEPS = 300 };

/* ---- Moves by the sign of a mean: the example of reel/optimizer.h, with weight decay ---- */

typedef struct sign_options {
    reel_options_mark mark;
    double lr, beta, weight_decay;
    bool keeps_mean;
    reel_sparse_update sparse_update;
} sign_options;

static const reel_optim_option sign_option_rows[] = {
    REEL_OPTION(NUMBER, sign_options, lr, 1e-2),
    REEL_OPTION(FRACTION, sign_options, beta, 0.9),
    REEL_OPTION(ANY_NUMBER, sign_options, weight_decay, 0.01),
    REEL_OPTION(FLAG, sign_options, keeps_mean, true),
    REEL_OPTION(SPARSE_UPDATE, sign_options, sparse_update, REEL_LAZY),
};
static const reel_optim_state_row sign_states[] = {{"mean", REEL_PER_ELEMENT, "keeps_mean"}};

struct sign_constants {
    reel_real lr, beta, shrink;
};

static void sign_prepare(const void *options, double lr, int64_t step, void *constants)
{
    const sign_options *o = options;
    (void)step;
    *(struct sign_constants *)constants =
        (struct sign_constants){(reel_real)lr, (reel_real)o->beta, (reel_real)(1 - lr * o->weight_decay)};
}

static void sign_update(const void *constants, int64_t n, reel_real *p, const reel_real *g, reel_real *const *state)
{
    const struct sign_constants *c = constants;
    for (int64_t i = 0; i < n; i++) {
        reel_real m = g[i];
        if (state[0])
            m = state[0][i] = c->beta * state[0][i] + (1 - c->beta) * g[i];
        p[i] = p[i] * c->shrink - c->lr * (reel_real)((m > 0) - (m < 0));
    }
}

static reel_status sign_check(reel_context *c, const char *who, const void *options)
{
    const sign_options *o = options;
    if (o->weight_decay <= 1)
        return REEL_OK;
    return reel_fail(c, REEL_ERROR_ARGUMENT, "%s: weight_decay is too much", who);
}

static const reel_optim_algorithm sign = {
    .name = "sign",
    REEL_OPTIM_TABLES(sign_options, sign_option_rows, sign_states),
    .check = sign_check,
    .constants_size = sizeof(struct sign_constants),
    .prepare = sign_prepare,
    .update = sign_update,
};

/* ---- Divides by the largest gradient that a row had ---- */

static const reel_optim_state_row row_states[] = {{"largest", REEL_PER_ROW, NULL}, {"sum", REEL_PER_ELEMENT, NULL}};

static void row_update(const void *constants, int64_t n, reel_real *p, const reel_real *g, reel_real *const *state)
{
    const struct sign_constants *c = constants;
    for (int64_t i = 0; i < n; i++) {
        reel_real size = g[i] < 0 ? -g[i] : g[i];
        *state[0] = size > *state[0] ? size : *state[0];
        state[1][i] = c->beta * state[1][i] + g[i];
    }
    for (int64_t i = 0; i<n && * state[0]> 0; i++)
        p[i] = p[i] * c->shrink - c->lr * state[1][i] / *state[0];
}

static const reel_optim_algorithm by_row = {
    .name = "by_row",
    REEL_OPTIM_TABLES(sign_options, sign_option_rows, row_states),
    .scope = REEL_PER_ROW,
    .constants_size = sizeof(struct sign_constants),
    .prepare = sign_prepare,
    .update = row_update,
    .monotone = true,
};

/* ---- Divides by the norm of the gradient of the whole param, averaged ---- */

static const reel_optim_state_row whole_states[] = {{"norm", REEL_PER_PARAM, NULL}};

static void whole_measure(const void *constants, int64_t n, const reel_real *p, const reel_real *g,
                          reel_real *const *state, double sums[REEL_OPTIM_SUMS])
{
    (void)constants;
    (void)p;
    (void)state;
    for (int64_t i = 0; i < n; i++)
        sums[0] += (double)(g[i] * g[i]);
    sums[1] += (double)n;
}

static void whole_conclude(void *constants, const double sums[REEL_OPTIM_SUMS], reel_real *const *state)
{
    struct sign_constants *c = constants;
    *state[0] = c->beta * *state[0] + (reel_real)sqrt(sums[0] / sums[1]);
    c->lr /= *state[0];
}

static void whole_update(const void *constants, int64_t n, reel_real *p, const reel_real *g, reel_real *const *state)
{
    const struct sign_constants *c = constants;
    (void)state;
    for (int64_t i = 0; i < n; i++)
        p[i] -= c->lr * g[i];
}

static const reel_optim_algorithm whole = {
    .name = "whole",
    REEL_OPTIM_TABLES(sign_options, sign_option_rows, whole_states),
    .scope = REEL_PER_PARAM,
    .constants_size = sizeof(struct sign_constants),
    .prepare = sign_prepare,
    .update = whole_update,
    .measure = whole_measure,
    .conclude = whole_conclude,
};

/* ---- Tests ---- */

struct side {
    reel_context *c;
    reel_params *params;
    reel_param *table;
    reel_optim *optim;
};

static struct side side_new(const reel_optim_algorithm *algorithm, const sign_options *options, bool sparse,
                            int threads)
{
    struct side s;
    reel_real values[ROWS * COLUMNS];
    REEL_OPTIONS(context, o, o.num_threads = threads);
    s.c = reel_context_new(&o);
    s.params = reel_params_new(s.c);
    fill(values, ROWS * COLUMNS, 1);
    s.table = param_with(s.params, "table", REEL_SHAPE(ROWS, COLUMNS), values);
    reel_param_set_sparse(s.table, sparse);
    s.optim = reel_optim_new(s.params, algorithm, options);
    OK(s.c);
    return s;
}

static void side_free(struct side *s)
{
    reel_optim_free(s->optim);
    reel_params_free(s->params);
    reel_context_free(s->c);
}

static void step(struct side *s, const int64_t *rows, const reel_real *values, int64_t count)
{
    if (reel_param_sparse(s->table))
        reel_param_set_row_grad(s->table, count, rows, values);
    else
        add_dense(s->table, rows, values, count);
    cr_assert_eq(reel_optim_step(s->optim), REEL_OK, "%s", reel_error(s->c));
}

/* Exact gives the bits of dense gradients, lazy leaves other rows alone. */
static void compare(const reel_optim_algorithm *algorithm, bool keeps_mean)
{
    sign_options o;
    reel_optim_fill_options(algorithm, &o);
    o.keeps_mean = keeps_mean;
    struct side dense = side_new(algorithm, &o, false, 1), lazy = side_new(algorithm, &o, true, 2);
    o.sparse_update = REEL_EXACT;
    struct side exact = side_new(algorithm, &o, true, 3);
    reel_real random[BATCH * (1 + COLUMNS)], before[ROWS * COLUMNS];
    for (int i = 0; i < STEPS; i++) {
        int64_t rows[BATCH];
        fill(random, BATCH * (1 + COLUMNS), (uint64_t)i);
        for (int k = 0; k < BATCH; k++)
            rows[k] = (int64_t)((random[BATCH * COLUMNS + k] + 2) / 4 * (i % 7 ? 6 : ROWS - 2));
        memcpy(before, reel_param_data(lazy.table), sizeof before);
        step(&dense, rows, random, BATCH);
        step(&lazy, rows, random, BATCH);
        step(&exact, rows, random, BATCH);
        for (int64_t row = 0; row < ROWS; row++) {
            bool touched = false;
            for (int k = 0; k < BATCH; k++)
                touched |= rows[k] == row;
            bool same = memcmp((const reel_real *)reel_param_data(lazy.table) + row * COLUMNS, before + row * COLUMNS,
                               COLUMNS * sizeof *before) == 0;
            cr_assert_eq(same, !touched, "%s, step %d, row %lld", algorithm->name, i, (long long)row);
        }
        if (i % 60 == 59)
            cr_assert_arr_eq(reel_param_data(exact.table), reel_param_data(dense.table), sizeof before, "%s, step %d",
                             algorithm->name, i);
    }
    side_free(&dense);
    side_free(&lazy);
    side_free(&exact);
}

Test(optimizer, of_ones_own_takes_dense_gradients_and_rows)
{
    compare(&sign, true);
    compare(&sign, false);
    compare(&by_row, true);
}

Test(optimizer, of_ones_own_has_options_groups_and_state)
{
    sign_options o;
    reel_optim_fill_options(&sign, &o);
    cr_assert(o.lr == 1e-2 && o.beta == 0.9 && o.weight_decay == 0.01 && o.keeps_mean);
    struct side s = side_new(&sign, NULL, false, 1);
    cr_assert_eq(reel_optim_algorithm_of(s.optim), &sign);
    o.weight_decay = 0;
    o.lr = 0.5;
    cr_assert_eq(reel_optim_add_group(s.optim, &sign, "t*", &o), 1);
    cr_assert_eq(reel_optim_group_of(s.optim, s.table), 1);
    cr_assert_eq(reel_optim_lr(s.optim, 1), 0.5);

    const int64_t row = 3;
    const reel_real values[COLUMNS] = {1, -2, 0, 3},
                    was = ((const reel_real *)reel_param_data(s.table))[3 * COLUMNS + 1];
    step(&s, &row, values, 1);
    const reel_real *now = reel_param_data(s.table);
    cr_assert_eq(now[3 * COLUMNS + 1], was + (reel_real)0.5);
    reel_optim_state state;
    cr_assert_eq(reel_optim_get_state(s.optim, s.table, "mean", &state), REEL_OK);
    cr_assert(reel_shape_equal(&state.shape, reel_param_shape(s.table)));
    cr_assert_eq(((const reel_real *)state.data)[3 * COLUMNS + 3], (1 - (reel_real)0.9) * 3);
    side_free(&s);
}

Test(optimizer, of_ones_own_sees_the_whole_param)
{
    struct side s = side_new(&whole, NULL, false, 2);
    const int64_t row = 3;
    const reel_real values[COLUMNS] = {1, -2, 0, 3},
                    was = ((const reel_real *)reel_param_data(s.table))[3 * COLUMNS + 1];
    step(&s, &row, values, 1);
    reel_optim_state state;
    cr_assert_eq(reel_optim_get_state(s.optim, s.table, "norm", &state), REEL_OK);
    cr_assert_eq(state.shape.ndim, 0);
    double norm = sqrt(14.0 / (ROWS * COLUMNS)), moved = 1e-2 / norm * 2;
    cr_assert_float_eq((double)*(const reel_real *)state.data, norm, 1e-6);
    cr_assert_float_eq((double)(((const reel_real *)reel_param_data(s.table))[3 * COLUMNS + 1] - was), moved, 1e-6);
    side_free(&s);
}

/* More elements than a slice, so that threads share the sums. */
Test(optimizer, sums_of_a_whole_param_do_not_depend_on_threads)
{
    enum { N = 300007 };
    reel_real *values = malloc(N * sizeof *values), *first = malloc(N * sizeof *first);
    for (int threads = 1; threads <= 3; threads++) {
        REEL_OPTIONS(context, o, o.num_threads = threads);
        reel_context *c = reel_context_new(&o);
        reel_params *params = reel_params_new(c);
        fill(values, N, 1);
        reel_param *a = param_with(params, "a", REEL_SHAPE(N), values);
        reel_optim *lamb = reel_lamb_new(params, NULL);
        for (int i = 0; i < 3; i++) {
            fill(values, N, (uint64_t)i + 2);
            reel_param_set_grad(a, values);
            reel_optim_step(lamb);
        }
        OK(c);
        if (threads == 1)
            memcpy(first, reel_param_data(a), N * sizeof *first);
        cr_assert_arr_eq(reel_param_data(a), first, N * sizeof *first);
        reel_optim_free(lamb);
        reel_params_free(params);
        reel_context_free(c);
    }
    free(values);
    free(first);
}

Test(optimizer, that_needs_the_whole_param_refuses_sparse_gradients)
{
    const reel_real one = 1;
    reel_context *c = reel_context_new(NULL);
    reel_params *params = reel_params_new(c);
    reel_param *dense = param_with(params, "dense", REEL_SHAPE(1), &one);
    reel_param *table = param_with(params, "table", REEL_SHAPE(1, 1), &one);
    const char *says = "lamb: an update needs the whole of \"table\", whose gradients are row-sparse";
    reel_param_set_sparse(table, true);
    cr_assert_null(reel_lamb_new(params, NULL));
    cr_assert_eq(reel_context_status(c), REEL_ERROR_ARGUMENT);
    cr_assert_str_eq(reel_error(c), says);
    reel_clear_error(c);
    /* Sparse later, too; and nothing has moved then. */
    reel_param_set_sparse(table, false);
    reel_optim *lamb = reel_lamb_new(params, NULL);
    reel_param_set_sparse(table, true);
    reel_param_set_grad(dense, &one);
    reel_param_set_grad(table, &one);
    cr_assert_eq(reel_optim_step(lamb), REEL_ERROR_ARGUMENT);
    cr_assert_str_eq(reel_error(c), says);
    reel_clear_error(c);
    cr_assert_eq(*(const reel_real *)reel_param_data(dense), 1);
    reel_param_set_kind(table, REEL_PARAM_FROZEN);
    cr_assert_eq(reel_optim_step(lamb), REEL_OK);
    cr_assert_neq(*(const reel_real *)reel_param_data(dense), 1);
    reel_optim_free(lamb);
    reel_params_free(params);
    reel_context_free(c);
}

Test(optimizer, options_are_checked_from_the_row)
{
    reel_context *c = reel_context_new(NULL);
    reel_params *params = reel_params_new(c);
    sign_options o;
    memset(&o, 0, sizeof o);
    cr_assert_null(reel_optim_new(params, &sign, &o));
    cr_assert_not_null(strstr(reel_error(c), "the options did not come from"));
    reel_clear_error(c);
#define REFUSED(change, text)                                                                                          \
    do {                                                                                                               \
        reel_optim_fill_options(&sign, &o);                                                                            \
        change;                                                                                                        \
        cr_assert_null(reel_optim_new(params, &sign, &o));                                                             \
        cr_assert_eq(reel_context_status(c), REEL_ERROR_ARGUMENT);                                                     \
        cr_assert_str_eq(reel_error(c), text);                                                                         \
        reel_clear_error(c);                                                                                           \
    } while (0)
    REFUSED(o.lr = NAN, "sign: lr is nan, it must be at least 0");
    REFUSED(o.beta = 1, "sign: beta is 1, it must be in [0, 1)");
    REFUSED(o.weight_decay = 2, "sign: weight_decay is too much");
    reel_params_free(params);
    reel_context_free(c);
}

Test(optimizer, rows_that_cannot_work_are_refused)
{
    static const reel_optim_state_row unknown[] = {{"mean", REEL_PER_ELEMENT, "nothing"}};
    static const reel_optim_option no_lr[] = {REEL_OPTION(FRACTION, sign_options, beta, 0.9)};
    reel_context *c = reel_context_new(NULL);
    reel_params *params = reel_params_new(c);
#define MALFORMED(change, text)                                                                                        \
    do {                                                                                                               \
        reel_optim_algorithm a = sign;                                                                                 \
        change;                                                                                                        \
        cr_assert_null(reel_optim_new(params, &a, NULL));                                                              \
        cr_assert_eq(reel_context_status(c), REEL_ERROR_ARGUMENT);                                                     \
        cr_assert_str_eq(reel_error(c), text);                                                                         \
        reel_clear_error(c);                                                                                           \
    } while (0)
    MALFORMED(a.name = NULL, "optim: the algorithm has no name");
    MALFORMED(a.options_size = 4, "sign: the options have no mark or no lr");
    MALFORMED((a.options = no_lr, a.n_options = 1), "sign: the options have no mark or no lr");
    MALFORMED(a.n_states = 5, "sign: there are too many states");
    MALFORMED(a.states = row_states, "sign: a state is neither per element nor of the scope of the update");
    MALFORMED(a.states = unknown, "sign: a state depends on an option that is not there");
    MALFORMED(a.constants_size = 193, "sign: the constants are too large");
    MALFORMED(a.update = NULL, "sign: there is no prepare or no update");
    MALFORMED(a.scope = REEL_PER_PARAM, "sign: an update of the whole param needs measure and conclude");
    cr_assert_null(reel_optim_new(params, NULL, NULL));
    reel_clear_error(c);
    reel_optim *adam = reel_adam_new(params, NULL);
    cr_assert_eq(reel_optim_add_group(adam, &sign, NULL, NULL), -1);
    cr_assert_str_eq(reel_error(c), "sign_add_group: the optimizer is adam");
    reel_optim_free(adam);
    reel_params_free(params);
    reel_context_free(c);
}
