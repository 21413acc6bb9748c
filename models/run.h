/* The folder that a training writes to. */
#ifndef MODELS_RUN_H
#define MODELS_RUN_H

#include <limits.h>
#include <reel/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The files of a run. Pictures are called samples-0001.png and so on, after the epoch. */
#define RUN_MODEL "model.safetensors"
#define RUN_METRICS "metrics.csv"
#define RUN_CHECKPOINT "checkpoint.safetensors"
#define RUN_REPORT "report.html"
#define RUN_ANIMATION "training.png"

enum { RUN_MAX_PATH = PATH_MAX };

/* A folder in use. Its members are private; all zero is one that was never opened. */
struct run {
    const char *folder;
    int descriptor; /* locks the folder while open */
    char *metrics;  /* all lines so far */
    size_t size, capacity;
    bool incomplete; /* memory for a line was missing */
    bool replaces;   /* pictures of an earlier run may still be there */
};

/* Whether a training may write to `folder`: it is not there or holds neither a model nor metrics, or `overwrite` is
 * set. Looks only. Returns false with one line in `error` that says what to type. */
bool run_check(const char *folder, bool overwrite, char *error, size_t error_size);

/* Makes the folder if it is not there, locks it against other trainings (as far as its file system can) and removes
 * what a killed one left half written. The files of an earlier run stay until others take their place; its pictures go
 * with the first metrics that are written. `folder` must live until run_close. Returns false with one line in `error`;
 * run_close is allowed then too. */
bool run_open(struct run *run, const char *folder, bool overwrite, char *error, size_t error_size);
void run_close(struct run *run);

/* The path of a file in the folder, and of an epoch's picture. */
void run_path(const struct run *run, char path[RUN_MAX_PATH], const char *name);
void run_picture_path(const struct run *run, char path[RUN_MAX_PATH], int64_t epoch);

/* Adds a line, with its end, to the metrics. */
void run_note(struct run *run, const char *line);

/* Begins with a header, and the lines that metrics.csv has of epochs before `epoch`. Columns go by their names: what
 * the file has not, as one of an older version, is empty. Returns false with one line in `error` when it cannot be
 * read. */
bool run_continue(struct run *run, const char *header, int64_t epoch, char *error, size_t error_size);

/* Replaces metrics.csv by all the lines, the last of which is of that epoch. The context's status; with an error it is
 * as it was. */
reel_status run_write_metrics(struct run *run, reel_context *context, int64_t epoch);

/* Replaces training.png by an animation of the pictures of epochs up to that one: of more than `most` the first and
 * every second or fourth, and so on, and the last. Pictures that do not fit together, of a run that went on with other
 * names of classes, say, leave it as it was, without an error. */
reel_status run_animate(const struct run *run, reel_context *context, int64_t epoch, int most);

#endif
