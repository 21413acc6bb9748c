/* Pictures: the pixels as libpng reads them back, and the old picture when writing fails. */

#include <criterion/criterion.h>
#include <dirent.h>
#include <math.h>
#include <png.h>
#include <reel/reel.h>
#include <reel/watch/picture.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64], path[128];
static reel_context *c;

static void make_folder(void)
{
    strcpy(folder, "/tmp/reel-picture-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/grid.png", folder);
    c = reel_context_new(NULL);
}

static int count_files(void)
{
    DIR *stream = opendir(folder);
    int count = 0;
    for (struct dirent *entry; (entry = readdir(stream)) != NULL;)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(stream);
    return count;
}

static void remove_folder(void)
{
    remove(path);
    cr_expect_eq(count_files(), 0, "a temporary file is left");
    rmdir(folder);
    reel_context_free(c);
}

/* The picture's pixels, to be freed by the caller. */
static unsigned char *read_picture(unsigned format, unsigned *width, unsigned *height)
{
    png_image image = {.version = PNG_IMAGE_VERSION};
    cr_assert(png_image_begin_read_from_file(&image, path), "%s", image.message);
    cr_expect_eq(image.format, format);
    image.format = format;
    unsigned char *pixels = malloc(PNG_IMAGE_SIZE(image));
    cr_assert(png_image_finish_read(&image, NULL, pixels, 0, NULL), "%s", image.message);
    *width = image.width;
    *height = image.height;
    return pixels;
}

TestSuite(picture, .init = make_folder, .fini = remove_folder);

Test(picture, has_the_right_pixels)
{
    enum { ROWS = 2, COLUMNS = 3, HEIGHT = 4, WIDTH = 5, SCALE = 3, GAP = 2 };
    REEL_OPTIONS(picture, o, o.columns = COLUMNS, o.scale = SCALE, o.gap = GAP);
    float images[ROWS][COLUMNS][HEIGHT][WIDTH], *flat = &images[0][0][0][0];
    for (int i = 0; i < ROWS * COLUMNS * HEIGHT * WIDTH; i++)
        flat[i] = -1.0f + (float)(i * 2) / 255.0f; /* byte i */
    /* The last one is left out. */
    const reel_shape shape = REEL_SHAPE(ROWS * COLUMNS - 1, HEIGHT, WIDTH);
    cr_assert_eq(reel_picture_save(c, path, flat, shape, &o), REEL_OK, "%s", reel_error(c));

    unsigned width, height;
    unsigned char *pixels = read_picture(PNG_FORMAT_GRAY, &width, &height);
    cr_assert_eq(width, COLUMNS * (WIDTH * SCALE + GAP) + GAP);
    cr_assert_eq(height, ROWS * (HEIGHT * SCALE + GAP) + GAP);
    unsigned char gap = pixels[0];
    for (int y = 0; y < (int)height; y++) {
        for (int x = 0; x < (int)width; x++) {
            int column = x / (WIDTH * SCALE + GAP), inner_x = x % (WIDTH * SCALE + GAP) - GAP;
            int row = y / (HEIGHT * SCALE + GAP), inner_y = y % (HEIGHT * SCALE + GAP) - GAP;
            int expected = gap;
            if (inner_x >= 0 && inner_y >= 0 && row * COLUMNS + column < ROWS * COLUMNS - 1)
                expected = ((row * COLUMNS + column) * HEIGHT + inner_y / SCALE) * WIDTH + inner_x / SCALE;
            cr_assert_eq(pixels[y * (int)width + x], expected, "at x %d, y %d", x, y);
        }
    }
    free(pixels);
}

Test(picture, cuts_values_and_survives_nan)
{
    REEL_OPTIONS(picture, o, o.columns = 1, o.gap = 0);
    float image[] = {-1.0f, 1.0f, 0.0f, -7.0f, 7.0f, (float)INFINITY, -(float)INFINITY, (float)NAN};
    static const unsigned char expected[] = {0, 255, 128, 0, 255, 255, 0, 0};
    cr_assert_eq(reel_picture_save(c, path, image, REEL_SHAPE(1, 1, 8), &o), REEL_OK, "%s", reel_error(c));
    unsigned width, height;
    unsigned char *pixels = read_picture(PNG_FORMAT_GRAY, &width, &height);
    cr_assert_eq(width, 8);
    cr_assert_eq(height, 1);
    cr_expect_arr_eq(pixels, expected, sizeof expected);
    free(pixels);
}

