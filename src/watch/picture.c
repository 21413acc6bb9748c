/* Pictures as PNG files. */
#include "picture.h"

#include "letters.h"

#include <png.h>
#include <reel/context.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

enum { GAP_GRAY = 96, LETTER_GRAY = 232, MOST_LETTERS = 24, MAX_SIDE = 1000000 /* libpng's own limit */ };

reel_picture_options reel_picture_defaults(void)
{
    return (reel_picture_options){
        .mark = REEL_OPTIONS_MARK(reel_picture_options), .columns = 8, .scale = 1, .gap = 2, .low = -1, .high = 1};
}

/* count images of `size` pixels, scaled, with gaps between and around; -1 when that is more than a PNG may have. */
static int64_t side(int64_t count, int64_t size, int64_t scale, int64_t gap)
{
    int64_t step, total;
    if (__builtin_mul_overflow(size, scale, &step) || __builtin_add_overflow(step, gap, &step) ||
        __builtin_mul_overflow(step, count, &total) || __builtin_add_overflow(total, gap, &total) || total > MAX_SIDE)
        return -1;
    return total;
}

bool picture_measure(struct picture *p)
{
    const reel_picture_options *o = &p->options;
    p->picture_width = side(o->columns, p->width, o->scale, o->gap);
    p->picture_height = side((p->n - 1) / o->columns + 1, p->height, o->scale, o->gap);
    if (p->picture_width < 0 || p->picture_height < 0)
        return false;
    /* Letters grow with the images, as long as there is a free pixel above and below. */
    int64_t longest = 0, fitting = p->height * o->scale / (LETTER_HEIGHT + 2);
    for (int i = 0; o->labels && i < o->n_labels; i++) {
        int64_t length = o->labels[i] ? (int64_t)strnlen(o->labels[i], MOST_LETTERS) : 0;
        longest = length > longest ? length : longest;
    }
    p->letter = fitting < o->scale ? fitting : o->scale;
    p->margin = longest > 0 && p->letter > 0 ? (longest * LETTER_STEP + 2) * p->letter : 0;
    p->picture_width += p->margin;
    return p->picture_width <= MAX_SIDE;
}

reel_status picture_take(struct picture *p, reel_context *c, const void *images, size_t element_size, reel_shape shape,
                         const reel_picture_options *options)
{
    *p = (struct picture){.images = images, .element_size = element_size, .options = reel_picture_defaults()};
    if (reel_options_take(c, "picture", options, &p->options) != REEL_OK)
        return c ? reel_context_status(c) : REEL_ERROR_ARGUMENT;
    const reel_picture_options *o = &p->options;
    if (element_size > 0 &&
        (!images || (element_size != 1 && element_size != sizeof(float) && element_size != sizeof(double))))
        return reel_fail(c, REEL_ERROR_ARGUMENT, "picture: %s",
                         images ? "elements are bytes, float or double" : "the images are NULL");
    if (o->n_labels < 0 || (o->n_labels > 0 && !o->labels))
        return reel_fail(c, REEL_ERROR_ARGUMENT, "picture: n_labels is %d, and labels are %s", o->n_labels,
                         o->labels ? "given" : "NULL");
    int axes = shape.ndim;
    if ((axes != 3 && axes != 4) || (axes == 4 && shape.dim[1] != 1 && shape.dim[1] != 3) || shape.dim[0] < 1 ||
        shape.dim[axes - 2] < 1 || shape.dim[axes - 1] < 1)
        return reel_fail(c, REEL_ERROR_SHAPE,
                         "picture: images are [n, height, width], or [n, channels, height, width] with 1 or 3 "
                         "channels, with no axis empty");
    if (o->columns < 1 || o->scale < 1 || o->gap < 0 || !(o->low < o->high))
        return reel_fail(c, REEL_ERROR_ARGUMENT,
                         "picture: columns %lld and scale %lld are to be at least 1, gap %lld at least 0, and low %g "
                         "less than high %g",
                         (long long)o->columns, (long long)o->scale, (long long)o->gap, o->low, o->high);
    p->n = shape.dim[0];
    p->channels = axes == 4 ? shape.dim[1] : 1;
    p->height = shape.dim[axes - 2];
    p->width = shape.dim[axes - 1];
    if (!picture_measure(p))
        return reel_fail(c, REEL_ERROR_SHAPE,
                         "picture: %lld images of %lld x %lld pixels in %lld columns, at scale %lld with gap %lld, do "
                         "not make a picture of at most %d pixels a side",
                         (long long)p->n, (long long)p->height, (long long)p->width, (long long)o->columns,
                         (long long)o->scale, (long long)o->gap, MAX_SIDE);
    return REEL_OK;
}

reel_status reel_picture_size(reel_context *context, reel_shape shape, const reel_picture_options *options,
                              int64_t *width, int64_t *height)
{
    struct picture p;
    reel_status status = picture_take(&p, context, NULL, 0, shape, options);
    if (status == REEL_OK && width)
        *width = p.picture_width;
    if (status == REEL_OK && height)
        *height = p.picture_height;
    return status;
}

/* ---- Pixels ---- */

static unsigned char byte_of(double value, double low, double high)
{
    /* Written so that NaN fails the first comparison. */
    if (!(value > low))
        return 0;
    return value >= high ? 255 : (unsigned char)((value - low) / (high - low) * 255 + 0.5);
}

