/* What may live here: making an optimizer, its groups, and a step, from the gradients down to the rows. */
#include "train/optim.h"

#include "base/checked.h"
#include "train/deferred.h"

/* ---- Params and groups ---- */

/* An update that has to see the whole param cannot do with some rows. */
static reel_status expect_takes(const reel_optim *optim, const reel_param *param)
{
    if (optim->algorithm->scope != REEL_PER_PARAM || !param->sparse || param->kind != REEL_PARAM_TRAINED)
        return REEL_OK;
    return reel_fail(optim->context, REEL_ERROR_ARGUMENT,
                     "%s: an update needs the whole of \"%s\", whose gradients are row-sparse", optim->algorithm->name,
                     param->name);
}

/* Takes in the params that the set got since the last look. */
static reel_status take_new_params(reel_optim *optim)
{
    for (; optim->params_seen < optim->params->count; optim->params_seen++) {
        reel_param *param = optim->params->params[optim->params_seen];
        if (param->kind == REEL_PARAM_BUFFER)
            continue;
        if (expect_takes(optim, param) != REEL_OK)
            return optim->context->status;
        if (!reel_grow(&optim->context->memory, (void **)&optim->entries, optim->n_entries, &optim->entries_capacity,
                       optim->n_entries + 1, sizeof *optim->entries))
            return reel_fail_memory(optim->context, optim->algorithm->name, sizeof *optim->entries);
        optim->entries[optim->n_entries++] = (struct reel_optim_entry){.param = param};
    }
    return REEL_OK;
}

struct reel_optim_entry *reel_optim_entry_of(reel_optim *optim, const char *who, const reel_param *param)
{
    if (take_new_params(optim) != REEL_OK)
        return NULL;
    for (int64_t i = 0; i < optim->n_entries; i++)
        if (optim->entries[i].param == param)
            return &optim->entries[i];
    reel_fail(optim->context, REEL_ERROR_ARGUMENT, "%s: \"%s\" is no param of the optimizer", who,
              reel_param_name(param));
    return NULL;
}

void reel_optim_derive(const reel_optim_algorithm *algorithm, struct reel_optim_group *group)
{
    const reel_optim_option *sparse_update = reel_optim_find_option(algorithm, "sparse_update");
    group->states = 0;
    for (int k = 0; k < algorithm->n_states; k++) {
        const reel_optim_option *option = reel_optim_find_option(algorithm, algorithm->states[k].option);
        if (!option || reel_optim_read_option(option, group->options) != 0)
            group->states |= 1u << k;
    }
    group->defers = sparse_update && reel_optim_read_option(sparse_update, group->options) == REEL_EXACT &&
                    !(algorithm->rests && algorithm->rests(group->options));
    group->first_differs = algorithm->first_differs && algorithm->first_differs(group->options);
}

static reel_status append_group(reel_optim *optim, const void *given)
{
    const reel_optim_algorithm *algorithm = optim->algorithm;
    reel_context *c = optim->context;
    struct reel_optim_group group = {.options = reel_allocate(&c->memory, algorithm->options_size)};
    if (!group.options || !reel_grow(&c->memory, (void **)&optim->groups, optim->n_groups, &optim->groups_capacity,
                                     optim->n_groups + 1, sizeof *optim->groups)) {
        reel_fail_memory(c, algorithm->name, algorithm->options_size);
    } else {
        reel_optim_fill_options(algorithm, group.options);
        if (reel_options_take(c, algorithm->name, given, group.options) == REEL_OK)
            reel_optim_check_options(c, algorithm->name, algorithm, group.options);
    }
    if (c->status != REEL_OK) {
        reel_free(&c->memory, group.options);
        return c->status;
    }
    group.lr = group.initial_lr = reel_optim_read_option(reel_optim_find_option(algorithm, "lr"), group.options);
    reel_optim_derive(algorithm, &group);
    optim->groups[optim->n_groups++] = group;
    return REEL_OK;
}

reel_optim *reel_optim_new(reel_params *params, const reel_optim_algorithm *algorithm, const void *options)
{
    if (!params || params->context->status != REEL_OK || reel_optim_check_row(params->context, algorithm) != REEL_OK)
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
    reel_params_hold(params);
    if (append_group(optim, options) != REEL_OK || take_new_params(optim) != REEL_OK) {
        reel_optim_free(optim);
        return NULL;
    }
    return optim;
}

const reel_optim_algorithm *reel_optim_algorithm_of(const reel_optim *optim)
{
    return optim ? optim->algorithm : NULL;
}

void reel_optim_end_deferring(struct reel_optim_entry *entry)
{
    reel_deferred_free(entry->deferred);
    entry->deferred = NULL;
}

