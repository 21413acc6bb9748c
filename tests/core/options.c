/* Option structs that did not come from their ..._defaults() are refused, by every function that takes one. */
#include "support/fixture.h"

#include <reel/watch.h>

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

TestSuite(options, .init = set_up, .fini = tear_down);

static reel_optim *optim;
static reel_var x, classes;
static const reel_sample sample;

static reel_var first(reel_tape *tape, const reel_var *inputs, int n, void *user)
{
    (void)tape;
    (void)user;
    return n > 0 ? inputs[0] : reel_null();
}

static void identity(reel_tape *tape, reel_module *module, const reel_var *inputs, reel_var *outputs, void *user)
{
    (void)tape;
    (void)module;
    (void)user;
    outputs[0] = inputs[0];
}

/* Options are looked at before the var, which the loader does not have. */
static void with_loader(const reel_augment_options *options)
{
    reel_loader *loader = reel_loader_new(c, 4, NULL);
    reel_loader_augment(loader, 0, options);
    reel_loader_free(loader);
}

/* Of a module in a set of its own, which must not be changed. */
static void with_module(reel_module *(*function)(reel_module *, const void *), const void *options)
{
    reel_params *own = reel_params_new(c);
    function(reel_linear_new(own, "m", 2, 2, NULL), options);
    cr_expect_eq(reel_params_count(own), 2);
    reel_params_free(own);
}

static reel_module *spectral_norm(reel_module *module, const void *options)
{
    return reel_spectral_norm(module, options);
}

static reel_module *weight_norm(reel_module *module, const void *options)
{
    return reel_weight_norm(module, options);
}

static void with_run(const reel_picture_options *options)
{
    char folder[] = "/tmp/reel_options_XXXXXX";
    cr_assert(mkdtemp(folder));
    REEL_OPTIONS(run, nothing, nothing.csv = nothing.events = nothing.report = false);
    reel_run *run = reel_run_open(c, folder, &nothing);
    reel_run_add_images(run, "x", reel_data(t, x), REEL_SHAPE(1, 2, 2), options, 0);
    reel_run_close(run);
    cr_expect_eq(rmdir(folder), 0, "nothing was written");
}

