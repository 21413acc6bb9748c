/* Averages of a table whose updates are put off, row by row. */
#include "train/row_average.h"

#include "base/checked.h"
#include "kern/optim.h"
#include "kern/parallel.h"

#include <math.h>
#include <string.h>

enum { ROWS_AT_ONCE = 1024 };

/* Applies to rows the updates up to `last`. */
static void catch_up(struct reel_row_average *r, int64_t first, int64_t end, int64_t last)
{
    int64_t columns = reel_param_columns(r->param);
    for (int64_t row = first; row < end; row++) {
        int64_t update = r->base + r->stamps[row] + 1;
        if (update > last)
            continue;
        /* The row was what it is in all of these updates: average = param + decay (average - param), many times. */
        double decay = 1;
        for (int64_t run_at = reel_history_find(&r->decays, update); update <= last; run_at++) {
            const struct reel_history_run *run = &r->decays.runs[run_at];
            int64_t run_end = run_at + 1 < r->decays.count && run[1].first <= last ? run[1].first : last + 1;
            decay *= run_end - update == 1 ? run->value : pow(run->value, (double)(run_end - update));
            update = run_end;
        }
        const reel_real *param = (const reel_real *)r->param->data + row * columns;
        reel_real *average = r->average + row * columns;
        if (decay > 0)
            reel_kern_lerp(columns, (reel_real)(1 - decay), param, average, 1);
        else
            memcpy(average, param, (size_t)columns * sizeof *average);
        r->stamps[row] = (uint32_t)(last - r->base);
    }
}

static void before_change(struct reel_param_watcher *watcher, int64_t first, int64_t count, uint64_t version)
{
    struct reel_row_average *r = (struct reel_row_average *)watcher;
    catch_up(r, first, first + count, r->base + reel_history_count_until(&r->decays, version));
}

static void catch_up_block(void *user, int64_t block, int thread)
{
    struct reel_row_average *r = user;
    int64_t rows = reel_param_rows(r->param), first = block * ROWS_AT_ONCE;
    (void)thread;
    catch_up(r, first, rows - first < ROWS_AT_ONCE ? rows : first + ROWS_AT_ONCE, r->decays.next - 1);
}

void reel_row_average_catch_up(struct reel_row_average *r)
{
    if (!r || r->decays.count == 0)
        return;
    int64_t rows = reel_param_rows(r->param);
    reel_param_before_read_all(r->param);
    reel_kern_for_each((rows + ROWS_AT_ONCE - 1) / ROWS_AT_ONCE, r->param->set->context->num_threads, catch_up_block,
                       r);
    memset(r->stamps, 0, (size_t)rows * sizeof *r->stamps);
    r->base = r->decays.next - 1;
    reel_history_clear(&r->decays, r->decays.next);
}

void reel_row_average_free(struct reel_row_average *r)
{
    if (!r)
        return;
    struct reel_memory *memory = &r->param->set->context->memory;
    reel_param_unwatch(r->param, &r->watcher);
    reel_history_free(&r->decays, memory);
    reel_free(memory, r->stamps);
    reel_free(memory, r);
}

struct reel_row_average *reel_row_average_new(reel_param *param, reel_real *average)
{
    struct reel_memory *memory = &param->set->context->memory;
    size_t bytes;
    if (!reel_multiply_size(reel_param_rows(param), sizeof(uint32_t), &bytes))
        return NULL;
    struct reel_row_average *r = reel_allocate_zeroed(memory, sizeof *r);
    uint32_t *stamps = r ? reel_allocate_zeroed(memory, bytes) : NULL;
    if (!stamps) {
        reel_free(memory, r);
        return NULL;
    }
    *r = (struct reel_row_average){
        .watcher.before_change = before_change, .param = param, .average = average, .stamps = stamps};
    reel_history_clear(&r->decays, 1);
    reel_param_watch(param, &r->watcher);
    return r;
}

bool reel_row_average_reserve(struct reel_row_average *r)
{
    return reel_history_reserve(&r->decays, &r->param->set->context->memory);
}

void reel_row_average_update(struct reel_row_average *r, double decay)
{
    if (reel_history_is_full(&r->decays) || r->decays.next - r->base > UINT32_MAX)
        reel_row_average_catch_up(r);
    reel_history_append(&r->decays, decay, r->param->version);
}
