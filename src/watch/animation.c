/* Animations: PNG files taken apart into their chunks, and joined. */
#include "buffer.h"

#include <errno.h>
#include <reel/context.h>
#include <reel/watch/animation.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

static const char signature[] = "\x89PNG\r\n\x1a\n";

enum {
    SIGNATURE_SIZE = 8,
    CHUNK_FRAME = 12,       /* what a chunk has besides its data: length, type, CRC */
    HEADER_SIZE = 13,       /* of IHDR's data */
    COLOR_TYPE = 9,         /* where that has it */
    PALETTE = 3,            /* which it may not be */
    MOST_SECONDS = 65,      /* times are 16 bits of thousandths */
    MOST_CHUNK = 0x7fffffff /* lengths, and numbers of frames, are 31 bits */
};

struct chunk {
    const char *type, *data;
    uint32_t size;
};

reel_animation_options reel_animation_defaults(void)
{
    return (reel_animation_options){
        .mark = REEL_OPTIONS_MARK(reel_animation_options), .seconds = 0.25, .last_seconds = 2};
}

/* ---- Reading ---- */

static uint32_t take_32(const char *bytes)
{
    const unsigned char *b = (const unsigned char *)bytes;
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static uint32_t crc_of(const char *type_and_data, size_t size)
{
    return (uint32_t)crc32(0, (const Bytef *)type_and_data, (uInt)size);
}

/* The chunk at *at, which goes on to the next; false when it is not whole. */
static bool take_chunk(const struct buffer *png, size_t *at, struct chunk *chunk)
{
    size_t left = png->size - *at;
    const char *bytes = png->bytes + *at;
    uint32_t size = left < CHUNK_FRAME ? UINT32_MAX : take_32(bytes);
    if (size > MOST_CHUNK || size > left - CHUNK_FRAME || take_32(bytes + 8 + size) != crc_of(bytes + 4, 4 + size))
        return false;
    *chunk = (struct chunk){.type = bytes + 4, .data = bytes + 8, .size = size};
    *at += CHUNK_FRAME + size;
    return true;
}

static bool is(const struct chunk *chunk, const char *type)
{
    return memcmp(chunk->type, type, 4) == 0;
}

/* Reads a picture that is a whole PNG of a kind that can be joined; its header's data are then at the same place in all
 * of them. The context's status. */
static reel_status read_picture(reel_context *c, const char *path, struct buffer *png)
{
    struct chunk chunk;
    size_t at = SIGNATURE_SIZE;
    bool pixels = false;
    buffer_free(png);
    if (!buffer_read(png, path))
        return reel_fail(c, REEL_ERROR_IO, "animation: \"%s\": %s", path, strerror(errno));
    if (png->incomplete)
        return reel_fail(c, REEL_ERROR_OUT_OF_MEMORY, "animation: out of memory for \"%s\"", path);
    bool whole = png->size > SIGNATURE_SIZE && memcmp(png->bytes, signature, SIGNATURE_SIZE) == 0 &&
                 take_chunk(png, &at, &chunk) && is(&chunk, "IHDR") && chunk.size == HEADER_SIZE;
    if (whole && chunk.data[COLOR_TYPE] == PALETTE)
        return reel_fail(c, REEL_ERROR_FORMAT, "animation: \"%s\" has a palette", path);
    while (whole && !is(&chunk, "IEND")) {
        whole = take_chunk(png, &at, &chunk);
        pixels = pixels || (whole && is(&chunk, "IDAT"));
    }
    if (!whole || !pixels)
        return reel_fail(c, REEL_ERROR_FORMAT, "animation: \"%s\" is not a whole PNG", path);
    return REEL_OK;
}

static const char *header_of(const struct buffer *png)
{
    return png->bytes + SIGNATURE_SIZE + 8;
}

/* ---- Writing ---- */

static char *put_32(char *to, uint32_t number)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        *to++ = (char)(number >> shift & 0xff);
    return to;
}

/* A chunk whose data begin with the bytes `head` of that many. */
static void put_chunk(struct buffer *b, const char *type, const char *head, uint32_t head_size, const char *data,
                      uint32_t size)
{
    char number[4];
    size_t begin = b->size + 4;
    buffer_add(b, number, (size_t)(put_32(number, head_size + size) - number));
    buffer_add(b, type, 4);
    buffer_add(b, head, head_size);
    buffer_add(b, data, size);
    if (b->incomplete)
        return;
    buffer_add(b, number, (size_t)(put_32(number, crc_of(b->bytes + begin, b->size - begin)) - number));
}

