#include "conv_gan.h"

#include "dense.h"

#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    BATCH = FLOOR_CONV_BATCH,
    BOTH = 2 * BATCH,
    CLASSES = 10,
    NOISE = 64,
    EMBEDDED = 16,
    IN = NOISE + EMBEDDED,
    WIDE = 64,
    NARROW = 32,
    KERNEL = 4,
    TAPS = KERNEL * KERNEL,
    SMALL = 7 * 7,
    MIDDLE = 14 * 14,
    DATA = 28 * 28,
    FLAT = WIDE * SMALL,
    FEATURES = 128,
    TILE = 4,   /* images that are written out together */
    RUN = BATCH /* what is summed in float; all n are multiples of it */
};

static const float slope = 0.2f;

/* Where params begin. */
enum {
    G_LABEL = 0,
    G_WIDEN = G_LABEL + CLASSES * EMBEDDED,
    G_NORM1 = G_WIDEN + IN * FLAT, /* gamma, beta */
    G_UP1 = G_NORM1 + 2 * WIDE,
    G_NORM2 = G_UP1 + WIDE * NARROW * TAPS,
    G_UP2 = G_NORM2 + 2 * NARROW,
    G_UP2_BIAS = G_UP2 + NARROW * TAPS,
    G_COUNT = G_UP2_BIAS + 1,
    D_DOWN1 = 0,
    D_DOWN1_BIAS = D_DOWN1 + NARROW * TAPS,
    D_DOWN2 = D_DOWN1_BIAS + NARROW,
    D_DOWN2_BIAS = D_DOWN2 + WIDE * NARROW * TAPS,
    D_DENSE = D_DOWN2_BIAS + WIDE,
    D_DENSE_BIAS = D_DENSE + FLAT * FEATURES,
    D_SCORE = D_DENSE_BIAS + FEATURES,
    D_SCORE_BIAS = D_SCORE + FEATURES,
    D_LABEL = D_SCORE_BIAS + 1,
    D_COUNT = D_LABEL + CLASSES * FEATURES
};

/* ---- Memory ---- */

static bool network_new(struct floor_conv_network *n, int count)
{
    *n = (struct floor_conv_network){.count = count, .params = floor_zeros(4 * (size_t)count)};
    if (!n->params)
        return false;
    n->grads = n->params + count;
    n->first = n->grads + count;
    n->second = n->first + count;
    return true;
}

/* Shares memory out; with memory NULL only counts it. */
static size_t place(struct floor_conv_gan *g)
{
    size_t used = 0;
#define TAKE(pointer, n) (pointer = g->memory ? g->memory + used : NULL, used += (size_t)(n))
    TAKE(g->input, BATCH * IN);
    TAKE(g->wide, BATCH * FLAT);
    TAKE(g->normal1, BATCH * FLAT);
    TAKE(g->made1, BATCH * FLAT);
    TAKE(g->normal2, BATCH * NARROW * MIDDLE);
    TAKE(g->made2, BATCH * NARROW * MIDDLE);
    TAKE(g->running1, 3 * WIDE); /* mean, variance, inverse deviation */
    TAKE(g->running2, 3 * NARROW);
    TAKE(g->scratch, TILE * NARROW * TAPS * MIDDLE);
    TAKE(g->pictures, BOTH * DATA);
    TAKE(g->narrow, BOTH * NARROW * MIDDLE);
    TAKE(g->deep, BOTH * FLAT);
    TAKE(g->flat, BOTH * FLAT);
    TAKE(g->features, BOTH * FEATURES);
    TAKE(g->dpictures, BOTH * DATA);
    TAKE(g->dnarrow, BOTH * NARROW * MIDDLE);
    TAKE(g->ddeep, BOTH * FLAT);
    TAKE(g->dflat, BOTH * FLAT);
    TAKE(g->dfeatures, BOTH * FEATURES);
#undef TAKE
    return used;
}

bool floor_conv_gan_new(struct floor_conv_gan *g)
{
    *g = (struct floor_conv_gan){0};
    bool made = network_new(&g->generator, G_COUNT);
    if (!network_new(&g->discriminator, D_COUNT) || !made || !(g->memory = floor_zeros(place(g))))
        return false;
    place(g);
    for (int i = 0; i < WIDE; i++)
        g->running1[WIDE + i] = 1;
    for (int i = 0; i < NARROW; i++)
        g->running2[NARROW + i] = 1;
    return true;
}

