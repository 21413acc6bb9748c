/* Bytes that grow. */
#include "buffer.h"

#include <errno.h>
#include <reel/atomic_file.h>
#include <reel/context.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool reserve(struct buffer *b, size_t more)
{
    if (b->incomplete)
        return false;
    if (more <= b->capacity - b->size)
        return true;
    size_t capacity = 2 * b->size + more;
    char *grown = capacity > b->size ? realloc(b->bytes, capacity) : NULL;
    b->incomplete = !grown;
    if (!grown)
        return false;
    b->bytes = grown;
    b->capacity = capacity;
    return true;
}

void buffer_add(struct buffer *b, const void *bytes, size_t size)
{
    if (size == 0 || !reserve(b, size))
        return;
    memcpy(b->bytes + b->size, bytes, size);
    b->size += size;
}

void buffer_text(struct buffer *b, const char *text)
{
    buffer_add(b, text, strlen(text));
}

void buffer_format(struct buffer *b, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (length < 0 || !reserve(b, (size_t)length + 1))
        return;
    va_start(arguments, format);
    vsnprintf(b->bytes + b->size, (size_t)length + 1, format, arguments);
    va_end(arguments);
    b->size += (size_t)length;
}

void buffer_free(struct buffer *b)
{
    free(b->bytes);
    *b = (struct buffer){0};
}

bool buffer_read(struct buffer *b, const char *path)
{
    char piece[1 << 14];
    FILE *file = fopen(path, "rb");
    if (!file)
        return false;
    for (size_t n; (n = fread(piece, 1, sizeof piece, file)) > 0;)
        buffer_add(b, piece, n);
    bool whole = !ferror(file);
    int error = errno;
    fclose(file);
    errno = error;
    return whole;
}

reel_status buffer_save(const struct buffer *b, reel_context *context, const char *path)
{
    if (b->incomplete)
        return reel_fail(context, REEL_ERROR_OUT_OF_MEMORY, "out of memory: what is to be written to \"%s\"", path);
    reel_atomic_file *file = reel_atomic_file_open(context, path);
    reel_atomic_file_write(file, b->bytes, (int64_t)b->size);
    reel_atomic_file_close(file);
    return reel_context_status(context);
}
