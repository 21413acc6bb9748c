/* What the networks by hand do between two products, each in one pass over the output of the first (batch norm: three):
 * bias, normalization or dropout, and activation together; and the loss of the last. LeakyReLU has slope 0.2; arrays
 * are [rows, n]. */
#ifndef BENCH_FLOOR_PASSES_H
#define BENCH_FLOOR_PASSES_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* h = leaky(h + bias); row i with bias[labels[i]], one of several rows; with dropout 0.4 before the activation. Masks
 * are Philox's, n a multiple of 64. */
void floor_bias_leaky(int rows, int n, const float *bias, float *h);
void floor_label_bias_leaky(int rows, int n, const float *bias, const int64_t *labels, float *h);
void floor_bias_dropout_leaky(int rows, int n, const float *bias, uint64_t seed, uint64_t draw, float *h);

/* From h, any of the above, and its gradient dh: dh becomes the gradient of the product, and dbias (NULL: not
 * wanted) its sum over the rows. No mask was kept: a dropped h is 0. n is a multiple of 64. */
void floor_leaky_grad(int rows, int n, const float *h, bool dropout, float *dh, float *dbias);

/* Batch norm in training, eps 1e-5, momentum 0.1. The layer's bias moves nothing but the running mean. */
enum { FLOOR_NORM_WIDEST = 1024 };
struct floor_norm {
    const float *bias, *gamma, *beta;
    float *dgamma, *dbeta;
    float *normal;                                   /* [rows, n]: the product before, what was normalized after */
    float *inverse_std, *running_mean, *running_var; /* [n] */
};

/* h = leaky(batch_norm(product + bias)) for n up to 1024. */
void floor_norm_leaky(int rows, int n, const struct floor_norm *b, float *h);

/* dh becomes the gradient of the product. That of the bias is 0, since the mean takes the bias away. */
void floor_norm_leaky_grad(int rows, int n, const struct floor_norm *b, const float *h, float *dh);

/* y = tanh(y + bias), rows `stride` apart; and from y and its gradient dy [rows, n] that of the product and the bias.
 */
void floor_bias_tanh(int rows, int n, const float *bias, float *y, int stride);
void floor_tanh_grad(int rows, int n, const float *y, int stride, float *dy, float *dbias);

/* Mean of BCE with logits over n scores, a multiple of 16 up to 1000, and its gradient into dscores. */
float floor_bce(int n, const float *scores, const float *targets, float *dscores);

#ifdef __cplusplus
}
#endif

#endif
