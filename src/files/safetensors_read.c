/* Reading safetensors files: arrays, and into param sets. */
#include "files/safetensors.h"
#include "files/safetensors_header.h"

#include "base/shape.h"
#include "core/params.h"

#include <assert.h>
#include <string.h>

struct reel_safetensors {
    reel_context *context;
    struct reel_input input;
    char *text; /* the header, which names point into */
    struct reel_tensor_header header;
    int64_t data; /* where the tensors begin */
};

static reel_status read_header(reel_safetensors *file)
{
    unsigned char length[8];
    int64_t file_size = file->input.size;
    if (file_size < (int64_t)sizeof length)
        return reel_input_fail(&file->input, REEL_ERROR_FORMAT, "%lld bytes are too few for a safetensors file",
                               (long long)file_size);
    if (reel_input_read(&file->input, length, sizeof length, 0) != REEL_OK)
        return file->context->status;
    uint64_t size = 0;
    for (int i = 7; i >= 0; i--)
        size = size << 8 | length[i];
    if (size > (uint64_t)REEL_SAFETENSORS_MAX_HEADER || (int64_t)size > file_size - (int64_t)sizeof length)
        return reel_input_fail(&file->input, REEL_ERROR_FORMAT,
                               "no safetensors file: it begins with a header length of %llu, but has %lld bytes (and "
                               "100000000 is the most)",
                               (unsigned long long)size, (long long)file_size);
    file->text = reel_allocate(&file->context->memory, (size_t)size);
    if (!file->text)
        return reel_fail_memory(file->context, "the header of a file", (size_t)size);
    file->data = (int64_t)sizeof length + (int64_t)size;
    if (reel_input_read(&file->input, file->text, (int64_t)size, sizeof length) != REEL_OK)
        return file->context->status;
    return reel_tensor_header_parse(file->context, file->input.path, file->text, (int64_t)size, file_size - file->data,
                                    &file->header);
}

reel_safetensors *reel_safetensors_open(reel_context *context, const char *path)
{
    if (!context || context->status != REEL_OK)
        return NULL;
    reel_safetensors *file = reel_allocate_zeroed(&context->memory, sizeof *file);
    if (!file) {
        reel_fail_memory(context, "an open file", sizeof *file);
        return NULL;
    }
    file->context = context;
    if (reel_input_open(&file->input, context, "safetensors", path) == REEL_OK && read_header(file) == REEL_OK)
        return file;
    reel_safetensors_close(file);
    return NULL;
}

void reel_safetensors_close(reel_safetensors *file)
{
    if (!file)
        return;
    struct reel_memory *memory = &file->context->memory;
    reel_input_close(&file->input);
    reel_tensor_header_release(file->context, &file->header);
    reel_free(memory, file->text);
    reel_free(memory, file);
}

int64_t reel_safetensors_count(const reel_safetensors *file)
{
    return file ? file->header.count : 0;
}

const reel_tensor_info *reel_safetensors_at(const reel_safetensors *file, int64_t i)
{
    return file && i >= 0 && i < file->header.count ? &file->header.entries[i].info : NULL;
}

const reel_tensor_info *reel_safetensors_find(const reel_safetensors *file, const char *name)
{
    const struct reel_tensor_entry *entry = file && name ? reel_tensor_header_find(&file->header, name) : NULL;
    return entry ? &entry->info : NULL;
}

const char *reel_safetensors_metadata(const reel_safetensors *file, const char *key)
{
    for (int64_t i = 0; file && key && i < file->header.metadata_count; i++)
        if (strcmp(file->header.metadata[i].key, key) == 0)
            return file->header.metadata[i].value;
    return NULL;
}

/* ---- Elements ---- */

/* What an entry describes, and what a name stands for. */
static struct reel_stored stored(const reel_safetensors *file, const struct reel_tensor_entry *entry)
{
    struct reel_stored tensor = {.noun = "tensor"};
    if (entry) {
        tensor.info = entry->info;
        tensor.type = entry->type;
        tensor.at = file->data + entry->begin;
    }
    return tensor;
}

static struct reel_stored find(const reel_safetensors *file, const char *name)
{
    return stored(file, name ? reel_tensor_header_find(&file->header, name) : NULL);
}

