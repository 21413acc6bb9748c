/* Optimizers: SGD, Adam, AdamW, RMSprop, Adagrad and row-wise Adagrad, NAdam, RAdam, Adamax, Adadelta and LAMB, with
 * parameter groups. reel/optimizer.h says how to write another.
 *
 * The formulas, their order and their defaults are those of torch.optim, but for one thing: a moment or momentum
 * becomes 0 when its size falls below 2^-100 (the mean of a centred RMSprop: 2^-63; second moments: 2^-126, or less
 * where eps is below 1e-15; in double 2^-996, 2^-511 and 2^-1022). Moments that only decay would end as subnormal
 * numbers and make steps ten times slower for good.
 *
 * An optimizer moves the params of one set that have a gradient; the others stay as they are and their step count
 * stands still, as in PyTorch. Its state is allocated in the first step that needs it.
 *
 * Every optimizer but LAMB takes dense and row-sparse gradients (reel_param_set_sparse), with every option; what the
 * second kind means for rows without a gradient is a choice (reel_sparse_update). */
#ifndef REEL_OPTIM_H
#define REEL_OPTIM_H

#include <reel/options.h>
#include <reel/params.h>
#include <reel/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* An optimizer of a set, with the state that it keeps. */
typedef struct reel_optim reel_optim;

/* What a row-sparse gradient does to the rows that it does not touch.
 *
 * REEL_LAZY: nothing. Momentum, moments, amsgrad and weight decay of a row change only when the row has a gradient, by
 * the formulas of a dense gradient, with the step count of the whole param (torch.optim.SparseAdam, but with Adam's
 * place for eps). No work and no memory of a step depends on the number of rows: state is allocated as pages of zeros
 * that nobody touches.
 *
 * REEL_EXACT: what a dense gradient with zeros there would do, bit for bit, later. Each row remembers up to which step
 * it was moved (4 bytes a row). Before it is looked up, or gets a gradient, the steps that it missed are replayed, with
 * the learning rates that held then. A row that was idle for k steps costs k updates of the row (some 60 ns each for 64
 * elements of Adam), or a few if it has come to rest, as rows have that never had a gradient. Once every row has had
 * one the lookups of a step make up, in the long run, for a step of every row: no less than a dense step costs, and
 * more where rows are short. It pays for tables most of which is not touched, and where the numbers must be those.
 * Whoever looks at the whole param (reel_param_data, reel_data, an operation other than a lookup, saving, copying, an
 * average that is read, reel_optim_move, reel_optim_free) waits until every row has caught up, and so does the step
 * after 65,536 changes of the learning rate. Only one optimizer of a param can be exact (REEL_ERROR_STATE at the second
 * one's step). Rows of NAdam and RAdam never come to rest.
 *
 * Where a zero gradient changes nothing (SGD without momentum and weight decay, Adagrad without weight decay) the two
 * are the same. */
typedef enum reel_sparse_update {
    REEL_LAZY, /* rows without a gradient stay as they are */
    REEL_EXACT /* rows are as with dense gradients whenever somebody looks */
} reel_sparse_update;

/* An optimizer for a set: the functions reel_..._new below. Group 0 holds every param of the set. Params that are added
 * to the set later join it at the next step, so that none is left out silently; frozen params are skipped while they
 * are frozen. options NULL: the defaults. Returns NULL when params is NULL, the context has an error, memory ran out,
 * or an option is outside its range (REEL_ERROR_ARGUMENT). Owned by the caller; free it before the context. Several
 * optimizers may use one set: each then moves all of its params. */

/* torch.optim.SGD. lr, momentum, weight_decay >= 0; nesterov needs momentum > 0 and dampening 0. */
typedef struct reel_sgd_options {
    reel_options_mark mark;
    double lr, momentum, dampening, weight_decay; /* 1e-3, 0, 0, 0 */
    bool nesterov, maximize;                      /* false */
    reel_sparse_update sparse_update;             /* REEL_LAZY */
} reel_sgd_options;
REEL_API reel_sgd_options reel_sgd_defaults(void); /* lr 1e-3, REEL_LAZY, the rest 0 and false */
REEL_API reel_optim *reel_sgd_new(reel_params *params, const reel_sgd_options *options);

