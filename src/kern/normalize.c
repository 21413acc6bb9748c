/* Batch, layer and root mean square normalisation, and their gradients. */
#include "kern/normalize.h"

#include "base/clones.h"
#include "kern/parallel.h"
#include "kern/real.h"

/* Channels that are worked on together, and terms that are summed in reel_real before they go to a double. */
enum { TILE = 64, BLOCK = 32 };

/* Work below this many elements stays on the calling thread. */
static const int64_t smallest_parallel = 32768;

static int threads_for(int64_t elements, int threads)
{
    return elements >= smallest_parallel ? threads : 1;
}

/* ---- What sums of squares in reel_real do not hold ---- */

/* Elements that share their statistics: `outer` runs of `inner` neighbours, `stride` apart. */
struct group {
    int64_t outer, inner, stride;
};

/* Whether statistics from sums in reel_real are to be computed again: squares overflow or underflow, and where all
 * elements are nearly the same the mean is off by more than they are apart. */
static bool in_doubt(double mean, double variance, double eps)
{
    double rounding = 32 * (double)REEL_EPSILON * mean;
    return !(variance <= (double)REEL_REAL_MAX) || variance < rounding * rounding ||
           variance + eps < (double)(REEL_REAL_MIN / REEL_EPSILON);
}

/* Mean, variance and 1 / sqrt(variance + eps), from distances to the first element, scaled so that the largest element
 * is about 1; without `centred` the mean is taken to be 0. False, and nothing computed, where an element is not finite.
 */
static bool careful_statistics(struct group group, const reel_real *x, bool centred, double eps, double *mean,
                               double *variance, double *rstd)
{
    double largest = 0;
    for (int64_t i = 0; i < group.outer; i++)
        for (int64_t j = 0; j < group.inner; j++) {
            double size = fabs((double)x[i * group.stride + j]);
            largest = size <= largest ? largest : size;
        }
    if (!(largest <= (double)REEL_REAL_MAX))
        return false;
    int exponent;
    frexp(largest, &exponent);
    double scale = ldexp(1, -exponent), first = centred ? (double)x[0] * scale : 0, sum = 0, squares = 0;
    double count = (double)group.outer * (double)group.inner;
    for (int64_t i = 0; i < group.outer; i++)
        for (int64_t j = 0; j < group.inner; j++)
            sum += (double)x[i * group.stride + j] * scale - first;
    double shift = centred ? sum / count : 0;
    for (int64_t i = 0; i < group.outer; i++)
        for (int64_t j = 0; j < group.inner; j++) {
            double distance = (double)x[i * group.stride + j] * scale - first - shift;
            squares += distance * distance;
        }
    *mean = ldexp(first + shift, exponent);
    *variance = ldexp(squares / count, 2 * exponent);
    *rstd = isfinite(*variance) && *variance + eps >= DBL_MIN ? 1 / sqrt(*variance + eps)
                                                              : scale / sqrt(squares / count + eps * scale * scale);
    return true;
}

/* Whether rstd^3, or what it is multiplied with, is out of reel_real's range. */
static bool is_extreme(double rstd)
{
    double limit = cbrt((double)REEL_REAL_MAX) / 2;
    return rstd > limit || rstd < 1 / limit;
}

/* The gradient by x of (x - mean) rstd for that of each element, grad times weight; weight_step 0: one for all. mean
 * NULL: it is 0, whatever x is. */
static void careful_gradient(struct group group, const reel_real *x, const reel_real *grad, const reel_real *weight,
                             int64_t weight_step, const reel_real *mean, double rstd, bool add, reel_real *out)
{
    double sum = 0, products = 0, count = (double)group.outer * (double)group.inner;
    const double center = mean ? (double)*mean : 0;
    for (int64_t i = 0; i < group.outer; i++)
        for (int64_t j = 0; j < group.inner; j++) {
            int64_t at = i * group.stride + j;
            double g = (double)grad[at] * (weight ? (double)weight[j * weight_step] : 1);
            sum += mean ? g : 0;
            products += g * (((double)x[at] - center) * rstd);
        }
    for (int64_t i = 0; i < group.outer; i++)
        for (int64_t j = 0; j < group.inner; j++) {
            int64_t at = i * group.stride + j;
            double g = (double)grad[at] * (weight ? (double)weight[j * weight_step] : 1);
            double xhat = ((double)x[at] - center) * rstd;
            reel_real gradient = (reel_real)(rstd * (g - sum / count - xhat * (products / count)));
            out[at] = add ? out[at] + gradient : gradient;
        }
}

