/* Checkpoints: what a run consists of as a list of tensors, from which saving, checking and loading follow. */
#include "train/checkpoint.h"

#include "base/arena.h"
#include "base/checked.h"
#include "base/shape.h"
#include "base/sort.h"
#include "base/text.h"
#include "files/safetensors.h"
#include "train/ema.h"
#include "train/loader.h"
#include "train/optim.h"
#include "train/schedule.h"

#include <stdarg.h>
#include <string.h>

static const char VERSION_KEY[] = "reel_checkpoint", VERSION[] = "1";

enum kind { PARAMS, OPTIM, SCHEDULE, EMA, LOADER, NUMBER, ARRAY };
static const char *const kind_names[] = {"params", "optim", "schedule", "ema", "loader", "number", "array"};

struct part {
    enum kind kind;
    char *name;
    void *object;     /* what was added; of an array the elements */
    reel_dtype dtype; /* of an array */
    reel_shape shape;
};

struct reel_checkpoint {
    reel_context *context;
    struct part *parts;
    int64_t count, capacity;
    char *differences; /* of the last load */
    int64_t size, differences_capacity;
    int64_t n_differences;
};

/* ---- The parts ---- */

reel_checkpoint *reel_checkpoint_new(reel_context *context)
{
    if (!context || context->status != REEL_OK)
        return NULL;
    reel_checkpoint *k = reel_allocate_zeroed(&context->memory, sizeof *k);
    if (!k)
        reel_fail_memory(context, "a checkpoint", sizeof *k);
    else
        k->context = context;
    return k;
}

reel_context *reel_checkpoint_context(const reel_checkpoint *checkpoint)
{
    return checkpoint ? checkpoint->context : NULL;
}

/* Parts are held, so that one that was freed can be seen to be. */
static void hold(const struct part *part)
{
    switch (part->kind) {
    case PARAMS:
        reel_params_hold(part->object);
        break;
    case OPTIM:
        ((reel_optim *)part->object)->lifetime.holders++;
        break;
    case SCHEDULE:
        ((reel_schedule *)part->object)->lifetime.holders++;
        break;
    case EMA:
        ((reel_ema *)part->object)->lifetime.holders++;
        break;
    case LOADER:
        reel_loader_hold(part->object);
        break;
    case NUMBER:
    case ARRAY:
        break;
    }
}

static void let_go(const struct part *part)
{
    switch (part->kind) {
    case PARAMS:
        reel_params_let_go(part->object);
        break;
    case OPTIM:
        reel_optim_let_go(part->object);
        break;
    case SCHEDULE:
        reel_schedule_let_go(part->object);
        break;
    case EMA:
        reel_ema_let_go(part->object);
        break;
    case LOADER:
        reel_loader_let_go(part->object);
        break;
    case NUMBER:
    case ARRAY:
        break;
    }
}

static bool is_freed(const struct part *part)
{
    const reel_schedule *schedule = part->object;
    switch (part->kind) {
    case PARAMS:
        return ((const reel_params *)part->object)->is_freed;
    case OPTIM:
        return ((const reel_optim *)part->object)->lifetime.is_freed;
    case SCHEDULE:
        return schedule->lifetime.is_freed || schedule->optim->lifetime.is_freed;
    case EMA:
        return ((const reel_ema *)part->object)->lifetime.is_freed;
    case LOADER:
        return reel_loader_is_freed(part->object);
    case NUMBER:
    case ARRAY:
        break;
    }
    return false;
}

static reel_status expect_parts(const reel_checkpoint *k)
{
    for (int64_t i = 0; i < k->count; i++)
        if (is_freed(&k->parts[i]))
            return reel_fail(k->context, REEL_ERROR_STATE, "checkpoint: the %s \"%s\" was freed",
                             kind_names[k->parts[i].kind], k->parts[i].name);
    return REEL_OK;
}

void reel_checkpoint_free(reel_checkpoint *checkpoint)
{
    if (!checkpoint)
        return;
    struct reel_memory *memory = &checkpoint->context->memory;
    for (int64_t i = 0; i < checkpoint->count; i++) {
        let_go(&checkpoint->parts[i]);
        reel_free(memory, checkpoint->parts[i].name);
    }
    reel_free(memory, checkpoint->parts);
    reel_free(memory, checkpoint->differences);
    reel_free(memory, checkpoint);
}

/* Numbers and arrays share their names. */
static bool same_names(enum kind a, enum kind b)
{
    return a == b || (a >= NUMBER && b >= NUMBER);
}

