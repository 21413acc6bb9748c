/* Param sets: names, elements, versions, and who watches them; gradients are in gradient.c. */
#include "core/params.h"

#include "base/checked.h"
#include "base/text.h"
#include "core/formed.h"
#include "core/tape.h"

#include <assert.h>
#include <string.h>

reel_params *reel_params_new(reel_context *context)
{
    if (!context || context->status != REEL_OK)
        return NULL;
    reel_params *params = reel_allocate_zeroed(&context->memory, sizeof *params);
    if (!params) {
        reel_fail_memory(context, "a param set", sizeof *params);
        return NULL;
    }
    params->context = context;
    params->serial = reel_next_generation(context);
    params->next = context->sets;
    context->sets = params;
    return params;
}

void reel_params_expect_sound(const reel_params *params)
{
    assert(params->count <= params->capacity && params->owned_count <= params->owned_capacity);
    for (int64_t i = 0; i < params->count; i++) {
        const reel_param *param = params->params[i];
        (void)param;
        assert(param->set == params && "a param belongs to the set that holds it");
        assert(param->name && param->data && "a param has a name and elements");
        assert(param->numel == reel_shape_numel(&param->shape) && "the elements are those of the shape");
        assert(param->leaf_version <= param->version && "changes are counted upwards");
    }
}

reel_status reel_params_share(reel_params *params)
{
    if (!params || params->context->status != REEL_OK)
        return params ? params->context->status : REEL_ERROR_ARGUMENT;
    /* Nobody makes up for what was put off any more. */
    for (int64_t i = 0; i < params->count; i++)
        reel_param_before_read_all(params->params[i]);
    params->shared = true;
    return params->context->status;
}

reel_status reel_params_expect_own(const reel_params *params, const char *who)
{
    if (!params->shared)
        return REEL_OK;
    return reel_fail(params->context, REEL_ERROR_STATE, "%s: the param set is shared for reading", who);
}

static void free_param(reel_param *param)
{
    struct reel_memory *memory = &param->set->context->memory;
    reel_formed_rows_before_change(param);
    reel_param_gradient_free(param);
    reel_free(memory, param->name);
    reel_free(memory, param->data);
    reel_free(memory, param);
}

static void destroy(reel_params *params)
{
    reel_params_expect_sound(params);
    reel_zero_grad(params);
    for (reel_tape *tape = params->context->tapes; tape; tape = tape->next)
        reel_tape_forget_params(tape, params, NULL);
    reel_params **link = &params->context->sets;
    while (*link != params)
        link = &(*link)->next;
    *link = params->next;
    reel_params_rewind(params, (struct reel_params_mark){0, 0});
    struct reel_memory *memory = &params->context->memory;
    reel_free(memory, params->params);
    reel_free(memory, params->owned);
    reel_free(memory, params->prefix);
    reel_free(memory, params);
}

void reel_params_free(reel_params *params)
{
    if (!params)
        return;
    for (reel_tape *tape = params->context->tapes; tape; tape = tape->next)
        if (!reel_tape_is_idle(tape, "params_free"))
            return;
    params->is_freed = true;
    if (params->holders == 0)
        destroy(params);
}

bool reel_params_is_alive(const reel_context *context, const reel_params *params, uint64_t serial)
{
    for (const reel_params *set = context->sets; set; set = set->next)
        if (set == params)
            return set->serial == serial && !set->is_freed;
    return false;
}

void reel_params_hold(reel_params *params)
{
    params->holders++;
}

void reel_params_let_go(reel_params *params)
{
    if (--params->holders == 0 && params->is_freed)
        destroy(params);
}

reel_status reel_params_expect_own_values(const reel_params *params, const char *who)
{
    if (!params->swapped && !params->is_freed && params->lent == 0)
        return REEL_OK;
    return reel_fail(params->context, REEL_ERROR_STATE, "%s: %s", who,
                     params->is_freed  ? "the param set was freed"
                     : params->swapped ? "params and averages are swapped; swap them back first"
                                       : "a param is being written to; reel_param_end_dlpack comes first");
}

void *reel_params_allocate(reel_params *params, size_t size)
{
    reel_context *c = params->context;
    if (c->status != REEL_OK)
        return NULL;
    void *memory = NULL;
    if (reel_grow(&c->memory, (void **)&params->owned, params->owned_count, &params->owned_capacity,
                  params->owned_count + 1, sizeof *params->owned))
        memory = reel_allocate_zeroed(&c->memory, size);
    if (!memory) {
        reel_fail_memory(c, "a part of a param set", size);
        return NULL;
    }
    params->owned[params->owned_count++] = memory;
    return memory;
}

struct reel_params_mark reel_params_mark(const reel_params *params)
{
    return (struct reel_params_mark){params->count, params->owned_count};
}

