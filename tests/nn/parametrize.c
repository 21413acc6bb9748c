/* Spectral and weight norm: against PyTorch, when vectors move and when they do not, and what is refused. */
#include "helpers.h"
#include "support/fixture.h"

#include "golden/parametrize.h"

#include <unistd.h>

TestSuite(parametrize, .init = set_up, .fini = tear_down);

/* ---- PyTorch's numbers ---- */

static const int64_t index_values[] = {2, 0, 2, 5};

static reel_module *linear(void)
{
    return reel_linear_new(p, "m", 5, 4, NULL);
}

static reel_module *conv1d(void)
{
    REEL_OPTIONS(conv, o, o.groups = 2);
    return reel_conv1d_new(p, "m", 4, 6, 3, &o);
}

static reel_module *conv2d(void)
{
    return reel_conv2d_new(p, "m", 2, 3, 3, 2, NULL);
}

static reel_module *conv_transpose1d(void)
{
    REEL_OPTIONS(conv, o, o.stride[0] = 2);
    return reel_conv_transpose1d_new(p, "m", 3, 4, 2, &o);
}

static reel_module *conv_transpose2d(void)
{
    return reel_conv_transpose2d_new(p, "m", 2, 3, 2, 3, NULL);
}

static reel_module *embedding(void)
{
    return reel_embedding_new(p, "m", 6, 4, NULL);
}

static reel_module *tall(void)
{
    return reel_linear_new(p, "m", 3, 17, NULL);
}

static reel_module *spectral(reel_module *m)
{
    return reel_spectral_norm(m, NULL);
}

static reel_module *spectral_more(reel_module *m)
{
    REEL_OPTIONS(spectral_norm, o, o.n_power_iterations = 3, o.eps = 0.125, o.dim = 1);
    return reel_spectral_norm(m, &o);
}

static reel_module *weight(reel_module *m)
{
    return reel_weight_norm(m, NULL);
}

static reel_module *weight_whole(reel_module *m)
{
    REEL_OPTIONS(weight_norm, o, o.dim = -1);
    return reel_weight_norm(m, &o);
}

static reel_module *weight_last(reel_module *m)
{
    REEL_OPTIONS(weight_norm, o, o.dim = 1);
    return reel_weight_norm(m, &o);
}

static const char *const names_of_spectral[] = {"m.parametrizations.weight.original", "m.parametrizations.weight.0._u",
                                                "m.parametrizations.weight.0._v"};
static const char *const names_of_weight[] = {"m.parametrizations.weight.original0",
                                              "m.parametrizations.weight.original1"};

/* The next numbers of the golden array, to 1e-6 in float and 1e-12 in double, of their size or 1. */
static void expect_close(const char *what, const reel_real *got, const reel_real **golden, int64_t n)
{
    expect_near(what, got, golden, n, sizeof(reel_real) == sizeof(float) ? 1e-6 / 0x1p-23 : 1e-12 / 0x1p-52);
}

static void expect_params(const reel_params *set, const char *const *names, int n, const reel_real **golden)
{
    for (int i = 0; i < n; i++) {
        const reel_param *param = reel_params_find(set, names[i]);
        cr_assert_not_null(param, "%s", names[i]);
        expect_close(names[i], reel_param_data(param), golden, reel_shape_numel(reel_param_shape(param)));
    }
}

/* The gradients of the sum of flow times y with respect to the parts that are trained. */
static void expect_gradients(reel_var loss, const char *const *names, int n, const reel_real **golden)
{
    /* In float the second order has lost digits in either library; in double it has not. */
    const double units = sizeof(reel_real) == sizeof(float) ? 64 : 1e-12 / 0x1p-52;
    for (int i = 0; i < n; i++) {
        reel_var v = reel_param_var(t, reel_params_find(p, names[i])), grad;
        cr_assert_eq(reel_grad(t, loss, &v, 1, REEL_GRAD_DEFAULT, &grad), REEL_OK, "%s", reel_error(c));
        expect_near(names[i], reel_data_real(t, grad), golden, reel_numel(t, grad), units);
    }
}

#define CASE(norm, layer, ...)                                                                                         \
    {                                                                                                                  \
#norm " of " #layer, layer, norm, golden_##norm##_##layer, COUNT(golden_##norm##_##layer), __VA_ARGS__         \
    }
