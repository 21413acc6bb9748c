/* JSON that may stand inside a script of a page. */
#include "json.h"

#include <math.h>

void json_string(struct buffer *b, const char *text)
{
    buffer_text(b, "\"");
    const unsigned char *at = (const unsigned char *)text;
    while (*at) {
        int more = *at < 0x80                  ? 0
                   : *at >= 0xc2 && *at < 0xe0 ? 1
                   : *at >= 0xe0 && *at < 0xf0 ? 2
                   : *at >= 0xf0 && *at < 0xf5 ? 3
                                               : -1;
        for (int i = 1; i <= more; i++)
            if ((at[i] & 0xc0) != 0x80)
                more = -1;
        if (more < 0)
            buffer_text(b, "?");
        else if (*at < 0x20 || *at == '"' || *at == '\\' || *at == '<' || *at == 0x7f)
            buffer_format(b, "\\u%04x", *at);
        else
            buffer_add(b, at, (size_t)more + 1);
        at += more < 0 ? 1 : more + 1;
    }
    buffer_text(b, "\"");
}

void json_number(struct buffer *b, double value)
{
    if (isfinite(value))
        buffer_format(b, "%.7g", value);
    else
        buffer_text(b, "null");
}
