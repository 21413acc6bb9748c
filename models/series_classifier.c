/* A small classifier of series that judges samples. */
#include "series_classifier.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 64, WIDTH = SERIES_FEATURES / 2, APPLY_BATCH = 128, TOLD = 2 /* position and mask */ };

/* x [n, steps, channels + TOLD] -> features [n, SERIES_FEATURES]. */
static reel_var features_of(const struct series_classifier *c, reel_var x)
{
    reel_tape *t = c->tape;
    reel_var mask = reel_transpose(t, reel_narrow(t, x, 2, c->channels + 1, 1), 1, 2);
    reel_var h = reel_relu(t, reel_forward(t, c->conv1, reel_transpose(t, x, 1, 2)));
    h = reel_relu(t, reel_forward(t, c->conv2, reel_mul(t, h, mask)));
    /* After the ReLU nothing is less than the zeros past the ends. */
    h = reel_mul(t, reel_relu(t, reel_forward(t, c->conv3, reel_mul(t, h, mask))), mask);
    const int steps = 2;
    reel_var mean = reel_div(t, reel_sum(t, h, &steps, 1, false), reel_sum(t, mask, &steps, 1, false));
    return reel_cat(t, REEL_VARS(mean, reel_amax(t, h, &steps, 1, false)), 1);
}

/* The first `steps` steps of series i of a set as the networks see them. */
static void fill(const struct series_classifier *c, const struct series_set *s, int64_t i, int64_t steps, float *x)
{
    const reel_real *mean = reel_param_data(c->mean), *spread = reel_param_data(c->spread);
    for (int64_t t = 0; t < steps; t++, x += c->channels + TOLD) {
        bool inside = t < s->lengths[i];
        for (int64_t k = 0; k < c->channels; k++)
            x[k] = inside ? (series_at(s, i)[t * c->channels + k] - mean[k]) / spread[k] : 0;
        x[c->channels] = inside ? (float)t / (float)s->lengths[i] : 0;
        x[c->channels + 1] = inside;
    }
}

/* Noise on the values alone. */
static reel_var with_noise(const struct series_classifier *c, reel_var x)
{
    reel_tape *t = c->tape;
    reel_var noise = reel_randn(t, REEL_SHAPE(reel_size(t, x, 0), reel_size(t, x, 1), c->channels));
    const int64_t none_behind[] = {0, TOLD};
    return reel_add(t, x, reel_pad(t, reel_mul_scalar(t, noise, 0.1), none_behind, 2, REEL_PAD_CONSTANT, 0));
}

static reel_module *convolution(reel_params *p, const char *name, int64_t in, int64_t kernel)
{
    REEL_OPTIONS(conv, o, o.padding[0] = kernel / 2);
    return reel_conv1d_new(p, name, in, WIDTH, kernel, &o);
}

static void train_step(struct series_classifier *c, reel_optim *adam, const float *x, const int64_t *y, int64_t steps)
{
    reel_tape *t = c->tape;
    reel_var series = with_noise(c, reel_borrow(t, x, REEL_SHAPE(BATCH, steps, c->channels + TOLD)));
    reel_var labels = reel_borrow_of(t, REEL_INT64, y, REEL_SHAPE(BATCH));
    reel_var scores = reel_forward(t, c->fc, reel_forward(t, c->dropout, features_of(c, series)));
    reel_zero_grad(c->params);
    if (reel_backward(t, reel_cross_entropy_loss(t, scores, labels), c->params) == REEL_OK)
        reel_optim_step(adam);
}

