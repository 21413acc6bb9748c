/* cgan sample: pictures of a trained generator. */
#include "cgan.h"

#include "arguments.h"

#include <reel/watch/picture.h>

#include <stdlib.h>
#include <string.h>

struct settings {
    const char *model, *out, *only;
    int64_t per_class, seed, threads;
};

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), wanted = strlen(end);
    return length > wanted && strcmp(text + length - wanted, end) == 0;
}

static bool write_arrays(reel_context *c, const char *path, const float *x, const int64_t *y, int64_t n, int64_t pixels)
{
    const reel_named_array arrays[] = {
        {.name = "x", .dtype = REEL_REAL, .shape = REEL_SHAPE(n, pixels), .data = x},
        {.name = "y", .dtype = REEL_INT64, .shape = REEL_SHAPE(n), .data = y},
    };
    return reel_safetensors_write(c, path, arrays, 2) == REEL_OK;
}

static bool draw(reel_context *c, const struct gan *gan, const int64_t *y, int64_t n, float *x)
{
    reel_tape *tape = reel_tape_new(c);
    reel_progress *progress = reel_progress_new(stderr, "img", n);
    reel_progress_set_label(progress, "drawing");
    bool ok = cgan_generate(tape, gan, y, n, x, progress);
    reel_progress_free(progress);
    reel_tape_free(tape);
    return ok;
}

/* Which classes are drawn, and how a picture shows them: one row a class, or of a single one as many as there are room
 * for. */
struct sheet {
    int64_t first_class, classes;
    struct class_lines lines;
    reel_picture_options grid;
};

static bool lay_out(struct sheet *sheet, const struct settings *s, const struct gan *gan,
                    const struct cgan_image *image, char error[CGAN_ERROR_SIZE])
{
    enum { COLUMNS = 10 };
    class_names_split(&image->names, &sheet->lines);
    sheet->grid = reel_picture_defaults();
    sheet->grid.scale = 2;
    sheet->grid.columns = s->per_class;
    sheet->grid.labels = sheet->lines.line;
    sheet->grid.n_labels = sheet->lines.count;
    sheet->first_class = 0;
    sheet->classes = gan->sizes.classes;
    if (!s->only)
        return true;
    sheet->classes = 1;
    sheet->first_class = class_names_find(&image->names, gan->sizes.classes, s->only);
    if (sheet->first_class < 0) {
        snprintf(error, CGAN_ERROR_SIZE, "%s has no class \"%s\"%s", s->model, s->only,
                 sheet->lines.count > 0 ? "" : ", and its classes have numbers alone");
        return false;
    }
    sheet->grid.columns = s->per_class < COLUMNS ? s->per_class : COLUMNS;
    sheet->grid.labels = &sheet->lines.line[sheet->first_class];
    sheet->grid.n_labels = sheet->lines.count > 0;
    return true;
}

static bool draw_and_write(reel_context *c, const struct settings *s, const struct gan *gan,
                           const struct cgan_image *image, char error[CGAN_ERROR_SIZE])
{
    struct sheet sheet;
    if (!lay_out(&sheet, s, gan, image, error))
        return false;
    bool png = ends_with(s->out, ".png");
    int64_t n = sheet.classes * s->per_class, pixels = gan->sizes.data;
    const reel_shape shape = REEL_SHAPE(n, image->rows, image->columns);
    if (png && reel_picture_size(c, shape, &sheet.grid, NULL, NULL) != REEL_OK) {
        snprintf(error, CGAN_ERROR_SIZE, "%s", reel_error(c));
        return false;
    }
    float *x = malloc((size_t)(n * pixels) * sizeof *x);
    int64_t *y = malloc((size_t)n * sizeof *y);
    bool ok = x && y;
    if (!ok)
        snprintf(error, CGAN_ERROR_SIZE, "out of memory for %lld images", (long long)n);
    for (int64_t i = 0; ok && i < n; i++)
        y[i] = sheet.first_class + i / s->per_class;
    if (ok) {
        ok = draw(c, gan, y, n, x) && (png ? reel_picture_save(c, s->out, x, shape, &sheet.grid) == REEL_OK
                                           : write_arrays(c, s->out, x, y, n, pixels));
        if (!ok)
            snprintf(error, CGAN_ERROR_SIZE, "%s", reel_error(c));
    }
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
        OPTION_TEXT("class", &s.only, "NAME", "this class alone: its name, or its number"),
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
