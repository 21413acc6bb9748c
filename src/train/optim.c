#include "train/optim.h"

#include "base/checked.h"
#include "train/deferred.h"

#include <math.h>

reel_status reel_optim_expect_positive(reel_context *context, const char *who, const char *option, double value)
{
    if (value >= 0)
        return REEL_OK;
    return reel_fail(context, REEL_ERROR_ARGUMENT, "%s: %s is %g, it must be at least 0", who, option, value);
}

int reel_optim_extremes(const struct reel_optim_algorithm *algorithm, const union reel_optim_options *options,
                        double smallest_lr, double largest_lr, int64_t first, int64_t last,
                        struct reel_update updates[REEL_EXTREMES])
{
    if (algorithm->extremes)
        return algorithm->extremes(options, smallest_lr, largest_lr, first, last, updates);
    algorithm->prepare(options, largest_lr, first, &updates[0]);
    algorithm->prepare(options, smallest_lr, last, &updates[1]);
    return 2;
}

/* ---- Params and groups ---- */

/* Takes in the params that the set got since the last look. */
static reel_status take_new_params(reel_optim *optim)
{
    for (; optim->params_seen < optim->params->count; optim->params_seen++) {
        reel_param *param = optim->params->params[optim->params_seen];
        if (param->kind == REEL_PARAM_BUFFER)
            continue;
        if (!reel_grow(&optim->context->memory, (void **)&optim->entries, optim->n_entries, &optim->entries_capacity,
                       optim->n_entries + 1, sizeof *optim->entries))
            return reel_fail_memory(optim->context, optim->algorithm->name, sizeof *optim->entries);
        optim->entries[optim->n_entries++] = (struct reel_optim_entry){.param = param};
    }
    return REEL_OK;
}

static reel_status append_group(reel_optim *optim, const char *who, const void *given, union reel_optim_options options)
{
    if (reel_options_take(optim->context, optim->algorithm->name, given, &options) != REEL_OK ||
        optim->algorithm->check(optim->context, who, &options) != REEL_OK)
        return optim->context->status;
    if (!reel_grow(&optim->context->memory, (void **)&optim->groups, optim->n_groups, &optim->groups_capacity,
                   optim->n_groups + 1, sizeof *optim->groups))
        return reel_fail_memory(optim->context, who, sizeof *optim->groups);
    optim->groups[optim->n_groups++] = (struct reel_optim_group){options, options.common.lr, options.common.lr};
    return REEL_OK;
}

reel_optim *reel_optim_new(reel_params *params, const struct reel_optim_algorithm *algorithm, const void *options,
                           union reel_optim_options defaults)
{
    if (!params || params->context->status != REEL_OK)
        return NULL;
    reel_context *c = params->context;
    reel_optim *optim = reel_allocate_zeroed(&c->memory, sizeof *optim);
    if (!optim) {
        reel_fail_memory(c, algorithm->name, sizeof *optim);
        return NULL;
    }
    optim->context = c;
    optim->params = params;
    optim->algorithm = algorithm;
    if (append_group(optim, algorithm->name, options, defaults) != REEL_OK || take_new_params(optim) != REEL_OK) {
        reel_optim_free(optim);
        return NULL;
    }
    return optim;
}

void reel_optim_free(reel_optim *optim)
{
    if (!optim)
        return;
    struct reel_memory *memory = &optim->context->memory;
    for (int64_t i = 0; i < optim->n_entries; i++) {
        reel_deferred_free(optim->entries[i].deferred);
        for (int k = 0; k < REEL_UPDATE_STATES; k++)
            reel_free(memory, optim->entries[i].state[k]);
        reel_free(memory, optim->entries[i].seen);
    }
    reel_free(memory, optim->entries);
    reel_free(memory, optim->groups);
    reel_free(memory, optim);
}

