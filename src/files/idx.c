/* Reading files in the IDX format. */
#include "base/shape.h"
#include "files/compressed.h"

#include <reel/idx.h>

#include <string.h>

struct reel_idx {
    struct reel_input input;
    reel_shape shape;
    unsigned char *bytes;
    int64_t filled, capacity;
};

enum { UNSIGNED_BYTE = 0x08, WORD = 4 };

static int64_t word_at(const unsigned char *b)
{
    return (int64_t)b[0] << 24 | (int64_t)b[1] << 16 | (int64_t)b[2] << 8 | b[3];
}

/* Type and axes; *numel gets the product of the axes. */
static reel_status read_header(reel_idx *file, struct reel_source *source, int64_t *numel)
{
    reel_context *c = file->input.context;
    unsigned char header[WORD * (1 + REEL_MAX_NDIM)];
    if (source->read(source, header, WORD) != REEL_OK)
        return c->status;
    int axes = header[3];
    if (header[0] != 0 || header[1] != 0 || header[2] != UNSIGNED_BYTE || axes < 1 || axes > REEL_MAX_NDIM)
        return reel_input_fail(&file->input, REEL_ERROR_FORMAT,
                               "the magic number is 0x%08llx instead of 0x00000801 to 0x00000808",
                               (unsigned long long)word_at(header));
    if (source->read(source, header + WORD, WORD * axes) != REEL_OK)
        return c->status;
    file->shape.ndim = axes;
    for (int i = 0; i < axes; i++) {
        file->shape.dim[i] = word_at(header + WORD * (1 + i));
        if (file->shape.dim[i] == 0)
            return reel_input_fail(&file->input, REEL_ERROR_FORMAT, "axis %d has length 0", i);
    }
    *numel = reel_shape_numel(&file->shape);
    return *numel > 0 ? REEL_OK
                      : reel_input_fail(&file->input, REEL_ERROR_FORMAT, "the sizes in the header are too large");
}

static bool make_room(reel_idx *file, int64_t bytes)
{
    struct reel_memory *memory = &file->input.context->memory;
    if (reel_grow(memory, (void **)&file->bytes, file->filled, &file->capacity, bytes, 1))
        return true;
    reel_fail_memory(file->input.context, "the bytes of a file", (size_t)bytes);
    return false;
}

static reel_status refuse_length(const reel_idx *file, int64_t numel)
{
    char shape[REEL_SHAPE_TEXT];
    return reel_input_fail(&file->input, REEL_ERROR_FORMAT, "it is cut short or goes on after the %lld bytes of %s",
                           (long long)numel, reel_shape_text(&file->shape, shape));
}

static reel_status read_plain(reel_idx *file)
{
    struct reel_input_part part = reel_input_part(&file->input, 0);
    int64_t numel;
    if (read_header(file, &part.source, &numel) != REEL_OK)
        return file->input.context->status;
    if (numel != file->input.size - part.at)
        return refuse_length(file, numel);
    if (make_room(file, numel))
        part.source.read(&part.source, file->bytes, numel);
    return file->input.context->status;
}

/* What is behind the data is read too, since zlib compares the checksum only then. */
static reel_status read_payload(reel_idx *file, struct reel_inflated *inflated, int64_t numel)
{
    enum { PIECE = 1 << 20 };
    while (file->filled < numel) {
        int64_t n = numel - file->filled < PIECE ? numel - file->filled : PIECE;
        if (!make_room(file, file->filled + n))
            return file->input.context->status;
        int64_t got = reel_inflated_read(inflated, file->bytes + file->filled, n);
        if (got < 0)
            return file->input.context->status;
        file->filled += got;
        if (got < n)
            return refuse_length(file, numel);
    }
    unsigned char extra;
    int64_t got = reel_inflated_read(inflated, &extra, 1);
    return got > 0 ? refuse_length(file, numel) : file->input.context->status;
}

static reel_status read_compressed(reel_idx *file)
{
    struct reel_inflated inflated = reel_inflated(&file->input, REEL_GZIP, 0, file->input.size);
    int64_t numel;
    if (read_header(file, &inflated.source, &numel) == REEL_OK)
        read_payload(file, &inflated, numel);
    reel_inflated_close(&inflated);
    return file->input.context->status;
}

static reel_status read_file(reel_idx *file)
{
    unsigned char start[2] = {0};
    if (file->input.size >= 2 && reel_input_read(&file->input, start, 2, 0) != REEL_OK)
        return file->input.context->status;
    return start[0] == 0x1f && start[1] == 0x8b ? read_compressed(file) : read_plain(file);
}

reel_idx *reel_idx_open(reel_context *context, const char *path)
{
    if (!context || context->status != REEL_OK)
        return NULL;
    reel_idx *file = reel_allocate_zeroed(&context->memory, sizeof *file);
    if (!file) {
        reel_fail_memory(context, "an open file", sizeof *file);
        return NULL;
    }
    if (reel_input_open(&file->input, context, "idx", path) == REEL_OK && read_file(file) == REEL_OK) {
        reel_input_close(&file->input);
        return file;
    }
    reel_idx_close(file);
    return NULL;
}

void reel_idx_close(reel_idx *file)
{
    if (!file)
        return;
    struct reel_memory *memory = &file->input.context->memory;
    reel_free(memory, file->bytes);
    reel_input_close(&file->input);
    reel_free(memory, file);
}

reel_shape reel_idx_shape(const reel_idx *file)
{
    return file ? file->shape : REEL_SCALAR;
}

const unsigned char *reel_idx_bytes(const reel_idx *file)
{
    return file ? file->bytes : NULL;
}
