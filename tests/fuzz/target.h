/* What fuzz targets share. A target is a file with LLVMFuzzerTestOneInput: linked with libFuzzer it looks for inputs
 * that break it, linked with replay.c it runs over those that are kept. */
#ifndef TESTS_FUZZ_TARGET_H
#define TESTS_FUZZ_TARGET_H

#include "support/memory_file.h"

#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* libFuzzer takes an abort for a finding. */
#define FUZZ_CHECK(condition)                                                                                          \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            abort();                                                                                                   \
    } while (0)

/* Makes the bytes a file, which is kept for the next input. */
static inline void fuzz_fill(struct memory_file *file, const void *bytes, size_t size)
{
    FUZZ_CHECK(file->path[0] || memory_file_make(file));
    FUZZ_CHECK(memory_file_fill(file, bytes, size));
}

#endif
