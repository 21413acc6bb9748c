/* Eight narrow heaps of points on a circle, the usual proof that a generator finds all of what it is shown: with the
 * relativistic loss and both zero-centered penalties it does for every seed, with the loss alone it does not.
 *   modes SEEDS [STEPS]   STEPS: then one training of so many steps, whose numbers must all stay finite */
#include "support/check.h"

#include <reel/reel.h>

#include <math.h>

enum { MODES = 8, STEPS = 2000, BATCH = 64, NOISE = 2, WIDTH = 64, SAMPLES = 2000 };

struct training {
    reel_context *c;
    reel_tape *t;
    reel_params *generator_params, *discriminator_params;
    reel_module *generator, *discriminator;
    reel_optim *generator_optim, *discriminator_optim;
    double gamma; /* of both penalties; 0: none */
    reel_real centres[2 * MODES];
};

static const double lr = 5e-3;

static reel_module *network(reel_params *params, int64_t in, int64_t out)
{
    REEL_OPTIONS(linear, hidden, hidden.activation = REEL_ACTIVATION_LEAKY_RELU, hidden.negative_slope = 0.2);
    reel_module *layers[3];
    layers[0] = reel_linear_new(params, "0", in, WIDTH, &hidden);
    layers[1] = reel_linear_new(params, "1", WIDTH, WIDTH, &hidden);
    layers[2] = reel_linear_new(params, "2", WIDTH, out, NULL);
    return reel_sequential_new(params, layers, 3);
}

static struct training training_new(int seed, double gamma)
{
    struct training tr = {.gamma = gamma};
    REEL_OPTIONS(context, o, o.seed = (uint64_t)seed, o.num_threads = 1);
    tr.c = reel_context_new(&o);
    tr.t = reel_tape_new(tr.c);
    tr.generator_params = reel_params_new(tr.c);
    tr.discriminator_params = reel_params_new(tr.c);
    tr.generator = network(tr.generator_params, NOISE, 2);
    tr.discriminator = network(tr.discriminator_params, 2, 1);
    REEL_OPTIONS(adam, adam, adam.lr = lr, adam.beta1 = 0.5, adam.beta2 = 0.99);
    tr.generator_optim = reel_adam_new(tr.generator_params, &adam);
    tr.discriminator_optim = reel_adam_new(tr.discriminator_params, &adam);
    for (int i = 0; i < MODES; i++) {
        double angle = 2 * acos(-1.0) * i / MODES;
        tr.centres[2 * i] = (reel_real)cos(angle);
        tr.centres[2 * i + 1] = (reel_real)sin(angle);
    }
    return tr;
}

static void training_free(struct training *tr)
{
    reel_optim_free(tr->generator_optim);
    reel_optim_free(tr->discriminator_optim);
    reel_tape_free(tr->t);
    reel_params_free(tr->generator_params);
    reel_params_free(tr->discriminator_params);
    reel_context_free(tr->c);
}

/* Points around the centres, with a standard deviation of 0.02. */
static reel_var draw_points(struct training *tr)
{
    reel_tape *t = tr->t;
    reel_var centres = reel_borrow(t, tr->centres, REEL_SHAPE(MODES, 2));
    reel_var which = reel_randint(t, 0, MODES, REEL_SHAPE(BATCH));
    reel_var noise = reel_randn(t, REEL_SHAPE(BATCH, 2));
    return reel_add(t, reel_embedding(t, centres, which, NULL), reel_mul_scalar(t, noise, 0.02));
}

static void step(struct training *tr, double rate)
{
    const reel_gan_loss loss = REEL_GAN_RELATIVISTIC;
    reel_tape *t = tr->t;
    reel_var x = draw_points(tr);
    reel_var made = reel_forward(t, tr->generator, reel_randn(t, REEL_SHAPE(BATCH, NOISE)));
    reel_var real = reel_forward(t, tr->discriminator, x);
    reel_var g_loss = reel_gan_generator_loss(t, loss, real, reel_forward(t, tr->discriminator, made));
    made = reel_detach(t, made);
    reel_var fake = reel_forward(t, tr->discriminator, made);
    reel_var d_loss = reel_gan_discriminator_loss(t, loss, real, fake);
    if (tr->gamma > 0) {
        d_loss = reel_add(t, d_loss, reel_gan_zero_centered_penalty(t, real, x, tr->gamma));
        d_loss = reel_add(t, d_loss, reel_gan_zero_centered_penalty(t, fake, made, tr->gamma));
    }
    reel_zero_grad(tr->generator_params);
    reel_zero_grad(tr->discriminator_params);
    reel_backward(t, g_loss, tr->generator_params);
    reel_backward(t, d_loss, tr->discriminator_params);
    reel_optim_set_lr(tr->generator_optim, 0, rate);
    reel_optim_set_lr(tr->discriminator_optim, 0, rate);
    reel_optim_step(tr->generator_optim);
    reel_optim_step(tr->discriminator_optim);
    double sum = reel_item(t, g_loss) + reel_item(t, d_loss);
    CHECK(reel_context_status(tr->c) == REEL_OK, "%s", reel_error(tr->c));
    CHECK(isfinite(sum), "a loss is not finite");
    reel_tape_reset(t);
}

/* Centres that have at least a fifth of their share of the samples within 0.1. */
static int count_modes(struct training *tr)
{
    reel_tape *t = tr->t;
    reel_no_grad_begin(t);
    const reel_real *x = reel_data_real(t, reel_forward(t, tr->generator, reel_randn(t, REEL_SHAPE(SAMPLES, NOISE))));
    reel_no_grad_end(t);
    CHECK(x, "%s", reel_error(tr->c));
    int found = 0;
    for (int k = 0; k < MODES; k++) {
        int near = 0;
        for (int i = 0; i < SAMPLES; i++)
            near +=
                hypot((double)(x[2 * i] - tr->centres[2 * k]), (double)(x[2 * i + 1] - tr->centres[2 * k + 1])) < 0.1;
        found += near >= SAMPLES / MODES / 5;
    }
    return found;
}

/* For how many seeds all modes are found, when the second half of the steps lowers the rate to nothing. */
static int count_seeds(int seeds, double gamma)
{
    int all = 0;
    for (int seed = 0; seed < seeds; seed++) {
        struct training tr = training_new(seed, gamma);
        for (int i = 0; i < STEPS; i++)
            step(&tr, lr * fmin(1, 2.0 * (STEPS - i) / STEPS));
        int found = count_modes(&tr);
        printf("gamma %g, seed %d: %d of %d modes\n", gamma, seed, found, MODES);
        all += found == MODES;
        training_free(&tr);
    }
    return all;
}

int main(int argc, char **argv)
{
    const double gamma = 0.05;
    int seeds = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 0;
    long steps = argc > 2 ? strtol(argv[2], NULL, 10) : 0;
    CHECK(seeds > 0, "usage: modes SEEDS [STEPS]");
    int with = count_seeds(seeds, gamma), without = count_seeds(seeds, 0);
    printf("all modes for %d of %d seeds with penalties, for %d without\n", with, seeds, without);
    /* Of 40 seeds 40 get there with penalties and 7 without; which ones depends on how the processor rounds. */
    CHECK(with == seeds, "%d seeds with penalties", with);
    CHECK(2 * without <= seeds + 1, "%d seeds without penalties", without);
    struct training tr = training_new(0, gamma);
    for (long i = 0; i < steps; i++)
        step(&tr, lr);
    if (steps > 0)
        printf("%ld steps, all numbers finite, %d of %d modes in the end\n", steps, count_modes(&tr), MODES);
    training_free(&tr);
    return 0;
}
