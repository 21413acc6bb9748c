/* What a linear layer does besides its product. */
#ifndef REEL_KERN_LINEAR_H
#define REEL_KERN_LINEAR_H

#include <reel/matmul.h>

/* y [rows, columns] = activation(y + bias). bias [columns], or NULL for none. */
void reel_kern_bias_activation(int64_t rows, int64_t columns, const reel_real *bias, reel_activation activation,
                               reel_real negative_slope, reel_real *y, int threads);

/* to [rows, columns] = g times the derivative of the activation that gave y [rows, columns]. Rows of g are g_stride
 * apart. */
struct reel_activation_grad {
    int64_t rows, columns;
    reel_activation activation;
    reel_real negative_slope;
    const reel_real *y, *g;
    int64_t g_stride;
};

void reel_kern_activation_grad(const struct reel_activation_grad *of, reel_real *to, int threads);

#endif
