/* Contexts, tapes and vars: what is refused, what sticks, what lives how long. */
#include "core/tape.h"
#include "support/allocator.h"

#include <reel/reel.h>

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

static struct counting counted;
static reel_context *c;
static reel_tape *t;

static void set_up(void)
{
    c = counting_context(&counted, 1);
    t = reel_tape_new(c);
    cr_assert(c && t);
}

static void tear_down(void)
{
    reel_tape_free(t);
    reel_context_free(c);
    cr_expect_eq(counted.live, 0, "%lld blocks leak", (long long)counted.live);
    cr_expect_eq(counted.wrong_sizes, 0);
}

TestSuite(context, .init = set_up, .fini = tear_down);
TestSuite(tape, .init = set_up, .fini = tear_down);

/* The error that is recorded has this status and says this; then it is cleared. */
static void expect_error(reel_status status, const char *says)
{
    cr_expect_eq(reel_context_status(c), status, "\"%s\" is %s", reel_error(c),
                 reel_status_text(reel_context_status(c)));
    cr_expect(strstr(reel_error(c), says), "\"%s\" does not say \"%s\"", reel_error(c), says);
    reel_clear_error(c);
}

/* ---- Contexts ---- */

Test(context, of_another_precision_or_version_is_refused)
{
    cr_expect_null(reel_context_new_checked(NULL, sizeof(reel_real) == 4 ? 8 : 4, REEL_VERSION));
    cr_expect_null(reel_context_new_checked(NULL, sizeof(reel_real), REEL_VERSION + 100));
    reel_context_options options = reel_context_defaults();
    options.num_threads = 257;
    cr_expect_null(reel_context_new(&options));
    options.num_threads = -1;
    cr_expect_null(reel_context_new(&options));
}

Test(context, that_is_null_is_an_error_everywhere)
{
    reel_context_free(NULL);
    cr_expect_eq(reel_context_status(NULL), REEL_ERROR_ARGUMENT);
    cr_expect_neq(*reel_error(NULL), '\0');
    reel_clear_error(NULL);
    reel_manual_seed(NULL, 1);
    cr_expect_eq(reel_fail(NULL, REEL_ERROR_STATE, "x"), REEL_ERROR_ARGUMENT);
    cr_expect_eq(reel_memory(NULL).bytes, 0);
    cr_expect_null(reel_tape_new(NULL));
    cr_expect_null(reel_params_new(NULL));
    reel_tape_free(NULL);
    reel_params_free(NULL);
    cr_expect_eq(reel_tape_reset(NULL), REEL_ERROR_ARGUMENT);
    cr_expect(reel_is_null(reel_ones(NULL, REEL_SHAPE(2))));
    cr_expect(reel_is_null(reel_add(NULL, reel_null(), reel_null())));
    cr_expect(reel_is_null(reel_detach(NULL, reel_null())));
    cr_expect(reel_is_null(reel_param_var(NULL, NULL)));
    cr_expect_neq(reel_backward(NULL, reel_null(), NULL), REEL_OK);
    cr_expect_neq(reel_register_hook(NULL, reel_null(), NULL, NULL), REEL_OK);
    cr_expect_null(reel_data(NULL, reel_null()));
    cr_expect(isnan(reel_item(NULL, reel_null())));
    cr_expect_eq(reel_shape_of(NULL, reel_null()).ndim, -1);
    cr_expect_eq(reel_tape_stats(NULL).operations, 0);
    reel_no_grad_begin(NULL);
    reel_no_grad_end(NULL);
}

Test(context, keeps_the_first_error)
{
    cr_expect_eq(reel_fail(c, REEL_ERROR_STATE, "first %d", 1), REEL_ERROR_STATE);
    cr_expect_eq(reel_fail(c, REEL_ERROR_SHAPE, "second"), REEL_ERROR_STATE);
    cr_expect_str_eq(reel_error(c), "first 1");
    int64_t count = t->count;
    cr_expect(reel_is_null(reel_ones(t, REEL_SHAPE(2))));
    cr_expect_eq(t->count, count);
    cr_expect_null(reel_params_new(c));
    cr_expect_null(reel_tape_new(c));
    cr_expect_eq(reel_set_num_threads(c, 2), REEL_ERROR_STATE);
    reel_clear_error(c);
    cr_expect_str_eq(reel_error(c), "");
    cr_expect_eq(reel_context_status(c), REEL_OK);
    cr_expect_not(reel_is_null(reel_ones(t, REEL_SHAPE(2))));
}

