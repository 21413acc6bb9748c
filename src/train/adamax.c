/* Adamax: torch.optim.Adamax. */
#include "train/optim.h"

#include "base/clones.h"
#include "kern/update.h"

static const reel_optim_option option_rows[] = {
    REEL_OPTION(NUMBER, reel_adamax_options, lr, 2e-3),
    REEL_OPTION(FRACTION, reel_adamax_options, beta1, 0.9),
    REEL_OPTION(FRACTION, reel_adamax_options, beta2, 0.999),
    REEL_OPTION(NUMBER, reel_adamax_options, eps, 1e-8),
    REEL_OPTION(NUMBER, reel_adamax_options, weight_decay, 0),
    REEL_OPTION(FLAG, reel_adamax_options, maximize, false),
    REEL_OPTION(SPARSE_UPDATE, reel_adamax_options, sparse_update, REEL_LAZY),
};

static const reel_optim_state_row state_rows[] = {
    {"exp_avg", REEL_PER_ELEMENT, NULL},
    {"exp_inf", REEL_PER_ELEMENT, NULL},
};

struct constants {
    struct reel_gradient_constants gradient;
    reel_real minus_step_size, one_minus_beta1, beta2, eps;
};

static void prepare(const void *options, double lr, int64_t step, void *constants)
{
    const reel_adamax_options *o = options;
    *(struct constants *)constants = (struct constants){
        .gradient = reel_gradient_constants(o->maximize, o->weight_decay),
        .minus_step_size = (reel_real) - (lr / (1 - pow(o->beta1, (double)step))),
        .one_minus_beta1 = (reel_real)(1 - o->beta1),
        .beta2 = (reel_real)o->beta2,
        .eps = (reel_real)o->eps,
    };
}

REEL_INLINED void adamax(const struct constants *u, int64_t n, reel_real *restrict p, const reel_real *restrict grad,
                         reel_real *restrict mean, reel_real *restrict largest, bool decay)
{
    const reel_real minus_step_size = u->minus_step_size, weight = u->one_minus_beta1;
    const reel_real beta2 = u->beta2, eps = u->eps;
    for (int64_t i = 0; i < n; i++) {
        reel_real g = reel_update_gradient(&u->gradient, decay, grad[i], p[i]);
        reel_real m = reel_flushed(reel_lerp(mean[i], g, weight), REEL_SMALLEST_MEAN);
        reel_real before = largest[i] * beta2, now = REEL_ABS(g) + eps;
        /* The second comparison is for NaN, which has to stay. */
        reel_real norm = before > now || before != before ? before : now;
        mean[i] = m;
        largest[i] = norm;
        p[i] += minus_step_size * m / norm;
    }
}

#define ADAMAX(name, decay)                                                                                            \
    REEL_CLONES                                                                                                        \
    static void name(const struct constants *u, int64_t n, reel_real *p, const reel_real *grad, reel_real *mean,       \
                     reel_real *largest)                                                                               \
    {                                                                                                                  \
        adamax(u, n, p, grad, mean, largest, decay);                                                                   \
    }
ADAMAX(adamax_plain, false)
ADAMAX(adamax_decay, true)

static void update(const void *constants, int64_t n, reel_real *p, const reel_real *grad, reel_real *const *state)
{
    const struct constants *u = constants;
    (u->gradient.decay ? adamax_decay : adamax_plain)(u, n, p, grad, state[0], state[1]);
}

const reel_optim_algorithm reel_adamax_algorithm = {
    .name = "adamax",
    REEL_OPTIM_TABLES(reel_adamax_options, option_rows, state_rows),
    .constants_size = sizeof(struct constants),
    .prepare = prepare,
    .update = update,
    .monotone = true,
};

REEL_OPTIM_FUNCTIONS(adamax)
