// The conditional GAN, small (notebook) and for images (cgan): generator step, then discriminator step.
#include "workload.hpp"

extern "C" {
#include "gan.h"
}

#include "../floor/cgan.h"
#include "../floor/notebook.h"

#include <new>

namespace bench
{
namespace
{

constexpr int64_t batch = 64;
constexpr int after_embedding = 1; // in both networks by hand: the first param whose transpose they keep

// One batch, the same in every step. x is what a tanh could have made.
struct Data {
    std::vector<float> x, z, ones, zeros;
    std::vector<int64_t> y, wanted;

    explicit Data(const gan_sizes &s)
        : x(uniform(batch * s.data, -1, 1, 6)), z(uniform(batch * s.noise, -2, 2, 7)),
          ones(static_cast<size_t>(batch), 1), zeros(static_cast<size_t>(batch), 0), y(integers(batch, s.classes, 8)),
          wanted(integers(batch, s.classes, 9))
    {
    }
};

class Reel : public ReelWorkload
{
  public:
    Reel(const gan_sizes &sizes, int threads)
        : ReelWorkload(threads), data(sizes), gan(gan_new(session.context, &sizes))
    {
        reel_adam_options adam = reel_adam_defaults();
        adam.lr = 2e-4;
        adam.beta1 = 0.5;
        generator_adam = reel_adam_new(gan.generator, &adam);
        discriminator_adam = reel_adam_new(gan.discriminator, &adam);
        session.expect_ok();
    }

    ~Reel() override
    {
        reel_optim_free(generator_adam);
        reel_optim_free(discriminator_adam);
        gan_free(&gan);
    }

    Losses step(const Enter &enter) override
    {
        auto mark = [&](Phase phase) {
            if (enter)
                enter(phase);
        };
        reel_tape *t = session.tape;
        reel_var x = reel_borrow(t, data.x.data(), shape({batch, gan.sizes.data}));
        reel_var z = reel_borrow(t, data.z.data(), shape({batch, gan.sizes.noise}));
        reel_var y = reel_borrow_of(t, REEL_INT64, data.y.data(), shape({batch}));
        reel_var wanted = reel_borrow_of(t, REEL_INT64, data.wanted.data(), shape({batch}));
        reel_var ones = reel_borrow(t, data.ones.data(), shape({batch, 1}));
        reel_var zeros = reel_borrow(t, data.zeros.data(), shape({batch, 1}));

        mark(Phase::forward);
        reel_var made = gan_generate(t, &gan, z, wanted);
        reel_var loss = reel_bce_with_logits_loss(t, gan_discriminate(t, &gan, made, wanted), ones);
        mark(Phase::backward);
        reel_zero_grad(gan.generator);
        reel_backward(t, loss, gan.generator);
        mark(Phase::other);
        reel_optim_step(generator_adam);
        Losses losses;
        losses[0] = static_cast<float>(reel_item(t, loss));

        mark(Phase::forward);
        reel_var real = reel_bce_with_logits_loss(t, gan_discriminate(t, &gan, x, y), ones);
        made = reel_detach(t, made);
        reel_var invented = reel_bce_with_logits_loss(t, gan_discriminate(t, &gan, made, wanted), zeros);
        loss = reel_mul_scalar(t, reel_add(t, real, invented), 0.5);
        mark(Phase::backward);
        reel_zero_grad(gan.discriminator);
        reel_backward(t, loss, gan.discriminator);
        mark(Phase::other);
        reel_optim_step(discriminator_adam);
        losses[1] = static_cast<float>(reel_item(t, loss));
        session.reset();
        return losses;
    }

    std::vector<reel_params *> param_sets() const override
    {
        return {gan.generator, gan.discriminator};
    }

    std::vector<reel_optim *> optims() const override
    {
        return {generator_adam, discriminator_adam};
    }

    std::vector<Input> inputs() const override
    {
        return {{"x", REEL_REAL, shape({batch, gan.sizes.data}), data.x.data()},
                {"y", REEL_INT64, shape({batch}), data.y.data()},
                {"z", REEL_REAL, shape({batch, gan.sizes.noise}), data.z.data()},
                {"wanted", REEL_INT64, shape({batch}), data.wanted.data()}};
    }

