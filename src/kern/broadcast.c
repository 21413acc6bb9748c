/* Loops over two arrays of which one or both are repeated along axes. */
#include "kern/broadcast.h"

#include "kern/parallel.h"

void reel_broadcast_plan(struct reel_broadcast *plan, const reel_shape *result, int n,
                         const reel_shape *const *operands)
{
    /* Axes are gathered innermost first, so that an axis can be merged into the one gathered before it. */
    int count = 0;
    int64_t size[REEL_MAX_NDIM], stride[REEL_MAX_OPERANDS][REEL_MAX_NDIM], next[REEL_MAX_OPERANDS];
    for (int k = 0; k < n; k++)
        next[k] = 1;
    for (int i = 1; i <= result->ndim; i++) {
        int64_t length = result->dim[result->ndim - i], along[REEL_MAX_OPERANDS];
        bool merge = count > 0;
        for (int k = 0; k < n; k++) {
            int64_t own = i <= operands[k]->ndim ? operands[k]->dim[operands[k]->ndim - i] : 1;
            along[k] = own == 1 ? 0 : next[k];
            next[k] *= own;
            merge = merge && along[k] == stride[k][count - 1] * size[count - 1];
        }
        if (length == 1)
            continue;
        if (merge) {
            size[count - 1] *= length;
            continue;
        }
        size[count] = length;
        for (int k = 0; k < n; k++)
            stride[k][count] = along[k];
        count++;
    }

    plan->n = n;
    plan->rows = 1;
    plan->columns = count > 0 ? size[0] : 1;
    plan->ndim = count > 1 ? count - 1 : 0;
    for (int i = 0; i < plan->ndim; i++) {
        plan->size[i] = size[count - 1 - i];
        plan->rows *= plan->size[i];
        for (int k = 0; k < n; k++)
            plan->stride[k][i] = stride[k][count - 1 - i];
    }
    for (int k = 0; k < n; k++)
        plan->moves[k] = count > 0 && stride[k][0] != 0;
}

static void walk_rows(const struct reel_broadcast *plan, reel_tile_kernel *kernel, const void *arguments, int64_t row,
                      int64_t count)
{
    struct reel_tile tile = {.columns = plan->columns, .first = row * plan->columns};
    int last = plan->ndim - 1;
    int64_t index[REEL_MAX_NDIM], rest = row;
    for (int i = last; i >= 0; i--) {
        index[i] = rest % plan->size[i];
        rest /= plan->size[i];
        for (int k = 0; k < plan->n; k++)
            tile.offset[k] += index[i] * plan->stride[k][i];
    }
    for (int k = 0; k < plan->n; k++)
        tile.step[k] = last >= 0 ? plan->stride[k][last] : 0;
    while (count > 0) {
        int64_t left = last >= 0 ? plan->size[last] - index[last] : 1;
        tile.rows = left < count ? left : count;
        kernel(plan, &tile, arguments);
        count -= tile.rows;
        if (count == 0)
            break;
        tile.first += tile.rows * tile.columns;
        for (int k = 0; k < plan->n; k++)
            tile.offset[k] -= index[last] * plan->stride[k][last];
        index[last] = 0;
        for (int i = last - 1; i >= 0; i--) {
            for (int k = 0; k < plan->n; k++)
                tile.offset[k] += plan->stride[k][i];
            if (++index[i] < plan->size[i])
                break;
            for (int k = 0; k < plan->n; k++)
                tile.offset[k] -= index[i] * plan->stride[k][i];
            index[i] = 0;
        }
    }
}

static void walk_row_part(const struct reel_broadcast *plan, reel_tile_kernel *kernel, const void *arguments,
                          int64_t row, int64_t col)
{
    int64_t left = plan->columns - col, rest = row;
    struct reel_tile tile = {
        .rows = 1, .columns = left < REEL_BLOCK ? left : REEL_BLOCK, .first = row * plan->columns + col};
    for (int i = plan->ndim - 1; i >= 0; i--) {
        for (int k = 0; k < plan->n; k++)
            tile.offset[k] += rest % plan->size[i] * plan->stride[k][i];
        rest /= plan->size[i];
    }
    for (int k = 0; k < plan->n; k++)
        tile.offset[k] += plan->moves[k] ? col : 0;
    kernel(plan, &tile, arguments);
}

/* One block of the result: some whole rows, or a part of a long one. */
static void walk_block(const struct reel_broadcast *plan, reel_tile_kernel *kernel, const void *arguments,
                       int64_t block)
{
    if (plan->columns > REEL_BLOCK) {
        int64_t parts = reel_blocks(plan->columns);
        walk_row_part(plan, kernel, arguments, block / parts, block % parts * REEL_BLOCK);
    } else {
        int64_t rows = REEL_BLOCK / plan->columns, row = block * rows, left = plan->rows - row;
        walk_rows(plan, kernel, arguments, row, left < rows ? left : rows);
    }
}

void reel_broadcast_walk(const struct reel_broadcast *plan, reel_tile_kernel *kernel, const void *arguments,
                         int threads)
{
    if (plan->rows == 0 || plan->columns == 0)
        return;
    int64_t blocks = plan->columns > REEL_BLOCK ? plan->rows * reel_blocks(plan->columns)
                                                : (plan->rows - 1) / (REEL_BLOCK / plan->columns) + 1;
    REEL_PARALLEL_FOR(block, next, blocks, 1, threads, walk_block(plan, kernel, arguments, block));
}