Test(picture, failure_leaves_the_old_picture)
{
    enum { SIDE = 300 };
    float one[] = {1.0f};
    REEL_OPTIONS(picture, o, o.columns = 1, o.gap = 0);
    cr_assert_eq(reel_picture_save(c, path, one, REEL_SHAPE(1, 1, 1), &o), REEL_OK, "%s", reel_error(c));

    float *noise = malloc(SIDE * SIDE * sizeof *noise);
    uint32_t state = 1; /* noise, which does not compress */
    for (int i = 0; i < SIDE * SIDE; i++) {
        state = state * 1664525 + 1013904223;
        noise[i] = (float)(state >> 24) / 127.5f - 1.0f;
    }
    struct rlimit limit, old_limit;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old_limit);
    limit = old_limit;
    limit.rlim_cur = 4096;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    reel_status status = reel_picture_save(c, path, noise, REEL_SHAPE(1, SIDE, SIDE), &o);
    setrlimit(RLIMIT_FSIZE, &old_limit);
    cr_expect_eq(status, REEL_ERROR_IO);
    cr_expect(strstr(reel_error(c), "grid.png") && strstr(reel_error(c), "File too large"), "%s", reel_error(c));
    reel_clear_error(c);
    cr_expect_eq(count_files(), 1);

    unsigned width, height;
    unsigned char *pixels = read_picture(PNG_FORMAT_GRAY, &width, &height);
    cr_expect_eq(width, 1);
    cr_expect_eq(pixels[0], 255);
    free(pixels);

    cr_expect_eq(reel_picture_save(c, path, noise, REEL_SHAPE(1, SIDE, SIDE), &o), REEL_OK, "%s", reel_error(c));
    free(read_picture(PNG_FORMAT_GRAY, &width, &height));
    cr_expect_eq(width, SIDE);
    free(noise);
}

static void refused(reel_status status, const char *text)
{
    cr_expect_eq(reel_context_status(c), status);
    cr_expect_not_null(strstr(reel_error(c), text), "%s", reel_error(c));
    reel_clear_error(c);
}

Test(picture, refuses_what_cannot_be_written)
{
    float one[] = {1.0f};
    const reel_shape shape = REEL_SHAPE(1, 1, 1);
    reel_picture_save(c, "/nonexistent/grid.png", one, shape, NULL);
    refused(REEL_ERROR_IO, "No such file or directory");
    reel_picture_save(c, folder, one, shape, NULL);
    refused(REEL_ERROR_IO, "not a regular file");
    reel_picture_save(c, path, NULL, shape, NULL);
    refused(REEL_ERROR_ARGUMENT, "the images are NULL");
    reel_picture_save(c, NULL, one, shape, NULL);
    refused(REEL_ERROR_ARGUMENT, "the path is NULL");
    cr_expect_eq(reel_picture_save(NULL, path, one, shape, NULL), REEL_ERROR_ARGUMENT);

    const reel_shape wrong[] = {REEL_SHAPE(1, 1), REEL_SHAPE(0, 1, 1), REEL_SHAPE(1, 2, 1, 1), REEL_SHAPE(1, 1, 0),
                                REEL_SHAPE(1, 1, 1, 1, 1)};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        reel_picture_size(c, wrong[i], NULL, NULL, NULL);
        refused(REEL_ERROR_SHAPE, "images are [n, height, width]");
    }
    static const struct {
        int64_t n, columns, scale, gap;
        const char *text;
    } grids[] = {{1, 0, 1, 0, "at least 1"},          {1, 1, 0, 0, "at least 1"},
                 {1, 1, 1, -1, "at least 1"},         {1, 1, 1000001, 0, "do not make"},
                 {1, INT64_MAX, 1, 1, "do not make"}, {INT64_MAX, 1, 1, 0, "do not make"}};
    for (size_t i = 0; i < sizeof grids / sizeof *grids; i++) {
        REEL_OPTIONS(picture, o, o.columns = grids[i].columns, o.scale = grids[i].scale, o.gap = grids[i].gap);
        reel_picture_size(c, REEL_SHAPE(grids[i].n, 1, 1), &o, NULL, NULL);
        refused(i < 3 ? REEL_ERROR_ARGUMENT : REEL_ERROR_SHAPE, grids[i].text);
    }
    REEL_OPTIONS(picture, o, o.low = 1);
    reel_picture_size(c, shape, &o, NULL, NULL);
    refused(REEL_ERROR_ARGUMENT, "less than");
}