/* Whether the whole name is like the pattern, in which * stands for any characters. */
static bool name_matches(const char *name, const char *pattern)
{
    const char *star = NULL, *resume = NULL;
    while (*name) {
        if (*pattern == '*') {
            star = pattern++;
            resume = name;
        } else if (*pattern == *name) {
            pattern++;
            name++;
        } else if (star) {
            pattern = star + 1;
            name = ++resume;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return !*pattern;
}

static reel_status move(reel_optim *optim, const char *who, int64_t group, const char *names)
{
    int64_t moved = 0;
    for (int64_t i = 0; i < optim->n_entries; i++)
        if (name_matches(optim->entries[i].param->name, names)) {
            /* What was put off has the options of the old group. */
            reel_deferred_free(optim->entries[i].deferred);
            optim->entries[i].deferred = NULL;
            optim->entries[i].group = group;
            moved++;
        }
    if (moved == 0)
        return reel_fail(optim->context, REEL_ERROR_ARGUMENT, "%s: no param is named like \"%s\"", who, names);
    return REEL_OK;
}

int reel_optim_add_group(reel_optim *optim, const struct reel_optim_algorithm *algorithm, const char *names,
                         const void *options, union reel_optim_options defaults)
{
    if (!optim || optim->context->status != REEL_OK)
        return -1;
    if (optim->algorithm != algorithm) {
        reel_fail(optim->context, REEL_ERROR_ARGUMENT, "%s_add_group: the optimizer is %s", algorithm->name,
                  optim->algorithm->name);
        return -1;
    }
    if (take_new_params(optim) != REEL_OK || append_group(optim, algorithm->name, options, defaults) != REEL_OK)
        return -1;
    if (names && move(optim, algorithm->name, optim->n_groups - 1, names) != REEL_OK) {
        optim->n_groups--;
        return -1;
    }
    return (int)(optim->n_groups - 1);
}

static reel_status expect_group(const reel_optim *optim, const char *who, int group)
{
    if (group >= 0 && group < optim->n_groups)
        return REEL_OK;
    return reel_fail(optim->context, REEL_ERROR_ARGUMENT, "%s: group %d is outside 0..%lld", who, group,
                     (long long)optim->n_groups - 1);
}

reel_status reel_optim_move(reel_optim *optim, int group, const char *names)
{
    if (!optim || optim->context->status != REEL_OK)
        return optim ? optim->context->status : REEL_ERROR_ARGUMENT;
    if (expect_group(optim, "optim_move", group) != REEL_OK || take_new_params(optim) != REEL_OK)
        return optim->context->status;
    if (!names)
        return reel_fail(optim->context, REEL_ERROR_ARGUMENT, "optim_move: names is NULL");
    return move(optim, "optim_move", group, names);
}

int reel_optim_groups(const reel_optim *optim)
{
    return optim ? (int)optim->n_groups : 0;
}

double reel_optim_get_lr(const reel_optim *optim, int group)
{
    return optim && group >= 0 && group < optim->n_groups ? optim->groups[group].lr : NAN;
}

reel_status reel_optim_set_lr(reel_optim *optim, int group, double lr)
{
    if (!optim || optim->context->status != REEL_OK)
        return optim ? optim->context->status : REEL_ERROR_ARGUMENT;
    if (expect_group(optim, "optim_set_lr", group) != REEL_OK ||
        reel_optim_expect_positive(optim->context, "optim_set_lr", "lr", lr) != REEL_OK)
        return optim->context->status;
    optim->groups[group].lr = lr;
    return REEL_OK;
}

/* ---- The step ---- */

static bool first_differs(const reel_optim *optim, const struct reel_optim_entry *entry)
{
    return optim->algorithm->first_differs && optim->algorithm->first_differs(&optim->groups[entry->group].options);
}

/* Whether the entry tells rows that were updated from others. */
static bool counts_first(const reel_optim *optim, const struct reel_optim_entry *entry)
{
    return entry->seen && !entry->all_seen && !entry->deferred && first_differs(optim, entry);
}

static void *allocate_state(reel_optim *optim, const struct reel_optim_entry *entry, int64_t count, size_t size)
{
    size_t bytes;
    if (!reel_multiply_size(count, size, &bytes))
        bytes = SIZE_MAX;
    void *state = reel_allocate_zeroed(&optim->context->memory, bytes);
    if (!state)
        reel_fail(optim->context, REEL_ERROR_OUT_OF_MEMORY, "out of memory: %s needs %zu bytes for its state of \"%s\"",
                  optim->algorithm->name, bytes, entry->param->name);
    return state;
}

/* Allocates what updates of rows need besides the state. */
static reel_status prepare_rows(reel_optim *optim, struct reel_optim_entry *entry)
{
    const union reel_optim_options *options = &optim->groups[entry->group].options;
    if (optim->algorithm->defers(options)) {
        if (!entry->deferred &&
            !(entry->deferred = reel_deferred_new(entry->param, optim->algorithm, options, entry->state, entry->step)))
            return optim->context->status;
        return reel_deferred_reserve(entry->deferred);
    }
    if (!entry->seen && !entry->all_seen && first_differs(optim, entry))
        entry->seen = allocate_state(optim, entry, reel_param_rows(entry->param), sizeof *entry->seen);
    return optim->context->status;
}

/* Finds the entry's gradient and allocates whatever its update needs. */
static reel_status prepare_entry(reel_optim *optim, struct reel_optim_entry *entry)
{
    reel_param *param = entry->param;
    const union reel_optim_options *options = &optim->groups[entry->group].options;
    entry->gradient = param->kind == REEL_PARAM_TRAINED ? reel_param_gradient_kind(param) : REEL_GRADIENT_NONE;
    if (entry->gradient == REEL_GRADIENT_NONE)
        return REEL_OK;
    if (entry->gradient == REEL_GRADIENT_ROWS && reel_param_gradient_read_rows(param, &entry->rows) != REEL_OK)
        return optim->context->status;
    unsigned states = optim->algorithm->states(options);
    int64_t count = optim->algorithm->row_state ? reel_param_rows(param) : param->numel;
    for (int k = 0; k < REEL_UPDATE_STATES; k++)
        if ((states >> k & 1) && !entry->state[k] &&
            !(entry->state[k] = allocate_state(optim, entry, count, sizeof(reel_real))))
            return optim->context->status;
    return entry->gradient == REEL_GRADIENT_DENSE ? REEL_OK : prepare_rows(optim, entry);
}

/* What has to happen before a row of a watched param is updated. */
struct watched {
    reel_param *param;
    struct reel_deferred *deferred;
    uint64_t version;
};

static void before_row(void *user, int64_t row, int thread)
{
    struct watched *w = user;
    if (w->deferred)
        reel_deferred_touch(w->deferred, row, thread);
    reel_param_before_change(w->param, row, 1, w->version);
}

static void update_rows(reel_optim *optim, struct reel_optim_entry *entry, const struct reel_update *update)
{
    const struct reel_optim_group *group = &optim->groups[entry->group];
    reel_param *param = entry->param;
    struct reel_update first;
    struct reel_update_rows rows = {.gradient = &entry->rows};
    struct watched watched = {param, entry->deferred, param->version};
    if (entry->deferred) {
        reel_deferred_begin(entry->deferred, group->lr);
        entry->all_seen = true;
    } else {
        /* Another optimizer may have put off updates. */
        reel_param_before_read_all(param);
    }
    if (param->watchers) {
        rows.before = before_row;
        rows.user = &watched;
    }
    if (counts_first(optim, entry)) {
        optim->algorithm->prepare(&group->options, group->lr, 1, &first);
        rows.first = &first;
        rows.seen = entry->seen;
    }
    reel_kern_update_rows(update, &rows, reel_param_count_change(param), entry->state, optim->context->num_threads);
}

static void update_all(reel_optim *optim)
{
    /* Most params of a group are at the same step: their constants are computed once. */
    struct reel_update update;
    int64_t group = -1, step = -1;
    for (int64_t i = 0; i < optim->n_entries; i++) {
        struct reel_optim_entry *entry = &optim->entries[i];
        if (entry->gradient == REEL_GRADIENT_NONE)
            continue;
        entry->step++;
        bool dense = entry->gradient == REEL_GRADIENT_DENSE;
        /* Rows tell for themselves whether it is their first update. */
        int64_t counted = !dense && entry->step == 1 && counts_first(optim, entry) ? 2 : entry->step;
        if (entry->group != group || counted != step) {
            group = entry->group;
            step = counted;
            optim->algorithm->prepare(&optim->groups[group].options, optim->groups[group].lr, step, &update);
        }
        if (dense) {
            reel_param *param = entry->param;
            reel_kern_update_dense(&update, reel_param_rows(param), reel_param_columns(param), reel_param_write(param),
                                   reel_param_gradient_dense(param), entry->state, optim->context->num_threads);
            if (entry->deferred)
                reel_deferred_all_moved(entry->deferred);
            entry->all_seen = true;
        } else {
            update_rows(optim, entry, &update);
        }
    }
}

reel_status reel_optim_step(reel_optim *optim)
{
    if (!optim || optim->context->status != REEL_OK)
        return optim ? optim->context->status : REEL_ERROR_ARGUMENT;
    reel_context *c = optim->context;
    if (reel_params_expect_gradients(optim->params, optim->algorithm->name) != REEL_OK ||
        take_new_params(optim) != REEL_OK)
        return c->status;
    /* Whatever can fail comes first. */
    int64_t prepared = 0;
    while (prepared < optim->n_entries && prepare_entry(optim, &optim->entries[prepared++]) == REEL_OK)
        continue;
    if (c->status == REEL_OK)
        update_all(optim);
    for (int64_t i = 0; i < prepared; i++)
        if (optim->entries[i].gradient == REEL_GRADIENT_ROWS)
            reel_param_gradient_end_read(optim->entries[i].param, &optim->entries[i].rows, c->status == REEL_OK);
    return c->status;
}
