#include "kern/optim.h"

#include "base/clones.h"
#include "kern/parallel.h"
#include "kern/real.h"

#include <omp.h>
#include <stddef.h>

/* Each algorithm is written once; its options are constants in the loops below, so that none is tested per element. */
#define INLINED static inline __attribute__((always_inline))

INLINED reel_real gradient(const struct reel_update *u, bool decay, reel_real grad, reel_real param)
{
    reel_real g = u->sign * grad;
    return decay ? g + u->weight_decay * param : g;
}

/* The half of [0, 1] that the weight is in decides from which end torch.lerp starts: the result is exactly `to` at
 * weight 1. */
INLINED reel_real lerp(reel_real from, reel_real to, reel_real weight)
{
    reel_real distance = to - from;
    return weight < (reel_real)0.5 ? from + weight * distance : to + (weight - 1) * distance;
}

/* Moments decay by a factor a step, and those of an element without a gradient would end as subnormal numbers, which
 * cost ten times as much to compute with and never become 0. So a moment is 0 below a bound, here in the formula, where
 * whole params, rows and steps that are made up for share it. NaN stays.
 *
 * SMALLEST_MEAN leaves room for the product with a learning rate. A mean is also squared where the second moment is
 * centred: SMALLEST_CENTER. The bound of second moments depends on eps: reel_update_smallest_square. */
#ifdef REEL_F64
#define SMALLEST_MEAN 0x1p-996
#define SMALLEST_CENTER 0x1p-511
#else
#define SMALLEST_MEAN 0x1p-100F
#define SMALLEST_CENTER 0x1p-63F
#endif

INLINED reel_real flushed(reel_real moment, reel_real smallest)
{
    return REEL_ABS(moment) < smallest ? 0 : moment;
}

reel_real reel_update_smallest_square(double eps)
{
    double root = eps * 0x1p-13, square = root * root;
    return square < (double)REEL_REAL_MIN ? (reel_real)square : REEL_REAL_MIN;
}

/* ---- SGD ---- */

INLINED void sgd(const struct reel_update *u, int64_t n, reel_real *restrict p, const reel_real *restrict grad,
                 reel_real *restrict buffer, bool decay, bool momentum, bool nesterov)
{
    const reel_real minus_lr = u->of.sgd.minus_lr, factor = u->of.sgd.momentum, rest = u->of.sgd.one_minus_dampening;
    for (int64_t i = 0; i < n; i++) {
        reel_real g = gradient(u, decay, grad[i], p[i]);
        if (momentum) {
            reel_real b = flushed(buffer[i] * factor + rest * g, SMALLEST_MEAN);
            buffer[i] = b;
            g = nesterov ? g + factor * b : b;
        }
        p[i] += minus_lr * g;
    }
}

#define SGD(name, decay, momentum, nesterov)                                                                           \
    REEL_CLONES                                                                                                        \
    static void name(const struct reel_update *u, int64_t n, reel_real *p, const reel_real *grad, reel_real *buffer)   \
    {                                                                                                                  \
        sgd(u, n, p, grad, buffer, decay, momentum, nesterov);                                                         \
    }
SGD(sgd_plain, false, false, false)
SGD(sgd_momentum, false, true, false)
SGD(sgd_nesterov, false, true, true)
SGD(sgd_decay, true, false, false)
SGD(sgd_decay_momentum, true, true, false)
SGD(sgd_decay_nesterov, true, true, true)

void reel_kern_update_sgd(const struct reel_update *u, int64_t n, reel_real *p, const reel_real *grad,
                          reel_real *const *state)
{
    if (!u->of.sgd.has_momentum)
        (u->decay ? sgd_decay : sgd_plain)(u, n, p, grad, NULL);
    else if (u->of.sgd.nesterov)
        (u->decay ? sgd_decay_nesterov : sgd_nesterov)(u, n, p, grad, state[0]);
    else
        (u->decay ? sgd_decay_momentum : sgd_momentum)(u, n, p, grad, state[0]);
}

/* ---- Adam and AdamW ---- */

INLINED void adam(const struct reel_update *u, int64_t n, reel_real *restrict p, const reel_real *restrict grad,
                  reel_real *restrict mean, reel_real *restrict square, reel_real *restrict largest, bool decay,
                  bool amsgrad)
{
    const reel_real minus_step_size = u->of.adam.minus_step_size, weight = u->of.adam.one_minus_beta1;
    const reel_real beta2 = u->of.adam.beta2, one_minus_beta2 = u->of.adam.one_minus_beta2;
    const reel_real root_correction = u->of.adam.root_correction2, eps = u->of.adam.eps, shrink = u->of.adam.shrink;
    const reel_real smallest_square = u->smallest_square;
    for (int64_t i = 0; i < n; i++) {
        reel_real g = gradient(u, decay, grad[i], p[i]);
        reel_real m = flushed(lerp(mean[i], g, weight), SMALLEST_MEAN);
        reel_real v = flushed(square[i] * beta2 + one_minus_beta2 * g * g, smallest_square);
        mean[i] = m;
        square[i] = v;
        if (amsgrad) {
            /* The second comparison is for NaN, which has to stay. */
            v = largest[i] < v || v != v ? v : largest[i];
            largest[i] = v;
        }
        reel_real denominator = REEL_SQRT(v) / root_correction + eps;
        p[i] = p[i] * shrink + minus_step_size * m / denominator;
    }
}

