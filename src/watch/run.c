/* A run: taking what a training says, and writing the folder's files. */
#include "run.h"

#include "picture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <reel/context.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A picture that is to be written. */
struct picture_file {
    char *path;
    struct buffer png;
};

/* How the names of files of events begin. */
#define EVENTS_NAME "events.out.tfevents."

static const double RATE_SECONDS = 2;

/* Writing takes at most this part of the time. */
static const double WRITING_SHARE = 0.05;

reel_run_options reel_run_defaults(void)
{
    return (reel_run_options){.mark = REEL_OPTIONS_MARK(reel_run_options),
                              .csv = true,
                              .events = true,
                              .report = true,
                              .seconds = 10,
                              .max_kept = 64};
}

static double seconds_of(const reel_run *run)
{
    return run->before + steady_clock() - run->begun;
}

static reel_status fail_memory(reel_run *run)
{
    run->incomplete = true;
    return reel_fail(run->context, REEL_ERROR_OUT_OF_MEMORY, "run: out of memory for what is to be shown");
}

/* The path of a file in the folder, to be freed; NULL when memory ran out. */
static char *path_in(const reel_run *run, const char *name)
{
    struct buffer path = {0};
    buffer_format(&path, "%s/%s", run->folder, name);
    if (path.incomplete)
        buffer_free(&path);
    return path.bytes;
}

/* ---- Events ---- */

static void put_event(reel_run *run, struct event *event)
{
    if (!run->options.events)
        return;
    event->wall_time = wall_clock();
    event_write(&run->events, event);
}

static reel_status fail_system(const reel_run *run, const char *what)
{
    return reel_fail(run->context, REEL_ERROR_IO, "run: \"%s\": cannot %s: %s", run->folder, what, strerror(errno));
}

/* A new file, whose name comes after those of all files before it: they are read in that order. */
static int make_events_file(const reel_run *run)
{
    int file;
    do {
        char name[96];
        snprintf(name, sizeof name, EVENTS_NAME "%017.6f.reel.%ld", wall_clock(), (long)getpid());
        char *path = path_in(run, name);
        if (!path) {
            errno = ENOMEM;
            return -1;
        }
        file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        free(path);
    } while (file < 0 && (errno == EEXIST || errno == EINTR));
    return file;
}

/* Of the run that is replaced. What cannot be removed does no harm: the new events say that it counts no longer. */
static void remove_other_events(const reel_run *run)
{
    struct stat ours, theirs;
    DIR *folder = opendir(run->folder);
    if (!folder || fstat(run->events_file, &ours) != 0) {
        if (folder)
            closedir(folder);
        return;
    }
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        if (strncmp(entry->d_name, EVENTS_NAME, strlen(EVENTS_NAME)) == 0 &&
            fstatat(dirfd(folder), entry->d_name, &theirs, AT_SYMLINK_NOFOLLOW) == 0 && theirs.st_ino != ours.st_ino)
            unlinkat(dirfd(folder), entry->d_name, 0);
    closedir(folder);
}

/* Appends what is new. What was written of it when that failed is taken back, so that the file stays whole. */
static reel_status write_events(reel_run *run)
{
    struct buffer *b = &run->events;
    if (b->incomplete)
        return reel_fail(run->context, REEL_ERROR_OUT_OF_MEMORY, "run: out of memory for its events");
    if (run->events_file < 0) {
        run->events_file = make_events_file(run);
        if (run->events_file < 0)
            return fail_system(run, "write events to it");
        if (run->options.overwrite)
            remove_other_events(run);
    }
    size_t done = 0;
    while (done < b->size) {
        ssize_t written = write(run->events_file, b->bytes + done, b->size - done);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0) {
            fail_system(run, "write events to it");
            if (ftruncate(run->events_file, (off_t)run->events_size) == 0)
                lseek(run->events_file, (off_t)run->events_size, SEEK_SET);
            return reel_context_status(run->context);
        }
        done += (size_t)written;
    }
    run->events_size += (int64_t)b->size;
    buffer_free(b);
    return REEL_OK;
}

/* ---- scalars.csv ---- */