static reel_status add(reel_checkpoint *k, const char *name, struct part part, const reel_context *context)
{
    if (!k || k->context->status != REEL_OK)
        return k ? k->context->status : REEL_ERROR_ARGUMENT;
    reel_context *c = k->context;
    char printable[REEL_PRINTABLE];
    if (!part.object || context != c)
        return reel_fail(c, REEL_ERROR_ARGUMENT, "checkpoint: the part to be added is %s",
                         part.object ? "of another context" : "NULL");
    if (!name || !*name || !reel_is_utf8(name) || strchr(name, '/'))
        return reel_fail(c, REEL_ERROR_ARGUMENT, "checkpoint: the name \"%s\" is empty, not UTF-8, or has a slash",
                         reel_printable(name ? name : "", printable));
    for (int64_t i = 0; i < k->count; i++)
        if (same_names(k->parts[i].kind, part.kind) && strcmp(k->parts[i].name, name) == 0)
            return reel_fail(c, REEL_ERROR_ARGUMENT, "checkpoint: it has a part of this kind with the name \"%s\"",
                             reel_printable(name, printable));
    size_t size = strlen(name) + 1;
    part.name = reel_allocate(&c->memory, size);
    if (!part.name || !reel_grow(&c->memory, (void **)&k->parts, k->count, &k->capacity, k->count + 1, sizeof part)) {
        reel_free(&c->memory, part.name);
        return reel_fail_memory(c, "a checkpoint", sizeof part + size);
    }
    memcpy(part.name, name, size);
    hold(&part);
    k->parts[k->count++] = part;
    return REEL_OK;
}

reel_status reel_checkpoint_add_params(reel_checkpoint *checkpoint, const char *name, reel_params *params)
{
    return add(checkpoint, name, (struct part){.kind = PARAMS, .object = params}, params ? params->context : NULL);
}

reel_status reel_checkpoint_add_optim(reel_checkpoint *checkpoint, const char *name, reel_optim *optim)
{
    return add(checkpoint, name, (struct part){.kind = OPTIM, .object = optim}, optim ? optim->context : NULL);
}

reel_status reel_checkpoint_add_schedule(reel_checkpoint *checkpoint, const char *name, reel_schedule *schedule)
{
    return add(checkpoint, name, (struct part){.kind = SCHEDULE, .object = schedule},
               schedule ? schedule->context : NULL);
}

reel_status reel_checkpoint_add_ema(reel_checkpoint *checkpoint, const char *name, reel_ema *ema)
{
    return add(checkpoint, name, (struct part){.kind = EMA, .object = ema}, ema ? ema->context : NULL);
}

reel_status reel_checkpoint_add_loader(reel_checkpoint *checkpoint, const char *name, reel_loader *loader)
{
    return add(checkpoint, name, (struct part){.kind = LOADER, .object = loader},
               loader ? reel_loader_context(loader) : NULL);
}

reel_status reel_checkpoint_add_number(reel_checkpoint *checkpoint, const char *name, double *number)
{
    return add(checkpoint, name, (struct part){.kind = NUMBER, .object = number},
               checkpoint ? checkpoint->context : NULL);
}

reel_status reel_checkpoint_add_array(reel_checkpoint *checkpoint, const char *name, reel_dtype dtype, void *data,
                                      reel_shape shape)
{
    if (checkpoint && (reel_dtype_size(dtype) == 0 || reel_shape_numel(&shape) < 0))
        return reel_fail(checkpoint->context, REEL_ERROR_ARGUMENT, "checkpoint: no such type or shape of an array");
    return add(checkpoint, name, (struct part){.kind = ARRAY, .object = data, .dtype = dtype, .shape = shape},
               checkpoint ? checkpoint->context : NULL);
}

/* ---- What they hold ---- */

/* How a tensor gets to where it belongs. */
enum way {
    DIRECT, /* `data` is the place */
    PARAM,  /* of `param`, whose change is counted */
    STATE,  /* `slot` of `entry`; without data: zeros, and not in the file */
    STAGED, /* `data` is a copy, which is checked before the part takes it */
    RUNS,   /* staged at *place, with as many elements as the file has */
};

struct tensor {
    enum way way;
    struct reel_tensor_source source; /* name, type, shape, and the data that are saved */
    void *data;                       /* what is loaded */
    reel_param *param;
    reel_optim *optim;
    struct reel_optim_entry *entry;
    int slot;
    void **place;
    int64_t *length;
};

/* Copies of what a part holds that is no array, or is checked first. */
struct staged_optim {
    double *options; /* [groups][options + 1]: the last is initial_lr */
    int64_t *groups; /* of its entries */
};
struct staged_rows {
    int64_t done[2]; /* updates before the first of the history, and all */
    bool one_by_one;
    int64_t n_first, n_decay;
    void *first, *decay; /* int64_t and double */
};
struct staged_ema {
    double decay;
    bool updated;
    struct staged_rows *rows; /* of each average */
};
struct staged_schedule {
    double *states;
    int64_t **milestones; /* of each of the chain */
};
union staged {
    struct staged_optim optim;
    struct staged_ema ema;
    struct staged_schedule schedule;
    reel_loader_position position;
    double number;
};

