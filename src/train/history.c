/* What happened in the steps that a row missed, run-length coded. */
#include "train/history.h"

void reel_history_clear(struct reel_history *history, int64_t next)
{
    history->count = 0;
    history->next = next;
}

void reel_history_free(struct reel_history *history, struct reel_memory *memory)
{
    reel_free(memory, history->runs);
    *history = (struct reel_history){0};
}

bool reel_history_reserve(struct reel_history *history, struct reel_memory *memory)
{
    return reel_history_is_full(history) || reel_grow(memory, (void **)&history->runs, history->count,
                                                      &history->capacity, history->count + 1, sizeof *history->runs);
}

bool reel_history_is_full(const struct reel_history *history)
{
    return history->count == REEL_HISTORY_RUNS;
}

void reel_history_append(struct reel_history *history, double value, uint64_t version)
{
    int64_t step = history->next++;
    struct reel_history_run *last = history->count > 0 ? &history->runs[history->count - 1] : NULL;
    if (last && last->value == value) {
        /* The second step of a run decides by how much the version grows. */
        if (step == last->first + 1)
            last->stride = version - last->version;
        if (reel_history_version(last, step) == version)
            return;
    }
    if (history->count == 0 || value < history->smallest)
        history->smallest = value;
    if (history->count == 0 || value > history->largest)
        history->largest = value;
    history->runs[history->count++] = (struct reel_history_run){step, value, version, 0};
}

int64_t reel_history_find(const struct reel_history *history, int64_t step)
{
    int64_t low = 0, high = history->count - 1;
    while (low < high) {
        int64_t middle = (low + high + 1) / 2;
        if (history->runs[middle].first <= step)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

int64_t reel_history_count_until(const struct reel_history *history, uint64_t version)
{
    int64_t low = -1, high = history->count - 1;
    while (low < high) {
        int64_t middle = (low + high + 1) / 2;
        if (history->runs[middle].version <= version)
            low = middle;
        else
            high = middle - 1;
    }
    if (low < 0)
        return 0;
    const struct reel_history_run *run = &history->runs[low];
    int64_t end = low + 1 < history->count ? run[1].first : history->next;
    int64_t in_run = end - run->first;
    if (run->stride > 0 && (version - run->version) / run->stride < (uint64_t)in_run)
        in_run = (int64_t)((version - run->version) / run->stride) + 1;
    return run->first + in_run - history->runs[0].first;
}
