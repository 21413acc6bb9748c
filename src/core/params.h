/* What a param set holds. */
#ifndef REEL_CORE_PARAMS_H
#define REEL_CORE_PARAMS_H

#include "core/context.h"
#include "core/gradient.h"

#include <reel/params.h>

/* Somebody who puts off work on a param's rows, and does it when told that it can wait no longer. Members may be NULL.
 */
struct reel_param_watcher {
    /* The rows that `index` names (int64 if wide, else int32; all inside the table) are about to be read: their
     * elements must be what they would be if nothing had been put off. index NULL: every row; that cannot fail. */
    reel_status (*before_read)(struct reel_param_watcher *watcher, const void *index, bool wide, int64_t count);
    /* Rows first..first + count - 1 are about to change; they are what they were at `version`. Threads may call it at
     * once for different rows. */
    void (*before_change)(struct reel_param_watcher *watcher, int64_t first, int64_t count, uint64_t version);
    struct reel_param_watcher *next;
};

struct reel_param {
    reel_params *set;
    char *name;
    reel_param_kind kind;
    reel_dtype dtype;
    reel_shape shape;
    int64_t numel;
    void *data;
    uint64_t version; /* counts changes of the data */
    struct reel_param_watcher *watchers;
    struct reel_row_reader *readers; /* gradients that are formed of its rows (core/formed.h) */

    struct reel_parametrization *parametrization; /* of src/nn; not looked into here */

    bool is_lent; /* somebody writes to the elements until reel_param_end_dlpack */

    reel_var leaf; /* the var that stands for it, if still good */
    uint64_t leaf_version;

    bool sparse;
    struct reel_param_gradient gradient;
};

struct reel_params {
    reel_context *context;
    struct reel_params *next; /* of the context */
    uint64_t serial;          /* which no other set of the context has */
    struct reel_param **params;
    int64_t count, capacity;
    char *prefix; /* of the names of what is made now: the entered ones, each with a dot behind it; not terminated */
    size_t prefix_length;
    int64_t prefix_capacity;
    void **owned; /* freed with the set */
    int64_t owned_count, owned_capacity;
    struct reel_module *modules; /* list of src/nn; not looked into here */
    bool gradients_incomplete;   /* a backward failed half-way */
    bool gradients_given;        /* since they were forgotten, a backward pass came here, or one was set */
    bool shared;                 /* nothing of it changes any more, but what its own thread keeps of gradients */
    const void *swapped;         /* the average whose values the params have at the moment */
    int64_t holders;             /* optimizers, averages and exports of the set */
    int64_t lent;                /* params that somebody writes to */
    bool is_freed;               /* by its owner; it lives on as long as it has holders */
    reel_grad_hook gradient_hook;
    void *gradient_hook_user;
};

/* Optimizers, averages and what shows its elements to others hold their set: one that is freed before them lives on
 * until they let go. */
void reel_params_hold(reel_params *params);
void reel_params_let_go(reel_params *params);

/* Whether a set that the context made, and gave this serial number, is not freed. */
bool reel_params_is_alive(const reel_context *context, const reel_params *params, uint64_t serial);

/* REEL_ERROR_STATE in the name of `who` while the params have the values of an average or somebody writes to them, or
 * when the set was freed. */
reel_status reel_params_expect_own_values(const reel_params *params, const char *who);

/* Zeroed memory that lives as long as the set; NULL with the error recorded. */
void *reel_params_allocate(reel_params *params, size_t size);

/* What holds between any two calls, asserted in debug builds. */
void reel_params_expect_sound(const reel_params *params);

/* REEL_ERROR_STATE in the name of `who` when the set is shared. */
reel_status reel_params_expect_own(const reel_params *params, const char *who);

/* How much the set holds, and giving up what was added since then, for constructors that fail half-way. What is given
 * up must not have been on a tape yet. */
struct reel_params_mark {
    int64_t count, owned_count;
};
struct reel_params_mark reel_params_mark(const reel_params *params);
void reel_params_rewind(reel_params *params, struct reel_params_mark mark);

/* Takes a param out of its set and frees it. Nobody holds the set, and no tape is in the middle of something. */
void reel_params_remove(reel_param *param);

/* Rows and columns of a param seen as a table: axis 0, and the rest. */
int64_t reel_param_rows(const reel_param *param);
int64_t reel_param_columns(const reel_param *param);

void reel_param_watch(reel_param *param, struct reel_param_watcher *watcher);
void reel_param_unwatch(reel_param *param, struct reel_param_watcher *watcher);

/* Whether there is a watcher, and whether one of them has work to do before rows are read. */
bool reel_param_is_watched(const reel_param *param);
bool reel_param_is_deferred(const reel_param *param);

/* Before elements are read: all of them, or those of the rows that an index (see before_read) names. */
void reel_param_before_read_all(const reel_param *param);
reel_status reel_param_before_read_rows(reel_param *param, const void *index, bool wide, int64_t count);

/* Before rows that are current change, and with each change of rows: counts it, and gives the elements.
 * reel_param_write does all of this for the whole param. */
void reel_param_before_change(const reel_param *param, int64_t first, int64_t count, uint64_t version);
void *reel_param_count_change(reel_param *param);

/* To be called before the param's data changes: the vars on the tape that stand for it, or alias it, keep the value
 * they have now, if there is a rule that reads it. Then the whole param is copied into the tape's memory; else nothing
 * is done. */
reel_status reel_param_preserve(reel_param *param, struct reel_tape *tape);

#endif
