/* Writing safetensors files: the header's text, the order of arrays, param sets. */
#include "files/atomic_file.h"
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

static int64_t array_bytes(const reel_named_array *array)
{
    return reel_shape_numel(&array->shape) * (int64_t)reel_dtype_size(array->dtype);
}

/* What a file is to hold. */
struct contents {
    const reel_named_array *arrays;
    int n;
    const reel_metadata *metadata;
    int n_metadata;
    int64_t *order; /* in which the arrays are stored */
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
    for (int i = 0; i < contents->n; i++) {
        const reel_named_array *a = &contents->arrays[contents->order[i]];
        put(text, ",");
        put_string(text, a->name);
        put(text, ":{\"dtype\":\"");
        put(text, reel_tensor_type_of(a->dtype)->name);
        put(text, "\",\"shape\":[");
        for (int k = 0; k < a->shape.ndim; k++) {
            put(text, k ? "," : "");
            put_number(text, a->shape.dim[k]);
        }
        put(text, "],\"data_offsets\":[");
        put_number(text, at);
        put(text, ",");
        put_number(text, at += array_bytes(a));
        put(text, "]}");
    }
    put(text, "}");
    /* So that the data begins at a multiple of 8. */
    while (text->size % 8 != 0)
        put(text, " ");
}

static bool name_before(const void *user, int64_t a, int64_t b)
{
    const reel_named_array *arrays = user;
    return strcmp(arrays[a].name, arrays[b].name) < 0;
}

/* The order of the reference implementation: wide elements first, so that all are aligned. I64 before F64, and F32
 * before I32. */
static bool array_before(const void *user, int64_t a, int64_t b)
{
    static const int rank[] = {
        [REEL_REAL] = sizeof(reel_real) == 8 ? 1 : 2, [REEL_INT64] = 0, [REEL_INT32] = 3, [REEL_BOOL] = 4};
    const reel_named_array *arrays = user;
    int x = rank[arrays[a].dtype], y = rank[arrays[b].dtype];
    return x != y ? x < y : name_before(user, a, b);
}

static reel_status check_array(reel_context *c, const reel_named_array *a)
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
    if (!reel_tensor_type_of(a->dtype))
        return reel_fail(c, REEL_ERROR_DTYPE, "safetensors: array \"%s\" has no such element type as %d", name,
                         (int)a->dtype);
    if (!reel_multiply_size(numel, reel_dtype_size(a->dtype), &bytes) || bytes > INT64_MAX)
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
    const reel_named_array *arrays = contents->arrays;
    int64_t *order = contents->order, total = 0;
    int n = contents->n;
    if (check_metadata(c, contents->metadata, contents->n_metadata) != REEL_OK)
        return c->status;
    for (int i = 0; i < n; i++) {
        if (check_array(c, &arrays[i]) != REEL_OK)
            return c->status;
        if (__builtin_add_overflow(total, array_bytes(&arrays[i]), &total))
            return reel_fail(c, REEL_ERROR_SHAPE, "safetensors: the arrays are more than 2^63 bytes");
        order[i] = i;
    }
    reel_sort(order, n, name_before, arrays);
    for (int i = 1; i < n; i++)
        if (strcmp(arrays[order[i - 1]].name, arrays[order[i]].name) == 0) {
            char name[REEL_PRINTABLE];
            return reel_fail(c, REEL_ERROR_ARGUMENT, "safetensors: two arrays are called \"%s\"",
                             reel_printable(arrays[order[i]].name, name));
        }
    reel_sort(order, n, array_before, arrays);
    return REEL_OK;
}

/* The eight bytes of length and the header itself; NULL with the error recorded. */
static char *make_header(reel_context *c, const struct contents *contents, int64_t *size)
{
    struct text text = {NULL, 0};
    put_header(&text, contents);
    if (text.size > REEL_SAFETENSORS_MAX_HEADER) {
        reel_fail(c, REEL_ERROR_ARGUMENT, "safetensors: %d arrays need a header of %lld bytes, 100000000 is the most",
                  contents->n, (long long)text.size);
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
    struct reel_atomic_file file;
    if (reel_atomic_file_open(&file, c, path) == REEL_OK) {
        reel_atomic_file_write(&file, header, header_size);
        for (int i = 0; i < contents->n && c->status == REEL_OK; i++) {
            const reel_named_array *a = &contents->arrays[contents->order[i]];
            reel_atomic_file_write(&file, a->data, array_bytes(a));
        }
    }
    return reel_atomic_file_close(&file);
}

static reel_status write_contents(reel_context *c, const char *path, struct contents *contents)
{
    if (!path)
        return reel_fail(c, REEL_ERROR_ARGUMENT, "safetensors: the path is NULL");
    contents->order = reel_allocate(&c->memory, (size_t)contents->n * sizeof *contents->order);
    if (!contents->order)
        return reel_fail_memory(c, "writing a file", (size_t)contents->n * sizeof *contents->order);
    if (arrange(c, contents) == REEL_OK) {
        int64_t size;
        char *header = make_header(c, contents, &size);
        if (header)
            write_file(c, path, header, size, contents);
        reel_free(&c->memory, header);
    }
    reel_free(&c->memory, contents->order);
    return c->status;
}

reel_status reel_safetensors_write(reel_context *context, const char *path, const reel_named_array *arrays, int n)
{
    if (!context || context->status != REEL_OK)
        return reel_context_status(context);
    if (n < 0 || (n > 0 && !arrays))
        return reel_fail(context, REEL_ERROR_ARGUMENT, "safetensors: no arrays to write");
    struct contents contents = {.arrays = arrays, .n = n};
    return write_contents(context, path, &contents);
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
    reel_named_array *arrays = reel_allocate(&c->memory, (size_t)count * sizeof *arrays);
    if (!arrays)
        return reel_fail_memory(c, "saving a param set", (size_t)count * sizeof *arrays);
    for (int i = 0; i < count; i++) {
        const reel_param *param = params->params[i];
        arrays[i] = (reel_named_array){param->name, param->dtype, param->shape, reel_param_data(param)};
    }
    struct contents contents = {.arrays = arrays, .n = count, .metadata = metadata, .n_metadata = n};
    write_contents(c, path, &contents);
    reel_free(&c->memory, arrays);
    return c->status;
}

reel_status reel_save_safetensors(const reel_params *params, const char *path)
{
    return reel_save_safetensors_with(params, path, NULL, 0);
}