void floor_conv_gan_free(struct floor_conv_gan *g)
{
    free(g->generator.params);
    free(g->discriminator.params);
    free(g->memory);
    *g = (struct floor_conv_gan){0};
}

/* ---- Convolutions of stride 2: `large` [channels, images, 2 size, 2 size] and `small` [channels, images, size, size]
 * ---- */

struct layer {
    int large, small, size, images; /* channels, and positions along an axis of the small side */
};

/* What the kernel sees of `count` images: [large * TAPS, count * size * size]. */
static void write_out(const struct layer *l, int first, int count, const float *large, float *columns)
{
    int size = l->size, wide = 2 * size, positions = count * size * size;
    for (int c = 0; c < l->large; c++)
        for (int k = 0; k < TAPS; k++, columns += positions) {
            int down = k / KERNEL - 1, across = k % KERNEL - 1;
            int from = across<0, to = across> 1 ? size - 1 : size;
            float *row = columns;
            for (int i = 0; i < count; i++)
                for (int y = 0; y < size; y++, row += size) {
                    int at = 2 * y + down;
                    const float *x = large + ((c * l->images + first + i) * wide + at) * wide + across;
                    row[0] = row[size - 1] = 0;
                    if (at < 0 || at >= wide)
                        memset(row, 0, (size_t)size * sizeof *row);
                    else
                        for (int j = from; j < to; j++)
                            row[j] = x[2 * j];
                }
        }
}

/* The transpose of that, added. */
static void add_back(const struct layer *l, int first, int count, const float *columns, float *large)
{
    int size = l->size, wide = 2 * size, positions = count * size * size;
    for (int c = 0; c < l->large; c++)
        for (int k = 0; k < TAPS; k++, columns += positions) {
            int down = k / KERNEL - 1, across = k % KERNEL - 1;
            int from = across<0, to = across> 1 ? size - 1 : size;
            const float *row = columns;
            for (int i = 0; i < count; i++)
                for (int y = 0; y < size; y++, row += size) {
                    int at = 2 * y + down;
                    float *x = large + ((c * l->images + first + i) * wide + at) * wide + across;
                    for (int j = from; at >= 0 && at < wide && j < to; j++)
                        x[2 * j] += row[j];
                }
        }
}

/* small = weight [small, large * TAPS] times what it sees; with dweight (not NULL) `small` is a gradient, and what is
 * made is dweight. */
static void convolve(const struct layer *l, const float *large, const float *weight, float *small, float *dweight,
                     float *scratch)
{
    int plane = l->size * l->size, depth = l->large * TAPS, stride = l->images * plane;
    for (int first = 0; first < l->images; first += TILE) {
        int n = TILE * plane;
        write_out(l, first, TILE, large, scratch);
        if (dweight)
            cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, l->small, depth, n, 1, small + first * plane, stride,
                        scratch, n, first > 0, dweight, depth);
        else
            cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, l->small, n, depth, 1, weight, depth, scratch, n, 0,
                        small + first * plane, stride);
    }
}

static void convolve_transposed(const struct layer *l, const float *small, const float *weight, float *large,
                                float *scratch)
{
    int plane = l->size * l->size, depth = l->large * TAPS, stride = l->images * plane, n = TILE * plane;
    memset(large, 0, (size_t)(l->large * stride * 4) * sizeof *large);
    for (int first = 0; first < l->images; first += TILE) {
        cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, depth, n, l->small, 1, weight, depth,
                    small + first * plane, stride, 0, scratch, n);
        add_back(l, first, TILE, scratch, large);
    }
}

/* ---- Between them ---- */

/* h = leaky(h + bias) for `channels` rows of n. */
static void bias_leaky(int channels, int n, const float *bias, float *h)
{
    for (int c = 0; c < channels; c++)
        for (int i = 0; i < n; i++) {
            float v = h[c * n + i] + bias[c];
            h[c * n + i] = v > 0 ? v : slope * v;
        }
}