/* All of it, as it is now. */
struct run {
    reel_checkpoint *checkpoint;
    reel_context *context;
    struct reel_arena arena; /* names and copies */
    struct tensor *tensors;
    int64_t count, capacity;
    reel_metadata *metadata;
    int n_metadata;
    union staged **staged; /* of each part */
    unsigned char generator[REEL_RNG_STATE_SIZE];
    int64_t draws;
};

/* Zeros until the end; NULL with the error recorded. */
static void *allocate(struct run *run, int64_t count, size_t element_size)
{
    size_t size = SIZE_MAX;
    void *memory = reel_multiply_size(count, element_size, &size) ? reel_arena_allocate(&run->arena, size) : NULL;
    if (!memory)
        reel_fail_memory(run->context, "a checkpoint", size);
    else
        memset(memory, 0, size);
    return memory;
}

static char *join(struct run *run, const char *const *pieces)
{
    size_t size = 1;
    for (int i = 0; pieces[i]; i++)
        size += strlen(pieces[i]);
    char *text = allocate(run, (int64_t)size, 1);
    for (int i = 0; text && pieces[i]; i++)
        strcat(text, pieces[i]);
    return text;
}
#define JOIN(run, ...) join(run, (const char *const[]){__VA_ARGS__, NULL})

static struct tensor *append(struct run *run, enum way way, const char *name, const char *type, reel_shape shape,
                             void *data)
{
    reel_context *c = run->context;
    if (c->status == REEL_OK && !reel_grow(&c->memory, (void **)&run->tensors, run->count, &run->capacity,
                                           run->count + 1, sizeof *run->tensors))
        reel_fail_memory(c, "a checkpoint", sizeof *run->tensors);
    if (c->status != REEL_OK)
        return NULL;
    run->tensors[run->count] = (struct tensor){.way = way, .source = {name, type, shape, data}, .data = data};
    return &run->tensors[run->count++];
}

static void append_staged(struct run *run, const char *name, const char *type, int64_t n, void *data)
{
    append(run, STAGED, name, type, n < 0 ? REEL_SCALAR : REEL_SHAPE(n), data);
}
enum { ONE = -1 }; /* a scalar */

static void append_metadata(struct run *run, const char *key, const char *value)
{
    if (run->context->status == REEL_OK)
        run->metadata[run->n_metadata++] = (reel_metadata){key, value};
}

static const char *number_text(struct run *run, int64_t number)
{
    char text[24] = "";
    reel_append_text(text, sizeof text, "%lld", (long long)number);
    return JOIN(run, text);
}

static void describe_params(struct run *run, const struct part *part, bool alone)
{
    reel_params *params = part->object;
    for (int64_t i = 0; i < params->count; i++) {
        reel_param *param = params->params[i];
        const char *name = alone ? param->name : JOIN(run, part->name, ".", param->name);
        struct tensor *tensor = append(run, PARAM, name, reel_tensor_type_name(param->dtype), param->shape, NULL);
        if (!tensor)
            return;
        tensor->param = param;
        tensor->source.data = reel_param_data(param);
    }
}

static void describe_entry(struct run *run, const struct part *part, const reel_param *param)
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
        struct tensor *tensor = append(run, STATE, name, reel_tensor_type_name(state.dtype), state.shape, data);
        if (!tensor)
            return;
        tensor->optim = optim;
        tensor->entry = entry;
        tensor->slot = slot;
    }
}

static void describe_optim(struct run *run, const struct part *part, struct staged_optim *staged)
{
    reel_optim *optim = part->object;
    const reel_optim_algorithm *algorithm = optim->algorithm;
    append_metadata(run, JOIN(run, "optim/", part->name), algorithm->name);
    for (int64_t i = 0; i < optim->params->count; i++)
        if (optim->params->params[i]->kind != REEL_PARAM_BUFFER)
            describe_entry(run, part, optim->params->params[i]);
    int64_t columns = algorithm->n_options + 1;
    staged->options = allocate(run, optim->n_groups * columns, sizeof(double));
    staged->groups = allocate(run, optim->n_entries, sizeof(int64_t));
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
static const char *chain_text(struct run *run, const reel_schedule *schedule)
{
    const char *all = "";
    for (const reel_schedule *s = schedule; s && all; s = s->next) {
        char text[REEL_SCHEDULE_TEXT];
        all = JOIN(run, all, s == schedule ? "" : "; ", reel_schedule_text(s, text));
    }
    return all;
}

static void describe_schedule(struct run *run, const struct part *part, struct staged_schedule *staged)
{
    reel_schedule *schedule = part->object;
    append_metadata(run, JOIN(run, "schedule/", part->name), chain_text(run, schedule));
    int n = reel_schedule_states(schedule), length = 0;
    for (const reel_schedule *s = schedule; s; s = s->next)
        length++;
    staged->states = allocate(run, n, sizeof(double));
    staged->milestones = allocate(run, length, sizeof(int64_t *));
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
        if ((staged->milestones[i] = allocate(run, s->n, sizeof(int64_t))))
            memcpy(staged->milestones[i], s->milestones, bytes);
        append_staged(run, JOIN(run, "schedule/", part->name, "/milestones/", number_text(run, i)), "I64", s->n,
                      staged->milestones[i]);
    }
}

