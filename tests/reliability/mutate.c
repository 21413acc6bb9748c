/* Making the mutants: a right file, made by chance, then up to three small changes. */
#include "reliability/mutants.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

/* A file as it grows, and the numbers that decide. */
struct mutant {
    uint64_t state;
    unsigned char *bytes;
    size_t size, room;
};

/* xorshift64* */
static uint64_t next(struct mutant *m)
{
    m->state ^= m->state >> 12;
    m->state ^= m->state << 25;
    m->state ^= m->state >> 27;
    return m->state * 0x2545f4914f6cdd1d;
}

static size_t below(struct mutant *m, size_t n)
{
    return (size_t)(next(m) >> 33) % n;
}

static struct mutant start(int i, unsigned char *bytes)
{
    struct mutant m = {.state = 0x9e3779b97f4a7c15 * (uint64_t)(i + 1), .bytes = bytes, .room = MUTANT_ROOM};
    for (int k = 0; k < 4; k++)
        next(&m);
    return m;
}

static void put(struct mutant *m, const void *bytes, size_t size)
{
    const unsigned char *from = bytes;
    for (size_t k = 0; k < size && m->size < m->room; k++)
        m->bytes[m->size++] = from[k];
}

static void put_text(struct mutant *m, const char *text)
{
    put(m, text, strlen(text));
}

static void put_number(struct mutant *m, long long number)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%lld", number);
    put_text(m, digits);
}

/* Puts `with` in the place of `length` bytes at `at`. */
static void splice(struct mutant *m, size_t at, size_t length, const void *with, size_t size)
{
    if (at + length > m->size || m->size - length + size > m->room)
        return;
    memmove(m->bytes + at + size, m->bytes + at + length, m->size - at - length);
    memcpy(m->bytes + at, with, size);
    m->size += size - length;
}

/* One small change at or after `from`. */
static void change_bytes(struct mutant *m, size_t from)
{
    static const char odd[] = "{}[]:,\"\\ \t\n0123456789-+.eEtfnu/\x01\x7f\x80\xc2\xe2\xf0\xff";
    if (m->size <= from)
        return;
    size_t at = from + below(m, m->size - from), length = 1 + below(m, 8);
    if (length > m->size - at)
        length = m->size - at;
    unsigned char piece[8];
    memcpy(piece, m->bytes + at, length);
    char one = odd[below(m, sizeof odd)];
    switch (below(m, 7)) {
    case 0:
        m->bytes[at] ^= (unsigned char)(1u << below(m, 8));
        break;
    case 1:
        m->bytes[at] = (unsigned char)one;
        break;
    case 2:
        splice(m, at, 0, &one, 1);
        break;
    case 3:
        splice(m, at, 1, "", 0);
        break;
    case 4:
        splice(m, at, length, "", 0);
        break;
    case 5:
        splice(m, at, 0, piece, length);
        break;
    default:
        m->size = at;
    }
}

/* ---- safetensors ---- */

/* Of the header. */
static void put_length(struct mutant *m, size_t header)
{
    for (int k = 0; k < 8; k++)
        m->bytes[k] = (unsigned char)(header >> 8 * k);
}

