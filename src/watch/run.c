/* A run: its options, its beginning and its end, and the runs beside it. */
#include "run.h"

#include <errno.h>
#include <reel/context.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

reel_run_options reel_run_defaults(void)
{
    return (reel_run_options){.mark = REEL_OPTIONS_MARK(reel_run_options),
                              .csv = true,
                              .events = true,
                              .report = true,
                              .seconds = 10,
                              .max_kept = 64};
}

reel_status run_fail_memory(reel_run *run)
{
    run->incomplete = true;
    return reel_fail(run->context, REEL_ERROR_OUT_OF_MEMORY, "run: out of memory for what is to be shown");
}

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
        char *path = run_file_path(run, names[i]);
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
        return run_fail_memory(run);
    if (!(o->seconds >= 0) || o->max_kept < 2 || (o->overwrite && o->resume))
        return reel_fail(c, REEL_ERROR_ARGUMENT,
                         "run: seconds %g is to be at least 0, max_kept %d at least 2, and a run is either "
                         "overwritten or resumed",
                         o->seconds, o->max_kept);
    if (mkdir(run->folder, 0777) != 0 && errno != EEXIST)
        return run_fail_system(run, "make it");
    if (access(run->folder, W_OK | X_OK) != 0)
        return run_fail_system(run, "write to it");
    if (!o->overwrite && !o->resume && folder_holds_run(run))
        return reel_fail(c, REEL_ERROR_STATE, "run: \"%s\" holds a run already: overwrite or resume it", run->folder);
    bool complete = true;
    if (o->resume && history_read(&run->history, run->folder, o->resume_step, &complete) < 0)
        return run_fail_system(run, "read events from it");
    if (!complete)
        return run_fail_memory(run);
    run->before = run->history.seconds;
    struct event version = {.kind = EVENT_VERSION};
    struct event start = {.kind = EVENT_START, .step = o->resume ? o->resume_step : 0};
    run_put_event(run, &version);
    run_put_event(run, &start);
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

reel_status reel_run_close(reel_run *run)
{
    if (!run)
        return REEL_ERROR_ARGUMENT;
    double now = steady_clock();
    if (run->unit && run->counted_before == 0 && run->counted > 0 && now > run->counted_at)
        run_count_rate(run, now);
    run->ended = true;
    reel_status status = run_write_files(run);
    bool incomplete = run->incomplete;
    reel_context *c = run->context;
    destroy(run);
    return status == REEL_OK && incomplete
               ? reel_fail(c, REEL_ERROR_OUT_OF_MEMORY, "run: memory was missing for part of what is shown")
               : status;
}

reel_status reel_run_compare(reel_run *run, const char *folder)
{
    if (!run)
        return REEL_ERROR_ARGUMENT;
    if (!folder)
        return reel_fail(run->context, REEL_ERROR_ARGUMENT, "run: the folder to compare with is NULL");
    struct history *other = list_add(&run->others, sizeof *other);
    if (!other)
        return run_fail_memory(run);
    bool complete = true;
    int files = (other->name = last_name(folder)) ? history_read(other, folder, INT64_MAX, &complete) : 0;
    if (files > 0 && complete)
        return reel_context_status(run->context);
    history_free(other);
    run->others.n--;
    if (!complete)
        return run_fail_memory(run);
    return reel_fail(run->context, REEL_ERROR_IO, "run: \"%s\" has no events to compare with", folder);
}
