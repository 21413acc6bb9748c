/* Convolutions against plain loops over the terms of their form, for sizes of all kinds; that the form is one; the same
 * bits for any number of threads. */
#include "kern/convolution.h"
#include "kern/parallel.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double epsilon = sizeof(reel_real) == sizeof(float) ? 0x1p-24 : 0x1p-53;
enum { GUARD = 32, THREADS = 3 };

static uint64_t state = 1;

static int64_t below(int64_t n)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (int64_t)(state >> 33) % n;
}

static void begin(void)
{
    reel_real *room = calloc((size_t)reel_kern_warm_up_room(THREADS), sizeof *room);
    cr_assert(room && reel_kern_warm_up(THREADS, room));
    free(room);
}

TestSuite(convolution, .init = begin);

/* n elements between others that must stay as they are. */
static reel_real *filled(int64_t n)
{
    reel_real *x = malloc((size_t)(n + 2 * GUARD) * sizeof *x);
    for (int64_t i = 0; i < n + 2 * GUARD; i++)
        x[i] = i < GUARD || i >= n + GUARD ? 7 : (reel_real)(below(2000001) - 1000000) / 524288;
    return x + GUARD;
}

static void release(reel_real *x, int64_t n)
{
    for (int64_t i = -GUARD; i < n + GUARD; i++)
        cr_assert((i >= 0 && i < n) || x[i] == 7, "wrote beside the result, at %lld of %lld", (long long)i,
                  (long long)n);
    free(x - GUARD);
}

static reel_real *copy_of(const reel_real *x, int64_t n)
{
    reel_real *copy = filled(n);
    memcpy(copy, x, (size_t)n * sizeof *copy);
    return copy;
}

struct arrays {
    reel_real *x, *y, *w, *bias_y, *bias_x;
    int64_t n_x, n_y, n_w, n_bias_y, n_bias_x;
};

static struct arrays arrays_for(const struct reel_convolution *c)
{
    struct arrays a;
    a.n_bias_x = c->groups * c->in;
    a.n_bias_y = c->groups * c->out;
    a.n_x = c->images * a.n_bias_x * c->x_size[0] * c->x_size[1];
    a.n_y = c->images * a.n_bias_y * c->y_size[0] * c->y_size[1];
    a.n_w = a.n_bias_y * c->in * c->kernel[0] * c->kernel[1];
    a.x = filled(a.n_x);
    a.y = filled(a.n_y);
    a.w = filled(a.n_w);
    a.bias_x = filled(a.n_bias_x);
    a.bias_y = filled(a.n_bias_y);
    return a;
}

static void release_arrays(struct arrays *a)
{
    release(a->x, a->n_x);
    release(a->y, a->n_y);
    release(a->w, a->n_w);
    release(a->bias_x, a->n_bias_x);
    release(a->bias_y, a->n_bias_y);
}

/* What the form gives each of the three, and the magnitudes of its terms. */
struct sums {
    double *sum, *terms;
};

static struct sums new_sums(int64_t n)
{
    return (struct sums){calloc((size_t)n + 1, sizeof(double)), calloc((size_t)n + 1, sizeof(double))};
}

static void add_term(struct sums *s, int64_t i, double term)
{
    s->sum[i] += term;
    s->terms[i] += fabs(term);
}

static void walk(const struct reel_convolution *c, const struct arrays *a, struct sums *y, struct sums *x,
                 struct sums *w)
{
    for (int64_t n = 0; n < c->images; n++)
        for (int64_t o = 0; o < c->groups * c->out; o++)
            for (int64_t i = 0; i < c->in; i++)
                for (int64_t p = 0; p < c->y_size[0]; p++)
                    for (int64_t q = 0; q < c->y_size[1]; q++)
                        for (int64_t k = 0; k < c->kernel[0]; k++)
                            for (int64_t l = 0; l < c->kernel[1]; l++) {
                                int64_t row = p * c->stride[0] + k * c->dilation[0] - c->padding[0];
                                int64_t column = q * c->stride[1] + l * c->dilation[1] - c->padding[1];
                                if (row < 0 || row >= c->x_size[0] || column < 0 || column >= c->x_size[1])
                                    continue;
                                int64_t channel = o / c->out * c->in + i;
                                int64_t at_y = ((n * c->groups * c->out + o) * c->y_size[0] + p) * c->y_size[1] + q;
                                int64_t at_x =
                                    ((n * c->groups * c->in + channel) * c->x_size[0] + row) * c->x_size[1] + column;
                                int64_t at_w = ((o * c->in + i) * c->kernel[0] + k) * c->kernel[1] + l;
                                double vx = (double)a->x[at_x], vy = (double)a->y[at_y], vw = (double)a->w[at_w];
                                add_term(y, at_y, vx * vw);
                                add_term(x, at_x, vy * vw);
                                add_term(w, at_w, vx * vy);
                            }
}

