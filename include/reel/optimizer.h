/* Optimizers as rows: what an algorithm is, for those who write one. Those of reel/optim.h are such rows; a row of your
 * own takes dense gradients, and row-sparse ones lazily and exactly, as they do, with groups, schedules, checks of its
 * options, and state that is read and set by name.
 *
 *     // p -= lr * sign(m), m = beta m + (1 - beta) g
 *     typedef struct sign_options {
 *         reel_options_mark mark;
 *         double lr, beta;
 *         reel_sparse_update sparse_update;
 *     } sign_options;
 *     static const reel_optim_option options[] = {REEL_OPTION(NUMBER, sign_options, lr, 1e-4),
 *                                                 REEL_OPTION(FRACTION, sign_options, beta, 0.9),
 *                                                 REEL_OPTION(SPARSE_UPDATE, sign_options, sparse_update, REEL_LAZY)};
 *     static const reel_optim_state_row states[] = {{"exp_avg", REEL_PER_ELEMENT, NULL}};
 *     struct constants {
 *         reel_real lr, beta;
 *     };
 *     static void prepare(const void *options, double lr, int64_t step, void *constants)
 *     {
 *         (void)step;
 *         struct constants *c = constants;
 *         c->lr = (reel_real)lr;
 *         c->beta = (reel_real)((const sign_options *)options)->beta;
 *     }
 *     static void update(const void *constants, int64_t n, reel_real *p, const reel_real *g, reel_real *const *state)
 *     {
 *         const struct constants *c = constants;
 *         for (int64_t i = 0; i < n; i++) {
 *             state[0][i] = c->beta * state[0][i] + (1 - c->beta) * g[i];
 *             p[i] -= c->lr * (reel_real)((state[0][i] > 0) - (state[0][i] < 0));
 *         }
 *     }
 *     static const reel_optim_algorithm sign = {.name = "sign", .options_size = sizeof(sign_options),
 *                                               .options = options, .n_options = 3, .states = states, .n_states = 1,
 *                                               .constants_size = sizeof(struct constants), .prepare = prepare,
 *                                               .update = update};
 *     ...
 *     sign_options o;
 *     reel_optim_fill_options(&sign, &o);
 *     o.lr = 1e-3;
 *     reel_optim *optim = reel_optim_new(params, &sign, &o); */
#ifndef REEL_OPTIMIZER_H
#define REEL_OPTIMIZER_H

#include <reel/optim.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What values an option takes. */
typedef enum reel_optim_option_type {
    REEL_OPTION_NUMBER,        /* double, at least 0 */
    REEL_OPTION_FRACTION,      /* double, in [0, 1) */
    REEL_OPTION_ANY_NUMBER,    /* double */
    REEL_OPTION_FLAG,          /* bool */
    REEL_OPTION_SPARSE_UPDATE, /* reel_sparse_update */
} reel_optim_option_type;

/* A member of the algorithm's option struct, whose first member is a reel_options_mark. "lr" must be among them.
 * Without "sparse_update" rows are updated lazily. */
typedef struct reel_optim_option {
    const char *name;            /* of the member */
    size_t offset;               /* offsetof */
    reel_optim_option_type type; /* what values it takes */
    double initial;              /* the default */
} reel_optim_option;
#define REEL_OPTION(type, options, member, initial)                                                                    \
    {                                                                                                                  \
#member, offsetof(options, member), REEL_OPTION_##type, initial                                                \
    }

/* What one value of a state, or one call of `update`, is about. */
typedef enum reel_optim_scope {
    REEL_PER_ELEMENT, /* elements alone: a call gets any slice of a param */
    REEL_PER_ROW,     /* rows of axis 0: a call gets one row */
    REEL_PER_PARAM    /* the whole param: see measure */
} reel_optim_scope;

/* An array of reel_real that is kept for each param, named as torch names it. It begins as zeros, which nobody touches
 * before the update that needs them. Its scope is REEL_PER_ELEMENT or that of the algorithm. */
typedef struct reel_optim_state_row {
    const char *name;       /* for reel_optim_get_state and checkpoints */
    reel_optim_scope scope; /* how many elements it has */
    const char *option;     /* kept only where the option of this name is not 0; NULL: always */
} reel_optim_state_row;

