/* Attention: as a function, as modules, and what tells positions of a sequence apart. Batches come first.
 *
 *     reel_module *attention = reel_multihead_attention_new(params, "attention", 64, 8, NULL);
 *     REEL_OPTIONS(attention, o, o.is_causal = true);
 *     reel_var y = reel_scaled_dot_product_attention(t, x, x, x, &o); // [32, 20, 64] */
#ifndef REEL_ATTENTION_H
#define REEL_ATTENTION_H

#include <reel/nn.h>
#include <reel/options.h>
#include <reel/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Functions ---- */

typedef struct reel_attention_options {
    reel_options_mark mark;
    /* What broadcasts to [..., L, S] (the null var: nothing): bool, true where a query may look at a key; or real,
     * added to the scores, where -INFINITY is as false. The real one gets a gradient. */
    reel_var attn_mask;
    bool is_causal;   /* false. Query i sees keys 0..i alone, beside what the mask says */
    double dropout_p; /* 0; the probability with which a weight is zeroed, whoever calls */
    double scale;     /* NAN: 1 / sqrt(E) */
} reel_attention_options;
REEL_API reel_attention_options reel_attention_defaults(void);

/* softmax(scale query key^T + mask) value: torch.nn.functional.scaled_dot_product_attention. query [..., L, E], key
 * [..., S, E], value [..., S, V] -> [..., L, V]; all have the same number of axes, and those in front broadcast. A
 * query that may look at nothing gets zeros, as in PyTorch 2.15, and gives no gradient. It consists of operations with
 * derivatives of any order. options NULL: the defaults. REEL_ERROR_SHAPE when shapes do not fit, REEL_ERROR_DTYPE for
 * what is not real (a mask: or bool), REEL_ERROR_ARGUMENT when dropout_p is outside 0..1. */
REEL_API reel_var reel_scaled_dot_product_attention(reel_tape *tape, reel_var query, reel_var key, reel_var value,
                                                    const reel_attention_options *options);

/* The first half of it, softmax(scale query key^T + mask) [..., L, S], after dropout. */
REEL_API reel_var reel_attention_weights(reel_tape *tape, reel_var query, reel_var key,
                                         const reel_attention_options *options);

/* [length, features]: at position i, column 2 k is sin(i w) and column 2 k + 1 is cos(i w), with w = 10000^(-2 k /
 * features) (Vaswani et al. 2017, Attention is all you need). A constant, to be added to embeddings.
 * REEL_ERROR_ARGUMENT when a size is negative. */
REEL_API reel_var reel_sinusoidal_positions(reel_tape *tape, int64_t length, int64_t features);

/* ---- Modules ---- */

/* Several attentions side by side, each over its part of the features (nn.MultiheadAttention with batch_first).
 * Inputs, in the order of the module in PyTorch:
 *
 *     query [batch, L, embed_dim]
 *     key [batch, S, kdim] (left out: the query) and value [batch, S, vdim] (left out: the key)
 *     key_padding_mask [batch, S], or left out
 *     attn_mask [L, S] or [batch * num_heads, L, S], or left out
 *
 * A mask is bool, true where a key must NOT be looked at, or real, added to the scores. Outputs: [batch, L, embed_dim],
 * and with need_weights the weights [batch, L, S], the mean over heads, or [batch, num_heads, L, S]. A query that may
 * look at nothing gets the output layer's bias, and weights of zero.
 *
 * Params: in_proj_weight [3 embed_dim, embed_dim], or, when kdim or vdim are others, q_proj_weight [embed_dim,
 * embed_dim], k_proj_weight [embed_dim, kdim] and v_proj_weight [embed_dim, vdim]; in_proj_bias [3 embed_dim];
 * out_proj.weight [embed_dim, embed_dim] and out_proj.bias. REEL_ERROR_ARGUMENT when num_heads does not divide
 * embed_dim, a size is less than 1, or dropout is outside 0..1. */
typedef struct reel_multihead_attention_options {
    reel_options_mark mark;
    double dropout;            /* 0: of the weights, in training */
    bool bias;                 /* true */
    int64_t kdim, vdim;        /* 0: embed_dim */
    bool is_causal;            /* false: query i sees keys 0..i alone */
    bool need_weights;         /* false (PyTorch's is true): there is a second output */
    bool average_attn_weights; /* true: over heads */
} reel_multihead_attention_options;
REEL_API reel_multihead_attention_options reel_multihead_attention_defaults(void);
REEL_API reel_module *reel_multihead_attention_new(reel_params *params, const char *name, int64_t embed_dim,
                                                   int64_t num_heads, const reel_multihead_attention_options *options);

/* A layer of a transformer's encoder (nn.TransformerEncoderLayer with batch_first): self-attention, then two linear
 * layers with an activation between them, each with dropout, a residual connection and a layer norm. Inputs: x [batch,
 * L, d_model], src_mask and src_key_padding_mask as above or left out. Output: [batch, L, d_model]. Its modules are
 * called self_attn, linear1, linear2, norm1 and norm2. */
typedef struct reel_transformer_options {
    reel_options_mark mark;
    int64_t dim_feedforward; /* 2048; at least 1 */
    double dropout;          /* 0.1: of attention weights, after the activation, and before each sum, in training */
    bool gelu;               /* false: relu */
    double layer_norm_eps;   /* 1e-5 */
    bool norm_first;         /* false: x = norm(x + f(x)); true: x = x + f(norm(x)) */
    bool bias;               /* true: of all layers in it */
    bool is_causal;          /* false: position i sees positions 0..i alone */
    bool final_norm;         /* false. Of an encoder: a layer norm called "norm" behind its last layer */
} reel_transformer_options;
REEL_API reel_transformer_options reel_transformer_defaults(void);
REEL_API reel_module *reel_transformer_encoder_layer_new(reel_params *params, const char *name, int64_t d_model,
                                                         int64_t nhead, const reel_transformer_options *options);

/* num_layers >= 1 of these, one after the other, called "layers.0" and so on (nn.TransformerEncoder). As there, all
 * begin with the initial values of the first. Inputs and output are those of a layer. */
REEL_API reel_module *reel_transformer_encoder_new(reel_params *params, const char *name, int64_t d_model,
                                                   int64_t nhead, int num_layers,
                                                   const reel_transformer_options *options);

/* x [..., length, features] plus a row of its own for each position: param weight [max_length, features] from N(0, 1),
 * as an nn.Embedding of arange(length) has it. REEL_ERROR_SHAPE when x is longer than max_length, or has other
 * features. */
REEL_API reel_module *reel_learned_positions_new(reel_params *params, const char *name, int64_t max_length,
                                                 int64_t features);

#ifdef __cplusplus
}
#endif

#endif
