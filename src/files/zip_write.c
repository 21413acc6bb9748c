/* Writing zip archives. All members have the fields for large ones, so that there is one way for all sizes. */
#include "files/zip.h"

#include <string.h>

enum {
    LOCAL = 30,
    CENTRAL = 46,
    END = 22,
    END64 = 56,
    LOCATOR64 = 20,
    LARGE_LOCAL = 20,   /* the field of a header for large members */
    LARGE_CENTRAL = 28, /* and of the directory */
    ALIGNMENT = 64,
    VERSION = 45,
    FIRST_OF_JANUARY = 0x21, /* 1980: the earliest that can be said, since archives of equal arrays are to be equal */
    UTF8 = 0x800,
    DEFLATED = 8
};

/* Bytes of a record as it grows. */
struct record {
    unsigned char bytes[LOCAL + LARGE_LOCAL + 4 + ALIGNMENT + CENTRAL + LARGE_CENTRAL + END64 + LOCATOR64 + END];
    int64_t size;
};

static void put(struct record *record, int size, uint64_t number)
{
    for (int i = 0; i < size; i++)
        record->bytes[record->size++] = (unsigned char)(number >> 8 * i);
}

static void put_signature(struct record *record, const char *signature)
{
    memcpy(record->bytes + record->size, signature, 4);
    record->size += 4;
}

/* What header and directory say alike: from the version on that reading takes, to the length of the name. */
static void put_common(struct record *record, const struct reel_zip_member *member)
{
    bool ascii = true;
    for (const char *c = member->name; *c; c++)
        ascii = ascii && (unsigned char)*c < 0x80;
    put(record, 2, VERSION);
    put(record, 2, ascii ? 0 : UTF8);
    put(record, 2, member->deflated ? DEFLATED : 0);
    put(record, 2, 0);
    put(record, 2, FIRST_OF_JANUARY);
    put(record, 4, member->crc);
    put(record, 4, 0xffffffff);
    put(record, 4, 0xffffffff);
    put(record, 2, strlen(member->name));
}

static reel_status append(struct reel_zip_writer *writer, const void *bytes, int64_t size)
{
    writer->at += size;
    return reel_atomic_file_write(writer->file, bytes, size);
}

void reel_zip_writer_open(struct reel_zip_writer *writer, struct reel_atomic_file *file,
                          struct reel_zip_member *members)
{
    *writer = (struct reel_zip_writer){.file = file, .members = members};
    reel_crc32_make(&writer->crc);
}

/* The part of a header before the name. The padding is a field that nobody knows, of at least its own four bytes. */
static void make_local(struct record *record, const struct reel_zip_member *member, int64_t padding)
{
    put_signature(record, "PK\3\4");
    put_common(record, member);
    put(record, 2, (uint64_t)(LARGE_LOCAL + padding));
}

reel_status reel_zip_begin(struct reel_zip_writer *writer, char *name, bool deflated)
{
    enum { PADDING = 0xd935, LEAST = 4 };
    struct reel_zip_member *member = &writer->members[writer->count++];
    *member = (struct reel_zip_member){.name = name, .deflated = deflated, .offset = writer->at};
    int64_t length = (int64_t)strlen(name), end = writer->at + LOCAL + length + LARGE_LOCAL + LEAST;
    int64_t padding = LEAST + (ALIGNMENT - end % ALIGNMENT) % ALIGNMENT;
    struct record header = {.size = 0}, fields = {.size = 0};
    make_local(&header, member, padding);
    put(&fields, 2, 1);
    put(&fields, 2, LARGE_LOCAL - 4);
    put(&fields, 8, 0);
    put(&fields, 8, 0);
    put(&fields, 2, PADDING);
    put(&fields, 2, (uint64_t)(padding - LEAST));
    fields.size += padding - LEAST;
    append(writer, header.bytes, header.size);
    append(writer, name, length);
    append(writer, fields.bytes, fields.size);
    member->at = writer->at;
    return deflated ? reel_deflated_begin(&writer->deflated, writer->file) : writer->file->context->status;
}

