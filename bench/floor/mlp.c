#include "mlp.h"

#include "passes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = FLOOR_MLP_BATCH };

bool floor_mlp_new(struct floor_mlp *m, int layers, const int *width, enum floor_calls calls)
{
    *m = (struct floor_mlp){.calls = calls, .layers = layers};
    int hidden = 0, widest = 0;
    for (int l = 0; l <= layers; l++)
        m->width[l] = width[l];
    for (int l = 0; l < layers; l++) {
        m->at[l] = m->count;
        m->count += (width[l] + 1) * width[l + 1];
        hidden += width[l + 1];
        widest = width[l + 1] > widest ? width[l + 1] : widest;
    }
    int size = (m->count + 15) / 16 * 16; /* each array begins with a cache line */
    m->params = floor_zeros(3 * (size_t)size);
    m->hidden[0] = floor_zeros((size_t)BATCH * (size_t)(hidden + 2 * widest));
    if (!m->params || !m->hidden[0])
        return false;
    m->grads = m->params + size;
    m->squares = m->grads + size;
    float *next = m->hidden[0];
    for (int l = 0; l < layers - 1; l++) {
        m->hidden[l] = next;
        next += BATCH * width[l + 1];
    }
    m->dhidden[0] = next;
    m->dhidden[1] = next + BATCH * widest;
    return true;
}

void floor_mlp_free(struct floor_mlp *m)
{
    free(m->params);
    free(m->hidden[0]);
    *m = (struct floor_mlp){0};
}

static void bias_relu(int n, const float *bias, float *h)
{
    for (int i = 0; i < BATCH; i++)
        for (int j = 0; j < n; j++) {
            float s = h[i * n + j] + bias[j];
            h[i * n + j] = s > 0 ? s : 0;
        }
}

/* dh becomes the gradient before ReLU, and dbias its sum over the batch. */
static void bias_relu_grad(int n, const float *h, float *dh, float *dbias)
{
    enum { GROUP = 64 };
    for (int first = 0; first < n; first += GROUP) {
        float sum[GROUP] = {0};
        for (int i = 0; i < BATCH; i++)
            for (int j = 0; j < GROUP; j++) {
                int at = i * n + first + j;
                dh[at] = h[at] > 0 ? dh[at] : 0;
                sum[j] += dh[at];
            }
        memcpy(dbias + first, sum, sizeof sum);
    }
}

static void rmsprop(struct floor_mlp *m)
{
    const float lr = 1e-3f, alpha = 0.99f, eps = 1e-8f;
    float *p = m->params, *squares = m->squares;
    const float *grads = m->grads;
    for (int i = 0; i < m->count; i++) {
        float g = grads[i], s = alpha * squares[i] + (1 - alpha) * g * g;
        squares[i] = s;
        p[i] -= lr * g / (sqrtf(s) + eps);
    }
}

float floor_mlp_step(struct floor_mlp *m, const float *x, const float *y)
{
    int last = m->layers - 1, n = m->width[last];
    const float *h = x;
    for (int l = 0; l < last; l++) {
        int in = m->width[l], out = m->width[l + 1];
        const float *weight = m->params + m->at[l];
        floor_product(m->calls, BATCH, out, in, (struct floor_matrix){h, in, 0}, (struct floor_matrix){weight, out, 0},
                      m->hidden[l], out);
        bias_relu(out, weight + in * out, m->hidden[l]);
        h = m->hidden[l];
    }
    float scores[BATCH], dscores[BATCH];
    const float *w = m->params + m->at[last];
    float *dw = m->grads + m->at[last], *dh = m->dhidden[last % 2];
    floor_scores(BATCH, n, h, w, w[n], scores);
    float loss = floor_bce(BATCH, scores, y, dscores);

    dw[n] = floor_scores_grad(BATCH, n, h, dscores, dw);
    for (int i = 0; i < BATCH; i++)
        for (int j = 0; j < n; j++)
            dh[i * n + j] = dscores[i] * w[j];
    for (int l = last - 1; l >= 0; l--) {
        int in = m->width[l], out = m->width[l + 1];
        const float *input = l > 0 ? m->hidden[l - 1] : x;
        float *grad = m->grads + m->at[l], *down = m->dhidden[l % 2];
        dh = m->dhidden[(l + 1) % 2];
        bias_relu_grad(out, m->hidden[l], dh, grad + in * out);
        floor_product(m->calls, in, out, BATCH, (struct floor_matrix){input, in, 1}, (struct floor_matrix){dh, out, 0},
                      grad, out);
        if (l > 0)
            floor_input_grad(m->calls, BATCH, in, out, dh, m->params + m->at[l], down);
    }
    rmsprop(m);
    return loss;
}
