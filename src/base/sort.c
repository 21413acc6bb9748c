/* Sorting that does not recurse, and needs no memory. */
#include "base/sort.h"

static void sift_down(int64_t *heap, int64_t at, int64_t n, reel_before before, const void *user)
{
    int64_t item = heap[at];
    for (int64_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && before(user, heap[child], heap[child + 1]))
            child++;
        if (!before(user, item, heap[child]))
            break;
        heap[at] = heap[child];
    }
    heap[at] = item;
}

void reel_heap_sort(int64_t *items, int64_t n, reel_before before, const void *user)
{
    for (int64_t i = n / 2; i-- > 0;)
        sift_down(items, i, n, before, user);
    for (int64_t left = n - 1; left > 0; left--) {
        int64_t last = items[0];
        items[0] = items[left];
        items[left] = last;
        sift_down(items, 0, left, before, user);
    }
}
