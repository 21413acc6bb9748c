#include "notebook.h"

#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LAYERS = 3, WIDEST = 64 };
static const float slope = 0.2f;

/* What a forward pass leaves for the backward pass. */
struct activations {
    float input[FLOOR_BATCH * WIDEST]; /* noise or sample, and embedding */
    float hidden[2][FLOOR_BATCH * FLOOR_HIDDEN];
    float output[FLOOR_BATCH * WIDEST];
};

static void place(struct floor_network *n, float *base, float **embedding, float **weight, float **bias)
{
    *embedding = base;
    base += FLOOR_CLASSES * FLOOR_DIM;
    for (int l = 0; l < LAYERS; l++) {
        weight[l] = base;
        base += n->in[l] * n->out[l];
        bias[l] = base;
        base += n->out[l];
    }
}

static struct floor_network network_new(int in, int out)
{
    struct floor_network n = {.in = {in, FLOOR_HIDDEN, FLOOR_HIDDEN}, .out = {FLOOR_HIDDEN, FLOOR_HIDDEN, out}};
    n.count = FLOOR_CLASSES * FLOOR_DIM;
    for (int l = 0; l < LAYERS; l++)
        n.count += (n.in[l] + 1) * n.out[l];
    float *memory = calloc(4 * (size_t)n.count, sizeof *memory);
    if (!memory)
        return n;
    n.params = memory;
    n.grads = memory + n.count;
    n.first = memory + 2 * n.count;
    n.second = memory + 3 * n.count;
    place(&n, n.params, &n.embedding, n.weight, n.bias);
    place(&n, n.grads, &n.embedding_grad, n.weight_grad, n.bias_grad);
    return n;
}

struct floor_notebook floor_notebook_new(void)
{
    return (struct floor_notebook){network_new(FLOOR_NOISE + FLOOR_DIM, FLOOR_DATA),
                                   network_new(FLOOR_DATA + FLOOR_DIM, 1)};
}

void floor_notebook_free(struct floor_notebook *n)
{
    free(n->generator.params);
    free(n->discriminator.params);
}

static void linear(const float *x, const float *w, const float *b, float *y, int in, int out)
{
    for (int i = 0; i < FLOOR_BATCH; i++)
        memcpy(y + i * out, b, (size_t)out * sizeof *y);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, FLOOR_BATCH, out, in, 1, x, in, w, in, 1, y, out);
}

static void leaky_relu(float *y, int n)
{
    for (int i = 0; i < n; i++)
        y[i] = y[i] > 0 ? y[i] : slope * y[i];
}

/* input = cat(x, embedding[labels]); then the three layers. The output's activation is the caller's. */
static void forward(const struct floor_network *n, const float *x, const int64_t *labels, struct activations *a)
{
    int width = n->in[0], data = width - FLOOR_DIM;
    for (int i = 0; i < FLOOR_BATCH; i++) {
        memcpy(a->input + i * width, x + i * data, (size_t)data * sizeof *x);
        memcpy(a->input + i * width + data, n->embedding + labels[i] * FLOOR_DIM, FLOOR_DIM * sizeof *x);
    }
    linear(a->input, n->weight[0], n->bias[0], a->hidden[0], n->in[0], n->out[0]);
    leaky_relu(a->hidden[0], FLOOR_BATCH * FLOOR_HIDDEN);
    linear(a->hidden[0], n->weight[1], n->bias[1], a->hidden[1], n->in[1], n->out[1]);
    leaky_relu(a->hidden[1], FLOOR_BATCH * FLOOR_HIDDEN);
    linear(a->hidden[1], n->weight[2], n->bias[2], a->output, n->in[2], n->out[2]);
}

/* dw (+)= dy^T x and db (+)= column sums of dy. */
static void linear_grads(const float *x, const float *dy, float *dw, float *db, int in, int out, float beta)
{
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, out, in, FLOOR_BATCH, 1, dy, out, x, in, beta, dw, in);
    if (beta == 0)
        memset(db, 0, (size_t)out * sizeof *db);
    for (int i = 0; i < FLOOR_BATCH; i++)
        for (int j = 0; j < out; j++)
            db[j] += dy[i * out + j];
}

/* From dy [64, out] at the last layer down to dx [64, in] at the joined input (NULL: not wanted). `grads` says whether
 * gradients of the params are wanted, `beta` whether they are added to those there. */
