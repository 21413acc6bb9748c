// Conditional GANs of convolutions (for images) and of recurrent networks (for series), and their discriminators alone,
// with and without gradient penalties.
#include "workload.hpp"

#include "../floor/conv_gan.h"

#include <new>

namespace bench
{
namespace
{

constexpr int64_t classes = 10;
constexpr double slope = 0.2;

// Both make samples of noise and labels, and give samples with labels scores.
class Networks
{
  public:
    explicit Networks(reel_context *context)
        : generator(reel_params_new(context)), discriminator(reel_params_new(context))
    {
    }
    virtual ~Networks()
    {
        reel_params_free(generator);
        reel_params_free(discriminator);
    }
    Networks(const Networks &) = delete;
    Networks &operator=(const Networks &) = delete;

    virtual reel_var generate(reel_tape *t, reel_var noise, reel_var labels) const = 0;
    virtual reel_var score(reel_tape *t, reel_var x, reel_var labels) const = 0;

    reel_params *generator, *discriminator;
};

// Fashion-MNIST's pictures, 28 x 28: two transposed convolutions, two convolutions and a projection on the labels.
class Convolutions : public Networks
{
  public:
    static constexpr int64_t batch = 128, noise = 64, embedded = 16, small = 7, wide = 64, narrow = 32, features = 128;

    static reel_shape noises()
    {
        return shape({batch, noise});
    }

    static reel_shape samples()
    {
        return shape({batch, 1, 4 * small, 4 * small});
    }

    explicit Convolutions(reel_context *context) : Networks(context)
    {
        REEL_OPTIONS(conv, halve, halve.stride[0] = 2, halve.padding[0] = 1);
        // Batch norm takes a bias before it away.
        REEL_OPTIONS(conv, no_bias, no_bias.stride[0] = 2, no_bias.padding[0] = 1, no_bias.bias = false);
        REEL_OPTIONS(linear, plain, plain.bias = false);
        constexpr int64_t kernel = 4;
        label = reel_embedding_new(generator, "label", classes, embedded, nullptr);
        widen = reel_linear_new(generator, "widen", noise + embedded, wide * small * small, &plain);
        norm1 = reel_batch_norm2d_new(generator, "norm1", wide, nullptr);
        up1 = reel_conv_transpose2d_new(generator, "up1", wide, narrow, kernel, kernel, &no_bias);
        norm2 = reel_batch_norm2d_new(generator, "norm2", narrow, nullptr);
        up2 = reel_conv_transpose2d_new(generator, "up2", narrow, 1, kernel, kernel, &halve);
        down1 = reel_conv2d_new(discriminator, "down1", 1, narrow, kernel, kernel, &halve);
        down2 = reel_conv2d_new(discriminator, "down2", narrow, wide, kernel, kernel, &halve);
        dense = reel_linear_new(discriminator, "dense", wide * small * small, features, nullptr);
        head = reel_projection_new(discriminator, "head", features, classes);
    }

    reel_var generate(reel_tape *t, reel_var z, reel_var labels) const override
    {
        reel_var with_label[] = {z, reel_forward(t, label, labels)};
        reel_var h = reel_forward(t, widen, reel_cat(t, with_label, 2, 1));
        h = reel_reshape(t, h, shape({batch, wide, small, small}));
        h = reel_leaky_relu(t, reel_forward(t, norm1, h), slope);
        h = reel_leaky_relu(t, reel_forward(t, norm2, reel_forward(t, up1, h)), slope);
        return reel_tanh(t, reel_forward(t, up2, h));
    }

    reel_var score(reel_tape *t, reel_var x, reel_var labels) const override
    {
        reel_var h = reel_leaky_relu(t, reel_forward(t, down1, x), slope);
        h = reel_leaky_relu(t, reel_forward(t, down2, h), slope);
        h = reel_forward(t, dense, reel_reshape(t, h, shape({batch, wide * small * small})));
        reel_var inputs[] = {reel_leaky_relu(t, h, slope), labels}, scores;
        reel_forward_all(t, head, inputs, 2, &scores, 1);
        return scores;
    }

  private:
    reel_module *label, *widen, *norm1, *up1, *norm2, *up2, *down1, *down2, *dense, *head;
};

// Series of 24 steps with one value each; the label is an input of every step.
class Recurrence : public Networks
{
  public:
    static constexpr int64_t batch = 64, steps = 24, noise = 16, embedded = 8, hidden = 64;

