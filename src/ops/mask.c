/* Masks: where something holds, and what is done there. All of it is made of operations. */
#include "ops/pointwise.h"

#include <reel/compare.h>
#include <reel/create.h>
#include <reel/elementwise.h>
#include <reel/gather.h>
#include <reel/mask.h>
#include <reel/reduce.h>
#include <reel/view.h>

#include <math.h>

reel_var reel_isnan(reel_tape *tape, reel_var x)
{
    return reel_ne(tape, x, x);
}

reel_var reel_isinf(reel_tape *tape, reel_var x)
{
    reel_var above = reel_eq_scalar(tape, x, INFINITY);
    return reel_logical_or(tape, above, reel_eq_scalar(tape, x, -INFINITY));
}

reel_var reel_isfinite(reel_tape *tape, reel_var x)
{
    reel_var below = reel_lt_scalar(tape, x, INFINITY);
    return reel_logical_and(tape, below, reel_gt_scalar(tape, x, -INFINITY));
}

/* A sum of ones is 0 exactly when there are none. */
reel_var reel_any(reel_tape *tape, reel_var x, const int *axes, int n, bool keepdim)
{
    reel_var holds = reel_to_real(tape, reel_ne_scalar(tape, x, 0));
    return reel_gt_scalar(tape, reel_sum(tape, holds, axes, n, keepdim), 0);
}

reel_var reel_all(reel_tape *tape, reel_var x, const int *axes, int n, bool keepdim)
{
    reel_var fails = reel_to_real(tape, reel_eq_scalar(tape, x, 0));
    return reel_eq_scalar(tape, reel_sum(tape, fails, axes, n, keepdim), 0);
}

reel_var reel_masked_fill(reel_tape *tape, reel_var x, reel_var mask, double value)
{
    reel_shape shape = reel_shape_of(tape, x), of_mask = reel_shape_of(tape, mask), both;
    if (shape.ndim < 0 || of_mask.ndim < 0)
        return reel_null();
    reel_context *c = reel_tape_context(tape);
    if (reel_broadcast_shapes(c, "masked_fill", &shape, &of_mask, &both) != REEL_OK)
        return reel_null();
    if (!reel_shape_equal(&both, &shape)) {
        char text_x[REEL_SHAPE_TEXT], text_mask[REEL_SHAPE_TEXT];
        reel_fail(c, REEL_ERROR_SHAPE, "masked_fill: the mask %s does not broadcast to %s, the shape of x",
                  reel_shape_text(&of_mask, text_mask), reel_shape_text(&shape, text_x));
        return reel_null();
    }
    return reel_where(tape, mask, reel_number(tape, "masked_fill", reel_dtype_of(tape, x), value), x);
}

/* x where column - row is on the kept side of the diagonal, else 0. */
static reel_var triangle(reel_tape *tape, const char *who, reel_var x, int64_t diagonal, bool lower)
{
    reel_shape shape = reel_shape_of(tape, x);
    if (shape.ndim < 0)
        return reel_null();
    if (shape.ndim < 2) {
        reel_fail(reel_tape_context(tape), REEL_ERROR_SHAPE, "%s: x has %d axes, it needs two", who, shape.ndim);
        return reel_null();
    }
    int64_t rows = shape.dim[shape.ndim - 2], columns = shape.dim[shape.ndim - 1];
    reel_var row = reel_reshape(tape, reel_arange_int64(tape, 0, rows, 1), REEL_SHAPE(rows, 1));
    reel_var above = reel_sub(tape, reel_arange_int64(tape, 0, columns, 1), row), edge;
    edge = reel_full_int64(tape, REEL_SCALAR, diagonal);
    reel_var kept = lower ? reel_le(tape, above, edge) : reel_ge(tape, above, edge);
    return reel_where(tape, kept, x, reel_number(tape, who, reel_dtype_of(tape, x), 0));
}

reel_var reel_tril(reel_tape *tape, reel_var x, int64_t diagonal)
{
    return triangle(tape, "tril", x, diagonal, true);
}

reel_var reel_triu(reel_tape *tape, reel_var x, int64_t diagonal)
{
    return triangle(tape, "triu", x, diagonal, false);
}

reel_var reel_one_hot(reel_tape *tape, reel_var index, int64_t num_classes)
{
    index = reel_unsqueeze(tape, index, -1);
    reel_shape shape = reel_shape_of(tape, index);
    if (shape.ndim < 0)
        return reel_null();
    if (num_classes < 1) {
        reel_fail(reel_tape_context(tape), REEL_ERROR_ARGUMENT, "one_hot: num_classes %lld is not at least 1",
                  (long long)num_classes);
        return reel_null();
    }
    reel_var ones = reel_full_int64(tape, shape, 1);
    shape.dim[shape.ndim - 1] = num_classes;
    return reel_scatter(tape, reel_full_int64(tape, shape, 0), -1, index, ones);
}
