/* The largest singular value of a matrix, by power iteration. */
#ifndef REEL_KERN_SPECTRAL_H
#define REEL_KERN_SPECTRAL_H

#include <reel/types.h>

/* A matrix [rows, outer * inner] that lies in memory as [outer, rows, inner]: an array of several axes whose rows are
 * counted along one of them, and whose columns along all others. */
struct reel_kern_matrix {
    int64_t outer, rows, inner;
    const reel_real *data;
};

/* x [n] divided by its length, or by eps if that is larger. */
void reel_kern_unit(int64_t n, double eps, reel_real *x);

/* `times` times: u [rows] = unit(matrix v), v [outer * inner] = unit(transposed matrix u). The same bits for any number
 * of threads. */
void reel_kern_power_iteration(const struct reel_kern_matrix *matrix, int64_t times, double eps, reel_real *u,
                               reel_real *v, int threads);

/* norms[i], for each of the rows: the length of it. */
void reel_kern_row_norms(const struct reel_kern_matrix *matrix, reel_real *norms);

#endif
