/* Text: UTF-8, and names that are fit to be shown. */
#ifndef REEL_BASE_TEXT_H
#define REEL_BASE_TEXT_H

#include <reel/types.h>

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <reel/types.h>

/* Whether the text is UTF-8. */
bool reel_is_utf8(const char *text);

/* The length of the UTF-8 sequence at text, which has `size` bytes; 0 when it is not a valid one. */
int reel_utf8_length(const char *text, int64_t size);

/* A name for a message: cut when it is long, and without control characters, which a terminal would obey. */
enum { REEL_PRINTABLE = 100 };
const char *reel_printable(const char *name, char text[REEL_PRINTABLE]);

/* strerror and vsnprintf in the C locale, whatever the program has set: messages are English, numbers have a point. */
const char *reel_system_text(int error);
void reel_format_text(char *text, size_t size, const char *format, va_list arguments);

/* The same behind what the text holds; what does not fit is cut. */
void reel_append_text(char *text, size_t size, const char *format, ...) REEL_PRINTF(3, 4);

#endif
