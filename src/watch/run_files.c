/* The files of a run: events, scalars.csv, pictures and the report, and when they are written. */
#include "run.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <reel/context.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* How the names of files of events begin. */
#define EVENTS_NAME "events.out.tfevents."

/* Writing takes at most this part of the time. */
static const double WRITING_SHARE = 0.05;

char *run_file_path(const reel_run *run, const char *name)
{
    struct buffer path = {0};
    buffer_format(&path, "%s/%s", run->folder, name);
    if (path.incomplete)
        buffer_free(&path);
    return path.bytes;
}

/* ---- Events ---- */

void run_put_event(reel_run *run, struct event *event)
{
    if (!run->options.events)
        return;
    event->wall_time = wall_clock();
    event_write(&run->events, event);
}

reel_status run_fail_system(const reel_run *run, const char *what)
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
        char *path = run_file_path(run, name);
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
            return run_fail_system(run, "write events to it");
        if (run->options.overwrite)
            remove_other_events(run);
    }
    size_t done = 0;
    while (done < b->size) {
        ssize_t written = write(run->events_file, b->bytes + done, b->size - done);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0) {
            run_fail_system(run, "write events to it");
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
    char *path = run_file_path(run, "scalars.csv");
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
    char *path = run_file_path(run, "report.html");
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

reel_status run_write_files(reel_run *run)
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

reel_status run_write_if_due(reel_run *run)
{
    run->changed = true;
    double interval = run->took / WRITING_SHARE;
    interval = interval > run->options.seconds ? interval : run->options.seconds;
    reel_context *c = run->context;
    if (steady_clock() - run->written >= interval) {
        bool good = reel_context_status(c) == REEL_OK;
        if (run_write_files(run) != REEL_OK && good)
            reel_clear_error(c);
    }
    return reel_context_status(c);
}

reel_status reel_run_flush(reel_run *run)
{
    return run ? run_write_files(run) : REEL_ERROR_ARGUMENT;
}
