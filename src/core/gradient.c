/* What may live here: what becomes of a param's gradient, from the pass that computed it to the step that uses it. */
#include "core/gradient.h"

#include "base/checked.h"
#include "core/formed.h"
#include "core/params.h"
#include "core/rows.h"
#include "core/tape.h"
#include "kern/copy.h"

#include <assert.h>
#include <string.h>

/* What holds between any two calls. */
static void expect_sound(const reel_param *param)
{
    const struct reel_param_gradient *g = &param->gradient;
    (void)g;
    assert(!(g->is_dense && (g->is_kept || g->pending)) && "a gradient is dense or rows");
    assert(!(g->is_dense && !g->dense) && "a dense gradient has an array");
    assert(!(g->is_dense && g->claim) && "an array that is summed into is no gradient yet");
    assert((g->pending != NULL) == (g->tape != NULL) && "what is pending is so on a tape");
    assert((g->is_kept || g->kept_count == 0) && "rows that are not kept");
#ifndef NDEBUG
    for (int64_t k = 0; k < g->kept_count; k++)
        assert(g->rows[k] > (k > 0 ? g->rows[k - 1] : -1) && g->rows[k] < reel_param_rows(param) && "rows in order");
#endif
}

void reel_param_gradient_init(reel_param *param)
{
    param->gradient = (struct reel_param_gradient){.pending_end = &param->gradient.pending};
}

void reel_param_gradient_free(reel_param *param)
{
    struct reel_memory *memory = &param->set->context->memory;
    reel_free(memory, param->gradient.dense);
    reel_free(memory, param->gradient.rows);
    reel_free(memory, param->gradient.values);
}

enum reel_gradient_kind reel_param_gradient_kind(const reel_param *param)
{
    const struct reel_param_gradient *g = &param->gradient;
    return g->is_dense ? REEL_GRADIENT_DENSE : g->pending || g->is_kept ? REEL_GRADIENT_ROWS : REEL_GRADIENT_NONE;
}

reel_real *reel_param_gradient_dense(const reel_param *param)
{
    assert(param->gradient.is_dense);
    return param->gradient.dense;
}

static reel_status reserve_dense(reel_param *param)
{
    struct reel_param_gradient *g = &param->gradient;
    size_t bytes;
    if (g->dense)
        return REEL_OK;
    if (!reel_multiply_size(param->numel, sizeof *g->dense, &bytes))
        bytes = SIZE_MAX;
    if (!(g->dense = reel_allocate(&param->set->context->memory, bytes)))
        return reel_fail(param->set->context, REEL_ERROR_OUT_OF_MEMORY,
                         "out of memory: the gradient of \"%s\" needs %zu bytes", param->name, bytes);
    return REEL_OK;
}

static reel_status reserve_rows(reel_param *param, int64_t rows)
{
    struct reel_param_gradient *g = &param->gradient;
    struct reel_memory *memory = &param->set->context->memory;
    int64_t columns = reel_param_columns(param), elements;
    /* At least one element, so that rows without any are at some address. */
    if (!reel_multiply_int64(rows, columns > 0 ? columns : 1, &elements) ||
        !reel_grow(memory, (void **)&g->rows, g->kept_count, &g->rows_capacity, rows, sizeof *g->rows) ||
        !reel_grow(memory, (void **)&g->values, g->kept_count * columns, &g->values_capacity, elements,
                   sizeof *g->values))
        return reel_fail(param->set->context, REEL_ERROR_OUT_OF_MEMORY,
                         "out of memory: the row gradient of \"%s\" has %lld rows", param->name, (long long)rows);
    return REEL_OK;
}

void reel_rows_release(reel_context *context, struct reel_rows *rows)
{
    while (rows) {
        struct reel_rows *next = rows->next;
        reel_formed_rows_release(context, rows->formed);
        reel_scratch_release(&context->scratch, rows->block);
        reel_scratch_release(&context->scratch, rows->own);
        rows = next;
    }
}