    static reel_shape noises()
    {
        return shape({batch, steps, noise});
    }

    static reel_shape samples()
    {
        return shape({batch, steps, 1});
    }

    explicit Recurrence(reel_context *context) : Networks(context)
    {
        label = reel_embedding_new(generator, "label", classes, embedded, nullptr);
        gru = reel_gru_new(generator, "gru", noise + embedded, hidden, nullptr);
        last = reel_linear_new(generator, "last", hidden, 1, nullptr);
        critic_label = reel_embedding_new(discriminator, "label", classes, embedded, nullptr);
        critic = reel_gru_new(discriminator, "gru", 1 + embedded, hidden, nullptr);
        critic_last = reel_linear_new(discriminator, "last", hidden, 1, nullptr);
    }

    reel_var generate(reel_tape *t, reel_var z, reel_var labels) const override
    {
        reel_var out = walk(t, gru, label, z, labels, 0);
        return reel_tanh(t, reel_forward(t, last, out));
    }

    reel_var score(reel_tape *t, reel_var x, reel_var labels) const override
    {
        reel_var state = walk(t, critic, critic_label, x, labels, 1);
        return reel_reshape(t, reel_forward(t, critic_last, state), shape({batch}));
    }

  private:
    reel_module *label, *gru, *last, *critic_label, *critic, *critic_last;

    // The states of all steps, or (1) the last.
    static reel_var walk(reel_tape *t, reel_module *gru, reel_module *label, reel_var x, reel_var labels, int which)
    {
        reel_var repeated = reel_unsqueeze(t, reel_forward(t, label, labels), 1);
        repeated = reel_expand(t, repeated, shape({batch, steps, embedded}));
        reel_var with_label[] = {x, repeated}, out[2];
        reel_var input = reel_cat(t, with_label, 2, 2);
        reel_forward_all(t, gru, &input, 1, out, 2);
        return out[which];
    }
};

struct Parts {
    bool generator;   // its step comes first; else samples are the same in every step
    double gamma = 0; // of penalties on the gradients at real and at generated samples
};

template <typename Made> class Reel : public ReelWorkload
{
  public:
    Reel(Parts taken, int threads)
        : ReelWorkload(threads), parts(taken), sample_shape(Made::samples()), noise_shape(Made::noises()),
          x(uniform(reel_shape_numel(&sample_shape), -1, 1, 11)),
          invented(uniform(reel_shape_numel(&sample_shape), -1, 1, 12)),
          z(uniform(reel_shape_numel(&noise_shape), -2, 2, 13)), y(integers(Made::batch, classes, 14)),
          wanted(integers(Made::batch, classes, 15)), networks(session.context)
    {
        reel_adam_options adam = reel_adam_defaults();
        adam.lr = 2e-4;
        adam.beta1 = 0.5;
        generator_adam = reel_adam_new(networks.generator, &adam);
        discriminator_adam = reel_adam_new(networks.discriminator, &adam);
        session.expect_ok();
    }

    ~Reel() override
    {
        reel_optim_free(generator_adam);
        reel_optim_free(discriminator_adam);
    }

    Losses step(const Enter &enter) override
    {
        reel_tape *t = session.tape;
        reel_var labels = reel_borrow_of(t, REEL_INT64, y.data(), shape({Made::batch}));
        reel_var chosen = reel_borrow_of(t, REEL_INT64, wanted.data(), shape({Made::batch}));
        reel_var real = reel_borrow(t, x.data(), sample_shape), made;
        Losses losses{};
        auto mark = [&](Phase phase) {
            if (enter)
                enter(phase);
        };

        mark(Phase::forward);
        if (parts.generator) {
            made = networks.generate(t, reel_borrow(t, z.data(), noise_shape), chosen);
            reel_var loss =
                reel_gan_generator_loss(t, REEL_GAN_NON_SATURATING, reel_null(), networks.score(t, made, chosen));
            mark(Phase::backward);
            reel_zero_grad(networks.generator);
            reel_backward(t, loss, networks.generator);
            mark(Phase::other);
            reel_optim_step(generator_adam);
            losses[1] = static_cast<float>(reel_item(t, loss));
            made = reel_detach(t, made);
            mark(Phase::forward);
        } else {
            made = reel_borrow(t, invented.data(), sample_shape);
        }
        reel_var of_real = networks.score(t, real, labels), of_made = networks.score(t, made, chosen);
        reel_var loss = reel_gan_discriminator_loss(t, REEL_GAN_NON_SATURATING, of_real, of_made);
        if (parts.gamma > 0) {
            loss = reel_add(t, loss, reel_gan_zero_centered_penalty(t, of_real, real, parts.gamma));
            loss = reel_add(t, loss, reel_gan_zero_centered_penalty(t, of_made, made, parts.gamma));
        }
        mark(Phase::backward);
        reel_zero_grad(networks.discriminator);
        reel_backward(t, loss, networks.discriminator);
        mark(Phase::other);
        reel_optim_step(discriminator_adam);
        losses[0] = static_cast<float>(reel_item(t, loss));
        session.reset();
        return losses;
    }

    std::vector<reel_params *> param_sets() const override
    {
        return {networks.generator, networks.discriminator};
    }

    std::vector<reel_optim *> optims() const override
    {
        return {generator_adam, discriminator_adam};
    }

    std::vector<Input> inputs() const override
    {
        return {{"x", REEL_REAL, sample_shape, x.data()},
                {"y", REEL_INT64, shape({Made::batch}), y.data()},
                {"z", REEL_REAL, noise_shape, z.data()},
                {"wanted", REEL_INT64, shape({Made::batch}), wanted.data()},
                {"invented", REEL_REAL, sample_shape, invented.data()}};
    }

  private:
    Parts parts;
    reel_shape sample_shape, noise_shape;
    std::vector<float> x, invented, z;
    std::vector<int64_t> y, wanted;
    Made networks;
    reel_optim *generator_adam, *discriminator_adam;
};

class ConvolutionsByHand : public Workload
{
  public:
    ConvolutionsByHand() : reel({true}, 1)
    {
        if (!floor_conv_gan_new(&gan)) {
            floor_conv_gan_free(&gan);
            throw std::bad_alloc();
        }
        copy_params(reel, *this);
        for (const Input &input : reel.inputs())
            data.push_back(input.data);
    }

