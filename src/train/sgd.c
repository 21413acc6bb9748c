#include "train/optim.h"

static reel_status check(reel_context *c, const char *who, const union reel_optim_options *options)
{
    const reel_sgd_options *o = &options->sgd;
    if (reel_optim_expect_positive(c, who, "lr", o->lr) != REEL_OK ||
        reel_optim_expect_positive(c, who, "momentum", o->momentum) != REEL_OK ||
        reel_optim_expect_positive(c, who, "weight_decay", o->weight_decay) != REEL_OK)
        return c->status;
    if (o->nesterov && (o->momentum == 0 || o->dampening != 0))
        return reel_fail(c, REEL_ERROR_ARGUMENT,
                         "%s: nesterov needs momentum above 0 and dampening 0, they are %g and %g", who, o->momentum,
                         o->dampening);
    return REEL_OK;
}

static unsigned states(const union reel_optim_options *options)
{
    return options->sgd.momentum != 0;
}

static bool defers(const union reel_optim_options *options)
{
    const reel_sgd_options *o = &options->sgd;
    return o->sparse_update == REEL_EXACT && (o->momentum != 0 || o->weight_decay != 0);
}

/* The first gradient becomes the momentum buffer undampened. */
static bool first_differs(const union reel_optim_options *options)
{
    return options->sgd.momentum != 0 && options->sgd.dampening != 0;
}

static void prepare(const union reel_optim_options *options, double lr, int64_t step, struct reel_update *update)
{
    const reel_sgd_options *o = &options->sgd;
    *update = (struct reel_update){
        .loop = reel_kern_update_sgd,
        .decay = o->weight_decay != 0,
        .sign = o->maximize ? -1 : 1,
        .weight_decay = (reel_real)o->weight_decay,
        .of.sgd = {.minus_lr = (reel_real)-lr,
                   .momentum = (reel_real)o->momentum,
                   .one_minus_dampening = step == 1 ? 1 : (reel_real)(1 - o->dampening),
                   .has_momentum = o->momentum != 0,
                   .nesterov = o->nesterov},
    };
}

static const struct reel_optim_algorithm sgd = {
    .name = "sgd",
    .check = check,
    .states = states,
    .defers = defers,
    .prepare = prepare,
    .first_differs = first_differs,
};

reel_sgd_options reel_sgd_defaults(void)
{
    return (reel_sgd_options){.mark = REEL_OPTIONS_MARK(reel_sgd_options), .lr = 1e-3};
}

reel_optim *reel_sgd_new(reel_params *params, const reel_sgd_options *options)
{
    return reel_optim_new(params, &sgd, options, (union reel_optim_options){.sgd = reel_sgd_defaults()});
}

int reel_sgd_add_group(reel_optim *optim, const char *names, const reel_sgd_options *options)
{
    return reel_optim_add_group(optim, &sgd, names, options, (union reel_optim_options){.sgd = reel_sgd_defaults()});
}
