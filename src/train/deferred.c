/* Updates of rows that an exact optimizer puts off, and their replay. */
#include "train/deferred.h"

#include "base/checked.h"
#include "kern/parallel.h"

#include <string.h>

/* Whether a row has come to rest is asked this often, and not at all when it missed only a few steps: asking costs as
 * much as several of them. */
enum { STEPS_BETWEEN_CHECKS = 32, FEW_STEPS = 4, ROWS_TOGETHER = 32 };

static reel_real *copies_of(const struct reel_deferred *d, int thread)
{
    int64_t columns = reel_param_columns(d->param);
    return d->room + columns * (1 + thread * (1 + REEL_OPTIM_STATES));
}

/* How many numbers of a state are a row's. */
static int64_t of_row(const struct reel_deferred *d, int k)
{
    return d->algorithm->states[k].scope == REEL_PER_ROW ? 1 : reel_param_columns(d->param);
}

/* Whether no step from `first` to `last` would change a bit of the row, whatever rate of the history it had: none does
 * if the most extreme ones do not. */
static bool is_at_rest(const struct reel_deferred *d, int64_t row, int64_t first, int64_t last, int thread)
{
    struct reel_update extremes[REEL_OPTIM_EXTREMES];
    int n = reel_optim_extremes(d->algorithm, d->options, d->rates.smallest, d->rates.largest, first, last, extremes);
    int64_t columns = reel_param_columns(d->param);
    const reel_real *param = (const reel_real *)d->param->data + row * columns;
    reel_real *copy = copies_of(d, thread), *state[REEL_OPTIM_STATES] = {NULL};
    for (int e = 0; e < n; e++) {
        memcpy(copy, param, (size_t)columns * sizeof *copy);
        for (int k = 0; k < d->algorithm->n_states; k++) {
            state[k] = d->state[k] ? copy + (1 + k) * columns : NULL;
            if (state[k])
                memcpy(state[k], d->state[k] + row * of_row(d, k), (size_t)of_row(d, k) * sizeof *copy);
        }
        reel_kern_update_row(&extremes[e], columns, 0, copy, d->room, state);
        if (memcmp(copy, param, (size_t)columns * sizeof *copy) != 0)
            return false;
        for (int k = 0; k < d->algorithm->n_states; k++)
            if (state[k] &&
                memcmp(state[k], d->state[k] + row * of_row(d, k), (size_t)of_row(d, k) * sizeof *copy) != 0)
                return false;
    }
    return true;
}

/* A row, and the first step that it missed. Several are replayed together, so that the constants of a step are computed
 * once for all of them. */
struct due {
    int64_t row, step, next_check;
};

/* The first step of all may differ from the others, so rest is looked for after it. */
static struct due due_from(int64_t row, int64_t step)
{
    return (struct due){row, step, step > 1 ? step : 2};
}

static void replay(const struct reel_deferred *d, struct due *due, int64_t n, int64_t last, int thread)
{
    int64_t step = last + 1, moving = 0;
    for (int64_t i = 0; i < n; i++) {
        step = due[i].step < step ? due[i].step : step;
        moving += due[i].step <= last;
    }
    if (moving == 0)
        return;
    const struct reel_history_run *run = &d->rates.runs[reel_history_find(&d->rates, step)];
    const struct reel_history_run *end = d->rates.runs + d->rates.count;
    int64_t columns = reel_param_columns(d->param);
    for (; step <= last && moving > 0; step++) {
        while (run + 1 < end && run[1].first <= step)
            run++;
        const struct reel_update update = reel_optim_prepare(d->algorithm, d->options, run->value, step);
        for (int64_t i = 0; i < n; i++) {
            if (due[i].step > step)
                continue;
            if (d->algorithm->monotone && step == due[i].next_check && last - step >= FEW_STEPS) {
                if (is_at_rest(d, due[i].row, step, last, thread)) {
                    due[i].step = last + 1;
                    moving--;
                    continue;
                }
                due[i].next_check += STEPS_BETWEEN_CHECKS;
            }
            reel_param_before_change(d->param, due[i].row, 1, reel_history_version(run, step));
            reel_kern_update_row(&update, columns, due[i].row, d->param->data, d->room, d->state);
        }
    }
}

/* ---- Catching up ---- */

struct due_list {
    const struct reel_deferred *deferred;
    int64_t count;
    struct due *rows;
};

static void replay_list(void *user, int64_t block, int thread)
{
    const struct due_list *list = user;
    int64_t first = block * ROWS_TOGETHER, left = list->count - first;
    replay(list->deferred, list->rows + first, left < ROWS_TOGETHER ? left : ROWS_TOGETHER, list->deferred->step,
           thread);
}

static reel_status catch_up_rows(struct reel_deferred *d, const void *index, bool wide, int64_t count)
{
    reel_context *c = d->param->set->context;
    struct due_list list = {d, 0, NULL};
    size_t bytes;
    if (!reel_multiply_size(count, sizeof *list.rows, &bytes))
        bytes = SIZE_MAX;
    list.rows = reel_scratch_allocate(&c->scratch, bytes);
    if (!list.rows)
        return reel_fail_memory(c, "catching up on updates of rows", bytes);
    uint32_t now = (uint32_t)(d->step - d->base);
    for (int64_t i = 0; i < count; i++) {
        int64_t row = wide ? ((const int64_t *)index)[i] : ((const int32_t *)index)[i];
        if (d->stamps[row] == now)
            continue;
        list.rows[list.count++] = due_from(row, d->base + d->stamps[row] + 1);
        d->stamps[row] = now;
    }
    int threads = c->num_threads < d->threads ? c->num_threads : d->threads;
    reel_kern_for_each((list.count + ROWS_TOGETHER - 1) / ROWS_TOGETHER, threads, replay_list, &list);
    reel_scratch_release(&c->scratch, list.rows);
    return REEL_OK;
}