static const struct golden_case {
    const char *what;
    reel_module *(*make)(void);
    reel_module *(*norm)(reel_module *);
    const reel_real *golden;
    size_t count;
    int ndim;
    int64_t dim[4];
} cases[] = {
    CASE(spectral, linear, 2, {3, 5}),
    CASE(spectral_more, linear, 2, {3, 5}),
    CASE(weight, linear, 2, {3, 5}),
    CASE(weight_whole, linear, 2, {3, 5}),
    CASE(weight_last, linear, 2, {3, 5}),
    CASE(spectral, conv1d, 3, {2, 4, 5}),
    CASE(weight, conv1d, 3, {2, 4, 5}),
    CASE(spectral, conv2d, 4, {2, 2, 4, 4}),
    CASE(weight, conv2d, 4, {2, 2, 4, 4}),
    CASE(spectral, conv_transpose1d, 3, {2, 3, 3}),
    CASE(weight, conv_transpose1d, 3, {2, 3, 3}),
    CASE(spectral, conv_transpose2d, 4, {2, 2, 3, 3}),
    CASE(weight, conv_transpose2d, 4, {2, 2, 3, 3}),
    CASE(spectral, embedding, 0, {0}),
    CASE(weight, embedding, 0, {0}),
    CASE(spectral, tall, 2, {2, 3}),
};

static void check(const struct golden_case *k)
{
    const bool is_spectral = k->norm == spectral || k->norm == spectral_more;
    const char *const *names = is_spectral ? names_of_spectral : names_of_weight;
    const int trained = is_spectral ? 1 : 2, buffers = is_spectral ? 2 : 0;
    reel_manual_seed(c, 21);
    reel_module *m = k->norm(k->make());
    cr_assert_not_null(m, "%s: %s", k->what, reel_error(c));
    const reel_real *after = k->golden + k->count - 2, *golden = k->golden;
    expect_bits(k->what, reel_data(t, reel_randn(t, REEL_SHAPE(2))), &after, 2);
    const reel_shape shape = reel_shape_make(k->ndim, k->dim);
    reel_var x =
        k->ndim == 0 ? reel_tensor_of(t, REEL_INT64, index_values, REEL_SHAPE(4)) : reel_tensor(t, golden, shape);
    golden += k->ndim == 0 ? 0 : reel_shape_numel(&shape);
    reel_eval(p);
    const reel_shape out = reel_shape_of(t, reel_forward(t, m, x));
    reel_var flow = reel_tensor(t, golden, out);
    golden += reel_numel(t, flow);
    expect_params(p, names, trained + buffers, &golden);
    reel_train(p);
    reel_forward(t, m, x);
    reel_var y = reel_forward(t, m, x);
    expect_close("y", reel_data_real(t, y), &golden, reel_numel(t, y));
    expect_params(p, names + trained, buffers, &golden);
    reel_eval(p);
    y = reel_forward(t, m, x);
    expect_close("y in evaluation", reel_data_real(t, y), &golden, reel_numel(t, y));
    expect_gradients(reel_sum_all(t, reel_mul(t, y, flow)), names, trained, &golden);
    if (k->ndim > 0) {
        reel_var slope, loss = reel_sum_all(t, reel_mul(t, reel_tanh(t, y), flow));
        cr_assert_eq(reel_grad(t, loss, &x, 1, REEL_GRAD_CREATE_GRAPH, &slope), REEL_OK, "%s", reel_error(c));
        expect_gradients(reel_sum_all(t, reel_square(t, slope)), names, trained, &golden);
    }
    reel_train(p);
    cr_assert_eq(reel_remove_parametrizations(m, "weight", true), m, "%s", reel_error(c));
    expect_params(p, (const char *const[]){"m.weight"}, 1, &golden);
    cr_assert_eq(golden - k->golden + 2, (ptrdiff_t)k->count, "%s", k->what);
}

Test(parametrize, layers_are_those_of_pytorch)
{
    for (size_t i = 0; i < COUNT(cases); i++) {
        check(&cases[i]);
        reel_tape_reset(t);
        reel_params_free(p);
        p = reel_params_new(c);
    }
}

/* ---- When the vectors move ---- */

static void copy_of(const char *name, reel_real *to)
{
    const reel_param *param = reel_params_find(p, name);
    memcpy(to, reel_param_data(param), (size_t)reel_shape_numel(reel_param_shape(param)) * sizeof *to);
}

