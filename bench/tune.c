/* How products are best cut into calls of the BLAS, on the processor at hand:
 *
 *     taskset -c 1 build/release/bench/tune [ROUNDS]     (15; on a quiet machine)
 *
 * Times the products of the workloads' layers, in one thread, whole and in all kinds of blocks, and reel's choice
 * beside them, in turns, and takes the best of the rounds. In the end it prints the line of the table in
 * src/kern/gemm_core.c that takes the least time. Never used while training: a choice by the clock would change from
 * run to run. */
#include "kern/gemm.h"
#include "kern/gemm_core.h"
#include "kern/parallel.h"

#include <cblas.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

struct layer {
    const char *workload;
    int rows, in, out;
};

/* Weights are [in, out], as reel stores them. Of conv_gan those layers that are linear. */
static const struct layer layers[] = {
    {"cgan", 64, 110, 128},     {"cgan", 64, 128, 256},    {"cgan", 64, 256, 512},      {"cgan", 64, 512, 1024},
    {"cgan", 64, 1024, 784},    {"cgan", 64, 794, 512},    {"cgan", 64, 512, 512},      {"cgan", 128, 794, 512},
    {"cgan", 128, 512, 512},    {"mlp_big", 64, 794, 512}, {"conv_gan", 128, 80, 3136}, {"conv_gan", 128, 3136, 128},
    {"gru_gan", 1536, 32, 192}, {"gru_gan", 64, 64, 192},  {"large", 256, 1024, 1024},
};
enum { LAYERS = sizeof layers / sizeof *layers, MEMORY = 1 << 24 };

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* A way to cut a product: blocks of so many rows and columns. */
struct cut {
    int rows, columns;
    double best;
};

static int smaller(int a, int b)
{
    return a < b ? a : b;
}

static int rounded(double size, int unit)
{
    return (int)ceil(size / unit) * unit;
}

/* The j-th of products that have an operand or the result, of a weight's size, in turn at other places: between two
 * uses of one a step touches more memory than a cache has. */
static struct reel_gemm in_turn(const struct reel_gemm *p, int j)
{
    struct reel_gemm turned = *p;
    int64_t size = p->a.transpose ? p->m * p->n : p->k * p->n, places = MEMORY / size;
    int64_t at = j % places * size;
    if (p->a.transpose)
        turned.c += at;
    else
        turned.b.data += at;
    return turned;
}

static void multiply(const struct reel_gemm *p, int rows, int columns)
{
    int m = (int)p->m, n = (int)p->n;
    bool rows_last = m > n;
    int down = (m + rows - 1) / rows, across = (n + columns - 1) / columns;
    for (int block = 0; block < down * across; block++) {
        int i = (rows_last ? block / across : block % down) * rows,
            j = (rows_last ? block % across : block / down) * columns;
        cblas_sgemm(CblasRowMajor, p->a.transpose ? CblasTrans : CblasNoTrans,
                    p->b.transpose ? CblasTrans : CblasNoTrans, smaller(rows, m - i), smaller(columns, n - j),
                    (int)p->k, 1, p->a.data + (p->a.transpose ? i : i * p->a.stride), (int)p->a.stride,
                    p->b.data + (p->b.transpose ? j * p->b.stride : j), (int)p->b.stride, 0, p->c + i * p->c_stride + j,
                    (int)p->c_stride);
    }
}

/* A core that always wants blocks for kernels that do not pack. */
static const struct reel_gemm_core willing = {"", true, INFINITY, 1, 1, 0, NULL};

enum { WHOLE, SMALL, CUTS = 16 };

static int cuts_of(const struct reel_gemm *p, struct cut cut[CUTS])
{
    int m = (int)p->m, n = (int)p->n, count = 0;
    int64_t block_rows = m, block_columns = n;
    if (!reel_kern_gemm_is_small(p))
        reel_kern_gemm_small_blocks(&willing, p, &block_rows, &block_columns);
    cut[count++] = (struct cut){m, n, INFINITY};
    cut[count++] = (struct cut){(int)block_rows, (int)block_columns, INFINITY};
    const int columns[] = {64, 128, 192, 256, 384, 512, rounded(n / 2.0, 16)};
    for (int i = 0; i < 7; i++)
        if (columns[i] < n)
            cut[count++] = (struct cut){m, columns[i], INFINITY};
    const int rows[] = {128, 256, 512, rounded(m / 2.0, 16)};
    for (int i = 0; i < 4; i++)
        if (rows[i] < m)
            cut[count++] = (struct cut){rows[i], n, INFINITY};
    return count;
}

/* What a product takes in blocks for small kernels, and whole. */
struct timed {
    struct reel_gemm product;
    double small, whole;
};