struct series_classifier series_classifier_train(reel_context *context, const struct series_set *set, int64_t steps,
                                                 reel_progress *progress)
{
    struct series_classifier c = {.context = context, .channels = set->channels, .classes = set->classes};
    c.tape = reel_tape_new(context);
    c.params = reel_params_new(context);
    c.conv1 = convolution(c.params, "conv1", set->channels + TOLD, 7);
    c.conv2 = convolution(c.params, "conv2", WIDTH, 5);
    c.conv3 = convolution(c.params, "conv3", WIDTH, 3);
    c.dropout = reel_dropout_new(c.params, 0.5);
    c.fc = reel_linear_new(c.params, "fc", SERIES_FEATURES, set->classes, NULL);
    c.mean = reel_param_new(c.params, "mean", REEL_PARAM_BUFFER, REEL_REAL, REEL_SHAPE(set->channels));
    c.spread = reel_param_new(c.params, "spread", REEL_PARAM_BUFFER, REEL_REAL, REEL_SHAPE(set->channels));
    REEL_OPTIONS(adamw, o, o.lr = 1e-3, o.weight_decay = 0.01);
    reel_optim *adam = reel_adamw_new(c.params, &o);
    float *x = malloc(sizeof *x * (size_t)(BATCH * set->longest * (set->channels + TOLD)));
    int64_t *y = malloc(sizeof *y * BATCH);
    if (!x || !y)
        reel_fail(context, REEL_ERROR_OUT_OF_MEMORY, "out of memory: a batch of series");
    if (c.mean && c.spread)
        series_scale_of(set, reel_param_write(c.mean), reel_param_write(c.spread));
    for (int64_t step = 0; step < steps && reel_context_status(context) == REEL_OK; step++) {
        reel_optim_set_lr(adam, 0, 1e-3 * 0.5 * (1 + cos(acos(-1.0) * (double)step / (double)steps)));
        const int64_t *rows = reel_data_int64(c.tape, reel_randint(c.tape, 0, set->count, REEL_SHAPE(BATCH)));
        if (!rows)
            break;
        /* Padding to the longest of the batch is enough. */
        int64_t longest = 0;
        for (int64_t i = 0; i < BATCH; i++)
            longest = set->lengths[rows[i]] > longest ? set->lengths[rows[i]] : longest;
        for (int64_t i = 0; i < BATCH; i++) {
            fill(&c, set, rows[i], longest, x + i * longest * (set->channels + TOLD));
            y[i] = set->labels[rows[i]];
        }
        train_step(&c, adam, x, y, longest);
        if (reel_context_status(context) == REEL_OK)
            reel_tape_reset(c.tape);
        reel_progress_advance(progress, 1);
    }
    free(x);
    free(y);
    reel_optim_free(adam);
    reel_eval(c.params);
    return c;
}

void series_classifier_free(struct series_classifier *c)
{
    reel_tape_free(c->tape);
    reel_params_free(c->params);
    *c = (struct series_classifier){0};
}

double series_classifier_apply(const struct series_classifier *c, const struct series_set *set, int64_t *predicted,
                               float *features)
{
    reel_tape *t = c->tape;
    int64_t right = 0, done = 0;
    float *x = malloc(sizeof *x * (size_t)(APPLY_BATCH * set->longest * (c->channels + TOLD)));
    if (!x)
        reel_fail(c->context, REEL_ERROR_OUT_OF_MEMORY, "out of memory: a batch of series");
    while (x && done < set->count) {
        int64_t n = set->count - done < APPLY_BATCH ? set->count - done : APPLY_BATCH;
        int64_t longest = 0;
        for (int64_t i = 0; i < n; i++)
            longest = set->lengths[done + i] > longest ? set->lengths[done + i] : longest;
        for (int64_t i = 0; i < n; i++)
            fill(c, set, done + i, longest, x + i * longest * (c->channels + TOLD));
        reel_no_grad_begin(t);
        reel_var f = features_of(c, reel_borrow(t, x, REEL_SHAPE(n, longest, c->channels + TOLD)));
        const int64_t *classes = reel_data_int64(t, reel_argmax(t, reel_forward(t, c->fc, f), 1, false));
        const reel_real *values = reel_data_real(t, f);
        for (int64_t i = 0; classes && i < n; i++)
            right += classes[i] == set->labels[done + i];
        if (classes && predicted)
            memcpy(predicted + done, classes, (size_t)n * sizeof *predicted);
        if (values && features)
            memcpy(features + done * SERIES_FEATURES, values, (size_t)n * SERIES_FEATURES * sizeof *features);
        reel_no_grad_end(t);
        if (!classes || !values)
            break;
        reel_tape_reset(t);
        done += n;
    }
    free(x);
    return done == set->count ? (double)right / (double)set->count : NAN;
}
