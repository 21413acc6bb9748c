/* Grids of small images as PNG files.
 *
 *     REEL_OPTIONS(picture, o, o.columns = 10, o.scale = 2);
 *     reel_picture_save(c, "samples.png", reel_data_real(t, x), REEL_SHAPE(100, 28, 28), &o); */
#ifndef REEL_WATCH_PICTURE_H
#define REEL_WATCH_PICTURE_H

#include <reel/options.h>
#include <reel/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How images are laid out (as torchvision.utils.make_grid). */
typedef struct reel_picture_options {
    reel_options_mark mark;
    int64_t columns;  /* 8; images in a row, at least 1. Places after the last image have the colour of gaps. */
    int64_t scale;    /* 1; side of the square that a pixel of an image becomes, at least 1 */
    int64_t gap;      /* 2; gray pixels of the picture between neighbours and around the grid, at least 0 */
    double low, high; /* -1 and 1; the values that are black and white, low < high; bytes are taken as they are */
    /* NULL; else n_labels texts, which stand at the left of the first n_labels rows where a row is at least 9 pixels
     * high: 24 bytes of each, boxes for what is not in ASCII. */
    const char *const *labels;
    int n_labels;
} reel_picture_options;
REEL_API reel_picture_options reel_picture_defaults(void);

/* Sides of the picture that such images make, in pixels: REEL_OK, and *width and *height (each may be NULL), or
 * REEL_ERROR_SHAPE or REEL_ERROR_ARGUMENT when they make none; a side has at most 1,000,000. */
REEL_API reel_status reel_picture_size(reel_context *context, reel_shape shape, const reel_picture_options *options,
                                       int64_t *width, int64_t *height);

/* Saves images as an 8-bit PNG. They are [n, height, width], or [n, channels, height, width] with one channel (gray) or
 * three (red, green, blue); values outside low..high are cut, NaN is black. A picture that is already there is replaced
 * when the new one is complete, or left as it was (<reel/atomic_file.h>). The errors of reel_picture_size,
 * REEL_ERROR_IO, REEL_ERROR_OUT_OF_MEMORY. */
REEL_API reel_status reel_picture_save_checked(reel_context *context, const char *path, const void *images,
                                               size_t element_size, reel_shape shape,
                                               const reel_picture_options *options);

/* reel_picture_save_checked of elements of reel_real, in whichever library. */
static inline reel_status reel_picture_save(reel_context *context, const char *path, const reel_real *images,
                                            reel_shape shape, const reel_picture_options *options)
{
    return reel_picture_save_checked(context, path, images, sizeof(reel_real), shape, options);
}

/* The same of bytes, 0 black and 255 white. */
static inline reel_status reel_picture_save_bytes(reel_context *context, const char *path, const unsigned char *images,
                                                  reel_shape shape, const reel_picture_options *options)
{
    return reel_picture_save_checked(context, path, images, 1, shape, options);
}

#ifdef __cplusplus
}
#endif

#endif