/* torch.optim.Adam, whose weight_decay is added to the gradient, and torch.optim.AdamW, whose weight_decay shrinks the
 * params. lr, eps, weight_decay >= 0; beta1 and beta2 in [0, 1). */
typedef struct reel_adam_options {
    reel_options_mark mark;
    double lr, beta1, beta2, eps, weight_decay; /* 1e-3, 0.9, 0.999, 1e-8, 0 */
    bool amsgrad, maximize;                     /* false */
    reel_sparse_update sparse_update;           /* REEL_LAZY */
} reel_adam_options;
/* lr 1e-3, betas 0.9 and 0.999, eps 1e-8, weight_decay 0, REEL_LAZY */
REEL_API reel_adam_options reel_adam_defaults(void);
typedef reel_adam_options reel_adamw_options;
REEL_API reel_adamw_options reel_adamw_defaults(void); /* the same with weight_decay 0.01 */
REEL_API reel_optim *reel_adam_new(reel_params *params, const reel_adam_options *options);
REEL_API reel_optim *reel_adamw_new(reel_params *params, const reel_adamw_options *options);

/* torch.optim.RMSprop. All numbers >= 0. */
typedef struct reel_rmsprop_options {
    reel_options_mark mark;
    double lr, alpha, eps, weight_decay, momentum; /* 1e-2, 0.99, 1e-8, 0, 0 */
    bool centered, maximize;                       /* false */
    reel_sparse_update sparse_update;              /* REEL_LAZY */
} reel_rmsprop_options;
REEL_API reel_rmsprop_options reel_rmsprop_defaults(void); /* lr 1e-2, alpha 0.99, eps 1e-8, the rest 0 */
REEL_API reel_optim *reel_rmsprop_new(reel_params *params, const reel_rmsprop_options *options);

/* torch.optim.Adagrad. All numbers >= 0. */
typedef struct reel_adagrad_options {
    reel_options_mark mark;
    double lr, lr_decay, weight_decay, initial_accumulator_value, eps; /* 1e-2, 0, 0, 0, 1e-10 */
    bool maximize;                                                     /* false */
    reel_sparse_update sparse_update;                                  /* REEL_LAZY */
} reel_adagrad_options;
REEL_API reel_adagrad_options reel_adagrad_defaults(void); /* lr 1e-2, eps 1e-10, the rest 0 and false */
REEL_API reel_optim *reel_adagrad_new(reel_params *params, const reel_adagrad_options *options);

/* Adagrad with one number of state for each row (axis 0) instead of each element: the sum over the steps of the mean
 * square of the row's gradient, g = gradient + weight_decay * param; param -= lr / (sqrt(sum) + eps) * g
 * (EXACT_ROWWISE_ADAGRAD of FBGEMM's table-batched embeddings). Options as for Adagrad. */
typedef reel_adagrad_options reel_rowwise_adagrad_options;
REEL_API reel_rowwise_adagrad_options reel_rowwise_adagrad_defaults(void); /* those of Adagrad */
REEL_API reel_optim *reel_rowwise_adagrad_new(reel_params *params, const reel_rowwise_adagrad_options *options);

/* torch.optim.NAdam and RAdam. decoupled_weight_decay: weight_decay shrinks the params, as in AdamW, instead of being
 * added to the gradient. lr, eps, weight_decay, momentum_decay >= 0; beta1 and beta2 in [0, 1). */
typedef struct reel_nadam_options {
    reel_options_mark mark;
    double lr, beta1, beta2, eps, weight_decay, momentum_decay; /* 2e-3, 0.9, 0.999, 1e-8, 0, 4e-3 */
    bool decoupled_weight_decay, maximize;                      /* false */
    reel_sparse_update sparse_update;                           /* REEL_LAZY */
} reel_nadam_options;
/* lr 2e-3, betas 0.9 and 0.999, eps 1e-8, momentum_decay 4e-3, the rest 0 and false */
REEL_API reel_nadam_options reel_nadam_defaults(void);
REEL_API reel_optim *reel_nadam_new(reel_params *params, const reel_nadam_options *options);

