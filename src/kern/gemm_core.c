/* The table of cores of the BLAS, whose rows come from measurements (build/release/bench/tune). */
#include "kern/gemm_core.h"

#include "kern/parallel.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

/* Cooperlake, which OpenBLAS 0.3.21 takes a Zen 4 for: blocks for kernels that do not pack run at 97 to 117 GFLOP/s in
 * one thread, where a call for the whole runs at 73 to 104 (the layers of the conditional GAN).
 *
 * SkylakeX, on a Xeon of the Emerald Rapids kind, with weights in no cache: where the row says so 97 to 161 in blocks,
 * 75 to 148 whole; else 50 to 124 in blocks, 81 to 144 whole. Rows with rows looked better in blocks there (114 to 130,
 * 98 to 109 whole), and made the steps of the conditional GAN 7 % longer. SapphireRapids has the same kernels for
 * float; not measured. */
static const struct reel_gemm_core cores[] = {
    {"Cooperlake", true, INFINITY, 8, 128, 0, NULL},
    {"SkylakeX", true, 6e7, 24, INT64_MAX, 4096, "0.3.21"},
    {"SapphireRapids", true, 6e7, 24, INT64_MAX, 4096, NULL},
};

/* Any other. */
static const struct reel_gemm_core no_core = {.small_kernels = false};

static const struct reel_gemm_core *find(void)
{
    const char *name = reel_kern_blas_core();
    for (size_t i = 0; i < sizeof cores / sizeof *cores; i++)
        if (strcmp(cores[i].name, name) == 0)
            return &cores[i];
    return &no_core;
}

#if defined(__GNUC__)
/* Known when the library is loaded, and constant from then on: OpenBLAS writes the text with its version anew each time
 * it is asked. */
static const struct reel_gemm_core *at_hand;
static bool any_cut_at_hand;

__attribute__((constructor)) static void find_core(void)
{
    const char name[] = "OpenBLAS ", *version = strstr(openblas_get_config(), name);
    at_hand = find();
    if (!version || !at_hand->any_cut || sizeof(reel_real) != sizeof(float))
        return;
    version += strlen(name);
    size_t length = strlen(at_hand->any_cut);
    any_cut_at_hand = strncmp(version, at_hand->any_cut, length) == 0 && version[length] == ' ';
}

const struct reel_gemm_core *reel_kern_gemm_core(void)
{
    return at_hand;
}

bool reel_kern_gemm_any_cut(void)
{
    return any_cut_at_hand;
}
#else
const struct reel_gemm_core *reel_kern_gemm_core(void)
{
    return find();
}

bool reel_kern_gemm_any_cut(void)
{
    return false;
}
#endif

static bool is_rows_by_rows(const struct reel_gemm *p)
{
    return !p->a.transpose && p->b.transpose;
}

static double work(const struct reel_gemm *p)
{
    return (double)p->m * (double)p->n * (double)p->k;
}

bool reel_kern_gemm_is_small(const struct reel_gemm *p)
{
    return work(p) <= REEL_GEMM_SMALL && (!is_rows_by_rows(p) || p->m * p->n <= REEL_GEMM_SMALL_ROWS_BY_ROWS);
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t pieces(int64_t size, int64_t piece)
{
    return (size + piece - 1) / piece;
}

bool reel_kern_gemm_small_blocks(const struct reel_gemm_core *core, const struct reel_gemm *p, int64_t *rows,
                                 int64_t *columns)
{
    /* Widths are whole vectors of the kernel, heights whole rows of it. */
    enum { MOST_ROWS = 64, ROWS = 4 };
    bool rows_by_rows = is_rows_by_rows(p);
    int64_t unit = rows_by_rows ? 16 : 64, least = rows_by_rows ? 16 : 8;
    int64_t results = smaller(REEL_GEMM_SMALL / p->k, rows_by_rows ? REEL_GEMM_SMALL_ROWS_BY_ROWS : REEL_GEMM_SMALL);
    if (!p->a.transpose && least < core->least_rows)
        least = core->least_rows;
    bool aliased = core->alias > 0 && p->b.stride * (int64_t)sizeof(reel_real) % core->alias == 0;
    if (!core->small_kernels || results < unit * least || work(p) > core->most_work || (aliased && !p->b.transpose) ||
        (rows_by_rows && p->k < core->least_k))
        return false;
    int64_t most = smaller(MOST_ROWS, results / unit / ROWS * ROWS);
    *rows = smaller(p->m, pieces(pieces(p->m, pieces(p->m, most)), ROWS) * ROWS);
    *columns = results / *rows / unit * unit;
    return true;
}