void reel_optim_free(reel_optim *optim)
{
    if (!optim)
        return;
    struct reel_memory *memory = &optim->context->memory;
    for (int64_t i = 0; i < optim->n_entries; i++) {
        reel_optim_end_deferring(&optim->entries[i]);
        for (int k = 0; k < REEL_OPTIM_STATES; k++)
            reel_free(memory, optim->entries[i].state[k]);
        reel_free(memory, optim->entries[i].seen);
    }
    for (int64_t i = 0; i < optim->n_groups; i++)
        reel_free(memory, optim->groups[i].options);
    reel_free(memory, optim->entries);
    reel_free(memory, optim->groups);
    reel_params_let_go(optim->params);
    if (reel_lifetime_end(&optim->lifetime))
        reel_free(memory, optim);
}

void reel_optim_let_go(reel_optim *optim)
{
    if (reel_lifetime_let_go(&optim->lifetime))
        reel_free(&optim->context->memory, optim);
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
            reel_optim_end_deferring(&optim->entries[i]);
            optim->entries[i].group = group;
            moved++;
        }
    if (moved == 0)
        return reel_fail(optim->context, REEL_ERROR_ARGUMENT, "%s: no param is named like \"%s\"", who, names);
    return REEL_OK;
}

int reel_optim_add_group(reel_optim *optim, const reel_optim_algorithm *algorithm, const char *names,
                         const void *options)
{
    if (!optim || optim->context->status != REEL_OK || reel_optim_check_row(optim->context, algorithm) != REEL_OK)
        return -1;
    if (optim->algorithm != algorithm) {
        reel_fail(optim->context, REEL_ERROR_ARGUMENT, "%s_add_group: the optimizer is %s", algorithm->name,
                  optim->algorithm->name);
        return -1;
    }
    if (take_new_params(optim) != REEL_OK || append_group(optim, options) != REEL_OK)
        return -1;
    if (names && move(optim, algorithm->name, optim->n_groups - 1, names) != REEL_OK) {
        reel_free(&optim->context->memory, optim->groups[--optim->n_groups].options);
        return -1;
    }
    return (int)(optim->n_groups - 1);
}

reel_status reel_optim_expect_group(const reel_optim *optim, const char *who, int group)
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
    if (reel_optim_expect_group(optim, "optim_move", group) != REEL_OK || take_new_params(optim) != REEL_OK)
        return optim->context->status;
    if (!names)
        return reel_fail(optim->context, REEL_ERROR_ARGUMENT, "optim_move: names is NULL");
    return move(optim, "optim_move", group, names);
}

/* ---- The step ---- */

reel_dtype reel_optim_state_dtype(const reel_optim *optim, const struct reel_optim_entry *entry, int k)
{
    return optim->algorithm->states[k].scope == REEL_PER_ELEMENT ? entry->param->dtype : REEL_REAL;
}

int64_t reel_optim_state_numel(const reel_optim *optim, const struct reel_optim_entry *entry, int k)
{
    reel_optim_scope scope = optim->algorithm->states[k].scope;
    return scope == REEL_PER_ELEMENT ? entry->param->numel : scope == REEL_PER_ROW ? reel_param_rows(entry->param) : 1;
}

void *reel_optim_allocate_state(const reel_optim *optim, const struct reel_optim_entry *entry, int64_t count,
                                size_t size)
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

/* Whether the entry tells rows that were updated from others. */
static bool counts_first(const reel_optim *optim, const struct reel_optim_entry *entry)
{
    return entry->seen && !entry->all_seen && !entry->deferred && optim->groups[entry->group].first_differs;
}

/* Allocates what rows in bfloat16 need to be moved. Their updates are rounded once a step, so that none can be put off.
 */
static reel_status prepare_narrow(reel_optim *optim, struct reel_optim_entry *entry)
{
    reel_context *c = optim->context;
    if (optim->groups[entry->group].defers)
        return reel_fail(c, REEL_ERROR_ARGUMENT,
                         "%s: \"%s\" is bfloat16, whose rows are not updated exactly (REEL_EXACT)",
                         optim->algorithm->name, entry->param->name);
    const size_t bytes =
        reel_kern_update_room(optim->algorithm, reel_param_columns(entry->param), reel_get_num_threads(c));
    entry->room = reel_scratch_allocate(&c->scratch, bytes);
    return entry->room ? REEL_OK : reel_fail_memory(c, optim->algorithm->name, bytes);
}

/* Allocates what updates of rows need besides the state. */
static reel_status prepare_rows(reel_optim *optim, struct reel_optim_entry *entry)
{
    const struct reel_optim_group *group = &optim->groups[entry->group];
    if (entry->param->dtype == REEL_BFLOAT16 && prepare_narrow(optim, entry) != REEL_OK)
        return optim->context->status;
    if (group->defers) {
        if (!entry->deferred && !(entry->deferred = reel_deferred_new(entry->param, optim->algorithm, group->options,
                                                                      entry->state, entry->step)))
            return optim->context->status;
        return reel_deferred_reserve(entry->deferred);
    }
    if (!entry->seen && !entry->all_seen && group->first_differs)
        entry->seen = reel_optim_allocate_state(optim, entry, reel_param_rows(entry->param), sizeof *entry->seen);
    return optim->context->status;
}