/* dh becomes the gradient before the activation; dbias (NULL: not wanted) its sums. */
static void leaky_grad(int channels, int n, const float *h, float *dh, float *dbias)
{
    for (int c = 0; c < channels; c++) {
        float sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int i = 0; i < n; i++) {
            float d = h[c * n + i] > 0 ? dh[c * n + i] : slope * dh[c * n + i];
            dh[c * n + i] = d;
            sum += d;
        }
        if (dbias)
            dbias[c] = sum;
    }
}

/* h = leaky(batch norm of normal); `normal` becomes what was normalised. gamma and beta, then 3 statistics. */
static void norm_leaky(int channels, int n, const float *gamma, float *running, float *normal, float *h)
{
    for (int c = 0; c < channels; c++) {
        float *x = normal + c * n;
        double sum = 0, squares = 0;
        for (int first = 0; first < n; first += RUN) {
            float part = 0;
#pragma omp simd reduction(+ : part)
            for (int i = first; i < first + RUN; i++)
                part += x[i];
            sum += (double)part;
        }
        float mean = (float)(sum / n);
        for (int first = 0; first < n; first += RUN) {
            float part = 0;
#pragma omp simd reduction(+ : part)
            for (int i = first; i < first + RUN; i++)
                part += (x[i] - mean) * (x[i] - mean);
            squares += (double)part;
        }
        float var = (float)squares;
        float inverse = 1 / sqrtf(var / (float)n + 1e-5f), scale = gamma[c], shift = gamma[channels + c];
        running[c] += 0.1f * (mean - running[c]);
        running[channels + c] += 0.1f * (var / (float)(n - 1) - running[channels + c]);
        running[2 * channels + c] = inverse;
        for (int i = 0; i < n; i++) {
            x[i] = (x[i] - mean) * inverse;
            float v = scale * x[i] + shift;
            h[c * n + i] = v > 0 ? v : slope * v;
        }
    }
}

static void norm_leaky_grad(int channels, int n, const float *gamma, const float *running, const float *normal,
                            const float *h, float *dh, float *dgamma)
{
    for (int c = 0; c < channels; c++) {
        const float *x = normal + c * n;
        float *d = dh + c * n, scale = gamma[c] * running[2 * channels + c];
        double sum_gamma = 0, sum_beta = 0;
        for (int first = 0; first < n; first += RUN) {
            float part_gamma = 0, part_beta = 0;
#pragma omp simd reduction(+ : part_gamma, part_beta)
            for (int i = first; i < first + RUN; i++) {
                d[i] = h[c * n + i] > 0 ? d[i] : slope * d[i];
                part_beta += d[i];
                part_gamma += d[i] * x[i];
            }
            sum_gamma += (double)part_gamma;
            sum_beta += (double)part_beta;
        }
        float of_gamma = (float)sum_gamma, of_beta = (float)sum_beta;
        dgamma[c] = of_gamma;
        dgamma[channels + c] = of_beta;
        for (int i = 0; i < n; i++)
            d[i] = scale * (d[i] - (of_beta + x[i] * of_gamma) / (float)n);
    }
}

/* [images, WIDE, SMALL] from [WIDE, images, SMALL], and back. */
static void to_images(int images, const float *from, float *to)
{
    for (int c = 0; c < WIDE; c++)
        for (int i = 0; i < images; i++)
            memcpy(to + (i * WIDE + c) * SMALL, from + (c * images + i) * SMALL, SMALL * sizeof *to);
}

static void to_channels(int images, const float *from, float *to)
{
    for (int c = 0; c < WIDE; c++)
        for (int i = 0; i < images; i++)
            memcpy(to + (c * images + i) * SMALL, from + (i * WIDE + c) * SMALL, SMALL * sizeof *to);
}

/* ---- Networks ---- */

static const struct layer up1 = {NARROW, WIDE, 7, BATCH}, up2 = {1, NARROW, 14, BATCH};