static void forget_pending(reel_param *param)
{
    struct reel_param_gradient *g = &param->gradient;
    if (!g->pending)
        return;
    for (struct reel_row_pass *pass = g->pending; pass; pass = pass->next)
        reel_rows_release(param->set->context, pass->rows);
    g->pending = NULL;
    g->pending_end = &g->pending;
    reel_param **link = &g->tape->pending;
    while (*link != param)
        link = &(*link)->gradient.next;
    *link = g->next;
    g->next = NULL;
    g->tape = NULL;
}

void reel_param_gradient_forget(reel_param *param)
{
    param->gradient.is_dense = false;
    param->gradient.is_kept = false;
    param->gradient.kept_count = 0;
    forget_pending(param);
}

/* ---- Rows ---- */

/* Nothing else is kept or pending, and values holds the sums of the groups. */
static void groups_are_kept(reel_param *param, const struct reel_row_groups *groups)
{
    struct reel_param_gradient *g = &param->gradient;
    for (int64_t k = 0; k < groups->count; k++)
        g->rows[k] = groups->occurrences[groups->starts[k]].row;
    g->kept_count = groups->count;
    g->is_kept = true;
    expect_sound(param);
}

/* Merges the groups of one pass into the kept rows, from the back, so that no second copy is needed. */
static reel_status keep_groups(reel_param *param, struct reel_row_groups *groups)
{
    struct reel_param_gradient *gradient = &param->gradient;
    int64_t columns = reel_param_columns(param), kept = gradient->kept_count, common = 0;
    for (int64_t g = 0, k = 0; g < groups->count; g++) {
        int64_t row = groups->occurrences[groups->starts[g]].row;
        while (k < kept && gradient->rows[k] < row)
            k++;
        common += k < kept && gradient->rows[k] == row;
    }
    int64_t total = kept + groups->count - common;
    if (reserve_rows(param, total) != REEL_OK ||
        reel_row_groups_sum_long(param->set->context, groups, columns) != REEL_OK)
        return param->set->context->status;
    int64_t k = kept - 1, g = groups->count - 1;
    for (int64_t to = total - 1; g >= 0; to--) {
        int64_t row = groups->occurrences[groups->starts[g]].row;
        bool take_kept = k >= 0 && gradient->rows[k] >= row;
        bool take_group = k < 0 || gradient->rows[k] <= row;
        reel_real *values = gradient->values + to * columns;
        if (take_kept) {
            gradient->rows[to] = gradient->rows[k];
            memmove(values, gradient->values + k * columns, (size_t)columns * sizeof *values);
            k--;
        }
        if (take_group) {
            gradient->rows[to] = row;
            reel_kern_sum_group(groups, g, columns, take_kept, values);
            g--;
        }
    }
    gradient->kept_count = total;
    gradient->is_kept = true;
    return REEL_OK;
}

reel_status reel_param_gradient_keep_rows(reel_param *param)
{
    reel_context *c = param->set->context;
    while (param->gradient.pending) {
        struct reel_row_pass *pass = param->gradient.pending;
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
            param->gradient.pending = pass->next;
        }
    }
    expect_sound(param);
    return REEL_OK;
}

struct reel_gradient_rows reel_param_gradient_kept(const reel_param *param)
{
    const struct reel_param_gradient *g = &param->gradient;
    assert(!g->pending);
    return (struct reel_gradient_rows){
        .count = g->kept_count, .columns = reel_param_columns(param), .rows = g->rows, .values = g->values};
}

reel_status reel_param_gradient_read_rows(reel_param *param, struct reel_gradient_rows *rows)
{
    const struct reel_param_gradient *g = &param->gradient;
    reel_context *c = param->set->context;
    *rows = (struct reel_gradient_rows){.columns = reel_param_columns(param)};
    if (!g->pending || g->pending->next || g->is_kept) {
        if (reel_param_gradient_keep_rows(param) == REEL_OK)
            *rows = reel_param_gradient_kept(param);
        return c->status;
    }
    if (reel_row_groups_make(c, g->pending->rows, &rows->groups) == REEL_OK &&
        reel_row_groups_sum_long(c, &rows->groups, rows->columns) == REEL_OK &&
        reserve_rows(param, rows->groups.starts[rows->groups.count]) == REEL_OK) {
        rows->count = rows->groups.count;
        rows->values = g->values;
    }
    return c->status;
}

