/* A program whose allocations fail one after the other, and the macros that its calls are written with. */
#ifndef TESTS_RELIABILITY_ALLOCATIONS_H
#define TESTS_RELIABILITY_ALLOCATIONS_H

#include "support/allocator.h"
#include "support/check.h"

#include <reel/reel.h>

/* What a configuration makes, so that it can be watched, and freed wherever the program stops. */
struct scene {
    struct counting counted;
    bool again; /* after the failure: call again instead of giving up */
    int failures;
    const char *call; /* the one that failed */
    uint64_t result;  /* of all that was noted */
    char path[96];    /* a file or folder of its own */

    reel_context *c;
    reel_tape *t;
    reel_params *params[2];
    reel_optim *optims[2];
    reel_ema *ema;
    reel_schedule *schedule, *factors;
    reel_loader *loader;
    reel_checkpoint *checkpoint;
    reel_vocabulary *vocabulary;
    reel_alias *alias;
    reel_auc *auc;
    reel_safetensors *file;
    reel_load_report report;
};

/* The configurations: functions in allocations_*.c. */
#define CONFIGURATIONS(F)                                                                                              \
    F(notebook)                                                                                                        \
    F(gan_with_everything)                                                                                             \
    F(lazy_optimizers)                                                                                                 \
    F(exact_optimizers)                                                                                                \
    F(averages)                                                                                                        \
    F(schedules)                                                                                                       \
    F(checkpoints)                                                                                                     \
    F(second_order)                                                                                                    \
    F(hooks_and_scopes)                                                                                                \
    F(bags)                                                                                                            \
    F(modules)                                                                                                         \
    F(attention)                                                                                                       \
    F(loaders)                                                                                                         \
    F(words_and_metrics)                                                                                               \
    F(files)                                                                                                           \
    F(checks_of_gradients)

#define DECLARE_CONFIGURATION(name) void name(struct scene *s);
CONFIGURATIONS(DECLARE_CONFIGURATION)

/* One operation of the registry: its first good sample, differentiated both ways. */
void run_operation(struct scene *s, int number);

/* Makes bytes a part of the result. */
void note(struct scene *s, const void *bytes, size_t size);

/* Frees all but the tape and the context. */
void free_objects(struct scene *s);

/* Params, buffers, optimizers, averages, where loader and schedule are, and the generator, as one number. */
uint64_t state_of(struct scene *s);

/* Called when a call has failed: whether to call again. */
bool failed(struct scene *s, const char *call, uint64_t before);

/* Makes the call, or returns. A call that is made again must not read what it assigns: STEP is for these. */
#define CALL(call)                                                                                                     \
    for (;;) {                                                                                                         \
        uint64_t before_ = state_of(s);                                                                                \
        call;                                                                                                          \
        if (reel_context_status(s->c) == REEL_OK)                                                                      \
            break;                                                                                                     \
        if (!failed(s, #call, before_))                                                                                \
            return;                                                                                                    \
    }

#define STEP(var, call)                                                                                                \
    do {                                                                                                               \
        reel_var next_;                                                                                                \
        CALL(next_ = call);                                                                                            \
        var = next_;                                                                                                   \
    } while (0)

/* For functions that make such calls. */
#define PART(part)                                                                                                     \
    do {                                                                                                               \
        part;                                                                                                          \
        if (s->failures > 0 && !s->again)                                                                              \
            return;                                                                                                    \
    } while (0)

#endif
