/* A scanner for the literal that the header of an npy file is: a dictionary of a string, a truth and a tuple of whole
 * numbers, as numpy writes it. Python would take more spellings; whatever it refuses is refused here. */
#include "files/npy_header.h"

#include "base/checked.h"
#include "base/shape.h"

#include <stdio.h>
#include <string.h>

static const char magic[REEL_NPY_MAGIC + 1] = "\x93NUMPY";

/* ---- Types ---- */

static const struct {
    const char *descr, *type; /* without the order of the bytes */
} types[] = {{"f4", "F32"}, {"f8", "F64"}, {"f2", "F16"}, {"V2", "BF16"}, {"i8", "I64"}, {"i4", "I32"}, {"i2", "I16"},
             {"i1", "I8"},  {"u8", "U64"}, {"u4", "U32"}, {"u2", "U16"},  {"u1", "U8"},  {"b1", "BOOL"}};
enum { TYPES = sizeof types / sizeof *types };

static void describe_type(struct reel_npy_header *header)
{
    const char *descr = header->descr;
    bool has_order = *descr && strchr("<>|=", *descr);
    for (int i = 0; i < TYPES; i++)
        if (strcmp(types[i].descr, descr + has_order) == 0)
            header->type = reel_tensor_type_named(types[i].type);
    header->swapped = *descr == '>' && header->type && header->type->bits > 8;
}

/* ---- The scanner ---- */

struct scanner {
    const struct reel_input *input;
    const char *name;
    const char *text;
    int64_t size, at;
};

static bool refuse(struct scanner *s, const char *what)
{
    char name[REEL_PRINTABLE];
    reel_input_fail(s->input, REEL_ERROR_FORMAT, "array \"%s\": byte %lld of the header: %s",
                    reel_printable(s->name, name), (long long)s->at, what);
    return false;
}

static void skip_space(struct scanner *s)
{
    while (s->at < s->size && s->text[s->at] && strchr(" \t\r\n", s->text[s->at]))
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

/* A word that ends where it ends here. */
static bool take_word(struct scanner *s, const char *word)
{
    int64_t length = (int64_t)strlen(word);
    skip_space(s);
    if (s->size - s->at < length || memcmp(s->text + s->at, word, (size_t)length) != 0)
        return false;
    char after = s->at + length < s->size ? s->text[s->at + length] : ' ';
    if (!after || !strchr(" \t\r\n,}", after))
        return false;
    s->at += length;
    return true;
}

/* A string of up to room - 1 characters of ASCII, without escapes. */
static bool string(struct scanner *s, char *out, int64_t room)
{
    skip_space(s);
    char quote = s->at < s->size ? s->text[s->at] : '\0';
    if (quote != '\'' && quote != '"')
        return refuse(s, "a string expected");
    int64_t first = ++s->at;
    for (; s->at < s->size && s->text[s->at] != quote; s->at++)
        if (s->text[s->at] < 0x20 || s->text[s->at] > 0x7e || s->text[s->at] == '\\' || s->at - first + 1 >= room)
            return refuse(s, "a string that numpy does not write");
    if (s->at == s->size)
        return refuse(s, "a string without end");
    memcpy(out, s->text + first, (size_t)(s->at - first));
    out[s->at++ - first] = '\0';
    return true;
}

static bool integer(struct scanner *s, int64_t *out)
{
    skip_space(s);
    int64_t first = s->at, value = 0;
    for (; s->at < s->size && s->text[s->at] >= '0' && s->text[s->at] <= '9'; s->at++)
        if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, s->text[s->at] - '0', &value))
            return refuse(s, "a size that does not fit 64 bits");
    /* A letter behind it makes it another number to Python: 0x1. */
    if (s->at == first || (s->at > first + 1 && s->text[first] == '0') ||
        (s->at < s->size && !strchr(" \t\r\n,)", s->text[s->at])))
        return refuse(s, "a whole number from 0 up expected");
    *out = value;
    return true;
}

/* One axis has a comma behind it, (3,), and (3) is a number and no tuple. */
static bool shape(struct scanner *s, reel_shape *out)
{
    out->ndim = 0;
    if (!expect(s, '('))
        return false;
    while (!take(s, ')')) {
        if (out->ndim == REEL_MAX_NDIM)
            return refuse(s, "a shape of more than 8 axes");
        if (!integer(s, &out->dim[out->ndim++]))
            return false;
        bool comma = take(s, ',');
        if (!comma && out->ndim == 1)
            return refuse(s, "',' expected");
        if (!comma)
            return expect(s, ')');
    }
    return true;
}

static bool dictionary(struct scanner *s, struct reel_npy_header *header)
{
    static const char *const keys[] = {"descr", "fortran_order", "shape"};
    enum { KEYS = 3, ALL = 7 };
    unsigned seen = 0;
    /* Python takes no line before the dictionary that is indented. */
    while (s->at < s->size && (s->text[s->at] == ' ' || s->text[s->at] == '\t'))
        s->at++;
    if (s->at == s->size || s->text[s->at] != '{')
        return refuse(s, "it must begin with '{'");
    s->at++;
    while (!take(s, '}')) {
        char key[16];
        int k = 0;
        if (!string(s, key, sizeof key))
            return false;
        while (k < KEYS && strcmp(key, keys[k]) != 0)
            k++;
        if (k == KEYS || seen & 1u << k)
            return refuse(s, "a key that is repeated, or none of descr, fortran_order, shape");
        seen |= 1u << k;
        if (!expect(s, ':') || (k == 0 && !string(s, header->descr, sizeof header->descr)) ||
            (k == 2 && !shape(s, &header->shape)))
            return false;
        if (k == 1 && !(header->fortran = take_word(s, "True")) && !take_word(s, "False"))
            return refuse(s, "True or False expected");
        if (!take(s, ',')) {
            if (!expect(s, '}'))
                return false;
            break;
        }
    }
    if (seen != ALL)
        return refuse(s, "descr, fortran_order or shape is missing");
    skip_space(s);
    return s->at == s->size || refuse(s, "something follows the closing '}'");
}

