/* cgan train: the recipes. */
#include "cgan_recipe.h"

#include <string.h>

const char *const cgan_network_names[] = {[GAN_MLP] = "mlp", [GAN_CONV] = "conv", NULL};

const char *const cgan_recipe_names[] = {[RECIPE_PROJECTION] = "projection",
                                         [RECIPE_SHORT] = "short",
                                         [RECIPE_CONCATENATION] = "concatenation",
                                         [RECIPE_REFERENCE] = "reference",
                                         NULL};

/* What all but the reference have in common. */
#define R1_GAN                                                                                                         \
    .batch = 128, .beta1 = 0.0, .beta2 = 0.99, .batch_norm_eps = 1e-5, .penalty_every = 4, .cool_down = 0.7,           \
    .final_lr = 0.1

/* A checkpoint names a row by its place: rows stay where they are, new ones come last. */
static const struct cgan_recipe recipes[] = {
    {GAN_MLP, RECIPE_CONCATENATION, R1_GAN, .lr = 1e-3, .average = 0.9995, .penalty = 1},
    {GAN_MLP, RECIPE_REFERENCE, .batch = 64, .lr = 2e-4, .beta1 = 0.5, .beta2 = 0.999, .batch_norm_eps = 0.8,
     .dropout = 0.4},
    {GAN_MLP, RECIPE_PROJECTION, R1_GAN, .lr = 1e-3, .average = 0.9995, .penalty = 2, .class_loss = 0.1,
     .generator_class_loss = 0.1},
    {GAN_MLP, RECIPE_SHORT, R1_GAN, .lr = 1e-3, .average = 0.9995, .penalty = 3, .class_loss = 0.3,
     .generator_class_loss = 0.1},
    {GAN_CONV, RECIPE_PROJECTION, R1_GAN, .lr = 1e-3, .average = 0.9995, .penalty = 4, .class_loss = 0.3,
     .generator_class_loss = 0.1},
    {GAN_CONV, RECIPE_SHORT, R1_GAN, .lr = 2e-3, .average = 0.999, .penalty = 4, .class_loss = 0.3,
     .generator_class_loss = 0.1},
};

enum { RECIPES = sizeof recipes / sizeof *recipes };

const struct cgan_recipe *cgan_recipe_find(int network, int name)
{
    for (int i = 0; i < RECIPES; i++)
        if ((int)recipes[i].network == network && (int)recipes[i].name == name)
            return &recipes[i];
    return NULL;
}

const struct cgan_recipe *cgan_recipe_at(int64_t number)
{
    return number >= 0 && number < RECIPES ? &recipes[number] : NULL;
}

int64_t cgan_recipe_number(const struct cgan_recipe *recipe)
{
    return recipe - recipes;
}

struct gan_sizes cgan_recipe_sizes(const struct cgan_recipe *recipe, int64_t rows, int64_t columns, int64_t classes)
{
    struct gan_sizes sizes = recipe->network == GAN_CONV ? gan_conv_sizes(rows, columns)
                             : recipe->class_loss > 0    ? gan_projection_sizes()
                                                         : gan_image_sizes(recipe->batch_norm_eps, recipe->dropout);
    sizes.data = rows * columns;
    sizes.classes = classes;
    return sizes;
}
