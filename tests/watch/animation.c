/* Animations: their chunks, the pixels of each frame as libpng decodes them, and what cannot be joined. */

#include <criterion/criterion.h>
#include <math.h>
#include <png.h>
#include <reel/reel.h>
#include <reel/watch/animation.h>
#include <reel/watch/picture.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <zlib.h>

enum { FRAMES = 3, WIDTH = 90, HEIGHT = 70, MOST = 1 << 17 };

static char folder[64], paths[FRAMES][128], other[128], path[128];
static const char *pictures[FRAMES] = {paths[0], paths[1], paths[2]};
static reel_context *c;

static size_t read_file(const char *from, unsigned char *bytes)
{
    FILE *file = fopen(from, "rb");
    cr_assert_not_null(file, "%s", from);
    size_t size = fread(bytes, 1, MOST, file);
    cr_assert_lt(size, (size_t)MOST);
    fclose(file);
    return size;
}

static void write_file(const char *to, const unsigned char *bytes, size_t size)
{
    FILE *file = fopen(to, "wb");
    cr_assert_eq(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

/* Noise, so that a picture has several chunks of pixels. */
static void save_noise(const char *to, unsigned seed, int channels, int height, int width)
{
    unsigned char *pixels = malloc((size_t)(channels * height * width));
    for (int i = 0; i < channels * height * width; i++) {
        seed = seed * 1664525 + 1013904223;
        pixels[i] = (unsigned char)(seed >> 24);
    }
    REEL_OPTIONS(picture, o, o.columns = 1, o.gap = 0);
    reel_picture_save_bytes(c, to, pixels, REEL_SHAPE(1, channels, height, width), &o);
    cr_assert_eq(reel_context_status(c), REEL_OK, "%s", reel_error(c));
    free(pixels);
}

static void begin(void)
{
    strcpy(folder, "/tmp/reel-animation-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    c = reel_context_new(NULL);
    for (int i = 0; i < FRAMES; i++) {
        snprintf(paths[i], sizeof paths[i], "%s/%d.png", folder, i);
        save_noise(paths[i], (unsigned)i, 3, HEIGHT, WIDTH);
    }
    snprintf(other, sizeof other, "%s/other.png", folder);
    snprintf(path, sizeof path, "%s/all.png", folder);
}

static void end(void)
{
    for (int i = 0; i < FRAMES; i++)
        remove(paths[i]);
    remove(other);
    remove(path);
    cr_expect_eq(rmdir(folder), 0, "a temporary file is left");
    reel_context_free(c);
}

TestSuite(animation, .init = begin, .fini = end);

static uint32_t number(const unsigned char *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static unsigned char *put_number(unsigned char *to, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        to[i] = (unsigned char)(value >> (24 - 8 * i));
    return to + 4;
}

/* The pixels of a PNG in memory, to be freed. */
static unsigned char *decode(const unsigned char *bytes, size_t size, unsigned format)
{
    png_image image = {.version = PNG_IMAGE_VERSION};
    cr_assert(png_image_begin_read_from_memory(&image, bytes, size), "%s", image.message);
    cr_expect_eq(image.format, format);
    image.format = format;
    unsigned char *pixels = malloc(PNG_IMAGE_SIZE(image));
    cr_assert(png_image_finish_read(&image, NULL, pixels, 0, NULL), "%s", image.message);
    return pixels;
}

static void expect_picture(const unsigned char *bytes, size_t size, const char *from, unsigned format)
{
    static unsigned char wanted[MOST];
    size_t pixels = (size_t)WIDTH * HEIGHT * (format == PNG_FORMAT_RGB ? 3 : 1);
    unsigned char *is = decode(bytes, size, format), *shall_be = decode(wanted, read_file(from, wanted), format);
    cr_expect_arr_eq(is, shall_be, pixels, "not the pixels of %s", from);
    free(is);
    free(shall_be);
}

/* A file that is taken apart, and the frame under way put together as a picture of its own. */
struct reading {
    unsigned char bytes[MOST], frame[MOST], *frame_end;
    size_t size, header_end;
    char types[512]; /* first letters but for runs of one type */
    uint32_t sequence;
    int frames;
    unsigned format;
};

static unsigned char *put_chunk(unsigned char *to, const char *type, const unsigned char *data, uint32_t size)
{
    put_number(to, size);
    memcpy(to + 4, type, 4);
    memcpy(to + 8, data, size);
    return put_number(to + 8 + size, (uint32_t)crc32(0, to + 4, 4 + size));
}

static void end_frame(struct reading *r)
{
    if (r->frames == 0)
        return;
    unsigned char *frame_end = put_chunk(r->frame_end, "IEND", r->bytes, 0);
    expect_picture(r->frame, (size_t)(frame_end - r->frame), pictures[r->frames - 1], r->format);
}

static void take_control(struct reading *r, const unsigned char *data)
{
    static const unsigned char whole_and_replaced[10] = {0};
    end_frame(r);
    r->frames++;
    memcpy(r->frame, r->bytes, r->header_end);
    r->frame_end = r->frame + r->header_end;
    cr_expect_eq(number(data), r->sequence++);
    cr_expect_eq(number(data + 4), WIDTH);
    cr_expect_eq(number(data + 8), HEIGHT);
    cr_expect_arr_eq(data + 12, whole_and_replaced, 8);
    cr_expect_eq(number(data + 20), (r->frames < FRAMES ? 125u : 65000u) << 16 | 1000, "frame %d", r->frames);
    cr_expect_arr_eq(data + 24, whole_and_replaced, 2);
}

static void take_apart(struct reading *r)
{
    r->size = read_file(path, r->bytes);
    cr_assert_arr_eq(r->bytes, "\x89PNG\r\n\x1a\n", 8);
    size_t at = 8;
    while (at < r->size) {
        uint32_t size = number(r->bytes + at);
        const char *type = (const char *)r->bytes + at + 4;
        const unsigned char *data = r->bytes + at + 8;
        cr_assert_leq(at + 12 + size, r->size);
        cr_expect_eq(number(data + size), (uint32_t)crc32(0, r->bytes + at + 4, 4 + size), "%.4s", type);
        at += 12 + size;
        size_t n = strlen(r->types);
        if (n < 5 || strncmp(r->types + n - 5, type, 4) != 0)
            snprintf(r->types + n, sizeof r->types - n, "%.4s ", type);
        if (strncmp(type, "IHDR", 4) == 0)
            r->header_end = at;
        if (strncmp(type, "acTL", 4) == 0) {
            cr_expect_eq(size, 8);
            cr_expect_eq(number(data), FRAMES);
            cr_expect_eq(number(data + 4), 0, "it plays for ever");
        }
        if (strncmp(type, "fcTL", 4) == 0) {
            cr_expect_eq(size, 26);
            take_control(r, data);
        }
        if (strncmp(type, "fdAT", 4) == 0) {
            cr_expect_eq(number(data), r->sequence++);
            r->frame_end = put_chunk(r->frame_end, "IDAT", data + 4, size - 4);
        }
    }
    end_frame(r);
    cr_expect_str_eq(r->types, "IHDR acTL IDAT fcTL fdAT fcTL fdAT fcTL fdAT IEND ");
    cr_expect_eq(r->frames, FRAMES);
    /* Who knows no animations sees the last picture. */
    expect_picture(r->bytes, r->size, pictures[FRAMES - 1], r->format);
}

Test(animation, has_the_frames)
{
    static struct reading r = {.format = PNG_FORMAT_RGB};
    REEL_OPTIONS(animation, o, o.seconds = 0.125, o.last_seconds = 65);
    cr_assert_eq(reel_animation_save(c, path, pictures, FRAMES, &o), REEL_OK, "%s", reel_error(c));
    take_apart(&r);
    cr_expect_gt(r.sequence, 2 * FRAMES, "frames of several chunks");
}

Test(animation, of_gray_pictures)
{
    static struct reading r = {.format = PNG_FORMAT_GRAY};
    for (int i = 0; i < FRAMES; i++)
        save_noise(paths[i], (unsigned)i, 1, HEIGHT, WIDTH);
    REEL_OPTIONS(animation, o, o.seconds = 0.1254, o.last_seconds = 65);
    cr_assert_eq(reel_animation_save(c, path, pictures, FRAMES, &o), REEL_OK, "%s", reel_error(c));
    take_apart(&r);
}

static void refused(reel_status status, const char *text)
{
    cr_expect_eq(reel_context_status(c), status, "%s", reel_error(c));
    cr_expect_not_null(strstr(reel_error(c), text), "%s", reel_error(c));
    reel_clear_error(c);
}

Test(animation, refuses_what_cannot_be_joined)
{
    static unsigned char bytes[MOST];
    const char *const three[] = {paths[0], other, paths[1]};
    reel_animation_save(c, path, three, 3, NULL);
    refused(REEL_ERROR_IO, "other.png\": No such file");
    const char *const directory[] = {folder};
    reel_animation_save(c, path, directory, 1, NULL);
    refused(REEL_ERROR_IO, "Is a directory");
    save_noise(other, 7, 3, HEIGHT, WIDTH + 1);
    reel_animation_save(c, path, three, 3, NULL);
    refused(REEL_ERROR_SHAPE, "other.png\" has another size");
    save_noise(other, 7, 1, HEIGHT, WIDTH);
    reel_animation_save(c, path, three, 3, NULL);
    refused(REEL_ERROR_SHAPE, "kind of pixels");
    /* With another color type. */
    size_t size = read_file(paths[0], bytes);
    bytes[8 + 8 + 9] = PNG_COLOR_TYPE_PALETTE;
    put_number(bytes + 8 + 8 + 13, (uint32_t)crc32(0, bytes + 8 + 4, 4 + 13));
    write_file(other, bytes, size);
    reel_animation_save(c, path, three, 3, NULL);
    refused(REEL_ERROR_FORMAT, "has a palette");
    /* Without pixels. */
    size = (size_t)(put_chunk(bytes + 8 + 12 + 13, "IEND", bytes, 0) - bytes);
    bytes[8 + 8 + 9] = PNG_COLOR_TYPE_RGB;
    put_number(bytes + 8 + 8 + 13, (uint32_t)crc32(0, bytes + 8 + 4, 4 + 13));
    write_file(other, bytes, size);
    reel_animation_save(c, path, three, 3, NULL);
    refused(REEL_ERROR_FORMAT, "not a whole PNG");
    cr_expect_neq(access(path, F_OK), 0, "nothing was written");
}

Test(animation, refuses_damaged_pictures)
{
    static unsigned char bytes[MOST];
    const char *const one[] = {other};
    save_noise(other, 7, 1, 3, 5);
    size_t size = read_file(other, bytes);
    for (size_t i = 0; i < size; i++) {
        write_file(other, bytes, i);
        cr_expect_eq(reel_animation_save(c, path, one, 1, NULL), REEL_ERROR_FORMAT, "cut to %zu bytes", i);
        reel_clear_error(c);
        bytes[i] ^= 0x40;
        write_file(other, bytes, size);
        cr_expect_eq(reel_animation_save(c, path, one, 1, NULL), REEL_ERROR_FORMAT, "byte %zu", i);
        reel_clear_error(c);
        bytes[i] ^= 0x40;
    }
    write_file(other, bytes, size);
    cr_expect_eq(reel_animation_save(c, path, one, 1, NULL), REEL_OK, "%s", reel_error(c));
}

Test(animation, refuses_arguments)
{
    cr_expect_eq(reel_animation_save(NULL, path, pictures, FRAMES, NULL), REEL_ERROR_ARGUMENT);
    reel_animation_save(c, NULL, pictures, FRAMES, NULL);
    refused(REEL_ERROR_ARGUMENT, "path is NULL");
    reel_animation_save(c, path, NULL, FRAMES, NULL);
    refused(REEL_ERROR_ARGUMENT, "pictures are NULL");
    const char *const hole[] = {paths[0], NULL};
    reel_animation_save(c, path, hole, 2, NULL);
    refused(REEL_ERROR_ARGUMENT, "picture 1 is NULL");
    for (int64_t n = 0; n <= 1LL << 31; n += 1LL << 31) {
        reel_animation_save(c, path, pictures, n, NULL);
        refused(REEL_ERROR_ARGUMENT, "outside 1..2^31 - 1");
    }
    for (int i = 0; i < 4; i++) {
        REEL_OPTIONS(animation, o, o.seconds = i == 0 ? -0.1 : i == 1 ? 65.1 : 1);
        o.last_seconds = i == 2 ? 70 : i == 3 ? (double)NAN : 1;
        reel_animation_save(c, path, pictures, FRAMES, &o);
        refused(REEL_ERROR_ARGUMENT, "0..65");
    }
    reel_animation_options zeros = {0};
    reel_animation_save(c, path, pictures, FRAMES, &zeros);
    refused(REEL_ERROR_ARGUMENT, "reel_animation_defaults()");
    reel_animation_save(c, "/no/such/folder.png", pictures, FRAMES, NULL);
    refused(REEL_ERROR_IO, "/no/such/folder.png");
}

Test(animation, failure_leaves_the_old_one)
{
    static unsigned char before[MOST], after[MOST];
    cr_assert_eq(reel_animation_save(c, path, pictures, 1, NULL), REEL_OK, "%s", reel_error(c));
    size_t size = read_file(path, before);
    struct rlimit limit, old_limit;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old_limit);
    limit = old_limit;
    limit.rlim_cur = size;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    reel_animation_save(c, path, pictures, FRAMES, NULL);
    setrlimit(RLIMIT_FSIZE, &old_limit);
    refused(REEL_ERROR_IO, "File too large");
    cr_expect_eq(read_file(path, after), size);
    cr_expect_arr_eq(after, before, size);
}