static void replay_block(void *user, int64_t block, int thread)
{
    const struct reel_deferred *d = user;
    int64_t first = block * ROWS_TOGETHER, n = reel_param_rows(d->param) - first;
    struct due due[ROWS_TOGETHER];
    n = n < ROWS_TOGETHER ? n : ROWS_TOGETHER;
    for (int64_t i = 0; i < n; i++)
        due[i] = due_from(first + i, d->base + d->stamps[first + i] + 1);
    replay(d, due, n, d->step, thread);
}

static void start_from(struct reel_deferred *d, int64_t step)
{
    d->base = d->step = step;
    reel_history_clear(&d->rates, step + 1);
    memset(d->stamps, 0, (size_t)reel_param_rows(d->param) * sizeof *d->stamps);
}

static void catch_up(struct reel_deferred *d)
{
    if (d->base == d->step)
        return;
    int64_t blocks = (reel_param_rows(d->param) + ROWS_TOGETHER - 1) / ROWS_TOGETHER;
    int threads = d->param->set->context->num_threads;
    reel_kern_for_each(blocks, threads < d->threads ? threads : d->threads, replay_block, d);
    start_from(d, d->step);
}

static reel_status before_read(struct reel_param_watcher *watcher, const void *index, bool wide, int64_t count)
{
    struct reel_deferred *d = (struct reel_deferred *)watcher;
    if (index && d->base < d->step)
        return catch_up_rows(d, index, wide, count);
    if (!index)
        catch_up(d);
    return REEL_OK;
}

/* ---- For the optimizer ---- */

struct reel_deferred *reel_deferred_new(reel_param *param, const reel_optim_algorithm *algorithm, const void *options,
                                        reel_real *const *state, int64_t step)
{
    reel_context *c = param->set->context;
    if (reel_param_is_deferred(param)) {
        reel_fail(c, REEL_ERROR_STATE, "%s: another optimizer defers updates of \"%s\"; only one of them can be exact",
                  algorithm->name, param->name);
        return NULL;
    }
    size_t bytes;
    if (!reel_multiply_size(reel_param_rows(param), sizeof(uint32_t), &bytes))
        bytes = SIZE_MAX;
    struct reel_deferred *d = reel_allocate_zeroed(&c->memory, sizeof *d);
    uint32_t *stamps = d ? reel_allocate_zeroed(&c->memory, bytes) : NULL;
    if (!stamps) {
        reel_free(&c->memory, d);
        reel_fail_memory(c, algorithm->name, bytes);
        return NULL;
    }
    *d = (struct reel_deferred){.watcher.before_read = before_read,
                                .param = param,
                                .algorithm = algorithm,
                                .options = options,
                                .base = step,
                                .step = step,
                                .stamps = stamps};
    memcpy(d->state, state, sizeof d->state);
    reel_history_clear(&d->rates, step + 1);
    reel_param_watch(param, &d->watcher);
    return d;
}

void reel_deferred_free(struct reel_deferred *d)
{
    if (!d)
        return;
    catch_up(d);
    reel_param_unwatch(d->param, &d->watcher);
    struct reel_memory *memory = &d->param->set->context->memory;
    reel_history_free(&d->rates, memory);
    reel_free(memory, d->room);
    reel_free(memory, d->stamps);
    reel_free(memory, d);
}

reel_status reel_deferred_reserve(struct reel_deferred *d)
{
    reel_context *c = d->param->set->context;
    if (!reel_history_reserve(&d->rates, &c->memory))
        return reel_fail_memory(c, d->algorithm->name, sizeof *d->rates.runs);
    if (d->threads >= c->num_threads)
        return REEL_OK;
    int64_t elements;
    size_t bytes = SIZE_MAX;
    reel_real *room = NULL;
    if (reel_multiply_int64(reel_param_columns(d->param), 1 + (int64_t)c->num_threads * (1 + REEL_OPTIM_STATES),
                            &elements) &&
        reel_multiply_size(elements, sizeof *room, &bytes))
        room = reel_allocate_zeroed(&c->memory, bytes);
    if (!room)
        return reel_fail_memory(c, d->algorithm->name, bytes);
    reel_free(&c->memory, d->room);
    d->room = room;
    d->threads = c->num_threads;
    return REEL_OK;
}

void reel_deferred_begin(struct reel_deferred *d, double lr)
{
    if (reel_history_is_full(&d->rates) || d->step - d->base == UINT32_MAX)
        catch_up(d);
    reel_history_append(&d->rates, lr, d->param->version);
    d->step++;
}

void reel_deferred_touch(struct reel_deferred *d, int64_t row, int thread)
{
    struct due due = due_from(row, d->base + d->stamps[row] + 1);
    replay(d, &due, 1, d->step - 1, thread);
    d->stamps[row] = (uint32_t)(d->step - d->base);
}

void reel_deferred_all_moved(struct reel_deferred *d)
{
    start_from(d, d->step + 1);
}
