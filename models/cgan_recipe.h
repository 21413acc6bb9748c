/* The recipes of cgan train: networks, and how they are trained. */
#ifndef MODELS_CGAN_RECIPE_H
#define MODELS_CGAN_RECIPE_H

#include "gan.h"

enum cgan_recipe_name { RECIPE_PROJECTION, RECIPE_SHORT, RECIPE_CONCATENATION, RECIPE_REFERENCE };

/* For the command line; they end with NULL. */
extern const char *const cgan_network_names[], *const cgan_recipe_names[];

struct cgan_recipe {
    enum gan_network network;
    enum cgan_recipe_name name;
    int64_t batch;
    double lr, beta1, beta2, batch_norm_eps, dropout;
    double average;        /* largest decay of the moving average of the generator; 0: none */
    double penalty;        /* gamma of R1; 0: none */
    int64_t penalty_every; /* steps; the penalty counts as many times */
    double cool_down;      /* for this last part of the training a cosine lowers the learning rate ... */
    double final_lr;       /* ... to this part of it */
    /* Weights of the cross entropy of the class head: for real images in the discriminator's loss, for generated ones
     * in the generator's. 0: the label is seen at the discriminator's input, and there is no such head. */
    double class_loss, generator_class_loss;
};

/* NULL when the network has no recipe of that name. */
const struct cgan_recipe *cgan_recipe_find(int network, int name);

/* Recipes have numbers, which checkpoints keep; NULL when there is none of that number. */
const struct cgan_recipe *cgan_recipe_at(int64_t number);
int64_t cgan_recipe_number(const struct cgan_recipe *recipe);

/* The networks for such images. */
struct gan_sizes cgan_recipe_sizes(const struct cgan_recipe *recipe, int64_t rows, int64_t columns, int64_t classes);

#endif
