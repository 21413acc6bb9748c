/* Batch and layer normalisation over raw arrays. */
#ifndef REEL_KERN_NORMALIZE_H
#define REEL_KERN_NORMALIZE_H

#include <reel/types.h>

/* x is [batch, channels, length]; statistics are over batch and length. Sums are blocked, so that they keep their
 * digits and their bits for any number of threads. */
struct reel_norm_sizes {
    int64_t batch, channels, length;
};

/* mean[c] and variance[c] (biased) of each channel, rstd[c] = 1 / sqrt(variance + eps), and
 * y = (x - mean) rstd weight + bias; weight and bias [channels] or both NULL. */
void reel_kern_batch_norm(struct reel_norm_sizes s, const reel_real *x, const reel_real *weight, const reel_real *bias,
                          double eps, reel_real *mean, reel_real *variance, reel_real *rstd, reel_real *y, int threads);

/* The gradients of reel_kern_batch_norm for those of y, [batch, channels, length], of mean and of variance, [channels],
 * each of which may be NULL: grad_weight[c] = sum grad xhat, grad_bias[c] = sum grad (both always written, but for grad
 * NULL), and grad_x (NULL: not wanted) written, or added to with add. */
void reel_kern_batch_norm_backward(struct reel_norm_sizes s, const reel_real *x, const reel_real *grad,
                                   const reel_real *weight, const reel_real *mean, const reel_real *rstd,
                                   const reel_real *grad_mean, const reel_real *grad_variance, reel_real *grad_weight,
                                   reel_real *grad_bias, bool add, reel_real *grad_x, int threads);

/* The same for each row of x [rows, columns]: statistics over the columns, weight and bias [columns] or NULL; mean and
 * rstd [rows]. */
void reel_kern_layer_norm(int64_t rows, int64_t columns, const reel_real *x, const reel_real *weight,
                          const reel_real *bias, double eps, reel_real *mean, reel_real *rstd, reel_real *y,
                          int threads);

/* grad_x (NULL: not wanted) written, or added to with add. */
void reel_kern_layer_norm_backward(int64_t rows, int64_t columns, const reel_real *x, const reel_real *grad,
                                   const reel_real *weight, const reel_real *mean, const reel_real *rstd, bool add,
                                   reel_real *grad_x, int threads);

/* grad_weight[j] = sum over rows of grad xhat, written or added to; blocked. */
void reel_kern_layer_norm_backward_weight(int64_t rows, int64_t columns, const reel_real *x, const reel_real *grad,
                                          const reel_real *mean, const reel_real *rstd, bool add,
                                          reel_real *grad_weight, int threads);

#endif
