/* The gradients that params hold between a backward pass and an optimizer step: dense, or rows. */
#include "base/checked.h"
#include "core/params.h"
#include "core/rows.h"
#include "core/tape.h"

#include <string.h>

reel_real *reel_param_grad_buffer(reel_param *param)
{
    if (!param->grad) {
        size_t bytes;
        if (!reel_multiply_size(param->numel, sizeof(reel_real), &bytes))
            bytes = SIZE_MAX;
        param->grad = reel_allocate(&param->set->context->memory, bytes);
        if (!param->grad)
            reel_fail(param->set->context, REEL_ERROR_OUT_OF_MEMORY,
                      "out of memory: the gradient of \"%s\" needs %zu bytes", param->name, bytes);
    }
    return param->grad;
}

void reel_rows_release(reel_context *context, struct reel_rows *rows)
{
    for (; rows; rows = rows->next)
        reel_scratch_release(&context->scratch, rows->block);
}

static void forget_pending(reel_param *param)
{
    if (!param->pending)
        return;
    for (struct reel_row_pass *pass = param->pending; pass; pass = pass->next)
        reel_rows_release(param->set->context, pass->rows);
    param->pending = NULL;
    param->pending_end = &param->pending;
    reel_param **link = &param->pending_tape->pending;
    while (*link != param)
        link = &(*link)->next_pending;
    *link = param->next_pending;
    param->next_pending = NULL;
    param->pending_tape = NULL;
}

bool reel_param_has_rows(const reel_param *param)
{
    return param->pending || param->has_kept;
}

reel_status reel_param_reserve_rows(reel_param *param, int64_t rows)
{
    struct reel_memory *memory = &param->set->context->memory;
    int64_t columns = reel_param_columns(param), kept = param->kept_count, elements;
    /* At least one element, so that rows without any are at some address. */
    if (!reel_multiply_int64(rows, columns > 0 ? columns : 1, &elements) ||
        !reel_grow(memory, (void **)&param->kept_rows, kept, &param->kept_rows_capacity, rows, sizeof(int64_t)) ||
        !reel_grow(memory, (void **)&param->kept_values, kept * columns, &param->kept_values_capacity, elements,
                   sizeof(reel_real)))
        return reel_fail(param->set->context, REEL_ERROR_OUT_OF_MEMORY,
                         "out of memory: the row gradient of \"%s\" has %lld rows", param->name, (long long)rows);
    return REEL_OK;
}

void reel_param_pending_is_kept(reel_param *param, const struct reel_row_groups *groups)
{
    for (int64_t g = 0; g < groups->count; g++)
        param->kept_rows[g] = groups->occurrences[groups->starts[g]].row;
    param->kept_count = groups->count;
    param->has_kept = true;
    forget_pending(param);
}

/* Merges the groups of one pass into the kept rows, from the back, so that no second copy is needed. */
static reel_status keep_groups(reel_param *param, struct reel_row_groups *groups)
{
    int64_t columns = reel_param_columns(param), kept = param->kept_count, common = 0;
    for (int64_t g = 0, k = 0; g < groups->count; g++) {
        int64_t row = groups->occurrences[groups->starts[g]].row;
        while (k < kept && param->kept_rows[k] < row)
            k++;
        common += k < kept && param->kept_rows[k] == row;
    }
    int64_t total = kept + groups->count - common;
    if (reel_param_reserve_rows(param, total) != REEL_OK ||
        reel_row_groups_sum_long(param->set->context, groups, columns) != REEL_OK)
        return param->set->context->status;
    int64_t k = kept - 1, g = groups->count - 1;
    for (int64_t to = total - 1; g >= 0; to--) {
        int64_t row = groups->occurrences[groups->starts[g]].row;
        bool take_kept = k >= 0 && param->kept_rows[k] >= row;
        bool take_group = k < 0 || param->kept_rows[k] <= row;
        reel_real *values = param->kept_values + to * columns;
        if (take_kept) {
            param->kept_rows[to] = param->kept_rows[k];
            memmove(values, param->kept_values + k * columns, (size_t)columns * sizeof *values);
            k--;
        }
        if (take_group) {
            param->kept_rows[to] = row;
            reel_kern_sum_group(groups, g, columns, take_kept, values);
            g--;
        }
    }
    param->kept_count = total;
    param->has_kept = true;
    return REEL_OK;
}

