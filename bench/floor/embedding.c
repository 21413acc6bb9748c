#include "embedding.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    COLUMNS = FLOOR_EMBEDDING_COLUMNS,
    LINE = 16,   /* floats in a cache line */
    AHEAD = 12,  /* rows that are asked for before they are needed */
    BLOCK = 256, /* lookups that one thread takes at a time */
    ROWS = 32,   /* different rows that one thread updates at a time */
    PLACE_BITS = 20
};
static const uint64_t place_mask = ((uint64_t)1 << PLACE_BITS) - 1;

/* ---- Memory ---- */

/* Zeros that the system provides on first use, in pages of 2 MiB where it can: with small ones every lookup in a large
 * table misses the TLB. */
static void *map(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    madvise(memory, bytes, MADV_HUGEPAGE);
    return memory;
}

static void unmap(void *memory, size_t bytes)
{
    if (memory)
        munmap(memory, bytes);
}

static size_t moment_bytes(const struct floor_embedding *e, bool second)
{
    size_t row = COLUMNS * sizeof(float);
    switch (e->optim) {
    case FLOOR_EMBEDDING_LAZY_ADAM:
        return (size_t)e->rows * row;
    case FLOOR_EMBEDDING_ROWWISE_ADAGRAD:
        return second ? (size_t)e->rows * sizeof(float) : 0;
    default:
        return 0;
    }
}

bool floor_embedding_new(struct floor_embedding *e, int64_t rows, int64_t batch, enum floor_embedding_optim optim,
                         int threads)
{
    *e = (struct floor_embedding){.rows = rows, .batch = batch, .optim = optim, .threads = threads};
    size_t n = (size_t)batch, row = COLUMNS * sizeof(float);
    e->table = map((size_t)rows * row);
    size_t first = moment_bytes(e, false), second = moment_bytes(e, true);
    e->first = first ? map(first) : NULL;
    e->second = second ? map(second) : NULL;
    e->looked_up = map(n * row);
    e->grad = map(n * row);
    e->keys = map(n * sizeof *e->keys);
    e->other = map(n * sizeof *e->other);
    e->starts = map((n + 1) * sizeof *e->starts);
    e->losses = map((n / BLOCK + 1) * sizeof *e->losses);
    return e->table && (e->first || !first) && (e->second || !second) && e->looked_up && e->grad && e->keys &&
           e->other && e->starts && e->losses;
}

void floor_embedding_free(struct floor_embedding *e)
{
    size_t n = (size_t)e->batch, row = COLUMNS * sizeof(float);
    unmap(e->table, (size_t)e->rows * row);
    unmap(e->first, moment_bytes(e, false));
    unmap(e->second, moment_bytes(e, true));
    unmap(e->looked_up, n * row);
    unmap(e->grad, n * row);
    unmap(e->keys, n * sizeof *e->keys);
    unmap(e->other, n * sizeof *e->other);
    unmap(e->starts, (n + 1) * sizeof *e->starts);
    unmap(e->losses, (n / BLOCK + 1) * sizeof *e->losses);
    *e = (struct floor_embedding){0};
}

static inline void prefetch(const float *row)
{
    for (int j = 0; j < COLUMNS; j += LINE)
        __builtin_prefetch(row + j);
}

/* ---- Grouping by row ---- */

/* Sorts the batch by row, stably, in as few passes as digits of up to 12 bits allow, with all counts from one pass.
 * Leaves the sorted keys in e->keys and the beginning of each row in e->starts; gives how many rows there are. */
static int64_t group(struct floor_embedding *e, const int64_t *index)
{
    enum { DIGIT = 12, PASSES = 4 };
    uint32_t count[PASSES][1 << DIGIT];
    int64_t n = e->batch;
    int bits = 1;
    while (bits < 40 && (e->rows - 1) >> bits)
        bits++;
    int passes = (bits + DIGIT - 1) / DIGIT, digit = (bits + passes - 1) / passes;
    uint64_t mask = ((uint64_t)1 << digit) - 1;

    for (int p = 0; p < passes; p++)
        memset(count[p], 0, sizeof count[p][0] << digit);
    for (int64_t i = 0; i < n; i++)
        for (int p = 0; p < passes; p++)
            count[p][((uint64_t)index[i] >> (p * digit)) & mask]++;
    for (int p = 0; p < passes; p++) {
        uint32_t next = 0;
        for (uint64_t d = 0; d <= mask; d++) {
            uint32_t size = count[p][d];
            count[p][d] = next;
            next += size;
        }
    }
    for (int64_t i = 0; i < n; i++)
        e->keys[count[0][(uint64_t)index[i] & mask]++] = (uint64_t)index[i] << PLACE_BITS | (uint64_t)i;
    for (int p = 1; p < passes; p++) {
        int shift = PLACE_BITS + p * digit;
        for (int64_t i = 0; i < n; i++)
            e->other[count[p][(e->keys[i] >> shift) & mask]++] = e->keys[i];
        uint64_t *swap = e->keys;
        e->keys = e->other;
        e->other = swap;
    }
    int64_t rows = 0;
    e->starts[0] = 0;
    for (int64_t i = 1; i < n; i++) {
        e->starts[rows + 1] = i;
        rows += e->keys[i] >> PLACE_BITS != e->keys[i - 1] >> PLACE_BITS;
    }
    e->starts[++rows] = n;
    return rows;
}

