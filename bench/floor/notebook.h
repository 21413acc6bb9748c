/* The notebook workload by hand: a step of the generator and one of the discriminator, without a tape. The work is that
 * of models/gan.c with gan_notebook_sizes, the discriminator's three passes included; real and invented samples go
 * through it as one batch in its own step.
 *
 * Labels are not joined to what goes in: the first layer adds W e + b to a sample's product, e its label's embedding,
 * which is one of ten rows. Backward it sums its gradient by label, and the rest is products of ten rows. */
#ifndef BENCH_FLOOR_NOTEBOOK_H
#define BENCH_FLOOR_NOTEBOOK_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    FLOOR_BATCH = 64,
    FLOOR_CLASSES = 10,
    FLOOR_DIM = 3,
    FLOOR_NOISE = 10,
    FLOOR_DATA = 32,
    FLOOR_HIDDEN = 64,
    FLOOR_LAYERS = 3
};

/* Params lie in one array in the order of the state_dict, gradients in another of the same layout. */
struct floor_network_arrays {
    float *all, *embedding, *weight[FLOOR_LAYERS], *bias[FLOOR_LAYERS]; /* weights are [in, out] */
    float *label_weight; /* the last rows of weight[0], for what the embedding gives */
};

/* One of the two networks: Embedding(10, 3), then three linear layers. */
struct floor_network {
    int data, width[FLOOR_LAYERS + 1]; /* of the input without the embedding; of the whole and of each layer's output */
    int count;                         /* numbers in params */
    float *memory;                     /* of all that follows */
    struct floor_network_arrays params, grads;
    float *first, *second; /* Adam's moments */
    int64_t steps;
};

struct floor_notebook {
    struct floor_network generator, discriminator;
    int64_t labels[2 * FLOOR_BATCH]; /* of the samples */
    float *samples;                  /* of the discriminator: [128, 32], real ones and then the generator's */
    float *made[2], *judged[2];      /* hidden layers of the two */
    float *dhidden[2], *dinvented;   /* gradients of two neighbouring layers, and of what was generated [64, 32] */
};

/* Params are 0 until the caller fills them. False when memory ran out; free it all the same. */
bool floor_notebook_new(struct floor_notebook *n);
void floor_notebook_free(struct floor_notebook *n);

/* LeakyReLU 0.2, BCE with logits, Adam(2e-4, 0.5, 0.999). x [64, 32], y [64], z [64, 10], wanted [64]. The losses go to
 * *g_loss and *d_loss. */
void floor_notebook_step(struct floor_notebook *n, const float *x, const int64_t *y, const float *z,
                         const int64_t *wanted, float *g_loss, float *d_loss);

#ifdef __cplusplus
}
#endif

#endif
