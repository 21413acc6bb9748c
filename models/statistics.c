/* Means, covariances, and distances between them. */
#include "statistics.h"

#include <math.h>
#include <stdlib.h>

/* LAPACK's symmetric eigenvalue routine, which OpenBLAS brings along. */
void dsyev_(const char *jobz, const char *uplo, const int *n, double *a, const int *lda, double *w, double *work,
            const int *lwork, int *info);

static void mean_and_covariance(const float *x, int64_t n, int dim, double *mean, double *covariance)
{
    for (int j = 0; j < dim; j++)
        mean[j] = 0;
    for (int64_t i = 0; i < n; i++)
        for (int j = 0; j < dim; j++)
            mean[j] += x[i * dim + j];
    for (int j = 0; j < dim; j++)
        mean[j] /= (double)n;
    for (int j = 0; j < dim * dim; j++)
        covariance[j] = 0;
    for (int64_t i = 0; i < n; i++)
        for (int j = 0; j < dim; j++) {
            double distance = x[i * dim + j] - mean[j];
            for (int k = 0; k <= j; k++)
                covariance[j * dim + k] += distance * (x[i * dim + k] - mean[k]);
        }
    for (int j = 0; j < dim; j++)
        for (int k = 0; k <= j; k++)
            covariance[k * dim + j] = covariance[j * dim + k] /= (double)(n > 1 ? n - 1 : 1);
}

/* Eigenvalues into w, eigenvectors into the rows of a. */
static int eigen(double *a, double *w, int dim, int vectors)
{
    int size = 64 * dim, info = -1;
    double *work = malloc(sizeof *work * (size_t)size);
    if (work)
        dsyev_(vectors ? "V" : "N", "U", &dim, a, &dim, w, work, &size, &info);
    free(work);
    return info;
}

/* The square root of a symmetric positive semidefinite matrix; rounding may have made an eigenvalue a little negative.
 */
static int square_root(const double *a, double *root, double *vectors, double *w, int dim)
{
    for (int j = 0; j < dim * dim; j++)
        vectors[j] = a[j];
    if (eigen(vectors, w, dim, 1) != 0)
        return -1;
    for (int i = 0; i < dim; i++)
        for (int j = 0; j < dim; j++) {
            double sum = 0;
            for (int k = 0; k < dim; k++)
                sum += vectors[k * dim + i] * sqrt(fmax(w[k], 0)) * vectors[k * dim + j];
            root[i * dim + j] = sum;
        }
    return 0;
}

static void multiply(const double *a, const double *b, double *c, int dim)
{
    for (int i = 0; i < dim; i++) {
        for (int j = 0; j < dim; j++)
            c[i * dim + j] = 0;
        for (int k = 0; k < dim; k++)
            for (int j = 0; j < dim; j++)
                c[i * dim + j] += a[i * dim + k] * b[k * dim + j];
    }
}

double frechet_distance(const float *a, int64_t n, const float *b, int64_t m, int dim)
{
    size_t square = (size_t)dim * (size_t)dim;
    double *memory = malloc(sizeof *memory * (5 * square + 3 * (size_t)dim));
    if (!memory)
        return NAN;
    double *c1 = memory, *c2 = c1 + square, *root = c2 + square, *product = root + square, *other = product + square;
    double *m1 = other + square, *m2 = m1 + dim, *w = m2 + dim;
    mean_and_covariance(a, n, dim, m1, c1);
    mean_and_covariance(b, m, dim, m2, c2);
    double distance = NAN;
    /* The trace of (C1 C2)^(1/2) is that of (R C2 R)^(1/2) with R = C1^(1/2), which is symmetric. */
    if (square_root(c1, root, other, w, dim) == 0) {
        multiply(root, c2, product, dim);
        multiply(product, root, other, dim);
        if (eigen(other, w, dim, 0) == 0) {
            distance = 0;
            for (int j = 0; j < dim; j++)
                distance +=
                    (m1[j] - m2[j]) * (m1[j] - m2[j]) + c1[j * dim + j] + c2[j * dim + j] - 2 * sqrt(fmax(w[j], 0));
        }
    }
    free(memory);
    return distance;
}

