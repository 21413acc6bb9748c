/* The first step of the notebook workload and nothing else, as soon after the start of the process as can be. Prints
 * the time of day at its end, in nanoseconds, and the most memory that the process had resident, in KiB. */
#include "gan.h"

#include <stdio.h>
#include <time.h>

enum { BATCH = 64 };

/* A step of the generator and one of the discriminator; gives the sum of the losses. */
static double step(reel_tape *t, const struct gan *gan, reel_optim *generator_adam, reel_optim *discriminator_adam)
{
    reel_var x = reel_tanh(t, reel_randn(t, REEL_SHAPE(BATCH, gan->sizes.data)));
    reel_var y = reel_randint(t, 0, gan->sizes.classes, REEL_SHAPE(BATCH));
    reel_var z = reel_randn(t, REEL_SHAPE(BATCH, gan->sizes.noise));
    reel_var wanted = reel_randint(t, 0, gan->sizes.classes, REEL_SHAPE(BATCH));
    reel_var ones = reel_ones(t, REEL_SHAPE(BATCH, 1)), zeros = reel_zeros(t, REEL_SHAPE(BATCH, 1));

    reel_var made = gan_generate(t, gan, z, wanted);
    reel_var g_loss = reel_bce_with_logits_loss(t, gan_discriminate(t, gan, made, wanted), ones);
    reel_zero_grad(gan->generator);
    reel_backward(t, g_loss, gan->generator);
    reel_optim_step(generator_adam);

    reel_var real = reel_bce_with_logits_loss(t, gan_discriminate(t, gan, x, y), ones);
    made = reel_detach(t, made);
    reel_var invented = reel_bce_with_logits_loss(t, gan_discriminate(t, gan, made, wanted), zeros);
    reel_var d_loss = reel_mul_scalar(t, reel_add(t, real, invented), 0.5);
    reel_zero_grad(gan->discriminator);
    reel_backward(t, d_loss, gan->discriminator);
    reel_optim_step(discriminator_adam);
    double losses = reel_item(t, g_loss) + reel_item(t, d_loss);
    reel_tape_reset(t);
    return losses;
}

/* VmHWM, since what getrusage gives includes the process that started this one. -1: unknown. */
static long peak_resident(void)
{
    char line[256];
    long kib = -1;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && kib < 0 && fgets(line, sizeof line, file))
        sscanf(line, "VmHWM: %ld kB", &kib);
    if (file)
        fclose(file);
    return kib;
}

int main(void)
{
    struct gan_sizes sizes = gan_notebook_sizes();
    reel_context *c = reel_context_new(NULL);
    reel_tape *t = reel_tape_new(c);
    struct gan gan = gan_new(c, &sizes);
    reel_optim *generator_adam = reel_adam_new(gan.generator, NULL);
    reel_optim *discriminator_adam = reel_adam_new(gan.discriminator, NULL);
    double losses = step(t, &gan, generator_adam, discriminator_adam);
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);

    bool ok = c && reel_context_status(c) == REEL_OK && losses > 1 && losses < 2; /* about 2 log 2 */
    if (ok)
        printf("%lld%09ld %ld\n", (long long)end.tv_sec, end.tv_nsec, peak_resident());
    else
        fprintf(stderr, "cold_start: losses %g: %s\n", losses, reel_error(c));
    reel_optim_free(generator_adam);
    reel_optim_free(discriminator_adam);
    reel_tape_free(t);
    gan_free(&gan);
    reel_context_free(c);
    return ok ? 0 : 1;
}
