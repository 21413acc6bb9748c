/* Norms and limits of gradients. */
#include "kern/clip.h"

#include "base/clones.h"
#include "kern/parallel.h"

#include <math.h>
#include <string.h>

/* Which sum an element goes to depends on its position in the whole array only, and zeros change no sum: that is why
 * rows alone give the bits of their table. */
enum { LANES = 32 };

double reel_kern_power_join(struct reel_power power, double a, double b)
{
    if (isfinite(power.power))
        return a + b;
    return a < b || b != b ? b : a;
}

#define EACH_LANE(term)                                                                                                \
    for (int64_t i = 0; i + LANES <= n; i += LANES)                                                                    \
        REEL_UNROLL for (int j = 0; j < LANES; j++)                                                                    \
        {                                                                                                              \
            double a = fabs((double)x[i + j]);                                                                         \
            sums[j] = (term);                                                                                          \
        }

REEL_CLONES
static void add_squares(int64_t n, const reel_real *restrict x, double *restrict sums){EACH_LANE(sums[j] + a * a)}

REEL_CLONES
    static void add_magnitudes(int64_t n, const reel_real *restrict x, double *restrict sums){EACH_LANE(sums[j] + a)}

REEL_CLONES static void keep_largest(int64_t n, const reel_real *restrict x, double *restrict sums)
{
    EACH_LANE(sums[j] < a || a != a ? a : sums[j])
}

static void add_powers(struct reel_power power, int64_t n, const reel_real *restrict x, double *restrict sums)
{
    EACH_LANE(sums[j] + pow(a * power.scale, power.power))
}

/* Adds whole groups of LANES elements. */
static void add_groups(struct reel_power power, int64_t n, const reel_real *x, double *sums)
{
    if (power.power == 2 && power.scale == 1)
        add_squares(n, x, sums);
    else if (power.power == 1 && power.scale == 1)
        add_magnitudes(n, x, sums);
    else if (isfinite(power.power))
        add_powers(power, n, x, sums);
    else
        keep_largest(n, x, sums);
}

/* Adds elements that start at lane `lane`; those that do not fill a group are padded with zeros. */
static void add_elements(struct reel_power power, int lane, int64_t n, const reel_real *x, double *sums)
{
    if (lane > 0 && n > 0) {
        reel_real padded[LANES] = {0};
        int64_t some = n < LANES - lane ? n : LANES - lane;
        memcpy(padded + lane, x, (size_t)some * sizeof *x);
        add_groups(power, LANES, padded, sums);
        x += some;
        n -= some;
    }
    int64_t whole = n - n % LANES;
    add_groups(power, whole, x, sums);
    if (whole < n) {
        reel_real padded[LANES] = {0};
        memcpy(padded, x + whole, (size_t)(n - whole) * sizeof *x);
        add_groups(power, LANES, padded, sums);
    }
}

static double join_lanes(struct reel_power power, const double *sums)
{
    double total = 0;
    for (int j = 0; j < LANES; j++)
        total = reel_kern_power_join(power, total, sums[j]);
    return total;
}

static double sum_block(struct reel_power power, int64_t n, const reel_real *x)
{
    double lanes[LANES] = {0};
    add_elements(power, 0, n, x, lanes);
    return join_lanes(power, lanes);
}

double reel_kern_power_sum(struct reel_power power, int64_t n, const reel_real *x, double *sums, int threads)
{
    REEL_PARALLEL_FOR(first, last, n, REEL_BLOCK, threads,
                      sums[first / REEL_BLOCK] = sum_block(power, last - first, x + first));
    double total = 0;
    for (int64_t b = 0; b < reel_blocks(n); b++)
        total = reel_kern_power_join(power, total, sums[b]);
    return total;
}

double reel_kern_power_sum_rows(struct reel_power power, int64_t count, int64_t columns, const int64_t *rows,
                                const reel_real *values)
{
    double total = 0, lanes[LANES] = {0};
    int64_t block = 0;
    for (int64_t k = 0; k < count; k++) {
        int64_t position = rows[k] * columns;
        for (int64_t left = columns; left > 0;) {
            if (position / REEL_BLOCK != block) {
                total = reel_kern_power_join(power, total, join_lanes(power, lanes));
                memset(lanes, 0, sizeof lanes);
                block = position / REEL_BLOCK;
            }
            int64_t room = (block + 1) * REEL_BLOCK - position, n = left < room ? left : room;
            add_elements(power, (int)(position % LANES), n, values, lanes);
            values += n;
            position += n;
            left -= n;
        }
    }
    return reel_kern_power_join(power, total, join_lanes(power, lanes));
}

REEL_CLONES
static void scale_block(int64_t n, reel_real factor, reel_real *x)
{
    for (int64_t i = 0; i < n; i++)
        x[i] *= factor;
}

void reel_kern_scale(int64_t n, reel_real factor, reel_real *x, int threads)
{
    REEL_PARALLEL_FOR(first, last, n, REEL_BLOCK, threads, scale_block(last - first, factor, x + first));
}

REEL_CLONES
static void limit_block(int64_t n, reel_real limit, reel_real *x)
{
    for (int64_t i = 0; i < n; i++) {
        reel_real low = x[i] < -limit ? -limit : x[i];
        x[i] = low > limit ? limit : low;
    }
}

void reel_kern_limit(int64_t n, reel_real limit, reel_real *x, int threads)
{
    REEL_PARALLEL_FOR(first, last, n, REEL_BLOCK, threads, limit_block(last - first, limit, x + first));
}
