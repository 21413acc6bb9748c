/* Layers that normalise, against PyTorch. */
#include "helpers.h"

#include "golden/modules.h"

static const reel_real norm_weight[] = {0.5, 1, 2}, norm_bias[] = {-1, 0, 1};

static void expect_var(const char *what, reel_context *c, reel_tape *t, reel_var v, const reel_real **golden)
{
    cr_assert_eq(reel_context_status(c), REEL_OK, "%s", reel_error(c));
    expect_near(what, reel_data_real(t, v), golden, reel_numel(t, v), 16);
}

Test(normalize, batch_norm_is_that_of_pytorch)
{
    const reel_batch_norm_options defaults = reel_batch_norm_defaults();
    REEL_OPTIONS(batch_norm, averaged, averaged.eps = 0.1, averaged.momentum = NAN);
    REEL_OPTIONS(batch_norm, plain, plain.affine = false);
    REEL_OPTIONS(batch_norm, untracked, untracked.track_running_stats = false);
    REEL_OPTIONS(batch_norm, no_bias, no_bias.momentum = 0.9, no_bias.bias = false);
    const struct {
        const reel_real *golden;
        size_t count;
        reel_batch_norm_options options;
    } cases[] = {
        {golden_batch_norm_0, COUNT(golden_batch_norm_0), defaults},
        {golden_batch_norm_1, COUNT(golden_batch_norm_1), averaged},
        {golden_batch_norm_2, COUNT(golden_batch_norm_2), plain},
        {golden_batch_norm_3, COUNT(golden_batch_norm_3), untracked},
        {golden_batch_norm_4, COUNT(golden_batch_norm_4), no_bias},
    };
    for (size_t k = 0; k < COUNT(cases); k++) {
        reel_context *c = reel_context_new(NULL);
        reel_tape *t = reel_tape_new(c);
        reel_params *p = reel_params_new(c);
        reel_module *m = reel_batch_norm1d_new(p, "norm", 3, k == 0 ? NULL : &cases[k].options);
        reel_param *weight = reel_params_find(p, "norm.weight"), *bias = reel_params_find(p, "norm.bias");
        cr_assert_eq(weight != NULL, cases[k].options.affine);
        cr_assert_eq(bias != NULL, cases[k].options.affine && cases[k].options.bias);
        reel_param_set(weight, norm_weight);
        reel_param_set(bias, norm_bias);
        reel_var a = reel_borrow(t, golden_batches, REEL_SHAPE(5, 3));
        reel_var b = reel_borrow(t, golden_batches + 15, REEL_SHAPE(4, 3));
        const reel_real *golden = cases[k].golden;
        expect_var("the first batch", c, t, reel_forward(t, m, a), &golden);
        expect_var("the second batch", c, t, reel_forward(t, m, b), &golden);
        if (cases[k].options.track_running_stats) {
            expect_near("running_mean", param_data(p, "norm.running_mean"), &golden, 3, 16);
            expect_near("running_var", param_data(p, "norm.running_var"), &golden, 3, 16);
            cr_assert_eq(*(const int64_t *)param_data(p, "norm.num_batches_tracked"), 2);
        } else
            cr_assert_null(reel_params_find(p, "norm.running_mean"));
        reel_eval(p);
        expect_var("evaluation", c, t, reel_forward(t, m, a), &golden);
        cr_assert_eq(golden - cases[k].golden, (ptrdiff_t)cases[k].count);
        reel_tape_free(t);
        reel_params_free(p);
        reel_context_free(c);
    }
}

Test(normalize, batch_norm_takes_a_length)
{
    reel_context *c = reel_context_new(NULL);
    reel_tape *t = reel_tape_new(c);
    reel_params *p = reel_params_new(c);
    reel_module *m = reel_batch_norm1d_new(p, "norm", 2, NULL);
    const reel_real *golden = golden_batch_norm_long + 24;
    reel_var x = reel_borrow(t, golden_batch_norm_long, REEL_SHAPE(3, 2, 4));
    expect_var("y", c, t, reel_forward(t, m, x), &golden);
    expect_near("running_mean", param_data(p, "norm.running_mean"), &golden, 2, 16);
    expect_near("running_var", param_data(p, "norm.running_var"), &golden, 2, 16);
    reel_eval(p);
    expect_var("evaluation", c, t, reel_forward(t, m, x), &golden);
    reel_tape_free(t);
    reel_params_free(p);
    reel_context_free(c);
}

