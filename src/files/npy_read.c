/* Reading numpy's files. */
#include "files/npy_header.h"
#include "files/stored.h"
#include "files/zip.h"

#include <reel/npy.h>

#include <string.h>

struct entry {
    struct reel_stored array;
    char descr[REEL_NPY_DESCR];           /* what array.info.dtype points to when reel does not know the type */
    int64_t header_size;                  /* before the elements */
    const struct reel_zip_member *member; /* NULL: the file is the array */
};

struct reel_npy {
    struct reel_input input;
    struct reel_zip zip;
    int64_t count;
    struct entry *entries;
};

/* ---- Opening ---- */

static const char ending[] = ".npy";

static reel_status read_header(reel_npy *file, struct entry *entry)
{
    struct reel_input_part part = reel_input_part(&file->input, 0);
    struct reel_zip_source member;
    struct reel_npy_header header;
    struct reel_stored *array = &entry->array;
    if (entry->member) {
        reel_zip_source_open(&member, &file->input, &file->zip, entry->member);
        reel_npy_header_read(&file->input, array->info.name, &member.source, entry->member->size, &header);
        reel_zip_source_close(&member);
    } else
        reel_npy_header_read(&file->input, array->info.name, &part.source, file->input.size, &header);
    if (file->input.context->status != REEL_OK)
        return file->input.context->status;
    memcpy(entry->descr, header.descr, sizeof entry->descr);
    entry->header_size = header.size;
    array->noun = "array";
    array->info.dtype = header.type ? header.type->name : entry->descr;
    array->info.shape = header.shape;
    array->info.numel = header.numel;
    array->type = header.type;
    array->swapped = header.swapped;
    array->transposed = header.fortran && header.shape.ndim > 1;
    array->at = !entry->member ? header.size : entry->member->deflated ? -1 : entry->member->at + header.size;
    return REEL_OK;
}

static reel_status open_file(reel_npy *file)
{
    reel_context *c = file->input.context;
    char start[4] = "";
    if (file->input.size >= 4 && reel_input_read(&file->input, start, 4, 0) != REEL_OK)
        return c->status;
    /* An archive without members begins with its end. */
    bool archive = memcmp(start, "PK\3\4", 4) == 0 || memcmp(start, "PK\5\6", 4) == 0;
    if (archive && reel_zip_read(&file->input, ending, &file->zip) != REEL_OK)
        return c->status;
    int64_t count = archive ? file->zip.count : 1;
    size_t size = (size_t)count * sizeof *file->entries;
    file->entries = reel_allocate_zeroed(&c->memory, size);
    if (!file->entries)
        return reel_fail_memory(c, "an open file", size);
    for (; file->count < count; file->count++) {
        struct entry *entry = &file->entries[file->count];
        entry->array.info.name = "";
        if (archive) {
            struct reel_zip_member *member = &file->zip.members[file->count];
            member->name[strlen(member->name) - strlen(ending)] = '\0';
            entry->array.info.name = member->name;
            entry->member = member;
        }
        if (read_header(file, entry) != REEL_OK)
            return c->status;
    }
    return REEL_OK;
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
    if (reel_input_open(&file->input, context, "npy", path) == REEL_OK && open_file(file) == REEL_OK)
        return file;
    reel_npy_close(file);
    return NULL;
}

void reel_npy_close(reel_npy *file)
{
    if (!file)
        return;
    reel_context *c = file->input.context;
    reel_free(&c->memory, file->entries);
    reel_zip_release(c, &file->zip);
    reel_input_close(&file->input);
    reel_free(&c->memory, file);
}

int64_t reel_npy_count(const reel_npy *file)
{
    return file ? file->count : 0;
}

const reel_tensor_info *reel_npy_at(const reel_npy *file, int64_t i)
{
    return file && i >= 0 && i < file->count ? &file->entries[i].array.info : NULL;
}

static const struct entry *find(const reel_npy *file, const char *name)
{
    static const struct entry none = {.array = {.noun = "array"}};
    for (int64_t i = 0; name && i < file->count; i++)
        if (strcmp(file->entries[i].array.info.name, name) == 0)
            return &file->entries[i];
    return &none;
}

const reel_tensor_info *reel_npy_find(const reel_npy *file, const char *name)
{
    const struct entry *entry = file ? find(file, name) : NULL;
    return entry && entry->array.info.name ? &entry->array.info : NULL;
}

/* ---- Elements ---- */

/* The elements of an entry from the first on. */
struct elements {
    struct reel_input_part part;
    struct reel_zip_source member;
    struct reel_source *source;
};

static void open_elements(reel_npy *file, const struct entry *entry, struct elements *elements)
{
    elements->part = reel_input_part(&file->input, entry->header_size);
    elements->source = &elements->part.source;
    if (!entry->member)
        return;
    /* The header counts for the checksum. */
    char header[REEL_NPY_MAGIC + 6 + REEL_NPY_LONGEST];
    reel_zip_source_open(&elements->member, &file->input, &file->zip, entry->member);
    elements->source = &elements->member.source;
    if (file->input.context->status == REEL_OK)
        elements->source->read(elements->source, header, entry->header_size);
}

static void close_elements(const struct entry *entry, struct elements *elements)
{
    if (entry->member)
        reel_zip_source_close(&elements->member);
}

reel_status reel_npy_read(reel_npy *file, const char *name, reel_dtype dtype, void *out, int64_t numel)
{
    if (!file)
        return REEL_ERROR_ARGUMENT;
    const struct entry *entry = find(file, name);
    struct elements elements;
    open_elements(file, entry, &elements);
    reel_status status = reel_stored_read(&file->input, name, &entry->array, elements.source, dtype, out, numel);
    close_elements(entry, &elements);
    return status;
}

reel_status reel_npy_read_rows(reel_npy *file, const char *name, reel_dtype dtype, int64_t first, int64_t rows,
                               void *out)
{
    if (!file)
        return REEL_ERROR_ARGUMENT;
    const struct entry *entry = find(file, name);
    struct elements elements;
    open_elements(file, entry, &elements);
    reel_status status =
        reel_stored_read_rows(&file->input, name, &entry->array, elements.source, dtype, first, rows, out);
    close_elements(entry, &elements);
    return status;
}

const void *reel_npy_map(reel_npy *file, const char *name, const char *dtype)
{
    return file ? reel_stored_map(&file->input, name, &find(file, name)->array, dtype) : NULL;
}
