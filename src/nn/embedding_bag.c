/* EmbeddingBag: an embedding whose lookup reduces bags of rows. */
#include "nn/embedding.h"

#include <reel/tape.h>

struct embedding_bag {
    struct embedding table;
    reel_embedding_bag_lookup_options lookup;
};

static reel_var look_up(reel_tape *tape, const struct embedding *table, const reel_var *inputs)
{
    const struct embedding_bag *m = (const struct embedding_bag *)table;
    return reel_embedding_bag(tape, reel_module_var(tape, table->weight), inputs[0], inputs[1], inputs[2], &m->lookup);
}

static const struct reel_module_kind bag_kind = {.size = sizeof(struct embedding_bag),
                                                 .forward_all = reel_embedding_forward,
                                                 .min_inputs = 1,
                                                 .max_inputs = 3,
                                                 .n_outputs = 1,
                                                 .named = true};

reel_embedding_bag_options reel_embedding_bag_defaults(void)
{
    const reel_embedding_options o = reel_embedding_defaults();
    return (reel_embedding_bag_options){.mark = REEL_OPTIONS_MARK(reel_embedding_bag_options),
                                        .mode = REEL_BAG_MEAN,
                                        .padding_idx = o.padding_idx,
                                        .max_norm = o.max_norm,
                                        .norm_type = o.norm_type,
                                        .freeze = o.freeze};
}

reel_module *reel_embedding_bag_new(reel_params *params, const char *name, int64_t num_embeddings,
                                    int64_t embedding_dim, const reel_embedding_bag_options *options)
{
    reel_embedding_bag_options o = reel_embedding_bag_defaults();
    if (reel_options_take(reel_params_context(params), "embedding_bag", options, &o) != REEL_OK)
        return NULL;
    reel_embedding_options of_table = reel_embedding_defaults();
    of_table.padding_idx = o.padding_idx;
    of_table.max_norm = o.max_norm;
    of_table.norm_type = o.norm_type;
    of_table.scale_grad_by_freq = o.scale_grad_by_freq;
    of_table.sparse = o.sparse;
    of_table.fast_init = o.fast_init;
    of_table.from_pretrained = o.from_pretrained;
    of_table.freeze = o.freeze;
    struct embedding_bag *m = reel_module_begin(params, name, &bag_kind);
    if (!m)
        return NULL;
    if (o.mode != REEL_BAG_MEAN && o.mode != REEL_BAG_SUM && o.mode != REEL_BAG_MAX)
        reel_fail(params->context, REEL_ERROR_ARGUMENT, "embedding_bag: mode %d is none of reel_bag_mode", (int)o.mode);
    reel_embedding_set_up(&m->table, "embedding_bag", num_embeddings, embedding_dim, &of_table);
    m->table.look_up = look_up;
    m->lookup = reel_embedding_bag_lookup_defaults();
    m->lookup.mode = o.mode;
    m->lookup.padding_idx = m->table.lookup.padding_idx;
    m->lookup.scale_grad_by_freq = o.scale_grad_by_freq;
    m->lookup.include_last_offset = o.include_last_offset;
    if (!reel_module_end(&m->table.module))
        return NULL;
    reel_embedding_fill(&m->table, &of_table);
    return &m->table.module;
}

reel_var reel_embedding_bag_forward(reel_tape *tape, reel_module *module, reel_var index, reel_var offsets,
                                    reel_var per_sample_weights)
{
    reel_var y;
    reel_forward_all(tape, module, REEL_VARS(index, offsets, per_sample_weights), &y, 1);
    return y;
}
