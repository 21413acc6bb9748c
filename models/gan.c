/* The networks of the conditional GANs. */
#include "gan.h"

#include <stdio.h>

static const double slope = 0.2;

struct gan_sizes gan_notebook_sizes(void)
{
    return (struct gan_sizes){.noise = 10,
                              .classes = 10,
                              .embedding = 3,
                              .data = 32,
                              .generator_layers = 2,
                              .generator = {64, 64},
                              .discriminator_layers = 2,
                              .discriminator = {64, 64}};
}

struct gan_sizes gan_image_sizes(double batch_norm_eps, double dropout)
{
    return (struct gan_sizes){.noise = 100,
                              .classes = 10,
                              .embedding = 10,
                              .data = 784,
                              .generator_layers = 4,
                              .generator = {128, 256, 512, 1024},
                              .discriminator_layers = 3,
                              .discriminator = {512, 512, 512},
                              .batch_norm = true,
                              .batch_norm_eps = batch_norm_eps,
                              .dropout = dropout,
                              .label_first = true};
}

/* "model.5": places in the script's nn.Sequential, where activations count too. */
static const char *model_name(char text[32], int place)
{
    snprintf(text, 32, "model.%d", place);
    return text;
}

/* The layer's activation, or none where something stands between. */
static reel_linear_options ending_with(reel_activation activation, bool between)
{
    reel_linear_options o = reel_linear_defaults();
    o.activation = between ? REEL_ACTIVATION_NONE : activation;
    o.negative_slope = slope;
    return o;
}

struct gan gan_new(reel_context *context, const struct gan_sizes *sizes)
{
    struct gan gan = {.sizes = *sizes};
    char name[32];

    gan.generator = reel_params_new(context);
    gan.generator_label = reel_embedding_new(gan.generator, "label_emb", sizes->classes, sizes->embedding, NULL);
    reel_batch_norm_options norm = reel_batch_norm_defaults();
    norm.eps = sizes->batch_norm_eps;
    int64_t in = sizes->noise + sizes->embedding;
    int place = 0;
    for (int i = 0; i < sizes->generator_layers; i++) {
        int64_t out = sizes->generator[i];
        bool has_norm = sizes->batch_norm && i > 0;
        reel_linear_options linear = ending_with(REEL_ACTIVATION_LEAKY_RELU, has_norm);
        gan.generator_linear[i] = reel_linear_new(gan.generator, model_name(name, place++), in, out, &linear);
        if (has_norm)
            gan.generator_norm[i] = reel_batch_norm1d_new(gan.generator, model_name(name, place++), out, &norm);
        place++;
        in = out;
    }
    reel_linear_options last = ending_with(REEL_ACTIVATION_TANH, false);
    gan.generator_linear[sizes->generator_layers] =
        reel_linear_new(gan.generator, model_name(name, place), in, sizes->data, &last);

    gan.discriminator = reel_params_new(context);
    gan.discriminator_label =
        reel_embedding_new(gan.discriminator, "label_embedding", sizes->classes, sizes->embedding, NULL);
    in = sizes->data + sizes->embedding;
    place = 0;
    for (int i = 0; i < sizes->discriminator_layers; i++) {
        int64_t out = sizes->discriminator[i];
        bool has_dropout = i > 0 && sizes->dropout > 0;
        reel_linear_options linear = ending_with(REEL_ACTIVATION_LEAKY_RELU, has_dropout);
        gan.discriminator_linear[i] = reel_linear_new(gan.discriminator, model_name(name, place++), in, out, &linear);
        place += has_dropout ? 2 : 1;
        in = out;
    }
    gan.discriminator_linear[sizes->discriminator_layers] =
        reel_linear_new(gan.discriminator, model_name(name, place), in, 1, NULL);
    gan.discriminator_dropout = reel_dropout_new(gan.discriminator, sizes->dropout);
    return gan;
}

void gan_free(struct gan *gan)
{
    reel_params_free(gan->generator);
    reel_params_free(gan->discriminator);
    *gan = (struct gan){0};
}

int64_t gan_generator_numel(const struct gan_sizes *sizes)
{
    enum { NORM = 4 /* weight, bias, running mean and variance */, TRACKED = 1 };
    int64_t in = sizes->noise + sizes->embedding, numel = sizes->classes * sizes->embedding;
    for (int i = 0; i <= sizes->generator_layers; i++) {
        bool last = i == sizes->generator_layers;
        int64_t out = last ? sizes->data : sizes->generator[i];
        numel += (in + 1) * out;
        if (sizes->batch_norm && i > 0 && !last)
            numel += NORM * out + TRACKED;
        in = out;
    }
    return numel;
}

reel_var gan_generate(reel_tape *tape, const struct gan *gan, reel_var noise, reel_var labels)
{
    reel_var embedded = reel_forward(tape, gan->generator_label, labels);
    reel_var h = gan->sizes.label_first ? reel_cat(tape, REEL_VARS(embedded, noise), 1)
                                        : reel_cat(tape, REEL_VARS(noise, embedded), 1);
    for (int i = 0; i < gan->sizes.generator_layers; i++) {
        h = reel_forward(tape, gan->generator_linear[i], h);
        if (gan->generator_norm[i])
            h = reel_leaky_relu(tape, reel_forward(tape, gan->generator_norm[i], h), slope);
    }
    return reel_forward(tape, gan->generator_linear[gan->sizes.generator_layers], h);
}

reel_var gan_discriminate(reel_tape *tape, const struct gan *gan, reel_var x, reel_var labels)
{
    reel_var embedded = reel_forward(tape, gan->discriminator_label, labels);
    reel_var h = reel_cat(tape, REEL_VARS(x, embedded), 1);
    for (int i = 0; i < gan->sizes.discriminator_layers; i++) {
        h = reel_forward(tape, gan->discriminator_linear[i], h);
        if (i > 0 && gan->sizes.dropout > 0)
            h = reel_leaky_relu(tape, reel_forward(tape, gan->discriminator_dropout, h), slope);
    }
    return reel_forward(tape, gan->discriminator_linear[gan->sizes.discriminator_layers], h);
}
