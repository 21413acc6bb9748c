/* The conditional GANs: a generator that joins noise with a label's embedding, and a discriminator that joins a sample
 * with one, or sees the label last of all. Written against reel's public headers only. */
#ifndef MODELS_GAN_H
#define MODELS_GAN_H

#include <reel/reel.h>

enum { GAN_MAX_HIDDEN = 4, GAN_CONV_SIDES = 4 };

enum gan_network { GAN_MLP, GAN_CONV };

/* Sizes of both networks. LeakyReLU 0.2 follows every hidden layer; the generator ends in tanh, the discriminator in
 * one score (a logit) per sample. */
struct gan_sizes {
    enum gan_network network;
    int64_t noise, classes, embedding, data;
    int64_t rows, columns;             /* of GAN_CONV: data is an image of that size, multiples of GAN_CONV_SIDES */
    int generator_layers;              /* hidden layers */
    int64_t generator[GAN_MAX_HIDDEN]; /* their widths, or channels */
    int discriminator_layers;
    int64_t discriminator[GAN_MAX_HIDDEN];
    bool batch_norm; /* after every hidden layer of the generator, of GAN_MLP not after the first */
    double batch_norm_eps;
    double dropout;   /* after every hidden layer of the discriminator but the first */
    bool label_first; /* the generator's input: embedding before noise */
    /* The discriminator's layers do not see the label: their output goes to a projection head that does, and to one
     * that scores the classes. */
    bool projection;
};

/* noise 10, Embedding(10,3), 64, 64 to 32 values: small enough to follow by hand. */
struct gan_sizes gan_notebook_sizes(void);

/* PyTorch-GAN's cgan.py for 28 x 28 images: noise 100, Embedding(10,10), 128, 256, 512, 1024 to 784. Its batch norm has
 * eps 0.8 and its discriminator dropout 0.4; both are the caller's to choose. */
struct gan_sizes gan_image_sizes(double batch_norm_eps, double dropout);

/* The same data with projection: a generator that begins wider and has a layer less, 256, 512, 1024. */
struct gan_sizes gan_projection_sizes(void);

/* Convolutions for images of such a size: noise 64 and Embedding(10,16) to 64 channels of a quarter of the sides, 32 of
 * half of them, and the image; and back by 32 and 64 channels to 128 features, with projection. */
struct gan_sizes gan_conv_sizes(int64_t rows, int64_t columns);

struct gan {
    struct gan_sizes sizes;
    reel_params *generator, *discriminator; /* of GAN_MLP names as in the state_dict of the PyTorch script */
    reel_module *generator_label, *generator_layer[GAN_MAX_HIDDEN + 1], *generator_norm[GAN_MAX_HIDDEN];
    reel_module *discriminator_label, *discriminator_layer[GAN_MAX_HIDDEN + 1], *discriminator_dropout;
    reel_module *projection, *class_head; /* NULL without projection */
};

/* Makes the networks, drawing the initial values in PyTorch's order. Check reel_context_status: on error the struct may
 * hold NULLs, which every call here accepts. Free it before the context. */
struct gan gan_new(reel_context *context, const struct gan_sizes *sizes);
void gan_free(struct gan *gan);

/* Elements of all params and buffers that the generator has for such sizes, without making it. */
int64_t gan_generator_numel(const struct gan_sizes *sizes);

/* Samples [n, data] in -1..1 from noise [n, noise] and labels [n] (int64). */
reel_var gan_generate(reel_tape *tape, const struct gan *gan, reel_var noise, reel_var labels);

/* Scores [n, 1], with projection [n], for samples x [n, data] and labels [n]. */
reel_var gan_discriminate(reel_tape *tape, const struct gan *gan, reel_var x, reel_var labels);

/* Its two halves: what the discriminator's layers make of samples (of the labels, too, without projection), and the
 * scores for that. With projection, what the features say about the classes: scores [n, classes] before a softmax. */
reel_var gan_features(reel_tape *tape, const struct gan *gan, reel_var x, reel_var labels);
reel_var gan_scores(reel_tape *tape, const struct gan *gan, reel_var features, reel_var labels);
reel_var gan_class_scores(reel_tape *tape, const struct gan *gan, reel_var features);

#endif
