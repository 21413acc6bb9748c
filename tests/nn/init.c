/* Initial values are those of PyTorch, bit for bit. */
#include "helpers.h"

#include "golden/modules.h"

/* Every real param of the set, in order of creation. */
static void expect_params(const reel_params *params, const reel_real **golden)
{
    for (int i = 0; i < reel_params_count(params); i++) {
        const reel_param *p = reel_params_at(params, i);
        if (reel_param_dtype(p) == REEL_REAL)
            expect_bits(reel_param_name(p), reel_param_data(p), golden, reel_shape_numel(reel_param_shape(p)));
        else
            cr_assert_eq(*(const int64_t *)reel_param_data(p), (int64_t) * (*golden)++, "num_batches_tracked");
    }
}

Test(init, modules_start_as_in_pytorch)
{
    reel_context *c = reel_context_new(NULL);
    reel_params *p = reel_params_new(c);
    reel_manual_seed(c, 3);
    reel_linear_options no_bias = reel_linear_defaults();
    no_bias.bias = false;
    reel_embedding_options padded = reel_embedding_defaults();
    padded.padding_idx = -2;
    cr_assert_not_null(reel_linear_new(p, "0", 5, 4, NULL));
    cr_assert_not_null(reel_linear_new(p, "1", 3, 2, &no_bias));
    cr_assert_not_null(reel_embedding_new(p, "2", 4, 3, NULL));
    cr_assert_not_null(reel_embedding_new(p, "3", 7, 5, &padded));
    cr_assert_not_null(reel_batch_norm1d_new(p, "4", 3, NULL));
    cr_assert_not_null(reel_layer_norm_new(p, "5", REEL_SHAPE(2, 3), NULL));
    cr_assert_not_null(reel_linear_new(p, "6", 0, 3, NULL));
    cr_assert_not_null(reel_linear_new(p, "7", 20, 1, NULL));
    cr_assert_not_null(reel_linear_new(p, "8", 17, 33, NULL));
    static const char *const names[] = {
        "0.weight", "0.bias",   "1.weight",       "2.weight",      "3.weight",
        "4.weight", "4.bias",   "4.running_mean", "4.running_var", "4.num_batches_tracked",
        "5.weight", "5.bias",   "6.weight",       "6.bias",        "7.weight",
        "7.bias",   "8.weight", "8.bias"};
    cr_assert_eq(reel_params_count(p), (int)COUNT(names));
    for (size_t i = 0; i < COUNT(names); i++)
        cr_assert_str_eq(reel_param_name(reel_params_at(p, (int)i)), names[i]);
    const reel_real *golden = golden_initial;
    expect_params(p, &golden);

    reel_tape *t = reel_tape_new(c);
    expect_bits("randn", reel_data_real(t, reel_randn(t, REEL_SHAPE(3))), &golden, 3);
    cr_assert_eq(golden - golden_initial, (ptrdiff_t)COUNT(golden_initial));
    reel_tape_free(t);
    reel_params_free(p);
    reel_context_free(c);
}