void reel_params_rewind(reel_params *params, struct reel_params_mark mark)
{
    struct reel_memory *memory = &params->context->memory;
    while (params->count > mark.count)
        free_param(params->params[--params->count]);
    while (params->owned_count > mark.owned_count)
        reel_free(memory, params->owned[--params->owned_count]);
}

void reel_params_remove(reel_param *param)
{
    reel_params *params = param->set;
    int64_t i = 0;
    for (reel_tape *tape = params->context->tapes; tape; tape = tape->next)
        reel_tape_forget_params(tape, params, param);
    reel_param_gradient_forget(param);
    while (params->params[i] != param)
        i++;
    params->count--;
    memmove(&params->params[i], &params->params[i + 1], (size_t)(params->count - i) * sizeof(reel_param *));
    free_param(param);
}

reel_context *reel_params_context(const reel_params *params)
{
    return params ? params->context : NULL;
}

reel_status reel_params_enter(reel_params *params, const char *name)
{
    if (!params || params->context->status != REEL_OK)
        return reel_context_status(reel_params_context(params));
    reel_context *c = params->context;
    if (!name)
        return reel_fail(c, REEL_ERROR_ARGUMENT, "params_enter: the name is NULL");
    size_t size = strlen(name), length = params->prefix_length;
    if (size == 0)
        return REEL_OK;
    if (!reel_grow(&c->memory, (void **)&params->prefix, (int64_t)length, &params->prefix_capacity,
                   (int64_t)(length + size) + 1, 1))
        return reel_fail_memory(c, "the prefix of a param set", length + size + 1);
    memcpy(params->prefix + length, name, size);
    params->prefix[length + size] = '.';
    params->prefix_length = length + size + 1;
    return REEL_OK;
}

reel_status reel_params_leave(reel_params *params, const char *name)
{
    reel_context *c = reel_params_context(params);
    if (!c || !name)
        return reel_fail(c, REEL_ERROR_ARGUMENT, "params_leave: the name is NULL");
    size_t size = strlen(name), length = params->prefix_length;
    if (size == 0)
        return c->status;
    if (length <= size || params->prefix[length - 1] != '.' ||
        memcmp(params->prefix + length - 1 - size, name, size) != 0)
        return reel_fail(c, REEL_ERROR_STATE, "params_leave: \"%s\" is not what was entered last", name);
    params->prefix_length = length - 1 - size;
    return c->status;
}

/* The prefix and the name; NULL with the error recorded. */
static char *full_name(reel_params *params, const char *name)
{
    size_t size = params->prefix_length + strlen(name) + 1;
    char *full = reel_allocate(&params->context->memory, size);
    if (!full) {
        reel_fail(params->context, REEL_ERROR_OUT_OF_MEMORY, "out of memory: param \"%s\" needs %zu bytes", name, size);
        return NULL;
    }
    if (params->prefix_length > 0)
        memcpy(full, params->prefix, params->prefix_length);
    strcpy(full + params->prefix_length, name);
    return full;
}

static reel_status check_param(reel_params *params, const char *name, reel_param_kind kind, reel_dtype dtype,
                               const reel_shape *shape, int64_t numel)
{
    reel_context *c = params->context;
    char printable[REEL_PRINTABLE];
    if (!reel_is_utf8(name) || strcmp(name, "__metadata__") == 0)
        reel_fail(c, REEL_ERROR_ARGUMENT, "param \"%s\": the name is %s: no file could hold it",
                  reel_printable(name, printable), reel_is_utf8(name) ? "the format's own" : "not UTF-8");
    else if (reel_params_find(params, name))
        reel_fail(c, REEL_ERROR_ARGUMENT, "param \"%s\": the set has one of this name already", name);
    else if (kind != REEL_PARAM_TRAINED && kind != REEL_PARAM_FROZEN && kind != REEL_PARAM_BUFFER)
        reel_fail(c, REEL_ERROR_ARGUMENT, "param \"%s\": there is no kind %d", name, (int)kind);
    else if (reel_dtype_size(dtype) == 0)
        reel_fail(c, REEL_ERROR_DTYPE, "param \"%s\": there is no element type %d", name, (int)dtype);
    else if (kind != REEL_PARAM_BUFFER && dtype != REEL_REAL && dtype != REEL_BFLOAT16)
        reel_fail(c, REEL_ERROR_DTYPE, "param \"%s\": only buffers may be %s", name, reel_dtype_name(dtype));
    else if (dtype == REEL_BFLOAT16 && (kind == REEL_PARAM_BUFFER || shape->ndim < 1))
        reel_fail(c, REEL_ERROR_DTYPE, "param \"%s\": only tables that are no buffers may be bfloat16", name);
    else if (numel < 0)
        reel_fail(c, REEL_ERROR_SHAPE, "param \"%s\": a size is negative, or the shape is too large", name);
    return c->status;
}

