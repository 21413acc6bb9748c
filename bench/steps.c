/* Training steps and nothing else, for tools that count instructions: bench_steps notebook|chain COUNT */
#include "gan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 64, DATA = 32, NOISE = 10, LINKS = 1000, ELEMENTS = 16 };

static void notebook_step(reel_tape *t, const struct gan *gan, reel_optim *g_adam, reel_optim *d_adam)
{
    reel_var x = reel_randn(t, REEL_SHAPE(BATCH, DATA));
    reel_var y = reel_randint(t, 0, 10, REEL_SHAPE(BATCH));
    reel_var z = reel_randn(t, REEL_SHAPE(BATCH, NOISE));
    reel_var wanted = reel_randint(t, 0, 10, REEL_SHAPE(BATCH));
    reel_var ones = reel_ones(t, REEL_SHAPE(BATCH, 1)), zeros = reel_zeros(t, REEL_SHAPE(BATCH, 1));

    reel_var fake = gan_generate(t, gan, z, wanted);
    reel_var loss = reel_bce_with_logits_loss(t, gan_discriminate(t, gan, fake, wanted), ones);
    reel_zero_grad(gan->generator);
    if (reel_backward(t, loss, gan->generator) == REEL_OK)
        reel_optim_step(g_adam);

    reel_var real = reel_bce_with_logits_loss(t, gan_discriminate(t, gan, x, y), ones);
    reel_var invented = reel_bce_with_logits_loss(t, gan_discriminate(t, gan, reel_detach(t, fake), wanted), zeros);
    loss = reel_mul_scalar(t, reel_add(t, real, invented), 0.5);
    reel_zero_grad(gan->discriminator);
    if (reel_backward(t, loss, gan->discriminator) == REEL_OK)
        reel_optim_step(d_adam);
}

static void chain_step(reel_tape *t, reel_params *params)
{
    reel_var x = reel_param_var(t, reel_params_at(params, 0));
    for (int i = 0; i < LINKS; i++)
        x = reel_mul_scalar(t, x, 1.0001);
    reel_zero_grad(params);
    reel_backward(t, reel_sum_all(t, x), params);
}

int main(int argc, char **argv)
{
    long count = argc == 3 ? strtol(argv[2], NULL, 10) : 0;
    bool notebook = argc == 3 && strcmp(argv[1], "notebook") == 0;
    if (count <= 0 || (!notebook && strcmp(argv[1], "chain") != 0)) {
        fprintf(stderr, "usage: bench_steps notebook|chain COUNT\n");
        return 2;
    }
    reel_context_options o = reel_context_defaults();
    o.num_threads = 1;
    reel_context *c = reel_context_new(&o);
    reel_tape *t = reel_tape_new(c);
    struct gan_sizes sizes = gan_notebook_sizes();
    struct gan gan = gan_new(c, &sizes);
    reel_adam_options adam = reel_adam_defaults();
    adam.lr = 2e-4;
    adam.beta1 = 0.5;
    reel_optim *g_adam = reel_adam_new(gan.generator, &adam), *d_adam = reel_adam_new(gan.discriminator, &adam);
    reel_params *params = reel_params_new(c);
    reel_init_ones(reel_param_new(params, "x", REEL_PARAM_TRAINED, REEL_REAL, REEL_SHAPE(ELEMENTS)));

    reel_status status = reel_context_status(c);
    for (long i = 0; i < count && status == REEL_OK; i++) {
        if (notebook)
            notebook_step(t, &gan, g_adam, d_adam);
        else
            chain_step(t, params);
        status = reel_context_status(c);
        if (status == REEL_OK)
            status = reel_tape_reset(t);
    }
    if (status != REEL_OK)
        fprintf(stderr, "bench_steps: %s\n", reel_error(c));
    reel_params_free(params);
    reel_optim_free(g_adam);
    reel_optim_free(d_adam);
    reel_tape_free(t);
    gan_free(&gan);
    reel_context_free(c);
    return status != REEL_OK;
}
