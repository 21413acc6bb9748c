/* What the files of cgan train share: what was asked for, and the training under way. */
#ifndef MODELS_CGAN_TRAINING_H
#define MODELS_CGAN_TRAINING_H

#include "cgan.h"
#include "cgan_recipe.h"
#include "judge.h"
#include "run.h"

#include <reel/watch/run.h>

enum { GRID_COLUMNS = 10 };

struct cgan_settings {
    int network, recipe; /* places in their lists of names */
    const char *data, *out, *resume;
    int64_t epochs, batch, seed, threads, eval_every;
    double minutes, lr;
    bool overwrite, extend, detect_anomaly;
};

/* Means since the last line of metrics. */
struct cgan_metrics {
    double d_loss, g_loss, d_real, d_fake, penalty;
    int64_t steps, penalties;
};

/* What a checkpoint says about the run besides its state, so that it is not resumed as another one. Doubles are there
 * as their bits. */
enum { SAVED_RECIPE, SAVED_EPOCHS, SAVED_BATCH, SAVED_SEED, SAVED_MINUTES, SAVED_LR, SAVED_IMAGES, SAVED };

struct cgan_training {
    const struct cgan_settings *settings;
    struct run run;
    reel_run *watched; /* the same folder: pictures, events and the report */
    const struct cgan_recipe *recipe;
    struct dataset data;
    struct cgan_image image;
    struct class_lines lines;
    int64_t pixels, classes;
    float *pixel_table; /* [count, pixels], in -1..1 */
    float *x;           /* [batch, pixels] */
    int64_t *y;         /* [batch] */
    int64_t *order;     /* [count] */
    int64_t *grid_labels;
    float *grid_noise;
    reel_context *context;
    reel_tape *tape;
    struct gan gan;
    reel_optim *g_optim, *d_optim;
    reel_ema *average;
    struct cgan_metrics metrics;
    struct judge judge; /* in a context of its own, so that judging changes no bit of the training */
    reel_context *judge_context;
    int64_t step, epoch, next_batch; /* the epoch under way, and its first batch that is not done */
    double seconds;                  /* until the last checkpoint */
    int64_t saved[SAVED];
    reel_checkpoint *checkpoint;
    bool resumed; /* in the middle of an epoch, or before what its end writes */
    char error[CGAN_ERROR_SIZE];
};

/* A step of both networks on the images that `rows` names; false with a line in training->error. */
bool cgan_run_step(struct cgan_training *training, const int64_t *rows);

/* What a run is saved as, and going to where one was that was saved; false with a line in training->error. */
bool cgan_make_checkpoint(struct cgan_training *training);
bool cgan_load_checkpoint(struct cgan_training *training);

/* The settings of the run that a folder holds. */
bool cgan_read_settings(const char *folder, struct cgan_settings *settings, char *error, size_t error_size);

/* Whether what was given on the command line goes together with the run that is resumed. */
bool cgan_expect_same_run(const struct cgan_settings *given, const struct cgan_settings *saved, char *error,
                          size_t error_size);

#endif
