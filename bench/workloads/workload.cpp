#include "workload.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace bench
{

Session::Session(int threads)
{
    reel_context_options options = reel_context_defaults();
    options.num_threads = threads;
    context = reel_context_new(&options);
    tape = reel_tape_new(context);
    if (!tape) {
        std::fprintf(stderr, "reel_bench: no context for %d threads\n", threads);
        std::exit(1);
    }
}

Session::~Session()
{
    reel_tape_free(tape);
    reel_context_free(context);
}

void Session::expect_ok() const
{
    if (reel_context_status(context) != REEL_OK) {
        std::fprintf(stderr, "reel_bench: %s\n", reel_error(context));
        std::exit(1);
    }
}

void Session::reset() const
{
    expect_ok();
    reel_tape_reset(tape);
}

Losses ReelWorkload::train(const Enter &enter, reel_var loss, reel_params *params, reel_optim *optim) const
{
    if (enter)
        enter(Phase::backward);
    reel_zero_grad(params);
    reel_backward(session.tape, loss, params);
    if (enter)
        enter(Phase::other);
    if (optim)
        reel_optim_step(optim);
    Losses losses = {static_cast<float>(reel_item(session.tape, loss)), 0};
    session.reset();
    return losses;
}

std::vector<float> elements_by_hand(const Network &network, const reel_params *set, int i, const void *elements)
{
    auto from = static_cast<const float *>(elements);
    const reel_shape *s = reel_param_shape(reel_params_at(set, i));
    int64_t columns = s->ndim == 2 && i >= network.first_transposed ? s->dim[1] : 1;
    int64_t rows = reel_shape_numel(s) / columns;
    std::vector<float> out;
    for (int64_t j = 0; j < columns; j++)
        for (int64_t k = 0; k < rows; k++)
            out.push_back(from[k * columns + j]);
    return out;
}

void copy_params(const Workload &reel, const Workload &by_hand)
{
    auto sets = reel.param_sets();
    auto networks = by_hand.networks();
    for (size_t n = 0; n < networks.size(); n++) {
        float *to = networks[n].params;
        for (int i = 0; i < reel_params_count(sets[n]); i++) {
            const reel_param *p = reel_params_at(sets[n], i);
            if (reel_param_kind_of(p) == REEL_PARAM_BUFFER)
                continue;
            auto elements = elements_by_hand(networks[n], sets[n], i, reel_param_data(p));
            to = std::copy(elements.begin(), elements.end(), to);
        }
    }
}

std::unique_ptr<Workload> make_reel(const Suite &suite, const std::string &name)
{
    for (const Case &c : suite.reel)
        for (int threads = 1; threads <= 4; threads++)
            if (c.name_with(threads) == name)
                return c.make(threads);
    return nullptr;
}

reel_shape shape(std::initializer_list<int64_t> sizes)
{
    return reel_shape_make(static_cast<int>(sizes.size()), sizes.begin());
}

// A hash of the place (Mueller's, 32 bits): no state, so that the loop is wide.
static uint32_t hash(uint32_t x)
{
    x = (x ^ x >> 16) * 0x45d9f3bu;
    x = (x ^ x >> 16) * 0x45d9f3bu;
    return x ^ x >> 16;
}

void fill(float *out, int64_t n, float low, float high, uint32_t seed)
{
    for (int64_t i = 0; i < n; i++) {
        uint32_t bits = hash(static_cast<uint32_t>(i) + seed * 0x9e3779b9u);
        out[i] = low + (high - low) * static_cast<float>(bits >> 8) * 0x1p-24f;
    }
}

std::vector<float> uniform(int64_t n, float low, float high, uint32_t seed)
{
    std::vector<float> out(static_cast<size_t>(n));
    fill(out.data(), n, low, high, seed);
    return out;
}

std::vector<int64_t> integers(int64_t n, int64_t below, uint32_t seed)
{
    std::vector<int64_t> out(static_cast<size_t>(n));
    for (int64_t i = 0; i < n; i++)
        out[static_cast<size_t>(i)] = hash(static_cast<uint32_t>(i) + seed * 0x9e3779b9u) % below;
    return out;
}

} // namespace bench
