/* What may live here: reading and setting, by name, what an optimizer holds: options of groups, state of params. */
#include "train/optim.h"

#include "base/checked.h"
#include "train/deferred.h"

#include <math.h>
#include <string.h>

/* ---- Groups ---- */

int reel_optim_groups(const reel_optim *optim)
{
    return optim ? (int)optim->n_groups : 0;
}

int reel_optim_group_of(const reel_optim *optim, const reel_param *param)
{
    for (int64_t i = 0; optim && i < optim->n_entries; i++)
        if (optim->entries[i].param == param)
            return (int)optim->entries[i].group;
    return -1;
}

double reel_optim_lr(const reel_optim *optim, int group)
{
    return reel_optim_get_option(optim, group, "lr");
}

reel_status reel_optim_set_lr(reel_optim *optim, int group, double lr)
{
    return reel_optim_set_option(optim, group, "lr", lr);
}

double reel_optim_get_option(const reel_optim *optim, int group, const char *name)
{
    if (!optim || !name || group < 0 || group >= optim->n_groups)
        return NAN;
    const struct reel_optim_group *g = &optim->groups[group];
    const reel_optim_option *option = reel_optim_find_option(optim->algorithm, name);
    if (strcmp(name, "lr") == 0)
        return g->lr;
    if (strcmp(name, "initial_lr") == 0)
        return g->initial_lr;
    return option ? reel_optim_read_option(option, g->options) : NAN;
}

reel_status reel_optim_set_option(reel_optim *optim, int group, const char *name, double value)
{
    if (!optim || optim->context->status != REEL_OK)
        return optim ? optim->context->status : REEL_ERROR_ARGUMENT;
    reel_context *c = optim->context;
    const reel_optim_algorithm *algorithm = optim->algorithm;
    if (reel_optim_expect_group(optim, algorithm->name, group) != REEL_OK)
        return c->status;
    struct reel_optim_group *g = &optim->groups[group];
    bool initial = name && strcmp(name, "initial_lr") == 0;
    const reel_optim_option *option = reel_optim_find_option(algorithm, initial ? "lr" : name);
    if (!option)
        return reel_fail(c, REEL_ERROR_ARGUMENT, "%s: there is no option \"%s\"", algorithm->name, name ? name : "");
    if (reel_optim_expect_value(c, algorithm->name, option, value) != REEL_OK)
        return c->status;
    if (initial || strcmp(name, "lr") == 0) {
        *(initial ? &g->initial_lr : &g->lr) = value;
        return REEL_OK;
    }
    double before = reel_optim_read_option(option, g->options);
    reel_optim_write_option(option, g->options, value);
    reel_status status = reel_optim_check_options(c, algorithm->name, algorithm, g->options);
    reel_optim_write_option(option, g->options, before);
    if (status != REEL_OK)
        return status;
    /* What was put off has the old options. */
    for (int64_t i = 0; i < optim->n_entries; i++)
        if (optim->entries[i].group == group)
            reel_optim_end_deferring(&optim->entries[i]);
    reel_optim_write_option(option, g->options, value);
    reel_optim_derive(algorithm, g);
    return REEL_OK;
}

/* ---- State ---- */

/* How often it was updated, the algorithm's states, and which rows were updated. */
enum slot { STEP, FIRST_STATE };

int reel_optim_slots(const reel_optim *optim)
{
    return FIRST_STATE + optim->algorithm->n_states + (optim->algorithm->first_differs ? 2 : 0);
}

