// Classifiers of one score: ReLU between linear layers, BCE with logits, RMSprop.
#include "workload.hpp"

#include "../floor/mlp.h"

#include <new>

namespace bench
{
namespace
{

constexpr int64_t batch = 64;

struct Data {
    std::vector<float> x, y;

    explicit Data(int64_t features) : x(uniform(batch * features, -1, 1, 4)), y(static_cast<size_t>(batch))
    {
        auto classes = integers(batch, 2, 5);
        for (size_t i = 0; i < y.size(); i++)
            y[i] = static_cast<float>(classes[i]);
    }
};

class Reel : public ReelWorkload
{
  public:
    Reel(const std::vector<int64_t> &widths, int threads) : ReelWorkload(threads), data(widths[0])
    {
        params = reel_params_new(session.context);
        for (size_t i = 0; i + 1 < widths.size(); i++) {
            reel_linear_options linear = reel_linear_defaults();
            linear.activation = i + 2 < widths.size() ? REEL_ACTIVATION_RELU : REEL_ACTIVATION_NONE;
            layers.push_back(reel_linear_new(params, std::to_string(i).c_str(), widths[i], widths[i + 1], &linear));
        }
        reel_rmsprop_options options = reel_rmsprop_defaults();
        options.lr = 1e-3;
        optim = reel_rmsprop_new(params, &options);
        session.expect_ok();
    }

    ~Reel() override
    {
        reel_optim_free(optim);
        reel_params_free(params);
    }

    Losses step(const Enter &enter) override
    {
        reel_tape *t = session.tape;
        reel_var h = reel_borrow(t, data.x.data(), shape({batch, static_cast<int64_t>(data.x.size()) / batch}));
        reel_var y = reel_borrow(t, data.y.data(), shape({batch, 1}));
        if (enter)
            enter(Phase::forward);
        for (reel_module *layer : layers)
            h = reel_forward(t, layer, h);
        reel_var loss = reel_bce_with_logits_loss(t, h, y);
        return train(enter, loss, params, optim);
    }

    std::vector<reel_params *> param_sets() const override
    {
        return {params};
    }

    std::vector<reel_optim *> optims() const override
    {
        return {optim};
    }

    std::vector<Input> inputs() const override
    {
        return {{"x", REEL_REAL, shape({batch, static_cast<int64_t>(data.x.size()) / batch}), data.x.data()},
                {"y", REEL_REAL, shape({batch, 1}), data.y.data()}};
    }

  private:
    Data data;
    reel_params *params;
    std::vector<reel_module *> layers;
    reel_optim *optim;
};

class ByHand : public Workload
{
  public:
    ByHand(const std::vector<int64_t> &widths, floor_calls calls) : data(widths[0])
    {
        std::vector<int> sizes(widths.begin(), widths.end());
        if (!floor_mlp_new(&mlp, static_cast<int>(sizes.size()) - 1, sizes.data(), calls)) {
            floor_mlp_free(&mlp);
            throw std::bad_alloc();
        }
        copy_params(Reel(widths, 1), *this);
    }

    ~ByHand() override
    {
        floor_mlp_free(&mlp);
    }

    Losses step(const Enter &) override
    {
        return {floor_mlp_step(&mlp, data.x.data(), data.y.data()), 0};
    }

    std::vector<Network> networks() const override
    {
        return {{mlp.params, mlp.grads, 0}};
    }

  private:
    Data data;
    floor_mlp mlp;
};

// Products of a step: forward and weight gradient for each layer, and the input's gradient for all but the first.
double flops(const std::vector<int64_t> &widths)
{
    double sum = 0;
    for (size_t i = 0; i + 1 < widths.size(); i++)
        sum += (i == 0 ? 4.0 : 6.0) * static_cast<double>(batch * widths[i] * widths[i + 1]);
    return sum;
}

} // namespace

void add_mlps(Suite &suite)
{
    const struct {
        const char *name;
        std::vector<int64_t> widths;
    } networks[] = {{"mlp_small", {35, 64, 64, 1}}, {"mlp_big", {794, 512, 512, 512, 1}}};
    // Of mlp_big's 100,000 units that go through a ReLU one may be so near to 0 that a rounding moves it to the other
    // side. Later, when gradients come from few samples that are not learned yet, that is more than a rounding of
    // theirs.
    constexpr int steps = 10;
    for (auto &network : networks) {
        auto widths = network.widths;
        suite.reel.push_back(
            {network.name, [=](int threads) { return std::make_unique<Reel>(widths, threads); }, flops(widths), 0, 0});
        for (auto calls : {FLOOR_BLOCKS, FLOOR_WHOLE})
            suite.floors.push_back({{network.name + std::string(calls == FLOOR_WHOLE ? "/whole" : ""),
                                     [=](int) { return std::make_unique<ByHand>(widths, calls); }, flops(widths), 0, 0},
                                    network.name,
                                    1,
                                    steps});
    }
}

} // namespace bench
