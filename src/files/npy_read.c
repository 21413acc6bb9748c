/* Reading numpy's files. */
#include "files/npy_header.h"
#include "files/stored.h"

#include <reel/npy.h>

#include <string.h>

struct entry {
    struct reel_stored array;
    char descr[REEL_NPY_DESCR]; /* what array.info.dtype points to when reel does not know the type */
};

struct reel_npy {
    struct reel_input input;
    int64_t count;
    struct entry *entries;
};

/* ---- Opening ---- */

static reel_status read_header(reel_npy *file, struct entry *entry)
{
    struct reel_input_part part = reel_input_part(&file->input, 0);
    struct reel_npy_header header;
    if (reel_npy_header_read(&file->input, entry->array.info.name, &part.source, file->input.size, &header) != REEL_OK)
        return file->input.context->status;
    memcpy(entry->descr, header.descr, sizeof entry->descr);
    struct reel_stored *array = &entry->array;
    array->noun = "array";
    array->info.dtype = header.type ? header.type->name : entry->descr;
    array->info.shape = header.shape;
    array->info.numel = header.numel;
    array->type = header.type;
    array->swapped = header.swapped;
    array->transposed = header.fortran && header.shape.ndim > 1;
    array->at = part.at;
    return REEL_OK;
}

static reel_status open_array(reel_npy *file)
{
    reel_context *c = file->input.context;
    file->entries = reel_allocate_zeroed(&c->memory, sizeof *file->entries);
    if (!file->entries)
        return reel_fail_memory(c, "an open file", sizeof *file->entries);
    file->count = 1;
    file->entries[0].array.info.name = "";
    return read_header(file, &file->entries[0]);
}

reel_npy *reel_npy_open(reel_context *context, const char *path)
{
    if (!context || context->status != REEL_OK)
        return NULL;
    reel_npy *file = reel_allocate_zeroed(&context->memory, sizeof *file);
    if (!file) {
        reel_fail_memory(context, "an open file", sizeof *file);
        return NULL;
    }
    if (reel_input_open(&file->input, context, "npy", path) == REEL_OK && open_array(file) == REEL_OK)
        return file;
    reel_npy_close(file);
    return NULL;
}

void reel_npy_close(reel_npy *file)
{
    if (!file)
        return;
    struct reel_memory *memory = &file->input.context->memory;
    reel_free(memory, file->entries);
    reel_input_close(&file->input);
    reel_free(memory, file);
}

int64_t reel_npy_count(const reel_npy *file)
{
    return file ? file->count : 0;
}

const reel_tensor_info *reel_npy_at(const reel_npy *file, int64_t i)
{
    return file && i >= 0 && i < file->count ? &file->entries[i].array.info : NULL;
}

static const struct reel_stored *find(const reel_npy *file, const char *name)
{
    static const struct reel_stored none = {.noun = "array"};
    for (int64_t i = 0; name && i < file->count; i++)
        if (strcmp(file->entries[i].array.info.name, name) == 0)
            return &file->entries[i].array;
    return &none;
}

const reel_tensor_info *reel_npy_find(const reel_npy *file, const char *name)
{
    const struct reel_stored *array = file ? find(file, name) : NULL;
    return array && array->info.name ? &array->info : NULL;
}

/* ---- Elements ---- */

reel_status reel_npy_read(reel_npy *file, const char *name, reel_dtype dtype, void *out, int64_t numel)
{
    if (!file)
        return REEL_ERROR_ARGUMENT;
    const struct reel_stored *array = find(file, name);
    struct reel_input_part part = reel_input_part(&file->input, array->at);
    return reel_stored_read(&file->input, name, array, &part.source, dtype, out, numel);
}

reel_status reel_npy_read_rows(reel_npy *file, const char *name, reel_dtype dtype, int64_t first, int64_t rows,
                               void *out)
{
    if (!file)
        return REEL_ERROR_ARGUMENT;
    const struct reel_stored *array = find(file, name);
    struct reel_input_part part = reel_input_part(&file->input, array->at);
    return reel_stored_read_rows(&file->input, name, array, &part.source, dtype, first, rows, out);
}

const void *reel_npy_map(reel_npy *file, const char *name, const char *dtype)
{
    return file ? reel_stored_map(&file->input, name, find(file, name), dtype) : NULL;
}
