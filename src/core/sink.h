/* Sinks: where the gradient of a var is summed during a backward pass. This file owns every rule of summing. */
#ifndef REEL_CORE_SINK_H
#define REEL_CORE_SINK_H

#include "core/params.h"
#include "core/tape.h"

/* One backward pass, or the part of one that goes through what was computed again (core/recompute.c). */
struct reel_pass {
    reel_tape *tape;
    struct reel_pass *outer; /* of a part: the pass, which has the sinks of vars before `first` */
    uint32_t first;          /* the root depends on no var before this one; or the first that was computed again */
    uint32_t reach;          /* `first` of the outermost */
    struct reel_sink *sinks; /* one per var from `first` up to the root */
    bool graph;              /* gradients are vars, their sums are recorded */
    bool into_params;        /* params' gradients go into the params (reel_backward), not into vars (reel_grad) */
};

struct reel_sink {
    struct reel_pass *pass;
    struct reel_node *node;
    reel_real *data; /* the sum so far: [rows, columns], rows `stride` apart; NULL: nothing yet */
    int64_t rows, columns, stride;
    void *block;                          /* the scratch block that data lies in, or NULL */
    struct reel_rows *lists, **lists_end; /* row contributions, not yet summed */
    reel_var var;                         /* with a graph: whose elements data is */
    bool needed;                          /* the pass wants the gradient of this var, or goes through it */
    bool target;                          /* it was asked for: kept until the end */
    bool owned;                           /* data is this sink's own, and contiguous; else it is shared, read only */
};

/* The sink of a var from pass->reach on; the second, for one before pass->first. */
struct reel_sink *reel_pass_outer_sink(const struct reel_pass *pass, reel_var v);
static inline struct reel_sink *reel_pass_sink(const struct reel_pass *pass, reel_var v)
{
    if (v.number < pass->first)
        return reel_pass_outer_sink(pass, v);
    return &pass->sinks[v.number - pass->first];
}

/* A part of the pass that came to `call`: walks the vars from `first` to the tape's end, which compute again what the
 * call gave, from `roots` (in the place of its outputs) down to its inputs. */
reel_status reel_pass_through(struct reel_pass *outer, uint32_t first, const reel_call *call, const reel_var *roots);

/* Whether anything reached the sink. */
static inline bool reel_sink_is_empty(const struct reel_sink *sink)
{
    return !sink->data && !sink->lists;
}

/* The sum as a gradient; row contributions must have been summed. */
static inline reel_gradient reel_sink_gradient(const struct reel_sink *sink)
{
    return (reel_gradient){sink->data, sink->rows, sink->columns, sink->stride, sink->block};
}

/* Adds rows that are formed when they are summed: row indices[p] gets the row of place p. The sources read inputs plus
 * and minus of the call (minus -1: none); `block` holds what the factors lie in. All that indices and formula point to
 * lives as long as the tape's step, or by the block. */
reel_status reel_sink_form_rows(struct reel_sink *sink, const reel_call *call, int64_t count, const int64_t *indices,
                                const struct reel_row_formula *formula, int plus, int minus, void *block);

/* Sums row contributions into data. */
reel_status reel_sink_densify(struct reel_sink *sink);

/* Makes data contiguous (it may stay shared). */
reel_status reel_sink_make_contiguous(struct reel_sink *sink);

/* Adds `values`, contiguous elements of the var's shape. */
reel_status reel_sink_add(struct reel_sink *sink, const reel_real *values);

/* Adds `values` of shape `from`, a broadcast of the var's shape, summed back to the var's shape. */
reel_status reel_sink_add_broadcast(struct reel_sink *sink, const reel_real *values, const reel_shape *from);

/* The same for the value of a var of this tape; with a graph the sums are recorded. */
reel_status reel_sink_add_var(struct reel_sink *sink, reel_var value);

/* With a graph: makes a var of the sink's shape, or the null var after a failure, the sum. */
void reel_sink_set_var(struct reel_sink *sink, reel_var value);

/* Gives up what the sink holds. */
void reel_sink_release(struct reel_sink *sink);

/* The param's sink is complete: commits the sum to the param. */
reel_status reel_sink_commit(struct reel_sink *sink);

#endif
