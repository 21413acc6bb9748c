/* Writing Protocol Buffers messages: varints, and fields of the types that are needed. */
#include "files/protobuf.h"

#include <string.h>

enum wire { VARINT = 0, LENGTH_DELIMITED = 2, FOUR_BYTES = 5 };

/* The most bytes that a field's number and a length take. */
enum { LARGEST_HEAD = 20 };

static int varint(uint64_t value, unsigned char *to)
{
    int n = 0;
    for (; value > 0x7f; value >>= 7)
        to[n++] = (unsigned char)(value & 0x7f) | 0x80;
    to[n++] = (unsigned char)value;
    return n;
}

static int head(int field, enum wire wire, uint64_t value, unsigned char *to)
{
    int n = varint((uint64_t)field << 3 | wire, to);
    return wire == FOUR_BYTES ? n : n + varint(value, to + n);
}

void reel_protobuf_free(struct reel_protobuf *p)
{
    reel_free(&p->context->memory, p->bytes);
    *p = (struct reel_protobuf){.context = p->context};
}

void reel_protobuf_bytes(struct reel_protobuf *p, const void *bytes, int64_t size)
{
    if (p->context->status != REEL_OK || size == 0)
        return;
    if (!reel_grow(&p->context->memory, (void **)&p->bytes, p->size, &p->capacity, p->size + size, 1)) {
        reel_fail_memory(p->context, "a message", (size_t)(p->size + size));
        return;
    }
    memcpy(p->bytes + p->size, bytes, (size_t)size);
    p->size += size;
}

void reel_protobuf_int(struct reel_protobuf *p, int field, int64_t value)
{
    unsigned char bytes[LARGEST_HEAD];
    reel_protobuf_bytes(p, bytes, head(field, VARINT, (uint64_t)value, bytes));
}

void reel_protobuf_float(struct reel_protobuf *p, int field, float value)
{
    unsigned char bytes[LARGEST_HEAD];
    uint32_t word;
    memcpy(&word, &value, sizeof word);
    int n = head(field, FOUR_BYTES, 0, bytes);
    for (int i = 0; i < 4; i++)
        bytes[n++] = (unsigned char)(word >> 8 * i & 0xff);
    reel_protobuf_bytes(p, bytes, n);
}

void reel_protobuf_head(struct reel_protobuf *p, int field, int64_t size)
{
    unsigned char bytes[LARGEST_HEAD];
    reel_protobuf_bytes(p, bytes, head(field, LENGTH_DELIMITED, (uint64_t)size, bytes));
}

void reel_protobuf_string(struct reel_protobuf *p, int field, const char *text)
{
    int64_t size = (int64_t)strlen(text);
    reel_protobuf_head(p, field, size);
    reel_protobuf_bytes(p, text, size);
}

int64_t reel_protobuf_begin(struct reel_protobuf *p)
{
    return p->size;
}

/* The length stands before what it is the length of, and is known now: the message is moved. */
void reel_protobuf_end(struct reel_protobuf *p, int field, int64_t begin)
{
    int64_t size = p->size - begin;
    reel_protobuf_head(p, field, size);
    if (p->context->status != REEL_OK)
        return;
    unsigned char bytes[LARGEST_HEAD];
    size_t added = (size_t)(p->size - begin - size);
    memcpy(bytes, p->bytes + p->size - added, added);
    memmove(p->bytes + begin + added, p->bytes + begin, (size_t)size);
    memcpy(p->bytes + begin, bytes, added);
}
