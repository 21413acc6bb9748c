/* How far a long computation is: a bar that rewrites itself on a terminal, plain lines elsewhere. */
#ifndef MODELS_PROGRESS_H
#define MODELS_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* The state of one bar; one thread at a time. Its members are private. */
struct progress {
    FILE *stream;
    bool rewrite;       /* the stream is a terminal that can go back to the start of a line */
    bool shown;         /* a bar stands on the terminal's current line */
    double begun;       /* seconds, when progress_begin was called */
    double first;       /* fraction at the first report */
    double first_time;  /* seconds, at the first report; below 0 before */
    double last;        /* seconds, when something was last written */
    double sample_time; /* seconds, when the speed was last sampled */
    int64_t sample;     /* items done at that time */
    double speed;       /* items a second, smoothed; below 0 while unknown */
};

/* Seconds of a clock that only goes forward, from an arbitrary beginning. */
double progress_clock(void);

/* Starts the clock of a bar on `stream`, which must stay open until progress_end. stderr is the usual choice. The bar
 * rewrites itself when the stream is a terminal (and the environment's TERM is not "dumb"). Writes nothing yet. */
void progress_begin(struct progress *p, FILE *stream);

/* Seconds since progress_begin. */
double progress_seconds(const struct progress *p);

/* Whether the next progress_report would write: a tenth of a second has passed since the last writing on a terminal,
 * ten seconds elsewhere. Costs a clock reading; ask before formatting metrics. */
bool progress_due(const struct progress *p);

/* Shows how far the work is, if progress_due. `fraction` is the done part of all the work (values outside 0..1 are
 * cut); the time left follows from it. `items` counts what all the work up to here has gone through (images, say), must
 * not shrink, and gives the speed; `item_name` is the word before "/s". `label` says where in all the work that is
 * ("epoch 3/20"), `metrics` what it has reached ("D 0.51 G 1.03 D(x) 0.61 D(G(z)) 0.38"). Neither holds control
 * characters. On a terminal what does not fit the width is left out: the bar, then the percentage, then the end of the
 * line. In 80 columns there is room for about 55 characters of label and metrics. */
void progress_report(struct progress *p, double fraction, int64_t items, const char *item_name, const char *label,
                     const char *metrics);

/* The same as a line that stays, whatever the time: for the end of an epoch. */
void progress_line(struct progress *p, double fraction, int64_t items, const char *item_name, const char *label,
                   const char *metrics);

/* Removes the bar from the terminal, so that other messages begin on an empty line. A later report shows it again. */
void progress_end(struct progress *p);

/* Who wants to know how far something is that takes its time and has no bar of its own. */
struct watcher {
    void (*tell)(void *user, int64_t items); /* so many more are done */
    void *user;
};

/* Tells a watcher; NULL is nobody. */
void watcher_tell(const struct watcher *watcher, int64_t items);

#endif
