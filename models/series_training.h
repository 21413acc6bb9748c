/* What the files of series train share: what was asked for, and the training under way. */
#ifndef MODELS_SERIES_TRAINING_H
#define MODELS_SERIES_TRAINING_H

#include "run.h"
#include "series.h"

struct series_settings {
    int recipe; /* enum series_network: each network has its recipe */
    struct series_source source;
    const char *out, *resume;
    int64_t steps, every, batch, hidden, seed, threads;
    double minutes, lr, gamma, noise;
    bool overwrite, extend, detect_anomaly;
};

/* What differs between the recipes besides the networks. */
struct series_recipe {
    reel_gan_loss loss;
    int64_t batch, hidden;
    double lr, beta1, beta2;
    double average;               /* largest decay of the moving average of the generator; 0: none */
    double gamma;                 /* of the penalties on real and on made series; 0: none */
    int64_t penalty_every;        /* steps; the penalties count as many times */
    double classes, make_classes; /* weights of the class head's cross entropy: on real series, and for the generator */
    double noise;                 /* standard deviation of what is added to all that the discriminator sees */
    double cool_down;             /* for this last part of the training a cosine lowers the learning rate ... */
    double final_lr;              /* ... to this part of it */
};

/* Means since the last line of metrics. */
struct series_metrics {
    double d_loss, g_loss, d_real, d_fake, penalty;
    int64_t steps, penalties;
};

/* What a checkpoint says about the run besides its state, so that it is not resumed as another one. Doubles are there
 * as their bits. */
enum {
    SAVED_RECIPE,
    SAVED_STEPS,
    SAVED_EVERY,
    SAVED_BATCH,
    SAVED_HIDDEN,
    SAVED_SEED,
    SAVED_MINUTES,
    SAVED_LR,
    SAVED_GAMMA,
    SAVED_NOISE,
    SAVED_SERIES,
    SAVED
};

struct series_training {
    const struct series_settings *settings;
    struct run run;
    struct series_recipe recipe;
    struct series_set train, test;
    float *scaled;             /* the training series as the networks see them, [count, steps, channels] */
    float *x;                  /* [batch, steps, channels] */
    int64_t *labels, *lengths; /* [batch] */
    struct series_set grid;    /* what the picture shows: the labels and lengths of the real series beside it */
    reel_real *grid_noise;
    reel_context *context;
    reel_tape *tape;
    struct series_gan gan;
    reel_optim *g_optim, *d_optim;
    reel_ema *average;
    struct series_metrics metrics;
    int64_t step, round; /* the round under way, from 1; each has settings->every steps and ends with a picture */
    double seconds;      /* until the last checkpoint */
    int64_t saved[SAVED];
    reel_checkpoint *checkpoint;
    bool resumed; /* in the middle of a round, or before what its end writes */
    char error[SERIES_ERROR_SIZE];
};

/* A step of both networks on series drawn from the training set; false with a line in training->error. */
bool series_run_step(struct series_training *training);

/* What a run is saved as, and going to where one was that was saved; false with a line in training->error. */
bool series_make_checkpoint(struct series_training *training);
bool series_load_checkpoint(struct series_training *training);

/* The settings of the run that a folder holds. */
bool series_read_settings(const char *folder, struct series_settings *settings, char *error, size_t error_size);

/* Whether what was given on the command line goes together with the run that is resumed. */
bool series_expect_same_run(const struct series_settings *given, const struct series_settings *saved, char *error,
                            size_t error_size);

#endif