reel_optim_state reel_optim_slot(const reel_optim *optim, struct reel_optim_entry *entry, int slot, void **data)
{
    const reel_param *param = entry->param;
    const reel_shape scalar = {.ndim = 0}, rows = {.ndim = 1, .dim = {reel_param_rows(param)}};
    int k = slot - FIRST_STATE, n_states = optim->algorithm->n_states;
    if (slot == STEP) {
        *data = &entry->step;
        return (reel_optim_state){"step", REEL_INT64, scalar, *data};
    }
    if (k < n_states) {
        const reel_optim_state_row *row = &optim->algorithm->states[k];
        *data = entry->state[k];
        return (reel_optim_state){row->name, reel_optim_state_dtype(optim, entry, k),
                                  row->scope == REEL_PER_ELEMENT ? param->shape
                                  : row->scope == REEL_PER_ROW   ? rows
                                                                 : scalar,
                                  *data};
    }
    if (k == n_states) {
        *data = &entry->all_seen;
        return (reel_optim_state){"all_seen", REEL_BOOL, scalar, *data};
    }
    *data = entry->seen;
    return (reel_optim_state){"seen", REEL_BOOL, rows, *data};
}

/* The slot of a name, and what it is; reel_optim_slots(optim) with the error recorded. */
static int find_slot(const reel_optim *optim, struct reel_optim_entry *entry, const char *who, const char *name,
                     reel_optim_state *state, void **data)
{
    int slot = 0, n = reel_optim_slots(optim);
    for (; slot < n; slot++) {
        *state = reel_optim_slot(optim, entry, slot, data);
        if (name && strcmp(state->name, name) == 0)
            return slot;
    }
    reel_fail(optim->context, REEL_ERROR_ARGUMENT, "%s: %s has no state \"%s\"", who, optim->algorithm->name,
              name ? name : "");
    return n;
}

int reel_optim_states(reel_optim *optim, const reel_param *param)
{
    if (!optim || optim->context->status != REEL_OK)
        return 0;
    struct reel_optim_entry *entry = reel_optim_entry_of(optim, "optim_states", param);
    int count = 0;
    for (int slot = 0; entry && slot < reel_optim_slots(optim); slot++) {
        void *data;
        reel_optim_slot(optim, entry, slot, &data);
        count += data != NULL;
    }
    return count;
}

reel_status reel_optim_state_at(reel_optim *optim, const reel_param *param, int i, reel_optim_state *out)
{
    if (!optim || !out || optim->context->status != REEL_OK)
        return optim && optim->context->status != REEL_OK ? optim->context->status : REEL_ERROR_ARGUMENT;
    struct reel_optim_entry *entry = reel_optim_entry_of(optim, "optim_state_at", param);
    if (!entry)
        return optim->context->status;
    reel_param_before_read_all(param);
    int left = i;
    for (int slot = 0; slot < reel_optim_slots(optim); slot++) {
        void *data;
        *out = reel_optim_slot(optim, entry, slot, &data);
        if (data && left-- == 0)
            return REEL_OK;
    }
    return reel_fail(optim->context, REEL_ERROR_ARGUMENT, "optim_state_at: there is no state %d of \"%s\"", i,
                     param->name);
}

reel_status reel_optim_get_state(reel_optim *optim, const reel_param *param, const char *name, reel_optim_state *out)
{
    if (!optim || !out || optim->context->status != REEL_OK)
        return optim && optim->context->status != REEL_OK ? optim->context->status : REEL_ERROR_ARGUMENT;
    struct reel_optim_entry *entry = reel_optim_entry_of(optim, "optim_get_state", param);
    void *data;
    if (!entry || find_slot(optim, entry, "optim_get_state", name, out, &data) == reel_optim_slots(optim))
        return optim->context->status;
    reel_param_before_read_all(param);
    return REEL_OK;
}

void *reel_optim_slot_memory(reel_optim *optim, struct reel_optim_entry *entry, int slot)
{
    void *data;
    reel_optim_state state = reel_optim_slot(optim, entry, slot, &data);
    if (!data)
        data = reel_optim_allocate_state(optim, entry, reel_shape_numel(&state.shape), reel_dtype_size(state.dtype));
    if (slot >= FIRST_STATE && slot - FIRST_STATE < optim->algorithm->n_states)
        entry->state[slot - FIRST_STATE] = data;
    else if (state.dtype == REEL_BOOL && state.shape.ndim == 1)
        entry->seen = data;
    return data;
}

