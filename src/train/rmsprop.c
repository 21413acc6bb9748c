/* RMSprop: torch.optim.RMSprop. */
#include "train/optim.h"

#include "base/clones.h"
#include "kern/update.h"

static const reel_optim_option option_rows[] = {
    REEL_OPTION(NUMBER, reel_rmsprop_options, lr, 1e-2),
    REEL_OPTION(NUMBER, reel_rmsprop_options, alpha, 0.99),
    REEL_OPTION(NUMBER, reel_rmsprop_options, eps, 1e-8),
    REEL_OPTION(NUMBER, reel_rmsprop_options, weight_decay, 0),
    REEL_OPTION(NUMBER, reel_rmsprop_options, momentum, 0),
    REEL_OPTION(FLAG, reel_rmsprop_options, centered, false),
    REEL_OPTION(FLAG, reel_rmsprop_options, maximize, false),
    REEL_OPTION(SPARSE_UPDATE, reel_rmsprop_options, sparse_update, REEL_LAZY),
};

static const reel_optim_state_row state_rows[] = {
    {"square_avg", REEL_PER_ELEMENT, NULL},
    {"grad_avg", REEL_PER_ELEMENT, "centered"},
    {"momentum_buffer", REEL_PER_ELEMENT, "momentum"},
};

struct constants {
    struct reel_gradient_constants gradient;
    reel_real minus_lr, alpha, one_minus_alpha, eps, momentum, smallest_square;
    bool centered, has_momentum;
};

static void prepare(const void *options, double lr, int64_t step, void *constants)
{
    const reel_rmsprop_options *o = options;
    (void)step;
    *(struct constants *)constants = (struct constants){
        .gradient = reel_gradient_constants(o->maximize, o->weight_decay),
        .minus_lr = (reel_real)-lr,
        .alpha = (reel_real)o->alpha,
        .one_minus_alpha = (reel_real)(1 - o->alpha),
        .eps = (reel_real)o->eps,
        .momentum = (reel_real)o->momentum,
        .smallest_square = reel_smallest_square(o->eps),
        .centered = o->centered,
        .has_momentum = o->momentum > 0,
    };
}

REEL_INLINED void rmsprop(const struct constants *u, int64_t n, reel_real *restrict p, const reel_real *restrict grad,
                          reel_real *restrict square, reel_real *restrict mean, reel_real *restrict buffer, bool decay,
                          bool centered, bool momentum)
{
    const reel_real minus_lr = u->minus_lr, alpha = u->alpha, eps = u->eps;
    const reel_real one_minus_alpha = u->one_minus_alpha, factor = u->momentum;
    const reel_real smallest_square = u->smallest_square;
    for (int64_t i = 0; i < n; i++) {
        reel_real g = reel_update_gradient(&u->gradient, decay, grad[i], p[i]);
        reel_real v = reel_flushed(square[i] * alpha + one_minus_alpha * g * g, smallest_square);
        square[i] = v;
        if (centered) {
            reel_real m = reel_flushed(reel_lerp(mean[i], g, one_minus_alpha), REEL_SMALLEST_CENTER);
            mean[i] = m;
            v = v - m * m;
        }
        reel_real denominator = REEL_SQRT(v) + eps;
        if (momentum) {
            reel_real b = reel_flushed(buffer[i] * factor + g / denominator, REEL_SMALLEST_MEAN);
            buffer[i] = b;
            p[i] += minus_lr * b;
        } else {
            p[i] += minus_lr * g / denominator;
        }
    }
}

#define RMSPROP(name, decay, centered, momentum)                                                                       \
    REEL_CLONES                                                                                                        \
    static void name(const struct constants *u, int64_t n, reel_real *p, const reel_real *grad, reel_real *square,     \
                     reel_real *mean, reel_real *buffer)                                                               \
    {                                                                                                                  \
        rmsprop(u, n, p, grad, square, mean, buffer, decay, centered, momentum);                                       \
    }
RMSPROP(rmsprop_plain, false, false, false)
RMSPROP(rmsprop_momentum, false, false, true)
RMSPROP(rmsprop_centered, false, true, false)
RMSPROP(rmsprop_centered_momentum, false, true, true)
RMSPROP(rmsprop_decay, true, false, false)
RMSPROP(rmsprop_decay_momentum, true, false, true)
RMSPROP(rmsprop_decay_centered, true, true, false)
RMSPROP(rmsprop_decay_centered_momentum, true, true, true)

static void update(const void *constants, int64_t n, reel_real *p, const reel_real *grad, reel_real *const *state)
{
    const struct constants *u = constants;
    if (u->centered && u->has_momentum)
        (u->gradient.decay ? rmsprop_decay_centered_momentum : rmsprop_centered_momentum)(u, n, p, grad, state[0],
                                                                                          state[1], state[2]);
    else if (u->centered)
        (u->gradient.decay ? rmsprop_decay_centered : rmsprop_centered)(u, n, p, grad, state[0], state[1], NULL);
    else if (u->has_momentum)
        (u->gradient.decay ? rmsprop_decay_momentum : rmsprop_momentum)(u, n, p, grad, state[0], NULL, state[2]);
    else
        (u->gradient.decay ? rmsprop_decay : rmsprop_plain)(u, n, p, grad, state[0], NULL, NULL);
}

const reel_optim_algorithm reel_rmsprop_algorithm = {
    .name = "rmsprop",
    REEL_OPTIM_TABLES(reel_rmsprop_options, option_rows, state_rows),
    .constants_size = sizeof(struct constants),
    .prepare = prepare,
    .update = update,
    .monotone = true,
};

REEL_OPTIM_FUNCTIONS(rmsprop)