/* ---- Batch norm ---- */

/* total[j] = the sum over the batch of a[i, j], for `width` neighbouring columns; below, of squared distances from the
 * mean, and of products with distances from it. */
REEL_CLONES
static void sum_columns(int64_t batch, int width, int64_t stride, const reel_real *a, double *total)
{
    for (int j = 0; j < width; j++)
        total[j] = 0;
    for (int64_t first = 0; first < batch; first += BLOCK) {
        int64_t end = first + BLOCK < batch ? first + BLOCK : batch;
        reel_real part[TILE] = {0};
        for (int64_t i = first; i < end; i++)
            for (int j = 0; j < width; j++)
                part[j] += a[i * stride + j];
        for (int j = 0; j < width; j++)
            total[j] += (double)part[j];
    }
}

REEL_CLONES
static void sum_squares(int64_t batch, int width, int64_t stride, const reel_real *a, const reel_real *mean,
                        double *total)
{
    for (int j = 0; j < width; j++)
        total[j] = 0;
    for (int64_t first = 0; first < batch; first += BLOCK) {
        int64_t end = first + BLOCK < batch ? first + BLOCK : batch;
        reel_real part[TILE] = {0};
        for (int64_t i = first; i < end; i++)
            for (int j = 0; j < width; j++) {
                reel_real distance = a[i * stride + j] - mean[j];
                part[j] += distance * distance;
            }
        for (int j = 0; j < width; j++)
            total[j] += (double)part[j];
    }
}

REEL_CLONES
static void sum_products(int64_t batch, int width, int64_t stride, const reel_real *grad, const reel_real *x,
                         const reel_real *mean, double *total)
{
    for (int j = 0; j < width; j++)
        total[j] = 0;
    for (int64_t first = 0; first < batch; first += BLOCK) {
        int64_t end = first + BLOCK < batch ? first + BLOCK : batch;
        reel_real part[TILE] = {0};
        for (int64_t i = first; i < end; i++)
            for (int j = 0; j < width; j++)
                part[j] += grad[i * stride + j] * (x[i * stride + j] - mean[j]);
        for (int j = 0; j < width; j++)
            total[j] += (double)part[j];
    }
}

/* y = (x - mean) scale + shift for `width` neighbouring columns. */
REEL_CLONES
static void scale_columns(int64_t batch, int width, int64_t stride, const reel_real *x, const reel_real *mean,
                          const reel_real *scale, const reel_real *shift, reel_real *y)
{
    for (int64_t i = 0; i < batch; i++)
        for (int j = 0; j < width; j++)
            y[i * stride + j] = (x[i * stride + j] - mean[j]) * scale[j] + shift[j];
}

/* out (+)= a grad - b (x - mean) - c for `width` neighbouring columns. */
REEL_CLONES
static void combine_columns(int64_t batch, int width, int64_t stride, const reel_real *grad, const reel_real *x,
                            const reel_real *mean, const reel_real *a, const reel_real *b, const reel_real *c, bool add,
                            reel_real *out)
{
    for (int64_t i = 0; i < batch; i++) {
        const reel_real *g = grad + i * stride, *in = x + i * stride;
        reel_real *to = out + i * stride;
        if (add)
            for (int j = 0; j < width; j++)
                to[j] += a[j] * g[j] - b[j] * (in[j] - mean[j]) - c[j];
        else
            for (int j = 0; j < width; j++)
                to[j] = a[j] * g[j] - b[j] * (in[j] - mean[j]) - c[j];
    }
}

/* A piece of the work is, with length 1, a tile of neighbouring channels; else one channel, whose places along the
 * length are handled as columns whose sums are added up. */
static int64_t tile_count(struct reel_norm_sizes s)
{
    return s.length == 1 ? (s.channels + TILE - 1) / TILE : s.channels;
}

enum channel_sum { SUM, SUM_SQUARES, SUM_PRODUCTS };

