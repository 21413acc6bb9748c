/* A training of its own for each thread, with what it gave. */
#ifndef TESTS_SUPPORT_TRAINING_RUN_H
#define TESTS_SUPPORT_TRAINING_RUN_H

#include <reel/reel.h>

#include <stdio.h>
#include <string.h>

enum { MOST_STEPS = 60, BATCH = 96 };

struct run {
    uint64_t seed;
    int threads, steps;
    double losses[MOST_STEPS];
    reel_real weight[40 * 24];
    const char *failed;
    char text[512];
};

/* Training with most of what there is: draws, lookups, products, normalisation, dropout, a penalty, an optimizer. */
static inline void *train(void *user)
{
    struct run *r = user;
    reel_context_options o = reel_context_defaults();
    o.seed = r->seed;
    o.num_threads = r->threads;
    reel_context *c = reel_context_new(&o);
    reel_tape *t = reel_tape_new(c);
    reel_params *p = reel_params_new(c);
    reel_embedding_options sparse = reel_embedding_defaults();
    sparse.sparse = true;
    reel_module *label = reel_embedding_new(p, "label", 50, 8, &sparse);
    reel_module *first = reel_linear_new(p, "first", 24, 40, NULL), *norm = reel_batch_norm1d_new(p, "norm", 40, NULL);
    reel_module *last = reel_linear_new(p, "last", 40, 1, NULL);
    reel_optim *adam = reel_adam_new(p, NULL);
    for (int i = 0; i < r->steps; i++) {
        reel_var y = reel_randint(t, 0, 50, REEL_SHAPE(BATCH)), z = reel_randn(t, REEL_SHAPE(BATCH, 16));
        reel_var x = reel_cat(t, REEL_VARS(z, reel_forward(t, label, y)), 1), grad;
        reel_var h = reel_leaky_relu(t, reel_forward(t, norm, reel_forward(t, first, x)), 0.2);
        h = reel_dropout(t, h, 0.3, true);
        reel_var score = reel_forward(t, last, h);
        reel_grad(t, reel_sum_all(t, score), &x, 1, REEL_GRAD_CREATE_GRAPH, &grad);
        reel_var loss =
            reel_add(t, reel_mean_all(t, reel_softplus(t, score, 1, 20)), reel_mean_all(t, reel_square(t, grad)));
        reel_zero_grad(p);
        reel_backward(t, loss, p);
        reel_optim_step(adam);
        r->losses[i] = reel_item(t, loss);
        if (reel_context_status(c) != REEL_OK) {
            snprintf(r->text, sizeof r->text, "%s", reel_error(c));
            r->failed = r->text;
            break;
        }
        reel_tape_reset(t);
    }
    if (!r->failed)
        memcpy(r->weight, reel_param_data(reel_params_find(p, "first.weight")), sizeof r->weight);
    reel_optim_free(adam);
    reel_tape_free(t);
    reel_params_free(p);
    reel_context_free(c);
    return NULL;
}

#endif
