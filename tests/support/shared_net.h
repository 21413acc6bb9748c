/* A small network that is trained by row and then shared for reading, for the tests of sharing. */
#ifndef TESTS_SUPPORT_SHARED_NET_H
#define TESTS_SUPPORT_SHARED_NET_H

#include "support/check.h"

#include <reel/reel.h>

enum { ROWS = 4000, BATCH = 32 };

struct net {
    reel_context *c;
    reel_tape *t;
    reel_params *params;
    reel_module *label, *first, *norm, *drop, *last;
    reel_optim *optim;
    reel_ema *ema;
};

/* Trained for some steps, so that the exact optimizer and the average owe the table something. */
static inline void make(struct net *n)
{
    n->c = reel_context_new(NULL);
    reel_set_num_threads(n->c, 1);
    n->t = reel_tape_new(n->c);
    n->params = reel_params_new(n->c);
    reel_embedding_options sparse = reel_embedding_defaults();
    sparse.sparse = true;
    n->label = reel_embedding_new(n->params, "label", ROWS, 8, &sparse);
    n->first = reel_linear_new(n->params, "first", 8, 16, NULL);
    n->norm = reel_batch_norm1d_new(n->params, "norm", 16, NULL);
    n->drop = reel_dropout_new(n->params, 0.5);
    n->last = reel_linear_new(n->params, "last", 16, 1, NULL);
    reel_adam_options adam = reel_adam_defaults();
    adam.sparse_update = REEL_EXACT;
    n->optim = reel_adam_new(n->params, &adam);
    n->ema = reel_ema_new(n->params, 0.9);
    CHECK(reel_context_status(n->c) == REEL_OK, "%s", reel_error(n->c));
}

static inline reel_var forward(reel_tape *t, const struct net *n, reel_var y)
{
    reel_var h = reel_forward(t, n->norm, reel_forward(t, n->first, reel_forward(t, n->label, y)));
    return reel_forward(t, n->last, reel_forward(t, n->drop, reel_relu(t, h)));
}

static inline void train(struct net *n)
{
    for (int i = 0; i < 5; i++) {
        reel_var score = forward(n->t, n, reel_randint(n->t, 0, ROWS, REEL_SHAPE(BATCH)));
        reel_zero_grad(n->params);
        reel_backward(n->t, reel_mean_all(n->t, reel_square(n->t, score)), n->params);
        reel_optim_step(n->optim);
        reel_ema_update(n->ema);
        CHECK(reel_tape_reset(n->t) == REEL_OK, "training failed");
    }
}

static inline void drop(struct net *n)
{
    reel_ema_free(n->ema);
    reel_optim_free(n->optim);
    reel_tape_free(n->t);
    reel_params_free(n->params);
    reel_context_free(n->c);
}

#endif
