/* Tables in bfloat16: what a lookup reads, how they are moved, saved and shown, and what refuses them. */
#include "helpers.h"

#include <reel/reel.h>

#include <unistd.h>

/* ---- The type, in plain arithmetic ---- */

static double value_of(uint16_t x)
{
    const int exponent = x >> 7 & 0xff, mantissa = x & 0x7f;
    const double size = exponent ? ldexp(128 + mantissa, exponent - 134) : ldexp(mantissa, -133);
    return x >> 15 ? -size : size;
}

/* The distance between neighbours at x. */
static double spacing(double x)
{
    int exponent;
    frexp(x, &exponent);
    return ldexp(1, (exponent < -125 ? -125 : exponent) - 8);
}

static double nearest(double x)
{
    return x == 0 ? x : rint(x / spacing(x)) * spacing(x);
}

/* ---- A table ---- */

struct table {
    reel_context *c;
    reel_tape *t;
    reel_params *params;
    reel_param *weight;
    reel_module *words;
};

static struct table table_new(reel_dtype dtype, int64_t rows, int64_t columns, int threads)
{
    struct table s;
    REEL_OPTIONS(context, co, co.num_threads = threads);
    s.c = reel_context_new(&co);
    s.t = reel_tape_new(s.c);
    s.params = reel_params_new(s.c);
    REEL_OPTIONS(embedding, o, o.dtype = dtype, o.sparse = true);
    s.words = reel_embedding_new(s.params, "words", rows, columns, &o);
    s.weight = reel_params_find(s.params, "words.weight");
    cr_assert(s.weight, "%s", reel_error(s.c));
    return s;
}

static void table_free(struct table *s)
{
    reel_params_free(s->params);
    reel_tape_free(s->t);
    reel_context_free(s->c);
}

static const uint16_t *halves(const struct table *s)
{
    return reel_param_data(s->weight);
}

static void expect_refused(reel_context *c, reel_status status, const char *text)
{
    cr_expect_eq(reel_context_status(c), status, "%s: %s", text, reel_error(c));
    cr_expect(strstr(reel_error(c), text), "\"%s\" is not in \"%s\"", text, reel_error(c));
    reel_clear_error(c);
}

/* ---- Reading ---- */

Test(bfloat16, a_lookup_reads_every_value_exactly)
{
    enum { ALL = 1 << 16 };
    static uint16_t every[ALL];
    for (int i = 0; i < ALL; i++)
        every[i] = (uint16_t)i;
    struct table s = table_new(REEL_BFLOAT16, ALL / 64, 64, 2);
    reel_param_set(s.weight, every);
    reel_var rows = reel_forward(s.t, s.words, reel_arange_int64(s.t, 0, ALL / 64, 1));
    const reel_real *x = reel_data_real(s.t, rows);
    cr_assert(x, "%s", reel_error(s.c));
    for (int i = 0; i < ALL; i++) {
        const int exponent = i >> 7 & 0xff;
        if (exponent < 0xff)
            cr_assert_eq((double)x[i], value_of((uint16_t)i), "%#x", i);
        else
            cr_assert(i & 0x7f ? isnan(x[i]) : isinf(x[i]) && (x[i] < 0) == (i >> 15 == 1), "%#x", i);
    }
    table_free(&s);
}

Test(bfloat16, initial_values_are_those_of_reals_rounded_to_the_nearest)
{
    enum { ROWS = 100, COLUMNS = 7 };
    struct table real = table_new(REEL_REAL, ROWS, COLUMNS, 1), narrow = table_new(REEL_BFLOAT16, ROWS, COLUMNS, 1);
    const reel_real *x = reel_param_data(real.weight);
    for (int i = 0; i < ROWS * COLUMNS; i++)
        cr_assert_eq(value_of(halves(&narrow)[i]), nearest((double)(float)x[i]));
    REEL_OPTIONS(embedding, o, o.dtype = REEL_BFLOAT16, o.from_pretrained = x);
    reel_embedding_new(narrow.params, "given", ROWS, COLUMNS, &o);
    const reel_param *given = reel_params_find(narrow.params, "given.weight");
    cr_expect_arr_eq(reel_param_data(given), halves(&narrow), ROWS * COLUMNS * sizeof(uint16_t));
    /* Of two as near the even one. */
    reel_init_constant(narrow.weight, 1 + 1.0 / 256);
    cr_expect_eq(value_of(halves(&narrow)[0]), 1);
    reel_init_constant(narrow.weight, 1 + 3.0 / 256);
    cr_expect_eq(value_of(halves(&narrow)[0]), 1 + 2.0 / 128);
    table_free(&real);
    table_free(&narrow);
}

