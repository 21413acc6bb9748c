/* The update loops of the optimizers. Which loop and its constants are prepared once for all params that share them. */
#ifndef REEL_KERN_OPTIM_H
#define REEL_KERN_OPTIM_H

#include "kern/rows.h"

#include <reel/types.h>

enum { REEL_UPDATE_STATES = 3 };

struct reel_update;

/* Moves n elements of a param, which are one row if the state is per row. state[k] is NULL where the algorithm has no
 * such array. */
typedef void (*reel_update_loop)(const struct reel_update *update, int64_t n, reel_real *param, const reel_real *grad,
                                 reel_real *const *state);

struct reel_update {
    reel_update_loop loop;
    bool row_state;               /* state has one element for each row of the param */
    bool decay;                   /* weight_decay is added to the gradient */
    reel_real sign, weight_decay; /* sign: -1 to maximize */
    reel_real smallest_square;    /* of Adam and RMSprop, from reel_update_smallest_square */
    union {
        struct {
            reel_real minus_lr, momentum, one_minus_dampening;
            bool has_momentum, nesterov;
        } sgd; /* state: the momentum buffer */
        struct {
            reel_real minus_step_size, one_minus_beta1, beta2, one_minus_beta2, root_correction2, eps;
            reel_real shrink; /* 1 - lr * weight_decay of AdamW, else 1 */
            bool amsgrad;
        } adam; /* state: both moments; the largest second moment so far */
        struct {
            reel_real minus_lr, alpha, one_minus_alpha, eps, momentum;
            bool centered, has_momentum;
        } rmsprop; /* state: mean square, mean, momentum buffer */
        struct {
            reel_real minus_lr, initial, eps;
        } adagrad; /* state: the sum of squares, or of a row's mean square; 0 stands for `initial`, so that nothing has
                      to be filled */
    } of;
};

/* A second moment below this is 0: the smallest normal number, or less where its root would count beside eps. */
reel_real reel_update_smallest_square(double eps);

void reel_kern_update_sgd(const struct reel_update *update, int64_t n, reel_real *param, const reel_real *grad,
                          reel_real *const *state);
void reel_kern_update_adam(const struct reel_update *update, int64_t n, reel_real *param, const reel_real *grad,
                           reel_real *const *state);
void reel_kern_update_rmsprop(const struct reel_update *update, int64_t n, reel_real *param, const reel_real *grad,
                              reel_real *const *state);
void reel_kern_update_adagrad(const struct reel_update *update, int64_t n, reel_real *param, const reel_real *grad,
                              reel_real *const *state);
void reel_kern_update_rowwise_adagrad(const struct reel_update *update, int64_t n, reel_real *param,
                                      const reel_real *grad, reel_real *const *state);

/* A whole param. */
void reel_kern_update_dense(const struct reel_update *update, int64_t rows, int64_t columns, reel_real *param,
                            const reel_real *grad, reel_real *const *state, int threads);

/* One row of it, with its gradient. */
void reel_kern_update_row(const struct reel_update *update, int64_t columns, int64_t row, reel_real *param,
                          const reel_real *grad, reel_real *const *state);

struct reel_update_rows {
    const struct reel_gradient_rows *gradient;
    /* A row that has never been updated gets `first` instead; NULL: no such difference. seen is per row of the table.
     */
    const struct reel_update *first;
    uint8_t *seen;
    /* Called before a row is updated, by the thread (0..threads - 1) that does it; may be NULL. */
    void (*before)(void *user, int64_t row, int thread);
    void *user;
};
void reel_kern_update_rows(const struct reel_update *update, const struct reel_update_rows *rows, reel_real *param,
                           reel_real *const *state, int threads);

/* to += weight * (from - to), as torch.lerp computes it. */
void reel_kern_lerp(int64_t n, reel_real weight, const reel_real *from, reel_real *to, int threads);

#endif