static bool has_moved(const char *name, const reel_real *from)
{
    const reel_param *param = reel_params_find(p, name);
    return memcmp(reel_param_data(param), from, (size_t)reel_shape_numel(reel_param_shape(param)) * sizeof *from) != 0;
}

/* A matrix whose power iteration takes long: all of a length, nearly. */
static reel_module *slow_layer(void)
{
    reel_module *m = reel_spectral_norm(reel_linear_new(p, "m", 4, 4, NULL), NULL);
    const reel_real values[16] = {1, 0.01f, 0, 0.02f, 0, 0.99f, 0.01f, 0, 0.03f, 0, 0.98f, 0, 0, 0.01f, 0, 0.97f};
    reel_param_set(reel_params_find(p, names_of_spectral[0]), values);
    return m;
}

Test(parametrize, vectors_move_once_in_each_call_in_training)
{
    reel_real u[4], v[4];
    reel_module *m = slow_layer();
    reel_var x = reel_randn(t, REEL_SHAPE(2, 4));
    copy_of(names_of_spectral[1], u);
    copy_of(names_of_spectral[2], v);
    reel_eval(p);
    reel_forward(t, m, x);
    cr_assert(!has_moved(names_of_spectral[1], u) && !has_moved(names_of_spectral[2], v), "not in evaluation");
    reel_train(p);
    cr_assert(reel_is_null(reel_forward(t, m, reel_randn(t, REEL_SHAPE(2, 3)))));
    expect_error(c, REEL_ERROR_SHAPE, "\"m\"");
    cr_assert(!has_moved(names_of_spectral[1], u) && !has_moved(names_of_spectral[2], v), "not in a call that fails");
    reel_forward(t, m, x);
    cr_assert(has_moved(names_of_spectral[1], u) && has_moved(names_of_spectral[2], v));
    /* Once: u is unit(W v) of the v before. */
    const reel_real *w = reel_param_data(reel_params_find(p, names_of_spectral[0]));
    double product[4], length = 0;
    for (int i = 0; i < 4; i++) {
        product[i] = 0;
        for (int j = 0; j < 4; j++)
            product[i] += (double)w[4 * i + j] * (double)v[j];
        length += product[i] * product[i];
    }
    for (int i = 0; i < 4; i++)
        cr_assert_float_eq(((const reel_real *)param_data(p, names_of_spectral[1]))[i], product[i] / sqrt(length),
                           1e-6);
    /* A failure after a call that was good takes nothing back. */
    copy_of(names_of_spectral[1], u);
    reel_forward(t, m, reel_null());
    cr_assert_neq(reel_context_status(c), REEL_OK);
    reel_clear_error(c);
    cr_assert(!has_moved(names_of_spectral[1], u));
}

static void segment(reel_tape *tape, const reel_var *inputs, reel_var *outputs, void *module)
{
    outputs[0] = reel_tanh(tape, reel_forward(tape, module, inputs[0]));
}

/* Two calls, as of real and generated samples: each is computed again with the vectors that it had. */
Test(parametrize, recomputation_moves_nothing_and_gives_the_same_bits)
{
    reel_real u[4], grads[2][16], moved[2][4];
    reel_module *m = slow_layer();
    copy_of(names_of_spectral[1], u);
    reel_real v[4];
    copy_of(names_of_spectral[2], v);
    for (int again = 0; again < 2; again++) {
        reel_manual_seed(c, 3);
        reel_param_set(reel_params_find(p, names_of_spectral[1]), u);
        reel_param_set(reel_params_find(p, names_of_spectral[2]), v);
        reel_var x[2] = {reel_randn(t, REEL_SHAPE(2, 4)), reel_null()}, y[2];
        x[1] = reel_randn(t, REEL_SHAPE(2, 4));
        for (int i = 0; i < 2; i++) {
            if (again)
                reel_recompute(t, segment, m, &x[i], 1, &y[i], 1);
            else
                segment(t, &x[i], &y[i], m);
        }
        copy_of(names_of_spectral[1], moved[again]);
        reel_var loss = reel_mean_all(t, reel_square(t, reel_sub(t, y[0], y[1])));
        reel_zero_grad(p);
        cr_assert_eq(reel_backward(t, loss, p), REEL_OK, "%s", reel_error(c));
        cr_assert(!has_moved(names_of_spectral[1], moved[again]), "in the backward pass");
        memcpy(grads[again], reel_param_grad(reel_params_find(p, names_of_spectral[0])), sizeof grads[0]);
        reel_tape_reset(t);
    }
    cr_assert(memcmp(moved[0], moved[1], sizeof moved[0]) == 0);
    cr_assert(memcmp(grads[0], grads[1], sizeof grads[0]) == 0);
}