Test(context, keeps_the_text_after_a_reset)
{
    reel_fail(c, REEL_ERROR_STATE, "of the step");
    cr_expect_eq(reel_tape_reset(t), REEL_ERROR_STATE);
    cr_expect_eq(reel_context_status(c), REEL_OK);
    cr_expect_str_eq(reel_error(c), "of the step");
    reel_ones(t, REEL_SHAPE(2));
    cr_expect_eq(reel_tape_reset(t), REEL_OK);
    cr_expect_str_eq(reel_error(c), "of the step");
    reel_fail(c, REEL_ERROR_SHAPE, "next");
    cr_expect_eq(reel_tape_reset(t), REEL_ERROR_SHAPE);
    cr_expect_str_eq(reel_error(c), "next");
    reel_clear_error(c);
    cr_expect_str_eq(reel_error(c), "");
}

Test(context, cuts_long_errors)
{
    char text[2000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    reel_fail(c, REEL_ERROR_IO, "%s", text);
    cr_expect_eq(strlen(reel_error(c)), sizeof c->error - 1);
    reel_clear_error(c);
}

Test(context, checks_the_number_of_threads)
{
    cr_expect_eq(reel_set_num_threads(c, 7), REEL_OK);
    cr_expect_eq(reel_get_num_threads(c), 7);
    cr_expect_eq(reel_set_num_threads(c, 0), REEL_ERROR_ARGUMENT);
    expect_error(REEL_ERROR_ARGUMENT, "0 is outside 1..256");
    cr_expect_eq(reel_get_num_threads(c), 7);
}

Test(context, counts_what_it_holds)
{
    reel_memory_statistics before = reel_memory(c);
    cr_expect_eq(before.bytes, counted.bytes);
    cr_expect_eq(before.allocations, (uint64_t)counted.calls);
    reel_ones(t, REEL_SHAPE(1000000));
    reel_memory_statistics after = reel_memory(c);
    cr_expect_geq(after.bytes, before.bytes + 1000000 * sizeof(reel_real));
    cr_expect_geq(after.peak_bytes, after.bytes);
    cr_expect_eq(after.bytes, counted.bytes);
}

Test(context, whose_memory_fails_is_null)
{
    struct counting other;
    reel_allocator allocator = counting_allocator(&other);
    reel_context_options options = reel_context_defaults();
    options.allocator = &allocator;
    other.fail_at = 0;
    cr_expect_null(reel_context_new(&options));
    cr_expect_eq(other.live, 0);
}

Test(context, statuses_have_texts)
{
    for (int status = REEL_OK; status <= REEL_ERROR_PEER; status++)
        for (int other = REEL_OK; other < status; other++)
            cr_expect_str_neq(reel_status_text((reel_status)status), reel_status_text((reel_status)other));
    cr_expect_str_eq(reel_status_text((reel_status)999), "unknown status");
}

/* ---- Vars ---- */

Test(tape, vars_are_stale_after_a_reset)
{
    reel_var v = reel_ones(t, REEL_SHAPE(2));
    cr_expect_eq(reel_tape_reset(t), REEL_OK);
    cr_expect(reel_is_null(reel_add(t, v, v)));
    expect_error(REEL_ERROR_STALE, "kept across a reset");
    cr_expect_null(reel_data(t, v));
    expect_error(REEL_ERROR_STALE, "data");
    /* Also when the new step has a var of that number. */
    reel_ones(t, REEL_SHAPE(3));
    cr_expect_eq(reel_numel(t, v), -1);
    expect_error(REEL_ERROR_STALE, "generation");
    cr_expect_eq(reel_backward(t, v, NULL), REEL_ERROR_STALE);
    expect_error(REEL_ERROR_STALE, "backward");
    reel_var out;
    cr_expect_eq(reel_grad(t, v, &v, 1, 0, &out), REEL_ERROR_STALE);
    cr_expect(reel_is_null(out));
    expect_error(REEL_ERROR_STALE, "grad");
}

Test(tape, vars_belong_to_one_tape)
{
    reel_tape *other = reel_tape_new(c);
    reel_var a = reel_ones(t, REEL_SHAPE(2)), b = reel_ones(other, REEL_SHAPE(2));
    cr_expect(reel_is_null(reel_add(t, a, b)));
    expect_error(REEL_ERROR_STALE, "another tape");
    cr_expect(reel_is_null(reel_add(other, a, b)));
    expect_error(REEL_ERROR_STALE, "add");
    cr_expect_not(reel_is_null(reel_add(other, b, b)));
    reel_tape_reset(other);
    cr_expect_not(reel_is_null(reel_add(t, a, a)), "a reset of another tape must not matter");
    reel_tape_free(other);
}

Test(tape, numbers_beyond_the_end_are_stale)
{
    reel_var v = reel_ones(t, REEL_SHAPE(2));
    v.number += 1000;
    cr_expect(reel_is_null(reel_neg(t, v)));
    expect_error(REEL_ERROR_STALE, "neg");
}

Test(tape, generations_never_repeat)
{
    reel_var seen[20];
    reel_tape *other = reel_tape_new(c);
    for (int i = 0; i < 20; i++) {
        reel_tape *tape = i % 2 ? t : other;
        seen[i] = reel_ones(tape, REEL_SCALAR);
        for (int k = 0; k < i; k++)
            cr_expect_neq(seen[k].generation, seen[i].generation);
        reel_tape_reset(tape);
    }
    /* After as many resets as 32 bits can count. */
    reel_var before = reel_ones(t, REEL_SCALAR);
    c->last_generation = before.generation + UINT32_MAX;
    reel_tape_reset(t);
    cr_expect_not(reel_is_null(reel_ones(t, REEL_SCALAR)));
    cr_expect_null(reel_data(t, before));
    expect_error(REEL_ERROR_STALE, "kept across a reset");
    reel_tape_free(other);
}

Test(tape, null_vars_pass_through)
{
    reel_var one = reel_ones(t, REEL_SHAPE(2));
    cr_expect(reel_is_null(reel_add(t, one, reel_null())));
    expect_error(REEL_ERROR_ARGUMENT, "add: the var is null");
    reel_var bad = reel_reshape(t, one, REEL_SHAPE(3));
    cr_expect(reel_is_null(bad));
    cr_expect(reel_is_null(reel_tanh(t, reel_add(t, bad, one))));
    cr_expect_eq(reel_backward(t, bad, NULL), REEL_ERROR_SHAPE);
    cr_expect(isnan(reel_item(t, bad)));
    expect_error(REEL_ERROR_SHAPE, "reshape: [2] with 2 elements does not fit into [3]");
}

Test(tape, reset_gives_and_clears_the_first_error)
{
    reel_reshape(t, reel_ones(t, REEL_SHAPE(2)), REEL_SHAPE(3));
    reel_add(t, reel_null(), reel_null());
    cr_expect_eq(reel_tape_reset(t), REEL_ERROR_SHAPE);
    cr_expect_eq(reel_context_status(c), REEL_OK);
    cr_expect_eq(reel_tape_reset(t), REEL_OK);
    cr_expect_eq(reel_item(t, reel_ones(t, REEL_SCALAR)), 1);
}

Test(tape, failed_operations_leave_nothing)
{
    reel_var one = reel_ones(t, REEL_SHAPE(2));
    int64_t count = t->count;
    uint64_t operations = reel_tape_stats(t).operations;
    struct reel_arena_mark mark = reel_arena_mark(&t->arena);
    reel_reshape(t, one, REEL_SHAPE(3));
    reel_clear_error(c);
    struct reel_arena_mark after = reel_arena_mark(&t->arena);
    cr_expect_eq(t->count, count);
    cr_expect_eq(reel_tape_stats(t).operations, operations);
    cr_expect(after.chunk == mark.chunk && after.used == mark.used);
    cr_expect_eq(reel_item(t, reel_sum_all(t, one)), 2);
}

Test(tape, reads_every_type)
{
    const int64_t wide[] = {-5, 7};
    const int32_t narrow[] = {-6};
    const bool truth[] = {true};
    reel_var w = reel_tensor_of(t, REEL_INT64, wide, REEL_SHAPE(2, 1)),
             n = reel_tensor_of(t, REEL_INT32, narrow, REEL_SCALAR);
    cr_expect_eq(reel_dtype_of(t, w), REEL_INT64);
    cr_expect_eq(reel_data_int64(t, w)[1], 7);
    cr_expect_eq(reel_size(t, w, 0), 2);
    cr_expect_eq(reel_size(t, w, -1), 1);
    cr_expect_eq(reel_item(t, n), -6);
    cr_expect_eq(reel_item(t, reel_tensor_of(t, REEL_BOOL, truth, REEL_SHAPE(1, 1))), 1);
    cr_expect_eq(reel_item(t, reel_full(t, REEL_SCALAR, 0.5)), 0.5);
    cr_expect_eq(reel_numel(t, reel_zeros(t, REEL_SHAPE(3, 0))), 0);

    cr_expect_null(reel_data_real(t, w));
    expect_error(REEL_ERROR_DTYPE, "int64");
    cr_expect_null(reel_data_int64(t, n));
    expect_error(REEL_ERROR_DTYPE, "int32");
    cr_expect(isnan(reel_item(t, w)));
    expect_error(REEL_ERROR_SHAPE, "2 elements");
    cr_expect_eq(reel_size(t, w, 2), -1);
    expect_error(REEL_ERROR_ARGUMENT, "axis 2 is outside -2..1");
    cr_expect_eq(reel_size(t, w, -3), -1);
    expect_error(REEL_ERROR_ARGUMENT, "axis -3");
}

Test(tape, impossible_shapes_are_refused)
{
    const int64_t many[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
    cr_expect(reel_is_null(reel_zeros(t, reel_shape_make(9, many))));
    expect_error(REEL_ERROR_SHAPE, "9 axes");
    cr_expect(reel_is_null(reel_zeros(t, REEL_SHAPE(2, -1))));
    expect_error(REEL_ERROR_SHAPE, "negative");
    cr_expect(reel_is_null(reel_zeros(t, REEL_SHAPE(INT64_MAX, 3))));
    expect_error(REEL_ERROR_SHAPE, "too many elements");
    cr_expect(reel_is_null(reel_zeros(t, REEL_SHAPE(INT64_MAX / 2))));
    cr_expect_neq(reel_context_status(c), REEL_OK);
    reel_clear_error(c);
    /* Strides are products of sizes, so those must fit also where a size of 0 makes the number of elements fit. */
    reel_shape huge = REEL_SHAPE(0, INT64_MAX, INT64_MAX), wide = REEL_SHAPE((int64_t)1 << 32, (int64_t)1 << 32, 0);
    cr_expect(reel_shape_numel(&huge) == -1 && reel_shape_numel(&wide) == -1);
    cr_expect(reel_is_null(reel_zeros(t, wide)));
    expect_error(REEL_ERROR_SHAPE, "too many elements");
    reel_shape fits = REEL_SHAPE(0, INT64_MAX);
    cr_expect_eq(reel_shape_numel(&fits), 0);
}

Test(tape, statistics_count_operations)
{
    uint64_t before = reel_tape_stats(t).operations;
    reel_var one = reel_ones(t, REEL_SHAPE(2));
    reel_neg(t, reel_add(t, one, one));
    cr_expect_eq(reel_tape_stats(t).operations, before + 2);
    reel_tape_reset(t);
    cr_expect_eq(reel_tape_stats(t).operations, before + 2, "a reset must not restart the counters");
}

Test(tape, applying_checks_the_number_of_inputs)
{
    reel_var one = reel_ones(t, REEL_SHAPE(2)), out;
    cr_expect_eq(reel_apply(t, reel_op_find("add"), &one, 1, NULL, &out), REEL_ERROR_ARGUMENT);
    cr_expect(reel_is_null(out));
    expect_error(REEL_ERROR_ARGUMENT, "add: 1 inputs, it takes 2");
}

Test(tape, steady_steps_do_not_allocate)
{
    reel_params *params = reel_params_new(c);
    reel_param *w = reel_param_new(params, "w", REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(300, 50));
    reel_param *table = reel_param_new(params, "table", REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(100, 300));
    reel_param_set_sparse(table, true);
    int64_t calls = 0;
    for (int step = 0; step < 8; step++) {
        if (step == 2)
            calls = counted.calls;
        reel_var index = reel_randint(t, 0, 100, REEL_SHAPE(64));
        reel_var rows = reel_embedding(t, reel_param_var(t, table), index, NULL);
        reel_var y = reel_tanh(t, reel_matmul(t, rows, reel_param_var(t, w)));
        reel_var loss = reel_mean_all(t, reel_square(t, y)), grad;
        reel_grad(t, loss, &rows, 1, REEL_GRAD_CREATE_GRAPH, &grad);
        loss = reel_add(t, loss, reel_sum_all(t, reel_square(t, grad)));
        reel_zero_grad(params);
        reel_backward(t, loss, params);
        cr_assert_eq(reel_context_status(c), REEL_OK, "%s", reel_error(c));
        if (step % 2 == 0)
            reel_zero_grad(params); /* else the reset has to move the rows */
        cr_assert_eq(reel_tape_reset(t), REEL_OK);
    }
    /* Which rows are drawn differs, so that what a param keeps of them may still grow. */
    cr_expect_leq(counted.calls, calls + 4);
    calls = counted.calls;
    size_t bytes = counted.bytes;
    for (int step = 0; step < 5; step++) {
        reel_var y = reel_mul(t, reel_param_var(t, w), reel_ones(t, REEL_SHAPE(50)));
        reel_zero_grad(params);
        reel_backward(t, reel_sum_all(t, y), params);
        reel_tape_reset(t);
    }
    cr_expect_eq(counted.calls, calls);
    cr_expect_eq(counted.bytes, bytes);
    reel_params_free(params);
}

/* ---- No gradient ---- */

Test(tape, no_grad_scopes_nest_and_end_at_the_reset)
{
    reel_var x = reel_ones(t, REEL_SHAPE(2)), out;
    reel_no_grad_begin(t);
    reel_no_grad_begin(t);
    reel_no_grad_end(t);
    reel_var inside = reel_sum_all(t, reel_square(t, x));
    reel_no_grad_end(t);
    reel_no_grad_end(t); /* one too many does nothing */
    reel_var after = reel_sum_all(t, reel_square(t, x));
    cr_expect_eq(reel_item(t, inside), 2);
    cr_expect_eq(reel_grad(t, inside, &x, 1, REEL_GRAD_ALLOW_UNUSED, &out), REEL_OK);
    cr_expect(reel_is_null(out));
    cr_expect_eq(reel_grad(t, after, &x, 1, 0, &out), REEL_OK);
    cr_expect_eq(reel_data_real(t, out)[0], 2);

    reel_no_grad_begin(t);
    reel_tape_reset(t);
    x = reel_ones(t, REEL_SHAPE(2));
    cr_expect_eq(reel_grad(t, reel_sum_all(t, x), &x, 1, 0, &out), REEL_OK);
}

Test(tape, detached_vars_share_the_value_and_no_gradient)
{
    reel_var x = reel_full(t, REEL_SHAPE(2), 3), out;
    reel_var y = reel_square(t, x), cut = reel_detach(t, y);
    cr_expect_eq(reel_data(t, cut), reel_data(t, y));
    reel_var loss = reel_sum_all(t, reel_mul(t, y, cut)); /* only one factor counts */
    cr_expect_eq(reel_grad(t, loss, &x, 1, 0, &out), REEL_OK);
    cr_expect_eq(reel_data_real(t, out)[1], 54);
    cr_expect_eq(reel_grad(t, loss, &cut, 1, 0, &out), REEL_OK);
    cr_expect_eq(reel_data_real(t, out)[1], 9);
}