void reel_param_gradient_move_rows(reel_param *param, const struct reel_gradient_rows *rows)
{
    if (rows->groups.formula)
        reel_formed_rows_move_own(param->gradient.pending->rows->formed);
}

void reel_param_gradient_end_read(reel_param *param, struct reel_gradient_rows *rows, bool all_read)
{
    if (!rows->rows && all_read) {
        forget_pending(param);
        groups_are_kept(param, &rows->groups);
    }
    reel_row_groups_release(param->set->context, &rows->groups);
}

static reel_status make_dense(reel_param *param)
{
    struct reel_param_gradient *g = &param->gradient;
    if (reel_param_gradient_kind(param) != REEL_GRADIENT_ROWS)
        return REEL_OK;
    if (reel_param_gradient_keep_rows(param) != REEL_OK || reserve_dense(param) != REEL_OK)
        return param->set->context->status;
    int64_t columns = reel_param_columns(param);
    memset(g->dense, 0, (size_t)param->numel * sizeof *g->dense);
    for (int64_t k = 0; k < g->kept_count; k++)
        memcpy(g->dense + g->rows[k] * columns, g->values + k * columns, (size_t)columns * sizeof *g->dense);
    reel_param_gradient_forget(param);
    g->is_dense = true;
    return REEL_OK;
}

/* ---- For backward passes ---- */

void reel_param_gradient_expect(reel_param *param)
{
    param->gradient.vars_left++;
    param->set->gradients_given = true;
}

reel_status reel_param_gradient_passed(reel_param *param, bool arrived)
{
    struct reel_param_gradient *g = &param->gradient;
    const struct reel_params *set = param->set;
    assert(g->vars_left > 0 && "a var that nobody said would come");
    g->arrived |= arrived;
    if (--g->vars_left > 0)
        return REEL_OK;
    arrived = g->arrived;
    g->arrived = false;
    expect_sound(param);
    reel_status status = arrived && set->gradient_hook ? set->gradient_hook(param, set->gradient_hook_user) : REEL_OK;
    if (status != REEL_OK && set->context->status == REEL_OK)
        reel_fail(set->context, status, "the gradient hook failed at \"%s\"", param->name);
    return set->context->status;
}

reel_status reel_param_gradient_expect_passed(const reel_param *param, const char *who)
{
    if (param->gradient.vars_left == 0)
        return REEL_OK;
    return reel_fail(param->set->context, REEL_ERROR_STATE, "%s: a backward pass has not come to \"%s\" yet", who,
                     param->name);
}

void reel_param_gradient_abandon(reel_param *param)
{
    param->gradient.claim = NULL;
    param->gradient.vars_left = 0;
    param->gradient.arrived = false;
    param->set->gradients_incomplete = true;
}

bool reel_param_gradient_is_free(const reel_param *param)
{
    return !param->gradient.claim && reel_param_gradient_kind(param) == REEL_GRADIENT_NONE;
}

reel_real *reel_param_gradient_claim(reel_param *param, const struct reel_sink *sink)
{
    if (reserve_dense(param) != REEL_OK)
        return NULL;
    param->gradient.claim = sink;
    return param->gradient.dense;
}

reel_status reel_param_gradient_add(reel_param *param, const struct reel_sink *sink, const reel_gradient *sum)
{
    struct reel_param_gradient *g = &param->gradient;
    if (g->claim == sink) {
        g->claim = NULL;
        g->is_dense = true;
        return REEL_OK;
    }
    if (make_dense(param) != REEL_OK || reserve_dense(param) != REEL_OK)
        return param->set->context->status;
    /* claim: another var of this tape stands for the same param, from before it changed. */
    if (g->is_dense || g->claim) {
        reel_kern_add_rows_to(sum->rows, sum->columns, sum->data, sum->stride, g->dense, sum->columns);
    } else {
        reel_kern_copy_rows(sum->rows, sum->columns, sum->data, sum->stride, g->dense, sum->columns);
        g->is_dense = true;
    }
    return REEL_OK;
}