/* Large enough for several threads, and for more than one tile and block, along either axis. */
Test(parametrize, threads_do_not_change_the_bits)
{
    for (int transposed = 0; transposed < 2; transposed++) {
        reel_real *first = NULL;
        for (int threads = 1; threads <= 4; threads++) {
            reel_set_num_threads(c, threads);
            reel_manual_seed(c, 5);
            reel_params *own = reel_params_new(c);
            reel_module *m = transposed ? reel_conv_transpose2d_new(own, "m", 70, 80, 4, 4, NULL)
                                        : reel_conv2d_new(own, "m", 70, 80, 4, 4, NULL);
            cr_assert_not_null(reel_spectral_norm(m, NULL));
            reel_var y = reel_forward(t, m, reel_randn(t, REEL_SHAPE(1, 70, 5, 5)));
            size_t bytes = (size_t)reel_numel(t, y) * sizeof *first;
            if (!first)
                first = memcpy(malloc(bytes), reel_data(t, y), bytes);
            cr_assert(memcmp(first, reel_data(t, y), bytes) == 0, "%d threads", threads);
            reel_tape_reset(t);
            reel_params_free(own);
        }
        free(first);
    }
}

/* sigma is the norm of a matrix of rank one. */
Test(parametrize, the_largest_singular_value_of_large_layers)
{
    enum { ROWS = 100, COLUMNS = 150 };
    static reel_real values[ROWS * COLUMNS];
    double squares = 0;
    reel_module *m = reel_linear_new(p, "m", COLUMNS, ROWS, NULL);
    for (int i = 0; i < ROWS * COLUMNS; i++) {
        values[i] = (reel_real)((i / COLUMNS - 30) * 0.01 * (i % COLUMNS + 1));
        squares += (double)values[i] * (double)values[i];
    }
    reel_param_set(reel_params_find(p, "m.weight"), values);
    cr_assert_not_null(reel_spectral_norm(m, NULL));
    reel_param_set(reel_params_find(p, "m.bias"), reel_data(t, reel_zeros(t, REEL_SHAPE(ROWS))));
    static reel_real first[COLUMNS] = {1};
    reel_var y = reel_forward(t, m, reel_borrow(t, first, REEL_SHAPE(1, COLUMNS)));
    for (int i = 0; i < ROWS; i++)
        cr_assert_float_eq(reel_data_real(t, y)[i], (double)values[i * COLUMNS] / sqrt(squares), 1e-6);
}

/* ---- Names, training, saving ---- */

Test(parametrize, names_follow_the_module)
{
    reel_params_enter(p, "block");
    reel_module *a = reel_spectral_norm(reel_linear_new(p, "a", 3, 2, NULL), NULL);
    reel_module *nameless = reel_linear_new(p, "", 3, 2, NULL);
    reel_params_leave(p, "block");
    reel_params_enter(p, "another");
    cr_assert(a && reel_weight_norm(nameless, NULL));
    reel_params_leave(p, "another");
    REEL_OPTIONS(spectral_norm, o, o.name = "weight_hh_l0");
    cr_assert_not_null(reel_spectral_norm(reel_gru_new(p, "gru", 3, 2, NULL), &o));
    static const char *const names[] = {"block.a.parametrizations.weight.original",
                                        "block.a.bias",
                                        "block.a.parametrizations.weight.0._u",
                                        "block.a.parametrizations.weight.0._v",
                                        "block.parametrizations.weight.original1",
                                        "block.bias",
                                        "block.parametrizations.weight.original0",
                                        "gru.weight_ih_l0",
                                        "gru.parametrizations.weight_hh_l0.original",
                                        "gru.bias_ih_l0",
                                        "gru.bias_hh_l0",
                                        "gru.parametrizations.weight_hh_l0.0._u",
                                        "gru.parametrizations.weight_hh_l0.0._v",
                                        "score.linear.weight",
                                        "score.linear.bias",
                                        "score.embedding.parametrizations.weight.original",
                                        "score.embedding.parametrizations.weight.0._u",
                                        "score.embedding.parametrizations.weight.0._v"};
    o.name = "embedding.weight";
    cr_assert_not_null(reel_spectral_norm(reel_projection_new(p, "score", 3, 5), &o));
    cr_assert_eq(reel_params_count(p), COUNT(names));
    for (size_t i = 0; i < COUNT(names); i++)
        cr_assert_not_null(reel_params_find(p, names[i]), "%s", names[i]);
    cr_assert_null(reel_params_find(p, "block.a.weight"));
}

