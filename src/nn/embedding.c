/* Embedding, and what modules with a table share. */
#include "nn/embedding.h"

#include "nn/table.h"

#include <reel/reduce.h>
#include <reel/tape.h>
#include <reel/view.h>

#include <math.h>

static reel_var look_up(reel_tape *tape, const struct embedding *m, const reel_var *inputs)
{
    return reel_embedding(tape, reel_module_var(tape, m->weight), inputs[0], &m->lookup);
}

/* The rows of y scaled as part of the graph. */
static reel_var limit_rows(reel_tape *tape, const struct embedding *m, reel_var y)
{
    reel_shape shape = reel_shape_of(tape, y), rows = {2, {reel_numel(tape, y), reel_param_columns(m->weight)}};
    if (rows.dim[0] == 0)
        return y;
    rows.dim[0] /= rows.dim[1];
    return reel_reshape(tape, reel_renorm(tape, reel_reshape(tape, y, rows), m->norm_type, 0, m->max_norm), shape);
}

static reel_var forward(reel_tape *tape, struct embedding *m, const reel_var *inputs)
{
    /* Looked up before max_norm changes anything: this checks the indices. */
    reel_var y = m->look_up(tape, m, inputs);
    if (reel_is_null(y) || m->max_norm == INFINITY)
        return y;
    if (m->differentiable_max_norm)
        return limit_rows(tape, m, y);
    struct reel_renormalized done;
    int64_t scaled = reel_table_renormalize(tape, m->weight, m->max_norm, m->norm_type, inputs[0], &done);
    if (scaled <= 0)
        return scaled == 0 ? y : reel_null();
    y = m->look_up(tape, m, inputs);
    reel_table_renormalized(m->weight, &done);
    return y;
}

void reel_embedding_forward(reel_tape *tape, reel_module *module, const reel_var *inputs, reel_var *outputs)
{
    outputs[0] = forward(tape, (struct embedding *)module, inputs);
}

static const struct reel_module_kind embedding_kind = {.size = sizeof(struct embedding),
                                                       .forward_all = reel_embedding_forward,
                                                       .min_inputs = 1,
                                                       .max_inputs = 1,
                                                       .n_outputs = 1,
                                                       .named = true};

reel_embedding_options reel_embedding_defaults(void)
{
    return (reel_embedding_options){.mark = REEL_OPTIONS_MARK(reel_embedding_options),
                                    .padding_idx = REEL_NO_PADDING,
                                    .max_norm = INFINITY,
                                    .norm_type = 2,
                                    .freeze = true,
                                    .dtype = REEL_REAL};
}

/* A table whose rows are scaled in their place must hold what they become. */
static void expect_narrow(reel_context *c, const char *what, const reel_embedding_options *o)
{
    if (o->max_norm != INFINITY && !o->differentiable_max_norm)
        reel_fail(c, REEL_ERROR_ARGUMENT, "%s: max_norm scales rows of the table, which is bfloat16", what);
}

void reel_embedding_set_up(struct embedding *m, const char *what, int64_t num_embeddings, int64_t embedding_dim,
                           const reel_embedding_options *o)
{
    reel_param_kind kind = o->from_pretrained && o->freeze ? REEL_PARAM_FROZEN : REEL_PARAM_TRAINED;
    reel_shape shape = {2, {num_embeddings, embedding_dim}};
    m->weight = reel_module_param(&m->module, "weight", kind, o->dtype, shape);
    if (m->weight &&
        reel_table_check(m->module.params->context, what, num_embeddings, o->padding_idx, o->max_norm, o->norm_type) ==
            REEL_OK &&
        o->dtype != REEL_REAL)
        expect_narrow(m->module.params->context, what, o);
    if (o->dtype == REEL_REAL)
        reel_param_set_sparse(m->weight, o->sparse);
    m->lookup = reel_embedding_lookup_defaults();
    m->lookup.padding_idx = reel_table_padding(num_embeddings, o->padding_idx);
    m->lookup.scale_grad_by_freq = o->scale_grad_by_freq;
    m->max_norm = o->max_norm;
    m->norm_type = o->norm_type;
    m->differentiable_max_norm = o->differentiable_max_norm;
    m->look_up = look_up;
}

void reel_embedding_fill(struct embedding *m, const reel_embedding_options *o)
{
    reel_table_init(m->weight, m->lookup.padding_idx, o->from_pretrained, o->fast_init);
}

reel_module *reel_embedding_new(reel_params *params, const char *name, int64_t num_embeddings, int64_t embedding_dim,
                                const reel_embedding_options *options)
{
    reel_embedding_options o = reel_embedding_defaults();
    if (reel_options_take(reel_params_context(params), "embedding", options, &o) != REEL_OK)
        return NULL;
    struct embedding *m = reel_module_begin(params, name, &embedding_kind);
    if (!m)
        return NULL;
    reel_embedding_set_up(m, "embedding", num_embeddings, embedding_dim, &o);
    if (!reel_module_end(&m->module))
        return NULL;
    reel_embedding_fill(m, &o);
    return &m->module;
}