Test(normalize, a_failed_forward_leaves_the_buffers)
{
    reel_context *c = reel_context_new(NULL);
    reel_tape *t = reel_tape_new(c);
    reel_params *p = reel_params_new(c);
    reel_module *m = reel_batch_norm1d_new(p, "norm", 3, NULL);
    const reel_shape bad[] = {REEL_SHAPE(1, 3), REEL_SHAPE(4, 2), REEL_SHAPE(3), REEL_SHAPE(2, 3, 1, 1)};
    for (size_t i = 0; i < COUNT(bad); i++) {
        cr_assert(reel_is_null(reel_forward(t, m, reel_ones(t, bad[i]))));
        cr_assert_neq(reel_context_status(c), REEL_OK, "a batch of one has no variance");
        reel_clear_error(c);
    }
    for (int i = 0; i < reel_params_count(p); i++)
        if (reel_param_kind_of(reel_params_at(p, i)) == REEL_PARAM_BUFFER)
            cr_assert(reel_params_at(p, i)->version <= 1, "%s", reel_param_name(reel_params_at(p, i)));
    cr_assert_eq(*(const int64_t *)param_data(p, "norm.num_batches_tracked"), 0);
    cr_assert_eq(*(const reel_real *)param_data(p, "norm.running_var"), 1);
    reel_tape_free(t);
    reel_params_free(p);
    reel_context_free(c);
}

Test(normalize, out_of_memory_leaves_the_buffers)
{
    struct failing f;
    reel_context *c = failing_context(&f);
    reel_params *p = reel_params_new(c);
    reel_module *m = reel_batch_norm1d_new(p, "norm", 3, NULL);
    for (int64_t k = 0;; k++) {
        reel_tape *t = reel_tape_new(c);
        reel_var x = reel_borrow(t, golden_batches, REEL_SHAPE(5, 3));
        f.count = 0;
        f.fail_at = k;
        reel_var y = reel_forward(t, m, x);
        f.fail_at = -1;
        reel_tape_free(t);
        cr_assert_eq(*(const int64_t *)param_data(p, "norm.num_batches_tracked"), !reel_is_null(y));
        cr_assert_eq(((const reel_real *)param_data(p, "norm.running_mean"))[0] != 0, !reel_is_null(y));
        if (!reel_is_null(y))
            break;
        expect_error(c, REEL_ERROR_OUT_OF_MEMORY, "out of memory");
    }
    reel_params_free(p);
    reel_context_free(c);
    cr_assert_eq(f.live, 0);
}

Test(normalize, layer_norm_is_that_of_pytorch)
{
    REEL_OPTIONS(layer_norm, no_bias, no_bias.eps = 1e-1, no_bias.bias = false);
    REEL_OPTIONS(layer_norm, plain, plain.elementwise_affine = false);
    const reel_layer_norm_options options[] = {reel_layer_norm_defaults(), no_bias, plain};
    reel_context *c = reel_context_new(NULL);
    reel_tape *t = reel_tape_new(c);
    const reel_real *golden = golden_layer_norm + 36;
    for (size_t k = 0; k < COUNT(options); k++) {
        reel_params *p = reel_params_new(c);
        reel_module *m = reel_layer_norm_new(p, "norm", REEL_SHAPE(2, 3), k == 0 ? NULL : &options[k]);
        reel_param_set(reel_params_find(p, "norm.weight"), golden_layer_norm + 24);
        reel_param_set(reel_params_find(p, "norm.bias"), golden_layer_norm + 30);
        reel_var x = reel_borrow(t, golden_layer_norm, REEL_SHAPE(4, 2, 3));
        expect_var("y", c, t, reel_forward(t, m, x), &golden);
        reel_tape_reset(t);
        reel_params_free(p);
    }
    cr_assert_eq(golden - golden_layer_norm, (ptrdiff_t)COUNT(golden_layer_norm));
    reel_tape_free(t);
    reel_context_free(c);
}

