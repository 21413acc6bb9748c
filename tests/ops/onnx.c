/* The ONNX forms of all operations are those that tests/interop/operations.py ran in onnxruntime: the models of good
 * samples have the bytes that were right there. In double other bytes, of the same samples. */
#include "support/fixture.h"
#include "support/sample_model.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

TestSuite(onnx_forms, .init = set_up, .fini = tear_down);

Test(onnx_forms, are_those_that_were_compared)
{
    FILE *golden = fopen(REEL_GOLDEN_FOLDER "/onnx.txt", "r");
    cr_assert_not_null(golden);
    char path[64], expected[256], found[256];
    /* Where a flush takes no time. */
    const char *folder = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(path, sizeof path, "%s/reel-onnx-%d", folder, (int)getpid());
    cr_assert_not_null(fgets(expected, sizeof expected, golden), "the versions");
    const size_t skipped = sizeof(reel_real) == sizeof(float) ? 0 : 16; /* the hash */
    int wrong = 0, compared = 0;
    for (int i = 0; i < reel_op_count(); i++)
        for (int s = 0; s < reel_op_samples_at(i)->count; s++) {
            const reel_sample *sample = &reel_op_samples_at(i)->samples[s];
            if (sample->refused != REEL_OK)
                continue;
            struct sample_ports ports;
            apply_sample(t, reel_op_at(i), sample, &ports);
            cr_assert_eq(reel_context_status(c), REEL_OK, "%s", reel_error(c));
            if (save_sample(t, &ports, path) == REEL_OK) {
                snprintf(found, sizeof found, "%016" PRIx64 " %s, %s\n", hash_of_graph(path), reel_op_at(i)->name,
                         sample->what);
                bool same =
                    fgets(expected, sizeof expected, golden) && strcmp(found + skipped, expected + skipped) == 0;
                if (!same)
                    cr_log_error("%.*s is not what was compared with onnxruntime", (int)strlen(found) - 1, found);
                wrong += !same;
                compared++;
            }
            reel_tape_reset(t);
            reel_clear_error(c);
        }
    cr_expect_null(fgets(expected, sizeof expected, golden), "no form was lost");
    cr_expect_eq(wrong, 0, "%d of %d forms: run tests/interop/operations.py", wrong, compared);
    fclose(golden);
    unlink(path);
}
