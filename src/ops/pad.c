/* Padding and interpolation, made of pieces of axes and of picks along them. */
#include "core/tape.h"
#include "ops/pointwise.h"

#include <reel/elementwise.h>
#include <reel/gather.h>
#include <reel/join.h>
#include <reel/pad.h>
#include <reel/view.h>

#include <math.h>

/* ---- pad ---- */

/* `count` elements for one end of the axis; count > 0. */
static reel_var border(reel_tape *tape, reel_var x, const reel_shape *shape, int axis, bool behind, int64_t count,
                       reel_pad_mode mode, double value)
{
    int64_t size = shape->dim[axis];
    reel_shape part = *shape;
    part.dim[axis] = count;
    switch (mode) {
    case REEL_PAD_CONSTANT:
        return reel_expand(tape, reel_number(tape, "pad", reel_dtype_of(tape, x), value), part);
    case REEL_PAD_REFLECT:
        return reel_flip(tape, reel_narrow(tape, x, axis, behind ? size - 1 - count : 1, count), &axis, 1);
    case REEL_PAD_REPLICATE:
        return reel_expand(tape, reel_narrow(tape, x, axis, behind ? size - 1 : 0, 1), part);
    case REEL_PAD_CIRCULAR:
        break;
    }
    return reel_narrow(tape, x, axis, behind ? 0 : size - count, count);
}

/* Whether the axis can be padded so; else the error is recorded. */
static bool can_pad(reel_context *c, int axis, int64_t size, const int64_t *pad, reel_pad_mode mode)
{
    if (mode == REEL_PAD_CONSTANT) {
        int64_t cut = (pad[0] < 0 ? -pad[0] : 0) + (pad[1] < 0 ? -pad[1] : 0);
        return cut <= size || reel_fail(c, REEL_ERROR_SHAPE, "pad: %lld and %lld elements of axis %d, which has %lld",
                                        (long long)pad[0], (long long)pad[1], axis, (long long)size) == REEL_OK;
    }
    int64_t most = mode == REEL_PAD_REFLECT ? size - 1 : mode == REEL_PAD_CIRCULAR ? size : INT64_MAX;
    if (pad[0] < 0 || pad[1] < 0) {
        reel_fail(c, REEL_ERROR_ARGUMENT, "pad: only the constant mode cuts elements off, by %lld and %lld",
                  (long long)pad[0], (long long)pad[1]);
        return false;
    }
    if (size == 0 ? pad[0] + pad[1] > 0 : pad[0] > most || pad[1] > most) {
        reel_fail(c, REEL_ERROR_SHAPE, "pad: axis %d has too few elements, %lld, to make %lld and %lld of them", axis,
                  (long long)size, (long long)pad[0], (long long)pad[1]);
        return false;
    }
    return true;
}

reel_var reel_pad(reel_tape *tape, reel_var x, const int64_t *pad, int n, reel_pad_mode mode, double value)
{
    reel_shape shape = reel_shape_of(tape, x);
    if (shape.ndim < 0)
        return reel_null();
    reel_context *c = reel_tape_context(tape);
    bool counts = n >= 0 && n % 2 == 0 && n / 2 <= shape.ndim && (pad || n == 0);
    bool known = mode == REEL_PAD_CONSTANT || mode == REEL_PAD_REFLECT || mode == REEL_PAD_REPLICATE ||
                 mode == REEL_PAD_CIRCULAR;
    if (!counts || !known) {
        reel_fail(c, REEL_ERROR_ARGUMENT,
                  counts ? "pad: there is no mode %d for a var of %d axes"
                         : "pad: %d numbers for %d axes; it takes two for each axis that is padded",
                  counts ? (int)mode : n, shape.ndim);
        return reel_null();
    }
    const int64_t limit = INT64_C(1) << 60; /* sums of them fit */
    for (int i = 0; i < n; i += 2) {
        int axis = shape.ndim - 1 - i / 2;
        if (pad[i] < -limit || pad[i] > limit || pad[i + 1] < -limit || pad[i + 1] > limit) {
            reel_fail(c, REEL_ERROR_SHAPE, "pad: axis %d cannot grow by %lld and %lld", axis, (long long)pad[i],
                      (long long)pad[i + 1]);
            return reel_null();
        }
        if (!can_pad(c, axis, shape.dim[axis], pad + i, mode))
            return reel_null();
        int64_t cut[2] = {pad[i] < 0 ? -pad[i] : 0, pad[i + 1] < 0 ? -pad[i + 1] : 0};
        if (cut[0] + cut[1] > 0)
            x = reel_narrow(tape, x, axis, cut[0], shape.dim[axis] -= cut[0] + cut[1]);
        reel_var pieces[3];
        int count = 0;
        if (pad[i] > 0)
            pieces[count++] = border(tape, x, &shape, axis, false, pad[i], mode, value);
        pieces[count++] = x;
        if (pad[i + 1] > 0)
            pieces[count++] = border(tape, x, &shape, axis, true, pad[i + 1], mode, value);
        if (count > 1)
            x = reel_cat(tape, pieces, count, axis);
        shape = reel_shape_of(tape, x);
        if (shape.ndim < 0)
            return reel_null();
    }
    return x;
}

