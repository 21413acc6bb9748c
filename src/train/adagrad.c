/* Adagrad, and the form that keeps one number for each row. */
#include "train/optim.h"

static reel_status check(reel_context *c, const char *who, const union reel_optim_options *options)
{
    const reel_adagrad_options *o = &options->adagrad;
    if (reel_optim_expect_positive(c, who, "lr", o->lr) != REEL_OK ||
        reel_optim_expect_positive(c, who, "lr_decay", o->lr_decay) != REEL_OK ||
        reel_optim_expect_positive(c, who, "weight_decay", o->weight_decay) != REEL_OK ||
        reel_optim_expect_positive(c, who, "initial_accumulator_value", o->initial_accumulator_value) != REEL_OK)
        return c->status;
    return reel_optim_expect_positive(c, who, "eps", o->eps);
}

static unsigned states(const union reel_optim_options *options)
{
    (void)options;
    return 1;
}

static bool defers(const union reel_optim_options *options)
{
    return options->adagrad.sparse_update == REEL_EXACT && options->adagrad.weight_decay != 0;
}

static void prepare_elements(const union reel_optim_options *options, double lr, int64_t step,
                             struct reel_update *update)
{
    const reel_adagrad_options *o = &options->adagrad;
    *update = (struct reel_update){
        .loop = reel_kern_update_adagrad,
        .decay = o->weight_decay != 0,
        .sign = o->maximize ? -1 : 1,
        .weight_decay = (reel_real)o->weight_decay,
        .of.adagrad = {.minus_lr = (reel_real) - (lr / (1 + (double)(step - 1) * o->lr_decay)),
                       .initial = (reel_real)o->initial_accumulator_value,
                       .eps = (reel_real)o->eps},
    };
}

static void prepare_rows(const union reel_optim_options *options, double lr, int64_t step, struct reel_update *update)
{
    prepare_elements(options, lr, step, update);
    update->loop = reel_kern_update_rowwise_adagrad;
    update->row_state = true;
}

static const struct reel_optim_algorithm adagrad = {
    .name = "adagrad",
    .check = check,
    .states = states,
    .defers = defers,
    .prepare = prepare_elements,
};
static const struct reel_optim_algorithm rowwise_adagrad = {
    .name = "rowwise_adagrad",
    .check = check,
    .states = states,
    .defers = defers,
    .prepare = prepare_rows,
    .row_state = true,
};

reel_adagrad_options reel_adagrad_defaults(void)
{
    return (reel_adagrad_options){.mark = REEL_OPTIONS_MARK(reel_adagrad_options), .lr = 1e-2, .eps = 1e-10};
}

reel_rowwise_adagrad_options reel_rowwise_adagrad_defaults(void)
{
    return reel_adagrad_defaults();
}

reel_optim *reel_adagrad_new(reel_params *params, const reel_adagrad_options *options)
{
    return reel_optim_new(params, &adagrad, options, (union reel_optim_options){.adagrad = reel_adagrad_defaults()});
}

reel_optim *reel_rowwise_adagrad_new(reel_params *params, const reel_rowwise_adagrad_options *options)
{
    return reel_optim_new(params, &rowwise_adagrad, options,
                          (union reel_optim_options){.adagrad = reel_rowwise_adagrad_defaults()});
}

int reel_adagrad_add_group(reel_optim *optim, const char *names, const reel_adagrad_options *options)
{
    return reel_optim_add_group(optim, &adagrad, names, options,
                                (union reel_optim_options){.adagrad = reel_adagrad_defaults()});
}

int reel_rowwise_adagrad_add_group(reel_optim *optim, const char *names, const reel_rowwise_adagrad_options *options)
{
    return reel_optim_add_group(optim, &rowwise_adagrad, names, options,
                                (union reel_optim_options){.adagrad = reel_rowwise_adagrad_defaults()});
}