reel_param *reel_param_new(reel_params *params, const char *name, reel_param_kind kind, reel_dtype dtype,
                           reel_shape shape)
{
    if (!params || params->context->status != REEL_OK)
        return NULL;
    reel_context *c = params->context;
    int64_t numel = reel_shape_numel(&shape);
    if (!name || !*name)
        reel_fail(c, REEL_ERROR_ARGUMENT, "param: the name is empty");
    if (c->status != REEL_OK || reel_params_expect_own(params, "param") != REEL_OK)
        return NULL;
    char *full = full_name(params, name);
    if (!full || check_param(params, full, kind, dtype, &shape, numel) != REEL_OK) {
        reel_free(&c->memory, full);
        return NULL;
    }

    size_t bytes;
    if (!reel_multiply_size(numel, reel_dtype_size(dtype), &bytes))
        bytes = SIZE_MAX;
    reel_param *param = reel_allocate_zeroed(&c->memory, sizeof *param);
    if (param) {
        param->set = params;
        param->name = full;
        param->data = reel_allocate_zeroed(&c->memory, bytes);
        if (!param->data || !reel_grow(&c->memory, (void **)&params->params, params->count, &params->capacity,
                                       params->count + 1, sizeof(reel_param *))) {
            param->name = NULL;
            free_param(param);
            param = NULL;
        }
    }
    if (!param) {
        reel_fail(c, REEL_ERROR_OUT_OF_MEMORY, "out of memory: param \"%s\" needs %zu bytes", full, bytes);
        reel_free(&c->memory, full);
        return NULL;
    }
    param->kind = kind;
    param->dtype = dtype;
    param->shape = shape;
    param->numel = numel;
    param->sparse = dtype == REEL_BFLOAT16;
    reel_param_gradient_init(param);
    params->params[params->count++] = param;
    return param;
}

int reel_params_count(const reel_params *params)
{
    return params ? (int)params->count : 0;
}

reel_param *reel_params_at(const reel_params *params, int i)
{
    return params && i >= 0 && i < params->count ? params->params[i] : NULL;
}

reel_param *reel_params_find(const reel_params *params, const char *name)
{
    for (int64_t i = 0; params && name && i < params->count; i++)
        if (strcmp(params->params[i]->name, name) == 0)
            return params->params[i];
    return NULL;
}

const char *reel_param_name(const reel_param *param)
{
    return param ? param->name : "";
}

reel_param_kind reel_param_kind_of(const reel_param *param)
{
    return param ? param->kind : REEL_PARAM_BUFFER;
}

reel_dtype reel_param_dtype(const reel_param *param)
{
    return param ? param->dtype : REEL_REAL;
}

const reel_shape *reel_param_shape(const reel_param *param)
{
    return param ? &param->shape : NULL;
}

void reel_param_watch(reel_param *param, struct reel_param_watcher *watcher)
{
    watcher->next = param->watchers;
    param->watchers = watcher;
}

void reel_param_unwatch(reel_param *param, struct reel_param_watcher *watcher)
{
    struct reel_param_watcher **link = &param->watchers;
    while (*link && *link != watcher)
        link = &(*link)->next;
    if (*link)
        *link = watcher->next;
}

bool reel_param_is_watched(const reel_param *param)
{
    return param->watchers != NULL;
}

bool reel_param_is_deferred(const reel_param *param)
{
    const struct reel_param_watcher *w = param->watchers;
    while (w && !w->before_read)
        w = w->next;
    return w != NULL;
}

/* Those who are told. Once a set is shared nothing is put off, and threads must not meet in a watcher. */
static struct reel_param_watcher *watchers(const reel_param *param)
{
    return param->set->shared ? NULL : param->watchers;
}

void reel_param_before_read_all(const reel_param *param)
{
    for (struct reel_param_watcher *w = watchers(param); w; w = w->next)
        if (w->before_read)
            w->before_read(w, NULL, false, 0);
}

reel_status reel_param_before_read_rows(reel_param *param, const void *index, bool wide, int64_t count)
{
    reel_status status = REEL_OK;
    for (struct reel_param_watcher *w = watchers(param); w && status == REEL_OK; w = w->next)
        if (w->before_read)
            status = w->before_read(w, index, wide, count);
    return status;
}

void reel_param_before_change(const reel_param *param, int64_t first, int64_t count, uint64_t version)
{
    for (struct reel_param_watcher *w = param->watchers; w; w = w->next)
        if (w->before_change)
            w->before_change(w, first, count, version);
}

