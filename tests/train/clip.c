/* Clipping, of dense gradients and of rows. */
#include "helpers.h"

#include <reel/clip.h>

#include "golden/optimizers.h"

struct run {
    reel_context *c;
    reel_tape *t;
    reel_params *params;
    reel_param *a, *b;
};

static struct run with_gradients(void)
{
    struct run r = {.c = reel_context_new(NULL)};
    r.t = reel_tape_new(r.c);
    r.params = reel_params_new(r.c);
    r.a = param_with(r.params, "a", REEL_SHAPE(3, 4), golden_a0);
    r.b = param_with(r.params, "b", REEL_SHAPE(GOLDEN_B), golden_b0);
    reel_param_set_grad(r.a, golden_a_grads);
    reel_param_set_grad(r.b, golden_b_grads);
    return r;
}

static void end(struct run *r)
{
    reel_tape_free(r->t);
    reel_params_free(r->params);
    reel_context_free(r->c);
}

static void expect_gradients(const char *what, struct run *r, const reel_real *want)
{
    double epsilon = sizeof(reel_real) == sizeof(float) ? 0x1p-23 : 0x1p-52;
    for (int i = 0; i < GOLDEN_A + GOLDEN_B; i++) {
        double got = i < GOLDEN_A ? reel_param_grad(r->a)[i] : reel_param_grad(r->b)[i - GOLDEN_A];
        cr_assert(fabs(got - (double)want[i]) <= 4 * epsilon * fabs((double)want[i]),
                  "%s: element %d is %.17g, not %.17g", what, i, got, (double)want[i]);
    }
    end(r);
}

static void clip(const char *what, double max_norm, double norm_type, double golden_total, const reel_real *golden)
{
    double epsilon = sizeof(reel_real) == sizeof(float) ? 0x1p-23 : 0x1p-52, total;
    struct run r = with_gradients();
    cr_assert_eq(reel_clip_grad_norm(r.params, max_norm, norm_type, &total), REEL_OK, "%s", reel_error(r.c));
    cr_assert(fabs(total - golden_total) <= 4 * epsilon * golden_total, "%s: %.17g, not %.17g", what, total,
              golden_total);
    expect_gradients(what, &r, golden);
}

Test(clip, measuring_changes_nothing)
{
    const double hostile[] = {INFINITY, NAN, 3};
    for (int i = 0; i < 3; i++) {
        struct run r = with_gradients();
        reel_real grad[GOLDEN_A];
        memcpy(grad, golden_a_grads, sizeof grad);
        grad[5] = (reel_real)hostile[i];
        reel_param_set_grad(r.a, grad);
        double norm;
        cr_assert_eq(reel_clip_grad_norm(r.params, INFINITY, 2, &norm), REEL_OK);
        cr_assert(isfinite(hostile[i]) ? isfinite(norm) : !isfinite(norm));
        cr_assert_eq(memcmp(reel_param_grad(r.a), grad, sizeof grad), 0);
        end(&r);
    }
}

Test(clip, norms_whose_powers_are_no_numbers)
{
    const double sizes[] = {sizeof(reel_real) == sizeof(float) ? 1e30 : 1e300,
                            sizeof(reel_real) == sizeof(float) ? 1e-30 : 1e-300};
    const double types[] = {2, 20};
    for (int i = 0; i < 4; i++) {
        reel_context *c = reel_context_new(NULL);
        reel_params *params = reel_params_new(c);
        const double size = sizes[i % 2], type = types[i / 2];
        const reel_real zeros[2] = {0}, grad[2] = {(reel_real)(3 * size), (reel_real)(-4 * size)};
        reel_param *w = param_with(params, "w", REEL_SHAPE(2), zeros);
        double norm, want = size * (type == 2 ? 5 : 4 * pow(1 + pow(0.75, 20), 1.0 / 20));
        reel_param_set_grad(w, grad);
        cr_assert_eq(reel_clip_grad_norm(params, INFINITY, type, &norm), REEL_OK);
        cr_assert(fabs(norm / want - 1) <= 1e-6, "type %g: %g, not %g", type, norm, want);
        reel_params_free(params);
        reel_context_free(c);
    }
}

Test(clip, norms_and_gradients_are_those_of_pytorch)
{
    clip("2-norm", 1, 2, golden_clip_2_total, golden_clip_2);
    clip("1-norm", 2, 1, golden_clip_1_total, golden_clip_1);
    clip("largest", 0.5, INFINITY, golden_clip_inf_total, golden_clip_inf);
    clip("3-norm", 1.5, 3, golden_clip_3_total, golden_clip_3);
    clip("below the limit", 1e3, 2, golden_clip_loose_total, golden_clip_loose);
}

Test(clip, values)
{
    struct run r = with_gradients();
    cr_assert_eq(reel_clip_grad_value(r.params, 0.5), REEL_OK);
    expect_gradients("value", &r, golden_clip_value);
}

Test(clip, nothing_to_clip)
{
    struct run r = with_gradients();
    double total = -1;
    reel_zero_grad(r.params);
    cr_assert_eq(reel_clip_grad_norm(r.params, 1, 2, &total), REEL_OK);
    cr_assert_eq(total, 0);
    cr_assert_eq(reel_clip_grad_value(r.params, 1), REEL_OK);
    cr_assert_null(reel_param_grad(r.a));
    end(&r);
}

