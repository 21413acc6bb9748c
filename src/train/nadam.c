/* NAdam: torch.optim.NAdam. */
#include "train/optim.h"

#include "base/clones.h"
#include "kern/update.h"

static const reel_optim_option option_rows[] = {
    REEL_OPTION(NUMBER, reel_nadam_options, lr, 2e-3),
    REEL_OPTION(FRACTION, reel_nadam_options, beta1, 0.9),
    REEL_OPTION(FRACTION, reel_nadam_options, beta2, 0.999),
    REEL_OPTION(NUMBER, reel_nadam_options, eps, 1e-8),
    REEL_OPTION(NUMBER, reel_nadam_options, weight_decay, 0),
    REEL_OPTION(NUMBER, reel_nadam_options, momentum_decay, 4e-3),
    REEL_OPTION(FLAG, reel_nadam_options, decoupled_weight_decay, false),
    REEL_OPTION(FLAG, reel_nadam_options, maximize, false),
    REEL_OPTION(SPARSE_UPDATE, reel_nadam_options, sparse_update, REEL_LAZY),
};

static const reel_optim_state_row state_rows[] = {
    {"exp_avg", REEL_PER_ELEMENT, NULL},
    {"exp_avg_sq", REEL_PER_ELEMENT, NULL},
};

static double momentum_at(const reel_nadam_options *o, double step)
{
    return o->beta1 * (1 - 0.5 * pow(0.96, step * o->momentum_decay));
}

/* The product of all momenta so far, which torch keeps as state. Once 1 minus the product is 1, more of it is not
 * needed; that is after 60 steps with the defaults. */
static double momentum_product(const reel_nadam_options *o, int64_t step)
{
    double product = 1;
    for (int64_t i = 1; i <= step && product > 0x1p-54; i++)
        product *= momentum_at(o, (double)i);
    return product;
}

struct constants {
    struct reel_gradient_constants gradient;
    reel_real minus_of_gradient, minus_of_mean, one_minus_beta1, beta2, one_minus_beta2, correction2, eps;
    reel_real shrink; /* 1 - lr * weight_decay where that is decoupled, else 1 */
    reel_real smallest_square;
};

static void prepare(const void *options, double lr, int64_t step, void *constants)
{
    const reel_nadam_options *o = options;
    bool decoupled = o->decoupled_weight_decay;
    double mu = momentum_at(o, (double)step), next = momentum_at(o, (double)step + 1);
    double product = momentum_product(o, step);
    *(struct constants *)constants = (struct constants){
        .gradient = reel_gradient_constants(o->maximize, decoupled ? 0 : o->weight_decay),
        .minus_of_gradient = (reel_real)(-lr * (1 - mu) / (1 - product)),
        .minus_of_mean = (reel_real)(-lr * next / (1 - product * next)),
        .one_minus_beta1 = (reel_real)(1 - o->beta1),
        .beta2 = (reel_real)o->beta2,
        .one_minus_beta2 = (reel_real)(1 - o->beta2),
        .correction2 = (reel_real)(1 - pow(o->beta2, (double)step)),
        .eps = (reel_real)o->eps,
        .shrink = decoupled ? (reel_real)(1 - lr * o->weight_decay) : 1,
        .smallest_square = reel_smallest_square(o->eps),
    };
}

REEL_INLINED void nadam(const struct constants *u, int64_t n, reel_real *restrict p, const reel_real *restrict grad,
                        reel_real *restrict mean, reel_real *restrict square, bool decay)
{
    const reel_real of_gradient = u->minus_of_gradient, of_mean = u->minus_of_mean, weight = u->one_minus_beta1;
    const reel_real beta2 = u->beta2, one_minus_beta2 = u->one_minus_beta2, correction = u->correction2;
    const reel_real eps = u->eps, shrink = u->shrink, smallest_square = u->smallest_square;
    for (int64_t i = 0; i < n; i++) {
        reel_real g = reel_update_gradient(&u->gradient, decay, grad[i], p[i]);
        reel_real m = reel_flushed(reel_lerp(mean[i], g, weight), REEL_SMALLEST_MEAN);
        reel_real v = reel_flushed(square[i] * beta2 + one_minus_beta2 * g * g, smallest_square);
        reel_real denominator = REEL_SQRT(v / correction) + eps;
        mean[i] = m;
        square[i] = v;
        p[i] = p[i] * shrink + of_gradient * g / denominator + of_mean * m / denominator;
    }
}

#define NADAM(name, decay)                                                                                             \
    REEL_CLONES                                                                                                        \
    static void name(const struct constants *u, int64_t n, reel_real *p, const reel_real *grad, reel_real *mean,       \
                     reel_real *square)                                                                                \
    {                                                                                                                  \
        nadam(u, n, p, grad, mean, square, decay);                                                                     \
    }
NADAM(nadam_plain, false)
NADAM(nadam_decay, true)

static void update(const void *constants, int64_t n, reel_real *p, const reel_real *grad, reel_real *const *state)
{
    const struct constants *u = constants;
    (u->gradient.decay ? nadam_decay : nadam_plain)(u, n, p, grad, state[0], state[1]);
}

const reel_optim_algorithm reel_nadam_algorithm = {
    .name = "nadam",
    REEL_OPTIM_TABLES(reel_nadam_options, option_rows, state_rows),
    .constants_size = sizeof(struct constants),
    .prepare = prepare,
    .update = update,
};

REEL_OPTIM_FUNCTIONS(nadam)
