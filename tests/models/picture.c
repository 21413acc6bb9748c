/* picture_write: the pixels as libpng reads them back, and the old picture when writing fails. */
#include "picture.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <math.h>
#include <png.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64], path[128];
static char error[4600];

static void make_folder(void)
{
    strcpy(folder, "/tmp/reel-picture-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/grid.png", folder);
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
}

/* The picture's gray pixels, to be freed by the caller. */
static unsigned char *read_picture(unsigned *width, unsigned *height)
{
    png_image image = {.version = PNG_IMAGE_VERSION};
    cr_assert(png_image_begin_read_from_file(&image, path), "%s", image.message);
    cr_expect_eq(image.format, PNG_FORMAT_GRAY);
    image.format = PNG_FORMAT_GRAY;
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
    struct picture_grid grid = {ROWS, COLUMNS, HEIGHT, WIDTH, SCALE, GAP};
    float images[ROWS][COLUMNS][HEIGHT][WIDTH], *flat = &images[0][0][0][0];
    for (int i = 0; i < ROWS * COLUMNS * HEIGHT * WIDTH; i++)
        flat[i] = -1.0f + (float)(i * 2) / 255.0f; /* byte i */
    cr_assert(picture_write(path, flat, &grid, error, sizeof error), "%s", error);

    unsigned width, height;
    unsigned char *pixels = read_picture(&width, &height);
    cr_assert_eq(width, COLUMNS * (WIDTH * SCALE + GAP) + GAP);
    cr_assert_eq(height, ROWS * (HEIGHT * SCALE + GAP) + GAP);
    unsigned char gap = pixels[0];
    for (int y = 0; y < (int)height; y++) {
        for (int x = 0; x < (int)width; x++) {
            int column = x / (WIDTH * SCALE + GAP), inner_x = x % (WIDTH * SCALE + GAP) - GAP;
            int row = y / (HEIGHT * SCALE + GAP), inner_y = y % (HEIGHT * SCALE + GAP) - GAP;
            int expected = gap;
            if (inner_x >= 0 && inner_y >= 0)
                expected = ((row * COLUMNS + column) * HEIGHT + inner_y / SCALE) * WIDTH + inner_x / SCALE;
            cr_assert_eq(pixels[y * (int)width + x], expected, "at x %d, y %d", x, y);
        }
    }
    free(pixels);
}

Test(picture, cuts_values_and_survives_nan)
{
    struct picture_grid grid = {1, 1, 1, 8, 1, 0};
    float image[] = {-1.0f, 1.0f, 0.0f, -7.0f, 7.0f, (float)INFINITY, -(float)INFINITY, (float)NAN};
    static const unsigned char expected[] = {0, 255, 128, 0, 255, 255, 0, 0};
    cr_assert(picture_write(path, image, &grid, error, sizeof error), "%s", error);
    unsigned width, height;
    unsigned char *pixels = read_picture(&width, &height);
    cr_assert_eq(width, 8);
    cr_assert_eq(height, 1);
    cr_expect_arr_eq(pixels, expected, sizeof expected);
    free(pixels);
}

Test(picture, failure_leaves_the_old_picture)
{
    enum { SIDE = 300 };
    float one[] = {1.0f};
    struct picture_grid small = {1, 1, 1, 1, 1, 0}, large = {1, 1, SIDE, SIDE, 1, 0};
    cr_assert(picture_write(path, one, &small, error, sizeof error), "%s", error);

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
    bool written = picture_write(path, noise, &large, error, sizeof error);
    setrlimit(RLIMIT_FSIZE, &old_limit);
    cr_expect_not(written);
    cr_expect_not_null(strstr(error, "grid.png: File too large"), "%s", error);
    cr_expect_eq(count_files(), 1);

    unsigned width, height;
    unsigned char *pixels = read_picture(&width, &height);
    cr_expect_eq(width, 1);
    cr_expect_eq(pixels[0], 255);
    free(pixels);

    cr_expect(picture_write(path, noise, &large, error, sizeof error), "%s", error);
    free(read_picture(&width, &height));
    cr_expect_eq(width, SIDE);
    free(noise);
}

Test(picture, refuses_what_cannot_be_written)
{
    float one[] = {1.0f};
    struct picture_grid grid = {1, 1, 1, 1, 1, 0};
    cr_expect_not(picture_write("/nonexistent/grid.png", one, &grid, error, sizeof error));
    cr_expect_not_null(strstr(error, "No such file or directory"), "%s", error);
    cr_expect_not(picture_write(folder, one, &grid, error, sizeof error));
    cr_expect_not_null(strstr(error, "not a regular file"), "%s", error);
    static const struct picture_grid wrong[] = {
        {0, 1, 1, 1, 1, 0},       {1, -1, 1, 1, 1, 0},        {1, 1, 1, 1, 0, 0},         {1, 1, 1, 1, 1, -1},
        {1, 1, 1, 1, 1000001, 0}, {1, INT64_MAX, 1, 1, 1, 1}, {INT64_MAX, 1, 2, 1, 1, 0},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        cr_expect_not(picture_write(path, one, &wrong[i], error, sizeof error));
        cr_expect_not_null(strstr(error, "do not make a picture"), "%s", error);
    }
}