/* ---- Moving ---- */

static void step(struct table *s, reel_optim *optim, int64_t count, const int64_t *rows, const reel_real *gradient)
{
    reel_zero_grad(s->params);
    reel_param_set_row_grad(s->weight, count, rows, gradient);
    cr_assert_eq(reel_optim_step(optim), REEL_OK, "%s", reel_error(s->c));
}

/* Elements 1 are moved by three tenths of the distance to the next number, many times over. */
Test(bfloat16, roundings_are_right_on_the_average)
{
    enum { ROWS = 40, COLUMNS = 96, N = ROWS * COLUMNS, STEPS = 100 };
    static int64_t rows[ROWS];
    static reel_real gradient[N];
    struct table s = table_new(REEL_BFLOAT16, ROWS, COLUMNS, 2);
    reel_init_ones(s.weight);
    for (int i = 0; i < ROWS; i++)
        rows[i] = i;
    for (int i = 0; i < N; i++)
        gradient[i] = (reel_real)(-0.3 / 128);
    REEL_OPTIONS(sgd, o, o.lr = 1);
    reel_optim *sgd = reel_sgd_new(s.params, &o);
    /* A share of 0.3 moves; one standard deviation is sqrt(0.3 * 0.7 / N). */
    step(&s, sgd, ROWS, rows, gradient);
    int moved = 0, by_row[ROWS] = {0}, by_column[COLUMNS] = {0};
    for (int i = 0; i < N; i++) {
        double value = value_of(halves(&s)[i]);
        cr_assert(value == 1 || value == 1 + 1.0 / 128);
        moved += value > 1;
        by_row[i / COLUMNS] += value > 1;
        by_column[i % COLUMNS] += value > 1;
    }
    cr_expect_lt(fabs(moved - 0.3 * N), 5 * sqrt(0.21 * N), "%d of %d", moved, N);
    for (int i = 0; i < ROWS; i++)
        cr_expect_lt(fabs(by_row[i] - 0.3 * COLUMNS), 5 * sqrt(0.21 * COLUMNS), "row %d: %d", i, by_row[i]);
    for (int i = 0; i < COLUMNS; i++)
        cr_expect_lt(fabs(by_column[i] - 0.3 * ROWS), 5 * sqrt(0.21 * ROWS), "column %d: %d", i, by_column[i]);
    /* Each step draws anew: sums of independent draws stay as near. */
    for (int i = 1; i < STEPS; i++)
        step(&s, sgd, ROWS, rows, gradient);
    double sum = 0, squares = 0;
    for (int i = 0; i < N; i++) {
        double steps = (value_of(halves(&s)[i]) - 1) * 128;
        sum += steps / N;
        squares += (steps - 0.3 * STEPS) * (steps - 0.3 * STEPS) / N;
    }
    cr_expect_lt(fabs(sum - 0.3 * STEPS), 5 * sqrt(0.21 * STEPS / N), "%g", sum);
    cr_expect_lt(fabs(squares / (0.21 * STEPS) - 1), 0.2, "the variance is %g, of %g", squares, 0.21 * STEPS);
    reel_optim_free(sgd);
    table_free(&s);
}