static inline int64_t row_at(const struct floor_embedding *e, int64_t g)
{
    return (int64_t)(e->keys[e->starts[g]] >> PLACE_BITS);
}

/* ---- The update of one row ---- */

/* Adam's numbers of this step. */
struct rates {
    float step, correction;
};

static struct rates rates_of(struct floor_embedding *e)
{
    double t = (double)++e->steps;
    return (struct rates){(float)(1e-3 / (1 - pow(0.9, t))), (float)(1 / sqrt(1 - pow(0.999, t)))};
}

/* g, times scale, is the gradient of row r. */
static inline void update(const struct floor_embedding *e, struct rates rates, int64_t r, const float *g, float scale)
{
    float *w = e->table + r * COLUMNS;
    if (e->optim == FLOOR_EMBEDDING_SGD) {
        for (int j = 0; j < COLUMNS; j++)
            w[j] -= 100 * scale * g[j];
    } else if (e->optim == FLOOR_EMBEDDING_ROWWISE_ADAGRAD) {
        float lanes[LINE] = {0};
        for (int j = 0; j < COLUMNS; j += LINE)
            for (int k = 0; k < LINE; k++)
                lanes[k] += g[j + k] * g[j + k];
        float squares = 0;
        for (int k = 0; k < LINE; k++)
            squares += lanes[k];
        float sum = e->second[r] += squares * (scale * scale / COLUMNS);
        float step = 0.01f * scale / (sqrtf(sum) + 1e-10f);
        for (int j = 0; j < COLUMNS; j++)
            w[j] -= step * g[j];
    } else {
        const float beta1 = 0.9f, beta2 = 0.999f, eps = 1e-8f;
        float *m = e->first + r * COLUMNS, *v = e->second + r * COLUMNS;
        for (int j = 0; j < COLUMNS; j++) {
            float d = scale * g[j];
            m[j] = beta1 * m[j] + (1 - beta1) * d;
            v[j] = beta2 * v[j] + (1 - beta2) * d * d;
            w[j] -= rates.step * m[j] / (sqrtf(v[j]) * rates.correction + eps);
        }
    }
}

static inline void prefetch_state(const struct floor_embedding *e, int64_t r)
{
    if (e->optim == FLOOR_EMBEDDING_ROWWISE_ADAGRAD)
        __builtin_prefetch(e->second + r);
    if (e->optim == FLOOR_EMBEDDING_LAZY_ADAM) {
        prefetch(e->first + r * COLUMNS);
        prefetch(e->second + r * COLUMNS);
    }
}

/* ---- Passes ---- */

static double sum_losses(const struct floor_embedding *e, int64_t blocks)
{
    double sum = 0;
    for (int64_t b = 0; b < blocks; b++)
        sum += e->losses[b];
    return sum;
}

static inline float sum_lanes(const float *lanes)
{
    float sum = 0;
    for (int j = 0; j < COLUMNS; j++)
        sum += lanes[j];
    return sum;
}

/* grad[i] = table[index[i]] - target[i] for a block of lookups; gives the sum of squares. */
static double difference_block(const struct floor_embedding *e, const int64_t *index, const float *target,
                               int64_t first, int64_t end)
{
    float lanes[COLUMNS] = {0};
    for (int64_t i = first; i < end; i++) {
        if (i + AHEAD < e->batch)
            prefetch(e->table + index[i + AHEAD] * COLUMNS);
        const float *row = e->table + index[i] * COLUMNS, *wanted = target + i * COLUMNS;
        float *grad = e->grad + i * COLUMNS;
        for (int j = 0; j < COLUMNS; j++) {
            float d = row[j] - wanted[j];
            lanes[j] += d * d;
            grad[j] = d;
        }
    }
    return (double)sum_lanes(lanes);
}

/* Sums the gradient of each row from first to end - 1 of the groups and moves the row. */
static void update_rows(const struct floor_embedding *e, struct rates rates, float scale, int64_t first, int64_t end,
                        int64_t groups)
{
    for (int64_t g = first; g < end; g++) {
        if (g + AHEAD < groups)
            prefetch_state(e, row_at(e, g + AHEAD));
        float sum[COLUMNS] = {0};
        for (int64_t i = e->starts[g]; i < e->starts[g + 1]; i++) {
            if (i + AHEAD < e->batch)
                prefetch(e->grad + (int64_t)(e->keys[i + AHEAD] & place_mask) * COLUMNS);
            const float *grad = e->grad + (int64_t)(e->keys[i] & place_mask) * COLUMNS;
            for (int j = 0; j < COLUMNS; j++)
                sum[j] += grad[j];
        }
        update(e, rates, row_at(e, g), sum, scale);
    }
}

