/* The notebook workload by hand: what a C programmer would write over the same BLAS, without a tape. */
#ifndef BENCH_FLOOR_NOTEBOOK_H
#define BENCH_FLOOR_NOTEBOOK_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { FLOOR_BATCH = 64, FLOOR_CLASSES = 10, FLOOR_DIM = 3, FLOOR_NOISE = 10, FLOOR_DATA = 32, FLOOR_HIDDEN = 64 };

/* One of the two networks: Embedding(10, 3), then three linear layers. Params lie in one array in the order of the
 * state_dict, gradients and Adam's moments in others of the same layout. */
struct floor_network {
    int in[3], out[3];
    float *params, *grads, *first, *second;
    float *embedding, *weight[3], *bias[3];
    float *embedding_grad, *weight_grad[3], *bias_grad[3];
    int count;
    int64_t steps;
};

struct floor_notebook {
    struct floor_network generator, discriminator;
};

/* NULL pointers inside when memory ran out. */
struct floor_notebook floor_notebook_new(void);
void floor_notebook_free(struct floor_notebook *n);

/* Generator step, then discriminator step: LeakyReLU 0.2, BCE with logits, Adam(2e-4, 0.5, 0.999).
 * x [64, 32], y [64], z [64, 10], wanted [64]. The losses go to *g_loss and *d_loss. */
void floor_notebook_step(struct floor_notebook *n, const float *x, const int64_t *y, const float *z,
                         const int64_t *wanted, float *g_loss, float *d_loss);

#ifdef __cplusplus
}
#endif

#endif