/* One step of every algorithm is that of reals, but for one rounding of each number that is kept. */
Test(bfloat16, a_step_is_one_of_reals_rounded_once)
{
    enum { ROWS = 9, COLUMNS = 70, COUNT = 4 };
    static const int64_t rows[COUNT] = {1, 3, 4, 8};
    static reel_real gradient[COUNT * COLUMNS];
    int tried = 0;
    for (int i = 0; i < COUNT * COLUMNS; i++)
        gradient[i] = (reel_real)(sin(i) * 0.1);
    const reel_optim_algorithm *algorithm;
    for (int a = 0; (algorithm = reel_optim_algorithm_at(a)); a++) {
        if (algorithm->scope == REEL_PER_PARAM)
            continue;
        struct table narrow = table_new(REEL_BFLOAT16, ROWS, COLUMNS, 1), real = table_new(REEL_REAL, ROWS, COLUMNS, 1);
        static reel_real start[ROWS * COLUMNS];
        for (int i = 0; i < ROWS * COLUMNS; i++)
            start[i] = (reel_real)value_of(halves(&narrow)[i]);
        reel_param_set(real.weight, start);
        reel_optim *optims[] = {reel_optim_new(narrow.params, algorithm, NULL),
                                reel_optim_new(real.params, algorithm, NULL)};
        step(&narrow, optims[0], COUNT, rows, gradient);
        step(&real, optims[1], COUNT, rows, gradient);
        const reel_real *want = reel_param_data(real.weight);
        for (int i = 0; i < ROWS * COLUMNS; i++) {
            double got = value_of(halves(&narrow)[i]), is = (double)want[i];
            cr_assert(is == (double)start[i] ? got == is : fabs(got - is) < spacing(is) * (1 + 1e-6), "%s: %g for %g",
                      algorithm->name, got, is);
        }
        for (int k = 0; k < algorithm->n_states; k++) {
            reel_optim_state of_narrow, of_real;
            reel_optim_get_state(optims[0], narrow.weight, algorithm->states[k].name, &of_narrow);
            reel_optim_get_state(optims[1], real.weight, algorithm->states[k].name, &of_real);
            cr_assert(reel_shape_equal(&of_narrow.shape, &of_real.shape));
            cr_assert_eq(of_narrow.dtype, algorithm->states[k].scope == REEL_PER_ELEMENT ? REEL_BFLOAT16 : REEL_REAL);
            for (int64_t i = 0; of_real.data && i < reel_shape_numel(&of_real.shape); i++) {
                double is = (double)((const reel_real *)of_real.data)[i];
                if (of_narrow.dtype == REEL_REAL)
                    cr_assert_eq((double)((const reel_real *)of_narrow.data)[i], is);
                else
                    cr_assert_lt(fabs(value_of(((const uint16_t *)of_narrow.data)[i]) - is), spacing(is) * (1 + 1e-6),
                                 "%s of %s", of_real.name, algorithm->name);
            }
        }
        tried++;
        for (int k = 0; k < 2; k++)
            reel_optim_free(optims[k]);
        table_free(&narrow);
        table_free(&real);
    }
    cr_expect_geq(tried, 10);
}

/* ---- Training ---- */

enum { WORDS = 300, WIDTH = 16, BATCH = 64 };

/* Rows learn targets that come with noise; returns the mean of the last losses. */
static double learn(struct table *s, reel_optim *optim, int steps)
{
    double sum = 0;
    for (int i = 0; i < steps; i++) {
        reel_var index = reel_randint(s->t, 0, WORDS, REEL_SHAPE(BATCH));
        reel_var noise = reel_randn(s->t, REEL_SHAPE(BATCH, WIDTH));
        reel_var place = reel_to_real(s->t, reel_reshape(s->t, index, REEL_SHAPE(BATCH, 1)));
        reel_var loss = reel_mse_loss(s->t, reel_forward(s->t, s->words, index),
                                      reel_add(s->t, noise, reel_mul_scalar(s->t, reel_sin(s->t, place), 3)));
        reel_zero_grad(s->params);
        reel_backward(s->t, loss, s->params);
        reel_optim_step(optim);
        sum += i >= steps / 2 ? reel_item(s->t, loss) / (steps - steps / 2) : 0;
        cr_assert_eq(reel_tape_reset(s->t), REEL_OK, "%s", reel_error(s->c));
    }
    return sum;
}

Test(bfloat16, the_bits_do_not_depend_on_threads)
{
    struct table one = table_new(REEL_BFLOAT16, WORDS, WIDTH, 1), three = table_new(REEL_BFLOAT16, WORDS, WIDTH, 3);
    reel_optim *optims[] = {reel_adam_new(one.params, NULL), reel_adam_new(three.params, NULL)};
    cr_expect_eq(learn(&one, optims[0], 40), learn(&three, optims[1], 40));
    cr_expect_arr_eq(halves(&one), halves(&three), WORDS * WIDTH * sizeof(uint16_t));
    for (int k = 0; k < 2; k++)
        reel_optim_free(optims[k]);
    table_free(&one);
    table_free(&three);
}

/* The loss is within a hundredth of that of reals after 10,000 steps. */
Test(bfloat16, learns_as_reals_do)
{
    double losses[2];
    for (int k = 0; k < 2; k++) {
        struct table s = table_new(k ? REEL_BFLOAT16 : REEL_REAL, WORDS, WIDTH, 1);
        REEL_OPTIONS(adam, o, o.lr = 0.01);
        reel_optim *adam = reel_adam_new(s.params, &o);
        losses[k] = learn(&s, adam, 10000);
        reel_optim_free(adam);
        table_free(&s);
    }
    cr_expect_lt(fabs(losses[1] / losses[0] - 1), 0.01, "%g, and %g of reals", losses[1], losses[0]);
}

