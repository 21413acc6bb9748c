// Drawing numbers.
#include "workload.hpp"

#include <benchmark/benchmark.h>

#include <chrono>

namespace bench
{
namespace
{

using Draw = reel_var (*)(reel_tape *, int64_t);

void run(benchmark::State &state, Draw draw, int64_t elements)
{
    Session session(1);
    auto start = std::chrono::steady_clock::now();
    for (auto _ : state) {
        draw(session.tape, elements);
        session.reset();
    }
    std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    state.counters["elements/s"] =
        static_cast<double>(state.iterations()) * static_cast<double>(elements) / seconds.count();
}

} // namespace

void register_generators()
{
    const std::pair<const char *, Draw> draws[] = {
        {"rand", [](reel_tape *t, int64_t n) { return reel_rand(t, shape({n})); }},
        {"randn", [](reel_tape *t, int64_t n) { return reel_randn(t, shape({n})); }},
        {"randint", [](reel_tape *t, int64_t n) { return reel_randint(t, 0, 10, shape({n})); }},
        {"randperm", [](reel_tape *t, int64_t n) { return reel_randperm(t, n); }},
    };
    for (auto &draw : draws)
        for (int64_t n : {640, 65536}) {
            Draw f = draw.second;
            std::string name = std::string("random/") + draw.first + "/elements:" + std::to_string(n);
            benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State &state) {
                run(state, f, n);
            })->Unit(benchmark::kMicrosecond);
        }
}

} // namespace bench
