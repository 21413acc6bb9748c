/* A run: a folder that takes what a training says, and shows it while it goes on and afterwards.
 *
 *     reel_run *run = reel_run_open(context, "runs/first", NULL);
 *     reel_run_set_config(run, "learning rate", "1e-3");
 *     for (int64_t step = 0; step < steps; step++) {
 *         ...
 *         reel_run_add_scalar(run, "loss/train", reel_item(t, loss), step);
 *     }
 *     if (reel_run_close(run) != REEL_OK)
 *         fprintf(stderr, "%s\n", reel_error(context));
 *
 * In the folder are then
 *
 *     report.html              everything, in one file that needs neither a network nor another file
 *     scalars.csv              a row a step: step, seconds, and a column for each scalar
 *     events.out.tfevents...   the same for TensorBoard (tensorboard --logdir runs)
 *     NAME-0001.png            images, by name and step
 *
 * report.html and scalars.csv are replaced whole, so that they can be looked at at any time; events are appended.
 *
 * Names of scalars are TensorBoard's: what stands before a slash is a group, and the report draws a group as one chart
 * ("loss/train" and "loss/test"). Adding only remembers; files are written now and then, by whichever call comes when
 * it is time. When that fails (a full disk, say) nothing is lost or said, and it is tried again; reel_run_flush and
 * reel_run_close say so.
 *
 * A run is used by the thread of its context and closed before it. Functions return the context's status, but all that
 * take no images do their work also when it has an error, since it is the failed step that one wants to see; NULL is
 * REEL_ERROR_ARGUMENT, so that a run that could not be opened needs no check of its own. Memory is the C library's. */
#ifndef REEL_WATCH_RUN_H
#define REEL_WATCH_RUN_H

#include <reel/options.h>
#include <reel/types.h>
#include <reel/watch/picture.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct reel_run reel_run;

typedef struct reel_run_options {
    reel_options_mark mark;
    const char *title;     /* of the report; NULL: the folder's name */
    const char *step_name; /* what a step is, in the report; NULL: "step" */
    /* Whether a run that the folder holds may be replaced: its events go, and what has the names of files of the new
     * one (images of the same names and steps, too); false: that is REEL_ERROR_STATE. */
    bool overwrite;
    /* Instead: whether it goes on. What it has of steps before resume_step is read back from its events and stays, the
     * rest counts no longer. */
    bool resume;
    int64_t resume_step;
    bool csv, events, report; /* true; which files are written. Without events a run cannot be resumed. */
    double seconds;           /* 10; files are written again after so many, at least 0, or 20 times what writing took */
    int max_kept; /* 64, at least 2; of the grids, and the histograms, of a name: then the report leaves out every other
                     one, but for the last */
} reel_run_options;
REEL_API reel_run_options reel_run_defaults(void);

/* A run in a folder, which is made if it is not there (its parent is). NULL with REEL_ERROR_IO when it cannot be made
 * or written to, REEL_ERROR_STATE when it holds a run, REEL_ERROR_ARGUMENT for options outside their range. */
REEL_API reel_run *reel_run_open(reel_context *context, const char *folder, const reel_run_options *options);

/* Writes everything, says in the report that the run has ended, and frees the run. */
REEL_API reel_status reel_run_close(reel_run *run);

/* Writes what there is now. REEL_ERROR_IO when that fails. */
REEL_API reel_status reel_run_flush(reel_run *run);

/* A number at a step (SummaryWriter.add_scalar). The report has gaps where it is not finite. */
REEL_API reel_status reel_run_add_scalar(reel_run *run, const char *name, double value, int64_t step);

/* How values are distributed at a step (SummaryWriter.add_histogram): 32 buckets of equal width from the least to the
 * largest finite value. What is not finite is left out; n >= 0. */
REEL_API reel_status reel_run_add_histogram_checked(reel_run *run, const char *name, const void *values,
                                                    size_t element_size, int64_t n, int64_t step);
static inline reel_status reel_run_add_histogram(reel_run *run, const char *name, const reel_real *values, int64_t n,
                                                 int64_t step)
{
    return reel_run_add_histogram_checked(run, name, values, sizeof(reel_real), n, step);
}

/* A grid of images at a step, as for reel_picture_save (SummaryWriter.add_images). Its file is named after `name`, in
 * which what is no letter, digit, "-" or "." of ASCII becomes "_". The report shows the grids of a name with a slider
 * through the steps, and beside each row what options->labels say. */
REEL_API reel_status reel_run_add_images_checked(reel_run *run, const char *name, const void *images,
                                                 size_t element_size, reel_shape shape,
                                                 const reel_picture_options *options, int64_t step);
static inline reel_status reel_run_add_images(reel_run *run, const char *name, const reel_real *images,
                                              reel_shape shape, const reel_picture_options *options, int64_t step)
{
    return reel_run_add_images_checked(run, name, images, sizeof(reel_real), shape, options, step);
}

/* The same of bytes, 0 black and 255 white. */
static inline reel_status reel_run_add_images_bytes(reel_run *run, const char *name, const unsigned char *images,
                                                    reel_shape shape, const reel_picture_options *options, int64_t step)
{
    return reel_run_add_images_checked(run, name, images, 1, shape, options, step);
}

/* A text in UTF-8 at a step (SummaryWriter.add_text). The report shows it as it is, line by line. */
REEL_API reel_status reel_run_add_text(reel_run *run, const char *name, const char *text, int64_t step);

/* A line of the report's configuration; a name that is there gets the new value. */
REEL_API reel_status reel_run_set_config(reel_run *run, const char *name, const char *value);

/* `n` more units (at least 0) have gone through the training, for the report's throughput; `unit` is the word for them
 * ("img"), the same in every call. Every two seconds, but once a step at most, it adds the scalar
 * "throughput/<unit> per second", at the last step that any call named. */
REEL_API reel_status reel_run_count(reel_run *run, const char *unit, int64_t n);

/* Draws the scalars of another run's folder beside this run's, under the folder's name. They are read once, from its
 * events, which may be those of another program (TensorBoard's SummaryWriter). REEL_ERROR_IO when there are none. */
REEL_API reel_status reel_run_compare(reel_run *run, const char *folder);

#ifdef __cplusplus
}
#endif

#endif
