/* The context: its options, its first error, its threads. */
#include "core/context.h"

#include "base/text.h"
#include "kern/parallel.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_THREADS = 256 };
_Static_assert(MAX_THREADS == 256, "check_options names the number in a text");

reel_context_options reel_context_defaults(void)
{
    return (reel_context_options){
        .mark = REEL_OPTIONS_MARK(reel_context_options), .allocator = NULL, .seed = 0, .num_threads = 0};
}

/* Before there is a context to record a failure, one that lasts as long as the check of the options. */
static const char *check_options(const reel_context_options *given, size_t real_size, int version,
                                 reel_context_options *options)
{
    if (real_size != sizeof(reel_real))
        return "the program was compiled for the other library: reel computes in float, reel_f64 (REEL_F64) in double";
    if (version / 100 != REEL_VERSION / 100)
        return "the program was compiled with the headers of another version of reel";
    *options = reel_context_defaults();
    if (!given)
        return NULL;
    if (given->mark.magic != REEL_OPTIONS_MAGIC || given->mark.size > sizeof *options)
        return "the context's options did not come from reel_context_defaults()";
    memcpy(options, given, given->mark.size);
    options->mark.size = sizeof *options;
    if (options->num_threads < 0 || options->num_threads > MAX_THREADS)
        return "the context's num_threads is outside 0..256";
    return NULL;
}

const char *reel_context_new_error_checked(const reel_context_options *options, size_t real_size, int version)
{
    reel_context_options o;
    const char *wrong = check_options(options, real_size, version, &o);
    return wrong ? wrong : "out of memory: a context";
}

/* OpenBLAS and OpenMP allocate on first use and may hang or end the process when that fails: better asked here than met
 * in the middle of training. */
static bool warm_up(reel_context *c, int threads)
{
    reel_real *room = reel_allocate_zeroed(&c->memory, (size_t)reel_kern_warm_up_room(threads) * sizeof *room);
    bool done = room && reel_kern_warm_up(threads, room);
    reel_free(&c->memory, room);
    return done;
}

reel_context *reel_context_new_checked(const reel_context_options *options, size_t real_size, int version)
{
    reel_context_options o;
    if (check_options(options, real_size, version, &o))
        return NULL;
    struct reel_memory memory;
    reel_memory_init(&memory, o.allocator);
    reel_context *c = reel_allocate_zeroed(&memory, sizeof *c);
    if (!c)
        return NULL;
    c->memory = memory;
    c->owner = pthread_self();
    reel_scratch_init(&c->scratch, &c->memory);
    c->num_threads = o.num_threads ? o.num_threads : reel_kern_default_threads();
    if (c->num_threads > MAX_THREADS)
        c->num_threads = MAX_THREADS;
    reel_manual_seed(c, o.seed);
    const char *detect = getenv("REEL_DETECT_ANOMALY");
    c->watched = detect && *detect && strcmp(detect, "0") != 0 ? REEL_WATCHED_FINITE : 0;
    if (!warm_up(c, c->num_threads)) {
        reel_context_free(c);
        return NULL;
    }
    return c;
}

void reel_context_free(reel_context *context)
{
    if (!context)
        return;
    reel_scratch_free(&context->scratch);
    struct reel_memory memory = context->memory;
    reel_free(&memory, context);
    assert(memory.statistics.bytes == 0 && "a context is freed after everything that was made from it");
}

reel_status reel_context_status(const reel_context *context)
{
    return context ? context->status : REEL_ERROR_ARGUMENT;
}

const char *reel_error(const reel_context *context)
{
    if (!context)
        return "no context: out of memory, or an option that reel_context_new_error names";
    return context->error;
}

void reel_clear_error(reel_context *context)
{
    if (!context)
        return;
    context->status = REEL_OK;
    context->error[0] = '\0';
}

const char *reel_enter_layer(reel_context *context, const char *name)
{
    const char *outer = context->layer;
    if (name && *name)
        context->layer = name;
    return outer;
}

void reel_leave_layer(reel_context *context, const char *outer)
{
    context->layer = outer;
}

/* Texts begin with the operation, as in `linear: x is ...`; the layer's name goes behind it. In front of others it
 * stands alone. */
static void name_the_layer(char *error, size_t size, const char *name)
{
    char quoted[128], rest[512];
    size_t who = strspn(error, "abcdefghijklmnopqrstuvwxyz0123456789_");
    bool begins = who > 0 && error[who] == ':';
    snprintf(quoted, sizeof quoted, begins ? " \"%.100s\"" : "layer \"%.100s\": ", name);
    if (!begins)
        who = 0;
    snprintf(rest, sizeof rest, "%s", error + who);
    snprintf(error + who, size - who, "%s%s", quoted, rest);
}

