/* Reading arrays of files. */
#include "files/stored.h"

#include <string.h>

/* ---- What is asked for ---- */

/* Whether there is an array of that name; else the error is recorded. */
static bool exists(const struct reel_input *input, const char *name, const struct reel_stored *stored)
{
    char printable[REEL_PRINTABLE];
    if (input->context->status != REEL_OK)
        return false;
    if (!name)
        reel_input_fail(input, REEL_ERROR_ARGUMENT, "the name of the %s to read is NULL", stored->noun);
    else if (!stored->info.name)
        reel_input_fail(input, REEL_ERROR_ARGUMENT, "there is no %s \"%s\"", stored->noun,
                        reel_printable(name, printable));
    return name && stored->info.name;
}

static bool converts(const struct reel_input *input, const char *name, const struct reel_stored *stored,
                     reel_dtype dtype)
{
    if (!exists(input, name, stored))
        return false;
    if (reel_tensor_type_converts(stored->type, dtype))
        return true;
    char printable[REEL_PRINTABLE], type[REEL_PRINTABLE];
    reel_input_fail(input, REEL_ERROR_DTYPE, "%s \"%s\" is %s, which cannot be read as %s", stored->noun,
                    reel_printable(name, printable), reel_printable(stored->info.dtype, type), reel_dtype_name(dtype));
    return false;
}

static reel_status refuse_null(const struct reel_input *input, const struct reel_stored *stored)
{
    char name[REEL_PRINTABLE];
    return reel_input_fail(input, REEL_ERROR_ARGUMENT, "%s \"%s\" cannot be read to NULL", stored->noun,
                           reel_printable(stored->info.name, name));
}

/* ---- Elements ---- */

/* What is wrong when the element at `at` could not be read. */
static reel_status explain(const struct reel_input *input, const struct reel_stored *stored,
                           const struct reel_element_reading *reading, int64_t at)
{
    char name[REEL_PRINTABLE];
    if (input->context->status != REEL_OK)
        return input->context->status;
    return reel_input_fail(input, REEL_ERROR_FORMAT, "%s \"%s\" is %s, but element %lld is %s", stored->noun,
                           reel_printable(stored->info.name, name), stored->info.dtype, (long long)at,
                           reel_element_misfit(reading));
}

reel_status reel_stored_read_elements(const struct reel_input *input, const struct reel_stored *stored,
                                      struct reel_source *source, reel_dtype dtype, int64_t first, int64_t n, void *out)
{
    const struct reel_element_reading reading = {stored->type, stored->swapped, dtype};
    int64_t good = reel_elements_read(source, &reading, n, out);
    return good == n ? REEL_OK : explain(input, stored, &reading, first + good);
}

/* Elements that come with the first axis moving fastest, and where the next of them goes. */
struct transposition {
    const reel_shape *shape;
    int64_t rows; /* that are read of axis 0 */
    int64_t stride[REEL_MAX_NDIM], index[REEL_MAX_NDIM], at;
};

static void begin_transposition(struct transposition *t)
{
    int64_t stride = 1;
    for (int k = t->shape->ndim - 1; k >= 0; k--) {
        t->stride[k] = stride;
        t->index[k] = 0;
        stride *= k == 0 ? t->rows : t->shape->dim[k];
    }
    t->at = 0;
}

static void move_on(struct transposition *t)
{
    for (int k = 0; k < t->shape->ndim; k++) {
        int64_t size = k == 0 ? t->rows : t->shape->dim[k];
        t->at += t->stride[k];
        if (++t->index[k] < size)
            return;
        t->at -= size * t->stride[k];
        t->index[k] = 0;
    }
}

/* Each column has its rows side by side, and all rows of all columns are one run. */
static reel_status read_transposed(const struct reel_input *input, const struct reel_stored *stored,
                                   struct reel_source *source, reel_dtype dtype, int64_t first, int64_t rows, char *out)
{
    enum { PIECE = 1024 };
    union {
        reel_real reals[PIECE];
        int64_t numbers[PIECE];
    } piece;
    const struct reel_element_reading reading = {stored->type, stored->swapped, dtype};
    struct transposition t = {.shape = &stored->info.shape, .rows = rows};
    int64_t all = t.shape->dim[0], size = (int64_t)reel_dtype_size(dtype), bytes = stored->type->bits / 8, place = 0;
    int64_t runs = rows == all ? 1 : stored->info.numel / all, run = rows == all ? stored->info.numel : rows;
    begin_transposition(&t);
    for (int64_t column = 0; column < runs; column++) {
        int64_t start = column * all + first, end = start + run;
        if (source->read(source, NULL, (start - place) * bytes) != REEL_OK)
            return input->context->status;
        for (place = start; place < end;) {
            int64_t n = end - place < PIECE ? end - place : PIECE;
            int64_t good = reel_elements_read(source, &reading, n, &piece);
            if (good < n)
                return explain(input, stored, &reading, place + good);
            for (int64_t i = 0; i < n; i++, move_on(&t))
                memcpy(out + t.at * size, (char *)&piece + i * size, (size_t)size);
            place += n;
        }
    }
    return REEL_OK;
}