typedef struct reel_radam_options {
    reel_options_mark mark;
    double lr, beta1, beta2, eps, weight_decay; /* 1e-3, 0.9, 0.999, 1e-8, 0 */
    bool decoupled_weight_decay, maximize;      /* false */
    reel_sparse_update sparse_update;           /* REEL_LAZY */
} reel_radam_options;
/* lr 1e-3, betas 0.9 and 0.999, eps 1e-8, the rest 0 and false */
REEL_API reel_radam_options reel_radam_defaults(void);
REEL_API reel_optim *reel_radam_new(reel_params *params, const reel_radam_options *options);

/* torch.optim.Adamax. lr, eps, weight_decay >= 0; beta1 and beta2 in [0, 1). */
typedef struct reel_adamax_options {
    reel_options_mark mark;
    double lr, beta1, beta2, eps, weight_decay; /* 2e-3, 0.9, 0.999, 1e-8, 0 */
    bool maximize;                              /* false */
    reel_sparse_update sparse_update;           /* REEL_LAZY */
} reel_adamax_options;
REEL_API reel_adamax_options reel_adamax_defaults(void); /* lr 2e-3, betas 0.9 and 0.999, eps 1e-8, the rest 0 */
REEL_API reel_optim *reel_adamax_new(reel_params *params, const reel_adamax_options *options);

/* torch.optim.Adadelta. lr, eps, weight_decay >= 0; rho in [0, 1]. */
typedef struct reel_adadelta_options {
    reel_options_mark mark;
    double lr, rho, eps, weight_decay; /* 1, 0.9, 1e-6, 0 */
    bool maximize;                     /* false */
    reel_sparse_update sparse_update;  /* REEL_LAZY */
} reel_adadelta_options;
REEL_API reel_adadelta_options reel_adadelta_defaults(void); /* lr 1, rho 0.9, eps 1e-6, the rest 0 and false */
REEL_API reel_optim *reel_adadelta_new(reel_params *params, const reel_adadelta_options *options);

/* LAMB (You et al., Large Batch Optimization for Deep Learning: Training BERT in 76 minutes, arXiv:1904.00962,
 * algorithm 2): with m and v the moments of Adam, r = m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps) +
 * weight_decay * p, and p -= lr * |p| / |r| * r, the norms being those of the whole param; their ratio is 1 where one
 * of them is 0. Whoever wants biases without weight decay or ratio gives them to another optimizer. An update needs the
 * whole param, so that params with sparse gradients are refused (REEL_ERROR_ARGUMENT, by name). lr, eps, weight_decay
 * >= 0; beta1 and beta2 in [0, 1). */
typedef struct reel_lamb_options {
    reel_options_mark mark;
    double lr, beta1, beta2, eps, weight_decay; /* 1e-3, 0.9, 0.999, 1e-6, 0.01 */
    bool maximize;                              /* false */
} reel_lamb_options;
REEL_API reel_lamb_options reel_lamb_defaults(void); /* lr 1e-3, betas 0.9 and 0.999, eps 1e-6, weight_decay 0.01 */
REEL_API reel_optim *reel_lamb_new(reel_params *params, const reel_lamb_options *options);

/* Frees the optimizer and its state, not the params, whose rows catch up first. NULL is accepted. */
REEL_API void reel_optim_free(reel_optim *optim);

/* One update of every param that has a gradient. Gradients stay: call reel_zero_grad before the next backward pass.
 * REEL_ERROR_STATE when a backward pass over the set failed since reel_zero_grad, or when none came to it and no
 * gradient was set. On failure nothing has changed: not the params, not the state, not the step counts. */
REEL_API reel_status reel_optim_step(reel_optim *optim);

/* A new group with options of its own (torch's add_param_group), for the params that `names` matches, moved out of the
 * groups that they were in; their state stays. In `names` a * stands for any characters, so "label.*" is a module and
 * "*.bias" every bias; names NULL: none yet. Returns the number of the group, or -1: nothing matches, an option is
 * outside its range, or the optimizer is of another kind (REEL_ERROR_ARGUMENT), or memory ran out. options NULL: the
 * defaults, not those of group 0. Learning rates, schedules included, are per group.
 *
 *     reel_adam_options o = reel_adam_defaults();
 *     o.weight_decay = 1e-4;
 *     reel_optim *adam = reel_adam_new(params, &o);
 *     o.weight_decay = 0;
 *     int plain = reel_adam_add_group(adam, "*.bias", &o);
 *     reel_optim_move(adam, plain, "norm*.weight"); */
