/* Modules: layers that hold params and state, called with reel_forward.
 *
 * A module belongs to the param set that it was made in and is freed with it; there is nothing else to free. Its params
 * and buffers are in the set under "<name>.weight" and so on, as state_dict would call them (with the name "" they are
 * called "weight"). Random initial values come from the context's generator in the order of construction, so that after
 * the same seed they are PyTorch's, bit for bit. A constructor that fails gives NULL, leaves the error in the context,
 * and leaves the set and the generator as they were; NULL params give NULL. Options come from the ..._defaults()
 * function; NULL stands for all defaults. */
#ifndef REEL_NN_H
#define REEL_NN_H

#include <reel/convolution.h>
#include <reel/gather.h>
#include <reel/matmul.h>
#include <reel/options.h>
#include <reel/params.h>
#include <reel/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A layer, or several that are called as one. */
typedef struct reel_module reel_module;

/* The module's output for x, the first of several. Failures name the layer that they are in. NULL gives the null var
 * (and is an error, unless the context has one already: that of the constructor that gave NULL). The tape must be of
 * the module's context. A layer that fails leaves its buffers and the generator as they were; of a module made of
 * others, those before the one that failed have run. */
REEL_API reel_var reel_forward(reel_tape *tape, reel_module *module, reel_var x);

/* The same for modules with several inputs and outputs. Inputs that a module does not need may be left out at the end,
 * or be the null var. `outputs` gets the first n_outputs of its outputs, null vars on error. REEL_ERROR_ARGUMENT when
 * the module takes fewer inputs, needs more, or gives fewer outputs.
 *
 *     reel_var bag, state[2];
 *     reel_forward_all(t, embedding_bag, REEL_VARS(index, offsets), &bag, 1);
 *     reel_forward_all(t, cell, REEL_VARS(x, h), state, 2); */
REEL_API reel_status reel_forward_all(reel_tape *tape, reel_module *module, const reel_var *inputs, int n_inputs,
                                      reel_var *outputs, int n_outputs);

/* The most inputs, and the most outputs, that a module may have. */
#define REEL_MAX_MODULE_VARS 8

/* Whether modules behave as in training (the state that they are made in) or as in evaluation: dropout and batch
 * normalisation differ. reel_train and reel_eval switch every module made in the set so far; reel_module_train
 * switches one and all modules in it (Module.train, Module.eval). NULL does nothing. */
REEL_API void reel_train(reel_params *params);
REEL_API void reel_eval(reel_params *params);
REEL_API void reel_module_train(reel_module *module, bool training);
REEL_API bool reel_module_is_training(const reel_module *module);

/* ---- Layers with params ---- */

/* x [..., in_features] -> x weight^T + bias [..., out_features] (nn.Linear). Params: weight [out_features, in_features]
 * and bias [out_features], both uniform on +-1/sqrt(in_features). With an activation the layer ends with it, which
 * costs less than a layer of its own (reel_linear_activation). REEL_ERROR_ARGUMENT as there. */
typedef struct reel_linear_options {
    reel_options_mark mark;
    bool bias;                  /* true */
    reel_activation activation; /* REEL_ACTIVATION_NONE */
    double negative_slope;      /* of REEL_ACTIVATION_LEAKY_RELU, at least 0: 0.01 */
} reel_linear_options;
REEL_API reel_linear_options reel_linear_defaults(void);
REEL_API reel_module *reel_linear_new(reel_params *params, const char *name, int64_t in_features, int64_t out_features,
                                      const reel_linear_options *options);

/* Indices of any shape [...], int64 or int32 -> rows of a table [..., embedding_dim] (nn.Embedding). Param: weight
 * [num_embeddings, embedding_dim] from N(0, 1). An index outside 0..num_embeddings-1 is REEL_ERROR_INDEX, found before
 * anything is written. */