static void append_runs(struct run *run, const char *name, const char *type, void **place, int64_t *length)
{
    struct tensor *tensor = append(run, RUNS, name, type, REEL_SHAPE(*length), *place);
    if (!tensor)
        return;
    tensor->place = place;
    tensor->length = length;
}

static void describe_rows(struct run *run, const char *prefix, struct reel_row_average *rows,
                          struct staged_rows *staged)
{
    int64_t n = rows->decays.count;
    *staged = (struct staged_rows){.done = {rows->base, rows->decays.next - 1},
                                   .one_by_one = rows->one_by_one,
                                   .n_first = n,
                                   .n_decay = n,
                                   .first = allocate(run, n, sizeof(int64_t)),
                                   .decay = allocate(run, n, sizeof(double))};
    for (int64_t i = 0; i < n && run->context->status == REEL_OK; i++) {
        ((int64_t *)staged->first)[i] = rows->decays.runs[i].first;
        ((double *)staged->decay)[i] = rows->decays.runs[i].value;
    }
    append_staged(run, JOIN(run, prefix, "done"), "I64", 2, staged->done);
    append_staged(run, JOIN(run, prefix, "one_by_one"), "BOOL", ONE, &staged->one_by_one);
    append_runs(run, JOIN(run, prefix, "first"), "I64", &staged->first, &staged->n_first);
    append_runs(run, JOIN(run, prefix, "decay"), "F64", &staged->decay, &staged->n_decay);
    append(run, DIRECT, JOIN(run, prefix, "updates"), "U32", REEL_SHAPE(reel_param_rows(rows->param)), rows->stamps);
}

static void describe_ema(struct run *run, const struct part *part, struct staged_ema *staged)
{
    reel_ema *ema = part->object;
    if (ema->params->swapped) {
        reel_fail(run->context, REEL_ERROR_STATE, "checkpoint: the average \"%s\" is swapped; swap it back first",
                  part->name);
        return;
    }
    *staged = (struct staged_ema){ema->decay, ema->updated, allocate(run, ema->count, sizeof *staged->rows)};
    append_staged(run, JOIN(run, "ema/", part->name, "/decay"), "F64", ONE, &staged->decay);
    append_staged(run, JOIN(run, "ema/", part->name, "/updated"), "BOOL", ONE, &staged->updated);
    for (int64_t i = 0; i < ema->count && run->context->status == REEL_OK; i++) {
        const reel_param *param = ema->params->params[i];
        struct reel_row_average *rows = ema->averages[i].by_row;
        if (rows) {
            reel_row_average_settle(rows);
            describe_rows(run, JOIN(run, "ema/", part->name, "/rows/", param->name, "/"), rows, &staged->rows[i]);
        }
        append(run, DIRECT, JOIN(run, "ema/", part->name, "/average/", param->name),
               reel_tensor_type_name(param->dtype), param->shape, ema->averages[i].data);
    }
}

static void describe_loader(struct run *run, const struct part *part, reel_loader_position *position)
{
    reel_loader_position_of(part->object, position);
    append_staged(run, JOIN(run, "loader/", part->name, "/epoch"), "I64", ONE, &position->epoch);
    append_staged(run, JOIN(run, "loader/", part->name, "/next"), "I64", ONE, &position->next);
    append_staged(run, JOIN(run, "loader/", part->name, "/samples"), "I64", ONE, &position->samples);
    append_staged(run, JOIN(run, "loader/", part->name, "/base_seed"), "I64", ONE, &position->base_seed);
    append_staged(run, JOIN(run, "loader/", part->name, "/generator"), "U8", REEL_RNG_STATE_SIZE, position->generator);
}

static void describe_part(struct run *run, int64_t i, bool alone)
{
    const struct part *part = &run->checkpoint->parts[i];
    union staged *staged = run->staged[i] = allocate(run, 1, sizeof *staged);
    if (!staged)
        return;
    switch (part->kind) {
    case PARAMS:
        describe_params(run, part, alone);
        break;
    case OPTIM:
        describe_optim(run, part, &staged->optim);
        break;
    case SCHEDULE:
        describe_schedule(run, part, &staged->schedule);
        break;
    case EMA:
        describe_ema(run, part, &staged->ema);
        break;
    case LOADER:
        describe_loader(run, part, &staged->position);
        break;
    case NUMBER:
        staged->number = *(const double *)part->object;
        append_staged(run, JOIN(run, "user/", part->name), "F64", ONE, &staged->number);
        break;
    case ARRAY:
        append(run, DIRECT, JOIN(run, "user/", part->name), reel_tensor_type_name(part->dtype), part->shape,
               part->object);
        break;
    }
}

