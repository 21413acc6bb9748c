/* What a param holds of gradients between a backward pass and an optimizer step: an array, or rows. Every rule about it
 * is in gradient.c; others ask here for the array, or for rows and their values in order. */
#ifndef REEL_CORE_GRADIENT_H
#define REEL_CORE_GRADIENT_H

#include "kern/rows.h"

#include <reel/op.h>
#include <reel/params.h>

/* What one embedding lookup contributed to a param's gradient in a backward pass. Lives in the tape's arena, or in
 * `own`; the gradient rows are held in scratch by `block`, or are described. */
struct reel_rows {
    const int64_t *indices; /* -1: skipped */
    const int64_t *source;  /* which gradient row each occurrence takes; NULL: occurrence i takes row i */
    int64_t count, stride;
    const reel_real *data;
    struct reel_formed_rows *formed; /* instead of data: the rows are formed as they are summed (core/formed.h) */
    void *block;
    void *own; /* a block with this and copies of the arrays, when they would not live until the reset; else NULL */
    struct reel_rows *next;
};

/* The contributions of one backward pass, in order. */
struct reel_row_pass {
    struct reel_rows *rows;
    struct reel_row_pass *next;
};

enum reel_gradient_kind { REEL_GRADIENT_NONE, REEL_GRADIENT_DENSE, REEL_GRADIENT_ROWS };

struct reel_param_gradient {
    reel_real *dense;              /* like the param; allocated at first need */
    bool is_dense;                 /* dense holds the gradient */
    const struct reel_sink *claim; /* during a backward pass: the sink that sums into dense */

    /* A row-sparse gradient: what was summed and kept, then passes that are pending on a tape. */
    bool is_kept; /* kept_count rows are a gradient, even if they are none */
    int64_t kept_count, rows_capacity, values_capacity;
    int64_t *rows;     /* ascending */
    reel_real *values; /* [kept_count, columns] */
    struct reel_row_pass *pending, **pending_end;
    struct reel_tape *tape;
    reel_param *next; /* that is pending on the same tape */

    /* During a backward pass: the vars for the param that it has not come to, and whether one of the others gave a
     * gradient. */
    int64_t vars_left;
    bool arrived;
};

void reel_param_gradient_init(reel_param *param);
void reel_param_gradient_free(reel_param *param);

/* As if no pass had come here. */
void reel_param_gradient_forget(reel_param *param);

enum reel_gradient_kind reel_param_gradient_kind(const reel_param *param);

/* The array of a dense gradient, which may be changed in place. */
reel_real *reel_param_gradient_dense(const reel_param *param);

/* ---- Rows ---- */

/* Sums what is pending, and gives the rows, whose values may be changed in place. On failure nothing is lost and it can
 * be called again. */
reel_status reel_param_gradient_keep_rows(reel_param *param);
struct reel_gradient_rows reel_param_gradient_kept(const reel_param *param);

/* The rows, of which a single pass is summed only as its values are read (reel_gradient_values). Ends with
 * reel_param_gradient_end_read, which says whether all of them were. */
reel_status reel_param_gradient_read_rows(reel_param *param, struct reel_gradient_rows *rows);
void reel_param_gradient_end_read(reel_param *param, struct reel_gradient_rows *rows, bool all_read);

/* Between the two, before rows of the param itself change: from now on each row is moved only after its values were
 * read, and all of them are. */
void reel_param_gradient_move_rows(reel_param *param, const struct reel_gradient_rows *rows);

/* ---- For backward passes ---- */

/* Before a pass: one more var stands for the param. When it has come to the var: whether a gradient did, too. After the
 * last one the set's hook is called. */
void reel_param_gradient_expect(reel_param *param);
reel_status reel_param_gradient_passed(reel_param *param, bool arrived);

/* REEL_ERROR_STATE in the name of `who` when a pass is under way that has not come to all vars of the param. */
reel_status reel_param_gradient_expect_passed(const reel_param *param, const char *who);

/* The pass failed: what the param holds may be part of a sum. */
void reel_param_gradient_abandon(reel_param *param);

/* Whether there is nothing yet, so that a sink can sum in the param's own array; and that array, NULL with the error
 * recorded. */
bool reel_param_gradient_is_free(const reel_param *param);
reel_real *reel_param_gradient_claim(reel_param *param, const struct reel_sink *sink);

/* A sink's sum is complete: in the array that it claimed, or to be added to what there is, which becomes dense. */
reel_status reel_param_gradient_add(reel_param *param, const struct reel_sink *sink, const reel_gradient *sum);

/* Whether contributions can stay rows; and those of one pass. `pass` and what it points to live until the tape's reset;
 * the param takes over one hold on each block, also when it fails. */
bool reel_param_gradient_takes_rows(const reel_param *param);
reel_status reel_param_gradient_add_pass(reel_param *param, struct reel_tape *tape, struct reel_row_pass *pass);

/* Releases what contributions hold. */
void reel_rows_release(reel_context *context, struct reel_rows *rows);

/* ---- For sets and tapes ---- */

/* REEL_ERROR_STATE in the name of `who` when a pass failed since the gradients were forgotten. */
reel_status reel_params_expect_complete_gradients(const reel_params *params, const char *who);

/* The same, and when there can be none: REEL_ERROR_STATE when nothing gave any since reel_zero_grad. */
reel_status reel_params_expect_gradients(const reel_params *params, const char *who);

/* Before the tape's memory goes, pending gradients move into their params; dropped when they cannot. */
reel_status reel_params_keep_pending(struct reel_tape *tape);
void reel_params_drop_pending(struct reel_tape *tape);

#endif
