/* Moving averages, of dense params and of rows. */
#include "helpers.h"

#include <reel/ema.h>

#include "golden/optimizers.h"

struct run {
    reel_context *c;
    reel_params *params;
    reel_param *a, *buffer;
};

static struct run start(reel_context *c)
{
    const int64_t zero = 0;
    struct run r = {.c = c};
    r.params = reel_params_new(c);
    r.a = param_with(r.params, "a", REEL_SHAPE(3, 4), golden_a0);
    r.buffer = reel_param_new(r.params, "batches", REEL_PARAM_BUFFER, REEL_INT64, REEL_SCALAR);
    reel_param_set(r.buffer, &zero);
    OK(c);
    return r;
}

static void advance(struct run *r, int step)
{
    const int64_t steps = step + 1;
    reel_real *a = reel_param_write(r->a);
    for (int i = 0; i < GOLDEN_A; i++)
        a[i] += golden_a_grads[step * GOLDEN_A + i];
    reel_param_set(r->buffer, &steps);
}

static const reel_real *values(const reel_param *p)
{
    return reel_param_data(p);
}

static void average(double decay, const reel_real *golden)
{
    reel_real last[GOLDEN_A];
    struct run r = start(reel_context_new(NULL));
    reel_ema *ema = reel_ema_new(r.params, decay);
    for (int step = 0; step < GOLDEN_STEPS; step++) {
        cr_assert_eq(reel_ema_update(ema), REEL_OK);
        advance(&r, step);
    }
    memcpy(last, values(r.a), sizeof last);
    uint64_t version = r.a->version;
    cr_assert_eq(reel_ema_swap(ema), REEL_OK);
    cr_assert_eq(r.a->version, version + 1);
    for (int i = 0; i < GOLDEN_A; i++)
        cr_assert(fabs((double)values(r.a)[i] - (double)golden[i]) <=
                      (sizeof(reel_real) == sizeof(float) ? 1e-6 : 1e-15) * fabs((double)golden[i]),
                  "%d: %.17g, not %.17g", i, (double)values(r.a)[i], (double)golden[i]);
    cr_assert_eq(*(const int64_t *)reel_param_data(r.buffer), GOLDEN_STEPS - 1);

    cr_assert_eq(reel_ema_update(ema), REEL_ERROR_STATE);
    reel_clear_error(r.c);
    cr_assert_eq(reel_ema_copy_to(ema, r.params), REEL_ERROR_STATE);
    reel_clear_error(r.c);
    cr_assert_eq(reel_ema_swap(ema), REEL_OK);
    cr_assert(memcmp(last, values(r.a), sizeof last) == 0);
    cr_assert_eq(*(const int64_t *)reel_param_data(r.buffer), GOLDEN_STEPS);
    reel_ema_free(ema);
    reel_params_free(r.params);
    reel_context_free(r.c);
}

Test(ema, averages_are_those_of_pytorch)
{
    average(0.875, golden_average_high);
    average(0.25, golden_average_low);
}

Test(ema, copy_to_another_set)
{
    const reel_real one = 1;
    reel_context *c = reel_context_new(NULL);
    struct run from = start(c), to = start(c);
    reel_ema *ema = reel_ema_new(from.params, 0.5);
    advance(&from, 0);
    advance(&to, 1);
    cr_assert_eq(reel_ema_copy_to(ema, to.params), REEL_OK);
    cr_assert(memcmp(values(to.a), golden_a0, sizeof golden_a0) == 0);
    cr_assert_eq(*(const int64_t *)reel_param_data(to.buffer), 0);

    advance(&to, 1);
    reel_param *extra = param_with(to.params, "extra", REEL_SCALAR, &one);
    cr_assert_eq(reel_ema_copy_to(ema, to.params), REEL_ERROR_ARGUMENT);
    cr_assert_eq(values(to.a)[0], golden_a0[0] + golden_a_grads[GOLDEN_A]);
    reel_clear_error(c);
    cr_assert_not_null(extra);

    param_with(from.params, "other", REEL_SCALAR, &one);
    cr_assert_eq(reel_ema_update(ema), REEL_OK);
    cr_assert_eq(reel_ema_copy_to(ema, to.params), REEL_ERROR_ARGUMENT);
    cr_assert_str_eq(reel_error(c), "ema_copy_to: \"other\" is missing");
    reel_clear_error(c);
    cr_assert_eq(reel_ema_copy_to(ema, from.params), REEL_OK);
    reel_ema_free(ema);
    reel_params_free(from.params);
    reel_params_free(to.params);
    reel_context_free(c);
}

