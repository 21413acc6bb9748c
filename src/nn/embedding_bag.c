#include "nn/embedding.h"

#include <reel/tape.h>

struct embedding_bag {
    struct embedding table;
    reel_embedding_bag_lookup_options lookup;
    reel_var offsets, per_sample_weights; /* of the forward pass at hand; else null */
};

static reel_var look_up(reel_tape *tape, struct embedding *table, reel_var x)
{
    const struct embedding_bag *m = (const struct embedding_bag *)table;
    return reel_embedding_bag(tape, reel_param_var(tape, table->weight), x, m->offsets, m->per_sample_weights,
                              &m->lookup);
}

static const struct reel_module_kind bag_kind = {
    .size = sizeof(struct embedding_bag), .forward = reel_embedding_forward, .named = true};

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
    if (o.mode != REEL_BAG_MEAN && o.mode != REEL_BAG_SUM && o.mode != REEL_BAG_MAX && params)
        reel_fail(params->context, REEL_ERROR_ARGUMENT, "embedding_bag \"%s\": mode %d is none of reel_bag_mode",
                  name ? name : "", (int)o.mode);
    struct embedding_bag *m = (struct embedding_bag *)reel_embedding_make(params, "embedding_bag", name, &bag_kind,
                                                                          num_embeddings, embedding_dim, &of_table);
    if (!m)
        return NULL;
    m->table.look_up = look_up;
    m->lookup = (reel_embedding_bag_lookup_options){.mark = REEL_OPTIONS_MARK(reel_embedding_bag_lookup_options),
                                                    .mode = o.mode,
                                                    .padding_idx = m->table.lookup.padding_idx,
                                                    .scale_grad_by_freq = o.scale_grad_by_freq,
                                                    .include_last_offset = o.include_last_offset,
                                                    .name = m->table.module.name};
    m->offsets = m->per_sample_weights = reel_null();
    return &m->table.module;
}

reel_var reel_embedding_bag_forward(reel_tape *tape, reel_module *module, reel_var index, reel_var offsets,
                                    reel_var per_sample_weights)
{
    struct embedding_bag *m = (struct embedding_bag *)module;
    if (module && module->kind != &bag_kind) {
        reel_fail(reel_tape_context(tape), REEL_ERROR_ARGUMENT, "embedding_bag_forward: the module is another one");
        return reel_null();
    }
    if (m) {
        m->offsets = offsets;
        m->per_sample_weights = per_sample_weights;
    }
    reel_var y = reel_forward(tape, module, index);
    if (m)
        m->offsets = m->per_sample_weights = reel_null();
    return y;
}
