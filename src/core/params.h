/* What a param set holds, and the row-sparse gradients of its params. */
#ifndef REEL_CORE_PARAMS_H
#define REEL_CORE_PARAMS_H

#include "core/context.h"
#include "kern/rows.h"

#include <reel/params.h>

/* What one embedding lookup contributed to a param's gradient in a backward pass. Lives in the tape's arena; the
 * gradient rows are held in scratch by `block`. */
struct reel_rows {
    const int64_t *indices; /* -1: skipped */
    const int64_t *source;  /* which gradient row each occurrence takes; NULL: occurrence i takes row i */
    int64_t count, stride;
    const reel_real *data;
    void *block;
    struct reel_rows *next;
};

/* The contributions of one backward pass, in order. */
struct reel_row_pass {
    struct reel_rows *rows;
    struct reel_row_pass *next;
};

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

    uint32_t leaf_generation, leaf_number; /* the var that stands for it, if still good */
    uint64_t leaf_version;

    bool sparse;
    bool has_grad; /* grad holds the gradient */
    reel_real *grad;
    struct reel_sink *claim; /* during a backward: the sink that sums into grad */

    /* A row-sparse gradient: what was summed and kept, then passes that are pending on a tape. */
    bool has_kept; /* kept_count rows are a gradient, even if they are none */
    int64_t kept_count, kept_rows_capacity, kept_values_capacity;
    int64_t *kept_rows;     /* ascending */
    reel_real *kept_values; /* [kept_count, columns] */
    struct reel_row_pass *pending, **pending_end;
    struct reel_tape *pending_tape;
    struct reel_param *next_pending; /* of the same tape */
};

struct reel_params {
    reel_context *context;
    struct reel_param **params;
    int64_t count, capacity;
    void **owned; /* freed with the set */
    int64_t owned_count, owned_capacity;
    struct reel_module *modules; /* list of src/nn; not looked into here */
    bool gradients_incomplete;   /* a backward failed half-way */
};

/* Zeroed memory that lives as long as the set; NULL with the error recorded. */
void *reel_params_allocate(reel_params *params, size_t size);

/* How much the set holds, and giving up what was added since then, for constructors that fail half-way. What is given
 * up must not have been on a tape yet. */
struct reel_params_mark {
    int64_t count, owned_count;
};
struct reel_params_mark reel_params_get_mark(const reel_params *params);
void reel_params_rewind(reel_params *params, struct reel_params_mark mark);

/* Rows and columns of a param seen as a table: axis 0, and the rest. */
int64_t reel_param_rows(const reel_param *param);
int64_t reel_param_columns(const reel_param *param);

void reel_param_watch(reel_param *param, struct reel_param_watcher *watcher);
void reel_param_unwatch(reel_param *param, struct reel_param_watcher *watcher);

/* Before elements are read: all of them, or those of the rows that an index (see before_read) names. */
void reel_param_before_read_all(const reel_param *param);
reel_status reel_param_before_read_rows(reel_param *param, const void *index, bool wide, int64_t count);

/* Before rows that are current change, and with each change of rows: counts it, and gives the elements.
 * reel_param_write does all of this for the whole param. */
void reel_param_before_change(const reel_param *param, int64_t first, int64_t count, uint64_t version);
void *reel_param_count_change(reel_param *param);

/* The param's grad array, allocated at first need; NULL with the error recorded. */
reel_real *reel_param_grad_buffer(reel_param *param);

/* Hands the contributions of one backward pass to the param. `pass` and what it points to live until the tape's reset;
 * the param takes over one hold on each block, also when it fails. */
reel_status reel_param_add_pass(reel_param *param, struct reel_tape *tape, struct reel_row_pass *pass);

/* Whether the param has a row-sparse gradient, kept or pending. */
bool reel_param_has_rows(const reel_param *param);

/* Sums what is pending into kept_rows and kept_values. On failure nothing is lost and it can be called again. */
reel_status reel_param_keep_rows(reel_param *param);

/* For who sums a pending pass himself, when nothing is kept: room for so many rows, and the news that kept_values holds
 * the sums of its groups. */
reel_status reel_param_reserve_rows(reel_param *param, int64_t rows);
void reel_param_pending_is_kept(reel_param *param, const struct reel_row_groups *groups);

/* Turns the row-sparse gradient, if any, into a dense one. */
reel_status reel_param_densify(reel_param *param);

/* To be called before the param's data changes: the vars on the tape that stand for it, or alias it, keep the value
 * they have now, if there is a rule that reads it. Then the whole param is copied into the tape's memory; else nothing
 * is done. */
reel_status reel_param_preserve(reel_param *param, struct reel_tape *tape);

/* Releases what contributions hold. */
void reel_rows_release(reel_context *context, struct reel_rows *rows);

/* Called by the tape: before its memory goes, pending gradients move into their params; dropped when they cannot. */
reel_status reel_params_keep_pending(struct reel_tape *tape);
void reel_params_drop_pending(struct reel_tape *tape);

#endif
