#include "cgan.h"

#include "passes.h"

#include <stdlib.h>
#include <string.h>

enum { BATCH = FLOOR_CGAN_BATCH, CLASSES = 10, DIM = 10, NOISE = 100, DATA = 784, WIDE = DATA + DIM, WIDEST = 1024 };

/* ---- Memory ---- */

static bool network_new(struct floor_cgan_network *n, int layers, const int *width, bool norm)
{
    *n = (struct floor_cgan_network){.layers = layers, .count = CLASSES * DIM};
    for (int l = 0; l < layers; l++) {
        struct floor_cgan_layer *p = &n->layer[l];
        *p = (struct floor_cgan_layer){.in = width[l], .out = width[l + 1], .weight = n->count};
        p->bias = p->weight + p->in * p->out;
        p->gamma = p->bias + p->out;
        p->beta = p->gamma + p->out;
        n->count = norm && l > 0 && l < layers - 1 ? p->beta + p->out : p->gamma;
    }
    n->params = floor_zeros(4 * (size_t)n->count);
    if (!n->params)
        return false;
    n->grads = n->params + n->count;
    n->first = n->grads + n->count;
    n->second = n->first + n->count;
    return true;
}

/* Shares memory out; with memory NULL only counts it. */
static size_t place(struct floor_cgan *c)
{
    size_t used = 0;
#define TAKE(pointer, n) (pointer = c->memory ? c->memory + used : NULL, used += (size_t)(n))
    TAKE(c->input, BATCH * (NOISE + DIM));
    for (int l = 0; l < c->generator.layers - 1; l++) {
        int out = c->generator.layer[l].out;
        TAKE(c->made[l], BATCH * out);
        TAKE(c->normal[l], BATCH * out);
        TAKE(c->inverse_std[l], out);
        TAKE(c->running_mean[l], out);
        TAKE(c->running_var[l], out);
    }
    TAKE(c->samples, 2 * BATCH * WIDE);
    for (int l = 0; l < c->discriminator.layers - 1; l++)
        TAKE(c->judged[l], 2 * BATCH * c->discriminator.layer[l].out);
    TAKE(c->dhidden[0], 2 * BATCH * WIDEST);
    TAKE(c->dhidden[1], 2 * BATCH * WIDEST);
    TAKE(c->dsamples, BATCH * DATA);
#undef TAKE
    return used;
}

bool floor_cgan_new(struct floor_cgan *c, uint64_t seed, enum floor_calls calls)
{
    *c = (struct floor_cgan){.seed = seed};
    bool made = network_new(&c->generator, 5, (const int[]){NOISE + DIM, 128, 256, 512, WIDEST, DATA}, true);
    if (!network_new(&c->discriminator, 4, (const int[]){WIDE, 512, 512, 512, 1}, false) || !made)
        return false;
    c->generator.calls = c->discriminator.calls = calls;
    c->memory = floor_zeros(place(c));
    if (!c->memory)
        return false;
    place(c);
    for (int l = 1; l < c->generator.layers - 1; l++)
        for (int j = 0; j < c->generator.layer[l].out; j++)
            c->running_var[l][j] = 1;
    return true;
}

void floor_cgan_free(struct floor_cgan *c)
{
    free(c->generator.params);
    free(c->discriminator.params);
    free(c->memory);
    *c = (struct floor_cgan){0};
}

/* ---- Networks ---- */

static void embed(const struct floor_cgan_network *n, const int64_t *labels, float *out, int stride)
{
    for (int i = 0; i < BATCH; i++)
        memcpy(out + i * stride, n->params + labels[i] * DIM, DIM * sizeof *out);
}

static void add_embedding_grad(struct floor_cgan_network *n, const int64_t *labels, const float *d)
{
    for (int i = 0; i < BATCH; i++)
        for (int j = 0; j < DIM; j++)
            n->grads[labels[i] * DIM + j] += d[i * DIM + j];
}

static void forward(const struct floor_cgan_network *n, int l, int rows, const float *x, float *y, int y_stride)
{
    const struct floor_cgan_layer *p = &n->layer[l];
    floor_product(n->calls, rows, p->out, p->in, (struct floor_matrix){x, p->in, 0},
                  (struct floor_matrix){n->params + p->weight, p->out, 0}, y, y_stride);
}

