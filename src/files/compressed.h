/* Bytes that zlib compresses. A library that was built without it (REEL_ZLIB) has the same functions: they fail and say
 * so. */
#ifndef REEL_FILES_COMPRESSED_H
#define REEL_FILES_COMPRESSED_H

#include "files/atomic_file.h"
#include "files/input.h"

/* Whether the bytes of a deflate stream stand alone, as in zip archives, or in one or several members of gzip, behind
 * which other bytes are ignored as gzip does. */
enum reel_compression { REEL_DEFLATE, REEL_GZIP };

/* What the bytes at..end - 1 of an input hold. It takes memory with the first read; close it in any case. */
struct reel_inflated {
    struct reel_source source; /* to be cut short is REEL_ERROR_FORMAT for it */
    const struct reel_input *input;
    enum reel_compression form;
    int64_t at, end;
    struct reel_inflating *state;
};
struct reel_inflated reel_inflated(const struct reel_input *input, enum reel_compression form, int64_t at, int64_t end);
void reel_inflated_close(struct reel_inflated *inflated);

/* Reads up to `size` bytes and returns how many there were before the end; -1 with the error recorded:
 * REEL_ERROR_FORMAT for a stream that is damaged or cut short, REEL_ERROR_IO without zlib. */
int64_t reel_inflated_read(struct reel_inflated *inflated, void *out, int64_t size);

/* Writes a deflate stream to a file. `written` counts its bytes. Finish it in any case, before the file is closed. */
struct reel_deflated {
    struct reel_atomic_file *file;
    int64_t written;
    struct reel_deflating *state;
};
reel_status reel_deflated_begin(struct reel_deflated *deflated, struct reel_atomic_file *file);
reel_status reel_deflated_write(struct reel_deflated *deflated, const void *data, int64_t size);
reel_status reel_deflated_finish(struct reel_deflated *deflated);

#endif
