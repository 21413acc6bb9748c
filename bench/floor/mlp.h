/* The workloads mlp_small and mlp_big by hand: linear layers with ReLU between them and one score at the end. Weights
 * are [in, out]: a product of rows with columns is the fastest, and the first layer has no other way to use it. */
#ifndef BENCH_FLOOR_MLP_H
#define BENCH_FLOOR_MLP_H

#include "dense.h"

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { FLOOR_MLP_BATCH = 64, FLOOR_MLP_LAYERS = 4 };

struct floor_mlp {
    enum floor_calls calls;
    int layers, width[FLOOR_MLP_LAYERS + 1]; /* of the input, then of each layer's output; the last is 1 */
    int count;                               /* numbers in params */
    float *params, *grads, *squares;         /* of each layer weight [in, out] and bias [out]; RMSprop's mean squares */
    int at[FLOOR_MLP_LAYERS];                /* where a layer's params begin */
    float *hidden[FLOOR_MLP_LAYERS - 1];     /* outputs of the hidden layers, after ReLU */
    float *dhidden[2];                       /* gradients of two neighbouring ones */
};

/* 2 <= layers <= 4; hidden widths must be multiples of 64, width[layers] 1. Params are 0 until the caller fills them.
 * False when memory ran out; free it all the same. */
bool floor_mlp_new(struct floor_mlp *m, int layers, const int *width, enum floor_calls calls);
void floor_mlp_free(struct floor_mlp *m);

/* One step on x [64, width[0]] and targets y [64]: BCE with logits, RMSprop(1e-3). Gives the loss. */
float floor_mlp_step(struct floor_mlp *m, const float *x, const float *y);

#ifdef __cplusplus
}
#endif

#endif
