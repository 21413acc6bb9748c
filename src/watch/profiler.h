/* What a profiler has counted, as a tree. */
#ifndef REEL_WATCH_INSIDE_PROFILER_H
#define REEL_WATCH_INSIDE_PROFILER_H

#include "run.h"

#include <reel/inspect.h>
#include <reel/watch/profiler.h>

enum { PROFILER_DEPTH = 64, PROFILER_FOUND = 256, PROFILER_NAME = 64, PROFILER_WHOLE_STEPS = 16 };

/* A range or an operation, in what it ran in; links are places in the list of nodes, 0 the root. */
struct profile_node {
    const reel_op *op;        /* NULL: a range */
    const char *layer;        /* what the call said, to be found again quickly */
    char name[PROFILER_NAME]; /* of the range, or of the layer; "": none */
    reel_call_phase phase;
    int parent, first_child, last_child, next;
    int64_t count;
    struct profile_time {
        int64_t count;
        uint64_t ticks;
    } whole, sampled; /* of the calls in steps that are all timed, and in those that stand for others */
    double flops, bytes;
    int64_t sizes[3]; /* of the last call: elements of the first two inputs and of the first output ... */
    reel_cost cost;   /* ... and what it said of itself, which costs as much as all else here */
};

struct profile_event {
    int node;
    uint64_t begin, end;
};

struct reel_profiler {
    reel_context *context;
    reel_profiler_options options;
    struct list nodes;         /* struct profile_node */
    int found[PROFILER_FOUND]; /* by a hash, the node that was found last; 0: none */
    struct list events;
    struct profile_open {
        int node;
        enum profile_timing { TIMED_NOT, TIMED_WHOLE, TIMED_SAMPLED } timing;
        uint64_t begin;
    } open[PROFILER_DEPTH]; /* what runs; open[0] is the root */
    int depth;
    int lost; /* of what is open, how much found no room */
    int64_t steps;
    enum profile_timing timing; /* of calls in this step */
    int64_t sampled_step;       /* of `every` steps, the one that is timed */
    uint32_t random;
    bool stopped, incomplete;
    uint64_t begin_ticks, end_ticks;
    double begin_seconds, end_seconds;
};

/* Seconds of so many ticks. */
double profiler_seconds(const reel_profiler *p, uint64_t ticks);

/* How many ticks have been counted: until the stop, or now. */
uint64_t profiler_ticks(const reel_profiler *p);

/* How long a node's calls took in all, those that were not timed included; and without what ran inside them. */
uint64_t profiler_node_ticks(const reel_profiler *p, int64_t node);
uint64_t profiler_own_ticks(const reel_profiler *p, int64_t node);

/* Appends the profile as JSON, for the report. */
void profiler_put_json(const reel_profiler *p, struct buffer *b);

#endif