/* ---- Groups, instances, root mean squares, classes ---- */

static const reel_real *const other_weight = golden_other_norms + 24, *const other_bias = golden_other_norms + 28;

static void set_affine(reel_params *p)
{
    reel_param_set(reel_params_find(p, "norm.weight"), other_weight);
    reel_param_set(reel_params_find(p, "norm.bias"), other_bias);
}

Test(normalize, group_and_rms_norm_are_those_of_pytorch)
{
    reel_context *c = reel_context_new(NULL);
    reel_tape *t = reel_tape_new(c);
    reel_params *p = reel_params_new(c);
    const reel_real *golden = golden_other_norms + 32;
    REEL_OPTIONS(rms_norm, plain, plain.elementwise_affine = false);
    reel_module *group = reel_group_norm_new(p, "norm", 2, 4, NULL);
    reel_module *rms = reel_rms_norm_new(p, "rms", REEL_SHAPE(3), &plain);
    cr_assert_eq(reel_params_count(p), 2);
    set_affine(p);
    reel_var x = reel_borrow(t, golden_other_norms, REEL_SHAPE(2, 4, 3));
    expect_var("group norm", c, t, reel_forward(t, group, x), &golden);
    expect_var("rms norm", c, t, reel_forward(t, rms, x), &golden);
    cr_assert_eq(golden - golden_other_norms, (ptrdiff_t)COUNT(golden_other_norms));
    cr_assert(reel_is_null(reel_forward(t, group, reel_ones(t, REEL_SHAPE(2, 6, 3)))));
    expect_error(c, REEL_ERROR_SHAPE, "group_norm \"norm\": x is [2, 6, 3], it takes [batch, 4, ...]");
    cr_assert(reel_is_null(reel_forward(t, rms, reel_ones(t, REEL_SHAPE(2, 6)))));
    expect_error(c, REEL_ERROR_SHAPE, "rms_norm \"rms\": x is [2, 6], its last axes must be [3]");
    cr_assert_null(reel_group_norm_new(p, "bad", 3, 4, NULL));
    expect_error(c, REEL_ERROR_ARGUMENT, "group_norm \"bad\": 4 channels are no multiple of 3 groups");
    reel_tape_free(t);
    reel_params_free(p);
    reel_context_free(c);
}

Test(normalize, instance_norm_is_that_of_pytorch)
{
    reel_context *c = reel_context_new(NULL);
    reel_tape *t = reel_tape_new(c);
    reel_params *p = reel_params_new(c);
    const reel_real *golden = golden_instance_norm;
    REEL_OPTIONS(instance_norm, o, o.momentum = 0.3, o.affine = o.track_running_stats = true);
    reel_module *m = reel_instance_norm1d_new(p, "norm", 4, &o);
    reel_module *planes = reel_instance_norm2d_new(p, "planes", 4, NULL);
    cr_assert_eq(reel_params_count(p), 5, "without options a layer has neither params nor buffers");
    set_affine(p);
    reel_var x = reel_borrow(t, golden_other_norms, REEL_SHAPE(2, 4, 3));
    expect_var("the first batch", c, t, reel_forward(t, m, x), &golden);
    expect_var("the second batch", c, t, reel_forward(t, m, reel_mul_scalar(t, x, 3)), &golden);
    expect_near("running_mean", param_data(p, "norm.running_mean"), &golden, 4, 16);
    expect_near("running_var", param_data(p, "norm.running_var"), &golden, 4, 16);
    cr_assert_eq(*(const int64_t *)param_data(p, "norm.num_batches_tracked"), 0);
    reel_eval(p);
    expect_var("evaluation", c, t, reel_forward(t, m, x), &golden);
    reel_var sample = reel_reshape(t, x, REEL_SHAPE(4, 3, 2));
    expect_var("one sample", c, t, reel_forward(t, planes, sample), &golden);
    cr_assert_eq(golden - golden_instance_norm, (ptrdiff_t)COUNT(golden_instance_norm));
    reel_train(p);
    cr_assert(reel_is_null(reel_forward(t, m, reel_ones(t, REEL_SHAPE(2, 4, 1)))));
    expect_error(c, REEL_ERROR_SHAPE, "instance_norm \"norm\": x is [2, 4, 1], it must be");
    cr_assert(reel_is_null(reel_forward(t, planes, reel_ones(t, REEL_SHAPE(2, 3, 4, 4)))));
    expect_error(c, REEL_ERROR_SHAPE, "takes [batch, 4, height, width], or that without the batch");
    o.momentum = NAN;
    cr_assert_null(reel_instance_norm1d_new(p, "bad", 4, &o));
    expect_error(c, REEL_ERROR_ARGUMENT, "instance_norm \"bad\": eps 1e-05 must not be negative, and momentum");
    reel_tape_free(t);
    reel_params_free(p);
    reel_context_free(c);
}