typedef struct reel_embedding_options {
    reel_options_mark mark;
    /* The row that gets no gradient and starts as zeros; -num_embeddings..num_embeddings-1, negative ones count from
     * the end. REEL_NO_PADDING (the default): none. */
    int64_t padding_idx;
    /* Rows that are looked up and whose norm is larger are first scaled down to it, in the table itself: by
     * max_norm / (norm + 1e-7), each once. That counts as a change of the param, which gradients do not see. Vars made
     * before keep their values, and gradients are right for them too (in PyTorch they are not, or an error): when a
     * rule on the tape reads the table (a product with it, say; lookups do not), the table is copied as a whole into
     * the tape's memory before it changes, so with such rules each changing lookup costs a copy. INFINITY (the
     * default): none. */
    double max_norm;
    double norm_type; /* which p-norm: 2; 0 counts what is not 0, INFINITY is the largest magnitude */
    /* Instead: the rows are scaled after the lookup (reel_renorm). The table stays as it is, and gradients are those of
     * the scaled rows. */
    bool differentiable_max_norm;
    bool scale_grad_by_freq; /* divide the gradient of a row by how often the lookup has it */
    bool sparse;             /* gradients stay row-sparse (reel_param_set_sparse) */
    bool fast_init;          /* draw the table with reel_init_normal_fast: not PyTorch's numbers */
    /* Instead of drawing: the whole table, num_embeddings * embedding_dim elements that are copied; padding_idx does
     * not zero its row then. With freeze (the default) it gets no gradient (Embedding.from_pretrained); freeze has no
     * meaning without it. */
    const reel_real *from_pretrained;
    bool freeze;
    /* REEL_REAL, or REEL_BFLOAT16: a table, and states of its optimizers, of half the size (see reel_param_new).
     * Initial values are those of a real one, rounded. Gradients are row-sparse whatever `sparse` says; max_norm only
     * with differentiable_max_norm, else REEL_ERROR_ARGUMENT. */
    reel_dtype dtype;
} reel_embedding_options;
REEL_API reel_embedding_options reel_embedding_defaults(void);
REEL_API reel_module *reel_embedding_new(reel_params *params, const char *name, int64_t num_embeddings,
                                         int64_t embedding_dim, const reel_embedding_options *options);

/* Bags of indices -> for each bag a row [embedding_dim], reduced from the rows of its indices (nn.EmbeddingBag;
 * reel_embedding_bag in <reel/gather.h> says how). Param: weight [num_embeddings, embedding_dim] from N(0, 1).
 * Inputs: the indices; offsets, unless the indices have two axes, whose rows are the bags then; and per-sample weights
 * of the indices' shape, or none. Errors in them are those of reel_embedding_bag. */
typedef struct reel_embedding_bag_options {
    reel_options_mark mark;
    reel_bag_mode mode;               /* REEL_BAG_MEAN */
    bool include_last_offset;         /* the offsets end with where the last bag ends, the number of indices */
    int64_t padding_idx;              /* as for an embedding; its indices are left out of the bags, too */
    double max_norm;                  /* this and the rest as for an embedding, in every mode */
    double norm_type;                 /* 2 */
    bool scale_grad_by_freq;          /* false */
    bool sparse, fast_init;           /* false */
    const reel_real *from_pretrained; /* NULL */
    bool freeze;                      /* true */
} reel_embedding_bag_options;
REEL_API reel_embedding_bag_options reel_embedding_bag_defaults(void);
REEL_API reel_module *reel_embedding_bag_new(reel_params *params, const char *name, int64_t num_embeddings,
                                             int64_t embedding_dim, const reel_embedding_bag_options *options);
/* reel_forward_all with these inputs, each of the last two the null var for none. */
REEL_API reel_var reel_embedding_bag_forward(reel_tape *tape, reel_module *module, reel_var index, reel_var offsets,
                                             reel_var per_sample_weights);

/* x [batch, num_features] or [batch, num_features, length], for reel_batch_norm2d_new [batch, num_features, height,
 * width] -> the same shape, each feature normalised (nn.BatchNorm1d, nn.BatchNorm2d): in training by the batch's mean
 * and biased variance, in evaluation by the running ones. Params: weight (ones) and bias (zeros) [num_features].
 * Buffers: running_mean, running_var [num_features] and num_batches_tracked (int64, no axes). A forward pass in
 * training moves them, once it has succeeded: running = (1 - momentum) * running + momentum * batch, with the unbiased
 * variance. */
typedef struct reel_batch_norm_options {
    reel_options_mark mark;
    double eps;               /* 1e-5 */
    double momentum;          /* 0.1; NaN: the plain average over all batches (PyTorch's None) */
    bool affine;              /* true: has weight and bias */
    bool bias;                /* true; without affine it has no meaning */
    bool track_running_stats; /* true; false: no buffers, and evaluation uses the batch's statistics too */
} reel_batch_norm_options;
REEL_API reel_batch_norm_options reel_batch_norm_defaults(void);
REEL_API reel_module *reel_batch_norm1d_new(reel_params *params, const char *name, int64_t num_features,
                                            const reel_batch_norm_options *options);
REEL_API reel_module *reel_batch_norm2d_new(reel_params *params, const char *name, int64_t num_features,
                                            const reel_batch_norm_options *options);

/* Convolutions (nn.Conv1d, nn.Conv2d, nn.ConvTranspose1d, nn.ConvTranspose2d): x [batch, in_channels, ...] ->
 * [batch, out_channels, ...], or both without the first axis; <reel/convolution.h> has the sizes and the errors.
 * Params: weight [out_channels, in_channels / groups, kernel sizes], transposed [in_channels, out_channels / groups,
 * kernel sizes], and bias [out_channels]; both uniform on +-1/sqrt(second axis of weight * kernel sizes). */
