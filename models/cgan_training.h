/* What the files of cgan train share: what was asked for, and the training under way. */
#ifndef MODELS_CGAN_TRAINING_H
#define MODELS_CGAN_TRAINING_H

#include "cgan.h"
#include "cgan_recipe.h"
#include "judge.h"
#include "gan_training.h"

enum { GRID_COLUMNS = 10 };

struct cgan_settings {
    int network, recipe;   /* places in their lists of names */
    int64_t recipe_number; /* what a checkpoint keeps of them */
    const char *data;
    int64_t epochs, eval_every;
    struct training_settings shared;
};

struct cgan_training {
    struct training training;
    struct cgan_settings *settings;
    const struct cgan_recipe *recipe;
    struct dataset data;
    struct cgan_image image;
    struct class_lines lines;
    int64_t pixels, classes;
    float *pixel_table; /* [count, pixels], in -1..1 */
    float *x;           /* [batch, pixels] */
    int64_t *y;         /* [batch] */
    int64_t *order;     /* [count], of the epoch under way */
    int64_t next_batch; /* in that */
    int64_t *grid_labels;
    struct gan gan;
    struct judge judge; /* in a context of its own, so that judging changes no bit of the training */
    reel_context *judge_context;
};

/* A step on the next batch of the epoch. */
struct training_losses cgan_step(struct training *training);

#endif