static void weight_grad(struct floor_cgan_network *n, int l, int rows, const float *x, const float *dy)
{
    const struct floor_cgan_layer *p = &n->layer[l];
    floor_product(n->calls, p->in, p->out, rows, (struct floor_matrix){x, p->in, 1},
                  (struct floor_matrix){dy, p->out, 0}, n->grads + p->weight, p->out);
}

/* dx [rows, end - first]: the gradient of the layer's inputs from first to end - 1. */
static void input_grad(const struct floor_cgan_network *n, int l, int rows, int first, int end, const float *dy,
                       float *dx)
{
    const struct floor_cgan_layer *p = &n->layer[l];
    floor_input_grad(n->calls, rows, end - first, p->out, dy, n->params + p->weight + first * p->out, dx);
}

static struct floor_norm norm_of(const struct floor_cgan *c, int l)
{
    const struct floor_cgan_network *g = &c->generator;
    const struct floor_cgan_layer *p = &g->layer[l];
    return (struct floor_norm){.bias = g->params + p->bias,
                               .gamma = g->params + p->gamma,
                               .beta = g->params + p->beta,
                               .dgamma = g->grads + p->gamma,
                               .dbeta = g->grads + p->beta,
                               .normal = c->normal[l],
                               .inverse_std = c->inverse_std[l],
                               .running_mean = c->running_mean[l],
                               .running_var = c->running_var[l]};
}

/* Into the second half of the samples, beside the labels that were wanted. */
static void generate(struct floor_cgan *c, const float *z, const int64_t *wanted)
{
    const struct floor_cgan_network *g = &c->generator;
    int last = g->layers - 1, in = NOISE + DIM;
    embed(g, wanted, c->input, in);
    for (int i = 0; i < BATCH; i++)
        memcpy(c->input + i * in + DIM, z + i * NOISE, NOISE * sizeof *z);
    forward(g, 0, BATCH, c->input, c->made[0], g->layer[0].out);
    floor_bias_leaky(BATCH, g->layer[0].out, g->params + g->layer[0].bias, c->made[0]);
    for (int l = 1; l < last; l++) {
        forward(g, l, BATCH, c->made[l - 1], c->normal[l], g->layer[l].out);
        struct floor_norm norm = norm_of(c, l);
        floor_norm_leaky(BATCH, g->layer[l].out, &norm, c->made[l]);
    }
    float *out = c->samples + BATCH * WIDE;
    const float *bias = g->params + g->layer[last].bias;
    forward(g, last, BATCH, c->made[last - 1], out, WIDE);
    floor_bias_tanh(BATCH, DATA, bias, out, WIDE);
    embed(&c->discriminator, wanted, out + DATA, WIDE);
}

/* From dsamples. */
static void generate_grad(struct floor_cgan *c, const int64_t *wanted)
{
    struct floor_cgan_network *g = &c->generator;
    int last = g->layers - 1;
    float *dy = c->dsamples;
    floor_tanh_grad(BATCH, DATA, c->samples + BATCH * WIDE, WIDE, dy, g->grads + g->layer[last].bias);
    for (int l = last; l > 0; l--) {
        float *down = c->dhidden[l % 2];
        weight_grad(g, l, BATCH, c->made[l - 1], dy);
        input_grad(g, l, BATCH, 0, g->layer[l].in, dy, down);
        if (l > 1) {
            struct floor_norm norm = norm_of(c, l - 1);
            floor_norm_leaky_grad(BATCH, g->layer[l].in, &norm, c->made[l - 1], down);
        } else {
            floor_leaky_grad(BATCH, g->layer[l].in, c->made[0], false, down, g->grads + g->layer[0].bias);
        }
        dy = down;
    }
    float dembedding[BATCH * DIM];
    weight_grad(g, 0, BATCH, c->input, dy);
    input_grad(g, 0, BATCH, 0, DIM, dy, dembedding);
    memset(g->grads, 0, CLASSES * DIM * sizeof *g->grads);
    add_embedding_grad(g, wanted, dembedding);
}

