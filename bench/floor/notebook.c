#include "notebook.h"

#include "dense.h"
#include "passes.h"

#include <stdlib.h>
#include <string.h>

enum { BATCH = FLOOR_BATCH, CLASSES = FLOOR_CLASSES, DIM = FLOOR_DIM, DATA = FLOOR_DATA, HIDDEN = FLOOR_HIDDEN };

/* ---- Memory ---- */

static void place(struct floor_network *n, float *base, struct floor_network_arrays *a)
{
    a->all = base;
    a->embedding = base;
    base += CLASSES * DIM;
    for (int l = 0; l < FLOOR_LAYERS; l++) {
        a->weight[l] = base;
        base += n->width[l] * n->width[l + 1];
        a->bias[l] = base;
        base += n->width[l + 1];
        if (l == 0)
            a->label_weight = a->bias[0] - DIM * n->width[1];
    }
}

static bool network_new(struct floor_network *n, int in, int out)
{
    *n = (struct floor_network){.data = in - DIM, .width = {in, HIDDEN, HIDDEN, out}, .count = CLASSES * DIM};
    for (int l = 0; l < FLOOR_LAYERS; l++)
        n->count += (n->width[l] + 1) * n->width[l + 1];
    /* The embedding ends where a cache line does, so that weights begin with one. */
    const int line = 16, before = line - CLASSES * DIM % line, size = (before + n->count + line - 1) / line * line;
    n->memory = floor_zeros(4 * (size_t)size);
    if (!n->memory)
        return false;
    float *next = n->memory + before;
    place(n, next, &n->params);
    place(n, next + size, &n->grads);
    n->first = next + 2 * size;
    n->second = next + 3 * size;
    return true;
}

bool floor_notebook_new(struct floor_notebook *n)
{
    enum { SAMPLES = 2 * BATCH * DATA, MADE = BATCH * HIDDEN, JUDGED = 2 * BATCH * HIDDEN, INVENTED = BATCH * DATA };
    *n = (struct floor_notebook){.samples = floor_zeros(SAMPLES + 2 * MADE + 4 * JUDGED + INVENTED)};
    bool made = network_new(&n->generator, FLOOR_NOISE + DIM, DATA);
    if (!network_new(&n->discriminator, DATA + DIM, 1) || !made || !n->samples)
        return false;
    float *next = n->samples + SAMPLES;
    for (int l = 0; l < 2; l++, next += MADE + 2 * JUDGED) {
        n->made[l] = next;
        n->judged[l] = next + MADE;
        n->dhidden[l] = next + MADE + JUDGED;
    }
    n->dinvented = next;
    return true;
}

void floor_notebook_free(struct floor_notebook *n)
{
    free(n->generator.memory);
    free(n->discriminator.memory);
    free(n->samples);
}

/* ---- Networks ---- */

static void product(int rows, int in, int out, const float *x, const float *weight, float *y)
{
    floor_product(FLOOR_BLOCKS, rows, out, in, (struct floor_matrix){x, in, 0}, (struct floor_matrix){weight, out, 0},
                  y, out);
}

static void weight_grad(int rows, int in, int out, const float *x, const float *dy, float *dweight)
{
    floor_product(FLOOR_BLOCKS, in, out, rows, (struct floor_matrix){x, in, 1}, (struct floor_matrix){dy, out, 0},
                  dweight, out);
}

/* The two hidden layers of `rows` rows from x [rows, data] and their labels. */
static void hidden_layers(const struct floor_network *n, int rows, const float *x, const int64_t *labels,
                          float *const h[2])
{
    const struct floor_network_arrays *p = &n->params;
    float label_bias[CLASSES * HIDDEN];
    for (int c = 0; c < CLASSES; c++)
        for (int j = 0; j < HIDDEN; j++) {
            float sum = p->bias[0][j];
            for (int k = 0; k < DIM; k++)
                sum += p->embedding[c * DIM + k] * p->label_weight[k * HIDDEN + j];
            label_bias[c * HIDDEN + j] = sum;
        }
    product(rows, n->data, HIDDEN, x, p->weight[0], h[0]);
    floor_label_bias_leaky(rows, HIDDEN, label_bias, labels, h[0]);
    product(rows, HIDDEN, HIDDEN, h[0], p->weight[1], h[1]);
    floor_bias_leaky(rows, HIDDEN, p->bias[1], h[1]);
}

/* From dh, the gradient of h[1], down to that of the first layer's product, which is the result. Those of the params
 * unless grads is false. */
