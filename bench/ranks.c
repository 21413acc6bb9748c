/* What training by several ranks costs: a step of a workload in plain reel, which accumulates the gradients of some
 * batches, and over as many logical shards. Prints the median of steps, and samples a second.
 *
 *     ranks cgan|mlp_big plain BATCHES STEPS
 *     mpirun -n RANKS ranks cgan|mlp_big shards SHARDS STEPS */
#include "gan.h"

#include <reel/mpi.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 64, LAYERS = 4, INPUTS = 794, PIXELS = 784, CLASSES = 10, MOST_STEPS = 10000 };

struct workload {
    reel_context *c;
    reel_tape *t;
    reel_mpi *mpi; /* NULL: plain */
    int batches;   /* in plain reel */
    bool is_gan;
    struct gan gan;
    reel_params *params;
    reel_module *layers[LAYERS];
    reel_optim *optims[2]; /* of the set, or of discriminator and generator */
    float x[BATCH * INPUTS], y[BATCH];
    int64_t labels[BATCH];
};

static void die(reel_context *c)
{
    fprintf(stderr, "ranks: %s\n", reel_error(c));
    int is_running = 0;
    MPI_Initialized(&is_running);
    if (is_running)
        MPI_Abort(MPI_COMM_WORLD, 1);
    exit(1);
}

/* ---- Losses ---- */

static reel_var classifier_loss(struct workload *w)
{
    reel_var h = reel_borrow(w->t, w->x, REEL_SHAPE(BATCH, INPUTS));
    for (int i = 0; i < LAYERS; i++)
        h = reel_forward(w->t, w->layers[i], h);
    return reel_bce_with_logits_loss(w->t, h, reel_borrow(w->t, w->y, REEL_SHAPE(BATCH, 1)));
}

static reel_var generated(struct workload *w, reel_var labels)
{
    reel_var noise = reel_randn(w->t, REEL_SHAPE(BATCH, w->gan.sizes.noise));
    return gan_generate(w->t, &w->gan, noise, labels);
}

static reel_var discriminator_loss(struct workload *w)
{
    reel_var labels = reel_borrow_of(w->t, REEL_INT64, w->labels, REEL_SHAPE(BATCH));
    reel_var real = reel_borrow(w->t, w->x, REEL_SHAPE(BATCH, PIXELS));
    reel_var fake = reel_detach(w->t, generated(w, labels));
    reel_var scores = gan_discriminate(w->t, &w->gan, real, labels);
    reel_var right = reel_bce_with_logits_loss(w->t, scores, reel_ones(w->t, REEL_SHAPE(BATCH, 1)));
    scores = gan_discriminate(w->t, &w->gan, fake, labels);
    return reel_add(w->t, right, reel_bce_with_logits_loss(w->t, scores, reel_zeros(w->t, REEL_SHAPE(BATCH, 1))));
}

static reel_var generator_loss(struct workload *w)
{
    reel_var labels = reel_borrow_of(w->t, REEL_INT64, w->labels, REEL_SHAPE(BATCH));
    reel_var scores = gan_discriminate(w->t, &w->gan, generated(w, labels), labels);
    return reel_bce_with_logits_loss(w->t, scores, reel_ones(w->t, REEL_SHAPE(BATCH, 1)));
}

/* ---- A step ---- */

/* Gradients of a loss over all batches or shards, and a step of the optimizer. */
static void descend(struct workload *w, reel_var (*loss)(struct workload *), reel_params *params, reel_optim *optim)
{
    if (w->mpi) {
        while (reel_mpi_next_shard(w->mpi) >= 0) {
            reel_zero_grad(params);
            reel_backward(w->t, loss(w), params);
            reel_mpi_collect(w->mpi, params, BATCH);
            reel_tape_reset(w->t);
        }
        reel_mpi_reduce(w->mpi, params);
    } else {
        reel_zero_grad(params);
        for (int i = 0; i < w->batches; i++) {
            reel_backward(w->t, loss(w), params);
            if (reel_tape_reset(w->t) != REEL_OK)
                die(w->c);
        }
    }
    if (reel_optim_step(optim) != REEL_OK)
        die(w->c);
}

