/* Products of matrices against plain loops in long double, for any sizes, strides and transposes; the same bits for any
 * number of threads, and for threads that call at the same moment. */
#include "kern/gemm.h"
#include "kern/gemm_core.h"
#include "kern/parallel.h"

#include <criterion/criterion.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static const double epsilon = sizeof(reel_real) == sizeof(float) ? 0x1p-24 : 0x1p-53;

static uint64_t state = 1;

static int64_t below(int64_t n)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (int64_t)(state >> 33) % n;
}

static reel_real *filled(int64_t n)
{
    reel_real *x = malloc((size_t)(n + 1) * sizeof *x);
    for (int64_t i = 0; i < n; i++)
        x[i] = (reel_real)(below(2000001) - 1000000) / 524288;
    return x;
}

static void begin(void)
{
    reel_real *room = calloc((size_t)reel_kern_warm_up_room(4), sizeof *room);
    cr_assert(room && reel_kern_warm_up(4, room));
    free(room);
}

TestSuite(gemm, .init = begin);

/* A BLAS that keeps threads of its own may round differently from call to call. */
static bool same_bits(const reel_real *a, const reel_real *b, int64_t n)
{
    return reel_kern_blas_calls() == REEL_BLAS_ON_OWN_THREADS || memcmp(a, b, (size_t)n * sizeof *a) == 0;
}

/* A matrix of rows x columns, after transposition, whose rows lie `gap` elements apart with NaN between them. */
static struct reel_matrix random_matrix(int64_t rows, int64_t columns, bool transpose, int64_t gap)
{
    int64_t stored = transpose ? columns : rows, width = transpose ? rows : columns, stride = width + gap;
    reel_real *data = filled(stored * stride);
    for (int64_t i = 0; i < stored; i++)
        for (int64_t j = width; j < stride; j++)
            data[i * stride + j] = NAN;
    return (struct reel_matrix){data, stride, transpose};
}

static long double element(struct reel_matrix a, int64_t i, int64_t j)
{
    return a.transpose ? a.data[j * a.stride + i] : a.data[i * a.stride + j];
}

struct sizes {
    int64_t m, n, k;
};

static void expect_product(struct sizes s, struct reel_matrix a, struct reel_matrix b, const reel_real *before,
                           const reel_real *c, int64_t stride, const char *what)
{
    for (int64_t i = 0; i < s.m; i++)
        for (int64_t j = 0; j < stride; j++) {
            reel_real got = c[i * stride + j];
            if (j >= s.n) {
                cr_assert(got == 7, "%s: wrote behind a row", what);
                continue;
            }
            long double want = before ? before[i * stride + j] : 0, terms = fabsl(want);
            for (int64_t l = 0; l < s.k; l++) {
                long double term = element(a, i, l) * element(b, l, j);
                want += term;
                terms += fabsl(term);
            }
            cr_assert(fabsl(got - want) <= (double)(s.k + 2) * epsilon * terms,
                      "%s: [%d, %d] of [%d, %d, %d] is %.17g, not %.17Lg", what, (int)i, (int)j, (int)s.m, (int)s.n,
                      (int)s.k, (double)got, want);
        }
}

static void multiply(int64_t m, int64_t n, int64_t k, struct reel_matrix a, struct reel_matrix b, bool add,
                     reel_real *c, int64_t c_stride, int threads)
{
    const struct reel_gemm product = {m, n, k, a, b, c, c_stride, add};
    reel_kern_gemm(&product, threads);
}

/* Written and added to, with every transpose; the bits of one thread for each number of them. */
static void check(struct sizes s, int64_t gap)
{
    for (int way = 0; way < 8; way++) {
        bool add = way & 4;
        struct reel_matrix a = random_matrix(s.m, s.k, way & 1, gap), b = random_matrix(s.k, s.n, way & 2, 2 * gap);
        int64_t stride = s.n + gap, size = s.m * stride;
        size_t bytes = (size_t)size * sizeof(reel_real);
        reel_real *before = filled(size), *c = malloc(bytes + 1), *one = malloc(bytes + 1);
        for (int64_t i = 0; i < size; i++)
            before[i] = i % stride >= s.n ? 7 : add ? before[i] : NAN;
        for (int threads = 1; threads <= 4; threads++) {
            memcpy(c, before, bytes);
            multiply(s.m, s.n, s.k, a, b, add, c, stride, threads);
            if (threads == 1) {
                memcpy(one, c, bytes);
                expect_product(s, a, b, add ? before : NULL, c, stride, "one thread");
            }
            cr_assert(same_bits(c, one, size), "[%d, %d, %d], way %d: %d threads give other bits", (int)s.m, (int)s.n,
                      (int)s.k, way, threads);
        }
        free((void *)a.data), free((void *)b.data), free(before), free(c), free(one);
    }
}