bool reel_optim_slot_takes(int slot, const void *data)
{
    const int64_t *count = data;
    return slot != STEP || (*count >= 0 && *count <= REEL_LARGEST_COUNT);
}

reel_status reel_optim_set_state(reel_optim *optim, const reel_param *param, const reel_optim_state *state)
{
    if (!optim || !state || optim->context->status != REEL_OK)
        return optim && optim->context->status != REEL_OK ? optim->context->status : REEL_ERROR_ARGUMENT;
    reel_context *c = optim->context;
    struct reel_optim_entry *entry = reel_optim_entry_of(optim, "optim_set_state", param);
    reel_optim_state want;
    void *data;
    int slot = entry ? find_slot(optim, entry, "optim_set_state", state->name, &want, &data) : 0;
    if (c->status != REEL_OK)
        return c->status;
    if (state->dtype != want.dtype || !reel_shape_equal(&state->shape, &want.shape))
        return reel_fail(c, state->dtype != want.dtype ? REEL_ERROR_DTYPE : REEL_ERROR_SHAPE,
                         "optim_set_state: \"%s\" of \"%s\" has another shape or type", want.name, param->name);
    if (!state->data || !reel_optim_slot_takes(slot, state->data))
        return reel_fail(c, REEL_ERROR_ARGUMENT, "optim_set_state: \"%s\" of \"%s\" is NULL, or outside 0..2^53",
                         want.name, param->name);
    /* What was put off is about the old state. */
    reel_optim_end_deferring(entry);
    if (!(data = reel_optim_slot_memory(optim, entry, slot)))
        return c->status;
    memmove(data, state->data, (size_t)reel_shape_numel(&want.shape) * reel_dtype_size(want.dtype));
    return REEL_OK;
}

/* A group's options with other values, of all options in order, in a struct that is the caller's. */
static reel_status change_options(const reel_optim *optim, const double *values, void *options)
{
    const reel_optim_algorithm *a = optim->algorithm;
    for (int i = 0; i < a->n_options; i++) {
        if (reel_optim_expect_value(optim->context, a->name, &a->options[i], values[i]) != REEL_OK)
            return optim->context->status;
        reel_optim_write_option(&a->options[i], options, values[i]);
    }
    return reel_optim_check_options(optim->context, a->name, a, options);
}

reel_status reel_optim_check_group(reel_optim *optim, int group, const double *values, double initial_lr)
{
    reel_context *c = optim->context;
    const reel_optim_algorithm *algorithm = optim->algorithm;
    void *options = reel_allocate(&c->memory, algorithm->options_size);
    if (!options)
        return reel_fail_memory(c, algorithm->name, algorithm->options_size);
    memcpy(options, optim->groups[group].options, algorithm->options_size);
    if (change_options(optim, values, options) == REEL_OK)
        reel_optim_expect_value(c, algorithm->name, reel_optim_find_option(algorithm, "lr"), initial_lr);
    reel_free(&c->memory, options);
    return c->status;
}

void reel_optim_restore_group(reel_optim *optim, int group, const double *values, double initial_lr)
{
    struct reel_optim_group *g = &optim->groups[group];
    for (int64_t i = 0; i < optim->n_entries; i++)
        if (optim->entries[i].group == group)
            reel_optim_end_deferring(&optim->entries[i]);
    for (int i = 0; i < optim->algorithm->n_options; i++) {
        const reel_optim_option *option = &optim->algorithm->options[i];
        if (strcmp(option->name, "lr") == 0)
            g->lr = values[i];
        else
            reel_optim_write_option(option, g->options, values[i]);
    }
    g->initial_lr = initial_lr;
    reel_optim_derive(optim->algorithm, g);
}
