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

/* Takes the param out of its tape's list. */
static void leave_tape(reel_param *param)
{
    if (!param->pending_tape)
        return;
    reel_param **link = &param->pending_tape->pending;
    while (*link != param)
        link = &(*link)->next_pending;
    *link = param->next_pending;
    param->next_pending = NULL;
    param->pending_tape = NULL;
}

static void forget_pending(reel_param *param)
{
    if (!param->pending)
        return;
    for (struct reel_row_pass *pass = param->pending; pass; pass = pass->next)
        reel_rows_release(param->set->context, pass->rows);
    param->pending = NULL;
    param->pending_end = &param->pending;
    leave_tape(param);
}

bool reel_param_has_rows(const reel_param *param)
{
    return param->pending || param->has_kept;
}

/* Merges the groups of one pass into the kept rows, from the back, so that no second copy is needed. */
static reel_status keep_groups(reel_param *param, struct reel_row_groups *groups)
{
    struct reel_memory *memory = &param->set->context->memory;
    int64_t columns = reel_param_columns(param), kept = param->kept_count, common = 0, elements;
    for (int64_t g = 0, k = 0; g < groups->count; g++) {
        int64_t row = groups->occurrences[groups->starts[g]].row;
        while (k < kept && param->kept_rows[k] < row)
            k++;
        common += k < kept && param->kept_rows[k] == row;
    }
    int64_t total = kept + groups->count - common;
    /* At least one element, so that rows without any are at some address. */
    if (!reel_multiply_int64(total, columns > 0 ? columns : 1, &elements) ||
        !reel_grow(memory, (void **)&param->kept_rows, kept, &param->kept_rows_capacity, total, sizeof(int64_t)) ||
        !reel_grow(memory, (void **)&param->kept_values, kept * columns, &param->kept_values_capacity, elements,
                   sizeof(reel_real)))
        return reel_fail(param->set->context, REEL_ERROR_OUT_OF_MEMORY,
                         "out of memory: the row gradient of \"%s\" has %lld rows", param->name, (long long)total);
    if (reel_row_groups_sum_long(param->set->context, groups, columns) != REEL_OK)
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
    pass->used = false;
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

/* Whether all that is pending is one pass that was used, whose gradient rows are in scratch. */
static bool can_park(const reel_param *param)
{
    const struct reel_row_pass *pass = param->pending;
    const struct reel_rows *r = pass->rows;
    while (r && r->block)
        r = r->next;
    return !pass->next && pass->used && !param->has_kept && !r;
}

/* Saves the pass for the case that somebody still wants it, without the work of summing it, which zero_grad mostly
 * makes needless. The gradient rows stay where they are, held in scratch. */
static reel_status park(reel_param *param)
{
    struct reel_row_pass *pass = param->pending;
    int64_t lists = 0, indices = 0;
    for (const struct reel_rows *r = pass->rows; r; r = r->next) {
        lists++;
        indices += r->source ? 2 * r->count : r->count;
    }
    struct reel_memory *memory = &param->set->context->memory;
    if (!reel_grow(memory, (void **)&param->parked_rows, 0, &param->parked_rows_capacity, lists,
                   sizeof *param->parked_rows) ||
        !reel_grow(memory, (void **)&param->parked_indices, 0, &param->parked_indices_capacity, indices,
                   sizeof *param->parked_indices))
        return reel_fail(param->set->context, REEL_ERROR_OUT_OF_MEMORY,
                         "out of memory: the row gradient of \"%s\" has %lld indices", param->name, (long long)indices);
    struct reel_rows *to = param->parked_rows;
    int64_t *index = param->parked_indices;
    for (const struct reel_rows *r = pass->rows; r; r = r->next, to++) {
        *to = *r;
        to->indices = index;
        to->next = r->next ? to + 1 : NULL;
        memcpy(index, r->indices, (size_t)r->count * sizeof *index);
        index += r->count;
        if (r->source) {
            to->source = index;
            memcpy(index, r->source, (size_t)r->count * sizeof *index);
            index += r->count;
        }
    }
    param->parked = (struct reel_row_pass){param->parked_rows, true, NULL};
    param->pending = &param->parked;
    param->pending_end = &param->parked.next;
    leave_tape(param);
    return REEL_OK;
}

reel_status reel_params_keep_pending(reel_tape *tape)
{
    while (tape->pending) {
        reel_param *param = tape->pending;
        reel_status status = can_park(param) ? park(param) : reel_param_keep_rows(param);
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