static void put_csv_name(struct buffer *b, const char *name)
{
    if (!strpbrk(name, ",\"\r\n")) {
        buffer_text(b, name);
        return;
    }
    buffer_text(b, "\"");
    for (const char *c = name; *c; c++) {
        buffer_add(b, c, 1);
        if (*c == '"')
            buffer_text(b, "\"");
    }
    buffer_text(b, "\"");
}

/* A value and where it belongs, to be sorted. */
struct cell {
    int64_t step, column;
    const struct point *point;
};

static int by_step(const void *a, const void *b)
{
    const struct cell *x = a, *y = b;
    if (x->step != y->step)
        return x->step < y->step ? -1 : 1;
    if (x->column != y->column)
        return x->column < y->column ? -1 : 1;
    return x->point < y->point ? -1 : x->point > y->point; /* a list is an array: the order in which they came */
}

/* A row a step, ascending. Of several values of a name at a step the last one counts. */
static void put_rows(struct buffer *b, const struct cell *cells, int64_t n, int64_t columns)
{
    for (int64_t i = 0; i < n;) {
        int64_t step = cells[i].step;
        double seconds = 0;
        struct buffer values = {0};
        for (int64_t column = 0; column < columns; column++) {
            const struct point *last = NULL;
            for (; i < n && cells[i].step == step && cells[i].column == column; i++)
                last = cells[i].point;
            buffer_text(&values, ",");
            if (last) {
                buffer_format(&values, "%.9g", last->value);
                seconds = last->stamp.seconds > seconds ? last->stamp.seconds : seconds;
            }
        }
        buffer_format(b, "%lld,%.3f", (long long)step, seconds);
        buffer_add(b, values.bytes, values.size);
        buffer_text(b, "\n");
        b->incomplete = b->incomplete || values.incomplete;
        buffer_free(&values);
    }
}

static reel_status write_csv(reel_run *run)
{
    const struct series *all = run->history.series.items;
    struct buffer b = {0};
    struct list cells = {0};
    int64_t columns = 0;
    buffer_text(&b, "step,seconds");
    for (int64_t i = 0; i < run->history.series.n; i++) {
        if (all[i].kind != SERIES_SCALAR)
            continue;
        buffer_text(&b, ",");
        put_csv_name(&b, all[i].name);
        const struct point *points = all[i].items.items;
        for (int64_t k = 0; k < all[i].items.n; k++) {
            struct cell *cell = list_add(&cells, sizeof *cell);
            b.incomplete = b.incomplete || !cell;
            if (cell)
                *cell = (struct cell){points[k].stamp.step, columns, &points[k]};
        }
        columns++;
    }
    buffer_text(&b, "\n");
    if (cells.n > 0) {
        qsort(cells.items, (size_t)cells.n, sizeof(struct cell), by_step);
        put_rows(&b, cells.items, cells.n, columns);
    }
    char *path = path_in(run, "scalars.csv");
    b.incomplete = b.incomplete || !path;
    buffer_save(&b, run->context, path ? path : "scalars.csv");
    free(path);
    free(cells.items);
    buffer_free(&b);
    return reel_context_status(run->context);
}

/* ---- All files ---- */

static reel_status write_report(reel_run *run)
{
    struct buffer html = {0};
    char *path = path_in(run, "report.html");
    report_write(run, &html);
    html.incomplete = html.incomplete || !path;
    buffer_save(&html, run->context, path ? path : "report.html");
    free(path);
    buffer_free(&html);
    return reel_context_status(run->context);
}

static reel_status write_pictures(reel_run *run)
{
    struct picture_file *files = run->pictures.items;
    int64_t done = 0;
    while (done < run->pictures.n && buffer_save(&files[done].png, run->context, files[done].path) == REEL_OK) {
        free(files[done].path);
        buffer_free(&files[done].png);
        done++;
    }
    if (done > 0) {
        run->pictures.n -= done;
        memmove(files, files + done, (size_t)run->pictures.n * sizeof *files);
    }
    return reel_context_status(run->context);
}