/* A recurrent layer uses the product of its states with the matrix that was divided. */
Test(parametrize, recurrent_layers_use_it)
{
    REEL_OPTIONS(spectral_norm, o, o.name = "weight_hh_l0");
    reel_module *m = reel_spectral_norm(reel_gru_new(p, "m", 3, 2, NULL), &o);
    reel_var x = reel_randn(t, REEL_SHAPE(2, 4, 3));
    reel_eval(p);
    reel_var y = reel_forward(t, m, x);
    reel_param *w = reel_params_find(p, "m.parametrizations.weight_hh_l0.original");
    reel_param_set(w, reel_data(t, reel_mul_scalar(t, reel_param_var(t, w), 2)));
    reel_var same = reel_forward(t, m, x);
    cr_assert(memcmp(reel_data(t, y), reel_data(t, same), 16 * sizeof(reel_real)) == 0,
              "twice the matrix, twice sigma");
}

static reel_optim *adam;

static void step(reel_module *m)
{
    reel_var x = reel_randn(t, REEL_SHAPE(8, 6)), slope;
    reel_var y = reel_sum_all(t, reel_tanh(t, reel_forward(t, m, x)));
    reel_grad(t, y, &x, 1, REEL_GRAD_CREATE_GRAPH, &slope);
    reel_zero_grad(p);
    reel_backward(t, reel_add(t, y, reel_sum_all(t, reel_square(t, slope))), p);
    cr_assert_eq(reel_optim_step(adam), REEL_OK, "%s", reel_error(c));
    reel_tape_reset(t);
}

static reel_module *network(void)
{
    reel_module *parts[] = {reel_spectral_norm(reel_linear_new(p, "0", 6, 5, NULL), NULL), reel_relu_new(p),
                            reel_weight_norm(reel_linear_new(p, "2", 5, 4, NULL), NULL)};
    return reel_sequential_new(p, parts, 3);
}

Test(parametrize, a_resumed_run_has_the_same_bits)
{
    char path[] = "/tmp/reel-parametrize-XXXXXX";
    int file = mkstemp(path);
    cr_assert(file >= 0);
    close(file);
    reel_real kept[200];
    for (int again = 0; again < 2; again++) {
        reel_params_free(p);
        p = reel_params_new(c);
        reel_manual_seed(c, (uint64_t)again);
        reel_module *m = network();
        adam = reel_adam_new(p, NULL);
        reel_checkpoint *run = reel_checkpoint_new(c);
        reel_checkpoint_add_params(run, "model", p);
        reel_checkpoint_add_optim(run, "adam", adam);
        for (int i = 0; i < 3 && !again; i++)
            step(m);
        cr_assert_eq(again ? reel_checkpoint_load(run, path) : reel_checkpoint_save(run, path), REEL_OK, "%s",
                     reel_error(c));
        for (int i = 0; i < 3; i++)
            step(m);
        int64_t at = 0;
        for (int i = 0; i < reel_params_count(p); i++) {
            const reel_param *param = reel_params_at(p, i);
            int64_t n = reel_shape_numel(reel_param_shape(param));
            cr_assert(at + n <= (int64_t)COUNT(kept));
            if (again)
                cr_assert(memcmp(kept + at, reel_param_data(param), (size_t)n * sizeof *kept) == 0, "%s",
                          reel_param_name(param));
            memcpy(kept + at, reel_param_data(param), (size_t)n * sizeof *kept);
            at += n;
        }
        reel_checkpoint_free(run);
        reel_optim_free(adam);
    }
    unlink(path);
}

/* ---- Taken away ---- */