/* Now and then a size of a few hundred, mostly small ones. */
static int64_t random_size(void)
{
    static const int64_t likely[] = {1, 2, 3, 4, 7, 8, 15, 16, 17, 31, 33, 63, 64, 65, 127, 128, 129};
    return below(4) == 0 ? 1 + below(300) : likely[below(sizeof likely / sizeof *likely)];
}

Test(gemm, many_sizes)
{
    for (int i = 0; i < 80; i++)
        check((struct sizes){random_size(), random_size(), random_size()}, below(2) * below(9));
}

/* Products that are cut into blocks: along rows, along columns, both, and summed over little or much. */
Test(gemm, products_that_are_cut)
{
    static const struct sizes large[] = {{300, 299, 33}, {64, 512, 100}, {100, 794, 64}, {1030, 40, 63},
                                         {40, 1030, 63}, {1, 3000, 801}, {3000, 1, 801}, {17, 1000, 257},
                                         {530, 530, 9},  {33, 33, 2500}, {2, 2, 700000}, {257, 129, 300}};
    for (size_t i = 0; i < sizeof large / sizeof *large; i++)
        check(large[i], i % 2 ? 3 : 0);
}

/* The layers of the workloads in each direction, with other last columns, by the number of threads: where the table of
 * cores says that cuts change no bit, it is held to that. Elsewhere cuts do not depend on the threads. */
Test(gemm, layers_have_the_same_bits_for_any_number_of_threads)
{
    static const struct sizes layers[] = {
        {64, 128, 110}, {64, 256, 128}, {64, 512, 256},  {64, 1024, 512}, {64, 784, 1024},
        {64, 512, 794}, {64, 512, 512}, {128, 512, 794}, {128, 3136, 80}, {128, 128, 3136},
    };
    static const int64_t more[] = {0, 1, 2, 7, 17};
    const size_t lasts = reel_kern_gemm_any_cut() ? sizeof more / sizeof *more : 0;
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++)
        for (size_t last = 0; last < lasts; last++) {
            int64_t rows = layers[i].m, out = layers[i].n + more[last], in = layers[i].k;
            const struct sizes directions[] = {{rows, out, in}, {rows, in, out}, {out, in, rows}};
            for (int way = 0; way < 3; way++) {
                struct sizes s = directions[way];
                struct reel_matrix a = random_matrix(s.m, s.k, way == 2, 0), b = random_matrix(s.k, s.n, way == 0, 0);
                size_t bytes = (size_t)(s.m * s.n) * sizeof(reel_real);
                reel_real *c = malloc(bytes), *one = malloc(bytes);
                multiply(s.m, s.n, s.k, a, b, false, one, s.n, 1);
                for (int threads = 2; threads <= 7; threads += threads < 4 ? 1 : 3) {
                    multiply(s.m, s.n, s.k, a, b, false, c, s.n, threads);
                    cr_assert(same_bits(c, one, s.m * s.n), "[%d, %d, %d], direction %d: %d threads give other bits",
                              (int)s.m, (int)s.n, (int)s.k, way, threads);
                }
                free((void *)a.data), free((void *)b.data), free(c), free(one);
            }
        }
}

Test(gemm, nothing)
{
    reel_real c[6] = {1, 2, 3, 4, 5, 6}, a[6] = {0};
    struct reel_matrix empty = {NULL, 0, false}, some = {a, 2, false};
    multiply(0, 3, 2, empty, some, false, c, 3, 2);
    multiply(3, 0, 2, some, empty, false, c, 3, 2);
    multiply(2, 3, 0, empty, empty, true, c, 3, 2);
    for (int i = 0; i < 6; i++)
        cr_assert(c[i] == (reel_real)(i + 1));
    c[0] = NAN;
    multiply(2, 2, 0, empty, empty, false, c, 3, 2);
    cr_assert(c[0] == 0 && c[1] == 0 && c[2] == 3 && c[3] == 0 && c[4] == 0 && c[5] == 6);
}

