/* What may live here: occurrences of rows, their order, and their sums. */
#include "kern/rows.h"

#include "base/clones.h"
#include "kern/lookup.h"
#include "kern/parallel.h"

#include <string.h>

enum { RADIX_BITS = 11, BUCKETS = 1 << RADIX_BITS, SMALLEST_PART = 8192, TILE = 64, GROUPS = 16 };

/* Each thread takes one part of the keys, in order, and those of the same digit go next to each other in the order of
 * the parts: a stable sort has one result, so the parts may depend on the number of threads. */
struct sort_pass {
    const uint64_t *from;
    uint64_t *to;
    int64_t count, part; /* keys; how many of them are a part */
    int64_t (*places)[BUCKETS];
    int shift, digit;
};

static int64_t parts_of(int64_t count, int threads)
{
    int64_t parts = count / SMALLEST_PART;
    return parts < 1 ? 1 : parts < threads ? parts : threads;
}

size_t reel_kern_sort_room(int64_t count, int threads)
{
    return (size_t)parts_of(count, threads) * sizeof(int64_t[BUCKETS]);
}

static void count_part(void *user, int64_t part, int thread)
{
    const struct sort_pass *p = user;
    int64_t *place = p->places[part], first = part * p->part;
    int64_t end = p->count - first < p->part ? p->count : first + p->part;
    const uint64_t mask = ((uint64_t)1 << p->digit) - 1;
    const int shift = p->shift;
    (void)thread;
    memset(place, 0, sizeof *place << p->digit);
    for (int64_t i = first; i < end; i++)
        place[p->from[i] >> shift & mask]++;
}

static void move_part(void *user, int64_t part, int thread)
{
    const struct sort_pass *p = user;
    int64_t *place = p->places[part], first = part * p->part;
    int64_t end = p->count - first < p->part ? p->count : first + p->part;
    const uint64_t mask = ((uint64_t)1 << p->digit) - 1;
    const int shift = p->shift;
    const uint64_t *from = p->from;
    uint64_t *to = p->to;
    (void)thread;
    for (int64_t i = first; i < end; i++)
        to[place[from[i] >> shift & mask]++] = from[i];
}

uint64_t *reel_kern_sort_keys(uint64_t *keys, uint64_t *other, int64_t count, int low, int bits, void *places,
                              int threads)
{
    int64_t parts = parts_of(count, threads);
    int passes = (bits + RADIX_BITS - 1) / RADIX_BITS;
    struct sort_pass p = {.count = count, .part = (count + parts - 1) / parts, .places = places};
    for (int done = 0; passes > 0; passes--) {
        /* Digits of about the same size. */
        p.shift = low + done;
        p.digit = (bits - done + passes - 1) / passes;
        done += p.digit;
        p.from = keys;
        p.to = other;
        reel_kern_for_each(parts, threads, count_part, &p);
        int64_t next = 0;
        for (int64_t b = 0; b < (int64_t)1 << p.digit; b++)
            for (int64_t part = 0; part < parts; part++) {
                int64_t size = p.places[part][b];
                p.places[part][b] = next;
                next += size;
            }
        reel_kern_for_each(parts, threads, move_part, &p);
        uint64_t *swap = keys;
        keys = other;
        other = swap;
    }
    return keys;
}

int64_t reel_kern_group_occurrences(const struct reel_occurrence *sorted, int64_t count, int64_t *starts)
{
    int64_t groups = 0;
    for (int64_t i = 0; i < count; i++)
        if (i == 0 || sorted[i].row != sorted[i - 1].row)
            starts[groups++] = i;
    starts[groups] = count;
    return groups;
}

/* Occurrences that are asked for before they are summed, those of the next groups too. */
enum { AHEAD = 12, LINE = 64 / sizeof(reel_real) };

static inline void prefetch(const reel_real *values, int64_t n)
{
    for (int64_t i = 0; i < n; i += LINE)
        __builtin_prefetch(values + i, 0);
}

/* out[offset..offset + width) = (add ? out : 0) + the sum there. There are `known` occurrences, of which the first
 * `count` are summed. */
static inline __attribute__((always_inline)) void sum_columns(const struct reel_occurrence *occurrences, int64_t count,
                                                              int64_t known, int64_t offset, int width, bool add,
                                                              reel_real *restrict out)
{
    reel_real total[TILE];
    for (int64_t first = 0; first < count; first += REEL_KERN_OCCURRENCES) {
        int64_t end = first + REEL_KERN_OCCURRENCES < count ? first + REEL_KERN_OCCURRENCES : count;
        reel_real block[TILE];
        if (first + AHEAD < known)
            prefetch(occurrences[first + AHEAD].values + offset, width);
        for (int j = 0; j < width; j++)
            block[j] = occurrences[first].values[offset + j];
        for (int64_t i = first + 1; i < end; i++) {
            const reel_real *values = occurrences[i].values + offset;
            if (i + AHEAD < known)
                prefetch(occurrences[i + AHEAD].values + offset, width);
            for (int j = 0; j < width; j++)
                block[j] += values[j];
        }
        for (int j = 0; j < width; j++)
            total[j] = first == 0 ? block[j] : total[j] + block[j];
    }
    for (int j = 0; j < width; j++)
        out[offset + j] = add ? out[offset + j] + total[j] : total[j];
}

