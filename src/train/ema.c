/* Exponential moving averages of params. */
#include "train/ema.h"

#include "kern/optim.h"

#include <string.h>

static size_t bytes_of(const reel_param *param)
{
    return (size_t)param->numel * reel_dtype_size(param->dtype);
}

/* Takes in the params that the set got since the last look. */
static reel_status take_new_params(reel_ema *ema)
{
    struct reel_memory *memory = &ema->context->memory;
    while (ema->count < ema->params->count) {
        reel_param *param = ema->params->params[ema->count];
        struct reel_average average = {NULL, NULL, NULL};
        if (param->dtype == REEL_BFLOAT16)
            return reel_fail(ema->context, REEL_ERROR_DTYPE, "ema: \"%s\" is bfloat16, too coarse for an average",
                             param->name);
        if (reel_grow(memory, (void **)&ema->averages, ema->count, &ema->capacity, ema->count + 1,
                      sizeof *ema->averages))
            average.data = reel_allocate(memory, bytes_of(param));
        bool by_row = average.data && param->sparse && param->kind != REEL_PARAM_BUFFER;
        if (by_row)
            average.by_row = reel_row_average_new(param, average.data);
        if (!average.data || (by_row && !average.by_row)) {
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
    reel_params_hold(params);
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
        reel_row_average_free(ema->averages[i].by_row);
        reel_free(memory, ema->averages[i].param);
        reel_free(memory, ema->averages[i].data);
    }
    reel_free(memory, ema->averages);
    if (ema->params->swapped == ema)
        ema->params->swapped = NULL;
    reel_params_let_go(ema->params);
    if (reel_lifetime_end(&ema->lifetime))
        reel_free(memory, ema);
}

void reel_ema_let_go(reel_ema *ema)
{
    if (reel_lifetime_let_go(&ema->lifetime))
        reel_free(&ema->context->memory, ema);
}

reel_status reel_ema_update(reel_ema *ema)
{
    if (!ema || ema->context->status != REEL_OK)
        return ema ? ema->context->status : REEL_ERROR_ARGUMENT;
    if (reel_params_expect_own_values(ema->params, "ema_update") != REEL_OK || take_new_params(ema) != REEL_OK)
        return ema->context->status;
    for (int64_t i = 0; i < ema->count; i++) {
        struct reel_row_average *by_row = ema->averages[i].by_row;
        if (by_row && !reel_row_average_reserve(by_row))
            return reel_fail_memory(ema->context, "ema_update", sizeof(struct reel_history_run));
    }
    double weight = 1 - ema->decay;
    for (int64_t i = 0; i < ema->count; i++) {
        const reel_param *param = ema->params->params[i];
        const struct reel_average *average = &ema->averages[i];
        if (average->by_row)
            reel_row_average_update(average->by_row, ema->updated ? ema->decay : 0);
        else if (ema->updated && ema->decay > 0 && param->kind != REEL_PARAM_BUFFER)
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

/* Gives averages by row their place for the params, or takes it back. */
static reel_status reserve_swap(reel_ema *ema, bool wanted)
{
    struct reel_memory *memory = &ema->context->memory;
    for (int64_t i = 0; i < ema->count; i++) {
        struct reel_average *average = &ema->averages[i];
        size_t bytes = bytes_of(ema->params->params[i]);
        if (wanted && average->by_row && !(average->param = reel_allocate(memory, bytes))) {
            reserve_swap(ema, false);
            return reel_fail_memory(ema->context, "ema_swap", bytes);
        }
        if (!wanted) {
            reel_free(memory, average->param);
            average->param = NULL;
        }
    }
    return REEL_OK;
}

reel_status reel_ema_swap(reel_ema *ema)
{
    if (!ema || ema->context->status != REEL_OK)
        return ema ? ema->context->status : REEL_ERROR_ARGUMENT;
    if (reel_params_expect_own(ema->params, "ema_swap") != REEL_OK)
        return REEL_ERROR_STATE;
    bool swapped = ema->params->swapped == ema;
    if (!swapped &&
        (reel_params_expect_own_values(ema->params, "ema_swap") != REEL_OK || reserve_swap(ema, true) != REEL_OK))
        return ema->context->status;
    for (int64_t i = 0; i < ema->count; i++) {
        reel_param *param = ema->params->params[i];
        const struct reel_average *average = &ema->averages[i];
        if (average->by_row && !swapped)
            reel_row_average_read(average->by_row, average->param);
        /* Averages by row are not told of a change: the params come back. */
        reel_param_before_read_all(param);
        swap_bytes(bytes_of(param), reel_param_count_change(param), average->by_row ? average->param : average->data);
    }
    if (swapped)
        reserve_swap(ema, false);
    ema->params->swapped = swapped ? NULL : ema;
    return REEL_OK;
}

reel_status reel_ema_copy_to(const reel_ema *ema, reel_params *to)
{
    if (!ema || ema->context->status != REEL_OK)
        return ema ? ema->context->status : REEL_ERROR_ARGUMENT;
    reel_context *c = ema->context;
    if (!to)
        return reel_fail(c, REEL_ERROR_ARGUMENT, "ema_copy_to: there is no set to copy to");
    if (reel_params_expect_own_values(ema->params, "ema_copy_to") != REEL_OK ||
        reel_params_expect_own_values(to, "ema_copy_to") != REEL_OK ||
        reel_params_expect_own(to, "ema_copy_to") != REEL_OK)
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
        void *target = reel_param_write(reel_params_find(to, from->name));
        if (ema->averages[i].by_row)
            reel_row_average_read(ema->averages[i].by_row, target);
        else
            memcpy(target, ema->averages[i].data, bytes_of(from));
    }
    return REEL_OK;
}
