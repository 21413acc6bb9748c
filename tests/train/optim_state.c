/* What an optimizer holds, by name: a run that is put together again goes on with the same bits, and looking changes
 * none. */
#include "helpers.h"

#include <reel/reel.h>

enum { ROWS = 31, COLUMNS = 3, BATCH = 4, HALF = 60 };

/* Every state that there is: amsgrad, momentum with dampening, all of RMSprop, one number a row, a whole param. */
static const char *const subjects[] = {
    "sgd",
    "sgd lr=0.05 momentum=0.9 dampening=0.3",
    "adam amsgrad=1",
    "adamw lr=0.02",
    "rmsprop momentum=0.9 centered=1",
    "adagrad lr=0.1 lr_decay=0.1 weight_decay=0.1",
    "rowwise_adagrad lr=0.1",
    "nadam lr=0.02",
    "radam lr=0.02 weight_decay=0.1",
    "adamax",
    "adadelta",
    "lamb lr=0.02",
};

struct run {
    reel_context *c;
    reel_params *params;
    reel_param *table, *bias;
    reel_optim *optim;
};

static struct run start(const char *what, reel_sparse_update mode)
{
    reel_real values[ROWS * COLUMNS];
    REEL_OPTIONS(context, o, o.num_threads = 2);
    struct run r = {.c = reel_context_new(&o)};
    r.params = reel_params_new(r.c);
    fill(values, ROWS * COLUMNS, 1);
    r.table = param_with(r.params, "table", REEL_SHAPE(ROWS, COLUMNS), values);
    r.bias = param_with(r.params, "bias", REEL_SHAPE(COLUMNS), values);
    reel_param_set_sparse(r.table, takes_rows(what));
    r.optim = optim_of(r.params, what, mode);
    OK(r.c);
    return r;
}

static void end(struct run *r)
{
    reel_optim_free(r->optim);
    reel_params_free(r->params);
    reel_context_free(r->c);
}

/* Few rows at first, others later; the bias rests in some steps. */
static void step(struct run *r, int i)
{
    reel_real values[BATCH * (1 + COLUMNS)];
    int64_t rows[BATCH];
    fill(values, BATCH * (1 + COLUMNS), (uint64_t)i);
    for (int k = 0; k < BATCH; k++)
        rows[k] = (int64_t)((values[BATCH * COLUMNS + k] + 2) / 4 * (i < HALF ? 5 : ROWS));
    reel_zero_grad(r->params);
    if (reel_param_sparse(r->table))
        reel_param_set_row_grad(r->table, BATCH, rows, values);
    else
        add_dense(r->table, rows, values, BATCH);
    if (i % 3)
        reel_param_set_grad(r->bias, values);
    reel_optim_set_lr(r->optim, 0, 0.01 * (1 + i % 2));
    cr_assert_eq(reel_optim_step(r->optim), REEL_OK, "%s", reel_error(r->c));
}

static void expect_same(const char *what, const struct run *a, const struct run *b)
{
    cr_assert_arr_eq(reel_param_data(a->table), reel_param_data(b->table), ROWS * COLUMNS * sizeof(reel_real), "%s",
                     what);
    cr_assert_arr_eq(reel_param_data(a->bias), reel_param_data(b->bias), COLUMNS * sizeof(reel_real), "%s", what);
}

/* What a checkpoint does: params, then every state by its name. */
static void carry_over(const struct run *from, const struct run *to)
{
    cr_assert_eq(reel_params_copy(to->params, from->params), REEL_OK);
    for (int p = 0; p < reel_params_count(from->params); p++) {
        const reel_param *a = reel_params_at(from->params, p), *b = reel_params_at(to->params, p);
        int n = reel_optim_states(from->optim, a);
        cr_assert_geq(n, 1);
        for (int i = 0; i < n; i++) {
            reel_optim_state state;
            cr_assert_eq(reel_optim_state_at(from->optim, a, i, &state), REEL_OK);
            cr_assert_eq(reel_optim_set_state(to->optim, b, &state), REEL_OK, "%s", reel_error(to->c));
        }
        cr_assert_eq(reel_optim_states(to->optim, b), n);
    }
}

Test(optim_state, carries_a_run_over_with_its_bits)
{
    for (size_t k = 0; k < COUNT(subjects); k++)
        for (int mode = REEL_LAZY; mode <= REEL_EXACT; mode++) {
            struct run undisturbed = start(subjects[k], (reel_sparse_update)mode);
            struct run first = start(subjects[k], (reel_sparse_update)mode);
            struct run second = start(subjects[k], (reel_sparse_update)mode);
            for (int i = 0; i < 2 * HALF; i++) {
                step(&undisturbed, i);
                if (i < HALF)
                    step(&first, i);
                if (i == HALF - 1)
                    carry_over(&first, &second);
                if (i >= HALF)
                    step(&second, i);
            }
            expect_same(subjects[k], &undisturbed, &second);
            /* The one that was looked at goes on, too. */
            for (int i = HALF; i < 2 * HALF; i++)
                step(&first, i);
            expect_same(subjects[k], &undisturbed, &first);
            end(&undisturbed);
            end(&first);
            end(&second);
        }
}