/* How much of each an algorithm may have. */
enum {
    REEL_OPTIM_STATES = 4,      /* states of a param */
    REEL_OPTIM_CONSTANTS = 192, /* bytes of constants */
    REEL_OPTIM_SUMS = 2,        /* sums of measure */
    REEL_OPTIM_EXTREMES = 4     /* constants to try */
};

/* What is const in an argument does not change between two calls of a step; every function but prepare, check and
 * conclude is called by several threads at once, for different slices. */
typedef struct reel_optim_algorithm {
    const char *name; /* begins the text of errors */

    size_t options_size;              /* of the option struct */
    const reel_optim_option *options; /* its members but the mark, n_options */
    int n_options;
    const reel_optim_state_row *states; /* n_states, up to REEL_OPTIM_STATES */
    int n_states;
    reel_optim_scope scope; /* of an update. REEL_PER_PARAM: params with sparse gradients are refused */

    /* Options that do not go together, though each is in its range: reel_fail. NULL: there are none. */
    reel_status (*check)(reel_context *context, const char *who, const void *options);

    /* Computes what is the same for all elements of a param in its `step`-th update, counted from 1. */
    size_t constants_size; /* up to REEL_OPTIM_CONSTANTS */
    void (*prepare)(const void *options, double lr, int64_t step, void *constants);

    /* Moves n elements of a param; state[k] is where those of states[k] begin, NULL where none is kept. */
    void (*update)(const void *constants, int64_t n, reel_real *param, const reel_real *grad, reel_real *const *state);

    /* REEL_PER_PARAM: called for the slices of the param first, adds to sums what `update` has to know of all of them
     * (they begin as 0; the sums of slices are added in order, so that threads change no bit), and may write state.
     * Then conclude turns the sums into constants, once; state there is the whole param's. */
    void (*measure)(const void *constants, int64_t n, const reel_real *param, const reel_real *grad,
                    reel_real *const *state, double sums[REEL_OPTIM_SUMS]);
    void (*conclude)(void *constants, const double sums[REEL_OPTIM_SUMS], reel_real *const *state);

    /* Whether a gradient of 0 changes neither param nor state with these options, whatever they are, so that lazy is
     * exact. NULL: never. */
    bool (*rests)(const void *options);

    /* Whether an element's first update, with the constants of step 1, is not what later constants make of a state of
     * zeros. Which rows were updated is kept then. NULL: never. */
    bool (*first_differs)(const void *options);

    /* Whether param and state are monotonic in each constant. Then no step between two changes a bit of a row without
     * gradient if those with the most extreme constants change none, and a row that has come to rest is not replayed
     * further. The extremes are the constants of the first of the steps (at least 2) with the largest learning rate and
     * of the last with the smallest: constants[0] and [1]. Where the constants do not all change in one direction,
     * `extremes` makes of these two what has to be tried, and returns how many. */
    bool monotone;
    int (*extremes)(void *constants[REEL_OPTIM_EXTREMES]);
} reel_optim_algorithm;

/* The algorithms of reel/optim.h: the i-th, NULL behind the last; and by name, NULL when there is none. */
REEL_API const reel_optim_algorithm *reel_optim_algorithm_at(int i);
REEL_API const reel_optim_algorithm *reel_optim_algorithm_find(const char *name);

/* Fills an option struct of the algorithm with the defaults, and marks it. */
REEL_API void reel_optim_fill_options(const reel_optim_algorithm *algorithm, void *options);

/* As reel_adam_new and reel_adam_add_group. The row must live as long as the optimizer. REEL_ERROR_ARGUMENT, too, when
 * the row is malformed; the text says in what. */
REEL_API reel_optim *reel_optim_new(reel_params *params, const reel_optim_algorithm *algorithm, const void *options);
REEL_API int reel_optim_add_group(reel_optim *optim, const reel_optim_algorithm *algorithm, const char *names,
                                  const void *options);

/* What the optimizer was made with; NULL for NULL. */
REEL_API const reel_optim_algorithm *reel_optim_algorithm_of(const reel_optim *optim);

#ifdef __cplusplus
}
#endif

#endif
