/* What a context holds. */
#ifndef REEL_CORE_CONTEXT_H
#define REEL_CORE_CONTEXT_H

#include "base/memory.h"
#include "base/scratch.h"
#include "kern/random.h"

#include <reel/context.h>
#include <reel/inspect.h>

#include <assert.h>
#include <pthread.h>

/* What more is done when an operation runs. All in one place, so that a call asks once. */
enum reel_watched {
    REEL_WATCHED_FINITE = 1, /* results that are not finite are errors (core/anomaly.h); off while a rule runs */
    REEL_WATCHED_CALLS = 2   /* a hook is told */
};

struct reel_context {
    struct reel_memory memory;
    struct reel_scratch scratch; /* shared by the tapes and optimizers of this context */
    struct reel_generator generator;
    uint64_t philox_draws; /* how often Philox was drawn from since the seed: dropout, fast initial values */
    uint64_t last_generation;
    int num_threads;
    uint8_t watched;          /* what is done about each call: of enum reel_watched */
    reel_call_hook hook;      /* with REEL_WATCHED_CALLS */
    struct reel_tape *tapes;  /* a list: those of this context */
    struct reel_params *sets; /* a list: those that are not freed yet */
    pthread_t owner;          /* the thread that made it */
    const char *layer;        /* whose module is at work: failures name it */
    reel_status status;
    char error[512];
};

/* reel_fail with out of memory, naming what was to be allocated. */
reel_status reel_fail_memory(reel_context *context, const char *what, size_t size);

/* Between the two, failures name a layer as well as an operation: `linear "fc1": ...`. NULL or "" leaves the layer that
 * is named now. Enter gives what leave wants. The name must live until then. */
const char *reel_enter_layer(reel_context *context, const char *name);
void reel_leave_layer(reel_context *context, const char *outer);

/* Asserted in debug builds: the thread that made the context is at work. */
static inline void reel_context_expect_owner(const reel_context *context)
{
    (void)context;
    assert(pthread_equal(context->owner, pthread_self()) && "one thread uses a context: the one that made it");
}

/* A generation number that no tape of this context had before. */
uint64_t reel_next_generation(reel_context *context);

#endif
