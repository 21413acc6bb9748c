/* Pictures as PNG files. */
#include "picture.h"

#include "output.h"

#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

enum { GAP_GRAY = 96, MAX_SIDE = 1000000 /* libpng's own limit */ };

/* Where libpng's callback leaves its message. */
struct failure {
    char *error;
    size_t error_size;
    const char *path;
};

static _Noreturn void on_error(png_structp png, png_const_charp message)
{
    const struct failure *f = png_get_error_ptr(png);
    snprintf(f->error, f->error_size, "%s: %s", f->path, message);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp message)
{
    (void)png;
    (void)message;
}

static png_byte gray(float value)
{
    /* Written so that NaN fails the first comparison. */
    if (!(value > -1.0f))
        return 0;
    return value >= 1.0f ? 255 : (png_byte)((value + 1.0f) * 127.5f + 0.5f);
}

/* Fills one line of pixels that crosses the images of row r at their own line y. */
static void fill_line(png_byte *line, const float *images, const struct picture_grid *g, int64_t r, int64_t y)
{
    for (int64_t c = 0; c < g->columns; c++) {
        const float *source = images + ((r * g->columns + c) * g->height + y) * g->width;
        png_byte *target = line + g->gap + c * (g->width * g->scale + g->gap);
        for (int64_t x = 0; x < g->width; x++)
            memset(target + x * g->scale, gray(source[x]), (size_t)g->scale);
    }
}

static void write_lines(png_structp png, const float *images, const struct picture_grid *g, png_byte *line,
                        const png_byte *gap_line)
{
    for (int64_t i = 0; i < g->gap; i++)
        png_write_row(png, gap_line);
    for (int64_t r = 0; r < g->rows; r++) {
        for (int64_t y = 0; y < g->height; y++) {
            fill_line(line, images, g, r, y);
            for (int64_t i = 0; i < g->scale; i++)
                png_write_row(png, line);
        }
        for (int64_t i = 0; i < g->gap; i++)
            png_write_row(png, gap_line);
    }
}

/* `lines` is room for two lines of `width` pixels. */
static bool write_png(FILE *file, const float *images, const struct picture_grid *g, int64_t width, int64_t height,
                      png_byte *lines, struct failure *failure)
{
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, failure, on_error, on_warning);
    png_infop info = png == NULL ? NULL : png_create_info_struct(png);
    if (info == NULL) {
        png_destroy_write_struct(&png, NULL);
        snprintf(failure->error, failure->error_size, "%s: libpng has not enough memory", failure->path);
        return false;
    }
    /* Nothing that is read after the jump changes between here and there. */
    if (setjmp(png_jmpbuf(png))) {
        png_destroy_write_struct(&png, &info);
        return false;
    }
    png_init_io(png, file);
    png_set_IHDR(png, info, (png_uint_32)width, (png_uint_32)height, 8, PNG_COLOR_TYPE_GRAY, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, info);
    memset(lines, GAP_GRAY, 2 * (size_t)width);
    write_lines(png, images, g, lines, lines + width);
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
    return true;
}

/* count images of `size` pixels, scaled, with gaps between and around; -1 when that is more than a PNG may have. */
static int64_t side(int64_t count, int64_t size, int64_t scale, int64_t gap)
{
    int64_t step, total;
    if (count < 1 || size < 1 || scale < 1 || gap < 0 || __builtin_mul_overflow(size, scale, &step) ||
        __builtin_add_overflow(step, gap, &step) || __builtin_mul_overflow(step, count, &total) ||
        __builtin_add_overflow(total, gap, &total) || total > MAX_SIDE)
        return -1;
    return total;
}

bool picture_fits(const char *path, const struct picture_grid *grid, char *error, size_t error_size)
{
    if (side(grid->columns, grid->width, grid->scale, grid->gap) > 0 &&
        side(grid->rows, grid->height, grid->scale, grid->gap) > 0)
        return true;
    snprintf(error, error_size,
             "%s: %lld x %lld images of %lld x %lld pixels at scale %lld with gap %lld do not make a picture of "
             "1 to %d pixels a side",
             path, (long long)grid->rows, (long long)grid->columns, (long long)grid->height, (long long)grid->width,
             (long long)grid->scale, (long long)grid->gap, MAX_SIDE);
    return false;
}

bool picture_write(const char *path, const float *images, const struct picture_grid *grid, char *error,
                   size_t error_size)
{
    if (!picture_fits(path, grid, error, error_size))
        return false;
    int64_t width = side(grid->columns, grid->width, grid->scale, grid->gap);
    int64_t height = side(grid->rows, grid->height, grid->scale, grid->gap);
    png_byte *lines = malloc(2 * (size_t)width);
    if (lines == NULL) {
        snprintf(error, error_size, "%s: out of memory for %lld bytes", path, 2 * (long long)width);
        return false;
    }
    struct output output;
    struct failure failure = {error, error_size, path};
    bool good =
        output_open(&output, path, error, error_size) &&
        output_close(&output, write_png(output.file, images, grid, width, height, lines, &failure), error, error_size);
    free(lines);
    return good;
}
