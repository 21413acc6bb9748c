/* What a tape holds. */
#ifndef REEL_CORE_TAPE_H
#define REEL_CORE_TAPE_H

#include "base/arena.h"
#include "core/context.h"

#include <reel/op.h>
#include <reel/tape.h>

struct reel_node_hook {
    reel_hook function;
    reel_row_hook row_function; /* or this one */
    void *user;
    struct reel_node_hook *next;
};

/* The function that drew a var's elements at random: they are constants, but not to be taken for ones. */
enum reel_draw {
    REEL_DRAW_NONE,
    REEL_DRAW_RAND,
    REEL_DRAW_RANDN,
    REEL_DRAW_EXPONENTIAL,
    REEL_DRAW_RANDINT,
    REEL_DRAW_RANDPERM,
    REEL_DRAW_ALIAS
};
const char *reel_draw_name(enum reel_draw draw);

/* A var. */
struct reel_node {
    reel_array array;
    reel_call *call;     /* what computed it; NULL for leaves and constants */
    int output;          /* which output of the call it is */
    uint64_t generation; /* of its var */
    uint32_t first;      /* no var before this number was used to compute it, or is an output of the same call */
    uint64_t version;    /* of the param when it was recorded */
    reel_param *param;   /* the param whose memory the data is, or was (core/preserve.c); set for aliases too */
    bool is_param;       /* the param itself: where its gradient is summed */
    bool is_cut;         /* computed from others, yet a constant: inside no_grad, detached, or kept by a scope */
    uint8_t drawn_by;    /* enum reel_draw; of those without a call */
    struct reel_node_hook *hooks;
#ifndef NDEBUG
    bool is_borrowed;
    uint64_t checksum; /* of what is borrowed */
#endif
};

/* A piece of the tape that is open. Lives in the arena, behind its mark. */
struct reel_scope {
    struct reel_scope *outer;
    struct reel_arena_mark mark;
    int64_t count;       /* vars before it */
    int no_grad, passes; /* of the tape when it began */
    bool pinned;         /* a var before it needs memory that is behind the mark */
};

/* A function of reel_recompute that runs. */
struct reel_segment {
    struct reel_segment *outer;
    int64_t count; /* vars before it */
    bool again;    /* it is computed again, or part of what is */
};

struct reel_tape {
    reel_context *context;
    struct reel_tape *next; /* of the same context */
    struct reel_arena arena;
    struct reel_node **nodes; /* by number; each lives in the arena */
    int64_t count, capacity;
    uint64_t generation;          /* of new vars */
    int no_grad;                  /* depth of the scopes */
    int passes;                   /* backward passes that run */
    bool applying;                /* a shape or forward runs, which must leave the tape alone */
    struct reel_scope *scope;     /* the innermost */
    struct reel_segment *segment; /* the innermost */
    int recomputations;           /* of first-order passes, that are gone through: what is newer goes when they end */
    struct reel_pass *pass;       /* the first-order pass that runs, the innermost if a hook started another */
    void *temporary;              /* blocks of reel_call_temporary, the newest first */
    reel_param *pending;          /* params whose row gradients point into this tape */
    struct reel_import *imports;  /* tensors of others that vars borrow (core/dlpack.c) */
    reel_tape_statistics statistics;
};

/* Whether the data is the param's memory, and so changes with it. */
bool reel_node_is_in_param(const struct reel_node *node);

/* What a mask of the operation says of input k. */
static inline bool reel_op_says(const reel_op *op, uint32_t mask, int k)
{
    return mask >> (op->variadic ? 0 : k) & 1;
}

/* Whether the tape may be given up, or a piece of it; else an error is recorded: a pass or an operation is at work on
 * it.
 */
bool reel_tape_is_idle(reel_tape *tape, const char *who);

/* Whether something may be put on the tape; else an error is recorded. */
bool reel_tape_is_open(reel_tape *tape, const char *who);

/* A function of an operation returned `status`, or recorded an error: the status that counts, recorded. */
reel_status reel_call_failed(const reel_call *call, reel_status status, const char *function);

/* What holds between any two calls, asserted in debug builds. */
void reel_tape_expect_sound(const reel_tape *tape);

/* Whether the tape holds the var. */
static inline bool reel_tape_holds(const reel_tape *tape, reel_var v)
{
    return v.number < tape->count && tape->nodes[v.number]->generation == v.generation;
}

/* For a new node; and, when its elements are lent by the user, noting in debug builds what they are, so that a change
 * of them is found. */
static inline void reel_node_borrows_nothing(struct reel_node *node)
{
    (void)node;
#ifndef NDEBUG
    node->is_borrowed = false;
#endif
}
void reel_node_note_borrowed(struct reel_node *node);

/* Asserts in debug builds that bools which came from the user are 0 or 1. */
void reel_node_expect_bools(const struct reel_node *node);

/* A param goes, or with `param` NULL the set: their vars, and what was computed from them, become stale. */
void reel_tape_forget_params(reel_tape *tape, const reel_params *params, const reel_param *param);

/* The node of a var, or NULL with the error recorded; `who` is the operation that asks. NULL silently when the context
 * already has an error. */
struct reel_node *reel_tape_node(reel_tape *tape, reel_var v, const char *who);

/* The elements of a node, for someone who is going to look at them. */
const void *reel_node_elements(const struct reel_node *node);

/* A new node of a known shape without data, and its var. NULL when memory ran out or the error is set. */
struct reel_node *reel_tape_add(reel_tape *tape, reel_dtype dtype, const reel_shape *shape, const char *who,
                                reel_var *v);

/* reel_tape_add with memory for the elements. */
struct reel_node *reel_tape_add_array(reel_tape *tape, reel_dtype dtype, const reel_shape *shape, const char *who,
                                      reel_var *v);

/* Gives up the temporaries that are newer than `outer`, an earlier value of tape->temporary. */
void reel_tape_release_newer(reel_tape *tape, const void *outer);
static inline void reel_tape_release_temporary(reel_tape *tape, const void *outer)
{
    if (tape->temporary != outer)
        reel_tape_release_newer(tape, outer);
}

/* The block of scratch that memory of reel_call_temporary lies in: who holds it keeps it. */
void *reel_temporary_block(void *temporary);

/* reel_scope_end for vars that are good, when no gradient of the scope is pending. */
reel_status reel_scope_close(reel_tape *tape, reel_var *vars, int n);

/* To be called when var `number` is given memory of the arena that must live as long as the var. */
void reel_tape_pin(reel_tape *tape, int64_t number);

/* A constant whose data is elsewhere and outlives the tape's step. */
reel_var reel_tape_wrap(reel_tape *tape, const void *data, reel_dtype dtype, const reel_shape *shape);

#endif
