/* A grid of images, as what reads it line by line. */
#ifndef REEL_WATCH_INSIDE_PICTURE_H
#define REEL_WATCH_INSIDE_PICTURE_H

#include "buffer.h"

#include <reel/watch/picture.h>

/* Images and how they are laid out, checked. */
struct picture {
    const void *images;
    size_t element_size; /* 1: bytes; else that of a float or a double */
    int64_t n, channels, height, width;
    reel_picture_options options;
    int64_t picture_width, picture_height; /* pixels */
    int64_t margin, letter;                /* pixels at the left for labels, 0: none; side of a letter's pixel */
};

/* Takes images and options; the context's status. With element_size 0 there are no images, only their shape. */
reel_status picture_take(struct picture *p, reel_context *context, const void *images, size_t element_size,
                         reel_shape shape, const reel_picture_options *options);

/* Sets the picture's size by its options; false when there is no picture of that size. */
bool picture_measure(struct picture *p);

/* Appends the picture to a buffer as a PNG file; the context's status. */
reel_status picture_encode(const struct picture *p, reel_context *context, struct buffer *png);

#endif
