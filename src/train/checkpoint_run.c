/* What a run consists of, as a list of tensors, from which saving, comparing and loading follow. */
#include "train/checkpoint.h"

#include "base/checked.h"
#include "base/text.h"
#include "train/ema.h"
#include "train/loader.h"
#include "train/schedule.h"

#include <string.h>

void *reel_run_allocate(struct reel_run *run, int64_t count, size_t element_size)
{
    size_t size = SIZE_MAX;
    void *memory = reel_multiply_size(count, element_size, &size) ? reel_arena_allocate(&run->arena, size) : NULL;
    if (!memory)
        reel_fail_memory(run->context, "a checkpoint", size);
    else
        memset(memory, 0, size);
    return memory;
}

static char *join(struct reel_run *run, const char *const *pieces)
{
    size_t size = 1;
    for (int i = 0; pieces[i]; i++)
        size += strlen(pieces[i]);
    char *text = reel_run_allocate(run, (int64_t)size, 1);
    for (int i = 0; text && pieces[i]; i++)
        strcat(text, pieces[i]);
    return text;
}
#define JOIN(run, ...) join(run, (const char *const[]){__VA_ARGS__, NULL})

static struct reel_run_tensor *append(struct reel_run *run, enum reel_way way, const char *name, const char *type,
                                      reel_shape shape, void *data)
{
    reel_context *c = run->context;
    if (c->status == REEL_OK && !reel_grow(&c->memory, (void **)&run->tensors, run->count, &run->capacity,
                                           run->count + 1, sizeof *run->tensors))
        reel_fail_memory(c, "a checkpoint", sizeof *run->tensors);
    if (c->status != REEL_OK)
        return NULL;
    run->tensors[run->count] = (struct reel_run_tensor){.way = way, .source = {name, type, shape, data}, .data = data};
    return &run->tensors[run->count++];
}

static void append_staged(struct reel_run *run, const char *name, const char *type, int64_t n, void *data)
{
    append(run, REEL_WAY_STAGED, name, type, n < 0 ? REEL_SCALAR : REEL_SHAPE(n), data);
}
enum { ONE = -1 }; /* a scalar */

static void append_metadata(struct reel_run *run, const char *key, const char *value)
{
    if (run->context->status == REEL_OK)
        run->metadata[run->n_metadata++] = (reel_metadata){key, value};
}

static const char *number_text(struct reel_run *run, int64_t number)
{
    char text[24] = "";
    reel_append_text(text, sizeof text, "%lld", (long long)number);
    return JOIN(run, text);
}

static void describe_params(struct reel_run *run, const struct reel_part *part, bool alone)
{
    reel_params *params = part->object;
    for (int64_t i = 0; i < params->count; i++) {
        reel_param *param = params->params[i];
        const char *name = alone ? param->name : JOIN(run, part->name, ".", param->name);
        struct reel_run_tensor *tensor =
            append(run, REEL_WAY_PARAM, name, reel_tensor_type_name(param->dtype), param->shape, NULL);
        if (!tensor)
            return;
        tensor->param = param;
        tensor->source.data = reel_param_data(param);
    }
}

static void describe_entry(struct reel_run *run, const struct reel_part *part, const reel_param *param)
{
    reel_optim *optim = part->object;
    struct reel_optim_entry *entry = reel_optim_entry_of(optim, "checkpoint", param);
    if (!entry)
        return;
    reel_param_before_read_all(param);
    for (int slot = 0; slot < reel_optim_slots(optim); slot++) {
        void *data;
        reel_optim_state state = reel_optim_slot(optim, entry, slot, &data);
        const char *name = JOIN(run, "optim/", part->name, "/state/", param->name, "/", state.name);
        struct reel_run_tensor *tensor =
            append(run, REEL_WAY_STATE, name, reel_tensor_type_name(state.dtype), state.shape, data);
        if (!tensor)
            return;
        tensor->optim = optim;
        tensor->entry = entry;
        tensor->slot = slot;
    }
}

static void describe_optim(struct reel_run *run, const struct reel_part *part, struct reel_staged_optim *staged)
{
    reel_optim *optim = part->object;
    const reel_optim_algorithm *algorithm = optim->algorithm;
    append_metadata(run, JOIN(run, "optim/", part->name), algorithm->name);
    for (int64_t i = 0; i < optim->params->count; i++)
        if (optim->params->params[i]->kind != REEL_PARAM_BUFFER)
            describe_entry(run, part, optim->params->params[i]);
    int64_t columns = algorithm->n_options + 1;
    staged->options = reel_run_allocate(run, optim->n_groups * columns, sizeof(double));
    staged->groups = reel_run_allocate(run, optim->n_entries, sizeof(int64_t));
    for (int64_t i = 0; i < optim->n_groups * columns && run->context->status == REEL_OK; i++) {
        int64_t group = i / columns, k = i % columns;
        const char *option = k < algorithm->n_options ? algorithm->options[k].name : "initial_lr";
        staged->options[i] = reel_optim_get_option(optim, (int)group, option);
        append_staged(run, JOIN(run, "optim/", part->name, "/groups/", number_text(run, group), "/", option), "F64",
                      ONE, &staged->options[i]);
    }
    for (int64_t i = 0; i < optim->n_entries && run->context->status == REEL_OK; i++) {
        staged->groups[i] = optim->entries[i].group;
        append_staged(run, JOIN(run, "optim/", part->name, "/group/", optim->entries[i].param->name), "I64", ONE,
                      &staged->groups[i]);
    }
}

