/* The context: allocator, random number generator, thread count and the first error. One per thread.
 *
 *     REEL_OPTIONS(context, o, o.seed = 42, o.num_threads = 4);
 *     reel_context *c = reel_context_new(&o);
 *     if (c == NULL)
 *         fprintf(stderr, "%s\n", reel_context_new_error(&o));
 *     // ... a step: whatever fails first in it is kept
 *     if (reel_context_status(c))
 *         fprintf(stderr, "%s\n", reel_error(c));
 *     reel_context_free(c); */
#ifndef REEL_CONTEXT_H
#define REEL_CONTEXT_H

#include <reel/options.h>
#include <reel/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Where all memory of a context comes from. Both allocating functions return NULL on failure, else memory aligned as
 * malloc aligns; allocate_zeroed may return pages that the system zeroes on first use. `size` is never 0. The
 * functions are called only by the thread that uses the context. */
typedef struct reel_allocator {
    void *user;                                          /* passed through */
    void *(*allocate)(void *user, size_t size);          /* as malloc */
    void *(*allocate_zeroed)(void *user, size_t size);   /* the same, all bytes 0 */
    void (*free)(void *user, void *memory, size_t size); /* with the size that was asked for */
} reel_allocator;

typedef struct reel_context_options {
    reel_options_mark mark;
    const reel_allocator *allocator; /* copied; NULL: malloc, calloc and free */
    uint64_t seed;                   /* as torch.manual_seed */
    int num_threads;                 /* 1..256; 0: as many as OpenMP would use (OMP_NUM_THREADS, or the cores) */
} reel_context_options;

/* Seed 0, the C library's allocator, OpenMP's number of threads. */
REEL_API reel_context_options reel_context_defaults(void);

/* A context, or NULL when memory ran out (OpenBLAS and OpenMP take what they need now: some 130 MiB of address space,
 * and a stack, for each thread), an option is outside its range, or the program was compiled for the other library
 * (libreel and libreel_f64 differ in reel_real) or with headers of another major or minor version. NULL options:
 * defaults. Owned by the caller; free it after everything made from it. The thread that made it is the one that uses
 * it, and all that is made from it (debug builds assert both). Two contexts in two threads never touch common state. */
#define reel_context_new(options) reel_context_new_checked((options), sizeof(reel_real), REEL_VERSION)
REEL_API reel_context *reel_context_new_checked(const reel_context_options *options, size_t real_size, int version);
REEL_API void reel_context_free(reel_context *context);

/* Why reel_context_new gives NULL for these options: a sentence about the first of them that it refuses, or about the
 * headers; "out of memory: a context" when it refuses none. Static storage. (reel keeps nothing outside contexts, so
 * this looks at the options again.) */
#define reel_context_new_error(options) reel_context_new_error_checked((options), sizeof(reel_real), REEL_VERSION)
REEL_API const char *reel_context_new_error_checked(const reel_context_options *options, size_t real_size, int version);

/* The first failure since the last reel_clear_error or reel_tape_reset: its status, and one line of text that names
 * the operation, the argument and the values. Until it is cleared, operations return the null var and functions
 * return this status. The text lives in the context. A reset keeps it, so that it can still be read when the reset
 * returned the status: then it stays until the next failure, or until reel_clear_error makes it "". NULL is accepted.
 */
REEL_API reel_status reel_context_status(const reel_context *context);
REEL_API const char *reel_error(const reel_context *context);
REEL_API void reel_clear_error(reel_context *context);

/* Records a failure as the library does: the first one sticks, later ones are dropped. Returns the status that sticks.
 * For user-defined operations and training code that wants its own errors reported the same way. */
REEL_API reel_status reel_fail(reel_context *context, reel_status status, const char *format, ...) REEL_PRINTF(3, 4);

/* Restarts the generator: torch.manual_seed(seed). Also restarts the counter that dropout masks and fast initial values
 * are drawn from. */
REEL_API void reel_manual_seed(reel_context *context, uint64_t seed);

/* The generator's state in the layout of torch.get_rng_state() (REEL_RNG_STATE_SIZE bytes); reel_set_rng_state refuses
 * anything that torch.set_rng_state would refuse (REEL_ERROR_FORMAT) and changes nothing then. */
#define REEL_RNG_STATE_SIZE 5056
REEL_API reel_status reel_get_rng_state(reel_context *context, unsigned char state[REEL_RNG_STATE_SIZE]);
REEL_API reel_status reel_set_rng_state(reel_context *context, const unsigned char state[REEL_RNG_STATE_SIZE]);

/* How often masks of dropout and fast initial values were drawn since reel_manual_seed: with the generator's state, all
 * that random numbers depend on, for those who put a stream of them aside and go on with it later. Setting it makes the
 * next draw the one of that number. NULL has none. */
REEL_API uint64_t reel_philox_draws(const reel_context *context);
REEL_API void reel_set_philox_draws(reel_context *context, uint64_t draws);

/* Threads that kernels may use, 1..256; REEL_ERROR_OUT_OF_MEMORY when there is none for more threads than before. In a
 * child that a process with several threads forked, kernels use one, whatever the number is. Results have the same bits
 * for any number when reel_threads_deterministic().
 */
REEL_API reel_status reel_set_num_threads(reel_context *context, int num_threads);
REEL_API int reel_get_num_threads(const reel_context *context);

/* While it is on, an operation whose result has an element that is NaN or infinite, and a backward rule that gives such
 * a gradient, fail with REEL_ERROR_NOT_FINITE: the text names the operation (and the layer), the element, and the range
 * of each input. As torch.autograd.set_detect_anomaly, which looks at gradients alone, and for NaN alone. What an
 * operation inside a rule gives on the way does not matter, nor does what did not come from an operation: reel_borrow,
 * reel_full, params, grad_output and gradient hooks, until it is used. So a mask that fills with infinity is an error,
 * too; one of large numbers is not. Looking costs about as much as the step itself; off, next to nothing. A new context
 * has it on when the environment variable REEL_DETECT_ANOMALY is set, to anything but 0 or nothing; else off. */
REEL_API void reel_set_detect_anomaly(reel_context *context, bool on);
REEL_API bool reel_is_anomaly_enabled(const reel_context *context);

/* Whether results have the same bits for any number of threads. It takes a BLAS that computes each call on the calling
 * thread: making a context tells OpenBLAS on pthreads (Debian's libopenblas0-pthread) to use one thread, in the whole
 * process, since reel calls it from threads of its own. Serial OpenBLAS (0.3.21) is not safe for calls side by side and
 * gets one at a time, which is right but slow. OpenBLAS on OpenMP keeps threads of its own: results are right, but may
 * differ in the last digits between numbers of threads, and this returns false, as it does when somebody turns the
 * threads of OpenBLAS on again. */
REEL_API bool reel_threads_deterministic(void);

/* The processor that OpenBLAS chose its kernels for when the process started: "SkylakeX", "Haswell", "Zen". One that it
 * is too old to know it takes for "Prescott", whose kernels are three to eight times as slow; the environment variable
 * OPENBLAS_CORETYPE, set before a program starts, tells it what to use. Never NULL. */
REEL_API const char *reel_blas_core(void);

/* Memory that the context holds now, the most it ever held, and how often it asked the allocator. */
typedef struct reel_memory_statistics {
    size_t bytes, peak_bytes; /* now, and at most */
    uint64_t allocations;     /* calls of both allocating functions */
} reel_memory_statistics;
REEL_API reel_memory_statistics reel_memory(const reel_context *context);

#ifdef __cplusplus
}
#endif

#endif
