/* The header of a safetensors file: what it says, its parser, and what reading and writing share. */
#ifndef REEL_FILES_SAFETENSORS_HEADER_H
#define REEL_FILES_SAFETENSORS_HEADER_H

#include "base/text.h"
#include "files/stored.h"

#include <reel/safetensors.h>

#define REEL_SAFETENSORS_MAX_HEADER INT64_C(100000000)

struct reel_tensor_entry {
    reel_tensor_info info;               /* begins with the name */
    const struct reel_tensor_type *type; /* NULL: info.dtype is a name that reel does not know */
    int64_t begin, end;                  /* bytes, from the end of the header */
};

struct reel_tensor_header {
    int64_t count, capacity;
    struct reel_tensor_entry *entries; /* in the order of the header */
    int64_t *by_name;                  /* places in entries, sorted by name */
    int64_t metadata_count, metadata_capacity;
    reel_metadata *metadata;
};

/* Parses and checks `size` bytes of header, which are changed and must live as long as the result. data_size is what
 * follows the header in the file. `path` is for messages. On failure there is nothing to release. */
reel_status reel_tensor_header_parse(reel_context *context, const char *path, char *text, int64_t size,
                                     int64_t data_size, struct reel_tensor_header *header);
void reel_tensor_header_release(reel_context *context, struct reel_tensor_header *header);
const struct reel_tensor_entry *reel_tensor_header_find(const struct reel_tensor_header *header, const char *name);

#endif
