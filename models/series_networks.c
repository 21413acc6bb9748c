/* The networks of series: convolutional, recurrent, and the notebook's. */
#include "series_networks.h"

enum { NOISE = 32, STEP_NOISE = 8, LABEL = 16, NOTEBOOK_NOISE = 1, NOTEBOOK_LABEL = 1 };

static const double slope = 0.2;

static reel_var activate(reel_tape *t, reel_var x)
{
    return reel_leaky_relu(t, x, slope);
}

static reel_module *convolution(reel_params *params, const char *name, int64_t in, int64_t out, int64_t kernel,
                                int64_t stride, int64_t padding)
{
    REEL_OPTIONS(conv, o, o.stride[0] = stride, o.padding[0] = padding);
    return reel_conv1d_new(params, name, in, out, kernel, &o);
}

static reel_module *transposed(reel_params *params, const char *name, int64_t in, int64_t out)
{
    REEL_OPTIONS(conv, o, o.stride[0] = 2, o.padding[0] = 1);
    return reel_conv_transpose1d_new(params, name, in, out, 4, &o);
}

int64_t series_first_steps(const struct series_sizes *s)
{
    return (s->steps + 3) / 4;
}

static void make_generator(struct series_gan *g, reel_params *p)
{
    const struct series_sizes *s = &g->sizes;
    int64_t hidden = s->hidden, told = LABEL + s->varying;
    if (s->network == SERIES_NOTEBOOK) {
        REEL_OPTIONS(recurrent, o, o.num_layers = 2);
        g->label = reel_embedding_new(p, "embed", s->classes, NOTEBOOK_LABEL, NULL);
        g->recurrent = reel_lstm_new(p, "lstm", NOTEBOOK_NOISE + NOTEBOOK_LABEL, s->hidden, &o);
        g->out = reel_linear_new(p, "fc", s->hidden, s->channels, NULL);
        return;
    }
    g->label = reel_embedding_new(p, "label", s->classes, LABEL, NULL);
    if (s->network == SERIES_GRU) {
        g->start = reel_linear_new(p, "start", NOISE + told, hidden, NULL);
        g->recurrent = reel_gru_new(p, "gru", STEP_NOISE + 1 + told, hidden, NULL);
        g->out = reel_linear_new(p, "out", hidden, s->channels, NULL);
        return;
    }
    g->start = reel_linear_new(p, "start", NOISE + told, 2 * hidden * series_first_steps(s), NULL);
    g->up1 = transposed(p, "up1", 2 * hidden, hidden);
    g->up2 = transposed(p, "up2", hidden, hidden);
    g->out = convolution(p, "out", hidden, s->channels, 5, 1, 2);
}

static void make_discriminator(struct series_gan *g, reel_params *p)
{
    const struct series_sizes *s = &g->sizes;
    int64_t hidden = s->hidden, wide = 2 * hidden;
    if (s->network == SERIES_NOTEBOOK) {
        g->critic_label = reel_embedding_new(p, "embed", s->classes, NOTEBOOK_LABEL, NULL);
        g->critic_recurrent = reel_lstm_new(p, "lstm", s->channels + NOTEBOOK_LABEL, s->hidden, NULL);
        g->projection = reel_linear_new(p, "fc", s->hidden, 1, NULL);
        return;
    }
    REEL_OPTIONS(linear, no_bias, no_bias.bias = false);
    g->conv1 = convolution(p, "conv1", s->channels + s->varying, hidden, 5, 1, 2);
    g->conv2 = convolution(p, "conv2", hidden, hidden, 4, 2, 1);
    g->conv3 = convolution(p, "conv3", hidden, wide, 4, 2, 1);
    g->features = reel_linear_new(p, "features", wide * (s->steps / 2 / 2), wide, NULL);
    g->projection = reel_projection_new(p, "projection", wide, s->classes);
    g->class_head = reel_linear_new(p, "classes", wide, s->classes, &no_bias);
}

const char *series_sizes_wrong(const struct series_sizes *s)
{
    if (s->network < SERIES_CONV || s->network >= SERIES_NETWORKS || s->channels < 1 || s->classes < 1 || s->hidden < 1)
        return "the networks have no such sizes";
    if (s->steps < 4 || s->longest < 1)
        return "series have fewer than 4 steps";
    if (s->network == SERIES_NOTEBOOK && s->varying)
        return "the notebook's networks take series of one length only";
    return NULL;
}

struct series_gan series_gan_new(reel_context *context, const struct series_sizes *sizes)
{
    struct series_gan g = {.sizes = *sizes};
    g.generator = reel_params_new(context);
    g.discriminator = reel_params_new(context);
    make_generator(&g, g.generator);
    g.mean = reel_param_new(g.generator, "scale.mean", REEL_PARAM_BUFFER, REEL_REAL, REEL_SHAPE(sizes->channels));
    g.spread = reel_param_new(g.generator, "scale.spread", REEL_PARAM_BUFFER, REEL_REAL, REEL_SHAPE(sizes->channels));
    g.length_counts = reel_param_new(g.generator, "length_counts", REEL_PARAM_BUFFER, REEL_INT64,
                                     REEL_SHAPE(sizes->classes, sizes->longest));
    make_discriminator(&g, g.discriminator);
    return g;
}

void series_gan_free(struct series_gan *g)
{
    reel_params_free(g->generator);
    reel_params_free(g->discriminator);
    *g = (struct series_gan){0};
}

int64_t series_noise_size(const struct series_sizes *s)
{
    if (s->network == SERIES_NOTEBOOK)
        return s->steps * NOTEBOOK_NOISE;
    return s->network == SERIES_GRU ? NOISE + s->steps * STEP_NOISE : NOISE;
}

