/* Products of matrices: cuts into blocks, and calls of the BLAS. */
#include "kern/gemm.h"

#include "kern/gemm_core.h"
#include "kern/parallel.h"

#include <cblas.h>
#include <string.h>

#ifdef REEL_F64
#define BLAS_GEMM cblas_dgemm
#define BLAS_TRANSPOSE cblas_domatcopy
#else
#define BLAS_GEMM cblas_sgemm
#define BLAS_TRANSPOSE cblas_somatcopy
#endif

/* Products are cut into blocks, each one call of a single-threaded BLAS. How depends on the sizes and the processor. It
 * depends on the number of threads only where that has no say in the bits.
 *
 * For AVX-512 OpenBLAS has kernels that do not pack their operands, and uses them up to a number of multiplications. On
 * some processors blocks of that size are fastest, on others a call for the whole (kern/gemm_core.c).
 *
 * Else blocks are large, because packing one operand is repeated for each: blocks of 128 columns cost 1 to 8 %, of 200
 * to 256 columns half of that. Their number is even, for an even number of cores. */
enum { MOST_COLUMNS = 256, MOST_ROWS = 512 };

/* Multiplications below which a product stays on one thread, since waking another costs as much, and that a thread
 * takes at a time. */
static const double smallest_parallel = 2e6, task = 5e5;

/* BLAS counts in int. */
enum { LARGEST = 1 << 30 };

/* How a product is cut. */
struct cuts {
    struct reel_gemm of;
    int64_t block_m, block_n;    /* size of a block of c */
    int64_t blocks, inner, take; /* how many, how many stand along the shorter side of c, and that make a task */
    bool lock;
};

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t pieces(int64_t size, int64_t piece)
{
    return (size + piece - 1) / piece;
}

/* The sum of no products. */
static void clear(const struct reel_gemm *p)
{
    for (int64_t i = 0; i < p->m && !p->add; i++)
        memset(p->c + i * p->c_stride, 0, (size_t)p->n * sizeof *p->c);
}

/* The most rows, or columns of a transpose, that one call can take when they are `stride` apart: a stride that does not
 * fit an int is harmless with a single row. */
static int64_t most_rows(int64_t stride)
{
    return stride > LARGEST ? 1 : LARGEST;
}

static int blas_stride(int64_t stride)
{
    return (int)smaller(stride, LARGEST);
}

/* The block's rows and columns fit an int; a long k is summed piece by piece. */
static void call_blas(const struct cuts *p, int64_t row, int64_t column)
{
    int64_t m = smaller(p->block_m, p->of.m - row), n = smaller(p->block_n, p->of.n - column);
    int64_t a_step = p->of.a.transpose ? p->of.a.stride : 1, b_step = p->of.b.transpose ? 1 : p->of.b.stride;
    int64_t block_k = smaller(most_rows(a_step), most_rows(b_step));
    const reel_real *a = p->of.a.data + (p->of.a.transpose ? row : row * p->of.a.stride);
    const reel_real *b = p->of.b.data + (p->of.b.transpose ? column * p->of.b.stride : column);
    for (int64_t first = 0; first < p->of.k; first += block_k)
        BLAS_GEMM(CblasRowMajor, p->of.a.transpose ? CblasTrans : CblasNoTrans,
                  p->of.b.transpose ? CblasTrans : CblasNoTrans, (int)m, (int)n, (int)smaller(block_k, p->of.k - first),
                  1, a + first * a_step, blas_stride(p->of.a.stride), b + first * b_step, blas_stride(p->of.b.stride),
                  p->of.add || first > 0 ? 1 : 0, p->of.c + row * p->of.c_stride + column, blas_stride(p->of.c_stride));
}

