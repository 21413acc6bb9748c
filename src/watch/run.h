/* What a run remembers, and what of it becomes files. */
#ifndef REEL_WATCH_INSIDE_RUN_H
#define REEL_WATCH_INSIDE_RUN_H

#include "events.h"

#include <reel/watch/run.h>

/* A list that grows: items of one size. */
struct list {
    void *items;
    int64_t n, capacity;
};

/* Room for one more item at the end, zeroed; NULL when memory ran out. */
void *list_add(struct list *list, size_t item_size);

/* What has a step, first: all items of series begin so. */
struct stamp {
    int64_t step;
    double seconds; /* since the run began, those of the runs that it resumes included */
};

struct point {
    struct stamp stamp;
    double value;
};

struct grid {
    struct stamp stamp;
    char *png; /* one pixel for each of an image's */
    size_t size;
};

struct distribution {
    struct stamp stamp;
    struct histogram histogram;
};

struct note {
    struct stamp stamp;
    char *text;
};

/* All of one kind and name, in the order in which they came. */
enum series_kind { SERIES_SCALAR, SERIES_IMAGE, SERIES_HISTOGRAM, SERIES_TEXT, SERIES_KINDS };
struct series {
    enum series_kind kind;
    char *name;
    struct list items; /* point, grid, distribution, note */
    int64_t every;     /* one of so many is kept, and the last */
    int64_t came;      /* how many came */
    char **labels;     /* of images: of the rows; NULL: none */
    int n_labels;
    int64_t width, height, rows, gap; /* of images: of the last grid, in pixels; rows 0: not known */
};

/* What is known of one run: series by kind and name. */
struct history {
    char *name;
    struct list series; /* struct series */
    double seconds;     /* how long it lasted */
};

/* The series of that kind and name, made if it is not there; NULL when memory ran out. */
struct series *history_series(struct history *h, enum series_kind kind, const char *name);
void history_free(struct history *h);

/* Takes the events of all files in a folder, in their order, of steps before `end`. Returns how many files there were,
 * -1 when the folder cannot be read. *complete becomes false when memory ran out. */
int history_read(struct history *h, const char *folder, int64_t end, bool *complete);

/* Forgets what is of `step` and later ones. */
void history_purge(struct history *h, int64_t step);

/* A new item, zeroed, at the end; NULL when memory ran out. There are to be at most `most` >= 2: others are left out,
 * but never the first and the new one. */
void *series_add(struct series *s, int64_t most);

struct config {
    char *name, *value;
};

struct reel_run {
    reel_context *context;
    char *folder;
    reel_run_options options; /* title copied */
    char *title, *step_name;
    double begun_wall;    /* seconds since 1970, of the first run */
    double begun, before; /* seconds of a clock that goes forward, and what the runs before took */
    struct history history;
    struct list others;  /* struct history */
    struct list configs; /* struct config */
    struct buffer events;
    int events_file;       /* -1: not open */
    int64_t events_size;   /* of what is whole in it */
    struct buffer profile; /* JSON; empty: none */
    struct list pictures;  /* struct picture_file: not yet written */
    bool incomplete;       /* memory ran out for something */
    double written, took;  /* when files were last written, and how long that took */
    int64_t last_step;
    char *unit;
    int64_t counted, counted_before, counted_step; /* in all; when a rate was last taken, and at which step that was */
    double counted_at;
    bool changed, ended;
};

/* A picture that is to be written. */
struct picture_file {
    char *path;
    struct buffer png;
};

/* Memory, or the system (errno), fails a run; the context's status. `what` could not be done. */
reel_status run_fail_memory(reel_run *run);
reel_status run_fail_system(const reel_run *run, const char *what);

/* The path of a file in the folder, to be freed; NULL when memory ran out. */
char *run_file_path(const reel_run *run, const char *name);

/* An event for the file of events. */
void run_put_event(reel_run *run, struct event *event);

/* Writes all files. An error that the context has is put aside meanwhile, which is about something else. Or writes them
 * if it is time; nobody asked, so nobody is told when that fails. */
reel_status run_write_files(reel_run *run);
reel_status run_write_if_due(reel_run *run);

/* Adds a rate as a scalar. */
void run_count_rate(reel_run *run, double now);

/* Appends the report. */
void report_write(const reel_run *run, struct buffer *html);

/* Seconds since 1970, and of a clock that only goes forward. */
double wall_clock(void);
double steady_clock(void);

/* Calls `say` with lines about this machine: processor, cores, memory, system. */
void machine_describe(void (*say)(void *user, const char *name, const char *value), void *user);

#endif
