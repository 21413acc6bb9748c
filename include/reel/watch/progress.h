/* How far a long computation is: a bar that rewrites itself on a terminal, plain lines elsewhere.
 *
 *     reel_progress *p = reel_progress_new(stderr, "img", 1000 * 64);
 *     for (int step = 0; step < 1000; step++) {
 *         ...
 *         reel_progress_set_metric(p, "loss", reel_item(t, loss));
 *         reel_progress_advance(p, 64);
 *     }
 *     reel_progress_free(p);
 *
 * shows
 *
 *     epoch 3/20  12% [===>                      ]  loss 0.512  10512 img/s  3:20 left
 *
 * One thread at a time. Functions accept NULL and then do nothing, so a program that may be asked to be quiet needs no
 * second path. */
#ifndef REEL_WATCH_PROGRESS_H
#define REEL_WATCH_PROGRESS_H

#include <reel/types.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A bar, with its clock. */
typedef struct reel_progress reel_progress;

/* Starts the clock of a bar on `stream`, which must stay open until reel_progress_free; stderr is the usual choice. The
 * bar rewrites itself when the stream is a terminal (and the environment's TERM is not "dumb"). `unit` is the word for
 * what is counted ("img", "step"); it is copied. `total` is how many there are in all; 0 when nobody knows. Writes
 * nothing yet. NULL when memory ran out or an argument is NULL. */
REEL_API reel_progress *reel_progress_new(FILE *stream, const char *unit, int64_t total);

/* Removes the bar from the terminal. */
REEL_API void reel_progress_free(reel_progress *progress);

/* Units that were done before, by a run that is resumed, say: they count as done, but not for the rate and the time
 * left. Before the first reel_progress_advance. */
REEL_API void reel_progress_set_initial(reel_progress *progress, int64_t done);

/* The text in front of everything ("epoch 3/20"), without control characters; copied, at most 95 bytes of it. NULL:
 * none.
 */
REEL_API void reel_progress_set_label(reel_progress *progress, const char *label);

/* A number by its name, shown in the order in which names first came; at most 8 names, of which 31 bytes each are
 * shown. Costs a comparison of names: nothing is formatted before the bar is written. */
REEL_API void reel_progress_set_metric(reel_progress *progress, const char *name, double value);

/* The done part of all the work, 0..1 (values outside are cut), where done / total does not say it: a training that
 * ends after some minutes, say. It takes effect at the next advance. */
REEL_API void reel_progress_set_fraction(reel_progress *progress, double fraction);

/* `n` more units are done (0: nothing new but the time). Shows the bar if it is due: a tenth of a second after the last
 * writing on a terminal, ten seconds after it elsewhere. What does not fit a narrow terminal is left out: the bar, then
 * metrics from the last one on, then the rate. */
REEL_API void reel_progress_advance(reel_progress *progress, int64_t n);

/* Writes a line that stays, at once: for the end of an epoch. */
REEL_API void reel_progress_line(reel_progress *progress);

/* Removes the bar from the terminal until the next time that it is due, so that something else can be written there. */
REEL_API void reel_progress_clear(reel_progress *progress);

/* Seconds since reel_progress_new, of a clock that only goes forward. */
REEL_API double reel_progress_seconds(const reel_progress *progress);

#ifdef __cplusplus
}
#endif

#endif
