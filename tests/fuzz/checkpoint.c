/* Loading checkpoints: a file that is refused changes nothing of the run; after one that is taken it goes on, and the
 * good one brings it back. */
#include "fuzz/target.h"
#include "support/checkpoint_run.h"

static struct checkpoint_run run;
static char good[64];

static void begin(void)
{
    reel_context_options o = reel_context_defaults();
    o.num_threads = 1;
    checkpoint_run_begin(&run, reel_context_new(&o));
    snprintf(good, sizeof good, "/tmp/reel-fuzz-%ld", (long)getpid());
    FUZZ_CHECK(reel_checkpoint_save(run.checkpoint, good) == REEL_OK);
    /* A descriptor keeps the file, whatever this process dies of. */
    FILE *file = fopen(good, "rb");
    FUZZ_CHECK(file && unlink(good) == 0);
    snprintf(good, sizeof good, "/proc/self/fd/%d", fileno(file));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct memory_file input;
    if (!run.c)
        begin();
    fuzz_fill(&input, bytes, size);
    const char *broken;
    FUZZ_CHECK(checkpoint_run_try(&run, input.path, good, NULL, &broken) != CHECKPOINT_BROKEN);
    return 0;
}
