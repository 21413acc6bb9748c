/* Writing safetensors files: the header's text, the order of arrays, param sets. */
#include "files/atomic_file.h"
#include "files/safetensors.h"
#include "files/safetensors_header.h"

#include "base/checked.h"
#include "base/sort.h"
#include "core/params.h"

#include <stdio.h>
#include <string.h>

/* ---- The header ---- */

/* Text that is written, or only measured when there is no buffer. */
struct text {
    char *buffer;
    int64_t size;
};

static void put(struct text *text, const char *piece)
{
    size_t length = strlen(piece);
    if (text->buffer)
        memcpy(text->buffer + text->size, piece, length);
    text->size += (int64_t)length;
}

static void put_number(struct text *text, int64_t number)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%lld", (long long)number);
    put(text, digits);
}

/* Quoted, with the escapes that JSON asks for and no others. */
static void put_string(struct text *text, const char *string)
{
    static const char special[] = "\"\\\b\f\n\r\t", codes[] = "\"\\bfnrt";
    put(text, "\"");
    for (; *string; string++) {
        const char *found = strchr(special, *string);
        char piece[8] = {*string};
        if (found)
            snprintf(piece, sizeof piece, "\\%c", codes[found - special]);
        else if ((unsigned char)*string < 0x20)
            snprintf(piece, sizeof piece, "\\u%04x", (unsigned)*string);
        put(text, piece);
    }
    put(text, "\"");
}

/* The types that are written, in the order of the reference implementation: wide elements first, so that all are
 * aligned. */
static const char *const written_types[] = {"I64", "F64", "F32", "U32", "I32", "BF16", "U8", "BOOL"};
enum { WRITTEN_TYPES = sizeof written_types / sizeof *written_types };

/* The place of a type among these; WRITTEN_TYPES when it is not there. */
static int rank(const char *type)
{
    int i = 0;
    while (i < WRITTEN_TYPES && (!type || strcmp(written_types[i], type) != 0))
        i++;
    return i;
}

size_t reel_tensor_element_size(const char *type)
{
    return rank(type) < WRITTEN_TYPES ? (size_t)reel_tensor_type_named(type)->bits / 8 : 0;
}

static int64_t source_bytes(const struct reel_tensor_source *source)
{
    return reel_shape_numel(&source->shape) * (int64_t)reel_tensor_element_size(source->type);
}

/* What a file is to hold. */
struct contents {
    const struct reel_tensor_source *sources;
    int64_t n;
    const reel_metadata *metadata;
    int n_metadata;
    int64_t *order; /* in which the sources are stored */
};

static void put_header(struct text *text, const struct contents *contents)
{
    int64_t at = 0;
    put(text, "{\"__metadata__\":{\"format\":\"pt\"");
    for (int i = 0; i < contents->n_metadata; i++) {
        put(text, ",");
        put_string(text, contents->metadata[i].key);
        put(text, ":");
        put_string(text, contents->metadata[i].value);
    }
    put(text, "}");
    for (int64_t i = 0; i < contents->n; i++) {
        const struct reel_tensor_source *a = &contents->sources[contents->order[i]];
        put(text, ",");
        put_string(text, a->name);
        put(text, ":{\"dtype\":\"");
        put(text, a->type);
        put(text, "\",\"shape\":[");
        for (int k = 0; k < a->shape.ndim; k++) {
            put(text, k ? "," : "");
            put_number(text, a->shape.dim[k]);
        }
        put(text, "],\"data_offsets\":[");
        put_number(text, at);
        put(text, ",");
        put_number(text, at += source_bytes(a));
        put(text, "]}");
    }
    put(text, "}");
    /* So that the data begins at a multiple of 8. */
    while (text->size % 8 != 0)
        put(text, " ");
}

static bool name_before(const void *user, int64_t a, int64_t b)
{
    const struct reel_tensor_source *sources = user;
    return strcmp(sources[a].name, sources[b].name) < 0;
}