void *reel_param_count_change(reel_param *param)
{
    reel_formed_rows_before_change(param);
    param->version++;
    return param->data;
}

const void *reel_param_data(const reel_param *param)
{
    if (!param)
        return NULL;
    reel_param_before_read_all(param);
    return param->data;
}

void *reel_param_write(reel_param *param)
{
    if (!param || reel_params_expect_own(param->set, "param_write") != REEL_OK)
        return NULL;
    reel_param_before_read_all(param);
    reel_param_before_change(param, 0, reel_param_rows(param), param->version);
    return reel_param_count_change(param);
}

reel_status reel_param_set(reel_param *param, const void *data)
{
    if (!param || param->set->context->status != REEL_OK)
        return param ? param->set->context->status : REEL_ERROR_ARGUMENT;
    if (!data)
        return reel_fail(param->set->context, REEL_ERROR_ARGUMENT, "param \"%s\": set from NULL", param->name);
    if (reel_params_expect_own(param->set, "param_set") != REEL_OK)
        return REEL_ERROR_STATE;
    memcpy(reel_param_write(param), data, (size_t)param->numel * reel_dtype_size(param->dtype));
    return REEL_OK;
}

reel_status reel_param_set_kind(reel_param *param, reel_param_kind kind)
{
    if (!param || param->set->context->status != REEL_OK)
        return param ? param->set->context->status : REEL_ERROR_ARGUMENT;
    if (kind == REEL_PARAM_BUFFER || param->kind == REEL_PARAM_BUFFER)
        return reel_fail(param->set->context, REEL_ERROR_ARGUMENT,
                         "param \"%s\": buffers and params do not change into each other", param->name);
    if (kind != REEL_PARAM_TRAINED && kind != REEL_PARAM_FROZEN)
        return reel_fail(param->set->context, REEL_ERROR_ARGUMENT, "param \"%s\": there is no kind %d", param->name,
                         (int)kind);
    if (reel_params_expect_own(param->set, "param_set_kind") != REEL_OK)
        return REEL_ERROR_STATE;
    param->kind = kind;
    return REEL_OK;
}

reel_status reel_param_set_sparse(reel_param *param, bool sparse)
{
    if (!param || param->set->context->status != REEL_OK)
        return param ? param->set->context->status : REEL_ERROR_ARGUMENT;
    if (sparse && (param->kind == REEL_PARAM_BUFFER || param->shape.ndim < 1))
        return reel_fail(param->set->context, REEL_ERROR_ARGUMENT, "param \"%s\": has no rows to be sparse in",
                         param->name);
    if (!sparse && param->dtype == REEL_BFLOAT16)
        return reel_fail(param->set->context, REEL_ERROR_DTYPE,
                         "param \"%s\" is bfloat16: its gradients are row-sparse", param->name);
    if (reel_params_expect_own(param->set, "param_set_sparse") != REEL_OK)
        return REEL_ERROR_STATE;
    param->sparse = sparse;
    return REEL_OK;
}

bool reel_param_sparse(const reel_param *param)
{
    return param && param->sparse;
}

int64_t reel_param_rows(const reel_param *param)
{
    return param->shape.ndim > 0 ? param->shape.dim[0] : 1;
}

int64_t reel_param_columns(const reel_param *param)
{
    int64_t rows = reel_param_rows(param);
    return rows > 0 ? param->numel / rows : 0;
}

reel_status reel_params_copy(reel_params *to, const reel_params *from)
{
    if (!to || to->context->status != REEL_OK)
        return to ? to->context->status : REEL_ERROR_ARGUMENT;
    if (!from)
        return reel_fail(to->context, REEL_ERROR_ARGUMENT, "params_copy: there is nothing to copy from");
    if (reel_params_expect_own(to, "params_copy") != REEL_OK ||
        reel_params_expect_own_values(to, "params_copy") != REEL_OK)
        return to->context->status;
    if (to->count != from->count)
        return reel_fail(to->context, REEL_ERROR_ARGUMENT, "params_copy: one set has %lld params, the other %lld",
                         (long long)from->count, (long long)to->count);
    for (int64_t i = 0; i < from->count; i++) {
        const reel_param *a = from->params[i], *b = reel_params_find(to, a->name);
        if (!b || b->dtype != a->dtype || !reel_shape_equal(&a->shape, &b->shape))
            return reel_fail(to->context, REEL_ERROR_ARGUMENT, "params_copy: \"%s\" %s", a->name,
                             b ? "has another shape or type" : "is missing");
    }
    for (int64_t i = 0; i < from->count; i++)
        reel_param_set(reel_params_find(to, from->params[i]->name), reel_param_data(from->params[i]));
    return REEL_OK;
}
