/* What a linear layer does to its product: bias and activation, and their gradients. */
#include "kern/linear.h"

#include "base/clones.h"
#include "kern/functions.h"
#include "kern/parallel.h"

#include <stddef.h>

/* `value` is an expression of x, the sum, and of slope; `gradient` one of g, of y, the value, and of slope. Signs of x
 * and y agree, so y tells on which side of a kink x was. */
#define FORWARD(name, value)                                                                                           \
    REEL_CLONES                                                                                                        \
    static void name##_forward(int64_t rows, int64_t columns, const reel_real *restrict bias, reel_real slope,         \
                               reel_real *restrict ys)                                                                 \
    {                                                                                                                  \
        (void)slope;                                                                                                   \
        for (int64_t i = 0; i < rows; i++)                                                                             \
            for (int64_t j = 0; j < columns; j++) {                                                                    \
                const reel_real x = ys[i * columns + j] + bias[j];                                                     \
                ys[i * columns + j] = value;                                                                           \
            }                                                                                                          \
    }
#define BACKWARD(name, gradient)                                                                                       \
    REEL_CLONES                                                                                                        \
    static void name##_backward(int64_t rows, int64_t columns, reel_real slope, const reel_real *restrict ys,          \
                                const reel_real *restrict gs, int64_t g_stride, reel_real *restrict to)                \
    {                                                                                                                  \
        (void)slope;                                                                                                   \
        for (int64_t i = 0; i < rows; i++)                                                                             \
            for (int64_t j = 0; j < columns; j++) {                                                                    \
                const reel_real y = ys[i * columns + j], g = gs[i * g_stride + j];                                     \
                (void)y;                                                                                               \
                to[i * columns + j] = gradient;                                                                        \
            }                                                                                                          \
    }

/* clang-format off */
FORWARD(none, x)
FORWARD(relu, x <= 0 ? 0 : x)
FORWARD(leaky_relu, x > 0 ? x : slope * x)
FORWARD(tanh, reel_math_tanh(x))
BACKWARD(relu, y <= 0 ? 0 : g)
BACKWARD(leaky_relu, y > 0 ? g : slope * g)
BACKWARD(tanh, g * (1 - y * y))
/* clang-format on */

typedef void forward_rows(int64_t rows, int64_t columns, const reel_real *bias, reel_real slope, reel_real *ys);
typedef void backward_rows(int64_t rows, int64_t columns, reel_real slope, const reel_real *ys, const reel_real *gs,
                           int64_t g_stride, reel_real *to);

static const struct {
    forward_rows *forward;
    backward_rows *backward;
} activations[] = {[REEL_ACTIVATION_NONE] = {none_forward, NULL},
                   [REEL_ACTIVATION_RELU] = {relu_forward, relu_backward},
                   [REEL_ACTIVATION_LEAKY_RELU] = {leaky_relu_forward, leaky_relu_backward},
                   [REEL_ACTIVATION_TANH] = {tanh_forward, tanh_backward}};

/* Rows that make a block of REEL_BLOCK elements or so. */
static int64_t rows_at_a_time(int64_t columns)
{
    return columns < REEL_BLOCK ? REEL_BLOCK / (columns > 0 ? columns : 1) : 1;
}

static void forward(forward_rows *f, int64_t rows, int64_t columns, const reel_real *bias, reel_real slope,
                    reel_real *y)
{
    enum { PIECE = 256 };
    static const reel_real zeros[PIECE];
    if (bias)
        f(rows, columns, bias, slope, y);
    for (int64_t i = 0; !bias && i < rows * columns; i += PIECE)
        f(1, rows * columns - i < PIECE ? rows * columns - i : PIECE, zeros, slope, y + i);
}

void reel_kern_bias_activation(int64_t rows, int64_t columns, const reel_real *bias, reel_activation activation,
                               reel_real negative_slope, reel_real *y, int threads)
{
    if (!bias && activation == REEL_ACTIVATION_NONE)
        return;
    REEL_PARALLEL_FOR(
        i, end, rows, rows_at_a_time(columns), threads,
        forward(activations[activation].forward, end - i, columns, bias, negative_slope, y + i * columns));
}

void reel_kern_activation_grad(const struct reel_activation_grad *of, reel_real *to, int threads)
{
    const struct reel_activation_grad r = *of;
    backward_rows *backward = activations[r.activation].backward;
    REEL_PARALLEL_FOR(i, end, r.rows, rows_at_a_time(r.columns), threads,
                      backward(end - i, r.columns, r.negative_slope, r.y + i * r.columns, r.g + i * r.g_stride,
                               r.g_stride, to + i * r.columns));
}
