/* Adam and AdamW: they differ in what weight decay does. */
#include "train/optim.h"

#include <math.h>

static reel_status check(reel_context *c, const char *who, const union reel_optim_options *options)
{
    const reel_adam_options *o = &options->adam;
    if (reel_optim_expect_positive(c, who, "lr", o->lr) != REEL_OK ||
        reel_optim_expect_positive(c, who, "eps", o->eps) != REEL_OK ||
        reel_optim_expect_positive(c, who, "weight_decay", o->weight_decay) != REEL_OK)
        return c->status;
    if (!(o->beta1 >= 0 && o->beta1 < 1 && o->beta2 >= 0 && o->beta2 < 1))
        return reel_fail(c, REEL_ERROR_ARGUMENT, "%s: the betas are %g and %g, they must be in [0, 1)", who, o->beta1,
                         o->beta2);
    return REEL_OK;
}

static unsigned states(const union reel_optim_options *options)
{
    return options->adam.amsgrad ? 7 : 3;
}

static bool defers(const union reel_optim_options *options)
{
    return options->adam.sparse_update == REEL_EXACT;
}

static void prepare_common(const reel_adam_options *o, double lr, int64_t step, struct reel_update *update)
{
    double correction1 = 1 - pow(o->beta1, (double)step), correction2 = 1 - pow(o->beta2, (double)step);
    *update = (struct reel_update){
        .loop = reel_kern_update_adam,
        .sign = o->maximize ? -1 : 1,
        .smallest_square = reel_update_smallest_square(o->eps),
        .of.adam = {.minus_step_size = (reel_real) - (lr / correction1),
                    .one_minus_beta1 = (reel_real)(1 - o->beta1),
                    .beta2 = (reel_real)o->beta2,
                    .one_minus_beta2 = (reel_real)(1 - o->beta2),
                    .root_correction2 = (reel_real)sqrt(correction2),
                    .eps = (reel_real)o->eps,
                    .shrink = 1,
                    .amsgrad = o->amsgrad},
    };
}

static void prepare_adam(const union reel_optim_options *options, double lr, int64_t step, struct reel_update *update)
{
    prepare_common(&options->adam, lr, step, update);
    update->decay = options->adam.weight_decay != 0;
    update->weight_decay = (reel_real)options->adam.weight_decay;
}

static void prepare_adamw(const union reel_optim_options *options, double lr, int64_t step, struct reel_update *update)
{
    prepare_common(&options->adam, lr, step, update);
    update->of.adam.shrink = (reel_real)(1 - lr * options->adam.weight_decay);
}

/* A step moves a param furthest with the largest step size and the smallest denominator, both of which shrink with the
 * number of steps; what weight decay takes away goes with the learning rate alone. */
static int extremes(void (*prepare)(const union reel_optim_options *, double, int64_t, struct reel_update *),
                    const union reel_optim_options *options, double smallest_lr, double largest_lr, int64_t first,
                    int64_t last, struct reel_update *updates)
{
    struct reel_update most, least;
    prepare(options, largest_lr, first, &most);
    prepare(options, smallest_lr, last, &least);
    reel_real root_first = most.of.adam.root_correction2;
    most.of.adam.root_correction2 = least.of.adam.root_correction2;
    least.of.adam.root_correction2 = root_first;
    updates[0] = updates[2] = most;
    updates[1] = updates[3] = least;
    updates[2].of.adam.shrink = least.of.adam.shrink;
    updates[3].of.adam.shrink = most.of.adam.shrink;
    return most.of.adam.shrink == least.of.adam.shrink ? 2 : 4;
}

static int extremes_adam(const union reel_optim_options *options, double smallest_lr, double largest_lr, int64_t first,
                         int64_t last, struct reel_update *updates)
{
    return extremes(prepare_adam, options, smallest_lr, largest_lr, first, last, updates);
}

static int extremes_adamw(const union reel_optim_options *options, double smallest_lr, double largest_lr, int64_t first,
                          int64_t last, struct reel_update *updates)
{
    return extremes(prepare_adamw, options, smallest_lr, largest_lr, first, last, updates);
}

static const struct reel_optim_algorithm adam = {
    .name = "adam",
    .check = check,
    .states = states,
    .defers = defers,
    .prepare = prepare_adam,
    .extremes = extremes_adam,
};
static const struct reel_optim_algorithm adamw = {
    .name = "adamw",
    .check = check,
    .states = states,
    .defers = defers,
    .prepare = prepare_adamw,
    .extremes = extremes_adamw,
};

reel_adam_options reel_adam_defaults(void)
{
    return (reel_adam_options){
        .mark = REEL_OPTIONS_MARK(reel_adam_options), .lr = 1e-3, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8};
}

reel_adamw_options reel_adamw_defaults(void)
{
    return (reel_adam_options){.mark = REEL_OPTIONS_MARK(reel_adam_options),
                               .lr = 1e-3,
                               .beta1 = 0.9,
                               .beta2 = 0.999,
                               .eps = 1e-8,
                               .weight_decay = 0.01};
}

reel_optim *reel_adam_new(reel_params *params, const reel_adam_options *options)
{
    return reel_optim_new(params, &adam, options, (union reel_optim_options){.adam = reel_adam_defaults()});
}

reel_optim *reel_adamw_new(reel_params *params, const reel_adamw_options *options)
{
    return reel_optim_new(params, &adamw, options, (union reel_optim_options){.adam = reel_adamw_defaults()});
}

int reel_adam_add_group(reel_optim *optim, const char *names, const reel_adam_options *options)
{
    return reel_optim_add_group(optim, &adam, names, options, (union reel_optim_options){.adam = reel_adam_defaults()});
}

int reel_adamw_add_group(reel_optim *optim, const char *names, const reel_adamw_options *options)
{
    return reel_optim_add_group(optim, &adamw, names, options,
                                (union reel_optim_options){.adam = reel_adamw_defaults()});
}