static bool source_before(const void *user, int64_t a, int64_t b)
{
    const struct reel_tensor_source *sources = user;
    int x = rank(sources[a].type), y = rank(sources[b].type);
    return x != y ? x < y : name_before(user, a, b);
}

static reel_status check_source(reel_context *c, const struct reel_tensor_source *a)
{
    char name[REEL_PRINTABLE];
    size_t bytes;
    int64_t numel = reel_shape_numel(&a->shape);
    if (!a->name || !*a->name || strcmp(a->name, "__metadata__") == 0)
        return reel_fail(c, REEL_ERROR_ARGUMENT, "safetensors: an array's name is %s",
                         a->name && *a->name ? "\"__metadata__\", which the format uses itself" : "empty");
    reel_printable(a->name, name);
    if (!reel_is_utf8(a->name))
        return reel_fail(c, REEL_ERROR_ARGUMENT, "safetensors: the name \"%s\" is not UTF-8", name);
    if (rank(a->type) == WRITTEN_TYPES)
        return reel_fail(c, REEL_ERROR_DTYPE, "safetensors: array \"%s\" has no element type that is written", name);
    if (!reel_multiply_size(numel, reel_tensor_element_size(a->type), &bytes) || bytes > INT64_MAX)
        return reel_fail(c, REEL_ERROR_SHAPE, "safetensors: array \"%s\" has a shape that is not possible", name);
    if (numel > 0 && !a->data)
        return reel_fail(c, REEL_ERROR_ARGUMENT, "safetensors: array \"%s\" has no data", name);
    return REEL_OK;
}

static reel_status check_metadata(reel_context *c, const reel_metadata *metadata, int n)
{
    for (int i = 0; i < n; i++) {
        const char *key = metadata[i].key, *value = metadata[i].value;
        bool good = key && value && reel_is_utf8(key) && reel_is_utf8(value) && strcmp(key, "format") != 0;
        for (int k = 0; good && k < i; k++)
            good = strcmp(metadata[k].key, key) != 0;
        if (!good)
            return reel_fail(c, REEL_ERROR_ARGUMENT,
                             "safetensors: metadata %d is NULL or not UTF-8, or its key is \"format\" or repeated", i);
    }
    return REEL_OK;
}

/* Checks everything and fills in the order. */
static reel_status arrange(reel_context *c, const struct contents *contents)
{
    const struct reel_tensor_source *sources = contents->sources;
    int64_t *order = contents->order, total = 0, n = contents->n;
    if (check_metadata(c, contents->metadata, contents->n_metadata) != REEL_OK)
        return c->status;
    for (int64_t i = 0; i < n; i++) {
        if (check_source(c, &sources[i]) != REEL_OK)
            return c->status;
        if (__builtin_add_overflow(total, source_bytes(&sources[i]), &total))
            return reel_fail(c, REEL_ERROR_SHAPE, "safetensors: the arrays are more than 2^63 bytes");
        order[i] = i;
    }
    reel_heap_sort(order, n, name_before, sources);
    for (int64_t i = 1; i < n; i++)
        if (strcmp(sources[order[i - 1]].name, sources[order[i]].name) == 0) {
            char name[REEL_PRINTABLE];
            return reel_fail(c, REEL_ERROR_ARGUMENT, "safetensors: two arrays are called \"%s\"",
                             reel_printable(sources[order[i]].name, name));
        }
    reel_heap_sort(order, n, source_before, sources);
    return REEL_OK;
}

/* The eight bytes of length and the header itself; NULL with the error recorded. */
static char *make_header(reel_context *c, const struct contents *contents, int64_t *size)
{
    struct text text = {NULL, 0};
    put_header(&text, contents);
    if (text.size > REEL_SAFETENSORS_MAX_HEADER) {
        reel_fail(c, REEL_ERROR_ARGUMENT, "safetensors: %lld arrays need a header of %lld bytes, 100000000 is the most",
                  (long long)contents->n, (long long)text.size);
        return NULL;
    }
    char *memory = reel_allocate(&c->memory, (size_t)text.size + 8);
    if (!memory) {
        reel_fail_memory(c, "the header of a file", (size_t)text.size);
        return NULL;
    }
    for (int i = 0; i < 8; i++)
        memory[i] = (char)(unsigned char)(text.size >> 8 * i & 0xff);
    *size = text.size + 8;
    text = (struct text){memory + 8, 0};
    put_header(&text, contents);
    return memory;
}