/* Scores of the samples from row `first` to the last. Each half has masks of its own. */
static void judge(struct floor_cgan *c, int first, float *scores)
{
    const struct floor_cgan_network *d = &c->discriminator;
    int last = d->layers - 1, rows = 2 * BATCH - first;
    const float *x = c->samples + first * WIDE;
    for (int l = 0; l < last; l++) {
        int n = d->layer[l].out;
        const float *bias = d->params + d->layer[l].bias;
        float *h = c->judged[l] + first * n;
        forward(d, l, rows, x, h, n);
        if (l == 0)
            floor_bias_leaky(rows, n, bias, h);
        for (int half = 0; l > 0 && half < rows / BATCH; half++)
            floor_bias_dropout_leaky(BATCH, n, bias, c->seed, c->draws + (uint64_t)(half * (last - 1) + l - 1),
                                     h + half * BATCH * n);
        x = h;
    }
    c->draws += (uint64_t)(rows / BATCH * (last - 1));
    floor_scores(rows, d->layer[last].in, x, d->params + d->layer[last].weight, d->params[d->layer[last].bias], scores);
}

/* Down to the first layer's product, whose gradient is the result; those of the params unless grads is false. */
static float *judge_grad(struct floor_cgan *c, int first, const float *dscores, bool grads)
{
    struct floor_cgan_network *d = &c->discriminator;
    int last = d->layers - 1, rows = 2 * BATCH - first, n = d->layer[last].in;
    const float *w = d->params + d->layer[last].weight, *h = c->judged[last - 1] + first * n;
    float *dh = c->dhidden[last % 2];
    if (grads)
        d->grads[d->layer[last].bias] = floor_scores_grad(rows, n, h, dscores, d->grads + d->layer[last].weight);
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < n; j++)
            dh[i * n + j] = dscores[i] * w[j];
    for (int l = last - 1;; l--) {
        const struct floor_cgan_layer *p = &d->layer[l];
        floor_leaky_grad(rows, p->out, c->judged[l] + first * p->out, l > 0, dh, grads ? d->grads + p->bias : NULL);
        if (grads)
            weight_grad(d, l, rows, (l > 0 ? c->judged[l - 1] : c->samples) + first * p->in, dh);
        if (l == 0)
            return dh;
        input_grad(d, l, rows, 0, p->in, dh, c->dhidden[l % 2]);
        dh = c->dhidden[l % 2];
    }
}

static void adam(struct floor_cgan_network *n)
{
    floor_adam(n->count, ++n->steps, n->params, n->grads, n->first, n->second);
}

void floor_cgan_step(struct floor_cgan *c, const float *x, const int64_t *y, const float *z, const int64_t *wanted,
                     float *g_loss, float *d_loss)
{
    struct floor_cgan_network *d = &c->discriminator;
    float scores[2 * BATCH], dscores[2 * BATCH], dembedding[2 * BATCH * DIM], targets[2 * BATCH] = {0};
    for (int i = 0; i < BATCH; i++)
        targets[i] = 1;

    generate(c, z, wanted);
    judge(c, BATCH, scores);
    *g_loss = floor_bce(BATCH, scores, targets, dscores);
    float *dy = judge_grad(c, BATCH, dscores, false);
    input_grad(d, 0, BATCH, 0, DATA, dy, c->dsamples);
    generate_grad(c, wanted);
    adam(&c->generator);

    for (int i = 0; i < BATCH; i++)
        memcpy(c->samples + i * WIDE, x + i * DATA, DATA * sizeof *x);
    embed(d, y, c->samples + DATA, WIDE);
    judge(c, 0, scores);
    *d_loss = floor_bce(2 * BATCH, scores, targets, dscores);
    dy = judge_grad(c, 0, dscores, true);
    input_grad(d, 0, 2 * BATCH, DATA, WIDE, dy, dembedding);
    memset(d->grads, 0, CLASSES * DIM * sizeof *d->grads);
    add_embedding_grad(d, y, dembedding);
    add_embedding_grad(d, wanted, dembedding + BATCH * DIM);
    adam(d);
}