/* Planes of three colours become pixels; bytes and doubles are taken as well. */
Test(picture, has_colours)
{
    enum { PIXELS = 6 };
    static const unsigned char bytes[3 * PIXELS] = {0,   1,   2,   3,   4,   5,   100, 101, 102,
                                                    103, 104, 105, 200, 201, 202, 203, 204, 255};
    double numbers[3 * PIXELS];
    for (int i = 0; i < 3 * PIXELS; i++)
        numbers[i] = 10 + bytes[i] * 2.0;
    REEL_OPTIONS(picture, o, o.columns = 1, o.gap = 0, o.low = 10, o.high = 520);
    for (int k = 0; k < 2; k++) {
        const reel_shape shape = REEL_SHAPE(1, 3, 2, 3);
        reel_status status = k ? reel_picture_save_checked(c, path, numbers, sizeof *numbers, shape, &o)
                               : reel_picture_save_bytes(c, path, bytes, shape, &o);
        cr_assert_eq(status, REEL_OK, "%s", reel_error(c));
        unsigned width, height;
        unsigned char *pixels = read_picture(PNG_FORMAT_RGB, &width, &height);
        cr_assert(width == 3 && height == 2);
        for (int i = 0; i < PIXELS; i++)
            for (int channel = 0; channel < 3; channel++)
                cr_expect_eq(pixels[3 * i + channel], bytes[channel * PIXELS + i]);
        free(pixels);
    }
}

/* Names stand beside their rows, in letters that grow with the images; a row that is too low has none. */
Test(picture, has_names)
{
    enum { ROWS = 3, SIDE = 9 };
    static const char *const names[] = {"I", "\xc3x", NULL};
    static unsigned char images[ROWS * SIDE * SIDE];
    for (int scale = 1; scale <= 2; scale++) {
        REEL_OPTIONS(picture, o, o.columns = 1, o.gap = 1, o.scale = scale, o.labels = names, o.n_labels = 3);
        int64_t wide, high;
        cr_assert_eq(reel_picture_size(c, REEL_SHAPE(ROWS, SIDE, SIDE), &o, &wide, &high), REEL_OK);
        cr_expect(wide == scale * (SIDE + 2 * 6 + 2) + 2 && high == ROWS * (scale * SIDE + 1) + 1);
        cr_assert_eq(reel_picture_save_bytes(c, path, images, REEL_SHAPE(ROWS, SIDE, SIDE), &o), REEL_OK);
        unsigned width, height;
        unsigned char *pixels = read_picture(PNG_FORMAT_GRAY, &width, &height);
        cr_assert(width == wide && height == high);
        /* "I" in the middle of the first row. */
        static const char letter[7][6] = {".###.", "..#..", "..#..", "..#..", "..#..", "..#..", ".###."};
        for (int y = 0; y < SIDE * scale; y++)
            for (int x = 0; x < 5 * scale; x++) {
                int line = y / scale - 1, column = x / scale;
                bool set = line >= 0 && line < 7 && letter[line][column] == '#';
                unsigned char pixel = pixels[(1 + y) * (int)width + 2 * scale + x];
                cr_expect(set ? pixel > 200 : pixel == pixels[0], "scale %d, x %d, y %d", scale, x, y);
            }
        free(pixels);
    }
    REEL_OPTIONS(picture, o, o.columns = 1, o.labels = names, o.n_labels = 2);
    int64_t wide;
    reel_picture_size(c, REEL_SHAPE(1, 8, 8), &o, &wide, NULL);
    cr_expect_eq(wide, 8 + 2 * o.gap);
    o.labels = NULL;
    reel_picture_size(c, REEL_SHAPE(1, 8, 8), &o, NULL, NULL);
    refused(REEL_ERROR_ARGUMENT, "labels are NULL");
}
