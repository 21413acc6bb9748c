/* Cells of recurrent networks. */
#include "kern/recurrent.h"

#include "base/clones.h"
#include "kern/functions.h"

/* Loops over a row take each array as a parameter: only there does gcc believe that they do not overlap, and of ten
 * that might it makes no vectors. */

/* Row i of a matrix that may be missing. */
static reel_real *row(struct reel_rows_of m, int64_t i)
{
    return m.data ? m.data + i * m.stride : NULL;
}

/* ---- GRU ---- */

REEL_CLONES
static void gru_row(int64_t n, const reel_real *restrict x, const reel_real *restrict s,
                    const reel_real *restrict before, reel_real *restrict gates, reel_real *restrict after)
{
    for (int64_t j = 0; j < n; j++) {
        reel_real r = reel_math_sigmoid(x[j] + s[j]), z = reel_math_sigmoid(x[n + j] + s[n + j]);
        reel_real inner = s[2 * n + j], new = reel_math_tanh(x[2 * n + j] + r * inner);
        gates[j] = r;
        gates[n + j] = z;
        gates[2 * n + j] = new;
        gates[3 * n + j] = inner;
        after[j] = new + z *(before[j] - new);
    }
}

void reel_kern_gru_cell(const struct reel_cell *c)
{
    for (int64_t i = 0; i < c->rows; i++)
        gru_row(c->hidden, row(c->x, i), row(c->state, i), row(c->before, i), c->gates + i * 4 * c->hidden,
                row(c->after, i));
}

REEL_CLONES
static void gru_row_backward(int64_t n, const reel_real *restrict gates, const reel_real *restrict before,
                             const reel_real *restrict g, reel_real *restrict x, reel_real *restrict s,
                             reel_real *restrict p)
{
    for (int64_t j = 0; j < n; j++) {
        reel_real r = gates[j], z = gates[n + j], new = gates[2 * n + j], inner = gates[3 * n + j];
        reel_real of_new = g[j] * (1 - z) * (1 - new *new), of_r = of_new * inner * (r * (1 - r)),
                  of_z = g[j] * (before[j] - new) * (z * (1 - z));
        x[j] = s[j] = of_r;
        x[n + j] = s[n + j] = of_z;
        x[2 * n + j] = of_new;
        s[2 * n + j] = of_new * r;
        p[j] = g[j] * z;
    }
}

void reel_kern_gru_cell_backward(const struct reel_cell *c, const struct reel_cell_gradient *g)
{
    for (int64_t i = 0; i < c->rows; i++)
        gru_row_backward(c->hidden, c->gates + i * 4 * c->hidden, row(c->before, i), row(g->of_after, i), row(g->x, i),
                         row(g->state, i), row(g->before, i));
}

/* Factors in the order of the rules in ops/recurrent.c, so that infinities give the same. With A the gradients above, u
 * and v the weights of x and s, and w that of p, the sum is
 *
 *     (u_r + v_r) A_r + (u_z + v_z) A_z + (u_n + v_n r) A_n + w g z,
 *
 * which is differentiated first by g, r, z, n, s_n and p, and then through the gates. */
REEL_CLONES
static void gru_row_second(int64_t n, const reel_real *restrict gates, const reel_real *restrict before,
                           const reel_real *restrict g, const reel_real *restrict u, const reel_real *restrict v,
                           const reel_real *restrict w, reel_real *restrict to_g, reel_real *restrict x,
                           reel_real *restrict s, reel_real *restrict p)
{
    for (int64_t j = 0; j < n; j++) {
        reel_real r = gates[j], z = gates[n + j], new = gates[2 * n + j], inner = gates[3 * n + j];
        reel_real slope_r = r * (1 - r), slope_z = z * (1 - z), slope = 1 - new *new, step = before[j] - new;
        reel_real weight_r = u[j] + v[j], weight_z = u[n + j] + v[n + j], weight_s = v[2 * n + j];
        reel_real rest = 1 - z, of_new = g[j] * rest * slope;
        reel_real weight_n = weight_r * inner * slope_r + u[2 * n + j] + weight_s * r; /* of A_n, also inside A_r */
        reel_real by_n = (-2 * (new *weight_n *rest) - weight_z * slope_z) * g[j] * slope;
        reel_real by_r = (weight_r * inner * (1 - 2 * r) + weight_s) * of_new * slope_r + by_n * inner * slope_r;
        reel_real by_z = (weight_z * step * (1 - 2 * z) - weight_n * slope + w[j]) * g[j] * slope_z;
        to_g[j] = weight_n * rest * slope + weight_z * step * slope_z + w[j] * z;
        x[j] = s[j] = by_r;
        x[n + j] = s[n + j] = by_z;
        x[2 * n + j] = by_n;
        s[2 * n + j] = by_n * r + weight_r * of_new * slope_r;
        p[j] = weight_z * g[j] * slope_z;
    }
}

void reel_kern_gru_cell_second(const struct reel_cell *c, const struct reel_cell_gradient *g,
                               const struct reel_cell_gradient *with, const struct reel_cell_gradient *to)
{
    for (int64_t i = 0; i < c->rows; i++)
        gru_row_second(c->hidden, c->gates + i * 4 * c->hidden, row(c->before, i), row(g->of_after, i), row(with->x, i),
                       row(with->state, i), row(with->before, i), row(to->of_after, i), row(to->x, i),
                       row(to->state, i), row(to->before, i));
}

