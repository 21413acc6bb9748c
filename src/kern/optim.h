/* How an optimizer's update gets to the elements of a param: slices of all of it, or rows. */
#ifndef REEL_KERN_OPTIM_H
#define REEL_KERN_OPTIM_H

#include "kern/philox.h"
#include "kern/rows.h"

#include <reel/optimizer.h>

/* What moves the params that share options and are at the same step. */
struct reel_update {
    const reel_optim_algorithm *algorithm;
    union {
        char bytes[REEL_OPTIM_CONSTANTS];
        double number; /* for the alignment */
        void *pointer;
    } constants;
};

/* A whole param. */
void reel_kern_update_dense(const struct reel_update *update, int64_t rows, int64_t columns, reel_real *param,
                            const reel_real *grad, reel_real *const *state, int threads);

/* The same by an algorithm that has to see all of it before it moves an element. */
void reel_kern_update_whole(struct reel_update update, int64_t rows, int64_t columns, reel_real *param,
                            const reel_real *grad, reel_real *const *state, int threads);

/* One row of it, with its gradient. */
void reel_kern_update_row(const struct reel_update *update, int64_t columns, int64_t row, reel_real *param,
                          const reel_real *grad, reel_real *const *state);

/* A param in bfloat16, whose states of REEL_PER_ELEMENT are so, too: their pointers are to uint16_t. A row is moved as
 * reals in `room`, and what is drawn to round it depends on the key and its place alone. */
struct reel_update_narrow {
    struct reel_philox_key key; /* of the param and the step */
    void *room;                 /* reel_kern_update_room bytes */
};
size_t reel_kern_update_room(const reel_optim_algorithm *algorithm, int64_t columns, int threads);

struct reel_update_rows {
    const struct reel_gradient_rows *gradient;
    const struct reel_update_narrow *narrow; /* NULL: param and states are reals */
    /* A row that has never been updated gets `first` instead; NULL: no such difference. seen is per row of the table.
     */
    const struct reel_update *first;
    uint8_t *seen;
    /* Called before a row is updated, by the thread (0..threads - 1) that does it; may be NULL. */
    void (*before)(void *user, int64_t row, int thread);
    void *user;
};
void reel_kern_update_rows(const struct reel_update *update, const struct reel_update_rows *rows, void *param,
                           reel_real *const *state, int threads);

/* to += weight * (from - to), as torch.lerp computes it. */
void reel_kern_lerp(int64_t n, reel_real weight, const reel_real *from, reel_real *to, int threads);

/* The same `times` over, with the bits of as many calls. */
void reel_kern_lerp_times(int64_t n, reel_real weight, int64_t times, const reel_real *from, reel_real *to);

#endif
