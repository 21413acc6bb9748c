/* Loading checkpoints: a file is compared with the run and checked, and then taken as a whole. */
#include "train/checkpoint.h"

#include "base/checked.h"
#include "base/shape.h"
#include "base/sort.h"
#include "base/text.h"
#include "train/ema.h"
#include "train/loader.h"
#include "train/schedule.h"

#include <stdarg.h>
#include <string.h>

/* ---- What is different ---- */

static void differ(struct reel_run *run, const char *format, ...) REEL_PRINTF(2, 3);
static void differ(struct reel_run *run, const char *format, ...)
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
static void collect(struct reel_run *run, const struct reel_part *part)
{
    reel_context *c = run->context;
    if (c->status == REEL_OK || c->status == REEL_ERROR_OUT_OF_MEMORY || c->status == REEL_ERROR_IO)
        return;
    c->status = REEL_OK;
    differ(run, "%s \"%s\": %s", reel_part_kind_name(part->kind), part->name, c->error);
}

/* The status of a file with differences. */
static reel_status conclude(struct reel_run *run, const char *path)
{
    reel_checkpoint *k = run->checkpoint;
    if (k->n_differences == 0 || run->context->status != REEL_OK)
        return run->context->status;
    char printable[REEL_PRINTABLE];
    return reel_fail(run->context, REEL_ERROR_FORMAT, "checkpoint \"%s\": %lld difference%s: %.*s%s",
                     reel_printable(path, printable), (long long)k->n_differences, k->n_differences == 1 ? "" : "s",
                     (int)strcspn(k->differences, "\n"), k->differences, k->n_differences == 1 ? "" : "; ...");
}

static void compare_tensor(struct reel_run *run, struct reel_run_tensor *tensor, const reel_tensor_info *info)
{
    char here[REEL_SHAPE_TEXT], there[REEL_SHAPE_TEXT], name[REEL_PRINTABLE], type[REEL_PRINTABLE];
    const struct reel_tensor_source *s = &tensor->source;
    reel_printable(s->name, name);
    if (!info) {
        /* A state that holds nothing is not in the file, nor is one of zeros that holds something here, nor what is
         * newer than the file. */
        if (tensor->way != REEL_WAY_STATE && tensor->way != REEL_WAY_NEWER)
            differ(run, "\"%s\" is not in the file", name);
        return;
    }
    bool shape_fits = tensor->way == REEL_WAY_RUNS ? info->shape.ndim == 1 : reel_shape_equal(&info->shape, &s->shape);
    if (!shape_fits || strcmp(info->dtype, s->type) != 0)
        differ(run, "\"%s\" is %s %s here and %s %s in the file", name, s->type, reel_shape_text(&s->shape, here),
               reel_printable(info->dtype, type), reel_shape_text(&info->shape, there));
}

static bool tensor_before(const void *user, int64_t a, int64_t b)
{
    const struct reel_run_tensor *tensors = user;
    return strcmp(tensors[a].source.name, tensors[b].source.name) < 0;
}

static bool has_tensor(const struct reel_run *run, const int64_t *order, const char *name)
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