Test(parametrize, taken_away_leaves_the_original)
{
    reel_real original[16], grad[16];
    reel_module *m = slow_layer();
    copy_of(names_of_spectral[0], original);
    reel_var x = reel_randn(t, REEL_SHAPE(2, 4)), loss = reel_sum_all(t, reel_square(t, reel_forward(t, m, x)));
    cr_assert_eq(reel_backward(t, loss, p), REEL_OK, "%s", reel_error(c));
    memcpy(grad, reel_param_grad(reel_params_find(p, names_of_spectral[0])), sizeof grad);
    cr_assert_eq(reel_remove_parametrizations(m, "weight", false), m, "%s", reel_error(c));
    cr_assert_eq(reel_params_count(p), 2);
    cr_assert_str_eq(reel_param_name(reel_params_at(p, 0)), "m.weight");
    cr_assert(!has_moved("m.weight", original));
    cr_assert_eq(memcmp(grad, reel_param_grad(reel_params_at(p, 0)), sizeof grad), 0, "its gradient is good");
    expect_refused(reel_neg(t, loss), REEL_ERROR_STALE, NULL);
    reel_var plain =
        reel_linear(t, x, reel_param_var(t, reel_params_at(p, 0)), reel_param_var(t, reel_params_at(p, 1)));
    cr_assert_eq(memcmp(reel_data(t, plain), reel_data(t, reel_forward(t, m, x)), 8 * sizeof(reel_real)), 0);
    cr_assert_not_null(reel_weight_norm(m, NULL), "another one may follow");
}

/* One of two, whose params stand between others, and whose pending gradients go with them. */
Test(parametrize, taken_away_keeps_what_calls_compute)
{
    REEL_OPTIONS(weight_norm, ih, ih.name = "weight_ih_l0");
    REEL_OPTIONS(spectral_norm, hh, hh.name = "weight_hh_l0");
    reel_params_enter(p, "block");
    reel_module *m = reel_spectral_norm(reel_weight_norm(reel_gru_new(p, "gru", 3, 2, NULL), &ih), &hh),
                *behind = reel_linear_new(p, "behind", 2, 2, NULL);
    reel_params_leave(p, "block");
    reel_eval(p);
    reel_var x = reel_randn(t, REEL_SHAPE(2, 4, 3)), y = reel_forward(t, behind, reel_forward(t, m, x));
    static reel_real before[16];
    memcpy(before, reel_data(t, y), sizeof before);
    reel_backward(t, reel_sum_all(t, y), p);
    cr_assert_eq(reel_remove_parametrizations(m, "weight_ih_l0", true), m, "%s", reel_error(c));
    cr_assert_null(reel_param_grad(reel_params_find(p, "block.gru.weight_ih_l0")), "it was that of another param");
    cr_assert_not_null(reel_param_grad(reel_params_find(p, "block.gru.parametrizations.weight_hh_l0.original")));
    cr_assert_eq(reel_remove_parametrizations(m, "weight_hh_l0", true), m, "%s", reel_error(c));
    static const char *const names[] = {"block.gru.weight_ih_l0", "block.gru.weight_hh_l0", "block.gru.bias_ih_l0",
                                        "block.gru.bias_hh_l0",   "block.behind.weight",    "block.behind.bias"};
    cr_assert_eq(reel_params_count(p), (int)COUNT(names));
    for (int i = 0; i < (int)COUNT(names); i++)
        cr_assert_str_eq(reel_param_name(reel_params_at(p, i)), names[i]);
    reel_tape_reset(t);
    x = reel_tensor(t, before, REEL_SHAPE(1, 4, 3));
    cr_assert(!reel_is_null(reel_forward(t, behind, reel_forward(t, m, x))), "%s", reel_error(c));
}

/* A file of a layer that had one is a file of a plain layer. */
Test(parametrize, taken_away_saves_like_a_plain_layer)
{
    char path[] = "/tmp/reel-parametrize-XXXXXX";
    int file = mkstemp(path);
    cr_assert(file >= 0);
    close(file);
    reel_module *m = reel_weight_norm(reel_linear_new(p, "m", 3, 2, NULL), NULL);
    reel_remove_parametrizations(m, "weight", true);
    reel_params *others = reel_params_new(c);
    reel_linear_new(others, "m", 3, 2, NULL);
    for (int load = 0; load < 2; load++) {
        reel_checkpoint *run = reel_checkpoint_new(c);
        reel_checkpoint_add_params(run, "model", load ? others : p);
        cr_assert_eq(load ? reel_checkpoint_load(run, path) : reel_checkpoint_save(run, path), REEL_OK, "%s",
                     reel_error(c));
        reel_checkpoint_free(run);
    }
    cr_assert_eq(memcmp(param_data(p, "m.weight"), param_data(others, "m.weight"), 6 * sizeof(reel_real)), 0);
    reel_params_free(others);
    unlink(path);
}

