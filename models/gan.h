/* The conditional GAN: a generator that joins noise with a label's embedding, and a discriminator that joins a sample
 * with one. Written against reel's public headers only. */
#ifndef MODELS_GAN_H
#define MODELS_GAN_H

#include <reel/reel.h>

enum { GAN_MAX_HIDDEN = 4 };

/* Sizes of both networks. LeakyReLU 0.2 follows every hidden layer; the generator ends in tanh, the discriminator in
 * one score (a logit) per sample. */
struct gan_sizes {
    int64_t noise, classes, embedding, data;
    int generator_layers; /* hidden layers */
    int64_t generator[GAN_MAX_HIDDEN];
    int discriminator_layers;
    int64_t discriminator[GAN_MAX_HIDDEN];
    bool batch_norm; /* after every hidden layer of the generator but the first */
    double batch_norm_eps;
    double dropout;   /* after every hidden layer of the discriminator but the first */
    bool label_first; /* the generator's input: embedding before noise */
};

/* noise 10, Embedding(10,3), 64, 64 to 32 values: small enough to follow by hand. */
struct gan_sizes gan_notebook_sizes(void);

/* PyTorch-GAN's cgan.py for 28 x 28 images: noise 100, Embedding(10,10), 128, 256, 512, 1024 to 784. Its batch norm has
 * eps 0.8 and its discriminator dropout 0.4; both are the caller's to choose. */
struct gan_sizes gan_image_sizes(double batch_norm_eps, double dropout);

struct gan {
    struct gan_sizes sizes;
    reel_params *generator, *discriminator; /* names as in the state_dict of the PyTorch script */
    reel_module *generator_label, *generator_linear[GAN_MAX_HIDDEN + 1], *generator_norm[GAN_MAX_HIDDEN];
    reel_module *discriminator_label, *discriminator_linear[GAN_MAX_HIDDEN + 1], *discriminator_dropout;
};

/* Makes the networks, drawing the initial values in PyTorch's order. Check reel_context_status: on error the struct may
 * hold NULLs, which every call here accepts. Free it before the context. */
struct gan gan_new(reel_context *context, const struct gan_sizes *sizes);
void gan_free(struct gan *gan);

/* Elements of all params and buffers that the generator has for such sizes, without making it. */
int64_t gan_generator_numel(const struct gan_sizes *sizes);

/* Samples [n, data] in -1..1 from noise [n, noise] and labels [n] (int64). */
reel_var gan_generate(reel_tape *tape, const struct gan *gan, reel_var noise, reel_var labels);

/* Scores [n, 1] for samples x [n, data] and labels [n]. */
reel_var gan_discriminate(reel_tape *tape, const struct gan *gan, reel_var x, reel_var labels);

#endif