bool reel_param_gradient_takes_rows(const reel_param *param)
{
    return param->sparse && !param->gradient.is_dense && !param->gradient.claim;
}

reel_status reel_param_gradient_add_pass(reel_param *param, reel_tape *tape, struct reel_row_pass *pass)
{
    struct reel_param_gradient *g = &param->gradient;
    if (g->pending && g->tape != tape && reel_param_gradient_keep_rows(param) != REEL_OK) {
        reel_rows_release(tape->context, pass->rows);
        return tape->context->status;
    }
    if (!g->pending) {
        g->tape = tape;
        g->next = tape->pending;
        tape->pending = param;
    }
    param->set->gradients_given = true;
    pass->next = NULL;
    *g->pending_end = pass;
    g->pending_end = &pass->next;
    return REEL_OK;
}

/* ---- For sets and tapes ---- */

reel_status reel_params_expect_complete_gradients(const reel_params *params, const char *who)
{
    if (!params->gradients_incomplete)
        return REEL_OK;
    return reel_fail(params->context, REEL_ERROR_STATE,
                     "%s: a backward pass failed, so gradients are incomplete; call reel_zero_grad first", who);
}

reel_status reel_params_keep_pending(reel_tape *tape)
{
    while (tape->pending) {
        reel_status status = reel_param_gradient_keep_rows(tape->pending);
        if (status != REEL_OK)
            return status;
    }
    return REEL_OK;
}

reel_status reel_params_expect_gradients(const reel_params *params, const char *who)
{
    if (params->gradients_given)
        return reel_params_expect_complete_gradients(params, who);
    return reel_fail(params->context, REEL_ERROR_STATE,
                     "%s: the set has no gradients: since reel_zero_grad no backward pass came to it, and none was set",
                     who);
}

void reel_params_drop_pending(reel_tape *tape)
{
    while (tape->pending) {
        reel_param *param = tape->pending;
        if (reel_param_gradient_keep_rows(param) != REEL_OK) {
            param->set->gradients_incomplete = true;
            forget_pending(param);
        }
    }
}

/* ---- Public ---- */

void reel_zero_grad(reel_params *params)
{
    if (!params)
        return;
    reel_params_expect_sound(params);
    for (int64_t i = 0; i < params->count; i++)
        if (reel_param_gradient_expect_passed(params->params[i], "zero_grad") != REEL_OK)
            return;
    for (int64_t i = 0; i < params->count; i++)
        reel_param_gradient_forget(params->params[i]);
    params->gradients_incomplete = false;
    params->gradients_given = false;
}

void reel_params_set_post_accumulate_grad_hook(reel_params *params, reel_grad_hook hook, void *user)
{
    if (!params)
        return;
    params->gradient_hook = hook;
    params->gradient_hook_user = user;
}

const reel_real *reel_param_grad(reel_param *param)
{
    if (!param || param->set->context->status != REEL_OK)
        return NULL;
    struct reel_param_gradient *g = &param->gradient;
    if (reel_param_gradient_kind(param) != REEL_GRADIENT_ROWS)
        return g->is_dense ? g->dense : NULL;
    /* A look at the gradient must not change what the optimizer sees, so the rows stay what they are. */
    if (reel_param_gradient_keep_rows(param) != REEL_OK)
        return NULL;
    int64_t kept = g->kept_count;
    if (make_dense(param) != REEL_OK)
        return NULL;
    g->is_dense = false;
    g->is_kept = true;
    g->kept_count = kept;
    return g->dense;
}

/* Refuses what cannot have a gradient. */
static reel_status expect_gradient(const reel_param *param)
{
    if (!param || param->set->context->status != REEL_OK)
        return param ? param->set->context->status : REEL_ERROR_ARGUMENT;
    if (param->kind == REEL_PARAM_BUFFER)
        return reel_fail(param->set->context, REEL_ERROR_ARGUMENT, "buffer \"%s\" has no gradient", param->name);
    return reel_param_gradient_expect_passed(param, "a gradient to use instead");
}

