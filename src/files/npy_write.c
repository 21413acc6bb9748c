/* Writing numpy's files. */
#include "base/checked.h"
#include "base/sort.h"
#include "files/atomic_file.h"
#include "files/npy_header.h"
#include "files/zip.h"

#include <reel/npy.h>

#include <stdio.h>
#include <string.h>

static reel_status check_array(reel_context *c, const reel_named_array *array)
{
    size_t bytes;
    char name[REEL_PRINTABLE];
    reel_printable(array->name, name);
    if (!reel_tensor_type_name(array->dtype))
        return reel_fail(c, REEL_ERROR_DTYPE, "npy: array \"%s\" has no element type that is written", name);
    int64_t numel = reel_shape_numel(&array->shape);
    if (!reel_multiply_size(numel, reel_dtype_size(array->dtype), &bytes) || bytes > INT64_MAX)
        return reel_fail(c, REEL_ERROR_SHAPE, "npy: array \"%s\" has a shape that is not possible", name);
    if (numel > 0 && !array->data)
        return reel_fail(c, REEL_ERROR_ARGUMENT, "npy: array \"%s\" has no data", name);
    return REEL_OK;
}

static int64_t bytes_of(const reel_named_array *array)
{
    return reel_shape_numel(&array->shape) * (int64_t)reel_dtype_size(array->dtype);
}

reel_status reel_npy_write(reel_context *context, const char *path, reel_dtype dtype, reel_shape shape,
                           const void *data)
{
    const reel_named_array array = {"", dtype, shape, data};
    if (!context || context->status != REEL_OK)
        return reel_context_status(context);
    if (!path)
        return reel_fail(context, REEL_ERROR_ARGUMENT, "npy: the path is NULL");
    if (check_array(context, &array) != REEL_OK)
        return context->status;
    char header[REEL_NPY_WRITTEN];
    int64_t size = reel_npy_header_write(dtype, &shape, header);
    reel_atomic_file *file = reel_atomic_file_open(context, path);
    reel_atomic_file_write(file, header, size);
    reel_atomic_file_write(file, data, bytes_of(&array));
    reel_atomic_file_close(file);
    return context->status;
}

/* ---- Archives ---- */

reel_npz_options reel_npz_defaults(void)
{
    return (reel_npz_options){.mark = REEL_OPTIONS_MARK(reel_npz_options)};
}

static bool name_before(const void *user, int64_t a, int64_t b)
{
    const reel_named_array *arrays = user;
    return strcmp(arrays[a].name, arrays[b].name) < 0;
}

/* `order` is room for n places. */
static reel_status check_arrays(reel_context *c, const reel_named_array *arrays, int n, int64_t *order)
{
    enum { LONGEST_NAME = 65535 - 4 };
    for (int i = 0; i < n; i++) {
        const char *name = arrays[i].name;
        if (!name || !*name || !reel_is_utf8(name) || strlen(name) > LONGEST_NAME)
            return reel_fail(c, REEL_ERROR_ARGUMENT, "npz: the name of array %d is empty, not UTF-8, or too long", i);
        if (check_array(c, &arrays[i]) != REEL_OK)
            return c->status;
        order[i] = i;
    }
    reel_heap_sort(order, n, name_before, arrays);
    for (int i = 1; i < n; i++)
        if (strcmp(arrays[order[i - 1]].name, arrays[order[i]].name) == 0) {
            char name[REEL_PRINTABLE];
            return reel_fail(c, REEL_ERROR_ARGUMENT, "npz: two arrays are called \"%s\"",
                             reel_printable(arrays[order[i]].name, name));
        }
    return REEL_OK;
}

static reel_status write_archive(struct reel_zip_writer *zip, const reel_named_array *arrays, int n, char *names,
                                 bool compressed)
{
    for (int i = 0; i < n && zip->file->context->status == REEL_OK; i++) {
        char header[REEL_NPY_WRITTEN], *name = names;
        names += sprintf(name, "%s.npy", arrays[i].name) + 1;
        int64_t size = reel_npy_header_write(arrays[i].dtype, &arrays[i].shape, header);
        if (reel_zip_begin(zip, name, compressed) == REEL_OK && reel_zip_write(zip, header, size) == REEL_OK)
            reel_zip_write(zip, arrays[i].data, bytes_of(&arrays[i]));
        reel_zip_end(zip);
    }
    return reel_zip_finish(zip);
}

/* What writing needs for a moment. */
struct room {
    int64_t *order;
    struct reel_zip_member *members;
    char *names;
};

static void free_room(reel_context *c, struct room *room)
{
    reel_free(&c->memory, room->order);
    reel_free(&c->memory, room->members);
    reel_free(&c->memory, room->names);
}

static reel_status make_room(reel_context *c, const reel_named_array *arrays, int n, struct room *room)
{
    size_t size = 0;
    for (int i = 0; i < n; i++)
        size += (arrays[i].name ? strlen(arrays[i].name) : 0) + sizeof ".npy";
    *room =
        (struct room){reel_allocate(&c->memory, (size_t)n * sizeof *room->order),
                      reel_allocate(&c->memory, (size_t)n * sizeof *room->members), reel_allocate(&c->memory, size)};
    return room->order && room->members && room->names ? REEL_OK : reel_fail_memory(c, "writing an archive", size);
}

reel_status reel_npz_write(reel_context *context, const char *path, const reel_named_array *arrays, int n,
                           const reel_npz_options *options)
{
    reel_npz_options o = reel_npz_defaults();
    if (reel_options_take(context, "npz", options, &o) != REEL_OK)
        return context ? context->status : REEL_ERROR_ARGUMENT;
    if (!path || n < 0 || (n > 0 && !arrays))
        return reel_fail(context, REEL_ERROR_ARGUMENT, "npz: %s", path ? "no arrays to write" : "the path is NULL");
    struct room room;
    if (make_room(context, arrays, n, &room) == REEL_OK && check_arrays(context, arrays, n, room.order) == REEL_OK) {
        struct reel_zip_writer zip;
        reel_atomic_file *file = reel_atomic_file_open(context, path);
        if (file) {
            reel_zip_writer_open(&zip, file, room.members);
            write_archive(&zip, arrays, n, room.names, o.compressed);
        }
        reel_atomic_file_close(file);
    }
    free_room(context, &room);
    return context->status;
}