/* ---- interpolate ---- */

/* For each of the `to` new elements of an axis of `from`, the lower of its two neighbours, how far the upper one is, 0
 * or 1, and the share of the upper one. Null vars on error. */
struct neighbours {
    reel_var lower, upper, share;
};

static struct neighbours neighbours_of(reel_tape *tape, int64_t from, int64_t to, bool linear, bool align_corners)
{
    struct neighbours n = {reel_null(), reel_null(), reel_null()};
    reel_shape shape = {.ndim = 1, .dim = {to}};
    struct reel_node *lower = reel_tape_add_array(tape, REEL_INT64, &shape, "interpolate", &n.lower);
    struct reel_node *upper = lower ? reel_tape_add_array(tape, REEL_INT64, &shape, "interpolate", &n.upper) : NULL;
    struct reel_node *share = upper ? reel_tape_add_array(tape, REEL_REAL, &shape, "interpolate", &n.share) : NULL;
    if (!share)
        return (struct neighbours){reel_null(), reel_null(), reel_null()};
    const double scale =
        align_corners ? (to > 1 ? (double)(from - 1) / (double)(to - 1) : 0) : (double)from / (double)to;
    const float nearest = (float)from / (float)to; /* PyTorch's rounding decides about the element */
    for (int64_t i = 0; i < to; i++) {
        double place = align_corners ? (double)i * scale : ((double)i + 0.5) * scale - 0.5;
        place = place < 0 ? 0 : place;
        int64_t at = linear ? (int64_t)place : (int64_t)floorf((float)i * nearest);
        at = at < from - 1 ? at : from - 1;
        double rest = place - (double)at;
        ((int64_t *)lower->array.data)[i] = at;
        ((int64_t *)upper->array.data)[i] = at + 1 < from ? at + 1 : at;
        ((reel_real *)share->array.data)[i] = (reel_real)(rest < 0 ? 0 : rest > 1 ? 1 : rest);
    }
    return n;
}

static reel_var interpolate_axis(reel_tape *tape, reel_var x, const reel_shape *shape, int axis, int64_t to,
                                 bool linear, bool align_corners)
{
    const int64_t from = shape->dim[axis];
    if (to == from)
        return x;
    if (!linear && to % from == 0) { /* each element so many times */
        reel_shape apart = {.ndim = 3, .dim = {1, 1, 1}}, result = *shape;
        for (int i = 0; i < shape->ndim; i++)
            apart.dim[i <= axis ? 0 : 2] *= shape->dim[i];
        x = reel_reshape(tape, x, apart);
        apart.dim[1] = to / from;
        result.dim[axis] = to;
        return reel_reshape(tape, reel_expand(tape, x, apart), result);
    }
    struct neighbours n = neighbours_of(tape, from, to, linear, align_corners);
    reel_var lower = reel_index_select(tape, x, axis, n.lower);
    if (!linear)
        return lower;
    reel_shape beside = {.ndim = shape->ndim - axis, .dim = {to, 1, 1, 1, 1, 1, 1, 1}};
    reel_var share = reel_reshape(tape, n.share, beside);
    reel_var upper = reel_mul(tape, reel_index_select(tape, x, axis, n.upper), share);
    return reel_add(tape, reel_mul(tape, lower, reel_rsub_scalar(tape, share, 1)), upper);
}

reel_var reel_interpolate(reel_tape *tape, reel_var x, const int64_t *size, int n, reel_interpolation mode,
                          bool align_corners)
{
    reel_shape shape = reel_shape_of(tape, x);
    if (shape.ndim < 0)
        return reel_null();
    reel_context *c = reel_tape_context(tape);
    const bool linear = mode == REEL_INTERPOLATE_LINEAR;
    if ((!linear && mode != REEL_INTERPOLATE_NEAREST) || (align_corners && !linear)) {
        reel_fail(c, REEL_ERROR_ARGUMENT, "interpolate: there is no mode %d%s", (int)mode,
                  align_corners ? " with align_corners" : "");
        return reel_null();
    }
    if (n < 1 || !size || n != shape.ndim - 2) {
        char text[REEL_SHAPE_TEXT];
        reel_fail(c, n < 1 || !size ? REEL_ERROR_ARGUMENT : REEL_ERROR_SHAPE,
                  "interpolate: %d sizes%s, and x is %s; it needs two axes more than sizes", n,
                  size ? "" : " at a NULL pointer", reel_shape_text(&shape, text));
        return reel_null();
    }
    for (int i = 0; i < n; i++)
        if (size[i] < 1 || shape.dim[i + 2] < 1) {
            reel_fail(c, size[i] < 1 ? REEL_ERROR_ARGUMENT : REEL_ERROR_SHAPE,
                      "interpolate: %lld elements of axis %d, which has %lld", (long long)size[i], i + 2,
                      (long long)shape.dim[i + 2]);
            return reel_null();
        }
    for (int i = 0; i < n; i++) {
        x = interpolate_axis(tape, x, &shape, i + 2, size[i], linear, align_corners);
        shape.dim[i + 2] = size[i];
    }
    return reel_is_null(x) || reel_context_status(c) != REEL_OK ? reel_null() : x;
}