#define ADAM(name, decay, amsgrad)                                                                                     \
    REEL_CLONES                                                                                                        \
    static void name(const struct reel_update *u, int64_t n, reel_real *p, const reel_real *grad, reel_real *mean,     \
                     reel_real *square, reel_real *largest)                                                            \
    {                                                                                                                  \
        adam(u, n, p, grad, mean, square, largest, decay, amsgrad);                                                    \
    }
ADAM(adam_plain, false, false)
ADAM(adam_amsgrad, false, true)
ADAM(adam_decay, true, false)
ADAM(adam_decay_amsgrad, true, true)

void reel_kern_update_adam(const struct reel_update *u, int64_t n, reel_real *p, const reel_real *grad,
                           reel_real *const *state)
{
    if (u->of.adam.amsgrad)
        (u->decay ? adam_decay_amsgrad : adam_amsgrad)(u, n, p, grad, state[0], state[1], state[2]);
    else
        (u->decay ? adam_decay : adam_plain)(u, n, p, grad, state[0], state[1], NULL);
}

/* ---- RMSprop ---- */

INLINED void rmsprop(const struct reel_update *u, int64_t n, reel_real *restrict p, const reel_real *restrict grad,
                     reel_real *restrict square, reel_real *restrict mean, reel_real *restrict buffer, bool decay,
                     bool centered, bool momentum)
{
    const reel_real minus_lr = u->of.rmsprop.minus_lr, alpha = u->of.rmsprop.alpha, eps = u->of.rmsprop.eps;
    const reel_real one_minus_alpha = u->of.rmsprop.one_minus_alpha, factor = u->of.rmsprop.momentum;
    const reel_real smallest_square = u->smallest_square;
    for (int64_t i = 0; i < n; i++) {
        reel_real g = gradient(u, decay, grad[i], p[i]);
        reel_real v = flushed(square[i] * alpha + one_minus_alpha * g * g, smallest_square);
        square[i] = v;
        if (centered) {
            reel_real m = flushed(lerp(mean[i], g, one_minus_alpha), SMALLEST_CENTER);
            mean[i] = m;
            v = v - m * m;
        }
        reel_real denominator = REEL_SQRT(v) + eps;
        if (momentum) {
            reel_real b = flushed(buffer[i] * factor + g / denominator, SMALLEST_MEAN);
            buffer[i] = b;
            p[i] += minus_lr * b;
        } else {
            p[i] += minus_lr * g / denominator;
        }
    }
}

#define RMSPROP(name, decay, centered, momentum)                                                                       \
    REEL_CLONES                                                                                                        \
    static void name(const struct reel_update *u, int64_t n, reel_real *p, const reel_real *grad, reel_real *square,   \
                     reel_real *mean, reel_real *buffer)                                                               \
    {                                                                                                                  \
        rmsprop(u, n, p, grad, square, mean, buffer, decay, centered, momentum);                                       \
    }
RMSPROP(rmsprop_plain, false, false, false)
RMSPROP(rmsprop_momentum, false, false, true)
RMSPROP(rmsprop_centered, false, true, false)
RMSPROP(rmsprop_centered_momentum, false, true, true)
RMSPROP(rmsprop_decay, true, false, false)
RMSPROP(rmsprop_decay_momentum, true, false, true)
RMSPROP(rmsprop_decay_centered, true, true, false)
RMSPROP(rmsprop_decay_centered_momentum, true, true, true)

void reel_kern_update_rmsprop(const struct reel_update *u, int64_t n, reel_real *p, const reel_real *grad,
                              reel_real *const *state)
{
    if (u->of.rmsprop.centered && u->of.rmsprop.has_momentum)
        (u->decay ? rmsprop_decay_centered_momentum : rmsprop_centered_momentum)(u, n, p, grad, state[0], state[1],
                                                                                 state[2]);
    else if (u->of.rmsprop.centered)
        (u->decay ? rmsprop_decay_centered : rmsprop_centered)(u, n, p, grad, state[0], state[1], NULL);
    else if (u->of.rmsprop.has_momentum)
        (u->decay ? rmsprop_decay_momentum : rmsprop_momentum)(u, n, p, grad, state[0], NULL, state[2]);
    else
        (u->decay ? rmsprop_decay : rmsprop_plain)(u, n, p, grad, state[0], NULL, NULL);
}

