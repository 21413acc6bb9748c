/* Losses, penalties and parts of adversarial networks against their formulas, and what they refuse. */
#include "helpers.h"
#include "support/fixture.h"

TestSuite(gan, .init = set_up, .fini = tear_down);

static const double close = sizeof(reel_real) == sizeof(float) ? 1e-5 : 1e-13;

static void expect_value(reel_var v, double want)
{
    cr_assert_eq(reel_context_status(c), REEL_OK, "%s", reel_error(c));
    double got = reel_item(t, v);
    cr_assert(fabs(got - want) <= close * fmax(1, fabs(want)), "%.17g, not %.17g", got, want);
}

static double softplus(double x)
{
    return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
}

Test(gan, losses_are_their_formulas)
{
    const double r[] = {0.5, -2, 40}, f[] = {1.5, -0.25, -90};
    reel_real rs[3], fs[3];
    double d[5] = {0}, g[5] = {0};
    for (int i = 0; i < 3; i++) {
        rs[i] = (reel_real)r[i];
        fs[i] = (reel_real)f[i];
        d[REEL_GAN_NON_SATURATING] += softplus(-r[i]) + softplus(f[i]);
        g[REEL_GAN_NON_SATURATING] += softplus(-f[i]);
        d[REEL_GAN_RELATIVISTIC] += softplus(f[i] - r[i]);
        g[REEL_GAN_RELATIVISTIC] += softplus(r[i] - f[i]);
        d[REEL_GAN_LEAST_SQUARES] += ((r[i] - 1) * (r[i] - 1) + f[i] * f[i]) / 2;
        g[REEL_GAN_LEAST_SQUARES] += (f[i] - 1) * (f[i] - 1) / 2;
        d[REEL_GAN_HINGE] += fmax(0, 1 - r[i]) + fmax(0, 1 + f[i]);
        g[REEL_GAN_HINGE] -= f[i];
        d[REEL_GAN_WASSERSTEIN] += f[i] - r[i];
        g[REEL_GAN_WASSERSTEIN] -= f[i];
    }
    reel_var real = reel_tensor(t, rs, REEL_SHAPE(3, 1)), fake = reel_tensor(t, fs, REEL_SHAPE(3, 1));
    for (int i = REEL_GAN_NON_SATURATING; i <= REEL_GAN_WASSERSTEIN; i++) {
        bool in_pairs = i == REEL_GAN_RELATIVISTIC;
        expect_value(reel_gan_discriminator_loss(t, (reel_gan_loss)i, real, fake), d[i] / 3);
        expect_value(reel_gan_generator_loss(t, (reel_gan_loss)i, in_pairs ? real : reel_null(), fake), g[i] / 3);
    }
    expect_refused(reel_gan_discriminator_loss(t, REEL_GAN_RELATIVISTIC, real, reel_reshape(t, fake, REEL_SHAPE(3))),
                   REEL_ERROR_SHAPE, "gan_loss: scores [3, 1] and [3] are not in pairs");
    expect_refused(reel_gan_generator_loss(t, (reel_gan_loss)5, real, fake), REEL_ERROR_ARGUMENT,
                   "gan_loss: there is no loss 5");
}

/* Scores (x w)^2 / 2 have the gradient (x w) w; all of it is known. */
Test(gan, penalty_of_images_is_over_all_axes_but_the_first)
{
    enum { BATCH = 3, N = 2 * 2 * 3 };
    reel_var x = reel_randn(t, REEL_SHAPE(BATCH, 2, 2, 3)), w = reel_randn(t, REEL_SHAPE(N, 1)), of_w;
    reel_var product = reel_matmul(t, reel_flatten(t, x, 1, -1), w);
    reel_var scores = reel_mul_scalar(t, reel_square(t, product), 0.5);
    reel_var penalty = reel_gan_zero_centered_penalty(t, scores, x, 3);
    double norm = 0, sum = 0;
    const reel_real *ws = reel_data_real(t, w), *ps = reel_data_real(t, product), *xs = reel_data_real(t, x);
    for (int j = 0; j < N; j++)
        norm += (double)ws[j] * (double)ws[j];
    for (int i = 0; i < BATCH; i++)
        sum += (double)ps[i] * (double)ps[i] * norm;
    expect_value(penalty, 1.5 * sum / BATCH);
    /* d/dw of sum_i (x_i w)^2 |w|^2. */
    reel_grad(t, penalty, &w, 1, 0, &of_w);
    for (int j = 0; j < N; j++) {
        double want = 0;
        for (int i = 0; i < BATCH; i++)
            want +=
                2 * (double)ps[i] * (double)xs[i * N + j] * norm + 2 * (double)ps[i] * (double)ps[i] * (double)ws[j];
        want *= 1.5 / BATCH;
        cr_assert(fabs((double)reel_data_real(t, of_w)[j] - want) <= 32 * close * fmax(1, fabs(want)));
    }
}

