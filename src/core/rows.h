/* Row contributions, grouped by table row. */
#ifndef REEL_CORE_ROWS_H
#define REEL_CORE_ROWS_H

#include "core/params.h"

/* The occurrences of one backward pass sorted by row: group g is occurrences[starts[g]..starts[g + 1]). */
struct reel_row_groups {
    int64_t count;
    int64_t *starts;
    struct reel_occurrence *occurrences;
    void *blocks[3]; /* scratch */
};

/* Groups contributions; indices of -1 are left out. Release it in any case. */
reel_status reel_row_groups_make(reel_context *context, const struct reel_rows *rows, struct reel_row_groups *groups);
void reel_row_groups_release(reel_context *context, struct reel_row_groups *groups);

/* Adds the groups to a dense table [rows, columns] that holds a gradient (add), or writes them over one that does not
 * (every other row becomes 0). */
void reel_row_groups_scatter(const struct reel_row_groups *groups, int64_t rows, int64_t columns, bool add,
                             reel_real *table);

#endif
