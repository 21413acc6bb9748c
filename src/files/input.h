/* A regular file that is open for reading, and the bytes of a part of it in order. */
#ifndef REEL_FILES_INPUT_H
#define REEL_FILES_INPUT_H

#include "base/text.h"
#include "core/context.h"

struct reel_input {
    reel_context *context;
    char *path; /* for messages; the input's own */
    int fd;
    int64_t size; /* when it was opened */
    void *map;    /* NULL: not mapped */
};

/* Opens what is at `path`; `format` says in messages what was expected there. REEL_ERROR_IO when that cannot be read or
 * is no regular file. Close it in any case; a second time does nothing. */
reel_status reel_input_open(struct reel_input *input, reel_context *context, const char *format, const char *path);
void reel_input_close(struct reel_input *input);

/* Copies the bytes from..from + size - 1. REEL_ERROR_IO too when the file has become shorter. */
reel_status reel_input_read(const struct reel_input *input, void *out, int64_t size, int64_t from);

/* The whole file, mapped by the first call; NULL with the error recorded. The file is not empty. */
const unsigned char *reel_input_map(struct reel_input *input);

/* Records a failure whose text begins with the path. Returns the context's status. */
reel_status reel_input_fail(const struct reel_input *input, reel_status status, const char *format, ...)
    REEL_PRINTF(3, 4);

/* Where bytes come from, one after the other. */
struct reel_source {
    /* Copies the next `size` bytes, or passes over them when out is NULL. */
    reel_status (*read)(struct reel_source *source, void *out, int64_t size);
};

/* The bytes of an input from `at` on, which moves. Those behind its end are REEL_ERROR_FORMAT. */
struct reel_input_part {
    struct reel_source source;
    const struct reel_input *input;
    int64_t at;
};
struct reel_input_part reel_input_part(const struct reel_input *input, int64_t at);

#endif
