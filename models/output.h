/* A file that takes the place of another one when it is complete. */
#ifndef MODELS_OUTPUT_H
#define MODELS_OUTPUT_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* A file being written. Only `file` is for others. */
struct output {
    FILE *file;
    const char *path;
    char temporary[PATH_MAX];
};

/* How the names end under which files are written. */
#define OUTPUT_ENDING ".tmp"

/* Opens a new file beside `path`, which must live until output_close, under a name that no file has and that ends in
 * OUTPUT_ENDING. A process that is killed leaves that file behind. Refuses a path at which something else than a
 * regular file is. Returns false with one line in `error` that names the path. */
bool output_open(struct output *output, const char *path, char *error, size_t error_size);

/* Closes it, right after the last writing. `good`, and everything written: brings it to the disk, renames it to the
 * path and returns true. Otherwise removes it, so that what is at the path stays, and returns false with one line in
 * `error` that names the path: the system's reason, or when there is none the caller's, which is there already. */
bool output_close(struct output *output, bool good, char *error, size_t error_size);

#endif