/* ---- The header ---- */

static reel_status refuse_header(const struct reel_input *input, const char *name, const char *what)
{
    char printable[REEL_PRINTABLE];
    return reel_input_fail(input, REEL_ERROR_FORMAT, "array \"%s\" %s", reel_printable(name, printable), what);
}

reel_status reel_npy_header_read(const struct reel_input *input, const char *name, struct reel_source *source,
                                 int64_t available, struct reel_npy_header *header)
{
    unsigned char start[REEL_NPY_MAGIC + 2 + 4];
    char text[REEL_NPY_LONGEST];
    reel_context *c = input->context;
    memset(header, 0, sizeof *header);
    if (available < REEL_NPY_MAGIC + 4)
        return refuse_header(input, name, "is too short for a header of numpy's");
    if (source->read(source, start, REEL_NPY_MAGIC + 4) != REEL_OK)
        return c->status;
    if (memcmp(start, magic, REEL_NPY_MAGIC) != 0)
        return refuse_header(input, name, "is not in numpy's format: it does not begin with \\x93NUMPY");
    int version = start[REEL_NPY_MAGIC];
    const unsigned char *length = start + REEL_NPY_MAGIC + 2;
    if (version < 1 || version > 3 || length[-1] != 0)
        return refuse_header(input, name, "has another version than 1.0, 2.0 and 3.0");
    int64_t size = length[0] | length[1] << 8;
    header->size = REEL_NPY_MAGIC + 4;
    if (version > 1) {
        if (available < REEL_NPY_MAGIC + 6)
            return refuse_header(input, name, "is too short for a header of numpy's");
        if (source->read(source, start + REEL_NPY_MAGIC + 4, 2) != REEL_OK)
            return c->status;
        size |= (int64_t)length[2] << 16 | (int64_t)length[3] << 24;
        header->size += 2;
    }
    if (size > REEL_NPY_LONGEST || size > available - header->size)
        return refuse_header(input, name, "has a header that does not end with the file, or is above 10000 bytes");
    if (source->read(source, text, size) != REEL_OK)
        return c->status;
    header->size += size;
    struct scanner s = {.input = input, .name = name, .text = text, .size = size};
    if (!dictionary(&s, header))
        return c->status;
    describe_type(header);
    header->numel = reel_shape_numel(&header->shape);
    if (header->numel < 0)
        return refuse_header(input, name, "has a shape of too many elements");
    size_t bytes;
    char printable[REEL_PRINTABLE], axes[REEL_SHAPE_TEXT];
    if (header->type && (!reel_multiply_size(header->numel, (size_t)header->type->bits / 8, &bytes) ||
                         bytes != (size_t)(available - header->size)))
        return reel_input_fail(input, REEL_ERROR_FORMAT,
                               "array \"%s\" is %s %s, which is not just the %lld bytes that follow its header",
                               reel_printable(name, printable), header->descr, reel_shape_text(&header->shape, axes),
                               (long long)(available - header->size));
    return REEL_OK;
}

int64_t reel_npy_header_write(reel_dtype dtype, const reel_shape *axes, char text[REEL_NPY_WRITTEN])
{
    const char *type = reel_tensor_type_name(dtype);
    int k = 0;
    while (strcmp(types[k].type, type) != 0)
        k++;
    /* numpy leaves room for the first axis to grow to 20 digits, and lets the elements begin at a multiple of 64. */
    enum { START = REEL_NPY_MAGIC + 4, LONGEST_NUMBER = 21, ALIGNMENT = 64 };
    int digits = 0, at = START;
    at += snprintf(text + at, REEL_NPY_WRITTEN - START, "{'descr': '%c%s', 'fortran_order': False, 'shape': (",
                   dtype == REEL_BOOL ? '|' : '<', types[k].descr);
    for (int i = 0; i < axes->ndim; i++) {
        int written = snprintf(text + at, (size_t)(REEL_NPY_WRITTEN - at), "%lld", (long long)axes->dim[i]);
        digits = i == 0 ? written : digits;
        at += written;
        at += snprintf(text + at, (size_t)(REEL_NPY_WRITTEN - at), "%s",
                       axes->ndim == 1      ? ","
                       : i + 1 < axes->ndim ? ", "
                                            : "");
    }
    at += snprintf(text + at, (size_t)(REEL_NPY_WRITTEN - at), "), }%*s", axes->ndim > 0 ? LONGEST_NUMBER - digits : 0,
                   "");
    do
        text[at++] = ' ';
    while ((at + 1) % ALIGNMENT != 0);
    text[at++] = '\n';
    int size = at - START;
    memcpy(text, magic, REEL_NPY_MAGIC);
    text[REEL_NPY_MAGIC] = 1;
    text[REEL_NPY_MAGIC + 1] = 0;
    text[REEL_NPY_MAGIC + 2] = (char)(size & 0xff);
    text[REEL_NPY_MAGIC + 3] = (char)(size >> 8);
    return at;
}