reel_status reel_param_set_grad(reel_param *param, const reel_real *grad)
{
    reel_status status = expect_gradient(param);
    if (status == REEL_OK && grad && param->dtype == REEL_BFLOAT16)
        status =
            reel_fail(param->set->context, REEL_ERROR_DTYPE,
                      "param \"%s\" is bfloat16: its gradients are row-sparse (reel_param_set_row_grad)", param->name);
    if (status == REEL_OK && grad)
        status = reserve_dense(param);
    if (status != REEL_OK)
        return status;
    reel_param_gradient_forget(param);
    if (grad) {
        memmove(param->gradient.dense, grad, (size_t)param->numel * sizeof *grad);
        param->gradient.is_dense = true;
        param->set->gradients_given = true;
    }
    return REEL_OK;
}

reel_real *reel_param_write_grad(reel_param *param)
{
    if (expect_gradient(param) != REEL_OK || reel_param_gradient_kind(param) != REEL_GRADIENT_DENSE)
        return NULL;
    return param->gradient.dense;
}

reel_status reel_param_set_row_grad(reel_param *param, int64_t count, const int64_t *rows, const reel_real *values)
{
    reel_status status = expect_gradient(param);
    if (status != REEL_OK)
        return status;
    struct reel_param_gradient *g = &param->gradient;
    reel_context *c = param->set->context;
    if (!param->sparse)
        return reel_fail(c, REEL_ERROR_STATE,
                         "param \"%s\": its gradients are dense; reel_param_set_sparse says otherwise", param->name);
    if (count < 0 || (count > 0 && (!rows || !values)))
        return reel_fail(c, REEL_ERROR_ARGUMENT, "param \"%s\": a gradient of %lld rows%s", param->name,
                         (long long)count, count < 0 ? "" : " from NULL");
    for (int64_t i = 0; i < count; i++)
        if (rows[i] < 0 || rows[i] >= reel_param_rows(param))
            return reel_fail(c, REEL_ERROR_INDEX, "param \"%s\": row %lld at position [%lld] is outside 0..%lld",
                             param->name, (long long)rows[i], (long long)i, (long long)reel_param_rows(param) - 1);
    if (g->values && values >= g->values && values < g->values + g->values_capacity)
        return reel_fail(c, REEL_ERROR_ARGUMENT, "param \"%s\": a gradient from the values of reel_param_row_grad",
                         param->name);
    int64_t columns = reel_param_columns(param);
    struct reel_rows given = {.indices = rows, .count = count, .stride = columns, .data = values};
    struct reel_row_groups groups;
    if (reel_row_groups_make(c, &given, &groups) == REEL_OK &&
        reel_row_groups_sum_long(c, &groups, columns) == REEL_OK && reserve_rows(param, groups.count) == REEL_OK) {
        reel_param_gradient_forget(param);
        for (int64_t k = 0; k < groups.count; k++)
            reel_kern_sum_group(&groups, k, columns, false, g->values + k * columns);
        groups_are_kept(param, &groups);
        param->set->gradients_given = true;
    }
    reel_row_groups_release(c, &groups);
    return c->status;
}

reel_status reel_param_row_grad(reel_param *param, reel_row_grad *out)
{
    if (!param || !out)
        return REEL_ERROR_ARGUMENT;
    *out = (reel_row_grad){0, reel_param_columns(param), NULL, NULL};
    if (param->set->context->status != REEL_OK)
        return param->set->context->status;
    if (param->gradient.is_dense)
        return reel_fail(param->set->context, REEL_ERROR_STATE, "param \"%s\": the gradient is dense", param->name);
    if (reel_param_gradient_keep_rows(param) != REEL_OK)
        return param->set->context->status;
    struct reel_gradient_rows kept = reel_param_gradient_kept(param);
    *out = (reel_row_grad){kept.count, kept.columns, kept.rows, kept.values};
    return REEL_OK;
}