/* ---- Adagrad ---- */

INLINED void adagrad(const struct reel_update *u, int64_t n, reel_real *restrict p, const reel_real *restrict grad,
                     reel_real *restrict sum, bool decay)
{
    const reel_real minus_lr = u->of.adagrad.minus_lr, initial = u->of.adagrad.initial, eps = u->of.adagrad.eps;
    for (int64_t i = 0; i < n; i++) {
        reel_real g = gradient(u, decay, grad[i], p[i]);
        reel_real s = (sum[i] == 0 ? initial : sum[i]) + g * g;
        sum[i] = s;
        p[i] += minus_lr * g / (REEL_SQRT(s) + eps);
    }
}

#define ADAGRAD(name, decay)                                                                                           \
    REEL_CLONES                                                                                                        \
    static void name(const struct reel_update *u, int64_t n, reel_real *p, const reel_real *grad, reel_real *sum)      \
    {                                                                                                                  \
        adagrad(u, n, p, grad, sum, decay);                                                                            \
    }
ADAGRAD(adagrad_plain, false)
ADAGRAD(adagrad_decay, true)

void reel_kern_update_adagrad(const struct reel_update *u, int64_t n, reel_real *p, const reel_real *grad,
                              reel_real *const *state)
{
    (u->decay ? adagrad_decay : adagrad_plain)(u, n, p, grad, state[0]);
}

/* ---- Row-wise Adagrad ---- */

/* Summed in lanes, whose number is part of the result. */
INLINED reel_real mean_square(const struct reel_update *u, int64_t n, const reel_real *restrict p,
                              const reel_real *restrict grad, bool decay)
{
    enum { LANES = 16 };
    reel_real lanes[LANES] = {0};
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
#pragma GCC unroll 16
        for (int j = 0; j < LANES; j++) {
            reel_real g = gradient(u, decay, grad[i + j], p[i + j]);
            lanes[j] += g * g;
        }
    for (int j = 0; i < n; i++, j++) {
        reel_real g = gradient(u, decay, grad[i], p[i]);
        lanes[j] += g * g;
    }
    for (int width = LANES / 2; width > 0; width /= 2)
        for (int j = 0; j < width; j++)
            lanes[j] += lanes[j + width];
    return lanes[0] / (reel_real)n;
}

INLINED void rowwise_adagrad(const struct reel_update *u, int64_t n, reel_real *restrict p,
                             const reel_real *restrict grad, reel_real *restrict sum, bool decay)
{
    if (n == 0)
        return;
    reel_real s = (*sum == 0 ? u->of.adagrad.initial : *sum) + mean_square(u, n, p, grad, decay);
    reel_real factor = u->of.adagrad.minus_lr / (REEL_SQRT(s) + u->of.adagrad.eps);
    *sum = s;
    for (int64_t i = 0; i < n; i++)
        p[i] += factor * gradient(u, decay, grad[i], p[i]);
}

#define ROWWISE_ADAGRAD(name, decay)                                                                                   \
    REEL_CLONES                                                                                                        \
    static void name(const struct reel_update *u, int64_t n, reel_real *p, const reel_real *grad, reel_real *sum)      \
    {                                                                                                                  \
        rowwise_adagrad(u, n, p, grad, sum, decay);                                                                    \
    }
ROWWISE_ADAGRAD(rowwise_adagrad_plain, false)
ROWWISE_ADAGRAD(rowwise_adagrad_decay, true)

void reel_kern_update_rowwise_adagrad(const struct reel_update *u, int64_t n, reel_real *p, const reel_real *grad,
                                      reel_real *const *state)
{
    (u->decay ? rowwise_adagrad_decay : rowwise_adagrad_plain)(u, n, p, grad, state[0]);
}

/* ---- Whole params, and rows ---- */

static void update_from(const struct reel_update *u, int64_t first, int64_t n, reel_real *param, const reel_real *grad,
                        reel_real *const *state)
{
    reel_real *there[REEL_UPDATE_STATES];
    for (int k = 0; k < REEL_UPDATE_STATES; k++)
        there[k] = state[k] ? state[k] + first : NULL;
    u->loop(u, n, param + first, grad, there);
}

void reel_kern_update_row(const struct reel_update *u, int64_t columns, int64_t row, reel_real *param,
                          const reel_real *grad, reel_real *const *state)
{
    if (!u->row_state) {
        update_from(u, row * columns, columns, param, grad, state);
        return;
    }
    reel_real *there[REEL_UPDATE_STATES];
    for (int k = 0; k < REEL_UPDATE_STATES; k++)
        there[k] = state[k] ? state[k] + row : NULL;
    u->loop(u, columns, param + row * columns, grad, there);
}