/* The same with the differences made on the way; gives the sum of their squares. */
static double step_rows(const struct floor_embedding *e, struct rates rates, const float *target, float scale,
                        int64_t first, int64_t end, int64_t groups)
{
    float lanes[COLUMNS] = {0};
    for (int64_t g = first; g < end; g++) {
        if (g + AHEAD < groups) {
            prefetch(e->table + row_at(e, g + AHEAD) * COLUMNS);
            prefetch_state(e, row_at(e, g + AHEAD));
        }
        const float *row = e->table + row_at(e, g) * COLUMNS;
        float sum[COLUMNS] = {0};
        for (int64_t i = e->starts[g]; i < e->starts[g + 1]; i++) {
            if (i + AHEAD < e->batch)
                prefetch(target + (int64_t)(e->keys[i + AHEAD] & place_mask) * COLUMNS);
            const float *wanted = target + (int64_t)(e->keys[i] & place_mask) * COLUMNS;
            for (int j = 0; j < COLUMNS; j++) {
                float d = row[j] - wanted[j];
                lanes[j] += d * d;
                sum[j] += d;
            }
        }
        update(e, rates, row_at(e, g), sum, scale);
    }
    return (double)sum_lanes(lanes);
}

static inline int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void update_all(const struct floor_embedding *e, struct rates rates, float scale, int64_t groups)
{
#pragma omp parallel for schedule(dynamic) num_threads(e->threads) if (e->threads > 1)
    for (int64_t g = 0; g < groups; g += ROWS)
        update_rows(e, rates, scale, g, least(g + ROWS, groups), groups);
}

float floor_embedding_fused(struct floor_embedding *e, const int64_t *index, const float *target)
{
    int64_t n = e->batch, groups = 0;
    struct rates rates = rates_of(e);
    /* One thread sorts while the others look up. */
#pragma omp parallel num_threads(e->threads) if (e->threads > 1)
    {
#pragma omp single nowait
        groups = group(e, index);
#pragma omp for schedule(dynamic)
        for (int64_t i = 0; i < n; i += BLOCK)
            e->losses[i / BLOCK] = difference_block(e, index, target, i, least(i + BLOCK, n));
    }
    double elements = (double)n * COLUMNS;
    update_all(e, rates, (float)(2 / elements), groups);
    return (float)(sum_losses(e, (n + BLOCK - 1) / BLOCK) / elements);
}

float floor_embedding_sorted(struct floor_embedding *e, const int64_t *index, const float *target)
{
    double elements = (double)e->batch * COLUMNS, sum = 0;
    struct rates rates = rates_of(e);
    int64_t groups = group(e, index);
#pragma omp parallel for schedule(dynamic) reduction(+ : sum) num_threads(e->threads) if (e->threads > 1)
    for (int64_t g = 0; g < groups; g += ROWS)
        sum += step_rows(e, rates, target, (float)(2 / elements), g, least(g + ROWS, groups), groups);
    return (float)(sum / elements);
}

static void look_up_block(const struct floor_embedding *e, const int64_t *index, int64_t first, int64_t end)
{
    for (int64_t i = first; i < end; i++) {
        if (i + AHEAD < e->batch)
            prefetch(e->table + index[i + AHEAD] * COLUMNS);
        memcpy(e->looked_up + i * COLUMNS, e->table + index[i] * COLUMNS, COLUMNS * sizeof *e->table);
    }
}

static double loss_block(const struct floor_embedding *e, const float *target, int64_t first, int64_t end)
{
    float lanes[COLUMNS] = {0};
    for (int64_t i = first; i < end; i++)
        for (int j = 0; j < COLUMNS; j++) {
            float d = e->looked_up[i * COLUMNS + j] - target[i * COLUMNS + j];
            lanes[j] += d * d;
        }
    return (double)sum_lanes(lanes);
}

static void grad_block(const struct floor_embedding *e, const float *target, float scale, int64_t first, int64_t end)
{
    for (int64_t i = first * COLUMNS; i < end * COLUMNS; i++)
        e->grad[i] = scale * (e->looked_up[i] - target[i]);
}

float floor_embedding_eager(struct floor_embedding *e, const int64_t *index, const float *target)
{
    int64_t n = e->batch;
    double elements = (double)n * COLUMNS;
    struct rates rates = rates_of(e);
#pragma omp parallel num_threads(e->threads) if (e->threads > 1)
    {
#pragma omp for
        for (int64_t i = 0; i < n; i += BLOCK)
            look_up_block(e, index, i, least(i + BLOCK, n));
#pragma omp for
        for (int64_t i = 0; i < n; i += BLOCK)
            e->losses[i / BLOCK] = loss_block(e, target, i, least(i + BLOCK, n));
#pragma omp for
        for (int64_t i = 0; i < n; i += BLOCK)
            grad_block(e, target, (float)(2 / elements), i, least(i + BLOCK, n));
    }
    update_all(e, rates, 1, group(e, index));
    return (float)(sum_losses(e, (n + BLOCK - 1) / BLOCK) / elements);
}