/* Reads a tensor whose elements convert. */
static reel_status read_elements(const reel_safetensors *file, const struct reel_tensor_entry *entry, reel_dtype dtype,
                                 void *out)
{
    struct reel_stored tensor = stored(file, entry);
    struct reel_input_part part = reel_input_part(&file->input, tensor.at);
    return reel_stored_read_elements(&file->input, &tensor, &part.source, dtype, 0, entry->info.numel, out);
}

reel_status reel_safetensors_read(reel_safetensors *file, const char *name, reel_dtype dtype, void *out, int64_t numel)
{
    if (!file)
        return REEL_ERROR_ARGUMENT;
    struct reel_stored tensor = find(file, name);
    struct reel_input_part part = reel_input_part(&file->input, tensor.at);
    return reel_stored_read(&file->input, name, &tensor, &part.source, dtype, out, numel);
}

reel_status reel_safetensors_read_rows(reel_safetensors *file, const char *name, reel_dtype dtype, int64_t first,
                                       int64_t rows, void *out)
{
    if (!file)
        return REEL_ERROR_ARGUMENT;
    struct reel_stored tensor = find(file, name);
    struct reel_input_part part = reel_input_part(&file->input, tensor.at);
    return reel_stored_read_rows(&file->input, name, &tensor, &part.source, dtype, first, rows, out);
}

const void *reel_safetensors_map(reel_safetensors *file, const char *name, const char *dtype)
{
    if (!file)
        return NULL;
    struct reel_stored tensor = find(file, name);
    return reel_stored_map(&file->input, name, &tensor, dtype);
}

reel_status reel_tensor_read_bytes(const reel_safetensors *file, const char *name, int64_t from, int64_t size,
                                   void *out)
{
    const struct reel_tensor_entry *entry = reel_tensor_header_find(&file->header, name);
    assert(entry && from >= 0 && size <= entry->end - entry->begin - from);
    return reel_input_read(&file->input, out, size, file->data + entry->begin + from);
}

/* ---- Param sets ---- */

reel_load_options reel_load_defaults(void)
{
    return (reel_load_options){.mark = REEL_OPTIONS_MARK(reel_load_options), .strict = true};
}

/* As torch does, a param without axes takes a tensor of one element, which old files have there. */
static bool shape_fits(const reel_tensor_info *info, const reel_param *param)
{
    return reel_shape_equal(&info->shape, &param->shape) ||
           (param->shape.ndim == 0 && info->shape.ndim == 1 && info->numel == 1);
}

/* Batch norm counts its batches only since version 0.4.1 of torch, which keeps the count that a file does not have. */
static bool may_be_absent(const reel_param *param)
{
    static const char end[] = "num_batches_tracked";
    size_t length = strlen(param->name), wanted = sizeof end - 1;
    return param->kind == REEL_PARAM_BUFFER && param->dtype == REEL_INT64 && param->shape.ndim == 0 &&
           length >= wanted && strcmp(param->name + length - wanted, end) == 0 &&
           (length == wanted || param->name[length - wanted - 1] == '.');
}

/* ---- Names that the two sides share, or do not ---- */

enum list { MISSING, UNEXPECTED, MISMATCHED, LISTS };
static const char *const list_names[LISTS] = {"missing", "unexpected", "mismatched"};

/* Names of each list: first counted, then, when there is room, copied. */
struct keys {
    int64_t count[LISTS];
    size_t size;
    const char **next[LISTS];
    char *room; /* NULL while they are counted */
};

static void add_key(struct keys *keys, enum list list, const char *name)
{
    size_t size = strlen(name) + 1;
    if (!keys->room) {
        keys->count[list]++;
        keys->size += size;
        return;
    }
    *keys->next[list]++ = memcpy(keys->room, name, size);
    keys->room += size;
}

