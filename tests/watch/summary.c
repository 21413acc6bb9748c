/* The table of a model. */
#include <criterion/criterion.h>
#include <reel/reel.h>
#include <reel/watch.h>
#include <string.h>

static char text[8192];

static const char *text_of(FILE *file)
{
    rewind(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return text;
}

Test(summary, of_a_module)
{
    reel_context *c = reel_context_new(NULL);
    reel_params *p = reel_params_new(c);
    reel_module *fc1 = reel_linear_new(p, "fc1", 784, 256, NULL), *norm = reel_batch_norm1d_new(p, "norm", 256, NULL);
    reel_module *relu = reel_relu_new(p), *fc2 = reel_linear_new(p, "fc2", 256, 10, NULL);
    reel_param_set_kind(reel_params_find(p, "fc2.bias"), REEL_PARAM_FROZEN);
    reel_module *parts[] = {fc1, norm, relu, fc2};
    reel_module *model = reel_sequential_new(p, parts, 4);
    unsigned char before[REEL_RNG_STATE_SIZE], after[REEL_RNG_STATE_SIZE];
    reel_get_rng_state(c, before);
    const reel_shape shape = REEL_SHAPE(64, 784);
    FILE *file = tmpfile();
    cr_assert_eq(reel_summary(c, file, model, &shape, NULL, 1), REEL_OK, "%s", reel_error(c));
    text_of(file);
    static const char *const lines[] = {
        "layer                    operation            output                           params               FLOP\n",
        "fc1                      linear_bias          [64, 256]                       200,960 ",
        "norm                     6 operations         [64, 256]                           512 ",
        "                         relu                 [64, 256]                               ",
        "fc2                      linear_bias          [64, 10]                          2,570 ",
        "204,042 params, 204,032 trained, 816,168 bytes; "};
    const char *at = text;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        cr_expect_eq(strncmp(at, lines[i], strlen(lines[i])), 0, "line %zu of\n%s", i, text);
        at = strchr(at, '\n') + 1;
    }
    cr_expect_eq(*at, '\0');
    /* Nothing has changed. */
    reel_get_rng_state(c, after);
    cr_expect_arr_eq(before, after, sizeof before);
    cr_expect(reel_module_is_training(model) && reel_module_is_training(norm));
    const int64_t *batches = reel_param_data(reel_params_find(p, "norm.num_batches_tracked"));
    cr_expect_eq(*batches, 0);

    const reel_shape wrong = REEL_SHAPE(64, 783), none = {1, {-4}}, huge = REEL_SHAPE(1 << 20, 1 << 20);
    file = tmpfile();
    cr_expect_eq(reel_summary(c, file, model, &wrong, NULL, 1), REEL_ERROR_SHAPE);
    cr_expect(reel_module_is_training(model) && reel_module_is_training(norm));
    reel_clear_error(c);
    cr_expect_eq(reel_summary(c, file, model, &none, NULL, 1), REEL_ERROR_SHAPE);
    reel_clear_error(c);
    cr_expect_eq(reel_summary(c, file, model, &huge, NULL, 1), REEL_ERROR_SHAPE);
    reel_clear_error(c);
    cr_expect_eq(reel_summary(c, file, model, &shape, NULL, 0), REEL_ERROR_ARGUMENT);
    reel_clear_error(c);
    cr_expect_eq(reel_summary(c, file, NULL, &shape, NULL, 1), REEL_ERROR_ARGUMENT);
    reel_clear_error(c);
    cr_expect_eq(reel_summary(c, NULL, model, &shape, NULL, 1), REEL_ERROR_ARGUMENT);
    reel_clear_error(c);
    cr_expect_eq(reel_summary(NULL, file, model, &shape, NULL, 1), REEL_ERROR_ARGUMENT);
    cr_expect_eq(ftell(file), 0);
    fclose(file);
    reel_params_free(p);
    reel_context_free(c);
}

Test(summary, of_indices_and_of_inputs_that_are_left_out)
{
    reel_context *c = reel_context_new(NULL);
    reel_params *p = reel_params_new(c);
    reel_module *table = reel_embedding_new(p, "table", 1000, 16, NULL);
    const reel_shape shape = REEL_SHAPE(8, 5), sequence[] = {REEL_SHAPE(2, 7, 3), {.ndim = -1}};
    const reel_dtype dtype = REEL_INT64;
    FILE *file = tmpfile();
    cr_assert_eq(reel_summary(c, file, table, &shape, &dtype, 1), REEL_OK, "%s", reel_error(c));
    cr_expect_not_null(strstr(text_of(file), "[8, 5, 16]                       16,000"), "%s", text);
    file = tmpfile();
    reel_module *gru = reel_gru_new(p, "gru", 3, 4, NULL);
    cr_assert_eq(reel_summary(c, file, gru, sequence, NULL, 2), REEL_OK, "%s", reel_error(c));
    cr_expect_not_null(strstr(text_of(file), "gru "), "%s", text);
    reel_params_free(p);
    reel_context_free(c);
}

/* A param that is read twice counts once, views do not, and what is inside no_grad is not on the tape. */
Test(summary, of_a_tape)
{
    reel_context *c = reel_context_new(NULL);
    reel_tape *t = reel_tape_new(c);
    reel_params *p = reel_params_new(c);
    reel_module *fc = reel_linear_new(p, "fc", 3, 3, NULL);
    reel_var y = reel_forward(t, fc, reel_exp(t, reel_forward(t, fc, reel_randn(t, REEL_SHAPE(2, 3)))));
    reel_tanh(t, reel_reshape(t, y, REEL_SHAPE(6)));
    FILE *file = tmpfile();
    cr_assert_eq(reel_summary_of_tape(t, file), REEL_OK, "%s", reel_error(c));
    text_of(file);
    cr_expect_not_null(strstr(text, "\n12 params, 12 trained, 48 bytes; "), "%s", text);
    cr_expect_null(strstr(text, "reshape"));
    cr_expect_not_null(strstr(text, "tanh                 [6] "), "%s", text);
    cr_expect_not_null(strstr(text, " 96 bytes of results\n"), "%s", text);
    cr_expect_eq(reel_summary_of_tape(NULL, stdout), REEL_ERROR_ARGUMENT);
    cr_expect_eq(reel_summary_of_tape(t, NULL), REEL_ERROR_ARGUMENT);
    reel_tape_reset(t);
    reel_params_free(p);
    reel_tape_free(t);
    reel_context_free(c);
}