/* F(function, kind, call): how the function is called with options `o`, of reel_<kind>_options. */
#define FUNCTIONS(F)                                                                                                   \
    F(reel_sgd_new, sgd, reel_sgd_new(p, &o))                                                                          \
    F(reel_adam_new, adam, reel_adam_new(p, &o))                                                                       \
    F(reel_adamw_new, adamw, reel_adamw_new(p, &o))                                                                    \
    F(reel_rmsprop_new, rmsprop, reel_rmsprop_new(p, &o))                                                              \
    F(reel_adagrad_new, adagrad, reel_adagrad_new(p, &o))                                                              \
    F(reel_rowwise_adagrad_new, rowwise_adagrad, reel_rowwise_adagrad_new(p, &o))                                      \
    F(reel_nadam_new, nadam, reel_nadam_new(p, &o))                                                                    \
    F(reel_radam_new, radam, reel_radam_new(p, &o))                                                                    \
    F(reel_adamax_new, adamax, reel_adamax_new(p, &o))                                                                 \
    F(reel_adadelta_new, adadelta, reel_adadelta_new(p, &o))                                                           \
    F(reel_lamb_new, lamb, reel_lamb_new(p, &o))                                                                       \
    F(reel_sgd_add_group, sgd, reel_sgd_add_group(optim = reel_sgd_new(p, NULL), NULL, &o))                            \
    F(reel_adam_add_group, adam, reel_adam_add_group(optim = reel_adam_new(p, NULL), NULL, &o))                        \
    F(reel_adamw_add_group, adamw, reel_adamw_add_group(optim = reel_adamw_new(p, NULL), NULL, &o))                    \
    F(reel_rmsprop_add_group, rmsprop, reel_rmsprop_add_group(optim = reel_rmsprop_new(p, NULL), NULL, &o))            \
    F(reel_adagrad_add_group, adagrad, reel_adagrad_add_group(optim = reel_adagrad_new(p, NULL), NULL, &o))            \
    F(reel_rowwise_adagrad_add_group, rowwise_adagrad,                                                                 \
      reel_rowwise_adagrad_add_group(optim = reel_rowwise_adagrad_new(p, NULL), NULL, &o))                             \
    F(reel_nadam_add_group, nadam, reel_nadam_add_group(optim = reel_nadam_new(p, NULL), NULL, &o))                    \
    F(reel_radam_add_group, radam, reel_radam_add_group(optim = reel_radam_new(p, NULL), NULL, &o))                    \
    F(reel_adamax_add_group, adamax, reel_adamax_add_group(optim = reel_adamax_new(p, NULL), NULL, &o))                \
    F(reel_adadelta_add_group, adadelta, reel_adadelta_add_group(optim = reel_adadelta_new(p, NULL), NULL, &o))        \
    F(reel_lamb_add_group, lamb, reel_lamb_add_group(optim = reel_lamb_new(p, NULL), NULL, &o))                        \
    F(reel_one_cycle_lr_new, one_cycle_lr, reel_one_cycle_lr_new(optim = reel_adam_new(p, NULL), 10, &o))              \
    F(reel_reduce_lr_on_plateau_new, reduce_lr_on_plateau,                                                             \
      reel_reduce_lr_on_plateau_new(optim = reel_adam_new(p, NULL), &o))                                               \
    F(reel_loader_new, loader, reel_loader_free(reel_loader_new(c, 4, &o)))                                            \
    F(reel_loader_augment, augment, with_loader(&o))                                                                   \
    F(reel_vocabulary_new, vocabulary, reel_vocabulary_free(reel_vocabulary_new(c, &o)))                               \
    F(reel_linear_new, linear, reel_linear_new(p, "m", 2, 2, &o))                                                      \
    F(reel_embedding_new, embedding, reel_embedding_new(p, "m", 2, 2, &o))                                             \
    F(reel_embedding_bag_new, embedding_bag, reel_embedding_bag_new(p, "m", 2, 2, &o))                                 \
    F(reel_batch_norm1d_new, batch_norm, reel_batch_norm1d_new(p, "m", 2, &o))                                         \
    F(reel_batch_norm2d_new, batch_norm, reel_batch_norm2d_new(p, "m", 2, &o))                                         \
    F(reel_conditional_batch_norm_new, batch_norm, reel_conditional_batch_norm_new(p, "m", 2, 3, &o))                  \
    F(reel_instance_norm1d_new, instance_norm, reel_instance_norm1d_new(p, "m", 2, &o))                                \
    F(reel_instance_norm2d_new, instance_norm, reel_instance_norm2d_new(p, "m", 2, &o))                                \
    F(reel_group_norm_new, group_norm, reel_group_norm_new(p, "m", 2, 4, &o))                                          \
    F(reel_rms_norm_new, rms_norm, reel_rms_norm_new(p, "m", REEL_SHAPE(2), &o))                                       \
    F(reel_spectral_norm, spectral_norm, with_module(spectral_norm, &o))                                               \
    F(reel_weight_norm, weight_norm, with_module(weight_norm, &o))                                                     \
    F(reel_max_pool1d_new, pool, reel_max_pool1d_new(p, 2, &o))                                                        \
    F(reel_max_pool2d_new, pool, reel_max_pool2d_new(p, 2, 2, &o))                                                     \
    F(reel_avg_pool1d_new, pool, reel_avg_pool1d_new(p, 2, &o))                                                        \
    F(reel_avg_pool2d_new, pool, reel_avg_pool2d_new(p, 2, 2, &o))                                                     \
    F(reel_max_pool1d, pool, reel_max_pool1d(t, x, 2, &o, NULL))                                                       \
    F(reel_max_pool2d, pool, reel_max_pool2d(t, x, 2, 2, &o, NULL))                                                    \
    F(reel_avg_pool1d, pool, reel_avg_pool1d(t, x, 2, &o))                                                             \
    F(reel_avg_pool2d, pool, reel_avg_pool2d(t, x, 2, 2, &o))                                                          \
    F(reel_upsample_new, upsample, reel_upsample_new(p, &o))                                                           \
    F(reel_conv1d_new, conv, reel_conv1d_new(p, "m", 2, 2, 3, &o))                                                     \
    F(reel_conv2d_new, conv, reel_conv2d_new(p, "m", 2, 2, 3, 3, &o))                                                  \
    F(reel_conv_transpose1d_new, conv, reel_conv_transpose1d_new(p, "m", 2, 2, 3, &o))                                 \
    F(reel_conv_transpose2d_new, conv, reel_conv_transpose2d_new(p, "m", 2, 2, 3, 3, &o))                              \
    F(reel_conv1d, conv, reel_conv1d(t, x, x, reel_null(), &o))                                                        \
    F(reel_conv2d, conv, reel_conv2d(t, x, x, reel_null(), &o))                                                        \
    F(reel_conv_transpose1d, conv, reel_conv_transpose1d(t, x, x, reel_null(), &o))                                    \
    F(reel_conv_transpose2d, conv, reel_conv_transpose2d(t, x, x, reel_null(), &o))                                    \
    F(reel_gru_new, recurrent, reel_gru_new(p, "m", 2, 2, &o))                                                         \
    F(reel_lstm_new, recurrent, reel_lstm_new(p, "m", 2, 2, &o))                                                       \
    F(reel_scaled_dot_product_attention, attention, reel_scaled_dot_product_attention(t, x, x, x, &o))                 \
    F(reel_gumbel_softmax, gumbel_softmax, reel_gumbel_softmax(t, x, &o))                                              \
    F(reel_attention_weights, attention, reel_attention_weights(t, x, x, &o))                                          \
    F(reel_multihead_attention_new, multihead_attention, reel_multihead_attention_new(p, "m", 2, 1, &o))               \
    F(reel_transformer_encoder_layer_new, transformer, reel_transformer_encoder_layer_new(p, "m", 2, 1, &o))           \
    F(reel_transformer_encoder_new, transformer, reel_transformer_encoder_new(p, "m", 2, 1, 1, &o))                    \
    F(reel_layer_norm_new, layer_norm, reel_layer_norm_new(p, "m", REEL_SHAPE(2), &o))                                 \
    F(reel_module_new, module, reel_module_new(p, "m", identity, NULL, &o))                                            \
    F(reel_embedding, embedding_lookup, reel_embedding(t, x, classes, &o))                                             \
    F(reel_embedding_bag, embedding_bag_lookup,                                                                        \
      reel_embedding_bag(t, x, reel_reshape(t, classes, REEL_SHAPE(1, 2)), reel_null(), reel_null(), &o))              \
    F(reel_embedding_mse_loss, loss, reel_embedding_mse_loss(t, x, classes, x, &o))                                    \
    F(reel_mse_loss_with, loss, reel_mse_loss_with(t, x, x, &o))                                                       \
    F(reel_l1_loss_with, loss, reel_l1_loss_with(t, x, x, &o))                                                         \
    F(reel_smooth_l1_loss_with, smooth_l1_loss, reel_smooth_l1_loss_with(t, x, x, &o))                                 \
    F(reel_bce_loss_with, bce_loss, reel_bce_loss_with(t, x, x, &o))                                                   \
    F(reel_bce_with_logits_loss_with, bce_with_logits_loss, reel_bce_with_logits_loss_with(t, x, x, &o))               \
    F(reel_nll_loss_with, nll_loss, reel_nll_loss_with(t, x, classes, &o))                                             \
    F(reel_cross_entropy_loss_with, cross_entropy_loss, reel_cross_entropy_loss_with(t, x, classes, &o))               \
    F(reel_huber_loss_with, huber_loss, reel_huber_loss_with(t, x, x, &o))                                             \
    F(reel_kl_div_loss_with, kl_div_loss, reel_kl_div_loss_with(t, x, x, &o))                                          \
    F(reel_triplet_margin_loss_with, triplet_margin_loss, reel_triplet_margin_loss_with(t, x, x, x, &o))               \
    F(reel_margin_ranking_loss_with, margin_loss, reel_margin_ranking_loss_with(t, x, x, x, &o))                       \
    F(reel_cosine_embedding_loss_with, margin_loss, reel_cosine_embedding_loss_with(t, x, x, x, &o))                   \
    F(reel_gradcheck, gradcheck, reel_gradcheck(c, first, NULL, NULL, 0, &o))                                          \
    F(reel_gradgradcheck, gradcheck, reel_gradgradcheck(c, first, NULL, NULL, 0, &o))                                  \
    F(reel_gradcheck_op, gradcheck, reel_gradcheck_op(c, reel_op_at(0), &sample, 1, &o))                               \
    F(reel_csv_open, csv, reel_csv_close(reel_csv_open(c, "/nothing", &o)))                                            \
    F(reel_npz_write, npz, reel_npz_write(c, "/nothing", NULL, 0, &o))                                                 \
    F(reel_load_safetensors, load, reel_load_safetensors(p, "/nothing", &o))                                           \
    F(reel_save_onnx, onnx, reel_save_onnx(t, "/nothing", NULL, 0, NULL, 0, &o))                                       \
    F(reel_animation_save, animation, reel_animation_save(c, "/nothing", &(const char *){"/nothing"}, 1, &o))          \
    F(reel_picture_size, picture, reel_picture_size(c, REEL_SHAPE(1, 2, 2), &o, NULL, NULL))                           \
    F(reel_picture_save_checked, picture, reel_picture_save(c, "/nothing", reel_data(t, x), REEL_SHAPE(1, 2, 2), &o))  \
    F(reel_profiler_new, profiler, reel_profiler_free(reel_profiler_new(c, &o)))                                       \
    F(reel_run_open, run, reel_run_close(reel_run_open(c, "/nothing", &o)))                                            \
    F(reel_run_add_images_checked, picture, with_run(&o))