static void step(struct workload *w)
{
    if (w->mpi && !reel_mpi_begin(w->mpi, true))
        die(w->c);
    if (w->is_gan) {
        descend(w, discriminator_loss, w->gan.discriminator, w->optims[0]);
        descend(w, generator_loss, w->gan.generator, w->optims[1]);
    } else {
        descend(w, classifier_loss, w->params, w->optims[0]);
    }
}

/* ---- Measuring ---- */

static void make(struct workload *w, bool is_gan)
{
    static const int64_t widths[LAYERS + 1] = {INPUTS, 512, 512, 512, 1};
    REEL_OPTIONS(context, o, o.num_threads = 1);
    w->c = reel_context_new(&o);
    w->t = reel_tape_new(w->c);
    w->is_gan = is_gan;
    for (int i = 0; i < BATCH * INPUTS; i++)
        w->x[i] = (float)(i * 7919 % 1000) / 500 - 1;
    for (int i = 0; i < BATCH; i++) {
        w->y[i] = (float)(i % 2);
        w->labels[i] = i % CLASSES;
    }
    if (is_gan) {
        struct gan_sizes sizes = gan_image_sizes(1e-5, 0.4);
        REEL_OPTIONS(adam, a, a.lr = 2e-4, a.beta1 = 0.5);
        w->gan = gan_new(w->c, &sizes);
        w->optims[0] = reel_adam_new(w->gan.discriminator, &a);
        w->optims[1] = reel_adam_new(w->gan.generator, &a);
    } else {
        w->params = reel_params_new(w->c);
        for (int i = 0; i < LAYERS; i++) {
            char name[2] = {(char)('0' + i), 0};
            REEL_OPTIONS(linear, l, l.activation = i + 1 < LAYERS ? REEL_ACTIVATION_RELU : REEL_ACTIVATION_NONE);
            w->layers[i] = reel_linear_new(w->params, name, widths[i], widths[i + 1], &l);
        }
        REEL_OPTIONS(rmsprop, r, r.lr = 1e-3);
        w->optims[0] = reel_rmsprop_new(w->params, &r);
    }
    if (reel_context_status(w->c) != REEL_OK)
        die(w->c);
}

static int compare(const void *a, const void *b)
{
    return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b);
}

int main(int argc, char **argv)
{
    static struct workload w;
    static double seconds[MOST_STEPS];
    int steps = argc == 5 ? atoi(argv[4]) : 0;
    if (steps < 1 || steps > MOST_STEPS || atoi(argv[3]) < 1) {
        fprintf(stderr, "ranks cgan|mlp_big plain|shards COUNT STEPS\n");
        return 2;
    }
    MPI_Init(&argc, &argv);
    make(&w, strcmp(argv[1], "cgan") == 0);
    w.batches = atoi(argv[3]);
    if (strcmp(argv[2], "shards") == 0) {
        REEL_OPTIONS(mpi, o, o.shards = w.batches);
        w.mpi = reel_mpi_new(w.c, MPI_COMM_WORLD, &o);
        if (!w.mpi)
            die(w.c);
    }
    for (int i = 0; i < 5 + steps; i++) {
        double start = MPI_Wtime();
        step(&w);
        if (i >= 5)
            seconds[i - 5] = MPI_Wtime() - start;
    }
    qsort(seconds, (size_t)steps, sizeof seconds[0], compare);
    double median = seconds[steps / 2];
    reel_mpi_statistics s = reel_mpi_stats(w.mpi);
    if (reel_mpi_rank(w.mpi) <= 0)
        printf("%s %s %s, %d ranks: %.3f ms a step (fastest %.3f), %.0f samples a second, %.2f s of waiting, %.1f MB "
               "sent\n",
               argv[1], argv[2], argv[3], w.mpi ? reel_mpi_ranks(w.mpi) : 1, 1e3 * median, 1e3 * seconds[0],
               w.batches * BATCH / median, s.waiting, (double)s.bytes_sent / 1e6);
    reel_mpi_free(w.mpi);
    reel_optim_free(w.optims[0]);
    reel_optim_free(w.optims[1]);
    if (w.is_gan)
        gan_free(&w.gan);
    reel_params_free(w.params);
    reel_tape_free(w.t);
    reel_context_free(w.c);
    MPI_Finalize();
    return 0;
}
