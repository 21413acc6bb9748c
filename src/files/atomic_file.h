/* What the formats need of a file that is replaced whole, besides what include/reel/atomic_file.h has. */
#ifndef REEL_FILES_ATOMIC_FILE_H
#define REEL_FILES_ATOMIC_FILE_H

#include "core/context.h"

#include <limits.h>
#include <reel/atomic_file.h>

struct reel_atomic_file {
    reel_context *context;
    const char *path; /* what is replaced: behind the struct, or resolved, when a symbolic link has been followed */
    char resolved[PATH_MAX];
    char *temporary; /* the name it has until then */
    int fd;          /* -1: not open */
};

/* Writes bytes in the place of some that were appended before; nothing when the context has an error. */
reel_status reel_atomic_file_rewrite(reel_atomic_file *file, const void *data, int64_t size, int64_t at);

#endif
