/* Reading zip archives. */
#include "files/zip.h"

#include "base/sort.h"

#include <string.h>

enum {
    LOCAL = 30,
    CENTRAL = 46,
    END = 22,
    END64 = 56,
    LOCATOR64 = 20,
    LONGEST_COMMENT = 65535,
    NEWEST_VERSION = 63,  /* that is read */
    MOST_EXPANSION = 1032 /* of deflate */
};
enum { STORED = 0, DEFLATED = 8 };
enum { UTF8 = 0x800, KNOWN_FLAGS = 0x80e }; /* how well it was deflated, sizes behind the data, UTF-8 */

static uint64_t number(const unsigned char *bytes, int size)
{
    uint64_t value = 0;
    while (size-- > 0)
        value = value << 8 | bytes[size];
    return value;
}

static bool has_signature(const unsigned char *bytes, const char *signature)
{
    return memcmp(bytes, signature, 4) == 0;
}

static reel_status refuse(const struct reel_input *input, const char *what)
{
    return reel_input_fail(input, REEL_ERROR_FORMAT, "no zip archive: %s", what);
}

static reel_status refuse_member(const struct reel_input *input, const char *name, const char *what)
{
    char printable[REEL_PRINTABLE];
    return reel_input_fail(input, REEL_ERROR_FORMAT, "\"%s\" in the archive %s", reel_printable(name, printable), what);
}

/* ---- Where the directory is ---- */

struct place {
    uint64_t begin, size, count;
};

/* The end record in the last bytes of a file; -1 when there is none. */
static int64_t find_end(const unsigned char *tail, int64_t size)
{
    if (size >= END && has_signature(tail + size - END, "PK\5\6") && number(tail + size - 2, 2) == 0)
        return size - END;
    int64_t at = size - 4;
    while (at >= 0 && !has_signature(tail + at, "PK\5\6"))
        at--;
    return at >= 0 && at + END <= size && at + END + (int64_t)number(tail + at + 20, 2) == size ? at : -1;
}

/* A large archive has another record before the end record, and between them where it is. */
static reel_status find_large(const struct reel_input *input, int64_t *end, struct place *place)
{
    unsigned char record[END64 + LOCATOR64];
    const unsigned char *locator = record + END64;
    int64_t at = *end - LOCATOR64 - END64;
    if (*end < LOCATOR64)
        return REEL_OK;
    if (reel_input_read(input, record + END64, LOCATOR64, *end - LOCATOR64) != REEL_OK)
        return input->context->status;
    if (!has_signature(locator, "PK\6\7"))
        return REEL_OK;
    if (number(locator + 4, 4) != 0 || number(locator + 16, 4) > 1)
        return refuse(input, "it is one of several parts");
    if (at < 0)
        return refuse(input, "its directory is not there");
    if (reel_input_read(input, record, END64, at) != REEL_OK)
        return input->context->status;
    if (!has_signature(record, "PK\6\6"))
        return refuse(input, "its directory is not there");
    *place = (struct place){number(record + 48, 8), number(record + 40, 8), number(record + 32, 8)};
    *end = at;
    return REEL_OK;
}

static reel_status find_directory(const struct reel_input *input, struct place *place)
{
    reel_context *c = input->context;
    int64_t size = input->size < END + LONGEST_COMMENT ? input->size : END + LONGEST_COMMENT;
    unsigned char *tail = reel_allocate(&c->memory, (size_t)size);
    if (!tail)
        return reel_fail_memory(c, "the directory of an archive", (size_t)size);
    if (reel_input_read(input, tail, size, input->size - size) == REEL_OK) {
        int64_t at = find_end(tail, size), end = input->size - size + at;
        if (at < 0)
            refuse(input, "its end is not there");
        else {
            const unsigned char *record = tail + at;
            *place = (struct place){number(record + 16, 4), number(record + 12, 4), number(record + 10, 2)};
            if (find_large(input, &end, place) == REEL_OK &&
                (place->size > (uint64_t)end || place->begin != (uint64_t)end - place->size))
                refuse(input, "its directory is not just before its end");
        }
    }
    reel_free(&c->memory, tail);
    return c->status;
}

/* ---- What the directory says ---- */

/* Sizes that do not fit the entry stand in a field behind it, in this order. */
static bool read_extra(const unsigned char *extra, int64_t size, uint64_t *sizes[3])
{
    while (size >= 4) {
        int64_t length = (int64_t)number(extra + 2, 2);
        if (length + 4 > size)
            return false;
        const unsigned char *field = extra + 4, *end = field + length;
        for (int i = 0; i < 3 && number(extra, 2) == 1; i++)
            if (*sizes[i] == 0xffffffff) {
                if (end - field < 8)
                    return false;
                *sizes[i] = number(field, 8);
                field += 8;
            }
        extra = end;
        size -= length + 4;
    }
    return true;
}

