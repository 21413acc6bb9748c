/* What may live here: one rank's file of a checkpoint, in the safetensors format, written as its rows arrive; and the
 * index of all. */
#include "save.h"

#include <reel/atomic_file.h>

#include <stdio.h>
#include <string.h>

/* ---- JSON ---- */

/* Text that is written, or only measured when there is no buffer. */
struct text {
    char *buffer;
    size_t size;
};

static void put(struct text *text, const char *piece)
{
    size_t length = strlen(piece);
    if (text->buffer)
        memcpy(text->buffer + text->size, piece, length);
    text->size += length;
}

static void put_number(struct text *text, int64_t number)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%lld", (long long)number);
    put(text, digits);
}

/* A character of a string, with the escapes that JSON asks for. `levels`: a string in a string is escaped twice. */
static void put_character(struct text *text, char character, int levels)
{
    char escaped[8] = {character};
    if (levels > 0 && (unsigned char)character < 0x20)
        snprintf(escaped, sizeof escaped, "\\u%04x", (unsigned)(unsigned char)character);
    else if (levels > 0 && (character == '"' || character == '\\'))
        snprintf(escaped, sizeof escaped, "\\%c", character);
    if (levels <= 1) {
        put(text, escaped);
        return;
    }
    for (const char *piece = escaped; *piece; piece++)
        put_character(text, *piece, levels - 1);
}

/* Quoted; inside a string that is `outer` deep. */
static void put_string(struct text *text, const char *string, int outer)
{
    put_character(text, '"', outer);
    for (; *string; string++)
        put_character(text, *string, outer + 1);
    put_character(text, '"', outer);
}

/* Two passes over what is put: to measure, and to write into memory that then has room. NULL, the error recorded. */
static char *make_text(reel_context *c, struct reel_mpi_memory *memory, size_t *size,
                       void (*put_all)(struct text *text, const void *user), const void *user)
{
    struct text text = {NULL, 0};
    put_all(&text, user);
    if (reel_mpi_reserve(c, memory, text.size) != REEL_OK)
        return NULL;
    text = (struct text){memory->data, 0};
    put_all(&text, user);
    *size = text.size;
    return text.buffer;
}

/* ---- A file ---- */

struct file {
    const struct reel_mpi_contents *contents;
    int first, end; /* of the tensors */
};

/* Where this rank's rows begin and end; of a tensor that is not spread, whether it is in this file. */
static bool part_of(const struct file *file, const struct reel_mpi_tensor *tensor, int64_t *first, int64_t *end)
{
    const reel_mpi *mpi = file->contents->mpi;
    *first = *end = 0;
    if (!tensor->is_held)
        return false;
    if (!tensor->table)
        return mpi->rank == 0;
    *first = reel_mpi_first_row(tensor->shape.dim[0], mpi->ranks, mpi->rank);
    *end = reel_mpi_first_row(tensor->shape.dim[0], mpi->ranks, mpi->rank + 1);
    return *first < *end;
}

static size_t part_bytes(const struct reel_mpi_tensor *tensor, int64_t first, int64_t end)
{
    if (tensor->table)
        return (size_t)(end - first) * reel_mpi_tensor_row(tensor);
    return (size_t)reel_shape_numel(&tensor->shape) * reel_mpi_tensor_element(tensor);
}

/* Wide elements first, so that all are aligned. */
static const size_t widths[] = {8, 4, 2, 1};
enum { WIDTHS = sizeof widths / sizeof *widths };

/* The next tensor of the file after the i-th in this order; NULL behind the last. */
static const struct reel_mpi_tensor *next_part(const struct file *file, int *width, int *i, int64_t *first,
                                               int64_t *end)
{
    for (; *width < WIDTHS; ++*width, *i = -1)
        while (++*i < file->end - file->first) {
            const struct reel_mpi_tensor *tensor = &file->contents->tensors[file->first + *i];
            if (reel_mpi_tensor_element(tensor) == widths[*width] && part_of(file, tensor, first, end))
                return tensor;
        }
    return NULL;
}
#define FOR_PARTS(file, tensor, first, end)                                                                            \
    for (int width_ = 0, i_ = -1; (tensor = next_part(file, &width_, &i_, &first, &end)) != NULL;)

static void put_sharding(struct text *text, const struct file *file)
{
    const struct reel_mpi_tensor *tensor;
    int64_t first, end;
    bool again = false;
    put(text, "\"{");
    FOR_PARTS(file, tensor, first, end)
    {
        put(text, again ? "," : "");
        again = true;
        put_string(text, tensor->name, 1);
        put(text, ":{\\\"saved_offsets\\\":[");
        for (int k = 0; k < tensor->shape.ndim; k++) {
            put(text, k ? "," : "");
            put_number(text, k ? 0 : first);
        }
        put(text, "]}");
    }
    put(text, "}\"");
}

