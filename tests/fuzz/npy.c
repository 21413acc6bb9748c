/* The reader of numpy's files: a file that opens can be asked everything. */
#include "fuzz/target.h"

#include <reel/reel.h>

#include <string.h>

static void read_array(reel_npy *file, const reel_tensor_info *info, reel_dtype dtype)
{
    /* A type that reel does not know has no bytes to go by, and an empty array's other sizes may be anything. */
    if (info->numel > 1 << 20)
        return;
    size_t size = reel_dtype_size(dtype);
    char *out = malloc((size_t)info->numel * size + 1);
    bool good = reel_npy_read(file, info->name, dtype, out, info->numel) == REEL_OK;
    int64_t rows = info->shape.ndim > 0 ? info->shape.dim[0] : 0;
    for (int64_t first = 0; good && first < rows; first += 1 + rows / 4) {
        int64_t count = (rows - first + 1) / 2, columns = info->numel / rows;
        char *some = malloc((size_t)(count * columns) * size + 1);
        FUZZ_CHECK(reel_npy_read_rows(file, info->name, dtype, first, count, some) == REEL_OK);
        FUZZ_CHECK(memcmp(some, out + (size_t)(first * columns) * size, (size_t)(count * columns) * size) == 0);
        free(some);
    }
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const reel_dtype dtypes[] = {REEL_REAL, REEL_INT64, REEL_INT32, REEL_BOOL};
    static struct memory_file input;
    fuzz_fill(&input, bytes, size);
    reel_context_options o = reel_context_defaults();
    o.num_threads = 1;
    reel_context *c = reel_context_new(&o);
    reel_npy *file = reel_npy_open(c, input.path);
    FUZZ_CHECK((file == NULL) == (reel_context_status(c) != REEL_OK));
    for (int64_t i = 0; i < reel_npy_count(file); i++) {
        const reel_tensor_info *info = reel_npy_at(file, i);
        FUZZ_CHECK(reel_npy_find(file, info->name) == info);
        const unsigned char *mapped = reel_npy_map(file, info->name, info->dtype);
        reel_clear_error(c);
        volatile unsigned char seen = 0;
        for (int64_t k = 0; mapped && k < info->numel; k++)
            seen = mapped[k];
        (void)seen;
        for (size_t k = 0; k < sizeof dtypes / sizeof *dtypes; k++) {
            read_array(file, info, dtypes[k]);
            reel_clear_error(c);
        }
    }
    reel_npy_close(file);
    reel_context_free(c);
    return 0;
}