REEL_API reel_module *reel_conv1d_new(reel_params *params, const char *name, int64_t in_channels, int64_t out_channels,
                                      int64_t kernel_size, const reel_conv_options *options);
REEL_API reel_module *reel_conv2d_new(reel_params *params, const char *name, int64_t in_channels, int64_t out_channels,
                                      int64_t kernel_height, int64_t kernel_width, const reel_conv_options *options);
REEL_API reel_module *reel_conv_transpose1d_new(reel_params *params, const char *name, int64_t in_channels,
                                                int64_t out_channels, int64_t kernel_size,
                                                const reel_conv_options *options);
REEL_API reel_module *reel_conv_transpose2d_new(reel_params *params, const char *name, int64_t in_channels,
                                                int64_t out_channels, int64_t kernel_height, int64_t kernel_width,
                                                const reel_conv_options *options);

/* Recurrent layers over batches of sequences (nn.GRU and nn.LSTM with batch_first=True).
 *
 * Inputs: x [batch, steps, input_size], steps >= 1; the first states h, of LSTM also c, [num_layers * directions,
 * batch, hidden_size], each the null var for zeros; and lengths, int64 or int32 [batch] from 1 to steps in any order,
 * or none when all sequences are as long as x. Outputs: those of the last layer [batch, steps, directions *
 * hidden_size], zeros past a sequence's end, and the last states, each at its sequence's true end, of the shape of the
 * first ones. What x holds past an end has no influence, as with PyTorch's packed sequences.
 *
 *     reel_var out[2];
 *     reel_forward_all(t, gru, REEL_VARS(x, reel_null(), lengths), out, 2);
 *
 * Params of layer L: weight_ih_lL [gates * hidden_size, input], weight_hh_lL [gates * hidden_size, hidden_size],
 * bias_ih_lL and bias_hh_lL [gates * hidden_size], those of the second direction with "_reverse" behind; gates are 3
 * and 4, in the order of <reel/recurrent.h>; all uniform on +-1/sqrt(hidden_size). REEL_ERROR_SHAPE, and
 * REEL_ERROR_INDEX for a length outside. */
typedef struct reel_recurrent_options {
    reel_options_mark mark;
    int num_layers;     /* 1; each takes the outputs of the one before */
    bool bias;          /* true */
    double dropout;     /* 0; from 0 to 1: dropout of the outputs of all layers but the last, in training */
    bool bidirectional; /* false; true: 2 directions, whose outputs are joined */
} reel_recurrent_options;
REEL_API reel_recurrent_options reel_recurrent_defaults(void);
REEL_API reel_module *reel_gru_new(reel_params *params, const char *name, int64_t input_size, int64_t hidden_size,
                                   const reel_recurrent_options *options);
REEL_API reel_module *reel_lstm_new(reel_params *params, const char *name, int64_t input_size, int64_t hidden_size,
                                    const reel_recurrent_options *options);

/* One step of one layer (nn.GRUCell, nn.LSTMCell). Inputs: x [batch, input_size], the states h, of LSTM also c, [batch,
 * hidden_size], each the null var for zeros. Outputs: the new states. Params weight_ih, weight_hh and, with bias,
 * bias_ih and bias_hh, as above. */
REEL_API reel_module *reel_gru_cell_new(reel_params *params, const char *name, int64_t input_size, int64_t hidden_size,
                                        bool bias);
REEL_API reel_module *reel_lstm_cell_new(reel_params *params, const char *name, int64_t input_size, int64_t hidden_size,
                                         bool bias);

/* x whose last axes are normalized_shape -> the same shape, normalised over those axes (nn.LayerNorm). Params: weight
 * (ones) and bias (zeros) of normalized_shape, which has at least one axis. */
typedef struct reel_layer_norm_options {
    reel_options_mark mark;
    double eps;              /* 1e-5 */
    bool elementwise_affine; /* true: has weight and bias */
    bool bias;               /* true; without elementwise_affine it has no meaning */
} reel_layer_norm_options;
REEL_API reel_layer_norm_options reel_layer_norm_defaults(void);
REEL_API reel_module *reel_layer_norm_new(reel_params *params, const char *name, reel_shape normalized_shape,
                                          const reel_layer_norm_options *options);

/* ---- Slopes that are learned ---- */

/* reel_prelu with the param "weight" [num_parameters], which begins as init (nn.PReLU, whose defaults are 1 and 0.25):
 * one slope, or one for each place of axis 1. REEL_ERROR_SHAPE when num_parameters is less than 1. */
