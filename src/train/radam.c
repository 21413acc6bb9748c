/* RAdam: torch.optim.RAdam. */
#include "train/optim.h"

#include "base/clones.h"
#include "kern/update.h"

static const reel_optim_option option_rows[] = {
    REEL_OPTION(NUMBER, reel_radam_options, lr, 1e-3),
    REEL_OPTION(FRACTION, reel_radam_options, beta1, 0.9),
    REEL_OPTION(FRACTION, reel_radam_options, beta2, 0.999),
    REEL_OPTION(NUMBER, reel_radam_options, eps, 1e-8),
    REEL_OPTION(NUMBER, reel_radam_options, weight_decay, 0),
    REEL_OPTION(FLAG, reel_radam_options, decoupled_weight_decay, false),
    REEL_OPTION(FLAG, reel_radam_options, maximize, false),
    REEL_OPTION(SPARSE_UPDATE, reel_radam_options, sparse_update, REEL_LAZY),
};

static const reel_optim_state_row state_rows[] = {
    {"exp_avg", REEL_PER_ELEMENT, NULL},
    {"exp_avg_sq", REEL_PER_ELEMENT, NULL},
};

struct constants {
    struct reel_gradient_constants gradient;
    reel_real minus_step_size, one_minus_beta1, beta2, one_minus_beta2, eps;
    reel_real shrink; /* 1 - lr * weight_decay where that is decoupled, else 1 */
    reel_real smallest_square;
    bool adaptive; /* the variance is known well enough to divide by its root */
};

static void prepare(const void *options, double lr, int64_t step, void *constants)
{
    const reel_radam_options *o = options;
    bool decoupled = o->decoupled_weight_decay;
    double t = (double)step, power = pow(o->beta2, t), correction2 = 1 - power;
    double longest = 2 / (1 - o->beta2) - 1, length = longest - 2 * t * power / correction2;
    bool adaptive = length > 5;
    double step_size = lr / (1 - pow(o->beta1, t));
    if (adaptive)
        step_size *=
            sqrt((length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)) * sqrt(correction2);
    *(struct constants *)constants = (struct constants){
        .gradient = reel_gradient_constants(o->maximize, decoupled ? 0 : o->weight_decay),
        .minus_step_size = (reel_real)-step_size,
        .one_minus_beta1 = (reel_real)(1 - o->beta1),
        .beta2 = (reel_real)o->beta2,
        .one_minus_beta2 = (reel_real)(1 - o->beta2),
        .eps = (reel_real)o->eps,
        .shrink = decoupled ? (reel_real)(1 - lr * o->weight_decay) : 1,
        .smallest_square = reel_smallest_square(o->eps),
        .adaptive = adaptive,
    };
}

REEL_INLINED void radam(const struct constants *u, int64_t n, reel_real *restrict p, const reel_real *restrict grad,
                        reel_real *restrict mean, reel_real *restrict square, bool decay, bool adaptive)
{
    const reel_real minus_step_size = u->minus_step_size, weight = u->one_minus_beta1, beta2 = u->beta2;
    const reel_real one_minus_beta2 = u->one_minus_beta2, eps = u->eps, shrink = u->shrink;
    const reel_real smallest_square = u->smallest_square;
    for (int64_t i = 0; i < n; i++) {
        reel_real g = reel_update_gradient(&u->gradient, decay, grad[i], p[i]);
        reel_real m = reel_flushed(reel_lerp(mean[i], g, weight), REEL_SMALLEST_MEAN);
        reel_real v = reel_flushed(square[i] * beta2 + one_minus_beta2 * g * g, smallest_square);
        reel_real step = minus_step_size * m;
        mean[i] = m;
        square[i] = v;
        p[i] = p[i] * shrink + (adaptive ? step / (REEL_SQRT(v) + eps) : step);
    }
}

#define RADAM(name, decay, adaptive)                                                                                   \
    REEL_CLONES                                                                                                        \
    static void name(const struct constants *u, int64_t n, reel_real *p, const reel_real *grad, reel_real *mean,       \
                     reel_real *square)                                                                                \
    {                                                                                                                  \
        radam(u, n, p, grad, mean, square, decay, adaptive);                                                           \
    }
RADAM(radam_plain, false, false)
RADAM(radam_adaptive, false, true)
RADAM(radam_decay, true, false)
RADAM(radam_decay_adaptive, true, true)

static void update(const void *constants, int64_t n, reel_real *p, const reel_real *grad, reel_real *const *state)
{
    const struct constants *u = constants;
    if (u->adaptive)
        (u->gradient.decay ? radam_decay_adaptive : radam_adaptive)(u, n, p, grad, state[0], state[1]);
    else
        (u->gradient.decay ? radam_decay : radam_plain)(u, n, p, grad, state[0], state[1]);
}

const reel_optim_algorithm reel_radam_algorithm = {
    .name = "radam",
    REEL_OPTIM_TABLES(reel_radam_options, option_rows, state_rows),
    .constants_size = sizeof(struct constants),
    .prepare = prepare,
    .update = update,
};

REEL_OPTIM_FUNCTIONS(radam)