static void compare(struct reel_run *run, const reel_safetensors *file)
{
    for (int i = 1; i < run->n_metadata; i++) {
        const char *here = run->metadata[i].value;
        const char *there = reel_safetensors_metadata(file, run->metadata[i].key);
        char a[REEL_PRINTABLE], b[REEL_PRINTABLE];
        if (there && strcmp(here, there) != 0)
            differ(run, "\"%s\" is \"%s\" here and \"%s\" in the file", run->metadata[i].key, reel_printable(here, a),
                   reel_printable(there, b));
    }
    int64_t *order = reel_run_allocate(run, run->count, sizeof *order);
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

static void check_optim(struct reel_run *run, const struct reel_part *part, const struct reel_staged_optim *staged)
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

static void check_schedule(struct reel_run *run, const struct reel_part *part,
                           const struct reel_staged_schedule *staged)
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
static bool runs_fit(const struct reel_staged_rows *staged)
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

static void check_ema(struct reel_run *run, const struct reel_part *part, const struct reel_staged_ema *staged)
{
    const reel_ema *ema = part->object;
    if (!(staged->decay >= 0 && staged->decay <= 1))
        differ(run, "ema \"%s\": the decay is %g, it must be in [0, 1]", part->name, staged->decay);
    for (int64_t i = 0; i < ema->count; i++)
        if (ema->averages[i].by_row && !runs_fit(&staged->rows[i]))
            differ(run, "ema \"%s\": the updates of \"%s\" contradict each other", part->name,
                   ema->params->params[i]->name);
}

static void check_loader(struct reel_run *run, const struct reel_part *part, const struct reel_staged_loader *staged)
{
    int64_t here[REEL_LOADER_OPTIONS];
    reel_loader_get_options(part->object, here);
    for (int i = 0; i < REEL_LOADER_OPTIONS; i++)
        if (staged->options[i] != here[i])
            differ(run, "loader \"%s\": %s is %lld here and %lld in the file", part->name, reel_loader_option_names[i],
                   (long long)here[i], (long long)staged->options[i]);
    reel_loader_expect_fits(part->object, &staged->position);
    collect(run, part);
}

static void check(struct reel_run *run)
{
    struct reel_generator trial;
    if (!reel_generator_set_state(&trial, run->generator, sizeof run->generator) || run->draws < 0)
        differ(run, "\"rng/state\" is not a state of the MT19937 generator, or \"rng/draws\" below 0");
    for (int64_t i = 0; i < run->checkpoint->count && run->context->status == REEL_OK; i++) {
        const struct reel_part *part = &run->checkpoint->parts[i];
        if (part->kind == REEL_PART_OPTIM)
            check_optim(run, part, &run->staged[i]->optim);
        if (part->kind == REEL_PART_SCHEDULE)
            check_schedule(run, part, &run->staged[i]->schedule);
        if (part->kind == REEL_PART_EMA)
            check_ema(run, part, &run->staged[i]->ema);
        if (part->kind == REEL_PART_LOADER)
            check_loader(run, part, &run->staged[i]->loader);
    }
}

/* ---- Loading ---- */

static int64_t bytes_of(const struct reel_run_tensor *tensor)
{
    return reel_shape_numel(&tensor->source.shape) * (int64_t)reel_tensor_element_size(tensor->source.type);
}

static bool is_staged(const struct reel_run_tensor *tensor)
{
    return tensor->way == REEL_WAY_STAGED || tensor->way == REEL_WAY_NEWER || tensor->way == REEL_WAY_RUNS;
}

/* What no array of its type may hold; `piece` is its beginning, or more of it. */
static const char *wrong_in(const struct reel_run_tensor *tensor, const unsigned char *piece, int64_t size)
{
    if (strcmp(tensor->source.type, "BOOL") == 0)
        for (int64_t i = 0; i < size; i++)
            if (piece[i] > 1)
                return "bools that are neither 0 nor 1";
    if (tensor->way == REEL_WAY_STATE && !reel_optim_slot_takes(tensor->slot, piece))
        return "a count outside 0..2^53";
    return NULL;
}

static void expect_contents(struct reel_run *run, const struct reel_run_tensor *tensor, const char *wrong)
{
    char printable[REEL_PRINTABLE];
    if (wrong)
        differ(run, "\"%s\" holds %s", reel_printable(tensor->source.name, printable), wrong);
}

static void read_staged(struct reel_run *run, const reel_safetensors *file)
{
    for (int64_t i = 0; i < run->count && run->context->status == REEL_OK; i++) {
        struct reel_run_tensor *tensor = &run->tensors[i];
        if (tensor->way == REEL_WAY_RUNS) {
            tensor->source.shape = reel_safetensors_find(file, tensor->source.name)->shape;
            *tensor->length = tensor->source.shape.dim[0];
            tensor->data = *tensor->place = reel_run_allocate(run, bytes_of(tensor), 1);
        }
        if (tensor->data && is_staged(tensor) && reel_safetensors_find(file, tensor->source.name) &&
            reel_tensor_read_bytes(file, tensor->source.name, 0, bytes_of(tensor), tensor->data) == REEL_OK)
            expect_contents(run, tensor, wrong_in(tensor, tensor->data, bytes_of(tensor)));
    }
}

/* Reads everything, to see that it can be read, and holds nothing that it may not. */
static void read_once(struct reel_run *run, const reel_safetensors *file)
{
    enum { PIECE = 1 << 18 };
    unsigned char *piece = reel_run_allocate(run, PIECE, 1);
    for (int64_t i = 0; piece && i < run->count; i++) {
        const struct reel_run_tensor *tensor = &run->tensors[i];
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
        expect_contents(run, tensor, wrong);
    }
}

/* The places of states that the file has and the optimizer has not needed yet. */
static void make_states(struct reel_run *run, const reel_safetensors *file)
{
    for (int64_t i = 0; i < run->count && run->context->status == REEL_OK; i++) {
        struct reel_run_tensor *tensor = &run->tensors[i];
        if (tensor->way == REEL_WAY_STATE && !tensor->data && reel_safetensors_find(file, tensor->source.name))
            tensor->data = reel_optim_slot_memory(tensor->optim, tensor->entry, tensor->slot);
    }
    for (int64_t i = 0; i < run->checkpoint->count && run->context->status == REEL_OK; i++) {
        const struct reel_part *part = &run->checkpoint->parts[i];
        const reel_ema *ema = part->object;
        for (int64_t k = 0; part->kind == REEL_PART_EMA && k < ema->count && run->context->status == REEL_OK; k++) {
            struct reel_row_average *rows = ema->averages[k].by_row;
            const struct reel_staged_rows *staged = &run->staged[i]->ema.rows[k];
            if (rows && !reel_grow(&run->context->memory, (void **)&rows->decays.runs, rows->decays.count,
                                   &rows->decays.capacity, staged->n_first, sizeof *rows->decays.runs))
                reel_fail_memory(run->context, "a checkpoint", (size_t)staged->n_first * sizeof *rows->decays.runs);
        }
    }
}

static reel_status read_arrays(struct reel_run *run, const reel_safetensors *file)
{
    /* What is owed to rows is about what they were. */
    for (int64_t i = 0; i < run->count; i++)
        if (run->tensors[i].way == REEL_WAY_STATE)
            reel_optim_end_deferring(run->tensors[i].entry);
    for (int64_t i = 0; i < run->count; i++)
        if (run->tensors[i].way == REEL_WAY_PARAM)
            run->tensors[i].data = reel_param_write(run->tensors[i].param);
    for (int64_t i = 0; i < run->count && run->context->status == REEL_OK; i++) {
        struct reel_run_tensor *tensor = &run->tensors[i];
        if (is_staged(tensor) || !tensor->data)
            continue;
        if (reel_safetensors_find(file, tensor->source.name))
            reel_tensor_read_bytes(file, tensor->source.name, 0, bytes_of(tensor), tensor->data);
        else
            memset(tensor->data, 0, (size_t)bytes_of(tensor));
    }
    return run->context->status;
}

static void take_optim(reel_optim *optim, const struct reel_staged_optim *staged)
{
    int n = optim->algorithm->n_options;
    for (int g = 0; g < optim->n_groups; g++) {
        const double *options = staged->options + g * (n + 1);
        reel_optim_restore_group(optim, g, options, options[n]);
    }
}

static void take_ema(reel_ema *ema, const struct reel_staged_ema *staged)
{
    ema->decay = staged->decay;
    ema->updated = staged->updated;
    for (int64_t i = 0; i < ema->count; i++)
        if (ema->averages[i].by_row)
            reel_row_average_restore(ema->averages[i].by_row, staged->rows[i].done, staged->rows[i].one_by_one,
                                     staged->rows[i].n_first, staged->rows[i].first, staged->rows[i].decay);
}

static void take_staged(struct reel_run *run)
{
    reel_generator_set_state(&run->context->generator, run->generator, sizeof run->generator);
    run->context->philox_draws = (uint64_t)run->draws;
    for (int64_t i = 0; i < run->checkpoint->count; i++) {
        const struct reel_part *part = &run->checkpoint->parts[i];
        const union reel_staged *staged = run->staged[i];
        if (part->kind == REEL_PART_OPTIM)
            take_optim(part->object, &staged->optim);
        if (part->kind == REEL_PART_SCHEDULE)
            reel_schedule_restore(part->object, staged->schedule.states);
        if (part->kind == REEL_PART_EMA)
            take_ema(part->object, &staged->ema);
        if (part->kind == REEL_PART_LOADER)
            reel_loader_set_position(part->object, &staged->loader.position);
        if (part->kind == REEL_PART_NUMBER)
            *(double *)part->object = staged->number;
    }
}

static reel_status expect_version(reel_context *c, const reel_safetensors *file, const char *path)
{
    const char *version = reel_safetensors_metadata(file, REEL_CHECKPOINT_KEY);
    char printable[REEL_PRINTABLE], number[REEL_PRINTABLE];
    if (version && strcmp(version, REEL_CHECKPOINT_VERSION) == 0)
        return REEL_OK;
    return reel_fail(c, REEL_ERROR_FORMAT, "checkpoint \"%s\": %s%s", reel_printable(path, printable),
                     version ? "this library does not know version " : "it is no checkpoint of reel",
                     version ? reel_printable(version, number) : "");
}

static reel_status load(struct reel_run *run, const reel_safetensors *file, const char *path)
{
    for (int64_t i = 0; i < run->checkpoint->count; i++) {
        const struct reel_part *part = &run->checkpoint->parts[i];
        if (part->kind == REEL_PART_PARAMS && reel_params_expect_own(part->object, "checkpoint_load") != REEL_OK)
            return run->context->status;
    }
    compare(run, file);
    if (conclude(run, path) != REEL_OK)
        return run->context->status;
    read_staged(run, file);
    if (conclude(run, path) == REEL_OK)
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
        struct reel_run run;
        if (reel_run_begin(&run, checkpoint) == REEL_OK)
            load(&run, file, path);
        reel_run_end(&run);
    }
    reel_safetensors_close(file);
    return c->status;
}

const char *reel_checkpoint_differences(const reel_checkpoint *checkpoint)
{
    return checkpoint && checkpoint->size > 0 ? checkpoint->differences : "";
}
