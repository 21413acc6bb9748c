/* Row contributions, grouped by table row. */
#ifndef REEL_CORE_ROWS_H
#define REEL_CORE_ROWS_H

#include "core/params.h"

/* Groups the contributions of one backward pass; indices of -1 are left out. Those that are described stay so if there
 * is one alone, else they are written out. Release it in any case. */
reel_status reel_row_groups_make(reel_context *context, struct reel_rows *rows, struct reel_row_groups *groups);
void reel_row_groups_release(reel_context *context, struct reel_row_groups *groups);

/* Before groups are summed: with several threads, sums the blocks of those that are long. */
reel_status reel_row_groups_sum_long(reel_context *context, struct reel_row_groups *groups, int64_t columns);

/* Adds the groups to a dense table [rows, columns] that holds a gradient (add), or writes them over one that does not
 * (every other row becomes 0). */
reel_status reel_row_groups_scatter(reel_context *context, struct reel_row_groups *groups, int64_t rows,
                                    int64_t columns, bool add, reel_real *table);

#endif
