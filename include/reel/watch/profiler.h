/* Where the time of a training goes: by operation and layer, forward and backward.
 *
 *     reel_profiler *p = reel_profiler_new(context, NULL);
 *     for (int step = 0; step < 100; step++) {
 *         ...
 *         reel_profiler_step(p);
 *     }
 *     reel_profiler_stop(p);
 *     reel_profiler_print(p, stdout);
 *     reel_profiler_save_trace(p, "trace.json");
 *     reel_profiler_free(p);
 *
 * It is told of calls by <reel/inspect.h>, so operations that are views are not in it; what is no operation (an
 * optimizer's step, loading data) is when it stands between reel_profiler_enter and reel_profiler_leave. Times are
 * those of the thread of the context: kernels that use several threads take as long as it waits for them.
 *
 * Counts are exact. Ranges are always timed, and so are all calls of the first 16 steps, and the first one of its kind;
 * later times are those of some steps and stand for all (reel_profiler_options.every). That takes 3 % of the time of a
 * network so small that a step has 100 microseconds, and 5 % in the first 16 steps, or where reel_profiler_step is not
 * called.
 *
 * FLOP and bytes are those that an operation says of itself (reel_op.cost), a multiplication and an addition being two;
 * for a backward rule they are taken once where it was asked for one gradient and twice where for more, which is right
 * for products of matrices, where a third gradient is a bias's. Of operations that say nothing they are 0. */
#ifndef REEL_WATCH_PROFILER_H
#define REEL_WATCH_PROFILER_H

#include <reel/options.h>
#include <reel/types.h>
#include <reel/watch/run.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct reel_profiler reel_profiler;

typedef struct reel_profiler_options {
    reel_options_mark mark;
    /* 100,000, at least 0; of so many calls that are timed, and ranges, each is kept, 24 bytes, for
     * reel_profiler_save_trace. Later ones count in all else. */
    int64_t max_events;
    /* 8, at least 1; reading the clock is what costs most, so after the first 16 steps the calls of one step in so many
     * are timed, which one is picked at random, and stand for the others. 1: all are. */
    int64_t every;
} reel_profiler_options;
REEL_API reel_profiler_options reel_profiler_defaults(void);

/* A profiler that begins now. It has the context's hook of calls until it is stopped: REEL_ERROR_STATE when that is
 * taken. NULL on error. Free it before the context, and used by its thread. */
REEL_API reel_profiler *reel_profiler_new(reel_context *context, const reel_profiler_options *options);

/* Ends it; calls that come later are not counted. Again: nothing. NULL is REEL_ERROR_ARGUMENT, and REEL_ERROR_STATE is
 * for a range that is not left. REEL_ERROR_OUT_OF_MEMORY when memory was missing for some of what it saw. */
REEL_API reel_status reel_profiler_stop(reel_profiler *profiler);

/* Stops and frees it. */
REEL_API void reel_profiler_free(reel_profiler *profiler);

/* Between the two, calls and ranges are counted in a range of that name, of which 63 bytes count
 * (torch.profiler.record_function). Ranges nest, to 64 with the calls in them. REEL_ERROR_STATE when there is nothing
 * to leave, or too much entered. After the end: nothing. */
REEL_API reel_status reel_profiler_enter(reel_profiler *profiler, const char *name);
REEL_API reel_status reel_profiler_leave(reel_profiler *profiler);

/* One more step is done: tables are per step then. Without it, all is one step. NULL does nothing. */
REEL_API void reel_profiler_step(reel_profiler *profiler);

/* Writes a table: a line for each range, and for each operation in each layer, with how often it ran forward (or its
 * rule, if it did not), its time forward and backward without that of what ran inside it, its part of the whole, and
 * how many FLOP and bytes a second it did; the longest first. REEL_ERROR_IO when the file does not take it. */
REEL_API reel_status reel_profiler_print(reel_profiler *profiler, FILE *file);

/* Saves the events as a trace, for chrome://tracing, Perfetto (ui.perfetto.dev) and their like. */
REEL_API reel_status reel_profiler_save_trace(reel_profiler *profiler, const char *path);

/* Puts what there is now into the report of a run, as a flame graph and as a table; again: in its place. The run's
 * context must be the profiler's. */
REEL_API reel_status reel_run_set_profile(reel_run *run, reel_profiler *profiler);

#ifdef __cplusplus
}
#endif

#endif
