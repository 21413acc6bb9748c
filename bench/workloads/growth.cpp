// How cost grows with batch, width and depth: forward and backward of square linear layers with ReLU, and what the BLAS
// alone reaches at the same sizes.
#include "workload.hpp"

#include <benchmark/benchmark.h>
#include <cblas.h>

#include <chrono>

namespace bench
{
namespace
{

struct Size {
    int64_t batch, width, depth;
};

double seconds_since(std::chrono::steady_clock::time_point start)
{
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Forward and weight gradient of each layer, and the input's gradient of all but the first.
double flops(const Size &s)
{
    return 2.0 * static_cast<double>(s.batch * s.width * s.width * (3 * s.depth - 1));
}

void run_network(benchmark::State &state, const Size &s, int threads)
{
    Session session(threads);
    reel_params *params = reel_params_new(session.context);
    std::vector<reel_module *> layers;
    for (int64_t i = 0; i < s.depth; i++)
        layers.push_back(reel_linear_new(params, std::to_string(i).c_str(), s.width, s.width, nullptr));
    auto x = uniform(s.batch * s.width, -1, 1, 31), target = uniform(s.batch * s.width, -1, 1, 32);
    session.expect_ok();
    auto pass = [&] {
        reel_tape *t = session.tape;
        reel_var h = reel_borrow(t, x.data(), shape({s.batch, s.width}));
        for (size_t i = 0; i < layers.size(); i++) {
            h = reel_forward(t, layers[i], h);
            if (i + 1 < layers.size())
                h = reel_relu(t, h);
        }
        reel_var loss = reel_mse_loss(t, h, reel_borrow(t, target.data(), shape({s.batch, s.width})));
        reel_zero_grad(params);
        reel_backward(t, loss, params);
        session.reset();
    };
    for (int i = 0; i < 3; i++)
        pass();
    auto start = std::chrono::steady_clock::now();
    for (auto _ : state)
        pass();
    state.counters["FLOP/s"] = flops(s) * static_cast<double>(state.iterations()) / seconds_since(start);
    reel_params_free(params);
}

// One product of [batch, width] and [width, width] on one thread; transposed: the right one is stored the other way.
void run_product(benchmark::State &state, const Size &s, bool transposed)
{
    Session session(1); // tells the BLAS to use the calling thread
    auto a = uniform(s.batch * s.width, -1, 1, 33), b = uniform(s.width * s.width, -1, 1, 34);
    std::vector<float> c(a.size());
    int m = static_cast<int>(s.batch), n = static_cast<int>(s.width);
    auto start = std::chrono::steady_clock::now();
    for (auto _ : state)
        cblas_sgemm(CblasRowMajor, CblasNoTrans, transposed ? CblasTrans : CblasNoTrans, m, n, n, 1, a.data(), n,
                    b.data(), n, 0, c.data(), n);
    state.counters["FLOP/s"] = 2.0 * static_cast<double>(s.batch * s.width * s.width) *
                               static_cast<double>(state.iterations()) / seconds_since(start);
}

std::string name_of(const char *prefix, const Size &s)
{
    return std::string(prefix) + "/batch:" + std::to_string(s.batch) + "/width:" + std::to_string(s.width);
}

} // namespace

void register_growth()
{
    const Size sizes[] = {{64, 256, 3},  {256, 256, 3},  {1024, 256, 3}, {4096, 256, 3}, {256, 64, 3},  {256, 128, 3},
                          {256, 512, 3}, {256, 1024, 3}, {256, 2048, 3}, {256, 256, 1},  {256, 256, 6}, {256, 256, 12}};
    for (const Size &s : sizes)
        for (int threads : {1, 2}) {
            std::string name =
                name_of("growth", s) + "/depth:" + std::to_string(s.depth) + "/threads:" + std::to_string(threads);
            benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State &state) {
                run_network(state, s, threads);
            })->Unit(benchmark::kMicrosecond);
        }
    for (const Size &s : sizes)
        for (bool transposed : {false, true})
            if (s.depth == 3)
                benchmark::RegisterBenchmark((name_of("gemm", s) + (transposed ? "/nt" : "/nn")).c_str(),
                                             [=](benchmark::State &state) { run_product(state, s, transposed); })
                    ->Unit(benchmark::kMicrosecond);
}

} // namespace bench
