/* What the kernels of the BLAS are good at, by the core that it reports. */
#ifndef REEL_KERN_GEMM_CORE_H
#define REEL_KERN_GEMM_CORE_H

#include "kern/gemm.h"

/* When a product is cut for kernels that do not pack their operands. */
struct reel_gemm_core {
    const char *name; /* as OpenBLAS says it */
    /* It has such kernels: for up to REEL_GEMM_SMALL multiplications in a call, and for rows with rows up to
     * REEL_GEMM_SMALL_ROWS_BY_ROWS results. */
    bool small_kernels;
    /* Blocks for them pay for products of up to so many multiplications ... */
    double most_work;
    /* ... with at least so many rows in a block, which reads all of b; if a is transposed, with few, too. */
    int64_t least_rows;
    /* Rows with rows have to be at least so long. */
    int64_t least_k;
    /* Rows of b must not lie a multiple of so many bytes apart, where they share sets of the cache; 0: they may. */
    int64_t alias;
    /* The version of OpenBLAS whose packed kernels of this core give each result the same bits however a product is cut
     * into pieces that are packed as well and begin at multiples of REEL_GEMM_UNIT; NULL: none that is known. It was
     * checked on such a processor with the layers of bench/tune, all layouts and last columns, and 650 random
     * products, in float; tests/kern/gemm.c repeats it. */
    const char *any_cut;
};

enum { REEL_GEMM_SMALL = 1000 * 1000, REEL_GEMM_SMALL_ROWS_BY_ROWS = 1200, REEL_GEMM_UNIT = 16 };

/* The row of the core at hand. */
const struct reel_gemm_core *reel_kern_gemm_core(void);

/* Whether a call for the whole goes to kernels that do not pack. */
bool reel_kern_gemm_is_small(const struct reel_gemm *product);

/* Whether on such a core blocks for these kernels are best for a product that is not small, and their size. */
bool reel_kern_gemm_small_blocks(const struct reel_gemm_core *core, const struct reel_gemm *product, int64_t *rows,
                                 int64_t *columns);

/* Whether cuts change no bit here: core and version are listed. */
bool reel_kern_gemm_any_cut(void);

#endif
