/* Gumbel softmax: categories that are drawn, with gradients. */
#include "core/tape.h"
#include "ops/family.h"

#include <reel/create.h>
#include <reel/elementwise.h>
#include <reel/gather.h>
#include <reel/reduce.h>
#include <reel/softmax.h>
#include <reel/tape.h>
#include <reel/unary.h>

#include <math.h>

reel_gumbel_softmax_options reel_gumbel_softmax_defaults(void)
{
    return (reel_gumbel_softmax_options){.mark = REEL_OPTIONS_MARK(reel_gumbel_softmax_options),
                                         .tau = 1,
                                         .axis = -1,
                                         .label = reel_null(),
                                         .offsets = reel_null()};
}

static reel_var with_offsets(reel_tape *t, reel_var logits, const reel_gumbel_softmax_options *o)
{
    if (reel_is_null(o->label) && reel_is_null(o->offsets))
        return logits;
    if (reel_is_null(o->label) || reel_is_null(o->offsets)) {
        reel_fail(t->context, REEL_ERROR_ARGUMENT, "gumbel_softmax: label and offsets go together, one is missing");
        return reel_null();
    }
    reel_var rows = reel_embedding(t, o->offsets, o->label, NULL);
    reel_shape shape = reel_shape_of(t, logits), other = reel_shape_of(t, rows);
    if (shape.ndim >= 0 && other.ndim >= 0 && !reel_shape_equal(&shape, &other)) {
        char text[REEL_SHAPE_TEXT], other_text[REEL_SHAPE_TEXT];
        reel_fail(t->context, REEL_ERROR_SHAPE, "gumbel_softmax: offsets of the labels are %s, the logits %s",
                  reel_shape_text(&other, other_text), reel_shape_text(&shape, text));
    }
    return reel_add(t, logits, rows);
}

/* 1 where y is largest, with the gradient of y. */
static reel_var straight_through(reel_tape *t, reel_var y, int axis)
{
    reel_var place = reel_argmax(t, y, axis, true), one = reel_ones(t, reel_shape_of(t, place));
    reel_var hard = reel_scatter(t, reel_zeros_like(t, y), axis, place, one);
    return reel_add(t, reel_sub(t, hard, reel_detach(t, y)), y);
}

reel_var reel_gumbel_softmax(reel_tape *tape, reel_var logits, const reel_gumbel_softmax_options *options)
{
    reel_gumbel_softmax_options o = reel_gumbel_softmax_defaults();
    if (reel_options_take(reel_tape_context(tape), "gumbel_softmax", options, &o) != REEL_OK)
        return reel_null();
    reel_context *c = tape->context;
    if (!(o.tau > 0 && o.tau < (double)INFINITY)) {
        reel_fail(c, REEL_ERROR_ARGUMENT, "gumbel_softmax: tau is %g, it must be above 0", o.tau);
        return reel_null();
    }
    logits = with_offsets(tape, logits, &o);
    const struct reel_generator before = c->generator;
    reel_var noise = reel_neg(tape, reel_log(tape, reel_exponential(tape, reel_shape_of(tape, logits))));
    reel_var y = reel_softmax(tape, reel_div_scalar(tape, reel_add(tape, logits, noise), o.tau), o.axis);
    if (o.hard)
        y = straight_through(tape, y, o.axis);
    if (c->status != REEL_OK)
        c->generator = before;
    return y;
}