Test(init, fills_are_those_of_pytorch)
{
    reel_context *c = reel_context_new(NULL);
    reel_params *p = reel_params_new(c);
    reel_param *w = reel_param_new(p, "w", REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(3, 4));
    reel_param *v = reel_param_new(p, "v", REEL_PARAM_BUFFER, REEL_REAL, REEL_SHAPE(2, 3, 4));
    const reel_real *golden = golden_filled;
    reel_manual_seed(c, 4);
#define FILLED(param, n, call)                                                                                         \
    do {                                                                                                               \
        cr_assert_eq((call), REEL_OK, "%s", reel_error(c));                                                            \
        expect_bits(#call, reel_param_data(param), &golden, n);                                                        \
    } while (0)
    FILLED(w, 12, reel_init_uniform(w, -2, 3));
    FILLED(w, 12, reel_init_normal(w, 1, 0.5));
    FILLED(w, 12, reel_init_xavier_uniform(w, 1));
    FILLED(w, 12, reel_init_xavier_uniform(w, reel_init_gain(REEL_GAIN_TANH, 0)));
    FILLED(w, 12, reel_init_xavier_normal(w, 2));
    FILLED(w, 12, reel_init_kaiming_uniform(w, 0, REEL_FAN_IN, REEL_GAIN_LEAKY_RELU));
    FILLED(w, 12, reel_init_kaiming_uniform(w, 0.2, REEL_FAN_OUT, REEL_GAIN_LEAKY_RELU));
    FILLED(w, 12, reel_init_kaiming_normal(w, 0, REEL_FAN_IN, REEL_GAIN_RELU));
    FILLED(w, 12, reel_init_kaiming_normal(w, 0, REEL_FAN_OUT, REEL_GAIN_TANH));
    FILLED(w, 12, reel_init_kaiming_uniform(w, 0, REEL_FAN_IN, REEL_GAIN_SELU));
    FILLED(v, 24, reel_init_kaiming_normal(v, 0, REEL_FAN_IN, REEL_GAIN_LINEAR));
    FILLED(v, 24, reel_init_xavier_uniform(v, 1));
    cr_assert_eq(golden - golden_filled, (ptrdiff_t)COUNT(golden_filled));
    cr_assert_eq(w->version, 10u, "each counts as a change");

    cr_assert_eq(reel_init_constant(w, 0.25), REEL_OK);
    cr_assert_eq(((const reel_real *)w->data)[11], 0.25);
    cr_assert_eq(reel_init_ones(w), REEL_OK);
    cr_assert_eq(((const reel_real *)w->data)[11], 1);
    cr_assert_eq(reel_init_zeros(w), REEL_OK);
    cr_assert_eq(((const reel_real *)w->data)[11], 0);
    reel_params_free(p);
    reel_context_free(c);
}

static bool same_generator(const struct reel_generator *a, const struct reel_generator *b)
{
    unsigned char x[REEL_GENERATOR_STATE_SIZE], y[REEL_GENERATOR_STATE_SIZE];
    reel_generator_get_state(a, x);
    reel_generator_get_state(b, y);
    return memcmp(x, y, sizeof x) == 0;
}

/* After the same seed the same numbers, whatever the threads; the next draw has others. */
Test(init, fast_normal_numbers_repeat)
{
    enum { ROWS = 700, COLUMNS = 63 };
    reel_real *first = malloc(2 * ROWS * COLUMNS * sizeof *first);
    for (int threads = 1; threads <= 4; threads++) {
        reel_context_options options = reel_context_defaults();
        options.num_threads = threads;
        reel_context *c = reel_context_new(&options);
        reel_params *p = reel_params_new(c);
        reel_param *w = reel_param_new(p, "w", REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(ROWS, COLUMNS));
        for (int again = 0; again < 2; again++) {
            reel_manual_seed(c, 11);
            struct reel_generator before = c->generator;
            for (int k = 0; k < 2; k++) {
                uint64_t version = w->version;
                reel_real *expected = first + k * ROWS * COLUMNS;
                cr_assert_eq(reel_init_normal_fast(w, 2, 3), REEL_OK);
                cr_assert_eq(w->version, version + 1);
                if (threads == 1 && again == 0)
                    memcpy(expected, w->data, ROWS * COLUMNS * sizeof *first);
                cr_assert_eq(memcmp(expected, w->data, ROWS * COLUMNS * sizeof *first), 0);
            }
            cr_assert(same_generator(&before, &c->generator));
        }
        reel_manual_seed(c, 12);
        reel_init_normal_fast(w, 2, 3);
        cr_assert_neq(memcmp(first, w->data, ROWS * COLUMNS * sizeof *first), 0);
        reel_params_free(p);
        reel_context_free(c);
    }
    cr_assert_neq(memcmp(first, first + ROWS * COLUMNS, ROWS * COLUMNS * sizeof *first), 0);
    free(first);
}

Test(init, what_cannot_be_filled)
{
    reel_context *c = reel_context_new(NULL);
    reel_params *p = reel_params_new(c);
    reel_param *w = reel_param_new(p, "w", REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(3, 4));
    reel_param *flat = reel_param_new(p, "flat", REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(3));
    reel_param *count = reel_param_new(p, "count", REEL_PARAM_BUFFER, REEL_INT64, REEL_SHAPE(3));
    reel_param *empty = reel_param_new(p, "empty", REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(0, 0));
    struct reel_generator before = c->generator;
#define REFUSES(call, status, says)                                                                                    \
    do {                                                                                                               \
        cr_assert_eq((call), status);                                                                                  \
        expect_error(c, status, says);                                                                                 \
    } while (0)
    REFUSES(reel_init_uniform(w, 1, 0), REEL_ERROR_ARGUMENT, "\"w\"");
    REFUSES(reel_init_uniform(w, 0, INFINITY), REEL_ERROR_ARGUMENT, "range");
    REFUSES(reel_init_uniform(w, NAN, 0), REEL_ERROR_ARGUMENT, "range");
    REFUSES(reel_init_uniform(w, sizeof(reel_real) == 4 ? -3e38 : -1.7e308, sizeof(reel_real) == 4 ? 3e38 : 1.7e308),
            REEL_ERROR_ARGUMENT, "range");
    REFUSES(reel_init_normal(w, 0, -1), REEL_ERROR_ARGUMENT, "std -1");
    REFUSES(reel_init_normal(w, NAN, 1), REEL_ERROR_ARGUMENT, "mean nan");
    REFUSES(reel_init_normal(count, 0, 1), REEL_ERROR_DTYPE, "\"count\" is int64");
    REFUSES(reel_init_normal_fast(w, 0, -1), REEL_ERROR_ARGUMENT, "std -1");
    REFUSES(reel_init_normal_fast(w, INFINITY, 1), REEL_ERROR_ARGUMENT, "mean inf");
    REFUSES(reel_init_normal_fast(count, 0, 1), REEL_ERROR_DTYPE, "\"count\" is int64");
    REFUSES(reel_init_constant(count, 0), REEL_ERROR_DTYPE, "\"count\" is int64");
    REFUSES(reel_init_xavier_uniform(flat, 1), REEL_ERROR_SHAPE, "\"flat\" has 1 axes");
    REFUSES(reel_init_kaiming_normal(flat, 0, REEL_FAN_IN, REEL_GAIN_RELU), REEL_ERROR_SHAPE, "fans");
    REFUSES(reel_init_xavier_normal(w, -1), REEL_ERROR_ARGUMENT, "gain");
    REFUSES(reel_init_xavier_normal(w, NAN), REEL_ERROR_ARGUMENT, "gain");
    REFUSES(reel_init_kaiming_uniform(w, 0, REEL_FAN_IN, (reel_nonlinearity)77), REEL_ERROR_ARGUMENT, "gain");
    REFUSES(reel_init_kaiming_uniform(w, 0, (reel_fan)77, REEL_GAIN_RELU), REEL_ERROR_ARGUMENT, "fan 77");
    cr_assert_eq(reel_init_zeros(NULL), REEL_ERROR_ARGUMENT);
    cr_assert_eq(reel_init_uniform(NULL, 0, 1), REEL_ERROR_ARGUMENT);
    cr_assert_eq(reel_init_kaiming_normal(NULL, 0, REEL_FAN_IN, REEL_GAIN_RELU), REEL_ERROR_ARGUMENT);
    cr_assert_eq(reel_init_xavier_normal(empty, 1), REEL_OK);
    cr_assert_eq(reel_init_kaiming_normal(empty, 0, REEL_FAN_IN, REEL_GAIN_RELU), REEL_OK);
    cr_assert(same_generator(&before, &c->generator), "nothing is drawn");
    cr_assert_eq(w->version, 0u);
    reel_params_free(p);
    reel_context_free(c);
}

/* Makes one module of each kind with params; NULL when it fails. */
static reel_module *make(reel_params *p, int kind, const char *name)
{
    switch (kind) {
    case 0:
        return reel_linear_new(p, name, 3, 2, NULL);
    case 1:
        return reel_embedding_new(p, name, 4, 3, NULL);
    case 2:
        return reel_batch_norm1d_new(p, name, 3, NULL);
    case 3:
        return reel_layer_norm_new(p, name, REEL_SHAPE(3), NULL);
    case 4:
        return reel_dropout_new(p, 0.5);
    default: {
        reel_module *inner = reel_relu_new(p);
        return reel_sequential_new(p, REEL_MODULES(inner, inner));
    }
    }
}

Test(init, a_constructor_that_runs_out_of_memory_leaves_no_trace)
{
    for (int kind = 0; kind < 6; kind++) {
        struct failing f;
        reel_context *c = failing_context(&f);
        reel_params *p = reel_params_new(c);
        make(p, 0, "before");
        struct reel_generator before = c->generator;
        int count = reel_params_count(p), failures = 0;
        for (int64_t k = 0;; k++) {
            f.count = 0;
            f.fail_at = k;
            reel_module *m = make(p, kind, "m");
            f.fail_at = -1;
            if (m)
                break;
            failures++;
            expect_error(c, REEL_ERROR_OUT_OF_MEMORY, "out of memory");
            cr_assert_eq(reel_params_count(p), count);
            cr_assert(same_generator(&before, &c->generator));
        }
        cr_assert(failures > 0);
        reel_params_free(p);
        reel_context_free(c);
        cr_assert_eq(f.live, 0, "a leak");
    }
}

Test(init, a_constructor_that_is_refused_leaves_no_trace)
{
    reel_context *c = reel_context_new(NULL);
    reel_params *p = reel_params_new(c);
    cr_assert_not_null(make(p, 0, "first"));
    struct reel_generator before = c->generator;
    int count = reel_params_count(p);
#define NONE(call, status, says)                                                                                       \
    do {                                                                                                               \
        cr_assert_null(call);                                                                                          \
        expect_error(c, status, says);                                                                                 \
        cr_assert_eq(reel_params_count(p), count);                                                                     \
    } while (0)
    NONE(reel_linear_new(p, "first", 3, 2, NULL), REEL_ERROR_ARGUMENT, "\"first.weight\"");
    NONE(reel_linear_new(p, NULL, 3, 2, NULL), REEL_ERROR_ARGUMENT, "NULL");
    NONE(reel_linear_new(p, "l", -1, 2, NULL), REEL_ERROR_SHAPE, "\"l.weight\"");
    NONE(reel_linear_new(p, "l", INT64_MAX, 2, NULL), REEL_ERROR_SHAPE, "\"l.weight\"");
    NONE(reel_embedding_new(p, "e", -1, 2, NULL), REEL_ERROR_SHAPE, "\"e.weight\"");
    reel_embedding_options e = reel_embedding_defaults();
    e.padding_idx = 4;
    NONE(reel_embedding_new(p, "e", 4, 2, &e), REEL_ERROR_ARGUMENT, "padding_idx 4 is outside -4..3");
    e.padding_idx = -5;
    NONE(reel_embedding_new(p, "e", 4, 2, &e), REEL_ERROR_ARGUMENT, "padding_idx -5 is outside -4..3");
    e = reel_embedding_defaults();
    e.max_norm = -1;
    NONE(reel_embedding_new(p, "e", 4, 2, &e), REEL_ERROR_ARGUMENT, "max_norm -1");
    e.max_norm = NAN;
    NONE(reel_embedding_new(p, "e", 4, 2, &e), REEL_ERROR_ARGUMENT, "max_norm nan");
    e = reel_embedding_defaults();
    e.norm_type = -1;
    NONE(reel_embedding_new(p, "e", 4, 2, &e), REEL_ERROR_ARGUMENT, "norm_type -1");
    reel_batch_norm_options b = reel_batch_norm_defaults();
    b.eps = -1;
    NONE(reel_batch_norm1d_new(p, "b", 4, &b), REEL_ERROR_ARGUMENT, "eps -1");
    b = reel_batch_norm_defaults();
    b.momentum = 1.5;
    NONE(reel_batch_norm1d_new(p, "b", 4, &b), REEL_ERROR_ARGUMENT, "momentum 1.5");
    NONE(reel_layer_norm_new(p, "n", REEL_SCALAR, NULL), REEL_ERROR_SHAPE, "0 axes");
    NONE(reel_layer_norm_new(p, "n", REEL_SHAPE(2, -1), NULL), REEL_ERROR_SHAPE, "negative");
    reel_layer_norm_options n = reel_layer_norm_defaults();
    n.eps = NAN;
    NONE(reel_layer_norm_new(p, "n", REEL_SHAPE(2), &n), REEL_ERROR_ARGUMENT, "eps nan");
    NONE(reel_dropout_new(p, 1.5), REEL_ERROR_ARGUMENT, "1.5 is outside 0..1");
    NONE(reel_dropout_new(p, NAN), REEL_ERROR_ARGUMENT, "outside 0..1");
    reel_module *good = reel_relu_new(p);
    NONE(reel_sequential_new(p, REEL_MODULES(good, NULL)), REEL_ERROR_ARGUMENT, "NULL");
    NONE(reel_sequential_new(p, NULL, 2), REEL_ERROR_ARGUMENT, "NULL");
    NONE(reel_sequential_new(p, &good, -1), REEL_ERROR_ARGUMENT, "-1");
    NONE(reel_module_new(p, NULL, NULL, NULL, NULL), REEL_ERROR_ARGUMENT, "NULL");
    cr_assert(same_generator(&before, &c->generator));

    /* After an error, and without a set, nothing is made and nothing is said. */
    reel_fail(c, REEL_ERROR_STATE, "earlier");
    cr_assert_null(make(p, 0, "later"));
    expect_error(c, REEL_ERROR_STATE, "earlier");
    for (int kind = 0; kind < 5; kind++)
        cr_assert_null(make(NULL, kind, "m"));
    cr_assert_eq(reel_context_status(c), REEL_OK);

    cr_assert_not_null(make(p, 0, ""), "the name may be empty");
    cr_assert_not_null(reel_params_find(p, "weight"));
    reel_params_free(p);
    reel_context_free(c);
}
