/* Rows of a table reduced by bag, and the way back. */
#include "kern/embedding_bag.h"

#include "base/clones.h"
#include "kern/gather.h"
#include "kern/parallel.h"

#include <string.h>

enum { BLOCK = 256, TILE = 512, LANES = 16 };

static inline int64_t row_at(const struct reel_kern_bags *bags, int64_t entry)
{
    return reel_kern_index(bags->index, bags->wide, entry);
}

static inline const reel_real *row_of(const struct reel_kern_bags *bags, int64_t row)
{
    return bags->table + row * bags->columns;
}

/* Bags that one thread takes at a time. */
static int64_t bags_a_block(const struct reel_kern_bags *bags)
{
    int64_t entries = bags->starts[bags->count];
    int64_t work = (entries / bags->count + 1) * bags->columns;
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

/* Asks for columns of the row of an entry that comes later, maybe in another bag. */
static inline void prefetch(const struct reel_kern_bags *bags, int64_t entry, int64_t offset, int64_t width)
{
    if (entry + REEL_KERN_AHEAD < bags->starts[bags->count])
        reel_kern_prefetch_row((const char *)(row_of(bags, row_at(bags, entry + REEL_KERN_AHEAD)) + offset),
                               (size_t)width * sizeof(reel_real));
}

REEL_CLONES static void add_row(int64_t n, const reel_real *row, reel_real weight, bool add, reel_real *to)
{
    if (add)
        for (int64_t j = 0; j < n; j++)
            to[j] += weight * row[j];
    else
        for (int64_t j = 0; j < n; j++)
            to[j] = weight * row[j];
}

REEL_CLONES static void divide(int64_t n, reel_real divisor, reel_real *x)
{
    for (int64_t j = 0; j < n; j++)
        x[j] /= divisor;
}

/* Some columns of a bag's sum. The first block is summed in place, the others beside it. */
static void sum_columns(const struct reel_kern_bags *bags, int64_t b, bool mean, int64_t offset, int64_t width,
                        reel_real *out)
{
    reel_real block[TILE];
    int64_t counted = 0;
    for (int64_t i = bags->starts[b]; i < bags->starts[b + 1]; i++) {
        int64_t row = row_at(bags, i);
        prefetch(bags, i, offset, width);
        if (row == bags->padding)
            continue;
        if (counted > BLOCK && counted % BLOCK == 0)
            add_row(width, block, 1, true, out);
        add_row(width, row_of(bags, row) + offset, bags->weights ? bags->weights[i] : 1, counted % BLOCK != 0,
                counted < BLOCK ? out : block);
        counted++;
    }
    if (counted > BLOCK)
        add_row(width, block, 1, true, out);
    if (counted == 0)
        memset(out, 0, (size_t)width * sizeof *out);
    else if (mean)
        divide(width, (reel_real)counted, out);
}

static void sum_bags(int64_t first, int64_t last, const struct reel_kern_bags *bags, bool mean, reel_real *out)
{
    for (int64_t b = first; b < last; b++)
        for (int64_t offset = 0; offset < bags->columns; offset += TILE) {
            int64_t width = bags->columns - offset < TILE ? bags->columns - offset : TILE;
            sum_columns(bags, b, mean, offset, width, out + b * bags->columns + offset);
        }
}

void reel_kern_bag_sum(const struct reel_kern_bags *bags, bool mean, reel_real *out, int threads)
{
    if (bags->count > 0 && bags->columns > 0)
        REEL_PARALLEL_FOR(first, last, bags->count, bags_a_block(bags), threads,
                          sum_bags(first, last, bags, mean, out));
}

/* ---- Maxima ---- */

REEL_CLONES static void take_larger(int64_t columns, const reel_real *row, reel_real weight, int64_t entry,
                                    reel_real *out, int64_t *winners)
{
    for (int64_t j = 0; j < columns; j++) {
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
        prefetch(bags, i, 0, bags->columns);
        if (row == bags->padding)
            continue;
        if (any)
            take_larger(bags->columns, row_of(bags, row), weight, i, out, winners);
        for (int64_t j = 0; !any && j < bags->columns; j++) {
            out[j] = weight * row_of(bags, row)[j];
            winners[j] = i;
        }
        any = true;
    }
    for (int64_t j = 0; !any && j < bags->columns; j++) {
        out[j] = 0;
        winners[j] = -1;
    }
}

static void max_bags(int64_t first, int64_t last, const struct reel_kern_bags *bags, reel_real *out, int64_t *winners)
{
    for (int64_t b = first; b < last; b++)
        max_bag(bags, b, out + b * bags->columns, winners + b * bags->columns);
}

void reel_kern_bag_max(const struct reel_kern_bags *bags, reel_real *out, int64_t *winners, int threads)
{
    if (bags->count > 0 && bags->columns > 0)
        REEL_PARALLEL_FOR(first, last, bags->count, bags_a_block(bags), threads,
                          max_bags(first, last, bags, out, winners));
}

/* ---- The way back ---- */

static void spread_bags(int64_t first, int64_t last, const struct reel_kern_bags *bags, const int64_t *winners,
                        const reel_real *factors, const reel_real *grad, int64_t stride, reel_real *rows)
{
    int64_t columns = bags->columns;
    for (int64_t b = first; b < last; b++) {
        int64_t start = bags->starts[b], end = bags->starts[b + 1];
        if (winners)
            memset(rows + start * columns, 0, (size_t)((end - start) * columns) * sizeof *rows);
        for (int64_t j = 0; winners && j < columns; j++) {
            int64_t i = winners[b * columns + j];
            if (i >= 0)
                rows[i * columns + j] = (factors ? factors[i] : 1) * grad[b * stride + j];
        }
        for (int64_t i = start; !winners && i < end; i++)
            if (row_at(bags, i) != bags->padding)
                add_row(columns, grad + b * stride, factors ? factors[i] : 1, false, rows + i * columns);
    }
}

void reel_kern_bag_rows(const struct reel_kern_bags *bags, const int64_t *winners, const reel_real *factors,
                        const reel_real *grad, int64_t stride, reel_real *rows, int threads)
{
    if (bags->count > 0 && bags->columns > 0)
        REEL_PARALLEL_FOR(first, last, bags->count, bags_a_block(bags), threads,
                          spread_bags(first, last, bags, winners, factors, grad, stride, rows));
}

REEL_CLONES static reel_real product(int64_t n, const reel_real *a, const reel_real *b)
{
    reel_real sum[LANES] = {0}, total = 0;
    int64_t j = 0;
    for (; j + LANES <= n; j += LANES)
#pragma GCC unroll 16
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
    int64_t columns = bags->columns;
    for (int64_t b = first; b < last; b++) {
        const reel_real *g = grad + b * stride;
        reel_real share = shares ? shares[b] : 1;
        for (int64_t i = bags->starts[b]; i < bags->starts[b + 1]; i++) {
            int64_t row = row_at(bags, i);
            if (!winners)
                prefetch(bags, i, 0, bags->columns);
            reel_real x = winners || row == bags->padding ? 0 : share * product(columns, g, row_of(bags, row));
            out[i] = add ? out[i] + x : x;
        }
        for (int64_t j = 0; winners && j < columns; j++) {
            int64_t i = winners[b * columns + j];
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