static void run_end(struct run *run)
{
    reel_free(&run->context->memory, run->tensors);
    reel_arena_free(&run->arena);
}

/* End it in any case. */
static reel_status run_begin(struct run *run, reel_checkpoint *checkpoint)
{
    reel_context *c = checkpoint->context;
    *run = (struct run){.checkpoint = checkpoint, .context = c};
    reel_arena_init(&run->arena, &c->memory);
    if (expect_parts(checkpoint) != REEL_OK)
        return c->status;
    run->metadata = allocate(run, checkpoint->count + 1, sizeof *run->metadata);
    run->staged = allocate(run, checkpoint->count, sizeof *run->staged);
    append_metadata(run, VERSION_KEY, VERSION);
    reel_generator_get_state(&c->generator, run->generator);
    run->draws = (int64_t)c->philox_draws;
    append_staged(run, "rng/state", "U8", REEL_RNG_STATE_SIZE, run->generator);
    append_staged(run, "rng/draws", "I64", ONE, &run->draws);
    int sets = 0;
    for (int64_t i = 0; i < checkpoint->count; i++)
        sets += checkpoint->parts[i].kind == PARAMS;
    for (int64_t i = 0; i < checkpoint->count && c->status == REEL_OK; i++)
        describe_part(run, i, sets == 1);
    return c->status;
}

/* ---- Saving ---- */

reel_status reel_checkpoint_save(reel_checkpoint *checkpoint, const char *path)
{
    if (!checkpoint || checkpoint->context->status != REEL_OK)
        return checkpoint ? checkpoint->context->status : REEL_ERROR_ARGUMENT;
    struct run run;
    struct reel_tensor_source *sources = NULL;
    if (run_begin(&run, checkpoint) == REEL_OK)
        sources = allocate(&run, run.count, sizeof *sources);
    int64_t n = 0;
    for (int64_t i = 0; sources && i < run.count; i++)
        if (run.tensors[i].way != STATE || run.tensors[i].data)
            sources[n++] = run.tensors[i].source;
    if (sources)
        reel_tensors_write(run.context, path, sources, n, run.metadata, run.n_metadata);
    run_end(&run);
    return checkpoint->context->status;
}

/* ---- What is different ---- */

