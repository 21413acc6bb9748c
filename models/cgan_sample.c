/* cgan sample: pictures of a trained generator. */
#include "cgan.h"

#include "arguments.h"
#include "picture.h"

#include <stdlib.h>
#include <string.h>

struct settings {
    const char *model, *out;
    int64_t per_class, seed, threads;
};

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), wanted = strlen(end);
    return length > wanted && strcmp(text + length - wanted, end) == 0;
}

static bool write_arrays(reel_context *c, const char *path, const float *x, const int64_t *y, int64_t n, int64_t pixels,
                         char error[CGAN_ERROR_SIZE])
{
    const reel_named_array arrays[] = {
        {.name = "x", .dtype = REEL_REAL, .shape = REEL_SHAPE(n, pixels), .data = x},
        {.name = "y", .dtype = REEL_INT64, .shape = REEL_SHAPE(n), .data = y},
    };
    if (reel_safetensors_write(c, path, arrays, 2) == REEL_OK)
        return true;
    snprintf(error, CGAN_ERROR_SIZE, "%s", reel_error(c));
    return false;
}

/* The bar of the drawing. */
struct drawing {
    struct progress progress;
    int64_t done, all;
};

static void show_images(void *user, int64_t images)
{
    struct drawing *d = user;
    d->done += images;
    progress_report(&d->progress, (double)d->done / (double)d->all, d->done, "img", "drawing", "");
}

static bool draw(reel_context *c, const struct gan *gan, const int64_t *y, int64_t n, float *x)
{
    struct drawing drawing = {.all = n};
    const struct watcher watcher = {show_images, &drawing};
    reel_tape *tape = reel_tape_new(c);
    progress_begin(&drawing.progress, stderr);
    bool ok = cgan_generate(tape, gan, y, n, x, &watcher);
    progress_end(&drawing.progress);
    reel_tape_free(tape);
    return ok;
}

static bool draw_and_write(reel_context *c, const struct settings *s, const struct gan *gan,
                           const struct cgan_image *image, char error[CGAN_ERROR_SIZE])
{
    const struct picture_grid grid = {gan->sizes.classes, s->per_class, image->rows, image->columns, 2, 2};
    bool png = ends_with(s->out, ".png");
    if (png && !picture_fits(s->out, &grid, error, CGAN_ERROR_SIZE))
        return false;
    int64_t n = gan->sizes.classes * s->per_class, pixels = gan->sizes.data;
    float *x = malloc((size_t)(n * pixels) * sizeof *x);
    int64_t *y = malloc((size_t)n * sizeof *y);
    bool ok = x && y;
    if (!ok)
        snprintf(error, CGAN_ERROR_SIZE, "out of memory for %lld images", (long long)n);
    for (int64_t i = 0; ok && i < n; i++)
        y[i] = i / s->per_class;
    if (ok && !draw(c, gan, y, n, x)) {
        snprintf(error, CGAN_ERROR_SIZE, "%s", reel_error(c));
        ok = false;
    }
    if (ok)
        ok = png ? picture_write(s->out, x, &grid, error, CGAN_ERROR_SIZE)
                 : write_arrays(c, s->out, x, y, n, pixels, error);
    free(x);
    free(y);
    return ok;
}

static bool sample(const struct settings *s, char error[CGAN_ERROR_SIZE])
{
    reel_context_options o = reel_context_defaults();
    o.seed = (uint64_t)s->seed;
    o.num_threads = (int)s->threads;
    reel_context *c = reel_context_new(&o);
    struct gan gan = {0};
    struct cgan_image image;
    bool ok = cgan_load(c, s->model, &gan, &image, error);
    if (ok) {
        /* The model's initial values were drawn too: the noise must depend on the seed alone. */
        reel_manual_seed(c, (uint64_t)s->seed);
        ok = draw_and_write(c, s, &gan, &image, error);
    }
    gan_free(&gan);
    reel_context_free(c);
    return ok;
}

int cgan_sample(int argc, char **argv)
{
    struct settings s = {.per_class = 10};
    const struct option options[] = {
        OPTION_TEXT("model", &s.model, "FILE", "model.safetensors of cgan train"),
        OPTION_TEXT("out", &s.out, "FILE", "what to write: a .png grid, or .safetensors"),
        OPTION_INTEGER("per-class", &s.per_class, 1, 100000, "N", "samples of each class"),
        OPTION_INTEGER("seed", &s.seed, 0, INT64_MAX, "N", "seed of the noise"),
        OPTION_INTEGER("threads", &s.threads, 0, 256, "N", "threads; 0: one a core"),
    };
    const struct arguments arguments = {
        .usage = "cgan sample",
        .summary = "Draws images from a trained model, class by class: a PNG grid with one row a class, or a\n"
                   "safetensors file with x (float32 [n, pixels] in -1..1) and y (int64 [n]).",
        .options = options,
        .count = sizeof options / sizeof *options};
    int exit_code;
    if (!arguments_parse(&arguments, argc, argv, &exit_code))
        return exit_code;
    if (!s.model || !s.out)
        return fprintf(stderr, "cgan sample: %s FILE is missing\n", s.model ? "--out" : "--model"), ARGUMENTS_WRONG;
    if (!ends_with(s.out, ".png") && !ends_with(s.out, ".safetensors"))
        return fprintf(stderr, "cgan sample: --out: %s ends neither in .png nor in .safetensors\n", s.out),
               ARGUMENTS_WRONG;
    char error[CGAN_ERROR_SIZE];
    if (!sample(&s, error))
        return cgan_fail("sample", error);
    fprintf(stderr, "%s\n", s.out);
    return 0;
}
