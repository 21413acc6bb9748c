/* A small classifier that judges pictures. */
#include "classifier.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 128, HIDDEN = 512, APPLY_BATCH = 500 };

static reel_var features_of(const struct classifier *c, reel_var x)
{
    reel_tape *t = c->tape;
    reel_var h = reel_relu(t, reel_forward(t, c->fc1, x));
    h = reel_forward(t, c->dropout, h);
    return reel_relu(t, reel_forward(t, c->fc2, h));
}

static void train_step(struct classifier *c, reel_optim *adam, const float *x, const int64_t *y)
{
    reel_tape *t = c->tape;
    reel_var images = reel_borrow(t, x, REEL_SHAPE(BATCH, c->pixels));
    reel_var labels = reel_borrow_of(t, REEL_INT64, y, REEL_SHAPE(BATCH));
    reel_var scores = reel_forward(t, c->fc3, features_of(c, images));
    reel_zero_grad(c->params);
    if (reel_backward(t, reel_cross_entropy_loss(t, scores, labels), c->params) == REEL_OK)
        reel_optim_step(adam);
}

struct classifier classifier_train(reel_context *context, const struct labelled *set, int64_t pixels, int64_t classes,
                                   int64_t steps, reel_progress *progress)
{
    struct classifier c = {.context = context, .pixels = pixels, .classes = classes};
    c.tape = reel_tape_new(context);
    c.params = reel_params_new(context);
    c.fc1 = reel_linear_new(c.params, "fc1", pixels, HIDDEN, NULL);
    c.fc2 = reel_linear_new(c.params, "fc2", HIDDEN, CLASSIFIER_FEATURES, NULL);
    c.fc3 = reel_linear_new(c.params, "fc3", CLASSIFIER_FEATURES, classes, NULL);
    c.dropout = reel_dropout_new(c.params, 0.2);
    reel_optim *adam = reel_adam_new(c.params, NULL);
    float *x = malloc(sizeof *x * BATCH * (size_t)pixels);
    int64_t *y = malloc(sizeof *y * BATCH);
    if (!x || !y)
        reel_fail(context, REEL_ERROR_OUT_OF_MEMORY, "out of memory: a batch of images");
    for (int64_t step = 0; step < steps && reel_context_status(context) == REEL_OK; step++) {
        reel_optim_set_lr(adam, 0, 1e-3 * 0.5 * (1 + cos(acos(-1.0) * (double)step / (double)steps)));
        const int64_t *rows = reel_data_int64(c.tape, reel_randint(c.tape, 0, set->count, REEL_SHAPE(BATCH)));
        for (int64_t i = 0; rows && i < BATCH; i++) {
            memcpy(x + i * pixels, set->x + rows[i] * pixels, (size_t)pixels * sizeof *x);
            y[i] = set->y[rows[i]];
        }
        train_step(&c, adam, x, y);
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

void classifier_free(struct classifier *c)
{
    reel_tape_free(c->tape);
    reel_params_free(c->params);
    *c = (struct classifier){0};
}

double classifier_apply(const struct classifier *c, const struct labelled *set, float *confidence, float *features)
{
    reel_tape *t = c->tape;
    int64_t right = 0;
    for (int64_t first = 0; first < set->count; first += APPLY_BATCH) {
        int64_t n = set->count - first < APPLY_BATCH ? set->count - first : APPLY_BATCH;
        reel_no_grad_begin(t);
        reel_var f = features_of(c, reel_borrow(t, set->x + first * c->pixels, REEL_SHAPE(n, c->pixels)));
        reel_var scores = reel_forward(t, c->fc3, f);
        const int64_t *classes = reel_data_int64(t, reel_argmax(t, scores, 1, false));
        const reel_real *probabilities = reel_data_real(t, reel_softmax(t, scores, 1));
        const reel_real *values = reel_data_real(t, f);
        bool ok = reel_context_status(c->context) == REEL_OK;
        for (int64_t i = 0; ok && i < n; i++) {
            right += classes[i] == set->y[first + i];
            if (confidence)
                confidence[first + i] = probabilities[i * c->classes + set->y[first + i]];
        }
        if (ok && features)
            memcpy(features + first * CLASSIFIER_FEATURES, values, (size_t)n * CLASSIFIER_FEATURES * sizeof *features);
        reel_no_grad_end(t);
        if (!ok)
            return NAN;
        reel_tape_reset(t);
    }
    return (double)right / (double)set->count;
}
