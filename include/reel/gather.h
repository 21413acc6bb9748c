/* Picking rows by index, and the way back. Indices are int64 or int32 (REEL_ERROR_DTYPE) from 0 to the number of rows
 * less one; others are refused with REEL_ERROR_INDEX and a text that names value, position and range, before anything
 * is written. Every operation has derivatives of any order. */
#ifndef REEL_GATHER_H
#define REEL_GATHER_H

#include <reel/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The slices of x along `axis` (negative: from the end) that `index`, of one axis, names, in that order
 * (torch.index_select). Any element type. */
REEL_API reel_var reel_index_select(reel_tape *tape, reel_var x, int axis, reel_var index);

/* The padding_idx of a lookup without padding. */
#define REEL_NO_PADDING INT64_MIN

/* How the gradient of an embedding lookup differs from the derivative, and the name that errors call it by. */
typedef struct reel_embedding_lookup {
    int64_t padding_idx;     /* this row gets no gradient; negative: from the end; or REEL_NO_PADDING */
    bool scale_grad_by_freq; /* a row's gradient is divided by how often the lookup names it */
    const char *name;        /* NULL: none; needed only during the call */
} reel_embedding_lookup;

/* No padding, no scaling, no name. */
REEL_API reel_embedding_lookup reel_embedding_lookup_defaults(void);

/* Rows of weight [rows, ...] (real): the result has index's axes and then those of a row
 * (torch.nn.functional.embedding). NULL options: the defaults. REEL_ERROR_ARGUMENT for a padding_idx outside the table.
 * An index outside it gives, for example,
 *     embedding "label": index 10 at position [1, 2] (flat 5) is outside 0..9
 * The rule does not read the values of weight. A param with sparse gradients gets them row by row. */
REEL_API reel_var reel_embedding(reel_tape *tape, reel_var weight, reel_var index,
                                 const reel_embedding_lookup *options);

/* The way back: a real var [rows, ...] of zeros, to whose row index[i] values[i] was added. values has index's axes and
 * then those of a row. Equal indices are summed in a fixed order, in blocks of 256, so that the bits do not depend on
 * threads (torch.zeros(rows, ...).index_add(0, index, values)). */
REEL_API reel_var reel_scatter_add_rows(reel_tape *tape, reel_var values, reel_var index, int64_t rows);

#ifdef __cplusplus
}
#endif

#endif
