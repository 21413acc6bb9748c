#include <reel/ema.h>

#include "base/checked.h"
#include "core/params.h"
#include "kern/optim.h"
#include "kern/parallel.h"
#include "train/history.h"

#include <math.h>
#include <string.h>

/* The average of a table with row-sparse gradients. Updates of a row are put off until the row changes, since only its
 * value is needed for them, and it stays what it is meanwhile. */
struct follower {
    struct reel_param_watcher watcher; /* first: they are converted into each other */
    reel_param *param;
    reel_real *average;
    int64_t base; /* row r has had base + stamps[r] updates */
    uint32_t *stamps;
    struct reel_history decays; /* 0: the average becomes the param */
};

struct average {
    void *data;
    struct follower *follower; /* or NULL */
};

struct reel_ema {
    reel_context *context;
    reel_params *params;
    double decay;
    struct average *averages; /* of the set's params and buffers, in order */
    int64_t count, capacity;
    bool updated; /* at least once */
    bool swapped;
};

static size_t bytes_of(const reel_param *param)
{
    return (size_t)param->numel * reel_dtype_size(param->dtype);
}

/* ---- Averages that follow rows ---- */

enum { ROWS_AT_ONCE = 1024 };

/* Applies to rows the updates up to `last`. */
static void catch_up(struct follower *f, int64_t first, int64_t end, int64_t last)
{
    int64_t columns = reel_param_columns(f->param);
    for (int64_t row = first; row < end; row++) {
        int64_t update = f->base + f->stamps[row] + 1;
        if (update > last)
            continue;
        /* The row was what it is in all of these updates: average = param + decay (average - param), many times. */
        double decay = 1;
        for (int64_t r = reel_history_find(&f->decays, update); update <= last; r++) {
            const struct reel_history_run *run = &f->decays.runs[r];
            int64_t run_end = r + 1 < f->decays.count && run[1].first <= last ? run[1].first : last + 1;
            decay *= run_end - update == 1 ? run->value : pow(run->value, (double)(run_end - update));
            update = run_end;
        }
        const reel_real *param = (const reel_real *)f->param->data + row * columns;
        reel_real *average = f->average + row * columns;
        if (decay > 0)
            reel_kern_lerp(columns, (reel_real)(1 - decay), param, average, 1);
        else
            memcpy(average, param, (size_t)columns * sizeof *average);
        f->stamps[row] = (uint32_t)(last - f->base);
    }
}

static void before_change(struct reel_param_watcher *watcher, int64_t first, int64_t count, uint64_t version)
{
    struct follower *f = (struct follower *)watcher;
    catch_up(f, first, first + count, f->base + reel_history_count_until(&f->decays, version));
}

static void catch_up_block(void *user, int64_t block, int thread)
{
    struct follower *f = user;
    int64_t rows = reel_param_rows(f->param), first = block * ROWS_AT_ONCE;
    (void)thread;
    catch_up(f, first, rows - first < ROWS_AT_ONCE ? rows : first + ROWS_AT_ONCE, f->decays.next - 1);
}

static void catch_up_all(struct follower *f)
{
    int64_t rows = reel_param_rows(f->param);
    if (f->decays.count == 0)
        return;
    reel_param_before_read_all(f->param);
    reel_kern_for_each((rows + ROWS_AT_ONCE - 1) / ROWS_AT_ONCE, f->param->set->context->num_threads, catch_up_block,
                       f);
    memset(f->stamps, 0, (size_t)rows * sizeof *f->stamps);
    f->base = f->decays.next - 1;
    reel_history_clear(&f->decays, f->decays.next);
}

static void follower_free(struct follower *f)
{
    if (!f)
        return;
    struct reel_memory *memory = &f->param->set->context->memory;
    reel_param_unwatch(f->param, &f->watcher);
    reel_history_free(&f->decays, memory);
    reel_free(memory, f->stamps);
    reel_free(memory, f);
}

static struct follower *follower_new(reel_param *param, reel_real *average)
{
    struct reel_memory *memory = &param->set->context->memory;
    size_t bytes;
    if (!reel_multiply_size(reel_param_rows(param), sizeof(uint32_t), &bytes))
        return NULL;
    struct follower *f = reel_allocate_zeroed(memory, sizeof *f);
    uint32_t *stamps = f ? reel_allocate_zeroed(memory, bytes) : NULL;
    if (!stamps) {
        reel_free(memory, f);
        return NULL;
    }
    *f =
        (struct follower){.watcher.before_change = before_change, .param = param, .average = average, .stamps = stamps};
    reel_history_clear(&f->decays, 1);
    reel_param_watch(param, &f->watcher);
    return f;
}

static void follower_update(struct follower *f, double decay)
{
    if (reel_history_is_full(&f->decays) || f->decays.next - f->base > UINT32_MAX)
        catch_up_all(f);
    reel_history_append(&f->decays, decay, f->param->version);
}

/* ---- The set ---- */

/* Takes in the params that the set got since the last look. */
static reel_status take_new_params(reel_ema *ema)
{
    struct reel_memory *memory = &ema->context->memory;
    while (ema->count < ema->params->count) {
        reel_param *param = ema->params->params[ema->count];
        struct average average = {NULL, NULL};
        if (reel_grow(memory, (void **)&ema->averages, ema->count, &ema->capacity, ema->count + 1,
                      sizeof *ema->averages))
            average.data = reel_allocate(memory, bytes_of(param));
        bool by_row = average.data && param->sparse && param->kind != REEL_PARAM_BUFFER;
        if (by_row)
            average.follower = follower_new(param, average.data);
        if (!average.data || (by_row && !average.follower)) {
            reel_free(memory, average.data);
            return reel_fail(ema->context, REEL_ERROR_OUT_OF_MEMORY,
                             "out of memory: the average of \"%s\" needs %zu bytes", param->name, bytes_of(param));
        }
        memcpy(average.data, reel_param_data(param), bytes_of(param));
        ema->averages[ema->count++] = average;
    }
    return REEL_OK;
}

