#include "kern/linear.h"

#include "base/clones.h"
#include "kern/functions.h"
#include "kern/parallel.h"

#include <stddef.h>

/* `value` is an expression of x, the sum, and of slope; `gradient` one of g, of y, the value, and of slope. Signs of x
 * and y agree, so y tells on which side of a kink x was. */
#define ACTIVATION(name, value, gradient)                                                                              \
    REEL_CLONES                                                                                                        \
    static void name##_forward(int64_t rows, int64_t cols, const reel_real *restrict bias, reel_real slope,            \
                               reel_real *restrict ys)                                                                 \
    {                                                                                                                  \
        (void)slope;                                                                                                   \
        for (int64_t i = 0; i < rows; i++)                                                                             \
            for (int64_t j = 0; j < cols; j++) {                                                                       \
                const reel_real x = bias ? ys[i * cols + j] + bias[j] : ys[i * cols + j];                              \
                ys[i * cols + j] = value;                                                                              \
            }                                                                                                          \
    }                                                                                                                  \
    REEL_CLONES                                                                                                        \
    static void name##_backward(int64_t rows, int64_t cols, reel_real slope, const reel_real *restrict ys,             \
                                const reel_real *restrict gs, int64_t g_stride, reel_real *restrict to)                \
    {                                                                                                                  \
        (void)slope;                                                                                                   \
        for (int64_t i = 0; i < rows; i++)                                                                             \
            for (int64_t j = 0; j < cols; j++) {                                                                       \
                const reel_real y = ys[i * cols + j], g = gs[i * g_stride + j];                                        \
                (void)y;                                                                                               \
                to[i * cols + j] = gradient;                                                                           \
            }                                                                                                          \
    }

/* clang-format off */
ACTIVATION(none, x, g)
ACTIVATION(relu, x <= 0 ? 0 : x, y <= 0 ? 0 : g)
ACTIVATION(leaky_relu, x > 0 ? x : slope * x, y > 0 ? g : slope * g)
ACTIVATION(tanh, reel_math_tanh(x), g * (1 - y * y))
/* clang-format on */

static const struct {
    void (*forward)(int64_t rows, int64_t cols, const reel_real *bias, reel_real slope, reel_real *ys);
    void (*backward)(int64_t rows, int64_t cols, reel_real slope, const reel_real *ys, const reel_real *gs,
                     int64_t g_stride, reel_real *to);
} activations[] = {[REEL_ACTIVATION_NONE] = {none_forward, none_backward},
                   [REEL_ACTIVATION_RELU] = {relu_forward, relu_backward},
                   [REEL_ACTIVATION_LEAKY_RELU] = {leaky_relu_forward, leaky_relu_backward},
                   [REEL_ACTIVATION_TANH] = {tanh_forward, tanh_backward}};

/* Rows that make a block of REEL_BLOCK elements or so. */
static int64_t rows_at_a_time(int64_t cols)
{
    return cols < REEL_BLOCK ? REEL_BLOCK / (cols > 0 ? cols : 1) : 1;
}

void reel_kern_bias_activation(int64_t rows, int64_t cols, const reel_real *bias, reel_activation activation,
                               reel_real negative_slope, reel_real *y, int threads)
{
    if (!bias && activation == REEL_ACTIVATION_NONE)
        return;
    REEL_PARALLEL_FOR(i, end, rows, rows_at_a_time(cols), threads,
                      activations[activation].forward(end - i, cols, bias, negative_slope, y + i * cols));
}

void reel_kern_activation_grad(int64_t rows, int64_t cols, reel_activation activation, reel_real negative_slope,
                               const reel_real *y, const reel_real *g, int64_t g_stride, reel_real *to, int threads)
{
    REEL_PARALLEL_FOR(i, end, rows, rows_at_a_time(cols), threads,
                      activations[activation].backward(end - i, cols, negative_slope, y + i * cols, g + i * g_stride,
                                                       g_stride, to + i * cols));
}
