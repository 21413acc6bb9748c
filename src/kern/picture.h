/* Pictures and other samples on their way into a batch. Each call is one sample's, on the calling thread. */
#ifndef REEL_KERN_PICTURE_H
#define REEL_KERN_PICTURE_H

#include <reel/types.h>

/* What bytes stand for: byte / 255, correctly rounded, times span, plus low. */
struct reel_byte_scale {
    reel_real low, span;
};
void reel_kern_scale_bytes(int64_t n, const unsigned char *bytes, struct reel_byte_scale scale, reel_real *out);

/* out[i] = bytes[i]. */
void reel_kern_widen_bytes(int64_t n, const unsigned char *bytes, int64_t *out);

/* How pictures [planes, height, width] move: down and to the right by less than their size, or up and to the left when
 * negative, then mirrored. `fill` comes in from outside. */
struct reel_picture_move {
    int64_t planes, height, width, down, right;
    bool flip_vertical, flip_horizontal;
    reel_real fill;
};

/* The moved pictures, whose pixels are bytes, or with scale NULL reals. */
void reel_kern_move_picture(const struct reel_picture_move *move, const void *pixels,
                            const struct reel_byte_scale *scale, reel_real *out);

#endif
