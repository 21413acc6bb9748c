/* A scanner for just the JSON that a header may hold: an object of flat objects. It is written by hand because JSON
 * libraries keep their allocator in global state, and all memory must come through the context's hook; knowing the
 * few shapes a header can have, it needs no recursion and can refuse the rest by name. */
#include "files/safetensors_header.h"

#include "base/checked.h"
#include "base/sort.h"
#include "files/safetensors.h"

#include <string.h>

/* ---- The scanner ---- */

struct scanner {
    reel_context *context;
    const char *path;
    char *text;
    int64_t size, at;
};

static bool refuse(struct scanner *s, const char *what)
{
    char path[REEL_PRINTABLE];
    reel_fail(s->context, REEL_ERROR_FORMAT, "\"%s\": byte %lld of the header: %s", reel_printable(s->path, path),
              (long long)s->at, what);
    return false;
}

static void skip_space(struct scanner *s)
{
    while (s->at < s->size && s->text[s->at] && strchr(" \t\n\r", s->text[s->at]))
        s->at++;
}

static bool take(struct scanner *s, char wanted)
{
    skip_space(s);
    if (s->at == s->size || s->text[s->at] != wanted)
        return false;
    s->at++;
    return true;
}

static bool expect(struct scanner *s, char wanted)
{
    char what[] = "'?' expected";
    what[1] = wanted;
    return take(s, wanted) || refuse(s, what);
}

/* The four hexadecimal digits of \uXXXX; -1 when they are none. */
static int32_t hex_digits(struct scanner *s)
{
    int32_t value = 0;
    for (int i = 0; i < 4; i++, s->at++) {
        char c = s->at < s->size ? s->text[s->at] : '\0';
        int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (c >= 'A' && c <= 'F')
            digit = c - 'A' + 10;
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

/* What follows "\u", as UTF-8 at *to. */
static bool unicode_escape(struct scanner *s, char **to)
{
    int32_t code = hex_digits(s);
    if (code >= 0xd800 && code < 0xdc00) {
        int32_t low = -1;
        if (s->at + 1 < s->size && s->text[s->at] == '\\' && s->text[s->at + 1] == 'u') {
            s->at += 2;
            low = hex_digits(s);
        }
        code = low >= 0xdc00 && low < 0xe000 ? 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00) : -1;
    } else if (code >= 0xdc00 && code < 0xe000)
        code = -1;
    if (code <= 0)
        return refuse(s, code < 0 ? "a \\u escape that is no character" : "a zero character");
    char *out = *to;
    if (code < 0x80)
        *out++ = (char)code;
    else {
        int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
        static const int first[] = {0, 0xc0, 0xe0, 0xf0};
        *out++ = (char)(first[more] | code >> 6 * more);
        while (more-- > 0)
            *out++ = (char)(0x80 | (code >> 6 * more & 0x3f));
    }
    *to = out;
    return true;
}

static bool escape(struct scanner *s, char **to)
{
    static const char codes[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    char code = s->at < s->size ? s->text[s->at] : '\0';
    s->at++;
    if (code == 'u')
        return unicode_escape(s, to);
    const char *found = code ? strchr(codes, code) : NULL;
    if (!found) {
        s->at--;
        return refuse(s, "an escape that JSON does not have");
    }
    *(*to)++ = values[found - codes];
    return true;
}

/* A string, decoded where it stands: no escape is shorter than what it stands for, and the closing quote leaves room
 * for the end mark. */
static bool string(struct scanner *s, const char **out)
{
    if (!expect(s, '"'))
        return false;
    char *to = s->text + s->at;
    *out = to;
    while (s->at < s->size && s->text[s->at] != '"') {
        int length = reel_utf8_length(s->text + s->at, s->size - s->at);
        if (length == 0)
            return refuse(s, "not UTF-8");
        if ((unsigned char)s->text[s->at] < 0x20)
            return refuse(s, "a control character in a string");
        if (s->text[s->at] == '\\') {
            s->at++;
            if (!escape(s, &to))
                return false;
            continue;
        }
        memmove(to, s->text + s->at, (size_t)length);
        to += length;
        s->at += length;
    }
    if (s->at == s->size)
        return refuse(s, "a string without end");
    *to = '\0';
    s->at++;
    return true;
}

static bool integer(struct scanner *s, int64_t *out)
{
    skip_space(s);
    int64_t start = s->at, value = 0;
    for (; s->at < s->size && s->text[s->at] >= '0' && s->text[s->at] <= '9'; s->at++)
        if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, s->text[s->at] - '0', &value))
            return refuse(s, "a number that does not fit 64 bits");
    if (s->at == start || (s->at > start + 1 && s->text[start] == '0'))
        return refuse(s, "a whole number from 0 up expected");
    if (s->at < s->size && s->text[s->at] && strchr(".eE", s->text[s->at]))
        return refuse(s, "a number that is not whole");
    *out = value;
    return true;
}

/* ---- What the header says ---- */

