/* Series as pictures: small plots of real and of made ones, side by side. */
#include "series.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 128, HEIGHT = 80, EDGE = 4, MOST_LINES = 6, GAP = 3 };

/* What the values of a channel are drawn between. */
struct range {
    double least, most;
};

/* Red, green and blue of one place. */
enum { PLANES = 3, PIXELS = WIDTH * HEIGHT };

static const unsigned char real_ink[PLANES] = {20, 70, 160}, made_ink[PLANES] = {190, 50, 20};

static reel_shape shape_of(const struct series_set *s)
{
    return REEL_SHAPE(s->classes * 2 * SERIES_PICTURE_COLUMNS, PLANES, HEIGHT, WIDTH);
}

/* `names` is room for those of the classes. */
static reel_picture_options grid_of_classes(const struct series_set *s, const char *names[SERIES_MAX_CLASSES])
{
    REEL_OPTIONS(picture, o, o.columns = 2 * SERIES_PICTURE_COLUMNS, o.gap = GAP);
    for (int64_t i = 0; s->names && i < s->classes; i++)
        names[i] = s->names[i];
    o.labels = names;
    o.n_labels = s->names && s->classes > 1 ? (int)s->classes : 0;
    return o;
}

reel_status series_picture_fits(reel_context *context, const struct series_set *real)
{
    const char *names[SERIES_MAX_CLASSES];
    const reel_picture_options o = grid_of_classes(real, names);
    return reel_picture_size(context, shape_of(real), &o, NULL, NULL);
}

/* Lines are drawn between the least and the most; maps, where single values do not stand out, within two and a half
 * standard deviations of the mean. */
static struct range *find_ranges(const struct series_set *s)
{
    struct range *ranges = malloc((size_t)s->channels * sizeof *ranges);
    float *mean = malloc(2 * (size_t)s->channels * sizeof *mean), *spread = mean + s->channels;
    if (ranges && mean && s->channels > MOST_LINES) {
        series_scale_of(s, mean, spread);
        for (int64_t c = 0; c < s->channels; c++)
            ranges[c] = (struct range){mean[c] - 2.5 * spread[c], mean[c] + 2.5 * spread[c]};
    } else if (ranges && mean) {
        for (int64_t c = 0; c < s->channels; c++)
            ranges[c] = (struct range){INFINITY, -INFINITY};
        for (int64_t i = 0; i < s->count; i++)
            for (int64_t k = 0; k < s->lengths[i] * s->channels; k++) {
                struct range *r = &ranges[k % s->channels];
                r->least = fmin(r->least, series_at(s, i)[k]);
                r->most = fmax(r->most, series_at(s, i)[k]);
            }
    }
    bool ok = mean != NULL;
    free(mean);
    if (!ok)
        free(ranges);
    return ok ? ranges : NULL;
}

/* The longest of the series in the picture. */
static int64_t longest_of(const struct series_set *s)
{
    int64_t longest = 1;
    for (int64_t k = 0; k < s->classes * SERIES_PICTURE_COLUMNS; k++) {
        int64_t i = series_of_class(s, k / SERIES_PICTURE_COLUMNS, k % SERIES_PICTURE_COLUMNS, SERIES_PICTURE_COLUMNS);
        longest = i >= 0 && s->lengths[i] > longest ? s->lengths[i] : longest;
    }
    return longest;
}

/* 0 at the least and 1 at the most, a little beyond both, and 0 for NaN. */
static double part_of(const struct range *r, double x)
{
    double width = r->most - r->least;
    return fmax(-0.05, fmin(1.05, (x - r->least) / (width > 0 ? width : 1)));
}

/* How much of each pixel the line covers: column by column what is between its values there and half a column to either
 * side, with soft edges. */