#define CALL(function, kind, call)                                                                                     \
    static void function##_with_zeros(void)                                                                            \
    {                                                                                                                  \
        reel_##kind##_options o;                                                                                       \
        memset(&o, 0, sizeof o);                                                                                       \
        (void)(call);                                                                                                  \
    }
FUNCTIONS(CALL)

static const struct function {
    const char *name, *defaults;
    void (*with_zeros)(void);
} functions[] = {
#define ROW(function, kind, call) {#function, "reel_" #kind "_defaults()", function##_with_zeros},
    FUNCTIONS(ROW)};
enum { N_FUNCTIONS = sizeof functions / sizeof *functions };

Test(options, that_nobody_filled_in_are_refused)
{
    const int64_t zeros[2] = {0, 0};
    for (int i = 0; i < N_FUNCTIONS; i++) {
        x = reel_rand(t, REEL_SHAPE(2, 2));
        classes = reel_tensor_of(t, REEL_INT64, zeros, REEL_SHAPE(2));
        optim = NULL;
        functions[i].with_zeros();
        cr_expect_eq(reel_context_status(c), REEL_ERROR_ARGUMENT, "%s: %s", functions[i].name, reel_error(c));
        cr_expect(strstr(reel_error(c), functions[i].defaults), "%s: %s", functions[i].name, reel_error(c));
        cr_expect_eq(reel_params_count(p), 0, "%s", functions[i].name);
        reel_optim_free(optim);
        reel_tape_reset(t);
    }
}