static float *hidden_layers_grad(struct floor_network *n, int rows, const float *x, const int64_t *labels,
                                 float *const h[2], float *dh, float *down, bool grads)
{
    const struct floor_network_arrays *p = &n->params, *g = &n->grads;
    floor_leaky_grad(rows, HIDDEN, h[1], false, dh, grads ? g->bias[1] : NULL);
    if (grads)
        weight_grad(rows, HIDDEN, HIDDEN, h[0], dh, g->weight[1]);
    floor_input_grad(FLOOR_BLOCKS, rows, HIDDEN, HIDDEN, dh, p->weight[1], down);
    floor_leaky_grad(rows, HIDDEN, h[0], false, down, grads ? g->bias[0] : NULL);
    if (!grads)
        return down;
    weight_grad(rows, n->data, HIDDEN, x, down, g->weight[0]);

    float of_label[CLASSES * HIDDEN] = {0};
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < HIDDEN; j++)
            of_label[labels[i] * HIDDEN + j] += down[i * HIDDEN + j];
    weight_grad(CLASSES, DIM, HIDDEN, p->embedding, of_label, g->label_weight);
    floor_input_grad(FLOOR_BLOCKS, CLASSES, DIM, HIDDEN, of_label, p->label_weight, g->embedding);
    return down;
}

static void adam(struct floor_network *n)
{
    floor_adam(n->count, ++n->steps, n->params.all, n->grads.all, n->first, n->second);
}

/* ---- The step ---- */

/* Rows of samples, real ones and then the generator's: all, or those from BATCH on. */
static void judge(struct floor_notebook *b, int first, float *scores)
{
    const struct floor_network *d = &b->discriminator;
    int rows = 2 * BATCH - first;
    float *h[] = {b->judged[0] + first * HIDDEN, b->judged[1] + first * HIDDEN};
    hidden_layers(d, rows, b->samples + first * DATA, b->labels + first, h);
    floor_scores(rows, HIDDEN, h[1], d->params.weight[2], d->params.bias[2][0], scores);
}

static float *judge_grad(struct floor_notebook *b, int first, const float *dscores, bool grads)
{
    struct floor_network *d = &b->discriminator;
    int rows = 2 * BATCH - first;
    float *h[] = {b->judged[0] + first * HIDDEN, b->judged[1] + first * HIDDEN};
    const float *w = d->params.weight[2];
    if (grads)
        d->grads.bias[2][0] = floor_scores_grad(rows, HIDDEN, h[1], dscores, d->grads.weight[2]);
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < HIDDEN; j++)
            b->dhidden[0][i * HIDDEN + j] = dscores[i] * w[j];
    return hidden_layers_grad(d, rows, b->samples + first * DATA, b->labels + first, h, b->dhidden[0], b->dhidden[1],
                              grads);
}

void floor_notebook_step(struct floor_notebook *b, const float *x, const int64_t *y, const float *z,
                         const int64_t *wanted, float *g_loss, float *d_loss)
{
    struct floor_network *g = &b->generator;
    float *invented = b->samples + BATCH * DATA, *h[] = {b->made[0], b->made[1]};
    float scores[2 * BATCH], dscores[2 * BATCH], targets[2 * BATCH] = {0};
    for (int i = 0; i < BATCH; i++)
        targets[i] = 1;
    memcpy(b->labels, y, BATCH * sizeof *y);
    memcpy(b->labels + BATCH, wanted, BATCH * sizeof *y);
    memcpy(b->samples, x, BATCH * DATA * sizeof *x);

    hidden_layers(g, BATCH, z, wanted, h);
    product(BATCH, HIDDEN, DATA, h[1], g->params.weight[2], invented);
    floor_bias_tanh(BATCH, DATA, g->params.bias[2], invented, DATA);
    judge(b, BATCH, scores);
    *g_loss = floor_bce(BATCH, scores, targets, dscores);

    float *dh = judge_grad(b, BATCH, dscores, false);
    floor_input_grad(FLOOR_BLOCKS, BATCH, DATA, HIDDEN, dh, b->discriminator.params.weight[0], b->dinvented);
    floor_tanh_grad(BATCH, DATA, invented, DATA, b->dinvented, g->grads.bias[2]);
    weight_grad(BATCH, HIDDEN, DATA, h[1], b->dinvented, g->grads.weight[2]);
    floor_input_grad(FLOOR_BLOCKS, BATCH, HIDDEN, DATA, b->dinvented, g->params.weight[2], b->dhidden[0]);
    hidden_layers_grad(g, BATCH, z, wanted, h, b->dhidden[0], b->dhidden[1], true);
    adam(g);

    judge(b, 0, scores);
    *d_loss = floor_bce(2 * BATCH, scores, targets, dscores);
    judge_grad(b, 0, dscores, true);
    adam(&b->discriminator);
}