/* A name that reel does not know is no reason to refuse the other tensors of the file. */
static bool dtype_field(struct scanner *s, struct reel_tensor_entry *entry)
{
    if (!string(s, &entry->info.dtype))
        return false;
    entry->type = reel_tensor_type_named(entry->info.dtype);
    return true;
}

static bool shape_field(struct scanner *s, reel_shape *shape)
{
    shape->ndim = 0;
    if (!expect(s, '['))
        return false;
    if (take(s, ']'))
        return true;
    do {
        if (shape->ndim == REEL_MAX_NDIM)
            return refuse(s, "a shape of more than 8 axes");
        if (!integer(s, &shape->dim[shape->ndim++]))
            return false;
    } while (take(s, ','));
    return expect(s, ']');
}

static bool offsets_field(struct scanner *s, struct reel_tensor_entry *entry)
{
    return expect(s, '[') && integer(s, &entry->begin) && expect(s, ',') && integer(s, &entry->end) && expect(s, ']');
}

static bool tensor(struct scanner *s, struct reel_tensor_entry *entry)
{
    enum { DTYPE = 1, SHAPE = 2, OFFSETS = 4, ALL = 7 };
    int seen = 0;
    if (!expect(s, '{'))
        return false;
    do {
        const char *key;
        if (!string(s, &key))
            return false;
        int field = strcmp(key, "dtype") == 0          ? DTYPE
                    : strcmp(key, "shape") == 0        ? SHAPE
                    : strcmp(key, "data_offsets") == 0 ? OFFSETS
                                                       : 0;
        if (field == 0 || seen & field)
            return refuse(s, "a key that is repeated, or none of dtype, shape, data_offsets");
        seen |= field;
        if (!expect(s, ':') || !(field == DTYPE   ? dtype_field(s, entry)
                                 : field == SHAPE ? shape_field(s, &entry->info.shape)
                                                  : offsets_field(s, entry)))
            return false;
    } while (take(s, ','));
    if (!expect(s, '}'))
        return false;
    return seen == ALL || refuse(s, "a tensor without dtype, shape or data_offsets");
}

/* Tensors and pairs of metadata both begin with the pointer to their key. */
struct keyed {
    const char *base;
    size_t size;
};

static const char *key_at(const struct keyed *items, int64_t i)
{
    const char *key;
    memcpy(&key, items->base + (size_t)i * items->size, sizeof key);
    return key;
}

static bool key_before(const void *user, int64_t a, int64_t b)
{
    return strcmp(key_at(user, a), key_at(user, b)) < 0;
}

/* The places of the items sorted by key, owned by the caller; NULL when two keys are equal or memory ran out. */
static int64_t *order_by_key(struct scanner *s, const struct keyed *items, int64_t count)
{
    int64_t *order = reel_allocate(&s->context->memory, (size_t)count * sizeof *order);
    if (!order) {
        reel_fail_memory(s->context, "the header of a file", (size_t)count * sizeof *order);
        return NULL;
    }
    for (int64_t i = 0; i < count; i++)
        order[i] = i;
    reel_heap_sort(order, count, key_before, items);
    for (int64_t i = 1; i < count; i++)
        if (strcmp(key_at(items, order[i - 1]), key_at(items, order[i])) == 0) {
            char path[REEL_PRINTABLE], key[REEL_PRINTABLE];
            reel_fail(s->context, REEL_ERROR_FORMAT, "\"%s\": the header has the key \"%s\" twice",
                      reel_printable(s->path, path), reel_printable(key_at(items, order[i]), key));
            reel_free(&s->context->memory, order);
            return NULL;
        }
    return order;
}

static bool metadata(struct scanner *s, struct reel_tensor_header *header)
{
    if (!expect(s, '{'))
        return false;
    if (take(s, '}'))
        return true;
    do {
        reel_metadata pair;
        if (!string(s, &pair.key) || !expect(s, ':') || !string(s, &pair.value))
            return false;
        if (!reel_grow(&s->context->memory, (void **)&header->metadata, header->metadata_count,
                       &header->metadata_capacity, header->metadata_count + 1, sizeof pair)) {
            reel_fail_memory(s->context, "the header of a file", (size_t)s->size);
            return false;
        }
        header->metadata[header->metadata_count++] = pair;
    } while (take(s, ','));
    if (!expect(s, '}'))
        return false;
    struct keyed items = {(const char *)header->metadata, sizeof *header->metadata};
    int64_t *order = order_by_key(s, &items, header->metadata_count);
    reel_free(&s->context->memory, order);
    return order != NULL;
}

static bool add_tensor(struct scanner *s, struct reel_tensor_header *header, const char *name)
{
    if (!reel_grow(&s->context->memory, (void **)&header->entries, header->count, &header->capacity, header->count + 1,
                   sizeof *header->entries)) {
        reel_fail_memory(s->context, "the header of a file", (size_t)s->size);
        return false;
    }
    struct reel_tensor_entry *entry = &header->entries[header->count++];
    memset(entry, 0, sizeof *entry);
    entry->info.name = name;
    return tensor(s, entry);
}

