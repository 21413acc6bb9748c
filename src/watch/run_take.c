/* What a training tells a run: scalars, histograms, images, texts, its configuration and its throughput. */
#include "run.h"

#include "picture.h"

#include <math.h>
#include <reel/context.h>
#include <stdlib.h>
#include <string.h>

static const double RATE_SECONDS = 2;

static double seconds_of(const reel_run *run)
{
    return run->before + steady_clock() - run->begun;
}

static bool take_step(reel_run *run, const char *name, int64_t step, const char *what)
{
    if (!run)
        return false;
    if (name && *name) {
        run->last_step = step;
        return true;
    }
    reel_fail(run->context, REEL_ERROR_ARGUMENT, "run: %s without a name", what);
    return false;
}

static reel_status refused(const reel_run *run)
{
    return run ? reel_context_status(run->context) : REEL_ERROR_ARGUMENT;
}

/* A new item of a series, with its stamp; NULL when memory ran out. */
static void *add_item(reel_run *run, enum series_kind kind, const char *name, int64_t step)
{
    bool thins = kind == SERIES_IMAGE || kind == SERIES_HISTOGRAM;
    struct series *s = history_series(&run->history, kind, name);
    struct stamp *item = s ? series_add(s, thins ? run->options.max_kept : INT64_MAX) : NULL;
    if (item)
        *item = (struct stamp){step, seconds_of(run)};
    return item;
}

reel_status reel_run_add_scalar(reel_run *run, const char *name, double value, int64_t step)
{
    if (!take_step(run, name, step, "a scalar"))
        return refused(run);
    struct point *point = add_item(run, SERIES_SCALAR, name, step);
    if (!point)
        return run_fail_memory(run);
    point->value = value;
    struct event event = {.kind = EVENT_SCALAR, .step = step, .name = name, .scalar = value};
    run_put_event(run, &event);
    return run_write_if_due(run);
}

static double element(const void *values, size_t size, int64_t i)
{
    return size == sizeof(float) ? (double)((const float *)values)[i] : ((const double *)values)[i];
}

static void fill_histogram(struct histogram *h, const void *values, size_t size, int64_t n)
{
    *h = (struct histogram){.min = INFINITY, .max = -INFINITY, .buckets = HISTOGRAM_BUCKETS};
    for (int64_t i = 0; i < n; i++) {
        double x = element(values, size, i);
        if (!isfinite(x))
            continue;
        h->min = fmin(h->min, x);
        h->max = fmax(h->max, x);
        h->n++;
        h->sum += x;
        h->sum_of_squares += x * x;
    }
    if (h->n <= 0)
        h->min = h->max = 0;
    /* One value alone gets buckets around it. */
    double low = h->min, width = (h->max - h->min) / HISTOGRAM_BUCKETS;
    if (!(width > 0)) {
        double margin = fmax(fabs(low) * 1e-6, 1e-12);
        low -= margin;
        width = 2 * margin / HISTOGRAM_BUCKETS;
    }
    for (int k = 0; k < HISTOGRAM_BUCKETS; k++)
        h->limits[k] = low + width * (k + 1);
    if (h->limits[HISTOGRAM_BUCKETS - 1] < h->max)
        h->limits[HISTOGRAM_BUCKETS - 1] = h->max;
    for (int64_t i = 0; i < n; i++) {
        double x = element(values, size, i), place = (x - low) / width;
        if (!isfinite(x))
            continue;
        int k = place > 0 ? place < HISTOGRAM_BUCKETS ? (int)place : HISTOGRAM_BUCKETS - 1 : 0;
        h->counts[k]++;
    }
}

reel_status reel_run_add_histogram_checked(reel_run *run, const char *name, const void *values, size_t element_size,
                                           int64_t n, int64_t step)
{
    if (!take_step(run, name, step, "a histogram"))
        return refused(run);
    if (n < 0 || (n > 0 && !values) || (element_size != sizeof(float) && element_size != sizeof(double)))
        return reel_fail(run->context, REEL_ERROR_ARGUMENT, "run: histogram \"%s\": %s", name,
                         n < 0     ? "n is less than 0"
                         : !values ? "the values are NULL"
                                   : "values are float or double");
    struct distribution *d = add_item(run, SERIES_HISTOGRAM, name, step);
    if (!d)
        return run_fail_memory(run);
    fill_histogram(&d->histogram, values, element_size, n);
    struct event event = {.kind = EVENT_HISTOGRAM, .step = step, .name = name, .histogram = d->histogram};
    run_put_event(run, &event);
    return run_write_if_due(run);
}

/* The path of the file that an image gets. */
static char *picture_path(const reel_run *run, const char *name, int64_t step)
{
    struct buffer path = {0};
    buffer_format(&path, "%s/", run->folder);
    for (const char *c = name; *c; c++) {
        bool plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') || *c == '-' ||
                     (*c == '.' && c > name);
        buffer_add(&path, plain ? c : "_", 1);
    }
    buffer_format(&path, "-%04lld.png", (long long)step);
    if (path.incomplete)
        buffer_free(&path);
    return path.bytes;
}

/* The labels of the last grid are those that are shown. */
static bool take_labels(struct series *s, const reel_picture_options *o)
{
    for (int i = 0; i < s->n_labels; i++)
        free(s->labels[i]);
    free(s->labels);
    s->labels = NULL;
    s->n_labels = 0;
    int n = o->labels ? o->n_labels : 0;
    if (n == 0)
        return true;
    s->labels = calloc((size_t)n, sizeof *s->labels);
    for (int i = 0; s->labels && i < n; i++)
        if ((s->labels[i] = strdup(o->labels[i] ? o->labels[i] : "")))
            s->n_labels++;
    return s->n_labels == n;
}