static reel_var linear_critic(reel_tape *tape, reel_var x, void *user)
{
    const reel_var *w = user;
    return reel_matmul(tape, x, *w);
}

Test(gan, gradient_penalty_and_its_gradient_are_finite_at_zero)
{
    enum { BATCH = 4, N = 3 };
    reel_var w = reel_zeros(t, REEL_SHAPE(N, 1)), real = reel_randn(t, REEL_SHAPE(BATCH, N)),
             fake = reel_randn(t, REEL_SHAPE(BATCH, N)), of_w;
    reel_var penalty = reel_gan_gradient_penalty(t, linear_critic, &w, real, fake, 10);
    expect_value(penalty, 10);
    reel_grad(t, penalty, &w, 1, 0, &of_w);
    for (int i = 0; i < N; i++)
        cr_assert_eq(reel_data_real(t, of_w)[i], 0);
    const reel_real three[] = {1, 2, 2};
    w = reel_tensor(t, three, REEL_SHAPE(N, 1));
    penalty = reel_gan_gradient_penalty(t, linear_critic, &w, real, fake, 10);
    expect_value(penalty, 40);
    reel_grad(t, penalty, &w, 1, 0, &of_w); /* 2 lambda (|w| - 1) w / |w| */
    for (int i = 0; i < N; i++)
        cr_assert(fabs((double)reel_data_real(t, of_w)[i] - 40 * (double)three[i] / 3) <= 64 * close);
}

static reel_var remember(reel_tape *tape, reel_var x, void *user)
{
    *(reel_var *)user = x;
    return reel_sum(tape, x, REEL_AXES(1, 2), false);
}

/* Points on the line between the two samples, at one place for all elements of a sample. */
Test(gan, gradient_penalty_draws_once_for_a_sample)
{
    enum { BATCH = 5, N = 4 };
    reel_var real = reel_randn(t, REEL_SHAPE(BATCH, 2, 2)), fake = reel_randn(t, REEL_SHAPE(BATCH, 2, 2)), between;
    reel_manual_seed(c, 3);
    cr_assert(!reel_is_null(reel_gan_gradient_penalty(t, remember, &between, real, fake, 1)));
    reel_manual_seed(c, 3);
    const reel_real *alpha = reel_data_real(t, reel_rand(t, REEL_SHAPE(BATCH, 1, 1)));
    for (int i = 0; i < BATCH * N; i++) {
        double a = (double)reel_data_real(t, real)[i], b = (double)reel_data_real(t, fake)[i];
        cr_assert(fabs((double)reel_data_real(t, between)[i] - (b + (double)alpha[i / N] * (a - b))) <= close);
    }
}

