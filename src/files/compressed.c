/* The only file that knows zlib, whose memory comes from the context too. */
#include "files/compressed.h"

#include <limits.h>
#include <string.h>

/* The next bytes for whom fewer are an error; no `out`: they are passed over. */
static reel_status read_all(struct reel_source *source, void *out, int64_t size)
{
    enum { PIECE = 8192 };
    char passed[PIECE];
    struct reel_inflated *inflated = (struct reel_inflated *)source;
    while (size > 0) {
        int64_t wanted = out || size < PIECE ? size : PIECE,
                got = reel_inflated_read(inflated, out ? out : passed, wanted);
        if (got < 0)
            return inflated->input->context->status;
        if (got < wanted)
            return reel_input_fail(inflated->input, REEL_ERROR_FORMAT,
                                   "it is cut short: the compressed data end too early");
        size -= got;
    }
    return REEL_OK;
}

struct reel_inflated reel_inflated(const struct reel_input *input, enum reel_compression form, int64_t at, int64_t end)
{
    return (struct reel_inflated){.source = {read_all}, .input = input, .form = form, .at = at, .end = end};
}

#ifdef REEL_ZLIB

#include <zlib.h>

enum { WINDOW = 15, BUFFER = 1 << 16 };

static void *allocate_for_zlib(void *user, unsigned count, unsigned size)
{
    reel_context *c = user;
    return reel_allocate(&c->memory, (size_t)count * size);
}

static void free_for_zlib(void *user, void *memory)
{
    reel_context *c = user;
    reel_free(&c->memory, memory);
}

/* ---- Reading ---- */

struct reel_inflating {
    z_stream stream;
    bool ended; /* behind the last member */
    unsigned char buffer[BUFFER];
};

static reel_status begin(struct reel_inflated *inflated)
{
    reel_context *c = inflated->input->context;
    struct reel_inflating *s = inflated->state = reel_allocate_zeroed(&c->memory, sizeof *s);
    if (!s)
        return reel_fail_memory(c, "reading a compressed file", sizeof *s);
    s->stream.zalloc = allocate_for_zlib;
    s->stream.zfree = free_for_zlib;
    s->stream.opaque = c;
    if (inflateInit2(&s->stream, inflated->form == REEL_GZIP ? WINDOW + 16 : -WINDOW) == Z_OK)
        return REEL_OK;
    reel_free(&c->memory, s);
    inflated->state = NULL;
    return reel_fail_memory(c, "reading a compressed file", (size_t)1 << WINDOW);
}

void reel_inflated_close(struct reel_inflated *inflated)
{
    if (!inflated->state)
        return;
    inflateEnd(&inflated->state->stream);
    reel_free(&inflated->input->context->memory, inflated->state);
}

/* Moves what is left to the front and reads behind it. False when there is no more, or with the error recorded. */
static bool fill(struct reel_inflated *inflated)
{
    struct reel_inflating *s = inflated->state;
    int64_t left = inflated->end - inflated->at, room = BUFFER - (int64_t)s->stream.avail_in;
    int64_t n = left < room ? left : room;
    if (n == 0)
        return false;
    if (s->stream.avail_in > 0)
        memmove(s->buffer, s->stream.next_in, s->stream.avail_in);
    s->stream.next_in = s->buffer;
    if (reel_input_read(inflated->input, s->buffer + s->stream.avail_in, n, inflated->at) != REEL_OK)
        return false;
    s->stream.avail_in += (unsigned)n;
    inflated->at += n;
    return true;
}

/* Behind a stream: whether another member of gzip follows, which is begun then. */
static bool begin_next(struct reel_inflated *inflated)
{
    z_stream *stream = &inflated->state->stream;
    if (inflated->form != REEL_GZIP)
        return false;
    while (stream->avail_in < 2 && fill(inflated))
        ;
    return stream->avail_in >= 2 && stream->next_in[0] == 0x1f && stream->next_in[1] == 0x8b &&
           inflateReset(stream) == Z_OK;
}

