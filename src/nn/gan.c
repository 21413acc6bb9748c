/* Losses and penalties of generative adversarial networks, and parts of discriminators, in public operations. */
#include "nn/module.h"

#include "base/shape.h"
#include "core/tape.h"

#include <reel/create.h>
#include <reel/elementwise.h>
#include <reel/gan.h>
#include <reel/gather.h>
#include <reel/init.h>
#include <reel/join.h>
#include <reel/matmul.h>
#include <reel/reduce.h>
#include <reel/unary.h>
#include <reel/view.h>

#include <math.h>
#include <string.h>

/* ---- Losses ---- */

/* The mean of softplus(-x). */
static reel_var mean_softplus_neg(reel_tape *t, reel_var x)
{
    return reel_neg(t, reel_mean_all(t, reel_logsigmoid(t, x)));
}

/* The mean of (x - target)^2 / 2. */
static reel_var half_square(reel_tape *t, reel_var x, double target)
{
    return reel_mul_scalar(t, reel_mean_all(t, reel_square(t, reel_sub_scalar(t, x, target))), 0.5);
}

/* a - b, which must not broadcast. */
static reel_var pairs(reel_tape *t, reel_var a, reel_var b)
{
    reel_shape first = reel_shape_of(t, a), second = reel_shape_of(t, b);
    char text[REEL_SHAPE_TEXT], other[REEL_SHAPE_TEXT];
    if (first.ndim < 0 || second.ndim < 0)
        return reel_null();
    if (!reel_shape_equal(&first, &second)) {
        reel_fail(reel_tape_context(t), REEL_ERROR_SHAPE, "gan_loss: scores %s and %s are not in pairs",
                  reel_shape_text(&first, text), reel_shape_text(&second, other));
        return reel_null();
    }
    return reel_sub(t, a, b);
}

static reel_var no_such_loss(reel_tape *t, reel_gan_loss loss)
{
    reel_fail(reel_tape_context(t), REEL_ERROR_ARGUMENT, "gan_loss: there is no loss %d", (int)loss);
    return reel_null();
}

reel_var reel_gan_discriminator_loss(reel_tape *tape, reel_gan_loss loss, reel_var real, reel_var fake)
{
    reel_tape *t = tape;
    switch (loss) {
    case REEL_GAN_NON_SATURATING:
        return reel_add(t, mean_softplus_neg(t, real), mean_softplus_neg(t, reel_neg(t, fake)));
    case REEL_GAN_RELATIVISTIC:
        return mean_softplus_neg(t, pairs(t, real, fake));
    case REEL_GAN_LEAST_SQUARES:
        return reel_add(t, half_square(t, real, 1), half_square(t, fake, 0));
    case REEL_GAN_HINGE:
        return reel_add(t, reel_mean_all(t, reel_relu(t, reel_rsub_scalar(t, real, 1))),
                        reel_mean_all(t, reel_relu(t, reel_add_scalar(t, fake, 1))));
    case REEL_GAN_WASSERSTEIN:
        return reel_sub(t, reel_mean_all(t, fake), reel_mean_all(t, real));
    default:
        return no_such_loss(t, loss);
    }
}

reel_var reel_gan_generator_loss(reel_tape *tape, reel_gan_loss loss, reel_var real, reel_var fake)
{
    switch (loss) {
    case REEL_GAN_NON_SATURATING:
        return mean_softplus_neg(tape, fake);
    case REEL_GAN_RELATIVISTIC:
        return mean_softplus_neg(tape, pairs(tape, fake, real));
    case REEL_GAN_LEAST_SQUARES:
        return half_square(tape, fake, 1);
    case REEL_GAN_HINGE:
    case REEL_GAN_WASSERSTEIN:
        return reel_neg(tape, reel_mean_all(tape, fake));
    default:
        return no_such_loss(tape, loss);
    }
}

/* ---- Penalties ---- */

/* Which vars between x and the scores depend on x, and whether through statistics of the batch. */
enum { INDEPENDENT, DEPENDENT, THROUGH_BATCH };

static int dependence_of_call(const reel_call *call, const unsigned char *marks, uint32_t first)
{
    int mark = INDEPENDENT;
    for (int k = 0; k < call->n_inputs; k++)
        if (call->inputs[k].number >= first && marks[call->inputs[k].number - first] > mark)
            mark = marks[call->inputs[k].number - first];
    bool mixes = strncmp(call->op->name, "batch_norm", 10) == 0;
    return mark == DEPENDENT && mixes ? THROUGH_BATCH : mark;
}

