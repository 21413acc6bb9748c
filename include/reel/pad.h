/* Making axes longer: padding, and interpolation between elements.
 *
 *     reel_var framed = reel_pad(t, x, REEL_SIZES(1, 1, 1, 1), REEL_PAD_REFLECT, 0); // 28 x 28 -> 30 x 30
 *     reel_var twice = reel_interpolate(t, x, REEL_SIZES(56, 56), REEL_INTERPOLATE_LINEAR, false); // -> 56 x 56 */
#ifndef REEL_PAD_H
#define REEL_PAD_H

#include <reel/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What is put at both ends of an axis. */
typedef enum reel_pad_mode {
    REEL_PAD_CONSTANT,  /* a value */
    REEL_PAD_REFLECT,   /* the elements behind the outermost one, mirrored: less than there are */
    REEL_PAD_REPLICATE, /* the outermost element */
    REEL_PAD_CIRCULAR   /* the elements of the other end: at most as many as there are */
} reel_pad_mode;

/* x with pad[0] elements put before and pad[1] behind the last axis, pad[2] and pad[3] those of the one before it, and
 * so on, for n / 2 axes (torch.nn.functional.pad). n is even and at most twice the number of axes
 * (REEL_ERROR_ARGUMENT). Negative numbers cut elements off, in the constant mode alone. value counts in the constant
 * mode; it is converted to the type of x, which may be any (REEL_ERROR_ARGUMENT where integers have no such value).
 * REEL_ERROR_SHAPE when the axis has too few elements. Derivatives of any order. REEL_SIZES(1, 2) stands for `pad, n`.
 */
REEL_API reel_var reel_pad(reel_tape *tape, reel_var x, const int64_t *pad, int n, reel_pad_mode mode, double value);

/* Where the elements of the new size come from. */
typedef enum reel_interpolation {
    REEL_INTERPOLATE_NEAREST, /* element floor(i * from / to) */
    REEL_INTERPOLATE_LINEAR   /* between two neighbours along each axis: linear, bilinear, trilinear */
} reel_interpolation;

/* x [batch, channels, d1, ..., dn] at other sizes: [batch, channels, size[0], ..., size[n - 1]]
 * (torch.nn.functional.interpolate, nn.Upsample). With align_corners, of the linear mode, the outermost elements of
 * both lie on each other; without, the edges of the elements at both ends do. x is real in the linear mode, else of any
 * type; sizes are at least 1. Derivatives of any order. REEL_ERROR_SHAPE when x has not n + 2 axes or the n last are
 * empty, REEL_ERROR_ARGUMENT for a size below 1, or align_corners in the nearest mode. */
REEL_API reel_var reel_interpolate(reel_tape *tape, reel_var x, const int64_t *size, int n, reel_interpolation mode,
                                   bool align_corners);

#ifdef __cplusplus
}
#endif

#endif
