/* LAMB: You et al., Large Batch Optimization for Deep Learning (arXiv:1904.00962), algorithm 2, with phi(z) = z. */
#include "train/optim.h"

#include "base/clones.h"
#include "kern/update.h"

static const reel_optim_option option_rows[] = {
    REEL_OPTION(NUMBER, reel_lamb_options, lr, 1e-3),           REEL_OPTION(FRACTION, reel_lamb_options, beta1, 0.9),
    REEL_OPTION(FRACTION, reel_lamb_options, beta2, 0.999),     REEL_OPTION(NUMBER, reel_lamb_options, eps, 1e-6),
    REEL_OPTION(NUMBER, reel_lamb_options, weight_decay, 0.01), REEL_OPTION(FLAG, reel_lamb_options, maximize, false),
};

static const reel_optim_state_row state_rows[] = {
    {"exp_avg", REEL_PER_ELEMENT, NULL},
    {"exp_avg_sq", REEL_PER_ELEMENT, NULL},
};

struct constants {
    reel_real sign, one_minus_beta1, beta2, one_minus_beta2, correction1, root_correction2, eps, weight_decay;
    reel_real smallest_square;
    double lr;
    reel_real minus_step_size; /* the learning rate times the norm of the param over that of the direction */
};

static void prepare(const void *options, double lr, int64_t step, void *constants)
{
    const reel_lamb_options *o = options;
    *(struct constants *)constants = (struct constants){
        .sign = o->maximize ? -1 : 1,
        .one_minus_beta1 = (reel_real)(1 - o->beta1),
        .beta2 = (reel_real)o->beta2,
        .one_minus_beta2 = (reel_real)(1 - o->beta2),
        .correction1 = (reel_real)(1 - pow(o->beta1, (double)step)),
        .root_correction2 = (reel_real)sqrt(1 - pow(o->beta2, (double)step)),
        .eps = (reel_real)o->eps,
        .weight_decay = (reel_real)o->weight_decay,
        .smallest_square = reel_smallest_square(o->eps),
        .lr = lr,
    };
}

/* Where an element would move, from the moments that measure made. */
REEL_INLINED reel_real direction(const struct constants *u, reel_real p, reel_real mean, reel_real square)
{
    return mean / u->correction1 / (REEL_SQRT(square) / u->root_correction2 + u->eps) + u->weight_decay * p;
}

/* Elements j, j + LANES, ... are summed in lane j: the order of a sum is part of the result. */
enum { LANES = 16 };

REEL_INLINED void measure_lanes(const struct constants *u, int lanes, const reel_real *restrict p,
                                const reel_real *restrict grad, reel_real *restrict mean, reel_real *restrict square,
                                double *restrict of_param, double *restrict of_direction)
{
    for (int j = 0; j < lanes; j++) {
        reel_real g = u->sign * grad[j];
        reel_real m = reel_flushed(reel_lerp(mean[j], g, u->one_minus_beta1), REEL_SMALLEST_MEAN);
        reel_real v = reel_flushed(square[j] * u->beta2 + u->one_minus_beta2 * g * g, u->smallest_square);
        mean[j] = m;
        square[j] = v;
        double r = (double)direction(u, p[j], m, v), x = (double)p[j];
        of_param[j] += x * x;
        of_direction[j] += r * r;
    }
}

REEL_CLONES
static void measure_slice(const struct constants *u, int64_t n, const reel_real *p, const reel_real *grad,
                          reel_real *mean, reel_real *square, double *sums)
{
    double of_param[LANES] = {0}, of_direction[LANES] = {0};
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        measure_lanes(u, LANES, p + i, grad + i, mean + i, square + i, of_param, of_direction);
    measure_lanes(u, (int)(n - i), p + i, grad + i, mean + i, square + i, of_param, of_direction);
    for (int j = 0; j < LANES; j++) {
        sums[0] += of_param[j];
        sums[1] += of_direction[j];
    }
}

static void measure(const void *constants, int64_t n, const reel_real *p, const reel_real *grad,
                    reel_real *const *state, double sums[REEL_OPTIM_SUMS])
{
    measure_slice(constants, n, p, grad, state[0], state[1], sums);
}

static void conclude(void *constants, const double sums[REEL_OPTIM_SUMS], reel_real *const *state)
{
    struct constants *u = constants;
    (void)state;
    /* A param of zeros, or a direction of zeros, has no ratio: it moves as with Adam. */
    double ratio = sums[0] == 0 || sums[1] == 0 ? 1 : sqrt(sums[0]) / sqrt(sums[1]);
    u->minus_step_size = (reel_real) - (u->lr * ratio);
}

REEL_CLONES
static void move(const struct constants *u, int64_t n, reel_real *restrict p, const reel_real *restrict mean,
                 const reel_real *restrict square)
{
    for (int64_t i = 0; i < n; i++)
        p[i] += u->minus_step_size * direction(u, p[i], mean[i], square[i]);
}

static void update(const void *constants, int64_t n, reel_real *p, const reel_real *grad, reel_real *const *state)
{
    (void)grad;
    move(constants, n, p, state[0], state[1]);
}

const reel_optim_algorithm reel_lamb_algorithm = {
    .name = "lamb",
    REEL_OPTIM_TABLES(reel_lamb_options, option_rows, state_rows),
    .scope = REEL_PER_PARAM,
    .constants_size = sizeof(struct constants),
    .prepare = prepare,
    .update = update,
    .measure = measure,
    .conclude = conclude,
};

REEL_OPTIM_FUNCTIONS(lamb)