static bool scan(struct scanner *s, struct reel_tensor_header *header)
{
    if (s->size == 0 || s->text[0] != '{')
        return refuse(s, "it must begin with '{'");
    s->at = 1;
    bool has_metadata = false;
    if (!take(s, '}')) {
        do {
            const char *name;
            if (!string(s, &name) || !expect(s, ':'))
                return false;
            if (strcmp(name, "__metadata__") == 0) {
                if (has_metadata)
                    return refuse(s, "the key \"__metadata__\" a second time");
                has_metadata = true;
                if (!metadata(s, header))
                    return false;
            } else if (!add_tensor(s, header, name))
                return false;
        } while (take(s, ','));
        if (!expect(s, '}'))
            return false;
    }
    for (; s->at < s->size; s->at++)
        if (s->text[s->at] != ' ')
            return refuse(s, "only spaces may follow the closing '}'");
    return true;
}

/* ---- What must hold ---- */

static bool refuse_tensor(struct scanner *s, const struct reel_tensor_entry *entry, const char *what)
{
    char path[REEL_PRINTABLE], name[REEL_PRINTABLE];
    reel_fail(s->context, REEL_ERROR_FORMAT, "\"%s\": tensor \"%s\" (bytes %lld to %lld) %s",
              reel_printable(s->path, path), reel_printable(entry->info.name, name), (long long)entry->begin,
              (long long)entry->end, what);
    return false;
}

static bool place_before(const void *user, int64_t a, int64_t b)
{
    const struct reel_tensor_entry *entries = user;
    const struct reel_tensor_entry *x = &entries[a], *y = &entries[b];
    if (x->begin != y->begin)
        return x->begin < y->begin;
    return x->end != y->end ? x->end < y->end : a < b;
}

/* Sizes agree with offsets, and the tensors fill the data without overlap or gap. `order` is room for count places. */
static bool check_data(struct scanner *s, struct reel_tensor_header *header, int64_t data_size, int64_t *order)
{
    for (int64_t i = 0; i < header->count; i++) {
        struct reel_tensor_entry *entry = &header->entries[i];
        size_t bits;
        entry->info.numel = reel_shape_numel(&entry->info.shape);
        if (entry->begin > entry->end || entry->end > data_size)
            return refuse_tensor(s, entry, "does not lie within the file");
        if (!reel_multiply_size(entry->info.numel, entry->type ? (size_t)entry->type->bits : 1, &bits))
            return refuse_tensor(s, entry, "has a shape of too many elements");
        if (entry->type && (bits % 8 != 0 || bits / 8 != (size_t)(entry->end - entry->begin)))
            return refuse_tensor(s, entry, "has a shape of another number of bytes");
        order[i] = i;
    }
    reel_heap_sort(order, header->count, place_before, header->entries);
    int64_t at = 0;
    for (int64_t i = 0; i < header->count; i++) {
        const struct reel_tensor_entry *entry = &header->entries[order[i]];
        if (entry->begin != at)
            return refuse_tensor(s, entry, entry->begin < at ? "overlaps another one" : "comes after a gap");
        at = entry->end;
    }
    if (at == data_size)
        return true;
    char path[REEL_PRINTABLE];
    reel_fail(s->context, REEL_ERROR_FORMAT, "\"%s\": the tensors are %lld bytes, but %lld follow the header",
              reel_printable(s->path, path), (long long)at, (long long)data_size);
    return false;
}

reel_status reel_tensor_header_parse(reel_context *context, const char *path, char *text, int64_t size,
                                     int64_t data_size, struct reel_tensor_header *header)
{
    if (context->status != REEL_OK)
        return context->status;
    struct scanner s = {.context = context, .path = path, .text = text, .size = size};
    memset(header, 0, sizeof *header);
    if (scan(&s, header)) {
        struct keyed items = {(const char *)header->entries, sizeof *header->entries};
        header->by_name = order_by_key(&s, &items, header->count);
        int64_t *order =
            header->by_name ? reel_allocate(&context->memory, (size_t)header->count * sizeof *order) : NULL;
        if (!order)
            reel_fail_memory(context, "the header of a file", (size_t)size);
        else
            check_data(&s, header, data_size, order);
        reel_free(&context->memory, order);
    }
    if (context->status != REEL_OK)
        reel_tensor_header_release(context, header);
    return context->status;
}

void reel_tensor_header_release(reel_context *context, struct reel_tensor_header *header)
{
    reel_free(&context->memory, header->entries);
    reel_free(&context->memory, header->by_name);
    reel_free(&context->memory, header->metadata);
    memset(header, 0, sizeof *header);
}

const struct reel_tensor_entry *reel_tensor_header_find(const struct reel_tensor_header *header, const char *name)
{
    int64_t low = 0, high = header->count;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        const struct reel_tensor_entry *entry = &header->entries[header->by_name[middle]];
        int order = strcmp(entry->info.name, name);
        if (order == 0)
            return entry;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}
