#include "kern/embedding_bag.h"

#include "base/clones.h"
#include "kern/gather.h"
#include "kern/parallel.h"

#include <string.h>

enum { BLOCK = 256, TILE = 64, LANES = 16 };

static inline int64_t row_at(const struct reel_kern_bags *bags, int64_t entry)
{
    return reel_kern_index(bags->index, bags->wide, entry);
}

static inline const reel_real *row_of(const struct reel_kern_bags *bags, int64_t row)
{
    return bags->table + row * bags->cols;
}

/* Bags that one thread takes at a time. */
static int64_t bags_a_block(const struct reel_kern_bags *bags)
{
    int64_t entries = bags->starts[bags->count];
    int64_t work = (entries / bags->count + 1) * bags->cols;
    return work < REEL_BLOCK ? REEL_BLOCK / (work + 1) + 1 : 1;
}

void reel_kern_bag_shares(const struct reel_kern_bags *bags, reel_real *shares)
{
    for (int64_t b = 0; b < bags->count; b++) {
        int64_t count = bags->starts[b + 1] - bags->starts[b];
        for (int64_t i = bags->starts[b]; bags->padding >= 0 && i < bags->starts[b + 1]; i++)
            count -= row_at(bags, i) == bags->padding;
        shares[b] = count > 0 ? 1 / (reel_real)count : 0;
    }
}

/* ---- Sums ---- */

static inline void sum_tile(int64_t count, const reel_real *const *rows, const reel_real *weights, int64_t offset,
                            int width, bool add, reel_real *out)
{
    reel_real sum[TILE];
    for (int j = 0; j < width; j++)
        sum[j] = weights[0] * rows[0][offset + j];
    for (int64_t i = 1; i < count; i++) {
        const reel_real *row = rows[i] + offset;
        reel_real weight = weights[i];
        for (int j = 0; j < width; j++)
            sum[j] += weight * row[j];
    }
    for (int j = 0; j < width; j++)
        out[offset + j] = add ? out[offset + j] + sum[j] : sum[j];
}

REEL_CLONES static void sum_block(int64_t count, const reel_real *const *rows, const reel_real *weights, int64_t cols,
                                  bool add, reel_real *out)
{
    int64_t offset = 0;
    for (; offset + TILE <= cols; offset += TILE)
        sum_tile(count, rows, weights, offset, TILE, add, out);
    if (offset < cols)
        sum_tile(count, rows, weights, offset, (int)(cols - offset), add, out);
}

REEL_CLONES static void divide(int64_t n, reel_real divisor, reel_real *x)
{
    for (int64_t j = 0; j < n; j++)
        x[j] /= divisor;
}

/* Asks for the row of an entry that comes later, maybe in another bag. */
static inline void prefetch(const struct reel_kern_bags *bags, int64_t entry)
{
    if (entry + REEL_KERN_AHEAD < bags->starts[bags->count])
        reel_kern_prefetch_row((const char *)row_of(bags, row_at(bags, entry + REEL_KERN_AHEAD)),
                               (size_t)bags->cols * sizeof(reel_real));
}

static void sum_bag(const struct reel_kern_bags *bags, int64_t b, bool mean, reel_real *out)
{
    const reel_real *rows[BLOCK];
    reel_real weights[BLOCK];
    int64_t counted = 0, waiting = 0, end = bags->starts[b + 1];
    for (int64_t i = bags->starts[b]; i < end; i++) {
        int64_t row = row_at(bags, i);
        prefetch(bags, i);
        if (row == bags->padding)
            continue;
        rows[waiting] = row_of(bags, row);
        weights[waiting++] = bags->weights ? bags->weights[i] : 1;
        if (waiting == BLOCK) {
            sum_block(waiting, rows, weights, bags->cols, counted > 0, out);
            counted += waiting;
            waiting = 0;
        }
    }
    if (waiting > 0)
        sum_block(waiting, rows, weights, bags->cols, counted > 0, out);
    counted += waiting;
    if (counted == 0)
        memset(out, 0, (size_t)bags->cols * sizeof *out);
    else if (mean)
        divide(bags->cols, (reel_real)counted, out);
}

static void sum_bags(int64_t first, int64_t last, const struct reel_kern_bags *bags, bool mean, reel_real *out)
{
    for (int64_t b = first; b < last; b++)
        sum_bag(bags, b, mean, out + b * bags->cols);
}

void reel_kern_bag_sum(const struct reel_kern_bags *bags, bool mean, reel_real *out, int threads)
{
    if (bags->count > 0 && bags->cols > 0)
        REEL_PARALLEL_FOR(first, last, bags->count, bags_a_block(bags), threads,
                          sum_bags(first, last, bags, mean, out));
}

/* ---- Maxima ---- */

REEL_CLONES static void take_larger(int64_t cols, const reel_real *row, reel_real weight, int64_t entry, reel_real *out,
                                    int64_t *winners)
{
    for (int64_t j = 0; j < cols; j++) {
        reel_real x = weight * row[j];
        bool wins = x > out[j] || (x != x && out[j] == out[j]);
        out[j] = wins ? x : out[j];
        winners[j] = wins ? entry : winners[j];
    }
}

