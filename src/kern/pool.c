/* Pools: the largest element, or the mean, of windows of planes, and the ways back. */
#include "kern/pool.h"

#include "kern/parallel.h"

#include <math.h>
#include <string.h>

struct reel_pool_window reel_kern_pool_window(const struct reel_pool *p, int axis, int64_t place)
{
    const int64_t from = p->x_size[axis], to = p->y_size[axis];
    if (p->adaptive) {
        int64_t first = place * from / to, end = ((place + 1) * from + to - 1) / to;
        return (struct reel_pool_window){first, end, 1, end - first};
    }
    const int64_t step = p->dilation[axis], start = place * p->stride[axis] - p->padding[axis];
    const int64_t padded = from + p->padding[axis], end = start + (p->kernel[axis] - 1) * step + 1;
    return (struct reel_pool_window){.first = start < 0 ? start + (-start + step - 1) / step * step : start,
                                     .end = end < from ? end : from,
                                     .step = step,
                                     .size = (end < padded ? end : padded) - start};
}

/* Planes that are worked on together. */
static int64_t planes_at_a_time(const struct reel_pool *p)
{
    const int64_t area = p->x_size[0] * p->x_size[1] + p->y_size[0] * p->y_size[1];
    return area < REEL_BLOCK ? REEL_BLOCK / area : 1;
}

static void max_pool(const struct reel_pool *p, const reel_real *x, reel_real *y, int64_t *index)
{
    for (int64_t i = 0; i < p->y_size[0]; i++) {
        const struct reel_pool_window rows = reel_kern_pool_window(p, 0, i);
        for (int64_t j = 0; j < p->y_size[1]; j++) {
            const struct reel_pool_window columns = reel_kern_pool_window(p, 1, j);
            int64_t at = rows.first * p->x_size[1] + columns.first;
            reel_real largest = -(reel_real)INFINITY;
            for (int64_t row = rows.first; row < rows.end; row += rows.step)
                for (int64_t column = columns.first; column < columns.end; column += columns.step) {
                    const reel_real value = x[row * p->x_size[1] + column];
                    if (value > largest || isnan(value)) {
                        largest = value;
                        at = row * p->x_size[1] + column;
                    }
                }
            *y++ = largest;
            *index++ = at;
        }
    }
}

static void max_pool_planes(const struct reel_pool *p, int64_t first, int64_t last, const reel_real *x, reel_real *y,
                            int64_t *index)
{
    const int64_t from = p->x_size[0] * p->x_size[1], to = p->y_size[0] * p->y_size[1];
    for (int64_t plane = first; plane < last; plane++)
        max_pool(p, x + plane * from, y + plane * to, index + plane * to);
}

void reel_kern_max_pool(const struct reel_pool *p, const reel_real *x, reel_real *y, int64_t *index, int threads)
{
    REEL_PARALLEL_FOR(first, last, p->planes, planes_at_a_time(p), threads,
                      max_pool_planes(p, first, last, x, y, index));
}

static void max_pool_back_planes(const struct reel_pool *p, int64_t first, int64_t last, const reel_real *y,
                                 const int64_t *index, bool add, reel_real *x)
{
    const int64_t from = p->x_size[0] * p->x_size[1], to = p->y_size[0] * p->y_size[1];
    if (!add)
        memset(x + first * from, 0, (size_t)((last - first) * from) * sizeof *x);
    for (int64_t plane = first; plane < last; plane++)
        for (int64_t i = 0; i < to; i++)
            x[plane * from + index[plane * to + i]] += y[plane * to + i];
}

void reel_kern_max_pool_back(const struct reel_pool *p, const reel_real *y, const int64_t *index, bool add,
                             reel_real *x, int threads)
{
    REEL_PARALLEL_FOR(first, last, p->planes, planes_at_a_time(p), threads,
                      max_pool_back_planes(p, first, last, y, index, add, x));
}

static reel_real divisor_of(const struct reel_pool *p, const struct reel_pool_window *rows,
                            const struct reel_pool_window *columns)
{
    if (p->divisor != 0)
        return (reel_real)p->divisor;
    if (p->count_padding)
        return (reel_real)(rows->size * columns->size);
    return (reel_real)((rows->end - rows->first) * (columns->end - columns->first));
}

static void average_pool(const struct reel_pool *p, const reel_real *x, reel_real *y)
{
    for (int64_t i = 0; i < p->y_size[0]; i++) {
        const struct reel_pool_window rows = reel_kern_pool_window(p, 0, i);
        for (int64_t j = 0; j < p->y_size[1]; j++) {
            const struct reel_pool_window columns = reel_kern_pool_window(p, 1, j);
            double sum = 0;
            for (int64_t row = rows.first; row < rows.end; row++)
                for (int64_t column = columns.first; column < columns.end; column++)
                    sum += (double)x[row * p->x_size[1] + column];
            *y++ = (reel_real)(sum / (double)divisor_of(p, &rows, &columns));
        }
    }
}

static void average_pool_planes(const struct reel_pool *p, int64_t first, int64_t last, const reel_real *x,
                                reel_real *y)
{
    const int64_t from = p->x_size[0] * p->x_size[1], to = p->y_size[0] * p->y_size[1];
    for (int64_t plane = first; plane < last; plane++)
        average_pool(p, x + plane * from, y + plane * to);
}

void reel_kern_average_pool(const struct reel_pool *p, const reel_real *x, reel_real *y, int threads)
{
    REEL_PARALLEL_FOR(first, last, p->planes, planes_at_a_time(p), threads, average_pool_planes(p, first, last, x, y));
}

static void average_pool_back(const struct reel_pool *p, const reel_real *y, reel_real *x)
{
    for (int64_t i = 0; i < p->y_size[0]; i++) {
        const struct reel_pool_window rows = reel_kern_pool_window(p, 0, i);
        for (int64_t j = 0; j < p->y_size[1]; j++) {
            const struct reel_pool_window columns = reel_kern_pool_window(p, 1, j);
            const reel_real share = *y++ / divisor_of(p, &rows, &columns);
            for (int64_t row = rows.first; row < rows.end; row++)
                for (int64_t column = columns.first; column < columns.end; column++)
                    x[row * p->x_size[1] + column] += share;
        }
    }
}

static void average_pool_back_planes(const struct reel_pool *p, int64_t first, int64_t last, const reel_real *y,
                                     bool add, reel_real *x)
{
    const int64_t from = p->x_size[0] * p->x_size[1], to = p->y_size[0] * p->y_size[1];
    if (!add)
        memset(x + first * from, 0, (size_t)((last - first) * from) * sizeof *x);
    for (int64_t plane = first; plane < last; plane++)
        average_pool_back(p, y + plane * to, x + plane * from);
}

void reel_kern_average_pool_back(const struct reel_pool *p, const reel_real *y, bool add, reel_real *x, int threads)
{
    REEL_PARALLEL_FOR(first, last, p->planes, planes_at_a_time(p), threads,
                      average_pool_back_planes(p, first, last, y, add, x));
}
