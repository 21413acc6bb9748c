/* The folder of a training: who may write there, and its files besides model and pictures. */
#include "run.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <reel/atomic_file.h>
#include <reel/context.h>
#include <reel/watch/animation.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* How names of files end that are not complete (<reel/atomic_file.h>). */
#define UNFINISHED ".tmp"

static bool fail(const char *folder, char *error, size_t error_size)
{
    snprintf(error, error_size, "--out %s: %s", folder, strerror(errno));
    return false;
}

bool run_check(const char *folder, bool overwrite, char *error, size_t error_size)
{
    static const char *const names[] = {RUN_MODEL, RUN_METRICS};
    char path[RUN_MAX_PATH];
    struct stat status;
    enum { LONGEST_NAME = 96 /* a picture's, with what reel_atomic_file adds */ };
    if (strlen(folder) > sizeof path - LONGEST_NAME) {
        errno = ENAMETOOLONG;
        return fail(folder, error, error_size);
    }
    if (stat(folder, &status) != 0)
        return errno == ENOENT || fail(folder, error, error_size);
    if (!S_ISDIR(status.st_mode)) {
        errno = ENOTDIR;
        return fail(folder, error, error_size);
    }
    if (access(folder, W_OK | X_OK) != 0)
        return fail(folder, error, error_size);
    const struct run run = {.folder = folder};
    for (size_t i = 0; i < sizeof names / sizeof *names && !overwrite; i++) {
        run_path(&run, path, names[i]);
        if (lstat(path, &status) == 0) {
            snprintf(error, error_size,
                     "--out %s: holds a run already (%s): name another folder, or add --overwrite to replace it",
                     folder, names[i]);
            return false;
        }
    }
    return true;
}

static bool is_left_over(const char *name)
{
    size_t length = strlen(name), ending = strlen(UNFINISHED);
    return (strncmp(name, "samples-", 8) == 0 || strncmp(name, RUN_MODEL, strlen(RUN_MODEL)) == 0 ||
            strncmp(name, RUN_METRICS, strlen(RUN_METRICS)) == 0 ||
            strncmp(name, RUN_CHECKPOINT, strlen(RUN_CHECKPOINT)) == 0 ||
            strncmp(name, RUN_REPORT, strlen(RUN_REPORT)) == 0 ||
            strncmp(name, RUN_ANIMATION, strlen(RUN_ANIMATION)) == 0) &&
           length > ending && strcmp(name + length - ending, UNFINISHED) == 0;
}

/* The epoch of a picture's name, or -1. */
static int64_t picture_epoch(const char *name)
{
    long long epoch;
    int length = 0;
    if (sscanf(name, "samples-%lld.png%n", &epoch, &length) != 1 || length == 0 || name[length] != '\0')
        return -1;
    return epoch;
}

/* Removes what a killed training left half written, or pictures of epochs after `epoch`. What cannot be removed does no
 * harm. */
static void clean(const struct run *run, bool left_overs, int64_t epoch)
{
    DIR *folder = opendir(run->folder);
    for (struct dirent *entry; folder && (entry = readdir(folder)) != NULL;)
        if (left_overs ? is_left_over(entry->d_name) : picture_epoch(entry->d_name) > epoch)
            unlinkat(run->descriptor, entry->d_name, 0);
    if (folder)
        closedir(folder);
}