/* ---- LSTM ---- */

REEL_CLONES
static void lstm_row(int64_t n, const reel_real *restrict x, const reel_real *restrict s,
                     const reel_real *restrict before, reel_real *restrict gates, reel_real *restrict after,
                     reel_real *restrict out)
{
    for (int64_t j = 0; j < n; j++) {
        reel_real i = reel_math_sigmoid(x[j] + s[j]), f = reel_math_sigmoid(x[n + j] + s[n + j]);
        reel_real g = reel_math_tanh(x[2 * n + j] + s[2 * n + j]), o = reel_math_sigmoid(x[3 * n + j] + s[3 * n + j]);
        reel_real cell = f * before[j] + i * g;
        gates[j] = i;
        gates[n + j] = f;
        gates[2 * n + j] = g;
        gates[3 * n + j] = o;
        after[j] = cell;
        out[j] = o * reel_math_tanh(cell);
    }
}

void reel_kern_lstm_cell(const struct reel_cell *c)
{
    for (int64_t i = 0; i < c->rows; i++)
        lstm_row(c->hidden, row(c->x, i), row(c->state, i), row(c->before, i), c->gates + i * 4 * c->hidden,
                 row(c->after, i), row(c->out, i));
}

REEL_CLONES
static void lstm_row_backward(int64_t n, const reel_real *restrict gates, const reel_real *restrict before,
                              const reel_real *restrict of_after, const reel_real *restrict of_out,
                              reel_real *restrict x, reel_real *restrict p)
{
    for (int64_t j = 0; j < n; j++) {
        reel_real i = gates[j], f = gates[n + j], g = gates[2 * n + j], o = gates[3 * n + j];
        reel_real t = reel_math_tanh(f * before[j] + i * g), h = of_out[j];
        reel_real cell = of_after[j] + h * o * (1 - t * t);
        x[j] = cell * g * (i * (1 - i));
        x[n + j] = cell * before[j] * (f * (1 - f));
        x[2 * n + j] = cell * i * (1 - g * g);
        x[3 * n + j] = h * t * (o * (1 - o));
        p[j] = cell * f;
    }
}

void reel_kern_lstm_cell_backward(const struct reel_cell *c, const struct reel_cell_gradient *g)
{
    for (int64_t i = 0; i < c->rows; i++)
        lstm_row_backward(c->hidden, c->gates + i * 4 * c->hidden, row(c->before, i), row(g->of_after, i),
                          row(g->of_out, i), row(g->x, i), row(g->before, i));
}

/* With E the gradient of the cell, u the weights of the four parts and w that of p, the sum is
 *
 *     u_i E g i' + u_f E c f' + u_g E i g' + u_o h t o' + w E f.                 (i' = i (1 - i), g' = 1 - g g, ...) */
REEL_CLONES
static void lstm_row_second(int64_t n, const reel_real *restrict gates, const reel_real *restrict before,
                            const reel_real *restrict of_after, const reel_real *restrict of_out,
                            const reel_real *restrict u, const reel_real *restrict w, reel_real *restrict to_after,
                            reel_real *restrict to_out, reel_real *restrict x, reel_real *restrict p)
{
    for (int64_t j = 0; j < n; j++) {
        reel_real i = gates[j], f = gates[n + j], g = gates[2 * n + j], o = gates[3 * n + j], c = before[j];
        reel_real slope_i = i * (1 - i), slope_f = f * (1 - f), slope_g = 1 - g * g, slope_o = o * (1 - o);
        reel_real t = reel_math_tanh(f * c + i * g), slope_t = 1 - t * t, h = of_out[j];
        reel_real cell = of_after[j] + h * o * slope_t;
        reel_real u_i = u[j], u_f = u[n + j], u_g = u[2 * n + j], u_o = u[3 * n + j];
        reel_real by_cell = u_i * g * slope_i + u_f * c * slope_f + u_g * i * slope_g + w[j] * f;
        reel_real by_sum = (u_o * slope_o - 2 * (t * by_cell * o)) * h * slope_t; /* of f c + i g */
        to_after[j] = by_cell;
        to_out[j] = by_cell * o * slope_t + u_o * t * slope_o;
        x[j] = ((u_i * g * (1 - 2 * i) + u_g * slope_g) * cell + by_sum * g) * slope_i;
        x[n + j] = ((u_f * c * (1 - 2 * f) + w[j]) * cell + by_sum * c) * slope_f;
        x[2 * n + j] = ((u_i * slope_i - 2 * (g * u_g * i)) * cell + by_sum * i) * slope_g;
        x[3 * n + j] = (by_cell * slope_t + u_o * t * (1 - 2 * o)) * h * slope_o;
        p[j] = u_f * cell * slope_f + by_sum * f;
    }
}

void reel_kern_lstm_cell_second(const struct reel_cell *c, const struct reel_cell_gradient *g,
                                const struct reel_cell_gradient *with, const struct reel_cell_gradient *to)
{
    for (int64_t i = 0; i < c->rows; i++)
        lstm_row_second(c->hidden, c->gates + i * 4 * c->hidden, row(c->before, i), row(g->of_after, i),
                        row(g->of_out, i), row(with->x, i), row(with->before, i), row(to->of_after, i),
                        row(to->of_out, i), row(to->x, i), row(to->before, i));
}
