/* The training of a conditional GAN, as cgan train and series train have it: a loop of rounds, what each of them
 * writes, how the loop ends, and how it goes on. The programs bring data, networks and a step. */
#ifndef MODELS_GAN_TRAINING_H
#define MODELS_GAN_TRAINING_H

#include "arguments.h"
#include "run.h"

#include <reel/reel.h>
#include <reel/watch/progress.h>
#include <reel/watch/run.h>

enum { TRAINING_ERROR_SIZE = 4608 /* a message with a whole path in it */, TRAINING_SAVED = 16, TRAINING_COLUMNS = 96 };

/* What every training is asked for. */
struct training_settings {
    const char *out, *resume;
    int64_t batch, seed, threads;
    double minutes, lr;
    bool overwrite, extend, detect_anomaly;
};

/* The last of their options; `length` is the program's own way to say how long a training is. */
#define TRAINING_OPTIONS(s, length)                                                                                    \
    OPTION_INTEGER("seed", &(s).seed, 0, INT64_MAX, "N", "seed of everything drawn"),                                  \
        OPTION_INTEGER("threads", &(s).threads, 0, 256, "N", "threads; 0: one a core"),                                \
        OPTION_FLAG("overwrite", &(s).overwrite, "replace the run that --out holds"),                                  \
        OPTION_TEXT("resume", &(s).resume, "DIR", "go on with the run that DIR holds, with its settings"),             \
        OPTION_FLAG("extend", &(s).extend, "with --resume: another " length " or --minutes is meant"),                 \
        OPTION_FLAG("detect-anomaly", &(s).detect_anomaly, "end at the first number that is not finite and say where")

/* A setting that a checkpoint keeps, so that a run is not resumed as another one. */
struct training_setting {
    const char *option;
    int64_t *integer; /* where it is; or NULL ... */
    double *number;   /* ... and it is here, kept as its bits */
    bool is_length;   /* which --extend may change */
};

/* Means since the last line of metrics. */
struct training_metrics {
    double d_loss, g_loss, d_real, d_fake, penalty;
    int64_t steps, penalties;
};

/* What a step says of itself: scalars; what is not there is null. */
struct training_losses {
    reel_var g_loss, d_loss, d_real, d_fake, penalty;
};

struct training;

/* What differs between programs. Functions that return a bool leave a line in training->error with false. */
struct training_kind {
    const char *program; /* begins messages: "cgan train" */
    const char *round;   /* what ends with a picture, metrics and a model: "epoch" */
    const char *header;  /* of metrics.csv: eight columns, and those that `judge` fills */
    const char *unit;    /* what the bar counts ... */
    bool counts_samples; /* ... samples, or steps */
    const char *samples; /* what the data consist of: "images" */
    int max_pictures;    /* of so many rounds are in the report and in the animation */

    /* Takes settings that were read from a checkpoint. */
    bool (*adopt)(struct training *training);
    /* NULL, or what is to be done before the first step of a round. */
    bool (*begin_round)(struct training *training);
    /* A step of both networks. */
    struct training_losses (*step)(struct training *training);
    /* NULL, or what follows when the averaged params have taken the place of the generator's. */
    void (*average)(struct training *training);
    /* Saves the model, and adds a picture of the round to the report; resets the tape. Errors stay in the context. */
    void (*show)(struct training *training);
    /* NULL, or fills the columns of the metrics that it has, "" and commas where it has nothing to say. */
    bool (*judge)(struct training *training, char columns[TRAINING_COLUMNS]);
};

struct training {
    const struct training_kind *kind;
    void *user; /* the program's */
    struct training_settings *settings;
    struct training_setting list[TRAINING_SAVED]; /* until the first without an option */
    int64_t saved[TRAINING_SAVED];                /* their values, and a hash of the data behind them */
    struct run run;
    reel_run *watched; /* the same folder: pictures, events and the report */
    reel_context *context;
    reel_tape *tape;
    reel_params *generator, *discriminator; /* the program's */
    reel_optim *g_optim, *d_optim;
    reel_ema *average;
    double decay;               /* the largest of the average */
    double cool_down, final_lr; /* for this last part of the training a cosine lowers the learning rate, to this part */
    reel_real *grid_noise;      /* of all pictures */
    struct training_metrics metrics;
    int64_t every, steps; /* steps of a round; and of all, 0: no limit */
    int64_t step, round;  /* steps that are done, and the round under way, from 1 */
    double seconds;       /* until the last checkpoint */
    reel_checkpoint *checkpoint;
    bool resumed; /* in the middle of a round, or before what its end writes */
    bool written; /* all files of the round so far; if not, error says why */
    char error[TRAINING_ERROR_SIZE];
};

/* ---- Setting up, in this order. ---- */

/* Reads the command line, and with --resume what the run says first. Returns false to leave with *exit_code. */
bool training_arguments(struct training *training, const struct arguments *arguments, int argc, char **argv,
                        int *exit_code);

/* Whether a run may be resumed with these settings, and the folder be written to. */
bool training_may_begin(struct training *training);

/* Context and tape; then, when the networks are there, optimizers and, with a decay above 0, an average of the
 * generator; the noise of all pictures, of so many numbers; and a checkpoint of that, to which a program may add, with
 * a hash of its data. */
void training_open_context(struct training *training);
void training_open_optims(struct training *training, double beta1, double beta2, double decay);
bool training_draw_noise(struct training *training, int64_t n);
bool training_make_checkpoint(struct training *training, reel_shape noise, uint64_t hash);

/* Opens the folder, and goes to where a run was that is resumed; `data` is where the samples come from: "in DIR". */
bool training_open_folder(struct training *training, const char *data);

/* Opens the report. */
bool training_open_report(struct training *training);
void training_say(struct training *training, const char *name, double value); /* a line of its configuration */

/* ---- Training ---- */

/* Trains to the end, or until a signal. */
bool training_run(struct training *training);

/* Says how it ended, and frees what is not the program's. Returns the exit code. */
int training_end(struct training *training, bool ok);

/* ---- For programs ---- */

/* Moves params of one of the two networks along the gradient of a loss. */
void training_update(struct training *training, reel_params *params, reel_var loss);

/* The mean of what scores say, from 0 to 1, as a constant. */
reel_var training_mean_sigmoid(reel_tape *tape, reel_var scores);

/* The context's error as the training's; false. */
bool training_fail(struct training *training);

/* A disk that is full does not end a training: the error of a file that could not be written is noted, and the context
 * is free of it. Other errors stay. */
void training_note_file(struct training *training, reel_status status);

/* FNV-1a of bytes, after others or TRAINING_NO_HASH. */
#define TRAINING_NO_HASH UINT64_C(14695981039346656037)
uint64_t training_hash(const void *bytes, size_t n, uint64_t hash);

#endif
