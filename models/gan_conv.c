/* The convolutional pair of networks. */
#include "gan_conv.h"

/* A convolution of this kernel with this stride and padding halves both sides, a transposed one doubles them. */
enum { KERNEL = 4, STRIDE = 2, PADDING = 1 };

struct gan_sizes gan_conv_sizes(int64_t rows, int64_t columns)
{
    return (struct gan_sizes){.network = GAN_CONV,
                              .noise = 64,
                              .classes = 10,
                              .embedding = 16,
                              .data = rows * columns,
                              .rows = rows,
                              .columns = columns,
                              .generator_layers = 2,
                              .generator = {64, 32},
                              .discriminator_layers = 3,
                              .discriminator = {32, 64, 128},
                              .batch_norm = true,
                              .batch_norm_eps = 1e-5,
                              .projection = true};
}

/* Positions of the smallest images on the way. */
static int64_t coarse(const struct gan_sizes *sizes)
{
    return sizes->rows / GAN_CONV_SIDES * (sizes->columns / GAN_CONV_SIDES);
}

static reel_conv_options convolution(bool bias)
{
    reel_conv_options o = reel_conv_defaults();
    o.stride[0] = STRIDE;
    o.padding[0] = PADDING;
    o.bias = bias;
    return o;
}

void gan_conv_add_generator(struct gan *gan)
{
    const struct gan_sizes *s = &gan->sizes;
    reel_params *p = gan->generator;
    /* What batch norm takes away again needs no bias. */
    REEL_OPTIONS(linear, first, first.bias = false);
    reel_conv_options middle = convolution(false), last = convolution(true);
    REEL_OPTIONS(batch_norm, norm, norm.eps = s->batch_norm_eps);
    gan->generator_layer[0] =
        reel_linear_new(p, "linear", s->noise + s->embedding, s->generator[0] * coarse(s), &first);
    gan->generator_norm[0] = reel_batch_norm2d_new(p, "norm1", s->generator[0], &norm);
    gan->generator_layer[1] =
        reel_conv_transpose2d_new(p, "conv1", s->generator[0], s->generator[1], KERNEL, KERNEL, &middle);
    gan->generator_norm[1] = reel_batch_norm2d_new(p, "norm2", s->generator[1], &norm);
    gan->generator_layer[2] = reel_conv_transpose2d_new(p, "conv2", s->generator[1], 1, KERNEL, KERNEL, &last);
}

int64_t gan_conv_generator_numel(const struct gan_sizes *s)
{
    enum { WINDOW = KERNEL * KERNEL };
    return (s->noise + s->embedding) * s->generator[0] * coarse(s) + gan_norm_numel(s->generator[0]) +
           s->generator[0] * s->generator[1] * WINDOW + gan_norm_numel(s->generator[1]) + s->generator[1] * WINDOW + 1;
}

void gan_conv_add_discriminator(struct gan *gan)
{
    const struct gan_sizes *s = &gan->sizes;
    reel_params *p = gan->discriminator;
    const int64_t *width = s->discriminator;
    reel_conv_options conv = convolution(true);
    REEL_OPTIONS(linear, linear, linear.activation = REEL_ACTIVATION_LEAKY_RELU, linear.negative_slope = GAN_SLOPE);
    gan->discriminator_layer[0] = reel_conv2d_new(p, "conv1", 1, width[0], KERNEL, KERNEL, &conv);
    gan->discriminator_layer[1] = reel_conv2d_new(p, "conv2", width[0], width[1], KERNEL, KERNEL, &conv);
    gan->discriminator_layer[2] = reel_linear_new(p, "linear", width[1] * coarse(s), width[2], &linear);
}

reel_var gan_conv_generate(reel_tape *tape, const struct gan *gan, reel_var h)
{
    const struct gan_sizes *s = &gan->sizes;
    int64_t n = reel_size(tape, h, 0);
    h = reel_forward(tape, gan->generator_layer[0], h);
    h = reel_reshape(tape, h, REEL_SHAPE(n, s->generator[0], s->rows / GAN_CONV_SIDES, s->columns / GAN_CONV_SIDES));
    for (int i = 0; i < s->generator_layers; i++) {
        h = reel_leaky_relu(tape, reel_forward(tape, gan->generator_norm[i], h), GAN_SLOPE);
        h = reel_forward(tape, gan->generator_layer[i + 1], h);
    }
    return reel_flatten(tape, reel_tanh(tape, h), 1, -1);
}

reel_var gan_conv_features(reel_tape *tape, const struct gan *gan, reel_var x)
{
    const struct gan_sizes *s = &gan->sizes;
    reel_var h = reel_reshape(tape, x, REEL_SHAPE(reel_size(tape, x, 0), 1, s->rows, s->columns));
    for (int i = 0; i < 2; i++)
        h = reel_leaky_relu(tape, reel_forward(tape, gan->discriminator_layer[i], h), GAN_SLOPE);
    return reel_forward(tape, gan->discriminator_layer[2], reel_flatten(tape, h, 1, -1));
}
