/* Checkpoints that are nearly right: what is refused changes nothing, and what is taken is taken as it is.
 *
 *   checkpoints COUNT             tries so many
 *   checkpoints COUNT FOLDER      writes them to the folder, for tests/fuzz/corpus/checkpoint */
#include "reliability/mutants.h"
#include "support/check.h"
#include "support/checkpoint_run.h"
#include "support/memory_file.h"

#include <limits.h>

static unsigned char good[CHECKPOINT_ROOM], bytes[CHECKPOINT_ROOM], copy[CHECKPOINT_ROOM];

static size_t read_file(const char *path, unsigned char to[CHECKPOINT_ROOM])
{
    FILE *file = fopen(path, "rb");
    CHECK(file, "%s cannot be read", path);
    size_t size = fread(to, 1, CHECKPOINT_ROOM, file);
    fclose(file);
    CHECK(size > 0 && size < CHECKPOINT_ROOM, "%s has %zu bytes", path, size);
    return size;
}

static void write_file(const char *folder, int i, size_t size)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%d", folder, i);
    FILE *file = fopen(path, "wb");
    CHECK(file && fwrite(bytes, 1, size, file) == size && fclose(file) == 0, "%s cannot be written", path);
}

int main(int argc, char **argv)
{
    int count = argc > 1 ? atoi(argv[1]) : 2000, taken = 0, unchanged = 0, wrong = 0;
    REEL_OPTIONS(context, o, o.num_threads = 1);
    reel_context *c = reel_context_new(&o);
    struct checkpoint_run run;
    struct memory_file input, original;
    char saved[64];
    checkpoint_run_begin(&run, c);
    snprintf(saved, sizeof saved, "/tmp/reel-checkpoints-%ld", (long)getpid());
    CHECK(reel_checkpoint_save(run.checkpoint, saved) == REEL_OK, "%s", reel_error(c));
    size_t size = read_file(saved, good);
    CHECK(memory_file_make(&input) && memory_file_make(&original) && memory_file_fill(&original, good, size),
          "no file in memory");
    for (int i = 0; i < count; i++) {
        const char *broken;
        bool only_numbers;
        size_t length = mutant_checkpoint(i, good, size, bytes, &only_numbers);
        CHECK(memory_file_fill(&input, bytes, length), "no file in memory");
        if (argc > 2)
            write_file(argv[2], i, length);
        enum checkpoint_verdict verdict =
            checkpoint_run_try(&run, input.path, original.path, only_numbers ? saved : NULL, &broken);
        taken += verdict == CHECKPOINT_TAKEN;
        if (verdict == CHECKPOINT_BROKEN) {
            fprintf(stderr, "mutant %d: %s: %s\n", i, broken, reel_error(c));
            wrong++;
        } else if (verdict == CHECKPOINT_TAKEN && only_numbers) {
            unchanged++;
            size_t at = 0, again = read_file(saved, copy);
            while (at < length && at < again && copy[at] == bytes[at])
                at++;
            if (at < length) {
                fprintf(stderr, "mutant %d: what is saved afterwards differs at byte %zu\n", i, at);
                wrong++;
            }
        }
        CHECK(reel_context_status(c) == REEL_OK, "mutant %d: %s", i, reel_error(c));
    }
    unlink(saved);
    checkpoint_run_end(&run);
    reel_context_free(c);
    printf("mutants: %d of a checkpoint, %d accepted, %d of these saved again as they were, %d judged wrongly\n", count,
           taken, unchanged, wrong);
    CHECK(taken > count / 20 && taken < count * 19 / 20, "the mutants do not tell anything");
    return wrong > 0;
}
