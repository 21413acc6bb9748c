/* The reader of idx files, plain and gzip. */
#include "fuzz/target.h"

#include "idx.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct memory_file input;
    fuzz_fill(&input, bytes, size);
    for (int axes = 1; axes <= 3; axes++) {
        char error[4608] = "";
        int64_t sizes[3];
        unsigned char *pixels;
        if (!idx_read(input.path, axes, sizes, &pixels, error, sizeof error)) {
            FUZZ_CHECK(pixels == NULL && *error && !strchr(error, '\n'));
            continue;
        }
        unsigned sum = 0;
        for (int64_t i = 0, n = axes > 1 ? sizes[0] * sizes[1] * (axes > 2 ? sizes[2] : 1) : sizes[0]; i < n; i++)
            sum += pixels[i];
        FUZZ_CHECK(sum < UINT_MAX);
        free(pixels);
    }
    return 0;
}