Test(parametrize, refuses_to_take_away)
{
    reel_module *m = reel_weight_norm(reel_linear_new(p, "m", 3, 2, NULL), NULL);
    cr_assert_null(reel_remove_parametrizations(NULL, "weight", true));
    cr_assert_null(reel_remove_parametrizations(m, NULL, true));
    expect_error(c, REEL_ERROR_ARGUMENT, "remove_parametrizations: the module \"m\" has no parametrization of \"\"");
    cr_assert_null(reel_remove_parametrizations(m, "bias", true));
    expect_error(c, REEL_ERROR_ARGUMENT, "has no parametrization of \"bias\"");
    cr_assert_null(reel_remove_parametrizations(reel_relu_new(p), "weight", true));
    expect_error(c, REEL_ERROR_ARGUMENT, "the module \"\" has no");
    cr_assert_null(reel_remove_parametrizations(m, "weight", false));
    expect_error(c, REEL_ERROR_ARGUMENT, "\"m.weight\" is made of several params");
    reel_optim *optim = reel_sgd_new(p, NULL);
    cr_assert_null(reel_remove_parametrizations(m, "weight", true));
    expect_error(c, REEL_ERROR_STATE, "not while there are optimizers");
    reel_optim_free(optim);
    reel_param_new(p, "m.weight", REEL_PARAM_FROZEN, REEL_REAL, REEL_SHAPE(2));
    cr_assert_null(reel_remove_parametrizations(m, "weight", true));
    expect_error(c, REEL_ERROR_ARGUMENT, "the set has another param \"m.weight\"");
    cr_assert_eq(reel_params_count(p), 4);
}

/* ---- Refused ---- */

Test(parametrize, refuses)
{
    reel_module *m = reel_linear_new(p, "m", 3, 2, NULL);
    REEL_OPTIONS(spectral_norm, o, o.name = "wait");
    REEL_OPTIONS(weight_norm, w, w.dim = 2);
    cr_assert_null(reel_spectral_norm(NULL, NULL));
    cr_assert_null(reel_weight_norm(NULL, NULL));
    cr_assert_null(reel_spectral_norm(m, &o));
    expect_error(c, REEL_ERROR_ARGUMENT, "spectral_norm: the module \"m\" has no param \"wait\"");
    o.name = NULL;
    cr_assert_null(reel_spectral_norm(m, &o));
    expect_error(c, REEL_ERROR_ARGUMENT, "has no param \"\"");
    o.name = "bias";
    cr_assert_null(reel_spectral_norm(m, &o));
    expect_error(c, REEL_ERROR_SHAPE, "spectral_norm: \"m.bias\" has 1 axes, it needs two or more");
    const struct {
        int dim, iterations;
        double eps;
    } bad[] = {{2, 1, 0}, {-2, 1, 0}, {0, 0, 0}, {0, 1, -1}, {0, 1, NAN}};
    for (size_t i = 0; i < COUNT(bad); i++) {
        o = reel_spectral_norm_defaults();
        o.dim = bad[i].dim;
        o.n_power_iterations = bad[i].iterations;
        o.eps = bad[i].eps;
        cr_assert_null(reel_spectral_norm(m, &o));
        expect_error(c, REEL_ERROR_ARGUMENT, "spectral_norm: dim");
    }
    cr_assert_null(reel_weight_norm(m, &w));
    expect_error(c, REEL_ERROR_ARGUMENT, "weight_norm: dim is 2, and \"m.weight\" has 2 axes");
    w.name = "bias";
    w.dim = 0;
    cr_assert_null(reel_weight_norm(m, &w));
    expect_error(c, REEL_ERROR_ARGUMENT, "weight_norm: dim is 0, and \"m.bias\" has 1 axes");
    cr_assert_null(reel_spectral_norm(reel_relu_new(p), NULL));
    expect_error(c, REEL_ERROR_ARGUMENT, "has no param \"weight\"");
    reel_module *norm = reel_batch_norm1d_new(p, "norm", 2, NULL);
    w.name = "running_mean";
    cr_assert_null(reel_weight_norm(norm, &w));
    expect_error(c, REEL_ERROR_ARGUMENT, "has no param \"running_mean\" that is trained or frozen");
    cr_assert_eq(reel_params_count(p), 2 + 5, "nothing was added");
    cr_assert_not_null(reel_params_find(p, "m.weight"));
    cr_assert_not_null(reel_spectral_norm(m, NULL));
    cr_assert_null(reel_weight_norm(m, NULL));
    expect_error(c, REEL_ERROR_ARGUMENT, "has no param \"weight\"");
    reel_optim *optim = reel_sgd_new(p, NULL);
    cr_assert_null(reel_weight_norm(reel_linear_new(p, "late", 3, 2, NULL), NULL));
    expect_error(c, REEL_ERROR_STATE, "not while there are optimizers");
    reel_optim_free(optim);
    REEL_OPTIONS(embedding, limited, limited.max_norm = 1e-3);
    reel_module *table = reel_spectral_norm(reel_embedding_new(p, "table", 6, 4, &limited), NULL);
    cr_assert(reel_is_null(reel_forward(t, table, reel_tensor_of(t, REEL_INT64, index_values, REEL_SHAPE(4)))));
    expect_error(c, REEL_ERROR_STATE, "has a parametrization");
}

