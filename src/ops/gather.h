/* What lookups by index share. */
#ifndef REEL_OPS_GATHER_H
#define REEL_OPS_GATHER_H

#include "ops/family.h"

static inline bool is_wide(const reel_array *index)
{
    return index->dtype == REEL_INT64;
}

/* Input k, an index (or what `argument` calls it), must be int64 or int32. */
reel_status reel_expect_index(reel_call *call, int k, const char *argument);

/* All of index inside 0..rows-1; else the error names the lookup `what` and the first index outside. */
reel_status reel_check_index(const reel_call *call, const reel_array *index, int64_t rows, const char *what);

/* *row = the row that padding_idx means, -1 for REEL_NO_PADDING; REEL_ERROR_ARGUMENT when it is outside weight. */
reel_status reel_padding_row(reel_tape *tape, const char *what, reel_var weight, int64_t padding_idx, int64_t *row);

/* Indices as int64 that live as long as the step, those equal to `padding` replaced by -1; NULL with the error
 * recorded. */
int64_t *reel_copy_indices(const reel_call *call, const reel_array *index, int64_t padding);

/* The gradient as `rows` rows of `columns` elements: itself, or a copy in a temporary, its block. */
reel_status reel_gradient_as_rows(const reel_call *call, const reel_gradient *gradient, int64_t rows, int64_t columns,
                                  reel_gradient *out);

/* weights[i] = 1 / how many indices equal index i (of -1: anything); and the same as an operation. */
reel_status reel_weigh_by_frequency(const reel_call *call, const int64_t *indices, int64_t count, reel_real *weights);
reel_var reel_frequency_weights(reel_tape *tape, reel_var index);

#endif