    ~ConvolutionsByHand() override
    {
        floor_conv_gan_free(&gan);
    }

    Losses step(const Enter &) override
    {
        Losses losses;
        floor_conv_gan_step(&gan, static_cast<const float *>(data[0]), static_cast<const int64_t *>(data[1]),
                            static_cast<const float *>(data[2]), static_cast<const int64_t *>(data[3]), &losses[1],
                            &losses[0]);
        return losses;
    }

    std::vector<Network> networks() const override
    {
        constexpr int after_embedding = 1, never = 1000;
        return {{gan.generator.params, gan.generator.grads, after_embedding},
                {gan.discriminator.params, gan.discriminator.grads, never}};
    }

  private:
    Reel<Convolutions> reel; // owns the inputs
    std::vector<const void *> data;
    floor_conv_gan gan;
};

// They take long for what the checks would learn from them.
template <typename Made> void add(Suite &suite, const std::string &name)
{
    constexpr double gamma = 1;
    const struct {
        const char *name;
        Parts parts;
    } cases[] = {{"", {true}}, {"/discriminator", {false}}, {"/discriminator/penalties", {false, gamma}}};
    for (const auto &c : cases) {
        Parts parts = c.parts;
        suite.reel.push_back({name + c.name,
                              [parts](int threads) { return std::make_unique<Reel<Made>>(parts, threads); }, 0, 0, 0,
                              false});
    }
}

} // namespace

void add_deep_gans(Suite &suite)
{
    add<Convolutions>(suite, "conv_gan");
    add<Recurrence>(suite, "gru_gan");
    // Of its four million units that go through a LeakyReLU some are so near to 0 that roundings move them to the other
    // side, the more the further two runs have come apart: then gradients differ by what one unit adds.
    constexpr int steps = 1;
    suite.floors.push_back(
        {{"conv_gan", [](int) { return std::make_unique<ConvolutionsByHand>(); }, 0, 0, 0}, "conv_gan", 1, steps});
}

} // namespace bench
