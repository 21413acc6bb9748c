/* Adam and AdamW, which differ in what weight decay does: torch.optim.Adam and AdamW. */
#include "train/optim.h"

#include "base/clones.h"
#include "kern/update.h"

#define OPTIONS(weight_decay_initial)                                                                                  \
    {                                                                                                                  \
        REEL_OPTION(NUMBER, reel_adam_options, lr, 1e-3), REEL_OPTION(FRACTION, reel_adam_options, beta1, 0.9),        \
            REEL_OPTION(FRACTION, reel_adam_options, beta2, 0.999), REEL_OPTION(NUMBER, reel_adam_options, eps, 1e-8), \
            REEL_OPTION(NUMBER, reel_adam_options, weight_decay, weight_decay_initial),                                \
            REEL_OPTION(FLAG, reel_adam_options, amsgrad, false),                                                      \
            REEL_OPTION(FLAG, reel_adam_options, maximize, false),                                                     \
            REEL_OPTION(SPARSE_UPDATE, reel_adam_options, sparse_update, REEL_LAZY),                                   \
    }
static const reel_optim_option adam_options[] = OPTIONS(0), adamw_options[] = OPTIONS(0.01);

static const reel_optim_state_row state_rows[] = {
    {"exp_avg", REEL_PER_ELEMENT, NULL},
    {"exp_avg_sq", REEL_PER_ELEMENT, NULL},
    {"max_exp_avg_sq", REEL_PER_ELEMENT, "amsgrad"},
};

struct constants {
    struct reel_gradient_constants gradient;
    reel_real minus_step_size, one_minus_beta1, beta2, one_minus_beta2, root_correction2, eps;
    reel_real shrink; /* 1 - lr * weight_decay of AdamW, else 1 */
    reel_real smallest_square;
    bool amsgrad;
};

static void prepare(const reel_adam_options *o, double lr, int64_t step, bool decoupled, struct constants *u)
{
    double correction1 = 1 - pow(o->beta1, (double)step), correction2 = 1 - pow(o->beta2, (double)step);
    *u = (struct constants){
        .gradient = reel_gradient_constants(o->maximize, decoupled ? 0 : o->weight_decay),
        .minus_step_size = (reel_real) - (lr / correction1),
        .one_minus_beta1 = (reel_real)(1 - o->beta1),
        .beta2 = (reel_real)o->beta2,
        .one_minus_beta2 = (reel_real)(1 - o->beta2),
        .root_correction2 = (reel_real)sqrt(correction2),
        .eps = (reel_real)o->eps,
        .shrink = decoupled ? (reel_real)(1 - lr * o->weight_decay) : 1,
        .smallest_square = reel_smallest_square(o->eps),
        .amsgrad = o->amsgrad,
    };
}

static void prepare_adam(const void *options, double lr, int64_t step, void *constants)
{
    prepare(options, lr, step, false, constants);
}

static void prepare_adamw(const void *options, double lr, int64_t step, void *constants)
{
    prepare(options, lr, step, true, constants);
}

/* A step moves a param furthest with the largest step size and the smallest denominator, both of which shrink with the
 * number of steps; what weight decay takes away goes with the learning rate alone. */
static int extremes(void *constants[REEL_OPTIM_EXTREMES])
{
    struct constants *most = constants[0], *least = constants[1];
    reel_real root = most->root_correction2;
    most->root_correction2 = least->root_correction2;
    least->root_correction2 = root;
    if (most->shrink == least->shrink)
        return 2;
    struct constants *more = constants[2], *less = constants[3];
    *more = *most;
    *less = *least;
    more->shrink = least->shrink;
    less->shrink = most->shrink;
    return 4;
}

REEL_INLINED void adam(const struct constants *u, int64_t n, reel_real *restrict p, const reel_real *restrict grad,
                       reel_real *restrict mean, reel_real *restrict square, reel_real *restrict largest, bool decay,
                       bool amsgrad)
{
    const reel_real minus_step_size = u->minus_step_size, weight = u->one_minus_beta1;
    const reel_real beta2 = u->beta2, one_minus_beta2 = u->one_minus_beta2;
    const reel_real root_correction = u->root_correction2, eps = u->eps, shrink = u->shrink;
    const reel_real smallest_square = u->smallest_square;
    for (int64_t i = 0; i < n; i++) {
        reel_real g = reel_update_gradient(&u->gradient, decay, grad[i], p[i]);
        reel_real m = reel_flushed(reel_lerp(mean[i], g, weight), REEL_SMALLEST_MEAN);
        reel_real v = reel_flushed(square[i] * beta2 + one_minus_beta2 * g * g, smallest_square);
        mean[i] = m;
        square[i] = v;
        if (amsgrad) {
            /* The second choice is for NaN, which has to stay; one with two conditions would be a jump. */
            reel_real most = largest[i];
            most = most < v ? v : most;
            v = v != v ? v : most;
            largest[i] = v;
        }
        reel_real denominator = REEL_SQRT(v) / root_correction + eps;
        p[i] = p[i] * shrink + minus_step_size * m / denominator;
    }
}

#define ADAM(name, decay, amsgrad)                                                                                     \
    REEL_CLONES                                                                                                        \
    static void name(const struct constants *u, int64_t n, reel_real *p, const reel_real *grad, reel_real *mean,       \
                     reel_real *square, reel_real *largest)                                                            \
    {                                                                                                                  \
        adam(u, n, p, grad, mean, square, largest, decay, amsgrad);                                                    \
    }
ADAM(adam_plain, false, false)
ADAM(adam_amsgrad, false, true)
ADAM(adam_decay, true, false)
ADAM(adam_decay_amsgrad, true, true)

static void update(const void *constants, int64_t n, reel_real *p, const reel_real *grad, reel_real *const *state)
{
    const struct constants *u = constants;
    if (u->amsgrad)
        (u->gradient.decay ? adam_decay_amsgrad : adam_amsgrad)(u, n, p, grad, state[0], state[1], state[2]);
    else
        (u->gradient.decay ? adam_decay : adam_plain)(u, n, p, grad, state[0], state[1], NULL);
}

#define ALGORITHM(kind)                                                                                                \
    const reel_optim_algorithm reel_##kind##_algorithm = {                                                             \
        .name = #kind,                                                                                                 \
        REEL_OPTIM_TABLES(reel_adam_options, kind##_options, state_rows),                                              \
        .constants_size = sizeof(struct constants),                                                                    \
        .prepare = prepare_##kind,                                                                                     \
        .update = update,                                                                                              \
        .monotone = true,                                                                                              \
        .extremes = extremes,                                                                                          \
    };
ALGORITHM(adam)
ALGORITHM(adamw)

REEL_OPTIM_FUNCTIONS(adam)
REEL_OPTIM_FUNCTIONS(adamw)
