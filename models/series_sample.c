/* series sample: series from a trained model. */
#include "series.h"

#include "arguments.h"

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

static bool write_arrays(reel_context *c, const char *path, const struct series_set *s)
{
    const reel_named_array arrays[] = {
        {.name = "x", .dtype = REEL_REAL, .shape = REEL_SHAPE(s->count, s->longest, s->channels), .data = s->x},
        {.name = "y", .dtype = REEL_INT64, .shape = REEL_SHAPE(s->count), .data = s->labels},
        {.name = "lengths", .dtype = REEL_INT64, .shape = REEL_SHAPE(s->count), .data = s->lengths},
    };
    return (ends_with(path, ".npz") ? reel_npz_write(c, path, arrays, 3, NULL)
                                    : reel_safetensors_write(c, path, arrays, 3)) == REEL_OK;
}

static bool draw(reel_context *c, const struct series_gan *gan, struct series_set *set)
{
    reel_tape *tape = reel_tape_new(c);
    reel_progress *progress = reel_progress_new(stderr, "series", set->count);
    reel_progress_set_label(progress, "drawing");
    bool ok = series_draw(tape, gan, set, progress);
    reel_progress_free(progress);
    reel_tape_free(tape);
    return ok;
}

static bool sample(const struct settings *s, char error[SERIES_ERROR_SIZE])
{
    reel_context_options o = reel_context_defaults();
    o.seed = (uint64_t)s->seed;
    o.num_threads = (int)s->threads;
    reel_context *c = reel_context_new(&o);
    struct series_gan gan = {0};
    struct series_set set = {0};
    bool ok = series_model_load(c, s->model, &gan, error);
    if (ok) {
        const struct series_set like = {
            .longest = gan.sizes.longest, .channels = gan.sizes.channels, .classes = gan.sizes.classes};
        ok = series_set_like(&set, &like, s->per_class * gan.sizes.classes);
        if (!ok)
            snprintf(error, SERIES_ERROR_SIZE, "out of memory");
    }
    if (ok) {
        for (int64_t i = 0; i < set.count; i++)
            set.labels[i] = i / s->per_class;
        /* The model's initial values were drawn too: the noise must depend on the seed alone. */
        reel_manual_seed(c, (uint64_t)s->seed);
        ok = draw(c, &gan, &set) && write_arrays(c, s->out, &set);
        if (!ok)
            snprintf(error, SERIES_ERROR_SIZE, "%s", reel_error(c));
    }
    series_set_free(&set);
    series_gan_free(&gan);
    reel_context_free(c);
    return ok;
}

int series_sample(int argc, char **argv)
{
    struct settings s = {.per_class = 10};
    const struct option options[] = {
        OPTION_TEXT("model", &s.model, "FILE", "model.safetensors of series train"),
        OPTION_TEXT("out", &s.out, "FILE", "what to write: .npz or .safetensors"),
        OPTION_INTEGER("per-class", &s.per_class, 1, 100000, "N", "samples of each class"),
        OPTION_INTEGER("seed", &s.seed, 0, INT64_MAX, "N", "seed of everything drawn"),
        OPTION_INTEGER("threads", &s.threads, 0, 256, "N", "threads; 0: one a core"),
    };
    const struct arguments arguments = {
        .usage = "series sample",
        .summary = "Draws series from a trained model, class by class: x (float32 [n, steps, channels], zeros past\n"
                   "the end of a series), y (int64 [n]) and lengths (int64 [n]). train, eval and data read the .npz.",
        .options = options,
        .count = sizeof options / sizeof *options};
    int exit_code;
    if (!arguments_parse(&arguments, argc, argv, &exit_code))
        return exit_code;
    if (!s.model || !s.out)
        return fprintf(stderr, "series sample: %s FILE is missing\n", s.model ? "--out" : "--model"), ARGUMENTS_WRONG;
    if (!ends_with(s.out, ".npz") && !ends_with(s.out, ".safetensors"))
        return fprintf(stderr, "series sample: --out: %s ends neither in .npz nor in .safetensors\n", s.out),
               ARGUMENTS_WRONG;
    char error[SERIES_ERROR_SIZE];
    if (!sample(&s, error))
        return series_fail("sample", error);
    fprintf(stderr, "%s\n", s.out);
    return 0;
}