/* An error that the context has is put aside while `write` works, which is about something else. */
static reel_status write_files(reel_run *run)
{
    double begin = steady_clock();
    reel_context *c = run->context;
    struct buffer error = {0};
    reel_status before = reel_context_status(c);
    if (before != REEL_OK) {
        buffer_format(&error, "%s", reel_error(c));
        reel_clear_error(c);
    }
    reel_status status = write_pictures(run);
    if (status == REEL_OK && run->options.events)
        status = write_events(run);
    if (status == REEL_OK && run->options.csv)
        status = write_csv(run);
    if (status == REEL_OK && run->options.report)
        status = write_report(run);
    if (before != REEL_OK) {
        reel_clear_error(c);
        reel_fail(c, before, "%s", error.bytes ? error.bytes : "");
        buffer_free(&error);
    }
    run->written = steady_clock();
    run->took = run->written - begin;
    run->changed = status != REEL_OK;
    return status;
}

/* Writes the files if it is time. Nobody asked, so nobody is told when it fails. */
static reel_status write_if_due(reel_run *run)
{
    run->changed = true;
    double interval = run->took / WRITING_SHARE;
    interval = interval > run->options.seconds ? interval : run->options.seconds;
    reel_context *c = run->context;
    if (steady_clock() - run->written >= interval) {
        bool good = reel_context_status(c) == REEL_OK;
        if (write_files(run) != REEL_OK && good)
            reel_clear_error(c);
    }
    return reel_context_status(c);
}

reel_status reel_run_flush(reel_run *run)
{
    return run ? write_files(run) : REEL_ERROR_ARGUMENT;
}

/* ---- Opening and closing ---- */

static void destroy(reel_run *run)
{
    struct history *others = run->others.items;
    for (int64_t i = 0; i < run->others.n; i++)
        history_free(&others[i]);
    struct config *configs = run->configs.items;
    for (int64_t i = 0; i < run->configs.n; i++) {
        free(configs[i].name);
        free(configs[i].value);
    }
    struct picture_file *files = run->pictures.items;
    for (int64_t i = 0; i < run->pictures.n; i++) {
        free(files[i].path);
        buffer_free(&files[i].png);
    }
    if (run->events_file >= 0)
        close(run->events_file);
    history_free(&run->history);
    buffer_free(&run->events);
    buffer_free(&run->profile);
    free(others);
    free(configs);
    free(files);
    free(run->folder);
    free(run->title);
    free(run->step_name);
    free(run->unit);
    free(run);
}

static bool folder_holds_run(const reel_run *run)
{
    static const char *const names[] = {"report.html", "scalars.csv"};
    bool holds = false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *path = path_in(run, names[i]);
        struct stat status;
        holds = holds || (path && lstat(path, &status) == 0);
        free(path);
    }
    return holds;
}

/* The last part of a path that has a name. */
static char *last_name(const char *path)
{
    size_t end = strlen(path);
    while (end > 1 && path[end - 1] == '/')
        end--;
    size_t begin = end;
    while (begin > 0 && path[begin - 1] != '/')
        begin--;
    return strndup(path + begin, end - begin);
}

static reel_status begin(reel_run *run)
{
    reel_context *c = run->context;
    const reel_run_options *o = &run->options;
    if (!run->folder || !run->title || !run->step_name || !run->history.name)
        return fail_memory(run);
    if (!(o->seconds >= 0) || o->max_kept < 2 || (o->overwrite && o->resume))
        return reel_fail(c, REEL_ERROR_ARGUMENT,
                         "run: seconds %g is to be at least 0, max_kept %d at least 2, and a run is either "
                         "overwritten or resumed",
                         o->seconds, o->max_kept);
    if (mkdir(run->folder, 0777) != 0 && errno != EEXIST)
        return fail_system(run, "make it");
    if (access(run->folder, W_OK | X_OK) != 0)
        return fail_system(run, "write to it");
    if (!o->overwrite && !o->resume && folder_holds_run(run))
        return reel_fail(c, REEL_ERROR_STATE, "run: \"%s\" holds a run already: overwrite or resume it", run->folder);
    bool complete = true;
    if (o->resume && history_read(&run->history, run->folder, o->resume_step, &complete) < 0)
        return fail_system(run, "read events from it");
    if (!complete)
        return fail_memory(run);
    run->before = run->history.seconds;
    struct event version = {.kind = EVENT_VERSION};
    struct event start = {.kind = EVENT_START, .step = o->resume ? o->resume_step : 0};
    put_event(run, &version);
    put_event(run, &start);
    return REEL_OK;
}

