/* Rows of a spread table as plain arrays: where they are, duplicates, and sums over a tree. */
#include "helpers.h"

#include "table_rows.h"

enum { MOST = 4096 };

static uint64_t state;

static int64_t below(int64_t n)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (int64_t)((state >> 33) % (uint64_t)n);
}

static void every_row_has_one_place(void)
{
    for (int ranks = 1; ranks <= 9; ranks++)
        for (int64_t rows = 0; rows <= 40; rows++) {
            bool taken[64] = {false};
            int64_t height = reel_mpi_height(rows, ranks), sum = 0;
            for (int rank = 0; rank < ranks; rank++)
                sum += reel_mpi_rows_of_rank(rows, ranks, rank);
            CHECK(sum == rows, "%lld of %lld rows have an owner", (long long)sum, (long long)rows);
            for (int64_t row = 0; row < rows; row++) {
                int64_t key = reel_mpi_row_key(row, height, ranks), owner = key / height, place = key % height;
                CHECK(owner == row % ranks && place < reel_mpi_rows_of_rank(rows, ranks, (int)owner) &&
                          place * ranks + owner == row && !taken[key],
                      "row %lld of %lld has key %lld of %d ranks", (long long)row, (long long)rows, (long long)key,
                      ranks);
                taken[key] = true;
            }
        }
}

static void keys_are_ordered_stably_and_counted_once(void)
{
    static int64_t keys[MOST], order[MOST], scratch[MOST], unique[MOST], inverse[MOST];
    const int64_t bounds[] = {1, 2, 100, 1 << 11, (1 << 11) + 1, 1 << 22, (1 << 22) + 1, INT64_MAX};
    for (size_t b = 0; b < sizeof bounds / sizeof *bounds; b++)
        for (int64_t n = 0; n <= MOST; n = n * 4 + 1) {
            for (int64_t i = 0; i < n; i++)
                keys[i] = i % 3 == 1 ? keys[i - 1] : bounds[b] - 1 - below(bounds[b] < 1000 ? bounds[b] : 1000);
            reel_mpi_order_keys(n, keys, bounds[b], order, scratch);
            for (int64_t i = 1; i < n; i++)
                CHECK(keys[order[i - 1]] < keys[order[i]] ||
                          (keys[order[i - 1]] == keys[order[i]] && order[i - 1] < order[i]),
                      "bound %lld, n %lld, place %lld", (long long)bounds[b], (long long)n, (long long)i);
            int64_t count = reel_mpi_unique_keys(n, keys, order, unique, inverse);
            for (int64_t k = 1; k < count; k++)
                CHECK(unique[k - 1] < unique[k], "bound %lld, n %lld: key %lld", (long long)bounds[b], (long long)n,
                      (long long)k);
            for (int64_t i = 0; i < n; i++)
                CHECK(inverse[i] >= 0 && inverse[i] < count && unique[inverse[i]] == keys[i],
                      "bound %lld, n %lld: which key %lld is", (long long)bounds[b], (long long)n, (long long)i);
        }
}

/* The sum of a key over leaves first..first + size - 1 (size a power of two), from the definition. */
static bool tree_sum(int64_t n, const int64_t *keys, const int64_t *leaves, const reel_real *values, int64_t key,
                     int64_t first, int64_t size, reel_real *sum)
{
    bool any = false;
    if (size == 1) {
        for (int64_t i = 0; i < n; i++)
            if (keys[i] == key && leaves[i] == first) {
                *sum = any ? *sum + values[i] : values[i];
                any = true;
            }
        return any;
    }
    reel_real right;
    any = tree_sum(n, keys, leaves, values, key, first, size / 2, sum);
    if (!tree_sum(n, keys, leaves, values, key, first + size / 2, size / 2, &right))
        return any;
    *sum = any ? *sum + right : right;
    return true;
}

enum { LEAVES = 16, PARTS = 4, N = 300, KEYS = 25 };
static int64_t keys[N], leaves[N], order[N], scratch[N], first[N];
static reel_real values[N];

static int64_t sum(int64_t n, const int64_t *of_keys, const int64_t *of_leaves, int64_t columns, reel_real *rows)
{
    reel_mpi_order_keys(n, of_keys, KEYS, order, scratch);
    return reel_mpi_sum_rows(n, of_keys, order, of_leaves, columns, rows, first);
}

static void sums_are_those_of_a_tree(int *different)
{
    static reel_real sums[N], rows[3 * N];
    memcpy(sums, values, sizeof values);
    for (int64_t i = 0; i < 3 * N; i++)
        rows[i] = (reel_real)(1 << i % 3) * values[i / 3];
    int64_t count = sum(N, keys, leaves, 3, rows);
    CHECK(sum(N, keys, leaves, 1, sums) == count, "the number of columns changes that of keys");
    for (int64_t k = 0; k < count; k++) {
        reel_real want = 0, naive = 0;
        CHECK(tree_sum(N, keys, leaves, values, keys[first[k]], 0, LEAVES, &want), "a key that nobody has");
        CHECK(sums[first[k]] == want, "key %lld: %.17g instead of %.17g", (long long)k, (double)sums[first[k]],
              (double)want);
        for (int j = 0; j < 3; j++)
            CHECK(rows[3 * first[k] + j] == (reel_real)(1 << j) * want, "key %lld, column %d", (long long)k, j);
        for (int64_t i = 0; i < N; i++)
            naive += keys[i] == keys[first[k]] ? values[i] : 0;
        *different += naive != want;
    }
}

static void sums_of_parts_are_those_of_all(void)
{
    static int64_t part_keys[N], part_leaves[N];
    static reel_real sums[N], piece[N], part_values[N];
    int64_t m = 0, per_part = N / PARTS;
    for (int64_t part = 0; part < PARTS; part++) {
        memcpy(piece, values + part * per_part, (size_t)per_part * sizeof *piece);
        int64_t count = sum(per_part, keys + part * per_part, leaves + part * per_part, 1, piece);
        for (int64_t k = 0; k < count; k++, m++) {
            part_keys[m] = keys[part * per_part + first[k]];
            part_leaves[m] = part;
            part_values[m] = piece[first[k]];
        }
    }
    int64_t count = sum(m, part_keys, part_leaves, 1, part_values);
    static int64_t of_parts[N];
    memcpy(of_parts, first, sizeof first);
    memcpy(sums, values, sizeof values);
    CHECK(sum(N, keys, leaves, 1, sums) == count, "parts have other keys");
    for (int64_t k = 0; k < count; k++)
        CHECK(sums[first[k]] == part_values[of_parts[k]], "key %lld", (long long)k);
}

int main(int argc, char **argv)
{
    MPI_Init(&argc, &argv);
    every_row_has_one_place();
    keys_are_ordered_stably_and_counted_once();
    int different = 0;
    for (int trial = 0; trial < 20; trial++) {
        for (int64_t i = 0; i < N; i++) {
            keys[i] = below(KEYS);
            leaves[i] = i * LEAVES / N;
            values[i] = (reel_real)below(1 << 30) / (reel_real)(1 + below(1 << 20));
        }
        sums_are_those_of_a_tree(&different);
        sums_of_parts_are_those_of_all();
    }
    CHECK(different > 0, "the order of a sum never mattered");
    return MPI_Finalize();
}
