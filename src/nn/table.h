/* What modules with a table of rows have in common: options, initial values, max_norm. */
#ifndef REEL_NN_TABLE_H
#define REEL_NN_TABLE_H

#include "core/params.h"

/* Options of a table of `rows` rows; REEL_ERROR_ARGUMENT, in words that begin with `kind`. */
reel_status reel_table_check(reel_context *context, const char *kind, int64_t rows, int64_t padding_idx,
                             double max_norm, double norm_type);

/* padding_idx counted from the start; REEL_NO_PADDING stays. */
int64_t reel_table_padding(int64_t rows, int64_t padding_idx);

/* Copies `values` if there are any, else draws from N(0, 1) and zeroes the padding row (as reel_table_padding gives
 * it). */
void reel_table_init(reel_param *table, int64_t padding, const reel_real *values, bool fast);

/* What a renormalisation changed. */
struct reel_renormalized {
    int64_t count, *rows;
    reel_real *before; /* their elements as they were */
    uint64_t version;
};

/* Scales the rows that `indices` names (int64 or int32, and just looked up in the table) and whose norm is larger than
 * max_norm down to it, each once. Vars on the tape keep their values (reel_param_preserve). Gives how many rows were
 * scaled, and, when that is not 0, what reel_table_renormalized is to be called with; -1 with the error recorded, and
 * the table as it was. */
int64_t reel_table_renormalize(reel_tape *tape, reel_param *table, double max_norm, double norm_type, reel_var indices,
                               struct reel_renormalized *done);

/* When the lookup that follows is done. If it failed, the table gets its old rows back. */
void reel_table_renormalized(reel_param *table, struct reel_renormalized *done);

#endif
