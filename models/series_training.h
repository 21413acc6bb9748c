/* What the files of series train share: what was asked for, and the training under way. */
#ifndef MODELS_SERIES_TRAINING_H
#define MODELS_SERIES_TRAINING_H

#include "series.h"
#include "gan_training.h"

struct series_settings {
    int recipe;            /* enum series_network: each network has its recipe */
    int64_t recipe_number; /* the same, for a checkpoint */
    struct series_source source;
    int64_t steps, every, hidden;
    double gamma, noise;
    struct training_settings shared;
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

struct series_training {
    struct training training;
    struct series_settings *settings;
    struct series_recipe recipe;
    struct series_set train, test;
    float *scaled;             /* the training series as the networks see them, [count, steps, channels] */
    float *x;                  /* [batch, steps, channels] */
    int64_t *labels, *lengths; /* [batch] */
    struct series_set grid;    /* what the picture shows: the labels and lengths of the real series beside it */
    struct series_gan gan;
};

/* A step on series drawn from the training set. */
struct training_losses series_step(struct training *training);

#endif
