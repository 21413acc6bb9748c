/* Param sets: names, kinds, values, copies. */
#include "core/params.h"
#include "support/allocator.h"

#include <reel/reel.h>

#include <criterion/criterion.h>
#include <string.h>

static struct counting counted;
static reel_context *c;
static reel_params *params;

static void set_up(void)
{
    c = counting_context(&counted, 1);
    params = reel_params_new(c);
    cr_assert(c && params);
}

static void tear_down(void)
{
    cr_expect_eq(reel_context_status(c), REEL_OK, "%s", reel_error(c));
    reel_params_free(params);
    reel_context_free(c);
    cr_expect_eq(counted.live, 0, "%lld blocks leak", (long long)counted.live);
}

TestSuite(params, .init = set_up, .fini = tear_down);

static void expect_error(reel_status status, const char *says)
{
    cr_expect_eq(reel_context_status(c), status, "\"%s\"", reel_error(c));
    cr_expect(strstr(reel_error(c), says), "\"%s\" does not say \"%s\"", reel_error(c), says);
    reel_clear_error(c);
}

static reel_param *real(const char *name, reel_param_kind kind)
{
    return reel_param_new(params, name, kind, REEL_REAL, REEL_SHAPE(2, 3));
}

Test(params, are_found_by_name_and_number)
{
    char name[] = "fc.weight";
    reel_param *p = real(name, REEL_PARAM_TRAINED), *q = real("fc.bias", REEL_PARAM_FROZEN);
    name[0] = 'x'; /* the name was copied */
    cr_expect_eq(reel_params_count(params), 2);
    cr_expect_eq(reel_params_at(params, 0), p);
    cr_expect_eq(reel_params_at(params, 1), q);
    cr_expect_null(reel_params_at(params, 2));
    cr_expect_null(reel_params_at(params, -1));
    cr_expect_eq(reel_params_find(params, "fc.weight"), p);
    cr_expect_null(reel_params_find(params, "fc"));
    cr_expect_null(reel_params_find(params, NULL));
    cr_expect_eq(reel_context_status(c), REEL_OK);
    cr_expect_str_eq(reel_param_name(p), "fc.weight");
    cr_expect_eq(reel_param_kind_of(q), REEL_PARAM_FROZEN);
    cr_expect_eq(reel_param_dtype(p), REEL_REAL);
    cr_expect_eq(reel_param_shape(p)->dim[1], 3);
    cr_expect_eq(reel_params_context(params), c);
    for (int i = 0; i < 6; i++)
        cr_expect_eq(((const reel_real *)reel_param_data(p))[i], 0);
}

Test(params, many_are_kept_in_order)
{
    char name[32];
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof name, "layer%d", i);
        cr_assert_not_null(reel_param_new(params, name, REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(i % 3)));
    }
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof name, "layer%d", i);
        cr_expect_str_eq(reel_param_name(reel_params_at(params, i)), name);
    }
}

Test(params, bad_ones_are_refused)
{
    real("a", REEL_PARAM_TRAINED);
    cr_expect_null(real("a", REEL_PARAM_BUFFER));
    expect_error(REEL_ERROR_ARGUMENT, "param \"a\": the set has one of this name already");
    cr_expect_null(real("", REEL_PARAM_TRAINED));
    expect_error(REEL_ERROR_ARGUMENT, "empty");
    cr_expect_null(real(NULL, REEL_PARAM_TRAINED));
    expect_error(REEL_ERROR_ARGUMENT, "empty");
    cr_expect_null(reel_param_new(params, "b", REEL_PARAM_TRAINED, REEL_INT64, REEL_SHAPE(2)));
    expect_error(REEL_ERROR_DTYPE, "only buffers may be int64");
    cr_expect_null(reel_param_new(params, "b", REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(2, -1)));
    expect_error(REEL_ERROR_SHAPE, "param \"b\"");
    cr_expect_null(reel_param_new(params, "b", REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(INT64_MAX, INT64_MAX)));
    expect_error(REEL_ERROR_SHAPE, "too large");
    cr_expect_null(reel_param_new(params, "b", REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(INT64_MAX / 2)));
    expect_error(REEL_ERROR_OUT_OF_MEMORY, "param \"b\"");
    cr_expect_null(reel_param_new(NULL, "b", REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(2)));
    cr_expect_eq(reel_params_count(params), 1);
}

