/* Adadelta: torch.optim.Adadelta. */
#include "train/optim.h"

#include "base/clones.h"
#include "kern/update.h"

static const reel_optim_option option_rows[] = {
    REEL_OPTION(NUMBER, reel_adadelta_options, lr, 1),
    REEL_OPTION(NUMBER, reel_adadelta_options, rho, 0.9),
    REEL_OPTION(NUMBER, reel_adadelta_options, eps, 1e-6),
    REEL_OPTION(NUMBER, reel_adadelta_options, weight_decay, 0),
    REEL_OPTION(FLAG, reel_adadelta_options, maximize, false),
    REEL_OPTION(SPARSE_UPDATE, reel_adadelta_options, sparse_update, REEL_LAZY),
};

static const reel_optim_state_row state_rows[] = {
    {"square_avg", REEL_PER_ELEMENT, NULL},
    {"acc_delta", REEL_PER_ELEMENT, NULL},
};

static reel_status check(reel_context *c, const char *who, const void *options)
{
    const reel_adadelta_options *o = options;
    if (o->rho <= 1)
        return REEL_OK;
    return reel_fail(c, REEL_ERROR_ARGUMENT, "%s: rho is %g, it must be in [0, 1]", who, o->rho);
}

struct constants {
    struct reel_gradient_constants gradient;
    reel_real minus_lr, rho, one_minus_rho, eps, smallest_square;
};

static void prepare(const void *options, double lr, int64_t step, void *constants)
{
    const reel_adadelta_options *o = options;
    (void)step;
    *(struct constants *)constants = (struct constants){
        .gradient = reel_gradient_constants(o->maximize, o->weight_decay),
        .minus_lr = (reel_real)-lr,
        .rho = (reel_real)o->rho,
        .one_minus_rho = (reel_real)(1 - o->rho),
        .eps = (reel_real)o->eps,
        .smallest_square = reel_smallest_square(o->eps),
    };
}

REEL_INLINED void adadelta(const struct constants *u, int64_t n, reel_real *restrict p, const reel_real *restrict grad,
                           reel_real *restrict square, reel_real *restrict moved, bool decay)
{
    const reel_real minus_lr = u->minus_lr, rho = u->rho, rest = u->one_minus_rho, eps = u->eps;
    const reel_real smallest_square = u->smallest_square;
    for (int64_t i = 0; i < n; i++) {
        reel_real g = reel_update_gradient(&u->gradient, decay, grad[i], p[i]);
        reel_real v = reel_flushed(square[i] * rho + rest * g * g, smallest_square);
        reel_real delta = REEL_SQRT(moved[i] + eps) / REEL_SQRT(v + eps) * g;
        square[i] = v;
        moved[i] = reel_flushed(moved[i] * rho + rest * delta * delta, smallest_square);
        p[i] += minus_lr * delta;
    }
}

#define ADADELTA(name, decay)                                                                                          \
    REEL_CLONES                                                                                                        \
    static void name(const struct constants *u, int64_t n, reel_real *p, const reel_real *grad, reel_real *square,     \
                     reel_real *moved)                                                                                 \
    {                                                                                                                  \
        adadelta(u, n, p, grad, square, moved, decay);                                                                 \
    }
ADADELTA(adadelta_plain, false)
ADADELTA(adadelta_decay, true)

static void update(const void *constants, int64_t n, reel_real *p, const reel_real *grad, reel_real *const *state)
{
    const struct constants *u = constants;
    (u->gradient.decay ? adadelta_decay : adadelta_plain)(u, n, p, grad, state[0], state[1]);
}

const reel_optim_algorithm reel_adadelta_algorithm = {
    .name = "adadelta",
    REEL_OPTIM_TABLES(reel_adadelta_options, option_rows, state_rows),
    .check = check,
    .constants_size = sizeof(struct constants),
    .prepare = prepare,
    .update = update,
    .monotone = true,
};

REEL_OPTIM_FUNCTIONS(adadelta)