/* `bias` has a value for each of `channels` channels of `plane` elements, or is NULL; `before` is what was added to. */
static void expect(const struct sums *s, int64_t n, const reel_real *bias, int64_t channels, int64_t plane,
                   const reel_real *before, reel_real *got, const char *what)
{
    for (int64_t i = 0; i < n; i++) {
        double more = bias ? bias[i / plane % channels] : before ? before[i] : 0;
        double limit = 64 * epsilon * (s->terms[i] + fabs(more));
        cr_assert(fabs(got[i] - (s->sum[i] + more)) <= limit, "%s: element %lld is %.17g, not %.17g", what,
                  (long long)i, (double)got[i], s->sum[i] + more);
    }
    release(got, n);
}

enum which { OF_Y, OF_X, OF_W };

static reel_real *result_of(const struct reel_convolution *c, const struct arrays *a, enum which which, bool bias,
                            bool add, int threads)
{
    int64_t n_room = reel_kern_convolution_room(c, threads);
    reel_real *room = filled(n_room);
    for (int64_t i = 0; i < n_room; i++)
        room[i] = NAN;
    reel_real *to = which == OF_Y   ? copy_of(a->y, a->n_y)
                    : which == OF_X ? copy_of(a->x, a->n_x)
                                    : copy_of(a->w, a->n_w);
    if (which == OF_Y)
        reel_kern_convolution(c, a->x, a->w, bias ? a->bias_y : NULL, add, to, room, threads);
    else if (which == OF_X)
        reel_kern_convolution_input(c, a->y, a->w, bias ? a->bias_x : NULL, add, to, room, threads);
    else
        reel_kern_convolution_weight(c, a->x, a->y, add, to, room, threads);
    release(room, n_room);
    return to;
}

/* Each result times the array that the form had in its place is the form. */
static void check_adjoint(const struct reel_convolution *c, const struct arrays *a, const struct sums *y)
{
    const int64_t sizes[] = {a->n_y, a->n_x, a->n_w};
    const reel_real *const places[] = {a->y, a->x, a->w};
    double products[3] = {0}, terms = 0;
    for (int64_t i = 0; i < a->n_y; i++)
        terms += y->terms[i] * fabs((double)a->y[i]);
    for (int which = OF_Y; which <= OF_W; which++) {
        reel_real *result = result_of(c, a, (enum which)which, false, false, 1);
        for (int64_t i = 0; i < sizes[which]; i++)
            products[which] += (double)result[i] * (double)places[which][i];
        release(result, sizes[which]);
    }
    double limit = 64 * epsilon * terms;
    cr_assert(fabs(products[OF_Y] - products[OF_X]) <= limit && fabs(products[OF_Y] - products[OF_W]) <= limit);
}

