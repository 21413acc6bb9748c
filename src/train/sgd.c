/* SGD: torch.optim.SGD. */
#include "train/optim.h"

#include "base/clones.h"
#include "kern/update.h"

static const reel_optim_option option_rows[] = {
    REEL_OPTION(NUMBER, reel_sgd_options, lr, 1e-3),
    REEL_OPTION(NUMBER, reel_sgd_options, momentum, 0),
    REEL_OPTION(ANY_NUMBER, reel_sgd_options, dampening, 0),
    REEL_OPTION(NUMBER, reel_sgd_options, weight_decay, 0),
    REEL_OPTION(FLAG, reel_sgd_options, nesterov, false),
    REEL_OPTION(FLAG, reel_sgd_options, maximize, false),
    REEL_OPTION(SPARSE_UPDATE, reel_sgd_options, sparse_update, REEL_LAZY),
};

static const reel_optim_state_row state_rows[] = {{"momentum_buffer", REEL_PER_ELEMENT, "momentum"}};

static reel_status check(reel_context *c, const char *who, const void *options)
{
    const reel_sgd_options *o = options;
    if (!o->nesterov || (o->momentum != 0 && o->dampening == 0))
        return REEL_OK;
    return reel_fail(c, REEL_ERROR_ARGUMENT, "%s: nesterov needs momentum above 0 and dampening 0, they are %g and %g",
                     who, o->momentum, o->dampening);
}

static bool rests(const void *options)
{
    const reel_sgd_options *o = options;
    return o->momentum == 0 && o->weight_decay == 0;
}

/* The first gradient becomes the momentum buffer undampened. */
static bool first_differs(const void *options)
{
    const reel_sgd_options *o = options;
    return o->momentum != 0 && o->dampening != 0;
}

struct constants {
    struct reel_gradient_constants gradient;
    reel_real minus_lr, momentum, one_minus_dampening;
    bool has_momentum, nesterov;
};

static void prepare(const void *options, double lr, int64_t step, void *constants)
{
    const reel_sgd_options *o = options;
    *(struct constants *)constants = (struct constants){
        .gradient = reel_gradient_constants(o->maximize, o->weight_decay),
        .minus_lr = (reel_real)-lr,
        .momentum = (reel_real)o->momentum,
        .one_minus_dampening = step == 1 ? 1 : (reel_real)(1 - o->dampening),
        .has_momentum = o->momentum != 0,
        .nesterov = o->nesterov,
    };
}

REEL_INLINED void sgd(const struct constants *u, int64_t n, reel_real *restrict p, const reel_real *restrict grad,
                      reel_real *restrict buffer, bool decay, bool momentum, bool nesterov)
{
    const reel_real minus_lr = u->minus_lr, factor = u->momentum, rest = u->one_minus_dampening;
    for (int64_t i = 0; i < n; i++) {
        reel_real g = reel_update_gradient(&u->gradient, decay, grad[i], p[i]);
        if (momentum) {
            reel_real b = reel_flushed(buffer[i] * factor + rest * g, REEL_SMALLEST_MEAN);
            buffer[i] = b;
            g = nesterov ? g + factor * b : b;
        }
        p[i] += minus_lr * g;
    }
}

#define SGD(name, decay, momentum, nesterov)                                                                           \
    REEL_CLONES                                                                                                        \
    static void name(const struct constants *u, int64_t n, reel_real *p, const reel_real *grad, reel_real *buffer)     \
    {                                                                                                                  \
        sgd(u, n, p, grad, buffer, decay, momentum, nesterov);                                                         \
    }
SGD(sgd_plain, false, false, false)
SGD(sgd_momentum, false, true, false)
SGD(sgd_nesterov, false, true, true)
SGD(sgd_decay, true, false, false)
SGD(sgd_decay_momentum, true, true, false)
SGD(sgd_decay_nesterov, true, true, true)

static void update(const void *constants, int64_t n, reel_real *p, const reel_real *grad, reel_real *const *state)
{
    const struct constants *u = constants;
    if (!u->has_momentum)
        (u->gradient.decay ? sgd_decay : sgd_plain)(u, n, p, grad, NULL);
    else if (u->nesterov)
        (u->gradient.decay ? sgd_decay_nesterov : sgd_nesterov)(u, n, p, grad, state[0]);
    else
        (u->gradient.decay ? sgd_decay_momentum : sgd_momentum)(u, n, p, grad, state[0]);
}

const reel_optim_algorithm reel_sgd_algorithm = {
    .name = "sgd",
    REEL_OPTIM_TABLES(reel_sgd_options, option_rows, state_rows),
    .check = check,
    .constants_size = sizeof(struct constants),
    .prepare = prepare,
    .update = update,
    .rests = rests,
    .first_differs = first_differs,
    .monotone = true,
};

REEL_OPTIM_FUNCTIONS(sgd)
