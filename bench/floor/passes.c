#include "passes.h"

#include <math.h>
#include <string.h>

static const float slope = 0.2f;
static const float kept_scale = (float)(1 / (1 - 0.4));

static inline float leaky(float x)
{
    return x > 0 ? x : slope * x;
}

void floor_bias_leaky(int rows, int n, const float *bias, float *h)
{
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < n; j++)
            h[i * n + j] = leaky(h[i * n + j] + bias[j]);
}

void floor_label_bias_leaky(int rows, int n, const float *bias, const int64_t *labels, float *h)
{
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < n; j++)
            h[i * n + j] = leaky(h[i * n + j] + bias[labels[i] * n + j]);
}

/* Philox for 16 counters from `counter` on, their first words and then their second ones. Words are kept in 64 bits,
 * as the multiplications of vectors want them. */
enum { LANES = 16, GROUP = 4 * LANES };
static void philox(uint64_t counter, uint64_t seed, uint64_t draw, uint32_t out[GROUP])
{
    const uint64_t low = UINT32_MAX;
    for (int i = 0; i < LANES; i++) {
        uint64_t a = (counter + (uint64_t)i) & low, b = (counter + (uint64_t)i) >> 32, c = draw & low, d = draw >> 32;
        uint64_t key0 = seed & low, key1 = seed >> 32;
#pragma GCC unroll 10
        for (int round = 0; round < 10; round++) {
            uint64_t p = 0xD2511F53u * a, q = 0xCD9E8D57u * c;
            a = (q >> 32) ^ b ^ key0;
            b = q & low;
            c = (p >> 32) ^ d ^ key1;
            d = p & low;
            key0 = (key0 + 0x9E3779B9u) & low;
            key1 = (key1 + 0xBB67AE85u) & low;
        }
        out[i] = (uint32_t)a;
        out[LANES + i] = (uint32_t)b;
        out[2 * LANES + i] = (uint32_t)c;
        out[3 * LANES + i] = (uint32_t)d;
    }
}

void floor_bias_dropout_leaky(int rows, int n, const float *bias, uint64_t seed, uint64_t draw, float *h)
{
    const uint32_t last_kept = (uint32_t)((1 - 0.4) * 4294967296.0 - 1);
    for (int first = 0; first < rows * n; first += GROUP) {
        uint32_t random[GROUP];
        philox((uint64_t)first / 4, seed, draw, random);
        const float *b = bias + first % n;
        for (int j = 0; j < GROUP; j++)
            h[first + j] = random[j] <= last_kept ? leaky((h[first + j] + b[j]) * kept_scale) : 0;
    }
}

void floor_leaky_grad(int rows, int n, const float *h, bool dropout, float *dh, float *dbias)
{
    for (int first = 0; first < n; first += GROUP) {
        float sum[GROUP] = {0};
        for (int i = 0; i < rows; i++)
            for (int j = 0; j < GROUP; j++) {
                int at = i * n + first + j;
                float kept = h[at] > 0 ? 1 : slope;
                if (dropout)
                    kept = h[at] == 0 ? 0 : kept * kept_scale; /* a kept one is 0 by a chance that does not matter */
                dh[at] *= kept;
                sum[j] += dh[at];
            }
        if (dbias)
            memcpy(dbias + first, sum, sizeof sum);
    }
}

void floor_norm_leaky(int rows, int n, const struct floor_norm *b, float *h)
{
    float mean[FLOOR_NORM_WIDEST] = {0}, var[FLOOR_NORM_WIDEST] = {0};
    float *normal = b->normal;
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < n; j++)
            mean[j] += normal[i * n + j];
    for (int j = 0; j < n; j++)
        mean[j] /= (float)rows;
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < n; j++) {
            float d = normal[i * n + j] - mean[j];
            var[j] += d * d;
        }
    for (int j = 0; j < n; j++) {
        b->inverse_std[j] = 1 / sqrtf(var[j] / (float)rows + 1e-5f);
        b->running_mean[j] += 0.1f * (mean[j] + b->bias[j] - b->running_mean[j]);
        b->running_var[j] += 0.1f * (var[j] / (float)(rows - 1) - b->running_var[j]);
    }
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < n; j++) {
            float x = (normal[i * n + j] - mean[j]) * b->inverse_std[j];
            normal[i * n + j] = x;
            h[i * n + j] = leaky(b->gamma[j] * x + b->beta[j]);
        }
}

void floor_norm_leaky_grad(int rows, int n, const struct floor_norm *b, const float *h, float *dh)
{
    const float *normal = b->normal;
    float *dgamma = b->dgamma, *dbeta = b->dbeta, scale[FLOOR_NORM_WIDEST];
    memset(dgamma, 0, (size_t)n * sizeof *dgamma);
    memset(dbeta, 0, (size_t)n * sizeof *dbeta);
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < n; j++) {
            float d = h[i * n + j] > 0 ? dh[i * n + j] : slope * dh[i * n + j];
            dh[i * n + j] = d;
            dbeta[j] += d;
            dgamma[j] += d * normal[i * n + j];
        }
    for (int j = 0; j < n; j++)
        scale[j] = b->gamma[j] * b->inverse_std[j];
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < n; j++)
            dh[i * n + j] = scale[j] * (dh[i * n + j] - (dbeta[j] + normal[i * n + j] * dgamma[j]) / (float)rows);
}

/* exp for x <= 0 as 2^k times a polynomial, right to 2e-7: no call, so that loops are wide. */
static inline float wide_exp(float x)
{
    const float round = 12582912; /* 1.5 * 2^23: the sum has no place for a fraction */
    float t = (x < -87 ? -87 : x) * 1.44269504f, k = (t + round) - round;
    float f = (t - k) * 0.693147181f;
    float e = 1 + f * (1 + f * (1 / 2.f + f * (1 / 6.f + f * (1 / 24.f + f * (1 / 120.f + f * (1 / 720.f))))));
    union {
        int32_t bits;
        float power;
    } two = {((int32_t)k + 127) * (1 << 23)};
    return e * two.power;
}

static inline float wide_tanh(float x)
{
    float e = wide_exp(-2 * fabsf(x));
    return copysignf((1 - e) / (1 + e), x);
}

void floor_bias_tanh(int rows, int n, const float *bias, float *y, int stride)
{
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < n; j++)
            y[i * stride + j] = wide_tanh(y[i * stride + j] + bias[j]);
}

void floor_tanh_grad(int rows, int n, const float *y, int stride, float *dy, float *dbias)
{
    memset(dbias, 0, (size_t)n * sizeof *dbias);
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < n; j++) {
            float t = y[i * stride + j], d = dy[i * n + j] * (1 - t * t);
            dy[i * n + j] = d;
            dbias[j] += d;
        }
}

float floor_bce(int n, const float *scores, const float *targets, float *dscores)
{
    float sum[LANES] = {0}, all = 0;
    double product[LANES]; /* of what logs are summed, so that one log is enough */
    for (int j = 0; j < LANES; j++)
        product[j] = 1;
    for (int first = 0; first < n; first += LANES)
        for (int j = 0; j < LANES; j++) {
            float s = scores[first + j], y = targets[first + j], e = wide_exp(-fabsf(s));
            sum[j] += (s > 0 ? s : 0) - s * y;
            product[j] *= 1 + (double)e;
            dscores[first + j] = ((s > 0 ? 1 : e) / (1 + e) - y) / (float)n;
        }
    for (int j = 1; j < LANES; j++)
        product[0] *= product[j];
    for (int j = 0; j < LANES; j++)
        all += sum[j];
    return (all + (float)log(product[0])) / (float)n;
}