REEL_CLONES
static void sum_tile(const struct reel_occurrence *occurrences, int64_t count, int64_t known, int64_t offset, bool add,
                     reel_real *out)
{
    sum_columns(occurrences, count, known, offset, TILE, add, out);
}

REEL_CLONES
static void sum_part_of_tile(const struct reel_occurrence *occurrences, int64_t count, int64_t known, int64_t offset,
                             int width, bool add, reel_real *out)
{
    sum_columns(occurrences, count, known, offset, width, add, out);
}

static void sum_occurrences(const struct reel_occurrence *occurrences, int64_t count, int64_t known, int64_t columns,
                            bool add, reel_real *out)
{
    int64_t offset = 0;
    for (; offset + TILE <= columns; offset += TILE)
        sum_tile(occurrences, count, known, offset, add, out);
    if (offset < columns)
        sum_part_of_tile(occurrences, count, known, offset, (int)(columns - offset), add, out);
}

void reel_kern_sum_occurrences(const struct reel_occurrence *occurrences, int64_t count, int64_t columns, bool add,
                               reel_real *out)
{
    sum_occurrences(occurrences, count, count, columns, add, out);
}

/* ---- Groups ---- */

/* The sum of occurrences first..first + count - 1 of the groups. */
static void sum_range(const struct reel_row_groups *groups, int64_t first, int64_t count, int64_t columns, bool add,
                      reel_real *out)
{
    const int64_t known = groups->starts[groups->count] - first;
    if (groups->formula)
        reel_kern_sum_formed(groups->formula, groups->occurrences + first, count, known, columns, add, out);
    else
        sum_occurrences(groups->occurrences + first, count, known, columns, add, out);
}

REEL_CLONES
static void sum_rows_in_order(int64_t count, int64_t columns, const reel_real *restrict rows, bool add,
                              reel_real *restrict out)
{
    for (int64_t first = 0; first < columns; first += TILE) {
        int64_t width = columns - first < TILE ? columns - first : TILE;
        reel_real total[TILE];
        for (int64_t j = 0; j < width; j++)
            total[j] = rows[first + j];
        for (int64_t i = 1; i < count; i++)
            for (int64_t j = 0; j < width; j++)
                total[j] += rows[i * columns + first + j];
        for (int64_t j = 0; j < width; j++)
            out[first + j] = add ? out[first + j] + total[j] : total[j];
    }
}

void reel_kern_sum_group(const struct reel_row_groups *groups, int64_t group, int64_t columns, bool add, reel_real *out)
{
    const int64_t *partial = groups->partial_starts ? groups->partial_starts + group : NULL;
    if (partial && partial[1] > partial[0])
        sum_rows_in_order(partial[1] - partial[0], columns, groups->partials + partial[0] * columns, add, out);
    else
        sum_range(groups, groups->starts[group], groups->starts[group + 1] - groups->starts[group], columns, add, out);
}

int64_t reel_kern_count_partials(struct reel_row_groups *groups)
{
    int64_t total = 0;
    for (int64_t g = 0; g < groups->count; g++) {
        int64_t count = groups->starts[g + 1] - groups->starts[g];
        groups->partial_starts[g] = total;
        total += count > REEL_KERN_OCCURRENCES ? (count + REEL_KERN_OCCURRENCES - 1) / REEL_KERN_OCCURRENCES : 0;
    }
    groups->partial_starts[groups->count] = total;
    return total;
}

struct partial_sums {
    struct reel_row_groups *groups;
    int64_t columns;
};

static void sum_partial(void *user, int64_t partial, int thread)
{
    const struct partial_sums *sums = user;
    const struct reel_row_groups *groups = sums->groups;
    (void)thread;
    /* The last group that begins at or before it: those without partials begin where the next one does. */
    int64_t low = 0, high = groups->count - 1;
    while (low < high) {
        int64_t middle = (low + high + 1) / 2;
        if (groups->partial_starts[middle] <= partial)
            low = middle;
        else
            high = middle - 1;
    }
    int64_t first = groups->starts[low] + (partial - groups->partial_starts[low]) * REEL_KERN_OCCURRENCES;
    int64_t count = groups->starts[low + 1] - first;
    sum_range(groups, first, count < REEL_KERN_OCCURRENCES ? count : REEL_KERN_OCCURRENCES, sums->columns, false,
              groups->partials + partial * sums->columns);
}

void reel_kern_sum_partials(struct reel_row_groups *groups, int64_t columns, int threads)
{
    struct partial_sums sums = {groups, columns};
    reel_kern_for_each(groups->partial_starts[groups->count], threads, sum_partial, &sums);
}

static void scatter_between(const struct reel_row_groups *groups, int64_t first, int64_t last, int64_t columns,
                            bool add, reel_real *table)
{
    for (int64_t g = first; g < last; g++)
        reel_kern_sum_group(groups, g, columns, add, table + groups->occurrences[groups->starts[g]].row * columns);
}

void reel_kern_scatter_groups(const struct reel_row_groups *groups, int64_t columns, bool add, reel_real *table,
                              int threads)
{
    bool little = groups->count == 0 || groups->starts[groups->count] * columns <= REEL_BLOCK;
    REEL_PARALLEL_FOR(first, last, groups->count, GROUPS, little ? 1 : threads,
                      scatter_between(groups, first, last, columns, add, table));
}