/* Gives how many names both have. */
static int64_t collect_keys(const reel_safetensors *file, const reel_params *params, struct keys *keys)
{
    int64_t shared = 0;
    for (int64_t i = 0; i < params->count; i++) {
        const reel_param *param = params->params[i];
        const struct reel_tensor_entry *entry = reel_tensor_header_find(&file->header, param->name);
        shared += entry != NULL;
        if (!entry && !may_be_absent(param))
            add_key(keys, MISSING, param->name);
        if (entry && !(shape_fits(&entry->info, param) && reel_tensor_type_converts(entry->type, param->dtype)))
            add_key(keys, MISMATCHED, param->name);
    }
    for (int64_t i = 0; shared < file->header.count && i < file->header.count; i++)
        if (!reel_params_find(params, file->header.entries[i].info.name))
            add_key(keys, UNEXPECTED, file->header.entries[i].info.name);
    return shared;
}

static reel_status report_keys(const reel_safetensors *file, const reel_params *params, reel_load_report *report,
                               int64_t *shared)
{
    struct keys keys = {0};
    *shared = collect_keys(file, params, &keys);
    size_t names = (size_t)(keys.count[MISSING] + keys.count[UNEXPECTED] + keys.count[MISMATCHED]);
    size_t bytes = names * sizeof(char *) + keys.size;
    const char **first = reel_allocate(&file->context->memory, bytes);
    if (!first)
        return reel_fail_memory(file->context, "the names of a load", bytes);
    const char **lists[LISTS];
    const char **next = first;
    for (int i = 0; i < LISTS; i++) {
        lists[i] = keys.next[i] = next;
        next += keys.count[i];
    }
    keys.room = (char *)next;
    collect_keys(file, params, &keys);
    *report = (reel_load_report){.n_missing_keys = keys.count[MISSING],
                                 .n_unexpected_keys = keys.count[UNEXPECTED],
                                 .n_mismatched_keys = keys.count[MISMATCHED],
                                 .missing_keys = lists[MISSING],
                                 .unexpected_keys = lists[UNEXPECTED],
                                 .mismatched_keys = lists[MISMATCHED],
                                 .context = file->context};
    return REEL_OK;
}

void reel_load_report_free(reel_load_report *report)
{
    if (!report)
        return;
    if (report->context)
        reel_free(&report->context->memory, (void *)(uintptr_t)report->missing_keys); /* the first of one block */
    *report = (reel_load_report){0};
}

enum { KEY_TEXT = 2 * REEL_PRINTABLE + 2 * REEL_SHAPE_TEXT };

/* A name and what the sides that have it have there. */
static void describe_key(const reel_safetensors *file, const reel_params *params, const char *key, char text[KEY_TEXT])
{
    const struct reel_tensor_entry *entry = reel_tensor_header_find(&file->header, key);
    const reel_param *param = reel_params_find(params, key);
    char name[REEL_PRINTABLE], type[REEL_PRINTABLE], shape[REEL_SHAPE_TEXT];
    text[0] = '\0';
    reel_append_text(text, KEY_TEXT, "\"%s\" is", reel_printable(key, name));
    if (param)
        reel_append_text(text, KEY_TEXT, " %s %s", reel_dtype_name(param->dtype),
                         reel_shape_text(&param->shape, shape));
    if (entry)
        reel_append_text(text, KEY_TEXT, "%s %s %s", param ? ", in the file" : "",
                         reel_printable(entry->info.dtype, type), reel_shape_text(&entry->info.shape, shape));
}

/* Adds a list to the text: the first name in any case, the others as long as they end before `end`. */
static void say_keys(const reel_safetensors *file, const reel_params *params, enum list list, const char *const *keys,
                     int64_t n, char *text, size_t size, size_t end)
{
    char key[KEY_TEXT];
    reel_append_text(text, size, " %lld %s (", (long long)n, list_names[list]);
    for (int64_t i = 0; i < n; i++) {
        describe_key(file, params, keys[i], key);
        if (i > 0 && strlen(text) + strlen(key) > end) {
            reel_append_text(text, size, "; and %lld more", (long long)(n - i));
            break;
        }
        reel_append_text(text, size, "%s%s", i > 0 ? "; " : "", key);
    }
    reel_append_text(text, size, ")");
}

