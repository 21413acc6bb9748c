#include "kern/rows.h"

#include "base/clones.h"

#include <string.h>

enum { RADIX_BITS = 11, BUCKETS = 1 << RADIX_BITS, BLOCK = 256, TILE = 64 };

struct reel_occurrence *reel_kern_sort_occurrences(struct reel_occurrence *occurrences, struct reel_occurrence *other,
                                                   int64_t count)
{
    int64_t largest = 0;
    for (int64_t i = 0; i < count; i++)
        largest = occurrences[i].row > largest ? occurrences[i].row : largest;
    for (int shift = 0; shift < 63 && (largest >> shift) > 0; shift += RADIX_BITS) {
        int64_t place[BUCKETS] = {0};
        for (int64_t i = 0; i < count; i++)
            place[(occurrences[i].row >> shift) & (BUCKETS - 1)]++;
        int64_t next = 0;
        for (int b = 0; b < BUCKETS; b++) {
            int64_t size = place[b];
            place[b] = next;
            next += size;
        }
        for (int64_t i = 0; i < count; i++)
            other[place[(occurrences[i].row >> shift) & (BUCKETS - 1)]++] = occurrences[i];
        struct reel_occurrence *swap = occurrences;
        occurrences = other;
        other = swap;
    }
    return occurrences;
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

REEL_CLONES
static void sum_tile(const struct reel_occurrence *occurrences, int64_t count, int64_t offset, int width,
                     reel_real *total)
{
    for (int64_t first = 0; first < count; first += BLOCK) {
        int64_t end = first + BLOCK < count ? first + BLOCK : count;
        reel_real block[TILE];
        for (int j = 0; j < width; j++)
            block[j] = occurrences[first].values[offset + j];
        for (int64_t i = first + 1; i < end; i++) {
            const reel_real *values = occurrences[i].values + offset;
            for (int j = 0; j < width; j++)
                block[j] += values[j];
        }
        for (int j = 0; j < width; j++)
            total[j] = first == 0 ? block[j] : total[j] + block[j];
    }
}

void reel_kern_sum_occurrences(const struct reel_occurrence *occurrences, int64_t count, int64_t columns, bool add,
                               reel_real *out)
{
    for (int64_t offset = 0; offset < columns; offset += TILE) {
        int width = columns - offset < TILE ? (int)(columns - offset) : TILE;
        reel_real total[TILE];
        sum_tile(occurrences, count, offset, width, total);
        for (int j = 0; j < width; j++)
            out[offset + j] = add ? out[offset + j] + total[j] : total[j];
    }
}