Test(parametrize, out_of_memory_leaves_the_layer)
{
    struct failing f;
    reel_context *context = failing_context(&f);
    for (int which = 0; which < 2; which++) {
        reel_params *set = reel_params_new(context);
        reel_module *m = reel_linear_new(set, "m", 3, 2, NULL);
        reel_module *made = NULL;
        for (int64_t k = 0; !made; k++) {
            f.count = 0;
            f.fail_at = k;
            made = which ? reel_weight_norm(m, NULL) : reel_spectral_norm(m, NULL);
            f.fail_at = -1;
            if (made)
                break;
            expect_error(context, REEL_ERROR_OUT_OF_MEMORY, "out of memory");
            cr_assert_eq(reel_params_count(set), 2);
            cr_assert_not_null(reel_params_find(set, "m.weight"));
        }
        for (int64_t k = 0;; k++) {
            reel_tape *tape = reel_tape_new(context);
            reel_var x = reel_ones(tape, REEL_SHAPE(2, 3));
            reel_real u[2] = {0, 0};
            if (!which)
                memcpy(u, param_data(set, names_of_spectral[1]), sizeof u);
            f.count = 0;
            f.fail_at = k;
            reel_var y = reel_forward(tape, m, x);
            f.fail_at = -1;
            reel_tape_free(tape);
            if (!reel_is_null(y))
                break;
            expect_error(context, REEL_ERROR_OUT_OF_MEMORY, "out of memory");
            cr_assert(which || memcmp(u, param_data(set, names_of_spectral[1]), sizeof u) == 0, "allocation %d",
                      (int)k);
        }
        const char *const *names = which ? names_of_weight : names_of_spectral;
        for (int64_t k = 0;; k++) {
            reel_real before[6], u[2] = {0, 0};
            memcpy(before, param_data(set, names[which]), sizeof before);
            if (!which)
                memcpy(u, param_data(set, names[1]), sizeof u);
            f.count = 0;
            f.fail_at = k;
            made = reel_remove_parametrizations(m, "weight", true);
            f.fail_at = -1;
            if (made)
                break;
            expect_error(context, REEL_ERROR_OUT_OF_MEMORY, "out of memory");
            cr_assert_eq(memcmp(before, param_data(set, names[which]), sizeof before), 0);
            cr_assert(which || memcmp(u, param_data(set, names[1]), sizeof u) == 0);
        }
        reel_params_free(set);
    }
    reel_context_free(context);
    cr_assert_eq(f.live, 0);
}

Test(parametrize, no_allocation_from_the_third_step)
{
    static struct failing f; /* the fixture frees the context */
    tear_down();
    c = failing_context(&f);
    t = reel_tape_new(c);
    p = reel_params_new(c);
    reel_module *m = network();
    adam = reel_adam_new(p, NULL);
    step(m);
    step(m);
    int64_t before = f.count;
    for (int i = 0; i < 3; i++)
        step(m);
    cr_assert_eq(f.count, before);
    reel_optim_free(adam);
}