reel_run *reel_run_open(reel_context *context, const char *folder, const reel_run_options *options)
{
    reel_run_options o = reel_run_defaults();
    if (reel_options_take(context, "run", options, &o) != REEL_OK)
        return NULL;
    if (!folder || !*folder) {
        reel_fail(context, REEL_ERROR_ARGUMENT, "run: the folder is %s", folder ? "\"\"" : "NULL");
        return NULL;
    }
    reel_run *run = calloc(1, sizeof *run);
    if (!run) {
        reel_fail(context, REEL_ERROR_OUT_OF_MEMORY, "out of memory: a run");
        return NULL;
    }
    run->context = context;
    run->options = o;
    run->folder = strdup(folder);
    run->title = o.title ? strdup(o.title) : last_name(folder);
    run->step_name = strdup(o.step_name ? o.step_name : "step");
    run->history.name = last_name(folder);
    run->events_file = -1;
    run->counted_step = -1;
    run->begun = run->written = run->counted_at = steady_clock();
    run->begun_wall = wall_clock();
    if (begin(run) == REEL_OK)
        return run;
    destroy(run);
    return NULL;
}

static void count_rate(reel_run *run, double now)
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

reel_status reel_run_close(reel_run *run)
{
    if (!run)
        return REEL_ERROR_ARGUMENT;
    double now = steady_clock();
    if (run->unit && run->counted_before == 0 && run->counted > 0 && now > run->counted_at)
        count_rate(run, now);
    run->ended = true;
    reel_status status = write_files(run);
    bool incomplete = run->incomplete;
    reel_context *c = run->context;
    destroy(run);
    return status == REEL_OK && incomplete
               ? reel_fail(c, REEL_ERROR_OUT_OF_MEMORY, "run: memory was missing for part of what is shown")
               : status;
}

/* ---- What a training says ---- */

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
        return fail_memory(run);
    point->value = value;
    struct event event = {.kind = EVENT_SCALAR, .step = step, .name = name, .scalar = value};
    put_event(run, &event);
    return write_if_due(run);
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
        return fail_memory(run);
    fill_histogram(&d->histogram, values, element_size, n);
    struct event event = {.kind = EVENT_HISTOGRAM, .step = step, .name = name, .histogram = d->histogram};
    put_event(run, &event);
    return write_if_due(run);
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
    put_event(run, &event);
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
        return fail_memory(run);
    }
    file->path = path;
    if (picture_encode(&shown, c, &file->png) == REEL_OK && picture_encode(&small, c, &png) == REEL_OK &&
        !remember_grid(run, name, &small, &shown.options, &png, step))
        fail_memory(run);
    if (file->png.incomplete || file->png.size == 0) {
        free(path);
        buffer_free(&file->png);
        run->pictures.n--;
    }
    buffer_free(&png);
    return write_if_due(run);
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
        return fail_memory(run);
    }
    note->text = copy;
    struct event event = {.kind = EVENT_TEXT, .step = step, .name = name, .text = text, .text_size = strlen(text)};
    put_event(run, &event);
    return write_if_due(run);
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
        return fail_memory(run);
    }
    free(config->value);
    config->value = copy;
    return reel_context_status(run->context);
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
        return fail_memory(run);
    run->counted += n;
    double now = steady_clock();
    if (now - run->counted_at >= RATE_SECONDS && run->last_step != run->counted_step)
        count_rate(run, now);
    return reel_context_status(run->context);
}

reel_status reel_run_compare(reel_run *run, const char *folder)
{
    if (!run)
        return REEL_ERROR_ARGUMENT;
    if (!folder)
        return reel_fail(run->context, REEL_ERROR_ARGUMENT, "run: the folder to compare with is NULL");
    struct history *other = list_add(&run->others, sizeof *other);
    if (!other)
        return fail_memory(run);
    bool complete = true;
    int files = (other->name = last_name(folder)) ? history_read(other, folder, INT64_MAX, &complete) : 0;
    if (files > 0 && complete)
        return reel_context_status(run->context);
    history_free(other);
    run->others.n--;
    if (!complete)
        return fail_memory(run);
    return reel_fail(run->context, REEL_ERROR_IO, "run: \"%s\" has no events to compare with", folder);
}
