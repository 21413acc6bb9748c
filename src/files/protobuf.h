/* Writing Protocol Buffers messages (protobuf.dev/programming-guides/encoding) into memory. */
#ifndef REEL_FILES_PROTOBUF_H
#define REEL_FILES_PROTOBUF_H

#include "core/context.h"

/* Bytes that grow. All zeros but for the context is empty. Once memory ran out, which the context says, nothing is
 * added. */
struct reel_protobuf {
    reel_context *context;
    char *bytes;
    int64_t size, capacity;
};

void reel_protobuf_free(struct reel_protobuf *p);

void reel_protobuf_bytes(struct reel_protobuf *p, const void *bytes, int64_t size);

/* One field each: an integer (also enums and bools), a float, a string. */
void reel_protobuf_int(struct reel_protobuf *p, int field, int64_t value);
void reel_protobuf_float(struct reel_protobuf *p, int field, float value);
void reel_protobuf_string(struct reel_protobuf *p, int field, const char *text);

/* The head of a field of `size` bytes that follow. */
void reel_protobuf_head(struct reel_protobuf *p, int field, int64_t size);

/* A field that is a message: what is written between the two. begin gives what end wants. */
int64_t reel_protobuf_begin(struct reel_protobuf *p);
void reel_protobuf_end(struct reel_protobuf *p, int field, int64_t begin);

#endif
