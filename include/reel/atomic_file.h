/* A file that is written beside the one that it replaces, and takes its place when it is complete: whoever looks finds
 * the old one or the new one, whole.
 *
 *     reel_atomic_file *file = reel_atomic_file_open(c, "losses.csv");
 *     reel_atomic_file_write(file, "step,loss\n", 10);
 *     if (reel_atomic_file_close(file) != REEL_OK)
 *         fprintf(stderr, "%s\n", reel_error(c)); */
#ifndef REEL_ATOMIC_FILE_H
#define REEL_ATOMIC_FILE_H

#include <reel/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Begins a file that is to be at `path`, which is copied. Its name until then ends in ".tmp" and stays behind only when
 * the process is killed. A file that is replaced leaves its permissions, and a symbolic link is followed. NULL with
 * REEL_ERROR_IO when it cannot be written, or what is there is no regular file. Owned by the caller, who closes it
 * before the context is freed. */
typedef struct reel_atomic_file reel_atomic_file;
REEL_API reel_atomic_file *reel_atomic_file_open(reel_context *context, const char *path);

/* Appends `size` >= 0 bytes. Does nothing when the context has an error, which is returned; REEL_ERROR_IO when the
 * system refuses. REEL_ERROR_ARGUMENT for NULL, as which a file that could not be opened may be passed on. */
REEL_API reel_status reel_atomic_file_write(reel_atomic_file *file, const void *data, int64_t size);

/* Without an error in the context: brings the file to the disk and puts it into its place. Else, or when that fails,
 * the old file stays and nothing is left of the new one; so reel_fail gives a file up. Frees `file`. Returns the
 * context's status; REEL_ERROR_ARGUMENT for NULL. */
REEL_API reel_status reel_atomic_file_close(reel_atomic_file *file);

#ifdef __cplusplus
}
#endif

#endif