Test(gan, scores_of_samples_that_see_each_other_are_refused)
{
    reel_var x = reel_randn(t, REEL_SHAPE(4, 3)), other = reel_randn(t, REEL_SHAPE(4, 3));
    reel_module *norm = reel_batch_norm1d_new(p, "norm", 3, NULL);
    reel_var normed = reel_forward(t, norm, x), scores = reel_sum(t, reel_square(t, normed), REEL_AXES(1), false);
    expect_refused(reel_gan_zero_centered_penalty(t, scores, x, 1), REEL_ERROR_ARGUMENT,
                   "zero_centered_penalty: between x and the scores there are statistics of the batch, so that samples "
                   "see each other");
    /* In evaluation there are none, and beside the way from x to the scores they do not matter. */
    reel_module_train(norm, false);
    scores = reel_sum(t, reel_square(t, reel_forward(t, norm, x)), REEL_AXES(1), false);
    cr_assert(!reel_is_null(reel_gan_zero_centered_penalty(t, scores, x, 1)), "%s", reel_error(c));
    reel_module_train(norm, true);
    scores = reel_sum(t, reel_mul(t, x, reel_forward(t, norm, other)), REEL_AXES(1), false);
    cr_assert(!reel_is_null(reel_gan_zero_centered_penalty(t, scores, x, 1)), "%s", reel_error(c));
    expect_refused(reel_gan_zero_centered_penalty(t, reel_sum(t, other, REEL_AXES(1), false), x, 1),
                   REEL_ERROR_ARGUMENT, "zero_centered_penalty: the scores do not depend on x");
    expect_refused(reel_gan_zero_centered_penalty(t, reel_sum_all(t, reel_square(t, x)), x, 1), REEL_ERROR_SHAPE,
                   "zero_centered_penalty: scores [] are not of the batch of x [4, 3]");
    expect_refused(reel_gan_zero_centered_penalty(t, scores, x, -1), REEL_ERROR_ARGUMENT,
                   "zero_centered_penalty: gamma is -1, not 0 or more");
}

Test(gan, minibatch_stddev_is_its_formula)
{
    enum { BATCH = 6, GROUP = 3, N = 2 * 2 };
    reel_var x = reel_randn(t, REEL_SHAPE(BATCH, 2, 2)), y = reel_minibatch_stddev(t, x, GROUP);
    reel_shape shape = reel_shape_of(t, y), want = REEL_SHAPE(BATCH, 3, 2);
    cr_assert(reel_shape_equal(&shape, &want), "%s", reel_error(c));
    const reel_real *xs = reel_data_real(t, x), *ys = reel_data_real(t, y);
    for (int group = 0; group < BATCH / GROUP; group++) {
        double total = 0;
        for (int j = 0; j < N; j++) {
            double mean = 0, variance = 0;
            for (int i = group; i < BATCH; i += BATCH / GROUP)
                mean += (double)xs[i * N + j] / GROUP;
            for (int i = group; i < BATCH; i += BATCH / GROUP)
                variance += ((double)xs[i * N + j] - mean) * ((double)xs[i * N + j] - mean) / GROUP;
            total += sqrt(variance + 1e-8) / N;
        }
        for (int i = group; i < BATCH; i += BATCH / GROUP)
            for (int j = 0; j < 6; j++)
                cr_assert(fabs((double)ys[i * 6 + j] - (j < N ? (double)xs[i * N + j] : total)) <= close);
    }
    expect_refused(reel_minibatch_stddev(t, x, 4), REEL_ERROR_ARGUMENT,
                   "minibatch_stddev: group_size is 4, it must divide the batch of 6");
}

Test(gan, projection_is_linear_plus_inner_product)
{
    enum { BATCH = 3, N = 4, CLASSES = 5 };
    reel_manual_seed(c, 9);
    reel_module *head = reel_projection_new(p, "head", N, CLASSES);
    cr_assert_not_null(head, "%s", reel_error(c));
    reel_var phi = reel_randn(t, REEL_SHAPE(BATCH, N)), y = reel_randint(t, 0, CLASSES, REEL_SHAPE(BATCH)), scores;
    cr_assert_eq(reel_forward_all(t, head, REEL_VARS(phi, y), &scores, 1), REEL_OK, "%s", reel_error(c));
    const reel_real *w = param_data(p, "head.linear.weight"), *b = param_data(p, "head.linear.bias"),
                    *e = param_data(p, "head.embedding.weight"), *f = reel_data_real(t, phi);
    cr_assert_eq(reel_numel(t, scores), BATCH);
    for (int i = 0; i < BATCH; i++) {
        double want = (double)b[0];
        for (int j = 0; j < N; j++)
            want += (double)f[i * N + j] * ((double)w[j] + (double)e[reel_data_int64(t, y)[i] * N + j] / 2);
        cr_assert(fabs((double)reel_data_real(t, scores)[i] - want) <= 4 * close);
    }
    cr_assert_null(reel_projection_new(p, "bad", 0, 3));
    expect_error(c, REEL_ERROR_ARGUMENT, "projection \"bad\": in_features is 0, not 1 or more");
    cr_assert_eq(reel_params_count(p), 3);
}