/* What the best cut takes, divided by what reel takes. */
static double measure(const char *name, const struct reel_gemm *p, int rounds, struct timed *timed)
{
    struct cut cut[CUTS];
    int cuts = cuts_of(p, cut);
    double flops = 2 * (double)p->m * (double)p->n * (double)p->k, reel = INFINITY;
    int repeats = (int)(5e7 / flops) + 1;
    for (int round = 0; round < rounds; round++) {
        for (int i = 0; i < cuts; i++) {
            double start = seconds();
            for (int j = 0; j < repeats; j++) {
                struct reel_gemm one = in_turn(p, j);
                multiply(&one, cut[i].rows, cut[i].columns);
            }
            cut[i].best = fmin(cut[i].best, (seconds() - start) / repeats);
        }
        double start = seconds();
        for (int j = 0; j < repeats; j++) {
            struct reel_gemm one = in_turn(p, j);
            reel_kern_gemm(&one, 1);
        }
        reel = fmin(reel, (seconds() - start) / repeats);
    }
    int best = 0;
    for (int i = 1; i < cuts; i++)
        best = cut[i].best < cut[best].best ? i : best;
    printf("%s %4d x %4d x %4d  whole %5.1f, small %3d x %3d %5.1f, best %4d x %4d %5.1f, reel %5.1f: %.2f\n", name,
           (int)p->m, (int)p->n, (int)p->k, flops / cut[WHOLE].best / 1e9, cut[SMALL].rows, cut[SMALL].columns,
           flops / cut[SMALL].best / 1e9, cut[best].rows, cut[best].columns, flops / cut[best].best / 1e9,
           flops / reel / 1e9, cut[best].best / reel);
    fflush(stdout);
    *timed = (struct timed){*p, cut[SMALL].best, cut[WHOLE].best};
    return cut[best].best / reel;
}

/* The geometric mean of times by that row, divided by the best. */
static double cost(const struct reel_gemm_core *core, const struct timed *timed, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++) {
        int64_t rows, columns;
        bool small = reel_kern_gemm_is_small(&timed[i].product) ||
                     reel_kern_gemm_small_blocks(core, &timed[i].product, &rows, &columns);
        sum += log((small ? timed[i].small : timed[i].whole) / fmin(timed[i].small, timed[i].whole));
    }
    return exp(sum / n);
}

static void print_row(const struct timed *timed, int n)
{
    static const double works[] = {2e6, 1e7, 6e7, 1e8, INFINITY};
    static const int64_t rows[] = {8, 16, 24, 32}, depths[] = {128, 256, 512}, aliases[] = {0, 2048, 4096};
    struct reel_gemm_core best = {.small_kernels = false};
    double least = cost(&best, timed, n);
    for (int way = 0; way < 5 * 4 * 3 * 3; way++) {
        struct reel_gemm_core core = {.small_kernels = true,
                                      .most_work = works[way % 5],
                                      .least_rows = rows[way / 5 % 4],
                                      .least_k = depths[way / 20 % 3],
                                      .alias = aliases[way / 60]};
        double took = cost(&core, timed, n);
        if (took < least) {
            least = took;
            best = core;
        }
    }
    printf("{\"%s\", %s, %g, %lld, %lld, %lld, NULL},    takes %.3f of the better of both; the row at hand %.3f\n",
           reel_kern_blas_core(), best.small_kernels ? "true" : "false", best.most_work, (long long)best.least_rows,
           (long long)best.least_k, (long long)best.alias, least, cost(reel_kern_gemm_core(), timed, n));
}

/* In pages of 2 MiB where the system has them, as reel's own memory is: small kernels read operands in strides. */
static float *filled(size_t n)
{
    const size_t page = (size_t)2 << 20;
    float *x = aligned_alloc(page, (n * sizeof *x + page - 1) / page * page);
    if (x)
        madvise(x, n * sizeof *x, MADV_HUGEPAGE);
    for (size_t i = 0; x && i < n; i++)
        x[i] = (float)(i * 7919 % 2001) / 1000 - 1;
    return x;
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 15;
    enum { MOST = 1536 * 1024 };
    float *a = filled(MOST), *b = filled(MEMORY), *c = filled(MEMORY);
    reel_real *room = calloc((size_t)reel_kern_warm_up_room(1), sizeof *room);
    if (rounds < 1 || !a || !b || !c || !room || !reel_kern_warm_up(1, room)) {
        fprintf(stderr, "tune: no memory, or ROUNDS is not a number from 1 on\n");
        return 2;
    }
    printf("core %s, GFLOP/s; the last number is the time of the best cut divided by reel's\n", reel_kern_blas_core());
    struct timed timed[3 * LAYERS];
    double worst = INFINITY;
    for (int i = 0; i < 3 * LAYERS; i++) {
        static const char *const directions[] = {"dX", "Y ", "dW"};
        const struct layer *s = &layers[i / 3];
        const struct reel_gemm of[] = {
            {s->rows, s->in, s->out, {a, s->out, false}, {b, s->out, true}, c, s->in, false},
            {s->rows, s->out, s->in, {a, s->in, false}, {b, s->out, false}, c, s->out, false},
            {s->in, s->out, s->rows, {a, s->in, true}, {b, s->out, false}, c, s->out, false},
        };
        char name[32];
        snprintf(name, sizeof name, "%-8s %s", s->workload, directions[i % 3]);
        worst = fmin(worst, measure(name, &of[i % 3], rounds, &timed[i]));
    }
    printf("reel's choice takes at most 1 / %.2f of the best cut's time\n", worst);
    print_row(timed, 3 * LAYERS);
    free(a), free(b), free(c), free(room);
    return 0;
}