static void differ(struct run *run, const char *format, ...) REEL_PRINTF(2, 3);
static void differ(struct run *run, const char *format, ...)
{
    enum { LINE = 1024 };
    reel_checkpoint *k = run->checkpoint;
    k->n_differences++;
    if (!reel_grow(&run->context->memory, (void **)&k->differences, k->size, &k->differences_capacity, k->size + LINE,
                   1)) {
        reel_fail_memory(run->context, "a checkpoint", LINE);
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    reel_format_text(k->differences + k->size, LINE - 1, format, arguments);
    va_end(arguments);
    k->size += (int64_t)strlen(k->differences + k->size);
    strcpy(k->differences + k->size, "\n");
    k->size++;
}

/* An error that a check recorded is a difference, unless memory ran out or the file could not be read. */
static void collect(struct run *run, const struct part *part)
{
    reel_context *c = run->context;
    if (c->status == REEL_OK || c->status == REEL_ERROR_OUT_OF_MEMORY || c->status == REEL_ERROR_IO)
        return;
    c->status = REEL_OK;
    differ(run, "%s \"%s\": %s", kind_names[part->kind], part->name, c->error);
}

/* The status of a file with differences. */
static reel_status conclude(struct run *run, const char *path)
{
    reel_checkpoint *k = run->checkpoint;
    if (k->n_differences == 0 || run->context->status != REEL_OK)
        return run->context->status;
    char printable[REEL_PRINTABLE];
    return reel_fail(run->context, REEL_ERROR_FORMAT, "checkpoint \"%s\": %lld difference%s: %.*s%s",
                     reel_printable(path, printable), (long long)k->n_differences, k->n_differences == 1 ? "" : "s",
                     (int)strcspn(k->differences, "\n"), k->differences, k->n_differences == 1 ? "" : "; ...");
}

static void compare_tensor(struct run *run, struct tensor *tensor, const reel_tensor_info *info)
{
    char here[REEL_SHAPE_TEXT], there[REEL_SHAPE_TEXT], name[REEL_PRINTABLE], type[REEL_PRINTABLE];
    const struct reel_tensor_source *s = &tensor->source;
    reel_printable(s->name, name);
    if (!info) {
        /* A state that holds nothing is not in the file, nor is one of zeros that holds something here. */
        if (tensor->way != STATE)
            differ(run, "\"%s\" is not in the file", name);
        return;
    }
    bool shape_fits = tensor->way == RUNS ? info->shape.ndim == 1 : reel_shape_equal(&info->shape, &s->shape);
    if (!shape_fits || strcmp(info->dtype, s->type) != 0)
        differ(run, "\"%s\" is %s %s here and %s %s in the file", name, s->type, reel_shape_text(&s->shape, here),
               reel_printable(info->dtype, type), reel_shape_text(&info->shape, there));
}

static bool tensor_before(const void *user, int64_t a, int64_t b)
{
    const struct tensor *tensors = user;
    return strcmp(tensors[a].source.name, tensors[b].source.name) < 0;
}

static bool has_tensor(const struct run *run, const int64_t *order, const char *name)
{
    int64_t low = 0, high = run->count;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        int difference = strcmp(run->tensors[order[middle]].source.name, name);
        if (difference == 0)
            return true;
        if (difference < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

static void compare(struct run *run, const reel_safetensors *file)
{
    for (int i = 1; i < run->n_metadata; i++) {
        const char *here = run->metadata[i].value;
        const char *there = reel_safetensors_metadata(file, run->metadata[i].key);
        char a[REEL_PRINTABLE], b[REEL_PRINTABLE];
        if (there && strcmp(here, there) != 0)
            differ(run, "\"%s\" is \"%s\" here and \"%s\" in the file", run->metadata[i].key, reel_printable(here, a),
                   reel_printable(there, b));
    }
    int64_t *order = allocate(run, run->count, sizeof *order);
    if (!order)
        return;
    for (int64_t i = 0; i < run->count; i++) {
        order[i] = i;
        compare_tensor(run, &run->tensors[i], reel_safetensors_find(file, run->tensors[i].source.name));
    }
    reel_heap_sort(order, run->count, tensor_before, run->tensors);
    for (int64_t i = 0; i < reel_safetensors_count(file); i++) {
        const char *name = reel_safetensors_at(file, i)->name;
        char printable[REEL_PRINTABLE];
        if (!has_tensor(run, order, name))
            differ(run, "\"%s\" is only in the file", reel_printable(name, printable));
    }
}

/* ---- Checking what was staged ---- */

static void check_optim(struct run *run, const struct part *part, const struct staged_optim *staged)
{
    reel_optim *optim = part->object;
    int n = optim->algorithm->n_options;
    for (int g = 0; g < optim->n_groups; g++) {
        const double *options = staged->options + g * (n + 1);
        reel_optim_check_group(optim, g, options, options[n]);
        collect(run, part);
    }
    for (int64_t i = 0; i < optim->n_entries; i++)
        if (staged->groups[i] != optim->entries[i].group)
            differ(run, "optim \"%s\": \"%s\" is in group %lld here and in group %lld in the file", part->name,
                   optim->entries[i].param->name, (long long)optim->entries[i].group, (long long)staged->groups[i]);
}

static void check_schedule(struct run *run, const struct part *part, const struct staged_schedule *staged)
{
    reel_schedule *schedule = part->object;
    const reel_schedule *s = schedule;
    for (int i = 0; s; s = s->next, i++)
        if (s->n > 0 && memcmp(s->milestones, staged->milestones[i], (size_t)s->n * sizeof(int64_t)) != 0)
            differ(run, "schedule \"%s\": the milestones are others in the file", part->name);
    for (int i = 0; i < reel_schedule_states(schedule); i++) {
        reel_schedule_expect_state(schedule, i, staged->states[i]);
        collect(run, part);
    }
}

/* Whether the history is one that a save can leave. What is made one by one is made before a save. */
static bool runs_fit(const struct staged_rows *staged)
{
    const int64_t base = staged->done[0], last = staged->done[1], n = staged->n_first, *first = staged->first;
    const double *decay = staged->decay;
    bool good = base >= 0 && last >= base && last <= REEL_LARGEST_COUNT && last - base <= UINT32_MAX &&
                n <= REEL_HISTORY_RUNS && n == staged->n_decay && (n > 0) == (last > base) &&
                !(staged->one_by_one && n > 0) && (n == 0 || first[0] == base + 1);
    for (int64_t i = 0; good && i < n; i++)
        good = decay[i] >= 0 && decay[i] <= 1 && (i == 0 || (first[i] > first[i - 1] && first[i] <= last));
    return good;
}

static void check_ema(struct run *run, const struct part *part, const struct staged_ema *staged)
{
    const reel_ema *ema = part->object;
    if (!(staged->decay >= 0 && staged->decay <= 1))
        differ(run, "ema \"%s\": the decay is %g, it must be in [0, 1]", part->name, staged->decay);
    for (int64_t i = 0; i < ema->count; i++)
        if (ema->averages[i].by_row && !runs_fit(&staged->rows[i]))
            differ(run, "ema \"%s\": the updates of \"%s\" contradict each other", part->name,
                   ema->params->params[i]->name);
}

static void check(struct run *run)
{
    struct reel_generator trial;
    if (!reel_generator_set_state(&trial, run->generator, sizeof run->generator) || run->draws < 0)
        differ(run, "\"rng/state\" is not a state of the MT19937 generator, or \"rng/draws\" below 0");
    for (int64_t i = 0; i < run->checkpoint->count && run->context->status == REEL_OK; i++) {
        const struct part *part = &run->checkpoint->parts[i];
        if (part->kind == OPTIM)
            check_optim(run, part, &run->staged[i]->optim);
        if (part->kind == SCHEDULE)
            check_schedule(run, part, &run->staged[i]->schedule);
        if (part->kind == EMA)
            check_ema(run, part, &run->staged[i]->ema);
        if (part->kind == LOADER) {
            reel_loader_expect_fits(part->object, &run->staged[i]->position);
            collect(run, part);
        }
    }
}

/* ---- Loading ---- */

static int64_t bytes_of(const struct tensor *tensor)
{
    return reel_shape_numel(&tensor->source.shape) * (int64_t)reel_tensor_element_size(tensor->source.type);
}

static void read_staged(struct run *run, const reel_safetensors *file)
{
    for (int64_t i = 0; i < run->count && run->context->status == REEL_OK; i++) {
        struct tensor *tensor = &run->tensors[i];
        if (tensor->way == RUNS) {
            tensor->source.shape = reel_safetensors_find(file, tensor->source.name)->shape;
            *tensor->length = tensor->source.shape.dim[0];
            tensor->data = *tensor->place = allocate(run, bytes_of(tensor), 1);
        }
        if (tensor->data && (tensor->way == STAGED || tensor->way == RUNS))
            reel_tensor_read_bytes(file, tensor->source.name, 0, bytes_of(tensor), tensor->data);
    }
}

/* What no array of its type may hold; `piece` is its beginning, or more of it. */
static const char *wrong_in(const struct tensor *tensor, const unsigned char *piece, int64_t size)
{
    if (strcmp(tensor->source.type, "BOOL") == 0)
        for (int64_t i = 0; i < size; i++)
            if (piece[i] > 1)
                return "bools that are neither 0 nor 1";
    if (tensor->way == STATE && !reel_optim_slot_takes(tensor->slot, piece))
        return "a count outside 0..2^53";
    return NULL;
}

/* Reads everything, to see that it can be read, and holds nothing that it may not. */
static void read_once(struct run *run, const reel_safetensors *file)
{
    enum { PIECE = 1 << 18 };
    unsigned char *piece = allocate(run, PIECE, 1);
    for (int64_t i = 0; piece && i < run->count; i++) {
        const struct tensor *tensor = &run->tensors[i];
        const char *name = tensor->source.name;
        if (!reel_safetensors_find(file, name))
            continue;
        const char *wrong = NULL;
        int64_t size = bytes_of(tensor);
        for (int64_t at = 0; at < size; at += PIECE) {
            int64_t n = size - at < PIECE ? size - at : PIECE;
            if (reel_tensor_read_bytes(file, name, at, n, piece) != REEL_OK)
                return;
            wrong = wrong ? wrong : wrong_in(tensor, piece, n);
        }
        char printable[REEL_PRINTABLE];
        if (wrong)
            differ(run, "\"%s\" holds %s", reel_printable(name, printable), wrong);
    }
}

/* The places of states that the file has and the optimizer has not needed yet. */
static void make_states(struct run *run, const reel_safetensors *file)
{
    for (int64_t i = 0; i < run->count && run->context->status == REEL_OK; i++) {
        struct tensor *tensor = &run->tensors[i];
        if (tensor->way == STATE && !tensor->data && reel_safetensors_find(file, tensor->source.name))
            tensor->data = reel_optim_slot_memory(tensor->optim, tensor->entry, tensor->slot);
    }
    for (int64_t i = 0; i < run->checkpoint->count && run->context->status == REEL_OK; i++) {
        const struct part *part = &run->checkpoint->parts[i];
        const reel_ema *ema = part->object;
        for (int64_t k = 0; part->kind == EMA && k < ema->count && run->context->status == REEL_OK; k++) {
            struct reel_row_average *rows = ema->averages[k].by_row;
            const struct staged_rows *staged = &run->staged[i]->ema.rows[k];
            if (rows && !reel_grow(&run->context->memory, (void **)&rows->decays.runs, rows->decays.count,
                                   &rows->decays.capacity, staged->n_first, sizeof *rows->decays.runs))
                reel_fail_memory(run->context, "a checkpoint", (size_t)staged->n_first * sizeof *rows->decays.runs);
        }
    }
}

static reel_status read_arrays(struct run *run, const reel_safetensors *file)
{
    /* What is owed to rows is about what they were. */
    for (int64_t i = 0; i < run->count; i++)
        if (run->tensors[i].way == STATE)
            reel_optim_end_deferring(run->tensors[i].entry);
    for (int64_t i = 0; i < run->count; i++)
        if (run->tensors[i].way == PARAM)
            run->tensors[i].data = reel_param_write(run->tensors[i].param);
    for (int64_t i = 0; i < run->count && run->context->status == REEL_OK; i++) {
        struct tensor *tensor = &run->tensors[i];
        if (tensor->way == STAGED || tensor->way == RUNS || !tensor->data)
            continue;
        if (reel_safetensors_find(file, tensor->source.name))
            reel_tensor_read_bytes(file, tensor->source.name, 0, bytes_of(tensor), tensor->data);
        else
            memset(tensor->data, 0, (size_t)bytes_of(tensor));
    }
    return run->context->status;
}

static void take_optim(reel_optim *optim, const struct staged_optim *staged)
{
    int n = optim->algorithm->n_options;
    for (int g = 0; g < optim->n_groups; g++) {
        const double *options = staged->options + g * (n + 1);
        reel_optim_restore_group(optim, g, options, options[n]);
    }
}

static void take_ema(reel_ema *ema, const struct staged_ema *staged)
{
    ema->decay = staged->decay;
    ema->updated = staged->updated;
    for (int64_t i = 0; i < ema->count; i++)
        if (ema->averages[i].by_row)
            reel_row_average_restore(ema->averages[i].by_row, staged->rows[i].done, staged->rows[i].one_by_one,
                                     staged->rows[i].n_first, staged->rows[i].first, staged->rows[i].decay);
}

static void take_staged(struct run *run)
{
    reel_generator_set_state(&run->context->generator, run->generator, sizeof run->generator);
    run->context->philox_draws = (uint64_t)run->draws;
    for (int64_t i = 0; i < run->checkpoint->count; i++) {
        const struct part *part = &run->checkpoint->parts[i];
        const union staged *staged = run->staged[i];
        if (part->kind == OPTIM)
            take_optim(part->object, &staged->optim);
        if (part->kind == SCHEDULE)
            reel_schedule_restore(part->object, staged->schedule.states);
        if (part->kind == EMA)
            take_ema(part->object, &staged->ema);
        if (part->kind == LOADER)
            reel_loader_set_position(part->object, &staged->position);
        if (part->kind == NUMBER)
            *(double *)part->object = staged->number;
    }
}

static reel_status expect_version(reel_context *c, const reel_safetensors *file, const char *path)
{
    const char *version = reel_safetensors_metadata(file, VERSION_KEY);
    char printable[REEL_PRINTABLE], number[REEL_PRINTABLE];
    if (version && strcmp(version, VERSION) == 0)
        return REEL_OK;
    return reel_fail(c, REEL_ERROR_FORMAT, "checkpoint \"%s\": %s%s", reel_printable(path, printable),
                     version ? "this library does not know version " : "it is no checkpoint of reel",
                     version ? reel_printable(version, number) : "");
}

static reel_status load(struct run *run, const reel_safetensors *file, const char *path)
{
    for (int64_t i = 0; i < run->checkpoint->count; i++) {
        const struct part *part = &run->checkpoint->parts[i];
        if (part->kind == PARAMS && reel_params_expect_own(part->object, "checkpoint_load") != REEL_OK)
            return run->context->status;
    }
    compare(run, file);
    if (conclude(run, path) != REEL_OK)
        return run->context->status;
    read_staged(run, file);
    if (run->context->status == REEL_OK)
        check(run);
    if (conclude(run, path) == REEL_OK)
        read_once(run, file);
    if (conclude(run, path) == REEL_OK)
        make_states(run, file);
    if (run->context->status == REEL_OK && read_arrays(run, file) == REEL_OK)
        take_staged(run);
    return run->context->status;
}

reel_status reel_checkpoint_load(reel_checkpoint *checkpoint, const char *path)
{
    if (!checkpoint || checkpoint->context->status != REEL_OK)
        return checkpoint ? checkpoint->context->status : REEL_ERROR_ARGUMENT;
    reel_context *c = checkpoint->context;
    checkpoint->size = checkpoint->n_differences = 0;
    reel_safetensors *file = reel_safetensors_open(c, path);
    if (file && expect_version(c, file, path) == REEL_OK) {
        struct run run;
        if (run_begin(&run, checkpoint) == REEL_OK)
            load(&run, file, path);
        run_end(&run);
    }
    reel_safetensors_close(file);
    return c->status;
}

const char *reel_checkpoint_differences(const reel_checkpoint *checkpoint)
{
    return checkpoint && checkpoint->size > 0 ? checkpoint->differences : "";
}
