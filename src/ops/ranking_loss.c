/* Losses of distances and of ranks, made of operations. */
#include "ops/loss.h"

#include <reel/compare.h>
#include <reel/create.h>
#include <reel/elementwise.h>
#include <reel/reduce.h>
#include <reel/unary.h>

/* ---- triplet_margin_loss ---- */

reel_triplet_margin_loss_options reel_triplet_margin_loss_defaults(void)
{
    return (reel_triplet_margin_loss_options){.mark = REEL_OPTIONS_MARK(reel_triplet_margin_loss_options),
                                              .reduction = REEL_MEAN,
                                              .margin = 1,
                                              .p = 2,
                                              .eps = 1e-6,
                                              .swap = false};
}

/* The p-norm, along the last axis, of a - b + eps. */
static reel_var distance(reel_tape *tape, reel_var a, reel_var b, const reel_triplet_margin_loss_options *o)
{
    reel_var difference = reel_add_scalar(tape, reel_sub(tape, a, b), o->eps);
    return reel_norm(tape, difference, o->p, REEL_AXES(-1), false);
}

reel_var reel_triplet_margin_loss_with(reel_tape *tape, reel_var anchor, reel_var positive, reel_var negative,
                                       const reel_triplet_margin_loss_options *options)
{
    static const char *const who = "triplet_margin_loss";
    reel_context *c = reel_tape_context(tape);
    reel_triplet_margin_loss_options o = reel_triplet_margin_loss_defaults();
    if ((options && reel_options_take(c, who, options, &o) != REEL_OK) ||
        !reel_loss_shapes_match(tape, who, anchor, positive) || !reel_loss_shapes_match(tape, who, anchor, negative))
        return reel_null();
    if (!(o.margin > 0)) {
        reel_fail(c, REEL_ERROR_ARGUMENT, "%s: margin is %g, it must be above 0", who, o.margin);
        return reel_null();
    }
    reel_var near = distance(tape, anchor, positive, &o), far = distance(tape, anchor, negative, &o);
    if (o.swap)
        far = reel_minimum(tape, far, distance(tape, positive, negative, &o));
    reel_var losses = reel_relu(tape, reel_add_scalar(tape, reel_sub(tape, near, far), o.margin));
    return reel_loss_reduce(tape, who, losses, o.reduction);
}

reel_var reel_triplet_margin_loss(reel_tape *tape, reel_var anchor, reel_var positive, reel_var negative)
{
    return reel_triplet_margin_loss_with(tape, anchor, positive, negative, NULL);
}

/* ---- margin_ranking_loss ---- */

reel_margin_loss_options reel_margin_loss_defaults(void)
{
    return (reel_margin_loss_options){
        .mark = REEL_OPTIONS_MARK(reel_margin_loss_options), .reduction = REEL_MEAN, .margin = 0};
}

reel_var reel_margin_ranking_loss_with(reel_tape *tape, reel_var x1, reel_var x2, reel_var target,
                                       const reel_margin_loss_options *options)
{
    static const char *const who = "margin_ranking_loss";
    reel_margin_loss_options o = reel_margin_loss_defaults();
    if ((options && reel_options_take(reel_tape_context(tape), "margin_loss", options, &o) != REEL_OK) ||
        !reel_loss_shapes_match(tape, who, x1, x2) || !reel_loss_shapes_match(tape, who, x1, target))
        return reel_null();
    reel_var lead = reel_mul(tape, reel_to_real(tape, target), reel_sub(tape, x1, x2));
    return reel_loss_reduce(tape, who, reel_relu(tape, reel_rsub_scalar(tape, lead, o.margin)), o.reduction);
}

reel_var reel_margin_ranking_loss(reel_tape *tape, reel_var x1, reel_var x2, reel_var target)
{
    return reel_margin_ranking_loss_with(tape, x1, x2, target, NULL);
}

/* ---- cosine_embedding_loss ---- */

/* The sum along the last axis of a times b. */
static reel_var inner_product(reel_tape *tape, reel_var a, reel_var b)
{
    return reel_sum(tape, reel_mul(tape, a, b), REEL_AXES(-1), false);
}

reel_var reel_cosine_embedding_loss_with(reel_tape *tape, reel_var x1, reel_var x2, reel_var target,
                                         const reel_margin_loss_options *options)
{
    static const char *const who = "cosine_embedding_loss";
    const double eps = 1e-12; /* PyTorch's, so that zeros have a cosine */
    reel_margin_loss_options o = reel_margin_loss_defaults();
    if ((options && reel_options_take(reel_tape_context(tape), "margin_loss", options, &o) != REEL_OK) ||
        !reel_loss_shapes_match(tape, who, x1, x2))
        return reel_null();
    reel_var square1 = reel_add_scalar(tape, inner_product(tape, x1, x1), eps);
    reel_var square2 = reel_add_scalar(tape, inner_product(tape, x2, x2), eps);
    reel_var lengths = reel_sqrt(tape, reel_mul(tape, square1, square2));
    reel_var cosine = reel_div(tape, inner_product(tape, x1, x2), lengths);
    if (!reel_loss_shapes_match(tape, who, cosine, target))
        return reel_null();
    reel_var zero = reel_zeros(tape, REEL_SCALAR);
    reel_var apart = reel_relu(tape, reel_sub_scalar(tape, cosine, o.margin));
    reel_var losses = reel_where(tape, reel_eq_scalar(tape, target, -1), apart, zero);
    losses = reel_where(tape, reel_eq_scalar(tape, target, 1), reel_rsub_scalar(tape, cosine, 1), losses);
    return reel_loss_reduce(tape, who, losses, o.reduction);
}

reel_var reel_cosine_embedding_loss(reel_tape *tape, reel_var x1, reel_var x2, reel_var target)
{
    return reel_cosine_embedding_loss_with(tape, x1, x2, target, NULL);
}