static void check(const struct reel_convolution *c, const char *what)
{
    struct arrays a = arrays_for(c);
    struct sums y = new_sums(a.n_y), x = new_sums(a.n_x), w = new_sums(a.n_w);
    walk(c, &a, &y, &x, &w);
    check_adjoint(c, &a, &y);
    int64_t plane_y = c->y_size[0] * c->y_size[1], plane_x = c->x_size[0] * c->x_size[1];
    for (int form = 0; form < 3; form++) {
        bool bias = form == 1, add = form == 2;
        expect(&y, a.n_y, bias ? a.bias_y : NULL, a.n_bias_y, plane_y, add ? a.y : NULL,
               result_of(c, &a, OF_Y, bias, add, 1), what);
        expect(&x, a.n_x, bias ? a.bias_x : NULL, a.n_bias_x, plane_x, add ? a.x : NULL,
               result_of(c, &a, OF_X, bias, add, 1), what);
        expect(&w, a.n_w, NULL, 1, 1, add ? a.w : NULL, result_of(c, &a, OF_W, false, add, 1), what);
    }
    const int64_t sizes[] = {a.n_y, a.n_x, a.n_w};
    for (int which = OF_Y; which <= OF_W && reel_kern_blas_calls() != REEL_BLAS_ON_OWN_THREADS; which++) {
        reel_real *one = result_of(c, &a, (enum which)which, false, false, 1),
                  *more = result_of(c, &a, (enum which)which, false, false, THREADS);
        cr_assert(memcmp(one, more, (size_t)sizes[which] * sizeof *one) == 0, "%s: threads change bits", what);
        release(one, sizes[which]);
        release(more, sizes[which]);
    }
    struct sums *all[] = {&y, &x, &w};
    for (int i = 0; i < 3; i++) {
        free(all[i]->sum);
        free(all[i]->terms);
    }
    release_arrays(&a);
}

Test(convolution, sizes_of_all_kinds)
{
    for (int i = 0; i < 400; i++) {
        struct reel_convolution c = {.images = below(4), .groups = 1 + below(3), .in = below(4), .out = below(4)};
        for (int k = 0; k < 2; k++) {
            c.x_size[k] = below(9);
            c.y_size[k] = below(9);
            c.kernel[k] = below(5);
            c.stride[k] = 1 + below(4);
            c.dilation[k] = 1 + below(4);
            c.padding[k] = below(5);
        }
        check(&c, "small");
    }
}

Test(convolution, rows_longer_than_a_vector)
{
    for (int i = 0; i < 60; i++) {
        struct reel_convolution c = {.images = 1 + below(3), .groups = 1, .in = 1 + below(3), .out = 1 + below(3)};
        for (int k = 0; k < 2; k++) {
            c.x_size[k] = k == 0 ? 1 + below(3) : 20 + below(60);
            c.kernel[k] = 1 + below(4);
            c.stride[k] = 1 + below(3);
            c.dilation[k] = 1 + below(2);
            c.padding[k] = below(3);
            c.y_size[k] = c.x_size[k] / c.stride[k] + 1;
        }
        check(&c, "long rows");
    }
}

/* More than a tile, more than one image of a tile, and weights that are shared out by channels. */
Test(convolution, more_than_a_tile)
{
    const struct reel_convolution all[] = {
        {3, 1, 16, 4, {30, 31}, {30, 31}, {3, 3}, {1, 1}, {1, 1}, {1, 1}},
        {2, 1, 8, 3, {1, 3000}, {1, 1500}, {1, 9}, {1, 2}, {1, 1}, {0, 4}},
        {40, 1, 5, 6, {14, 14}, {7, 7}, {4, 4}, {2, 2}, {1, 1}, {1, 1}},
        {5, 1, 128, 64, {5, 5}, {5, 5}, {3, 3}, {1, 1}, {1, 1}, {1, 1}},
        {3, 2, 72, 64, {4, 4}, {2, 2}, {3, 3}, {2, 2}, {1, 1}, {1, 1}},
        {7, 1, 300, 230, {3, 2}, {3, 2}, {1, 1}, {1, 1}, {1, 1}, {0, 0}},
        {3, 40, 1, 1, {33, 34}, {33, 34}, {3, 3}, {1, 1}, {1, 1}, {1, 1}},
        {2, 1, 20, 1, {60, 60}, {60, 60}, {3, 3}, {1, 1}, {2, 2}, {2, 2}},
        {2, 1, 1, 20, {40, 40}, {40, 40}, {5, 5}, {1, 1}, {1, 1}, {2, 2}},
        {2, 1, 3, 2, {1, 700}, {1, 700}, {1, 301}, {1, 1}, {1, 1}, {0, 150}},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        check(&all[i], "large");
}