bool run_open(struct run *run, const char *folder, bool overwrite, char *error, size_t error_size)
{
    *run = (struct run){.folder = folder, .descriptor = -1, .replaces = overwrite};
    if (mkdir(folder, 0777) != 0 && errno != EEXIST)
        return fail(folder, error, error_size);
    run->descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (run->descriptor < 0)
        return fail(folder, error, error_size);
    /* Some network file systems cannot lock. */
    if (flock(run->descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        snprintf(error, error_size, "--out %s: another training writes there", folder);
        return false;
    }
    /* Somebody may have begun and ended since the first look. */
    if (!run_check(folder, overwrite, error, error_size))
        return false;
    clean(run, true, 0);
    return true;
}

void run_close(struct run *run)
{
    if (run->folder && run->descriptor >= 0)
        close(run->descriptor);
    free(run->metrics);
    *run = (struct run){0};
}

void run_path(const struct run *run, char path[RUN_MAX_PATH], const char *name)
{
    snprintf(path, RUN_MAX_PATH, "%s/%s", run->folder, name);
}

void run_picture_path(const struct run *run, char path[RUN_MAX_PATH], int64_t epoch)
{
    snprintf(path, RUN_MAX_PATH, "%s/samples-%04lld.png", run->folder, (long long)epoch);
}

void run_note(struct run *run, const char *line)
{
    size_t length = strlen(line);
    if (run->size + length > run->capacity) {
        size_t capacity = 2 * (run->size + length);
        char *grown = realloc(run->metrics, capacity);
        if (!grown) {
            run->incomplete = true;
            return;
        }
        run->metrics = grown;
        run->capacity = capacity;
    }
    memcpy(run->metrics + run->size, line, length);
    run->size += length;
}

/* The columns of a line, which is cut into them. */
enum { MOST_COLUMNS = 32 };
static int cut(char *line, char *columns[MOST_COLUMNS])
{
    int n = 0;
    line[strcspn(line, "\r\n")] = '\0';
    while (line && n < MOST_COLUMNS)
        columns[n++] = strsep(&line, ",");
    return n;
}

bool run_continue(struct run *run, const char *header, int64_t epoch, char *error, size_t error_size)
{
    char path[RUN_MAX_PATH], line[512], names[512], old_names[512] = "";
    char *name[MOST_COLUMNS], *old_name[MOST_COLUMNS], *cell[MOST_COLUMNS];
    run_path(run, path, RUN_METRICS);
    FILE *file = fopen(path, "r");
    if (!file) {
        snprintf(error, error_size, "%s: %s", path, strerror(errno));
        return false;
    }
    snprintf(names, sizeof names, "%s", header);
    int n = cut(names, name), n_old = fgets(old_names, sizeof old_names, file) ? cut(old_names, old_name) : 0;
    run_note(run, header);
    while (fgets(line, sizeof line, file) && strtoll(line, NULL, 10) < epoch) {
        int n_cells = cut(line, cell);
        for (int i = 0; i < n; i++) {
            int k = 0;
            while (k < n_old && strcmp(old_name[k], name[i]) != 0)
                k++;
            run_note(run, i > 0 ? "," : "");
            run_note(run, k < n_old && k < n_cells ? cell[k] : "");
        }
        run_note(run, "\n");
    }
    fclose(file);
    return true;
}

reel_status run_write_metrics(struct run *run, reel_context *context, int64_t epoch)
{
    char path[RUN_MAX_PATH];
    run_path(run, path, RUN_METRICS);
    if (run->incomplete)
        return reel_fail(context, REEL_ERROR_OUT_OF_MEMORY, "%s: out of memory for its lines", path);
    reel_atomic_file *file = reel_atomic_file_open(context, path);
    reel_atomic_file_write(file, run->metrics, (int64_t)run->size);
    reel_status status = reel_atomic_file_close(file);
    if (status != REEL_OK)
        return reel_context_status(context);
    if (run->replaces)
        clean(run, false, epoch);
    run->replaces = false;
    return REEL_OK;
}

reel_status run_animate(const struct run *run, reel_context *context, int64_t epoch, int most)
{
    char path[RUN_MAX_PATH], (*paths)[RUN_MAX_PATH] = malloc((size_t)most * sizeof *paths);
    const char **pictures = malloc((size_t)most * sizeof *pictures);
    int64_t step = 1;
    int n = 0;
    while ((epoch - 2) / step + 2 > most)
        step *= 2;
    for (int64_t e = 1; paths && pictures && e <= epoch; e = e < epoch && e + step > epoch ? epoch : e + step) {
        run_picture_path(run, paths[n], e);
        pictures[n] = paths[n];
        n += access(paths[n], F_OK) == 0;
    }
    run_path(run, path, RUN_ANIMATION);
    if (!paths || !pictures)
        reel_fail(context, REEL_ERROR_OUT_OF_MEMORY, "%s: out of memory", path);
    else if (n > 0)
        reel_animation_save(context, path, pictures, n, NULL);
    free(pictures);
    free(paths);
    reel_status status = reel_context_status(context);
    if (status == REEL_ERROR_SHAPE || status == REEL_ERROR_FORMAT)
        reel_clear_error(context);
    return reel_context_status(context);
}