/* Sums over batch and length of a channel. */
static double sum_channel(struct reel_norm_sizes s, enum channel_sum what, const reel_real *a, const reel_real *x,
                          reel_real mean)
{
    double total = 0, parts[TILE];
    reel_real means[TILE];
    for (int j = 0; j < TILE; j++)
        means[j] = mean;
    for (int64_t first = 0; first < s.length; first += TILE) {
        int width = s.length - first < TILE ? (int)(s.length - first) : TILE;
        int64_t stride = s.channels * s.length;
        if (what == SUM)
            sum_columns(s.batch, width, stride, a + first, parts);
        else if (what == SUM_SQUARES)
            sum_squares(s.batch, width, stride, a + first, means, parts);
        else
            sum_products(s.batch, width, stride, a + first, x + first, means, parts);
        for (int j = 0; j < width; j++)
            total += parts[j];
    }
    return total;
}

/* The elements of a channel. */
static struct group group_of(struct reel_norm_sizes s)
{
    return (struct group){s.batch, s.length, s.channels * s.length};
}

static void forward_tile(const struct reel_batch_norm *norm, int64_t index, reel_real *y)
{
    const struct reel_norm_sizes s = norm->sizes;
    const reel_real *x = norm->x, *weight = norm->weight, *bias = norm->bias;
    const double eps = norm->eps;
    reel_real *mean = norm->mean, *variance = norm->variance, *rstd = norm->rstd;
    double count = (double)s.batch * (double)s.length, sums[TILE];
    int64_t first = s.length == 1 ? index * TILE : index, stride = s.channels * s.length;
    int width = 1;
    if (s.length == 1)
        width = s.channels - first < TILE ? (int)(s.channels - first) : TILE;
    const reel_real *from = x + first * s.length;
    if (s.length == 1)
        sum_columns(s.batch, width, stride, from, sums);
    else
        sums[0] = sum_channel(s, SUM, from, NULL, 0);
    for (int j = 0; j < width; j++)
        mean[first + j] = (reel_real)(sums[j] / count);
    if (s.length == 1)
        sum_squares(s.batch, width, stride, from, mean + first, sums);
    else
        sums[0] = sum_channel(s, SUM_SQUARES, from, NULL, mean[first]);
    reel_real scale[TILE], shift[TILE], means[TILE];
    for (int j = 0; j < width; j++) {
        double m = (double)mean[first + j], v = sums[j] / count, r = 1 / sqrt(v + eps);
        if (in_doubt(m, v, eps) && careful_statistics(group_of(s), from + j * s.length, true, eps, &m, &v, &r))
            mean[first + j] = (reel_real)m;
        variance[first + j] = (reel_real)v;
        rstd[first + j] = (reel_real)r;
        scale[j] = weight ? rstd[first + j] * weight[first + j] : rstd[first + j];
        shift[j] = bias ? bias[first + j] : 0;
    }
    if (s.length == 1) {
        scale_columns(s.batch, width, stride, from, mean + first, scale, shift, y + first);
        return;
    }
    for (int j = 0; j < TILE; j++) {
        means[j] = mean[first];
        scale[j] = scale[0];
        shift[j] = shift[0];
    }
    for (int64_t l = 0; l < s.length; l += TILE)
        scale_columns(s.batch, s.length - l < TILE ? (int)(s.length - l) : TILE, stride, from + l, means, scale, shift,
                      y + first * s.length + l);
}

void reel_kern_batch_norm(const struct reel_batch_norm *norm, reel_real *y, int threads)
{
    const struct reel_norm_sizes s = norm->sizes;
    REEL_PARALLEL_FOR(tile, next, tile_count(s), 1, threads_for(s.batch * s.channels * s.length, threads),
                      forward_tile(norm, tile, y));
}

/* The gradient by x of a channel's mean and variance alone, where either may be NULL. */
static void statistics_gradient(struct group group, const reel_real *x, reel_real mean, const reel_real *grad_mean,
                                const reel_real *grad_variance, bool add, reel_real *out)
{
    double count = (double)group.outer * (double)group.inner;
    reel_real of_mean = grad_mean ? (reel_real)((double)*grad_mean / count) : 0;
    reel_real of_distance = grad_variance ? (reel_real)(2 * (double)*grad_variance / count) : 0;
    if (!isfinite(mean))
        of_distance = NAN; /* as where the gradient comes through y */
    for (int64_t i = 0; i < group.outer; i++)
        for (int64_t j = 0; j < group.inner; j++) {
            int64_t at = i * group.stride + j;
            reel_real gradient = grad_variance ? of_mean + of_distance * (x[at] - mean) : of_mean;
            out[at] = add ? out[at] + gradient : gradient;
        }
}