static void multiply_task(const struct cuts *p, int64_t i)
{
    for (int64_t block = i * p->take; block < smaller((i + 1) * p->take, p->blocks); block++) {
        /* The long side of c is walked once, so that its operand is read from far away once. */
        bool rows_last = p->of.m > p->of.n;
        int64_t row = rows_last ? block / p->inner : block % p->inner;
        int64_t column = rows_last ? block % p->inner : block / p->inner;
        if (!p->lock) {
            call_blas(p, row * p->block_m, column * p->block_n);
        } else {
#pragma omp critical(reel_blas)
            call_blas(p, row * p->block_m, column * p->block_n);
        }
    }
}

static double work(int64_t m, int64_t n, int64_t k)
{
    return (double)m * (double)n * (double)k;
}

/* size cut into the fewest nearly equal blocks of at most `most`, a multiple of `unit`; with even, an even number. */
static int64_t equal_block(int64_t size, int64_t most, int64_t unit, bool even)
{
    int64_t count = even ? 2 * pieces(size, 2 * most) : pieces(size, most);
    return pieces(pieces(size, count), unit) * unit;
}

/* size cut into up to `count` pieces of at least `least` that begin at multiples of the unit. */
static int64_t piece_for(int64_t size, int64_t count, int64_t least)
{
    for (; count > 1; count--) {
        int64_t piece = pieces(pieces(size, count), REEL_GEMM_UNIT) * REEL_GEMM_UNIT;
        int64_t last = size - (pieces(size, piece) - 1) * piece;
        if (last >= least)
            return piece;
    }
    return size;
}

/* A piece for each thread, all packed; along the longer side, so that least is packed twice. */
static void choose_pieces(struct cuts *p, int threads)
{
    bool rows = p->of.m > p->of.n;
    int64_t size = rows ? p->of.m : p->of.n, other = rows ? p->of.n : p->of.m;
    /* More multiplications than the small kernels take, and no strip that is treated as a vector. */
    int64_t least = REEL_GEMM_SMALL / (other * p->of.k) + 1;
    *(rows ? &p->block_m : &p->block_n) = piece_for(size, threads, least > REEL_GEMM_UNIT ? least : REEL_GEMM_UNIT);
}

static void choose_large_blocks(struct cuts *p)
{
    if (work(p->of.m, p->of.n, p->of.k) < smallest_parallel)
        return;
    bool columns = p->of.n >= MOST_COLUMNS / 2 || (p->of.n >= 2 * REEL_GEMM_UNIT && p->of.m < MOST_ROWS / 2);
    if (columns)
        p->block_n = equal_block(p->of.n, MOST_COLUMNS, REEL_GEMM_UNIT, true);
    if (p->of.m >= (columns ? 2 * MOST_ROWS : MOST_ROWS / 2))
        p->block_m = equal_block(p->of.m, MOST_ROWS, REEL_GEMM_UNIT, true);
}

static void choose_blocks(struct cuts *p, int threads)
{
    p->block_m = p->of.m;
    p->block_n = p->of.n;
    if (!reel_kern_gemm_is_small(&p->of) &&
        !reel_kern_gemm_small_blocks(reel_kern_gemm_core(), &p->of, &p->block_m, &p->block_n)) {
        if (reel_kern_gemm_any_cut() && work(p->of.m, p->of.n, p->of.k) >= smallest_parallel)
            choose_pieces(p, threads);
        else
            choose_large_blocks(p);
    }
    p->block_m =
        smaller(p->block_m, smaller(most_rows(p->of.c_stride), most_rows(p->of.a.transpose ? 1 : p->of.a.stride)));
    p->block_n = smaller(p->block_n, most_rows(p->of.b.transpose ? p->of.b.stride : 1));
    int64_t down = pieces(p->of.m, p->block_m), across = pieces(p->of.n, p->block_n);
    double take = task / work(p->block_m, p->block_n, p->of.k);
    p->blocks = down * across;
    p->inner = p->of.m > p->of.n ? across : down;
    p->take = take > 1 ? (int64_t)take : 1;
}