reel_status reel_zip_write(struct reel_zip_writer *writer, const void *bytes, int64_t size)
{
    enum { PIECE = 1 << 18 }; /* is still in the cache when it is written */
    struct reel_zip_member *member = &writer->members[writer->count - 1];
    reel_context *c = writer->file->context;
    for (int64_t at = 0; at < size && c->status == REEL_OK; at += PIECE) {
        const char *from = (const char *)bytes + at;
        int64_t n = size - at < PIECE ? size - at : PIECE;
        member->crc = reel_crc32_add(&writer->crc, member->crc, from, n);
        if (member->deflated)
            reel_deflated_write(&writer->deflated, from, n);
        else
            append(writer, from, n);
    }
    member->size += size;
    return c->status;
}

reel_status reel_zip_end(struct reel_zip_writer *writer)
{
    struct reel_zip_member *member = &writer->members[writer->count - 1];
    if (member->deflated) {
        reel_deflated_finish(&writer->deflated);
        writer->at += writer->deflated.written;
    }
    member->packed = writer->at - member->at;
    /* The header again, with what is known now. */
    struct record header = {.size = 0}, sizes = {.size = 0};
    int64_t length = (int64_t)strlen(member->name), fields = member->offset + LOCAL + length;
    make_local(&header, member, member->at - fields - LARGE_LOCAL);
    put(&sizes, 8, (uint64_t)member->size);
    put(&sizes, 8, (uint64_t)member->packed);
    reel_atomic_file_rewrite(writer->file, header.bytes, header.size, member->offset);
    return reel_atomic_file_rewrite(writer->file, sizes.bytes, sizes.size, fields + 4);
}

reel_status reel_zip_finish(struct reel_zip_writer *writer)
{
    int64_t begin = writer->at;
    for (int64_t i = 0; i < writer->count; i++) {
        const struct reel_zip_member *member = &writer->members[i];
        struct record entry = {.size = 0}, field = {.size = 0};
        put_signature(&entry, "PK\1\2");
        put(&entry, 2, VERSION);
        put_common(&entry, member);
        put(&entry, 2, LARGE_CENTRAL);
        put(&entry, 8, 0); /* no comment, the first disk, no attributes */
        put(&entry, 2, 0);
        put(&entry, 4, 0xffffffff);
        append(writer, entry.bytes, entry.size);
        append(writer, member->name, (int64_t)strlen(member->name));
        put(&field, 2, 1);
        put(&field, 2, LARGE_CENTRAL - 4);
        put(&field, 8, (uint64_t)member->size);
        put(&field, 8, (uint64_t)member->packed);
        put(&field, 8, (uint64_t)member->offset);
        append(writer, field.bytes, field.size);
    }
    struct record end = {.size = 0};
    uint64_t count = (uint64_t)writer->count, size = (uint64_t)(writer->at - begin);
    /* Readers know an archive by how it begins, and one without members begins with this. */
    bool large = count > 0;
    if (large) {
        put_signature(&end, "PK\6\6");
        put(&end, 8, END64 - 12);
        put(&end, 2, VERSION);
        put(&end, 2, VERSION);
        put(&end, 8, 0);
        put(&end, 8, count);
        put(&end, 8, count);
        put(&end, 8, size);
        put(&end, 8, (uint64_t)begin);
        put_signature(&end, "PK\6\7");
        put(&end, 4, 0);
        put(&end, 8, (uint64_t)writer->at);
        put(&end, 4, 1);
    }
    put_signature(&end, "PK\5\6");
    put(&end, 4, 0);
    put(&end, 2, large ? 0xffff : 0);
    put(&end, 2, large ? 0xffff : 0);
    put(&end, 4, large ? 0xffffffff : 0);
    put(&end, 4, large ? 0xffffffff : 0);
    put(&end, 2, 0);
    return append(writer, end.bytes, end.size);
}
