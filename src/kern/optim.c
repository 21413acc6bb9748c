/* The walk of an optimizer's update over params and rows; the updates themselves are in src/train. */
#include "kern/optim.h"

#include "base/clones.h"
#include "kern/bfloat16.h"
#include "kern/parallel.h"
#include "kern/update.h"

#include <omp.h>
#include <stddef.h>

/* ---- Whole params ---- */

/* Where the state of a slice begins, whose first element is in this row. */
static void find_state(const reel_optim_algorithm *algorithm, int64_t element, int64_t row, reel_real *const *state,
                       reel_real **there)
{
    for (int k = 0; k < algorithm->n_states; k++) {
        reel_optim_scope scope = algorithm->states[k].scope;
        there[k] = state[k] ? state[k] + (scope == REEL_PER_ELEMENT ? element : scope == REEL_PER_ROW ? row : 0) : NULL;
    }
}

static void update_slice(const struct reel_update *u, int64_t element, int64_t n, int64_t row, reel_real *param,
                         const reel_real *grad, reel_real *const *state)
{
    reel_real *there[REEL_OPTIM_STATES];
    if (u->algorithm->scope == REEL_PER_ELEMENT)
        for (int k = 0; k < REEL_OPTIM_STATES; k++)
            there[k] = state[k] ? state[k] + element : NULL;
    else
        find_state(u->algorithm, element, row, state, there);
    u->algorithm->update(&u->constants, n, param + element, grad, there);
}

void reel_kern_update_row(const struct reel_update *u, int64_t columns, int64_t row, reel_real *param,
                          const reel_real *grad, reel_real *const *state)
{
    update_slice(u, row * columns, columns, row, param, grad, state);
}

static void update_rows_between(const struct reel_update *u, int64_t first, int64_t last, int64_t columns,
                                reel_real *param, const reel_real *grad, reel_real *const *state)
{
    for (int64_t row = first; row < last; row++)
        reel_kern_update_row(u, columns, row, param, grad + row * columns, state);
}

void reel_kern_update_dense(const struct reel_update *u, int64_t rows, int64_t columns, reel_real *param,
                            const reel_real *grad, reel_real *const *state, int threads)
{
    if (u->algorithm->scope == REEL_PER_ROW) {
        int64_t step = columns < REEL_BLOCK ? REEL_BLOCK / (columns + 1) : 1;
        REEL_PARALLEL_FOR(first, last, rows, step, threads,
                          update_rows_between(u, first, last, columns, param, grad, state));
        return;
    }
    REEL_PARALLEL_FOR(first, last, rows * columns, REEL_BLOCK, threads,
                      update_slice(u, first, last - first, 0, param, grad + first, state));
}

static void measure_slice(const struct reel_update *u, int64_t element, int64_t n, const reel_real *param,
                          const reel_real *grad, reel_real *const *state, double *sums)
{
    reel_real *there[REEL_OPTIM_STATES];
    find_state(u->algorithm, element, 0, state, there);
    u->algorithm->measure(&u->constants, n, param + element, grad + element, there, sums);
}

void reel_kern_update_whole(struct reel_update u, int64_t rows, int64_t columns, reel_real *param,
                            const reel_real *grad, reel_real *const *state, int threads)
{
    enum { SLICES = 64 };
    double sums[SLICES][REEL_OPTIM_SUMS] = {0}, total[REEL_OPTIM_SUMS] = {0};
    int64_t n = rows * columns, size = (n + SLICES - 1) / SLICES;
    size = size > REEL_BLOCK ? size : REEL_BLOCK;
    REEL_PARALLEL_FOR(first, last, n, size, threads,
                      measure_slice(&u, first, last - first, param, grad, state, sums[first / size]));
    for (int i = 0; i < SLICES; i++)
        for (int k = 0; k < REEL_OPTIM_SUMS; k++)
            total[k] += sums[i][k];
    u.algorithm->conclude(&u.constants, total, state);
    reel_kern_update_dense(&u, rows, columns, param, grad, state, threads);
}

/* ---- Rows ---- */

/* The rows of a large table are far apart: the next one is on its way while this one is computed. */
static void prefetch_row(const struct reel_update *update, const struct reel_update_rows *rows, int64_t g,
                         const void *param, reel_real *const *state)
{
    enum { LINE = 64, LINES = 8 };
    const size_t size = rows->narrow ? sizeof(uint16_t) : sizeof(reel_real);
    const int64_t row = reel_gradient_row(rows->gradient, g);
    size_t bytes = (size_t)rows->gradient->columns * size, from = (size_t)row * bytes;
    bytes = bytes < (size_t)LINES * LINE ? bytes : (size_t)LINES * LINE;
    const char *lines[1 + REEL_OPTIM_STATES] = {(const char *)param + from};
    int n_lines = 1;
    for (int k = 0; k < update->algorithm->n_states; k++)
        if (state[k] && update->algorithm->states[k].scope == REEL_PER_ELEMENT)
            lines[n_lines++] = (const char *)state[k] + from;
        else if (state[k])
            __builtin_prefetch(state[k] + row, 1);
    for (int k = 0; k < n_lines; k++)
        for (size_t i = 0; i < bytes; i += LINE)
            __builtin_prefetch(lines[k] + i, 1);
}

/* The arrays of a row that are bfloat16: the param and its states. */
enum { ARRAYS = 1 + REEL_OPTIM_STATES };

/* Of one thread: what is drawn for all arrays of a row, and these as reals. */
static size_t room_for_ups(int64_t columns)
{
    const size_t blocks = ((size_t)columns * ARRAYS + REEL_KERN_UPS - 1) / REEL_KERN_UPS;
    return blocks * REEL_KERN_UPS * sizeof(uint16_t);
}