static void put_header(struct text *text, const void *user)
{
    const struct file *file = user;
    const struct reel_mpi_tensor *tensor;
    int64_t first, end, at = 0;
    put(text, "{\"__metadata__\":{\"format\":\"pt\",\"DCP_VERSION\":\"1.0\",\"DCP_SHARDING_INFO\":");
    put_sharding(text, file);
    put(text, "}");
    FOR_PARTS(file, tensor, first, end)
    {
        put(text, ",");
        put_string(text, tensor->name, 0);
        put(text, ":{\"dtype\":\"");
        put(text, reel_mpi_tensor_type(tensor));
        put(text, "\",\"shape\":[");
        for (int k = 0; k < tensor->shape.ndim; k++) {
            put(text, k ? "," : "");
            put_number(text, k == 0 && tensor->table ? end - first : tensor->shape.dim[k]);
        }
        put(text, "],\"data_offsets\":[");
        put_number(text, at);
        put(text, ",");
        put_number(text, at += (int64_t)part_bytes(tensor, first, end));
        put(text, "]}");
    }
    put(text, "}");
    /* So that the data begins at a multiple of 8. */
    while (text->size % 8 != 0)
        put(text, " ");
}

/* The number is little-endian, as those of the data are where reel runs. */
static void write_header(const struct file *file, reel_atomic_file *to)
{
    struct reel_mpi_memory memory = {0};
    size_t size = 0;
    const char *text = make_text(file->contents->mpi->context, &memory, &size, put_header, file);
    uint64_t length = size;
    if (text) {
        reel_atomic_file_write(to, &length, sizeof length);
        reel_atomic_file_write(to, text, (int64_t)size);
    }
    reel_mpi_release(&memory);
}

/* Every rank takes part in every round; only whose file this is writes. */
static void write_rows(reel_mpi *mpi, struct reel_mpi_pieces *pieces, reel_atomic_file *to)
{
    for (int64_t round = 0; round < pieces->rounds; round++) {
        int64_t first, end;
        if (reel_mpi_pieces_gather(pieces, mpi, round, pieces->tensor->data) != REEL_OK && mpi->broken)
            return;
        reel_mpi_pieces_rows(pieces, mpi->ranks, mpi->rank, round, &first, &end);
        if (first < end)
            reel_atomic_file_write(to, pieces->piece.data, (end - first) * (int64_t)pieces->row);
    }
}

/* In the order of the header, which differs between ranks only by tensors that are not spread. */
static void write_data(const struct file *file, reel_atomic_file *to)
{
    reel_mpi *mpi = file->contents->mpi;
    for (int width = 0; width < WIDTHS; width++)
        for (int i = file->first; i < file->end && !mpi->broken; i++) {
            const struct reel_mpi_tensor *tensor = &file->contents->tensors[i];
            int64_t first, end;
            if (reel_mpi_tensor_element(tensor) != widths[width] || !tensor->is_held)
                continue;
            if (!tensor->table) {
                if (part_of(file, tensor, &first, &end))
                    reel_atomic_file_write(to, tensor->data, (int64_t)part_bytes(tensor, first, end));
                continue;
            }
            struct reel_mpi_pieces pieces;
            reel_mpi_pieces_begin(&pieces, mpi, tensor);
            if (reel_mpi_agree_at(mpi, REEL_MPI_AT_SAVE, 0, 0) == REEL_OK)
                write_rows(mpi, &pieces, to);
            reel_mpi_pieces_end(&pieces);
        }
}

void reel_mpi_write_file(const struct reel_mpi_contents *contents, int first, int end, const char *path)
{
    const struct file file = {contents, first, end};
    reel_atomic_file *to = reel_atomic_file_open(contents->mpi->context, path);
    write_header(&file, to);
    write_data(&file, to);
    reel_atomic_file_close(to);
}

/* ---- The index ---- */

/* Of a tensor that is spread: the file with its first rows, which those with the others follow. */
static void put_index(struct text *text, const void *user)
{
    const struct reel_mpi_contents *contents = user;
    int64_t total = 0;
    for (int i = 0; i < contents->model; i++)
        total +=
            reel_shape_numel(&contents->tensors[i].shape) * (int64_t)reel_mpi_tensor_element(&contents->tensors[i]);
    put(text, "{\n  \"metadata\": {\n    \"total_size\": ");
    put_number(text, total);
    put(text, "\n  },\n  \"weight_map\": {");
    char name[sizeof REEL_MPI_FILE + 16];
    snprintf(name, sizeof name, REEL_MPI_FILE, 1);
    for (int i = 0; i < contents->model; i++) {
        put(text, i ? ",\n    " : "\n    ");
        put_string(text, contents->tensors[i].name, 0);
        put(text, ": ");
        put_string(text, name, 0);
    }
    put(text, "\n  }\n}\n");
}

void reel_mpi_write_index(const struct reel_mpi_contents *contents, const char *path)
{
    struct reel_mpi_memory memory = {0};
    size_t size = 0;
    const char *text = make_text(contents->mpi->context, &memory, &size, put_index, contents);
    if (text) {
        reel_atomic_file *file = reel_atomic_file_open(contents->mpi->context, path);
        reel_atomic_file_write(file, text, (int64_t)size);
        reel_atomic_file_close(file);
    }
    reel_mpi_release(&memory);
}