static void draw_line(unsigned char *image, const float *x, int64_t length, int64_t channels, const struct range *range,
                      const unsigned char ink[PLANES], double strength, int64_t longest)
{
    double scale = (double)(WIDTH - 2 * EDGE - 1) / (double)(longest > 1 ? longest - 1 : 1);
    for (int column = EDGE; column < WIDTH - EDGE; column++) {
        double low = INFINITY, high = -INFINITY;
        for (int side = -1; side <= 1; side++) {
            double t = (column + 0.5 * side - EDGE) / scale;
            if (t < 0 || t > (double)(length - 1))
                continue;
            int64_t k = (int64_t)t, next = k + 1 < length ? k + 1 : k;
            double a = part_of(range, x[k * channels]), b = part_of(range, x[next * channels]);
            double y = EDGE + (HEIGHT - 2 * EDGE - 1) * (1 - (a + (b - a) * (t - (double)k)));
            low = fmin(low, y);
            high = fmax(high, y);
        }
        for (int row = 0; row < HEIGHT && low <= high; row++) {
            double cover = strength * fmin(1, fmin(row + 1 - low, high + 1 - row));
            for (int plane = 0; plane < PLANES && cover > 0; plane++) {
                unsigned char *pixel = image + plane * PIXELS + row * WIDTH + column;
                *pixel = (unsigned char)(*pixel + (ink[plane] - *pixel) * cover + 0.5);
            }
        }
    }
}

static void draw_map(unsigned char *image, const float *x, int64_t length, int64_t channels, const struct range *ranges,
                     const unsigned char ink[PLANES], int64_t longest)
{
    for (int64_t row = 0; row < HEIGHT; row++)
        for (int64_t column = 0; column < WIDTH; column++) {
            int64_t t = column * longest / WIDTH, c = row * channels / HEIGHT;
            double strength = t < length ? fmax(0, fmin(1, part_of(&ranges[c], x[t * channels + c]))) : 0;
            for (int plane = 0; plane < PLANES && t < length; plane++)
                image[plane * PIXELS + row * WIDTH + column] =
                    (unsigned char)(240 + (ink[plane] - 240) * strength + 0.5);
        }
}

static void draw_series(unsigned char *image, const struct series_set *s, int64_t i, const struct range *ranges,
                        const unsigned char ink[PLANES], int64_t longest)
{
    memset(image, 255, (size_t)PLANES * PIXELS);
    if (i < 0)
        return;
    if (s->channels > MOST_LINES) {
        draw_map(image, series_at(s, i), s->lengths[i], s->channels, ranges, ink, longest);
        return;
    }
    for (int64_t c = s->channels - 1; c >= 0; c--)
        draw_line(image, series_at(s, i) + c, s->lengths[i], s->channels, &ranges[c], ink,
                  1 - 0.8 * (double)c / MOST_LINES, longest);
}

/* All plots, to be freed; NULL when memory ran out. */
static unsigned char *draw_all(const struct series_set *real, const struct series_set *made)
{
    const int64_t n = shape_of(real).dim[0];
    struct range *ranges = find_ranges(real);
    unsigned char *images = malloc((size_t)n * PLANES * PIXELS);
    int64_t longest = longest_of(real) > longest_of(made) ? longest_of(real) : longest_of(made);
    for (int64_t k = 0; ranges && images && k < n; k++) {
        int64_t label = k / (2 * SERIES_PICTURE_COLUMNS), column = k % (2 * SERIES_PICTURE_COLUMNS);
        bool is_real = column < SERIES_PICTURE_COLUMNS;
        const struct series_set *s = is_real ? real : made;
        draw_series(images + k * PLANES * PIXELS, s,
                    series_of_class(s, label, column % SERIES_PICTURE_COLUMNS, SERIES_PICTURE_COLUMNS), ranges,
                    is_real ? real_ink : made_ink, longest);
    }
    if (!ranges) {
        free(images);
        images = NULL;
    }
    free(ranges);
    return images;
}

reel_status series_picture(reel_context *context, const char *path, const struct series_set *real,
                           const struct series_set *made)
{
    const char *names[SERIES_MAX_CLASSES];
    const reel_picture_options o = grid_of_classes(real, names);
    unsigned char *images = draw_all(real, made);
    if (!images)
        return reel_fail(context, REEL_ERROR_OUT_OF_MEMORY, "%s: out of memory", path);
    reel_status status = reel_picture_save_bytes(context, path, images, shape_of(real), &o);
    free(images);
    return status;
}

reel_status series_picture_add(reel_context *context, reel_run *run, const char *name, const struct series_set *real,
                               const struct series_set *made, int64_t step)
{
    const char *names[SERIES_MAX_CLASSES];
    const reel_picture_options o = grid_of_classes(real, names);
    unsigned char *images = draw_all(real, made);
    if (!images)
        return reel_fail(context, REEL_ERROR_OUT_OF_MEMORY, "out of memory: a picture");
    reel_status status = reel_run_add_images_bytes(run, name, images, shape_of(real), &o, step);
    free(images);
    return status;
}
