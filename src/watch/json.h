/* Values as JSON, in a form that may stand inside a script of a page. */
#ifndef REEL_WATCH_JSON_H
#define REEL_WATCH_JSON_H

#include "buffer.h"

/* A text, with what could end the script or the string escaped. What is no UTF-8 becomes a question mark. */
void json_string(struct buffer *b, const char *text);

/* A number; null when it is not finite. */
void json_number(struct buffer *b, double value);

#endif
