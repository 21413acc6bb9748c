/* Shapes in words, for messages. What else shapes and element types can do is public: reel/types.h. */
#ifndef REEL_BASE_SHAPE_H
#define REEL_BASE_SHAPE_H

#include <reel/types.h>

/* Room for a shape as text. */
enum { REEL_SHAPE_TEXT = 160 };
/* Writes "[64, 13]" into text and returns it. */
const char *reel_shape_text(const reel_shape *shape, char text[REEL_SHAPE_TEXT]);

/* Room for a position as text. */
enum { REEL_POSITION_TEXT = REEL_SHAPE_TEXT + 48 };
/* Writes where the flat-th element of a shape is, such as " at position [2, 0] (flat 6)", for the end of a
 * sentence about a value; without the number for one axis, and nothing when the shape has no axes. */
const char *reel_position_text(const reel_shape *shape, int64_t flat, char text[REEL_POSITION_TEXT]);

#endif