/* ---- The headers know no function and no struct that is not in the table above ---- */

static const struct function *find(const char *name, size_t length)
{
    for (int i = 0; i < N_FUNCTIONS; i++)
        if (strlen(functions[i].name) == length && strncmp(functions[i].name, name, length) == 0)
            return &functions[i];
    return NULL;
}

static bool has_defaults(const char *name, size_t length)
{
    for (int i = 0; i < N_FUNCTIONS; i++)
        if (strncmp(functions[i].defaults, name, length) == 0 && functions[i].defaults[length] == '(')
            return true;
    return false;
}

/* Returns how many declarations of the header are about options. */
static int walk(const char *path)
{
    static char text[1 << 17];
    FILE *file = fopen(path, "r");
    cr_assert(file, "%s", path);
    size_t size = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    cr_assert(size < sizeof text - 1);
    text[size] = '\0';
    int found = 0;
    for (char *at = strstr(text, "\nREEL_API"); at; at = strstr(at + 1, "\nREEL_API")) {
        char *open = strchr(at, '('), *end = strchr(at, ';');
        size_t length = 0;
        while (open[-1 - (ptrdiff_t)length] == '_' || isalnum((unsigned char)open[-1 - (ptrdiff_t)length]))
            length++;
        const char *name = open - length;
        *end = '\0';
        bool takes = strstr(open, "_options *options") != NULL;
        bool defaults = length > 9 && strncmp(open - 9, "_defaults", 9) == 0;
        if (strncmp(at, "\nREEL_API double ", 17) == 0) /* of pure numbers: there is no context to fail in */
            takes = false;
        if (strncmp(name, "reel_context_", 13) == 0) /* reel_context_new_error, below */
            takes = defaults = false;
        found += takes || defaults;
        cr_expect(!takes || find(name, length), "%.*s of %s takes options and is not tested", (int)length, name, path);
        cr_expect(!defaults || has_defaults(name, length), "%.*s of %s: no function is tested with these", (int)length,
                  name, path);
        *end = ';';
    }
    return found;
}