/* The pixels of a picture: as they are, or with a sequence NULL is not, as those of a frame. */
static void put_pixels(struct buffer *b, const struct buffer *png, uint32_t *sequence)
{
    struct chunk chunk;
    for (size_t at = SIGNATURE_SIZE; take_chunk(png, &at, &chunk) && !is(&chunk, "IEND");) {
        char number[4];
        if (!is(&chunk, "IDAT"))
            continue;
        if (!sequence)
            put_chunk(b, "IDAT", NULL, 0, chunk.data, chunk.size);
        else
            put_chunk(b, "fdAT", number, (uint32_t)(put_32(number, (*sequence)++) - number), chunk.data, chunk.size);
    }
}

/* A frame of the whole picture, which replaces the one before. */
static void put_frame(struct buffer *b, const struct buffer *png, double seconds, uint32_t *sequence)
{
    enum { X_AND_Y = 8, DISPOSE_AND_BLEND = 2 };
    const uint32_t thousandths = (uint32_t)(seconds * 1000 + 0.5);
    char control[26] = {0}, *at = put_32(control, (*sequence)++);
    memcpy(at, header_of(png), 8); /* width and height */
    at = put_32(at + 8 + X_AND_Y, thousandths << 16 | 1000);
    put_chunk(b, "fcTL", control, (uint32_t)(at - control) + DISPOSE_AND_BLEND, NULL, 0);
    put_pixels(b, png, sequence);
}

static void join(reel_context *c, const char *const *pictures, int64_t n, const reel_animation_options *o,
                 struct buffer *to)
{
    struct buffer last = {0}, png = {0};
    char frames[8];
    uint32_t sequence = 0;
    if (read_picture(c, pictures[n - 1], &last) == REEL_OK) {
        buffer_add(to, signature, SIGNATURE_SIZE);
        put_chunk(to, "IHDR", NULL, 0, header_of(&last), HEADER_SIZE);
        put_32(put_32(frames, (uint32_t)n), 0);
        put_chunk(to, "acTL", frames, sizeof frames, NULL, 0);
        put_pixels(to, &last, NULL);
    }
    for (int64_t i = 0; i < n && reel_context_status(c) == REEL_OK; i++) {
        if (i == n - 1)
            put_frame(to, &last, o->last_seconds, &sequence);
        else if (read_picture(c, pictures[i], &png) == REEL_OK) {
            if (memcmp(header_of(&png), header_of(&last), HEADER_SIZE) != 0)
                reel_fail(c, REEL_ERROR_SHAPE, "animation: \"%s\" has another size or kind of pixels than \"%s\"",
                          pictures[i], pictures[n - 1]);
            else
                put_frame(to, &png, o->seconds, &sequence);
        }
    }
    put_chunk(to, "IEND", NULL, 0, NULL, 0);
    buffer_free(&last);
    buffer_free(&png);
}

reel_status reel_animation_save(reel_context *context, const char *path, const char *const *pictures, int64_t n,
                                const reel_animation_options *options)
{
    reel_animation_options o = reel_animation_defaults();
    if (reel_options_take(context, "animation", options, &o) != REEL_OK)
        return context ? reel_context_status(context) : REEL_ERROR_ARGUMENT;
    if (!path || !pictures || n < 1 || n > MOST_CHUNK)
        return reel_fail(context, REEL_ERROR_ARGUMENT, "animation: %s",
                         !path       ? "the path is NULL"
                         : !pictures ? "the pictures are NULL"
                                     : "n is outside 1..2^31 - 1");
    for (int64_t i = 0; i < n; i++)
        if (!pictures[i])
            return reel_fail(context, REEL_ERROR_ARGUMENT, "animation: picture %lld is NULL", (long long)i);
    if (!(o.seconds >= 0 && o.seconds <= MOST_SECONDS && o.last_seconds >= 0 && o.last_seconds <= MOST_SECONDS))
        return reel_fail(context, REEL_ERROR_ARGUMENT, "animation: seconds %g and last_seconds %g are to be 0..%d",
                         o.seconds, o.last_seconds, MOST_SECONDS);
    struct buffer png = {0};
    join(context, pictures, n, &o, &png);
    if (reel_context_status(context) == REEL_OK)
        buffer_save(&png, context, path);
    buffer_free(&png);
    return reel_context_status(context);
}