static void backward_tile(const struct reel_batch_norm *norm, const struct reel_batch_norm_gradients *g, int64_t index)
{
    const struct reel_norm_sizes s = norm->sizes;
    const reel_real *x = norm->x, *weight = norm->weight, *mean = norm->mean, *rstd = norm->rstd;
    const reel_real *grad = g->grad, *grad_mean = g->grad_mean, *grad_variance = g->grad_variance;
    reel_real *grad_weight = g->grad_weight, *grad_bias = g->grad_bias, *grad_x = g->grad_x;
    const bool add = g->add;
    double count = (double)s.batch * (double)s.length, sums[TILE], products[TILE];
    int64_t first = s.length == 1 ? index * TILE : index, stride = s.channels * s.length, at = first * s.length;
    int width = 1;
    if (s.length == 1)
        width = s.channels - first < TILE ? (int)(s.channels - first) : TILE;
    if (!grad) {
        for (int j = 0; j < width; j++)
            statistics_gradient(group_of(s), x + at + j * s.length, mean[first + j],
                                grad_mean ? grad_mean + first + j : NULL,
                                grad_variance ? grad_variance + first + j : NULL, add, grad_x + at + j * s.length);
        return;
    }
    if (s.length == 1) {
        sum_columns(s.batch, width, stride, grad + at, sums);
        sum_products(s.batch, width, stride, grad + at, x + at, mean + first, products);
    } else {
        sums[0] = sum_channel(s, SUM, grad + at, NULL, 0);
        products[0] = sum_channel(s, SUM_PRODUCTS, grad + at, x + at, mean[first]);
    }
    reel_real a[TILE], b[TILE], c[TILE], means[TILE];
    bool any_extreme = false;
    for (int j = 0; j < width; j++) {
        double r = (double)rstd[first + j], scale = weight ? (double)weight[first + j] * r : r;
        grad_weight[first + j] = (reel_real)(products[j] * r);
        grad_bias[first + j] = (reel_real)sums[j];
        bool extreme = is_extreme(r);
        any_extreme = any_extreme || extreme;
        a[j] = extreme ? 0 : (reel_real)scale;
        double of_mean = grad_mean ? (double)grad_mean[first + j] : 0;
        double of_variance = grad_variance ? (double)grad_variance[first + j] : 0;
        b[j] = (reel_real)(((extreme ? 0 : scale * r * r * products[j]) - 2 * of_variance) / count);
        c[j] = (reel_real)(((extreme ? 0 : scale * sums[j]) - of_mean) / count);
        if (!isfinite(scale))
            c[j] = NAN; /* infinity less infinity, in whatever order */
    }
    if (!grad_x)
        return;
    if (s.length == 1)
        combine_columns(s.batch, width, stride, grad + at, x + at, mean + first, a, b, c, add, grad_x + at);
    for (int j = 0; j < TILE && s.length > 1; j++) {
        means[j] = mean[first];
        a[j] = a[0];
        b[j] = b[0];
        c[j] = c[0];
    }
    for (int64_t l = 0; l < s.length && s.length > 1; l += TILE)
        combine_columns(s.batch, s.length - l < TILE ? (int)(s.length - l) : TILE, stride, grad + at + l, x + at + l,
                        means, a, b, c, add, grad_x + at + l);
    for (int j = 0; j < width && any_extreme; j++) {
        int64_t channel = first + j, offset = channel * s.length;
        if (is_extreme((double)rstd[channel]))
            careful_gradient(group_of(s), x + offset, grad + offset, weight ? weight + channel : NULL, 0,
                             mean + channel, (double)rstd[channel], true, grad_x + offset);
    }
}

void reel_kern_batch_norm_backward(const struct reel_batch_norm *norm, const struct reel_batch_norm_gradients *g,
                                   int threads)
{
    const struct reel_norm_sizes s = norm->sizes;
    REEL_PARALLEL_FOR(tile, next, tile_count(s), 1, threads_for(s.batch * s.channels * s.length, threads),
                      backward_tile(norm, g, tile));
}

/* ---- Layer norm ---- */

static double sum_lanes(const reel_real *lanes)
{
    double total = 0;
    for (int j = 0; j < BLOCK; j++)
        total += (double)lanes[j];
    return total;
}