/* Finds the entry's gradient and allocates whatever its update needs. */
static reel_status prepare_entry(reel_optim *optim, struct reel_optim_entry *entry)
{
    reel_param *param = entry->param;
    entry->gradient = param->kind == REEL_PARAM_TRAINED ? reel_param_gradient_kind(param) : REEL_GRADIENT_NONE;
    if (entry->gradient == REEL_GRADIENT_NONE)
        return REEL_OK;
    if (reel_param_gradient_expect_passed(param, optim->algorithm->name) != REEL_OK ||
        expect_takes(optim, param) != REEL_OK) {
        entry->gradient = REEL_GRADIENT_NONE;
        return optim->context->status;
    }
    if (entry->gradient == REEL_GRADIENT_ROWS && reel_param_gradient_read_rows(param, &entry->rows) != REEL_OK)
        return optim->context->status;
    for (int k = 0; k < optim->algorithm->n_states; k++)
        if ((optim->groups[entry->group].states >> k & 1) && !entry->state[k] &&
            !(entry->state[k] = reel_optim_allocate_state(optim, entry, reel_optim_state_numel(optim, entry, k),
                                                          reel_dtype_size(reel_optim_state_dtype(optim, entry, k)))))
            return optim->context->status;
    return entry->gradient == REEL_GRADIENT_DENSE ? REEL_OK : prepare_rows(optim, entry);
}

static void end_rows(reel_optim *optim, struct reel_optim_entry *entry, bool used)
{
    reel_param_gradient_end_read(entry->param, &entry->rows, used);
    reel_scratch_release(&optim->context->scratch, entry->room);
    entry->room = NULL;
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

/* What is drawn for roundings are sequences of Philox that nothing else comes to: by the param and its step. */
#define NARROW (UINT64_C(1) << 63)
enum { STEP_BITS = 40 };

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
    if (reel_param_is_watched(param)) {
        rows.before = before_row;
        rows.user = &watched;
    }
    if (counts_first(optim, entry)) {
        first = reel_optim_prepare(optim->algorithm, group->options, group->lr, 1);
        rows.first = &first;
        rows.seen = entry->seen;
    }
    const struct reel_update_narrow narrow = {
        {optim->context->generator.seed,
         NARROW | (uint64_t)(entry - optim->entries) << STEP_BITS | (uint64_t)entry->step},
        entry->room};
    if (param->dtype == REEL_BFLOAT16)
        rows.narrow = &narrow;
    reel_param_gradient_move_rows(param, &entry->rows);
    reel_kern_update_rows(update, &rows, reel_param_count_change(param), entry->state, optim->context->num_threads);
    end_rows(optim, entry, true);
}

static void update_dense(reel_optim *optim, struct reel_optim_entry *entry, const struct reel_update *update)
{
    reel_param *param = entry->param;
    int64_t rows = reel_param_rows(param), columns = reel_param_columns(param);
    reel_real *data = reel_param_write(param);
    const reel_real *grad = reel_param_gradient_dense(param);
    if (optim->algorithm->scope == REEL_PER_PARAM)
        reel_kern_update_whole(*update, rows, columns, data, grad, entry->state, optim->context->num_threads);
    else
        reel_kern_update_dense(update, rows, columns, data, grad, entry->state, optim->context->num_threads);
    if (entry->deferred)
        reel_deferred_all_moved(entry->deferred);
    entry->all_seen = true;
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
            update = reel_optim_prepare(optim->algorithm, optim->groups[group].options, optim->groups[group].lr, step);
        }
        if (dense)
            update_dense(optim, entry, &update);
        else
            update_rows(optim, entry, &update);
    }
}

reel_status reel_optim_step(reel_optim *optim)
{
    if (!optim || optim->context->status != REEL_OK)
        return optim ? optim->context->status : REEL_ERROR_ARGUMENT;
    reel_context *c = optim->context;
    reel_context_expect_owner(c);
    if (reel_params_expect_own(optim->params, optim->algorithm->name) != REEL_OK ||
        reel_params_expect_own_values(optim->params, optim->algorithm->name) != REEL_OK ||
        reel_params_expect_gradients(optim->params, optim->algorithm->name) != REEL_OK ||
        take_new_params(optim) != REEL_OK)
        return c->status;
    /* Whatever can fail comes first. */
    int64_t prepared = 0;
    while (prepared < optim->n_entries && prepare_entry(optim, &optim->entries[prepared++]) == REEL_OK)
        continue;
    if (c->status == REEL_OK)
        update_all(optim);
    for (int64_t i = 0; i < prepared && c->status != REEL_OK; i++)
        if (optim->entries[i].gradient == REEL_GRADIENT_ROWS)
            end_rows(optim, &optim->entries[i], false);
    return c->status;
}