Test(optim_state, is_current_when_it_is_read)
{
    struct run exact = start("adam", REEL_EXACT), dense = start("adam", REEL_LAZY);
    reel_param_set_sparse(dense.table, false);
    for (int i = 0; i < HALF; i++) {
        step(&exact, i);
        step(&dense, i);
    }
    static const char *const names[] = {"exp_avg", "exp_avg_sq"};
    for (int i = 0; i < 2; i++) {
        reel_optim_state a, b;
        cr_assert_eq(reel_optim_get_state(exact.optim, exact.table, names[i], &a), REEL_OK);
        cr_assert_eq(reel_optim_get_state(dense.optim, dense.table, names[i], &b), REEL_OK);
        cr_assert_arr_eq(a.data, b.data, ROWS * COLUMNS * sizeof(reel_real), "%s", names[i]);
    }
    end(&exact);
    end(&dense);
}

Test(optim_state, has_names_types_and_shapes)
{
    struct run r = start("sgd momentum=0.9 dampening=0.5", REEL_LAZY);
    reel_optim_state s;
    cr_assert_eq(reel_optim_states(r.optim, r.table), 2); /* step and all_seen */
    cr_assert_eq(reel_optim_get_state(r.optim, r.table, "momentum_buffer", &s), REEL_OK);
    cr_assert_null(s.data, "nobody has needed it");
    step(&r, 1);
    const struct {
        const char *name;
        reel_dtype dtype;
        reel_shape shape;
    } want[] = {{"step", REEL_INT64, REEL_SCALAR},
                {"momentum_buffer", REEL_REAL, REEL_SHAPE(ROWS, COLUMNS)},
                {"all_seen", REEL_BOOL, REEL_SCALAR},
                {"seen", REEL_BOOL, REEL_SHAPE(ROWS)}};
    cr_assert_eq(reel_optim_states(r.optim, r.table), (int)COUNT(want));
    for (int i = 0; i < (int)COUNT(want); i++) {
        cr_assert_eq(reel_optim_state_at(r.optim, r.table, i, &s), REEL_OK);
        cr_assert_str_eq(s.name, want[i].name);
        cr_assert_eq(s.dtype, want[i].dtype);
        cr_assert(reel_shape_equal(&s.shape, &want[i].shape), "%s", s.name);
        cr_assert_not_null(s.data);
    }
    cr_assert_eq(reel_optim_get_state(r.optim, r.bias, "step", &s), REEL_OK);
    cr_assert_eq(*(const int64_t *)s.data, 1);
    end(&r);
}

