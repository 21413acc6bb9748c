/* Adagrad (torch.optim.Adagrad), and the form that keeps one number for each row. */
#include "train/optim.h"

#include "base/clones.h"
#include "kern/update.h"

static const reel_optim_option option_rows[] = {
    REEL_OPTION(NUMBER, reel_adagrad_options, lr, 1e-2),
    REEL_OPTION(NUMBER, reel_adagrad_options, lr_decay, 0),
    REEL_OPTION(NUMBER, reel_adagrad_options, weight_decay, 0),
    REEL_OPTION(NUMBER, reel_adagrad_options, initial_accumulator_value, 0),
    REEL_OPTION(NUMBER, reel_adagrad_options, eps, 1e-10),
    REEL_OPTION(FLAG, reel_adagrad_options, maximize, false),
    REEL_OPTION(SPARSE_UPDATE, reel_adagrad_options, sparse_update, REEL_LAZY),
};

/* 0 stands for initial_accumulator_value, so that nothing has to be filled. */
static const reel_optim_state_row state_rows[] = {{"sum", REEL_PER_ELEMENT, NULL}};
static const reel_optim_state_row row_state_rows[] = {{"sum", REEL_PER_ROW, NULL}};

static bool rests(const void *options)
{
    return ((const reel_adagrad_options *)options)->weight_decay == 0;
}

struct constants {
    struct reel_gradient_constants gradient;
    reel_real minus_lr, initial, eps;
};

static void prepare(const void *options, double lr, int64_t step, void *constants)
{
    const reel_adagrad_options *o = options;
    *(struct constants *)constants = (struct constants){
        .gradient = reel_gradient_constants(o->maximize, o->weight_decay),
        .minus_lr = (reel_real) - (lr / (1 + (double)(step - 1) * o->lr_decay)),
        .initial = (reel_real)o->initial_accumulator_value,
        .eps = (reel_real)o->eps,
    };
}

REEL_INLINED void adagrad(const struct constants *u, int64_t n, reel_real *restrict p, const reel_real *restrict grad,
                          reel_real *restrict sum, bool decay)
{
    const reel_real minus_lr = u->minus_lr, initial = u->initial, eps = u->eps;
    for (int64_t i = 0; i < n; i++) {
        reel_real g = reel_update_gradient(&u->gradient, decay, grad[i], p[i]);
        reel_real s = (sum[i] == 0 ? initial : sum[i]) + g * g;
        sum[i] = s;
        p[i] += minus_lr * g / (REEL_SQRT(s) + eps);
    }
}

#define ADAGRAD(name, decay)                                                                                           \
    REEL_CLONES                                                                                                        \
    static void name(const struct constants *u, int64_t n, reel_real *p, const reel_real *grad, reel_real *sum)        \
    {                                                                                                                  \
        adagrad(u, n, p, grad, sum, decay);                                                                            \
    }
ADAGRAD(adagrad_plain, false)
ADAGRAD(adagrad_decay, true)

static void update(const void *constants, int64_t n, reel_real *p, const reel_real *grad, reel_real *const *state)
{
    const struct constants *u = constants;
    (u->gradient.decay ? adagrad_decay : adagrad_plain)(u, n, p, grad, state[0]);
}

/* ---- One number for each row ---- */

/* Summed in lanes, whose number is part of the result. */
REEL_INLINED reel_real mean_square(const struct constants *u, int64_t n, const reel_real *restrict p,
                                   const reel_real *restrict grad, bool decay)
{
    enum { LANES = 16 };
    reel_real lanes[LANES] = {0};
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
#pragma GCC unroll 16
        for (int j = 0; j < LANES; j++) {
            reel_real g = reel_update_gradient(&u->gradient, decay, grad[i + j], p[i + j]);
            lanes[j] += g * g;
        }
    for (int j = 0; i < n; i++, j++) {
        reel_real g = reel_update_gradient(&u->gradient, decay, grad[i], p[i]);
        lanes[j] += g * g;
    }
    for (int width = LANES / 2; width > 0; width /= 2)
        for (int j = 0; j < width; j++)
            lanes[j] += lanes[j + width];
    return lanes[0] / (reel_real)n;
}

REEL_INLINED void rowwise_adagrad(const struct constants *u, int64_t n, reel_real *restrict p,
                                  const reel_real *restrict grad, reel_real *restrict sum, bool decay)
{
    if (n == 0)
        return;
    reel_real s = (*sum == 0 ? u->initial : *sum) + mean_square(u, n, p, grad, decay);
    reel_real factor = u->minus_lr / (REEL_SQRT(s) + u->eps);
    *sum = s;
    for (int64_t i = 0; i < n; i++)
        p[i] += factor * reel_update_gradient(&u->gradient, decay, grad[i], p[i]);
}

#define ROWWISE_ADAGRAD(name, decay)                                                                                   \
    REEL_CLONES                                                                                                        \
    static void name(const struct constants *u, int64_t n, reel_real *p, const reel_real *grad, reel_real *sum)        \
    {                                                                                                                  \
        rowwise_adagrad(u, n, p, grad, sum, decay);                                                                    \
    }
ROWWISE_ADAGRAD(rowwise_adagrad_plain, false)
ROWWISE_ADAGRAD(rowwise_adagrad_decay, true)

static void update_rowwise(const void *constants, int64_t n, reel_real *p, const reel_real *grad,
                           reel_real *const *state)
{
    const struct constants *u = constants;
    (u->gradient.decay ? rowwise_adagrad_decay : rowwise_adagrad_plain)(u, n, p, grad, state[0]);
}

const reel_optim_algorithm reel_adagrad_algorithm = {
    .name = "adagrad",
    REEL_OPTIM_TABLES(reel_adagrad_options, option_rows, state_rows),
    .constants_size = sizeof(struct constants),
    .prepare = prepare,
    .update = update,
    .rests = rests,
    .monotone = true,
};
const reel_optim_algorithm reel_rowwise_adagrad_algorithm = {
    .name = "rowwise_adagrad",
    REEL_OPTIM_TABLES(reel_adagrad_options, option_rows, row_state_rows),
    .scope = REEL_PER_ROW,
    .constants_size = sizeof(struct constants),
    .prepare = prepare,
    .update = update_rowwise,
    .rests = rests,
    .monotone = true,
};

REEL_OPTIM_FUNCTIONS(adagrad)
REEL_OPTIM_FUNCTIONS(rowwise_adagrad)
