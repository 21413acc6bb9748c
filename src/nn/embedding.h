/* What modules share that look rows up in a table of theirs. */
#ifndef REEL_NN_EMBEDDING_H
#define REEL_NN_EMBEDDING_H

#include "nn/module.h"

struct embedding {
    reel_module module;
    reel_param *weight;
    reel_embedding_lookup_options lookup;
    double max_norm, norm_type;
    bool differentiable_max_norm;
    /* What forward computes of its inputs, of which the first is the index. It is called again after max_norm has
     * changed the table. */
    reel_var (*look_up)(reel_tape *tape, const struct embedding *m, const reel_var *inputs);
};

/* Between the two halves of a constructor: makes the weight, and checks the options. Errors begin with `what`. */
void reel_embedding_set_up(struct embedding *m, const char *what, int64_t num_embeddings, int64_t embedding_dim,
                           const reel_embedding_options *options);

/* After the second half: gives the weight its initial values. */
void reel_embedding_fill(struct embedding *m, const reel_embedding_options *options);

/* The forward function: looks the inputs up, and when rows of them are too long, scales these and looks up again. */
void reel_embedding_forward(reel_tape *tape, reel_module *module, const reel_var *inputs, reel_var *outputs);

#endif