static void backward(struct floor_network *n, const struct activations *a, const float *dy, const int64_t *labels,
                     int grads, float beta, float *dx)
{
    float buffers[2][FLOOR_BATCH * WIDEST];
    const float *inputs[LAYERS] = {a->input, a->hidden[0], a->hidden[1]};
    for (int l = LAYERS - 1; l >= 0; l--) {
        if (grads)
            linear_grads(inputs[l], dy, n->weight_grad[l], n->bias_grad[l], n->in[l], n->out[l], beta);
        float *down = l == 0 && dx ? dx : buffers[l % 2];
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, FLOOR_BATCH, n->in[l], n->out[l], 1, dy, n->out[l],
                    n->weight[l], n->in[l], 0, down, n->in[l]);
        for (int i = 0; l > 0 && i < FLOOR_BATCH * n->in[l]; i++)
            down[i] = inputs[l][i] > 0 ? down[i] : slope * down[i];
        dy = down;
    }
    if (!grads)
        return;
    if (beta == 0)
        memset(n->embedding_grad, 0, FLOOR_CLASSES * FLOOR_DIM * sizeof *dy);
    int width = n->in[0];
    for (int i = 0; i < FLOOR_BATCH; i++)
        for (int j = 0; j < FLOOR_DIM; j++)
            n->embedding_grad[labels[i] * FLOOR_DIM + j] += dy[i * width + width - FLOOR_DIM + j];
}

/* Mean of BCE with logits against one target, times `scale`; its gradient into dy. */
static float bce(const float *scores, float target, float scale, float *dy)
{
    float sum = 0;
    for (int i = 0; i < FLOOR_BATCH; i++) {
        float s = scores[i], e = expf(-fabsf(s));
        sum += fmaxf(s, 0) - s * target + log1pf(e);
        float sigmoid = s >= 0 ? 1 / (1 + e) : e / (1 + e);
        dy[i] = (sigmoid - target) * scale / FLOOR_BATCH;
    }
    return sum * scale / FLOOR_BATCH;
}

static void adam(struct floor_network *n)
{
    const float beta1 = 0.5f, beta2 = 0.999f, eps = 1e-8f;
    n->steps++;
    float step = (float)(2e-4 / (1 - pow(0.5, (double)n->steps)));
    float correction = (float)sqrt(1 - pow(0.999, (double)n->steps));
    for (int i = 0; i < n->count; i++) {
        float g = n->grads[i];
        n->first[i] = beta1 * n->first[i] + (1 - beta1) * g;
        n->second[i] = beta2 * n->second[i] + (1 - beta2) * g * g;
        n->params[i] -= step * n->first[i] / (sqrtf(n->second[i]) / correction + eps);
    }
}

void floor_notebook_step(struct floor_notebook *n, const float *x, const int64_t *y, const float *z,
                         const int64_t *wanted, float *g_loss, float *d_loss)
{
    struct floor_network *g = &n->generator, *d = &n->discriminator;
    struct activations made, judged;
    float dy[FLOOR_BATCH], dx[FLOOR_BATCH * (FLOOR_DATA + FLOOR_DIM)], dmade[FLOOR_BATCH * FLOOR_DATA];

    forward(g, z, wanted, &made);
    for (int i = 0; i < FLOOR_BATCH * FLOOR_DATA; i++)
        made.output[i] = tanhf(made.output[i]);
    forward(d, made.output, wanted, &judged);
    *g_loss = bce(judged.output, 1, 1, dy);
    backward(d, &judged, dy, wanted, 0, 0, dx);
    for (int i = 0; i < FLOOR_BATCH; i++)
        for (int j = 0; j < FLOOR_DATA; j++) {
            float t = made.output[i * FLOOR_DATA + j];
            dmade[i * FLOOR_DATA + j] = dx[i * (FLOOR_DATA + FLOOR_DIM) + j] * (1 - t * t);
        }
    backward(g, &made, dmade, wanted, 1, 0, NULL);
    adam(g);

    forward(d, x, y, &judged);
    *d_loss = bce(judged.output, 1, 0.5f, dy);
    backward(d, &judged, dy, y, 1, 0, NULL);
    forward(d, made.output, wanted, &judged);
    *d_loss += bce(judged.output, 0, 0.5f, dy);
    backward(d, &judged, dy, wanted, 1, 1, NULL);
    adam(d);
}
