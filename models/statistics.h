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

/* The mean over n images [rows, columns] of their power at spatial frequencies of more than half the Nyquist frequency:
 * of the squared magnitudes |F(u, v)|^2 / (rows * columns)^2 of the discrete Fourier transform, the sum over all with
 * (u/rows)^2 + (v/columns)^2 > (1/4)^2, u and v from -1/2 of rows and columns to 1/2. Of an image's variance it is the
 * part in fine grain. NaN when memory ran out. */
double high_frequency_power(const float *images, int64_t n, int64_t rows, int64_t columns);

/* The element of x [n] that a part of all, 0 to 1, is not above; sorts x. */
double percentile(float *x, int64_t n, double part);

#endif
