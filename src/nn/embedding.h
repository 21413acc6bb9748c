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
    /* What forward computes. It is called again after max_norm has changed the table. */
    reel_var (*look_up)(reel_tape *tape, struct embedding *m, reel_var x);
};

/* The constructor; module_kind->size may be that of a struct that begins with this one, and errors begin with
 * `what "name"`. */
struct embedding *reel_embedding_make(reel_params *params, const char *what, const char *name,
                                      const struct reel_module_kind *module_kind, int64_t num_embeddings,
                                      int64_t embedding_dim, const reel_embedding_options *options);

/* The forward function: looks x up, and when rows of x are too long, scales them and looks it up again. */
reel_var reel_embedding_forward(reel_tape *tape, reel_module *module, reel_var x);

#endif
