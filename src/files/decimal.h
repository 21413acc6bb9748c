/* Numbers in text. */
#ifndef REEL_FILES_DECIMAL_H
#define REEL_FILES_DECIMAL_H

#include <locale.h>
#include <stdbool.h>

/* The number at the start of a text that ends with a zero byte: a sign, digits with a point among them, an exponent, or
 * inf or infinity in any case of letters. Returns where it ends, and text when there is none. *value is the nearest
 * double, as strtod gives it in the C locale, which `plain` is. */
const char *reel_decimal(const char *text, locale_t plain, double *value);

/* Whether a whole text is one that pandas takes for a missing number, the empty one included. */
bool reel_is_missing(const char *text);

#endif