/* Tables whose rows do not line up with the blocks of the sum. */
static void compare(int64_t rows, int64_t columns, double norm_type, int threads)
{
    enum { OCCURRENCES = 300 };
    reel_real *table = malloc((size_t)(rows * columns) * sizeof *table);
    reel_real *values = malloc((size_t)(OCCURRENCES * columns) * sizeof *values), random[OCCURRENCES];
    int64_t indices[OCCURRENCES];
    cr_assert(table && values);
    fill(table, rows * columns, 1);
    fill(values, OCCURRENCES * columns, 2);
    fill(random, OCCURRENCES, 3);
    for (int i = 0; i < OCCURRENCES; i++)
        indices[i] = (int64_t)(((double)random[i] + 2) / 4 * (double)rows);
    reel_context *c = reel_context_new(NULL);
    reel_set_num_threads(c, threads);
    reel_tape *t = reel_tape_new(c);
    reel_params *dense = reel_params_new(c), *sparse = reel_params_new(c);
    reel_param *d = param_with(dense, "table", REEL_SHAPE(rows, columns), table);
    reel_param *s = param_with(sparse, "table", REEL_SHAPE(rows, columns), table);
    reel_param_set_sparse(s, true);
    add_dense(d, indices, values, OCCURRENCES);
    add_pass(t, s, indices, values, OCCURRENCES);
    double dense_norm, sparse_norm, brute = 0;
    for (int64_t i = 0; i < d->numel; i++) {
        double a = fabs((double)reel_param_grad(d)[i]);
        brute = isinf(norm_type) ? (a > brute ? a : brute) : brute + pow(a, norm_type);
    }
    brute = isinf(norm_type) ? brute : pow(brute, 1 / norm_type);
    reel_clip_grad_norm(dense, 0.5, norm_type, &dense_norm);
    reel_clip_grad_norm(sparse, 0.5, norm_type, &sparse_norm);
    OK(c);
    cr_assert(fabs(dense_norm - brute) <= 1e-12 * brute, "%.17g, not %.17g", dense_norm, brute);
    cr_assert(memcmp(&dense_norm, &sparse_norm, sizeof dense_norm) == 0, "%lld x %lld: %a, not %a", (long long)rows,
              (long long)columns, sparse_norm, dense_norm);
    reel_clip_grad_value(dense, 0.25);
    reel_clip_grad_value(sparse, 0.25);
    cr_assert(reel_param_gradient_kind(s) == REEL_GRADIENT_ROWS && reel_param_gradient_kept(s).count > 0);
    cr_assert(memcmp(reel_param_grad(s), reel_param_grad(d), (size_t)d->numel * sizeof(reel_real)) == 0);
    reel_tape_free(t);
    reel_params_free(dense);
    reel_params_free(sparse);
    reel_context_free(c);
    free(values);
    free(table);
}

Test(clip, row_sparse_gradients_give_the_bits_of_dense_ones)
{
    for (int threads = 1; threads <= 3; threads++) {
        compare(1000, 64, 2, threads);
        compare(1000, 37, 2, threads);
        compare(70000, 1, 2, threads);
        compare(2, 40001, 2, threads);
        compare(1000, 37, 1, threads);
        compare(1000, 37, 2.5, threads);
        compare(1000, 37, INFINITY, threads);
    }
}

Test(clip, non_finite_gradients_show_in_the_norm_and_spread)
{
    const reel_real ones[] = {1, 1, 1, 1, 1};
    const double types[] = {1, 2, 3, INFINITY};
    for (size_t k = 0; k < COUNT(types); k++)
        for (int infinite = 0; infinite < 2; infinite++) {
            struct run r = with_gradients();
            reel_real grads[GOLDEN_B];
            memcpy(grads, ones, sizeof grads);
            grads[1] = infinite ? (reel_real)INFINITY : (reel_real)NAN;
            reel_param_set_grad(r.b, grads);
            double total;
            cr_assert_eq(reel_clip_grad_norm(r.params, 1, types[k], &total), REEL_OK);
            cr_assert(infinite ? isinf(total) : isnan(total));
            cr_assert(isnan(reel_param_grad(r.b)[1]));
            cr_assert(infinite ? reel_param_grad(r.a)[0] == 0 : isnan(reel_param_grad(r.a)[0]));
            reel_param_set_grad(r.b, grads);
            cr_assert_eq(reel_clip_grad_value(r.params, 0.5), REEL_OK);
            cr_assert(infinite ? reel_param_grad(r.b)[1] == (reel_real)0.5 : isnan(reel_param_grad(r.b)[1]));
            end(&r);
        }
}

Test(clip, bad_arguments_and_incomplete_gradients_are_refused)
{
    struct run r = with_gradients();
    double total;
    cr_assert_eq(reel_clip_grad_norm(r.params, -1, 2, &total), REEL_ERROR_ARGUMENT);
    cr_assert(isnan(total));
    reel_clear_error(r.c);
    cr_assert_eq(reel_clip_grad_norm(r.params, 1, 0, NULL), REEL_ERROR_ARGUMENT);
    reel_clear_error(r.c);
    cr_assert_eq(reel_clip_grad_value(r.params, NAN), REEL_ERROR_ARGUMENT);
    reel_clear_error(r.c);
    r.params->gradients_incomplete = true;
    cr_assert_eq(reel_clip_grad_norm(r.params, 1, 2, NULL), REEL_ERROR_STATE);
    reel_clear_error(r.c);
    cr_assert_eq(reel_clip_grad_value(r.params, 1), REEL_ERROR_STATE);
    cr_assert_eq(reel_param_grad(r.a), NULL);
    reel_clear_error(r.c);
    cr_assert_eq(reel_param_grad(r.a)[0], golden_a_grads[0]);
    cr_assert_eq(reel_clip_grad_norm(NULL, 1, 2, NULL), REEL_ERROR_ARGUMENT);
    end(&r);
}
