/* Event files of TensorBoard, written and read: records, and of protobuf the few messages that they hold. */
#include "events.h"

#include <stdlib.h>
#include <string.h>

/* ---- Records ---- */

static uint32_t crc32c(const void *bytes, size_t size)
{
    const unsigned char *from = bytes;
    uint32_t crc = 0xffffffffu;
    for (size_t i = 0; i < size; i++) {
        crc ^= from[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (0x82f63b78u & (0u - (crc & 1)));
    }
    return ~crc;
}

uint32_t masked_crc32c(const void *bytes, size_t size)
{
    uint32_t crc = crc32c(bytes, size);
    return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

static void put_fixed(struct buffer *b, uint64_t value, int bytes)
{
    unsigned char text[8];
    for (int i = 0; i < bytes; i++)
        text[i] = (unsigned char)(value >> 8 * i);
    buffer_add(b, text, (size_t)bytes);
}

static uint64_t get_fixed(const char *from, int bytes)
{
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++)
        value |= (uint64_t)(unsigned char)from[i] << 8 * i;
    return value;
}

static void put_record(struct buffer *b, const struct buffer *message)
{
    struct buffer length = {0};
    put_fixed(&length, message->size, 8);
    buffer_add(b, length.bytes, length.size);
    put_fixed(b, length.bytes ? masked_crc32c(length.bytes, length.size) : 0, 4);
    buffer_add(b, message->bytes, message->size);
    put_fixed(b, masked_crc32c(message->bytes, message->size), 4);
    b->incomplete = b->incomplete || length.incomplete || message->incomplete;
    buffer_free(&length);
}

/* ---- Messages ---- */

enum wire { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

static void put_varint(struct buffer *b, uint64_t value)
{
    unsigned char text[10];
    int n = 0;
    do {
        text[n] = (unsigned char)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
        value >>= 7;
        n++;
    } while (value > 0);
    buffer_add(b, text, (size_t)n);
}

static void put_key(struct buffer *b, int field, enum wire wire)
{
    put_varint(b, (uint64_t)field << 3 | (uint64_t)wire);
}

static void put_integer(struct buffer *b, int field, int64_t value)
{
    put_key(b, field, WIRE_VARINT);
    put_varint(b, (uint64_t)value);
}

static uint64_t bits_of_double(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static void put_double(struct buffer *b, int field, double value)
{
    put_key(b, field, WIRE_FIXED64);
    put_fixed(b, bits_of_double(value), 8);
}

static void put_float(struct buffer *b, int field, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_key(b, field, WIRE_FIXED32);
    put_fixed(b, bits, 4);
}

static void put_bytes(struct buffer *b, int field, const void *bytes, size_t size)
{
    put_key(b, field, WIRE_BYTES);
    put_varint(b, size);
    buffer_add(b, bytes, size);
}

static void put_text(struct buffer *b, int field, const char *text)
{
    put_bytes(b, field, text, strlen(text));
}

/* A message inside another one; frees it. */
static void put_message(struct buffer *b, int field, struct buffer *message)
{
    put_bytes(b, field, message->bytes, message->size);
    b->incomplete = b->incomplete || message->incomplete;
    buffer_free(message);
}

static void put_doubles(struct buffer *b, int field, const double *values, int n)
{
    put_key(b, field, WIRE_BYTES);
    put_varint(b, (uint64_t)n * 8);
    for (int i = 0; i < n; i++)
        put_fixed(b, bits_of_double(values[i]), 8);
}

/* Numbers of fields, of tensorflow's event.proto, summary.proto, histogram.proto, tensor.proto. */
enum { EVENT_WALL_TIME = 1, EVENT_STEP = 2, EVENT_FILE_VERSION = 3, EVENT_SUMMARY = 5, EVENT_SESSION_LOG = 7 };
enum { SUMMARY_VALUE = 1 };
enum { VALUE_TAG = 1, VALUE_SIMPLE = 2, VALUE_IMAGE = 4, VALUE_HISTOGRAM = 5, VALUE_TENSOR = 8, VALUE_METADATA = 9 };
enum { IMAGE_HEIGHT = 1, IMAGE_WIDTH = 2, IMAGE_COLORSPACE = 3, IMAGE_ENCODED = 4 };
enum { HISTO_MIN = 1, HISTO_MAX, HISTO_NUM, HISTO_SUM, HISTO_SUM_SQUARES, HISTO_LIMIT, HISTO_BUCKET };
enum { TENSOR_DTYPE = 1, TENSOR_SHAPE = 2, TENSOR_STRING = 8, SHAPE_DIM = 2, DIM_SIZE = 1, DTYPE_STRING = 7 };
enum { METADATA_PLUGIN = 1, PLUGIN_NAME = 1, SESSION_STATUS = 1, SESSION_START = 1 };

static void put_image(struct buffer *value, const struct event_image *image)
{
    struct buffer b = {0};
    put_integer(&b, IMAGE_HEIGHT, image->height);
    put_integer(&b, IMAGE_WIDTH, image->width);
    put_integer(&b, IMAGE_COLORSPACE, image->channels);
    put_bytes(&b, IMAGE_ENCODED, image->png, image->size);
    put_message(value, VALUE_IMAGE, &b);
}

static void put_histogram(struct buffer *value, const struct histogram *h)
{
    struct buffer b = {0};
    put_double(&b, HISTO_MIN, h->min);
    put_double(&b, HISTO_MAX, h->max);
    put_double(&b, HISTO_NUM, h->n);
    put_double(&b, HISTO_SUM, h->sum);
    put_double(&b, HISTO_SUM_SQUARES, h->sum_of_squares);
    put_doubles(&b, HISTO_LIMIT, h->limits, h->buckets);
    put_doubles(&b, HISTO_BUCKET, h->counts, h->buckets);
    put_message(value, VALUE_HISTOGRAM, &b);
}

static void put_string_tensor(struct buffer *value, const char *text, size_t size)
{
    struct buffer plugin = {0}, metadata = {0}, dim = {0}, shape = {0}, tensor = {0};
    put_text(&plugin, PLUGIN_NAME, "text");
    put_message(&metadata, METADATA_PLUGIN, &plugin);
    put_message(value, VALUE_METADATA, &metadata);
    put_integer(&dim, DIM_SIZE, 1);
    put_message(&shape, SHAPE_DIM, &dim);
    put_integer(&tensor, TENSOR_DTYPE, DTYPE_STRING);
    put_message(&tensor, TENSOR_SHAPE, &shape);
    put_bytes(&tensor, TENSOR_STRING, text, size);
    put_message(value, VALUE_TENSOR, &tensor);
}

void event_write(struct buffer *b, const struct event *e)
{
    struct buffer message = {0}, inner = {0}, value = {0};
    put_double(&message, EVENT_WALL_TIME, e->wall_time);
    if (e->step != 0)
        put_integer(&message, EVENT_STEP, e->step);
    if (e->kind == EVENT_VERSION) {
        put_text(&message, EVENT_FILE_VERSION, "brain.Event:2");
    } else if (e->kind == EVENT_START) {
        put_integer(&inner, SESSION_STATUS, SESSION_START);
        put_message(&message, EVENT_SESSION_LOG, &inner);
    } else {
        put_text(&value, VALUE_TAG, e->name);
        if (e->kind == EVENT_SCALAR)
            put_float(&value, VALUE_SIMPLE, (float)e->scalar);
        else if (e->kind == EVENT_IMAGE)
            put_image(&value, &e->image);
        else if (e->kind == EVENT_HISTOGRAM)
            put_histogram(&value, &e->histogram);
        else
            put_string_tensor(&value, e->text, e->text_size);
        put_message(&inner, SUMMARY_VALUE, &value);
        put_message(&message, EVENT_SUMMARY, &inner);
    }
    put_record(b, &message);
    buffer_free(&message);
}

/* ---- Reading ---- */

/* A message that is gone through: its next field. */
struct reader {
    const char *at, *end;
    int field;
    enum wire wire;
    uint64_t number; /* of varints and fixed numbers, their bits */
    struct span {
        const char *bytes;
        size_t size;
    } span; /* of bytes */
};

static bool get_varint(struct reader *r, uint64_t *value)
{
    *value = 0;
    for (int shift = 0; shift < 64 && r->at < r->end; shift += 7) {
        unsigned char byte = (unsigned char)*r->at++;
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return true;
    }
    return false;
}

/* The next field; false at the end, and at the first thing that is no field. */
static bool next_field(struct reader *r)
{
    uint64_t key;
    if (r->at >= r->end || !get_varint(r, &key) || key >> 3 > 0x1fffffff)
        return false;
    r->field = (int)(key >> 3);
    r->wire = (enum wire)(key & 7);
    size_t left = (size_t)(r->end - r->at);
    if (r->wire == WIRE_VARINT)
        return get_varint(r, &r->number);
    if (r->wire == WIRE_FIXED64 || r->wire == WIRE_FIXED32) {
        int bytes = r->wire == WIRE_FIXED64 ? 8 : 4;
        if (left < (size_t)bytes)
            return false;
        r->number = get_fixed(r->at, bytes);
        r->at += bytes;
        return true;
    }
    uint64_t size;
    if (r->wire != WIRE_BYTES || !get_varint(r, &size) || size > (uint64_t)(r->end - r->at))
        return false;
    r->span = (struct span){r->at, (size_t)size};
    r->at += size;
    return true;
}

static struct reader reader_of(struct span span)
{
    return (struct reader){.at = span.bytes, .end = span.bytes + span.size};
}

static double double_of(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void get_doubles(struct span span, double values[HISTOGRAM_BUCKETS], int *n)
{
    *n = 0;
    for (size_t i = 0; i + 8 <= span.size && *n < HISTOGRAM_BUCKETS; i += 8)
        values[(*n)++] = double_of(get_fixed(span.bytes + i, 8));
}

static void get_image(struct span span, struct event_image *image)
{
    struct reader r = reader_of(span);
    while (next_field(&r)) {
        if (r.field == IMAGE_HEIGHT && r.wire == WIRE_VARINT)
            image->height = (int64_t)r.number;
        else if (r.field == IMAGE_WIDTH && r.wire == WIRE_VARINT)
            image->width = (int64_t)r.number;
        else if (r.field == IMAGE_COLORSPACE && r.wire == WIRE_VARINT)
            image->channels = (int64_t)r.number;
        else if (r.field == IMAGE_ENCODED && r.wire == WIRE_BYTES) {
            image->png = r.span.bytes;
            image->size = r.span.size;
        }
    }
}

static void get_histogram(struct span span, struct histogram *h)
{
    struct reader r = reader_of(span);
    double *const numbers[] = {NULL, &h->min, &h->max, &h->n, &h->sum, &h->sum_of_squares};
    int limits = 0, counts = 0;
    while (next_field(&r)) {
        if (r.wire == WIRE_FIXED64 && r.field >= HISTO_MIN && r.field <= HISTO_SUM_SQUARES)
            *numbers[r.field] = double_of(r.number);
        else if (r.wire == WIRE_BYTES && r.field == HISTO_LIMIT)
            get_doubles(r.span, h->limits, &limits);
        else if (r.wire == WIRE_BYTES && r.field == HISTO_BUCKET)
            get_doubles(r.span, h->counts, &counts);
    }
    h->buckets = limits < counts ? limits : counts;
}

static struct span bytes_in(struct span span, int field)
{
    struct reader r = reader_of(span);
    struct span found = {0};
    while (next_field(&r))
        if (r.field == field && r.wire == WIRE_BYTES)
            found = r.span;
    return found;
}

/* One value of a summary; false when it is of a kind that is not known here. */
static bool get_value(struct span span, struct event *e, struct span *name)
{
    struct reader r = reader_of(span);
    bool known = false;
    *name = (struct span){0};
    while (next_field(&r)) {
        if (r.field == VALUE_TAG && r.wire == WIRE_BYTES) {
            *name = r.span;
        } else if (r.field == VALUE_SIMPLE && r.wire == WIRE_FIXED32) {
            uint32_t bits = (uint32_t)r.number;
            float value;
            memcpy(&value, &bits, sizeof value);
            e->scalar = (double)value;
            e->kind = EVENT_SCALAR;
            known = true;
        } else if (r.field == VALUE_IMAGE && r.wire == WIRE_BYTES) {
            get_image(r.span, &e->image);
            e->kind = EVENT_IMAGE;
            known = e->image.png != NULL;
        } else if (r.field == VALUE_HISTOGRAM && r.wire == WIRE_BYTES) {
            get_histogram(r.span, &e->histogram);
            e->kind = EVENT_HISTOGRAM;
            known = true;
        } else if (r.field == VALUE_TENSOR && r.wire == WIRE_BYTES) {
            struct span text = bytes_in(r.span, TENSOR_STRING);
            e->text = text.bytes;
            e->text_size = text.size;
            e->kind = EVENT_TEXT;
            known = text.bytes != NULL;
        }
    }
    return known && name->bytes;
}

static void read_message(struct span span, void (*take)(void *user, const struct event *event), void *user)
{
    struct event e = {.kind = EVENT_VERSION};
    struct span summary = {0};
    bool session = false;
    struct reader r = reader_of(span);
    while (next_field(&r)) {
        if (r.field == EVENT_WALL_TIME && r.wire == WIRE_FIXED64)
            e.wall_time = double_of(r.number);
        else if (r.field == EVENT_STEP && r.wire == WIRE_VARINT)
            e.step = (int64_t)r.number;
        else if (r.field == EVENT_SUMMARY && r.wire == WIRE_BYTES)
            summary = r.span;
        else if (r.field == EVENT_SESSION_LOG && r.wire == WIRE_BYTES)
            session = true;
    }
    if (!summary.bytes) {
        e.kind = session ? EVENT_START : EVENT_VERSION;
        take(user, &e);
        return;
    }
    struct reader values = reader_of(summary);
    while (next_field(&values)) {
        struct event one = {.wall_time = e.wall_time, .step = e.step};
        struct span name;
        char *copy;
        if (values.field != SUMMARY_VALUE || values.wire != WIRE_BYTES || !get_value(values.span, &one, &name) ||
            !(copy = strndup(name.bytes, name.size)))
            continue;
        one.name = copy;
        take(user, &one);
        free(copy);
    }
}

size_t events_read(const char *bytes, size_t size, void (*take)(void *user, const struct event *event), void *user)
{
    enum { HEAD = 12, FOOT = 4 };
    size_t at = 0;
    while (size - at >= HEAD + FOOT) {
        uint64_t length = get_fixed(bytes + at, 8);
        if (get_fixed(bytes + at + 8, 4) != masked_crc32c(bytes + at, 8) || length > size - at - HEAD - FOOT)
            break;
        struct span message = {bytes + at + HEAD, (size_t)length};
        if (get_fixed(message.bytes + length, 4) != masked_crc32c(message.bytes, message.size))
            break;
        read_message(message, take, user);
        at += HEAD + message.size + FOOT;
    }
    return at;
}
