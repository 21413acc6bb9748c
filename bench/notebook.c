/* The notebook step in reel and by hand, alternating in one run: medians and their ratio. */
#include "floor/notebook.h"
#include "gan.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUNDS = 41, STEPS = 200, CHECKED_STEPS = 20 };

struct batch {
    float x[FLOOR_BATCH * FLOOR_DATA], z[FLOOR_BATCH * FLOOR_NOISE];
    int64_t y[FLOOR_BATCH], wanted[FLOOR_BATCH];
};

struct side {
    reel_context *context;
    reel_tape *tape;
    struct gan gan;
    reel_optim *g_adam, *d_adam;
    reel_real ones[FLOOR_BATCH], zeros[FLOOR_BATCH];
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void reel_step(struct side *s, const struct batch *b, float *g_loss, float *d_loss)
{
    reel_tape *t = s->tape;
    reel_var x = reel_borrow(t, b->x, REEL_SHAPE(FLOOR_BATCH, FLOOR_DATA));
    reel_var y = reel_borrow_of(t, REEL_INT64, b->y, REEL_SHAPE(FLOOR_BATCH));
    reel_var z = reel_borrow(t, b->z, REEL_SHAPE(FLOOR_BATCH, FLOOR_NOISE));
    reel_var wanted = reel_borrow_of(t, REEL_INT64, b->wanted, REEL_SHAPE(FLOOR_BATCH));
    reel_var ones = reel_borrow(t, s->ones, REEL_SHAPE(FLOOR_BATCH, 1));
    reel_var zeros = reel_borrow(t, s->zeros, REEL_SHAPE(FLOOR_BATCH, 1));

    reel_var fake = gan_generate(t, &s->gan, z, wanted);
    reel_var loss = reel_bce_with_logits_loss(t, gan_discriminate(t, &s->gan, fake, wanted), ones);
    reel_zero_grad(s->gan.generator);
    if (reel_backward(t, loss, s->gan.generator) == REEL_OK)
        reel_optim_step(s->g_adam);
    *g_loss = (float)reel_item(t, loss);

    reel_var real = reel_bce_with_logits_loss(t, gan_discriminate(t, &s->gan, x, y), ones);
    reel_var invented = reel_bce_with_logits_loss(t, gan_discriminate(t, &s->gan, reel_detach(t, fake), wanted), zeros);
    loss = reel_mul_scalar(t, reel_add(t, real, invented), 0.5);
    reel_zero_grad(s->gan.discriminator);
    if (reel_backward(t, loss, s->gan.discriminator) == REEL_OK)
        reel_optim_step(s->d_adam);
    *d_loss = (float)reel_item(t, loss);
    if (reel_context_status(s->context) != REEL_OK) {
        fprintf(stderr, "notebook: %s\n", reel_error(s->context));
        exit(1);
    }
    reel_tape_reset(t);
}

static void side_new(struct side *s)
{
    reel_context_options o = reel_context_defaults();
    o.num_threads = 1;
    s->context = reel_context_new(&o);
    s->tape = reel_tape_new(s->context);
    struct gan_sizes sizes = gan_notebook_sizes();
    s->gan = gan_new(s->context, &sizes);
    reel_adam_options adam = reel_adam_defaults();
    adam.lr = 2e-4;
    adam.beta1 = 0.5;
    s->g_adam = reel_adam_new(s->gan.generator, &adam);
    s->d_adam = reel_adam_new(s->gan.discriminator, &adam);
    for (int i = 0; i < FLOOR_BATCH; i++) {
        s->ones[i] = 1;
        s->zeros[i] = 0;
    }
}

/* The same initial values on both sides: param sets keep the order of the state_dict, and so does the floor. */
static void copy_params(const reel_params *from, struct floor_network *to)
{
    float *at = to->params;
    for (int i = 0; i < reel_params_count(from); i++) {
        const reel_param *p = reel_params_at(from, i);
        size_t numel = (size_t)reel_shape_numel(reel_param_shape(p));
        memcpy(at, reel_param_data(p), numel * sizeof *at);
        at += numel;
    }
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values)
{
    qsort(values, ROUNDS, sizeof *values, compare);
    return values[ROUNDS / 2];
}

int main(void)
{
    static struct side s;
    static struct batch batch;
    side_new(&s);
    struct floor_notebook by_hand = floor_notebook_new();
    if (reel_context_status(s.context) != REEL_OK || !by_hand.generator.params || !by_hand.discriminator.params) {
        fprintf(stderr, "notebook: %s\n", s.context ? reel_error(s.context) : "out of memory");
        return 1;
    }
    copy_params(s.gan.generator, &by_hand.generator);
    copy_params(s.gan.discriminator, &by_hand.discriminator);
    reel_tape *t = s.tape;
    reel_var x = reel_tanh(t, reel_randn(t, REEL_SHAPE(FLOOR_BATCH, FLOOR_DATA)));
    memcpy(batch.x, reel_data_real(t, x), sizeof batch.x);
    memcpy(batch.z, reel_data_real(t, reel_randn(t, REEL_SHAPE(FLOOR_BATCH, FLOOR_NOISE))), sizeof batch.z);
    memcpy(batch.y, reel_data_int64(t, reel_randint(t, 0, 10, REEL_SHAPE(FLOOR_BATCH))), sizeof batch.y);
    memcpy(batch.wanted, reel_data_int64(t, reel_randint(t, 0, 10, REEL_SHAPE(FLOOR_BATCH))), sizeof batch.wanted);
    reel_tape_reset(t);

    float g1, d1, g2, d2;
    for (int i = 0; i < CHECKED_STEPS; i++) {
        reel_step(&s, &batch, &g1, &d1);
        floor_notebook_step(&by_hand, batch.x, batch.y, batch.z, batch.wanted, &g2, &d2);
        if (fabsf(g1 - g2) > 1e-4f * g2 || fabsf(d1 - d2) > 1e-4f * d2) {
            fprintf(stderr, "notebook: step %d: losses differ: %g and %g, by hand %g and %g\n", i, (double)g1,
                    (double)d1, (double)g2, (double)d2);
            return 1;
        }
    }
    static double reel_times[ROUNDS], hand_times[ROUNDS];
    for (int r = 0; r < ROUNDS; r++) {
        double start = now();
        for (int i = 0; i < STEPS; i++)
            reel_step(&s, &batch, &g1, &d1);
        double middle = now();
        for (int i = 0; i < STEPS; i++)
            floor_notebook_step(&by_hand, batch.x, batch.y, batch.z, batch.wanted, &g2, &d2);
        reel_times[r] = (middle - start) / STEPS * 1e6;
        hand_times[r] = (now() - middle) / STEPS * 1e6;
    }
    double reel_median = median(reel_times), hand_median = median(hand_times);
    printf("notebook step, one thread, median of %d rounds of %d: reel %.1f us, by hand %.1f us, ratio %.2f\n", ROUNDS,
           STEPS, reel_median, hand_median, reel_median / hand_median);
    reel_optim_free(s.g_adam);
    reel_optim_free(s.d_adam);
    reel_tape_free(s.tape);
    gan_free(&s.gan);
    reel_context_free(s.context);
    floor_notebook_free(&by_hand);
    return 0;
}