static bool ends_with(const char *text, size_t length, const char *end)
{
    size_t n = strlen(end);
    return length >= n && memcmp(text + length - n, end, n) == 0;
}

static bool is_ascii(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text > 0x7f)
            return false;
    return true;
}

/* An entry at `at` of the directory, whose bytes become the name. *next is where the next one is. */
static reel_status read_entry(const struct reel_input *input, const char *suffix, const struct place *place,
                              struct reel_zip *zip, int64_t at, int64_t *next)
{
    reel_context *c = input->context;
    unsigned char *e = (unsigned char *)zip->directory + at;
    int64_t left = (int64_t)place->size - at;
    if (left < CENTRAL || !has_signature(e, "PK\1\2"))
        return refuse(input, "its directory is damaged");
    int64_t length = (int64_t)number(e + 28, 2), extra = (int64_t)number(e + 30, 2);
    int64_t size = CENTRAL + length + extra + (int64_t)number(e + 32, 2);
    if (size > left)
        return refuse(input, "its directory is damaged");
    *next = at + size;
    struct reel_zip_member member = {.crc = (uint32_t)number(e + 16, 4)};
    uint64_t packed = number(e + 20, 4), plain = number(e + 24, 4), offset = number(e + 42, 4);
    unsigned version = e[6], flags = (unsigned)number(e + 8, 2), method = (unsigned)number(e + 10, 2);
    if (!read_extra(e + CENTRAL + length, extra, (uint64_t *[3]){&plain, &packed, &offset}))
        return refuse(input, "a field of its directory is damaged");
    /* One byte further left, the name has room for its end. */
    member.name = memmove(e + CENTRAL - 1, e + CENTRAL, (size_t)length);
    member.name[length] = '\0';
    if (version > NEWEST_VERSION)
        return refuse_member(input, member.name, "is of a version above 6.3");
    if ((int64_t)strlen(member.name) != length || !reel_is_utf8(member.name) ||
        (!(flags & UTF8) && !is_ascii(member.name)))
        return refuse_member(input, member.name, "has a name that is not UTF-8");
    if (!ends_with(member.name, (size_t)length, suffix))
        return REEL_OK;
    if (flags & ~(unsigned)KNOWN_FLAGS)
        return refuse_member(input, member.name, "is encrypted, or has another flag that is not known");
    if (method != STORED && method != DEFLATED)
        return refuse_member(input, member.name, "is compressed by another method than deflate");
    if (offset > place->begin || packed > place->begin || plain > INT64_MAX)
        return refuse_member(input, member.name, "does not lie within the file");
    if (method == STORED ? packed != plain : plain / MOST_EXPANSION > packed)
        return refuse_member(input, member.name, "has sizes that cannot be");
    member.deflated = method == DEFLATED;
    member.offset = (int64_t)offset;
    member.packed = (int64_t)packed;
    member.size = (int64_t)plain;
    if (!reel_grow(&c->memory, (void **)&zip->members, zip->count, &zip->capacity, zip->count + 1,
                   sizeof *zip->members))
        return reel_fail_memory(c, "the directory of an archive", sizeof member);
    zip->members[zip->count++] = member;
    return REEL_OK;
}

/* The header before the bytes of a member, which must say the same name. */
static reel_status read_local(const struct reel_input *input, const struct place *place, struct reel_zip_member *member)
{
    unsigned char header[LOCAL];
    reel_context *c = input->context;
    uint64_t length = strlen(member->name);
    if ((uint64_t)member->offset + LOCAL + length > place->begin)
        return refuse_member(input, member->name, "does not lie within the file");
    if (reel_input_read(input, header, LOCAL, member->offset) != REEL_OK)
        return c->status;
    if (!has_signature(header, "PK\3\4") || number(header + 26, 2) != length)
        return refuse_member(input, member->name, "has another header than the directory says");
    char *name = reel_allocate(&c->memory, length);
    if (!name)
        return reel_fail_memory(c, "the name of a member", length);
    bool same = reel_input_read(input, name, (int64_t)length, member->offset + LOCAL) == REEL_OK &&
                memcmp(name, member->name, length) == 0 && (number(header + 6, 2) & UTF8 || is_ascii(member->name));
    reel_free(&c->memory, name);
    if (c->status == REEL_OK && !same)
        return refuse_member(input, member->name, "has another header than the directory says");
    member->at = member->offset + LOCAL + (int64_t)length + (int64_t)number(header + 28, 2);
    if (member->at > (int64_t)place->begin || member->packed > (int64_t)place->begin - member->at)
        return refuse_member(input, member->name, "does not lie within the file");
    return c->status;
}

