/* Checkpoints: their parts, and saving. */
#include "train/checkpoint.h"

#include "base/text.h"
#include "train/ema.h"
#include "train/loader.h"
#include "train/schedule.h"

#include <string.h>

const char *reel_part_kind_name(enum reel_part_kind kind)
{
    static const char *const names[] = {"params", "optim", "schedule", "ema", "loader", "number", "array"};
    return names[kind];
}

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
static void hold(const struct reel_part *part)
{
    switch (part->kind) {
    case REEL_PART_PARAMS:
        reel_params_hold(part->object);
        break;
    case REEL_PART_OPTIM:
        ((reel_optim *)part->object)->lifetime.holders++;
        break;
    case REEL_PART_SCHEDULE:
        ((reel_schedule *)part->object)->lifetime.holders++;
        break;
    case REEL_PART_EMA:
        ((reel_ema *)part->object)->lifetime.holders++;
        break;
    case REEL_PART_LOADER:
        reel_loader_hold(part->object);
        break;
    case REEL_PART_NUMBER:
    case REEL_PART_ARRAY:
        break;
    }
}

static void let_go(const struct reel_part *part)
{
    switch (part->kind) {
    case REEL_PART_PARAMS:
        reel_params_let_go(part->object);
        break;
    case REEL_PART_OPTIM:
        reel_optim_let_go(part->object);
        break;
    case REEL_PART_SCHEDULE:
        reel_schedule_let_go(part->object);
        break;
    case REEL_PART_EMA:
        reel_ema_let_go(part->object);
        break;
    case REEL_PART_LOADER:
        reel_loader_let_go(part->object);
        break;
    case REEL_PART_NUMBER:
    case REEL_PART_ARRAY:
        break;
    }
}

static bool is_freed(const struct reel_part *part)
{
    const reel_schedule *schedule = part->object;
    switch (part->kind) {
    case REEL_PART_PARAMS:
        return ((const reel_params *)part->object)->is_freed;
    case REEL_PART_OPTIM:
        return ((const reel_optim *)part->object)->lifetime.is_freed;
    case REEL_PART_SCHEDULE:
        return schedule->lifetime.is_freed || schedule->optim->lifetime.is_freed;
    case REEL_PART_EMA:
        return ((const reel_ema *)part->object)->lifetime.is_freed;
    case REEL_PART_LOADER:
        return reel_loader_is_freed(part->object);
    case REEL_PART_NUMBER:
    case REEL_PART_ARRAY:
        break;
    }
    return false;
}

reel_status reel_checkpoint_expect_parts(const reel_checkpoint *k)
{
    for (int64_t i = 0; i < k->count; i++)
        if (is_freed(&k->parts[i]))
            return reel_fail(k->context, REEL_ERROR_STATE, "checkpoint: the %s \"%s\" was freed",
                             reel_part_kind_name(k->parts[i].kind), k->parts[i].name);
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
static bool same_names(enum reel_part_kind a, enum reel_part_kind b)
{
    return a == b || (a >= REEL_PART_NUMBER && b >= REEL_PART_NUMBER);
}

static reel_status add(reel_checkpoint *k, const char *name, struct reel_part part, const reel_context *context)
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
    return add(checkpoint, name, (struct reel_part){.kind = REEL_PART_PARAMS, .object = params},
               params ? params->context : NULL);
}

reel_status reel_checkpoint_add_optim(reel_checkpoint *checkpoint, const char *name, reel_optim *optim)
{
    return add(checkpoint, name, (struct reel_part){.kind = REEL_PART_OPTIM, .object = optim},
               optim ? optim->context : NULL);
}

reel_status reel_checkpoint_add_schedule(reel_checkpoint *checkpoint, const char *name, reel_schedule *schedule)
{
    return add(checkpoint, name, (struct reel_part){.kind = REEL_PART_SCHEDULE, .object = schedule},
               schedule ? schedule->context : NULL);
}

reel_status reel_checkpoint_add_ema(reel_checkpoint *checkpoint, const char *name, reel_ema *ema)
{
    return add(checkpoint, name, (struct reel_part){.kind = REEL_PART_EMA, .object = ema}, ema ? ema->context : NULL);
}

reel_status reel_checkpoint_add_loader(reel_checkpoint *checkpoint, const char *name, reel_loader *loader)
{
    return add(checkpoint, name, (struct reel_part){.kind = REEL_PART_LOADER, .object = loader},
               loader ? reel_loader_context(loader) : NULL);
}

reel_status reel_checkpoint_add_number(reel_checkpoint *checkpoint, const char *name, double *number)
{
    return add(checkpoint, name, (struct reel_part){.kind = REEL_PART_NUMBER, .object = number},
               checkpoint ? checkpoint->context : NULL);
}

reel_status reel_checkpoint_add_array(reel_checkpoint *checkpoint, const char *name, reel_dtype dtype, void *data,
                                      reel_shape shape)
{
    if (checkpoint && (reel_dtype_size(dtype) == 0 || reel_shape_numel(&shape) < 0))
        return reel_fail(checkpoint->context, REEL_ERROR_ARGUMENT, "checkpoint: no such type or shape of an array");
    return add(checkpoint, name,
               (struct reel_part){.kind = REEL_PART_ARRAY, .object = data, .dtype = dtype, .shape = shape},
               checkpoint ? checkpoint->context : NULL);
}

/* ---- Saving ---- */

reel_status reel_checkpoint_save(reel_checkpoint *checkpoint, const char *path)
{
    if (!checkpoint || checkpoint->context->status != REEL_OK)
        return checkpoint ? checkpoint->context->status : REEL_ERROR_ARGUMENT;
    struct reel_run run;
    struct reel_tensor_source *sources = NULL;
    if (reel_run_begin(&run, checkpoint) == REEL_OK)
        sources = reel_run_allocate(&run, run.count, sizeof *sources);
    int64_t n = 0;
    for (int64_t i = 0; sources && i < run.count; i++)
        if (run.tensors[i].way != REEL_WAY_STATE || run.tensors[i].data)
            sources[n++] = run.tensors[i].source;
    if (sources)
        reel_tensors_write(run.context, path, sources, n, run.metadata, run.n_metadata);
    reel_run_end(&run);
    return checkpoint->context->status;
}
