/* An array that a file holds: how it lies there, and reading all of it, some of its rows, or looking at its place. */
#ifndef REEL_FILES_STORED_H
#define REEL_FILES_STORED_H

#include "files/elements.h"

#include <reel/safetensors.h>

struct reel_stored {
    const char *noun;                    /* "tensor": what messages call it */
    reel_tensor_info info;               /* name NULL: there is no such array */
    const struct reel_tensor_type *type; /* NULL: one that reel does not know */
    bool swapped;                        /* elements are in big-endian order */
    bool transposed;                     /* the first axis moves fastest: Fortran order */
    int64_t at;                          /* where the elements begin in the file; -1: they are not there as they are */
};

/* What the public functions of the formats do with the array that was found for a name. That there is none is an error.
 * `source` gives the elements from the first on, and is not touched when something is refused. */
reel_status reel_stored_read(const struct reel_input *input, const char *name, const struct reel_stored *stored,
                             struct reel_source *source, reel_dtype dtype, void *out, int64_t numel);
reel_status reel_stored_read_rows(const struct reel_input *input, const char *name, const struct reel_stored *stored,
                                  struct reel_source *source, reel_dtype dtype, int64_t first, int64_t rows, void *out);
const void *reel_stored_map(struct reel_input *input, const char *name, const struct reel_stored *stored,
                            const char *dtype);

/* Reads elements first..first + n - 1 of an array that converts and is not transposed; the source gives these. */
reel_status reel_stored_read_elements(const struct reel_input *input, const struct reel_stored *stored,
                                      struct reel_source *source, reel_dtype dtype, int64_t first, int64_t n,
                                      void *out);

#endif
