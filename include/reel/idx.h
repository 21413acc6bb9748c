/* Files of bytes in the IDX format, in which MNIST and its relatives come, plain or gzip.
 *
 *     reel_idx *images = reel_idx_open(c, "train-images-idx3-ubyte.gz");
 *     reel_shape shape = reel_idx_shape(images); // [60000, 28, 28]
 *     reel_loader_add_scaled_bytes(loader, reel_idx_bytes(images), REEL_SHAPE(28, 28), 0, 1);
 */
#ifndef REEL_IDX_H
#define REEL_IDX_H

#include <reel/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A file of unsigned bytes (type 0x08) with 1 to 8 axes of at least 1, read as a whole; whether it is compressed says
 * its content, not its name. NULL with an error: REEL_ERROR_FORMAT for another type or header, and for a file that is
 * cut short, is damaged or goes on after its data (bytes after the end of a gzip stream that do not begin another one
 * are ignored, as gzip does); REEL_ERROR_IO for what the system refuses, and for a compressed file when reel was built
 * without zlib; REEL_ERROR_OUT_OF_MEMORY. Memory grows with the data that are really there, not with what a header
 * claims. Owned by the caller; close it before the context is freed. */
typedef struct reel_idx reel_idx;
REEL_API reel_idx *reel_idx_open(reel_context *context, const char *path);
REEL_API void reel_idx_close(reel_idx *file);

/* The sizes of the axes, and the bytes, row-major, which live until the close. NULL gives a scalar's shape, and NULL.
 */
REEL_API reel_shape reel_idx_shape(const reel_idx *file);
REEL_API const unsigned char *reel_idx_bytes(const reel_idx *file);

#ifdef __cplusplus
}
#endif

#endif
