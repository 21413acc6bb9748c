/* What may live here: work on the rows of one rank, as plain arrays, on the way to or from their owners. */
#include "table_rows.h"

#include <string.h>

enum { DIGIT = 11, DIGITS = 1 << DIGIT };

void reel_mpi_order_keys(int64_t n, const int64_t *keys, int64_t bound, int64_t *order, int64_t *scratch)
{
    int passes = 1;
    while (passes * DIGIT < 63 && (bound - 1) >> passes * DIGIT > 0)
        passes++;
    /* The last pass writes to `order`. */
    int64_t *from = passes % 2 ? scratch : order, *to = passes % 2 ? order : scratch;
    for (int64_t i = 0; i < n; i++)
        from[i] = i;
    for (int pass = 0; pass < passes; pass++) {
        int64_t place[DIGITS] = {0}, sum = 0;
        for (int64_t i = 0; i < n; i++)
            place[keys[i] >> pass * DIGIT & (DIGITS - 1)]++;
        for (int digit = 0; digit < DIGITS; digit++) {
            int64_t count = place[digit];
            place[digit] = sum;
            sum += count;
        }
        for (int64_t i = 0; i < n; i++)
            to[place[keys[from[i]] >> pass * DIGIT & (DIGITS - 1)]++] = from[i];
        int64_t *other = from;
        from = to;
        to = other;
    }
}

int64_t reel_mpi_unique_keys(int64_t n, const int64_t *keys, const int64_t *order, int64_t *unique, int64_t *inverse)
{
    int64_t count = 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t key = keys[order[i]];
        if (count == 0 || unique[count - 1] != key)
            unique[count++] = key;
        inverse[order[i]] = count - 1;
    }
    return count;
}

/* The height at which two leaves of the tree meet: 0 for the same leaf. */
static int meeting(int64_t a, int64_t b)
{
    int height = 0;
    for (uint64_t differ = (uint64_t)(a ^ b); differ > 0; differ >>= 1)
        height++;
    return height;
}

static void add_row(int64_t columns, const reel_real *from, reel_real *to)
{
    for (int64_t j = 0; j < columns; j++)
        to[j] += from[j];
}

/* Sums the rows at the n places; the sum is in the first. */
static void sum_group(int64_t n, const int64_t *places, const int64_t *leaves, int64_t columns, reel_real *values)
{
    /* Sums that wait for their right neighbour, and where each meets the one before: ever lower. */
    int64_t waiting[65];
    int height[65], count = 0;
    for (int64_t i = 0; i <= n; i++) {
        int next = i == n ? 64 : i == 0 ? 0 : meeting(leaves[places[i - 1]], leaves[places[i]]);
        while (count > 1 && height[count - 1] <= next) {
            count--;
            add_row(columns, values + waiting[count] * columns, values + waiting[count - 1] * columns);
        }
        if (i < n) {
            waiting[count] = places[i];
            height[count++] = next;
        }
    }
}

int64_t reel_mpi_sum_rows(int64_t n, const int64_t *keys, const int64_t *order, const int64_t *leaves, int64_t columns,
                          reel_real *values, int64_t *first)
{
    int64_t count = 0;
    for (int64_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && keys[order[end]] == keys[order[i]]; end++)
            ;
        sum_group(end - i, order + i, leaves, columns, values);
        first[count++] = order[i];
    }
    return count;
}
