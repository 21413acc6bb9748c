/* Texts of vars and params, compared with those of PyTorch. */
#include "golden/tensor_print.h"
#include <reel/context.h>
#include <reel/create.h>
#include <reel/print.h>
#include <reel/tape.h>

#include <criterion/criterion.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static reel_context *c;
static reel_tape *t;

static void set_up(void)
{
    c = reel_context_new(NULL);
    t = reel_tape_new(c);
}

static void tear_down(void)
{
    reel_tape_free(t);
    reel_context_free(c);
}

TestSuite(print, .init = set_up, .fini = tear_down);

static void *ramp(const struct golden_print *g)
{
    int64_t n = reel_shape_numel(&g->shape);
    char *made = malloc((size_t)n * reel_dtype_size(g->dtype) + 1);
    cr_assert(made);
    for (int64_t i = 0; i < n; i++) {
        double value = i == n / 2 && g->middle != 0 ? g->middle : (double)i * g->factor;
        if (g->dtype == REEL_REAL)
            ((reel_real *)(void *)made)[i] = (reel_real)value;
        else if (g->dtype == REEL_INT64)
            ((int64_t *)(void *)made)[i] = (int64_t)value;
        else if (g->dtype == REEL_INT32)
            ((int32_t *)(void *)made)[i] = (int32_t)value;
        else
            made[i] = value != 0;
    }
    return made;
}

static reel_var var_of(const struct golden_print *g)
{
    void *made = g->data ? NULL : ramp(g);
    reel_var v = reel_tensor_of(t, g->dtype, g->data ? g->data : made, g->shape);
    free(made);
    return v;
}

static const char *text_of(const struct golden_print *g)
{
#ifdef REEL_F64
    if (g->text_f64)
        return g->text_f64;
#endif
    return g->text;
}

static void expect_golden(void)
{
    for (size_t i = 0; i < COUNT(golden_prints); i++) {
        char text[20000];
        const char *want = text_of(&golden_prints[i]);
        size_t length = reel_format(t, var_of(&golden_prints[i]), text, sizeof text);
        cr_assert(length < sizeof text, "case %zu has %zu characters", i, length);
        cr_assert_str_eq(text, want, "case %zu:\n%s\nPyTorch prints\n%s", i, text, want);
        cr_assert_eq(length, strlen(want));
        reel_tape_reset(t);
    }
    cr_assert_eq(reel_context_status(c), REEL_OK, "%s", reel_error(c));
}

Test(print, as_pytorch)
{
    expect_golden();
}

Test(print, with_any_locale)
{
    /* Whichever of these is installed writes a comma; without one this test shows nothing new. */
    static const char *const names[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "pl_PL.UTF-8"};
    for (size_t i = 0; i < COUNT(names) && !setlocale(LC_ALL, names[i]); i++)
        ;
    expect_golden();
    setlocale(LC_ALL, "C");
}

Test(print, cut_to_the_room_there_is)
{
    const reel_real data[] = {1, 2, 3};
    reel_var v = reel_tensor(t, data, REEL_SHAPE(3));
    char whole[100];
    size_t length = reel_format(t, v, whole, sizeof whole);
    cr_assert_eq(length, strlen(whole));
    cr_assert_eq(reel_format(t, v, NULL, 0), length);
    for (size_t size = 1; size <= length + 2; size++) {
        char text[100];
        memset(text, '#', sizeof text);
        cr_assert_eq(reel_format(t, v, text, size), length);
        size_t kept = size - 1 < length ? size - 1 : length;
        cr_assert_eq(memcmp(text, whole, kept), 0);
        cr_assert_eq(text[kept], '\0');
        for (size_t i = size; i < sizeof text; i++)
            cr_assert_eq(text[i], '#', "size %zu, byte %zu", size, i);
    }
}

Test(print, to_a_file)
{
    reel_var v = reel_arange_int64(t, 0, 3, 1);
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    cr_assert_eq(reel_print(file, t, v), REEL_OK);
    fclose(file);
    cr_assert_str_eq(text, "tensor([0, 1, 2])\n");
    free(text);
}

Test(print, errors)
{
    char text[8] = "before";
    cr_assert_eq(reel_format(t, reel_null(), text, sizeof text), 0u);
    cr_assert_str_eq(text, "");
    cr_assert_eq(reel_tape_reset(t), REEL_ERROR_ARGUMENT);

    reel_var v = reel_ones(t, REEL_SHAPE(2));
    cr_assert_eq(reel_print(NULL, t, v), REEL_ERROR_ARGUMENT);
    reel_clear_error(c);
    FILE *read_only = fopen("/dev/null", "r");
    cr_assert(read_only);
    cr_assert_eq(reel_print(read_only, t, v), REEL_ERROR_IO);
    fclose(read_only);
    reel_tape_reset(t);
    cr_assert_eq(reel_print(stdout, t, v), REEL_ERROR_STALE);
}
