/* Padding, made of pieces of axes. */
#include "ops/pointwise.h"

#include <reel/join.h>
#include <reel/pad.h>

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