int64_t reel_inflated_read(struct reel_inflated *inflated, void *out, int64_t size)
{
    reel_context *c = inflated->input->context;
    if (!inflated->state && begin(inflated) != REEL_OK)
        return -1;
    struct reel_inflating *s = inflated->state;
    int64_t got = 0;
    while (got < size && !s->ended) {
        int64_t rest = size - got;
        if (s->stream.avail_in == 0)
            fill(inflated);
        s->stream.next_out = (unsigned char *)out + got;
        s->stream.avail_out = rest < INT_MAX ? (unsigned)rest : INT_MAX;
        unsigned room = s->stream.avail_out;
        int status = c->status == REEL_OK ? inflate(&s->stream, Z_NO_FLUSH) : Z_ERRNO;
        got += room - s->stream.avail_out;
        if (status == Z_STREAM_END)
            s->ended = !begin_next(inflated);
        else if (status == Z_MEM_ERROR)
            reel_fail_memory(c, "reading a compressed file", (size_t)1 << WINDOW);
        else if (status == Z_BUF_ERROR)
            reel_input_fail(inflated->input, REEL_ERROR_FORMAT, "the compressed data are cut short");
        else if (status != Z_OK && status != Z_ERRNO)
            reel_input_fail(inflated->input, REEL_ERROR_FORMAT, "the compressed data are damaged: %s",
                            s->stream.msg ? s->stream.msg : "they need a dictionary");
        if (c->status != REEL_OK)
            return -1;
    }
    return got;
}

/* ---- Writing ---- */

struct reel_deflating {
    z_stream stream;
    unsigned char buffer[BUFFER];
};

reel_status reel_deflated_begin(struct reel_deflated *deflated, struct reel_atomic_file *file)
{
    enum { MEMORY = 8 };
    reel_context *c = file->context;
    *deflated = (struct reel_deflated){.file = file};
    if (c->status != REEL_OK)
        return c->status;
    struct reel_deflating *s = deflated->state = reel_allocate_zeroed(&c->memory, sizeof *s);
    if (!s)
        return reel_fail_memory(c, "writing a compressed file", sizeof *s);
    s->stream.zalloc = allocate_for_zlib;
    s->stream.zfree = free_for_zlib;
    s->stream.opaque = c;
    if (deflateInit2(&s->stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -WINDOW, MEMORY, Z_DEFAULT_STRATEGY) == Z_OK)
        return REEL_OK;
    reel_free(&c->memory, s);
    deflated->state = NULL;
    return reel_fail_memory(c, "writing a compressed file", (size_t)1 << (WINDOW + 3));
}

/* Takes what is in next_in, and writes what comes of it. */
static reel_status deflate_some(struct reel_deflated *deflated, int flush)
{
    struct reel_deflating *s = deflated->state;
    do {
        s->stream.next_out = s->buffer;
        s->stream.avail_out = BUFFER;
        deflate(&s->stream, flush);
        int64_t n = BUFFER - (int64_t)s->stream.avail_out;
        if (reel_atomic_file_write(deflated->file, s->buffer, n) != REEL_OK)
            break;
        deflated->written += n;
    } while (s->stream.avail_out == 0);
    return deflated->file->context->status;
}

reel_status reel_deflated_write(struct reel_deflated *deflated, const void *data, int64_t size)
{
    reel_context *c = deflated->file->context;
    const char *from = data;
    while (size > 0 && c->status == REEL_OK) {
        int64_t n = size < INT_MAX ? size : INT_MAX;
        deflated->state->stream.next_in = (unsigned char *)(uintptr_t)from;
        deflated->state->stream.avail_in = (unsigned)n;
        deflate_some(deflated, Z_NO_FLUSH);
        from += n;
        size -= n;
    }
    return c->status;
}

reel_status reel_deflated_finish(struct reel_deflated *deflated)
{
    reel_context *c = deflated->file->context;
    if (!deflated->state)
        return c->status;
    deflated->state->stream.avail_in = 0;
    if (c->status == REEL_OK)
        deflate_some(deflated, Z_FINISH);
    deflateEnd(&deflated->state->stream);
    reel_free(&c->memory, deflated->state);
    return c->status;
}

#else

static const char without[] = "this build of reel has no zlib, which compressed files need";

void reel_inflated_close(struct reel_inflated *inflated)
{
    (void)inflated;
}

int64_t reel_inflated_read(struct reel_inflated *inflated, void *out, int64_t size)
{
    (void)out;
    (void)size;
    reel_input_fail(inflated->input, REEL_ERROR_IO, "%s", without);
    return -1;
}

reel_status reel_deflated_begin(struct reel_deflated *deflated, struct reel_atomic_file *file)
{
    *deflated = (struct reel_deflated){.file = file};
    return reel_fail(file->context, REEL_ERROR_IO, "%s", without);
}

reel_status reel_deflated_write(struct reel_deflated *deflated, const void *data, int64_t size)
{
    (void)data;
    (void)size;
    return deflated->file->context->status;
}

reel_status reel_deflated_finish(struct reel_deflated *deflated)
{
    return deflated->file->context->status;
}

#endif