REEL_API int reel_sgd_add_group(reel_optim *optim, const char *names, const reel_sgd_options *options);
REEL_API int reel_adam_add_group(reel_optim *optim, const char *names, const reel_adam_options *options);
REEL_API int reel_adamw_add_group(reel_optim *optim, const char *names, const reel_adamw_options *options);
REEL_API int reel_rmsprop_add_group(reel_optim *optim, const char *names, const reel_rmsprop_options *options);
REEL_API int reel_adagrad_add_group(reel_optim *optim, const char *names, const reel_adagrad_options *options);
REEL_API int reel_rowwise_adagrad_add_group(reel_optim *optim, const char *names,
                                            const reel_rowwise_adagrad_options *options);
REEL_API int reel_nadam_add_group(reel_optim *optim, const char *names, const reel_nadam_options *options);
REEL_API int reel_radam_add_group(reel_optim *optim, const char *names, const reel_radam_options *options);
REEL_API int reel_adamax_add_group(reel_optim *optim, const char *names, const reel_adamax_options *options);
REEL_API int reel_adadelta_add_group(reel_optim *optim, const char *names, const reel_adadelta_options *options);
REEL_API int reel_lamb_add_group(reel_optim *optim, const char *names, const reel_lamb_options *options);

/* Moves the params that `names` matches into a group. REEL_ERROR_ARGUMENT when nothing matches or there is no such
 * group. */
REEL_API reel_status reel_optim_move(reel_optim *optim, int group, const char *names);

/* How many groups there are, at least 1; 0 for NULL. */
REEL_API int reel_optim_groups(const reel_optim *optim);

/* The group's learning rate, NaN when there is no such group; and a new one, >= 0. */
REEL_API double reel_optim_lr(const reel_optim *optim, int group);
REEL_API reel_status reel_optim_set_lr(reel_optim *optim, int group, double lr);

/* ---- What an optimizer holds ---- */

/* What an optimizer holds, by name: with the params themselves, all that a run needs to go on with the same bits.
 *
 * The state of a param is a list of named arrays: "step" (int64, a scalar), how often it was updated; what the
 * algorithm keeps, as torch names it ("exp_avg"; real, of the param's shape, or [rows] or a scalar where the algorithm
 * says so); of SGD also which rows were updated ("all_seen", bool, a scalar, and "seen", bool, [rows]), which dampening
 * has to know. Reading a state first brings every row up to date (REEL_EXACT), so that nothing that was put off is
 * missing; later bits are as if nobody had looked. */
typedef struct reel_optim_state {
    const char *name; /* as torch names it */
    reel_dtype dtype; /* of its elements */
    reel_shape shape; /* that of the param, [rows], or a scalar */
    const void *data; /* the optimizer's, until its next step; NULL: no update has needed it yet, zeros */
} reel_optim_state;

/* How many states of the param hold something now, and the i-th of these. */
REEL_API int reel_optim_states(reel_optim *optim, const reel_param *param);
REEL_API reel_status reel_optim_state_at(reel_optim *optim, const reel_param *param, int i, reel_optim_state *out);

/* The state of a name, also if it holds nothing yet; and setting it: name, dtype and shape must be those of the
 * algorithm's state, data is copied. REEL_ERROR_ARGUMENT when there is no such param or state, or a step is outside
 * 0..2^53, REEL_ERROR_DTYPE, REEL_ERROR_SHAPE. */
REEL_API reel_status reel_optim_get_state(reel_optim *optim, const reel_param *param, const char *name,
                                          reel_optim_state *out);
REEL_API reel_status reel_optim_set_state(reel_optim *optim, const reel_param *param, const reel_optim_state *state);

/* The group that a param is in, -1 when it is in none. */
REEL_API int reel_optim_group_of(const reel_optim *optim, const reel_param *param);

/* A group's option by the name of its member, flags as 0 and 1, and "initial_lr", which schedules start from. NaN when
 * there is no such group or option. Set, it is checked as when the optimizer was made (REEL_ERROR_ARGUMENT); all rows
 * are brought up to date with the old options first. */
REEL_API double reel_optim_get_option(const reel_optim *optim, int group, const char *name);
REEL_API reel_status reel_optim_set_option(reel_optim *optim, int group, const char *name, double value);

#ifdef __cplusplus
}
#endif

#endif
