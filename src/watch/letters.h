/* Letters of pixels, for names in pictures. */
#ifndef REEL_WATCH_LETTERS_H
#define REEL_WATCH_LETTERS_H

#include <stdbool.h>

enum { LETTER_WIDTH = 5, LETTER_HEIGHT = 7, LETTER_STEP = 6 };

/* Whether the pixel in that line and column of a character is set; of one that is not in ASCII, a box. */
bool letter_pixel(char character, int line, int column);

#endif