/* Into pictures, from image `first` of the discriminator's on. */
static void generate(struct floor_conv_gan *g, const float *z, const int64_t *wanted, float *pictures)
{
    const float *p = g->generator.params;
    for (int i = 0; i < BATCH; i++) {
        memcpy(g->input + i * IN, z + i * NOISE, NOISE * sizeof *z);
        memcpy(g->input + i * IN + NOISE, p + G_LABEL + wanted[i] * EMBEDDED, EMBEDDED * sizeof *z);
    }
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, BATCH, FLAT, IN, 1, g->input, IN, p + G_WIDEN, FLAT, 0,
                g->wide, FLAT);
    to_channels(BATCH, g->wide, g->normal1);
    norm_leaky(WIDE, BATCH * SMALL, p + G_NORM1, g->running1, g->normal1, g->made1);
    convolve_transposed(&up1, g->made1, p + G_UP1, g->normal2, g->scratch);
    norm_leaky(NARROW, BATCH * MIDDLE, p + G_NORM2, g->running2, g->normal2, g->made2);
    convolve_transposed(&up2, g->made2, p + G_UP2, pictures, g->scratch);
    for (int i = 0; i < BATCH * DATA; i++)
        pictures[i] = tanhf(pictures[i] + p[G_UP2_BIAS]);
}

static void generate_grad(struct floor_conv_gan *g, const int64_t *wanted, const float *pictures, float *dpictures)
{
    const float *p = g->generator.params;
    float *d = g->generator.grads, sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int i = 0; i < BATCH * DATA; i++) {
        dpictures[i] *= 1 - pictures[i] * pictures[i];
        sum += dpictures[i];
    }
    d[G_UP2_BIAS] = sum;
    convolve(&up2, dpictures, NULL, g->made2, d + G_UP2, g->scratch);
    convolve(&up2, dpictures, p + G_UP2, g->dnarrow, NULL, g->scratch);
    norm_leaky_grad(NARROW, BATCH * MIDDLE, p + G_NORM2, g->running2, g->normal2, g->made2, g->dnarrow, d + G_NORM2);
    convolve(&up1, g->dnarrow, NULL, g->made1, d + G_UP1, g->scratch);
    convolve(&up1, g->dnarrow, p + G_UP1, g->ddeep, NULL, g->scratch);
    norm_leaky_grad(WIDE, BATCH * SMALL, p + G_NORM1, g->running1, g->normal1, g->made1, g->ddeep, d + G_NORM1);
    to_images(BATCH, g->ddeep, g->dflat);
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, IN, FLAT, BATCH, 1, g->input, IN, g->dflat, FLAT, 0,
                d + G_WIDEN, FLAT);
    float dembedded[BATCH * EMBEDDED];
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, BATCH, EMBEDDED, FLAT, 1, g->dflat, FLAT,
                p + G_WIDEN + NOISE * FLAT, FLAT, 0, dembedded, EMBEDDED);
    memset(d + G_LABEL, 0, CLASSES * EMBEDDED * sizeof *d);
    for (int i = 0; i < BATCH; i++)
        for (int j = 0; j < EMBEDDED; j++)
            d[G_LABEL + wanted[i] * EMBEDDED + j] += dembedded[i * EMBEDDED + j];
}

/* Scores of `images` pictures with their labels. */
static void judge(struct floor_conv_gan *g, int images, const int64_t *const labels[2], float *scores)
{
    const struct layer down1 = {1, NARROW, 14, images}, down2 = {NARROW, WIDE, 7, images};
    const float *p = g->discriminator.params;
    convolve(&down1, g->pictures, p + D_DOWN1, g->narrow, NULL, g->scratch);
    bias_leaky(NARROW, images * MIDDLE, p + D_DOWN1_BIAS, g->narrow);
    convolve(&down2, g->narrow, p + D_DOWN2, g->deep, NULL, g->scratch);
    bias_leaky(WIDE, images * SMALL, p + D_DOWN2_BIAS, g->deep);
    to_images(images, g->deep, g->flat);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, images, FEATURES, FLAT, 1, g->flat, FLAT, p + D_DENSE, FLAT, 0,
                g->features, FEATURES);
    const float root = sqrtf(FEATURES);
    for (int i = 0; i < images; i++) {
        float *f = g->features + i * FEATURES, sum = 0;
        const float *label = p + D_LABEL + labels[i / BATCH][i % BATCH] * FEATURES;
#pragma omp simd reduction(+ : sum)
        for (int j = 0; j < FEATURES; j++) {
            float v = f[j] + p[D_DENSE_BIAS + j];
            f[j] = v > 0 ? v : slope * v;
            sum += f[j] * (p[D_SCORE + j] + label[j] / root);
        }
        scores[i] = sum + p[D_SCORE_BIAS];
    }
}

