/* Exchanges params with layers.py, which knows the same layers of PyTorch:
 *
 *     interop_layers save FILE            the params of every layer, and beside it FILE.run, a checkpoint of a run
 *     interop_layers copy FILE TO         reads FILE strictly, and saves what it read
 *     interop_layers some FILE TO         the same where FILE has other names, too, and lacks some
 */
#include <reel/reel.h>

#include <stdio.h>
#include <string.h>

static void make_layers(reel_params *p)
{
    REEL_OPTIONS(linear, no_bias, no_bias.bias = false);
    REEL_OPTIONS(conv, grouped, grouped.groups = 2);
    REEL_OPTIONS(instance_norm, tracked, tracked.affine = tracked.track_running_stats = true);
    REEL_OPTIONS(weight_norm, whole, whole.dim = -1);
    REEL_OPTIONS(recurrent, deep, deep.num_layers = 2, deep.bidirectional = true);
    reel_linear_new(p, "linear", 5, 3, NULL);
    reel_linear_new(p, "linear_no_bias", 5, 3, &no_bias);
    reel_embedding_new(p, "embedding", 7, 3, NULL);
    reel_embedding_bag_new(p, "embedding_bag", 7, 3, NULL);
    reel_batch_norm1d_new(p, "batch_norm1d", 4, NULL);
    reel_batch_norm2d_new(p, "batch_norm2d", 4, NULL);
    reel_layer_norm_new(p, "layer_norm", REEL_SHAPE(3, 4), NULL);
    reel_rms_norm_new(p, "rms_norm", REEL_SHAPE(3, 4), NULL);
    reel_group_norm_new(p, "group_norm", 2, 4, NULL);
    reel_instance_norm1d_new(p, "instance_norm1d", 4, NULL);
    reel_instance_norm2d_new(p, "instance_norm2d", 4, &tracked);
    reel_conditional_batch_norm_new(p, "conditional_batch_norm", 4, 3, NULL);
    reel_conv1d_new(p, "conv1d", 4, 6, 3, NULL);
    reel_conv2d_new(p, "conv2d", 4, 6, 3, 2, &grouped);
    reel_conv_transpose1d_new(p, "conv_transpose1d", 4, 6, 3, NULL);
    reel_conv_transpose2d_new(p, "conv_transpose2d", 4, 6, 3, 2, &grouped);
    reel_gru_new(p, "gru", 5, 4, &deep);
    reel_lstm_new(p, "lstm", 5, 4, &deep);
    reel_gru_cell_new(p, "gru_cell", 5, 4, true);
    reel_lstm_cell_new(p, "lstm_cell", 5, 4, true);
    REEL_OPTIONS(multihead_attention, other, other.kdim = 3, other.vdim = 5);
    REEL_OPTIONS(transformer, encoder, encoder.dim_feedforward = 6, encoder.final_norm = true);
    reel_multihead_attention_new(p, "attention", 6, 2, NULL);
    reel_multihead_attention_new(p, "cross_attention", 6, 2, &other);
    reel_transformer_encoder_new(p, "encoder", 4, 2, 2, &encoder);
    reel_learned_positions_new(p, "positions", 7, 3);
    reel_prelu_new(p, "prelu", 3, 0.25);
    reel_spectral_norm(reel_linear_new(p, "spectral_linear", 5, 3, NULL), NULL);
    reel_spectral_norm(reel_conv2d_new(p, "spectral_conv2d", 4, 6, 3, 2, &grouped), NULL);
    reel_spectral_norm(reel_conv_transpose1d_new(p, "spectral_conv_transpose1d", 4, 6, 3, NULL), NULL);
    reel_spectral_norm(reel_embedding_new(p, "spectral_embedding", 7, 3, NULL), NULL);
    reel_weight_norm(reel_conv1d_new(p, "weight_conv1d", 4, 6, 3, NULL), NULL);
    reel_weight_norm(reel_linear_new(p, "weight_linear", 5, 3, NULL), &whole);
    reel_module *parts[] = {reel_linear_new(p, "sequential.0", 5, 4, NULL), reel_relu_new(p),
                            reel_linear_new(p, "sequential.2", 4, 3, NULL)};
    reel_sequential_new(p, parts, 3);
}

/* A run of a few steps: the params, an optimizer and the generator. */
static void save_run(reel_params *p, const char *path)
{
    reel_context *c = reel_params_context(p);
    reel_tape *t = reel_tape_new(c);
    reel_module *linear = reel_linear_new(p, "run", 5, 1, NULL);
    reel_optim *adam = reel_adam_new(p, NULL);
    reel_checkpoint *run = reel_checkpoint_new(c);
    reel_checkpoint_add_params(run, "model", p);
    reel_checkpoint_add_optim(run, "adam", adam);
    for (int i = 0; i < 3; i++) {
        reel_var x = reel_randn(t, REEL_SHAPE(4, 5));
        reel_backward(t, reel_mean_all(t, reel_square(t, reel_forward(t, linear, x))), p);
        reel_optim_step(adam);
        reel_zero_grad(p);
        reel_tape_reset(t);
    }
    reel_checkpoint_save(run, path);
    reel_checkpoint_free(run);
    reel_optim_free(adam);
    reel_tape_free(t);
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    reel_context *c = reel_context_new(NULL);
    reel_params *p = reel_params_new(c);
    make_layers(p);
    if (strcmp(argv[1], "save") == 0) {
        char path[2048];
        reel_save_safetensors(p, argv[2]);
        snprintf(path, sizeof path, "%s.run", argv[2]);
        save_run(p, path);
    } else if (argc == 4) {
        REEL_OPTIONS(load, o, o.strict = strcmp(argv[1], "copy") == 0);
        reel_load_safetensors(p, argv[2], &o);
        reel_save_safetensors(p, argv[3]);
    }
    bool failed = reel_context_status(c) != REEL_OK;
    if (failed)
        fprintf(stderr, "%s\n", reel_error(c));
    reel_params_free(p);
    reel_context_free(c);
    return failed;
}
