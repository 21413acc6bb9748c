/* A stable sort that neither recurses nor allocates, of keys that stand for elements of any type. */
#include "kern/sort.h"

#include "kern/parallel.h"

#include <string.h>

typedef struct reel_kern_key key;

static uint64_t key_of(reel_dtype dtype, const void *x, int64_t i)
{
    switch (dtype) {
    case REEL_REAL: {
        reel_real value = ((const reel_real *)x)[i];
        if (value != value)
            return UINT64_MAX;
        value = value == 0 ? 0 : value;
#ifdef REEL_F64
        uint64_t bits;
        const uint64_t sign = UINT64_C(1) << 63;
#else
        uint32_t bits;
        const uint32_t sign = UINT32_C(1) << 31;
#endif
        memcpy(&bits, &value, sizeof bits);
        return bits & sign ? (bits ^ sign ^ (sign - 1)) : bits | sign; /* the magnitudes of negative numbers fall */
    }
    case REEL_INT64:
        return (uint64_t)((const int64_t *)x)[i] ^ UINT64_C(1) << 63;
    case REEL_INT32:
        return (uint64_t)((const int32_t *)x)[i] ^ UINT64_C(1) << 63;
    default:
        return ((const unsigned char *)x)[i];
    }
}

enum { RUN = 16 };

static void sort_run(key *keys, int64_t n)
{
    for (int64_t i = 1; i < n; i++) {
        key item = keys[i];
        int64_t j = i;
        for (; j > 0 && keys[j - 1].key > item.key; j--)
            keys[j] = keys[j - 1];
        keys[j] = item;
    }
}

static void merge(const key *a, const key *a_end, const key *b, const key *b_end, key *to)
{
    while (a < a_end && b < b_end)
        *to++ = b->key < a->key ? *b++ : *a++;
    while (a < a_end)
        *to++ = *a++;
    while (b < b_end)
        *to++ = *b++;
}

/* Sorts n keys, with room for as many at `spare`. */
static void sort_keys(key *keys, int64_t n, key *spare)
{
    for (int64_t i = 0; i < n; i += RUN)
        sort_run(keys + i, n - i < RUN ? n - i : RUN);
    key *from = keys, *to = spare;
    for (int64_t width = RUN; width < n; width *= 2) {
        for (int64_t i = 0; i < n; i += 2 * width) {
            int64_t middle = n - i < width ? n : i + width, end = n - i < 2 * width ? n : i + 2 * width;
            merge(from + i, from + middle, from + middle, from + end, to + i);
        }
        key *sorted = to;
        to = from;
        from = sorted;
    }
    if (from != keys)
        memcpy(keys, from, (size_t)n * sizeof *keys);
}

/* Candidates that are kept until they are sorted and the worse half is dropped. */
static int64_t capacity(int64_t n, int64_t k)
{
    const int64_t least = 256;
    int64_t wanted = k < least / 2 ? least : k < n / 2 ? 2 * k : n;
    return wanted < n ? wanted : n;
}

int64_t reel_kern_sort_lines_room(int64_t n, int64_t k)
{
    return 2 * capacity(n, k);
}

struct lines {
    reel_dtype dtype;
    int64_t n, inner, k;
    bool descending;
    const char *x;
    int64_t *places;
    key *room;
};

/* One line: what is not better than the k-th best so far is passed over, and of equal keys the earlier one is better.
 */
static void sort_line(void *user, int64_t line, int thread)
{
    const struct lines *l = user;
    const int64_t most = capacity(l->n, l->k), outer = line / l->inner, column = line % l->inner;
    const char *x = l->x + (size_t)(outer * l->n * l->inner + column) * reel_dtype_size(l->dtype);
    const uint64_t flip = l->descending ? UINT64_MAX : 0;
    key *keys = l->room + thread * 2 * most;
    int64_t count = 0;
    bool bounded = false;
    for (int64_t i = 0; i < l->n; i++) {
        key candidate = {key_of(l->dtype, x, i * l->inner) ^ flip, i};
        if (bounded && candidate.key >= keys[l->k - 1].key)
            continue;
        keys[count++] = candidate;
        if (count == most && i + 1 < l->n) {
            sort_keys(keys, count, keys + most);
            count = l->k;
            bounded = true;
        }
    }
    sort_keys(keys, count, keys + most);
    int64_t *places = l->places + outer * l->k * l->inner + column;
    for (int64_t i = 0; i < l->k; i++)
        places[i * l->inner] = keys[i].place;
}

void reel_kern_sort_lines(reel_dtype dtype, int64_t outer, int64_t n, int64_t inner, int64_t k, bool descending,
                          const void *x, int64_t *places, struct reel_kern_key *room, int threads)
{
    struct lines l = {dtype, n, inner, k, descending, x, places, room};
    if (outer > 0 && inner > 0 && k > 0)
        reel_kern_for_each(outer * inner, outer * inner * n > REEL_BLOCK ? threads : 1, sort_line, &l);
}