/* Whether the grid was remembered for the report, and in the events. */
static bool remember_grid(reel_run *run, const char *name, const struct picture *p, const reel_picture_options *options,
                          struct buffer *png, int64_t step)
{
    struct grid *grid = add_item(run, SERIES_IMAGE, name, step);
    struct series *s = history_series(&run->history, SERIES_IMAGE, name);
    if (!grid)
        return false;
    grid->png = png->bytes;
    grid->size = png->size;
    s->rows = (p->n - 1) / p->options.columns + 1;
    s->width = p->picture_width;
    s->height = p->picture_height;
    s->gap = p->options.gap;
    struct event event = {.kind = EVENT_IMAGE,
                          .step = step,
                          .name = name,
                          .image = {p->picture_height, p->picture_width, p->channels, png->bytes, png->size}};
    run_put_event(run, &event);
    *png = (struct buffer){0}; /* it is the grid's now */
    return take_labels(s, options);
}

reel_status reel_run_add_images_checked(reel_run *run, const char *name, const void *images, size_t element_size,
                                        reel_shape shape, const reel_picture_options *options, int64_t step)
{
    if (!take_step(run, name, step, "images"))
        return refused(run);
    reel_context *c = run->context;
    struct picture shown, small;
    if (picture_take(&shown, c, images, element_size, shape, options) != REEL_OK)
        return reel_context_status(c);
    /* The report scales and labels by itself. */
    small = shown;
    small.options.scale = 1;
    small.options.gap = shown.options.gap > 0;
    small.options.labels = NULL;
    picture_measure(&small);
    struct buffer png = {0};
    char *path = picture_path(run, name, step);
    struct picture_file *file = path ? list_add(&run->pictures, sizeof *file) : NULL;
    if (!file) {
        free(path);
        return run_fail_memory(run);
    }
    file->path = path;
    if (picture_encode(&shown, c, &file->png) == REEL_OK && picture_encode(&small, c, &png) == REEL_OK &&
        !remember_grid(run, name, &small, &shown.options, &png, step))
        run_fail_memory(run);
    if (file->png.incomplete || file->png.size == 0) {
        free(path);
        buffer_free(&file->png);
        run->pictures.n--;
    }
    buffer_free(&png);
    return run_write_if_due(run);
}

reel_status reel_run_add_text(reel_run *run, const char *name, const char *text, int64_t step)
{
    if (!take_step(run, name, step, "a text"))
        return refused(run);
    if (!text)
        return reel_fail(run->context, REEL_ERROR_ARGUMENT, "run: text \"%s\" is NULL", name);
    char *copy = strdup(text);
    struct note *note = copy ? add_item(run, SERIES_TEXT, name, step) : NULL;
    if (!note) {
        free(copy);
        return run_fail_memory(run);
    }
    note->text = copy;
    struct event event = {.kind = EVENT_TEXT, .step = step, .name = name, .text = text, .text_size = strlen(text)};
    run_put_event(run, &event);
    return run_write_if_due(run);
}

reel_status reel_run_set_config(reel_run *run, const char *name, const char *value)
{
    if (!run)
        return REEL_ERROR_ARGUMENT;
    if (!name || !*name || !value)
        return reel_fail(run->context, REEL_ERROR_ARGUMENT,
                         "run: a line of the configuration needs a name and a value");
    struct config *all = run->configs.items, *config = NULL;
    for (int64_t i = 0; i < run->configs.n; i++)
        if (strcmp(all[i].name, name) == 0)
            config = &all[i];
    char *copy = strdup(value);
    if (!config && copy && (config = list_add(&run->configs, sizeof *config)) && !(config->name = strdup(name))) {
        run->configs.n--;
        config = NULL;
    }
    if (!copy || !config) {
        free(copy);
        return run_fail_memory(run);
    }
    free(config->value);
    config->value = copy;
    return reel_context_status(run->context);
}

void run_count_rate(reel_run *run, double now)
{
    struct buffer name = {0};
    buffer_format(&name, "throughput/%s per second", run->unit);
    double rate = (double)(run->counted - run->counted_before) / (now - run->counted_at);
    run->counted_before = run->counted;
    run->counted_step = run->last_step;
    run->counted_at = now;
    if (!name.incomplete)
        reel_run_add_scalar(run, name.bytes, rate, run->last_step);
    buffer_free(&name);
}

reel_status reel_run_count(reel_run *run, const char *unit, int64_t n)
{
    if (!run)
        return REEL_ERROR_ARGUMENT;
    if (!unit || !*unit || n < 0 || (run->unit && strcmp(run->unit, unit) != 0))
        return reel_fail(run->context, REEL_ERROR_ARGUMENT, "run: counts %s%s, and not %lld %s",
                         run->unit ? "at least 0 " : "at least 0 of a unit", run->unit ? run->unit : "", (long long)n,
                         unit ? unit : "NULL");
    if (!run->unit && !(run->unit = strdup(unit)))
        return run_fail_memory(run);
    run->counted += n;
    double now = steady_clock();
    if (now - run->counted_at >= RATE_SECONDS && run->last_step != run->counted_step)
        run_count_rate(run, now);
    return reel_context_status(run->context);
}
