/* Picking rows or single elements by index, and the way back. Indices are int64 or int32 (REEL_ERROR_DTYPE) from 0 to
 * the number of rows less one; others are refused with REEL_ERROR_INDEX and a text that names value, position and
 * range, before anything is written. Every operation has derivatives of any order.
 *
 *     REEL_OPTIONS(embedding_lookup, o, o.padding_idx = 0);
 *     reel_var rows = reel_embedding(t, weight, index, &o); // [1000, 64], [32, 20] -> [32, 20, 64]
 *     reel_var place = reel_unsqueeze(t, labels, 1);
 *     reel_var picked = reel_take_along_dim(t, scores, place, 1); // [32, 10], [32, 1] -> [32, 1] */
#ifndef REEL_GATHER_H
#define REEL_GATHER_H

#include <reel/options.h>
#include <reel/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The slices of x along `axis` (negative: from the end) that `index`, of one axis, names, in that order
 * (torch.index_select). Any element type. */
REEL_API reel_var reel_index_select(reel_tape *tape, reel_var x, int axis, reel_var index);

/* The padding_idx of a lookup without padding. */
#define REEL_NO_PADDING INT64_MIN

/* How the gradient of an embedding lookup differs from the derivative. */
typedef struct reel_embedding_lookup_options {
    reel_options_mark mark;
    int64_t padding_idx;     /* this row gets no gradient; negative: from the end; or REEL_NO_PADDING */
    bool scale_grad_by_freq; /* a row's gradient is divided by how often the lookup names it */
} reel_embedding_lookup_options;

/* No padding, no scaling. */
REEL_API reel_embedding_lookup_options reel_embedding_lookup_defaults(void);

/* Rows of weight [rows, ...] (real): the result has index's axes and then those of a row
 * (torch.nn.functional.embedding). NULL options: the defaults. REEL_ERROR_ARGUMENT for a padding_idx outside the table.
 * An index outside it gives, for example,
 *     embedding: index 10 at position [1, 2] (flat 5) is outside 0..9
 * The rule does not read the values of weight. A param with sparse gradients gets them row by row. */
REEL_API reel_var reel_embedding(reel_tape *tape, reel_var weight, reel_var index,
                                 const reel_embedding_lookup_options *options);

/* How a bag of rows becomes one. */
typedef enum reel_bag_mode {
    REEL_BAG_MEAN, /* their sum divided by how many there are */
    REEL_BAG_SUM,
    REEL_BAG_MAX /* the largest in each column, the first of equal ones; NaN is the largest, wherever it is */
} reel_bag_mode;

/* How reel_embedding_bag reduces and differentiates. */
typedef struct reel_embedding_bag_lookup_options {
    reel_options_mark mark;
    reel_bag_mode mode;       /* REEL_BAG_MEAN */
    int64_t padding_idx;      /* entries of this row are left out, and not counted; negative: from the end; or
                               * REEL_NO_PADDING */
    bool scale_grad_by_freq;  /* a row's gradient is divided by how often the index names it, in every mode */
    bool include_last_offset; /* offsets has one element more: where the last bag ends, the length of the index */
} reel_embedding_bag_lookup_options;

/* The mean, no padding, no scaling, no last offset. */
REEL_API reel_embedding_bag_lookup_options reel_embedding_bag_lookup_defaults(void);

/* Bags of rows of weight [rows, columns] (real), each reduced to one row: [bags, columns], without ever holding the
 * rows of a bag beside each other (torch.nn.functional.embedding_bag). An empty bag gives zeros. NULL options: the
 * defaults.
 *
 * Either index has one axis and offsets (int64 or int32, one axis) says where each bag begins: the first is 0, none is
 * less than the one before or behind the end of the index. Or index has two axes, its rows are the bags, and offsets is
 * the null var. Offsets that break this are REEL_ERROR_INDEX, as are indices, before anything is written; one without
 * the other REEL_ERROR_ARGUMENT.
 *
 * per_sample_weights, of the index's shape, or the null var for none: each row is multiplied by its weight first, in
 * every mode; the mean is still divided by how many entries there are (as FBGEMM's weighted mean pooling). Both weight
 * and per_sample_weights have derivatives of any order, those of max at the winners.
 *
 * Sums are made in blocks of 256 entries in the order of the index. A param with sparse gradients gets them for all
 * rows that are looked up, in max those that won nothing too, and bit for bit the dense ones. Without
 * per_sample_weights the rule does not read the values of weight. */
REEL_API reel_var reel_embedding_bag(reel_tape *tape, reel_var weight, reel_var index, reel_var offsets,
                                     reel_var per_sample_weights, const reel_embedding_bag_lookup_options *options);

/* The way back: a real var [rows, ...] of zeros, to whose row index[i] values[i] was added. values has index's axes and
 * then those of a row. Equal indices are summed in a fixed order, in blocks of 256, so that the bits do not depend on
 * threads (torch.zeros(rows, ...).index_add(0, index, values)). */
REEL_API reel_var reel_scatter_add_rows(reel_tape *tape, reel_var values, reel_var index, int64_t rows);

/* ---- Single elements, each with an index of its own ---- */

/* out[i, j, k] = x[index[i, j, k], j, k] for axis 0, x[i, index[i, j, k], k] for axis 1, and so on (torch.gather): the
 * shape of index, the type of x, which may be any. index has as many axes as x, and outside `axis` no larger sizes
 * (REEL_ERROR_SHAPE). */
REEL_API reel_var reel_gather(reel_tape *tape, reel_var x, int axis, reel_var index);

/* The same where all sizes but that of `axis` are broadcast against each other (torch.take_along_dim): with the
 * positions of reel_argmax or reel_argsort. */
REEL_API reel_var reel_take_along_dim(reel_tape *tape, reel_var x, reel_var index, int axis);

/* A copy of x in which values[i, j, k] was written to, or added to, [index[i, j, k], j, k] for axis 0 and so on
 * (torch.scatter, torch.scatter_add). index is as for reel_gather; values have the type of x, and at least the sizes of
 * index, whose places alone count. Equal places are written and added to in the order of index: the last value stays,
 * and is the one that gets the gradient (in PyTorch it is any of them, and all get it). scatter takes any type,
 * scatter_add any but bool; a sum of integers that does not fit wraps. */
REEL_API reel_var reel_scatter(reel_tape *tape, reel_var x, int axis, reel_var index, reel_var values);
REEL_API reel_var reel_scatter_add(reel_tape *tape, reel_var x, int axis, reel_var index, reel_var values);

#ifdef __cplusplus
}
#endif

#endif