/* All names that make the load fail, in one text. */
static reel_status refuse_keys(const reel_safetensors *file, const reel_params *params, const reel_load_report *report,
                               const bool refused[LISTS], const char *why)
{
    const char *const *const keys[LISTS] = {report->missing_keys, report->unexpected_keys, report->mismatched_keys};
    const int64_t n[LISTS] = {report->n_missing_keys, report->n_unexpected_keys, report->n_mismatched_keys};
    enum { MORE = 24 }; /* room for "; and 1000 more)" */
    char text[sizeof file->context->error] = "", path[REEL_PRINTABLE];
    size_t left = 0;
    for (int i = 0; i < LISTS; i++)
        left += refused[i] && n[i] > 0;
    reel_append_text(text, sizeof text, "\"%s\": %s:", reel_printable(file->input.path, path), why);
    bool any = false;
    for (int i = 0; i < LISTS; i++) {
        if (!refused[i] || n[i] == 0)
            continue;
        if (any)
            reel_append_text(text, sizeof text, ",");
        any = true;
        size_t length = strlen(text), room = (sizeof text - length) / left--;
        say_keys(file, params, (enum list)i, keys[i], n[i], text, sizeof text, length + room - MORE);
    }
    return reel_fail(file->context, REEL_ERROR_FORMAT, "%s", text);
}

/* All that could go wrong except reading. */
static reel_status check_keys(const reel_safetensors *file, const reel_params *params, bool strict,
                              reel_load_report *report)
{
    int64_t shared;
    if (report_keys(file, params, report, &shared) != REEL_OK)
        return file->context->status;
    if (strict ? report->n_missing_keys + report->n_unexpected_keys + report->n_mismatched_keys > 0
               : report->n_mismatched_keys > 0)
        return refuse_keys(file, params, report, (const bool[LISTS]){strict, strict, true},
                           "it does not fit the param set");
    if (shared == 0 && params->count > 0 && file->header.count > 0)
        return refuse_keys(file, params, report, (const bool[LISTS]){true, true, true},
                           "none of its names is one of the param set");
    return REEL_OK;
}

/* The room that all params need. */
static size_t room_for(const reel_params *params)
{
    size_t room = 0;
    for (int64_t i = 0; i < params->count; i++) {
        const reel_param *param = params->params[i];
        room += (size_t)param->numel * reel_dtype_size(param->dtype) + REEL_ALIGNMENT;
    }
    return room;
}

/* Reads every tensor into `staged`, then, when all are there, sets the params. */
static reel_status read_params(const reel_safetensors *file, reel_params *params, char *staged, int64_t *loaded)
{
    for (int pass = 0; pass < 2; pass++) {
        char *at = staged;
        for (int64_t i = 0; i < params->count; i++) {
            reel_param *param = params->params[i];
            const struct reel_tensor_entry *entry = reel_tensor_header_find(&file->header, param->name);
            if (!entry)
                continue;
            if (pass == 0 && read_elements(file, entry, param->dtype, at) != REEL_OK)
                return file->context->status;
            if (pass == 1) {
                reel_param_set(param, at);
                ++*loaded;
            }
            size_t size = (size_t)param->numel * reel_dtype_size(param->dtype);
            at += (size + REEL_ALIGNMENT - 1) / REEL_ALIGNMENT * REEL_ALIGNMENT;
        }
    }
    return REEL_OK;
}

reel_status reel_load_safetensors(reel_params *params, const char *path, const reel_load_options *options)
{
    reel_load_options o = reel_load_defaults();
    if (!params)
        return REEL_ERROR_ARGUMENT;
    reel_context *c = params->context;
    if (reel_options_take(c, "load", options, &o) != REEL_OK ||
        reel_params_expect_own_values(params, "load") != REEL_OK)
        return c->status;
    reel_load_report report = {0};
    reel_safetensors *file = reel_safetensors_open(c, path);
    if (file && check_keys(file, params, o.strict, &report) == REEL_OK) {
        size_t room = room_for(params);
        char *staged = reel_allocate(&c->memory, room);
        if (!staged)
            reel_fail_memory(c, "loading a param set", room);
        else
            read_params(file, params, staged, &report.n_loaded);
        if (c->status != REEL_OK)
            reel_load_report_free(&report);
        reel_free(&c->memory, staged);
    }
    reel_safetensors_close(file);
    if (o.report)
        *o.report = report;
    else
        reel_load_report_free(&report);
    return c->status;
}
