/* A number for each of consecutive steps (a learning rate, a weight), and the version that a param had then: run-length
 * coded, since both mostly go on as they began. */
#ifndef REEL_TRAIN_HISTORY_H
#define REEL_TRAIN_HISTORY_H

#include "base/memory.h"

/* More runs than this are not kept: whoever has put something off does it then. */
enum { REEL_HISTORY_RUNS = 65536 };

/* Steps from `first` to the next run's: step s had `value` and the version `version + (s - first) * stride`. */
struct reel_history_run {
    int64_t first;
    double value;
    uint64_t version, stride;
};

struct reel_history {
    struct reel_history_run *runs;
    int64_t count, capacity;
    int64_t next; /* the step that is appended next */
    double smallest, largest;
};

/* Forgets everything; `next` is the step that comes next. */
void reel_history_clear(struct reel_history *history, int64_t next);
void reel_history_free(struct reel_history *history, struct reel_memory *memory);

/* Room for one step more; false when memory ran out. */
bool reel_history_reserve(struct reel_history *history, struct reel_memory *memory);

/* Whether the next step may need a run too many. */
bool reel_history_is_full(const struct reel_history *history);

/* There must be room. */
void reel_history_append(struct reel_history *history, double value, uint64_t version);

/* The run that a step is in; the step must have been appended. */
int64_t reel_history_find(const struct reel_history *history, int64_t step);

static inline uint64_t reel_history_version(const struct reel_history_run *run, int64_t step)
{
    return run->version + (uint64_t)(step - run->first) * run->stride;
}

/* How many steps of the history had a version of at most this. */
int64_t reel_history_count_until(const struct reel_history *history, uint64_t version);

#endif