static reel_status write_file(reel_context *c, const char *path, const char *header, int64_t header_size,
                              const struct contents *contents)
{
    reel_atomic_file *file = reel_atomic_file_open(c, path);
    reel_atomic_file_write(file, header, header_size);
    for (int64_t i = 0; i < contents->n && c->status == REEL_OK; i++) {
        const struct reel_tensor_source *a = &contents->sources[contents->order[i]];
        reel_atomic_file_write(file, a->data, source_bytes(a));
    }
    reel_atomic_file_close(file);
    return c->status;
}

reel_status reel_tensors_write(reel_context *c, const char *path, const struct reel_tensor_source *sources, int64_t n,
                               const reel_metadata *metadata, int n_metadata)
{
    struct contents contents = {.sources = sources, .n = n, .metadata = metadata, .n_metadata = n_metadata};
    if (c->status != REEL_OK)
        return c->status;
    if (!path)
        return reel_fail(c, REEL_ERROR_ARGUMENT, "safetensors: the path is NULL");
    contents.order = reel_allocate(&c->memory, (size_t)n * sizeof *contents.order);
    if (!contents.order)
        return reel_fail_memory(c, "writing a file", (size_t)n * sizeof *contents.order);
    if (arrange(c, &contents) == REEL_OK) {
        int64_t size;
        char *header = make_header(c, &contents, &size);
        if (header)
            write_file(c, path, header, size, &contents);
        reel_free(&c->memory, header);
    }
    reel_free(&c->memory, contents.order);
    return c->status;
}

/* Room for n sources; NULL with the error recorded. */
static struct reel_tensor_source *allocate_sources(reel_context *c, int n)
{
    struct reel_tensor_source *sources = reel_allocate(&c->memory, (size_t)n * sizeof *sources);
    if (!sources)
        reel_fail_memory(c, "writing a file", (size_t)n * sizeof *sources);
    return sources;
}

reel_status reel_safetensors_write(reel_context *context, const char *path, const reel_named_array *arrays, int n)
{
    if (!context || context->status != REEL_OK)
        return reel_context_status(context);
    if (n < 0 || (n > 0 && !arrays))
        return reel_fail(context, REEL_ERROR_ARGUMENT, "safetensors: no arrays to write");
    struct reel_tensor_source *sources = allocate_sources(context, n);
    for (int i = 0; sources && i < n; i++)
        sources[i] = (struct reel_tensor_source){arrays[i].name, reel_tensor_type_name(arrays[i].dtype),
                                                 arrays[i].shape, arrays[i].data};
    reel_tensors_write(context, path, sources, n, NULL, 0);
    reel_free(&context->memory, sources);
    return context->status;
}

reel_status reel_save_safetensors_with(const reel_params *params, const char *path, const reel_metadata *metadata,
                                       int n)
{
    if (!params)
        return REEL_ERROR_ARGUMENT;
    reel_context *c = params->context;
    if (c->status != REEL_OK)
        return c->status;
    if (n < 0 || (n > 0 && !metadata))
        return reel_fail(c, REEL_ERROR_ARGUMENT, "safetensors: no metadata to write");
    int count = reel_params_count(params);
    struct reel_tensor_source *sources = allocate_sources(c, count);
    for (int i = 0; sources && i < count; i++) {
        const reel_param *param = params->params[i];
        sources[i] = (struct reel_tensor_source){param->name, reel_tensor_type_name(param->dtype), param->shape,
                                                 reel_param_data(param)};
    }
    reel_tensors_write(c, path, sources, count, metadata, n);
    reel_free(&c->memory, sources);
    return c->status;
}

reel_status reel_save_safetensors(const reel_params *params, const char *path)
{
    return reel_save_safetensors_with(params, path, NULL, 0);
}