static bool name_before(const void *user, int64_t a, int64_t b)
{
    const struct reel_zip_member *members = user;
    return strcmp(members[a].name, members[b].name) < 0;
}

static bool offset_before(const void *user, int64_t a, int64_t b)
{
    const struct reel_zip_member *members = user;
    return members[a].offset < members[b].offset;
}

/* No name twice, and no byte in two members. */
static reel_status check_members(const struct reel_input *input, struct reel_zip *zip)
{
    reel_context *c = input->context;
    const struct reel_zip_member *m = zip->members;
    size_t size = (size_t)zip->count * sizeof(int64_t);
    int64_t *order = reel_allocate(&c->memory, size);
    if (!order)
        return reel_fail_memory(c, "the directory of an archive", size);
    for (int64_t i = 0; i < zip->count; i++)
        order[i] = i;
    reel_heap_sort(order, zip->count, name_before, m);
    for (int64_t i = 1; i < zip->count; i++)
        if (strcmp(m[order[i - 1]].name, m[order[i]].name) == 0)
            refuse_member(input, m[order[i]].name, "is there twice");
    reel_heap_sort(order, zip->count, offset_before, m);
    for (int64_t i = 1; i < zip->count; i++)
        if (m[order[i - 1]].at + m[order[i - 1]].packed > m[order[i]].offset)
            refuse_member(input, m[order[i]].name, "overlaps another member");
    reel_free(&c->memory, order);
    return c->status;
}

reel_status reel_zip_read(const struct reel_input *input, const char *suffix, struct reel_zip *zip)
{
    reel_context *c = input->context;
    struct place place = {0};
    *zip = (struct reel_zip){0};
    reel_crc32_make(&zip->crc);
    if (find_directory(input, &place) != REEL_OK)
        return c->status;
    zip->directory = reel_allocate(&c->memory, place.size);
    if (!zip->directory)
        return reel_fail_memory(c, "the directory of an archive", place.size);
    uint64_t count = 0;
    if (reel_input_read(input, zip->directory, (int64_t)place.size, (int64_t)place.begin) != REEL_OK)
        return c->status;
    for (int64_t at = 0; at < (int64_t)place.size; count++)
        if (read_entry(input, suffix, &place, zip, at, &at) != REEL_OK)
            return c->status;
    if (count != place.count)
        return refuse(input, "its directory has another number of members than its end says");
    for (int64_t i = 0; i < zip->count; i++)
        if (read_local(input, &place, &zip->members[i]) != REEL_OK)
            return c->status;
    return check_members(input, zip);
}

void reel_zip_release(reel_context *context, struct reel_zip *zip)
{
    reel_free(&context->memory, zip->members);
    reel_free(&context->memory, zip->directory);
}

/* ---- What a member holds ---- */

static reel_status read_member(struct reel_source *source, void *out, int64_t size)
{
    struct reel_zip_source *s = (struct reel_zip_source *)source;
    const struct reel_input *input = s->part.input;
    if (size > s->member->size - s->done)
        return refuse_member(input, s->member->name, "is too short");
    struct reel_source *from = s->member->deflated ? &s->inflated.source : &s->part.source;
    if (from->read(from, out, size) != REEL_OK)
        return input->context->status;
    s->done += size;
    if (out)
        s->sum = reel_crc32_add(&s->zip->crc, s->sum, out, size);
    else if (size > 0)
        s->passed_over = true;
    if (s->done == s->member->size && !s->passed_over && s->sum != s->member->crc)
        return refuse_member(input, s->member->name, "is damaged: its checksum is another one");
    return REEL_OK;
}

void reel_zip_source_open(struct reel_zip_source *source, const struct reel_input *input, const struct reel_zip *zip,
                          const struct reel_zip_member *member)
{
    *source = (struct reel_zip_source){.source = {read_member},
                                       .zip = zip,
                                       .member = member,
                                       .part = reel_input_part(input, member->at),
                                       .inflated =
                                           reel_inflated(input, REEL_DEFLATE, member->at, member->at + member->packed)};
}

void reel_zip_source_close(struct reel_zip_source *source)
{
    reel_inflated_close(&source->inflated);
}
