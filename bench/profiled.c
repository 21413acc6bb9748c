/* What the profiler costs: steps of the workloads notebook and cgan with and without it, in turns, and the median of
 * the ratios of the processor's time. profiled [ROUNDS] */
#include "gan.h"

#include <reel/watch/profiler.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { BATCH = 64, MOST_ROUNDS = 999 };

struct training {
    reel_tape *tape;
    struct gan gan;
    reel_optim *g_adam, *d_adam;
};

static void step(const struct training *tr)
{
    reel_tape *t = tr->tape;
    const struct gan *gan = &tr->gan;
    reel_var x = reel_tanh(t, reel_randn(t, REEL_SHAPE(BATCH, gan->sizes.data)));
    reel_var y = reel_randint(t, 0, gan->sizes.classes, REEL_SHAPE(BATCH));
    reel_var z = reel_randn(t, REEL_SHAPE(BATCH, gan->sizes.noise));
    reel_var ones = reel_ones(t, REEL_SHAPE(BATCH, 1)), zeros = reel_zeros(t, REEL_SHAPE(BATCH, 1));

    reel_var made = gan_generate(t, gan, z, y);
    reel_zero_grad(gan->generator);
    reel_backward(t, reel_bce_with_logits_loss(t, gan_discriminate(t, gan, made, y), ones), gan->generator);
    reel_optim_step(tr->g_adam);

    reel_var real = reel_bce_with_logits_loss(t, gan_discriminate(t, gan, x, y), ones);
    reel_var fake = reel_bce_with_logits_loss(t, gan_discriminate(t, gan, reel_detach(t, made), y), zeros);
    reel_zero_grad(gan->discriminator);
    reel_backward(t, reel_add(t, real, fake), gan->discriminator);
    reel_optim_step(tr->d_adam);
    reel_tape_reset(t);
}

static double microseconds(const struct training *tr, int steps, reel_profiler *p)
{
    struct timespec begin, end;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
    for (int i = 0; i < steps; i++) {
        step(tr);
        reel_profiler_step(p);
    }
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
    return (1e6 * (double)(end.tv_sec - begin.tv_sec) + 1e-3 * (double)(end.tv_nsec - begin.tv_nsec)) / steps;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* Of the quickest tenth the slowest: what a machine takes that does nothing else. */
static double undisturbed(double *values, int n)
{
    qsort(values, (size_t)n, sizeof *values, ascending);
    return values[n / 10];
}

static void measure(reel_context *c, const char *name, const struct gan_sizes *sizes, int steps, int rounds)
{
    static double plain[MOST_ROUNDS], profiled[MOST_ROUNDS], ratios[MOST_ROUNDS];
    struct training tr = {.tape = reel_tape_new(c), .gan = gan_new(c, sizes)};
    tr.g_adam = reel_adam_new(tr.gan.generator, NULL);
    tr.d_adam = reel_adam_new(tr.gan.discriminator, NULL);
    microseconds(&tr, steps, NULL);
    int64_t calls = (int64_t)reel_tape_stats(tr.tape).operations;
    for (int i = 0; i < rounds; i++) {
        /* Whichever comes second has the warmer machine: in turns. */
        for (int k = 0; k < 2; k++) {
            reel_profiler *p = k == i % 2 ? reel_profiler_new(c, NULL) : NULL;
            *(p ? &profiled[i] : &plain[i]) = microseconds(&tr, steps, p);
            reel_profiler_free(p);
        }
        ratios[i] = profiled[i] / plain[i];
    }
    double without = undisturbed(plain, rounds), with = undisturbed(profiled, rounds);
    qsort(ratios, (size_t)rounds, sizeof *ratios, ascending);
    printf("%-10s %10.1f us a step, %10.1f with the profiler; ratio %.3f (%d rounds of %d steps; %lld operations a "
           "step)\n",
           name, without, with, ratios[rounds / 2], rounds, steps, (long long)(calls / steps));
    reel_optim_free(tr.g_adam);
    reel_optim_free(tr.d_adam);
    reel_tape_free(tr.tape);
    gan_free(&tr.gan);
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 101;
    rounds = rounds < 1 ? 1 : rounds > MOST_ROUNDS ? MOST_ROUNDS : rounds;
    REEL_OPTIONS(context, o, o.num_threads = 1);
    reel_context *c = reel_context_new(&o);
    const struct gan_sizes notebook = gan_notebook_sizes();
    struct gan_sizes cgan = gan_image_sizes(1e-5, 0.4);
    cgan.data = 784;
    cgan.classes = 10;
    measure(c, "notebook", &notebook, 200, rounds);
    measure(c, "cgan", &cgan, 3, rounds);
    if (reel_context_status(c) != REEL_OK) {
        fprintf(stderr, "%s\n", reel_error(c));
        return 1;
    }
    reel_context_free(c);
    return 0;
}
