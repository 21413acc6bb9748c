/* Numbers that compare two sets of feature vectors. */
#ifndef MODELS_STATISTICS_H
#define MODELS_STATISTICS_H

#include <stdint.h>

/* The Fréchet distance between normal distributions fitted to two sets of vectors (Heusel et al. 2017):
 * |m1 - m2|^2 + trace(C1 + C2 - 2 (C1 C2)^(1/2)). a [n, dim], b [m, dim]. NaN when memory ran out or the
 * eigenvalues did not converge. */
double frechet_distance(const float *a, int64_t n, const float *b, int64_t m, int dim);

/* Spread of each class around its mean: the root of the mean squared distance, for each of `classes` classes into
 * spread; 0 for a class without vectors. x [n, dim], y [n] in 0..classes-1. */
void class_spread(const float *x, const int64_t *y, int64_t n, int dim, int64_t classes, double *spread);

#endif