reel_status reel_param_keep_rows(reel_param *param)
{
    reel_context *c = param->set->context;
    while (param->pending) {
        struct reel_row_pass *pass = param->pending;
        struct reel_row_groups groups;
        reel_status status = reel_row_groups_make(c, pass->rows, &groups);
        if (status == REEL_OK)
            status = keep_groups(param, &groups);
        reel_row_groups_release(c, &groups);
        if (status != REEL_OK)
            return status;
        if (!pass->next)
            forget_pending(param);
        else {
            reel_rows_release(c, pass->rows);
            param->pending = pass->next;
        }
    }
    return REEL_OK;
}

reel_status reel_param_add_pass(reel_param *param, struct reel_tape *tape, struct reel_row_pass *pass)
{
    if (param->pending && param->pending_tape != tape && reel_param_keep_rows(param) != REEL_OK) {
        reel_rows_release(tape->context, pass->rows);
        return tape->context->status;
    }
    if (!param->pending) {
        param->pending_tape = tape;
        param->next_pending = tape->pending;
        tape->pending = param;
    }
    pass->next = NULL;
    *param->pending_end = pass;
    param->pending_end = &pass->next;
    return REEL_OK;
}

reel_status reel_param_densify(reel_param *param)
{
    if (!reel_param_has_rows(param))
        return REEL_OK;
    if (reel_param_keep_rows(param) != REEL_OK || !reel_param_grad_buffer(param))
        return param->set->context->status;
    int64_t columns = reel_param_columns(param);
    memset(param->grad, 0, (size_t)param->numel * sizeof *param->grad);
    for (int64_t k = 0; k < param->kept_count; k++)
        memcpy(param->grad + param->kept_rows[k] * columns, param->kept_values + k * columns,
               (size_t)columns * sizeof *param->grad);
    param->has_kept = false;
    param->kept_count = 0;
    param->has_grad = true;
    return REEL_OK;
}

reel_status reel_params_keep_pending(reel_tape *tape)
{
    while (tape->pending) {
        reel_status status = reel_param_keep_rows(tape->pending);
        if (status != REEL_OK)
            return status;
    }
    return REEL_OK;
}

void reel_params_drop_pending(reel_tape *tape)
{
    while (tape->pending) {
        reel_param *param = tape->pending;
        if (reel_param_keep_rows(param) != REEL_OK) {
            param->set->gradients_incomplete = true;
            forget_pending(param);
        }
    }
}

static void forget_grad(reel_param *param)
{
    param->has_grad = false;
    param->has_kept = false;
    param->kept_count = 0;
    forget_pending(param);
}

void reel_zero_grad(reel_params *params)
{
    if (!params)
        return;
    for (int64_t i = 0; i < params->count; i++)
        forget_grad(params->params[i]);
    params->gradients_incomplete = false;
}

const reel_real *reel_param_grad(reel_param *param)
{
    if (!param || param->set->context->status != REEL_OK)
        return NULL;
    if (param->has_grad || !reel_param_has_rows(param))
        return param->has_grad ? param->grad : NULL;
    /* A look at the gradient must not change what the optimizer sees, so the rows stay what they are. */
    int64_t kept;
    if (reel_param_keep_rows(param) != REEL_OK)
        return NULL;
    kept = param->kept_count;
    if (reel_param_densify(param) != REEL_OK)
        return NULL;
    param->has_kept = true;
    param->kept_count = kept;
    param->has_grad = false;
    return param->grad;
}

reel_status reel_param_set_grad(reel_param *param, const reel_real *grad)
{
    if (!param || param->set->context->status != REEL_OK)
        return param ? param->set->context->status : REEL_ERROR_ARGUMENT;
    if (param->kind == REEL_PARAM_BUFFER)
        return reel_fail(param->set->context, REEL_ERROR_ARGUMENT, "buffer \"%s\" has no gradient", param->name);
    if (grad && !reel_param_grad_buffer(param))
        return param->set->context->status;
    forget_grad(param);
    if (!grad)
        return REEL_OK;
    memmove(param->grad, grad, (size_t)param->numel * sizeof *grad);
    param->has_grad = true;
    return REEL_OK;
}

reel_status reel_param_row_grad(reel_param *param, reel_row_grad *out)
{
    if (!param || !out)
        return REEL_ERROR_ARGUMENT;
    *out = (reel_row_grad){0, reel_param_columns(param), NULL, NULL};
    if (param->set->context->status != REEL_OK)
        return param->set->context->status;
    if (param->has_grad)
        return reel_fail(param->set->context, REEL_ERROR_STATE, "param \"%s\": the gradient is dense", param->name);
    if (reel_param_keep_rows(param) != REEL_OK)
        return param->set->context->status;
    *out = (reel_row_grad){param->kept_count, reel_param_columns(param), param->kept_rows, param->kept_values};
    return REEL_OK;
}
