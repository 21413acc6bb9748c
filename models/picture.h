/* A grid of small gray images as one PNG file. */
#ifndef MODELS_PICTURE_H
#define MODELS_PICTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How images are laid out. Every member is at least 1, but gap may be 0. */
struct picture_grid {
    int64_t rows;    /* rows of images */
    int64_t columns; /* images in a row */
    int64_t height;  /* of one image, in its own pixels */
    int64_t width;   /* of one image, in its own pixels */
    int64_t scale;   /* side of the square that one pixel of an image becomes */
    int64_t gap;     /* gray pixels of the picture between neighbours and around the grid */
};

/* Writes rows * columns images to `path` as an 8-bit gray PNG. images[((r * columns + c) * height + y) * width + x] is
 * the pixel (x, y) of the image in row r and column c: -1 is black, 1 is white, values outside are cut, NaN is black.
 * A picture that is already there is replaced when the new one is complete, or left as it was; only a regular file is
 * replaced. Returns true, or false with one line in `error` that names the file; then no temporary file is left. */
bool picture_write(const char *path, const float *images, const struct picture_grid *grid, char *error,
                   size_t error_size);

/* Whether picture_write would take such a grid; if not, its line in `error`. */
bool picture_fits(const char *path, const struct picture_grid *grid, char *error, size_t error_size);

#endif