/* "cosine_annealing_lr, t_max 100, eta_min 0", and the others of the chain. */
static const char *chain_text(struct reel_run *run, const reel_schedule *schedule)
{
    const char *all = "";
    for (const reel_schedule *s = schedule; s && all; s = s->next) {
        char text[REEL_SCHEDULE_TEXT];
        all = JOIN(run, all, s == schedule ? "" : "; ", reel_schedule_text(s, text));
    }
    return all;
}

static void describe_schedule(struct reel_run *run, const struct reel_part *part, struct reel_staged_schedule *staged)
{
    reel_schedule *schedule = part->object;
    append_metadata(run, JOIN(run, "schedule/", part->name), chain_text(run, schedule));
    int n = reel_schedule_states(schedule), length = 0;
    for (const reel_schedule *s = schedule; s; s = s->next)
        length++;
    staged->states = reel_run_allocate(run, n, sizeof(double));
    staged->milestones = reel_run_allocate(run, length, sizeof(int64_t *));
    for (int i = 0; i < n && run->context->status == REEL_OK; i++) {
        reel_schedule_state state;
        reel_schedule_state_at(schedule, i, &state);
        staged->states[i] = state.value;
        append_staged(run, JOIN(run, "schedule/", part->name, "/", state.name), "F64", ONE, &staged->states[i]);
    }
    const reel_schedule *s = schedule;
    for (int i = 0; s && run->context->status == REEL_OK; s = s->next, i++) {
        if (s->n == 0)
            continue;
        size_t bytes = (size_t)s->n * sizeof(int64_t);
        if ((staged->milestones[i] = reel_run_allocate(run, s->n, sizeof(int64_t))))
            memcpy(staged->milestones[i], s->milestones, bytes);
        append_staged(run, JOIN(run, "schedule/", part->name, "/milestones/", number_text(run, i)), "I64", s->n,
                      staged->milestones[i]);
    }
}

static void append_runs(struct reel_run *run, const char *name, const char *type, void **place, int64_t *length)
{
    struct reel_run_tensor *tensor = append(run, REEL_WAY_RUNS, name, type, REEL_SHAPE(*length), *place);
    if (!tensor)
        return;
    tensor->place = place;
    tensor->length = length;
}

static void describe_rows(struct reel_run *run, const char *prefix, struct reel_row_average *rows,
                          struct reel_staged_rows *staged)
{
    int64_t n = rows->decays.count;
    *staged = (struct reel_staged_rows){.done = {rows->base, rows->decays.next - 1},
                                        .one_by_one = rows->one_by_one,
                                        .n_first = n,
                                        .n_decay = n,
                                        .first = reel_run_allocate(run, n, sizeof(int64_t)),
                                        .decay = reel_run_allocate(run, n, sizeof(double))};
    for (int64_t i = 0; i < n && run->context->status == REEL_OK; i++) {
        ((int64_t *)staged->first)[i] = rows->decays.runs[i].first;
        ((double *)staged->decay)[i] = rows->decays.runs[i].value;
    }
    append_staged(run, JOIN(run, prefix, "done"), "I64", 2, staged->done);
    append_staged(run, JOIN(run, prefix, "one_by_one"), "BOOL", ONE, &staged->one_by_one);
    append_runs(run, JOIN(run, prefix, "first"), "I64", &staged->first, &staged->n_first);
    append_runs(run, JOIN(run, prefix, "decay"), "F64", &staged->decay, &staged->n_decay);
    append(run, REEL_WAY_DIRECT, JOIN(run, prefix, "updates"), "U32", REEL_SHAPE(reel_param_rows(rows->param)),
           rows->stamps);
}