/* ---- Files ---- */

static void make_name(char *name)
{
    strcpy(name, "/tmp/reel-bfloat16-XXXXXX");
    int file = mkstemp(name);
    cr_assert_geq(file, 0);
    close(file);
}

Test(bfloat16, saved_and_loaded_as_it_is)
{
    char name[64];
    make_name(name);
    struct table s = table_new(REEL_BFLOAT16, WORDS, WIDTH, 1), other = table_new(REEL_BFLOAT16, WORDS, WIDTH, 1);
    struct table real = table_new(REEL_REAL, WORDS, WIDTH, 1);
    cr_assert_eq(reel_save_safetensors(s.params, name), REEL_OK);
    reel_safetensors *file = reel_safetensors_open(s.c, name);
    cr_expect_str_eq(reel_safetensors_find(file, "words.weight")->dtype, "BF16");
    reel_safetensors_close(file);

    reel_init_ones(other.weight);
    cr_assert_eq(reel_load_safetensors(other.params, name, NULL), REEL_OK, "%s", reel_error(other.c));
    cr_expect_arr_eq(halves(&s), halves(&other), WORDS * WIDTH * sizeof(uint16_t));
    /* Reals hold every one of these numbers; the other way round something would be lost. */
    cr_assert_eq(reel_load_safetensors(real.params, name, NULL), REEL_OK, "%s", reel_error(real.c));
    const reel_real *x = reel_param_data(real.weight);
    for (int i = 0; i < WORDS * WIDTH; i++)
        cr_assert_eq((double)x[i], value_of(halves(&s)[i]));
    cr_assert_eq(reel_save_safetensors(real.params, name), REEL_OK);
    reel_load_safetensors(s.params, name, NULL);
    expect_refused(s.c, REEL_ERROR_FORMAT, "words.weight");
    cr_expect_arr_eq(halves(&s), halves(&other), WORDS * WIDTH * sizeof(uint16_t));
    unlink(name);
    table_free(&s);
    table_free(&other);
    table_free(&real);
}

Test(bfloat16, a_resumed_run_has_the_bits_of_one_that_never_stopped)
{
    char name[64];
    make_name(name);
    struct table s[] = {table_new(REEL_BFLOAT16, WORDS, WIDTH, 1), table_new(REEL_BFLOAT16, WORDS, WIDTH, 1)};
    reel_optim *adam[] = {reel_adam_new(s[0].params, NULL), reel_adam_new(s[1].params, NULL)};
    reel_checkpoint *checkpoint[2];
    for (int k = 0; k < 2; k++) {
        checkpoint[k] = reel_checkpoint_new(s[k].c);
        reel_checkpoint_add_params(checkpoint[k], "model", s[k].params);
        reel_checkpoint_add_optim(checkpoint[k], "adam", adam[k]);
    }
    learn(&s[0], adam[0], 10);
    cr_assert_eq(reel_checkpoint_save(checkpoint[0], name), REEL_OK, "%s", reel_error(s[0].c));
    double loss = learn(&s[0], adam[0], 10);
    reel_manual_seed(s[1].c, 5);
    cr_assert_eq(reel_checkpoint_load(checkpoint[1], name), REEL_OK, "%s", reel_error(s[1].c));
    cr_expect_eq(learn(&s[1], adam[1], 10), loss);
    cr_expect_arr_eq(halves(&s[0]), halves(&s[1]), WORDS * WIDTH * sizeof(uint16_t));
    unlink(name);
    for (int k = 0; k < 2; k++) {
        reel_checkpoint_free(checkpoint[k]);
        reel_optim_free(adam[k]);
        table_free(&s[k]);
    }
}

Test(bfloat16, is_printed_as_torch_prints_it)
{
    struct table s = table_new(REEL_BFLOAT16, 2, 2, 1);
    reel_param_set(s.weight, (const uint16_t[]){0x3f80, 0xc020, 0x3e80, 0x4040}); /* 1, -2.5, 0.25, 3 */
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    reel_print(file, s.t, reel_param_var(s.t, s.weight));
    fclose(file);
    cr_expect_str_eq(text, "tensor([[ 1.0000, -2.5000],\n        [ 0.2500,  3.0000]], dtype=torch.bfloat16)\n");
    free(text);
    table_free(&s);
}

/* ---- Refused ---- */