REEL_CLONES
static double row_mean(int64_t columns, const reel_real *x)
{
    double total = 0;
    for (int64_t first = 0; first < columns; first += BLOCK * BLOCK) {
        int64_t end = first + BLOCK * BLOCK < columns ? first + BLOCK * BLOCK : columns, i = first;
        reel_real lanes[BLOCK] = {0};
        for (; i + BLOCK <= end; i += BLOCK)
#pragma GCC unroll 16
            for (int j = 0; j < BLOCK; j++)
                lanes[j] += x[i + j];
        for (int j = 0; i + j < end; j++)
            lanes[j] += x[i + j];
        total += sum_lanes(lanes);
    }
    return total / (double)columns;
}

REEL_CLONES
static double row_variance(int64_t columns, const reel_real *x, reel_real mean)
{
    double total = 0;
    for (int64_t first = 0; first < columns; first += BLOCK * BLOCK) {
        int64_t end = first + BLOCK * BLOCK < columns ? first + BLOCK * BLOCK : columns, i = first;
        reel_real lanes[BLOCK] = {0};
        for (; i + BLOCK <= end; i += BLOCK)
#pragma GCC unroll 16
            for (int j = 0; j < BLOCK; j++)
                lanes[j] += (x[i + j] - mean) * (x[i + j] - mean);
        for (int j = 0; i + j < end; j++)
            lanes[j] += (x[i + j] - mean) * (x[i + j] - mean);
        total += sum_lanes(lanes);
    }
    return total / (double)columns;
}

REEL_CLONES
static void scale_row(int64_t columns, const reel_real *x, const reel_real *weight, const reel_real *bias,
                      reel_real mean, reel_real rstd, reel_real *y)
{
    if (weight && bias)
        for (int64_t j = 0; j < columns; j++)
            y[j] = (x[j] - mean) * rstd * weight[j] + bias[j];
    else if (weight)
        for (int64_t j = 0; j < columns; j++)
            y[j] = (x[j] - mean) * rstd * weight[j];
    else
        for (int64_t j = 0; j < columns; j++)
            y[j] = (x[j] - mean) * rstd;
}

/* Rows that are worked on together. */
static int64_t rows_at_a_time(int64_t columns)
{
    return columns < REEL_BLOCK ? REEL_BLOCK / columns : 1;
}

static void layer_norm_rows(const struct reel_layer_norm *norm, int64_t first, int64_t last, reel_real *y)
{
    const int64_t columns = norm->columns;
    const reel_real *x = norm->x, *weight = norm->weight, *bias = norm->bias;
    const double eps = norm->eps;
    reel_real *mean = norm->mean, *rstd = norm->rstd;
    for (int64_t i = first; i < last; i++) {
        const reel_real *row = x + i * columns;
        reel_real center = mean ? (reel_real)row_mean(columns, row) : 0;
        double m = (double)center, v = row_variance(columns, row, center), r = 1 / sqrt(v + eps);
        if (in_doubt(m, v, eps) &&
            careful_statistics((struct group){1, columns, 0}, row, mean != NULL, eps, &m, &v, &r))
            center = (reel_real)m;
        if (mean)
            mean[i] = center;
        rstd[i] = (reel_real)r;
        scale_row(columns, row, weight, bias, center, rstd[i], y + i * columns);
    }
}

void reel_kern_layer_norm(const struct reel_layer_norm *norm, reel_real *y, int threads)
{
    REEL_PARALLEL_FOR(first, last, norm->rows, rows_at_a_time(norm->columns), threads,
                      layer_norm_rows(norm, first, last, y));
}

/* sums: of weight grad, and of weight grad (x - mean). */
REEL_CLONES
static void sum_row_gradient(int64_t columns, const reel_real *x, const reel_real *grad, const reel_real *weight,
                             reel_real mean, double sums[2])
{
    sums[0] = sums[1] = 0;
    for (int64_t first = 0; first < columns; first += BLOCK * BLOCK) {
        int64_t end = first + BLOCK * BLOCK < columns ? first + BLOCK * BLOCK : columns;
        reel_real lanes[BLOCK] = {0}, products[BLOCK] = {0};
        for (int64_t i = first; i < end; i += BLOCK) {
            int width = end - i < BLOCK ? (int)(end - i) : BLOCK;
            reel_real g[BLOCK];
            if (weight)
                for (int j = 0; j < width; j++)
                    g[j] = grad[i + j] * weight[i + j];
            else
                for (int j = 0; j < width; j++)
                    g[j] = grad[i + j];
            for (int j = 0; j < width; j++) {
                lanes[j] += g[j];
                products[j] += g[j] * (x[i + j] - mean);
            }
        }
        sums[0] += sum_lanes(lanes);
        sums[1] += sum_lanes(products);
    }
}