/* Fills one line of the picture that crosses the images of row r at their own line y. */
static void fill_line(const struct picture *p, unsigned char *line, int64_t r, int64_t y)
{
    const reel_picture_options *o = &p->options;
    int64_t plane = p->height * p->width, channels = p->channels;
    memset(line, GAP_GRAY, (size_t)(p->picture_width * channels));
    for (int64_t c = 0; c < o->columns && r * o->columns + c < p->n; c++) {
        int64_t image = (r * o->columns + c) * channels * plane + y * p->width;
        unsigned char *to = line + (p->margin + o->gap + c * (p->width * o->scale + o->gap)) * channels;
        for (int64_t x = 0; x < p->width; x++)
            for (int64_t k = 0; k < channels; k++) {
                int64_t at = image + k * plane + x;
                unsigned char byte = p->element_size == 1 ? ((const unsigned char *)p->images)[at]
                                     : p->element_size == sizeof(float)
                                         ? byte_of(((const float *)p->images)[at], o->low, o->high)
                                         : byte_of(((const double *)p->images)[at], o->low, o->high);
                for (int64_t i = 0; i < o->scale; i++)
                    to[(x * o->scale + i) * channels + k] = byte;
            }
    }
}

/* What crosses the label of row r at line y of its images, both in the picture's pixels. */
static void fill_label(const struct picture *p, unsigned char *line, int64_t r, int64_t y)
{
    const reel_picture_options *o = &p->options;
    int64_t top = (p->height * o->scale - LETTER_HEIGHT * p->letter) / 2, at = 2 * p->letter;
    memset(line, GAP_GRAY, (size_t)(p->margin * p->channels));
    if (r >= o->n_labels || !o->labels[r] || y < top || y >= top + LETTER_HEIGHT * p->letter)
        return;
    for (const char *c = o->labels[r]; *c && at < p->margin; c++, at += LETTER_STEP * p->letter)
        for (int column = 0; column < LETTER_WIDTH; column++)
            if (letter_pixel(*c, (int)((y - top) / p->letter), column))
                memset(line + (at + column * p->letter) * p->channels, LETTER_GRAY, (size_t)(p->letter * p->channels));
}

/* ---- PNG ---- */

static _Noreturn void on_error(png_structp png, png_const_charp message)
{
    reel_fail(png_get_error_ptr(png), REEL_ERROR_OUT_OF_MEMORY, "picture: libpng says \"%s\"", message);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp message)
{
    (void)png;
    (void)message;
}

static void on_write(png_structp png, png_bytep bytes, size_t size)
{
    buffer_add(png_get_io_ptr(png), bytes, size);
}

static void on_flush(png_structp png)
{
    (void)png;
}

static void write_lines(png_structp png, const struct picture *p, unsigned char *line, const unsigned char *gap_line)
{
    const reel_picture_options *o = &p->options;
    int64_t rows = (p->n - 1) / o->columns + 1;
    for (int64_t i = 0; i < o->gap; i++)
        png_write_row(png, gap_line);
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t y = 0; y < p->height; y++) {
            fill_line(p, line, r, y);
            for (int64_t i = 0; i < o->scale; i++) {
                if (p->margin > 0)
                    fill_label(p, line, r, y * o->scale + i);
                png_write_row(png, line);
            }
        }
        for (int64_t i = 0; i < o->gap; i++)
            png_write_row(png, gap_line);
    }
}

/* `lines` is room for two lines. */
static void encode(const struct picture *p, reel_context *c, struct buffer *to, unsigned char *lines)
{
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, c, on_error, on_warning);
    png_infop info = png == NULL ? NULL : png_create_info_struct(png);
    if (info == NULL) {
        png_destroy_write_struct(&png, NULL);
        reel_fail(c, REEL_ERROR_OUT_OF_MEMORY, "out of memory: a picture, in libpng");
        return;
    }
    /* Nothing that is read after the jump changes between here and there. */
    if (setjmp(png_jmpbuf(png))) {
        png_destroy_write_struct(&png, &info);
        return;
    }
    size_t bytes = (size_t)(p->picture_width * p->channels);
    png_set_write_fn(png, to, on_write, on_flush);
    png_set_IHDR(png, info, (png_uint_32)p->picture_width, (png_uint_32)p->picture_height, 8,
                 p->channels == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, info);
    memset(lines + bytes, GAP_GRAY, bytes);
    write_lines(png, p, lines, lines + bytes);
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
}

reel_status picture_encode(const struct picture *p, reel_context *c, struct buffer *png)
{
    size_t bytes = 2 * (size_t)(p->picture_width * p->channels);
    unsigned char *lines = malloc(bytes);
    if (!lines)
        return reel_fail(c, REEL_ERROR_OUT_OF_MEMORY, "out of memory: %zu bytes for a picture", bytes);
    encode(p, c, png, lines);
    free(lines);
    if (png->incomplete)
        reel_fail(c, REEL_ERROR_OUT_OF_MEMORY, "out of memory: a picture");
    return reel_context_status(c);
}

reel_status reel_picture_save_checked(reel_context *context, const char *path, const void *images, size_t element_size,
                                      reel_shape shape, const reel_picture_options *options)
{
    struct picture p;
    if (picture_take(&p, context, images, element_size, shape, options) != REEL_OK)
        return context ? reel_context_status(context) : REEL_ERROR_ARGUMENT;
    if (!path)
        return reel_fail(context, REEL_ERROR_ARGUMENT, "picture: the path is NULL");
    struct buffer png = {0};
    if (picture_encode(&p, context, &png) == REEL_OK)
        buffer_save(&png, context, path);
    buffer_free(&png);
    return reel_context_status(context);
}