static const struct {
    const char *name;
    int bits;
} types[] = {{"F32", 32}, {"F64", 64},    {"I64", 64},    {"I32", 32},    {"BOOL", 8}, {"F16", 16}, {"BF16", 16},
             {"U8", 8},   {"I8", 8},      {"U16", 16},    {"I16", 16},    {"U32", 32}, {"U64", 64}, {"C64", 64},
             {"F4", 4},   {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F6_E2M3", 6}, {"F3", 3},   {"f32", 32}, {"", 8}};
enum { TYPES = sizeof types / sizeof *types };

static void put_space(struct mutant *m)
{
    static const char *const spaces[] = {" ", "\n", "\t", "\r\n"};
    if (below(m, 12) == 0)
        put_text(m, spaces[below(m, 4)]);
}

static void put_name(struct mutant *m, int number)
{
    static const char *const names[] = {"w", "a.b", "\\u00e9", "\\ud83d\\ude00", "\xc3\xa9", "\\n", "", "__metadata__"};
    size_t k = below(m, 80);
    put_text(m, "\"");
    put_text(m, names[k < 8 ? k : k % 6]);
    /* Now and then a name that was there. */
    if (below(m, 25) != 0)
        put_number(m, number);
    put_text(m, "\"");
}

static void put_tensor(struct mutant *m, int number, size_t *data)
{
    static const char *const keys[] = {"\"dtype\"", "\"shape\"", "\"data_offsets\""};
    size_t type = below(m, 20) == 0 ? below(m, TYPES) : below(m, TYPES - 3), axes = below(m, 12) == 0 ? 9 : below(m, 4);
    size_t dims[9], numel = 1, first = below(m, 3), begin = *data;
    for (size_t k = 0; k < axes; k++) {
        dims[k] = axes > 4 ? 1 : below(m, 30) == 0 ? 0 : 1 + below(m, 3);
        numel *= dims[k];
    }
    *data += numel * (size_t)types[type].bits / 8;
    put_name(m, number);
    put_space(m);
    put_text(m, ":{");
    for (size_t k = 0; k < 3; k++) {
        size_t key = (first + k) % 3;
        put_space(m);
        put_text(m, k ? "," : "");
        put_text(m, keys[key]);
        put_text(m, ":");
        put_space(m);
        if (key == 0) {
            put_text(m, "\"");
            put_text(m, types[type].name);
            put_text(m, "\"");
        } else if (key == 1) {
            put_text(m, "[");
            for (size_t d = 0; d < axes; d++) {
                put_text(m, d ? "," : "");
                put_number(m, (long long)dims[d]);
            }
            put_text(m, "]");
        } else {
            put_text(m, "[");
            put_number(m, (long long)begin + (below(m, 40) == 0 ? (long long)below(m, 3) - 1 : 0));
            put_text(m, ",");
            put_number(m, (long long)*data + (below(m, 40) == 0 ? (long long)below(m, 3) - 1 : 0));
            put_text(m, "]");
        }
    }
    put_space(m);
    put_text(m, "}");
}

static void put_metadata(struct mutant *m)
{
    put_text(m, "\"__metadata__\":{");
    size_t n = below(m, 3);
    for (size_t i = 0; i < n; i++) {
        put_text(m, i ? "," : "");
        put_name(m, (int)i);
        put_text(m, ":\"pt\"");
    }
    put_text(m, "}");
}

/* A number from `from` on, and before `end`, becomes one of those that overflow something. */
static void change_number(struct mutant *m, size_t from, size_t end)
{
    static const char *const numbers[] = {"0",
                                          "1",
                                          "00",
                                          "-1",
                                          "-0",
                                          "1.0",
                                          "1e1",
                                          "4294967296",
                                          "9223372036854775807",
                                          "18446744073709551615",
                                          "18446744073709551616",
                                          "2147483648",
                                          "0x1"};
    enum { PLACES = 8192 };
    size_t places[PLACES], n = 0;
    for (size_t at = from; at < end && n < PLACES; at++)
        if (m->bytes[at] >= '0' && m->bytes[at] <= '9')
            places[n++] = at;
    if (n == 0)
        return;
    const char *number = numbers[below(m, sizeof numbers / sizeof *numbers)];
    splice(m, places[below(m, n)], 1, number, strlen(number));
}

size_t mutant_safetensors(int i, unsigned char bytes[MUTANT_ROOM])
{
    struct mutant m = start(i, bytes);
    size_t data = 0, tensors = below(&m, 5), metadata = below(&m, 8);
    put(&m, "\0\0\0\0\0\0\0\0", 8);
    put_text(&m, "{");
    for (size_t k = 0; k < tensors; k++) {
        if (metadata == k) {
            put_metadata(&m);
            put_text(&m, ",");
        }
        put_tensor(&m, (int)k, &data);
        put_text(&m, k + 1 < tensors ? "," : "");
    }
    put_text(&m, "}");
    while (below(&m, 3) == 0)
        put_text(&m, " ");
    for (size_t changes = below(&m, 4); changes > 0; changes--) {
        if (below(&m, 4) == 0)
            change_number(&m, 8, m.size);
        else
            change_bytes(&m, 8);
    }
    size_t header = m.size - 8;
    if (below(&m, 25) == 0)
        header += below(&m, 9) - 4;
    put_length(&m, header);
    if (below(&m, 50) == 0)
        change_bytes(&m, 0);
    if (below(&m, 25) == 0)
        data += below(&m, 5) - 2;
    for (size_t k = 0; k < data && data < MUTANT_ROOM && m.size < MUTANT_ROOM; k++)
        m.bytes[m.size++] = (unsigned char)(next(&m) >> 63);
    return m.size;
}

/* ---- npy ---- */

static void put_header(struct mutant *m, size_t *data)
{
    static const char *const keys[] = {"descr", "fortran_order", "shape"};
    static const struct {
        const char *descr;
        size_t size;
    } descrs[] = {{"<f4", 4}, {"<f8", 8}, {"<f2", 2}, {"<i8", 8}, {"<i4", 4}, {"<i2", 2}, {"|i1", 1},
                  {"|u1", 1}, {"<u2", 2}, {"<u4", 4}, {"<u8", 8}, {"|b1", 1}, {">f4", 4}, {">i2", 2},
                  {">u8", 8}, {"<V2", 2}, {"f4", 4},  {"=i4", 4}, {"<U1", 4}, {"|V3", 3}, {"float32", 4},
                  {"|O", 8},  {"<c8", 8}, {"<f1", 1}, {"", 1}};
    enum { DESCRS = sizeof descrs / sizeof *descrs };
    size_t k = below(m, 15) == 0 ? below(m, DESCRS) : below(m, 16), axes = below(m, 12) == 0 ? 9 : below(m, 4);
    size_t first = below(m, 3) == 0 ? below(m, 3) : 0;
    *data = descrs[k].size;
    put_text(m, "{");
    for (size_t key = 0; key < 3; key++) {
        size_t which = (first + key) % 3;
        const char *quote = below(m, 12) == 0 ? "\"" : "'";
        put_space(m);
        put_text(m, quote);
        put_text(m, keys[which]);
        put_text(m, quote);
        put_text(m, ": ");
        if (which == 0) {
            put_text(m, quote);
            put_text(m, descrs[k].descr);
            put_text(m, quote);
        } else if (which == 1)
            put_text(m, below(m, 3) == 0 ? "True" : "False");
        else {
            put_text(m, "(");
            for (size_t d = 0; d < axes; d++) {
                size_t dim = axes > 4 ? 1 : below(m, 30) == 0 ? 0 : 1 + below(m, 3);
                put_number(m, (long long)dim);
                put_text(m, d + 1 < axes ? ", " : axes == 1 || below(m, 12) == 0 ? "," : "");
                *data *= dim;
            }
            put_text(m, ")");
        }
        put_text(m, key < 2 || below(m, 2) == 0 ? ", " : "");
    }
    put_text(m, "}");
    while (below(m, 3) != 0)
        put_text(m, below(m, 8) == 0 ? "\t" : " ");
    put_text(m, below(m, 4) == 0 ? "" : "\n");
}

size_t mutant_npy(int i, unsigned char bytes[MUTANT_ROOM])
{
    struct mutant m = start(i, bytes);
    unsigned version = below(&m, 30) == 0 ? (unsigned)below(&m, 5) : 1 + (unsigned)below(&m, 3);
    size_t data, header = version == 1 ? 10 : 12;
    put(&m, "\x93NUMPY\0\0\0\0\0\0", header);
    bytes[6] = (unsigned char)version;
    put_header(&m, &data);
    for (size_t changes = below(&m, 4); changes > 0; changes--) {
        if (below(&m, 4) == 0)
            change_number(&m, header, m.size);
        else
            change_bytes(&m, header);
    }
    size_t length = m.size - header;
    if (below(&m, 25) == 0)
        length += below(&m, 9) - 4;
    for (size_t k = 8; k < header; k++)
        bytes[k] = (unsigned char)(length >> 8 * (k - 8));
    if (below(&m, 50) == 0)
        bytes[below(&m, header)] ^= (unsigned char)(1u << below(&m, 8));
    if (below(&m, 25) == 0)
        data += below(&m, 5) - 2;
    for (size_t k = 0; k < data && data < MUTANT_ROOM && m.size < MUTANT_ROOM; k++)
        m.bytes[m.size++] = (unsigned char)(next(&m) >> 63);
    return m.size;
}

/* ---- npz ---- */

static void put_little(struct mutant *m, int size, uint64_t number)
{
    for (int k = 0; k < size; k++) {
        unsigned char byte = (unsigned char)(number >> 8 * k);
        put(m, &byte, 1);
    }
}

/* An array with its header, in C or Fortran order. */
static size_t make_array(struct mutant *m, unsigned char *bytes)
{
    static const char *const descrs[] = {"<f4", "<i8", "|u1", "|b1", ">i2", "<V2"};
    static const size_t sizes[] = {4, 8, 1, 1, 2, 2};
    size_t k = below(m, 6), rows = 1 + below(m, 3), columns = 1 + below(m, 3), data = rows * columns * sizes[k];
    memcpy(bytes, "\x93NUMPY\1\0\x76\0", 10);
    int n = snprintf((char *)bytes + 10, 118, "{'descr': '%s', 'fortran_order': %s, 'shape': (%zu, %zu), }", descrs[k],
                     below(m, 3) == 0 ? "True" : "False", rows, columns);
    memset(bytes + 10 + n, ' ', (size_t)(118 - n));
    for (size_t i = 0; i < data; i++)
        bytes[128 + i] = (unsigned char)(next(m) >> 63);
    return 128 + data;
}

struct member {
    char name[16];
    uint32_t crc;
    size_t offset, packed, size;
    unsigned method, flags;
};

/* From the version to the length of the name; large sizes stand elsewhere. */
static void put_member(struct mutant *m, const struct member *member, bool large)
{
    put_little(m, 2, large ? 45 : 20);
    put_little(m, 2, member->flags);
    put_little(m, 2, member->method);
    put_little(m, 4, 0x210000);
    put_little(m, 4, member->crc);
    put_little(m, 4, large ? 0xffffffff : member->packed);
    put_little(m, 4, large ? 0xffffffff : member->size);
    put_little(m, 2, strlen(member->name));
}

static void put_sizes(struct mutant *m, const struct member *member)
{
    put_little(m, 2, 1);
    put_little(m, 2, 16);
    put_little(m, 8, member->size);
    put_little(m, 8, member->packed);
}

size_t mutant_npz(int i, unsigned char bytes[MUTANT_ROOM])
{
    struct mutant m = start(i, bytes);
    struct member members[3];
    size_t n = below(&m, 12) == 0 ? 0 : 1 + below(&m, 3);
    bool large = below(&m, 3) == 0;
    size_t first = below(&m, 4);
    static const char *const names[] = {"a", "b/c", "\xc3\xa9", "d"};
    for (size_t k = 0; k < n; k++) {
        struct member *member = &members[k];
        unsigned char array[512];
        const char *name = names[(k + first + (below(&m, 40) == 0)) % 4];
        member->size = make_array(&m, array);
        member->method = below(&m, 2) == 0 ? 8 : 0;
        /* A block of deflate that is stored: five bytes, and the data. */
        member->packed = member->size + (member->method ? 5 : 0);
        member->crc = (uint32_t)crc32(0, array, (unsigned)member->size);
        member->offset = m.size;
        member->flags = name[0] & 0x80 ? 0x800 : 0;
        snprintf(member->name, sizeof member->name, "%s%s", name, below(&m, 25) == 0 ? ".txt" : ".npy");
        put(&m, "PK\3\4", 4);
        put_member(&m, member, large);
        put_little(&m, 2, large ? 20 : 0);
        put_text(&m, member->name);
        if (large)
            put_sizes(&m, member);
        if (member->method) {
            put_little(&m, 1, 1);
            put_little(&m, 2, member->size);
            put_little(&m, 2, ~(uint64_t)member->size);
        }
        put(&m, array, member->size);
    }
    size_t directory = m.size;
    for (size_t k = 0; k < n; k++) {
        put(&m, "PK\1\2", 4);
        put_little(&m, 2, 45);
        put_member(&m, &members[k], large);
        put_little(&m, 2, large ? 20 : 0);
        put_little(&m, 6, 0);
        put_little(&m, 4, 0);
        put_little(&m, 4, members[k].offset);
        put_text(&m, members[k].name);
        if (large)
            put_sizes(&m, &members[k]);
    }
    size_t size = m.size - directory;
    if (large) {
        put(&m, "PK\6\6", 4);
        put_little(&m, 8, 44);
        put_little(&m, 4, 0x2d002d);
        put_little(&m, 8, 0);
        put_little(&m, 8, n);
        put_little(&m, 8, n);
        put_little(&m, 8, size);
        put_little(&m, 8, directory);
        put(&m, "PK\6\7", 4);
        put_little(&m, 4, 0);
        put_little(&m, 8, directory + size);
        put_little(&m, 4, 1);
    }
    put(&m, "PK\5\6", 4);
    put_little(&m, 4, 0);
    put_little(&m, 2, n);
    put_little(&m, 2, n);
    put_little(&m, 4, size);
    put_little(&m, 4, directory);
    put_little(&m, 2, below(&m, 10) == 0 ? 3 : 0);
    if (bytes[m.size - 2] == 3)
        put(&m, "hi!", 3);
    for (size_t changes = below(&m, 3); changes > 0; changes--) {
        size_t at = below(&m, 3) == 0 ? below(&m, m.size) : directory + below(&m, m.size - directory);
        if (below(&m, 2) == 0)
            bytes[at] ^= (unsigned char)(1u << below(&m, 8));
        else
            change_bytes(&m, at);
        directory = directory < m.size ? directory : 0;
    }
    return m.size;
}

/* ---- csv ---- */

size_t mutant_csv(int i, unsigned char bytes[MUTANT_ROOM])
{
    static const char *const numbers[] = {"0",        "-1",
                                          "2.5",      "1e3",
                                          ".5",       "+7",
                                          " 4 ",      "\"6\"",
                                          "1e-400",   "9007199254740993",
                                          "0.1",      "-inf",
                                          "Infinity", "123456789012345678901",
                                          "1E22",     "5."};
    static const char *const missing[] = {"", "NA", "nan", "null", "\"\"", "#N/A"};
    static const char *const odd[] = {"x", "1.2.3", "0x1", "1e", "\"1\"2", "--1", "1 2", "?", "\"a\nb\"", "\xff"};
    static const char *const ends[] = {"\n", "\r\n", "\r", "\n\n"};
    struct mutant m = start(i, bytes);
    size_t columns = 1 + below(&m, 4), rows = below(&m, 6), end = below(&m, 8) == 0 ? below(&m, 4) : below(&m, 2);
    for (size_t row = 0; row <= rows; row++) {
        for (size_t k = 0; k < columns; k++) {
            put_text(&m, k ? "," : "");
            if (row == 0) {
                bool quoted = below(&m, 10) == 0;
                put_text(&m, quoted ? "\"a,b" : "c");
                put_number(&m, below(&m, 50) == 0 ? 0 : (long long)k);
                put_text(&m, quoted ? "\"" : "");
                continue;
            }
            size_t which = below(&m, 60);
            put_text(&m, which == 0                 ? odd[below(&m, sizeof odd / sizeof *odd)]
                         : which < 8 && columns > 1 ? missing[below(&m, sizeof missing / sizeof *missing)]
                                                    : numbers[below(&m, sizeof numbers / sizeof *numbers)]);
        }
        if (row < rows || below(&m, 3) != 0)
            put_text(&m, ends[end]);
    }
    for (size_t changes = below(&m, 5) == 0 ? 1 + below(&m, 2) : 0; changes > 0; changes--)
        change_bytes(&m, 0);
    return m.size;
}

/* ---- idx ---- */

size_t mutant_idx(int i, unsigned char bytes[MUTANT_ROOM])
{
    struct mutant m = start(i, bytes);
    size_t axes = 1 + below(&m, 3), numel = 1;
    unsigned char magic[4] = {0, 0, 8, (unsigned char)axes};
    put(&m, magic, sizeof magic);
    for (size_t k = 0; k < axes; k++) {
        unsigned char size = (unsigned char)(below(&m, 20) == 0 ? 0 : 1 + below(&m, 5)), word[4] = {0, 0, 0, size};
        put(&m, word, sizeof word);
        numel *= size;
    }
    size_t header = m.size;
    for (size_t k = 0; k < numel; k++) {
        unsigned char pixel = (unsigned char)(next(&m) >> 56);
        put(&m, &pixel, 1);
    }
    for (size_t changes = below(&m, 3); changes > 0; changes--)
        if (below(&m, 4) == 0)
            change_bytes(&m, below(&m, m.size + 1));
        else if (m.size >= header)
            bytes[below(&m, header)] ^= (unsigned char)(1u << below(&m, 8));
    return m.size;
}

/* ---- ts ---- */

struct series {
    size_t dimensions, length, n_classes;
    bool equal, missing, classes, targets;
};
static const char *const class_names[] = {"1", "two", "Three", "\xc3\xa9", "-1"};

static const char *truth(struct mutant *m, bool value)
{
    static const char *const words[] = {"false", "true", "False", "TRUE"};
    return words[value + (below(m, 8) == 0 ? 2 : 0)];
}

/* A line of the head, now and then without what the word takes, or with more. */
static void put_statement(struct mutant *m, const char *word, const char *value)
{
    put_text(m, word);
    if (*value && below(m, 100) != 0) {
        put_text(m, below(m, 12) == 0 ? "\t " : " ");
        put_text(m, value);
    }
    put_text(m, below(m, 100) == 0 ? " x" : "");
    put_text(m, below(m, 12) == 0 ? "\r\n" : "\n");
}

static void put_classes(struct mutant *m, const struct series *s)
{
    char text[64] = "false";
    if (s->classes) {
        strcpy(text, "true");
        for (size_t k = 0; k < s->n_classes; k++) {
            strcat(text, " ");
            strcat(text, class_names[below(m, 60) == 0 ? 0 : k]);
        }
    }
    put_statement(m, "@classLabel", text);
}

static void put_ts_head(struct mutant *m, const struct series *s)
{
    enum { WORDS = 10 };
    char number[24];
    const char *value;
    size_t first = below(m, 4) == 0 ? below(m, WORDS) : 0;
    for (size_t k = 0; k < WORDS; k++) {
        size_t word = (first + k) % WORDS;
        /* Without a label the rest of the line is another; any other word may be left out. */
        if (word < 8 && below(m, 4) == 0)
            continue;
        switch (word) {
        case 0:
            put_text(m, below(m, 2) == 0 ? "# as it was, \xc3\xa9\n" : "\n");
            break;
        case 1:
            put_statement(m, "@problemName", below(m, 3) == 0 ? "Two Words" : "Flow");
            break;
        case 2:
            value = truth(m, below(m, 60) == 0);
            put_statement(m, below(m, 2) == 0 ? "@timeStamps" : "@timestamps", value);
            break;
        case 3:
            value = truth(m, s->missing);
            put_statement(m, below(m, 60) == 0 ? "@mising" : "@missing", value);
            break;
        case 4:
            put_statement(m, "@univariate", truth(m, s->dimensions == 1));
            break;
        case 5:
            snprintf(number, sizeof number, "%zu", s->dimensions + (below(m, 60) == 0));
            put_statement(m, below(m, 2) == 0 ? "@dimensions" : "@dimension", number);
            break;
        case 6:
            put_statement(m, "@equalLength", truth(m, s->equal));
            break;
        case 7:
            snprintf(number, sizeof number, "%zu", s->length);
            if (s->equal)
                put_statement(m, "@seriesLength", number);
            break;
        case 8:
            if (s->classes || below(m, 2) == 0)
                put_classes(m, s);
            break;
        default:
            if (s->targets || below(m, 2) == 0)
                put_statement(m, "@targetLabel", truth(m, s->targets));
        }
    }
    put_statement(m, below(m, 8) == 0 ? "@DATA" : "@data", "");
}

static void put_series(struct mutant *m, const struct series *s)
{
    static const char *const numbers[] = {"0",    "-1",       "2.5", "1e3",  ".5", "+7",  " 4 ",
                                          "-inf", "Infinity", "0.1", "1E22", "5.", "1e39"};
    static const char *const odd[] = {"x", "1.2.3", "0x1", "1e", "--1", "1 2", "", "1_0", "-nan", "??", "?1", "\xff"};
    static const char *const missing[] = {"?", "NaN", "nan", " ? "};
    size_t length = s->equal && below(m, 100) != 0 ? s->length : 1 + below(m, 4);
    size_t dimensions = s->dimensions + (below(m, 100) == 0);
    for (size_t d = 0; d < dimensions; d++) {
        size_t n = length + (below(m, 150) == 0);
        for (size_t k = 0; k < n; k++) {
            bool lacks = below(m, 8) == 0 && (s->missing || below(m, 20) == 0);
            put_text(m, k ? "," : d ? ":" : "");
            put_text(m, below(m, 200) == 0 ? odd[below(m, sizeof odd / sizeof *odd)]
                        : lacks            ? missing[below(m, sizeof missing / sizeof *missing)]
                                           : numbers[below(m, sizeof numbers / sizeof *numbers)]);
        }
    }
    if (s->classes || s->targets)
        put_text(m, below(m, 12) == 0 ? " : " : ":");
    if (s->classes)
        put_text(m, class_names[below(m, s->n_classes + (below(m, 60) == 0))]);
    if (s->targets)
        put_text(m, numbers[below(m, sizeof numbers / sizeof *numbers)]);
}

size_t mutant_ts(int i, unsigned char bytes[MUTANT_ROOM])
{
    static const char *const ends[] = {"\n", "\r\n", "\n\n", " \n"};
    struct mutant m = start(i, bytes);
    size_t label = below(&m, 3), count = below(&m, 30) == 0 ? 0 : 1 + below(&m, 4);
    struct series s = {.dimensions = 1 + below(&m, 3),
                       .length = 1 + below(&m, 4),
                       .n_classes = 1 + below(&m, 4),
                       .equal = below(&m, 2) == 0,
                       .missing = below(&m, 2) == 0,
                       .classes = label == 1,
                       .targets = label == 2};
    put_ts_head(&m, &s);
    for (size_t k = 0; k < count; k++) {
        put_series(&m, &s);
        if (k + 1 < count || below(&m, 3) != 0)
            put_text(&m, below(&m, 4) == 0 ? ends[below(&m, 4)] : "\n");
    }
    for (size_t changes = below(&m, 3); changes > 0; changes--)
        if (below(&m, 4) == 0)
            change_number(&m, 0, m.size);
        else
            change_bytes(&m, 0);
    return m.size;
}

/* ---- Checkpoints ---- */

/* A word of the values, mostly of the first, which are numbers of 8 bytes, becomes one that is legal in few places.
 * Whether it is one of the first. */
static bool change_value(struct mutant *m, size_t from)
{
    static const double reals[] = {NAN, INFINITY, -INFINITY, -1, 0, 0.5, 1, 2, 1e300, 0x1p53, 1e19};
    /* Not -1, which a loader takes for no epoch, and so drops its seed, and no zero with a sign, which an option drops.
     */
    static const int64_t integers[] = {-2, 1, 2, 3, 4, 5, 6, 7, INT32_MAX, (int64_t)1 << 32, INT64_MAX, -INT64_MAX};
    size_t words = (m->size - from) / 8, first = words < 64 ? words : 64;
    size_t at = below(m, below(m, 4) ? first : words);
    unsigned char *word = m->bytes + from + 8 * at;
    if (below(m, 2))
        memcpy(word, &reals[below(m, sizeof reals / sizeof *reals)], 8);
    else
        memcpy(word, &integers[below(m, sizeof integers / sizeof *integers)], 8);
    return at < first;
}

/* One small change of the header, to which the values move up or down. */
static void change_header(struct mutant *m, size_t end)
{
    unsigned char values[CHECKPOINT_ROOM];
    size_t size = m->size - end;
    memcpy(values, m->bytes + end, size);
    m->size = end;
    if (below(m, 2))
        change_number(m, 8, end);
    else
        change_bytes(m, 8);
    put_length(m, m->size - 8);
    put(m, values, size);
}

size_t mutant_checkpoint(int i, const unsigned char *good, size_t size, unsigned char bytes[CHECKPOINT_ROOM],
                         bool *only_numbers)
{
    struct mutant m = start(i, bytes);
    uint64_t header;
    m.room = CHECKPOINT_ROOM;
    put(&m, good, size);
    *only_numbers = true;
    for (size_t changes = 1 + below(&m, 3); changes > 0; changes--) {
        memcpy(&header, m.bytes, sizeof header);
        if (below(&m, 4) > 0)
            *only_numbers = change_value(&m, 8 + (size_t)header) && *only_numbers;
        else {
            *only_numbers = false;
            change_header(&m, 8 + (size_t)header);
        }
    }
    return m.size;
}