/* out (+)= a weight grad - b (x - mean) - c. */
REEL_CLONES
static void combine_row(int64_t columns, const reel_real *x, const reel_real *grad, const reel_real *weight,
                        reel_real mean, reel_real a, reel_real b, reel_real c, bool add, reel_real *out)
{
    if (weight && add)
        for (int64_t j = 0; j < columns; j++)
            out[j] += a * (grad[j] * weight[j]) - b * (x[j] - mean) - c;
    else if (weight)
        for (int64_t j = 0; j < columns; j++)
            out[j] = a * (grad[j] * weight[j]) - b * (x[j] - mean) - c;
    else if (add)
        for (int64_t j = 0; j < columns; j++)
            out[j] += a * grad[j] - b * (x[j] - mean) - c;
    else
        for (int64_t j = 0; j < columns; j++)
            out[j] = a * grad[j] - b * (x[j] - mean) - c;
}

static void layer_norm_backward_rows(const struct reel_layer_norm *norm, int64_t first, int64_t last,
                                     const reel_real *grad, bool add, reel_real *grad_x)
{
    const int64_t columns = norm->columns;
    const reel_real *x = norm->x, *weight = norm->weight, *mean = norm->mean, *rstd = norm->rstd;
    for (int64_t i = first; i < last; i++) {
        const reel_real *row = x + i * columns, *g = grad + i * columns;
        double sums[2], n = (double)columns, r = (double)rstd[i];
        if (is_extreme(r)) {
            careful_gradient((struct group){1, columns, 0}, row, g, weight, 1, mean ? mean + i : NULL, r, add,
                             grad_x + i * columns);
            continue;
        }
        const reel_real center = mean ? mean[i] : 0;
        sum_row_gradient(columns, row, g, weight, center, sums);
        combine_row(columns, row, g, weight, center, rstd[i], (reel_real)(r * r * r * sums[1] / n),
                    (reel_real)(mean ? r * sums[0] / n : 0), add, grad_x + i * columns);
    }
}

void reel_kern_layer_norm_backward(const struct reel_layer_norm *norm, const reel_real *grad, bool add,
                                   reel_real *grad_x, int threads)
{
    REEL_PARALLEL_FOR(first, last, norm->rows, rows_at_a_time(norm->columns), threads,
                      layer_norm_backward_rows(norm, first, last, grad, add, grad_x));
}

REEL_CLONES
static void sum_weight_tile(int64_t rows, int64_t columns, int width, const reel_real *x, const reel_real *grad,
                            const reel_real *mean, const reel_real *rstd, double *total)
{
    for (int j = 0; j < width; j++)
        total[j] = 0;
    for (int64_t first = 0; first < rows; first += BLOCK) {
        int64_t end = first + BLOCK < rows ? first + BLOCK : rows;
        reel_real part[TILE] = {0};
        for (int64_t i = first; i < end; i++) {
            const reel_real center = mean ? mean[i] : 0;
            for (int j = 0; j < width; j++)
                part[j] += grad[i * columns + j] * ((x[i * columns + j] - center) * rstd[i]);
        }
        for (int j = 0; j < width; j++)
            total[j] += (double)part[j];
    }
}

static void layer_norm_weight_tile(const struct reel_layer_norm *norm, int64_t first, int64_t last,
                                   const reel_real *grad, bool add, reel_real *grad_weight)
{
    double total[TILE];
    sum_weight_tile(norm->rows, norm->columns, (int)(last - first), norm->x + first, grad + first, norm->mean,
                    norm->rstd, total);
    for (int64_t j = first; j < last; j++)
        grad_weight[j] = (add ? grad_weight[j] : 0) + (reel_real)total[j - first];
}

void reel_kern_layer_norm_backward_weight(const struct reel_layer_norm *norm, const reel_real *grad, bool add,
                                          reel_real *grad_weight, int threads)
{
    REEL_PARALLEL_FOR(first, last, norm->columns, TILE, threads_for(norm->rows * norm->columns, threads),
                      layer_norm_weight_tile(norm, first, last, grad, add, grad_weight));
}