static bool check_decay(reel_context *c, double decay)
{
    if (decay >= 0 && decay <= 1)
        return true;
    reel_fail(c, REEL_ERROR_ARGUMENT, "ema: decay is %g, it must be in [0, 1]", decay);
    return false;
}

reel_ema *reel_ema_new(reel_params *params, double decay)
{
    if (!params || params->context->status != REEL_OK)
        return NULL;
    reel_context *c = params->context;
    if (!check_decay(c, decay))
        return NULL;
    reel_ema *ema = reel_allocate_zeroed(&c->memory, sizeof *ema);
    if (!ema) {
        reel_fail_memory(c, "ema", sizeof *ema);
        return NULL;
    }
    ema->context = c;
    ema->params = params;
    ema->decay = decay;
    if (take_new_params(ema) != REEL_OK) {
        reel_ema_free(ema);
        return NULL;
    }
    return ema;
}

reel_status reel_ema_set_decay(reel_ema *ema, double decay)
{
    if (!ema)
        return REEL_ERROR_ARGUMENT;
    reel_context *c = ema->params->context;
    if (c->status == REEL_OK && check_decay(c, decay))
        ema->decay = decay;
    return c->status;
}

void reel_ema_free(reel_ema *ema)
{
    if (!ema)
        return;
    struct reel_memory *memory = &ema->context->memory;
    for (int64_t i = 0; i < ema->count; i++) {
        follower_free(ema->averages[i].follower);
        reel_free(memory, ema->averages[i].data);
    }
    reel_free(memory, ema->averages);
    reel_free(memory, ema);
}

static reel_status expect_not_swapped(const reel_ema *ema, const char *who)
{
    if (!ema->swapped)
        return REEL_OK;
    return reel_fail(ema->context, REEL_ERROR_STATE, "%s: params and averages are swapped; swap them back first", who);
}

reel_status reel_ema_update(reel_ema *ema)
{
    if (!ema || ema->context->status != REEL_OK)
        return ema ? ema->context->status : REEL_ERROR_ARGUMENT;
    if (expect_not_swapped(ema, "ema_update") != REEL_OK || take_new_params(ema) != REEL_OK)
        return ema->context->status;
    for (int64_t i = 0; i < ema->count; i++) {
        struct follower *f = ema->averages[i].follower;
        if (f && !reel_history_reserve(&f->decays, &ema->context->memory))
            return reel_fail_memory(ema->context, "ema_update", sizeof *f->decays.runs);
    }
    double weight = 1 - ema->decay;
    for (int64_t i = 0; i < ema->count; i++) {
        const reel_param *param = ema->params->params[i];
        const struct average *average = &ema->averages[i];
        if (average->follower)
            follower_update(average->follower, ema->updated ? ema->decay : 0);
        else if (ema->updated && param->kind != REEL_PARAM_BUFFER)
            reel_kern_lerp(param->numel, (reel_real)weight, reel_param_data(param), average->data,
                           ema->context->num_threads);
        else
            memcpy(average->data, reel_param_data(param), bytes_of(param));
    }
    ema->updated = true;
    return REEL_OK;
}

static void swap_bytes(size_t n, unsigned char *a, unsigned char *b)
{
    unsigned char kept[4096];
    for (size_t first = 0; first < n; first += sizeof kept) {
        size_t some = n - first < sizeof kept ? n - first : sizeof kept;
        memcpy(kept, a + first, some);
        memcpy(a + first, b + first, some);
        memcpy(b + first, kept, some);
    }
}

reel_status reel_ema_swap(reel_ema *ema)
{
    if (!ema || ema->context->status != REEL_OK)
        return ema ? ema->context->status : REEL_ERROR_ARGUMENT;
    for (int64_t i = 0; i < ema->count; i++) {
        reel_param *param = ema->params->params[i];
        if (ema->averages[i].follower)
            catch_up_all(ema->averages[i].follower);
        swap_bytes(bytes_of(param), reel_param_write(param), ema->averages[i].data);
    }
    ema->swapped = !ema->swapped;
    return REEL_OK;
}

reel_status reel_ema_copy_to(const reel_ema *ema, reel_params *to)
{
    if (!ema || ema->context->status != REEL_OK)
        return ema ? ema->context->status : REEL_ERROR_ARGUMENT;
    reel_context *c = ema->context;
    if (!to)
        return reel_fail(c, REEL_ERROR_ARGUMENT, "ema_copy_to: there is no set to copy to");
    if (expect_not_swapped(ema, "ema_copy_to") != REEL_OK)
        return c->status;
    if (to->count != ema->count)
        return reel_fail(c, REEL_ERROR_ARGUMENT, "ema_copy_to: there are %lld averages, the set has %lld params",
                         (long long)ema->count, (long long)to->count);
    for (int64_t i = 0; i < ema->count; i++) {
        const reel_param *from = ema->params->params[i], *target = reel_params_find(to, from->name);
        if (!target || target->dtype != from->dtype || !reel_shape_equal(&target->shape, &from->shape))
            return reel_fail(c, REEL_ERROR_ARGUMENT, "ema_copy_to: \"%s\" %s", from->name,
                             target ? "has another shape or type" : "is missing");
    }
    for (int64_t i = 0; i < ema->count; i++) {
        const reel_param *from = ema->params->params[i];
        if (ema->averages[i].follower)
            catch_up_all(ema->averages[i].follower);
        memcpy(reel_param_write(reel_params_find(to, from->name)), ema->averages[i].data, bytes_of(from));
    }
    return REEL_OK;
}
