/* The reader of idx files, plain and gzip. */
#include "fuzz/target.h"

#include <reel/reel.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct memory_file input;
    fuzz_fill(&input, bytes, size);
    reel_context_options o = reel_context_defaults();
    o.num_threads = 1;
    reel_context *c = reel_context_new(&o);
    reel_idx *file = reel_idx_open(c, input.path);
    FUZZ_CHECK((file == NULL) == (reel_context_status(c) != REEL_OK));
    reel_shape shape = reel_idx_shape(file);
    const unsigned char *pixels = reel_idx_bytes(file);
    unsigned sum = 0;
    for (int64_t i = 0; file && i < reel_shape_numel(&shape); i++)
        sum += pixels[i];
    FUZZ_CHECK(sum < UINT_MAX);
    reel_idx_close(file);
    reel_context_free(c);
    return 0;
}
