/* The inside of the progress bar, for its tests. */
#ifndef REEL_WATCH_INSIDE_PROGRESS_H
#define REEL_WATCH_INSIDE_PROGRESS_H

#include <reel/watch/progress.h>
#include <stdbool.h>

enum { PROGRESS_METRICS = 8 };

struct progress_metric {
    char name[32];
    double value;
};

struct reel_progress {
    FILE *stream;
    char unit[16], label[96];
    struct progress_metric metrics[PROGRESS_METRICS];
    int n_metrics;
    int64_t total, done; /* units; total 0: unknown */
    double fraction;     /* below 0: done / total says it */
    bool rewrite;        /* the stream is a terminal that can go back to the start of a line */
    bool shown;          /* a bar stands on the terminal's current line */
    double begun;        /* seconds, when it was made */
    double last;         /* seconds, when something was last written */
    double first;        /* fraction where this run began */
    double sample_time;  /* seconds, when the rate was last sampled */
    int64_t sample;      /* units done at that time */
    double rate;         /* units a second, smoothed; below 0 while unknown */
};

/* Seconds of a clock that only goes forward, from an arbitrary beginning. */
double progress_clock(void);

#endif
