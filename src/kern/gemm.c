/* Products of matrices: cuts into blocks, and calls of the BLAS. */
#include "kern/gemm.h"

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

/* Products are cut into blocks, each one call of a single-threaded BLAS. How depends on the sizes and the processor,
 * not on the number of threads, so that it has no say in the bits.
 *
 * For AVX-512 OpenBLAS has kernels that do not pack their operands. It uses them up to SMALL multiplications, and for a
 * product of rows with rows up to SMALL_ROWS_BY_ROWS results. Blocks of that size run at 97 to 117 GFLOP/s in one
 * thread, where a call for the whole runs at 73 to 104 (Zen 4, OpenBLAS 0.3.21, the layers of the conditional GAN).
 *
 * Elsewhere blocks are large, because packing one operand is repeated for each: blocks of 128 columns cost 1 to 8 %,
 * of 200 to 256 columns half of that. Their number is even, for an even number of cores. */
enum { SMALL = 1000 * 1000, SMALL_ROWS_BY_ROWS = 1200, MOST_COLUMNS = 256, MOST_ROWS = 512 };

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

static bool has_small_kernels(void)
{
    const char *core = reel_kern_blas_core();
    return strcmp(core, "SkylakeX") == 0 || strcmp(core, "Cooperlake") == 0 || strcmp(core, "SapphireRapids") == 0;
}

static bool choose_small_blocks(struct cuts *p)
{
    bool rows_by_rows = !p->of.a.transpose && p->of.b.transpose;
    /* Widths are whole vectors of the kernel, heights whole rows of it. */
    int64_t unit = rows_by_rows ? 16 : 64, least_rows = rows_by_rows ? 16 : 8, most_m = 64;
    int64_t results = smaller(SMALL / p->of.k, rows_by_rows ? SMALL_ROWS_BY_ROWS : SMALL);
    if (results < unit * least_rows || (rows_by_rows && p->of.k < 128) || !has_small_kernels())
        return false;
    p->block_m = smaller(p->of.m, equal_block(p->of.m, smaller(most_m, results / unit / 4 * 4), 4, false));
    p->block_n = results / p->block_m / unit * unit;
    return true;
}

static void choose_large_blocks(struct cuts *p)
{
    enum { UNIT = 16 };
    if (work(p->of.m, p->of.n, p->of.k) < smallest_parallel)
        return;
    bool columns = p->of.n >= MOST_COLUMNS / 2 || (p->of.n >= 2 * UNIT && p->of.m < MOST_ROWS / 2);
    if (columns)
        p->block_n = equal_block(p->of.n, MOST_COLUMNS, UNIT, true);
    if (p->of.m >= (columns ? 2 * MOST_ROWS : MOST_ROWS / 2))
        p->block_m = equal_block(p->of.m, MOST_ROWS, UNIT, true);
}

static void choose_blocks(struct cuts *p)
{
    bool whole_is_small = work(p->of.m, p->of.n, p->of.k) <= SMALL &&
                          (p->of.a.transpose || !p->of.b.transpose || p->of.m * p->of.n <= SMALL_ROWS_BY_ROWS);
    p->block_m = p->of.m;
    p->block_n = p->of.n;
    if (!whole_is_small && !choose_small_blocks(p))
        choose_large_blocks(p);
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
    choose_blocks(&p);
    if (work(p.of.m, p.of.n, p.of.k) < smallest_parallel)
        threads = 1;
    REEL_PARALLEL_FOR(i, end, pieces(p.blocks, p.take), 1, threads, multiply_task(&p, i));
}

/* OpenBLAS has no kernel without packing for rows with rows of the sizes below, which then run at 70 to 92 GFLOP/s, and
 * rows with columns at 104 to 115. Writing out takes 0.1 ns an element of a matrix that stays in the second-level
 * cache: with 64 rows 12 to 25 % are gained, nothing from 10^5 elements on. */
bool reel_kern_gemm_prefers_written_out(int64_t m, int64_t n, int64_t k)
{
    enum { LEAST_M = 32, LEAST_N = 16, LEAST_K = 4, MOST = 1 << 15 };
    return m >= LEAST_M && n >= LEAST_N && k >= LEAST_K && n <= MOST / k && m * n > SMALL_ROWS_BY_ROWS &&
           has_small_kernels();
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
