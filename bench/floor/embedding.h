/* The embedding workload by hand: rows of a table [rows, 64] are looked up, the loss is their mean squared distance to
 * a target, and one optimizer step moves the rows that were looked up. */
#ifndef BENCH_FLOOR_EMBEDDING_H
#define BENCH_FLOOR_EMBEDDING_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { FLOOR_EMBEDDING_COLUMNS = 64 };

enum floor_embedding_optim {
    FLOOR_EMBEDDING_SGD,             /* lr 100: the loss is a mean over 10^6 numbers */
    FLOOR_EMBEDDING_ROWWISE_ADAGRAD, /* lr 0.01, eps 1e-10: one sum of mean squares a row */
    FLOOR_EMBEDDING_LAZY_ADAM        /* Adam(1e-3, 0.9, 0.999, 1e-8) whose untouched rows stay */
};

struct floor_embedding {
    int64_t rows, batch, steps;
    enum floor_embedding_optim optim;
    int threads;
    float *table;            /* [rows, 64], zeros until the caller fills it */
    float *first, *second;   /* Adam's moments, like the table; row-wise Adagrad's sums [rows] are in second */
    float *looked_up, *grad; /* [batch, 64] */
    uint64_t *keys, *other;  /* [batch]: row and place, before and after a pass of the sort */
    int64_t *starts;         /* [batch + 1]: where a row begins among the sorted keys */
    double *losses;          /* [batch / 256 + 1]: of the blocks */
};

/* rows up to 2^40, batch up to 2^20. False when memory ran out; free it all the same. */
bool floor_embedding_new(struct floor_embedding *e, int64_t rows, int64_t batch, enum floor_embedding_optim optim,
                         int threads);
void floor_embedding_free(struct floor_embedding *e);

/* One step for indices [batch] and target [batch, 64]; gives the loss before it. The results differ in their last
 * digits.
 *
 * fused: lookup, difference and loss in one pass, which leaves gradient rows; the sort; then sum and update of a row.
 * sorted: sort first, then all else in one pass. No row of the gradient is ever in memory. It works only because in
 *     this loss no looked-up row has to do with another.
 * eager: a pass each for lookup, loss, gradient, sort, and sum with update. */
float floor_embedding_fused(struct floor_embedding *e, const int64_t *index, const float *target);
float floor_embedding_sorted(struct floor_embedding *e, const int64_t *index, const float *target);
float floor_embedding_eager(struct floor_embedding *e, const int64_t *index, const float *target);

#ifdef __cplusplus
}
#endif

#endif