void class_spread(const float *x, const int64_t *y, int64_t n, int dim, int64_t classes, double *spread)
{
    for (int64_t c = 0; c < classes; c++) {
        int64_t count = 0;
        double total = 0;
        for (int64_t i = 0; i < n; i++)
            count += y[i] == c;
        for (int j = 0; j < dim && count > 0; j++) {
            double mean = 0, sum = 0;
            for (int64_t i = 0; i < n; i++)
                mean += y[i] == c ? x[i * dim + j] : 0;
            mean /= (double)count;
            for (int64_t i = 0; i < n; i++)
                sum += y[i] == c ? (x[i * dim + j] - mean) * (x[i * dim + j] - mean) : 0;
            total += sum / (double)count;
        }
        spread[c] = sqrt(total);
    }
}

/* The real and imaginary factors of a transform of n numbers: the second index runs over the numbers. */
static void fill_waves(double *cosines, double *sines, int64_t n)
{
    for (int64_t u = 0; u < n; u++)
        for (int64_t i = 0; i < n; i++) {
            double angle = 2 * acos(-1.0) * (double)(u * i % n) / (double)n;
            cosines[u * n + i] = cos(angle);
            sines[u * n + i] = -sin(angle);
        }
}

/* Frequency u of n in cycles a pixel, 0 to 1/2. */
static double cycles(int64_t u, int64_t n)
{
    return (double)(u <= n - u ? u : n - u) / (double)n;
}

double high_frequency_power(const float *images, int64_t n, int64_t rows, int64_t columns)
{
    const double quarter = 0.25;
    size_t square = (size_t)(columns * columns), other = (size_t)(rows * rows), pixels = (size_t)(rows * columns);
    double *memory = malloc(sizeof *memory * (2 * square + 2 * other + 2 * pixels));
    if (!memory)
        return NAN;
    double *across_cos = memory, *across_sin = across_cos + square, *down_cos = across_sin + square;
    double *down_sin = down_cos + other, *real = down_sin + other, *imaginary = real + pixels;
    fill_waves(across_cos, across_sin, columns);
    fill_waves(down_cos, down_sin, rows);
    double total = 0;
    for (int64_t k = 0; k < n; k++) {
        const float *image = images + k * rows * columns;
        /* Rows are transformed first, to [v, row], then what they became. */
        for (int64_t v = 0; v < columns; v++)
            for (int64_t r = 0; r < rows; r++) {
                double a = 0, b = 0;
                for (int64_t c = 0; c < columns; c++) {
                    a += image[r * columns + c] * across_cos[v * columns + c];
                    b += image[r * columns + c] * across_sin[v * columns + c];
                }
                real[v * rows + r] = a;
                imaginary[v * rows + r] = b;
            }
        for (int64_t v = 0; v < columns; v++)
            for (int64_t u = 0; u < rows; u++) {
                double x = cycles(u, rows), y = cycles(v, columns);
                if (x * x + y * y <= quarter * quarter)
                    continue;
                double a = 0, b = 0;
                for (int64_t r = 0; r < rows; r++) {
                    a += real[v * rows + r] * down_cos[u * rows + r] - imaginary[v * rows + r] * down_sin[u * rows + r];
                    b += real[v * rows + r] * down_sin[u * rows + r] + imaginary[v * rows + r] * down_cos[u * rows + r];
                }
                total += a * a + b * b;
            }
    }
    free(memory);
    return total / (double)n / ((double)pixels * (double)pixels);
}

static int compare(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

double percentile(float *x, int64_t n, double part)
{
    qsort(x, (size_t)n, sizeof *x, compare);
    return x[(int64_t)(part * (double)(n - 1))];
}
