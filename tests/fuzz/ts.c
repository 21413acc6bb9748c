/* The reader of the time series archive. */
#include "fuzz/target.h"

#include <reel/reel.h>

#include <math.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct memory_file input;
    fuzz_fill(&input, bytes, size);
    reel_context_options o = reel_context_defaults();
    o.num_threads = 1;
    reel_context *c = reel_context_new(&o);
    reel_ts *file = reel_ts_open(c, input.path);
    FUZZ_CHECK((file == NULL) == (reel_context_status(c) != REEL_OK));
    int64_t count = reel_ts_count(file);
    FUZZ_CHECK((file == NULL) == (count == 0));
    for (int64_t i = 0; i < count; i++) {
        int64_t length = reel_ts_offsets(file)[i + 1] - reel_ts_offsets(file)[i];
        FUZZ_CHECK(length > 0 && (reel_ts_length(file) == -1 || length == reel_ts_length(file)));
        FUZZ_CHECK(!reel_ts_ids(file) || reel_ts_class(file, reel_ts_ids(file)[i]));
        FUZZ_CHECK(!reel_ts_targets(file) || !isinf(reel_ts_targets(file)[i]) || size > 3);
    }
    double sum = 0;
    for (int64_t i = 0; i < (count ? reel_ts_offsets(file)[count] * reel_ts_dimensions(file) : 0); i++)
        sum += (double)reel_ts_values(file)[i];
    FUZZ_CHECK(isnan(sum) || sum <= (double)INFINITY);
    FUZZ_CHECK(reel_ts_name(file));
    reel_ts_close(file);
    reel_context_free(c);
    return 0;
}