/* Gradients of a sum are those of each score only where samples do not see each other. */
static bool expect_own_samples(reel_tape *t, const char *who, reel_var scores, reel_var x)
{
    reel_context *c = reel_tape_context(t);
    int64_t count = (int64_t)scores.number - (int64_t)x.number + 1;
    if (count < 1) {
        reel_fail(c, REEL_ERROR_ARGUMENT, "%s: the scores do not depend on x", who);
        return false;
    }
    unsigned char *marks = reel_scratch_allocate(&c->scratch, (size_t)count);
    if (!marks) {
        reel_fail(c, REEL_ERROR_OUT_OF_MEMORY, "%s: out of memory", who);
        return false;
    }
    marks[0] = DEPENDENT;
    for (int64_t i = 1; i < count; i++) {
        const struct reel_node *node = t->nodes[x.number + i];
        marks[i] = (unsigned char)(node->call ? dependence_of_call(node->call, marks, x.number) : INDEPENDENT);
    }
    int mark = marks[count - 1];
    reel_scratch_release(&c->scratch, marks);
    if (mark == INDEPENDENT)
        reel_fail(c, REEL_ERROR_ARGUMENT, "%s: the scores do not depend on x", who);
    if (mark == THROUGH_BATCH)
        reel_fail(c, REEL_ERROR_ARGUMENT,
                  "%s: between x and the scores there are statistics of the batch, so that samples see each other",
                  who);
    return mark == DEPENDENT;
}

/* Shapes of a batch and of its scores. */
static bool expect_batch(reel_tape *t, const char *who, reel_var scores, reel_var x, reel_shape *shape)
{
    reel_shape of_scores = reel_shape_of(t, scores);
    char text[REEL_SHAPE_TEXT], other[REEL_SHAPE_TEXT];
    *shape = reel_shape_of(t, x);
    if (of_scores.ndim < 0 || shape->ndim < 0)
        return false;
    if (shape->ndim >= 1 && of_scores.ndim >= 1 && of_scores.dim[0] == shape->dim[0])
        return true;
    reel_fail(reel_tape_context(t), REEL_ERROR_SHAPE, "%s: scores %s are not of the batch of x %s", who,
              reel_shape_text(&of_scores, text), reel_shape_text(shape, other));
    return false;
}

/* The gradients of the scores with respect to x, to be differentiated again, as [batch, n]. */
static reel_var gradients_of_scores(reel_tape *t, const char *who, reel_var scores, reel_var x)
{
    reel_shape shape;
    if (!expect_batch(t, who, scores, x, &shape) || !expect_own_samples(t, who, scores, x))
        return reel_null();
    reel_var g;
    reel_grad(t, reel_sum_all(t, scores), &x, 1, REEL_GRAD_CREATE_GRAPH, &g);
    return shape.ndim == 1 ? reel_unsqueeze(t, g, 1) : reel_flatten(t, g, 1, -1);
}

reel_var reel_gan_zero_centered_penalty(reel_tape *tape, reel_var scores, reel_var x, double gamma)
{
    static const char who[] = "zero_centered_penalty";
    if (!(gamma >= 0 && gamma < INFINITY)) {
        reel_fail(reel_tape_context(tape), REEL_ERROR_ARGUMENT, "%s: gamma is %g, not 0 or more", who, gamma);
        return reel_null();
    }
    reel_var g = gradients_of_scores(tape, who, scores, x);
    reel_var norms = reel_sum(tape, reel_square(tape, g), REEL_AXES(1), false);
    return reel_mul_scalar(tape, reel_mean_all(tape, norms), gamma / 2);
}

reel_var reel_gan_gradient_penalty(reel_tape *tape, reel_gan_critic critic, void *user, reel_var real, reel_var fake,
                                   double lambda)
{
    static const char who[] = "gradient_penalty";
    reel_context *c = reel_tape_context(tape);
    reel_shape shape = reel_shape_of(tape, real), other = reel_shape_of(tape, fake), one = {.ndim = shape.ndim};
    char text[REEL_SHAPE_TEXT], text_2[REEL_SHAPE_TEXT];
    if (shape.ndim < 0 || other.ndim < 0)
        return reel_null();
    if (!critic || !(lambda >= 0 && lambda < INFINITY)) {
        reel_fail(c, REEL_ERROR_ARGUMENT, "%s: %s", who, critic ? "lambda must be 0 or more" : "the critic is NULL");
        return reel_null();
    }
    if (shape.ndim < 1 || !reel_shape_equal(&shape, &other)) {
        reel_fail(c, REEL_ERROR_SHAPE, "%s: real samples %s and generated ones %s must have one shape with a batch",
                  who, reel_shape_text(&shape, text), reel_shape_text(&other, text_2));
        return reel_null();
    }
    for (int i = 0; i < shape.ndim; i++)
        one.dim[i] = i == 0 ? shape.dim[0] : 1;
    reel_var a = reel_detach(tape, real), b = reel_detach(tape, fake), alpha = reel_rand(tape, one);
    reel_var between = reel_add(tape, b, reel_mul(tape, alpha, reel_sub(tape, a, b)));
    if (reel_is_null(between))
        return between;
    reel_var g = gradients_of_scores(tape, who, critic(tape, between, user), between);
    reel_var norms = reel_norm(tape, g, 2, REEL_AXES(1), false);
    return reel_mul_scalar(tape, reel_mean_all(tape, reel_square(tape, reel_sub_scalar(tape, norms, 1))), lambda);
}