/* Rows of `columns` elements each. There are some. */
static reel_status read_rows(const struct reel_input *input, const struct reel_stored *stored,
                             struct reel_source *source, reel_dtype dtype, int64_t first, int64_t rows, int64_t columns,
                             void *out)
{
    if (stored->transposed)
        return read_transposed(input, stored, source, dtype, first, rows, out);
    if (source->read(source, NULL, first * columns * (stored->type->bits / 8)) != REEL_OK)
        return input->context->status;
    return reel_stored_read_elements(input, stored, source, dtype, first * columns, rows * columns, out);
}

reel_status reel_stored_read(const struct reel_input *input, const char *name, const struct reel_stored *stored,
                             struct reel_source *source, reel_dtype dtype, void *out, int64_t numel)
{
    if (!converts(input, name, stored, dtype))
        return input->context->status;
    const reel_tensor_info *info = &stored->info;
    char printable[REEL_PRINTABLE];
    if (numel != info->numel)
        return reel_input_fail(input, REEL_ERROR_SHAPE, "%s \"%s\" has %lld elements, the room is for %lld",
                               stored->noun, reel_printable(name, printable), (long long)info->numel, (long long)numel);
    if (!out && numel > 0)
        return refuse_null(input, stored);
    int64_t rows = info->shape.ndim > 0 ? info->shape.dim[0] : 1;
    return numel == 0 ? REEL_OK : read_rows(input, stored, source, dtype, 0, rows, numel / rows, out);
}

reel_status reel_stored_read_rows(const struct reel_input *input, const char *name, const struct reel_stored *stored,
                                  struct reel_source *source, reel_dtype dtype, int64_t first, int64_t rows, void *out)
{
    if (!converts(input, name, stored, dtype))
        return input->context->status;
    const reel_tensor_info *info = &stored->info;
    char printable[REEL_PRINTABLE];
    reel_printable(name, printable);
    if (info->shape.ndim == 0)
        return reel_input_fail(input, REEL_ERROR_SHAPE, "%s \"%s\" has no rows", stored->noun, printable);
    int64_t all = info->shape.dim[0], columns = all > 0 ? info->numel / all : 0;
    if (first < 0 || rows < 0 || first > all - rows)
        return reel_input_fail(input, REEL_ERROR_INDEX, "%s \"%s\" has %lld rows, not %lld from row %lld on",
                               stored->noun, printable, (long long)all, (long long)rows, (long long)first);
    if (!out && rows * columns > 0)
        return refuse_null(input, stored);
    return rows * columns == 0 ? REEL_OK : read_rows(input, stored, source, dtype, first, rows, columns, out);
}

/* ---- In place ---- */

const void *reel_stored_map(struct reel_input *input, const char *name, const struct reel_stored *stored,
                            const char *dtype)
{
    if (!exists(input, name, stored))
        return NULL;
    const struct reel_tensor_type *type = stored->type;
    char printable[REEL_PRINTABLE], wanted[REEL_PRINTABLE], found[REEL_PRINTABLE];
    reel_printable(name, printable);
    if (!type || type->bits < 8 || !dtype || strcmp(type->name, dtype) != 0)
        reel_input_fail(input, REEL_ERROR_DTYPE, "%s \"%s\" is %s and cannot be mapped as %s", stored->noun, printable,
                        reel_printable(stored->info.dtype, found), dtype ? reel_printable(dtype, wanted) : "NULL");
    else if (stored->at < 0 || stored->swapped || stored->transposed)
        reel_input_fail(input, REEL_ERROR_FORMAT, "%s \"%s\" is %s: it can be read, but not mapped", stored->noun,
                        printable,
                        stored->at < 0    ? "compressed"
                        : stored->swapped ? "in big-endian order"
                                          : "in Fortran order");
    else if (stored->at % (type->bits / 8) != 0)
        reel_input_fail(input, REEL_ERROR_FORMAT,
                        "%s \"%s\" begins at byte %lld, which is no place for %s in memory: it can be read, but not "
                        "mapped",
                        stored->noun, printable, (long long)stored->at, type->name);
    const unsigned char *map = input->context->status == REEL_OK ? reel_input_map(input) : NULL;
    return map ? map + stored->at : NULL;
}