Test(ema, bad_arguments_are_refused)
{
    struct run r = start(reel_context_new(NULL));
    cr_assert_null(reel_ema_new(NULL, 0.5));
    cr_assert_null(reel_ema_new(r.params, 1.5));
    cr_assert_str_eq(reel_error(r.c), "ema: decay is 1.5, it must be in [0, 1]");
    reel_clear_error(r.c);
    cr_assert_null(reel_ema_new(r.params, NAN));
    cr_assert_eq(reel_ema_update(NULL), REEL_ERROR_ARGUMENT);
    reel_ema_free(NULL);
    reel_params_free(r.params);
    reel_context_free(r.c);
}

Test(ema, out_of_memory_leaves_everything)
{
    const reel_real one = 1;
    struct failing f;
    reel_context *c = failing_context(&f);
    struct run r = start(c);
    int64_t before = f.live;
    int failures = 0;
    reel_ema *ema = NULL;
    for (int64_t k = 0; !ema; k++) {
        f.fail_at = f.count + k;
        ema = reel_ema_new(r.params, 0.5);
        f.fail_at = -1;
        if (!ema) {
            failures++;
            cr_assert_eq(reel_context_status(c), REEL_ERROR_OUT_OF_MEMORY);
            cr_assert_eq(f.live, before);
            reel_clear_error(c);
        }
    }
    cr_assert_eq(failures, 4);
    cr_assert_eq(reel_ema_update(ema), REEL_OK);
    advance(&r, 0);
    param_with(r.params, "late", REEL_SCALAR, &one);
    f.fail_at = f.count;
    cr_assert_eq(reel_ema_update(ema), REEL_ERROR_OUT_OF_MEMORY);
    f.fail_at = -1;
    reel_clear_error(c);
    cr_assert_eq(reel_ema_swap(ema), REEL_OK);
    cr_assert(memcmp(values(r.a), golden_a0, sizeof golden_a0) == 0);
    reel_ema_free(ema);
    reel_params_free(r.params);
    reel_context_free(c);
    cr_assert_eq(f.live, 0);
}

/* An average by row needs memory to be swapped in: without it nothing is exchanged. */
Test(ema, a_swap_without_memory_changes_nothing)
{
    reel_real values[] = {1, 2, 3, 4, 5, 6}, more[] = {7, 8, 9, 10, 11, 12};
    struct failing f;
    reel_context *c = failing_context(&f);
    reel_params *params = reel_params_new(c);
    reel_param *table[2];
    for (int i = 0; i < 2; i++) {
        table[i] = param_with(params, i ? "b" : "a", REEL_SHAPE(3, 2), values);
        reel_param_set_sparse(table[i], true);
    }
    reel_ema *ema = reel_ema_new(params, 0.5);
    for (int i = 0; i < 2; i++)
        reel_param_set(table[i], more);
    for (int k = 0; k < 2; k++) {
        int64_t live = f.live;
        f.fail_at = f.count + k;
        cr_assert_eq(reel_ema_swap(ema), REEL_ERROR_OUT_OF_MEMORY);
        f.fail_at = -1;
        reel_clear_error(c);
        cr_assert_eq(f.live, live);
        for (int i = 0; i < 2; i++)
            cr_assert_arr_eq(reel_param_data(table[i]), more, sizeof more);
    }
    cr_assert_eq(reel_ema_swap(ema), REEL_OK);
    for (int i = 0; i < 2; i++)
        cr_assert_arr_eq(reel_param_data(table[i]), values, sizeof values);
    /* Freed while it is swapped, it takes the memory along. */
    reel_ema_free(ema);
    reel_params_free(params);
    reel_context_free(c);
    cr_assert_eq(f.live, 0);
}
