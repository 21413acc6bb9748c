/* Gradient rows that are described and formed where they are summed (kern/rows.h), instead of being written out: what
 * they are formed of has to stay as it was in the forward pass. Arrays of a tape do. Rows of a param stay until the
 * param changes, and are copied just before that; the room for it is there from the beginning, so that it cannot fail.
 */
#ifndef REEL_CORE_FORMED_H
#define REEL_CORE_FORMED_H

#include "core/gradient.h"
#include "core/tape.h"

/* A source of a formula, if its rows lie in a param. */
struct reel_row_reader {
    reel_param *param; /* NULL: in none, or they were copied */
    struct reel_row_source *source;
    int64_t count, columns; /* rows that the source names */
    reel_real *room;        /* a block of scratch for them */
    bool own;               /* row p of the formula reads the row that it is a gradient of, and no other */
    struct reel_row_reader *next, **link;
};

struct reel_formed_rows {
    struct reel_row_formula formula;
    int64_t columns;
    struct reel_row_reader readers[2]; /* of plus and minus */
};

/* Describes rows of a gradient: the formula is copied, into the tape's arena. plus and minus are nodes whose elements
 * its sources read, or NULL; `places` its rows. `of` are the indices that the rows belong to, and `to` the node. NULL
 * with the error recorded. */
struct reel_formed_rows *reel_formed_rows_new(reel_tape *tape, const struct reel_row_formula *formula, int64_t places,
                                              int64_t columns, const struct reel_node *plus,
                                              const struct reel_node *minus, const struct reel_node *to,
                                              const int64_t *of);

/* Gives up what it holds; NULL is accepted. */
void reel_formed_rows_release(reel_context *context, struct reel_formed_rows *formed);

/* The contribution becomes one with rows in memory. */
reel_status reel_formed_rows_write_out(reel_context *context, struct reel_rows *rows);

/* The rows that the formula describes are about to be moved, each after it was summed. */
void reel_formed_rows_move_own(struct reel_formed_rows *formed);

/* Before elements of the param change: what reads them gets copies. */
void reel_formed_rows_before_change(reel_param *param);

#endif