struct series_batch series_batch_of(reel_tape *t, const struct series_gan *g, const int64_t *labels,
                                    const int64_t *lengths, int64_t n)
{
    struct series_batch b = {.labels = reel_borrow_of(t, REEL_INT64, labels, REEL_SHAPE(n))};
    if (g->sizes.varying) {
        reel_var steps = reel_to_real(t, reel_borrow_of(t, REEL_INT64, lengths, REEL_SHAPE(n, 1)));
        b.lengths = reel_div_scalar(t, steps, (double)g->sizes.longest);
    }
    return b;
}

/* [batch, features] at every step. */
static reel_var at_each_step(reel_tape *t, reel_var x, int64_t steps)
{
    int64_t n = reel_size(t, x, 0), size = reel_size(t, x, 1);
    return reel_expand(t, reel_reshape(t, x, REEL_SHAPE(n, 1, size)), REEL_SHAPE(n, steps, size));
}

/* What a generator is told of each series: the label's embedding, and its length where that varies. */
static reel_var condition(reel_tape *t, const struct series_gan *g, const struct series_batch *b)
{
    reel_var label = reel_forward(t, g->label, b->labels);
    return g->sizes.varying ? reel_cat(t, REEL_VARS(label, b->lengths), 1) : label;
}

static reel_var generate_by_convolution(reel_tape *t, const struct series_gan *g, reel_var noise,
                                        const struct series_batch *b)
{
    const struct series_sizes *s = &g->sizes;
    int64_t n = reel_size(t, noise, 0);
    reel_var h = activate(t, reel_forward(t, g->start, reel_cat(t, REEL_VARS(noise, condition(t, g, b)), 1)));
    h = reel_reshape(t, h, REEL_SHAPE(n, 2 * s->hidden, series_first_steps(s)));
    h = activate(t, reel_forward(t, g->up1, h));
    h = activate(t, reel_forward(t, g->up2, h));
    h = reel_narrow(t, reel_forward(t, g->out, h), 2, 0, s->steps);
    return reel_transpose(t, h, 1, 2);
}

static reel_var generate_by_gru(reel_tape *t, const struct series_gan *g, reel_var noise, const struct series_batch *b)
{
    const struct series_sizes *s = &g->sizes;
    int64_t n = reel_size(t, noise, 0);
    reel_var told = condition(t, g, b);
    reel_var first = reel_cat(t, REEL_VARS(reel_narrow(t, noise, 1, 0, NOISE), told), 1);
    first = reel_reshape(t, reel_tanh(t, reel_forward(t, g->start, first)), REEL_SHAPE(1, n, s->hidden));
    reel_var steps = reel_narrow(t, noise, 1, NOISE, s->steps * STEP_NOISE);
    steps = reel_reshape(t, steps, REEL_SHAPE(n, s->steps, STEP_NOISE));
    reel_var place = reel_reshape(t, reel_linspace(t, 0, 1, s->steps), REEL_SHAPE(1, s->steps, 1));
    place = reel_expand(t, place, REEL_SHAPE(n, s->steps, 1));
    reel_var x = reel_cat(t, REEL_VARS(steps, place, at_each_step(t, told, s->steps)), 2), h = reel_null();
    reel_forward_all(t, g->recurrent, REEL_VARS(x, first), &h, 1);
    return reel_forward(t, g->out, h);
}

static reel_var generate_as_notebook(reel_tape *t, const struct series_gan *g, reel_var noise,
                                     const struct series_batch *b)
{
    int64_t n = reel_size(t, noise, 0), steps = g->sizes.steps;
    reel_var label = at_each_step(t, reel_forward(t, g->label, b->labels), steps);
    reel_var z = reel_reshape(t, noise, REEL_SHAPE(n, steps, NOTEBOOK_NOISE));
    return reel_forward(t, g->out, reel_forward(t, g->recurrent, reel_cat(t, REEL_VARS(z, label), 2)));
}

reel_var series_generate(reel_tape *t, const struct series_gan *g, reel_var noise, const struct series_batch *b)
{
    switch (g->sizes.network) {
    case SERIES_GRU:
        return generate_by_gru(t, g, noise, b);
    case SERIES_NOTEBOOK:
        return generate_as_notebook(t, g, noise, b);
    default:
        return generate_by_convolution(t, g, noise, b);
    }
}

reel_var series_discriminate(reel_tape *t, const struct series_gan *g, reel_var x, const struct series_batch *b,
                             reel_var *classes)
{
    const struct series_sizes *s = &g->sizes;
    if (classes)
        *classes = reel_null();
    if (s->network == SERIES_NOTEBOOK) {
        reel_var label = at_each_step(t, reel_forward(t, g->critic_label, b->labels), s->steps);
        reel_var h = reel_forward(t, g->critic_recurrent, reel_cat(t, REEL_VARS(x, label), 2));
        return reel_squeeze(t, reel_forward(t, g->projection, h), 2);
    }
    if (s->varying)
        x = reel_cat(t, REEL_VARS(x, at_each_step(t, b->lengths, s->steps)), 2);
    reel_var h = activate(t, reel_forward(t, g->conv1, reel_transpose(t, x, 1, 2)));
    h = activate(t, reel_forward(t, g->conv2, h));
    h = activate(t, reel_forward(t, g->conv3, h));
    h = activate(t, reel_forward(t, g->features, reel_flatten(t, h, 1, -1)));
    reel_var scores = reel_null();
    reel_forward_all(t, g->projection, REEL_VARS(h, b->labels), &scores, 1);
    if (classes)
        *classes = reel_forward(t, g->class_head, h);
    return scores;
}
