/* Bytes that grow, for what is written as a whole. */
#ifndef REEL_WATCH_BUFFER_H
#define REEL_WATCH_BUFFER_H

#include <reel/types.h>
#include <stdbool.h>
#include <stddef.h>

/* All zero is an empty one. Once memory has run out, it stays as it is and says so. */
struct buffer {
    char *bytes;
    size_t size, capacity;
    bool incomplete;
};

void buffer_add(struct buffer *b, const void *bytes, size_t size);
void buffer_text(struct buffer *b, const char *text);
void buffer_format(struct buffer *b, const char *format, ...) REEL_PRINTF(2, 3);
void buffer_free(struct buffer *b);

/* Appends the bytes of a file; false, and errno, when it cannot be opened or read. */
bool buffer_read(struct buffer *b, const char *path);

/* Puts the bytes in the place of a file. */
reel_status buffer_save(const struct buffer *b, reel_context *context, const char *path);

#endif