  private:
    Data data;
    struct gan gan;
    reel_optim *generator_adam, *discriminator_adam;
};

class NotebookByHand : public Workload
{
  public:
    explicit NotebookByHand(const gan_sizes &sizes) : data(sizes)
    {
        if (!floor_notebook_new(&notebook)) {
            floor_notebook_free(&notebook);
            throw std::bad_alloc();
        }
        copy_params(Reel(sizes, 1), *this);
    }

    ~NotebookByHand() override
    {
        floor_notebook_free(&notebook);
    }

    Losses step(const Enter &) override
    {
        Losses losses;
        floor_notebook_step(&notebook, data.x.data(), data.y.data(), data.z.data(), data.wanted.data(), &losses[0],
                            &losses[1]);
        return losses;
    }

    std::vector<Network> networks() const override
    {
        return {{notebook.generator.params.all, notebook.generator.grads.all, after_embedding},
                {notebook.discriminator.params.all, notebook.discriminator.grads.all, after_embedding}};
    }

  private:
    Data data;
    struct floor_notebook notebook;
};

class CganByHand : public Workload
{
  public:
    CganByHand(const gan_sizes &sizes, floor_calls calls) : data(sizes)
    {
        if (!floor_cgan_new(&cgan, reel_context_defaults().seed, calls)) {
            floor_cgan_free(&cgan);
            throw std::bad_alloc();
        }
        copy_params(Reel(sizes, 1), *this);
    }

    ~CganByHand() override
    {
        floor_cgan_free(&cgan);
    }

    Losses step(const Enter &) override
    {
        Losses losses;
        floor_cgan_step(&cgan, data.x.data(), data.y.data(), data.z.data(), data.wanted.data(), &losses[0], &losses[1]);
        return losses;
    }

    std::vector<Network> networks() const override
    {
        return {{cgan.generator.params, cgan.generator.grads, after_embedding},
                {cgan.discriminator.params, cgan.discriminator.grads, after_embedding}};
    }

  private:
    Data data;
    floor_cgan cgan;
};

// Products of one pass through the layers of a network: in to hidden[0], ..., to out.
double products(int64_t in, const int64_t *hidden, int layers, int64_t out)
{
    double sum = 0;
    for (int i = 0; i <= layers; i++) {
        int64_t next = i < layers ? hidden[i] : out;
        sum += static_cast<double>(in * next);
        in = next;
    }
    return 2 * batch * sum;
}

// The generator goes forward and back once; the discriminator once for the generator, without gradients of its weights,
// and twice for itself. First layers count as others do, since embeddings want the gradient of their input.
double flops(const gan_sizes &s)
{
    int64_t g_in = s.noise + s.embedding, d_in = s.data + s.embedding;
    double g = products(g_in, s.generator, s.generator_layers, s.data);
    double d = products(d_in, s.discriminator, s.discriminator_layers, 1);
    return 3 * g + 2 * d + 2 * (3 * d);
}

} // namespace

void add_gans(Suite &suite)
{
    gan_sizes notebook = gan_notebook_sizes(), cgan = gan_image_sizes(1e-5, 0.4);
    suite.reel.push_back(
        {"notebook", [=](int threads) { return std::make_unique<Reel>(notebook, threads); }, flops(notebook), 0, 0});
    suite.reel.push_back(
        {"cgan", [=](int threads) { return std::make_unique<Reel>(cgan, threads); }, flops(cgan), 0, 0});
    // Other libraries draw other masks: without any, losses can be compared with theirs.
    suite.reel.push_back({"cgan_no_dropout",
                          [](int threads) { return std::make_unique<Reel>(gan_image_sizes(1e-5, 0), threads); },
                          flops(cgan), 0, 0, false});
    suite.floors.push_back(
        {{"notebook", [=](int) { return std::make_unique<NotebookByHand>(notebook); }, flops(notebook), 0, 0},
         "notebook"});
    for (auto calls : {FLOOR_BLOCKS, FLOOR_WHOLE})
        suite.floors.push_back({{calls == FLOOR_WHOLE ? "cgan/whole" : "cgan",
                                 [=](int) { return std::make_unique<CganByHand>(cgan, calls); }, flops(cgan), 0, 0},
                                "cgan",
                                1,
                                5}); // floor/cgan.h says why
}

} // namespace bench