Test(gemm, infinity_and_nan_reach_their_row_and_column_only)
{
    enum { N = 70 };
    reel_real *a = filled(N * N), *b = filled(N * N), *c = filled(N * N);
    for (int i = 0; i < N; i++)
        b[i * N + 9] = 1;
    a[5 * N + 3] = INFINITY;
    a[6 * N + 3] = NAN;
    multiply(N, N, N, (struct reel_matrix){a, N, false}, (struct reel_matrix){b, N, false}, false, c, N, 2);
    cr_assert(c[5 * N + 9] == INFINITY);
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++)
            if (i == 6)
                cr_assert(isnan(c[i * N + j]));
            else if (i != 5)
                cr_assert(isfinite(c[i * N + j]));
    free(a), free(b), free(c);
}

/* ---- Batches ---- */

/* The batch's matrices one after the other, along up to three axes; an operand, or c, may have one for an axis. */
static void check_batch(int ndim, const int64_t *dim, unsigned shared_a, unsigned shared_b, unsigned shared_c,
                        struct sizes s, bool add)
{
    struct reel_gemm_batch batch = {.ndim = ndim};
    int64_t sizes[] = {s.m * s.k, s.k * s.n, s.m * s.n}, count = 1;
    for (int axis = ndim - 1; axis >= 0; axis--) {
        batch.dim[axis] = dim[axis];
        batch.a_step[axis] = shared_a >> axis & 1 ? 0 : sizes[0];
        batch.b_step[axis] = shared_b >> axis & 1 ? 0 : sizes[1];
        batch.c_step[axis] = shared_c >> axis & 1 ? 0 : sizes[2];
        sizes[0] *= shared_a >> axis & 1 ? 1 : dim[axis];
        sizes[1] *= shared_b >> axis & 1 ? 1 : dim[axis];
        sizes[2] *= shared_c >> axis & 1 ? 1 : dim[axis];
        count *= dim[axis];
    }
    size_t bytes = (size_t)sizes[2] * sizeof(reel_real);
    reel_real *a = filled(sizes[0]), *b = filled(sizes[1]), *before = filled(sizes[2]), *c = malloc(bytes + 1),
              *one = malloc(bytes + 1);
    for (int64_t i = 0; i < sizes[2] && !add; i++)
        before[i] = NAN;
    long double *want = calloc((size_t)sizes[2] + 1, sizeof *want);
    for (int64_t i = 0; i < sizes[2] && add; i++)
        want[i] = before[i];
    for (int64_t number = 0; number < count; number++) {
        const reel_real *left = a, *right = b;
        long double *to = want;
        int64_t rest = number;
        for (int axis = ndim - 1; axis >= 0; axis--) {
            left += rest % dim[axis] * batch.a_step[axis];
            right += rest % dim[axis] * batch.b_step[axis];
            to += rest % dim[axis] * batch.c_step[axis];
            rest /= dim[axis];
        }
        for (int64_t i = 0; i < s.m; i++)
            for (int64_t j = 0; j < s.n; j++)
                for (int64_t l = 0; l < s.k; l++)
                    to[i * s.n + j] += (long double)left[i * s.k + l] * right[l * s.n + j];
    }
    for (int threads = 1; threads <= 4; threads++) {
        memcpy(c, before, bytes);
        const struct reel_gemm first = {s.m, s.n, s.k, {a, s.k, false}, {b, s.n, false}, c, s.n, add};
        reel_kern_gemm_batch(&batch, &first, threads);
        if (threads == 1)
            memcpy(one, c, bytes);
        cr_assert(same_bits(c, one, sizes[2]), "%d threads", threads);
    }
    double terms = 4 * (double)(s.k + 1) * (double)count; /* factors are below 2 */
    for (int64_t i = 0; i < sizes[2]; i++)
        cr_assert(fabsl(one[i] - want[i]) <= 4 * epsilon * terms, "%d is %.17g, not %.17Lg", (int)i, (double)one[i],
                  want[i]);
    free(a), free(b), free(before), free(c), free(one), free(want);
}