static void max_bag(const struct reel_kern_bags *bags, int64_t b, reel_real *out, int64_t *winners)
{
    bool any = false;
    for (int64_t i = bags->starts[b]; i < bags->starts[b + 1]; i++) {
        int64_t row = row_at(bags, i);
        reel_real weight = bags->weights ? bags->weights[i] : 1;
        prefetch(bags, i);
        if (row == bags->padding)
            continue;
        if (any)
            take_larger(bags->cols, row_of(bags, row), weight, i, out, winners);
        for (int64_t j = 0; !any && j < bags->cols; j++) {
            out[j] = weight * row_of(bags, row)[j];
            winners[j] = i;
        }
        any = true;
    }
    for (int64_t j = 0; !any && j < bags->cols; j++) {
        out[j] = 0;
        winners[j] = -1;
    }
}

static void max_bags(int64_t first, int64_t last, const struct reel_kern_bags *bags, reel_real *out, int64_t *winners)
{
    for (int64_t b = first; b < last; b++)
        max_bag(bags, b, out + b * bags->cols, winners + b * bags->cols);
}

void reel_kern_bag_max(const struct reel_kern_bags *bags, reel_real *out, int64_t *winners, int threads)
{
    if (bags->count > 0 && bags->cols > 0)
        REEL_PARALLEL_FOR(first, last, bags->count, bags_a_block(bags), threads,
                          max_bags(first, last, bags, out, winners));
}

/* ---- The way back ---- */

REEL_CLONES static void scale_row(int64_t cols, reel_real factor, const reel_real *from, reel_real *to)
{
    for (int64_t j = 0; j < cols; j++)
        to[j] = factor * from[j];
}

static void spread_bags(int64_t first, int64_t last, const struct reel_kern_bags *bags, const int64_t *winners,
                        const reel_real *factors, const reel_real *grad, int64_t stride, reel_real *rows)
{
    int64_t cols = bags->cols;
    for (int64_t b = first; b < last; b++) {
        int64_t start = bags->starts[b], end = bags->starts[b + 1];
        if (winners)
            memset(rows + start * cols, 0, (size_t)((end - start) * cols) * sizeof *rows);
        for (int64_t j = 0; winners && j < cols; j++) {
            int64_t i = winners[b * cols + j];
            if (i >= 0)
                rows[i * cols + j] = (factors ? factors[i] : 1) * grad[b * stride + j];
        }
        for (int64_t i = start; !winners && i < end; i++)
            if (row_at(bags, i) != bags->padding)
                scale_row(cols, factors ? factors[i] : 1, grad + b * stride, rows + i * cols);
    }
}

void reel_kern_bag_rows(const struct reel_kern_bags *bags, const int64_t *winners, const reel_real *factors,
                        const reel_real *grad, int64_t stride, reel_real *rows, int threads)
{
    if (bags->count > 0 && bags->cols > 0)
        REEL_PARALLEL_FOR(first, last, bags->count, bags_a_block(bags), threads,
                          spread_bags(first, last, bags, winners, factors, grad, stride, rows));
}

REEL_CLONES static reel_real product(int64_t n, const reel_real *a, const reel_real *b)
{
    reel_real sum[LANES] = {0}, total = 0;
    int64_t j = 0;
    for (; j + LANES <= n; j += LANES)
        for (int lane = 0; lane < LANES; lane++)
            sum[lane] += a[j + lane] * b[j + lane];
    for (int lane = 0; j < n; j++, lane++)
        sum[lane] += a[j] * b[j];
    for (int lane = 0; lane < LANES; lane++)
        total += sum[lane];
    return total;
}

static void multiply_bags(int64_t first, int64_t last, const struct reel_kern_bags *bags, const int64_t *winners,
                          const reel_real *shares, const reel_real *grad, int64_t stride, bool add, reel_real *out)
{
    int64_t cols = bags->cols;
    for (int64_t b = first; b < last; b++) {
        const reel_real *g = grad + b * stride;
        reel_real share = shares ? shares[b] : 1;
        for (int64_t i = bags->starts[b]; i < bags->starts[b + 1]; i++) {
            int64_t row = row_at(bags, i);
            if (!winners)
                prefetch(bags, i);
            reel_real x = winners || row == bags->padding ? 0 : share * product(cols, g, row_of(bags, row));
            out[i] = add ? out[i] + x : x;
        }
        for (int64_t j = 0; winners && j < cols; j++) {
            int64_t i = winners[b * cols + j];
            if (i >= 0)
                out[i] += g[j] * row_of(bags, row_at(bags, i))[j];
        }
    }
}

void reel_kern_bag_products(const struct reel_kern_bags *bags, const int64_t *winners, const reel_real *shares,
                            const reel_real *grad, int64_t stride, bool add, reel_real *out, int threads)
{
    if (bags->count > 0)
        REEL_PARALLEL_FOR(first, last, bags->count, bags_a_block(bags), threads,
                          multiply_bags(first, last, bags, winners, shares, grad, stride, add, out));
}
