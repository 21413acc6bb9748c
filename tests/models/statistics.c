/* Numbers that compare sets: distances that are known, waves whose frequency is known. */
#include "statistics.h"

#include <criterion/criterion.h>

#include <math.h>

enum { ROWS = 12, COLUMNS = 16 };

/* The power of a wave of `down` and `across` cycles an image, which is half the square of its amplitude. */
static double power_of_wave(int down, int across)
{
    static float image[ROWS * COLUMNS];
    for (int r = 0; r < ROWS; r++)
        for (int c = 0; c < COLUMNS; c++) {
            double turns = (double)(down * r) / ROWS + (double)(across * c) / COLUMNS;
            image[r * COLUMNS + c] = (float)(0.75 + 0.5 * sin(2 * acos(-1.0) * turns + 0.3));
        }
    return high_frequency_power(image, 1, ROWS, COLUMNS);
}

Test(statistics, power_counts_above_half_the_nyquist_frequency)
{
    const struct {
        int down, across;
        double want;
    } waves[] = {{0, 0, 0}, {1, 2, 0},     {3, 0, 0}, /* a quarter of a cycle a pixel: not more than half */
                 {0, 4, 0}, {0, 5, 0.125}, {4, 0, 0.125}, {2, 2, 0}, {-2, 2, 0}, {2, 4, 0.125}, {-2, 4, 0.125}};
    for (size_t i = 0; i < sizeof waves / sizeof *waves; i++) {
        double got = power_of_wave(waves[i].down, waves[i].across);
        cr_assert(fabs(got - waves[i].want) < 1e-6, "%d, %d: %g", waves[i].down, waves[i].across, got);
    }
}

Test(statistics, power_is_the_mean_over_images)
{
    float images[2 * ROWS * COLUMNS] = {0};
    for (int i = 0; i < ROWS * COLUMNS; i++)
        images[ROWS * COLUMNS + i] = i % 2 ? 1.0f : -1.0f;
    cr_assert(fabs(high_frequency_power(images, 2, ROWS, COLUMNS) - 0.5) < 1e-9);
}

Test(statistics, percentile_is_an_element)
{
    float x[101];
    for (int i = 0; i <= 100; i++)
        x[i] = (float)(i * 37 % 101);
    cr_assert_eq(percentile(x, 101, 0.01), 1);
    cr_assert_eq(percentile(x, 101, 0), 0);
    cr_assert_eq(percentile(x, 101, 1), 100);
}

/* Of sets with means m apart and covariances that a factor s^2 relates: m^2 + (s - 1)^2 times the trace. */
Test(statistics, frechet_distance_of_scaled_sets)
{
    enum { N = 4, DIM = 2 };
    const float a[N * DIM] = {1, 0, -1, 0, 0, 2, 0, -2};
    float b[N * DIM];
    for (int i = 0; i < N * DIM; i++)
        b[i] = 3 * a[i] + (i % DIM ? 4.0f : 0.0f);
    double trace = (2.0 + 8.0) / (N - 1);
    cr_assert(fabs(frechet_distance(a, N, b, N, DIM) - (16 + 4 * trace)) < 1e-6);
    cr_assert(fabs(frechet_distance(a, N, a, N, DIM)) < 1e-6);
}