reel_status reel_fail(reel_context *context, reel_status status, const char *format, ...)
{
    if (!context)
        return REEL_ERROR_ARGUMENT;
    if (context->status != REEL_OK || status == REEL_OK)
        return context->status;
    context->status = status;
    va_list arguments;
    va_start(arguments, format);
    reel_format_text(context->error, sizeof context->error, format ? format : "no text was given", arguments);
    va_end(arguments);
    if (context->layer)
        name_the_layer(context->error, sizeof context->error, context->layer);
    return status;
}

reel_status reel_fail_memory(reel_context *context, const char *what, size_t size)
{
    return reel_fail(context, REEL_ERROR_OUT_OF_MEMORY, "out of memory: %s needs %zu bytes", what, size);
}

uint64_t reel_next_generation(reel_context *context)
{
    return ++context->last_generation;
}

void reel_manual_seed(reel_context *context, uint64_t seed)
{
    if (!context)
        return;
    reel_generator_seed(&context->generator, seed);
    context->philox_draws = 0;
}

reel_status reel_get_rng_state(reel_context *context, unsigned char state[REEL_RNG_STATE_SIZE])
{
    if (!context || context->status != REEL_OK)
        return reel_context_status(context);
    if (!state)
        return reel_fail(context, REEL_ERROR_ARGUMENT, "get_rng_state: state is NULL");
    reel_generator_get_state(&context->generator, state);
    return REEL_OK;
}

reel_status reel_set_rng_state(reel_context *context, const unsigned char state[REEL_RNG_STATE_SIZE])
{
    if (!context || context->status != REEL_OK)
        return reel_context_status(context);
    if (!state)
        return reel_fail(context, REEL_ERROR_ARGUMENT, "set_rng_state: state is NULL");
    if (!reel_generator_set_state(&context->generator, state, REEL_RNG_STATE_SIZE))
        return reel_fail(context, REEL_ERROR_FORMAT, "set_rng_state: not a state of the MT19937 generator");
    return REEL_OK;
}

uint64_t reel_philox_draws(const reel_context *context)
{
    return context ? context->philox_draws : 0;
}

void reel_set_philox_draws(reel_context *context, uint64_t draws)
{
    if (context)
        context->philox_draws = draws;
}

reel_status reel_set_num_threads(reel_context *context, int num_threads)
{
    if (!context || context->status != REEL_OK)
        return reel_context_status(context);
    if (num_threads < 1 || num_threads > MAX_THREADS)
        return reel_fail(context, REEL_ERROR_ARGUMENT, "set_num_threads: %d is outside 1..%d", num_threads,
                         MAX_THREADS);
    if (num_threads > context->num_threads && !warm_up(context, num_threads))
        return reel_fail(context, REEL_ERROR_OUT_OF_MEMORY, "set_num_threads: no memory for %d threads", num_threads);
    context->num_threads = num_threads;
    return REEL_OK;
}

int reel_get_num_threads(const reel_context *context)
{
    return context ? context->num_threads : 0;
}

void reel_set_detect_anomaly(reel_context *context, bool on)
{
    if (context)
        context->watched = (uint8_t)((context->watched & ~REEL_WATCHED_FINITE) | (on ? REEL_WATCHED_FINITE : 0));
}

bool reel_is_anomaly_enabled(const reel_context *context)
{
    return context && context->watched & REEL_WATCHED_FINITE;
}

reel_status reel_set_call_hook(reel_context *context, const reel_call_hook *hook)
{
    if (!context)
        return REEL_ERROR_ARGUMENT;
    if (!hook) {
        context->watched = (uint8_t)(context->watched & ~REEL_WATCHED_CALLS);
        return context->status;
    }
    if (!hook->begin || !hook->end)
        return reel_fail(context, REEL_ERROR_ARGUMENT, "set_call_hook: one of its functions is NULL");
    if (context->watched & REEL_WATCHED_CALLS)
        return reel_fail(context, REEL_ERROR_STATE, "set_call_hook: the context has a hook already");
    context->hook = *hook;
    context->watched |= REEL_WATCHED_CALLS;
    return context->status;
}

bool reel_threads_deterministic(void)
{
    return reel_kern_blas_calls() != REEL_BLAS_ON_OWN_THREADS;
}

const char *reel_blas_core(void)
{
    return reel_kern_blas_core();
}

reel_memory_statistics reel_memory(const reel_context *context)
{
    return context ? context->memory.statistics : (reel_memory_statistics){0, 0, 0};
}