static void update_rows_between(const struct reel_update *u, int64_t first, int64_t last, int64_t columns,
                                reel_real *param, const reel_real *grad, reel_real *const *state)
{
    for (int64_t row = first; row < last; row++)
        reel_kern_update_row(u, columns, row, param, grad + row * columns, state);
}

void reel_kern_update_dense(const struct reel_update *u, int64_t rows, int64_t columns, reel_real *param,
                            const reel_real *grad, reel_real *const *state, int threads)
{
    if (u->row_state) {
        int64_t step = columns < REEL_BLOCK ? REEL_BLOCK / (columns + 1) : 1;
        REEL_PARALLEL_FOR(first, last, rows, step, threads,
                          update_rows_between(u, first, last, columns, param, grad, state));
        return;
    }
    REEL_PARALLEL_FOR(first, last, rows * columns, REEL_BLOCK, threads,
                      update_from(u, first, last - first, param, grad + first, state));
}

/* The rows of a large table are far apart: the next one is on its way while this one is computed. */
static void prefetch_row(const struct reel_update *update, const struct reel_gradient_rows *rows, int64_t g,
                         const reel_real *param, reel_real *const *state)
{
    enum { LINE = 64 / sizeof(reel_real), LINES = 8 };
    int64_t row = reel_gradient_row(rows, g), from = row * rows->columns;
    int64_t n = rows->columns < LINES * LINE ? rows->columns : LINES * LINE;
    if (!rows->rows)
        reel_kern_prefetch_group(&rows->groups, g, rows->columns);
    for (int k = 0; update->row_state && k < REEL_UPDATE_STATES; k++)
        if (state[k])
            __builtin_prefetch(state[k] + row, 1);
    for (int64_t i = 0; i < n; i += LINE) {
        __builtin_prefetch(param + from + i, 1);
        for (int k = 0; !update->row_state && k < REEL_UPDATE_STATES; k++)
            if (state[k])
                __builtin_prefetch(state[k] + from + i, 1);
    }
}

static void update_row(const struct reel_update *update, const struct reel_update_rows *rows, int64_t g, int thread,
                       reel_real *param, reel_real *const *state)
{
    int64_t row = reel_gradient_row(rows->gradient, g);
    if (rows->before)
        rows->before(rows->user, row, thread);
    const reel_real *grad = reel_gradient_values(rows->gradient, g);
    if (rows->first && !rows->seen[row]) {
        rows->seen[row] = 1;
        update = rows->first;
    }
    reel_kern_update_row(update, rows->gradient->columns, row, param, grad, state);
}

/* A block of groups may hold anything from one occurrence a group to most of the batch, so threads take blocks as they
 * get to them; every row is still the work of one thread. */
enum { GROUPS = 16, AHEAD = 4 };

static void update_groups(const struct reel_update *update, const struct reel_update_rows *rows, int64_t first,
                          int64_t end, int thread, reel_real *param, reel_real *const *state)
{
    for (int64_t g = first; g < end; g++) {
        if (g + AHEAD < rows->gradient->count)
            prefetch_row(update, rows->gradient, g + AHEAD, param, state);
        update_row(update, rows, g, thread, param, state);
    }
}

void reel_kern_update_rows(const struct reel_update *update, const struct reel_update_rows *rows, reel_real *param,
                           reel_real *const *state, int threads)
{
    const struct reel_gradient_rows *g = rows->gradient;
    int64_t blocks = (g->count + GROUPS - 1) / GROUPS;
    int64_t work = (g->rows || g->count == 0 ? g->count : g->groups.starts[g->count]) * g->columns;
    if (blocks <= 1 || threads <= 1 || work <= REEL_BLOCK) {
        update_groups(update, rows, 0, g->count, 0, param, state);
        return;
    }
#pragma omp parallel for num_threads(threads) schedule(dynamic, 4)
    for (int64_t b = 0; b < blocks; b++) {
        int64_t end = (b + 1) * GROUPS < g->count ? (b + 1) * GROUPS : g->count;
        update_groups(update, rows, b * GROUPS, end, omp_get_thread_num(), param, state);
    }
}

/* ---- Averages ---- */

REEL_CLONES
static void lerp_block(int64_t n, reel_real weight, const reel_real *restrict from, reel_real *restrict to)
{
    for (int64_t i = 0; i < n; i++)
        to[i] = lerp(to[i], from[i], weight);
}

void reel_kern_lerp(int64_t n, reel_real weight, const reel_real *from, reel_real *to, int threads)
{
    REEL_PARALLEL_FOR(first, last, n, REEL_BLOCK, threads, lerp_block(last - first, weight, from + first, to + first));
}