static size_t room_of_thread(const reel_optim_algorithm *algorithm, int64_t columns)
{
    return room_for_ups(columns) + (1 + (size_t)algorithm->n_states) * (size_t)columns * sizeof(reel_real);
}

size_t reel_kern_update_room(const reel_optim_algorithm *algorithm, int64_t columns, int threads)
{
    return (size_t)threads * room_of_thread(algorithm, columns);
}

static void update_narrow_row(const struct reel_update *u, const struct reel_update_narrow *narrow, int64_t columns,
                              int64_t row, int thread, uint16_t *param, const reel_real *grad, reel_real *const *state)
{
    char *room = (char *)narrow->room + (size_t)thread * room_of_thread(u->algorithm, columns);
    uint16_t *up = (uint16_t *)(void *)room, *stored[ARRAYS] = {param + row * columns};
    reel_real *wide = (reel_real *)(void *)(room + room_for_ups(columns)), *there[REEL_OPTIM_STATES];
    int arrays = 1;
    find_state(u->algorithm, 0, row, state, there);
    for (int k = 0; k < u->algorithm->n_states; k++)
        if (state[k] && u->algorithm->states[k].scope == REEL_PER_ELEMENT) {
            there[k] = wide + arrays * columns;
            stored[arrays++] = (uint16_t *)(void *)state[k] + row * columns;
        }
    for (int k = 0; k < arrays; k++)
        reel_kern_widen(columns, stored[k], wide + k * columns);
    u->algorithm->update(&u->constants, columns, wide, grad, there);
    const int64_t blocks = (columns * arrays + REEL_KERN_UPS - 1) / REEL_KERN_UPS;
    reel_kern_draw_ups(columns * arrays, narrow->key, (uint64_t)(row * blocks), up);
    for (int k = 0; k < arrays; k++)
        reel_kern_narrow_drawn(columns, wide + k * columns, up + k * columns, stored[k]);
}

static void update_row(const struct reel_update *update, const struct reel_update_rows *rows, int64_t g, int thread,
                       void *param, reel_real *const *state)
{
    int64_t row = reel_gradient_row(rows->gradient, g);
    if (rows->before)
        rows->before(rows->user, row, thread);
    const reel_real *grad = reel_gradient_values(rows->gradient, g);
    if (rows->first && !rows->seen[row]) {
        rows->seen[row] = 1;
        update = rows->first;
    }
    if (rows->narrow)
        update_narrow_row(update, rows->narrow, rows->gradient->columns, row, thread, param, grad, state);
    else
        reel_kern_update_row(update, rows->gradient->columns, row, param, grad, state);
}

/* A block of groups may hold anything from one occurrence a group to most of the batch, so threads take blocks as they
 * get to them; every row is still the work of one thread. */
enum { GROUPS = 16, AHEAD = 4 };

static void update_groups(const struct reel_update *update, const struct reel_update_rows *rows, int64_t first,
                          int64_t end, int thread, void *param, reel_real *const *state)
{
    for (int64_t g = first; g < end; g++) {
        if (g + AHEAD < rows->gradient->count)
            prefetch_row(update, rows, g + AHEAD, param, state);
        update_row(update, rows, g, thread, param, state);
    }
}

void reel_kern_update_rows(const struct reel_update *update, const struct reel_update_rows *rows, void *param,
                           reel_real *const *state, int threads)
{
    const struct reel_gradient_rows *g = rows->gradient;
    int64_t blocks = (g->count + GROUPS - 1) / GROUPS;
    int64_t work = (g->rows || g->count == 0 ? g->count : g->groups.starts[g->count]) * g->columns;
    if (blocks <= 1 || threads <= 1 || work <= REEL_BLOCK) {
        update_groups(update, rows, 0, g->count, 0, param, state);
        return;
    }
#pragma omp parallel for num_threads(threads) schedule(dynamic, 4)
    for (int64_t b = 0; b < blocks; b++) {
        int64_t end = (b + 1) * GROUPS < g->count ? (b + 1) * GROUPS : g->count;
        update_groups(update, rows, b * GROUPS, end, omp_get_thread_num(), param, state);
    }
}

/* ---- Averages ---- */

REEL_CLONES
static void lerp_block(int64_t n, reel_real weight, const reel_real *restrict from, reel_real *restrict to)
{
    for (int64_t i = 0; i < n; i++)
        to[i] = reel_lerp(to[i], from[i], weight);
}

void reel_kern_lerp(int64_t n, reel_real weight, const reel_real *from, reel_real *to, int threads)
{
    REEL_PARALLEL_FOR(first, last, n, REEL_BLOCK, threads, lerp_block(last - first, weight, from + first, to + first));
}

/* As many elements as stay in the first cache while they are moved many times. */
enum { LERP_TOGETHER = 1024 };

/* Once a lerp changes nothing, none that follow it do. */
REEL_CLONES
static void lerp_many(int64_t n, reel_real weight, int64_t times, const reel_real *restrict from,
                      reel_real *restrict to)
{
    for (int32_t changed = 1; times > 0 && changed > 0; times--) {
        changed = 0;
        for (int64_t i = 0; i < n; i++) {
            reel_real moved = reel_lerp(to[i], from[i], weight);
            changed |= moved != to[i];
            to[i] = moved;
        }
    }
}

void reel_kern_lerp_times(int64_t n, reel_real weight, int64_t times, const reel_real *from, reel_real *to)
{
    for (int64_t i = 0; i < n; i += LERP_TOGETHER)
        lerp_many(n - i < LERP_TOGETHER ? n - i : LERP_TOGETHER, weight, times, from + i, to + i);
}