Test(normalize, batch_norm_of_classes)
{
    reel_context *c = reel_context_new(NULL);
    reel_tape *t = reel_tape_new(c);
    reel_params *p = reel_params_new(c);
    static const int64_t classes[] = {2, 0}, none[] = {2, 3};
    const reel_real *golden = golden_conditional_norm + 24;
    reel_module *m = reel_conditional_batch_norm_new(p, "norm", 4, 3, NULL);
    for (int i = 0; i < 12; i++) {
        cr_assert_eq(((const reel_real *)param_data(p, "norm.gain.weight"))[i], 1);
        cr_assert_eq(((const reel_real *)param_data(p, "norm.bias.weight"))[i], 0);
    }
    reel_param_set(reel_params_find(p, "norm.gain.weight"), golden_conditional_norm);
    reel_param_set(reel_params_find(p, "norm.bias.weight"), golden_conditional_norm + 12);
    reel_var x = reel_borrow(t, golden_other_norms, REEL_SHAPE(2, 4, 3)), y;
    reel_var labels = reel_tensor_of(t, REEL_INT64, classes, REEL_SHAPE(2));
    reel_var outside = reel_tensor_of(t, REEL_INT64, none, REEL_SHAPE(2));
    reel_forward_all(t, m, REEL_VARS(x, outside), &y, 1);
    expect_error(c, REEL_ERROR_INDEX, "\"norm\": index 3 at position [1] is outside 0..2");
    cr_assert_eq(*(const int64_t *)param_data(p, "norm.num_batches_tracked"), 0);
    reel_forward_all(t, m, REEL_VARS(x, labels), &y, 1);
    expect_var("y", c, t, y, &golden);
    expect_near("running_mean", param_data(p, "norm.running_mean"), &golden, 4, 16);
    expect_near("running_var", param_data(p, "norm.running_var"), &golden, 4, 16);
    reel_eval(p);
    reel_forward_all(t, m, REEL_VARS(x, labels), &y, 1);
    expect_var("evaluation", c, t, y, &golden);
    cr_assert_eq(golden - golden_conditional_norm, (ptrdiff_t)COUNT(golden_conditional_norm));
    reel_forward_all(t, m, REEL_VARS(x, reel_reshape(t, labels, REEL_SHAPE(2, 1))), &y, 1);
    expect_error(c, REEL_ERROR_SHAPE, "x is [2, 4, 3] and the labels are [2, 1], it takes [batch, 4, ...] and [batch]");
    cr_assert(reel_is_null(reel_forward(t, m, x)));
    reel_clear_error(c);
    cr_assert_null(reel_conditional_batch_norm_new(p, "bad", 4, 0, NULL));
    expect_error(c, REEL_ERROR_ARGUMENT, "0 classes, not 1 or more");
    reel_tape_free(t);
    reel_params_free(p);
    reel_context_free(c);
}
