/* Activations that are made of operations. */
#include "ops/family.h"

#include <reel/compare.h>
#include <reel/elementwise.h>
#include <reel/join.h>
#include <reel/unary.h>
#include <reel/view.h>

reel_var reel_mish(reel_tape *tape, reel_var x)
{
    return reel_mul(tape, x, reel_tanh(tape, reel_softplus(tape, x, 1, 20)));
}

reel_var reel_selu(reel_tape *tape, reel_var x)
{
    const double alpha = 1.6732632423543772, scale = 1.0507009873554805;
    return reel_mul_scalar(tape, reel_elu(tape, x, alpha), scale);
}

reel_var reel_glu(reel_tape *tape, reel_var x, int axis)
{
    reel_shape shape = reel_shape_of(tape, x);
    if (shape.ndim < 0 || reel_normalize_axis(reel_tape_context(tape), "glu", shape.ndim, &axis) != REEL_OK)
        return reel_null();
    int64_t half = shape.dim[axis] / 2;
    if (shape.dim[axis] % 2 != 0) {
        reel_fail(reel_tape_context(tape), REEL_ERROR_SHAPE, "glu: axis %d has %lld elements, an odd number", axis,
                  (long long)shape.dim[axis]);
        return reel_null();
    }
    reel_var gate = reel_sigmoid(tape, reel_narrow(tape, x, axis, half, half));
    return reel_mul(tape, reel_narrow(tape, x, axis, 0, half), gate);
}

reel_var reel_prelu(reel_tape *tape, reel_var x, reel_var weight)
{
    reel_shape shape = reel_shape_of(tape, x), slopes = reel_shape_of(tape, weight);
    if (shape.ndim < 0 || slopes.ndim < 0)
        return reel_null();
    int64_t channels = shape.ndim > 1 ? shape.dim[1] : 1, count = reel_numel(tape, weight);
    if (slopes.ndim > 1 || (count != 1 && count != channels)) {
        char text[REEL_SHAPE_TEXT];
        reel_fail(reel_tape_context(tape), REEL_ERROR_SHAPE,
                  "prelu: the weight is %s, it must be one slope or one for each of %lld channels",
                  reel_shape_text(&slopes, text), (long long)channels);
        return reel_null();
    }
    reel_shape beside = {.ndim = shape.ndim};
    for (int i = 0; i < shape.ndim; i++)
        beside.dim[i] = i == 1 ? count : 1;
    weight = reel_reshape(tape, weight, beside);
    return reel_where(tape, reel_gt_scalar(tape, x, 0), x, reel_mul(tape, weight, x));
}
