/* The networks of the conditional GANs: of linear layers, and what they have in common with those of convolutions. */
#include "gan_conv.h"

#include <stdio.h>

static const double slope = GAN_SLOPE;

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

struct gan_sizes gan_projection_sizes(void)
{
    struct gan_sizes sizes = gan_image_sizes(1e-5, 0);
    sizes.generator_layers = 3;
    for (int i = 0; i < sizes.generator_layers; i++)
        sizes.generator[i] = sizes.generator[i + 1];
    sizes.projection = true;
    return sizes;
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

static void add_generator(struct gan *gan)
{
    const struct gan_sizes *sizes = &gan->sizes;
    reel_batch_norm_options norm = reel_batch_norm_defaults();
    norm.eps = sizes->batch_norm_eps;
    char name[32];
    int64_t in = sizes->noise + sizes->embedding;
    int place = 0;
    for (int i = 0; i < sizes->generator_layers; i++) {
        int64_t out = sizes->generator[i];
        bool has_norm = sizes->batch_norm && i > 0;
        reel_linear_options linear = ending_with(REEL_ACTIVATION_LEAKY_RELU, has_norm);
        gan->generator_layer[i] = reel_linear_new(gan->generator, model_name(name, place++), in, out, &linear);
        if (has_norm)
            gan->generator_norm[i] = reel_batch_norm1d_new(gan->generator, model_name(name, place++), out, &norm);
        place++;
        in = out;
    }
    reel_linear_options last = ending_with(REEL_ACTIVATION_TANH, false);
    gan->generator_layer[sizes->generator_layers] =
        reel_linear_new(gan->generator, model_name(name, place), in, sizes->data, &last);
}

static void add_discriminator(struct gan *gan)
{
    const struct gan_sizes *sizes = &gan->sizes;
    char name[32];
    int64_t in = sizes->data + (sizes->projection ? 0 : sizes->embedding);
    int place = 0;
    for (int i = 0; i < sizes->discriminator_layers; i++) {
        int64_t out = sizes->discriminator[i];
        bool has_dropout = i > 0 && sizes->dropout > 0;
        reel_linear_options linear = ending_with(REEL_ACTIVATION_LEAKY_RELU, has_dropout);
        gan->discriminator_layer[i] = reel_linear_new(gan->discriminator, model_name(name, place++), in, out, &linear);
        place += has_dropout ? 2 : 1;
        in = out;
    }
    if (!sizes->projection)
        gan->discriminator_layer[sizes->discriminator_layers] =
            reel_linear_new(gan->discriminator, model_name(name, place), in, 1, NULL);
    gan->discriminator_dropout = reel_dropout_new(gan->discriminator, sizes->dropout);
}

static void add_heads(struct gan *gan)
{
    int64_t width = gan->sizes.discriminator[gan->sizes.discriminator_layers - 1], classes = gan->sizes.classes;
    gan->projection = reel_projection_new(gan->discriminator, "projection", width, classes);
    REEL_OPTIONS(linear, unbiased, unbiased.bias = false);
    gan->class_head = reel_linear_new(gan->discriminator, "class_head", width, classes, &unbiased);
}

struct gan gan_new(reel_context *context, const struct gan_sizes *sizes)
{
    struct gan gan = {.sizes = *sizes};
    gan.generator = reel_params_new(context);
    gan.generator_label = reel_embedding_new(gan.generator, "label_emb", sizes->classes, sizes->embedding, NULL);
    bool conv = sizes->network == GAN_CONV;
    (conv ? gan_conv_add_generator : add_generator)(&gan);
    gan.discriminator = reel_params_new(context);
    if (!sizes->projection)
        gan.discriminator_label =
            reel_embedding_new(gan.discriminator, "label_embedding", sizes->classes, sizes->embedding, NULL);
    (conv ? gan_conv_add_discriminator : add_discriminator)(&gan);
    if (sizes->projection)
        add_heads(&gan);
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
    int64_t in = sizes->noise + sizes->embedding, numel = sizes->classes * sizes->embedding;
    if (sizes->network == GAN_CONV)
        return numel + gan_conv_generator_numel(sizes);
    for (int i = 0; i <= sizes->generator_layers; i++) {
        bool last = i == sizes->generator_layers;
        int64_t out = last ? sizes->data : sizes->generator[i];
        numel += (in + 1) * out;
        if (sizes->batch_norm && i > 0 && !last)
            numel += gan_norm_numel(out);
        in = out;
    }
    return numel;
}

reel_var gan_generate(reel_tape *tape, const struct gan *gan, reel_var noise, reel_var labels)
{
    reel_var embedded = reel_forward(tape, gan->generator_label, labels);
    reel_var h = gan->sizes.label_first ? reel_cat(tape, REEL_VARS(embedded, noise), 1)
                                        : reel_cat(tape, REEL_VARS(noise, embedded), 1);
    if (gan->sizes.network == GAN_CONV)
        return gan_conv_generate(tape, gan, h);
    for (int i = 0; i < gan->sizes.generator_layers; i++) {
        h = reel_forward(tape, gan->generator_layer[i], h);
        if (gan->generator_norm[i])
            h = reel_leaky_relu(tape, reel_forward(tape, gan->generator_norm[i], h), slope);
    }
    return reel_forward(tape, gan->generator_layer[gan->sizes.generator_layers], h);
}

reel_var gan_features(reel_tape *tape, const struct gan *gan, reel_var x, reel_var labels)
{
    if (gan->sizes.network == GAN_CONV)
        return gan_conv_features(tape, gan, x);
    reel_var h = x;
    if (!gan->sizes.projection) {
        reel_var embedded = reel_forward(tape, gan->discriminator_label, labels);
        h = reel_cat(tape, REEL_VARS(x, embedded), 1);
    }
    for (int i = 0; i < gan->sizes.discriminator_layers; i++) {
        h = reel_forward(tape, gan->discriminator_layer[i], h);
        if (i > 0 && gan->sizes.dropout > 0)
            h = reel_leaky_relu(tape, reel_forward(tape, gan->discriminator_dropout, h), slope);
    }
    return h;
}

reel_var gan_scores(reel_tape *tape, const struct gan *gan, reel_var features, reel_var labels)
{
    if (!gan->sizes.projection)
        return reel_forward(tape, gan->discriminator_layer[gan->sizes.discriminator_layers], features);
    reel_var scores;
    reel_forward_all(tape, gan->projection, REEL_VARS(features, labels), &scores, 1);
    return scores;
}

reel_var gan_class_scores(reel_tape *tape, const struct gan *gan, reel_var features)
{
    return reel_forward(tape, gan->class_head, features);
}

reel_var gan_discriminate(reel_tape *tape, const struct gan *gan, reel_var x, reel_var labels)
{
    return gan_scores(tape, gan, gan_features(tape, gan, x, labels), labels);
}