Test(bfloat16, what_makes_no_sense_is_refused_by_name)
{
    struct table s = table_new(REEL_BFLOAT16, 6, 4, 1);
    reel_tape *t = s.t;
    reel_var weight = reel_param_var(t, s.weight), index = reel_arange_int64(t, 0, 3, 1);
    reel_var x = reel_ones(t, REEL_SHAPE(3, 4));
    cr_expect(reel_param_sparse(s.weight));

    /* Operations. */
    reel_linear(t, x, weight, reel_null());
    expect_refused(s.c, REEL_ERROR_DTYPE, "linear: \"words.weight\" is bfloat16");
    reel_reshape(t, weight, REEL_SHAPE(24));
    expect_refused(s.c, REEL_ERROR_DTYPE, "\"words.weight\" is bfloat16");
    reel_embedding_dot(t, weight, index, weight, index);
    expect_refused(s.c, REEL_ERROR_DTYPE, "is bfloat16");
    reel_embedding_mse_loss(t, weight, index, x, NULL);
    expect_refused(s.c, REEL_ERROR_DTYPE, "is bfloat16");
    reel_detach(t, weight);
    reel_square(t, reel_detach(t, weight));
    expect_refused(s.c, REEL_ERROR_DTYPE, "\"words.weight\" is bfloat16");
    reel_zeros_like(t, weight);
    expect_refused(s.c, REEL_ERROR_DTYPE, "zeros_like: only params are bfloat16");
    reel_tensor_of(t, REEL_BFLOAT16, halves(&s), REEL_SHAPE(4));
    expect_refused(s.c, REEL_ERROR_DTYPE, "tensor_of: only params are bfloat16");
    reel_var out, sum = reel_sum_all(t, reel_forward(t, s.words, index));
    reel_grad(t, sum, &weight, 1, 0, &out);
    expect_refused(s.c, REEL_ERROR_DTYPE, "grad: x 0 is bfloat16");

    /* Params. */
    reel_param_new(s.params, "buffer", REEL_PARAM_BUFFER, REEL_BFLOAT16, REEL_SHAPE(2, 2));
    expect_refused(s.c, REEL_ERROR_DTYPE, "\"buffer\"");
    reel_param_new(s.params, "scalar", REEL_PARAM_TRAINED, REEL_BFLOAT16, REEL_SCALAR);
    expect_refused(s.c, REEL_ERROR_DTYPE, "\"scalar\"");
    reel_param_set_sparse(s.weight, false);
    expect_refused(s.c, REEL_ERROR_DTYPE, "\"words.weight\" is bfloat16");
    static const reel_real gradient[24];
    reel_param_set_grad(s.weight, gradient);
    expect_refused(s.c, REEL_ERROR_DTYPE, "\"words.weight\" is bfloat16");
    reel_spectral_norm(s.words, NULL);
    expect_refused(s.c, REEL_ERROR_DTYPE, "\"words.weight\" is bfloat16");
    REEL_OPTIONS(embedding, o, o.dtype = REEL_BFLOAT16, o.max_norm = 1);
    reel_embedding_new(s.params, "limited", 6, 4, &o);
    expect_refused(s.c, REEL_ERROR_ARGUMENT, "max_norm");
    o.max_norm = INFINITY;
    o.dtype = REEL_INT32;
    reel_embedding_new(s.params, "integers", 6, 4, &o);
    expect_refused(s.c, REEL_ERROR_DTYPE, "int32");

    /* Training. */
    reel_ema_new(s.params, 0.9);
    expect_refused(s.c, REEL_ERROR_DTYPE, "ema: \"words.weight\" is bfloat16");
    reel_lamb_new(s.params, NULL);
    expect_refused(s.c, REEL_ERROR_ARGUMENT, "lamb");
    REEL_OPTIONS(adam, a, a.sparse_update = REEL_EXACT);
    reel_optim *adam = reel_adam_new(s.params, &a);
    reel_zero_grad(s.params);
    reel_param_set_row_grad(s.weight, 1, (const int64_t[]){2}, gradient);
    reel_optim_step(adam);
    expect_refused(s.c, REEL_ERROR_ARGUMENT, "adam: \"words.weight\" is bfloat16");
    reel_optim_free(adam);
    reel_loader *loader = reel_loader_new(s.c, 3, NULL);
    reel_loader_add(loader, REEL_BFLOAT16, halves(&s), REEL_SCALAR);
    expect_refused(s.c, REEL_ERROR_DTYPE, "only params are bfloat16");
    reel_loader_free(loader);
    table_free(&s);
}
