/* A file that is written beside the one it replaces and takes its place when it is complete: whoever looks finds the
 * old one or the new one, whole. */
#ifndef REEL_FILES_ATOMIC_FILE_H
#define REEL_FILES_ATOMIC_FILE_H

#include "core/context.h"

#include <limits.h>

struct reel_atomic_file {
    reel_context *context;
    const char *path; /* what is replaced; a symbolic link has been followed */
    char resolved[PATH_MAX];
    char *temporary; /* the name it has until then */
    int fd;          /* -1: not open */
};

/* Begins a file that is to be at `path`, which must live until the close. Its name until then ends in ".tmp" and stays
 * behind only when the process is killed. A file that is replaced leaves its
 * permissions. REEL_ERROR_IO when it cannot be written, or what is there is no regular file. Close it in any case. */
reel_status reel_atomic_file_open(struct reel_atomic_file *file, reel_context *context, const char *path);

/* Appends bytes; nothing when the context has an error. */
reel_status reel_atomic_file_write(struct reel_atomic_file *file, const void *data, int64_t size);

/* Writes bytes in the place of some that were appended before; nothing when the context has an error. */
reel_status reel_atomic_file_rewrite(struct reel_atomic_file *file, const void *data, int64_t size, int64_t at);

/* Without an error in the context: flushes the file and puts it into its place. Else, or when that fails, the old file
 * stays and nothing is left of the new one. */
reel_status reel_atomic_file_close(struct reel_atomic_file *file);

#endif