Test(options, of_every_function_in_the_headers_are_tested)
{
    static const char *const folders[] = {REEL_HEADERS_FOLDER, REEL_HEADERS_FOLDER "/watch"};
    int found = 0;
    for (int i = 0; i < 2; i++) {
        DIR *folder = opendir(folders[i]);
        cr_assert(folder);
        for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
            char path[1024];
            snprintf(path, sizeof path, "%s/%s", folders[i], entry->d_name);
            /* tests/mpi takes those of mpi.h. */
            if (strstr(entry->d_name, ".h") && strcmp(entry->d_name, "mpi.h") != 0)
                found += walk(path);
        }
        closedir(folder);
    }
    cr_assert_geq(found, N_FUNCTIONS);
}

/* ---- The context, before it can keep an error ---- */

Test(options, of_a_context_are_refused_with_a_reason)
{
    reel_context_options o;
    memset(&o, 0, sizeof o);
    cr_assert_null(reel_context_new(&o));
    cr_assert_str_eq(reel_context_new_error(&o), "the context's options did not come from reel_context_defaults()");
    o = reel_context_defaults();
    o.num_threads = 257;
    cr_assert_null(reel_context_new(&o));
    cr_assert_str_eq(reel_context_new_error(&o), "the context's num_threads is outside 0..256");
    cr_assert_null(reel_context_new_checked(NULL, sizeof(reel_real), REEL_VERSION + 100));
    cr_assert(strstr(reel_context_new_error_checked(NULL, sizeof(reel_real), REEL_VERSION + 100), "another version"));
    cr_assert_null(reel_context_new_checked(NULL, 2, REEL_VERSION));
    cr_assert(strstr(reel_context_new_error_checked(NULL, 2, REEL_VERSION), "reel_f64"));
    cr_assert_str_eq(reel_context_new_error(NULL), "out of memory: a context");
    o = reel_context_defaults();
    o.mark.size = offsetof(reel_context_options, num_threads); /* of an older header, say */
    o.num_threads = 257;
    reel_context *older = reel_context_new(&o);
    cr_assert(older);
    reel_context_free(older);
}

/* ---- Sizes ---- */

struct options {
    reel_options_mark mark;
    int first, second;
};

Test(options, of_an_older_header_fill_the_front)
{
    struct options defaults = {REEL_OPTIONS_MARK(struct options), 1, 2}, o = defaults, given = defaults;
    given.first = 3;
    given.second = 4;
    given.mark.size = offsetof(struct options, second);
    cr_assert_eq(reel_options_take(c, "test", &given, &o), REEL_OK);
    cr_assert_eq(o.first, 3);
    cr_assert_eq(o.second, 2);
    cr_assert_eq(o.mark.size, sizeof o);
    cr_assert_eq(reel_options_take(c, "test", NULL, &o), REEL_OK);
    cr_assert_eq(o.first, 3);

    given.mark.size = sizeof given + 8;
    cr_assert_eq(reel_options_take(c, "test", &given, &o), REEL_ERROR_ARGUMENT);
    cr_assert_str_eq(reel_error(c), "test: the options have 24 bytes and this library knows the first 16, it is older "
                                    "than the header they come from");
    cr_assert_eq(o.second, 2);
    cr_assert_eq(reel_options_take(NULL, "test", &given, &o), REEL_ERROR_ARGUMENT);
    reel_clear_error(c);
}

Test(options, in_one_line_keep_the_other_defaults)
{
    const reel_adam_options defaults = reel_adam_defaults();
    REEL_OPTIONS(adam, o, o.lr = 2e-4, o.beta1 = 0.5);
    cr_assert_eq(o.lr, 2e-4);
    cr_assert_eq(o.beta1, 0.5);
    cr_assert_eq(o.beta2, defaults.beta2);
    cr_assert_eq(o.eps, defaults.eps);
    reel_optim *adam = reel_adam_new(p, &o);
    cr_assert(adam);
    cr_assert_eq(reel_optim_lr(adam, 0), 2e-4);
    reel_optim_free(adam);
}
