/* Averages of a table whose updates are put off, row by row. */
#include "train/row_average.h"

#include "base/checked.h"
#include "kern/optim.h"
#include "kern/parallel.h"

#include <math.h>
#include <string.h>

enum { ROWS_AT_ONCE = 1024 };

/* The product of the decays of the updates from `update` to `last`, in which the row was what it is: average = param +
 * decay (average - param), many times. */
static double decay_of(const struct reel_history *decays, int64_t update, int64_t last)
{
    double decay = 1;
    for (int64_t run_at = reel_history_find(decays, update); update <= last; run_at++) {
        const struct reel_history_run *run = &decays->runs[run_at];
        int64_t run_end = run_at + 1 < decays->count && run[1].first <= last ? run[1].first : last + 1;
        decay *= run_end - update == 1 ? run->value : pow(run->value, (double)(run_end - update));
        update = run_end;
    }
    return decay;
}

static void move(int64_t columns, double decay, int64_t times, const reel_real *param, reel_real *average)
{
    if (decay > 0)
        reel_kern_lerp_times(columns, (reel_real)(1 - decay), times, param, average);
    else
        memcpy(average, param, (size_t)columns * sizeof *average);
}

static void move_one_by_one(const struct reel_history *decays, int64_t update, int64_t last, int64_t columns,
                            const reel_real *param, reel_real *average)
{
    for (int64_t run_at = reel_history_find(decays, update); update <= last; run_at++) {
        const struct reel_history_run *run = &decays->runs[run_at];
        int64_t run_end = run_at + 1 < decays->count && run[1].first <= last ? run[1].first : last + 1;
        move(columns, run->value, run_end - update, param, average);
        update = run_end;
    }
}

/* Applies to rows the updates up to `last`. */
static void catch_up(struct reel_row_average *r, int64_t first, int64_t end, int64_t last)
{
    int64_t columns = reel_param_columns(r->param);
    for (int64_t row = first; row < end; row++) {
        int64_t update = r->base + r->stamps[row] + 1;
        if (update > last)
            continue;
        const reel_real *param = (const reel_real *)r->param->data + row * columns;
        reel_real *average = r->average + row * columns;
        if (r->one_by_one)
            move_one_by_one(&r->decays, update, last, columns, param, average);
        else
            move(columns, decay_of(&r->decays, update, last), 1, param, average);
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

/* Calls `work` for all blocks of rows. */
static void for_each_block(const struct reel_row_average *r, void (*work)(void *user, int64_t block, int thread),
                           void *user)
{
    int64_t blocks = (reel_param_rows(r->param) + ROWS_AT_ONCE - 1) / ROWS_AT_ONCE;
    reel_kern_for_each(blocks, r->param->set->context->num_threads, work, user);
}

static void catch_up_all(struct reel_row_average *r)
{
    if (r->decays.count == 0)
        return;
    reel_param_before_read_all(r->param);
    for_each_block(r, catch_up_block, r);
    memset(r->stamps, 0, (size_t)reel_param_rows(r->param) * sizeof *r->stamps);
    r->base = r->decays.next - 1;
    reel_history_clear(&r->decays, r->decays.next);
}

void reel_row_average_settle(struct reel_row_average *r)
{
    reel_param_before_read_all(r->param);
    if (r->one_by_one)
        catch_up_all(r);
}

struct reading {
    const struct reel_row_average *average;
    reel_real *out;
};

static void read_block(void *user, int64_t block, int thread)
{
    const struct reading *reading = user;
    const struct reel_row_average *r = reading->average;
    int64_t rows = reel_param_rows(r->param), columns = reel_param_columns(r->param), last = r->decays.next - 1;
    (void)thread;
    for (int64_t row = block * ROWS_AT_ONCE; row < rows && row < (block + 1) * ROWS_AT_ONCE; row++) {
        reel_real *out = reading->out + row * columns;
        int64_t update = r->base + r->stamps[row] + 1;
        memcpy(out, r->average + row * columns, (size_t)columns * sizeof *out);
        if (update <= last)
            move(columns, decay_of(&r->decays, update, last), 1, (const reel_real *)r->param->data + row * columns,
                 out);
    }
}

void reel_row_average_read(struct reel_row_average *r, reel_real *out)
{
    reel_row_average_settle(r);
    for_each_block(r, read_block, &(struct reading){r, out});
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
    r->one_by_one = r->one_by_one || reel_param_is_deferred(r->param);
    if (reel_history_is_full(&r->decays) || r->decays.next - r->base > UINT32_MAX)
        catch_up_all(r);
    /* Where nothing is replayed every change comes after all updates so far. Without versions the runs, and so the
     * powers, follow from the decays alone. */
    reel_history_append(&r->decays, decay, r->one_by_one ? r->param->version : 0);
}

void reel_row_average_restore(struct reel_row_average *r, const int64_t done[2], bool one_by_one, int64_t n,
                              const int64_t *first, const double *decay)
{
    r->base = done[0];
    r->one_by_one = one_by_one;
    reel_history_clear(&r->decays, done[1] + 1);
    r->decays.count = n;
    for (int64_t i = 0; i < n; i++)
        r->decays.runs[i] = (struct reel_history_run){.first = first[i], .value = decay[i]};
}
