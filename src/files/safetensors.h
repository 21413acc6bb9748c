/* Files of tensors of any type that the format has, by name, for layers above: to write them and to read their bytes.
 */
#ifndef REEL_FILES_SAFETENSORS_H
#define REEL_FILES_SAFETENSORS_H

#include "files/elements.h"

#include <reel/safetensors.h>

/* What a file is to hold under a name. `type` is the format's name: I64, F64, F32, U32, I32, U8 or BOOL. */
struct reel_tensor_source {
    const char *name, *type;
    reel_shape shape;
    const void *data;
};

/* The bytes of an element of a type that is written; 0 for another. */
size_t reel_tensor_element_size(const char *type);

/* As reel_safetensors_write, with metadata as reel_save_safetensors_with. Nothing is copied on the way. */
reel_status reel_tensors_write(reel_context *context, const char *path, const struct reel_tensor_source *sources,
                               int64_t n, const reel_metadata *metadata, int n_metadata);

/* Copies bytes from..from + size - 1 of a tensor as they are in the file. The tensor must be there and have them. */
reel_status reel_tensor_read_bytes(const reel_safetensors *file, const char *name, int64_t from, int64_t size,
                                   void *out);

#endif