void reel_kern_gemm(const struct reel_gemm *product, int threads)
{
    if (product->m == 0 || product->n == 0)
        return;
    if (product->k == 0) {
        clear(product);
        return;
    }
    struct cuts p = {.of = *product, .lock = reel_kern_blas_calls() == REEL_BLAS_ONE_AT_A_TIME};
    if (work(p.of.m, p.of.n, p.of.k) < smallest_parallel)
        threads = 1;
    choose_blocks(&p, threads);
    REEL_PARALLEL_FOR(i, end, pieces(p.blocks, p.take), 1, threads, multiply_task(&p, i));
}

/* OpenBLAS has no kernel without packing for rows with rows of the sizes below, which then run at 70 to 92 GFLOP/s, and
 * rows with columns at 104 to 115. Writing out takes 0.1 ns an element of a matrix that stays in the second-level
 * cache: with 64 rows 12 to 25 % are gained, nothing from 10^5 elements on. */
bool reel_kern_gemm_prefers_written_out(int64_t m, int64_t n, int64_t k)
{
    enum { LEAST_M = 32, LEAST_N = 16, LEAST_K = 4, MOST = 1 << 15 };
    return m >= LEAST_M && n >= LEAST_N && k >= LEAST_K && n <= MOST / k && m * n > REEL_GEMM_SMALL_ROWS_BY_ROWS &&
           reel_kern_gemm_core()->small_kernels;
}

void reel_kern_transpose(int64_t m, int64_t n, const reel_real *from, reel_real *to)
{
    BLAS_TRANSPOSE(CblasRowMajor, CblasTrans, (int)m, (int)n, 1, from, (int)n, to, (int)m);
}

/* ---- Batches ---- */

struct batch_product {
    const struct reel_gemm_batch *batch;
    struct reel_gemm first;
    int64_t sharing; /* how many products are summed into each matrix of c */
    int threads;     /* for each of them */
};

/* Whether the matrices of c differ along an axis. */
static bool is_own(const struct reel_gemm_batch *batch, int axis)
{
    return batch->c_step[axis] != 0 || batch->dim[axis] == 1;
}

static int64_t count_products(const struct reel_gemm_batch *batch, bool own)
{
    int64_t count = 1;
    for (int axis = 0; axis < batch->ndim; axis++)
        if (is_own(batch, axis) == own)
            count *= batch->dim[axis];
    return count;
}

/* Moves p to the i-th position along the axes that are (own), or are not. */
static void move_to(const struct reel_gemm_batch *batch, bool own, int64_t i, struct reel_gemm *p)
{
    for (int axis = batch->ndim - 1; axis >= 0; axis--) {
        if (is_own(batch, axis) != own)
            continue;
        int64_t at = i % batch->dim[axis];
        i /= batch->dim[axis];
        p->a.data += at * batch->a_step[axis];
        p->b.data += at * batch->b_step[axis];
        p->c += at * batch->c_step[axis];
    }
}

static void multiply_sharing(const struct batch_product *b, int64_t i)
{
    struct reel_gemm p = b->first;
    move_to(b->batch, true, i, &p);
    for (int64_t j = 0; j < b->sharing; j++) {
        struct reel_gemm one = p;
        move_to(b->batch, false, j, &one);
        one.add = p.add || j > 0;
        reel_kern_gemm(&one, b->threads);
    }
    if (b->sharing == 0)
        clear(&p);
}

void reel_kern_gemm_batch(const struct reel_gemm_batch *batch, const struct reel_gemm *first, int threads)
{
    if (first->m == 0 || first->n == 0)
        return;
    int64_t matrices = count_products(batch, true);
    struct batch_product p = {
        .batch = batch,
        .first = *first,
        .sharing = first->k > 0 ? count_products(batch, false) : 0,
        .threads = threads,
    };
    /* Either the matrices are small and are shared out among the threads, or each is cut by itself. */
    double each = work(first->m, first->n, first->k);
    bool parallel = each < smallest_parallel && each * (double)matrices * (double)p.sharing >= smallest_parallel;
    if (parallel)
        p.threads = 1;
    REEL_PARALLEL_FOR(i, end, matrices, 1, parallel ? threads : 1, multiply_sharing(&p, i));
}