Test(optim_state, refuses_what_does_not_fit)
{
    struct run r = start("adam", REEL_LAZY);
    static const reel_real values[ROWS * COLUMNS];
    const int64_t minus_one = -1, beyond = ((int64_t)1 << 53) + 1;
    reel_param *foreign = reel_param_new(r.params, "buffer", REEL_PARAM_BUFFER, REEL_REAL, REEL_SHAPE(2));
    const struct {
        const reel_param *param;
        reel_optim_state state;
        reel_status status;
        const char *says;
    } refused[] = {
        {r.table,
         {"exp_sum", REEL_REAL, REEL_SHAPE(ROWS, COLUMNS), values},
         REEL_ERROR_ARGUMENT,
         "no state \"exp_sum\""},
        {r.table, {NULL, REEL_REAL, REEL_SHAPE(ROWS, COLUMNS), values}, REEL_ERROR_ARGUMENT, "no state \"\""},
        {r.table,
         {"exp_avg", REEL_REAL, REEL_SHAPE(COLUMNS, ROWS), values},
         REEL_ERROR_SHAPE,
         "\"exp_avg\" of \"table\""},
        {r.table,
         {"exp_avg", REEL_INT64, REEL_SHAPE(ROWS, COLUMNS), values},
         REEL_ERROR_DTYPE,
         "\"exp_avg\" of \"table\""},
        {r.table, {"exp_avg", REEL_REAL, REEL_SHAPE(ROWS, COLUMNS), NULL}, REEL_ERROR_ARGUMENT, "is NULL"},
        {r.table, {"step", REEL_INT64, REEL_SCALAR, &minus_one}, REEL_ERROR_ARGUMENT, "outside 0..2^53"},
        {r.table, {"step", REEL_INT64, REEL_SCALAR, &beyond}, REEL_ERROR_ARGUMENT, "outside 0..2^53"},
        {r.table, {"seen", REEL_BOOL, REEL_SHAPE(ROWS), values}, REEL_ERROR_ARGUMENT, "no state \"seen\""},
        {foreign, {"step", REEL_INT64, REEL_SCALAR, &minus_one}, REEL_ERROR_ARGUMENT, "\"buffer\" is no param"},
        {NULL, {"step", REEL_INT64, REEL_SCALAR, &minus_one}, REEL_ERROR_ARGUMENT, "is no param"},
    };
    for (size_t i = 0; i < COUNT(refused); i++) {
        cr_expect_eq(reel_optim_set_state(r.optim, refused[i].param, &refused[i].state), refused[i].status);
        cr_expect_not_null(strstr(reel_error(r.c), refused[i].says), "\"%s\" does not say \"%s\"", reel_error(r.c),
                           refused[i].says);
        reel_clear_error(r.c);
    }
    reel_optim_state s;
    cr_expect_eq(reel_optim_state_at(r.optim, r.table, 1, &s), REEL_ERROR_ARGUMENT);
    reel_clear_error(r.c);
    cr_expect_eq(reel_optim_states(NULL, r.table), 0);
    cr_expect_eq(reel_optim_set_state(NULL, r.table, &s), REEL_ERROR_ARGUMENT);
    cr_expect_eq(reel_optim_get_state(r.optim, r.table, "step", NULL), REEL_ERROR_ARGUMENT);
    end(&r);
}

/* ---- Options ---- */

Test(optim_state, options_are_read_and_set_by_name)
{
    struct run r = start("adam beta1=0.5", REEL_EXACT);
    cr_assert_eq(reel_optim_get_option(r.optim, 0, "beta1"), 0.5);
    cr_assert_eq(reel_optim_get_option(r.optim, 0, "sparse_update"), REEL_EXACT);
    cr_assert_eq(reel_optim_get_option(r.optim, 0, "amsgrad"), 0);
    cr_assert(isnan(reel_optim_get_option(r.optim, 0, "gamma")) && isnan(reel_optim_get_option(r.optim, 1, "lr")));
    cr_assert_eq(reel_optim_set_option(r.optim, 0, "initial_lr", 0.25), REEL_OK);
    cr_assert_eq(reel_optim_get_option(r.optim, 0, "initial_lr"), 0.25);
    cr_assert_eq(reel_optim_lr(r.optim, 0), 1e-3);
    cr_assert_eq(reel_optim_set_option(r.optim, 0, "beta1", 1), REEL_ERROR_ARGUMENT);
    cr_assert_str_eq(reel_error(r.c), "adam: beta1 is 1, it must be in [0, 1)");
    reel_clear_error(r.c);
    cr_assert_eq(reel_optim_set_option(r.optim, 0, "gamma", 1), REEL_ERROR_ARGUMENT);
    cr_assert_str_eq(reel_error(r.c), "adam: there is no option \"gamma\"");
    reel_clear_error(r.c);
    cr_assert_eq(reel_optim_get_option(r.optim, 0, "beta1"), 0.5);
    end(&r);

    struct run sgd = start("sgd momentum=0.5 nesterov=1", REEL_LAZY);
    cr_assert_eq(reel_optim_set_option(sgd.optim, 0, "momentum", 0), REEL_ERROR_ARGUMENT, "nesterov needs it");
    reel_clear_error(sgd.c);
    cr_assert_eq(reel_optim_get_option(sgd.optim, 0, "momentum"), 0.5);
    end(&sgd);
}

/* Rows that were put off are moved with the options that held then. */
Test(optim_state, options_change_for_later_steps_only)
{
    struct run exact = start("adam", REEL_EXACT), dense = start("adam", REEL_LAZY);
    reel_param_set_sparse(dense.table, false);
    for (int i = 0; i < 2 * HALF; i++) {
        if (i == HALF)
            for (int k = 0; k < 2; k++) {
                reel_optim *optim = k ? dense.optim : exact.optim;
                cr_assert_eq(reel_optim_set_option(optim, 0, "beta1", 0.5), REEL_OK);
                cr_assert_eq(reel_optim_set_option(optim, 0, "weight_decay", 0.1), REEL_OK);
                cr_assert_eq(reel_optim_set_option(optim, 0, "amsgrad", 1), REEL_OK);
            }
        step(&exact, i);
        step(&dense, i);
    }
    expect_same("adam", &exact, &dense);
    end(&exact);
    end(&dense);
}