Test(params, kinds_and_types_that_do_not_exist_are_refused)
{
    cr_assert_null(reel_param_new(params, "a", (reel_param_kind)9, REEL_REAL, REEL_SHAPE(2)));
    expect_error(REEL_ERROR_ARGUMENT, "no kind 9");
    cr_assert_null(reel_param_new(params, "a", REEL_PARAM_BUFFER, (reel_dtype)9, REEL_SHAPE(2)));
    expect_error(REEL_ERROR_DTYPE, "no element type 9");
    cr_assert_null(reel_param_new(params, "a", REEL_PARAM_TRAINED, (reel_dtype)-1, REEL_SHAPE(2)));
    expect_error(REEL_ERROR_DTYPE, "no element type -1");
    reel_param *a = real("a", REEL_PARAM_TRAINED);
    cr_assert_eq(reel_param_set_kind(a, (reel_param_kind)77), REEL_ERROR_ARGUMENT);
    expect_error(REEL_ERROR_ARGUMENT, "no kind 77");
    cr_assert_eq(reel_param_kind_of(a), REEL_PARAM_TRAINED);
}

Test(params, null_ones_are_harmless)
{
    cr_expect_str_eq(reel_param_name(NULL), "");
    cr_expect_null(reel_param_data(NULL));
    cr_expect_null(reel_param_write(NULL));
    cr_expect_null(reel_param_shape(NULL));
    cr_expect_null(reel_param_grad(NULL));
    cr_expect_not(reel_param_sparse(NULL));
    cr_expect_eq(reel_param_set(NULL, NULL), REEL_ERROR_ARGUMENT);
    cr_expect_eq(reel_param_set_kind(NULL, REEL_PARAM_FROZEN), REEL_ERROR_ARGUMENT);
    cr_expect_eq(reel_param_set_sparse(NULL, true), REEL_ERROR_ARGUMENT);
    cr_expect_eq(reel_param_set_grad(NULL, NULL), REEL_ERROR_ARGUMENT);
    cr_expect_eq(reel_params_copy(NULL, params), REEL_ERROR_ARGUMENT);
    cr_expect_eq(reel_params_count(NULL), 0);
    cr_expect_null(reel_params_find(NULL, "a"));
}

Test(params, out_of_memory_leaves_the_set_as_it_was)
{
    for (int k = 0;; k++) {
        counted.fail_at = counted.calls + k;
        reel_param *p = real("a", REEL_PARAM_TRAINED);
        counted.fail_at = -1;
        if (p)
            break;
        cr_expect_eq(reel_params_count(params), 0);
        expect_error(REEL_ERROR_OUT_OF_MEMORY, "param \"a\"");
        cr_assert_lt(k, 10);
    }
    cr_expect_eq(reel_params_count(params), 1);
}

Test(params, kinds_change_between_trained_and_frozen)
{
    reel_param *p = real("p", REEL_PARAM_TRAINED), *b = real("b", REEL_PARAM_BUFFER);
    cr_expect_eq(reel_param_set_kind(p, REEL_PARAM_FROZEN), REEL_OK);
    cr_expect_eq(reel_param_kind_of(p), REEL_PARAM_FROZEN);
    cr_expect_eq(reel_param_set_kind(p, REEL_PARAM_BUFFER), REEL_ERROR_ARGUMENT);
    expect_error(REEL_ERROR_ARGUMENT, "\"p\"");
    cr_expect_eq(reel_param_set_kind(b, REEL_PARAM_TRAINED), REEL_ERROR_ARGUMENT);
    expect_error(REEL_ERROR_ARGUMENT, "\"b\"");
    cr_expect_eq(reel_param_set_sparse(b, true), REEL_ERROR_ARGUMENT);
    expect_error(REEL_ERROR_ARGUMENT, "\"b\": has no rows");
    reel_param *scalar = reel_param_new(params, "scalar", REEL_PARAM_TRAINED, REEL_REAL, REEL_SCALAR);
    cr_expect_eq(reel_param_set_sparse(scalar, true), REEL_ERROR_ARGUMENT);
    expect_error(REEL_ERROR_ARGUMENT, "scalar");
    cr_expect_eq(reel_param_set_sparse(p, true), REEL_OK);
    cr_expect(reel_param_sparse(p));
}

