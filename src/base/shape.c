/* Shapes and element types: sizes, equality, names and texts. */
#include "base/shape.h"

#include "base/checked.h"

#include <stdio.h>

reel_shape reel_shape_make(int ndim, const int64_t *dim)
{
    reel_shape shape = {.ndim = ndim};
    for (int i = 0; dim && i < ndim && i < REEL_MAX_NDIM; i++)
        shape.dim[i] = dim[i];
    return shape;
}

int64_t reel_shape_numel(const reel_shape *shape)
{
    if (!shape || shape->ndim < 0 || shape->ndim > REEL_MAX_NDIM)
        return -1;
    int64_t product = 1;
    bool empty = false;
    for (int i = 0; i < shape->ndim; i++) {
        empty = empty || shape->dim[i] == 0;
        if (shape->dim[i] != 0 && !reel_multiply_int64(product, shape->dim[i], &product))
            return -1;
    }
    return empty ? 0 : product;
}

bool reel_shape_equal(const reel_shape *a, const reel_shape *b)
{
    if (!a || !b || a->ndim != b->ndim)
        return false;
    for (int i = 0; i < a->ndim; i++)
        if (a->dim[i] != b->dim[i])
            return false;
    return true;
}

size_t reel_dtype_size(reel_dtype dtype)
{
    switch (dtype) {
    case REEL_REAL:
        return sizeof(reel_real);
    case REEL_INT64:
        return sizeof(int64_t);
    case REEL_INT32:
        return sizeof(int32_t);
    case REEL_BOOL:
        return sizeof(bool);
    case REEL_BFLOAT16:
        return sizeof(uint16_t);
    }
    return 0;
}

const char *reel_dtype_name(reel_dtype dtype)
{
    switch (dtype) {
    case REEL_REAL:
        return sizeof(reel_real) == sizeof(float) ? "float32" : "float64";
    case REEL_INT64:
        return "int64";
    case REEL_INT32:
        return "int32";
    case REEL_BOOL:
        return "bool";
    case REEL_BFLOAT16:
        return "bfloat16";
    }
    return "unknown";
}

const char *reel_shape_text(const reel_shape *shape, char text[REEL_SHAPE_TEXT])
{
    size_t used = 0;
    used += (size_t)snprintf(text, REEL_SHAPE_TEXT, "[");
    for (int i = 0; i < shape->ndim && i < REEL_MAX_NDIM && used < REEL_SHAPE_TEXT - 24; i++)
        used +=
            (size_t)snprintf(text + used, REEL_SHAPE_TEXT - used, "%s%lld", i ? ", " : "", (long long)shape->dim[i]);
    snprintf(text + used, REEL_SHAPE_TEXT - used, "]");
    return text;
}

const char *reel_position_text(const reel_shape *shape, int64_t flat, char text[REEL_POSITION_TEXT])
{
    reel_shape position = *shape;
    int64_t rest = flat;
    for (int i = shape->ndim - 1; i >= 0; i--) {
        position.dim[i] = rest % shape->dim[i];
        rest /= shape->dim[i];
    }
    char axes[REEL_SHAPE_TEXT], number[32] = "";
    if (shape->ndim > 1)
        snprintf(number, sizeof number, " (flat %lld)", (long long)flat);
    snprintf(text, REEL_POSITION_TEXT, shape->ndim > 0 ? " at position %s%s" : "%.0s%s",
             reel_shape_text(&position, axes), number);
    return text;
}
