/* series data: what is in a set of series. */
#include "series.h"

#include "process.h"

#include <math.h>

/* What one class of a set has. */
static void print_class(const struct series_set *s, int64_t label)
{
    int64_t count = 0, values = 0, shortest = INT64_MAX, longest = 0;
    double sum = 0, squares = 0, least = INFINITY, most = -INFINITY;
    for (int64_t i = 0; i < s->count; i++) {
        if (s->labels[i] != label)
            continue;
        count++;
        shortest = s->lengths[i] < shortest ? s->lengths[i] : shortest;
        longest = s->lengths[i] > longest ? s->lengths[i] : longest;
        for (int64_t k = 0; k < s->lengths[i] * s->channels; k++, values++) {
            double x = series_at(s, i)[k];
            sum += x;
            squares += x * x;
            least = fmin(least, x);
            most = fmax(most, x);
        }
    }
    if (count == 0) {
        printf("  %-16s %6d\n", s->names[label], 0);
        return;
    }
    double mean = sum / (double)values;
    printf("  %-16s %6lld %6lld..%-6lld %10.4g %10.4g %10.4g %10.4g\n", s->names[label], (long long)count,
           (long long)shortest, (long long)longest, mean, sqrt(fmax(0, squares / (double)values - mean * mean)), least,
           most);
}

static void print_set(const char *name, const struct series_set *s)
{
    printf("%s: %lld series of %lld channel%s\n", name, (long long)s->count, (long long)s->channels,
           s->channels == 1 ? "" : "s");
    printf("  %-16s %6s %14s %10s %10s %10s %10s\n", "class", "series", "steps", "mean", "spread", "least", "most");
    for (int64_t c = 0; c < s->classes; c++)
        print_class(s, c);
}

int series_data(int argc, char **argv)
{
    struct series_source s = {SERIES_SOURCE_DEFAULTS};
    const char *out = NULL;
    const struct option options[] = {
        SERIES_SOURCE_OPTIONS(s),
        OPTION_TEXT("out", &out, "FILE", "a .png with training series on the left and test series on the right"),
    };
    const struct arguments arguments = {
        .usage = "series data",
        .summary = "Says what is in a set of series, training and test: of each class how many there are, how long\n"
                   "they are, and what values they have.",
        .options = options,
        .count = sizeof options / sizeof *options};
    int exit_code;
    if (!arguments_parse(&arguments, argc, argv, &exit_code))
        return exit_code;
    struct series_set train, test;
    char error[SERIES_ERROR_SIZE];
    if (!series_load(&s, &train, &test, error, sizeof error))
        return series_fail("data", error);
    print_set("training", &train);
    print_set("test", &test);
    bool ok = true;
    if (out) {
        reel_context *c = reel_context_new(NULL);
        ok = series_picture(c, out, &train, &test) == REEL_OK;
        snprintf(error, sizeof error, "%s", reel_error(c));
        reel_context_free(c);
    }
    series_set_free(&train);
    series_set_free(&test);
    if (!ok)
        return series_fail("data", error);
    return process_flush("series data") ? 0 : 1;
}