static void describe_ema(struct reel_run *run, const struct reel_part *part, struct reel_staged_ema *staged)
{
    reel_ema *ema = part->object;
    if (ema->params->swapped) {
        reel_fail(run->context, REEL_ERROR_STATE, "checkpoint: the average \"%s\" is swapped; swap it back first",
                  part->name);
        return;
    }
    *staged =
        (struct reel_staged_ema){ema->decay, ema->updated, reel_run_allocate(run, ema->count, sizeof *staged->rows)};
    append_staged(run, JOIN(run, "ema/", part->name, "/decay"), "F64", ONE, &staged->decay);
    append_staged(run, JOIN(run, "ema/", part->name, "/updated"), "BOOL", ONE, &staged->updated);
    for (int64_t i = 0; i < ema->count && run->context->status == REEL_OK; i++) {
        const reel_param *param = ema->params->params[i];
        struct reel_row_average *rows = ema->averages[i].by_row;
        if (rows) {
            reel_row_average_settle(rows);
            describe_rows(run, JOIN(run, "ema/", part->name, "/rows/", param->name, "/"), rows, &staged->rows[i]);
        }
        append(run, REEL_WAY_DIRECT, JOIN(run, "ema/", part->name, "/average/", param->name),
               reel_tensor_type_name(param->dtype), param->shape, ema->averages[i].data);
    }
}

static void describe_loader(struct reel_run *run, const struct reel_part *part, struct reel_staged_loader *staged)
{
    reel_loader_position *position = &staged->position;
    reel_loader_position_of(part->object, position);
    append_staged(run, JOIN(run, "loader/", part->name, "/epoch"), "I64", ONE, &position->epoch);
    append_staged(run, JOIN(run, "loader/", part->name, "/next"), "I64", ONE, &position->next);
    append_staged(run, JOIN(run, "loader/", part->name, "/samples"), "I64", ONE, &position->samples);
    append_staged(run, JOIN(run, "loader/", part->name, "/base_seed"), "I64", ONE, &position->base_seed);
    append_staged(run, JOIN(run, "loader/", part->name, "/generator"), "U8", REEL_RNG_STATE_SIZE, position->generator);
    reel_loader_get_options(part->object, staged->options);
    for (int i = 0; i < REEL_LOADER_OPTIONS; i++)
        append(run, REEL_WAY_NEWER, JOIN(run, "loader/", part->name, "/", reel_loader_option_names[i]), "I64",
               REEL_SCALAR, &staged->options[i]);
}

static void describe_part(struct reel_run *run, int64_t i, bool alone)
{
    const struct reel_part *part = &run->checkpoint->parts[i];
    union reel_staged *staged = run->staged[i] = reel_run_allocate(run, 1, sizeof *staged);
    if (!staged)
        return;
    switch (part->kind) {
    case REEL_PART_PARAMS:
        describe_params(run, part, alone);
        break;
    case REEL_PART_OPTIM:
        describe_optim(run, part, &staged->optim);
        break;
    case REEL_PART_SCHEDULE:
        describe_schedule(run, part, &staged->schedule);
        break;
    case REEL_PART_EMA:
        describe_ema(run, part, &staged->ema);
        break;
    case REEL_PART_LOADER:
        describe_loader(run, part, &staged->loader);
        break;
    case REEL_PART_NUMBER:
        staged->number = *(const double *)part->object;
        append_staged(run, JOIN(run, "user/", part->name), "F64", ONE, &staged->number);
        break;
    case REEL_PART_ARRAY:
        append(run, REEL_WAY_DIRECT, JOIN(run, "user/", part->name), reel_tensor_type_name(part->dtype), part->shape,
               part->object);
        break;
    }
}

void reel_run_end(struct reel_run *run)
{
    reel_free(&run->context->memory, run->tensors);
    reel_arena_free(&run->arena);
}

reel_status reel_run_begin(struct reel_run *run, reel_checkpoint *checkpoint)
{
    reel_context *c = checkpoint->context;
    *run = (struct reel_run){.checkpoint = checkpoint, .context = c};
    reel_arena_init(&run->arena, &c->memory);
    if (reel_checkpoint_expect_parts(checkpoint) != REEL_OK)
        return c->status;
    run->metadata = reel_run_allocate(run, checkpoint->count + 1, sizeof *run->metadata);
    run->staged = reel_run_allocate(run, checkpoint->count, sizeof *run->staged);
    append_metadata(run, REEL_CHECKPOINT_KEY, REEL_CHECKPOINT_VERSION);
    reel_generator_get_state(&c->generator, run->generator);
    run->draws = (int64_t)c->philox_draws;
    append_staged(run, "rng/state", "U8", REEL_RNG_STATE_SIZE, run->generator);
    append_staged(run, "rng/draws", "I64", ONE, &run->draws);
    int sets = 0;
    for (int64_t i = 0; i < checkpoint->count; i++)
        sets += checkpoint->parts[i].kind == REEL_PART_PARAMS;
    for (int64_t i = 0; i < checkpoint->count && c->status == REEL_OK; i++)
        describe_part(run, i, sets == 1);
    return c->status;
}
