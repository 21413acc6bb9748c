/* Text: UTF-8, and names that are fit to be shown. */
#include "base/text.h"

#include <locale.h>
#include <stdio.h>
#include <string.h>

int reel_utf8_length(const char *text, int64_t size)
{
    const unsigned char *b = (const unsigned char *)text;
    if (size < 1)
        return 0;
    if (b[0] < 0x80)
        return 1;
    int length = b[0] >= 0xc2 && b[0] < 0xe0   ? 2
                 : b[0] >= 0xe0 && b[0] < 0xf0 ? 3
                 : b[0] >= 0xf0 && b[0] < 0xf5 ? 4
                                               : 0;
    if (length == 0 || length > size)
        return 0;
    for (int i = 1; i < length; i++)
        if ((b[i] & 0xc0) != 0x80)
            return 0;
    /* Not the shortest form, a surrogate, or above U+10FFFF. */
    if ((b[0] == 0xe0 && b[1] < 0xa0) || (b[0] == 0xed && b[1] >= 0xa0) || (b[0] == 0xf0 && b[1] < 0x90) ||
        (b[0] == 0xf4 && b[1] >= 0x90))
        return 0;
    return length;
}

bool reel_is_utf8(const char *text)
{
    int64_t size = (int64_t)strlen(text);
    int length = 1;
    for (int64_t at = 0; at < size && length > 0; at += length)
        length = reel_utf8_length(text + at, size - at);
    return length > 0;
}

const char *reel_printable(const char *name, char text[REEL_PRINTABLE])
{
    static const char cut[] = "...";
    int64_t used = 0, size = (int64_t)strlen(name), at = 0;
    while (at < size) {
        int length = reel_utf8_length(name + at, size - at);
        if (used + (length > 1 ? length : 1) > REEL_PRINTABLE - (int64_t)sizeof cut) {
            memcpy(text + used, cut, sizeof cut);
            return text;
        }
        const unsigned char *b = (const unsigned char *)name + at;
        bool control = b[0] < 0x20 || b[0] == 0x7f || (b[0] == 0xc2 && length == 2 && b[1] < 0xa0);
        if (length == 0 || control) {
            text[used++] = '?';
            at += length == 0 ? 1 : length;
        } else {
            memcpy(text + used, b, (size_t)length);
            used += length;
            at += length;
        }
    }
    text[used] = '\0';
    return text;
}

/* Making this locale takes no memory with glibc and musl. */
static locale_t plain_locale(void)
{
    return newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

const char *reel_system_text(int error)
{
    locale_t plain = plain_locale();
    const char *text = plain ? strerror_l(error, plain) : "an error of the system";
    if (plain)
        freelocale(plain);
    return text;
}

void reel_format_text(char *text, size_t size, const char *format, va_list arguments)
{
    locale_t plain = plain_locale(), before = plain ? uselocale(plain) : (locale_t)0;
    vsnprintf(text, size, format, arguments);
    if (plain) {
        uselocale(before);
        freelocale(plain);
    }
}

void reel_append_text(char *text, size_t size, const char *format, ...)
{
    size_t length = strlen(text);
    va_list arguments;
    va_start(arguments, format);
    reel_format_text(text + length, size - length, format, arguments);
    va_end(arguments);
}
