#include "train/optim.h"

static reel_status check(reel_context *c, const char *who, const union reel_optim_options *options)
{
    const reel_rmsprop_options *o = &options->rmsprop;
    if (reel_optim_expect_positive(c, who, "lr", o->lr) != REEL_OK ||
        reel_optim_expect_positive(c, who, "alpha", o->alpha) != REEL_OK ||
        reel_optim_expect_positive(c, who, "eps", o->eps) != REEL_OK ||
        reel_optim_expect_positive(c, who, "weight_decay", o->weight_decay) != REEL_OK)
        return c->status;
    return reel_optim_expect_positive(c, who, "momentum", o->momentum);
}

static unsigned states(const union reel_optim_options *options)
{
    return 1u | (options->rmsprop.centered ? 2u : 0u) | (options->rmsprop.momentum > 0 ? 4u : 0u);
}

/* The mean square decays without a gradient, too. */
static bool defers(const union reel_optim_options *options)
{
    return options->rmsprop.sparse_update == REEL_EXACT;
}

static void prepare(const union reel_optim_options *options, double lr, int64_t step, struct reel_update *update)
{
    const reel_rmsprop_options *o = &options->rmsprop;
    (void)step;
    *update = (struct reel_update){
        .loop = reel_kern_update_rmsprop,
        .decay = o->weight_decay != 0,
        .sign = o->maximize ? -1 : 1,
        .smallest_square = reel_update_smallest_square(o->eps),
        .weight_decay = (reel_real)o->weight_decay,
        .of.rmsprop = {.minus_lr = (reel_real)-lr,
                       .alpha = (reel_real)o->alpha,
                       .one_minus_alpha = (reel_real)(1 - o->alpha),
                       .eps = (reel_real)o->eps,
                       .momentum = (reel_real)o->momentum,
                       .centered = o->centered,
                       .has_momentum = o->momentum > 0},
    };
}

static const struct reel_optim_algorithm rmsprop = {
    .name = "rmsprop", .check = check, .states = states, .defers = defers, .prepare = prepare};

reel_rmsprop_options reel_rmsprop_defaults(void)
{
    return (reel_rmsprop_options){
        .mark = REEL_OPTIONS_MARK(reel_rmsprop_options), .lr = 1e-2, .alpha = 0.99, .eps = 1e-8};
}

reel_optim *reel_rmsprop_new(reel_params *params, const reel_rmsprop_options *options)
{
    return reel_optim_new(params, &rmsprop, options, (union reel_optim_options){.rmsprop = reel_rmsprop_defaults()});
}

int reel_rmsprop_add_group(reel_optim *optim, const char *names, const reel_rmsprop_options *options)
{
    return reel_optim_add_group(optim, &rmsprop, names, options,
                                (union reel_optim_options){.rmsprop = reel_rmsprop_defaults()});
}