Test(params, gradients_can_be_set)
{
    static const reel_real values[] = {1, 2, 3, 4, 5, 6};
    reel_param *p = real("p", REEL_PARAM_TRAINED), *b = real("b", REEL_PARAM_BUFFER);
    cr_expect_eq(reel_param_set_grad(p, values), REEL_OK);
    cr_expect_arr_eq(reel_param_grad(p), values, sizeof values);
    cr_expect_eq(reel_param_set_grad(p, reel_param_grad(p)), REEL_OK, "its own gradient");
    cr_expect_eq(reel_param_write_grad(p), reel_param_grad(p));
    cr_expect_arr_eq(reel_param_grad(p), values, sizeof values);
    reel_row_grad rows;
    cr_expect_eq(reel_param_row_grad(p, &rows), REEL_ERROR_STATE);
    expect_error(REEL_ERROR_STATE, "dense");
    cr_expect_eq(reel_param_set_grad(p, NULL), REEL_OK);
    cr_expect_null(reel_param_grad(p));
    cr_expect_eq(reel_param_set_grad(b, values), REEL_ERROR_ARGUMENT);
    expect_error(REEL_ERROR_ARGUMENT, "buffer \"b\"");
    cr_expect_eq(reel_param_row_grad(p, NULL), REEL_ERROR_ARGUMENT);
}

Test(params, sets_are_copied_by_name)
{
    static const reel_real values[] = {1, 2, 3, 4, 5, 6};
    static const int64_t count = 42;
    reel_params *other = reel_params_new(c);
    reel_param *p = real("p", REEL_PARAM_TRAINED);
    reel_param *n = reel_param_new(params, "n", REEL_PARAM_BUFFER, REEL_INT64, REEL_SCALAR);
    reel_param_set(p, values);
    reel_param_set(n, &count);
    reel_param *on = reel_param_new(other, "n", REEL_PARAM_BUFFER, REEL_INT64, REEL_SCALAR);
    cr_expect_eq(reel_params_copy(other, params), REEL_ERROR_ARGUMENT);
    expect_error(REEL_ERROR_ARGUMENT, "one set has 2 params, the other 1");
    reel_param *op = reel_param_new(other, "p", REEL_PARAM_FROZEN, REEL_REAL, REEL_SHAPE(2, 3));
    uint64_t version = op->version;
    cr_expect_eq(reel_params_copy(other, params), REEL_OK);
    cr_expect_arr_eq(reel_param_data(op), values, sizeof values);
    cr_expect_eq(*(const int64_t *)reel_param_data(on), 42);
    cr_expect_neq(op->version, version);
    cr_expect_eq(reel_params_copy(params, params), REEL_OK);
    cr_expect_eq(reel_params_copy(params, NULL), REEL_ERROR_ARGUMENT);
    expect_error(REEL_ERROR_ARGUMENT, "nothing to copy from");
    reel_params_free(other);

    other = reel_params_new(c);
    reel_param_new(other, "n", REEL_PARAM_BUFFER, REEL_INT64, REEL_SCALAR);
    reel_param_new(other, "p", REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(3, 2));
    cr_expect_eq(reel_params_copy(other, params), REEL_ERROR_ARGUMENT);
    expect_error(REEL_ERROR_ARGUMENT, "\"p\" has another shape");
    cr_expect_eq(*(const int64_t *)reel_param_data(reel_params_find(other, "n")), 0, "nothing may be copied");
    cr_expect_eq(reel_param_set(reel_params_at(other, 0), NULL), REEL_ERROR_ARGUMENT);
    expect_error(REEL_ERROR_ARGUMENT, "NULL");
    reel_params_free(other);
}

Test(params, belong_to_a_context)
{
    reel_context *foreign = reel_context_new(NULL);
    reel_tape *tape = reel_tape_new(foreign);
    reel_param *p = real("p", REEL_PARAM_TRAINED);
    cr_expect(reel_is_null(reel_param_var(tape, p)));
    cr_expect_eq(reel_context_status(foreign), REEL_ERROR_ARGUMENT);
    reel_clear_error(foreign);
    cr_expect(reel_is_null(reel_param_var(tape, NULL)));
    cr_expect(strstr(reel_error(foreign), "NULL"));
    reel_tape_free(tape);
    reel_context_free(foreign);
}
