/* Batch, layer and root mean square normalisation over raw arrays. */
#ifndef REEL_KERN_NORMALIZE_H
#define REEL_KERN_NORMALIZE_H

#include <reel/types.h>

/* x is [batch, channels, length]; statistics are over batch and length. Sums are blocked, so that they keep their
 * digits and their bits for any number of threads. */
struct reel_norm_sizes {
    int64_t batch, channels, length;
};

/* Batch normalisation. Statistics are [channels]; weight and bias too, or both NULL. */
struct reel_batch_norm {
    struct reel_norm_sizes sizes;
    const reel_real *x, *weight, *bias;
    double eps;
    reel_real *mean, *variance, *rstd;
};

/* mean[c] and variance[c] (biased) of each channel, rstd[c] = 1 / sqrt(variance + eps), and
 * y = (x - mean) rstd weight + bias. */
void reel_kern_batch_norm(const struct reel_batch_norm *norm, reel_real *y, int threads);

/* Its gradients: given those of y, [batch, channels, length], of mean and of variance, [channels], each of which may be
 * NULL, grad_weight[c] = sum grad xhat, grad_bias[c] = sum grad (both always written, but for grad NULL), and grad_x
 * (NULL: not wanted) written, or added to with add. Only x, weight, mean and rstd of the norm are read. */
struct reel_batch_norm_gradients {
    const reel_real *grad, *grad_mean, *grad_variance;
    reel_real *grad_weight, *grad_bias, *grad_x;
    bool add;
};
void reel_kern_batch_norm_backward(const struct reel_batch_norm *norm, const struct reel_batch_norm_gradients *g,
                                   int threads);

/* The same for each row of x [rows, columns]: statistics, [rows], are over the columns; weight and bias are [columns],
 * or NULL, and where there is a bias there is a weight. mean NULL: nothing is subtracted, and rstd is
 * 1 / sqrt(mean of squares + eps), which is RMS normalisation. */
struct reel_layer_norm {
    int64_t rows, columns;
    const reel_real *x, *weight, *bias;
    double eps;
    reel_real *mean, *rstd;
};

void reel_kern_layer_norm(const struct reel_layer_norm *norm, reel_real *y, int threads);

/* grad_x written, or added to with add. Reads the statistics. */
void reel_kern_layer_norm_backward(const struct reel_layer_norm *norm, const reel_real *grad, bool add,
                                   reel_real *grad_x, int threads);

/* grad_weight[j] = sum over rows of grad xhat, written or added to; blocked. */
void reel_kern_layer_norm_backward_weight(const struct reel_layer_norm *norm, const reel_real *grad, bool add,
                                          reel_real *grad_weight, int threads);

#endif
