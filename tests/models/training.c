/* Training parity: from the same seed, initial values and draws included, reel's losses follow PyTorch's. */
#include "gan.h"
#include "golden/training.h"

#include <criterion/criterion.h>

#include <math.h>

/* The loop of tests/golden/training.py. Draws have a statement each: C does not order the evaluation of arguments. */
static void train(struct gan_sizes sizes, int steps, double *losses)
{
    reel_context *c = reel_context_new(NULL);
    reel_tape *t = reel_tape_new(c);
    struct gan gan = gan_new(c, &sizes);
    reel_adam_options o = reel_adam_defaults();
    o.lr = 2e-4;
    o.beta1 = 0.5;
    reel_optim *g_adam = reel_adam_new(gan.generator, &o), *d_adam = reel_adam_new(gan.discriminator, &o);
    for (int i = 0; i < steps; i++) {
        reel_var x = reel_tanh(t, reel_randn(t, REEL_SHAPE(golden_batch, sizes.data)));
        reel_var y = reel_randint(t, 0, sizes.classes, REEL_SHAPE(golden_batch));
        reel_var z = reel_randn(t, REEL_SHAPE(golden_batch, sizes.noise));
        reel_var wanted = reel_randint(t, 0, sizes.classes, REEL_SHAPE(golden_batch));
        reel_var ones = reel_ones(t, REEL_SHAPE(golden_batch, 1)), zeros = reel_zeros(t, REEL_SHAPE(golden_batch, 1));

        reel_var fake = gan_generate(t, &gan, z, wanted);
        reel_var g_loss = reel_bce_with_logits_loss(t, gan_discriminate(t, &gan, fake, wanted), ones);
        reel_zero_grad(gan.generator);
        reel_backward(t, g_loss, gan.generator);
        reel_optim_step(g_adam);

        reel_var real = reel_bce_with_logits_loss(t, gan_discriminate(t, &gan, x, y), ones);
        reel_var made = reel_bce_with_logits_loss(t, gan_discriminate(t, &gan, reel_detach(t, fake), wanted), zeros);
        reel_var d_loss = reel_mul_scalar(t, reel_add(t, real, made), 0.5);
        reel_zero_grad(gan.discriminator);
        reel_backward(t, d_loss, gan.discriminator);
        reel_optim_step(d_adam);

        losses[2 * i] = reel_item(t, g_loss);
        losses[2 * i + 1] = reel_item(t, d_loss);
        cr_assert(reel_context_status(c) == REEL_OK, "step %d: %s", i, reel_error(c));
        reel_tape_reset(t);
    }
    reel_optim_free(g_adam);
    reel_optim_free(d_adam);
    reel_tape_free(t);
    gan_free(&gan);
    reel_context_free(c);
}

#ifdef REEL_F64

static void compare(const char *what, struct gan_sizes sizes, const double *golden)
{
    static double losses[2 * golden_steps];
    double worst = 0;
    train(sizes, golden_steps, losses);
    for (int i = 0; i < 2 * golden_steps; i++) {
        double distance = fabs(losses[i] / golden[i] - 1);
        worst = distance > worst ? distance : worst;
        cr_assert(distance <= 1e-9, "%s: loss %d of step %d is %.17g, PyTorch's is %.17g", what, i % 2, i / 2,
                  losses[i], golden[i]);
    }
    printf("%s, float64: the losses of %d steps are within %.2g of PyTorch's\n", what, golden_steps, worst);
}

Test(training, notebook)
{
    compare("notebook", gan_notebook_sizes(), golden_notebook_f64);
}

Test(training, cgan)
{
    compare("cgan", gan_image_sizes(0.8, 0), golden_cgan_f64);
}

#else

static void compare(const char *what, struct gan_sizes sizes, const double *golden, const double *spread)
{
    static double losses[2 * golden_float_steps];
    double worst = 0;
    train(sizes, golden_float_steps, losses);
    for (int i = 0; i < 2 * golden_float_steps; i++) {
        double distance = fabs(losses[i] / golden[i] - 1), allowed = fmax(1e-4, 3 * spread[i]);
        worst = distance > worst ? distance : worst;
        cr_assert(distance <= allowed, "%s: loss %d of step %d is %.9g, PyTorch's is %.9g", what, i % 2, i / 2,
                  losses[i], golden[i]);
    }
    printf("%s, float32: the losses of %d steps are within %.2g of PyTorch's\n", what, golden_float_steps, worst);
}

Test(training, notebook)
{
    compare("notebook", gan_notebook_sizes(), golden_notebook_f32, golden_notebook_f32_spread);
}

Test(training, cgan)
{
    compare("cgan", gan_image_sizes(0.8, 0), golden_cgan_f32, golden_cgan_f32_spread);
}

#endif