/* Down to the pictures' gradient, or (grads) the params' alone. */
static void judge_grad(struct floor_conv_gan *g, int images, const int64_t *const labels[2], const float *dscores,
                       bool grads)
{
    const struct layer down1 = {1, NARROW, 14, images}, down2 = {NARROW, WIDE, 7, images};
    const float *p = g->discriminator.params, root = sqrtf(FEATURES);
    float *d = g->discriminator.grads;
    if (grads)
        memset(d + D_DENSE_BIAS, 0, (D_COUNT - D_DENSE_BIAS) * sizeof *d);
    for (int i = 0; i < images; i++) {
        int64_t label = labels[i / BATCH][i % BATCH] * FEATURES;
        const float *f = g->features + i * FEATURES;
        float *df = g->dfeatures + i * FEATURES;
        for (int j = 0; j < FEATURES; j++) {
            float v = dscores[i] * (p[D_SCORE + j] + p[D_LABEL + label + j] / root);
            df[j] = f[j] > 0 ? v : slope * v;
        }
        if (!grads)
            continue;
        d[D_SCORE_BIAS] += dscores[i];
        for (int j = 0; j < FEATURES; j++) {
            d[D_DENSE_BIAS + j] += df[j];
            d[D_SCORE + j] += dscores[i] * f[j];
            d[D_LABEL + label + j] += dscores[i] * f[j] / root;
        }
    }
    if (grads)
        cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, FEATURES, FLAT, images, 1, g->dfeatures, FEATURES, g->flat,
                    FLAT, 0, d + D_DENSE, FLAT);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, images, FLAT, FEATURES, 1, g->dfeatures, FEATURES,
                p + D_DENSE, FLAT, 0, g->dflat, FLAT);
    to_channels(images, g->dflat, g->ddeep);
    leaky_grad(WIDE, images * SMALL, g->deep, g->ddeep, grads ? d + D_DOWN2_BIAS : NULL);
    if (grads)
        convolve(&down2, g->narrow, NULL, g->ddeep, d + D_DOWN2, g->scratch);
    convolve_transposed(&down2, g->ddeep, p + D_DOWN2, g->dnarrow, g->scratch);
    leaky_grad(NARROW, images * MIDDLE, g->narrow, g->dnarrow, grads ? d + D_DOWN1_BIAS : NULL);
    if (grads)
        convolve(&down1, g->pictures, NULL, g->dnarrow, d + D_DOWN1, g->scratch);
    else
        convolve_transposed(&down1, g->dnarrow, p + D_DOWN1, g->dpictures, g->scratch);
}

/* The mean of softplus(sign * score) of a batch, and its gradient. */
static float softplus_loss(const float *scores, float sign, float *dscores)
{
    float sum = 0;
    for (int i = 0; i < BATCH; i++) {
        float s = sign * scores[i];
        sum += (s > 0 ? s : 0) + log1pf(expf(-fabsf(s)));
        dscores[i] = sign / (1 + expf(-s)) / BATCH;
    }
    return sum / BATCH;
}

static void adam(struct floor_conv_network *n)
{
    floor_adam(n->count, ++n->steps, n->params, n->grads, n->first, n->second);
}

void floor_conv_gan_step(struct floor_conv_gan *g, const float *x, const int64_t *y, const float *z,
                         const int64_t *wanted, float *g_loss, float *d_loss)
{
    float scores[BOTH], dscores[BOTH];
    generate(g, z, wanted, g->pictures);
    judge(g, BATCH, (const int64_t *const[]){wanted, NULL}, scores);
    *g_loss = softplus_loss(scores, -1, dscores);
    judge_grad(g, BATCH, (const int64_t *const[]){wanted, NULL}, dscores, false);
    generate_grad(g, wanted, g->pictures, g->dpictures);
    adam(&g->generator);

    memcpy(g->pictures + BATCH * DATA, g->pictures, BATCH * DATA * sizeof *x);
    memcpy(g->pictures, x, BATCH * DATA * sizeof *x);
    judge(g, BOTH, (const int64_t *const[]){y, wanted}, scores);
    *d_loss = softplus_loss(scores, -1, dscores) + softplus_loss(scores + BATCH, 1, dscores + BATCH);
    judge_grad(g, BOTH, (const int64_t *const[]){y, wanted}, dscores, true);
    adam(&g->discriminator);
}