REEL_API reel_module *reel_prelu_new(reel_params *params, const char *name, int64_t num_parameters, double init);

/* ---- Layers without params ---- */

/* In training, zeroes each element with probability p (0..1) and divides the others by 1 - p (nn.Dropout). */
REEL_API reel_module *reel_dropout_new(reel_params *params, double p);

/* The activations of <reel/unary.h> and reel_flatten as modules, for sequentials. */
REEL_API reel_module *reel_relu_new(reel_params *params);
REEL_API reel_module *reel_leaky_relu_new(reel_params *params, double negative_slope);
REEL_API reel_module *reel_elu_new(reel_params *params, double alpha);
REEL_API reel_module *reel_gelu_new(reel_params *params, bool tanh_form);
REEL_API reel_module *reel_silu_new(reel_params *params);
REEL_API reel_module *reel_mish_new(reel_params *params);
REEL_API reel_module *reel_selu_new(reel_params *params);
REEL_API reel_module *reel_glu_new(reel_params *params, int axis);
REEL_API reel_module *reel_sigmoid_new(reel_params *params);
REEL_API reel_module *reel_tanh_new(reel_params *params);
REEL_API reel_module *reel_softplus_new(reel_params *params, double beta, double threshold);
REEL_API reel_module *reel_flatten_new(reel_params *params, int start_axis, int end_axis);

/* ---- Modules made of others ---- */

/* Calls n >= 0 modules in order (nn.Sequential). The array is copied; the modules stay what they are and may be of
 * other sets; a call after one of these was freed is REEL_ERROR_STATE. A NULL among them makes it fail. In C, make them
 * before this call rather than inside it: the order in which arguments are evaluated is open, and with it who draws
 * first. */
REEL_API reel_module *reel_sequential_new(reel_params *params, reel_module *const *modules, int n);

/* REEL_MODULES(a, b): a list for functions that take modules and their count. */
#define REEL_MODULES(...) REEL_LIST(reel_module *, __VA_ARGS__)

/* ---- Modules of your own ---- */

/* Computes the outputs in public operations. `inputs` has max_inputs vars, null vars for those that were left out;
 * `outputs` begins as n_outputs null vars. The module's state is reel_module_is_training, and the modules that it was
 * made with are reel_module_at. A null var or an error that it leaves is the caller's. */
typedef void (*reel_forward_function)(reel_tape *tape, reel_module *module, const reel_var *inputs, reel_var *outputs,
                                      void *user);

typedef struct reel_module_options {
    reel_options_mark mark;
    int min_inputs, max_inputs; /* 1 and 1; from 1 to REEL_MAX_MODULE_VARS */
    int n_outputs;              /* 1 */
    /* The n_modules modules that it calls; the array is copied. They stay what they are, may be of other sets (a call
     * after one of these was freed is REEL_ERROR_STATE), and follow the state of this one (reel_module_train). */
    reel_module *const *modules;
    int n_modules; /* 0 */
} reel_module_options;
REEL_API reel_module_options reel_module_defaults(void);

/* The name is for errors; NULL or "" for none. `user` is passed through and must live as long as the module is called.
 * Make its params and its modules in the same set, between reel_params_enter and reel_params_leave, so that they have
 * the module's name in front and it can be made several times; like every module, all of them are freed with the set.
 * REEL_ERROR_ARGUMENT for numbers outside their range, and for NULL as `forward` or among the modules.
 *
 *     static void residual(reel_tape *tape, reel_module *m, const reel_var *inputs, reel_var *outputs, void *user)
 *     {
 *         (void)user;
 *         reel_var h = reel_relu(tape, reel_forward(tape, reel_module_at(m, 0), inputs[0]));
 *         outputs[0] = reel_add(tape, inputs[0], reel_forward(tape, reel_module_at(m, 1), h));
 *     }
 *
 *     static reel_module *residual_new(reel_params *params, const char *name, int64_t features, int64_t hidden)
 *     {
 *         reel_params_enter(params, name);
 *         reel_module *fc1 = reel_linear_new(params, "fc1", features, hidden, NULL);
 *         reel_module *fc2 = reel_linear_new(params, "fc2", hidden, features, NULL);
 *         reel_params_leave(params, name);
 *         reel_module *parts[] = {fc1, fc2};
 *         REEL_OPTIONS(module, o, o.modules = parts, o.n_modules = 2);
 *         return reel_module_new(params, name, residual, NULL, &o);
 *     } */
REEL_API reel_module *reel_module_new(reel_params *params, const char *name, reel_forward_function forward, void *user,
                                      const reel_module_options *options);

/* Module i of those that a module of your own was made with; NULL when there is none. */
REEL_API reel_module *reel_module_at(const reel_module *module, int i);

#ifdef __cplusplus
}
#endif

#endif