/* ---- Parts of discriminators ---- */

reel_var reel_minibatch_stddev(reel_tape *tape, reel_var x, int64_t group_size)
{
    reel_context *c = reel_tape_context(tape);
    reel_shape shape = reel_shape_of(tape, x);
    char text[REEL_SHAPE_TEXT];
    if (shape.ndim < 0)
        return reel_null();
    if (shape.ndim < 2) {
        reel_fail(c, REEL_ERROR_SHAPE, "minibatch_stddev: x is %s, it must be [batch, channels, ...]",
                  reel_shape_text(&shape, text));
        return reel_null();
    }
    int64_t batch = shape.dim[0];
    if (group_size < 1 || group_size > batch || batch % group_size != 0) {
        reel_fail(c, REEL_ERROR_ARGUMENT, "minibatch_stddev: group_size is %lld, it must divide the batch of %lld",
                  (long long)group_size, (long long)batch);
        return reel_null();
    }
    int64_t groups = batch / group_size;
    reel_var grouped = reel_reshape(tape, x, REEL_SHAPE(group_size, groups, -1));
    reel_var variance = reel_variance(tape, grouped, REEL_AXES(0), 0, false);
    reel_var std = reel_sqrt(tape, reel_add_scalar(tape, variance, 1e-8)), channel;
    reel_shape one = shape, all = shape;
    for (int i = 1; i < shape.ndim; i++)
        one.dim[i] = 1;
    all.dim[1] = 1;
    channel = reel_expand(tape, reel_mean(tape, std, REEL_AXES(1), false), REEL_SHAPE(group_size, groups));
    return reel_cat(tape, REEL_VARS(x, reel_expand(tape, reel_reshape(tape, channel, one), all)), 1);
}

struct projection {
    reel_module module;
    reel_param *weight, *bias, *table;
};

static void projection_forward(reel_tape *tape, reel_module *module, const reel_var *inputs, reel_var *outputs)
{
    const struct projection *m = (const struct projection *)module;
    reel_var y = reel_linear(tape, inputs[0], reel_module_var(tape, m->weight), reel_module_var(tape, m->bias));
    reel_var e = reel_embedding(tape, reel_module_var(tape, m->table), inputs[1], NULL);
    reel_var inner = reel_sum(tape, reel_mul(tape, e, inputs[0]), REEL_AXES(-1), false);
    double scale = 1 / sqrt((double)reel_param_shape(m->weight)->dim[1]);
    outputs[0] = reel_add(tape, reel_squeeze(tape, y, -1), reel_mul_scalar(tape, inner, scale));
}

reel_module *reel_projection_new(reel_params *params, const char *name, int64_t in_features, int64_t num_classes)
{
    static const struct reel_module_kind kind = {.size = sizeof(struct projection),
                                                 .forward_all = projection_forward,
                                                 .min_inputs = 2,
                                                 .max_inputs = 2,
                                                 .n_outputs = 1,
                                                 .named = true};
    struct projection *m = reel_module_begin(params, name, &kind);
    if (!m)
        return NULL;
    if (in_features < 1)
        reel_fail(params->context, REEL_ERROR_ARGUMENT, "projection: in_features is %lld, not 1 or more",
                  (long long)in_features);
    reel_shape weight = {2, {1, in_features}}, bias = {1, {1}}, table = {2, {num_classes, in_features}};
    m->weight = reel_module_param(&m->module, "linear.weight", REEL_PARAM_TRAINED, REEL_REAL, weight);
    m->bias = reel_module_param(&m->module, "linear.bias", REEL_PARAM_TRAINED, REEL_REAL, bias);
    m->table = reel_module_param(&m->module, "embedding.weight", REEL_PARAM_TRAINED, REEL_REAL, table);
    if (!reel_module_end(&m->module))
        return NULL;
    double bound = 1 / sqrt((double)in_features);
    reel_init_kaiming_uniform(m->weight, sqrt(5), REEL_FAN_IN, REEL_GAIN_LEAKY_RELU);
    reel_init_uniform(m->bias, -bound, bound);
    reel_init_normal(m->table, 0, 1);
    return &m->module;
}
