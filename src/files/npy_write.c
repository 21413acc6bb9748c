/* Writing numpy's files. */
#include "base/checked.h"
#include "files/atomic_file.h"
#include "files/npy_header.h"

#include <reel/npy.h>

reel_status reel_npy_write(reel_context *context, const char *path, reel_dtype dtype, reel_shape shape,
                           const void *data)
{
    if (!context || context->status != REEL_OK)
        return reel_context_status(context);
    size_t bytes;
    if (!path)
        return reel_fail(context, REEL_ERROR_ARGUMENT, "npy: the path is NULL");
    if (!reel_tensor_type_name(dtype))
        return reel_fail(context, REEL_ERROR_DTYPE, "npy: %d is no element type", (int)dtype);
    int64_t numel = reel_shape_numel(&shape);
    if (!reel_multiply_size(numel, reel_dtype_size(dtype), &bytes) || bytes > INT64_MAX)
        return reel_fail(context, REEL_ERROR_SHAPE, "npy: a shape that is not possible");
    if (numel > 0 && !data)
        return reel_fail(context, REEL_ERROR_ARGUMENT, "npy: the array has no data");
    char header[REEL_NPY_WRITTEN];
    int64_t size = reel_npy_header_write(dtype, &shape, header);
    struct reel_atomic_file file;
    if (reel_atomic_file_open(&file, context, path) == REEL_OK &&
        reel_atomic_file_write(&file, header, size) == REEL_OK)
        reel_atomic_file_write(&file, data, (int64_t)bytes);
    return reel_atomic_file_close(&file);
}