Test(gemm, batches)
{
    static const int64_t dim[] = {3, 1, 4};
    for (int add = 0; add < 2; add++)
        for (unsigned shared = 0; shared < 512; shared += 1 + shared % 3)
            check_batch(3, dim, shared & 7, shared >> 3 & 7, shared >> 6, (struct sizes){3, 5, 4}, add);
    /* No axes; many small products for several threads, with matrices of c of their own and shared; large ones. */
    check_batch(0, dim, 0, 0, 0, (struct sizes){9, 8, 7}, true);
    check_batch(2, (const int64_t[]){20, 11}, 0, 1, 0, (struct sizes){23, 25, 27}, false);
    check_batch(2, (const int64_t[]){20, 11}, 0, 0, 2, (struct sizes){23, 25, 27}, true);
    check_batch(1, (const int64_t[]){3}, 0, 1, 0, (struct sizes){150, 160, 110}, false);
    check_batch(1, (const int64_t[]){3}, 0, 0, 1, (struct sizes){150, 160, 110}, false);
}

Test(gemm, batches_of_nothing)
{
    static const int64_t none[] = {2, 0};
    for (int add = 0; add < 2; add++) {
        check_batch(2, none, 0, 0, 0, (struct sizes){2, 3, 4}, add);
        check_batch(2, none, 0, 0, 2, (struct sizes){2, 3, 4}, add); /* zeroed, or left alone */
        check_batch(1, none, 0, 0, 0, (struct sizes){2, 3, 0}, add);
        check_batch(1, none, 0, 0, 1, (struct sizes){2, 3, 0}, add);
        check_batch(1, none, 0, 0, 0, (struct sizes){0, 3, 4}, add);
    }
}

/* ---- Calls at the same moment ---- */

/* Serial OpenBLAS, called by two threads at once, now and then gave both the same memory to pack operands into. Each
 * product is several calls of the BLAS: a layer's, and a deep one, which is packed on every processor. */
static const struct sizes layer = {64, 512, 794}, deep = {32, 64, 4100};

enum { CALLERS = 4 };

struct caller {
    struct sizes s;
    const reel_real *a, *b, *want;
    int threads, repeats, wrong;
};

static void *multiply_often(void *argument)
{
    struct caller *self = argument;
    struct sizes s = self->s;
    reel_real *c = malloc((size_t)(s.m * s.n) * sizeof *c);
    struct reel_matrix a = {self->a, s.k, false}, b = {self->b, s.k, true};
    for (int i = 0; i < self->repeats; i++) {
        multiply(s.m, s.n, s.k, a, b, false, c, s.n, self->threads);
        self->wrong += !same_bits(c, self->want, s.m * s.n);
    }
    free(c);
    return NULL;
}

static void check_callers(struct sizes s, int repeats, int callers, int threads)
{
    reel_real *a = filled(s.m * s.k), *b = filled(s.n * s.k), *want = filled(s.m * s.n);
    multiply(s.m, s.n, s.k, (struct reel_matrix){a, s.k, false}, (struct reel_matrix){b, s.k, true}, false, want, s.n,
             1);
    struct caller all[CALLERS];
    pthread_t ids[CALLERS];
    for (int i = 0; i < callers; i++) {
        all[i] = (struct caller){s, a, b, want, threads, repeats, 0};
        cr_assert_eq(pthread_create(&ids[i], NULL, multiply_often, &all[i]), 0);
    }
    for (int i = 0; i < callers; i++)
        pthread_join(ids[i], NULL);
    for (int i = 0; i < callers; i++)
        cr_assert_eq(all[i].wrong, 0, "%d callers of %d threads: %d of %d products are wrong", callers, threads,
                     all[i].wrong, repeats);
    free(a), free(b), free(want);
}

static void check_sizes(int callers, int threads)
{
    check_callers(layer, 150, callers, threads);
    check_callers(deep, 600, callers, threads);
}

Test(gemm, threads_of_one_caller_do_not_disturb_each_other)
{
    check_sizes(1, 2);
    check_sizes(1, 4);
}

Test(gemm, callers_do_not_disturb_each_other)
{
    check_sizes(2, 1);
    check_sizes(4, 1);
    check_sizes(2, 2);
}
